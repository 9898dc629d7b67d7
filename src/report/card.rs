//! The report card of a model: its proposals, plain and reweighted, against configurations that did not train it.

use super::force::{ForceResidual, force_residual};
use super::links::{RenoiseQuality, renoise_by_noise};
use super::observables::Observables;
use super::parts::{Check, Histogram, Momentum, PathQuality, TwoPointCheck, Value};
use super::verdict::{Verdict, equivalent_z};
use crate::action::{ActionRecord, finite_action};
use crate::analysis::{JackknifeEstimate, Measurements, gamma_method};
use crate::diffusion::T_END;
use crate::error::{Error, Result, require_length};
use crate::kernel::{Grid, LevelVariance, draw_proposals, variance_by_level};
use crate::score::Score;
use crate::train::Dataset;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

/// Version of the card.
pub const SCHEMA: u32 = 1;
/// Fewest held-out configurations of a card.
pub const FEWEST_HELD_OUT: usize = 16;
/// Fewest proposals of a card.
pub const FEWEST_PROPOSALS: usize = 128;
/// Jackknife bins of the proposals, and most of the data.
const BINS: usize = 64;
/// Fewest bins of the data.
const FEWEST_BINS: usize = 4;
/// A bin of the data is at least this many tau_int long.
const BIN_LENGTH: f64 = 10.0;
/// Effective proposals below which reweighting has no error worth giving.
pub(super) const FEWEST_EFFECTIVE: f64 = 100.0;
/// Paths behind the variance by level.
const PATHS: usize = 1024;

/// What to compute.
#[derive(Clone, Debug, PartialEq)]
pub struct CardOptions {
    /// Score evaluations of a path, one or several; comparisons use the last.
    pub levels: Vec<usize>,
    /// Proposals for each.
    pub proposals: usize,
    /// Seed of the proposals.
    pub seed: u64,
    /// Threads; changes no number.
    pub threads: usize,
}

impl Default for CardOptions {
    fn default() -> Self {
        CardOptions { levels: vec![20, 40, 80], proposals: 2048, seed: 1, threads: 1 }
    }
}

/// The card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportCard {
    /// Version of the card.
    pub schema: u32,
    /// Version of the library that made it.
    pub version: String,
    /// The function that was looked at (`Score::fingerprint`, hexadecimal): a card of another model says so.
    pub model: String,
    /// The action.
    pub action: Option<ActionRecord>,
    /// Extents of the lattice.
    pub extents: Vec<usize>,
    /// Held-out configurations, and the bins that their autocorrelation leaves for errors.
    pub held_out: (usize, usize),
    /// Proposals for each number of levels, and their seed.
    pub proposals: (usize, u64),
    /// Weights, by number of levels. Empty without a real action.
    pub paths: Vec<PathQuality>,
    /// Where Var(log w) is made, at the last number of levels.
    pub variance_by_level: Vec<LevelVariance>,
    /// Cumulants, magnetisation, action.
    pub checks: Vec<Check>,
    /// Two-point function.
    pub two_point: TwoPointCheck,
    /// Histogram of M of the first component, or of the topological charge.
    pub histogram: Histogram,
    /// Learned score at small noise against the force.
    pub force: Option<ForceResidual>,
    /// Of a model of link angles: `renoise` by the noise of t*. Its paths from uniform links are hardly ever accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renoise: Vec<RenoiseQuality>,
    /// In one line.
    pub verdict: Verdict,
}

/// The held-out configurations of a data set, one after the other.
///
/// # Errors
/// Those of [`Dataset::read`].
pub fn held_out_fields(data: &Dataset) -> Result<Vec<f64>> {
    let (range, values) = (data.held_out(), data.lattice().values());
    let mut fields = vec![0.0; range.len() * values];
    for (index, field) in range.zip(fields.chunks_exact_mut(values)) {
        data.read(index, field)?;
    }
    Ok(fields)
}

/// Proposals or data with what was measured on them.
struct Sample {
    table: Measurements,
    bins: usize,
}

impl ReportCard {
    /// Computes the card of `score`, a model of exp(-S)/Z with the action of `action` (complex ones have no weights), on
    /// `held_out` configurations, one after the other in the order of their chain. `go_on` is asked again and again.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for fewer than 16 configurations, 128 proposals or no levels;
    /// [`Error::ShapeMismatch`]; what paths and observables raise. `None` when `go_on` said no.
    pub fn compute(
        score: &Arc<dyn Score>,
        action: Option<&ActionRecord>,
        held_out: &[f64],
        options: &CardOptions,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<Self>> {
        let (lattice, effort) = (score.lattice().clone(), (options.seed, options.threads));
        let count = held_out.len() / lattice.values();
        require_length("held-out fields", held_out.len(), count * lattice.values())?;
        if count < FEWEST_HELD_OUT || options.proposals < FEWEST_PROPOSALS || options.levels.is_empty() {
            let value = format!("{count} configurations, {} proposals, levels {:?}", options.proposals, options.levels);
            let expected = "at least 16 held-out configurations (160 in all), 128 proposals, and one number of levels";
            return Err(Error::invalid("report card", value, expected));
        }
        let even = action.map_or(Ok(false), ActionRecord::is_even)?;
        let weighed = action.filter(|action| !action.name.starts_with("complex"));
        let mut observables = match score.of_links() {
            true => Observables::of_links(&lattice, weighed)?,
            false => Observables::new(&lattice, even, weighed.is_some()),
        };
        let data = measure_data(&mut observables, weighed, held_out, score)?;
        let (mut paths, mut generated, mut weights) = (vec![], Measurements::new(0), vec![]);
        for (index, &levels) in options.levels.iter().enumerate() {
            let last = index + 1 == options.levels.len();
            let times = Grid::Optimal.times(score, levels, T_END, options.seed, options.threads)?;
            let Some(drawn) = draw(score, weighed, &times, options, (&mut observables, last), go_on)? else {
                return Ok(None);
            };
            if weighed.is_some() {
                paths.push(PathQuality::new(levels, &drawn.log_weights, drawn.seconds)?);
            }
            (generated, weights) = (drawn.table, drawn.log_weights);
        }
        let generated = Sample { bins: BINS.min(generated.len()), table: generated };
        let effective = paths.last().map_or(0.0, |path| path.ess.value * options.proposals as f64);
        let weights = (effective >= FEWEST_EFFECTIVE).then_some(&weights[..]);
        let (checks, two_point) = compare(&observables, &data, &generated, weights, even)?;
        let mut by_level = vec![];
        let (mut force, mut renoise) = (None, vec![]);
        if let Some(action) = weighed {
            let levels = options.levels[options.levels.len() - 1];
            let times = Grid::Optimal.times(score, levels, T_END, options.seed, options.threads)?;
            let paths = PATHS.min(options.proposals);
            by_level =
                variance_by_level(score, &mut *action.build(&lattice)?, &times, paths, effort).unwrap_or_default();
            force = Some(force_residual(score, action, held_out, effort)?);
            if score.of_links() {
                renoise = renoise_by_noise(score, action, held_out, options.seed)?;
            }
        }
        let mut card = ReportCard {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            model: format!("{:016x}", score.fingerprint()),
            action: action.cloned(),
            extents: lattice.extents().to_vec(),
            held_out: (count, data.bins),
            proposals: (options.proposals, options.seed),
            paths,
            variance_by_level: by_level,
            histogram: Histogram::new(observables.magnetisation(), &data.table, &generated.table, weights),
            checks,
            two_point,
            force,
            renoise,
            verdict: Verdict::default(),
        };
        card.verdict = Verdict::of(&card);
        Ok(Some(card))
    }

    /// All comparisons that the verdict counts.
    pub fn counted(&self) -> impl Iterator<Item = &Check> {
        let momenta = self.two_point.momenta.iter().map(|momentum| &momentum.check);
        self.checks.iter().chain(momenta).filter(|check| check.counted)
    }

    /// As JSON, for `Model::with_report`: all but the times, so that the same training writes the same bytes.
    ///
    /// # Errors
    /// [`Error::Internal`], never in practice.
    pub fn to_json(&self) -> Result<String> {
        let mut card = self.clone();
        card.paths.iter_mut().for_each(|path| path.seconds = None);
        serde_json::to_string(&card).map_err(|error| Error::Internal(format!("report card to JSON: {error}")))
    }

    /// From what [`ReportCard::to_json`] wrote.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`].
    pub fn from_json(text: &str) -> Result<Self> {
        let expected = "a report card of this version of stoq; run `stoq check` with --data and --write again";
        serde_json::from_str(text).map_err(|error| Error::invalid("stoq.report", error, expected))
    }
}

struct Drawn {
    table: Measurements,
    log_weights: Vec<f64>,
    seconds: f64,
}

fn draw(
    score: &Arc<dyn Score>,
    record: Option<&ActionRecord>,
    times: &[f64],
    options: &CardOptions,
    (observables, keep): (&mut Observables, bool),
    go_on: &dyn Fn() -> bool,
) -> Result<Option<Drawn>> {
    let mut action = record.map(|record| record.build(score.lattice())).transpose()?;
    let mut drawn = Drawn { table: Measurements::new(observables.width()), log_weights: vec![], seconds: 0.0 };
    let mut row = vec![0.0; observables.width()];
    let clock = Instant::now();
    let effort = (options.seed, options.threads);
    let end = draw_proposals(score, times, options.proposals, effort, &mut |proposal| {
        if !go_on() {
            return Ok(ControlFlow::Break(()));
        }
        let value = match &mut action {
            Some(action) => finite_action(&mut **action, proposal.field)?,
            None => Some(0.0),
        };
        drawn.log_weights.push(value.map_or(f64::NEG_INFINITY, |value| proposal.log_ratio - value));
        if keep {
            observables.checked(proposal.field, value.unwrap_or(0.0), &mut row)?;
            drawn.table.push(&row)?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    drawn.seconds = clock.elapsed().as_secs_f64() / options.proposals as f64;
    Ok(end.is_continue().then_some(drawn))
}

fn measure_data(
    observables: &mut Observables,
    record: Option<&ActionRecord>,
    fields: &[f64],
    score: &Arc<dyn Score>,
) -> Result<Sample> {
    let mut action = record.map(|record| record.build(score.lattice())).transpose()?;
    let mut table = Measurements::new(observables.width());
    let mut row = vec![0.0; observables.width()];
    for field in fields.chunks_exact(score.lattice().values()) {
        let value = match &mut action {
            Some(action) => finite_action(&mut **action, field)?,
            None => Some(0.0),
        };
        let Some(value) = value else {
            return Err(Error::invalid("held-out data", "a configuration without an action", "data of this action"));
        };
        observables.checked(field, value, &mut row)?;
        table.push(&row)?;
    }
    let slowest = observables.slow().into_iter().map(|column| Ok(gamma_method(&[&table.series(column)])?.tau_int));
    let tau = slowest.collect::<Result<Vec<f64>>>()?.into_iter().fold(0.5, f64::max);
    let bins = (table.len() as f64 / (BIN_LENGTH * tau)) as usize;
    Ok(Sample { bins: bins.clamp(FEWEST_BINS, BINS), table })
}

/// All quantities, then the momenta.
fn compare(
    observables: &Observables,
    data: &Sample,
    generated: &Sample,
    weights: Option<&[f64]>,
    even: bool,
) -> Result<(Vec<Check>, TwoPointCheck)> {
    let derive = |means: &[f64]| observables.derive(means);
    let reference = data.table.estimate(None, data.bins, &derive)?;
    let plain = generated.table.estimate(None, generated.bins, &derive)?;
    let reweighted = weights.map(|weights| generated.table.estimate(Some(weights), generated.bins, &derive));
    let reweighted = reweighted.transpose()?;
    let quantities = observables.quantities();
    let check = |name: String, index: usize, counted: bool| {
        // Even laws have M > 0 with probability 1/2, whatever the data have seen of the peaks.
        let exact = match &observables.links {
            Some(links) => links.exact(&name),
            None => (even && name == "positive").then_some(0.5),
        };
        let data_value = exact.map_or(Value::of(&reference[index]), |value| Value { value, error: 0.0 });
        let z = |found: &JackknifeEstimate| equivalent_z((Value::of(found), generated.bins), (data_value, data.bins));
        let other = reweighted.as_ref().map(|found| &found[index]);
        Check {
            data: data_value,
            generated: Value::of(&plain[index]),
            z_generated: z(&plain[index]),
            reweighted: other.map(Value::of),
            z_reweighted: other.map(z),
            counted,
            name,
        }
    };
    let checks = quantities.iter().enumerate();
    let checks = checks.map(|(index, q)| check(q.name.clone(), index, q.order <= 4 && !(even && q.name == "kappa2")));
    let checks: Vec<Check> = checks.collect();
    let momenta = observables.groups.iter().enumerate().map(|(index, group)| Momentum {
        component: group.component,
        momentum_squared: group.momentum_squared,
        modes: group.modes,
        check: check(format!("G(p^2 = {:.4})", group.momentum_squared), quantities.len() + index, true),
    });
    let momenta: Vec<Momentum> = momenta.collect();
    let largest = |z: &dyn Fn(&Check) -> Option<f64>| {
        momenta.iter().map(|m| z(&m.check)).try_fold(0.0, |most: f64, z| z.map(|z| most.max(z.abs())))
    };
    let squares = |z: &dyn Fn(&Check) -> Option<f64>| {
        momenta.iter().map(|m| z(&m.check)).try_fold(0.0, |sum, z| z.map(|z| sum + z * z))
    };
    let plain = |check: &Check| Some(check.z_generated);
    let weighted = |check: &Check| check.z_reweighted;
    let largest_z = (largest(&plain).unwrap_or(0.0), largest(&weighted));
    let chi_squared = (squares(&plain).unwrap_or(0.0), squares(&weighted));
    Ok((checks, TwoPointCheck { momenta, largest_z, chi_squared }))
}
