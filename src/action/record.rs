//! Naming a built-in action in a file.

use super::{Action, ComplexQuartic, Mixture, Phi4, Toy, U1};
use crate::error::{Error, Result};
use crate::lattice::Lattice;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A built-in action by name, with its couplings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionRecord {
    /// `phi4`, `u1`, `toy`, `two-peak` or `three-peak`.
    ///
    /// `complex-gaussian` and `complex-quartic` name a [`ComplexQuartic`], which has no accept step.
    pub name: String,
    /// Couplings by name: `kappa` and `lambda` for `phi4`; `beta` for `u1`; `mu2` and `g` for `toy`; `mu0` and `sigma0`
    /// for `two-peak`; `radius` and `sigma0` for `three-peak`.
    /// `a`, `b` (and `lambda`) for the complex actions.
    pub couplings: BTreeMap<String, f64>,
}

impl ActionRecord {
    /// The record of [`Phi4`].
    pub fn phi4(kappa: f64, lambda: f64) -> Self {
        let couplings = BTreeMap::from([("kappa".to_string(), kappa), ("lambda".to_string(), lambda)]);
        ActionRecord { name: "phi4".into(), couplings }
    }

    /// The record of [`U1`].
    pub fn u1(beta: f64) -> Self {
        Self::named("u1", [("beta", beta)])
    }

    /// The record of [`Toy`].
    pub fn toy(mu2: f64, g: f64) -> Self {
        Self::named("toy", [("mu2", mu2), ("g", g)])
    }

    /// The record of [`Mixture::two_peak`].
    pub fn two_peak(mu0: f64, sigma0: f64) -> Self {
        Self::named("two-peak", [("mu0", mu0), ("sigma0", sigma0)])
    }

    /// The record of [`Mixture::three_peak`].
    pub fn three_peak(radius: f64, sigma0: f64) -> Self {
        Self::named("three-peak", [("radius", radius), ("sigma0", sigma0)])
    }

    /// The record of the Gaussian [`ComplexQuartic`], sigma0 = `a` + i `b`.
    pub fn complex_gaussian(a: f64, b: f64) -> Self {
        Self::named("complex-gaussian", [("a", a), ("b", b)])
    }

    /// The record of [`ComplexQuartic`], sigma0 = `a` + i `b`.
    pub fn complex_quartic(a: f64, b: f64, lambda: f64) -> Self {
        Self::named("complex-quartic", [("a", a), ("b", b), ("lambda", lambda)])
    }

    /// Reads `name coupling=value ..`, such as `phi4 kappa=0.27 lambda=0.022`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for another form.
    pub fn from_text(text: &str) -> Result<Self> {
        let fail = || Error::invalid("action", text, "a name and couplings, such as phi4 kappa=0.27 lambda=0.022");
        let mut words = text.split_whitespace();
        let name = words.next().ok_or_else(fail)?.to_string();
        let mut couplings = BTreeMap::new();
        for word in words {
            let (coupling, value) = word.split_once('=').ok_or_else(fail)?;
            couplings.insert(coupling.to_string(), value.parse().map_err(|_| fail())?);
        }
        Ok(ActionRecord { name, couplings })
    }

    /// The complex action that the record names, for [`crate::sampler::ComplexLangevin`].
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for another name or impossible couplings.
    pub fn complex(&self) -> Result<ComplexQuartic> {
        match self.name.as_str() {
            "complex-gaussian" => ComplexQuartic::gaussian(self.coupling("a")?, self.coupling("b")?),
            "complex-quartic" => {
                ComplexQuartic::new(self.coupling("a")?, self.coupling("b")?, self.coupling("lambda")?)
            }
            other => Err(Error::invalid("action", other, "complex-gaussian or complex-quartic")),
        }
    }

    fn named<const N: usize>(name: &str, couplings: [(&str, f64); N]) -> Self {
        let couplings = couplings.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
        ActionRecord { name: name.into(), couplings }
    }

    /// Whether S(-phi) = S(phi).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown name.
    pub fn is_even(&self) -> Result<bool> {
        match self.name.as_str() {
            "phi4" | "u1" | "toy" | "two-peak" => Ok(true),
            "three-peak" => Ok(false),
            "complex-gaussian" | "complex-quartic" => Ok(true),
            other => Err(unknown(other)),
        }
    }

    /// Real components a site of the fields that the action takes.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown name.
    pub fn components(&self) -> Result<usize> {
        match self.name.as_str() {
            "phi4" | "toy" | "two-peak" => Ok(1),
            "u1" | "three-peak" => Ok(2),
            "complex-gaussian" | "complex-quartic" => Ok(2),
            other => Err(unknown(other)),
        }
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
            "u1" => Ok(Box::new(U1::new(lattice, self.coupling("beta")?)?)),
            "toy" => Ok(Box::new(Toy::new(lattice, self.coupling("mu2")?, self.coupling("g")?)?)),
            "two-peak" => Ok(Box::new(Mixture::two_peak(lattice, self.coupling("mu0")?, self.coupling("sigma0")?)?)),
            "three-peak" => {
                Ok(Box::new(Mixture::three_peak(lattice, self.coupling("radius")?, self.coupling("sigma0")?)?))
            }
            "complex-gaussian" | "complex-quartic" => Err(ComplexQuartic::no_accept_step()),
            other => Err(unknown(other)),
        }
    }
}

fn unknown(name: &str) -> Error {
    Error::invalid("action", name, "phi4, u1, toy, two-peak or three-peak")
}
