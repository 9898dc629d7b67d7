//! Networks that another program exported to ONNX, as score models: the user's own network in the exact kernels.
//!
//! A file says what its network is by `stoq.*` metadata (`keys.rs`; `stoq.export` in Python and `stoq adopt` write them), or
//! the caller does ([`Declaration`]). Opening checks what can be checked: the graph loads, its inputs and output
//! are those of a score network, the test vector of the exporting program comes out again, nothing is NaN; and finds out which
//! batches ONNX Runtime evaluates to the same bits (`together.rs`), for the kernels are exact only if both directions
//! evaluate one function.
//!
//! A file that stoq wrote itself is evaluated by stoq itself, unless ONNX Runtime or a device is asked for.

// Without ONNX Runtime a file is still read, to say why it cannot be opened.
#![cfg_attr(not(feature = "onnxruntime"), allow(dead_code))]

mod file;
mod keys;
mod options;

#[cfg(feature = "onnxruntime")]
mod bound;
#[cfg(feature = "onnxruntime")]
mod convention;
#[cfg(feature = "onnxruntime")]
mod differential;
#[cfg(feature = "onnxruntime")]
mod evaluator;
#[cfg(feature = "onnxruntime")]
mod network;
#[cfg(feature = "onnxruntime")]
mod opening;
#[cfg(feature = "onnxruntime")]
mod probe;
#[cfg(feature = "onnxruntime")]
mod signature;
#[cfg(feature = "onnxruntime")]
mod steps;
#[cfg(feature = "onnxruntime")]
mod together;

#[cfg(feature = "onnxruntime")]
pub use opening::OnnxScore;
pub use options::{Channels, Declaration, Device, Engine, NetworkOutput, Normalisation, OpenOptions, Steps, TimeInput};

use super::{NativeScore, Score};
use crate::action::ActionRecord;
use crate::error::{Error, Result};
use crate::model::onnx;
use file::ModelFile;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// A model that was opened.
#[derive(Clone)]
pub enum Opened {
    /// Evaluated by stoq.
    Native(Arc<NativeScore>),
    /// Evaluated by ONNX Runtime.
    #[cfg(feature = "onnxruntime")]
    Exported(Arc<OnnxScore>),
}

impl Opened {
    /// The model.
    pub fn score(&self) -> Arc<dyn Score> {
        match self {
            Opened::Native(score) => score.clone(),
            #[cfg(feature = "onnxruntime")]
            Opened::Exported(score) => score.clone(),
        }
    }

    /// The action that it was trained for, if the file names one.
    pub fn action(&self) -> Option<ActionRecord> {
        match self {
            Opened::Native(score) => score.model().metadata().action.clone(),
            #[cfg(feature = "onnxruntime")]
            Opened::Exported(score) => score.declaration().action.clone(),
        }
    }

    /// What is known of a network that ONNX Runtime evaluates, under names; the entry `steps` is that of the moment.
    pub fn facts(&self) -> Option<BTreeMap<String, String>> {
        match self {
            Opened::Native(_) => None,
            #[cfg(feature = "onnxruntime")]
            Opened::Exported(score) => Some(score.facts()),
        }
    }

    /// The model with its weights, if stoq evaluates it.
    pub fn native(&self) -> Option<&Arc<NativeScore>> {
        match self {
            Opened::Native(score) => Some(score),
            #[cfg(feature = "onnxruntime")]
            Opened::Exported(_) => None,
        }
    }
}

/// Opens a model file of any kind.
///
/// # Errors
/// [`Error::Io`]; [`Error::ModelFile`] for a file that is no usable model; [`Error::InvalidArgument`] for options that
/// contradict the file or are missing; [`Error::RuntimeMissing`] when ONNX Runtime is needed and not there;
/// [`Error::DeviceUnavailable`].
pub fn open(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Opened> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|source| Error::io(path, source))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    open_bytes(bytes, &path.display().to_string(), Some(folder), options)
}

/// Opens a model in memory; `name` stands for it in messages, and `folder` is where files beside it would lie.
///
/// # Errors
/// As [`open`].
pub fn open_memory(bytes: &[u8], name: &str, folder: Option<&Path>, options: &OpenOptions) -> Result<Opened> {
    open_bytes(bytes.to_vec(), name, folder, options)
}

fn open_bytes(bytes: Vec<u8>, name: &str, folder: Option<&Path>, options: &OpenOptions) -> Result<Opened> {
    let file = ModelFile::read(&bytes, name, folder)?;
    let fail = |reason: String| Error::ModelFile { file: name.to_string(), reason };
    let declaration = options.declaration.merged(&Declaration::from_entries(&file.entries).map_err(fail)?)?;
    let native = match file.entries.contains_key(keys::NATIVE_KEY) {
        true => Some(Arc::new(NativeScore::new(onnx::from_bytes(&bytes, name)?)?)),
        false => None,
    };
    let by_stoq = match options.engine {
        Engine::Automatic => native.is_some() && options.device == Device::Cpu,
        Engine::Native => true,
        Engine::OnnxRuntime => false,
    };
    match native {
        Some(native) if by_stoq && options.device == Device::Cpu => Ok(Opened::Native(native)),
        _ if by_stoq && options.device != Device::Cpu => {
            Err(Error::invalid("device", options.device, "cpu with the native engine, or the engine onnxruntime"))
        }
        None if by_stoq => {
            Err(Error::invalid("engine", "native", "onnxruntime: the network was exported by another program"))
        }
        native => exported(bytes, name, file, declaration, native, options),
    }
}

#[cfg(feature = "onnxruntime")]
fn exported(
    bytes: Vec<u8>,
    name: &str,
    file: ModelFile,
    declaration: Declaration,
    native: Option<Arc<NativeScore>>,
    options: &OpenOptions,
) -> Result<Opened> {
    let source = network::Source {
        name: name.to_string(),
        bytes,
        external: file.external,
        device: options.device,
        tf32: options.tf32,
    };
    let opening =
        opening::Opening { source: Arc::new(source), declaration, native, batch: options.batch, steps: options.steps };
    Ok(Opened::Exported(Arc::new(opening.finish(options.runtime.as_deref(), &file.entries, file.hash)?)))
}

#[cfg(not(feature = "onnxruntime"))]
fn exported(
    _: Vec<u8>,
    name: &str,
    _: ModelFile,
    _: Declaration,
    _: Option<Arc<NativeScore>>,
    _: &OpenOptions,
) -> Result<Opened> {
    let reason = format!("{name} needs it, and this stoq was built without the feature `onnxruntime`");
    Err(Error::RuntimeMissing { reason })
}

/// The bytes of an exported model file with what `declaration` adds to its metadata: afterwards it needs no options. Graph,
/// weights and a test vector stay as they are.
///
/// # Errors
/// [`Error::ModelFile`] for a file that is none, or one of stoq's own networks, whose metadata are complete;
/// [`Error::InvalidArgument`] when it contradicts the file.
pub fn adopted(bytes: &[u8], name: &str, folder: &Path, declaration: &Declaration) -> Result<Vec<u8>> {
    let fail = |reason: String| Error::ModelFile { file: name.to_string(), reason };
    let file = ModelFile::read(bytes, name, Some(folder))?;
    if file.entries.contains_key(keys::NATIVE_KEY) {
        return Err(fail("stoq wrote it, and its metadata are complete".into()));
    }
    let whole = declaration.merged(&Declaration::from_entries(&file.entries).map_err(fail)?)?;
    let entries: Vec<_> = whole.to_entries().into_iter().chain(keys::test_entry(&file.entries)).collect();
    file::with_entries(bytes, &entries).map_err(fail)
}
