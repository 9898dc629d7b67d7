//! An exactly corrected update for a chain that somebody else owns.

use super::charge_shift::ChargeShift;
use super::drift::DriftField;
use super::hmc::Hmc;
use super::independence::Independence;
use super::mala::Mala;
use super::metropolis::{LocalMetropolis, Tally};
use super::options::{ChainOptions, Drift, Kernel, Statistics};
use super::outcome::{Outcome, metropolis};
use super::process::PathProcess;
use super::proposer::{Proposed, Proposer, Tunable};
use super::renoise::Renoise;
use super::state;
use super::warm_up::WarmUp;
use crate::action::{Action, Interrupt, finite_action};
use crate::diffusion::T_END;
use crate::error::{Error, Result, require_finite, require_length};
use crate::lattice::Lattice;
use crate::rng::{Purpose, Stream};
use crate::sampler::FlowMap;
use crate::score::Score;
use std::sync::Arc;

/// The update. It keeps no reference to the host's field.
pub struct Chain {
    pub(super) options: ChainOptions,
    pub(super) fingerprint: u64,
    pub(super) values: usize,
    /// Updates decided since the chain was made: the position in the random numbers.
    pub(super) step: u64,
    pub(super) statistics: Statistics,
    /// None: frozen.
    pub(super) warm_up: Option<WarmUp>,
    pub(super) mover: Mover,
    pending: Option<Proposed>,
    proposal: Vec<f64>,
    start: Vec<f64>,
    stream: Stream,
}

pub(super) enum Mover {
    /// One accept decision an update, made here.
    Proposer(Box<dyn Proposer>),
    /// One decision a value.
    Sweep(LocalMetropolis),
}

impl Mover {
    pub fn tunable(&self) -> Option<&dyn Tunable> {
        match self {
            Mover::Proposer(proposer) => proposer.tunable(),
            Mover::Sweep(sweep) => Some(sweep),
        }
    }

    pub fn tunable_mut(&mut self) -> Option<&mut dyn Tunable> {
        match self {
            Mover::Proposer(proposer) => proposer.tunable_mut(),
            Mover::Sweep(sweep) => Some(sweep),
        }
    }

    pub fn size(&self) -> f64 {
        self.tunable().map_or(0.0, |kernel| kernel.size())
    }
}

impl Chain {
    /// An update with `score`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for options out of range, or a model that is still being trained
    /// ([`Score::adapting`]); what [`Score::evaluator`] returns.
    pub fn new(score: Arc<dyn Score>, options: ChainOptions) -> Result<Self> {
        if score.adapting() {
            let expected =
                "a model whose training is finished: a chain whose kernel still changes has no stationary law";
            return Err(Error::invalid("model", "one that is still being trained", expected));
        }
        let lattice = score.lattice().clone();
        Self::build(&lattice, Some(score), options)
    }

    /// An update by a kernel that needs no score model: HMC, Metropolis, charge shifts, or Langevin moves that follow
    /// the force.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for other kernels, and options out of range.
    pub fn without_score(lattice: &Lattice, options: ChainOptions) -> Result<Self> {
        Self::build(lattice, None, options)
    }

    fn build(lattice: &Lattice, score: Option<Arc<dyn Score>>, options: ChainOptions) -> Result<Self> {
        if !(1..=1 << 16).contains(&options.pool) {
            return Err(Error::invalid("pool", options.pool, "between 1 and 65536 proposals"));
        }
        options.kernel.validate()?;
        let stream = Stream::new(options.seed, options.chain, 0)?;
        let values = lattice.values();
        // Without a score model its fingerprint is that of nothing; kernels that do not look at it agree.
        let identity = score.as_ref().filter(|_| options.kernel.needs_score()).map_or(0, |score| score.fingerprint());
        let mover = mover(lattice, score, &options, stream)?;
        let warm_up = options.warm_up.then(|| WarmUp::new(mover.size()));
        Ok(Chain {
            fingerprint: state::fingerprint(identity, &options),
            options,
            values,
            step: 0,
            statistics: Statistics::default(),
            warm_up,
            mover,
            pending: None,
            proposal: vec![0.0; values],
            start: vec![0.0; values],
            stream,
        })
    }

    /// Options.
    pub fn options(&self) -> &ChainOptions {
        &self.options
    }

    /// Counters since the chain was frozen.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Whether a proposal waits for [`Chain::resolve`].
    pub fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Whether warm-up is over. Only a frozen chain has a stationary law.
    pub fn is_frozen(&self) -> bool {
        self.warm_up.is_none()
    }

    /// The size of the kernel's moves as it is now: step size of MALA, integrator step of HMC, width of
    /// Metropolis, noise of t* relative to the signal for renoise. None if nothing can be tuned.
    pub fn move_size(&self) -> Option<f64> {
        self.mover.tunable().map(|kernel| kernel.size())
    }

    /// Ends warm-up: keeps the averaged size of moves, and starts the counters anew. Nothing happens to
    /// a frozen chain.
    ///
    /// # Errors
    /// [`Error::WrongOrder`] while a proposal is pending; what rebuilding the kernel raises.
    pub fn freeze(&mut self) -> Result<()> {
        if self.pending.is_some() {
            return Err(pending("freeze"));
        }
        let Some(warm_up) = self.warm_up else { return Ok(()) };
        if let Some(kernel) = self.mover.tunable_mut() {
            kernel.set_size(warm_up.result())?;
        }
        self.warm_up = None;
        self.statistics = Statistics::default();
        Ok(())
    }

    /// `updates` updates in warm-up, then [`Chain::freeze`].
    ///
    /// # Errors
    /// [`Error::WrongOrder`] for a frozen chain; as [`Chain::step`].
    pub fn warm_up(&mut self, field: &mut [f64], action: &mut dyn Action, updates: u64) -> Result<()> {
        if self.is_frozen() {
            let reason = "the chain is frozen: it has a stationary law, and adapting would take that away; make \
                          a new chain with warm_up set";
            return Err(Error::WrongOrder { call: "warm_up", reason: reason.into() });
        }
        for _ in 0..updates {
            self.step(field, action)?;
        }
        self.freeze()
    }

    /// Makes a proposal for the chain at `field`, and the log of its Hastings ratio: everything in the
    /// acceptance but the action. Decide with [`Chain::resolve`]. A proposal that is never resolved
    /// has no effect: the next call makes the same one for the same field.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`], [`Error::NotFinite`] for a bad field, what the evaluator returns, or
    /// [`Error::WrongOrder`] for a kernel that needs the action to propose: use [`Chain::step`].
    pub fn propose(&mut self, field: &[f64]) -> Result<(&[f64], f64)> {
        match self.propose_with(field, None) {
            Ok(log_hastings) => Ok((&self.proposal, log_hastings)),
            Err(Interrupt::Stop(error)) => Err(error),
            Err(Interrupt::Reject) => Err(Error::Internal("a proposal without an action was rejected".into())),
        }
    }

    /// As [`Chain::propose`], for kernels that follow the force of `action`; returns the log Hastings ratio.
    ///
    /// # Errors
    /// As [`Chain::propose`], and what the force raises.
    pub fn propose_with(&mut self, field: &[f64], action: Option<&mut dyn Action>) -> Result<f64, Interrupt> {
        self.pending = None;
        require_length("field", field.len(), self.values)?;
        require_finite("field", field)?;
        self.tune()?;
        let Mover::Proposer(proposer) = &mut self.mover else {
            let reason = "metropolis decides value by value; make the whole update by step".into();
            return Err(Error::WrongOrder { call: "propose", reason }.into());
        };
        self.start.copy_from_slice(field);
        let stream = self.stream.at_step(self.step);
        let proposed = proposer.propose(&stream, field, action, &mut self.proposal)?;
        self.pending = Some(proposed);
        Ok(proposed.log_hastings)
    }

    /// Puts the size in force that warm-up found.
    fn tune(&mut self) -> Result<()> {
        match (&self.warm_up, self.mover.tunable_mut()) {
            (Some(warm_up), Some(kernel)) if kernel.size() != warm_up.size => kernel.set_size(warm_up.size),
            _ => Ok(()),
        }
    }

    /// Decides on the pending proposal: accepted with min(1, exp(log Hastings ratio - delta_action)),
    /// `delta_action` = S(proposal) - S(field). A value that is not finite rejects.
    /// After an acceptance the host's field must become the proposal ([`Chain::proposal`]).
    ///
    /// # Errors
    /// [`Error::WrongOrder`] without a pending proposal.
    pub fn resolve(&mut self, delta_action: f64) -> Result<Outcome> {
        let Some(proposed) = self.pending.take() else {
            let reason = "there is no pending proposal; call propose first".into();
            return Err(Error::WrongOrder { call: "resolve", reason });
        };
        let stream = self.stream.at_step(self.step);
        let log_ratio = proposed.log_hastings - delta_action;
        let usable = delta_action.is_finite() && log_ratio.is_finite();
        let outcome = match (usable, self.options.kernel.is_exact()) {
            (true, true) => metropolis(log_ratio, stream.uniform(Purpose::Accept, 0, 0)),
            (true, false) => Outcome::Accepted,
            (false, _) => Outcome::Rejected,
        };
        let acceptance = if usable { libm::exp(log_ratio).min(1.0) } else { 0.0 };
        let accepted = u64::from(outcome == Outcome::Accepted);
        let decided = Statistics {
            steps: 1,
            proposals: 1,
            accepted,
            not_finite: u64::from(!usable),
            score_evaluations: proposed.evaluations,
        };
        let state = if outcome == Outcome::Accepted { &self.proposal } else { &self.start };
        if let Mover::Proposer(proposer) = &mut self.mover {
            proposer.decided(outcome, state);
        }
        self.book(decided, acceptance);
        Ok(outcome)
    }

    /// Ends an update.
    fn book(&mut self, decided: Statistics, acceptance: f64) {
        self.step += 1;
        let sum = &mut self.statistics;
        sum.steps += decided.steps;
        sum.proposals += decided.proposals;
        sum.accepted += decided.accepted;
        sum.not_finite += decided.not_finite;
        sum.score_evaluations += decided.score_evaluations;
        if let (Some(warm_up), Some(kernel)) = (&mut self.warm_up, self.mover.tunable()) {
            warm_up.learn(acceptance, kernel);
        }
    }

    /// The last proposal.
    pub fn proposal(&self) -> &[f64] {
        &self.proposal
    }

    /// Forgets a pending proposal.
    pub fn abandon(&mut self) {
        self.pending = None;
    }

    /// One update of `field` with `action`. The field changes only if the outcome is
    /// [`Outcome::Accepted`]; that of a Metropolis sweep is when any value changed.
    ///
    /// # Errors
    /// As [`Chain::propose`]; the error of an action that stopped. The chain and the field are then
    /// as before the call.
    pub fn step(&mut self, field: &mut [f64], action: &mut dyn Action) -> Result<Outcome> {
        if let Mover::Sweep(_) = self.mover {
            return self.sweep(field, action);
        }
        let proposed = self.propose_with(field, Some(&mut *action));
        let delta = self.action_change(field, action, proposed).inspect_err(|_| self.pending = None)?;
        let outcome = self.resolve(delta)?;
        if outcome == Outcome::Accepted {
            field.copy_from_slice(&self.proposal);
        }
        Ok(outcome)
    }

    /// S(proposal) - S(field); NaN for a proposal of no probability.
    fn action_change(
        &mut self,
        field: &[f64],
        action: &mut dyn Action,
        proposed: Result<f64, Interrupt>,
    ) -> Result<f64> {
        let rejected = match proposed {
            Ok(_) => false,
            Err(Interrupt::Reject) => true,
            Err(Interrupt::Stop(error)) => return Err(error),
        };
        let Some(before) = finite_action(action, field)? else {
            let expected = "a finite action: a chain must start from a field of positive probability";
            return Err(Error::invalid("action of the current field", "not finite, or rejected by the host", expected));
        };
        if rejected {
            self.pending = Some(Proposed { log_hastings: f64::NAN, evaluations: 0 });
            return Ok(f64::NAN);
        }
        Ok(finite_action(action, &self.proposal)?.map_or(f64::NAN, |after| after - before))
    }

    fn sweep(&mut self, field: &mut [f64], action: &mut dyn Action) -> Result<Outcome> {
        require_length("field", field.len(), self.values)?;
        require_finite("field", field)?;
        self.tune()?;
        let Mover::Sweep(sweep) = &mut self.mover else { return Err(pending("step")) };
        self.proposal.copy_from_slice(field);
        let tally = sweep.sweep(&self.stream.at_step(self.step), action, &mut self.proposal)?;
        field.copy_from_slice(&self.proposal);
        let Tally { proposals, accepted, not_finite } = tally;
        self.book(
            Statistics { steps: 1, proposals, accepted, not_finite, score_evaluations: 0 },
            accepted as f64 / proposals as f64,
        );
        Ok(if accepted > 0 { Outcome::Accepted } else { Outcome::Rejected })
    }

    /// The whole state in a few bytes, versioned and checksummed; see [`Chain::load`].
    ///
    /// # Errors
    /// [`Error::WrongOrder`] while a proposal is pending.
    pub fn save(&self) -> Result<Vec<u8>> {
        if self.pending.is_some() {
            return Err(pending("save"));
        }
        Ok(state::write(self))
    }

    /// Continues from a saved state, to the same bits as if the chain had never stopped. The chain
    /// must have been made with the same model and options (`threads`, `pool` and `warm_up` may differ).
    ///
    /// # Errors
    /// [`Error::ChainState`]; the chain is then as before.
    pub fn load(&mut self, bytes: &[u8]) -> Result<()> {
        state::read(self, bytes)?;
        self.pending = None;
        Ok(())
    }
}

fn pending(call: &'static str) -> Error {
    Error::WrongOrder { call, reason: "a proposal is pending; resolve it first".into() }
}

/// Makes the kernel.
fn mover(lattice: &Lattice, score: Option<Arc<dyn Score>>, options: &ChainOptions, stream: Stream) -> Result<Mover> {
    let values = lattice.values();
    let ChainOptions { levels, grid, seed, threads, pool, .. } = *options;
    let needed = || {
        let expected = format!("a score model: the kernel {} proposes with it", options.kernel.name());
        score.clone().ok_or_else(|| Error::invalid("model", "none", &expected))
    };
    let langevin = |step: f64, drift: Drift, adjusted: bool| -> Result<Box<dyn Proposer>> {
        let field = DriftField::new(drift, options.kernel.name(), score.as_ref(), values, threads)?;
        Ok(Box::new(Mala::new(step, adjusted, field, values)))
    };
    let proposer: Box<dyn Proposer> = match options.kernel {
        Kernel::Path => {
            let score = needed()?;
            let times = grid.times(&score, levels, T_END, seed, threads)?;
            let process = PathProcess::new(score, &times, true, pool, threads)?;
            Box::new(Independence::new(process, values, pool, stream))
        }
        Kernel::Renoise { time } => Box::new(Renoise::new(needed()?, time, options)?),
        Kernel::Likelihood => {
            let score = needed()?;
            let times = grid.times(&score, levels, T_END, seed, threads)?;
            Box::new(Independence::new(FlowMap::new(score, &times)?, values, pool, stream))
        }
        Kernel::Mala { step, drift } => langevin(step, drift, true)?,
        Kernel::Langevin { step, drift } => langevin(step, drift, false)?,
        Kernel::Hmc(hmc) => Box::new(Hmc::new(values, hmc)?),
        Kernel::ChargeShift => Box::new(ChargeShift::new(lattice)?),
        Kernel::Metropolis { width } => return Ok(Mover::Sweep(LocalMetropolis::new(width, values))),
    };
    Ok(Mover::Proposer(proposer))
}
