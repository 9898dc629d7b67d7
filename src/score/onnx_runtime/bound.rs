//! The tensors of one batch, there before the first run and bound to the session: a run allocates none.

use super::signature::{Element, Signature};
use half::f16;
use ort::memory::Allocator;
use ort::session::{IoBinding, Session};
use ort::value::Tensor;

/// Values in the element type of a tensor.
enum HostTensor {
    Half(Tensor<f16>),
    Single(Tensor<f32>),
    Double(Tensor<f64>),
}

impl HostTensor {
    fn new(element: Element, shape: Vec<usize>) -> ort::Result<Self> {
        let host = Allocator::default();
        Ok(match element {
            Element::Half => HostTensor::Half(Tensor::new(&host, shape)?),
            Element::Single => HostTensor::Single(Tensor::new(&host, shape)?),
            Element::Double => HostTensor::Double(Tensor::new(&host, shape)?),
        })
    }

    fn fill(&mut self, values: &[f64]) {
        match self {
            HostTensor::Half(tensor) => copy(values, tensor.extract_tensor_mut().1, f16::from_f64),
            HostTensor::Single(tensor) => copy(values, tensor.extract_tensor_mut().1, |x| x as f32),
            HostTensor::Double(tensor) => copy(values, tensor.extract_tensor_mut().1, |x| x),
        }
    }

    fn read(&self, out: &mut [f64]) {
        match self {
            HostTensor::Half(tensor) => copy(tensor.extract_tensor().1, out, f16::to_f64),
            HostTensor::Single(tensor) => copy(tensor.extract_tensor().1, out, f64::from),
            HostTensor::Double(tensor) => copy(tensor.extract_tensor().1, out, |x| x),
        }
    }

    fn bind_input(&self, binding: &mut IoBinding, name: &str) -> ort::Result<()> {
        match self {
            HostTensor::Half(tensor) => binding.bind_input(name, tensor),
            HostTensor::Single(tensor) => binding.bind_input(name, tensor),
            HostTensor::Double(tensor) => binding.bind_input(name, tensor),
        }
    }

    fn bind_output(&mut self, binding: &mut IoBinding, name: &str) -> ort::Result<()> {
        match self {
            HostTensor::Half(tensor) => binding.bind_output(name, tensor),
            HostTensor::Single(tensor) => binding.bind_output(name, tensor),
            HostTensor::Double(tensor) => binding.bind_output(name, tensor),
        }
    }
}

fn copy<A: Copy, B>(from: &[A], to: &mut [B], convert: impl Fn(A) -> B) {
    to.iter_mut().zip(from).for_each(|(to, &from)| *to = convert(from));
}

/// A batch of one size with one output: of the network, or of its derivative.
pub(super) struct BoundBatch {
    batch: usize,
    adjoint: bool,
    field: HostTensor,
    time: HostTensor,
    cotangent: Option<HostTensor>,
    output: HostTensor,
    binding: IoBinding,
}

impl BoundBatch {
    pub fn new(session: &Session, signature: &Signature, batch: usize, adjoint: bool) -> ort::Result<Self> {
        let shape = || signature.field_shape(batch);
        let field = HostTensor::new(signature.field.1, shape())?;
        let cotangent = signature.adjoint.as_ref().map(|_| HostTensor::new(signature.field.1, shape())).transpose()?;
        let element = if adjoint { signature.field.1 } else { signature.output.1 };
        let mut output = HostTensor::new(element, shape())?;
        let mut binding = session.create_binding()?;
        let name = match &signature.adjoint {
            Some((_, product)) if adjoint => product,
            _ => &signature.output.0,
        };
        output.bind_output(&mut binding, name)?;
        let time = HostTensor::new(signature.time.1, signature.time_shape(batch))?;
        Ok(BoundBatch { batch, adjoint, field, time, cotangent, output, binding })
    }

    /// Whether it is the one for such a run.
    pub fn is_for(&self, batch: usize, adjoint: bool) -> bool {
        (self.batch, self.adjoint) == (batch, adjoint)
    }

    /// Runs the session. A graph that takes one noise level gets the first of `time`; one with a derivative wants a
    /// direction even when only the value is asked for.
    pub fn run(
        &mut self,
        session: &mut Session,
        signature: &Signature,
        (time, field, direction): (&[f64], &[f64], &[f64]),
        out: &mut [f64],
    ) -> ort::Result<()> {
        self.field.fill(field);
        self.time.fill(time);
        // Bound anew: a device takes its copy when it is bound.
        self.field.bind_input(&mut self.binding, &signature.field.0)?;
        self.time.bind_input(&mut self.binding, &signature.time.0)?;
        if let (Some(cotangent), Some((name, _))) = (&mut self.cotangent, &signature.adjoint) {
            cotangent.fill(direction);
            cotangent.bind_input(&mut self.binding, name)?;
        }
        self.binding.synchronize_inputs()?;
        session.run_binding(&self.binding)?;
        self.binding.synchronize_outputs()?;
        self.output.read(out);
        Ok(())
    }
}
