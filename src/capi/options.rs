//! Options and counters of a chain.

use super::guard::guard;
use super::pointer::{Output, Versioned};
use super::status::stoq_status_t;
use crate::error::{Error, Result};
use crate::kernel::{ChainOptions, Kernel};

/// Which exact kernel proposes: STOQ_KERNEL_PATH or STOQ_KERNEL_RENOISE.
pub type stoq_kernel_t = i32;
/// Path-space independence Metropolis: a fresh field from the model, whatever the current one is.
pub const STOQ_KERNEL_PATH: stoq_kernel_t = 1;
/// The current field with noise up to a time t*, denoised another way. t* -> 0: small moves.
pub const STOQ_KERNEL_RENOISE: stoq_kernel_t = 2;

/// What became of a move: STOQ_REJECTED or STOQ_ACCEPTED. Errors are a third thing, a status.
pub type stoq_outcome_t = i32;
/// The field stays as it is, and counts once more.
pub const STOQ_REJECTED: stoq_outcome_t = 0;
/// The field is the proposal now.
pub const STOQ_ACCEPTED: stoq_outcome_t = 1;

/// Options of a chain. Fill it with stoq_chain_options_init() and change what should differ.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stoq_chain_options_t {
    /// sizeof(stoq_chain_options_t), set by stoq_chain_options_init().
    pub struct_size: usize,
    /// Default STOQ_KERNEL_PATH.
    pub kernel: stoq_kernel_t,
    /// Score evaluations of one path, 1 to 100000; default 40. More cost more and accept more.
    pub levels: u32,
    /// t* in (0, 1]; default 0.5. Read by STOQ_KERNEL_RENOISE only.
    pub renoise_time: f64,
    /// Seed of all random numbers; default 1.
    pub seed: u64,
    /// Number of the chain, for several independent chains of one seed; default 0.
    pub chain: u32,
    /// Threads for the network, 1 to 1024; default 1: the caller's own. Does not change results.
    pub threads: u32,
    /// Proposals that STOQ_KERNEL_PATH generates together, 1 to 65536; default 8. Does not change
    /// results, but speed with several threads, and memory.
    pub pool: u32,
    /// 0. Keeps the size free of padding, so that a field added behind it is seen in `struct_size`.
    pub reserved: u32,
}

/// Counters of a chain. Fill it with stoq_chain_statistics_init() once.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stoq_chain_statistics_t {
    /// sizeof(stoq_chain_statistics_t), set by stoq_chain_statistics_init().
    pub struct_size: usize,
    /// Moves decided.
    pub steps: u64,
    /// Of these, accepted.
    pub accepted: u64,
    /// Of these, rejected because S or the Hastings ratio was NaN or infinite, or a callback said so.
    pub non_finite: u64,
    /// Evaluations of the score model that the moves took.
    pub score_evaluations: u64,
}

impl Versioned for stoq_chain_options_t {
    const INITIALISER: &'static str = "stoq_chain_options_init";
}

impl Versioned for stoq_chain_statistics_t {
    const INITIALISER: &'static str = "stoq_chain_statistics_init";
}

/// Fills options with the defaults.
///
/// @param[out] options  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_chain_options_init(options: *mut stoq_chain_options_t) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller; so in all functions below.
        unsafe { Output::new("options", options)? }.set(default_options());
        Ok(())
    })
}

pub(super) fn default_options() -> stoq_chain_options_t {
    let ChainOptions { levels, seed, chain, threads, pool, .. } = ChainOptions::default();
    stoq_chain_options_t {
        struct_size: size_of::<stoq_chain_options_t>(),
        kernel: STOQ_KERNEL_PATH,
        levels: levels as u32,
        renoise_time: 0.5,
        seed,
        chain,
        threads: threads as u32,
        pool: pool as u32,
        reserved: 0,
    }
}

/// Turns options of the caller into those of [`crate::kernel::Chain`].
pub(super) fn checked_options(options: &stoq_chain_options_t) -> Result<ChainOptions> {
    let kernel = match options.kernel {
        STOQ_KERNEL_PATH => Kernel::Path,
        STOQ_KERNEL_RENOISE => Kernel::Renoise { time: options.renoise_time },
        other => return Err(Error::invalid("kernel", other, "STOQ_KERNEL_PATH (1) or STOQ_KERNEL_RENOISE (2)")),
    };
    // `Chain::new` checks most of this too; here it comes before memory is asked for.
    let ranges =
        [("levels", options.levels, 100_000), ("threads", options.threads, 1024), ("pool", options.pool, 65_536)];
    if let Some((name, value, most)) = ranges.into_iter().find(|&(_, value, most)| !(1..=most).contains(&value)) {
        return Err(Error::invalid(name, value, &format!("between 1 and {most}")));
    }
    if options.reserved != 0 {
        return Err(Error::invalid("reserved", options.reserved, "0, as stoq_chain_options_init sets it"));
    }
    Ok(ChainOptions {
        kernel,
        levels: options.levels as usize,
        grid: crate::kernel::Grid::Optimal,
        seed: options.seed,
        chain: options.chain,
        threads: options.threads as usize,
        pool: options.pool as usize,
        warm_up: false,
    })
}

/// Makes a struct for counters ready: its size, and zeros.
///
/// @param[out] statistics  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_chain_statistics_init(statistics: *mut stoq_chain_statistics_t) -> stoq_status_t {
    guard(|| {
        let struct_size = size_of::<stoq_chain_statistics_t>();
        let zero = stoq_chain_statistics_t { struct_size, steps: 0, accepted: 0, non_finite: 0, score_evaluations: 0 };
        // SAFETY: see stoq_chain_options_init.
        unsafe { Output::new("statistics", statistics)? }.set(zero);
        Ok(())
    })
}
