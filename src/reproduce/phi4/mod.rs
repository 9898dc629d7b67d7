//! Generation of phi^4 in two dimensions by a diffusion model, as published and exactly corrected, beside an equilibrium
//! reference by HMC and clusters (Wang, Aarts, Zhou, JHEP 05 (2024) 060; Aarts, Habibi, Wang, Zhou, MLST 6 (2025) 025004).

mod ensemble;
mod flow;
mod generated;
mod known;
mod likelihood;
mod quenched;

pub use ensemble::{Ensemble, QUANTITIES, reference, z_value};
pub use flow::{Flow, flow};
pub use generated::{Generated, State, generate};
pub use known::{Published, equilibrium, published};
pub use likelihood::{Scatter, both_ensembles, scatter, weights};
pub use quenched::{Quenched, quenched};

use super::acceptance::{Effort, LAMBDA, Point, data, trainer};
use crate::action::ActionRecord;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::sampler::QuenchOptions;
use crate::score::{NativeScore, Score};
use crate::train::Progress;
use std::path::Path;
use std::sync::Arc;

/// Fewest configurations of the reference on 32 x 32: clusters make them in a minute or two, so that the errors of a
/// comparison are those of the model's configurations.
const REFERENCES: usize = 100_000;

/// How much of everything.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What is trained when there is no model.
    pub point: Point,
    /// The network, its batch, the levels of a path (one number), proposals, seed and threads.
    pub effort: Effort,
    /// Configurations of the equilibrium reference.
    pub references: usize,
    /// Configurations of the quench, and their trajectories.
    pub quenched: (usize, usize),
    /// Configurations and backward paths of the cumulant flow.
    pub flow: (usize, usize),
    /// Generated configurations, and as many of equilibrium, whose density is computed; and whether by the exact divergence.
    pub densities: (usize, bool),
}

impl Plan {
    /// At hopping parameter `kappa`: L = 32 and `proposals` proposals, or with `quick` L = 8 and a run of under two minutes.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn new(kappa: f64, proposals: usize, quick: bool, seed_threads: (u64, usize)) -> Result<Self> {
        let mut effort = Effort::new(quick, seed_threads)?;
        effort.levels = vec![40];
        let small = 4096;
        effort.proposals = if quick { small } else { proposals };
        let (extent, configurations, steps) = if quick { (8, 4096, 1500) } else { (32, 16_384, 5000) };
        let point = Point { extent, kappa, configurations, steps: vec![steps] };
        let (references, quenched) = if quick {
            (4 * small, (1024, 10))
        } else {
            (proposals.max(REFERENCES), (proposals.min(16_384), QuenchOptions::default().trajectories))
        };
        let (flow, densities) = if quick { ((1024, 1024), (32, true)) } else { ((4096, 1024), (128, false)) };
        Ok(Plan { point, effort, references, quenched, flow, densities })
    }
}

/// What is generated from: a model, and the theory that it is one of.
pub struct Subject {
    /// The model.
    pub model: Model,
    /// Its score.
    pub score: Arc<dyn Score>,
    /// The action.
    pub record: ActionRecord,
    /// Extent of the square lattice.
    pub extent: usize,
    /// Hopping parameter and coupling.
    pub couplings: (f64, f64),
    /// Whose model it is, in words.
    pub origin: String,
}

impl Subject {
    /// The model of a file with its own lattice and couplings; without a file, one that is trained here and now as `plan` says.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a model of something else than phi^4 on a square lattice; those of [`Model::load`] and
    /// of the training.
    pub fn new(file: Option<&Path>, plan: &Plan, progress: impl FnMut(Progress)) -> Result<Self> {
        match file {
            Some(path) => Self::of(Model::load(path)?, path.display().to_string()),
            None => {
                let model = train(plan, progress)?;
                let Point { extent, configurations, steps, .. } = &plan.point;
                let steps = steps.last().copied().unwrap_or(0);
                Self::of(
                    model,
                    format!("trained here: {configurations} configurations of {extent} x {extent}, {steps} steps"),
                )
            }
        }
    }

    fn of(model: Model, origin: String) -> Result<Self> {
        let metadata = model.metadata();
        let (extents, action) = (metadata.extents.clone(), metadata.action.clone());
        let expected = "a model of phi4 on a square lattice: stoq data phi4 --extent L,L ..., then stoq train";
        let (Some(record), [extent, other]) = (action.filter(|action| action.name == "phi4"), &extents[..]) else {
            return Err(Error::invalid("--model", &origin, expected));
        };
        if extent != other {
            return Err(Error::invalid("--model", format!("{origin}, extents {extents:?}"), expected));
        }
        let couplings = (record.coupling("kappa")?, record.coupling("lambda")?);
        let score = Arc::new(NativeScore::new(model.clone())?);
        Ok(Subject { score, record, extent: *extent, couplings, origin, model })
    }
}

fn train(plan: &Plan, mut progress: impl FnMut(Progress)) -> Result<Model> {
    let mut training = trainer(&plan.point, &plan.effort, data(&plan.point, plan.effort.seed)?)?;
    while !training.is_finished() {
        progress(training.step()?);
    }
    training.finish()
}

/// Tables of other hopping parameters than these have no published column.
pub fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

/// The coupling of all published numbers.
pub const PUBLISHED_LAMBDA: f64 = LAMBDA;
