//! What a chain carries from move to move: warm-up, counters, the saved state.

use super::chain::stoq_chain_t;
use super::guard::guard;
use super::model::copy_out;
use super::options::stoq_chain_statistics_t;
use super::pointer::{Output, from_handle, require_size, slice};
use super::status::stoq_status_t;
use std::ffi::c_void;

/// Ends the warm-up of a chain that was made with options.warm_up: its moves keep the averaged size, and its
/// counters start anew. Freeze before you measure: a chain that adapts to its own past has no
/// stationary law. Nothing happens to a frozen chain.
///
/// @param[in] chain  borrowed; one caller at a time. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER while a proposal is pending or the chain is at
///         work.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_chain_freeze(chain: *mut stoq_chain_t) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller; so in all functions below.
        let chain = unsafe { from_handle("chain", chain)? };
        chain.exclusive("stoq_chain_freeze", |state| state.chain.freeze())
    })
}

/// Whether warm-up is over. A chain that was made without warm_up is frozen from the start.
///
/// @param[in]  chain   borrowed.
/// @param[out] frozen  1 or 0. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER while the chain is at work.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_chain_is_frozen(chain: *const stoq_chain_t, frozen: *mut i32) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_chain_freeze.
        let (chain, frozen) = unsafe { (from_handle("chain", chain)?, Output::new("frozen", frozen)?) };
        frozen.set(i32::from(chain.shared("stoq_chain_is_frozen", |state| Ok(state.chain.is_frozen()))?));
        Ok(())
    })
}

/// The size of a chain's moves, which warm-up tunes: the step size of STOQ_KERNEL_MALA, the integrator step
/// of STOQ_KERNEL_HMC, the width of STOQ_KERNEL_METROPOLIS, the noise of t* relative to the signal for
/// STOQ_KERNEL_RENOISE.
///
/// @param[in]  chain  borrowed.
/// @param[out] size   the size; 0 for a kernel with nothing to tune. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER while the chain is at work.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_chain_move_size(chain: *const stoq_chain_t, size: *mut f64) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_chain_freeze.
        let (chain, size) = unsafe { (from_handle("chain", chain)?, Output::new("size", size)?) };
        size.set(chain.shared("stoq_chain_move_size", |state| Ok(state.chain.move_size().unwrap_or(0.0)))?);
        Ok(())
    })
}

/// Reads the counters of a chain since it was frozen (or made, if it still warms up). They are part of its
/// saved state.
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
        // SAFETY: see stoq_chain_freeze.
        let chain = unsafe {
            require_size("statistics", statistics)?;
            from_handle("chain", chain)?
        };
        let found = chain.shared("stoq_chain_statistics", |state| Ok(state.chain.statistics()))?;
        // SAFETY: see stoq_chain_freeze. Written field by field: the caller's struct may be larger,
        // and keeps its own size.
        unsafe {
            (*statistics).steps = found.steps;
            (*statistics).accepted = found.accepted;
            (*statistics).non_finite = found.not_finite;
            (*statistics).score_evaluations = found.score_evaluations;
            (*statistics).proposals = found.proposals;
        }
        Ok(())
    })
}

/// Saves the whole state of a chain, that of its warm-up too: some bytes with version and checksum, the
/// same on every platform.
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
        // SAFETY: see stoq_chain_freeze.
        let chain = unsafe { from_handle("chain", chain)? };
        let bytes = chain.shared("stoq_chain_save", |state| state.chain.save())?;
        // SAFETY: see stoq_chain_freeze.
        unsafe { copy_out(&bytes, buffer.cast(), capacity, needed) }
    })
}

/// Goes on from a saved state, to the same bits as if the chain had never stopped; the host restores its
/// field itself. A pending proposal is forgotten.
///
/// @param[in] chain   borrowed; one caller at a time. Made with the same model and options as the saved
///                    one; threads, pool and warm_up may differ. Unchanged on failure.
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
        // SAFETY: see stoq_chain_freeze.
        let (chain, bytes) = unsafe { (from_handle("chain", chain)?, slice("bytes", bytes.cast::<u8>(), length)?) };
        chain.exclusive("stoq_chain_load", |state| state.chain.load(bytes))
    })
}
