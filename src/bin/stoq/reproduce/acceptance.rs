//! `stoq reproduce phi4-acceptance-kappa`, `-volume` and `-training`: exact acceptance of path proposals.

use super::frame::Context;
use crate::common::Failure;
use serde_json::json;
use stoq::analysis::WeightEstimate;
use stoq::report::{Figure, Findings, Observable, Plot, Row, Table};
use stoq::reproduce::acceptance::{Effort, LAMBDA, Look, PUBLISHED, Point, Scan, measure};

/// Runs the scans of one experiment.
pub fn run(context: &Context, scans: &[Scan]) -> Result<Findings, Failure> {
    let effort = Effort::new(context.quick(), context.effort())?;
    let (low, high, evaluations) = PUBLISHED;
    let parameters = json!({"lambda": LAMBDA, "channels": effort.channels, "batch": effort.batch,
                            "proposals": effort.proposals, "levels": effort.levels});
    let mut findings = Findings::new("phi^4: exact acceptance of path proposals", parameters);
    findings.text(format!(
        "One training a point, the same data, network and weights for all; acceptance of independence Metropolis, effective sample size \
         and Var(log w) from the exact weights of {} proposals. Published (Wang, Aarts, Zhou, JHEP 05 (2024) 060, figs. 13 to 15; \
         the lines in the plots): {low} to {high} with {evaluations} evaluations, another quantity: samples of Euler-Maruyama carry \
         densities of the probability flow there, so that the accept step is not exact.",
        effort.proposals
    ));
    for &scan in scans {
        findings.heading(title(scan));
        let mut table = Table::wide("");
        let mut curves: Vec<Vec<(f64, f64, f64)>> = vec![vec![]; effort.levels.len()];
        for point in scan.points(context.quick()) {
            let steps = point.steps.last().copied().unwrap_or(0);
            match measure(&point, &effort, context.training(steps)) {
                Ok(looks) => {
                    for look in &looks {
                        table = rows(&point, look).into_iter().fold(table, Table::row);
                        for (curve, paths) in curves.iter_mut().zip(&look.paths) {
                            let WeightEstimate { value, error } = paths.acceptance;
                            curve.push((place(scan, &point, look), value, error));
                        }
                    }
                    context.say(&format!("L = {}, kappa = {}: done", point.extent, point.kappa));
                }
                // A result, not a failure of the other points.
                Err(error) => {
                    findings.text(format!(
                        "L = {}, kappa = {}, {} configurations: {error}",
                        point.extent, point.kappa, point.configurations
                    ));
                }
            }
        }
        findings.figure(figure(scan, &effort, curves));
        findings.table(table);
    }
    findings.members.insert(
        "published".into(),
        json!({"acceptance": [low, high], "score_evaluations": evaluations, "exact": false,
               "source": "JHEP 05 (2024) 060, figs. 13 to 15"}),
    );
    Ok(findings)
}

fn name(scan: Scan) -> &'static str {
    match scan {
        Scan::Kappa => "kappa",
        Scan::Volume => "volume",
        Scan::Configurations => "configurations",
        Scan::Steps => "steps",
    }
}

fn title(scan: Scan) -> &'static str {
    match scan {
        Scan::Kappa => "Against the hopping parameter",
        Scan::Volume => "Against the volume, at equal steps and batch",
        Scan::Configurations => "Against the number of configurations that train, at equal steps",
        Scan::Steps => "Against the length of the training: looks at one training, whose rate falls to zero at the end",
    }
}

/// Where a look stands in the plot of its scan.
fn place(scan: Scan, point: &Point, look: &Look) -> f64 {
    match scan {
        Scan::Kappa => point.kappa,
        Scan::Volume => point.extent as f64,
        Scan::Configurations => point.configurations as f64,
        Scan::Steps => look.steps as f64,
    }
}

/// A row a number of levels.
fn rows(point: &Point, look: &Look) -> Vec<Row> {
    let estimate = |name: &str, e: &WeightEstimate| Observable::new(name, e.value, e.error);
    let row = |paths: &stoq::reproduce::acceptance::Paths| {
        Row::new()
            .label("L", point.extent)
            .label("kappa", point.kappa)
            .label("configurations", point.configurations)
            .label("steps", look.steps)
            .label("levels", paths.levels)
            .with(estimate("acceptance", &paths.acceptance))
            .with(estimate("ess", &paths.effective_sample_size))
            .with(estimate("var_log_w", &paths.variance))
            .with(Observable::plain("loss", look.loss))
            .with(Observable::plain("training_seconds", look.seconds))
            .with(Observable::plain("seconds_per_proposal", paths.seconds))
    };
    look.paths.iter().map(row).collect()
}

/// Acceptance with errors over what the scan varies, one curve a number of levels, between the published bounds.
fn figure(scan: Scan, effort: &Effort, curves: Vec<Vec<(f64, f64, f64)>>) -> Figure {
    let x = match scan {
        Scan::Kappa => "\u{3ba}",
        Scan::Volume => "L",
        Scan::Configurations => "configurations that train",
        Scan::Steps => "training steps",
    };
    let mut plot = Plot::new("", x, "acceptance").guide(PUBLISHED.0).guide(PUBLISHED.1);
    if matches!(scan, Scan::Configurations | Scan::Steps) {
        plot = plot.log_x();
    }
    for (levels, points) in effort.levels.iter().zip(curves) {
        plot = plot.points(format!("{levels} score evaluations"), points);
    }
    let caption = "Exact acceptance of path proposals; horizontal lines: the published range, which is not of an exact accept step.";
    Figure::new(format!("phi4-acceptance-{}", name(scan)), caption).panel(plot)
}
