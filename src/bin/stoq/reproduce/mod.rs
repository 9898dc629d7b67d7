//! `stoq reproduce`: campaigns whose results are recorded in `docs/results/`.

mod kernels;

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
}

/// Runs the command.
pub fn run(global: &Global, options: &Options) -> Result<(), Failure> {
    match options.experiment {
        Experiment::Kernels => kernels::run(global, options.quick),
    }
}
