use super::*;
use crate::action::{HostAction, Phi4};
use crate::analysis::{FieldSeries, MagnetisationSummary, gamma_method};
use crate::lattice::Lattice;

fn phi4() -> Phi4 {
    Phi4::new(&Lattice::new(&[4, 4]).unwrap(), 0.27, 0.022).unwrap()
}

fn options(integrator: Integrator, steps: usize) -> HmcOptions {
    HmcOptions { trajectory_length: 1.5, steps, integrator, jitter: 0.2 }
}

fn start() -> Vec<f64> {
    let mut field = vec![0.0; 16];
    Stream::new(3, 0, 0).unwrap().normals(Purpose::Start, 0, &mut field);
    field
}

#[test]
fn trajectories_are_reversible() {
    for integrator in [Integrator::Leapfrog, Integrator::Omelyan] {
        let mut hmc = Hmc::new(16, options(integrator, 7)).unwrap();
        hmc.trial = start();
        Stream::new(3, 0, 0).unwrap().normals(Purpose::Momentum, 0, &mut hmc.momentum);
        let momentum = hmc.momentum.clone();
        hmc.integrate(&mut phi4(), 0.2).unwrap();
        assert!(hmc.trial.iter().zip(start()).any(|(x, y)| (x - y).abs() > 0.1));
        hmc.momentum.iter_mut().for_each(|pi| *pi = -*pi);
        hmc.integrate(&mut phi4(), 0.2).unwrap();
        assert!(hmc.trial.iter().zip(start()).all(|(x, y)| (x - y).abs() < 1e-12));
        assert!(hmc.momentum.iter().zip(momentum).all(|(x, y)| (x + y).abs() < 1e-12));
    }
}

#[test]
fn energy_error_is_of_second_order() {
    for integrator in [Integrator::Leapfrog, Integrator::Omelyan] {
        let error = |steps: usize| {
            let mut hmc = Hmc::new(16, HmcOptions { jitter: 0.0, ..options(integrator, steps) }).unwrap();
            hmc.update(&mut phi4(), &mut start(), &Stream::new(3, 0, 0).unwrap()).unwrap();
            hmc.energy_change().abs()
        };
        let ratio = error(40) / error(80);
        assert!((ratio - 4.0).abs() < 0.2, "{integrator:?}: {ratio}");
    }
}

#[test]
fn reproduces_the_exact_4x4_lattice() {
    // Exact values by spectral quadrature. Per integrator four observables and <exp(-Delta H)> = 1
    // (M. Creutz, Phys. Rev. D 38 (1988) 1228), each |z| < 3.5: false alarm 0.5 per cent, seed fixed. Steps are
    // coarse, so that a wrong accept decision shows.
    for (chain, (integrator, steps, trajectory_length)) in
        [(Integrator::Leapfrog, 3, 1.5), (Integrator::Omelyan, 1, 1.0)].into_iter().enumerate()
    {
        let (mut action, mut field) = (phi4(), start());
        let mut hmc = Hmc::new(16, HmcOptions { trajectory_length, ..options(integrator, steps) }).unwrap();
        let stream = Stream::new(1, chain as u32, 0).unwrap();
        let (mut series, mut exponentials, mut accepted) = (FieldSeries::new(16).unwrap(), vec![], 0);
        for step in 0..601_000 {
            accepted +=
                usize::from(hmc.update(&mut action, &mut field, &stream.at_step(step)).unwrap() == Outcome::Accepted);
            if step >= 1000 {
                exponentials.push((-hmc.energy_change()).exp());
                series.measure(&field, action.action(&field).unwrap()).unwrap();
            }
        }
        let acceptance = accepted as f64 / 601_000.0;
        assert!((0.5..0.95).contains(&acceptance), "{acceptance}");
        let summary = MagnetisationSummary::new(&[&series]).unwrap();
        for (name, estimate, exact) in [
            ("abs_mag", summary.abs_mag, 1.025368052035426),
            ("mag2", summary.mag2, 1.3153509105157317),
            ("mag4", summary.mag4, 2.8595131895041135),
            ("phi2", summary.phi2, 1.7677579200376954),
            ("exp(-dH)", gamma_method(&[&exponentials]).unwrap(), 1.0),
        ] {
            assert!(estimate.z_value(exact).abs() < 3.5, "{integrator:?} {name}: {estimate:?}, exact {exact}");
            assert!(estimate.error < 0.01 * exact, "{name}: {estimate:?}");
        }
    }
}

#[test]
fn tuning_reaches_the_acceptance_from_both_sides() {
    let lattice = Lattice::new(&[16, 16]).unwrap();
    let mut action = Phi4::new(&lattice, 0.21, 0.022).unwrap();
    for (integrator, steps) in [(Integrator::Leapfrog, 1), (Integrator::Leapfrog, 200), (Integrator::Omelyan, 200)] {
        let mut hmc = Hmc::new(256, options(integrator, steps)).unwrap();
        let mut field = vec![0.0; 256];
        let stream = Stream::new(8, 0, 0).unwrap();
        stream.normals(Purpose::Start, 0, &mut field);
        let tuning = hmc.tune(&mut action, &mut field, &stream, 0).unwrap();
        let updates = tuning.trajectories..tuning.trajectories + 500;
        let accepted = |step| hmc.update(&mut action, &mut field, &stream.at_step(step)).unwrap() == Outcome::Accepted;
        let acceptance = updates.map(accepted).filter(|&accepted| accepted).count() as f64 / 500.0;
        assert!((0.7..0.97).contains(&acceptance), "{tuning:?} {acceptance}");
    }
}

#[test]
fn callbacks_that_reject_stop_or_return_nan_leave_the_field() {
    let action = |field: &[f64]| Ok(0.5 * field.iter().map(|x| x * x).sum::<f64>());
    let run = |mut host: HostAction| {
        let mut field = start();
        let result =
            Hmc::new(16, HmcOptions::default()).unwrap().update(&mut host, &mut field, &Stream::new(1, 0, 0).unwrap());
        assert_eq!(field, start());
        result
    };
    let nan = |_: &[f64], force: &mut [f64]| {
        force.fill(f64::NAN);
        Ok(())
    };
    assert_eq!(run(HostAction::new(Box::new(action), Some(Box::new(nan)))).unwrap(), Outcome::Rejected);
    let reject = |_: &[f64], _: &mut [f64]| Err(Interrupt::Reject);
    assert_eq!(run(HostAction::new(Box::new(action), Some(Box::new(reject)))).unwrap(), Outcome::Rejected);
    assert!(run(HostAction::new(Box::new(action), None)).is_err());
    assert!(run(HostAction::new(Box::new(|_| Err(Interrupt::Reject)), None)).is_err());
}

#[test]
fn unusable_options_are_refused() {
    let good = HmcOptions::default();
    for bad in [
        HmcOptions { trajectory_length: 0.0, ..good },
        HmcOptions { trajectory_length: f64::NAN, ..good },
        HmcOptions { steps: 0, ..good },
        HmcOptions { jitter: 1.0, ..good },
    ] {
        assert!(Hmc::new(16, bad).is_err());
    }
    assert!(Hmc::new(16, good).unwrap().update(&mut phi4(), &mut [0.0; 15], &Stream::new(1, 0, 0).unwrap()).is_err());
}
