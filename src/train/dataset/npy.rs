//! An `.npy` array of floating-point numbers, or that of an HDF5 file, read where it lies.
//!
//! The format of the former is that of NumPy's `numpy/lib/format.py`: a header with type, order and shape, then the values.

use crate::error::{Error, Result};
use crate::files_hdf5::{self, Array, Place};
use half::f16;
use memmap2::Mmap;
use ndarray::{ArrayViewD, IxDyn, ShapeBuilder};
use ndarray_npy::npy::header::{Header, Layout, ReadHeaderError};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Arrays of fewer bytes are checked, and brought into C order, as a whole when they are loaded.
pub(super) const SMALL: usize = 1 << 30;

/// Values of any floating precision and byte order, the last axis fastest.
#[derive(Debug)]
pub(super) struct NpyArray {
    path: PathBuf,
    shape: Vec<usize>,
    encoding: Encoding,
    bytes: Bytes,
}

/// Where the values are.
#[derive(Debug)]
enum Bytes {
    /// In the file, at these bytes.
    Mapped { map: Mmap, values: Range<usize> },
    /// In memory, brought into C order.
    Copied(Vec<u8>),
}

#[derive(Clone, Copy, Debug)]
struct Encoding {
    /// Bytes a value: 2, 4 or 8.
    width: usize,
    big_endian: bool,
}

impl NpyArray {
    /// Maps the array at `path`; one in Fortran order is copied if it is small.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::InvalidArgument`] for what is no array, cut short, of another type, or too large
    /// to be reordered.
    pub fn open(path: &Path) -> Result<Self> {
        let map = crate::files_mapped::map(path)?;
        let mut rest = &map[..];
        let header = Header::from_reader(&mut rest).map_err(|error| not_an_array(path, &error))?;
        let encoding = Encoding::of(path, &header.type_descriptor)?;
        let (offset, found) = (map.len() - rest.len(), rest.len());
        let sizes = header.shape.iter().chain([&encoding.width]);
        let expected = sizes.copied().try_fold(1usize, usize::checked_mul);
        if expected != Some(found) {
            let expected = expected.map_or("more than the machine can address".into(), |bytes| bytes.to_string());
            let value = format!("{found} bytes of values in {}", path.display());
            let rule = format!(
                "{expected} for shape {:?} of {}: the file was cut short, or several arrays were appended to it; \
                 write it again with numpy.save, one array a file",
                header.shape, encoding
            );
            return Err(Error::invalid("data file", value, &rule));
        }
        let bytes = match header.layout {
            Layout::Standard => Bytes::Mapped { values: offset..map.len(), map },
            Layout::Fortran if found < SMALL => Bytes::Copied(encoding.in_c_order(rest, &header.shape)?),
            Layout::Fortran => {
                let value = format!("Fortran order in {}", path.display());
                let rule = "C order (last axis fastest) for 1 GiB or more, which is not copied; write it with \
                            numpy.save(path, numpy.ascontiguousarray(array))";
                return Err(Error::invalid("order of the array", value, rule));
            }
        };
        Ok(NpyArray { path: path.into(), shape: header.shape, encoding, bytes })
    }

    /// The configurations of an HDF5 file: where they lie without gaps they are mapped, else copied.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::InvalidArgument`] for what is no such file, cut short, or of another type.
    pub fn open_hdf5(path: &Path) -> Result<Self> {
        let Array { shape, width, place } = files_hdf5::read(path)?;
        let bytes = match place {
            Place::Memory(values) => Bytes::Copied(values),
            Place::File(offset) => {
                let (map, offset) = (crate::files_mapped::map(path)?, offset as usize);
                let end =
                    shape.iter().try_fold(width, |size, &n| size.checked_mul(n)).and_then(|n| n.checked_add(offset));
                let Some(end) = end.filter(|&end| end <= map.len()) else {
                    let value = format!("{} bytes in {}", map.len(), path.display());
                    return Err(Error::invalid("data file", value, "the whole of it: it was cut short; copy it again"));
                };
                Bytes::Mapped { map, values: offset..end }
            }
        };
        Ok(NpyArray { path: path.into(), shape, encoding: Encoding { width, big_endian: false }, bytes })
    }

    /// Where it came from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Length of every axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Bytes of all values.
    pub fn size(&self) -> usize {
        self.values().len()
    }

    /// Bytes that are kept in memory.
    pub fn memory(&self) -> usize {
        match &self.bytes {
            Bytes::Mapped { .. } => 0,
            Bytes::Copied(bytes) => bytes.len(),
        }
    }

    /// Values `first` and following into `to`, exactly.
    pub fn read(&self, first: usize, to: &mut [f64]) {
        let Encoding { width, big_endian } = self.encoding;
        let bytes = &self.values()[first * width..(first + to.len()) * width];
        match (width, big_endian) {
            (2, false) => convert(bytes, to, |value| f16::from_le_bytes(value).to_f64()),
            (2, true) => convert(bytes, to, |value| f16::from_be_bytes(value).to_f64()),
            (4, false) => convert(bytes, to, |value| f64::from(f32::from_le_bytes(value))),
            (4, true) => convert(bytes, to, |value| f64::from(f32::from_be_bytes(value))),
            (_, false) => convert(bytes, to, f64::from_le_bytes),
            (_, true) => convert(bytes, to, f64::from_be_bytes),
        }
    }

    fn values(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapped { map, values } => &map[values.clone()],
            Bytes::Copied(bytes) => bytes,
        }
    }
}

fn convert<const WIDTH: usize>(bytes: &[u8], to: &mut [f64], value: impl Fn([u8; WIDTH]) -> f64) {
    to.iter_mut().zip(bytes.as_chunks().0).for_each(|(to, &bytes)| *to = value(bytes));
}

impl Encoding {
    /// The type that `descriptor` names: an optional byte order, `f`, and the bytes a value.
    fn of(path: &Path, descriptor: &impl std::fmt::Display) -> Result<Self> {
        let text = descriptor.to_string();
        let name = text.trim_matches('\'');
        let big_endian = match name.chars().next() {
            Some('>') => true,
            Some('<') => false,
            _ => cfg!(target_endian = "big"),
        };
        let width = match name.trim_start_matches(['<', '>', '=', '|']) {
            "f2" => 2,
            "f4" => 4,
            "f8" => 8,
            other => {
                let way_out = match other.chars().next() {
                    Some('c') => {
                        "a complex field is one of two components: \
                         numpy.save(path, numpy.stack([array.real, array.imag], axis=1))"
                    }
                    _ => "convert it with numpy.save(path, array.astype(numpy.float32))",
                };
                let value = format!("{text} in {}", path.display());
                let rule = format!("float16, float32 or float64 ('f2', 'f4', 'f8'); {way_out}");
                return Err(Error::invalid("type of the values", value, &rule));
            }
        };
        Ok(Encoding { width, big_endian })
    }

    /// The values of an array in Fortran order, in C order.
    fn in_c_order(self, values: &[u8], shape: &[usize]) -> Result<Vec<u8>> {
        match self.width {
            2 => in_c_order::<2>(values, shape),
            4 => in_c_order::<4>(values, shape),
            _ => in_c_order::<8>(values, shape),
        }
    }
}

impl std::fmt::Display for Encoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "float{}", 8 * self.width)
    }
}

fn in_c_order<const WIDTH: usize>(values: &[u8], shape: &[usize]) -> Result<Vec<u8>> {
    let values = values.as_chunks::<WIDTH>().0;
    let array = ArrayViewD::from_shape(IxDyn(shape).f(), values)
        .map_err(|error| Error::Internal(format!("npy shape: {error}")))?;
    Ok(array.iter().flatten().copied().collect())
}

fn not_an_array(path: &Path, error: &ReadHeaderError) -> Error {
    let why = match error {
        ReadHeaderError::Io(_) => "it ends within the header".into(),
        ReadHeaderError::Parse(error) => error.to_string(),
    };
    let value = format!("{} ({why})", path.display());
    Error::invalid("data file", value, "a .npy array of floating-point numbers, as numpy.save writes it")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An `.npy` file, written here by hand: shape, order and type in the header, `values` after it.
    fn file(folder: &Path, descriptor: &str, fortran: bool, shape: &str, values: &[u8]) -> PathBuf {
        let order = if fortran { "True" } else { "False" };
        let header = format!("{{'descr': '{descriptor}', 'fortran_order': {order}, 'shape': {shape}, }}");
        let padded = format!("{header:<117}\n");
        let length = (padded.len() as u16).to_le_bytes();
        let path = folder.join("array.npy");
        std::fs::write(&path, [b"\x93NUMPY\x01\x00", &length[..], padded.as_bytes(), values].concat()).unwrap();
        path
    }

    fn read(path: &Path) -> Vec<f64> {
        let array = NpyArray::open(path).unwrap();
        let mut values = vec![0.0; array.shape().iter().product()];
        array.read(0, &mut values);
        values
    }

    #[test]
    fn every_precision_and_byte_order_is_read_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let values = [1.0, -2.5, 0.0, 65504.0, 2f64.powi(-24), 0.333251953125];
        type Encode = fn(f64) -> Vec<u8>;
        let encodings: [(&str, Encode); 6] = [
            ("<f2", |x| f16::from_f64(x).to_le_bytes().into()),
            (">f2", |x| f16::from_f64(x).to_be_bytes().into()),
            ("<f4", |x| (x as f32).to_le_bytes().into()),
            (">f4", |x| (x as f32).to_be_bytes().into()),
            ("<f8", |x| x.to_le_bytes().into()),
            (">f8", |x| x.to_be_bytes().into()),
        ];
        for (descriptor, encode) in encodings {
            let bytes: Vec<u8> = values.iter().flat_map(|&x| encode(x)).collect();
            let path = file(folder.path(), descriptor, false, "(2, 3)", &bytes);
            assert_eq!(read(&path), values, "{descriptor}");
            // The bit patterns of 1/3 by the standard, not by the crate.
            if descriptor == "<f2" {
                assert_eq!(read(&file(folder.path(), "<f2", false, "(1,)", &[0x55, 0x35])), [0.333251953125]);
            }
            // In Fortran order, the first index is the fastest.
            let turned: Vec<u8> = [0, 3, 1, 4, 2, 5].iter().flat_map(|&i| encode(values[i])).collect();
            assert_eq!(read(&file(folder.path(), descriptor, true, "(2, 3)", &turned)), values, "{descriptor}");
        }
    }

    #[test]
    fn what_is_no_such_array_is_refused_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |path: &Path| NpyArray::open(path).unwrap_err().to_string();
        let made = |descriptor: &str, shape: &str, bytes: usize| {
            refused(&file(folder.path(), descriptor, false, shape, &vec![0; bytes]))
        };
        for (found, words) in [
            (made("<i8", "(2, 3)", 48), ["<i8", "astype"]),
            (made("|b1", "(2, 3)", 6), ["|b1", "float32"]),
            (made("<c16", "(2, 3)", 96), ["<c16", "two components"]),
            (made("<f16", "(2, 3)", 96), ["<f16", "float64"]),
            (made("<f4", "(2, 3)", 20), ["20 bytes", "24"]),
            (made("<f4", "(2, 3)", 28), ["28 bytes", "appended"]),
            (made("<f8", "(4294967296, 4294967296, 2)", 8), ["8 bytes", "address"]),
        ] {
            assert!(words.iter().all(|word| found.contains(word)) && found.contains("array.npy"), "{found}");
        }
        let path = folder.path().join("array.npy");
        for (bytes, word) in
            [(&b""[..], "ends within"), (b"\x93NUMPY\x01\x00v", "ends within"), (b"PK\x03\x04abcdef", "magic")]
        {
            std::fs::write(&path, bytes).unwrap();
            let found = refused(&path);
            assert!(found.contains(word) && found.contains("numpy.save"), "{found}");
        }
    }
}
