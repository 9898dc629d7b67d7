//! Where along the noise levels the variance of log w is made.
//!
//! For the exact score and infinitesimal steps log w is a constant. Otherwise log w = sum_n d_n + constant over the
//! steps n, from noise a to b, of
//!
//!   d_n = log F(x_a|x_b) - log B(x_b|x_a) - log p_a(x_a) + log p_b(x_b),
//!
//! with the marginal densities p_t of the forward process from exp(-S)/Z: what one step adds to the ratio of the
//! densities of the forward and the generated path. exp of the partial sums from above is a martingale of the generated
//! path, so that to leading order the d_n are uncorrelated and
//!
//!   v_n = Cov(d_n, log w),   sum_n v_n = Var(log w)   (exactly, whatever stands for p_t)
//!
//! is the variance that step n makes. Raw increments, without the p_t, would add up to the same; but what they hand from
//! step to step is larger than the answer by orders of magnitude.
//!
//! p_t is the Gaussian g_t of the model's covariance times exp(h_t), where h_0 = -S - log g_0 is known, h is zero at the last
//! time (so the first step also answers for the prior), and h_t in between is the conditional expectation of
//! what the path still adds: by the martingale property E\[sum of the later d | x_t\] = 0 to leading order. It is fitted
//! by least squares on a few features of the state: -2 log g_t, and of the denoised field the moments of its mean
//! and of its sites.

use super::process::{Increments, PathProcess};
use super::proposals::diagnostic_streams;
use crate::action::{Action, finite_action};
use crate::analysis::jackknife::jackknife;
use crate::error::{Error, Result};
use crate::linear;
use crate::score::Score;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Paths walked together.
const BATCH: usize = 64;
/// Bins of the jackknife, and fewest paths.
const BINS: usize = 32;
/// What h is fitted on.
const FEATURES: usize = 6;

/// The share of one noise level in Var(log w).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelVariance {
    /// ln sigma, sigma the noise relative to the signal at which the step evaluates the network.
    pub log_noise: f64,
    /// v_n; it can be negative where it is small.
    pub value: f64,
    /// Its jackknife error.
    pub error: f64,
}

/// v_n for every step of paths over `times`, noise ascending; their sum is the sample variance of log w of these
/// `paths` paths. They are the first proposals of [`super::weighted_proposals`] for the same seed. A path that ends without
/// an action has weight zero, and is left out. Costs one evaluation a path and level.
///
/// # Errors
/// [`Error::InvalidArgument`] for fewer than 128 paths with an action; [`Error::NotFinite`] for a log weight that
/// is not; as [`PathProcess::new`].
pub fn variance_by_level(
    score: &Arc<dyn Score>,
    action: &mut dyn Action,
    times: &[f64],
    paths: usize,
    (seed, threads): (u64, usize),
) -> Result<Vec<LevelVariance>> {
    let values = score.lattice().values();
    let mut process = PathProcess::new(score.clone(), times, true, BATCH, threads)?;
    let mut walked = Walked::new(times.len(), score.lattice().sites());
    let (mut fields, mut ratios) = (vec![0.0; BATCH * values], vec![0.0; BATCH]);
    for first in (0..paths).step_by(BATCH) {
        let count = BATCH.min(paths - first);
        let streams = diagnostic_streams(seed, first, count)?;
        let (fields, ratios) = (&mut fields[..count * values], &mut ratios[..count]);
        process.increments(&**score, &streams, fields, ratios, |step| walked.add(step, values))?;
        for (field, &ratio) in fields.chunks_exact(values).zip(ratios.iter()) {
            walked.log_weights.push(finite_action(action, field)?.map_or(f64::NEG_INFINITY, |s| ratio - s));
        }
    }
    walked.shares()
}

/// What is kept of the paths.
struct Walked {
    sites: usize,
    log_weights: Vec<f64>,
    levels: Vec<Level>,
}

/// One value of each a path.
#[derive(Default)]
struct Level {
    noise: f64,
    excess: Vec<f64>,
    features: Vec<[f64; FEATURES]>,
}

impl Walked {
    fn new(levels: usize, sites: usize) -> Self {
        Walked { sites, log_weights: vec![], levels: (0..levels).map(|_| Level::default()).collect() }
    }

    fn add(&mut self, step: &Increments<'_>, values: usize) {
        let level = &mut self.levels[step.index];
        level.noise = step.noise;
        level.excess.extend_from_slice(step.excess);
        let states = step.denoised.chunks_exact(values).zip(step.quadratic);
        level.features.extend(states.map(|(denoised, &quadratic)| features(denoised, self.sites, quadratic)));
    }

    /// Leaves out the paths of weight zero.
    fn drop_rejected(&mut self) {
        let kept: Vec<bool> = self.log_weights.iter().map(|&weight| weight != f64::NEG_INFINITY).collect();
        let retain = |values: &mut Vec<f64>| {
            let mut kept = kept.iter();
            values.retain(|_| *kept.next().unwrap_or(&false));
        };
        retain(&mut self.log_weights);
        for level in &mut self.levels {
            retain(&mut level.excess);
            let mut kept = kept.iter();
            level.features.retain(|_| *kept.next().unwrap_or(&false));
        }
    }

    fn shares(mut self) -> Result<Vec<LevelVariance>> {
        self.drop_rejected();
        if self.log_weights.len() < 4 * BINS {
            let expected = format!("at least {} paths that end with a finite action", 4 * BINS);
            return Err(Error::invalid("paths", self.log_weights.len(), &expected));
        }
        crate::error::require_finite("log weights", &self.log_weights)?;
        let total = centred(&self.log_weights);
        // What the path still adds below the level at hand: h_0 first.
        let mut remaining = self.log_weights.clone();
        for level in &self.levels {
            remaining.iter_mut().zip(&level.excess).for_each(|(rest, excess)| *rest -= excess);
        }
        let mut potential_below = remaining.clone();
        let last = self.levels.len() - 1;
        let levels = self.levels.iter().enumerate().map(|(index, level)| {
            remaining.iter_mut().zip(&level.excess).for_each(|(rest, excess)| *rest += excess);
            let potential = match index {
                _ if index == last => vec![0.0; remaining.len()],
                _ => fitted(&level.features, &remaining),
            };
            let change = level.excess.iter().zip(potential.iter().zip(&potential_below));
            let increment: Vec<f64> = change.map(|(excess, (above, below))| excess - above + below).collect();
            potential_below = potential;
            let (value, error) = covariance(&centred(&increment), &total)?;
            Ok(LevelVariance { log_noise: libm::log(level.noise), value, error })
        });
        levels.collect()
    }
}

/// -2 log g, M, M^2, M^4 and the means of D^2 and D^4, M being the mean of the denoised field D.
fn features(denoised: &[f64], sites: usize, quadratic: f64) -> [f64; FEATURES] {
    let mut found = [quadratic, 0.0, 0.0, 0.0, 0.0, 0.0];
    for component in denoised.chunks_exact(sites) {
        let (mut sum, mut squares, mut fourths) = (0.0, 0.0, 0.0);
        for &d in component {
            let square = d * d;
            sum += d;
            squares += square;
            fourths += square * square;
        }
        let mean = sum / sites as f64;
        let terms = [mean, mean * mean, mean.powi(4), squares / sites as f64, fourths / sites as f64];
        found[1..].iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
    }
    found
}

fn centred(values: &[f64]) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|x| x - mean).collect()
}

/// Unbiased covariance of two centred samples with its jackknife error.
fn covariance(a: &[f64], b: &[f64]) -> Result<(f64, f64)> {
    let n = a.len();
    let sums = |range: std::ops::Range<usize>| {
        let pairs = a[range.clone()].iter().zip(&b[range]);
        pairs.fold([0.0; 3], |[sum_a, sum_b, product], (a, b)| [sum_a + a, sum_b + b, product + a * b])
    };
    let unbiased = |[sum_a, sum_b, product]: [f64; 3], n: f64| (product - sum_a * sum_b / n) / (n - 1.0);
    let whole = sums(0..n);
    let bins: Vec<_> = (0..BINS).map(|bin| bin * n / BINS..(bin + 1) * n / BINS).collect();
    let shares: Vec<f64> = bins.iter().map(|bin| bin.len() as f64 / n as f64).collect();
    let without: Vec<Vec<f64>> = bins
        .into_iter()
        .map(|bin| {
            let (left, part) = ((n - bin.len()) as f64, sums(bin));
            vec![unbiased(std::array::from_fn(|i| whole[i] - part[i]), left)]
        })
        .collect();
    let value = unbiased(whole, n as f64);
    Ok((value, jackknife(&shares, &[value], &without)?.estimates[0].error))
}

/// The least-squares fit of `target` on the features and a constant, at every path; the constant does not matter and is
/// left out.
fn fitted(features: &[[f64; FEATURES]], target: &[f64]) -> Vec<f64> {
    let n = features.len() as f64;
    let mean: [f64; FEATURES] = std::array::from_fn(|i| features.iter().map(|f| f[i]).sum::<f64>() / n);
    let spread: [f64; FEATURES] =
        std::array::from_fn(|i| (features.iter().map(|f| (f[i] - mean[i]).powi(2)).sum::<f64>() / n).sqrt());
    let scaled = |f: &[f64; FEATURES]| -> [f64; FEATURES] {
        std::array::from_fn(|i| if spread[i] > 0.0 { (f[i] - mean[i]) / spread[i] } else { 0.0 })
    };
    let mut normal = [0.0; FEATURES * FEATURES];
    let mut slope = [0.0; FEATURES];
    for (f, y) in features.iter().zip(centred(target)) {
        let f = scaled(f);
        for i in 0..FEATURES {
            slope[i] += f[i] * y / n;
            (0..FEATURES).for_each(|j| normal[i * FEATURES + j] += f[i] * f[j] / n);
        }
    }
    // Features that say the same share the answer: a small ridge on a matrix of unit diagonal.
    (0..FEATURES).for_each(|i| normal[i * FEATURES + i] += 1e-8);
    linear::solve(&mut normal, &mut slope);
    features.iter().map(|f| scaled(f).iter().zip(&slope).map(|(f, slope)| f * slope).sum()).collect()
}

#[cfg(test)]
#[path = "level_variance_tests.rs"]
mod tests;
