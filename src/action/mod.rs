//! Euclidean actions S(phi): the target law is p(phi) = exp(-S(phi)) / Z.

mod complex;
mod host;
mod links;
mod mixture;
mod phi4;
mod quartic;
mod record;
mod toy;
mod u1;

pub use complex::{Complex64, ComplexQuartic};
pub use host::HostAction;
pub use links::{GaugeLinks, reduce};
pub use mixture::{Mixture, MixtureLaw};
pub(crate) use mixture::{gather, same_components};
pub use phi4::Phi4;
pub use record::ActionRecord;
pub(crate) use toy::one_component;
pub use toy::{Toy, ToyLaw};
pub use u1::U1;

use crate::error::Error;

/// Why an action or force has no value. Only [`Interrupt::Reject`] is part of normal operation.
#[derive(Debug)]
pub enum Interrupt {
    /// Treat the configuration as having probability zero: the move is rejected.
    Reject,
    /// Abandon the call; the error reaches the caller, the chain stays as it was.
    Stop(Error),
}

impl From<Error> for Interrupt {
    fn from(error: Error) -> Self {
        Interrupt::Stop(error)
    }
}

/// An action on real fields. Fields are contiguous in the library's order (`lattice.rs`).
pub trait Action: Send {
    /// S(phi). A value that is NaN or infinite is treated like [`Interrupt::Reject`] by every kernel.
    fn action(&mut self, field: &[f64]) -> Result<f64, Interrupt>;

    /// The force -dS/dphi(x), one value a site, into `force`.
    fn force(&mut self, field: &[f64], force: &mut [f64]) -> Result<(), Interrupt>;

    /// S of `field` with the value at `index` replaced by `value`, minus S of `field`: what local
    /// updates need. Without a local formula, two whole actions and a copy.
    fn local_change(&mut self, field: &[f64], index: usize, value: f64) -> Result<f64, Interrupt> {
        let mut moved = field.to_vec();
        moved[index] = value;
        Ok(self.action(&moved)? - self.action(field)?)
    }
}

/// S(phi) with "reject" and non-finite values folded into `None`.
pub fn finite_action(action: &mut dyn Action, field: &[f64]) -> Result<Option<f64>, Error> {
    match action.action(field) {
        Ok(value) if value.is_finite() => Ok(Some(value)),
        Ok(_) | Err(Interrupt::Reject) => Ok(None),
        Err(Interrupt::Stop(error)) => Err(error),
    }
}
