//! A trained network, evaluated by the native engine.
//!
//! D(x, sigma) = W x + c_out(sigma) net(\[x c_in(sigma), W x / s\]; ln sigma), with the Wiener filter
//! W_p = C_p / (C_p + sigma^2), c_in = (sigma^2 + s^2)^(-1/2), c_out = s sigma^2 / (sigma^2 + s^2) and
//! s^2 = <phi^2>, component by component. The Gaussian part is exact; the network learns the interaction, and its correction
//! vanishes as sigma^2 for small noise, as that of the exact denoiser does: D = x + sigma^2 (score).
//! (The preconditioning follows Karras et al., arXiv:2206.00364, eq. 7, with a Wiener filter as skip.)

use super::gaussian::GaussianPart;
use super::independent::{Local, TILE, Tiles};
use super::links::{LinkPart, is_free};
use super::native_derivatives::NativeDifferential;
use super::preconditioning::Preconditioning;
use super::{Differential, Evaluator, Score, Team, smallest_noise};
use crate::diffusion::{FluxResponse, Posterior, Response, Schedule, ZeroMode};
use crate::error::{Error, Result, require_length};
use crate::lattice::Lattice;
use crate::model::{Model, Modes, PosteriorRow, covariance_classes};
use crate::nn::embedding::EmbeddingTape;
use crate::nn::{Tape, UNet};
use std::ops::Range;
use std::sync::Arc;

/// Standard deviations of a single variable, below which its law has no structure left to resolve. A
/// mode of a lattice field is a sum of many, and nearly Gaussian; the law of a single variable may have peaks
/// much narrower than itself.
const NARROWEST_PEAK: f64 = 0.15;

/// The same of link angles, above that of a lattice field: plaquettes are nearly independent, and the error of
/// one step from a third of the narrowest deviation to none is not seen.
const LINKS: f64 = 4.0;

/// Smallest noise of a training, given the covariance, the reach of the network, and whether the field holds link angles.
pub(crate) fn smallest_noise_of_kind(covariance: &[f64], reach: usize, links: bool) -> f64 {
    let factor = match reach {
        0 => NARROWEST_PEAK,
        _ if links => LINKS,
        _ => 1.0,
    };
    smallest_noise(covariance) * factor
}

/// A model ready for evaluation.
pub struct NativeScore {
    model: Model,
    lattice: Lattice,
    network: UNet,
    covariance: Vec<f64>,
    gaussian: GaussianPart,
    links: Option<LinkPart>,
    class: Vec<u32>,
    data_variance: Vec<f64>,
    /// What the network sees of the couplings.
    conditions: Vec<f64>,
    fingerprint: u64,
}

impl NativeScore {
    /// Prepares `model`.
    ///
    /// # Errors
    /// Those of [`Model::new`]; [`Error::InvalidArgument`] for a network with other inputs than two a component.
    pub fn new(model: Model) -> Result<Self> {
        let lattice = model.lattice()?;
        if model.metadata().network.inputs != model.metadata().network_inputs() {
            let expected =
                "two a component, the scaled field and its filtered version, or with the magnetisation three";
            return Err(Error::invalid("network inputs", model.metadata().network.inputs, expected));
        }
        let network = UNet::new(&model.metadata().network, &lattice)?;
        let conditions = model.metadata().condition_values()?;
        require_length("couplings that the network sees", conditions.len(), network.shape().conditions)?;
        let mut hash = crc32fast::Hasher::new();
        model.parameters().iter().for_each(|value| hash.update(&value.to_le_bytes()));
        let weights = hash.finalize();
        hash = crc32fast::Hasher::new();
        hash.update(format!("{:?}", model.metadata()).as_bytes());
        let covariance = model.covariance()?;
        let links = model.metadata().plaquettes.map(|moments| LinkPart::new(&lattice, moments)).transpose()?;
        Ok(NativeScore {
            gaussian: match &links {
                Some(links) => GaussianPart::of_links(&covariance, links.clone()),
                None => GaussianPart::new(&covariance, model.metadata().zero_mode),
            },
            links,
            covariance,
            class: covariance_classes(&lattice, model.metadata().network.reach).0,
            data_variance: model.metadata().data_variance()?,
            conditions,
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

    /// What comes before the network.
    pub(crate) fn gaussian(&self) -> &GaussianPart {
        &self.gaussian
    }

    pub(crate) fn conditions(&self) -> &[f64] {
        &self.conditions
    }

    pub(crate) fn modes(&self) -> Modes {
        Modes::of_kind(&self.lattice, self.network.shape().reach, self.links.is_some())
    }

    pub(crate) fn preconditioning(&self, noise: f64) -> Preconditioning {
        match &self.links {
            Some(links) => Preconditioning::of_links(links, noise),
            None => Preconditioning::new(&self.data_variance, self.model.metadata().magnetisation_scale, noise),
        }
    }

    /// Whether the posterior table says how the covariance follows the state: it is measured for one component
    /// with interactions.
    fn has_response(&self) -> bool {
        self.lattice.components() == 1 && self.network.shape().reach > 0
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
        let mut variance = self.gaussian.error(noise);
        let zero_mode = self.zero_mode();
        let table = &self.model.metadata().posterior;
        if table.rows.is_empty() {
            return Posterior { variance, response: None, zero_mode, flux: None };
        }
        let (below, above, fraction) = table.bracket(libm::log(noise));
        let mix = |low: f64, high: f64| (1.0 - fraction) * low + fraction * high;
        let ratio = |row: &PosteriorRow, class: usize| {
            let c = ZeroMode::within(zero_mode, class, self.model.metadata().covariance[class]);
            let xi = libm::exp(2.0 * row.log_noise);
            row.variance[class] * (c + xi) / (c * xi)
        };
        for (variance, &class) in variance.iter_mut().zip(&self.class) {
            // What is free is known to be.
            if is_free(self.model.metadata().covariance[class as usize]) {
                continue;
            }
            *variance *= mix(ratio(below, class as usize), ratio(above, class as usize));
        }
        if !self.has_response() {
            let bins = below.plaquettes.iter().zip(&above.plaquettes);
            let bins: Vec<[f64; 2]> = bins.map(|(a, b)| std::array::from_fn(|i| mix(a[i], b[i]))).collect();
            let momenta = self.links.as_ref().filter(|_| !bins.is_empty()).map(LinkPart::momenta);
            let flux = momenta.map(|momenta| FluxResponse::new(&self.lattice, momenta, &bins));
            if let Some(flux) = &flux {
                flux.baseline(&mut variance[..self.lattice.sites()]);
            }
            return Posterior { variance, response: None, zero_mode, flux };
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
            renormalisation: match below.renormalisation.is_empty() || above.renormalisation.is_empty() {
                true => vec![],
                false => expand(&below.renormalisation, &above.renormalisation),
            },
        };
        Posterior { variance, response: Some(response), zero_mode, flux: None }
    }

    fn of_links(&self) -> bool {
        self.links.is_some()
    }

    fn zero_mode(&self) -> Option<ZeroMode> {
        self.model.metadata().zero_mode
    }

    fn adapting(&self) -> bool {
        self.model.metadata().adapting
    }

    fn smallest_noise(&self) -> f64 {
        smallest_noise_of_kind(&self.covariance, self.network.shape().reach, self.links.is_some())
    }

    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn evaluator(self: Arc<Self>, threads: usize) -> Result<Box<dyn Evaluator>> {
        let workers = (0..threads).map(|_| Worker::new(&self)).collect::<Result<_>>()?;
        let together = if self.network.shape().reach == 0 { TILE.div_ceil(self.lattice.sites()) } else { 1 };
        Ok(Box::new(NativeEvaluator {
            team: Team::new(threads)?,
            workers,
            levels: Vec::new(),
            items: Vec::new(),
            together,
            score: self,
        }))
    }

    fn differential(self: Arc<Self>) -> Result<Box<dyn Differential>> {
        match self.links.is_some() {
            true => {
                let expected = "a model of a scalar field: derivatives of gauge models are not in this version";
                Err(Error::invalid("score model", "one of link angles", expected))
            }
            false => Ok(Box::new(NativeDifferential::new(self))),
        }
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

/// Memory of one thread; there are few, and none is moved.
#[allow(clippy::large_enum_variant)]
enum Worker {
    /// Sites that interact: a field at a time.
    Field { tape: Tape<f32>, modes: Modes, filtered: Vec<f64>, inputs: Vec<f32>, correction: Vec<f32> },
    /// Independent sites.
    Sites(Tiles),
}

impl Worker {
    fn new(score: &NativeScore) -> Result<Self> {
        let values = score.lattice.values();
        Ok(match score.network.shape().reach {
            0 => Worker::Sites(Tiles::new(score.network.shape(), &score.lattice)?),
            _ => Worker::Field {
                tape: score.network.tape(),
                modes: score.modes(),
                filtered: vec![0.0; values],
                inputs: vec![0.0; score.network.shape().inputs * score.lattice.sites()],
                correction: vec![0.0; score.network.shape().outputs * score.lattice.sites()],
            },
        })
    }

    /// One field; of independent sites also several, of the same level.
    fn denoise(&mut self, score: &NativeScore, level: &Level, fields: &[f64], denoised: &mut [f64]) {
        let parameters = score.model.parameters();
        let Level { embedding, preconditioning, filter, .. } = level;
        match self {
            Worker::Field { tape, modes, filtered, inputs, correction } => {
                score.gaussian.denoise(modes, filter, level.noise, fields, filtered);
                preconditioning.fill(fields, filtered, modes.links(), inputs);
                score.network.forward(parameters, embedding, inputs, correction, tape);
                preconditioning.denoise(filtered, correction, denoised);
            }
            Worker::Sites(tiles) => {
                tiles.denoise(&Local { parameters, embedding, preconditioning, filter }, fields, denoised);
            }
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
    /// Most fields of a level that a worker takes at once.
    together: usize,
}

impl NativeEvaluator {
    /// Index of the level, computed if it is new.
    fn level(&mut self, noise: f64) -> usize {
        if let Some(index) = self.levels.iter().position(|level| level.noise.to_bits() == noise.to_bits()) {
            return index;
        }
        let network = &self.score.network;
        let mut embedding = network.embedding().tape();
        network.embedding().forward(
            self.score.model.parameters(),
            libm::log(noise),
            &self.score.conditions,
            &mut embedding,
        );
        let mut filter = vec![0.0; self.score.covariance.len()];
        self.score.gaussian.multiplier(noise, &mut filter);
        let preconditioning = self.score.preconditioning(noise);
        self.levels.push(Level { noise, embedding, preconditioning, filter });
        self.levels.len() - 1
    }
}

impl Evaluator for NativeEvaluator {
    fn denoise(&mut self, noise: &[f64], fields: &[f64], denoised: &mut [f64]) -> Result<()> {
        let values = self.score.lattice.values();
        require_length("fields", fields.len(), noise.len() * values)?;
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
        let mut left = denoised;
        let batch = groups(items, self.together).map(|group| {
            let (out, rest) = std::mem::take(&mut left).split_at_mut(group.len() * values);
            left = rest;
            (&levels[items[group.start]], &fields[group.start * values..group.end * values], out)
        });
        if self.workers.len() == 1 {
            let worker = &mut self.workers[0];
            batch.for_each(|(level, fields, out)| worker.denoise(score, level, fields, out));
        } else {
            let mut batch: Vec<_> = batch.collect();
            self.team.for_each(&mut self.workers, &mut batch, |worker, _, (level, fields, out)| {
                worker.denoise(score, level, fields, out);
            });
        }
        Ok(())
    }
}

/// Ranges of up to `together` equal items that follow each other.
fn groups(items: &[usize], together: usize) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let first = items.get(start)?;
        let count = items[start..].iter().take(together).take_while(|&item| item == first).count();
        start += count;
        Some(start - count..start)
    })
}
