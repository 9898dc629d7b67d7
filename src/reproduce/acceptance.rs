//! Exact acceptance of path proposals against hopping parameter, volume and training, one training a point: the same
//! data, network and weights for all scans. phi^4 in two dimensions at lambda = 0.022.

use super::weights::log_weights;
use crate::action::{Action, ActionRecord};
use crate::analysis::{WeightEstimate, effective_sample_size, independence_acceptance, var_log_weight};
use crate::error::{Error, Result};
use crate::kernel::Grid;
use crate::lattice::Lattice;
use crate::nn::UNetShape;
use crate::sampler::EquilibriumSampler;
use crate::score::{NativeScore, Score};
use crate::train::{AdamOptions, Dataset, Progress, TrainOptions, Trainer};
use std::sync::Arc;
use std::time::Instant;

/// Quartic coupling of all points.
pub const LAMBDA: f64 = 0.022;
/// Lowest and highest acceptance of Wang, Aarts, Zhou, JHEP 05 (2024) 060, figs. 13 to 15, and their score
/// evaluations a proposal. Samples of Euler-Maruyama there carry densities of the probability flow: not exact.
pub const PUBLISHED: (f64, f64, usize) = (0.4, 0.6, 500);

/// What is varied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// The hopping parameter.
    Kappa,
    /// The extent of the lattice, at fixed steps and batch.
    Volume,
    /// The number of configurations that train, at fixed steps.
    Configurations,
    /// The length of the training: looks at one training.
    Steps,
}

/// One training, and the steps after which it is looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Extent along both axes.
    pub extent: usize,
    /// Hopping parameter.
    pub kappa: f64,
    /// Configurations that train, a multiple of 8; a quarter as many more validate and are held out.
    pub configurations: usize,
    /// Ascending. The learning rate falls to zero at the last; a look before sees weights that are averaged, but at
    /// a rate that is still large.
    pub steps: Vec<u64>,
}

impl Scan {
    /// The points of the scan; with `quick`, of one of seconds.
    pub fn points(self, quick: bool) -> Vec<Point> {
        let extent = if quick { 8 } else { 16 };
        let configurations = if quick { 1024 } else { 8192 };
        let steps = if quick { 600 } else { 2000 };
        let usual = Point { extent, kappa: 0.27, configurations, steps: vec![steps] };
        match self {
            Scan::Kappa => {
                [0.1, 0.21, 0.24, 0.27, 0.3, 0.4, 0.5].map(|kappa| Point { kappa, ..usual.clone() }).to_vec()
            }
            Scan::Volume => {
                let steps = vec![if quick { 300 } else { steps }];
                [8, 12, 16, 24, 32].map(|extent| Point { extent, steps: steps.clone(), ..usual.clone() }).to_vec()
            }
            Scan::Configurations => {
                [128, 512, 2048, 8192].map(|configurations| Point { configurations, ..usual.clone() }).to_vec()
            }
            Scan::Steps => vec![Point { steps: [1, 2, 4, 8, 16].map(|many| many * steps / 4).to_vec(), ..usual }],
        }
    }
}

/// What all points share.
#[derive(Clone, Debug, PartialEq)]
pub struct Effort {
    /// Channels of the odd network at each resolution, finest first.
    pub channels: Vec<usize>,
    /// Width of its time embedding.
    pub embedding: usize,
    /// Samples a step.
    pub batch: usize,
    /// Score evaluations of a proposal, on the levels of least divergence.
    pub levels: Vec<usize>,
    /// Proposals that are weighed.
    pub proposals: usize,
    /// Seed of everything.
    pub seed: u64,
    /// Threads; change no bit.
    pub threads: usize,
}

impl Effort {
    /// What is recorded, or with `quick` a run of under two minutes.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn new(quick: bool, (seed, threads): (u64, usize)) -> Result<Self> {
        let UNetShape { channels, embedding, .. } = UNetShape::preset(if quick { "tiny" } else { "small" }, 1)?;
        let (levels, proposals) = if quick { (vec![20], 1024) } else { (vec![10, 20], 4096) };
        Ok(Effort { channels, embedding, batch: 32, levels, proposals, seed, threads })
    }
}

/// What proposals are worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paths {
    /// Score evaluations of each.
    pub levels: usize,
    /// Of independence Metropolis in equilibrium, exact for these proposals.
    pub acceptance: WeightEstimate,
    /// Effective sample size over the number of proposals.
    pub effective_sample_size: WeightEstimate,
    /// Var(log w).
    pub variance: WeightEstimate,
    /// Wall time a proposal, the choice of the levels included.
    pub seconds: f64,
}

/// One look at one training.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Steps taken so far.
    pub steps: u64,
    /// Smoothed loss.
    pub loss: f64,
    /// Wall time of the training so far, without data and looks.
    pub seconds: f64,
    /// One entry a number of levels.
    pub paths: Vec<Paths>,
}

/// Equilibrium data, a training, and exact weights of its proposals, one look after each of the steps of `point`.
///
/// # Errors
/// [`Error::InvalidArgument`] for configurations that are not a multiple of 8; what data, training and paths raise, in
/// particular [`Error::NotFinite`] of a network too poor for finite weights.
pub fn measure(point: &Point, effort: &Effort, mut progress: impl FnMut(Progress)) -> Result<Vec<Look>> {
    let data = data(point, effort.seed)?;
    let mut action = ActionRecord::phi4(point.kappa, LAMBDA).build(data.lattice())?;
    let mut trainer = trainer(point, effort, data)?;
    let (mut looks, mut seconds) = (vec![], 0.0);
    for &steps in &point.steps {
        let clock = Instant::now();
        trainer.fit(steps.saturating_sub(trainer.taken()), |now| {
            progress(*now);
            true
        })?;
        seconds += clock.elapsed().as_secs_f64();
        let score: Arc<dyn Score> = Arc::new(NativeScore::new(trainer.finish()?)?);
        let paths = weigh(&score, &mut *action, effort)?;
        looks.push(Look { steps: trainer.taken(), loss: trainer.progress().loss, seconds, paths });
    }
    Ok(looks)
}

/// The training of a point.
///
/// # Errors
/// As [`Trainer::new`].
pub(super) fn trainer(point: &Point, effort: &Effort, data: Dataset) -> Result<Trainer> {
    let steps = point.steps.last().copied().unwrap_or(0);
    // A short training cannot spend the usual 500 steps on raising the rate.
    let adam = AdamOptions { warm_up: (steps / 4).min(AdamOptions::default().warm_up), ..AdamOptions::default() };
    let options = TrainOptions {
        channels: effort.channels.clone(),
        embedding: effort.embedding,
        batch: effort.batch,
        steps,
        seed: effort.seed,
        threads: effort.threads,
        adam,
        ..TrainOptions::default()
    };
    Trainer::new(data, Some(ActionRecord::phi4(point.kappa, LAMBDA)), options)
}

/// Equilibrium configurations of one chain; fewer of them are the first of more.
pub(super) fn data(point: &Point, seed: u64) -> Result<Dataset> {
    if !point.configurations.is_multiple_of(8) {
        let expected = "a multiple of 8: a tenth of the data each validates and is held out";
        return Err(Error::invalid("configurations", point.configurations, expected));
    }
    let lattice = Lattice::new(&[point.extent, point.extent])?;
    let mut sampler = EquilibriumSampler::new(&lattice, point.kappa, LAMBDA, seed, 0)?;
    sampler.thermalise(500)?;
    let mut fields = vec![];
    for _ in 0..point.configurations / 4 * 5 {
        fields.extend(sampler.next_configuration()?.iter().map(|&x| x as f32));
    }
    Dataset::new(lattice, fields)
}

/// Exact weights of the proposals of `score` under `action`, for every number of levels.
///
/// # Errors
/// As [`log_weights`] and the estimates.
pub fn weigh(score: &Arc<dyn Score>, action: &mut dyn Action, effort: &Effort) -> Result<Vec<Paths>> {
    let one = |&levels: &usize| {
        let clock = Instant::now();
        let by = (effort.seed, effort.threads);
        let weights = log_weights(score, action, (Grid::Optimal, levels), effort.proposals, by)?;
        Ok(Paths {
            levels,
            acceptance: independence_acceptance(&weights)?,
            effective_sample_size: effective_sample_size(&weights)?,
            variance: var_log_weight(&weights)?,
            seconds: clock.elapsed().as_secs_f64() / effort.proposals as f64,
        })
    };
    effort.levels.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::Schedule;
    use crate::score::GaussianScore;

    fn effort() -> Effort {
        Effort { channels: vec![8], embedding: 8, batch: 8, levels: vec![3, 8], proposals: 256, seed: 1, threads: 1 }
    }

    #[test]
    fn a_scan_looks_at_one_training_several_times() {
        let point = Point { extent: 4, kappa: 0.24, configurations: 64, steps: vec![10, 30] };
        let mut told = vec![];
        let looks = measure(&point, &effort(), |progress| told.push(progress.step)).unwrap();
        assert_eq!(told, (1..=30).collect::<Vec<_>>());
        assert_eq!(looks.iter().map(|look| look.steps).collect::<Vec<_>>(), [10, 30]);
        for look in &looks {
            assert!(look.loss.is_finite() && look.seconds > 0.0);
            assert_eq!(look.paths.iter().map(|paths| paths.levels).collect::<Vec<_>>(), [3, 8]);
            for paths in &look.paths {
                let Paths { acceptance, effective_sample_size, variance, seconds, .. } = *paths;
                // Hardly trained: one weight may outweigh the others, but all is finite.
                for estimate in [acceptance, effective_sample_size] {
                    assert!(estimate.value > 0.0 && estimate.value < 1.0, "{paths:?}");
                }
                for estimate in [acceptance, effective_sample_size, variance] {
                    assert!(estimate.error > 0.0 && estimate.error.is_finite(), "{paths:?}");
                }
                assert!(variance.value > 0.0 && seconds > 0.0);
            }
        }
        // Looking changes nothing: the same training without the first look ends in the same bits.
        let once = measure(&Point { steps: vec![30], ..point.clone() }, &effort(), |_| ()).unwrap();
        assert_eq!(once[0].paths[1].variance, looks[1].paths[1].variance);
        assert_ne!(looks[0].paths[1].variance, looks[1].paths[1].variance);
        assert!(measure(&Point { configurations: 65, ..point }, &effort(), |_| ()).is_err());
    }

    #[test]
    fn proposals_of_the_exact_score_are_all_accepted() {
        let lattice = Lattice::new(&[4, 4]).unwrap();
        let schedule = Schedule::variance_expanding(25.0).unwrap();
        let paths = |kappa: f64| {
            let score = GaussianScore::free_field(lattice.clone(), schedule, kappa).unwrap();
            let mut action = ActionRecord::phi4(0.2, 0.0).build(&lattice).unwrap();
            weigh(&(Arc::new(score) as Arc<dyn Score>), &mut *action, &effort()).unwrap()
        };
        for paths in paths(0.2) {
            let Paths { acceptance, effective_sample_size, variance, .. } = paths;
            for estimate in [acceptance, effective_sample_size] {
                assert!((estimate.value - 1.0).abs() < 1e-9 && estimate.error < 1e-9, "{paths:?}");
            }
            assert!(variance.value < 1e-18, "{paths:?}");
        }
        assert!(paths(0.19).iter().all(|paths| paths.acceptance.value < 0.99));
    }

    #[test]
    fn scans_are_what_they_say() {
        for quick in [true, false] {
            let [kappa, volume, configurations, steps] =
                [Scan::Kappa, Scan::Volume, Scan::Configurations, Scan::Steps].map(|scan| scan.points(quick));
            assert_eq!(kappa.len(), 7);
            assert_eq!(volume.iter().map(|point| point.extent).collect::<Vec<_>>(), [8, 12, 16, 24, 32]);
            let sizes: Vec<_> = configurations.iter().map(|point| point.configurations).collect();
            assert_eq!(sizes, [128, 512, 2048, 8192]);
            assert!(steps.len() == 1 && steps[0].steps.is_sorted() && steps[0].steps.len() == 5);
            for scan in [&kappa[..], &volume, &configurations] {
                assert!(scan.iter().all(|point| point.steps == scan[0].steps));
            }
        }
    }
}
