//! The C++ header as C++17 sees it: `tests/cpp/*.cpp`, compiled against `include/stoq.hpp` and the shared library
//! by every C++ compiler of the machine, with the address and undefined-behaviour sanitizers where they are.

mod common;

use common::{library_folder, root, skipped, valgrind};
use std::path::Path;
use std::process::Command;

const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-pedantic", "-Werror"];
const SANITIZERS: &str = "-fsanitize=address,undefined";

/// Those of g++ and clang++ that are here.
fn compilers() -> Vec<&'static str> {
    let works = |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|run| run.status.success());
    let found: Vec<_> = ["g++", "clang++"].into_iter().filter(works).collect();
    if found.is_empty() {
        skipped("there is no C++ compiler, neither `g++` nor `clang++`", "STOQ_REQUIRE_COMPILERS");
    }
    found
}

fn compile(compiler: &mut Command) {
    compiler.args(WARNINGS).arg("-I").arg(root().join("include"));
    let built = compiler.output().unwrap();
    assert!(built.status.success(), "{compiler:?}: {}", String::from_utf8_lossy(&built.stderr));
}

fn sanitizers_link(compiler: &str, folder: &Path) -> bool {
    let (source, program) = (folder.join("probe.cpp"), folder.join("probe"));
    std::fs::write(&source, "int main() { return 0; }\n").unwrap();
    let built = Command::new(compiler).arg(SANITIZERS).arg(&source).arg("-o").arg(&program).output();
    let runs = Command::new(&program).output();
    matches!((built, runs), (Ok(built), Ok(runs)) if built.status.success() && runs.status.success())
}

#[test]
fn classes_follow_the_host() {
    compile_and_run("chain");
}

#[test]
fn reports_and_statistics() {
    compile_and_run("statistics");
}

#[test]
fn a_host_trains_while_its_chain_runs() {
    compile_and_run("trainer");
}

fn compile_and_run(name: &str) {
    for compiler in compilers() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path();
        let (library, program) = (library_folder(folder), folder.join(name));
        let mut command = Command::new(compiler);
        // Not every valgrind reads the newer debug information that clang++ writes by default.
        command.args(["-std=c++17", "-gdwarf-4", "-O1", "-ffp-contract=off"]);
        let valgrind = valgrind(&program);
        if valgrind.is_some() {
            // Alone.
        } else if sanitizers_link(compiler, folder) {
            command.args([SANITIZERS, "-fno-sanitize-recover=all"]);
        } else {
            eprintln!("without sanitizers: they do not link here");
        }
        let sources = [&format!("{name}.cpp"), "host.cpp", "allocations.cpp"];
        let sources = sources.map(|file| root().join("tests/cpp").join(file));
        compile(command.args(sources).arg("-o").arg(&program).arg("-L").arg(&library).arg("-lstoq"));
        let paths = ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];
        let mut run = valgrind.unwrap_or_else(|| Command::new(&program));
        run.arg(root().join("examples/models/phi4_16x16_kappa0.27.onnx"));
        let run = run.envs(paths.map(|name| (name, &library))).output().unwrap();
        let (out, errors) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success(), "{compiler}: {out}{errors}");
        // The library prints nothing, and the program one line.
        assert_eq!(out.lines().count(), 1, "{out}");
        assert_eq!(errors, "");
        eprint!("{compiler}: {out}");
    }
}
