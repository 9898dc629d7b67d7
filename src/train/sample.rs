//! One training sample: draw, transform, add noise, evaluate, differentiate.

use super::density::LevelDensity;
use super::point::Point;
use super::symmetry::transform;
use super::target::{BINS, Sums};
use crate::action::{Action, Interrupt};
use crate::error::Result;
use crate::model::Modes;
use crate::nn::embedding::EmbeddingTape;
use crate::nn::{Adjoint, Tape};
use crate::rng::{Purpose, Stream};
use crate::score::Preconditioning;

/// What all samples of a step share.
pub(super) struct Shared<'a> {
    pub point: &'a Point,
    pub weights: &'a [f32],
    /// One value a component.
    pub data_variance: &'a [f64],
    /// Scale of the magnetisation, if the network is told it apart.
    pub magnetisation: Option<f64>,
    pub log_noise: (f64, f64),
    pub density: &'a LevelDensity,
    pub stream: Stream,
}

impl Shared<'_> {
    /// What surrounds the network at a noise.
    fn factors(&self, noise: f64) -> Preconditioning {
        match &self.point.links {
            Some(links) => Preconditioning::of_links(links, noise),
            None => Preconditioning::new(self.data_variance, self.magnetisation, noise),
        }
    }
}

/// A part of the batch with its own sums, so that the order of summation is fixed.
pub(super) struct Chunk {
    pub gradient: Vec<f32>,
    /// Of the point that the step takes; as long as that of the point with most classes.
    pub moments: Sums,
    pub loss: f64,
}

/// Memory of one thread for one point.
pub(super) struct Worker {
    tape: Tape<f32>,
    embedding: EmbeddingTape<f32>,
    modes: Modes,
    action: Option<Box<dyn Action>>,
    source: Vec<f64>,
    clean: Vec<f64>,
    noisy: Vec<f64>,
    noise: Vec<f64>,
    filtered: Vec<f64>,
    denoised: Vec<f64>,
    multiplier: Vec<f64>,
    /// Residuals of the two estimates.
    force: Vec<f64>,
    data: Vec<f64>,
    cross: [Vec<f64>; 3],
    inputs: Vec<f32>,
    output: Vec<f32>,
}

impl Worker {
    pub fn new(point: &Point) -> Result<Self> {
        let lattice = point.data.lattice();
        let field = || vec![0.0; lattice.values()];
        Ok(Worker {
            tape: point.network.tape(),
            embedding: point.network.embedding().tape(),
            modes: point.modes(),
            action: point.action.as_ref().map(|record| record.build(lattice)).transpose()?,
            source: field(),
            clean: field(),
            noisy: field(),
            noise: field(),
            filtered: field(),
            denoised: field(),
            multiplier: field(),
            force: field(),
            data: field(),
            cross: [field(), field(), field()],
            inputs: vec![0.0; point.network.shape().inputs * lattice.sites()],
            output: vec![0.0; point.network.shape().outputs * lattice.sites()],
        })
    }

    /// Adds sample `index` of the step to `chunk`: loss |D - target|^2 / sigma^2 a value and a sample,
    /// the weight under which equal steps of ln sigma count by their divergence. Levels that are drawn more often
    /// count less, so that the expected gradient does not depend on how they are drawn.
    ///
    /// # Errors
    /// What the force raises, and those of `Dataset::read`.
    pub fn add(
        &mut self,
        shared: &Shared<'_>,
        adjoint: &Adjoint<f32>,
        index: usize,
        chunk: &mut Chunk,
    ) -> Result<(), Interrupt> {
        let Shared { point, stream, .. } = shared;
        let choice = stream.below(Purpose::Batch, 0, index as u32, point.data.training());
        point.data.read(choice, &mut self.source)?;
        transform(stream, point, index as u32, &self.source, &mut self.clean);
        // Stratified over the batch: every step sees all noise levels.
        let offset = shared.stream.uniform(Purpose::TrainingLevel, 0, 0);
        let batch = shared.point.batch;
        let (position, density) = shared.density.position(((index as f64 + offset) / batch as f64).fract());
        self.denoise(shared, position, index);
        self.residuals(shared, position, Some(&mut chunk.moments))?;
        let log_noise = log_noise_at(shared, position);
        let factors = shared.factors(libm::exp(log_noise));
        let scale = libm::exp(-2.0 * log_noise) / (density * (self.clean.len() * batch) as f64);
        let loss: f64 = self.noise.iter().map(|r| r * r).sum();
        // The residual is target - D, so the gradient of the loss carries a minus.
        factors.output_gradient(-2.0 * scale, &self.noise, &mut self.output);
        chunk.loss += loss * scale;
        let gradient = &mut chunk.gradient;
        let network = &shared.point.network;
        network.backward(shared.weights, adjoint, &self.embedding, &self.output, gradient, None, &mut self.tape);
        Ok(())
    }

    /// The loss of validation configuration `index` of `count`, each with its own noise level and noise.
    ///
    /// # Errors
    /// What the force raises, and those of `Dataset::read`.
    pub fn validate(&mut self, shared: &Shared<'_>, index: usize, count: usize) -> Result<f64, Interrupt> {
        let data = &shared.point.data;
        let validation = data.validation();
        data.read(validation.start + index % validation.len(), &mut self.clean)?;
        let position = (index as f64 + 0.5) / count as f64;
        self.denoise(shared, position, index);
        self.residuals(shared, position, None)?;
        let scale = libm::exp(-2.0 * log_noise_at(shared, position)) / self.clean.len() as f64;
        Ok(scale * self.noise.iter().map(|r| r * r).sum::<f64>())
    }

    /// Adds noise to the clean field and denoises it: fills `noisy`, `filtered`, `denoised` and the tapes.
    fn denoise(&mut self, shared: &Shared<'_>, position: f64, index: usize) {
        let log_noise = log_noise_at(shared, position);
        let sigma = libm::exp(log_noise);
        shared.stream.normals(Purpose::TrainingNoise, index as u32, &mut self.noise);
        for ((noisy, clean), z) in self.noisy.iter_mut().zip(&self.clean).zip(&self.noise) {
            *noisy = clean + sigma * z;
        }
        let gaussian = &shared.point.gaussian;
        gaussian.multiplier(sigma, &mut self.multiplier);
        gaussian.denoise(&mut self.modes, &self.multiplier, sigma, &self.noisy, &mut self.filtered);
        let factors = shared.factors(sigma);
        factors.fill(&self.noisy, &self.filtered, self.modes.links(), &mut self.inputs);
        let network = &shared.point.network;
        network.embedding().forward(shared.weights, log_noise, &shared.point.conditions, &mut self.embedding);
        network.forward(shared.weights, &self.embedding, &self.inputs, &mut self.output, &mut self.tape);
        factors.denoise(&self.filtered, &self.output, &mut self.denoised);
    }

    /// Leaves target - D in `noise`, and books the second moments of the two estimates' residuals.
    fn residuals(&mut self, shared: &Shared<'_>, position: f64, moments: Option<&mut Sums>) -> Result<(), Interrupt> {
        let bin = ((position * BINS as f64) as usize).min(BINS - 1);
        let xi = libm::exp(2.0 * log_noise_at(shared, position));
        for ((b, &x), &denoised) in self.data.iter_mut().zip(&self.clean).zip(&self.denoised) {
            *b = x - denoised;
        }
        let Some(action) = &mut self.action else {
            self.noise.copy_from_slice(&self.data);
            return Ok(());
        };
        action.force(&self.clean, &mut self.force)?;
        for ((a, &x), &denoised) in self.force.iter_mut().zip(&self.noisy).zip(&self.denoised) {
            *a = x + xi * *a - denoised;
        }
        let Point { class, mixture, reference, .. } = shared.point;
        let mixture = if moments.is_some() { mixture } else { reference };
        if let Some(moments) = moments {
            let [aa, bb, ab] = &mut self.cross;
            [&mut *aa, &mut *bb, &mut *ab].into_iter().for_each(|sum| sum.fill(0.0));
            self.modes.accumulate_cross_power(&self.force, &self.data, [aa, bb, ab]);
            let weights = mixture.weights(bin).len();
            let moments = &mut moments[bin * weights..(bin + 1) * weights];
            for (p, &class) in class.iter().enumerate() {
                let sum = &mut moments[class as usize];
                *sum = [sum[0] + aa[p], sum[1] + bb[p], sum[2] + ab[p], sum[3] + 1.0];
            }
        }
        // target - D = b + w (a - b), w diagonal in momentum space.
        let weights = mixture.weights(bin);
        for (m, &class) in self.multiplier.iter_mut().zip(class) {
            *m = weights[class as usize];
        }
        self.force.iter_mut().zip(&self.data).for_each(|(a, &b)| *a -= b);
        self.modes.filter(&self.force, &self.multiplier, &mut self.noise);
        self.noise.iter_mut().zip(&self.data).for_each(|(r, &b)| *r += b);
        Ok(())
    }
}

/// ln sigma at a position within the trained range.
fn log_noise_at(shared: &Shared<'_>, position: f64) -> f64 {
    shared.log_noise.0 + (shared.log_noise.1 - shared.log_noise.0) * position
}
