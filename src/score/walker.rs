//! Reverse steps that a score model takes itself, with the state where the network is.

use crate::error::Result;
use crate::rng::Stream;
use std::ops::Range;

/// One Gaussian step of the reverse process as numbers, with one covariance for all states:
///
///   x_b = state_weight x_a + data_weight D(x_a / signal) + S z,
///   log r += log_normalisation + |z|^2 / 2 - |x_a - forward_factor x_b|^2 / (2 forward_variance),
///
/// z white, S diagonal in momentum space.
#[derive(Clone, Debug, PartialEq)]
pub struct ReverseStep {
    /// Noise of x_a relative to the signal.
    pub noise: f64,
    /// f_a.
    pub signal: f64,
    /// Weight of x_a in the mean.
    pub state_weight: f64,
    /// Weight of the denoised field in the mean.
    pub data_weight: f64,
    /// S_p by momentum, or one number for all.
    pub deviation: Vec<f64>,
    /// Factor of the forward kernel from x_b to x_a.
    pub forward_factor: f64,
    /// Its variance.
    pub forward_variance: f64,
    /// sum_p log S_p - V/2 log(forward_variance).
    pub log_normalisation: f64,
}

/// Walks batches through the steps that it was made with ([`crate::score::Score::walker`]).
pub trait Walker: Send {
    /// Walks every field through `steps`, the last one first, and adds what each step does to its log r. The white noise of a
    /// step is that of the stream at the level of its number, as everywhere. A field does not depend on the others, to the
    /// last bit.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], or what the evaluation of the network returns.
    fn walk(
        &mut self,
        steps: Range<usize>,
        streams: &[Stream],
        fields: &mut [f64],
        log_ratios: &mut [f64],
    ) -> Result<()>;

    /// `denoised[i] = D(fields[i] / signal)` at the upper end of the step `steps[i]`: the function of [`Walker::walk`], to the last
    /// bit.
    ///
    /// # Errors
    /// As [`Walker::walk`].
    fn denoise(&mut self, steps: &[usize], fields: &[f64], denoised: &mut [f64]) -> Result<()>;
}
