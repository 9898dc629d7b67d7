//! The `stoq` program from data to a chain, as a user runs it, and what it says when something is wrong.
#![cfg(feature = "cli")]

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn stoq(folder: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stoq"));
    command.current_dir(folder).args(arguments.split_whitespace()).output().unwrap()
}

/// Runs a command that must succeed, with --json, and returns its result.
fn result(folder: &Path, arguments: &str) -> Value {
    let output = stoq(folder, &format!("{arguments} --quiet --json result.json"));
    assert_eq!(output.status.code(), Some(0), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.is_empty(), "{arguments}: --quiet prints {}", String::from_utf8_lossy(&output.stdout));
    let text = std::fs::read_to_string(folder.join("result.json")).unwrap();
    std::fs::remove_file(folder.join("result.json")).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["command"].as_str(), arguments.split(' ').next());
    assert_eq!(value["version"], env!("CARGO_PKG_VERSION"));
    assert!(value["parameters"].is_object(), "{arguments}: {text}");
    value
}

/// A finite number under a path of keys, for example "/seconds/total".
fn number(value: &Value, pointer: &str) -> f64 {
    let found = value.pointer(pointer).and_then(Value::as_f64);
    found.filter(|x| x.is_finite()).unwrap_or_else(|| panic!("no number {pointer} in {value:#}"))
}

const DATA: &str = "data phi4 --kappa 0.25 --extent 4,4 --configs 64 --thermalise 20 -o d.npy";
const TRAIN: &str = "train d.npy -o m.onnx --steps 3 --channels 4,4 --batch 8 --proposals 64";
const CHAIN: &str = "chain phi4 --kappa 0.25 --extent 4,4 --thermalise 5";

/// A folder with data and a model in it.
fn prepared() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [DATA, TRAIN] {
        let output = stoq(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    folder
}

#[test]
fn data_train_info_check_and_chain() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let data = result(folder, DATA);
    let described: Value = serde_json::from_slice(&std::fs::read(folder.join("d.json")).unwrap()).unwrap();
    assert_eq!(
        (&described["action"]["name"], &described["action"]["couplings"]["kappa"]),
        (&"phi4".into(), &0.25.into())
    );
    for pointer in ["/observables/abs_mag/value", "/observables/abs_mag/error", "/observables/abs_mag/tau_int"] {
        assert!(number(&data, pointer) > 0.0 && number(&described, pointer) > 0.0);
    }
    assert!((0.0..=1.0).contains(&number(&data, "/acceptance/value")));

    let train = result(folder, TRAIN);
    assert_eq!(train["parameters"]["steps"], 3);
    assert!(number(&train, "/seconds/total") >= number(&train, "/seconds/training"));
    assert!(number(&train, "/loss") > 0.0);

    let info = result(folder, "info m.onnx");
    assert_eq!(info["metadata"]["extents"], serde_json::json!([4, 4]));
    assert_eq!(info["metadata"]["training"]["steps"], 3);
    assert_eq!(info["metadata"]["action"], described["action"]);
    assert!(info["metadata"]["training"]["command"].as_str().unwrap().starts_with("stoq train d.npy"));

    let check = result(folder, "check m.onnx --proposals 128 --levels 3,6");
    assert_eq!((&check["verdict"], check["path"].as_array().unwrap().len()), (&"pass".into(), 2));
    for (index, levels) in [3, 6].into_iter().enumerate() {
        assert_eq!(check["path"][index]["score_evaluations_per_update"], levels);
        for key in ["acceptance", "ess", "var_log_w", "log_z"] {
            assert!(number(&check, &format!("/path/{index}/{key}/value")) > 0.0);
            assert!(number(&check, &format!("/path/{index}/{key}/error")) > 0.0);
        }
        assert!(number(&check, &format!("/path/{index}/acceptance/value")) <= 1.0);
    }

    let chain = result(folder, &format!("{CHAIN} --updates 40 --levels 4 --kernel hmc+path --model m.onnx --seed 3"));
    for name in ["abs_mag", "mean_abs_phi", "chi2", "chi_connected", "binder", "phi2", "action_density"] {
        for key in ["value", "error", "tau_int"] {
            number(&chain, &format!("/observables/{name}/{key}"));
        }
    }
    for kernel in ["hmc", "path"] {
        assert!((0.0..=1.0).contains(&number(&chain, &format!("/acceptance/{kernel}/value"))));
    }
    for key in ["total", "per_update", "per_independent"] {
        assert!(number(&chain, &format!("/seconds/{key}")) > 0.0);
    }
    // What does not apply is absent, never zero.
    assert!(chain.get("ess").is_none() && data.get("verdict").is_none());
    // The same seed gives the same numbers, for any number of threads; another seed does not.
    let observables = |arguments: &str| {
        result(folder, &format!("{CHAIN} --updates 40 --levels 4 {arguments}"))["observables"].clone()
    };
    assert_eq!(observables("--kernel hmc+path --model m.onnx --seed 3 --threads 2"), chain["observables"]);
    assert_ne!(observables("--kernel hmc+path --model m.onnx --seed 4"), chain["observables"]);
    observables("--kernel hmc+renoise --renoise-time 0.4 --model m.onnx");
}

#[test]
fn json_goes_to_standard_output_and_nothing_else_does() {
    let folder = tempfile::tempdir().unwrap();
    let output =
        stoq(folder.path(), "chain phi4 --kappa 0.2 --extent 4,4 --kernel hmc --updates 20 --thermalise 2 --json -");
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    number(&value, "/acceptance/hmc/value");
    assert!(value["acceptance"].get("path").is_none());
}

#[test]
fn a_failed_requirement_is_status_1() {
    let folder = prepared();
    let output = stoq(folder.path(), "check m.onnx --proposals 64 --levels 3 --require 1.01 --json c.json");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("1.01") && message.contains("acceptance"), "{message}");
    let value: Value = serde_json::from_slice(&std::fs::read(folder.path().join("c.json")).unwrap()).unwrap();
    assert_eq!(value["verdict"], "fail");
    assert_eq!(stoq(folder.path(), "check m.onnx --proposals 64 --levels 3 --require 0.0").status.code(), Some(0));
}

/// Every file in the folder with its bytes.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> =
        entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn bad_input_is_status_2_with_a_message_and_leaves_all_files_alone() {
    let folder = prepared();
    let folder = folder.path();
    let bytes = std::fs::read(folder.join("d.npy")).unwrap();
    std::fs::write(folder.join("cut.npy"), &bytes[..bytes.len() / 2]).unwrap();
    std::fs::write(folder.join("nonsense.npy"), b"this is no array").unwrap();
    std::fs::write(folder.join("broken.onnx"), &std::fs::read(folder.join("m.onnx")).unwrap()[..500]).unwrap();
    std::fs::write(folder.join("result.json"), "precious").unwrap();
    std::fs::write(folder.join("word.npy"), &bytes).unwrap();
    std::fs::write(folder.join("word.json"), "{ no JSON").unwrap();
    let before = contents(folder);
    // The command, and words that its message must contain.
    let cases: [(String, &[&str]); 20] = [
        (format!("{CHAIN} --updates 9 --kernel path --model absent.onnx"), &["absent.onnx"]),
        ("check absent.onnx".into(), &["absent.onnx"]),
        ("info absent.onnx".into(), &["absent.onnx"]),
        ("info broken.onnx".into(), &["broken.onnx"]),
        ("info d.npy".into(), &["d.npy"]),
        (format!("{CHAIN} --updates 9 --kernel path"), &["--model", "path"]),
        (format!("{CHAIN} --updates 9 --kernel hmc+pth"), &["--kernel", "pth", "renoise"]),
        (format!("{CHAIN} --updates 9 --kernel renoise --renoise-time 1.5 --model m.onnx"), &["renoise_time", "1.5"]),
        (format!("{CHAIN} --updates 9 --kernel path --levels 0 --model m.onnx"), &["levels", "0"]),
        (format!("{CHAIN} --updates 9 --kernel path --model m.onnx --threads 0"), &["threads", "0"]),
        (format!("{CHAIN} --kernel hmc --updates 0"), &["--updates", "0"]),
        ("chain phi4 --kappa 0.25 --extent 8,8 --kernel path --updates 9 --model m.onnx".into(), &["[4, 4]", "[8, 8]"]),
        ("chain phi4 --kappa 0.25 --extent 1,4 --kernel hmc --updates 9".into(), &["extents", "[1, 4]"]),
        ("chain phi4 --kappa nan --extent 4,4 --kernel hmc --updates 9".into(), &["kappa", "NaN"]),
        ("chain ising --extent 4,4 --kernel hmc --updates 9".into(), &["ising", "phi4"]),
        ("train cut.npy -o m.onnx --steps 1".into(), &["cut.npy", ".npy"]),
        ("train nonsense.npy -o m.onnx --steps 1".into(), &["nonsense.npy", ".npy"]),
        ("train word.npy -o m.onnx --steps 1".into(), &["word.json"]),
        ("train d.npy -o absent/m.onnx --steps 1 --channels 4".into(), &["absent/m.onnx"]),
        ("data phi4 --kappa 0.25 --extent 4,4 --configs 3 --thermalise 1 -o d.npy".into(), &["configurations", "3"]),
    ];
    let mut wrong = vec![];
    for (arguments, words) in &cases {
        let output = stoq(folder, &format!("{arguments} --json result.json"));
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        let helpful = words.iter().all(|word| message.contains(word)) && !message.contains("panicked");
        if output.status.code() != Some(2) || !helpful {
            wrong.push(format!("{arguments}\n  status {:?}: {message}", output.status.code()));
        }
        let after = contents(folder);
        let changed = after.iter().filter(|file| !before.contains(file)).map(|(name, _)| name.clone());
        let names: Vec<String> = changed.collect();
        if after != before {
            wrong.push(format!("{arguments}\n  changed {names:?}"));
            for (name, bytes) in &before {
                std::fs::write(folder.join(name), bytes).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn help_and_version_are_there_and_no_command_is_bad_usage() {
    let folder = tempfile::tempdir().unwrap();
    let help = stoq(folder.path(), "--help");
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(
        help.status.success() && ["data", "train", "check", "chain", "info"].iter().all(|word| text.contains(word))
    );
    let version = stoq(folder.path(), "--version");
    assert!(String::from_utf8_lossy(&version.stdout).contains(env!("CARGO_PKG_VERSION")));
    assert_eq!(stoq(folder.path(), "").status.code(), Some(2));
    assert_eq!(stoq(folder.path(), "chain phi4").status.code(), Some(2));
}
