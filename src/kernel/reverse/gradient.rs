//! How log B(x_b | x_a) changes with the denoised field, which sets the mean and the covariance.
//!
//! With y = x_b - mean and M the covariance, log B = -1/2 log det M - 1/2 y M^-1 y + const, so that
//!
//!   d log B / d mean = M^-1 y,   d log B / d log S_p = Re(y_p^* (M^-1 y)_p) - 1
//!
//! without `local.rs`, whose derivative with respect to -dh is given there; it leaves the second of these as it is, for S_p
//! multiplies from both sides. A zero mode of two peaks counts from the offsets of the peaks, each with its probability;
//! the rest is the chain rule through `ReverseKernel::shape`.

use super::{LatticeFourier, LocalGradient, Offsets, Response, ReverseKernel, Shape, zero_mode};
use crate::diffusion::FACTOR;

/// d log B / d (denoised field), and scratch.
pub(crate) struct KernelGradient {
    /// One value a site, through the mean and through the covariance.
    pub denoised: Vec<f64>,
    residual: Vec<f64>,
    /// Re(y_p^* (M^-1 y)_p).
    power: Vec<f64>,
    whitened: Vec<f64>,
    unit: Vec<f64>,
    curvature: Vec<f64>,
    scratch: [Vec<f64>; 2],
}

impl KernelGradient {
    /// Memory for fields of `values` numbers.
    pub fn new(values: usize) -> Self {
        let field = || vec![0.0; values];
        KernelGradient {
            denoised: field(),
            residual: field(),
            power: field(),
            whitened: field(),
            unit: field(),
            curvature: field(),
            scratch: [field(), field()],
        }
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
        self.shape(scaled, denoised, shape);
        let g = gradient;
        for (index, y) in g.residual.iter_mut().enumerate() {
            *y = lower[index] - self.mean(upper[index], denoised[index]);
        }
        self.whiten(fourier, shape, g);
        let weight = self.transition.data_weight;
        g.denoised.iter_mut().zip(&g.whitened).for_each(|(out, q)| *out = weight * q);
        if let Some(response) = &self.posterior.response {
            let given = self.posterior.zero_mode.map(|law| law.given(zero_mode(scaled), self.transition.noise));
            self.through_spectrum(response, (denoised, given.map_or(0.0, |given| given.between())), shape, g);
            if self.local.is_some() {
                through_local(response, denoised, g);
            }
        }
    }

    /// M^-1 y, the power and what `local.rs` has, all averaged over the peaks that y may belong to.
    fn whiten(&self, fourier: &mut LatticeFourier, shape: &mut Shape, g: &mut KernelGradient) {
        let peaks = shape.peaks != Offsets::default();
        let (mean, square) = match &self.local {
            Some(kernel) => {
                let out = LocalGradient { whitened: &mut g.whitened, unit: &mut g.unit, curvature: &mut g.curvature };
                shape.local.gradient(kernel, &shape.peaks, fourier, &g.residual, out)
            }
            None => {
                g.scratch[0].iter_mut().zip(&shape.deviation).for_each(|(weight, s)| *weight = 1.0 / (s * s));
                fourier.filter(&g.residual, &g.scratch[0], &mut g.whitened);
                let s = shape.deviation[0];
                g.unit.fill(1.0 / (s * (g.residual.len() as f64).sqrt()));
                if peaks { shape.peaks.given(zero_mode(&g.residual) / s, 1.0) } else { (0.0, 0.0) }
            }
        };
        let [a, b] = &mut g.scratch;
        g.power.fill(0.0);
        a.fill(0.0);
        b.fill(0.0);
        if !peaks {
            fourier.accumulate_cross_power(&g.residual, &g.whitened, [a, b, &mut g.power]);
            return;
        }
        // Of the offset o S_0 only the zero mode of y knows, but all of M^-1 y.
        let s = shape.deviation[0];
        let (y, q, e) = (zero_mode(&g.residual), zero_mode(&g.whitened), zero_mode(&g.unit));
        g.whitened.iter_mut().zip(&g.unit).for_each(|(q, e)| *q -= mean * e);
        fourier.accumulate_cross_power(&g.residual, &g.whitened, [a, b, &mut g.power]);
        g.power[0] = y * q - mean * (s * q + y * e) + square * s * e;
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
                let by_variance = 0.5 * weight * (g.power[p] - 1.0) / (shape.deviation[p] * shape.deviation[p]);
                by_strength += by_variance * r * (response.linear[p] + 2.0 * response.quadratic[p] * u);
            }
        }
        if u.abs() < 4.0 {
            let scale = 2.0 * by_strength / (denoised.len() as f64 * response.mean_square.1);
            g.denoised.iter_mut().zip(denoised).for_each(|(out, d)| *out += scale * d);
        }
    }
}

fn through_local(response: &Response, denoised: &[f64], g: &mut KernelGradient) {
    let mean = g.curvature.iter().sum::<f64>() / denoised.len() as f64;
    let [square, quartic] = response.curvature;
    for ((out, &k), &d) in g.denoised.iter_mut().zip(&g.curvature).zip(denoised) {
        let (k, d2) = (k - mean, d * d);
        *out += k * d * (2.0 * square + 4.0 * quartic * d2);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{example, normals};
    use super::*;
    use crate::lattice::Lattice;

    /// log B up to a constant, by the functions that the chains use.
    fn log_density(kernel: &ReverseKernel, fourier: &mut LatticeFourier, fields: &[Vec<f64>; 3]) -> f64 {
        let [upper, lower, denoised] = fields;
        let mut shape = Shape::new(16);
        let log_normalisation = kernel.shape(upper, denoised, &mut shape);
        let residual: Vec<f64> = (0..16).map(|x| lower[x] - kernel.mean(upper[x], denoised[x])).collect();
        -log_normalisation - kernel.cost(fourier, &mut shape, &residual)
    }

    /// Against the central difference of the density that the chains use, with one peak and with two.
    #[test]
    fn the_gradient_is_that_of_the_density() {
        let lattice = Lattice::new(&[4, 4]).unwrap();
        let mut fourier = LatticeFourier::new(&lattice);
        for peaks in [false, true] {
            let kernel = example(&lattice, peaks);
            let fields = [normals(0), normals(1), normals(2)];
            let (mut shape, mut gradient) = (Shape::new(16), KernelGradient::new(16));
            let [upper, lower, denoised] = &fields;
            kernel.gradient(&mut fourier, (upper, lower), (upper, denoised), &mut shape, &mut gradient);
            assert_eq!(shape.peaks != Offsets::default(), peaks);
            assert!(gradient.curvature.iter().any(|k| k.abs() > 1e-3), "the local part must act");
            for site in 0..16 {
                let mut at = |step: f64| {
                    let mut moved = fields.clone();
                    moved[2][site] += step;
                    log_density(&kernel, &mut fourier, &moved)
                };
                let (numeric, exact) = ((at(1e-5) - at(-1e-5)) / 2e-5, gradient.denoised[site]);
                assert!((numeric - exact).abs() < 1e-6 * (1.0 + exact.abs()), "{peaks} {site}: {numeric} {exact}");
            }
        }
    }
}
