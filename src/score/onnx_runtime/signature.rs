//! The inputs and the output of a graph, told apart and checked against the field.

use super::options::{Channels, Declaration};
use crate::error::{Error, Result};
use crate::lattice::Lattice;
use ort::value::Outlet;
use ort::value::TensorElementType;

/// Element types of networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Half,
    Single,
    Double,
}

/// One input or output: name, element type and extents, -1 for one that is not fixed.
#[derive(Clone, Debug)]
struct Port {
    name: String,
    element: Option<Element>,
    shape: Vec<i64>,
    described: String,
    /// The name of the first extent, where it is not fixed.
    batch_name: Option<String>,
}

impl Port {
    fn of(outlet: &Outlet) -> Self {
        let kind = outlet.dtype();
        let element = match kind.tensor_type() {
            Some(TensorElementType::Float16) => Some(Element::Half),
            Some(TensorElementType::Float32) => Some(Element::Single),
            Some(TensorElementType::Float64) => Some(Element::Double),
            _ => None,
        };
        let shape: Vec<i64> = kind.tensor_shape().map(|shape| shape.iter().copied().collect()).unwrap_or_default();
        let batch_name = match kind {
            ort::value::ValueType::Tensor { dimension_symbols, .. } => dimension_symbols.first().cloned(),
            _ => None,
        };
        let batch_name = batch_name.filter(|name| !name.is_empty());
        Port { name: outlet.name().to_string(), element, shape, described: format!("{kind}"), batch_name }
    }
}

/// How the noise level is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeShape {
    /// One number for the whole batch, in a tensor of this rank.
    Common(usize),
    /// One number a field, in a tensor of this rank.
    PerField(usize),
}

/// What a graph takes and gives.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    pub field: (String, Element),
    pub time: (String, Element),
    pub output: (String, Element),
    /// Input and output of the product with the transposed derivative, where the graph has them.
    pub adjoint: Option<(String, String)>,
    pub time_shape: TimeShape,
    /// The batch of the file, if it is fixed.
    pub batch: Option<usize>,
    /// The name of the batch extent, if it has one.
    pub batch_name: Option<String>,
    pub channels: Channels,
    pub lattice: Lattice,
}

/// Names by which an input is known to be the noise level.
const TIME_NAMES: [&str; 8] = ["time", "times", "t", "sigma", "log_sigma", "noise_level", "timestep", "timesteps"];
/// The input that the derivative is multiplied with, and what comes out.
const COTANGENT: &str = "cotangent";
const ADJOINT_OUTPUT: &str = "vjp";

impl Signature {
    /// # Errors
    /// A sentence that says what the graph has and what is expected.
    pub fn new(inputs: &[Outlet], outputs: &[Outlet], declaration: &Declaration) -> Result<Self, String> {
        let mut ports: Vec<Port> = inputs.iter().map(Port::of).collect();
        let list = |ports: &[Port]| {
            let words: Vec<_> = ports.iter().map(|port| format!("{:?} {}", port.name, port.described)).collect();
            words.join(", ")
        };
        let cotangent = match ports.len() {
            3 => ports.iter().position(|port| port.name == COTANGENT).map(|index| ports.remove(index)),
            _ => None,
        };
        let [first, second] = &ports[..] else {
            let expected = "expected two, field and noise level (and perhaps \"cotangent\")";
            return Err(format!("it has {} inputs, {}; {expected}", inputs.len(), list(&ports)));
        };
        let (field, time) = if is_time(first) && !is_time(second) || prefers(first, second) {
            (second, first)
        } else {
            (first, second)
        };
        if !is_time(time) {
            let expected = "one number a field: shape [batch], [batch,1] or a single number";
            return Err(format!("inputs {}: neither is a noise level, {expected}", list(&ports)));
        }
        let outputs: Vec<Port> = outputs.iter().map(Port::of).collect();
        let output = outputs.iter().find(|port| port.name != ADJOINT_OUTPUT).ok_or("it has no output")?;
        let element = |port: &Port| {
            let expected = "expected a tensor of float32, float64 or float16";
            port.element.ok_or_else(|| format!("{:?} is {}, {expected}", port.name, port.described))
        };
        let (lattice, channels) = field_of(field, declaration)?;
        let batch = extent(field.shape[0]);
        let time_shape = match &time.shape[..] {
            [] => TimeShape::Common(0),
            [1] if batch != Some(1) => TimeShape::Common(1),
            shape => TimeShape::PerField(shape.len()),
        };
        if let (TimeShape::PerField(_), Some(batch)) = (time_shape, batch)
            && extent(time.shape[0]).is_some_and(|found| found != batch)
        {
            return Err(format!("batch of {} and of {} differ", field.described, time.described));
        }
        let fits =
            output.shape.is_empty() || output.shape.len() == field.shape.len() && agree(&output.shape, &field.shape);
        if !fits {
            let field = &field.described;
            return Err(format!(
                "the output {:?} {} has not the shape of the field, {field}",
                output.name, output.described
            ));
        }
        let has_adjoint = outputs.iter().any(|port| port.name == ADJOINT_OUTPUT);
        Ok(Signature {
            field: (field.name.clone(), element(field)?),
            time: (time.name.clone(), element(time)?),
            output: (output.name.clone(), element(output)?),
            adjoint: cotangent.filter(|_| has_adjoint).map(|port| (port.name, ADJOINT_OUTPUT.to_string())),
            time_shape,
            batch,
            batch_name: field.batch_name.clone(),
            channels,
            lattice,
        })
    }

    /// The shape of a tensor of `batch` fields.
    pub fn field_shape(&self, batch: usize) -> Vec<usize> {
        let (extents, components) = (self.lattice.extents(), self.lattice.components());
        match self.channels {
            Channels::Absent => [&[batch], extents].concat(),
            Channels::First => [&[batch, components], extents].concat(),
            Channels::Last => [&[batch], extents, &[components]].concat(),
        }
    }

    /// The shape of the tensor of noise levels of `batch` fields.
    pub fn time_shape(&self, batch: usize) -> Vec<usize> {
        match self.time_shape {
            TimeShape::Common(rank) => vec![1; rank],
            TimeShape::PerField(rank) => {
                let mut shape = vec![1; rank];
                shape[0] = batch;
                shape
            }
        }
    }
}

fn extent(dimension: i64) -> Option<usize> {
    usize::try_from(dimension).ok().filter(|&extent| extent > 0)
}

/// Two shapes may be equal.
fn agree(a: &[i64], b: &[i64]) -> bool {
    a.iter().zip(b).all(|(&a, &b)| a == b || extent(a).is_none() || extent(b).is_none())
}

/// Whether a tensor of this shape holds one number a field.
fn is_time(port: &Port) -> bool {
    port.shape.get(1..).unwrap_or(&[]).iter().all(|&extent| extent == 1)
}

/// Of two inputs that both hold one number a field (a lattice of one site) the name tells, else the order.
fn prefers(first: &Port, second: &Port) -> bool {
    let named = |port: &Port| TIME_NAMES.contains(&port.name.to_lowercase().as_str());
    is_time(first) && is_time(second) && named(first) && !named(second)
}

/// The lattice and the place of the components, from the shape of the field's tensor and what was declared.
fn field_of(field: &Port, declaration: &Declaration) -> Result<(Lattice, Channels), String> {
    let given = declaration.extents.as_ref();
    let shape = &field.shape;
    let fail = |why: &str| format!("its input {:?} is {}: {why}", field.name, field.described);
    if shape.len() < 2 {
        return Err(fail(
            "expected (batch, extents..), (batch, components, extents..) or (batch, extents.., components)",
        ));
    }
    let inner = shape.len() - 1;
    let channels = match (declaration.channels, given) {
        (Some(channels), _) => channels,
        (None, Some(extents)) if inner == extents.len() => Channels::Absent,
        (None, Some(extents)) if inner == extents.len() + 1 => by_extents(shape, extents),
        (None, Some(extents)) => {
            let why = format!("{} axes beside the batch do not fit to the extents {extents:?}", inner);
            return Err(fail(&why));
        }
        (None, None) if inner == 1 => Channels::Absent,
        // A single component stands where the 1 is, first in PyTorch.
        (None, None) if shape[1] == 1 => Channels::First,
        (None, None) if shape[inner] == 1 => Channels::Last,
        (None, None) => return Err(fail("say where its components stand (channels), or the extents of the lattice")),
    };
    let (components, axes) = match channels {
        Channels::Absent => (Some(1), &shape[1..]),
        Channels::First => (extent(shape[1]), &shape[2..]),
        Channels::Last => (extent(shape[inner]), &shape[1..inner]),
    };
    if axes.is_empty() || axes.len() > 3 {
        let expected = "expected 1 to 3 axes of the lattice (rank 4 has no kernels in ONNX Runtime on all devices); \
                        say where the components stand if that is not it";
        return Err(fail(&format!("{} axes of the lattice, {expected}", axes.len())));
    }
    let found: Vec<Option<usize>> = axes.iter().map(|&axis| extent(axis)).collect();
    let extents: Vec<usize> = match given {
        Some(given) => {
            let fits = given.len() == found.len() && found.iter().zip(given).all(|(a, b)| a.is_none_or(|a| a == *b));
            if !fits {
                return Err(fail(&format!("the extents {given:?} do not fit to it")));
            }
            given.clone()
        }
        None => {
            let all: Option<Vec<usize>> = found.into_iter().collect();
            all.ok_or_else(|| fail("extents that are not fixed; say which (extents)"))?
        }
    };
    let components = match (components, declaration.components) {
        (Some(found), Some(given)) if found != given => {
            return Err(fail(&format!("it has {found} components, not the {given} that were said")));
        }
        (found, given) => found.or(given).unwrap_or(1),
    };
    let lattice = Lattice::new(&extents).and_then(|lattice| lattice.with_components(components));
    Ok((lattice.map_err(|error: Error| fail(&error.to_string()))?, channels))
}

/// Whether the axis that is not of the lattice is the first or the last one.
fn by_extents(shape: &[i64], extents: &[usize]) -> Channels {
    let extents: Vec<i64> = extents.iter().map(|&extent| extent as i64).collect();
    if agree(&shape[2..], &extents) { Channels::First } else { Channels::Last }
}
