//! Weights of path proposals: free energies against exact ones, and what the choice of levels is worth.

use super::systems::{System, free_field, log_partition_phi4, phi4, toy, two_peak};
use crate::action::{Action, ToyLaw, finite_action};
use crate::analysis::{WeightEstimate, log_mean_weight};
use crate::diffusion::T_END;
use crate::error::Result;
use crate::kernel::{Grid, PathProcess};
use crate::rng::{MAX_CHAIN, Stream};
use crate::score::{GaussianScore, Score};
use std::sync::Arc;

/// Proposals generated together.
const BATCH: usize = 64;

/// log w of `proposals` independent paths, normalised such that E\[w\] = Z. A proposal without an action has weight
/// zero. Draws from the chain number that is kept for diagnostics, so no chain's numbers are repeated.
///
/// # Errors
/// As [`Grid::times`] and [`PathProcess::new`].
pub fn log_weights(
    score: &Arc<dyn Score>,
    action: &mut dyn Action,
    (grid, levels): (Grid, usize),
    proposals: usize,
    (seed, threads): (u64, usize),
) -> Result<Vec<f64>> {
    let values = score.lattice().values();
    let times = grid.times(score, levels, T_END, seed, threads)?;
    let mut process = PathProcess::new(score.clone(), &times, true, BATCH, threads)?;
    let mut fields = vec![0.0; BATCH * values];
    let mut ratios = vec![0.0; BATCH];
    let mut log_weights = Vec::with_capacity(proposals);
    while log_weights.len() < proposals {
        let count = BATCH.min(proposals - log_weights.len());
        let first = log_weights.len() as u64;
        let streams = (first..first + count as u64).map(|step| Stream::new(seed, MAX_CHAIN, step));
        let streams = streams.collect::<Result<Vec<_>>>()?;
        process.generate(&streams, &mut fields[..count * values], &mut ratios[..count])?;
        for (field, ratio) in fields.chunks_exact(values).zip(&ratios[..count]) {
            log_weights.push(finite_action(action, field)?.map_or(f64::NEG_INFINITY, |s| ratio - s));
        }
    }
    Ok(log_weights)
}

/// ln Z of one system.
#[derive(Clone, Debug)]
pub struct FreeEnergy {
    /// Name of the system.
    pub system: String,
    /// Exact ln Z.
    pub exact: f64,
    /// ln of the mean weight.
    pub found: WeightEstimate,
    /// (found - exact) / error.
    pub z: f64,
}

/// ln Z from the weights of `proposals` paths for every system with exact averages; networks for phi^4 are trained
/// for `steps` steps.
///
/// # Errors
/// What systems and paths raise.
pub fn free_energies(steps: u64, levels: usize, proposals: usize, effort: (u64, usize)) -> Result<Vec<FreeEnergy>> {
    let mut cases: Vec<(System, f64)> = vec![(free_field()?, free_field_log_partition()?)];
    for mu2 in [1.0, -1.0] {
        cases.push((toy(mu2)?, ToyLaw::new(mu2, 0.4)?.log_partition()));
    }
    // The action of a mixture is normalised: ln Z = 0.
    cases.push((two_peak()?, 0.0));
    for kappa in super::systems::KAPPAS {
        cases.push((phi4(kappa, steps, effort.1)?, log_partition_phi4(kappa)?));
    }
    let found = cases.into_iter().map(|(system, exact)| {
        let weights = log_weights(&system.score, &mut *system.action()?, (Grid::Optimal, levels), proposals, effort)?;
        let found = log_mean_weight(&weights)?;
        Ok(FreeEnergy { exact, found, z: (found.value - exact) / found.error, system: system.name })
    });
    found.collect()
}

/// ln Z = 1/2 sum_p ln(2 pi C_p) of the free field of [`free_field`].
fn free_field_log_partition() -> Result<f64> {
    let system = free_field()?;
    let schedule = *system.score.schedule();
    let exact = GaussianScore::free_field(system.lattice, schedule, system.record.coupling("kappa")?)?;
    Ok(exact.covariance().iter().map(|c| 0.5 * libm::log(std::f64::consts::TAU * c)).sum())
}
