//! Cumulants with jackknife errors.

use super::{CumulantAccumulator, MAX_ORDER, Symmetry};
use crate::analysis::bins::{Bin, Bins};
use crate::analysis::jackknife::{JackknifeEstimate, jackknife};
use crate::error::{Error, Result, require_finite};

impl Bin for CumulantAccumulator {
    fn count(&self) -> u64 {
        CumulantAccumulator::count(self)
    }

    fn merge(&mut self, other: &Self) {
        CumulantAccumulator::merge(self, other);
    }
}

/// Cumulants of correlated data: accumulators over consecutive bins, whose number stays between
/// `bins` and 2 `bins` whatever the length of the data. Errors are right when a bin is long
/// against the autocorrelation ([`JackknifeEstimate::bin_correlation`] tells).
///
/// Of a field it takes whole configurations: values of one configuration never fall into two bins,
/// so that correlations between sites are part of the error too.
#[derive(Clone, Debug)]
pub struct BinnedCumulants {
    pub(super) bins: Bins<CumulantAccumulator>,
}

/// kappa_1 ..= kappa_8 with errors; the entry of order r is at index r - 1.
#[derive(Clone, Debug, PartialEq)]
pub struct CumulantEstimates {
    /// The cumulants.
    pub cumulants: [JackknifeEstimate; MAX_ORDER],
    /// Covariance between orders.
    pub covariance: [[f64; MAX_ORDER]; MAX_ORDER],
    /// Number of values.
    pub count: u64,
    /// Number of bins.
    pub bins: usize,
}

impl Default for BinnedCumulants {
    /// 64 to 128 bins: errors known to 9 per cent or better.
    fn default() -> Self {
        BinnedCumulants { bins: Bins::new(64) }
    }
}

impl BinnedCumulants {
    /// Between `bins` and 2 `bins` bins.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless `bins` is between 2 and 65536.
    pub fn new(bins: usize) -> Result<Self> {
        if !(2..=1 << 16).contains(&bins) {
            return Err(Error::invalid("bins", bins, "2 to 65536 bins"));
        }
        Ok(BinnedCumulants { bins: Bins::new(bins) })
    }

    /// Adds one configuration whose sums are known already.
    pub(in crate::analysis) fn push_accumulated(&mut self, configuration: &CumulantAccumulator) {
        self.bins.current().0.merge(configuration);
        self.bins.advance(1);
    }

    /// Adds the values of one configuration (or batch) as a unit. An empty one changes nothing.
    ///
    /// # Errors
    /// As [`CumulantAccumulator::extend`]; nothing is then added.
    pub fn push_configuration(&mut self, values: &[f64]) -> Result<()> {
        if !values.is_empty() {
            self.bins.current().0.extend(values)?;
            self.bins.advance(1);
        }
        Ok(())
    }

    /// Adds a series of single values in the order of the chain, each of them a unit.
    ///
    /// # Errors
    /// As [`CumulantAccumulator::extend`]. A value that is not finite is found before anything is added;
    /// values beyond 10^38 end the call after those before them.
    pub fn push_series(&mut self, values: &[f64]) -> Result<()> {
        require_finite("values for cumulants", values)?;
        let mut rest = values;
        while !rest.is_empty() {
            let (bin, room) = self.bins.current();
            let taken = rest.len().min(usize::try_from(room).unwrap_or(usize::MAX));
            let (head, tail) = rest.split_at(taken);
            bin.extend(head)?;
            self.bins.advance(taken as u64);
            rest = tail;
        }
        Ok(())
    }

    /// Appends the bins of another chain or worker, taken to be independent of this one.
    pub fn merge(&mut self, other: &Self) {
        self.bins.append(&other.bins);
    }

    /// The same data in at most `most` bins, at least 2: for errors when the bins are short against the
    /// autocorrelation.
    pub fn joined(&self, most: usize) -> Self {
        BinnedCumulants { bins: self.bins.joined(most.max(2)) }
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.bins.used().map(CumulantAccumulator::count).sum()
    }

    /// All values in one accumulator.
    pub fn total(&self) -> CumulantAccumulator {
        let mut total = CumulantAccumulator::new();
        self.bins.used().for_each(|bin| total.merge(bin));
        total
    }

    /// The cumulants with errors. Values are k-statistics less the bias of order 1/N that correlations
    /// leave in them, by the jackknife; for independent values they remain unbiased.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for fewer than two bins, or when the data without one bin are fewer
    /// than order 8 needs (8 values, 4 for an even law).
    pub fn estimate(&self, symmetry: Symmetry) -> Result<CumulantEstimates> {
        let (shares, whole, without) = self.samples(symmetry)?;
        let rows: Vec<Vec<f64>> = without.iter().map(|row| row.to_vec()).collect();
        let result = jackknife(&shares, &whole, &rows)?;
        Ok(CumulantEstimates {
            cumulants: std::array::from_fn(|index| result.estimates[index]),
            covariance: std::array::from_fn(|a| std::array::from_fn(|b| result.covariance[a][b])),
            count: self.count(),
            bins: shares.len(),
        })
    }

    /// A function of the cumulants (kappa_r at index r - 1), such as kappa_4 / kappa_2^2, with bias
    /// of order 1/N removed and its error, by the jackknife of the function itself.
    ///
    /// # Errors
    /// As [`BinnedCumulants::estimate`]; also when the function is not finite.
    pub fn derived(&self, symmetry: Symmetry, f: &dyn Fn(&[f64; MAX_ORDER]) -> f64) -> Result<JackknifeEstimate> {
        let (shares, whole, without) = self.samples(symmetry)?;
        let rows: Vec<Vec<f64>> = without.iter().map(|row| vec![f(row)]).collect();
        Ok(jackknife(&shares, &[f(&whole)], &rows)?.estimates[0])
    }

    /// Shares of the bins, cumulants of all data, cumulants without each bin.
    #[allow(clippy::type_complexity)]
    fn samples(&self, symmetry: Symmetry) -> Result<(Vec<f64>, [f64; MAX_ORDER], Vec<[f64; MAX_ORDER]>)> {
        let total = self.total();
        let total = total.about(total.natural_centre(symmetry));
        let mut samples = (vec![], total.cumulants(symmetry)?, vec![]);
        if total.count() == self.bins.used().next().map_or(0, CumulantAccumulator::count) {
            return Err(Error::invalid("bins", 1, "at least 2 bins for a jackknife error: push more units"));
        }
        for bin in self.bins.used() {
            samples.0.push(bin.count() as f64 / total.count() as f64);
            samples.2.push(total.without(&bin.about(total.centre)).cumulants(symmetry)?);
        }
        Ok(samples)
    }
}
