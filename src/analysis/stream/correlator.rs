//! The Gamma method in bounded memory: autocovariances of a stream at lags that grow with it.
//!
//! A series is looked at on several levels: as it is, as means of two consecutive values, of four, and so on, as in
//! the multiple-tau correlator (J. Ramirez, S. K. Sukumaran, B. Vorselaars, A. E. Likhtman, J. Chem. Phys. 133
//! (2010) 154103). Each level keeps its autocovariance at lags 0 to [`LAGS`], which is all that the Gamma method
//! needs of it. The variance of the mean comes from the lowest level whose automatic window (U. Wolff, hep-lat/0306017,
//! sec. 3.3, S = 1.5) closes within these lags: as long as that is the series itself, the numbers are those of
//! [`gamma_method`](crate::analysis::gamma_method) to rounding; beyond, the window is found to one part in [`LAGS`] / 2 or
//! better.
//! Memory: (4 [`LAGS`] + 6) numbers an observable and level, and one level for each doubling of the longest chain.

use super::level::Level;
use crate::analysis::autocorrelation::{Estimate, windowed_sum};
use crate::analysis::autocovariance::Lags;
use crate::error::{Error, Result, require_finite, require_length};

/// Values beyond have products that overflow when many are added.
const LARGEST: f64 = 1e140;

/// Largest lag that a level knows, in units of its blocks.
pub const LAGS: usize = 32;

/// Means, errors and autocorrelation times of several observables along one or several chains, streaming and
/// mergeable.
#[derive(Clone, Debug)]
pub struct Correlator {
    width: usize,
    /// Pairs of observables whose cross-covariance is kept, for functions of both.
    pairs: Vec<(usize, usize)>,
    /// Sums are about this point: the first row.
    centre: Vec<f64>,
    largest: Vec<f64>,
    levels: Vec<Level>,
}

impl Correlator {
    /// For rows of `width` observables. Functions of several of them ([`Correlator::derived`]) need the
    /// cross-covariances of every pair of these, which `groups` lists: observables in one group are paired.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when a group names an observable that is not in a row.
    pub fn new(width: usize, groups: &[&[usize]]) -> Result<Self> {
        let mut pairs = vec![];
        for group in groups {
            for (index, &a) in group.iter().enumerate() {
                for &b in &group[..index] {
                    let pair = (a.min(b), a.max(b));
                    if a == b || pair.1 >= width {
                        let expected = format!("different observables, each below {width}");
                        return Err(Error::invalid("group of observables", format!("{group:?}"), &expected));
                    }
                    if !pairs.contains(&pair) {
                        pairs.push(pair);
                    }
                }
            }
        }
        Ok(Correlator { width, pairs, centre: vec![], largest: vec![0.0; width], levels: vec![] })
    }

    /// Observables in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows over all chains.
    pub fn len(&self) -> u64 {
        self.levels.first().map_or(0, Level::blocks)
    }

    /// Whether there is no row yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next row of the chain.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`], [`Error::NotFinite`], or [`Error::InvalidArgument`] for values beyond 10^140; nothing is
    /// then added.
    pub fn push(&mut self, row: &[f64]) -> Result<()> {
        require_length("observables of a configuration", row.len(), self.width)?;
        require_usable(row)?;
        if self.centre.is_empty() {
            self.centre = row.to_vec();
        }
        self.largest.iter_mut().zip(row).for_each(|(most, x)| *most = x.abs().max(*most));
        let mut block: Vec<f64> = row.iter().zip(&self.centre).map(|(x, centre)| x - centre).collect();
        for level in 0.. {
            if level == self.levels.len() {
                self.levels.push(Level::new(self.width, self.pairs.len()));
            }
            if !self.levels[level].push(&mut block, &self.pairs) {
                break;
            }
        }
        Ok(())
    }

    /// Ends a chain: the next row is independent of those before.
    pub fn end_chain(&mut self) {
        self.levels.iter_mut().for_each(Level::end_chain);
    }

    /// Adds all rows of another stream of the same observables, of other chains. The chain that is open here goes on.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when the observables differ.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        require_length("observables of the other stream", other.width, self.width)?;
        if other.pairs != self.pairs {
            return Err(Error::shape("groups of observables", &other.pairs, &self.pairs));
        }
        if other.is_empty() {
            return Ok(());
        }
        if self.centre.is_empty() {
            self.centre = other.centre.clone();
        }
        let shift: Vec<f64> = other.centre.iter().zip(&self.centre).map(|(theirs, ours)| theirs - ours).collect();
        for (index, level) in other.levels.iter().enumerate() {
            if index == self.levels.len() {
                self.levels.push(Level::new(self.width, self.pairs.len()));
            }
            let mut ended = level.clone();
            ended.end_chain();
            ended.move_centre(&shift, &self.pairs);
            self.levels[index].add(&ended);
        }
        self.largest.iter_mut().zip(&other.largest).for_each(|(most, x)| *most = x.max(*most));
        Ok(())
    }

    /// Mean of one observable; 0 before the first row.
    pub fn mean(&self, observable: usize) -> f64 {
        match (self.centre.get(observable), self.levels.first()) {
            (Some(centre), Some(level)) => centre + level.mean(observable),
            _ => 0.0,
        }
    }

    /// Mean of one observable with its error and tau_int.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an observable that is not in a row, or fewer than two rows in all.
    pub fn estimate(&self, observable: usize) -> Result<Estimate> {
        Ok(self.estimates([observable])?[0])
    }

    /// The means of several observables, as [`Correlator::estimate`], at the cost of one.
    ///
    /// # Errors
    /// As [`Correlator::estimate`].
    pub fn estimates(&self, observables: impl IntoIterator<Item = usize>) -> Result<Vec<Estimate>> {
        let ended = self.ended()?;
        let of = |observable| {
            self.require(observable)?;
            Ok(self.along(&ended, self.mean(observable), &[(observable, 1.0)]))
        };
        observables.into_iter().map(of).collect()
    }

    /// A function `f` of the means of the observables in `members`, with the error of Wolff sec. 2: by the gradient
    /// of `f` at the means, from central differences of one naive standard error.
    ///
    /// # Errors
    /// As [`Correlator::estimate`]; when two of the members are in no common group; when `f` is not finite near the
    /// means.
    pub fn derived(&self, members: &[usize], f: &dyn Fn(&[f64]) -> f64) -> Result<Estimate> {
        for (index, &a) in members.iter().enumerate() {
            self.require(a)?;
            for &b in &members[..index] {
                if !self.pairs.contains(&(a.min(b), a.max(b))) {
                    let expected = "observables of one group";
                    return Err(Error::invalid("members", format!("{members:?}"), expected));
                }
            }
        }
        let ended = self.ended()?;
        let means: Vec<f64> = members.iter().map(|&observable| self.mean(observable)).collect();
        let finite = |value: f64| match value.is_finite() {
            true => Ok(value),
            false => Err(Error::invalid("f", value, "a finite value at the means and one standard error from them")),
        };
        let value = finite(f(&means))?;
        let mut slopes = vec![];
        for (index, &observable) in members.iter().enumerate() {
            let step = (ended[0].covariance(0, &[(observable, 1.0)], &self.pairs).max(0.0) / self.len() as f64).sqrt();
            if step > self.roundoff(observable) {
                let shifted = |shift: f64| {
                    let mut means = means.clone();
                    means[index] += shift;
                    finite(f(&means))
                };
                slopes.push((observable, (shifted(step)? - shifted(-step)?) / (2.0 * step)));
            }
        }
        Ok(self.along(&ended, value, &slopes))
    }

    fn require(&self, observable: usize) -> Result<()> {
        match observable < self.width {
            true => Ok(()),
            false => Err(Error::invalid("observable", observable, &format!("a number below {}", self.width))),
        }
    }

    fn ended(&self) -> Result<Vec<Level>> {
        if self.len() < 2 {
            return Err(Error::invalid("number of measurements", self.len(), "at least 2 over all chains"));
        }
        let mut levels = self.levels.clone();
        levels.iter_mut().for_each(Level::end_chain);
        Ok(levels)
    }

    fn roundoff(&self, observable: usize) -> f64 {
        8.0 * f64::EPSILON * self.largest[observable]
    }

    /// The estimate of a quantity with these slopes with respect to the observables.
    fn along(&self, levels: &[Level], value: f64, slopes: &[(usize, f64)]) -> Estimate {
        let roundoff: f64 = slopes.iter().map(|&(observable, slope)| slope.abs() * self.roundoff(observable)).sum();
        let variance = levels[0].covariance(0, slopes, &self.pairs);
        if variance <= roundoff * roundoff {
            return Estimate::constant(value);
        }
        let count = levels[0].blocks() as f64;
        let mut found = None;
        for (index, level) in levels.iter().enumerate() {
            let mut lags = LevelLags { level, slopes, pairs: &self.pairs };
            let (blocks, block) = (level.blocks() as f64, (1u64 << index) as f64);
            if level.blocks() < 2 || lags.at(0) <= roundoff * roundoff {
                break;
            }
            let sum = windowed_sum(&mut lags, blocks);
            let of_values = if index == 0 { sum.variance } else { variance + sum.sum * block / count };
            let estimate = sum.estimate(value, blocks, (block, of_values));
            let complete = sum.closed || level.longest() / 2 <= LAGS as u64;
            found = Some(estimate);
            if complete {
                break;
            }
        }
        found.unwrap_or(Estimate::constant(value))
    }
}

/// Refuses values that are not finite, or too large to have a variance.
pub(super) fn require_usable(row: &[f64]) -> Result<()> {
    require_finite("observables of a configuration", row)?;
    match row.iter().find(|x| x.abs() > LARGEST) {
        None => Ok(()),
        Some(x) => Err(Error::invalid("observables of a configuration", x, "values below 10^140")),
    }
}

/// One level, projected onto a gradient.
struct LevelLags<'a> {
    level: &'a Level,
    slopes: &'a [(usize, f64)],
    pairs: &'a [(usize, usize)],
}

impl Lags for LevelLags<'_> {
    fn at(&mut self, lag: usize) -> f64 {
        self.level.covariance(lag, self.slopes, self.pairs)
    }

    fn last_lag(&self) -> usize {
        LAGS.min(self.longest() / 2)
    }

    fn longest(&self) -> usize {
        self.level.longest() as usize
    }
}
