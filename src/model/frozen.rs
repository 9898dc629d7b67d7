//! A network that sees the couplings, taken to one set of them for good.

use super::Model;
use crate::error::{Error, Result};
use crate::nn::UNet;
use crate::nn::embedding::condition_features;

impl Model {
    /// The same model at the couplings at hand, whose network no longer sees them: what it makes of them is in the bias of
    /// its first layer. Up to rounding it computes the same; with [`Model::with_plaquettes`] it can then be taken to a coupling
    /// beyond the trained range. A model without couplings comes back as it is.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the action at hand lacks a coupling that the network sees.
    pub fn frozen_at_couplings(&self) -> Result<Self> {
        let old = self.metadata();
        if old.conditions.is_empty() {
            return Ok(self.clone());
        }
        let lattice = self.lattice()?;
        let values = old.condition_values()?;
        let features: Vec<f64> = values.into_iter().flat_map(condition_features).collect();
        let mut metadata = old.clone();
        metadata.conditions = vec![];
        metadata.points = vec![];
        metadata.network.conditions = 0;
        let (seeing, blind) = (UNet::new(&old.network, &lattice)?, UNet::new(&metadata.network, &lattice)?);
        let mut parameters = vec![0.0; blind.layout().total()];
        for entry in blind.layout().entries() {
            let source = seeing.layout().entries().iter().find(|source| source.name == entry.name);
            let source = source.ok_or_else(|| Error::Internal(format!("no weights {} in the network", entry.name)))?;
            // The rows of the couplings come last.
            let kept = &self.parameters()[source.range()][..entry.len()];
            parameters[entry.range()].copy_from_slice(kept);
        }
        let entry = |network: &UNet, name: &str| {
            let found = network.layout().entries().iter().find(|entry| entry.name == name).map(|entry| entry.range());
            found.ok_or_else(|| Error::Internal(format!("no weights {name} in the network")))
        };
        let (weights, bias) = (entry(&seeing, "embedding.first.weight")?, entry(&blind, "embedding.first.bias")?);
        let width = bias.len();
        let rows = self.parameters()[weights].chunks_exact(width).rev().take(features.len());
        for (row, feature) in rows.zip(features.iter().rev()) {
            let biases = parameters[bias.clone()].iter_mut().zip(row);
            biases.for_each(|(bias, &weight)| *bias += weight * *feature as f32);
        }
        Model::new(metadata, parameters)
    }
}

#[cfg(test)]
mod tests {
    use crate::action::ActionRecord;
    use crate::lattice::Lattice;
    use crate::rng::{Purpose, Stream};
    use crate::sampler::GaugeSampler;
    use crate::score::{NativeScore, PlaquetteMoments, Score};
    use crate::train::{Dataset, TrainOptions, Trainer, TrainingSet};
    use std::sync::Arc;

    /// One network of two couplings of U(1): at each it is the same function frozen or not, the two differ, and frozen it can be
    /// taken beyond.
    #[test]
    fn a_frozen_network_is_the_same_function() {
        let lattice = Lattice::new(&[4, 4]).unwrap().with_components(2).unwrap();
        let set = |beta: f64| {
            let mut sampler = GaugeSampler::new(&lattice, beta, 3, 0).unwrap();
            sampler.thermalise(50).unwrap();
            let mut fields = vec![];
            for _ in 0..128 {
                fields.extend(sampler.next_configuration().unwrap().iter().map(|&angle| angle as f32));
            }
            let data = Dataset::new(lattice.clone(), fields).unwrap();
            TrainingSet { data, action: Some(ActionRecord::u1(beta)) }
        };
        let options = TrainOptions {
            channels: vec![4],
            embedding: 8,
            batch: 16,
            steps: 60,
            conditions: vec!["beta".into()],
            ..TrainOptions::link_angles()
        };
        let mut trainer = Trainer::with_sets(vec![set(1.0), set(3.0)], options).unwrap();
        while !trainer.is_finished() {
            trainer.step().unwrap();
        }
        let model = trainer.finish().unwrap();
        let mut field = vec![0.0; 32];
        Stream::new(5, 0, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut field);
        let denoised = |model: &crate::model::Model| {
            let score = Arc::new(NativeScore::new(model.clone()).unwrap());
            let mut out = vec![0.0; 32];
            score.evaluator(1).unwrap().denoise(&[0.5], &field, &mut out).unwrap();
            out
        };
        let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).fold(0.0, |most: f64, (a, b)| most.max((a - b).abs()));
        let at = |beta: f64| model.at(&[4, 4], Some(&ActionRecord::u1(beta))).unwrap();
        let mut answers = vec![];
        for beta in [1.0, 2.2, 3.0] {
            let frozen = at(beta).frozen_at_couplings().unwrap();
            assert!(frozen.metadata().conditions.is_empty() && frozen.parameters().len() < model.parameters().len());
            let (a, b) = (denoised(&at(beta)), denoised(&frozen));
            assert!(distance(&a, &b) < 1e-6, "{beta}");
            answers.push(b);
        }
        assert!(distance(&answers[0], &answers[2]) > 1e-3, "the network must see the coupling");
        let moments = PlaquetteMoments { cosine: 0.87, sine_square: 0.18 };
        assert!(at(3.0).with_plaquettes(moments, ActionRecord::u1(5.0)).is_err());
        let beyond = at(3.0).frozen_at_couplings().unwrap().with_plaquettes(moments, ActionRecord::u1(5.0)).unwrap();
        assert!(denoised(&beyond).iter().all(|value| value.is_finite()));
    }
}
