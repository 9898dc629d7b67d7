//! What the toys share: cumulants along the processes, samples, and the score as a vector field.

use super::two_peak::generate;
use crate::analysis::{FlowPoint, FlowSample, Symmetry, backward_flow, forward_flow};
use crate::error::{Result, require_length};
use crate::kernel::PathProcess;
use crate::rng::{MAX_CHAIN, Stream};
use crate::sampler::{Ending, GeneratorOptions, IndependentSampler, Method};
use crate::score::{Score, optimal_times};
use std::sync::Arc;

/// Independent pieces of a field of independent copies, for the errors.
const PIECES: usize = 16;
/// Times of the forward process that are looked at.
const FORWARD_TIMES: usize = 16;
/// Step of the random numbers of pictures.
const PICTURE: u64 = 1 << 38;

/// Cumulants along both processes of one scheme.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// Name of the scheme: VE, VP.
    pub scheme: &'static str,
    /// Along the forward process, from exact draws.
    pub forward: Vec<FlowPoint>,
    /// Along the backward process, from time 0 (the samples) up.
    pub backward: Vec<FlowPoint>,
}

/// The cumulants kappa_1 to kappa_8 of the law, exact, along the forward process of exact draws and along the backward process
/// of `score` in `levels` steps, both for about `samples` values.
///
/// # Errors
/// As [`forward_flow`] and [`backward_flow`].
pub fn flow(
    scheme: &'static str,
    (score, levels): (&Arc<dyn Score>, usize),
    sampler: &IndependentSampler,
    cumulants: &[f64],
    samples: usize,
    (seed, threads): (u64, usize),
) -> Result<Flow> {
    let initial: Vec<(f64, f64)> = cumulants.iter().take(8).map(|&kappa| (kappa, 0.0)).collect();
    let sample = FlowSample { initial: &initial, symmetry: Symmetry::None, pieces: PIECES };
    let (values, schedule) = (score.lattice().values(), *score.schedule());
    let fields = samples.div_ceil(values).max(4);
    let mut drawn = vec![0.0; fields * values];
    for (step, field) in drawn.chunks_exact_mut(values).enumerate() {
        sampler.draw(&Stream::new(seed, MAX_CHAIN, PICTURE + step as u64)?, field)?;
    }
    let times = optimal_times(&**score, levels, 1.0)?;
    // Even in time while the cumulants can be seen above the noise, and beyond it once.
    let seen = schedule.time_of_noise(3.0 * score.covariance()[0].sqrt());
    let forward: Vec<f64> = (0..FORWARD_TIMES).map(|i| seen * i as f64 / (FORWARD_TIMES - 1) as f64).collect();
    Ok(Flow {
        scheme,
        forward: forward_flow(&schedule, (&drawn, values), &forward, &sample, seed)?,
        backward: backward_flow(score, &times, fields, &sample, (seed, threads))?,
    })
}

/// At least `samples` values of x_0 by the posterior form of the backward process in `levels` steps, each field with all its
/// components.
///
/// # Errors
/// As [`generate`].
pub fn samples(score: &Arc<dyn Score>, levels: usize, samples: usize, effort: (u64, usize)) -> Result<Vec<Vec<f64>>> {
    let times = optimal_times(&**score, levels, 1.0)?;
    let options = GeneratorOptions { method: Method::Posterior, times, ending: Ending::Zero, metropolis_tail: None };
    let keep = |fields: &mut Vec<Vec<f64>>, field: &[f64]| {
        fields.push(field.to_vec());
        Ok(())
    };
    Ok(generate(score, &options, samples, effort, Vec::new, keep)?.into_iter().flatten().collect())
}

/// One field along a backward path of `levels` steps at the times nearest to `wanted`, in their order: time and field.
///
/// # Errors
/// As [`PathProcess::watch`].
pub fn snapshots(score: &Arc<dyn Score>, levels: usize, wanted: &[f64], seed: u64) -> Result<Vec<(f64, Vec<f64>)>> {
    let times = optimal_times(&**score, levels, 1.0)?;
    let all: Vec<f64> = std::iter::once(0.0).chain(times.iter().copied()).collect();
    let nearest = |time: &f64| {
        let distance = |&index: &usize| (all[index] - time).abs();
        (0..all.len()).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(0)
    };
    let chosen: Vec<usize> = wanted.iter().map(nearest).collect();
    let mut kept = vec![vec![]; chosen.len()];
    let mut process = PathProcess::new(score.clone(), &times, true, 1, 1)?;
    let mut field = vec![0.0; score.lattice().values()];
    let stream = Stream::new(seed, MAX_CHAIN, PICTURE)?;
    process.watch(&[stream], &mut field, &mut [0.0], &mut |level, field| {
        for (kept, _) in kept.iter_mut().zip(&chosen).filter(|(_, chosen)| **chosen == level) {
            *kept = field.to_vec();
        }
        Ok(())
    })?;
    Ok(chosen.iter().map(|&index| all[index]).zip(kept).collect())
}

/// The score of a two-component model at `time` and at every one of `places`, which are as many as the lattice has sites.
///
/// # Errors
/// [`crate::Error::ShapeMismatch`], and what the model returns.
pub fn score_field(score: &Arc<dyn Score>, time: f64, places: &[(f64, f64)]) -> Result<Vec<(f64, f64)>> {
    require_length("values of the model", score.lattice().values(), 2 * places.len())?;
    let (x, y) = (places.iter().map(|place| place.0), places.iter().map(|place| place.1));
    let field: Vec<f64> = x.chain(y).collect();
    let mut vectors = vec![0.0; field.len()];
    let mut evaluator = score.clone().evaluator(1)?;
    crate::score::score(&mut *evaluator, score.schedule(), &[time], &field, &mut vectors)?;
    let (u, v) = vectors.split_at(places.len());
    Ok(u.iter().copied().zip(v.iter().copied()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::MixtureLaw;
    use crate::diffusion::Schedule;
    use crate::lattice::Lattice;
    use crate::score::MixtureScore;

    fn three_peak(sites: usize) -> Arc<dyn Score> {
        let lattice = Lattice::new(&[sites]).unwrap().with_components(2).unwrap();
        Arc::new(MixtureScore::three_peak(lattice, Schedule::variance_preserving(25.0).unwrap(), 2.0, 0.4).unwrap())
    }

    #[test]
    fn the_score_field_is_the_gradient_of_the_smoothed_law() {
        let places = [(0.3, 0.1), (-1.0, 0.7), (2.0, -2.0)];
        let (score, time) = (three_peak(3), 0.2);
        let (signal, noise) = (score.schedule().signal(time), score.schedule().noise(time));
        let law = MixtureLaw::three_peak(2.0, 0.4).unwrap();
        let log = |x: f64, y: f64| law.log_smoothed(&[x / signal, y / signal], noise);
        for ((x, y), (u, v)) in places.into_iter().zip(score_field(&score, time, &places).unwrap()) {
            let expected = ((log(x + 1e-5, y) - log(x - 1e-5, y)) / 2e-5, (log(x, y + 1e-5) - log(x, y - 1e-5)) / 2e-5);
            assert!((u - expected.0).abs() < 1e-6 && (v - expected.1).abs() < 1e-6, "{u} {v} {expected:?}");
        }
        assert!(score_field(&score, time, &places[1..]).is_err());
    }

    #[test]
    fn snapshots_go_from_the_prior_to_the_peaks() {
        let score = three_peak(600);
        let found = snapshots(&score, 60, &[1.0, 0.3, 0.0], 1).unwrap();
        assert_eq!(found[2].0, 0.0);
        assert!(found[0].0 > found[1].0 && (found[1].0 - 0.3).abs() < 0.1);
        // Variances of 1200 numbers each: 4 sigma is 16 per cent, 1 in 10^4.
        let variance = |field: &[f64]| field.iter().map(|x| x * x).sum::<f64>() / field.len() as f64;
        let exact = 2.0 + 0.16;
        for (time, field) in &found {
            let (signal, xi) = (score.schedule().signal(*time), score.schedule().variance(*time));
            let expected = signal * signal * exact + xi;
            assert!((variance(field) / expected - 1.0).abs() < 0.16, "{time}: {} {expected}", variance(field));
        }
        let drawn = samples(&score, 40, 700, (1, 1)).unwrap();
        assert!(drawn.len() >= 2 && drawn.iter().all(|field| field.len() == 1200));
    }
}
