//! What a picture of a plane shows: a density or another function as colours, arrows of a vector field, points and curves; and
//! fields of a lattice as images. Drawing is in `draw.rs` and `images.rs`.

use crate::error::{Error, Result, require_length};

/// A function on a grid of equal cells that fills the plane.
#[derive(Clone, Debug, PartialEq)]
pub struct Cells {
    /// The quantity, beside the colour bar.
    pub label: String,
    /// Number of cells along x.
    pub columns: usize,
    /// Row by row, x fastest, from the lowest y.
    pub values: Vec<f64>,
    /// Blue below 0, white at 0, orange above; else white at 0 and darker above.
    pub signed: bool,
}

/// Arrows of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrows {
    /// In the legend; empty: not there.
    pub label: String,
    /// Tail and vector: x, y, dx, dy, in units of the axes.
    pub arrows: Vec<[f64; 4]>,
    /// Number of the colour.
    pub colour: usize,
}

/// A picture of a plane with axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// Above the picture.
    pub title: String,
    /// Label of the horizontal axis and its ends.
    pub x: (String, f64, f64),
    /// Label of the vertical axis and its ends.
    pub y: (String, f64, f64),
    /// Colours below everything else.
    pub cells: Option<Cells>,
    /// Vector fields.
    pub arrows: Vec<Arrows>,
    /// Small dots: label, places.
    pub dots: Vec<(String, Vec<(f64, f64)>)>,
    /// Curves: label, places.
    pub curves: Vec<(String, Vec<(f64, f64)>)>,
}

impl Plane {
    /// Empty axes: labels and ends.
    pub fn new(title: impl Into<String>, x: (&str, f64, f64), y: (&str, f64, f64)) -> Self {
        Plane {
            title: title.into(),
            x: (x.0.into(), x.1, x.2),
            y: (y.0.into(), y.1, y.2),
            cells: None,
            arrows: vec![],
            dots: vec![],
            curves: vec![],
        }
    }

    /// The places at the centres of `columns` x `rows` cells, x fastest, from the lowest y: where to evaluate what
    /// [`Plane::cells`] or [`Plane::field`] show.
    pub fn places(&self, columns: usize, rows: usize) -> Vec<(f64, f64)> {
        let at = |(_, low, high): &(String, f64, f64), index: usize, count: usize| {
            low + (high - low) * (index as f64 + 0.5) / count as f64
        };
        let all = (0..rows).flat_map(|row| (0..columns).map(move |column| (column, row)));
        all.map(|(column, row)| (at(&self.x, column, columns), at(&self.y, row, rows))).collect()
    }

    /// Colours: `values` on `columns` cells a row, x fastest, from the lowest y.
    pub fn cells(mut self, label: impl Into<String>, columns: usize, values: Vec<f64>, signed: bool) -> Self {
        self.cells = Some(Cells { label: label.into(), columns, values, signed });
        self
    }

    /// Arrows as they are: x, y, dx, dy.
    pub fn arrows(mut self, label: impl Into<String>, arrows: Vec<[f64; 4]>) -> Self {
        let colour = self.arrows.len();
        self.arrows.push(Arrows { label: label.into(), arrows, colour });
        self
    }

    /// A vector field at equally spaced places, x fastest, `columns` a row: directions as they are, lengths compressed, |v| /
    /// (|v| + typical |v|) in units of the distances of the places, so that long arrows do not cross and short ones are seen.
    pub fn field(self, label: impl Into<String>, columns: usize, vectors: &[(f64, f64)]) -> Self {
        let rows = vectors.len() / columns.max(1);
        let cell = ((self.x.2 - self.x.1) / columns.max(1) as f64, (self.y.2 - self.y.1) / rows.max(1) as f64);
        let length = |(u, v): &(f64, f64)| (u / cell.0).hypot(v / cell.1);
        let mut lengths: Vec<f64> = vectors.iter().map(length).collect();
        lengths.sort_by(f64::total_cmp);
        let typical = lengths.get(lengths.len() / 2).copied().unwrap_or(1.0).max(f64::MIN_POSITIVE);
        let arrow = |((x, y), vector): ((f64, f64), &(f64, f64))| {
            let scale = 1.3 / (length(vector) + typical);
            let (u, v) = (scale * vector.0, scale * vector.1);
            [x - 0.5 * u, y - 0.5 * v, u, v]
        };
        let arrows = self.places(columns, rows).into_iter().zip(vectors).map(arrow).collect();
        self.arrows(label, arrows)
    }

    /// Small dots.
    pub fn dots(mut self, label: impl Into<String>, places: Vec<(f64, f64)>) -> Self {
        self.dots.push((label.into(), places));
        self
    }

    /// A curve.
    pub fn curve(mut self, label: impl Into<String>, places: Vec<(f64, f64)>) -> Self {
        self.curves.push((label.into(), places));
        self
    }

    /// The SVG element.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for cells that are no rectangle, and as [`super::Plot::svg`].
    pub fn svg(&self) -> Result<String> {
        if let Some(cells) = &self.cells {
            let rows = cells.values.len() / cells.columns.max(1);
            require_length("cells of a plane", cells.values.len(), rows.max(1) * cells.columns.max(1))?;
        }
        super::draw::plane(self)
    }
}

/// Fields of a two-dimensional lattice beside each other: configurations, or one along a process.
#[derive(Clone, Debug, PartialEq)]
pub struct Images {
    /// Above.
    pub title: String,
    /// The quantity, beside the colour bar.
    pub label: String,
    /// Extent of the last axis: sites of a row.
    pub width: usize,
    /// What stands below each image, and its field, row by row.
    pub frames: Vec<(String, Vec<f64>)>,
    /// Full colour at this absolute value; twice the root mean square of each image by itself, if none.
    pub scale: Option<f64>,
}

impl Images {
    /// No image yet.
    pub fn new(title: impl Into<String>, label: impl Into<String>, width: usize) -> Self {
        Images { title: title.into(), label: label.into(), width, frames: vec![], scale: None }
    }

    /// Full colour at the same value in all images.
    pub fn scaled(mut self, scale: f64) -> Self {
        self.scale = Some(scale);
        self
    }

    /// Adds an image.
    pub fn frame(mut self, label: impl Into<String>, field: &[f64]) -> Self {
        self.frames.push((label.into(), field.to_vec()));
        self
    }

    /// The SVG element; `None` without an image.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for a field that is no rectangle of the width, [`Error::NotFinite`].
    pub fn svg(&self) -> Result<Option<String>> {
        for (label, field) in &self.frames {
            let rows = field.len() / self.width.max(1);
            if field.is_empty() || self.width == 0 || rows * self.width != field.len() {
                return Err(Error::shape(&format!("image {label}"), field.len(), format!("rows of {}", self.width)));
            }
            crate::error::require_finite("image", field)?;
        }
        Ok((!self.frames.is_empty()).then(|| super::images::draw(self)))
    }
}
