//! `stoq reproduce`: campaigns whose results are recorded in `docs/results/`.

mod acceptance;
mod autocorrelation;
mod complex;
mod complex_figures;
mod figures;
mod frame;
mod kernels;
mod phi4;
mod published;
mod statistics;
mod three_peak;
mod toy;
mod two_peak;
mod u1_chains;
mod u1_networks;
mod u1_tables;
mod weights;

use super::common::{Failure, Global, Reporter};
use clap::{Args, ValueEnum};
use frame::Context;
use std::path::PathBuf;
use stoq::Error;
use stoq::report::Findings;
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
    /// The model of phi4-broken, -symmetric, -statistics, -cumulants and -likelihood, instead of one that is trained first; for
    /// phi4-autocorrelation one for 32 x 32 at kappa = 0.27, lambda = 0.022 (--quick: for 16 x 16; the example's by default)
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Generated configurations of phi4-broken, -symmetric, -statistics, -cumulants and -likelihood
    #[arg(long, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(64..))]
    configs: Option<usize>,
    /// Write a self-contained page with tables and plots
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write every figure into this folder, as SVG
    #[arg(long, value_name = "FOLDER")]
    plots: Option<PathBuf>,
    /// Keep the networks of u1-chains in this folder; the other u1-* take theirs from it, as far as it has them
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
    /// Three peaks in the plane: cumulants, score field, backward flow
    ThreePeak,
    /// Free energies from path weights
    FreeEnergy,
    /// Acceptance for every way to choose the levels
    Levels,
    /// Score and effective action of the 0+0-dimensional toy
    Toy,
    /// Coverage of the quoted error of tau_int on series of known tau_int
    StatisticsCoverage,
    /// Configurations per second through all cumulants and correlators of a report
    Throughput,
    /// Moments of the complex Gaussian model
    ClGaussian,
    /// Moments and cumulants of the complex quartic model
    ClQuartic,
    /// The score network of the literature beside ours: exact acceptance, likelihood, cost
    PublishedUnet,
    /// phi^4 at kappa = 0.5, L = 32: generated configurations, their denoising, magnetisation and observables beside equilibrium
    Phi4Broken,
    /// phi^4 at kappa = 0.21: the same
    Phi4Symmetric,
    /// phi^4 at kappa = 0.21: observables of 100 000 generated configurations as they are, and exactly corrected
    Phi4Statistics,
    /// phi^4 at kappa = 0.4: cumulants of the field to order 8, of 100 000 generated configurations, of a quench as published, and
    /// along the processes
    Phi4Cumulants,
    /// phi^4 at kappa = 0.21: the effective action of the model against the action
    Phi4Likelihood,
    /// phi^4: exact acceptance against kappa on 16 x 16 (about 6 minutes on two threads)
    Phi4AcceptanceKappa,
    /// phi^4: exact acceptance against the volume, L = 8 to 32 at kappa = 0.27 (about 8 minutes on two threads)
    Phi4AcceptanceVolume,
    /// phi^4: exact acceptance against the number of configurations and the length of the training (about 8 minutes on
    /// two threads)
    Phi4AcceptanceTraining,
    /// phi^4: tau_int(|M|) and the cost of an independent configuration on 32 x 32 by HMC, tuned HMC, path, and HMC with
    /// renoise or path (about 20 minutes, on one thread; without --model it trains first)
    Phi4Autocorrelation,
    /// U(1): exact chains at beta = 1 to 11 on 16 x 16, each network trained by the chain with the one below, beside HMC and
    /// charge shifts (about 25 minutes)
    U1Chains,
    /// U(1): the network of beta = 1 on 16 x 16 at L = 8 to 64, published generator and exact chains (about 10 minutes)
    U1Volume,
    /// U(1): the same network with its score scaled to beta = 1 to 11 on 16 x 16, published generator and exact chains
    /// (about 15 minutes with --models, 20 without)
    U1Coupling,
    /// U(1): the histograms of the charge and of the plaquette of u1-coupling (as long)
    U1Histograms,
    /// U(1): one network for beta = 1 to 11, trained along the ladder, beside one for each (about 15 minutes)
    U1Conditioned,
    /// U(1): the published form, a plain U-Net on the angles, beside the network on plaquettes at equal time of training
    /// (about 10 minutes)
    U1Unet,
}

impl Experiment {
    /// As on the command line.
    fn name(self) -> String {
        self.to_possible_value().map_or(String::new(), |value| value.get_name().to_string())
    }

    /// Whether it is about configurations of phi^4 that a model generates.
    fn generates(self) -> bool {
        use Experiment::{Phi4Broken, Phi4Cumulants, Phi4Likelihood, Phi4Statistics, Phi4Symmetric};
        matches!(self, Phi4Broken | Phi4Symmetric | Phi4Statistics | Phi4Cumulants | Phi4Likelihood)
    }
}

/// Runs the command.
pub fn run(global: &Global, options: &Options) -> Result<(), Failure> {
    use Experiment::{Phi4Autocorrelation, U1Chains, U1Conditioned, U1Coupling, U1Histograms, U1Volume};
    let generates = options.experiment.generates();
    if options.model.is_some() && !generates && !matches!(options.experiment, Phi4Autocorrelation) {
        let expected = "nothing: only phi4-broken, -symmetric, -statistics, -cumulants, -likelihood and -autocorrelation take a model";
        return Err(Error::invalid("--model", "given", expected).into());
    }
    if let (Some(count), false) = (options.configs, generates) {
        let expected =
            "nothing: only phi4-broken, -symmetric, -statistics, -cumulants and -likelihood generate so many";
        return Err(Error::invalid("--configs", count, expected).into());
    }
    if options.models.is_some()
        && !matches!(options.experiment, U1Chains | U1Conditioned | U1Volume | U1Coupling | U1Histograms)
    {
        return Err(Error::invalid("--models", "given", "nothing: only u1-* keep or take networks").into());
    }
    frame::run(global, options, &options.experiment.name(), |context| dispatch(options.experiment, context))
}

/// All experiments.
fn dispatch(experiment: Experiment, context: &Context) -> Result<Findings, Failure> {
    match experiment {
        Experiment::Kernels => kernels::run(context),
        Experiment::TwoPeak => two_peak::run(context),
        Experiment::TwoPeakNetwork => two_peak::run_network(context),
        Experiment::ThreePeak => three_peak::run(context),
        Experiment::FreeEnergy => weights::free_energy(context),
        Experiment::Levels => weights::levels(context),
        Experiment::Toy => toy::run(context),
        Experiment::StatisticsCoverage => statistics::run_coverage(context),
        Experiment::Throughput => statistics::run_throughput(context),
        Experiment::ClGaussian => complex::run(context, false),
        Experiment::ClQuartic => complex::run(context, true),
        Experiment::PublishedUnet => published::run(context),
        Experiment::U1Chains => u1_chains::run(context),
        Experiment::U1Conditioned => u1_networks::run_conditioned(context),
        Experiment::U1Unet => u1_networks::run_unet(context),
        Experiment::U1Volume => u1_tables::run(context, u1_tables::Table::Volume),
        Experiment::U1Coupling => u1_tables::run(context, u1_tables::Table::Coupling),
        Experiment::U1Histograms => u1_tables::run(context, u1_tables::Table::Histograms),
        Experiment::Phi4Broken => phi4::generation(context, 0.5),
        Experiment::Phi4Symmetric => phi4::generation(context, 0.21),
        Experiment::Phi4Statistics => phi4::statistics(context, 0.21),
        Experiment::Phi4Cumulants => phi4::cumulants(context),
        Experiment::Phi4Likelihood => phi4::likelihood(context),
        Experiment::Phi4AcceptanceKappa => acceptance::run(context, &[Scan::Kappa]),
        Experiment::Phi4AcceptanceVolume => acceptance::run(context, &[Scan::Volume]),
        Experiment::Phi4AcceptanceTraining => acceptance::run(context, &[Scan::Configurations, Scan::Steps]),
        Experiment::Phi4Autocorrelation => autocorrelation::run(context),
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
