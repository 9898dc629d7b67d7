//! `stoq reproduce`: campaigns whose results are recorded in `docs/results/`.

mod complex;
mod kernels;
mod published;
mod toy;
mod two_peak;
mod weights;

use super::common::{Failure, Global, Reporter};
use clap::{Args, ValueEnum};
use stoq::train::Progress;

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
    /// The same with a trained network
    TwoPeakNetwork,
    /// Free energies from path weights
    FreeEnergy,
    /// Acceptance for every way to choose the levels
    Levels,
    /// Score and effective action of the 0+0-dimensional toy
    Toy,
    /// Moments of the complex Gaussian model
    ClGaussian,
    /// Moments and cumulants of the complex quartic model
    ClQuartic,
    /// The score network of the literature beside ours: exact acceptance, likelihood, cost
    PublishedUnet,
}

/// Runs the command.
pub fn run(global: &Global, options: &Options) -> Result<(), Failure> {
    match options.experiment {
        Experiment::Kernels => kernels::run(global, options.quick),
        Experiment::TwoPeak => two_peak::run(global, options.quick),
        Experiment::TwoPeakNetwork => two_peak::run_network(global, options.quick),
        Experiment::FreeEnergy => weights::free_energy(global, options.quick),
        Experiment::Levels => weights::levels(global, options.quick),
        Experiment::Toy => toy::run(global, options.quick),
        Experiment::ClGaussian => complex::run(global, options.quick, false),
        Experiment::ClQuartic => complex::run(global, options.quick, true),
        Experiment::PublishedUnet => published::run(global, options.quick),
    }
}

/// Shows how far a training is.
fn training(global: &Global, steps: u64) -> impl FnMut(Progress) + '_ {
    let mut reporter = Reporter::new(global, steps);
    move |progress| {
        reporter.update(progress.step, &format!("training, loss {:.5}", progress.loss));
        if progress.step == steps {
            reporter.finish();
        }
    }
}
