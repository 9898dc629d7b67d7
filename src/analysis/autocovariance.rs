//! Autocovariance of several chains, lag by lag or all lags at once.

use rustfft::FftPlannerScalar;
use rustfft::num_complex::Complex;

/// Lags summed directly before the Fourier transform takes over; most windows close within them.
const DIRECT_LAGS: usize = 128;

/// Autocovariances by lag, wherever they come from.
pub(super) trait Lags {
    /// Gamma(`lag`), `lag` <= `last_lag`.
    fn at(&mut self, lag: usize) -> f64;
    /// Beyond half the longest chain there are too few pairs to learn from.
    fn last_lag(&self) -> usize;
    /// Length of the longest chain.
    fn longest(&self) -> usize;
}

/// Gamma(t) = sum_r sum_i d_r(i) d_r(i+t) / (number of pairs), computed when asked for.
pub(super) struct Autocovariance {
    deviations: Vec<Vec<f64>>,
    longest: usize,
    known: Vec<f64>,
}

impl Autocovariance {
    /// The chains as deviations from their common mean.
    pub(super) fn new(deviations: Vec<Vec<f64>>) -> Self {
        let longest = deviations.iter().map(Vec::len).max().unwrap_or(0);
        Autocovariance { deviations, longest, known: vec![] }
    }

    fn pairs(&self, lag: usize) -> f64 {
        self.deviations.iter().map(|series| series.len().saturating_sub(lag)).sum::<usize>() as f64
    }

    /// All remaining lags at once by the Wiener-Khinchin theorem, padded so that nothing wraps around.
    fn transform(&mut self) {
        let last = self.last_lag();
        let mut sums = vec![0.0; last + 1];
        let mut planner = FftPlannerScalar::new();
        for series in &self.deviations {
            let padded = (series.len() + last.min(series.len())).next_power_of_two();
            let mut spectrum = vec![Complex::default(); padded];
            spectrum.iter_mut().zip(series).for_each(|(z, &x)| z.re = x);
            planner.plan_fft_forward(padded).process(&mut spectrum);
            spectrum.iter_mut().for_each(|z| *z = Complex::new(z.norm_sqr(), 0.0));
            planner.plan_fft_inverse(padded).process(&mut spectrum);
            let lags = series.len().min(last + 1);
            sums.iter_mut().zip(&spectrum[..lags]).for_each(|(sum, z)| *sum += z.re / padded as f64);
        }
        for (lag, sum) in sums.iter().enumerate().skip(self.known.len()) {
            self.known.push(sum / self.pairs(lag));
        }
    }
}

impl Lags for Autocovariance {
    fn at(&mut self, lag: usize) -> f64 {
        while self.known.len() <= lag && self.known.len() < DIRECT_LAGS {
            let next = self.known.len();
            let sum: f64 = self.deviations.iter().map(|series| lagged_product(series, next)).sum();
            self.known.push(sum / self.pairs(next));
        }
        if self.known.len() <= lag {
            self.transform();
        }
        self.known[lag]
    }

    fn last_lag(&self) -> usize {
        self.longest / 2
    }

    fn longest(&self) -> usize {
        self.longest
    }
}

/// sum_i x(i) x(i + lag), in four partial sums that the compiler can keep in one vector register.
fn lagged_product(series: &[f64], lag: usize) -> f64 {
    let Some(later) = series.get(lag..) else { return 0.0 };
    let (early, late) = (series[..later.len()].chunks_exact(4), later.chunks_exact(4));
    let rest: f64 = early.remainder().iter().zip(late.remainder()).map(|(x, y)| x * y).sum();
    let mut partial = [0.0; 4];
    for (x, y) in early.zip(late) {
        (0..4).for_each(|lane| partial[lane] += x[lane] * y[lane]);
    }
    rest + partial.iter().sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    #[test]
    fn transformed_and_direct_sums_agree() {
        let chain = |(length, chain)| {
            let mut series = vec![0.0; length];
            Stream::new(4, chain, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut series);
            series
        };
        let chains: Vec<Vec<f64>> = [(1000, 0), (333, 1), (70, 2), (0, 3)].map(chain).into();
        let sum = |lag| chains.iter().map(|series| lagged_product(series, lag)).sum::<f64>();
        let naive = |lag| chains.iter().flat_map(|x| x.iter().zip(x.iter().skip(lag))).map(|(x, y)| x * y).sum::<f64>();
        let mut covariance = Autocovariance::new(chains.clone());
        covariance.transform();
        assert_eq!(covariance.known.len(), 501);
        for (lag, transformed) in covariance.known.iter().enumerate() {
            assert!((sum(lag) - naive(lag)).abs() < 1e-11, "lag {lag}");
            assert!((transformed - naive(lag) / covariance.pairs(lag)).abs() < 1e-12, "lag {lag}");
        }
        assert_eq!(covariance.pairs(300), 733.0);
    }
}
