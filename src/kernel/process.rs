//! Paths of the forward and reverse process, and the ratio of their densities.
//!
//! A path x_0, ..., x_N visits the times 0 = t_0 < ... < t_N. For any network
//!
//!   log r = sum_n log F(x_n | x_(n-1)) - sum_n log B(x_(n-1) | x_n)  \[ - log prior(x_N) \]
//!
//! is known in closed form: F and B are Gaussian (`diffusion::Transition`, `reverse.rs`). Path-space Metropolis uses
//! log w = -S(x_0) + log r with the prior; renoise uses the difference of log r of two paths that share
//! their last point. No divergence and no Jacobian appears.

use super::reverse::{ReverseKernel, Shape};
use crate::diffusion::Transition;
use crate::error::{Error, Result};
use crate::fourier::LatticeFourier;
use crate::rng::{MAX_LEVEL, Purpose, Stream};
use crate::score::{Evaluator, Score};
use std::sync::Arc;

/// Where paths start.
struct Prior {
    deviation: Vec<f64>,
    precision: Vec<f64>,
    /// -log of the density at the maximum.
    log_normalisation: f64,
}

/// The paths of one score model over fixed times, and the memory to walk them in batches.
pub struct PathProcess {
    sites: usize,
    steps: Vec<ReverseKernel>,
    prior: Option<Prior>,
    evaluator: Box<dyn Evaluator>,
    fourier: LatticeFourier,
    shape: Shape,
    noise: Vec<f64>,
    levels: Vec<f64>,
    scaled: Vec<f64>,
    denoised: Vec<f64>,
    path: Vec<f64>,
}

impl PathProcess {
    /// Paths over `times` (ascending, without 0). With `prior`, they start from the Gaussian prior
    /// at the last time; without, from a given field there. `batch` paths are walked together.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for times that do not ascend within (0, 1], and what
    /// [`Score::evaluator`] returns.
    pub fn new(score: Arc<dyn Score>, times: &[f64], prior: bool, batch: usize, threads: usize) -> Result<Self> {
        let ascending = times.windows(2).all(|pair| pair[0] < pair[1]);
        let inside = times.first().is_some_and(|&t| t > 0.0) && times.last().is_some_and(|&t| t <= 1.0);
        if !(ascending && inside) || times.len() > MAX_LEVEL as usize {
            return Err(Error::invalid("times", format!("{times:?}"), "ascending times in (0, 1]"));
        }
        if batch == 0 {
            return Err(Error::invalid("batch", batch, "at least one path"));
        }
        let sites = score.lattice().values();
        let (schedule, last) = (*score.schedule(), times[times.len() - 1]);
        let mut fourier = LatticeFourier::new(score.lattice());
        let lower = std::iter::once(0.0).chain(times.iter().copied());
        let steps: Vec<ReverseKernel> = lower
            .zip(times)
            .map(|(lower, &upper)| {
                let transition = Transition::new(&schedule, lower, upper);
                let posterior = score.posterior(transition.noise);
                ReverseKernel::new(transition, schedule.signal(upper), posterior, &mut fourier)
            })
            .collect();
        let prior = prior.then(|| {
            let (f, xi) = (schedule.signal(last), schedule.variance(last));
            Prior::new(score.covariance().iter().map(|c| f * f * c + xi))
        });
        let room = batch.max(times.len());
        Ok(PathProcess {
            sites,
            prior,
            fourier,
            shape: Shape::new(sites),
            evaluator: score.evaluator(threads)?,
            noise: vec![0.0; sites],
            levels: vec![0.0; room],
            scaled: vec![0.0; room * sites],
            denoised: vec![0.0; room * sites],
            path: vec![0.0; (times.len() + 1) * sites],
            steps,
        })
    }

    /// Score evaluations of one path.
    pub fn evaluations(&self) -> usize {
        self.steps.len()
    }

    /// Largest number of paths that [`PathProcess::generate`] takes at once.
    pub fn batch(&self) -> usize {
        self.levels.len()
    }

    /// Walks one path a stream from the last time to 0. `fields` holds x_N of each path unless the
    /// process has a prior, and receives x_0; `log_ratio` receives log r.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`], or what the evaluator returns. A network that produces NaN gives a
    /// log ratio of NaN, which no kernel accepts.
    pub fn generate(&mut self, streams: &[Stream], fields: &mut [f64], log_ratio: &mut [f64]) -> Result<()> {
        let (sites, batch) = (self.sites, streams.len());
        if batch > self.batch() || fields.len() != batch * sites || log_ratio.len() != batch {
            return Err(Error::shape(
                "batch of paths",
                (batch, fields.len(), log_ratio.len()),
                (batch, batch * sites, batch),
            ));
        }
        log_ratio.fill(0.0);
        if let Some(prior) = &self.prior {
            for ((stream, field), log_ratio) in
                streams.iter().zip(fields.chunks_exact_mut(sites)).zip(log_ratio.iter_mut())
            {
                stream.normals(Purpose::Prior, 0, &mut self.noise);
                *log_ratio += prior.log_normalisation + 0.5 * square(&self.noise);
                self.fourier.filter(&self.noise, &prior.deviation, field);
            }
        }
        for (index, step) in self.steps.iter().enumerate().rev() {
            self.levels[..batch].fill(step.transition.noise);
            let scaled = &mut self.scaled[..batch * sites];
            scaled.iter_mut().zip(fields.iter()).for_each(|(scaled, x)| *scaled = x / step.signal);
            self.evaluator.denoise(&self.levels[..batch], scaled, &mut self.denoised[..batch * sites])?;
            let paths = fields.chunks_exact_mut(sites).zip(self.denoised.chunks_exact(sites));
            for ((stream, (field, denoised)), log_ratio) in streams.iter().zip(paths).zip(log_ratio.iter_mut()) {
                let log_normalisation = step.shape(&mut self.fourier, denoised, &mut self.shape);
                stream.normals(Purpose::Reverse, index as u32, &mut self.noise);
                let noise = &mut self.path[..sites];
                self.shape.colour(&mut self.fourier, &self.noise, noise);
                let forward = walk(step, field, denoised, noise);
                *log_ratio += log_normalisation + 0.5 * square(&self.noise) - forward;
            }
        }
        Ok(())
    }

    /// Draws a forward path from `field` (x_0), all its noise from `stream`, and returns log r of it;
    /// `last` receives x_N. The denoiser is evaluated at all levels in one batch.
    ///
    /// # Errors
    /// As [`PathProcess::generate`].
    pub fn renoise(&mut self, stream: &Stream, field: &[f64], last: &mut [f64]) -> Result<f64> {
        let (sites, count) = (self.sites, self.steps.len());
        if field.len() != sites || last.len() != sites {
            return Err(Error::shape("field", (field.len(), last.len()), (sites, sites)));
        }
        let mut log_ratio = 0.0;
        self.path[..sites].copy_from_slice(field);
        for (index, step) in self.steps.iter().enumerate() {
            stream.normals(Purpose::Forward, index as u32, &mut self.noise);
            log_ratio -= 0.5 * square(&self.noise);
            let deviation = step.transition.forward_variance.sqrt();
            let (below, above) = self.path.split_at_mut((index + 1) * sites);
            let (x_b, x_a) = (&below[index * sites..], &mut above[..sites]);
            for ((a, &b), &z) in x_a.iter_mut().zip(x_b).zip(&self.noise) {
                *a = step.transition.forward_factor * b + deviation * z;
            }
            self.levels[index] = step.transition.noise;
            let scaled = &mut self.scaled[index * sites..(index + 1) * sites];
            scaled.iter_mut().zip(x_a.iter()).for_each(|(scaled, x)| *scaled = x / step.signal);
        }
        let all = ..count * sites;
        self.evaluator.denoise(&self.levels[..count], &self.scaled[all], &mut self.denoised[all])?;
        for (index, step) in self.steps.iter().enumerate() {
            let (x_b, x_a) = self.path[index * sites..(index + 2) * sites].split_at(sites);
            let denoised = &self.denoised[index * sites..(index + 1) * sites];
            for (((z, b), &a), &d) in self.noise.iter_mut().zip(x_b).zip(x_a).zip(denoised) {
                *z = b - step.mean(a, d);
            }
            log_ratio += step.shape(&mut self.fourier, denoised, &mut self.shape);
            log_ratio += 0.5 * self.shape.whitened_square(&mut self.fourier, &mut self.noise);
        }
        last.copy_from_slice(&self.path[count * sites..]);
        if let Some(prior) = &self.prior {
            log_ratio += prior.log_normalisation + 0.5 * self.fourier.quadratic_form(last, &prior.precision);
        }
        Ok(log_ratio)
    }
}

/// Moves x_a in `field` to x_b = mean + noise and returns -log F(x_a | x_b) without normalisation.
fn walk(step: &ReverseKernel, field: &mut [f64], denoised: &[f64], noise: &[f64]) -> f64 {
    let mut sum = 0.0;
    for ((x, &d), &z) in field.iter_mut().zip(denoised).zip(noise) {
        let lower = step.mean(*x, d) + z;
        let difference = *x - step.transition.forward_factor * lower;
        sum += difference * difference;
        *x = lower;
    }
    0.5 * sum / step.transition.forward_variance
}

impl Prior {
    fn new(variances: impl Iterator<Item = f64>) -> Self {
        let variance: Vec<f64> = variances.collect();
        let logs: f64 = variance.iter().map(|&v| libm::log(std::f64::consts::TAU * v)).sum();
        Prior {
            deviation: variance.iter().map(|v| v.sqrt()).collect(),
            precision: variance.iter().map(|v| 1.0 / v).collect(),
            log_normalisation: 0.5 * logs,
        }
    }
}

fn square(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum()
}
