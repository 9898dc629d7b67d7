//! Complex actions of one variable: sigma0/2 z^2 + lambda/4 z^4 with sigma0 = A + iB (arXiv:2412.01919).
//!
//! exp(-S) is not a probability, so that no accept step exists and these are not [`Action`]s. Complex
//! Langevin ([`crate::sampler::ComplexLangevin`]) makes z = x + iy a diffusion process in the plane,
//! whose law P(x, y) satisfies int dx dy P(x, y) O(x + iy) = int dx exp(-S(x)) O(x) / Z for holomorphic O
//! when it is localised well enough (G. Aarts, E. Seiler and I.-O. Stamatescu, arXiv:0912.3360). P itself is
//! known in closed form for the Gaussian model only: what can be checked are the moments
//! ([`crate::analysis::exact_complex_moments`]).

use super::Action;
use crate::error::{Error, Result};

pub use rustfft::num_complex::Complex64;

/// S(z) = sigma0/2 z^2 + lambda/4 z^4 at every site, sites independent. lambda = 0 is the Gaussian model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ComplexQuartic {
    sigma0: Complex64,
    lambda: f64,
}

impl ComplexQuartic {
    /// sigma0 = `a` + i `b`, quartic coupling `lambda`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when exp(-S) is not integrable on the real axis (lambda < 0, or lambda = 0
    /// and A <= 0) or a number is not finite.
    pub fn new(a: f64, b: f64, lambda: f64) -> Result<Self> {
        for (name, value) in [("a", a), ("b", b)] {
            if !value.is_finite() {
                return Err(Error::invalid(name, value, "a finite number"));
            }
        }
        if !(lambda >= 0.0 && lambda.is_finite()) {
            return Err(Error::invalid("lambda", lambda, "a finite number >= 0"));
        }
        if lambda == 0.0 && a <= 0.0 {
            return Err(Error::invalid("a", a, "a > 0 when lambda = 0: exp(-S) must be integrable"));
        }
        Ok(ComplexQuartic { sigma0: Complex64::new(a, b), lambda })
    }

    /// The Gaussian model, sigma0 = `a` + i `b`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless a > 0.
    pub fn gaussian(a: f64, b: f64) -> Result<Self> {
        Self::new(a, b, 0.0)
    }

    /// sigma0 = A + iB.
    pub fn sigma0(&self) -> Complex64 {
        self.sigma0
    }

    /// Quartic coupling.
    pub fn lambda(&self) -> f64 {
        self.lambda
    }

    /// S(z) of one site.
    pub fn action(&self, z: Complex64) -> Complex64 {
        let square = z * z;
        square * (self.sigma0 * 0.5 + square * (0.25 * self.lambda))
    }

    /// Drift K(z) = -S'(z) = -(sigma0 z + lambda z^3) of one site.
    #[inline]
    pub fn drift(&self, z: Complex64) -> Complex64 {
        -(z * (self.sigma0 + z * z * self.lambda))
    }

    /// y_-: the process never leaves |y| <= y_- once inside, because the drift at y = +-y_- points
    /// inwards (or along) for every x. y_-^2 = A / (2 lambda) (1 - sqrt(1 - B^2 / (3 A^2))); `None` for the Gaussian
    /// model and when 3 A^2 < B^2 or A <= 0 (G. Aarts, P. Giudice and E. Seiler, arXiv:1306.3075).
    pub fn strip(&self) -> Option<f64> {
        let (a, b) = (self.sigma0.re, self.sigma0.im);
        let root = 1.0 - b * b / (3.0 * a * a);
        // The difference 1 - sqrt(root) without cancellation, for small B.
        let squared = b * b / (3.0 * a * a) / (1.0 + root.sqrt()) * a / (2.0 * self.lambda);
        (self.lambda > 0.0 && a > 0.0 && root >= 0.0).then(|| squared.sqrt())
    }

    /// (<x^2>, <y^2>, <xy>) of the law P(x, y) of complex Langevin, for the Gaussian model; `None` otherwise.
    /// P = exp(-a x^2 - b y^2 - 2c xy) / norm with a = A, b = A (1 + 2A^2/B^2), c = A^2/B (arXiv:2412.01919).
    pub fn gaussian_covariance(&self) -> Option<[f64; 3]> {
        let (a, b) = (self.sigma0.re, self.sigma0.im);
        let norm = 2.0 * a * (a * a + b * b);
        (self.lambda == 0.0).then(|| [(b * b + 2.0 * a * a) / norm, b * b / norm, -a * b / norm])
    }

    /// Why nothing with an accept step can be built on a complex action.
    pub fn no_accept_step() -> Error {
        Error::invalid(
            "action",
            "a complex action",
            "a real action: complex Langevin samples P(x, y), whose density is not known; there is no acceptance \
             and no exact kernel; sample with ComplexLangevin and check the moments instead (exact_complex_moments)",
        )
    }
}

/// Always fails, so that a complex action handed to a kernel is refused with the reason.
impl TryFrom<ComplexQuartic> for Box<dyn Action> {
    type Error = Error;

    fn try_from(_: ComplexQuartic) -> Result<Self> {
        Err(ComplexQuartic::no_accept_step())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::ActionRecord;
    use crate::lattice::Lattice;

    #[test]
    fn drift_is_minus_the_complex_derivative() {
        let action = ComplexQuartic::new(1.0, -0.7, 0.4).unwrap();
        for z in [Complex64::new(0.3, -0.2), Complex64::new(-1.7, 0.9)] {
            for step in [Complex64::new(1e-5, 0.0), Complex64::new(0.0, 1e-5)] {
                let numeric = -(action.action(z + step) - action.action(z - step)) / (step * 2.0);
                assert!((numeric - action.drift(z)).norm() < 1e-8);
            }
        }
    }

    #[test]
    fn the_strip_is_where_the_drift_turns_inwards() {
        let action = ComplexQuartic::new(1.0, 1.0, 1.0).unwrap();
        let strip = action.strip().unwrap();
        assert!((strip - 0.302_905_446_527_686_25).abs() < 1e-15, "{strip}");
        let outward = |y: f64| (-4000..=4000).map(move |i| action.drift(Complex64::new(i as f64 * 1e-3, y)).im);
        let largest = |y: f64| outward(y).fold(f64::NEG_INFINITY, f64::max);
        assert!(largest(strip) <= 1e-12 && largest(strip) > -1e-6 && largest(0.99 * strip) > 1e-3);
        assert_eq!(ComplexQuartic::new(1.0, 2.0, 1.0).unwrap().strip(), None);
        assert_eq!(ComplexQuartic::gaussian(1.0, 1.0).unwrap().strip(), None);
        assert_eq!(ComplexQuartic::new(1.0, 0.0, 1.0).unwrap().strip(), Some(0.0));
    }

    #[test]
    fn covariance_of_the_gaussian_model_is_the_inverse_of_its_quadratic_form() {
        let (a, b) = (1.3, 0.6);
        let [xx, yy, xy] = ComplexQuartic::gaussian(a, b).unwrap().gaussian_covariance().unwrap();
        let form = [2.0 * a, 2.0 * a * (1.0 + 2.0 * a * a / (b * b)), 2.0 * a * a / b];
        let determinant = form[0] * form[1] - form[2] * form[2];
        assert!((xx - form[1] / determinant).abs() < 1e-14 && (yy - form[0] / determinant).abs() < 1e-14);
        assert!((xy + form[2] / determinant).abs() < 1e-14);
    }

    #[test]
    fn no_accept_step_on_a_complex_action() {
        let action = ComplexQuartic::new(1.0, 1.0, 1.0).unwrap();
        let refused = Box::<dyn Action>::try_from(action).err().unwrap().to_string();
        assert!(refused.contains("no acceptance") && refused.contains("check the moments"), "{refused}");
        let lattice = Lattice::new(&[1]).unwrap().with_components(2).unwrap();
        for record in [ActionRecord::complex_gaussian(1.0, 1.0), ActionRecord::complex_quartic(1.0, 1.0, 1.0)] {
            let message = record.build(&lattice).err().unwrap().to_string();
            assert!(message.contains("no acceptance") && message.contains("check the moments"), "{message}");
            assert_eq!(record.complex().unwrap().sigma0(), action.sigma0());
        }
        assert!(ActionRecord::phi4(0.2, 0.1).complex().is_err());
    }

    #[test]
    fn actions_without_an_integral_are_refused() {
        for (a, b, lambda) in [(0.0, 1.0, 0.0), (-1.0, 0.0, 0.0), (1.0, 0.0, -1.0), (f64::NAN, 0.0, 1.0)] {
            assert!(ComplexQuartic::new(a, b, lambda).is_err());
        }
        assert!(ComplexQuartic::new(-1.0, 1.0, 0.1).is_ok());
    }
}
