//! `stoq sample`: approximate generation, with log weights where the generator has them.

use super::common::{Failure, Global, Record, Reporter, interruption, pair, say, write_fields};
use super::observables::{self, Meter};
use super::scores::{GridName, Target, TargetOptions};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use stoq::action::{Action, ToyLaw, finite_action};
use stoq::analysis::{effective_sample_size, log_mean_weight, var_log_weight};
use stoq::diffusion::T_END;
use stoq::rng::{MAX_CHAIN, Stream};
use stoq::sampler::{Ending, Generator, GeneratorOptions, LangevinStep, Method};
use stoq::score::Score;
use stoq::{Error, Result};

/// Options of `stoq sample`.
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    target: TargetOptions,
    /// Extents of a system, for example 16,16; of one-site systems the number of independent copies [default: 1]
    #[arg(long, value_delimiter = ',')]
    extent: Vec<usize>,
    /// Samples
    #[arg(long, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(4..))]
    configs: usize,
    /// Noise levels [default: 40 for posterior, 500 for the others]; ode chooses its own steps
    #[arg(long)]
    steps: Option<usize>,
    /// How the backward process is followed
    #[arg(long, value_enum, default_value_t = GeneratorName::Posterior)]
    generator: GeneratorName,
    /// How the noise levels are chosen [default: optimal for posterior, geometric for the others]
    #[arg(long, value_enum)]
    grid: Option<GridName>,
    /// Langevin steps a level, of predictor-corrector [default: 1] and annealed [default: 10]
    #[arg(long)]
    corrections: Option<usize>,
    /// Their size in units of the noise variance Xi(t) [default: 0.3]
    #[arg(long)]
    step_fraction: Option<f64>,
    /// The .npy file (float64); log weights go to a file NAME.log_weights.npy beside it, and how they were made to NAME.json. Or
    /// an .h5 file with all of it (needs the feature hdf5)
    #[arg(short, long)]
    output: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum GeneratorName {
    /// Gaussian steps with the covariance of the posterior; log weights
    Posterior,
    /// Euler-Maruyama steps of the reverse equation; log weights
    EulerMaruyama,
    /// Ancestral sampling of denoising diffusion models; log weights
    Ancestral,
    /// Ancestral steps, each followed by Langevin steps
    PredictorCorrector,
    /// The probability flow
    Ode,
    /// Annealed Langevin dynamics
    Annealed,
}

impl Options {
    fn method(&self) -> Result<Method> {
        let corrected = matches!(self.generator, GeneratorName::PredictorCorrector | GeneratorName::Annealed);
        let expected = "--generator predictor-corrector or annealed beside it";
        if let (false, Some(value)) = (corrected, self.corrections) {
            return Err(Error::invalid("--corrections", value, expected));
        }
        if let (false, Some(value)) = (corrected, self.step_fraction) {
            return Err(Error::invalid("--step-fraction", value, expected));
        }
        let step = LangevinStep::Fraction(self.step_fraction.unwrap_or(0.3));
        Ok(match self.generator {
            GeneratorName::Posterior => Method::Posterior,
            GeneratorName::EulerMaruyama => Method::EulerMaruyama,
            GeneratorName::Ancestral => Method::Ancestral,
            GeneratorName::PredictorCorrector => {
                Method::PredictorCorrector { corrections: self.corrections.unwrap_or(1), step }
            }
            GeneratorName::Ode => Method::ProbabilityFlow { tolerance: 1e-6 },
            GeneratorName::Annealed => Method::Annealed { corrections: self.corrections.unwrap_or(10), step },
        })
    }

    fn levels(&self) -> usize {
        let posterior = matches!(self.generator, GeneratorName::Posterior | GeneratorName::Ode);
        self.steps.unwrap_or(if posterior { 40 } else { 500 })
    }

    fn grid(&self) -> GridName {
        let posterior = self.generator == GeneratorName::Posterior;
        self.grid.unwrap_or(if posterior { GridName::Optimal } else { GridName::Geometric })
    }
}

/// Samples generated together.
const BATCH: usize = 64;

/// Samples with their log weights, if they have any.
struct Samples {
    fields: Vec<f64>,
    log_weights: Option<Vec<f64>>,
    seconds: f64,
}

/// Runs the command.
pub fn run(global: &Global, options: &Options) -> std::result::Result<(), Failure> {
    let start = Instant::now();
    stoq::files_hdf5::require(&options.output)?;
    let target = options.target.resolve(&options.extent)?;
    let lattice = target.score.lattice().clone();
    // A complex action has no real value: its samples have no weight.
    let mut action = match &target.record {
        Some(record) if !record.name.starts_with("complex") => Some(record.build(&lattice)?),
        _ => None,
    };
    let times = options.grid().grid().times(&target.score, options.levels(), T_END, global.seed, global.threads)?;
    let levels = times.len();
    let settings = GeneratorOptions { method: options.method()?, times, ending: Ending::Zero, metropolis_tail: None };
    let generator = Generator::new(target.score.clone(), settings, BATCH, global.threads)?;
    let stop = interruption();
    let samples = generate(global, options, generator, action.as_mut(), (lattice.values(), &stop))?;
    let count = samples.fields.len() / lattice.values();
    let description = describe(global, options, &target, (count, levels))?;
    write_fields(&options.output, &lattice, (&samples.fields, samples.log_weights.as_deref()), &description)?;
    let mut meter = Meter::new(target.record.as_ref(), &lattice)?;
    for field in samples.fields.chunks_exact(lattice.values()) {
        let value = action.as_mut().map(|action| finite_action(&mut **action, field)).transpose()?.flatten();
        meter.measure(field, value)?;
    }
    report(global, options, &target, &samples, &meter, (levels, start))
}

/// Draws all samples, or as many as there were when Ctrl-C came.
fn generate(
    global: &Global,
    options: &Options,
    mut generator: Generator,
    mut action: Option<&mut Box<dyn Action>>,
    (values, stop): (usize, &AtomicBool),
) -> std::result::Result<Samples, Failure> {
    let mut fields = vec![];
    let mut log_weights = (generator.has_log_weight() && action.is_some()).then(Vec::new);
    let mut reporter = Reporter::new(global, options.configs as u64);
    let clock = Instant::now();
    let mut done = 0;
    while done < options.configs && !stop.load(Ordering::SeqCst) {
        let count = BATCH.min(options.configs - done);
        // A chain number of its own: samples never share numbers with a chain of the same seed.
        let streams = (done..done + count).map(|step| Stream::new(global.seed, MAX_CHAIN - 2, step as u64));
        let streams = streams.collect::<Result<Vec<_>>>()?;
        fields.resize((done + count) * values, 0.0);
        let batch = &mut fields[done * values..];
        let mut ratios = vec![0.0; count];
        generator.generate(&streams, batch, log_weights.is_some().then_some(&mut ratios[..]), None)?;
        if let (Some(log_weights), Some(action)) = (&mut log_weights, &mut action) {
            for (field, ratio) in batch.chunks_exact(values).zip(&ratios) {
                // A sample without an action has weight zero.
                log_weights.push(finite_action(&mut ***action, field)?.map_or(f64::NEG_INFINITY, |s| ratio - s));
            }
        }
        done += count;
        reporter.update(done as u64, "samples");
    }
    reporter.finish();
    if done == 0 {
        return Err(Failure::Interrupted);
    }
    Ok(Samples { fields, log_weights, seconds: clock.elapsed().as_secs_f64() / done as f64 })
}

fn parameters(global: &Global, options: &Options, target: &Target, (count, levels): (usize, usize)) -> Value {
    let mut parameters = json!({"target": options.target.target, "score": target.description,
        "configs": count, "generator": format!("{:?}", options.generator), "seed": global.seed,
        "extent": target.score.lattice().extents()});
    if options.generator != GeneratorName::Ode {
        parameters["steps"] = json!(levels);
    }
    if let Some(action) = &target.record {
        parameters["action"] = json!(action);
    }
    parameters
}

/// What the samples are, in the words of `stoq data`, with the SHA-256 of the model file that made them.
fn describe(global: &Global, options: &Options, target: &Target, counts: (usize, usize)) -> Result<Value> {
    let lattice = target.score.lattice();
    let mut description = parameters(global, options, target, counts);
    let extra = json!({
        "format": if lattice.components() == 1 { "float64, C order, shape (configurations, extents)" }
                  else { "float64, C order, shape (configurations, components, extents)" },
        "version": env!("CARGO_PKG_VERSION"),
        "components": lattice.components(),
        "configurations": counts.0,
        "approximate": true,
    });
    for (name, value) in extra.as_object().into_iter().flatten() {
        description[name] = value.clone();
    }
    if let Some(path) = options.target.file() {
        let bytes = std::fs::read(path).map_err(|source| Error::io(path, source))?;
        let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        description["model_sha256"] = json!(hash);
    }
    Ok(description)
}

fn report(
    global: &Global,
    options: &Options,
    target: &Target,
    samples: &Samples,
    meter: &Meter,
    (levels, start): (usize, Instant),
) -> std::result::Result<(), Failure> {
    let mut rows = meter.rows()?;
    // Samples are independent.
    rows.iter_mut().for_each(|row| row.tau_int = None);
    say(global, &format!("{} samples, APPROXIMATE ({}, {levels} levels)", meter.len(), target.description));
    observables::print(global, &rows);
    let mut values = observables::json(&rows);
    let mut record = Record::new("sample", parameters(global, options, target, (meter.len(), levels)));
    if let Some(log_weights) = &samples.log_weights {
        weigh(global, target, log_weights, meter, &mut record, &mut values)?;
    }
    record.set("observables", values.into());
    record.set("approximate", json!(true));
    record.set("seconds", json!({"total": start.elapsed().as_secs_f64(), "per_sample": samples.seconds}));
    Ok(record.write(global)?)
}

/// What the weights say, and the observables with them.
fn weigh(
    global: &Global,
    target: &Target,
    log_weights: &[f64],
    meter: &Meter,
    record: &mut Record,
    values: &mut serde_json::Map<String, Value>,
) -> Result<()> {
    let (ess, log_z) = (effective_sample_size(log_weights)?, log_mean_weight(log_weights)?);
    say(global, &format!("ESS {:.4}({:.4}), log Z {:.5}({:.5})", ess.value, ess.error, log_z.value, log_z.error));
    record.set("ess", pair(&ess));
    let mut partition = pair(&log_z);
    if let Some(exact) = log_partition(target)? {
        partition["exact"] = json!(exact);
        partition["z"] = json!(deviation(log_z.value, log_z.error, exact));
    }
    record.set("log_z", partition);
    // A sample of weight zero has no logarithm.
    if log_weights.iter().all(|w| w.is_finite()) {
        let variance = var_log_weight(log_weights)?;
        say(global, &format!("Var(log w) {:.4}({:.4})", variance.value, variance.error));
        record.set("var_log_w", pair(&variance));
    }
    say(global, "reweighted:");
    for (name, (estimate, exact)) in meter.reweighted(log_weights)? {
        let mut found = pair(&estimate);
        let mut shown = String::new();
        if let Some(exact) = exact {
            let z = deviation(estimate.value, estimate.error, exact);
            found["z"] = json!(z);
            shown = format!("exact {exact:<12.6} z {z:+.2}");
        }
        say(global, format!("{name:<16} {:>14.6} +- {:<12.6} {shown}", estimate.value, estimate.error).trim_end());
        if let Some(value) = values.get_mut(&name) {
            value["reweighted"] = found;
        }
    }
    Ok(())
}

fn deviation(value: f64, error: f64, exact: f64) -> f64 {
    // Below rounding of the sums an error is no error.
    (value - exact) / error.max(1e-12 * (1.0 + exact.abs()))
}

/// ln Z where it is closed: E[w] = Z.
pub fn log_partition(target: &Target) -> Result<Option<f64>> {
    let Some(record) = &target.record else { return Ok(None) };
    let lattice = target.score.lattice();
    Ok(match record.name.as_str() {
        "toy" => {
            let law = ToyLaw::new(record.coupling("mu2")?, record.coupling("g")?)?;
            Some(lattice.sites() as f64 * law.log_partition())
        }
        "two-peak" | "three-peak" => Some(0.0),
        "phi4" if record.coupling("lambda")? == 0.0 => {
            let schedule = stoq::diffusion::Schedule::variance_expanding(25.0)?;
            let score = stoq::score::GaussianScore::free_field(lattice.clone(), schedule, record.coupling("kappa")?)?;
            Some(0.5 * score.covariance().iter().map(|c| (std::f64::consts::TAU * c).ln()).sum::<f64>())
        }
        _ => None,
    })
}
