//! What a plot shows: axes, and points, lines, bands and bars in them. Drawing is in `draw.rs`.

// What draws them is not there without the feature.
#![cfg_attr(not(feature = "report"), allow(dead_code))]

use crate::error::Result;
use std::path::Path;

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Marks with error bars.
    Points,
    /// A line.
    Line,
    /// A dashed line, for what is exact or published.
    Dashed,
    /// A line within a band of one standard error.
    Band,
    /// Bars from 0 around equally spaced places, with error bars: histograms.
    Bars,
    /// Many small dots: scatter plots.
    Dots,
}

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The quantity, with its unit if it has one.
    pub label: String,
    /// Logarithmic; what is not above 0 is left out.
    pub logarithmic: bool,
    /// Its ends; where everything fits, if none.
    pub range: Option<(f64, f64)>,
}

/// Points of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// In the legend; empty: not there.
    pub label: String,
    /// x, y, standard error of y.
    pub points: Vec<(f64, f64, f64)>,
    /// How they are drawn.
    pub style: Style,
    /// Number of the colour; series that belong together share one.
    pub colour: usize,
}

/// Axes and what is drawn in them.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// Above the plot.
    pub title: String,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// What is drawn, first things first.
    pub series: Vec<Series>,
    /// Horizontal lines across the plot.
    pub guides: Vec<f64>,
    /// Vertical lines across the plot, such as the window of an autocorrelation function.
    pub marks: Vec<f64>,
}

impl Axis {
    fn new(label: impl Into<String>) -> Self {
        Axis { label: label.into(), logarithmic: false, range: None }
    }
}

/// Points without errors.
fn bare(points: impl IntoIterator<Item = (f64, f64)>) -> Vec<(f64, f64, f64)> {
    points.into_iter().map(|(x, y)| (x, y, 0.0)).collect()
}

impl Plot {
    /// Empty axes with their labels.
    pub fn new(title: impl Into<String>, x: impl Into<String>, y: impl Into<String>) -> Self {
        Plot { title: title.into(), x: Axis::new(x), y: Axis::new(y), series: vec![], guides: vec![], marks: vec![] }
    }

    /// A logarithmic horizontal axis.
    pub fn log_x(mut self) -> Self {
        self.x.logarithmic = true;
        self
    }

    /// A logarithmic vertical axis.
    pub fn log_y(mut self) -> Self {
        self.y.logarithmic = true;
        self
    }

    /// The ends of the horizontal axis; what lies outside is cut off.
    pub fn x_range(mut self, low: f64, high: f64) -> Self {
        self.x.range = Some((low, high));
        self
    }

    /// The ends of the vertical axis; what lies outside is cut off.
    pub fn y_range(mut self, low: f64, high: f64) -> Self {
        self.y.range = Some((low, high));
        self
    }

    /// Adds a series (x, y, standard error) in the next colour.
    pub fn with(mut self, label: impl Into<String>, style: Style, points: Vec<(f64, f64, f64)>) -> Self {
        let colour = self.series.iter().map(|series| series.colour + 1).max().unwrap_or(0);
        self.series.push(Series { label: label.into(), points, style, colour });
        self
    }

    /// Adds marks with error bars.
    pub fn points(self, label: impl Into<String>, points: Vec<(f64, f64, f64)>) -> Self {
        self.with(label, Style::Points, points)
    }

    /// Adds a line.
    pub fn line(self, label: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.with(label, Style::Line, bare(points))
    }

    /// Adds a dashed line.
    pub fn dashed(self, label: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.with(label, Style::Dashed, bare(points))
    }

    /// Adds a line within its band of errors.
    pub fn band(self, label: impl Into<String>, points: Vec<(f64, f64, f64)>) -> Self {
        self.with(label, Style::Band, points)
    }

    /// Adds the bars of a histogram: centre, height, error.
    pub fn bars(self, label: impl Into<String>, points: Vec<(f64, f64, f64)>) -> Self {
        self.with(label, Style::Bars, points)
    }

    /// Adds small dots.
    pub fn dots(self, label: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.with(label, Style::Dots, bare(points))
    }

    /// Gives the last series another colour, such as that of what it belongs to.
    pub fn coloured(mut self, colour: usize) -> Self {
        if let Some(last) = self.series.last_mut() {
            last.colour = colour;
        }
        self
    }

    /// Adds a horizontal line.
    pub fn guide(mut self, y: f64) -> Self {
        self.guides.push(y);
        self
    }

    /// Adds a vertical line.
    pub fn mark(mut self, x: f64) -> Self {
        self.marks.push(x);
        self
    }

    /// An autocorrelation function rho(0), rho(1), ... with the window in which it was summed.
    pub fn autocorrelation(mut self, label: impl Into<String>, rho: &[f64], window: usize) -> Self {
        if !self.guides.contains(&0.0) {
            self.guides.push(0.0);
        }
        self.line(label, rho.iter().enumerate().map(|(lag, rho)| (lag as f64, *rho))).mark(window as f64)
    }

    /// The SVG element; `None` without a point to draw.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] when it cannot be drawn, never in practice; [`crate::Error::InvalidArgument`] in a build
    /// without the feature `report`.
    pub fn svg(&self) -> Result<Option<String>> {
        super::draw::plot(self)
    }

    /// Writes a file of its own; none without a point to draw.
    ///
    /// # Errors
    /// As [`Plot::svg`], and [`crate::Error::Io`].
    pub fn save(&self, path: &Path) -> Result<()> {
        super::figure::save_svg(self.svg()?, path)
    }

    /// Ends of both axes with everything inside; `None` without a point to draw.
    pub(super) fn ranges(&self) -> Option<[(f64, f64); 2]> {
        let fits = |axis: &Axis, value: f64| value.is_finite() && (value > 0.0 || !axis.logarithmic);
        let drawn = || {
            let points = self.series.iter().flat_map(|series| series.points.iter().map(move |point| (series, *point)));
            points.filter(|(_, (x, y, error))| fits(&self.x, *x) && fits(&self.y, *y) && error.is_finite())
        };
        drawn().next()?;
        let half_bar = |series: &Series| match series.style {
            Style::Bars => 0.5 * bar_width(&series.points),
            _ => 0.0,
        };
        let across = drawn().flat_map(|(series, (x, ..))| [x - half_bar(series), x + half_bar(series)]);
        let x = span(&self.x, across.chain(self.marks.iter().copied()));
        let visible = |x_value: f64| self.x.range.is_none_or(|(low, high)| low <= x_value && x_value <= high);
        let along = drawn().filter(|(_, point)| visible(point.0)).flat_map(|(series, (_, y, error))| {
            let base = if series.style == Style::Bars { 0.0 } else { y };
            [y - error, y, y + error, base]
        });
        let y = span(&self.y, along.chain(self.guides.iter().copied()));
        Some([x, y])
    }
}

/// Distance of the places of bars.
pub(super) fn bar_width(points: &[(f64, f64, f64)]) -> f64 {
    let distances = points.windows(2).map(|pair| (pair[1].0 - pair[0].0).abs());
    let least = distances.fold(f64::INFINITY, f64::min);
    if least.is_finite() { least } else { 1.0 }
}

/// The ends of an axis that shows `values`, with a little room.
fn span(axis: &Axis, values: impl Iterator<Item = f64>) -> (f64, f64) {
    if let Some(range) = axis.range {
        return range;
    }
    let fits = |value: &f64| value.is_finite() && (*value > 0.0 || !axis.logarithmic);
    let (low, high) = values.filter(fits).fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    if low > high {
        return if axis.logarithmic { (0.1, 10.0) } else { (-1.0, 1.0) };
    }
    if axis.logarithmic {
        let room = libm::pow(high / low, 0.05).max(1.1);
        return (low / room, high * room);
    }
    let room = (0.05 * (high - low)).max(1e-9 * high.abs().max(1e-3));
    (low - room, high + room)
}
