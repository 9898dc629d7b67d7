//! `stoq data`: equilibrium configurations.

use super::common::{Failure, Global, Record, Reporter, interruption, say};
use super::growing::GrowingData;
use super::observables::{self, Meter};
use super::system::SystemOptions;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;
use stoq::action::{Action, ActionRecord, MixtureLaw, ToyLaw, finite_action};
use stoq::lattice::Lattice;
use stoq::rng::Stream;
use stoq::sampler::{
    ComplexLangevin, EquilibriumOptions, EquilibriumSampler, GaugeOptions, GaugeSampler, IndependentSampler,
};
use stoq::train::Dataset;
use stoq::{Error, Result};

/// Options of `stoq data`.
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    system: SystemOptions,
    /// Configurations to write
    #[arg(long)]
    configs: usize,
    /// Between two configurations: sweeps of phi4 (an HMC trajectory and some cluster flips) [default: 10] or u1 (a
    /// trajectory and some charge shifts) [default: 5], or intervals of the relaxation time of complex Langevin
    /// [default: 5]
    #[arg(long, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    sweeps: Option<usize>,
    /// As many before the first configuration [default: 500, complex Langevin 50]
    #[arg(long)]
    thermalise: Option<usize>,
    /// Go on with the file until it holds --configs configurations, by a new chain, and write as they are made: an
    /// interrupted run loses none but the last 64, and the same command goes on with it
    #[arg(long)]
    append: bool,
    /// The .npy file; a .json file of the same name says how it was made. Or an .h5 file, whose attributes say it (needs the feature
    /// hdf5)
    #[arg(short, long)]
    output: PathBuf,
}

/// Where the configurations come from.
enum Source {
    /// HMC and cluster flips.
    Equilibrium(Box<EquilibriumSampler>, usize),
    /// HMC and charge shifts.
    Gauge(Box<GaugeSampler>, usize),
    /// Drawn one by one from the exact law.
    Independent(IndependentSampler, Box<dyn Action>),
    /// Complex Langevin, which has no accept step.
    Complex(Box<ComplexLangevin>, usize),
}

impl Source {
    fn new(
        global: &Global,
        options: &Options,
        record: &ActionRecord,
        (lattice, chain): (&Lattice, u32),
    ) -> Result<Self> {
        let of = |name: &str| record.coupling(name);
        let sweeps = options.sweeps;
        if options.system.system.is_complex() {
            let mut process = ComplexLangevin::new(record.complex()?, lattice, global.seed, chain)?;
            process.thermalise(options.thermalise.unwrap_or(50) as f64 * process.interval())?;
            return Ok(Source::Complex(Box::new(process), sweeps.unwrap_or(5)));
        }
        if record.name == "phi4" {
            let sweeps = sweeps.unwrap_or(10);
            let sampling = EquilibriumOptions { sweeps, ..EquilibriumOptions::default() };
            let (kappa, lambda) = (of("kappa")?, of("lambda")?);
            let mut sampler = EquilibriumSampler::with_options(lattice, kappa, lambda, global.seed, chain, sampling)?;
            let thermalise = options.thermalise.unwrap_or(500);
            say(global, &format!("thermalising {thermalise} sweeps"));
            sampler.thermalise(thermalise)?;
            return Ok(Source::Equilibrium(Box::new(sampler), sweeps));
        }
        if record.name == "u1" {
            let mut sampling = GaugeOptions::default();
            sampling.sweeps = sweeps.unwrap_or(sampling.sweeps);
            let mut sampler = GaugeSampler::with_options(lattice, of("beta")?, global.seed, chain, sampling)?;
            let thermalise = options.thermalise.unwrap_or(500);
            say(global, &format!("thermalising {thermalise} sweeps"));
            sampler.thermalise(thermalise)?;
            return Ok(Source::Gauge(Box::new(sampler), sampling.sweeps));
        }
        for (flag, given) in [("--sweeps", sweeps), ("--thermalise", options.thermalise)] {
            if let Some(value) = given {
                let expected = format!("no such flag: configurations of {} are drawn independently", record.name);
                return Err(Error::invalid(flag, value, &expected));
            }
        }
        Ok(Source::Independent(independent(record, lattice)?, record.build(lattice)?))
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Source::Equilibrium(..) => "HMC with Wolff cluster flips of sign(phi)",
            Source::Gauge(..) => "HMC with Metropolis shifts of the topological charge",
            Source::Independent(..) => "independent draws from the exact law",
            Source::Complex(..) => "complex Langevin with real noise, adaptive Heun steps (no accept step)",
        }
    }

    /// The action of a field, if it has one.
    fn action(&mut self, field: &[f64]) -> Result<Option<f64>> {
        match self {
            Source::Equilibrium(sampler, _) => finite_action(sampler.action(), field),
            Source::Gauge(sampler, _) => finite_action(sampler.action(), field),
            Source::Independent(_, action) => finite_action(&mut **action, field),
            Source::Complex(..) => Ok(None),
        }
    }

    /// Writes configuration `index` into `field`; its action, if it has one.
    fn next(&mut self, seed: u64, index: usize, field: &mut [f64]) -> Result<Option<f64>> {
        match self {
            Source::Equilibrium(sampler, _) => {
                field.copy_from_slice(sampler.next_configuration()?);
            }
            Source::Gauge(sampler, _) => field.copy_from_slice(sampler.next_configuration()?),
            Source::Independent(sampler, _) => sampler.draw(&Stream::new(seed, 0, index as u64)?, field)?,
            Source::Complex(process, intervals) => {
                for _ in 0..*intervals {
                    process.next_configuration()?;
                }
                field.copy_from_slice(process.field());
            }
        }
        self.action(field)
    }
}

/// The sampler of a law of independent sites.
pub fn independent(record: &ActionRecord, lattice: &Lattice) -> Result<IndependentSampler> {
    let (of, lattice) = (|name: &str| record.coupling(name), lattice.clone());
    match record.name.as_str() {
        "toy" => IndependentSampler::toy(lattice, ToyLaw::new(of("mu2")?, of("g")?)?),
        "two-peak" => IndependentSampler::mixture(lattice, MixtureLaw::two_peak(of("mu0")?, of("sigma0")?)?),
        _ => IndependentSampler::mixture(lattice, MixtureLaw::three_peak(of("radius")?, of("sigma0")?)?),
    }
}

/// Runs the command.
pub fn run(global: &Global, options: &Options) -> std::result::Result<(), Failure> {
    let start = Instant::now();
    let (record, lattice) = (options.system.record()?, options.system.lattice()?);
    stoq::files_hdf5::require(&options.output)?;
    let mut growing = match options.append {
        true => Some(GrowingData::open(&options.output, &record, &lattice, (global.seed, options.configs))?),
        false => None,
    };
    let chain = growing.as_ref().map_or(0, GrowingData::chain);
    let first = growing.as_ref().map_or(0, GrowingData::configurations);
    if growing.is_some() && first >= options.configs {
        say(global, &format!("{first} configurations are there: nothing to do"));
        return Ok(());
    }
    let mut source = Source::new(global, options, &record, (&lattice, chain))?;
    let stop = interruption();
    let mut reporter = Reporter::new(global, options.configs as u64);
    let mut meter = Meter::new(Some(&record), &lattice)?;
    let mut field = vec![0.0; lattice.values()];
    let mut fields = vec![];
    if let Some(growing) = &growing {
        for field in growing.before.chunks_exact(lattice.values()) {
            meter.measure(field, source.action(field)?)?;
        }
        say(global, &format!("{first} configurations are there"));
    }
    let mut sidecar = json!({
        "format": if lattice.components() == 1 { "float32, C order, shape (configurations, extents)" }
                  else { "float32, C order, shape (configurations, components, extents)" },
        "version": env!("CARGO_PKG_VERSION"),
        "action": record,
        "extent": lattice.extents(),
        "components": lattice.components(),
        "configurations": options.configs,
        "algorithm": source.algorithm(),
        "seed": global.seed,
    });
    for index in first..options.configs {
        let stopped = stop.load(Ordering::SeqCst);
        if stopped {
            if let Some(growing) = &mut growing {
                growing.close(&sidecar)?;
                say(global, &format!("{} configurations are in the file", growing.configurations()));
            }
            return Err(Failure::Interrupted);
        }
        let action = source.next(global.seed, index, &mut field)?;
        meter.measure(&field, action)?;
        match &mut growing {
            Some(growing) => {
                if growing.push(&field) {
                    growing.write(&sidecar)?;
                }
            }
            None => fields.extend(field.iter().map(|&x| x as f32)),
        }
        reporter.update(index as u64 + 1, "configurations");
    }
    reporter.finish();
    match &mut growing {
        Some(growing) => {
            growing.write(&sidecar)?;
            sidecar = growing.described(&sidecar);
        }
        None => Dataset::new(lattice.clone(), fields)?.save(&options.output)?,
    }
    let rows = meter.rows()?;
    let observables = observables::json(&rows);
    sidecar["observables"] = json!(observables);
    say(global, &format!("{} configurations: {}", options.configs, source.algorithm()));
    // One configuration more says nothing about its run.
    let acceptance = if options.configs - first < 2 { None } else { describe(global, &source, &mut sidecar)? };
    stoq::files_description::write(&options.output, &sidecar)?;
    observables::print(global, &rows);
    let mut parameters = options.system.parameters()?;
    parameters["configs"] = json!(options.configs);
    parameters["seed"] = json!(global.seed);
    for key in ["sweeps", "intervals"] {
        if let Some(value) = sidecar.get(key) {
            parameters[key] = value.clone();
        }
    }
    let mut result = Record::new("data", parameters);
    result.set("observables", observables.into());
    if let Some(acceptance) = acceptance {
        result.set("acceptance", json!({"value": acceptance}));
    }
    result.set("seconds", json!({"total": start.elapsed().as_secs_f64()}));
    Ok(result.write(global)?)
}

/// How the sampler ran, into the sidecar; the acceptance, if there is one.
fn describe(global: &Global, source: &Source, sidecar: &mut Value) -> Result<Option<f64>> {
    match source {
        Source::Equilibrium(sampler, sweeps) => {
            let report = sampler.report()?;
            sidecar["hmc_acceptance"] = json!(report.hmc_acceptance);
            sidecar["sweeps"] = json!(sweeps);
            say(global, &format!("HMC acceptance {:.3}", report.hmc_acceptance));
            Ok(Some(report.hmc_acceptance))
        }
        Source::Gauge(sampler, sweeps) => {
            let report = sampler.report()?;
            sidecar["hmc_acceptance"] = json!(report.hmc_acceptance);
            sidecar["charge_shift_acceptance"] = json!(report.shift_acceptance);
            sidecar["tunnelling"] = json!(report.tunnelling);
            sidecar["sweeps"] = json!(sweeps);
            let (hmc, shift) = (report.hmc_acceptance, report.shift_acceptance);
            say(global, &format!("HMC acceptance {hmc:.3}, of charge shifts {shift:.3}"));
            Ok(Some(hmc))
        }
        Source::Independent(..) => Ok(None),
        Source::Complex(process, intervals) => {
            let report = process.report();
            sidecar["intervals"] = json!(intervals);
            sidecar["langevin_time_between_configurations"] = json!(*intervals as f64 * process.interval());
            sidecar["largest_imaginary_part"] = json!(report.largest_y);
            say(global, &format!("Langevin time {:.1}, largest |y| {:.4}", report.time, report.largest_y));
            Ok(None)
        }
    }
}
