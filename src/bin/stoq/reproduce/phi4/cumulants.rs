//! `stoq reproduce phi4-cumulants`: cumulants of the field at the end of both processes and along them, from equilibrium data;
//! and the quench whose cumulants were published.

use super::Study;
use crate::common::Failure;
use crate::reproduce::frame::Context;
use serde_json::json;
use stoq::analysis::FlowPoint;
use stoq::report::{Figure, Findings, Observable, Plot, Row, Table};
use stoq::reproduce::phi4::{Flow, Quenched, flow, quenched};
use stoq::sampler::QuenchOptions;

/// |z| of the four cumulants in the chain, reweighted, and of the reference against another program; those of one ensemble
/// are almost one number where the phase is broken. False alarm about one per cent.
const LARGEST_Z: f64 = 3.0;
/// The same of the forward process, 13 times in two schemes.
const LARGEST_FORWARD_Z: f64 = 4.5;
const NAMES: [&str; 7] = ["kappa2", "kappa4", "kappa6", "kappa8", "kappa4_ratio", "kappa6_ratio", "kappa8_ratio"];
const ORDERS: [usize; 4] = [2, 4, 6, 8];
/// Largest error that is drawn, in units of the clean cumulant.
const LARGEST_ERROR: f64 = 0.5;
/// Times of the table of the flow.
const TIMES: usize = 5;

/// Runs the campaign.
pub fn run(context: &Context) -> Result<Findings, Failure> {
    let study = Study::new(context, 0.4, 100_000)?;
    let (kappa, extent) = (study.subject.couplings.0, study.subject.extent);
    let title = format!("phi^4 at kappa = {kappa} on {extent} x {extent}: cumulants of the field");
    let mut findings = Findings::new(title, study.parameters()).limit(LARGEST_Z);
    findings.text(
        "After Aarts, Habibi, Wang, Zhou, MLST 6 (2025) 025004: cumulants of the field at a site. Estimates by the jackknife from even \
         moments, for the law is even. The verdict counts the exact ensembles (path, reweighted) against the equilibrium reference.",
    );
    let (chains, trajectories) = study.plan.quenched;
    let options = QuenchOptions { trajectories, ..QuenchOptions::default() };
    let quench = quenched(&study.subject, options, chains, context.effort())?;
    findings.table(study.table("Cumulants", &NAMES, &[&quench.ensemble])?);
    study.judge(&mut findings)?;
    judge(&mut findings, &quench);
    let (paths, levels) = (study.plan.flow, study.plan.effort.levels[0]);
    context.say("cumulants along the processes");
    let flows = flow(&study.subject, &study.reference, paths, levels, context.effort())?;
    show(&mut findings, &flows);
    Ok(findings)
}

/// What the check of training data says about the quench.
fn judge(findings: &mut Findings, quench: &Quenched) {
    findings.heading("The published ensemble");
    findings.text(format!(
        "The published cumulants are those of a quench: a hot start, about 130 trajectories, one configuration a chain. Ours has {} \
         chains of {} trajectories. The check that `stoq train` makes of its data says of it: {}.",
        quench.ensemble.len(),
        quench.trajectories,
        quench.report.verdict()
    ));
    let recognised = !quench.report.is_in_equilibrium();
    findings.members.insert(
        "quench".into(),
        json!({"recognised": recognised, "trajectories": quench.trajectories, "verdict": quench.report.verdict(),
               "report": quench.report}),
    );
    let checks = quench.report.identities.iter().chain(&quench.report.drifts).chain(&quench.report.changes);
    let cells = checks.map(|check| {
        let cell = Observable::new(&check.name, check.value, check.error).exact(check.expected).uncounted();
        if let Some(z) = check.z { cell.with_z(z) } else { cell }
    });
    let row = cells.fold(Row::new().label("ensemble", "quench"), Row::with);
    findings.table(Table::new("What equilibrium would give, and the quench").row(row));
    if !recognised {
        findings.fail("the equilibrium check did not recognise the quench");
    }
}

fn show(findings: &mut Findings, flows: &[Flow]) {
    findings.heading("Cumulants along the forward and the backward process");
    findings.text(
        "kappa_n(t) = kappa_n(0) f(t)^n, and Xi(t) is added to kappa_2, with kappa_n(0) that of the reference: exact forward, and \
         backward as far as network and steps are right. In the variance-expanding scheme f = 1. At large t the noise drowns the higher \
         cumulants: bands are errors. The network is the same in both schemes.",
    );
    let mut largest: f64 = 0.0;
    for flow in flows {
        let z = flow.forward.iter().flat_map(|point| ORDERS.map(|order| point.z_value(order).abs()));
        largest = z.fold(largest, |most, z| if z <= most { most } else { z });
        findings.figure(figure(flow));
        let mut table = Table::wide(format!("{}: found(error) [z]", flow.scheme));
        let some = thinned(&flow.forward);
        // The backward process visits the same times.
        let near =
            |time: f64| flow.backward.iter().min_by(|a, b| (a.time - time).abs().total_cmp(&(b.time - time).abs()));
        let backward: Vec<&FlowPoint> = some.iter().filter_map(|point| near(point.time)).collect();
        for (process, points) in [("forward", some), ("backward", backward)] {
            table = points.into_iter().fold(table, |table, point| table.row(row(process, point)));
        }
        findings.table(table);
    }
    findings.members.insert("largest_z_forward".into(), json!(largest));
    if !(largest < LARGEST_FORWARD_Z) {
        findings.fail(format!("a cumulant along the forward process is {largest:.2} standard errors off"));
    }
}

/// Some of the points, ends included.
fn thinned(points: &[FlowPoint]) -> Vec<&FlowPoint> {
    let last = points.len() - 1;
    (0..TIMES).map(|index| &points[index * last / (TIMES - 1)]).collect()
}

fn row(process: &str, point: &FlowPoint) -> Row {
    let row = Row::new().label("process", process).label("time", (point.time * 1e4).round() / 1e4);
    ORDERS.iter().fold(row, |row, &order| {
        let (estimate, (value, error)) = (point.found.cumulants[order - 1], point.expected[order - 1]);
        let cell = Observable::new(format!("kappa{order}"), estimate.value, estimate.error).reference(value, error);
        row.with(cell.with_z(point.z_value(order)).uncounted())
    })
}

/// A panel an order: kappa_2 as it is, the others in units of the clean one.
fn figure(flow: &Flow) -> Figure {
    let caption = format!(
        "Cumulants against time, {} scheme: expected (dashed), forward and backward; only what is known to half of the clean value.",
        flow.scheme
    );
    let name = format!("flow-{}", flow.scheme);
    ORDERS.iter().fold(Figure::new(name, caption), |figure, &order| {
        let unit = if order == 2 { 1.0 } else { flow.backward[0].expected[order - 1].0 };
        let found = |points: &[FlowPoint]| {
            let point = |point: &FlowPoint| {
                let estimate = point.found.cumulants[order - 1];
                (point.time, estimate.value / unit, estimate.error / unit.abs())
            };
            points.iter().map(point).filter(|point| order == 2 || point.2 < LARGEST_ERROR).collect::<Vec<_>>()
        };
        let label = if order == 2 { "\u{3ba}2(t)".into() } else { format!("\u{3ba}{order}(t) / \u{3ba}{order}(0)") };
        let expected = flow.backward.iter().map(|point| (point.time, point.expected[order - 1].0 / unit));
        let plot = Plot::new("", "t", label)
            .band("backward", found(&flow.backward))
            .points("forward", found(&flow.forward))
            .dashed("expected", expected);
        figure.panel(if order == 2 { plot.log_y() } else { plot.y_range(-0.5, 1.6) })
    })
}
