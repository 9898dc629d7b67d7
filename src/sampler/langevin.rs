//! Langevin steps at the fixed score of one time, without and with Metropolis decision.

use crate::action::{Action, finite_action};
use crate::diffusion::Schedule;
use crate::error::{Error, Result};
use crate::kernel::{Outcome, metropolis};
use crate::rng::{Purpose, Stream};
use crate::score::Evaluator;

/// The score model on batches, with the memory for its arguments.
pub(super) struct Denoiser {
    evaluator: Box<dyn Evaluator>,
    values: usize,
    levels: Vec<f64>,
    scaled: Vec<f64>,
    denoised: Vec<f64>,
}

impl Denoiser {
    pub fn new(evaluator: Box<dyn Evaluator>, values: usize, batch: usize) -> Self {
        let room = batch * values;
        Denoiser { evaluator, values, levels: vec![0.0; batch], scaled: vec![0.0; room], denoised: vec![0.0; room] }
    }

    /// D of fields at one time of the process.
    pub fn denoise(&mut self, schedule: &Schedule, time: f64, fields: &[f64]) -> Result<&[f64]> {
        let (signal, count) = (schedule.signal(time), fields.len() / self.values);
        self.levels[..count].fill(schedule.noise(time));
        let scaled = &mut self.scaled[..fields.len()];
        scaled.iter_mut().zip(fields).for_each(|(scaled, x)| *scaled = x / signal);
        self.evaluator.denoise(&self.levels[..count], scaled, &mut self.denoised[..fields.len()])?;
        Ok(&self.denoised[..fields.len()])
    }

    /// The score s = (f D - phi)/Xi of fields at one time into `scores`.
    fn score(&mut self, schedule: &Schedule, time: f64, fields: &[f64], scores: &mut [f64]) -> Result<()> {
        let (signal, variance) = (schedule.signal(time), schedule.variance(time));
        let denoised = self.denoise(schedule, time, fields)?;
        let pairs = denoised.iter().zip(fields);
        scores.iter_mut().zip(pairs).for_each(|(s, (d, x))| *s = (signal * d - x) / variance);
        Ok(())
    }
}

/// Size h of a step phi + h s + sqrt(2h) z at the score of time t.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LangevinStep {
    /// h = fraction Xi(t). No mode of the process is narrower than Xi: above 2 the steps are unstable.
    Fraction(f64),
    /// h = 2 (ratio |z| / |s|)^2 (Song et al., arXiv:2011.13456, algs. 4 and 5), with norms of the sample itself and
    /// not of the batch.
    SignalToNoise(f64),
}

impl LangevinStep {
    pub(super) fn check(&self) -> Result<()> {
        match *self {
            LangevinStep::Fraction(fraction) if !(fraction > 0.0 && fraction < 2.0) => {
                Err(Error::invalid("fraction", fraction, "a Langevin step between 0 and 2 in units of Xi(t)"))
            }
            LangevinStep::SignalToNoise(ratio) if !(ratio > 0.0 && ratio.is_finite()) => {
                Err(Error::invalid("signal-to-noise ratio", ratio, "a positive number, such as 0.16"))
            }
            _ => Ok(()),
        }
    }

    fn size(&self, variance: f64, score: &[f64], noise: &[f64]) -> f64 {
        match *self {
            LangevinStep::Fraction(fraction) => fraction * variance,
            LangevinStep::SignalToNoise(ratio) => {
                // Where the score vanishes the ratio has no meaning; Xi bounds a stable step.
                (2.0 * ratio * ratio * square(noise) / square(score)).min(variance)
            }
        }
    }
}

/// One step of every field at (schedule, time), with random numbers of the given level.
pub(super) fn langevin_step(
    denoiser: &mut Denoiser,
    (schedule, time, random_level): (&Schedule, f64, u32),
    step: LangevinStep,
    streams: &[Stream],
    fields: &mut [f64],
) -> Result<()> {
    let (values, variance) = (denoiser.values, schedule.variance(time));
    let mut scores = vec![0.0; fields.len()];
    denoiser.score(schedule, time, fields, &mut scores)?;
    let mut noise = vec![0.0; values];
    let samples = fields.chunks_exact_mut(values).zip(scores.chunks_exact(values));
    for (stream, (field, score)) in streams.iter().zip(samples) {
        stream.normals(Purpose::Reverse, random_level, &mut noise);
        let size = step.size(variance, score, &noise);
        move_along(field, score, size, &noise);
    }
    Ok(())
}

fn move_along(field: &mut [f64], score: &[f64], size: f64, noise: &[f64]) {
    let deviation = (2.0 * size).sqrt();
    for ((x, &s), &z) in field.iter_mut().zip(score).zip(noise) {
        *x += size * s + deviation * z;
    }
}

fn square(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum()
}

/// Metropolis-adjusted Langevin steps with the true action at the end of the backward process (Zhu, Aarts, Wang,
/// Zhou, Wang, arXiv:2502.05504): psi = phi + h b(phi) + sqrt(2h) z with the learned score b = s(., t) at one small t,
/// accepted with min(1, exp(-S(psi) + S(phi)) q(phi|psi)/q(psi|phi)), q(psi|phi) ~ exp(-|psi - phi - h b(phi)|^2/4h),
/// the same b both ways. Each step leaves exp(-S)/Z invariant; the samples tend to that law as the moves grow in
/// number, and are approximate for any finite one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetropolisTail {
    /// t of the score.
    pub time: f64,
    /// h.
    pub step: f64,
    /// Moves of each sample.
    pub moves: usize,
}

impl MetropolisTail {
    pub(super) fn check(&self) -> Result<()> {
        if !(self.time > 0.0 && self.time <= 1.0) {
            return Err(Error::invalid("time of the Metropolis tail", self.time, "a small time in (0, 1]"));
        }
        if !(self.step > 0.0 && self.step.is_finite()) {
            return Err(Error::invalid("step of the Metropolis tail", self.step, "a positive step"));
        }
        Ok(())
    }

    /// Moves every field and leaves the accepted state; returns the number of accepted moves.
    pub(super) fn run(
        &self,
        denoiser: &mut Denoiser,
        schedule: &Schedule,
        first_level: usize,
        streams: &[Stream],
        fields: &mut [f64],
        action: &mut dyn Action,
    ) -> Result<u64> {
        let values = denoiser.values;
        let (mut scores, mut proposals) = (vec![0.0; fields.len()], vec![0.0; fields.len()]);
        let (mut proposed_scores, mut noise) = (scores.clone(), vec![0.0; values]);
        let mut forward = vec![0.0; streams.len()];
        let actions = fields.chunks_exact(values).map(|field| finite_action(action, field));
        let mut actions = actions.collect::<Result<Vec<_>>>()?;
        denoiser.score(schedule, self.time, fields, &mut scores)?;
        let mut accepted = 0;
        for number in 0..self.moves {
            proposals.copy_from_slice(fields);
            for (index, (stream, proposal)) in streams.iter().zip(proposals.chunks_exact_mut(values)).enumerate() {
                stream.normals(Purpose::Reverse, (first_level + number) as u32, &mut noise);
                move_along(proposal, &scores[index * values..(index + 1) * values], self.step, &noise);
                forward[index] = 0.5 * square(&noise);
            }
            denoiser.score(schedule, self.time, &proposals, &mut proposed_scores)?;
            for (index, stream) in streams.iter().enumerate() {
                let range = index * values..(index + 1) * values;
                let (proposal, score) = (&proposals[range.clone()], &proposed_scores[range.clone()]);
                let backward = self.exponent(proposal, score, &fields[range.clone()]);
                let new = finite_action(action, proposal)?;
                let log_ratio = match (actions[index], new) {
                    (_, None) => f64::NEG_INFINITY,
                    // The sample had probability zero: anything is better.
                    (None, Some(_)) => f64::INFINITY,
                    (Some(old), Some(new)) => old - new - backward + forward[index],
                };
                let uniform = stream.uniform(Purpose::Accept, (first_level + number) as u32, 0);
                if metropolis(log_ratio, uniform) == Outcome::Accepted {
                    fields[range.clone()].copy_from_slice(proposal);
                    scores[range].copy_from_slice(score);
                    actions[index] = new;
                    accepted += 1;
                }
            }
        }
        Ok(accepted)
    }

    /// |to - from - h b(from)|^2 / 4h.
    fn exponent(&self, from: &[f64], score: &[f64], to: &[f64]) -> f64 {
        let steps = from.iter().zip(score).zip(to);
        steps.map(|((from, b), to)| (to - from - self.step * b).powi(2)).sum::<f64>() / (4.0 * self.step)
    }
}
