//! The tables of Zhu, Aarts, Wang, Zhou, Wang (arXiv:2502.05504): one network, trained at beta_0 = 1 on 16 x 16, used at other
//! volumes and, with its score times beta / beta_0, at other couplings. The generator as published beside exact chains and
//! the character expansion.

use super::u1_chains::{self, Run, Rung, climb};
use crate::action::ActionRecord;
use crate::analysis::{U1Exact, reweighting_efficiency};
use crate::error::{Error, Result};
use crate::kernel::hmc::HmcOptions;
use crate::kernel::{Chain, ChainOptions, Composition, Kernel};
use crate::model::Model;
use crate::sampler::{GaugeOptions, GaugeSampler};
use crate::score::{NativeScore, Score};
use std::sync::Arc;

mod recipe;

pub use recipe::{Generated, Recipe, generate};

/// Network evaluations a configuration in the publication.
pub const PUBLISHED_EVALUATIONS: usize = 40_000;

/// Coupling of the network.
pub const TRAINED_AT: f64 = 1.0;

/// How much of everything.
#[derive(Clone, Debug, PartialEq)]
pub struct Effort {
    /// The ladder of exact chains; its first coupling is [`TRAINED_AT`], and networks in `known` are not trained again.
    pub ladder: u1_chains::Effort,
    /// Lattice extents of the table of volumes, ascending.
    pub extents: Vec<usize>,
    /// The generator.
    pub recipe: Recipe,
    /// Generated configurations on the lattice of the network; on others as many as have the same number of sites, at least
    /// `fewest` and at most twice as many.
    pub samples: usize,
    /// See `samples`.
    pub fewest: usize,
    /// Measured updates of the exact chains of the table of volumes.
    pub updates: usize,
}

impl Effort {
    /// What is recorded, or with `quick` a run of under two minutes.
    pub fn new(quick: bool, seed: u64, threads: usize) -> Self {
        let ladder = u1_chains::Effort::new(quick, seed, threads);
        let few = u1_chains::Effort { updates: [2000, 2000, ladder.updates[2]], scan: 2000, ..ladder };
        match quick {
            false => Effort {
                ladder: few,
                extents: vec![8, 16, 32, 64],
                recipe: Recipe::default(),
                samples: 1000,
                fewest: 128,
                updates: 8000,
            },
            true => Effort {
                ladder: few,
                extents: vec![4, 8],
                recipe: Recipe { levels: 16, corrections: 10, tail: 150, ..Recipe::default() },
                samples: 400,
                fewest: 64,
                updates: 3000,
            },
        }
    }

    fn samples_on(&self, extent: usize) -> usize {
        let native = self.ladder.extent * self.ladder.extent;
        (self.samples * native / (extent * extent)).clamp(self.fewest, 2 * self.samples)
    }
}

/// One line of a table.
#[derive(Clone, Debug)]
pub struct Point {
    /// Extent along both axes.
    pub extent: usize,
    /// Coupling.
    pub beta: f64,
    /// Exact values.
    pub exact: U1Exact,
    /// The published recipe.
    pub generated: Generated,
    /// HMC with renoise.
    pub chain: Run,
    /// Coupling nearest below at which there is a chain, and the expected effective sample size of its configurations here;
    /// the same from [`TRAINED_AT`].
    pub reweighting: Vec<(f64, f64)>,
}

/// Volumes at [`TRAINED_AT`]: the network as it is on every lattice.
///
/// # Errors
/// What training, generator and chains raise.
pub fn volumes(effort: &Effort, say: &mut dyn FnMut(&str), done: &mut dyn FnMut(&Point)) -> Result<Vec<Point>> {
    let model = base_model(effort, say)?;
    let mut points = vec![];
    for &extent in &effort.extents {
        let score: Arc<dyn Score> = Arc::new(NativeScore::new(model.at(&[extent, extent], None)?)?);
        let generated = generate(&score, TRAINED_AT, &effort.recipe, effort.samples_on(extent), effort.ladder.seed)?;
        let chain = chain_on(effort, &score)?;
        let exact = U1Exact::new(score.lattice(), TRAINED_AT)?;
        points.push(Point { extent, beta: TRAINED_AT, exact, generated, chain, reweighting: vec![] });
        points.last().into_iter().for_each(&mut *done);
    }
    Ok(points)
}

/// Couplings on the lattice of the network: its score times beta / [`TRAINED_AT`], beside the ladder of exact chains.
///
/// # Errors
/// As [`volumes`].
pub fn couplings(effort: &Effort, say: &mut dyn FnMut(&str), done: &mut dyn FnMut(&Point)) -> Result<Vec<Point>> {
    let (ladder, mut points, mut base) = (&effort.ladder, vec![], None);
    let mut failure = None;
    climb(ladder, say, &mut |rung: &Rung| {
        let model = base.get_or_insert_with(|| rung.model.clone());
        let below = points.last().map(|point: &Point| point.beta);
        match coupling(effort, model, rung, below) {
            Ok(point) => {
                done(&point);
                points.push(point);
            }
            Err(error) => failure = Some(error),
        }
    })?;
    failure.map_or(Ok(points), Err)
}

fn coupling(effort: &Effort, model: &Model, rung: &Rung, below: Option<f64>) -> Result<Point> {
    let score: Arc<dyn Score> = Arc::new(NativeScore::new(model.clone())?);
    let extent = effort.ladder.extent;
    let generated = generate(&score, rung.beta, &effort.recipe, effort.samples_on(extent), effort.ladder.seed)?;
    let mut from = vec![];
    for start in below.into_iter().chain((below > Some(TRAINED_AT)).then_some(TRAINED_AT)) {
        from.push((start, reweighting_efficiency(score.lattice(), start, rung.beta)?));
    }
    let chain = rung.runs.last().cloned().ok_or_else(|| Error::Internal("a rung without chains".into()))?;
    Ok(Point { extent, beta: rung.beta, exact: rung.exact.clone(), generated, chain, reweighting: from })
}

/// The network at [`TRAINED_AT`], from the ladder's known ones or trained here.
fn base_model(effort: &Effort, say: &mut dyn FnMut(&str)) -> Result<Model> {
    match effort.ladder.known(TRAINED_AT) {
        Some(model) => Ok(model.clone()),
        None => u1_chains::train(&effort.ladder, TRAINED_AT, say),
    }
}

/// HMC and renoise with the network of `score` on its lattice; both are tuned in warm-up.
fn chain_on(effort: &Effort, score: &Arc<dyn Score>) -> Result<Run> {
    let (lattice, seed) = (score.lattice().clone(), effort.ladder.seed);
    let options = GaugeOptions { charge_shifts: 0, ..GaugeOptions::default() };
    let mut sampler = GaugeSampler::with_options(&lattice, TRAINED_AT, seed, 3, options)?;
    sampler.thermalise(100)?;
    let start = sampler.next_configuration()?.to_vec();
    let mut action = ActionRecord::u1(TRAINED_AT).build(&lattice)?;
    let tuned = |kernel: Kernel, chain: u32| ChainOptions {
        kernel,
        levels: 8,
        seed,
        chain,
        warm_up: true,
        ..ChainOptions::default()
    };
    let mut hmc = Chain::without_score(&lattice, tuned(Kernel::Hmc(HmcOptions::default()), 90))?;
    hmc.warm_up(&mut start.clone(), &mut *action, 200)?;
    let renoise = Kernel::Renoise { time: score.schedule().time_of_noise(0.4) };
    let mut renoise = Chain::new(score.clone(), tuned(renoise, 91))?;
    renoise.warm_up(&mut start.clone(), &mut *action, 300)?;
    let chain = Composition::new(vec![hmc, renoise])?;
    let sites = (score.lattice().sites() / (effort.ladder.extent * effort.ladder.extent)).max(1);
    u1_chains::run("HMC + renoise", chain, (&lattice, TRAINED_AT), &start, (effort.updates / sites).max(500))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::TrainOptions;

    fn effort() -> Effort {
        let quick = Effort::new(true, 1, 1);
        let train =
            TrainOptions { channels: vec![4], embedding: 8, batch: 16, steps: 100, ..quick.ladder.train.clone() };
        let ladder = u1_chains::Effort {
            extent: 4,
            betas: vec![1.0, 2.0],
            configurations: 256,
            train,
            updates: [1000, 1000, 2000],
            scan: 500,
            noises: vec![0.6],
            proposals: 40,
            ..quick.ladder
        };
        let recipe = Recipe { levels: 6, corrections: 4, tail: 60, ..Recipe::default() };
        Effort { ladder, extents: vec![4, 6], recipe, samples: 200, fewest: 64, updates: 2000 }
    }

    /// On 4 x 4 a tail of 60 moves is as good as equilibrium. At most 40 z-values against 4.2 in each table: false alarm 0.1 per
    /// cent, seed fixed. A tail with the drift of another coupling or without the decision is far away (`sampler::generator`).
    #[test]
    fn both_tables_have_the_exact_law_on_small_lattices() {
        let effort = effort();
        let mut seen = vec![];
        let mut note = |point: &Point| {
            let generated = point.generated.comparisons(&point.exact);
            let chain = point.chain.comparisons(&point.exact);
            for (name, estimate, exact, z) in generated.iter().chain(&chain) {
                assert!(z.abs() < 4.2, "{} {} {name}: {estimate:?} {exact}", point.extent, point.beta);
            }
            assert!(generated.len() >= 4 && (0.3..0.95).contains(&point.generated.acceptance), "{:?}", point.generated);
            seen.push((point.extent, point.beta, point.reweighting.len()));
        };
        volumes(&effort, &mut |_| (), &mut note).unwrap();
        couplings(&effort, &mut |_| (), &mut note).unwrap();
        assert_eq!(seen, [(4, 1.0, 0), (6, 1.0, 0), (4, 1.0, 0), (4, 2.0, 1)]);
        assert_eq!(effort.samples_on(4), 200);
        assert_eq!(effort.samples_on(64), 64);
    }
}
