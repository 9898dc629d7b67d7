//! The handle of an action, and actions that the host evaluates.

use super::guard::guard;
use super::host::{
    Host, stoq_action_callback_t, stoq_destructor_t, stoq_force_callback_t, stoq_local_change_callback_t,
};
use super::lattice::{gather, read_layout, scatter, stoq_layout_t};
use super::pointer::{Output, from_handle, into_handle, release, require, zeros};
use super::status::stoq_status_t;
use crate::action::{Action, ActionRecord, Interrupt};
use crate::error::{Error, Result, require_finite};
use crate::lattice::Layout;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// An action S: the target law is exp(-S) / Z. Chains that use the same action at the same time on
/// several threads wait for each other: one evaluation at a time.
pub struct stoq_action_t {
    pub(super) layout: Layout,
    kind: Mutex<Kind>,
    /// Name and couplings of a built-in one.
    record: Option<ActionRecord>,
    /// Whether there is a force.
    force: AtomicBool,
    /// The thread inside `with`, by `this_thread`; 0 if there is none.
    evaluating: AtomicUsize,
}

enum Kind {
    BuiltIn(Box<dyn Action>),
    Host(Box<Host>),
}

impl Kind {
    fn action(&mut self) -> &mut dyn Action {
        match self {
            Kind::BuiltIn(action) => &mut **action,
            Kind::Host(host) => &mut **host,
        }
    }
}

impl stoq_action_t {
    pub(super) fn built_in(layout: Layout, action: Box<dyn Action>) -> Self {
        Self::new(layout, Kind::BuiltIn(action), true)
    }

    fn new(layout: Layout, kind: Kind, force: bool) -> Self {
        let (kind, force) = (Mutex::new(kind), AtomicBool::new(force));
        stoq_action_t { layout, kind, record: None, force, evaluating: AtomicUsize::new(0) }
    }

    /// With the record of what it is.
    pub(super) fn recorded(self, record: ActionRecord) -> Self {
        stoq_action_t { record: Some(record), ..self }
    }

    /// Name and couplings, of a built-in action.
    pub(super) fn record(&self) -> Option<&ActionRecord> {
        self.record.as_ref()
    }

    /// Whether kernels can follow its force.
    pub(super) fn has_force(&self) -> bool {
        self.force.load(Ordering::Relaxed)
    }

    /// Works with the action, on fields in the library's order. Waits for other threads.
    pub(super) fn with<T>(
        &self,
        call: &'static str,
        work: impl FnOnce(&mut dyn Action) -> Result<T, Interrupt>,
    ) -> Result<T, Interrupt> {
        self.with_kind(call, |kind| work(kind.action()))
    }

    fn with_kind<T>(
        &self,
        call: &'static str,
        work: impl FnOnce(&mut Kind) -> Result<T, Interrupt>,
    ) -> Result<T, Interrupt> {
        let me = this_thread();
        // Only this thread writes its own number, so no other one can make this comparison true.
        if self.evaluating.load(Ordering::Relaxed) == me {
            let reason = "a callback asked for the action that it is evaluating".into();
            return Err(Interrupt::Stop(Error::WrongOrder { call, reason }));
        }
        // A panic of the action leaves nothing of ours half done.
        let mut kind = self.kind.lock().unwrap_or_else(PoisonError::into_inner);
        let _inside = Inside::enter(&self.evaluating, me);
        work(&mut kind)
    }

    /// Changes the callbacks of a host's action.
    fn change_host(&self, call: &'static str, change: impl FnOnce(&mut Host) -> Result<()>) -> Result<()> {
        let changed = self.with_kind(call, |kind| match kind {
            Kind::Host(host) => Ok(change(host)?),
            Kind::BuiltIn(_) => {
                let expected = "an action made by stoq_action_callback; the built-in ones have all that they need";
                Err(Error::invalid("action", "a built-in one", expected).into())
            }
        });
        changed.map_err(|interrupt| match interrupt {
            Interrupt::Stop(error) => error,
            Interrupt::Reject => Error::Internal("a change of callbacks was rejected".into()),
        })
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

/// An action that is shared with the host and other chains, and the call that evaluates it.
pub(super) struct Shared<'a>(pub(super) &'a stoq_action_t, pub(super) &'static str);

impl Action for Shared<'_> {
    fn action(&mut self, field: &[f64]) -> Result<f64, Interrupt> {
        self.0.with(self.1, |action| action.action(field))
    }

    fn force(&mut self, field: &[f64], force: &mut [f64]) -> Result<(), Interrupt> {
        self.0.with(self.1, |action| action.force(field, force))
    }

    fn local_change(&mut self, field: &[f64], index: usize, value: f64) -> Result<f64, Interrupt> {
        self.0.with(self.1, |action| action.local_change(field, index, value))
    }
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
        // SAFETY: what the comment of the function asks of its caller; so in all functions below.
        let (layout, action) = unsafe { (read_layout(layout)?, Output::new("action", action)?) };
        let Some(callback) = callback else {
            return Err(Error::invalid("callback", "NULL", "a function that evaluates S(phi)"));
        };
        // On failure the destructor is not called; from here on nothing fails.
        let host = Host::new(&layout, callback, user, destructor)?;
        action.set(into_handle(stoq_action_t::new(layout, Kind::Host(Box::new(host)), false)));
        Ok(())
    })
}

/// Gives a callback action its force: for STOQ_KERNEL_HMC, and STOQ_KERNEL_MALA and STOQ_KERNEL_LANGEVIN
/// with a drift that contains the force. Call it before stoq_chain_new(). A wrong force costs
/// acceptance; the exact kernels stay exact as long as it is a function of the field alone.
///
/// @param[in] action    borrowed; made by stoq_action_callback().
/// @param[in] callback  -dS/dphi, see stoq_force_callback_t; gets the same `user`. Replaces an earlier one.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER from a callback of the action,
///         STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_action_set_force(
    action: *mut stoq_action_t,
    callback: stoq_force_callback_t,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_action_callback.
        let action = unsafe { from_handle("action", action)? };
        let callback =
            callback.ok_or_else(|| Error::invalid("callback", "NULL", "a function that evaluates -dS/dphi"))?;
        action.change_host("stoq_action_set_force", |host| host.set_force(callback))?;
        action.force.store(true, Ordering::Relaxed);
        Ok(())
    })
}

/// Gives a callback action its change under a change of one value: STOQ_KERNEL_METROPOLIS then needs it
/// alone. Without it every value of a sweep costs two whole actions. It must agree with the action:
/// the decisions rest on it.
///
/// @param[in] action    borrowed; made by stoq_action_callback().
/// @param[in] callback  see stoq_local_change_callback_t; gets the same `user`. Replaces an earlier one.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER from a callback of the action.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_action_set_local_change(
    action: *mut stoq_action_t,
    callback: stoq_local_change_callback_t,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_action_callback.
        let action = unsafe { from_handle("action", action)? };
        let callback = callback
            .ok_or_else(|| Error::invalid("callback", "NULL", "a function that evaluates a local change of S"))?;
        action.change_host("stoq_action_set_local_change", |host| {
            host.set_local_change(callback);
            Ok(())
        })
    })
}

/// Frees the caller's hold on an action. Chains made with it go on; the destructor of a callback action
/// is called when the last of them is freed.
///
/// @param[in] action  transferred back; NULL is allowed and does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_action_free(action: *mut stoq_action_t) {
    // SAFETY: see stoq_action_callback.
    unsafe { release(action) }
}

/// S of one field: to check a callback or a layout, for example against the built-in action.
///
/// @param[in]  action  borrowed; one caller at a time.
/// @param[in]  field   borrowed; first value of a field in the layout of the action.
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
        // SAFETY: see stoq_action_callback.
        let (action, value) = unsafe { (from_handle("action", action)?, Output::new("value", value)?) };
        require("field", field)?;
        let mut copy = zeros("a copy of the field", action.layout.lattice().values())?;
        // SAFETY: see stoq_action_callback.
        unsafe { gather(&action.layout, field, &mut copy) };
        require_finite("field", &copy)?;
        value.set(match action.with("stoq_action_evaluate", |action| action.action(&copy)) {
            Ok(result) => result,
            Err(Interrupt::Reject) => f64::INFINITY,
            Err(Interrupt::Stop(error)) => return Err(error),
        });
        Ok(())
    })
}

/// The force -dS/dphi of one field: to check a callback against finite differences of
/// stoq_action_evaluate(), or for integrators of one's own.
///
/// @param[in]  action  borrowed; one caller at a time.
/// @param[in]  field   borrowed; first value of a field in the layout of the action.
/// @param[out] force   first value of a buffer in the same layout; may be `field` itself. Unchanged on
///                     failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT (also for a callback action without a force), STOQ_NOT_FINITE
///         (also when the force is not, or its callback said "reject"), STOQ_CALLBACK_STOPPED,
///         STOQ_WRONG_ORDER, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_action_force(
    action: *mut stoq_action_t,
    field: *const f64,
    force: *mut f64,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_action_callback.
        let action = unsafe { from_handle("action", action)? };
        require("field", field)?;
        require("force", force)?;
        let values = action.layout.lattice().values();
        let mut copy = zeros("a copy of the field", values)?;
        let mut found = zeros("a force", values)?;
        // SAFETY: see stoq_action_callback.
        unsafe { gather(&action.layout, field, &mut copy) };
        require_finite("field", &copy)?;
        match action.with("stoq_action_force", |action| action.force(&copy, &mut found)) {
            Ok(()) => require_finite("force", &found)?,
            Err(Interrupt::Reject) => require_finite("force", &[f64::NAN])?,
            Err(Interrupt::Stop(error)) => return Err(error),
        }
        // SAFETY: see stoq_action_callback.
        unsafe { scatter(&action.layout, &found, force) };
        Ok(())
    })
}
