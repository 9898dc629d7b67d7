//! `stoq reproduce three-peak`: three peaks in the plane, their score field and the flow back to them.

use super::frame::Context;
use crate::common::Failure;
use serde_json::json;
use std::sync::Arc;
use stoq::Result;
use stoq::diffusion::Schedule;
use stoq::report::{Figure, Findings, Observable, Plane, Row, Table};
use stoq::reproduce::one_variable::{samples, score_field, snapshots};
use stoq::reproduce::sites;
use stoq::reproduce::three_peak::{PEAKS, cumulants, exact_cumulants, exact_score, score_error, train};
use stoq::reproduce::two_peak::COPIES;
use stoq::score::Score;

/// Half the side of the plane, arrows and cells along an axis.
const REACH: f64 = 3.6;
const ARROWS: usize = 17;
const CELLS: usize = 60;
/// Noises relative to the signal at which fields are drawn, and points of the backward flow.
const NOISES: [f64; 3] = [0.3, 1.0, 2.5];
const POINTS: usize = 1200;
/// Largest |z| that the exact score may have.
const LARGEST_Z: f64 = 4.0;

/// Runs the campaign.
pub fn run(context: &Context) -> std::result::Result<Findings, Failure> {
    let (configurations, steps) = context.either((4096, 1500), (131_072, 20_000));
    let (count, levels) = context.either((32_768, 100), (1_048_576, 300));
    let (seed, threads) = context.effort();
    let parameters = json!({"radius": PEAKS.0, "width": PEAKS.1, "configurations": configurations,
                            "training_steps": steps, "samples": count, "levels": levels});
    let mut findings = Findings::new("Three peaks in the plane: cumulants, score field, backward flow", parameters);
    findings.limit = Some(LARGEST_Z);
    findings.text(format!(
        "Three equal Gaussian peaks of width {} on a circle of radius {}: a law of two components without a symmetry x -> -x in y. \
         Exact cumulants in closed form; nothing was published for this one. The verdict counts the exact score; the network is trained \
         briefly and shown beside it.",
        PEAKS.1, PEAKS.0
    ));
    let model = train(configurations, (steps, seed, threads), context.training(steps))?;
    let mut table = Table::wide(
        "Cumulants at the end of the backward process (posterior form; the same in VE and VP): value(error) [z]",
    );
    let network = sites::score(&model, COPIES, false)?;
    let exact = exact_score(*network.schedule(), COPIES)?;
    for (kind, score) in [("exact score", &exact), ("network", &network)] {
        context.say(&format!("{kind}: samples"));
        let fields = samples(score, levels, count, (seed, threads))?;
        for (component, name) in ["x", "y"].into_iter().enumerate() {
            let row = Row::new().label("score", kind).label("component", name);
            table = table.row(observables(row, &fields, component, kind == "exact score")?);
        }
    }
    findings.table(table).table(errors(&sites::score(&model, CELLS * CELLS, false)?)?);
    for preserving in [false, true] {
        let scheme = if preserving { "VP" } else { "VE" };
        let arrows = sites::score(&model, ARROWS * ARROWS, preserving)?;
        findings.figure(fields(scheme, &arrows, exact_score(*arrows.schedule(), ARROWS * ARROWS)?)?);
        findings.figure(backward(scheme, (&sites::score(&model, POINTS, preserving)?, levels), &arrows, seed)?);
    }
    Ok(findings)
}

/// kappa_1 to kappa_4 of a component.
fn observables(row: Row, fields: &[Vec<f64>], component: usize, counted: bool) -> Result<Row> {
    let (found, exact) = (cumulants(fields, component)?, exact_cumulants(component)?);
    Ok((1..=4).fold(row, |row, order| {
        let (estimate, exact) = (&found.cumulants[order - 1], exact[order - 1]);
        // Zero by symmetry, up to rounding of the closed form.
        let exact = if exact.abs() < 1e-12 { 0.0 } else { exact };
        let found = Observable::new(format!("kappa{order}"), estimate.value, estimate.error);
        let found = found.exact(exact).with_z(estimate.z_value(exact));
        row.with(if counted { found } else { found.uncounted() })
    }))
}

fn errors(network: &Arc<dyn Score>) -> Result<Table> {
    let title =
        "Learned score against the exact one: rms of the difference over rms, averaged over the law with noise (VE)";
    let mut table = Table::wide(title);
    for noise in [0.1, 0.3, 1.0, 2.5, 6.0] {
        let reach = REACH.hypot(3.0 * noise);
        let places = Plane::new("", ("", -reach, reach), ("", -reach, reach)).places(CELLS, CELLS);
        let error = score_error(network, network.schedule().time_of_noise(noise), &places)?;
        table = table.row(Row::new().label("noise", noise).with(Observable::plain("score_error", error)));
    }
    Ok(table)
}

/// The score at several noises, learned and exact, over the density.
fn fields(scheme: &str, network: &Arc<dyn Score>, exact: Arc<dyn Score>) -> Result<Figure> {
    let schedule: Schedule = *network.schedule();
    let law = stoq::reproduce::three_peak::law()?;
    let caption = format!(
        "{scheme}: learned (orange) and exact (black) score \u{2207} log p(x; t) over the density, at three noises relative to the signal. \
         Arrows show directions; their lengths are compressed."
    );
    let mut figure = Figure::new(format!("three-peak-score-{}", scheme.to_lowercase()), caption);
    for noise in NOISES {
        let time = schedule.time_of_noise(noise);
        let signal = schedule.signal(time);
        let reach = signal * REACH.hypot(2.0 * noise);
        let plane = empty(&format!("{scheme}: t = {time:.3}"), reach);
        let heights = plane.places(CELLS, CELLS).into_iter();
        let heights = heights.map(|(x, y)| law.log_smoothed(&[x / signal, y / signal], noise).exp() / signal.powi(2));
        let plane = plane.cells("p(x; t)", CELLS, heights.collect(), false);
        let places = plane.places(ARROWS, ARROWS);
        let (learned, truth) = (score_field(network, time, &places)?, score_field(&exact, time, &places)?);
        let mut plane = plane.field("exact", ARROWS, &truth).field("network", ARROWS, &learned);
        plane.arrows.iter_mut().for_each(|arrows| arrows.colour *= 2);
        figure = figure.panel(plane);
    }
    Ok(figure)
}

/// Points along the backward process with the reverse drift g^2 s + 1/2 k x.
fn backward(
    scheme: &str,
    (network, levels): (&Arc<dyn Score>, usize),
    arrows: &Arc<dyn Score>,
    seed: u64,
) -> Result<Figure> {
    let schedule: Schedule = *network.schedule();
    let wanted: Vec<f64> = [2.5, 0.8].into_iter().map(|noise| schedule.time_of_noise(noise)).collect();
    let times: Vec<f64> = wanted.into_iter().chain([0.0]).collect();
    let caption = format!(
        "{scheme}: {POINTS} points on their way back to the peaks, with the drift of the backward process by the network, \
         g\u{b2} s + \u{bd} k x (arrows, lengths compressed)."
    );
    let mut figure = Figure::new(format!("three-peak-backward-{}", scheme.to_lowercase()), caption);
    for (time, field) in snapshots(network, levels, &times, seed)? {
        let (x, y) = field.split_at(field.len() / 2);
        let reach = schedule.signal(time) * REACH.hypot(2.0 * schedule.noise(time));
        let points: Vec<(f64, f64)> = x.iter().copied().zip(y.iter().copied()).collect();
        let mut plane = empty(&format!("{scheme}: t = {time:.3}"), reach);
        if time > 0.0 {
            let places = plane.places(ARROWS, ARROWS);
            let (square, decay) = (schedule.diffusion(time).powi(2), 0.5 * schedule.decay(time));
            let drifts = places.iter().zip(score_field(arrows, time, &places)?);
            let drifts: Vec<_> =
                drifts.map(|((x, y), (u, v))| (square * u + decay * x, square * v + decay * y)).collect();
            plane = plane.field("", ARROWS, &drifts);
        }
        plane.arrows.iter_mut().for_each(|arrows| arrows.colour = 2);
        figure = figure.panel(plane.dots("", points));
    }
    Ok(figure)
}

fn empty(title: &str, reach: f64) -> Plane {
    Plane::new(title, ("x", -reach, reach), ("y", -reach, reach))
}
