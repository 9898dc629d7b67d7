//! Hybrid (Hamiltonian) Monte Carlo: S. Duane, A. D. Kennedy, B. J. Pendleton, D. Roweth,
//! Phys. Lett. B 195 (1987) 216.
//!
//! H(phi, pi) = pi^2 / 2 + S(phi). Momenta are drawn afresh, a reversible and volume-preserving
//! integrator follows phi' = pi, pi' = -dS/dphi, and the end point is accepted with probability
//! min(1, exp(-Delta H)): exact for any step size.

use super::outcome::{Outcome, metropolis};
use super::proposer::{Proposed, Proposer, Tunable, require_action};
use crate::action::{Action, Interrupt, finite_action};
use crate::error::{Error, Result, require_length};
use crate::rng::{Purpose, Stream};

/// lambda of the second-order minimum-norm integrator: I. P. Omelyan, I. M. Mryglod, R. Folk,
/// Comput. Phys. Commun. 151 (2003) 272, eq. 31.
const OMELYAN: f64 = 0.193_183_327_503_783_6;
/// Acceptances between which the number of steps is left alone, and the one aimed for.
const TUNED: std::ops::RangeInclusive<f64> = 0.8..=0.92;
const TARGET: f64 = 0.85;
/// Trajectories of one round of tuning, rounds, and the most steps that tuning will choose.
const TUNING_TRAJECTORIES: usize = 32;
const TUNING_ROUNDS: usize = 12;
const TUNING_MOST_STEPS: usize = 4096;

/// Integrators; both of second order, reversible and volume-preserving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrator {
    /// Half kick, drift, half kick: one force a step.
    Leapfrog,
    /// Minimum norm: two forces a step, an error about ten times smaller.
    Omelyan,
}

/// Options of [`Hmc`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HmcOptions {
    /// Mean length of a trajectory in molecular-dynamics time.
    pub trajectory_length: f64,
    /// Integrator steps a trajectory.
    pub steps: usize,
    /// Integrator.
    pub integrator: Integrator,
    /// The length varies uniformly by this fraction either way, from 0 to below 1. Some jitter keeps a nearly
    /// harmonic mode from returning to its start.
    pub jitter: f64,
}

impl HmcOptions {
    /// Checks the options.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a trajectory length that is not positive, no steps, or a
    /// jitter outside 0 to 1.
    pub fn validate(&self) -> Result<()> {
        if !(self.trajectory_length.is_finite() && self.trajectory_length > 0.0) {
            return Err(Error::invalid("trajectory_length", self.trajectory_length, "a finite length > 0"));
        }
        if self.steps == 0 {
            return Err(Error::invalid("steps", 0, "at least one integrator step a trajectory"));
        }
        if !(0.0..1.0).contains(&self.jitter) {
            return Err(Error::invalid("jitter", self.jitter, "a fraction from 0 to below 1"));
        }
        Ok(())
    }
}

impl Default for HmcOptions {
    fn default() -> Self {
        HmcOptions { trajectory_length: 1.0, steps: 10, integrator: Integrator::Omelyan, jitter: 0.2 }
    }
}

/// What [`Hmc::tune`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuning {
    /// Steps a trajectory from now on.
    pub steps: usize,
    /// Mean acceptance of the last round.
    pub acceptance: f64,
    /// Trajectories run, one step number of the stream each.
    pub trajectories: u64,
}

/// The HMC kernel with its work space; allocates in [`Hmc::new`] only.
pub struct Hmc {
    options: HmcOptions,
    trial: Vec<f64>,
    momentum: Vec<f64>,
    force: Vec<f64>,
    energy_change: f64,
    /// What warm-up of a chain tunes: trajectory length over steps, but not rounded.
    step_size: f64,
}

impl Hmc {
    /// A kernel for fields of `sites` values.
    ///
    /// # Errors
    /// Those of [`HmcOptions::validate`].
    pub fn new(sites: usize, options: HmcOptions) -> Result<Self> {
        options.validate()?;
        let buffer = || vec![0.0; sites];
        let step_size = options.trajectory_length / options.steps as f64;
        Ok(Hmc { options, trial: buffer(), momentum: buffer(), force: buffer(), energy_change: f64::NAN, step_size })
    }

    /// The options, with the number of steps that tuning chose.
    pub fn options(&self) -> &HmcOptions {
        &self.options
    }

    /// Delta H of the last update; NaN when its trajectory had no finite end.
    pub fn energy_change(&self) -> f64 {
        self.energy_change
    }

    /// One trajectory from `field`, which the accepted end point replaces. Uses the momenta,
    /// trajectory and accept numbers of `stream`, so give every update a step of its own. A
    /// trajectory that the action rejects, or that ends in NaN or infinity, is [`Outcome::Rejected`].
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for a wrong length, [`Error::InvalidArgument`] when the starting
    /// field has no finite action, or the host's error; `field` is then unchanged.
    pub fn update(&mut self, action: &mut dyn Action, field: &mut [f64], stream: &Stream) -> Result<Outcome> {
        require_length("field", field.len(), self.trial.len())?;
        self.energy_change = f64::NAN;
        let Some(start) = finite_action(action, field)? else {
            return Err(Error::invalid("field", "a configuration without finite action", "a possible starting state"));
        };
        let kinetic_change = match self.trajectory(action, field, stream) {
            Ok(change) => change,
            Err(Interrupt::Reject) => return Ok(Outcome::Rejected),
            Err(Interrupt::Stop(error)) => return Err(error),
        };
        let Some(end) = finite_action(action, &self.trial)? else { return Ok(Outcome::Rejected) };
        self.energy_change = end - start + kinetic_change;
        let outcome = metropolis(-self.energy_change, stream.uniform(Purpose::Accept, 0, 0));
        if outcome == Outcome::Accepted {
            field.copy_from_slice(&self.trial);
        }
        Ok(outcome)
    }

    /// A trajectory from `field` to `trial`; returns the change of the kinetic energy.
    fn trajectory(&mut self, action: &mut dyn Action, field: &[f64], stream: &Stream) -> Result<f64, Interrupt> {
        stream.normals(Purpose::Momentum, 0, &mut self.momentum);
        let start = kinetic_energy(&self.momentum);
        self.trial.copy_from_slice(field);
        let shift = 2.0 * stream.uniform(Purpose::Trajectory, 0, 0) - 1.0;
        let length = self.options.trajectory_length * (1.0 + self.options.jitter * shift);
        self.integrate(action, length / self.options.steps as f64)?;
        Ok(kinetic_energy(&self.momentum) - start)
    }

    /// Chooses the number of steps for an acceptance of 0.8 to 0.92 by running trajectories from `field`,
    /// on the steps `first_step`, `first_step + 1`, ... of `stream`. The chain adapts to its own
    /// past here: warm-up only, the trajectories must not be measured.
    ///
    /// # Errors
    /// As [`Hmc::update`].
    pub fn tune(
        &mut self,
        action: &mut dyn Action,
        field: &mut [f64],
        stream: &Stream,
        first_step: u64,
    ) -> Result<Tuning> {
        let mut tuning = Tuning { steps: self.options.steps, acceptance: 0.0, trajectories: 0 };
        // Once a number of steps was too few, do not come back to it: near the stability limit one
        // step less can take the acceptance from 0.97 to 0.4.
        let mut fewest = 1;
        for _ in 0..TUNING_ROUNDS {
            tuning.acceptance = 0.0;
            for _ in 0..TUNING_TRAJECTORIES {
                self.update(action, field, &stream.at_step(first_step + tuning.trajectories))?;
                tuning.trajectories += 1;
                // f64::min ignores NaN: a trajectory without an end would count as accepted.
                let change = if self.energy_change.is_nan() { f64::INFINITY } else { self.energy_change };
                tuning.acceptance += (-change).exp().min(1.0) / TUNING_TRAJECTORIES as f64;
            }
            if tuning.acceptance < *TUNED.start() {
                fewest = tuning.steps + 1;
            }
            let wanted = better_steps(tuning.steps, tuning.acceptance).max(fewest).min(TUNING_MOST_STEPS);
            if wanted == tuning.steps {
                break;
            }
            tuning.steps = wanted;
            self.options.steps = wanted;
        }
        Ok(tuning)
    }

    /// Moves `trial` and `momentum` through all steps of size `step`. Neighbouring kicks of consecutive steps are one.
    fn integrate(&mut self, action: &mut dyn Action, step: f64) -> Result<(), Interrupt> {
        let outer = match self.options.integrator {
            Integrator::Leapfrog => 0.5,
            Integrator::Omelyan => OMELYAN,
        };
        self.kick(action, outer * step)?;
        for done in 1..=self.options.steps {
            match self.options.integrator {
                Integrator::Leapfrog => self.drift(step),
                Integrator::Omelyan => {
                    self.drift(0.5 * step);
                    self.kick(action, (1.0 - 2.0 * OMELYAN) * step)?;
                    self.drift(0.5 * step);
                }
            }
            let joined = if done == self.options.steps { 1.0 } else { 2.0 };
            self.kick(action, joined * outer * step)?;
        }
        Ok(())
    }

    fn kick(&mut self, action: &mut dyn Action, step: f64) -> Result<(), Interrupt> {
        action.force(&self.trial, &mut self.force)?;
        self.momentum.iter_mut().zip(&self.force).for_each(|(pi, force)| *pi += step * force);
        Ok(())
    }

    fn drift(&mut self, step: f64) {
        self.trial.iter_mut().zip(&self.momentum).for_each(|(phi, pi)| *phi += step * pi);
    }
}

impl Proposer for Hmc {
    fn propose(
        &mut self,
        stream: &Stream,
        field: &[f64],
        action: Option<&mut dyn Action>,
        proposal: &mut [f64],
    ) -> Result<Proposed, Interrupt> {
        let kinetic_change = self.trajectory(require_action(action, "hmc")?, field, stream)?;
        proposal.copy_from_slice(&self.trial);
        Ok(Proposed { log_hastings: -kinetic_change, evaluations: 0 })
    }

    fn tunable(&self) -> Option<&dyn Tunable> {
        Some(self)
    }

    fn tunable_mut(&mut self) -> Option<&mut dyn Tunable> {
        Some(self)
    }
}

/// The size of a move is that of an integrator step; the length of a trajectory stays.
impl Tunable for Hmc {
    fn size(&self) -> f64 {
        self.step_size
    }

    fn set_size(&mut self, size: f64) -> Result<()> {
        self.step_size = size;
        // The tolerance keeps length / (length / n) at n.
        let steps = (self.options.trajectory_length / size * (1.0 - 1e-9)).ceil();
        self.options.steps = (steps as usize).clamp(1, TUNING_MOST_STEPS);
        Ok(())
    }

    fn target(&self) -> f64 {
        TARGET
    }

    fn range(&self) -> (f64, f64) {
        let length = self.options.trajectory_length;
        (length / TUNING_MOST_STEPS as f64, length)
    }
}

fn kinetic_energy(momentum: &[f64]) -> f64 {
    0.5 * momentum.iter().map(|pi| pi * pi).sum::<f64>()
}

/// Steps for the target acceptance, from the acceptance erfc(s / sqrt 8) of energy changes of
/// standard deviation s, which for a second-order integrator goes as 1 / steps^2.
fn better_steps(steps: usize, acceptance: f64) -> usize {
    if TUNED.contains(&acceptance) {
        return steps;
    }
    let deviation = |acceptance: f64| {
        let (mut low, mut high) = (0.0, 20.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if libm::erfc(middle) > acceptance { low = middle } else { high = middle }
        }
        low
    };
    let factor = (deviation(acceptance.clamp(0.0, 0.9999)) / deviation(TARGET)).sqrt().clamp(0.5, 2.0);
    // Rounded up: too many steps cost a little, too few can stop the chain.
    (steps as f64 * factor).ceil().max(1.0) as usize
}

#[cfg(test)]
#[path = "hmc_tests.rs"]
mod tests;
