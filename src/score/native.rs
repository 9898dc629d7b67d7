//! A trained network, evaluated by the native engine.
//!
//! D(x, sigma) = W x + c_out(sigma) net(\[x c_in(sigma), W x / s\]; ln sigma), with the Wiener filter
//! W_p = C_p / (C_p + sigma^2), c_in = (sigma^2 + s^2)^(-1/2), c_out = s sigma^2 / (sigma^2 + s^2) and
//! s^2 = <phi^2>. The Gaussian part is exact; the network learns the interaction, and its correction
//! vanishes as sigma^2 for small noise, as that of the exact denoiser does: D = x + sigma^2 (score).
//! (The preconditioning follows Karras et al., arXiv:2206.00364, eq. 7, with a Wiener filter as skip.)

use super::gaussian::{wiener_error, wiener_filter};
use super::{Evaluator, Score, Team};
use crate::diffusion::{Posterior, Response, Schedule};
use crate::error::{Result, require_length};
use crate::fourier::{LatticeFourier, momentum_classes};
use crate::lattice::Lattice;
use crate::model::{Model, PosteriorRow};
use crate::nn::embedding::EmbeddingTape;
use crate::nn::{Real, Tape, UNet};
use std::sync::Arc;

/// Number of input fields of the network.
pub const INPUTS: usize = 2;

/// The factors around the network at one noise level.
#[derive(Clone, Copy, Debug)]
pub struct Preconditioning {
    /// Factor of x in the first input.
    pub input: f64,
    /// Factor of the filtered field in the second input.
    pub filtered: f64,
    /// Factor of the network's output.
    pub output: f64,
}

impl Preconditioning {
    /// For data of variance `data_variance` and noise of standard deviation `noise`.
    pub fn new(data_variance: f64, noise: f64) -> Self {
        let (xi, scale) = (noise * noise, data_variance.sqrt());
        let total = xi + data_variance;
        Preconditioning { input: 1.0 / total.sqrt(), filtered: 1.0 / scale, output: scale * xi / total }
    }

    /// Fills the network's inputs from a field and its filtered version.
    pub fn fill<T: Real>(&self, field: &[f64], filtered: &[f64], inputs: &mut [T]) {
        let (first, second) = inputs.split_at_mut(field.len());
        first.iter_mut().zip(field).for_each(|(input, &x)| *input = T::from_f64(x * self.input));
        second.iter_mut().zip(filtered).for_each(|(input, &w)| *input = T::from_f64(w * self.filtered));
    }
}

/// A model ready for evaluation.
pub struct NativeScore {
    model: Model,
    lattice: Lattice,
    network: UNet,
    covariance: Vec<f64>,
    class: Vec<u32>,
    data_variance: f64,
    fingerprint: u64,
}

impl NativeScore {
    /// Prepares `model`.
    ///
    /// # Errors
    /// Those of [`Model::new`].
    pub fn new(model: Model) -> Result<Self> {
        let lattice = model.lattice()?;
        let network = UNet::new(&model.metadata().network, &lattice)?;
        let mut hash = crc32fast::Hasher::new();
        model.parameters().iter().for_each(|value| hash.update(&value.to_le_bytes()));
        let weights = hash.finalize();
        hash = crc32fast::Hasher::new();
        hash.update(format!("{:?}", model.metadata()).as_bytes());
        Ok(NativeScore {
            covariance: model.covariance()?,
            class: momentum_classes(&lattice).0,
            data_variance: model.metadata().data_variance()?,
            fingerprint: u64::from(weights) << 32 | u64::from(hash.finalize()),
            lattice,
            network,
            model,
        })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The network.
    pub fn network(&self) -> &UNet {
        &self.network
    }
}

impl Score for NativeScore {
    fn lattice(&self) -> &Lattice {
        &self.lattice
    }

    fn schedule(&self) -> &Schedule {
        &self.model.metadata().schedule
    }

    fn covariance(&self) -> &[f64] {
        &self.covariance
    }

    /// Interpolates the measured table in ln sigma: R_p as a fraction of the error of the Wiener
    /// filter, which tends to 1 at both ends. Without a table, the Wiener filter's own error.
    fn posterior(&self, noise: f64) -> Posterior {
        let mut variance = wiener_error(&self.covariance, noise);
        let table = &self.model.metadata().posterior;
        if table.rows.is_empty() {
            return Posterior { variance, response: None };
        }
        let (below, above, fraction) = table.bracket(libm::log(noise));
        let mix = |low: f64, high: f64| (1.0 - fraction) * low + fraction * high;
        let ratio = |row: &PosteriorRow, class: usize| {
            let (c, xi) = (self.model.metadata().covariance[class], libm::exp(2.0 * row.log_noise));
            row.variance[class] * (c + xi) / (c * xi)
        };
        for (variance, &class) in variance.iter_mut().zip(&self.class) {
            *variance *= mix(ratio(below, class as usize), ratio(above, class as usize));
        }
        let expand = |low: &[f64], high: &[f64]| -> Vec<f64> {
            self.class.iter().map(|&class| mix(low[class as usize], high[class as usize])).collect()
        };
        let response = Response {
            mean_square: (
                mix(below.mean_square[0], above.mean_square[0]),
                mix(below.mean_square[1], above.mean_square[1]),
            ),
            linear: expand(&below.linear, &above.linear),
            quadratic: expand(&below.quadratic, &above.quadratic),
            curvature: std::array::from_fn(|i| mix(below.curvature[i], above.curvature[i])),
            local_variance: mix(below.local_variance, above.local_variance),
        };
        Posterior { variance, response: Some(response) }
    }

    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn evaluator(self: Arc<Self>, threads: usize) -> Result<Box<dyn Evaluator>> {
        let workers = (0..threads).map(|_| Worker::new(&self)).collect();
        Ok(Box::new(NativeEvaluator {
            team: Team::new(threads)?,
            workers,
            levels: Vec::new(),
            items: Vec::new(),
            score: self,
        }))
    }
}

/// What depends on the noise level only; kept, because a chain uses the same few levels for ever.
struct Level {
    noise: f64,
    embedding: EmbeddingTape<f32>,
    preconditioning: Preconditioning,
    filter: Vec<f64>,
}

/// Levels kept at most: beyond that the caller draws noise levels at random and nothing would repeat.
const LEVELS_KEPT: usize = 512;

struct Worker {
    tape: Tape<f32>,
    fourier: LatticeFourier,
    filtered: Vec<f64>,
    inputs: Vec<f32>,
    correction: Vec<f32>,
}

impl Worker {
    fn new(score: &NativeScore) -> Self {
        let sites = score.lattice.values();
        Worker {
            tape: score.network.tape(),
            fourier: LatticeFourier::new(&score.lattice),
            filtered: vec![0.0; sites],
            inputs: vec![0.0; INPUTS * sites],
            correction: vec![0.0; sites],
        }
    }

    fn denoise(&mut self, score: &NativeScore, level: &Level, field: &[f64], denoised: &mut [f64]) {
        self.fourier.filter(field, &level.filter, &mut self.filtered);
        level.preconditioning.fill(field, &self.filtered, &mut self.inputs);
        let parameters = score.model.parameters();
        score.network.forward(parameters, &level.embedding, &self.inputs, &mut self.correction, &mut self.tape);
        let output = level.preconditioning.output;
        for ((denoised, &w), &c) in denoised.iter_mut().zip(&self.filtered).zip(&self.correction) {
            *denoised = w + output * f64::from(c);
        }
    }
}

struct NativeEvaluator {
    score: Arc<NativeScore>,
    team: Team,
    workers: Vec<Worker>,
    levels: Vec<Level>,
    /// Index into `levels` for every field of the batch at hand.
    items: Vec<usize>,
}

impl NativeEvaluator {
    /// Index of the level, computed if it is new.
    fn level(&mut self, noise: f64) -> usize {
        if let Some(index) = self.levels.iter().position(|level| level.noise.to_bits() == noise.to_bits()) {
            return index;
        }
        let network = &self.score.network;
        let mut embedding = network.embedding().tape();
        network.embedding().forward(self.score.model.parameters(), libm::log(noise), &mut embedding);
        let mut filter = vec![0.0; self.score.covariance.len()];
        wiener_filter(&self.score.covariance, noise, &mut filter);
        let preconditioning = Preconditioning::new(self.score.data_variance, noise);
        self.levels.push(Level { noise, embedding, preconditioning, filter });
        self.levels.len() - 1
    }
}

impl Evaluator for NativeEvaluator {
    fn denoise(&mut self, noise: &[f64], fields: &[f64], denoised: &mut [f64]) -> Result<()> {
        let sites = self.score.lattice.values();
        require_length("fields", fields.len(), noise.len() * sites)?;
        require_length("denoised fields", denoised.len(), fields.len())?;
        if self.levels.len() + noise.len() > LEVELS_KEPT.max(noise.len()) {
            self.levels.clear();
        }
        self.items.clear();
        for &noise in noise {
            let index = self.level(noise);
            self.items.push(index);
        }
        let (score, levels, items) = (&self.score, &self.levels, &self.items);
        if self.workers.len() == 1 {
            let worker = &mut self.workers[0];
            let batch = items.iter().zip(fields.chunks_exact(sites)).zip(denoised.chunks_exact_mut(sites));
            batch.for_each(|((&level, field), out)| worker.denoise(score, &levels[level], field, out));
        } else {
            let mut outputs: Vec<&mut [f64]> = denoised.chunks_exact_mut(sites).collect();
            self.team.for_each(&mut self.workers, &mut outputs, |worker, index, out| {
                worker.denoise(score, &levels[items[index]], &fields[index * sites..(index + 1) * sites], out);
            });
        }
        Ok(())
    }
}
