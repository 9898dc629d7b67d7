//! `stoq reproduce statistics-coverage` and `throughput`: whether quoted errors hold, and what a report costs.

use super::frame::Context;
use crate::common::Failure;
use serde_json::json;
use stoq::report::{Figure, Findings, Observable, Plot, Row, Table};
use stoq::reproduce::statistics::{TAUS, coverage, throughput};

/// Where the coverage of an error of one standard deviation must lie.
const COVERED: (f64, f64) = (0.60, 0.75);
/// Of a normal law.
const ONE_SIGMA: f64 = 0.682_689;
const METHODS: [&str; 2] = ["all values", "stream"];

/// Runs the coverage of the error of tau_int.
pub fn run_coverage(context: &Context) -> Result<Findings, Failure> {
    let (repeats, length, taus) = context.either((200, 1000, &TAUS[..5]), (500, 1000, &TAUS[..]));
    let parameters = json!({"repeats": repeats, "length_in_tau_int": length, "tau_int": taus});
    let mut findings = Findings::new("Coverage of the quoted error of tau_int on series of known tau_int", parameters);
    findings.text(
        "Series x(i+1) = a x(i) + noise, tau_int = (1 + a) / (2 (1 - a)), by the Gamma method of all values and of a stream in \
         bounded memory. Share of the repeats in which tau_int (the mean) is within one quoted error of the truth; 0.683 for a \
         normal law.",
    );
    let mut table = Table::wide(format!("{repeats} series of {length} tau_int each"));
    let mut curves = [vec![], vec![]];
    for &tau_int in taus {
        context.say(&format!("tau_int = {tau_int}"));
        let found = coverage(tau_int, repeats, length, context.effort())?;
        for (which, method) in METHODS.into_iter().enumerate() {
            let share = |p: f64| (p, (p * (1.0 - p) / f64::from(repeats)).sqrt());
            let (covered, mean) = (share(found.covered[which]), share(found.mean_covered[which]));
            let row = Row::new().label("tau_int", tau_int).label("method", method);
            let row = row.with(Observable::new("coverage", covered.0, covered.1).exact(ONE_SIGMA).uncounted());
            let row = row.with(Observable::new("coverage_of_mean", mean.0, mean.1).exact(ONE_SIGMA).uncounted());
            let row = row.with(Observable::plain("tau_int_over_truth", found.ratio[which]));
            table = table.row(row.with(Observable::plain("relative_error", found.quoted[which])));
            curves[which].push((tau_int * if which == 0 { 0.97 } else { 1.03 }, covered.0, covered.1));
            if !(COVERED.0..=COVERED.1).contains(&covered.0) || found.open[which] > 0 {
                findings.fail(format!(
                    "coverage {:.3} at tau_int = {tau_int}, {method}; expected {} to {}; {} windows open",
                    covered.0, COVERED.0, COVERED.1, found.open[which]
                ));
            }
        }
    }
    findings.table(table);
    let plot = Plot::new("", "tau_int", "coverage of the quoted error of tau_int").log_x().y_range(0.5, 0.85);
    let [all, stream] = curves;
    let plot = plot.points(METHODS[0], all).points(METHODS[1], stream).guide(ONE_SIGMA);
    let plot = plot.guide(COVERED.0).guide(COVERED.1);
    let caption = "Share of series whose tau_int is known to within its quoted error; lines at 0.60, 0.683 and 0.75.";
    findings.figure(Figure::new("coverage", caption).panel(plot));
    Ok(findings)
}

/// Runs the throughput of a report.
pub fn run_throughput(context: &Context) -> Result<Findings, Failure> {
    let (configurations, extent) = (context.either(10_000, 100_000), 32);
    let (_, threads) = context.effort();
    let parameters = json!({"extent": [extent, extent], "configurations": configurations, "threads": threads});
    let mut findings = Findings::new("Configurations through all cumulants and correlators of a report", parameters);
    findings.text(
        "Free-field configurations, 512 different ones again and again, made before the clock starts: magnetisations, cumulants \
         to order 8 with covariance, power at all momenta, time slices, masses, a histogram, all with errors; the report itself \
         is in the time.",
    );
    let found = throughput(&[extent, extent], (configurations, 512), context.effort())?;
    let row = Row::new().label("configurations", configurations).label("threads", threads);
    let row = row.with(Observable::plain("seconds", found.seconds));
    let row = row.with(Observable::plain("of_which_report", found.report_seconds));
    let mut row = row.with(Observable::plain("configurations_per_second", configurations as f64 / found.seconds));
    if let Some([early, late]) = found.peak_memory {
        row = row.with(Observable::plain("MiB_after_a_tenth", early as f64 / 1_048_576.0));
        row = row.with(Observable::plain("MiB_at_the_end", late as f64 / 1_048_576.0));
        if late > early + (4 << 20) {
            findings.fail(format!("memory grew from {early} to {late} bytes after the first tenth"));
        }
    }
    findings.table(Table::new(format!("{extent} x {extent}")).row(row));
    Ok(findings)
}
