//! Which kernel, its options, and the counters of a chain.

use super::hmc::HmcOptions;
use super::levels::Grid;
use crate::diffusion::T_END;
use crate::error::{Error, Result};

/// The update of a chain. All but [`Kernel::Langevin`] leave exp(-S)/Z invariant for any score model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kernel {
    /// Path-space independence Metropolis: a fresh path from the prior, accepted against the current
    /// one with min(1, w'/w). Global, independent of the current field.
    Path,
    /// Noise up to time t*, back down another way. t* -> 0 is local, t* = 1 is global. Warm-up tunes t*.
    Renoise {
        /// t* in (0, 1].
        time: f64,
    },
    /// Independence Metropolis with the density q of a discrete probability flow, min(1,
    /// exp(-S' + S) q / q') (Wang, Aarts, Zhou, JHEP 05 (2024) 060, eq. 4.13), the determinant of the
    /// map exact: some V^2 work a level and V evaluations, for small volumes.
    Likelihood,
    /// Metropolis-adjusted Langevin: psi = phi + h b(phi) + sqrt(2h) z, corrected for b of both ends
    /// (G. O. Roberts and R. L. Tweedie, Bernoulli 2 (1996) 341). Warm-up tunes h.
    Mala {
        /// Step size h > 0.
        step: f64,
        /// b.
        drift: Drift,
    },
    /// Hybrid Monte Carlo; needs the force. Warm-up tunes the number of steps.
    Hmc(HmcOptions),
    /// A sweep of local Metropolis updates, site by site, with Gaussian proposals. Warm-up tunes the
    /// width.
    Metropolis {
        /// Standard deviation of a proposed change, > 0.
        width: f64,
    },
    /// phi + h b(phi) + sqrt(2h) z without an accept step: *not exact*, its stationary law is off by
    /// O(h) and by all that b is off.
    Langevin {
        /// Step size h > 0.
        step: f64,
        /// b.
        drift: Drift,
    },
    /// One unit of topological charge up or down, spread uniformly, for two-dimensional U(1) gauge theory:
    /// see [`super::ChargeShift`]. Not irreducible: to be composed with another kernel.
    ChargeShift,
}

/// The drift b of a Langevin move.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Drift {
    /// The force -dS/dphi.
    Force,
    /// The learned score at a fixed time: that of p_t, the target smoothed by the noise of time t.
    Score {
        /// t in (0, 1]; 0 stands for the least noise that the model is meant for.
        time: f64,
    },
    /// weight * score + (1 - weight) * force.
    Blend {
        /// As in [`Drift::Score`].
        time: f64,
        /// Share of the score, in \[0, 1\].
        weight: f64,
    },
}

impl Drift {
    /// Whether the host's force is needed.
    pub fn needs_force(self) -> bool {
        matches!(self, Drift::Force | Drift::Blend { .. })
    }

    /// Whether a score model is needed.
    pub fn needs_score(self) -> bool {
        matches!(self, Drift::Score { .. } | Drift::Blend { .. })
    }

    fn validate(self) -> Result<()> {
        let (time, weight) = match self {
            Drift::Force => (0.0, 0.0),
            Drift::Score { time } => (time, 1.0),
            Drift::Blend { time, weight } => (time, weight),
        };
        if !(0.0..=T_END).contains(&time) {
            return Err(Error::invalid(
                "drift_time",
                time,
                "a time t in (0, 1], or 0 for the least noise of the model",
            ));
        }
        if !(0.0..=1.0).contains(&weight) {
            return Err(Error::invalid("score_weight", weight, "a share of the score in the drift, from 0 to 1"));
        }
        Ok(())
    }
}

impl Kernel {
    /// Whether exp(-S)/Z is stationary.
    pub fn is_exact(self) -> bool {
        !matches!(self, Kernel::Langevin { .. })
    }

    /// Whether a score model is needed.
    pub fn needs_score(self) -> bool {
        match self {
            Kernel::Path | Kernel::Renoise { .. } | Kernel::Likelihood => true,
            Kernel::Mala { drift, .. } | Kernel::Langevin { drift, .. } => drift.needs_score(),
            Kernel::Hmc(_) | Kernel::Metropolis { .. } | Kernel::ChargeShift => false,
        }
    }

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kernel::Path => "path",
            Kernel::Renoise { .. } => "renoise",
            Kernel::Likelihood => "likelihood",
            Kernel::Mala { .. } => "mala",
            Kernel::Hmc(_) => "hmc",
            Kernel::Metropolis { .. } => "metropolis",
            Kernel::Langevin { .. } => "langevin",
            Kernel::ChargeShift => "charge-shift",
        }
    }

    /// Checks parameters that came from a caller.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`].
    pub fn validate(self) -> Result<()> {
        let positive = |name: &str, value: f64| match value.is_finite() && value > 0.0 {
            true => Ok(()),
            false => Err(Error::invalid(name, value, "a finite number above 0")),
        };
        match self {
            Kernel::Path | Kernel::Likelihood | Kernel::ChargeShift => Ok(()),
            Kernel::Renoise { time } if time > 0.0 && time <= T_END => Ok(()),
            Kernel::Renoise { time } => Err(Error::invalid("renoise_time", time, "a time t* in (0, 1]")),
            Kernel::Mala { step, drift } | Kernel::Langevin { step, drift } => {
                drift.validate()?;
                positive("step_size", step)
            }
            Kernel::Hmc(options) => options.validate(),
            Kernel::Metropolis { width } => positive("width", width),
        }
    }
}

/// Options of a chain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChainOptions {
    /// The kernel.
    pub kernel: Kernel,
    /// Score evaluations of one path.
    pub levels: usize,
    /// Which noise levels they are at.
    pub grid: Grid,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Number of the chain: chains with different numbers are independent.
    pub chain: u32,
    /// Threads for the network.
    pub threads: usize,
    /// Proposals of [`Kernel::Path`] and [`Kernel::Likelihood`] that are generated together. Changes
    /// speed and memory, no result.
    pub pool: usize,
    /// Start in warm-up: every decision tunes the kernel, until [`super::Chain::freeze`]. What a chain
    /// visits in warm-up must not be measured. Otherwise the chain is frozen from the start.
    pub warm_up: bool,
}

impl Default for ChainOptions {
    fn default() -> Self {
        ChainOptions {
            kernel: Kernel::Path,
            levels: 40,
            grid: Grid::Optimal,
            seed: 1,
            chain: 0,
            threads: 1,
            pool: 8,
            warm_up: false,
        }
    }
}

/// What happened since the chain was frozen (or made, if it still warms up).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Updates decided.
    pub steps: u64,
    /// Accept decisions: one an update, but one a value of the field in a Metropolis sweep.
    pub proposals: u64,
    /// Of these, accepted.
    pub accepted: u64,
    /// Rejected because the action, or the log ratio, was not finite or the host said "reject".
    pub not_finite: u64,
    /// Score evaluations spent.
    pub score_evaluations: u64,
}

impl Statistics {
    /// Accepted fraction of the proposals; 0 before the first.
    pub fn acceptance(&self) -> f64 {
        self.accepted as f64 / self.proposals.max(1) as f64
    }
}
