//! Renoise: from the current field up to noise at t*, and back down another way.

use super::options::ChainOptions;
use super::process::PathProcess;
use super::proposer::{Proposed, Proposer, Tunable};
use crate::action::{Action, Interrupt};
use crate::diffusion::T_END;
use crate::error::Result;
use crate::rng::Stream;
use crate::score::Score;
use std::sync::Arc;

/// Least noise of t* in units of the least noise of the model: below, a move goes nowhere.
const LEAST: f64 = 1.0;

/// The kernel. log r of the path up and that of the path down, both with the same last point, give
/// the Hastings ratio.
pub(super) struct Renoise {
    score: Arc<dyn Score>,
    process: PathProcess,
    options: ChainOptions,
    /// Noise of t* relative to the signal.
    noise: f64,
}

impl Renoise {
    pub fn new(score: Arc<dyn Score>, time: f64, options: &ChainOptions) -> Result<Self> {
        let process = process(&score, time, options)?;
        Ok(Renoise { noise: score.schedule().noise(time), score, process, options: *options })
    }
}

fn process(score: &Arc<dyn Score>, time: f64, options: &ChainOptions) -> Result<PathProcess> {
    let ChainOptions { levels, grid, seed, threads, .. } = *options;
    let times = grid.times(score, levels, time, seed, threads)?;
    PathProcess::new(score.clone(), &times, false, 1, threads)
}

impl Proposer for Renoise {
    fn propose(
        &mut self,
        stream: &Stream,
        field: &[f64],
        _action: Option<&mut dyn Action>,
        proposal: &mut [f64],
    ) -> Result<Proposed, Interrupt> {
        let up = self.process.renoise(stream, field, proposal)?;
        let mut down = 0.0;
        self.process.generate(&[*stream], proposal, std::slice::from_mut(&mut down))?;
        Ok(Proposed { log_hastings: down - up, evaluations: 2 * self.process.evaluations() as u64 })
    }

    fn tunable(&self) -> Option<&dyn Tunable> {
        Some(self)
    }

    fn tunable_mut(&mut self) -> Option<&mut dyn Tunable> {
        Some(self)
    }
}

impl Tunable for Renoise {
    fn size(&self) -> f64 {
        self.noise
    }

    fn set_size(&mut self, size: f64) -> Result<()> {
        if size != self.noise {
            let time = self.score.schedule().time_of_noise(size);
            self.process = process(&self.score, time, &self.options)?;
            self.noise = size;
        }
        Ok(())
    }

    /// The distance that a mode moves grows with t*, the acceptance falls: their product is flat around one half. Of links it
    /// is the charge that should move: at beta = 7 accepted changes of Q are most frequent at one fifth.
    fn target(&self) -> f64 {
        if self.score.of_links() { 0.2 } else { 0.5 }
    }

    fn range(&self) -> (f64, f64) {
        (LEAST * self.score.smallest_noise(), self.score.schedule().noise(T_END))
    }

    /// The levels are chosen anew for every t*.
    fn interval(&self) -> u64 {
        16
    }
}
