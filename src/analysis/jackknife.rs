//! The jackknife over bins: bias and error of any function of a sample.
//!
//! Bins hold consecutive data, so that autocorrelations stay inside them; they may have different
//! sizes (F. M. T. A. Busing, E. Meijer and R. van der Leeden, "Delete-m jackknife for unequal m",
//! Statistics and Computing 9 (1999) 3). With theta of all data, theta_(j) without bin j, which holds
//! the share 1 / h_j of the data, and g bins:
//!
//! - value = g theta - sum_j (1 - 1/h_j) theta_(j), free of the bias of order 1 / N;
//! - pseudo-values p_j = h_j theta - (h_j - 1) theta_(j);
//! - covariance of two functions = (1/g) sum_j (p_j - value) (q_j - value') / (h_j - 1).
//!
//! Equal bins give the usual formulas.

use crate::error::{Error, Result, require_length};
use serde::Serialize;

/// An estimate from binned data with its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct JackknifeEstimate {
    /// The estimate, with its bias of order 1 / N removed.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
    /// Standard error of `error`, from the number of bins: error / sqrt(2 (bins - 1)).
    pub error_of_error: f64,
    /// Correlation of neighbouring bins, 0 +- 1 / sqrt(bins) when bins are long against the
    /// autocorrelation. If it is clearly positive, `error` is too small, by about sqrt(1 + 2 bin_correlation).
    pub bin_correlation: f64,
}

impl JackknifeEstimate {
    /// (value - reference) / error; 0 when both the difference and the error vanish.
    pub fn z_value(&self, reference: f64) -> f64 {
        let difference = self.value - reference;
        if difference == 0.0 { 0.0 } else { difference / self.error }
    }
}

/// Estimates of several functions of the same sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Jackknife {
    /// One estimate a function.
    pub estimates: Vec<JackknifeEstimate>,
    /// Covariance of the estimates; its diagonal holds the squared errors.
    pub covariance: Vec<Vec<f64>>,
}

/// The jackknife of several functions: `shares[j]` is the fraction of the data in bin j, `whole` holds
/// the functions of all data, `without[j]` those of all data but bin j.
///
/// # Errors
/// [`Error::InvalidArgument`] for fewer than two bins, a share that is not between 0 and 1, or a value that is not
/// finite; [`Error::ShapeMismatch`] when lengths differ.
pub fn jackknife(shares: &[f64], whole: &[f64], without: &[Vec<f64>]) -> Result<Jackknife> {
    if shares.len() < 2 {
        return Err(Error::invalid("bins", shares.len(), "at least 2 bins for a jackknife error"));
    }
    require_length("the values without one bin", without.len(), shares.len())?;
    if let Some(share) = shares.iter().find(|&&share| !(share > 0.0 && share < 1.0)) {
        return Err(Error::invalid("share of a bin", share, "a number between 0 and 1"));
    }
    let finite = |values: &[f64]| match values.iter().find(|value| !value.is_finite()) {
        None => require_length("the functions of a sample", values.len(), whole.len()),
        Some(value) => Err(Error::invalid("a function of the sample", value, "a finite value, also without one bin")),
    };
    finite(whole)?;
    without.iter().try_for_each(|values| finite(values))?;

    let bins = shares.len() as f64;
    let values: Vec<f64> = (0..whole.len())
        .map(|k| {
            // The weights 1 - share add up to bins - 1: small differences, then one large number.
            let shift: f64 = shares.iter().zip(without).map(|(share, row)| (1.0 - share) * (whole[k] - row[k])).sum();
            whole[k] + shift
        })
        .collect();
    // (p_j - value) / sqrt(h_j - 1), one row a function.
    let deviations: Vec<Vec<f64>> = (0..whole.len())
        .map(|k| {
            let deviation = |(share, row): (&f64, &Vec<f64>)| {
                let inverse = 1.0 / share;
                (whole[k] - values[k] + (inverse - 1.0) * (whole[k] - row[k])) / (inverse - 1.0).sqrt()
            };
            shares.iter().zip(without).map(deviation).collect()
        })
        .collect();
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let covariance: Vec<Vec<f64>> =
        deviations.iter().map(|a| deviations.iter().map(|b| product(a, b) / bins).collect()).collect();
    let estimates = (0..whole.len())
        .map(|k| {
            let (squares, row) = (product(&deviations[k], &deviations[k]), &deviations[k]);
            let error = (squares / bins).sqrt();
            let bin_correlation = if squares > 0.0 { product(row, &row[1..]) / squares } else { 0.0 };
            let error_of_error = error / (2.0 * (bins - 1.0)).sqrt();
            JackknifeEstimate { value: values[k], error, error_of_error, bin_correlation }
        })
        .collect();
    Ok(Jackknife { estimates, covariance })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Means of x and y, and the plug-in variance of x, with one bin left out or none.
    fn functions(data: &[(f64, f64)], sizes: &[usize], skip: Option<usize>) -> Vec<f64> {
        let mut kept = vec![];
        let mut start = 0;
        for (bin, &size) in sizes.iter().enumerate() {
            if Some(bin) != skip {
                kept.extend_from_slice(&data[start..start + size]);
            }
            start += size;
        }
        let n = kept.len() as f64;
        let mean = |f: &dyn Fn(&(f64, f64)) -> f64| kept.iter().map(f).sum::<f64>() / n;
        vec![mean(&|p| p.0), mean(&|p| p.1), mean(&|p| p.0 * p.0) - mean(&|p| p.0).powi(2)]
    }

    fn estimate(data: &[(f64, f64)], sizes: &[usize]) -> Jackknife {
        let shares: Vec<f64> = sizes.iter().map(|&size| size as f64 / data.len() as f64).collect();
        let without: Vec<_> = (0..sizes.len()).map(|bin| functions(data, sizes, Some(bin))).collect();
        jackknife(&shares, &functions(data, sizes, None), &without).unwrap()
    }

    #[test]
    fn bins_of_one_value_give_the_textbook_formulas() {
        let data = [(1.0, 2.0), (4.0, -1.0), (2.5, 0.5), (-3.0, 1.0), (0.0, 7.0)];
        let result = estimate(&data, &[1; 5]);
        let mean = |f: fn(&(f64, f64)) -> f64| data.iter().map(f).sum::<f64>() / 5.0;
        let (x, y) = (mean(|p| p.0), mean(|p| p.1));
        let covariance = |a: &dyn Fn(&(f64, f64)) -> f64| data.iter().map(a).sum::<f64>() / 20.0;
        let expected = [covariance(&|p| (p.0 - x).powi(2)), covariance(&|p| (p.0 - x) * (p.1 - y))];
        assert!((result.estimates[0].value - x).abs() < 1e-14);
        assert!((result.covariance[0][0] - expected[0]).abs() < 1e-14);
        assert!((result.covariance[0][1] - expected[1]).abs() < 1e-14);
        // The jackknife turns the plug-in variance into the unbiased one, exactly.
        assert!((result.estimates[2].value - 5.0 * expected[0]).abs() < 1e-13);
    }

    #[test]
    fn a_mean_over_unequal_bins_is_still_the_mean() {
        let data: Vec<(f64, f64)> = (0..12).map(|i| ((i * i % 7) as f64, 1.0)).collect();
        let result = estimate(&data, &[5, 3, 4]);
        let mean = data.iter().map(|p| p.0).sum::<f64>() / 12.0;
        assert!((result.estimates[0].value - mean).abs() < 1e-14);
        assert_eq!((result.estimates[1].error, result.estimates[1].z_value(1.0)), (0.0, 0.0));
        assert!(jackknife(&[1.0], &[1.0], &[vec![1.0]]).is_err());
        assert!(jackknife(&[0.5, 0.5], &[1.0], &[vec![1.0], vec![f64::NAN]]).is_err());
        assert!(jackknife(&[0.5, 0.5], &[1.0], &[vec![1.0], vec![]]).is_err());
    }
}
