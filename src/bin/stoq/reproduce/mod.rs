//! `stoq reproduce`: campaigns whose results are recorded in `docs/results/`.

mod kernels;
mod two_peak;

use super::common::{Failure, Global};
use clap::{Args, ValueEnum};

/// Options of `stoq reproduce`.
#[derive(Args)]
pub struct Options {
    /// What to reproduce
    experiment: Experiment,
    /// Less of everything: under two minutes
    #[arg(long)]
    quick: bool,
}

/// What can be reproduced.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Experiment {
    /// Every exact kernel on every system with exact averages, and planted faults
    Kernels,
    /// Cumulants of two peaks at the end of the backward process
    TwoPeak,
}

/// Runs the command.
pub fn run(global: &Global, options: &Options) -> Result<(), Failure> {
    match options.experiment {
        Experiment::Kernels => kernels::run(global, options.quick),
        Experiment::TwoPeak => two_peak::run(global, options.quick),
    }
}
