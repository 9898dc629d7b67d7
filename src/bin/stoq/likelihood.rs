//! `stoq likelihood`: log q of configurations by the probability flow, against the action.

use super::common::{Failure, Global, Record, Reporter, interruption, pair, read_fields, say};
use super::scores::TargetOptions;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;
use stoq::action::finite_action;
use stoq::analysis::action_agreement;
use stoq::rng::{MAX_CHAIN, Stream};
use stoq::sampler::{Coordinates, Divergence, Likelihood, LikelihoodOptions};
use stoq::{Error, Result};

/// Options of `stoq likelihood`.
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    target: TargetOptions,
    /// Configurations (.npy or .h5, shape (configurations, extents...), or (configurations, components, extents...))
    data: PathBuf,
    /// At most this many of them, from the first on
    #[arg(long, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(4..))]
    configs: Option<usize>,
    /// The divergence of the flow: exact, or estimated with random probes
    #[arg(long, value_enum, default_value_t = TraceName::Exact)]
    trace: TraceName,
    /// Random probes of hutchinson [default: 10]
    #[arg(long)]
    probes: Option<usize>,
    /// Variables of the integration: the field itself, or scaled so that a free field does not move
    #[arg(long, value_enum, default_value_t = CoordinatesName::Whitened)]
    coordinates: CoordinatesName,
    /// Bound on the local error of the integration
    #[arg(long, default_value_t = 1e-6)]
    tolerance: f64,
    /// Write log q of every configuration to this .npy file
    #[arg(short, long)]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TraceName {
    Exact,
    Hutchinson,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CoordinatesName {
    Plain,
    Whitened,
}

impl Options {
    fn settings(&self) -> Result<LikelihoodOptions> {
        let divergence = match (self.trace, self.probes) {
            (TraceName::Exact, Some(probes)) => {
                return Err(Error::invalid("--probes", probes, "--trace hutchinson beside it"));
            }
            (TraceName::Exact, None) => Divergence::Exact,
            (TraceName::Hutchinson, probes) => Divergence::Hutchinson { probes: probes.unwrap_or(10) },
        };
        let coordinates = match self.coordinates {
            CoordinatesName::Plain => Coordinates::Plain,
            CoordinatesName::Whitened => Coordinates::Whitened,
        };
        Ok(LikelihoodOptions { coordinates, divergence, tolerance: self.tolerance, ..LikelihoodOptions::default() })
    }
}

/// Configurations of one call of the library.
const BATCH: usize = 16;

/// Runs the command.
pub fn run(global: &Global, options: &Options) -> std::result::Result<(), Failure> {
    let start = Instant::now();
    let (lattice, mut fields) = read_fields(&options.data, options.target.components()?)?;
    let target = options.target.resolve(lattice.extents())?;
    let Some(action) = &target.record else {
        let expected = "a model that names a built-in action: log q is compared with it";
        return Err(Error::invalid("action of the model", "none", expected).into());
    };
    let mut action = action.build(&lattice)?;
    let values = lattice.values();
    let count = options.configs.unwrap_or(usize::MAX).min(fields.len() / values);
    fields.truncate(count * values);
    let mut likelihood = Likelihood::new(target.score.clone(), options.settings()?, global.threads)?;
    let stop = interruption();
    let mut reporter = Reporter::new(global, count as u64);
    let (mut log_densities, mut actions, mut evaluations, mut scatter) = (vec![], vec![], 0, 0.0);
    for (batch, fields) in fields.chunks(BATCH * values).enumerate() {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let first = (batch * BATCH) as u64;
        let streams = (first..first + (fields.len() / values) as u64).map(|i| Stream::new(global.seed, MAX_CHAIN, i));
        let found = likelihood.log_densities(&streams.collect::<Result<Vec<_>>>()?, fields)?;
        for (density, field) in found.iter().zip(fields.chunks_exact(values)) {
            log_densities.push(density.value);
            evaluations += density.evaluations;
            scatter += density.error * density.error;
            actions.push(finite_action(&mut *action, field)?.unwrap_or(f64::NAN));
        }
        reporter.update(log_densities.len() as u64, "configurations");
    }
    reporter.finish();
    let agreement = action_agreement(&actions, &log_densities)?;
    if let Some(path) = &options.output {
        stoq::files::write_npy(path, &ndarray::ArrayView1::from(&log_densities[..]))?;
    }
    let done = log_densities.len();
    let evaluations = evaluations as f64 / done as f64;
    say(global, &format!("{done} configurations, {} ({evaluations:.0} evaluations each)", target.description));
    for (name, estimate) in
        [("R^2", agreement.r_squared), ("Pearson r", agreement.pearson), ("Var(S + log q)", agreement.variance)]
    {
        say(global, &format!("{name:<16} {:>14.6} +- {:.6}", estimate.value, estimate.error));
    }
    let mut record = Record::new(
        "likelihood",
        json!({"target": options.target.target, "score": target.description, "action": target.record,
               "data": options.data, "configs": done, "trace": format!("{:?}", options.trace).to_lowercase(),
               "coordinates": format!("{:?}", options.coordinates).to_lowercase(), "tolerance": options.tolerance,
               "seed": global.seed}),
    );
    record.set("r_squared", pair(&agreement.r_squared));
    record.set("pearson", pair(&agreement.pearson));
    record.set("var_s_plus_log_q", pair(&agreement.variance));
    if options.trace == TraceName::Hutchinson {
        let probe_variance = scatter / done as f64;
        say(global, &format!("of the variance the random probes add {probe_variance:.6}"));
        record.set("var_of_probes", json!(probe_variance));
    }
    record.set("evaluations", json!(evaluations));
    let total = start.elapsed().as_secs_f64();
    record.set("seconds", json!({"total": total, "per_configuration": total / done as f64}));
    Ok(record.write(global)?)
}
