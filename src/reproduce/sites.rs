//! Networks for independent sites: the toys and complex Langevin.

use crate::action::ActionRecord;
use crate::diffusion::Schedule;
use crate::error::{Error, Result};
use crate::lattice::Lattice;
use crate::model::Model;
use crate::rng::Stream;
use crate::sampler::IndependentSampler;
use crate::score::{NativeScore, Score};
use crate::train::{Dataset, Progress, TrainOptions, Trainer};
use std::sync::Arc;

/// Sites of a configuration of the training data.
pub const SITES: usize = 64;

/// `configurations` times [`SITES`] independent draws.
///
/// # Errors
/// As [`Stream::new`].
pub fn draws(sampler: &IndependentSampler, configurations: usize, seed: u64) -> Result<Dataset> {
    let mut field = vec![0.0; sampler.lattice().values()];
    let mut fields = Vec::with_capacity(configurations * field.len());
    for step in 0..configurations {
        sampler.draw(&Stream::new(seed, 0, step as u64)?, &mut field)?;
        fields.extend(field.iter().map(|&x| x as f32));
    }
    Dataset::new(sampler.lattice().clone(), fields)
}

/// The lattice of the training data.
///
/// # Errors
/// As [`Lattice::with_components`].
pub fn lattice(components: usize) -> Result<Lattice> {
    Lattice::new(&[SITES])?.with_components(components)
}

/// Trains a network for independent sites; with `action`, its force lowers the variance of the target.
///
/// # Errors
/// As [`Trainer::new`] and [`Trainer::step`].
pub fn train(
    data: Dataset,
    action: Option<ActionRecord>,
    (steps, seed, threads): (u64, u64, usize),
    mut progress: impl FnMut(Progress),
) -> Result<Model> {
    let options = TrainOptions { steps, seed, threads, ..TrainOptions::independent_sites() };
    let mut trainer = Trainer::new(data, action, options)?;
    while !trainer.is_finished() {
        progress(trainer.step()?);
    }
    trainer.finish()
}

/// The model on `sites` independent copies, in the variance-expanding scheme that it was trained in, or in the
/// variance-preserving one with the same final noise: the network knows the noise relative to the
/// signal, which all schemes share.
///
/// # Errors
/// As [`Model::on_extents`].
pub fn score(model: &Model, sites: usize, preserving: bool) -> Result<Arc<dyn Score>> {
    let mut model = model.on_extents(&[sites])?;
    if preserving {
        let largest = model.metadata().schedule.noise(1.0);
        model.metadata_mut().schedule = variance_preserving_to(largest)?;
    }
    Ok(Arc::new(NativeScore::new(model)?))
}

/// The variance-preserving scheme whose noise relative to the signal ends at `largest`: expm1(u(1)) =
/// `largest`^2.
pub(super) fn variance_preserving_to(largest: f64) -> Result<Schedule> {
    let u = libm::log1p(largest * largest);
    if !(u > 1.001) {
        return Err(Error::invalid("largest noise", largest, "above 1.4: the scheme needs u(1) > 1"));
    }
    Schedule::variance_preserving(Schedule::variance_expanding_to(u.sqrt())?.sigma())
}
