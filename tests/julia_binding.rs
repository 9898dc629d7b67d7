//! The Julia binding: its declarations are those of `stoq.h`, and it computes what the library computes.

mod common;

use common::{library_folder, root};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Julia: `STOQ_JULIA`, the user's `julia`, or the one that `tests/julia/get_julia.sh` put under build/julia.
fn julia() -> Option<PathBuf> {
    let built = root().join("build/julia/julia");
    let works =
        |program: &PathBuf| Command::new(program).arg("--version").output().is_ok_and(|run| run.status.success());
    let given = std::env::var_os("STOQ_JULIA").filter(|name| !name.is_empty()).map(PathBuf::from);
    let found = given.into_iter().chain([PathBuf::from("julia"), built]).find(works);
    if found.is_none() {
        let message = "no julia: set STOQ_JULIA, or run tests/julia/get_julia.sh build/julia";
        common::skipped(message, "STOQ_REQUIRE_JULIA");
    }
    found
}

fn text(output: &Output) -> String {
    (String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr)).into_owned()
}

/// Runs a script of tests/julia with the binding on its load path, in a depot that is thrown away.
fn run(julia: &Path, script: &str, arguments: &[&str]) -> Output {
    let temporary = tempfile::tempdir().unwrap();
    let suffix = if cfg!(target_os = "macos") { "dylib" } else { "so" };
    let mut command = Command::new(julia);
    command.env("STOQ_LIBRARY", library_folder(temporary.path()).join(format!("libstoq.{suffix}")));
    command.env("JULIA_DEPOT_PATH", temporary.path().join("depot")).env("JULIA_NUM_THREADS", "2");
    command.env("JULIA_LOAD_PATH", format!("{}:@stdlib", root().join("bindings/julia").display()));
    command.arg("--startup-file=no").arg(root().join("tests/julia").join(script)).args(arguments).output().unwrap()
}

fn passes(script: &str, arguments: &[&str]) {
    let Some(julia) = julia() else { return };
    let output = run(&julia, script, arguments);
    assert!(output.status.success(), "{}: {}", julia.display(), text(&output));
    assert!(text(&output).contains("checks passed"), "{}", text(&output));
    eprint!("{}", text(&output));
}

fn model() -> String {
    root().join("examples/models/phi4_16x16_kappa0.27.onnx").display().to_string()
}

#[test]
fn binding_computes_what_the_library_computes() {
    passes("check_binding.jl", &[&model()]);
}

#[test]
fn arrays_of_any_layout_are_the_same_field() {
    passes("check_layouts.jl", &[]);
}

#[test]
fn reports_and_statistics() {
    passes("check_statistics.jl", &[]);
}

#[test]
fn a_host_trains_while_its_chain_runs() {
    passes("check_trainer.jl", &[&model()]);
}

/// 20 updates of two kernels on the committed model: the bits of `tests/data/golden.json`, as in every other language.
#[test]
fn julia_gives_the_golden_bits() {
    let Some(julia) = julia() else { return };
    let output = run(&julia, "golden.jl", &[&model()]);
    assert!(output.status.success(), "{}", text(&output));
    let text = text(&output);
    let file: serde_json::Value =
        serde_json::from_slice(&std::fs::read(root().join("tests/data/golden.json")).unwrap()).unwrap();
    let found = |name: &str| -> Vec<&str> {
        text.lines()
            .filter_map(|line| line.split_once(' ').filter(|(head, _)| *head == name))
            .map(|(_, rest)| rest)
            .collect()
    };
    let listed = |name: &str| -> Vec<String> {
        file[name].as_array().unwrap().iter().map(|value| value.to_string().replace('"', "")).collect()
    };
    assert_eq!(found("outcomes"), [file["outcomes"].as_str().unwrap()]);
    for chain in ["hmc", "path"] {
        assert_eq!(found(chain), [listed(chain).join(" ")], "counters of {chain}");
    }
    assert_eq!(found("action"), [file["action"].as_str().unwrap()]);
    assert_eq!(found("field"), listed("field"));
}

/// One run on the header as it is, and one on each of some that differ: in a type, a count, a value, a member, a name.
#[test]
fn declarations_are_those_of_the_header() {
    let python = std::env::var_os("STOQ_PYTHON").map_or("python3".into(), PathBuf::from);
    if Command::new(&python).arg("--version").output().is_err() {
        return common::skipped(&format!("no {}", python.display()), "STOQ_REQUIRE_PYTHON");
    }
    let folder = tempfile::tempdir().unwrap();
    let header = std::fs::read_to_string(root().join("include/stoq.h")).unwrap();
    let check = |text: &str| {
        let path = folder.path().join("stoq.h");
        std::fs::write(&path, text).unwrap();
        Command::new(&python).arg(root().join("bindings/julia/declare.py")).arg(path).output().unwrap()
    };
    let output = check(&header);
    assert!(output.status.success(), "{}", text(&output));
    eprint!("{}", text(&output));
    for (name, from, to) in [
        ("stoq_cumulants_push", "size_t count, const double *values);", "uint32_t count, const double *values);"),
        ("stoq_chain_freeze", "stoq_chain_freeze(struct stoq_chain_t *chain)", "stoq_chain_freeze(void)"),
        (
            "stoq_chain_free",
            "stoq_chain_free(struct stoq_chain_t *chain)",
            "stoq_chain_free(struct stoq_model_t *chain)",
        ),
        ("Kernel", "STOQ_KERNEL_HMC 5", "STOQ_KERNEL_HMC 6"),
        ("ABI_VERSION", "#define STOQ_ABI_VERSION ", "#define STOQ_ABI_VERSION 1"),
        ("stoq_layout_t", "ptrdiff_t component_stride;", ""),
        ("stoq_schedule_t", "uint32_t reserved;\n    /// Base", "uint64_t reserved;\n    /// Base"),
        ("stoq_action_callback_t", "size_t values, double *action);", "double *action);"),
        ("stoq_grid_t", "typedef int32_t stoq_grid_t", "typedef uint32_t stoq_grid_t"),
        ("stoq_new", "uint32_t stoq_abi_version(void);", "uint32_t stoq_abi_version(void); int32_t stoq_new(void);"),
        ("stoq_version", "const char *stoq_version(void);", ""),
        ("float", "double delta_action,", "float delta_action,"),
    ] {
        assert_eq!(header.matches(from).count(), 1, "{from}");
        let output = check(&header.replace(from, to));
        assert!(!output.status.success() && text(&output).contains(name), "{name}: {}", text(&output));
    }
}

/// A library of another ABI, none at all, and a file that is no library are named when the package is loaded.
#[test]
fn a_missing_library_is_said() {
    let Some(julia) = julia() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (library, words) in [("/nowhere/libstoq.so", "STOQ_LIBRARY = /nowhere"), ("libm.so.6", "is no libstoq")] {
        let mut command = Command::new(&julia);
        command.env("STOQ_LIBRARY", library).env("JULIA_DEPOT_PATH", folder.path());
        command.env("JULIA_LOAD_PATH", format!("{}:@stdlib", root().join("bindings/julia").display()));
        let output = command.args(["--startup-file=no", "-e", "using Stoq"]).output().unwrap();
        assert!(!output.status.success() && text(&output).contains(words), "{}", text(&output));
    }
}

/// Example 05 in a short run: its own check against the reference (|z| <= 4, false alarm 3e-4 at its fixed seeds), and
/// what it wrote when it was committed.
#[test]
fn the_example_writes_what_it_wrote() {
    let Some(julia) = julia() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(&julia);
    command.env("STOQ_LIBRARY", library_folder(folder.path()).join("libstoq.so"));
    command.env("JULIA_DEPOT_PATH", folder.path().join("depot"));
    command.env("JULIA_LOAD_PATH", format!("{}:@stdlib", root().join("bindings/julia").display()));
    let example = root().join("examples/05_julia_phi4");
    command.arg("--startup-file=no").arg(example.join("phi4.jl")).arg(model());
    let output = command.args(["--trajectories", "20000", "--stoq-updates", "300", "--levels", "10"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let found = String::from_utf8_lossy(&output.stdout);
    assert_eq!(found, common::kept(&example.join("expected_output.txt"), &found));
}
