//! `stoq selftest`: is the force the derivative of the action, do the kernels obey detailed balance?

use super::common::{Failure, Global, Record, interruption, say};
use super::data::independent;
use super::sample::log_partition;
use super::scores::{ScheduleOptions, Target, load};
use super::system::{Couplings, System, lattice};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use stoq::action::{ActionRecord, GaugeLinks};
use stoq::analysis::selftest::{Check, Measure, SelftestOptions, Subject, selftest};
use stoq::diffusion::Schedule;
use stoq::lattice::Lattice;
use stoq::rng::Stream;
use stoq::sampler::{EquilibriumOptions, EquilibriumSampler, GaugeOptions, GaugeSampler};
use stoq::score::{GaussianScore, MixtureScore, Score, ToyScore};
use stoq::{Error, Result};

/// Options of `stoq selftest`.
#[derive(Args)]
pub struct Options {
    /// Systems at their usual couplings [default: toy two-peak three-peak phi4 u1]
    systems: Vec<System>,
    /// A model file instead, with the action and the lattice that it names
    #[arg(long, conflicts_with = "systems")]
    model: Option<PathBuf>,
    /// Fields drawn from exp(-S)/Z for the statistical checks
    #[arg(long, default_value_t = 2000)]
    configs: usize,
    /// Score evaluations of a path
    #[arg(long, default_value_t = 8)]
    levels: usize,
}

/// A system with a score model, if there is one. That of the built-in systems is off on purpose: with an exact one the
/// ratios that are tested would all be 1.
struct Case {
    name: String,
    record: ActionRecord,
    lattice: Lattice,
    target: Option<Target>,
}

fn cases(options: &Options) -> Result<Vec<Case>> {
    if let Some(path) = &options.model {
        let target = load(path, &ScheduleOptions::default())?;
        let Some(record) = target.record.clone() else {
            let expected = "a model that names a built-in action";
            return Err(Error::invalid("action of the model", "none", expected));
        };
        let (name, lattice) = (format!("{} ({})", path.display(), record.name), target.score.lattice().clone());
        return Ok(vec![Case { name, record, lattice, target: Some(target) }]);
    }
    let all = [System::Toy, System::TwoPeak, System::ThreePeak, System::Phi4, System::U1];
    let systems = if options.systems.is_empty() { &all[..] } else { &options.systems };
    let mut cases = vec![];
    for &system in systems {
        if system == System::Phi4 {
            cases.push(case("phi4, kappa 0.2, lambda 0", ActionRecord::phi4(0.2, 0.0))?);
            cases.push(case("phi4, kappa 0.21, lambda 0.022", ActionRecord::phi4(0.21, 0.022))?);
        } else if system == System::U1 {
            cases.push(case("u1, beta 2", ActionRecord::u1(2.0))?);
        } else {
            cases.push(case(system.name(), Couplings::default().record(system)?)?);
        }
    }
    Ok(cases)
}

/// A built-in system with a score model some tens of per cent beside it; of link angles without.
fn case(name: &str, record: ActionRecord) -> Result<Case> {
    let extents: &[usize] = if matches!(record.name.as_str(), "phi4" | "u1") { &[4, 4] } else { &[] };
    let (lattice, schedule) = (lattice(&record, extents)?, Schedule::variance_expanding(25.0)?);
    let of = |name: &str| record.coupling(name);
    let score: Arc<dyn Score> = match record.name.as_str() {
        "toy" => Arc::new(ToyScore::new(lattice.clone(), schedule, 0.85 * of("mu2")?, 0.75 * of("g")?)?),
        "two-peak" => {
            Arc::new(MixtureScore::two_peak(lattice.clone(), schedule, 0.9 * of("mu0")?, 1.2 * of("sigma0")?)?)
        }
        "three-peak" => {
            Arc::new(MixtureScore::three_peak(lattice.clone(), schedule, 0.9 * of("radius")?, 1.2 * of("sigma0")?)?)
        }
        "u1" => return Ok(Case { name: name.into(), record, lattice, target: None }),
        "phi4" => Arc::new(GaussianScore::free_field(lattice.clone(), schedule, 0.85 * of("kappa")?)?),
        // Of a complex action this says why there is nothing to test.
        other => {
            record.build(&lattice)?;
            return Err(Error::invalid("system", other, "toy, two-peak, three-peak, phi4 or u1"));
        }
    };
    let target = Target { score, record: Some(record.clone()), description: "score of other couplings" };
    Ok(Case { name: name.into(), record, lattice, target: Some(target) })
}

/// Runs the command.
pub fn run(global: &Global, options: &Options) -> std::result::Result<(), Failure> {
    let start = Instant::now();
    let stop = interruption();
    let mut results: Vec<(String, Vec<Check>)> = vec![];
    for case in cases(options)? {
        if stop.load(Ordering::SeqCst) {
            return Err(Failure::Interrupted);
        }
        let checks = check(global, options, &case)?;
        say(global, &format!("\n{}", case.name));
        checks.iter().for_each(|check| print(global, check));
        results.push((case.name, checks));
    }
    let failed: Vec<String> = results
        .iter()
        .flat_map(|(name, checks)| checks.iter().filter(|c| !c.passed()).map(move |c| format!("{name}: {}", c.name)))
        .collect();
    let count: usize = results.iter().map(|(_, checks)| checks.len()).sum();
    let verdict = if failed.is_empty() { "pass" } else { "fail" };
    say(global, &format!("\n{count} checks: {verdict} (a sound kernel exceeds |z| = 5 once in 10^6 comparisons)"));
    let mut record = Record::new(
        "selftest",
        json!({"systems": results.iter().map(|(name, _)| name).collect::<Vec<_>>(), "model": options.model,
               "configs": options.configs, "levels": options.levels, "seed": global.seed}),
    );
    let systems: serde_json::Map<String, Value> =
        results.iter().map(|(name, checks)| (name.clone(), checks.iter().map(json_of).collect())).collect();
    record.set("checks", systems.into());
    record.set("seconds", json!({"total": start.elapsed().as_secs_f64()}));
    record.set("verdict", json!(verdict));
    record.write(global)?;
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Failure::Check(format!("failed: {}", failed.join("; ")))),
    }
}

/// Writes the next field of exp(-S)/Z.
type Equilibrium = dyn FnMut(&mut [f64]) -> Result<()>;

fn check(global: &Global, options: &Options, case: &Case) -> Result<Vec<Check>> {
    let lattice = &case.lattice;
    let mut action = case.record.build(lattice)?;
    let settings = SelftestOptions {
        configurations: options.configs,
        levels: options.levels,
        seed: global.seed,
        threads: global.threads,
    };
    // Fields of exp(-S)/Z that none of the kernels under test has made.
    let is_gauge = case.record.name == "u1";
    let mut equilibrium: Box<Equilibrium> = if case.record.name == "phi4" {
        let (kappa, lambda) = (case.record.coupling("kappa")?, case.record.coupling("lambda")?);
        let sampling = EquilibriumOptions { sweeps: 2, ..EquilibriumOptions::default() };
        let mut sampler = EquilibriumSampler::with_options(lattice, kappa, lambda, global.seed, 0, sampling)?;
        sampler.thermalise(200)?;
        Box::new(move |field| {
            field.copy_from_slice(sampler.next_configuration()?);
            Ok(())
        })
    } else if is_gauge {
        let sampling = GaugeOptions { sweeps: 2, ..GaugeOptions::default() };
        let beta = case.record.coupling("beta")?;
        let mut sampler = GaugeSampler::with_options(lattice, beta, global.seed, 0, sampling)?;
        sampler.thermalise(200)?;
        Box::new(move |field| {
            field.copy_from_slice(sampler.next_configuration()?);
            Ok(())
        })
    } else {
        let (sampler, seed, mut step) = (independent(&case.record, lattice)?, global.seed, 0);
        Box::new(move |field| {
            step += 1;
            sampler.draw(&Stream::new(seed, 0, step)?, field)
        })
    };
    let mut subject = Subject {
        lattice,
        action: &mut *action,
        equilibrium: &mut *equilibrium,
        score: case.target.as_ref().map(|target| target.score.clone()),
        even: case.record.is_even()?,
        log_partition: case.target.as_ref().map(log_partition).transpose()?.flatten(),
        links: if is_gauge { Some(GaugeLinks::new(lattice)?) } else { None },
    };
    selftest(&mut subject, &settings)
}

fn print(global: &Global, check: &Check) {
    let value = match check.measure {
        Measure::Z => format!("z     {:+.2}", check.value),
        Measure::Error => format!("error {:.1e}", check.value),
        Measure::Violations => format!("violations {:.0}", check.value),
    };
    let verdict = match (check.passed(), check.bound.is_finite()) {
        (true, true) => "pass",
        (true, false) => "not required",
        (false, _) => "FAIL",
    };
    say(global, &format!("  {:<48} {value:<16} {verdict}", check.name));
}

fn json_of(check: &Check) -> Value {
    let key = match check.measure {
        Measure::Z => "z",
        Measure::Error => "error",
        Measure::Violations => "violations",
    };
    let mut value = json!({"name": check.name, "passed": check.passed()});
    // What nothing is required of has no bound.
    if check.bound.is_finite() {
        value["bound"] = json!(check.bound);
    }
    value[key] = json!(check.value);
    value
}
