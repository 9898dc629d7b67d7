//! What all commands share: options, progress, JSON, interruption.

use clap::Args;
use ndarray::{ArrayD, ArrayViewD, IxDyn};
use ndarray_npy::ReadNpyExt;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stoq::analysis::WeightEstimate;
use stoq::files_hdf5::{Values, is_hdf5};
use stoq::lattice::Lattice;
use stoq::{Error, Result};

/// Flags of every command.
#[derive(Args)]
pub struct Global {
    /// Write a machine-readable result to this file (- for standard output)
    #[arg(long, global = true, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Read flags from this TOML file, each under its own name; those on the command line come first
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Threads
    #[arg(long, global = true, default_value_t = 1, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1024))]
    pub threads: usize,
    /// Seed of all random numbers
    #[arg(long, global = true, default_value_t = 1)]
    pub seed: u64,
    /// Print nothing but errors
    #[arg(long, global = true)]
    pub quiet: bool,
}

/// Why a command did not succeed; decides the exit status.
pub enum Failure {
    /// A check failed: status 1.
    Check(String),
    /// Bad usage or bad input: status 2.
    Input(Error),
    /// Ctrl-C.
    Interrupted,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Check(what) => f.write_str(what),
            Failure::Input(error) => error.fmt(f),
            Failure::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Input(error)
    }
}

/// Set by Ctrl-C; long commands look at it between pieces of work.
pub fn interruption() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let shared = flag.clone();
    // Without a handler Ctrl-C still ends the program, only less gracefully.
    if ctrlc::set_handler(move || shared.store(true, Ordering::SeqCst)).is_err() {
        eprintln!("stoq: Ctrl-C will stop at once, without saving");
    }
    flag
}

/// A progress bar on a terminal, plain lines elsewhere, nothing when quiet.
pub struct Reporter {
    bar: Option<indicatif::ProgressBar>,
    quiet: bool,
    total: u64,
    next_line: u64,
}

impl Reporter {
    /// For `total` pieces of work.
    pub fn new(global: &Global, total: u64) -> Self {
        use std::io::IsTerminal;
        let style = "{elapsed_precise} [{wide_bar}] {pos}/{len} {per_sec}, {eta} left {msg}";
        let bar = (!global.quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = indicatif::ProgressBar::new(total);
            if let Ok(style) = indicatif::ProgressStyle::with_template(style) {
                bar.set_style(style);
            }
            bar
        });
        Reporter { bar, quiet: global.quiet, total, next_line: 0 }
    }

    /// `done` of the pieces are done.
    pub fn update(&mut self, done: u64, message: &str) {
        if let Some(bar) = &self.bar {
            bar.set_length(self.total);
            bar.set_position(done);
            bar.set_message(message.to_string());
        } else if !self.quiet && (done >= self.next_line || done == self.total) {
            eprintln!("{done}/{} {message}", self.total);
            self.next_line = done + (self.total / 20).max(1);
        }
    }

    /// Changes the amount of work.
    pub fn set_total(&mut self, total: u64) {
        self.total = total;
        self.next_line = 0;
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Prints a line to standard output. A reader who closed the pipe has seen enough: not an error.
pub fn print_line(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints a line unless quiet.
pub fn say(global: &Global, text: &str) {
    let to_standard_output = global.json.as_ref().is_some_and(|path| path.as_os_str() == "-");
    match (global.quiet, to_standard_output) {
        (true, _) => {}
        (false, true) => eprintln!("{text}"),
        (false, false) => print_line(text),
    }
}

/// The result of a command, in the layout that all commands share.
pub struct Record(Map<String, Value>);

impl Record {
    /// Starts with the command's name and parameters.
    pub fn new(command: &str, parameters: Value) -> Self {
        let mut map = Map::new();
        map.insert("command".into(), json!(command));
        map.insert("version".into(), json!(env!("CARGO_PKG_VERSION")));
        map.insert("parameters".into(), parameters);
        Record(map)
    }

    /// Adds a quantity. One that does not apply is left out, never set to zero.
    pub fn set(&mut self, key: &str, value: Value) {
        self.0.insert(key.into(), value);
    }

    /// Writes to the file of `--json`, if given.
    pub fn write(self, global: &Global) -> Result<()> {
        let Some(path) = &global.json else { return Ok(()) };
        let text = serde_json::to_string_pretty(&Value::Object(self.0))
            .map_err(|error| Error::Internal(format!("result file: {error}")))?;
        if path.as_os_str() == "-" {
            print_line(&text);
            return Ok(());
        }
        stoq::files::write_atomically(path, format!("{text}\n").as_bytes())
    }
}

/// Fields of `components` values a site from an `.npy` array of float64 or float32 of shape (configurations,
/// extents...), or (configurations, components, extents...): the lattice, and the fields one after the other.
/// Or the same of an HDF5 file.
pub fn read_fields(path: &Path, components: usize) -> Result<(Lattice, Vec<f64>)> {
    let (shape, values) = if is_hdf5(path) { stoq::files_hdf5::values(path)? } else { read_npy(path)? };
    let first = if components == 1 { 1 } else { 2 };
    if components != 1 && shape.get(1) != Some(&components) {
        let expected = format!("(configurations, {components} components, extents...)");
        return Err(Error::shape(&format!("{}", path.display()), shape, expected));
    }
    let lattice = Lattice::new(shape.get(first..).unwrap_or(&[]))?.with_components(components)?;
    Ok((lattice, values))
}

fn read_npy(path: &Path) -> Result<(Vec<usize>, Vec<f64>)> {
    let open = || std::fs::File::open(path).map(std::io::BufReader::new).map_err(|source| Error::io(path, source));
    let array: ArrayD<f64> = match ArrayD::<f64>::read_npy(open()?) {
        Ok(array) => array,
        Err(_) => match ArrayD::<f32>::read_npy(open()?) {
            Ok(array) => array.mapv(f64::from),
            Err(error) => {
                let value = format!("{} ({error})", path.display());
                return Err(Error::invalid("data file", value, "a .npy array of float64 or float32"));
            }
        },
    };
    Ok((array.shape().to_vec(), array.iter().copied().collect()))
}

/// Writes fields that lie one after the other, in the shape that [`read_fields`] reads, with their log weights if they
/// have any, and what they are: beside an `.npy` file `NAME.log_weights.npy` and `NAME.json`, or all into one HDF5 file.
pub fn write_fields(
    path: &Path,
    lattice: &Lattice,
    (fields, log_weights): (&[f64], Option<&[f64]>),
    description: &Value,
) -> Result<()> {
    let components = Some(lattice.components()).filter(|&components| components > 1);
    let leading = std::iter::once(fields.len() / lattice.values()).chain(components);
    let shape: Vec<usize> = leading.chain(lattice.extents().iter().copied()).collect();
    if is_hdf5(path) {
        return stoq::files_hdf5::write(path, &shape, Values::Double(fields), log_weights, description);
    }
    let array = ArrayViewD::from_shape(IxDyn(&shape), fields)
        .map_err(|error| Error::Internal(format!("npy shape: {error}")))?;
    stoq::files::write_npy(path, &array)?;
    if let Some(log_weights) = log_weights {
        let path = path.with_extension("log_weights.npy");
        stoq::files::write_npy(&path, &ndarray::ArrayView1::from(log_weights))?;
    }
    stoq::files_description::write(path, description)
}

/// A value with its error in the result file.
pub fn pair(estimate: &WeightEstimate) -> Value {
    json!({"value": estimate.value, "error": estimate.error})
}
