//! The update of the host's chain.

use super::action::{Shared, stoq_action_t};
use super::guard::guard;
use super::guarded::Guarded;
use super::lattice::{gather, read_layout, require_lattice, scatter, stoq_layout_t, within};
use super::model::stoq_model_t;
use super::options::{
    STOQ_ACCEPTED, STOQ_REJECTED, checked_options, default_options, needs_action, needs_force, stoq_chain_options_t,
    stoq_outcome_t,
};
use super::pointer::{Output, from_handle, into_handle, release, require, require_memory, versioned, zeros};
use super::status::stoq_status_t;
use crate::error::{Error, Result, require_finite};
use crate::kernel::{Chain, ChainOptions, Kernel, Outcome};
use crate::lattice::Layout;
use std::sync::Arc;

/// An update of a Markov chain that the host owns, by one of the STOQ_KERNEL_ kernels. All but
/// STOQ_KERNEL_LANGEVIN leave exp(-S)/Z exactly invariant, whatever the model.
pub struct stoq_chain_t(Guarded<State>);

pub(super) struct State {
    pub(super) chain: Chain,
    action: Option<Arc<stoq_action_t>>,
    layout: Layout,
    /// The field of the last propose or step, and room for the next one; in the library's order.
    field: Vec<f64>,
    next: Vec<f64>,
}

impl stoq_chain_t {
    /// For functions that change the chain.
    pub(super) fn exclusive<T>(&self, call: &'static str, work: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        self.0.exclusive(call, |state| {
            let undo = AbandonOnPanic(state);
            let result = work(&mut *undo.0);
            std::mem::forget(undo);
            result
        })
    }

    /// For functions that read.
    pub(super) fn shared<T>(&self, call: &'static str, work: impl FnOnce(&State) -> Result<T>) -> Result<T> {
        self.0.shared(call, work)
    }
}

/// A panic in a move leaves the chain where the last decision left it, with no proposal pending.
struct AbandonOnPanic<'a>(&'a mut State);

impl Drop for AbandonOnPanic<'_> {
    fn drop(&mut self) {
        self.0.chain.abandon();
    }
}

impl State {
    /// Copies the host's field to `field`, unless it is not finite.
    ///
    /// # Safety
    /// `field` must be valid for reading every value of the layout.
    unsafe fn read(&mut self, field: *const f64) -> Result<()> {
        // SAFETY: promised by the caller.
        unsafe { gather(&self.layout, field, &mut self.next) };
        require_finite("field", &self.next)?;
        std::mem::swap(&mut self.field, &mut self.next);
        Ok(())
    }
}

/// Makes the update of a chain. Everything that a move needs is allocated here or in the first move.
///
/// @param[in]  model    shared: the caller may free its own handle at any time. NULL for kernels that need
///                      no model: STOQ_KERNEL_HMC, STOQ_KERNEL_METROPOLIS, STOQ_KERNEL_CHARGE_SHIFT, and
///                      STOQ_KERNEL_MALA and STOQ_KERNEL_LANGEVIN with STOQ_DRIFT_FORCE.
/// @param[in]  action   shared likewise; must belong to the lattice of `layout`, strides may differ. With
///                      a force if the kernel follows it, see stoq_action_set_force(). NULL if the host
///                      evaluates its action itself, by stoq_chain_propose() and stoq_chain_resolve(),
///                      which kernels that follow the force and STOQ_KERNEL_METROPOLIS do not allow.
/// @param[in]  layout   copied; the field that stoq_chain_step() and the others will get. Extents and
///                      components are those of the model.
/// @param[in]  options  copied; NULL for the defaults.
/// @param[out] chain    transferred to the caller, who frees it with stoq_chain_free(). Unchanged on
///                      failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_SHAPE_MISMATCH, STOQ_OUT_OF_MEMORY, STOQ_INTERNAL when
///         the system refuses to start threads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_chain_new(
    model: *const stoq_model_t,
    action: *mut stoq_action_t,
    layout: *const stoq_layout_t,
    options: *const stoq_chain_options_t,
    chain: *mut *mut stoq_chain_t,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller; so in all functions below.
        let (model, action, layout, options, chain) = unsafe {
            let model = if model.is_null() { None } else { Some(from_handle("model", model)?) };
            let action = if action.is_null() { None } else { Some(from_handle("action", action)?) };
            let layout = read_layout(layout)?;
            let options = if options.is_null() { default_options() } else { versioned("options", options)? };
            (model, action, layout, options, Output::new("chain", chain)?)
        };
        chain.set(into_handle(create(model.as_deref(), action, layout, &options)?));
        Ok(())
    })
}

fn create(
    model: Option<&stoq_model_t>,
    action: Option<Arc<stoq_action_t>>,
    layout: Layout,
    options: &stoq_chain_options_t,
) -> Result<stoq_chain_t> {
    let checked = checked_options(options).map_err(|error| within("options->", error))?;
    let kernel = checked.kernel;
    match model {
        Some(model) => require_lattice("layout->", layout.lattice(), model.score.lattice())?,
        None if kernel.needs_score() => {
            let expected = format!("a model: the kernel {}, or its drift, is made of it", kernel.name());
            return Err(Error::invalid("model", "NULL", &expected));
        }
        None => {}
    }
    match &action {
        Some(action) => require_lattice("action: ", action.layout.lattice(), layout.lattice())?,
        None if needs_action(kernel) => {
            let expected = format!("an action: the kernel {} asks for more than one S a move", kernel.name());
            return Err(Error::invalid("action", "NULL", &expected));
        }
        None => {}
    }
    if let Some(action) = action.as_ref().filter(|action| needs_force(kernel) && !action.has_force()) {
        let value = format!("one on {:?} without a force", action.layout.lattice().extents());
        let expected = format!("an action with a force for {}; see stoq_action_set_force", kernel.name());
        return Err(Error::invalid("action", value, &expected));
    }
    let values = layout.lattice().values();
    require_memory("the work space of a chain", fields_needed(&checked, values).checked_mul(values))?;
    let chain = match model {
        Some(model) => Chain::new(model.score.clone(), checked),
        None => Chain::without_score(layout.lattice(), checked),
    };
    let chain = chain.map_err(|error| match error {
        Error::InvalidArgument { ref parameter, .. } if parameter == "model" => error,
        Error::InvalidArgument { ref parameter, .. } if parameter == "extents" => within("layout->", error),
        other => within("options->", other),
    })?;
    let (field, next) = (zeros("the field of a chain", values)?, zeros("the field of a chain", values)?);
    Ok(stoq_chain_t(Guarded::new("chain", State { chain, action, layout, field, next })))
}

/// What the kernels allocate, in fields.
fn fields_needed(options: &ChainOptions, values: usize) -> usize {
    let ChainOptions { kernel, pool, levels, .. } = *options;
    match kernel {
        // The pool, the scaled and denoised batches, one whole path: `Chain` and `PathProcess`.
        Kernel::Path | Kernel::Renoise { .. } => 4 * pool.max(levels) + 16,
        // A field a direction, and its change.
        Kernel::Likelihood => 2 * values + pool + 16,
        _ => 16,
    }
}

/// Frees a chain, and its holds on model and action.
///
/// @param[in] chain  transferred back; NULL is allowed and does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_chain_free(chain: *mut stoq_chain_t) {
    // SAFETY: see stoq_chain_new.
    unsafe { release(chain) }
}

/// One update of the host's field: propose, evaluate the action of both fields, decide.
///
/// On failure the field and the chain are as before the call: the next call makes the same move as if
/// this one had not been. A proposal pending from stoq_chain_propose() is forgotten.
/// STOQ_KERNEL_METROPOLIS decides value by value; its move counts as accepted if any value changed.
///
/// @param[in]     chain    borrowed; one caller at a time.
/// @param[in,out] field    borrowed; first value of the current field, in the layout of the chain. It
///                         becomes the proposal if that is accepted, and is not written otherwise.
/// @param[out]    outcome  STOQ_ACCEPTED or STOQ_REJECTED; may be NULL. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT (also when the action of the current field is NaN or rejected:
///         a chain must start from a field that has a probability), STOQ_NOT_FINITE,
///         STOQ_CALLBACK_STOPPED, STOQ_WRONG_ORDER for a chain without an action.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_chain_step(
    chain: *mut stoq_chain_t,
    field: *mut f64,
    outcome: *mut stoq_outcome_t,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_chain_new.
        let (chain, result) = unsafe { (from_handle("chain", chain)?, Output::optional("outcome", outcome)?) };
        require("field", field)?;
        let outcome = chain.exclusive("stoq_chain_step", |state| {
            let Some(action) = state.action.clone() else {
                let reason = "the chain was made without an action; use stoq_chain_propose and stoq_chain_resolve";
                return Err(Error::WrongOrder { call: "stoq_chain_step", reason: reason.into() });
            };
            // SAFETY: see stoq_chain_new.
            unsafe { state.read(field)? };
            let outcome = state.chain.step(&mut state.field, &mut Shared(&action, "stoq_chain_step"))?;
            if outcome == Outcome::Accepted {
                // SAFETY: see stoq_chain_new.
                unsafe { scatter(&state.layout, &state.field, field) };
            }
            Ok(outcome)
        })?;
        result.set(code(outcome));
        Ok(())
    })
}

fn code(outcome: Outcome) -> stoq_outcome_t {
    match outcome {
        Outcome::Rejected => STOQ_REJECTED,
        Outcome::Accepted => STOQ_ACCEPTED,
    }
}

/// First half of an update by a host that evaluates its action itself: makes a proposal. Decide with
/// stoq_chain_resolve(). A proposal that is never resolved has no effect: the next call makes the same
/// one for the same field.
///
/// @param[in]  chain         borrowed; one caller at a time.
/// @param[in]  field         borrowed; first value of the current field, in the layout of the chain.
/// @param[out] proposal      first value of a buffer in the layout of the chain, which must not overlap
///                           `field`. Unchanged on failure.
/// @param[out] log_hastings  everything in the acceptance but the action: the move is accepted with
///                           probability min(1, exp(log_hastings - delta_action)). NaN if the network
///                           failed; the move will then be rejected. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_WRONG_ORDER for a kernel that needs the
///         action to propose (STOQ_KERNEL_HMC, STOQ_KERNEL_METROPOLIS, a drift that contains the force): use
///         stoq_chain_step().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_chain_propose(
    chain: *mut stoq_chain_t,
    field: *const f64,
    proposal: *mut f64,
    log_hastings: *mut f64,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_chain_new.
        let (chain, log_hastings) =
            unsafe { (from_handle("chain", chain)?, Output::new("log_hastings", log_hastings)?) };
        require("field", field)?;
        require("proposal", proposal)?;
        if std::ptr::eq(field, proposal) {
            return Err(Error::invalid("proposal", "the buffer of field", "a buffer that does not overlap field"));
        }
        log_hastings.set(chain.exclusive("stoq_chain_propose", |state| {
            // SAFETY: see stoq_chain_new.
            unsafe { state.read(field)? };
            let (found, log_ratio) = state.chain.propose(&state.field)?;
            // SAFETY: see stoq_chain_new.
            unsafe { scatter(&state.layout, found, proposal) };
            Ok(log_ratio)
        })?);
        Ok(())
    })
}

/// Second half of an update by a host that evaluates its action itself: decides on the proposal.
///
/// @param[in]     chain         borrowed; one caller at a time.
/// @param[in]     delta_action  S(proposal) - S(field). NaN or infinity rejects.
/// @param[in,out] field         borrowed; the field that went to stoq_chain_propose(), unchanged since. It
///                              becomes the proposal if that is accepted, and is not written otherwise.
/// @param[out]    outcome       STOQ_ACCEPTED or STOQ_REJECTED; may be NULL. Unchanged on failure.
/// @return STOQ_OK, STOQ_WRONG_ORDER without a pending proposal, STOQ_INVALID_ARGUMENT also when `field`
///         is another one than before; the proposal then stays pending.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_chain_resolve(
    chain: *mut stoq_chain_t,
    delta_action: f64,
    field: *mut f64,
    outcome: *mut stoq_outcome_t,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_chain_new.
        let (chain, result) = unsafe { (from_handle("chain", chain)?, Output::optional("outcome", outcome)?) };
        require("field", field)?;
        let outcome = chain.exclusive("stoq_chain_resolve", |state| {
            if state.chain.is_pending() {
                // SAFETY: see stoq_chain_new.
                unsafe { gather(&state.layout, field, &mut state.next) };
                if let Some(index) = state.next.iter().zip(&state.field).position(|(now, then)| now != then) {
                    let sites = state.layout.lattice().sites();
                    let place = match (index % sites, index / sites) {
                        (site, 0) => format!("field at site {site}"),
                        (site, component) => format!("field at site {site}, component {component}"),
                    };
                    let expected = format!("{}, the field that went to stoq_chain_propose", state.field[index]);
                    return Err(Error::invalid(&place, state.next[index], &expected));
                }
            }
            let outcome = state.chain.resolve(delta_action)?;
            if outcome == Outcome::Accepted {
                // SAFETY: see stoq_chain_new.
                unsafe { scatter(&state.layout, state.chain.proposal(), field) };
            }
            Ok(outcome)
        })?;
        result.set(code(outcome));
        Ok(())
    })
}

#[cfg(test)]
mod tests;
