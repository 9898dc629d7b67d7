//! Pictures of complex Langevin and of what a diffusion model learned of it: density, drift and score in the plane.

use super::figures::{density, density_cells};
use std::sync::Arc;
use stoq::Result;
use stoq::action::{Complex64, ComplexQuartic};
use stoq::report::{Figure, Findings, Observable, Plane, Plot, Row, Table};
use stoq::reproduce::complex::Found;
use stoq::reproduce::one_variable::score_field;
use stoq::reproduce::sites;
use stoq::score::Score;

/// Cells of a density, and arrows of a field, along x and y.
const CELLS: (usize, usize) = (60, 60);
const ARROWS: (usize, usize) = (17, 13);
/// Noises, relative to the width of x, at which the score is drawn.
const NOISES: [f64; 3] = [0.1, 0.5, 2.0];

/// Adds all of them.
pub fn add(findings: &mut Findings, action: &ComplexQuartic, found: &Found) -> Result<()> {
    let name = if action.lambda() > 0.0 { "cl-quartic" } else { "cl-gaussian" };
    let reach = reach(&found.pictures[0]);
    findings.heading("The density P(x, y), the drift, and the learned score");
    findings.figure(densities(name, found, reach)).figure(marginals(name, action, found, reach));
    findings.figure(fields(name, action, found, reach)?);
    if let Some(covariance) = action.gaussian_covariance() {
        findings.table(gaussian_errors(found, covariance)?);
    }
    Ok(())
}

/// Half the sides of the plane that is shown: beyond what all but few of the data do.
fn reach(places: &[(f64, f64)]) -> (f64, f64) {
    let far = |values: Vec<f64>| {
        let mut values = values;
        values.sort_by(f64::total_cmp);
        let most = values.get(values.len() * 999 / 1000).copied().unwrap_or(1.0);
        1.15 * most
    };
    (far(places.iter().map(|place| place.0.abs()).collect()), far(places.iter().map(|place| place.1.abs()).collect()))
}

fn empty(title: &str, (x, y): (f64, f64)) -> Plane {
    Plane::new(title, ("x = Re z", -x, x), ("y = Im z", -y, y))
}

fn densities(name: &str, found: &Found, reach: (f64, f64)) -> Figure {
    let panel = |title: &str, places: &[(f64, f64)]| {
        let plane = empty(title, reach);
        let cells = density_cells(places, &plane, CELLS.0, CELLS.1);
        plane.cells("P(x, y)", CELLS.0, cells, false)
    };
    let caption = "Density of complex Langevin (the data of the training) and of samples of the diffusion model.";
    let figure = Figure::new(format!("{name}-density"), caption);
    figure.panel(panel("Complex Langevin", &found.pictures[0])).panel(panel("Diffusion model", &found.pictures[1]))
}

fn marginals(name: &str, action: &ComplexQuartic, found: &Found, reach: (f64, f64)) -> Figure {
    let covariance = action.gaussian_covariance();
    let exact = ["exact", "exact"].map(|label| label.to_string());
    let plot = |axis: usize, label: &str, reach: f64| {
        let of = |places: &[(f64, f64)]| {
            let pick = |place: &(f64, f64)| if axis == 0 { place.0 } else { place.1 };
            density(places.iter().map(pick), (-reach, reach), 50)
        };
        let plot = Plot::new("", label, format!("P({label})"));
        let plot = plot.bars("diffusion model", of(&found.pictures[1])).coloured(1);
        let plot = plot.points("complex Langevin", of(&found.pictures[0])).coloured(2);
        match covariance {
            None => plot,
            Some(covariance) => {
                let variance = covariance[axis];
                let at = (0..=200).map(|i| reach * (f64::from(i) / 100.0 - 1.0));
                let norm = (std::f64::consts::TAU * variance).sqrt();
                plot.line(exact[axis].clone(), at.map(|x| (x, (-0.5 * x * x / variance).exp() / norm))).coloured(0)
            }
        }
    };
    let caption = "Densities of the real and of the imaginary part, with the errors of the counts. Samples of complex Langevin are \
                   correlated: their errors are somewhat larger than shown.";
    let figure = Figure::new(format!("{name}-marginals"), caption);
    figure.panel(plot(0, "x", reach.0)).panel(plot(1, "y", reach.1))
}

/// The drift of the process, and the score that was learned at several noises, over the density.
fn fields(name: &str, action: &ComplexQuartic, found: &Found, reach: (f64, f64)) -> Result<Figure> {
    let caption = "Left: drift (\u{2212}Re S\u{2032}, \u{2212}Im S\u{2032}) of complex Langevin, whose noise is real: it acts on x alone. \
                   Others: the learned score \u{2207} log P of the law with noise, a true gradient; the density with that noise below. \
                   Arrows show directions; their lengths are compressed, and the axes have different scales.";
    let drift = empty("Drift of complex Langevin", reach);
    let cells = density_cells(&found.pictures[0], &drift, CELLS.0, CELLS.1);
    let of = |(x, y): &(f64, f64)| {
        let drift = action.drift(Complex64::new(*x, *y));
        (drift.re, drift.im)
    };
    let vectors: Vec<(f64, f64)> = drift.places(ARROWS.0, ARROWS.1).iter().map(of).collect();
    let drift = drift.cells("P(x, y)", CELLS.0, cells, false).field("", ARROWS.0, &vectors);
    let mut figure = Figure::new(format!("{name}-fields"), caption).panel(drift);
    let count = found.pictures[0].len().max(1) as f64;
    let width = (found.pictures[0].iter().map(|place| place.0 * place.0).sum::<f64>() / count).sqrt();
    let model = sites::score(&found.network, ARROWS.0 * ARROWS.1, false)?;
    for relative in NOISES {
        let noise = relative * width;
        let wide = |side: f64| side.hypot(2.5 * noise);
        let plane = empty(&format!("Score at \u{3c3} = {noise:.2}"), (wide(reach.0), wide(reach.1)));
        let vectors = score_at(&model, noise, &plane.places(ARROWS.0, ARROWS.1))?;
        let cells = density_cells(&with_noise(&found.pictures[0], noise), &plane, CELLS.0, CELLS.1);
        figure = figure.panel(plane.cells("P(x, y; t)", CELLS.0, cells, false).field("", ARROWS.0, &vectors));
    }
    Ok(figure)
}

fn score_at(model: &Arc<dyn Score>, noise: f64, places: &[(f64, f64)]) -> Result<Vec<(f64, f64)>> {
    score_field(model, model.schedule().time_of_noise(noise), places)
}

/// The places with noise: normals whose quantiles are equally likely, in an order that has nothing to do with the places.
fn with_noise(places: &[(f64, f64)], noise: f64) -> Vec<(f64, f64)> {
    let mut normals = vec![0.0; 2 * places.len()];
    if let Ok(stream) = stoq::rng::Stream::new(0, 0, 0) {
        stream.normals(stoq::rng::Purpose::Diagnostic, 0, &mut normals);
    }
    places.iter().zip(normals.chunks_exact(2)).map(|(p, z)| (p.0 + noise * z[0], p.1 + noise * z[1])).collect()
}

/// Of the Gaussian model the score is known: -(Sigma + Xi)^-1 (x, y).
fn gaussian_errors(found: &Found, [xx, yy, xy]: [f64; 3]) -> Result<Table> {
    let title =
        "Learned score against the exact one: rms of the difference over rms, averaged over the data with noise";
    let mut table = Table::wide(title);
    let places = &found.pictures[0][..found.pictures[0].len().min(4096)];
    let model = sites::score(&found.network, places.len(), false)?;
    for relative in [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0] {
        let noise = relative * xx.sqrt();
        let noisy = with_noise(places, noise);
        let (a, b, square) = (xx + noise * noise, yy + noise * noise, xy * xy);
        let determinant = a * b - square;
        let exact = |(x, y): &(f64, f64)| ((-b * x + xy * y) / determinant, (xy * x - a * y) / determinant);
        let (mut difference, mut size) = (0.0, 0.0);
        for (place, learned) in noisy.iter().zip(score_at(&model, noise, &noisy)?) {
            let exact = exact(place);
            difference += (learned.0 - exact.0).powi(2) + (learned.1 - exact.1).powi(2);
            size += exact.0.powi(2) + exact.1.powi(2);
        }
        let row = Row::new().label("noise", (1e4 * noise).round() / 1e4);
        table = table.row(row.with(Observable::plain("score_error", (difference / size).sqrt())));
    }
    Ok(table)
}
