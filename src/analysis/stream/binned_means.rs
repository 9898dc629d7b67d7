//! Means of many observables in bins whose number does not grow with the data.

use crate::analysis::bins::{Bin, Bins};
use crate::analysis::jackknife::{JackknifeEstimate, jackknife};
use crate::error::{Error, Result, require_finite, require_length};

/// Rows of a bin, added up.
#[derive(Clone, Debug, Default)]
pub(in crate::analysis) struct Sums {
    rows: u64,
    sums: Vec<f64>,
}

impl Sums {
    fn add(&mut self, rows: u64, sums: &[f64]) {
        if self.sums.is_empty() {
            self.sums = vec![0.0; sums.len()];
        }
        self.rows += rows;
        self.sums.iter_mut().zip(sums).for_each(|(sum, value)| *sum += value);
    }
}

impl Bin for Sums {
    fn count(&self) -> u64 {
        self.rows
    }

    fn merge(&mut self, other: &Self) {
        self.add(other.rows, &other.sums);
    }
}

/// Means of the observables in a row, in between `bins` and 2 `bins` consecutive bins: streaming and mergeable. Any
/// function of the means has an error by the jackknife over bins, right when a bin is long against the autocorrelation.
/// Memory: at most 2 `bins` numbers an observable, whatever the number of rows.
#[derive(Clone, Debug)]
pub struct BinnedMeans {
    width: usize,
    bins: Bins<Sums>,
}

impl BinnedMeans {
    /// For rows of `width` observables in between `bins` and 2 `bins` bins.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless `bins` is between 2 and 65536.
    pub fn new(width: usize, bins: usize) -> Result<Self> {
        if !(2..=1 << 16).contains(&bins) {
            return Err(Error::invalid("bins", bins, "2 to 65536 bins"));
        }
        Ok(BinnedMeans { width, bins: Bins::new(bins) })
    }

    /// The next row of the chain.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] or [`Error::NotFinite`]; nothing is then added.
    pub fn push(&mut self, row: &[f64]) -> Result<()> {
        require_length("observables of a configuration", row.len(), self.width)?;
        require_finite("observables of a configuration", row)?;
        self.bins.current().0.add(1, row);
        self.bins.advance(1);
        Ok(())
    }

    /// Appends the bins of another chain or worker, taken to be independent of this one.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when the number of observables differs.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        require_length("observables of the other stream", other.width, self.width)?;
        self.bins.append(&other.bins);
        Ok(())
    }

    /// Rows over all chains.
    pub fn len(&self) -> u64 {
        self.bins.used().map(Bin::count).sum()
    }

    /// Whether there is no row yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of bins.
    pub fn bins(&self) -> usize {
        self.bins.used().count()
    }

    /// The same data in at most `most` bins, at least 2: for errors when the bins are short against the autocorrelation.
    pub fn joined(&self, most: usize) -> Self {
        BinnedMeans { width: self.width, bins: self.bins.joined(most.max(2)) }
    }

    /// Functions of the means, with bias of order 1/N removed and errors by the jackknife.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for fewer than two bins, or a function that is not finite with one bin left out.
    pub fn estimate(&self, functions: &dyn Fn(&[f64]) -> Vec<f64>) -> Result<Vec<JackknifeEstimate>> {
        let mut total = Sums { rows: 0, sums: vec![0.0; self.width] };
        self.bins.used().for_each(|bin| total.merge(bin));
        let of = |rows: u64, sums: &mut dyn Iterator<Item = f64>| {
            functions(&sums.map(|sum| sum / rows as f64).collect::<Vec<_>>())
        };
        if self.bins() < 2 {
            return Err(Error::invalid("bins", self.bins(), "at least 2 bins for a jackknife error: push more rows"));
        }
        let whole = of(total.rows, &mut total.sums.iter().copied());
        let without = self
            .bins
            .used()
            .map(|bin| of(total.rows - bin.rows, &mut total.sums.iter().zip(&bin.sums).map(|(all, part)| all - part)));
        let without: Vec<Vec<f64>> = without.collect();
        let shares: Vec<f64> = self.bins.used().map(|bin| bin.rows as f64 / total.rows as f64).collect();
        // One by one: the covariance of all with all is not wanted, and would be large.
        let one = |(index, &value): (usize, &f64)| {
            let rows: Vec<Vec<f64>> = without.iter().map(|row| row.get(index).copied().into_iter().collect()).collect();
            Ok(jackknife(&shares, &[value], &rows)?.estimates[0])
        };
        whole.iter().enumerate().map(one).collect()
    }
}
