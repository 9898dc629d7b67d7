//! The lines of a report, as numbers, JSON and text.

use super::report::ReportStream;
use crate::analysis::autocorrelation::Estimate;
use crate::analysis::cumulants::{MAX_ORDER, Symmetry};
use crate::analysis::jackknife::JackknifeEstimate;
use crate::analysis::two_point::{effective_mass, second_moment_length};
use crate::error::{Error, Result};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A jackknife bin is at least this many tau_int of the slowest observable long, as far as [`FEWEST_BINS`] allow.
const BIN_LENGTH: f64 = 10.0;
/// Fewest jackknife bins: errors are then known to 27 per cent.
const FEWEST_BINS: usize = 8;

/// One observable of a report. What does not apply is None.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReportRow {
    /// Name.
    pub name: String,
    /// What the observable is a function of: p hat^2 of a power, t of a time slice or a mass, the centre of a cell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argument: Option<f64>,
    /// The estimate.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
    /// Standard error of `error`.
    pub error_of_error: f64,
    /// Integrated autocorrelation time in configurations, with its error: by the Gamma method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tau_int: Option<f64>,
    /// Its standard error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tau_int_error: Option<f64>,
    /// Last lag that was summed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
    /// Whether the window closed. If not, chains are too short, and `error` and `tau_int` are lower bounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_closed: Option<bool>,
    /// Of a jackknife: correlation of neighbouring bins. Clearly above 0: `error` is too small by about
    /// sqrt(1 + 2 bin_correlation).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bin_correlation: Option<f64>,
    /// What it should be, if that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exact: Option<f64>,
    /// (value - exact) / error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub z: Option<f64>,
}

impl ReportRow {
    fn of(name: String, estimate: Estimate) -> Self {
        ReportRow {
            name,
            argument: None,
            value: estimate.value,
            error: estimate.error,
            error_of_error: estimate.error_of_error,
            tau_int: Some(estimate.tau_int),
            tau_int_error: Some(estimate.tau_int_error),
            window: Some(estimate.window),
            window_closed: Some(estimate.window_closed),
            bin_correlation: None,
            exact: None,
            z: None,
        }
    }

    fn jackknifed(name: String, argument: Option<f64>, estimate: &JackknifeEstimate) -> Self {
        ReportRow {
            name,
            argument,
            value: estimate.value,
            error: estimate.error,
            error_of_error: estimate.error_of_error,
            tau_int: None,
            tau_int_error: None,
            window: None,
            window_closed: None,
            bin_correlation: Some(estimate.bin_correlation),
            exact: None,
            z: None,
        }
    }
}

impl ReportStream {
    /// All names that a row may have.
    pub(super) fn names(&self) -> Vec<String> {
        let columns = &self.columns;
        let mut names: Vec<String> = columns.plain().into_iter().map(|(name, _)| name).collect();
        if columns.links {
            names.push("chi_Q".into());
        } else {
            for component in 0..columns.lattice.components() {
                names.extend(["chi2", "chi_connected", "binder"].map(|name| columns.name(name, component)));
                names.extend(self.orders().into_iter().map(|order| columns.name(&cumulant(order), component)));
            }
            names.extend(columns.smallest.map(|_| "xi".to_string()));
            names.extend((0..columns.classes.len()).map(|class| format!("G_{class}")));
            names.extend((0..columns.slices).map(|t| format!("C_{t}")));
            names.extend((1..columns.slices.saturating_sub(1)).map(|t| format!("m_eff_{t}")));
        }
        names.extend((0..columns.cells()).map(|cell| format!("histogram_{cell}")));
        names
    }

    fn orders(&self) -> Vec<usize> {
        (1..=MAX_ORDER).filter(|order| self.symmetry == Symmetry::None || order % 2 == 0).collect()
    }

    /// Bins that the slowest observable leaves.
    fn most_bins(&self, slowest: f64) -> usize {
        ((self.configurations() as f64 / (BIN_LENGTH * slowest)) as usize).max(FEWEST_BINS)
    }
}

fn cumulant(order: usize) -> String {
    if order == 1 { "phi".into() } else { format!("kappa{order}") }
}

/// All rows, the Gamma method first.
pub(super) fn rows(report: &ReportStream) -> Result<Vec<ReportRow>> {
    let columns = &report.columns;
    let plain = columns.plain();
    let estimates = report.scalars.estimates(plain.iter().map(|(_, column)| *column))?;
    let mut rows: Vec<ReportRow> =
        plain.into_iter().zip(&estimates).map(|((name, _), &estimate)| ReportRow::of(name, estimate)).collect();
    if columns.links {
        let charge_squared = report.scalars.estimate(columns.sides.len() + 1)?;
        let volume = columns.lattice.sites() as f64;
        rows.push(ReportRow::of("chi_Q".into(), charge_squared.scaled(1.0 / volume)));
    } else {
        rows.extend(derived(report)?);
    }
    let slowest = estimates.iter().map(|estimate| estimate.tau_int).fold(0.5, f64::max);
    rows.extend(binned(report, report.most_bins(slowest)));
    for row in &mut rows {
        row.exact = report.exact.get(&row.name).copied();
        row.z = row.exact.map(|exact| match row.value - exact {
            0.0 => 0.0,
            difference => difference / row.error,
        });
    }
    Ok(rows)
}

/// Functions of several means of a scalar field, as far as they exist.
fn derived(report: &ReportStream) -> Result<Vec<ReportRow>> {
    let (columns, scalars) = (&report.columns, &report.scalars);
    let volume = columns.lattice.sites() as f64;
    let mut rows = vec![];
    for component in 0..columns.lattice.components() {
        let first = columns.magnetisation(component);
        let (absolute, square, fourth) = (first + 1, first + 2, first + 3);
        let name = |name: &str| columns.name(name, component);
        rows.push(ReportRow::of(name("chi2"), scalars.estimate(square)?.scaled(volume)));
        let connected = scalars.derived(&[absolute, square], &|m| volume * (m[1] - m[0] * m[0]))?;
        rows.push(ReportRow::of(name("chi_connected"), connected));
        // 0/0 where the magnetisation vanishes in every configuration.
        let binder = scalars.derived(&[square, fourth], &|m| 1.0 - m[1] / (3.0 * m[0] * m[0]));
        rows.extend(binder.ok().map(|binder| ReportRow::of(name("binder"), binder)));
    }
    if let Some((_, hat)) = columns.smallest {
        let members = [columns.magnetisation(0) + 2, columns.smallest_power()];
        let xi = scalars.derived(&members, &|m| second_moment_length(volume * m[0], m[1], hat));
        rows.extend(xi.ok().map(|xi| ReportRow::of("xi".into(), xi)));
    }
    Ok(rows)
}

/// What bins hold, in at most `most` of them.
fn binned(report: &ReportStream, most: usize) -> Vec<ReportRow> {
    let columns = &report.columns;
    let mut rows = vec![];
    for (component, cumulants) in report.cumulants.iter().enumerate() {
        // Too few values for the eighth order, or a single bin.
        let Ok(found) = cumulants.joined(most).estimate(report.symmetry) else { continue };
        rows.extend(report.orders().into_iter().map(|order| {
            ReportRow::jackknifed(columns.name(&cumulant(order), component), None, &found.cumulants[order - 1])
        }));
    }
    let bins = report.vectors.joined(most);
    let Ok(means) = bins.estimate(&|means| means.to_vec()) else { return rows };
    let (powers, rest) = means.split_at(columns.classes.len());
    let (slices, cells) = rest.split_at(columns.slices);
    let momenta = columns.classes.iter().map(|class| class.momentum_squared);
    rows.extend(
        momenta
            .zip(powers)
            .enumerate()
            .map(|(index, (momentum, estimate))| ReportRow::jackknifed(format!("G_{index}"), Some(momentum), estimate)),
    );
    let times = slices.iter().enumerate();
    rows.extend(times.map(|(t, estimate)| ReportRow::jackknifed(format!("C_{t}"), Some(t as f64), estimate)));
    for t in 1..columns.slices.saturating_sub(1) {
        let first = columns.classes.len();
        let mass = bins.estimate(&|means| vec![effective_mass(&means[first..first + columns.slices], t)]);
        let mass = mass.ok().filter(|mass| mass[0].error.is_finite());
        rows.extend(mass.map(|mass| ReportRow::jackknifed(format!("m_eff_{t}"), Some(t as f64), &mass[0])));
    }
    if let Some((low, high, count)) = columns.histogram {
        let width = (high - low) / count as f64;
        let centre = |cell: usize| match cell {
            0 => f64::NEG_INFINITY,
            cell if cell > count => f64::INFINITY,
            cell => low + (cell as f64 - 0.5) * width,
        };
        rows.extend(cells.iter().enumerate().map(|(cell, estimate)| {
            let argument = Some(centre(cell)).filter(|centre| centre.is_finite());
            ReportRow::jackknifed(format!("histogram_{cell}"), argument, estimate)
        }));
    }
    rows
}

/// `{"configurations", "chains", "extent", "components", "observables": {name: row}}`.
pub(super) fn json(report: &ReportStream) -> Result<Value> {
    let rows = rows(report)?;
    let bins = rows.iter().find(|row| row.bin_correlation.is_some());
    let mut observables = Map::new();
    for row in &rows {
        let value = serde_json::to_value(row).map_err(|error| Error::Internal(format!("report to JSON: {error}")))?;
        if let Value::Object(mut value) = value {
            value.remove("name");
            observables.insert(row.name.clone(), Value::Object(value));
        }
    }
    let mut found = json!({
        "configurations": report.configurations(),
        "chains": report.chains(),
        "extent": report.columns.lattice.extents(),
        "components": report.columns.lattice.components(),
        "observables": observables,
    });
    if let Some((low, high, cells)) = report.columns.histogram {
        let of = if report.columns.links { "Q" } else { "mag" };
        found["histogram"] = json!({"of": of, "low": low, "high": high, "cells": cells});
    }
    if bins.is_some() {
        found["jackknife"] = json!("bins of at least 10 tau_int of the slowest observable, at least 8 bins");
    }
    Ok(found)
}

/// A table, long functions left to the JSON.
pub(super) fn text(report: &ReportStream) -> Result<String> {
    let rows = rows(report)?;
    let (configurations, chains) = (report.configurations(), report.chains());
    let mut text = format!("{configurations} configurations in {chains} chain{}\n", if chains == 1 { "" } else { "s" });
    text +=
        "observable                        value        error    tau_int      error   window        exact       z\n";
    for row in rows.iter().filter(|row| row.argument.is_none() && !row.name.starts_with("histogram_")) {
        text += &format!("{:<22} {:>16.8} {:>12.2e}", row.name, row.value, row.error);
        text += &match (row.tau_int, row.tau_int_error, row.window) {
            (Some(tau), Some(error), Some(window)) => format!(" {tau:>10.3} {error:>10.3} {window:>8}"),
            _ => format!("{:>31}", ""),
        };
        if let (Some(exact), Some(z)) = (row.exact, row.z) {
            text += &format!(" {exact:>12.6} {z:>7.2}");
        }
        if row.window_closed == Some(false) {
            text += "  chain too short";
        }
        text.push('\n');
    }
    Ok(text)
}
