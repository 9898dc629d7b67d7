//! Independent proposals of a score model with their weights: what the `path` kernel would draw.

use super::process::PathProcess;
use crate::action::{Action, finite_action};
use crate::error::{Error, Result};
use crate::rng::{MAX_CHAIN, Stream};
use crate::score::Score;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

/// Proposals generated together.
const BATCH: usize = 64;

/// One proposal of [`draw_proposals`], lent for the time of the visit.
#[derive(Clone, Copy, Debug)]
pub struct Proposal<'a> {
    /// x_0.
    pub field: &'a [f64],
    /// log r of its path (`kernel::PathProcess`): log w = log r - S(x_0), normalised such that E\[w\] = Z.
    pub log_ratio: f64,
}

/// What [`weighted_proposals`] has drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightedProposals {
    /// log w of every proposal, normalised such that E\[w\] = Z; -infinity for one without an action.
    pub log_weights: Vec<f64>,
    /// Seconds a proposal.
    pub seconds: f64,
}

/// Draws `proposals` independent paths over `times` and shows each to `visit`, in order; what `visit` breaks with
/// ends the call. Draws from the chain number that is kept for diagnostics, so no chain's numbers are repeated: the
/// same proposals for a seed, whatever their number and `threads`.
///
/// # Errors
/// As [`PathProcess::new`], and what `visit` raises.
pub fn draw_proposals<B>(
    score: &Arc<dyn Score>,
    times: &[f64],
    proposals: usize,
    (seed, threads): (u64, usize),
    visit: &mut dyn FnMut(Proposal<'_>) -> Result<ControlFlow<B>>,
) -> Result<ControlFlow<B>> {
    let values = score.lattice().values();
    let batch = BATCH.min(proposals.max(1));
    let mut process = PathProcess::new(score.clone(), times, true, batch, threads)?;
    let (mut fields, mut ratios) = (vec![0.0; batch * values], vec![0.0; batch]);
    for first in (0..proposals).step_by(batch) {
        let count = batch.min(proposals - first);
        let streams = diagnostic_streams(seed, first, count)?;
        process.generate(&streams, &mut fields[..count * values], &mut ratios[..count])?;
        for (field, &log_ratio) in fields.chunks_exact(values).zip(&ratios[..count]) {
            if let ControlFlow::Break(why) = visit(Proposal { field, log_ratio })? {
                return Ok(ControlFlow::Break(why));
            }
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// The log weights of `proposals` independent paths over `times` under `action`. `go_on` is asked before every proposal
/// is weighed.
///
/// # Errors
/// As [`draw_proposals`]; `None` when `go_on` said no.
pub fn weighted_proposals(
    score: &Arc<dyn Score>,
    action: &mut dyn Action,
    times: &[f64],
    proposals: usize,
    effort: (u64, usize),
    go_on: &dyn Fn() -> bool,
) -> Result<Option<WeightedProposals>> {
    if proposals == 0 {
        return Err(Error::invalid("proposals", proposals, "at least one"));
    }
    let clock = Instant::now();
    let mut log_weights = Vec::with_capacity(proposals);
    let end = draw_proposals(score, times, proposals, effort, &mut |proposal| {
        if !go_on() {
            return Ok(ControlFlow::Break(()));
        }
        log_weights.push(log_weight(action, &proposal)?);
        Ok(ControlFlow::Continue(()))
    })?;
    let seconds = clock.elapsed().as_secs_f64() / proposals as f64;
    Ok(end.is_continue().then_some(WeightedProposals { log_weights, seconds }))
}

/// log r - S; a proposal without an action has weight zero.
///
/// # Errors
/// What a callback of the host stops with.
pub fn log_weight(action: &mut dyn Action, proposal: &Proposal<'_>) -> Result<f64> {
    Ok(finite_action(action, proposal.field)?.map_or(f64::NEG_INFINITY, |action| proposal.log_ratio - action))
}

/// Streams of paths `first..first + count`, under the chain number that is kept for diagnostics.
pub(super) fn diagnostic_streams(seed: u64, first: usize, count: usize) -> Result<Vec<Stream>> {
    (first..first + count).map(|step| Stream::new(seed, MAX_CHAIN, step as u64)).collect()
}
