//! Files as memory: a page is read when it is touched, and given back when memory is short, so that an array
//! may be larger than the machine.

use crate::error::{Error, Result};
use memmap2::Mmap;
use std::fs::File;
use std::path::Path;

/// Maps the file at `path`, read-only. It must not be changed before the map is dropped.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn map(path: &Path) -> Result<Mmap> {
    let file = File::open(path).map_err(|source| Error::io(path, source))?;
    // SAFETY: the one call of the library that no check can make safe. The bytes of a map are those of the file, and
    // Rust takes a shared slice for constant; another program that writes to the file, or cuts it short,
    // breaks that. No reader can prevent it, so that it stands in the documentation as a condition on the user.
    // What depends on it is small: the bytes become floating-point numbers, every pattern of which is a value, by
    // copies of a few bytes; none becomes a pointer, a length or an enum. A file that changes gives other
    // numbers, a file that shrinks ends the program with SIGBUS.
    #[allow(unsafe_code)]
    unsafe { Mmap::map(&file) }.map_err(|source| Error::io(path, source))
}
