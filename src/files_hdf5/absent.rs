//! What stands in for HDF5 where the feature is off.

use super::{Array, Values};
use crate::error::{Error, Result};
use serde_json::Value;
use std::path::Path;

fn absent<T>(path: &Path) -> Result<T> {
    super::require(path)?;
    Err(Error::invalid("data file", path.display(), "the name of an HDF5 file, which ends in .h5 or .hdf5"))
}

/// Writes a file. Here: an error that names the feature.
///
/// # Errors
/// [`Error::InvalidArgument`].
pub fn write(path: &Path, _: &[usize], _: Values, _: Option<&[f64]>, _: &Value) -> Result<()> {
    absent(path)
}

/// What a file says about itself. Here: an error that names the feature.
///
/// # Errors
/// [`Error::InvalidArgument`].
pub fn metadata(path: &Path) -> Result<Value> {
    absent(path)
}

/// Replaces what a file says about itself. Here: an error that names the feature.
///
/// # Errors
/// [`Error::InvalidArgument`].
pub fn set_metadata(path: &Path, _: &Value) -> Result<()> {
    absent(path)
}

/// Shape and values of the configurations of a file. Here: an error that names the feature.
///
/// # Errors
/// [`Error::InvalidArgument`].
pub fn values(path: &Path) -> Result<(Vec<usize>, Vec<f64>)> {
    absent(path)
}

pub(crate) fn read(path: &Path) -> Result<Array> {
    absent(path)
}

#[derive(Debug)]
pub(crate) enum Growing {}

impl Growing {
    pub fn open(path: &Path, _: &[usize]) -> Result<Self> {
        absent(path)
    }

    pub fn rows(&self) -> u64 {
        match *self {}
    }

    pub fn reserve(&mut self, _: u64, _: &Value) -> Result<()> {
        match *self {}
    }

    pub fn append(&mut self, _: &[f32]) -> Result<()> {
        match *self {}
    }
}
