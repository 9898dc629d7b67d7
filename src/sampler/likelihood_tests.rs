use super::*;
use crate::fourier::LatticeFourier;
use crate::lattice::Lattice;
use crate::sampler::test_scores::{Claiming, TwoPeaks};
use crate::score::GaussianScore;

fn expanding() -> Schedule {
    Schedule::variance_expanding(25.0).unwrap()
}

fn preserving() -> Schedule {
    Schedule::variance_preserving(25.0).unwrap()
}

fn stream(step: u64) -> Stream {
    Stream::new(11, 0, step).unwrap()
}

fn options(coordinates: Coordinates, divergence: Divergence) -> LikelihoodOptions {
    LikelihoodOptions { coordinates, divergence, ..Default::default() }
}

/// Not typical on purpose: the formula holds for every field.
fn field(values: usize) -> Vec<f64> {
    let mut field = vec![0.0; values];
    stream(1).normals(Purpose::Start, 0, &mut field);
    field.iter_mut().for_each(|x| *x = 1.3 * *x + 0.2);
    field
}

/// log q = -1/2 sum_p \[ln(2 pi C_p) + |phi_p|^2 / C_p\].
fn gaussian_log_density(lattice: &Lattice, covariance: &[f64], field: &[f64]) -> f64 {
    let precision: Vec<f64> = covariance.iter().map(|c| 1.0 / c).collect();
    let logs: f64 = covariance.iter().map(|c| (std::f64::consts::TAU * c).ln()).sum();
    -0.5 * (logs + LatticeFourier::new(lattice).quadratic_form(field, &precision))
}

fn free_field(extents: &[usize], kappa: f64, schedule: Schedule) -> Arc<GaussianScore> {
    Arc::new(GaussianScore::free_field(Lattice::new(extents).unwrap(), schedule, kappa).unwrap())
}

const LATTICES: [(&[usize], f64); 3] = [(&[12], 0.3), (&[16, 16], 0.2), (&[3, 4, 4], 0.13)];

fn one(score: Arc<dyn Score>, options: LikelihoodOptions, field: &[f64]) -> LogDensity {
    Likelihood::new(score, options, 1).unwrap().log_densities(&[stream(2)], field).unwrap()[0]
}

#[test]
fn free_field_density_is_the_closed_form_in_plain_coordinates() {
    for ((extents, kappa), schedule) in LATTICES.into_iter().flat_map(|l| [(l, expanding()), (l, preserving())]) {
        let score = free_field(extents, kappa, schedule);
        let field = field(score.lattice().values());
        let exact = gaussian_log_density(score.lattice(), score.covariance(), &field);
        let found = one(score, options(Coordinates::Plain, Divergence::Exact), &field);
        println!("{extents:?}: {found:?}, exact {exact}");
        assert!((found.value / exact - 1.0).abs() < 1e-6, "{extents:?}: {} {exact}", found.value);
        assert_eq!(found.error, 0.0);
    }
}

#[test]
fn free_field_density_takes_no_work_in_whitened_coordinates() {
    for ((extents, kappa), schedule) in LATTICES.into_iter().flat_map(|l| [(l, expanding()), (l, preserving())]) {
        let score = free_field(extents, kappa, schedule);
        let field = field(score.lattice().values());
        let exact = gaussian_log_density(score.lattice(), score.covariance(), &field);
        for divergence in [Divergence::Exact, Divergence::Hutchinson { probes: 2 }] {
            let found = one(score.clone(), options(Coordinates::Whitened, divergence), &field);
            println!("{extents:?}: {found:?}, exact {exact}");
            assert!((found.value / exact - 1.0).abs() < 1e-10, "{extents:?}: {} {exact}", found.value);
            assert!(found.evaluations < 100 && found.error < 1e-9);
        }
    }
}

#[test]
fn whitened_coordinates_of_another_covariance_give_the_same_density() {
    // The prior at T belongs to the claimed covariance: for its difference to vanish all signal must be gone.
    let score = free_field(&[6, 6], 0.2, preserving());
    let field = field(36);
    let exact = gaussian_log_density(score.lattice(), score.covariance(), &field);
    let covariance = score.covariance().iter().map(|c| 0.4 * c.sqrt() + 0.3).collect();
    let wrong = Arc::new(Claiming { score, covariance });
    let found = one(wrong, options(Coordinates::Whitened, Divergence::Exact), &field);
    println!("{found:?}, exact {exact}");
    assert!((found.value / exact - 1.0).abs() < 1e-6, "{} {exact}", found.value);
}

#[test]
fn probes_agree_with_the_trace_within_their_error() {
    let score = free_field(&[8, 8], 0.2, expanding());
    let field = field(64);
    let exact = gaussian_log_density(score.lattice(), score.covariance(), &field);
    let plain = options(Coordinates::Plain, Divergence::Hutchinson { probes: 10 });
    let streams: Vec<Stream> = (0..40).map(stream).collect();
    let mut likelihood = Likelihood::new(score, plain, 2).unwrap();
    let found = likelihood.log_densities(&streams, &field.repeat(40)).unwrap();
    // (value - exact)/error follows Student's law of 9 degrees of freedom: variance 9/7, fourth moment
    // 3 (9/7)^2 7/5; the mean of its square over 40 has standard deviation 0.36 and is bounded at 4 of them.
    let squares: f64 = found.iter().map(|f| ((f.value - exact) / f.error).powi(2)).sum();
    println!("mean square {} first {:?} exact {exact}", squares / 40.0, found[0]);
    assert!((squares / 40.0 - 9.0 / 7.0).abs() < 4.0 * 0.36 && found[0].error > 0.01);
    // One configuration alone, on one thread: the same bits.
    let again = likelihood.log_densities(&streams[..1], &field).unwrap();
    assert_eq!(again[0], found[0]);
}

#[test]
fn two_peaks_have_their_exact_density() {
    // At the end of both schemes the fourth cumulant is below 4e-10: the Gaussian prior misses nothing.
    for schedule in [Schedule::variance_expanding(1000.0).unwrap(), preserving()] {
        let score = Arc::new(TwoPeaks::new(&[1], schedule, 1.0, 0.25));
        for x in [-2.0, -1.1, -0.3, 0.01, 0.6, 1.5] {
            for coordinates in [Coordinates::Plain, Coordinates::Whitened] {
                let found = one(score.clone(), options(coordinates, Divergence::Exact), &[x]);
                let exact = score.log_density(0.0, &[x]);
                println!("{coordinates:?} {x}: {found:?} exact {exact}");
                assert!((found.value - exact).abs() < 1e-6, "{coordinates:?} {x}: {} {exact}", found.value);
            }
        }
    }
}

#[test]
fn a_flow_that_starts_at_small_noise_is_off_by_its_square() {
    let score = Arc::new(TwoPeaks::new(&[1], preserving(), 1.0, 0.25));
    for coordinates in [Coordinates::Plain, Coordinates::Whitened] {
        let from = |smallest_noise| {
            let options = LikelihoodOptions { smallest_noise, ..options(coordinates, Divergence::Exact) };
            one(score.clone(), options, &[0.6]).value
        };
        let (wide, narrow) = (from(0.02) - from(0.0), from(0.01) - from(0.0));
        assert!((wide / narrow - 4.0).abs() < 0.05 && wide.abs() > 1e-4, "{coordinates:?} {wide} {narrow}");
    }
}

#[test]
fn impossible_options_are_refused() {
    let score = free_field(&[4], 0.2, expanding());
    for bad in [
        LikelihoodOptions { tolerance: 0.0, ..Default::default() },
        LikelihoodOptions { smallest_noise: 1e9, ..Default::default() },
        LikelihoodOptions { smallest_noise: -0.1, ..Default::default() },
        LikelihoodOptions { divergence: Divergence::Hutchinson { probes: 0 }, ..Default::default() },
    ] {
        assert!(Likelihood::new(score.clone(), bad, 1).is_err(), "{bad:?}");
    }
    let mut likelihood = Likelihood::new(score, LikelihoodOptions::default(), 1).unwrap();
    assert!(likelihood.log_densities(&[stream(0)], &[0.0; 3]).is_err());
    assert!(likelihood.log_densities(&[stream(0)], &[0.0, f64::NAN, 0.0, 0.0]).is_err());
}
