//! Operators and constants of a graph, one call each. Every value has a name that says what it is;
//! the node that makes it has the same name.

use super::proto::{
    ATTRIBUTE_INT, ATTRIBUTE_INTS, AttributeProto, FLOAT, INT64, NodeProto, TensorProto, TensorShapeProto,
    TensorTypeProto, TypeProto, ValueInfoProto,
};
use super::proto::{DimensionProto, GraphProto};
use crate::nn::pointwise::{ODD_BEND, ODD_SLOPE};
use std::collections::BTreeSet;

/// A graph that grows.
#[derive(Default)]
pub struct GraphBuilder {
    nodes: Vec<NodeProto>,
    tensors: Vec<TensorProto>,
    known: BTreeSet<String>,
}

impl GraphBuilder {
    /// Adds an operator with one output, named `output`, and returns that name.
    pub fn node(&mut self, operator: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) -> String {
        self.node_with_outputs(operator, inputs, output, &[output], attributes);
        output.to_string()
    }

    /// Adds an operator with several outputs.
    pub fn node_with_outputs(
        &mut self,
        operator: &str,
        inputs: &[&str],
        name: &str,
        outputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) {
        let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        self.nodes.push(NodeProto {
            input: names(inputs),
            output: names(outputs),
            name: name.to_string(),
            op_type: operator.to_string(),
            attribute: attributes,
        });
    }

    /// x sigmoid(x), in the form that runtimes recognise and fuse.
    pub fn silu(&mut self, x: &str, output: &str) -> String {
        let gate = self.node("Sigmoid", &[x], &format!("{output}.gate"), vec![]);
        self.node("Mul", &[x, &gate], output, vec![])
    }

    /// x (1 + (a - 1)/(1 + k x^2)), the activation of odd networks.
    pub fn odd(&mut self, x: &str, output: &str) -> String {
        let one = self.floats("one", &[], [1.0]);
        let bend = self.floats("odd.bend", &[], [ODD_BEND]);
        let square = self.node("Mul", &[x, x], &format!("{output}.square"), vec![]);
        let square = self.node("Mul", &[&square, &bend], &format!("{output}.bent"), vec![]);
        let total = self.node("Add", &[&square, &one], &format!("{output}.total"), vec![]);
        let part = self.floats("odd.part", &[], [ODD_SLOPE - 1.0]);
        let part = self.node("Div", &[&part, &total], &format!("{output}.part"), vec![]);
        let ratio = self.node("Add", &[&one, &part], &format!("{output}.ratio"), vec![]);
        self.node("Mul", &[x, &ratio], output, vec![])
    }

    /// `x` with another shape; one extent may be -1.
    pub fn reshape(&mut self, x: &str, shape: &[i64], output: &str) -> String {
        let shape = self.integers(&format!("shape{shape:?}").replace(' ', ""), shape);
        self.node("Reshape", &[x, &shape], output, vec![])
    }

    /// The slice `start..end` of `x` along `axis`.
    pub fn slice(&mut self, x: &str, axis: usize, (start, end): (i64, i64), output: &str) -> String {
        let start = self.index(start);
        let end = self.index(end);
        let axis = self.index(axis as i64);
        self.node("Slice", &[x, &start, &end, &axis], output, vec![])
    }

    fn index(&mut self, value: i64) -> String {
        let name = if value == i64::MAX { "index.end".to_string() } else { format!("index.{value}") };
        self.integers(&name, &[value])
    }

    /// A constant list of integers; the same name stands for the same list.
    pub fn integers(&mut self, name: &str, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(name, INT64, &[values.len()], bytes)
    }

    /// A constant array, rounded to single precision; the same name stands for the same array.
    pub fn floats(&mut self, name: &str, dims: &[usize], values: impl IntoIterator<Item = f64>) -> String {
        let bytes = values.into_iter().flat_map(|value| (value as f32).to_le_bytes()).collect();
        self.tensor(name, FLOAT, dims, bytes)
    }

    /// A constant from its bytes.
    pub fn tensor(&mut self, name: &str, data_type: i32, dims: &[usize], raw_data: Vec<u8>) -> String {
        if self.known.insert(name.to_string()) {
            let dims = dims.iter().map(|&extent| extent as i64).collect();
            self.tensors.push(TensorProto { dims, data_type, name: name.to_string(), raw_data });
        }
        name.to_string()
    }

    /// A constant array in double precision; the same name stands for the same array.
    #[cfg(feature = "onnxruntime")]
    pub fn doubles(&mut self, name: &str, dims: &[usize], values: &[f64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(name, super::proto::DOUBLE, dims, bytes)
    }

    /// Nodes so far.
    #[cfg(feature = "onnxruntime")]
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The nodes and constants so far.
    #[cfg(feature = "onnxruntime")]
    pub fn into_parts(self) -> (Vec<NodeProto>, Vec<TensorProto>) {
        (self.nodes, self.tensors)
    }

    /// The finished graph.
    pub fn finish(self, name: &str, input: Vec<ValueInfoProto>, output: Vec<ValueInfoProto>) -> GraphProto {
        let (node, initializer) = (self.nodes, self.tensors);
        GraphProto { node, name: name.to_string(), initializer, doc_string: String::new(), input, output }
    }
}

/// An integer attribute.
pub fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.to_string(), i: Some(value), ints: vec![], r#type: ATTRIBUTE_INT }
}

/// A list of integers as attribute.
pub fn ints(name: &str, values: Vec<i64>) -> AttributeProto {
    AttributeProto { name: name.to_string(), i: None, ints: values, r#type: ATTRIBUTE_INTS }
}

/// An extent of its own number.
pub fn fixed(extent: usize) -> DimensionProto {
    DimensionProto { dim_value: Some(extent as i64), dim_param: None }
}

/// An extent that is not fixed.
pub fn free(name: &str) -> DimensionProto {
    DimensionProto { dim_value: None, dim_param: Some(name.to_string()) }
}

/// An input or output.
pub fn port(name: &str, elem_type: i32, dim: Vec<DimensionProto>) -> ValueInfoProto {
    let tensor = TensorTypeProto { elem_type, shape: Some(TensorShapeProto { dim }) };
    let r#type = Some(TypeProto { tensor_type: Some(tensor) });
    ValueInfoProto { name: name.to_string(), r#type, doc_string: String::new() }
}

/// A float32 input or output of shape `[batch, dims..]`.
pub fn batched(name: &str, dims: &[usize], doc_string: &str) -> ValueInfoProto {
    let dims = std::iter::once(free("batch")).chain(dims.iter().map(|&extent| fixed(extent)));
    ValueInfoProto { doc_string: doc_string.to_string(), ..port(name, FLOAT, dims.collect()) }
}
