//! An exported network becomes a score model.

use super::convention::Convention;
use super::differential::NetworkDifferential;
use super::evaluator::NetworkEvaluator;
use super::keys::{self, TestVector};
use super::network::{Network, Source};
use super::options::{Declaration, Device, NetworkOutput, Normalisation, Steps, TimeInput};
use super::probe::{Probe, batch_of_device, seconds};
use super::signature::{Element, Signature, TimeShape};
use super::steps::{StepSession, StepSupply, StepWalker};
use super::together::Together;
use crate::diffusion::{Posterior, Schedule, ZeroMode};
use crate::error::{Error, Result};
use crate::fourier::momentum_classes;
use crate::lattice::Lattice;
use crate::runtime::Runtime;
use crate::score::{Differential, Evaluator, GaussianScore, NativeScore, ReverseStep, Score, Walker};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Fields of a batch on the processor: beyond, the buffers of a network outgrow the cache.
const BATCH_ON_CPU: usize = 16;

/// A network on ONNX Runtime, ready for evaluation.
///
/// Its derivatives are products with the transposed derivative where the graph has them, and else central differences
/// ([`Score::differential`]).
pub struct OnnxScore {
    runtime: Arc<Runtime>,
    source: Arc<Source>,
    signature: Arc<Signature>,
    convention: Convention,
    declaration: Declaration,
    /// The Gaussian model of the covariance, in whose place the network stands: a model of stoq's own, or a bare one.
    gaussian: Arc<dyn Score>,
    together: Together,
    /// Networks that no evaluator uses: one is there from the opening.
    idle: Mutex<Vec<Network>>,
    steps: StepSupply,
    fingerprint: u64,
}

impl OnnxScore {
    /// What is known of the network: from its file and its caller.
    pub fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    /// Where it is evaluated.
    pub fn device(&self) -> Device {
        self.source.device
    }

    /// The library that evaluates it.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Sizes of batches that give the same bits, ascending.
    pub fn batches(&self) -> &[usize] {
        self.together.sizes()
    }

    /// Whether the graph has products with its transposed derivative.
    pub fn has_adjoint(&self) -> bool {
        self.signature.adjoint.is_some()
    }

    /// Whether its weights lie in files beside the model file.
    pub fn has_external_weights(&self) -> bool {
        !self.source.external.is_empty()
    }

    /// Whether the network computes in double precision.
    pub fn is_double(&self) -> bool {
        self.signature.output.1 == Element::Double
    }

    /// The facts above under names, for people and for metadata.
    pub fn facts(&self) -> BTreeMap<String, String> {
        let strip = |key: String| key.trim_start_matches("stoq.").to_string();
        let mut facts: BTreeMap<String, String> =
            self.declaration.to_entries().into_iter().map(|(key, value)| (strip(key), value)).collect();
        facts.insert("engine".into(), format!("ONNX Runtime 1.{}", self.runtime.minor()));
        facts.insert("device".into(), self.device().to_string());
        facts.insert("batches".into(), format!("{:?}", self.batches()));
        let element = match self.signature.output.1 {
            Element::Half => "float16",
            Element::Single => "float32",
            Element::Double => "float64",
        };
        facts.insert("element".into(), element.into());
        let derivatives = if self.has_adjoint() { "exported" } else { "central differences" };
        facts.insert("derivatives".into(), derivatives.into());
        facts.insert("steps".into(), self.steps.description());
        facts
    }

    pub(super) fn convention(&self) -> &Convention {
        &self.convention
    }

    pub(super) fn signature(&self) -> &Signature {
        &self.signature
    }

    pub(super) fn source(&self) -> &Arc<Source> {
        &self.source
    }

    pub(super) fn together(&self) -> &Together {
        &self.together
    }

    /// A network that nobody uses.
    pub(super) fn take(&self) -> Result<Network> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(network) => Ok(network),
            None => Network::another(&self.runtime, &self.source, &self.signature, self.together.largest()),
        }
    }

    /// Gives it back.
    pub(super) fn give_back(&self, network: Network) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(network);
    }

    /// A graph of steps for `count` fields that nobody uses.
    pub(super) fn take_steps(&self, count: usize, coloured: bool) -> Result<StepSession> {
        self.steps.take(self, count, coloured)
    }

    /// Gives it back.
    pub(super) fn give_back_steps(&self, coloured: bool, session: StepSession) {
        self.steps.give_back(coloured, session);
    }
}

impl Score for OnnxScore {
    fn lattice(&self) -> &Lattice {
        &self.signature.lattice
    }

    fn schedule(&self) -> &Schedule {
        self.gaussian.schedule()
    }

    fn covariance(&self) -> &[f64] {
        self.gaussian.covariance()
    }

    /// Of a network exported by another program, the error of the Wiener filter.
    fn posterior(&self, noise: f64) -> Posterior {
        self.gaussian.posterior(noise)
    }

    fn zero_mode(&self) -> Option<ZeroMode> {
        self.gaussian.zero_mode()
    }

    fn of_links(&self) -> bool {
        self.gaussian.of_links()
    }

    fn adapting(&self) -> bool {
        self.gaussian.adapting()
    }

    fn smallest_noise(&self) -> f64 {
        self.gaussian.smallest_noise()
    }

    /// Of the file, what is known about it, the version of the library and the device: bits may differ between those.
    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn evaluator(self: Arc<Self>, threads: usize) -> Result<Box<dyn Evaluator>> {
        Ok(Box::new(NetworkEvaluator::new(self, threads)?))
    }

    /// With [`Steps::Device`], or on a device, a graph around the network takes the steps: of one covariance for all states that is
    /// symmetric under reflections, at noise that the network knows. Why not, [`OnnxScore::facts`] say.
    fn walker(self: Arc<Self>, steps: &[ReverseStep], batch: usize, threads: usize) -> Result<Option<Box<dyn Walker>>> {
        if !self.steps.is_wanted() || steps.is_empty() {
            return Ok(None);
        }
        if let Some(reason) = StepSupply::unsuitable(&self, steps) {
            self.steps.refuse(reason);
            return Ok(None);
        }
        match StepWalker::new(self.clone(), steps, batch, threads) {
            Ok(walker) => Ok(Some(Box::new(walker))),
            Err(error) => self.steps.failed(error).map(|()| None),
        }
    }

    /// Products with the transposed derivative if the graph has them and as many directions are asked for as the
    /// field has values. Else central differences D' v = (D(x + h v) - D(x - h v)) / 2h with their step and
    /// their error are those of `differential.rs`: some 4e-5 relative in single precision, 2e-10 in double.
    fn differential(self: Arc<Self>) -> Result<Box<dyn Differential>> {
        Ok(Box::new(NetworkDifferential::new(self)?))
    }

    fn has_exact_derivatives(&self) -> bool {
        self.has_adjoint() && self.is_double()
    }
}

/// What is at hand when a file was read.
pub(super) struct Opening {
    pub source: Arc<Source>,
    pub declaration: Declaration,
    pub native: Option<Arc<NativeScore>>,
    /// Most fields of a batch; 0: the default.
    pub batch: usize,
    pub steps: Steps,
}

impl Opening {
    /// Loads the graph and checks it.
    pub fn finish(self, library: Option<&Path>, entries: &BTreeMap<String, String>, hash: u32) -> Result<OnnxScore> {
        let Opening { source, mut declaration, native, batch, steps } = self;
        let fail = |reason: String| Error::ModelFile { file: source.name.clone(), reason };
        if let Some(native) = &native {
            declaration.components = Some(native.lattice().components());
        }
        let convention = convention(&declaration, &source.name)?;
        let test = keys::test_vector(entries).map_err(fail)?;
        let runtime = crate::runtime::load(library)?;
        let (mut network, signature) = Network::open(&runtime, &source, &declaration)?;
        if let Some(test) = &test {
            replay(&mut network, &signature, test).map_err(|error| with_reason(error, &source.name))?;
        }
        let gaussian: Arc<dyn Score> = match native {
            Some(native) => native,
            None => {
                let covariance = covariance(&declaration, &convention.normalisation, &signature.lattice)?;
                let schedule = convention.schedule_of_field(&covariance)?;
                Arc::new(GaussianScore::new(signature.lattice.clone(), schedule, covariance)?)
            }
        };
        let most = match (signature.batch, batch, source.device) {
            (Some(fixed), ..) => fixed,
            (None, 0, Device::Cpu) => BATCH_ON_CPU,
            (None, 0, _) => batch_of_device(|size| {
                let mut network = Network::another(&runtime, &source, &signature, size)?;
                seconds(&mut network, &signature, &convention, size)
            })?,
            (None, given, _) => given,
        };
        let most = most.min(1 << 16);
        if source.device != Device::Cpu {
            network = Network::another(&runtime, &source, &signature, most)?;
        }
        let probe = Probe { gaussian: &*gaussian, convention: &convention, signature: &signature, most };
        let together = probe.run(&mut network, source.device).map_err(|error| with_reason(error, &source.name))?;
        declaration.normalisation.get_or_insert(convention.normalisation);
        declaration.extents.get_or_insert_with(|| signature.lattice.extents().to_vec());
        declaration.components.get_or_insert(signature.lattice.components());
        declaration.channels.get_or_insert(signature.channels);
        let mut about = crc32fast::Hasher::new();
        let what = (runtime.minor(), source.device, source.tf32, &together);
        about.update(format!("{declaration:?} {what:?}").as_bytes());
        gaussian.covariance().iter().for_each(|value| about.update(&value.to_le_bytes()));
        let steps = StepSupply::new(steps, &source, &signature, &convention)?;
        if steps.is_wanted() {
            // Other rounding.
            about.update(b"steps by a graph");
        }
        let fingerprint = u64::from(hash) << 32 | u64::from(about.finalize());
        let idle = Mutex::new(vec![network]);
        Ok(OnnxScore {
            runtime,
            source,
            signature,
            convention,
            declaration,
            gaussian,
            together,
            idle,
            steps,
            fingerprint,
        })
    }
}

/// What must be known, or a sentence that says how to say it.
fn convention(declaration: &Declaration, file: &str) -> Result<Convention> {
    let missing = |parameter: &str, values: &str| {
        let expected = format!(
            "{values}: {file} does not say it; give it as an option, or write it into the file with `stoq adopt`"
        );
        Error::invalid(parameter, "unknown", &expected)
    };
    let schedule =
        declaration.schedule.ok_or_else(|| missing("schedule", "variance-expanding and so on, with its sigma"))?;
    schedule.validate()?;
    let output =
        declaration.output.ok_or_else(|| missing("output of the network", &NetworkOutput::NAMES.join(", ")))?;
    let time = declaration.time.ok_or_else(|| missing("time input of the network", &TimeInput::NAMES.join(", ")))?;
    let normalisation = declaration.normalisation.unwrap_or(Normalisation::NONE);
    if !(normalisation.scale.is_finite() && normalisation.scale > 0.0) {
        return Err(Error::invalid("scale", normalisation.scale, "a finite number above 0"));
    }
    if !normalisation.shift.is_finite() {
        return Err(Error::invalid("shift", normalisation.shift, "a finite number"));
    }
    Ok(Convention { schedule, output, time, normalisation })
}

fn covariance(declaration: &Declaration, normalisation: &Normalisation, lattice: &Lattice) -> Result<Vec<f64>> {
    let default = [normalisation.scale * normalisation.scale];
    let given = declaration.covariance.as_deref().unwrap_or(&default);
    let (class, classes) = momentum_classes(lattice);
    match given.len() {
        1 => Ok(vec![given[0]; lattice.values()]),
        n if n == classes => Ok(class.iter().map(|&class| given[class as usize]).collect()),
        n if n == lattice.values() => Ok(given.to_vec()),
        n => {
            let expected = format!("1, {classes} (momentum classes) or {} (momenta)", lattice.values());
            Err(Error::shape("covariance", n, expected))
        }
    }
}

fn with_reason(error: Error, file: &str) -> Error {
    match error {
        Error::Internal(reason) => Error::ModelFile { file: file.to_string(), reason },
        other => other,
    }
}

/// The exporting program's own numbers must come out again.
fn replay(network: &mut Network, signature: &Signature, test: &TestVector) -> Result<()> {
    let fail = |reason: String| Err(Error::Internal(format!("stoq.test: {reason}")));
    let fields = test.field.len() / signature.lattice.values();
    let times = if matches!(signature.time_shape, TimeShape::Common(_)) { 1 } else { fields };
    let fits = fields > 0
        && signature.batch.is_none_or(|batch| batch == fields)
        && (test.field.len(), test.output.len()) == (fields * signature.lattice.values(), test.field.len())
        && test.time.len() == times;
    if !fits {
        let lengths = (test.field.len(), test.time.len(), test.output.len());
        return fail(format!("field, time and output of lengths {lengths:?} are none of this network"));
    }
    let mut time = test.time.clone();
    time.resize(fields, time[0]);
    let mut found = vec![0.0; test.output.len()];
    network.run(&time, &test.field, &mut found)?;
    let largest = test.output.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
    let off = found.iter().zip(&test.output).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    if off <= test.tolerance * largest {
        return Ok(());
    }
    fail(format!(
        "the output differs from that of the exporting program by {:.1e} of its largest value, more than {:.1e}: the \
         conversion changed the network, or the file was edited",
        off / largest,
        test.tolerance
    ))
}
