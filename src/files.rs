//! Files are written whole or not at all.

use crate::error::{Error, Result};
use ndarray_npy::WriteNpyExt;
use std::io::Write;
use std::path::Path;
use tempfile::NamedTempFile;

/// Writes `bytes` to a temporary file in the same folder and renames it to `path`.
///
/// # Errors
/// [`Error::Io`]; an existing file at `path` is then unchanged.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = beside(path)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(|source| Error::io(path, source))?;
    put_in_place(file, path)
}

/// A temporary file in the folder of `path`.
pub(crate) fn beside(path: &Path) -> Result<NamedTempFile> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    NamedTempFile::new_in(folder).map_err(|source| Error::io(path, source))
}

/// Gives a finished temporary file its name.
pub(crate) fn put_in_place(file: NamedTempFile, path: &Path) -> Result<()> {
    set_default_permissions(file.as_file()).map_err(|source| Error::io(path, source))?;
    file.persist(path).map_err(|error| Error::io(path, error.error))?;
    Ok(())
}

/// Writes an array as `.npy`, whole or not at all.
///
/// # Errors
/// As [`write_atomically`].
pub fn write_npy(path: &Path, array: &impl WriteNpyExt) -> Result<()> {
    let mut bytes = Vec::new();
    array.write_npy(&mut bytes).map_err(|error| Error::Internal(format!("npy: {error}")))?;
    write_atomically(path, &bytes)
}

/// Temporary files are private; what a user asked for should be readable like any other file.
#[cfg(unix)]
fn set_default_permissions(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn set_default_permissions(_file: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}
