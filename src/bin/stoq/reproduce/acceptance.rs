//! `stoq reproduce phi4-acceptance-kappa`, `-volume` and `-training`: exact acceptance of path proposals.

use super::training;
use crate::common::{Failure, Global, Record, pair, say};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;
use stoq::Error;
use stoq::analysis::WeightEstimate;
use stoq::reproduce::acceptance::{Effort, LAMBDA, Look, PUBLISHED, Point, Scan, measure};

/// Runs the scans of one experiment; with `plots`, draws each into that folder.
pub fn run(
    global: &Global,
    quick: bool,
    experiment: &str,
    scans: &[Scan],
    plots: Option<&Path>,
) -> Result<(), Failure> {
    let start = Instant::now();
    if let Some(folder) = plots {
        // Now, not after the minutes.
        require_plots(folder)?;
        std::fs::create_dir_all(folder).map_err(|source| Error::io(folder, source))?;
    }
    let effort = Effort::new(quick, (global.seed, global.threads))?;
    let (low, high, evaluations) = PUBLISHED;
    say(
        global,
        &format!(
            "phi^4, lambda = {LAMBDA}: odd networks of channels {:?}, batch {}; exact weights of {} proposals a row\n\
             published: Wang, Aarts, Zhou, JHEP 05 (2024) 060, figs. 13 to 15: {low} to {high} with {evaluations} evaluations, not exact",
            effort.channels, effort.batch, effort.proposals
        ),
    );
    let mut rows: Vec<Value> = vec![];
    for &scan in scans {
        say(global, &format!("\n{}", title(scan)));
        say(
            global,
            "   L  kappa  configurations  steps     loss  training  levels      acceptance           ESS/n        Var(log w)  ms/proposal  published",
        );
        let first = rows.len();
        for point in scan.points(quick) {
            let steps = point.steps.last().copied().unwrap_or(0);
            match measure(&point, &effort, training(global, steps)) {
                Ok(looks) => looks.iter().for_each(|look| rows.push(show(global, scan, &point, look))),
                // A result, not a failure of the other points.
                Err(error) => {
                    say(global, &format!("{} {error}", place(&point)));
                    let mut row = parameters(scan, &point);
                    row["error"] = json!(error.to_string());
                    rows.push(row);
                }
            }
        }
        if let Some(folder) = plots {
            plot(&folder.join(format!("phi4-acceptance-{}.svg", name(scan))), scan, &rows[first..])?;
        }
    }
    let mut record = Record::new(
        "reproduce",
        json!({"experiment": experiment, "quick": quick, "seed": global.seed, "lambda": LAMBDA,
               "channels": effort.channels, "batch": effort.batch, "proposals": effort.proposals}),
    );
    record.set("rows", rows.into());
    record.set(
        "published",
        json!({"acceptance": [low, high], "score_evaluations": evaluations, "exact": false,
               "source": "JHEP 05 (2024) 060, figs. 13 to 15"}),
    );
    record.set("seconds", json!({"total": start.elapsed().as_secs_f64()}));
    Ok(record.write(global)?)
}

fn name(scan: Scan) -> &'static str {
    match scan {
        Scan::Kappa => "kappa",
        Scan::Volume => "volume",
        Scan::Configurations => "configurations",
        Scan::Steps => "steps",
    }
}

fn title(scan: Scan) -> &'static str {
    match scan {
        Scan::Kappa => "against the hopping parameter",
        Scan::Volume => "against the volume, at equal steps and batch",
        Scan::Configurations => "against the number of configurations that train, at equal steps",
        Scan::Steps => "against the length of the training: looks at one training, whose rate falls to zero at the end",
    }
}

fn place(point: &Point) -> String {
    format!("{:>4}  {:>5}  {:>14}", point.extent, point.kappa, point.configurations)
}

fn parameters(scan: Scan, point: &Point) -> Value {
    json!({"scan": name(scan), "extent": [point.extent, point.extent], "kappa": point.kappa,
           "configurations": point.configurations})
}

/// Prints a look, one line a number of levels, and returns its row of the record.
fn show(global: &Global, scan: Scan, point: &Point, look: &Look) -> Value {
    let shown = |estimate: &WeightEstimate| format!("{:.4}({:.4})", estimate.value, estimate.error);
    let (low, high, evaluations) = PUBLISHED;
    let mut cells: Vec<Value> = vec![];
    for paths in &look.paths {
        say(
            global,
            &format!(
                "{}  {:>5}  {:>7.4}  {:>6.0} s  {:>6}  {:>14}  {:>14}  {:>16}  {:>11.2}  {low}-{high} ({evaluations})",
                place(point),
                look.steps,
                look.loss,
                look.seconds,
                paths.levels,
                shown(&paths.acceptance),
                shown(&paths.effective_sample_size),
                shown(&paths.variance),
                1e3 * paths.seconds,
            ),
        );
        cells.push(json!({"levels": paths.levels, "acceptance": pair(&paths.acceptance),
            "effective_sample_size": pair(&paths.effective_sample_size), "var_log_w": pair(&paths.variance),
            "seconds_per_proposal": paths.seconds}));
    }
    let mut row = parameters(scan, point);
    row["steps"] = json!(look.steps);
    row["loss"] = json!(look.loss);
    row["training_seconds"] = json!(look.seconds);
    row["path"] = cells.into();
    row
}

/// Acceptance with errors over what the scan varies, one curve a number of levels, between the published bounds.
fn plot(path: &Path, scan: Scan, rows: &[Value]) -> stoq::Result<()> {
    use stoq::report::Plot;
    let (x, key) = match scan {
        Scan::Kappa => ("\u{3ba}", "kappa"),
        Scan::Volume => ("L", "extent"),
        Scan::Configurations => ("configurations that train", "configurations"),
        Scan::Steps => ("training steps", "steps"),
    };
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let at = |row: &Value| number(if scan == Scan::Volume { &row[key][0] } else { &row[key] });
    let mut plot = Plot::new("exact acceptance of path proposals; lines: published, not exact", x, "acceptance");
    if matches!(scan, Scan::Configurations | Scan::Steps) {
        plot = plot.log_x();
    }
    for (index, label) in ["fewest score evaluations", "more score evaluations"].into_iter().enumerate() {
        let measured = rows.iter().filter(|row| row["path"][index].is_object());
        let points: Vec<_> = measured
            .map(|row| {
                let acceptance = &row["path"][index]["acceptance"];
                (at(row), number(&acceptance["value"]), number(&acceptance["error"]))
            })
            .collect();
        if !points.is_empty() {
            plot = plot.points(label, points);
        }
    }
    plot.guide(PUBLISHED.0).guide(PUBLISHED.1).save(path)
}

fn require_plots(path: &Path) -> stoq::Result<()> {
    match cfg!(feature = "report") {
        true => Ok(()),
        false => {
            Err(Error::invalid("--plots", path.display(), "a program built with the feature `report`, which draws"))
        }
    }
}
