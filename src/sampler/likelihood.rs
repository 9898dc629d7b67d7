//! The density of a diffusion model by its probability flow (Song et al., arXiv:2011.13456, eq. 39), approximate:
//! the flow is integrated by steps, and the samplers of this library do not draw from it. It is a diagnostic. The
//! exact density of a discrete map is that of [`super::FlowMap`].
//!
//! Along dphi = \[-1/2 k phi - 1/2 g^2 s\] dt from the field at t = 0 to the prior at T,
//!
//!   log p_0(phi_0) = log p_T(phi_T) + int_0^T div(-1/2 k phi - 1/2 g^2 s) dt.
//!
//! The 1/2 of the score term is required; eqs. 3.14 and B.2 of Wang, Aarts, Zhou, JHEP 05 (2024) 060 miss it.
//! With n = sqrt(Xi)/f, 1 - c Xi = f^2 and s = (f D - phi)/Xi the integrand in ln n is f^2 phi - f D(phi/f, n).

use super::flow::{FlowCoordinates, log_standard_normal};
use super::ode;
use crate::diffusion::{Schedule, T_END};
use crate::error::{Error, Result, require_finite, require_length};
use crate::fourier::LatticeFourier;
use crate::rng::{MAX_LEVEL, Purpose, Stream};
use crate::score::{Differential, Score, Team};
use std::sync::Arc;

/// Directions that are differentiated together.
const BLOCK: usize = 64;

/// The variables in which the flow is integrated; its law does not depend on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coordinates {
    /// The field phi itself, as published.
    Plain,
    /// w_p = y_p / sqrt(C_p + n^2), y = phi / f: for a free field of covariance C nothing moves, and only the
    /// interaction is left to integrate. Needs far fewer evaluations.
    Whitened,
}

/// How the divergence of the flow is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Divergence {
    /// The exact trace, by one derivative for each of the V values of the field at every step.
    Exact,
    /// The estimate of Skilling and Hutchinson, the mean of v^T J v over `probes` vectors v of random signs, fixed
    /// along the flow (Grathwohl et al., arXiv:1810.01367). Unbiased for log q, not for q.
    Hutchinson {
        /// Number of vectors; 10 in the literature.
        probes: usize,
    },
}

/// Options of [`Likelihood`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LikelihoodOptions {
    /// Variables of the integration.
    pub coordinates: Coordinates,
    /// How the divergence is found.
    pub divergence: Divergence,
    /// Bound on the local error of the adaptive integration.
    pub tolerance: f64,
    /// Noise relative to the signal at which the flow starts; 0 follows it to t = 0 exactly. Above 0, `Plain` takes
    /// the field for one of that noise and returns log p_t of it; `Whitened` takes the denoiser below that noise
    /// for the Wiener filter and still returns a density at t = 0. Both are then off by order smallest_noise^2.
    pub smallest_noise: f64,
}

impl Default for LikelihoodOptions {
    fn default() -> Self {
        LikelihoodOptions {
            coordinates: Coordinates::Whitened,
            divergence: Divergence::Exact,
            tolerance: 1e-8,
            smallest_noise: 0.0,
        }
    }
}

/// log q of one configuration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogDensity {
    /// log q(phi), normalised: int dphi q = 1.
    pub value: f64,
    /// Standard error from the random probes; 0 for the exact trace, NaN for a single probe. The error of
    /// the integration is not in it.
    pub error: f64,
    /// Evaluations of the flow; each takes one derivative of the score model for each probe or value.
    pub evaluations: u64,
}

/// Densities of configurations under a score model: approximate, see the module.
pub struct Likelihood {
    team: Team,
    workers: Vec<Worker>,
}

impl Likelihood {
    /// For `score`, on `threads` threads.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an option out of range or a score model without derivatives.
    pub fn new(score: Arc<dyn Score>, options: LikelihoodOptions, threads: usize) -> Result<Self> {
        check(score.schedule(), &options)?;
        let team = Team::new(threads)?;
        let workers = (0..threads).map(|_| Worker::new(&score, options)).collect::<Result<_>>()?;
        Ok(Likelihood { team, workers })
    }

    /// log q of every configuration of `fields`, which lie one after the other; the probes of each come from its
    /// stream. The result of one does not depend on the others nor on the number of threads.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`], [`Error::NotFinite`] for a configuration or a score that is not finite, and
    /// [`Error::InvalidArgument`] when the flow cannot be followed.
    pub fn log_densities(&mut self, streams: &[Stream], fields: &[f64]) -> Result<Vec<LogDensity>> {
        let values = self.workers[0].values;
        require_length("fields", fields.len(), streams.len() * values)?;
        require_finite("configuration", fields)?;
        let mut results: Vec<Option<Result<LogDensity>>> = streams.iter().map(|_| None).collect();
        self.team.for_each(&mut self.workers, &mut results, |worker, index, result| {
            let field = &fields[index * values..(index + 1) * values];
            *result = Some(worker.log_density(&streams[index], field));
        });
        let missing = || Err(Error::Internal("a configuration was not served".into()));
        results.into_iter().map(|result| result.unwrap_or_else(missing)).collect()
    }
}

fn check(schedule: &Schedule, options: &LikelihoodOptions) -> Result<()> {
    if !(options.tolerance > 0.0 && options.tolerance < 1.0) {
        return Err(Error::invalid("tolerance", options.tolerance, "a number between 0 and 1, such as 1e-8"));
    }
    let largest = schedule.noise(T_END);
    if !(0.0..largest).contains(&options.smallest_noise) {
        let expected = format!("0 for the flow to t = 0, or a noise below {largest}");
        return Err(Error::invalid("smallest noise", options.smallest_noise, &expected));
    }
    match options.divergence {
        Divergence::Hutchinson { probes } if probes == 0 || probes > MAX_LEVEL as usize => {
            Err(Error::invalid("probes", probes, "at least one random vector (10 in the literature)"))
        }
        _ => Ok(()),
    }
}

struct Worker {
    values: usize,
    options: LikelihoodOptions,
    contraction: f64,
    coordinates: FlowCoordinates,
    trace: Trace,
    prior: Vec<f64>,
    fourier: LatticeFourier,
    field: Vec<f64>,
    denoised: Vec<f64>,
}

impl Worker {
    fn new(score: &Arc<dyn Score>, options: LikelihoodOptions) -> Result<Self> {
        let (values, schedule) = (score.lattice().values(), *score.schedule());
        let (f, xi) = (schedule.signal(T_END), schedule.variance(T_END));
        Ok(Worker {
            values,
            options,
            contraction: schedule.contraction(),
            coordinates: FlowCoordinates::new(score.lattice(), score.covariance()),
            trace: Trace::new(score, options.divergence)?,
            prior: score.covariance().iter().map(|c| f * f * c + xi).collect(),
            fourier: LatticeFourier::new(score.lattice()),
            field: vec![0.0; values],
            denoised: vec![0.0; values],
        })
    }

    fn log_density(&mut self, stream: &Stream, field: &[f64]) -> Result<LogDensity> {
        let (values, options) = (self.values, self.options);
        self.trace.draw(stream);
        let mut state = vec![0.0; values + self.trace.estimates];
        let largest = self.largest_noise();
        let ends = (self.coordinates.variable(options.smallest_noise), self.coordinates.variable(largest));
        match options.coordinates {
            Coordinates::Plain => state[..values].copy_from_slice(field),
            Coordinates::Whitened => self.coordinates.whiten(0.0, field, &mut state[..values]),
        }
        let mut derivative = |u: f64, state: &[f64], out: &mut [f64]| match options.coordinates {
            Coordinates::Plain => self.plain(u, state, out),
            Coordinates::Whitened => self.whitened(u, state, out),
        };
        let evaluations = ode::integrate(&mut derivative, ends, &mut state, options.tolerance)?;
        let (last, divergences) = state.split_at(values);
        let start = match options.coordinates {
            Coordinates::Plain => self.log_prior(last),
            Coordinates::Whitened => log_standard_normal(last) + self.coordinates.log_jacobian(),
        };
        let (mean, error) = match options.divergence {
            Divergence::Exact => (divergences[0], 0.0),
            Divergence::Hutchinson { .. } => mean_and_error(divergences),
        };
        Ok(LogDensity { value: start + mean, error, evaluations })
    }

    fn largest_noise(&self) -> f64 {
        self.trace.schedule.noise(T_END)
    }

    fn log_prior(&mut self, last: &[f64]) -> f64 {
        let logs: f64 = self.prior.iter().map(|v| libm::log(std::f64::consts::TAU * v)).sum();
        let precision: Vec<f64> = self.prior.iter().map(|v| 1.0 / v).collect();
        -0.5 * (logs + self.fourier.quadratic_form(last, &precision))
    }

    /// dphi/du = (f^2 phi - f D(phi/f)) d ln n/du, and its divergence.
    fn plain(&mut self, u: f64, state: &[f64], out: &mut [f64]) -> Result<()> {
        let noise = self.coordinates.noise(u);
        if noise <= 0.0 {
            out.fill(0.0);
            return Ok(());
        }
        let (velocity, divergences) = out.split_at_mut(self.values);
        // f^2 = 1 / (1 + c n^2) for every schedule of the family k = c g^2.
        let signal = 1.0 / (1.0 + self.contraction * noise * noise).sqrt();
        self.field.iter_mut().zip(state).for_each(|(y, phi)| *y = phi / signal);
        self.trace.estimate(noise, &self.field, &mut self.denoised, divergences, None)?;
        let rate = self.coordinates.rate(noise);
        for ((v, phi), d) in velocity.iter_mut().zip(state).zip(&self.denoised) {
            *v = rate * signal * (signal * phi - d);
        }
        let whole = signal * signal * self.values as f64;
        divergences.iter_mut().for_each(|trace| *trace = rate * (whole - *trace));
        Ok(())
    }

    /// dw/du and its divergence, -(tr dD/dy - tr W) d ln n/du.
    fn whitened(&mut self, u: f64, state: &[f64], out: &mut [f64]) -> Result<()> {
        let noise = self.coordinates.noise(u);
        if noise <= 0.0 {
            out.fill(0.0);
            return Ok(());
        }
        let (velocity, divergences) = out.split_at_mut(self.values);
        self.coordinates.colour(noise, &state[..self.values], &mut self.field);
        let filter = Some(&mut self.coordinates);
        self.trace.estimate(noise, &self.field, &mut self.denoised, divergences, filter)?;
        let rate = self.coordinates.rate(noise);
        divergences.iter_mut().for_each(|trace| *trace *= -rate);
        self.coordinates.velocity(noise, &self.field, &mut self.denoised, velocity);
        Ok(())
    }
}

/// Traces of dD/dy.
struct Trace {
    schedule: Schedule,
    differential: Box<dyn Differential>,
    divergence: Divergence,
    /// 1 for the exact trace, else the number of probes.
    estimates: usize,
    values: usize,
    probes: Vec<f64>,
    directions: Vec<f64>,
    changes: Vec<f64>,
}

impl Trace {
    fn new(score: &Arc<dyn Score>, divergence: Divergence) -> Result<Self> {
        let values = score.lattice().values();
        let (estimates, probes) = match divergence {
            Divergence::Exact => (1, 0),
            Divergence::Hutchinson { probes } => (probes, probes),
        };
        let block = if probes == 0 { values.min(BLOCK) } else { 0 };
        Ok(Trace {
            schedule: *score.schedule(),
            differential: score.clone().differential()?,
            divergence,
            estimates,
            values,
            probes: vec![0.0; probes * values],
            directions: vec![0.0; block * values],
            changes: vec![0.0; block.max(probes) * values],
        })
    }

    fn draw(&mut self, stream: &Stream) {
        for (probe, values) in self.probes.chunks_exact_mut(self.values).enumerate() {
            for (index, value) in values.iter_mut().enumerate() {
                let positive = stream.uniform(Purpose::Diagnostic, probe as u32, index as u32) < 0.5;
                *value = if positive { 1.0 } else { -1.0 };
            }
        }
    }

    /// D(y) into `denoised` and estimates of tr dD/dy, less tr W with `filter`, into `traces`.
    fn estimate(
        &mut self,
        noise: f64,
        field: &[f64],
        denoised: &mut [f64],
        traces: &mut [f64],
        filter: Option<&mut FlowCoordinates>,
    ) -> Result<()> {
        if self.divergence == Divergence::Exact {
            traces[0] = self.exact(noise, field, denoised)? - filter.map_or(0.0, |filter| filter.filter_trace(noise));
            return Ok(());
        }
        self.differential.tangents(noise, field, &self.probes, denoised, &mut self.changes)?;
        let pairs = self.probes.chunks_exact(self.values).zip(self.changes.chunks_exact_mut(self.values));
        let mut filter = filter;
        for ((probe, change), trace) in pairs.zip(traces) {
            // v^T W v leaves the estimate only the spread of the interaction.
            if let Some(filter) = &mut filter {
                filter.subtract_filtered(noise, probe, change);
            }
            *trace = probe.iter().zip(change.iter()).map(|(v, c)| v * c).sum();
        }
        Ok(())
    }

    fn exact(&mut self, noise: f64, field: &[f64], denoised: &mut [f64]) -> Result<f64> {
        let (values, mut trace) = (self.values, 0.0);
        let block = self.directions.len() / values;
        for first in (0..values).step_by(block) {
            let count = block.min(values - first);
            let (directions, changes) = (&mut self.directions[..count * values], &mut self.changes[..count * values]);
            directions.fill(0.0);
            (0..count).for_each(|i| directions[i * values + first + i] = 1.0);
            self.differential.tangents(noise, field, directions, denoised, changes)?;
            trace += (0..count).map(|i| changes[i * values + first + i]).sum::<f64>();
        }
        Ok(trace)
    }
}

/// Mean with its standard error; no spread is known from one value of a random estimate.
fn mean_and_error(estimates: &[f64]) -> (f64, f64) {
    let n = estimates.len() as f64;
    let mean = estimates.iter().sum::<f64>() / n;
    let squares: f64 = estimates.iter().map(|x| (x - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0) / n).sqrt())
}

#[cfg(test)]
#[path = "likelihood_tests.rs"]
mod tests;
