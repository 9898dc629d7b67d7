//! Numbers as a reader wants them: values with errors in the last digits, and round numbers along an axis.

// Only plots need some of it.
#![cfg_attr(not(feature = "report"), allow(dead_code))]

/// 1.06921(57): the error, to two digits, in units of the last digits of the value. Without an error (zero, or not a number)
/// six significant digits.
pub fn with_error(value: f64, error: f64) -> String {
    if !value.is_finite() || !(error > 0.0) || !error.is_finite() {
        return significant(value, 6);
    }
    let shown = |decimals: i32| {
        let scale = 10f64.powi(decimals);
        ((error * scale).round(), format!("{value:.*}", decimals.max(0) as usize))
    };
    let mut decimals = 1 - libm::log10(error).floor() as i32;
    // 0.0996 is 0.10, not 0.100.
    if shown(decimals).0 >= 100.0 {
        decimals -= 1;
    }
    match decimals {
        10.. => {
            let exponent = libm::log10(value.abs().max(error)).floor() as i32;
            let scale = 10f64.powi(-exponent);
            format!("{}e{exponent}", with_error(value * scale, (error * scale).max(1e-8)))
        }
        0.. => format!("{}({:.0})", shown(decimals).1, shown(decimals).0),
        _ => format!("{value:.0}({error:.0})"),
    }
}

/// So many significant digits, without trailing zeros; very large and small numbers with an exponent.
pub fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0".into();
    }
    if !value.is_finite() {
        return format!("{value}");
    }
    let exponent = libm::log10(value.abs()).floor() as i32;
    if !(-4..=7).contains(&exponent) {
        let text = format!("{value:.*e}", digits.saturating_sub(1));
        let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{power}", trim(mantissa));
    }
    trim(&format!("{value:.*}", (digits as i32 - 1 - exponent).max(0) as usize)).into()
}

fn trim(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// Round numbers within an interval of an axis, at most `most` of them: multiples of 1, 2 or 5 times a power of ten; along a
/// logarithmic axis (ends above 0) powers of ten, and 2 and 5 times them where there are few.
pub fn ticks((low, high): (f64, f64), logarithmic: bool, most: usize) -> Vec<f64> {
    let most = most.max(2);
    if logarithmic {
        let (first, last) = (libm::log10(low).ceil() as i32, libm::log10(high).floor() as i32);
        if first < last {
            let decades = (last - first + 1) as usize;
            let step = decades.div_ceil(most);
            let finer: &[f64] = match (3 * decades <= most, 2 * decades <= most) {
                (true, _) => &[1.0, 2.0, 5.0],
                (_, true) => &[1.0, 3.0],
                _ => &[1.0],
            };
            let all = (first - 1..=last).filter(|power| (power - first).rem_euclid(step as i32) == 0);
            let all = all.flat_map(|power| finer.iter().map(move |factor| factor * 10f64.powi(power)));
            return all.filter(|&tick| tick >= low * (1.0 - 1e-9) && tick <= high * (1.0 + 1e-9)).collect();
        }
    }
    let step = round_step(high - low, most);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|n| n as f64 * step).collect()
}

/// The smallest of 1, 2, 5 times a power of ten of which at most `most` fit into `span`.
pub fn round_step(span: f64, most: usize) -> f64 {
    let least = (span / most.max(1) as f64).max(f64::MIN_POSITIVE);
    let power = 10f64.powi(libm::log10(least).floor() as i32);
    let found = [1.0, 2.0, 5.0].into_iter().map(|factor| factor * power).find(|step| *step >= least * (1.0 - 1e-9));
    found.unwrap_or(10.0 * power)
}

/// A tick as text: as many decimals as the distance of the ticks needs.
pub fn tick_label(tick: f64, step: f64) -> String {
    let size = tick.abs();
    if size < 1e-9 * step {
        return "0".into();
    }
    if !(1e-3..1e5).contains(&size) || step < 1e-4 {
        return power_of_ten(tick);
    }
    let decimals = (-libm::log10(step * 1.000_001).floor()).max(0.0) as usize;
    format!("{tick:.decimals$}").replace('-', "\u{2212}")
}

/// 3×10⁻⁴.
fn power_of_ten(tick: f64) -> String {
    let text = format!("{tick:.2e}");
    let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
    let raised: String = power.chars().map(raise).collect();
    match trim(mantissa) {
        "1" => format!("10{raised}"),
        mantissa => format!("{}\u{d7}10{raised}", mantissa.replace('-', "\u{2212}")),
    }
}

fn raise(character: char) -> char {
    match character {
        '-' => '\u{207b}',
        '1' => '\u{b9}',
        '2' => '\u{b2}',
        '3' => '\u{b3}',
        digit => char::from_u32(0x2070 + digit.to_digit(10).unwrap_or(0)).unwrap_or(digit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_stand_in_the_last_digits() {
        let cases = [
            (1.0692, 0.0006, "1.06920(60)"),
            (-272.7, 0.61, "-272.70(61)"),
            (0.5, 0.0996, "0.50(10)"),
            (14388.0, 250.0, "14388(250)"),
            (3.0, 0.0, "3"),
            (1.0625, f64::NAN, "1.0625"),
            (2.5e-14, 3.1e-16, "2.500(31)e-14"),
            (-2.0, 0.0, "-2"),
            (-7856985.85559769, 0.0, "-7856986"),
        ];
        for (value, error, expected) in cases {
            assert_eq!(with_error(value, error), expected);
        }
        assert_eq!(significant(0.000_012_345_678, 4), "1.235e-5");
        assert_eq!(significant(1e9, 4), "1e9");
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks((0.0, 1.0), false, 6), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(ticks((-3.2, 3.2), false, 8), [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0]);
        assert_eq!(ticks((0.5, 2e4), true, 5), [1.0, 10.0, 100.0, 1000.0, 10000.0]);
        assert_eq!(ticks((1e-8, 1e4), true, 5).len(), 5);
        assert_eq!(ticks((0.9, 12.0), true, 8), [1.0, 2.0, 5.0, 10.0]);
        // Less than a decade: as a linear axis.
        assert!(ticks((2.0, 7.0), true, 6).len() >= 3);
        for (low, high) in [(0.1, 0.11), (-1e9, 3e9), (1e-7, 3e-7)] {
            let found = ticks((low, high), false, 7);
            assert!(found.len() >= 3 && found.len() <= 8, "{found:?}");
            assert!(found.iter().all(|&tick| tick >= low && tick <= high));
        }
    }

    #[test]
    fn labels_have_the_decimals_of_the_step() {
        assert_eq!(tick_label(0.6000000000000001, 0.2), "0.6");
        assert_eq!(tick_label(-0.05, 0.05), "\u{2212}0.05");
        assert_eq!(tick_label(1e-17, 0.5), "0");
        assert_eq!(tick_label(1e-6, 1e-6), "10\u{207b}\u{2076}");
        assert_eq!(tick_label(250_000.0, 50_000.0), "2.5\u{d7}10\u{2075}");
        assert_eq!(tick_label(20.0, 10.0), "20");
    }
}
