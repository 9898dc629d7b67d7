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
    std::fs::write(folder.join("bad.toml"), "kernle = 'hmc'").unwrap();
    let before = contents(folder);
    // The command, and words that its message must contain.
    let cases: Vec<(String, &[&str])> = vec![
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
        ("reproduce toy --quick --report absent/page.html".into(), &["--report", "absent"]),
        ("reproduce toy --quick --model m.onnx".into(), &["--model"]),
        ("chain ising --extent 4,4 --kernel hmc --updates 9".into(), &["ising", "phi4"]),
        ("train cut.npy -o m.onnx --steps 1".into(), &["cut.npy", ".npy"]),
        ("train nonsense.npy -o m.onnx --steps 1".into(), &["nonsense.npy", ".npy"]),
        ("train word.npy -o m.onnx --steps 1".into(), &["word.json"]),
        ("train d.npy -o absent/m.onnx --steps 1 --channels 4".into(), &["absent/m.onnx"]),
        ("data phi4 --kappa 0.25 --extent 4,4 --configs 3 --thermalise 1 -o d.npy".into(), &["configurations", "3"]),
        ("chain toy --kappa 0.25 --kernel hmc --updates 9".into(), &["--kappa", "0.25", "--mu2", "--g"]),
        ("chain toy --g -1 --kernel hmc --updates 9".into(), &["g = -1"]),
        ("chain phi4 --kernel hmc --extent 4,4 --updates 9".into(), &["--kappa"]),
        ("chain phi4 --kernel hmc --kappa 0.2 --updates 9".into(), &["--extent"]),
        ("chain u1 --kernel hmc --updates 9".into(), &["--beta", "u1"]),
        ("chain complex-quartic --kernel path --updates 9".into(), &["complex", "no accept"]),
        ("chain toy --kernel mala --drift-time 0.1 --updates 9".into(), &["--drift-time", "--drift"]),
        ("chain toy --kernel mala --step-size 0 --updates 9".into(), &["step_size", "0"]),
        ("chain toy --kernel path --contraction 0.5 --updates 9".into(), &["--contraction", "interpolating"]),
        ("chain toy --kernel path --sigma 30 --model m.onnx --updates 9".into(), &["--sigma", "model"]),
        ("chain toy --kernel hmc --resume d.npy --updates 9".into(), &["d.npy", "--save"]),
        ("data toy --sweeps 3 --configs 64 -o d.npy".into(), &["--sweeps", "independent"]),
        ("sample complex-gaussian --configs 9 -o g.npy".into(), &["complex-gaussian", "model"]),
        ("sample phi4 --kappa 0.2 --extent 4,4 --configs 9 -o g.npy".into(), &["phi4", "--lambda 0"]),
        ("sample m.onnx --kappa 0.2 --configs 9 -o g.npy".into(), &["--kappa", "model"]),
        ("sample toy --corrections 3 --configs 9 -o g.npy".into(), &["--corrections", "annealed"]),
        ("sample absent.onnx --configs 9 -o g.npy".into(), &["absent.onnx"]),
        ("likelihood toy d.npy --probes 3".into(), &["--probes", "hutchinson"]),
        ("likelihood m.onnx absent.npy".into(), &["absent.npy"]),
        ("likelihood three-peak d.npy".into(), &["d.npy", "2 components"]),
        ("selftest complex-gaussian".into(), &["complex", "no accept"]),
        ("selftest toy --configs 10".into(), &["configurations", "10"]),
        ("chain toy --config absent.toml --kernel hmc --updates 9".into(), &["absent.toml"]),
        ("chain toy --config bad.toml --kernel hmc --updates 9".into(), &["bad.toml", "kernle"]),
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
        help.status.success()
            && ["data", "train", "check", "sample", "likelihood", "chain", "selftest", "info"]
                .iter()
                .all(|word| text.contains(word))
    );
    let version = stoq(folder.path(), "--version");
    assert!(String::from_utf8_lossy(&version.stdout).contains(env!("CARGO_PKG_VERSION")));
    assert_eq!(stoq(folder.path(), "").status.code(), Some(2));
    assert_eq!(stoq(folder.path(), "chain phi4").status.code(), Some(2));
}

/// The shape and the values of an array.
fn array(path: &Path) -> (Vec<usize>, Vec<f64>) {
    use ndarray_npy::ReadNpyExt;
    let open = || std::fs::File::open(path).unwrap();
    let wide = ndarray::ArrayD::<f64>::read_npy(open());
    let array = wide.unwrap_or_else(|_| ndarray::ArrayD::<f32>::read_npy(open()).unwrap().mapv(f64::from)).into_dyn();
    (array.shape().to_vec(), array.into_iter().collect())
}

/// All z values of the observables up to the fourth order.
fn deviations(result: &Value) -> Vec<(String, f64)> {
    let observables = result["observables"].as_object().unwrap().iter();
    let low = observables.filter(|(name, _)| !name.contains(['5', '6', '7', '8']));
    low.filter_map(|(name, value)| Some((name.clone(), value.get("z")?.as_f64()?))).collect()
}

#[test]
fn every_kernel_gives_the_exact_averages_of_the_toy() {
    let folder = tempfile::tempdir().unwrap();
    // Five z values each (phi, phi2, phi4, kappa2, kappa4), 50 in all, against 4.5: false alarm 3e-4, seed fixed.
    for arguments in [
        "--kernel metropolis",
        "--kernel hmc",
        "--kernel hmc --integrator leapfrog --integrator-steps 3 --warm-up 0",
        "--kernel mala",
        "--kernel mala --drift score --drift-time 0.02",
        "--kernel mala --drift blend --score-weight 0.3",
        "--kernel path --levels 8",
        "--kernel renoise --levels 8 --renoise-time 0.2 --schedule vp --grid geometric",
        "--kernel likelihood --levels 8 --schedule interpolating --contraction 0.3",
        "--kernel hmc+path --levels 5 --grid pilot",
    ] {
        let chain = result(folder.path(), &format!("chain toy --mu2 0.5 --updates 4000 {arguments}"));
        let found = deviations(&chain);
        assert_eq!(found.len(), 5, "{chain:#}");
        assert!(found.iter().all(|(_, z)| z.abs() < 4.5), "{arguments}: {found:?}");
        assert_eq!((&chain["verdict"], &chain["exact_kernels"]), (&"pass".into(), &true.into()), "{arguments}");
        assert_eq!(chain.get("score_evaluations_per_update").is_some(), chain["parameters"].get("score").is_some());
        assert!((0.2..=1.0).contains(&number(&chain, &format!("/acceptance/{}/value", kernel(arguments)))));
    }
    let langevin = result(folder.path(), "chain toy --kernel langevin --updates 500");
    assert_eq!((&langevin["verdict"], &langevin["exact_kernels"]), (&"inexact".into(), &false.into()));
    assert!(langevin.get("acceptance").is_none());
}

fn kernel(arguments: &str) -> &str {
    arguments.split([' ', '+']).nth(1).unwrap()
}

#[test]
fn the_other_systems_have_their_exact_averages_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    // 5, 14 and 9 z values against 4.5: false alarm 2e-4, seed fixed.
    for (arguments, known) in [
        ("chain two-peak --kernel path --levels 8 --extent 3", 5),
        ("chain three-peak --kernel path+metropolis --levels 8", 14),
        ("chain phi4 --kappa 0.2 --lambda 0 --extent 4,4 --kernel hmc+path --levels 5", 9),
    ] {
        let chain = result(folder.path(), &format!("{arguments} --updates 2000"));
        let found = deviations(&chain);
        assert!(found.len() == known && found.iter().all(|(_, z)| z.abs() < 4.5), "{arguments}: {found:?}");
    }
}

#[test]
fn a_saved_chain_goes_on_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // With path last the field itself hardly matters, with it absent nothing else does.
    for kernels in ["hmc+metropolis+path", "hmc+mala"] {
        goes_on(folder, &format!("chain toy --kernel {kernels} --levels 4 --seed 5"));
    }
}

fn goes_on(folder: &Path, chain: &str) {
    result(folder, &format!("{chain} --updates 60 --series whole.npy"));
    result(folder, &format!("{chain} --updates 25 --series first.npy --save state"));
    result(folder, &format!("{chain} --updates 35 --series second.npy --resume state"));
    let halves = [array(&folder.join("first.npy")).1, array(&folder.join("second.npy")).1].concat();
    assert_eq!(halves, array(&folder.join("whole.npy")).1);
    let other = stoq(folder, &format!("{chain} --kernel hmc --updates 9 --resume state"));
    assert_eq!(other.status.code(), Some(2));
    let bytes = std::fs::read(folder.join("state")).unwrap();
    std::fs::write(folder.join("state"), [&bytes[..20], &[!bytes[20]], &bytes[21..]].concat()).unwrap();
    let damaged = stoq(folder, &format!("{chain} --updates 9 --resume state"));
    assert!(damaged.status.code() == Some(2) && String::from_utf8_lossy(&damaged.stderr).contains("checksum"));
}

#[test]
fn data_sample_and_likelihood_of_systems_and_models() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // The shapes; 5, 14 and 8 z values against 4.5.
    for (system, shape, known) in [
        ("two-peak --extent 6", vec![256, 6], 5),
        ("three-peak", vec![256, 2, 1], 14),
        ("complex-quartic --extent 8", vec![256, 2, 8], 8),
    ] {
        let data = result(folder, &format!("data {system} --configs 256 -o {}.npy", shape.len()));
        let found = deviations(&data);
        assert!(found.len() == known && found.iter().all(|(_, z)| z.abs() < 4.5), "{system}: {found:?}");
        assert!(data.get("acceptance").is_none());
        assert_eq!(array(&folder.join(format!("{}.npy", shape.len()))).0, shape);
        result(folder, &format!("data {system} --configs 64 -o s.npy"));
        let described: Value = serde_json::from_slice(&std::fs::read(folder.join("s.json")).unwrap()).unwrap();
        assert_eq!(described["components"], if shape.len() == 2 { 1 } else { 2 });
        // A training takes them; its model samples, with weights where the action is real.
        result(folder, "train s.npy -o s.onnx --steps 2 --channels 8 --batch 8 --proposals 64");
        let sample = result(folder, "sample s.onnx --configs 40 --steps 4 -o g.npy");
        assert_eq!(sample.get("ess").is_some(), !system.starts_with("complex"), "{system}");
    }
    for generator in ["posterior", "euler-maruyama", "ancestral", "predictor-corrector", "ode", "annealed"] {
        let sample =
            result(folder, &format!("sample toy --configs 200 --steps 100 --generator {generator} -o {generator}.npy"));
        let weighted = !["predictor-corrector", "ode", "annealed"].contains(&generator);
        assert_eq!(folder.join(format!("{generator}.log_weights.npy")).exists(), weighted, "{generator}");
        assert_eq!(sample.get("ess").is_some(), weighted, "{generator}");
        assert!(number(&sample, "/observables/phi2/z").abs() < 6.0, "{generator}: {sample:#}");
        if weighted {
            assert!(number(&sample, "/ess/value") > 0.3 && number(&sample, "/log_z/z").abs() < 4.5, "{sample:#}");
            assert!(number(&sample, "/observables/phi2/reweighted/z").abs() < 4.5, "{sample:#}");
        }
    }
    // The exact score gives the exact density, by either trace and in either coordinates.
    for arguments in ["", "--trace hutchinson --probes 2 --coordinates plain", "--coordinates plain"] {
        let found = result(folder, &format!("likelihood two-peak 2.npy --configs 8 {arguments}"));
        assert!(number(&found, "/var_s_plus_log_q/value") < if arguments.is_empty() { 1e-6 } else { 0.1 }, "{found:#}");
        assert!(number(&found, "/r_squared/value") > 0.9 && number(&found, "/pearson/value") > 0.95);
    }
    // The density of posterior samples of the same score, against the action: the weights vary little.
    assert!(number(&result(folder, "likelihood toy posterior.npy --configs 32"), "/pearson/value") > 0.99);
}

#[test]
fn the_self_test_passes_and_flags_come_from_a_file() {
    let folder = prepared();
    let folder = folder.path();
    for arguments in ["toy two-peak --configs 200 --levels 4", "--model m.onnx --configs 64 --levels 3"] {
        let test = result(folder, &format!("selftest {arguments}"));
        assert_eq!(test["verdict"], "pass", "{test:#}");
        let systems = test["checks"].as_object().unwrap();
        assert!(systems.values().all(|checks| checks.as_array().unwrap().len() > 20), "{test:#}");
    }
    let text = "kernel = 'hmc'\nupdates = 30\nmu2 = -1\nwarm_up = 5\nextent = [2, 3]\nquiet = false";
    std::fs::write(folder.join("run.toml"), text).unwrap();
    let chain = result(folder, "chain toy --config run.toml --updates 20");
    let found = &chain["parameters"];
    assert_eq!((&found["updates"], &found["mu2"], &found["warm_up"]), (&20.into(), &(-1.0).into(), &5.into()));
    assert_eq!(found["extent"], serde_json::json!([2, 3]));
}

/// What an interrupted run has written stays, and the same command completes the file with another chain.
#[test]
fn data_files_grow_and_survive_an_interruption() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &str| {
        let output = stoq(folder.path(), arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let sidecar =
        |name: &str| -> Value { serde_json::from_slice(&std::fs::read(folder.path().join(name)).unwrap()).unwrap() };
    let bytes = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    // Independent draws are the same numbers in any number of runs.
    let law = "data toy --mu2 1 --g 0.4 --extent 4 --quiet --seed 7";
    run(&format!("{law} --configs 150 -o whole.npy"));
    run(&format!("{law} --configs 70 -o parts.npy --append"));
    run(&format!("{law} --configs 150 -o parts.npy --append"));
    let (whole, parts) = (bytes("whole.npy"), bytes("parts.npy"));
    assert_eq!(whole[whole.len() - 150 * 16..], parts[parts.len() - 150 * 16..]);
    // What was there is measured again, from float32.
    let square = |name: &str| number(&sidecar(name), "/observables/phi2/value");
    assert!((square("whole.json") / square("parts.json") - 1.0).abs() < 1e-6);
    let run_lengths = |name: &str| -> Vec<u64> {
        let value = sidecar(name);
        value["runs"].as_array().unwrap().iter().map(|run| run["configurations"].as_u64().unwrap()).collect()
    };
    assert_eq!(run_lengths("parts.json"), [70, 80]);

    // A chain: killed in the middle of a write, it has its whole configurations, and goes on as chain number 1.
    let chain =
        "data phi4 --kappa 0.2 --lambda 0.022 --extent 4,4 --thermalise 20 --sweeps 1 --quiet -o c.npy --append";
    run(&format!("{chain} --configs 64"));
    let before = bytes("c.npy");
    std::fs::write(folder.path().join("c.npy"), [&before[..], &[1; 77]].concat()).unwrap();
    run(&format!("{chain} --configs 100"));
    let after = bytes("c.npy");
    let header = before.len() - 64 * 64;
    assert_eq!((after.len(), &after[header..before.len()]), (header + 100 * 64, &before[header..]));
    assert!(after[header..header + 36 * 64] != after[before.len()..], "another chain, other numbers");
    assert_eq!(run_lengths("c.json"), [64, 36]);
    assert_eq!(sidecar("c.json")["configurations"], 100);
    run(&format!("{chain} --configs 100"));
    assert_eq!(bytes("c.npy"), after);
    let other = stoq(folder.path(), &chain.replace("0.2 ", "0.21 ").replace("--quiet", "--quiet --configs 120"));
    let message = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(other.status.code() == Some(2) && message.contains("--append"), "{message}");
    assert_eq!(bytes("c.npy"), after);
}
