//! A learned, exactly corrected update for a chain that somebody else owns.

use super::outcome::{Outcome, metropolis};
use super::process::PathProcess;
use super::state;
use crate::action::{Action, finite_action};
use crate::diffusion::T_END;
use crate::error::{Error, Result, require_finite, require_length};
use crate::rng::{Purpose, Stream};
use crate::score::{Score, optimal_times};
use std::sync::Arc;

/// Which exact kernel proposes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kernel {
    /// Path-space independence Metropolis: a fresh path from the prior, accepted against the current
    /// one with min(1, w'/w). Global, independent of the current field.
    Path,
    /// Noise up to time t*, back down another way. t* -> 0 is local, t* = 1 is global.
    Renoise {
        /// t* in (0, 1].
        time: f64,
    },
}

/// Options of a chain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChainOptions {
    /// The kernel.
    pub kernel: Kernel,
    /// Score evaluations of one path.
    pub levels: usize,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Number of the chain: chains with different numbers are independent.
    pub chain: u32,
    /// Threads for the network.
    pub threads: usize,
    /// Proposals of [`Kernel::Path`] that are generated together. Changes speed and memory, no result.
    pub pool: usize,
}

impl Default for ChainOptions {
    fn default() -> Self {
        ChainOptions { kernel: Kernel::Path, levels: 40, seed: 1, chain: 0, threads: 1, pool: 8 }
    }
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Updates decided.
    pub steps: u64,
    /// Of these, accepted.
    pub accepted: u64,
    /// Rejected because the action, or the log ratio, was not finite or the host said "reject".
    pub not_finite: u64,
    /// Score evaluations spent.
    pub score_evaluations: u64,
}

/// The update. It keeps no reference to the host's field.
pub struct Chain {
    pub(super) options: ChainOptions,
    pub(super) fingerprint: u64,
    pub(super) sites: usize,
    pub(super) statistics: Statistics,
    pub(super) current: Current,
    process: PathProcess,
    pending: bool,
    /// Score evaluations that the pending proposal took; booked when it is resolved.
    pending_evaluations: u64,
    /// The proposal at hand, its log r, and that of the current field's path.
    proposal: Vec<f64>,
    proposal_log_ratio: f64,
    start: Vec<f64>,
    start_log_ratio: f64,
    pool: Pool,
    stream: Stream,
}

/// The field that the last decision left, with log r of its path: valid while the host leaves that
/// field alone, because then the path still belongs to it.
pub(super) struct Current {
    pub(super) valid: bool,
    pub(super) field: Vec<f64>,
    pub(super) log_ratio: f64,
}

/// Proposals of the path kernel for the steps `first..first + filled`.
struct Pool {
    first: u64,
    filled: usize,
    fields: Vec<f64>,
    log_ratios: Vec<f64>,
    streams: Vec<Stream>,
}

impl Chain {
    /// An update with `score`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for options out of range; what [`Score::evaluator`] returns.
    pub fn new(score: Arc<dyn Score>, options: ChainOptions) -> Result<Self> {
        if !(1..=1 << 16).contains(&options.pool) {
            return Err(Error::invalid("pool", options.pool, "between 1 and 65536 proposals"));
        }
        let (last, pool) = match options.kernel {
            Kernel::Path => (T_END, options.pool),
            Kernel::Renoise { time } if time > 0.0 && time <= T_END => (time, 1),
            Kernel::Renoise { time } => return Err(Error::invalid("renoise_time", time, "a time t* in (0, 1]")),
        };
        let stream = Stream::new(options.seed, options.chain, 0)?;
        let sites = score.lattice().values();
        let times = optimal_times(&*score, options.levels, last)?;
        let fingerprint = state::fingerprint(score.fingerprint(), &options);
        let process = PathProcess::new(score, &times, options.kernel == Kernel::Path, pool, options.threads)?;
        Ok(Chain {
            options,
            fingerprint,
            sites,
            statistics: Statistics::default(),
            current: Current { valid: false, field: vec![0.0; sites], log_ratio: 0.0 },
            process,
            pending: false,
            pending_evaluations: 0,
            proposal: vec![0.0; sites],
            proposal_log_ratio: 0.0,
            start: vec![0.0; sites],
            start_log_ratio: 0.0,
            pool: Pool {
                first: 0,
                filled: 0,
                fields: vec![0.0; pool * sites],
                log_ratios: vec![0.0; pool],
                streams: vec![stream; pool],
            },
            stream,
        })
    }

    /// Options.
    pub fn options(&self) -> &ChainOptions {
        &self.options
    }

    /// Counters.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Whether a proposal waits for [`Chain::resolve`].
    pub fn is_pending(&self) -> bool {
        self.pending
    }

    /// Makes a proposal for the chain at `field`, and the log of its Hastings ratio: everything in the
    /// acceptance but the action. Decide with [`Chain::resolve`]. A proposal that is never resolved
    /// has no effect: the next call makes the same one for the same field.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`], [`Error::NotFinite`] for a bad field, or what the evaluator returns.
    pub fn propose(&mut self, field: &[f64]) -> Result<(&[f64], f64)> {
        require_length("field", field.len(), self.sites)?;
        require_finite("field", field)?;
        self.pending = false;
        let stream = self.stream.at_step(self.statistics.steps);
        match self.options.kernel {
            Kernel::Path => self.propose_path(&stream, field)?,
            Kernel::Renoise { .. } => {
                let start_log_ratio = self.process.renoise(&stream, field, &mut self.proposal)?;
                let ratio = std::slice::from_mut(&mut self.proposal_log_ratio);
                self.process.generate(&[stream], &mut self.proposal, ratio)?;
                self.start_log_ratio = start_log_ratio;
                self.pending_evaluations = 2 * self.process.evaluations() as u64;
            }
        }
        self.start.copy_from_slice(field);
        self.pending = true;
        Ok((&self.proposal, self.proposal_log_ratio - self.start_log_ratio))
    }

    fn propose_path(&mut self, stream: &Stream, field: &[f64]) -> Result<()> {
        let step = self.statistics.steps;
        self.pending_evaluations = self.process.evaluations() as u64;
        let pool = &mut self.pool;
        if step < pool.first || step >= pool.first + pool.filled as u64 {
            pool.filled = 0;
            for (offset, slot) in pool.streams.iter_mut().enumerate() {
                *slot = self.stream.at_step(step + offset as u64);
            }
            self.process.generate(&pool.streams, &mut pool.fields, &mut pool.log_ratios)?;
            (pool.first, pool.filled) = (step, pool.streams.len());
        }
        // The path of the current field: kept if the host did not touch the field, else drawn
        // anew from its law given the field. Either leaves the joint law of field and path invariant.
        if self.current.valid && self.current.field == field {
            self.start_log_ratio = self.current.log_ratio;
        } else {
            self.start_log_ratio = self.process.renoise(stream, field, &mut self.proposal)?;
            self.pending_evaluations *= 2;
        }
        let slot = (step - self.pool.first) as usize;
        self.proposal.copy_from_slice(&self.pool.fields[slot * self.sites..(slot + 1) * self.sites]);
        self.proposal_log_ratio = self.pool.log_ratios[slot];
        Ok(())
    }

    /// Decides on the pending proposal: accepted with min(1, exp(log Hastings ratio - delta_action)),
    /// `delta_action` = S(proposal) - S(field). A value that is not finite rejects.
    /// After an acceptance the host's field must become the proposal ([`Chain::proposal`]).
    ///
    /// # Errors
    /// [`Error::WrongOrder`] without a pending proposal.
    pub fn resolve(&mut self, delta_action: f64) -> Result<Outcome> {
        if !self.pending {
            let reason = "there is no pending proposal; call propose first".into();
            return Err(Error::WrongOrder { call: "resolve", reason });
        }
        self.pending = false;
        let stream = self.stream.at_step(self.statistics.steps);
        let log_ratio = self.proposal_log_ratio - self.start_log_ratio - delta_action;
        let usable = delta_action.is_finite() && log_ratio.is_finite();
        let outcome = match usable {
            true => metropolis(log_ratio, stream.uniform(Purpose::Accept, 0, 0)),
            false => Outcome::Rejected,
        };
        self.statistics.steps += 1;
        self.statistics.score_evaluations += self.pending_evaluations;
        self.statistics.not_finite += u64::from(!usable);
        let (field, log_ratio) = match outcome {
            Outcome::Accepted => (&self.proposal, self.proposal_log_ratio),
            Outcome::Rejected => (&self.start, self.start_log_ratio),
        };
        self.statistics.accepted += u64::from(outcome == Outcome::Accepted);
        self.current.field.copy_from_slice(field);
        self.current.log_ratio = log_ratio;
        self.current.valid = true;
        Ok(outcome)
    }

    /// The last proposal.
    pub fn proposal(&self) -> &[f64] {
        &self.proposal
    }

    /// Forgets a pending proposal.
    pub fn abandon(&mut self) {
        self.pending = false;
    }

    /// One update of `field` with `action`. The field changes only if the outcome is
    /// [`Outcome::Accepted`].
    ///
    /// # Errors
    /// As [`Chain::propose`]; the error of an action that stopped. The chain and the field are then
    /// as before the call.
    pub fn step(&mut self, field: &mut [f64], action: &mut dyn Action) -> Result<Outcome> {
        self.propose(field)?;
        let values = finite_action(action, field)
            .and_then(|before| Ok((before, finite_action(action, &self.proposal)?)))
            .inspect_err(|_| self.pending = false)?;
        let delta = match values {
            (Some(before), Some(after)) => after - before,
            (None, _) => {
                self.pending = false;
                let expected = "a finite action: a chain must start from a field of positive probability";
                return Err(Error::invalid(
                    "action of the current field",
                    "not finite, or rejected by the host",
                    expected,
                ));
            }
            (Some(_), None) => f64::NAN,
        };
        let outcome = self.resolve(delta)?;
        if outcome == Outcome::Accepted {
            field.copy_from_slice(&self.proposal);
        }
        Ok(outcome)
    }

    /// The whole state in a few bytes, versioned and checksummed; see [`Chain::load`].
    ///
    /// # Errors
    /// [`Error::WrongOrder`] while a proposal is pending.
    pub fn save(&self) -> Result<Vec<u8>> {
        if self.pending {
            let reason = "a proposal is pending; resolve it first".into();
            return Err(Error::WrongOrder { call: "save", reason });
        }
        Ok(state::write(self))
    }

    /// Continues from a saved state, to the same bits as if the chain had never stopped. The chain
    /// must have been made with the same model and options (`threads` and `pool` may differ).
    ///
    /// # Errors
    /// [`Error::ChainState`]; the chain is then as before.
    pub fn load(&mut self, bytes: &[u8]) -> Result<()> {
        state::read(self, bytes)?;
        self.pending = false;
        Ok(())
    }
}
