//! What a model file says without being run: its metadata, and where its weights lie. Only the shell of the ONNX format
//! is read here; graph and weights are for ONNX Runtime.

use super::keys::NATIVE_KEY;
use crate::error::{Error, Result};
use prost::Message;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

#[derive(Clone, PartialEq, Message)]
struct ModelShell {
    #[prost(string, tag = "2")]
    producer_name: String,
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphShell>,
    #[prost(message, repeated, tag = "14")]
    metadata_props: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct GraphShell {
    #[prost(message, repeated, tag = "1")]
    node: Vec<NodeShell>,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<TensorShell>,
}

#[derive(Clone, PartialEq, Message)]
struct NodeShell {
    #[prost(string, tag = "4")]
    op_type: String,
}

#[derive(Clone, PartialEq, Message)]
struct TensorShell {
    #[prost(string, tag = "8")]
    name: String,
    #[prost(message, repeated, tag = "13")]
    external_data: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// An ONNX file, as far as stoq reads it.
pub(crate) struct ModelFile {
    /// The `metadata_props`; of keys that stand twice the last.
    pub entries: BTreeMap<String, String>,
    /// Files that hold weights: their names relative to the model file, and what is in them.
    pub external: Vec<(PathBuf, Arc<[u8]>)>,
    /// CRC-32 of the file and of those beside it.
    pub hash: u32,
}

impl ModelFile {
    /// Reads `bytes`; `folder` is where files beside it are looked for, `None` for a model in memory.
    ///
    /// # Errors
    /// [`Error::ModelFile`] with a way out.
    pub fn read(bytes: &[u8], name: &str, folder: Option<&Path>) -> Result<Self> {
        let fail = |reason: String| Error::ModelFile { file: name.to_string(), reason };
        if bytes.starts_with(b"PK\x03\x04") {
            return Err(fail(
                "a zip file, such as torch.save writes, and no ONNX file; export it with stoq.export".into(),
            ));
        }
        let shell = ModelShell::decode(bytes).map_err(|error| {
            fail(format!("no ONNX file, or cut short or damaged ({error}); copy it again from its source"))
        })?;
        let graph = shell.graph.filter(|graph| !graph.node.is_empty());
        let graph = graph.ok_or_else(|| fail("no ONNX file with a graph, perhaps cut short; copy it again".into()))?;
        let mut external = vec![];
        let mut hash = crc32fast::Hasher::new();
        hash.update(bytes);
        for file in external_files(&graph).map_err(fail)? {
            let folder = folder.ok_or_else(|| {
                fail(format!("its weights lie in {}; a model in memory must hold them itself", file.display()))
            })?;
            let beside = std::fs::read(folder.join(&file)).map_err(|error| {
                let file = file.display();
                fail(format!(
                    "its weights lie in {file} beside it, which cannot be read ({error}); copy that file too, or export \
                     with external_data=False"
                ))
            })?;
            hash.update(&beside);
            external.push((file, beside.into()));
        }
        let entries: BTreeMap<_, _> = shell.metadata_props.into_iter().map(|entry| (entry.key, entry.value)).collect();
        if shell.producer_name == env!("CARGO_PKG_NAME") && !entries.contains_key(NATIVE_KEY) {
            // It must not pass for a network of another program, of which less is known.
            return Err(fail(format!(
                "stoq wrote it, and {NATIVE_KEY} is missing: cut short or edited; copy it again"
            )));
        }
        Ok(ModelFile { entries, external, hash: hash.finalize() })
    }
}

fn external_files(graph: &GraphShell) -> Result<Vec<PathBuf>, String> {
    let mut files = vec![];
    for tensor in &graph.initializer {
        for place in tensor.external_data.iter().filter(|entry| entry.key == "location") {
            let file = PathBuf::from(&place.value);
            if !file.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
                return Err(format!("the weights {:?} lie in {:?}, outside its folder", tensor.name, place.value));
            }
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    Ok(files)
}

/// The file with other `stoq.*` entries in its metadata, and everything else as it was to the byte. The entries come last.
///
/// # Errors
/// A sentence for a file that cannot be followed.
pub(crate) fn with_entries(bytes: &[u8], entries: &[(String, String)]) -> Result<Vec<u8>, String> {
    let mut kept = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = field_length(rest).ok_or("cut short or damaged")?;
        let (field, after) = rest.split_at(length);
        let alone = ModelShell::decode(field).map_err(|error| error.to_string())?;
        if !alone.metadata_props.iter().any(|entry| entry.key.starts_with("stoq.")) {
            kept.extend_from_slice(field);
        }
        rest = after;
    }
    let metadata_props = entries.iter().map(|(key, value)| Entry { key: key.clone(), value: value.clone() }).collect();
    let added = ModelShell { producer_name: String::new(), graph: None, metadata_props };
    kept.extend(added.encode_to_vec());
    Ok(kept)
}

/// Bytes of the first field of a message: tag, then by the kind in its low bits.
fn field_length(bytes: &[u8]) -> Option<usize> {
    let (tag, head) = variable_length(bytes)?;
    let body = match tag & 7 {
        0 => variable_length(&bytes[head..])?.1,
        1 => 8,
        2 => {
            let (length, size) = variable_length(&bytes[head..])?;
            usize::try_from(length).ok()?.checked_add(size)?
        }
        5 => 4,
        _ => return None,
    };
    head.checked_add(body).filter(|&length| length <= bytes.len())
}

/// A number of seven bits a byte, and how many bytes it has.
fn variable_length(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(location: Option<&str>) -> Vec<u8> {
        let external_data = location.map(|value| Entry { key: "location".into(), value: value.into() });
        let tensor = TensorShell { name: "w".into(), external_data: external_data.into_iter().collect() };
        let graph = GraphShell { node: vec![NodeShell { op_type: "Add".into() }], initializer: vec![tensor] };
        let entries = [("stoq.time", "t"), ("author", "x")];
        let metadata_props = entries.map(|(key, value)| Entry { key: key.into(), value: value.into() }).into();
        // A field that the shell does not know: ir_version.
        let mut bytes = vec![8, 9];
        bytes.extend(ModelShell { producer_name: String::new(), graph: Some(graph), metadata_props }.encode_to_vec());
        bytes
    }

    #[test]
    fn what_is_no_model_is_said() {
        let refusal = |bytes: &[u8]| ModelFile::read(bytes, "x.onnx", None).err().unwrap().to_string();
        assert!(refusal(b"PK\x03\x04rest").contains("torch.save"));
        assert!(refusal(b"").contains("no ONNX file"));
        assert!(refusal(b"just some text that nobody exported").contains("no ONNX file"));
        let whole = sample(None);
        assert!(ModelFile::read(&whole, "x.onnx", None).is_ok());
        for length in 0..whole.len() {
            // Metadata may be lost with the end; nothing panics.
            let _ = ModelFile::read(&whole[..length], "x.onnx", None);
        }
    }

    #[test]
    fn weights_beside_the_file_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = sample(Some("w.data"));
        let read = |folder| ModelFile::read(&bytes, "x.onnx", folder);
        assert!(read(None).err().unwrap().to_string().contains("in memory"));
        assert!(read(Some(folder.path())).err().unwrap().to_string().contains("w.data beside it"));
        std::fs::write(folder.path().join("w.data"), [1, 2]).unwrap();
        let before = read(Some(folder.path())).unwrap().hash;
        std::fs::write(folder.path().join("w.data"), [1, 3]).unwrap();
        assert_ne!(before, read(Some(folder.path())).unwrap().hash);
        let outside = ModelFile::read(&sample(Some("../w.data")), "x.onnx", Some(folder.path()));
        assert!(outside.err().unwrap().to_string().contains("outside its folder"));
    }

    #[test]
    fn entries_are_replaced_and_the_rest_stays() {
        let bytes = sample(None);
        let changed =
            with_entries(&bytes, &[("stoq.time".into(), "sigma".into()), ("stoq.scale".into(), "2".into())]).unwrap();
        assert_eq!(changed[..2], [8, 9]);
        let entries = ModelFile::read(&changed, "x.onnx", None).unwrap().entries;
        let found: Vec<_> = entries.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(found, [("author", "x"), ("stoq.scale", "2"), ("stoq.time", "sigma")]);
        let again = with_entries(&changed, &[("stoq.time".into(), "t".into())]).unwrap();
        assert_eq!(again.len(), bytes.len());
        assert!(with_entries(&bytes[..bytes.len() - 1], &[]).is_err());
    }
}
