//! Nothing unwinds into the host: panics end here as `STOQ_INTERNAL`.

use super::status::{STOQ_OK, record, stoq_status_t};
use crate::error::{Error, Result};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// How many guarded calls are open on this thread: a callback may open another one.
    static OPEN: Cell<u32> = const { Cell::new(0) };
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs the body of an exported function and turns what it returns into a status.
pub(super) fn guard(call: impl FnOnce() -> Result<()>) -> stoq_status_t {
    match catch(call) {
        Ok(Ok(())) => STOQ_OK,
        Ok(Err(error)) => record(&error),
        Err(panic) => record(&Error::Internal(panic)),
    }
}

/// Runs `call`; a panic is returned as its message and place, and nothing is printed.
pub(super) fn catch<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    keep_panics_quiet();
    OPEN.set(OPEN.get() + 1);
    // Unwind safety: callers undo what a panic left half done (`chain.rs`), or own it and drop it.
    let result = catch_unwind(AssertUnwindSafe(call));
    OPEN.set(OPEN.get() - 1);
    result.map_err(|payload| {
        // Dropping a payload of unknown type could panic in its turn.
        std::mem::forget(payload);
        PANIC.try_with(|text| std::mem::take(&mut *text.borrow_mut())).unwrap_or_default()
    })
}

/// The library never writes to the host's stderr, but the standard panic hook does. This one keeps
/// the message of a panic within a guarded call, and leaves all others to the hook before it.
fn keep_panics_quiet() {
    static HOOK: Once = Once::new();
    if HOOK.is_completed() || std::thread::panicking() {
        return;
    }
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| match OPEN.get() {
            0 => before(info),
            _ => keep(info),
        }));
    });
}

fn keep(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref().map(String::as_str));
    let reason = text.unwrap_or("a panic without a message");
    let place = info.location().map(|place| format!(" at {}:{}", place.file(), place.line())).unwrap_or_default();
    let _ = PANIC.try_with(|text| *text.borrow_mut() = format!("{reason}{place}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capi::status::{STOQ_INTERNAL, last_error};

    #[test]
    fn a_panic_becomes_a_status_with_message_and_place() {
        let nested = || -> Result<()> {
            assert_eq!(guard(|| panic!("inner {}", 7)), STOQ_INTERNAL);
            assert!(last_error().contains("inner 7 at src/capi/guard.rs:"), "{}", last_error());
            let empty: Vec<u8> = Vec::new();
            assert_eq!(empty[std::hint::black_box(3)], 0);
            Ok(())
        };
        assert_eq!(guard(nested), STOQ_INTERNAL);
        assert!(last_error().contains("index is 3"), "{}", last_error());
        assert_eq!(OPEN.get(), 0);
        assert_eq!(guard(|| Ok(())), STOQ_OK);
    }
}
