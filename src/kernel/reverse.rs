//! One reverse kernel B(x_b | x_a): Gaussian around a mean from the denoised field D. On average its covariance is
//! diagonal in momentum space,
//!
//!   S^2_p = bridge_variance + data_weight^2 R_p(m),
//!
//! the spectrum R following the lattice mean m of D^2; the local values of D^2 change it as `local.rs` says, and of link
//! angles the plaquettes in doubt, `flux.rs`. A zero mode of two peaks adds that of x_b the offsets of its peaks
//! (`two_peaks.rs`). All are functions of x_a alone, and all determinants are known, so the density is known exactly.

use super::flux::{FluxKernel, FluxState};
use super::local::{LocalGradient, LocalKernel, LocalState};
use super::two_peaks::Offsets;
use crate::diffusion::{LogProduct, Neighbours, Posterior, Response, Transition, TwoPeaks};
use crate::error::Result;
use crate::fourier::LatticeFourier;
use crate::lattice::Lattice;
use crate::rng::{Purpose, Stream};
use crate::score::{ReverseStep, zero_mode};
use std::sync::Arc;

mod gradient;

pub(crate) use gradient::KernelGradient;

/// Gain of log w below which a step is not followed site by site: the factors cost as much as a small network.
const LEAST_GAIN: f64 = 3e-5;

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
    /// How the covariance follows the curvature site by site.
    local: Option<LocalKernel>,
    /// Of link angles: plaquettes in doubt.
    flux: Option<FluxKernel>,
}

/// The covariance at one x_a, and scratch to find it.
pub(crate) struct Shape {
    /// S_p.
    deviation: Vec<f64>,
    /// Peaks of the whitened zero mode.
    peaks: Offsets,
    local: LocalState,
    /// Of link angles.
    flux: Option<FluxState>,
    scratch: Vec<f64>,
}

impl Shape {
    pub fn new(sites: usize) -> Self {
        Shape {
            deviation: vec![0.0; sites],
            peaks: Offsets::default(),
            local: LocalState::default(),
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
}

impl ReverseKernel {
    /// The kernel of `transition`. `neighbours` of the lattice are those that `Neighbours::new` gives, if it does.
    pub fn new(
        transition: Transition,
        signal: f64,
        posterior: Posterior,
        neighbours: Option<&Arc<Neighbours>>,
    ) -> Self {
        let deviation: Vec<f64> = posterior.variance.iter().map(|&r| transition.reverse_variance(r).sqrt()).collect();
        let gain = posterior.local_gain(&transition);
        let local = posterior.response.as_ref().zip(neighbours).filter(|_| gain > LEAST_GAIN);
        let local = local
            .map(|(response, neighbours)| LocalKernel::new(neighbours, &transition, &posterior.variance, response));
        let log_determinant = deviation.iter().map(|&s| libm::log(s)).sum();
        let flux = posterior.flux.clone();
        let flux = flux.map(|response| FluxKernel::new(response, &transition, (&posterior.variance, &deviation)));
        ReverseKernel { transition, signal, posterior, deviation, log_determinant, local, flux }
    }

    /// The kernel as numbers, if its covariance is the same for all states.
    pub fn numbers(&self) -> Option<ReverseStep> {
        let Posterior { response, zero_mode, flux, .. } = &self.posterior;
        if response.is_some() || zero_mode.is_some() || flux.is_some() {
            return None;
        }
        let (transition, first) = (&self.transition, self.deviation[0]);
        let same = self.deviation.iter().all(|&deviation| deviation == first);
        let forward = 0.5 * self.deviation.len() as f64 * libm::log(transition.forward_variance);
        Some(ReverseStep {
            noise: transition.noise,
            signal: self.signal,
            state_weight: transition.state_weight,
            data_weight: transition.data_weight,
            deviation: if same { vec![first] } else { self.deviation.clone() },
            forward_factor: transition.forward_factor,
            forward_variance: transition.forward_variance,
            log_normalisation: self.log_determinant - forward,
        })
    }

    /// Finds the covariance M that belongs to `scaled` (x_a / f_a) and its denoised field, and returns log F - log B
    /// without the two exponents: 1/2 log det M - V/2 log(forward variance).
    pub fn shape(&self, scaled: &[f64], denoised: &[f64], shape: &mut Shape) -> f64 {
        let sites = denoised.len() as f64;
        let forward = 0.5 * sites * libm::log(self.transition.forward_variance);
        let given = self.posterior.zero_mode.map(|law| law.given(zero_mode(scaled), self.transition.noise));
        let Some(response) = &self.posterior.response else {
            shape.deviation.copy_from_slice(&self.deviation);
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
        let Some(kernel) = &self.local else { return spectrum - forward };
        response.curvature_change(denoised, &mut shape.scratch);
        let peaks = shape.peaks != Offsets::default();
        spectrum + shape.local.set(kernel, &mut shape.scratch, &shape.deviation, peaks) - forward
    }

    /// Draws x_b - mean into `out`, and returns -log of its density up to normalisation; `noise` is scratch.
    pub fn draw(
        &self,
        (stream, level): (&Stream, u32),
        fourier: &mut LatticeFourier,
        shape: &mut Shape,
        noise: &mut [f64],
        out: &mut [f64],
    ) -> f64 {
        stream.normals(Purpose::Reverse, level, noise);
        if let Some(kernel) = &self.local {
            shape.local.colour(kernel, (stream, level), fourier, noise, out);
            if shape.peaks != Offsets::default() {
                let shift = shape.peaks.draw(stream, level) * shape.deviation[0] / (out.len() as f64).sqrt();
                out.iter_mut().for_each(|value| *value += shift);
            }
            return shape.local.cost(kernel, &shape.peaks, fourier, out);
        }
        let mut excess = shape.peaks.shift(stream, level, noise);
        if let (Some(kernel), Some(state)) = (&self.flux, &mut shape.flux) {
            excess += state.spread(kernel, stream, level, noise);
        }
        fourier.filter(noise, &shape.deviation, out);
        excess + 0.5 * noise.iter().map(|z| z * z).sum::<f64>()
    }

    /// -log of the density of x_b - mean = `residual`, up to normalisation.
    pub fn cost(&self, fourier: &mut LatticeFourier, shape: &mut Shape, residual: &[f64]) -> f64 {
        if let Some(kernel) = &self.local {
            return shape.local.cost(kernel, &shape.peaks, fourier, residual);
        }
        let flux = match (&self.flux, &mut shape.flux) {
            (Some(kernel), Some(state)) => state.coloured_excess(kernel, residual),
            _ => 0.0,
        };
        shape.scratch.iter_mut().zip(&shape.deviation).for_each(|(weight, s)| *weight = 1.0 / (s * s));
        let square = flux + 0.5 * fourier.quadratic_form(residual, &shape.scratch);
        match shape.peaks == Offsets::default() {
            true => square,
            false => square + shape.peaks.excess(zero_mode(residual) / shape.deviation[0], 1.0),
        }
    }

    fn shape_peaks(&self, given: Option<TwoPeaks>, shape: &mut Shape) {
        shape.peaks = match given {
            Some(given) => Offsets::new(&given, self.transition.data_weight, shape.deviation[0]),
            None => Offsets::default(),
        };
    }

    fn shape_spectrum(&self, response: &Response, (denoised, undecided): (&[f64], f64), shape: &mut Shape) -> f64 {
        let strength = response.strength(denoised, undecided);
        let mut product = LogProduct::default();
        for (p, (s, &r)) in shape.deviation.iter_mut().zip(&self.posterior.variance).enumerate() {
            let variance = self.transition.reverse_variance(r * response.factor(p, strength));
            *s = variance.sqrt();
            product.multiply(*s);
        }
        product.log()
    }

    /// Mean of x_b at one site.
    pub fn mean(&self, x: f64, denoised: f64) -> f64 {
        self.transition.state_weight * x + self.transition.data_weight * denoised
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::{Schedule, ZeroMode};
    use crate::lattice::Lattice;
    use crate::linear;

    /// A step on 4 x 4 where everything acts; the zero mode may have two peaks.
    pub(super) fn example(lattice: &Lattice, peaks: bool) -> ReverseKernel {
        let sites = lattice.sites();
        let momenta = crate::fourier::lattice_momenta(lattice);
        let variance = momenta.iter().map(|p2| 1.0 / (2.0 + 0.5 * p2) + 0.02 * p2).collect();
        let response = Response {
            mean_square: (1.0, 0.3),
            linear: vec![0.2; sites],
            quadratic: vec![0.05; sites],
            curvature: [-0.4, 0.05],
            local_variance: 0.1,
            renormalisation: momenta.iter().map(|p2| 1.2 - 0.01 * p2).collect(),
        };
        let schedule = Schedule::variance_expanding(25.0).unwrap();
        let zero_mode = peaks.then_some(ZeroMode { peak: 3.0, variance: 0.5 });
        let posterior = Posterior { variance, response: Some(response), zero_mode, flux: None };
        let neighbours = Neighbours::new(lattice).map(Arc::new);
        ReverseKernel::new(Transition::new(&schedule, 0.1, 0.5), 1.0, posterior, neighbours.as_ref())
    }

    pub(super) fn normals(level: u32) -> Vec<f64> {
        let mut field = vec![0.0; 16];
        Stream::new(4, 0, 0).unwrap().normals(Purpose::Diagnostic, level, &mut field);
        field
    }

    /// The density integrates to one and belongs to the noise that is drawn: its precision matrix, found from `cost`, has the
    /// determinant that `shape` gives, and the second moments of many draws are those of its inverse.
    #[test]
    fn density_belongs_to_the_noise() {
        let lattice = Lattice::new(&[4, 4]).unwrap();
        let mut fourier = LatticeFourier::new(&lattice);
        let kernel = example(&lattice, false);
        let (mut shape, scaled, denoised) = (Shape::new(16), vec![0.1; 16], normals(0));
        let log_normalisation = kernel.shape(&scaled, &denoised, &mut shape);
        let cost = |shape: &mut Shape, fourier: &mut LatticeFourier, field: &[f64]| kernel.cost(fourier, shape, field);
        let unit = |i: usize, j: usize| -> Vec<f64> {
            (0..16).map(|k| f64::from(u8::from(k == i)) + f64::from(u8::from(k == j))).collect()
        };
        let own: Vec<f64> = (0..16).map(|i| 0.5 * cost(&mut shape, &mut fourier, &unit(i, i))).collect();
        let mut precision = vec![vec![0.0; 16]; 16];
        for i in 0..16 {
            for j in 0..16 {
                precision[i][j] = cost(&mut shape, &mut fourier, &unit(i, j)) - 0.5 * (own[i] + own[j]);
            }
            precision[i][i] = own[i];
        }
        let forward = 8.0 * kernel.transition.forward_variance.ln();
        assert!(
            (-0.5 * linear::log_determinant(&mut precision.concat(), 16).0 - forward - log_normalisation).abs() < 1e-9
        );
        let diagonal: Vec<f64> = (0..16).map(|i| precision[i][i]).collect();
        let spread = diagonal.iter().map(|d| (d / diagonal[0] - 1.0).abs()).fold(0.0, f64::max);
        assert!(spread > 0.05, "the local part must act: {spread}");

        // E[x_i (P x)_j] = delta_ij, each over 20 000 draws with an error of about 1/141 (the diagonal 1.4 times that).
        let (mut noise, mut field, mut sums) = (vec![0.0; 16], vec![0.0; 16], vec![vec![0.0; 16]; 16]);
        let draws = 20_000;
        for draw in 0..draws {
            let stream = Stream::new(9, 0, draw).unwrap();
            let density = kernel.draw((&stream, 3), &mut fourier, &mut shape, &mut noise, &mut field);
            assert_eq!(density, cost(&mut shape, &mut fourier, &field));
            for j in 0..16 {
                let dual: f64 = precision[j].iter().zip(&field).map(|(p, x)| p * x).sum();
                (0..16).for_each(|i| sums[i][j] += field[i] * dual / draws as f64);
            }
        }
        for i in 0..16 {
            for j in 0..16 {
                let expected = f64::from(u8::from(i == j));
                let scale = (precision[j][j] / precision[i][i]).sqrt().max(1.0);
                // 256 comparisons at more than five standard errors: false alarm 1e-4.
                assert!((sums[i][j] - expected).abs() < 0.055 * scale, "{i} {j} {}", sums[i][j]);
            }
        }
    }

    /// Two peaks: the density is the mixture of the one without offsets, moved by each of them.
    #[test]
    fn peaks_mix_the_moved_densities() {
        let lattice = Lattice::new(&[4, 4]).unwrap();
        let mut fourier = LatticeFourier::new(&lattice);
        let (single, double) = (example(&lattice, false), example(&lattice, true));
        let (scaled, denoised) = (vec![0.1; 16], normals(0));
        let (mut plain, mut shape) = (Shape::new(16), Shape::new(16));
        single.shape(&scaled, &denoised, &mut plain);
        double.shape(&scaled, &denoised, &mut shape);
        // The same spectrum in both, for the law of the zero mode also enters m.
        plain.deviation.copy_from_slice(&shape.deviation);
        plain.local.outer_of(&shape.local);
        let given = double.posterior.zero_mode.unwrap().given(zero_mode(&scaled), double.transition.noise);
        let distance = double.transition.data_weight * (given.means[0] - given.means[1]);
        let offsets = [(1.0 - given.upper) * distance, -given.upper * distance];
        assert!(distance > 0.1, "the peaks must act");
        for level in 1..5 {
            let field = normals(level);
            let mut sum = 0.0;
            for (offset, share) in offsets.iter().zip([given.upper, 1.0 - given.upper]) {
                let moved: Vec<f64> = field.iter().map(|x| x - offset / 4.0).collect();
                sum += share * (-single.cost(&mut fourier, &mut plain, &moved)).exp();
            }
            let found = double.cost(&mut fourier, &mut shape, &field);
            assert!((found + sum.ln()).abs() < 1e-9, "{found} {}", -sum.ln());
        }
    }
}
