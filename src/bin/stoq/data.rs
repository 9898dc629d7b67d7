//! `stoq data`: equilibrium configurations.

use super::common::{Failure, Global, Record, Reporter, SystemOptions, estimate, interruption, say};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;
use stoq::Error;
use stoq::sampler::{EquilibriumOptions, EquilibriumSampler};
use stoq::train::Dataset;

/// Options of `stoq data`.
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    system: SystemOptions,
    /// Configurations to write
    #[arg(long)]
    configs: usize,
    /// Sweeps (an HMC trajectory and some cluster flips) between two configurations
    #[arg(long, default_value_t = 10)]
    sweeps: usize,
    /// Sweeps before the first configuration
    #[arg(long, default_value_t = 500)]
    thermalise: usize,
    /// The .npy file; a .json file of the same name says how it was made
    #[arg(short, long)]
    output: PathBuf,
}

/// Runs the command.
pub fn run(global: &Global, options: &Options) -> Result<(), Failure> {
    let start = Instant::now();
    let lattice = options.system.lattice()?;
    let (kappa, lambda) = (options.system.kappa, options.system.lambda);
    let sampling = EquilibriumOptions { sweeps: options.sweeps, ..EquilibriumOptions::default() };
    let mut sampler = EquilibriumSampler::with_options(&lattice, kappa, lambda, global.seed, 0, sampling)?;
    say(global, &format!("thermalising {} sweeps", options.thermalise));
    sampler.thermalise(options.thermalise)?;
    let stop = interruption();
    let mut reporter = Reporter::new(global, options.configs as u64);
    let mut fields = Vec::with_capacity(options.configs * lattice.values());
    for index in 0..options.configs {
        if stop.load(Ordering::SeqCst) {
            return Err(Failure::Interrupted);
        }
        fields.extend(sampler.next_configuration()?.iter().map(|&x| x as f32));
        reporter.update(index as u64 + 1, "configurations");
    }
    reporter.finish();
    let report = sampler.report()?;
    Dataset::new(lattice, fields)?.save(&options.output)?;
    let sidecar = json!({
        "format": "numpy float32, C order, shape (configurations, extents)",
        "version": env!("CARGO_PKG_VERSION"),
        "action": options.system.record(),
        "extent": options.system.extent,
        "configurations": options.configs,
        "sweeps": options.sweeps,
        "algorithm": "HMC with Wolff cluster flips of sign(phi)",
        "hmc_acceptance": report.hmc_acceptance,
        "seed": global.seed,
        "observables": {"abs_mag": estimate(&report.abs_mag), "phi2": estimate(&report.phi2)},
    });
    let text = serde_json::to_string_pretty(&sidecar).map_err(|error| Error::Internal(error.to_string()))?;
    stoq::files::write_atomically(&sidecar_path(&options.output), format!("{text}\n").as_bytes())?;
    let line = |name: &str, e: &stoq::analysis::Estimate| {
        format!("  {name:<10} {:.6} +- {:.6}   tau_int {:.2}", e.value, e.error, e.tau_int)
    };
    say(global, &format!("{} configurations, HMC acceptance {:.3}", options.configs, report.hmc_acceptance));
    say(global, &line("abs_mag", &report.abs_mag));
    say(global, &line("phi2", &report.phi2));
    let mut parameters = options.system.parameters();
    parameters["configs"] = json!(options.configs);
    parameters["sweeps"] = json!(options.sweeps);
    parameters["thermalise"] = json!(options.thermalise);
    parameters["seed"] = json!(global.seed);
    let mut record = Record::new("data", parameters);
    record.set("observables", json!({"abs_mag": estimate(&report.abs_mag), "phi2": estimate(&report.phi2)}));
    record.set("acceptance", json!({"value": report.hmc_acceptance}));
    record.set("seconds", json!({"total": start.elapsed().as_secs_f64()}));
    Ok(record.write(global)?)
}

/// The file beside the data that says what they are.
pub fn sidecar_path(data: &Path) -> PathBuf {
    data.with_extension("json")
}
