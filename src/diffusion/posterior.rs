//! The covariance of the clean field x_0 given a noisy one x, as far as a reverse kernel uses it.
//!
//! Averaged over x it is diagonal in momentum space: R_p. Around that average it follows the state:
//! where the curvature S'' of the action is larger, x_0 is known better. With the change dh(z) of the curvature at
//! site z it is (R^-1 + dh)^-1, and R^-1 is nearly a nearest-neighbour operator (`precision.rs`), as the action is. A fit
//! on held-out data measures dh through two even functions of the denoised field D: its lattice mean (a change common to
//! all sites, diagonal in momentum space, mode by mode) and its local deviation.
//! With it the divergence of a path falls from order 1/N in the number of steps towards 1/N^2.

use super::flux::FluxResponse;
use super::transition::Transition;
use super::zero_mode::ZeroMode;

/// Moments of x_0 given x at one noise level.
#[derive(Clone, Debug, PartialEq)]
pub struct Posterior {
    /// R_p, one value a momentum; that of the zero mode is the one within a peak, if it has two.
    pub variance: Vec<f64>,
    /// How the covariance follows the state; none for a Gaussian theory.
    pub response: Option<Response>,
    /// The law of the zero mode, if it is not Gaussian.
    pub zero_mode: Option<ZeroMode>,
    /// Of link angles: the plaquettes in doubt. `variance` is then that without them.
    pub flux: Option<FluxResponse>,
}

/// The state dependence of the covariance, in terms of the denoised field D.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// Mean and standard deviation of m = V^-1 sum_x D(x)^2 over the data; of a zero mode with two peaks, m counts
    /// the mean of the square and not the square of the mean, which forgets the order where its sign is undecided.
    pub mean_square: (f64, f64),
    /// R_p(m) = R_p (1 + linear_p u + quadratic_p (u^2 - 1)), u = (m - mean) / deviation.
    pub linear: Vec<f64>,
    /// See `linear`.
    pub quadratic: Vec<f64>,
    /// -dh(z) = curvature\[0\] (D^2 - mean) + curvature\[1\] (D^4 - mean), means over the lattice.
    pub curvature: [f64; 2],
    /// What the covariance gains off its diagonal in momentum space by following dh: the mean over the data of
    /// V^-1 (tr Cov^2 - sum_p (mean Cov_pp)^2).
    pub local_variance: f64,
    /// Mean of the spectrum of (R^-1 + dh)^-1 over the data, as a ratio to that without dh: second order in dh. Empty: 1.
    pub renormalisation: Vec<f64>,
}

/// Least diagonal of R^-1 + dh, as a fraction of the mass in R^-1: so it stays positive.
const LEAST_MASS: f64 = 0.2;

/// Bounds of the factor on a variance: a fit is not trusted beyond them.
pub const FACTOR: (f64, f64) = (0.3, 3.0);

impl Response {
    /// u of a denoised field; `undecided` is the variance of the zero mode between its peaks.
    pub fn strength(&self, denoised: &[f64], undecided: f64) -> f64 {
        let mean = (denoised.iter().map(|d| d * d).sum::<f64>() + undecided) / denoised.len() as f64;
        // Beyond four standard deviations there were no data: the fit is frozen there.
        ((mean - self.mean_square.0) / self.mean_square.1).clamp(-4.0, 4.0)
    }

    /// Factor on R_p at strength u.
    pub fn factor(&self, p: usize, u: f64) -> f64 {
        (1.0 + self.linear[p] * u + self.quadratic[p] * (u * u - 1.0)).clamp(FACTOR.0, FACTOR.1)
    }

    /// -dh at every site.
    pub fn curvature_change(&self, denoised: &[f64], out: &mut [f64]) {
        let [square, quartic] = self.curvature;
        let mut mean = 0.0;
        for (out, d) in out.iter_mut().zip(denoised) {
            let d2 = d * d;
            *out = d2 * (square + quartic * d2);
            mean += *out;
        }
        mean /= denoised.len() as f64;
        out.iter_mut().for_each(|value| *value -= mean);
    }

    /// The diagonal of R^-1 + dh beside its bonds, from -dh in place, and never less than a fifth of the mass.
    pub fn diagonal(mass: f64, change: &mut [f64]) {
        change.iter_mut().for_each(|value| *value = (mass - *value).max(LEAST_MASS * mass));
    }

    /// Whether [`Response::diagonal`] follows -dh at a site, or is held.
    pub fn follows(mass: f64, diagonal: f64) -> bool {
        diagonal > LEAST_MASS * mass
    }
}

impl Posterior {
    /// What plaquettes in doubt add to the expected logarithm of the determinant, each by itself.
    fn flux_divergence(&self, flux: &FluxResponse, step: &Transition) -> f64 {
        let transverse = || self.variance[..flux.momenta.len()].iter().copied();
        let through = flux.of_plaquette(transverse().map(|r| r * r / step.reverse_variance(r)));
        let gain = (step.data_weight / flux.base).powi(2) * through;
        let logs = flux.share.iter().zip(&flux.variance);
        let logs = logs.map(|(share, v)| share * libm::log1p(gain * (v - flux.base).max(0.0)));
        0.5 * flux.momenta.len() as f64 * logs.sum::<f64>()
    }

    /// Expected log F - log B of a step, up to terms that cancel between steps: the loss of a Gaussian kernel with the
    /// averaged covariance, less what following the lattice mean regains (second order in the relative change of the
    /// variances: 1/4 of its variance, mode by mode). What following the curvature site by site regains
    /// ([`Posterior::local_gain`]) is not taken off: it leaves a few per cent of that loss, which its error would
    /// hide, and a search for the best levels goes where the error is.
    pub fn step_divergence(&self, step: &Transition) -> f64 {
        let weight = step.data_weight * step.data_weight;
        let logs = self.variance.iter().map(|&r| libm::log(step.reverse_variance(r) / step.forward_variance));
        let loss = 0.5 * logs.sum::<f64>();
        let loss = loss + self.flux.as_ref().map_or(0.0, |flux| self.flux_divergence(flux, step));
        let Some(response) = &self.response else { return loss };
        let common: f64 = self
            .variance
            .iter()
            .zip(response.linear.iter().zip(&response.quadratic))
            .map(|(&r, (a, b))| (weight * r / step.reverse_variance(r)).powi(2) * (a * a + 2.0 * b * b))
            .sum();
        loss - 0.25 * common
    }

    /// What following the curvature site by site takes off the loss of a step, to second order.
    pub fn local_gain(&self, step: &Transition) -> f64 {
        let Some(response) = &self.response else { return 0.0 };
        let weight = step.data_weight * step.data_weight;
        // The modes that make most of C(x)^4 dh^2 are the wide ones.
        let moment = |power: i32| self.variance.iter().map(|r| r.powi(power)).sum::<f64>();
        let typical = step.reverse_variance(moment(4) / moment(3));
        0.25 * self.variance.len() as f64 * (weight / typical).powi(2) * response.local_variance
    }
}
