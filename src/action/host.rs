//! An action that the host evaluates.

use super::{Action, Interrupt};

/// Evaluates S(phi); see [`Action::action`].
pub type ActionFunction = Box<dyn FnMut(&[f64]) -> Result<f64, Interrupt> + Send>;
/// Evaluates -dS/dphi; see [`Action::force`].
pub type ForceFunction = Box<dyn FnMut(&[f64], &mut [f64]) -> Result<(), Interrupt> + Send>;
/// Evaluates S with one value replaced, minus S; see [`Action::local_change`].
pub type LocalChangeFunction = Box<dyn FnMut(&[f64], usize, f64) -> Result<f64, Interrupt> + Send>;

/// An action given by closures. The exact kernels with a learned proposal need the action only;
/// a kernel that needs the force ends with an error if there is none.
pub struct HostAction {
    action: ActionFunction,
    force: Option<ForceFunction>,
    local_change: Option<LocalChangeFunction>,
}

impl HostAction {
    /// Wraps the host's functions.
    pub fn new(action: ActionFunction, force: Option<ForceFunction>) -> Self {
        HostAction { action, force, local_change: None }
    }

    /// With a formula for the change of one value, which local updates then use instead of two whole
    /// actions. It must agree with the action: decisions rest on it.
    pub fn with_local_change(self, local_change: LocalChangeFunction) -> Self {
        HostAction { local_change: Some(local_change), ..self }
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

    fn local_change(&mut self, field: &[f64], index: usize, value: f64) -> Result<f64, Interrupt> {
        if let Some(function) = &mut self.local_change {
            return function(field, index, value);
        }
        let mut moved = field.to_vec();
        moved[index] = value;
        Ok(self.action(&moved)? - self.action(field)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_change_is_asked_instead_of_two_actions() {
        let square = |field: &[f64]| Ok(field.iter().map(|x| x * x).sum());
        let mut plain = HostAction::new(Box::new(square), None);
        let refuse = |_: &[f64]| -> Result<f64, Interrupt> { Err(Interrupt::Reject) };
        let change = |field: &[f64], index: usize, value: f64| Ok(value * value - field[index] * field[index]);
        let mut local = HostAction::new(Box::new(refuse), None).with_local_change(Box::new(change));
        let field = [1.0, -2.0, 0.5];
        assert_eq!(plain.local_change(&field, 1, 3.0).unwrap(), 5.0);
        assert_eq!(local.local_change(&field, 1, 3.0).unwrap(), 5.0);
    }
}
