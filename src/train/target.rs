//! The regression target: a mixture of two unbiased estimates of the denoised field E\[x_0 | x\].
//!
//! Denoising score matching offers b = x_0 itself (Vincent, Neural Comput. 23 (2011) 1661); target
//! score matching offers a = x + sigma^2 F(x_0), F = -dS/dphi (De Bortoli et al., arXiv:2402.08667:
//! the score at noise sigma is E\[F(x_0) | x\]). Both have the mean E\[x_0 | x\]; so has w a + (1 - w) b for
//! any w that does not depend on x_0. In a Gaussian theory w_p = C_p / (C_p + sigma^2), mode by mode,
//! leaves no variance at all; in general the best w follows from the measured second moments of the
//! two residuals, `w = (<bb> - <ab>) / (<aa> + <bb> - 2 <ab>)`.

/// Bins of ln sigma.
pub const BINS: usize = 16;

/// Second moments of the residuals by bin and momentum class, and the weights that follow.
#[derive(Clone, Debug)]
pub struct Mixture {
    classes: usize,
    /// `[bin][class]`: running `<aa>`, `<bb>`, `<ab>`.
    moments: Vec<[f64; 3]>,
    /// `[bin][class]`
    weights: Vec<f64>,
    with_force: bool,
}

/// Sums of one step: `[bin][class]` of aa, bb, ab, and the number of terms.
pub type Sums = Vec<[f64; 4]>;

/// Memory of the running moments, in steps: 100.
const MEMORY: f64 = 0.99;

impl Mixture {
    /// Starts from the Gaussian weights. Without a force only b is used.
    pub fn new(covariance: &[f64], log_noise: (f64, f64), with_force: bool) -> Self {
        let classes = covariance.len();
        let mut moments = Vec::with_capacity(BINS * classes);
        for bin in 0..BINS {
            let centre = log_noise.0 + (log_noise.1 - log_noise.0) * (bin as f64 + 0.5) / BINS as f64;
            let xi = libm::exp(2.0 * centre);
            for &c in covariance {
                // Gaussian theory: b - D = d, a - D = -(xi / C) d, <dd> = C xi / (C + xi).
                let (spread, slope) = (c * xi / (c + xi), -xi / c);
                moments.push([slope * slope * spread, spread, slope * spread]);
            }
        }
        let mut mixture = Mixture { classes, weights: vec![0.0; moments.len()], moments, with_force };
        mixture.refresh();
        mixture
    }

    /// Sums of zero.
    pub fn sums(&self) -> Sums {
        vec![[0.0; 4]; self.moments.len()]
    }

    /// The same in memory that is there already.
    pub fn clear(&self, sums: &mut Sums) {
        sums.clear();
        sums.resize(self.moments.len(), [0.0; 4]);
    }

    /// Weights of a bin, one a class.
    pub fn weights(&self, bin: usize) -> &[f64] {
        &self.weights[bin * self.classes..(bin + 1) * self.classes]
    }

    /// Takes in the sums of a step.
    pub fn update(&mut self, sums: &Sums) {
        for (moments, sums) in self.moments.iter_mut().zip(sums) {
            if sums[3] > 0.0 {
                for (moment, sum) in moments.iter_mut().zip(sums) {
                    *moment = MEMORY * *moment + (1.0 - MEMORY) * sum / sums[3];
                }
            }
        }
        self.refresh();
    }

    /// `[bin][class]`: running second moments, for a checkpoint.
    pub(super) fn moments(&self) -> &[[f64; 3]] {
        &self.moments
    }

    /// Goes on from [`Mixture::moments`] of as many bins and classes.
    pub(super) fn set_moments(&mut self, moments: Vec<[f64; 3]>) {
        self.moments = moments;
        self.refresh();
    }

    fn refresh(&mut self) {
        for (weight, [aa, bb, ab]) in self.weights.iter_mut().zip(&self.moments) {
            let denominator = aa + bb - 2.0 * ab;
            *weight = match self.with_force && denominator > 0.0 {
                true => ((bb - ab) / denominator).clamp(-0.5, 1.5),
                false => 0.0,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaussian_weights_are_the_wiener_filter() {
        let covariance = [100.0, 1.0, 0.3];
        let range = (-3.0, 3.0);
        let mixture = Mixture::new(&covariance, range, true);
        let xi = f64::exp(2.0 * (-3.0 + 6.0 * 4.5 / 16.0));
        for (weight, c) in mixture.weights(4).iter().zip(covariance) {
            assert!((weight - c / (c + xi)).abs() < 1e-12);
        }
        assert!(Mixture::new(&covariance, range, false).weights(4).iter().all(|&w| w == 0.0));
    }

    #[test]
    fn measured_moments_move_the_weights_to_the_better_estimate() {
        let mut mixture = Mixture::new(&[1.0], (-3.0, 3.0), true);
        let mut sums = mixture.sums();
        sums[2] = [400.0, 100.0, 0.0, 100.0]; // <aa> = 4, <bb> = 1, uncorrelated: w = 1/5
        for _ in 0..2000 {
            mixture.update(&sums);
        }
        assert!((mixture.weights(2)[0] - 0.2).abs() < 1e-6);
    }
}
