//! The model that comes out of a training.

use super::Trainer;
use super::measure::measure_posterior;
use crate::error::Result;
use crate::model::{Metadata, Model, TrainingRecord};

impl Trainer {
    /// The model with the averaged weights, without a measured posterior table; marked as one that still
    /// adapts, which production kernels refuse.
    ///
    /// # Errors
    /// Those of [`Model::new`].
    pub fn snapshot(&self) -> Result<Model> {
        let mut model = self.model(0)?;
        model.metadata_mut().adapting = !self.is_finished();
        self.on_extents_of_data(model)
    }

    fn on_extents_of_data(&self, model: Model) -> Result<Model> {
        if model.metadata().extents == self.extents { Ok(model) } else { model.on_extents(&self.extents) }
    }

    /// On the lattice of a point, as it trains.
    pub(super) fn model(&self, index: usize) -> Result<Model> {
        let point = &self.points[index];
        let record = TrainingRecord {
            steps: self.adam.steps(),
            batch: self.options.batch,
            configurations: self.configurations,
            seed: self.options.seed,
            version: env!("CARGO_PKG_VERSION").into(),
            command: self.options.command.clone(),
            loss: self.loss.is_finite().then_some(self.loss),
        };
        let links = point.links.is_some();
        let several = !links && (self.points.len() > 1 || self.magnetisation.is_some());
        let metadata = Metadata {
            action: point.action.clone(),
            training: record,
            normalisation: if several { self.data_variance.clone() } else { vec![] },
            conditions: self.conditions.clone(),
            magnetisation_scale: self.magnetisation,
            zero_mode: point.zero_mode,
            plaquettes: point.plaquettes(),
            ..Metadata::untrained(
                point.data.lattice(),
                self.schedule,
                point.network.shape().clone(),
                point.covariance.clone(),
            )
        };
        let weights = match &self.best {
            Some(best) if self.stopped_early() => &best.weights,
            _ => self.adam.average(),
        };
        Model::new(metadata, weights.to_vec())
    }

    /// The finished model: averaged weights, and the denoiser's error measured on held-out data, at every point.
    ///
    /// # Errors
    /// As [`Trainer::snapshot`].
    pub fn finish(&self) -> Result<Model> {
        let mut models = vec![];
        for (index, point) in self.points.iter().enumerate() {
            let mut model = self.model(index)?;
            let table = measure_posterior(&model, &point.data, self.log_noise, self.options.threads)?;
            model.metadata_mut().posterior = table;
            models.push(model);
        }
        let records = self.points.iter().zip(&models);
        let records = records.map(|(point, model)| point.record(model.metadata().posterior.clone())).collect();
        let mut model = models.swap_remove(0);
        if self.points.len() > 1 {
            model.metadata_mut().points = records;
        }
        model.metadata().validate()?;
        self.on_extents_of_data(model)
    }
}
