//! The law that paths start from.

use super::process::square;
use super::two_peaks::Offsets;
use crate::diffusion::TwoPeaks;
use crate::fourier::LatticeFourier;
use crate::rng::{MAX_LEVEL, Purpose, Stream};
use crate::score::{Score, zero_mode};

/// Level of the random numbers that choose a peak of the prior: no step of a path has it.
const PRIOR_LEVEL: u32 = MAX_LEVEL;

/// Where paths start.
pub(crate) struct Prior {
    deviation: Vec<f64>,
    precision: Vec<f64>,
    /// log of the normalisation of the Gaussian.
    log_normalisation: f64,
    /// Peaks of the whitened zero mode.
    peaks: Offsets,
    /// Of link angles: uniform on (-pi, pi]. The path goes on from there without reducing them, and the path of a
    /// field comes up to any lift of its last point: the target, taken over the lifts, and the steps are the same
    /// for all of them, so the density of the start is that of the torus.
    uniform: bool,
}

/// Angles uniform on (-pi, pi], which all noise ends in: the prior of link angles.
pub(crate) fn uniform_angles(stream: &Stream, angles: &mut [f64]) {
    for (index, angle) in angles.iter_mut().enumerate() {
        let turn = stream.uniform(Purpose::Prior, 0, index as u32);
        *angle = std::f64::consts::PI * (1.0 - 2.0 * turn);
    }
}

impl Prior {
    /// N(0, f^2 C + Xi) at time `last`, with the peaks of the zero mode where it has two.
    pub fn new(score: &dyn Score, last: f64) -> Self {
        let (f, xi) = (score.schedule().signal(last), score.schedule().variance(last));
        let zero_mode = score.zero_mode();
        let mut variance: Vec<f64> = score.covariance().iter().map(|c| f * f * c + xi).collect();
        let mut peaks = Offsets::default();
        if let Some(law) = zero_mode {
            variance[0] = f * f * law.variance + xi;
            let free = TwoPeaks { upper: 0.5, means: [law.peak, -law.peak], variance: law.variance };
            peaks = Offsets::new(&free, f, variance[0].sqrt());
        }
        let logs: f64 = variance.iter().map(|&v| libm::log(std::f64::consts::TAU * v)).sum();
        Prior {
            deviation: variance.iter().map(|v| v.sqrt()).collect(),
            precision: variance.iter().map(|v| 1.0 / v).collect(),
            log_normalisation: match score.of_links() {
                true => variance.len() as f64 * libm::log(std::f64::consts::TAU),
                false => 0.5 * logs,
            },
            peaks,
            uniform: score.of_links(),
        }
    }

    /// Draws `field` and returns -log of its density; `noise` is scratch.
    pub fn draw(&self, stream: &Stream, fourier: &mut LatticeFourier, noise: &mut [f64], field: &mut [f64]) -> f64 {
        if self.uniform {
            uniform_angles(stream, field);
            return self.log_normalisation;
        }
        stream.normals(Purpose::Prior, 0, noise);
        let peaks = self.peaks.shift(stream, PRIOR_LEVEL, noise);
        fourier.filter(noise, &self.deviation, field);
        self.log_normalisation + 0.5 * square(noise) + peaks
    }

    /// -log of the density at `field`.
    pub fn cost(&self, fourier: &mut LatticeFourier, field: &[f64]) -> f64 {
        if self.uniform {
            return self.log_normalisation;
        }
        let square = self.log_normalisation + 0.5 * fourier.quadratic_form(field, &self.precision);
        match self.peaks == Offsets::default() {
            true => square,
            false => square + self.peaks.excess(zero_mode(field) / self.deviation[0], 1.0),
        }
    }
}
