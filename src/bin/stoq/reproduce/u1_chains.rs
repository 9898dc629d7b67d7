//! `stoq reproduce u1-chains`: exact chains of U(1) gauge theory through the topological freeze.

use super::frame::Context;
use crate::common::Failure;
use serde_json::json;
use stoq::report::{Figure, Findings, Observable, Plot, Row, Table};
use stoq::reproduce::u1_chains::{Effort, REFERENCE_TAU, Run, Rung, climb};

/// Largest |z|: of 54 comparisons in a full run with renoise, a false alarm in 0.4 per cent.
const LARGEST_Z: f64 = 4.0;

/// Runs the campaign; the networks go into the folder of --models if there is one.
pub fn run(context: &Context) -> Result<Findings, Failure> {
    let (seed, threads) = context.effort();
    let effort = Effort::new(context.quick(), seed, threads);
    let rungs = climb(&effort, &mut |text| context.say(text), &mut |rung| {
        for run in &rung.runs {
            context.say(&format!(
                "beta = {}: {} updates of {}, {:.1} us each",
                rung.beta,
                run.updates,
                run.name,
                1e6 * run.seconds
            ));
        }
    })?;
    if let Some(folder) = &context.options.models {
        for rung in &rungs {
            rung.model.save(folder.join(format!("u1_{0}x{0}_beta{1}.onnx", effort.extent, rung.beta)))?;
        }
    }
    let parameters = json!({"extent": [effort.extent, effort.extent], "training_steps": effort.train.steps,
                            "channels": effort.train.channels});
    let mut findings =
        Findings::new("U(1) through the topological freeze: exact chains up a ladder of couplings", parameters)
            .limit(LARGEST_Z);
    findings.text(format!(
        "{0} x {0}. Every network is trained on what the exact chain HMC + renoise with the network of the rung below gives; no frozen chain \
         and no charge shift makes data. tau_int(Q) in updates; estimated: 2 <Q^2> / <(dQ)^2>, where the series is shorter than a \
         hundred tau_int. The verdict counts the chains whose charge moves.",
        effort.extent
    ));
    findings.table(tuning(&rungs)).table(charge(&rungs));
    for rung in &rungs {
        findings.table(observables(rung));
    }
    findings.figure(times(&rungs));
    Ok(findings)
}

fn tuning(rungs: &[Rung]) -> Table {
    rungs.iter().fold(Table::wide("Tuning"), |table, rung| {
        let tuned = rung.tuned;
        let row = Row::new().label("beta", rung.beta).label("data", rung.source);
        let values = [
            ("training_seconds", rung.training),
            ("weights", rung.model.parameters().len() as f64),
            ("hmc_length", rung.hmc.trajectory_length),
            ("hmc_steps", rung.hmc.steps as f64),
            ("renoise_noise", tuned.noise),
            ("renoise_levels", tuned.levels as f64),
            ("renoise_acceptance", tuned.acceptance),
            ("renoise_charge_steps", tuned.charge_steps),
        ];
        table.row(values.into_iter().fold(row, |row, (name, value)| row.with(Observable::plain(name, value))))
    })
}

fn charge(rungs: &[Rung]) -> Table {
    let mut table = Table::wide("The charge");
    for rung in rungs {
        for run in &rung.runs {
            table = table.row(charge_row(rung, run));
        }
    }
    table
}

fn charge_row(rung: &Rung, run: &Run) -> Row {
    let (tau, estimated) = run.tau_charge(rung.exact.charge_squared());
    let row = Row::new().label("beta", rung.beta).label("kernels", run.name).label("updates", run.updates);
    let row = row.label("estimated", estimated);
    let row = row.with(Observable::new("acceptance", run.acceptance.value, run.acceptance.error));
    let row = row.with(Observable::plain("charge_steps", run.charge_steps));
    let published = REFERENCE_TAU.iter().find(|(beta, _)| *beta == rung.beta && run.name == "HMC");
    let tau_int = match estimated {
        true => Observable::plain("tau_int_Q", tau),
        false => Observable::new("tau_int_Q", tau, run.summary.charge.tau_int_error),
    };
    let row = row.with(match published {
        Some((_, other)) => {
            tau_int.published_elsewhere(*other, 0.0, "another program's HMC with trajectories of unit length")
        }
        None => tau_int,
    });
    let row = row.with(Observable::plain("us_per_update", 1e6 * run.seconds));
    row.with(Observable::plain("ms_per_independent_Q", 2e3 * tau * run.seconds))
}

fn observables(rung: &Rung) -> Table {
    let mut table = Table::new(format!("beta = {}", rung.beta));
    for run in &rung.runs {
        let moves = !run.tau_charge(rung.exact.charge_squared()).1;
        let row = Row::new().label("beta", rung.beta).label("kernels", run.name);
        let found = run.comparisons(&rung.exact).into_iter().map(|(name, estimate, exact, z)| {
            let observable = Observable::new(name, estimate.value, estimate.error).exact(exact).with_z(z);
            let observable = observable.with_tau_int(estimate.tau_int);
            if moves { observable } else { observable.uncounted() }
        });
        table = table.row(found.fold(row, Row::with));
    }
    table
}

fn times(rungs: &[Rung]) -> Figure {
    let mut plot = Plot::new("", "beta", "seconds an independent Q").log_y();
    for name in ["HMC", "HMC + charge shift", "HMC + renoise"] {
        let points = rungs.iter().filter_map(|rung| {
            let run = rung.runs.iter().find(|run| run.name == name)?;
            let seconds = 2.0 * run.tau_charge(rung.exact.charge_squared()).0 * run.seconds;
            seconds.is_finite().then_some((rung.beta, seconds, 0.0))
        });
        plot = plot.points(name, points.collect());
    }
    Figure::new("u1-chains", "Time of an independent charge; where HMC never moved it there is no point.").panel(plot)
}
