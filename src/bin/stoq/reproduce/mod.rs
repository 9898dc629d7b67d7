//! `stoq reproduce`: campaigns whose results are recorded in `docs/results/`.

mod acceptance;
mod autocorrelation;
mod complex;
mod kernels;
mod published;
mod toy;
mod two_peak;
mod u1_chains;
mod weights;

use super::common::{Failure, Global, Reporter};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use stoq::Error;
use stoq::reproduce::acceptance::Scan;
use stoq::train::Progress;

/// Options of `stoq reproduce`.
#[derive(Args)]
pub struct Options {
    /// What to reproduce
    experiment: Experiment,
    /// Less of everything: under two minutes
    #[arg(long)]
    quick: bool,
    /// The model of phi4-autocorrelation, trained for 32 x 32 at kappa = 0.27, lambda = 0.022 (--quick: for 16 x 16; the
    /// example's by default)
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Draw the scans of phi4-acceptance-* into this folder, as SVG
    #[arg(long, value_name = "FOLDER")]
    plots: Option<PathBuf>,
    /// Keep the networks of u1-chains in this folder
    #[arg(long, value_name = "FOLDER")]
    models: Option<PathBuf>,
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
    /// phi^4: exact acceptance against kappa on 16 x 16 (about 6 minutes on two threads)
    Phi4AcceptanceKappa,
    /// phi^4: exact acceptance against the volume, L = 8 to 32 at kappa = 0.27 (about 8 minutes on two threads)
    Phi4AcceptanceVolume,
    /// phi^4: exact acceptance against the number of configurations and the length of the training (about 8 minutes on
    /// two threads)
    Phi4AcceptanceTraining,
    /// phi^4: tau_int(|M|) and the cost of an independent configuration on 32 x 32 by HMC, tuned HMC, path, and HMC with
    /// renoise or path; needs --model (about 20 minutes, on one thread)
    Phi4Autocorrelation,
    /// U(1): exact chains at beta = 1 to 11 on 16 x 16, each network trained by the chain with the one below, beside HMC and
    /// charge shifts (about 25 minutes)
    U1Chains,
}

/// Runs the command.
pub fn run(global: &Global, options: &Options) -> Result<(), Failure> {
    use Experiment::{Phi4AcceptanceKappa, Phi4AcceptanceTraining, Phi4AcceptanceVolume, Phi4Autocorrelation};
    if options.model.is_some() && !matches!(options.experiment, Phi4Autocorrelation) {
        return Err(Error::invalid("--model", "given", "nothing: only phi4-autocorrelation takes a model").into());
    }
    let drawn = matches!(options.experiment, Phi4AcceptanceKappa | Phi4AcceptanceVolume | Phi4AcceptanceTraining);
    if options.plots.is_some() && !drawn {
        return Err(Error::invalid("--plots", "given", "nothing: only phi4-acceptance-* draw plots").into());
    }
    if options.models.is_some() && !matches!(options.experiment, Experiment::U1Chains) {
        return Err(Error::invalid("--models", "given", "nothing: only u1-chains keeps networks").into());
    }
    let scans =
        |name: &str, scans: &[Scan]| acceptance::run(global, options.quick, name, scans, options.plots.as_deref());
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
        Experiment::Phi4AcceptanceKappa => scans("phi4-acceptance-kappa", &[Scan::Kappa]),
        Experiment::Phi4AcceptanceVolume => scans("phi4-acceptance-volume", &[Scan::Volume]),
        Experiment::Phi4AcceptanceTraining => scans("phi4-acceptance-training", &[Scan::Configurations, Scan::Steps]),
        Experiment::U1Chains => u1_chains::run(global, options.quick, options.models.as_deref()),
        Experiment::Phi4Autocorrelation => autocorrelation::run(global, options.quick, options.model.as_deref()),
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
