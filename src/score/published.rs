//! The score network of the literature (`nn::published`) as a score model of this library, so that exact kernels and
//! likelihoods treat it as they treat ours.
//!
//! score(x, t) = net(x, t) / sqrt(Xi(t)) in the variance-expanding scheme, hence D = x + Xi score = x + sqrt(Xi) net.
//! The network knows t; a noise sqrt(Xi) is turned into the t that has it. Of link angles it sees cosines and sines, and is
//! as periodic as the score; nothing makes it gauge invariant, which costs acceptance and no exactness.

use super::gaussian::wiener_error;
use super::{Differential, Evaluator, Score, Team, require_tangents, smallest_noise_of_kind};
use crate::diffusion::{Posterior, Schedule};
use crate::error::{Error, Result, require_length};
use crate::fourier::momentum_classes;
use crate::lattice::Lattice;
use crate::model::{PosteriorRow, PosteriorTable};
use crate::nn::published::{PublishedTape, PublishedUNet};
use std::sync::Arc;

/// Fields that a thread evaluates as one batch: enough that the weights are read from memory seldom.
const TOGETHER: usize = 16;

/// A trained network of the literature, ready for evaluation.
pub struct PublishedScore {
    lattice: Lattice,
    schedule: Schedule,
    network: PublishedUNet,
    weights: Vec<f32>,
    covariance: Vec<f64>,
    class: Vec<u32>,
    /// The measured error of the network, or no rows.
    posterior: PosteriorTable,
    fingerprint: u64,
}

impl PublishedScore {
    /// `network` with `weights` on `lattice`, with the covariance of the data by momentum class
    /// (`train::Dataset::covariance`; of a network of link angles that of the transverse modes, as in `model::Metadata`);
    /// reverse kernels take the error of the Wiener filter.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for another scheme than a variance-expanding one or a covariance that is not
    /// positive; [`Error::ShapeMismatch`] for another lattice than the network's or another number of weights or classes.
    pub fn new(
        lattice: Lattice,
        schedule: Schedule,
        network: PublishedUNet,
        weights: Vec<f32>,
        covariance: &[f64],
    ) -> Result<Self> {
        if schedule.contraction() != 0.0 {
            let expected = "0, a variance-expanding scheme: the network is made for it";
            return Err(Error::invalid("contraction of the schedule", schedule.contraction(), expected));
        }
        require_length("values of the lattice", lattice.values(), network.outputs())?;
        require_length("weights", weights.len(), network.layout().total())?;
        let (class, classes) = momentum_classes(&lattice);
        require_length("classes of the covariance", covariance.len(), classes)?;
        if let Some(value) = covariance.iter().find(|value| !(value.is_finite() && **value > 0.0)) {
            return Err(Error::invalid("covariance", value, "finite positive variances"));
        }
        let mut hash = crc32fast::Hasher::new();
        weights.iter().for_each(|value| hash.update(&value.to_le_bytes()));
        let of_weights = hash.finalize();
        hash = crc32fast::Hasher::new();
        hash.update(format!("{schedule:?} {lattice:?}").as_bytes());
        network.frequencies().iter().chain(covariance).for_each(|value| hash.update(&value.to_le_bytes()));
        Ok(PublishedScore {
            covariance: class.iter().map(|&class| covariance[class as usize]).collect(),
            fingerprint: u64::from(of_weights) << 32 | u64::from(hash.finalize()),
            posterior: PosteriorTable::default(),
            lattice,
            schedule,
            network,
            weights,
            class,
        })
    }

    /// The same network whose reverse kernels follow its own error on held-out data, mode by mode (of the table only
    /// `variance` is used).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for a table with another number of classes.
    pub fn with_posterior(self, posterior: PosteriorTable) -> Result<Self> {
        let classes = self.class.iter().max().map_or(0, |&class| class as usize + 1);
        posterior.rows.iter().try_for_each(|row| require_length("classes of a row", row.variance.len(), classes))?;
        Ok(PublishedScore { posterior, ..self })
    }

    /// The network.
    pub fn network(&self) -> &PublishedUNet {
        &self.network
    }
}

impl Score for PublishedScore {
    fn lattice(&self) -> &Lattice {
        &self.lattice
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn covariance(&self) -> &[f64] {
        &self.covariance
    }

    fn posterior(&self, noise: f64) -> Posterior {
        let mut variance = wiener_error(&self.covariance, noise);
        if !self.posterior.rows.is_empty() {
            // Interpolated as a multiple of the Wiener filter's error, which varies slowly.
            let (below, above, fraction) = self.posterior.bracket(libm::log(noise));
            for ((variance, &class), &c) in variance.iter_mut().zip(&self.class).zip(&self.covariance) {
                let ratio = |row: &PosteriorRow| {
                    let xi = libm::exp(2.0 * row.log_noise);
                    row.variance[class as usize] * (c + xi) / (c * xi)
                };
                *variance *= (1.0 - fraction) * ratio(below) + fraction * ratio(above);
            }
        }
        Posterior { variance, response: None, zero_mode: None, flux: None }
    }

    fn of_links(&self) -> bool {
        self.network.is_of_links()
    }

    fn smallest_noise(&self) -> f64 {
        smallest_noise_of_kind(&self.covariance, 1, self.of_links())
    }

    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn evaluator(self: Arc<Self>, threads: usize) -> Result<Box<dyn Evaluator>> {
        let workers = (0..threads).map(|_| Worker::default()).collect();
        Ok(Box::new(PublishedEvaluator { team: Team::new(threads)?, workers, score: self }))
    }

    fn differential(self: Arc<Self>) -> Result<Box<dyn Differential>> {
        if self.of_links() {
            let expected = "a model of a scalar field: derivatives of gauge models are not in this version";
            return Err(Error::invalid("score model", "one of link angles", expected));
        }
        Ok(Box::new(PublishedDifferential {
            weights: self.weights.iter().map(|&w| f64::from(w)).collect(),
            output: vec![0.0; self.network.sites()],
            tape: PublishedTape::default(),
            score: self,
        }))
    }
}

/// Appends what the network reads of `fields`: the values, or of link angles all cosines and then all sines, component by
/// component and in each sample by sample.
pub(crate) fn network_inputs(network: &PublishedUNet, fields: &[f64], inputs: &mut Vec<f32>) {
    if !network.is_of_links() {
        return inputs.extend(fields.iter().map(|&x| x as f32));
    }
    let sites = network.sites();
    for function in [libm::cos, libm::sin] {
        for component in 0..2 {
            let samples =
                fields.chunks_exact(2 * sites).map(|field| &field[component * sites..(component + 1) * sites]);
            inputs.extend(samples.flatten().map(|&angle| function(angle) as f32));
        }
    }
}

#[derive(Default)]
struct Worker {
    tape: PublishedTape<f32>,
    inputs: Vec<f32>,
    outputs: Vec<f32>,
    times: Vec<f64>,
}

impl Worker {
    fn denoise(&mut self, score: &PublishedScore, noise: &[f64], fields: &[f64], denoised: &mut [f64]) {
        self.times.clear();
        self.times.extend(noise.iter().map(|&noise| score.schedule.time_of_noise(noise)));
        self.inputs.clear();
        network_inputs(&score.network, fields, &mut self.inputs);
        self.outputs.resize(fields.len(), 0.0);
        score.network.forward(&score.weights, &self.times, &self.inputs, &mut self.outputs, &mut self.tape);
        let (sites, batch) = (score.network.sites(), noise.len());
        for (index, (denoised, field)) in denoised.chunks_exact_mut(sites).zip(fields.chunks_exact(sites)).enumerate() {
            let (sample, component) =
                (index / (fields.len() / (sites * batch)), index % (fields.len() / (sites * batch)));
            let output = &self.outputs[(component * batch + sample) * sites..][..sites];
            for ((d, &x), &net) in denoised.iter_mut().zip(field).zip(output) {
                *d = x + noise[sample] * f64::from(net);
            }
        }
    }
}

struct PublishedEvaluator {
    score: Arc<PublishedScore>,
    team: Team,
    workers: Vec<Worker>,
}

impl Evaluator for PublishedEvaluator {
    fn denoise(&mut self, noise: &[f64], fields: &[f64], denoised: &mut [f64]) -> Result<()> {
        let values = self.score.network.outputs();
        require_length("fields", fields.len(), noise.len() * values)?;
        require_length("denoised fields", denoised.len(), fields.len())?;
        let parts = noise.chunks(TOGETHER).zip(fields.chunks(TOGETHER * values));
        let mut items: Vec<_> = parts.zip(denoised.chunks_mut(TOGETHER * values)).collect();
        let score = &self.score;
        self.team.for_each(&mut self.workers, &mut items, |worker, _, ((noise, fields), denoised)| {
            worker.denoise(score, noise, fields, denoised);
        });
        Ok(())
    }
}

/// In double precision; the network's own derivative, so exact up to rounding.
struct PublishedDifferential {
    score: Arc<PublishedScore>,
    weights: Vec<f64>,
    tape: PublishedTape<f64>,
    output: Vec<f64>,
}

impl Differential for PublishedDifferential {
    fn tangents(
        &mut self,
        noise: f64,
        field: &[f64],
        directions: &[f64],
        denoised: &mut [f64],
        changes: &mut [f64],
    ) -> Result<()> {
        require_tangents(self.output.len(), field, directions, denoised, changes)?;
        let (network, time) = (&self.score.network, self.score.schedule.time_of_noise(noise));
        network.forward(&self.weights, &[time], field, &mut self.output, &mut self.tape);
        let add = |values: &mut [f64], from: &[f64], net: &[f64]| {
            values.iter_mut().zip(from.iter().zip(net)).for_each(|(d, (x, net))| *d = x + noise * net);
        };
        add(denoised, field, &self.output);
        if !directions.is_empty() {
            network.tangent(&self.weights, directions, changes, &mut self.tape);
            changes.iter_mut().zip(directions).for_each(|(change, v)| *change = v + noise * *change);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "published_tests.rs"]
mod tests;
