//! Plots as SVG: inside a page, or files of their own.

use crate::error::{Error, Result};
use plotters::prelude::*;
use std::path::Path;

const SIZE: (u32, u32) = (620, 360);
/// Colours that can be told apart without red and green (Okabe and Ito).
const COLOURS: [RGBColor; 4] = [RGBColor(0, 0, 0), RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115)];

/// Points with errors, joined or not.
pub struct Curve {
    /// In the legend.
    pub label: &'static str,
    /// x, y, error of y.
    pub points: Vec<(f64, f64, f64)>,
    /// A line through the points instead of circles.
    pub joined: bool,
}

/// Axes and curves.
pub struct Plot {
    /// Above the plot.
    pub title: &'static str,
    /// What the horizontal axis shows.
    pub x: &'static str,
    /// What the vertical axis shows.
    pub y: &'static str,
    /// What is drawn.
    pub curves: Vec<Curve>,
    /// Horizontal lines.
    pub guides: Vec<f64>,
}

impl Plot {
    /// The SVG element; `None` without a point to draw.
    ///
    /// # Errors
    /// [`Error::Internal`] when it cannot be drawn, never in practice.
    pub fn svg(&self) -> Result<Option<String>> {
        Ok(self.document()?.map(inline))
    }

    /// Writes a file of its own; none without a point to draw.
    ///
    /// # Errors
    /// As [`Plot::svg`], and [`Error::Io`].
    pub fn save(&self, path: &Path) -> Result<()> {
        match self.document()? {
            Some(svg) => crate::files::write_atomically(path, svg.as_bytes()),
            None => Ok(()),
        }
    }

    fn document(&self) -> Result<Option<String>> {
        let finite = |p: &&(f64, f64, f64)| p.0.is_finite() && p.1.is_finite() && p.2.is_finite();
        let points: Vec<_> = self.curves.iter().flat_map(|curve| curve.points.iter()).filter(finite).collect();
        if points.is_empty() {
            return Ok(None);
        }
        let x = range(points.iter().map(|p| p.0));
        let y = range(points.iter().flat_map(|p| [p.1 - p.2, p.1 + p.2]).chain(self.guides.iter().copied()));
        let mut svg = String::new();
        self.draw(&mut svg, x, y).map_err(|error| Error::Internal(format!("plot {}: {error}", self.title)))?;
        Ok(Some(svg))
    }

    fn draw(&self, svg: &mut String, x: (f64, f64), y: (f64, f64)) -> Result<(), Box<dyn std::error::Error + '_>> {
        let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .caption(self.title, ("sans-serif", 17))
            .margin(8)
            .x_label_area_size(42)
            .y_label_area_size(70)
            .build_cartesian_2d(x.0..x.1, y.0..y.1)
            .map_err(|error| error.to_string())?;
        let mut mesh = chart.configure_mesh();
        mesh.x_desc(self.x).y_desc(self.y).light_line_style(WHITE).draw().map_err(|error| error.to_string())?;
        let guides = self.guides.iter().map(|&g| PathElement::new(vec![(x.0, g), (x.1, g)], BLACK.mix(0.4)));
        chart.draw_series(guides).map_err(|error| error.to_string())?;
        for (index, curve) in self.curves.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            let points = curve.points.iter().filter(|p| p.0.is_finite() && p.1.is_finite());
            let bars = points.clone().filter(|p| p.2 > 0.0);
            let bars = bars.map(|p| PathElement::new(vec![(p.0, p.1 - p.2), (p.0, p.1 + p.2)], colour));
            chart.draw_series(bars).map_err(|error| error.to_string())?;
            let place: Vec<(f64, f64)> = points.map(|p| (p.0, p.1)).collect();
            if curve.joined {
                chart.draw_series([PathElement::new(place, colour)]).map_err(|error| error.to_string())?
            } else {
                let circles = place.into_iter().map(|p| Circle::new(p, 3, colour.filled()));
                chart.draw_series(circles).map_err(|error| error.to_string())?
            }
            .label(curve.label)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], colour.stroke_width(2)));
        }
        let mut labels = chart.configure_series_labels();
        labels
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.3))
            .draw()
            .map_err(|error| error.to_string())?;
        root.present().map_err(|error| error.to_string())?;
        Ok(())
    }
}

/// Smallest and largest value with room around them.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) =
        values.filter(|v| v.is_finite()).fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    let room = (0.05 * (high - low)).max(1e-9 * high.abs().max(1e-3));
    (low - room, high + room)
}

/// A field as a colour map: blue below zero, white at zero, orange above; `scale` is the value of full colour.
pub fn colour_map(field: &[f64], width: usize, scale: f64) -> Result<String> {
    let height = field.len() / width;
    let cell = (128 / width.max(height).max(1)).max(1) as i32;
    let mut svg = String::new();
    {
        let size = ((width as i32 * cell) as u32, (height as i32 * cell) as u32);
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let fail = |error: &dyn std::fmt::Display| Error::Internal(format!("colour map: {error}"));
        for (index, value) in field.iter().enumerate() {
            let (x, y) = ((index % width) as i32 * cell, (index / width) as i32 * cell);
            let t = (value / scale).clamp(-1.0, 1.0);
            let full = if t < 0.0 { COLOURS[1] } else { COLOURS[2] };
            let mix = |full: u8| (255.0 - (255.0 - f64::from(full)) * t.abs()) as u8;
            let colour = RGBColor(mix(full.0), mix(full.1), mix(full.2));
            let cell = Rectangle::new([(x, y), (x + cell, y + cell)], colour.filled());
            root.draw(&cell).map_err(|error| fail(&error))?;
        }
        root.present().map_err(|error| fail(&error))?;
    }
    Ok(inline(svg))
}

/// An SVG inside HTML needs no name space, and the page then names no address at all.
fn inline(svg: String) -> String {
    svg.replace(" xmlns=\"http://www.w3.org/2000/svg\"", "").replace("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "")
}
