//! The `stoq.*` entries of the file's `metadata_props`.

use crate::error::{Error, Result};
use crate::model::Metadata;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Number of the schema, [`crate::model::Metadata::schema`].
pub const SCHEMA_KEY: &str = "stoq.schema";
/// The whole [`Metadata`] as JSON: what reading goes by.
pub const METADATA_KEY: &str = "stoq.metadata";
/// The report card, JSON; absent from a model without one. No part of the digest: it says nothing that acts.
pub const REPORT_KEY: &str = "stoq.report";
/// The digest of [`digest`].
pub const HASH_KEY: &str = "stoq.hash";

/// The metadata as JSON.
///
/// # Errors
/// [`Error::InvalidArgument`] for a number that is not finite: JSON has none.
pub fn to_json(metadata: &Metadata) -> Result<String> {
    let json =
        serde_json::to_string(metadata).map_err(|error| Error::Internal(format!("metadata to JSON: {error}")))?;
    match serde_json::from_str::<Metadata>(&json) {
        Ok(back) if back == *metadata => Ok(json),
        _ => Err(Error::invalid("model metadata", json, "finite numbers in the action and in the training record")),
    }
}

/// What a person looks for with `grep`; each repeats a part of the metadata, and reading checks that it does.
pub fn readable(metadata: &Metadata) -> Result<Vec<(String, String)>> {
    let fault = |error| Error::Internal(format!("metadata to JSON: {error}"));
    let mut keys = vec![
        ("stoq.field".to_string(), field_kind(metadata)),
        ("stoq.output".into(), "denoiser".into()),
        ("stoq.time".into(), "sigma".into()),
        ("stoq.T".into(), crate::diffusion::T_END.to_string()),
        ("stoq.extents".into(), serde_json::to_string(&metadata.extents).map_err(fault)?),
    ];
    // The scheme and its parameters, by the names that they have in JSON.
    if let Value::Object(schedule) = serde_json::to_value(metadata.schedule).map_err(fault)? {
        for (name, value) in schedule {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_string);
            keys.push((format!("stoq.{name}"), text));
        }
    }
    let action = metadata.action.as_ref().map(|action| {
        let couplings = action.couplings.iter().map(|(name, value)| format!(" {name}={value}"));
        action.name.clone() + &couplings.collect::<String>()
    });
    keys.push(("stoq.action".into(), action.unwrap_or_else(|| "not recorded".into())));
    let cell = metadata.network.channels.len().checked_sub(1).and_then(|halvings| 1usize.checked_shl(halvings as u32));
    let symmetries = match cell {
        _ if metadata.network.reach == 0 => "permutations of the sites".into(),
        Some(1) => "translations".into(),
        Some(cell) => format!("translations by multiples of {cell} sites"),
        None => "none".into(),
    };
    keys.push(("stoq.symmetries".into(), symmetries));
    Ok(keys)
}

/// What is at a site.
pub fn field_kind(metadata: &Metadata) -> String {
    match (metadata.plaquettes, metadata.components) {
        (Some(_), _) => "link angles".into(),
        (None, 1) => "real scalar".into(),
        (None, components) => format!("real, {components} components"),
    }
}

/// SHA-256 of the metadata JSON and the raw data of the weight tensors (their order is that of
/// `UNet::layout`, their bytes those of the file), in hexadecimal.
pub fn digest<'a>(json: &str, weights: impl Iterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    hash.update(json.as_bytes());
    weights.for_each(|bytes| hash.update(bytes));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
