//! Local Metropolis updates (N. Metropolis et al., J. Chem. Phys. 21 (1953) 1087): a sweep proposes a
//! change to every value of the field in turn. Each single update leaves exp(-S)/Z invariant, hence the
//! sweep does.

use super::outcome::{Outcome, metropolis};
use super::proposer::Tunable;
use crate::action::{Action, Interrupt};
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};

/// What one sweep did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub proposals: u64,
    pub accepted: u64,
    pub not_finite: u64,
}

/// The kernel.
pub(super) struct LocalMetropolis {
    width: f64,
    noise: Vec<f64>,
}

impl LocalMetropolis {
    pub fn new(width: f64, values: usize) -> Self {
        LocalMetropolis { width, noise: vec![0.0; values] }
    }

    /// One sweep over `field`.
    ///
    /// # Errors
    /// That of an action that stopped; `field` is then in the middle of the sweep.
    pub fn sweep(&mut self, stream: &Stream, action: &mut dyn Action, field: &mut [f64]) -> Result<Tally, Error> {
        stream.normals(Purpose::LocalMove, 0, &mut self.noise);
        let mut tally = Tally { proposals: field.len() as u64, ..Tally::default() };
        for index in 0..field.len() {
            let value = field[index] + self.width * self.noise[index];
            let change = match action.local_change(field, index, value) {
                Ok(change) => change,
                Err(Interrupt::Reject) => f64::NAN,
                Err(Interrupt::Stop(error)) => return Err(error),
            };
            if !change.is_finite() {
                tally.not_finite += 1;
            } else if metropolis(-change, stream.uniform(Purpose::Accept, 0, index as u32)) == Outcome::Accepted {
                field[index] = value;
                tally.accepted += 1;
            }
        }
        Ok(tally)
    }
}

impl Tunable for LocalMetropolis {
    fn size(&self) -> f64 {
        self.width
    }

    fn set_size(&mut self, size: f64) -> Result<()> {
        self.width = size;
        Ok(())
    }

    /// For one-dimensional moves the efficiency is flat between 0.3 and 0.6.
    fn target(&self) -> f64 {
        0.45
    }

    fn range(&self) -> (f64, f64) {
        (1e-9, 1e6)
    }
}
