//! Training from the action alone.
//!
//! Weights replace data. A Gaussian starts: its covariance is that of the self-consistent harmonic approximation, then of
//! its own reweighted draws. Its draws, drawn again by their weights, train a network by score matching with the known
//! force; paths of that network, drawn again by theirs, train the next. What is left is lowered by the log-variance loss
//! (`Refiner`). Where the weights of a round are too uneven they are tempered, so that every round learns a law that
//! its proposals cover: both signs of the magnetisation stay, because the first Gaussian covers both.

use super::dataset::class_means;
use super::generated::{Sampling, Weighted};
use super::options::{Progress, TrainOptions};
use super::refine::{RefineOptions, RefineProgress, Refiner};
use super::trainer::Trainer;
use crate::action::{ActionRecord, Interrupt};
use crate::error::{Error, Result};
use crate::lattice::Lattice;
use crate::model::{Model, Modes, covariance_classes};
use crate::rng::{MAX_CHAIN, Purpose, Stream};

/// Chain numbers of the random numbers, downward from one that the refinement does not use.
const FIRST_CHAIN: u32 = MAX_CHAIN - 3;
/// Fields of the self-consistent Gaussian, its iterations, and those of its reweighting.
const FIELDS: usize = 512;
const ITERATIONS: usize = 60;
const REWEIGHTINGS: usize = 6;
const REWEIGHTED: usize = 16_384;

/// Options of a training without data.
#[derive(Clone, Debug, PartialEq)]
pub struct DataFreeOptions {
    /// Draws of the Gaussian that the first network learns from. They cost a transform and an action each.
    pub gaussian_draws: usize,
    /// Trainings on configurations that were drawn again, at least one; all but the first on those of a network.
    pub rounds: usize,
    /// Paths of each later round.
    pub paths: usize,
    /// Least effective share of the draws of a round; below, weights are tempered.
    pub least_share: f64,
    /// Configurations of a round, drawn again by weight.
    pub configurations: usize,
    /// Score matching, each round.
    pub train: TrainOptions,
    /// The refinement at the end, and the levels of all paths. Zero steps leave it out.
    pub refine: RefineOptions,
}

impl Default for DataFreeOptions {
    fn default() -> Self {
        DataFreeOptions {
            gaussian_draws: 1 << 18,
            rounds: 2,
            paths: 8192,
            least_share: 0.01,
            configurations: 32_768,
            train: TrainOptions { steps: 3000, ..TrainOptions::default() },
            refine: RefineOptions::default(),
        }
    }
}

/// What a training without data is doing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stage {
    /// Draws of a round have their weights: the effective share of them, and the power to which weights were taken.
    Drawn {
        /// From 0.
        round: usize,
        /// (sum w)^2 / (n sum w^2).
        effective_share: f64,
        /// 1 if weights were not tempered.
        power: f64,
    },
    /// A step of score matching.
    Training {
        /// From 0.
        round: usize,
        /// How far.
        progress: Progress,
    },
    /// A step of the refinement.
    Refinement(RefineProgress),
}

/// Trains a model of `action` on `lattice` without data. `report` is told after every step, and stops the training by
/// returning false: then `None` is returned.
///
/// # Errors
/// Those of the trainings; [`Error::InvalidArgument`] for an action that is not finite on most draws.
pub fn train_without_data(
    action: &ActionRecord,
    lattice: &Lattice,
    options: &DataFreeOptions,
    report: &mut dyn FnMut(Stage) -> bool,
) -> Result<Option<Model>> {
    if options.rounds == 0 || options.gaussian_draws < 64 || options.paths < 64 {
        let found = format!("{} rounds, {} draws, {} paths", options.rounds, options.gaussian_draws, options.paths);
        return Err(Error::invalid("training without data", found, "at least 1 round, 64 draws and 64 paths"));
    }
    let reach = options.train.reach;
    let covariance = reweighted_covariance(action, (lattice, reach), options.train.seed)?;
    let draws = (options.train.seed, FIRST_CHAIN);
    let mut drawn = Weighted::from_gaussian(&covariance, (lattice, reach), action, options.gaussian_draws, draws)?;
    let mut round = 0;
    let mut model = loop {
        let power = drawn.power(options.least_share);
        if !report(Stage::Drawn { round, effective_share: drawn.effective_share(1.0), power }) {
            return Ok(None);
        }
        let data = drawn.resampled(options.configurations, 0.9, power, options.train.seed)?;
        let mut trainer = Trainer::new(data, Some(action.clone()), options.train.clone())?;
        while !trainer.is_finished() {
            let progress = trainer.step()?;
            if !report(Stage::Training { round, progress }) {
                return Ok(None);
            }
        }
        let model = trainer.finish()?;
        round += 1;
        if round == options.rounds {
            break model;
        }
        let RefineOptions { levels, threads, .. } = options.refine;
        let sampling = Sampling { levels, seed: options.train.seed, threads, chain: FIRST_CHAIN - round as u32 };
        drawn = Weighted::from_model(&model, action, options.paths, &sampling)?;
    };
    if options.refine.steps > 0 {
        let mut refiner = Refiner::new(model, action, None, options.refine.clone())?;
        while !refiner.is_finished() {
            if !report(Stage::Refinement(refiner.step()?)) {
                return Ok(None);
            }
        }
        model = refiner.finish()?;
    }
    Ok(Some(model))
}

/// Covariance C_p (one value a mode) of the Gaussian closest to exp(-S)/Z in the sense of Gibbs, Bogoliubov and Feynman:
/// 1/C_p = <d^2 S / dphi_p^2>, the mean over that Gaussian itself. For phi^4 this is the Hartree gap equation
/// 1/C_p = 2 (1 - 2 lambda) + 12 lambda <phi^2> - 4 kappa sum_mu cos p_mu (Chang, Phys. Rev. D 12 (1975) 1071, sec. II, in
/// lattice notation). Only the force is needed: by Stein's identity <d^2 S / dphi_p^2> = -<phi_p^* F_p> / <|phi_p|^2>, here over
/// 512 fields.
///
/// # Errors
/// Those of the force.
pub fn self_consistent_covariance(
    action: &ActionRecord,
    lattice: &Lattice,
    reach: usize,
    seed: u64,
) -> Result<Vec<f64>> {
    let values = lattice.values();
    let (class, classes) = covariance_classes(lattice, reach);
    let mut action = action.build(lattice)?;
    let mut modes = Modes::new(lattice, reach);
    let mut covariance = vec![1.0_f64; classes];
    let (mut noise, mut field, mut force) = (vec![0.0; values], vec![0.0; values], vec![0.0; values]);
    for _ in 0..ITERATIONS {
        let deviation: Vec<f64> = class.iter().map(|&c| covariance[c as usize].sqrt()).collect();
        let mut sums = vec![vec![0.0; values]; 3];
        let [aa, bb, ab] = &mut sums[..] else { return Err(Error::Internal("three sums".into())) };
        for index in 0..FIELDS {
            Stream::new(seed, FIRST_CHAIN, index as u64)?.normals(Purpose::Start, 0, &mut noise);
            modes.filter(&noise, &deviation, &mut field);
            match action.force(&field, &mut force) {
                Ok(()) => modes.accumulate_cross_power(&field, &force, [&mut *aa, &mut *bb, &mut *ab]),
                Err(Interrupt::Reject) => {}
                Err(Interrupt::Stop(error)) => return Err(error),
            }
        }
        let (power, product) = (class_means(aa, &class, classes, 1.0), class_means(ab, &class, classes, 1.0));
        for ((c, power), product) in covariance.iter_mut().zip(power).zip(product) {
            // Damped, and where the Gaussian sits on a maximum of the action it widens.
            let ratio = (-product / power * *c).max(0.25);
            *c /= ratio.sqrt();
        }
    }
    Ok(class.iter().map(|&c| covariance[c as usize]).collect())
}

/// The covariance of the target as reweighted draws of Gaussians tell it, one after the other: the law may be much wider
/// than its self-consistent Gaussian.
fn reweighted_covariance(action: &ActionRecord, (lattice, reach): (&Lattice, usize), seed: u64) -> Result<Vec<f64>> {
    let (class, classes) = covariance_classes(lattice, reach);
    let mut covariance = self_consistent_covariance(action, lattice, reach, seed)?;
    for round in 0..REWEIGHTINGS {
        let chain = FIRST_CHAIN - 1000 - round as u32;
        let drawn = Weighted::from_gaussian(&covariance, (lattice, reach), action, REWEIGHTED, (seed, chain))?;
        let powers = drawn.mode_powers(reach, drawn.power(0.05));
        let by_class = class_means(&powers, &class, classes, 1.0);
        covariance = class.iter().map(|&c| by_class[c as usize]).collect();
    }
    Ok(covariance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::independence_acceptance;
    use crate::train::AdamOptions;

    /// On 4x4: the gap equation of phi^4 in closed form, solved by iteration.
    #[test]
    fn self_consistent_gaussian_solves_the_gap_equation() {
        let lattice = Lattice::new(&[4, 4]).unwrap();
        let (kappa, lambda) = (0.24, 0.05);
        let found = self_consistent_covariance(&ActionRecord::phi4(kappa, lambda), &lattice, 1, 1).unwrap();
        let inverse = |square: f64, p: usize| {
            let cosines: f64 =
                lattice.coordinates(p).into_iter().map(|k| (std::f64::consts::FRAC_PI_2 * k as f64).cos()).sum();
            2.0 * (1.0 - 2.0 * lambda) + 12.0 * lambda * square - 4.0 * kappa * cosines
        };
        let mut square = 1.0;
        for _ in 0..200 {
            square = 0.5 * (square + (0..16).map(|p| 1.0 / inverse(square, p)).sum::<f64>() / 16.0);
        }
        for (p, c) in found.iter().enumerate() {
            // 512 fields of one real mode: 1 / sqrt(512) of 12 lambda <phi^2> C_p, at most 3 %; bound at 4 of them.
            assert!((c * inverse(square, p) - 1.0).abs() < 0.12, "{p}: {c} {}", 1.0 / inverse(square, p));
        }
    }

    #[test]
    fn weights_turn_a_wrong_gaussian_into_the_right_one() {
        let (lattice, free) = (Lattice::new(&[2, 2]).unwrap(), ActionRecord::phi4(0.1, 0.0));
        let drawn = Weighted::from_gaussian(&[0.9; 4], (&lattice, 1), &free, 40_000, (1, 5)).unwrap();
        let exact: Vec<f64> = [0.0, 1.0, 1.0, 2.0].iter().map(|k| 1.0 / (2.0 - 0.8 + 0.8 * k)).collect();
        // Standard error sqrt(2 / 40 000 / share), 0.9 %; bound at 5.
        for (found, exact) in drawn.mode_powers(1, 1.0).iter().zip(&exact) {
            assert!((found / exact - 1.0).abs() < 0.045, "{found} {exact}");
        }
        let data = drawn.resampled(40_000, 0.9, 1.0, 1).unwrap();
        for (class, exact) in data.covariance().unwrap().iter().zip([exact[0], exact[1], exact[3]]) {
            assert!((class / exact - 1.0).abs() < 0.045, "{class} {exact}");
        }
        let power = drawn.power(0.9);
        assert!((drawn.effective_share(power) - 0.9).abs() < 1e-6 && power < 1.0);
        assert_eq!(drawn.power(0.1), 1.0);
    }

    /// The whole way on 4x4 close to the transition, where the magnetisation has two peaks.
    #[test]
    fn a_model_without_data_is_accepted_and_has_both_signs() {
        let (lattice, action) = (Lattice::new(&[4, 4]).unwrap(), ActionRecord::phi4(0.27, 0.022));
        let adam = AdamOptions { warm_up: 50, average: 0.99, ..AdamOptions::default() };
        let train = TrainOptions { channels: vec![8, 12], embedding: 16, steps: 300, adam, ..TrainOptions::default() };
        let refine = RefineOptions { levels: 12, steps: 10, paths: 32, ..RefineOptions::default() };
        let options = DataFreeOptions {
            gaussian_draws: 20_000,
            rounds: 1,
            configurations: 4096,
            train,
            refine,
            ..Default::default()
        };
        let model = train_without_data(&action, &lattice, &options, &mut |_| true).unwrap().unwrap();
        let sampling = Sampling { levels: 12, seed: 2, threads: 1, chain: 9 };
        let drawn = Weighted::from_model(&model, &action, 1024, &sampling).unwrap();
        let acceptance = independence_acceptance(&drawn.log_weights).unwrap().value;
        let positive = drawn.fields.chunks(16).filter(|field| field.iter().sum::<f64>() > 0.0).count();
        // Half of 1024, standard deviation 16; bound at 5.
        assert!(acceptance > 0.6 && (432..592).contains(&positive), "{acceptance} {positive}");
        assert!(train_without_data(&action, &lattice, &options, &mut |_| false).unwrap().is_none());
    }
}
