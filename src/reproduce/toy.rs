//! The 0+0-dimensional toy (Wang, Aarts, Zhou, JHEP 05 (2024) 060, sec. 3.4): drift and effective action along
//! the process, from a trained network, against quadrature.

use super::sites;
use crate::action::{ActionRecord, ToyLaw};
use crate::analysis::{effective_action_flow, score_along, toy_action_flow};
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

/// The errors of `model` at ten times, even in the logarithm of the noise.
///
/// # Errors
/// What the model raises.
pub fn errors(mu2: f64, model: Arc<dyn Score>) -> Result<Vec<Row>> {
    let law = ToyLaw::new(mu2, G)?;
    let schedule = *model.schedule();
    let exact = Arc::new(ToyScore::new(Lattice::new(&[1])?, schedule, mu2, G)?);
    let (least, most) = (libm::log(model.smallest_noise()), libm::log(schedule.noise(1.0)));
    let variance = exact.covariance()[0];
    let (mut learned, mut truth) = (score_along(model.clone())?, score_along(exact)?);
    (0..10)
        .map(|row| {
            let time = schedule.time_of_noise(libm::exp(least + (most - least) * f64::from(row) / 9.0));
            let width = (schedule.signal(time).powi(2) * variance + schedule.variance(time)).sqrt();
            let at = |i: usize| width * (6.0 * i as f64 / (POINTS - 1) as f64 - 3.0);
            let all: Vec<f64> = (0..POINTS).map(at).collect();
            let heights = toy_action_flow(&law, &schedule, &[time], &all)?;
            let least = heights[0].iter().copied().fold(f64::INFINITY, f64::min);
            let populated = all.iter().zip(&heights[0]).filter(|&(_, height)| height - least < DEPTH);
            let points: Vec<f64> = populated.map(|(&point, _)| point).collect();
            let (mut found, mut expected) = (vec![0.0; points.len()], vec![0.0; points.len()]);
            learned(time, &points, &mut found)?;
            truth(time, &points, &mut expected)?;
            let actions = effective_action_flow(model.clone(), &[time], &points)?;
            let exact_actions = toy_action_flow(&law, &schedule, &[time], &points)?;
            let largest = |a: &[f64], b: &[f64]| a.iter().zip(b).fold(0.0, |m: f64, (a, b)| m.max((a - b).abs()));
            Ok(Row {
                time,
                noise: schedule.noise(time),
                score: width * largest(&found, &expected),
                action: largest(&actions[0], &exact_actions[0]),
            })
        })
        .collect()
}
