//! Pictures with a caption.

use super::plane::{Images, Plane};
use super::plot::Plot;
use crate::error::Result;
use std::path::Path;

/// One picture.
#[derive(Clone, Debug, PartialEq)]
pub enum Panel {
    /// Curves and points.
    Plot(Plot),
    /// A plane with colours and arrows.
    Plane(Plane),
    /// Fields of a lattice.
    Images(Images),
}

impl Panel {
    /// The SVG element; `None` without anything to draw.
    ///
    /// # Errors
    /// As [`Plot::svg`], [`Plane::svg`] and [`Images::svg`].
    pub fn svg(&self) -> Result<Option<String>> {
        match self {
            Panel::Plot(plot) => plot.svg(),
            Panel::Plane(plane) => plane.svg().map(Some),
            Panel::Images(images) => images.svg(),
        }
    }
}

impl From<Plot> for Panel {
    fn from(plot: Plot) -> Self {
        Panel::Plot(plot)
    }
}

impl From<Plane> for Panel {
    fn from(plane: Plane) -> Self {
        Panel::Plane(plane)
    }
}

impl From<Images> for Panel {
    fn from(images: Images) -> Self {
        Panel::Images(images)
    }
}

/// Panels beside each other with one caption.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Of its files: letters, digits and hyphens.
    pub name: String,
    /// What is seen, in a sentence or two.
    pub caption: String,
    /// The panels.
    pub panels: Vec<Panel>,
}

impl Figure {
    /// Without a panel yet.
    pub fn new(name: impl Into<String>, caption: impl Into<String>) -> Self {
        Figure { name: name.into(), caption: caption.into(), panels: vec![] }
    }

    /// Adds a panel.
    pub fn panel(mut self, panel: impl Into<Panel>) -> Self {
        self.panels.push(panel.into());
        self
    }

    /// Writes every panel as NAME.svg or NAME-1.svg, NAME-2.svg, ... into `folder`.
    ///
    /// # Errors
    /// As [`Panel::svg`], and [`crate::Error::Io`].
    pub fn save(&self, folder: &Path) -> Result<()> {
        self.panels.iter().enumerate().try_for_each(|(index, panel)| {
            let file = match self.panels.len() {
                1 => format!("{}.svg", self.name),
                _ => format!("{}-{}.svg", self.name, index + 1),
            };
            save_svg(panel.svg()?, &folder.join(file))
        })
    }
}

/// Writes an SVG file, if there is one to write.
pub(super) fn save_svg(svg: Option<String>, path: &Path) -> Result<()> {
    match svg {
        Some(svg) => crate::files::write_atomically(path, svg.as_bytes()),
        None => Ok(()),
    }
}
