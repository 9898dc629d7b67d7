//! Independence Metropolis: proposals that do not look at the current field, generated ahead.

use super::outcome::Outcome;
use super::process::PathProcess;
use super::proposer::{Carried, Proposed, Proposer};
use crate::action::{Action, Interrupt};
use crate::error::Result;
use crate::rng::Stream;
use crate::sampler::FlowMap;

/// Where proposals come from, each with log r: the acceptance is min(1, exp(-S' + S) r' / r).
pub(super) trait Source: Send {
    /// One proposal a stream, and the score evaluations that each took. log r that is not finite marks a
    /// proposal that cannot be accepted.
    fn generate(
        &mut self,
        streams: &[Stream],
        fields: &mut [f64],
        log_ratios: &mut [f64],
        evaluations: &mut [u64],
    ) -> Result<()>;

    /// log r of a field that did not come from this source, or that another kernel moved: drawn from
    /// its law given the field, or computed; and the score evaluations that it took.
    fn attach(&mut self, stream: &Stream, field: &[f64], scratch: &mut [f64]) -> Result<(f64, u64)>;
}

impl Source for PathProcess {
    fn generate(
        &mut self,
        streams: &[Stream],
        fields: &mut [f64],
        log_ratios: &mut [f64],
        evaluations: &mut [u64],
    ) -> Result<()> {
        evaluations.fill(self.evaluations() as u64);
        PathProcess::generate(self, streams, fields, log_ratios)
    }

    fn attach(&mut self, stream: &Stream, field: &[f64], scratch: &mut [f64]) -> Result<(f64, u64)> {
        Ok((self.renoise(stream, field, scratch)?, self.evaluations() as u64))
    }
}

/// r = 1/q: where the map has no value q = 0, so a proposal is never made there and a field that is
/// there already is never left.
impl Source for FlowMap {
    fn generate(
        &mut self,
        streams: &[Stream],
        fields: &mut [f64],
        log_ratios: &mut [f64],
        evaluations: &mut [u64],
    ) -> Result<()> {
        let values = fields.len() / streams.len().max(1);
        let proposals = fields.chunks_exact_mut(values).zip(log_ratios).zip(evaluations);
        for (stream, ((field, log_ratio), evaluations)) in streams.iter().zip(proposals) {
            let before = self.evaluations();
            *log_ratio = FlowMap::generate(self, stream, field)?.map_or(f64::NAN, |log_density| -log_density);
            *evaluations = self.evaluations() - before;
        }
        Ok(())
    }

    fn attach(&mut self, _stream: &Stream, field: &[f64], _scratch: &mut [f64]) -> Result<(f64, u64)> {
        let before = self.evaluations();
        let log_ratio = self.log_density(field)?.map_or(f64::INFINITY, |log_density| -log_density);
        Ok((log_ratio, self.evaluations() - before))
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
    evaluations: Vec<u64>,
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
                evaluations: vec![0; pool],
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
        let pool = &mut self.pool;
        if step < pool.first || step >= pool.first + pool.filled as u64 {
            pool.filled = 0;
            for (offset, slot) in pool.streams.iter_mut().enumerate() {
                *slot = stream.at_step(step + offset as u64);
            }
            let (fields, log_ratios) = (&mut pool.fields, &mut pool.log_ratios);
            self.source.generate(&pool.streams, fields, log_ratios, &mut pool.evaluations)?;
            (pool.first, pool.filled) = (step, pool.streams.len());
        }
        // The path of the current field: kept if the host did not touch the field, else drawn
        // anew from its law given the field. Either leaves the joint law of field and path invariant.
        let (start, attaching) = match self.current.of(field) {
            Some(log_ratio) => (log_ratio, 0),
            None => self.source.attach(stream, field, proposal)?,
        };
        let slot = (step - self.pool.first) as usize;
        let evaluations = self.pool.evaluations[slot] + attaching;
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
