//! The table of kernels: every exact kernel on every system with exact averages, and the same with
//! faults planted in the accept decision, which the comparison must see.

use super::systems::{Meter, System};
use crate::action::{Action, Interrupt, finite_action};
use crate::analysis::{Estimate, gamma_method};
use crate::error::{Error, Result};
use crate::kernel::hmc::{HmcOptions, Integrator};
use crate::kernel::{Chain, ChainOptions, Drift, Kernel, Outcome, metropolis};
use crate::rng::{Purpose, Stream};
use std::time::Instant;

/// Updates of warm-up before anything is measured.
const WARM_UP: u64 = 1000;

/// A row of the table: kernels that are applied in turn.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name: kernels joined by +.
    pub name: &'static str,
    /// The kernels.
    pub kernels: Vec<Kernel>,
    /// Cost of an update relative to a local sweep, to share out the updates.
    pub cost: f64,
}

/// What is done wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The Hastings ratio has the wrong sign.
    Flipped,
    /// The Hastings ratio is left out.
    Dropped,
    /// The weight of a field that another kernel moved meanwhile: the chain is told of the old field.
    Stale,
    /// Half of every local change of the action.
    HalfChange,
}

/// One observable of one cell.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Name of the observable.
    pub name: &'static str,
    /// What the chain found.
    pub estimate: Estimate,
    /// The truth.
    pub exact: f64,
    /// (found - exact) / error.
    pub z: f64,
}

/// One cell of the table.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Name of the row.
    pub kernel: &'static str,
    /// Name of the system.
    pub system: String,
    /// What was done wrong.
    pub fault: Fault,
    /// Measured updates.
    pub updates: u64,
    /// Acceptance of the last kernel of the row.
    pub acceptance: f64,
    /// All observables.
    pub comparisons: Vec<Comparison>,
    /// Time.
    pub seconds: f64,
}

impl Cell {
    /// Largest |z|.
    pub fn largest_z(&self) -> f64 {
        self.comparisons.iter().fold(0.0, |largest, comparison| comparison.z.abs().max(largest))
    }
}

/// All rows. Learned drifts are taken at the least noise of the model; sizes of moves are tuned.
pub fn rows() -> Vec<Row> {
    let mala = |drift| Kernel::Mala { step: 0.05, drift };
    let hmc = |integrator| Kernel::Hmc(HmcOptions { integrator, steps: 4, ..HmcOptions::default() });
    let renoise = Kernel::Renoise { time: 0.3 };
    let local = Kernel::Metropolis { width: 1.0 };
    let force = mala(Drift::Force);
    let row = |name, kernels: &[Kernel], cost| Row { name, kernels: kernels.to_vec(), cost };
    vec![
        row("metropolis", &[local], 1.0),
        row("hmc (leapfrog)", &[hmc(Integrator::Leapfrog)], 2.0),
        row("hmc (omelyan)", &[hmc(Integrator::Omelyan)], 2.0),
        row("mala (force)", &[force], 1.0),
        row("mala (score)", &[mala(Drift::Score { time: 0.0 })], 3.0),
        row("mala (blend)", &[mala(Drift::Blend { time: 0.0, weight: 0.5 })], 3.0),
        row("path", &[Kernel::Path], 15.0),
        row("renoise", &[renoise], 20.0),
        row("likelihood", &[Kernel::Likelihood], 200.0),
        row("hmc + path", &[hmc(Integrator::Omelyan), Kernel::Path], 20.0),
        row("metropolis + renoise", &[local, renoise], 20.0),
        row("hmc + likelihood", &[hmc(Integrator::Omelyan), Kernel::Likelihood], 200.0),
    ]
}

/// The faults that make sense for a row.
pub fn faults(row: &Row) -> Vec<Fault> {
    match (row.kernels.len(), row.kernels.last()) {
        (1, Some(Kernel::Metropolis { .. })) => vec![Fault::HalfChange],
        (1, _) => vec![Fault::Flipped, Fault::Dropped],
        (_, Some(Kernel::Path | Kernel::Likelihood)) => vec![Fault::Stale],
        _ => vec![Fault::Dropped],
    }
}

/// Runs one cell: `effort` is the number of local sweeps that its updates may cost.
///
/// # Errors
/// What building or running the chain raises.
pub fn run(system: &System, row: &Row, effort: f64, levels: usize, seed: u64, fault: Fault) -> Result<Cell> {
    let clock = Instant::now();
    let mut action = system.action()?;
    let mut field = system.start.clone();
    let mut deciders = vec![];
    for (index, &kernel) in row.kernels.iter().enumerate() {
        let options = ChainOptions { kernel, levels, seed, chain: index as u32, warm_up: true, ..Default::default() };
        let chain = Chain::new(system.score.clone(), options)?;
        let last = index + 1 == row.kernels.len();
        deciders.push(Decider::new(chain, if last { fault } else { Fault::None }, seed, index as u32)?);
    }
    for _ in 0..WARM_UP {
        for decider in &mut deciders {
            decider.chain.step(&mut field, &mut *action)?;
        }
    }
    deciders.iter_mut().try_for_each(|decider| decider.chain.freeze())?;
    // One value is a small part of the cost of an update of a learned kernel: the rest is the same.
    let updates = (effort / row.cost) as u64;
    let mut meter = Meter::new(system);
    for _ in 0..updates {
        for decider in &mut deciders {
            decider.step(&mut *action, &mut field)?;
        }
        meter.measure(&field);
    }
    let comparisons = system.exact.iter().zip(&meter.series).map(|(&(name, exact), series)| {
        // A faulty chain may run away: as wrong as can be.
        if fault != Fault::None && series.iter().any(|value| !(value.abs() < 1e100)) {
            let estimate = Estimate { value: f64::INFINITY, ..gamma_method(&[&[0.0, 1.0]])? };
            return Ok(Comparison { name, estimate, exact, z: f64::INFINITY });
        }
        let estimate = gamma_method(&[series])?;
        Ok(Comparison { name, estimate, exact, z: estimate.z_value(exact) })
    });
    Ok(Cell {
        kernel: row.name,
        system: system.name.clone(),
        fault,
        updates,
        acceptance: deciders.last().map_or(0.0, |decider| decider.chain.statistics().acceptance()),
        comparisons: comparisons.collect::<Result<_>>()?,
        seconds: clock.elapsed().as_secs_f64(),
    })
}

/// A chain whose decisions may be wrong on purpose.
struct Decider {
    chain: Chain,
    fault: Fault,
    /// The field that the chain is told, for [`Fault::Stale`].
    told: Option<Vec<f64>>,
    stream: Stream,
    step: u64,
}

impl Decider {
    fn new(chain: Chain, fault: Fault, seed: u64, index: u32) -> Result<Self> {
        Ok(Decider { chain, fault, told: None, stream: Stream::new(seed, 1000 + index, 0)?, step: 0 })
    }

    fn step(&mut self, action: &mut dyn Action, field: &mut [f64]) -> Result<()> {
        match self.fault {
            Fault::None => self.chain.step(field, action).map(|_| ()),
            Fault::HalfChange => self.chain.step(field, &mut HalfChange(action)).map(|_| ()),
            _ => self.decide_wrongly(action, field),
        }
    }

    fn decide_wrongly(&mut self, action: &mut dyn Action, field: &mut [f64]) -> Result<()> {
        let stream = self.stream.at_step(self.step);
        self.step += 1;
        let told = match (&self.told, self.fault) {
            (Some(told), Fault::Stale) => told.clone(),
            _ => field.to_vec(),
        };
        let log_hastings = match self.chain.propose_with(&told, Some(&mut *action)) {
            Ok(value) => value,
            Err(Interrupt::Reject) => f64::NAN,
            Err(Interrupt::Stop(error)) => return Err(error),
        };
        let proposal = self.chain.proposal().to_vec();
        let value =
            |action: &mut dyn Action, field: &[f64]| Ok::<_, Error>(finite_action(action, field)?.unwrap_or(f64::NAN));
        let delta = value(action, &proposal)? - value(action, field)?;
        let log_hastings = match self.fault {
            Fault::Flipped => -log_hastings,
            Fault::Dropped => 0.0,
            _ => log_hastings,
        };
        let outcome = metropolis(log_hastings - delta, stream.uniform(Purpose::Diagnostic, 0, 0));
        // A difference of the action so large that the chain's own decision is ours.
        let forced = if outcome == Outcome::Accepted { -1e300 } else { 1e300 };
        self.chain.resolve(forced)?;
        if outcome == Outcome::Accepted {
            field.copy_from_slice(&proposal);
        }
        self.told = Some(if outcome == Outcome::Accepted { proposal } else { told });
        Ok(())
    }
}

/// An action whose local changes are wrong.
struct HalfChange<'a>(&'a mut dyn Action);

impl Action for HalfChange<'_> {
    fn action(&mut self, field: &[f64]) -> Result<f64, Interrupt> {
        self.0.action(field)
    }

    fn force(&mut self, field: &[f64], force: &mut [f64]) -> Result<(), Interrupt> {
        self.0.force(field, force)
    }

    fn local_change(&mut self, field: &[f64], index: usize, value: f64) -> Result<f64, Interrupt> {
        Ok(0.5 * self.0.local_change(field, index, value)?)
    }
}
