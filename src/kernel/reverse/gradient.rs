//! How log B(x_b | x_a) changes with the denoised field, which sets the mean and the covariance.
//!
//! With y = Lambda^-1 (x_b - mean), log B = -sum_p log s_p - sum_x log lambda_x - 1/2 sum_p |y_p|^2 / s_p^2 + const, so that
//!
//!   d log B / d mean = Lambda^-1 S^-2 y,   d log B / d log s_p = |y_p|^2 / s_p^2 - 1,
//!   d log B / d log lambda_x = y_x (S^-2 y)_x - 1,
//!
//! with a zero mode of two peaks counted from the mean of the offsets of its peaks, weighted by the probability of each; the rest is the
//! chain rule through `ReverseKernel::shape`. One derivative is left out: how the smoothing kernel of
//! lambda follows R_p, which is of second order in the response.

use super::{FACTOR, LatticeFourier, Response, ReverseKernel, Shape};
use super::{Offsets, zero_mode};

/// d log B / d (denoised field), and scratch.
pub(crate) struct KernelGradient {
    /// One value a site, through the mean and through the covariance.
    pub denoised: Vec<f64>,
    residual: Vec<f64>,
    power: Vec<f64>,
    whitened: Vec<f64>,
    scratch: Vec<f64>,
}

impl KernelGradient {
    /// Memory for fields of `values` numbers.
    pub fn new(values: usize) -> Self {
        let field = || vec![0.0; values];
        KernelGradient { denoised: field(), residual: field(), power: field(), whitened: field(), scratch: field() }
    }
}

impl ReverseKernel {
    /// Fills `gradient` at the step from x_a = `upper` to x_b = `lower`, where `scaled` (x_a / f_a) is denoised to `denoised`.
    pub fn gradient(
        &self,
        fourier: &mut LatticeFourier,
        (upper, lower): (&[f64], &[f64]),
        (scaled, denoised): (&[f64], &[f64]),
        shape: &mut Shape,
        gradient: &mut KernelGradient,
    ) {
        self.shape(fourier, scaled, denoised, shape);
        let g = gradient;
        for (index, y) in g.residual.iter_mut().enumerate() {
            *y = (lower[index] - self.mean(upper[index], denoised[index])) / shape.local[index];
        }
        g.power.fill(0.0);
        fourier.accumulate_power(&g.residual, &mut g.power);
        g.scratch.iter_mut().zip(&shape.deviation).for_each(|(weight, s)| *weight = 1.0 / (s * s));
        fourier.filter(&g.residual, &g.scratch, &mut g.whitened);
        if shape.peaks != Offsets::default() {
            let s = shape.deviation[0];
            let (offset, square) = shape.peaks.given(zero_mode(&g.residual) / s);
            g.power[0] = square * s * s;
            let shift = offset / (s * (g.residual.len() as f64).sqrt());
            g.whitened.iter_mut().for_each(|q| *q -= shift);
        }
        let weight = self.transition.data_weight;
        for ((out, &q), lambda) in g.denoised.iter_mut().zip(&g.whitened).zip(&shape.local) {
            *out = weight * q / lambda;
        }
        if let Some(response) = &self.posterior.response {
            let given = self.posterior.zero_mode.map(|law| law.given(zero_mode(scaled), self.transition.noise));
            self.through_spectrum(response, (denoised, given.map_or(0.0, |given| given.between())), shape, g);
            self.through_local(response, fourier, denoised, shape, g);
        }
    }

    fn through_spectrum(
        &self,
        response: &Response,
        (denoised, undecided): (&[f64], f64),
        shape: &Shape,
        g: &mut KernelGradient,
    ) {
        let u = response.strength(denoised, undecided);
        let weight = self.transition.data_weight * self.transition.data_weight;
        let mut by_strength = 0.0;
        for (p, &r) in self.posterior.variance.iter().enumerate() {
            let factor = response.factor(p, u);
            // A factor at its bound does not move.
            if FACTOR.0 < factor && factor < FACTOR.1 {
                let precision = 1.0 / (shape.deviation[p] * shape.deviation[p]);
                let by_variance = 0.5 * weight * precision * (g.power[p] * precision - 1.0);
                by_strength += by_variance * r * (response.linear[p] + 2.0 * response.quadratic[p] * u);
            }
        }
        if u.abs() < 4.0 {
            let scale = 2.0 * by_strength / (denoised.len() as f64 * response.mean_square.1);
            g.denoised.iter_mut().zip(denoised).for_each(|(out, d)| *out += scale * d);
        }
    }

    fn through_local(
        &self,
        response: &Response,
        fourier: &mut LatticeFourier,
        denoised: &[f64],
        shape: &Shape,
        g: &mut KernelGradient,
    ) {
        for (index, out) in g.scratch.iter_mut().enumerate() {
            let square = shape.local[index] * shape.local[index];
            let inside = FACTOR.0 < square && square < FACTOR.1;
            let change = g.residual[index] * g.whitened[index] - 1.0;
            *out = if inside { 0.5 * change / square } else { 0.0 };
        }
        fourier.filter(&g.scratch, &self.local, &mut g.whitened);
        let mean = g.whitened.iter().sum::<f64>() / denoised.len() as f64;
        let [square, quartic] = response.curvature;
        for ((out, &k), &d) in g.denoised.iter_mut().zip(&g.whitened).zip(denoised) {
            let (k, d2) = (k - mean, d * d);
            *out += k * d * (2.0 * square + 4.0 * quartic * d2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::example;
    use super::*;
    use crate::lattice::Lattice;
    use crate::rng::{Purpose, Stream};

    const SITES: usize = 16;

    /// log B up to a constant, by the functions that the chains use.
    fn log_density(kernel: &ReverseKernel, fourier: &mut LatticeFourier, fields: &[Vec<f64>; 3]) -> f64 {
        let [upper, lower, denoised] = fields;
        let mut shape = Shape::new(SITES);
        let log_normalisation = kernel.shape(fourier, upper, denoised, &mut shape);
        let mut residual: Vec<f64> = (0..SITES).map(|x| lower[x] - kernel.mean(upper[x], denoised[x])).collect();
        -log_normalisation - shape.whitened_cost(fourier, &mut residual)
    }

    /// Against the central difference of the density that the chains use.
    #[test]
    fn the_gradient_is_that_of_the_density() {
        let lattice = Lattice::new(&[4, 4]).unwrap();
        let mut fourier = LatticeFourier::new(&lattice);
        let kernel = example(&lattice, &mut fourier);
        let stream = Stream::new(4, 0, 0).unwrap();
        let mut fields = [vec![0.0; SITES], vec![0.0; SITES], vec![0.0; SITES]];
        for (level, field) in fields.iter_mut().enumerate() {
            stream.normals(Purpose::Diagnostic, level as u32, field);
        }
        let (mut shape, mut gradient) = (Shape::new(SITES), KernelGradient::new(SITES));
        let [upper, lower, denoised] = &fields;
        kernel.gradient(&mut fourier, (upper, lower), (upper, denoised), &mut shape, &mut gradient);
        assert!(shape.peaks != Offsets::default(), "the peaks must act");
        assert!(shape.local.iter().any(|lambda| (lambda - 1.0).abs() > 1e-3), "the local part must act");
        for site in 0..SITES {
            let mut at = |step: f64| {
                let mut moved = fields.clone();
                moved[2][site] += step;
                log_density(&kernel, &mut fourier, &moved)
            };
            let (numeric, exact) = ((at(1e-5) - at(-1e-5)) / 2e-5, gradient.denoised[site]);
            assert!((numeric - exact).abs() < 1e-6 * (1.0 + exact.abs()), "{site}: {numeric} {exact}");
        }
    }
}
