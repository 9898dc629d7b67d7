//! One reverse step of a whole batch as a graph around the network ([`crate::score::ReverseStep`]), in double precision but for the
//! network itself:
//!
//!   u = x / signal - shift,  out = network(input u, time),  D = kept u + gain out + shift  (`convention.rs`),
//!   x_b = a x + b D + S z,   log r += c + z^2 / 2 - (x - k x_b)^2 / 2v.
//!
//! All steps of a path are rows of one table, and a number for every field says which it takes. S is a number, or one a
//! momentum: then white noise is brought to momentum space and back by a product with a small orthonormal matrix for every axis
//! (`fourier::real_basis`). So a path needs the noise of its steps and nothing else from outside.

use super::super::convention::Convention;
use super::super::options::Channels;
use super::super::signature::{Element, Signature, TimeShape};
use super::surround::{PREFIX, Surroundings, joined, operator_version};
use crate::fourier::real_basis;
use crate::lattice::Lattice;
use crate::model::onnx::builder::{GraphBuilder, fixed, free, int, ints, port};
use crate::model::onnx::proto::{AttributeProto, DOUBLE, FLOAT, FLOAT16, INT64};
use crate::score::ReverseStep;

/// Version of ONNX's operators from which sums take their axes as an input.
const AXES_AS_INPUT: i64 = 13;
/// Least version that is wrapped: arithmetic of doubles throughout, numbers broadcast.
const LEAST_VERSION: i64 = 9;

/// Inputs and outputs by name.
pub(super) mod names {
    pub const STATE: &str = "stoq.step.state";
    pub const RATIO: &str = "stoq.step.ratio";
    pub const NOISE: &str = "stoq.step.noise";
    pub const INDEX: &str = "stoq.step.index";
    pub const TABLE: &str = "stoq.step.table";
    pub const SPECTRUM: &str = "stoq.step.spectrum";
    pub const NEXT_STATE: &str = "stoq.step.next.state";
    pub const NEXT_RATIO: &str = "stoq.step.next.ratio";
    pub const DENOISED: &str = "stoq.step.denoised";
}

/// The columns of the table.
#[derive(Clone, Copy)]
enum Column {
    Signal,
    Time,
    Input,
    Gain,
    StateWeight,
    DataWeight,
    Deviation,
    ForwardFactor,
    HalfPrecision,
    Constant,
}

/// Their number.
pub(super) const COLUMNS: usize = Column::Constant as usize + 1;

/// The row of a step; the deviation by momentum stands elsewhere.
pub(super) fn row(convention: &Convention, step: &ReverseStep) -> [f64; COLUMNS] {
    let level = convention.level(step.noise);
    let mut row = [0.0; COLUMNS];
    let mut set = |column: Column, value: f64| row[column as usize] = value;
    set(Column::Signal, step.signal);
    set(Column::Time, level.time);
    set(Column::Input, level.input);
    set(Column::Gain, level.gain);
    set(Column::StateWeight, step.state_weight);
    set(Column::DataWeight, step.data_weight);
    set(Column::Deviation, step.deviation[0]);
    set(Column::ForwardFactor, step.forward_factor);
    set(Column::HalfPrecision, 0.5 / step.forward_variance);
    set(Column::Constant, step.log_normalisation);
    row
}

/// The step of `batch` fields around the network of `model`; `coloured`: with a deviation for every momentum.
///
/// # Errors
/// A sentence that says why this network cannot be wrapped.
pub(super) fn around(
    model: &[u8],
    signature: &Signature,
    convention: &Convention,
    (batch, coloured): (usize, bool),
) -> Result<Vec<u8>, String> {
    let version = operator_version(model)?;
    if version < LEAST_VERSION {
        return Err(format!("its operators are of version {version}, expected at least {LEAST_VERSION}"));
    }
    let values = signature.lattice.values();
    let mut step = Step { builder: GraphBuilder::default(), signature, convention, batch, values, version };
    let scaled = step.before();
    let count = step.builder.node_count();
    step.after(&scaled, coloured);
    let (mut before, constants) = step.builder.into_parts();
    let after = before.split_off(count);
    let field = |name: &str| port(name, DOUBLE, vec![fixed(batch), fixed(values)]);
    let number = |name: &str| port(name, DOUBLE, vec![fixed(batch), fixed(1)]);
    let table = |name: &str, columns: usize| port(name, DOUBLE, vec![free("stoq.step.steps"), fixed(columns)]);
    let mut inputs = vec![field(names::STATE), number(names::RATIO), field(names::NOISE)];
    inputs.extend([port(names::INDEX, INT64, vec![fixed(batch)]), table(names::TABLE, COLUMNS)]);
    inputs.extend(coloured.then(|| table(names::SPECTRUM, values)));
    let outputs = vec![field(names::NEXT_STATE), number(names::NEXT_RATIO), field(names::DENOISED)];
    joined(model, &signature.output.0, Surroundings { before, after, constants, inputs, outputs })
}

struct Step<'a> {
    builder: GraphBuilder,
    signature: &'a Signature,
    convention: &'a Convention,
    batch: usize,
    values: usize,
    version: i64,
}

impl Step<'_> {
    /// A node and its value `name` under the prefix.
    fn node(&mut self, operator: &str, inputs: &[&str], name: &str) -> String {
        self.node_with(operator, inputs, name, vec![])
    }

    fn node_with(&mut self, operator: &str, inputs: &[&str], name: &str, attributes: Vec<AttributeProto>) -> String {
        self.builder.node(operator, inputs, &format!("{PREFIX}{name}"), attributes)
    }

    fn number(&mut self, name: &str, value: f64) -> String {
        self.builder.doubles(&format!("{PREFIX}{name}"), &[], &[value])
    }

    /// The column of every field's step, of shape (batch, 1).
    fn column(&mut self, column: Column, name: &str) -> String {
        let number = column as usize;
        let place = self.builder.integers(&format!("{PREFIX}column{number}"), &[number as i64]);
        self.node_with("Gather", &["stoq.step.row", &place], name, vec![int("axis", 1)])
    }

    fn reshape(&mut self, x: &str, shape: &[usize], name: &str) -> String {
        let extents: Vec<i64> = shape.iter().map(|&extent| extent as i64).collect();
        let shape = self.builder.integers(&format!("{PREFIX}{name}.shape"), &extents);
        self.node("Reshape", &[x, &shape], name)
    }

    /// `x` in the element type of an input of the network, under its name.
    fn cast(&mut self, x: &str, element: Element, output: &str) {
        let kind = match element {
            Element::Half => FLOAT16,
            Element::Single => FLOAT,
            Element::Double => DOUBLE,
        };
        self.builder.node("Cast", &[x], output, vec![int("to", i64::from(kind))]);
    }

    /// (batch, values) with the components in front to the order of the network.
    fn lay_out_input(&mut self, x: &str, output: &str) {
        let (lattice, shape) = (&self.signature.lattice, self.signature.field_shape(self.batch));
        let x = match self.signature.channels {
            Channels::Last if lattice.components() > 1 => {
                let parts = self.reshape(x, &[self.batch, lattice.components(), lattice.sites()], "input.parts");
                self.node_with("Transpose", &[&parts], "input.last", vec![ints("perm", vec![0, 2, 1])])
            }
            _ => x.to_string(),
        };
        let shaped = self.reshape(&x, &shape, "input.shaped");
        self.cast(&shaped, self.signature.field.1, output);
    }

    /// The inverse of [`Step::lay_out_input`].
    fn flatten_output(&mut self, x: &str) -> String {
        let lattice = &self.signature.lattice;
        let cast = self.node_with("Cast", &[x], "output.double", vec![int("to", i64::from(DOUBLE))]);
        let x = match self.signature.channels {
            Channels::Last if lattice.components() > 1 => {
                let parts = self.reshape(&cast, &[self.batch, lattice.sites(), lattice.components()], "output.parts");
                self.node_with("Transpose", &[&parts], "output.first", vec![ints("perm", vec![0, 2, 1])])
            }
            _ => cast,
        };
        self.reshape(&x, &[self.batch, self.values], "output")
    }

    /// Everything up to the inputs of the network; returns u.
    fn before(&mut self) -> String {
        self.node_with("Gather", &[names::TABLE, names::INDEX], "row", vec![int("axis", 0)]);
        let signal = self.column(Column::Signal, "signal");
        let mut u = self.node("Div", &[names::STATE, &signal], "scaled");
        if self.convention.normalisation.shift != 0.0 {
            let shift = self.number("shift", self.convention.normalisation.shift);
            u = self.node("Sub", &[&u, &shift], "shifted");
        }
        let input = self.column(Column::Input, "input.factor");
        let input = self.node("Mul", &[&u, &input], "input");
        let (field, time) = (self.signature.field.0.clone(), self.signature.time.clone());
        self.lay_out_input(&input, &field);
        if let Some((cotangent, _)) = self.signature.adjoint.clone() {
            // The derivative is not asked for, but its direction may be.
            self.builder.node("Identity", &[&field], &cotangent, vec![]);
        }
        let column = self.column(Column::Time, "time");
        let column = match self.signature.time_shape {
            TimeShape::PerField(_) => column,
            TimeShape::Common(_) => {
                let first = self.builder.integers(&format!("{PREFIX}first"), &[0]);
                self.node_with("Gather", &[&column, &first], "time.common", vec![int("axis", 0)])
            }
        };
        let shaped = self.reshape(&column, &self.signature.time_shape(self.batch), "time.shaped");
        self.cast(&shaped, time.1, &time.0);
        u
    }

    /// Everything behind the output of the network.
    fn after(&mut self, u: &str, coloured: bool) {
        let output = self.flatten_output(&self.signature.output.0.clone());
        let gain = self.column(Column::Gain, "gain");
        let mut denoised = self.node("Mul", &[&output, &gain], "gained");
        if self.convention.keeps_field() {
            denoised = self.node("Add", &[u, &denoised], "kept");
        }
        let shift = self.number("shift.back", self.convention.normalisation.shift);
        let denoised = self.node("Add", &[&denoised, &shift], "denoised");

        let (a, b) = (self.column(Column::StateWeight, "a"), self.column(Column::DataWeight, "b"));
        let own = self.node("Mul", &[names::STATE, &a], "mean.own");
        let clean = self.node("Mul", &[&denoised, &b], "mean.clean");
        let mean = self.node("Add", &[&own, &clean], "mean");
        let noise = if coloured {
            self.coloured()
        } else {
            let deviation = self.column(Column::Deviation, "deviation");
            self.node("Mul", &[names::NOISE, &deviation], "noise.scaled")
        };
        let next = self.node("Add", &[&mean, &noise], "next.state");

        let k = self.column(Column::ForwardFactor, "k");
        let back = self.node("Mul", &[&next, &k], "forward.mean");
        let difference = self.node("Sub", &[names::STATE, &back], "forward.noise");
        let forward = self.sum_of_squares(&difference, "forward");
        let precision = self.column(Column::HalfPrecision, "half.precision");
        let forward = self.node("Mul", &[&forward, &precision], "forward.cost");
        let reverse = self.sum_of_squares(names::NOISE, "reverse");
        let half = self.number("half", 0.5);
        let reverse = self.node("Mul", &[&reverse, &half], "reverse.cost");
        let change = self.node("Sub", &[&reverse, &forward], "change");
        let constant = self.column(Column::Constant, "constant");
        let change = self.node("Add", &[&change, &constant], "change.whole");
        self.node("Add", &[names::RATIO, &change], "next.ratio");
    }

    /// Of every field, of shape (batch, 1).
    fn sum_of_squares(&mut self, x: &str, name: &str) -> String {
        let square = self.node("Mul", &[x, x], &format!("{name}.squares"));
        let sum = format!("{name}.sum");
        if self.version < AXES_AS_INPUT {
            return self.node_with("ReduceSum", &[&square], &sum, vec![ints("axes", vec![1]), int("keepdims", 1)]);
        }
        let axis = self.builder.integers(&format!("{PREFIX}axis"), &[1]);
        self.node_with("ReduceSum", &[&square, &axis], &sum, vec![int("keepdims", 1)])
    }

    /// White noise to momentum space, times S_p, and back.
    fn coloured(&mut self) -> String {
        let lattice = self.signature.lattice.clone();
        let modes = self.along_axes(names::NOISE.to_string(), &lattice, false);
        let modes = self.reshape(&modes, &[self.batch, self.values], "modes");
        let spectrum = self.node_with("Gather", &[names::SPECTRUM, names::INDEX], "deviations", vec![int("axis", 0)]);
        let modes = self.node("Mul", &[&modes, &spectrum], "modes.scaled");
        let noise = self.along_axes(modes, &lattice, true);
        self.reshape(&noise, &[self.batch, self.values], "noise.coloured")
    }

    fn along_axes(&mut self, mut x: String, lattice: &Lattice, back: bool) -> String {
        let (mut outer, mut inner) = (self.batch * lattice.components(), lattice.sites());
        let way = if back { "back" } else { "there" };
        for (axis, &extent) in lattice.extents().iter().enumerate() {
            inner /= extent;
            let name = format!("{way}{axis}");
            let basis = real_basis(extent);
            let transposed: Vec<f64> = (0..extent * extent).map(|i| basis[i % extent * extent + i / extent]).collect();
            // From the left of a column of sites, from the right of a row.
            let matrix = if back == (inner > 1) { transposed } else { basis };
            let matrix = self.builder.doubles(&format!("{PREFIX}{name}.basis"), &[extent, extent], &matrix);
            x = match inner {
                1 => {
                    let rows = self.reshape(&x, &[outer, extent], &format!("{name}.rows"));
                    self.node("MatMul", &[&rows, &matrix], &name)
                }
                _ => {
                    let columns = self.reshape(&x, &[outer, extent, inner], &format!("{name}.columns"));
                    self.node("MatMul", &[&matrix, &columns], &name)
                }
            };
            outer *= extent;
        }
        x
    }
}
