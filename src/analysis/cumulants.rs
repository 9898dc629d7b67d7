//! Cumulants kappa_1 ..= kappa_8 of a real variable, streaming and mergeable.
//!
//! Observable of arXiv:2410.21212 (MLST 6 (2025) 025004): for a diffusion model the cumulants above the
//! second measure exactly what is not Gaussian. Estimators are k-statistics ([`k_statistics`]), unbiased
//! for independent values; [`BinnedCumulants`] adds errors, covariances and the bias from
//! autocorrelation; [`BinnedComplexMoments`] does the same for z = x + iy.
//!
//! Numbers kept: sums of (x - c)^p, p = 1 ..= 8, as unevaluated sums of two doubles, about a centre c
//! that moves to the mean whenever it is further from it than half a standard deviation. For
//! stationary data it moves in the first few values only, so that merging adds sums about the same or nearly
//! the same centre. In between, c lies within the data, so that the values themselves bound the digits
//! that a move can cost: a factor of at most the block of 1024 values, 13 digits of the eighth power sum stay.

mod binned;
mod complex;
pub mod k_statistics;

pub use binned::{BinnedCumulants, CumulantEstimates};
pub use complex::{BinnedComplexMoments, ComplexEstimate, ComplexMomentEstimates};
pub use k_statistics::{MAX_ORDER, Symmetry};

use crate::error::{Error, Result, require_finite};
use k_statistics::k_statistic;

/// Values summed in plain double precision before they enter the compensated sums.
const BLOCK: usize = 1024;
/// Independent partial sums of a block: a fixed number, so that all machines add in the same order.
const LANES: usize = 4;

/// Sum as an unevaluated sum of two doubles (T. J. Dekker, Numer. Math. 18 (1971) 224).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Compensated {
    high: f64,
    low: f64,
}

impl Compensated {
    pub(super) fn add(&mut self, term: f64) {
        let sum = self.high + term;
        let virtual_term = sum - self.high;
        self.low += (self.high - (sum - virtual_term)) + (term - virtual_term);
        self.high = sum;
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.add(other.high);
        self.low += other.low;
    }

    pub(super) fn value(self) -> f64 {
        self.high + self.low
    }
}

/// Running power sums of a real variable to order 8.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CumulantAccumulator {
    count: u64,
    centre: f64,
    sums: [Compensated; MAX_ORDER],
}

impl CumulantAccumulator {
    /// No values yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Mean of the values, 0 when there are none.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.centre + self.sums[0].value() / self.count as f64 }
    }

    /// Adds one value.
    ///
    /// # Errors
    /// As [`CumulantAccumulator::extend`].
    pub fn push(&mut self, value: f64) -> Result<()> {
        self.extend(&[value])
    }

    /// Adds many values, for example all sites of a configuration.
    ///
    /// # Errors
    /// [`Error::NotFinite`], or [`Error::InvalidArgument`] when eighth powers overflow (values beyond about
    /// 10^38); the accumulator is then as before.
    pub fn extend(&mut self, values: &[f64]) -> Result<()> {
        let mut next = *self;
        for block in values.chunks(BLOCK) {
            if next.count == 0 {
                // The mean of the first block: c then lies within the data.
                next.centre = block.iter().map(|x| x / block.len() as f64).sum();
            }
            for (sum, term) in next.sums.iter_mut().zip(block_sums(block, next.centre)) {
                sum.add(term);
            }
            next.count += block.len() as u64;
            next.follow_mean();
        }
        if !next.sums.iter().all(|sum| sum.value().is_finite()) {
            require_finite("values for cumulants", values)?;
            return Err(Error::invalid("values for cumulants", "too large", "values whose eighth power is finite"));
        }
        *self = next;
        Ok(())
    }

    /// Adds all values of another accumulator.
    pub fn merge(&mut self, other: &Self) {
        let (mut larger, smaller) = if self.count >= other.count { (*self, *other) } else { (*other, *self) };
        if smaller.count > 0 {
            let moved = smaller.about(larger.centre);
            larger.sums.iter_mut().zip(moved.sums).for_each(|(sum, term)| sum.merge(term));
            larger.count += smaller.count;
            larger.follow_mean();
        }
        *self = larger;
    }

    /// k-statistic of one order: the unbiased estimate of kappa_`order` from independent values.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an order outside 1 to 8, or fewer values than the order needs
    /// ([`Symmetry::fewest`]).
    pub fn cumulant(&self, order: usize, symmetry: Symmetry) -> Result<f64> {
        if !(1..=MAX_ORDER).contains(&order) {
            return Err(Error::invalid("order of a cumulant", order, "1 to 8"));
        }
        let fewest = symmetry.fewest(order).max(1);
        if self.count < fewest {
            return Err(Error::invalid("values for cumulants", self.count, &format!("at least {fewest}")));
        }
        Ok(self.about(self.natural_centre(symmetry)).estimate(order, symmetry))
    }

    /// All orders, kappa_r at index r - 1.
    ///
    /// # Errors
    /// As [`CumulantAccumulator::cumulant`] at order 8.
    pub fn cumulants(&self, symmetry: Symmetry) -> Result<[f64; MAX_ORDER]> {
        self.cumulant(MAX_ORDER, symmetry)?;
        let centred = self.about(self.natural_centre(symmetry));
        Ok(std::array::from_fn(|index| centred.estimate(index + 1, symmetry)))
    }

    /// Where the estimators want the sums: any centre will do unless the law is even about zero.
    fn natural_centre(&self, symmetry: Symmetry) -> f64 {
        match symmetry {
            Symmetry::None => self.centre,
            Symmetry::Even => 0.0,
        }
    }

    /// The estimator from the sums as they are; the caller has checked count, order and centre.
    fn estimate(&self, order: usize, symmetry: Symmetry) -> f64 {
        match symmetry {
            Symmetry::Even if order % 2 == 1 => 0.0,
            Symmetry::None if order == 1 => self.mean(),
            _ => k_statistic(symmetry, order, self.count, &self.sums.map(Compensated::value)),
        }
    }

    /// Removes the values of a part, whose centre must be the same.
    fn without(&self, part: &Self) -> Self {
        debug_assert_eq!(self.centre, part.centre);
        let mut rest = *self;
        rest.count -= part.count;
        for (sum, term) in rest.sums.iter_mut().zip(part.sums) {
            sum.merge(Compensated { high: -term.high, low: -term.low });
        }
        rest
    }

    /// The same values with sums about another centre: sum (d + e)^p = sum_k C(p, k) e^(p-k) sum d^k.
    fn about(&self, centre: f64) -> Self {
        let shift = self.centre - centre;
        if shift == 0.0 {
            return Self { centre, ..*self };
        }
        let sums = self.sums.map(Compensated::value);
        let moved = std::array::from_fn(|index| {
            let order = index + 1;
            // Horner in the shift from the zeroth sum up; `choose` runs through C(order, k).
            let (mut choose, mut power, mut total) = (1.0, 1.0, Compensated::default());
            for k in (0..=order).rev() {
                let sum = if k == 0 { self.count as f64 } else { sums[k - 1] };
                total.add(choose * power * sum);
                choose *= k as f64 / (order - k + 1) as f64;
                power *= shift;
            }
            total
        });
        Self { count: self.count, centre, sums: moved }
    }

    fn follow_mean(&mut self) {
        let (first, second) = (self.sums[0].value(), self.sums[1].value());
        // (first / n)^2 > variance / 4, with variance = second / n - (first / n)^2.
        if 5.0 * first * first > self.count as f64 * second {
            *self = self.about(self.mean());
        }
    }
}

/// Sums of (x - centre)^p over a block.
fn block_sums(block: &[f64], centre: f64) -> [f64; MAX_ORDER] {
    let mut lanes = [[0.0; LANES]; MAX_ORDER];
    let mut add = |values: &[f64; LANES]| {
        for lane in 0..LANES {
            let x = values[lane] - centre;
            let (x2, x3) = (x * x, x * x * x);
            let x4 = x2 * x2;
            let powers = [x, x2, x3, x4, x4 * x, x4 * x2, x4 * x3, x4 * x4];
            for order in 0..MAX_ORDER {
                lanes[order][lane] += powers[order];
            }
        }
    };
    let (whole, rest) = block.as_chunks::<LANES>();
    whole.iter().for_each(&mut add);
    if !rest.is_empty() {
        // The centre itself fills up: it adds zeros.
        add(&std::array::from_fn(|lane| rest.get(lane).copied().unwrap_or(centre)));
    }
    lanes.map(|lane| (lane[0] + lane[1]) + (lane[2] + lane[3]))
}

#[cfg(test)]
mod tests;
