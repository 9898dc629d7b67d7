//! `stoq reproduce two-peak`: cumulants at the end of the backward process, ours beside the exact and the
//! published ones.

use super::figures::{cumulant_table, cumulants as cumulant_figure, density};
use super::frame::Context;
use crate::common::Failure;
use serde_json::json;
use std::sync::Arc;
use stoq::action::{ActionRecord, MixtureLaw};
use stoq::analysis::{CumulantEstimates, cumulants_of_moments, mixture_moments};
use stoq::diffusion::Schedule;
use stoq::lattice::Lattice;
use stoq::report::{Figure, Findings, Observable, Plot, Row, Table};
use stoq::reproduce::one_variable::{flow, samples as draw_samples};
use stoq::reproduce::sites::{self, draws};
use stoq::reproduce::two_peak::{COPIES, ORDERS, PEAKS, PUBLISHED, cumulants, exact, exact_score};
use stoq::sampler::{IndependentSampler, Method};
use stoq::score::Score;

/// Largest |z| of the comparisons that the verdict counts.
const LARGEST_Z: f64 = 3.0;

/// Runs the campaign.
pub fn run(context: &Context) -> Result<Findings, Failure> {
    let samples = context.either(65_536, 1_000_000);
    let steps: &[usize] = context.either(&[10, 100], &[10, 20, 50, 100, 200, 400, 800]);
    let exact = exact()?;
    let title = "Two peaks: cumulants at the end of the backward process, exact score";
    let mut findings = Findings::new(title, json!({"samples": samples, "steps": steps})).limit(LARGEST_Z);
    findings.text(ABOUT).text(COUNTED);
    let schedules = [("VE", Schedule::variance_expanding(25.0)?), ("VP", Schedule::variance_preserving(25.0)?)];
    for (index, (name, schedule)) in schedules.into_iter().enumerate() {
        let mut table = Table::wide(format!("{name}: value(error) [z]")).row(published(name, PUBLISHED[index], exact));
        let score: Arc<dyn Score> = exact_score(schedule)?;
        for (method_name, method) in [
            ("Euler-Maruyama", Method::EulerMaruyama),
            ("ancestral", Method::Ancestral),
            ("posterior", Method::Posterior),
            ("flow", Method::ProbabilityFlow { tolerance: 1e-6 }),
        ] {
            // The flow chooses its own steps; the posterior form is the one to be taken to many.
            let most = match method_name {
                "posterior" => usize::MAX,
                "flow" => steps[0],
                _ => 100,
            };
            for &count in steps.iter().filter(|&&count| count <= most) {
                let found = cumulants(&score, method, count, samples, context.effort())?;
                let counted = method_name == "flow" || method == Method::Posterior && Some(&count) == steps.last();
                table = table.row(row(name, method_name, count, (&found, exact), counted));
            }
            context.say(&format!("{name}, {method_name}: done"));
        }
        findings.table(table);
        show_flow(context, &mut findings, name, ("exact score", &score), samples)?;
    }
    Ok(findings)
}

const ABOUT: &str = "Peaks at +-1 of width 1/4, sigma = 25 (Aarts, Habibi, Wang, Zhou, MLST 6 (2025) 025004, tables 1 and 2). \
                     Published values are of the end of the backward process with trained scores.";
const COUNTED: &str = "The verdict counts the posterior form with most steps, and the flow; the other rows show what \
                       steps cost.";

/// The same with a trained network: one for both schemes.
pub fn run_network(context: &Context) -> Result<Findings, Failure> {
    let samples = context.either(65_536, 1_000_000);
    let steps: &[usize] = context.either(&[100], &[20, 100, 800]);
    let (configurations, training_steps) = context.either((16_384, 1500), (262_144, 30_000));
    let law = MixtureLaw::two_peak(PEAKS.0, PEAKS.1)?;
    let (seed, threads) = context.effort();
    let data = draws(&IndependentSampler::mixture(sites::lattice(1)?, law)?, configurations, seed)?;
    let action = ActionRecord::two_peak(PEAKS.0, PEAKS.1);
    let model = sites::train(data, Some(action), (training_steps, seed, threads), context.training(training_steps))?;
    let parameters = json!({"samples": samples, "steps": steps, "configurations": configurations,
                            "training_steps": training_steps});
    let title = "Two peaks: cumulants at the end of the backward process, trained score";
    let mut findings = Findings::new(title, parameters).limit(LARGEST_Z);
    findings.text(ABOUT).text(COUNTED);
    let exact = exact()?;
    for (index, (name, preserving)) in [("VE", false), ("VP", true)].into_iter().enumerate() {
        let mut table = Table::wide(format!("{name}: value(error) [z]")).row(published(name, PUBLISHED[index], exact));
        let score = sites::score(&model, COPIES, preserving)?;
        for &count in steps {
            let found = cumulants(&score, Method::Posterior, count, samples, (seed, threads))?;
            table = table.row(row(name, "network", count, (&found, exact), Some(&count) == steps.last()));
        }
        let flow = Method::ProbabilityFlow { tolerance: 1e-5 };
        let found = cumulants(&score, flow, 2, samples, (seed + 1, threads))?;
        findings.table(table.row(row(name, "network, flow", 0, (&found, exact), true)));
        show_flow(context, &mut findings, name, ("network", &score), samples)?;
    }
    Ok(findings)
}

/// Cumulants along both processes, and the samples beside the law.
fn show_flow(
    context: &Context,
    findings: &mut Findings,
    scheme: &'static str,
    (kind, score): (&str, &Arc<dyn Score>),
    samples: usize,
) -> Result<(), Failure> {
    let (samples, levels) = context.either((32_768, 100), (samples.min(262_144), 800));
    context.say(&format!("{scheme}, {kind}: cumulants along the process"));
    let law = MixtureLaw::two_peak(PEAKS.0, PEAKS.1)?;
    let all = cumulants_of_moments(&mixture_moments(&law, 0, 8)?);
    let sampler = IndependentSampler::mixture(Lattice::new(&[COPIES])?, law.clone())?;
    let found = flow(scheme, (score, levels), &sampler, &all, samples, context.effort())?;
    findings.table(cumulant_table(scheme, &found.forward, &found.backward, &ORDERS));
    let file = |what: &str| format!("two-peak-{what}-{scheme}-{}", kind.replace(' ', "-")).to_lowercase();
    let title = format!("{scheme}, {kind}");
    findings.figure(cumulant_figure(&file("cumulants"), &title, &found.forward, &found.backward, &ORDERS));
    let drawn = draw_samples(score, levels, samples, context.effort())?;
    let bars = density(drawn.into_iter().flatten(), (-2.2, 2.2), 66);
    let curve = (0..=440).map(|i| 0.01 * f64::from(i) - 2.2).map(|x| (x, law.log_smoothed(&[x], 0.0).exp()));
    let plot =
        Plot::new(format!("Samples: {title}"), "x", "p(x)").bars("samples", bars).line("exact", curve).coloured(2);
    let caption = "Histogram of samples of the backward process (bars, with errors) and the exact law.";
    findings.figure(Figure::new(file("histogram"), caption).panel(plot));
    Ok(())
}

fn published(scheme: &str, published: [(f64, f64); 4], exact: [f64; 4]) -> Row {
    let row = Row::new().label("scheme", scheme).label("method", "published").label("steps", "");
    (0..4).fold(row, |row, index| {
        let (value, error) = published[index];
        row.with(Observable::new(format!("kappa{}", ORDERS[index]), value, error).exact(exact[index]).uncounted())
    })
}

fn row(scheme: &str, method: &str, steps: usize, (found, exact): (&CumulantEstimates, [f64; 4]), counted: bool) -> Row {
    let row = Row::new().label("scheme", scheme).label("method", method).label("steps", steps);
    (0..4).fold(row, |row, index| {
        let estimate = found.cumulants[ORDERS[index] - 1];
        let found = Observable::new(format!("kappa{}", ORDERS[index]), estimate.value, estimate.error);
        let found = found.exact(exact[index]).with_z(estimate.z_value(exact[index]));
        row.with(if counted { found } else { found.uncounted() })
    })
}
