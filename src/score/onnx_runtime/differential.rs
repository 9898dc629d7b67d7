//! Derivatives of a network on ONNX Runtime.
//!
//! Where the graph has the output "vjp" = J^T "cotangent" of its network's derivative J, all of J is had from one such product a
//! value; that is what an exact trace takes, and exact up to the network's own rounding.
//!
//! Else central differences, D'(x) v = (D(x + h v) - D(x - h v)) / 2h. Their error has two parts. The rounding of the network (b
//! bits) is amplified to 2^-b |D| / h |v|, and the curvature adds h^2 |v|^2 |D'''| / 6. With the step that makes
//! both equal where D''' is of order |D| / nu^2, h |v| = (3 2^-b)^(1/3) nu, the relative error is some 2^(-2b/3): about 4e-5 in
//! single, 2e-10 in double precision and 8e-3 in half precision, times how much larger the field is than nu. A
//! test compares with exact derivatives (`tests/onnx_runtime.rs`). A log density by its trace is an estimate of that
//! quality; the exact kernel `likelihood` refuses such a model.

use super::evaluator::{Order, Worker};
use super::network::Network;
use super::opening::OnnxScore;
use super::signature::Element;
use crate::error::Result;
use crate::score::{Differential, Evaluator, Score, require_tangents};
use std::sync::Arc;

/// Directions whose differences are evaluated in one call.
const TOGETHER: usize = 32;

pub(super) struct NetworkDifferential {
    score: Arc<OnnxScore>,
    evaluator: Box<dyn Evaluator>,
    /// For products with the transposed derivative; given back at the end.
    network: Option<Network>,
    worker: Worker,
    /// 2^-b of the network's arithmetic.
    rounding: f64,
    moved: Vec<f64>,
    found: Vec<f64>,
}

impl NetworkDifferential {
    pub fn new(score: Arc<OnnxScore>) -> Result<Self> {
        let network = if score.has_adjoint() { Some(score.take()?) } else { None };
        let rounding = match score.signature().output.1 {
            Element::Half => f64::powi(2.0, -11),
            Element::Single => f64::powi(2.0, -24),
            Element::Double => f64::powi(2.0, -53),
        };
        let evaluator = score.clone().evaluator(1)?;
        Ok(NetworkDifferential {
            score,
            evaluator,
            network,
            worker: Worker::default(),
            rounding,
            moved: vec![],
            found: vec![],
        })
    }

    fn differences(&mut self, noise: f64, field: &[f64], directions: &[f64], changes: &mut [f64]) -> Result<()> {
        let values = field.len();
        let parts = directions.chunks(TOGETHER * values).zip(changes.chunks_mut(TOGETHER * values));
        for (directions, changes) in parts {
            let steps: Vec<f64> = directions.chunks_exact(values).map(|v| self.step(noise, v)).collect();
            self.moved.clear();
            for (direction, h) in directions.chunks_exact(values).zip(&steps) {
                for h in [*h, -h] {
                    self.moved.extend(field.iter().zip(direction).map(|(x, v)| x + h * v));
                }
            }
            self.found.resize(self.moved.len(), 0.0);
            let levels = vec![noise; 2 * steps.len()];
            self.evaluator.denoise(&levels, &self.moved, &mut self.found)?;
            let pairs = self.found.chunks_exact(2 * values).zip(changes.chunks_exact_mut(values)).zip(&steps);
            for ((pair, change), h) in pairs {
                let (ahead, behind) = pair.split_at(values);
                let slopes = ahead.iter().zip(behind).map(|(a, b)| (a - b) / (2.0 * h));
                change.iter_mut().zip(slopes).for_each(|(change, slope)| *change = slope);
            }
        }
        Ok(())
    }

    /// h for a direction, 0-safe.
    fn step(&self, noise: f64, direction: &[f64]) -> f64 {
        let length = direction.iter().map(|v| v * v).sum::<f64>().sqrt();
        libm::cbrt(3.0 * self.rounding) * noise / length.max(f64::MIN_POSITIVE.sqrt())
    }

    /// Row by row of the transposed derivative: change_i = kept v_i + gain input (J v)_i.
    fn products(&mut self, noise: f64, field: &[f64], directions: &[f64], changes: &mut [f64]) -> Result<()> {
        let (score, values) = (self.score.clone(), field.len());
        let Some(network) = &mut self.network else { return Ok(()) };
        let order = Order::of(score.signature());
        let size = score.signature().batch.unwrap_or(score.together().largest());
        let mut row = 0;
        while row < values {
            let served = size.min(values - row);
            let fields: Vec<f64> = (0..served).flat_map(|_| field.iter().copied()).collect();
            let (noises, mut cotangents) = (vec![noise; served], vec![0.0; size * values]);
            order.for_each(|index, place| {
                if (row..row + served).contains(&index) {
                    cotangents[(index - row) * values + place] = 1.0;
                }
            });
            self.worker.prepare(score.convention(), score.signature(), (&noises, &fields), size);
            self.found.resize(size * values, 0.0);
            let (levels, times, inputs) = self.worker.prepared();
            let level = levels[0];
            network.adjoint(times, inputs, &cotangents, &mut self.found)?;
            for (index, gradient) in (row..row + served).zip(self.found.chunks_exact(values)) {
                for (direction, change) in directions.chunks_exact(values).zip(changes.chunks_exact_mut(values)) {
                    let mut sum = 0.0;
                    order.for_each(|i, place| sum += gradient[place] * direction[i]);
                    change[index] = level.kept * direction[index] + level.gain * level.input * sum;
                }
            }
            row += served;
        }
        Ok(())
    }
}

impl Differential for NetworkDifferential {
    fn tangents(
        &mut self,
        noise: f64,
        field: &[f64],
        directions: &[f64],
        denoised: &mut [f64],
        changes: &mut [f64],
    ) -> Result<()> {
        let values = self.score.lattice().values();
        require_tangents(values, field, directions, denoised, changes)?;
        self.evaluator.denoise(&[noise], field, denoised)?;
        if noise == 0.0 {
            // Without noise the denoiser is the identity.
            changes.copy_from_slice(directions);
            return Ok(());
        }
        let inside = noise <= self.score.convention().largest_noise();
        match self.network.is_some() && inside && directions.len() >= values * values {
            true => self.products(noise, field, directions, changes),
            false => self.differences(noise, field, directions, changes),
        }
    }
}

impl Drop for NetworkDifferential {
    fn drop(&mut self) {
        if let Some(network) = self.network.take() {
            self.score.give_back(network);
        }
    }
}
