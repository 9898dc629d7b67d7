//! Moments and cumulants in closed form (or by quadrature to nearly full precision) of the laws in one
//! variable: what simulations, forward processes and generated samples are compared with.

use crate::action::{MixtureLaw, ToyLaw};
use crate::diffusion::Schedule;
use crate::error::{Error, Result};
use std::iter::Sum;
use std::ops::{Mul, Sub};

/// Binomial coefficients n over 0, ..., n.
fn binomials(n: usize) -> Vec<f64> {
    let mut row = vec![1.0];
    for k in 0..n {
        row.push(row[k] * (n - k) as f64 / (k + 1) as f64);
    }
    row
}

/// E\[x^n\], n = 1 to `highest`, of the quartic toy model, by quadrature; relative error 1e-12 for n <= 12.
pub fn toy_moments(law: &ToyLaw, highest: usize) -> Vec<f64> {
    law.moments(highest)
}

/// E\[x_i^n\], n = 1 to `highest`, of one component of a Gaussian mixture:
/// sum_k w_k sum_j (n over 2j) (2j - 1)!! sigma0^(2j) m_k^(n - 2j).
///
/// # Errors
/// [`Error::InvalidArgument`] if the law has no such component.
pub fn mixture_moments(law: &MixtureLaw, component: usize, highest: usize) -> Result<Vec<f64>> {
    if component >= law.components() {
        return Err(Error::invalid("component", component, &format!("a number below {}", law.components())));
    }
    let square = law.width() * law.width();
    let moment = |n: usize| -> f64 {
        let binomials = binomials(n);
        let peaks = (0..law.peaks()).map(|k| {
            let (m, mut normal, mut sum) = (law.centre(k)[component], 1.0, 0.0);
            for j in 0..=n / 2 {
                sum += binomials[2 * j] * normal * m.powi((n - 2 * j) as i32);
                normal *= (2 * j + 1) as f64 * square;
            }
            law.weight(k) * sum
        });
        peaks.sum()
    };
    Ok((1..=highest).map(moment).collect())
}

/// Cumulants kappa_1, kappa_2, ... of the law whose moments E\[x\], E\[x^2\], ... are given:
/// kappa_n = m_n - sum_(k=1)^(n-1) (n-1 over k-1) kappa_k m_(n-k). Of real or complex moments.
pub fn cumulants_of_moments<T>(moments: &[T]) -> Vec<T>
where
    T: Copy + Sub<Output = T> + Mul<Output = T> + Mul<f64, Output = T> + Sum,
{
    let mut cumulants: Vec<T> = Vec::with_capacity(moments.len());
    for n in 1..=moments.len() {
        let binomials = binomials(n - 1);
        let lower: T = (1..n).map(|k| cumulants[k - 1] * moments[n - k - 1] * binomials[k - 1]).sum();
        cumulants.push(moments[n - 1] - lower);
    }
    cumulants
}

/// Cumulants of phi_t from those of the data (kappa_1 first): kappa_n(t) = kappa_n(0) f(t)^n, and Xi(t) is
/// added to the second (Aarts, Habibi, Wang, Zhou, MLST 6 (2025) 025004, sec. 4).
pub fn forward_cumulants(schedule: &Schedule, time: f64, cumulants: &[f64]) -> Vec<f64> {
    let signal = schedule.signal(time);
    let mut found: Vec<f64> = cumulants.iter().enumerate().map(|(n, k)| k * signal.powi(n as i32 + 1)).collect();
    if let Some(second) = found.get_mut(1) {
        *second += schedule.variance(time);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference() -> serde_json::Value {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/toys.json");
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn agree(found: &[f64], table: &serde_json::Value, tolerance: f64) {
        let table = table.as_object().unwrap();
        assert!(!table.is_empty());
        for (n, expected) in table {
            let (n, expected) = (n.parse::<usize>().unwrap(), expected.as_f64().unwrap());
            assert!((found[n - 1] / expected - 1.0).abs() < tolerance, "n = {n}: {} {expected}", found[n - 1]);
        }
    }

    #[test]
    fn the_toy_has_the_reference_moments_cumulants_and_partition_function() {
        let reference = reference();
        for (name, mu2) in [("mu2=+1", 1.0), ("mu2=-1", -1.0)] {
            let (table, law) = (&reference["zero_dim_quartic"][name], ToyLaw::new(mu2, 0.4).unwrap());
            let moments = toy_moments(&law, 8);
            agree(&moments, &table["moments"], 1e-12);
            agree(&cumulants_of_moments(&moments), &table["cumulants"], 1e-11);
            assert!((law.log_partition().exp() / table["Z"].as_f64().unwrap() - 1.0).abs() < 1e-13);
        }
    }

    #[test]
    fn mixtures_have_the_reference_moments_and_cumulants() {
        let table = &reference()["two_peak"];
        let law = MixtureLaw::two_peak(1.0, 0.25).unwrap();
        let moments = mixture_moments(&law, 0, 12).unwrap();
        agree(&moments, &table["moments"], 1e-14);
        agree(&cumulants_of_moments(&moments), &table["cumulants"], 1e-9);
        // Three peaks: E x^3 = 0 and E y^3 = (r^3 - 2 (r/2)^3)/3 = r^3/4 (Gaussian terms cancel, the mean is 0).
        let law = MixtureLaw::three_peak(2.0, 0.3).unwrap();
        assert!(mixture_moments(&law, 0, 3).unwrap()[2].abs() < 1e-14);
        assert!((mixture_moments(&law, 1, 3).unwrap()[2] - 2.0).abs() < 1e-13);
        assert!(mixture_moments(&law, 2, 3).is_err());
    }

    #[test]
    fn a_shifted_gaussian_has_two_cumulants_and_noise_adds_to_the_second() {
        let law = MixtureLaw::new(&[vec![0.7]], &[2.0], 1.3).unwrap();
        let cumulants = cumulants_of_moments(&mixture_moments(&law, 0, 6).unwrap());
        for (found, expected) in cumulants.iter().zip([0.7, 1.69, 0.0, 0.0, 0.0, 0.0]) {
            assert!((found - expected).abs() < 1e-11, "{cumulants:?}");
        }
        // The smoothed mixture is a mixture: centres f m, width^2 = f^2 s0^2 + Xi.
        let schedule = Schedule::variance_preserving(25.0).unwrap();
        let (f, xi) = (schedule.signal(0.2), schedule.variance(0.2));
        let start = mixture_moments(&MixtureLaw::two_peak(1.0, 0.25).unwrap(), 0, 8).unwrap();
        let smoothed = MixtureLaw::two_peak(f, (0.0625 * f * f + xi).sqrt()).unwrap();
        let expected = cumulants_of_moments(&mixture_moments(&smoothed, 0, 8).unwrap());
        let found = forward_cumulants(&schedule, 0.2, &cumulants_of_moments(&start));
        assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?} {expected:?}");
    }
}
