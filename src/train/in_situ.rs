//! Training while a chain runs: configurations come one after the other, and training goes on in between.

use super::checkpoint::{Reader, Writer, damaged};
use super::options::TrainOptions;
use super::point::TrainingSet;
use super::{Dataset, Trainer, range};
use crate::action::ActionRecord;
use crate::diffusion::Schedule;
use crate::error::{Error, Result, require_length};
use crate::lattice::Lattice;
use crate::model::Model;
use crate::nn::UNet;

const MAGIC: &[u8; 8] = b"STOQSITU";
const VERSION: u32 = 1;

/// A training whose data grow.
///
/// [`InSitu::push`] adds a configuration of the host's chain, [`InSitu::fit`] trains on all that are there. Between two
/// fits with new configurations the weights and the state of the optimiser carry over, and what the data say directly
/// (covariance, law of the zero mode, scales) is measured anew. The range of noise never shrinks: the forward
/// process stays the first one unless the data have become wider, so that a network keeps what it knows.
///
/// The split is that of [`Dataset`] over all configurations so far. The held-out part is the latest tenth, and so no
/// configuration that measures the finished model has trained it, at any time before.
///
/// The same calls in the same order give the same bits, for any number of threads.
pub struct InSitu {
    lattice: Lattice,
    action: Option<ActionRecord>,
    options: TrainOptions,
    /// All configurations, one after the other, components slowest within each.
    fields: Vec<f32>,
    trainer: Option<Trainer>,
    /// Configurations that the trainer knows.
    joined: usize,
}

impl InSitu {
    /// A training without configurations. With `action`, its force lowers the variance of the target.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for options out of range, a network that does not fit the lattice, or an action
    /// that is unknown or not for such fields; [`Error::OutOfMemory`].
    pub fn new(lattice: Lattice, action: Option<ActionRecord>, options: TrainOptions) -> Result<Self> {
        range::check_options(&options)?;
        if let Some(action) = &action {
            action.build(&lattice)?;
        }
        let told = range::told_at(&lattice, action.as_ref(), &options)?;
        let network = UNet::new(&range::shape(lattice.components(), told, &options), &lattice)?;
        // Weights, averages and moments, and the gradient of each part of a batch: what `Trainer::memory` counts.
        let (numbers, purpose) = (network.layout().total().saturating_mul(15), "the weights of a training");
        let bytes = numbers.saturating_mul(size_of::<f32>());
        Vec::<f32>::new().try_reserve_exact(numbers).map_err(|_| Error::OutOfMemory { bytes, purpose })?;
        Ok(InSitu { lattice, action, options, fields: vec![], trainer: None, joined: 0 })
    }

    /// The lattice of the configurations.
    pub fn lattice(&self) -> &Lattice {
        &self.lattice
    }

    /// Options, as given to [`InSitu::new`].
    pub fn options(&self) -> &TrainOptions {
        &self.options
    }

    /// Configurations pushed so far.
    pub fn configurations(&self) -> usize {
        self.fields.len() / self.lattice.values()
    }

    /// The training under way, from the first [`InSitu::fit`] on.
    pub fn trainer(&self) -> Option<&Trainer> {
        self.trainer.as_ref()
    }

    /// Adds a configuration, rounded to single precision. It takes part from the next [`InSitu::fit`] on. Push
    /// configurations in the order of the chain, after it has thermalised.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`]; [`Error::NotFinite`] naming the site, also for what single precision cannot
    /// hold; [`Error::OutOfMemory`]. Nothing has then changed.
    pub fn push(&mut self, field: &[f64]) -> Result<()> {
        require_length("field", field.len(), self.lattice.values())?;
        if let Some(index) = field.iter().position(|&value| !(value as f32).is_finite()) {
            let (sites, value) = (self.lattice.sites(), field[index]);
            let mut what = format!("field at site {:?}", self.lattice.coordinates(index % sites));
            if self.lattice.components() > 1 {
                what += &format!(", component {},", index / sites);
            }
            return Err(Error::NotFinite { what, index, value });
        }
        let bytes = size_of_val(&self.fields[..]) + field.len() * size_of::<f32>();
        let purpose = "the configurations of a training";
        self.fields.try_reserve(field.len()).map_err(|_| Error::OutOfMemory { bytes, purpose })?;
        self.fields.extend(field.iter().map(|&value| value as f32));
        Ok(())
    }

    /// Takes up to `steps` steps on all configurations so far, fewer when the training finishes, or when `progress`
    /// returns `false`: called after every step, it ends the call. Returns whether it did.
    ///
    /// The first call needs 32 configurations; a few hundred make a network. A call after new ones reads all of
    /// them to measure the Gaussian part: call it for tens of steps or more, not after every push.
    ///
    /// # Errors
    /// Those of [`Dataset::new`], [`Trainer::with_sets`] and [`Trainer::step`]. The steps before stay taken.
    pub fn fit(&mut self, steps: u64, mut progress: impl FnMut(&Trainer) -> bool) -> Result<bool> {
        self.join()?;
        let Some(trainer) = &mut self.trainer else { return Ok(false) };
        for _ in 0..steps {
            if trainer.is_finished() {
                return Ok(false);
            }
            trainer.fit(1, |_| true)?;
            if !progress(trainer) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Lets the trainer know all configurations.
    fn join(&mut self) -> Result<()> {
        let count = self.configurations();
        if self.trainer.is_some() && self.joined == count {
            return Ok(());
        }
        let sets = self.sets(count)?;
        self.trainer = Some(match &self.trainer {
            None => Trainer::with_sets(sets, self.options.clone())?,
            Some(trainer) => trainer.continue_on(sets)?,
        });
        self.joined = count;
        Ok(())
    }

    /// The first `count` configurations as data.
    fn sets(&self, count: usize) -> Result<Vec<TrainingSet>> {
        let fields = self.fields[..count * self.lattice.values()].to_vec();
        let data = Dataset::new(self.lattice.clone(), fields)?;
        Ok(vec![TrainingSet { data, action: self.action.clone() }])
    }

    fn under_way(&self, call: &'static str) -> Result<&Trainer> {
        let reason = || "nothing is trained yet: push configurations and fit first".into();
        self.trainer.as_ref().ok_or_else(|| Error::WrongOrder { call, reason: reason() })
    }

    /// The model as it is now, always marked as one that still adapts: chains refuse it. For looking on.
    ///
    /// # Errors
    /// [`Error::WrongOrder`] before the first [`InSitu::fit`]; those of [`Trainer::snapshot`].
    pub fn snapshot(&self) -> Result<Model> {
        let mut model = self.under_way("snapshot")?.snapshot()?;
        // Without measured errors, and further configurations may come even after the last step.
        model.metadata_mut().adapting = true;
        Ok(model)
    }

    /// The finished model, its errors measured on the held-out configurations: one for chains. Training may go on
    /// afterwards; the model does not follow it.
    ///
    /// # Errors
    /// [`Error::WrongOrder`] before the first [`InSitu::fit`]; those of [`Trainer::finish`].
    pub fn finish(&self) -> Result<Model> {
        self.under_way("finish")?.finish()
    }

    /// The whole state, the configurations included: [`InSitu::restore`] goes on from it to the same bits.
    pub fn checkpoint(&self) -> Vec<u8> {
        let mut out = Writer::new(MAGIC, VERSION);
        out.count(self.fingerprint());
        out.count(self.configurations() as u64);
        out.weights(&self.fields);
        // 0 for no trainer: one has at least 32.
        out.count(if self.trainer.is_some() { self.joined as u64 } else { 0 });
        if let Some(trainer) = &self.trainer {
            out.real(trainer.schedule.sigma());
            out.real(trainer.log_noise.0);
            let state = trainer.checkpoint();
            out.count(state.len() as u64);
            out.0.extend_from_slice(&state);
        }
        out.finish()
    }

    /// Takes the place of what [`InSitu::checkpoint`] saved, made for the same lattice, action and options; threads
    /// may differ.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a damaged checkpoint or one of another training; this one is then unchanged.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let mut read = Reader::open(bytes, MAGIC, VERSION, "it is no checkpoint of a training in situ")?;
        if read.count()? != self.fingerprint() {
            return Err(damaged("another lattice, action, seed or other options"));
        }
        let length = (read.count()? as usize).checked_mul(self.lattice.values());
        let fields = read.weights(length.ok_or_else(|| damaged("an impossible length"))?)?;
        let joined = read.count()? as usize;
        let mut restored = InSitu {
            lattice: self.lattice.clone(),
            action: self.action.clone(),
            options: self.options.clone(),
            fields,
            trainer: None,
            joined,
        };
        if joined > 0 {
            if joined > restored.configurations() {
                return Err(damaged("it lacks configurations"));
            }
            let mut trainer = Trainer::with_sets(restored.sets(joined)?, self.options.clone())?;
            let (schedule, smallest) = (Schedule::variance_expanding(read.real()?)?, read.real()?);
            trainer.set_noise(schedule, smallest)?;
            let length = read.count()? as usize;
            trainer.restore(read.take(length)?)?;
            restored.trainer = Some(trainer);
        }
        if !read.0.is_empty() {
            return Err(damaged("it is too long"));
        }
        *self = restored;
        Ok(())
    }

    /// Identifies what the bits of a training depend on besides its configurations.
    fn fingerprint(&self) -> u64 {
        let options = TrainOptions { threads: 0, command: String::new(), ..self.options.clone() };
        let first = crc32fast::hash(format!("{options:?}").as_bytes());
        u64::from(first) << 32 | u64::from(crc32fast::hash(format!("{:?} {:?}", self.lattice, self.action).as_bytes()))
    }
}

impl Trainer {
    /// The same training on other data of the same lattices and actions: see [`InSitu`].
    pub(super) fn continue_on(&self, sets: Vec<TrainingSet>) -> Result<Trainer> {
        let mut next = Trainer::with_sets(sets, self.options.clone())?;
        next.adam.set_state(self.adam.state());
        let wider = if self.schedule.noise(1.0) < next.schedule.noise(1.0) { next.schedule } else { self.schedule };
        next.set_noise(wider, self.log_noise.0.min(next.log_noise.0))?;
        // Neither changes the expected gradient; both only lower its variance, and follow the new data by themselves.
        next.density = self.density.clone();
        for (point, before) in next.points.iter_mut().zip(&self.points) {
            point.mixture.set_moments(before.mixture.moments().to_vec());
        }
        next.loss = self.loss;
        next.curve = self.curve.clone();
        // `best` starts anew: losses on other validation configurations cannot be compared.
        Ok(next)
    }

    /// Trains from the noise with logarithm `smallest` to the largest of `schedule`.
    fn set_noise(&mut self, schedule: Schedule, smallest: f64) -> Result<()> {
        self.schedule = schedule;
        self.log_noise = (smallest, libm::log(schedule.noise(1.0)));
        // The weights of the target go by the noise.
        range::complete(&mut self.points, &self.conditions, self.log_noise, self.options.batch)
    }

    /// Smoothed loss; NaN before the first step.
    pub fn loss(&self) -> f64 {
        self.loss
    }

    /// Loss on the validation part at the last look, if there was one.
    pub fn validation(&self) -> Option<f64> {
        self.curve.last().map(|point| point.validation)
    }

    /// Learning rate of the next step.
    pub fn rate(&self) -> f64 {
        self.adam.rate()
    }
}

#[cfg(test)]
mod tests;
