//! Options and counters of a chain.

use super::guard::guard;
use super::pointer::{Output, Versioned};
use super::status::stoq_status_t;
use crate::error::{Error, Result};
use crate::kernel::hmc::{HmcOptions, Integrator};
use crate::kernel::{ChainOptions, Drift, Grid, Kernel};

/// Which kernel makes the update: one of the STOQ_KERNEL_ constants.
pub type stoq_kernel_t = i32;
/// Path-space independence Metropolis: a fresh field from the model, whatever the current one is.
pub const STOQ_KERNEL_PATH: stoq_kernel_t = 1;
/// The current field with noise up to a time t*, denoised another way. t* -> 0: small moves.
pub const STOQ_KERNEL_RENOISE: stoq_kernel_t = 2;
/// Independence Metropolis with the density of a discrete probability flow, its determinant exact. Some
/// V^2 work a level for V values: for small volumes, and for models that know their derivatives.
pub const STOQ_KERNEL_LIKELIHOOD: stoq_kernel_t = 3;
/// Metropolis-adjusted Langevin: phi + h b(phi) + sqrt(2h) z with the drift b of options.drift.
pub const STOQ_KERNEL_MALA: stoq_kernel_t = 4;
/// Hybrid Monte Carlo along the force of the action.
pub const STOQ_KERNEL_HMC: stoq_kernel_t = 5;
/// A sweep of local Metropolis updates, value by value.
pub const STOQ_KERNEL_METROPOLIS: stoq_kernel_t = 6;
/// The moves of STOQ_KERNEL_MALA without an accept step. *Not exact*: its stationary law is off by O(h) and
/// by all that b is off.
pub const STOQ_KERNEL_LANGEVIN: stoq_kernel_t = 7;
/// One unit of topological charge up or down, spread uniformly over a field of link angles: for
/// two-dimensional U(1) gauge theory, see stoq_action_u1(). Not ergodic: one more kernel beside HMC.
pub const STOQ_KERNEL_CHARGE_SHIFT: stoq_kernel_t = 8;

/// The drift b of STOQ_KERNEL_MALA and STOQ_KERNEL_LANGEVIN.
pub type stoq_drift_t = i32;
/// The force -dS/dphi.
pub const STOQ_DRIFT_FORCE: stoq_drift_t = 1;
/// The score of the model at the time options.drift_time.
pub const STOQ_DRIFT_SCORE: stoq_drift_t = 2;
/// options.score_weight times the score, plus the rest times the force.
pub const STOQ_DRIFT_BLEND: stoq_drift_t = 3;

/// The integrator of STOQ_KERNEL_HMC.
pub type stoq_integrator_t = i32;
/// Half kick, drift, half kick: one force a step.
pub const STOQ_LEAPFROG: stoq_integrator_t = 1;
/// Omelyan's minimum-norm integrator: two forces a step, an error about ten times smaller.
pub const STOQ_OMELYAN: stoq_integrator_t = 2;

/// How the noise levels of a path are chosen.
pub type stoq_grid_t = i32;
/// Least divergence of the path as predicted from the measured errors of the model.
pub const STOQ_GRID_OPTIMAL: stoq_grid_t = 1;
/// Geometric in the noise, from the least noise of the model to the last time.
pub const STOQ_GRID_GEOMETRIC: stoq_grid_t = 2;
/// Equal steps of time.
pub const STOQ_GRID_LINEAR: stoq_grid_t = 3;
/// From a short pilot run: every step gets an equal share of what log w varies by.
pub const STOQ_GRID_PILOT: stoq_grid_t = 4;

/// What became of a move: STOQ_REJECTED or STOQ_ACCEPTED. Errors are a third thing, a status.
pub type stoq_outcome_t = i32;
/// The field stays as it is, and counts once more.
pub const STOQ_REJECTED: stoq_outcome_t = 0;
/// The field is the proposal now.
pub const STOQ_ACCEPTED: stoq_outcome_t = 1;

/// Options of a chain. Fill it with stoq_chain_options_init() and change what should differ. An option that
/// belongs to other kernels than the one chosen has no effect.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stoq_chain_options_t {
    /// sizeof(stoq_chain_options_t), set by stoq_chain_options_init().
    pub struct_size: usize,
    /// Default STOQ_KERNEL_PATH.
    pub kernel: stoq_kernel_t,
    /// Score evaluations of one path, 1 to 100000; default 40. More cost more and accept more.
    pub levels: u32,
    /// t* in (0, 1]; default 0.5. Read by STOQ_KERNEL_RENOISE; warm-up tunes it.
    pub renoise_time: f64,
    /// Seed of all random numbers; default 1.
    pub seed: u64,
    /// Number of the chain, below 2^24 - 1; default 0. Chains of one seed with different numbers are
    /// independent; kernels that update the same field in turn need different numbers.
    pub chain: u32,
    /// Threads for the network, 1 to 1024; default 1: the caller's own. Does not change results.
    pub threads: u32,
    /// Proposals that STOQ_KERNEL_PATH and STOQ_KERNEL_LIKELIHOOD generate together, 1 to 65536; default
    /// 8. Does not change results, but speed with several threads, and memory.
    pub pool: u32,
    /// 1: start in warm-up, in which every move tunes the kernel, until stoq_chain_freeze(). Do not
    /// measure before. Default 0: frozen from the start.
    pub warm_up: u32,
    /// How the levels are chosen, for kernels that read `levels`; default STOQ_GRID_OPTIMAL.
    pub grid: stoq_grid_t,
    /// Drift of STOQ_KERNEL_MALA and STOQ_KERNEL_LANGEVIN; default STOQ_DRIFT_FORCE.
    pub drift: stoq_drift_t,
    /// h > 0 of STOQ_KERNEL_MALA and STOQ_KERNEL_LANGEVIN; default 0.05. Warm-up tunes that of MALA.
    pub step_size: f64,
    /// Time t in (0, 1] of the score in the drift; default 0: the least noise that the model is meant for.
    pub drift_time: f64,
    /// Share of the score in STOQ_DRIFT_BLEND, 0 to 1; default 0.5.
    pub score_weight: f64,
    /// Length > 0 of a trajectory of STOQ_KERNEL_HMC; default 1.
    pub trajectory_length: f64,
    /// The length varies uniformly by this fraction either way, 0 to below 1; default 0.2.
    pub jitter: f64,
    /// Integrator steps of a trajectory, 1 to 1000000; default 10. Warm-up tunes them.
    pub integrator_steps: u32,
    /// Integrator of STOQ_KERNEL_HMC; default STOQ_OMELYAN.
    pub integrator: stoq_integrator_t,
    /// Standard deviation > 0 of a change proposed by STOQ_KERNEL_METROPOLIS; default 1. Warm-up tunes it.
    pub width: f64,
}

/// Counters of a chain. Fill it with stoq_chain_statistics_init() once.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stoq_chain_statistics_t {
    /// sizeof(stoq_chain_statistics_t), set by stoq_chain_statistics_init().
    pub struct_size: usize,
    /// Moves decided: calls of stoq_chain_step(), or of stoq_chain_resolve().
    pub steps: u64,
    /// Of the `proposals`, accepted.
    pub accepted: u64,
    /// Of the `proposals`, rejected because S or the Hastings ratio was NaN or infinite, or a callback said so.
    pub non_finite: u64,
    /// Evaluations of the score model that the moves took.
    pub score_evaluations: u64,
    /// Accept decisions: one a move, but one a value of the field for STOQ_KERNEL_METROPOLIS.
    pub proposals: u64,
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
    let HmcOptions { trajectory_length, steps, jitter, .. } = HmcOptions::default();
    stoq_chain_options_t {
        struct_size: size_of::<stoq_chain_options_t>(),
        kernel: STOQ_KERNEL_PATH,
        levels: levels as u32,
        renoise_time: 0.5,
        seed,
        chain,
        threads: threads as u32,
        pool: pool as u32,
        warm_up: 0,
        grid: STOQ_GRID_OPTIMAL,
        drift: STOQ_DRIFT_FORCE,
        step_size: 0.05,
        drift_time: 0.0,
        score_weight: 0.5,
        trajectory_length,
        jitter,
        integrator_steps: steps as u32,
        integrator: STOQ_OMELYAN,
        width: 1.0,
    }
}

/// Whether the kernel follows the force.
pub(super) fn needs_force(kernel: Kernel) -> bool {
    match kernel {
        Kernel::Hmc(_) => true,
        Kernel::Mala { drift, .. } | Kernel::Langevin { drift, .. } => drift.needs_force(),
        Kernel::Path | Kernel::Renoise { .. } | Kernel::Likelihood => false,
        Kernel::Metropolis { .. } | Kernel::ChargeShift => false,
    }
}

/// Whether the kernel cannot propose without the action.
pub(super) fn needs_action(kernel: Kernel) -> bool {
    needs_force(kernel) || matches!(kernel, Kernel::Metropolis { .. })
}

fn checked_kernel(options: &stoq_chain_options_t) -> Result<Kernel> {
    let drift = || match options.drift {
        STOQ_DRIFT_FORCE => Ok(Drift::Force),
        STOQ_DRIFT_SCORE => Ok(Drift::Score { time: options.drift_time }),
        STOQ_DRIFT_BLEND => Ok(Drift::Blend { time: options.drift_time, weight: options.score_weight }),
        other => Err(Error::invalid("drift", other, "one of the STOQ_DRIFT_ constants, 1 to 3")),
    };
    let kernel = match options.kernel {
        STOQ_KERNEL_PATH => Kernel::Path,
        STOQ_KERNEL_RENOISE => Kernel::Renoise { time: options.renoise_time },
        STOQ_KERNEL_LIKELIHOOD => Kernel::Likelihood,
        STOQ_KERNEL_MALA => Kernel::Mala { step: options.step_size, drift: drift()? },
        STOQ_KERNEL_HMC => Kernel::Hmc(checked_hmc(options)?),
        STOQ_KERNEL_METROPOLIS => Kernel::Metropolis { width: options.width },
        STOQ_KERNEL_LANGEVIN => Kernel::Langevin { step: options.step_size, drift: drift()? },
        STOQ_KERNEL_CHARGE_SHIFT => Kernel::ChargeShift,
        other => return Err(Error::invalid("kernel", other, "one of the STOQ_KERNEL_ constants, 1 to 8")),
    };
    kernel.validate()?;
    Ok(kernel)
}

fn checked_hmc(options: &stoq_chain_options_t) -> Result<HmcOptions> {
    let integrator = match options.integrator {
        STOQ_LEAPFROG => Integrator::Leapfrog,
        STOQ_OMELYAN => Integrator::Omelyan,
        other => return Err(Error::invalid("integrator", other, "STOQ_LEAPFROG (1) or STOQ_OMELYAN (2)")),
    };
    let steps = options.integrator_steps;
    if !(1..=1_000_000).contains(&steps) {
        return Err(Error::invalid("integrator_steps", steps, "between 1 and 1000000"));
    }
    let stoq_chain_options_t { trajectory_length, jitter, .. } = *options;
    Ok(HmcOptions { trajectory_length, steps: steps as usize, integrator, jitter })
}

/// A STOQ_GRID_ constant of the caller.
pub(super) fn checked_grid(grid: stoq_grid_t) -> Result<Grid> {
    match grid {
        STOQ_GRID_OPTIMAL => Ok(Grid::Optimal),
        STOQ_GRID_GEOMETRIC => Ok(Grid::Geometric),
        STOQ_GRID_LINEAR => Ok(Grid::Linear),
        STOQ_GRID_PILOT => Ok(Grid::Pilot),
        other => Err(Error::invalid("grid", other, "one of the STOQ_GRID_ constants, 1 to 4")),
    }
}

/// Refuses numbers that are not between 1 and their largest value.
pub(super) fn check_ranges(ranges: &[(&str, u32, u32)]) -> Result<()> {
    match ranges.iter().find(|&&(_, value, most)| !(1..=most).contains(&value)) {
        Some(&(name, value, most)) => Err(Error::invalid(name, value, &format!("between 1 and {most}"))),
        None => Ok(()),
    }
}

/// Turns options of the caller into those of [`crate::kernel::Chain`].
pub(super) fn checked_options(options: &stoq_chain_options_t) -> Result<ChainOptions> {
    let kernel = checked_kernel(options)?;
    // `Chain::new` checks most of this too; here it comes before memory is asked for.
    let stoq_chain_options_t { levels, threads, pool, warm_up, .. } = *options;
    check_ranges(&[("levels", levels, 100_000), ("threads", threads, 1024), ("pool", pool, 65_536)])?;
    if warm_up > 1 {
        return Err(Error::invalid("warm_up", warm_up, "1 for a chain that warms up, or 0"));
    }
    Ok(ChainOptions {
        kernel,
        levels: levels as usize,
        grid: checked_grid(options.grid)?,
        seed: options.seed,
        chain: options.chain,
        threads: threads as usize,
        pool: pool as usize,
        warm_up: warm_up == 1,
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
        let (steps, accepted, non_finite, score_evaluations, proposals) = (0, 0, 0, 0, 0);
        let zero = stoq_chain_statistics_t { struct_size, steps, accepted, non_finite, score_evaluations, proposals };
        // SAFETY: see stoq_chain_options_init.
        unsafe { Output::new("statistics", statistics)? }.set(zero);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_arrives_where_it_belongs() {
        let mut options = stoq_chain_options_t {
            kernel: STOQ_KERNEL_HMC,
            levels: 3,
            renoise_time: 0.25,
            seed: 5,
            chain: 7,
            threads: 2,
            pool: 9,
            warm_up: 1,
            step_size: 0.125,
            drift_time: 0.375,
            score_weight: 0.75,
            trajectory_length: 1.5,
            jitter: 0.0625,
            integrator_steps: 11,
            integrator: STOQ_LEAPFROG,
            width: 2.5,
            ..default_options()
        };
        let base =
            ChainOptions { levels: 3, seed: 5, chain: 7, threads: 2, pool: 9, warm_up: true, ..Default::default() };
        let hmc = HmcOptions { trajectory_length: 1.5, steps: 11, integrator: Integrator::Leapfrog, jitter: 0.0625 };
        let blend = Drift::Blend { time: 0.375, weight: 0.75 };
        let kernels = [
            (STOQ_KERNEL_PATH, 0, Kernel::Path),
            (STOQ_KERNEL_RENOISE, 0, Kernel::Renoise { time: 0.25 }),
            (STOQ_KERNEL_LIKELIHOOD, 0, Kernel::Likelihood),
            (STOQ_KERNEL_MALA, STOQ_DRIFT_FORCE, Kernel::Mala { step: 0.125, drift: Drift::Force }),
            (STOQ_KERNEL_MALA, STOQ_DRIFT_BLEND, Kernel::Mala { step: 0.125, drift: blend }),
            (STOQ_KERNEL_HMC, 0, Kernel::Hmc(hmc)),
            (STOQ_KERNEL_METROPOLIS, 0, Kernel::Metropolis { width: 2.5 }),
            (STOQ_KERNEL_CHARGE_SHIFT, 0, Kernel::ChargeShift),
            (
                STOQ_KERNEL_LANGEVIN,
                STOQ_DRIFT_SCORE,
                Kernel::Langevin { step: 0.125, drift: Drift::Score { time: 0.375 } },
            ),
        ];
        for (number, drift, kernel) in kernels {
            (options.kernel, options.drift) = (number, drift);
            assert_eq!(checked_options(&options).unwrap(), ChainOptions { kernel, ..base });
            let several = (STOQ_KERNEL_MALA..=STOQ_KERNEL_LANGEVIN).contains(&number) && drift != STOQ_DRIFT_SCORE;
            assert_eq!(needs_action(kernel), several);
        }
        let grids = [Grid::Optimal, Grid::Geometric, Grid::Linear, Grid::Pilot];
        for (number, grid) in (1..).zip(grids) {
            assert_eq!(checked_grid(number).unwrap(), grid);
        }
        options.kernel = STOQ_KERNEL_HMC;
        options.integrator = STOQ_OMELYAN;
        let omelyan = Kernel::Hmc(HmcOptions { integrator: Integrator::Omelyan, ..hmc });
        assert_eq!(checked_options(&options).unwrap().kernel, omelyan);
        assert_eq!(checked_options(&default_options()).unwrap(), ChainOptions::default());
    }
}
