//! Networks for the same exact chain of U(1) gauge theory: one for every coupling, one for all of them, and the published form,
//! a plain U-Net on the angles.

use super::published::{self, Contender, native_for};
use super::u1_chains::{self, Tuned, from_chain, from_hmc, measure, train_on, tune};
use crate::action::ActionRecord;
use crate::error::{Error, Result};
use crate::lattice::Lattice;
use crate::model::Model;
use crate::sampler::GaugeSampler;
use crate::score::{NativeScore, Score};
use crate::train::{Dataset, TrainOptions, Trainer, TrainingSet};
use std::sync::Arc;
use std::time::Instant;

/// How much of everything.
#[derive(Clone, Debug, PartialEq)]
pub struct Effort {
    /// The ladder; of its `known` networks those of a coupling of their own are taken.
    pub ladder: u1_chains::Effort,
    /// Steps of the last training of the network for all couplings; those before take as many as a network of one coupling.
    pub last: u64,
    /// Proposals that compare networks.
    pub proposals: usize,
    /// Couplings at which the published form is trained, and the seconds of each training.
    pub couplings: Vec<f64>,
    /// See `couplings`.
    pub seconds: f64,
}

impl Effort {
    /// What is recorded, or with `quick` a run of under two minutes.
    pub fn new(quick: bool, seed: u64, threads: usize) -> Self {
        let ladder = u1_chains::Effort::new(quick, seed, threads);
        match quick {
            false => {
                let ladder = u1_chains::Effort { configurations: 4096, ..ladder };
                Effort { ladder, last: 12_000, proposals: 1500, couplings: vec![1.0, 5.0], seconds: 120.0 }
            }
            true => {
                let train = TrainOptions { steps: 300, ..ladder.train };
                let ladder = u1_chains::Effort { configurations: 512, train, ..ladder };
                Effort { ladder, last: 600, proposals: 200, couplings: vec![1.0], seconds: 8.0 }
            }
        }
    }
}

/// One network at one coupling.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Coupling.
    pub beta: f64,
    /// Which network.
    pub network: &'static str,
    /// Its weights.
    pub weights: usize,
    /// Optimiser steps, and seconds of training: of one network for all couplings those of the last training.
    pub steps: u64,
    /// See `steps`.
    pub seconds: f64,
    /// Renoise with it on held-out configurations.
    pub renoise: Tuned,
}

/// Climbs the ladder with one network that sees beta and is trained again at every rung, on all couplings so far: data at a
/// coupling come from the exact chain that uses the network of the rung below, taken to that coupling. The finished network,
/// and at every coupling it and a network of that coupling alone, with the t* and levels to which the latter is tuned.
///
/// # Errors
/// What training and chains raise.
pub fn conditioned(effort: &Effort, say: &mut dyn FnMut(&str)) -> Result<(Model, Vec<Comparison>)> {
    let ladder = u1_chains::Effort { known: vec![], ..effort.ladder.clone() };
    let (mut sets, mut separate, mut together): (Vec<TrainingSet>, Vec<Comparison>, Option<Model>) =
        (vec![], vec![], None);
    let mut last_seconds = 0.0;
    for (index, &beta) in ladder.betas.iter().enumerate() {
        let data = match (&together, separate.last()) {
            (Some(model), Some(below)) => {
                let at = model.at(&model.metadata().extents.clone(), Some(&ActionRecord::u1(below.beta)))?;
                from_chain(&ladder, beta, (&at.frozen_at_couplings()?, below.renoise.noise))?
            }
            _ => from_hmc(&ladder, beta)?,
        };
        say(&format!("beta = {beta}: {} configurations", data.len()));
        let clock = Instant::now();
        let own = match effort.ladder.known(beta) {
            Some(model) => model.clone(),
            None => train_on(&ladder, data.clone(), beta, say)?,
        };
        let seconds = clock.elapsed().as_secs_f64();
        let score: Arc<dyn Score> = Arc::new(NativeScore::new(own.clone())?);
        let tuned = tune(&ladder, &score, &data, beta)?;
        let place = (tuned.noise, tuned.levels);
        let renoise = measure((effort.proposals, ladder.seed), &score, &data, beta, place)?;
        let (weights, steps) = (own.parameters().len(), own.metadata().training.steps);
        separate.push(Comparison { beta, network: "one coupling", weights, steps, seconds, renoise });
        sets.push(TrainingSet { data, action: Some(ActionRecord::u1(beta)) });
        if sets.len() == 1 {
            together = Some(own);
            continue;
        }
        let steps = if index + 1 == ladder.betas.len() { effort.last } else { ladder.train.steps };
        let clock = Instant::now();
        together = Some(train_together(&ladder, &sets, steps)?);
        last_seconds = clock.elapsed().as_secs_f64();
        say(&format!("one network for {} couplings: {steps} steps in {last_seconds:.0} s", sets.len()));
    }
    let model = together.ok_or_else(|| Error::invalid("couplings of the ladder", 0, "at least one"))?;
    let mut compared = vec![];
    for (own, set) in separate.into_iter().zip(&sets) {
        let at = model.at(set.data.lattice().extents(), set.action.as_ref())?;
        let (weights, steps) = (at.parameters().len(), at.metadata().training.steps);
        let score: Arc<dyn Score> = Arc::new(NativeScore::new(at)?);
        let place = (own.renoise.noise, own.renoise.levels);
        let renoise = measure((effort.proposals, ladder.seed), &score, &set.data, own.beta, place)?;
        let all =
            Comparison { network: "all couplings", weights, steps, seconds: last_seconds, renoise, ..own.clone() };
        compared.extend([own, all]);
    }
    Ok((model, compared))
}

fn train_together(ladder: &u1_chains::Effort, sets: &[TrainingSet], steps: u64) -> Result<Model> {
    let options = TrainOptions { conditions: vec!["beta".into()], steps, ..ladder.train.clone() };
    let mut trainer = Trainer::with_sets(sets.to_vec(), options)?;
    while !trainer.is_finished() {
        trainer.step()?;
    }
    trainer.finish()
}

/// The published form beside ours at equal time of training, each with its own best t* and levels.
///
/// # Errors
/// What training and chains raise.
pub fn published_form(effort: &Effort, say: &mut dyn FnMut(&str)) -> Result<Vec<Comparison>> {
    let ladder = &effort.ladder;
    let mut found = vec![];
    for &beta in &effort.couplings {
        let data = equilibrium(ladder, beta)?;
        let ours = native_for((data.clone(), ActionRecord::u1(beta)), ladder.train.clone(), effort.seconds, |_, _| ())?;
        let times = published::Effort { seconds: effort.seconds, ..published::Effort::new(true, ladder.seed) };
        let theirs = published::published(&data, &times, |_, _| ())?;
        for (network, contender) in [("on plaquettes", ours), ("U-Net on angles", theirs)] {
            let Contender { score, weights, steps, seconds, .. } = contender;
            say(&format!("beta = {beta}, {network}: {steps} steps in {seconds:.0} s"));
            // The U-Net has some two hundred times the multiply-adds: fewer proposals tune it.
            let proposals = if network == "on plaquettes" { ladder.proposals } else { ladder.proposals / 10 };
            let scan = u1_chains::Effort { proposals, levels: vec![8], ..ladder.clone() };
            let tuned = tune(&scan, &score, &data, beta)?;
            let proposals = proposals * effort.proposals / ladder.proposals;
            let renoise = measure((proposals, ladder.seed), &score, &data, beta, (tuned.noise, tuned.levels))?;
            found.push(Comparison { beta, network, weights, steps, seconds, renoise });
        }
    }
    Ok(found)
}

/// Configurations in equilibrium by HMC and charge shifts.
fn equilibrium(ladder: &u1_chains::Effort, beta: f64) -> Result<Dataset> {
    let lattice = Lattice::new(&[ladder.extent, ladder.extent])?.with_components(2)?;
    let mut sampler = GaugeSampler::new(&lattice, beta, ladder.seed, 7)?;
    sampler.thermalise(200)?;
    let mut fields = Vec::with_capacity(ladder.configurations * lattice.values());
    for _ in 0..ladder.configurations {
        fields.extend(sampler.next_configuration()?.iter().map(|&angle| angle as f32));
    }
    Dataset::new(lattice, fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every piece runs, and the comparisons make sense: on 8 x 8 renoise with one network for two couplings is accepted and moves
    /// the charge, and so is that of a U-Net of few steps where t* is small.
    #[test]
    fn networks_are_compared_on_small_lattices() {
        let quick = Effort::new(true, 1, 1);
        let train =
            TrainOptions { channels: vec![4], embedding: 8, batch: 16, steps: 60, ..quick.ladder.train.clone() };
        let ladder = u1_chains::Effort {
            betas: vec![1.0, 2.0],
            configurations: 128,
            train,
            noises: vec![0.3, 0.5],
            proposals: 20,
            ..quick.ladder
        };
        let effort = Effort { ladder, last: 100, proposals: 60, seconds: 0.5, ..quick };
        let mut told = 0;
        let (model, compared) = conditioned(&effort, &mut |_| told += 1).unwrap();
        assert_eq!(model.metadata().conditions.len(), 1);
        let names: Vec<_> = compared.iter().map(|row| (row.beta, row.network)).collect();
        assert_eq!(names[1..3], [(1.0, "all couplings"), (2.0, "one coupling")]);
        for row in &compared {
            assert!(row.renoise.acceptance > 0.05 && row.renoise.errors[0] > 0.0, "{row:?}");
        }
        let forms = published_form(&effort, &mut |_| told += 1).unwrap();
        assert!(forms.len() == 2 && forms[1].weights > 1_000_000 && told > 5);
        assert!(forms.iter().all(|row| (0.0..=1.0).contains(&row.renoise.acceptance)), "{forms:?}");
        assert!(forms[0].renoise.acceptance > 0.05);
    }
}
