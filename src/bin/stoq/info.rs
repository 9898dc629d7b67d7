//! `stoq info`: the library, or a model.

use super::common::{Failure, Global, Record, say};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use stoq::nn::InstructionSet;
use stoq::score::onnx_runtime::{OpenOptions, Opened, open};

/// Options of `stoq info`.
#[derive(Args)]
pub struct Options {
    /// A model file
    model: Option<PathBuf>,
}

/// What chains can be made of; langevin alone is not exact.
const KERNELS: [&str; 8] = ["hmc", "metropolis", "charge-shift", "mala", "path", "renoise", "likelihood", "langevin"];
/// Built-in systems.
const SYSTEMS: [&str; 7] = ["toy", "two-peak", "three-peak", "phi4", "u1", "complex-gaussian", "complex-quartic"];

/// Runs the command.
pub fn run(global: &Global, options: &Options) -> Result<(), Failure> {
    let sets: Vec<String> = InstructionSet::available().iter().map(|set| format!("{set:?}")).collect();
    let mut record = Record::new("info", json!({"model": options.model}));
    let features = [
        ("cli", cfg!(feature = "cli")),
        ("hdf5", cfg!(feature = "hdf5")),
        ("onnxruntime", cfg!(feature = "onnxruntime")),
        ("report", cfg!(feature = "report")),
    ];
    let features: Vec<&str> = features.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
    record.set("cpu_kernels", json!(sets));
    record.set("features", json!(features));
    record.set("devices", json!(["cpu"]));
    record.set("kernels", json!(KERNELS));
    record.set("systems", json!(SYSTEMS));
    let version = env!("CARGO_PKG_VERSION");
    say(global, &format!("stoq {version}, ABI {}", stoq::capi::ABI_VERSION));
    for (name, values) in [
        ("features", features.join(" ")),
        ("device", "CPU".into()),
        ("CPU kernels", sets.join(" ")),
        ("systems", SYSTEMS.join(" ")),
        ("kernels", format!("{} (not exact)", KERNELS.join(" "))),
    ] {
        say(global, &format!("  {name:<12} {values}"));
    }
    record.set("abi", json!(stoq::capi::ABI_VERSION));
    if let Some(path) = &options.model {
        let opened = open(path, &OpenOptions::default())?;
        let native = match &opened {
            Opened::Native(native) => native,
            #[cfg(feature = "onnxruntime")]
            Opened::Exported(score) => {
                say(global, &format!("{}: exported network", path.display()));
                score
                    .facts()
                    .iter()
                    .for_each(|(name, value)| say(global, &format!("  {name:<12} {}", shortened(value))));
                record.set("metadata", json!(score.facts()));
                return Ok(record.write(global)?);
            }
        };
        let model = native.model();
        let metadata = model.metadata();
        say(
            global,
            &format!("{}: {} weights, lattice {:?}", path.display(), model.parameters().len(), metadata.extents),
        );
        say(global, &format!("  {:?}", metadata.schedule));
        say(
            global,
            &format!("  network channels {:?}, embedding {}", metadata.network.channels, metadata.network.embedding),
        );
        if let Some(action) = &metadata.action {
            say(global, &format!("  action {} {:?}", action.name, action.couplings));
        }
        let training = &metadata.training;
        say(
            global,
            &format!(
                "  {} steps of {} on {} configurations, seed {}",
                training.steps, training.batch, training.configurations, training.seed
            ),
        );
        say(global, &format!("  {}", training.command));
        record.set("metadata", serde_json::to_value(metadata).unwrap_or_default());
    }
    Ok(record.write(global)?)
}

/// The beginning of a long list.
#[cfg(feature = "onnxruntime")]
pub fn shortened(text: &str) -> String {
    if text.len() <= 80 { text.to_string() } else { format!("{} ..", text.chars().take(76).collect::<String>()) }
}
