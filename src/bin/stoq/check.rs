//! `stoq check`: the exact weights of a model's proposals.

use super::card;
use super::common::{Failure, Global, Record, interruption, say};
use super::scores::GridName;
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use stoq::Error;
use stoq::action::ActionRecord;
use stoq::analysis::{WeightEstimate, effective_sample_size, independence_acceptance, log_mean_weight, var_log_weight};
use stoq::diffusion::T_END;
use stoq::kernel::{Grid, WeightedProposals, weighted_proposals};
use stoq::model::Model;
use stoq::report::ReportCard;
use stoq::score::onnx_runtime::{Device, OpenOptions, Opened, open};
use stoq::score::{NativeScore, Score};

/// Options of `stoq check`.
#[derive(Args)]
pub struct Options {
    /// The model file
    model: PathBuf,
    /// Score evaluations of a path, one or several
    #[arg(long, value_delimiter = ',', default_values_t = [20, 40, 80])]
    levels: Vec<usize>,
    /// Proposals
    #[arg(long, default_value_t = 4096)]
    proposals: usize,
    /// How the levels of a path are chosen
    #[arg(long, value_enum, default_value_t = GridName::Optimal, conflicts_with = "data")]
    grid: GridName,
    /// Configurations (.npy or .h5): computes the report card, of the training data on the part that was held out
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Write the card into the model file
    #[arg(long, requires = "data")]
    write: bool,
    /// Write a page with plots
    #[arg(long, requires = "data", value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Where ONNX Runtime evaluates the model: cpu, cuda:0 [default: cpu; stoq itself if it wrote the file]
    #[arg(long)]
    device: Option<Device>,
    /// Fail unless the acceptance at the last number of levels is at least this
    #[arg(long)]
    require: Option<f64>,
}

/// What the proposals of the path kernel are worth.
pub struct Proposals {
    levels: usize,
    acceptance: WeightEstimate,
    ess: WeightEstimate,
    variance: WeightEstimate,
    free_energy: WeightEstimate,
    seconds: f64,
}

impl Proposals {
    /// For the result file.
    pub fn json(&self) -> Value {
        let pair = |e: &WeightEstimate| json!({"value": e.value, "error": e.error});
        json!({
            "score_evaluations_per_update": self.levels,
            "acceptance": pair(&self.acceptance),
            "ess": pair(&self.ess),
            "var_log_w": pair(&self.variance),
            "log_z": pair(&self.free_energy),
            "seconds": {"per_proposal": self.seconds},
        })
    }
}

/// Runs the command.
pub fn run(global: &Global, options: &Options) -> Result<(), Failure> {
    let start = Instant::now();
    let device = options.device.unwrap_or_default();
    let opened = open(&options.model, &OpenOptions { device, ..OpenOptions::default() })?;
    let Some(native) = opened.native() else { return check_exported(global, options, &opened, start) };
    let model = native.model().clone();
    if let Some(data) = &options.data {
        return check_on_data(global, options, model, data, start);
    }
    let stored = card::stored(global, &model)?;
    if let Some(card) = &stored {
        card::print(global, card);
    }
    check_proposals(global, options, (opened.score(), opened.action()), stored, start)
}

/// A network of another program has no card in its file; one can be computed.
fn check_exported(global: &Global, options: &Options, opened: &Opened, start: Instant) -> Result<(), Failure> {
    let (score, action) = (opened.score(), opened.action());
    let Some(data) = &options.data else { return check_proposals(global, options, (score, action), None, start) };
    if options.write {
        return Err(Error::invalid("--write", options.model.display(), "a model that stoq trained").into());
    }
    let fields = card::all(score.lattice(), data)?;
    let stop = interruption();
    let effort = (&options.levels[..], options.proposals);
    let card = card::compute_for(global, &score, action.as_ref(), &fields, effort, &stop)?;
    card::print(global, &card);
    if let Some(page) = &options.report {
        card::write_page(page, &options.model, &score, &card, (&fields[..score.lattice().values()], global.seed), &[])?;
    }
    finish_card(global, options, data, &card, start)
}

/// Weights of proposals of the path kernel.
fn check_proposals(
    global: &Global,
    options: &Options,
    (score, action): (Arc<dyn Score>, Option<ActionRecord>),
    stored: Option<ReportCard>,
    start: Instant,
) -> Result<(), Failure> {
    let Some(action) = action else {
        let expected = "a model that names a built-in action; from C, use propose and resolve";
        return Err(Error::invalid("action of the model", "none", expected).into());
    };
    let stop = interruption();
    let mut results = vec![];
    for &levels in &options.levels {
        let grid = (options.grid.grid(), levels);
        let result = propose(score.clone(), &action, grid, options.proposals, global.seed, global.threads, &stop)?;
        print_proposals(global, &result);
        results.push(result);
    }
    let mut record =
        Record::new("check", json!({"model": options.model, "proposals": options.proposals, "seed": global.seed}));
    if let Some(card) = &stored {
        record.set("card", json!(card));
    }
    record.set("path", json!(results.iter().map(Proposals::json).collect::<Vec<_>>()));
    record.set("seconds", json!({"total": start.elapsed().as_secs_f64()}));
    let failed = match (options.require, results.last()) {
        (Some(least), Some(last)) if !(last.acceptance.value >= least) => Some((least, last.acceptance.value)),
        _ => None,
    };
    record.set("verdict", json!(if failed.is_some() { "fail" } else { "pass" }));
    record.write(global)?;
    match failed {
        Some((least, found)) => Err(Failure::Check(format!("acceptance {found:.4} is below the required {least}"))),
        None => Ok(()),
    }
}

/// The card, recomputed.
fn check_on_data(global: &Global, options: &Options, model: Model, data: &Path, start: Instant) -> Result<(), Failure> {
    let fields = card::held_out(global, &model, data)?;
    let stop = interruption();
    let card = card::compute(global, &model, &fields, (&options.levels, options.proposals), &stop)?;
    card::print(global, &card);
    let score: Arc<dyn Score> = Arc::new(NativeScore::new(model.clone())?);
    if options.write {
        card::write(&options.model, model, &card)?;
        say(global, &format!("written into {}", options.model.display()));
    }
    if let Some(page) = &options.report {
        card::write_page(page, &options.model, &score, &card, (&fields[..score.lattice().values()], global.seed), &[])?;
    }
    finish_card(global, options, data, &card, start)
}

fn finish_card(
    global: &Global,
    options: &Options,
    data: &Path,
    card: &ReportCard,
    start: Instant,
) -> Result<(), Failure> {
    let parameters = json!({"model": options.model, "data": data, "proposals": options.proposals, "seed": global.seed});
    let mut record = Record::new("check", parameters);
    record.set("card", json!(card));
    record.set("seconds", json!({"total": start.elapsed().as_secs_f64()}));
    let acceptance = card.paths.last().map(|path| path.acceptance.value);
    let failed = options.require.filter(|least| !acceptance.is_some_and(|found| found >= *least));
    record.set("verdict", json!(if failed.is_some() { "fail" } else { "pass" }));
    record.write(global)?;
    match (failed, acceptance) {
        (None, _) => Ok(()),
        (Some(least), Some(found)) => {
            Err(Failure::Check(format!("acceptance {found:.4} is below the required {least}")))
        }
        (Some(least), None) => Err(Failure::Check(format!("no acceptance without a real action; required {least}"))),
    }
}

/// Draws independent proposals and weighs them.
pub fn propose(
    score: Arc<dyn Score>,
    action: &ActionRecord,
    (grid, levels): (Grid, usize),
    proposals: usize,
    seed: u64,
    threads: usize,
    stop: &AtomicBool,
) -> Result<Proposals, Failure> {
    let mut action = action.build(score.lattice())?;
    let go_on = || !stop.load(Ordering::SeqCst);
    let times = grid.times(&score, levels, T_END, seed, threads)?;
    let drawn = weighted_proposals(&score, &mut *action, &times, proposals, (seed, threads), &go_on)?;
    let Some(WeightedProposals { log_weights, seconds }) = drawn else { return Err(Failure::Interrupted) };
    Ok(Proposals {
        levels,
        acceptance: independence_acceptance(&log_weights)?,
        ess: effective_sample_size(&log_weights)?,
        variance: var_log_weight(&log_weights)?,
        free_energy: log_mean_weight(&log_weights)?,
        seconds,
    })
}

/// One line a result.
pub fn print_proposals(global: &Global, result: &Proposals) {
    let pair = |e: &WeightEstimate| format!("{:.4}({:.4})", e.value, e.error);
    say(
        global,
        &format!(
            "path, {:3} score evaluations: acceptance {}  ESS {}  Var(log w) {}  {:.2} ms a proposal",
            result.levels,
            pair(&result.acceptance),
            pair(&result.ess),
            pair(&result.variance),
            1e3 * result.seconds,
        ),
    );
}
