//! A network that another program exported, with nodes of stoq before and behind it: one graph, in which the network stands
//! byte by byte as it was. Its nodes, constants, functions and attributes are copied unread; only its inputs and outputs become
//! values inside the graph. What is added has names under [`PREFIX`], which the network must not have.

use crate::model::onnx::proto::{NodeProto, OperatorSetIdProto, TensorProto, ValueInfoProto};
use prost::Message;
use std::collections::BTreeSet;

/// What all names of stoq's own values begin with.
pub(super) const PREFIX: &str = "stoq.step.";

/// Version of the file format from which constants need not be inputs.
const LEAST_IR_VERSION: i64 = 4;

/// `ModelProto`, its parts as bytes.
#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    opset_import: Vec<OperatorSetIdProto>,
    #[prost(bytes = "vec", repeated, tag = "25")]
    functions: Vec<Vec<u8>>,
}

/// `GraphProto`, its parts as bytes.
#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(bytes = "vec", repeated, tag = "1")]
    node: Vec<Vec<u8>>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(bytes = "vec", repeated, tag = "5")]
    initializer: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "11")]
    input: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "12")]
    output: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "13")]
    value_info: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "14")]
    quantization_annotation: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "15")]
    sparse_initializer: Vec<Vec<u8>>,
}

/// What is read of a node.
#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<Attribute>,
}

/// Whether an attribute holds graphs.
#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(bytes = "vec", optional, tag = "6")]
    graph: Option<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "11")]
    graphs: Vec<Vec<u8>>,
}

/// What is read of a constant.
#[derive(Clone, PartialEq, Message)]
struct Constant {
    #[prost(string, tag = "8")]
    name: String,
}

/// The nodes and constants around a network.
pub(super) struct Surroundings {
    pub before: Vec<NodeProto>,
    pub after: Vec<NodeProto>,
    pub constants: Vec<TensorProto>,
    pub inputs: Vec<ValueInfoProto>,
    pub outputs: Vec<ValueInfoProto>,
}

/// The version of ONNX's own operators that a network uses.
///
/// # Errors
/// A sentence for a file that names none.
pub(super) fn operator_version(model: &[u8]) -> Result<i64, String> {
    let model = Model::decode(model).map_err(|error| error.to_string())?;
    let own = model.opset_import.iter().find(|set| set.domain.is_empty() || set.domain == "ai.onnx");
    own.map(|set| set.version).ok_or_else(|| "it uses no operators of ONNX itself, which the step needs".to_string())
}

/// The graph of `model` between `surroundings`; of its outputs only `output` is kept, and what makes it.
///
/// # Errors
/// A sentence that says what cannot be joined.
pub(super) fn joined(model: &[u8], output: &str, surroundings: Surroundings) -> Result<Vec<u8>, String> {
    let mut model = Model::decode(model).map_err(|error| error.to_string())?;
    let graph = model.graph.as_mut().ok_or("a file without a graph")?;
    let nodes: Vec<Node> = decoded(&graph.node)?;
    let constants: Vec<Constant> = decoded(&graph.initializer)?;
    let own = nodes.iter().flat_map(|node| &node.output).chain(constants.iter().map(|constant| &constant.name));
    if let Some(name) = own.into_iter().find(|name| name.starts_with(PREFIX)) {
        return Err(format!("it has a value {name:?}, as a step of stoq has: is it one?"));
    }
    let needed = needed(&nodes, output);
    let network = std::mem::take(&mut graph.node).into_iter().zip(needed).filter(|(_, needed)| *needed);
    let network: Vec<_> = network.map(|(node, _)| node).collect();
    graph.node = encoded(&surroundings.before).chain(network).chain(encoded(&surroundings.after)).collect();
    graph.initializer.extend(encoded(&surroundings.constants));
    graph.input = encoded(&surroundings.inputs).collect();
    graph.output = encoded(&surroundings.outputs).collect();
    model.ir_version = model.ir_version.max(LEAST_IR_VERSION);
    Ok(model.encode_to_vec())
}

fn decoded<M: Message + Default>(parts: &[Vec<u8>]) -> Result<Vec<M>, String> {
    parts.iter().map(|part| M::decode(part.as_slice()).map_err(|error| error.to_string())).collect()
}

fn encoded<M: Message>(parts: &[M]) -> impl Iterator<Item = Vec<u8>> + '_ {
    parts.iter().map(Message::encode_to_vec)
}

/// Which nodes lead to `output`. All, where graphs inside nodes may use values that no list of inputs names.
fn needed(nodes: &[Node], output: &str) -> Vec<bool> {
    let has_graphs = |node: &Node| node.attribute.iter().any(|a| a.graph.is_some() || !a.graphs.is_empty());
    if nodes.iter().any(has_graphs) {
        return vec![true; nodes.len()];
    }
    let (mut wanted, mut needed) = (BTreeSet::from([output]), vec![false; nodes.len()]);
    // In the file every value stands before its use.
    for (node, needed) in nodes.iter().zip(&mut needed).rev() {
        if node.output.iter().any(|name| wanted.contains(name.as_str())) {
            *needed = true;
            wanted.extend(node.input.iter().map(String::as_str));
        }
    }
    needed
}
