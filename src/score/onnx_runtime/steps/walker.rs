//! Walking down a path by a graph that takes the whole step ([`Walker`]).
//!
//! Exactness rests on one function: the denoised field of a path down and that of a path up, from which a weight is found, come
//! from the same graph in batches of one size, and a graph whose rows depend on their place or on each other is not used. What is
//! left between the two is rounding in double precision, as where the host takes the steps.

use super::super::opening::OnnxScore;
use super::super::signature::TimeShape;
use super::graph::row;
use super::session::StepSession;
use crate::error::{Error, Result, require_length};
use crate::rng::{Purpose, Stream};
use crate::score::{ReverseStep, Score, Team, Walker};
use std::ops::Range;
use std::sync::Arc;

/// Rows of noise that a thread fills at a time.
const ROWS_TOGETHER: usize = 4;

pub(in super::super) struct StepWalker {
    score: Arc<OnnxScore>,
    /// Given back at the end.
    session: Option<StepSession>,
    coloured: bool,
    steps: usize,
    values: usize,
    team: Team,
    workers: Vec<()>,
}

impl StepWalker {
    /// For `steps`, which the graph can take ([`OnnxScore::walker`] has seen to that).
    pub fn new(score: Arc<OnnxScore>, steps: &[ReverseStep], batch: usize, threads: usize) -> Result<Self> {
        let values = score.lattice().values();
        let coloured = is_coloured(steps);
        let mut session = score.take_steps(batch, coloured)?;
        let table: Vec<f64> = steps.iter().flat_map(|step| row(score.convention(), step)).collect();
        let spectrum: Option<Vec<f64>> = coloured.then(|| {
            let deviations = |step: &ReverseStep| match step.deviation[..] {
                [common] => vec![common; values],
                _ => step.deviation.clone(),
            };
            steps.iter().flat_map(deviations).collect()
        });
        session.set_steps(&table, spectrum.as_deref())?;
        let (team, workers) = (Team::new(threads)?, vec![(); threads]);
        Ok(StepWalker { score, session: Some(session), coloured, steps: steps.len(), values, team, workers })
    }

    fn require(&self, count: usize, fields: usize, steps: &Range<usize>) -> Result<()> {
        require_length("fields", fields, count * self.values)?;
        match steps.end <= self.steps {
            true => Ok(()),
            false => Err(Error::shape("steps", steps.end, format!("at most {}", self.steps))),
        }
    }

    fn walk_batch(
        &mut self,
        steps: Range<usize>,
        streams: &[Stream],
        fields: &mut [f64],
        log_ratios: &mut [f64],
    ) -> Result<()> {
        let values = self.values;
        let StepWalker { session, team, workers, .. } = self;
        let session = present(session)?;
        let (state, ratio) = session.start();
        fill(state, fields);
        fill(ratio, log_ratios);
        let first = steps.start;
        for (number, step) in steps.rev().enumerate() {
            session.index().fill(step as i64);
            let (noise, rest) = session.noise().split_at_mut(streams.len() * values);
            let rows = noise.chunks_mut(ROWS_TOGETHER * values).zip(streams.chunks(ROWS_TOGETHER));
            team.for_each_of(workers, rows, |_, (rows, streams)| {
                for (row, stream) in rows.chunks_exact_mut(values).zip(*streams) {
                    stream.normals(Purpose::Reverse, step as u32, row);
                }
            });
            rest.fill(0.0);
            session.step(number, step == first)?;
        }
        let (state, ratio) = session.end();
        fields.copy_from_slice(&state[..fields.len()]);
        log_ratios.copy_from_slice(&ratio[..log_ratios.len()]);
        Ok(())
    }
}

/// The session, while there is one.
fn present(session: &mut Option<StepSession>) -> Result<&mut StepSession> {
    session.as_mut().ok_or_else(|| Error::Internal("the session of the steps is gone".into()))
}

/// Whether some step has a deviation for every momentum.
pub(in super::super) fn is_coloured(steps: &[ReverseStep]) -> bool {
    steps.iter().any(|step| step.deviation.len() > 1)
}

/// The given values and, in the rest, the first of them again.
fn fill(buffer: &mut [f64], given: &[f64]) {
    let (front, rest) = buffer.split_at_mut(given.len());
    front.copy_from_slice(given);
    rest.iter_mut().zip(given.iter().cycle()).for_each(|(rest, value)| *rest = *value);
}

impl Walker for StepWalker {
    fn walk(
        &mut self,
        steps: Range<usize>,
        streams: &[Stream],
        fields: &mut [f64],
        log_ratios: &mut [f64],
    ) -> Result<()> {
        self.require(streams.len(), fields.len(), &steps)?;
        require_length("log ratios", log_ratios.len(), streams.len())?;
        if steps.is_empty() {
            return Ok(());
        }
        let (batch, values) = (present(&mut self.session)?.batch(), self.values);
        let parts = streams.chunks(batch).zip(fields.chunks_mut(batch * values)).zip(log_ratios.chunks_mut(batch));
        for ((streams, fields), log_ratios) in parts {
            self.walk_batch(steps.clone(), streams, fields, log_ratios)?;
        }
        Ok(())
    }

    fn denoise(&mut self, steps: &[usize], fields: &[f64], denoised: &mut [f64]) -> Result<()> {
        let end = steps.iter().copied().max().map_or(0, |last| last + 1);
        self.require(steps.len(), fields.len(), &(0..end))?;
        require_length("denoised fields", denoised.len(), fields.len())?;
        let (values, common) = (self.values, matches!(self.score.signature().time_shape, TimeShape::Common(_)));
        let session = present(&mut self.session)?;
        let (batch, mut start) = (session.batch(), 0);
        while start < steps.len() {
            // A network that takes one noise level gets fields of one level.
            let alike = |step: &&usize| !common || **step == steps[start];
            let count = steps[start..].iter().take(batch).take_while(alike).count();
            let index = session.index();
            index.fill(steps[start] as i64);
            index.iter_mut().zip(&steps[start..start + count]).for_each(|(index, step)| *index = *step as i64);
            let range = start * values..(start + count) * values;
            fill(session.start().0, &fields[range.clone()]);
            let found = session.denoise()?;
            denoised[range].copy_from_slice(&found[..count * values]);
            start += count;
        }
        Ok(())
    }
}

impl Drop for StepWalker {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.score.give_back_steps(self.coloured, session);
        }
    }
}
