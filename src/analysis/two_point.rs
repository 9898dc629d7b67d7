//! The two-point function of a lattice field: momentum space, time slices, and the correlation length.

use super::jackknife::JackknifeEstimate;
use super::measurements::Measurements;
use crate::error::{Error, Result, require_length};
use crate::fourier::{LatticeFourier, momentum_classes};
use crate::lattice::Lattice;
use serde::Serialize;

/// Momenta of the same propagator: equivalent under reflections, and exchanges of axes of equal extent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MomentumClass {
    /// Component of the field.
    pub component: usize,
    /// p hat^2 = sum_mu 4 sin^2(p_mu / 2).
    pub momentum_squared: f64,
    /// Momenta in the class.
    pub modes: usize,
}

/// The power <|phi_p|^2> of a field in every class of momenta.
pub struct MomentumPower {
    fourier: LatticeFourier,
    class: Vec<u32>,
    classes: Vec<MomentumClass>,
    power: Vec<f64>,
}

impl MomentumPower {
    /// For fields on `lattice`.
    pub fn new(lattice: &Lattice) -> Self {
        let (class, count) = momentum_classes(lattice);
        let mut classes = vec![MomentumClass { component: 0, momentum_squared: 0.0, modes: 0 }; count];
        for (p, &which) in class.iter().enumerate() {
            let axes = lattice.coordinates(p % lattice.sites()).into_iter().zip(lattice.extents());
            let hat = axes.map(|(k, &n)| 4.0 * libm::sin(std::f64::consts::PI * k as f64 / n as f64).powi(2));
            let entry = &mut classes[which as usize];
            (entry.component, entry.momentum_squared) = (p / lattice.sites(), hat.sum());
            entry.modes += 1;
        }
        let power = vec![0.0; lattice.values()];
        MomentumPower { fourier: LatticeFourier::new(lattice), class, classes, power }
    }

    /// The classes; the zero mode of the first component comes first.
    pub fn classes(&self) -> &[MomentumClass] {
        &self.classes
    }

    /// |phi_p|^2 = V^-1 |sum_x exp(-ipx) phi(x)|^2, averaged over each class.
    pub fn measure(&mut self, field: &[f64], out: &mut [f64]) {
        self.power.fill(0.0);
        self.fourier.accumulate_power(field, &mut self.power);
        out.fill(0.0);
        self.power.iter().zip(&self.class).for_each(|(power, &class)| out[class as usize] += power);
        out.iter_mut().zip(&self.classes).for_each(|(sum, class)| *sum /= class.modes as f64);
    }
}

/// Fills `out` (t = 0 ..= T/2) with V_s mean_t0 phi(t_0) phi(t_0 + t), phi(t) the mean over the V_s sites of a slice of the
/// first axis, summed over components.
pub(super) fn time_slices(lattice: &Lattice, field: &[f64], out: &mut [f64]) {
    let extent = lattice.extents()[0];
    let space = lattice.sites() / extent;
    out.fill(0.0);
    for component in field.chunks_exact(lattice.sites()) {
        let sums: Vec<f64> = component.chunks_exact(space).map(|slice| slice.iter().sum()).collect();
        for (t, slice) in out.iter_mut().enumerate() {
            let products = (0..extent).map(|start| sums[start] * sums[(start + t) % extent]);
            *slice += products.sum::<f64>() / (extent * space) as f64;
        }
    }
}

/// Effective mass from a correlator that is periodic in time: cosh m = (C(t-1) + C(t+1)) / (2 C(t)), in lattice units. NaN
/// where there is none: the right-hand side below 1, t at either end.
pub fn effective_mass(correlator: &[f64], t: usize) -> f64 {
    match (t.checked_sub(1).and_then(|before| correlator.get(before)), correlator.get(t), correlator.get(t + 1)) {
        (Some(before), Some(here), Some(after)) => libm::acosh((before + after) / (2.0 * here)),
        _ => f64::NAN,
    }
}

/// The class of the smallest momentum p = 2 pi / L of the longest axes, of the first component, with its p hat^2; None on a
/// single site.
pub(super) fn smallest_momentum(lattice: &Lattice, classes: &[MomentumClass]) -> Option<(usize, f64)> {
    let longest = lattice.extents().iter().copied().max().filter(|&longest| longest > 1)?;
    let hat = 4.0 * libm::sin(std::f64::consts::PI / longest as f64).powi(2);
    let smallest = classes
        .iter()
        .position(|class| class.component == 0 && class.modes > 0 && (class.momentum_squared - hat).abs() < 1e-12)?;
    Some((smallest, hat))
}

/// sqrt(G(0) / G(p) - 1) / p hat; 0 where G(0) < G(p).
pub(super) fn second_moment_length(zero: f64, smallest: f64, hat: f64) -> f64 {
    ((zero / smallest - 1.0) / hat).max(0.0).sqrt()
}

/// Two-point functions along a chain. It keeps one number a class and a time slice for every configuration.
pub struct TwoPoint {
    lattice: Lattice,
    power: MomentumPower,
    table: Measurements,
    row: Vec<f64>,
}

impl TwoPoint {
    /// For fields on `lattice`; time is its first (slowest) axis.
    pub fn new(lattice: &Lattice) -> Self {
        let power = MomentumPower::new(lattice);
        let width = power.classes().len() + lattice.extents()[0] / 2 + 1;
        TwoPoint { lattice: lattice.clone(), power, table: Measurements::new(width), row: vec![0.0; width] }
    }

    /// Takes in a configuration.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] or [`Error::NotFinite`].
    pub fn measure(&mut self, field: &[f64]) -> Result<()> {
        require_length("field", field.len(), self.lattice.values())?;
        let classes = self.power.classes().len();
        let (powers, slices) = self.row.split_at_mut(classes);
        self.power.measure(field, powers);
        time_slices(&self.lattice, field, slices);
        self.table.push(&self.row)
    }

    /// Number of configurations.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether nothing has been measured.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The propagator <|phi_p|^2> by class of momenta, with errors from `bins` bins: bins must be long against the
    /// autocorrelation.
    ///
    /// # Errors
    /// As [`Measurements::estimate`].
    pub fn propagator(&self, bins: usize) -> Result<Vec<(MomentumClass, JackknifeEstimate)>> {
        let count = self.power.classes().len();
        let found = self.table.estimate(None, bins, &|means| means[..count].to_vec())?;
        Ok(self.power.classes().iter().copied().zip(found).collect())
    }

    /// The correlator of time slices of zero spatial momentum, t = 0 ..= T/2,
    /// C(t) = V_s <phi(t_0) phi(t_0 + t)> with phi(t) the mean over the V_s sites of a slice; nothing is subtracted.
    ///
    /// # Errors
    /// As [`Measurements::estimate`].
    pub fn time_slices(&self, bins: usize) -> Result<Vec<JackknifeEstimate>> {
        let first = self.power.classes().len();
        self.table.estimate(None, bins, &|means| means[first..].to_vec())
    }

    /// Effective mass at time `t`, 1 ..= T/2 - 1, from [`TwoPoint::time_slices`]: see [`effective_mass`].
    ///
    /// # Errors
    /// As [`Measurements::estimate`]: also where the data leave no mass.
    pub fn effective_mass(&self, t: usize, bins: usize) -> Result<JackknifeEstimate> {
        let first = self.power.classes().len();
        Ok(self.table.estimate(None, bins, &|means| vec![effective_mass(&means[first..], t)])?[0])
    }

    /// The second-moment correlation length of the first component,
    /// xi = sqrt(G(0) / G(p) - 1) / (2 sin(p/2)) at the smallest momentum p = 2 pi / L of the longest axes
    /// (F. Cooper, B. Freedman, D. Preston, Nucl. Phys. B 210 (1982) 210); 0 where G(0) < G(p).
    ///
    /// # Errors
    /// As [`Measurements::estimate`]; [`Error::InvalidArgument`] on a single site.
    pub fn correlation_length(&self, bins: usize) -> Result<JackknifeEstimate> {
        let Some((smallest, hat)) = smallest_momentum(&self.lattice, self.power.classes()) else {
            return Err(Error::invalid("extents", 1, "more than one site for a correlation length"));
        };
        let length = |means: &[f64]| vec![second_moment_length(means[0], means[smallest], hat)];
        Ok(self.table.estimate(None, bins, &length)?[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::Schedule;
    use crate::rng::{Purpose, Stream};
    use crate::score::{GaussianScore, Score};

    /// The free field: propagator C_p, correlation length 1/m with m^2 = (1 - 4 kappa)/kappa in two dimensions, exactly.
    #[test]
    fn a_free_field_has_its_propagator_and_its_mass() {
        let (kappa, lattice) = (0.22, Lattice::new(&[6, 8]).unwrap());
        let schedule = Schedule::variance_expanding(25.0).unwrap();
        let score = GaussianScore::free_field(lattice.clone(), schedule, kappa).unwrap();
        let deviation: Vec<f64> = score.covariance().iter().map(|c| c.sqrt()).collect();
        let mut fourier = LatticeFourier::new(&lattice);
        let mut two_point = TwoPoint::new(&lattice);
        let (mut white, mut field) = (vec![0.0; 48], vec![0.0; 48]);
        for step in 0..20_000 {
            Stream::new(11, 0, step).unwrap().normals(Purpose::Diagnostic, 0, &mut white);
            fourier.filter(&white, &deviation, &mut field);
            two_point.measure(&field).unwrap();
        }
        // 20 + 4 + 1 comparisons at 4.5 sigma, 100 bins: false alarm 5e-4 in all, seed fixed.
        let propagator = two_point.propagator(100).unwrap();
        assert_eq!(propagator.iter().map(|(class, _)| class.modes).sum::<usize>(), 48);
        for (class, found) in &propagator {
            let expected = 1.0 / (2.0 * (1.0 - 4.0 * kappa) + 2.0 * kappa * class.momentum_squared);
            assert!(found.z_value(expected).abs() < 4.5 && found.error < 0.03 * expected, "{class:?} {found:?}");
        }
        let slices = two_point.time_slices(100).unwrap();
        for (t, found) in slices.iter().enumerate() {
            let mode = |k: usize| std::f64::consts::TAU * k as f64 / 6.0;
            let expected: f64 =
                (0..6).map(|k| (mode(k) * t as f64).cos() / (2.0 - 4.0 * kappa * (mode(k).cos() + 1.0)) / 6.0).sum();
            assert!(found.z_value(expected).abs() < 4.5, "{t}: {found:?} {expected}");
        }
        let length = two_point.correlation_length(100).unwrap();
        let mass = ((1.0 - 4.0 * kappa) / kappa).sqrt();
        assert!(length.z_value(1.0 / mass).abs() < 4.5 && length.error < 0.05, "{length:?} {}", 1.0 / mass);
    }
}
