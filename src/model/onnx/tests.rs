//! Files with one thing wrong, each made from a good one.

use super::proto::{ModelProto, TensorProto};
use super::*;
use crate::error::Error;
use crate::fourier::momentum_classes;
use crate::lattice::Lattice;
use crate::model::Metadata;
use crate::nn::UNetShape;
use crate::rng::{Purpose, Stream};

fn model(extents: &[usize]) -> Model {
    let lattice = Lattice::new(extents).unwrap();
    let network = UNetShape { channels: vec![2, 3], embedding: 4, ..UNetShape::default() };
    let count = UNet::new(&network, &lattice).unwrap().layout().total();
    let classes = momentum_classes(&lattice).1;
    let metadata = Metadata::untrained(
        &lattice,
        crate::diffusion::Schedule::variance_expanding(25.0).unwrap(),
        network,
        (0..classes).map(|class| 1.0 / (0.3 + class as f64)).collect(),
    );
    let mut parameters = vec![0.0; count];
    Stream::new(1, 0, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut parameters);
    Model::new(metadata, parameters.into_iter().map(|value| value as f32).collect()).unwrap()
}

fn tensor<'a>(proto: &'a mut ModelProto, name: &str) -> &'a mut TensorProto {
    let tensors = &mut proto.graph.as_mut().unwrap().initializer;
    tensors.iter_mut().find(|tensor| tensor.name == name).unwrap()
}

fn entry<'a>(proto: &'a mut ModelProto, key: &str) -> &'a mut String {
    &mut proto.metadata_props.iter_mut().find(|entry| entry.key == key).unwrap().value
}

fn drop_entry(proto: &mut ModelProto, key: &str) {
    proto.metadata_props.retain(|entry| entry.key != key);
}

/// Makes the hash fit whatever weights and metadata the file has.
fn sign(proto: &mut ModelProto) {
    let json = entry(proto, keys::METADATA_KEY).clone();
    let metadata: Metadata = serde_json::from_str(&json).unwrap();
    let network = UNet::new(&metadata.network, &Lattice::new(&metadata.extents).unwrap()).unwrap();
    let names = network.layout().entries().iter().map(|entry| entry.name.clone());
    let raw: Vec<Vec<u8>> = names.map(|name| tensor(proto, &name).raw_data.clone()).collect();
    *entry(proto, keys::HASH_KEY) = keys::digest(&json, raw.iter().map(Vec::as_slice));
}

/// The reason why a file that `damage` was done to is refused.
fn refusal(damage: impl FnOnce(&mut ModelProto)) -> String {
    let mut proto = to_proto(&model(&[4, 4])).unwrap();
    damage(&mut proto);
    match from_bytes(&proto.encode_to_vec(), "phi4.onnx") {
        Err(Error::ModelFile { file, reason }) => {
            assert_eq!(file, "phi4.onnx");
            reason
        }
        other => panic!("accepted, or another error: {other:?}"),
    }
}

#[test]
fn an_untouched_file_is_accepted_and_its_hash_fits() {
    let mut proto = to_proto(&model(&[4, 4])).unwrap();
    let hash = entry(&mut proto, keys::HASH_KEY).clone();
    sign(&mut proto);
    assert_eq!(*entry(&mut proto, keys::HASH_KEY), hash);
    assert_eq!(from_bytes(&proto.encode_to_vec(), "").unwrap(), model(&[4, 4]));
}

#[test]
fn every_kind_of_damage_is_named() {
    type Damage = fn(&mut ModelProto);
    let cases: [(Damage, &str); 15] = [
        (|p| p.metadata_props.clear(), "exported by another program?"),
        (|p| *entry(p, "stoq.schema") = "7".into(), "stoq.schema is 7, this version of stoq reads 1"),
        (|p| drop_entry(p, "stoq.metadata"), "stoq.metadata is missing"),
        (|p| drop_entry(p, "stoq.hash"), "stoq.hash is missing"),
        (|p| *entry(p, "stoq.metadata") += "}", "stoq.metadata cannot be read"),
        (|p| *p = ModelProto { graph: None, ..p.clone() }, "without a graph"),
        (|p| p.graph.as_mut().unwrap().initializer.retain(|t| t.name != "input.bias"), "\"input.bias\" are missing"),
        (|p| tensor(p, "input.bias").name = "output.bias".into(), "two tensors are named \"output.bias\""),
        (|p| tensor(p, "input.weight").dims[0] = 5, "have shape [5, 2, 3, 3], expected [2, 2, 3, 3]"),
        (|p| tensor(p, "input.weight").dims[0] = -2, "have shape [-2, 2, 3, 3]"),
        (|p| tensor(p, "input.weight").data_type = 10, "have ONNX element type 10, expected 1 (float32)"),
        (|p| tensor(p, "input.weight").raw_data.clear(), "hold 0 bytes of raw data, expected 144"),
        (|p| tensor(p, "input.weight").raw_data[3] ^= 1, "do not have the hash"),
        (|p| *entry(p, "stoq.sigma") = "24.0".into(), "stoq.sigma says \"24.0\", but stoq.metadata says \"25.0\""),
        (|p| *entry(p, "stoq.metadata") = String::new(), "stoq.metadata cannot be read"),
    ];
    for (damage, expected) in cases {
        let reason = refusal(damage);
        assert!(reason.contains(expected), "{reason:?} should contain {expected:?}");
        assert!(reason.contains(';') || reason.contains('?'), "no way out in {reason:?}");
    }
}

#[test]
fn weights_that_are_not_finite_are_refused_even_when_the_hash_fits() {
    let reason = refusal(|proto| {
        tensor(proto, "level0.up.first.weight").raw_data[4..8].copy_from_slice(&f32::NAN.to_le_bytes());
        sign(proto);
    });
    assert!(reason.contains("network weights is not finite"), "{reason}");
}

/// Metadata that describe more than the file can hold are refused before memory is taken for them.
#[test]
fn sizes_beyond_the_file_are_refused() {
    for (extents, channels) in [("[65536,32768]", "[2,3]"), ("[4,4]", "[4096,4096]"), ("[4,4]", "[2,3,4,5,6,7]")] {
        let reason = refusal(|proto| {
            let json = entry(proto, keys::METADATA_KEY);
            *json = json.replace("[4,4]", extents).replace("[2,3]", channels);
        });
        let named = ["shape of covariance", "have shape", "network channels"];
        assert!(named.iter().any(|part| reason.contains(part)), "{reason}");
    }
}

#[test]
fn what_is_not_onnx_is_called_so() {
    for bytes in [&b""[..], b"\x93NUMPY\x01\x00", b"PK\x03\x04 a zip file", b"{\"json\": true}", &[0xff; 64]] {
        let error = from_bytes(bytes, "x").unwrap_err().to_string();
        assert!(error.contains("no ONNX file") || error.contains("without a graph"), "{error}");
    }
}

#[test]
fn networks_and_records_that_the_file_cannot_hold_are_refused_in_writing() {
    let good = model(&[4, 4]);
    let mut metadata = good.metadata().clone();
    metadata.training.loss = Some(f64::NAN);
    let unfinished = Model::new(metadata, good.parameters().to_vec()).unwrap();
    assert!(to_bytes(&unfinished).unwrap_err().to_string().contains("training record"));

    let mut metadata = good.metadata().clone();
    metadata.network.inputs = 3;
    let count = UNet::new(&metadata.network, &Lattice::new(&[4, 4]).unwrap()).unwrap().layout().total();
    let other = Model::new(metadata, vec![0.0; count]).unwrap();
    assert!(to_bytes(&other).unwrap_err().to_string().contains("2 input fields"));
}

/// The card says nothing that acts: it changes neither the hash nor what a chain saves, and old files have none.
#[test]
fn a_report_card_travels_with_the_file_and_changes_nothing_else() {
    use crate::score::{NativeScore, Score};
    let plain = model(&[4, 4]);
    assert_eq!(from_bytes(&to_bytes(&plain).unwrap(), "plain").unwrap().report(), None);
    let with_card = plain.clone().with_report(Some("{\"verdict\":\"good\"}".into()));
    let back = from_bytes(&to_bytes(&with_card).unwrap(), "card").unwrap();
    assert_eq!(back, with_card);
    let mut protos = [to_proto(&plain).unwrap(), to_proto(&with_card).unwrap()];
    let [a, b] = &mut protos;
    assert_eq!(entry(a, keys::HASH_KEY), entry(b, keys::HASH_KEY));
    let fingerprints = [plain, back].map(|model| NativeScore::new(model).unwrap().fingerprint());
    assert_eq!(fingerprints[0], fingerprints[1]);
}
