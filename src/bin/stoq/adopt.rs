//! `stoq adopt`: metadata for networks that another program exported.

use super::common::{Failure, Global, Record, say};
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::json;
use std::path::{Path, PathBuf};
use stoq::action::ActionRecord;
use stoq::diffusion::Schedule;
use stoq::score::onnx_runtime::{
    Channels, Declaration, Device, NetworkOutput, Normalisation, OpenOptions, TimeInput, adopted, open_memory,
};
use stoq::train::Dataset;
use stoq::{Error, Result};

/// Options of `stoq adopt`. Names as in the metadata of the file.
#[derive(Args)]
pub struct Options {
    /// The exported file
    network: PathBuf,
    /// The file to write, with the same graph and weights
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Noise schedule of the network
    #[arg(long, value_parser = PossibleValuesParser::new(["ve", "vp", "interpolating"]))]
    schedule: Option<String>,
    /// g(t) = sigma^t of that schedule
    #[arg(long, default_value_t = 25.0)]
    sigma: f64,
    /// c of the interpolating schedule, k = c g^2
    #[arg(long)]
    contraction: Option<f64>,
    /// What the network returns
    #[arg(long, value_parser = PossibleValuesParser::new(NetworkOutput::NAMES))]
    returns: Option<String>,
    /// How the noise level enters
    #[arg(long, value_parser = PossibleValuesParser::new(TimeInput::NAMES))]
    time: Option<String>,
    /// The network saw (phi - shift) / scale
    #[arg(long)]
    scale: Option<f64>,
    /// See --scale
    #[arg(long, allow_negative_numbers = true)]
    shift: Option<f64>,
    /// Angles, which the network saw over pi
    #[arg(long, conflicts_with_all = ["scale", "shift"])]
    angles_over_pi: bool,
    /// Where the components stand
    #[arg(long, value_parser = PossibleValuesParser::new(Channels::NAMES))]
    channels: Option<String>,
    /// Extents of the lattice, slowest axis first
    #[arg(long, value_delimiter = ',')]
    extent: Vec<usize>,
    /// Real components at a site
    #[arg(long)]
    components: Option<usize>,
    /// Configurations (.npy or .h5), whose covariance shapes prior and steps; without them white noise of the scale does
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// The action, such as "phi4 kappa=0.27 lambda=0.022"
    #[arg(long)]
    action: Option<String>,
}

impl Options {
    fn schedule(&self) -> Result<Option<Schedule>> {
        match (self.schedule.as_deref(), self.contraction) {
            (None, None) => Ok(None),
            (Some("interpolating"), Some(c)) => Schedule::interpolating(self.sigma, c).map(Some),
            (Some("interpolating"), None) => Err(Error::invalid("--contraction", "not given", "c, from 0 to 1")),
            (_, Some(c)) => Err(Error::invalid("--contraction", c, "--schedule interpolating beside it")),
            (Some("vp"), None) => Schedule::variance_preserving(self.sigma).map(Some),
            (Some(_), None) => Schedule::variance_expanding(self.sigma).map(Some),
        }
    }

    fn declaration(&self) -> Result<Declaration> {
        let normalisation = match (self.angles_over_pi, self.scale, self.shift) {
            (true, ..) => Some(Normalisation::ANGLES_OVER_PI),
            (_, None, None) => None,
            (_, scale, shift) => Some(Normalisation { scale: scale.unwrap_or(1.0), shift: shift.unwrap_or(0.0) }),
        };
        Ok(Declaration {
            schedule: self.schedule()?,
            output: self.returns.as_deref().and_then(NetworkOutput::from_name),
            time: self.time.as_deref().and_then(TimeInput::from_name),
            normalisation,
            channels: self.channels.as_deref().and_then(Channels::from_name),
            extents: Some(self.extent.clone()).filter(|extents| !extents.is_empty()),
            components: self.components,
            covariance: self.data.as_deref().map(|data| covariance(data, self.components.unwrap_or(1))).transpose()?,
            action: self.action.as_deref().map(ActionRecord::from_text).transpose()?,
        })
    }
}

fn covariance(data: &Path, components: usize) -> Result<Vec<f64>> {
    Dataset::load_with_components(data, components)?.covariance()
}

/// Runs the command. The file that is written was opened before.
pub fn run(global: &Global, options: &Options) -> Result<(), Failure> {
    let path = &options.network;
    let bytes = std::fs::read(path).map_err(|source| Error::io(path, source))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let declaration = options.declaration()?;
    let written = adopted(&bytes, &path.display().to_string(), folder, &declaration)?;
    check(global, options, &written, folder)?;
    stoq::files::write_atomically(&options.output, &written)?;
    say(global, &format!("wrote {}", options.output.display()));
    let mut record = Record::new("adopt", json!({"network": path, "output": options.output}));
    record.set("declaration", json!(format!("{declaration:?}")));
    Ok(record.write(global)?)
}

/// A file that says too little, or something wrong, is not written.
fn check(global: &Global, options: &Options, written: &[u8], folder: &Path) -> Result<()> {
    let beside = options.output.parent().unwrap_or(Path::new(""));
    let same = std::fs::canonicalize(folder.join(".")).ok() == std::fs::canonicalize(beside.join(".")).ok();
    let opened = open_memory(
        written,
        &options.network.display().to_string(),
        Some(folder),
        &OpenOptions { device: Device::Cpu, ..OpenOptions::default() },
    )?;
    #[cfg(feature = "onnxruntime")]
    if let stoq::score::onnx_runtime::Opened::Exported(score) = &opened {
        if score.has_external_weights() && !same {
            let expected = "a file in the same folder: weights of the network lie in files beside it";
            return Err(Error::invalid("--output", options.output.display(), expected));
        }
        score.facts().iter().for_each(|(name, value)| {
            say(global, &format!("  {name:<12} {}", super::info::shortened(value)));
        });
    }
    let _ = (opened, same, global);
    Ok(())
}
