use super::*;
use crate::analysis::{BinnedComplexMoments, BinnedCumulants, Symmetry};

fn copies(sites: usize) -> Lattice {
    Lattice::new(&[sites]).unwrap().with_components(2).unwrap()
}

/// Moments of `configurations` configurations of 500 sites after thermalisation.
fn measured(sampler: &mut ComplexLangevin, configurations: usize) -> BinnedComplexMoments {
    sampler.thermalise(15.0).unwrap();
    let mut moments = BinnedComplexMoments::default();
    let sites = sampler.lattice().sites();
    for _ in 0..configurations {
        let (x, y) = sampler.next_configuration().unwrap().split_at(sites);
        moments.push_configuration(x, y).unwrap();
    }
    moments
}

/// z-values of the real and imaginary parts of <z^2>, <z^4>, <z^6>, <z^8>.
fn z_values(action: &ComplexQuartic, moments: &BinnedComplexMoments) -> Vec<f64> {
    let exact = exact_complex_moments(action, 8).unwrap();
    let orders = moments.moments().unwrap().orders;
    let pairs = orders.iter().zip([2, 4, 6, 8]);
    pairs.flat_map(|(found, n)| [found.re.z_value(exact[n].re), found.im.z_value(exact[n].im)]).collect()
}

#[test]
fn moments_to_the_eighth_are_exact_within_errors() {
    // Sixteen z-values against 3.5: false alarm 0.7 per cent, seeds fixed. The bias of the step is far below.
    for (a, b, lambda) in [(1.0, 1.0, 0.0), (1.0, 1.0, 1.0)] {
        let action = ComplexQuartic::new(a, b, lambda).unwrap();
        let mut sampler = ComplexLangevin::new(action, &copies(500), 5, 0).unwrap();
        let moments = measured(&mut sampler, 200);
        let z = z_values(&action, &moments);
        assert!(z.iter().all(|z| z.abs() < 3.5), "lambda = {lambda}: {z:?}");
        let relative = moments.moments().unwrap().orders[0].re.error;
        assert!(relative < 5e-3, "the check has no teeth: {relative}");
    }
}

#[test]
fn the_strip_of_the_quartic_model_is_never_left() {
    let action = ComplexQuartic::new(1.0, 1.0, 1.0).unwrap();
    let strip = action.strip().unwrap();
    // Long steps too, and a start on the edge over all x.
    for step in [0.01, 0.05] {
        let options = ComplexLangevinOptions { step: Some(step), ..Default::default() };
        let mut sampler = ComplexLangevin::with_options(action, &copies(500), 1, 0, options).unwrap();
        let edge = |site: usize| if site.is_multiple_of(2) { strip } else { -strip };
        let field: Vec<f64> = (0..500).map(|site| site as f64 / 100.0 - 2.5).chain((0..500).map(edge)).collect();
        sampler.set_field(&field).unwrap();
        sampler.thermalise(20.0).unwrap();
        let largest = sampler.report().largest_y;
        assert!(largest <= strip * (1.0 + 1e-12) && largest > 0.9 * strip, "{largest} {strip}");
    }
}

#[test]
fn law_of_the_gaussian_model_has_the_closed_covariances() {
    // Three covariances and the fourth cumulants of x and y (zero), z against 4: false alarm 3e-4, seed fixed.
    let action = ComplexQuartic::gaussian(1.0, 1.0).unwrap();
    let [xx, yy, xy] = action.gaussian_covariance().unwrap();
    let options = ComplexLangevinOptions { step: Some(0.02), ..Default::default() };
    let mut sampler = ComplexLangevin::with_options(action, &copies(500), 9, 3, options).unwrap();
    sampler.thermalise(15.0).unwrap();
    let mut parts = [(); 3].map(|()| BinnedCumulants::default());
    for _ in 0..300 {
        let (x, y) = sampler.next_configuration().unwrap().split_at(500);
        let sum: Vec<f64> = x.iter().zip(y).map(|(x, y)| x + y).collect();
        for (part, values) in parts.iter_mut().zip([x, y, &sum]) {
            part.push_configuration(values).unwrap();
        }
    }
    for (part, variance) in parts.iter().zip([xx, yy, xx + yy + 2.0 * xy]) {
        let estimate = part.estimate(Symmetry::None).unwrap().cumulants;
        assert!(estimate[1].z_value(variance).abs() < 4.0 && estimate[3].z_value(0.0).abs() < 4.0, "{estimate:?}");
    }
}

#[test]
fn heun_has_its_closed_bias_in_the_gaussian_model_and_euler_a_larger_one() {
    // z' = r z + s xi gives <z^2> = s^2 / (1 - r^2) exactly: (1 - sigma dt/2)^2 2 dt against r = 1 - sigma dt +
    // sigma^2 dt^2/2 for Heun, a deviation of sigma dt^2/4; Euler deviates by dt/2 + ... = 0.1. Four z-values, 4 sigma.
    let (dt, sigma) = (0.2, Complex64::new(1.0, 0.5));
    let action = ComplexQuartic::gaussian(sigma.re, sigma.im).unwrap();
    let one = Complex64::new(1.0, 0.0);
    let heun = (one - sigma * dt + sigma * sigma * (0.5 * dt * dt), (one - sigma * (0.5 * dt)) * (2.0 * dt).sqrt());
    let euler = (one - sigma * dt, one * (2.0 * dt).sqrt());
    for (scheme, (r, s)) in [(Scheme::Heun, heun), (Scheme::Euler, euler)] {
        let options = ComplexLangevinOptions { step: Some(dt), interval: Some(5.0 * dt), drift: Some(1e9) };
        let mut sampler = ComplexLangevin::with_options(action, &copies(500), 2, 0, options).unwrap();
        sampler.integrator.scheme = scheme;
        let second = measured(&mut sampler, 2000).moments().unwrap().orders[0];
        let exact = s * s / (one - r * r);
        assert!(second.re.z_value(exact.re).abs() < 4.0 && second.im.z_value(exact.im).abs() < 4.0, "{second:?}");
        let bias = (exact - one / sigma).norm();
        assert!(if scheme == Scheme::Heun { bias < 0.015 } else { bias > 0.09 }, "{scheme:?} {bias}");
    }
}

#[test]
fn adapting_the_step_leaves_no_bias() {
    // A drift limit far below the usual drift makes nearly every step short, by a factor that depends on the state:
    // without intervals of fixed time the average would be weighted by it. Eight z-values against 3.5, 0.4 per cent.
    let action = ComplexQuartic::new(1.0, 1.0, 1.0).unwrap();
    let options = ComplexLangevinOptions { step: Some(0.1), drift: Some(0.15), ..Default::default() };
    let mut sampler = ComplexLangevin::with_options(action, &copies(500), 12, 0, options).unwrap();
    let z = z_values(&action, &measured(&mut sampler, 300));
    assert!(z.iter().all(|z| z.abs() < 3.5), "{z:?}");
    let report = sampler.report();
    assert!(report.steps as f64 > 2.0 * 500.0 * report.time / 0.1, "{report:?}");
    assert!(report.largest_drift > 5.0, "{report:?}");
}

#[test]
fn numbers_belong_to_the_site_and_the_chain() {
    let action = ComplexQuartic::new(1.0, 1.0, 1.0).unwrap();
    let run = |sites: usize, chain: u32| {
        let mut sampler = ComplexLangevin::new(action, &copies(sites), 5, chain).unwrap();
        sampler.thermalise(1.0).unwrap();
        sampler.field().to_vec()
    };
    let (few, many, other) = (run(3, 0), run(8, 0), run(3, 1));
    assert_eq!((&few[..3], &few[3..]), (&many[..3], &many[8..11]));
    assert!(few.iter().zip(&other).all(|(a, b)| a != b));
}

#[test]
fn impossible_arguments_and_runaways_are_errors() {
    let action = ComplexQuartic::gaussian(1.0, 1.0).unwrap();
    assert!(ComplexLangevin::new(action, &Lattice::new(&[4]).unwrap(), 0, 0).is_err());
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let options = ComplexLangevinOptions { step: Some(bad), ..Default::default() };
        assert!(ComplexLangevin::with_options(action, &copies(1), 0, 0, options).is_err());
    }
    let mut sampler = ComplexLangevin::new(action, &copies(1), 0, 0).unwrap();
    assert!(sampler.set_field(&[1.0]).is_err() && sampler.set_field(&[1.0, f64::NAN]).is_err());
    assert!(sampler.thermalise(-1.0).is_err());
    // z^3 of a start on the imaginary axis far out blows up in finite time.
    let quartic = ComplexQuartic::new(1.0, 1.0, 1.0).unwrap();
    let mut sampler = ComplexLangevin::new(quartic, &copies(1), 0, 0).unwrap();
    sampler.set_field(&[0.0, 1e60]).unwrap();
    let message = sampler.next_configuration().err().unwrap().to_string();
    assert!(message.contains("runaway"), "{message}");
}
