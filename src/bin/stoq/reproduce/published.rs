//! `stoq reproduce published-unet`: the network of the literature beside ours.

use super::frame::Context;
use crate::common::{Failure, Global, Reporter};
use serde_json::json;
use stoq::report::{Findings, Observable, Row, Table};
use stoq::reproduce::published::{
    Contender, Effort, PROBES, SYSTEM, data, densities, evaluation_time, native, paths, published,
};
use stoq::train::Progress;

/// Runs the campaign.
pub fn run(context: &Context) -> Result<Findings, Failure> {
    let (seed, threads) = context.effort();
    let effort = Effort::new(context.quick(), seed);
    let (extents, kappa, lambda) = SYSTEM;
    let (data, test) = data(&effort)?;
    let contenders = [
        published(&data, &effort, training(context.global, "published", effort.seconds))?,
        native(data, &effort, training(context.global, "stoq", effort.seconds))?,
    ];
    let parameters = json!({"extent": extents, "kappa": kappa, "lambda": lambda, "configurations": effort.configurations,
                            "training_seconds": effort.seconds, "probes": PROBES, "tolerance": effort.tolerance});
    let mut findings =
        Findings::new("The score network of the literature beside ours, at equal training time", parameters);
    findings.text(format!(
        "phi^4 on {extents:?} at kappa = {kappa}, lambda = {lambda}: {} configurations, {:.0} s of training each on one thread. \
         Losses of the two are different quantities.",
        effort.configurations, effort.seconds
    ));
    let (mut cost, mut weights, mut flow) = (
        Table::wide("Cost"),
        Table::wide("Exact weights of path proposals"),
        Table::wide("Density of the probability flow: R^2 and Var(S + log q)"),
    );
    for contender in &contenders {
        cost = cost.row(cost_row(contender)?);
        for path in paths(contender, &effort, threads)? {
            let row = Row::new().label("network", contender.name).label("levels", path.levels);
            let row = row.label("kernel", path.kernel).label("proposals", path.proposals);
            let row = [
                ("acceptance", path.acceptance),
                ("effective_sample_size", path.effective_sample_size),
                ("var_log_w", path.variance),
            ]
            .into_iter()
            .fold(row, |row, (name, found)| row.with(Observable::new(name, found.value, found.error)));
            weights = weights.row(row);
        }
        // A network may be too rough for its flow to be followed: a result, not a failure of the campaign.
        match densities(contender, &test, &effort, threads) {
            Ok(density) => {
                let agreement = &density.agreement;
                let row = Row::new().label("network", contender.name).label("configurations", density.configurations);
                let row = [
                    ("r_squared", agreement.r_squared),
                    ("pearson", agreement.pearson),
                    ("var_s_plus_log_q", agreement.variance),
                ]
                .into_iter()
                .fold(row, |row, (name, found)| row.with(Observable::new(name, found.value, found.error)));
                let row = row.with(Observable::plain("var_of_probes", density.of_probes));
                let row = row.with(Observable::plain("evaluations", density.evaluations));
                flow = flow.row(row.with(Observable::plain("seconds_per_configuration", density.seconds)));
            }
            Err(error) => {
                flow = flow.row(Row::new().label("network", contender.name).label("error", error.to_string()))
            }
        }
    }
    findings.table(cost).table(weights).table(flow);
    Ok(findings)
}

/// Shows how far a training of given wall time is.
fn training<'a>(global: &'a Global, name: &'a str, seconds: f64) -> impl FnMut(f64, Progress) + 'a {
    let mut reporter = Reporter::new(global, seconds.ceil() as u64);
    move |elapsed, progress| {
        let done = (elapsed as u64).min(seconds as u64);
        reporter.update(done, &format!("s, {name}: step {}, loss {:.5}", progress.step, progress.loss));
    }
}

/// Size and speed of one network.
fn cost_row(contender: &Contender) -> Result<Row, Failure> {
    let time = evaluation_time(&contender.score)?;
    let sites = contender.score.lattice().sites() as f64;
    let multiply_adds = contender.multiply_adds as f64;
    let row = Row::new().label("network", contender.name).label("weights", contender.weights);
    let values = [
        ("multiply_adds_per_site", multiply_adds / sites),
        ("us_per_evaluation", time * 1e6),
        ("ns_per_site", time * 1e9 / sites),
        ("steps", contender.steps as f64),
        ("training_seconds", contender.seconds),
        ("loss", contender.loss),
    ];
    Ok(values.into_iter().fold(row, |row, (name, value)| row.with(Observable::plain(name, value))))
}
