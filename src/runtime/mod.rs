//! ONNX Runtime: where its shared library is, and the one copy that a process loads.
//!
//! Networks that stoq trained need none of it. An exported network is evaluated by ONNX Runtime, whose library is loaded
//! when the first such file is opened, never before, and looked for in this order:
//!
//! 1. the path that the caller gives (`OpenOptions::runtime`, `stoq_model_open_options_t.runtime`);
//! 2. the environment variable [`VARIABLE`]: on a cluster the library often comes with a module, and the variable says
//!    which one without a change of the program. It is read only when an exported network is opened;
//! 3. where `stoq runtime install` puts it ([`user_folder`]);
//! 4. the search path of the system, under the name `libonnxruntime`.
//!
//! What is named by 1. or 2. must work: nothing else is tried instead.
//!
//! One process has one ONNX Runtime (its environment is global to the library), so that the first path that is loaded stays.

pub mod install;
#[cfg(feature = "onnxruntime")]
mod library;

#[cfg(feature = "onnxruntime")]
pub use library::{Runtime, load};

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// The environment variable that names the library, or a folder with it.
pub const VARIABLE: &str = "STOQ_ONNXRUNTIME";
/// Oldest minor version 1.x whose library can be used: the C API that the crate `ort` is built for.
pub const OLDEST_MINOR: u32 = 20;

/// How a library was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Named by the caller.
    Given,
    /// Named by [`VARIABLE`].
    Variable,
    /// Put in place by `stoq runtime install`.
    Installed,
    /// On the search path of the system.
    System,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Source::Given => "given",
            Source::Variable => VARIABLE,
            Source::Installed => "installed by stoq",
            Source::System => "system",
        })
    }
}

/// A library that may be loaded. One on the search path of the system has a name without a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub path: PathBuf,
    /// Who named it.
    pub source: Source,
}

/// The folder of the user in which `stoq runtime install` places libraries: `stoq/onnxruntime` in `$XDG_DATA_HOME`, or in
/// `~/.local/share`. `None` without a home.
pub fn user_folder() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")));
    Some(data?.join("stoq").join("onnxruntime"))
}

/// The libraries to try, in order; files that are named exist.
///
/// # Errors
/// [`Error::RuntimeMissing`] when the path given, or that in [`VARIABLE`], leads to no library.
pub fn candidates(given: Option<&Path>) -> Result<Vec<Location>> {
    if let Some(path) = given {
        return named(path, Source::Given).map(|found| vec![found]);
    }
    if let Some(value) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        return named(Path::new(&value), Source::Variable).map(|found| vec![found]);
    }
    let installed = user_folder().and_then(|folder| install::current(&folder));
    let installed = installed.map(|path| Location { path, source: Source::Installed });
    let system = system_names().iter().map(|name| Location { path: name.into(), source: Source::System });
    Ok(installed.into_iter().chain(system).collect())
}

fn named(path: &Path, source: Source) -> Result<Location> {
    let file = if path.is_dir() { library_in(path) } else { Some(path.to_path_buf()).filter(|path| path.is_file()) };
    let Some(file) = file else {
        let what = if path.is_dir() { "holds no libonnxruntime" } else { "is not there" };
        let reason = format!("{} ({source}) {what}; name the library, or the folder that holds it", path.display());
        return Err(Error::RuntimeMissing { reason });
    };
    // The loader would search for a relative name elsewhere.
    let path = std::path::absolute(&file).map_err(|error| Error::io(&file, error))?;
    Ok(Location { path, source })
}

/// The library in `folder`: `libonnxruntime.so`, or with a version behind.
fn library_in(folder: &Path) -> Option<PathBuf> {
    let names = std::fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| is_library(name)).collect();
    names.sort_unstable();
    names.last().map(|name| folder.join(name))
}

/// Whether a file name is that of the library itself, not of a provider.
fn is_library(name: &str) -> bool {
    let (stem, suffix) = if cfg!(target_os = "macos") {
        ("libonnxruntime", ".dylib")
    } else if cfg!(windows) {
        ("onnxruntime", ".dll")
    } else {
        ("libonnxruntime", ".so")
    };
    let Some(rest) = name.strip_prefix(stem) else { return false };
    let version = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == '.');
    match cfg!(target_os = "macos") {
        true => rest.strip_suffix(suffix).is_some_and(version),
        false => rest.strip_prefix(suffix).is_some_and(version),
    }
}

fn system_names() -> &'static [&'static str] {
    if cfg!(target_os = "macos") {
        &["libonnxruntime.dylib"]
    } else if cfg!(windows) {
        &["onnxruntime.dll"]
    } else {
        &["libonnxruntime.so.1", "libonnxruntime.so"]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_libraries_are_told_from_those_of_providers() {
        if cfg!(target_os = "linux") {
            assert!(
                ["libonnxruntime.so", "libonnxruntime.so.1", "libonnxruntime.so.1.22.1"].into_iter().all(is_library)
            );
            let others =
                ["libonnxruntime_providers_shared.so", "libonnxruntime.so.1.tmp", "onnxruntime.so", "libonnx.so"];
            assert!(!others.into_iter().any(is_library));
        }
    }

    #[test]
    fn what_is_given_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let missing = |path: &Path| candidates(Some(path)).unwrap_err().to_string();
        assert!(missing(folder.path()).contains("holds no libonnxruntime"));
        assert!(missing(&folder.path().join("x.so")).contains("is not there"));
        let name = if cfg!(target_os = "macos") { "libonnxruntime.dylib" } else { "libonnxruntime.so.1.99.0" };
        std::fs::write(folder.path().join(name), b"not a library").unwrap();
        let found = candidates(Some(folder.path())).unwrap();
        assert_eq!((found.len(), found[0].source), (1, Source::Given));
        assert!(found[0].path.ends_with(name));
        #[cfg(feature = "onnxruntime")]
        assert!(matches!(load(Some(&found[0].path)), Err(Error::RuntimeMissing { .. })));
    }
}
