//! `stoq train`: a model from configurations.

use super::card;
use super::check::{print_proposals, propose};
use super::common::{Failure, Global, Record, Reporter, interruption, say};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use stoq::Error;
use stoq::action::ActionRecord;
use stoq::files_description;
use stoq::kernel::Grid;
use stoq::model::{Metadata, Model};
use stoq::nn::UNetShape;
use stoq::report::{FEWEST_HELD_OUT, FEWEST_PROPOSALS, ReportCard, held_out_fields};
use stoq::score::{NativeScore, Score};
use stoq::train::{AdamOptions, Dataset, Equilibrium, EquilibriumReport, TrainOptions, Trainer, TrainingSet};

/// Options of `stoq train`.
#[derive(Args)]
pub struct Options {
    /// Configurations (.npy or .h5, shape (configurations, extents...), or (configurations, components, extents...)); several
    /// files of other lattices or couplings train one network for all of them
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// The model file to write
    #[arg(short, long)]
    output: PathBuf,
    /// Optimiser steps; 0 writes the untrained network
    #[arg(long, conflicts_with = "minutes")]
    steps: Option<u64>,
    /// Choose the number of steps so that training takes about this long
    #[arg(long)]
    minutes: Option<f64>,
    /// Size of the network by its cost a site: tiny, small or base [default: small]
    #[arg(long, conflicts_with = "channels")]
    size: Option<String>,
    /// Channels at each resolution, finest first
    #[arg(long, value_delimiter = ',')]
    channels: Option<Vec<usize>>,
    /// A coupling that the network sees, by its name; repeat for several. The data files must differ in it
    #[arg(long, value_name = "COUPLING")]
    condition: Vec<String>,
    /// Samples a step (of the largest lattice)
    #[arg(long)]
    batch: Option<usize>,
    /// Whether the network is odd in the field by construction, for even actions
    #[arg(long, value_name = "BOOL")]
    odd: Option<bool>,
    /// Evaluate each resolution only at the noise where it is needed: cheaper by a third
    #[arg(long)]
    multi_resolution: bool,
    /// Largest learning rate
    #[arg(long)]
    rate: Option<f64>,
    /// Largest noise, in standard deviations of the widest mode of the data
    #[arg(long)]
    largest_noise: Option<f64>,
    /// Draw noise levels by where Var(log w) is made, instead of uniformly in ln sigma
    #[arg(long)]
    follow_variance: bool,
    /// Steps between two looks at the validation loss
    #[arg(long)]
    validate_every: Option<u64>,
    /// Stop when the validation loss has not improved for this many looks
    #[arg(long)]
    patience: Option<u64>,
    /// Minutes between two checkpoints (OUTPUT.checkpoint); 0 writes none
    #[arg(long, default_value_t = 3.0)]
    checkpoint_minutes: f64,
    /// Go on from the checkpoint of the same command, to the same bits; without a checkpoint, start
    #[arg(long)]
    resume: bool,
    /// Write a page with plots
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Proposals for the report at the end
    #[arg(long, default_value_t = 1024)]
    proposals: usize,
}

/// Steps that are timed before `--minutes` is turned into a number of steps.
const TIMED: u64 = 100;

/// Runs the command.
pub fn run(global: &Global, options: &Options) -> Result<(), Failure> {
    let start = Instant::now();
    let (sets, complex) = training_sets(options)?;
    let held_out = sets.first().map_or(Ok(vec![]), |set| held_out_fields(&set.data))?;
    let mut equilibrium = vec![];
    for set in &sets {
        equilibrium.push(examine(global, &set.data, set.action.as_ref())?);
    }
    let train = train_options(global, options, &sets)?;
    let mut trainer = Trainer::with_sets(sets, train)?;
    describe(global, &trainer);
    let stop = interruption();
    let seconds = train_with_checkpoints(global, options, &mut trainer, &stop)?;
    let mut model = trainer.finish()?;
    if complex.is_some() {
        let metadata = Metadata { action: complex, ..model.metadata().clone() };
        model = Model::new(metadata, model.parameters().to_vec())?;
    }
    model.save(&options.output)?;
    remove_checkpoint(options, &trainer);
    let taken = model.metadata().training.steps;
    let early = if trainer.stopped_early() { ", stopped early by the validation loss" } else { "" };
    say(global, &format!("{}: {taken} steps in {seconds:.1} s{early}", options.output.display()));
    let mut record = Record::new(
        "train",
        json!({"data": options.data, "steps": taken, "seed": global.seed, "threads": global.threads}),
    );
    record.set("loss", json!(model.metadata().training.loss));
    record.set("curve", json!(trainer.curve()));
    record.set("equilibrium", json!(equilibrium));
    record.set("seconds", json!({"total": start.elapsed().as_secs_f64(), "training": seconds}));
    let points = report(global, options, &model, &stop)?;
    record.set("path", json!(points));
    let curve: Vec<_> = trainer.curve().iter().map(|at| (at.step, at.loss, at.validation)).collect();
    if let Some(card) = finish_card(global, options, model, &held_out, (&curve, &stop))? {
        record.set("card", json!(card));
    }
    Ok(record.write(global)?)
}

/// The report card on the held-out configurations of the first set, into the model file; none where there are too few.
fn finish_card(
    global: &Global,
    options: &Options,
    model: Model,
    held_out: &[f64],
    (curve, stop): (&[(u64, f64, f64)], &AtomicBool),
) -> Result<Option<ReportCard>, Failure> {
    let values = model.lattice()?.values();
    if options.proposals < FEWEST_PROPOSALS || held_out.len() < FEWEST_HELD_OUT * values {
        return Ok(None);
    }
    let card = card::compute(global, &model, held_out, (&[40], options.proposals), stop)?;
    card::print(global, &card);
    let score: Arc<dyn Score> = Arc::new(NativeScore::new(model.clone())?);
    card::write(&options.output, model, &card)?;
    if let Some(page) = &options.report {
        card::write_page(page, &options.output, &score, &card, (&held_out[..values], global.seed), curve)?;
    }
    Ok(Some(card))
}

/// The files with their actions. A complex action has a force on x and y together that no real action has: the data
/// alone teach it, and it is written into the model at the end.
fn training_sets(options: &Options) -> Result<(Vec<TrainingSet>, Option<ActionRecord>), Failure> {
    let (mut sets, mut complex) = (vec![], None);
    for path in &options.data {
        let action = action_of(path)?;
        let components = action.as_ref().map_or(Ok(1), ActionRecord::components)?;
        let data = Dataset::load_with_components(path, components)?;
        let real = action.clone().filter(|action| !is_complex(action));
        complex = action.filter(is_complex).or(complex);
        sets.push(TrainingSet { data, action: real });
    }
    Ok((sets, complex))
}

fn train_options(global: &Global, options: &Options, sets: &[TrainingSet]) -> Result<TrainOptions, Failure> {
    // Systems but phi^4 and gauge theory have independent sites; without an action they may interact.
    let components = sets.first().map_or(1, |set| set.data.lattice().components());
    let name = sets.first().and_then(|set| set.action.as_ref()).map(|action| action.name.as_str());
    let defaults = match name {
        Some("u1") => TrainOptions::link_angles(),
        Some("phi4") => TrainOptions::default(),
        None if components == 1 => TrainOptions::default(),
        _ => TrainOptions::independent_sites(),
    };
    let channels = match (&options.size, &options.channels) {
        (Some(size), _) => UNetShape::preset(size, components)?.channels,
        (None, Some(channels)) => channels.clone(),
        (None, None) => defaults.channels,
    };
    Ok(TrainOptions {
        channels,
        batch: options.batch.unwrap_or(defaults.batch),
        steps: options.steps.unwrap_or(defaults.steps),
        odd: options.odd.unwrap_or(defaults.odd),
        seed: global.seed,
        threads: global.threads,
        adam: AdamOptions { rate: options.rate.unwrap_or(defaults.adam.rate), ..defaults.adam },
        multi_resolution: options.multi_resolution,
        conditions: options.condition.clone(),
        largest_noise: options.largest_noise.or(defaults.largest_noise),
        follow_variance: options.follow_variance,
        validate_every: options.validate_every.unwrap_or(defaults.validate_every),
        patience: options.patience,
        command: command_line(),
        ..defaults
    })
}

fn describe(global: &Global, trainer: &Trainer) {
    let network = trainer.network();
    let text = format!(
        "{} weights, {:.2} million multiply-adds an evaluation; about {} MB of memory",
        network.layout().total(),
        network.multiply_adds() as f64 * 1e-6,
        trainer.memory() / 1_000_000 + 1,
    );
    say(global, &text);
}

/// Takes the steps, with a checkpoint every few minutes; returns the seconds that this run took.
fn train_with_checkpoints(
    global: &Global,
    options: &Options,
    trainer: &mut Trainer,
    stop: &AtomicBool,
) -> Result<f64, Failure> {
    let path = checkpoint_path(&options.output);
    if options.resume && path.exists() {
        trainer.restore(&std::fs::read(&path).map_err(|source| Error::io(&path, source))?)?;
        say(global, &format!("goes on after {} of {} steps", trainer.taken(), trainer.steps()));
    }
    let mut reporter = Reporter::new(global, trainer.steps());
    let (clock, mut saved) = (Instant::now(), Instant::now());
    while !trainer.is_finished() && !stop.load(Ordering::SeqCst) {
        let progress = match trainer.fit(1, |_| true) {
            Ok(_) => trainer.progress(),
            Err(error @ Error::NotFinite { .. }) => {
                eprintln!("stoq: {error}: writing the model of step {}", trainer.taken());
                break;
            }
            Err(error) => return Err(error.into()),
        };
        if let (Some(minutes), TIMED) = (options.minutes, progress.step) {
            let steps = ((minutes * 60.0 / clock.elapsed().as_secs_f64()) * TIMED as f64).max(TIMED as f64) as u64;
            trainer.set_steps(steps);
            reporter.set_total(steps);
            say(
                global,
                &format!("{minutes} minutes are about {steps} steps; --steps {steps} gives the same bits again"),
            );
        }
        let seconds = clock.elapsed().as_secs_f64();
        let validation =
            trainer.curve().last().map_or(String::new(), |at| format!(", validation {:.5}", at.validation));
        reporter.update(progress.step, &format!("loss {:.5}{validation}, {seconds:.0} s", progress.loss));
        if options.checkpoint_minutes > 0.0 && saved.elapsed().as_secs_f64() > 60.0 * options.checkpoint_minutes {
            stoq::files::write_atomically(&path, &trainer.checkpoint())?;
            saved = Instant::now();
        }
    }
    reporter.finish();
    if stop.load(Ordering::SeqCst) && !trainer.is_finished() && options.checkpoint_minutes > 0.0 {
        stoq::files::write_atomically(&path, &trainer.checkpoint())?;
        say(global, &format!("interrupted; --resume goes on from {}", path.display()));
    }
    Ok(clock.elapsed().as_secs_f64())
}

fn checkpoint_path(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_os_string();
    name.push(".checkpoint");
    name.into()
}

/// A finished training needs its checkpoint no more.
fn remove_checkpoint(options: &Options, trainer: &Trainer) {
    let path = checkpoint_path(&options.output);
    if trainer.is_finished()
        && path.exists()
        && let Err(error) = std::fs::remove_file(&path)
    {
        eprintln!("stoq: {} could not be removed: {error}", path.display());
    }
}

/// The exact weights of the model's proposals, at every point that trained it.
fn report(global: &Global, options: &Options, model: &Model, stop: &AtomicBool) -> Result<Vec<Value>, Failure> {
    let metadata = model.metadata();
    let mut points = vec![(metadata.extents.clone(), metadata.action.clone())];
    if !metadata.points.is_empty() {
        points = metadata.points.iter().map(|point| (point.extents.clone(), point.action.clone())).collect();
    }
    let mut reports = vec![];
    for (extents, action) in points {
        let Some(action) = action.filter(|action| options.proposals >= 64 && !is_complex(action)) else { continue };
        say(global, &format!("{extents:?}, {:?}", action.couplings));
        let at = if metadata.points.is_empty() { model.clone() } else { model.at(&extents, Some(&action))? };
        let score = Arc::new(NativeScore::new(at)?);
        for levels in [20, 40, 80] {
            let threads = global.threads;
            let result = propose(
                score.clone(),
                &action,
                (Grid::Optimal, levels),
                options.proposals,
                global.seed,
                threads,
                stop,
            )?;
            print_proposals(global, &result);
            let mut json = result.json();
            json["extents"] = json!(extents);
            json["couplings"] = json!(action.couplings);
            reports.push(json);
        }
    }
    Ok(reports)
}

/// Looks whether the data are in equilibrium, and warns if not: a model learns the law of its data, right or wrong.
fn examine(global: &Global, data: &Dataset, action: Option<&ActionRecord>) -> Result<EquilibriumReport, Failure> {
    let report = match action {
        Some(action) => Equilibrium::check_theory(data, action)?,
        None => Equilibrium::check(data, None)?,
    };
    if !global.quiet {
        if !report.is_in_equilibrium() {
            eprintln!("stoq: warning: {}", report.verdict());
        }
        report.cautions.iter().for_each(|caution| eprintln!("stoq: note: {caution}"));
    }
    Ok(report)
}

/// The action that the data's description names: its force makes training much less noisy.
fn action_of(data: &Path) -> Result<Option<ActionRecord>, Failure> {
    let Some(description) = files_description::read(data)? else {
        let sidecar = files_description::sidecar_path(data);
        eprintln!("stoq: no {}: training without the force of the action", sidecar.display());
        return Ok(None);
    };
    if description.get("action").is_none() {
        eprintln!("stoq: {} names no action: training without its force", data.display());
        return Ok(None);
    }
    let record = serde_json::from_value(description["action"].clone())
        .map_err(|error| Error::invalid("action", format!("{} ({error})", data.display()), "a name and couplings"))?;
    Ok(Some(record))
}

/// Complex actions have no weights, and no force on real fields.
fn is_complex(action: &ActionRecord) -> bool {
    action.name.starts_with("complex")
}

/// The command line, without what changes no bit of the result.
/// As it was typed, for the record of a model.
pub fn command_line() -> String {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--resume").collect();
    format!("stoq {}", words.join(" "))
}
