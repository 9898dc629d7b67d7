//! One session of ONNX Runtime: tensors in, tensors out.

use super::options::{Declaration, Device};
use super::signature::{Element, Signature};
use crate::error::{Error, Result};
use crate::runtime::Runtime;
use half::f16;
use ort::ep::CUDA;
use ort::ep::cuda::ConvAlgorithmSearch;
use ort::session::{Session, SessionInputValue};
use ort::value::TensorRef;
use std::borrow::Cow;
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

/// Values in the element type of a tensor.
enum Values {
    Half(Vec<f16>),
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl Values {
    fn new(element: Element) -> Self {
        match element {
            Element::Half => Values::Half(vec![]),
            Element::Single => Values::Single(vec![]),
            Element::Double => Values::Double(vec![]),
        }
    }

    fn fill(&mut self, values: &[f64]) {
        match self {
            Values::Half(buffer) => {
                buffer.clear();
                buffer.extend(values.iter().map(|&x| f16::from_f64(x)));
            }
            Values::Single(buffer) => {
                buffer.clear();
                buffer.extend(values.iter().map(|&x| x as f32));
            }
            Values::Double(buffer) => {
                buffer.clear();
                buffer.extend_from_slice(values);
            }
        }
    }

    /// A tensor on these values: nothing is copied.
    fn tensor(&self, shape: Vec<usize>) -> ort::Result<SessionInputValue<'_>> {
        Ok(match self {
            Values::Half(buffer) => TensorRef::from_array_view((shape, buffer.as_slice()))?.into(),
            Values::Single(buffer) => TensorRef::from_array_view((shape, buffer.as_slice()))?.into(),
            Values::Double(buffer) => TensorRef::from_array_view((shape, buffer.as_slice()))?.into(),
        })
    }
}

/// A session with its buffers: one user at a time.
pub(super) struct Network {
    session: Session,
    signature: Arc<Signature>,
    source: Arc<Source>,
    field: Values,
    time: Values,
    cotangent: Values,
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
        let (field, time) = (Values::new(signature.field.1), Values::new(signature.time.1));
        let cotangent = Values::new(signature.field.1);
        Network { session, signature: signature.clone(), source: source.clone(), field, time, cotangent }
    }

    /// The output for a batch: `field` and `out` are whole tensors in the order of the graph, `time` holds one number a
    /// field, of which a graph that takes a common one gets the first.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when ONNX Runtime fails on it, or the output has another shape; [`Error::OutOfMemory`];
    /// [`Error::DeviceUnavailable`] when a device stops.
    pub fn run(&mut self, time: &[f64], field: &[f64], out: &mut [f64]) -> Result<()> {
        let name = self.signature.output.clone();
        // A graph with a derivative wants its direction even when only the value is asked for.
        let cotangent = self.signature.adjoint.as_ref().map(|_| field);
        self.evaluate(time, field, cotangent, &name, out)
    }

    /// The product of `cotangent` with the derivative of the output, for graphs that have it.
    ///
    /// # Errors
    /// As [`Network::run`].
    pub fn adjoint(&mut self, time: &[f64], field: &[f64], cotangent: &[f64], out: &mut [f64]) -> Result<()> {
        let Some((_, name)) = self.signature.adjoint.clone() else {
            return Err(Error::Internal("the graph has no adjoint".into()));
        };
        let element = self.signature.field.1;
        self.evaluate(time, field, Some(cotangent), &(name, element), out)
    }

    fn evaluate(
        &mut self,
        time: &[f64],
        field: &[f64],
        cotangent: Option<&[f64]>,
        (name, element): &(String, Element),
        out: &mut [f64],
    ) -> Result<()> {
        let Network { session, signature, source, .. } = self;
        let batch = time.len();
        let (field_shape, time_shape) = (signature.field_shape(batch), signature.time_shape(batch));
        self.field.fill(field);
        self.time.fill(&time[..time_shape.iter().product()]);
        let fail = |error: ort::Error| failed(source, &error);
        let mut inputs: Vec<(Cow<str>, SessionInputValue)> = vec![
            (signature.field.0.as_str().into(), self.field.tensor(field_shape.clone()).map_err(fail)?),
            (signature.time.0.as_str().into(), self.time.tensor(time_shape).map_err(fail)?),
        ];
        if let (Some(cotangent), Some((name, _))) = (cotangent, &signature.adjoint) {
            self.cotangent.fill(cotangent);
            inputs.push((name.as_str().into(), self.cotangent.tensor(field_shape.clone()).map_err(fail)?));
        }
        let outputs = session.run(inputs).map_err(fail)?;
        let wrong = |reason: String| Error::ModelFile { file: source.name.clone(), reason };
        let value = outputs.get(name.as_str()).ok_or_else(|| wrong(format!("no output {name:?} came")))?;
        let shape: Vec<usize> =
            value.dtype().tensor_shape().map(|shape| shape.iter().map(|&n| n as usize).collect()).unwrap_or_default();
        if shape != field_shape {
            return Err(wrong(format!(
                "the output {name:?} has shape {shape:?}, expected that of the field, {field_shape:?}"
            )));
        }
        match element {
            Element::Half => copy(value.try_extract_tensor::<f16>().map_err(fail)?.1, out, |x| x.to_f64()),
            Element::Single => copy(value.try_extract_tensor::<f32>().map_err(fail)?.1, out, f64::from),
            Element::Double => copy(value.try_extract_tensor::<f64>().map_err(fail)?.1, out, |x| x),
        }
        Ok(())
    }
}

fn copy<T: Copy>(from: &[T], to: &mut [f64], convert: impl Fn(T) -> f64) {
    to.iter_mut().zip(from).for_each(|(to, &from)| *to = convert(from));
}

/// A session of one thread: batches are split over sessions, so that results cannot depend on the number of threads.
/// With a place: the whole graph on that device, for one size of batch, or an error.
fn session(runtime: &Runtime, source: &Source, place: Option<(&Signature, usize)>) -> ort::Result<Session> {
    let builder = Session::builder(runtime.environment())?;
    let builder = builder.with_intra_threads(1)?.with_inter_threads(1)?.with_deterministic_compute(true)?;
    let mut builder = builder.with_log_level(ort::logging::LogLevel::Fatal)?;
    for (name, contents) in &source.external {
        builder = builder.with_external_initializer_file_in_memory(name, contents.clone())?;
    }
    if let (Device::Cuda(number), Some((signature, batch))) = (source.device, place) {
        // The search for the fastest convolution would choose by a race: another algorithm, other bits.
        let provider = CUDA::default()
            .with_device_id(number as i32)
            .with_tf32(source.tf32)
            .with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic);
        builder = builder.with_execution_providers([provider.build().error_on_failure()])?;
        builder = builder.with_disable_cpu_fallback()?;
        if let Some(name) = &signature.batch_name {
            builder = builder.with_dimension_override(name, batch as i64)?;
        }
    }
    builder.commit_from_memory(&source.bytes)
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
fn failed(source: &Source, error: &ort::Error) -> Error {
    let said = error.message();
    let lower = said.to_lowercase();
    if ["failed to allocate", "out of memory", "bad_alloc"].iter().any(|word| lower.contains(word)) {
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
