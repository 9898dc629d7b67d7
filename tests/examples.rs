//! The examples, built by their own build files and run as a user runs them, on the committed models.

mod common;

use common::{library_folder, root};
use std::path::{Path, PathBuf};
use std::process::Command;

/// HMC in C, without and with stoq. The program checks its averages against the reference by itself
/// (|z| < 4, false alarm 6e-4 at its fixed seed) and reports that by its exit status; here the short run
/// must also find the acceptance of the committed model, and a chain that decorrelates faster.
#[test]
fn c_phi4_hmc_takes_stoq_updates() {
    let mut options = vec![root().join("examples/models/phi4_16x16_kappa0.27.onnx").display().to_string()];
    options.extend("--trajectories 20000 --stoq-updates 600 --levels 20 --threads 2".split(' ').map(String::from));
    let value = build_and_run("01_c_phi4_hmc", "phi4_hmc", &options);
    let number = |pointer: &str| {
        value.pointer(pointer).and_then(|v| v.as_f64()).unwrap_or_else(|| panic!("{pointer} in {value:#}"))
    };
    let acceptance = number("/hmc_stoq/stoq_acceptance");
    assert!(acceptance > 0.6, "acceptance {acceptance}");
    near_the_kept_run(&value, "01_c_phi4_hmc", &["hmc", "hmc_tuned", "hmc_stoq"], &["abs_mag", "chi2", "binder"]);
    assert!(number("/hmc_stoq/tau_int_abs_mag/value") < 0.1 * number("/hmc/tau_int_abs_mag/value"), "{value:#}");
}

/// A host trains while its chain runs, in a short run: the averages before and after agree by the program's own check
/// (false alarm 1.3e-4 at its fixed seed), and the update that it gained decorrelates the chain.
#[test]
fn c_host_trains_while_its_chain_runs() {
    let options = "--rounds 3 --pushes 300 --steps 90 --updates 1000 --threads 2".split(' ').map(String::from);
    let value = build_and_run("02_train_while_running", "train_while_running", &options.collect::<Vec<_>>());
    let number = |pointer: &str| {
        value.pointer(pointer).and_then(|v| v.as_f64()).unwrap_or_else(|| panic!("{pointer} in {value:#}"))
    };
    assert!(number("/after/stoq_acceptance") > 0.2, "{value:#}");
    near_the_kept_run(&value, "02_train_while_running", &["before", "after"], &["abs_mag", "chi2"]);
    let (before, after) = (number("/before/tau_int_abs_mag/value"), number("/after/tau_int_abs_mag/value"));
    assert!(after < 0.6 * before, "{value:#}");
}

/// U(1) links in an order of the host's own, with charge shifts between trajectories. The program compares its averages with
/// the exact values by itself (|z| < 4, false alarm 4e-4 at its fixed seed); here the run must also agree with the one
/// that is kept beside the example, within both errors, and its charge must decorrelate faster.
#[test]
fn c_u1_hmc_takes_charge_shifts() {
    let options = "--beta 3 --trajectories 20000 --stoq-updates 5000 --steps 8".split(' ').map(String::from);
    let value = build_and_run("06_c_u1", "u1_hmc", &options.collect::<Vec<_>>());
    let kept = std::fs::read(root().join("examples/06_c_u1/expected.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    let numbers = |pointer: &str| {
        [&value, &kept]
            .map(|v| v.pointer(pointer).and_then(|v| v.as_f64()).unwrap_or_else(|| panic!("{pointer}: {v:#}")))
    };
    let agree = |pointer: &str, tolerance: f64| {
        let [found, kept] = numbers(pointer);
        assert!((found - kept).abs() <= tolerance, "{pointer}: {found}, kept {kept}");
    };
    for name in ["plaquette", "Q2"] {
        agree(&format!("/exact/{name}"), 1e-9);
    }
    near_the_kept_run(&value, "06_c_u1", &["hmc", "hmc_stoq"], &["plaquette", "Q", "Q2"]);
    // A host that forgets to renew its action after an accepted proposal has another acceptance of HMC, 0.77 here.
    for pointer in ["/hmc_stoq/stoq_acceptance", "/hmc_stoq/hmc_acceptance", "/hmc/hmc_acceptance"] {
        agree(pointer, 0.03);
    }
    let [alone, _] = numbers("/hmc/Q/tau_int");
    let [with_stoq, _] = numbers("/hmc_stoq/Q/tau_int");
    assert!(with_stoq < 0.5 * alone, "tau_int(Q) {with_stoq} with stoq, {alone} without");
}

/// HMC in Fortran, without and with stoq, by the program's own check (|z| < 4, false alarm 4e-4), and beside the run that
/// is kept with the example: the same compiler gives the same random numbers, another one other ones.
#[test]
fn fortran_phi4_hmc_takes_stoq_updates() {
    if common::gfortran().is_none() {
        return;
    }
    let mut options = vec![root().join("examples/models/phi4_16x16_kappa0.27.onnx").display().to_string()];
    options.extend("--trajectories 20000 --stoq-updates 600 --levels 20".split(' ').map(String::from));
    let value = build_and_run("04_fortran_phi4", "phi4_hmc", &options);
    let kept = std::fs::read(root().join("examples/04_fortran_phi4/expected.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    let number = |value: &serde_json::Value, pointer: &str| {
        value.pointer(pointer).and_then(|v| v.as_f64()).unwrap_or_else(|| panic!("{pointer} in {value:#}"))
    };
    near_the_kept_run(&value, "04_fortran_phi4", &["hmc", "hmc_stoq"], &["abs_mag", "chi2", "binder"]);
    let acceptance = "/hmc_stoq/stoq_acceptance";
    // The acceptance has an error of 0.02.
    assert!((number(&value, acceptance) - number(&kept, acceptance)).abs() < 0.1, "{value:#}");
    let [alone, with_stoq] = ["hmc", "hmc_stoq"].map(|run| number(&value, &format!("/{run}/tau_int_abs_mag/value")));
    assert!(with_stoq < 0.1 * alone, "tau_int(|M|) {with_stoq} with stoq, {alone} without");
}

/// A class of C++ with callbacks, whose job ends by an exception and goes on to the same bits: the program's own check
/// (|z| <= 4, false alarm 1.3e-4 at its fixed seed), and what it wrote when it was committed.
#[test]
fn cpp_callbacks_and_exceptions() {
    let model = root().join("examples/models/phi4_16x16_kappa0.27.onnx").display().to_string();
    let temporary = tempfile::tempdir().unwrap();
    let library = build("03_cpp_phi4", "phi4", temporary.path());
    let mut command = Command::new(temporary.path().join("phi4"));
    command.envs(["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"].map(|name| (name, &library)));
    writes_what_it_wrote(command.args([&model, "--updates", "200"]), "03_cpp_phi4");
}

/// A host that evaluates its own action between the halves of an update (|z| <= 4, false alarm 1.9e-4 at its fixed seed).
#[test]
fn c_host_decides_in_two_phases() {
    let temporary = tempfile::tempdir().unwrap();
    let library = build("09_c_propose_resolve", "yukawa", temporary.path());
    let mut command = Command::new(temporary.path().join("yukawa"));
    command.envs(["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"].map(|name| (name, &library)));
    writes_what_it_wrote(command.args(["--updates", "2000"]), "09_c_propose_resolve");
}

/// The notebook in Python, from the first to the last cell (|z| <= 4 against exact values, false alarm 1.9e-4).
#[test]
fn python_trains_checks_and_samples() {
    let Some(python) = common::python() else { return };
    let temporary = tempfile::tempdir().unwrap();
    let suffix = if cfg!(target_os = "macos") { "dylib" } else { "so" };
    let mut command = Command::new(python);
    command.env("STOQ_LIBRARY", library_folder(temporary.path()).join(format!("libstoq.{suffix}")));
    command.env("PYTHONPATH", root().join("bindings/python")).env("PYTHONDONTWRITEBYTECODE", "1");
    let folder = "07_python_train_check_sample";
    command.arg(root().join("examples").join(folder).join("train_check_sample.py"));
    writes_what_it_wrote(command.args(["--steps", "200", "--updates", "500"]), folder);
}

/// The program succeeds, and its output is the file that is kept with the example; `STOQ_UPDATE_GOLDEN=1` writes it anew.
fn writes_what_it_wrote(command: &mut Command, folder: &str) {
    let run = command.output().unwrap();
    let (out, errors) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{out}{errors}");
    assert_eq!(out, common::kept(&root().join("examples").join(folder).join("expected_output.txt"), &out));
}

/// The averages `names` of all `runs` of an example are those of the run that is kept with it, within 5 of their errors together
/// (at most nine averages: false alarm 5e-6): the same system gives the same random numbers, another one may give others.
/// `STOQ_UPDATE_GOLDEN=1` writes the file anew, without times.
fn near_the_kept_run(value: &serde_json::Value, folder: &str, runs: &[&str], names: &[&str]) {
    let mut timeless = value.clone();
    for run in runs {
        timeless[run].as_object_mut().unwrap().retain(|name, _| !name.starts_with("seconds"));
    }
    let text = format!("{timeless:#}\n");
    let kept = common::kept(&root().join("examples").join(folder).join("expected.json"), &text);
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    for (run, name) in runs.iter().flat_map(|run| names.iter().map(move |name| (run, name))) {
        let of = |what: &str| [value, &kept].map(|v| v[run][name][what].as_f64().unwrap());
        let ([found, kept], [error, other]) = (of("value"), of("error"));
        assert!((found - kept).abs() <= 5.0 * error.hypot(other), "{run} {name}: {found}, kept {kept}");
    }
}

/// Builds an example by its own build file, runs it with `options`, and returns what it writes for `--json`.
fn build_and_run(folder: &str, program: &str, options: &[String]) -> serde_json::Value {
    let temporary = tempfile::tempdir().unwrap();
    let library = build(folder, program, temporary.path());

    let result = temporary.path().join("result.json");
    let mut command = Command::new(temporary.path().join(program));
    // cargo's own search path comes before the one that is linked in, and may hold an older library.
    command.envs(["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"].map(|name| (name, &library)));
    let run = command.args(options).arg("--json").arg(&result).output().unwrap();
    let (out, errors) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    println!("{out}");
    assert!(run.status.success(), "{out}{errors}");
    serde_json::from_slice(&std::fs::read(&result).unwrap()).unwrap()
}

/// Builds an example by its own build file in a folder; returns the folder with the library.
fn build(folder: &str, program: &str, temporary: &Path) -> PathBuf {
    let library = library_folder(temporary);
    let example = root().join("examples").join(folder);
    for file in ["c", "cpp", "f90"]
        .map(|suffix| format!("{program}.{suffix}"))
        .iter()
        .filter(|file| example.join(file).exists())
    {
        std::fs::copy(example.join(file), temporary.join(file)).unwrap();
    }
    std::fs::copy(example.join("Makefile"), temporary.join("Makefile")).unwrap();
    let mut make = Command::new("make");
    make.current_dir(temporary).arg("CFLAGS=-O2 -ffp-contract=off -Wall -Wextra -pedantic -Werror");
    make.arg("CXXFLAGS=-O2 -ffp-contract=off -Wall -Wextra -pedantic -Werror");
    // For the example in Fortran: its flags, and where its module comes from.
    make.arg("FFLAGS=-O2 -Wall -Wextra -pedantic -Werror -std=f2008");
    make.arg(format!("MODULE={}", root().join("bindings/fortran").display()));
    make.arg(format!("STOQ_INCLUDE={}", root().join("include").display()));
    let built = make.arg(format!("STOQ_LIB={}", library.display())).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    library
}
