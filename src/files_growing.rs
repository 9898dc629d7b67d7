//! Configurations that join a file, which survives an interruption at any moment: an `.npy` array, or HDF5.

use crate::error::{Error, Result};
use crate::{files_description, files_hdf5};
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes before the dictionary of a header of version 1.0: magic, version, length.
const PREAMBLE: usize = 10;
/// Bytes of a header that is made here: one sector holds it.
const HEADER: usize = 256;

/// A file of configurations in float32 that grows: by its name an `.npy` array with a sidecar, or an HDF5 file
/// ([`files_hdf5`]).
#[derive(Debug)]
pub struct GrowingArray(Storage);

#[derive(Debug)]
enum Storage {
    Npy(GrowingNpy),
    Hdf5(files_hdf5::Growing, bool),
}

impl GrowingArray {
    /// Opens a file with the extents `rest` behind its first axis, or makes one without rows.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::InvalidArgument`] for a file that is no such array or holds less than it says,
    /// [`Error::ShapeMismatch`] for other extents.
    pub fn open(path: &Path, rest: &[usize]) -> Result<Self> {
        Ok(GrowingArray(match files_hdf5::is_hdf5(path) {
            true => Storage::Hdf5(files_hdf5::Growing::open(path, rest)?, false),
            false => Storage::Npy(GrowingNpy::open(path, rest)?),
        }))
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        match &self.0 {
            Storage::Npy(array) => array.rows,
            Storage::Hdf5(array, _) => array.rows(),
        }
    }

    /// Says what the rows are that come next, of at most `room` in all. An HDF5 file takes that once: its description
    /// then waits for [`files_description::write`].
    ///
    /// # Errors
    /// Those of [`files_description::write`].
    pub fn describe(&mut self, room: u64, description: &Value) -> Result<()> {
        match &mut self.0 {
            Storage::Npy(array) => files_description::write(&array.path, description),
            Storage::Hdf5(_, true) => Ok(()),
            Storage::Hdf5(array, described) => {
                array.reserve(room, description)?;
                *described = true;
                Ok(())
            }
        }
    }

    /// Adds rows, after [`GrowingArray::describe`]; they are safe on the disk when this returns.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for a part of a row; [`Error::Io`]: the file then has the rows that it had.
    pub fn append(&mut self, values: &[f32]) -> Result<()> {
        match &mut self.0 {
            Storage::Npy(array) => array.append(values),
            Storage::Hdf5(array, _) => array.append(values),
        }
    }
}

/// An `.npy` array of little-endian float32 in C order that grows along its first axis. Rows are written and synced first, then
/// the header that counts them: after an interruption the header tells how many rows are whole, and what lies behind them
/// is cut off by the next [`GrowingNpy::open`].
#[derive(Debug)]
struct GrowingNpy {
    path: PathBuf,
    file: File,
    /// Extents behind the first axis.
    rest: Vec<usize>,
    header: usize,
    rows: u64,
}

impl GrowingNpy {
    /// Opens an array with the extents `rest` behind its first axis, or makes one without rows.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::InvalidArgument`] for a file that is no such array or holds less than its header says,
    /// [`Error::ShapeMismatch`] for other extents.
    fn open(path: &Path, rest: &[usize]) -> Result<Self> {
        let fail = |source| Error::io(path, source);
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(path).map_err(fail)?;
        let length = file.metadata().map_err(fail)?.len();
        let mut array = GrowingNpy { path: path.into(), file, rest: rest.to_vec(), header: HEADER, rows: 0 };
        if length == 0 {
            array.write_header()?;
            return Ok(array);
        }
        file = array.file.try_clone().map_err(fail)?;
        let mut preamble = [0; PREAMBLE];
        let refused = |why: &str| {
            let expected = "a .npy array of float32 in C order, as stoq data --append and numpy.save write it";
            Error::invalid("data file", format!("{} ({why})", path.display()), expected)
        };
        file.read_exact(&mut preamble).map_err(|_| refused("it ends within the header"))?;
        if preamble[..8] != *b"\x93NUMPY\x01\x00" {
            return Err(refused("no .npy of version 1.0"));
        }
        let size = u16::from_le_bytes([preamble[8], preamble[9]]) as usize;
        let mut dictionary = vec![0; size];
        file.read_exact(&mut dictionary).map_err(|_| refused("it ends within the header"))?;
        let dictionary = String::from_utf8_lossy(&dictionary).into_owned();
        if !dictionary.contains("'<f4'") || !dictionary.contains("'fortran_order': False") {
            return Err(refused("other values"));
        }
        let shape = dictionary.split_once("'shape': (").and_then(|(_, rest)| rest.split_once(')'));
        let numbers = shape.map(|(numbers, _)| numbers.split(',').map(str::trim).filter(|number| !number.is_empty()));
        let extents = numbers.and_then(|numbers| numbers.map(|n| n.parse().ok()).collect::<Option<Vec<usize>>>());
        let extents = extents.ok_or_else(|| refused("no shape"))?;
        if extents.get(1..) != Some(rest) {
            return Err(Error::shape(&format!("the configurations of {}", path.display()), extents.get(1..), rest));
        }
        (array.header, array.rows) = (PREAMBLE + size, extents[0] as u64);
        if length < array.end() {
            return Err(refused("it holds less than its header says"));
        }
        // What an interrupted run has left behind the last whole row.
        array.file.set_len(array.end()).map_err(fail)?;
        Ok(array)
    }

    fn row_values(&self) -> usize {
        self.rest.iter().product()
    }

    fn end(&self) -> u64 {
        self.header as u64 + self.rows * 4 * self.row_values() as u64
    }

    /// Adds rows; they are safe on the disk when this returns.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for a part of a row; [`Error::Io`]: the array then has the rows that it had.
    fn append(&mut self, values: &[f32]) -> Result<()> {
        let row = self.row_values();
        crate::error::require_length("rows of the array", values.len(), values.len() / row.max(1) * row)?;
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let fail = |source| Error::io(&self.path, source);
        self.file.seek(SeekFrom::Start(self.end())).map_err(fail)?;
        self.file.write_all(&bytes).and_then(|()| self.file.sync_data()).map_err(fail)?;
        self.rows += (values.len() / row.max(1)) as u64;
        self.write_header()
    }

    fn write_header(&mut self) -> Result<()> {
        let extents = std::iter::once(self.rows.to_string()).chain(self.rest.iter().map(usize::to_string));
        let shape = extents.collect::<Vec<_>>().join(", ");
        let comma = if self.rest.is_empty() { "," } else { "" };
        let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}{comma}), }}");
        let room = self.header - PREAMBLE;
        if text.len() + 1 > room {
            return Err(Error::invalid("data file", self.path.display(), "a header with room for the number of rows"));
        }
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((room as u16).to_le_bytes());
        bytes.extend(format!("{text:<width$}\n", width = room - 1).into_bytes());
        let fail = |source| Error::io(&self.path, source);
        self.file.seek(SeekFrom::Start(0)).map_err(fail)?;
        self.file.write_all(&bytes).and_then(|()| self.file.sync_data()).map_err(fail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray_npy::ReadNpyExt;

    fn read(path: &Path) -> (Vec<usize>, Vec<f32>) {
        let array = ndarray::ArrayD::<f32>::read_npy(File::open(path).unwrap()).unwrap();
        (array.shape().to_vec(), array.iter().copied().collect())
    }

    #[test]
    fn what_was_appended_is_there_after_an_interruption_at_any_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.npy");
        let values: Vec<f32> = (0..36).map(|i| i as f32).collect();
        let mut array = GrowingNpy::open(&path, &[2, 3]).unwrap();
        array.append(&values[..12]).unwrap();
        assert_eq!(read(&path), (vec![2, 2, 3], values[..12].to_vec()));
        drop(array);
        let whole = std::fs::read(&path).unwrap();
        // Rows whose header was never written, cut anywhere.
        for extra in [1, 23, 24, 25, 60] {
            std::fs::write(&path, [&whole[..], &vec![7; extra]].concat()).unwrap();
            let mut array = GrowingNpy::open(&path, &[2, 3]).unwrap();
            assert_eq!(array.rows, 2);
            array.append(&values[12..18]).unwrap();
            array.append(&values[18..]).unwrap();
            assert_eq!((read(&path), array.rows), ((vec![6, 2, 3], values.clone()), 6), "{extra}");
            std::fs::write(&path, &whole).unwrap();
        }
        assert!(GrowingNpy::open(&path, &[3, 2]).is_err());
        let mut array = GrowingNpy::open(&path, &[2, 3]).unwrap();
        assert!(array.append(&values[..5]).is_err() && read(&path).0 == [2, 2, 3]);
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(GrowingNpy::open(&path, &[2, 3]).unwrap_err().to_string().contains("less than its header"));
        std::fs::write(&path, b"nothing of the kind").unwrap();
        assert!(GrowingNpy::open(&path, &[2, 3]).is_err());
    }

    #[test]
    fn arrays_of_other_writers_grow_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.npy");
        let array = ndarray::ArrayD::from_shape_vec(ndarray::IxDyn(&[3, 4]), vec![1.5f32; 12]).unwrap();
        crate::files::write_npy(&path, &array).unwrap();
        GrowingNpy::open(&path, &[4]).unwrap().append(&[2.5; 4]).unwrap();
        let (shape, values) = read(&path);
        assert_eq!((shape, values[11], values[12]), (vec![4, 4], 1.5, 2.5));
        let array = array.mapv(f64::from);
        crate::files::write_npy(&path, &array).unwrap();
        assert!(GrowingNpy::open(&path, &[4]).unwrap_err().to_string().contains("float32"));
    }
}
