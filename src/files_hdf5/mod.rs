//! Configurations in an HDF5 file, behind the feature `hdf5`; without it every function says how to get it.
//!
//! | in the file | what |
//! |---|---|
//! | `configurations` | float32 or float64, (room, \[components,\] extents...), contiguous, little-endian; NaN where nothing is written yet |
//! | `count` | how many configurations are written, uint64; all others are room for those of an unfinished run |
//! | `log_weights` | float64, where samples have them |
//! | attributes of `/` | what the sidecar of an `.npy` file says: `seed`, `action.name`, `action.couplings.kappa`, ...; floats exactly |
//!
//! # Interruption
//! HDF5's own bookkeeping does not survive a process that dies while it changes. So it is never changed in place: a file
//! with more room or with other attributes is written beside the old one and renamed. Into the room of a file only values are written, at
//! their place and synced, and then `count`, eight aligned bytes. A file is readable at any moment, and has at any
//! moment the configurations that it counts.

#[cfg_attr(not(feature = "hdf5"), path = "absent.rs")]
mod implementation;
#[cfg(feature = "hdf5")]
mod metadata;

pub(crate) use implementation::{Growing, read};
pub use implementation::{metadata, set_metadata, values, write};

use crate::error::{Error, Result};
use std::path::Path;

/// Whether a name is that of an HDF5 file: it ends in `.h5` or `.hdf5`.
pub fn is_hdf5(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "h5" || extension == "hdf5")
}

/// Refuses the name of an HDF5 file where the feature is off: before work whose result could not be written.
///
/// # Errors
/// [`Error::InvalidArgument`], which names the feature.
pub fn require(path: &Path) -> Result<()> {
    if cfg!(feature = "hdf5") || !is_hdf5(path) {
        return Ok(());
    }
    let expected = "the name of an .npy file, or a stoq built with the feature `hdf5`, which needs libhdf5: cargo build \
                    --release --features hdf5";
    Err(Error::invalid("data file", path.display(), expected))
}

/// Values to write, in the precision that they have in the file.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// As `float32`.
    Single(&'a [f32]),
    /// As `float64`.
    Double(&'a [f64]),
}

/// An array of configurations in a file.
#[derive(Debug)]
pub(crate) struct Array {
    /// (configurations, \[components,\] extents...), of those that are written.
    pub shape: Vec<usize>,
    /// Bytes a value: 4 or 8.
    pub width: usize,
    /// Where the values are.
    pub place: Place,
}

/// Where the values of an array are.
#[derive(Debug)]
#[cfg_attr(not(feature = "hdf5"), expect(dead_code, reason = "made where HDF5 is"))]
pub(crate) enum Place {
    /// In the file from this byte on, little-endian and without gaps.
    File(u64),
    /// Here: they were in chunks or in another byte order.
    Memory(Vec<u8>),
}
