//! What a file of configurations says about itself: `NAME.json` beside `NAME.npy`, the attributes of an HDF5 file.

use crate::error::{Error, Result};
use crate::files_hdf5;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The file beside an `.npy` file that says what it is.
pub fn sidecar_path(data: &Path) -> PathBuf {
    data.with_extension("json")
}

/// The description of the data at `path`, or `None` for an `.npy` file that has none.
///
/// # Errors
/// [`Error::Io`]; [`Error::InvalidArgument`] for what is no JSON, or no HDF5 file.
pub fn read(path: &Path) -> Result<Option<Value>> {
    if files_hdf5::is_hdf5(path) {
        return files_hdf5::metadata(path).map(Some);
    }
    let sidecar = sidecar_path(path);
    let bytes = match std::fs::read(&sidecar) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::io(sidecar, source)),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        let value = format!("{} ({error})", sidecar.display());
        Error::invalid("data description", value, "JSON as `stoq data` writes it")
    })
}

/// Replaces the description of the data at `path`, whole or not at all.
///
/// # Errors
/// [`Error::Io`]; [`Error::InvalidArgument`] for what is no HDF5 file.
pub fn write(path: &Path, description: &Value) -> Result<()> {
    if files_hdf5::is_hdf5(path) {
        return files_hdf5::set_metadata(path, description);
    }
    let text = serde_json::to_string_pretty(description).map_err(|error| Error::Internal(error.to_string()))?;
    crate::files::write_atomically(&sidecar_path(path), format!("{text}\n").as_bytes())
}
