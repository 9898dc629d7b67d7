//! The model file: an ONNX graph of the denoiser, so that any ONNX runtime can evaluate it, with
//! `stoq.*` metadata and named weights, from which stoq rebuilds the model without reading the graph.
//!
//! Input `field` is float32 `[batch, components, extents..]` and `sigma` float32 `[batch]` (> 0); output
//! `denoised` is D(x, sigma) in the shape of `field`, and the score is (D - x)/sigma^2. Opset 19, IR
//! version 9. A graph of rank 4 has convolutions over four axes, which ONNX allows; ONNX Runtime 1.20
//! and 1.31 run it on the CPU, other runtimes and devices may lack kernels for it.
//!
//! Weights are initialisers under the names of `UNet::layout` in the order of ONNX (`weights.rs`).
//! `stoq.metadata` holds the [`super::Metadata`] as JSON, `stoq.hash` the SHA-256 of that text and of
//! the weights. A program may read, rename or reorder the rest of the file as it likes.

pub(crate) mod builder;
mod graph;
mod keys;
mod links;
pub(crate) mod proto;
mod read;
mod weights;
mod wiener;

#[cfg(test)]
mod tests;

pub use read::from_bytes;

use super::Model;
use super::metadata::SCHEMA;
use crate::error::Result;
use crate::nn::UNet;
use prost::Message;
use proto::{ModelProto, OperatorSetIdProto, StringStringEntryProto};
use weights::WeightTensor;

const OPSET: i64 = 19;
const IR_VERSION: i64 = 9;

/// The bytes of the model file.
///
/// # Errors
/// [`crate::error::Error::InvalidArgument`] when the network does not have the two input fields a
/// component of a denoiser, or the metadata hold a number that is not finite.
pub fn to_bytes(model: &Model) -> Result<Vec<u8>> {
    Ok(to_proto(model)?.encode_to_vec())
}

fn to_proto(model: &Model) -> Result<ModelProto> {
    let metadata = model.metadata();
    let lattice = model.lattice()?;
    let network = UNet::new(&metadata.network, &lattice)?;
    let tensors = network.layout().entries().iter().map(|entry| {
        let tensor = WeightTensor::new(entry, lattice.rank());
        let bytes = tensor.to_bytes(&model.parameters()[entry.range()]);
        (entry.name.clone(), tensor.dims, bytes)
    });
    let tensors: Vec<_> = tensors.collect();
    let json = keys::to_json(metadata)?;
    let hash = keys::digest(&json, tensors.iter().map(|(_, _, bytes)| bytes.as_slice()));
    // The hash comes last: a file that was cut short has none.
    let mut entries = vec![(keys::SCHEMA_KEY.to_string(), SCHEMA.to_string())];
    entries.extend(keys::readable(metadata)?);
    entries.extend(model.report().map(|report| (keys::REPORT_KEY.to_string(), report.to_string())));
    entries.extend([(keys::METADATA_KEY.to_string(), json), (keys::HASH_KEY.to_string(), hash)]);
    Ok(ModelProto {
        ir_version: IR_VERSION,
        producer_name: env!("CARGO_PKG_NAME").to_string(),
        producer_version: env!("CARGO_PKG_VERSION").to_string(),
        doc_string: format!(
            "Denoiser D(x, sigma) = E[x0 | x0 + sigma noise = x] of a {} lattice field; \
             the score is (D - x)/sigma^2. Metadata under stoq.* say for which theory.",
            keys::field_kind(metadata)
        ),
        graph: Some(graph::denoiser(model, &network, tensors)?),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: entries.into_iter().map(|(key, value)| StringStringEntryProto { key, value }).collect(),
    })
}
