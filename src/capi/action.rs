//! Actions: built-in ones, and those that the host evaluates.

use super::guard::guard;
use super::lattice::{extent_in_memory, gather, read_layout, require_lattice_memory, scatter, stoq_layout_t};
use super::pointer::{Output, from_handle, into_handle, release, require, zeros};
use super::status::stoq_status_t;
use crate::action::{Action, HostAction, Interrupt, Phi4};
use crate::error::{Error, Result, require_finite};
use crate::lattice::Layout;
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// An action S: the target law is exp(-S) / Z. Chains that use the same action at the same time on
/// several threads wait for each other: one evaluation at a time.
pub struct stoq_action_t {
    pub(super) layout: Layout,
    action: Mutex<Box<dyn Action>>,
    /// The thread inside `evaluate`, by `this_thread`; 0 if there is none.
    evaluating: AtomicUsize,
}

/// The host's S(phi). It is called on the thread that called stoq, twice in a stoq_chain_step(): for the
/// current field and for the proposal.
///
/// It must neither throw nor longjmp out, and must not call into the chain or action at work, which
/// answers STOQ_WRONG_ORDER.
///
/// @param[in]  user    the pointer that was given to stoq_action_callback().
/// @param[in]  field   borrowed; address of the first site of a copy of the field, in the layout that was
///                     given to stoq_action_callback(). What lies between the sites has no meaning.
/// @param[in]  sites   number of sites.
/// @param[out] action  receives S(field). NaN, infinity or leaving it unwritten count as "reject".
/// @return 0: done. > 0: reject this move, as if S were infinite. < 0: stop; the call into stoq returns
///         STOQ_CALLBACK_STOPPED, nothing has changed, and stoq_last_callback_code() has the code.
pub type stoq_action_callback_t =
    Option<unsafe extern "C" fn(user: *mut c_void, field: *const f64, sites: usize, action: *mut f64) -> i32>;

/// Called once, when the last owner of an action, the host or a chain, has freed it; on the thread that
/// did so.
///
/// @param[in] user  the pointer that was given to stoq_action_callback().
pub type stoq_destructor_t = Option<unsafe extern "C" fn(user: *mut c_void)>;

impl stoq_action_t {
    pub(super) fn new(layout: Layout, action: Box<dyn Action>) -> Self {
        stoq_action_t { layout, action: Mutex::new(action), evaluating: AtomicUsize::new(0) }
    }

    /// S of a field in the library's order. Waits for other threads.
    pub(super) fn evaluate(&self, field: &[f64]) -> Result<f64, Interrupt> {
        let me = this_thread();
        // Only this thread writes its own number, so no other one can make this comparison true.
        if self.evaluating.load(Ordering::Relaxed) == me {
            let reason = "a callback asked for the action that it is evaluating".into();
            return Err(Interrupt::Stop(Error::WrongOrder { call: "stoq_action_evaluate", reason }));
        }
        // A panic of the action leaves nothing of ours half done.
        let mut action = self.action.lock().unwrap_or_else(PoisonError::into_inner);
        let _inside = Inside::enter(&self.evaluating, me);
        action.action(field)
    }
}

/// Marks the thread as being inside, until dropped.
struct Inside<'a>(&'a AtomicUsize);

impl<'a> Inside<'a> {
    fn enter(evaluating: &'a AtomicUsize, me: usize) -> Self {
        evaluating.store(me, Ordering::Relaxed);
        Inside(evaluating)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// A number that no other living thread has, never 0.
fn this_thread() -> usize {
    thread_local!(static PLACE: u8 = const { 0 });
    PLACE.with(|place| std::ptr::from_ref(place).addr())
}

/// The host's side of a callback action.
struct Host {
    callback: unsafe extern "C" fn(*mut c_void, *const f64, usize, *mut f64) -> i32,
    user: *mut c_void,
    destructor: stoq_destructor_t,
}

// SAFETY: the header tells the host that its callback and destructor run on whichever thread calls stoq,
// one at a time; the mutex of `stoq_action_t` sees to the latter.
unsafe impl Send for Host {}

impl Host {
    fn call(&self, field: *const f64, sites: usize) -> Result<f64, Interrupt> {
        let mut value = f64::NAN;
        // SAFETY: the host promised a callback of this type; `field` leads to `sites` sites.
        match unsafe { (self.callback)(self.user, field, sites, &mut value) } {
            0 => Ok(value),
            1.. => Err(Interrupt::Reject),
            code => Err(Interrupt::Stop(Error::CallbackStopped { callback: "action", code })),
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(destructor) = self.destructor {
            // SAFETY: the host promised a destructor for `user`; this is the only place that calls it.
            unsafe { destructor(self.user) }
        }
    }
}

/// The built-in action of lattice phi^4 theory, on a periodic lattice of any rank:
/// S = sum_x [ -2 kappa sum_mu phi(x) phi(x+mu) + (1 - 2 lambda) phi(x)^2 + lambda phi(x)^4 ].
///
/// @param[in]  layout  copied; the field that stoq_action_evaluate() will get. A chain that uses the
///                     action may have another layout of the same lattice.
/// @param[in]  kappa   hopping parameter; with lambda = 0 only |kappa| < 1 / (2 rank) is stable.
/// @param[in]  lambda  quartic coupling, >= 0.
/// @param[out] action  transferred to the caller, who frees it with stoq_action_free(). Unchanged on
///                     failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_action_phi4(
    layout: *const stoq_layout_t,
    kappa: f64,
    lambda: f64,
    action: *mut *mut stoq_action_t,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller; so in all functions below.
        let (layout, action) = unsafe { (read_layout(layout)?, Output::new("action", action)?) };
        require_lattice_memory(layout.lattice())?;
        let phi4 = Phi4::new(layout.lattice(), kappa, lambda)?;
        action.set(into_handle(stoq_action_t::new(layout, Box::new(phi4))));
        Ok(())
    })
}

/// An action that the host evaluates.
///
/// @param[in]  layout      copied; the layout in which `callback` gets its field. With other strides than
///                         those of C order without gaps, each call copies the field.
/// @param[in]  callback    S(phi), see stoq_action_callback_t.
/// @param[in]  user        anything that `callback` needs, or NULL; transferred to the action on success.
/// @param[in]  destructor  frees `user`, see stoq_destructor_t, or NULL. On failure it is not called, and
///                         `user` stays with the caller.
/// @param[out] action      transferred to the caller, who frees it with stoq_action_free(). Unchanged on
///                         failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_action_callback(
    layout: *const stoq_layout_t,
    callback: stoq_action_callback_t,
    user: *mut c_void,
    destructor: stoq_destructor_t,
    action: *mut *mut stoq_action_t,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_action_phi4.
        let (layout, action) = unsafe { (read_layout(layout)?, Output::new("action", action)?) };
        let Some(callback) = callback else {
            return Err(Error::invalid("callback", "NULL", "a function that evaluates S(phi)"));
        };
        let (span, first) = extent_in_memory(&layout);
        let mut copy = if layout.is_contiguous() { Vec::new() } else { zeros("the field of a callback", span)? };
        let shape = layout.clone();
        // From here on nothing fails: `Host` calls the destructor when dropped.
        let host = Host { callback, user, destructor };
        let evaluate = move |field: &[f64]| {
            if copy.is_empty() {
                return host.call(field.as_ptr(), field.len());
            }
            // SAFETY: `copy` spans all sites around element `first`.
            let field = unsafe {
                let start = copy.as_mut_ptr().add(first);
                scatter(&shape, field, start);
                start
            };
            host.call(field, shape.lattice().values())
        };
        action.set(into_handle(stoq_action_t::new(layout, Box::new(HostAction::new(Box::new(evaluate), None)))));
        Ok(())
    })
}

/// Frees the caller's hold on an action. Chains made with it go on; the destructor of a callback action
/// is called when the last of them is freed.
///
/// @param[in] action  transferred back; NULL is allowed and does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_action_free(action: *mut stoq_action_t) {
    // SAFETY: see stoq_action_phi4.
    unsafe { release(action) }
}

/// S of one field: to check a callback or a layout, for example against the built-in action.
///
/// @param[in]  action  borrowed; one caller at a time.
/// @param[in]  field   borrowed; first site of a field in the layout of the action.
/// @param[out] value   S(field); +infinity if a callback said "reject", and whatever a callback wrote
///                     otherwise, NaN included. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_CALLBACK_STOPPED, STOQ_WRONG_ORDER,
///         STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_action_evaluate(
    action: *mut stoq_action_t,
    field: *const f64,
    value: *mut f64,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_action_phi4.
        let (action, value) = unsafe { (from_handle("action", action)?, Output::new("value", value)?) };
        require("field", field)?;
        let mut copy = zeros("a copy of the field", action.layout.lattice().values())?;
        // SAFETY: see stoq_action_phi4.
        unsafe { gather(&action.layout, field, &mut copy) };
        require_finite("field", &copy)?;
        value.set(match action.evaluate(&copy) {
            Ok(result) => result,
            Err(Interrupt::Reject) => f64::INFINITY,
            Err(Interrupt::Stop(error)) => return Err(error),
        });
        Ok(())
    })
}
