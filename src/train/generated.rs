//! Configurations that a model generates, with their weights: data for a law of which there are none.

use super::dataset::Dataset;
use crate::action::{ActionRecord, finite_action};
use crate::diffusion::T_END;
use crate::error::{Error, Result};
use crate::kernel::PathProcess;
use crate::lattice::Lattice;
use crate::model::{Model, Modes};
use crate::rng::{Purpose, Stream};
use crate::score::{NativeScore, Score, optimal_times};
use std::sync::Arc;

/// Paths generated together.
const BATCH: usize = 64;

/// How paths are generated.
pub(super) struct Sampling {
    /// Score evaluations of a path.
    pub levels: usize,
    pub seed: u64,
    pub threads: usize,
    /// The chain number whose random numbers are used.
    pub chain: u32,
}

/// Configurations with log w.
pub(super) struct Weighted {
    pub lattice: Lattice,
    pub fields: Vec<f64>,
    pub log_weights: Vec<f64>,
}

impl Weighted {
    /// `count` end points of paths of `model`.
    ///
    /// # Errors
    /// Those of the model, the action and the evaluator.
    pub fn from_model(model: &Model, action: &ActionRecord, count: usize, sampling: &Sampling) -> Result<Self> {
        let score = Arc::new(NativeScore::new(model.clone())?);
        let lattice = score.lattice().clone();
        let (values, mut action) = (lattice.values(), action.build(&lattice)?);
        let times = optimal_times(&*score, sampling.levels, T_END)?;
        let mut process = PathProcess::new(score, &times, true, BATCH, sampling.threads)?;
        let mut fields = vec![0.0; count * values];
        let mut log_weights = vec![0.0; count];
        for (batch, (fields, logs)) in fields.chunks_mut(BATCH * values).zip(log_weights.chunks_mut(BATCH)).enumerate()
        {
            let steps = (batch * BATCH) as u64..(batch * BATCH + logs.len()) as u64;
            let streams = steps.map(|step| Stream::new(sampling.seed, sampling.chain, step));
            process.generate(&streams.collect::<Result<Vec<_>>>()?, fields, logs)?;
            for (field, log) in fields.chunks_exact(values).zip(logs) {
                *log = finite_action(&mut *action, field)?.map_or(f64::NEG_INFINITY, |action| *log - action);
            }
        }
        Self { lattice, fields, log_weights }.checked()
    }

    /// `count` draws of the Gaussian of covariance `covariance` (one value a mode).
    ///
    /// # Errors
    /// Those of the action.
    pub fn from_gaussian(
        covariance: &[f64],
        (lattice, reach): (&Lattice, usize),
        action: &ActionRecord,
        count: usize,
        (seed, chain): (u64, u32),
    ) -> Result<Self> {
        let (values, mut action) = (lattice.values(), action.build(lattice)?);
        let mut modes = Modes::new(lattice, reach);
        let deviation: Vec<f64> = covariance.iter().map(|c| c.sqrt()).collect();
        let mut noise = vec![0.0; values];
        let mut fields = vec![0.0; count * values];
        let mut log_weights = Vec::with_capacity(count);
        for (index, field) in fields.chunks_exact_mut(values).enumerate() {
            Stream::new(seed, chain, index as u64)?.normals(Purpose::Prior, 0, &mut noise);
            modes.filter(&noise, &deviation, field);
            let square: f64 = noise.iter().map(|z| z * z).sum();
            let action = finite_action(&mut *action, field)?;
            log_weights.push(action.map_or(f64::NEG_INFINITY, |action| 0.5 * square - action));
        }
        Self { lattice: lattice.clone(), fields, log_weights }.checked()
    }

    /// Weights that are not numbers become zero; if most are, nothing can be learned.
    fn checked(mut self) -> Result<Self> {
        let count = self.log_weights.len();
        self.log_weights.iter_mut().filter(|log| !log.is_finite()).for_each(|log| *log = f64::NEG_INFINITY);
        let finite = self.log_weights.iter().filter(|log| log.is_finite()).count();
        match 2 * finite >= count && finite >= 4 {
            true => Ok(self),
            false => {
                let expected = "an action that is finite on most generated configurations";
                Err(Error::invalid("weights", format!("{finite} of {count} are finite"), expected))
            }
        }
    }

    /// w^power relative to the largest.
    fn weights(&self, power: f64) -> Vec<f64> {
        let largest = self.log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.log_weights.iter().map(|log| libm::exp(power * (log - largest))).collect()
    }

    /// (sum w)^2 / sum w^2, as a share of the configurations, for weights w^power.
    pub fn effective_share(&self, power: f64) -> f64 {
        let (mut sum, mut squares) = (0.0, 0.0);
        for w in self.weights(power) {
            sum += w;
            squares += w * w;
        }
        sum * sum / (squares * self.log_weights.len() as f64)
    }

    /// The largest power up to 1 of the weights at which the effective share of the configurations is at least `least`: weights
    /// of a poor proposal are tempered (as in annealed importance sampling, Neal, arXiv:physics/9803008).
    pub fn power(&self, least: f64) -> f64 {
        if self.effective_share(1.0) >= least {
            return 1.0;
        }
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..40 {
            let middle = 0.5 * (low + high);
            if self.effective_share(middle) >= least { low = middle } else { high = middle }
        }
        low
    }

    /// Mean power by mode under the weights w^power.
    pub fn mode_powers(&self, reach: usize, power: f64) -> Vec<f64> {
        let values = self.lattice.values();
        let mut modes = Modes::new(&self.lattice, reach);
        let (mut sums, mut one, mut total) = (vec![0.0; values], vec![0.0; values], 0.0);
        for (field, w) in self.fields.chunks_exact(values).zip(self.weights(power)) {
            if w > 1e-6 {
                one.fill(0.0);
                modes.accumulate_power(field, &mut one);
                sums.iter_mut().zip(&one).for_each(|(sum, x)| *sum += w * x);
                total += w;
            }
        }
        sums.iter().map(|sum| sum / total).collect()
    }

    /// `count` configurations drawn by the weights w^power (systematic resampling). What trains and what is held out
    /// never descend from the same configuration: the first `training` (a share) of the generated ones serve the former.
    ///
    /// # Errors
    /// Those of [`Dataset::new`].
    pub fn resampled(&self, count: usize, training: f64, power: f64, seed: u64) -> Result<Dataset> {
        let values = self.lattice.values();
        let weights = self.weights(power);
        let split = ((weights.len() as f64 * training) as usize).clamp(1, weights.len() - 1);
        let held_out = count / 10;
        let offset = Stream::new(seed, 0, 0)?.uniform(Purpose::Start, 0, 0);
        let mut fields = Vec::with_capacity(count * values);
        for (range, wanted) in [(0..split, count - held_out), (split..weights.len(), held_out)] {
            let total: f64 = weights[range.clone()].iter().sum();
            let (mut sum, mut drawn) = (0.0, 0);
            for index in range.clone() {
                sum += weights[index] / total;
                let last = index + 1 == range.end;
                while drawn < wanted && ((drawn as f64 + offset) < sum * wanted as f64 || last) {
                    fields.extend(self.fields[index * values..(index + 1) * values].iter().map(|&x| x as f32));
                    drawn += 1;
                }
            }
        }
        Dataset::new(self.lattice.clone(), fields)
    }
}
