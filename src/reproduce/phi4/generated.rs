//! Configurations that a diffusion model generates: as they are, and corrected exactly in two ways.

use super::Subject;
use super::ensemble::Ensemble;
use crate::action::finite_action;
use crate::analysis::{WeightEstimate, effective_sample_size, independence_acceptance, var_log_weight};
use crate::diffusion::T_END;
use crate::error::{Error, Result};
use crate::kernel::{Grid, PathProcess, draw_proposals};
use crate::rng::{MAX_CHAIN, Purpose, Stream};
use std::ops::ControlFlow;
use std::time::Instant;

/// Share of the chain that is left out at its beginning, and the fewest updates.
const WARM_UP: (usize, usize) = (100, 50);
/// States of a path that are kept for pictures.
const STATES: usize = 6;

/// A state of a backward path.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Its time.
    pub time: f64,
    /// sqrt(Xi) / f there.
    pub noise: f64,
    /// The field.
    pub field: Vec<f64>,
}

/// What a model generates.
pub struct Generated {
    /// The proposals as they are: approximate, the published use of a diffusion model.
    pub plain: Ensemble,
    /// Independence Metropolis of the same proposals, which is what the kernel `path` does: exact.
    pub chain: Ensemble,
    /// The proposals with their weights: exact up to order 1/N.
    pub reweighted: Ensemble,
    /// Score evaluations of a proposal.
    pub levels: usize,
    /// Share of accepted proposals in the chain.
    pub accepted: f64,
    /// The acceptance of independence Metropolis in equilibrium, from the weights.
    pub acceptance: WeightEstimate,
    /// Effective sample size over the number of proposals.
    pub effective_sample_size: WeightEstimate,
    /// Var(log w).
    pub variance: WeightEstimate,
    /// Wall time of a proposal with its measurements.
    pub seconds: f64,
    /// The first proposal on its way from noise.
    pub path: Vec<State>,
}

/// `proposals` proposals of `subject` over `levels` levels of least divergence, each evaluated once: plain, in a chain, and
/// reweighted. `progress` is told how many are done and says whether to go on.
///
/// # Errors
/// What paths and estimates raise; `None` when `progress` said no.
pub fn generate(
    subject: &Subject,
    (levels, proposals): (usize, usize),
    (seed, threads): (u64, usize),
    progress: &mut dyn FnMut(usize) -> bool,
) -> Result<Option<Generated>> {
    let clock = Instant::now();
    let (score, lattice) = (&subject.score, subject.score.lattice().clone());
    let times = Grid::Optimal.times(score, levels, T_END, seed, threads)?;
    let mut action = subject.record.build(&lattice)?;
    let mut plain = Ensemble::new("generator only", lattice.values());
    let mut log_weights = Vec::with_capacity(proposals);
    let end = draw_proposals(score, &times, proposals, (seed, threads), &mut |proposal| {
        if !progress(plain.len()) {
            return Ok(ControlFlow::Break(()));
        }
        let Some(value) = finite_action(&mut *action, proposal.field)? else {
            let expected = "proposals of finite action: the model has not learned this theory";
            return Err(Error::invalid("model", "a proposal without a finite action", expected));
        };
        plain.push(proposal.field, value)?;
        log_weights.push(proposal.log_ratio - value);
        Ok(ControlFlow::Continue(()))
    })?;
    if end.is_break() {
        return Ok(None);
    }
    plain.seconds = clock.elapsed().as_secs_f64();
    let (states, accepted) = metropolis_chain(&log_weights, seed)?;
    let warm_up = (states.len() / WARM_UP.0).max(WARM_UP.1).min(states.len() / 2);
    Ok(Some(Generated {
        chain: plain.chosen("path, exact", &states[warm_up..])?,
        reweighted: plain.reweighted("reweighted, exact", log_weights.clone())?,
        levels,
        accepted,
        acceptance: independence_acceptance(&log_weights)?,
        effective_sample_size: effective_sample_size(&log_weights)?,
        variance: var_log_weight(&log_weights)?,
        seconds: plain.seconds / proposals as f64,
        path: path(subject, &times, (seed, threads))?,
        plain,
    }))
}

/// Independence Metropolis with min(1, w'/w) over proposals of the given log weights: the index of the proposal that each
/// state of the chain is, the first one included, and the share of accepted proposals.
///
/// # Errors
/// As [`Stream::new`].
fn metropolis_chain(log_weights: &[f64], seed: u64) -> Result<(Vec<usize>, f64)> {
    let mut states = Vec::with_capacity(log_weights.len());
    let (mut current, mut accepted) = (0, 0);
    for (index, proposed) in log_weights.iter().enumerate() {
        if index > 0 {
            let uniform = Stream::new(seed, MAX_CHAIN, index as u64)?.uniform(Purpose::Accept, 0, 0);
            if libm::log(uniform) < proposed - log_weights[current] {
                current = index;
                accepted += 1;
            }
        }
        states.push(current);
    }
    Ok((states, accepted as f64 / (log_weights.len().max(2) - 1) as f64))
}

/// The states of the first proposal at levels that are evenly spread in the logarithm of the noise, noise first, and the
/// last one.
fn path(subject: &Subject, times: &[f64], (seed, threads): (u64, usize)) -> Result<Vec<State>> {
    let (score, values) = (&subject.score, subject.score.lattice().values());
    let mut process = PathProcess::new(score.clone(), times, true, 1, threads)?;
    let (mut field, mut states) = (vec![0.0; values], vec![]);
    let kept = kept_levels(&times.iter().map(|&time| score.schedule().noise(time)).collect::<Vec<f64>>());
    process.watch(&[Stream::new(seed, MAX_CHAIN, 0)?], &mut field, &mut [0.0], &mut |level, field| {
        if kept.contains(&level) {
            let time = if level > 0 { times[level - 1] } else { 0.0 };
            states.push(State { time, noise: score.schedule().noise(time), field: field.to_vec() });
        }
        Ok(())
    })?;
    Ok(states)
}

/// Levels whose noise is closest to a geometric sequence from the last to the first of `noise` (ascending), counted from
/// 1, and 0 for the sample. Fewer where two would be the same.
fn kept_levels(noise: &[f64]) -> Vec<usize> {
    let (Some(first), Some(last)) = (noise.first(), noise.last()) else { return vec![0] };
    let mut kept: Vec<usize> = (0..STATES - 1)
        .map(|state| {
            let wanted = libm::log(*first) + libm::log(last / first) * state as f64 / (STATES - 2) as f64;
            let distance = |level: &usize| (libm::log(noise[*level]) - wanted).abs();
            (0..noise.len()).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(0) + 1
        })
        .collect();
    kept.insert(0, 0);
    kept.dedup();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_spread_over_the_noise() {
        let noise: Vec<f64> = (0..41).map(|level| 0.1 * 10f64.powf(level as f64 / 20.0)).collect();
        assert_eq!(kept_levels(&noise), [0, 1, 11, 21, 31, 41]);
        // Levels that crowd at large noise are not all shown.
        assert_eq!(kept_levels(&[1.0, 90.0, 95.0, 100.0]), [0, 1, 2, 4]);
        assert_eq!(kept_levels(&[3.0]), [0, 1]);
    }

    /// Proposals uniform over five kinds of weights 1 to 5: the chain visits them in proportion to the weights, and
    /// accepts as [`independence_acceptance`] says. 10^5 steps, errors about 0.2 per cent of 1, compared at 0.01.
    #[test]
    fn the_chain_visits_states_by_their_weights() {
        let count = 100_000;
        let stream = Stream::new(1, 0, 0).unwrap();
        let kind = |index: usize| stream.below(Purpose::Diagnostic, 0, index as u32, 5);
        let weights: Vec<f64> = (0..count).map(|index| libm::log(1.0 + kind(index) as f64) + 300.0).collect();
        let (states, accepted) = metropolis_chain(&weights, 3).unwrap();
        for which in 0..5 {
            let share = states.iter().filter(|&&state| kind(state) == which).count() as f64 / count as f64;
            assert!((share - (1 + which) as f64 / 15.0).abs() < 0.01, "{which}: {share}");
        }
        assert!((accepted - independence_acceptance(&weights).unwrap().value).abs() < 0.01);
        // States are proposals of the past, in order.
        assert!(states.iter().enumerate().all(|(step, &state)| state <= step) && states.is_sorted());
    }
}
