//! Independence Metropolis: proposals that do not look at the current field, generated ahead.

use super::outcome::Outcome;
use super::process::PathProcess;
use super::proposer::{Carried, Proposed, Proposer};
use crate::action::{Action, Interrupt};
use crate::error::Result;
use crate::rng::Stream;

/// Where proposals come from, each with log r: the acceptance is min(1, exp(-S' + S) r' / r).
pub(super) trait Source: Send {
    /// One proposal a stream. log r that is not finite marks one that cannot be accepted.
    fn generate(&mut self, streams: &[Stream], fields: &mut [f64], log_ratios: &mut [f64]) -> Result<()>;

    /// log r of a field that did not come from this source, or that another kernel moved: drawn from
    /// its law given the field, or computed.
    fn attach(&mut self, stream: &Stream, field: &[f64], scratch: &mut [f64]) -> Result<f64>;

    /// Score evaluations of a proposal, and of attaching a field.
    fn evaluations(&self) -> [u64; 2];
}

impl Source for PathProcess {
    fn generate(&mut self, streams: &[Stream], fields: &mut [f64], log_ratios: &mut [f64]) -> Result<()> {
        PathProcess::generate(self, streams, fields, log_ratios)
    }

    fn attach(&mut self, stream: &Stream, field: &[f64], scratch: &mut [f64]) -> Result<f64> {
        self.renoise(stream, field, scratch)
    }

    fn evaluations(&self) -> [u64; 2] {
        [PathProcess::evaluations(self) as u64; 2]
    }
}

/// The kernel.
pub(super) struct Independence<S> {
    source: S,
    values: usize,
    /// log r of the field that the last decision left: valid while the host leaves that field alone,
    /// because then the path still belongs to it.
    current: Carried,
    /// log r of the two fields of the pending decision.
    pending: [f64; 2],
    pool: Pool,
}

/// Proposals for the steps `first..first + filled`.
struct Pool {
    first: u64,
    filled: usize,
    fields: Vec<f64>,
    log_ratios: Vec<f64>,
    streams: Vec<Stream>,
}

impl<S: Source> Independence<S> {
    /// With a pool of `pool` proposals; `stream` is only to fill the memory.
    pub fn new(source: S, values: usize, pool: usize, stream: Stream) -> Self {
        Independence {
            source,
            values,
            current: Carried::new(values),
            pending: [0.0; 2],
            pool: Pool {
                first: 0,
                filled: 0,
                fields: vec![0.0; pool * values],
                log_ratios: vec![0.0; pool],
                streams: vec![stream; pool],
            },
        }
    }
}

impl<S: Source> Proposer for Independence<S> {
    fn propose(
        &mut self,
        stream: &Stream,
        field: &[f64],
        _action: Option<&mut dyn Action>,
        proposal: &mut [f64],
    ) -> Result<Proposed, Interrupt> {
        let step = stream.step();
        let [mut evaluations, attaching] = self.source.evaluations();
        let pool = &mut self.pool;
        if step < pool.first || step >= pool.first + pool.filled as u64 {
            pool.filled = 0;
            for (offset, slot) in pool.streams.iter_mut().enumerate() {
                *slot = stream.at_step(step + offset as u64);
            }
            self.source.generate(&pool.streams, &mut pool.fields, &mut pool.log_ratios)?;
            (pool.first, pool.filled) = (step, pool.streams.len());
        }
        // The path of the current field: kept if the host did not touch the field, else drawn
        // anew from its law given the field. Either leaves the joint law of field and path invariant.
        let start = match self.current.of(field) {
            Some(log_ratio) => log_ratio,
            None => {
                evaluations += attaching;
                self.source.attach(stream, field, proposal)?
            }
        };
        let slot = (step - self.pool.first) as usize;
        proposal.copy_from_slice(&self.pool.fields[slot * self.values..(slot + 1) * self.values]);
        self.pending = [start, self.pool.log_ratios[slot]];
        Ok(Proposed { log_hastings: self.pending[1] - start, evaluations })
    }

    fn decided(&mut self, outcome: Outcome, state: &[f64]) {
        self.current.set(state, self.pending[usize::from(outcome == Outcome::Accepted)]);
    }

    fn carried(&self) -> Option<&Carried> {
        Some(&self.current)
    }

    fn carried_mut(&mut self) -> Option<&mut Carried> {
        Some(&mut self.current)
    }
}
