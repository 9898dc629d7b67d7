//! Two peaks in one dimension: cumulants at the end of the backward process (Aarts, Habibi, Wang, Zhou,
//! MLST 6 (2025) 025004, tables 1 and 2), with the exact score or a trained one.

use crate::action::MixtureLaw;
use crate::analysis::{BinnedCumulants, CumulantEstimates, Symmetry, cumulants_of_moments, mixture_moments};
use crate::diffusion::{Schedule, T_END, geometric_levels};
use crate::error::{Error, Result};
use crate::lattice::Lattice;
use crate::rng::Stream;
use crate::sampler::{Ending, Generator, GeneratorOptions, Method};
use crate::score::{MixtureScore, Score, largest_noise, optimal_times};
use rayon::prelude::*;
use std::sync::Arc;

/// Independent copies that are generated as one field.
pub const COPIES: usize = 4096;
/// Peaks and width of the paper.
pub const PEAKS: (f64, f64) = (1.0, 0.25);
/// Orders that are compared.
pub const ORDERS: [usize; 4] = [2, 4, 6, 8];
/// Published values and errors of kappa_2, 4, 6, 8: variance-expanding and variance-preserving.
pub const PUBLISHED: [[(f64, f64); 4]; 2] = [
    [(1.0692, 6e-4), (-2.001, 0.002), (16.03, 0.03), (-272.7, 0.6)],
    [(1.0609, 5e-4), (-1.976, 0.002), (15.72, 0.02), (-265.6, 0.6)],
];

/// The exact cumulants of the orders [`ORDERS`].
///
/// # Errors
/// None that a caller can cause.
pub fn exact() -> Result<[f64; 4]> {
    let moments = mixture_moments(&MixtureLaw::two_peak(PEAKS.0, PEAKS.1)?, 0, 8)?;
    let cumulants = cumulants_of_moments(&moments);
    Ok(ORDERS.map(|order| cumulants[order - 1]))
}

/// The exact score on [`COPIES`] independent copies.
///
/// # Errors
/// None that a caller can cause.
pub fn exact_score(schedule: Schedule) -> Result<Arc<dyn Score>> {
    Ok(Arc::new(MixtureScore::two_peak(Lattice::new(&[COPIES])?, schedule, PEAKS.0, PEAKS.1)?))
}

/// The times of a backward process of `steps` steps: those of least divergence for the posterior form,
/// geometric in the noise for the others.
///
/// # Errors
/// As [`geometric_levels`].
pub fn times(score: &dyn Score, method: Method, steps: usize) -> Result<Vec<f64>> {
    match method {
        Method::Posterior => optimal_times(score, steps, T_END),
        _ => {
            // These steps must be short: they start where the noise covers the data, not at 10^10.
            let schedule = score.schedule();
            let last = schedule.time_of_noise(largest_noise(score.covariance()));
            geometric_levels(schedule, score.smallest_noise(), last, steps)
        }
    }
}

/// Draws fields of `score` until they hold `samples` values, and hands them in order to `accept`, each with
/// all its components. Streams are those of chain 0; threads change no bit.
///
/// # Errors
/// What the generator raises.
pub fn generate<A: Send>(
    score: &Arc<dyn Score>,
    options: &GeneratorOptions,
    samples: usize,
    (seed, threads): (u64, usize),
    new: impl Fn() -> A + Sync,
    accept: impl Fn(&mut A, &[f64]) -> Result<()> + Sync,
) -> Result<Vec<A>> {
    const FIELDS: usize = 4;
    let (sites, values) = (score.lattice().sites(), score.lattice().values());
    let parts = samples.div_ceil(sites * FIELDS);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| Error::Internal(format!("threads of a campaign: {error}")))?;
    let part = |generator: &mut Option<Generator>, part: usize| -> Result<A> {
        let generator = match generator {
            Some(generator) => generator,
            None => generator.insert(Generator::new(score.clone(), options.clone(), FIELDS, 1)?),
        };
        let first = (part * FIELDS) as u64;
        let streams =
            (first..first + FIELDS as u64).map(|step| Stream::new(seed, 0, step)).collect::<Result<Vec<_>>>()?;
        let mut fields = vec![0.0; FIELDS * values];
        generator.generate(&streams, &mut fields, None, None)?;
        let mut result = new();
        fields.chunks_exact(values).try_for_each(|field| accept(&mut result, field))?;
        Ok(result)
    };
    pool.install(|| (0..parts).into_par_iter().map_init(|| None, part).collect())
}

/// Cumulants of `samples` values drawn by `method` in `steps` steps.
///
/// # Errors
/// As [`generate`].
pub fn cumulants(
    score: &Arc<dyn Score>,
    method: Method,
    steps: usize,
    samples: usize,
    (seed, threads): (u64, usize),
) -> Result<CumulantEstimates> {
    let times = times(&**score, method, steps)?;
    let options = GeneratorOptions { method, times, ending: Ending::Zero, metropolis_tail: None };
    // Pieces of a field as configurations: enough bins for the errors whatever the number of samples.
    let accept = |sums: &mut BinnedCumulants, field: &[f64]| {
        field.chunks(field.len() / 4).try_for_each(|piece| sums.push_configuration(piece))
    };
    let parts = generate(score, &options, samples, (seed, threads), BinnedCumulants::default, accept)?;
    let mut total = BinnedCumulants::default();
    parts.iter().for_each(|part| total.merge(part));
    total.estimate(Symmetry::None)
}
