//! `stoq reproduce kernels`: the table kernel x system, in z values, and the faults that each row caught.

use super::frame::Context;
use crate::common::{Failure, Global, Reporter};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use stoq::report::{Figure, Findings, Observable, Plot, Row as Line, Table};
use stoq::reproduce::kernels::{Cell, Fault, Row, faults, rows, run as run_cell};
use stoq::reproduce::systems::{System, systems};
use stoq::{Error, Result};

/// Levels of the paths; steps of training of the phi^4 networks.
const LEVELS: usize = 8;
const TRAINING: u64 = 400;
/// |z| that no comparison may reach, and that a fault must exceed in at least one system.
const LARGEST_Z: f64 = 3.5;
const SEEN: f64 = 7.0;

/// Runs the campaign.
pub fn run(context: &Context) -> std::result::Result<Findings, Failure> {
    let effort = context.either(2e5, 4e6);
    let systems = systems(TRAINING, context.global.threads)?;
    let rows = rows();
    let mut jobs: Vec<(&Row, &System, Fault)> = vec![];
    for row in &rows {
        jobs.extend(systems.iter().map(|system| (row, system, Fault::None)));
        for fault in faults(row) {
            jobs.extend(systems.iter().map(|system| (row, system, fault)));
        }
    }
    let cells = run_all(context.global, &jobs, effort)?;
    Ok(findings(&rows, &systems, &cells, effort))
}

/// Runs the jobs on all threads; the order of the result is that of the jobs.
fn run_all(global: &Global, jobs: &[(&Row, &System, Fault)], effort: f64) -> Result<Vec<Cell>> {
    let next = AtomicUsize::new(0);
    let cells: Mutex<Vec<Option<Result<Cell>>>> = Mutex::new(jobs.iter().map(|_| None).collect());
    let reporter = Mutex::new(Reporter::new(global, jobs.len() as u64));
    let lock = |error: &str| Error::Internal(format!("a thread of the campaign panicked: {error}"));
    std::thread::scope(|scope| {
        for _ in 0..global.threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&(row, system, fault)) = jobs.get(index) else { break };
                    // Most planted faults are seen with a tenth of the updates.
                    let subtle = matches!(fault, Fault::None | Fault::Stale);
                    let effort = if subtle { effort } else { 0.1 * effort };
                    let cell = run_cell(system, row, effort, LEVELS, global.seed + index as u64, fault);
                    if let (Ok(mut cells), Ok(mut reporter)) = (cells.lock(), reporter.lock()) {
                        cells[index] = Some(cell);
                        reporter.update(index as u64 + 1, row.name);
                    }
                }
            });
        }
    });
    let cells = cells.into_inner().map_err(|error| lock(&error.to_string()))?;
    cells.into_iter().map(|cell| cell.unwrap_or_else(|| Err(lock("a cell is missing")))).collect()
}

fn findings(rows: &[Row], systems: &[System], cells: &[Cell], effort: f64) -> Findings {
    let parameters = json!({"local_sweeps_per_cell": effort, "levels": LEVELS, "training_steps": TRAINING});
    let mut findings = Findings::new("Every exact kernel on every system with exact averages", parameters);
    let largest = |table: Table, name: &str, fault: Fault, labels: Line| {
        let of = |system: &System| {
            cells.iter().find(|cell| cell.kernel == name && cell.fault == fault && cell.system == system.name)
        };
        let found = systems.iter().filter_map(of);
        table.row(found.fold(labels, |line, cell| line.with(Observable::plain(cell.system.clone(), cell.largest_z()))))
    };
    let mut correct = Table::wide("Largest |z| of all observables, a column a system");
    let mut faulty = Table::wide("The same with planted faults: every row must see each of its faults");
    for row in rows {
        correct = largest(correct, row.name, Fault::None, Line::new().label("kernel", row.name));
        for fault in faults(row) {
            let labels = Line::new().label("kernel", row.name).label("fault", format!("{fault:?}"));
            faulty = largest(faulty, row.name, fault, labels);
            let mut seen = cells.iter().filter(|cell| cell.kernel == row.name && cell.fault == fault);
            if !seen.any(|cell| cell.largest_z() > SEEN) {
                findings.fail(format!("the fault {fault:?} of {} went unnoticed", row.name));
            }
        }
    }
    let correct_cells = || cells.iter().filter(|cell| cell.fault == Fault::None);
    let z: Vec<f64> = correct_cells().flat_map(|cell| cell.comparisons.iter().map(|comparison| comparison.z)).collect();
    let beyond = |limit: f64| z.iter().filter(|&&z| !(z.abs() <= limit)).count();
    let expected = |limit: f64| z.len() as f64 * libm::erfc(limit / 2f64.sqrt());
    let most = z.iter().fold(0.0, |largest: f64, &z| largest.max(z.abs()));
    if beyond(LARGEST_Z) > 0 {
        findings.fail(format!("{} of {} comparisons beyond {LARGEST_Z} standard errors", beyond(LARGEST_Z), z.len()));
    }
    findings.text(format!(
        "{} comparisons; beyond 2: {} (expected {:.1}), beyond 3: {} (expected {:.1}); largest {most:.2}",
        z.len(),
        beyond(2.0),
        expected(2.0),
        beyond(3.0),
        expected(3.0)
    ));
    let acceptance = Table::wide("Acceptance of the last kernel of the row");
    let acceptance = rows.iter().fold(acceptance, |table, row| {
        let cells = correct_cells().filter(|cell| cell.kernel == row.name);
        let line = Line::new().label("kernel", row.name);
        table.row(cells.fold(line, |line, cell| line.with(Observable::plain(cell.system.clone(), cell.acceptance))))
    });
    findings.table(correct).table(acceptance).figure(pulls(&z)).table(faulty);
    findings.members.insert("cells".into(), cells.iter().map(cell_json).collect());
    let count = json!({"count": z.len(), "beyond_2": beyond(2.0), "beyond_3": beyond(3.0), "largest": most});
    findings.members.insert("comparisons".into(), count);
    findings
}

/// The law of z beside the normal law.
fn pulls(z: &[f64]) -> Figure {
    const BARS: usize = 28;
    const REACH: f64 = 3.5;
    let width = 2.0 * REACH / BARS as f64;
    let mut counts = [0.0; BARS];
    for z in z.iter().filter(|z| z.abs() < REACH) {
        counts[(((z + REACH) / width) as usize).min(BARS - 1)] += 1.0;
    }
    let centre = |bar: usize| -REACH + width * (bar as f64 + 0.5);
    let scale = 1.0 / (z.len().max(1) as f64 * width);
    let bars = counts.iter().enumerate().map(|(bar, &n): (usize, &f64)| (centre(bar), n * scale, n.sqrt() * scale));
    let normal = (0..=140).map(|i| -REACH + 0.05 * f64::from(i));
    let normal = normal.map(|z| (z, (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt()));
    let plot = Plot::new("z of all comparisons without a fault", "z = (found \u{2212} exact) / error", "density");
    Figure::new(
        "kernels-z",
        "Errors that are right give the standard normal law. Comparisons of a cell are correlated.",
    )
    .panel(plot.bars("found", bars.collect()).line("normal law", normal))
}

fn cell_json(cell: &Cell) -> Value {
    let observables: serde_json::Map<String, Value> = cell
        .comparisons
        .iter()
        .map(|comparison| {
            let estimate = &comparison.estimate;
            let value = json!({"value": estimate.value, "error": estimate.error, "tau_int": estimate.tau_int,
                               "exact": comparison.exact, "z": comparison.z});
            (comparison.name.to_string(), value)
        })
        .collect();
    json!({"kernel": cell.kernel, "system": cell.system, "fault": format!("{:?}", cell.fault), "updates": cell.updates,
           "acceptance": cell.acceptance, "observables": observables, "seconds": cell.seconds})
}
