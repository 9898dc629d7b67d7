//! What HMC and renoise are tuned to before they are measured.

use super::{Effort, Rung, Tuned, hmc, run};
use crate::action::{ActionRecord, GaugeLinks, finite_action};
use crate::error::{Error, Result};
use crate::kernel::hmc::HmcOptions;
use crate::kernel::{Chain, ChainOptions, Composition, Kernel};
use crate::score::Score;
use crate::train::Dataset;
use std::sync::Arc;

/// The t* and the levels that change the squared charge most for each score evaluation, on configurations that did not
/// train the network.
pub(super) fn tune(effort: &Effort, score: &Arc<dyn Score>, data: &Dataset, beta: f64) -> Result<Tuned> {
    let links = GaugeLinks::new(score.lattice())?;
    let mut action = ActionRecord::u1(beta).build(score.lattice())?;
    let mut best: Option<(f64, Tuned)> = None;
    for &levels in &effort.levels {
        for &noise in &effort.noises {
            let kernel = Kernel::Renoise { time: score.schedule().time_of_noise(noise) };
            let options = ChainOptions { kernel, levels, seed: effort.seed, chain: 99, ..ChainOptions::default() };
            let mut chain = Chain::new(score.clone(), options)?;
            let (mut acceptance, mut charge_steps) = (0.0, 0.0);
            for proposal in 0..effort.proposals {
                let field = data.field(data.held_out().start + proposal % data.held_out().len())?;
                let before = finite_action(&mut *action, &field)?.unwrap_or(f64::NAN);
                let (proposed, log_hastings) = chain.propose(&field)?;
                let proposed = proposed.to_vec();
                let after = finite_action(&mut *action, &proposed)?.unwrap_or(f64::NAN);
                let weight = libm::exp((log_hastings - after + before).min(0.0)) / effort.proposals as f64;
                let change = links.topological_charge(&proposed)? - links.topological_charge(&field)?;
                acceptance += weight;
                charge_steps += weight * (change * change) as f64;
                chain.resolve(f64::NAN)?;
            }
            // HMC beside it costs about as much as two evaluations.
            let worth = charge_steps / (levels + 1) as f64;
            if best.as_ref().is_none_or(|(most, _)| worth > *most) {
                best = Some((worth, Tuned { noise, levels, acceptance, charge_steps }));
            }
        }
    }
    best.map(|(_, tuned)| tuned).ok_or_else(|| Error::invalid("effort", "no levels or noises", "at least one of each"))
}

/// Changes of the charge that a rate is known by.
const MOVES: f64 = 100.0;

/// HMC of the length at which it moves the charge most for its evaluations, which are the same on every machine; its number of
/// steps is tuned by the acceptance. Where the charge hardly moves, the length of the rung below, with steps of its own.
pub(super) fn tune_hmc(effort: &Effort, beta: f64, below: Option<&Rung>) -> Result<HmcOptions> {
    let lattice = effort.lattice()?;
    let start = vec![0.0; lattice.values()];
    let kept = below.map(|rung| rung.hmc.trajectory_length);
    let mut best = (0.0, HmcOptions::default());
    let mut moved = false;
    for &trajectory_length in &effort.lengths {
        let tuned = ChainOptions { seed: effort.seed, chain: 97, warm_up: true, ..ChainOptions::default() };
        let mut chain = Chain::without_score(&lattice, ChainOptions { kernel: hmc(trajectory_length), ..tuned })?;
        chain.warm_up(&mut start.clone(), &mut *ActionRecord::u1(beta).build(&lattice)?, 400)?;
        let size = chain.move_size().unwrap_or(trajectory_length);
        let steps = (trajectory_length / size * (1.0 - 1e-9)).ceil().max(1.0) as usize;
        let options = HmcOptions { trajectory_length, steps, ..HmcOptions::default() };
        let kernel = Kernel::Hmc(options);
        let chain = ChainOptions { kernel, seed: effort.seed, chain: 98, ..ChainOptions::default() };
        let chain = Composition::new(vec![Chain::without_score(&lattice, chain)?])?;
        let run = run("HMC", chain, (&lattice, beta), &start, effort.scan)?;
        let worth = run.charge_steps / (steps + 2) as f64;
        let enough = run.charge_steps * run.updates as f64 > MOVES;
        if (enough && (worth > best.0 || !moved)) || (!moved && kept == Some(trajectory_length)) {
            best = (worth, options);
        }
        moved |= enough;
    }
    Ok(best.1)
}
