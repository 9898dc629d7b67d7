//! Score models on the command line: a file, or the exact score of a system that has one.

use super::system::{Couplings, System, lattice};
use clap::{Args, ValueEnum};
use std::path::Path;
use std::sync::Arc;
use stoq::action::ActionRecord;
use stoq::diffusion::Schedule;
use stoq::kernel::Grid;
use stoq::lattice::Lattice;
use stoq::score::onnx_runtime::{Device, OpenOptions, Steps, open};
use stoq::score::{GaussianScore, MixtureScore, Score, ToyScore};
use stoq::{Error, Result};

/// The noise schedule of exact scores; a model file has its own, and a place where it is evaluated.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct ScheduleOptions {
    /// Where ONNX Runtime evaluates a model file: cpu, cuda:0 [default: cpu; stoq itself if it wrote the file]
    #[arg(long)]
    device: Option<Device>,
    /// Who takes the steps between two evaluations there: host, device (a graph around the network), automatic
    #[arg(long)]
    steps_by: Option<Steps>,
    /// Noise schedule of an exact score: variance-expanding, variance-preserving or in between [default: ve]
    #[arg(long)]
    schedule: Option<ScheduleName>,
    /// g(t) = sigma^t of that schedule [default: 25]
    #[arg(long)]
    sigma: Option<f64>,
    /// c of the interpolating schedule, k = c g^2: 0 is ve, 1 is vp [default: 0.5]
    #[arg(long)]
    contraction: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ScheduleName {
    Ve,
    Vp,
    Interpolating,
}

impl ScheduleOptions {
    fn schedule(&self) -> Result<Schedule> {
        let sigma = self.sigma.unwrap_or(25.0);
        match (self.schedule.unwrap_or(ScheduleName::Ve), self.contraction) {
            (ScheduleName::Interpolating, c) => Schedule::interpolating(sigma, c.unwrap_or(0.5)),
            (_, Some(c)) => Err(Error::invalid("--contraction", c, "--schedule interpolating beside it")),
            (ScheduleName::Ve, None) => Schedule::variance_expanding(sigma),
            (ScheduleName::Vp, None) => Schedule::variance_preserving(sigma),
        }
    }

    fn refuse(&self) -> Result<()> {
        let flags = [
            ("--schedule", self.schedule.is_some()),
            ("--sigma", self.sigma.is_some()),
            ("--contraction", self.contraction.is_some()),
        ];
        match flags.into_iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(Error::invalid(flag, "given", "no schedule beside a model file, which has its own")),
            None => Ok(()),
        }
    }
}

/// How the noise levels of a path are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GridName {
    /// Least divergence of the path, as predicted from the errors that the model has measured
    Optimal,
    /// Geometric in the noise
    Geometric,
    /// Equal steps of time
    Linear,
    /// Equal shares of the variance of log w, from a short run
    Pilot,
}

impl GridName {
    /// In the library's words.
    pub fn grid(self) -> Grid {
        match self {
            GridName::Optimal => Grid::Optimal,
            GridName::Geometric => Grid::Geometric,
            GridName::Linear => Grid::Linear,
            GridName::Pilot => Grid::Pilot,
        }
    }
}

/// The exact score of a system, where it is known.
fn exact_score(record: &ActionRecord, lattice: Lattice, schedule: Schedule) -> Result<Option<Arc<dyn Score>>> {
    let of = |name: &str| record.coupling(name);
    Ok(match record.name.as_str() {
        "toy" => Some(Arc::new(ToyScore::new(lattice, schedule, of("mu2")?, of("g")?)?)),
        "two-peak" => Some(Arc::new(MixtureScore::two_peak(lattice, schedule, of("mu0")?, of("sigma0")?)?)),
        "three-peak" => Some(Arc::new(MixtureScore::three_peak(lattice, schedule, of("radius")?, of("sigma0")?)?)),
        "phi4" if of("lambda")? == 0.0 => Some(Arc::new(GaussianScore::free_field(lattice, schedule, of("kappa")?)?)),
        _ => None,
    })
}

/// A score model, and the law that it is a model of.
pub struct Target {
    /// The model.
    pub score: Arc<dyn Score>,
    /// The action, if the model names one.
    pub record: Option<ActionRecord>,
    /// In words.
    pub description: &'static str,
}

/// A model file, of stoq or exported by another program.
pub fn load(path: &Path, options: &ScheduleOptions) -> Result<Target> {
    let (device, steps) = (options.device.unwrap_or_default(), options.steps_by.unwrap_or_default());
    let opened = open(path, &OpenOptions { device, steps, ..OpenOptions::default() })?;
    let description = if opened.native().is_some() { "model file" } else { "exported network" };
    Ok(Target { score: opened.score(), record: opened.action(), description })
}

/// The model at `path` on `lattice`, or without a path the exact score if there is one.
pub fn score_for(
    path: Option<&Path>,
    record: &ActionRecord,
    lattice: &Lattice,
    schedule: &ScheduleOptions,
) -> Result<Option<Target>> {
    let Some(path) = path else {
        let score = exact_score(record, lattice.clone(), schedule.schedule()?)?;
        return Ok(score.map(|score| Target { score, record: Some(record.clone()), description: "exact score" }));
    };
    schedule.refuse()?;
    let target = load(path, schedule)?;
    let (found, components) = (target.score.lattice(), target.score.lattice().components());
    if found.extents() != lattice.extents() {
        return Err(Error::shape("lattice", lattice.extents(), found.extents()));
    }
    if components != lattice.components() {
        return Err(Error::shape("components of the field", lattice.components(), components));
    }
    Ok(Some(target))
}

/// What `stoq sample` and `stoq likelihood` take: a model file, or a system with an exact score.
#[derive(Args, Clone, Debug)]
pub struct TargetOptions {
    /// A model file, or a system with an exact score: toy, two-peak, three-peak, phi4 at lambda = 0
    #[arg(value_name = "MODEL|SYSTEM")]
    pub target: String,
    #[command(flatten)]
    couplings: Couplings,
    #[command(flatten)]
    schedule: ScheduleOptions,
}

impl TargetOptions {
    fn system(&self) -> Option<System> {
        System::from_str(&self.target, false).ok()
    }

    /// The model file, unless it is a system.
    pub fn file(&self) -> Option<&Path> {
        self.system().is_none().then(|| Path::new(&self.target))
    }

    /// Components of the fields, without making the model if that is not needed.
    pub fn components(&self) -> Result<usize> {
        match self.system() {
            Some(system) => self.couplings.record(system)?.components(),
            None => Ok(load(Path::new(&self.target), &self.schedule)?.score.lattice().components()),
        }
    }

    /// The model, on the lattice of `extents` (none: one site, or what the model file says).
    pub fn resolve(&self, extents: &[usize]) -> Result<Target> {
        let Some(system) = self.system() else {
            self.couplings.refuse()?;
            self.schedule.refuse()?;
            let target = load(Path::new(&self.target), &self.schedule)?;
            let found = target.score.lattice().extents();
            if !extents.is_empty() && extents != found {
                return Err(Error::shape("lattice", extents, found));
            }
            return Ok(target);
        };
        let record = self.couplings.record(system)?;
        let lattice = lattice(&record, extents)?;
        let target = score_for(None, &record, &lattice, &self.schedule)?;
        target.ok_or_else(|| {
            let expected = "a system with an exact score (toy, two-peak, three-peak, phi4 at --lambda 0), or a model \
                            file: train one";
            Error::invalid("target", &self.target, expected)
        })
    }
}
