//! `stoq reproduce u1-chains`: exact chains of U(1) gauge theory through the topological freeze.

use crate::common::{Failure, Global, Record, say};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;
use stoq::reproduce::u1_chains::{Effort, REFERENCE_TAU, Run, Rung, climb};

/// Largest |z|: of 54 comparisons in a full run with renoise, a false alarm in 0.4 per cent.
const LARGEST_Z: f64 = 4.0;

/// Runs the campaign; the networks go into `folder` if there is one.
pub fn run(global: &Global, quick: bool, folder: Option<&Path>) -> Result<(), Failure> {
    let start = Instant::now();
    let effort = Effort::new(quick, global.seed, global.threads);
    say(
        global,
        &format!(
            "U(1) on {0} x {0}; networks of {1:?} channels, {2} steps",
            effort.extent, effort.train.channels, effort.train.steps
        ),
    );
    let mut rows: Vec<Value> = vec![];
    let mut largest: f64 = 0.0;
    let rungs = climb(&effort, &mut |text| say(global, text), &mut |rung| {
        show(global, rung);
        rows.push(row(rung));
        for run in rung.runs.iter().filter(|run| !run.tau_charge(1.0).1) {
            largest = run.comparisons(&rung.exact).iter().fold(largest, |most, row| most.max(row.3.abs()));
        }
    })?;
    if let Some(folder) = folder {
        for rung in &rungs {
            rung.model.save(folder.join(format!("u1_{0}x{0}_beta{1}.onnx", effort.extent, rung.beta)))?;
        }
    }
    let mut record = Record::new(
        "reproduce",
        json!({"experiment": "u1-chains", "quick": quick, "seed": global.seed, "extent": [effort.extent, effort.extent],
               "threads": global.threads, "training_steps": effort.train.steps, "channels": effort.train.channels}),
    );
    record.set("rows", rows.into());
    record.set("largest_z", json!(largest));
    record.set("seconds", json!({"total": start.elapsed().as_secs_f64()}));
    record.set("verdict", json!(if largest < LARGEST_Z { "passed" } else { "failed" }));
    record.write(global)?;
    say(global, &format!("\nlargest |z| of chains whose charge moves: {largest:.2}"));
    match largest < LARGEST_Z {
        true => Ok(()),
        false => Err(Failure::Check(format!("an exact chain is {largest:.2} standard errors from the exact value"))),
    }
}

fn show(global: &Global, rung: &Rung) {
    let tuned = rung.tuned;
    say(
        global,
        &format!(
            "\nbeta = {}: HMC of length {} in {} steps, renoise with t* at noise {} and {} levels up and down; training {:.0} s",
            rung.beta, rung.hmc.trajectory_length, rung.hmc.steps, tuned.noise, tuned.levels, rung.training
        ),
    );
    let square = rung.exact.charge_squared();
    say(
        global,
        "kernel               updates  acceptance  <dQ^2>/update     tau_int(Q)   us/update  ms/independent Q  largest |z|",
    );
    for run in &rung.runs {
        let (tau, estimated) = run.tau_charge(square);
        let z = run.comparisons(&rung.exact).iter().fold(0.0, |most: f64, row| most.max(row.3.abs()));
        let tau_text = match (estimated, tau.is_finite()) {
            (_, false) => "never moved".to_string(),
            (true, _) => format!("~{tau:.0}"),
            (false, _) => format!("{tau:.2}({:.2})", run.summary.charge.tau_int_error),
        };
        say(
            global,
            &format!(
                "{:<18} {:>9}  {:>10.4}  {:>13.6}  {tau_text:>13}  {:>10.1}  {:>16.3}  {}",
                run.name,
                run.updates,
                run.acceptance.value,
                run.charge_steps,
                1e6 * run.seconds,
                2e3 * tau * run.seconds,
                if estimated { "-".into() } else { format!("{z:.2}") },
            ),
        );
    }
    if let Some(run) = rung.runs.last() {
        let cells = run.comparisons(&rung.exact);
        let cells = cells.iter().map(|(name, estimate, exact, z)| {
            format!("  {name:<10} {:>12.6}({:.6})  exact {exact:>10.6}  z {z:+.2}", estimate.value, estimate.error)
        });
        say(global, &cells.collect::<Vec<_>>().join("\n"));
    }
    if let Some((_, tau)) = REFERENCE_TAU.iter().find(|(beta, _)| *beta == rung.beta) {
        say(global, &format!("  (tau_int(Q) of HMC, unit length, by another program on 16 x 16: {tau})"));
    }
}

fn row(rung: &Rung) -> Value {
    let square = rung.exact.charge_squared();
    let of = |run: &Run| {
        let (tau, estimated) = run.tau_charge(square);
        let comparisons = run.comparisons(&rung.exact);
        let comparisons = comparisons.iter().map(|(name, estimate, exact, z)| {
            json!({"name": name, "value": estimate.value, "error": estimate.error, "exact": exact, "z": z})
        });
        json!({"name": run.name, "updates": run.updates, "acceptance": run.acceptance.value,
               "charge_steps": run.charge_steps, "tau_int_charge": tau.is_finite().then_some(tau), "estimated": estimated,
               "tau_int_charge_error": run.summary.charge.tau_int_error, "seconds_per_update": run.seconds,
               "seconds_per_independent_charge": (2.0 * tau * run.seconds).is_finite().then_some(2.0 * tau * run.seconds),
               "observables": comparisons.collect::<Vec<_>>()})
    };
    json!({"beta": rung.beta, "source": rung.source, "training_seconds": rung.training, "hmc_length": rung.hmc.trajectory_length, "hmc_steps": rung.hmc.steps,
           "renoise": {"noise": rung.tuned.noise, "levels": rung.tuned.levels, "acceptance": rung.tuned.acceptance,
                       "charge_steps": rung.tuned.charge_steps},
           "weights": rung.model.parameters().len(), "runs": rung.runs.iter().map(of).collect::<Vec<_>>()})
}
