//! Paths of a model in training: their weights, and the gradient of their densities.

use crate::action::{Action, Interrupt};
use crate::diffusion::{Neighbours, Transition};
use crate::error::Result;
use crate::fourier::LatticeFourier;
use crate::kernel::{KernelGradient, Prior, ReverseKernel, Shape};
use crate::model::Modes;
use crate::nn::embedding::EmbeddingTape;
use crate::nn::{Adjoint, Tape, UNet};
use crate::rng::{Purpose, Stream};
use crate::score::{NativeScore, Preconditioning, Score};
use std::sync::Arc;

/// One noise level of the paths: what does not depend on the field.
pub(super) struct Level {
    pub kernel: ReverseKernel,
    pub noise: f64,
    embedding: EmbeddingTape<f32>,
    preconditioning: Preconditioning,
    filter: Vec<f64>,
}

/// What all paths of a step share.
pub(super) struct Shared<'a> {
    pub score: &'a NativeScore,
    pub adjoint: &'a Adjoint<f32>,
    pub levels: &'a [Level],
    pub prior: &'a Prior,
}

/// The levels of paths over `times` (ascending, without 0).
pub(super) fn levels(score: &NativeScore, times: &[f64]) -> Result<Vec<Level>> {
    let schedule = *score.schedule();
    let neighbours = Neighbours::new(score.lattice()).map(Arc::new);
    let lower = std::iter::once(0.0).chain(times.iter().copied());
    let levels = lower.zip(times).map(|(lower, &upper)| {
        let transition = Transition::new(&schedule, lower, upper);
        let noise = transition.noise;
        let network = score.network();
        let mut embedding = network.embedding().tape();
        network.embedding().forward(score.model().parameters(), libm::log(noise), score.conditions(), &mut embedding);
        let mut filter = vec![0.0; score.covariance().len()];
        score.gaussian().multiplier(noise, &mut filter);
        let kernel =
            ReverseKernel::new(transition, schedule.signal(upper), score.posterior(noise), neighbours.as_ref());
        Level { kernel, noise, embedding, preconditioning: score.preconditioning(noise), filter }
    });
    Ok(levels.collect())
}

/// A path and its weight.
#[derive(Clone)]
pub(super) struct Path {
    /// x_0 to x_N, one after the other.
    pub fields: Vec<f64>,
    /// Not finite if the action rejects x_0.
    pub log_weight: f64,
}

impl Path {
    /// Memory for a path of `levels` levels over fields of `values` numbers.
    pub fn new(levels: usize, values: usize) -> Self {
        Path { fields: vec![0.0; (levels + 1) * values], log_weight: 0.0 }
    }
}

/// Memory of one thread.
pub(super) struct Walker {
    tape: Tape<f32>,
    modes: Modes,
    fourier: LatticeFourier,
    shape: Shape,
    gradient: KernelGradient,
    action: Box<dyn Action>,
    noise: Vec<f64>,
    coloured: Vec<f64>,
    scaled: Vec<f64>,
    filtered: Vec<f64>,
    denoised: Vec<f64>,
    inputs: Vec<f32>,
    output: Vec<f32>,
}

impl Walker {
    pub fn new(score: &NativeScore, action: Box<dyn Action>) -> Self {
        let (lattice, network): (_, &UNet) = (score.lattice(), score.network());
        let values = lattice.values();
        let field = || vec![0.0; values];
        Walker {
            tape: network.tape(),
            modes: score.modes(),
            fourier: score.fourier(),
            shape: Shape::new(values),
            gradient: KernelGradient::new(values),
            action,
            noise: field(),
            coloured: field(),
            scaled: field(),
            filtered: field(),
            denoised: field(),
            inputs: vec![0.0; network.shape().inputs * lattice.sites()],
            output: vec![0.0; network.shape().outputs * lattice.sites()],
        }
    }

    /// Leaves D(x / f) in `denoised`, and the activations on the tape.
    fn denoise(&mut self, score: &NativeScore, level: &Level, x: &[f64]) {
        self.scaled.iter_mut().zip(x).for_each(|(scaled, x)| *scaled = x / level.kernel.signal);
        score.gaussian().denoise(&mut self.modes, &level.filter, level.noise, &self.scaled, &mut self.filtered);
        level.preconditioning.fill(&self.scaled, &self.filtered, None, &mut self.inputs);
        let parameters = score.model().parameters();
        score.network().forward(parameters, &level.embedding, &self.inputs, &mut self.output, &mut self.tape);
        level.preconditioning.denoise(&self.filtered, &self.output, &mut self.denoised);
    }

    /// Draws a path by the model from the last level to the first: that of `PathProcess::generate`.
    ///
    /// # Errors
    /// [`Interrupt::Stop`] of the action; a path that it rejects has the weight zero.
    pub fn generate(&mut self, shared: &Shared<'_>, stream: &Stream, path: &mut Path) -> Result<(), Interrupt> {
        let values = self.noise.len();
        let count = shared.levels.len();
        let last = &mut path.fields[count * values..];
        let mut log_ratio = shared.prior.draw(stream, &mut self.fourier, &mut self.noise, last);
        for (index, level) in shared.levels.iter().enumerate().rev() {
            let (below, above) = path.fields.split_at_mut((index + 1) * values);
            let (x_b, x_a) = (&mut below[index * values..], &above[..values]);
            self.denoise(shared.score, level, x_a);
            log_ratio += level.kernel.shape(&self.scaled, &self.denoised, &mut self.shape);
            let draw = (stream, index as u32);
            let (noise, coloured) = (&mut self.noise, &mut self.coloured);
            log_ratio += level.kernel.draw(draw, &mut self.fourier, &mut self.shape, noise, coloured);
            for (site, x_b) in x_b.iter_mut().enumerate() {
                *x_b = level.kernel.mean(x_a[site], self.denoised[site]) + self.coloured[site];
            }
            log_ratio += log_forward(&level.kernel, x_b, x_a);
        }
        self.weigh(log_ratio, path)
    }

    /// Draws a forward path from `path.fields[..values]`: that of `PathProcess::renoise`.
    ///
    /// # Errors
    /// As [`Walker::generate`].
    pub fn renoise(&mut self, shared: &Shared<'_>, stream: &Stream, path: &mut Path) -> Result<(), Interrupt> {
        let values = self.noise.len();
        for (index, level) in shared.levels.iter().enumerate() {
            stream.normals(Purpose::Forward, index as u32, &mut self.noise);
            let transition = &level.kernel.transition;
            let deviation = transition.forward_variance.sqrt();
            let (below, above) = path.fields.split_at_mut((index + 1) * values);
            let (x_b, x_a) = (&below[index * values..], &mut above[..values]);
            for ((a, &b), &z) in x_a.iter_mut().zip(x_b).zip(&self.noise) {
                *a = transition.forward_factor * b + deviation * z;
            }
        }
        self.evaluate(shared, path)
    }

    /// Finds the weight of the path that `path.fields` holds.
    ///
    /// # Errors
    /// As [`Walker::generate`].
    pub fn evaluate(&mut self, shared: &Shared<'_>, path: &mut Path) -> Result<(), Interrupt> {
        let values = self.noise.len();
        let mut log_ratio = shared.prior.cost(&mut self.fourier, &path.fields[shared.levels.len() * values..]);
        for (index, level) in shared.levels.iter().enumerate() {
            let (x_b, x_a) = path.fields[index * values..(index + 2) * values].split_at(values);
            self.denoise(shared.score, level, x_a);
            for (site, z) in self.coloured.iter_mut().enumerate() {
                *z = x_b[site] - level.kernel.mean(x_a[site], self.denoised[site]);
            }
            log_ratio += level.kernel.shape(&self.scaled, &self.denoised, &mut self.shape);
            log_ratio += level.kernel.cost(&mut self.fourier, &mut self.shape, &self.coloured);
            log_ratio += log_forward(&level.kernel, x_b, x_a);
        }
        self.weigh(log_ratio, path)
    }

    fn weigh(&mut self, log_ratio: f64, path: &mut Path) -> Result<(), Interrupt> {
        path.log_weight = match self.action.action(&path.fields[..self.noise.len()]) {
            Ok(action) => log_ratio - action,
            Err(Interrupt::Reject) => f64::NEG_INFINITY,
            Err(stop) => return Err(stop),
        };
        Ok(())
    }

    /// Adds `factor` times the gradient of sum_n log B(x_(n-1) | x_n) with respect to the weights, over every `stride`-th
    /// level from `first` on and times `stride`: without bias if `first` is uniform below `stride`.
    pub fn add_gradient(
        &mut self,
        shared: &Shared<'_>,
        path: &Path,
        factor: f64,
        (first, stride): (usize, usize),
        gradient: &mut [f32],
    ) {
        let values = self.noise.len();
        let factor = factor * stride as f64;
        for (index, level) in shared.levels.iter().enumerate().skip(first).step_by(stride) {
            let (x_b, x_a) = path.fields[index * values..(index + 2) * values].split_at(values);
            self.denoise(shared.score, level, x_a);
            let at = (&self.scaled[..], &self.denoised[..]);
            level.kernel.gradient(&mut self.fourier, (x_a, x_b), at, &mut self.shape, &mut self.gradient);
            level.preconditioning.output_gradient(factor, &self.gradient.denoised, &mut self.output);
            let (score, tape) = (shared.score, &mut self.tape);
            let parameters = score.model().parameters();
            let network = score.network();
            network.backward(parameters, shared.adjoint, &level.embedding, &self.output, gradient, None, tape);
        }
    }
}

/// log F(x_a | x_b) without its normalisation, which `ReverseKernel::shape` has.
fn log_forward(kernel: &ReverseKernel, x_b: &[f64], x_a: &[f64]) -> f64 {
    let factor = kernel.transition.forward_factor;
    let sum: f64 = x_b.iter().zip(x_a).map(|(b, a)| (a - factor * b) * (a - factor * b)).sum();
    -0.5 * sum / kernel.transition.forward_variance
}
