//! `stoq reproduce published-unet`: the network of the literature beside ours.

use crate::common::{Failure, Global, Record, Reporter, pair, say};
use serde_json::{Value, json};
use std::time::Instant;
use stoq::reproduce::published::{
    Contender, Effort, PROBES, SYSTEM, data, densities, evaluation_time, native, paths, published,
};
use stoq::train::Progress;

/// Runs the campaign.
pub fn run(global: &Global, quick: bool) -> Result<(), Failure> {
    let start = Instant::now();
    let effort = Effort::new(quick, global.seed);
    let (extents, kappa, lambda) = SYSTEM;
    say(
        global,
        &format!(
            "phi^4 on {extents:?} at kappa = {kappa}, lambda = {lambda}: {} configurations, {:.0} s of training each on one thread",
            effort.configurations, effort.seconds
        ),
    );
    let (data, test) = data(&effort)?;
    let contenders = [
        published(&data, &effort, training(global, "published", effort.seconds))?,
        native(data, &effort, training(global, "stoq", effort.seconds))?,
    ];
    let mut rows: Vec<Value> = vec![];
    for contender in &contenders {
        rows.push(compare(global, contender, &test, &effort)?);
    }
    let mut record = Record::new(
        "reproduce",
        json!({"experiment": "published-unet", "quick": quick, "seed": global.seed, "extent": extents,
               "kappa": kappa, "lambda": lambda, "configurations": effort.configurations,
               "training_seconds": effort.seconds, "probes": PROBES, "tolerance": effort.tolerance}),
    );
    record.set("rows", rows.into());
    record.set("seconds", json!({"total": start.elapsed().as_secs_f64()}));
    Ok(record.write(global)?)
}

/// Shows how far a training of given wall time is.
fn training<'a>(global: &'a Global, name: &'a str, seconds: f64) -> impl FnMut(f64, Progress) + 'a {
    let mut reporter = Reporter::new(global, seconds.ceil() as u64);
    move |elapsed, progress| {
        let done = (elapsed as u64).min(seconds as u64);
        reporter.update(done, &format!("s, {name}: step {}, loss {:.5}", progress.step, progress.loss));
    }
}

/// Measures one network, prints it and returns its row of the record.
fn compare(global: &Global, contender: &Contender, test: &[f64], effort: &Effort) -> Result<Value, Failure> {
    let time = evaluation_time(&contender.score)?;
    let sites = contender.score.lattice().sites() as f64;
    let multiply_adds = contender.multiply_adds as f64;
    say(
        global,
        &format!(
            "\n{}: {} weights, {:.2} million multiply-adds an evaluation ({:.0} a site), {:.0} us an evaluation ({:.0} ns a site); {} steps in {:.0} s, loss {:.4}",
            contender.name,
            contender.weights,
            multiply_adds * 1e-6,
            multiply_adds / sites,
            time * 1e6,
            time * 1e9 / sites,
            contender.steps,
            contender.seconds,
            contender.loss,
        ),
    );
    let mut row = json!({"network": contender.name, "weights": contender.weights, "multiply_adds": contender.multiply_adds,
        "multiply_adds_per_site": multiply_adds / sites, "steps": contender.steps, "training_seconds": contender.seconds,
        "loss": contender.loss, "seconds_per_evaluation": time, "nanoseconds_per_site": time * 1e9 / sites});
    let mut cells: Vec<Value> = vec![];
    for path in paths(contender, effort, global.threads)? {
        let shown = |estimate: &stoq::analysis::WeightEstimate| format!("{:.4}({:.4})", estimate.value, estimate.error);
        say(
            global,
            &format!(
                "  path, {:>3} levels, {:<14} {:>4} proposals: acceptance {}  ESS/n {}  Var(log w) {:.2}({:.2})",
                path.levels,
                path.kernel,
                path.proposals,
                shown(&path.acceptance),
                shown(&path.effective_sample_size),
                path.variance.value,
                path.variance.error,
            ),
        );
        cells.push(json!({"levels": path.levels, "kernel": path.kernel, "proposals": path.proposals,
            "acceptance": pair(&path.acceptance), "effective_sample_size": pair(&path.effective_sample_size),
            "var_log_w": pair(&path.variance)}));
    }
    row["path"] = cells.into();
    // A network may be too rough for its flow to be followed: a result, not a failure of the campaign.
    match densities(contender, test, effort, global.threads) {
        Ok(density) => {
            let agreement = &density.agreement;
            say(
                global,
                &format!(
                    "  flow, {} configurations: R^2 {:.4}({:.4})  Var(S + log q) {:.2}({:.2}), of which probes {:.2}  ({:.0} evaluations, {:.1} s each)",
                    density.configurations,
                    agreement.r_squared.value,
                    agreement.r_squared.error,
                    agreement.variance.value,
                    agreement.variance.error,
                    density.of_probes,
                    density.evaluations,
                    density.seconds,
                ),
            );
            row["flow"] = json!({"configurations": density.configurations, "r_squared": pair(&agreement.r_squared),
                "pearson": pair(&agreement.pearson), "var_s_plus_log_q": pair(&agreement.variance),
                "var_of_probes": density.of_probes, "evaluations": density.evaluations,
                "seconds_per_configuration": density.seconds});
        }
        Err(error) => {
            say(global, &format!("  flow: {error}"));
            row["flow"] = json!({"error": error.to_string()});
        }
    }
    Ok(row)
}
