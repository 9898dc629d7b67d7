//! The golden case: one short chain on the committed model whose every bit is written down in
//! `tests/data/golden.json`, and is the same from Rust, C, C++, Python, Fortran and Julia.
//!
//! Lattice 16 x 16, built-in phi^4 action with kappa = 0.27 and lambda = 0.022, committed model. Site number s in
//! C order starts at (7 s mod 32 - 16) / 16. An update is a step of HMC (seed 2026, chain 0) and then one of the path
//! kernel (seed 2026, chain 1, 10 levels), all other options at their defaults; there are 20. Every program writes
//!
//!     outcomes 1101...          of the 40 steps: 1 accepted, 0 rejected
//!     hmc A B C D E             steps, accepted, non_finite, score_evaluations, proposals
//!     path A B C D E            the same
//!     action HEX                bits of S of the last field, 16 hexadecimal digits
//!     field HEX                 256 lines: bits of the last field, in C order
//!
//! `STOQ_UPDATE_GOLDEN=1` writes the file anew, from Rust.

mod common;

use common::{fortran_module, gfortran, library_folder, python, root};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use stoq::action::{Action, Phi4};
use stoq::kernel::hmc::HmcOptions;
use stoq::kernel::{Chain, ChainOptions, Kernel, Outcome, Statistics};
use stoq::lattice::Lattice;
use stoq::model::Model;
use stoq::score::NativeScore;

const MODEL: &str = "examples/models/phi4_16x16_kappa0.27.onnx";

/// What every program must write.
fn expected() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let path = root().join("tests/data/golden.json");
        if std::env::var_os("STOQ_UPDATE_GOLDEN").is_some() {
            let text = serde_json::to_string_pretty(&as_json(&in_rust())).unwrap() + "\n";
            std::fs::write(&path, text).unwrap();
        }
        let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let mut text = format!("outcomes {}\n", file["outcomes"].as_str().unwrap());
        for name in ["hmc", "path"] {
            let counters: Vec<String> = file[name].as_array().unwrap().iter().map(Value::to_string).collect();
            writeln!(text, "{name} {}", counters.join(" ")).unwrap();
        }
        writeln!(text, "action {}", file["action"].as_str().unwrap()).unwrap();
        for value in file["field"].as_array().unwrap() {
            writeln!(text, "field {}", value.as_str().unwrap()).unwrap();
        }
        text
    })
}

fn as_json(text: &str) -> Value {
    let of = |name: &str| {
        let lines = text.lines().filter_map(move |line| line.split_once(' ').filter(|(head, _)| *head == name));
        lines.map(|(_, rest)| rest.to_string()).collect::<Vec<_>>()
    };
    let counters = |name: &str| -> Vec<u64> { of(name)[0].split(' ').map(|word| word.parse().unwrap()).collect() };
    json!({
        "about": "The golden case; tests/golden.rs says what it is and writes this file.",
        "outcomes": of("outcomes")[0],
        "hmc": counters("hmc"),
        "path": counters("path"),
        "action": of("action")[0],
        "field": of("field"),
    })
}

fn in_rust() -> String {
    let lattice = Lattice::new(&[16, 16]).unwrap();
    let score = Arc::new(NativeScore::new(Model::load(root().join(MODEL)).unwrap()).unwrap());
    let mut action = Phi4::new(&lattice, 0.27, 0.022).unwrap();
    let base = ChainOptions { seed: 2026, ..ChainOptions::default() };
    let hmc_options = ChainOptions { kernel: Kernel::Hmc(HmcOptions::default()), ..base };
    let mut hmc = Chain::without_score(&lattice, hmc_options).unwrap();
    let mut path = Chain::new(score, ChainOptions { chain: 1, levels: 10, ..base }).unwrap();

    let mut phi: Vec<f64> = (0..256).map(|s| f64::from(7 * s % 32 - 16) / 16.0).collect();
    let mut text = String::from("outcomes ");
    for _ in 0..20 {
        for chain in [&mut hmc, &mut path] {
            text.push(if chain.step(&mut phi, &mut action).unwrap() == Outcome::Accepted { '1' } else { '0' });
        }
    }
    text.push('\n');
    for (name, chain) in [("hmc", &hmc), ("path", &path)] {
        let Statistics { steps, proposals, accepted, not_finite, score_evaluations } = chain.statistics();
        writeln!(text, "{name} {steps} {accepted} {not_finite} {score_evaluations} {proposals}").unwrap();
    }
    let Ok(value) = action.action(&phi) else { panic!("phi^4 has an action") };
    writeln!(text, "action {:016x}", value.to_bits()).unwrap();
    phi.iter().for_each(|value| writeln!(text, "field {:016x}", value.to_bits()).unwrap());
    text
}

/// A chain that moves, and both ways of a decision: a golden case in which nothing happens would prove nothing.
#[test]
fn rust_gives_the_golden_bits() {
    assert_eq!(in_rust(), expected());
    let outcomes = expected().lines().next().unwrap();
    assert!(outcomes.matches('1').count() > 20 && outcomes.matches('0').count() > 2, "{outcomes}");
}

/// Runs a program with the library of this build, and compares what it writes.
fn compare(language: &str, program: &mut Command, library: &Path) {
    program.envs(["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"].map(|name| (name, library)));
    let run = program.output().unwrap();
    let (out, errors) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{language}: {out}{errors}");
    let first = out.lines().zip(expected().lines()).position(|(found, expected)| found != expected);
    assert!(*out == *expected(), "{language} differs, first in line {:?}:\n{out}", first.map(|line| line + 1));
    eprintln!("{language}: the golden bits");
}

/// Compiles a program and compares what it writes. `options` may name files of a folder of its own.
fn compiled(language: &str, compiler: &str, source: &str, options: impl Fn(&Path) -> Vec<OsString>) {
    if Command::new(compiler).arg("--version").output().is_err() {
        let message = format!("there is no compiler `{compiler}` for {language}");
        return common::skipped(&message, "STOQ_REQUIRE_COMPILERS");
    }
    let temporary = tempfile::tempdir().unwrap();
    let (folder, library) = (temporary.path(), library_folder(temporary.path()));
    let mut build = Command::new(compiler);
    build
        .current_dir(folder)
        .args(["-O2", "-Wall", "-Wextra", "-pedantic", "-Werror", "-I"])
        .arg(root().join("include"));
    build.arg(root().join(source)).args(options(folder)).args(["-o", "golden"]);
    let built = build.arg("-L").arg(&library).arg("-lstoq").output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    compare(language, Command::new(folder.join("golden")).arg(root().join(MODEL)), &library);
}

#[test]
fn c_gives_the_golden_bits() {
    compiled("C", "cc", "tests/c/golden.c", |_| vec!["-std=c99".into()]);
}

#[test]
fn cpp_gives_the_golden_bits() {
    compiled("C++", "c++", "tests/cpp/golden.cpp", |_| vec!["-std=c++17".into()]);
}

#[test]
fn fortran_gives_the_golden_bits() {
    let Some(gfortran) = gfortran() else { return };
    compiled("Fortran", gfortran, "tests/fortran/golden.f90", |folder| {
        let module = fortran_module(folder, "");
        vec!["-std=f2008".into(), "-I".into(), module.clone().into(), module.join("libstoq_fortran.a").into()]
    });
}

#[test]
fn python_gives_the_golden_bits() {
    let Some(python) = python() else { return };
    let temporary = tempfile::tempdir().unwrap();
    let library = library_folder(temporary.path());
    let suffix = if cfg!(target_os = "macos") { "dylib" } else { "so" };
    let mut script = Command::new(python);
    script.arg(root().join("tests/python/golden.py")).arg(root().join(MODEL));
    script.env("STOQ_LIBRARY", library.join(format!("libstoq.{suffix}")));
    script.env("PYTHONPATH", root().join("bindings/python")).env("PYTHONDONTWRITEBYTECODE", "1");
    compare("Python", &mut script, &library);
}
