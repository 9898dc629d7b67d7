//! The update of the host's chain.

use super::action::stoq_action_t;
use super::guard::guard;
use super::lattice::{gather, read_layout, scatter, stoq_layout_t, within};
use super::model::{copy_out, stoq_model_t};
use super::options::{
    STOQ_ACCEPTED, STOQ_REJECTED, checked_options, default_options, stoq_chain_options_t, stoq_chain_statistics_t,
    stoq_outcome_t,
};
use super::pointer::{
    Output, from_handle, into_handle, release, require, require_memory, require_size, slice, versioned, zeros,
};
use super::status::stoq_status_t;
use crate::action::{Action, Interrupt};
use crate::error::{Error, Result, require_finite};
use crate::kernel::{Chain, Outcome};
use crate::lattice::Layout;
use crate::score::Score;
use std::ffi::c_void;
use std::sync::{Arc, PoisonError, RwLock, TryLockError};

/// A learned, exactly corrected update of a Markov chain that the host owns.
pub struct stoq_chain_t(RwLock<State>);

struct State {
    chain: Chain,
    action: Option<Arc<stoq_action_t>>,
    layout: Layout,
    /// The field of the last propose or step, and room for the next one; in the library's order.
    field: Vec<f64>,
    next: Vec<f64>,
}

impl stoq_chain_t {
    /// For functions that change the chain.
    fn exclusive<T>(&self, call: &'static str, work: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        // Tried, not waited for: the caller who holds it may be this thread, in a callback.
        let mut state = match self.0.try_write() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(state)) => state.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(busy(call)),
        };
        let undo = AbandonOnPanic(&mut state);
        let result = work(&mut *undo.0);
        std::mem::forget(undo);
        result
    }

    /// For functions that read counters and the saved state, which several threads may do at once.
    fn shared<T>(&self, call: &'static str, work: impl FnOnce(&State) -> Result<T>) -> Result<T> {
        match self.0.try_read().or_else(|error| match error {
            TryLockError::Poisoned(state) => Ok::<_, TryLockError<_>>(PoisonError::into_inner(state)),
            TryLockError::WouldBlock => Err(error),
        }) {
            Ok(state) => work(&state),
            Err(_) => Err(busy(call)),
        }
    }
}

fn busy(call: &'static str) -> Error {
    let reason = "the chain is at work in another call; a callback must not call into its own chain, and \
                  two threads not into the same one";
    Error::WrongOrder { call, reason: reason.into() }
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
    /// `field` must be valid for reading every site of the layout.
    unsafe fn read(&mut self, field: *const f64) -> Result<()> {
        // SAFETY: promised by the caller.
        unsafe { gather(&self.layout, field, &mut self.next) };
        require_finite("field", &self.next)?;
        std::mem::swap(&mut self.field, &mut self.next);
        Ok(())
    }
}

/// An action that is shared with the host and other chains.
struct Shared<'a>(&'a stoq_action_t);

impl Action for Shared<'_> {
    fn action(&mut self, field: &[f64]) -> Result<f64, Interrupt> {
        self.0.evaluate(field)
    }

    fn force(&mut self, _field: &[f64], _force: &mut [f64]) -> Result<(), Interrupt> {
        Err(Interrupt::Stop(Error::Internal("a chain asked for the force of its action".into())))
    }
}

/// Makes the update of a chain. Everything that a move needs is allocated here or in the first move.
///
/// @param[in]  model    shared: the caller may free its own handle at any time.
/// @param[in]  action   shared likewise; must belong to the lattice of `layout`, strides may differ. NULL
///                      if the host evaluates its action itself, by stoq_chain_propose() and
///                      stoq_chain_resolve().
/// @param[in]  layout   copied; the field that stoq_chain_step() and the others will get. Its extents
///                      are those of the model.
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
            let model = from_handle("model", model)?;
            let action = if action.is_null() { None } else { Some(from_handle("action", action)?) };
            let layout = read_layout(layout)?;
            let options = if options.is_null() { default_options() } else { versioned("options", options)? };
            (model, action, layout, options, Output::new("chain", chain)?)
        };
        chain.set(into_handle(create(&model, action, layout, &options)?));
        Ok(())
    })
}

fn create(
    model: &stoq_model_t,
    action: Option<Arc<stoq_action_t>>,
    layout: Layout,
    options: &stoq_chain_options_t,
) -> Result<stoq_chain_t> {
    let lattice = model.score.lattice();
    if layout.lattice() != lattice {
        return Err(Error::shape("layout->extents", layout.lattice().extents(), lattice.extents()));
    }
    if let Some(action) = action.as_ref().filter(|action| action.layout.lattice() != lattice) {
        return Err(Error::shape("lattice of action", action.layout.lattice().extents(), lattice.extents()));
    }
    let (sites, checked) = (lattice.values(), checked_options(options).map_err(|error| within("options->", error))?);
    // Paths in `Chain` and `PathProcess`: the pool, the scaled and denoised batches, one whole path.
    let fields = 4 * checked.pool.max(checked.levels) + 16;
    require_memory("the paths of a chain", fields.checked_mul(sites))?;
    let chain = Chain::new(model.score.clone(), checked).map_err(|error| within("options->", error))?;
    let (field, next) = (zeros("the field of a chain", sites)?, zeros("the field of a chain", sites)?);
    Ok(stoq_chain_t(RwLock::new(State { chain, action, layout, field, next })))
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
///
/// @param[in]     chain    borrowed; one caller at a time.
/// @param[in,out] field    borrowed; first site of the current field, in the layout of the chain. It
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
            let outcome = state.chain.step(&mut state.field, &mut Shared(&action))?;
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
/// @param[in]  field         borrowed; first site of the current field, in the layout of the chain.
/// @param[out] proposal      first site of a buffer in the layout of the chain, which must not overlap
///                           `field`. Unchanged on failure.
/// @param[out] log_hastings  everything in the acceptance but the action: the move is accepted with
///                           probability min(1, exp(log_hastings - delta_action)). NaN if the network
///                           failed; the move will then be rejected. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_WRONG_ORDER.
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
                if let Some(site) = state.next.iter().zip(&state.field).position(|(now, then)| now != then) {
                    let expected = format!("{}, the field that went to stoq_chain_propose", state.field[site]);
                    return Err(Error::invalid(&format!("field at site {site}"), state.next[site], &expected));
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

/// Reads the counters of a chain. They are part of its saved state.
///
/// @param[in]     chain       borrowed.
/// @param[in,out] statistics  borrowed; its struct_size is read, all other fields are written. Unchanged
///                            on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER while the chain is at work.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_chain_statistics(
    chain: *const stoq_chain_t,
    statistics: *mut stoq_chain_statistics_t,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_chain_new.
        let chain = unsafe {
            require_size("statistics", statistics)?;
            from_handle("chain", chain)?
        };
        let found = chain.shared("stoq_chain_statistics", |state| Ok(state.chain.statistics()))?;
        // SAFETY: see stoq_chain_new. Written field by field: the caller's struct may be larger,
        // and keeps its own size.
        unsafe {
            (*statistics).steps = found.steps;
            (*statistics).accepted = found.accepted;
            (*statistics).non_finite = found.not_finite;
            (*statistics).score_evaluations = found.score_evaluations;
        }
        Ok(())
    })
}

/// Saves the whole state of a chain: some bytes with version and checksum, the same on every platform.
/// The size does not change during the life of a chain.
///
/// @param[in]  chain     borrowed.
/// @param[out] buffer    receives the bytes. NULL: only `needed` is wanted. Unchanged on failure.
/// @param[in]  capacity  room in `buffer`, in bytes.
/// @param[out] needed    number of bytes; set also when `capacity` is too small. May be NULL if `buffer`
///                       is not.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER while a proposal is pending or the chain is
///         at work.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_chain_save(
    chain: *const stoq_chain_t,
    buffer: *mut c_void,
    capacity: usize,
    needed: *mut usize,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_chain_new.
        let chain = unsafe { from_handle("chain", chain)? };
        let bytes = chain.shared("stoq_chain_save", |state| state.chain.save())?;
        // SAFETY: see stoq_chain_new.
        unsafe { copy_out(&bytes, buffer.cast(), capacity, needed) }
    })
}

/// Goes on from a saved state, to the same bits as if the chain had never stopped; the host restores its
/// field itself. A pending proposal is forgotten.
///
/// @param[in] chain   borrowed; one caller at a time. Made with the same model, kernel, levels,
///                    renoise_time, seed and chain number as the saved one; threads and pool may differ.
///                    Unchanged on failure.
/// @param[in] bytes   borrowed; what stoq_chain_save() wrote.
/// @param[in] length  number of bytes.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_CHAIN_STATE for damaged bytes or those of another chain,
///         STOQ_WRONG_ORDER while the chain is at work.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_chain_load(
    chain: *mut stoq_chain_t,
    bytes: *const c_void,
    length: usize,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_chain_new.
        let (chain, bytes) = unsafe { (from_handle("chain", chain)?, slice("bytes", bytes.cast::<u8>(), length)?) };
        chain.exclusive("stoq_chain_load", |state| state.chain.load(bytes))
    })
}

#[cfg(test)]
mod tests;
