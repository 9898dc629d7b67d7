//! `stoq reproduce phi4-autocorrelation`: what an independent configuration costs.

use super::frame::Context;
use crate::common::{Failure, Reporter};
use serde_json::json;
use std::path::Path;
use stoq::analysis::Estimate;
use stoq::kernel::Kernel;
use stoq::model::Model;
use stoq::report::{Figure, Findings, Observable, Plot, Row, Table};
use stoq::reproduce::autocorrelation::{
    CUT, Effort, Length, PUBLISHED, Part, Reference, Run, SYSTEM, cheapest, lengths, reference, runs, score,
};
use stoq::reproduce::phi4::{Plan, Subject};

/// The model of the quick run.
const MODEL: &str = "examples/models/phi4_16x16_kappa0.27.onnx";
/// Largest |z|: with 45 comparisons, all of them correlated, a false alarm in less than 0.3 per cent.
const LARGEST_Z: f64 = 4.0;

/// Runs the campaign.
pub fn run(context: &Context) -> Result<Findings, Failure> {
    let effort = Effort::new(context.quick(), context.effort().0);
    let (extent, (kappa, lambda)) = (effort.extent, SYSTEM);
    let path = context.model().or(context.quick().then_some(Path::new(MODEL)));
    let (score, model) = match path {
        Some(path) => (score(Model::load(path)?, extent)?, path.display().to_string()),
        None => {
            let plan = Plan::new(kappa, 0, false, context.effort())?;
            let steps = plan.point.steps.last().copied().unwrap_or(0);
            let trained = Subject::new(None, &plan, context.training(steps))?;
            (trained.score, trained.origin)
        }
    };
    let lengths = lengths(&effort)?;
    let length = cheapest(&lengths);
    context.say(&format!("HMC: the cheapest length is {length}"));
    let runs = chains(context, &score, length, &effort)?;
    let title = format!("phi^4 at kappa = {kappa} on {extent} x {extent}: autocorrelation of |M|, and its cost");
    let parameters = json!({"extent": [extent, extent], "kappa": kappa, "lambda": lambda, "model": model,
                            "levels": effort.levels, "threads_of_chains": 1});
    let mut findings = Findings::new(title, parameters).limit(LARGEST_Z);
    findings.text(
        "Chains of one thread each, from a configuration of equilibrium. tau_int of |M| in updates, summed within the window of the Gamma \
         method, and cut at lag 100 as published. Time of an independent configuration: 2 tau_int times that of an update. All \
         kernels are exact: every chain has the same law, which the verdict checks.",
    );
    findings.heading("Chains").figure(functions(&runs));
    findings.table(runs.iter().map(row).fold(Table::wide(""), Table::row));
    findings.text(settings(&runs));
    let known = reference(extent);
    findings.text(published(known));
    findings.heading("Length of HMC trajectories");
    findings.text(
        "Cost: evaluations of force and action for an independent configuration, 2 tau_int (steps + 3), the same on every machine. \
         The cheapest length is taken.",
    );
    findings.figure(costs(&lengths)).table(lengths.iter().map(length_row).fold(Table::wide(""), Table::row));
    findings.heading("Every chain against the reference and against the others");
    findings.table(comparisons(&runs, known));
    findings.members.insert(
        "published".into(),
        json!({"tau_int": PUBLISHED.iter().map(|&(name, tau)| json!({"name": name, "tau_int": tau})).collect::<Vec<_>>(),
               "extent": [32, 32], "last_lag": CUT, "source": "JHEP 05 (2024) 060, fig. 8"}),
    );
    Ok(findings)
}

fn chains(
    context: &Context,
    score: &std::sync::Arc<dyn stoq::score::Score>,
    length: f64,
    effort: &Effort,
) -> Result<Vec<Run>, Failure> {
    let mut reporter: Option<(String, Reporter)> = None;
    let progress = |name: &str, done: u64, total: u64| {
        if reporter.as_ref().is_none_or(|(last, _)| last != name) {
            reporter = Some((name.into(), context.reporter(total)));
        }
        if let Some((_, reporter)) = &mut reporter {
            reporter.update(done, name);
            if done == total {
                reporter.finish();
            }
        }
    };
    let done = |run: &Run| {
        let tau = run.summary.abs_mag;
        context.say(&format!("{}: tau_int {:.3}({:.3})", run.name, tau.tau_int, tau.tau_int_error));
    };
    Ok(runs(score, length, effort, progress, done)?)
}

fn estimate(name: &str, estimate: &Estimate) -> Observable {
    Observable::new(name, estimate.value, estimate.error)
}

fn row(run: &Run) -> Row {
    let ((cost, error), tau) = (run.seconds_per_independent(), run.summary.abs_mag);
    let row = Row::new().label("kernel", run.name).label("updates", run.updates);
    let row = match run.parts.last() {
        Some(last) => row.with(estimate("acceptance", &last.acceptance)),
        None => row,
    };
    let row = row
        .with(Observable::new("tau_int_abs_mag", tau.tau_int, tau.tau_int_error))
        .with(Observable::plain("tau_int_cut", run.tau_int_cut))
        .with(Observable::plain("score_evaluations_per_update", run.evaluations))
        .with(Observable::plain("seconds_per_update", run.seconds))
        .with(Observable::new("seconds_per_independent", cost, error));
    run.observables().iter().fold(row, |row, (name, found)| row.with(estimate(name, found)))
}

/// rho(t) with its window, chain by chain.
fn functions(runs: &[Run]) -> Figure {
    let plot = runs.iter().fold(Plot::new("", "t / updates", "\u{3c1}(t) of |M|"), |plot, run| {
        plot.autocorrelation(run.name, &run.rho, run.summary.abs_mag.window.min(CUT))
    });
    let caption = "Autocorrelation functions of |M| to the lag at which the published sums are cut; vertical lines: the windows in which \
                   tau_int was summed, where they are shorter.";
    Figure::new("autocorrelation", caption).panel(plot)
}

/// What warm-up chose.
fn settings(runs: &[Run]) -> String {
    let of = |part: &Part| match (part.kernel, part.tuned) {
        (Kernel::Hmc(options), Some(steps)) => Some(format!("length {}, {steps} steps", options.trajectory_length)),
        (Kernel::Renoise { .. }, Some(time)) => Some(format!("t* = {time:.3}")),
        _ => None,
    };
    let all = runs.iter().filter_map(|run| {
        let parts: Vec<String> = run.parts.iter().filter_map(of).collect();
        (!parts.is_empty()).then(|| format!("{}: {}", run.name, parts.join(", ")))
    });
    format!("Chosen in warm-up: {}.", all.collect::<Vec<_>>().join("; "))
}

fn published(known: Option<Reference>) -> String {
    let published: Vec<String> = PUBLISHED.iter().map(|(name, tau)| format!("{name} {tau}")).collect();
    let published = format!(
        "Published (Wang, Aarts, Zhou, JHEP 05 (2024) 060, fig. 8; L = 32, sums cut at lag {CUT}, which makes them too small for \
         slow chains; the last of an accept step that is not exact): tau_int {}.",
        published.join(", ")
    );
    match known {
        None => published,
        Some(Reference { tau_int: (tau, error), .. }) => {
            format!("{published} HMC of unit length by another program, not cut: {tau}({error}).")
        }
    }
}

fn length_row(length: &Length) -> Row {
    let (tau, part) = (length.run.summary.abs_mag, &length.run.parts[0]);
    Row::new()
        .label("length", length.length)
        .label("steps", part.tuned.unwrap_or(f64::NAN))
        .label("trajectories", length.run.updates)
        .with(estimate("acceptance", &part.acceptance))
        .with(Observable::new("tau_int_abs_mag", tau.tau_int, tau.tau_int_error))
        .with(Observable::new("cost", length.cost, length.cost * tau.tau_int_error / tau.tau_int))
}

fn costs(lengths: &[Length]) -> Figure {
    let points = lengths.iter().map(|length| {
        let tau = length.run.summary.abs_mag;
        (length.length, length.cost, length.cost * tau.tau_int_error / tau.tau_int)
    });
    let plot = Plot::new("", "length of a trajectory", "evaluations for an independent configuration");
    Figure::new("hmc-length", "What an independent configuration costs by HMC of each length.")
        .panel(plot.points("HMC", points.collect()))
}

/// <|M|>, chi2, U_L of every chain with the reference and with the other chains: all have the same law.
fn comparisons(runs: &[Run], known: Option<Reference>) -> Table {
    let add = |table: Table, first: &Run, second: &str, other: [(f64, f64); 3]| {
        let row = Row::new().label("chain", first.name).label("against", second);
        let row =
            first.observables().iter().zip(other).fold(row, |row, ((name, found), (value, error))| {
                row.with(estimate(name, found).reference(value, error))
            });
        table.row(row)
    };
    let mut table = Table::new("");
    for (index, run) in runs.iter().enumerate() {
        if let Some(known) = known {
            table = add(table, run, "reference", known.observables);
        }
        for other in &runs[index + 1..] {
            let values = other.observables().map(|(_, found)| (found.value, found.error));
            table = add(table, run, other.name, values);
        }
    }
    table
}
