//! The drift b(phi) of Langevin moves: force, learned score at a fixed time, or a blend of both.

use super::options::Drift;
use super::proposer::require_action;
use crate::action::{Action, Interrupt};
use crate::error::{Error, Result};
use crate::score::{Evaluator, Score};
use std::sync::Arc;

/// Evaluates b; a function of the field alone, which is what makes MALA exact.
pub(super) struct DriftField {
    drift: Drift,
    name: &'static str,
    learned: Option<Learned>,
    force: Vec<f64>,
}

struct Learned {
    evaluator: Box<dyn Evaluator>,
    noise: f64,
    signal: f64,
    variance: f64,
    weight: f64,
    scaled: Vec<f64>,
}

impl DriftField {
    /// For fields of `values` numbers; `name` of the kernel for messages.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the drift needs a score model and there is none.
    pub fn new(
        drift: Drift,
        name: &'static str,
        score: Option<&Arc<dyn Score>>,
        values: usize,
        threads: usize,
    ) -> Result<Self> {
        let learned = match (drift, score) {
            (Drift::Force, _) => None,
            (_, None) => return Err(Error::invalid("model", "none", "a score model: the drift needs its score")),
            (Drift::Score { time }, Some(score)) => Some(Learned::new(score, time, 1.0, threads)?),
            (Drift::Blend { time, weight }, Some(score)) => Some(Learned::new(score, time, weight, threads)?),
        };
        Ok(DriftField { drift, name, learned, force: vec![0.0; values] })
    }

    /// Score evaluations of one b.
    pub fn evaluations(&self) -> u64 {
        u64::from(self.learned.is_some())
    }

    /// b(field) into `out`.
    ///
    /// # Errors
    /// [`Interrupt::Reject`] when the force says so; [`Error::WrongOrder`] when a force is needed and
    /// `action` is none.
    pub fn evaluate(
        &mut self,
        field: &[f64],
        action: Option<&mut dyn Action>,
        out: &mut [f64],
    ) -> Result<(), Interrupt> {
        out.fill(0.0);
        if self.drift.needs_force() {
            require_action(action, self.name)?.force(field, &mut self.force)?;
            let weight = self.learned.as_ref().map_or(1.0, |learned| 1.0 - learned.weight);
            out.iter_mut().zip(&self.force).for_each(|(b, force)| *b = weight * force);
        }
        if let Some(learned) = &mut self.learned {
            learned.add(field, &mut self.force, out)?;
        }
        Ok(())
    }
}

impl Learned {
    fn new(score: &Arc<dyn Score>, time: f64, weight: f64, threads: usize) -> Result<Self> {
        let schedule = *score.schedule();
        let time = if time > 0.0 { time } else { schedule.time_of_noise(score.smallest_noise()) };
        Ok(Learned {
            evaluator: score.clone().evaluator(threads)?,
            noise: schedule.noise(time),
            signal: schedule.signal(time),
            variance: schedule.variance(time),
            weight,
            scaled: vec![0.0; score.lattice().values()],
        })
    }

    /// Adds weight * s, s = (f D(phi / f) - phi) / Xi.
    fn add(&mut self, field: &[f64], denoised: &mut [f64], out: &mut [f64]) -> Result<()> {
        self.scaled.iter_mut().zip(field).for_each(|(scaled, x)| *scaled = x / self.signal);
        self.evaluator.denoise(&[self.noise], &self.scaled, denoised)?;
        let factor = self.weight / self.variance;
        for ((b, x), d) in out.iter_mut().zip(field).zip(denoised) {
            *b += factor * (self.signal * *d - x);
        }
        Ok(())
    }
}
