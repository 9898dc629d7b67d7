//! `stoq chain`: a Markov chain with one or several exact kernels.

use super::common::{Failure, Global, Record, Reporter, SystemOptions, estimate, interruption, say};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use stoq::Error;
use stoq::action::{Action, finite_action};
use stoq::analysis::{FieldSeries, MagnetisationSummary, gamma_method};
use stoq::kernel::hmc::{Hmc, HmcOptions};
use stoq::kernel::{Chain, ChainOptions, Kernel, Outcome};
use stoq::model::Model;
use stoq::rng::{Purpose, Stream};
use stoq::score::{NativeScore, Score};

/// Options of `stoq chain`.
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    system: SystemOptions,
    /// Kernels joined by +: hmc, path, renoise
    #[arg(long)]
    kernel: String,
    /// The model, for path and renoise
    #[arg(long)]
    model: Option<PathBuf>,
    /// Measured updates; an update applies every kernel once
    #[arg(long, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(2..))]
    updates: usize,
    /// Updates before the first measurement
    #[arg(long, default_value_t = 200)]
    thermalise: usize,
    /// Score evaluations of a path
    #[arg(long, default_value_t = 40)]
    levels: usize,
    /// t* of renoise, in (0, 1]
    #[arg(long, default_value_t = 0.5)]
    renoise_time: f64,
    /// Length of an HMC trajectory
    #[arg(long, default_value_t = 1.0)]
    trajectory_length: f64,
    /// Write the magnetisation after every measured update to this .npy file
    #[arg(long, value_name = "FILE")]
    series: Option<PathBuf>,
}

/// One kernel of the composition, with its own counters.
struct Part {
    name: String,
    mover: Mover,
    /// 1 for an accepted update, else 0.
    accepted: Vec<f64>,
}

enum Mover {
    Hmc(Box<Hmc>, Stream),
    Learned(Box<Chain>),
}

/// Runs the command.
pub fn run(global: &Global, options: &Options) -> Result<(), Failure> {
    let start = Instant::now();
    let lattice = options.system.lattice()?;
    let mut action = options.system.record().build(&lattice)?;
    let mut field = vec![0.0; lattice.values()];
    Stream::new(global.seed, 0, 0)?.normals(Purpose::Start, 0, &mut field);
    let mut parts = parts(global, options, &lattice)?;
    let stop = interruption();
    let total = (options.thermalise + options.updates) as u64;
    let mut reporter = Reporter::new(global, total);
    for update in 0..options.thermalise {
        if stop.load(Ordering::SeqCst) {
            return Err(Failure::Interrupted);
        }
        move_all(&mut parts, &mut *action, &mut field, update as u64)?;
        reporter.update(update as u64 + 1, "thermalising");
    }
    parts.iter_mut().for_each(|part| part.accepted.clear());
    let warm = evaluations(&parts);
    let mut series = FieldSeries::new(lattice.values())?;
    let clock = Instant::now();
    for update in options.thermalise..options.thermalise + options.updates {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        move_all(&mut parts, &mut *action, &mut field, update as u64)?;
        let value = finite_action(&mut *action, &field)?.unwrap_or(f64::NAN);
        series.measure(&field, value)?;
        reporter.update(update as u64 + 1, "updates");
    }
    reporter.finish();
    let seconds = clock.elapsed().as_secs_f64() / series.len().max(1) as f64;
    if let Some(path) = &options.series {
        stoq::files::write_npy(path, &ndarray::ArrayView1::from(series.magnetisation()))?;
    }
    let summary = MagnetisationSummary::new(&[&series])?;
    let evaluations = (evaluations(&parts) - warm) as f64 / series.len() as f64;
    report(global, options, &parts, &summary, (seconds, evaluations), start)
}

/// Builds the kernels; every one draws from a chain number of its own, so that none shares a number.
fn parts(global: &Global, options: &Options, lattice: &stoq::lattice::Lattice) -> Result<Vec<Part>, Failure> {
    let score = match &options.model {
        Some(path) => Some(Arc::new(NativeScore::new(Model::load(path)?)?)),
        None => None,
    };
    let mut parts = vec![];
    for (index, name) in options.kernel.split('+').map(str::trim).enumerate() {
        let chain = index as u32 + 1;
        let learned = |kernel: Kernel| -> Result<Mover, Failure> {
            let Some(score) = score.clone() else {
                return Err(Error::invalid("--model", "none", &format!("a model file: {name} needs one")).into());
            };
            if score.lattice() != lattice {
                return Err(Error::shape("lattice", lattice.extents(), score.lattice().extents()).into());
            }
            let chain_options = ChainOptions {
                kernel,
                levels: options.levels,
                seed: global.seed,
                chain,
                threads: global.threads,
                ..ChainOptions::default()
            };
            Ok(Mover::Learned(Box::new(Chain::new(score, chain_options)?)))
        };
        let mover = match name {
            "hmc" => {
                let hmc_options = HmcOptions { trajectory_length: options.trajectory_length, ..HmcOptions::default() };
                Mover::Hmc(Box::new(Hmc::new(lattice.values(), hmc_options)?), Stream::new(global.seed, chain, 0)?)
            }
            "path" => learned(Kernel::Path)?,
            "renoise" => learned(Kernel::Renoise { time: options.renoise_time })?,
            other => return Err(Error::invalid("--kernel", other, "hmc, path or renoise, joined by +").into()),
        };
        parts.push(Part { name: name.into(), mover, accepted: vec![] });
    }
    Ok(parts)
}

fn move_all(parts: &mut [Part], action: &mut dyn Action, field: &mut [f64], update: u64) -> Result<(), Failure> {
    for part in parts {
        let outcome = match &mut part.mover {
            Mover::Hmc(hmc, stream) => hmc.update(action, field, &stream.at_step(update))?,
            Mover::Learned(chain) => chain.step(field, action)?,
        };
        part.accepted.push(f64::from(u8::from(outcome == Outcome::Accepted)));
    }
    Ok(())
}

/// Score evaluations so far.
fn evaluations(parts: &[Part]) -> u64 {
    let learned = parts.iter().filter_map(|part| match &part.mover {
        Mover::Learned(chain) => Some(chain.statistics().score_evaluations),
        Mover::Hmc(..) => None,
    });
    learned.sum()
}

fn report(
    global: &Global,
    options: &Options,
    parts: &[Part],
    summary: &MagnetisationSummary,
    (seconds, evaluations): (f64, f64),
    start: Instant,
) -> Result<(), Failure> {
    let mut acceptance = serde_json::Map::new();
    for part in parts {
        let rate = gamma_method(&[&part.accepted])?;
        say(global, &format!("{:<10} acceptance {:.4} +- {:.4}", part.name, rate.value, rate.error));
        acceptance.insert(part.name.clone(), json!({"value": rate.value, "error": rate.error}));
    }
    let mut observables = serde_json::Map::new();
    for (name, value) in summary.rows() {
        say(
            global,
            &format!(
                "{name:<16} {:>14.6} +- {:<12.6} tau_int {:.2}({:.2})",
                value.value, value.error, value.tau_int, value.tau_int_error
            ),
        );
        observables.insert(name.into(), estimate(&value));
    }
    let independent = 2.0 * summary.abs_mag.tau_int * seconds;
    say(global, &format!("{:.3} ms an update, {:.3} ms an independent |M|", 1e3 * seconds, 1e3 * independent));
    let mut parameters = options.system.parameters();
    parameters["kernel"] = json!(options.kernel);
    parameters["updates"] = json!(summary.configurations);
    parameters["thermalise"] = json!(options.thermalise);
    parameters["trajectory_length"] = json!(options.trajectory_length);
    parameters["seed"] = json!(global.seed);
    parameters["threads"] = json!(global.threads);
    if options.model.is_some() {
        parameters["model"] = json!(options.model);
        parameters["levels"] = json!(options.levels);
        parameters["renoise_time"] = json!(options.renoise_time);
    }
    let mut record = Record::new("chain", parameters);
    record.set("observables", observables.into());
    record.set("acceptance", acceptance.into());
    if evaluations > 0.0 {
        record.set("score_evaluations_per_update", json!(evaluations));
    }
    record.set(
        "seconds",
        json!({"total": start.elapsed().as_secs_f64(), "per_update": seconds, "per_independent": independent}),
    );
    Ok(record.write(global)?)
}
