//! One session of ONNX Runtime: tensors in, tensors out.

use super::bound::BoundBatch;
use super::options::{Declaration, Device};
use super::signature::Signature;
use crate::error::{Error, Result};
use crate::runtime::Runtime;
use ort::ep::CUDA;
use ort::ep::cuda::ConvAlgorithmSearch;
use ort::session::Session;
use ort::session::builder::SessionBuilder;
use std::path::PathBuf;
use std::sync::Arc;

/// A model in memory, with the files beside it, for as many sessions as are needed.
pub(super) struct Source {
    pub name: String,
    pub bytes: Vec<u8>,
    pub external: Vec<(PathBuf, Arc<[u8]>)>,
    pub device: Device,
    pub tf32: bool,
}

/// What ONNX Runtime says of an output that is not of the shape it was given memory for.
const MOVED_SHAPE: [&str; 2] = ["invalid dimensions for output", "shape verification failed"];

/// A session with its buffers: one user at a time.
pub(super) struct Network {
    /// One for every size that was run.
    batches: Vec<BoundBatch>,
    session: Session,
    signature: Arc<Signature>,
    source: Arc<Source>,
}

impl Network {
    /// A session on the processor, and what its graph takes: the way in for every file.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when ONNX Runtime refuses the file or its inputs and output are not those of a score network.
    pub fn open(runtime: &Runtime, source: &Arc<Source>, declaration: &Declaration) -> Result<(Self, Arc<Signature>)> {
        let session = session(runtime, source, None).map_err(|error| refused(&source.name, runtime.minor(), &error))?;
        let signature = Signature::new(session.inputs(), session.outputs(), declaration)
            .map_err(|reason| Error::ModelFile { file: source.name.clone(), reason })?;
        let signature = Arc::new(signature);
        Ok((Network::with(session, source, &signature), signature))
    }

    /// Another session of the same file, on the device that was asked for.
    ///
    /// # Errors
    /// [`Error::DeviceUnavailable`], [`Error::OutOfMemory`].
    pub fn another(runtime: &Runtime, source: &Arc<Source>, signature: &Arc<Signature>, batch: usize) -> Result<Self> {
        let placed = match source.device {
            Device::Cpu => session(runtime, source, None),
            Device::Cuda(_) => session(runtime, source, Some((signature, batch))),
        };
        let session = placed.map_err(|error| failed(source, &error))?;
        Ok(Network::with(session, source, signature))
    }

    fn with(session: Session, source: &Arc<Source>, signature: &Arc<Signature>) -> Self {
        Network { batches: vec![], session, signature: signature.clone(), source: source.clone() }
    }

    /// The output for a batch: `field` and `out` are whole tensors in the order of the graph, `time` holds one number a
    /// field, of which a graph that takes a common one gets the first.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when ONNX Runtime fails on it, or the output has another shape; [`Error::OutOfMemory`];
    /// [`Error::DeviceUnavailable`] when a device stops.
    pub fn run(&mut self, time: &[f64], field: &[f64], out: &mut [f64]) -> Result<()> {
        self.evaluate((time, field, field), false, out)
    }

    /// The product of `cotangent` with the derivative of the output, for graphs that have it.
    ///
    /// # Errors
    /// As [`Network::run`].
    pub fn adjoint(&mut self, time: &[f64], field: &[f64], cotangent: &[f64], out: &mut [f64]) -> Result<()> {
        if self.signature.adjoint.is_none() {
            return Err(Error::Internal("the graph has no adjoint".into()));
        }
        self.evaluate((time, field, cotangent), true, out)
    }

    fn evaluate(&mut self, given: (&[f64], &[f64], &[f64]), adjoint: bool, out: &mut [f64]) -> Result<()> {
        let Network { batches, session, signature, source } = self;
        let batch = given.0.len();
        let fail = |error: ort::Error| {
            let said = error.message();
            if !MOVED_SHAPE.iter().any(|words| said.contains(words)) {
                return failed(source, &error);
            }
            let expected = signature.field_shape(batch);
            let reason = format!("its output has not the shape of the field, {expected:?} (ONNX Runtime: {said})");
            Error::ModelFile { file: source.name.clone(), reason }
        };
        let place = match batches.iter().position(|bound| bound.is_for(batch, adjoint)) {
            Some(place) => place,
            None => {
                batches.push(BoundBatch::new(session, signature, batch, adjoint).map_err(fail)?);
                batches.len() - 1
            }
        };
        batches[place].run(session, signature, given, out).map_err(fail)
    }
}

/// A session of one thread: batches are split over sessions, so that results cannot depend on the number of threads.
/// With a place: the whole graph on that device, for one size of batch, or an error.
fn session(runtime: &Runtime, source: &Source, place: Option<(&Signature, usize)>) -> ort::Result<Session> {
    let device = if place.is_some() { source.device } else { Device::Cpu };
    let mut builder = builder(runtime, source, device)?;
    if let Some((Some(name), batch)) = place.map(|(signature, batch)| (&signature.batch_name, batch)) {
        builder = builder.with_dimension_override(name, batch as i64)?;
    }
    builder.commit_from_memory(&source.bytes)
}

/// For a session of one thread with what lies beside the file, all of it on `device`.
pub(super) fn builder(runtime: &Runtime, source: &Source, device: Device) -> ort::Result<SessionBuilder> {
    let builder = Session::builder(runtime.environment())?;
    let builder = builder.with_intra_threads(1)?.with_inter_threads(1)?.with_deterministic_compute(true)?;
    let mut builder = builder.with_log_level(ort::logging::LogLevel::Fatal)?;
    for (name, contents) in &source.external {
        builder = builder.with_external_initializer_file_in_memory(name, contents.clone())?;
    }
    if let Device::Cuda(number) = device {
        // The search for the fastest convolution would choose by a race: another algorithm, other bits.
        let provider = CUDA::default()
            .with_device_id(number as i32)
            .with_tf32(source.tf32)
            .with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic);
        builder = builder.with_execution_providers([provider.build().error_on_failure()])?;
        builder = builder.with_disable_cpu_fallback()?;
    }
    Ok(builder)
}

/// A file that ONNX Runtime does not take.
fn refused(file: &str, minor: u32, error: &ort::Error) -> Error {
    let said = error.message();
    let unknown = [
        "not a registered function/op",
        "No Op registered",
        "is not supported",
        "NOT_IMPLEMENTED",
        "Could not find an implementation",
    ];
    let what = if said.contains("Protobuf parsing failed") || said.contains("INVALID_PROTOBUF") {
        "no ONNX file, or cut short or damaged"
    } else if unknown.iter().any(|word| said.contains(word)) {
        "it has an operator that this ONNX Runtime does not know; export it with another opset, or take another version"
    } else {
        "refused"
    };
    Error::ModelFile { file: file.to_string(), reason: format!("{what} (ONNX Runtime 1.{minor}: {said})") }
}

/// A failure of a session that had been opened on the processor: of memory, of the device, or of the graph on this batch.
pub(super) fn failed(source: &Source, error: &ort::Error) -> Error {
    let said = error.message();
    let lower = said.to_lowercase();
    if ["failed to allocate", "out of memory", "bad_alloc", "alloc_failed"].iter().any(|word| lower.contains(word)) {
        return Error::OutOfMemory {
            bytes: source.bytes.len(),
            purpose: "a network on ONNX Runtime (its file's size, at least)",
        };
    }
    match source.device {
        Device::Cpu => {
            Error::ModelFile { file: source.name.clone(), reason: format!("ONNX Runtime fails on it: {said}") }
        }
        device => Error::DeviceUnavailable { device: device.to_string(), reason: said.to_string() },
    }
}
