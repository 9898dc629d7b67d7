//! What HMC and renoise are tuned to before they are measured.

use super::{Effort, Rung, Tuned, hmc, run};
use crate::action::ActionRecord;
use crate::error::{Error, Result};
use crate::kernel::hmc::HmcOptions;
use crate::kernel::{Chain, ChainOptions, Composition, Kernel};
use crate::report::renoise_quality;
use crate::score::Score;
use crate::train::Dataset;
use std::sync::Arc;

/// The t* and the levels that change the squared charge most for each score evaluation, on configurations that did not
/// train the network.
pub(in crate::reproduce) fn tune(effort: &Effort, score: &Arc<dyn Score>, data: &Dataset, beta: f64) -> Result<Tuned> {
    let mut best: Option<(f64, Tuned)> = None;
    for &levels in &effort.levels {
        for &noise in &effort.noises {
            let tuned = measure((effort.proposals, effort.seed), score, data, beta, (noise, levels))?;
            // HMC beside it costs about as much as two evaluations.
            let worth = tuned.charge_steps / (levels + 1) as f64;
            if best.as_ref().is_none_or(|(most, _)| worth > *most) {
                best = Some((worth, tuned));
            }
        }
    }
    best.map(|(_, tuned)| tuned).ok_or_else(|| Error::invalid("effort", "no levels or noises", "at least one of each"))
}

/// Mean acceptance and accepted squared change of Q of renoise with t* at a noise, over proposals from the held-out
/// configurations.
pub(in crate::reproduce) fn measure(
    (proposals, seed): (usize, u64),
    score: &Arc<dyn Score>,
    data: &Dataset,
    beta: f64,
    (noise, levels): (f64, usize),
) -> Result<Tuned> {
    let held_out = data.held_out();
    let mut field = |index: usize| data.field(held_out.start + index % held_out.len());
    let found = renoise_quality(score, &ActionRecord::u1(beta), (noise, levels), (proposals, seed), &mut field)?;
    Ok(Tuned {
        noise,
        levels,
        acceptance: found.acceptance.value,
        charge_steps: found.charge_steps.value,
        errors: [found.acceptance.error, found.charge_steps.error],
    })
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
