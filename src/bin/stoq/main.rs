//! The `stoq` command line: data, training, checks and chains for people who have no host code yet.

mod chain;
mod check;
mod common;
mod data;
mod info;
mod reproduce;
mod train;

use clap::{Parser, Subcommand};
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
    /// Measure the weights of a model's proposals: Var(log w), ESS, exact acceptance
    Check(check::Options),
    /// Run a Markov chain with one or several kernels
    Chain(chain::Options),
    /// Reproduce a table or figure: ours beside the exact and the published values
    Reproduce(reproduce::Options),
    /// Show the version, or what a model file says about itself
    Info(info::Options),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let global = &cli.global;
    let result = match &cli.command {
        Command::Data(options) => data::run(global, options),
        Command::Train(options) => train::run(global, options),
        Command::Check(options) => check::run(global, options),
        Command::Chain(options) => chain::run(global, options),
        Command::Reproduce(options) => reproduce::run(global, options),
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
