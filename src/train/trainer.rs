//! The training loop.

use super::dataset::Dataset;
use super::measure::measure_posterior;
use super::optimizer::{Adam, AdamOptions};
use super::sample::{Chunk, Shared, Worker};
use super::target::Mixture;
use crate::action::{ActionRecord, Interrupt};
use crate::diffusion::Schedule;
use crate::error::{Error, Result};
use crate::model::{Metadata, Model, PosteriorTable, SCHEMA, TrainingRecord, covariance_classes, mean_by_component};
use crate::nn::{Adjoint, UNet, UNetShape};
use crate::rng::Stream;
use crate::score::{INPUTS, Team, smallest_noise_with_reach};
use std::sync::Mutex;

/// The batch is summed in this many parts, whatever the number of threads.
const CHUNKS: usize = 8;

/// Largest noise of the forward process, in standard deviations of the widest mode of the data: a
/// Gaussian prior of the right covariance is then indistinguishable from the data with noise.
const LARGEST_NOISE: f64 = 2.0;

/// The same for independent sites. A mode is a sum over sites and nearly Gaussian by itself; a single
/// variable is not, and a Gaussian prior forgets the n-th cumulant as noise^-n: at 8 standard deviations the
/// divergence of the prior from the noisy data, kappa_4^2 / (48 kappa_2^4), is below 1e-8.
const LARGEST_NOISE_OF_A_SITE: f64 = 8.0;

/// Independent sites that a training serves together, when a configuration has fewer.
const SITES_TOGETHER: usize = 64;

/// Options of a training.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainOptions {
    /// Channels at each resolution, finest first.
    pub channels: Vec<usize>,
    /// Width of the time embedding.
    pub embedding: usize,
    /// Reach of the stencils in sites along each axis: 1, or 0 for independent sites (one resolution).
    pub reach: usize,
    /// Whether phi and -phi are equally probable, which then doubles the data. `None`: by the action;
    /// without one, yes.
    pub even: Option<bool>,
    /// Samples a step.
    pub batch: usize,
    /// Optimiser steps.
    pub steps: u64,
    /// Seed of weights, batches, symmetries and noise.
    pub seed: u64,
    /// Threads; changes no bit of the result.
    pub threads: usize,
    /// Optimiser.
    pub adam: AdamOptions,
    /// The command line, for the record.
    pub command: String,
}

impl Default for TrainOptions {
    fn default() -> Self {
        TrainOptions {
            channels: vec![24, 32, 48],
            embedding: 64,
            reach: 1,
            even: None,
            batch: 64,
            steps: 20_000,
            seed: 1,
            threads: 1,
            adam: AdamOptions::default(),
            command: String::new(),
        }
    }
}

/// How far a training is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Steps taken.
    pub step: u64,
    /// Smoothed loss.
    pub loss: f64,
    /// Norm of the last gradient.
    pub gradient_norm: f64,
    /// Learning rate.
    pub rate: f64,
}

impl TrainOptions {
    /// For independent sites. With 2^18 x 64 draws of the two-peak law (mu0 = 1, sigma0 = 1/4) and its force,
    /// 20 000 steps give the denoiser to 0.5 % of the deviation of x_0 given x where the peaks merge (noise
    /// 0.1 to 5), and to 0.1 % below; the error is that of the draws, and falls as their number^(-1/2).
    pub fn independent_sites() -> Self {
        TrainOptions { channels: vec![32], embedding: 32, reach: 0, ..TrainOptions::default() }
    }
}

/// The forward process, and the range of ln sigma that it trains.
fn noise_range(covariance: &[f64], reach: usize) -> Result<(Schedule, (f64, f64))> {
    let widest = covariance.iter().copied().fold(0.0, f64::max);
    let largest = if reach == 0 { LARGEST_NOISE_OF_A_SITE } else { LARGEST_NOISE };
    let schedule = Schedule::variance_expanding_to((largest * widest.sqrt()).max(2.0))?;
    let smallest = smallest_noise_with_reach(covariance, reach);
    Ok((schedule, (libm::log(smallest), libm::log(schedule.noise(1.0)))))
}

/// A training under way.
pub struct Trainer {
    /// As it trains: of independent sites, configurations side by side.
    data: Dataset,
    /// Extents and number of the configurations as they came.
    extents: Vec<usize>,
    configurations: usize,
    action: Option<ActionRecord>,
    options: TrainOptions,
    schedule: Schedule,
    network: UNet,
    adam: Adam,
    adjoint: Adjoint<f32>,
    mixture: Mixture,
    /// By class, and expanded to all momenta.
    covariance: Vec<f64>,
    expanded: Vec<f64>,
    class: Vec<u32>,
    /// One value a component.
    data_variance: Vec<f64>,
    even: bool,
    log_noise: (f64, f64),
    team: Team,
    workers: Vec<Worker>,
    chunks: Vec<Chunk>,
    gradient: Vec<f32>,
    stream: Stream,
    loss: f64,
}

impl Trainer {
    /// Prepares a training on `data`; with `action`, its force lowers the variance of the target.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for options out of range or a network that does not fit the lattice.
    pub fn new(data: Dataset, action: Option<ActionRecord>, options: TrainOptions) -> Result<Self> {
        if !(1..=1 << 16).contains(&options.batch) {
            return Err(Error::invalid("batch", options.batch, "between 1 and 65536 samples a step"));
        }
        if options.reach == 0 {
            data.require_independent_sites()?;
        }
        let (extents, configurations) = (data.lattice().extents().to_vec(), data.training());
        let data = match SITES_TOGETHER / data.lattice().sites() {
            copies if options.reach == 0 && copies > 1 && data.len() >= 32 * copies => data.side_by_side(copies)?,
            _ => data,
        };
        let lattice = data.lattice().clone();
        let components = lattice.components();
        let shape = UNetShape {
            inputs: INPUTS * components,
            channels: options.channels.clone(),
            embedding: options.embedding,
            outputs: components,
            reach: options.reach,
        };
        let network = UNet::new(&shape, &lattice)?;
        let covariance = data.covariance_with_reach(options.reach);
        let (class, _) = covariance_classes(&lattice, options.reach);
        let expanded: Vec<f64> = class.iter().map(|&c| covariance[c as usize]).collect();
        if let Some(value) = expanded.iter().find(|&&c| !(c > 1e-12)) {
            return Err(Error::invalid("data covariance", value, "data that fluctuate in every mode"));
        }
        let (schedule, log_noise) = noise_range(&expanded, options.reach)?;
        let even = match (options.even, &action) {
            (Some(even), _) => even,
            (None, Some(action)) => action.is_even()?,
            (None, None) => true,
        };
        let team = Team::new(options.threads)?;
        let workers = (0..options.threads)
            .map(|_| {
                let force = action.as_ref().map(|record| record.build(&lattice)).transpose()?;
                Ok(Worker::new(&network, &lattice, force))
            })
            .collect::<Result<_>>()?;
        let stream = Stream::new(options.seed, 0, 0)?;
        let weights = network.layout().initial(&stream);
        let mixture = Mixture::new(&covariance, log_noise, action.is_some());
        let total = network.layout().total();
        let chunk = || Chunk { gradient: vec![0.0; total], moments: mixture.sums(), loss: 0.0 };
        Ok(Trainer {
            chunks: (0..CHUNKS.min(options.batch)).map(|_| chunk()).collect(),
            adam: Adam::new(weights, options.steps, options.adam),
            adjoint: network.adjoint(),
            data_variance: mean_by_component(&expanded, components),
            even,
            gradient: vec![0.0; total],
            loss: f64::NAN,
            data,
            extents,
            configurations,
            action,
            options,
            schedule,
            network,
            mixture,
            covariance,
            expanded,
            class,
            log_noise,
            team,
            workers,
            stream,
        })
    }

    /// The network.
    pub fn network(&self) -> &UNet {
        &self.network
    }

    /// Changes the number of steps, for example after timing the first ones.
    pub fn set_steps(&mut self, steps: u64) {
        self.options.steps = steps;
        self.adam.set_total(steps);
    }

    /// Whether all steps are taken.
    pub fn is_finished(&self) -> bool {
        self.adam.steps() >= self.options.steps
    }

    /// Takes one step.
    ///
    /// # Errors
    /// [`Error::NotFinite`] when the loss is; the weights are then those before the step. What the
    /// force raises.
    pub fn step(&mut self) -> Result<Progress> {
        self.network.refresh_adjoint(self.adam.weights(), &mut self.adjoint);
        let batch = self.options.batch;
        let shared = Shared {
            data: &self.data,
            network: &self.network,
            weights: self.adam.weights(),
            adjoint: &self.adjoint,
            mixture: &self.mixture,
            covariance: &self.expanded,
            class: &self.class,
            data_variance: &self.data_variance,
            even: self.even,
            log_noise: self.log_noise,
            batch,
            stream: self.stream.at_step(self.adam.steps() + 1),
        };
        let failure: Mutex<Option<Interrupt>> = Mutex::new(None);
        let parts = self.chunks.len();
        self.team.for_each(&mut self.workers, &mut self.chunks, |worker, part, chunk| {
            chunk.gradient.fill(0.0);
            chunk.moments.fill([0.0; 4]);
            chunk.loss = 0.0;
            // Strided, so that every part has its share of each noise level: they cost the same but
            // differ in gradient, and the parts' sums then have similar size.
            for index in (part..batch).step_by(parts) {
                if let Err(interrupt) = worker.add(&shared, index, chunk) {
                    *failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(interrupt);
                    return;
                }
            }
        });
        match failure.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
            None => {}
            Some(Interrupt::Stop(error)) => return Err(error),
            Some(Interrupt::Reject) => {
                return Err(Error::invalid("training data", "rejected", "configurations with a force"));
            }
        }
        self.apply()
    }

    /// Sums the parts in order and moves the weights.
    fn apply(&mut self) -> Result<Progress> {
        self.gradient.fill(0.0);
        let mut moments = self.mixture.sums();
        let mut loss = 0.0;
        for chunk in &self.chunks {
            self.gradient.iter_mut().zip(&chunk.gradient).for_each(|(sum, g)| *sum += g);
            for (sum, part) in moments.iter_mut().zip(&chunk.moments) {
                sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
            }
            loss += chunk.loss;
        }
        if !loss.is_finite() {
            return Err(Error::NotFinite {
                what: "training loss".into(),
                index: self.adam.steps() as usize,
                value: loss,
            });
        }
        let rate = self.adam.rate();
        let gradient_norm = self.adam.update(&self.gradient);
        self.mixture.update(&moments);
        self.loss = if self.loss.is_nan() { loss } else { 0.99 * self.loss + 0.01 * loss };
        Ok(Progress { step: self.adam.steps(), loss: self.loss, gradient_norm, rate })
    }

    /// The model with the averaged weights, without a measured posterior table.
    ///
    /// # Errors
    /// Those of [`Model::new`].
    pub fn snapshot(&self) -> Result<Model> {
        self.on_extents_of_data(self.model()?)
    }

    fn on_extents_of_data(&self, model: Model) -> Result<Model> {
        if model.metadata().extents == self.extents { Ok(model) } else { model.on_extents(&self.extents) }
    }

    /// On the lattice that trains.
    fn model(&self) -> Result<Model> {
        let record = TrainingRecord {
            steps: self.adam.steps(),
            batch: self.options.batch,
            configurations: self.configurations,
            seed: self.options.seed,
            version: env!("CARGO_PKG_VERSION").into(),
            command: self.options.command.clone(),
            loss: self.loss.is_finite().then_some(self.loss),
        };
        let metadata = Metadata {
            schema: SCHEMA,
            schedule: self.schedule,
            extents: self.data.lattice().extents().to_vec(),
            components: self.data.lattice().components(),
            network: self.network.shape().clone(),
            covariance: self.covariance.clone(),
            posterior: PosteriorTable::default(),
            action: self.action.clone(),
            training: record,
        };
        Model::new(metadata, self.adam.average().to_vec())
    }

    /// The finished model: averaged weights, and the denoiser's error measured on held-out data.
    ///
    /// # Errors
    /// As [`Trainer::snapshot`].
    pub fn finish(&self) -> Result<Model> {
        let mut model = self.model()?;
        let table = measure_posterior(&model, &self.data, self.log_noise, self.options.threads)?;
        model.metadata_mut().posterior = table;
        model.metadata().validate()?;
        self.on_extents_of_data(model)
    }
}
