//! The Python binding: its declarations are those of `stoq.h`, and it computes what the library computes.

mod common;

use common::{library_folder, python, root};
use std::process::{Command, Output};

fn text(output: &Output) -> String {
    (String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr)).into_owned()
}

#[test]
fn binding_computes_what_the_library_computes() {
    run_script("check_binding.py");
}

#[test]
fn a_host_trains_while_its_chain_runs() {
    run_script("check_trainer.py");
}

fn run_script(name: &str) {
    let Some(python) = python() else { return };
    let temporary = tempfile::tempdir().unwrap();
    let suffix = if cfg!(target_os = "macos") { "dylib" } else { "so" };
    let mut script = Command::new(&python);
    script.arg(root().join("tests/python").join(name));
    script.arg(root().join("examples/models/phi4_16x16_kappa0.27.onnx"));
    script.env("STOQ_LIBRARY", library_folder(temporary.path()).join(format!("libstoq.{suffix}")));
    script.env("PYTHONPATH", root().join("bindings/python")).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = script.output().unwrap();
    assert!(output.status.success(), "{}: {}", python.display(), text(&output));
    assert!(text(&output).contains("checks passed"), "{}", text(&output));
    eprint!("{}", text(&output));
}

/// One run on the header as it is, and one on each of some that differ: in a type, a count, a value, a member.
#[test]
fn declarations_are_those_of_the_header() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let header = std::fs::read_to_string(root().join("include/stoq.h")).unwrap();
    let check = |text: &str| {
        let path = folder.path().join("stoq.h");
        std::fs::write(&path, text).unwrap();
        let mut script = Command::new(&python);
        script.arg(root().join("bindings/check_declarations.py")).arg(path).output().unwrap()
    };
    let output = check(&header);
    assert!(output.status.success(), "{}", text(&output));
    eprint!("{}", text(&output));
    for (name, from, to) in [
        ("stoq_cumulants_push", "size_t count, const double *values);", "uint32_t count, const double *values);"),
        ("stoq_chain_freeze", "stoq_chain_freeze(struct stoq_chain_t *chain)", "stoq_chain_freeze(void)"),
        ("STOQ_KERNEL_HMC", "STOQ_KERNEL_HMC 5", "STOQ_KERNEL_HMC 6"),
        ("stoq_layout_t", "ptrdiff_t component_stride;", ""),
        ("stoq_schedule_t", "as in the literature.\n    double sigma;", "as in the literature.\n    uint64_t sigma;"),
        ("stoq_action_callback_t", "size_t values, double *action);", "double *action);"),
        ("stoq_new", "uint32_t stoq_abi_version(void);", "uint32_t stoq_abi_version(void); int32_t stoq_new(void);"),
    ] {
        assert_eq!(header.matches(from).count(), 1, "{from}");
        let output = check(&header.replace(from, to));
        assert!(!output.status.success() && text(&output).contains(name), "{name}: {}", text(&output));
    }
}
