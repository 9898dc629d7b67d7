//! `stoq reproduce toy`: score and effective action of a trained network along the process, against quadrature.

use super::figures::{cumulant_table, cumulants, density};
use super::frame::Context;
use crate::common::Failure;
use serde_json::json;
use std::sync::Arc;
use stoq::Result;
use stoq::action::ToyLaw;
use stoq::analysis::{CumulantEstimates, cumulants_of_moments, toy_moments};
use stoq::lattice::Lattice;
use stoq::report::{Figure, Findings, Observable, Plot, Row, Table, significant};
use stoq::reproduce::one_variable::{flow, samples};
use stoq::reproduce::sites::score;
use stoq::reproduce::toy::{G, errors, populated, profile, train};
use stoq::reproduce::two_peak::{COPIES, ORDERS};
use stoq::sampler::IndependentSampler;
use stoq::score::{Score, ToyScore};

/// Noises, relative to the width of the law, at which score and action are drawn.
const NOISES: [f64; 5] = [0.02, 0.15, 0.4, 1.0, 3.0];
/// Points of a curve, and how many standard deviations it reaches.
const CURVE: (usize, f64) = (121, 3.5);

/// Runs the campaign.
pub fn run(context: &Context) -> std::result::Result<Findings, Failure> {
    let (configurations, steps) = context.either((4096, 1500), (131_072, 20_000));
    let (samples, levels) = context.either((32_768, 60), (262_144, 200));
    let (seed, threads) = context.effort();
    let parameters = json!({"g": G, "configurations": configurations, "training_steps": steps, "samples": samples,
                            "levels": levels});
    let title = "The 0+0-dimensional toy: score, effective action and cumulants along the process";
    let mut findings = Findings::new(title, parameters);
    findings.text(
        "Action mu2/2 x^2 + g/24 x^4 (Wang, Aarts, Zhou, JHEP 05 (2024) 060, sec. 3.4, figs. 1 to 4). A network learns the score \
         s(x, t) of the law with noise; S_DM(x, t) = -int_0^x s is the action that it stands for. Exact values by quadrature. The \
         paper gives figures and no numbers for these. In the posterior form VE and VP at the same noise levels are the same process in \
         x / f: their samples are equal, what differs is f(t).",
    );
    for mu2 in [1.0, -1.0] {
        findings.heading(format!("mu2 = {mu2:+}, g = {G}"));
        let model = train(mu2, configurations, (steps, seed, threads), context.training(steps))?;
        let network = score(&model, 1, false)?;
        findings.table(error_table(mu2, &network)?).figure(profiles(mu2, &network)?);
        let law = ToyLaw::new(mu2, G)?;
        let exact = cumulants_of_moments(&toy_moments(&law, 8));
        let mut ends = Table::wide("Cumulants at the end of the backward process: value(error) [z]");
        for (scheme, preserving) in [("VE", false), ("VP", true)] {
            context.say(&format!("mu2 = {mu2:+}, {scheme}: cumulants along the process"));
            let model = (&score(&model, COPIES, preserving)?, levels);
            let sampler = IndependentSampler::toy(Lattice::new(&[COPIES])?, law)?;
            let found = flow(scheme, model, &sampler, &exact, samples, (seed, threads))?;
            ends = ends.row(end_row(scheme, &found.backward[0].found, &exact));
            let name = format!("toy-cumulants-{}-{scheme}", name(mu2)).to_lowercase();
            let title = format!("{scheme}, \u{3bc}\u{b2} = {mu2:+}");
            findings.table(cumulant_table(scheme, &found.forward, &found.backward, &ORDERS));
            findings.figure(cumulants(&name, &title, &found.forward, &found.backward, &ORDERS));
        }
        findings.table(ends).figure(histogram(
            mu2,
            &law,
            (&score(&model, COPIES, false)?, levels),
            samples,
            (seed, threads),
        )?);
    }
    Ok(findings)
}

fn name(mu2: f64) -> &'static str {
    if mu2 > 0.0 { "one-well" } else { "two-wells" }
}

/// Errors of the network, and of the exact score through the same pipeline, at ten times.
fn error_table(mu2: f64, network: &Arc<dyn Score>) -> Result<Table> {
    let exact = Arc::new(ToyScore::new(Lattice::new(&[1])?, *network.schedule(), mu2, G)?);
    let title = "Largest errors where p_t is above e^-8 of its maximum; of the score in units of 1/width";
    let rows = errors(mu2, network.clone())?.into_iter().zip(errors(mu2, exact)?);
    Ok(rows.fold(Table::wide(title), |table, (network, exact)| {
        let round = |value: f64| (1e5 * value).round() / 1e5;
        let row = Row::new().label("mu2", mu2).label("t", round(network.time)).label("noise", round(network.noise));
        let row = row.with(Observable::plain("network_score_error", network.score));
        let row = row.with(Observable::plain("network_action_error", network.action));
        table.row(row.with(Observable::plain("pipeline_action_error", exact.action)))
    }))
}

/// s(x, t) and S_DM(x, t) at several times, learned and exact.
fn profiles(mu2: f64, network: &Arc<dyn Score>) -> Result<Figure> {
    let width = ToyLaw::new(mu2, G)?.moments(2)[1].sqrt();
    let mut action = Plot::new(format!("Effective action, \u{3bc}\u{b2} = {mu2:+}"), "x", "S_DM(x, t)");
    let mut force = Plot::new(format!("Score, \u{3bc}\u{b2} = {mu2:+}"), "x", "s(x, t)");
    for (colour, relative) in NOISES.into_iter().enumerate() {
        let time = network.schedule().time_of_noise(relative * width);
        let points = populated(mu2, network.schedule(), time, CURVE)?;
        let found = profile(mu2, network, time, &points)?;
        let of = |values: &[f64]| found.points.iter().copied().zip(values.iter().copied()).collect::<Vec<_>>();
        let label = format!("t = {}", significant(time, 2));
        action = action.line(label.clone(), of(&found.action[0])).coloured(colour);
        action = action.dashed("", of(&found.action[1])).coloured(5);
        force = force.line(label, of(&found.score[0])).coloured(colour);
        force = force.dashed("", of(&found.score[1])).coloured(5);
    }
    // The single well is shown as far as it is populated, the double well with its bottom.
    let (reach, bottom) = if mu2 > 0.0 { (3.2 * width, 0.0) } else { (2.2 * width, -4.5) };
    let caption =
        "Solid: network; grey dashes: exact, by quadrature. At the earliest time the action is that of the theory.";
    let figure = Figure::new(format!("toy-action-{}", name(mu2)), caption);
    Ok(figure.panel(action.x_range(-reach, reach).y_range(bottom, 8.5)).panel(force.x_range(-reach, reach)))
}

fn end_row(scheme: &str, found: &CumulantEstimates, exact: &[f64]) -> Row {
    ORDERS.iter().fold(Row::new().label("scheme", scheme), |row, &order| {
        let estimate = &found.cumulants[order - 1];
        let found = Observable::new(format!("kappa{order}"), estimate.value, estimate.error);
        row.with(found.exact(exact[order - 1]).with_z(estimate.z_value(exact[order - 1])))
    })
}

fn histogram(
    mu2: f64,
    law: &ToyLaw,
    (model, levels): (&Arc<dyn Score>, usize),
    count: usize,
    effort: (u64, usize),
) -> Result<Figure> {
    let fields = samples(model, levels, count, effort)?;
    let reach = 3.2 * law.moments(2)[1].sqrt();
    let bars = density(fields.into_iter().flatten(), (-reach, reach), 64);
    let curve = (0..=400).map(|i| reach * (f64::from(i) / 200.0 - 1.0));
    let curve = curve.map(|x| (x, (-law.action(x) - law.log_partition()).exp()));
    let plot = Plot::new(format!("Samples, \u{3bc}\u{b2} = {mu2:+}"), "x", "p(x)");
    let caption = "Histogram of samples of the backward process (bars, with errors) and the law exp(\u{2212}S)/Z.";
    let figure = Figure::new(format!("toy-histogram-{}", name(mu2)), caption);
    Ok(figure.panel(plot.bars("network, VE", bars).line("exact", curve).coloured(2)))
}
