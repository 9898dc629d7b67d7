//! A session with the graph of one reverse step (`graph.rs`), and the tensors that it runs on: all are there before the first
//! run. The state goes from one to the other of two tensors where the session runs, on a device too; from outside come the noise
//! of every step and the first state, and the last state goes out.

use super::super::network::{Source, builder, failed};
use super::super::options::Device;
use super::graph::{COLUMNS, names};
use crate::error::Result;
use crate::runtime::Runtime;
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, Session};
use ort::value::Tensor;
use std::sync::Arc;

pub(in super::super) struct StepSession {
    batch: usize,
    source: Arc<Source>,
    /// Where every field is among the steps.
    index: Tensor<i64>,
    noise: Tensor<f64>,
    /// On the host: what goes in and what comes out.
    start: Place,
    end: Place,
    denoised: Tensor<f64>,
    /// Where the session runs.
    places: [Place; 2],
    /// Holds the steps.
    binding: IoBinding,
    session: Session,
}

/// States and log ratios of a batch.
struct Place {
    state: Tensor<f64>,
    ratio: Tensor<f64>,
}

impl Place {
    fn new(allocator: &Allocator, batch: usize, values: usize) -> ort::Result<Self> {
        Ok(Place { state: Tensor::new(allocator, [batch, values])?, ratio: Tensor::new(allocator, [batch, 1])? })
    }
}

/// The values of a tensor on the host.
fn values<T: ort::value::PrimitiveTensorElementType + std::fmt::Debug>(tensor: &mut Tensor<T>) -> &mut [T] {
    tensor.extract_tensor_mut().1
}

impl StepSession {
    /// For the graph `model` of `batch` fields of `values` numbers.
    ///
    /// # Errors
    /// As `Network::another`.
    pub fn new(runtime: &Runtime, source: &Arc<Source>, model: &[u8], (batch, field): (usize, usize)) -> Result<Self> {
        let open = || -> ort::Result<Self> {
            let session = builder(runtime, source, source.device)?.commit_from_memory(model)?;
            let host = Allocator::default();
            let own = match source.device {
                Device::Cpu => Allocator::default(),
                Device::Cuda(number) => {
                    let (device, kind) = (AllocationDevice::CUDA, AllocatorType::Device);
                    Allocator::new(&session, MemoryInfo::new(device, number as i32, kind, MemoryType::Default)?)?
                }
            };
            Ok(StepSession {
                batch,
                source: source.clone(),
                index: Tensor::new(&host, [batch])?,
                noise: Tensor::new(&host, [batch, field])?,
                start: Place::new(&host, batch, field)?,
                end: Place::new(&host, batch, field)?,
                denoised: Tensor::new(&host, [batch, field])?,
                places: [Place::new(&own, batch, field)?, Place::new(&own, batch, field)?],
                binding: session.create_binding()?,
                session,
            })
        };
        open().map_err(|error| failed(source, &error))
    }

    /// Fields of a run.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Puts the steps where the session runs: rows of the table and, for a coloured graph, deviations by momentum.
    ///
    /// # Errors
    /// As [`StepSession::run`].
    pub fn set_steps(&mut self, table: &[f64], spectrum: Option<&[f64]>) -> Result<()> {
        let steps = table.len() / COLUMNS;
        let tensor = |rows: &[f64]| Tensor::from_array(([steps, rows.len() / steps], rows.to_vec()));
        let mut bind = || -> ort::Result<()> {
            self.binding.bind_input(names::TABLE, &tensor(table)?)?;
            spectrum.map_or(Ok(()), |rows| self.binding.bind_input(names::SPECTRUM, &tensor(rows)?))
        };
        bind().map_err(|error| failed(&self.source, &error))
    }

    /// The number of the step of every field.
    pub fn index(&mut self) -> &mut [i64] {
        values(&mut self.index)
    }

    /// The noise of the next step.
    pub fn noise(&mut self) -> &mut [f64] {
        values(&mut self.noise)
    }

    /// Where fields and log ratios are put before the first step.
    pub fn start(&mut self) -> (&mut [f64], &mut [f64]) {
        (values(&mut self.start.state), values(&mut self.start.ratio))
    }

    /// Where they are after the last one.
    pub fn end(&mut self) -> (&[f64], &[f64]) {
        (self.end.state.extract_tensor().1, self.end.ratio.extract_tensor().1)
    }

    /// Takes the next step of index and noise, `number` steps after the first; the last one brings the fields out.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`], [`crate::Error::DeviceUnavailable`], [`crate::Error::ModelFile`].
    pub fn step(&mut self, number: usize, last: bool) -> Result<()> {
        let [even, odd] = &mut self.places;
        let (own_from, own_to) = if number.is_multiple_of(2) { (odd, even) } else { (even, odd) };
        let from = if number == 0 { &self.start } else { own_from };
        let to = if last { &mut self.end } else { own_to };
        let (binding, session) = (&mut self.binding, &mut self.session);
        let mut step = || -> ort::Result<()> {
            // Bound anew: a device takes its copy when it is bound.
            binding.bind_input(names::INDEX, &self.index)?;
            binding.bind_input(names::NOISE, &self.noise)?;
            binding.bind_input(names::STATE, &from.state)?;
            binding.bind_input(names::RATIO, &from.ratio)?;
            if number == 0 {
                binding.clear_outputs();
            }
            binding.bind_output(names::NEXT_STATE, &mut to.state)?;
            binding.bind_output(names::NEXT_RATIO, &mut to.ratio)?;
            run(session, binding)
        };
        step().map_err(|error| failed(&self.source, &error))
    }

    /// The denoised fields of those in `start`, at their indices.
    ///
    /// # Errors
    /// As [`StepSession::step`].
    pub fn denoise(&mut self) -> Result<&[f64]> {
        let (binding, session) = (&mut self.binding, &mut self.session);
        let mut evaluate = || -> ort::Result<()> {
            binding.bind_input(names::INDEX, &self.index)?;
            binding.bind_input(names::NOISE, &self.noise)?;
            binding.bind_input(names::STATE, &self.start.state)?;
            binding.bind_input(names::RATIO, &self.start.ratio)?;
            binding.clear_outputs();
            binding.bind_output(names::DENOISED, &mut self.denoised)?;
            run(session, binding)
        };
        evaluate().map_err(|error| failed(&self.source, &error))?;
        Ok(self.denoised.extract_tensor().1)
    }
}

fn run(session: &mut Session, binding: &IoBinding) -> ort::Result<()> {
    binding.synchronize_inputs()?;
    session.run_binding(binding)?;
    binding.synchronize_outputs()
}
