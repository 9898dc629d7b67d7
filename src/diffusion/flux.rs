//! How well the noise leaves a plaquette known, given the plaquette of the denoised links.
//!
//! A noisy plaquette far from 0 may hold a unit of flux or not: given the noisy links, theta_P of the clean ones has two
//! peaks 2 pi apart. Denoised it lies between, and its error is many times that of the others. There are few such
//! plaquettes, and they are where the charge changes. The covariance of the clean links given noisy ones is then
//!
//!   R + sum_P q_P (R u_P)(R u_P)^T,   q_P = (v(|theta_P(D)|) - v_0) / v_0^2,
//!
//! with R, diagonal in momentum space, for a field without such plaquettes, u_P the gradient of theta_P, and v the mean
//! squared error of a plaquette by that of the denoised links, v_0 = u_P^T R u_P where nothing is in doubt. (R u_P is how the links follow when the
//! plaquette is told: the field of a flux at P, screened over the distance that the noise leaves unknown.)

use crate::action::reduce;
use crate::lattice::Lattice;
use std::f64::consts::PI;
use std::sync::Arc;

/// Equal bins of |theta_P(D)| between 0 and pi.
pub const FLUX_BINS: usize = 24;

/// Mean squared error of plaquettes by bin, and how many fall into it.
#[derive(Clone, Debug, PartialEq)]
pub struct FluxResponse {
    /// Of the links.
    pub lattice: Lattice,
    /// p^2-hat of every momentum.
    pub momenta: Arc<[f64]>,
    /// v at the centres of the bins.
    pub variance: Vec<f64>,
    /// Share of the plaquettes in each bin.
    pub share: Vec<f64>,
    /// v_0.
    pub base: f64,
}

impl FluxResponse {
    /// From p^2-hat of every momentum and (share, v) by bin. v_0 is the mean over the bins up to the median of |theta_P(D)|: those are the plaquettes of which
    /// nothing is in doubt.
    pub fn new(lattice: &Lattice, momenta: Arc<[f64]>, bins: &[[f64; 2]]) -> Self {
        let (mut below, mut sum) = (0.0, 0.0);
        for &[share, variance] in bins {
            if below < 0.5 {
                below += share;
                sum += share * variance;
            }
        }
        FluxResponse {
            lattice: lattice.clone(),
            momenta,
            variance: bins.iter().map(|bin| bin[1]).collect(),
            share: bins.iter().map(|bin| bin[0]).collect(),
            base: sum / below.max(1e-12),
        }
    }

    /// The bin of a plaquette angle.
    pub fn bin(angle: f64) -> usize {
        ((reduce(angle).abs() / PI * FLUX_BINS as f64) as usize).min(FLUX_BINS - 1)
    }

    /// v - v_0 of a denoised plaquette, never below 0; linear between the centres of the bins.
    pub fn excess(&self, angle: f64) -> f64 {
        let position = reduce(angle).abs() / PI * self.variance.len() as f64 - 0.5;
        let low = position.max(0.0) as usize;
        let high = (low + 1).min(self.variance.len() - 1);
        let (low, fraction) = (low.min(high), (position - low as f64).clamp(0.0, 1.0));
        ((1.0 - fraction) * self.variance[low] + fraction * self.variance[high] - self.base).max(0.0)
    }

    /// Mean excess over the plaquettes.
    pub fn mean_excess(&self) -> f64 {
        self.share.iter().zip(&self.variance).map(|(share, v)| share * (v - self.base).max(0.0)).sum()
    }

    /// u^T M u for an M that is diagonal in the transverse modes: V^-1 sum_p p^2-hat M_p.
    pub fn of_plaquette(&self, modes: impl Iterator<Item = f64>) -> f64 {
        self.momenta.iter().zip(modes).map(|(p2, m)| p2 * m).sum::<f64>() / self.momenta.len() as f64
    }

    /// R of a field without doubtful plaquettes, from the average over all: `average` is the average
    /// variance of the transverse mode, one value a momentum. Solves R + q p^2-hat R^2 = average with
    /// q = (mean excess) / v_0^2.
    pub fn baseline(&self, average: &mut [f64]) {
        let q = self.mean_excess() / (self.base * self.base);
        for (r, &p2) in average.iter_mut().zip(&*self.momenta) {
            // (sqrt(1 + s) - 1) / (s / 2) times the average, without the difference of nearly equal numbers.
            *r *= 2.0 / (1.0 + (1.0 + 4.0 * q * p2 * *r).sqrt());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fourier::lattice_momenta;

    #[test]
    fn the_average_comes_back_from_the_baseline() {
        let bins: Vec<[f64; 2]> = (0..FLUX_BINS)
            .map(|bin| [1.0 / (1 << bin.min(30)) as f64 / 2.0, 0.1 + 0.02 * (bin as f64).powi(2)])
            .collect();
        let lattice = Lattice::new(&[8, 8]).unwrap();
        let response = FluxResponse::new(&lattice, lattice_momenta(&lattice).into(), &bins);
        assert!((response.base - 0.1).abs() < 1e-12);
        let momenta = lattice_momenta(&lattice);
        let average: Vec<f64> = momenta.iter().map(|p2| 0.3 / (1.0 + 2.0 * p2)).collect();
        let mut base = average.clone();
        response.baseline(&mut base);
        let q = response.mean_excess() / (response.base * response.base);
        for ((r, p2), total) in base.iter().zip(&momenta).zip(&average) {
            assert!((r + q * p2 * r * r - total).abs() < 1e-12 * total, "{r} {p2} {total}");
            assert!(*r <= *total);
        }
        assert!(base[20] < 0.9 * average[20], "the excess must matter");
    }

    #[test]
    fn excess_is_interpolated_and_periodic() {
        let bins: Vec<[f64; 2]> = (0..FLUX_BINS).map(|bin| [1.0 / FLUX_BINS as f64, 1.0 + bin as f64]).collect();
        let response = FluxResponse::new(&Lattice::new(&[2, 2]).unwrap(), vec![0.0; 4].into(), &bins);
        let width = PI / FLUX_BINS as f64;
        assert!((response.excess(20.5 * width) - (21.0 - response.base)).abs() < 1e-12);
        assert!((response.excess(-20.5 * width + 2.0 * PI) - response.excess(20.5 * width)).abs() < 1e-9);
        assert_eq!(response.excess(0.0), 0.0);
        assert!((response.excess(PI) - (24.0 - response.base)).abs() < 1e-12);
        assert_eq!(FluxResponse::bin(PI), FLUX_BINS - 1);
    }
}
