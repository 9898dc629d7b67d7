//! Paths of the forward and reverse process, and the ratio of their densities.
//!
//! A path x_0, ..., x_N visits the times 0 = t_0 < ... < t_N. For any network
//!
//!   log r = sum_n log F(x_n | x_(n-1)) - sum_n log B(x_(n-1) | x_n)  \[ - log prior(x_N) \]
//!
//! is known in closed form: F and B are Gaussian (`diffusion::Transition`, `reverse.rs`). Path-space Metropolis uses
//! log w = -S(x_0) + log r with the prior; renoise uses the difference of log r of two paths that share
//! their last point. No divergence and no Jacobian appears.

use super::prior::Prior;
use super::reverse::{ReverseKernel, Shape};
use crate::diffusion::{Neighbours, Transition};
use crate::error::{Error, Result};
use crate::fourier::LatticeFourier;
use crate::rng::{MAX_LEVEL, Purpose, Stream};
use crate::score::{Evaluator, ReverseStep, Score, Team, Walker};
use std::sync::Arc;

/// The paths of one score model over fixed times, and the memory to walk them in batches.
pub struct PathProcess {
    values: usize,
    times: Vec<f64>,
    steps: Vec<ReverseKernel>,
    prior: Option<Prior>,
    evaluator: Box<dyn Evaluator>,
    /// Takes the steps in the place of the evaluator, in both directions.
    walker: Option<Box<dyn Walker>>,
    fourier: LatticeFourier,
    team: Team,
    workers: Vec<StepWorker>,
    /// log F - log B of every step of a path.
    ratios: Vec<f64>,
    noise: Vec<f64>,
    levels: Vec<f64>,
    scaled: Vec<f64>,
    denoised: Vec<f64>,
    path: Vec<f64>,
}

/// One step of a batch of paths ([`PathProcess::increments`]), from x_a to x_b.
pub struct Increments<'a> {
    /// Position of x_a among the times: the steps come from the last to 0.
    pub index: usize,
    /// Noise of x_a relative to the signal: where the network was evaluated.
    pub noise: f64,
    /// For every path the change of log r beyond that of a Gaussian theory of the same covariance,
    ///
    ///   log F(x_a|x_b) - log B(x_b|x_a) - \[ log g_a(x_a) - log g_b(x_b) \],  g_t = N(0, f^2 C + Xi),
    ///
    /// without the normalisation of g, and with the prior for g at the last time: a constant for a free field. What
    /// varies is interaction, and the error of the step. The sum over the steps is log r + log g_0(x_0) up to a
    /// constant, for paths from the prior.
    pub excess: &'a [f64],
    /// -2 log g_a(x_a) of every path, without normalisation.
    pub quadratic: &'a [f64],
    /// D(x_a) of every path, one field after the other.
    pub denoised: &'a [f64],
}

/// What one thread needs for the steps.
struct StepWorker {
    shape: Shape,
    fourier: LatticeFourier,
    noise: Vec<f64>,
    coloured: Vec<f64>,
}

impl StepWorker {
    fn new(score: &dyn Score) -> Result<Self> {
        let values = score.lattice().values();
        Ok(StepWorker {
            shape: if score.of_links() { Shape::of_links(score.lattice())? } else { Shape::new(values) },
            fourier: score.fourier(),
            noise: vec![0.0; values],
            coloured: vec![0.0; values],
        })
    }
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
        let values = score.lattice().values();
        let (schedule, last) = (*score.schedule(), times[times.len() - 1]);
        let fourier = score.fourier();
        let neighbours = Neighbours::new(score.lattice()).map(Arc::new);
        let lower = std::iter::once(0.0).chain(times.iter().copied());
        let steps: Vec<ReverseKernel> = lower
            .zip(times)
            .map(|(lower, &upper)| {
                let transition = Transition::new(&schedule, lower, upper);
                let posterior = score.posterior(transition.noise);
                ReverseKernel::new(transition, schedule.signal(upper), posterior, neighbours.as_ref())
            })
            .collect();
        let prior = prior.then(|| Prior::new(&*score, last));
        let room = batch.max(times.len());
        Ok(PathProcess {
            values,
            times: times.to_vec(),
            prior,
            fourier,
            team: Team::new(threads)?,
            workers: (0..threads).map(|_| StepWorker::new(&*score)).collect::<Result<_>>()?,
            ratios: vec![0.0; times.len()],
            walker: walker(&score, &steps, batch, threads)?,
            evaluator: score.evaluator(threads)?,
            noise: vec![0.0; values],
            levels: vec![0.0; room],
            scaled: vec![0.0; room * values],
            denoised: vec![0.0; room * values],
            path: vec![0.0; (times.len() + 1) * values],
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
        if self.walker.is_none() {
            return self.watch(streams, fields, log_ratio, &mut |_, _| Ok(()));
        }
        self.require_batch(streams.len(), fields, log_ratio)?;
        self.start(streams, fields, log_ratio);
        let Some(walker) = &mut self.walker else { return Ok(()) };
        walker.walk(0..self.steps.len(), streams, fields, log_ratio)
    }

    /// As [`PathProcess::generate`], and shows all fields x_n to `visit`, from n = N (the start, at the last time) down
    /// to n = 0 (the samples); x_n belongs to the n-th time, counted from 1. The steps are taken here, also of a model that
    /// takes them itself ([`Score::walker`]): those agree up to the rounding of its network.
    ///
    /// # Errors
    /// As [`PathProcess::generate`], and what `visit` returns.
    pub fn watch(
        &mut self,
        streams: &[Stream],
        fields: &mut [f64],
        log_ratio: &mut [f64],
        visit: &mut dyn FnMut(usize, &[f64]) -> Result<()>,
    ) -> Result<()> {
        self.require_batch(streams.len(), fields, log_ratio)?;
        self.start(streams, fields, log_ratio);
        visit(self.steps.len(), fields)?;
        for index in (0..self.steps.len()).rev() {
            self.descend(index, streams, fields, log_ratio)?;
            visit(index, fields)?;
        }
        Ok(())
    }

    /// Draws x_N of each path from the prior, if there is one; `log_ratio` receives -log of its density.
    fn start(&mut self, streams: &[Stream], fields: &mut [f64], log_ratio: &mut [f64]) {
        log_ratio.fill(0.0);
        let Some(prior) = &self.prior else { return };
        for ((stream, field), log_ratio) in streams.iter().zip(fields.chunks_exact_mut(self.values)).zip(log_ratio) {
            *log_ratio += prior.draw(stream, &mut self.fourier, &mut self.noise, field);
        }
    }

    /// One reverse step of all paths; adds log F - log B of each to `log_ratio`.
    fn descend(&mut self, index: usize, streams: &[Stream], fields: &mut [f64], log_ratio: &mut [f64]) -> Result<()> {
        let (values, batch, step) = (self.values, streams.len(), &self.steps[index]);
        self.levels[..batch].fill(step.transition.noise);
        let scaled = &mut self.scaled[..batch * values];
        scaled.iter_mut().zip(fields.iter()).for_each(|(scaled, x)| *scaled = x / step.signal);
        self.evaluator.denoise(&self.levels[..batch], scaled, &mut self.denoised[..batch * values])?;
        let paths = fields.chunks_exact_mut(values).zip(self.denoised.chunks_exact(values));
        let paths = paths.zip(self.scaled.chunks_exact(values)).zip(streams.iter().zip(log_ratio));
        self.team.for_each_of(
            &mut self.workers,
            paths,
            |worker, (((field, denoised), scaled), (stream, log_ratio))| {
                let log_normalisation = step.shape(scaled, denoised, &mut worker.shape);
                let StepWorker { shape, fourier, noise, coloured } = worker;
                let cost = step.draw((*stream, index as u32), fourier, shape, noise, coloured);
                let forward = walk(step, field, denoised, coloured);
                **log_ratio += log_normalisation + cost - forward;
            },
        );
        Ok(())
    }

    /// Walks as [`PathProcess::generate`] and hands out every step, from the last to the first. `score` is the
    /// model that the process was made with; `fields` and `log_ratio` as there, the latter equal up to rounding.
    ///
    /// # Errors
    /// As [`PathProcess::generate`].
    pub fn increments(
        &mut self,
        score: &dyn Score,
        streams: &[Stream],
        fields: &mut [f64],
        log_ratio: &mut [f64],
        mut visit: impl FnMut(&Increments<'_>),
    ) -> Result<()> {
        let (schedule, batch, values) = (score.schedule(), streams.len(), self.values);
        self.require_batch(batch, fields, log_ratio)?;
        self.start(streams, fields, log_ratio);
        let precision = |t: f64| -> Vec<f64> {
            let (f, xi) = (schedule.signal(t), schedule.variance(t));
            score.covariance().iter().map(|c| 1.0 / (f * f * c + xi)).collect()
        };
        let (mut excess, mut above, mut below) = (vec![0.0; batch], vec![0.0; batch], vec![0.0; batch]);
        match self.prior {
            // -log of the prior, whatever its law.
            Some(_) => above.iter_mut().zip(log_ratio.iter()).for_each(|(above, start)| *above = 2.0 * start),
            None => self.quadratic_forms(fields, &precision(self.times[self.times.len() - 1]), &mut above),
        }
        for index in (0..self.steps.len()).rev() {
            let lower = if index > 0 { self.times[index - 1] } else { 0.0 };
            excess.iter_mut().zip(&above).for_each(|(excess, q)| *excess = 0.5 * q);
            self.descend(index, streams, fields, &mut excess)?;
            log_ratio.iter_mut().zip(excess.iter().zip(&above)).for_each(|(sum, (l, q))| *sum += l - 0.5 * q);
            self.quadratic_forms(fields, &precision(lower), &mut below);
            excess.iter_mut().zip(&below).for_each(|(excess, q)| *excess -= 0.5 * q);
            let noise = self.steps[index].transition.noise;
            let denoised = &self.denoised[..batch * values];
            visit(&Increments { index, noise, excess: &excess, quadratic: &above, denoised });
            std::mem::swap(&mut above, &mut below);
        }
        Ok(())
    }

    fn quadratic_forms(&mut self, fields: &[f64], weight: &[f64], forms: &mut [f64]) {
        for (field, form) in fields.chunks_exact(self.values).zip(forms) {
            *form = self.fourier.quadratic_form(field, weight);
        }
    }

    fn require_batch(&self, batch: usize, fields: &[f64], log_ratio: &[f64]) -> Result<()> {
        let values = self.values;
        if batch > self.batch() || fields.len() != batch * values || log_ratio.len() != batch {
            return Err(Error::shape(
                "batch of paths",
                (batch, fields.len(), log_ratio.len()),
                (batch, batch * values, batch),
            ));
        }
        Ok(())
    }

    /// Draws a forward path from `field` (x_0), all its noise from `stream`, and returns log r of it;
    /// `last` receives x_N. The denoiser is evaluated at all levels in one batch.
    ///
    /// # Errors
    /// As [`PathProcess::generate`].
    pub fn renoise(&mut self, stream: &Stream, field: &[f64], last: &mut [f64]) -> Result<f64> {
        let (values, count) = (self.values, self.steps.len());
        if field.len() != values || last.len() != values {
            return Err(Error::shape("field", (field.len(), last.len()), (values, values)));
        }
        let mut log_ratio = 0.0;
        self.path[..values].copy_from_slice(field);
        for (index, step) in self.steps.iter().enumerate() {
            stream.normals(Purpose::Forward, index as u32, &mut self.noise);
            log_ratio -= 0.5 * square(&self.noise);
            let deviation = step.transition.forward_variance.sqrt();
            let (below, above) = self.path.split_at_mut((index + 1) * values);
            let (x_b, x_a) = (&below[index * values..], &mut above[..values]);
            for ((a, &b), &z) in x_a.iter_mut().zip(x_b).zip(&self.noise) {
                *a = step.transition.forward_factor * b + deviation * z;
            }
            self.levels[index] = step.transition.noise;
            let scaled = &mut self.scaled[index * values..(index + 1) * values];
            scaled.iter_mut().zip(x_a.iter()).for_each(|(scaled, x)| *scaled = x / step.signal);
        }
        let all = ..count * values;
        match &mut self.walker {
            // The function of the way down, to the last bit: exactness rests on it.
            Some(walker) => {
                let levels: Vec<usize> = (0..count).collect();
                walker.denoise(&levels, &self.path[values..], &mut self.denoised[all])?
            }
            None => self.evaluator.denoise(&self.levels[..count], &self.scaled[all], &mut self.denoised[all])?,
        }
        let pairs = self.path.chunks_exact(values).zip(self.path[values..].chunks_exact(values));
        let clean = self.denoised.chunks_exact(values).zip(self.scaled.chunks_exact(values));
        let steps = self.steps.iter().zip(pairs).zip(clean).zip(&mut self.ratios);
        self.team.for_each_of(&mut self.workers, steps, |worker, (((step, (x_b, x_a)), (denoised, scaled)), ratio)| {
            let StepWorker { shape, fourier, noise, .. } = worker;
            for (((z, b), &a), &d) in noise.iter_mut().zip(*x_b).zip(*x_a).zip(*denoised) {
                *z = b - step.mean(a, d);
            }
            **ratio = step.shape(scaled, denoised, shape) + step.cost(fourier, shape, noise);
        });
        log_ratio += self.ratios[..count].iter().sum::<f64>();
        last.copy_from_slice(&self.path[count * values..]);
        if let Some(prior) = &self.prior {
            log_ratio += prior.cost(&mut self.fourier, last);
        }
        Ok(log_ratio)
    }
}

/// What takes the steps, if the model does and all of them are of its kind.
fn walker(
    score: &Arc<dyn Score>,
    steps: &[ReverseKernel],
    batch: usize,
    threads: usize,
) -> Result<Option<Box<dyn Walker>>> {
    let numbers: Option<Vec<ReverseStep>> = steps.iter().map(ReverseKernel::numbers).collect();
    match numbers {
        Some(numbers) => score.clone().walker(&numbers, batch, threads),
        None => Ok(None),
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

pub(super) fn square(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum()
}
