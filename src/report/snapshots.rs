//! A configuration at several noise levels, and what the network makes of it.

use crate::error::{Result, require_length};
use crate::rng::{MAX_CHAIN, Purpose, Stream};
use crate::score::Score;
use std::sync::Arc;

/// Step of the diagnostic random numbers.
const STEP: u64 = (1 << 39) + 100_000;
/// Noise levels.
const LEVELS: usize = 5;

/// One noise level.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// sigma relative to the signal.
    pub noise: f64,
    /// x = x_0 + sigma z.
    pub noisy: Vec<f64>,
    /// D(x).
    pub denoised: Vec<f64>,
}

/// `field` with noise from the smallest to twice the width of the widest mode (of links the largest of the model), geometrically, and its denoised versions.
///
/// # Errors
/// [`crate::Error::ShapeMismatch`], and those of the evaluator.
pub fn snapshots(score: &Arc<dyn Score>, field: &[f64], seed: u64) -> Result<Vec<Snapshot>> {
    require_length("field", field.len(), score.lattice().values())?;
    let widest = score.covariance().iter().copied().fold(0.0, f64::max).sqrt();
    // Links have modes that are free.
    let largest = if score.of_links() { score.schedule().noise(1.0) } else { 2.0 * widest };
    let (low, high) = (score.smallest_noise(), largest);
    let mut noise = vec![0.0; field.len()];
    Stream::new(seed, MAX_CHAIN, STEP)?.normals(Purpose::Diagnostic, 0, &mut noise);
    let mut evaluator = score.clone().evaluator(1)?;
    let levels = (0..LEVELS).map(|level| {
        let sigma = low * libm::pow(high / low, level as f64 / (LEVELS - 1) as f64);
        let noisy: Vec<f64> = field.iter().zip(&noise).map(|(x, z)| x + sigma * z).collect();
        let mut denoised = vec![0.0; field.len()];
        evaluator.denoise(&[sigma], &noisy, &mut denoised)?;
        Ok(Snapshot { noise: sigma, noisy, denoised })
    });
    levels.collect()
}
