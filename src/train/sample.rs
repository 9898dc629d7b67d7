//! One training sample: draw, transform, add noise, evaluate, differentiate.

use super::dataset::Dataset;
use super::target::{BINS, Mixture, Sums};
use crate::action::{Action, Interrupt};
use crate::lattice::Lattice;
use crate::model::Modes;
use crate::nn::embedding::EmbeddingTape;
use crate::nn::{Adjoint, Tape, UNet};
use crate::rng::{Purpose, Stream};
use crate::score::{INPUTS, Preconditioning, wiener_filter};

/// What all samples of a step share.
pub(super) struct Shared<'a> {
    pub data: &'a Dataset,
    pub network: &'a UNet,
    pub weights: &'a [f32],
    pub adjoint: &'a Adjoint<f32>,
    pub mixture: &'a Mixture,
    pub covariance: &'a [f64],
    pub class: &'a [u32],
    /// One value a component.
    pub data_variance: &'a [f64],
    /// Whether phi and -phi are equally probable.
    pub even: bool,
    pub log_noise: (f64, f64),
    pub batch: usize,
    pub stream: Stream,
}

/// A part of the batch with its own sums, so that the order of summation is fixed.
pub(super) struct Chunk {
    pub gradient: Vec<f32>,
    pub moments: Sums,
    pub loss: f64,
}

/// Memory of one thread.
pub(super) struct Worker {
    tape: Tape<f32>,
    embedding: EmbeddingTape<f32>,
    modes: Modes,
    action: Option<Box<dyn Action>>,
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
    pub fn new(network: &UNet, lattice: &Lattice, action: Option<Box<dyn Action>>) -> Self {
        let field = || vec![0.0; lattice.values()];
        Worker {
            tape: network.tape(),
            embedding: network.embedding().tape(),
            modes: Modes::new(lattice, network.shape().reach),
            action,
            clean: field(),
            noisy: field(),
            noise: field(),
            filtered: field(),
            denoised: field(),
            multiplier: field(),
            force: field(),
            data: field(),
            cross: [field(), field(), field()],
            inputs: vec![0.0; INPUTS * lattice.values()],
            output: vec![0.0; lattice.values()],
        }
    }

    /// Adds sample `index` of the step to `chunk`: loss |D - target|^2 / sigma^2 a value and a sample,
    /// the weight under which equal steps of ln sigma count by their divergence.
    ///
    /// # Errors
    /// What the force raises.
    pub fn add(&mut self, shared: &Shared<'_>, index: usize, chunk: &mut Chunk) -> Result<(), Interrupt> {
        let values = self.clean.len();
        self.draw(shared, index);
        // Stratified over the batch: every step sees all noise levels.
        let offset = shared.stream.uniform(Purpose::TrainingLevel, 0, 0);
        let position = ((index as f64 + offset) / shared.batch as f64).fract();
        let log_noise = shared.log_noise.0 + (shared.log_noise.1 - shared.log_noise.0) * position;
        let bin = ((position * BINS as f64) as usize).min(BINS - 1);
        let sigma = libm::exp(log_noise);
        shared.stream.normals(Purpose::TrainingNoise, index as u32, &mut self.noise);
        for ((noisy, clean), z) in self.noisy.iter_mut().zip(&self.clean).zip(&self.noise) {
            *noisy = clean + sigma * z;
        }
        let xi = sigma * sigma;
        wiener_filter(shared.covariance, sigma, &mut self.multiplier);
        self.modes.filter(&self.noisy, &self.multiplier, &mut self.filtered);
        let factors = Preconditioning::new(shared.data_variance, sigma);
        factors.fill(&self.noisy, &self.filtered, &mut self.inputs);
        shared.network.embedding().forward(shared.weights, log_noise, &mut self.embedding);
        shared.network.forward(shared.weights, &self.embedding, &self.inputs, &mut self.output, &mut self.tape);
        factors.denoise(&self.filtered, &self.output, &mut self.denoised);
        self.residuals(shared, bin, xi, chunk)?;
        let scale = 1.0 / (xi * (values * shared.batch) as f64);
        let mut loss = 0.0;
        let sites = shared.data.lattice().sites();
        let components = self.output.chunks_exact_mut(sites).zip(self.noise.chunks_exact(sites));
        for (component, (output, residual)) in components.enumerate() {
            for (output, &r) in output.iter_mut().zip(residual) {
                loss += r * r;
                // The residual is target - D, so the gradient of the loss carries a minus.
                *output = (-2.0 * factors.output(component) * scale * r) as f32;
            }
        }
        chunk.loss += loss * scale;
        let gradient = &mut chunk.gradient;
        let output = &self.output;
        shared.network.backward(
            shared.weights,
            shared.adjoint,
            &self.embedding,
            output,
            gradient,
            None,
            &mut self.tape,
        );
        Ok(())
    }

    /// Leaves target - D in `noise`, and books the second moments of the two estimates' residuals.
    fn residuals(&mut self, shared: &Shared<'_>, bin: usize, xi: f64, chunk: &mut Chunk) -> Result<(), Interrupt> {
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
        let [aa, bb, ab] = &mut self.cross;
        [&mut *aa, &mut *bb, &mut *ab].into_iter().for_each(|sum| sum.fill(0.0));
        self.modes.accumulate_cross_power(&self.force, &self.data, [aa, bb, ab]);
        let classes = chunk.moments.len() / BINS;
        let moments = &mut chunk.moments[bin * classes..(bin + 1) * classes];
        for (p, &class) in shared.class.iter().enumerate() {
            let sum = &mut moments[class as usize];
            *sum = [sum[0] + aa[p], sum[1] + bb[p], sum[2] + ab[p], sum[3] + 1.0];
        }
        // target - D = b + w (a - b), w diagonal in momentum space.
        let weights = shared.mixture.weights(bin);
        for (m, &class) in self.multiplier.iter_mut().zip(shared.class) {
            *m = weights[class as usize];
        }
        self.force.iter_mut().zip(&self.data).for_each(|(a, &b)| *a -= b);
        self.modes.filter(&self.force, &self.multiplier, &mut self.noise);
        self.noise.iter_mut().zip(&self.data).for_each(|(r, &b)| *r += b);
        Ok(())
    }

    /// Draws a configuration and applies a random symmetry: translation, exchange and reflection of
    /// axes where the extents allow, all components together, and the sign if the law is even.
    fn draw(&mut self, shared: &Shared<'_>, index: usize) {
        let stream = &shared.stream;
        let source = shared.data.field(stream.below(Purpose::Batch, 0, index as u32, shared.data.training()));
        let lattice = shared.data.lattice();
        let rank = lattice.rank();
        let draw = |what: u32, bound: usize| stream.below(Purpose::Augmentation, what, index as u32, bound);
        let mut order: [usize; 4] = [0, 1, 2, 3];
        for axis in (1..rank).rev() {
            let other = draw(axis as u32, axis + 1);
            if lattice.extents()[order[axis]] == lattice.extents()[order[other]] {
                order.swap(axis, other);
            }
        }
        let sign = if shared.even && draw(4, 2) == 1 { -1.0 } else { 1.0 };
        let strides = lattice.strides();
        // Per target axis: source stride, extent, first source coordinate, and direction.
        let mut at = [0usize; 4];
        let mut tables = [(0usize, 0usize, 0usize, false); 4];
        for axis in 0..rank {
            let extent = lattice.extents()[axis];
            tables[axis] = (strides[order[axis]], extent, draw(5 + axis as u32, extent), draw(9 + axis as u32, 2) == 1);
        }
        let sites = lattice.sites();
        for target in 0..sites {
            let site: usize = (0..rank)
                .map(|axis| {
                    let (stride, extent, shift, mirrored) = tables[axis];
                    let x = if mirrored { extent - 1 - at[axis] } else { at[axis] };
                    (x + shift) % extent * stride
                })
                .sum();
            for (clean, source) in self.clean.chunks_exact_mut(sites).zip(source.chunks_exact(sites)) {
                clean[target] = sign * f64::from(source[site]);
            }
            for axis in (0..rank).rev() {
                at[axis] += 1;
                if at[axis] < tables[axis].1 {
                    break;
                }
                at[axis] = 0;
            }
        }
    }
}
