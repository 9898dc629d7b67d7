//! The score network of the literature (`nn::published`) as a score model of this library, so that exact kernels and
//! likelihoods treat it as they treat ours.
//!
//! score(x, t) = net(x, t) / sqrt(Xi(t)) in the variance-expanding scheme, hence D = x + Xi score = x + sqrt(Xi) net.
//! The network knows t; a noise sqrt(Xi) is turned into the t that has it.

use super::gaussian::wiener_error;
use super::{Differential, Evaluator, Score, Team, require_tangents};
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
    /// (`train::Dataset::covariance`); reverse kernels take the error of the Wiener filter.
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
        require_length("values of the lattice", lattice.values(), network.sites())?;
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

    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn evaluator(self: Arc<Self>, threads: usize) -> Result<Box<dyn Evaluator>> {
        let workers = (0..threads).map(|_| Worker::default()).collect();
        Ok(Box::new(PublishedEvaluator { team: Team::new(threads)?, workers, score: self }))
    }

    fn differential(self: Arc<Self>) -> Result<Box<dyn Differential>> {
        Ok(Box::new(PublishedDifferential {
            weights: self.weights.iter().map(|&w| f64::from(w)).collect(),
            output: vec![0.0; self.network.sites()],
            tape: PublishedTape::default(),
            score: self,
        }))
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
        self.inputs.extend(fields.iter().map(|&x| x as f32));
        self.outputs.resize(fields.len(), 0.0);
        score.network.forward(&score.weights, &self.times, &self.inputs, &mut self.outputs, &mut self.tape);
        let sites = score.network.sites();
        let samples = denoised.chunks_exact_mut(sites).zip(fields.chunks_exact(sites));
        for ((denoised, field), (output, noise)) in samples.zip(self.outputs.chunks_exact(sites).zip(noise)) {
            for ((d, &x), &net) in denoised.iter_mut().zip(field).zip(output) {
                *d = x + noise * f64::from(net);
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
        let values = self.score.network.sites();
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
mod tests {
    use super::*;
    use crate::diffusion::{T_END, geometric_levels};
    use crate::fourier::LatticeFourier;
    use crate::kernel::PathProcess;
    use crate::rng::{Purpose, Stream};
    use crate::sampler::{Coordinates, Divergence, Likelihood, LikelihoodOptions};
    use crate::score::EulerMaruyamaNoise;

    const VALUES: usize = 64;

    fn normals(level: u32, length: usize) -> Vec<f64> {
        let mut values = vec![0.0; length];
        Stream::new(6, 0, 0).unwrap().normals(Purpose::Diagnostic, level, &mut values);
        values
    }

    /// A network on 8x8 whose last layer is multiplied by `output`.
    fn score(output: f32) -> PublishedScore {
        let lattice = Lattice::new(&[8, 8]).unwrap();
        let network = PublishedUNet::new(&lattice, 1).unwrap();
        let mut weights: Vec<f32> = network.layout().initial(&Stream::new(2, 0, 0).unwrap());
        let last = network.layout().entries().iter().filter(|entry| entry.name.starts_with("output"));
        last.for_each(|entry| weights[entry.range()].iter_mut().for_each(|w| *w *= output));
        let classes = momentum_classes(&lattice).1;
        let covariance: Vec<f64> = (0..classes).map(|class| 3.0 / (1.0 + class as f64)).collect();
        PublishedScore::new(lattice, Schedule::variance_expanding(25.0).unwrap(), network, weights, &covariance)
            .unwrap()
    }

    #[test]
    fn derivatives_match_central_differences_and_values_the_evaluator() {
        let score = Arc::new(score(1.0));
        let (field, directions) = (normals(0, VALUES), normals(1, 2 * VALUES));
        let (mut denoised, mut changes) = (vec![0.0; VALUES], vec![0.0; 2 * VALUES]);
        let mut differential = score.clone().differential().unwrap();
        differential.tangents(0.8, &field, &directions, &mut denoised, &mut changes).unwrap();
        let mut single = vec![0.0; VALUES];
        score.clone().evaluator(1).unwrap().denoise(&[0.8], &field, &mut single).unwrap();
        assert!(denoised.iter().zip(&single).all(|(a, b)| (a - b).abs() < 1e-5));
        let mut at = |step: f64, direction: &[f64]| {
            let moved: Vec<f64> = field.iter().zip(direction).map(|(x, d)| x + step * d).collect();
            let mut out = vec![0.0; VALUES];
            differential.tangents(0.8, &moved, &[], &mut out, &mut []).unwrap();
            out
        };
        for (direction, change) in directions.chunks(VALUES).zip(changes.chunks(VALUES)) {
            for (value, (a, b)) in change.iter().zip(at(1e-5, direction).iter().zip(&at(-1e-5, direction))) {
                assert!((value - (a - b) / 2e-5).abs() < 1e-8, "{value} {}", (a - b) / 2e-5);
            }
        }
    }

    #[test]
    fn threads_and_batch_change_no_bit() {
        let score = Arc::new(score(1.0));
        let (fields, noise) = (normals(0, 21 * VALUES), vec![0.4; 21]);
        let mut results = [vec![0.0; 21 * VALUES], vec![0.0; 21 * VALUES], vec![0.0; 21 * VALUES]];
        for (threads, result) in [1, 3].iter().zip(&mut results) {
            score.clone().evaluator(*threads).unwrap().denoise(&noise, &fields, result).unwrap();
        }
        let mut evaluator = score.evaluator(1).unwrap();
        for (field, result) in fields.chunks(VALUES).zip(results[2].chunks_mut(VALUES)) {
            evaluator.denoise(&noise[..1], field, result).unwrap();
        }
        assert!(results[0] == results[1] && results[0] == results[2]);
    }

    /// A network that answers 0 has score 0: nothing flows, and the density is that of the prior N(0, C + Xi(T)).
    #[test]
    fn without_a_score_the_density_is_that_of_the_prior() {
        let score = Arc::new(score(0.0));
        let field = normals(3, VALUES);
        let variance: Vec<f64> = score.covariance().iter().map(|c| c + score.schedule().variance(T_END)).collect();
        let precision: Vec<f64> = variance.iter().map(|v| 1.0 / v).collect();
        let logs: f64 = variance.iter().map(|v| (std::f64::consts::TAU * v).ln()).sum();
        let exact = -0.5 * (logs + LatticeFourier::new(score.lattice()).quadratic_form(&field, &precision));
        // In plain coordinates the divergence is zero, which one random probe finds exactly.
        let probe = Divergence::Hutchinson { probes: 1 };
        for (coordinates, divergence) in [(Coordinates::Plain, probe), (Coordinates::Whitened, Divergence::Exact)] {
            let options = LikelihoodOptions { coordinates, divergence, tolerance: 1e-6, smallest_noise: 0.0 };
            let mut likelihood = Likelihood::new(score.clone(), options, 1).unwrap();
            let found = likelihood.log_densities(&[Stream::new(1, 0, 0).unwrap()], &field).unwrap()[0];
            assert!((found.value / exact - 1.0).abs() < 1e-6, "{coordinates:?}: {} {exact}", found.value);
        }
    }

    /// With a score, one flow in two coordinates by very different functions. The network is made independent of t (its
    /// fast features of t would cost a thousand evaluations) and its answer small.
    #[test]
    fn both_coordinates_give_one_density() {
        let mut score = score(0.05);
        let layout = score.network.layout().entries().iter();
        layout.filter(|e| e.name == "embedding.weight").for_each(|e| score.weights[e.range()].fill(0.0));
        let score = Arc::new(score);
        let field = normals(3, VALUES);
        let found = [Coordinates::Plain, Coordinates::Whitened].map(|coordinates| {
            let options = LikelihoodOptions { coordinates, tolerance: 1e-4, ..LikelihoodOptions::default() };
            let mut likelihood = Likelihood::new(score.clone(), options, 1).unwrap();
            likelihood.log_densities(&[Stream::new(1, 0, 0).unwrap()], &field).unwrap()[0]
        });
        println!("{found:?}");
        assert!((found[0].value - found[1].value).abs() < 0.01, "{found:?}");
    }

    /// Of a path with Euler-Maruyama noise and without a score log F = log B step by step: what is left is the prior.
    #[test]
    fn paths_have_the_density_of_their_kernels() {
        let score = EulerMaruyamaNoise::new(Arc::new(score(0.0)));
        let times = geometric_levels(score.schedule(), 0.1, T_END, 7).unwrap();
        let score: Arc<dyn Score> = Arc::new(score);
        let mut process = PathProcess::new(score.clone(), &times, true, 4, 1).unwrap();
        let streams: Vec<Stream> = (0..4).map(|i| Stream::new(5, 0, i).unwrap()).collect();
        let (mut fields, mut ratios) = (vec![0.0; 4 * VALUES], vec![0.0; 4]);
        process.generate(&streams, &mut fields, &mut ratios).unwrap();
        for (stream, ratio) in streams.iter().zip(ratios) {
            let mut white = vec![0.0; VALUES];
            stream.normals(Purpose::Prior, 0, &mut white);
            let xi = score.schedule().variance(T_END);
            let logs: f64 = score.covariance().iter().map(|c| (std::f64::consts::TAU * (c + xi)).ln()).sum();
            let expected = 0.5 * (logs + white.iter().map(|z| z * z).sum::<f64>());
            assert!((ratio - expected).abs() < 1e-8, "{ratio} {expected}");
        }
    }

    #[test]
    fn measured_errors_are_interpolated_and_bad_tables_refused() {
        let classes = momentum_classes(score(1.0).lattice()).1;
        let row = |log_noise: f64, factor: f64| {
            let variance = (0..classes).map(|class| {
                let (c, xi) = (3.0 / (1.0 + class as f64), (2.0 * log_noise).exp());
                factor * c * xi / (c + xi)
            });
            PosteriorRow { log_noise, variance: variance.collect(), ..PosteriorRow::default() }
        };
        let table = PosteriorTable { rows: vec![row(-1.0, 1.0), row(1.0, 2.0)] };
        let wiener = score(1.0).posterior(1.0).variance;
        let measured = score(1.0).with_posterior(table).unwrap().posterior(1.0).variance;
        assert!(measured.iter().zip(&wiener).all(|(m, w)| (m / w - 1.5).abs() < 1e-12));
        let short = PosteriorRow { variance: vec![1.0], ..PosteriorRow::default() };
        let table = PosteriorTable { rows: vec![short] };
        assert!(score(1.0).with_posterior(table).is_err());
    }
}
