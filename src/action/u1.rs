//! Two-dimensional U(1) gauge theory with the Wilson action.

use super::{Action, GaugeLinks, Interrupt};
use crate::error::{Error, Result};
use crate::lattice::Lattice;

/// S = -beta sum_P cos theta_P (K. G. Wilson, Phys. Rev. D 10 (1974) 2445) on a two-dimensional periodic
/// lattice; fields are link angles as in [`GaugeLinks`], and need not be reduced.
#[derive(Clone, Debug)]
pub struct U1 {
    beta: f64,
    links: GaugeLinks,
}

impl U1 {
    /// The action with inverse coupling `beta` >= 0.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for another `beta`; as [`GaugeLinks::new`].
    pub fn new(lattice: &Lattice, beta: f64) -> Result<Self> {
        let links = GaugeLinks::new(lattice)?;
        if !(beta.is_finite() && beta >= 0.0) {
            return Err(Error::invalid("beta", beta, "a finite number >= 0"));
        }
        Ok(U1 { beta, links })
    }

    /// Inverse coupling.
    pub fn beta(&self) -> f64 {
        self.beta
    }

    /// The geometry of the field.
    pub fn links(&self) -> &GaugeLinks {
        &self.links
    }
}

impl Action for U1 {
    fn action(&mut self, field: &[f64]) -> Result<f64, Interrupt> {
        debug_assert_eq!(field.len(), 2 * self.links.sites());
        let sum: f64 = (0..self.links.sites()).map(|site| libm::cos(self.links.plaquette(field, site))).sum();
        Ok(-self.beta * sum)
    }

    fn force(&mut self, field: &[f64], force: &mut [f64]) -> Result<(), Interrupt> {
        let (links, sites) = (&self.links, self.links.sites());
        debug_assert_eq!(field.len(), 2 * sites);
        force.fill(0.0);
        for site in 0..sites {
            let pull = self.beta * libm::sin(links.plaquette(field, site));
            force[site] -= pull;
            force[sites + links.ahead(site, 0)] -= pull;
            force[links.ahead(site, 1)] += pull;
            force[sites + site] += pull;
        }
        Ok(())
    }

    fn local_change(&mut self, field: &[f64], index: usize, value: f64) -> Result<f64, Interrupt> {
        let (links, sites) = (&self.links, self.links.sites());
        let (axis, site) = (index / sites, index % sites);
        // A link belongs to two plaquettes, with opposite signs.
        let (forward, backward) = if axis == 0 { (site, links.behind(site, 1)) } else { (links.behind(site, 0), site) };
        let rise = value - field[index];
        let change = |site: usize, rise: f64| {
            let angle = links.plaquette(field, site);
            libm::cos(angle + rise) - libm::cos(angle)
        };
        Ok(-self.beta * (change(forward, rise) + change(backward, -rise)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{ActionRecord, reduce};
    use crate::analysis::U1Exact;
    use crate::rng::{Purpose, Stream};
    use std::f64::consts::TAU;

    fn lattice(extents: &[usize]) -> Lattice {
        Lattice::new(extents).unwrap().with_components(2).unwrap()
    }

    fn normals(seed: u64, length: usize) -> Vec<f64> {
        let mut values = vec![0.0; length];
        Stream::new(seed, 0, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut values);
        values
    }

    #[test]
    fn force_is_minus_the_gradient_and_changes_are_local() {
        for extents in [[2, 2], [3, 4], [5, 2]] {
            let mut action = U1::new(&lattice(&extents), 2.3).unwrap();
            let values = 2 * extents[0] * extents[1];
            let (field, mut force) = (normals(4, values), vec![0.0; values]);
            action.force(&field, &mut force).unwrap();
            for index in 0..values {
                let mut at = |value: f64| {
                    let mut moved = field.clone();
                    moved[index] = value;
                    action.action(&moved).unwrap()
                };
                let (step, angle) = (1e-5, field[index]);
                let numeric = -(at(angle + step) - at(angle - step)) / (2.0 * step);
                assert!((force[index] - numeric).abs() < 1e-8, "{extents:?} index {index}");
                let whole = at(1.4) - at(angle);
                assert!((action.local_change(&field, index, 1.4).unwrap() - whole).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn gauge_transformations_turns_and_charge_conjugation_leave_the_action() {
        let mut action = U1::new(&lattice(&[4, 6]), 3.0).unwrap();
        let mut field = normals(1, 48);
        let before = action.action(&field).unwrap();
        action.links().clone().gauge_transform(&mut field, &normals(2, 24)).unwrap();
        assert!((action.action(&field).unwrap() - before).abs() < 1e-12);
        field.iter_mut().for_each(|angle| *angle = -reduce(*angle) + TAU);
        assert!((action.action(&field).unwrap() - before).abs() < 1e-12);
        // Uniform flux: S = -beta V cos(2 pi / V).
        let flux = action.links().charge_shift(1);
        assert!((action.action(&flux).unwrap() + 3.0 * 24.0 * (TAU / 24.0).cos()).abs() < 1e-12);
    }

    #[test]
    fn the_smallest_torus_integrated_over_its_links_is_the_character_expansion() {
        // 2x2: eight links, of which three (a tree) are gauge-fixed to 0; the trapezoidal rule in the other
        // five converges exponentially. Links 0, 1 (axis 0 from the first row) and 4 (axis 1).
        let (lattice, beta, points) = (lattice(&[2, 2]), 0.8, 12usize);
        let mut action = U1::new(&lattice, beta).unwrap();
        let (mut partition, mut plaquette, mut pair) = (0.0, 0.0, 0.0);
        for combination in 0..points.pow(5) {
            let mut field = [0.0; 8];
            for (digit, link) in [2, 3, 5, 6, 7].into_iter().enumerate() {
                field[link] = TAU * (combination / points.pow(digit as u32) % points) as f64 / points as f64;
            }
            let energy = action.action(&field).unwrap();
            let weight = (-energy).exp();
            let links = action.links();
            partition += weight;
            plaquette += weight * -energy / (4.0 * beta);
            pair += weight * (links.plaquette(&field, 0) + links.plaquette(&field, 1)).cos();
        }
        let exact = U1Exact::new(&lattice, beta).unwrap();
        assert!((plaquette / partition - exact.plaquette()).abs() < 1e-9, "{}", plaquette / partition);
        assert!((pair / partition - exact.wilson_loop(1, 2)).abs() < 1e-9, "{}", pair / partition);
    }

    #[test]
    fn the_record_names_the_action_and_impossible_couplings_are_refused() {
        let record = ActionRecord::u1(2.0);
        assert!(record.is_even().unwrap() && record.components().unwrap() == 2);
        let field = normals(7, 32);
        let built = record.build(&lattice(&[4, 4])).unwrap().action(&field).unwrap();
        assert_eq!(built, U1::new(&lattice(&[4, 4]), 2.0).unwrap().action(&field).unwrap());
        for beta in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(U1::new(&lattice(&[4, 4]), beta).is_err());
        }
        assert!(record.build(&Lattice::new(&[4, 4]).unwrap()).is_err());
    }
}
