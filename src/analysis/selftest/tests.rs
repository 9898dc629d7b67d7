use super::*;
use crate::action::{GaugeLinks, Mixture, Phi4, Toy, ToyLaw, U1};
use crate::diffusion::Schedule;
use crate::rng::Purpose;
use crate::sampler::{GaugeSampler, IndependentSampler};
use crate::score::{GaussianScore, MixtureScore};

/// The toy, whose force or local change is off, or that is not even.
struct Broken {
    inner: Toy,
    force: f64,
    local: f64,
    odd: f64,
}

impl Action for Broken {
    fn action(&mut self, field: &[f64]) -> Result<f64, Interrupt> {
        Ok(self.inner.action(field)? + self.odd * field[0].powi(3))
    }

    fn force(&mut self, field: &[f64], force: &mut [f64]) -> Result<(), Interrupt> {
        self.inner.force(field, force)?;
        force.iter_mut().for_each(|force| *force *= self.force);
        Ok(())
    }

    fn local_change(&mut self, field: &[f64], index: usize, value: f64) -> Result<f64, Interrupt> {
        Ok(self.local * self.inner.local_change(field, index, value)?)
    }
}

fn schedule() -> Schedule {
    Schedule::variance_expanding(25.0).unwrap()
}

/// The toy at mu2 = 1 with a score model that is quite another law.
fn toy(action: &mut dyn Action, twist: fn(f64) -> f64, configurations: usize) -> Vec<Check> {
    let lattice = Lattice::new(&[1]).unwrap();
    let law = ToyLaw::new(1.0, 0.4).unwrap();
    let sampler = IndependentSampler::toy(lattice.clone(), law).unwrap();
    let mut step = 0;
    let mut equilibrium = |field: &mut [f64]| {
        step += 1;
        sampler.draw(&Stream::new(11, 0, step)?, field)
    };
    let mut subject = Subject {
        lattice: &lattice,
        action,
        equilibrium: &mut equilibrium,
        score: Some(Arc::new(MixtureScore::two_peak(lattice.clone(), schedule(), 0.7, 0.8).unwrap())),
        even: true,
        log_partition: Some(law.log_partition()),
        links: None,
    };
    run(&mut subject, &SelftestOptions { configurations, ..Default::default() }, twist).unwrap()
}

fn sound() -> Broken {
    let lattice = Lattice::new(&[1]).unwrap();
    Broken { inner: Toy::new(&lattice, 1.0, 0.4).unwrap(), force: 1.0, local: 1.0, odd: 0.0 }
}

fn failed(checks: &[Check]) -> Vec<&str> {
    checks.iter().filter(|check| !check.passed()).map(|check| check.name.as_str()).collect()
}

fn same(log_hastings: f64) -> f64 {
    log_hastings
}

#[test]
fn a_sound_action_passes_everything() {
    // Fifteen z-values against 5: false alarm 1e-5, seed fixed.
    let checks = toy(&mut sound(), same, 2000);
    assert!(failed(&checks).is_empty(), "{checks:#?}");
    assert!(checks.len() >= 24 && checks.iter().any(|check| check.name.contains("ln Z")), "{checks:#?}");
}

#[test]
fn every_fault_of_an_action_is_seen_by_its_check() {
    for (fault, expected) in [
        (Broken { force: 1.01, ..sound() }, "force against"),
        (Broken { force: f64::NAN, ..sound() }, "force against"),
        (Broken { local: 0.5, ..sound() }, "local change"),
        (Broken { local: 0.5, ..sound() }, "metropolis: <S(after)"),
        (Broken { odd: 0.02, ..sound() }, "S(-phi)"),
    ] {
        let mut fault = fault;
        let checks = toy(&mut fault, same, 1000);
        assert!(failed(&checks).iter().any(|name| name.starts_with(expected)), "{expected}: {checks:#?}");
    }
}

#[test]
fn wrong_hastings_ratios_are_seen_in_every_kernel() {
    let faults: [fn(f64) -> f64; 2] = [|_| 0.0, |log_hastings| -log_hastings];
    for twist in faults {
        let checks = toy(&mut sound(), twist, 4000);
        for kernel in ["hmc", "mala (force)", "mala (score)", "path", "renoise", "likelihood"] {
            let prefix = format!("{kernel}: <");
            let shown: Vec<_> = checks.iter().filter(|check| check.name.starts_with(&prefix)).collect();
            assert!(shown.iter().any(|check| !check.passed()), "{shown:#?}");
        }
    }
}

#[test]
fn fields_of_another_law_are_seen() {
    let lattice = Lattice::new(&[2, 2]).unwrap();
    for (kappa, passes) in [(0.2, true), (0.17, false)] {
        // Exact draws of the free field: the Gaussian score at no noise colours white noise by sqrt(C).
        let drawn = GaussianScore::free_field(lattice.clone(), schedule(), 0.2).unwrap();
        let mut fourier = crate::fourier::LatticeFourier::new(&lattice);
        let deviation: Vec<f64> = drawn.covariance().iter().map(|c| c.sqrt()).collect();
        let mut step = 0;
        let mut equilibrium = |field: &mut [f64]| {
            step += 1;
            let mut white = vec![0.0; field.len()];
            Stream::new(12, 0, step)?.normals(Purpose::Draw, 0, &mut white);
            fourier.filter(&white, &deviation, field);
            Ok(())
        };
        let log_partition = 0.5 * drawn.covariance().iter().map(|c| (std::f64::consts::TAU * c).ln()).sum::<f64>();
        let mut action = Phi4::new(&lattice, kappa, 0.0).unwrap();
        let mut subject = Subject {
            lattice: &lattice,
            action: &mut action,
            equilibrium: &mut equilibrium,
            score: Some(Arc::new(GaussianScore::free_field(lattice.clone(), schedule(), 0.15).unwrap())),
            even: true,
            log_partition: Some(log_partition),
            links: None,
        };
        let checks = selftest(&mut subject, &SelftestOptions::default()).unwrap();
        assert_eq!(failed(&checks).is_empty(), passes, "{checks:#?}");
    }
}

#[test]
fn asymmetric_laws_and_bad_options() {
    let lattice = Lattice::new(&[1]).unwrap().with_components(2).unwrap();
    let mut action = Mixture::three_peak(&lattice, 1.0, 0.25).unwrap();
    let sampler = IndependentSampler::mixture(lattice.clone(), action.law().clone()).unwrap();
    let mut step = 0;
    let mut equilibrium = |field: &mut [f64]| {
        step += 1;
        sampler.draw(&Stream::new(13, 0, step)?, field)
    };
    let mut subject = Subject {
        lattice: &lattice,
        action: &mut action,
        equilibrium: &mut equilibrium,
        score: None,
        even: false,
        log_partition: None,
        links: None,
    };
    let options = SelftestOptions { configurations: 500, ..Default::default() };
    let checks = selftest(&mut subject, &options).unwrap();
    assert!(failed(&checks).is_empty() && !checks.iter().any(|check| check.name.contains("-phi")), "{checks:#?}");
    assert!(selftest(&mut subject, &SelftestOptions { configurations: 63, ..options }).is_err());
}

/// An action of link angles that is not gauge invariant by `mass`.
struct Massive(U1, f64);

impl Action for Massive {
    fn action(&mut self, field: &[f64]) -> Result<f64, Interrupt> {
        Ok(self.0.action(field)? - self.1 * field.iter().map(|angle| angle.cos()).sum::<f64>())
    }

    fn force(&mut self, field: &[f64], force: &mut [f64]) -> Result<(), Interrupt> {
        self.0.force(field, force)?;
        force.iter_mut().zip(field).for_each(|(force, angle)| *force -= self.1 * angle.sin());
        Ok(())
    }
}

#[test]
fn gauge_theories_are_tested_with_their_symmetries_and_charge_shifts() {
    let lattice = Lattice::new(&[4, 4]).unwrap().with_components(2).unwrap();
    for mass in [0.0, 1e-3] {
        let mut sampler = GaugeSampler::new(&lattice, 2.0, 14, 0).unwrap();
        sampler.thermalise(100).unwrap();
        let mut equilibrium = |field: &mut [f64]| {
            field.copy_from_slice(sampler.next_configuration()?);
            Ok(())
        };
        let mut subject = Subject {
            lattice: &lattice,
            action: &mut Massive(U1::new(&lattice, 2.0).unwrap(), mass),
            equilibrium: &mut equilibrium,
            score: None,
            even: true,
            log_partition: None,
            links: Some(GaugeLinks::new(&lattice).unwrap()),
        };
        // Eight z-values against 5: false alarm 5e-6, seed fixed.
        let checks = selftest(&mut subject, &SelftestOptions { configurations: 500, ..Default::default() }).unwrap();
        let expected: &[&str] = if mass == 0.0 { &[] } else { &["gauge transformations and whole turns leave S"] };
        assert_eq!(failed(&checks), expected, "{checks:#?}");
        let shifts = checks.iter().filter(|check| check.name.starts_with("charge-shift")).count();
        assert_eq!(shifts, 3, "{checks:#?}");
    }
}
