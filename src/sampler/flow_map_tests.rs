use super::*;
use crate::diffusion::{Schedule, geometric_levels};
use crate::lattice::Lattice;
use crate::sampler::test_scores::TwoPeaks;
use crate::score::GaussianScore;

fn expanding() -> Schedule {
    Schedule::variance_expanding(25.0).unwrap()
}

fn map(score: &Arc<TwoPeaks>, levels: usize) -> FlowMap {
    let times = geometric_levels(&score.schedule, 0.2, 1.0, levels).unwrap();
    FlowMap::new(score.clone(), &times).unwrap()
}

/// int dx q(x) by the trapezoidal rule, and the mean square difference of log q from log p.
fn integrate(map: &mut FlowMap, score: &TwoPeaks) -> (f64, f64) {
    let (cells, end) = (8000, 8.0);
    let width = 2.0 * end / cells as f64;
    let (mut mass, mut difference) = (0.0, 0.0);
    for cell in 0..=cells {
        let x = [-end + width * cell as f64];
        if let Some(log_q) = map.log_density(&x).unwrap() {
            let q = log_q.exp();
            mass += width * q;
            difference += width * q * (log_q - score.log_density(0.0, &x)).powi(2);
        }
    }
    (mass, difference)
}

/// The exactness check: the density belongs to the discrete map, not to the flow that it approximates. Three steps
/// are so coarse that log q differs from that of the continuous flow by far more than the bound.
#[test]
fn density_of_three_steps_integrates_to_one() {
    for schedule in [expanding(), Schedule::variance_preserving(5.0).unwrap()] {
        let score = Arc::new(TwoPeaks::new(&[1], schedule, 0.8, 0.6));
        for levels in [3, 4, 9] {
            let (mass, difference) = integrate(&mut map(&score, levels), &score);
            println!("{levels} levels: mass {mass:.10}, mean square of log q - log p {difference:.2e}");
            assert!((mass - 1.0).abs() < 1e-8, "{levels}: {mass}");
            assert!(levels > 3 || difference > 1e-4, "the steps are not coarse: {difference}");
        }
    }
}

/// Sharp peaks and few steps: no unique midpoint for part of the noise. What is refused is what is missing.
#[test]
fn mass_that_is_missing_is_noise_that_is_refused() {
    let score = Arc::new(TwoPeaks::new(&[1], expanding(), 1.0, 0.1));
    let mut map = map(&score, 3);
    let (mass, _) = integrate(&mut map, &score);
    let draws = 4000;
    let refused = (0..draws)
        .filter(|&step| map.generate(&Stream::new(5, 0, step).unwrap(), &mut [0.0]).unwrap().is_none())
        .count() as f64;
    let expected = draws as f64 * (1.0 - mass);
    println!("mass {mass}, refused {refused} of {draws}, expected {expected}");
    // Binomial; 4.5 standard deviations (false alarm 7e-6), seed fixed. Quadrature is limited by the edges.
    assert!((refused - expected).abs() < 4.5 * expected.sqrt() + 2.0 && refused > 20.0, "{refused} {expected}");
}

#[test]
fn generated_density_is_that_of_the_inverse() {
    for (extents, tilt) in [(&[1][..], 0.0), (&[4], 0.5), (&[3, 4], 0.3)] {
        let mut score = TwoPeaks::new(extents, expanding(), 0.8, 0.5);
        // A covariance that is not that of the data couples the sites in the coordinates of the flow.
        let lattice = score.lattice.clone();
        for (p, c) in score.covariance.iter_mut().enumerate() {
            let momenta = lattice.coordinates(p).into_iter().zip(lattice.extents());
            let cosines = momenta.map(|(k, &n)| (std::f64::consts::TAU * k as f64 / n as f64).cos());
            *c *= 1.0 + tilt * cosines.sum::<f64>() / lattice.rank() as f64;
        }
        let score = Arc::new(score);
        let mut map = map(&score, 12);
        let mut field = vec![0.0; lattice.values()];
        let (mut found, mut spread) = (0, 0.0);
        for step in 0..30 {
            let Some(log_q) = map.generate(&Stream::new(5, 1, step).unwrap(), &mut field).unwrap() else { continue };
            let inverse = map.log_density(&field).unwrap().unwrap();
            assert!((log_q - inverse).abs() < 1e-8, "{extents:?}: {log_q} {inverse}");
            found += 1;
            spread += (log_q - score.log_density(0.0, &field)).powi(2);
        }
        println!("{extents:?}: {found} of 30, {} evaluations, mean square {}", map.evaluations(), spread / 30.0);
        // 12 steps are near the flow: the weight is known not only to be exact but to be good.
        assert!(found >= 28 && spread / 30.0 < 0.05 * lattice.values() as f64);
    }
}

#[test]
fn free_field_is_drawn_in_one_step() {
    let lattice = Lattice::new(&[4, 4]).unwrap();
    let score = Arc::new(GaussianScore::free_field(lattice.clone(), expanding(), 0.2).unwrap());
    let mut map = FlowMap::new(score.clone(), &[1.0]).unwrap();
    let mut field = vec![0.0; 16];
    let log_q = map.generate(&Stream::new(1, 0, 0).unwrap(), &mut field).unwrap().unwrap();
    let precision: Vec<f64> = score.covariance().iter().map(|c| 1.0 / c).collect();
    let logs: f64 = score.covariance().iter().map(|c| (std::f64::consts::TAU * c).ln()).sum();
    let exact = -0.5 * (logs + crate::fourier::LatticeFourier::new(&lattice).quadratic_form(&field, &precision));
    assert!((log_q - exact).abs() < 1e-11, "{log_q} {exact}");
    assert!(FlowMap::new(score.clone(), &[0.5, 0.4]).is_err() && FlowMap::new(score, &[]).is_err());
    assert!(map.log_density(&[0.0; 3]).is_err() && map.log_density(&[f64::NAN; 16]).is_err());
}
