//! Status codes, the text of the last error, and versions.

use crate::error::Error;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, c_char};

/// Version of this header. It must be equal to what stoq_abi_version() returns.
pub const STOQ_ABI_VERSION: u32 = 2;

/// What every function that can fail returns: STOQ_OK or the reason. See stoq_last_error() for the
/// sentence that goes with it.
pub type stoq_status_t = i32;

/// The call did what it was asked to do.
pub const STOQ_OK: stoq_status_t = 0;
/// A parameter has a value that cannot be used; this includes NULL where it is not allowed.
pub const STOQ_INVALID_ARGUMENT: stoq_status_t = 1;
/// Lattices or buffer lengths that must agree do not.
pub const STOQ_SHAPE_MISMATCH: stoq_status_t = 2;
/// The field of the host, or a force, holds NaN or infinity.
pub const STOQ_NOT_FINITE: stoq_status_t = 3;
/// A file or memory block is not a model that this library can use.
pub const STOQ_MODEL_FILE: stoq_status_t = 4;
/// A saved chain state is damaged, or belongs to another model or other options.
pub const STOQ_CHAIN_STATE: stoq_status_t = 5;
/// A callback of the host returned a negative code: stoq_last_callback_code() has it.
pub const STOQ_CALLBACK_STOPPED: stoq_status_t = 6;
/// The call came at the wrong time: resolve without propose, save between the two, or a call into a
/// handle that is at work, for example from its own callback.
pub const STOQ_WRONG_ORDER: stoq_status_t = 7;
/// A file cannot be read or written.
pub const STOQ_IO: stoq_status_t = 8;
/// Memory could not be had.
pub const STOQ_OUT_OF_MEMORY: stoq_status_t = 9;
/// A fault of this library. The handles of the call stay usable, and are as before the call.
pub const STOQ_INTERNAL: stoq_status_t = 10;
/// The library of ONNX Runtime, which networks exported from other programs need, was not found or cannot be
/// used. Networks that stoq trained need none and go on working.
pub const STOQ_RUNTIME_MISSING: stoq_status_t = 11;
/// The device that was asked for is not there, or stopped working. There is no silent fallback to another.
pub const STOQ_DEVICE_UNAVAILABLE: stoq_status_t = 12;

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::new(CString::default());
    static LAST_CALLBACK_CODE: Cell<i32> = const { Cell::new(0) };
}

/// Keeps the text of `error` for this thread and returns its status.
pub(super) fn record(error: &Error) -> stoq_status_t {
    if let Error::CallbackStopped { code, .. } = error {
        LAST_CALLBACK_CODE.set(*code);
    }
    // A path or a key of the caller cannot contain NUL, but a message is no place to find out.
    let text = CString::new(error.to_string().replace('\0', "?")).unwrap_or_default();
    let _ = LAST_ERROR.try_with(|last| *last.borrow_mut() = text);
    status(error)
}

fn status(error: &Error) -> stoq_status_t {
    match error {
        Error::InvalidArgument { .. } => STOQ_INVALID_ARGUMENT,
        Error::ShapeMismatch { .. } => STOQ_SHAPE_MISMATCH,
        Error::NotFinite { .. } => STOQ_NOT_FINITE,
        Error::ModelFile { .. } => STOQ_MODEL_FILE,
        Error::ChainState { .. } => STOQ_CHAIN_STATE,
        Error::CallbackStopped { .. } => STOQ_CALLBACK_STOPPED,
        Error::WrongOrder { .. } => STOQ_WRONG_ORDER,
        Error::Io { .. } => STOQ_IO,
        Error::OutOfMemory { .. } => STOQ_OUT_OF_MEMORY,
        Error::Internal(_) => STOQ_INTERNAL,
        Error::RuntimeMissing { .. } => STOQ_RUNTIME_MISSING,
        Error::DeviceUnavailable { .. } => STOQ_DEVICE_UNAVAILABLE,
    }
}

/// The version of the library, such as "0.1.0".
///
/// @return a constant string; never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn stoq_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// The version of the C ABI that the library has. Programs and bindings that load the library at run
/// time compare it with the STOQ_ABI_VERSION that they were written for, before any other call.
///
/// @return STOQ_ABI_VERSION of the library.
#[unsafe(no_mangle)]
pub extern "C" fn stoq_abi_version() -> u32 {
    STOQ_ABI_VERSION
}

/// The sentence that goes with the last call that failed on this thread: it names the parameter, its
/// value, what was expected, and the way out. Calls that succeed leave it as it is.
///
/// @return UTF-8 text, "" before the first failure, never NULL. Valid until the next call that fails
///         on this thread, or its end; copy it to keep it.
#[unsafe(no_mangle)]
pub extern "C" fn stoq_last_error() -> *const c_char {
    LAST_ERROR.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

/// The negative code by which a callback stopped the last call on this thread that returned
/// STOQ_CALLBACK_STOPPED. Other calls leave it as it is.
///
/// @return the code, 0 before the first stop.
#[unsafe(no_mangle)]
pub extern "C" fn stoq_last_callback_code() -> i32 {
    LAST_CALLBACK_CODE.get()
}

/// The name of a status, such as "STOQ_OK".
///
/// @param[in] status  any number.
/// @return a constant string; "unknown status" for a number that is none. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn stoq_status_name(status: stoq_status_t) -> *const c_char {
    let name: &CStr = match status {
        STOQ_OK => c"STOQ_OK",
        STOQ_INVALID_ARGUMENT => c"STOQ_INVALID_ARGUMENT",
        STOQ_SHAPE_MISMATCH => c"STOQ_SHAPE_MISMATCH",
        STOQ_NOT_FINITE => c"STOQ_NOT_FINITE",
        STOQ_MODEL_FILE => c"STOQ_MODEL_FILE",
        STOQ_CHAIN_STATE => c"STOQ_CHAIN_STATE",
        STOQ_CALLBACK_STOPPED => c"STOQ_CALLBACK_STOPPED",
        STOQ_WRONG_ORDER => c"STOQ_WRONG_ORDER",
        STOQ_IO => c"STOQ_IO",
        STOQ_OUT_OF_MEMORY => c"STOQ_OUT_OF_MEMORY",
        STOQ_INTERNAL => c"STOQ_INTERNAL",
        STOQ_RUNTIME_MISSING => c"STOQ_RUNTIME_MISSING",
        STOQ_DEVICE_UNAVAILABLE => c"STOQ_DEVICE_UNAVAILABLE",
        _ => c"unknown status",
    };
    name.as_ptr()
}

/// The text of [`stoq_last_error`], for tests in Rust.
#[cfg(test)]
pub(super) fn last_error() -> String {
    LAST_ERROR.with(|last| last.borrow().to_string_lossy().into_owned())
}
