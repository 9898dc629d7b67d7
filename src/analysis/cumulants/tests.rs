use super::*;
use crate::rng::{Purpose, Stream};

/// Even cumulants of the mixture (N(1, 1/16) + N(-1, 1/16)) / 2.
const TWO_PEAK: [f64; MAX_ORDER] = [0.0, 1.0625, 0.0, -2.0, 0.0, 16.0, 0.0, -272.0];

fn stream(step: u64) -> Stream {
    Stream::new(31, 0, step).unwrap()
}

fn normals(step: u64, count: usize) -> Vec<f64> {
    let mut values = vec![0.0; count];
    stream(step).normals(Purpose::Diagnostic, 0, &mut values);
    values
}

fn two_peak(step: u64, count: usize) -> Vec<f64> {
    let mut values = normals(step, count);
    for (i, x) in values.iter_mut().enumerate() {
        let sign = if stream(step).uniform(Purpose::Diagnostic, 1, i as u32) < 0.5 { -1.0 } else { 1.0 };
        *x = sign + 0.25 * *x;
    }
    values
}

fn exponential(step: u64, count: usize) -> Vec<f64> {
    (0..count).map(|i| -libm::log(stream(step).uniform(Purpose::Diagnostic, 2, i as u32))).collect()
}

/// kappa_r = (r - 1)! of the exponential law.
fn exponential_cumulants() -> [f64; MAX_ORDER] {
    std::array::from_fn(|index| (1..=index).map(|k| k as f64).product())
}

fn accumulated(values: &[f64]) -> CumulantAccumulator {
    let mut all = CumulantAccumulator::new();
    all.extend(values).unwrap();
    all
}

fn largest_deviation(a: &CumulantAccumulator, b: &CumulantAccumulator, symmetry: Symmetry) -> f64 {
    assert_eq!(a.count(), b.count());
    let pairs = a.cumulants(symmetry).unwrap().into_iter().zip(b.cumulants(symmetry).unwrap());
    pairs.skip(1).map(|(a, b)| if a == b { 0.0 } else { (a / b - 1.0).abs() }).fold(0.0, f64::max)
}

#[test]
fn a_thousand_merged_parts_are_one_pass() {
    // Two-peak data as they are, shifted far from zero by a number without rounding, and a skewed law.
    let shifted = |data: Vec<f64>, by: f64| data.into_iter().map(|x| x + by).collect::<Vec<_>>();
    let n = 200_003;
    for (data, symmetry) in [
        (two_peak(0, n), Symmetry::None),
        (two_peak(0, n), Symmetry::Even),
        (shifted(exponential(0, n), 1000.0), Symmetry::None),
    ] {
        let whole = accumulated(&data);
        let mut merged = CumulantAccumulator::new();
        // Parts from a single value to several blocks, merged from either side.
        let mut start = 0;
        for part in 0..1000 {
            let end = if part == 999 { n } else { (start + 1 + (part * 37) % 400).min(n) };
            let mut piece = accumulated(&data[start..end]);
            if part % 2 == 0 {
                piece.merge(&merged)
            } else {
                merged.merge(&piece)
            };
            merged = if part % 2 == 0 { piece } else { merged };
            start = end;
        }
        let deviation = largest_deviation(&merged, &whole, symmetry);
        assert!(deviation < 1e-12, "merged: {deviation:e}");
        let mut single = CumulantAccumulator::new();
        data.iter().for_each(|&x| single.push(x).unwrap());
        // Here all roundings differ: a cumulant that is nearly zero is compared on the scale of the width.
        let [single, whole] = [single, whole].map(|all| all.cumulants(symmetry).unwrap());
        for order in 2..=MAX_ORDER {
            let (a, b) = (single[order - 1], whole[order - 1]);
            let scale = b.abs().max(whole[1].powi(order as i32).sqrt());
            assert!((a - b).abs() < 1e-12 * scale, "value by value, order {order}: {a} {b}");
        }
    }
}

#[test]
fn a_first_value_far_off_costs_nothing() {
    // One value at 10^3 standard deviations, then data around zero: about that value the eighth sums
    // would be wrong in all digits of the cumulants of the rest.
    let mut data = two_peak(1, 50_000);
    data[0] = 1e3;
    let mut single = CumulantAccumulator::new();
    data.iter().for_each(|&x| single.push(x).unwrap());
    let rest = single.about(0.0).without(&accumulated(&data[..1]).about(0.0)).cumulant(2, Symmetry::None).unwrap();
    let expected = accumulated(&data[1..]).cumulant(2, Symmetry::None).unwrap();
    assert!((rest / expected - 1.0).abs() < 1e-9, "{rest} {expected}");
    let mut reversed = CumulantAccumulator::new();
    data.iter().rev().for_each(|&x| reversed.push(x).unwrap());
    let deviation = largest_deviation(&single, &reversed, Symmetry::None);
    assert!(deviation < 1e-10, "{deviation:e}");
}

#[test]
fn cumulants_do_not_depend_on_the_origin() {
    // Dyadic data, so that the shifted ones are exact: a mean of 2^20 in units of the width.
    let data: Vec<f64> = two_peak(2, 5000).iter().map(|x| (x * 1048576.0).round() / 1048576.0).collect();
    let shifted: Vec<f64> = data.iter().map(|x| x + 1048576.0).collect();
    let deviation = largest_deviation(&accumulated(&data), &accumulated(&shifted), Symmetry::None);
    assert!(deviation < 1e-11, "{deviation:e}");
    assert!((accumulated(&shifted).mean() - 1048576.0 - accumulated(&data).mean()).abs() < 1e-9);
}

/// Mean and standard deviation over `repeats` samples of 100 values, of the k-statistics and of the
/// jackknife over bins.
fn check_bias(name: &str, sample: &dyn Fn(u64, usize) -> Vec<f64>, exact: [f64; MAX_ORDER], symmetry: Symmetry) {
    let repeats = 2000;
    let mut sums = [[[0.0; 2]; MAX_ORDER]; 2];
    for repeat in 0..repeats {
        let data = sample(1000 + repeat, 100);
        let mut binned = BinnedCumulants::new(10).unwrap();
        binned.push_series(&data).unwrap();
        let jackknifed = binned.estimate(symmetry).unwrap().cumulants.map(|estimate| estimate.value);
        for (sums, found) in sums.iter_mut().zip([accumulated(&data).cumulants(symmetry).unwrap(), jackknifed]) {
            for order in 0..MAX_ORDER {
                let deviation = found[order] - exact[order];
                sums[order][0] += deviation / repeats as f64;
                sums[order][1] += deviation * deviation / repeats as f64;
            }
        }
    }
    for (method, sums) in ["k-statistics", "jackknife"].into_iter().zip(sums) {
        for (index, [bias, square]) in sums.into_iter().enumerate() {
            assert!(bias.abs() <= 0.1 * square.sqrt(), "{name}, {method}, order {}: {bias} {square}", index + 1);
        }
    }
}

#[test]
fn bias_at_a_hundred_values_is_below_a_tenth_of_the_error() {
    // 2000 repeats know the mean to 0.022 of the error of one sample: the bound is 4.5 sigma, false
    // alarm 7e-6 each, 5e-4 for the 64 numbers that can fail; seeds are fixed.
    let gaussian = std::array::from_fn(|index| if index == 1 { 1.0 } else { 0.0 });
    check_bias("Gaussian", &normals, gaussian, Symmetry::None);
    check_bias("two-peak", &two_peak, TWO_PEAK, Symmetry::None);
    check_bias("two-peak, even", &two_peak, TWO_PEAK, Symmetry::Even);
    check_bias("exponential", &exponential, exponential_cumulants(), Symmetry::None);
}

#[test]
fn errors_and_ratios_cover_the_truth_for_correlated_fields() {
    // 300 runs of 4000 configurations of 4 equal-law sites that share half their variance, each
    // configuration like the one before with correlation 0.8. Gaussian: kappa_2 = 1, others 0. The mean of z^2 is 1
    // +- 0.08, and about 1.1 for bins of 64 whose ends touch: bounds at 4 sigma (false alarm 2e-4, seed fixed).
    let mut squares = [0.0; 3];
    for run in 0..300 {
        let noise = normals(10_000 + run, 4000 * 5);
        let mut binned = BinnedCumulants::new(32).unwrap();
        let mut state = [0.0; 5];
        for (step, noise) in noise.chunks(5).enumerate() {
            let memory: f64 = if step == 0 { 0.0 } else { 0.8 };
            let kick = (1.0 - memory * memory).sqrt();
            state.iter_mut().zip(noise).for_each(|(s, noise)| *s = memory * *s + kick * noise);
            let field: Vec<f64> = state[1..].iter().map(|s| (s + state[0]) * 0.5f64.sqrt()).collect();
            binned.push_configuration(&field).unwrap();
        }
        let estimate = binned.estimate(Symmetry::None).unwrap();
        assert_eq!((estimate.count, estimate.bins), (16_000, 63));
        let ratio = binned.derived(Symmetry::None, &|k| k[3] / (k[1] * k[1])).unwrap();
        let z = [estimate.cumulants[1].z_value(1.0), estimate.cumulants[3].z_value(0.0), ratio.z_value(0.0)];
        squares.iter_mut().zip(z).for_each(|(sum, z)| *sum += z * z / 300.0);
    }
    assert!(squares.iter().all(|square| (0.75..1.45).contains(square)), "{squares:?}");
}

#[test]
fn covariance_of_gaussian_cumulants_is_the_closed_form() {
    // var k_r -> r! / N, no covariance between orders. 128 bins know a variance to 12 per cent: bounds
    // at 4 sigma, and at 4 / sqrt(128) for correlations; 4 + 6 numbers, false alarm below 1e-3, seed fixed.
    let n = 1 << 18;
    let mut binned = BinnedCumulants::default();
    binned.push_series(&normals(77, n)).unwrap();
    let estimate = binned.estimate(Symmetry::None).unwrap();
    assert_eq!((estimate.bins, estimate.count), (128, n as u64));
    for order in 1..=4 {
        let expected = (1..=order).product::<usize>() as f64 / n as f64;
        let found = estimate.covariance[order - 1][order - 1];
        assert!((found / expected - 1.0).abs() < 0.5, "order {order}: {found} {expected}");
        assert!((found.sqrt() / estimate.cumulants[order - 1].error - 1.0).abs() < 1e-12);
        for other in 1..order {
            let scale = (found * estimate.covariance[other - 1][other - 1]).sqrt();
            assert!((estimate.covariance[order - 1][other - 1] / scale).abs() < 0.36, "{order} {other}");
        }
    }
}

#[test]
fn two_peak_cumulants_within_errors_and_smaller_errors_if_even() {
    // Eight z-values against 3.5: false alarm 0.4 per cent, seed fixed.
    let mut binned = BinnedCumulants::default();
    for worker in 0..4 {
        let mut part = BinnedCumulants::default();
        part.push_series(&two_peak(50 + worker, 100_000)).unwrap();
        binned.merge(&part);
    }
    let [general, even] = [Symmetry::None, Symmetry::Even].map(|s| binned.estimate(s).unwrap());
    for order in [2, 4, 6, 8] {
        let [a, b] = [general.cumulants[order - 1], even.cumulants[order - 1]];
        assert!(
            a.z_value(TWO_PEAK[order - 1]).abs() < 3.5 && b.z_value(TWO_PEAK[order - 1]).abs() < 3.5,
            "{a:?} {b:?}"
        );
        assert!(b.error <= 1.05 * a.error);
    }
    assert_eq!(even.cumulants[2].z_value(0.0), 0.0);
}

#[test]
fn bins_grow_with_the_data_and_stay_consecutive() {
    let mut binned = BinnedCumulants::new(2).unwrap();
    for unit in 0..12 {
        binned.push_series(&[f64::from(unit)]).unwrap();
    }
    let means: Vec<(u64, f64)> = binned.bins.used().map(|bin| (bin.count(), bin.mean())).collect();
    assert_eq!(means, [(4, 1.5), (4, 5.5), (4, 9.5)]);
    let mut at_once = BinnedCumulants::new(2).unwrap();
    at_once.push_series(&(0..12).map(f64::from).collect::<Vec<_>>()).unwrap();
    assert_eq!(means, at_once.bins.used().map(|bin| (bin.count(), bin.mean())).collect::<Vec<_>>());
    // The next value after a merge goes into a bin of its own.
    binned.merge(&BinnedCumulants::new(2).unwrap());
    binned.push_series(&[20.0]).unwrap();
    assert_eq!(binned.bins.used().last().map(CumulantAccumulator::count), Some(1));
    assert_eq!(binned.count(), 13);
}

#[test]
fn complex_moments_of_a_rotated_gaussian() {
    // z = e^(i pi/8) x: <z^n> = e^(i n pi/8) (n-1)!!, kappa_2 = e^(i pi/4), other cumulants 0. Sixteen
    // z-values against 4: false alarm 1e-3, seed fixed.
    let (sine, cosine) = (std::f64::consts::PI / 8.0).sin_cos();
    let mut binned = BinnedComplexMoments::default();
    for configuration in 0..2000 {
        let data = normals(20_000 + configuration, 100);
        let part = |factor: f64| data.iter().map(|x| factor * x).collect::<Vec<_>>();
        binned.push_configuration(&part(cosine), &part(sine)).unwrap();
    }
    let (moments, cumulants) = (binned.moments().unwrap(), binned.cumulants().unwrap());
    let mut double_factorial = 1.0;
    for (index, n) in [2, 4, 6, 8].into_iter().enumerate() {
        double_factorial *= (n - 1) as f64;
        let (sine, cosine) = (n as f64 * std::f64::consts::PI / 8.0).sin_cos();
        let kappa = if n == 2 { (cosine, sine) } else { (0.0, 0.0) };
        let expected = (double_factorial * cosine, double_factorial * sine);
        for (found, (re, im)) in [(moments.orders[index], expected), (cumulants.orders[index], kappa)] {
            // A part that is zero by the phase alone has rounding as its error.
            for (found, exact) in [(found.re, re), (found.im, im)] {
                let rounding = found.error < 1e-9 && (found.value - exact).abs() < 1e-9;
                assert!(rounding || found.z_value(exact).abs() < 4.0, "n = {n}: {found:?}, expected {exact}");
            }
        }
    }
    assert_eq!(binned.count(), 200_000);
    assert!(binned.push_configuration(&[1.0], &[]).is_err());
    assert!(binned.push_configuration(&[1.0], &[f64::NAN]).is_err());
}

#[test]
fn what_cannot_be_used_is_refused_and_changes_nothing() {
    let mut accumulator = accumulated(&[1.0, 2.0]);
    let before = accumulator;
    for bad in [f64::NAN, f64::INFINITY, 1e60] {
        assert!(accumulator.extend(&[0.5, bad]).is_err() && accumulator == before);
    }
    assert!(accumulator.cumulant(3, Symmetry::None).is_err() && accumulator.cumulant(0, Symmetry::None).is_err());
    assert!(accumulator.cumulant(9, Symmetry::Even).is_err() && accumulator.cumulant(4, Symmetry::Even).is_ok());
    assert!(BinnedCumulants::new(1).is_err() && BinnedComplexMoments::new(0).is_err());
    let mut binned = BinnedCumulants::default();
    assert!(binned.push_series(&[1.0, f64::NAN]).is_err() && binned.count() == 0);
    assert!(binned.estimate(Symmetry::None).is_err() && BinnedComplexMoments::default().moments().is_err());
    binned.push_configuration(&[1.0; 20]).unwrap();
    assert!(binned.estimate(Symmetry::None).is_err(), "one bin has no error");
}
