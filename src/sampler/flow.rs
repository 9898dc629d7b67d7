//! The probability flow in whitened coordinates.
//!
//! With y = phi / f and the noise n = sqrt(Xi) / f relative to the signal, the probability flow
//! dphi = \[-1/2 k phi - 1/2 g^2 s\] dt becomes dy/dn = (y - D(y, n)) / n for every schedule, D being the denoised
//! field. In the modes of the data, of covariance C_p,
//!
//!   y_p = sqrt(C_p + n^2) w_p,   dw_p/dn = -(D - W y)_p / (n sqrt(C_p + n^2)),   W_p = C_p / (C_p + n^2),
//!
//! because d sqrt(C + n^2)/dn = n / sqrt(C + n^2) and y - W y = n^2 y / (C + n^2). For a free field of covariance
//! C nothing moves: only the interaction is left to integrate. D - W y vanishes as n^2 for n -> 0, so the
//! flow ends at n = 0, where it stands still. Its variable is u with n = scale sinh(u), du = dn /
//! sqrt(scale^2 + n^2): linear below the narrowest mode of the data, logarithmic above.

use super::ode;
use crate::error::Result;
use crate::fourier::LatticeFourier;
use crate::lattice::Lattice;
use crate::score::{Evaluator, Score, wiener_filter};
use std::sync::Arc;

/// Coordinates of the flow and the memory to change between them.
pub(super) struct FlowCoordinates {
    covariance: Vec<f64>,
    scale: f64,
    fourier: LatticeFourier,
    multiplier: Vec<f64>,
    filtered: Vec<f64>,
}

impl FlowCoordinates {
    pub fn new(lattice: &Lattice, covariance: &[f64]) -> Self {
        let smallest = covariance.iter().copied().fold(f64::INFINITY, f64::min);
        FlowCoordinates {
            covariance: covariance.to_vec(),
            scale: smallest.sqrt(),
            fourier: LatticeFourier::new(lattice),
            multiplier: vec![0.0; covariance.len()],
            filtered: vec![0.0; covariance.len()],
        }
    }

    /// u of a noise.
    pub fn variable(&self, noise: f64) -> f64 {
        libm::asinh(noise / self.scale)
    }

    /// The noise at u.
    pub fn noise(&self, variable: f64) -> f64 {
        self.scale * libm::sinh(variable)
    }

    /// dn/du / n, by which (y - D) is multiplied to give dy/du.
    pub fn rate(&self, noise: f64) -> f64 {
        libm::hypot(self.scale, noise) / noise
    }

    /// sum_p W_p.
    pub fn filter_trace(&self, noise: f64) -> f64 {
        self.covariance.iter().map(|c| c / (c + noise * noise)).sum()
    }

    /// y from w.
    pub fn colour(&mut self, noise: f64, white: &[f64], field: &mut [f64]) {
        for (m, c) in self.multiplier.iter_mut().zip(&self.covariance) {
            *m = (c + noise * noise).sqrt();
        }
        self.fourier.filter(white, &self.multiplier, field);
    }

    /// w from y.
    pub fn whiten(&mut self, noise: f64, field: &[f64], white: &mut [f64]) {
        for (m, c) in self.multiplier.iter_mut().zip(&self.covariance) {
            *m = 1.0 / (c + noise * noise).sqrt();
        }
        self.fourier.filter(field, &self.multiplier, white);
    }

    /// Turns D(y) into D(y) - W y.
    pub fn subtract_filtered(&mut self, noise: f64, field: &[f64], denoised: &mut [f64]) {
        wiener_filter(&self.covariance, noise, &mut self.multiplier);
        self.fourier.filter(field, &self.multiplier, &mut self.filtered);
        denoised.iter_mut().zip(&self.filtered).for_each(|(d, w)| *d -= w);
    }

    /// dw/du from y and D(y); `denoised` is overwritten.
    pub fn velocity(&mut self, noise: f64, field: &[f64], denoised: &mut [f64], velocity: &mut [f64]) {
        self.subtract_filtered(noise, field, denoised);
        let rate = self.rate(noise);
        denoised.iter_mut().for_each(|d| *d *= -rate);
        self.whiten(noise, denoised, velocity);
    }

    /// log|det dy/dw| = 1/2 sum_p ln(C_p + n^2).
    pub fn log_volume(&self, noise: f64) -> f64 {
        0.5 * self.covariance.iter().map(|&c| libm::log(c + noise * noise)).sum::<f64>()
    }

    /// Log of the density of phi = y at noise 0 over that of w: -1/2 sum_p ln C_p.
    pub fn log_jacobian(&self) -> f64 {
        -self.log_volume(0.0)
    }
}

/// Log of the standard normal density at w, from -|w|^2/2 and the normalisation.
pub(super) fn log_standard_normal(white: &[f64]) -> f64 {
    let square: f64 = white.iter().map(|w| w * w).sum();
    -0.5 * (square + white.len() as f64 * libm::log(std::f64::consts::TAU))
}

/// What follows the flow on one thread.
pub(super) struct FlowWorker {
    evaluator: Box<dyn Evaluator>,
    coordinates: FlowCoordinates,
    field: Vec<f64>,
    denoised: Vec<f64>,
}

impl FlowWorker {
    pub fn new(score: &Arc<dyn Score>, coordinates: FlowCoordinates) -> Result<Self> {
        let values = score.lattice().values();
        let evaluator = score.clone().evaluator(1)?;
        Ok(FlowWorker { evaluator, coordinates, field: vec![0.0; values], denoised: vec![0.0; values] })
    }

    /// Carries white noise w at noise `from` to y at noise `to`.
    pub fn follow(&mut self, (from, to): (f64, f64), tolerance: f64, field: &mut [f64]) -> Result<()> {
        let ends = (self.coordinates.variable(from), self.coordinates.variable(to));
        let mut state = field.to_vec();
        let mut velocity = |u: f64, white: &[f64], out: &mut [f64]| {
            let noise = self.coordinates.noise(u);
            if noise <= 0.0 {
                out.fill(0.0);
                return Ok(());
            }
            self.coordinates.colour(noise, white, &mut self.field);
            self.evaluator.denoise(&[noise], &self.field, &mut self.denoised)?;
            self.coordinates.velocity(noise, &self.field, &mut self.denoised, out);
            Ok(())
        };
        ode::integrate(&mut velocity, ends, &mut state, tolerance)?;
        self.coordinates.colour(to, &state, field);
        Ok(())
    }
}
