//! Moments and cumulants of a complex variable whose law is even, z -> -z: complex Langevin.

use super::k_statistics::k_statistic;
use super::{Compensated, MAX_ORDER, Symmetry};
use crate::analysis::bins::{Bin, Bins};
use crate::analysis::jackknife::{Jackknife, JackknifeEstimate, jackknife};
use crate::error::{Error, Result, require_finite, require_length};
use rustfft::num_complex::Complex64;

/// Even orders 2, 4, 6, 8.
const ORDERS: usize = MAX_ORDER / 2;

/// Sums of z^2, z^4, z^6, z^8, real and imaginary parts in turn.
#[derive(Clone, Debug, Default)]
struct PowerSums {
    count: u64,
    sums: [Compensated; 2 * ORDERS],
}

impl Bin for PowerSums {
    fn count(&self) -> u64 {
        self.count
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sums.iter_mut().zip(other.sums).for_each(|(sum, term)| sum.merge(term));
    }
}

impl PowerSums {
    fn without(&self, part: &Self) -> Self {
        let mut rest = self.clone();
        rest.count -= part.count;
        for (sum, term) in rest.sums.iter_mut().zip(&part.sums) {
            sum.merge(Compensated { high: -term.high, low: -term.low });
        }
        rest
    }

    /// <z^n>, n = 2, 4, 6, 8.
    fn moments(&self) -> Vec<f64> {
        self.sums.iter().map(|sum| sum.value() / self.count as f64).collect()
    }

    /// Cumulants: polynomials in the moments, so that the estimators of an even real law serve.
    fn cumulants(&self) -> Vec<f64> {
        let mut sums = [Complex64::default(); MAX_ORDER];
        for (order, pair) in self.sums.as_chunks::<2>().0.iter().enumerate() {
            sums[2 * order + 1] = Complex64::new(pair[0].value(), pair[1].value());
        }
        let cumulant = |half| k_statistic(Symmetry::Even, 2 * half, self.count, &sums);
        (1..=ORDERS).map(cumulant).flat_map(|kappa| [kappa.re, kappa.im]).collect()
    }
}

/// A complex estimate, its parts with their own errors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ComplexEstimate {
    /// Real part.
    pub re: JackknifeEstimate,
    /// Imaginary part.
    pub im: JackknifeEstimate,
}

/// Orders 2, 4, 6, 8 in turn.
#[derive(Clone, Debug, PartialEq)]
pub struct ComplexMomentEstimates {
    /// The estimates of orders 2, 4, 6, 8.
    pub orders: [ComplexEstimate; ORDERS],
    /// Covariance of re 2, im 2, re 4, im 4, ...
    pub covariance: Vec<Vec<f64>>,
}

impl From<Jackknife> for ComplexMomentEstimates {
    fn from(result: Jackknife) -> Self {
        let at = |order: usize| (result.estimates[2 * order], result.estimates[2 * order + 1]);
        let orders = std::array::from_fn(|order| ComplexEstimate { re: at(order).0, im: at(order).1 });
        ComplexMomentEstimates { orders, covariance: result.covariance }
    }
}

/// <z^n> and the cumulants kappa_n of z = x + iy for n = 2, 4, 6, 8 with jackknife errors, for a law that
/// is invariant under z -> -z. Bins as in [`super::BinnedCumulants`].
#[derive(Clone, Debug)]
pub struct BinnedComplexMoments {
    bins: Bins<PowerSums>,
}

impl Default for BinnedComplexMoments {
    /// 64 to 128 bins.
    fn default() -> Self {
        BinnedComplexMoments { bins: Bins::new(64) }
    }
}

impl BinnedComplexMoments {
    /// Between `bins` and 2 `bins` bins.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless `bins` is between 2 and 65536.
    pub fn new(bins: usize) -> Result<Self> {
        super::BinnedCumulants::new(bins)?;
        Ok(BinnedComplexMoments { bins: Bins::new(bins) })
    }

    /// Adds one configuration as a unit: real parts `x` and imaginary parts `y` of its sites, the two
    /// components of a field. An empty one changes nothing.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when lengths differ, [`Error::NotFinite`], or [`Error::InvalidArgument`] when
    /// eighth powers overflow; nothing is then added.
    pub fn push_configuration(&mut self, x: &[f64], y: &[f64]) -> Result<()> {
        require_length("imaginary parts", y.len(), x.len())?;
        let mut sums = [0.0; 2 * ORDERS];
        for (&x, &y) in x.iter().zip(y) {
            let square = (x * x - y * y, 2.0 * x * y);
            let mut power = square;
            for order in 0..ORDERS {
                sums[2 * order] += power.0;
                sums[2 * order + 1] += power.1;
                power = (power.0 * square.0 - power.1 * square.1, power.0 * square.1 + power.1 * square.0);
            }
        }
        if !sums.iter().all(|sum| sum.is_finite()) {
            require_finite("real parts", x)?;
            require_finite("imaginary parts", y)?;
            return Err(Error::invalid("values for moments", "too large", "values whose eighth power is finite"));
        }
        if !x.is_empty() {
            let bin = self.bins.current().0;
            bin.count += x.len() as u64;
            bin.sums.iter_mut().zip(sums).for_each(|(sum, term)| sum.add(term));
            self.bins.advance(1);
        }
        Ok(())
    }

    /// Appends the bins of another chain or worker, taken to be independent of this one.
    pub fn merge(&mut self, other: &Self) {
        self.bins.append(&other.bins);
    }

    /// Number of values z.
    pub fn count(&self) -> u64 {
        self.bins.used().map(|bin| bin.count).sum()
    }

    /// <z^n> for n = 2, 4, 6, 8.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for fewer than two bins, or fewer than 4 values without one bin.
    pub fn moments(&self) -> Result<ComplexMomentEstimates> {
        self.estimate(PowerSums::moments)
    }

    /// kappa_n for n = 2, 4, 6, 8: kappa_2 = mu_2, kappa_4 = mu_4 - 3 mu_2^2, ... without bias.
    ///
    /// # Errors
    /// As [`BinnedComplexMoments::moments`].
    pub fn cumulants(&self) -> Result<ComplexMomentEstimates> {
        self.estimate(PowerSums::cumulants)
    }

    fn estimate(&self, f: fn(&PowerSums) -> Vec<f64>) -> Result<ComplexMomentEstimates> {
        let mut total = PowerSums::default();
        self.bins.used().for_each(|bin| total.merge(bin));
        let largest = self.bins.used().map(|bin| bin.count).max().unwrap_or(0);
        if total.count - largest < ORDERS as u64 {
            let found = total.count - largest;
            return Err(Error::invalid("values without the largest bin", found, "at least 4 values: push more units"));
        }
        let shares: Vec<f64> = self.bins.used().map(|bin| bin.count as f64 / total.count as f64).collect();
        let without: Vec<_> = self.bins.used().map(|bin| f(&total.without(bin))).collect();
        Ok(jackknife(&shares, &f(&total), &without)?.into())
    }
}
