//! Tests that a host can run on its own action and score model: is the force the derivative of the
//! action, is the accept decision that of detailed balance, is NaN refused?
//!
//! The statistical part draws fields x from exp(-S)/Z by other means (the caller's), lets a kernel propose y, and
//! asks for its log ratio r = log pi(y) q(x|y) - log pi(x) q(y|x) without moving. Detailed balance says that
//! the accepted flow min(1, e^r) pi(x) q(y|x) is symmetric in x and y, while r is antisymmetric, so that
//!
//!   < min(1, e^r) tanh(r) > = 0,   < min(1, e^r) (S(y) - S(x)) > = 0.
//!
//! A ratio with a wrong term breaks at least one of the two as soon as that term varies; both are
//! bounded by the acceptance, whatever the weights. The score model may be as wrong as it likes.

mod deterministic;

use super::{gamma_method, log_mean_weight};
use crate::action::{Action, GaugeLinks, Interrupt, finite_action};
use crate::diffusion::T_END;
use crate::error::{Error, Result, require_length};
use crate::kernel::hmc::HmcOptions;
use crate::kernel::{Chain, ChainOptions, Drift, Grid, Kernel, Outcome, PathProcess};
use crate::lattice::Lattice;
use crate::rng::{MAX_CHAIN, Stream};
use crate::score::Score;
use std::sync::Arc;

/// |z| of a statistical check that passes: 6e-7 of false alarm each, about 1e-5 for a whole run.
pub const LARGEST_Z: f64 = 5.0;
/// Statistical errors below this are rounding: a kernel that accepts all has r = 0 up to it.
const ROUNDING: f64 = 1e-9;
/// Updates that tune the kernels before they are tested.
const WARM_UP: u64 = 200;
/// Largest field for the likelihood kernel, whose cost grows like V^3.
const LARGEST_DETERMINANT: usize = 16;

/// What is tested.
pub struct Subject<'a> {
    /// Lattice of the fields.
    pub lattice: &'a Lattice,
    /// The action.
    pub action: &'a mut dyn Action,
    /// Writes the next field of exp(-S)/Z into its argument; consecutive ones may be correlated.
    pub equilibrium: &'a mut dyn FnMut(&mut [f64]) -> Result<()>,
    /// The score model; without one only kernels that need none are tested.
    pub score: Option<Arc<dyn Score>>,
    /// Whether S(-phi) = S(phi), of the action and of the model.
    pub even: bool,
    /// ln Z, if it is known.
    pub log_partition: Option<f64>,
    /// Of link angles their geometry: the symmetries of a gauge theory and charge shifts are tested too.
    pub links: Option<GaugeLinks>,
}

/// Options of [`selftest`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SelftestOptions {
    /// Fields drawn for the statistical checks.
    pub configurations: usize,
    /// Score evaluations of a path.
    pub levels: usize,
    /// Seed.
    pub seed: u64,
    /// Threads of the score model.
    pub threads: usize,
}

impl Default for SelftestOptions {
    fn default() -> Self {
        SelftestOptions { configurations: 2000, levels: 8, seed: 1, threads: 1 }
    }
}

/// What a check measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// A deviation in standard errors.
    Z,
    /// A relative deviation that should be rounding.
    Error,
    /// A count of violations.
    Violations,
}

/// One line of the result.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What was tested.
    pub name: String,
    /// What `value` is.
    pub measure: Measure,
    /// The deviation; NaN fails.
    pub value: f64,
    /// Largest |value| that passes; infinite for what is only reported.
    pub bound: f64,
}

impl Check {
    fn z(name: impl Into<String>, value: f64, error: f64) -> Self {
        let value = value / error.max(ROUNDING);
        Check { name: name.into(), measure: Measure::Z, value, bound: LARGEST_Z }
    }

    fn error(name: impl Into<String>, value: f64, bound: f64) -> Self {
        Check { name: name.into(), measure: Measure::Error, value, bound }
    }

    /// Whether it passed.
    pub fn passed(&self) -> bool {
        self.value.abs() <= self.bound
    }
}

/// Runs all checks that apply.
///
/// # Errors
/// [`Error::InvalidArgument`] for fewer than 64 configurations or a field of equilibrium without a finite
/// action; what the action, the model and the kernels return. A failed check is no error.
pub fn selftest(subject: &mut Subject<'_>, options: &SelftestOptions) -> Result<Vec<Check>> {
    run(subject, options, |log_hastings| log_hastings)
}

/// `twist` falsifies the Hastings ratio, for the tests of this test.
fn run(subject: &mut Subject<'_>, options: &SelftestOptions, twist: fn(f64) -> f64) -> Result<Vec<Check>> {
    if options.configurations < 64 {
        return Err(Error::invalid("configurations", options.configurations, "at least 64 for statistical checks"));
    }
    if let Some(score) = &subject.score {
        require_length("field of the score model", score.lattice().values(), subject.lattice.values())?;
    }
    let values = subject.lattice.values();
    let mut fields = vec![0.0; options.configurations * values];
    for field in fields.chunks_exact_mut(values) {
        (subject.equilibrium)(field)?;
    }
    let stream = Stream::new(options.seed, MAX_CHAIN, 0)?;
    let mut checks = deterministic::checks(subject, &fields, &stream)?;
    for (name, kernel) in kernels(subject) {
        let mut chain = tuned(subject, kernel, &fields[..values], options)?;
        checks.push(refuses_nan(&name, &mut chain, &fields[..values])?);
        match kernel {
            Kernel::Metropolis { .. } => checks.push(sweeps(subject, &name, &mut chain, &fields)?),
            _ => checks.extend(balance(subject, &name, kernel, &mut chain, &fields, twist)?),
        }
    }
    checks.extend(partition(subject, &fields, options)?);
    Ok(checks)
}

/// A chain whose moves have a size that makes sense for the action.
fn tuned(subject: &mut Subject<'_>, kernel: Kernel, start: &[f64], options: &SelftestOptions) -> Result<Chain> {
    let (score, lattice) = (subject.score.clone(), subject.lattice);
    let build = |kernel: Kernel| {
        let chain_options =
            ChainOptions { kernel, levels: options.levels, seed: options.seed, threads: options.threads, ..quiet() };
        match (&score, kernel.needs_score()) {
            (Some(score), true) => Chain::new(score.clone(), chain_options),
            _ => Chain::without_score(lattice, chain_options),
        }
    };
    let mut chain = build(kernel)?;
    let updates = if chain.move_size().is_some() { WARM_UP } else { 0 };
    chain.warm_up(&mut start.to_vec(), subject.action, updates)?;
    if let (Kernel::Mala { drift, .. }, Some(size)) = (kernel, chain.move_size()) {
        // At twice the inverse curvature the proposal of a harmonic mode is symmetric: a forgotten Hastings
        // ratio would not be seen. Tuning of a single mode comes near it.
        chain = build(Kernel::Mala { step: 0.5 * size, drift })?;
        chain.freeze()?;
    }
    Ok(chain)
}

/// A chain number that no chain of a user has, and a warm-up.
fn quiet() -> ChainOptions {
    ChainOptions { chain: MAX_CHAIN - 1, warm_up: true, grid: Grid::Geometric, pool: 1, ..ChainOptions::default() }
}

fn kernels(subject: &Subject<'_>) -> Vec<(String, Kernel)> {
    let mala = |drift| Kernel::Mala { step: 0.02, drift };
    let mut all = vec![
        ("hmc", Kernel::Hmc(HmcOptions::default())),
        ("mala (force)", mala(Drift::Force)),
        ("metropolis", Kernel::Metropolis { width: 0.5 }),
    ];
    if subject.links.is_some() {
        all.push(("charge-shift", Kernel::ChargeShift));
    }
    if subject.score.is_some() {
        all.push(("path", Kernel::Path));
        all.push(("renoise", Kernel::Renoise { time: 0.3 }));
        all.push(("mala (score)", mala(Drift::Score { time: 0.0 })));
        if subject.lattice.values() <= LARGEST_DETERMINANT {
            all.push(("likelihood", Kernel::Likelihood));
        }
    }
    all.into_iter().map(|(name, kernel)| (name.to_string(), kernel)).collect()
}

/// S, NaN where there is none.
fn value(action: &mut dyn Action, field: &[f64]) -> Result<f64> {
    Ok(finite_action(action, field)?.unwrap_or(f64::NAN))
}

/// An action that is NaN everywhere but at one field.
struct NanElsewhere<'a>(&'a [f64]);

impl Action for NanElsewhere<'_> {
    fn action(&mut self, field: &[f64]) -> Result<f64, Interrupt> {
        Ok(if field == self.0 { 0.0 } else { f64::NAN })
    }

    fn force(&mut self, _field: &[f64], force: &mut [f64]) -> Result<(), Interrupt> {
        force.fill(0.0);
        Ok(())
    }
}

/// Updates with NaN for the action of every proposal: all must be rejected, the field untouched.
fn refuses_nan(name: &str, chain: &mut Chain, start: &[f64]) -> Result<Check> {
    let mut field = start.to_vec();
    let mut violations = 0;
    for _ in 0..4 {
        let outcome = chain.step(&mut field, &mut NanElsewhere(start))?;
        violations += usize::from(outcome != Outcome::Rejected || field != start);
        field.copy_from_slice(start);
    }
    let mut broken = vec![f64::NAN; start.len()];
    violations += usize::from(chain.step(&mut broken, &mut NanElsewhere(start)).is_ok());
    let name = format!("{name}: NaN is never accepted");
    Ok(Check { name, measure: Measure::Violations, value: violations as f64, bound: 0.0 })
}

fn mean_check(name: String, series: &[f64], expected: f64) -> Result<Check> {
    let estimate = gamma_method(&[series])?;
    Ok(Check::z(name, estimate.value - expected, estimate.error))
}

/// A sweep decides value by value, so only its effect is seen: < S(after) - S(before) > = 0.
fn sweeps(subject: &mut Subject<'_>, name: &str, chain: &mut Chain, fields: &[f64]) -> Result<Check> {
    let mut moved = vec![0.0; subject.lattice.values()];
    let mut changes = vec![];
    for field in fields.chunks_exact(moved.len()) {
        moved.copy_from_slice(field);
        let before = value(subject.action, field)?;
        chain.step(&mut moved, subject.action)?;
        changes.push(value(subject.action, &moved)? - before);
    }
    mean_check(format!("{name}: <S(after) - S(before)> = 0"), &changes, 0.0)
}

/// The identities of the head of this file, and < e^r > = 1 for HMC.
fn balance(
    subject: &mut Subject<'_>,
    name: &str,
    kernel: Kernel,
    chain: &mut Chain,
    fields: &[f64],
    twist: fn(f64) -> f64,
) -> Result<Vec<Check>> {
    let (mut flow, mut drift, mut exponentials) = (vec![], vec![], vec![]);
    for field in fields.chunks_exact(subject.lattice.values()) {
        let log_hastings = match chain.propose_with(field, Some(&mut *subject.action)) {
            Ok(log_hastings) => twist(log_hastings),
            Err(Interrupt::Reject) => f64::NAN,
            Err(Interrupt::Stop(error)) => return Err(error),
        };
        let delta = value(subject.action, chain.proposal())? - value(subject.action, field)?;
        // Looking is enough: the chain stays at the field.
        if chain.is_pending() {
            chain.resolve(f64::NAN)?;
        }
        let ratio = log_hastings - delta;
        let usable = ratio.is_finite();
        let accepted = if usable { libm::exp(ratio.min(0.0)) } else { 0.0 };
        flow.push(if usable { accepted * libm::tanh(ratio) } else { 0.0 });
        drift.push(if usable { accepted * delta } else { 0.0 });
        exponentials.push(if usable { libm::exp(ratio) } else { 0.0 });
    }
    let mut checks = vec![
        mean_check(format!("{name}: <min(1, e^r) tanh r> = 0"), &flow, 0.0)?,
        mean_check(format!("{name}: <min(1, e^r) (S' - S)> = 0"), &drift, 0.0)?,
    ];
    if matches!(kernel, Kernel::Hmc(_)) {
        checks.push(mean_check(format!("{name}: <exp(-Delta H)> = 1"), &exponentials, 1.0)?);
    }
    Ok(checks)
}

/// E\[w\] = Z over generated paths, and E\[1/w\] = 1/Z over paths from fields of equilibrium: both must give one
/// ln Z, and the known one. Left out where the weights scatter too much for their mean to be trusted.
fn partition(subject: &mut Subject<'_>, fields: &[f64], options: &SelftestOptions) -> Result<Vec<Check>> {
    /// Effective sample size, as a fraction, below which a mean of weights is not to be trusted.
    const RESOLVED: f64 = 0.1;
    let Some(score) = subject.score.clone() else { return Ok(vec![]) };
    let values = subject.lattice.values();
    let times = Grid::Geometric.times(&score, options.levels, T_END, options.seed, options.threads)?;
    let mut process = PathProcess::new(score, &times, true, 1, options.threads)?;
    let (mut generated, mut last) = (vec![0.0; values], vec![0.0; values]);
    let (mut forward, mut backward) = (vec![], vec![]);
    for (index, field) in fields.chunks_exact(values).enumerate() {
        // The streams of the chains that were tested above end before these.
        let stream = Stream::new(options.seed, MAX_CHAIN, 1 + index as u64)?;
        backward.push(value(subject.action, field)? - process.renoise(&stream, field, &mut last)?);
        let mut log_ratio = [0.0];
        process.generate(&[stream], &mut generated, &mut log_ratio)?;
        forward.push(finite_action(subject.action, &generated)?.map_or(f64::NEG_INFINITY, |s| log_ratio[0] - s));
    }
    for weights in [&forward, &backward] {
        if super::effective_sample_size(weights)?.value < RESOLVED {
            return Ok(vec![]);
        }
    }
    let (up, down) = (log_mean_weight(&forward)?, log_mean_weight(&backward)?);
    let mut checks = vec![Check::z("path: ln E[w] = -ln E[1/w]", up.value + down.value, up.error.hypot(down.error))];
    if let Some(exact) = subject.log_partition {
        checks.push(Check::z("path: ln E[w] = ln Z", up.value - exact, up.error));
    }
    Ok(checks)
}

#[cfg(test)]
mod tests;
