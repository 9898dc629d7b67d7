use super::*;
use crate::rng::{Purpose, Stream};

/// x(i+1) = a x(i) + noise with unit variance: rho(t) = a^t, tau_int = (1 + a) / (2 (1 - a)).
fn autoregressive(a: f64, length: usize, chain: u32) -> Vec<f64> {
    let mut series = vec![0.0; length];
    Stream::new(2024, chain, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut series);
    for i in 1..length {
        series[i] = a * series[i - 1] + (1.0 - a * a).sqrt() * series[i];
    }
    series
}

#[test]
fn tau_int_of_an_autoregressive_chain() {
    // Twelve values of z against 4 (two-sided false alarm 8e-4 in all; the seed is fixed).
    for (chain, a) in [-0.5, 0.0, 0.5, 0.9, 0.98, 0.995].into_iter().enumerate() {
        let series = autoregressive(a, 400_000, chain as u32);
        let estimate = gamma_method(&[&series]).unwrap();
        let tau_int = (1.0 + a) / (2.0 * (1.0 - a));
        let z = (estimate.tau_int - tau_int) / estimate.tau_int_error;
        assert!(estimate.window_closed && z.abs() < 4.0, "a = {a}: {estimate:?}, expected {tau_int}");
        assert!(estimate.z_value(0.0).abs() < 4.0);
    }
    // Strong anticorrelation, tau_int = 1/38: the window must not close on the first negative sum.
    let estimate = gamma_method(&[&autoregressive(-0.9, 400_000, 9)]).unwrap();
    assert!((estimate.tau_int * 38.0 - 1.0).abs() < 0.3 && estimate.window > 20, "{estimate:?}");
}

#[test]
fn errors_cover_the_truth_for_replicas_of_any_lengths() {
    // 300 independent means in units of their errors have variance 1 +- sqrt(2/300) = 0.08; the
    // bound of 0.3 is beyond 3.5 sigma (false alarm 5e-4, seed fixed).
    let mut squares = 0.0;
    for group in 0..300 {
        let lengths = [400, 1000, 1, 0, 150].into_iter();
        let series: Vec<_> = lengths.zip(group * 8..).map(|(n, chain)| autoregressive(0.8, n, chain)).collect();
        let replicas: Vec<&[f64]> = series.iter().map(Vec::as_slice).collect();
        squares += gamma_method(&replicas).unwrap().z_value(0.0).powi(2) / 300.0;
    }
    assert!((squares - 1.0).abs() < 0.3, "{squares}");
}

#[test]
fn bias_correction_is_that_of_wolff() {
    // Six values up, six down, by hand: Gamma(0) = 1, Gamma(1) = 9/11, Gamma(2) = 6/10, where the
    // window closes. C = 1 + 18/11 + 12/10 becomes C (1 + 5/12), and Gamma(0) becomes 1 + C/12.
    let series: Vec<f64> = (0..12).map(|i| if i < 6 { 1.0 } else { -1.0 }).collect();
    let estimate = gamma_method(&[&series]).unwrap();
    assert_eq!((estimate.window, estimate.window_closed), (2, true));
    let sum: f64 = 1.0 + 18.0 / 11.0 + 1.2;
    let corrected = sum * (1.0 + 5.0 / 12.0);
    assert!((estimate.error - (corrected / 12.0).sqrt()).abs() < 1e-14);
    assert!((estimate.error_of_error - estimate.error * (2.5f64 / 12.0).sqrt()).abs() < 1e-14);
    let tau_int = corrected / 2.0 / (1.0 + sum / 12.0);
    assert!((estimate.tau_int - tau_int).abs() < 1e-14);
    // W + 1/2 = 2.5 is too short for tau_int = 2.2: half of Wolff's variance.
    assert!((estimate.tau_int_error - tau_int * (2.0 * (2.5 - tau_int) / 12.0).sqrt()).abs() < 1e-14);
}

#[test]
fn the_error_of_tau_int_is_bartletts() {
    // The double sum over lags, term by term, against the closed form; rho beyond 40 tau_int is nothing.
    for (tau, window) in [(0.5, 3), (2.0, 15), (7.5, 60), (0.3, 5)] {
        let a: f64 = (2.0 * tau - 1.0) / (2.0 * tau + 1.0);
        let rho = |t: i64| a.powi(t.unsigned_abs() as i32);
        let reach = 2 * window + (40.0 * tau) as i64;
        let r = |k: i64| (-reach..=reach).map(|m| rho(m) * rho(m + k)).sum::<f64>();
        let lags = || -window..=window;
        let sums: f64 = lags().flat_map(|s| lags().map(move |t| (s, t))).map(|(s, t)| r(s - t) + r(s + t)).sum();
        let mixed: f64 = lags().map(|t| 2.0 * r(t)).sum();
        let expected = sums / (4.0 * tau * tau) - 2.0 * mixed / (2.0 * tau) + 2.0 * r(0);
        let found = variance_factor(window as f64 + 0.5, tau);
        assert!((found / expected - 1.0).abs() < 0.01, "tau = {tau}: {found} {expected}");
    }
    assert!((variance_factor(400.5, 40.0) - 4.0 * 400.5 + 9.0 * 40.0).abs() < 1.0);
    assert_eq!((variance_factor(3.0, 2.5), variance_factor(1.0, 2.0)), (1.0, 0.0));
}

#[test]
fn a_long_slow_chain_takes_the_transform() {
    let series = autoregressive(0.998, 1_000_000, 9);
    let estimate = gamma_method(&[&series]).unwrap();
    assert!(estimate.window > 1000 && estimate.window_closed);
    assert!(((estimate.tau_int - 499.5) / estimate.tau_int_error).abs() < 3.5, "{estimate:?}");
}

#[test]
fn binder_cumulant_of_a_gaussian_has_the_closed_error() {
    let n = 1_000_000;
    // U = 1 - <x^4> / (3 <x^2>^2) = 0, error sqrt(8 / (3 N)) for N independent values; z < 3.5.
    let moments = |series: &[f64]| [2, 4].map(|power| series.iter().map(|x| x.powi(power)).collect::<Vec<_>>());
    let binder = |m: &[f64]| 1.0 - m[1] / (3.0 * m[0] * m[0]);
    for a in [0.0, 0.9] {
        let [squares, fourth] = moments(&autoregressive(a, n, 20));
        let estimate = gamma_method_derived(&[[&squares[..], &fourth[..]]], &binder).unwrap();
        // Only the fourth Hermite polynomial contributes: its autocorrelation is rho(t)^4.
        let slow = (1.0 + a.powi(4)) / (1.0 - a.powi(4));
        let error = (8.0 / 3.0 / n as f64 * slow).sqrt();
        assert!(estimate.z_value(0.0).abs() < 3.5, "{estimate:?}");
        assert!((estimate.error / error - 1.0).abs() < 0.1, "{} {error}", estimate.error);
    }
}

#[test]
fn constant_and_alternating_series_give_no_nan() {
    let constant = gamma_method(&[&[0.1; 1_001], &[0.1; 7]]).unwrap();
    assert_eq!((constant.value, constant.error, constant.tau_int), (0.1, 0.0, 0.5));
    let difference = gamma_method_derived(&[[&[0.1, 0.7, 0.3][..], &[0.1, 0.7, 0.3]]], &|m| m[0] - m[1]).unwrap();
    assert_eq!((difference.error, difference.tau_int), (0.0, 0.5));
    let alternating: Vec<f64> = (0..1000).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let estimate = gamma_method(&[&alternating]).unwrap();
    assert!(estimate.error > 0.0 && estimate.error < 0.01 && estimate.tau_int < 0.1, "{estimate:?}");
    // A thousand chains of ten values, each shorter than its own autocorrelation time.
    let short: Vec<Vec<f64>> = (0..1000).map(|chain| autoregressive(0.99, 10, chain)).collect();
    let short: Vec<&[f64]> = short.iter().map(Vec::as_slice).collect();
    assert!(!gamma_method(&short).unwrap().window_closed);
    assert_eq!(autocorrelation_function(&[&[2.0; 10]], 2).unwrap(), [1.0, 0.0, 0.0]);
}

#[test]
fn unusable_series_are_refused() {
    assert!(gamma_method(&[]).is_err() && gamma_method(&[&[1.0]]).is_err());
    assert!(gamma_method(&[&[1.0, f64::NAN]]).is_err());
    assert!(gamma_method_derived(&[[&[1.0, 2.0][..], &[1.0]]], &|m| m[0]).is_err());
    assert!(gamma_method_derived(&[vec![&[1.0, 2.0][..]], vec![]], &|m| m[0]).is_err());
    assert!(gamma_method_derived(&[[&[0.0, 0.0][..]]], &|m| 1.0 / m[0]).is_err());
}
