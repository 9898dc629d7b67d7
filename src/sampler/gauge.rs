//! Equilibrium configurations of two-dimensional U(1) gauge theory, for training and for checks.
//!
//! HMC moves the links; Metropolis shifts by a unit of uniform flux ([`ChargeShift`]) move the topological charge,
//! in which HMC alone freezes: tau_int(Q) in trajectories on 16x16 is 1, 13, 384 at beta = 1, 3, 5.

use crate::action::{Action, U1, reduce};
use crate::analysis::{Estimate, GaugeSeries, gamma_method};
use crate::error::{Error, Result};
use crate::kernel::hmc::{Hmc, HmcOptions};
use crate::kernel::{ChargeShift, Outcome};
use crate::lattice::Lattice;
use crate::rng::{MAX_LEVEL, Purpose, Stream};
use serde::Serialize;

/// Options of [`GaugeSampler`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GaugeOptions {
    /// Sweeps between two configurations; a sweep is one HMC trajectory and `charge_shifts` shifts.
    pub sweeps: usize,
    /// Charge shifts proposed a sweep; 0 leaves the charge to HMC.
    pub charge_shifts: u32,
    /// HMC; its number of steps is tuned in [`GaugeSampler::thermalise`].
    pub hmc: HmcOptions,
}

impl Default for GaugeOptions {
    fn default() -> Self {
        GaugeOptions { sweeps: 5, charge_shifts: 4, hmc: HmcOptions::default() }
    }
}

/// How the chain ran since it was thermalised.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct GaugeReport {
    /// Configurations handed out.
    pub configurations: usize,
    /// Mean acceptance of HMC.
    pub hmc_acceptance: f64,
    /// Integrator steps a trajectory, as tuned.
    pub hmc_steps: usize,
    /// Mean acceptance of the charge shifts; 0 without.
    pub shift_acceptance: f64,
    /// The fraction of consecutive configurations between which Q changed. If it is 0, the errors and
    /// autocorrelation times of Q mean nothing.
    pub tunnelling: f64,
    /// <Q> with its autocorrelation time in units of configurations.
    pub charge: Estimate,
    /// <Q^2>, likewise.
    pub charge_squared: Estimate,
    /// <cos theta_P>, likewise.
    pub plaquette: Estimate,
}

/// One chain of U(1) gauge theory in equilibrium. Two samplers with the same arguments give the same
/// configurations; different `chain` numbers give independent ones.
pub struct GaugeSampler {
    action: U1,
    hmc: Hmc,
    shift: ChargeShift,
    options: GaugeOptions,
    field: Vec<f64>,
    stream: Stream,
    step: u64,
    thermalised: bool,
    tally: Tally,
    series: GaugeSeries,
}

#[derive(Default)]
struct Tally {
    sweeps: usize,
    trajectories: usize,
    shifts: usize,
}

impl GaugeSampler {
    /// A chain at inverse coupling `beta` with the default options, on a `lattice` with two axes and two components,
    /// from a random gauge transformation of the field without flux. Random numbers are those of (`seed`, `chain`).
    ///
    /// # Errors
    /// As [`U1::new`] and [`Stream::new`].
    pub fn new(lattice: &Lattice, beta: f64, seed: u64, chain: u32) -> Result<Self> {
        Self::with_options(lattice, beta, seed, chain, GaugeOptions::default())
    }

    /// As [`GaugeSampler::new`] with options.
    ///
    /// # Errors
    /// Also [`Error::InvalidArgument`] for `sweeps` = 0, too many charge shifts, or unusable HMC options.
    pub fn with_options(lattice: &Lattice, beta: f64, seed: u64, chain: u32, options: GaugeOptions) -> Result<Self> {
        if options.sweeps == 0 {
            return Err(Error::invalid("sweeps", 0, "at least one sweep between configurations"));
        }
        if options.charge_shifts > MAX_LEVEL {
            return Err(Error::invalid("charge_shifts", options.charge_shifts, "fewer than 2^20 a sweep"));
        }
        let (action, stream) = (U1::new(lattice, beta)?, Stream::new(seed, chain, 0)?);
        let (mut field, mut omega) = (vec![0.0; lattice.values()], vec![0.0; lattice.sites()]);
        for (site, angle) in omega.iter_mut().enumerate() {
            *angle = std::f64::consts::TAU * stream.uniform(Purpose::Start, 0, site as u32);
        }
        action.links().gauge_transform(&mut field, &omega)?;
        Ok(GaugeSampler {
            action,
            hmc: Hmc::new(lattice.values(), options.hmc)?,
            shift: ChargeShift::new(lattice)?,
            options,
            field,
            stream,
            step: 1,
            thermalised: false,
            tally: Tally::default(),
            series: GaugeSeries::new(lattice)?,
        })
    }

    /// Brings the chain to equilibrium by `sweeps` sweeps, and starts the report anew. The number of HMC
    /// steps is tuned before and halfway, never after.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for no sweeps, or those of the kernels.
    pub fn thermalise(&mut self, sweeps: usize) -> Result<()> {
        if sweeps == 0 {
            return Err(Error::invalid("sweeps", 0, "at least one sweep of thermalisation"));
        }
        for half in [sweeps / 2, sweeps - sweeps / 2] {
            let tuning = self.hmc.tune(&mut self.action, &mut self.field, &self.stream, self.step)?;
            self.step += tuning.trajectories;
            for _ in 0..half {
                self.sweep()?;
            }
        }
        self.tally = Tally::default();
        self.series = GaugeSeries::new(self.action.links().lattice())?;
        self.thermalised = true;
        Ok(())
    }

    /// The next configuration, `sweeps` sweeps after the last, its angles in (-pi, pi]; borrowed until the
    /// next call.
    ///
    /// # Errors
    /// [`Error::WrongOrder`] before [`GaugeSampler::thermalise`], or those of the kernels.
    pub fn next_configuration(&mut self) -> Result<&[f64]> {
        if !self.thermalised {
            let reason = "the chain is not in equilibrium yet; call thermalise first".into();
            return Err(Error::WrongOrder { call: "next_configuration", reason });
        }
        for _ in 0..self.options.sweeps {
            self.sweep()?;
        }
        // Whole turns change nothing but the rounding.
        self.field.iter_mut().for_each(|angle| *angle = reduce(*angle));
        self.series.measure(&self.field)?;
        Ok(&self.field)
    }

    /// Measurements of the configurations handed out since thermalisation.
    pub fn series(&self) -> &GaugeSeries {
        &self.series
    }

    /// The action that is sampled.
    pub fn action(&mut self) -> &mut dyn Action {
        &mut self.action
    }

    /// How the chain ran since thermalisation.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] before the second configuration.
    pub fn report(&self) -> Result<GaugeReport> {
        let sweeps = self.tally.sweeps.max(1) as f64;
        let proposed = sweeps * f64::from(self.options.charge_shifts.max(1));
        Ok(GaugeReport {
            configurations: self.series.len(),
            hmc_acceptance: self.tally.trajectories as f64 / sweeps,
            hmc_steps: self.hmc.options().steps,
            shift_acceptance: self.tally.shifts as f64 / proposed,
            tunnelling: self.series.tunnelling(),
            charge: gamma_method(&[self.series.charge()])?,
            charge_squared: gamma_method(&[&self.series.charge_squared()])?,
            plaquette: gamma_method(&[self.series.plaquette()])?,
        })
    }

    fn sweep(&mut self) -> Result<()> {
        let outcome = self.hmc.update(&mut self.action, &mut self.field, &self.stream.at_step(self.step))?;
        let shifts = self.stream.at_step(self.step + 1);
        let accepted = self.shift.updates(&mut self.action, &mut self.field, &shifts, self.options.charge_shifts)?;
        self.step += 2;
        self.tally.sweeps += 1;
        self.tally.trajectories += usize::from(outcome == Outcome::Accepted);
        self.tally.shifts += accepted;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{GaugeSummary, U1Exact};

    fn lattice(extents: [usize; 2]) -> Lattice {
        Lattice::new(&extents).unwrap().with_components(2).unwrap()
    }

    fn run(extents: [usize; 2], beta: f64, chain: u32, options: GaugeOptions, configurations: usize) -> GaugeSampler {
        let mut sampler = GaugeSampler::with_options(&lattice(extents), beta, 11, chain, options).unwrap();
        sampler.thermalise(300).unwrap();
        for _ in 0..configurations {
            sampler.next_configuration().unwrap();
        }
        sampler
    }

    /// Worst |z| of the loops up to 4x4, Q, Q^2, P(Q = 0, 1), Polyakov loops and their squares.
    fn worst(sampler: &GaugeSampler, beta: f64) -> (f64, String) {
        let exact = U1Exact::new(sampler.series().lattice(), beta).unwrap();
        let summary = GaugeSummary::new(&[sampler.series()]).unwrap();
        let mut checks = vec![
            ("Q".to_string(), summary.charge, 0.0),
            ("Q2".to_string(), summary.charge_squared, exact.charge_squared()),
            ("P(0)".to_string(), summary.sectors[0], exact.charge_probability(0)),
            ("P(1)".to_string(), summary.sectors[1], exact.charge_probability(1)),
        ];
        for &((r, t), estimate) in &summary.wilson_loops {
            checks.push((format!("W{r}x{t}"), estimate, exact.wilson_loop(r, t)));
        }
        for axis in 0..2 {
            checks.push((format!("polyakov {axis}"), summary.polyakov[2 * axis], 0.0));
            checks.push((format!("|polyakov {axis}|^2"), summary.polyakov_square[axis], exact.polyakov_square(axis)));
        }
        let z = checks.into_iter().map(|(name, estimate, exact)| {
            let z = estimate.z_value(exact);
            (z.abs(), format!("{name}: {estimate:?}, exact {exact}, z {z:.2}"))
        });
        z.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
    }

    #[test]
    fn the_character_expansion_is_reproduced() {
        // Some 120 correlated z-values against 3.9: false alarm below 1.2 per cent, seed fixed. On 4x4 at
        // beta = 7 the charge is other than 0 in one of 1300 configurations.
        for (chain, (extents, beta, configurations)) in [
            ([4, 4], 1.0, 30_000),
            ([4, 4], 3.0, 30_000),
            ([4, 4], 7.0, 60_000),
            ([8, 8], 1.0, 5_000),
            ([8, 8], 3.0, 5_000),
            ([8, 8], 7.0, 8_000),
            ([3, 6], 2.0, 20_000),
        ]
        .into_iter()
        .enumerate()
        {
            let options = GaugeOptions { sweeps: 1, ..Default::default() };
            let sampler = run(extents, beta, chain as u32, options, configurations);
            let (z, shown) = worst(&sampler, beta);
            let report = sampler.report().unwrap();
            assert!(z < 3.9, "{extents:?} beta {beta}: {shown}");
            assert!((0.7..0.99).contains(&report.hmc_acceptance) && report.tunnelling > 0.0, "{report:?}");
        }
    }

    #[test]
    fn hmc_alone_is_exact_where_it_is_not_frozen() {
        // Link angles need nothing of HMC: the action is periodic. 15 z-values, false alarm 0.2 per cent, seed fixed.
        let options = GaugeOptions { sweeps: 1, charge_shifts: 0, ..Default::default() };
        let sampler = run([4, 4], 1.0, 7, options, 20_000);
        let (z, shown) = worst(&sampler, 1.0);
        assert!(z < 3.9 && sampler.report().unwrap().shift_acceptance == 0.0, "{shown}");
    }

    #[test]
    fn shifts_unfreeze_the_charge() {
        let tunnelling = |charge_shifts| {
            let options = GaugeOptions { sweeps: 1, charge_shifts, ..Default::default() };
            run([8, 8], 7.0, 8, options, 300).report().unwrap()
        };
        let (frozen, moving) = (tunnelling(0), tunnelling(4));
        assert!(frozen.tunnelling < 0.02 && moving.tunnelling > 0.1, "{frozen:?} {moving:?}");
        assert!(moving.shift_acceptance > 0.05);
    }

    #[test]
    fn same_seed_same_configurations_with_reduced_angles() {
        let configuration = |seed, chain| {
            let mut sampler = GaugeSampler::new(&lattice([4, 6]), 2.0, seed, chain).unwrap();
            assert!(sampler.next_configuration().is_err(), "not thermalised");
            sampler.thermalise(10).unwrap();
            sampler.next_configuration().unwrap();
            sampler.next_configuration().unwrap().to_vec()
        };
        let first = configuration(1, 0);
        assert!(first.iter().all(|angle| angle.abs() <= std::f64::consts::PI));
        assert_eq!(first, configuration(1, 0));
        assert_ne!(first, configuration(2, 0));
        assert_ne!(first, configuration(1, 1));
        let refused = |options| GaugeSampler::with_options(&lattice([4, 4]), 1.0, 1, 0, options).is_err();
        assert!(refused(GaugeOptions { sweeps: 0, ..Default::default() }));
        assert!(refused(GaugeOptions { charge_shifts: 1 << 20, ..Default::default() }));
        assert!(GaugeSampler::new(&Lattice::new(&[4, 4]).unwrap(), 1.0, 1, 0).is_err());
    }
}
