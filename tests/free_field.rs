//! The free field, lambda = 0: with its exact score, log w = log r - S is the constant log Z at any
//! number of levels, and paths end in the exact law.

mod common;

use std::sync::Arc;
use stoq::action::{Action, Phi4};
use stoq::diffusion::{Schedule, geometric_levels};
use stoq::fourier::{LatticeFourier, momentum_classes};
use stoq::kernel::{Chain, ChainOptions, Kernel, Outcome, PathProcess};
use stoq::lattice::Lattice;
use stoq::rng::Stream;
use stoq::score::{GaussianScore, Score};

/// Extents and kappa of ranks 1, 2 and 3.
const LATTICES: [(&[usize], f64); 3] = [(&[16], 0.3), (&[8, 8], 0.2), (&[4, 4, 6], 0.13)];
const LEVELS: [usize; 4] = [1, 2, 5, 40];
const PROPOSALS: usize = 64;

fn free_field(extents: &[usize], kappa: f64) -> (Phi4, Arc<GaussianScore>) {
    let lattice = Lattice::new(extents).unwrap();
    let action = Phi4::new(&lattice, kappa, 0.0).unwrap();
    let schedule = Schedule::variance_expanding(25.0).unwrap();
    (action, Arc::new(GaussianScore::free_field(lattice, schedule, kappa).unwrap()))
}

/// log Z = 1/2 sum_p log(2 pi / (2 - 4 kappa sum_mu cos p_mu)), written out once more.
fn log_partition_function(extents: &[usize], kappa: f64) -> f64 {
    let lattice = Lattice::new(extents).unwrap();
    let mode = |p: usize| {
        let momenta = lattice.coordinates(p).into_iter().zip(extents);
        let cosines: f64 = momenta.map(|(k, &n)| (std::f64::consts::TAU * k as f64 / n as f64).cos()).sum();
        0.5 * (std::f64::consts::TAU / (2.0 - 4.0 * kappa * cosines)).ln()
    };
    (0..lattice.sites()).map(mode).sum()
}

fn path_process(score: &Arc<GaussianScore>, levels: usize) -> PathProcess {
    let times = geometric_levels(score.schedule(), score.smallest_noise(), 1.0, levels).unwrap();
    PathProcess::new(score.clone(), &times, true, PROPOSALS, 1).unwrap()
}

fn streams(count: usize) -> Vec<Stream> {
    (0..count as u64).map(|step| Stream::new(3, 0, step).unwrap()).collect()
}

/// Mean and standard deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt())
}

fn assert_constant(what: &str, log_weights: &[f64], expected: f64, sites: usize) {
    let (mean, deviation) = moments(log_weights);
    println!("{what}: log w {mean:.12} (log Z {expected:.12}), standard deviation {deviation:.1e}");
    assert!(deviation < 1e-9 * sites as f64, "{what}: {deviation}");
    assert!((mean / expected - 1.0).abs() < 1e-9, "{what}: {mean}, expected {expected}");
}

#[test]
fn generated_paths_weigh_the_partition_function_at_any_number_of_levels() {
    for (extents, kappa) in LATTICES {
        let (mut action, score) = free_field(extents, kappa);
        let sites = score.lattice().sites();
        let expected = log_partition_function(extents, kappa);
        for levels in LEVELS {
            let (mut fields, mut log_weights) = (vec![0.0; PROPOSALS * sites], vec![0.0; PROPOSALS]);
            path_process(&score, levels).generate(&streams(PROPOSALS), &mut fields, &mut log_weights).unwrap();
            for (log_weight, field) in log_weights.iter_mut().zip(fields.chunks_exact(sites)) {
                *log_weight -= action.action(field).unwrap();
            }
            assert_constant(&format!("{extents:?}, {levels} levels"), &log_weights, expected, sites);
        }
    }
}

/// The same number from the other direction, for fields that are not typical at all: the identity
/// holds density by density.
#[test]
fn forward_paths_of_any_field_weigh_the_same() {
    for (extents, kappa) in LATTICES {
        let (mut action, score) = free_field(extents, kappa);
        let sites = score.lattice().sites();
        for levels in LEVELS {
            let mut process = path_process(&score, levels);
            let mut last = vec![0.0; sites];
            let weigh = |(index, stream): (usize, &Stream)| {
                let mut field = common::hot_start(sites, 8, index as u32);
                field.iter_mut().for_each(|x| *x = *x * (1.0 + index as f64 / 16.0) + (index % 3) as f64);
                process.renoise(stream, &field, &mut last).unwrap() - action.action(&field).unwrap()
            };
            let log_weights: Vec<f64> = streams(PROPOSALS).iter().enumerate().map(weigh).collect();
            let what = format!("{extents:?}, {levels} levels, forward");
            assert_constant(&what, &log_weights, log_partition_function(extents, kappa), sites);
        }
    }
}

/// Through the chain, with the levels that it chooses: log Hastings ratio = Delta S, every proposal accepted.
#[test]
fn both_kernels_accept_every_proposal() {
    for (extents, kappa) in LATTICES {
        let (mut action, score) = free_field(extents, kappa);
        let sites = score.lattice().sites();
        let kernels = [Kernel::Path, Kernel::Renoise { time: 0.02 }, Kernel::Renoise { time: 0.5 }];
        for (levels, kernel) in LEVELS.into_iter().flat_map(|levels| kernels.map(|kernel| (levels, kernel))) {
            let options = ChainOptions { kernel, levels, ..ChainOptions::default() };
            let mut chain = Chain::new(score.clone(), options).unwrap();
            let mut field = common::hot_start(sites, 4, 0);
            for _ in 0..PROPOSALS {
                let before = action.action(&field).unwrap();
                let (proposal, log_ratio) = chain.propose(&field).unwrap();
                let delta = action.action(proposal).unwrap() - before;
                let difference = (log_ratio - delta).abs();
                assert!(difference < 1e-9 * sites as f64, "{extents:?} {kernel:?} {levels} levels: {difference}");
                // The rounding error itself decides in one of 10^9 cases.
                assert_eq!(chain.resolve(delta).unwrap(), Outcome::Accepted);
                field.copy_from_slice(chain.proposal());
            }
        }
    }
}

/// z of the chi-square over momentum classes of sum |phi_p|^2 / C_p, which for `count` independent
/// fields has a chi-square law with count * (momenta of the class) degrees of freedom.
fn propagator_z(score: &GaussianScore, fields: &[f64], covariance: &[f64]) -> f64 {
    let lattice = score.lattice();
    let (sites, count) = (lattice.sites(), (fields.len() / lattice.sites()) as f64);
    let mut power = vec![0.0; sites];
    let mut fourier = LatticeFourier::new(lattice);
    fields.chunks_exact(sites).for_each(|field| fourier.accumulate_power(field, &mut power));
    let (class, classes) = momentum_classes(lattice);
    let mut sums = vec![(0.0, 0.0); classes];
    for ((power, c), &class) in power.iter().zip(covariance).zip(&class) {
        sums[class as usize].0 += power / c;
        sums[class as usize].1 += count;
    }
    let chi_square: f64 = sums.iter().map(|(sum, freedom)| (sum - freedom).powi(2) / (2.0 * freedom)).sum();
    // Wilson and Hilferty, PNAS 17 (1931) 684: the cube root of a chi-square is close to normal.
    let width = 2.0 / (9.0 * classes as f64);
    ((chi_square / classes as f64).cbrt() - (1.0 - width)) / width.sqrt()
}

#[test]
fn paths_end_with_the_exact_propagator() {
    for (extents, kappa) in LATTICES {
        let (_, score) = free_field(extents, kappa);
        let sites = score.lattice().sites();
        for levels in LEVELS {
            let mut process = path_process(&score, levels);
            let mut fields = vec![0.0; 8192 * sites];
            for (streams, fields) in streams(8192).chunks(PROPOSALS).zip(fields.chunks_mut(PROPOSALS * sites)) {
                process.generate(streams, fields, &mut [0.0; PROPOSALS]).unwrap();
            }
            let z = propagator_z(&score, &fields, score.covariance());
            println!("{extents:?}, {levels} levels: z of the propagator {z:+.2}");
            // Twelve one-sided comparisons at 4 sigma: false alarm 4e-4 in all, and the seed is fixed.
            assert!(z < 4.0, "{extents:?}, {levels} levels: z = {z}");
            // The test has the power to see a change of kappa by one in 10.
            let other = GaussianScore::free_field(score.lattice().clone(), *score.schedule(), kappa * 1.1);
            let z = propagator_z(&score, &fields, other.unwrap().covariance());
            assert!(z > 4.0, "{extents:?}, {levels} levels: a wrong kappa goes unnoticed, z = {z}");
        }
    }
}
