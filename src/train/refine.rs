//! Second stage of training: the variance of log w over paths, lowered directly.
//!
//! What an exact kernel accepts depends on log w = -S(x_0) + log r of the paths that the model generates and on nothing
//! else; it is a constant if and only if the model is perfect. Its variance over paths of any law,
//!
//!   L = Var(log w),   dL/dtheta = -2 Cov(log w, sum_n d/dtheta log B(x_(n-1) | x_n)),
//!
//! is the log-variance loss (Richter, Boustati, Nuesken, Ruiz, Akyildiz, arXiv:2010.10436, eq. 9; for diffusions Richter,
//! Berner, arXiv:2307.01198). The paths are held fixed, so nothing is differentiated through them: one evaluation and one
//! backward pass at each (x_n, n) suffice. No data are needed, only the action; the gradient's noise is proportional to
//! the deviation of log w, and vanishes with it, where that of score matching stays.
//!
//! Trained are the weights of the network: the denoised field enters both the mean and the covariance of a kernel, and
//! both are differentiated. The moments of x_0 given x_n that shape the covariances besides are measured anew at the end: a
//! regression of log w on them, over paths of phi^4 models on 8x8 and 16x16, finds nothing that the measured ones leave.

mod walk;

#[cfg(test)]
mod tests;

use super::dataset::Dataset;
use super::generated::{Sampling, Weighted};
use super::measure::measure_posterior;
use super::optimizer::{Adam, AdamOptions};
use crate::action::{ActionRecord, Interrupt};
use crate::analysis::independence_acceptance;
use crate::diffusion::T_END;
use crate::error::{Error, Result};
use crate::kernel::Prior;
use crate::model::{Metadata, Model};
use crate::nn::Adjoint;
use crate::rng::{MAX_CHAIN, Purpose, Stream};
use crate::score::{NativeScore, Score, Team, optimal_times, smallest_noise_of_kind};
use std::sync::Mutex;
use walk::{Level, Path, Shared, Walker, levels};

/// The batch is summed in this many parts, whatever the number of threads.
const CHUNKS: usize = 8;

/// Random numbers of refinements: a chain number that no chain is likely to have.
const CHAIN: u32 = MAX_CHAIN - 1;

/// Paths whose configurations measure a model without data.
const MEASURED: usize = 1024;

/// Options of a refinement.
#[derive(Clone, Debug, PartialEq)]
pub struct RefineOptions {
    /// Score evaluations of a path.
    pub levels: usize,
    /// Whether every step shifts the levels at random, by up to half the distance to their neighbours in ln sigma: the
    /// model then serves other grids as well.
    pub jitter: bool,
    /// Paths a step.
    pub paths: usize,
    /// Share of them that are drawn forward from data, when there are data; the others are generated.
    pub from_data: f64,
    /// Optimiser steps.
    pub steps: u64,
    /// The gradient is taken at every `stride`-th level of a path, from a random one on: without bias, and more paths in the
    /// same time.
    pub stride: usize,
    /// Largest distance of log w from its mean that counts, in standard deviations as estimated from the median
    /// distance: a few paths of absurd weight would otherwise be the whole gradient.
    pub clip: f64,
    /// Optimiser of the network. A rate of zero leaves it alone.
    pub adam: AdamOptions,
    /// Seed of the paths.
    pub seed: u64,
    /// Threads; changes no bit of the result.
    pub threads: usize,
}

impl Default for RefineOptions {
    fn default() -> Self {
        RefineOptions {
            levels: 40,
            jitter: true,
            paths: 64,
            from_data: 0.0,
            steps: 500,
            stride: 4,
            clip: 4.0,
            adam: AdamOptions { rate: 2e-4, warm_up: 20, beta2: 0.99, average: 0.99, ..AdamOptions::default() },
            seed: 1,
            threads: 1,
        }
    }
}

/// How far a refinement is. The statistics are those of generated paths, smoothed over some ten steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RefineProgress {
    /// Steps taken.
    pub step: u64,
    /// Var(log w).
    pub var_log_w: f64,
    /// Acceptance of independence Metropolis with such paths.
    pub acceptance: f64,
    /// Norm of the last gradient of the network.
    pub gradient_norm: f64,
    /// Learning rate of the network.
    pub rate: f64,
}

/// A refinement under way.
pub struct Refiner {
    metadata: Metadata,
    action: ActionRecord,
    data: Option<Dataset>,
    even: bool,
    options: RefineOptions,
    times: Vec<f64>,
    network: Adam,
    adjoint: Adjoint<f32>,
    team: Team,
    walkers: Vec<Walker>,
    /// Parts of the gradient of the weights.
    chunks: Vec<Vec<f32>>,
    paths: Vec<Path>,
    smoothed: Option<(f64, f64)>,
    stream: Stream,
}

impl Refiner {
    /// Prepares a refinement of `model` for `action`. Data are used for a share of the paths, and to measure the model at
    /// the end.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for options out of range, data on another lattice, or an action without an accept step.
    pub fn new(model: Model, action: &ActionRecord, data: Option<Dataset>, options: RefineOptions) -> Result<Self> {
        options.validate()?;
        let score = NativeScore::new(model.clone())?;
        if score.of_links() {
            let expected =
                "a model of a scalar field: that of link angles has no gradient of Var(log w) in this version";
            return Err(Error::invalid("model", "one of link angles", expected));
        }
        let lattice = score.lattice().clone();
        if let Some(data) = data.as_ref().filter(|data| *data.lattice() != lattice) {
            return Err(Error::shape("lattice of the data", data.lattice().extents(), lattice.extents()));
        }
        let times = optimal_times(&score, options.levels, T_END)?;
        let walkers = (0..options.threads).map(|_| Ok(Walker::new(&score, action.build(&lattice)?)));
        let weights = model.parameters().len();
        Ok(Refiner {
            walkers: walkers.collect::<Result<_>>()?,
            chunks: vec![vec![0.0; weights]; CHUNKS.min(options.paths)],
            paths: vec![Path::new(options.levels, lattice.values()); options.paths],
            team: Team::new(options.threads)?,
            network: Adam::new(model.parameters().to_vec(), options.steps, options.adam),
            adjoint: score.network().adjoint(),
            metadata: Metadata { action: Some(action.clone()), ..model.metadata().clone() },
            action: action.clone(),
            even: action.is_even()?,
            smoothed: None,
            stream: Stream::new(options.seed, CHAIN, 0)?,
            data,
            times,
            options,
        })
    }

    /// Changes the number of steps, for example after timing the first ones.
    pub fn set_steps(&mut self, steps: u64) {
        self.options.steps = steps;
        self.network.set_total(steps);
    }

    /// Whether all steps are taken.
    pub fn is_finished(&self) -> bool {
        self.network.steps() >= self.options.steps
    }

    /// Takes one step.
    ///
    /// # Errors
    /// [`Error::NotFinite`] when the gradient is, or most weights are; the model is then that before the step. What the
    /// action raises.
    pub fn step(&mut self) -> Result<RefineProgress> {
        let score = self.model(self.network.weights()).and_then(NativeScore::new)?;
        score.network().refresh_adjoint(score.model().parameters(), &mut self.adjoint);
        let times = self.jittered_times(&score);
        let levels = levels(&score, &times)?;
        let prior = Prior::new(&score, times[times.len() - 1]);
        self.walk(&score, &levels, &prior)?;
        let factors = self.factors()?;
        self.differentiate(&score, &levels, &prior, &factors);
        self.apply()
    }

    /// The levels of this step.
    fn jittered_times(&self, score: &NativeScore) -> Vec<f64> {
        let stream = self.stream(0);
        if !self.options.jitter || self.times.len() < 2 {
            return self.times.clone();
        }
        let shift = stream.uniform(Purpose::TrainingLevel, 1, 0) - 0.5;
        let schedule = score.schedule();
        let logs: Vec<f64> = self.times.iter().map(|&t| libm::log(schedule.noise(t))).collect();
        let last = logs.len() - 1;
        let moved = (0..=last).map(|index| {
            let gap = if shift > 0.0 || index == 0 {
                logs[(index + 1).min(last)] - logs[index]
            } else {
                logs[index] - logs[index - 1]
            };
            if index == last { self.times[last] } else { schedule.time_of_noise(libm::exp(logs[index] + shift * gap)) }
        });
        moved.collect()
    }

    /// The random numbers of a path of the next step.
    fn stream(&self, path: usize) -> Stream {
        let first = self.network.steps() * self.options.paths as u64;
        self.stream.at_step(first + path as u64)
    }

    /// Paths of a step that are drawn from data: the first ones.
    fn paths_from_data(&self) -> usize {
        match self.data {
            Some(_) => (self.options.from_data * self.options.paths as f64) as usize,
            None => 0,
        }
    }

    fn walk(&mut self, score: &NativeScore, levels: &[Level], prior: &Prior) -> Result<()> {
        let from_data = self.paths_from_data();
        let streams: Vec<Stream> = (0..self.paths.len()).map(|path| self.stream(path)).collect();
        if let Some(data) = &self.data {
            for (path, stream) in self.paths[..from_data].iter_mut().zip(&streams) {
                draw(data, self.even, stream, &mut path.fields)?;
            }
        }
        let shared = Shared { score, adjoint: &self.adjoint, levels, prior };
        let failure: Mutex<Option<Error>> = Mutex::new(None);
        self.team.for_each(&mut self.walkers, &mut self.paths, |walker, index, path| {
            let stream = &streams[index];
            let walked = match index < from_data {
                true => walker.renoise(&shared, stream, path),
                false => walker.generate(&shared, stream, path),
            };
            if let Err(Interrupt::Stop(error)) = walked {
                *failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(error);
            }
        });
        failure.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).map_or(Ok(()), Err)
    }

    /// What the gradient of sum_n log B of each path counts: -2 (log w - mean) / (paths - 1), after clipping. A path
    /// without a finite weight counts nothing.
    fn factors(&mut self) -> Result<Vec<f64>> {
        let logs: Vec<f64> = self.paths.iter().map(|path| path.log_weight).collect();
        let finite: Vec<f64> = logs.iter().copied().filter(|log| log.is_finite()).collect();
        if 2 * finite.len() < logs.len() || finite.len() < 4 {
            let (index, value) =
                logs.iter().copied().enumerate().find(|(_, log)| !log.is_finite()).unwrap_or((0, f64::NAN));
            return Err(Error::NotFinite { what: "log weights of most paths".into(), index, value });
        }
        let centre = median(finite.clone());
        let spread = 1.4826 * median(finite.iter().map(|log| (log - centre).abs()).collect());
        let bound = self.options.clip * spread;
        let clipped = |log: f64| centre + (log - centre).clamp(-bound, bound);
        let count = finite.len() as f64;
        let mean = finite.iter().map(|&log| clipped(log)).sum::<f64>() / count;
        self.watch(&logs[self.paths_from_data()..])?;
        let factor = |log: f64| if log.is_finite() { -2.0 * (clipped(log) - mean) / (count - 1.0) } else { 0.0 };
        Ok(logs.into_iter().map(factor).collect())
    }

    /// Smooths the statistics of generated paths.
    fn watch(&mut self, logs: &[f64]) -> Result<()> {
        let logs: Vec<f64> = logs.iter().copied().filter(|log| log.is_finite()).collect();
        if logs.len() < 4 {
            return Ok(());
        }
        let count = logs.len() as f64;
        let mean = logs.iter().sum::<f64>() / count;
        let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let acceptance = independence_acceptance(&logs)?.value;
        let smooth = |old: f64, new: f64| 0.9 * old + 0.1 * new;
        self.smoothed = Some(match self.smoothed {
            None => (variance, acceptance),
            Some(old) => (smooth(old.0, variance), smooth(old.1, acceptance)),
        });
        Ok(())
    }

    fn differentiate(&mut self, score: &NativeScore, levels: &[Level], prior: &Prior, factors: &[f64]) {
        let parts = self.chunks.len();
        let stride = self.options.stride.min(levels.len());
        let first = |path: usize| self.stream(path).below(Purpose::TrainingLevel, 0, 0, stride);
        let first: Vec<usize> = (0..self.paths.len()).map(first).collect();
        let shared = Shared { score, adjoint: &self.adjoint, levels, prior };
        let paths = &self.paths;
        self.team.for_each(&mut self.walkers, &mut self.chunks, |walker, part, chunk| {
            chunk.fill(0.0);
            for index in (part..paths.len()).step_by(parts).filter(|&index| factors[index] != 0.0) {
                walker.add_gradient(&shared, &paths[index], factors[index], (first[index], stride), chunk);
            }
        });
    }

    /// The sum of the parts, in order.
    fn gradient(&self) -> Vec<f32> {
        let mut gradient = vec![0.0; self.network.weights().len()];
        for chunk in &self.chunks {
            gradient.iter_mut().zip(chunk).for_each(|(sum, g)| *sum += g);
        }
        gradient
    }

    fn apply(&mut self) -> Result<RefineProgress> {
        let gradient = self.gradient();
        if let Some(index) = gradient.iter().position(|g| !g.is_finite()) {
            let value = f64::from(gradient[index]);
            return Err(Error::NotFinite { what: "gradient of Var(log w)".into(), index, value });
        }
        let rate = self.network.rate();
        let gradient_norm = self.network.update(&gradient);
        let (var_log_w, acceptance) = self.smoothed.unwrap_or((f64::NAN, f64::NAN));
        Ok(RefineProgress { step: self.network.steps(), var_log_w, acceptance, gradient_norm, rate })
    }

    fn model(&self, weights: &[f32]) -> Result<Model> {
        Model::new(self.metadata.clone(), weights.to_vec())
    }

    /// The model with the averaged weights. The moments of its kernels are measured anew, on held-out data or without data on
    /// generated configurations drawn again by their weights.
    ///
    /// # Errors
    /// Those of the model, the action and the evaluator.
    pub fn finish(&self) -> Result<Model> {
        let mut model = self.model(self.network.average())?;
        model.metadata_mut().training.steps += self.network.steps();
        if self.network.steps() > 0 {
            let smallest = smallest_noise_of_kind(&model.covariance()?, model.metadata().network.reach, false);
            let range = (libm::log(smallest), libm::log(model.metadata().schedule.noise(T_END)));
            let generated = if self.data.is_none() { Some(self.generated(&model)?) } else { None };
            let data = self.data.as_ref().or(generated.as_ref()).ok_or(Error::Internal("data to measure".into()))?;
            model.metadata_mut().posterior = measure_posterior(&model, data, range, self.options.threads)?;
            model.metadata().validate()?;
        }
        Ok(model)
    }

    /// Configurations of the model, drawn again by their weights.
    fn generated(&self, model: &Model) -> Result<Dataset> {
        let RefineOptions { levels, seed, threads, .. } = self.options;
        let sampling = Sampling { levels, seed, threads, chain: CHAIN - 1 };
        let weighted = Weighted::from_model(model, &self.action, MEASURED, &sampling)?;
        weighted.resampled(10 * MEASURED, 0.1, weighted.power(0.1), seed)
    }
}

impl RefineOptions {
    fn validate(&self) -> Result<()> {
        if !(4..=1 << 16).contains(&self.paths) {
            return Err(Error::invalid("paths", self.paths, "between 4 and 65536 paths a step"));
        }
        if self.stride == 0 {
            return Err(Error::invalid("stride", self.stride, "at least 1: the gradient at every level"));
        }
        if !(0.0..=1.0).contains(&self.from_data) {
            return Err(Error::invalid("share of paths from data", self.from_data, "a number from 0 to 1"));
        }
        if !(self.clip > 0.0) {
            return Err(Error::invalid("clip", self.clip, "a positive number of standard deviations; 4 is usual"));
        }
        match self.adam.rate.is_finite() && self.adam.rate >= 0.0 {
            true => Ok(()),
            false => Err(Error::invalid("learning rate", self.adam.rate, "a number >= 0")),
        }
    }
}

/// A configuration of the training part, shifted and if the law is even perhaps flipped.
fn draw(data: &Dataset, even: bool, stream: &Stream, out: &mut [f64]) -> Result<()> {
    let lattice = data.lattice();
    let mut source = vec![0.0; lattice.values()];
    data.read(stream.below(Purpose::Batch, 0, 0, data.training()), &mut source)?;
    let sign = if even && stream.below(Purpose::Augmentation, 4, 0, 2) == 1 { -1.0 } else { 1.0 };
    let shift = lattice.coordinates(stream.below(Purpose::Augmentation, 5, 0, lattice.sites()));
    for site in 0..lattice.sites() {
        let at = lattice.coordinates(site).into_iter().zip(&shift).zip(lattice.extents());
        let from = lattice.index(&at.map(|((x, s), n)| (x + s) % n).collect::<Vec<_>>());
        for component in (0..lattice.values()).step_by(lattice.sites()) {
            out[component + site] = sign * source[component + from];
        }
    }
    Ok(())
}

/// The median of values that are numbers.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
