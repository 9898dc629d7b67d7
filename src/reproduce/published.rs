//! The network of the literature beside that of this library: the same data, the same wall time of training on one
//! thread, and the same exact kernels and likelihoods afterwards. phi^4 on 16x16 at kappa = 0.27, lambda = 0.022.

use super::weights::log_weights;
use crate::action::{ActionRecord, finite_action};
use crate::analysis::{
    ActionAgreement, WeightEstimate, action_agreement, effective_sample_size, independence_acceptance, var_log_weight,
};
use crate::error::Result;
use crate::kernel::Grid;
use crate::lattice::Lattice;
use crate::rng::{MAX_CHAIN, Purpose, Stream};
use crate::sampler::{Divergence, EquilibriumSampler, Likelihood, LikelihoodOptions};
use crate::score::{EulerMaruyamaNoise, NativeScore, Score};
use crate::train::{Dataset, Progress, PublishedOptions, PublishedTrainer, TrainOptions, Trainer};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Extents, hopping parameter and coupling.
pub const SYSTEM: ([usize; 2], f64, f64) = ([16, 16], 0.27, 0.022);
/// Random probes of the divergence, as in the literature.
pub const PROBES: usize = 10;
/// Fields of a batch when evaluations are timed.
const TIMED: usize = 16;

/// How much of everything.
#[derive(Clone, Debug, PartialEq)]
pub struct Effort {
    /// Configurations of the data.
    pub configurations: usize,
    /// Wall time of each training.
    pub seconds: f64,
    /// Levels and proposals of the paths.
    pub paths: Vec<(usize, usize)>,
    /// Configurations, beyond the data, whose density is computed.
    pub densities: usize,
    /// Bound on the local error of the flow.
    pub tolerance: f64,
    /// Seed of everything.
    pub seed: u64,
}

impl Effort {
    /// What is recorded, or with `quick` a run of under two minutes that shows that everything works.
    pub fn new(quick: bool, seed: u64) -> Self {
        let (configurations, seconds, densities) = if quick { (1024, 15.0, 4) } else { (16_384, 300.0, 16) };
        let paths = if quick { vec![(40, 64), (500, 8)] } else { vec![(40, 1024), (500, 256)] };
        Effort { configurations, seconds, paths, densities, tolerance: 1e-4, seed }
    }
}

/// Equilibrium configurations: to train, and others to test on (one after the other).
///
/// # Errors
/// None that a caller can cause.
pub fn data(effort: &Effort) -> Result<(Dataset, Vec<f64>)> {
    let (extents, kappa, lambda) = SYSTEM;
    let lattice = Lattice::new(&extents)?;
    let mut sampler = EquilibriumSampler::new(&lattice, kappa, lambda, effort.seed, 0)?;
    sampler.thermalise(500)?;
    let (mut fields, mut test) = (vec![], vec![]);
    for _ in 0..effort.configurations {
        fields.extend(sampler.next_configuration()?.iter().map(|&x| x as f32));
    }
    for _ in 0..effort.densities {
        test.extend_from_slice(sampler.next_configuration()?);
    }
    Ok((Dataset::new(lattice, fields)?, test))
}

/// A trained network.
pub struct Contender {
    /// Its name in tables.
    pub name: &'static str,
    /// With reverse kernels by its measured error.
    pub score: Arc<dyn Score>,
    /// Number of weights.
    pub weights: usize,
    /// Multiplications with addition of an evaluation.
    pub multiply_adds: usize,
    /// Steps and wall time of its training.
    pub steps: u64,
    /// See `steps`.
    pub seconds: f64,
    /// Smoothed loss at the end; the two networks have different losses.
    pub loss: f64,
}

/// What both trainings can do.
trait Training {
    fn step(&mut self) -> Result<Progress>;
    fn set_steps(&mut self, steps: u64);
    fn is_finished(&self) -> bool;
}

macro_rules! training {
    ($name:ty) => {
        impl Training for $name {
            fn step(&mut self) -> Result<Progress> {
                self.step()
            }
            fn set_steps(&mut self, steps: u64) {
                self.set_steps(steps);
            }
            fn is_finished(&self) -> bool {
                self.is_finished()
            }
        }
    };
}
training!(Trainer);
training!(PublishedTrainer);

/// Trains for about `seconds`: the number of steps, which the learning rate needs, is estimated after a tenth of the
/// time and again later, because a machine may be shared.
fn train(
    training: &mut dyn Training,
    seconds: f64,
    progress: &mut dyn FnMut(f64, Progress),
) -> Result<(Progress, f64)> {
    let clock = Instant::now();
    let mut looks = [0.1, 0.4, 0.7, 0.9].into_iter().peekable();
    loop {
        let last = training.step()?;
        let elapsed = clock.elapsed().as_secs_f64();
        progress(elapsed, last);
        if looks.next_if(|look| elapsed > look * seconds).is_some() {
            let steps = (last.step as f64 * seconds / elapsed) as u64;
            training.set_steps(steps.max(last.step));
        }
        if training.is_finished() {
            return Ok((last, elapsed));
        }
    }
}

/// Trains the network of the literature on `data`; `progress` is told the seconds.
///
/// # Errors
/// Those of [`PublishedTrainer`].
pub fn published(data: &Dataset, effort: &Effort, mut progress: impl FnMut(f64, Progress)) -> Result<Contender> {
    let options = PublishedOptions { steps: u64::MAX, seed: effort.seed, ..PublishedOptions::default() };
    let mut trainer = PublishedTrainer::new(data, options)?;
    let (last, seconds) = train(&mut trainer, effort.seconds, &mut progress)?;
    Ok(Contender {
        name: "published",
        weights: trainer.network().layout().total(),
        multiply_adds: trainer.network().multiply_adds(),
        steps: last.step,
        seconds,
        loss: last.loss,
        score: Arc::new(trainer.score()?),
    })
}

/// Trains the default network of this library as `stoq train` does, on one thread.
///
/// # Errors
/// Those of [`Trainer`].
pub fn native(data: Dataset, effort: &Effort, progress: impl FnMut(f64, Progress)) -> Result<Contender> {
    let (_, kappa, lambda) = SYSTEM;
    let options = TrainOptions { seed: effort.seed, ..TrainOptions::default() };
    native_for((data, ActionRecord::phi4(kappa, lambda)), options, effort.seconds, progress)
}

/// Trains a network of this library on configurations of an action for about `seconds`, on one thread.
///
/// # Errors
/// Those of [`Trainer`].
pub fn native_for(
    (data, action): (Dataset, ActionRecord),
    options: TrainOptions,
    seconds: f64,
    mut progress: impl FnMut(f64, Progress),
) -> Result<Contender> {
    let options = TrainOptions { steps: u64::MAX, threads: 1, ..options };
    let mut trainer = Trainer::new(data, Some(action), options)?;
    let (last, seconds) = train(&mut trainer, seconds, &mut progress)?;
    Ok(Contender {
        name: "stoq",
        weights: trainer.network().layout().total(),
        multiply_adds: trainer.network().multiply_adds(),
        steps: last.step,
        seconds,
        loss: last.loss,
        score: Arc::new(NativeScore::new(trainer.finish()?)?),
    })
}

/// Exact path proposals of one kind.
#[derive(Clone, Debug)]
pub struct PathRow {
    /// The reverse kernels: "measured", by the measured error of the network on the best levels for it, or
    /// "Euler-Maruyama" on geometric ones.
    pub kernel: &'static str,
    /// Score evaluations of a proposal.
    pub levels: usize,
    /// Proposals.
    pub proposals: usize,
    /// Of independence Metropolis.
    pub acceptance: WeightEstimate,
    /// Effective sample size over the number of proposals.
    pub effective_sample_size: WeightEstimate,
    /// Var(log w).
    pub variance: WeightEstimate,
}

/// Weights of path proposals for both kinds of reverse kernels.
///
/// # Errors
/// What the kernels raise, and [`crate::Error::NotFinite`] when a path has no finite weight.
pub fn paths(contender: &Contender, effort: &Effort, threads: usize) -> Result<Vec<PathRow>> {
    let (_, kappa, lambda) = SYSTEM;
    let mut action = ActionRecord::phi4(kappa, lambda).build(contender.score.lattice())?;
    let plain: Arc<dyn Score> = Arc::new(EulerMaruyamaNoise::new(contender.score.clone()));
    let kinds = [("measured", Grid::Optimal, &contender.score), ("Euler-Maruyama", Grid::Geometric, &plain)];
    let mut rows = vec![];
    for &(levels, proposals) in &effort.paths {
        for (kernel, grid, score) in kinds {
            let weights = log_weights(score, &mut *action, (grid, levels), proposals, (effort.seed, threads))?;
            rows.push(PathRow {
                kernel,
                levels,
                proposals,
                acceptance: independence_acceptance(&weights)?,
                effective_sample_size: effective_sample_size(&weights)?,
                variance: var_log_weight(&weights)?,
            });
        }
    }
    Ok(rows)
}

/// Densities by the probability flow against the action.
#[derive(Clone, Debug)]
pub struct DensityRow {
    /// Configurations.
    pub configurations: usize,
    /// R^2, Pearson's r and Var(S + log q).
    pub agreement: ActionAgreement,
    /// What the random probes add to Var(S + log q).
    pub of_probes: f64,
    /// Evaluations of the flow for a configuration.
    pub evaluations: f64,
    /// Wall time of a configuration.
    pub seconds: f64,
}

/// R^2 and Var(S + log q) on `test` configurations, with [`PROBES`] random probes.
///
/// # Errors
/// Those of [`Likelihood`]: a network whose flow cannot be followed within the tolerance.
pub fn densities(contender: &Contender, test: &[f64], effort: &Effort, threads: usize) -> Result<DensityRow> {
    let (_, kappa, lambda) = SYSTEM;
    let lattice = contender.score.lattice();
    let mut action = ActionRecord::phi4(kappa, lambda).build(lattice)?;
    let divergence = Divergence::Hutchinson { probes: PROBES };
    let options = LikelihoodOptions { divergence, tolerance: effort.tolerance, ..LikelihoodOptions::default() };
    let mut likelihood = Likelihood::new(contender.score.clone(), options, threads)?;
    let count = test.len() / lattice.values();
    let streams =
        (0..count as u64).map(|step| Stream::new(effort.seed, MAX_CHAIN, step)).collect::<Result<Vec<_>>>()?;
    let clock = Instant::now();
    let found = likelihood.log_densities(&streams, test)?;
    let seconds = clock.elapsed().as_secs_f64() / count as f64;
    let actions = test.chunks_exact(lattice.values()).map(|field| finite_action(&mut *action, field));
    let actions = actions.map(|s| s.map(|s| s.unwrap_or(f64::NAN))).collect::<Result<Vec<_>>>()?;
    let log_densities: Vec<f64> = found.iter().map(|density| density.value).collect();
    let mean = |value: &dyn Fn(usize) -> f64| (0..count).map(value).sum::<f64>() / count as f64;
    Ok(DensityRow {
        configurations: count,
        agreement: action_agreement(&actions, &log_densities)?,
        of_probes: mean(&|i| found[i].error * found[i].error),
        evaluations: mean(&|i| found[i].evaluations as f64),
        seconds,
    })
}

/// Wall time of one evaluation in seconds, on one thread in batches: the best of several, for a machine may be shared.
///
/// # Errors
/// Those of the evaluator.
pub fn evaluation_time(score: &Arc<dyn Score>) -> Result<f64> {
    let values = score.lattice().values();
    let mut fields = vec![0.0; TIMED * values];
    Stream::new(1, MAX_CHAIN, 0)?.normals(Purpose::Diagnostic, 0, &mut fields);
    let (mut denoised, noise) = (fields.clone(), [1.0; TIMED]);
    let mut evaluator = score.clone().evaluator(1)?;
    let (clock, mut best) = (Instant::now(), f64::INFINITY);
    while clock.elapsed() < Duration::from_millis(500) {
        let start = Instant::now();
        evaluator.denoise(&noise, &fields, &mut denoised)?;
        best = best.min(start.elapsed().as_secs_f64() / TIMED as f64);
    }
    Ok(best)
}
