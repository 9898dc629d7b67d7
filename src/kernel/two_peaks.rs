//! Whitened noise whose zero mode has two peaks: the law of a reverse step, and of the prior, where the sign of the
//! zero mode is undecided.

use crate::diffusion::TwoPeaks;
use crate::rng::{Purpose, Stream};
use crate::score::zero_mode;

/// Positions of the peaks of the whitened zero mode, each a Gaussian of variance 1. Without two peaks both are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Offsets {
    upper: f64,
    offsets: [f64; 2],
}

impl Offsets {
    /// `weight` is the share of the clean zero mode in the one that is drawn, `deviation` the standard deviation of
    /// the latter within a peak. The mean of both peaks together lies at 0.
    pub fn new(given: &TwoPeaks, weight: f64, deviation: f64) -> Self {
        let [up, down] = given.means;
        // Each peak's distance from the mean, without the difference of nearly equal numbers.
        let distance = weight * (up - down) / deviation;
        let offsets = [(1.0 - given.upper) * distance, -given.upper * distance];
        Offsets { upper: given.upper, offsets }
    }

    /// Moves white noise into one of the peaks, and returns what the density of it has beyond exp(-|z|^2 / 2), as
    /// -log.
    pub fn shift(&self, stream: &Stream, level: u32, noise: &mut [f64]) -> f64 {
        if self.offsets == [0.0; 2] {
            return 0.0;
        }
        let shift = self.draw(stream, level) / (noise.len() as f64).sqrt();
        noise.iter_mut().for_each(|z| *z += shift);
        self.excess(zero_mode(noise), 1.0)
    }

    /// The offset of one of the peaks.
    pub fn draw(&self, stream: &Stream, level: u32) -> f64 {
        let upper = stream.uniform(Purpose::ReversePeak, level, 0) < self.upper;
        self.offsets[usize::from(!upper)]
    }

    /// -log of the density over that without offsets, -log sum_k w_k exp(z o_k - c o_k^2 / 2): for noise v of precision P,
    /// z = e P v and c = e P e, e being the field that an offset of 1 adds. White noise has the zero mode for z, and c = 1.
    pub fn excess(&self, z: f64, c: f64) -> f64 {
        let (a, b) = (self.exponent(0, z, c), self.exponent(1, z, c));
        let most = a.max(b);
        -most - libm::log(self.upper * libm::exp(a - most) + (1.0 - self.upper) * libm::exp(b - most))
    }

    /// Mean of the offset o, and of o^2, over the peaks that the noise may belong to; z and c as in [`Offsets::excess`].
    pub fn given(&self, z: f64, c: f64) -> (f64, f64) {
        let odds = (1.0 - self.upper) / self.upper * libm::exp(self.exponent(1, z, c) - self.exponent(0, z, c));
        let upper = if self.upper > 0.0 { 1.0 / (1.0 + odds) } else { 0.0 };
        let mean = |of: &dyn Fn(f64) -> f64| upper * of(self.offsets[0]) + (1.0 - upper) * of(self.offsets[1]);
        (mean(&|o| o), mean(&|o| o * o))
    }

    fn exponent(&self, k: usize, z: f64, c: f64) -> f64 {
        self.offsets[k] * (z - 0.5 * c * self.offsets[k])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::ZeroMode;

    /// The density that `excess` says is normalised, has mean zero, and is that of the noise which `shift` makes.
    #[test]
    fn the_density_belongs_to_the_noise() {
        let given = ZeroMode { peak: 3.0, variance: 0.5 }.given(0.4, 2.0);
        let offsets = Offsets::new(&given, 0.7, 0.9);
        let density = |z: f64| (-0.5 * z * z - offsets.excess(z, 1.0)).exp() / std::f64::consts::TAU.sqrt();
        let grid = (0..40_001).map(|i| -20.0 + 1e-3 * f64::from(i));
        let moments = grid.fold([0.0; 3], |sum, z| {
            let p = 1e-3 * density(z);
            [sum[0] + p, sum[1] + z * p, sum[2] + z * z * p]
        });
        assert!((moments[0] - 1.0).abs() < 1e-9 && moments[1].abs() < 1e-9, "{moments:?}");
        let (count, mut square, mut fourth) = (40_000, 0.0, 0.0);
        let mut noise = vec![0.0; 4];
        for step in 0..count {
            let stream = Stream::new(5, 0, step).unwrap();
            stream.normals(Purpose::Reverse, 3, &mut noise);
            let excess = offsets.shift(&stream, 3, &mut noise);
            let z = zero_mode(&noise);
            assert_eq!(excess, offsets.excess(z, 1.0));
            square += z * z / count as f64;
            fourth += z.powi(4) / count as f64;
        }
        let error = ((fourth - square * square) / count as f64).sqrt();
        // False alarm at five standard errors: 6e-7.
        assert!((square - moments[2]).abs() < 5.0 * error, "{square} {} {error}", moments[2]);
        assert!((moments[2] - 1.0).abs() > 0.3, "the peaks must matter");
    }
}
