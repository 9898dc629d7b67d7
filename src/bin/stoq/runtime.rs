//! `stoq runtime`: the library of ONNX Runtime.

use super::common::{Failure, Global, Record, say};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;
use stoq::runtime::install::{InstallOptions, install};
use stoq::runtime::user_folder;
use stoq::{Error, Result};

/// Options of `stoq runtime`.
#[derive(Args)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Fetch the library (its Python wheel, by pip) and place it where stoq finds it
    Install(Install),
    /// Show which library is found, its version, and the devices it was built for
    #[command(alias = "path")]
    Info,
}

#[derive(Args)]
struct Install {
    /// The build for NVIDIA devices; CUDA and cuDNN must be on the machine
    #[arg(long)]
    cuda: bool,
    /// Version, such as 1.22.1 [default: the latest]
    #[arg(long)]
    version: Option<String>,
    /// A wheel of onnxruntime or onnxruntime-gpu that was fetched elsewhere
    #[arg(long, value_name = "FILE")]
    wheel: Option<PathBuf>,
    /// The Python whose pip fetches the wheel [default: python3]
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// Another place than the user's data folder; STOQ_ONNXRUNTIME must then name it
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// Runs the command.
pub fn run(global: &Global, options: &Options) -> Result<(), Failure> {
    match &options.action {
        Action::Install(options) => run_install(global, options),
        Action::Info => run_info(global),
    }
}

fn run_install(global: &Global, options: &Install) -> Result<(), Failure> {
    let folder = options.folder.clone().or_else(user_folder).ok_or_else(|| {
        Error::invalid("--folder", "not given", "a folder: neither XDG_DATA_HOME nor HOME is set to an absolute path")
    })?;
    let Install { cuda, version, wheel, python, .. } = options;
    let what = InstallOptions { cuda: *cuda, version: version.clone(), wheel: wheel.clone(), python: python.clone() };
    let library = install(&folder, &what)?;
    say(global, &format!("installed {}", library.display()));
    let mut record = Record::new("runtime install", json!({"cuda": cuda, "version": version, "wheel": wheel}));
    record.set("library", json!(library));
    Ok(record.write(global)?)
}

#[cfg(feature = "onnxruntime")]
fn run_info(global: &Global) -> Result<(), Failure> {
    let runtime = stoq::runtime::load(None)?;
    let location = runtime.location();
    say(global, &format!("ONNX Runtime 1.{}: {} ({})", runtime.minor(), location.path.display(), location.source));
    say(global, &format!("  devices it was built for: {}", runtime.devices().join(" ")));
    say(global, &format!("  {}", runtime.build()));
    let mut record = Record::new("runtime info", json!({}));
    record.set("library", json!(location.path));
    record.set("source", json!(location.source.to_string()));
    record.set("minor_version", json!(runtime.minor()));
    record.set("devices", json!(runtime.devices()));
    record.set("build", json!(runtime.build()));
    Ok(record.write(global)?)
}

#[cfg(not(feature = "onnxruntime"))]
fn run_info(_: &Global) -> Result<(), Failure> {
    let reason = "this stoq was built without the feature `onnxruntime`".to_string();
    Err(Error::RuntimeMissing { reason }.into())
}
