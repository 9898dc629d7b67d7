//! Actions that the host evaluates: its callbacks, and how they are called.

use super::lattice::{extent_in_memory, gather, scatter};
use super::pointer::zeros;
use crate::action::{Action, Interrupt};
use crate::error::{Error, Result};
use crate::lattice::Layout;
use std::ffi::c_void;

/// The host's S(phi). It is called on the thread that called stoq; in a stoq_chain_step() for the current
/// field and for the proposal.
///
/// It must neither throw nor longjmp out, and must not call into the chain or action at work, which
/// answers STOQ_WRONG_ORDER.
///
/// @param[in]  user    the pointer that was given to stoq_action_callback().
/// @param[in]  field   borrowed; address of the first value of a copy of the field, in the layout that was
///                     given to stoq_action_callback(). What lies between the values has no meaning.
/// @param[in]  values  number of values: sites times components.
/// @param[out] action  receives S(field). NaN, infinity or leaving it unwritten count as "reject".
/// @return 0: done. > 0: reject this move, as if S were infinite. < 0: stop; the call into stoq returns
///         STOQ_CALLBACK_STOPPED, nothing has changed, and stoq_last_callback_code() has the code.
pub type stoq_action_callback_t =
    Option<unsafe extern "C" fn(user: *mut c_void, field: *const f64, values: usize, action: *mut f64) -> i32>;

/// The host's force -dS/dphi, for kernels that follow it; see stoq_action_set_force(). What holds for
/// stoq_action_callback_t holds here too.
///
/// @param[in]  user    the pointer that was given to stoq_action_callback().
/// @param[in]  field   borrowed; as in stoq_action_callback_t.
/// @param[in]  values  number of values: sites times components.
/// @param[out] force   room in the same layout; receives -dS/dphi of every value. NaN, infinity or
///                     a value left unwritten count as "reject".
/// @return 0: done. > 0: reject this move. < 0: stop, as in stoq_action_callback_t.
pub type stoq_force_callback_t =
    Option<unsafe extern "C" fn(user: *mut c_void, field: *const f64, values: usize, force: *mut f64) -> i32>;

/// The change of the host's S when a single value of the field changes; see
/// stoq_action_set_local_change(). What holds for stoq_action_callback_t holds here too.
///
/// @param[in]  user    the pointer that was given to stoq_action_callback().
/// @param[in]  field   borrowed; as in stoq_action_callback_t.
/// @param[in]  values  number of values: sites times components.
/// @param[in]  offset  field[offset] is the value that would change: the index in the layout of the action.
/// @param[in]  value   what it would become.
/// @param[out] change  receives S(changed field) - S(field). NaN, infinity or leaving it unwritten count as
///                     "reject".
/// @return 0: done. > 0: reject this change of one value. < 0: stop, as in stoq_action_callback_t.
pub type stoq_local_change_callback_t = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        field: *const f64,
        values: usize,
        offset: isize,
        value: f64,
        change: *mut f64,
    ) -> i32,
>;

/// Called once, when the last owner of an action, the host or a chain, has freed it; on the thread that
/// did so.
///
/// @param[in] user  the pointer that was given to stoq_action_callback().
pub type stoq_destructor_t = Option<unsafe extern "C" fn(user: *mut c_void)>;

/// The types above without the NULL.
pub(super) type ActionFunction = unsafe extern "C" fn(*mut c_void, *const f64, usize, *mut f64) -> i32;
type LocalChangeFunction = unsafe extern "C" fn(*mut c_void, *const f64, usize, isize, f64, *mut f64) -> i32;

/// The host's side of a callback action.
pub(super) struct Host {
    layout: Layout,
    /// How far the first value is from the lowest in memory.
    first: usize,
    user: *mut c_void,
    destructor: stoq_destructor_t,
    action: ActionFunction,
    force: Option<ActionFunction>,
    local_change: Option<LocalChangeFunction>,
    /// A field and a force in the host's layout; empty if that is the library's own.
    field: Vec<f64>,
    forces: Vec<f64>,
    /// A changed field in the library's order, for local changes without a callback; empty until then.
    changed: Vec<f64>,
}

// SAFETY: the header tells the host that its callbacks and destructor run on whichever thread calls stoq,
// one at a time; the mutex of `stoq_action_t` sees to the latter.
unsafe impl Send for Host {}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(destructor) = self.destructor {
            // SAFETY: the host promised a destructor for `user`; this is the only place that calls it.
            unsafe { destructor(self.user) }
        }
    }
}

impl Host {
    /// Calls the destructor when dropped, but not if this fails.
    pub(super) fn new(
        layout: &Layout,
        action: ActionFunction,
        user: *mut c_void,
        destructor: stoq_destructor_t,
    ) -> Result<Self> {
        let (span, first) = extent_in_memory(layout);
        let field = if layout.is_contiguous() { Vec::new() } else { zeros("the field of a callback", span)? };
        let (layout, forces, changed) = (layout.clone(), Vec::new(), Vec::new());
        Ok(Host { layout, first, user, destructor, action, force: None, local_change: None, field, forces, changed })
    }

    pub(super) fn set_force(&mut self, force: ActionFunction) -> Result<()> {
        if self.forces.is_empty() {
            self.forces = zeros("the force of a callback", self.field.len())?;
        }
        self.force = Some(force);
        Ok(())
    }

    pub(super) fn set_local_change(&mut self, local_change: LocalChangeFunction) {
        self.local_change = Some(local_change);
    }

    /// `field` in the layout of the host, and the number of its values.
    fn show(&mut self, field: &[f64]) -> (*const f64, usize) {
        if self.field.is_empty() {
            return (field.as_ptr(), field.len());
        }
        // SAFETY: the buffer spans all values around element `first`.
        unsafe {
            let start = self.field.as_mut_ptr().add(self.first);
            scatter(&self.layout, field, start);
            (start, field.len())
        }
    }
}

/// What the code of a callback means.
fn verdict(callback: &'static str, code: i32) -> Result<(), Interrupt> {
    match code {
        0 => Ok(()),
        1.. => Err(Interrupt::Reject),
        code => Err(Interrupt::Stop(Error::CallbackStopped { callback, code })),
    }
}

impl Action for Host {
    fn action(&mut self, field: &[f64]) -> Result<f64, Interrupt> {
        let mut value = f64::NAN;
        let (field, values) = self.show(field);
        // SAFETY: the host promised a callback of this type; `field` leads to as many values.
        verdict("action", unsafe { (self.action)(self.user, field, values, &mut value) })?;
        Ok(value)
    }

    fn force(&mut self, field: &[f64], force: &mut [f64]) -> Result<(), Interrupt> {
        let Some(function) = self.force else {
            let expected = "a force callback: this kernel follows the force; see stoq_action_set_force";
            return Err(Error::invalid("force", "none", expected).into());
        };
        force.fill(f64::NAN);
        let (shown, values) = self.show(field);
        if self.forces.is_empty() {
            // SAFETY: as in `action`; room for as many values.
            verdict("force", unsafe { function(self.user, shown, values, force.as_mut_ptr()) })?;
        } else {
            self.forces.fill(f64::NAN);
            // SAFETY: as above, with a buffer that spans all values around element `first`.
            unsafe {
                let start = self.forces.as_mut_ptr().add(self.first);
                verdict("force", function(self.user, shown, values, start))?;
                gather(&self.layout, start, force);
            }
        }
        if force.iter().all(|value| value.is_finite()) { Ok(()) } else { Err(Interrupt::Reject) }
    }

    fn local_change(&mut self, field: &[f64], index: usize, value: f64) -> Result<f64, Interrupt> {
        if let Some(function) = self.local_change {
            let (mut change, offset) = (f64::NAN, self.layout.offset(index));
            let (field, values) = self.show(field);
            // SAFETY: as in `action`.
            verdict("local change", unsafe { function(self.user, field, values, offset, value, &mut change) })?;
            return Ok(change);
        }
        let mut changed = std::mem::take(&mut self.changed);
        if changed.is_empty() {
            changed = zeros("a changed field", field.len())?;
        }
        changed.copy_from_slice(field);
        changed[index] = value;
        let after = self.action(&changed);
        self.changed = changed;
        Ok(after? - self.action(field)?)
    }
}
