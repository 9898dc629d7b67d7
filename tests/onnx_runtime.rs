//! Networks that other programs exported, on ONNX Runtime: what they answer, what is refused, and that the exact kernels
//! are exact with them.

#![cfg(feature = "onnxruntime")]

mod common;
#[path = "common/networks.rs"]
mod networks;

use common::{bits, configurations, estimates, exact, hot_start, root, untrained};
use networks::networks;
use serde_json::Value;
use std::sync::Arc;
use stoq::Error;
use stoq::action::Phi4;
use stoq::diffusion::Schedule;
use stoq::kernel::{Chain, ChainOptions, Kernel};
use stoq::lattice::Lattice;
use stoq::rng::{Purpose, Stream};
use stoq::score::Score;
use stoq::score::onnx_runtime::{
    Channels, Declaration, Device, Engine, NetworkOutput, Normalisation, OnnxScore, OpenOptions, Opened, TimeInput,
    adopted, open, open_memory,
};

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn random(length: usize, seed: u64) -> Vec<f64> {
    let mut values = vec![0.0; length];
    Stream::new(seed, 0, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut values);
    values
}

fn denoise(score: &Arc<OnnxScore>, threads: usize, noise: &[f64], fields: &[f64]) -> Vec<f64> {
    let mut denoised = vec![0.0; fields.len()];
    score.clone().evaluator(threads).unwrap().denoise(noise, fields, &mut denoised).unwrap();
    denoised
}

/// Fields in the order of the library, from a tensor whose components stand last.
fn components_first(tensor: &[f64], lattice: &Lattice) -> Vec<f64> {
    let (sites, components) = (lattice.sites(), lattice.components());
    let order = |field: &[f64]| -> Vec<f64> {
        (0..sites * components).map(|i| field[i % sites * components + i / sites]).collect()
    };
    tensor.chunks(sites * components).flat_map(order).collect()
}

#[test]
fn networks_answer_what_the_runtime_answers_elsewhere() {
    let Some(networks) = networks() else { return };
    let good = networks.cases["good"].as_object().unwrap();
    assert!(good.len() >= 18);
    for (name, case) in good {
        let score = networks.open(name);
        let order = |tensor: Vec<f64>| match case["last"] == true {
            true => components_first(&tensor, score.lattice()),
            false => tensor,
        };
        let (noise, fields) = (numbers(&case["noise"]), order(numbers(&case["field"])));
        let output = order(numbers(&case["output"]));
        let found = denoise(&score, 1, &noise, &fields);
        let (values, mut off, mut largest) = (score.lattice().values(), 0.0f64, 0.0f64);
        for (index, found) in found.iter().enumerate() {
            let (x, y, sigma) = (fields[index], output[index], noise[index / values]);
            let expected = match case["output_kind"].as_str().unwrap() {
                "sigma*score" => x + sigma * y,
                "noise" => x - sigma * y,
                _ => y,
            };
            off = off.max((found - expected).abs());
            largest = largest.max(expected.abs());
        }
        // The wheels of Python and the library under test are of one version only by default.
        let bound = match case["dtype"].as_str().unwrap() {
            "float16" => 3e-3,
            "float32" => 2e-6,
            _ => 1e-14,
        };
        println!("{name}: {:?}, off {:.1e}, batches {:?}", score.lattice(), off / largest, score.batches());
        assert!(largest > 0.1 && off <= bound * largest, "{name}: off by {:e}", off / largest);
    }
}

/// The contract on which exactness rests: to the last bit, whatever the batch, the place in it, and the threads.
#[test]
fn a_field_does_not_depend_on_its_batch_to_the_bit() {
    let Some(networks) = networks() else { return };
    for name in networks.cases["good"].as_object().unwrap().keys() {
        let score = networks.open(name);
        let (values, count) = (score.lattice().values(), 37);
        let fields = random(count * values, 3);
        let noise: Vec<f64> = (0..count).map(|i| [0.1, 0.7, 0.7, 2.0, 11.0][i % 5]).collect();
        let together = denoise(&score, 1, &noise, &fields);
        assert!(together.iter().all(|x| x.is_finite()) && together.iter().any(|x| x.abs() > 0.01));
        assert_eq!(bits(&together), bits(&denoise(&score, 3, &noise, &fields)), "{name}: threads");
        let mut evaluator = score.clone().evaluator(1).unwrap();
        for size in [1, 2, 5, 16] {
            let mut parts = vec![0.0; fields.len()];
            let chunks = fields.chunks(size * values).zip(noise.chunks(size)).zip(parts.chunks_mut(size * values));
            for ((fields, noise), out) in chunks {
                evaluator.denoise(noise, fields, out).unwrap();
            }
            assert_eq!(bits(&together), bits(&parts), "{name}: batches of {size}");
        }
    }
}

#[test]
fn what_is_no_score_network_is_refused() {
    let Some(networks) = networks() else { return };
    let bad = networks.cases["bad"].as_object().unwrap();
    assert!(bad.len() >= 19);
    for (name, word) in bad {
        let refusal = match networks.open_with(name, Declaration::default()) {
            Err(error) => error,
            Ok(_) => panic!("{name} was opened"),
        };
        println!("{name}: {refusal}");
        assert!(refusal.to_string().contains(word.as_str().unwrap()), "{name}: {refusal}");
        assert!(matches!(refusal, Error::ModelFile { .. } | Error::InvalidArgument { .. }), "{name}: {refusal:?}");
    }
    let missing = open(networks.path("nowhere"), &networks.options());
    assert!(matches!(missing, Err(Error::Io { .. })));
    // Cut anywhere and with bytes flipped: an error or a network, never a panic.
    let whole = std::fs::read(networks.path("rank2")).unwrap();
    for step in 0..60 {
        let mut bytes = whole.clone();
        if step % 2 == 0 {
            bytes.truncate(step * whole.len() / 60)
        } else {
            bytes[step * whole.len() / 60] ^= 0xa5
        }
        let _ = open_memory(&bytes, "damaged", None, &networks.options());
    }
}

#[test]
fn options_complete_a_file_and_may_not_contradict_it() {
    let Some(networks) = networks() else { return };
    let said = Declaration {
        schedule: Some(Schedule::variance_preserving(5.0).unwrap()),
        output: Some(NetworkOutput::Noise),
        time: Some(TimeInput::Time),
        normalisation: Some(Normalisation { scale: 2.0, shift: 0.5 }),
        ..Declaration::default()
    };
    let score = networks.open_with("silent", said.clone()).unwrap();
    // The same by metadata: same bits, whatever else is in the file.
    let bytes = std::fs::read(networks.path("silent")).unwrap();
    let written = adopted(&bytes, "silent", networks.folder.path(), &said).unwrap();
    let Ok(Opened::Exported(other)) = open_memory(&written, "adopted", None, &networks.options()) else { panic!() };
    let (fields, noise) = (random(3 * 16, 1), [0.2, 1.0, 3.0]);
    let found = denoise(&score, 1, &noise, &fields);
    assert_eq!(bits(&found), bits(&denoise(&other, 1, &noise, &fields)));
    assert_eq!(other.declaration(), score.declaration());
    assert!(other.fingerprint() != score.fingerprint());
    // Noise that no time of the network has: the Wiener filter of the white covariance 4. Without noise: the field.
    let beyond = 2.1 * said.schedule.unwrap().noise(1.0);
    let far = denoise(&score, 1, &[beyond, 0.0], &fields[..32]);
    let gain = 4.0 / (4.0 + beyond * beyond);
    assert!((0..16).all(|i| (far[i] - gain * fields[i]).abs() < 1e-12 && far[16 + i] == fields[16 + i]));
    for (name, given) in [
        ("time input", Declaration { time: Some(TimeInput::Time), ..Declaration::default() }),
        ("output of the network", Declaration { output: Some(NetworkOutput::Score), ..Declaration::default() }),
        ("channels", Declaration { channels: Some(Channels::Last), ..Declaration::default() }),
        ("extents", Declaration { extents: Some(vec![8, 8]), ..Declaration::default() }),
        ("covariance", Declaration { covariance: Some(vec![1.0, 2.0]), ..Declaration::default() }),
        ("finite positive", Declaration { covariance: Some(vec![-1.0]), ..Declaration::default() }),
        (
            "scale",
            Declaration { normalisation: Some(Normalisation { scale: 0.0, shift: 0.0 }), ..Declaration::default() },
        ),
    ] {
        let file = if name == "channels" { "last" } else { "rank2" };
        let given = if name == "channels" { Declaration { channels: Some(Channels::First), ..given } } else { given };
        let refusal = networks.open_with(file, given).err().unwrap_or_else(|| panic!("{name} was not refused"));
        assert!(refusal.to_string().contains(name), "{name}: {refusal}");
    }
}

#[test]
fn files_of_stoq_need_no_runtime_and_run_on_it_too() {
    let path = root().join("examples/models/phi4_16x16_kappa0.27.onnx");
    let nowhere = OpenOptions { runtime: Some("/nowhere".into()), ..OpenOptions::default() };
    let Ok(Opened::Native(native)) = open(&path, &nowhere) else { panic!("the committed model needs no runtime") };
    let asked = OpenOptions { engine: Engine::OnnxRuntime, ..nowhere.clone() };
    assert!(matches!(open(&path, &asked), Err(Error::RuntimeMissing { .. })));
    let contradiction = Declaration { time: Some(TimeInput::Time), ..Declaration::default() };
    assert!(open(&path, &OpenOptions { declaration: contradiction, ..nowhere }).is_err());
    let Some(networks) = networks() else { return };
    let Ok(Opened::Exported(score)) = open(&path, &OpenOptions { engine: Engine::OnnxRuntime, ..networks.options() })
    else {
        panic!("ONNX Runtime runs it too")
    };
    let (fields, noise) = (random(3 * 256, 1), [0.2, 1.0, 3.0]);
    let found = denoise(&score, 1, &noise, &fields);
    let mut expected = vec![0.0; fields.len()];
    native.clone().evaluator(1).unwrap().denoise(&noise, &fields, &mut expected).unwrap();
    assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 2e-5), "two engines, one network");
    assert!(score.fingerprint() != native.fingerprint());
    assert_eq!(score.posterior(0.5), native.posterior(0.5));
}

/// This machine has no such device, or its library was not built for one; a machine with one opens it.
#[test]
fn a_device_that_is_not_there_is_an_error() {
    let Some(networks) = networks() else { return };
    let asked = OpenOptions { device: Device::Cuda(900), ..networks.options() };
    match open(networks.path("rank2"), &asked) {
        Err(Error::DeviceUnavailable { device, reason }) => println!("{device}: {reason}"),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("there are no 900 devices"),
    }
}

/// Exported derivatives against central differences, both in double precision, and the differences of single precision
/// against the exported ones: their errors are those that `differential.rs` states.
#[test]
fn derivatives_have_the_stated_errors() {
    let Some(networks) = networks() else { return };
    let (noise, values) = (0.7, 16);
    let field = random(values, 2);
    let mut unit = vec![0.0; values * values];
    (0..values).for_each(|i| unit[i * values + i] = 1.0);
    let tangents = |name: &str, directions: &[f64]| {
        let score = networks.open(name);
        let (mut denoised, mut changes) = (vec![0.0; values], vec![0.0; directions.len()]);
        let mut differential = score.clone().differential().unwrap();
        differential.tangents(noise, &field, directions, &mut denoised, &mut changes).unwrap();
        assert_eq!(bits(&denoised), bits(&denoise(&score, 1, &[noise], &field)));
        (score.has_exact_derivatives(), changes)
    };
    let (is_exact, reference) = tangents("vjp", &unit);
    assert!(is_exact && reference.iter().any(|x| x.abs() > 0.1));
    let scale = reference.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
    let off = |found: &[f64]| found.iter().zip(&reference).map(|(a, b)| (a - b).abs() / scale).fold(0.0, f64::max);
    let found = [("double", 1e-8), ("single", 3e-4), ("vjp_single", 1e-5)].map(|(name, bound)| {
        let (is_exact, changes) = tangents(name, &unit);
        assert!(!is_exact && off(&changes) < bound, "{name}: {:e}", off(&changes));
        off(&changes)
    });
    println!(
        "differences in double precision {:.1e}, single {:.1e}; product in single {:.1e}",
        found[0], found[1], found[2]
    );
    assert!(found[1] > 1e-7, "single precision has rounding");
    // An exact density needs exact derivatives.
    let options = || ChainOptions { kernel: Kernel::Likelihood, levels: 2, ..ChainOptions::default() };
    let refusal = Chain::new(networks.open("single"), options()).err().unwrap().to_string();
    assert!(refusal.contains("exact derivatives"), "{refusal}");
    assert!(Chain::new(networks.open("vjp"), options()).is_ok());
}

/// |z| < 3.8 in 2 x 4 comparisons: a correct program fails for at most 0.12 % of all seeds; the seeds are fixed.
#[test]
fn exact_kernels_agree_with_closed_forms() {
    let Some(networks) = networks() else { return };
    let kappa = 0.21;
    let covariance = configurations(&[4, 4], kappa, 1024).covariance().unwrap();
    let given = Declaration { covariance: Some(covariance), ..Declaration::default() };
    let score = networks.open_with("phi4", given).unwrap();
    for (kernel, updates, seed) in [(Kernel::Path, 120_000, 1), (Kernel::Renoise { time: 0.5 }, 80_000, 2)] {
        let lattice = Lattice::new(&[4, 4]).unwrap();
        let mut action = Phi4::new(&lattice, kappa, common::LAMBDA).unwrap();
        let options = ChainOptions { kernel, levels: 6, seed, pool: 64, ..ChainOptions::default() };
        let mut chain = Chain::new(score.clone(), options).unwrap();
        let (mut field, mut series) = (hot_start(16, seed, 0), common::Series::default());
        for update in 0..updates + 500 {
            chain.step(&mut field, &mut action).unwrap();
            if update >= 500 {
                series.measure(&field);
            }
        }
        let found = estimates(&[series]);
        let z: Vec<f64> = found.iter().zip(exact(4, kappa)).map(|(e, exact)| e.z_value(exact)).collect();
        let acceptance = chain.statistics().accepted as f64 / chain.statistics().steps as f64;
        println!(
            "{kernel:?}: acceptance {acceptance:.3}, z {z:.2?}, errors {:.4?}",
            found.each_ref().map(|e| e.error / e.value)
        );
        assert!((0.02..0.98).contains(&acceptance), "{acceptance}");
        assert!(z.iter().all(|z| z.abs() < 3.8), "{kernel:?}: {z:?}");
        assert!(found.iter().all(|e| e.error < 0.05 * e.value));
    }
}

#[test]
fn a_native_model_of_a_test_goes_both_ways() {
    let Some(networks) = networks() else { return };
    let data = configurations(&[4, 4], 0.21, 256);
    let path = networks.folder.path().join("native.onnx");
    untrained(&data, 0.21, &[4]).save(&path).unwrap();
    let ours = open(&path, &OpenOptions::default()).unwrap();
    let theirs = open(&path, &OpenOptions { engine: Engine::OnnxRuntime, ..networks.options() }).unwrap();
    assert!(ours.native().is_some() && theirs.native().is_none());
    assert_eq!(ours.action(), theirs.action());
    assert_eq!(ours.score().covariance(), theirs.score().covariance());
}
