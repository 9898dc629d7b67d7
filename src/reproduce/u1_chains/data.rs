//! Configurations that train the networks of the ladder, and the training.

use super::{Effort, composition, hmc};
use crate::action::ActionRecord;
use crate::analysis::U1Exact;
use crate::error::Result;
use crate::kernel::Kernel;
use crate::model::Model;
use crate::sampler::{GaugeOptions, GaugeSampler};
use crate::score::{NativeScore, PlaquetteMoments, Score};
use crate::train::{Dataset, Trainer};
use std::sync::Arc;
use std::time::Instant;

/// Configurations where HMC needs no help; no charge shifts.
pub(in crate::reproduce) fn from_hmc(effort: &Effort, beta: f64) -> Result<Dataset> {
    let lattice = effort.lattice()?;
    let options = GaugeOptions { charge_shifts: 0, ..GaugeOptions::default() };
    let mut sampler = GaugeSampler::with_options(&lattice, beta, effort.seed, 0, options)?;
    sampler.thermalise(200)?;
    let configurations = effort.configurations_at(beta);
    let mut fields = Vec::with_capacity(configurations * lattice.values());
    for _ in 0..configurations {
        fields.extend(sampler.next_configuration()?.iter().map(|&angle| angle as f32));
    }
    Dataset::new(lattice, fields)
}

/// Configurations of the exact chain at `beta` that uses a network of another coupling with the plaquette moments that are exact at
/// `beta`; t* is at the noise beside it.
///
/// # Errors
/// Those of [`Model::with_plaquettes`] and of the chain.
pub(in crate::reproduce) fn from_chain(effort: &Effort, beta: f64, (model, noise): (&Model, f64)) -> Result<Dataset> {
    let lattice = effort.lattice()?;
    let exact = U1Exact::new(&lattice, beta)?;
    let moments = PlaquetteMoments { cosine: exact.plaquette(), sine_square: exact.plaquette() / beta };
    let model = model.with_plaquettes(moments, ActionRecord::u1(beta))?;
    let score: Arc<dyn Score> = Arc::new(NativeScore::new(model)?);
    let levels = effort.levels.iter().copied().max().unwrap_or(10);
    let renoise = Kernel::Renoise { time: score.schedule().time_of_noise(noise) };
    let mut chain = composition(effort, &score, &[hmc(1.0), renoise], levels, 50)?;
    let mut action = ActionRecord::u1(beta).build(&lattice)?;
    let mut field = vec![0.0; lattice.values()];
    let configurations = effort.configurations_at(beta);
    let mut fields = Vec::with_capacity(configurations * lattice.values());
    for update in 0..100 + configurations * effort.spacing {
        chain.step(&mut field, &mut *action)?;
        if update >= 100 && (update - 100) % effort.spacing == 0 {
            fields.extend(field.iter().map(|&angle| crate::action::reduce(angle) as f32));
        }
    }
    Dataset::new(lattice, fields)
}

/// The network of the first rung.
pub(in crate::reproduce) fn train(effort: &Effort, beta: f64, say: &mut dyn FnMut(&str)) -> Result<Model> {
    train_on(effort, from_hmc(effort, beta)?, beta, say)
}

pub(in crate::reproduce) fn train_on(
    effort: &Effort,
    data: Dataset,
    beta: f64,
    say: &mut dyn FnMut(&str),
) -> Result<Model> {
    let clock = Instant::now();
    let mut trainer = Trainer::new(data, Some(ActionRecord::u1(beta)), effort.train.clone())?;
    while !trainer.is_finished() {
        trainer.step()?;
    }
    let model = trainer.finish()?;
    let (seconds, loss) = (clock.elapsed().as_secs_f64(), trainer.progress().loss);
    say(&format!("beta = {beta}: trained in {seconds:.0} s, loss {loss:.4}"));
    Ok(model)
}
