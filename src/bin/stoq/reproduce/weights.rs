//! `stoq reproduce free-energy` and `levels`: what the weights of path proposals say.

use crate::common::{Failure, Global, Record, say};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use stoq::Error;
use stoq::analysis::{independence_acceptance, var_log_weight};
use stoq::kernel::Grid;
use stoq::model::Model;
use stoq::reproduce::weights::{free_energies, log_weights};
use stoq::score::{NativeScore, Score};

/// Largest |z| of a free energy.
const LARGEST_Z: f64 = 3.5;
/// The model that the levels are compared on.
const MODEL: &str = "examples/models/phi4_16x16_kappa0.27.onnx";

/// ln Z of every system with an exact value.
pub fn free_energy(global: &Global, quick: bool) -> Result<(), Failure> {
    let start = Instant::now();
    let proposals = if quick { 4096 } else { 262_144 };
    let rows = free_energies(400, 20, proposals, (global.seed, global.threads))?;
    say(global, &format!("ln Z = ln <w> from {proposals} paths of 20 levels"));
    let mut cells: Vec<Value> = vec![];
    for row in &rows {
        let (value, error) = (row.found.value, row.found.error);
        say(
            global,
            &format!("{:<22} exact {:>11.6}  found {value:>11.6}({error:.6})  z {:+.2}", row.system, row.exact, row.z),
        );
        cells.push(
            json!({"system": row.system, "log_Z": {"value": value, "error": error, "exact": row.exact, "z": row.z}}),
        );
    }
    let worst = rows.iter().fold(0.0, |largest: f64, row| largest.max(row.z.abs()));
    let mut record = Record::new(
        "reproduce",
        json!({"experiment": "free-energy", "quick": quick, "proposals": proposals, "levels": 20, "seed": global.seed}),
    );
    record.set("rows", cells.into());
    record.set("seconds", json!({"total": start.elapsed().as_secs_f64()}));
    record.set("verdict", json!(if worst < LARGEST_Z { "passed" } else { "failed" }));
    record.write(global)?;
    match worst < LARGEST_Z {
        true => Ok(()),
        false => Err(Failure::Check(format!("a free energy is {worst:.2} standard errors off"))),
    }
}

/// Acceptance of the path kernel with the committed model, for every way to choose the levels.
pub fn levels(global: &Global, quick: bool) -> Result<(), Failure> {
    let start = Instant::now();
    let proposals = if quick { 256 } else { 4096 };
    let score = NativeScore::new(Model::load(Path::new(MODEL))?)?;
    let Some(record) = score.model().metadata().action.clone() else {
        return Err(Error::invalid("model", MODEL, "a model that names its action").into());
    };
    let score: Arc<dyn Score> = Arc::new(score);
    let mut action = record.build(score.lattice())?;
    let mut rows: Vec<Value> = vec![];
    say(global, &format!("{MODEL}, {proposals} proposals: acceptance, Var(log w)"));
    for levels in [10, 20, 40, 80] {
        let mut line = format!("{levels:>4} levels");
        for (name, grid) in [
            ("optimal", Grid::Optimal),
            ("pilot", Grid::Pilot),
            ("geometric", Grid::Geometric),
            ("linear", Grid::Linear),
        ] {
            let weights = log_weights(&score, &mut *action, (grid, levels), proposals, (global.seed, global.threads))?;
            let (acceptance, variance) = (independence_acceptance(&weights)?, var_log_weight(&weights)?);
            line += &format!("   {name} {:.3}({:.3}) {:.2}", acceptance.value, acceptance.error, variance.value);
            rows.push(json!({"levels": levels, "grid": name, "acceptance": {"value": acceptance.value, "error": acceptance.error},
                "var_log_w": {"value": variance.value, "error": variance.error}}));
        }
        say(global, &line);
    }
    let parameters =
        json!({"experiment": "levels", "quick": quick, "model": MODEL, "proposals": proposals, "seed": global.seed});
    let mut record = Record::new("reproduce", parameters);
    record.set("rows", rows.into());
    record.set("seconds", json!({"total": start.elapsed().as_secs_f64()}));
    Ok(record.write(global)?)
}
