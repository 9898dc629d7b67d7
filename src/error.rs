//! One error type for the whole library.
//!
//! Every message names the parameter, its value, what was expected and the way out, because the
//! person who reads it is looking at the log of a batch job, not at this source.

use std::path::PathBuf;

/// What can go wrong. The C ABI maps each variant to one status code (`src/capi/status.rs`).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A parameter has a value that cannot be used.
    #[error("{parameter} = {value}: expected {expected}")]
    InvalidArgument { parameter: String, value: String, expected: String },

    /// Two objects that must agree on the lattice, or on a buffer length, do not.
    #[error("shape of {what} is {found}, expected {expected}")]
    ShapeMismatch { what: String, found: String, expected: String },

    /// A field, force or action that must be finite is not.
    #[error("{what} is not finite (first at index {index}: {value}); the call changed nothing")]
    NotFinite { what: String, index: usize, value: f64 },

    /// A model file cannot be used.
    #[error("model {file}: {reason}")]
    ModelFile { file: String, reason: String },

    /// The library of ONNX Runtime, which exported networks need, cannot be had.
    #[error("ONNX Runtime: {reason}")]
    RuntimeMissing { reason: String },

    /// A device that was asked for is not there, or stopped working.
    #[error("device {device}: {reason}")]
    DeviceUnavailable { device: String, reason: String },

    /// A saved chain state cannot be used.
    #[error("chain state: {reason}")]
    ChainState { reason: String },

    /// A host callback asked to stop; `code` is the negative value that it returned.
    #[error("the host's {callback} callback stopped the call with code {code}")]
    CallbackStopped { callback: &'static str, code: i32 },

    /// A call came at the wrong time, for example `resolve` without a pending `propose`.
    #[error("{call}: {reason}")]
    WrongOrder { call: &'static str, reason: String },

    /// Reading or writing a file failed.
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },

    /// Memory could not be had.
    #[error("out of memory: {bytes} bytes for {purpose}")]
    OutOfMemory { bytes: usize, purpose: &'static str },

    /// A fault of this library, never of the caller.
    #[error("internal error in stoq: {0}; please report it")]
    Internal(String),
}

/// Result with the library's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Shorthand for [`Error::InvalidArgument`].
    pub fn invalid(parameter: &str, value: impl std::fmt::Display, expected: &str) -> Self {
        Error::InvalidArgument { parameter: parameter.into(), value: value.to_string(), expected: expected.into() }
    }

    /// Shorthand for [`Error::ShapeMismatch`].
    pub fn shape(what: &str, found: impl std::fmt::Debug, expected: impl std::fmt::Debug) -> Self {
        Error::ShapeMismatch { what: what.into(), found: format!("{found:?}"), expected: format!("{expected:?}") }
    }

    /// Shorthand for [`Error::Io`].
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Error::Io { path: path.into(), source }
    }
}

/// Checks that every value of `field` is finite; `what` names it in the message.
pub fn require_finite(what: &str, field: &[f64]) -> Result<()> {
    match field.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Error::NotFinite { what: what.into(), index, value: field[index] }),
    }
}

/// Checks the length of a buffer against the number of values it must hold.
pub fn require_length(what: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(Error::shape(what, found, expected)) }
}
