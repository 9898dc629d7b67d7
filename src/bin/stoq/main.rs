//! The `stoq` command line: data, training, checks and chains for people who have no host code yet.

mod adapt;
mod adopt;
mod card;
mod chain;
mod check;
mod common;
mod config;
mod data;
mod gauge;
mod growing;
mod info;
mod kernels;
mod likelihood;
mod observables;
mod refine;
mod reproduce;
mod runtime;
mod sample;
mod saved;
mod scores;
mod selftest;
mod system;
mod train;
mod train_without_data;

use clap::{CommandFactory, Parser, Subcommand};
use common::{Failure, Global};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "stoq", version, about = "Exactly corrected diffusion-model updates for lattice field theory")]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Generate thermalised configurations with the built-in samplers
    Data(data::Options),
    /// Train a score model on configurations
    Train(train::Options),
    /// Train a score model from the action alone
    TrainWithoutData(train_without_data::Options),
    /// Lower the variance of the weights of a trained model directly
    Refine(refine::Options),
    /// Take a model to another lattice or other couplings, or measure its Gaussian part anew
    Adapt(adapt::Options),
    /// Say in a file that another program exported what its network is, so that every command can use it
    Adopt(adopt::Options),
    /// Install or show the library of ONNX Runtime, for networks exported by other programs
    Runtime(runtime::Options),
    /// The report card of a model: weights of its proposals, and with data what they are like
    Check(check::Options),
    /// Generate samples from a model: approximate, with log weights
    Sample(sample::Options),
    /// log q of configurations under a model, by its probability flow, against the action
    Likelihood(likelihood::Options),
    /// Run a Markov chain with one or several kernels
    Chain(chain::Options),
    /// Reproduce a table or figure: ours beside the exact and the published values
    Reproduce(reproduce::Options),
    /// Test forces, reversibility and detailed balance
    Selftest(selftest::Options),
    /// Show the version, or what a model file says about itself
    Info(info::Options),
}

fn main() -> ExitCode {
    let words = match config::expand(&Cli::command(), std::env::args_os().collect()) {
        Ok(words) => words,
        Err(error) => {
            eprintln!("stoq: {error}");
            return ExitCode::from(2);
        }
    };
    let cli = Cli::parse_from(words);
    let global = &cli.global;
    let result = match &cli.command {
        Command::Data(options) => data::run(global, options),
        Command::Train(options) => train::run(global, options),
        Command::TrainWithoutData(options) => train_without_data::run(global, options),
        Command::Refine(options) => refine::run(global, options),
        Command::Adapt(options) => adapt::run(global, options),
        Command::Adopt(options) => adopt::run(global, options),
        Command::Runtime(options) => runtime::run(global, options),
        Command::Check(options) => check::run(global, options),
        Command::Sample(options) => sample::run(global, options),
        Command::Likelihood(options) => likelihood::run(global, options),
        Command::Chain(options) => chain::run(global, options),
        Command::Reproduce(options) => reproduce::run(global, options),
        Command::Selftest(options) => selftest::run(global, options),
        Command::Info(options) => info::run(global, options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("stoq: {failure}");
            match failure {
                Failure::Check(_) => ExitCode::from(1),
                Failure::Input(_) | Failure::Interrupted => ExitCode::from(2),
            }
        }
    }
}
