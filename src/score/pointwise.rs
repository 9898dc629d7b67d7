//! Score models of laws that are independent from site to site: one vector of n components each.

use super::{Differential, Evaluator, Score, require_tangents};
use crate::action::gather;
use crate::error::{Result, require_length};
use crate::lattice::MAX_COMPONENTS;
use std::sync::Arc;

/// What a score model of independent sites knows about one site. Noise is relative to the signal, and
/// x is divided by the signal factor.
pub(super) trait SiteLaw: Score {
    /// E\[x_0 | x\].
    fn denoise_site(&self, noise: f64, x: &[f64], denoised: &mut [f64]);

    /// (d E\[x_0 | x\] / dx) direction = Cov(x_0 | x) direction / noise^2, after the denoised vector.
    fn tangent_site(&self, noise: f64, x: &[f64], direction: &[f64], change: &mut [f64]);
}

/// Evaluates a [`SiteLaw`]; allocates nothing.
pub(super) struct PointwiseEvaluator<L> {
    pub law: Arc<L>,
}

impl<L: SiteLaw> PointwiseEvaluator<L> {
    fn field(&self, noise: f64, field: &[f64], denoised: &mut [f64]) {
        let (sites, n) = (self.law.lattice().sites(), self.law.lattice().components());
        let mut out = [0.0; MAX_COMPONENTS];
        for site in 0..sites {
            let x = gather(field, sites, site);
            self.law.denoise_site(noise, &x[..n], &mut out[..n]);
            scatter(&out[..n], sites, site, denoised);
        }
    }
}

fn scatter(values: &[f64], sites: usize, site: usize, field: &mut [f64]) {
    field[site..].iter_mut().step_by(sites).zip(values).for_each(|(x, value)| *x = *value);
}

impl<L: SiteLaw> Evaluator for PointwiseEvaluator<L> {
    fn denoise(&mut self, noise: &[f64], fields: &[f64], denoised: &mut [f64]) -> Result<()> {
        let values = self.law.lattice().values();
        require_length("fields", fields.len(), noise.len() * values)?;
        require_length("denoised fields", denoised.len(), fields.len())?;
        let batch = noise.iter().zip(fields.chunks_exact(values)).zip(denoised.chunks_exact_mut(values));
        batch.for_each(|((&noise, field), denoised)| self.field(noise, field, denoised));
        Ok(())
    }
}

impl<L: SiteLaw> Differential for PointwiseEvaluator<L> {
    fn tangents(
        &mut self,
        noise: f64,
        field: &[f64],
        directions: &[f64],
        denoised: &mut [f64],
        changes: &mut [f64],
    ) -> Result<()> {
        let lattice = self.law.lattice();
        let (values, sites, n) = (lattice.values(), lattice.sites(), lattice.components());
        require_tangents(values, field, directions, denoised, changes)?;
        self.field(noise, field, denoised);
        let mut out = [0.0; MAX_COMPONENTS];
        for (direction, change) in directions.chunks_exact(values).zip(changes.chunks_exact_mut(values)) {
            for site in 0..sites {
                let (x, d) = (gather(field, sites, site), gather(direction, sites, site));
                self.law.tangent_site(noise, &x[..n], &d[..n], &mut out[..n]);
                scatter(&out[..n], sites, site, change);
            }
        }
        Ok(())
    }
}

/// The spectrum of a field of independent sites whose component i has `variances[i]` and `means[i]`:
/// <|phi_p|^2> is the variance, plus V mean^2 at zero momentum.
pub(super) fn white_covariance(sites: usize, variances: &[f64], means: &[f64]) -> Vec<f64> {
    let mut covariance = Vec::with_capacity(sites * variances.len());
    for (&variance, &mean) in variances.iter().zip(means) {
        covariance.push(variance + sites as f64 * mean * mean);
        covariance.resize(covariance.len() + sites - 1, variance);
    }
    covariance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_sits_at_zero_momentum() {
        assert_eq!(white_covariance(3, &[1.0, 2.0], &[0.0, 0.5]), [1.0, 1.0, 1.0, 2.75, 2.0, 2.0]);
    }
}
