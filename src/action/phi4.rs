//! Lattice phi^4 theory in the hopping-parameter form.

use super::{Action, Interrupt};
use crate::error::{Error, Result};
use crate::lattice::Lattice;
use std::sync::Arc;

/// S = sum_x \[ -2 kappa sum_mu phi(x) phi(x+mu) + (1 - 2 lambda) phi(x)^2 + lambda phi(x)^4 \]
/// (Wang, Aarts, Zhou, JHEP 05 (2024) 060, eq. 4.1), on a periodic lattice of any rank.
#[derive(Clone, Debug)]
pub struct Phi4 {
    kappa: f64,
    lambda: f64,
    axes: usize,
    sites: usize,
    neighbours: Arc<[u32]>,
}

impl Phi4 {
    /// The action with hopping parameter `kappa` and coupling `lambda` >= 0.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when a coupling is not finite, `lambda` is negative, or the free
    /// theory (`lambda` = 0) is unstable: it needs |kappa| < 1 / (2 rank).
    pub fn new(lattice: &Lattice, kappa: f64, lambda: f64) -> Result<Self> {
        if lattice.components() != 1 || lattice.extents().contains(&1) {
            let shown = format!("{:?} with {} components", lattice.extents(), lattice.components());
            return Err(Error::invalid("extents", shown, "one component, at least 2 sites along every axis"));
        }
        if !kappa.is_finite() {
            return Err(Error::invalid("kappa", kappa, "a finite number"));
        }
        if !lambda.is_finite() || lambda < 0.0 {
            return Err(Error::invalid("lambda", lambda, "a finite number >= 0: exp(-S) must be normalisable"));
        }
        if lambda == 0.0 && kappa.abs() * 2.0 * lattice.rank() as f64 >= 1.0 {
            return Err(Error::invalid(
                "kappa",
                kappa,
                "|kappa| < 1/(2 rank) when lambda = 0: the free field is unstable",
            ));
        }
        let neighbours = lattice.neighbours().into();
        Ok(Phi4 { kappa, lambda, axes: lattice.rank(), sites: lattice.sites(), neighbours })
    }

    /// Hopping parameter.
    pub fn kappa(&self) -> f64 {
        self.kappa
    }

    /// Quartic coupling.
    pub fn lambda(&self) -> f64 {
        self.lambda
    }
}

impl Action for Phi4 {
    fn action(&mut self, field: &[f64]) -> Result<f64, Interrupt> {
        debug_assert_eq!(field.len(), self.sites);
        let mass = 1.0 - 2.0 * self.lambda;
        let mut sum = 0.0;
        for (&phi, neighbours) in field.iter().zip(self.neighbours.chunks_exact(2 * self.axes)) {
            let ahead: f64 = neighbours.iter().step_by(2).map(|&site| field[site as usize]).sum();
            let square = phi * phi;
            sum += square * (mass + self.lambda * square) - 2.0 * self.kappa * phi * ahead;
        }
        Ok(sum)
    }

    fn force(&mut self, field: &[f64], force: &mut [f64]) -> Result<(), Interrupt> {
        debug_assert_eq!(field.len(), self.sites);
        let mass = 2.0 * (1.0 - 2.0 * self.lambda);
        let sites = field.iter().zip(self.neighbours.chunks_exact(2 * self.axes));
        for ((&phi, neighbours), force) in sites.zip(force) {
            let around: f64 = neighbours.iter().map(|&site| field[site as usize]).sum();
            *force = 2.0 * self.kappa * around - phi * (mass + 4.0 * self.lambda * phi * phi);
        }
        Ok(())
    }

    fn local_change(&mut self, field: &[f64], index: usize, value: f64) -> Result<f64, Interrupt> {
        let neighbours = &self.neighbours[index * 2 * self.axes..(index + 1) * 2 * self.axes];
        let around: f64 = neighbours.iter().map(|&site| field[site as usize]).sum();
        let at = |phi: f64| {
            let square = phi * phi;
            square * (1.0 - 2.0 * self.lambda + self.lambda * square) - 2.0 * self.kappa * phi * around
        };
        Ok(at(value) - at(field[index]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    #[test]
    fn force_is_minus_the_gradient() {
        for extents in [&[5][..], &[4, 3], &[3, 2, 4], &[2, 3, 2, 2]] {
            let lattice = Lattice::new(extents).unwrap();
            let mut action = Phi4::new(&lattice, 0.27, 0.022).unwrap();
            let mut field = vec![0.0; lattice.sites()];
            Stream::new(1, 0, 0).unwrap().normals(Purpose::Start, 0, &mut field);
            let mut force = vec![0.0; lattice.sites()];
            action.force(&field, &mut force).unwrap();
            for site in 0..lattice.sites() {
                let step = 1e-5;
                let mut moved = field.clone();
                moved[site] = 0.4;
                let whole = action.action(&moved).unwrap() - action.action(&field).unwrap();
                assert!((action.local_change(&field, site, 0.4).unwrap() - whole).abs() < 1e-10);
                let mut shifted = |sign: f64| {
                    let mut moved = field.clone();
                    moved[site] += sign * step;
                    action.action(&moved).unwrap()
                };
                let numeric = -(shifted(1.0) - shifted(-1.0)) / (2.0 * step);
                assert!((force[site] - numeric).abs() < 1e-7, "{extents:?} site {site}");
            }
        }
    }

    #[test]
    fn uniform_field_has_the_closed_form() {
        let lattice = Lattice::new(&[4, 4]).unwrap();
        let mut action = Phi4::new(&lattice, 0.3, 0.1).unwrap();
        let phi: f64 = 1.7;
        let expected = 16.0 * (-2.0 * 0.3 * 2.0 * phi * phi + 0.8 * phi * phi + 0.1 * phi.powi(4));
        assert!((action.action(&[phi; 16]).unwrap() - expected).abs() < 1e-12);
    }

    #[test]
    fn couplings_without_a_measure_are_refused() {
        let lattice = Lattice::new(&[4, 4]).unwrap();
        for (kappa, lambda) in [(f64::NAN, 0.1), (0.2, -0.1), (0.25, 0.0), (0.2, f64::INFINITY)] {
            assert!(Phi4::new(&lattice, kappa, lambda).is_err());
        }
    }
}
