//! Quality of independent proposals from their importance weights.
//!
//! Proposals y ~ q carry log w(y) = log of target over proposal density, up to a constant. A
//! weight of zero (log w = -infinity: the host rejects the configuration) is allowed except in
//! [`var_log_weight`]. Weights are used relative to the largest, so any constant is harmless.

use crate::error::{Error, Result};
use serde::Serialize;
use std::ops::Range;

/// Jackknife bins; contiguous, so that they also hold short correlations of the proposals.
const BINS: usize = 64;

/// An estimate from independent proposals with its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WeightEstimate {
    /// The estimate.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
}

/// Unbiased sample variance of log w, with the standard error
/// sqrt((m4 - (n-3)/(n-1) var^2) / n) from the fourth central moment m4.
///
/// # Errors
/// [`Error::InvalidArgument`] for fewer than four proposals, [`Error::NotFinite`] for a log weight of
/// NaN or infinity of either sign.
pub fn var_log_weight(log_weights: &[f64]) -> Result<WeightEstimate> {
    require_proposals(log_weights)?;
    crate::error::require_finite("log weights", log_weights)?;
    let n = log_weights.len() as f64;
    // Relative to the first: a common constant of 10^6 must not cost digits.
    let origin = log_weights[0];
    let mean = log_weights.iter().map(|x| x - origin).sum::<f64>() / n;
    let moment = |power: i32| log_weights.iter().map(|x| (x - origin - mean).powi(power)).sum::<f64>();
    let value = moment(2) / (n - 1.0);
    let error = ((moment(4) / n - (n - 3.0) / (n - 1.0) * value * value) / n).max(0.0).sqrt();
    Ok(WeightEstimate { value, error })
}

/// Effective sample size as a fraction of the proposals, (sum w)^2 / (n sum w^2), between 1/n and 1.
/// It is exp(-s^2) for Gaussian log w of standard deviation s.
///
/// # Errors
/// [`Error::InvalidArgument`] for fewer than four proposals or when every weight is zero,
/// [`Error::NotFinite`] for a log weight of NaN or +infinity.
pub fn effective_sample_size(log_weights: &[f64]) -> Result<WeightEstimate> {
    let weights = relative_weights(log_weights)?.0;
    Ok(jackknife(weights.len(), &|left_out| {
        let (head, tail) = (&weights[..left_out.start], &weights[left_out.end..]);
        let (sum, squares) = head.iter().chain(tail).fold((0.0, 0.0), |(sum, squares), w| (sum + w, squares + w * w));
        let n = (head.len() + tail.len()) as f64;
        if squares > 0.0 { sum * sum / (n * squares) } else { 0.0 }
    }))
}

/// log of the mean weight, the estimate of log(Z / Z_prior) = - free energy difference. It is
/// mean + s^2/2 for Gaussian log w.
///
/// # Errors
/// As [`effective_sample_size`].
pub fn log_mean_weight(log_weights: &[f64]) -> Result<WeightEstimate> {
    let (weights, largest) = relative_weights(log_weights)?;
    let n = weights.len() as f64;
    let mean = weights.iter().sum::<f64>() / n;
    let variance = weights.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / (n - 1.0);
    Ok(WeightEstimate { value: largest + mean.ln(), error: (variance / n).sqrt() / mean })
}

/// Self-normalised reweighting of an observable, <O> = sum_i w_i O_i / sum_i w_i, with its jackknife error. It is
/// biased by order 1/n; trust it only while n times the effective sample size is large.
///
/// # Errors
/// As [`effective_sample_size`]; [`Error::ShapeMismatch`] unless there is one of `values` a weight,
/// [`Error::NotFinite`] for a value that is not finite.
pub fn reweighted_mean(log_weights: &[f64], values: &[f64]) -> Result<WeightEstimate> {
    let weights = relative_weights(log_weights)?.0;
    crate::error::require_length("values of the observable", values.len(), weights.len())?;
    crate::error::require_finite("values of the observable", values)?;
    Ok(jackknife(weights.len(), &|left_out| {
        let kept = (0..weights.len()).filter(|i| !left_out.contains(i));
        let (sum, total) = kept.fold((0.0, 0.0), |(sum, total), i| (sum + weights[i] * values[i], total + weights[i]));
        if total > 0.0 { sum / total } else { 0.0 }
    }))
}

/// Mean acceptance of independence Metropolis in equilibrium,
///
/// A = E_{x ~ p, y ~ q} min(1, w(y)/w(x)) = sum_{i != j} min(w_i, w_j) / ((n - 1) sum_i w_i),
///
/// from n proposals, by sorting in O(n log n). A state is never paired with itself, which would add
/// 1/n. It is erfc(s/2) for Gaussian log w of standard deviation s.
///
/// # Errors
/// As [`effective_sample_size`].
pub fn independence_acceptance(log_weights: &[f64]) -> Result<WeightEstimate> {
    let weights = relative_weights(log_weights)?.0;
    let mut descending: Vec<usize> = (0..weights.len()).collect();
    descending.sort_unstable_by(|&i, &j| weights[j].total_cmp(&weights[i]));
    Ok(jackknife(weights.len(), &|left_out| {
        // The k-th largest weight (from 0) is the smaller one in k pairs, each counted in both orders.
        let (mut larger, mut pairs, mut sum) = (0.0, 0.0, 0.0);
        for &i in descending.iter().filter(|i| !left_out.contains(i)) {
            pairs += 2.0 * larger * weights[i];
            sum += weights[i];
            larger += 1.0;
        }
        if sum > 0.0 { pairs / ((larger - 1.0) * sum) } else { 0.0 }
    }))
}

fn require_proposals(log_weights: &[f64]) -> Result<()> {
    if log_weights.len() < 4 {
        return Err(Error::invalid("number of log weights", log_weights.len(), "at least 4 proposals"));
    }
    Ok(())
}

/// w / max w and log max w.
fn relative_weights(log_weights: &[f64]) -> Result<(Vec<f64>, f64)> {
    require_proposals(log_weights)?;
    if let Some(index) = log_weights.iter().position(|&x| x.is_nan() || x == f64::INFINITY) {
        return Err(Error::NotFinite { what: "log weights".into(), index, value: log_weights[index] });
    }
    let largest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return Err(Error::invalid("log weights", "all -inf", "at least one proposal of nonzero weight"));
    }
    Ok((log_weights.iter().map(|x| (x - largest).exp()).collect(), largest))
}

/// The statistic of all proposals, with the error from leaving out one bin at a time; `statistic` is
/// given the range of proposals to leave out.
pub(super) fn jackknife(n: usize, statistic: &dyn Fn(Range<usize>) -> f64) -> WeightEstimate {
    let bins = BINS.min(n);
    let left_out: Vec<f64> = (0..bins).map(|bin| statistic(bin * n / bins..(bin + 1) * n / bins)).collect();
    let count = bins as f64;
    let mean = left_out.iter().sum::<f64>() / count;
    let squares: f64 = left_out.iter().map(|x| (x - mean).powi(2)).sum();
    WeightEstimate { value: statistic(0..0), error: ((count - 1.0) / count * squares).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    fn gaussian(mean: f64, deviation: f64, n: usize, chain: u32) -> Vec<f64> {
        let mut values = vec![0.0; n];
        Stream::new(99, chain, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut values);
        values.iter().map(|z| mean + deviation * z).collect()
    }

    #[test]
    fn gaussian_log_weights_have_the_closed_forms() {
        // 16 z-values against 4 (false alarm 1e-3 in all; seed fixed); errors must also be small.
        for (chain, deviation) in [0.2, 0.5, 0.95, 1.3].into_iter().enumerate() {
            let s: f64 = deviation;
            let log_weights = gaussian(-3.0, s, 100_000, chain as u32);
            for (name, estimate, expected) in [
                ("variance", var_log_weight(&log_weights), s * s),
                ("ess", effective_sample_size(&log_weights), (-s * s).exp()),
                ("acceptance", independence_acceptance(&log_weights), libm::erfc(s / 2.0)),
                ("log mean", log_mean_weight(&log_weights), -3.0 + s * s / 2.0),
            ] {
                let estimate = estimate.unwrap();
                let z = (estimate.value - expected) / estimate.error;
                assert!(z.abs() < 4.0 && estimate.error < 0.03, "{name}, s = {s}: {estimate:?}, expected {expected}");
            }
        }
    }

    /// Samples of N(1/2, 1) weighted to N(0, 1): log w = -x/2 up to a constant.
    #[test]
    fn reweighting_moves_a_gaussian() {
        let samples = gaussian(0.5, 1.0, 40_000, 5);
        let log_weights: Vec<f64> = samples.iter().map(|x| 1e4 - 0.5 * x).collect();
        for (power, expected) in [(1, 0.0), (2, 1.0), (4, 3.0)] {
            let values: Vec<f64> = samples.iter().map(|x| x.powi(power)).collect();
            let found = reweighted_mean(&log_weights, &values).unwrap();
            // Three comparisons at 4 sigma (false alarm 2e-4), seed fixed.
            assert!((found.value - expected).abs() < 4.0 * found.error, "{power}: {found:?}");
            assert!(found.error < 0.1 * (1.0 + expected), "{power}: {found:?}");
        }
        assert!(reweighted_mean(&log_weights, &samples[1..]).is_err());
        assert!(reweighted_mean(&[0.0; 4], &[1.0, 2.0, f64::NAN, 0.0]).is_err());
    }

    #[test]
    fn jackknife_errors_are_the_spread_of_repeated_estimates() {
        // Mean of 200 z^2 is 1 +- 0.1; bound 0.4 is at 4 sigma. The statistics are smooth at s = 0.5.
        let smooth = [effective_sample_size, independence_acceptance as fn(&[f64]) -> _];
        for (statistic, expected) in smooth.into_iter().zip([(-0.25f64).exp(), libm::erfc(0.25)]) {
            let z2 = |chain: u32| {
                let estimate = statistic(&gaussian(0.0, 0.5, 4_000, 100 + chain)).unwrap();
                ((estimate.value - expected) / estimate.error).powi(2)
            };
            let mean = (0..200).map(z2).sum::<f64>() / 200.0;
            assert!((mean - 1.0).abs() < 0.4, "{mean}");
        }
    }

    #[test]
    fn sorted_pairs_are_all_pairs_at_any_scale() {
        let mut log_weights = gaussian(0.0, 2.0, 301, 7);
        log_weights[11] = f64::NEG_INFINITY;
        log_weights[12] = log_weights[13];
        let w: Vec<f64> = log_weights.iter().map(|x| x.exp()).collect();
        let off_diagonal = |i: usize| (0..w.len()).filter(move |&j| j != i);
        let pairs: f64 =
            (0..w.len()).flat_map(|i| off_diagonal(i).map(move |j| (i, j))).map(|(i, j)| w[i].min(w[j])).sum();
        let expected = pairs / 300.0 / w.iter().sum::<f64>();
        for shift in [0.0, 1e5, -1e5] {
            let shifted: Vec<f64> = log_weights.iter().map(|x| x + shift).collect();
            assert!((independence_acceptance(&shifted).unwrap().value - expected).abs() < 1e-9, "{shift}");
            assert!(
                (log_mean_weight(&shifted).unwrap().value - shift - (w.iter().sum::<f64>() / 301.0).ln()).abs() < 1e-9
            );
        }
    }

    #[test]
    fn equal_weights_are_perfect_and_bad_ones_refused() {
        let equal = [-700.0; 10];
        let perfect = WeightEstimate { value: 1.0, error: 0.0 };
        assert_eq!(effective_sample_size(&equal).unwrap(), perfect);
        assert_eq!(independence_acceptance(&equal).unwrap(), perfect);
        assert_eq!(var_log_weight(&equal).unwrap(), WeightEstimate { value: 0.0, error: 0.0 });
        assert_eq!(log_mean_weight(&equal).unwrap(), WeightEstimate { value: -700.0, error: 0.0 });
        for bad in [&[0.0; 3][..], &[0.0, 0.0, 0.0, f64::NAN], &[f64::INFINITY; 4], &[f64::NEG_INFINITY; 4]] {
            assert!(effective_sample_size(bad).is_err() && independence_acceptance(bad).is_err());
            assert!(log_mean_weight(bad).is_err() && var_log_weight(bad).is_err());
        }
        // One proposal carries all the weight: leaving it out must not give NaN.
        let mut single = [f64::NEG_INFINITY; 100];
        single[3] = 0.0;
        assert!(effective_sample_size(&single).unwrap().error.is_finite());
        assert_eq!(independence_acceptance(&single).unwrap().value, 0.0);
    }
}
