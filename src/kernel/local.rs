//! The covariance of a reverse step that follows the curvature of the action from site to site.
//!
//! The clean field given x_a has the precision G = K + diag(dh), K being the nearest-neighbour operator that fits 1 / R_p
//! (`diffusion::Response`). With the bridge variance b and the weight w of the clean field, x_b has the covariance
//!
//!   M = O (b + w^2 G^-1) O,   O_p = S_p / N_p^(1/2),   N_p = b + w^2 E[(G^-1)_pp],
//!
//! O diagonal in momentum space: without dh it is S^2, mode by mode and exactly, however well K fits. As
//! b + w^2 G^-1 = H G^-1 with H = b G + w^2, which commutes with G, two sparse factors give the density.

use super::two_peaks::Offsets;
use crate::diffusion::{Factor, Neighbours, Response, Stiffness, Transition};
use crate::fourier::LatticeFourier;
use crate::rng::{Purpose, Stream};
use std::sync::Arc;

/// What a step knows ahead.
pub(super) struct LocalKernel {
    neighbours: Arc<Neighbours>,
    stiffness: Stiffness,
    bridge: f64,
    weight: f64,
    /// N_p^(-1/2).
    root: Vec<f64>,
    /// -1/2 sum_p log N_p.
    log_root: f64,
}

/// The covariance at one x_a, and scratch.
#[derive(Default)]
pub(super) struct LocalState {
    /// O_p, by which noise is multiplied, and 1 / O_p.
    outer: Vec<f64>,
    inverse: Vec<f64>,
    /// Of G beside its bonds, in the order of the factors.
    diagonal: Vec<f64>,
    /// Factors of G and H.
    precision: Factor,
    sum: Factor,
    /// Where the zero mode has two peaks: G H^-1 e and H^-1 e for e = N_0^(1/2) / V^(1/2) at all sites, which is S_0 in the
    /// constant mode behind O; and e G H^-1 e.
    unit: Option<Unit>,
    residual: Vec<f64>,
    solution: Vec<f64>,
    whitened: Vec<f64>,
    scratch: Vec<f64>,
}

struct Unit {
    whitened: Vec<f64>,
    solution: Vec<f64>,
    square: f64,
}

/// How log B changes, for `KernelGradient`.
pub(super) struct LocalGradient<'a> {
    /// M^-1 y, without peaks.
    pub whitened: &'a mut [f64],
    /// M^-1 of S_0 in the constant mode; left alone without peaks.
    pub unit: &'a mut [f64],
    /// d log B / d(-dh), 0 where the diagonal is held.
    pub curvature: &'a mut [f64],
}

impl LocalKernel {
    pub fn new(neighbours: &Arc<Neighbours>, transition: &Transition, variance: &[f64], response: &Response) -> Self {
        let stiffness = Stiffness::of_spectrum(variance, neighbours.momenta());
        let ratio = |p: usize| response.renormalisation.get(p).copied().unwrap_or(1.0);
        let spectrum = neighbours.momenta().iter().enumerate();
        let spectrum = spectrum.map(|(p, &p2)| transition.reverse_variance(ratio(p) * stiffness.variance(p2)));
        let spectrum: Vec<f64> = spectrum.collect();
        LocalKernel {
            neighbours: neighbours.clone(),
            stiffness,
            bridge: transition.bridge_variance,
            weight: transition.data_weight,
            log_root: -0.5 * spectrum.iter().map(|&n| libm::log(n)).sum::<f64>(),
            root: spectrum.iter().map(|n| 1.0 / n.sqrt()).collect(),
        }
    }
}

impl LocalState {
    /// Takes -dh from `change`, which is scratch after, and S_p; returns 1/2 log det(O (b + w^2 G^-1) O) less sum_p log S_p.
    pub fn set(&mut self, kernel: &LocalKernel, change: &mut [f64], deviation: &[f64], peaks: bool) -> f64 {
        let sites = change.len();
        Response::diagonal(kernel.stiffness.mass, change);
        for field in [&mut self.diagonal, &mut self.residual, &mut self.solution, &mut self.whitened, &mut self.scratch]
        {
            field.resize(sites, 0.0);
        }
        let neighbours = &kernel.neighbours;
        neighbours.order(change, &mut self.diagonal);
        let operator = (&*self.diagonal, kernel.stiffness.coupling);
        let precision = neighbours.factorise(operator, (1.0, 0.0), &mut self.precision);
        let sum = neighbours.factorise(operator, (kernel.bridge, kernel.weight * kernel.weight), &mut self.sum);
        self.outer.clear();
        self.outer.extend(deviation.iter().zip(&kernel.root).map(|(s, root)| s * root));
        self.inverse.clear();
        self.inverse.extend(self.outer.iter().map(|outer| 1.0 / outer));
        self.unit = None;
        if peaks {
            self.residual.fill(1.0 / (kernel.root[0] * (sites as f64).sqrt()));
            self.solve(kernel);
            self.unit = Some(Unit {
                square: dot(&self.residual, &self.whitened),
                whitened: self.whitened.clone(),
                solution: self.solution.clone(),
            });
        }
        sum - precision + kernel.log_root
    }

    /// `solution` = H^-1 `residual` and `whitened` = G `solution`.
    fn solve(&mut self, kernel: &LocalKernel) {
        self.solution.copy_from_slice(&self.residual);
        self.sum.solve(&mut self.solution);
        let coupling = kernel.stiffness.coupling;
        kernel.neighbours.multiply(&self.diagonal, coupling, &self.solution, &mut self.whitened);
    }

    /// Noise of covariance M from white `noise` and more of `stream`; `noise` is scratch after.
    pub fn colour(
        &mut self,
        kernel: &LocalKernel,
        (stream, level): (&Stream, u32),
        fourier: &mut LatticeFourier,
        noise: &mut [f64],
        coloured: &mut [f64],
    ) {
        stream.normals(Purpose::ReverseLocal, level, &mut self.residual);
        self.precision.solve_transposed(&mut self.residual);
        kernel.neighbours.restore(&self.residual, coloured);
        let bridge = kernel.bridge.sqrt();
        noise.iter_mut().zip(coloured.iter()).for_each(|(z, y)| *z = bridge * *z + kernel.weight * y);
        fourier.filter(noise, &self.outer, coloured);
    }

    /// -log of the density of `coloured` up to normalisation.
    pub fn cost(
        &mut self,
        kernel: &LocalKernel,
        peaks: &Offsets,
        fourier: &mut LatticeFourier,
        coloured: &[f64],
    ) -> f64 {
        self.whiten(kernel, fourier, coloured);
        let square = 0.5 * dot(&self.residual, &self.whitened);
        square + self.unit.as_ref().map_or(0.0, |unit| peaks.excess(dot(&unit.whitened, &self.residual), unit.square))
    }

    /// Takes O from another state, for tests.
    #[cfg(test)]
    pub fn outer_of(&mut self, other: &LocalState) {
        self.outer.clone_from(&other.outer);
        self.inverse.clone_from(&other.inverse);
    }

    /// Divides by O, which leaves the field in `residual`, and solves.
    fn whiten(&mut self, kernel: &LocalKernel, fourier: &mut LatticeFourier, coloured: &[f64]) {
        fourier.filter(coloured, &self.inverse, &mut self.scratch);
        kernel.neighbours.order(&self.scratch, &mut self.residual);
        self.solve(kernel);
    }

    /// Derivatives at y = `coloured`. Returns mean and mean square of the offset over the peaks that it may belong to.
    pub fn gradient(
        &mut self,
        kernel: &LocalKernel,
        peaks: &Offsets,
        fourier: &mut LatticeFourier,
        coloured: &[f64],
        out: LocalGradient<'_>,
    ) -> (f64, f64) {
        self.whiten(kernel, fourier, coloured);
        kernel.neighbours.restore(&self.whitened, &mut self.scratch);
        fourier.filter(&self.scratch, &self.inverse, out.whitened);
        let mut given = (0.0, 0.0);
        let weight = kernel.weight * kernel.weight;
        let (of_sum, of_precision) = (self.sum.inverse_diagonal(), self.precision.inverse_diagonal());
        let mut square: Vec<f64> = self.solution.iter().map(|q| q * q).collect();
        if let Some(unit) = &self.unit {
            given = peaks.given(dot(&unit.whitened, &self.residual), unit.square);
            for ((square, q), e) in square.iter_mut().zip(&self.solution).zip(&unit.solution) {
                *square += e * (given.1 * e - 2.0 * given.0 * q);
            }
            kernel.neighbours.restore(&unit.whitened, &mut self.scratch);
            fourier.filter(&self.scratch, &self.inverse, out.unit);
        }
        for (index, square) in square.iter_mut().enumerate() {
            let change = 0.5 * (kernel.bridge * of_sum[index] - of_precision[index] + weight * *square);
            *square = if Response::follows(kernel.stiffness.mass, self.diagonal[index]) { change } else { 0.0 };
        }
        kernel.neighbours.restore(&square, out.curvature);
        given
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
