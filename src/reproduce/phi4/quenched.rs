//! The ensemble behind published cumulants: a quench, and what the equilibrium check says about it.

use super::Subject;
use super::ensemble::Ensemble;
use crate::action::finite_action;
use crate::error::Result;
use crate::sampler::{QuenchOptions, quench};
use crate::train::{Dataset, Equilibrium, EquilibriumReport};
use std::time::Instant;

/// A quench and its verdict.
pub struct Quenched {
    /// The configurations.
    pub ensemble: Ensemble,
    /// What the check of training data says.
    pub report: EquilibriumReport,
    /// Trajectories of each chain.
    pub trajectories: usize,
}

/// `configurations` of the theory of `subject` after hot starts and `options.trajectories` trajectories.
///
/// # Errors
/// As [`quench`] and [`Equilibrium::check_theory`].
pub fn quenched(
    subject: &Subject,
    options: QuenchOptions,
    configurations: usize,
    by: (u64, usize),
) -> Result<Quenched> {
    let clock = Instant::now();
    let lattice = subject.score.lattice();
    let fields = quench(lattice, subject.couplings, options, configurations, by)?;
    let mut action = subject.record.build(lattice)?;
    let mut ensemble = Ensemble::new("quench", lattice.values());
    for field in fields.chunks_exact(lattice.values()) {
        ensemble.push(field, finite_action(&mut *action, field)?.unwrap_or(f64::NAN))?;
    }
    ensemble.seconds = clock.elapsed().as_secs_f64();
    let data = Dataset::new(lattice.clone(), fields.iter().map(|&x| x as f32).collect())?;
    let report = Equilibrium::check_theory(&data, &subject.record)?;
    Ok(Quenched { ensemble, report, trajectories: options.trajectories })
}
