//! Closed forms first: Gaussians, mixtures, and the quartic toy model by quadrature.

use super::*;
use crate::action::{MixtureLaw, ToyLaw};
use crate::analysis::{forward_cumulants, mixture_moments};
use crate::lattice::Lattice;
use crate::score::{MixtureScore, ToyScore};

fn expanding() -> Schedule {
    Schedule::variance_expanding(25.0).unwrap()
}

fn preserving() -> Schedule {
    Schedule::variance_preserving(25.0).unwrap()
}

fn solver(schedule: Schedule, variance: f64, cells: usize, steps: usize) -> FokkerPlanck {
    FokkerPlanck::new(schedule, variance, FokkerPlanckOptions { cells, steps, reach: 8.0 }).unwrap()
}

fn normal(x: f64, mean: f64, variance: f64) -> f64 {
    (-(x - mean).powi(2) / (2.0 * variance)).exp() / (std::f64::consts::TAU * variance).sqrt()
}

#[test]
fn gaussians_spread_in_closed_form() {
    for schedule in [expanding(), preserving(), Schedule::interpolating(25.0, 0.2).unwrap()] {
        let error = |cells: usize, steps: usize| {
            let solver = solver(schedule, 1.0, cells, steps);
            let start = solver.density(0.0, |x| normal(x, 0.8, 0.3)).unwrap();
            let found = solver.forward(&start, &[0.15, 0.4]).unwrap();
            let distances = found.iter().map(|density| {
                assert!((density.mass() - 1.0).abs() < 1e-12, "mass {}", density.mass() - 1.0);
                let (f, xi) = (schedule.signal(density.time()), schedule.variance(density.time()));
                density.l1_distance(|x| normal(x, 0.8 * f, 0.3 * f * f + xi))
            });
            distances.collect::<Vec<_>>()
        };
        let (coarse, fine) = (error(250, 60), error(500, 120));
        for (coarse, fine) in coarse.iter().zip(&fine) {
            assert!(*fine < 6e-4 && (3.4..4.7).contains(&(coarse / fine)), "{schedule:?} {coarse} {fine}");
        }
    }
}

#[test]
fn forward_cumulants_follow_the_signal() {
    let law = MixtureLaw::two_peak(1.0, 0.25).unwrap();
    let start = crate::analysis::cumulants_of_moments(&mixture_moments(&law, 0, 8).unwrap());
    for schedule in [expanding(), preserving()] {
        let times = [0.05, 0.2, 0.4];
        let moments = |cells: usize, steps: usize| -> Vec<Vec<f64>> {
            let solver = solver(schedule, 1.0625, cells, steps);
            let density = solver.density(0.0, |x| law.log_smoothed(&[x], 0.0).exp()).unwrap();
            solver.forward(&density, &times).unwrap().iter().map(|density| density.moments(8)).collect()
        };
        let (coarse, fine) = (moments(1000, 400), moments(2000, 800));
        for ((coarse, fine), time) in coarse.iter().zip(&fine).zip(times) {
            let extrapolated: Vec<f64> = coarse.iter().zip(fine).map(|(c, f)| (4.0 * f - c) / 3.0).collect();
            let found = cumulants_of_moments(&extrapolated);
            let expected = forward_cumulants(&schedule, time, &start);
            // A cumulant is a difference of moments: its error is theirs, relative to the width.
            let width = expected[1].sqrt();
            for n in [2, 4, 6, 8] {
                let error = (found[n - 1] - expected[n - 1]).abs();
                let scale = (expected[n - 1].abs()).max(1e-3 * width.powi(n as i32));
                assert!(error < 1e-6 * scale, "{schedule:?} {time} kappa_{n}: {} {}", found[n - 1], expected[n - 1]);
            }
        }
    }
}

/// L1 distance from the law after the backward process with its exact score, from the Gaussian prior.
fn backward_error(model: Arc<dyn Score>, law: impl Fn(f64) -> f64, cells: usize, steps: usize) -> f64 {
    let (schedule, variance) = (*model.schedule(), model.covariance()[0]);
    let solver = solver(schedule, variance, cells, steps);
    let last = schedule.signal(1.0).powi(2) * variance + schedule.variance(1.0);
    let prior = solver.density(1.0, |x| normal(x, 0.0, last)).unwrap();
    let mut score = score_along(model).unwrap();
    let found = solver.backward(&prior, &[0.5, 0.0], &mut *score).unwrap();
    assert!((found[1].mass() - 1.0).abs() < 1e-12, "mass {}", found[1].mass() - 1.0);
    found[1].l1_distance(law)
}

#[test]
fn the_backward_process_returns_the_data() {
    let point = || Lattice::new(&[1]).unwrap();
    let peaks = MixtureLaw::two_peak(1.0, 0.25).unwrap();
    let quartic = |mu2: f64| ToyLaw::new(mu2, 0.4).unwrap();
    for schedule in [expanding(), preserving()] {
        let two = |cells: usize, steps: usize| {
            let model = Arc::new(MixtureScore::two_peak(point(), schedule, 1.0, 0.25).unwrap());
            backward_error(model, |x| peaks.log_smoothed(&[x], 0.0).exp(), cells, steps)
        };
        let (coarse, fine) = (two(400, 200), two(800, 400));
        // The prior is Gaussian and the smoothed data nearly so: no plateau shows at this resolution.
        assert!(fine < 7e-4 && (3.4..4.7).contains(&(coarse / fine)), "{coarse} {fine}");
        // Nearly Gaussian throughout at mu2 = 1, two wells at mu2 = -1.
        for (mu2, bound) in [(1.0, 5e-5), (-1.0, 4e-3)] {
            let law = quartic(mu2);
            let model = Arc::new(ToyScore::new(point(), schedule, mu2, 0.4).unwrap());
            let log_partition = law.log_partition();
            let error = |cells: usize, steps: usize| {
                backward_error(model.clone(), |x| (-law.action(x) - log_partition).exp(), cells, steps)
            };
            let (coarse, fine) = (error(200, 100), error(400, 200));
            assert!(fine < bound && coarse / fine > 3.0, "mu2 = {mu2}: {coarse} {fine}");
        }
    }
}

#[test]
fn a_wrong_score_does_not_return_the_data() {
    let law = MixtureLaw::two_peak(1.0, 0.25).unwrap();
    let solver = solver(expanding(), 1.0625, 400, 200);
    let prior = solver.density(1.0, |x| normal(x, 0.0, 1.0625 + expanding().variance(1.0))).unwrap();
    let mut exact =
        score_along(Arc::new(MixtureScore::two_peak(Lattice::new(&[1]).unwrap(), expanding(), 1.0, 0.25).unwrap()))
            .unwrap();
    let mut weak = |time: f64, phi: &[f64], score: &mut [f64]| {
        exact(time, phi, score)?;
        score.iter_mut().for_each(|s| *s *= 0.9);
        Ok(())
    };
    let found = solver.backward(&prior, &[0.0], &mut weak).unwrap();
    assert!(found[0].l1_distance(|x| law.log_smoothed(&[x], 0.0).exp()) > 0.02);
}

#[test]
fn impossible_requests_are_refused() {
    let good = solver(expanding(), 1.0, 50, 10);
    let start = good.density(0.5, |x| normal(x, 0.0, 1.0)).unwrap();
    assert!(good.forward(&start, &[0.6, 0.55]).is_err() && good.forward(&start, &[1.5]).is_err());
    assert!(solver(expanding(), 1.0, 60, 10).forward(&start, &[0.6]).is_err());
    assert!(solver(expanding(), 2.0, 50, 10).forward(&start, &[0.6]).is_err());
    assert!(good.density(0.0, |_| 0.0).is_err() && good.density(0.0, |_| f64::NAN).is_err());
    let nan = &mut |_: f64, _: &[f64], drift: &mut [f64]| {
        drift.fill(f64::NAN);
        Ok(())
    };
    assert!(matches!(good.evolve(&start, &[0.6], nan), Err(Error::NotFinite { .. })));
    for options in [(2, 10, 8.0), (50, 0, 8.0), (50, 10, f64::NAN)] {
        let (cells, steps, reach) = options;
        assert!(FokkerPlanck::new(expanding(), 1.0, FokkerPlanckOptions { cells, steps, reach }).is_err());
    }
    let pair = MixtureScore::two_peak(Lattice::new(&[2]).unwrap(), expanding(), 1.0, 0.25).unwrap();
    assert!(score_along(Arc::new(pair)).is_err());
}
