//! `stoq train-without-data`: a model from the action alone.

use super::check::{Proposals, print_proposals, propose};
use super::common::{Failure, Global, Record, Reporter, interruption, say};
use super::system::SystemOptions;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use stoq::Error;
use stoq::kernel::Grid;
use stoq::score::NativeScore;
use stoq::train::{AdamOptions, DataFreeOptions, RefineOptions, Stage, TrainOptions, train_without_data};

/// Options of `stoq train-without-data`.
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    system: SystemOptions,
    /// The model file to write
    #[arg(short, long)]
    output: PathBuf,
    /// Trainings on generated configurations: the first on reweighted Gaussian draws, the others on those of the model before
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// Optimiser steps of each
    #[arg(long, default_value_t = 2000)]
    steps: u64,
    /// Steps of the refinement of Var(log w) at the end
    #[arg(long, default_value_t = 0)]
    refine: u64,
    /// Draws of the first Gaussian
    #[arg(long, default_value_t = 1 << 18)]
    draws: usize,
    /// Paths of each later round
    #[arg(long, default_value_t = 8192)]
    paths: usize,
    /// Channels at each resolution, finest first
    #[arg(long, value_delimiter = ',', default_values_t = [16, 24])]
    channels: Vec<usize>,
    /// Samples a step
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Proposals for the report at the end
    #[arg(long, default_value_t = 1024)]
    proposals: usize,
}

/// Runs the command.
pub fn run(global: &Global, options: &Options) -> std::result::Result<(), Failure> {
    let start = Instant::now();
    let (action, lattice) = (options.system.record()?, options.system.lattice()?);
    if action.name != "phi4" {
        let expected = "phi4: the other systems are sampled exactly by stoq data, and trained on that";
        return Err(Error::invalid("system", &action.name, expected).into());
    }
    let training = training(global, options);
    let stop = interruption();
    let mut reporter = Reporter::new(global, options.rounds as u64 * options.steps + options.refine);
    let model = train_without_data(&action, &lattice, &training, &mut |stage| {
        report(global, options, &mut reporter, &stage);
        !stop.load(Ordering::SeqCst)
    })?;
    reporter.finish();
    let Some(model) = model else { return Err(Failure::Interrupted) };
    model.save(&options.output)?;
    say(global, &format!("{}: {:.1} s", options.output.display(), start.elapsed().as_secs_f64()));
    let mut parameters = options.system.parameters()?;
    parameters["rounds"] = json!(options.rounds);
    parameters["steps"] = json!(options.steps);
    parameters["refine"] = json!(options.refine);
    parameters["seed"] = json!(global.seed);
    let mut record = Record::new("train-without-data", parameters);
    record.set("seconds", json!({"total": start.elapsed().as_secs_f64()}));
    if options.proposals >= 64 {
        let score = Arc::new(NativeScore::new(model)?);
        let results = [20, 40, 80].into_iter().map(|levels| {
            propose(
                score.clone(),
                &action,
                (Grid::Optimal, levels),
                options.proposals,
                global.seed,
                global.threads,
                &stop,
            )
        });
        let results = results.collect::<std::result::Result<Vec<_>, _>>()?;
        results.iter().for_each(|result| print_proposals(global, result));
        record.set("path", json!(results.iter().map(Proposals::json).collect::<Vec<_>>()));
    }
    Ok(record.write(global)?)
}

fn training(global: &Global, options: &Options) -> DataFreeOptions {
    let defaults = DataFreeOptions::default();
    // Shorter trainings than on data: the first steps and the memory of the average are shortened in proportion.
    let adam = AdamOptions { warm_up: options.steps / 20, average: 0.998, ..defaults.train.adam };
    DataFreeOptions {
        gaussian_draws: options.draws,
        rounds: options.rounds,
        paths: options.paths,
        train: TrainOptions {
            channels: options.channels.clone(),
            embedding: 32,
            batch: options.batch,
            steps: options.steps,
            seed: global.seed,
            threads: global.threads,
            adam,
            command: super::train::command_line(),
            ..defaults.train
        },
        refine: RefineOptions { steps: options.refine, seed: global.seed, threads: global.threads, ..defaults.refine },
        ..defaults
    }
}

/// One line a round, and the bar.
fn report(global: &Global, options: &Options, reporter: &mut Reporter, stage: &Stage) {
    match stage {
        Stage::Drawn { round, effective_share, power } => {
            let source = if *round == 0 { "Gaussian draws" } else { "paths" };
            let tempered = if *power < 1.0 { format!(", weights to the power {power:.3}") } else { String::new() };
            say(global, &format!("round {round}: {source} with ESS {effective_share:.4}{tempered}"));
        }
        Stage::Training { round, progress } => {
            let done = *round as u64 * options.steps + progress.step;
            reporter.update(done, &format!("loss {:.5}", progress.loss));
        }
        Stage::Refinement(progress) => {
            let done = options.rounds as u64 * options.steps + progress.step;
            reporter.update(done, &format!("Var(log w) {:.4}", progress.var_log_w));
        }
    }
}
