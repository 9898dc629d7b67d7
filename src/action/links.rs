//! Link angles of U(1) gauge theory on a two-dimensional periodic lattice: plaquettes, topological
//! charge, gauge transformations.
//!
//! A field holds the angle theta_mu(x) of the link from site x to its neighbour ahead along axis mu, at
//! index mu V + x: a lattice of rank 2 with two components. The plaquette angle is
//! theta_P(x) = theta_0(x) + theta_1(x+0) - theta_0(x+1) - theta_1(x). Angles mean the same modulo 2 pi;
//! nothing here needs them reduced.

use crate::error::{Error, Result, require_length};
use crate::lattice::Lattice;
use std::f64::consts::{PI, TAU};
use std::sync::Arc;

/// The representative of `angle` modulo 2 pi in (-pi, pi].
pub fn reduce(angle: f64) -> f64 {
    let reduced = libm::remainder(angle, TAU);
    if reduced <= -PI { reduced + TAU } else { reduced }
}

/// The geometry of a field of link angles. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GaugeLinks {
    lattice: Lattice,
    sites: usize,
    neighbours: Arc<[u32]>,
}

impl GaugeLinks {
    /// For fields on `lattice`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless it has two axes of at least 2 sites, and two components.
    pub fn new(lattice: &Lattice) -> Result<Self> {
        let extents = lattice.extents();
        if lattice.rank() != 2 || extents.iter().any(|&extent| extent < 2) || lattice.components() != 2 {
            let shown = format!("{extents:?} with {} components", lattice.components());
            let expected = "two axes of at least 2 sites, and two components a site: the angles of the links \
                            along the two axes";
            return Err(Error::invalid("extents", shown, expected));
        }
        let neighbours = lattice.neighbours().into();
        Ok(GaugeLinks { lattice: lattice.clone(), sites: lattice.sites(), neighbours })
    }

    /// The lattice.
    pub fn lattice(&self) -> &Lattice {
        &self.lattice
    }

    /// Sites V; also the number of plaquettes.
    pub fn sites(&self) -> usize {
        self.sites
    }

    /// The site ahead of `site` along `axis`.
    pub fn ahead(&self, site: usize, axis: usize) -> usize {
        self.neighbours[4 * site + 2 * axis] as usize
    }

    /// The site behind `site` along `axis`.
    pub fn behind(&self, site: usize, axis: usize) -> usize {
        self.neighbours[4 * site + 2 * axis + 1] as usize
    }

    /// theta_P of the plaquette whose lowest corner is `site`, not reduced. `field` must have 2 V values.
    pub fn plaquette(&self, field: &[f64], site: usize) -> f64 {
        let (ahead_0, ahead_1) = (self.ahead(site, 0), self.ahead(site, 1));
        field[site] + field[self.sites + ahead_0] - field[ahead_1] - field[self.sites + site]
    }

    /// All V plaquette angles, not reduced, into `plaquettes`.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for a wrong length.
    pub fn plaquettes(&self, field: &[f64], plaquettes: &mut [f64]) -> Result<()> {
        require_length("field", field.len(), 2 * self.sites)?;
        require_length("plaquettes", plaquettes.len(), self.sites)?;
        plaquettes.iter_mut().enumerate().for_each(|(site, angle)| *angle = self.plaquette(field, site));
        Ok(())
    }

    /// Gradient with respect to the links of a function of plaquettes whose derivatives by theta_P are `slopes`, one a
    /// plaquette: the lattice curl. `links` receives 2 V values.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for a wrong length.
    pub fn curl(&self, slopes: &[f64], links: &mut [f64]) -> Result<()> {
        require_length("slopes", slopes.len(), self.sites)?;
        require_length("links", links.len(), 2 * self.sites)?;
        let (first, second) = links.split_at_mut(self.sites);
        for (site, (first, second)) in first.iter_mut().zip(second).enumerate() {
            *first = slopes[site] - slopes[self.behind(site, 1)];
            *second = slopes[self.behind(site, 0)] - slopes[site];
        }
        Ok(())
    }

    /// Q = sum_P reduce(theta_P) / 2 pi, an integer on a periodic lattice.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for a wrong length, [`Error::NotFinite`] for angles that are not finite.
    pub fn topological_charge(&self, field: &[f64]) -> Result<i64> {
        require_length("field", field.len(), 2 * self.sites)?;
        crate::error::require_finite("field", field)?;
        let flux: f64 = (0..self.sites).map(|site| reduce(self.plaquette(field, site))).sum();
        Ok((flux / TAU).round() as i64)
    }

    /// cos of the Wilson loop of `height` links along axis 0 and `width` along axis 1, averaged over the lattice.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for a wrong length, [`Error::InvalidArgument`] for sides that are 0 or longer than the
    /// lattice.
    pub fn wilson_loop(&self, field: &[f64], height: usize, width: usize) -> Result<f64> {
        require_length("field", field.len(), 2 * self.sites)?;
        for (name, side, extent) in [("height", height, 0), ("width", width, 1)] {
            let most = self.lattice.extents()[extent];
            if !(1..=most).contains(&side) {
                return Err(Error::invalid(name, side, &format!("between 1 link and the {most} of the lattice")));
            }
        }
        let around = |site: usize| {
            let (up, corner) = self.walk(field, site, 0, height);
            let (along, _) = self.walk(field, corner, 1, width);
            let (back, corner) = self.walk(field, site, 1, width);
            let (down, _) = self.walk(field, corner, 0, height);
            libm::cos(up + along - down - back)
        };
        Ok((0..self.sites).map(around).sum::<f64>() / self.sites as f64)
    }

    /// Real and imaginary part of the mean over the lattice of the Polyakov loop along `axis` (0 or 1): exp(i sum of the
    /// angles of the links around the lattice).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for a wrong length, [`Error::InvalidArgument`] for another axis.
    pub fn polyakov_loop(&self, field: &[f64], axis: usize) -> Result<(f64, f64)> {
        require_length("field", field.len(), 2 * self.sites)?;
        if axis > 1 {
            return Err(Error::invalid("axis", axis, "0 or 1"));
        }
        let [length, across] = [self.lattice.extents()[axis], self.lattice.extents()[1 - axis]];
        // The loops start on the first line across.
        let starts = (0..across).map(|start| if axis == 0 { start } else { start * length });
        let loops = starts.map(|site| libm::sincos(self.walk(field, site, axis, length).0));
        let (imaginary, real) = loops.fold((0.0, 0.0), |sum, (sine, cosine)| (sum.0 + sine, sum.1 + cosine));
        Ok((real / across as f64, imaginary / across as f64))
    }

    /// The sum of the angles of `steps` links from `site` along `axis`, and where they end.
    fn walk(&self, field: &[f64], site: usize, axis: usize, steps: usize) -> (f64, usize) {
        (0..steps).fold((0.0, site), |(sum, site), _| (sum + field[axis * self.sites + site], self.ahead(site, axis)))
    }

    /// Transforms `field` with the angles `omega`, one a site: theta_mu(x) + omega(x) - omega(x+mu).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for a wrong length.
    pub fn gauge_transform(&self, field: &mut [f64], omega: &[f64]) -> Result<()> {
        require_length("field", field.len(), 2 * self.sites)?;
        require_length("omega", omega.len(), self.sites)?;
        for axis in 0..2 {
            for site in 0..self.sites {
                field[axis * self.sites + site] += omega[site] - omega[self.ahead(site, axis)];
            }
        }
        Ok(())
    }

    /// The field of `flux` units of uniform flux (J. Smit and J. C. Vink, Nucl. Phys. B 286 (1987) 485):
    /// every plaquette is F = 2 pi flux / V modulo 2 pi.
    /// theta_1(x) = F x_0, and on the last links along axis 0, theta_0(x) = -F L_0 x_1.
    ///
    /// Added to a field it changes Q by `flux`, except for every plaquette that it carries across pi.
    pub fn charge_shift(&self, flux: i64) -> Vec<f64> {
        let (last, width) = (self.lattice.extents()[0] - 1, self.lattice.extents()[1]);
        let unit = TAU * flux as f64 / self.sites as f64;
        let mut field = vec![0.0; 2 * self.sites];
        for site in 0..self.sites {
            let (x_0, x_1) = (site / width, site % width);
            field[self.sites + site] = unit * x_0 as f64;
            if x_0 == last {
                field[site] = -unit * ((last + 1) * x_1) as f64;
            }
        }
        field
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    fn links(extents: &[usize]) -> GaugeLinks {
        GaugeLinks::new(&Lattice::new(extents).unwrap().with_components(2).unwrap()).unwrap()
    }

    fn normals(seed: u64, length: usize, scale: f64) -> Vec<f64> {
        let mut values = vec![0.0; length];
        Stream::new(seed, 0, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut values);
        values.iter_mut().for_each(|value| *value *= scale);
        values
    }

    #[test]
    fn reduced_angles_lie_in_the_half_open_interval() {
        assert_eq!((reduce(PI), reduce(-PI), reduce(0.0)), (PI, PI, 0.0));
        for angle in normals(1, 1000, 30.0) {
            let reduced = reduce(angle);
            let turns = (angle - reduced) / TAU;
            assert!(reduced > -PI && reduced <= PI && (turns - turns.round()).abs() < 1e-13, "{angle} {reduced}");
        }
    }

    #[test]
    fn the_charge_is_an_integer_and_changes_sign_under_charge_conjugation() {
        let (mut seen, links) = (std::collections::BTreeSet::new(), links(&[5, 4]));
        for seed in 0..200 {
            let mut field = normals(seed, 40, 4.0);
            let flux: f64 = (0..20).map(|site| reduce(links.plaquette(&field, site))).sum();
            let charge = links.topological_charge(&field).unwrap();
            assert!((flux / TAU - charge as f64).abs() < 1e-12);
            // Neither turns of single links nor a gauge transformation matter.
            links.gauge_transform(&mut field, &normals(seed + 500, 20, 3.0)).unwrap();
            field.iter_mut().for_each(|angle| *angle = reduce(*angle) + TAU);
            assert_eq!(links.topological_charge(&field).unwrap(), charge);
            field.iter_mut().for_each(|angle| *angle = -*angle);
            assert_eq!(links.topological_charge(&field).unwrap(), -charge);
            seen.insert(charge);
        }
        assert!(seen.len() > 3, "{seen:?}");
    }

    #[test]
    fn uniform_flux_adds_the_same_to_every_plaquette() {
        for extents in [[2, 2], [4, 4], [3, 5], [6, 2]] {
            let links = links(&extents);
            let sites = links.sites();
            // Smooth enough that no plaquette crosses pi.
            let field = normals(3, 2 * sites, 0.02);
            assert_eq!(links.topological_charge(&field).unwrap(), 0);
            // Up to the largest flux that fits below pi a plaquette.
            let most = (sites as i64 - 1) / 2;
            for flux in [-most, -1, 0, 1, most] {
                let shift = links.charge_shift(flux);
                let moved: Vec<f64> = field.iter().zip(&shift).map(|(theta, shift)| theta + shift).collect();
                let unit = TAU * flux as f64 / sites as f64;
                for site in 0..sites {
                    let rise = reduce(links.plaquette(&moved, site)) - reduce(links.plaquette(&field, site));
                    assert!((rise - unit).abs() < 1e-12, "{extents:?} flux {flux} site {site}: {rise} {unit}");
                }
                assert_eq!(links.topological_charge(&moved).unwrap(), flux);
            }
        }
    }

    #[test]
    fn loops_enclose_their_plaquettes_and_are_gauge_invariant() {
        let links = links(&[3, 5]);
        let mut field = normals(8, 30, 4.0);
        let inside = |field: &[f64], height: usize, width: usize| {
            let angle = |site: usize| -> f64 {
                let (row, column) = (site / 5, site % 5);
                let sites = (0..height * width).map(|i| (row + i / width) % 3 * 5 + (column + i % width) % 5);
                sites.map(|site| links.plaquette(field, site)).sum()
            };
            (0..15).map(|site| angle(site).cos()).sum::<f64>() / 15.0
        };
        for (height, width) in [(1, 1), (2, 1), (1, 4), (3, 2), (2, 5), (3, 5)] {
            let found = links.wilson_loop(&field, height, width).unwrap();
            assert!((found - inside(&field, height, width)).abs() < 1e-12, "{height} x {width}");
        }
        let all = |field: &[f64]| {
            let (first, second) = (links.polyakov_loop(field, 0).unwrap(), links.polyakov_loop(field, 1).unwrap());
            [links.wilson_loop(field, 2, 3).unwrap(), first.0, first.1, second.0, second.1]
        };
        let before = all(&field);
        links.gauge_transform(&mut field, &normals(9, 15, 3.0)).unwrap();
        assert!(before.iter().zip(all(&field)).all(|(a, b)| (a - b).abs() < 1e-12));
        for (height, width) in [(0, 1), (1, 0), (4, 1), (1, 6)] {
            assert!(links.wilson_loop(&field, height, width).is_err());
        }
        assert!(links.polyakov_loop(&field, 2).is_err() && links.polyakov_loop(&field[1..], 0).is_err());
    }

    #[test]
    fn plaquettes_are_gauge_invariant_and_follow_the_convention() {
        let links = links(&[3, 4]);
        // One link of component 1 at (1, 2), site 6: in the plaquette of (0, 2) forward, of (1, 2) backward.
        let mut field = vec![0.0; 24];
        field[12 + 6] = 0.5;
        let mut plaquettes = vec![0.0; 12];
        links.plaquettes(&field, &mut plaquettes).unwrap();
        let expected = |site| {
            if site == 2 {
                0.5
            } else if site == 6 {
                -0.5
            } else {
                0.0
            }
        };
        assert!((0..12).all(|site| plaquettes[site] == expected(site)));
        let (mut field, mut after) = (normals(1, 24, 1.0), vec![0.0; 12]);
        links.plaquettes(&field, &mut plaquettes).unwrap();
        links.gauge_transform(&mut field, &normals(2, 12, 1.0)).unwrap();
        links.plaquettes(&field, &mut after).unwrap();
        assert!(plaquettes.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-13));
    }

    /// The sum of slopes times plaquettes is linear in the links: its gradient is the curl, which is the transpose of the
    /// map to plaquettes.
    #[test]
    fn the_curl_is_the_transpose_of_the_plaquettes() {
        for extents in [[2, 2], [3, 5]] {
            let links = links(&extents);
            let sites = links.sites();
            let (slopes, field) = (normals(5, sites, 1.0), normals(6, 2 * sites, 1.0));
            let (mut curl, mut plaquettes) = (vec![0.0; 2 * sites], vec![0.0; sites]);
            links.curl(&slopes, &mut curl).unwrap();
            links.plaquettes(&field, &mut plaquettes).unwrap();
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            assert!((dot(&slopes, &plaquettes) - dot(&curl, &field)).abs() < 1e-12);
        }
        assert!(links(&[2, 2]).curl(&[0.0; 3], &mut [0.0; 8]).is_err());
    }

    #[test]
    fn other_lattices_and_buffers_are_refused() {
        for (extents, components) in [(&[4, 4][..], 1), (&[4], 2), (&[4, 4, 4], 2), (&[1, 4], 2), (&[4, 4], 3)] {
            let lattice = Lattice::new(extents).unwrap().with_components(components).unwrap();
            let error = GaugeLinks::new(&lattice).unwrap_err().to_string();
            assert!(error.contains("two axes") && error.contains(&format!("{extents:?}")), "{error}");
        }
        let links = links(&[2, 2]);
        assert!(links.topological_charge(&[0.0; 7]).is_err() && links.topological_charge(&[f64::NAN; 8]).is_err());
        assert!(links.gauge_transform(&mut [0.0; 8], &[0.0; 3]).is_err());
        assert!(links.plaquettes(&[0.0; 8], &mut [0.0; 3]).is_err());
    }
}
