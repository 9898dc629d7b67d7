//! The exact score of a Gaussian (free) theory, D_p = C_p x_p / (C_p + noise^2): the Wiener filter.

use super::{Evaluator, Score};
use crate::diffusion::{Posterior, Schedule};
use crate::error::{Error, Result, require_length};
use crate::fourier::LatticeFourier;
use crate::lattice::Lattice;
use std::sync::Arc;

/// Gaussian data with covariance C_p.
pub struct GaussianScore {
    lattice: Lattice,
    schedule: Schedule,
    covariance: Vec<f64>,
}

impl GaussianScore {
    /// `covariance[p]` = <|phi_p|^2> for every momentum, real, positive and even in p.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] or [`Error::InvalidArgument`].
    pub fn new(lattice: Lattice, schedule: Schedule, covariance: Vec<f64>) -> Result<Self> {
        require_length("covariance", covariance.len(), lattice.values())?;
        if let Some(value) = covariance.iter().find(|value| !(value.is_finite() && **value > 0.0)) {
            return Err(Error::invalid("covariance", value, "finite positive variances"));
        }
        Ok(GaussianScore { lattice, schedule, covariance })
    }

    /// The free field: phi^4 at lambda = 0, C_p = 1 / (2 - 4 kappa sum_mu cos p_mu).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless |kappa| < 1 / (2 rank).
    pub fn free_field(lattice: Lattice, schedule: Schedule, kappa: f64) -> Result<Self> {
        let covariance: Vec<f64> = (0..lattice.sites())
            .map(|p| {
                let momenta = lattice.coordinates(p).into_iter().zip(lattice.extents());
                let cosines = momenta.map(|(k, &n)| (std::f64::consts::TAU * k as f64 / n as f64).cos());
                1.0 / (2.0 - 4.0 * kappa * cosines.sum::<f64>())
            })
            .collect();
        if !(kappa.abs() * 2.0 * (lattice.rank() as f64) < 1.0) {
            return Err(Error::invalid("kappa", kappa, "|kappa| < 1/(2 rank): the free field is unstable"));
        }
        Self::new(lattice, schedule, covariance)
    }
}

impl Score for GaussianScore {
    fn lattice(&self) -> &Lattice {
        &self.lattice
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn covariance(&self) -> &[f64] {
        &self.covariance
    }

    fn posterior(&self, noise: f64) -> Posterior {
        Posterior { variance: wiener_error(&self.covariance, noise), response: None }
    }

    fn fingerprint(&self) -> u64 {
        let mut hash = crc32fast::Hasher::new();
        self.covariance.iter().for_each(|value| hash.update(&value.to_le_bytes()));
        u64::from(hash.finalize()) | 1 << 32
    }

    fn evaluator(self: Arc<Self>, _threads: usize) -> Result<Box<dyn Evaluator>> {
        let fourier = LatticeFourier::new(&self.lattice);
        let multiplier = vec![0.0; self.covariance.len()];
        Ok(Box::new(GaussianEvaluator { score: self, fourier, multiplier }))
    }
}

/// Mean squared error of the Wiener filter, C noise^2 / (C + noise^2).
pub(super) fn wiener_error(covariance: &[f64], noise: f64) -> Vec<f64> {
    let xi = noise * noise;
    covariance.iter().map(|&c| c * xi / (c + xi)).collect()
}

/// The Wiener filter C / (C + noise^2).
pub(crate) fn wiener_filter(covariance: &[f64], noise: f64, out: &mut [f64]) {
    let xi = noise * noise;
    out.iter_mut().zip(covariance).for_each(|(gain, &c)| *gain = c / (c + xi));
}

struct GaussianEvaluator {
    score: Arc<GaussianScore>,
    fourier: LatticeFourier,
    multiplier: Vec<f64>,
}

impl Evaluator for GaussianEvaluator {
    fn denoise(&mut self, noise: &[f64], fields: &[f64], denoised: &mut [f64]) -> Result<()> {
        let sites = self.multiplier.len();
        require_length("fields", fields.len(), noise.len() * sites)?;
        require_length("denoised fields", denoised.len(), fields.len())?;
        let batch = noise.iter().zip(fields.chunks_exact(sites)).zip(denoised.chunks_exact_mut(sites));
        for ((&noise, field), denoised) in batch {
            wiener_filter(&self.score.covariance, noise, &mut self.multiplier);
            self.fourier.filter(field, &self.multiplier, denoised);
        }
        Ok(())
    }
}
