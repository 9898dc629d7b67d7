//! `stoq reproduce u1-volume`, `u1-coupling` and `u1-histograms`: the published tables of U(1) gauge theory, generator and
//! exact chains.

use super::frame::Context;
use crate::common::Failure;
use serde_json::json;
use std::path::Path;
use stoq::Result;
use stoq::analysis::{Estimate, SeriesHistogram, U1Exact};
use stoq::model::Model;
use stoq::report::{Figure, Findings, Observable, Plot, Row, Table as Rows};
use stoq::reproduce::u1_chains::Effort as Ladder;
use stoq::reproduce::u1_tables::{Effort, PUBLISHED_EVALUATIONS, Point, TRAINED_AT, couplings, volumes};

/// Largest |z| of the exact chains: of at most 54 comparisons, a false alarm in 0.4 per cent.
const LARGEST_Z: f64 = 4.0;

/// Bars of a histogram of the plaquette.
const BARS: usize = 24;

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    Volume,
    Coupling,
    Histograms,
}

/// Runs the campaign; networks of `u1-chains` in the folder of --models are not trained again.
pub fn run(context: &Context, table: Table) -> std::result::Result<Findings, Failure> {
    let (seed, threads) = context.effort();
    let mut effort = Effort::new(context.quick(), seed, threads);
    if let Some(folder) = &context.options.models {
        effort.ladder.known = known(&effort.ladder, folder)?;
    }
    let mut tell = |text: &str| context.say(text);
    let mut done = |point: &Point| {
        let (generated, chain) = (&point.generated, &point.chain);
        context.say(&format!(
            "L = {}, beta = {}: {} configurations of the generator, {:.3} s each; {} updates of the exact chain, {:.2} ms each",
            point.extent, point.beta, generated.configurations, generated.seconds, chain.updates, 1e3 * chain.seconds
        ));
    };
    let points = match table {
        Table::Volume => volumes(&effort, &mut tell, &mut done)?,
        Table::Coupling | Table::Histograms => couplings(&effort, &mut tell, &mut done)?,
    };
    let title = match table {
        Table::Volume => "U(1): one network at every volume, generator and exact chains",
        Table::Coupling => "U(1): one network at every coupling, generator and exact chains",
        Table::Histograms => "U(1): histograms of charge and plaquette, generator and exact chains",
    };
    let recipe = effort.recipe;
    let parameters = json!({"trained_at": TRAINED_AT, "trained_on": effort.ladder.extent, "levels": recipe.levels,
        "corrections": recipe.corrections, "tail": recipe.tail, "published_evaluations": PUBLISHED_EVALUATIONS});
    let mut findings = Findings::new(title, parameters).limit(LARGEST_Z);
    findings.text(describe(&effort));
    if table != Table::Histograms {
        findings.table(cost(&points));
        points.iter().for_each(|point| {
            findings.table(comparison(point));
        });
    }
    if table == Table::Coupling {
        findings.table(reweighting(&points));
    }
    for point in &points {
        if table == Table::Histograms {
            findings.table(sectors(point)?);
        }
        findings.figure(histograms(point)?);
    }
    Ok(findings)
}

/// The networks of the ladder that `folder` holds.
pub fn known(ladder: &Ladder, folder: &Path) -> Result<Vec<(f64, Model)>> {
    let extent = ladder.extent;
    let path = |beta: &f64| folder.join(format!("u1_{extent}x{extent}_beta{beta}.onnx"));
    let existing = ladder.betas.iter().filter(|beta| path(beta).exists());
    existing.map(|beta| Ok((*beta, Model::load(path(beta))?))).collect()
}

fn describe(effort: &Effort) -> String {
    let recipe = effort.recipe;
    format!(
        "One network, trained at beta = {TRAINED_AT} on {0} x {0}, by the recipe of arXiv:2502.05504: {1} levels of {2} Langevin steps at \
         beta / {TRAINED_AT} times its score, then {3} Metropolis-adjusted steps with the true action at the smallest noise, the accepted state \
         kept: {4} network evaluations a configuration, where the publication takes {PUBLISHED_EVALUATIONS}. The generator is not exact and the \
         verdict does not count it: its charge freezes on the way down (the publication too reports chi_Q off beyond beta = 5, and gives \
         standard deviations of the ensemble in brackets, which are another quantity than these errors of the mean). The exact chain is \
         HMC + renoise with the network of each coupling ({5} of {6} from files).",
        effort.ladder.extent,
        recipe.levels,
        recipe.corrections,
        recipe.tail,
        recipe.evaluations(),
        effort.ladder.known.len(),
        effort.ladder.betas.len(),
    )
}

fn place(point: &Point, method: &str) -> Row {
    Row::new().label("L", point.extent).label("beta", point.beta).label("method", method)
}

fn comparison(point: &Point) -> Rows {
    let exact = &point.exact;
    let fill = |row: Row, found: Vec<(&'static str, Estimate, f64, f64)>, counted: bool| {
        let found = found.into_iter().map(|(name, estimate, exact, z)| {
            let observable = Observable::new(name, estimate.value, estimate.error).exact(exact).with_z(z);
            if counted { observable.with_tau_int(estimate.tau_int) } else { observable.uncounted() }
        });
        found.fold(row, Row::with)
    };
    let generated = fill(place(point, "generator only"), point.generated.comparisons(exact), false);
    let chain = fill(place(point, "exact chain"), point.chain.comparisons(exact), true);
    Rows::new(format!("L = {}, beta = {}", point.extent, point.beta)).row(generated).row(chain)
}

fn cost(points: &[Point]) -> Rows {
    points.iter().fold(Rows::wide("Cost"), |table, point| {
        let (generated, chain) = (&point.generated, &point.chain);
        let values = [
            ("configurations", generated.configurations as f64),
            ("s_per_configuration", generated.seconds),
            ("tail_acceptance", generated.acceptance),
            ("chain_updates", chain.updates as f64),
            ("ms_per_update", 1e3 * chain.seconds),
            ("renoise_acceptance", chain.acceptance.value),
            ("tau_int_Q", chain.summary.charge.tau_int),
        ];
        let row = Row::new().label("L", point.extent).label("beta", point.beta);
        table.row(values.into_iter().fold(row, |row, (name, value)| row.with(Observable::plain(name, value))))
    })
}

fn reweighting(points: &[Point]) -> Rows {
    let title = "Reweighting: expected effective sample size of configurations of another coupling, as a fraction";
    let rows = points.iter().flat_map(|point| point.reweighting.iter().map(move |from| (point, from)));
    rows.fold(Rows::wide(title), |table, (point, (from, efficiency))| {
        let row = Row::new().label("from", *from).label("to", point.beta);
        table.row(row.with(Observable::plain("expected_ess", *efficiency)))
    })
}

/// P(Q) for -most to most of a chain of `charges`, with the errors that its autocorrelation leaves.
fn shares(charges: &[f64], most: i64) -> Result<Vec<(i64, Estimate)>> {
    let edges: Vec<f64> = (-most..=most + 1).map(|charge| charge as f64 - 0.5).collect();
    Ok((-most..=most).zip(SeriesHistogram::new(&[charges], &edges)?.densities()).collect())
}

fn largest_charge(exact: &U1Exact) -> i64 {
    (4.0 * exact.charge_squared().sqrt()).ceil().min(24.0) as i64
}

fn sectors(point: &Point) -> Result<Rows> {
    let most = largest_charge(&point.exact).min(6);
    let mut table = Rows::new(format!("P(Q), L = {}, beta = {}", point.extent, point.beta));
    for (method, charges) in [("generator only", &point.generated.charges), ("exact chain", &point.chain.charges)] {
        let row = shares(charges, most)?.into_iter().fold(place(point, method), |row, (charge, share)| {
            let exact = point.exact.charge_probability(charge);
            let name = format!("P_Q{charge:+}");
            row.with(Observable::new(name, share.value, share.error).exact(exact).uncounted())
        });
        table = table.row(row);
    }
    Ok(table)
}

fn histograms(point: &Point) -> Result<Figure> {
    let Point { generated, chain, exact, .. } = point;
    let most = largest_charge(exact);
    let bars = |charges: &[f64], shift: f64| -> Result<Vec<(f64, f64, f64)>> {
        let shares = shares(charges, most)?.into_iter();
        Ok(shares.map(|(charge, share)| (charge as f64 + shift, share.value, share.error)).collect())
    };
    let closed = (-most..=most).map(|charge| (charge as f64, exact.charge_probability(charge), 0.0)).collect();
    let at = format!("L = {}, beta = {}", point.extent, point.beta);
    let charge = Plot::new(at.clone(), "Q", "P(Q)")
        .bars("closed form", closed)
        .points("generator only", bars(&generated.charges, -0.12)?)
        .points("exact chain", bars(&chain.charges, 0.12)?);
    let (mean, deviation) = (exact.plaquette(), exact.plaquette_variance().sqrt());
    let (low, high) = (mean - 4.0 * deviation, mean + 4.0 * deviation);
    let width = (high - low) / BARS as f64;
    let edges: Vec<f64> = (0..=BARS).map(|edge| low + edge as f64 * width).collect();
    let density = |values: &[f64], shift: f64| -> Result<Vec<(f64, f64, f64)>> {
        let found = SeriesHistogram::new(&[values], &edges)?.densities();
        let bars = found.iter().zip(&edges);
        Ok(bars.map(|(bar, edge)| (edge + (0.5 + shift) * width, bar.value, bar.error)).collect())
    };
    let normal = (0..=100).map(|i| {
        let x = low + (high - low) * f64::from(i) / 100.0;
        (x, (-0.5 * ((x - mean) / deviation).powi(2)).exp() / (deviation * std::f64::consts::TAU.sqrt()))
    });
    let plaquette = Plot::new(at, "plaquette of a configuration", "density")
        .line("normal law of the closed moments", normal)
        .points("generator only", density(&generated.plaquettes, -0.1)?)
        .points("exact chain", density(&chain.plaquettes, 0.1)?);
    let name = format!("u1-L{}-beta{}", point.extent, point.beta);
    let caption = "Topological charge and plaquette; errors with the autocorrelation of the chain.";
    Ok(Figure::new(name, caption).panel(charge).panel(plaquette))
}
