//! Noise schedules: dphi = -1/2 k(t) phi dt + g(t) dW on 0 <= t <= T = 1, g(t) = sigma^(t/T), so that
//! phi_t = f(t) phi_0 + sqrt(Xi(t)) eps with eps standard normal (Wang, Aarts, Zhou, JHEP 05 (2024)
//! 060, eqs. 3.1-3.4, in the normalisation <dW^2> = dt).

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// End of the forward process.
pub const T_END: f64 = 1.0;

/// A scheme with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all = "kebab-case")]
pub enum Schedule {
    /// k = 0: f = 1, Xi(t) = T (sigma^(2t/T) - 1) / (2 ln sigma).
    VarianceExpanding {
        /// Base of the diffusion coefficient, > 1; 25 in the paper.
        sigma: f64,
    },
}

impl Schedule {
    /// The variance-expanding scheme.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless `sigma` is finite and above 1.
    pub fn variance_expanding(sigma: f64) -> Result<Self> {
        let schedule = Schedule::VarianceExpanding { sigma };
        schedule.validate()?;
        Ok(schedule)
    }

    /// The variance-expanding scheme whose final noise has standard deviation `largest`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless `largest` is above 1.001 and finite.
    pub fn variance_expanding_to(largest: f64) -> Result<Self> {
        if !(largest.is_finite() && largest > 1.001) {
            return Err(Error::invalid("largest noise", largest, "a finite standard deviation above 1.001"));
        }
        // Xi(1) = (sigma^2 - 1) / (2 ln sigma) grows monotonically with sigma: bisect in ln sigma.
        let (mut low, mut high): (f64, f64) = (1e-9, 2.0 * largest.ln() + 5.0);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            let xi = libm::expm1(2.0 * middle) / (2.0 * middle);
            if xi < largest * largest { low = middle } else { high = middle }
        }
        Self::variance_expanding(libm::exp(0.5 * (low + high)))
    }

    /// Checks parameters that came from a file or a caller.
    pub fn validate(&self) -> Result<()> {
        match *self {
            Schedule::VarianceExpanding { sigma } if sigma.is_finite() && sigma > 1.0 => Ok(()),
            Schedule::VarianceExpanding { sigma } => {
                Err(Error::invalid("sigma", sigma, "a finite number above 1 (25 in the literature)"))
            }
        }
    }

    /// Signal factor f(t).
    pub fn signal(&self, _t: f64) -> f64 {
        match self {
            Schedule::VarianceExpanding { .. } => 1.0,
        }
    }

    /// Noise variance Xi(t).
    pub fn variance(&self, t: f64) -> f64 {
        match *self {
            Schedule::VarianceExpanding { sigma } => {
                let log = libm::log(sigma);
                T_END * libm::expm1(2.0 * log * t / T_END) / (2.0 * log)
            }
        }
    }

    /// Diffusion coefficient g(t).
    pub fn diffusion(&self, t: f64) -> f64 {
        match *self {
            Schedule::VarianceExpanding { sigma } => libm::exp(libm::log(sigma) * t / T_END),
        }
    }

    /// Noise relative to the signal, sqrt(Xi(t)) / f(t): the variable that networks are conditioned on.
    pub fn noise(&self, t: f64) -> f64 {
        self.variance(t).sqrt() / self.signal(t)
    }

    /// The inverse of [`Schedule::noise`], clamped to \[0, T\].
    pub fn time_of_noise(&self, noise: f64) -> f64 {
        match *self {
            Schedule::VarianceExpanding { sigma } => {
                let log = libm::log(sigma);
                (T_END * libm::log1p(2.0 * log * noise * noise / T_END) / (2.0 * log)).clamp(0.0, T_END)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_value_and_inverse() {
        let schedule = Schedule::variance_expanding(25.0).unwrap();
        assert!((schedule.variance(1.0) - 96.9).abs() < 0.05);
        for t in [0.0, 1e-3, 0.2, 0.7, 1.0] {
            assert!((schedule.time_of_noise(schedule.noise(t)) - t).abs() < 1e-12);
        }
        // Xi is the integral of g^2.
        let (t, h) = (0.6, 1e-5);
        let slope = (schedule.variance(t + h) - schedule.variance(t - h)) / (2.0 * h);
        assert!((slope / schedule.diffusion(t).powi(2) - 1.0).abs() < 1e-8);
    }

    #[test]
    fn the_base_follows_from_the_largest_noise() {
        for largest in [1.5, 9.84, 60.0, 1e4] {
            let schedule = Schedule::variance_expanding_to(largest).unwrap();
            assert!((schedule.noise(1.0) / largest - 1.0).abs() < 1e-9, "{largest}");
        }
        assert!(Schedule::variance_expanding(1.0).is_err() && Schedule::variance_expanding_to(f64::NAN).is_err());
    }
}
