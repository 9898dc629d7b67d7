//! Langevin moves at a fixed drift, Metropolis-adjusted or not.
//!
//! psi = phi + h b(phi) + sqrt(2h) z has the density q(psi|phi) ~ exp(-|psi - phi - h b(phi)|^2 / 4h);
//! accepted with min(1, exp(-S(psi) + S(phi)) q(phi|psi) / q(psi|phi)) (G. O. Roberts and
//! R. L. Tweedie, Bernoulli 2 (1996) 341), exact for any b that is a function of the field alone.

use super::drift::DriftField;
use super::outcome::Outcome;
use super::proposer::{Carried, Proposed, Proposer, Tunable};
use crate::action::{Action, Interrupt};
use crate::error::Result;
use crate::rng::{Purpose, Stream};

/// The kernel. Without the adjustment no drift is needed at the proposal.
pub(super) struct Mala {
    step: f64,
    adjusted: bool,
    drift: DriftField,
    /// b at the current field and at the proposal.
    here: Vec<f64>,
    there: Vec<f64>,
    /// The field that the last decision left: its drift is known already. Saved with the chain, so that
    /// the count of evaluations goes on as if the chain had not stopped.
    current: Carried,
    /// The field that `here` belongs to.
    computed: Carried,
}

impl Mala {
    pub fn new(step: f64, adjusted: bool, drift: DriftField, values: usize) -> Self {
        let field = || vec![0.0; values];
        let (current, computed) = (Carried::new(values), Carried::new(values));
        Mala { step, adjusted, drift, here: field(), there: field(), current, computed }
    }

    /// b at the current field, from memory if it is the one that was left; returns what it took.
    fn refresh(&mut self, field: &[f64], action: Option<&mut dyn Action>) -> Result<u64, Interrupt> {
        if self.computed.of(field).is_none() {
            self.computed.valid = false;
            self.drift.evaluate(field, action, &mut self.here)?;
            self.computed.set(field, 0.0);
        }
        Ok(if self.current.of(field).is_some() { 0 } else { self.drift.evaluations() })
    }
}

impl Proposer for Mala {
    fn propose(
        &mut self,
        stream: &Stream,
        field: &[f64],
        mut action: Option<&mut dyn Action>,
        proposal: &mut [f64],
    ) -> Result<Proposed, Interrupt> {
        let h = self.step;
        let mut evaluations = self.refresh(field, reborrow(&mut action))?;
        stream.normals(Purpose::Langevin, 0, &mut self.there);
        let width = (2.0 * h).sqrt();
        let mut forward = 0.0;
        for (((psi, &phi), &b), &z) in proposal.iter_mut().zip(field).zip(&self.here).zip(&self.there) {
            *psi = phi + h * b + width * z;
            forward += 0.5 * z * z;
        }
        if !self.adjusted {
            return Ok(Proposed { log_hastings: 0.0, evaluations });
        }
        if proposal.iter().any(|psi| !psi.is_finite()) {
            return Ok(Proposed { log_hastings: f64::NAN, evaluations });
        }
        self.drift.evaluate(proposal, action, &mut self.there)?;
        evaluations += self.drift.evaluations();
        let distances = field.iter().zip(proposal.iter()).zip(&self.there);
        let backward: f64 = distances.map(|((phi, psi), b)| (phi - psi - h * b).powi(2)).sum::<f64>() / (4.0 * h);
        Ok(Proposed { log_hastings: forward - backward, evaluations })
    }

    fn decided(&mut self, outcome: Outcome, state: &[f64]) {
        if !self.adjusted {
            return;
        }
        self.current.set(state, 0.0);
        if outcome == Outcome::Accepted {
            std::mem::swap(&mut self.here, &mut self.there);
            self.computed.set(state, 0.0);
        }
    }

    fn carried(&self) -> Option<&Carried> {
        self.adjusted.then_some(&self.current)
    }

    fn carried_mut(&mut self) -> Option<&mut Carried> {
        if self.adjusted { Some(&mut self.current) } else { None }
    }

    fn tunable(&self) -> Option<&dyn Tunable> {
        self.adjusted.then_some(self as &dyn Tunable)
    }

    fn tunable_mut(&mut self) -> Option<&mut dyn Tunable> {
        if self.adjusted { Some(self) } else { None }
    }
}

/// Lends an optional action once more.
fn reborrow<'a>(action: &'a mut Option<&mut dyn Action>) -> Option<&'a mut dyn Action> {
    match action {
        Some(action) => Some(&mut **action),
        None => None,
    }
}

impl Tunable for Mala {
    fn size(&self) -> f64 {
        self.step
    }

    fn set_size(&mut self, size: f64) -> Result<()> {
        self.step = size;
        Ok(())
    }

    /// Optimal scaling: G. O. Roberts and J. S. Rosenthal, J. R. Stat. Soc. B 60 (1998) 255.
    fn target(&self) -> f64 {
        0.574
    }

    fn range(&self) -> (f64, f64) {
        (1e-12, 1e6)
    }
}
