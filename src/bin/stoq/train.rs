//! `stoq train`: a model from configurations.

use super::check::{Proposals, print_proposals, propose};
use super::common::{Failure, Global, Record, Reporter, interruption, say};
use super::data::sidecar_path;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use stoq::Error;
use stoq::action::ActionRecord;
use stoq::model::{Metadata, Model};
use stoq::score::NativeScore;
use stoq::train::{AdamOptions, Dataset, TrainOptions, Trainer};

/// Options of `stoq train`.
#[derive(Args)]
pub struct Options {
    /// Configurations (.npy, shape (configurations, extents...), or (configurations, components, extents...))
    data: PathBuf,
    /// The model file to write
    #[arg(short, long)]
    output: PathBuf,
    /// Optimiser steps; 0 writes the untrained network
    #[arg(long, conflicts_with = "minutes")]
    steps: Option<u64>,
    /// Choose the number of steps so that training takes about this long
    #[arg(long)]
    minutes: Option<f64>,
    /// Channels at each resolution, finest first
    #[arg(long, value_delimiter = ',')]
    channels: Option<Vec<usize>>,
    /// Samples a step
    #[arg(long)]
    batch: Option<usize>,
    /// Largest learning rate
    #[arg(long)]
    rate: Option<f64>,
    /// Proposals for the report at the end
    #[arg(long, default_value_t = 1024)]
    proposals: usize,
}

/// Steps that are timed before `--minutes` is turned into a number of steps.
const TIMED: u64 = 100;

/// Runs the command.
pub fn run(global: &Global, options: &Options) -> Result<(), Failure> {
    let start = Instant::now();
    let action = action_of(options)?;
    let components = action.as_ref().map_or(Ok(1), ActionRecord::components)?;
    let data = Dataset::load_with_components(&options.data, components)?;
    // Every system but phi^4 has independent sites.
    let independent = action.as_ref().is_some_and(|action| action.name != "phi4");
    let defaults = if independent { TrainOptions::independent_sites() } else { TrainOptions::default() };
    let train = TrainOptions {
        channels: options.channels.clone().unwrap_or(defaults.channels),
        batch: options.batch.unwrap_or(defaults.batch),
        steps: options.steps.unwrap_or(defaults.steps),
        seed: global.seed,
        threads: global.threads,
        adam: AdamOptions { rate: options.rate.unwrap_or(defaults.adam.rate), ..defaults.adam },
        command: command_line(),
        ..defaults
    };
    let (configurations, lattice) = (data.len(), data.lattice().clone());
    let mut steps = train.steps;
    // A complex action has a force on x and y together that no real action has: the data alone teach it.
    let complex = action.clone().filter(is_complex);
    let mut trainer = Trainer::new(data, action.filter(|action| !is_complex(action)), train)?;
    say(
        global,
        &format!(
            "{configurations} configurations of {:?}, {} weights, {:.2} million multiply-adds an evaluation",
            lattice.extents(),
            trainer.network().layout().total(),
            trainer.network().multiply_adds() as f64 * 1e-6,
        ),
    );
    let stop = interruption();
    let mut reporter = Reporter::new(global, steps);
    let clock = Instant::now();
    while !trainer.is_finished() && !stop.load(Ordering::SeqCst) {
        let progress = trainer.step()?;
        if let (Some(minutes), TIMED) = (options.minutes, progress.step) {
            steps = ((minutes * 60.0 / clock.elapsed().as_secs_f64()) * TIMED as f64).max(TIMED as f64) as u64;
            trainer.set_steps(steps);
            reporter.set_total(steps);
            say(
                global,
                &format!("{minutes} minutes are about {steps} steps; --steps {steps} gives the same bits again"),
            );
        }
        let seconds = clock.elapsed().as_secs_f64();
        reporter.update(progress.step, &format!("loss {:.5}, {seconds:.0} s", progress.loss));
    }
    reporter.finish();
    let training_seconds = clock.elapsed().as_secs_f64();
    let mut model = trainer.finish()?;
    if complex.is_some() {
        let metadata = Metadata { action: complex, ..model.metadata().clone() };
        model = Model::new(metadata, model.parameters().to_vec())?;
    }
    model.save(&options.output)?;
    let taken = model.metadata().training.steps;
    say(global, &format!("{}: {taken} steps in {training_seconds:.1} s", options.output.display()));
    let mut record = Record::new(
        "train",
        json!({"data": options.data, "steps": taken, "seed": global.seed, "threads": global.threads}),
    );
    record.set("loss", json!(model.metadata().training.loss));
    record.set("seconds", json!({"total": start.elapsed().as_secs_f64(), "training": training_seconds}));
    if let Some(action) =
        model.metadata().action.clone().filter(|action| options.proposals >= 64 && !is_complex(action))
    {
        let score = Arc::new(NativeScore::new(model)?);
        let results: Vec<Proposals> = [20, 40, 80]
            .into_iter()
            .map(|levels| {
                propose(score.clone(), &action, levels, options.proposals, global.seed, global.threads, &stop)
            })
            .collect::<Result<_, _>>()?;
        results.iter().for_each(|result| print_proposals(global, result));
        record.set("path", json!(results.iter().map(Proposals::json).collect::<Vec<_>>()));
    }
    Ok(record.write(global)?)
}

/// The action that the data's sidecar names: its force makes training much less noisy.
fn action_of(options: &Options) -> Result<Option<ActionRecord>, Failure> {
    let path = sidecar_path(&options.data);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("stoq: no {}: training without the force of the action", path.display());
            return Ok(None);
        }
        Err(source) => return Err(Error::io(path, source).into()),
    };
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| {
        Error::invalid("data description", format!("{} ({error})", path.display()), "JSON as `stoq data` writes it")
    })?;
    let record = serde_json::from_value(value["action"].clone())
        .map_err(|error| Error::invalid("action", format!("{} ({error})", path.display()), "a name and couplings"))?;
    Ok(Some(record))
}

/// Complex actions have no weights, and no force on real fields.
fn is_complex(action: &ActionRecord) -> bool {
    action.name.starts_with("complex")
}

fn command_line() -> String {
    let words: Vec<String> = std::env::args().skip(1).collect();
    format!("stoq {}", words.join(" "))
}
