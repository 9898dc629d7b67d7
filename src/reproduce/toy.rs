//! The 0+0-dimensional toy (Wang, Aarts, Zhou, JHEP 05 (2024) 060, sec. 3.4): drift and effective action along
//! the process, from a trained network, against quadrature.

use super::sites;
use crate::action::{ActionRecord, ToyLaw};
use crate::analysis::{effective_action_flow, score_along, toy_action_flow};
use crate::diffusion::Schedule;
use crate::error::Result;
use crate::lattice::Lattice;
use crate::model::Model;
use crate::sampler::IndependentSampler;
use crate::score::{Score, ToyScore};
use crate::train::Progress;
use std::sync::Arc;

/// The quartic coupling of the paper.
pub const G: f64 = 0.4;
/// Points between -3 and 3 standard deviations of p_t at which score and action are compared, as far as p_t is above
/// exp(-DEPTH) of its maximum: beyond, no data ever were.
const POINTS: usize = 61;
const DEPTH: f64 = 8.0;

/// Errors at one time.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The time.
    pub time: f64,
    /// Its noise relative to the signal.
    pub noise: f64,
    /// Largest |s - exact| times the width sqrt(C + Xi) of p_t.
    pub score: f64,
    /// Largest |S_DM - exact|.
    pub action: f64,
}

/// Trains a network on `configurations` times [`sites::SITES`] draws of the toy.
///
/// # Errors
/// As [`sites::train`].
pub fn train(
    mu2: f64,
    configurations: usize,
    (steps, seed, threads): (u64, u64, usize),
    progress: impl FnMut(Progress),
) -> Result<Model> {
    let sampler = IndependentSampler::toy(sites::lattice(1)?, ToyLaw::new(mu2, G)?)?;
    let data = sites::draws(&sampler, configurations, seed)?;
    sites::train(data, Some(ActionRecord::toy(mu2, G)), (steps, seed, threads), progress)
}

/// Score and effective action at one time, learned and exact.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The time.
    pub time: f64,
    /// Its noise relative to the signal.
    pub noise: f64,
    /// The points.
    pub points: Vec<f64>,
    /// s at the points: learned, exact.
    pub score: [Vec<f64>; 2],
    /// S_DM at the points: learned, exact.
    pub action: [Vec<f64>; 2],
}

/// What `model` learned of the toy at `time` and `points`.
///
/// # Errors
/// As [`effective_action_flow`].
pub fn profile(mu2: f64, model: &Arc<dyn Score>, time: f64, points: &[f64]) -> Result<Profile> {
    let (law, schedule) = (ToyLaw::new(mu2, G)?, *model.schedule());
    let exact = Arc::new(ToyScore::new(Lattice::new(&[1])?, schedule, mu2, G)?);
    let (mut found, mut expected) = (vec![0.0; points.len()], vec![0.0; points.len()]);
    score_along(model.clone())?(time, points, &mut found)?;
    score_along(exact)?(time, points, &mut expected)?;
    let learned = effective_action_flow(model.clone(), &[time], points)?.swap_remove(0);
    let exact = toy_action_flow(&law, &schedule, &[time], points)?.swap_remove(0);
    let (points, noise) = (points.to_vec(), schedule.noise(time));
    Ok(Profile { time, noise, points, score: [found, expected], action: [learned, exact] })
}

/// `count` points where p_t of the toy is above exp(-DEPTH) of its maximum, among as many evenly between -`reach` and `reach`
/// standard deviations.
///
/// # Errors
/// As [`toy_action_flow`].
pub fn populated(mu2: f64, schedule: &Schedule, time: f64, (count, reach): (usize, f64)) -> Result<Vec<f64>> {
    let law = ToyLaw::new(mu2, G)?;
    let variance = law.moments(2)[1];
    let width = (schedule.signal(time).powi(2) * variance + schedule.variance(time)).sqrt();
    let all: Vec<f64> = (0..count).map(|i| width * reach * (2.0 * i as f64 / (count - 1) as f64 - 1.0)).collect();
    let heights = toy_action_flow(&law, schedule, &[time], &all)?.swap_remove(0);
    let least = heights.iter().copied().fold(f64::INFINITY, f64::min);
    Ok(all.into_iter().zip(heights).filter(|(_, height)| height - least < DEPTH).map(|(point, _)| point).collect())
}

/// The errors of `model` at ten times, even in the logarithm of the noise.
///
/// # Errors
/// What the model raises.
pub fn errors(mu2: f64, model: Arc<dyn Score>) -> Result<Vec<Row>> {
    let schedule = *model.schedule();
    let variance = ToyLaw::new(mu2, G)?.moments(2)[1];
    let (least, most) = (libm::log(model.smallest_noise()), libm::log(schedule.noise(1.0)));
    let at = |row: u32| {
        let time = schedule.time_of_noise(libm::exp(least + (most - least) * f64::from(row) / 9.0));
        let width = (schedule.signal(time).powi(2) * variance + schedule.variance(time)).sqrt();
        let points = populated(mu2, &schedule, time, (POINTS, 3.0))?;
        let Profile { noise, score, action, .. } = profile(mu2, &model, time, &points)?;
        let largest = |[a, b]: &[Vec<f64>; 2]| a.iter().zip(b).fold(0.0, |m: f64, (a, b)| m.max((a - b).abs()));
        Ok(Row { time, noise, score: width * largest(&score), action: largest(&action) })
    };
    (0..10).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_those_of_the_score_alone() {
        let schedule = Schedule::variance_expanding(25.0).unwrap();
        for mu2 in [1.0, -1.0] {
            let of = |g: f64| {
                let score = ToyScore::new(Lattice::new(&[1]).unwrap(), schedule, mu2, g).unwrap();
                errors(mu2, Arc::new(score)).unwrap()
            };
            let (exact, wrong) = (of(G), of(1.05 * G));
            assert!(exact.len() == 10 && exact.windows(2).all(|rows| rows[0].noise < rows[1].noise));
            assert!(exact.iter().all(|row| row.score < 1e-9 && row.action < 1e-8), "{exact:?}");
            // Noise hides the coupling.
            assert!(
                wrong[0].score > 0.02 && wrong[0].action > 0.02 && wrong[9].action < 0.2 * wrong[0].action,
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn a_profile_is_where_the_law_is() {
        let schedule = Schedule::variance_preserving(25.0).unwrap();
        let points = populated(-1.0, &schedule, 0.05, (121, 3.5)).unwrap();
        assert!(points.len() > 40 && points.len() < 121 && (points[0] + points[points.len() - 1]).abs() < 1e-9);
        let score: Arc<dyn Score> = Arc::new(ToyScore::new(Lattice::new(&[1]).unwrap(), schedule, -1.0, G).unwrap());
        let found = profile(-1.0, &score, 0.05, &points).unwrap();
        assert_eq!(found.points, points);
        // s = -dS/dx, by differences of the action.
        for i in 1..points.len() - 1 {
            let slope = (found.action[1][i + 1] - found.action[1][i - 1]) / (points[i + 1] - points[i - 1]);
            assert!((found.score[1][i] + slope).abs() < 0.05 * (1.0 + slope.abs()), "{} {slope}", found.score[1][i]);
        }
    }
}
