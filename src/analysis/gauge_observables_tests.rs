//! Tests of the observables of U(1) gauge theory.

use super::*;
use crate::rng::{Purpose, Stream};

fn lattice(extents: [usize; 2]) -> Lattice {
    Lattice::new(&extents).unwrap().with_components(2).unwrap()
}

fn normals(seed: u64, length: usize) -> Vec<f64> {
    let mut values = vec![0.0; length];
    Stream::new(seed, 0, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut values);
    values
}

/// The loop of `r` links along axis 0 and `t` along axis 1, link by link around it, averaged over the lattice.
fn loop_of_links(links: &GaugeLinks, field: &[f64], r: usize, t: usize) -> f64 {
    let sites = links.sites();
    let around = |start: usize| {
        let (mut site, mut angle) = (start, 0.0);
        for (axis, count) in [(0, r), (1, t)] {
            for _ in 0..count {
                angle += field[axis * sites + site];
                site = links.ahead(site, axis);
            }
        }
        for (axis, count) in [(0, r), (1, t)] {
            for _ in 0..count {
                site = links.behind(site, axis);
                angle -= field[axis * sites + site];
            }
        }
        assert_eq!(site, start);
        angle.cos()
    };
    (0..sites).map(around).sum::<f64>() / sites as f64
}

#[test]
fn loops_are_those_of_their_links_in_both_orientations() {
    for extents in [[5, 6], [3, 7], [4, 4], [2, 2]] {
        let links = GaugeLinks::new(&lattice(extents)).unwrap();
        let mut series = GaugeSeries::new(&lattice(extents)).unwrap();
        let field = normals(3, 2 * links.sites());
        series.measure(&field).unwrap();
        for &(r, t) in series.sides() {
            let fitting = [(r, t), (t, r)].into_iter().filter(|&(r, t)| r < extents[0] && t < extents[1]);
            let found: Vec<f64> = fitting.map(|(r, t)| loop_of_links(&links, &field, r, t)).collect();
            let expected = found.iter().sum::<f64>() / found.len() as f64;
            assert!((series.wilson_loop(t, r).unwrap()[0] - expected).abs() < 1e-12, "{extents:?} {r}x{t}");
        }
    }
    let sides = |extents| GaugeSeries::new(&lattice(extents)).unwrap().sides().to_vec();
    assert_eq!(sides([5, 6]).len(), 10);
    assert_eq!(sides([2, 2]), [(1, 1)]);
    assert_eq!(sides([3, 7]), [(1, 1), (1, 2), (1, 3), (1, 4), (2, 2), (2, 3), (2, 4)]);
}

#[test]
fn observables_are_gauge_invariant() {
    let links = GaugeLinks::new(&lattice([4, 5])).unwrap();
    let mut series = GaugeSeries::new(&lattice([4, 5])).unwrap();
    let mut field = normals(5, 40);
    series.measure(&field).unwrap();
    links.gauge_transform(&mut field, &normals(6, 20)).unwrap();
    field.iter_mut().for_each(|angle| *angle = reduce(*angle));
    series.measure(&field).unwrap();
    let columns = series.loops.iter().chain(&series.polyakov).chain([&series.charge]);
    assert!(columns.clone().count() == 14 && columns.clone().all(|column| (column[0] - column[1]).abs() < 1e-12));
}

#[test]
fn uniform_flux_and_uniform_links_have_the_closed_forms() {
    let links = GaugeLinks::new(&lattice([4, 6])).unwrap();
    let mut series = GaugeSeries::new(&lattice([4, 6])).unwrap();
    let unit = std::f64::consts::TAU * 2.0 / 24.0;
    series.measure(&links.charge_shift(2)).unwrap();
    let mut field = vec![0.1; 48];
    field[24..].fill(-0.2);
    series.measure(&field).unwrap();
    for &(r, t) in series.sides() {
        let values = series.wilson_loop(r, t).unwrap();
        assert!((values[0] - ((r * t) as f64 * unit).cos()).abs() < 1e-12 && (values[1] - 1.0).abs() < 1e-12);
    }
    assert_eq!((series.charge(), series.tunnelling()), (&[2.0, 0.0][..], 1.0));
    // Lines along axis 0 have four links of 0.1, along axis 1 six of -0.2.
    for (axis, angle) in [(0, 0.4f64), (1, -1.2)] {
        let (real, imaginary) = series.polyakov(axis).unwrap();
        assert!((real[1] - angle.cos()).abs() < 1e-12 && (imaginary[1] - angle.sin()).abs() < 1e-12);
    }
    assert!(series.polyakov(2).is_err());
    assert_eq!((series.in_sector(0), series.in_sector(2)), (vec![0.0, 1.0], vec![0.5, 0.0]));
}

#[test]
fn strong_coupling_has_the_closed_forms_and_errors_leave_the_series() {
    // beta = 0: independent uniform links, drawn directly; <W> = 0, <Q> = 0, <Q^2> = V/12, <|P|^2> = 1/L_perp.
    // Twenty z-values against 3.9: false alarm 0.2 per cent, seed fixed.
    let mut chains = [GaugeSeries::new(&lattice([3, 5])).unwrap(), GaugeSeries::new(&lattice([3, 5])).unwrap()];
    for (chain, series) in chains.iter_mut().enumerate() {
        for step in 0..3000 + 1000 * chain as u64 {
            let stream = Stream::new(9, chain as u32, step).unwrap();
            let angle = |link| std::f64::consts::TAU * stream.uniform(Purpose::Diagnostic, 0, link);
            series.measure(&(0..30).map(angle).collect::<Vec<_>>()).unwrap();
        }
    }
    let summary = GaugeSummary::new(&[&chains[0], &chains[1]]).unwrap();
    assert_eq!(summary.configurations, 7000);
    for (name, estimate) in summary.rows() {
        let expected = match name.as_str() {
            "Q2" => 15.0 / 12.0,
            "chi_Q" => 1.0 / 12.0,
            "polyakov_0_square" => 1.0 / 5.0,
            "polyakov_1_square" => 1.0 / 3.0,
            _ if name.starts_with("P_Q") => continue,
            _ => 0.0,
        };
        assert!(estimate.z_value(expected).abs() < 3.9, "{name}: {estimate:?}, expected {expected}");
        assert!((estimate.tau_int - 0.5).abs() < 0.15 && estimate.error < 0.05, "{name}: {estimate:?}");
    }
    let mut series = GaugeSeries::new(&lattice([3, 5])).unwrap();
    assert!(series.measure(&[0.0; 15]).is_err() && series.measure(&[f64::NAN; 30]).is_err());
    assert!(series.is_empty() && GaugeSummary::new(&[&series]).is_err() && GaugeSummary::new(&[]).is_err());
    assert!(GaugeSummary::new(&[&chains[0], &GaugeSeries::new(&lattice([5, 3])).unwrap()]).is_err());
}
