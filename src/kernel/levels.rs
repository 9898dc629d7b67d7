//! Which noise levels a path visits: the choices that a user has.

use super::process::PathProcess;
use crate::diffusion::{equalised_levels, linear_levels};
use crate::error::{Error, Result};
use crate::rng::{MAX_CHAIN, Stream};
use crate::score::{Score, geometric_times, optimal_times};
use std::sync::Arc;

/// How the times of a path are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grid {
    /// Least divergence of the path as predicted from the model's measured errors: a shortest path over
    /// a fine grid (`diffusion::optimal_levels`). The best where a model knows its errors.
    #[default]
    Optimal,
    /// Geometric in the noise, from the least noise of the model to the last time.
    Geometric,
    /// Equal steps of time.
    Linear,
    /// From a short pilot run on geometric levels: every step gets an equal share of what log w varies
    /// by beyond a Gaussian theory. Needs nothing measured in advance.
    Pilot,
}

/// Paths of a pilot run.
const PILOT_PATHS: u64 = 64;

impl Grid {
    /// The `count` times up to `last`, ascending. A pilot run draws from a chain number that is reserved
    /// for it, so it disturbs nothing; the times are the same for all chains of a seed.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for impossible levels, and what the evaluator returns.
    pub fn times(self, score: &Arc<dyn Score>, count: usize, last: f64, seed: u64, threads: usize) -> Result<Vec<f64>> {
        match self {
            Grid::Optimal => optimal_times(&**score, count, last),
            Grid::Geometric => geometric_times(&**score, count, last),
            Grid::Linear => linear_levels(score.schedule(), last, count),
            Grid::Pilot => pilot(score, &geometric_times(&**score, count, last)?, seed, threads),
        }
    }
}

fn pilot(score: &Arc<dyn Score>, times: &[f64], seed: u64, threads: usize) -> Result<Vec<f64>> {
    let paths = PILOT_PATHS as usize;
    let mut process = PathProcess::new(score.clone(), times, true, paths, threads)?;
    let streams = (0..PILOT_PATHS).map(|path| Stream::new(seed, MAX_CHAIN, path)).collect::<Result<Vec<_>>>()?;
    let mut contributions = vec![0.0; times.len()];
    let (mut fields, mut log_ratio) = (vec![0.0; paths * score.lattice().values()], vec![0.0; paths]);
    process.increments(&**score, &streams, &mut fields, &mut log_ratio, |step| {
        let mean = step.excess.iter().sum::<f64>() / paths as f64;
        let squares = step.excess.iter().map(|change| (change - mean).powi(2));
        contributions[step.index] = squares.sum::<f64>() / (paths - 1) as f64;
    })?;
    if contributions.iter().any(|value| !value.is_finite()) {
        let value = "log weights that are not finite";
        return Err(Error::invalid("pilot run", value, "a model whose paths have finite weights; use other levels"));
    }
    // What a step varies by is one smooth change of the weight: its variance goes as the square of the step.
    equalised_levels(score.schedule(), times, &contributions, 2.0, times.len())
}
