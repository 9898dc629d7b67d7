//! `stoq reproduce phi4-likelihood`: the effective action of a model against the action.

use super::subject;
use crate::common::Failure;
use crate::reproduce::frame::Context;
use serde_json::json;
use stoq::analysis::WeightEstimate;
use stoq::report::{Figure, Findings, Observable, Plot, Row, Table};
use stoq::reproduce::phi4::{Scatter, both_ensembles, near, scatter, weights};

/// R^2 of Wang, Aarts, Zhou, JHEP 05 (2024) 060, at kappa = 0.21, L = 32.
const PUBLISHED: f64 = 0.960;
/// Proposals behind Var(log w).
const PROPOSALS: usize = 2048;

/// Runs the campaign.
pub fn run(context: &Context) -> Result<Findings, Failure> {
    let (subject, plan) = subject(context, 0.21, PROPOSALS)?;
    let (count, exact) = (context.options.configs.unwrap_or(plan.densities.0), plan.densities.1);
    let (kappa, extent) = (subject.couplings.0, subject.extent);
    let title = format!("phi^4 at kappa = {kappa} on {extent} x {extent}: effective action against action");
    let divergence = if exact { "exact" } else { "10 random probes" };
    let parameters = json!({"extent": [extent, extent], "kappa": kappa, "lambda": subject.couplings.1, "model": subject.origin,
                            "configurations": count, "divergence": divergence});
    let mut findings = Findings::new(title, parameters);
    findings.text(
        "S_eff = -log q by the probability flow, on configurations that the model generates (as published) and on those of equilibrium. R^2 \
         and Pearson's r compare with the spread of S, which grows with the volume: they tend to 1 for a model that is wrong \
         everywhere. Var(S + log q) says how far q is from exp(-S)/Z; random probes add their own variance to it. \
         The flow is followed to a tolerance and its density is a diagnosis; the paths of the exact kernel have weights of their own, \
         exact for any number of steps, whose variance includes what the steps cost.",
    );
    let mut table = Table::new("Agreement of S_eff with S");
    let mut plot = Plot::new("", "S", "S_eff - <S_eff - S>");
    let mut shift = None;
    for (name, fields) in both_ensembles(&subject, count, context.effort())? {
        let mut reporter = context.reporter(count as u64);
        let found = scatter(&subject, (name, &fields), exact, context.effort(), |done| {
            reporter.update(done as u64, name);
        })?;
        reporter.finish();
        table = table.row(row(&found, near(kappa, 0.21) && extent == 32));
        // One constant for both: log Z.
        let mean = |points: &[(f64, f64)]| points.iter().map(|(s, e)| e - s).sum::<f64>() / points.len() as f64;
        let shift = *shift.get_or_insert(mean(&found.points));
        plot = plot.dots(name, found.points.iter().map(|(s, e)| (*s, e - shift)));
    }
    let ends = plot.series.iter().flat_map(|series| series.points.iter().map(|point| point.0));
    let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), s| (low.min(s), high.max(s)));
    plot = plot.dashed("S_eff = S", [(low, low), (high, high)]);
    findings.figure(
        Figure::new("effective-action", "Effective action of each configuration against its action.").panel(plot),
    );
    let paths = weights(&subject, (plan.effort.levels[0], PROPOSALS), context.effort())?;
    let path = Row::new()
        .label("configurations", "paths, exact weights")
        .with(estimate("var_log_w", &paths[0]))
        .with(estimate("acceptance", &paths[1]));
    findings.table(table.row(path));
    Ok(findings)
}

fn estimate(name: &str, estimate: &WeightEstimate) -> Observable {
    Observable::new(name, estimate.value, estimate.error)
}

fn row(found: &Scatter, published: bool) -> Row {
    let r_squared = estimate("r_squared", &found.agreement.r_squared);
    // The published figure is of generated configurations.
    let r_squared =
        if published && found.name == "generated" { r_squared.published(PUBLISHED, 0.0) } else { r_squared };
    Row::new()
        .label("configurations", found.name)
        .with(r_squared)
        .with(estimate("pearson", &found.agreement.pearson))
        .with(estimate("var_s_plus_log_q", &found.agreement.variance))
        .with(Observable::plain("var_of_probes", found.of_probes))
        .with(Observable::plain("evaluations", found.evaluations))
}
