//! The one ONNX Runtime of a process.

use super::{Location, OLDEST_MINOR, VARIABLE, candidates};
use crate::error::{Error, Result};
use ort::ep::{CUDA, ExecutionProvider};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// A library that is loaded, with its environment.
pub struct Runtime {
    location: Location,
    minor: u32,
    environment: ort::environment::Environment,
}

impl Runtime {
    /// The library.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Its version, 1.`minor`.
    pub fn minor(&self) -> u32 {
        self.minor
    }

    /// What the library says about its build: branch, commit, flags.
    pub fn build(&self) -> &'static str {
        ort::info()
    }

    /// The kinds of devices that the library was compiled for. Whether one is there is known when a network is put
    /// on it.
    pub fn devices(&self) -> Vec<&'static str> {
        let cuda = CUDA::is_available().unwrap_or(false).then_some("cuda");
        std::iter::once("cpu").chain(cuda).collect()
    }

    /// For sessions.
    pub(crate) fn environment(&self) -> &ort::environment::Environment {
        &self.environment
    }
}

/// Loads the library, or gives the one that is loaded. Nothing is printed by it.
///
/// # Errors
/// [`Error::RuntimeMissing`] with what was tried; [`Error::InvalidArgument`] when another library than `given` is loaded
/// already.
pub fn load(given: Option<&Path>) -> Result<Arc<Runtime>> {
    static LOADED: Mutex<Option<Arc<Runtime>>> = Mutex::new(None);
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = &*loaded {
        return same(runtime, given);
    }
    let mut tried = vec![];
    for location in candidates(given)? {
        // The crate's own way of loading on first use panics: nothing of it is touched before this succeeds.
        match ort::util::probe(&location.path) {
            Some(minor) if minor >= OLDEST_MINOR => {
                let runtime = Arc::new(start(location, minor)?);
                *loaded = Some(runtime.clone());
                return Ok(runtime);
            }
            Some(minor) => {
                let path = location.path.display();
                tried.push(format!("{path} ({}): version 1.{minor}, older than 1.{OLDEST_MINOR}", location.source));
            }
            None => tried.push(format!("{} ({}): cannot be loaded", location.path.display(), location.source)),
        }
    }
    let reason = format!(
        "no usable library, and a network exported by another program needs one (1.{OLDEST_MINOR} or later): run \
         `stoq runtime install`, or name one by {VARIABLE}. Tried: {}",
        tried.join("; ")
    );
    Err(Error::RuntimeMissing { reason })
}

fn same(runtime: &Arc<Runtime>, given: Option<&Path>) -> Result<Arc<Runtime>> {
    if let Some(path) = given {
        let wanted = &candidates(Some(path))?[0].path;
        if *wanted != runtime.location.path {
            let expected =
                format!("{}, which this process has loaded: it can have one", runtime.location.path.display());
            return Err(Error::invalid("runtime", wanted.display(), &expected));
        }
    }
    Ok(runtime.clone())
}

fn start(location: Location, minor: u32) -> Result<Runtime> {
    let fail = |why: String| Error::RuntimeMissing { reason: format!("{}: {why}", location.path.display()) };
    let builder = ort::init_from(&location.path).map_err(|error| fail(error.to_string()))?;
    // The library of a host prints nothing: what matters comes back as an error.
    let silent: ort::logging::LoggerFunction = Arc::new(|_, _, _, _, _| {});
    let environment = builder.with_name("stoq").with_telemetry(false).with_logger(silent).build();
    let environment = environment.map_err(|error| fail(error.to_string()))?;
    environment.set_log_level(ort::logging::LogLevel::Fatal);
    Ok(Runtime { location, minor, environment })
}
