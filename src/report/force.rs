//! The learned score at small noise against the force of the action.

use crate::action::{ActionRecord, Interrupt};
use crate::error::{Error, Result};
use crate::rng::{MAX_CHAIN, Purpose, Stream};
use crate::score::Score;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Configurations that are looked at.
const CONFIGURATIONS: usize = 64;
/// Step of the diagnostic random numbers: far from those of proposals.
const FIRST_STEP: u64 = 1 << 39;

/// rms of s(x) - F(x) over that of F(x), for held-out configurations with noise sigma, s = (D - x)/sigma^2. Even the exact
/// score of the noisy law differs from the force of the clean one, by order sigma^2.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForceResidual {
    /// sigma, relative to the signal: the smallest noise that the model is meant for.
    pub noise: f64,
    /// The relative residual.
    pub value: f64,
}

/// From the first of the held-out configurations.
pub fn force_residual(
    score: &Arc<dyn Score>,
    action: &ActionRecord,
    fields: &[f64],
    (seed, threads): (u64, usize),
) -> Result<ForceResidual> {
    let values = score.lattice().values();
    let (sigma, count) = (score.smallest_noise(), CONFIGURATIONS.min(fields.len() / values));
    let mut noisy = fields[..count * values].to_vec();
    let mut noise = vec![0.0; values];
    for (index, field) in noisy.chunks_exact_mut(values).enumerate() {
        Stream::new(seed, MAX_CHAIN, FIRST_STEP + index as u64)?.normals(Purpose::Diagnostic, 0, &mut noise);
        field.iter_mut().zip(&noise).for_each(|(x, z)| *x += sigma * z);
    }
    let mut denoised = vec![0.0; noisy.len()];
    score.clone().evaluator(threads)?.denoise(&vec![sigma; count], &noisy, &mut denoised)?;
    let mut action = action.build(score.lattice())?;
    let (mut residual, mut size) = (0.0, 0.0);
    for (x, d) in noisy.chunks_exact(values).zip(denoised.chunks_exact(values)) {
        match action.force(x, &mut noise) {
            Ok(()) => {}
            Err(Interrupt::Reject) => continue,
            Err(Interrupt::Stop(error)) => return Err(error),
        }
        for ((x, d), force) in x.iter().zip(d).zip(&noise) {
            residual += ((d - x) / (sigma * sigma) - force).powi(2);
            size += force * force;
        }
    }
    if !(size > 0.0) {
        return Err(Error::invalid("force", "0 on every held-out configuration", "configurations with a force"));
    }
    Ok(ForceResidual { noise: sigma, value: (residual / size).sqrt() })
}
