//! Errors of means of correlated data: the Gamma method of U. Wolff, "Monte Carlo errors with less
//! errors", Comput. Phys. Commun. 156 (2004) 143, hep-lat/0306017.
//!
//! The autocovariance Gamma(t) of the chain is summed up to a window W chosen from the data,
//! C = Gamma(0) + 2 sum_{t=1..W} Gamma(t), and the variance of the mean of N values is C / N.
//! tau_int = C / (2 Gamma(0)) = 1/2 + sum_t rho(t), which is 1/2 for independent data.

use super::autocovariance::{Autocovariance, Lags};
use crate::error::{Error, Result, require_length};
use serde::Serialize;

/// Wolff's S: the decay time of the autocorrelation in units of tau_int that the window assumes.
const DECAY_RATIO: f64 = 1.5;

/// A mean, or a function of means, with its statistical error including autocorrelation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
    /// Standard error of `error`, from the number of lags summed.
    pub error_of_error: f64,
    /// Integrated autocorrelation time 1/2 + sum rho(t), in units of the spacing of the data.
    pub tau_int: f64,
    /// Standard error of `tau_int`: Wolff eq. 42 with the next terms for W not far beyond tau_int, for exponential
    /// autocorrelations. Its coverage: `stoq reproduce statistics-coverage`.
    pub tau_int_error: f64,
    /// Last lag W that was summed.
    pub window: usize,
    /// Whether the automatic window closed within half the longest chain. If not, every chain is too
    /// short for its autocorrelation, and `error` and `tau_int` are lower bounds. A single chain that
    /// is too short shows in an `error_of_error` that is no longer small against `error`.
    pub window_closed: bool,
}

impl Estimate {
    /// A quantity that does not fluctuate: no error, tau_int 1/2.
    pub(super) fn constant(value: f64) -> Self {
        let (error, error_of_error, tau_int_error) = (0.0, 0.0, 0.0);
        let (tau_int, window, window_closed) = (0.5, 0, true);
        Estimate { value, error, error_of_error, tau_int, tau_int_error, window, window_closed }
    }

    /// The estimate of `factor` times the quantity.
    pub fn scaled(self, factor: f64) -> Self {
        Estimate {
            value: factor * self.value,
            error: factor.abs() * self.error,
            error_of_error: factor.abs() * self.error_of_error,
            ..self
        }
    }

    /// (value - reference) / error; 0 when both the difference and the error vanish.
    pub fn z_value(&self, reference: f64) -> f64 {
        let difference = self.value - reference;
        if difference == 0.0 { 0.0 } else { difference / self.error }
    }
}

/// Mean of one observable over several chains (*replicas*) of any lengths, pooled with equal weight
/// for every value, with the window of Wolff sec. 3.3 (S = 1.5) and the bias correction of eq. 49.
///
/// A constant series has error 0 and tau_int 1/2. Costs O(N W) for short windows, one Fourier
/// transform a chain for long ones.
///
/// # Errors
/// [`Error::InvalidArgument`] for fewer than two values in all, [`Error::NotFinite`] for NaN or infinity.
pub fn gamma_method(replicas: &[&[f64]]) -> Result<Estimate> {
    let primary = Primary::single(replicas)?;
    Ok(primary.estimate(primary.means[0], &[1.0]))
}

/// A function `f` of the means of several *primary* observables, with the error of Wolff sec. 2: the
/// gradient of `f` at the means, by central differences of one naive standard error, projects the
/// observables onto one series whose autocovariance gives the error of `f`.
///
/// `replicas[r]` holds the series of all primary observables in chain r, in the order in which `f`
/// takes them, all of the same length. The value is f(means); its bias, of relative order 1 / N, is
/// far below the error and is not removed.
///
/// # Errors
/// As [`gamma_method`]; [`Error::ShapeMismatch`] when series differ in number or length,
/// [`Error::InvalidArgument`] when `f` is not finite near the means.
pub fn gamma_method_derived<'a, R: AsRef<[&'a [f64]]>>(replicas: &[R], f: &dyn Fn(&[f64]) -> f64) -> Result<Estimate> {
    let primary = Primary::new(replicas)?;
    let finite = |value: f64| match value.is_finite() {
        true => Ok(value),
        false => Err(Error::invalid("f", value, "a finite value at the means and one standard error from them")),
    };
    let value = finite(f(&primary.means))?;
    let mut gradient = vec![0.0; primary.means.len()];
    for (observable, slope) in gradient.iter_mut().enumerate() {
        let step = primary.naive_error(observable);
        if step > primary.roundoff[observable] {
            let shifted = |shift: f64| {
                let mut means = primary.means.clone();
                means[observable] += shift;
                finite(f(&means))
            };
            *slope = (shifted(step)? - shifted(-step)?) / (2.0 * step);
        }
    }
    Ok(primary.estimate(value, &gradient))
}

/// Normalised autocorrelation rho(t) = Gamma(t) / Gamma(0) for t = 0 ..= `last_lag` (at most half the
/// longest chain), pooled over `replicas`. A constant series gives rho(0) = 1 and 0 beyond.
///
/// # Errors
/// As [`gamma_method`].
pub fn autocorrelation_function(replicas: &[&[f64]], last_lag: usize) -> Result<Vec<f64>> {
    let primary = Primary::single(replicas)?;
    let mut covariance = Autocovariance::new(primary.projected(&[1.0]));
    let last_lag = last_lag.min(covariance.last_lag());
    let variance = covariance.at(0);
    if variance <= primary.roundoff[0].powi(2) {
        return Ok((0..=last_lag).map(|lag| if lag == 0 { 1.0 } else { 0.0 }).collect());
    }
    Ok((0..=last_lag).map(|lag| covariance.at(lag) / variance).collect())
}

/// Checked series of the primary observables with their pooled means.
struct Primary<'a> {
    replicas: Vec<Vec<&'a [f64]>>,
    values: f64,
    means: Vec<f64>,
    /// Fluctuations of an observable below this are rounding, not signal.
    roundoff: Vec<f64>,
}

impl<'a> Primary<'a> {
    fn single(replicas: &[&'a [f64]]) -> Result<Self> {
        Self::new(&replicas.iter().map(|series| [*series]).collect::<Vec<_>>())
    }

    fn new<R: AsRef<[&'a [f64]]>>(replicas: &[R]) -> Result<Self> {
        let replicas: Vec<Vec<&'a [f64]>> = replicas.iter().map(|replica| replica.as_ref().to_vec()).collect();
        let observables = replicas.first().map_or(0, Vec::len);
        let mut values = 0;
        for replica in &replicas {
            require_length("the observables of a chain", replica.len(), observables)?;
            let length = replica.first().map_or(0, |series| series.len());
            for series in replica {
                require_length("the series of an observable", series.len(), length)?;
                crate::error::require_finite("a measured series", series)?;
            }
            values += length;
        }
        if values < 2 {
            return Err(Error::invalid("number of measurements", values, "at least 2 over all chains"));
        }
        let mut primary = Primary { replicas, values: values as f64, means: vec![], roundoff: vec![] };
        for observable in 0..observables {
            // The second pass takes the rounding of a long sum out, so that a constant stays one.
            let rough = primary.sum(observable, |x| x) / primary.values;
            primary.means.push(rough + primary.sum(observable, |x| x - rough) / primary.values);
            let largest =
                primary.replicas.iter().flat_map(|replica| replica[observable]).fold(0.0, |m, x| x.abs().max(m));
            primary.roundoff.push(8.0 * f64::EPSILON * largest);
        }
        Ok(primary)
    }

    fn sum(&self, observable: usize, term: impl Fn(f64) -> f64) -> f64 {
        self.replicas.iter().flat_map(|replica| replica[observable]).map(|&x| term(x)).sum()
    }

    fn naive_error(&self, observable: usize) -> f64 {
        let mean = self.means[observable];
        self.sum(observable, |x| (x - mean).powi(2)).sqrt() / self.values
    }

    /// Deviations of all chains along `gradient`: sum_a g_a (x_a - mean_a).
    fn projected(&self, gradient: &[f64]) -> Vec<Vec<f64>> {
        let project = |replica: &Vec<&[f64]>| {
            let mut deviations = vec![0.0; replica[0].len()];
            for ((series, mean), slope) in replica.iter().zip(&self.means).zip(gradient) {
                deviations.iter_mut().zip(*series).for_each(|(sum, x)| *sum += slope * (x - mean));
            }
            deviations
        };
        self.replicas.iter().map(project).collect()
    }

    fn estimate(&self, value: f64, gradient: &[f64]) -> Estimate {
        let n = self.values;
        let roundoff: f64 = gradient.iter().zip(&self.roundoff).map(|(slope, x)| slope.abs() * x).sum();
        let mut covariance = Autocovariance::new(self.projected(gradient));
        let variance = covariance.at(0);
        if variance <= roundoff * roundoff {
            return Estimate::constant(value);
        }
        let found = windowed_sum(&mut covariance, n);
        found.estimate(value, n, (1.0, found.variance))
    }
}

/// C = Gamma(0) + 2 sum_{t=1..W} Gamma(t) of a series of `n` values, its bias removed, up to the automatic window W.
pub(super) struct WindowedSum {
    /// Gamma(0), its bias removed.
    pub variance: f64,
    /// C.
    pub sum: f64,
    /// W.
    pub window: usize,
    /// Whether the window closed within half the longest chain.
    pub closed: bool,
}

/// Sums up to the automatic window; Gamma(0) is positive.
pub(super) fn windowed_sum(covariance: &mut impl Lags, n: f64) -> WindowedSum {
    let variance = covariance.at(0);
    let (window, closed) = automatic_window(covariance, n);
    let sum = variance + 2.0 * (1..=window).map(|lag| covariance.at(lag)).sum::<f64>();
    // A perfectly anticorrelated chain has an error of the order of one value in N, not below.
    let sum = sum.max(variance / n);
    // Deviations are taken from the measured mean, which lowers every Gamma(t) by C / N (eq. 49).
    let bias = sum / n;
    let sum = sum + (2 * window + 1) as f64 * bias;
    WindowedSum { variance: variance + bias, sum, window, closed }
}

impl WindowedSum {
    /// The estimate of a mean from `n` blocks of `block` values each, whose single values have the `variance` given;
    /// a plain series has blocks of one value.
    pub(super) fn estimate(&self, value: f64, n: f64, (block, variance): (f64, f64)) -> Estimate {
        let tau_int = block * self.sum / (2.0 * variance);
        let error = (self.sum / n).sqrt();
        let (lags, values) = ((self.window as f64 + 0.5) * block, n * block);
        let error_of_error = error * (lags / values).sqrt();
        let tau_int_error = tau_int * (variance_factor(lags, tau_int) / values).sqrt();
        // Blocks see lags up to W + 1/2 blocks, weighted down over the last one.
        let window = (lags - 0.5) as usize;
        Estimate { value, error, error_of_error, tau_int, tau_int_error, window, window_closed: self.closed }
    }
}

/// N var(tau_int) / tau_int^2 for a window of W = `lags` - 1/2 and autocorrelations rho(t) = a^t, by M. S. Bartlett's covariance
/// of autocovariances, N cov(Gamma(s), Gamma(t)) = R(s - t) + R(s + t) with R(k) = sum_m Gamma(m) Gamma(m + k):
/// 4 W + 2 - sum_k |k| R(k) / (2 tau_int^2) + 2 R(0) - 8 tau_int, in units of Gamma(0)^2. Its leading terms, for W far beyond
/// tau_int, are Wolff's eq. 42, 4 W + 2 - 4 tau_int; at the usual W of 4 to 7 tau_int that is 10 to 20 per cent
/// too much for the error. For a window too short for either, half of what Wolff says.
fn variance_factor(lags: f64, tau_int: f64) -> f64 {
    let a = ((2.0 * tau_int - 1.0) / (2.0 * tau_int + 1.0)).clamp(-1.0 + 1e-9, 1.0 - 1e-9);
    let square = (1.0 + a * a) / (1.0 - a * a);
    let moment = 2.0 * a / (1.0 - a).powi(2) * (square + (1.0 + a) / (1.0 - a));
    let factor = 4.0 * lags - moment / (2.0 * tau_int * tau_int) + 2.0 * square - 8.0 * tau_int;
    factor.max(2.0 * (lags - tau_int)).max(0.0)
}

/// First W at which the statistical error of the sum exceeds its truncation (Wolff sec. 3.3),
/// and whether there was one.
fn automatic_window(covariance: &mut impl Lags, n: f64) -> (usize, bool) {
    let variance = covariance.at(0);
    let (mut tau_int, mut absolute) = (0.5, 0.5);
    for window in 1..=covariance.last_lag() {
        let rho = covariance.at(window) / variance;
        tau_int += rho;
        absolute += rho.abs();
        // For an anticorrelated chain tau_int < 1/2 says nothing about the decay; sum |rho| does.
        let sum = if tau_int > 0.5 { tau_int } else { absolute };
        let decay = DECAY_RATIO / ((2.0 * sum + 1.0) / (2.0 * sum - 1.0)).ln();
        let lag = window as f64;
        if (-lag / decay).exp() <= decay / (lag * n).sqrt() {
            return (window, true);
        }
    }
    // Chains of a single value each are independent of one another: nothing to sum.
    (covariance.last_lag(), covariance.longest() == 1)
}

#[cfg(test)]
#[path = "autocorrelation_tests.rs"]
mod tests;
