//! Shifts of the topological charge of two-dimensional U(1) gauge theory.
//!
//! Between sectors of different Q the action has barriers that HMC and local updates hardly pass: tau_int(Q) of
//! HMC grows exponentially with beta. Here the proposal is the current field plus or minus the field of one
//! unit of uniform flux, [`GaugeLinks::charge_shift`], either sign with probability 1/2: symmetric, accepted with
//! min(1, exp(-S' + S)).

use super::outcome::{Outcome, metropolis};
use super::proposer::{Proposed, Proposer};
use crate::action::{Action, GaugeLinks, Interrupt, finite_action};
use crate::error::{Error, Result, require_length};
use crate::lattice::Lattice;
use crate::rng::{MAX_LEVEL, Purpose, Stream};

/// The kernel with its work space; allocates in [`ChargeShift::new`] only. Not irreducible: compose it with HMC or
/// local updates.
pub struct ChargeShift {
    unit: Vec<f64>,
    trial: Vec<f64>,
}

impl ChargeShift {
    /// A kernel for link angles on `lattice`.
    ///
    /// # Errors
    /// As [`GaugeLinks::new`]: two axes, two components.
    pub fn new(lattice: &Lattice) -> Result<Self> {
        let unit = GaugeLinks::new(lattice)?.charge_shift(1);
        Ok(ChargeShift { trial: vec![0.0; unit.len()], unit })
    }

    /// Writes `field` plus or minus one unit.
    fn shift(&self, stream: &Stream, level: u32, field: &[f64], shifted: &mut [f64]) {
        let sign = if stream.uniform(Purpose::ChargeShift, level, 0) < 0.5 { 1.0 } else { -1.0 };
        let links = shifted.iter_mut().zip(field).zip(&self.unit);
        links.for_each(|((shifted, theta), unit)| *shifted = theta + sign * unit);
    }

    /// `count` updates of `field`, one after the other, at an action a time; returns how many were accepted.
    /// Uses the shift and accept numbers of `stream` at the levels 0 to `count` - 1.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for a wrong length, [`Error::InvalidArgument`] for more than 2^20 updates or when the
    /// starting field has no finite action, or the host's error; the updates before it have been made.
    pub fn updates(
        &mut self,
        action: &mut dyn Action,
        field: &mut [f64],
        stream: &Stream,
        count: u32,
    ) -> Result<usize> {
        require_length("field", field.len(), self.unit.len())?;
        if count > MAX_LEVEL {
            return Err(Error::invalid("count", count, "fewer than 2^20 charge shifts on one step of the stream"));
        }
        if count == 0 {
            return Ok(0);
        }
        let Some(mut current) = finite_action(action, field)? else {
            return Err(Error::invalid("field", "a configuration without finite action", "a possible starting state"));
        };
        let (mut accepted, mut trial) = (0, std::mem::take(&mut self.trial));
        let mut update = |level: u32| -> Result<()> {
            self.shift(stream, level, field, &mut trial);
            let Some(after) = finite_action(action, &trial)? else { return Ok(()) };
            if metropolis(current - after, stream.uniform(Purpose::Accept, level, 0)) == Outcome::Accepted {
                field.copy_from_slice(&trial);
                current = after;
                accepted += 1;
            }
            Ok(())
        };
        let result = (0..count).try_for_each(&mut update);
        self.trial = trial;
        result.map(|()| accepted)
    }
}

impl Proposer for ChargeShift {
    fn propose(
        &mut self,
        stream: &Stream,
        field: &[f64],
        _action: Option<&mut dyn Action>,
        proposal: &mut [f64],
    ) -> Result<Proposed, Interrupt> {
        self.shift(stream, 0, field, proposal);
        Ok(Proposed { log_hastings: 0.0, evaluations: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::U1;
    use crate::analysis::{GaugeSeries, GaugeSummary, U1Exact};
    use crate::kernel::hmc::HmcOptions;
    use crate::kernel::{Chain, ChainOptions, Composition, Kernel};

    fn lattice() -> Lattice {
        Lattice::new(&[4, 4]).unwrap().with_components(2).unwrap()
    }

    fn composition(kernels: &[Kernel]) -> Composition {
        let chain = |(number, &kernel): (usize, &Kernel)| {
            let options = ChainOptions { kernel, seed: 5, chain: number as u32, ..Default::default() };
            Chain::without_score(&lattice(), options).unwrap()
        };
        Composition::new(kernels.iter().enumerate().map(chain).collect()).unwrap()
    }

    #[test]
    fn proposals_differ_by_a_unit_of_either_sign_and_come_without_an_action() {
        let mut chain =
            Chain::without_score(&lattice(), ChainOptions { kernel: Kernel::ChargeShift, ..Default::default() })
                .unwrap();
        let (links, mut signs) = (GaugeLinks::new(&lattice()).unwrap(), 0);
        let field = vec![0.0; 32];
        for _ in 0..400 {
            let (proposal, log_hastings) = chain.propose(&field).unwrap();
            assert_eq!(log_hastings, 0.0);
            let charge = links.topological_charge(proposal).unwrap();
            assert_eq!(charge.abs(), 1);
            signs += charge;
            chain.resolve(f64::NAN).unwrap();
        }
        // 400 fair signs: standard deviation 20; 4 sigma (false alarm 6e-5, seed fixed).
        assert!(signs.abs() < 80, "{signs}");
        let other = Lattice::new(&[4, 4]).unwrap();
        let options = ChainOptions { kernel: Kernel::ChargeShift, ..Default::default() };
        let error = Chain::without_score(&other, options).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("two components"), "{error}");
    }

    #[test]
    fn compositions_in_a_chain_are_exact() {
        // Seven z-values for each of two compositions against 3.5: false alarm 0.7 per cent, seed fixed.
        let hmc = Kernel::Hmc(HmcOptions { steps: 4, ..HmcOptions::default() });
        let exact = U1Exact::new(&lattice(), 3.0).unwrap();
        for (kernels, updates) in
            [([hmc, Kernel::ChargeShift], 20_000), ([Kernel::Metropolis { width: 0.8 }, Kernel::ChargeShift], 60_000)]
        {
            let (mut chain, mut action) = (composition(&kernels), U1::new(&lattice(), 3.0).unwrap());
            let (mut field, mut series) = (vec![0.0; 32], GaugeSeries::new(&lattice()).unwrap());
            for update in 0..updates + 500 {
                chain.step(&mut field, &mut action).unwrap();
                if update >= 500 {
                    series.measure(&field).unwrap();
                }
            }
            let summary = GaugeSummary::new(&[&series]).unwrap();
            for (name, estimate, exact) in [
                ("plaquette", summary.plaquette(), exact.plaquette()),
                ("W2x2", summary.wilson_loop(2, 2).unwrap(), exact.wilson_loop(2, 2)),
                ("W3x3", summary.wilson_loop(3, 3).unwrap(), exact.wilson_loop(3, 3)),
                ("Q", summary.charge, 0.0),
                ("Q2", summary.charge_squared, exact.charge_squared()),
                ("polyakov", summary.polyakov[0], 0.0),
                ("polyakov square", summary.polyakov_square[1], exact.polyakov_square(1)),
            ] {
                assert!(estimate.z_value(exact).abs() < 3.5, "{kernels:?} {name}: {estimate:?}, exact {exact}");
            }
            assert!(summary.plaquette().error < 0.002 && summary.charge_squared.error < 0.01, "{summary:?}");
        }
    }

    #[test]
    fn a_chain_goes_on_from_its_state_and_counts() {
        let kernels = [Kernel::Hmc(HmcOptions::default()), Kernel::ChargeShift];
        let (mut whole, mut action) = (composition(&kernels), U1::new(&lattice(), 1.0).unwrap());
        let mut field = vec![0.0; 32];
        for _ in 0..50 {
            whole.step(&mut field, &mut action).unwrap();
        }
        assert!(whole.parts()[1].statistics().accepted > 5 && whole.is_exact());
        let (mut copy, mut second) = (field.clone(), composition(&kernels));
        second.load(&whole.save().unwrap()).unwrap();
        for _ in 0..20 {
            whole.step(&mut field, &mut action).unwrap();
            second.step(&mut copy, &mut action).unwrap();
        }
        assert_eq!(field, copy);
        let mut other = composition(&[kernels[0], Kernel::Metropolis { width: 1.0 }]);
        assert!(other.load(&whole.save().unwrap()).is_err());
    }

    #[test]
    fn updates_know_their_bounds_and_an_impossible_start() {
        let mut kernel = ChargeShift::new(&lattice()).unwrap();
        let (mut action, stream) = (U1::new(&lattice(), 0.0).unwrap(), Stream::new(1, 0, 0).unwrap());
        assert_eq!(kernel.updates(&mut action, &mut [0.0; 32], &stream, 7).unwrap(), 7, "flat at beta = 0");
        assert_eq!(kernel.updates(&mut action, &mut [0.0; 32], &stream, 0).unwrap(), 0);
        assert!(kernel.updates(&mut action, &mut [0.0; 31], &stream, 1).is_err());
        assert!(kernel.updates(&mut action, &mut [0.0; 32], &stream, 1 << 20).is_err());
        assert!(kernel.updates(&mut action, &mut [f64::NAN; 32], &stream, 1).is_err());
    }
}
