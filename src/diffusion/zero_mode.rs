//! The law of the zero mode, which is not Gaussian where a symmetry breaks.
//!
//! The zero mode a = V^(-1/2) sum_x phi(x) has two peaks below the critical temperature, and near it at any finite
//! volume. Every other mode of a large lattice is nearly Gaussian. So the zero mode has a law of its own,
//!
//!   p(a) = 1/2 N(a; m, s^2) + 1/2 N(a; -m, s^2),
//!
//! which becomes the Gaussian for m = 0. With noise of variance xi, v = s^2 + xi, its score is known
//! (-x/v + (m/v) tanh(m x / v)), and so are the denoised value and the law of a given x: two Gaussians again.

use crate::error::{Error, Result, require_finite};
use serde::{Deserialize, Serialize};

/// A symmetric law of two peaks for the zero mode.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ZeroMode {
    /// m, the position of the peaks: sqrt(V) times the spontaneous magnetisation.
    pub peak: f64,
    /// s^2, the variance within a peak.
    pub variance: f64,
}

/// The law of the clean zero mode given a noisy one: two peaks of one variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TwoPeaks {
    /// Probability of the upper peak.
    pub upper: f64,
    /// Positions of the upper and the lower peak.
    pub means: [f64; 2],
    /// Variance of each.
    pub variance: f64,
}

impl TwoPeaks {
    /// Variance between the two peaks.
    pub fn between(&self) -> f64 {
        let distance = self.means[0] - self.means[1];
        self.upper * (1.0 - self.upper) * distance * distance
    }
}

/// Below this ratio of <|a|>^2 to <a^2> the two peaks have merged: 2/pi for a Gaussian, and the rest is noise of
/// the measurement.
const MERGED: f64 = 0.66;

impl ZeroMode {
    /// From `<a^2>` and `<|a|>`, which determine m and s: <|a|> = s sqrt(2/pi) exp(-m^2 / 2 s^2) + m erf(m / s sqrt 2)
    /// (the folded normal law), m^2 + s^2 = <a^2>. `None` where the law has no two peaks.
    pub fn from_moments(square: f64, modulus: f64) -> Option<Self> {
        if !(square > 0.0 && square.is_finite() && modulus * modulus > MERGED * square) {
            return None;
        }
        let folded = |peak: f64| {
            let variance = (square - peak * peak).max(1e-300);
            let z = peak / (2.0 * variance).sqrt();
            (2.0 * variance / std::f64::consts::PI).sqrt() * libm::exp(-z * z) + peak * libm::erf(z)
        };
        // <|a|> grows with m at fixed <a^2>, from the Gaussian value to m itself.
        let (mut low, mut high) = (0.0, square.sqrt());
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if folded(middle) < modulus { low = middle } else { high = middle }
        }
        let peak = 0.5 * (low + high);
        let variance = square - peak * peak;
        (variance > 0.0).then_some(ZeroMode { peak, variance })
    }

    /// Variance of a mode of class `class` with covariance `c`: of a zero mode (class 0) with two peaks, that within one.
    pub fn within(law: Option<Self>, class: usize, c: f64) -> f64 {
        match law {
            Some(law) if class == 0 => law.variance,
            _ => c,
        }
    }

    /// `<a^2>`.
    pub fn square(&self) -> f64 {
        self.peak * self.peak + self.variance
    }

    /// Checks what came from a file.
    ///
    /// # Errors
    /// [`Error::NotFinite`] or [`Error::InvalidArgument`].
    pub fn validate(&self) -> Result<()> {
        require_finite("zero mode", &[self.peak, self.variance])?;
        if !(self.peak >= 0.0 && self.variance > 0.0) {
            let found = format!("peak {}, variance {}", self.peak, self.variance);
            return Err(Error::invalid("zero mode", found, "a peak of at least 0 and a positive variance"));
        }
        Ok(())
    }

    /// The law of the clean zero mode given `x` with noise of standard deviation `noise`.
    pub fn given(&self, x: f64, noise: f64) -> TwoPeaks {
        let xi = noise * noise;
        let v = self.variance + xi;
        let (inner, outer) = (self.variance / v * x, self.peak * xi / v);
        TwoPeaks {
            upper: 1.0 / (1.0 + libm::exp(-2.0 * self.peak * x / v)),
            means: [inner + outer, inner - outer],
            variance: self.variance * xi / v,
        }
    }

    /// The mean of that law, and its derivative in x.
    pub fn denoise(&self, x: f64, noise: f64) -> (f64, f64) {
        let xi = noise * noise;
        let v = self.variance + xi;
        let t = libm::tanh(self.peak * x / v);
        let mean = (self.variance * x + self.peak * xi * t) / v;
        (mean, self.variance / v + self.peak * self.peak * xi / (v * v) * (1.0 - t * t))
    }

    /// The law of given `<a^2>` whose peaks hold a `share` of it, m^2 / `<a^2>`, between 0 and 1.
    pub fn with_share(square: f64, share: f64) -> Option<Self> {
        let law = ZeroMode { peak: (share * square).sqrt(), variance: (1.0 - share) * square };
        law.validate().is_ok().then_some(law)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAW: ZeroMode = ZeroMode { peak: 3.0, variance: 0.5 };

    /// Integral over the clean value of p(a) N(x; a, xi) f(a), by the trapezoidal rule.
    fn integral(x: f64, xi: f64, f: impl Fn(f64) -> f64) -> f64 {
        let gauss = |y: f64, v: f64| (-0.5 * y * y / v).exp() / v.sqrt();
        let points = (0..20_001).map(|i| -10.0 + 0.001 * f64::from(i));
        let density = |a: f64| gauss(a - 3.0, 0.5) + gauss(a + 3.0, 0.5);
        points.map(|a| density(a) * gauss(x - a, xi) * f(a)).sum()
    }

    #[test]
    fn the_posterior_is_that_of_quadrature() {
        for (x, noise) in [(0.3, 2.0), (-1.5, 1.0), (4.0, 5.0)] {
            let xi = noise * noise;
            let norm = integral(x, xi, |_| 1.0);
            let mean = integral(x, xi, |a| a) / norm;
            let square = integral(x, xi, |a| a * a) / norm;
            let given = LAW.given(x, noise);
            let [up, down] = given.means;
            assert!((given.upper * up + (1.0 - given.upper) * down - mean).abs() < 1e-9);
            let second = given.variance + given.upper * up * up + (1.0 - given.upper) * down * down;
            assert!((second - square).abs() < 1e-9);
            let (denoised, slope) = LAW.denoise(x, noise);
            assert!((denoised - mean).abs() < 1e-9);
            // Tweedie's second identity: the variance is xi dD/dx.
            assert!((xi * slope - (square - mean * mean)).abs() < 1e-9);
        }
    }

    #[test]
    fn moments_determine_the_law() {
        for law in [LAW, ZeroMode { peak: 120.0, variance: 0.41 }, ZeroMode { peak: 1.0, variance: 0.5 }] {
            let z = law.peak / (2.0 * law.variance).sqrt();
            let modulus = (2.0 * law.variance / std::f64::consts::PI).sqrt() * (-z * z).exp() + law.peak * libm::erf(z);
            let found = ZeroMode::from_moments(law.square(), modulus).unwrap();
            assert!((found.peak / law.peak - 1.0).abs() < 1e-6, "{found:?} {law:?}");
            assert!((found.variance / law.variance - 1.0).abs() < 1e-5, "{found:?} {law:?}");
        }
        // A Gaussian has no two peaks.
        assert_eq!(ZeroMode::from_moments(2.0, (4.0 / std::f64::consts::PI).sqrt()), None);
        assert_eq!(ZeroMode::from_moments(f64::NAN, 1.0), None);
        assert!(ZeroMode { peak: -1.0, variance: 1.0 }.validate().is_err());
    }
}
