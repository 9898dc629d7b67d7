//! What the kernels with one accept decision an update have in common.

use super::outcome::Outcome;
use crate::action::{Action, Interrupt};
use crate::error::{Error, Result};
use crate::rng::Stream;

/// A proposal is in the caller's buffer; this is the rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proposed {
    /// Everything in the acceptance but the action. Not finite: the proposal cannot be accepted.
    pub log_hastings: f64,
    /// Score evaluations spent.
    pub evaluations: u64,
}

/// The state that a kernel carries beside the field: log r of the path of `field`.
#[derive(Clone, Debug, Default)]
pub(super) struct Carried {
    pub valid: bool,
    pub field: Vec<f64>,
    pub log_ratio: f64,
}

impl Carried {
    pub fn new(values: usize) -> Self {
        Carried { valid: false, field: vec![0.0; values], log_ratio: 0.0 }
    }

    /// log r if it belongs to `field`.
    pub fn of(&self, field: &[f64]) -> Option<f64> {
        (self.valid && self.field == field).then_some(self.log_ratio)
    }

    pub fn set(&mut self, field: &[f64], log_ratio: f64) {
        self.field.copy_from_slice(field);
        (self.log_ratio, self.valid) = (log_ratio, true);
    }
}

/// A kernel that proposes once an update.
pub(super) trait Proposer: Send {
    /// Writes a proposal for the chain at `field`. A pure function of the stream (at the step of the
    /// chain), the field, and what [`Proposer::decided`] left: called again it makes the same one.
    ///
    /// # Errors
    /// [`Interrupt::Reject`] when the host's force says so; anything else stops.
    fn propose(
        &mut self,
        stream: &Stream,
        field: &[f64],
        action: Option<&mut dyn Action>,
        proposal: &mut [f64],
    ) -> Result<Proposed, Interrupt>;

    /// The last proposal was decided on; `state` is the field of the chain now.
    fn decided(&mut self, _outcome: Outcome, _state: &[f64]) {}

    /// The state that has to be saved, if there is any.
    fn carried(&self) -> Option<&Carried> {
        None
    }

    /// The same, to restore it.
    fn carried_mut(&mut self) -> Option<&mut Carried> {
        None
    }

    /// What warm-up may tune.
    fn tunable(&self) -> Option<&dyn Tunable> {
        None
    }

    /// The same, to tune it.
    fn tunable_mut(&mut self) -> Option<&mut dyn Tunable> {
        None
    }
}

/// A kernel with a parameter to tune: larger moves go further and are accepted less.
pub(super) trait Tunable {
    /// The size of a move, > 0.
    fn size(&self) -> f64;

    /// Changes it.
    ///
    /// # Errors
    /// What rebuilding for it raises.
    fn set_size(&mut self, size: f64) -> Result<()>;

    /// Acceptance to aim for.
    fn target(&self) -> f64;

    /// Smallest and largest size that make sense.
    fn range(&self) -> (f64, f64);

    /// Decisions between two changes: more where a change is expensive.
    fn interval(&self) -> u64 {
        1
    }
}

/// The action, for kernels that follow the force.
pub(super) fn require_action<'a>(action: Option<&'a mut dyn Action>, kernel: &str) -> Result<&'a mut dyn Action> {
    action.ok_or_else(|| {
        let reason = format!("the kernel {kernel} follows the force of the action; make the whole update by step");
        Error::WrongOrder { call: "propose", reason }
    })
}
