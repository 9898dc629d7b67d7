//! `stoq reproduce toy`: score and effective action of a trained network along the process, against quadrature.

use super::training;
use crate::common::{Failure, Global, Record, say};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;
use stoq::lattice::Lattice;
use stoq::reproduce::sites::score;
use stoq::reproduce::toy::{G, errors, train};
use stoq::score::ToyScore;

/// Runs the campaign.
pub fn run(global: &Global, quick: bool) -> Result<(), Failure> {
    let start = Instant::now();
    let (configurations, steps) = if quick { (4096, 3000) } else { (131_072, 20_000) };
    let mut rows: Vec<Value> = vec![];
    for mu2 in [1.0, -1.0] {
        let model = train(mu2, configurations, (steps, global.seed, global.threads), training(global, steps))?;
        let exact = Arc::new(ToyScore::new(Lattice::new(&[1])?, model.metadata().schedule, mu2, G)?);
        let quadrature = errors(mu2, exact)?;
        let network = errors(mu2, score(&model, 1, false)?)?;
        say(
            global,
            &format!(
                "mu2 = {mu2:+}, g = {G}: largest error where p_t is above e^-8 of its maximum (score in units of 1/width)"
            ),
        );
        say(global, "     t      noise   network: score   S_DM      exact score through the same pipeline: S_DM");
        for (network, exact) in network.iter().zip(&quadrature) {
            say(
                global,
                &format!(
                    "{:>8.5} {:>8.4}   {:>12.5} {:>9.5}   {:>12.1e}",
                    network.time, network.noise, network.score, network.action, exact.action
                ),
            );
            rows.push(
                json!({"mu2": mu2, "t": network.time, "noise": network.noise, "network_score_error": network.score,
                "network_action_error": network.action, "pipeline_action_error": exact.action}),
            );
        }
    }
    let parameters = json!({"experiment": "toy", "quick": quick, "g": G, "seed": global.seed,
        "configurations": configurations, "training_steps": steps});
    let mut record = Record::new("reproduce", parameters);
    record.set("rows", rows.into());
    record.set("seconds", json!({"total": start.elapsed().as_secs_f64()}));
    Ok(record.write(global)?)
}
