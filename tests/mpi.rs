//! Example 08 under MPI: the same bits on 1, 2 and 4 ranks, and what it wrote when it was committed.

mod common;

use common::{library_folder, root};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const MODEL: &str = "examples/models/phi4_16x16_kappa0.27.onnx";

/// The two programs, built by their own build file; `None` without MPI.
fn build(folder: &Path) -> Option<PathBuf> {
    let works = |program: &&str| Command::new(program).arg("--version").output().is_ok_and(|run| run.status.success());
    if let Some(missing) = ["mpicc", "mpirun", "make"].into_iter().find(|program| !works(program)) {
        let message = format!("no {missing}: install an MPI (Debian: libopenmpi-dev openmpi-bin)");
        common::skipped(&message, "STOQ_REQUIRE_MPI");
        return None;
    }
    let (library, example) = (library_folder(folder), root().join("examples/08_c_mpi_phi4"));
    for file in ["phi4_mpi.c", "ensemble.c", "broadcast_model.h", "Makefile"] {
        std::fs::copy(example.join(file), folder.join(file)).unwrap();
    }
    let mut make = Command::new("make");
    // Without -pedantic: the headers of some MPIs are not.
    make.current_dir(folder).arg("CFLAGS=-O2 -Wall -Wextra -Werror");
    make.arg(format!("STOQ_INCLUDE={}", root().join("include").display()));
    let built = make.arg(format!("STOQ_LIB={}", library.display())).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Some(library)
}

fn run(library: &Path, program: &str, ranks: usize, arguments: &[&str]) -> Output {
    let folder = library.parent().unwrap();
    let mut command = Command::new("mpirun");
    command.current_dir(folder).args(["-n", &ranks.to_string()]).arg(folder.join(program)).args(arguments);
    command.env("LD_LIBRARY_PATH", library);
    // Open MPI refuses the root of a container, and more ranks than cores; other MPIs do not know these.
    command.envs([("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")]);
    command.envs([
        ("OMPI_MCA_rmaps_base_oversubscribe", "1"),
        ("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe"),
    ]);
    // Ranks that wait leave the core to the others.
    command.envs([("OMPI_MCA_mpi_yield_when_idle", "1"), ("OMPI_MCA_btl_vader_single_copy_mechanism", "none")]);
    // Ranks that no longer agree may wait for each other: that is a failure, too.
    command.env("MPIEXEC_TIMEOUT", "300");
    command.output().unwrap()
}

fn lines(output: &Output) -> Vec<String> {
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{errors}");
    out.lines().map(String::from).collect()
}

/// What a program writes but for the bits, which depend on the system's logarithm and cosine.
fn compare_with_golden(file: &str, lines: &[String]) {
    let golden = common::kept(&root().join("examples/08_c_mpi_phi4").join(file), &(lines.join("\n") + "\n"));
    let rounded = |line: &str| line.split(", bits of").next().unwrap().to_string();
    let kept = |line: &&str| !line.starts_with("bits");
    let found: Vec<String> = lines.iter().map(String::as_str).filter(kept).map(rounded).collect();
    assert_eq!(found, golden.lines().filter(kept).map(rounded).collect::<Vec<_>>());
}

#[test]
fn domains_have_the_same_bits_on_any_number_of_ranks() {
    let temporary = tempfile::tempdir().unwrap();
    let Some(library) = build(temporary.path()) else { return };
    let model = root().join(MODEL).display().to_string();
    // The program itself compares all ranks in every update, and says so by its status.
    let [one, two, four] = [1, 2, 4].map(|ranks| lines(&run(&library, "phi4_mpi", ranks, &[&model, "60"])));
    assert_eq!(one.iter().filter(|line| line.starts_with("bits")).count(), 3, "{one:?}");
    assert_eq!((&one, &one), (&two, &four));
    compare_with_golden("expected_output.txt", &one);
    // The model that only rank 0 reads is missing: all ranks stop, none waits.
    let output = run(&library, "phi4_mpi", 2, &["nowhere.onnx"]);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("STOQ_IO"));
}

#[test]
fn chains_of_an_ensemble_depend_on_their_number_alone() {
    let temporary = tempfile::tempdir().unwrap();
    let Some(library) = build(temporary.path()) else { return };
    let model = root().join(MODEL).display().to_string();
    let [one, four] = [1, 4].map(|ranks| lines(&run(&library, "ensemble", ranks, &[&model, "30"])));
    assert_eq!((one.len(), four.len()), (1, 5), "{four:?}");
    assert_eq!(one[0], four[0]);
    assert_ne!(one[0].split(':').nth(1), four[1].split(':').nth(1));
    compare_with_golden("expected_ensemble.txt", &four);
}
