//! The Fortran module: it compiles as Fortran 2008 without a warning, and computes what the library computes. (That its
//! declarations are those of `stoq.h` is checked in `python_binding.rs`, by the script for all bindings.)

mod common;

use common::{fortran_module, gfortran, library_folder, root};
use std::process::Command;

const WARNINGS: [&str; 5] = ["-std=f2008", "-Wall", "-Wextra", "-pedantic", "-Werror"];

#[test]
fn module_computes_what_the_library_computes() {
    let Some(gfortran) = gfortran() else { return };
    let temporary = tempfile::tempdir().unwrap();
    let (library, folder) = (library_folder(temporary.path()), temporary.path());
    let module = fortran_module(folder, &WARNINGS.join(" "));
    let mut compiler = Command::new(gfortran);
    // -fcheck: bounds and pointers. It warns of array temporaries, which tests/fortran makes on purpose.
    compiler.current_dir(folder).args(WARNINGS).args(["-O1", "-g", "-fcheck=bounds,pointer,do,mem", "-I"]).arg(&module);
    compiler.args(["checks.f90", "tools.f90", "binding.f90"].map(|file| root().join("tests/fortran").join(file)));
    compiler.arg("-o").arg("binding").arg(module.join("libstoq_fortran.a")).arg("-L").arg(&library).arg("-lstoq");
    let built = compiler.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));

    let run = |more: &[&str]| {
        let mut program = Command::new(folder.join("binding"));
        program.arg(root().join("examples/models/phi4_16x16_kappa0.27.onnx")).args(more);
        program.envs(["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"].map(|name| (name, &library)));
        let output = program.output().unwrap();
        (output.status, String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, out, errors) = run(&[]);
    assert!(status.success(), "{out}{errors}");
    assert!(out.lines().count() == 1 && errors.is_empty(), "{out}{errors}");
    eprint!("{out}");

    // A failure that nobody asks for stops the program with its sentence.
    let (status, out, errors) = run(&["stop"]);
    assert!(!status.success() && out.is_empty(), "{out}{errors}");
    assert!(errors.contains("STOQ_IO") && errors.contains("/nowhere/model.onnx"), "{errors}");
}
