//! Files by libhdf5, through the crate `hdf5-metno`; values and the count by plain reads and writes at their place.

use super::{Array, Place, Values, metadata as attributes};
use crate::error::{Error, Result, require_length};
use hdf5::dataset::{AllocTime, Layout};
use hdf5::datatype::ByteOrder;
use hdf5::types::{FloatSize, TypeDescriptor};
use hdf5::{Dataset, File};
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const CONFIGURATIONS: &str = "configurations";
const COUNT: &str = "count";
const LOG_WEIGHTS: &str = "log_weights";

/// Writes a file, whole or not at all: `shape` is (configurations, \[components,\] extents...), `about` becomes attributes.
///
/// # Errors
/// [`Error::Io`]; [`Error::ShapeMismatch`] unless the values fill the shape.
pub fn write(path: &Path, shape: &[usize], values: Values, log_weights: Option<&[f64]>, about: &Value) -> Result<()> {
    let (count, width) = match values {
        Values::Single(values) => (values.len(), 4),
        Values::Double(values) => (values.len(), 8),
    };
    require_length("values of the configurations", count, shape.iter().product())?;
    let plan = Plan { shape, width, log_weights, about };
    let rows = shape.first().map_or(0, |&rows| rows as u64);
    replace(path, &plan, rows, |file| match values {
        Values::Single(values) => values.iter().try_for_each(|value| file.write_all(&value.to_le_bytes())),
        Values::Double(values) => values.iter().try_for_each(|value| file.write_all(&value.to_le_bytes())),
    })
}

/// The attributes of a file, as the JSON of a sidecar; `configurations` is what the file counts.
///
/// # Errors
/// [`Error::Io`]; [`Error::InvalidArgument`] for what is no HDF5 file.
pub fn metadata(path: &Path) -> Result<Value> {
    let file = open(path)?;
    let mut about = attributes::read(&file).map_err(|error| fault(path, &error))?;
    if about.get("configurations").is_some() {
        about["configurations"] = json!(array_of(&file, path)?.shape[0]);
    }
    Ok(about)
}

/// Replaces the attributes; what a run left of its room unwritten goes.
///
/// # Errors
/// Those of [`metadata`].
pub fn set_metadata(path: &Path, about: &Value) -> Result<()> {
    let array = read(path)?;
    let log_weights = {
        let file = open(path)?;
        let kept = file.dataset(LOG_WEIGHTS).ok().map(|dataset| dataset.read_raw::<f64>()).transpose();
        kept.map_err(|error| fault(path, &error))?
    };
    let mut shape = array.shape.clone();
    shape[0] = shape[0].max(1);
    copy(path, &array, &Plan { shape: &shape, width: array.width, log_weights: log_weights.as_deref(), about })
}

/// Shape and values of the configurations of a file, in memory.
///
/// # Errors
/// Those of [`metadata`].
pub fn values(path: &Path) -> Result<(Vec<usize>, Vec<f64>)> {
    let array = read(path)?;
    let bytes = match array.place {
        Place::Memory(bytes) => bytes,
        Place::File(offset) => {
            let mut bytes = vec![0; array.shape.iter().product::<usize>() * array.width];
            let mut file = std::fs::File::open(path).map_err(|source| Error::io(path, source))?;
            file.seek(SeekFrom::Start(offset)).map_err(|source| Error::io(path, source))?;
            std::io::Read::read_exact(&mut file, &mut bytes).map_err(|source| Error::io(path, source))?;
            bytes
        }
    };
    let values = match array.width {
        4 => bytes.as_chunks().0.iter().map(|&bytes| f64::from(f32::from_le_bytes(bytes))).collect(),
        _ => bytes.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect(),
    };
    Ok((array.shape, values))
}

/// The configurations of a file: the dataset `configurations`, or the only one.
pub(crate) fn read(path: &Path) -> Result<Array> {
    array_of(&open(path)?, path)
}

/// What a file is to hold.
struct Plan<'a> {
    /// The first extent is the room.
    shape: &'a [usize],
    width: usize,
    log_weights: Option<&'a [f64]>,
    about: &'a Value,
}

/// Byte offsets of the values and of the count.
#[derive(Clone, Copy, Debug)]
struct Places {
    values: u64,
    count: u64,
}

/// Makes a file beside `path`, lets `fill` write the first `rows` configurations, and renames it.
fn replace(
    path: &Path,
    plan: &Plan,
    rows: u64,
    fill: impl FnOnce(&mut BufWriter<&std::fs::File>) -> std::io::Result<()>,
) -> Result<()> {
    let temporary = crate::files::beside(path)?;
    let places = make(temporary.path(), plan).map_err(|error| fault(path, &error))?;
    let fail = |source| Error::io(path, source);
    let mut file = OpenOptions::new().write(true).open(temporary.path()).map_err(fail)?;
    file.seek(SeekFrom::Start(places.values)).map_err(fail)?;
    let mut buffer = BufWriter::new(&file);
    fill(&mut buffer).and_then(|()| buffer.flush()).map_err(fail)?;
    drop(buffer);
    file.seek(SeekFrom::Start(places.count)).map_err(fail)?;
    file.write_all(&rows.to_le_bytes()).and_then(|()| file.sync_all()).map_err(fail)?;
    crate::files::put_in_place(temporary, path)
}

/// The same with the configurations of `array`, which came from `path`.
fn copy(path: &Path, array: &Array, plan: &Plan) -> Result<()> {
    let rows = array.shape[0] as u64;
    let bytes = array.shape.iter().product::<usize>() as u64 * array.width as u64;
    let mut old = std::fs::File::open(path).map_err(|source| Error::io(path, source))?;
    replace(path, plan, rows, |file| match &array.place {
        Place::Memory(values) => file.write_all(values),
        Place::File(offset) => {
            old.seek(SeekFrom::Start(*offset))?;
            std::io::copy(&mut std::io::Read::take(&mut old, bytes), file).map(drop)
        }
    })
}

/// An HDF5 file with everything but the configurations and their count.
fn make(path: &Path, plan: &Plan) -> hdf5::Result<Places> {
    // Eight bytes that do not lie in two sectors.
    let file = File::with_options().with_fapl(|access| access.alignment(1, 8)).create(path)?;
    let room = |name, width| {
        let made = match width {
            4 => file.new_dataset::<f32>().shape(plan.shape.to_vec()).no_chunk().fill_value(f32::NAN),
            _ => file.new_dataset::<f64>().shape(plan.shape.to_vec()).no_chunk().fill_value(f64::NAN),
        };
        made.alloc_time(Some(AllocTime::Early)).create(name)
    };
    let values = room(CONFIGURATIONS, plan.width)?;
    let count = file.new_dataset::<u64>().shape(()).alloc_time(Some(AllocTime::Early)).create(COUNT)?;
    if let Some(log_weights) = plan.log_weights {
        file.new_dataset_builder().with_data(log_weights).create(LOG_WEIGHTS)?;
    }
    attributes::write(&file, "", plan.about)?;
    let places = values.offset().zip(count.offset());
    drop((values, count));
    file.close()?;
    let (values, count) = places.ok_or("HDF5 gave no place to the configurations".to_string())?;
    Ok(Places { values, count })
}

fn open(path: &Path) -> Result<File> {
    // What the system says of a file that is not there or may not be read is clearer than what HDF5 says.
    std::fs::File::open(path).map_err(|source| Error::io(path, source))?;
    File::open(path).map_err(|error| {
        Error::invalid(
            "data file",
            format!("{} ({error})", path.display()),
            "an HDF5 file, whole and not open for writing",
        )
    })
}

fn array_of(file: &File, path: &Path) -> Result<Array> {
    let fail = |error: hdf5::Error| fault(path, &error);
    let (dataset, name) = configurations_of(file, path)?;
    let what = |found: &str| format!("{found} in {}: {name}", path.display());
    let (mut shape, written) = (dataset.shape(), file.dataset(COUNT).and_then(|count| count.read_scalar::<u64>()).ok());
    if shape.is_empty() {
        return Err(Error::invalid("data file", what("one number"), "an array (configurations, extents...)"));
    }
    if let Some(written) = written {
        if written > shape[0] as u64 {
            let expected = format!("room for the {written} configurations that it counts: copy the file again");
            return Err(Error::invalid("data file", what(&format!("room for {}", shape[0])), &expected));
        }
        shape[0] = written as usize;
    }
    let kind = dataset.dtype().map_err(fail)?;
    let order = kind.byte_order();
    let width = match kind.to_descriptor().map_err(fail)? {
        TypeDescriptor::Float(FloatSize::U4) => 4,
        TypeDescriptor::Float(FloatSize::U8) => 8,
        other => {
            let expected =
                "float32 or float64; a complex field is one of two components, (configurations, 2, extents...)";
            return Err(Error::invalid("type of the values", what(&format!("{other:?}")), expected));
        }
    };
    let contiguous = dataset.layout() == Layout::Contiguous && order == ByteOrder::LittleEndian;
    let place = match dataset.offset().filter(|_| contiguous) {
        Some(offset) => Place::File(offset),
        None => Place::Memory(values_of(&dataset, width, shape.iter().product()).map_err(fail)?),
    };
    Ok(Array { shape, width, place })
}

/// What another program compressed or wrote in its own byte order.
fn values_of(dataset: &Dataset, width: usize, count: usize) -> hdf5::Result<Vec<u8>> {
    Ok(match width {
        4 => dataset.read_raw::<f32>()?[..count].iter().flat_map(|value| value.to_le_bytes()).collect(),
        _ => dataset.read_raw::<f64>()?[..count].iter().flat_map(|value| value.to_le_bytes()).collect(),
    })
}

fn configurations_of(file: &File, path: &Path) -> Result<(Dataset, String)> {
    if let Ok(dataset) = file.dataset(CONFIGURATIONS) {
        return Ok((dataset, CONFIGURATIONS.into()));
    }
    let mut all = file.datasets().map_err(|error| fault(path, &error))?;
    let names: Vec<String> = all.iter().map(|dataset| dataset.name()).collect();
    match (all.pop(), names.len()) {
        (Some(dataset), 1) => Ok((dataset, names[0].clone())),
        _ => {
            let found = format!("{} with datasets [{}]", path.display(), names.join(", "));
            Err(Error::invalid("data file", found, "a dataset `configurations`, or one dataset only"))
        }
    }
}

fn fault(path: &Path, error: &hdf5::Error) -> Error {
    Error::io(path, std::io::Error::other(format!("HDF5: {error}")))
}

/// Configurations in float32 that join a file; see the [module](super) for what an interruption leaves.
#[derive(Debug)]
pub(crate) struct Growing {
    path: PathBuf,
    /// Extents behind the first axis.
    rest: Vec<usize>,
    rows: u64,
    room: Option<Room>,
}

/// An open file with room.
#[derive(Debug)]
struct Room {
    file: std::fs::File,
    places: Places,
    rows: u64,
}

impl Growing {
    /// Opens a file whose configurations have the extents `rest`; it need not be there yet.
    ///
    /// # Errors
    /// Those of [`read`]; [`Error::ShapeMismatch`] for other extents; [`Error::InvalidArgument`] for float64.
    pub fn open(path: &Path, rest: &[usize]) -> Result<Self> {
        let mut rows = 0;
        if path.exists() {
            let array = read(path)?;
            if array.shape[1..] != *rest {
                return Err(Error::shape(
                    &format!("the configurations of {}", path.display()),
                    &array.shape[1..],
                    rest,
                ));
            }
            if array.width != 4 {
                let expected = "float32, as `stoq data` writes it";
                return Err(Error::invalid("data file", format!("float64 in {}", path.display()), expected));
            }
            rows = array.shape[0] as u64;
        }
        Ok(Growing { path: path.into(), rest: rest.to_vec(), rows, room: None })
    }

    /// Number of configurations.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Makes the file anew with room for `rows` configurations in all, and with other attributes.
    ///
    /// # Errors
    /// Those of [`read`]; the file is then as it was.
    pub fn reserve(&mut self, rows: u64, about: &Value) -> Result<()> {
        let shape: Vec<usize> =
            std::iter::once(rows.max(self.rows).max(1) as usize).chain(self.rest.iter().copied()).collect();
        let plan = Plan { shape: &shape, width: 4, log_weights: None, about };
        match self.path.exists() {
            true => copy(&self.path, &read(&self.path)?, &plan)?,
            false => replace(&self.path, &plan, 0, |_| Ok(()))?,
        }
        let fail = |error: hdf5::Error| fault(&self.path, &error);
        let made = open(&self.path)?;
        let offset = |name: &str| made.dataset(name).map(|dataset| dataset.offset()).map_err(fail);
        let (Some(values), Some(count)) = (offset(CONFIGURATIONS)?, offset(COUNT)?) else {
            return Err(Error::Internal("HDF5 gave no place to the configurations".into()));
        };
        drop(made);
        let file = OpenOptions::new().write(true).open(&self.path).map_err(|source| Error::io(&self.path, source))?;
        self.room = Some(Room { file, places: Places { values, count }, rows: shape[0] as u64 });
        Ok(())
    }

    /// Adds configurations; they are safe on the disk when this returns.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for a part of a configuration, or more than there is room for; [`Error::Io`]: the file then
    /// has the configurations that it had.
    pub fn append(&mut self, values: &[f32]) -> Result<()> {
        let row = self.rest.iter().product::<usize>();
        require_length("configurations to append", values.len(), values.len() / row * row)?;
        let rows = self.rows + (values.len() / row) as u64;
        let Some(room) = self.room.as_mut().filter(|room| rows <= room.rows) else {
            return Err(Error::shape("configurations to append", rows, "room for them: reserve it first"));
        };
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let fail = |source| Error::io(&self.path, source);
        room.file.seek(SeekFrom::Start(room.places.values + self.rows * 4 * row as u64)).map_err(fail)?;
        room.file.write_all(&bytes).and_then(|()| room.file.sync_data()).map_err(fail)?;
        room.file.seek(SeekFrom::Start(room.places.count)).map_err(fail)?;
        room.file.write_all(&rows.to_le_bytes()).and_then(|()| room.file.sync_data()).map_err(fail)?;
        self.rows = rows;
        Ok(())
    }
}
