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

/// Runs the command.
pub fn run(global: &Global, options: &Options) -> Result<(), Failure> {
    let sets: Vec<String> = InstructionSet::available().iter().map(|set| format!("{set:?}")).collect();
    let mut record = Record::new("info", json!({"model": options.model}));
    record.set("kernels", json!(sets));
    record.set("abi", json!(stoq::capi::ABI_VERSION));
    say(
        global,
        &format!("stoq {}, ABI {}, CPU kernels {}", env!("CARGO_PKG_VERSION"), stoq::capi::ABI_VERSION, sets.join(" ")),
    );
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
