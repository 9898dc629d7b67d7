//! Putting the library of ONNX Runtime where stoq finds it.
//!
//! The wheels of the Python package index are the one place with builds for every system, with and without CUDA. They
//! are fetched by the `pip` of the machine, which knows its mirrors, proxies and certificates, and unpacked by Python's own
//! `zipfile`: stoq gains neither an HTTP client nor a decompressor for what a person does once.

use super::library_in;
use crate::error::{Error, Result};
use crate::files::write_atomically;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The file that names the folder in use. It is replaced in one step, so that a program that starts meanwhile finds the
/// old library or the new one.
const CURRENT: &str = "current";

/// What to install.
#[derive(Clone, Debug, Default)]
pub struct InstallOptions {
    /// The build for CUDA.
    pub cuda: bool,
    /// Such as "1.22.1"; `None`: the latest.
    pub version: Option<String>,
    /// A wheel that is there already; then nothing is fetched.
    pub wheel: Option<PathBuf>,
    /// The Python that fetches and unpacks; `None`: python3.
    pub python: Option<PathBuf>,
}

/// The library that was installed last into `folder`.
pub fn current(folder: &Path) -> Option<PathBuf> {
    let name = std::fs::read_to_string(folder.join(CURRENT)).ok()?;
    library_in(&folder.join(name.trim()))
}

/// Installs into `folder`; what was there before stays in its place until the new library is complete. Returns the library.
///
/// # Errors
/// [`Error::RuntimeMissing`] when Python or `pip` fails, or the wheel holds no library; [`Error::Io`].
pub fn install(folder: &Path, options: &InstallOptions) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).map_err(|source| Error::io(folder, source))?;
    let work = tempfile::tempdir_in(folder).map_err(|source| Error::io(folder, source))?;
    let python = options.python.clone().unwrap_or_else(|| "python3".into());
    let wheel = match &options.wheel {
        Some(wheel) => wheel.clone(),
        None => fetch(&python, options, work.path())?,
    };
    let unpacked = work.path().join("wheel");
    let unpack = [OsStr::new("-m"), OsStr::new("zipfile"), OsStr::new("-e"), wheel.as_os_str(), unpacked.as_os_str()];
    run(&python, &unpack)?;
    let libraries = unpacked.join("onnxruntime").join("capi");
    let stage = work.path().join("libraries");
    std::fs::create_dir(&stage).map_err(|source| Error::io(&stage, source))?;
    for name in shared_libraries(&libraries) {
        let (from, to) = (libraries.join(&name), stage.join(&name));
        std::fs::rename(&from, &to).map_err(|source| Error::io(&from, source))?;
    }
    if library_in(&stage).is_none() {
        let reason = format!("{} holds no onnxruntime/capi/libonnxruntime: is it its wheel?", wheel.display());
        return Err(Error::RuntimeMissing { reason });
    }
    let name = wheel.file_stem().map_or_else(|| "onnxruntime".into(), |name| name.to_string_lossy().into_owned());
    let place = folder.join(&name);
    if place.exists() {
        // Out of the way in one step; it goes with the temporary folder.
        std::fs::rename(&place, work.path().join("replaced")).map_err(|source| Error::io(&place, source))?;
    }
    std::fs::rename(&stage, &place).map_err(|source| Error::io(&place, source))?;
    write_atomically(&folder.join(CURRENT), format!("{name}\n").as_bytes())?;
    current(folder).ok_or_else(|| Error::Internal(format!("{} does not lead to a library", folder.display())))
}

/// The library and its providers; not the module of Python, which is most of the rest.
fn shared_libraries(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names
        .filter(|name| name.starts_with("libonnxruntime") || name.starts_with("onnxruntime") && name.ends_with(".dll"))
        .collect()
}

fn fetch(python: &Path, options: &InstallOptions, folder: &Path) -> Result<PathBuf> {
    let package = if options.cuda { "onnxruntime-gpu" } else { "onnxruntime" };
    let wanted = match &options.version {
        Some(version) if version.chars().all(|c| c.is_ascii_alphanumeric() || c == '.') => {
            format!("{package}=={version}")
        }
        Some(version) => return Err(Error::invalid("version", version, "a version such as 1.22.1")),
        None => package.to_string(),
    };
    let words = [
        "-m",
        "pip",
        "download",
        "--disable-pip-version-check",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
    ];
    let mut arguments: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
    arguments.extend([folder.as_os_str(), OsStr::new(&wanted)]);
    run(python, &arguments)?;
    let entries = std::fs::read_dir(folder).map_err(|source| Error::io(folder, source))?;
    let wheel =
        entries.filter_map(|entry| Some(entry.ok()?.path())).find(|path| path.extension() == Some("whl".as_ref()));
    wheel.ok_or_else(|| Error::RuntimeMissing { reason: format!("pip fetched no wheel for {wanted}") })
}

fn run(python: &Path, arguments: &[&OsStr]) -> Result<()> {
    let fail = |reason: String| Error::RuntimeMissing { reason };
    let output = Command::new(python).args(arguments).output().map_err(|error| {
        fail(format!("{} does not start ({error}); install Python 3 with pip, or give --python", python.display()))
    })?;
    if output.status.success() {
        return Ok(());
    }
    let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
    let said = String::from_utf8_lossy(&output.stderr);
    Err(fail(format!("{} {} failed: {}", python.display(), words.join(" "), said.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without network: a wheel made here. The second one replaces the first; a broken one leaves it.
    #[test]
    fn a_wheel_is_installed_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let python = PathBuf::from("python3");
        if Command::new(&python).arg("--version").output().is_err() {
            return eprintln!("skipped: there is no python3");
        }
        let target = folder.path().join("place");
        assert_eq!(current(&target), None);
        let wheel = |version: &str, library: &str| {
            let path = folder.path().join(format!("onnxruntime-{version}-any.whl"));
            let code = format!(
                "import zipfile\nwith zipfile.ZipFile({path:?}, 'w') as f:\n for n in ['{library}', \
                 'libonnxruntime_providers_shared.so', 'state.so']: f.writestr('onnxruntime/capi/' + n, '{version}')"
            );
            assert!(Command::new(&python).arg("-c").arg(code).status().unwrap().success());
            InstallOptions { wheel: Some(path), ..InstallOptions::default() }
        };
        let name = if cfg!(target_os = "macos") { "libonnxruntime.dylib" } else { "libonnxruntime.so.1.30.0" };
        for version in ["1.30.0", "1.30.1", "1.30.1"] {
            let library = install(&target, &wheel(version, name)).unwrap();
            assert_eq!(current(&target).as_ref(), Some(&library));
            assert_eq!(std::fs::read_to_string(&library).unwrap(), version);
            assert!(library.with_file_name("libonnxruntime_providers_shared.so").exists());
            assert!(!library.with_file_name("state.so").exists());
        }
        let before = current(&target).unwrap();
        let refusal = install(&target, &wheel("1.31.0", "something_else.so")).unwrap_err().to_string();
        assert!(refusal.contains("holds no onnxruntime/capi/libonnxruntime"), "{refusal}");
        let missing = InstallOptions { wheel: Some(folder.path().join("none.whl")), ..InstallOptions::default() };
        assert!(install(&target, &missing).unwrap_err().to_string().contains("none.whl"));
        let odd = InstallOptions { version: Some("1.2; x".into()), ..InstallOptions::default() };
        assert!(install(&target, &odd).unwrap_err().to_string().contains("1.2; x"));
        assert_eq!(current(&target), Some(before));
        // Temporary folders are gone: three are left, two versions and the name of the current one.
        assert_eq!(std::fs::read_dir(&target).unwrap().count(), 3);
    }
}
