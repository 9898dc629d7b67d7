//! In place of `draw.rs` without the feature `report`.

use super::plane::Plane;
use super::plot::Plot;
use crate::error::{Error, Result};

fn cannot<T>(title: &str) -> Result<T> {
    Err(Error::invalid("plot", title, "a program built with the feature `report`, which draws"))
}

pub(super) fn plot(plot: &Plot) -> Result<Option<String>> {
    cannot(&plot.title)
}

pub(super) fn plane(plane: &Plane) -> Result<String> {
    cannot(&plane.title)
}
