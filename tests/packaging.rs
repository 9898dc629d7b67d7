//! What `make install` leaves behind, and programs of others that use it: by file names, by pkg-config, by CMake, and
//! with the source of stoq in their own; each with the shared and with the static library.

mod common;

use common::{root, skipped};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use stoq::capi::ABI_VERSION;

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}");
    output
}

/// Whether a tool is there; says so if not.
fn has(tool: &str) -> bool {
    let there = Command::new(tool).arg("--version").output().is_ok_and(|run| run.status.success());
    if !there {
        skipped(&format!("there is no `{tool}`"), "STOQ_REQUIRE_PACKAGING");
    }
    there
}

/// Where cargo put the libraries that belong to this test.
fn built() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().to_path_buf()
}

fn install(prefix: &Path) {
    let mut make = Command::new("make");
    make.current_dir(root()).arg("install-files").arg(format!("BUILT={}", built().display()));
    succeed(make.arg(format!("PREFIX={}", prefix.display())));
}

/// A program runs, and with the library of the place that it was built for: no path is given here.
fn run(program: &Path) {
    let output = succeed(Command::new(program).env_remove("LD_LIBRARY_PATH").env_remove("DYLD_LIBRARY_PATH"));
    let expected = format!("stoq {}, C ABI {ABI_VERSION}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected, "{}", program.display());
}

/// What a program or library asks the loader for, or calls itself.
#[cfg(target_os = "linux")]
fn dynamic(file: &Path, entry: &str) -> Vec<String> {
    let output = succeed(Command::new("readelf").arg("-d").arg(file));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| line.contains(entry));
    lines.filter_map(|line| Some(line.split_once('[')?.1.split_once(']')?.0.to_string())).collect()
}

/// The shared program needs the library by the number of its ABI, the static one none.
fn both(folder: &Path) {
    for name in ["shared", "static"] {
        let program = folder.join(name);
        run(&program);
        #[cfg(target_os = "linux")]
        if has("readelf") {
            let needed = dynamic(&program, "(NEEDED)");
            let stoq: Vec<_> = needed.iter().filter(|needed| needed.contains("stoq")).collect();
            let expected = if name == "shared" { vec![format!("libstoq.so.{ABI_VERSION}")] } else { vec![] };
            assert_eq!(stoq, expected.iter().collect::<Vec<_>>(), "{}", program.display());
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn install_leaves_all_files() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("stoq");
    install(&prefix);
    for header in std::fs::read_dir(root().join("include")).unwrap() {
        let header = header.unwrap();
        let installed = std::fs::read(prefix.join("include").join(header.file_name())).unwrap();
        assert_eq!(installed, std::fs::read(header.path()).unwrap(), "{header:?}");
    }
    for file in [
        "lib/libstoq.a",
        "lib/pkgconfig/stoq.pc",
        "lib/cmake/stoq/stoqConfig.cmake",
        "lib/cmake/stoq/stoqConfigVersion.cmake",
        "lib/cmake/stoq/stoqTargets.cmake",
    ] {
        let text = String::from_utf8_lossy(&std::fs::read(prefix.join(file)).unwrap()).into_owned();
        assert!(file.ends_with(".a") || !text.contains('@'), "{file}: {text}");
    }
    let named = format!("libstoq.so.{ABI_VERSION}");
    assert_eq!(std::fs::read_link(prefix.join("lib/libstoq.so")).unwrap(), Path::new(&named));
    if has("readelf") {
        assert_eq!(dynamic(&prefix.join("lib").join(&named), "(SONAME)"), [named]);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn consumer_by_file_names() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("stoq");
    install(&prefix);
    let mut make = Command::new("make");
    make.arg("-C").arg(root().join("tests/consumers/make")).arg(format!("STOQ={}", prefix.display()));
    succeed(make.arg(format!("OUT={}", folder.path().display())));
    both(folder.path());
}

#[test]
#[cfg(target_os = "linux")]
fn consumer_by_pkg_config() {
    if !has("pkg-config") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("stoq");
    install(&prefix);
    let path = prefix.join("lib/pkgconfig");
    let mut version = Command::new("pkg-config");
    let version = succeed(version.args(["--modversion", "stoq"]).env("PKG_CONFIG_PATH", &path));
    assert_eq!(String::from_utf8(version.stdout).unwrap().trim(), env!("CARGO_PKG_VERSION"));
    let mut make = Command::new("make");
    make.arg("-C").arg(root().join("tests/consumers/pkgconfig")).env("PKG_CONFIG_PATH", &path);
    succeed(make.arg(format!("OUT={}", folder.path().display())));
    both(folder.path());
}

fn cmake(source: &str, folder: &Path, options: &[String]) {
    let build = folder.join("build");
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(root().join("tests/consumers").join(source)).arg("-B").arg(&build).args(options);
    succeed(configure.arg("-DCMAKE_C_FLAGS=-Wall -Wextra -pedantic"));
    succeed(Command::new("cmake").arg("--build").arg(&build));
    both(&build);
}

/// Installed, and moved afterwards: find_package follows the files.
#[test]
#[cfg(target_os = "linux")]
fn consumer_by_cmake() {
    if !has("cmake") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (prefix, moved) = (folder.path().join("stoq"), folder.path().join("moved"));
    install(&prefix);
    std::fs::rename(&prefix, &moved).unwrap();
    cmake("cmake", folder.path(), &[format!("-DCMAKE_PREFIX_PATH={}", moved.display())]);
}

/// The same with the source of stoq in the project; the libraries are those of this build, for cargo takes minutes.
#[test]
#[cfg(target_os = "linux")]
fn consumer_with_the_source() {
    if !has("cmake") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let library = common::library_folder(folder.path());
    std::fs::copy(built().join("libstoq.a"), library.join("libstoq.a")).unwrap();
    cmake("subdirectory", folder.path(), &[format!("-DSTOQ_LIBRARY_DIR={}", library.display())]);
}
