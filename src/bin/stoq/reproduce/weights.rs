//! `stoq reproduce free-energy` and `levels`: what the weights of path proposals say.

use super::frame::Context;
use crate::common::Failure;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use stoq::Error;
use stoq::analysis::{independence_acceptance, var_log_weight};
use stoq::kernel::Grid;
use stoq::model::Model;
use stoq::report::{Figure, Findings, Observable, Plot, Row, Table};
use stoq::reproduce::weights::{free_energies, log_weights};
use stoq::score::{NativeScore, Score};

/// Largest |z| of a free energy.
const LARGEST_Z: f64 = 3.5;
/// The model that the levels are compared on.
const MODEL: &str = "examples/models/phi4_16x16_kappa0.27.onnx";

/// ln Z of every system with an exact value.
pub fn free_energy(context: &Context) -> Result<Findings, Failure> {
    let proposals = context.either(4096, 262_144);
    let rows = free_energies(400, 20, proposals, context.effort())?;
    let parameters = json!({"proposals": proposals, "levels": 20});
    let mut findings = Findings::new("Free energies from the weights of paths", parameters).limit(LARGEST_Z);
    let table = Table::new(format!("ln Z = ln <w> from {proposals} paths of 20 levels"));
    findings.table(rows.iter().fold(table, |table, row| {
        let found = Observable::new("log_Z", row.found.value, row.found.error).exact(row.exact).with_z(row.z);
        table.row(Row::new().label("system", row.system.clone()).with(found))
    }));
    Ok(findings)
}

/// Acceptance of the path kernel with the committed model, for every way to choose the levels.
pub fn levels(context: &Context) -> Result<Findings, Failure> {
    let proposals = context.either(256, 4096);
    let score = NativeScore::new(Model::load(Path::new(MODEL))?)?;
    let Some(record) = score.model().metadata().action.clone() else {
        return Err(Error::invalid("model", MODEL, "a model that names its action").into());
    };
    let score: Arc<dyn Score> = Arc::new(score);
    let mut action = record.build(score.lattice())?;
    let parameters = json!({"model": MODEL, "proposals": proposals});
    let mut findings = Findings::new("How the levels of a path are chosen, and what it is worth", parameters);
    let mut table = Table::wide(format!("{MODEL}, {proposals} proposals"));
    let mut plot = Plot::new("Exact acceptance of path proposals", "score evaluations of a path", "acceptance").log_x();
    for (name, grid) in
        [("optimal", Grid::Optimal), ("pilot", Grid::Pilot), ("geometric", Grid::Geometric), ("linear", Grid::Linear)]
    {
        let mut curve = vec![];
        for levels in [10, 20, 40, 80] {
            let weights = log_weights(&score, &mut *action, (grid, levels), proposals, context.effort())?;
            let (acceptance, variance) = (independence_acceptance(&weights)?, var_log_weight(&weights)?);
            let row = Row::new().label("grid", name).label("levels", levels);
            let row = row.with(Observable::new("acceptance", acceptance.value, acceptance.error));
            table = table.row(row.with(Observable::new("var_log_w", variance.value, variance.error)));
            curve.push((levels as f64, acceptance.value, acceptance.error));
        }
        plot = plot.points(name, curve);
    }
    findings.table(table);
    let caption = "Levels of least divergence, from a pilot run, geometric and linear in the noise.";
    findings.figure(Figure::new("levels", caption).panel(plot.y_range(0.0, 1.0)));
    Ok(findings)
}
