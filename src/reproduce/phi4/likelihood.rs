//! The effective action -log q of a model against the action.

use super::Subject;
use crate::action::finite_action;
use crate::analysis::{ActionAgreement, WeightEstimate, action_agreement, independence_acceptance, var_log_weight};
use crate::diffusion::T_END;
use crate::error::Result;
use crate::kernel::{Grid, draw_proposals};
use crate::reproduce::published::PROBES;
use crate::reproduce::weights::log_weights;
use crate::rng::{MAX_CHAIN, Stream};
use crate::sampler::{Divergence, EquilibriumSampler, Likelihood, LikelihoodOptions};
use std::ops::ControlFlow;

/// Configurations of one call.
const BATCH: usize = 16;
/// Bound on the local error of the flow.
const TOLERANCE: f64 = 1e-4;
/// Score evaluations of a generated configuration.
const LEVELS: usize = 40;
/// Sweeps that bring the chain of the equilibrium configurations to equilibrium, and its number.
const CHAIN: (usize, u32) = (500, 300);

/// S and -log q of configurations.
pub struct Scatter {
    /// What the configurations are.
    pub name: &'static str,
    /// (S, -log q) of each.
    pub points: Vec<(f64, f64)>,
    /// R^2, Pearson's r, Var(S + log q).
    pub agreement: ActionAgreement,
    /// What random probes add to Var(S + log q).
    pub of_probes: f64,
    /// Score evaluations of a configuration.
    pub evaluations: f64,
}

/// S against -log q by the probability flow of `subject`, for the `fields` one after the other; the divergence is exact, or
/// estimated with ten random probes as published. `progress` is told how many are done.
///
/// # Errors
/// Those of [`Likelihood`] and [`action_agreement`].
pub fn scatter(
    subject: &Subject,
    (name, fields): (&'static str, &[Vec<f64>]),
    exact: bool,
    (seed, threads): (u64, usize),
    mut progress: impl FnMut(usize),
) -> Result<Scatter> {
    let mut action = subject.record.build(subject.score.lattice())?;
    let divergence = if exact { Divergence::Exact } else { Divergence::Hutchinson { probes: PROBES } };
    let options = LikelihoodOptions { divergence, tolerance: TOLERANCE, ..LikelihoodOptions::default() };
    let mut likelihood = Likelihood::new(subject.score.clone(), options, threads)?;
    let (mut actions, mut logs, mut probes, mut evaluations) = (vec![], vec![], 0.0, 0.0);
    for (batch, fields) in fields.chunks(BATCH).enumerate() {
        let first = (batch * BATCH) as u64;
        let streams = (first..first + fields.len() as u64).map(|step| Stream::new(seed, MAX_CHAIN, step));
        let found = likelihood.log_densities(&streams.collect::<Result<Vec<_>>>()?, &fields.concat())?;
        for (density, field) in found.iter().zip(fields) {
            logs.push(density.value);
            probes += density.error * density.error;
            evaluations += density.evaluations as f64;
            actions.push(finite_action(&mut *action, field)?.unwrap_or(f64::NAN));
        }
        progress(logs.len());
    }
    let count = logs.len().max(1) as f64;
    Ok(Scatter {
        name,
        agreement: action_agreement(&actions, &logs)?,
        points: actions.iter().zip(&logs).map(|(s, log)| (*s, -log)).collect(),
        of_probes: probes / count,
        evaluations: evaluations / count,
    })
}

/// Configurations with the name of their ensemble.
pub type Configurations = (&'static str, Vec<Vec<f64>>);

/// `count` configurations that the model generates, and as many of equilibrium, each with its name.
///
/// # Errors
/// What paths and sampler raise.
pub fn both_ensembles(subject: &Subject, count: usize, by: (u64, usize)) -> Result<[Configurations; 2]> {
    let (score, (kappa, lambda)) = (&subject.score, subject.couplings);
    let times = Grid::Optimal.times(score, LEVELS, T_END, by.0, by.1)?;
    let mut generated = Vec::with_capacity(count);
    let _ = draw_proposals(score, &times, count, by, &mut |proposal| {
        generated.push(proposal.field.to_vec());
        Ok(ControlFlow::<()>::Continue(()))
    })?;
    let mut sampler = EquilibriumSampler::new(score.lattice(), kappa, lambda, by.0, CHAIN.1)?;
    sampler.thermalise(CHAIN.0)?;
    let equilibrium = (0..count).map(|_| sampler.next_configuration().map(<[f64]>::to_vec));
    Ok([("generated", generated), ("equilibrium", equilibrium.collect::<Result<_>>()?)])
}

/// Var(log w) of path proposals, and their acceptance.
///
/// # Errors
/// As [`log_weights`] and the estimates.
pub fn weights(
    subject: &Subject,
    (levels, proposals): (usize, usize),
    by: (u64, usize),
) -> Result<[WeightEstimate; 2]> {
    let mut action = subject.record.build(subject.score.lattice())?;
    let found = log_weights(&subject.score, &mut *action, (Grid::Optimal, levels), proposals, by)?;
    Ok([var_log_weight(&found)?, independence_acceptance(&found)?])
}
