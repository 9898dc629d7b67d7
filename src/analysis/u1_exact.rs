//! Two-dimensional U(1) gauge theory, S = -beta sum_P cos theta_P, on a finite periodic lattice: exact
//! values from characters.
//!
//! The plaquette angles are independent but for one constraint, their sum is 0 modulo 2 pi. With the
//! characters of the group, exp(beta cos phi) = sum_n I_n(beta) exp(i n phi) (I_n modified Bessel functions),
//! this gives Z = sum_n I_n(beta)^V and Wilson loops of area A, sum_n I_n^(V-A) I_(n+1)^A / Z
//! (B. Rusakov, Mod. Phys. Lett. A 5 (1990) 693, for the group U(1)). Reduced to (-pi, pi] the
//! angles add up to 2 pi Q; with
//!
//!   g(k) = 1/(2 pi) int_(-pi)^(pi) dphi exp(beta cos phi + i k phi),   g(n) = I_n,
//!
//! for any real k, P(Q) = int dk g(k)^V exp(-2 pi i k Q) / Z, and Z(theta) = sum_n g(n + theta/2pi)^V. Integrating
//! the character expansion, g(k) = sum_m I_m sin(pi (k-m)) / (pi (k-m)).

use crate::action::GaugeLinks;
use crate::error::{Error, Result};
use crate::lattice::Lattice;
use std::f64::consts::PI;

/// Terms of the sum over n at which it is cut at the latest; only the smallest volumes come near.
const MOST_TERMS: i32 = 10_000;

/// Ratios I_n(`argument`) / I_0(`argument`) of modified Bessel functions for n = 0 to `highest`, `argument` >= 0, to a
/// few units of rounding: I_(n+1) / I_n downward from far above (J. C. P. Miller's algorithm;
/// Abramowitz and Stegun, sec. 9.12).
pub fn bessel_ratios(argument: f64, highest: usize) -> Vec<f64> {
    // Above n = argument every step down reduces the error of the start by the square of the ratio.
    let start = highest + 2 * argument.ceil() as usize + 60;
    let (mut ratio, mut ratios) = (0.0, vec![0.0; highest]);
    for n in (1..=start).rev() {
        // I_n / I_(n-1) = 1 / (2n / x + I_(n+1) / I_n).
        ratio = 1.0 / (2.0 * n as f64 / argument + ratio);
        if n <= highest {
            ratios[n - 1] = ratio;
        }
    }
    let products = ratios.iter().scan(1.0, |product, ratio| {
        *product *= ratio;
        Some(*product)
    });
    std::iter::once(1.0).chain(products).collect()
}

/// Exact values on one lattice at one coupling.
#[derive(Clone, Debug)]
pub struct U1Exact {
    extents: [usize; 2],
    volume: i32,
    beta: f64,
    /// I_n / I_0, n = 0, 1, ...
    characters: Vec<f64>,
    /// Z(theta) and the derivative of log I by beta in its sum, at theta = 2 pi j / M; both over I_0^V.
    partition: Vec<f64>,
    derivative: Vec<f64>,
}

impl U1Exact {
    /// For the lattice of [`crate::action::U1`] at `beta`.
    ///
    /// # Errors
    /// As [`crate::action::U1::new`]; [`Error::InvalidArgument`] also for `beta` above 10^4 or more than 2^24 sites.
    pub fn new(lattice: &Lattice, beta: f64) -> Result<Self> {
        let links = GaugeLinks::new(lattice)?;
        if !(0.0..=1e4).contains(&beta) {
            return Err(Error::invalid("beta", beta, "a number from 0 to 10^4"));
        }
        if links.sites() > 1 << 24 {
            return Err(Error::invalid("extents", links.sites(), "at most 2^24 sites"));
        }
        let volume = links.sites();
        // I_n / I_0 is below exp(-n^2 / (2 beta + 2n)).
        let characters = bessel_ratios(beta, (10.0 * beta.sqrt()) as usize + 60);
        // M points alias P(Q) with P(Q + M): |Q| < V/2, and in large volumes 14 standard deviations are enough.
        let points = volume.min(64 + 8 * (volume as f64).sqrt().ceil() as usize);
        let extents = [lattice.extents()[0], lattice.extents()[1]];
        let mut exact =
            U1Exact { extents, volume: volume as i32, beta, characters, partition: vec![], derivative: vec![] };
        for j in 0..points {
            let (partition, derivative) = exact.theta_sums(j as f64 / points as f64);
            exact.partition.push(partition);
            exact.derivative.push(derivative);
        }
        Ok(exact)
    }

    /// I_n / I_0 of any integer n.
    fn character(&self, n: i32) -> f64 {
        self.characters.get(n.unsigned_abs() as usize).copied().unwrap_or(0.0)
    }

    /// g(n + x) / I_0 for 0 <= x < 1.
    fn interpolated(&self, n: i32, x: f64) -> f64 {
        if x == 0.0 {
            return self.character(n);
        }
        let last = self.characters.len() as i32 - 1;
        let sum: f64 = (-last..=last)
            .map(|m| {
                let term = self.character(m) / (f64::from(n - m) + x);
                if (n - m) % 2 == 0 { term } else { -term }
            })
            .sum();
        libm::sin(PI * x) / PI * sum
    }

    /// sum_n g(n+x)^V and sum_n g(n+x)^(V-1) g'(n+x), ' the derivative by beta, g' = (g(k-1) + g(k+1)) / 2.
    fn theta_sums(&self, x: f64) -> (f64, f64) {
        let (mut partition, mut derivative) = (0.0, 0.0);
        let mut add = |n: i32| {
            let power = self.interpolated(n, x).powi(self.volume - 1);
            let term = power * self.interpolated(n, x);
            partition += term;
            derivative += power * 0.5 * (self.interpolated(n - 1, x) + self.interpolated(n + 1, x));
            power.abs()
        };
        let mut largest = add(0);
        for n in 1..MOST_TERMS {
            let added = add(n).max(add(-n));
            largest = largest.max(added);
            if added < 1e-18 * largest {
                break;
            }
        }
        (partition, derivative)
    }

    /// Extents of the lattice.
    pub fn extents(&self) -> [usize; 2] {
        self.extents
    }

    /// log Z, Z = int exp(-S) over all link angles = (2 pi)^(2 V) sum_n I_n(beta)^V.
    pub fn log_partition(&self) -> f64 {
        // exp(beta) = I_0 + 2 sum_n I_n.
        let characters = self.characters[0] + 2.0 * self.characters[1..].iter().sum::<f64>();
        let first = self.beta - libm::log(characters);
        f64::from(self.volume) * (2.0 * libm::log(2.0 * PI) + first) + libm::log(self.partition[0])
    }

    /// <cos theta_P> = d log Z / d beta / V.
    pub fn plaquette(&self) -> f64 {
        self.derivative[0] / self.partition[0]
    }

    /// Variance of the plaquette averaged over the lattice, d^2 log Z / d beta^2 / V^2.
    pub fn plaquette_variance(&self) -> f64 {
        let (volume, mut mean, mut square, mut slope) = (f64::from(self.volume), 0.0, 0.0, 0.0);
        let last = self.characters.len() as i32;
        for n in (1 - last..last).filter(|&n| self.character(n) > 0.0) {
            let i = |shift: i32| self.character(n + shift);
            let weight = i(0).powi(self.volume) / self.partition[0];
            let first = 0.5 * (i(1) + i(-1)) / i(0);
            let second = 0.25 * (i(2) + 2.0 * i(0) + i(-2)) / i(0);
            if weight > 0.0 {
                mean += weight * first;
                square += weight * first * first;
                slope += weight * (second - first * first);
            }
        }
        (slope / volume) + square - mean * mean
    }

    /// Wilson loop of `height` x `width` links, both at most the extents (one around the torus is the
    /// correlation of two Polyakov loops); only the area height * width matters.
    pub fn wilson_loop(&self, height: usize, width: usize) -> f64 {
        let area = (height * width).min(self.volume as usize) as i32;
        let last = self.characters.len() as i32;
        let term = |n: i32| self.character(n).powi(self.volume - area) * self.character(n + 1).powi(area);
        (-last..last).map(term).sum::<f64>() / self.partition[0]
    }

    /// <|P_axis|^2> of P_axis, the mean over the lattice of the Polyakov loop along `axis` (0 or 1): the mean of
    /// the Wilson loops between two of them.
    pub fn polyakov_square(&self, axis: usize) -> f64 {
        let (length, across) = (self.extents[axis % 2], self.extents[(axis + 1) % 2]);
        (0..across).map(|distance| self.wilson_loop(length, distance)).sum::<f64>() / across as f64
    }

    /// P(Q) of the topological charge; rounding of about V 10^-16 in the absolute value.
    pub fn charge_probability(&self, charge: i64) -> f64 {
        if 2 * charge.unsigned_abs() >= self.partition.len() as u64 {
            return 0.0;
        }
        self.fourier(&self.partition, charge) / self.partition[0]
    }

    /// <Q^2> = -d^2 log Z / d theta^2 at theta = 0, from g' and g'' at the integers. (The sum of Q^2 P(Q) would
    /// multiply the rounding of P(Q) by V.)
    pub fn charge_squared(&self) -> f64 {
        let (volume, last) = (f64::from(self.volume), self.characters.len() as i32 - 1);
        let term = |n: i32| {
            let value = self.character(n);
            let (mut first, mut second) = (0.0, -PI * PI / 3.0 * value);
            for m in (-last..=last).filter(|&m| m != n) {
                let distance = f64::from(n - m);
                let wave = if (n - m) % 2 == 0 { self.character(m) } else { -self.character(m) } / distance;
                first += wave;
                second -= 2.0 * wave / distance;
            }
            value.powi(self.volume - 2) * (value * second + (volume - 1.0) * first * first)
        };
        let sum: f64 = (-last..=last).filter(|&n| self.character(n).powi(self.volume - 2) > 0.0).map(term).sum();
        -volume * sum / (4.0 * PI * PI * self.partition[0])
    }

    /// Topological susceptibility <Q^2> / V.
    pub fn susceptibility(&self) -> f64 {
        self.charge_squared() / f64::from(self.volume)
    }

    /// The plaquette in the sector of one charge; None where P(Q) is lost in rounding (below 10^-10).
    pub fn plaquette_at_charge(&self, charge: i64) -> Option<f64> {
        let visible = self.charge_probability(charge) > 1e-10;
        visible.then(|| self.fourier(&self.derivative, charge) / self.fourier(&self.partition, charge))
    }

    /// Mean over theta of `function` times cos(theta Q).
    fn fourier(&self, function: &[f64], charge: i64) -> f64 {
        let points = function.len() as i64;
        let wave = |j: usize| (2.0 * PI * (charge * j as i64).rem_euclid(points) as f64 / points as f64).cos();
        function.iter().enumerate().map(|(j, value)| value * wave(j)).sum::<f64>() / points as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lattice(extents: [usize; 2]) -> Lattice {
        Lattice::new(&extents).unwrap().with_components(2).unwrap()
    }

    /// 1/(2 pi) int exp(beta (cos phi - 1)) cos(k phi), by Simpson's rule.
    fn g(beta: f64, k: f64) -> f64 {
        let points = 20_000;
        let value = |i: i32| {
            let phi = PI * f64::from(i) / f64::from(points);
            (beta * (phi.cos() - 1.0)).exp() * (k * phi).cos()
        };
        let inner: f64 = (1..points).map(|i| value(i) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
        (inner + value(0) + value(points)) / (3.0 * f64::from(points))
    }

    #[test]
    fn bessel_ratios_are_the_integrals() {
        for beta in [0.01, 1.0, 7.0, 11.0, 60.0] {
            let (ratios, zeroth) = (bessel_ratios(beta, 20), g(beta, 0.0));
            for (n, ratio) in ratios.iter().enumerate() {
                assert!((ratio - g(beta, n as f64) / zeroth).abs() < 1e-13, "I_{n}({beta})");
            }
        }
        // Small arguments: I_n = (x/2)^n / n!, I_0 = 1, to order x^2.
        let ratios = bessel_ratios(1e-3, 4);
        assert!((ratios[4] / (5e-4f64.powi(4) / 24.0) - 1.0).abs() < 1e-6);
        assert_eq!(bessel_ratios(0.0, 2), [1.0, 0.0, 0.0]);
    }

    #[test]
    fn the_integral_at_any_wave_number_is_the_interpolation() {
        let exact = U1Exact::new(&lattice([2, 2]), 2.0).unwrap();
        for (n, x) in [(0, 0.25), (0, 0.9), (1, 0.5), (-3, 0.1), (12, 0.75)] {
            let expected = g(2.0, f64::from(n) + x) / g(2.0, 0.0);
            assert!((exact.interpolated(n, x) - expected).abs() < 1e-12, "{n} + {x}");
        }
    }

    #[test]
    fn without_coupling_the_charge_has_the_law_of_uniform_angles() {
        // beta = 0: the density of a sum of V uniform variables at Q, that is the B-spline of order V.
        let exact = U1Exact::new(&lattice([2, 2]), 0.0).unwrap();
        for (charge, expected) in [(0, 4.0 / 6.0), (1, 1.0 / 6.0), (-1, 1.0 / 6.0), (2, 0.0)] {
            assert!((exact.charge_probability(charge) - expected).abs() < 1e-9, "{charge}");
        }
        assert!((exact.charge_squared() - 1.0 / 3.0).abs() < 1e-9);
        assert!(exact.plaquette().abs() < 1e-15 && (exact.plaquette_variance() - 0.125).abs() < 1e-12);
        // <Q^2> = V/12, from four sites on the variance of the spline.
        let exact = U1Exact::new(&lattice([4, 6]), 0.0).unwrap();
        assert!((exact.charge_squared() - 2.0).abs() < 1e-10, "{}", exact.charge_squared());
        assert_eq!(exact.polyakov_square(0), 1.0 / 6.0);
        assert_eq!(exact.polyakov_square(1), 1.0 / 4.0);
    }

    #[test]
    fn the_reference_values_come_out() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/u1_2d.json");
        let table: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let close = |found: f64, expected: &serde_json::Value, tolerance: f64, what: &str| {
            let expected = expected.as_f64().unwrap();
            assert!((found - expected).abs() <= tolerance * expected.abs(), "{what}: {found}, table {expected}");
        };
        let exact_of = |row: &serde_json::Value| {
            let extent = row["L"].as_u64().unwrap() as usize;
            U1Exact::new(&lattice([extent, extent]), row["beta"].as_f64().unwrap()).unwrap()
        };
        let rows = table["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 30);
        for row in rows {
            let exact = exact_of(row);
            let shown = format!("beta {} L {}", row["beta"], row["L"]);
            close(exact.plaquette(), &row["plaquette"], 3e-12, &shown);
            for size in 2..=4 {
                let expected = &row[format!("W{size}x{size}")];
                if !expected.is_null() {
                    close(exact.wilson_loop(size, size), expected, 3e-11, &shown);
                }
            }
            close(exact.charge_squared(), &row["Q2"], 1e-9, &shown);
            close(exact.susceptibility(), &row["chi_Q"], 1e-9, &shown);
            close(exact.plaquette_variance().sqrt(), &row["sd_plaquette_average"], 6e-6, &shown);
        }
        let distributions = table["charge_distribution"].as_array().unwrap();
        assert!(!distributions.is_empty());
        for row in distributions {
            let exact = exact_of(row);
            for (charge, expected) in row["P_Q0_to_4"].as_array().unwrap().iter().enumerate() {
                let found = exact.charge_probability(charge as i64);
                assert!((found - expected.as_f64().unwrap()).abs() < 1e-10, "{row} {charge}: {found}");
            }
            for charge in 0..2 {
                let found = exact.plaquette_at_charge(charge).unwrap();
                let expected = row[format!("plaquette_at_Q{charge}")].as_f64().unwrap();
                assert!((found - expected).abs() < 1e-8, "{row} {charge}: {found}");
            }
        }
    }

    #[test]
    fn probabilities_add_up_and_loops_around_the_torus_close() {
        for (extents, beta) in [([4, 4], 1.0), ([3, 7], 4.0), ([8, 8], 11.0), ([64, 64], 5.0)] {
            let exact = U1Exact::new(&lattice(extents), beta).unwrap();
            let sum: f64 = (-300..=300).map(|charge| exact.charge_probability(charge)).sum();
            assert!((sum - 1.0).abs() < 1e-11, "{extents:?} {beta}: {sum}");
            assert!((exact.wilson_loop(extents[0], extents[1]) - 1.0).abs() < 1e-12);
            assert!((exact.wilson_loop(1, 1) / exact.plaquette() - 1.0).abs() < 1e-11);
            // The variance of Q and the plaquette are means over sectors.
            let sectors = |value: &dyn Fn(i64) -> f64| -> f64 {
                (-99..=99).map(|charge| exact.charge_probability(charge) * value(charge)).sum()
            };
            let variance = sectors(&|charge| (charge * charge) as f64);
            assert!((variance / exact.charge_squared() - 1.0).abs() < 1e-7, "{extents:?} {beta}: {variance}");
            let plaquette = sectors(&|charge| exact.plaquette_at_charge(charge).unwrap_or(0.0));
            assert!((plaquette - exact.plaquette()).abs() < 1e-8, "{extents:?} {beta}: {plaquette}");
        }
        assert!(U1Exact::new(&lattice([4, 4]), -1.0).is_err());
        assert!(U1Exact::new(&Lattice::new(&[4, 4]).unwrap(), 1.0).is_err());
    }
}
