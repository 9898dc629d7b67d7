//! `stoq reproduce kernels`: the table kernel x system, in z values, and the faults that each row caught.

use crate::common::{Failure, Global, Record, Reporter, say};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
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
pub fn run(global: &Global, quick: bool) -> std::result::Result<(), Failure> {
    let start = Instant::now();
    let effort = if quick { 2e5 } else { 4e6 };
    let systems = systems(TRAINING, global.threads)?;
    let rows = rows();
    let mut jobs: Vec<(&Row, &System, Fault)> = vec![];
    for row in &rows {
        jobs.extend(systems.iter().map(|system| (row, system, Fault::None)));
        for fault in faults(row) {
            jobs.extend(systems.iter().map(|system| (row, system, fault)));
        }
    }
    let cells = run_all(global, &jobs, effort)?;
    report(global, quick, &rows, &systems, &cells, start)
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

fn report(
    global: &Global,
    quick: bool,
    rows: &[Row],
    systems: &[System],
    cells: &[Cell],
    start: Instant,
) -> std::result::Result<(), Failure> {
    let names: Vec<&str> = systems.iter().map(|system| system.name.as_str()).collect();
    say(global, &format!("largest |z| of a cell (acceptance of the last kernel)\n{:<26} {}", "", header(&names)));
    for row in rows {
        let correct = cells.iter().filter(|cell| cell.kernel == row.name && cell.fault == Fault::None);
        let columns: Vec<String> = correct
            .map(|cell| format!("{:>18}", format!("{:.2} ({:.2})", cell.largest_z(), cell.acceptance)))
            .collect();
        say(global, &format!("{:<26} {}", row.name, columns.join(" ")));
    }
    say(global, &format!("\nplanted faults: largest |z|\n{:<37} {}", "", header(&names)));
    let mut unseen = vec![];
    for row in rows {
        for fault in faults(row) {
            let faulty: Vec<&Cell> =
                cells.iter().filter(|cell| cell.kernel == row.name && cell.fault == fault).collect();
            let columns: Vec<String> = faulty.iter().map(|cell| format!("{:>18.1}", cell.largest_z())).collect();
            say(global, &format!("{:<26} {:<10} {}", row.name, format!("{fault:?}"), columns.join(" ")));
            if !faulty.iter().any(|cell| cell.largest_z() > SEEN) {
                unseen.push(format!("{} {fault:?}", row.name));
            }
        }
    }
    let z: Vec<f64> = cells
        .iter()
        .filter(|cell| cell.fault == Fault::None)
        .flat_map(|cell| cell.comparisons.iter().map(|comparison| comparison.z.abs()))
        .collect();
    let beyond = |limit: f64| z.iter().filter(|&&z| !(z <= limit)).count();
    let expected = |limit: f64| z.len() as f64 * libm::erfc(limit / 2f64.sqrt());
    let largest = z.iter().fold(0.0, |largest: f64, &z| largest.max(z));
    say(
        global,
        &format!(
            "\n{} comparisons; beyond 2: {} (expected {:.1}), beyond 3: {} (expected {:.1}); largest {largest:.2}",
            z.len(),
            beyond(2.0),
            expected(2.0),
            beyond(3.0),
            expected(3.0)
        ),
    );
    let mut record = Record::new("reproduce", json!({"experiment": "kernels", "quick": quick, "seed": global.seed}));
    record.set("cells", cells.iter().map(cell_json).collect());
    record.set(
        "comparisons",
        json!({"count": z.len(), "beyond_2": beyond(2.0), "beyond_3": beyond(3.0), "largest": largest}),
    );
    record.set("seconds", json!({"total": start.elapsed().as_secs_f64()}));
    let failed = beyond(LARGEST_Z) > 0 || !unseen.is_empty();
    record.set("verdict", json!(if failed { "failed" } else { "passed" }));
    record.write(global)?;
    match failed {
        true => Err(Failure::Check(format!(
            "{} comparisons beyond {LARGEST_Z}; faults that went unnoticed: {unseen:?}",
            beyond(LARGEST_Z)
        ))),
        false => Ok(()),
    }
}

fn header(names: &[&str]) -> String {
    names.iter().map(|name| format!("{name:>18}")).collect::<Vec<_>>().join(" ")
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
