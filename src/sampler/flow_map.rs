//! A discrete map from white noise to configurations whose density is known exactly.
//!
//! Likelihood independence Metropolis (Wang, Aarts, Zhou, JHEP 05 (2024) 060, eq. 4.13) is exact only with the
//! density of the very map that draws the proposals. The probability flow has no such formula once it is
//! integrated by steps and its divergence with them; a map made of few steps has, however coarse it is:
//! each is the implicit midpoint rule in the whitened coordinates of the flow (`flow.rs`),
//!
//!   w_b = w_a + h G(m),  m = (w_a + w_b)/2,  |det dw_b/dw_a| = |det(1 + h/2 J)| / |det(1 - h/2 J)|,
//!
//! J = dG/dm being the dense Jacobian, G and J at the middle of the step. The rule is symmetric: its inverse is the
//! same rule with -h. Where a step is too large for the network, m is not unique. A step therefore counts
//! only if solving from either end finds the same m and both determinants are positive; else the map has no value
//! there, q = 0. What remains is a bijection between the two sets, and q its density, of total mass
//! below one by the part of the noise that is refused.

use super::flow::{FlowCoordinates, log_standard_normal};
use crate::error::{Error, Result, require_finite, require_length};
use crate::linear;
use crate::rng::{Purpose, Stream};
use crate::score::{Differential, Score};
use std::sync::Arc;

/// The iteration for m ends when no component changes by more, relative to the largest.
const CONVERGED: f64 = 1e-13;
/// Largest distance, relative to the largest component, of the two solutions that count as one.
const SAME: f64 = 1e-9;
/// Most iterations for m.
const MOST_ITERATIONS: usize = 60;
/// Earlier iterations that Anderson's acceleration combines.
const MEMORY: usize = 5;

/// The map of one score model over fixed noise levels.
pub struct FlowMap {
    values: usize,
    /// The variable u of each level, ascending from 0.
    levels: Vec<f64>,
    coordinates: FlowCoordinates,
    differential: Box<dyn Differential>,
    evaluations: u64,
    field: Vec<f64>,
    denoised: Vec<f64>,
    velocity: Vec<f64>,
    directions: Vec<f64>,
    changes: Vec<f64>,
}

impl FlowMap {
    /// The map with one step a time: from the last of `times` (ascending, in (0, 1]) down to 0. Memory and work of a
    /// step grow as V^2 and V^3 with the number V of values of a field.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for times that do not ascend within (0, 1], or a score model without derivatives.
    pub fn new(score: Arc<dyn Score>, times: &[f64]) -> Result<Self> {
        super::generator::check_times(times)?;
        if !score.has_exact_derivatives() {
            let expected = "one with exact derivatives, which an exact density needs: a native or analytic model, or an \
                            exported network in double precision with its \"vjp\"";
            return Err(Error::invalid("score model", "one whose derivatives are estimates", expected));
        }
        let (values, schedule) = (score.lattice().values(), *score.schedule());
        let coordinates = FlowCoordinates::new(score.lattice(), score.covariance());
        let above = times.iter().map(|&t| coordinates.variable(schedule.noise(t)));
        let mut directions = vec![0.0; values * values];
        (0..values).for_each(|i| directions[i * values + i] = 1.0);
        Ok(FlowMap {
            values,
            levels: std::iter::once(0.0).chain(above).collect(),
            differential: score.clone().differential()?,
            coordinates,
            evaluations: 0,
            field: vec![0.0; values],
            denoised: vec![0.0; values],
            velocity: vec![0.0; values],
            changes: vec![0.0; directions.len()],
            directions,
        })
    }

    /// Evaluations of the denoiser so far, a derivative in one direction counting as one.
    pub fn evaluations(&self) -> u64 {
        self.evaluations
    }

    /// Draws a configuration into `field` and returns its log q; the noise is that of `stream`. `None`: the map has no
    /// value there, `field` is unchanged, and a Markov chain must count a rejection.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`], or what the score model returns.
    pub fn generate(&mut self, stream: &Stream, field: &mut [f64]) -> Result<Option<f64>> {
        require_length("field", field.len(), self.values)?;
        let mut white = vec![0.0; self.values];
        stream.normals(Purpose::Prior, 0, &mut white);
        let mut log_density = log_standard_normal(&white) + self.coordinates.log_jacobian();
        for upper in (1..self.levels.len()).rev() {
            match self.step(upper, upper - 1, &mut white)? {
                Some(log_determinant) => log_density -= log_determinant,
                None => return Ok(None),
            }
        }
        self.coordinates.colour(0.0, &white, field);
        Ok(Some(log_density))
    }

    /// log q of any configuration, by the inverse map; `None` where the map has no value, q = 0.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`], [`Error::NotFinite`], or what the score model returns.
    pub fn log_density(&mut self, field: &[f64]) -> Result<Option<f64>> {
        require_length("field", field.len(), self.values)?;
        require_finite("field", field)?;
        let mut white = vec![0.0; self.values];
        self.coordinates.whiten(0.0, field, &mut white);
        let mut log_density = self.coordinates.log_jacobian();
        for lower in 0..self.levels.len() - 1 {
            match self.step(lower, lower + 1, &mut white)? {
                Some(log_determinant) => log_density += log_determinant,
                None => return Ok(None),
            }
        }
        Ok(Some(log_density + log_standard_normal(&white)))
    }

    /// Moves `white` between two neighbouring levels and returns log|det| of the move.
    fn step(&mut self, from: usize, to: usize, white: &mut Vec<f64>) -> Result<Option<f64>> {
        let step = self.levels[to] - self.levels[from];
        let noise = self.coordinates.noise(0.5 * (self.levels[to] + self.levels[from]));
        let Some(middle) = self.midpoint(noise, 0.5 * step, white)? else { return Ok(None) };
        let end: Vec<f64> = middle.iter().zip(white.iter()).map(|(m, w)| 2.0 * m - w).collect();
        let Some(back) = self.midpoint(noise, -0.5 * step, &end)? else { return Ok(None) };
        if !(distance(&middle, &back) < SAME * scale(&middle)) {
            return Ok(None);
        }
        *white = end;
        self.log_determinant(noise, 0.5 * step, &middle)
    }

    /// G at `middle` into `self.velocity`.
    fn evaluate(&mut self, noise: f64, middle: &[f64]) -> Result<()> {
        self.coordinates.colour(noise, middle, &mut self.field);
        self.differential.tangents(noise, &self.field, &[], &mut self.denoised, &mut [])?;
        self.evaluations += 1;
        self.coordinates.velocity(noise, &self.field, &mut self.denoised, &mut self.velocity);
        Ok(())
    }

    /// Solves m = start + half G(m) by fixed-point iteration with Anderson's acceleration (J. ACM 12 (1965) 547).
    fn midpoint(&mut self, noise: f64, half: f64, start: &[f64]) -> Result<Option<Vec<f64>>> {
        let mut memory = Anderson::default();
        let mut middle = start.to_vec();
        for _ in 0..MOST_ITERATIONS {
            self.evaluate(noise, &middle)?;
            let next: Vec<f64> = start.iter().zip(&self.velocity).map(|(w, g)| w + half * g).collect();
            let change = distance(&next, &middle);
            if !change.is_finite() {
                return Ok(None);
            }
            if change <= CONVERGED * scale(&next) {
                return Ok(Some(next));
            }
            middle = memory.next(middle, next);
        }
        Ok(None)
    }

    /// log|det(1 + half J)| - log|det(1 - half J)|. In the coordinates y, to which those of the flow are
    /// similar, J is -(dD/dy - W) d ln n/du.
    fn log_determinant(&mut self, noise: f64, half: f64, middle: &[f64]) -> Result<Option<f64>> {
        let n = self.values;
        self.coordinates.colour(noise, middle, &mut self.field);
        let (directions, changes) = (&self.directions, &mut self.changes);
        self.differential.tangents(noise, &self.field, directions, &mut self.denoised, changes)?;
        self.evaluations += 1 + n as u64;
        for (direction, change) in directions.chunks_exact(n).zip(changes.chunks_exact_mut(n)) {
            self.coordinates.subtract_filtered(noise, direction, change);
        }
        let factor = -half * self.coordinates.rate(noise);
        let matrix = |sign: f64| -> Vec<f64> {
            let diagonal = |index: usize| if index.is_multiple_of(n + 1) { 1.0 } else { 0.0 };
            changes.iter().enumerate().map(|(index, change)| diagonal(index) + sign * factor * change).collect()
        };
        let (above, above_positive) = linear::log_determinant(&mut matrix(1.0), n);
        let (below, below_positive) = linear::log_determinant(&mut matrix(-1.0), n);
        let log = above - below;
        Ok((log.is_finite() && above_positive && below_positive).then_some(log))
    }
}

/// Earlier points of a fixed-point iteration and their residuals.
#[derive(Default)]
struct Anderson {
    points: Vec<Vec<f64>>,
    residuals: Vec<Vec<f64>>,
}

impl Anderson {
    /// The combination of the images whose residuals, combined likewise, are smallest.
    fn next(&mut self, point: Vec<f64>, image: Vec<f64>) -> Vec<f64> {
        let residual: Vec<f64> = image.iter().zip(&point).map(|(g, m)| g - m).collect();
        // More differences than dimensions would not be independent.
        if self.points.len() > MEMORY.min(point.len()) - 1 {
            self.points.remove(0);
            self.residuals.remove(0);
        }
        let columns: Vec<Vec<f64>> = self.residuals.iter().map(|old| minus(&residual, old)).collect();
        let images: Vec<Vec<f64>> = self
            .points
            .iter()
            .zip(&self.residuals)
            .map(|(point, residual)| minus(&image, &point.iter().zip(residual).map(|(m, r)| m + r).collect::<Vec<_>>()))
            .collect();
        let mut gram: Vec<f64> = columns.iter().flat_map(|a| columns.iter().map(|b| dot(a, b))).collect();
        let mut weights: Vec<f64> = columns.iter().map(|column| dot(column, &residual)).collect();
        linear::solve(&mut gram, &mut weights);
        self.points.push(point);
        self.residuals.push(residual);
        let mut next = image.clone();
        for (weight, change) in weights.iter().zip(&images) {
            next.iter_mut().zip(change).for_each(|(value, c)| *value -= weight * c);
        }
        // Residuals that no longer differ: begin anew.
        if next.iter().all(|value| value.is_finite()) {
            return next;
        }
        self.points.clear();
        self.residuals.clear();
        image
    }
}

fn minus(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Largest difference of a component; NaN if there is one.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, |most, d| if d > most || d.is_nan() { d } else { most })
}

fn scale(values: &[f64]) -> f64 {
    1.0 + values.iter().fold(0.0, |most: f64, value| most.max(value.abs()))
}

#[cfg(test)]
#[path = "flow_map_tests.rs"]
mod tests;
