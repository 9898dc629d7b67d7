//! Generators of configurations from a diffusion model. All are *approximate*: their law is that of the model
//! and of the steps, not exp(-S)/Z. Where a log weight exists, reweighting
//! ([`crate::analysis::reweighted_mean`]) or the exact kernels of [`crate::kernel`] correct it.

use super::flow::{FlowCoordinates, FlowWorker, log_standard_normal};
use super::gaussian_step::GaussianStep;
use super::langevin::{self, Denoiser, MetropolisTail};
use crate::action::Action;
use crate::diffusion::Schedule;
use crate::error::{Error, Result, require_length};
use crate::kernel::{PathProcess, uniform_angles};
use crate::rng::{MAX_LEVEL, Purpose, Stream};
use crate::score::{ReverseStep, Score, Team, Walker};
use std::sync::Arc;

pub use super::langevin::LangevinStep;

/// How the backward process is followed. Each starts from the Gaussian prior N(0, f^2 C + Xi) at the last time, of link
/// angles from uniform ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// Euler and Maruyama's steps of the reverse equation dphi = \[1/2 k phi + g^2 s\] dtau + g dW (Wang, Aarts,
    /// Zhou, JHEP 05 (2024) 060, eq. 3.2), coefficients at the upper end of the step. Has a log weight.
    EulerMaruyama,
    /// Gaussian steps with the covariance of the posterior ([`PathProcess`]): right for a free field at
    /// any number of steps. Has a log weight.
    Posterior,
    /// Ancestral sampling (DDPM: Ho, Jain, Abbeel, arXiv:2006.11239, alg. 2): mean with the denoised field, variance
    /// of the bridge. The bridge to t = 0 has no variance: with [`Ending::Zero`] the last step takes Xi / f^2 of the
    /// lowest time, the larger of the two choices of their sec. 3.2, so that a log weight exists.
    Ancestral,
    /// An ancestral step, then Langevin steps at the new level (Song et al., arXiv:2011.13456, alg. 1).
    PredictorCorrector {
        /// Langevin steps a level.
        corrections: usize,
        /// Their size.
        step: LangevinStep,
    },
    /// The probability flow, deterministic from the prior's noise on, in whitened coordinates with adaptive steps; of
    /// the times only the last counts, and the first unless the ending is [`Ending::Zero`]. Its log
    /// density is that of [`super::Likelihood`].
    ProbabilityFlow {
        /// Bound on the local error of the integration.
        tolerance: f64,
    },
    /// Langevin steps at the fixed score of one level after another, nothing in between (Song, Ermon,
    /// arXiv:1907.05600, alg. 1; Zhu, Aarts, Wang, Zhou, Wang, arXiv:2502.05504).
    Annealed {
        /// Langevin steps a level.
        corrections: usize,
        /// Their size.
        step: LangevinStep,
    },
}

/// How a sample comes from the lowest time to t = 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By one more step: with noise where the method has noise (a log weight needs it), along the flow for
    /// [`Method::ProbabilityFlow`].
    Zero,
    /// By the denoised field, without noise: the mean of the clean field, which is too smooth. No log weight.
    Denoise,
    /// Not at all: the sample is one of the process at the lowest time. No log weight.
    Stop,
}

/// Options of [`Generator`].
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratorOptions {
    /// The method.
    pub method: Method,
    /// Times of the levels, ascending in (0, 1] (`diffusion::geometric_levels`, `score::optimal_times`). Euler and
    /// Maruyama's steps must be short against 1/k and Xi/g^2.
    pub times: Vec<f64>,
    /// The way to t = 0; [`Method::Posterior`] knows [`Ending::Zero`] only.
    pub ending: Ending,
    /// Metropolis-adjusted Langevin steps with the true action at the end; no log weight then.
    pub metropolis_tail: Option<MetropolisTail>,
}

/// Draws independent samples, one a stream: approximate, see the module. A sample depends on its stream
/// and on nothing else, to the last bit. Link angles of a gauge field come out unreduced: the steps are those of the lift
/// to the real line, and a weight counts all lifts of an angle as one.
pub struct Generator {
    options: GeneratorOptions,
    values: usize,
    batch: usize,
    schedule: Schedule,
    /// Of link angles: the prior is uniform.
    links: bool,
    coordinates: FlowCoordinates,
    denoiser: Denoiser,
    /// Steps to `times[i]` from above, or to 0 for i = 0, of the methods that use them.
    steps: Vec<GaussianStep>,
    /// Takes them, where the model does it itself.
    walker: Option<Box<dyn Walker>>,
    process: Option<PathProcess>,
    flow: Option<(Team, Vec<FlowWorker>)>,
    white: Vec<f64>,
    tail_moves: u64,
    tail_accepted: u64,
}

/// Refuses times that do not ascend within (0, 1].
pub(super) fn check_times(times: &[f64]) -> Result<()> {
    let ascending = times.windows(2).all(|pair| pair[0] < pair[1]);
    let inside = times.first().is_some_and(|&t| t > 0.0) && times.last().is_some_and(|&t| t <= 1.0);
    if ascending && inside {
        return Ok(());
    }
    Err(Error::invalid("times", format!("{times:?}"), "ascending times in (0, 1]"))
}

impl Generator {
    /// For `score`; `batch` samples are evaluated together, on `threads` threads.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an option out of range, and what [`Score::evaluator`] returns.
    pub fn new(score: Arc<dyn Score>, options: GeneratorOptions, batch: usize, threads: usize) -> Result<Self> {
        check(&options, batch)?;
        let links = score.of_links();
        if links && matches!(options.method, Method::ProbabilityFlow { .. }) {
            let expected = "another method: the flow of link angles is not in this version";
            return Err(Error::invalid("method", "ProbabilityFlow", expected));
        }
        let (values, schedule) = (score.lattice().values(), *score.schedule());
        let coordinates = || FlowCoordinates::new(score.lattice(), score.covariance());
        let process = match options.method {
            Method::Posterior => Some(PathProcess::new(score.clone(), &options.times, true, batch, threads)?),
            _ => None,
        };
        let flow = match options.method {
            Method::ProbabilityFlow { .. } => {
                let worker = |_| FlowWorker::new(&score, coordinates());
                Some((Team::new(threads)?, (0..threads).map(worker).collect::<Result<_>>()?))
            }
            _ => None,
        };
        let lower = std::iter::once(0.0).chain(options.times.iter().copied());
        let step = |(lower, &upper)| match options.method {
            Method::EulerMaruyama => GaussianStep::euler_maruyama(&schedule, lower, upper),
            _ => GaussianStep::ancestral(&schedule, lower, upper),
        };
        let steps: Vec<GaussianStep> = lower.zip(&options.times).map(step).collect();
        let walker = match options.method {
            Method::EulerMaruyama | Method::Ancestral => {
                let numbers: Vec<ReverseStep> = steps.iter().map(|step| step.numbers(values)).collect();
                score.clone().walker(&numbers, batch, threads)?
            }
            _ => None,
        };
        Ok(Generator {
            steps,
            walker,
            coordinates: coordinates(),
            denoiser: Denoiser::new(score.clone().evaluator(threads)?, values, batch),
            white: vec![0.0; values],
            tail_moves: 0,
            tail_accepted: 0,
            values,
            batch,
            schedule,
            links,
            process,
            flow,
            options,
        })
    }

    /// Whether the samples have a log weight: Gaussian steps that keep their noise to the end, and no tail.
    pub fn has_log_weight(&self) -> bool {
        let gaussian = matches!(self.options.method, Method::EulerMaruyama | Method::Posterior | Method::Ancestral);
        gaussian && self.options.ending == Ending::Zero && self.options.metropolis_tail.is_none()
    }

    /// Fraction of accepted moves of the Metropolis tail so far; `None` before the first.
    pub fn tail_acceptance(&self) -> Option<f64> {
        (self.tail_moves > 0).then(|| self.tail_accepted as f64 / self.tail_moves as f64)
    }

    /// Draws one sample a stream into `fields`, one after the other. `log_weights` receives
    ///
    ///   log w + S = sum_n log F(x_n | x_(n-1)) - log prior(x_N) - sum_n log B(x_(n-1) | x_n),
    ///
    /// from which the caller subtracts S(x_0); the normalisations are those of densities, so that E\[w\] = Z.
    /// `action` is used by the Metropolis tail alone.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`]; [`Error::InvalidArgument`] for log weights of a method that has none, or a tail
    /// without an action; what the score model and the action return. After an error `fields` are unfinished.
    pub fn generate(
        &mut self,
        streams: &[Stream],
        fields: &mut [f64],
        log_weights: Option<&mut [f64]>,
        mut action: Option<&mut dyn Action>,
    ) -> Result<()> {
        require_length("fields", fields.len(), streams.len() * self.values)?;
        if let Some(log_weights) = &log_weights {
            require_length("log weights", log_weights.len(), streams.len())?;
            if !self.has_log_weight() {
                let expected = "Euler-Maruyama, posterior or ancestral steps to t = 0 without a Metropolis tail";
                return Err(Error::invalid("method", format!("{:?}", self.options.method), expected));
            }
        }
        if self.options.metropolis_tail.is_some() && action.is_none() {
            return Err(Error::invalid("action", "none", "the true action: the Metropolis tail decides by it"));
        }
        let mut unused = vec![0.0; if log_weights.is_some() { 0 } else { streams.len() }];
        let log_weights = log_weights.unwrap_or(&mut unused);
        let chunks = streams.chunks(self.batch).zip(fields.chunks_mut(self.batch * self.values));
        for ((streams, fields), log_weights) in chunks.zip(log_weights.chunks_mut(self.batch)) {
            self.generate_batch(streams, fields, log_weights)?;
            if let (Some(tail), Some(action)) = (self.options.metropolis_tail, action.as_deref_mut()) {
                let first = random_levels(&self.options) - tail.moves;
                let accepted = tail.run(&mut self.denoiser, &self.schedule, first, streams, fields, action)?;
                self.tail_moves += (tail.moves * streams.len()) as u64;
                self.tail_accepted += accepted;
            }
        }
        Ok(())
    }

    fn generate_batch(&mut self, streams: &[Stream], fields: &mut [f64], log_weights: &mut [f64]) -> Result<()> {
        if let Some(process) = &mut self.process {
            return process.generate(streams, fields, log_weights);
        }
        if self.flow.is_some() {
            return self.follow_flow(streams, fields);
        }
        self.draw_prior(streams, fields, log_weights);
        let levels = self.options.times.len();
        if let Some(walker) = &mut self.walker {
            let first = usize::from(self.options.ending != Ending::Zero);
            walker.walk(first..levels, streams, fields, log_weights)?;
            return match self.options.ending {
                Ending::Denoise => self.denoise_lowest(fields),
                _ => Ok(()),
            };
        }
        match self.options.method {
            Method::Annealed { corrections, step } => {
                for level in (0..levels).rev() {
                    self.correct(level, (corrections, step), streams, fields)?;
                }
            }
            _ => {
                for level in (1..levels).rev() {
                    self.steps[level].walk(&mut self.denoiser, level as u32, streams, fields, log_weights)?;
                    if let Method::PredictorCorrector { corrections, step } = self.options.method {
                        self.correct(level - 1, (corrections, step), streams, fields)?;
                    }
                }
            }
        }
        match self.options.ending {
            Ending::Zero => self.steps[0].walk(&mut self.denoiser, 0, streams, fields, log_weights),
            Ending::Denoise => self.denoise_lowest(fields),
            Ending::Stop => Ok(()),
        }
    }

    fn denoise_lowest(&mut self, fields: &mut [f64]) -> Result<()> {
        let denoised = self.denoiser.denoise(&self.schedule, self.options.times[0], fields)?;
        fields.copy_from_slice(denoised);
        Ok(())
    }

    /// phi = f sqrt(C + n^2) z, or uniform angles; `log_weights` receive -log prior.
    fn draw_prior(&mut self, streams: &[Stream], fields: &mut [f64], log_weights: &mut [f64]) {
        if self.links {
            for (stream, field) in streams.iter().zip(fields.chunks_exact_mut(self.values)) {
                uniform_angles(stream, field);
            }
            return log_weights.fill(self.values as f64 * libm::log(std::f64::consts::TAU));
        }
        let last = self.options.times[self.options.times.len() - 1];
        let (signal, noise) = (self.schedule.signal(last), self.schedule.noise(last));
        let volume = self.coordinates.log_volume(noise) + self.values as f64 * libm::log(signal);
        let samples = streams.iter().zip(fields.chunks_exact_mut(self.values)).zip(log_weights);
        for ((stream, field), log_weight) in samples {
            stream.normals(Purpose::Prior, 0, &mut self.white);
            self.coordinates.colour(noise, &self.white, field);
            field.iter_mut().for_each(|x| *x *= signal);
            *log_weight = volume - log_standard_normal(&self.white);
        }
    }

    fn correct(
        &mut self,
        level: usize,
        (corrections, step): (usize, LangevinStep),
        streams: &[Stream],
        fields: &mut [f64],
    ) -> Result<()> {
        let (levels, time) = (self.options.times.len(), self.options.times[level]);
        for correction in 0..corrections {
            let random_level = (levels + level * corrections + correction) as u32;
            let place = (&self.schedule, time, random_level);
            langevin::langevin_step(&mut self.denoiser, place, step, streams, fields)?;
        }
        Ok(())
    }

    fn follow_flow(&mut self, streams: &[Stream], fields: &mut [f64]) -> Result<()> {
        let (Some((team, workers)), Method::ProbabilityFlow { tolerance }) = (&mut self.flow, self.options.method)
        else {
            return Err(Error::Internal("no flow was prepared".into()));
        };
        let (times, ending, schedule) = (&self.options.times, self.options.ending, self.schedule);
        let first = if ending == Ending::Zero { 0.0 } else { times[0] };
        let noise = (schedule.noise(times[times.len() - 1]), schedule.noise(first));
        let mut items: Vec<(&mut [f64], Result<()>)> =
            fields.chunks_exact_mut(self.values).map(|field| (field, Ok(()))).collect();
        team.for_each(workers, &mut items, |worker, index, (field, result)| {
            streams[index].normals(Purpose::Prior, 0, field);
            *result = worker.follow(noise, tolerance, field);
        });
        items.into_iter().try_for_each(|(_, result)| result)?;
        match ending {
            Ending::Zero => {}
            Ending::Stop => fields.iter_mut().for_each(|x| *x *= schedule.signal(first)),
            Ending::Denoise => {
                fields.iter_mut().for_each(|x| *x *= schedule.signal(first));
                let denoised = self.denoiser.denoise(&schedule, first, fields)?;
                fields.copy_from_slice(denoised);
            }
        }
        Ok(())
    }
}

/// Levels of random numbers of one sample: steps, corrections, moves of the tail, in this order.
fn random_levels(options: &GeneratorOptions) -> usize {
    let corrections = match options.method {
        Method::PredictorCorrector { corrections, .. } | Method::Annealed { corrections, .. } => corrections,
        _ => 0,
    };
    let tail = options.metropolis_tail.map_or(0, |tail| tail.moves);
    options.times.len().saturating_mul(corrections.saturating_add(1)).saturating_add(tail)
}

fn check(options: &GeneratorOptions, batch: usize) -> Result<()> {
    check_times(&options.times)?;
    if batch == 0 {
        return Err(Error::invalid("batch", batch, "at least one sample"));
    }
    if options.method == Method::Posterior && options.ending != Ending::Zero {
        return Err(Error::invalid("ending", format!("{:?}", options.ending), "Zero: posterior steps end at t = 0"));
    }
    match options.method {
        Method::PredictorCorrector { step, .. } | Method::Annealed { step, .. } => step.check()?,
        Method::ProbabilityFlow { tolerance } if !(tolerance > 0.0 && tolerance < 1.0) => {
            return Err(Error::invalid("tolerance", tolerance, "a number between 0 and 1, such as 1e-5"));
        }
        _ => {}
    }
    if let Some(tail) = &options.metropolis_tail {
        tail.check()?;
    }
    let levels = random_levels(options);
    if levels > MAX_LEVEL as usize {
        return Err(Error::invalid("steps of one sample", levels, "at most 2^20 - 1 with all Langevin steps"));
    }
    Ok(())
}

#[cfg(test)]
#[path = "generator_tests.rs"]
mod tests;
