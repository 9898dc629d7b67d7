//! Exact moments of a complex action.

use crate::action::{Complex64, ComplexQuartic};
use crate::error::{Error, Result};

/// Highest moment; exp(-S) z^n is then still far from overflow.
const HIGHEST: usize = 16;
/// -Re S at which the integrand is dropped, relative to its largest value.
const NEGLIGIBLE: f64 = 60.0;
/// Most points of the quadrature.
const MOST_POINTS: usize = 1 << 20;

/// <z^n> = int dx x^n exp(-S(x)) / int dx exp(-S(x)) along the real axis for n = 0 ..= `highest`; odd ones
/// are zero. Trapezoidal rule, which converges exponentially for an analytic integrand, the step being
/// halved until the moments agree to 10^-13 of the absolute integrals.
///
/// # Errors
/// [`Error::InvalidArgument`] for `highest` > 16, or when the phase cancels so much of the integral
/// (|<e^(-i Im S)>| < 10^-6) that the moments would have fewer than about 7 digits.
pub fn exact_complex_moments(action: &ComplexQuartic, highest: usize) -> Result<Vec<Complex64>> {
    if highest > HIGHEST {
        return Err(Error::invalid("highest moment", highest, "at most 16"));
    }
    let reach = reach(action);
    let mut points = 64;
    let mut before = integrals(action, highest, reach, points);
    loop {
        points *= 2;
        let now = integrals(action, highest, reach, points);
        let settled = now.iter().zip(&before).all(|(a, b)| (a.0 - b.0).norm() <= 1e-13 * a.1);
        if settled || points >= MOST_POINTS {
            let (norm, absolute) = now[0];
            if !settled || !(norm.norm() > 1e-6 * absolute) {
                let found = format!("{:.1e}", norm.norm() / absolute);
                return Err(Error::invalid(
                    "mean phase of exp(-S)",
                    found,
                    "at least 1e-6, and a quadrature that settles with 2^20 points: choose a smaller |b|",
                ));
            }
            return Ok(now.iter().map(|(integral, _)| integral / norm).collect());
        }
        before = now;
    }
}

/// x beyond which exp(-Re S) x^16 is negligible.
fn reach(action: &ComplexQuartic) -> f64 {
    // Re S = A/2 x^2 + lambda/4 x^4; for A < 0 its minimum is -A^2 / (4 lambda).
    let a = action.sigma0().re;
    let lowest = if a < 0.0 { -a * a / (4.0 * action.lambda()) } else { 0.0 };
    let mut x: f64 = 1e-3;
    while action.action(Complex64::new(x, 0.0)).re - lowest < NEGLIGIBLE + HIGHEST as f64 * libm::log(x.max(1.0)) {
        x *= 1.05;
    }
    x
}

/// int x^n exp(-S) and int |x^n exp(-S)| over 0 < x < reach, up to the same factor for all even n.
fn integrals(action: &ComplexQuartic, highest: usize, reach: f64, points: usize) -> Vec<(Complex64, f64)> {
    let mut sums = vec![(Complex64::default(), 0.0); highest + 1];
    let step = reach / points as f64;
    let a = action.sigma0().re;
    let offset = if a < 0.0 { -a * a / (4.0 * action.lambda()) } else { 0.0 };
    for point in 0..=points {
        let x = point as f64 * step;
        let s = action.action(Complex64::new(x, 0.0));
        let (sine, cosine) = libm::sincos(-s.im);
        // x and -x together; 0 counts once.
        let weight = libm::exp(offset - s.re) * step * if point == 0 { 1.0 } else { 2.0 };
        let mut power = weight;
        for (order, (sum, absolute)) in sums.iter_mut().enumerate() {
            if order % 2 == 0 {
                *sum += Complex64::new(power * cosine, power * sine);
            }
            *absolute += power;
            power *= x;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (n - 1)!! / sigma0^(n/2).
    #[test]
    fn gaussian_moments_in_closed_form() {
        for (a, b) in [(1.0, 1.0), (0.02, -0.1), (300.0, 40.0)] {
            let moments = exact_complex_moments(&ComplexQuartic::gaussian(a, b).unwrap(), 8).unwrap();
            let mut expected = Complex64::new(1.0, 0.0);
            for n in [2, 4, 6, 8] {
                expected = expected * (n - 1) as f64 / Complex64::new(a, b);
                let deviation = (moments[n] - expected).norm() / expected.norm();
                assert!(deviation < 1e-9, "A = {a}, B = {b}, n = {n}: {}", moments[n]);
            }
            assert_eq!(moments[3], Complex64::default());
        }
    }

    #[test]
    fn quartic_moments_are_those_of_the_reference() {
        // Quadrature in extended precision, sigma0 = 1 + i, lambda = 1.
        let expected = [
            (2, 0.428141876755, -0.148009898168),
            (4, 0.423848225077, -0.280131978587),
            (6, 0.580445426602, -0.587745940995),
            (8, 0.951049757786, -1.39335937854),
        ];
        let moments = exact_complex_moments(&ComplexQuartic::new(1.0, 1.0, 1.0).unwrap(), 8).unwrap();
        for (n, re, im) in expected {
            assert!((moments[n] - Complex64::new(re, im)).norm() < 2e-11, "n = {n}: {}", moments[n]);
        }
    }

    #[test]
    fn real_double_well_and_the_schwinger_dyson_equations() {
        // <z^(n+1) S'(z)> = (n + 1) <z^n>, also for A < 0, from integration by parts.
        for (a, b, lambda) in [(-3.0, 0.0, 0.5), (-1.0, 1.5, 0.3), (1.0, 2.0, 10.0)] {
            let action = ComplexQuartic::new(a, b, lambda).unwrap();
            let z = exact_complex_moments(&action, 12).unwrap();
            for n in [0, 2, 4, 6, 8] {
                let left = action.sigma0() * z[n + 2] + z[n + 4] * lambda;
                assert!((left - z[n] * (n + 1) as f64).norm() < 1e-9 * (1.0 + left.norm()), "n = {n}");
            }
        }
        assert!(exact_complex_moments(&ComplexQuartic::gaussian(1.0, 1.0).unwrap(), 17).is_err());
        assert!(exact_complex_moments(&ComplexQuartic::gaussian(1.0, 1e14).unwrap(), 8).is_err());
    }
}
