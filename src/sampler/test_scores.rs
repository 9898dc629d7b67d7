//! Scores with closed forms for the tests of this room.

use crate::diffusion::{Posterior, Schedule};
use crate::error::Result;
use crate::lattice::Lattice;
use crate::score::{Differential, Evaluator, Score};
use std::sync::Arc;

/// Independent variables, one a site, each the two-peak mixture of N(+-peak, width^2); the covariance that it
/// claims may be a wrong one, and couples the sites in the coordinates of the flow if it depends on p.
#[derive(Clone)]
pub struct TwoPeaks {
    pub lattice: Lattice,
    pub schedule: Schedule,
    pub peak: f64,
    pub width: f64,
    pub covariance: Vec<f64>,
}

impl TwoPeaks {
    pub fn new(extents: &[usize], schedule: Schedule, peak: f64, width: f64) -> Self {
        let lattice = Lattice::new(extents).unwrap();
        let covariance = vec![peak * peak + width * width; lattice.values()];
        TwoPeaks { lattice, schedule, peak, width, covariance }
    }

    /// Log density of y = x_0 + noise eps.
    pub fn log_density(&self, noise: f64, field: &[f64]) -> f64 {
        let v = self.width * self.width + noise * noise;
        let site = |x: &f64| {
            let cosh = (-0.5 * (x - self.peak).powi(2) / v).exp() + (-0.5 * (x + self.peak).powi(2) / v).exp();
            (0.5 * cosh).ln() - 0.5 * (std::f64::consts::TAU * v).ln()
        };
        field.iter().map(site).sum()
    }

    /// D and its derivative.
    fn denoise(&self, noise: f64, y: f64) -> (f64, f64) {
        let (xi, m) = (noise * noise, self.peak);
        let v = self.width * self.width + xi;
        let tanh = libm::tanh(m * y / v);
        (y + xi / v * (m * tanh - y), 1.0 - xi / v + xi * (m / v).powi(2) * (1.0 - tanh * tanh))
    }
}

impl Score for TwoPeaks {
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
        let variance = self.covariance.iter().map(|c| c * noise * noise / (c + noise * noise)).collect();
        Posterior { variance, response: None, zero_mode: None, flux: None }
    }
    fn fingerprint(&self) -> u64 {
        0
    }
    fn evaluator(self: Arc<Self>, _threads: usize) -> Result<Box<dyn Evaluator>> {
        Ok(Box::new(Shared(self)))
    }
    fn differential(self: Arc<Self>) -> Result<Box<dyn Differential>> {
        Ok(Box::new(Shared(self)))
    }
}

struct Shared(Arc<TwoPeaks>);

impl Evaluator for Shared {
    fn denoise(&mut self, noise: &[f64], fields: &[f64], denoised: &mut [f64]) -> Result<()> {
        let values = self.0.lattice.values();
        for (index, (out, &x)) in denoised.iter_mut().zip(fields).enumerate() {
            *out = self.0.denoise(noise[index / values], x).0;
        }
        Ok(())
    }
}

impl Differential for Shared {
    fn tangents(
        &mut self,
        noise: f64,
        field: &[f64],
        directions: &[f64],
        denoised: &mut [f64],
        changes: &mut [f64],
    ) -> Result<()> {
        for (out, &x) in denoised.iter_mut().zip(field) {
            *out = self.0.denoise(noise, x).0;
        }
        for (index, (out, v)) in changes.iter_mut().zip(directions).enumerate() {
            *out = v * self.0.denoise(noise, field[index % field.len()]).1;
        }
        Ok(())
    }
}

/// Another score whose claimed covariance is replaced.
pub struct Claiming {
    pub score: Arc<dyn Score>,
    pub covariance: Vec<f64>,
}

impl Score for Claiming {
    fn lattice(&self) -> &Lattice {
        self.score.lattice()
    }
    fn schedule(&self) -> &Schedule {
        self.score.schedule()
    }
    fn covariance(&self) -> &[f64] {
        &self.covariance
    }
    fn posterior(&self, noise: f64) -> Posterior {
        self.score.posterior(noise)
    }
    fn fingerprint(&self) -> u64 {
        1
    }
    fn evaluator(self: Arc<Self>, threads: usize) -> Result<Box<dyn Evaluator>> {
        self.score.clone().evaluator(threads)
    }
    fn differential(self: Arc<Self>) -> Result<Box<dyn Differential>> {
        self.score.clone().differential()
    }
}
