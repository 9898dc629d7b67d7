//! `stoq reproduce toy`: score and effective action of a trained network along the process, against quadrature.

use super::frame::Context;
use crate::common::Failure;
use serde_json::json;
use std::sync::Arc;
use stoq::lattice::Lattice;
use stoq::report::{Findings, Observable, Row, Table};
use stoq::reproduce::sites::score;
use stoq::reproduce::toy::{G, errors, train};
use stoq::score::ToyScore;

/// Runs the campaign.
pub fn run(context: &Context) -> Result<Findings, Failure> {
    let (configurations, steps) = context.either((4096, 3000), (131_072, 20_000));
    let (seed, threads) = context.effort();
    let parameters = json!({"g": G, "configurations": configurations, "training_steps": steps});
    let title = "The 0+0-dimensional toy: score and effective action along the process";
    let mut findings = Findings::new(title, parameters);
    findings.text("Largest errors where p_t is above e^-8 of its maximum; the score in units of 1/width.");
    for mu2 in [1.0, -1.0] {
        let model = train(mu2, configurations, (steps, seed, threads), context.training(steps))?;
        let exact = Arc::new(ToyScore::new(Lattice::new(&[1])?, model.metadata().schedule, mu2, G)?);
        let quadrature = errors(mu2, exact)?;
        let network = errors(mu2, score(&model, 1, false)?)?;
        let mut table = Table::wide(format!("mu2 = {mu2:+}, g = {G}"));
        for (network, exact) in network.iter().zip(&quadrature) {
            let row = Row::new().label("mu2", mu2).label("t", network.time).label("noise", network.noise);
            let row = row.with(Observable::plain("network_score_error", network.score));
            let row = row.with(Observable::plain("network_action_error", network.action));
            table = table.row(row.with(Observable::plain("pipeline_action_error", exact.action)));
        }
        findings.table(table);
    }
    Ok(findings)
}
