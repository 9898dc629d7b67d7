//! Noise schedules: dphi = -1/2 k(t) phi dt + g(t) dW on 0 <= t <= T = 1, <dW^2> = dt, with
//! g(t) = sigma^(t/T), so that phi_t = f(t) phi_0 + sqrt(Xi(t)) eps with eps standard normal (Wang, Aarts,
//! Zhou, JHEP 05 (2024) 060, eqs. 3.1-3.4; Aarts, Habibi, Wang, Zhou, MLST 6 (2025) 025004, sec. 2).
//!
//! All schemes are one family, k = c g^2 with 0 <= c <= 1. With u(t) = int_0^t g^2 =
//! T (sigma^(2t/T) - 1) / (2 ln sigma):
//!
//!   f = exp(-c u / 2),   Xi = (1 - f^2) / c,   Xi / f^2 = (exp(c u) - 1) / c,
//!
//! with the limits f = 1, Xi = u for c = 0. This file is the one place for f, Xi, g and k.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// End of the forward process.
pub const T_END: f64 = 1.0;

/// Largest c u(T) = -2 ln f(T).
const LARGEST_DECAY: f64 = 600.0;

/// A scheme with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all = "kebab-case")]
pub enum Schedule {
    /// c = 0: the signal stays, f = 1, and the variance grows without bound.
    VarianceExpanding {
        /// Base of the diffusion coefficient, > 1; 25 in the literature.
        sigma: f64,
    },
    /// c = 1: data of unit variance keep it, f^2 + Xi = 1 (the limit of DDPM: Ho, Jain, Abbeel,
    /// arXiv:2006.11239).
    VariancePreserving {
        /// Base of the diffusion coefficient, > 1; 25 in the literature.
        sigma: f64,
    },
    /// k = c g^2 in between.
    Interpolating {
        /// Base of the diffusion coefficient, > 1; 25 in the literature.
        sigma: f64,
        /// c, from 0 (variance-expanding) to 1 (variance-preserving).
        contraction: f64,
    },
}

impl Schedule {
    /// The variance-expanding scheme.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless `sigma` is finite and above 1.
    pub fn variance_expanding(sigma: f64) -> Result<Self> {
        Schedule::VarianceExpanding { sigma }.checked()
    }

    /// The variance-preserving scheme.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless `sigma` is finite and above 1.
    pub fn variance_preserving(sigma: f64) -> Result<Self> {
        Schedule::VariancePreserving { sigma }.checked()
    }

    /// The scheme with k = `contraction` g^2.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless `sigma` is finite and above 1 and `contraction` in \[0, 1\].
    pub fn interpolating(sigma: f64, contraction: f64) -> Result<Self> {
        Schedule::Interpolating { sigma, contraction }.checked()
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

    fn checked(self) -> Result<Self> {
        self.validate()?;
        Ok(self)
    }

    /// Checks parameters that came from a file or a caller.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`].
    pub fn validate(&self) -> Result<()> {
        let (sigma, c) = (self.sigma(), self.contraction());
        if !(sigma.is_finite() && sigma > 1.0) {
            return Err(Error::invalid("sigma", sigma, "a finite number above 1 (25 in the literature)"));
        }
        if !(0.0..=1.0).contains(&c) {
            let expected = "a number from 0 (variance-expanding) to 1 (variance-preserving)";
            return Err(Error::invalid("contraction", c, expected));
        }
        // Beyond this f(T) is zero in double precision, and with it the noise relative to the signal infinite.
        let total = c * self.accumulated(T_END);
        if total > LARGEST_DECAY {
            let expected = format!("a base for which c u(T) = {total:.0} stays below {LARGEST_DECAY}");
            return Err(Error::invalid("sigma", sigma, &expected));
        }
        Ok(())
    }

    /// Base of the diffusion coefficient.
    pub fn sigma(&self) -> f64 {
        match *self {
            Schedule::VarianceExpanding { sigma }
            | Schedule::VariancePreserving { sigma }
            | Schedule::Interpolating { sigma, .. } => sigma,
        }
    }

    /// c = k / g^2.
    pub fn contraction(&self) -> f64 {
        match *self {
            Schedule::VarianceExpanding { .. } => 0.0,
            Schedule::VariancePreserving { .. } => 1.0,
            Schedule::Interpolating { contraction, .. } => contraction,
        }
    }

    /// u(t) = int_0^t g^2.
    fn accumulated(&self, t: f64) -> f64 {
        let log = libm::log(self.sigma());
        T_END * libm::expm1(2.0 * log * t / T_END) / (2.0 * log)
    }

    /// Signal factor f(t).
    pub fn signal(&self, t: f64) -> f64 {
        match self.contraction() {
            0.0 => 1.0,
            c => libm::exp(-0.5 * c * self.accumulated(t)),
        }
    }

    /// Noise variance Xi(t).
    pub fn variance(&self, t: f64) -> f64 {
        match self.contraction() {
            0.0 => self.accumulated(t),
            c => -libm::expm1(-c * self.accumulated(t)) / c,
        }
    }

    /// Diffusion coefficient g(t).
    pub fn diffusion(&self, t: f64) -> f64 {
        libm::exp(libm::log(self.sigma()) * t / T_END)
    }

    /// Rate k(t) at which the signal decays: df/dt = -k f / 2.
    pub fn decay(&self, t: f64) -> f64 {
        self.contraction() * self.diffusion(t).powi(2)
    }

    /// Noise relative to the signal, sqrt(Xi(t)) / f(t): the variable that networks are conditioned on.
    pub fn noise(&self, t: f64) -> f64 {
        let u = self.accumulated(t);
        match self.contraction() {
            0.0 => u.sqrt(),
            c => (libm::expm1(c * u) / c).sqrt(),
        }
    }

    /// The inverse of [`Schedule::noise`], clamped to \[0, T\].
    pub fn time_of_noise(&self, noise: f64) -> f64 {
        let u = match self.contraction() {
            0.0 => noise * noise,
            c => libm::log1p(c * noise * noise) / c,
        };
        let log = libm::log(self.sigma());
        (T_END * libm::log1p(2.0 * log * u / T_END) / (2.0 * log)).clamp(0.0, T_END)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family() -> [Schedule; 4] {
        [
            Schedule::variance_expanding(25.0).unwrap(),
            Schedule::interpolating(25.0, 0.01).unwrap(),
            Schedule::interpolating(5.0, 0.5).unwrap(),
            Schedule::variance_preserving(25.0).unwrap(),
        ]
    }

    #[test]
    fn published_values() {
        let [expanding, .., preserving] = family();
        assert!((expanding.variance(1.0) - 96.9).abs() < 0.05);
        // u(1) = 96.93: nothing of the signal is left.
        assert!((preserving.signal(1.0).ln() + 48.46).abs() < 0.01);
        for t in [0.0, 0.3, 1.0] {
            assert!((preserving.signal(t).powi(2) + preserving.variance(t) - 1.0).abs() < 1e-15);
        }
    }

    #[test]
    fn the_functions_of_time_belong_together() {
        for schedule in family() {
            let h = 1e-5;
            for t in [0.1, 0.45, 0.6] {
                let (f, k, g) = (schedule.signal(t), schedule.decay(t), schedule.diffusion(t));
                let slope = |of: &dyn Fn(f64) -> f64| (of(t + h) - of(t - h)) / (2.0 * h);
                // df/dt = -k f / 2; dXi/dt = g^2 - k Xi; noise^2 = Xi / f^2.
                let signal = slope(&|t| schedule.signal(t));
                assert!((signal + 0.5 * k * f).abs() < 1e-7 * (1.0 + k * f), "{schedule:?} {t}");
                let variance = slope(&|t| schedule.variance(t)) - (g * g - k * schedule.variance(t));
                assert!(variance.abs() < 1e-7 * g * g, "{schedule:?} {t}: {variance}");
                assert!((schedule.noise(t) * f / schedule.variance(t).sqrt() - 1.0).abs() < 1e-12);
                assert!((schedule.time_of_noise(schedule.noise(t)) - t).abs() < 1e-12);
            }
            assert_eq!((schedule.noise(0.0), schedule.time_of_noise(0.0)), (0.0, 0.0));
        }
    }

    #[test]
    fn small_contraction_tends_to_the_expanding_scheme() {
        let [expanding, ..] = family();
        let close = Schedule::interpolating(25.0, 1e-9).unwrap();
        assert!((close.variance(0.8) / expanding.variance(0.8) - 1.0).abs() < 1e-6);
        assert!((close.signal(0.8) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn the_base_follows_from_the_largest_noise() {
        for largest in [1.5, 9.84, 60.0, 1e4] {
            let schedule = Schedule::variance_expanding_to(largest).unwrap();
            assert!((schedule.noise(1.0) / largest - 1.0).abs() < 1e-9, "{largest}");
        }
        assert!(Schedule::variance_expanding(1.0).is_err() && Schedule::variance_expanding_to(f64::NAN).is_err());
        assert!(Schedule::interpolating(25.0, 1.1).is_err() && Schedule::interpolating(25.0, f64::NAN).is_err());
        assert!(Schedule::variance_preserving(100.0).is_err());
    }
}
