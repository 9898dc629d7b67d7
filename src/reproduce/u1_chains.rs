//! Two-dimensional U(1) gauge theory through the topological freeze: exact chains up a ladder of couplings, each
//! network trained on what the exact chain with the network of the rung below gives, beside HMC and charge shifts.

use crate::action::ActionRecord;
use crate::analysis::{Estimate, GaugeSeries, GaugeSummary, U1Exact, gamma_method};
use crate::error::Result;
use crate::kernel::hmc::HmcOptions;
use crate::kernel::{Chain, ChainOptions, Composition, Kernel, Outcome};
use crate::lattice::Lattice;
use crate::model::Model;
use crate::score::{NativeScore, Score};
use crate::train::TrainOptions;
use std::sync::Arc;
use std::time::{Duration, Instant};

mod data;
mod tuning;

pub(super) use data::{from_chain, from_hmc, train, train_on};
use tuning::tune_hmc;
pub(super) use tuning::{measure, tune};

/// Integrated autocorrelation times of Q by HMC on 16 x 16, for comparison: another program's, its trajectories of unit length.
pub const REFERENCE_TAU: [(f64, f64); 4] = [(1.0, 1.0), (3.0, 13.0), (5.0, 384.0), (7.0, 6806.0)];

/// How much of everything.
#[derive(Clone, Debug, PartialEq)]
pub struct Effort {
    /// Extent along both axes.
    pub extent: usize,
    /// Couplings, ascending; the first must be one at which HMC moves the charge.
    pub betas: Vec<f64>,
    /// Configurations that train each network, and updates between two of them.
    pub configurations: usize,
    /// See `configurations`.
    pub spacing: usize,
    /// Training.
    pub train: TrainOptions,
    /// Measured updates of HMC, of HMC with charge shifts, and of HMC with renoise.
    pub updates: [usize; 3],
    /// Lengths that HMC is tuned over, with trajectories each.
    pub lengths: Vec<f64>,
    /// See `lengths`.
    pub scan: usize,
    /// Levels and noises of t* that renoise is tuned over, with proposals each.
    pub levels: Vec<usize>,
    /// See `levels`.
    pub noises: Vec<f64>,
    /// See `levels`.
    pub proposals: usize,
    /// Networks that exist already, by coupling: they are not trained again, and fewer configurations are made there.
    pub known: Vec<(f64, Model)>,
    /// Seed of everything.
    pub seed: u64,
}

/// Configurations at a coupling whose network is known: for tuning, and to start from.
const KNOWN_CONFIGURATIONS: usize = 1024;

impl Effort {
    /// What is recorded, or with `quick` a run of under two minutes.
    pub fn new(quick: bool, seed: u64, threads: usize) -> Self {
        let train = TrainOptions { seed, threads, ..TrainOptions::link_angles() };
        let effort = Effort {
            extent: 16,
            betas: vec![1.0, 3.0, 5.0, 7.0, 9.0, 11.0],
            configurations: 8192,
            spacing: 4,
            train: train.clone(),
            updates: [400_000, 100_000, 30_000],
            lengths: vec![0.5, 1.0, 2.0, 3.0, 4.0],
            scan: 40_000,
            levels: vec![6, 8, 12, 20],
            noises: vec![0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8],
            proposals: 300,
            known: vec![],
            seed,
        };
        match quick {
            false => effort,
            true => Effort {
                extent: 8,
                betas: vec![1.0, 3.0],
                configurations: 1024,
                spacing: 2,
                train: TrainOptions { steps: 600, ..train },
                updates: [20_000, 20_000, 6000],
                lengths: vec![1.0, 2.0],
                scan: 2000,
                levels: vec![6],
                noises: vec![0.5, 0.7],
                proposals: 100,
                ..effort
            },
        }
    }

    /// The network that exists at a coupling.
    pub(super) fn known(&self, beta: f64) -> Option<&Model> {
        self.known.iter().find(|(at, _)| *at == beta).map(|(_, model)| model)
    }

    fn configurations_at(&self, beta: f64) -> usize {
        if self.known(beta).is_some() { self.configurations.min(KNOWN_CONFIGURATIONS) } else { self.configurations }
    }

    fn lattice(&self) -> Result<Lattice> {
        Lattice::new(&[self.extent, self.extent])?.with_components(2)
    }
}

/// One chain.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its name in tables.
    pub name: &'static str,
    /// Measured updates; each applies every kernel once.
    pub updates: usize,
    /// Wall time of an update on one thread, without measurements and warm-up.
    pub seconds: f64,
    /// Accepted share of the last kernel.
    pub acceptance: Estimate,
    /// All observables.
    pub summary: GaugeSummary,
    /// Mean of the squared change of Q in an update.
    pub charge_steps: f64,
    /// For histograms: plaquette and charge of at most [`KEPT`] updates, evenly spaced.
    pub plaquettes: Vec<f64>,
    /// See `plaquettes`.
    pub charges: Vec<f64>,
}

/// Updates of which a run keeps plaquette and charge.
const KEPT: usize = 10_000;

impl Run {
    /// tau_int(Q) in updates, as measured where the series is at least a hundred of them long; otherwise from the diffusion
    /// of the charge, 2 <Q^2> / <(dQ)^2>, which is the autocorrelation time of steps of +-1; true: estimated so. Infinite when Q
    /// never moved.
    pub fn tau_charge(&self, charge_squared: f64) -> (f64, bool) {
        let measured = self.summary.charge.tau_int;
        match measured * 100.0 < self.updates as f64 && self.charge_steps > 0.0 {
            true => (measured, false),
            false => (2.0 * charge_squared / self.charge_steps, true),
        }
    }

    /// The observables with exact values: name, estimate, exact value, z.
    pub fn comparisons(&self, exact: &U1Exact) -> Vec<(&'static str, Estimate, f64, f64)> {
        compare(&self.summary, exact, 200.0 / self.updates as f64)
    }
}

/// The observables with exact values, sectors only from probability `least` on: name, estimate, exact value, z.
pub(super) fn compare(summary: &GaugeSummary, exact: &U1Exact, least: f64) -> Vec<(&'static str, Estimate, f64, f64)> {
    let mut rows = vec![("plaquette", summary.plaquette(), exact.plaquette())];
    for (name, side) in [("W2x2", 2), ("W3x3", 3), ("W4x4", 4)] {
        if let Some(estimate) = summary.wilson_loop(side, side) {
            rows.push((name, estimate, exact.wilson_loop(side, side)));
        }
    }
    rows.push(("Q2", summary.charge_squared, exact.charge_squared()));
    for (name, charge) in [("P_Q0", 0), ("P_Q1", 1), ("P_Q2", 2), ("P_Q3", 3)] {
        let probability = exact.charge_probability(charge);
        // A sector of a few visits has no error worth the name.
        if probability > least {
            rows.push((name, summary.sectors[charge as usize], probability));
        }
    }
    rows.into_iter().map(|(name, estimate, exact)| (name, estimate, exact, estimate.z_value(exact))).collect()
}

/// What renoise was tuned to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuned {
    /// Noise of t*.
    pub noise: f64,
    /// Score evaluations up, and as many down.
    pub levels: usize,
    /// Acceptance and mean squared change of Q of an update, from the tuning.
    pub acceptance: f64,
    /// See `acceptance`.
    pub charge_steps: f64,
    /// Standard errors of the two.
    pub errors: [f64; 2],
}

/// Everything at one coupling.
#[derive(Clone, Debug)]
pub struct Rung {
    /// Coupling.
    pub beta: f64,
    /// Exact values.
    pub exact: U1Exact,
    /// Where the training configurations came from.
    pub source: &'static str,
    /// The network.
    pub model: Model,
    /// Wall time of the training.
    pub training: f64,
    /// Renoise.
    pub tuned: Tuned,
    /// HMC as tuned.
    pub hmc: HmcOptions,
    /// HMC, HMC with charge shifts, HMC with renoise.
    pub runs: Vec<Run>,
}

/// Climbs the ladder. `done` gets every rung when it is finished; `say` is told what happens.
///
/// # Errors
/// None that a caller can cause but an impossible effort.
pub fn climb(effort: &Effort, say: &mut dyn FnMut(&str), done: &mut dyn FnMut(&Rung)) -> Result<Vec<Rung>> {
    let mut rungs: Vec<Rung> = vec![];
    for &beta in &effort.betas {
        let rung = step(effort, beta, rungs.last(), say)?;
        done(&rung);
        rungs.push(rung);
    }
    Ok(rungs)
}

fn step(effort: &Effort, beta: f64, below: Option<&Rung>, say: &mut dyn FnMut(&str)) -> Result<Rung> {
    let lattice = effort.lattice()?;
    let exact = U1Exact::new(&lattice, beta)?;
    let (data, source) = match below {
        None => (from_hmc(effort, beta)?, "HMC"),
        Some(rung) => (
            from_chain(effort, beta, (&rung.model, rung.tuned.noise))?,
            "HMC with renoise by the network of the rung below",
        ),
    };
    say(&format!("beta = {beta}: {} configurations by {source}", data.len()));
    let clock = Instant::now();
    let model = match effort.known(beta) {
        Some(model) => model.clone(),
        None => train_on(effort, data.clone(), beta, say)?,
    };
    let training = clock.elapsed().as_secs_f64();
    let score: Arc<dyn Score> = Arc::new(NativeScore::new(model.clone())?);
    let tuned = tune(effort, &score, &data, beta)?;
    let trajectories = tune_hmc(effort, beta, below)?;
    let hmc = Kernel::Hmc(trajectories);
    let renoise = Kernel::Renoise { time: score.schedule().time_of_noise(tuned.noise) };
    let plans: [(&'static str, Vec<Kernel>); 3] = [
        ("HMC", vec![hmc]),
        ("HMC + charge shift", vec![hmc, Kernel::ChargeShift]),
        ("HMC + renoise", vec![hmc, renoise]),
    ];
    let start = data.field(data.held_out().start)?;
    let mut runs = vec![];
    for (index, (name, kernels)) in plans.iter().enumerate() {
        let chain = composition(effort, &score, kernels, tuned.levels, 10 * index as u32)?;
        runs.push(run(name, chain, (&lattice, beta), &start, effort.updates[index])?);
    }
    Ok(Rung { beta, exact, source, model, training, tuned, hmc: trajectories, runs })
}

fn hmc(length: f64) -> Kernel {
    let steps = (5.0 * length).ceil().max(3.0) as usize;
    Kernel::Hmc(HmcOptions { trajectory_length: length, steps, ..HmcOptions::default() })
}

fn composition(
    effort: &Effort,
    score: &Arc<dyn Score>,
    kernels: &[Kernel],
    levels: usize,
    number: u32,
) -> Result<Composition> {
    let part = |(index, &kernel): (usize, &Kernel)| {
        let (seed, chain) = (effort.seed, 100 + number + index as u32);
        let options = ChainOptions { kernel, levels, seed, chain, threads: 1, ..ChainOptions::default() };
        match kernel.needs_score() {
            true => Chain::new(score.clone(), options),
            false => Chain::without_score(score.lattice(), options),
        }
    };
    Composition::new(kernels.iter().enumerate().map(part).collect::<Result<_>>()?)
}

pub(super) fn run(
    name: &'static str,
    mut chain: Composition,
    (lattice, beta): (&Lattice, f64),
    start: &[f64],
    updates: usize,
) -> Result<Run> {
    let mut action = ActionRecord::u1(beta).build(lattice)?;
    let (mut field, mut series) = (start.to_vec(), GaugeSeries::new(lattice)?);
    let (mut accepted, mut spent) = (vec![], Duration::ZERO);
    for update in 0..updates + updates / 20 {
        let clock = Instant::now();
        let outcomes = chain.step(&mut field, &mut *action)?;
        let took = clock.elapsed();
        if update >= updates / 20 {
            spent += took;
            accepted.push(f64::from(u8::from(outcomes.last() == Some(&Outcome::Accepted))));
            series.measure(&field)?;
        }
    }
    let charges = series.charge();
    let steps = charges.windows(2).map(|pair| (pair[1] - pair[0]).powi(2)).sum::<f64>();
    Ok(Run {
        name,
        updates,
        seconds: spent.as_secs_f64() / updates as f64,
        acceptance: gamma_method(&[&accepted])?,
        summary: GaugeSummary::new(&[&series])?,
        charge_steps: steps / (charges.len() - 1) as f64,
        plaquettes: thinned(series.plaquette()),
        charges: thinned(charges),
    })
}

fn thinned(series: &[f64]) -> Vec<f64> {
    series.iter().copied().step_by(series.len().div_ceil(KEPT)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rungs on 4 x 4. 54 z-values against 3.8: false alarm 0.8 per cent, seed fixed.
    #[test]
    fn every_rung_has_the_exact_law() {
        let quick = Effort::new(true, 1, 1);
        let effort = Effort {
            extent: 4,
            betas: vec![1.0, 2.0],
            configurations: 256,
            train: TrainOptions { channels: vec![4], embedding: 8, batch: 16, steps: 100, ..quick.train.clone() },
            updates: [6000, 6000, 3000],
            scan: 500,
            noises: vec![0.6],
            proposals: 40,
            ..quick
        };
        let (mut told, mut seen) = (0, 0);
        let rungs = climb(&effort, &mut |_| told += 1, &mut |_| seen += 1).unwrap();
        assert!(told == 4 && seen == 2 && rungs[1].source != rungs[0].source);
        for rung in &rungs {
            for run in &rung.runs {
                for (name, estimate, exact, z) in run.comparisons(&rung.exact) {
                    assert!(z.abs() < 3.8, "beta {} {} {name}: {estimate:?} {exact}", rung.beta, run.name);
                }
                assert!(run.charge_steps > 0.0 && run.seconds > 0.0);
            }
            let (tau, estimated) = rung.runs[0].tau_charge(rung.exact.charge_squared());
            assert!(!estimated && tau < 20.0, "{tau}");
        }
    }
}
