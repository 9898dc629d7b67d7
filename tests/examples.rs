//! The examples, built by their own build files and run as a user runs them, on the committed models.

mod common;

use common::{library_folder, root};
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
    let (before, after) = (number("/before/tau_int_abs_mag/value"), number("/after/tau_int_abs_mag/value"));
    assert!(after < 0.6 * before, "{value:#}");
}

/// Builds an example by its own build file, runs it with `options`, and returns what it writes for `--json`.
fn build_and_run(folder: &str, program: &str, options: &[String]) -> serde_json::Value {
    let temporary = tempfile::tempdir().unwrap();
    let library = library_folder(temporary.path());
    let example = root().join("examples").join(folder);
    for file in [&format!("{program}.c"), "Makefile"] {
        std::fs::copy(example.join(file), temporary.path().join(file)).unwrap();
    }
    let mut make = Command::new("make");
    make.current_dir(temporary.path()).arg("CFLAGS=-O2 -Wall -Wextra -pedantic -Werror");
    make.arg(format!("STOQ_INCLUDE={}", root().join("include").display()));
    let built = make.arg(format!("STOQ_LIB={}", library.display())).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));

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
