//! `stoq reproduce cl-gaussian` and `cl-quartic`: moments and cumulants of complex Langevin from a diffusion
//! model of P(x, y), beside the exact and the published ones.

use super::training;
use crate::common::{Failure, Global, Record, say};
use serde_json::{Value, json};
use std::time::Instant;
use stoq::action::{Complex64, ComplexQuartic};
use stoq::analysis::cumulants::ComplexMomentEstimates;
use stoq::reproduce::complex::{Effort, run as run_campaign};

/// Cumulants of the quartic model, arXiv:2412.01919: real and imaginary part, value and error, n = 2, 4, 6, 8.
const PUBLISHED: [[(f64, f64); 2]; 4] = [
    [(0.4267, 6e-4), (-0.1459, 2e-4)],
    [(-0.0582, 6e-4), (0.0981, 5e-4)],
    [(-0.008, 1e-3), (-0.188, 2e-3)],
    [(0.400, 5e-3), (0.58, 1e-2)],
];
/// Largest |z| of the verdict.
const LARGEST_Z: f64 = 3.0;

/// Runs the campaign.
pub fn run(global: &Global, quick: bool, quartic: bool) -> Result<(), Failure> {
    let start = Instant::now();
    let action = if quartic { ComplexQuartic::new(1.0, 1.0, 1.0)? } else { ComplexQuartic::gaussian(1.0, 1.0)? };
    let effort = match quick {
        true => Effort { configurations: 8192, training: 3000, samples: 200_000 },
        false => Effort { configurations: 131_072, training: 25_000, samples: 2_000_000 },
    };
    let name = if quartic { "cl-quartic" } else { "cl-gaussian" };
    let found = run_campaign(action, effort, (global.seed, global.threads), training(global, effort.training))?;
    let mut rows: Vec<Value> = vec![];
    let mut worst: f64 = 0.0;
    for (kind, label) in ["moment", "cumulant"].into_iter().enumerate() {
        say(global, &format!("{name}: {label}s, value(error); z of the model with the error of its data included"));
        for order in 0..4 {
            for part in 0..2 {
                let row = Row::new(&found.data[kind], &found.model[kind], found.exact[kind][order], order, part);
                let published = (quartic && kind == 1).then(|| PUBLISHED[order][part]);
                worst = worst.max(row.z.abs());
                say(global, &row.line(order, part, published));
                rows.push(row.json(label, order, part, published));
            }
        }
    }
    let passed = worst < LARGEST_Z;
    let parameters = json!({"experiment": name, "quick": quick, "seed": global.seed, "configurations": effort.configurations,
        "training_steps": effort.training, "samples": effort.samples});
    let mut record = Record::new("reproduce", parameters);
    record.set("rows", rows.into());
    record.set("seconds", json!({"total": start.elapsed().as_secs_f64()}));
    record.set("verdict", json!(if passed { "passed" } else { "failed" }));
    record.write(global)?;
    say(global, &format!("largest |z| {worst:.2}"));
    if passed { Ok(()) } else { Err(Failure::Check(format!("a moment is {worst:.2} standard errors off"))) }
}

/// Real or imaginary part of one order.
struct Row {
    data: (f64, f64),
    model: (f64, f64),
    exact: f64,
    z: f64,
}

impl Row {
    fn new(
        data: &ComplexMomentEstimates,
        model: &ComplexMomentEstimates,
        exact: Complex64,
        order: usize,
        part: usize,
    ) -> Self {
        let pick = |of: &ComplexMomentEstimates| {
            let estimate = if part == 0 { of.orders[order].re } else { of.orders[order].im };
            (estimate.value, estimate.error)
        };
        let (data, model) = (pick(data), pick(model));
        let exact = if part == 0 { exact.re } else { exact.im };
        Row { data, model, exact, z: (model.0 - exact) / data.1.hypot(model.1) }
    }

    fn line(&self, order: usize, part: usize, published: Option<(f64, f64)>) -> String {
        let published = published.map_or(String::new(), |(value, error)| {
            format!("   published {value:.4}({error:.4}) [{:+.1}]", (value - self.exact) / error)
        });
        format!(
            "n = {} {}  exact {:>10.5}  data {:>10.5}({:.5})  model {:>10.5}({:.5}) [{:+.2}]{published}",
            2 * order + 2,
            ["re", "im"][part],
            self.exact,
            self.data.0,
            self.data.1,
            self.model.0,
            self.model.1,
            self.z
        )
    }

    fn json(&self, label: &str, order: usize, part: usize, published: Option<(f64, f64)>) -> Value {
        let mut value = json!({"quantity": format!("{label}{}_{}", 2 * order + 2, ["re", "im"][part]), "exact": self.exact,
            "data": {"value": self.data.0, "error": self.data.1}, "model": {"value": self.model.0, "error": self.model.1},
            "z": self.z});
        if let Some((published, error)) = published {
            value["published"] = json!({"value": published, "error": error});
        }
        value
    }
}
