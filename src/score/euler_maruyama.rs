//! The reverse kernels of the literature: Euler-Maruyama.

use super::{Differential, Evaluator, ReverseStep, Score, Walker};
use crate::diffusion::{Posterior, Schedule, ZeroMode};
use crate::error::Result;
use crate::lattice::Lattice;
use std::sync::Arc;

/// A score model whose paths take Gaussian steps of the variance of the forward step. In the variance-expanding scheme
///
///   x_(n-1) = x_n + (Xi_n - Xi_(n-1)) s(x_n, t_n) + sqrt(Xi_n - Xi_(n-1)) z,
///
/// the Euler-Maruyama discretisation that the literature samples with (Wang, Aarts, Zhou, JHEP 05 (2024) 060,
/// eq. 3.5), its g^2 dt integrated over the step. It is the posterior form with R = Xi, that of a flat prior. Everything
/// else is the model's own.
pub struct EulerMaruyamaNoise(Arc<dyn Score>);

impl EulerMaruyamaNoise {
    /// The same model with these steps.
    pub fn new(score: Arc<dyn Score>) -> Self {
        EulerMaruyamaNoise(score)
    }
}

impl Score for EulerMaruyamaNoise {
    fn lattice(&self) -> &Lattice {
        self.0.lattice()
    }

    fn schedule(&self) -> &Schedule {
        self.0.schedule()
    }

    fn covariance(&self) -> &[f64] {
        self.0.covariance()
    }

    fn posterior(&self, noise: f64) -> Posterior {
        let variance = vec![noise * noise; self.0.covariance().len()];
        Posterior { variance, response: None, zero_mode: None, flux: None }
    }

    fn zero_mode(&self) -> Option<ZeroMode> {
        self.0.zero_mode()
    }

    fn adapting(&self) -> bool {
        self.0.adapting()
    }

    fn smallest_noise(&self) -> f64 {
        self.0.smallest_noise()
    }

    fn fingerprint(&self) -> u64 {
        // Paths differ from those of the model: saved chains must not be mixed up.
        !self.0.fingerprint()
    }

    fn evaluator(self: Arc<Self>, threads: usize) -> Result<Box<dyn Evaluator>> {
        self.0.clone().evaluator(threads)
    }

    fn walker(self: Arc<Self>, steps: &[ReverseStep], batch: usize, threads: usize) -> Result<Option<Box<dyn Walker>>> {
        self.0.clone().walker(steps, batch, threads)
    }

    fn differential(self: Arc<Self>) -> Result<Box<dyn Differential>> {
        self.0.clone().differential()
    }

    fn has_exact_derivatives(&self) -> bool {
        self.0.has_exact_derivatives()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::Transition;
    use crate::score::GaussianScore;

    #[test]
    fn a_step_has_mean_and_variance_of_euler_maruyama() {
        let schedule = Schedule::variance_expanding(25.0).unwrap();
        let model = GaussianScore::free_field(Lattice::new(&[4, 4]).unwrap(), schedule, 0.2).unwrap();
        let score = EulerMaruyamaNoise::new(Arc::new(model));
        let step = Transition::new(&schedule, 0.4, 0.5);
        let difference = schedule.variance(0.5) - schedule.variance(0.4);
        for variance in score.posterior(step.noise).variance {
            assert!((step.reverse_variance(variance) / difference - 1.0).abs() < 1e-12);
        }
        let (x, s) = (1.3, -0.7);
        let denoised = x + schedule.variance(0.5) * s;
        let mean = step.state_weight * x + step.data_weight * denoised;
        assert!((mean - (x + difference * s)).abs() < 1e-12);
    }
}
