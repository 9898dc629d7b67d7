//! Which noise levels a path visits.
//!
//! With reverse kernels of the variance that the denoiser's measured error R_p dictates, the
//! Kullback-Leibler divergence between the forward path from data and the generated path is, up to a
//! constant of the target, a sum over steps of
//!
//!   e(b, a) = 1/2 sum_p ln \[ (bridge_variance + data_weight^2 R_p(a)) / forward_variance \],
//!
//! because both ends of E\[log F - log B\] are Gaussian integrals (the quadratic forms average to V/2
//! each); what a covariance that follows the state regains is taken off
//! (`Posterior::step_divergence`). The cost of a step depends on its two levels alone, so the best
//! levels follow from a shortest path.

use super::posterior::Posterior;
use super::schedule::{Schedule, T_END};
use super::transition::Transition;
use crate::error::{Error, Result};

/// Fewest and most levels of a path.
const LEVELS: std::ops::RangeInclusive<usize> = 1..=100_000;

/// `count` times whose noise grows geometrically from `smallest` to that of `last`, ascending.
///
/// # Errors
/// [`Error::InvalidArgument`] for no levels, or unless 0 < `smallest` <= noise at `last`.
pub fn geometric_levels(schedule: &Schedule, smallest: f64, last: f64, count: usize) -> Result<Vec<f64>> {
    check(count, last)?;
    let largest = schedule.noise(last);
    if !(smallest > 0.0 && smallest <= largest) {
        return Err(Error::invalid("smallest noise", smallest, &format!("a value above 0, at most {largest}")));
    }
    let ratio = libm::log(largest / smallest) / (count.max(2) - 1) as f64;
    let mut times: Vec<f64> =
        (0..count).map(|i| schedule.time_of_noise(smallest * libm::exp(ratio * i as f64))).collect();
    times[count - 1] = last;
    Ok(times)
}

/// The moments of x_0 given x at a noise relative to the signal.
pub type PosteriorAt<'a> = dyn Fn(f64) -> Posterior + 'a;

/// sum of e(b, a) over the steps of a path that ends at time 0: the divergence of the path up to a
/// constant that does not depend on the levels, in nats.
pub fn path_divergence(schedule: &Schedule, times: &[f64], posterior: &PosteriorAt<'_>) -> f64 {
    let lowers = std::iter::once(&0.0).chain(times);
    let steps = lowers.zip(times).map(|(&lower, &upper)| {
        posterior(schedule.noise(upper)).step_divergence(&Transition::new(schedule, lower, upper))
    });
    steps.sum()
}

/// The `count` times, ascending and ending at the last of `candidates`, that minimise [`path_divergence`]
/// among the candidates: as good as these are fine.
///
/// # Errors
/// [`Error::InvalidArgument`] for no levels, more than there are candidates, or candidates that do not ascend
/// within (0, 1].
pub fn optimal_levels(
    schedule: &Schedule,
    candidates: &[f64],
    count: usize,
    posterior: &PosteriorAt<'_>,
) -> Result<Vec<f64>> {
    let (fine, last) = (candidates.len(), candidates.last().copied().unwrap_or(0.0));
    check(count, last)?;
    if count > fine || !(candidates[0] > 0.0 && candidates.windows(2).all(|pair| pair[0] < pair[1])) {
        let expected = format!("at least {count} ascending times in (0, 1]");
        return Err(Error::invalid("candidates", format!("{candidates:?}"), &expected));
    }
    let cost = step_costs(schedule, candidates, posterior);
    // best[a]: least cost of reaching time 0 from candidate a in the steps so far; `from` remembers how.
    let mut best: Vec<f64> = (0..fine).map(|a| cost[a][0]).collect();
    let mut from = vec![vec![0usize; fine]; count];
    for steps in from.iter_mut().skip(1) {
        let mut next = vec![f64::INFINITY; fine];
        for a in 1..fine {
            for b in 0..a {
                let total = best[b] + cost[a][b + 1];
                if total < next[a] {
                    (next[a], steps[a]) = (total, b);
                }
            }
        }
        best = next;
    }
    let mut times = vec![last; count];
    let mut at = fine - 1;
    for step in (1..count).rev() {
        at = from[step][at];
        times[step - 1] = candidates[at];
    }
    Ok(times)
}

/// `cost[a][0]` is that of the step from candidate a to time 0, `cost[a][b + 1]` to candidate b < a.
fn step_costs(schedule: &Schedule, candidates: &[f64], posterior: &PosteriorAt<'_>) -> Vec<Vec<f64>> {
    let costs = candidates.iter().enumerate().map(|(a, &upper)| {
        let posterior = posterior(schedule.noise(upper));
        let lowers = std::iter::once(&0.0).chain(&candidates[..a]);
        lowers.map(|&lower| posterior.step_divergence(&Transition::new(schedule, lower, upper))).collect()
    });
    costs.collect()
}

pub(super) fn check(count: usize, last: f64) -> Result<()> {
    if !LEVELS.contains(&count) {
        return Err(Error::invalid("levels", count, "between 1 and 100000 score evaluations a path"));
    }
    if !(last > 0.0 && last <= T_END) {
        return Err(Error::invalid("last time", last, "a time in (0, 1]"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: f64 = 2.0;

    /// Error of a one-mode "denoiser" that is worse than the Wiener filter around noise 1.
    fn posterior(noise: f64) -> Posterior {
        let xi = noise * noise;
        let variance = DATA * xi / (DATA + xi) * (1.0 + 0.5 * (-(noise.ln().powi(2))).exp());
        Posterior { variance: vec![variance], response: None, zero_mode: None, flux: None }
    }

    #[test]
    fn for_an_exact_gaussian_every_grid_has_the_same_divergence() {
        let schedule = Schedule::variance_expanding(25.0).unwrap();
        let exact = |noise: f64| Posterior {
            variance: vec![DATA * noise * noise / (DATA + noise * noise)],
            response: None,
            zero_mode: None,
            flux: None,
        };
        let few = path_divergence(&schedule, &[0.3, 1.0], &exact);
        let many = path_divergence(&schedule, &geometric_levels(&schedule, 0.01, 1.0, 50).unwrap(), &exact);
        assert!((few - many).abs() < 1e-10);
        // ... which is the closed form 1/2 ln(C / (C + Xi(1))), the difference of two entropies.
        assert!((few - 0.5 * (DATA / (DATA + schedule.variance(1.0))).ln()).abs() < 1e-10);
    }

    #[test]
    fn optimal_levels_beat_geometric_ones_and_any_small_change() {
        let schedule = Schedule::variance_expanding(25.0).unwrap();
        let divergence = |times: &[f64]| path_divergence(&schedule, times, &posterior);
        for count in [1, 2, 5, 12] {
            let candidates = geometric_levels(&schedule, 0.02, 1.0, 256).unwrap();
            let best = optimal_levels(&schedule, &candidates, count, &posterior).unwrap();
            assert_eq!((best.len(), best[count - 1]), (count, 1.0));
            assert!(best.windows(2).all(|pair| pair[0] < pair[1]));
            let geometric = geometric_levels(&schedule, 0.05, 1.0, count).unwrap();
            assert!(divergence(&best) <= divergence(&geometric) + 1e-12, "{count} levels");
            for i in 0..count - 1 {
                for factor in [0.9, 1.1] {
                    let mut moved = best.clone();
                    moved[i] = schedule.time_of_noise(schedule.noise(best[i]) * factor);
                    assert!(divergence(&moved) > divergence(&best) - 1e-4);
                }
            }
        }
    }

    #[test]
    fn impossible_grids_are_refused() {
        let schedule = Schedule::variance_expanding(25.0).unwrap();
        assert!(geometric_levels(&schedule, 0.1, 1.0, 0).is_err());
        assert!(geometric_levels(&schedule, 0.0, 1.0, 5).is_err());
        assert!(geometric_levels(&schedule, 100.0, 1.0, 5).is_err());
        for (candidates, count) in
            [(&[0.1, 1.5][..], 1), (&[0.1, 1.0], 0), (&[0.1, 1.0], 3), (&[0.5, 0.2], 1), (&[], 1)]
        {
            assert!(optimal_levels(&schedule, candidates, count, &posterior).is_err());
        }
    }
}
