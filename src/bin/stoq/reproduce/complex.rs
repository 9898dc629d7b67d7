//! `stoq reproduce cl-gaussian` and `cl-quartic`: moments and cumulants of complex Langevin from a diffusion
//! model of P(x, y), beside the exact and the published ones.

use super::frame::Context;
use crate::common::Failure;
use serde_json::json;
use stoq::action::ComplexQuartic;
use stoq::analysis::cumulants::ComplexMomentEstimates;
use stoq::report::{Findings, Observable, Row, Table};
use stoq::reproduce::complex::{Effort, Found, run as run_campaign};

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
pub fn run(context: &Context, quartic: bool) -> Result<Findings, Failure> {
    let action = if quartic { ComplexQuartic::new(1.0, 1.0, 1.0)? } else { ComplexQuartic::gaussian(1.0, 1.0)? };
    let effort = context.either(
        Effort { configurations: 8192, training: 2000, samples: 65_536 },
        Effort { configurations: 131_072, training: 25_000, samples: 2_000_000 },
    );
    let name = if quartic { "Complex quartic model" } else { "Complex Gaussian model" };
    let found = run_campaign(action, effort, context.effort(), context.training(effort.training))?;
    let parameters = json!({"configurations": effort.configurations, "training_steps": effort.training,
                            "samples": effort.samples});
    let title = format!("{name}: moments and cumulants from a diffusion model of complex Langevin");
    let mut findings = Findings::new(title, parameters).limit(LARGEST_Z);
    findings.text(
        "Complex Langevin with S = (1 + i)/2 z^2 + lambda/4 z^4 (lambda = 0 and 1) fills the plane with a density P(x, y); a \
         diffusion model learns it from samples (Habibi, Aarts, Wang, Zhou, arXiv:2412.01919). No accept step exists: moments of z \
         are the check.",
    );
    findings.text("z of the model includes the error of the data that it was trained on.");
    if context.quick() {
        findings.text(
            "This run is a quick one: its network is trained for seconds, and its values are shown but not counted; the verdict \
             is about the data.",
        );
    }
    for kind in 0..2 {
        findings.table(table(&found, (kind, quartic), context.quick()));
    }
    super::complex_figures::add(&mut findings, &action, &found)?;
    Ok(findings)
}

/// Moments (0) or cumulants (1): a line each for real and imaginary parts of the data and of the model.
fn table(found: &Found, (kind, quartic): (usize, bool), quick: bool) -> Table {
    let label = ["moment", "cumulant"][kind];
    let mut table = Table::new(format!("{label}s"));
    for order in 0..4 {
        for part in 0..2 {
            let pick = |of: &ComplexMomentEstimates| {
                let estimate = if part == 0 { of.orders[order].re } else { of.orders[order].im };
                (estimate.value, estimate.error)
            };
            let (data, model) = (pick(&found.data[kind]), pick(&found.model[kind]));
            let exact = found.exact[kind][order];
            let exact = if part == 0 { exact.re } else { exact.im };
            let name = format!("{label}{}_{}", 2 * order + 2, ["re", "im"][part]);
            let mut data_row = Observable::new(name.clone(), data.0, data.1).exact(exact);
            data_row.counted = quick;
            let z = (model.0 - exact) / data.1.hypot(model.1);
            let mut model_row = Observable::new(name, model.0, model.1).exact(exact).with_z(z);
            model_row.counted = !quick;
            if quartic && kind == 1 {
                let (value, error) = PUBLISHED[order][part];
                model_row = model_row.published(value, error);
            }
            table = table.row(Row::new().label("sample", "complex Langevin").with(data_row));
            table = table.row(Row::new().label("sample", "diffusion model").with(model_row));
        }
    }
    table
}
