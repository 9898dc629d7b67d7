//! `stoq info`: the library, or a model.

use super::common::{Failure, Global, Record, say};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use stoq::model::Model;
use stoq::nn::InstructionSet;

/// Options of `stoq info`.
#[derive(Args)]
pub struct Options {
    /// A model file
    model: Option<PathBuf>,
}

/// What chains can be made of; langevin alone is not exact.
const KERNELS: [&str; 7] = ["hmc", "metropolis", "mala", "path", "renoise", "likelihood", "langevin"];
/// Built-in systems.
const SYSTEMS: [&str; 6] = ["toy", "two-peak", "three-peak", "phi4", "complex-gaussian", "complex-quartic"];

/// Runs the command.
pub fn run(global: &Global, options: &Options) -> Result<(), Failure> {
    let sets: Vec<String> = InstructionSet::available().iter().map(|set| format!("{set:?}")).collect();
    let mut record = Record::new("info", json!({"model": options.model}));
    let features: Vec<&str> =
        [("cli", cfg!(feature = "cli"))].iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
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
        let model = Model::load(path)?;
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
