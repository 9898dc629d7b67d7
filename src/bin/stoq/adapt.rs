//! `stoq adapt`: the same network on another lattice, or at other couplings.

use super::common::{Failure, Global, Record, say};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;
use stoq::Error;
use stoq::model::Model;
use stoq::train::{Dataset, measure_gaussian_part};

/// Options of `stoq adapt`.
#[derive(Args)]
pub struct Options {
    /// The model file
    model: PathBuf,
    /// The model file to write
    #[arg(short, long)]
    output: PathBuf,
    /// Extents of the lattice, for example 48,48 [default: those of the model]
    #[arg(long, value_delimiter = ',')]
    extent: Option<Vec<usize>>,
    /// A coupling of the action, NAME=VALUE; repeat for several
    #[arg(long, value_name = "NAME=VALUE")]
    coupling: Vec<String>,
    /// Configurations there: the covariance, the zero mode and the errors of the denoiser are measured on them. Without,
    /// they are interpolated from the lattices and couplings that trained the network
    #[arg(long)]
    data: Option<PathBuf>,
}

/// Runs the command.
pub fn run(global: &Global, options: &Options) -> Result<(), Failure> {
    let start = Instant::now();
    let model = Model::load(&options.model)?;
    let extents = options.extent.clone().unwrap_or_else(|| model.metadata().extents.clone());
    let mut action = model.metadata().action.clone();
    for text in &options.coupling {
        let (name, value) = coupling(text)?;
        let Some(action) = &mut action else {
            return Err(Error::invalid("--coupling", text, "a model that names its action").into());
        };
        match action.couplings.get_mut(&name) {
            Some(known) => *known = value,
            None => {
                let expected = format!("one of {:?}", action.couplings.keys().collect::<Vec<_>>());
                return Err(Error::invalid("--coupling", &name, &expected).into());
            }
        }
    }
    let mut adapted = model.at(&extents, action.as_ref())?;
    if let Some(path) = &options.data {
        let data = Dataset::load_with_components(path, adapted.metadata().components)?;
        adapted = measure_gaussian_part(&adapted, &data, global.threads)?;
    }
    adapted.save(&options.output)?;
    say(global, &format!("{}: {extents:?}", options.output.display()));
    let mut record = Record::new("adapt", json!({"model": options.model, "extent": extents, "data": options.data}));
    record.set("seconds", json!({"total": start.elapsed().as_secs_f64()}));
    Ok(record.write(global)?)
}

fn coupling(text: &str) -> Result<(String, f64), Failure> {
    let parts = text.split_once('=').and_then(|(name, value)| Some((name.to_string(), value.parse().ok()?)));
    parts.ok_or_else(|| Error::invalid("--coupling", text, "NAME=VALUE, for example kappa=0.25").into())
}
