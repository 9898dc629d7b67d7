//! Complex Langevin learned by a diffusion model (Habibi, Aarts, Wang, Zhou, arXiv:2412.01919): data of the
//! process, a two-component score, samples, moments and cumulants.

use super::sites;
use super::two_peak::{COPIES, generate, times};
use crate::action::{Complex64, ComplexQuartic};
use crate::analysis::cumulants::ComplexMomentEstimates;
use crate::analysis::{BinnedComplexMoments, cumulants_of_moments, exact_complex_moments};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::sampler::{ComplexLangevin, Ending, GeneratorOptions, Method};
use crate::train::{Dataset, Progress};

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Configurations of [`sites::SITES`] values of z, in all.
    pub configurations: usize,
    /// Training steps.
    pub training: u64,
    /// Values of z drawn from the model.
    pub samples: usize,
}

/// Moments and cumulants of orders 2, 4, 6, 8.
pub struct Found {
    /// Of the data: moments, cumulants.
    pub data: [ComplexMomentEstimates; 2],
    /// Of the samples.
    pub model: [ComplexMomentEstimates; 2],
    /// Exact.
    pub exact: [[Complex64; 4]; 2],
    /// The network that learned P(x, y).
    pub network: Model,
    /// Some of the data, and as many samples of the model: (x, y).
    pub pictures: [Vec<(f64, f64)>; 2],
}

/// Values of z in the pictures.
const PICTURE: usize = 262_144;

/// The whole campaign.
///
/// # Errors
/// What its parts raise.
pub fn run(
    action: ComplexQuartic,
    effort: Effort,
    (seed, threads): (u64, usize),
    progress: impl FnMut(Progress),
) -> Result<Found> {
    let (fields, data) = langevin(action, effort.configurations, seed, threads)?;
    let data = [data.moments()?, data.cumulants()?];
    let plane = |field: &[f32]| {
        let (x, y) = field.split_at(field.len() / 2);
        x.iter().zip(y).map(|(x, y)| (f64::from(*x), f64::from(*y))).collect::<Vec<_>>()
    };
    let shown = fields.chunks_exact(2 * sites::SITES).flat_map(plane).take(PICTURE.min(effort.samples)).collect();
    let training = Dataset::new(sites::lattice(2)?, fields)?;
    // P(x, y) is not known, nor its force: denoising score matching alone.
    let model = sites::train(training, None, (effort.training, seed, threads), progress)?;
    let score = sites::score(&model, COPIES, false)?;
    // The flow, whose steps are adaptive: Gaussian steps are first order, and see the edges of the strip.
    let method = Method::ProbabilityFlow { tolerance: 1e-5 };
    let times = times(&*score, method, 2)?;
    let options = GeneratorOptions { method, times, ending: Ending::Zero, metropolis_tail: None };
    let accept = |sums: &mut BinnedComplexMoments, field: &[f64]| {
        let (x, y) = field.split_at(field.len() / 2);
        x.chunks(COPIES / 4).zip(y.chunks(COPIES / 4)).try_for_each(|(x, y)| sums.push_configuration(x, y))
    };
    let parts = generate(&score, &options, effort.samples, (seed, threads), BinnedComplexMoments::default, accept)?;
    let mut total = BinnedComplexMoments::default();
    parts.iter().for_each(|part| total.merge(part));
    let moments = exact_complex_moments(&action, 8)?;
    // Of orders 1, 2, ...: the moment of order 0 is 1.
    let moments = &moments[1..];
    let cumulants = cumulants_of_moments(moments);
    let even = |of: &[Complex64]| std::array::from_fn(|index| of[2 * index + 1]);
    let drawn = |points: &mut Vec<(f64, f64)>, field: &[f64]| {
        let (x, y) = field.split_at(field.len() / 2);
        points.extend(x.iter().copied().zip(y.iter().copied()));
        Ok(())
    };
    // The first of the same samples.
    let drawn = generate(&score, &options, PICTURE.min(effort.samples), (seed, threads), Vec::new, drawn)?;
    Ok(Found {
        data,
        model: [total.moments()?, total.cumulants()?],
        exact: [even(moments), even(&cumulants)],
        network: model,
        pictures: [shown, drawn.into_iter().flatten().collect()],
    })
}

/// Fields of the process, and their moments; every thread follows its own chain number.
fn langevin(
    action: ComplexQuartic,
    configurations: usize,
    seed: u64,
    threads: usize,
) -> Result<(Vec<f32>, BinnedComplexMoments)> {
    const CHAINS: usize = 16;
    let lattice = sites::lattice(2)?;
    let chain = |chain: usize| -> Result<(Vec<f32>, BinnedComplexMoments)> {
        let mut process = ComplexLangevin::new(action, &lattice, seed, chain as u32)?;
        process.thermalise(20.0)?;
        let (mut fields, mut sums) = (vec![], BinnedComplexMoments::default());
        for _ in 0..configurations / CHAINS {
            let field = process.next_configuration()?;
            fields.extend(field.iter().map(|&value| value as f32));
            let (x, y) = field.split_at(sites::SITES);
            sums.push_configuration(x, y)?;
        }
        Ok((fields, sums))
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| Error::Internal(format!("threads of a campaign: {error}")))?;
    use rayon::prelude::*;
    let chains: Vec<_> = pool.install(|| (0..CHAINS).into_par_iter().map(chain).collect::<Result<_>>())?;
    let (mut fields, mut total) = (vec![], BinnedComplexMoments::default());
    for (part, sums) in chains {
        fields.extend(part);
        total.merge(&sums);
    }
    Ok((fields, total))
}
