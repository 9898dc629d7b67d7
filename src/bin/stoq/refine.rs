//! `stoq refine`: lowers Var(log w) of a model's paths directly.

use super::check::{print_proposals, propose};
use super::common::{Failure, Global, Record, Reporter, interruption, say};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use stoq::Error;
use stoq::kernel::Grid;
use stoq::model::Model;
use stoq::score::NativeScore;
use stoq::train::{AdamOptions, Dataset, RefineOptions, Refiner};

/// Options of `stoq refine`.
#[derive(Args)]
pub struct Options {
    /// The model file
    model: PathBuf,
    /// The model file to write
    #[arg(short, long)]
    output: PathBuf,
    /// Configurations that measure the model at the end, and a share of the paths (none: generated ones, by weight)
    #[arg(long)]
    data: Option<PathBuf>,
    /// Share of the paths that are drawn forward from the data
    #[arg(long, default_value_t = 0.0, requires = "data")]
    from_data: f64,
    /// Optimiser steps
    #[arg(long, default_value_t = 500)]
    steps: u64,
    /// Paths a step
    #[arg(long, default_value_t = 64)]
    paths: usize,
    /// Score evaluations of a path
    #[arg(long, default_value_t = 40)]
    levels: usize,
    /// Largest learning rate
    #[arg(long)]
    rate: Option<f64>,
    /// Proposals for the report at the end
    #[arg(long, default_value_t = 1024)]
    proposals: usize,
}

/// Runs the command.
pub fn run(global: &Global, options: &Options) -> Result<(), Failure> {
    let start = Instant::now();
    let model = Model::load(&options.model)?;
    let Some(action) = model.metadata().action.clone() else {
        let expected = "a model that names a built-in action";
        return Err(Error::invalid("action of the model", "none", expected).into());
    };
    let components = model.metadata().components;
    let data = options.data.as_ref().map(|path| Dataset::load_with_components(path, components)).transpose()?;
    let defaults = RefineOptions::default();
    let refine = RefineOptions {
        levels: options.levels,
        paths: options.paths,
        from_data: options.from_data,
        steps: options.steps,
        adam: AdamOptions { rate: options.rate.unwrap_or(defaults.adam.rate), ..defaults.adam },
        seed: global.seed,
        threads: global.threads,
        ..defaults
    };
    let mut refiner = Refiner::new(model, &action, data, refine)?;
    let stop = interruption();
    let mut reporter = Reporter::new(global, options.steps);
    while !refiner.is_finished() && !stop.load(Ordering::SeqCst) {
        let progress = refiner.step()?;
        let (variance, acceptance) = (progress.var_log_w, progress.acceptance);
        reporter.update(progress.step, &format!("Var(log w) {variance:.4}, acceptance {acceptance:.3}"));
    }
    reporter.finish();
    let model = refiner.finish()?;
    model.save(&options.output)?;
    say(global, &format!("{}: {:.1} s", options.output.display(), start.elapsed().as_secs_f64()));
    let parameters = json!({"model": options.model, "steps": options.steps, "paths": options.paths,
        "levels": options.levels, "seed": global.seed, "threads": global.threads});
    let mut record = Record::new("refine", parameters);
    record.set("seconds", json!({"total": start.elapsed().as_secs_f64()}));
    if options.proposals >= 64 {
        let (score, levels) = (Arc::new(NativeScore::new(model)?), options.levels);
        let result =
            propose(score, &action, (Grid::Optimal, levels), options.proposals, global.seed, global.threads, &stop)?;
        print_proposals(global, &result);
        record.set("path", json!([result.json()]));
    }
    Ok(record.write(global)?)
}
