//! Two-dimensional U(1) gauge theory on the command line.
#![cfg(feature = "cli")]

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn stoq(folder: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stoq"));
    command.current_dir(folder).args(arguments.split_whitespace()).output().unwrap()
}

/// The result of a command that must succeed.
fn result(folder: &Path, arguments: &str) -> Value {
    let output = stoq(folder, &format!("{arguments} --quiet --json -"));
    assert_eq!(output.status.code(), Some(0), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn number(value: &Value, pointer: &str) -> f64 {
    value.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("no number {pointer} in {value:#}"))
}

/// Names and z values of all observables that have one.
fn deviations(result: &Value) -> Vec<(&str, f64)> {
    let observables = result["observables"].as_object().unwrap().iter();
    observables.filter_map(|(name, value)| Some((name.as_str(), value.get("z")?.as_f64()?))).collect()
}

/// Shape and values of an array of float64 or float32.
fn array(path: &Path) -> (Vec<usize>, Vec<f64>) {
    use ndarray_npy::ReadNpyExt;
    let open = || std::fs::File::open(path).unwrap();
    let wide = ndarray::ArrayD::<f64>::read_npy(open());
    let array = wide.unwrap_or_else(|_| ndarray::ArrayD::<f32>::read_npy(open()).unwrap().mapv(f64::from));
    (array.shape().to_vec(), array.into_iter().collect())
}

/// Charge, its square in two names, two sectors, and six numbers of Polyakov loops; more sectors where the run came there,
/// and the square loops that fit.
const OBSERVABLES: usize = 11;

#[test]
fn chains_give_the_exact_values() {
    let folder = tempfile::tempdir().unwrap();
    // Fourteen to seventeen z values each against 4.5, some 60 in all: false alarm 4e-4, seeds fixed.
    for (arguments, loops) in [
        ("--beta 1 --extent 5,5 --kernel hmc", 4),
        ("--beta 3 --extent 4,4 --kernel hmc+charge-shift --start cold", 3),
        ("--beta 2 --extent 4,6 --kernel metropolis+charge-shift+charge-shift", 3),
        ("--beta 3 --extent 4,4 --kernel mala+charge-shift+hmc --seed 2", 3),
    ] {
        let chain = result(folder.path(), &format!("chain u1 {arguments} --updates 8000 --series series.npy"));
        let found = deviations(&chain);
        assert!((OBSERVABLES + loops..=OBSERVABLES + loops + 2).contains(&found.len()), "{found:?}");
        assert!(found.iter().all(|(_, z)| z.abs() < 4.5), "{arguments}: {found:?}");
        assert_eq!((&chain["verdict"], &chain["exact_kernels"]), (&"pass".into(), &true.into()), "{chain:#}");
        let seconds = 2.0 * number(&chain, "/observables/Q/tau_int") * number(&chain, "/seconds/per_update");
        assert!((number(&chain, "/seconds/per_independent") / seconds - 1.0).abs() < 1e-12);

        // The series is what was measured.
        let (shape, series) = array(&folder.path().join("series.npy"));
        assert_eq!(shape, [8000, 2]);
        let mean = |column: usize| series.iter().skip(column).step_by(2).sum::<f64>() / 8000.0;
        assert!((mean(0) - number(&chain, "/observables/plaquette/value")).abs() < 1e-12);
        assert!((mean(1) - number(&chain, "/observables/Q/value")).abs() < 1e-12);
        let changes = (0..7999).filter(|t| series[2 * t + 1] != series[2 * t + 3]).count();
        assert!((number(&chain, "/tunnelling") - changes as f64 / 7999.0).abs() < 1e-12 && changes > 100);
    }
}

#[test]
fn a_frozen_charge_has_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let frozen = result(folder.path(), "chain u1 --beta 12 --extent 8,8 --kernel hmc --updates 300 --start cold");
    for name in ["Q", "Q2", "chi_Q", "P_Q0", "P_Q1"] {
        let row = &frozen["observables"][name];
        let keys: Vec<_> = row.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["exact", "value"], "{name}: {row:#}");
    }
    assert_eq!((number(&frozen, "/tunnelling"), &frozen["verdict"]), (0.0, &"frozen".into()));
    number(&frozen, "/observables/plaquette/z");
    number(&frozen, "/observables/polyakov_1_square/tau_int");
    assert!(frozen["seconds"].get("per_independent").is_none());
    assert_eq!(frozen["parameters"]["start"], "cold");
    let said = stoq(folder.path(), "chain u1 --beta 12 --extent 8,8 --kernel hmc --updates 300 --start cold");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("Q changed in 0 of 300 updates: too rarely"), "{said}");
    // A hot start at such a coupling freezes anywhere.
    let hot = result(folder.path(), "chain u1 --beta 12 --extent 8,8 --kernel hmc --updates 300 --seed 3");
    assert_ne!(number(&hot, "/observables/Q/value"), 0.0);
}

#[test]
fn data_are_reduced_angles_in_equilibrium() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let data = result(folder, "data u1 --beta 3 --extent 4,4 --configs 2000 --sweeps 2 -o d.npy");
    // Fourteen z values or more against 4.5: false alarm 1e-4, seed fixed.
    let found = deviations(&data);
    assert!(found.len() >= OBSERVABLES + 3 && found.iter().all(|(_, z)| z.abs() < 4.5), "{found:?}");
    let (shape, angles) = array(&folder.join("d.npy"));
    assert_eq!(shape, [2000, 2, 4, 4]);
    assert!(
        angles.iter().all(|angle| angle.abs() <= std::f64::consts::PI) && angles.iter().any(|angle| angle.abs() > 3.1)
    );
    let described: Value = serde_json::from_slice(&std::fs::read(folder.join("d.json")).unwrap()).unwrap();
    assert_eq!(described["action"], serde_json::json!({"name": "u1", "couplings": {"beta": 3.0}}));
    assert_eq!((&described["components"], &described["sweeps"]), (&2.into(), &2.into()));
    for key in ["hmc_acceptance", "charge_shift_acceptance", "tunnelling"] {
        assert!((0.05..=1.0).contains(&number(&described, &format!("/{key}"))), "{described:#}");
    }
}

#[test]
fn a_saved_chain_goes_on_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let chain = "chain u1 --beta 1 --extent 3,4 --kernel metropolis+charge-shift --seed 5";
    result(folder, &format!("{chain} --updates 60 --series whole.npy"));
    result(folder, &format!("{chain} --updates 25 --series first.npy --save state"));
    let second = result(folder, &format!("{chain} --updates 35 --series second.npy --resume state"));
    let series = |name: &str| array(&folder.join(name)).1;
    assert_eq!([series("first.npy"), series("second.npy")].concat(), series("whole.npy"));
    assert!(second["parameters"].get("start").is_none());
}

#[test]
fn the_self_test_passes_and_wrong_words_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Eight z values against 5, seed fixed.
    let test = result(folder, "selftest u1 --configs 300");
    assert_eq!(test["verdict"], "pass", "{test:#}");
    let names = test["checks"].to_string();
    assert!(names.contains("charge-shift") && names.contains("gauge transformations"), "{names}");
    for (arguments, words) in [
        ("chain u1 --extent 4,4 --kernel hmc --updates 9", &["--beta", "u1"][..]),
        ("chain u1 --beta 1 --kernel hmc --updates 9", &["--extent"]),
        ("chain u1 --beta 1 --extent 4 --kernel hmc --updates 9", &["extents", "[4]", "two axes"]),
        ("chain u1 --beta -1 --extent 4,4 --kernel hmc --updates 9", &["beta", "-1"]),
        ("chain u1 --beta 1 --kappa 1 --extent 4,4 --kernel hmc --updates 9", &["--kappa", "--beta"]),
        ("chain u1 --beta 1 --extent 4,4 --kernel charge-shift --updates 9", &["charge-shift", "hmc"]),
        ("chain u1 --beta 1 --extent 4,4 --kernel renoise --updates 9", &["--model", "renoise"]),
        ("chain phi4 --kappa 0.2 --extent 4,4 --kernel hmc+charge-shift --updates 9", &["extents", "two components"]),
        ("chain toy --start cold --resume state --kernel hmc --updates 9", &["--start", "--resume"]),
        ("data u1 --beta 1 --extent 4 --configs 9 -o d.npy", &["extents", "[4]"]),
        ("sample u1 --beta 1 --extent 4,4 --configs 9 -o g.npy", &["u1", "model"]),
    ] {
        let output = stoq(folder, arguments);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments}: {message}");
        assert!(words.iter().all(|word| message.contains(word)), "{arguments}: {message}");
    }
}
