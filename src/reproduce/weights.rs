//! Weights of path proposals: free energies against exact ones, and what the choice of levels is worth.

use super::systems::{System, free_field, log_partition_phi4, phi4, toy, two_peak};
use crate::action::{Action, ToyLaw};
use crate::analysis::{WeightEstimate, log_mean_weight};
use crate::diffusion::T_END;
use crate::error::Result;
use crate::kernel::{Grid, weighted_proposals};
use crate::score::{GaussianScore, Score};
use std::sync::Arc;

/// log w of `proposals` independent paths, as [`weighted_proposals`] gives them.
///
/// # Errors
/// As [`Grid::times`] and [`weighted_proposals`].
pub fn log_weights(
    score: &Arc<dyn Score>,
    action: &mut dyn Action,
    (grid, levels): (Grid, usize),
    proposals: usize,
    (seed, threads): (u64, usize),
) -> Result<Vec<f64>> {
    let times = grid.times(score, levels, T_END, seed, threads)?;
    let drawn = weighted_proposals(score, action, &times, proposals, (seed, threads), &|| true)?;
    Ok(drawn.map_or(vec![], |drawn| drawn.log_weights))
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
