//! The denoiser's error by mode and noise level, on configurations that did not train it.

use super::dataset::{Dataset, class_means};
use crate::error::Result;
use crate::fourier::{LatticeFourier, momentum_classes};
use crate::model::{Model, PosteriorTable};
use crate::rng::{Purpose, Stream};
use crate::score::{NativeScore, Score};
use std::sync::Arc;

/// Noise levels of the table.
const ROWS: usize = 28;
/// Configurations a row.
const SAMPLES: usize = 2048;
/// Fields denoised together.
const BATCH: usize = 64;

/// Measures R_p = <|x0_p - D_p(x0 + sigma eps)|^2> over the range of ln sigma. The same configurations
/// and the same noise serve every row, so that the table is smooth in sigma.
///
/// # Errors
/// Those of the evaluator.
pub fn measure_posterior(model: &Model, data: &Dataset, log_noise: (f64, f64), threads: usize) -> Result<PosteriorTable> {
    let score = Arc::new(NativeScore::new(model.clone())?);
    let seed = model.metadata().training.seed;
    let lattice = data.lattice().clone();
    let (sites, held_out) = (lattice.sites(), data.len() - data.training());
    let (class, classes) = momentum_classes(&lattice);
    let mut evaluator = score.clone().evaluator(threads)?;
    let mut fourier = LatticeFourier::new(&lattice);
    let mut sums = vec![vec![0.0; sites]; ROWS];
    let positions: Vec<f64> =
        (0..ROWS).map(|row| log_noise.0 + (log_noise.1 - log_noise.0) * row as f64 / (ROWS - 1) as f64).collect();
    let samples = SAMPLES.min(8 * held_out);
    let (mut clean, mut noise, mut noisy, mut denoised) =
        (vec![0.0; BATCH * sites], vec![0.0; BATCH * sites], vec![0.0; BATCH * sites], vec![0.0; BATCH * sites]);
    for first in (0..samples).step_by(BATCH) {
        let count = BATCH.min(samples - first);
        for slot in 0..count {
            let range = slot * sites..(slot + 1) * sites;
            let field = data.field(data.training() + (first + slot) % held_out);
            clean[range.clone()].iter_mut().zip(field).for_each(|(to, &from)| *to = f64::from(from));
            let stream = Stream::new(seed, 1, (first + slot) as u64)?;
            stream.normals(Purpose::Diagnostic, 0, &mut noise[range]);
        }
        let used = count * sites;
        for (row, &position) in positions.iter().enumerate() {
            let sigma = libm::exp(position);
            noisy.iter_mut().zip(clean.iter().zip(&noise)).for_each(|(x, (c, z))| *x = c + sigma * z);
            evaluator.denoise(&vec![sigma; count], &noisy[..used], &mut denoised[..used])?;
            denoised.iter_mut().zip(&clean).for_each(|(d, c)| *d -= c);
            for error in denoised[..used].chunks_exact(sites) {
                fourier.accumulate_power(error, &mut sums[row]);
            }
        }
    }
    let variance = sums.iter().map(|sum| class_means(sum, &class, classes, samples as f64)).collect();
    Ok(PosteriorTable { log_noise: positions, variance })
}
