//! `stoq chain`: a Markov chain with one or several kernels.

use super::common::{Failure, Global, Record, Reporter, interruption, say};
use super::kernels::{KernelOptions, tunable};
use super::observables::{self, Meter, Row};
use super::saved;
use super::scores::{ScheduleOptions, Target, score_for};
use super::system::SystemOptions;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use stoq::Error;
use stoq::action::{Action, ActionRecord, finite_action};
use stoq::analysis::gamma_method;
use stoq::kernel::{Chain, ChainOptions, Composition, Kernel, Statistics};
use stoq::lattice::Lattice;
use stoq::rng::{Purpose, Stream};

/// Options of `stoq chain`.
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    system: SystemOptions,
    #[command(flatten)]
    kernels: KernelOptions,
    /// The model of kernels with a score; without one the exact score, of systems that have one
    #[arg(long)]
    model: Option<PathBuf>,
    #[command(flatten)]
    schedule: ScheduleOptions,
    /// Measured updates; an update applies every kernel once
    #[arg(long, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(2..))]
    updates: usize,
    /// Updates that tune the sizes of moves, which are then frozen; 0 keeps those given [default: 200, 0 after --resume]
    #[arg(long)]
    warm_up: Option<u64>,
    /// Updates between warm-up and the first measurement [default: 200, 0 after --resume]
    #[arg(long)]
    thermalise: Option<usize>,
    /// Where the chain starts
    #[arg(long, value_enum, default_value_t = Start::Hot, conflicts_with = "resume")]
    start: Start,
    /// Start from the field and kernels that --save wrote; same kernels, model and seed
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Write field and kernels at the end, to go on later to the same bits
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Write the mean of the field after every measured update to this .npy file; of u1 plaquette and charge
    #[arg(long, value_name = "FILE")]
    series: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Start {
    /// Random values: normals, of u1 uniform angles
    Hot,
    /// 0 everywhere
    Cold,
}

impl Start {
    fn fill(self, stream: &Stream, record: &ActionRecord, field: &mut [f64]) {
        match (self, record.name.as_str()) {
            (Start::Cold, _) => field.fill(0.0),
            (Start::Hot, "u1") => {
                for (index, angle) in field.iter_mut().enumerate() {
                    *angle = std::f64::consts::TAU * (0.5 - stream.uniform(Purpose::Start, 0, index as u32));
                }
            }
            (Start::Hot, _) => stream.normals(Purpose::Start, 0, field),
        }
    }
}

/// The kernels, and what they did at every measured update.
struct Kernels {
    named: Vec<(String, Kernel)>,
    composition: Composition,
    before: Vec<Statistics>,
    /// Accepted share of the decisions of an update.
    accepted: Vec<Vec<f64>>,
    evaluations: u64,
}

impl Kernels {
    fn update(&mut self, field: &mut [f64], action: &mut dyn Action) -> stoq::Result<()> {
        self.composition.step(field, action)?;
        Ok(())
    }

    /// Books the last update.
    fn book(&mut self) {
        for (index, part) in self.composition.parts().iter().enumerate() {
            let (now, before) = (part.statistics(), self.before[index]);
            let proposals = (now.proposals - before.proposals).max(1);
            self.accepted[index].push((now.accepted - before.accepted) as f64 / proposals as f64);
            self.evaluations += now.score_evaluations - before.score_evaluations;
        }
        self.mark();
    }

    fn mark(&mut self) {
        self.before = self.composition.parts().iter().map(Chain::statistics).collect();
    }
}

/// Runs the command.
pub fn run(global: &Global, options: &Options) -> Result<(), Failure> {
    let start = Instant::now();
    let record = options.system.record()?;
    let lattice = options.system.lattice()?;
    let mut action = record.build(&lattice)?;
    let (mut kernels, score) = kernels(global, options, &record, &lattice)?;
    say_what_runs(global, &kernels, score);
    let mut field = vec![0.0; lattice.values()];
    match &options.resume {
        Some(path) => saved::load(path, &mut field, &mut kernels.composition)?,
        None => options.start.fill(&Stream::new(global.seed, 0, 0)?, &record, &mut field),
    }
    let stop = interruption();
    let mut reporter = Reporter::new(global, 1);
    equilibrate(options, &mut kernels, &mut field, &mut *action, (&stop, &mut reporter))?;
    let mut meter = Meter::new(Some(&record), &lattice)?;
    let clock = Instant::now();
    reporter.set_total(options.updates as u64);
    kernels.mark();
    for update in 0..options.updates {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        kernels.update(&mut field, &mut *action)?;
        kernels.book();
        meter.measure(&field, Some(finite_action(&mut *action, &field)?.unwrap_or(f64::NAN)))?;
        reporter.update(update as u64 + 1, "updates");
    }
    reporter.finish();
    let seconds = clock.elapsed().as_secs_f64() / meter.len().max(1) as f64;
    if let Some(path) = &options.save {
        saved::save(path, &field, &kernels.composition)?;
    }
    observables::require_some(&meter)?;
    if let Some(path) = &options.series {
        write_series(path, &meter)?;
    }
    report(global, options, &kernels, score, &meter, (seconds, start))
}

/// Builds the kernels; every one draws from a chain number of its own, so that none shares a number.
fn kernels(
    global: &Global,
    options: &Options,
    record: &ActionRecord,
    lattice: &Lattice,
) -> Result<(Kernels, Option<&'static str>), Failure> {
    let named = options.kernels.kernels()?;
    let needed = named.iter().find(|(_, kernel)| kernel.needs_score()).map(|(name, _)| name);
    let target: Option<Target> = match (needed, &options.model) {
        (None, None) => None,
        (_, path) => score_for(path.as_deref(), record, lattice, &options.schedule)?,
    };
    let mut parts = vec![];
    for (index, (name, kernel)) in named.iter().enumerate() {
        let chain_options = ChainOptions {
            kernel: *kernel,
            levels: options.kernels.levels,
            grid: options.kernels.grid.grid(),
            seed: global.seed,
            chain: index as u32 + 1,
            threads: global.threads,
            warm_up: tunable(*kernel) && warm_up(options) > 0,
            ..ChainOptions::default()
        };
        parts.push(match (&target, kernel.needs_score()) {
            (Some(target), true) => Chain::new(target.score.clone(), chain_options)?,
            (None, true) => {
                let expected = format!("a model file: {name} proposes with a score, and that of {} is", record.name);
                return Err(Error::invalid("--model", "none", &format!("{expected} not known exactly")).into());
            }
            (_, false) => Chain::without_score(lattice, chain_options)?,
        });
    }
    let composition = Composition::new(parts)?;
    let accepted = vec![vec![]; named.len()];
    let before = vec![Statistics::default(); named.len()];
    let score = needed.and(target).map(|target| target.description);
    Ok((Kernels { named, composition, before, accepted, evaluations: 0 }, score))
}

fn warm_up(options: &Options) -> u64 {
    options.warm_up.unwrap_or(if options.resume.is_some() { 0 } else { 200 })
}

fn thermalise(options: &Options) -> usize {
    options.thermalise.unwrap_or(if options.resume.is_some() { 0 } else { 200 })
}

fn say_what_runs(global: &Global, kernels: &Kernels, score: Option<&str>) {
    if let Some(score) = score {
        say(global, &format!("score: {score}"));
    }
    if !kernels.composition.is_exact() {
        say(global, "langevin has no accept step: NOT exact, results are off by the step size and by its drift");
    }
}

/// Warm-up, if a kernel has something to tune, then updates to forget the start.
fn equilibrate(
    options: &Options,
    kernels: &mut Kernels,
    field: &mut [f64],
    action: &mut dyn Action,
    (stop, reporter): (&AtomicBool, &mut Reporter),
) -> Result<(), Failure> {
    let tuned = kernels.composition.parts().iter().any(|part| !part.is_frozen());
    let warm_up = if tuned { warm_up(options) } else { 0 };
    let thermalise = thermalise(options) as u64;
    reporter.set_total(warm_up + thermalise);
    for update in 0..warm_up + thermalise {
        if stop.load(Ordering::SeqCst) {
            return Err(Failure::Interrupted);
        }
        if update == warm_up {
            kernels.composition.freeze()?;
        }
        kernels.update(field, action)?;
        reporter.update(update + 1, if update < warm_up { "tuning" } else { "thermalising" });
    }
    kernels.composition.freeze()?;
    Ok(())
}

/// One column a component.
fn write_series(path: &std::path::Path, meter: &Meter) -> stoq::Result<()> {
    let means = meter.means();
    match means[..] {
        [only] => stoq::files::write_npy(path, &ndarray::ArrayView1::from(only)),
        _ => {
            let table = ndarray::Array2::from_shape_fn((meter.len(), means.len()), |(t, i)| means[i][t]);
            stoq::files::write_npy(path, &table)
        }
    }
}

/// Acceptance, and tuned size, by kernel.
type ByKernel = Map<String, Value>;

fn acceptances(global: &Global, kernels: &Kernels) -> Result<(ByKernel, ByKernel), Failure> {
    let (mut acceptance, mut sizes) = (Map::new(), Map::new());
    for (index, (name, kernel)) in kernels.named.iter().enumerate() {
        let size = kernels.composition.parts()[index].move_size();
        let shown = size.map_or(String::new(), |size| format!("   size of moves {size:.4}"));
        if let Some(size) = size {
            sizes.insert(name.clone(), json!(size));
        }
        if !kernel.is_exact() {
            say(global, &format!("{name:<12} no accept step: not exact"));
            continue;
        }
        let rate = gamma_method(&[&kernels.accepted[index]])?;
        say(global, &format!("{name:<12} acceptance {:.4} +- {:.4}{shown}", rate.value, rate.error));
        acceptance.insert(name.clone(), json!({"value": rate.value, "error": rate.error}));
    }
    Ok((acceptance, sizes))
}

/// The observable whose autocorrelation time counts as that of the chain.
fn slowest(rows: &[Row]) -> Option<(&str, f64)> {
    let times = |row: &'_ Row| row.tau_int.map(|(tau, _)| tau);
    if let Some(row) = rows.iter().find(|row| matches!(row.name.as_str(), "abs_mag" | "Q")) {
        return Some((row.name.as_str(), times(row)?));
    }
    // Of the higher moments rare excursions dominate, and the time with them.
    let low = rows.iter().filter(|row| row.order <= 2);
    let all = low.filter_map(|row| Some((row.name.as_str(), times(row)?)));
    all.max_by(|a, b| a.1.total_cmp(&b.1))
}

fn report(
    global: &Global,
    options: &Options,
    kernels: &Kernels,
    score: Option<&str>,
    meter: &Meter,
    (seconds, start): (f64, Instant),
) -> Result<(), Failure> {
    let (acceptance, sizes) = acceptances(global, kernels)?;
    let rows = meter.rows()?;
    observables::print(global, &rows);
    let charge = meter.charge();
    if let Some(charge) = &charge {
        say(global, &charge.to_string());
    }
    let mut times = json!({"total": start.elapsed().as_secs_f64(), "per_update": seconds});
    if let Some((name, tau)) = slowest(&rows) {
        let independent = 2.0 * tau * seconds;
        times["per_independent"] = json!(independent);
        say(global, &format!("{:.3} ms an update, {:.3} ms an independent {name}", 1e3 * seconds, 1e3 * independent));
    }
    let verdict = match (kernels.composition.is_exact(), &charge) {
        (false, _) => Some("inexact"),
        (true, Some(charge)) if charge.is_frozen() => Some("frozen"),
        (true, _) => observables::verdict(&rows),
    };
    if let Some(verdict) = verdict {
        say(global, &format!("verdict: {verdict}"));
    }
    let mut parameters = options.system.parameters()?;
    options.kernels.describe(&kernels.named, &mut parameters);
    parameters["updates"] = json!(meter.len());
    parameters["warm_up"] = json!(warm_up(options));
    parameters["thermalise"] = json!(thermalise(options));
    parameters["seed"] = json!(global.seed);
    parameters["threads"] = json!(global.threads);
    let optional = [
        ("model", options.model.as_ref().map(|path| json!(path))),
        ("start", options.resume.is_none().then(|| json!(format!("{:?}", options.start).to_lowercase()))),
        ("score", score.map(|score| json!(score))),
        ("resume", options.resume.as_ref().map(|path| json!(path))),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            parameters[name] = value;
        }
    }
    let mut record = Record::new("chain", parameters);
    record.set("observables", observables::json(&rows).into());
    record.set("exact_kernels", json!(kernels.composition.is_exact()));
    for (name, map) in [("acceptance", acceptance), ("move_size", sizes)] {
        if !map.is_empty() {
            record.set(name, map.into());
        }
    }
    if kernels.evaluations > 0 {
        record.set("score_evaluations_per_update", json!(kernels.evaluations as f64 / meter.len() as f64));
    }
    if let Some(charge) = charge {
        record.set("tunnelling", json!(charge.fraction));
    }
    record.set("seconds", times);
    if let Some(verdict) = verdict {
        record.set("verdict", json!(verdict));
    }
    Ok(record.write(global)?)
}
