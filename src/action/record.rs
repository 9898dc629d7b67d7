//! Naming a built-in action in a file.

use super::{Action, Phi4};
use crate::error::{Error, Result};
use crate::lattice::Lattice;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A built-in action by name, with its couplings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionRecord {
    /// `phi4`.
    pub name: String,
    /// Couplings by name: `kappa` and `lambda` for `phi4`.
    pub couplings: BTreeMap<String, f64>,
}

impl ActionRecord {
    /// The record of [`Phi4`].
    pub fn phi4(kappa: f64, lambda: f64) -> Self {
        let couplings = BTreeMap::from([("kappa".to_string(), kappa), ("lambda".to_string(), lambda)]);
        ActionRecord { name: "phi4".into(), couplings }
    }

    /// A coupling by name.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the record lacks it.
    pub fn coupling(&self, name: &str) -> Result<f64> {
        let found = self.couplings.get(name).copied();
        found.ok_or_else(|| {
            Error::invalid(&format!("coupling {name}"), "absent", &format!("a number, for {}", self.name))
        })
    }

    /// The action on `lattice`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown name or impossible couplings.
    pub fn build(&self, lattice: &Lattice) -> Result<Box<dyn Action>> {
        match self.name.as_str() {
            "phi4" => Ok(Box::new(Phi4::new(lattice, self.coupling("kappa")?, self.coupling("lambda")?)?)),
            other => Err(Error::invalid("action", other, "phi4")),
        }
    }
}
