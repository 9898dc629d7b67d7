//! The effective action that a score model of one variable learned, S_DM(x, t) = -int_0^x s(y, t) dy, and the
//! exact one, -log p_t(x) + log p_t(0) (Wang, Aarts, Zhou, JHEP 05 (2024) 060, sec. 3.4; the sign of eq. 3.20 there
//! is corrected).

use super::fokker_planck::{Along, score_along};
use crate::action::ToyLaw;
use crate::diffusion::{Schedule, T_END};
use crate::error::{Error, Result, require_finite};
use crate::score::Score;
use std::sync::Arc;

/// Nodes and weights of the Gauss-Legendre rule of order 6 on \[0, 1\].
const RULE: [(f64, f64); 3] =
    [(0.112_701_665_379_258_31, 5.0 / 18.0), (0.5, 4.0 / 9.0), (0.887_298_334_620_741_7, 5.0 / 18.0)];
/// Longest panel, in units of the width of the process.
const PANEL: f64 = 0.02;

/// S_DM(x, t) for every time (outer) and every point (inner), by quadrature of the model's score: relative
/// error 1e-6 or better for scores that are smooth on a fiftieth of the width of p_t.
///
/// # Errors
/// [`Error::InvalidArgument`] for a model of more than one variable, or a time outside (0, 1]; [`Error::NotFinite`].
pub fn effective_action_flow(model: Arc<dyn Score>, times: &[f64], points: &[f64]) -> Result<Vec<Vec<f64>>> {
    require_finite("points", points)?;
    let (schedule, variance) = (*model.schedule(), model.covariance()[0]);
    let mut score = score_along(model)?;
    let at = |&time: &f64| {
        check_time(time)?;
        let width = (schedule.signal(time).powi(2) * variance + schedule.variance(time)).sqrt();
        integrate(time, points, PANEL * width, &mut *score)
    };
    times.iter().map(at).collect()
}

/// -log p_t(x) + log p_t(0) of the quartic toy model under `schedule`, for every time (outer) and point (inner), by
/// quadrature to about 1e-11. At time 0 this is s(x).
///
/// # Errors
/// [`Error::InvalidArgument`] for a time outside \[0, 1\].
pub fn toy_action_flow(law: &ToyLaw, schedule: &Schedule, times: &[f64], points: &[f64]) -> Result<Vec<Vec<f64>>> {
    let at = |&time: &f64| {
        if time != 0.0 {
            check_time(time)?;
        }
        let (signal, noise) = (schedule.signal(time), schedule.noise(time));
        let origin = law.log_smoothed(0.0, noise);
        Ok(points.iter().map(|x| origin - law.log_smoothed(x / signal, noise)).collect())
    };
    times.iter().map(at).collect()
}

/// -int_0^x of `score` for every point, panel by panel outward from 0.
fn integrate(time: f64, points: &[f64], panel: f64, score: &mut Along<'_>) -> Result<Vec<f64>> {
    let mut actions = vec![0.0; points.len()];
    for sign in [1.0, -1.0] {
        let mut order: Vec<usize> = (0..points.len()).filter(|&i| sign * points[i] > 0.0).collect();
        order.sort_by(|&i, &j| points[i].abs().total_cmp(&points[j].abs()));
        let (mut from, mut sum) = (0.0, 0.0);
        for i in order {
            sum -= interval(time, from, points[i], panel, score)?;
            actions[i] = sum;
            from = points[i];
        }
    }
    Ok(actions)
}

fn interval(time: f64, from: f64, to: f64, panel: f64, score: &mut Along<'_>) -> Result<f64> {
    let panels = ((to - from).abs() / panel).ceil().max(1.0) as usize;
    let length = (to - from) / panels as f64;
    let nodes: Vec<f64> =
        (0..panels).flat_map(|n| RULE.map(|(position, _)| from + length * (n as f64 + position))).collect();
    let mut scores = vec![0.0; nodes.len()];
    score(time, &nodes, &mut scores)?;
    let weighted = scores.iter().enumerate().map(|(n, s)| RULE[n % RULE.len()].1 * s);
    Ok(length * weighted.sum::<f64>())
}

fn check_time(time: f64) -> Result<()> {
    let inside = time > 0.0 && time <= T_END;
    if inside { Ok(()) } else { Err(Error::invalid("time", time, "a time in (0, 1]")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lattice::Lattice;
    use crate::score::{GaussianScore, ToyScore};

    #[test]
    fn the_exact_score_has_the_exact_action_at_ten_times() {
        // SQ sec. 3.4: mu2 = +1 and -1 at g = 0.4, sigma = 25.
        let times: Vec<f64> = (1..=10).map(|n| 0.1 * f64::from(n)).collect();
        let points: Vec<f64> = (-20..=20).map(|n| 0.4 * f64::from(n)).collect();
        for schedule in [Schedule::variance_expanding(25.0).unwrap(), Schedule::variance_preserving(25.0).unwrap()] {
            for mu2 in [1.0, -1.0] {
                let law = ToyLaw::new(mu2, 0.4).unwrap();
                let model = Arc::new(ToyScore::new(Lattice::new(&[1]).unwrap(), schedule, mu2, 0.4).unwrap());
                let learned = effective_action_flow(model, &times, &points).unwrap();
                let exact = toy_action_flow(&law, &schedule, &times, &points).unwrap();
                for ((learned, exact), time) in learned.iter().zip(&exact).zip(&times) {
                    for ((a, b), x) in learned.iter().zip(exact).zip(&points) {
                        assert!((a - b).abs() < 1e-8 * (1.0 + b.abs()), "mu2 {mu2}, t {time}, x {x}: {a} {b}");
                    }
                    assert_eq!((learned[20], exact[20]), (0.0, 0.0));
                }
                // The wells of mu2 = -1 fill up in time: S(4) rises from below 0.
                let bare = toy_action_flow(&law, &schedule, &[0.0], &points).unwrap();
                assert!(bare[0].iter().zip(&points).all(|(s, &x)| (s - law.action(x)).abs() < 1e-12 * (1.0 + s.abs())));
                assert_eq!(bare[0][30] < 0.0, mu2 < 0.0);
                assert!(exact[9][30] > 0.0);
            }
        }
    }

    #[test]
    fn a_gaussian_has_a_parabola_for_unsorted_points_of_both_signs() {
        let schedule = Schedule::variance_expanding(25.0).unwrap();
        let model = || Arc::new(GaussianScore::new(Lattice::new(&[1]).unwrap(), schedule, vec![2.0]).unwrap());
        let points = [3.0, -1.0, 0.0, 0.5, -7.0, 3.0];
        let found = effective_action_flow(model(), &[0.3], &points).unwrap();
        for (s, x) in found[0].iter().zip(points) {
            assert!((s - 0.5 * x * x / (2.0 + schedule.variance(0.3))).abs() < 1e-12 * (1.0 + x * x));
        }
        assert!(effective_action_flow(model(), &[0.0], &points).is_err());
        assert!(effective_action_flow(model(), &[0.5], &[f64::NAN]).is_err());
    }
}
