//! Rebuilds a model from the metadata and the weights of its file. The graph is for other programs and
//! is not read.

use super::keys::{self, HASH_KEY, METADATA_KEY, REPORT_KEY, SCHEMA_KEY};
use super::proto::{FLOAT, GraphProto, ModelProto, TensorProto};
use super::weights::WeightTensor;
use crate::error::{Error, Result};
use crate::lattice::Lattice;
use crate::model::metadata::SCHEMA;
use crate::model::{Metadata, Model};
use crate::nn::UNet;
use crate::nn::parameters::Entry;
use prost::Message;
use std::collections::BTreeMap;

/// Way out of every kind of damage.
const COPY_AGAIN: &str = "the file is damaged or was edited; copy it again from its source, or write it again";

/// Reads the bytes of a model file; `name` stands for the file in messages.
///
/// Memory stays within a fixed multiple of the length of `bytes`, whatever they are.
///
/// # Errors
/// [`Error::ModelFile`] with the reason and a way out: no ONNX file, cut short, not written by stoq,
/// another schema, a weight that is missing or has the wrong shape or type, a hash that does not fit,
/// weights that are not finite.
pub fn from_bytes(bytes: &[u8], name: &str) -> Result<Model> {
    read(bytes).map_err(|reason| Error::ModelFile { file: name.to_string(), reason })
}

fn read(bytes: &[u8]) -> Result<Model, String> {
    let proto = ModelProto::decode(bytes)
        .map_err(|error| format!("no ONNX file, or cut short or damaged ({error}); copy it again from its source"))?;
    let graph = proto.graph.as_ref().ok_or("an ONNX file without a graph, perhaps cut short; copy it again")?;
    let entries: BTreeMap<&str, &str> =
        proto.metadata_props.iter().map(|entry| (entry.key.as_str(), entry.value.as_str())).collect();
    require_schema(&entries)?;
    let json = *entries.get(METADATA_KEY).ok_or_else(|| format!("{METADATA_KEY} is missing: {COPY_AGAIN}"))?;
    let hash = *entries.get(HASH_KEY).ok_or_else(|| format!("{HASH_KEY} is missing: {COPY_AGAIN}"))?;
    let metadata: Metadata =
        serde_json::from_str(json).map_err(|error| format!("{METADATA_KEY} cannot be read ({error}): {COPY_AGAIN}"))?;
    let describe = |error: Error| format!("{METADATA_KEY}: {error}: {COPY_AGAIN}");
    let lattice = lattice_within_the_file(&metadata).map_err(describe)?;
    let network = UNet::new(&metadata.network, &lattice).map_err(describe)?;
    let (parameters, raw) = weights(graph, &network, lattice.rank())?;
    if keys::digest(json, raw.into_iter()) != hash {
        return Err(format!("metadata and weights do not have the hash {hash} that {HASH_KEY} says: {COPY_AGAIN}"));
    }
    require_readable_entries(&entries, &metadata)?;
    let report = entries.get(REPORT_KEY).map(|report| report.to_string());
    let model = Model::new(metadata, parameters);
    let model = model.map_err(|error| format!("{error}; train the model again, or take an older one"))?;
    Ok(model.with_report(report))
}

fn require_schema(entries: &BTreeMap<&str, &str>) -> Result<(), String> {
    match entries.get(SCHEMA_KEY) {
        Some(schema) if *schema == SCHEMA.to_string() => Ok(()),
        Some(schema) => Err(format!(
            "{SCHEMA_KEY} is {schema}, this version of stoq reads {SCHEMA}; read it with the version that wrote it"
        )),
        None => Err(format!(
            "no {SCHEMA_KEY} among its metadata: exported by another program? stoq loads models that stoq wrote"
        )),
    }
}

/// The lattice, if a list of covariances of that length can belong to it. There is at least one
/// momentum class for every 2^4 4! momenta: no lattice is much larger than the file that names it.
/// (A network without reach has one value a component, and needs no memory for its sites here.)
fn lattice_within_the_file(metadata: &Metadata) -> Result<Lattice> {
    let lattice = metadata.lattice()?;
    if metadata.network.reach > 0 && lattice.values() / (16 * 24) > metadata.covariance.len() {
        let expected = format!("one value for each momentum class of extents {:?}", metadata.extents);
        return Err(Error::shape("covariance", metadata.covariance.len(), expected));
    }
    metadata.validate()?;
    Ok(lattice)
}

/// The native weights, and the bytes that they were read from in the order of the layout.
fn weights<'a>(graph: &'a GraphProto, network: &UNet, rank: usize) -> Result<(Vec<f32>, Vec<&'a [u8]>), String> {
    let mut by_name: BTreeMap<&str, &TensorProto> = BTreeMap::new();
    for tensor in &graph.initializer {
        if by_name.insert(tensor.name.as_str(), tensor).is_some() {
            return Err(format!("two tensors are named {:?}: {COPY_AGAIN}", tensor.name));
        }
    }
    let mut found = Vec::new();
    for entry in network.layout().entries() {
        let tensor = by_name
            .get(entry.name.as_str())
            .ok_or_else(|| format!("weights {:?} are missing: {COPY_AGAIN}", entry.name))?;
        let place = WeightTensor::new(entry, rank);
        require_form(tensor, entry, &place.dims)?;
        found.push((place, *tensor, entry));
    }
    // Allocated only now: the bytes for all of it are there.
    let mut parameters = vec![0.0; network.layout().total()];
    for (place, tensor, entry) in &found {
        place.copy_to_native(&tensor.raw_data, &mut parameters[entry.range()]);
    }
    Ok((parameters, found.into_iter().map(|(_, tensor, _)| tensor.raw_data.as_slice()).collect()))
}

fn require_form(tensor: &TensorProto, entry: &Entry, dims: &[usize]) -> Result<(), String> {
    let name = &entry.name;
    if tensor.data_type != FLOAT {
        return Err(format!(
            "weights {name:?} have ONNX element type {}, expected {FLOAT} (float32); \
             give stoq the file as it was written, not a quantised or half-precision one",
            tensor.data_type
        ));
    }
    if !tensor.dims.iter().map(|&extent| usize::try_from(extent).ok()).eq(dims.iter().map(|&extent| Some(extent))) {
        return Err(format!(
            "weights {name:?} have shape {:?}, expected {dims:?} from {METADATA_KEY}: {COPY_AGAIN}",
            tensor.dims
        ));
    }
    if tensor.raw_data.len() != 4 * entry.len() {
        return Err(format!(
            "weights {name:?} hold {} bytes of raw data, expected {}: damaged, or saved with external data; \
             save it as one file",
            tensor.raw_data.len(),
            4 * entry.len()
        ));
    }
    Ok(())
}

/// Somebody who edits `stoq.sigma` expects it to act, and it would not.
fn require_readable_entries(entries: &BTreeMap<&str, &str>, metadata: &Metadata) -> Result<(), String> {
    for (key, value) in keys::readable(metadata).map_err(|error| error.to_string())? {
        if let Some(found) = entries.get(key.as_str()).filter(|found| **found != value) {
            return Err(format!("{key} says {found:?}, but {METADATA_KEY} says {value:?}: {COPY_AGAIN}"));
        }
    }
    Ok(())
}
