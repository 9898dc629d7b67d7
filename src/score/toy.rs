//! The exact score of the quartic toy model at every site, by quadrature.
//!
//! The clean variable given a noisy one has the density exp(-a/2 y^2 - g/24 y^4 + b y) with
//! a = mu2 + 1/noise^2 and b = x/noise^2, whose moments a trapezoidal rule around its own mode gives to
//! nearly full precision: D is accurate to 1e-11 (1 + |D|) for noise from 1e-4 to 1e10, at about 200
//! exponentials.

use super::pointwise::{PointwiseEvaluator, SiteLaw, white_covariance};
use super::{Differential, Evaluator, Score, smallest_noise};
use crate::action::{ToyLaw, one_component};
use crate::diffusion::{Posterior, Schedule};
use crate::error::Result;
use crate::lattice::Lattice;
use std::sync::Arc;

/// Quartic data, independent from site to site.
pub struct ToyScore {
    lattice: Lattice,
    schedule: Schedule,
    law: ToyLaw,
    covariance: Vec<f64>,
    /// Where the law lives, and the distance of nodes that resolve it.
    range: (f64, f64, f64),
    log_partition: f64,
}

impl ToyScore {
    /// The score of the law with mass squared `mu2` and coupling `g` at every site of `lattice`.
    ///
    /// # Errors
    /// As [`ToyLaw::new`], and [`crate::Error::InvalidArgument`] for a lattice with more than one component.
    pub fn new(lattice: Lattice, schedule: Schedule, mu2: f64, g: f64) -> Result<Self> {
        one_component(&lattice)?;
        let law = ToyLaw::new(mu2, g)?;
        let covariance = white_covariance(lattice.sites(), &law.moments(2)[1..], &[0.0]);
        let (low, high, step) = law.quartic().range();
        let range = (low.min(-high), high.max(-low), step);
        Ok(ToyScore { lattice, schedule, law, covariance, range, log_partition: law.log_partition() })
    }

    /// The law at one site.
    pub fn law(&self) -> &ToyLaw {
        &self.law
    }

    /// Nodes of the average over noisy values x, on the range of the law widened by the noise: weight (they
    /// sum to one), E\[x_0 | x\] and Var(x_0 | x).
    fn nodes(&self, noise: f64) -> Vec<(f64, f64, f64)> {
        let (low, high, step) = self.range;
        // Wide noise smooths the density; a quarter of its width is then fine enough.
        let step = step.max(0.25 * noise);
        let count = ((low.abs().max(high) + 8.5 * noise) / step).ceil() as i64;
        let mut nodes: Vec<_> = (-count..=count)
            .map(|i| {
                let x = i as f64 * step;
                let posterior = self.law.posterior(x, noise);
                let weight = libm::exp(self.law.log_smoothed_with(self.log_partition, x, noise));
                (weight, posterior.mean, posterior.variance)
            })
            .collect();
        let total: f64 = nodes.iter().map(|node| node.0).sum();
        nodes.iter_mut().for_each(|node| node.0 /= total);
        nodes
    }
}

/// Below this noise the square of the noise is lost beside anything else.
const NO_NOISE: f64 = 1e-100;

impl SiteLaw for ToyScore {
    fn denoise_site(&self, noise: f64, x: &[f64], denoised: &mut [f64]) {
        denoised[0] = if noise < NO_NOISE { x[0] } else { self.law.posterior(x[0], noise).mean };
    }

    fn tangent_site(&self, noise: f64, x: &[f64], direction: &[f64], change: &mut [f64]) {
        let slope = if noise < NO_NOISE { 1.0 } else { self.law.posterior(x[0], noise).variance / (noise * noise) };
        change[0] = slope * direction[0];
    }
}

impl Score for ToyScore {
    fn lattice(&self) -> &Lattice {
        &self.lattice
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn covariance(&self) -> &[f64] {
        &self.covariance
    }

    /// E Var(x_0 | x) by quadrature over x, relative error below 1e-6.
    fn posterior(&self, noise: f64) -> Posterior {
        let variance = self.nodes(noise).iter().map(|(weight, _, variance)| weight * variance).sum();
        Posterior { variance: vec![variance; self.lattice.sites()], response: None, zero_mode: None, flux: None }
    }

    /// Also well below the width of a well.
    fn smallest_noise(&self) -> f64 {
        let well = if self.law.mu2() < 0.0 { (-0.5 / self.law.mu2()).sqrt() } else { f64::INFINITY };
        smallest_noise(&self.covariance).min(0.2 * well)
    }

    fn fingerprint(&self) -> u64 {
        let mut hash = crc32fast::Hasher::new();
        hash.update(format!("{:?} {:?} {:?}", self.lattice, self.schedule, self.law).as_bytes());
        u64::from(hash.finalize()) | 3 << 32
    }

    fn evaluator(self: Arc<Self>, _threads: usize) -> Result<Box<dyn Evaluator>> {
        Ok(Box::new(PointwiseEvaluator { law: self }))
    }

    fn differential(self: Arc<Self>) -> Result<Box<dyn Differential>> {
        Ok(Box::new(PointwiseEvaluator { law: self }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(mu2: f64, sites: usize) -> Arc<ToyScore> {
        let schedule = Schedule::variance_expanding(25.0).unwrap();
        Arc::new(ToyScore::new(Lattice::new(&[sites]).unwrap(), schedule, mu2, 0.4).unwrap())
    }

    #[test]
    fn the_denoiser_is_the_gradient_of_the_smoothed_density() {
        // Tweedie: D = x + noise^2 d/dx log p; log p comes from the normalisation, D from the mean.
        for mu2 in [1.0, -1.0] {
            let model = model(mu2, 1);
            let mut evaluator = model.clone().evaluator(1).unwrap();
            for noise in [0.05, 0.3, 1.0, 3.0, 30.0] {
                for x in [-2.0, 0.0, 0.3, 1.7] {
                    let x = x * f64::max(2.0, noise);
                    let step = 1e-3 * f64::max(0.1, noise);
                    let log = |k: f64| model.law.log_smoothed(x + k * step, noise);
                    let slope = (8.0 * (log(1.0) - log(-1.0)) - (log(2.0) - log(-2.0))) / (12.0 * step);
                    let mut denoised = [0.0];
                    evaluator.denoise(&[noise], &[x], &mut denoised).unwrap();
                    let expected = x + noise * noise * slope;
                    assert!((denoised[0] - expected).abs() < 1e-8 * (1.0 + noise), "{mu2} {noise} {x}");
                }
            }
        }
    }

    #[test]
    fn the_derivative_is_that_of_the_denoiser_and_the_field_is_pointwise() {
        let model = model(-1.0, 3);
        let mut differential = model.clone().differential().unwrap();
        let mut evaluator = model.clone().evaluator(2).unwrap();
        let (x, direction) = ([-3.0, 0.2, 5.0], [1.0, -0.5, 2.0]);
        for noise in [1e-4, 0.4, 2.0, 40.0] {
            let (mut denoised, mut change) = ([0.0; 3], [0.0; 3]);
            differential.tangents(noise, &x, &direction, &mut denoised, &mut change).unwrap();
            let mut at = |step: f64| {
                let mut out = [0.0; 3];
                let moved: [f64; 3] = std::array::from_fn(|i| x[i] + step * direction[i]);
                evaluator.denoise(&[noise], &moved, &mut out).unwrap();
                out
            };
            assert_eq!(at(0.0), denoised);
            let (up, down) = (at(1e-4), at(-1e-4));
            for i in 0..3 {
                assert!((change[i] - (up[i] - down[i]) / 2e-4).abs() < 1e-7, "noise {noise}, site {i}");
            }
        }
    }

    #[test]
    fn the_conditional_variance_completes_the_variance() {
        for mu2 in [1.0, -1.0] {
            let model = model(mu2, 1);
            for noise in [1e-3, 0.1, 0.5, 1.0, 2.0, 10.0, 1e5] {
                let explained: f64 = model.nodes(noise).iter().map(|(weight, mean, _)| weight * mean * mean).sum();
                let found = model.posterior(noise).variance[0];
                let total = found + explained;
                assert!((total / model.covariance[0] - 1.0).abs() < 1e-6, "mu2 {mu2}, noise {noise}: {total}");
            }
        }
        let pair = Lattice::new(&[1]).unwrap().with_components(2).unwrap();
        assert!(ToyScore::new(pair, *model(1.0, 1).schedule(), 1.0, 0.4).is_err());
    }

    /// The weights of generated paths average to Z for any score; with this one they hardly vary, so that log Z
    /// of the double well, 5.0879, comes out of 1000 paths. z below 4: false alarm below 1e-4, seed fixed.
    #[test]
    fn path_weights_give_the_partition_function() {
        use crate::action::{Action, Toy};
        let (model, mut action) = (model(-1.0, 1), Toy::new(&Lattice::new(&[1]).unwrap(), -1.0, 0.4).unwrap());
        let times = crate::score::optimal_times(&*model, 20, 1.0).unwrap();
        let mut process = crate::kernel::PathProcess::new(model.clone(), &times, true, 1, 1).unwrap();
        let log_weights: Vec<f64> = (0..1000)
            .map(|step| {
                let (mut field, mut log_ratio) = ([0.0], [0.0]);
                let stream = crate::rng::Stream::new(1, 0, step).unwrap();
                process.generate(&[stream], &mut field, &mut log_ratio).unwrap();
                log_ratio[0] - action.action(&field).unwrap()
            })
            .collect();
        let found = crate::analysis::log_mean_weight(&log_weights).unwrap();
        assert!((found.value - model.log_partition).abs() < 4.0 * found.error, "{found:?} {}", model.log_partition);
        assert!(crate::analysis::var_log_weight(&log_weights).unwrap().value < 0.15);
    }
}
