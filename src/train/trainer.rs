//! The training loop.

use super::density::{LevelDensity, PIECES};
use super::optimizer::Adam;
use super::options::{CurvePoint, Progress, TrainOptions};
use super::point::{Point, TrainingSet};
use super::sample::{Chunk, Shared, Worker};
use super::{Dataset, range};
use crate::action::{ActionRecord, Interrupt};
use crate::diffusion::Schedule;
use crate::error::{Error, Result};
use crate::model::Condition;
use crate::nn::{Adjoint, UNet, UNetShape};
use crate::rng::Stream;
use crate::score::Team;
use std::sync::Mutex;

/// The batch is summed in this many parts, whatever the number of threads.
const CHUNKS: usize = 8;

/// Independent sites that a training serves together, when a configuration has fewer.
const SITES_TOGETHER: usize = 64;

/// Most configurations that a look at the validation loss takes, all points together.
const VALIDATION: usize = 512;

/// Step number of the noise of the validation loss, which no training reaches.
const VALIDATION_STEP: u64 = crate::rng::MAX_STEP;

/// A training under way. A step takes its batch from one training set, all of them in turn.
pub struct Trainer {
    pub(super) points: Vec<Point>,
    /// Extents of the configurations as they came: of independent sites, several train side by side.
    pub(super) extents: Vec<usize>,
    pub(super) configurations: usize,
    pub(super) options: TrainOptions,
    pub(super) schedule: Schedule,
    pub(super) adam: Adam,
    adjoint: Adjoint<f32>,
    pub(super) conditions: Vec<Condition>,
    /// One value a component, common to all points.
    pub(super) data_variance: Vec<f64>,
    /// Scale of the magnetisation, if the network is told it apart.
    pub(super) magnetisation: Option<f64>,
    pub(super) log_noise: (f64, f64),
    pub(super) density: LevelDensity,
    team: Team,
    /// `[thread][point]`
    workers: Vec<Vec<Worker>>,
    chunks: Vec<Chunk>,
    gradient: Vec<f32>,
    stream: Stream,
    pub(super) loss: f64,
    progress: Progress,
    pub(super) curve: Vec<CurvePoint>,
    pub(super) best: Option<Best>,
}

/// The best averaged weights so far, by validation loss.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Best {
    pub validation: f64,
    pub weights: Vec<f32>,
    /// Looks since then.
    pub age: u64,
}

impl Trainer {
    /// Prepares a training on `data`; with `action`, its force lowers the variance of the target.
    ///
    /// # Errors
    /// As [`Trainer::with_sets`].
    pub fn new(data: Dataset, action: Option<ActionRecord>, options: TrainOptions) -> Result<Self> {
        Self::with_sets(vec![TrainingSet { data, action }], options)
    }

    /// Prepares a training of one network on several lattices or couplings. The model that comes out is at the
    /// first set; `Model::at` takes it to the others, or between or beyond them.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for options out of range, sets that differ in rank or components, or a
    /// network that does not fit a lattice.
    pub fn with_sets(mut sets: Vec<TrainingSet>, options: TrainOptions) -> Result<Self> {
        range::check(&sets, &options)?;
        let first = &sets[0].data;
        let extents = first.lattice().extents().to_vec();
        let configurations = sets.iter().map(|set| set.data.training()).sum();
        let components = first.lattice().components();
        if options.reach == 0 {
            for set in &mut sets {
                set.data = sites_together(&set.data)?;
            }
        }
        let told = range::told_magnetisation(&sets, &options)?;
        let bands = range::bands(&sets, &options)?;
        let shape = match range::of_links(sets[0].action.as_ref()) {
            true => range::shape_of_links(&options),
            false => range::shape(components, told, &options),
        };
        let shape = UNetShape { bands, ..shape };
        let points = sets.into_iter().map(|set| Point::new(set, &shape, options.even));
        let mut points = points.collect::<Result<Vec<_>>>()?;
        let conditions = range::conditions(&points, &options.conditions)?;
        let (schedule, log_noise) = range::noise(&points, &options)?;
        range::complete(&mut points, &conditions, log_noise, options.batch)?;
        let team = Team::new(options.threads)?;
        let workers = (0..options.threads).map(|_| points.iter().map(Worker::new).collect());
        let workers = workers.collect::<Result<_>>()?;
        let stream = Stream::new(options.seed, 0, 0)?;
        let network = &points[0].network;
        let weights = network.layout().initial(&stream);
        let total = network.layout().total();
        let chunk = || Chunk { gradient: vec![0.0; total], moments: vec![], loss: 0.0 };
        let (data_variance, magnetisation) = range::scales(&points, told);
        Ok(Trainer {
            chunks: (0..CHUNKS.min(options.batch)).map(|_| chunk()).collect(),
            adam: Adam::new(weights, options.steps, options.adam).with_matrices(network.hidden_matrices()),
            adjoint: network.adjoint(),
            data_variance,
            magnetisation,
            gradient: vec![0.0; total],
            loss: f64::NAN,
            progress: Progress { step: 0, loss: f64::NAN, gradient_norm: 0.0, rate: 0.0 },
            density: LevelDensity::default(),
            curve: vec![],
            best: None,
            points,
            extents,
            configurations,
            options,
            schedule,
            conditions,
            log_noise,
            team,
            workers,
            stream,
        })
    }

    /// The network, on the lattice of the first set.
    pub fn network(&self) -> &UNet {
        &self.points[0].network
    }

    /// The loss along the way, one entry a look at the validation part.
    pub fn curve(&self) -> &[CurvePoint] {
        &self.curve
    }

    /// Bytes that the training keeps, about.
    pub fn memory(&self) -> usize {
        let weights = (self.chunks.len() + 7) * self.gradient.len() * size_of::<f32>();
        weights + self.points.iter().map(|point| point.memory(self.options.threads)).sum::<usize>()
    }

    /// Changes the number of steps, for example after timing the first ones.
    pub fn set_steps(&mut self, steps: u64) {
        self.options.steps = steps;
        self.adam.set_total(steps);
    }

    /// Number of steps in all.
    pub fn steps(&self) -> u64 {
        self.options.steps
    }

    /// Steps taken.
    pub fn taken(&self) -> u64 {
        self.adam.steps()
    }

    /// Whether all steps are taken, or the validation loss has not improved for as long as the options allow.
    pub fn is_finished(&self) -> bool {
        self.adam.steps() >= self.options.steps || self.stopped_early()
    }

    /// Whether the validation loss ended the training.
    pub fn stopped_early(&self) -> bool {
        matches!((&self.best, self.options.patience), (Some(best), Some(patience)) if best.age >= patience)
    }

    /// Draws noise levels by where Var(log w) is made: half of them uniformly in ln sigma, half by `shares`, one
    /// value a sixteenth of the trained range. The expected gradient stays the same.
    pub fn set_level_shares(&mut self, shares: &[f64; PIECES]) {
        self.density = LevelDensity::following(shares);
    }

    /// The trained range of ln sigma.
    pub fn log_noise_range(&self) -> (f64, f64) {
        self.log_noise
    }

    /// Takes one step.
    ///
    /// # Errors
    /// [`Error::NotFinite`] when the loss is; the weights are then those before the step, and
    /// [`Trainer::finish`] still gives the last good model. What the force raises.
    pub fn step(&mut self) -> Result<Progress> {
        let index = (self.adam.steps() % self.points.len() as u64) as usize;
        let point = &self.points[index];
        point.network.refresh_adjoint(self.adam.weights(), &mut self.adjoint);
        let shared = Shared {
            point,
            weights: self.adam.weights(),
            data_variance: &self.data_variance,
            magnetisation: self.magnetisation,
            log_noise: self.log_noise,
            density: &self.density,
            stream: self.stream.at_step(self.adam.steps() + 1),
        };
        let (failure, adjoint) = (Mutex::new(None), &self.adjoint);
        let parts = self.chunks.len();
        self.team.for_each(&mut self.workers, &mut self.chunks, |workers, part, chunk| {
            chunk.gradient.fill(0.0);
            point.mixture.clear(&mut chunk.moments);
            chunk.loss = 0.0;
            // Strided, so that every part has its share of each noise level: they cost the same but
            // differ in gradient, and the parts' sums then have similar size.
            for sample in (part..point.batch).step_by(parts) {
                if let Err(interrupt) = workers[index].add(&shared, adjoint, sample, chunk) {
                    *failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(interrupt);
                    return;
                }
            }
        });
        raise(failure)?;
        self.apply(index)
    }

    /// Sums the parts in order and moves the weights.
    fn apply(&mut self, index: usize) -> Result<Progress> {
        self.gradient.fill(0.0);
        let mut moments = self.points[index].mixture.sums();
        let mut loss = 0.0;
        for chunk in &self.chunks {
            self.gradient.iter_mut().zip(&chunk.gradient).for_each(|(sum, g)| *sum += g);
            for (sum, part) in moments.iter_mut().zip(&chunk.moments) {
                sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
            }
            loss += chunk.loss;
        }
        if !loss.is_finite() {
            let what = "training loss (lower the rate; the model before this step is kept)".to_string();
            return Err(Error::NotFinite { what, index: self.adam.steps() as usize, value: loss });
        }
        let rate = self.adam.rate();
        let gradient_norm = self.adam.update(&self.gradient);
        self.points[index].mixture.update(&moments);
        self.loss = if self.loss.is_nan() { loss } else { 0.99 * self.loss + 0.01 * loss };
        let step = self.adam.steps();
        if step.is_multiple_of(self.options.validate_every.max(1)) || step == self.options.steps {
            self.look()?;
        }
        self.progress = Progress { step, loss: self.loss, gradient_norm, rate };
        Ok(self.progress)
    }

    /// What the last step reported.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Takes the validation loss into the curve, and remembers the best weights if they may be needed.
    fn look(&mut self) -> Result<()> {
        let validation = self.validation_loss()?;
        self.curve.push(CurvePoint { step: self.adam.steps(), loss: self.loss, validation });
        if self.options.patience.is_none() {
            return Ok(());
        }
        match &mut self.best {
            Some(best) if validation >= best.validation => best.age += 1,
            _ => self.best = Some(Best { validation, weights: self.adam.average().to_vec(), age: 0 }),
        }
        Ok(())
    }

    /// Loss of the averaged weights on the validation part, with noise that is always the same.
    ///
    /// # Errors
    /// What the force raises.
    pub fn validation_loss(&mut self) -> Result<f64> {
        let count = VALIDATION / self.points.len();
        let mut total = 0.0;
        for (index, point) in self.points.iter().enumerate() {
            let shared = Shared {
                point,
                weights: self.adam.average(),
                data_variance: &self.data_variance,
                magnetisation: self.magnetisation,
                log_noise: self.log_noise,
                density: &self.density,
                stream: self.stream.at_step(VALIDATION_STEP),
            };
            let mut losses = vec![0.0; count.min(8 * point.data.validation().len())];
            let (samples, failure) = (losses.len(), Mutex::new(None));
            self.team.for_each(&mut self.workers, &mut losses, |workers, sample, loss| {
                match workers[index].validate(&shared, sample, samples) {
                    Ok(value) => *loss = value,
                    Err(interrupt) => {
                        *failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(interrupt);
                    }
                }
            });
            raise(failure)?;
            total += losses.iter().sum::<f64>() / samples as f64 / self.points.len() as f64;
        }
        Ok(total)
    }
}

/// Configurations of few independent sites, side by side.
fn sites_together(data: &Dataset) -> Result<Dataset> {
    data.require_independent_sites()?;
    match SITES_TOGETHER / data.lattice().sites() {
        copies if copies > 1 && data.len() >= 32 * copies => data.side_by_side(copies),
        _ => Ok(data.clone()),
    }
}

/// Turns what a thread met into an error.
fn raise(failure: Mutex<Option<Interrupt>>) -> Result<()> {
    match failure.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        None => Ok(()),
        Some(Interrupt::Stop(error)) => Err(error),
        Some(Interrupt::Reject) => {
            Err(Error::invalid("training data", "rejected", "configurations with a force of the action"))
        }
    }
}
