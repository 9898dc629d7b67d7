//! One reverse kernel B(x_b | x_a): Gaussian around a mean from the denoised field D, with the
//! covariance
//!
//!   Lambda S^2 Lambda,  S^2_p = bridge_variance + data_weight^2 R_p(m),  Lambda = diag lambda(x),
//!
//! where the spectrum follows the lattice mean m of D^2 and lambda its local values
//! (`diffusion::Posterior`). A zero mode of two peaks adds that of x_b the offsets of its peaks (`two_peaks.rs`). All are functions of x_a alone, so the density is known exactly: S is
//! diagonal in momentum space, Lambda in position space, and their determinants multiply.

use super::flux::{FluxKernel, FluxState};
use super::two_peaks::Offsets;
use crate::diffusion::{FACTOR, Posterior, Response, Transition, TwoPeaks};
use crate::error::Result;
use crate::fourier::LatticeFourier;
use crate::lattice::Lattice;
use crate::rng::Stream;
use crate::score::zero_mode;

mod gradient;

pub(crate) use gradient::KernelGradient;

/// The kernel of one step.
pub(crate) struct ReverseKernel {
    pub transition: Transition,
    /// f_a, by which a field is divided before it is denoised.
    pub signal: f64,
    posterior: Posterior,
    /// Average S_p; the whole story without a response.
    deviation: Vec<f64>,
    /// sum_p log S_p for the average spectrum.
    log_determinant: f64,
    /// Multiplier of the convolution with data_weight^2 K(r)^2, K = R / S: what a local change of the
    /// curvature does to the variance of the whitened noise.
    local: Vec<f64>,
    /// Of link angles: plaquettes in doubt.
    flux: Option<FluxKernel>,
}

/// The covariance at one x_a, and scratch to find it.
pub(crate) struct Shape {
    /// S_p.
    deviation: Vec<f64>,
    /// lambda(x).
    local: Vec<f64>,
    /// Peaks of the whitened zero mode.
    pub peaks: Offsets,
    /// Of link angles.
    flux: Option<FluxState>,
    scratch: Vec<f64>,
}

impl Shape {
    pub fn new(sites: usize) -> Self {
        Shape {
            deviation: vec![0.0; sites],
            local: vec![1.0; sites],
            peaks: Offsets::default(),
            flux: None,
            scratch: vec![0.0; sites],
        }
    }

    /// For link angles on `lattice`.
    ///
    /// # Errors
    /// Those of [`FluxState::new`].
    pub fn of_links(lattice: &Lattice) -> Result<Self> {
        Ok(Shape { flux: Some(FluxState::new(lattice)?), ..Shape::new(lattice.values()) })
    }

    /// Turns white noise z into Lambda S z.
    pub fn colour(&mut self, fourier: &mut LatticeFourier, white: &[f64], coloured: &mut [f64]) {
        fourier.filter(white, &self.deviation, coloured);
        coloured.iter_mut().zip(&self.local).for_each(|(value, lambda)| *value *= lambda);
    }

    /// -log of the density of the white noise z behind `coloured`, which is overwritten, up to normalisation:
    /// |z|^2 / 2 and what the peaks add.
    fn whitened_cost(&mut self, fourier: &mut LatticeFourier, coloured: &mut [f64]) -> f64 {
        coloured.iter_mut().zip(&self.local).for_each(|(value, lambda)| *value /= lambda);
        self.scratch.iter_mut().zip(&self.deviation).for_each(|(weight, s)| *weight = 1.0 / (s * s));
        0.5 * fourier.quadratic_form(coloured, &self.scratch)
            + match self.peaks == Offsets::default() {
                true => 0.0,
                false => self.peaks.excess(zero_mode(coloured) / self.deviation[0]),
            }
    }
}

impl ReverseKernel {
    /// The kernel of `transition`.
    pub fn new(transition: Transition, signal: f64, posterior: Posterior, fourier: &mut LatticeFourier) -> Self {
        let deviation: Vec<f64> = posterior.variance.iter().map(|&r| transition.reverse_variance(r).sqrt()).collect();
        let mut local = vec![0.0; deviation.len()];
        if posterior.response.is_some() {
            let ratio: Vec<f64> = posterior.variance.iter().zip(&deviation).map(|(r, s)| r / s).collect();
            fourier.squared_kernel(&ratio, &mut local);
            local.iter_mut().for_each(|value| *value *= transition.data_weight.powi(2));
        }
        let log_determinant = deviation.iter().map(|&s| libm::log(s)).sum();
        let flux = posterior.flux.clone();
        let flux = flux.map(|response| FluxKernel::new(response, &transition, (&posterior.variance, &deviation)));
        ReverseKernel { transition, signal, posterior, deviation, log_determinant, local, flux }
    }

    /// Finds the covariance that belongs to `scaled` (x_a / f_a) and its denoised field, and returns log F - log B
    /// without the two exponents: log det(Lambda S) - V/2 log(forward variance).
    pub fn shape(&self, fourier: &mut LatticeFourier, scaled: &[f64], denoised: &[f64], shape: &mut Shape) -> f64 {
        let sites = denoised.len() as f64;
        let forward = 0.5 * sites * libm::log(self.transition.forward_variance);
        let given = self.posterior.zero_mode.map(|law| law.given(zero_mode(scaled), self.transition.noise));
        let Some(response) = &self.posterior.response else {
            shape.deviation.copy_from_slice(&self.deviation);
            shape.local.fill(1.0);
            self.shape_peaks(given, shape);
            let flux = match (&self.flux, &mut shape.flux) {
                (Some(kernel), Some(state)) => state.set(kernel, denoised),
                _ => 0.0,
            };
            return self.log_determinant + flux - forward;
        };
        let undecided = given.map_or(0.0, |given| given.between());
        let spectrum = self.shape_spectrum(response, (denoised, undecided), shape);
        self.shape_peaks(given, shape);
        let local = self.shape_local(response, fourier, denoised, shape);
        spectrum + local - forward
    }

    /// Turns normal noise into noise of the shape's law but for the colour, and returns what -log of its density has
    /// beyond |z|^2 / 2.
    pub fn spread(&self, stream: &Stream, level: u32, shape: &mut Shape, noise: &mut [f64]) -> f64 {
        let peaks = shape.peaks.shift(stream, level, noise);
        match (&self.flux, &mut shape.flux) {
            (Some(kernel), Some(state)) => peaks + state.spread(kernel, stream, level, noise),
            _ => peaks,
        }
    }

    /// -log of the density of the noise behind `coloured`, which is overwritten, up to normalisation.
    pub fn cost(&self, fourier: &mut LatticeFourier, shape: &mut Shape, coloured: &mut [f64]) -> f64 {
        let flux = match (&self.flux, &mut shape.flux) {
            (Some(kernel), Some(state)) => state.coloured_excess(kernel, coloured),
            _ => 0.0,
        };
        flux + shape.whitened_cost(fourier, coloured)
    }

    fn shape_peaks(&self, given: Option<TwoPeaks>, shape: &mut Shape) {
        shape.peaks = match given {
            Some(given) => Offsets::new(&given, self.transition.data_weight, shape.deviation[0]),
            None => Offsets::default(),
        };
    }

    fn shape_spectrum(&self, response: &Response, (denoised, undecided): (&[f64], f64), shape: &mut Shape) -> f64 {
        let strength = response.strength(denoised, undecided);
        // Logarithms are slow; of products of many factors near one they are few.
        let mut product = LogProduct::default();
        for (p, (s, &r)) in shape.deviation.iter_mut().zip(&self.posterior.variance).enumerate() {
            let variance = self.transition.reverse_variance(r * response.factor(p, strength));
            *s = variance.sqrt();
            product.multiply(*s);
        }
        product.log()
    }

    fn shape_local(
        &self,
        response: &Response,
        fourier: &mut LatticeFourier,
        denoised: &[f64],
        shape: &mut Shape,
    ) -> f64 {
        response.curvature_change(denoised, &mut shape.scratch);
        fourier.filter(&shape.scratch, &self.local, &mut shape.local);
        let mut product = LogProduct::default();
        for lambda in &mut shape.local {
            *lambda = (1.0 + *lambda).clamp(FACTOR.0, FACTOR.1).sqrt();
            product.multiply(*lambda);
        }
        product.log()
    }

    /// Mean of x_b at one site.
    pub fn mean(&self, x: f64, denoised: f64) -> f64 {
        self.transition.state_weight * x + self.transition.data_weight * denoised
    }
}

/// log of a product, taken only when the product leaves the comfortable range.
#[derive(Clone, Copy)]
struct LogProduct {
    product: f64,
    sum: f64,
}

impl Default for LogProduct {
    fn default() -> Self {
        LogProduct { product: 1.0, sum: 0.0 }
    }
}

impl LogProduct {
    fn multiply(&mut self, factor: f64) {
        self.product *= factor;
        if !(1e-200..1e200).contains(&self.product) {
            self.sum += libm::log(self.product);
            self.product = 1.0;
        }
    }

    fn log(self) -> f64 {
        self.sum + libm::log(self.product)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::{Schedule, ZeroMode};
    use crate::lattice::Lattice;
    use crate::rng::{Purpose, Stream};

    pub(super) fn example(lattice: &Lattice, fourier: &mut LatticeFourier) -> ReverseKernel {
        let sites = lattice.sites();
        // Even in p by construction: the filter of an even kernel.
        let mut kernel = vec![0.0; sites];
        for (x, value) in kernel.iter_mut().enumerate() {
            let distance: usize =
                lattice.coordinates(x).iter().zip(lattice.extents()).map(|(&x, &n)| x.min(n - x)).sum();
            *value = 0.5f64.powi(distance as i32 + 1);
        }
        let mut variance = vec![0.0; sites];
        fourier.multiplier(&kernel, &mut variance);
        let response = Response {
            mean_square: (1.0, 0.3),
            linear: vec![0.2; sites],
            quadratic: vec![0.05; sites],
            curvature: [-0.3, 0.02],
            local_variance: 0.01,
        };
        let schedule = Schedule::variance_expanding(25.0).unwrap();
        let zero_mode = Some(ZeroMode { peak: 3.0, variance: 0.5 });
        let posterior = Posterior { variance, response: Some(response), zero_mode, flux: None };
        ReverseKernel::new(Transition::new(&schedule, 0.1, 0.5), 1.0, posterior, fourier)
    }

    /// The density that `shape` and `whitened_square` give is that of the noise which `colour` makes:
    /// |z|^2 comes back, and the determinant is that of the dense matrix Lambda S.
    #[test]
    fn density_belongs_to_the_noise() {
        let lattice = Lattice::new(&[4, 4]).unwrap();
        let mut fourier = LatticeFourier::new(&lattice);
        let kernel = example(&lattice, &mut fourier);
        let (mut shape, mut denoised, mut white) = (Shape::new(16), vec![0.0; 16], vec![0.0; 16]);
        let scaled = vec![0.1; 16];
        let stream = Stream::new(4, 0, 0).unwrap();
        stream.normals(Purpose::Diagnostic, 0, &mut denoised);
        stream.normals(Purpose::Diagnostic, 1, &mut white);
        let log_normalisation = kernel.shape(&mut fourier, &scaled, &denoised, &mut shape);
        let mut coloured = vec![0.0; 16];
        shape.colour(&mut fourier, &white, &mut coloured);
        let cost = 0.5 * white.iter().map(|z| z * z).sum::<f64>() + shape.peaks.excess(zero_mode(&white));
        assert!((shape.whitened_cost(&mut fourier, &mut coloured) - cost).abs() < 1e-10);
        assert!(shape.peaks.excess(zero_mode(&white)).abs() > 1e-3, "the peaks must act");

        let mut matrix = vec![vec![0.0; 16]; 16];
        for (column, unit) in (0..16).map(|i| (i, (0..16).map(|j| f64::from(u8::from(i == j))).collect::<Vec<_>>())) {
            shape.colour(&mut fourier, &unit, &mut coloured);
            (0..16).for_each(|row| matrix[row][column] = coloured[row]);
        }
        let forward = 8.0 * kernel.transition.forward_variance.ln();
        assert!((log_determinant(matrix) - forward - log_normalisation).abs() < 1e-9);
        assert!(shape.local.iter().any(|lambda| (lambda - 1.0).abs() > 1e-3), "the local part must act");
    }

    fn log_determinant(mut a: Vec<Vec<f64>>) -> f64 {
        let n = a.len();
        let mut sum = 0.0;
        for k in 0..n {
            let pivot = (k..n).max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs())).unwrap();
            a.swap(k, pivot);
            sum += a[k][k].abs().ln();
            for i in k + 1..n {
                let factor = a[i][k] / a[k][k];
                for j in k..n {
                    let above = a[k][j];
                    a[i][j] -= factor * above;
                }
            }
        }
        sum
    }
}
