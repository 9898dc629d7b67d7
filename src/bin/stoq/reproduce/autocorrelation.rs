//! `stoq reproduce phi4-autocorrelation`: what an independent configuration costs.

use crate::common::{Failure, Global, Record, Reporter, say};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;
use stoq::Error;
use stoq::analysis::Estimate;
use stoq::kernel::Kernel;
use stoq::model::Model;
use stoq::reproduce::autocorrelation::{
    CUT, Effort, Length, PUBLISHED, Part, Reference, Run, SYSTEM, cheapest, lengths, reference, runs, score,
};

/// The model of the quick run.
const MODEL: &str = "examples/models/phi4_16x16_kappa0.27.onnx";
/// Largest |z|: with 45 comparisons, all of them correlated, a false alarm in less than 0.3 per cent.
const LARGEST_Z: f64 = 4.0;

/// Runs the campaign.
pub fn run(global: &Global, quick: bool, model: Option<&Path>) -> Result<(), Failure> {
    let start = Instant::now();
    let effort = Effort::new(quick, global.seed);
    let (extent, (kappa, lambda)) = (effort.extent, SYSTEM);
    let Some(path) = model.or(quick.then_some(Path::new(MODEL))) else {
        let expected = format!(
            "a model file for L = {extent}: stoq data phi4 --extent {extent},{extent} --kappa {kappa} ..., then stoq train"
        );
        return Err(Error::invalid("--model", "none", &expected).into());
    };
    let score = score(Model::load(path)?, extent)?;
    say(
        global,
        &format!(
            "phi^4, L = {extent}, kappa = {kappa}, lambda = {lambda}; {}, {} levels; times of one thread",
            path.display(),
            effort.levels
        ),
    );
    let lengths = lengths(&effort)?;
    let length = cheapest(&lengths);
    show_lengths(global, &lengths, length);
    say(global, header());
    let mut reporter: Option<(String, Reporter)> = None;
    let progress = |name: &str, done: u64, total: u64| {
        if reporter.as_ref().is_none_or(|(last, _)| last != name) {
            reporter = Some((name.into(), Reporter::new(global, total)));
        }
        if let Some((_, reporter)) = &mut reporter {
            reporter.update(done, name);
            if done == total {
                reporter.finish();
            }
        }
    };
    let runs = runs(&score, length, &effort, progress, |run| show(global, run))?;
    let known = reference(extent);
    show_published(global, known);
    let (comparisons, largest) = compare(global, &runs, known);
    let mut record = Record::new(
        "reproduce",
        json!({"experiment": "phi4-autocorrelation", "quick": quick, "seed": global.seed, "extent": [extent, extent],
               "kappa": kappa, "lambda": lambda, "model": path, "levels": effort.levels, "threads": 1}),
    );
    record.set("lengths", lengths.iter().map(length_json).collect());
    record.set("rows", runs.iter().map(row).collect());
    record.set("comparisons", comparisons);
    record.set(
        "published",
        json!({"tau_int": PUBLISHED.iter().map(|&(name, tau)| json!({"name": name, "tau_int": tau})).collect::<Vec<_>>(),
               "extent": [32, 32], "last_lag": CUT, "source": "JHEP 05 (2024) 060, fig. 8"}),
    );
    record.set("seconds", json!({"total": start.elapsed().as_secs_f64()}));
    record.set("verdict", json!(if largest < LARGEST_Z { "passed" } else { "failed" }));
    record.write(global)?;
    match largest < LARGEST_Z {
        true => Ok(()),
        false => Err(Failure::Check(format!("two chains of the same law are {largest:.2} standard errors apart"))),
    }
}

fn show_lengths(global: &Global, lengths: &[Length], best: f64) {
    say(
        global,
        "\nlength of HMC trajectories: cost = evaluations of force and action for an independent configuration",
    );
    say(global, "length  steps  acceptance     tau_int(|M|)      cost");
    for Length { length, run, cost } in lengths {
        let Part { acceptance, tuned, .. } = run.parts[0];
        say(
            global,
            &format!(
                "{length:>6}  {:>5}  {:>10.3}  {:>15}  {cost:>8.0}{}",
                tuned.unwrap_or(f64::NAN),
                acceptance.value,
                tau(&run.summary.abs_mag),
                if *length == best { "  taken" } else { "" }
            ),
        );
    }
}

fn tau(estimate: &Estimate) -> String {
    format!("{:.3}({:.3})", estimate.tau_int, estimate.tau_int_error)
}

fn header() -> &'static str {
    "\nkernel             updates      acceptance     tau_int(|M|)  cut at 100     us/update   us/independent             <|M|>              chi2               U_L"
}

fn show(global: &Global, run: &Run) {
    let Some(last) = run.parts.last() else { return };
    let (cost, error) = run.seconds_per_independent();
    let observables = run.observables().map(|(name, estimate)| {
        let digits = if name == "chi2" { 2 } else { 4 };
        format!("  {:>16}", format!("{:.digits$}({:.digits$})", estimate.value, estimate.error))
    });
    say(
        global,
        &format!(
            "{:<17} {:>8}  {:>14}  {:>15}  {:>10.2}  {:>12.2}  {:>15}{}   {}",
            run.name,
            run.updates,
            format!("{:.4}({:.4})", last.acceptance.value, last.acceptance.error),
            tau(&run.summary.abs_mag),
            run.tau_int_cut,
            1e6 * run.seconds,
            format!("{:.0}({:.0})", 1e6 * cost, 1e6 * error),
            observables.concat(),
            run.parts.iter().filter_map(setting).collect::<Vec<_>>().join(", "),
        ),
    );
}

fn setting(part: &Part) -> Option<String> {
    let tuned = part.tuned?;
    match part.kernel {
        Kernel::Hmc(options) => Some(format!("length {}, {tuned} steps", options.trajectory_length)),
        Kernel::Renoise { .. } => Some(format!("t* {tuned:.3}")),
        _ => None,
    }
}

fn show_published(global: &Global, known: Option<Reference>) {
    let published: Vec<String> = PUBLISHED.iter().map(|(name, tau)| format!("{name} {tau}")).collect();
    say(
        global,
        &format!(
            "published (Wang, Aarts, Zhou, JHEP 05 (2024) 060, fig. 8; L = 32, cut at {CUT}): tau_int {}",
            published.join(", ")
        ),
    );
    if let Some(Reference { observables: [abs_mag, chi2, binder], tau_int }) = known {
        say(
            global,
            &format!(
                "reference (Metropolis and Wolff clusters; tau_int of HMC of unit length, not cut): tau_int {}({}), <|M|> {}({}), chi2 {}({}), U_L {}({})",
                tau_int.0, tau_int.1, abs_mag.0, abs_mag.1, chi2.0, chi2.1, binder.0, binder.1
            ),
        );
    }
}

/// z of <|M|>, chi2, U_L of every chain with the reference and with the other chains: all have the same law.
fn compare(global: &Global, runs: &[Run], known: Option<Reference>) -> (Value, f64) {
    let (mut cells, mut largest): (Vec<Value>, f64) = (vec![], 0.0);
    say(global, "\nz of <|M|>, chi2, U_L");
    let mut add = |first: &Run, second: &str, other: [(f64, f64); 3]| {
        let z = first.z_values(other);
        say(global, &format!("{:<17} - {second:<17} {:+.2}  {:+.2}  {:+.2}", first.name, z[0], z[1], z[2]));
        cells.push(json!({"first": first.name, "second": second, "abs_mag": z[0], "chi2": z[1], "binder": z[2]}));
        // A NaN counts as far away.
        largest = z.iter().fold(largest, |largest, z| if z.abs() <= largest { largest } else { z.abs() });
    };
    for (index, run) in runs.iter().enumerate() {
        if let Some(known) = known {
            add(run, "reference", known.observables);
        }
        for other in &runs[index + 1..] {
            add(run, other.name, other.observables().map(|(_, estimate)| (estimate.value, estimate.error)));
        }
    }
    say(global, &format!("largest |z| {largest:.2}"));
    (cells.into(), largest)
}

fn length_json(length: &Length) -> Value {
    let tau = length.run.summary.abs_mag;
    json!({"length": length.length, "steps": length.run.parts[0].tuned, "trajectories": length.run.updates,
           "acceptance": length.run.parts[0].acceptance.value,
           "tau_int": {"value": tau.tau_int, "error": tau.tau_int_error}, "cost": length.cost})
}

fn row(run: &Run) -> Value {
    let estimate = |e: &Estimate| json!({"value": e.value, "error": e.error});
    let (cost, error) = run.seconds_per_independent();
    let tau = run.summary.abs_mag;
    let parts = run.parts.iter().map(|part| {
        let mut json = json!({"kernel": part.kernel.name(), "acceptance": estimate(&part.acceptance)});
        if let (Kernel::Hmc(options), Some(steps)) = (part.kernel, part.tuned) {
            json["trajectory_length"] = json!(options.trajectory_length);
            json["steps"] = json!(steps);
        }
        if let (Kernel::Renoise { .. }, Some(time)) = (part.kernel, part.tuned) {
            json["renoise_time"] = json!(time);
        }
        json
    });
    let observables: serde_json::Map<String, Value> =
        run.observables().iter().map(|(name, value)| (name.to_string(), estimate(value))).collect();
    json!({"kernel": run.name, "parts": parts.collect::<Vec<_>>(), "updates": run.updates,
           "tau_int_abs_mag": {"value": tau.tau_int, "error": tau.tau_int_error, "window_closed": tau.window_closed},
           "tau_int_cut": run.tau_int_cut, "score_evaluations_per_update": run.evaluations, "observables": observables,
           "seconds": {"per_update": run.seconds, "per_independent": {"value": cost, "error": error}}})
}
