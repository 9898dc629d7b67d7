//! An action that the host evaluates.

use super::{Action, Interrupt};

/// Evaluates S(phi); see [`Action::action`].
pub type ActionFunction = Box<dyn FnMut(&[f64]) -> Result<f64, Interrupt> + Send>;
/// Evaluates -dS/dphi; see [`Action::force`].
pub type ForceFunction = Box<dyn FnMut(&[f64], &mut [f64]) -> Result<(), Interrupt> + Send>;

/// An action given by closures. The exact kernels with a learned proposal need the action only;
/// a kernel that needs the force ends with an error if there is none.
pub struct HostAction {
    action: ActionFunction,
    force: Option<ForceFunction>,
}

impl HostAction {
    /// Wraps the host's functions.
    pub fn new(action: ActionFunction, force: Option<ForceFunction>) -> Self {
        HostAction { action, force }
    }
}

impl Action for HostAction {
    fn action(&mut self, field: &[f64]) -> Result<f64, Interrupt> {
        (self.action)(field)
    }

    fn force(&mut self, field: &[f64], force: &mut [f64]) -> Result<(), Interrupt> {
        match &mut self.force {
            Some(function) => function(field, force),
            None => Err(Interrupt::Stop(crate::error::Error::invalid(
                "force",
                "none",
                "a force callback: this kernel follows the force",
            ))),
        }
    }
}
