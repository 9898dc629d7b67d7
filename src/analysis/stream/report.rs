//! One object that is fed with configurations and gives every observable with its error.

use super::binned_means::BinnedMeans;
use super::correlator::Correlator;
use super::meter::{Columns, Measured, Meter};
use super::rows::{ReportRow, json, rows, text};
use crate::analysis::cumulants::{BinnedCumulants, Symmetry};
use crate::error::{Error, Result, require_length};
use crate::lattice::Lattice;
use crate::score::Team;
use std::collections::BTreeMap;

/// Configurations that are measured before the sums see them, for each thread.
const AT_ONCE: usize = 16;
/// Most cells of a histogram.
const MOST_CELLS: usize = 100_000;

/// What a report is of.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportOptions {
    /// Whether fields are link angles of a two-dimensional U(1) gauge theory, in the order of [`crate::action::GaugeLinks`].
    pub links: bool,
    /// What is known about the law of a field at a site, for its cumulants.
    pub symmetry: Symmetry,
    /// Jackknife bins: between this number and its double are kept.
    pub bins: usize,
    /// Lower end, upper end and number of cells of a histogram, of M of the first component or of Q; without it none.
    pub histogram: Option<(f64, f64, usize)>,
    /// Names of observables that the caller measures: as many numbers come with every configuration.
    pub names: Vec<String>,
    /// Threads that measure configurations pushed together; changes no number.
    pub threads: usize,
}

impl Default for ReportOptions {
    fn default() -> Self {
        ReportOptions { links: false, symmetry: Symmetry::None, bins: 64, histogram: None, names: vec![], threads: 1 }
    }
}

/// A report on a stream of configurations, of one chain or several: observables by the Gamma method with tau_int and
/// window ([`Correlator`]), two-point functions, effective masses, cumulants and a histogram by the jackknife. Several
/// chains at a time have one report each, merged at the end; chains one after the other are told apart by
/// [`ReportStream::end_chain`].
///
/// Its memory does not grow with the number of configurations, but for one more level of a [`Correlator`] each time the
/// longest chain doubles.
pub struct ReportStream {
    pub(super) columns: Columns,
    pub(super) symmetry: Symmetry,
    pub(super) scalars: Correlator,
    pub(super) vectors: BinnedMeans,
    /// Of every component of a scalar field.
    pub(super) cumulants: Vec<BinnedCumulants>,
    pub(super) exact: BTreeMap<String, f64>,
    pub(super) chains: u64,
    /// Whether a chain is open that has configurations.
    open: bool,
    meters: Vec<Meter>,
    measured: Vec<Measured>,
    team: Team,
}

impl ReportStream {
    /// A report without configurations, for fields on `lattice`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for options out of range or names that are empty or the same; for links, as
    /// [`crate::action::GaugeLinks::new`].
    pub fn new(lattice: &Lattice, options: &ReportOptions) -> Result<Self> {
        if let Some((low, high, cells)) = options.histogram {
            let usable = low.is_finite() && high.is_finite() && low < high && (1..=MOST_CELLS).contains(&cells);
            if !usable {
                let value = format!("{cells} cells from {low} to {high}");
                return Err(Error::invalid("histogram", value, "1 to 100000 cells from a number to a larger one"));
            }
        }
        let columns = Columns::new(lattice, options)?;
        let groups = columns.groups();
        let groups: Vec<&[usize]> = groups.iter().map(Vec::as_slice).collect();
        let components = if options.links { 0 } else { lattice.components() };
        let report = ReportStream {
            symmetry: options.symmetry,
            scalars: Correlator::new(columns.scalars(), &groups)?,
            vectors: BinnedMeans::new(columns.vectors(), options.bins)?,
            cumulants: vec![BinnedCumulants::new(options.bins)?; components],
            exact: BTreeMap::new(),
            chains: 0,
            open: false,
            meters: (0..options.threads).map(|_| Meter::new(&columns)).collect::<Result<_>>()?,
            measured: vec![],
            team: Team::new(options.threads)?,
            columns,
        };
        let mut known = report.names();
        known.sort_unstable();
        if let Some(twice) = known.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::invalid("names", &twice[0], "names that no other observable of the report has"));
        }
        if known.iter().any(|name| name.trim().is_empty()) {
            return Err(Error::invalid("names", "an empty one", "names with letters"));
        }
        Ok(report)
    }

    /// The lattice of the fields.
    pub fn lattice(&self) -> &Lattice {
        &self.columns.lattice
    }

    /// Names of the observables that the caller measures.
    pub fn host_names(&self) -> &[String] {
        &self.columns.names
    }

    /// Configurations over all chains.
    pub fn configurations(&self) -> u64 {
        self.scalars.len()
    }

    /// Chains with configurations.
    pub fn chains(&self) -> u64 {
        self.chains
    }

    /// Takes in the next configuration of the chain, with the caller's own observables in the order of their names.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`], [`Error::NotFinite`], or [`Error::InvalidArgument`] for values beyond 10^38; nothing
    /// is then added.
    pub fn push(&mut self, field: &[f64], host: &[f64]) -> Result<()> {
        require_length("field", field.len(), self.columns.lattice.values())?;
        self.push_many(field, host)
    }

    /// Takes in consecutive configurations of the chain, one after the other in `fields`, and their observables of the
    /// caller, those of the first configuration first. The same numbers for any number of threads.
    ///
    /// # Errors
    /// As [`ReportStream::push`]; the configurations before the bad one may have been added, and
    /// [`ReportStream::configurations`] tells.
    pub fn push_many(&mut self, fields: &[f64], host: &[f64]) -> Result<()> {
        let (values, names) = (self.columns.lattice.values(), self.columns.names.len());
        let count = fields.len() / values;
        require_length("fields", fields.len(), count * values)?;
        require_length("observables of the host", host.len(), count * names)?;
        let at_once = if self.team.threads() == 1 { 1 } else { AT_ONCE * self.team.threads() };
        let mut measured = std::mem::take(&mut self.measured);
        measured.resize_with(at_once.max(measured.len()), Measured::default);
        let mut start = 0;
        let mut result = Ok(());
        while start < count && result.is_ok() {
            let end = count.min(start + at_once);
            let mut items: Vec<(&mut Measured, Result<()>)> =
                measured[..end - start].iter_mut().map(|out| (out, Ok(()))).collect();
            self.team.for_each(&mut self.meters, &mut items, |meter, index, (out, result)| {
                let index = start + index;
                let field = &fields[index * values..(index + 1) * values];
                *result = meter.measure(field, &host[index * names..(index + 1) * names], out);
            });
            for (out, found) in items {
                result = found.and_then(|()| self.take_in(out));
                if result.is_err() {
                    break;
                }
            }
            start = end;
        }
        self.measured = measured;
        result
    }

    fn take_in(&mut self, measured: &Measured) -> Result<()> {
        // All numbers are finite: none of these fails.
        self.scalars.push(&measured.scalars)?;
        self.vectors.push(&measured.vectors)?;
        for (binned, sums) in self.cumulants.iter_mut().zip(&measured.cumulants) {
            binned.push_accumulated(sums);
        }
        self.chains += u64::from(!self.open);
        self.open = true;
        Ok(())
    }

    /// Ends the chain: the next configuration belongs to another one, independent of those before.
    pub fn end_chain(&mut self) {
        self.scalars.end_chain();
        self.open = false;
    }

    /// Adds all that another report of the same observables holds, of other chains: of another thread or rank. The chain
    /// that is open here goes on. Exact values of the other report are taken where this one has none.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for another lattice or other options; nothing is then added.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if self.columns != other.columns || self.symmetry != other.symmetry {
            let shown = |report: &Self| format!("{:?}, {:?}", report.columns.lattice, report.columns.names);
            return Err(Error::shape("the other report", shown(other), shown(self)));
        }
        self.scalars.merge(&other.scalars)?;
        self.vectors.merge(&other.vectors)?;
        self.cumulants.iter_mut().zip(&other.cumulants).for_each(|(ours, theirs)| ours.merge(theirs));
        self.chains += other.chains;
        for (name, value) in &other.exact {
            self.exact.entry(name.clone()).or_insert(*value);
        }
        Ok(())
    }

    /// Sets what an observable should be; the report then gives z = (value - exact) / error.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a name that the report does not have, or a value that is not finite.
    pub fn set_exact(&mut self, name: &str, value: f64) -> Result<()> {
        if !value.is_finite() {
            return Err(Error::invalid("exact value", value, "a finite number"));
        }
        let names = self.names();
        if !names.iter().any(|known| known == name) {
            return Err(Error::invalid("name", name, &format!("one of {}", names.join(", "))));
        }
        self.exact.insert(name.to_string(), value);
        Ok(())
    }

    /// All observables of which the data leave an estimate.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for fewer than two configurations.
    pub fn rows(&self) -> Result<Vec<ReportRow>> {
        rows(self)
    }

    /// One observable.
    ///
    /// # Errors
    /// As [`ReportStream::rows`]; [`Error::InvalidArgument`] for a name that the report does not have, or of which the
    /// data leave no estimate.
    pub fn observable(&self, name: &str) -> Result<ReportRow> {
        let rows = self.rows()?;
        let names = || rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>().join(", ");
        match rows.iter().find(|row| row.name == name) {
            Some(row) => Ok(row.clone()),
            None => Err(Error::invalid("name", name, &format!("one that has an estimate: {}", names()))),
        }
    }

    /// The report as JSON.
    ///
    /// # Errors
    /// As [`ReportStream::rows`].
    pub fn to_json(&self) -> Result<serde_json::Value> {
        json(self)
    }

    /// The report as a table to read.
    ///
    /// # Errors
    /// As [`ReportStream::rows`].
    pub fn to_text(&self) -> Result<String> {
        text(self)
    }
}
