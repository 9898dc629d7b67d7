//! Derivatives of a trained network, in double precision: its weights are widened once, and everything
//! after is computed as `native.rs` does in single precision, without its rounding.

use super::native::NativeScore;
use super::preconditioning::Preconditioning;
use super::{Differential, Score, require_tangents};
use crate::error::Result;
use crate::model::Modes;
use crate::nn::Tape;
use crate::nn::embedding::EmbeddingTape;
use std::sync::Arc;

/// D(x) = W x + c_out net(\[c_in x, W x / s\]) and D'(x) v = W v + c_out net'(...)\[c_in v, W v / s\]: the
/// maps around the network are linear, and its own derivative reads what its evaluation left on the tape.
pub(super) struct NativeDifferential {
    score: Arc<NativeScore>,
    parameters: Vec<f64>,
    modes: Modes,
    tape: Tape<f64>,
    embedding: EmbeddingTape<f64>,
    multiplier: Vec<f64>,
    filtered: Vec<f64>,
    inputs: Vec<f64>,
    output: Vec<f64>,
    /// The noise that `embedding`, `multiplier` and the factors belong to.
    level: Option<(f64, Preconditioning)>,
}

impl NativeDifferential {
    pub fn new(score: Arc<NativeScore>) -> Self {
        let values = score.lattice().values();
        NativeDifferential {
            parameters: score.model().parameters().iter().map(|&value| f64::from(value)).collect(),
            modes: score.modes(),
            tape: score.network().tape(),
            embedding: score.network().embedding().tape(),
            multiplier: vec![0.0; values],
            filtered: vec![0.0; values],
            inputs: vec![0.0; score.network().shape().inputs * score.lattice().sites()],
            output: vec![0.0; values],
            level: None,
            score,
        }
    }

    fn prepare(&mut self, noise: f64) -> Preconditioning {
        if let Some((kept, factors)) = &self.level
            && kept.to_bits() == noise.to_bits()
        {
            return factors.clone();
        }
        let (network, conditions) = (self.score.network(), self.score.conditions());
        network.embedding().forward(&self.parameters, libm::log(noise), conditions, &mut self.embedding);
        self.score.gaussian().multiplier(noise, &mut self.multiplier);
        let factors = self.score.preconditioning(noise);
        self.level = Some((noise, factors.clone()));
        factors
    }
}

impl Differential for NativeDifferential {
    fn tangents(
        &mut self,
        noise: f64,
        field: &[f64],
        directions: &[f64],
        denoised: &mut [f64],
        changes: &mut [f64],
    ) -> Result<()> {
        let values = self.filtered.len();
        require_tangents(values, field, directions, denoised, changes)?;
        let factors = self.prepare(noise);
        let (network, p) = (self.score.network(), &self.parameters);
        let gaussian = self.score.gaussian();
        gaussian.denoise(&mut self.modes, &self.multiplier, noise, field, &mut self.filtered);
        factors.fill(field, &self.filtered, None, &mut self.inputs);
        network.forward(p, &self.embedding, &self.inputs, &mut self.output, &mut self.tape);
        factors.denoise(&self.filtered, &self.output, denoised);
        for (direction, change) in directions.chunks_exact(values).zip(changes.chunks_exact_mut(values)) {
            let along = (field, direction);
            gaussian.tangent(&mut self.modes, &self.multiplier, noise, along, &mut self.filtered);
            factors.fill(direction, &self.filtered, None, &mut self.inputs);
            network.tangent(p, &self.embedding, &self.inputs, &mut self.output, &mut self.tape);
            factors.denoise(&self.filtered, &self.output, change);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::Schedule;
    use crate::lattice::Lattice;
    use crate::model::{ActionRecord, Condition, Metadata, Model, covariance_classes};
    use crate::nn::{UNet, UNetShape};
    use crate::rng::{Purpose, Stream};

    fn normals(level: u32, length: usize) -> Vec<f64> {
        let mut values = vec![0.0; length];
        Stream::new(6, 0, 0).unwrap().normals(Purpose::Diagnostic, level, &mut values);
        values
    }

    fn score(extents: &[usize], components: usize, channels: &[usize], reach: usize) -> Arc<NativeScore> {
        let channels = channels.to_vec();
        score_of(extents, components, UNetShape { channels, reach, ..UNetShape::default() })
    }

    fn score_of(extents: &[usize], components: usize, shape: UNetShape) -> Arc<NativeScore> {
        let lattice = Lattice::new(extents).unwrap().with_components(components).unwrap();
        let (network, reach) =
            (UNetShape { inputs: 2 * components, outputs: components, embedding: 6, ..shape.clone() }, shape.reach);
        let total = UNet::new(&network, &lattice).unwrap().layout().total();
        let classes = covariance_classes(&lattice, reach).1;
        let names = (0..network.conditions).map(|index| format!("c{index}"));
        let couplings = names.clone().map(|name| (name, 1.3));
        let conditions = names.map(|coupling| Condition { coupling, centre: 1.0, scale: 0.5 });
        let metadata = Metadata {
            action: Some(ActionRecord { name: "phi4".into(), couplings: couplings.collect() }),
            conditions: conditions.collect(),
            ..Metadata::untrained(
                &lattice,
                Schedule::variance_expanding(25.0).unwrap(),
                network,
                (0..classes).map(|class| 3.0 / (1.0 + class as f64)).collect(),
            )
        };
        let parameters = normals(0, total).into_iter().map(|x| 0.2 * x as f32).collect();
        Arc::new(NativeScore::new(Model::new(metadata, parameters).unwrap()).unwrap())
    }

    #[test]
    fn derivatives_match_central_differences_and_values_the_evaluator() {
        let cases = [
            score(&[4, 4], 1, &[3, 5], 1),
            score(&[4, 8], 2, &[4], 1),
            score(&[1], 1, &[6], 0),
            score(&[5], 3, &[6], 0),
            score_of(&[4, 4], 2, UNetShape { channels: vec![3, 5], odd: true, ..UNetShape::default() }),
            score_of(
                &[8, 4],
                1,
                UNetShape {
                    channels: vec![3, 5],
                    bands: vec![[-9.0, -1.0], [-2.0, 9.0]],
                    conditions: 1,
                    ..UNetShape::default()
                },
            ),
            score_of(&[1], 1, UNetShape { channels: vec![6], reach: 0, odd: true, ..UNetShape::default() }),
        ];
        for score in cases {
            let values = score.lattice().values();
            let case = format!("{:?}", score.model().metadata().network);
            let (field, directions) = (normals(1, values), normals(2, 3 * values));
            let (mut denoised, mut changes) = (vec![0.0; values], vec![0.0; 3 * values]);
            let mut differential = score.clone().differential().unwrap();
            // Another noise level before: nothing of it may remain.
            differential.tangents(2.0, &field, &[], &mut denoised, &mut []).unwrap();
            for noise in [0.1, 0.9] {
                differential.tangents(noise, &field, &directions, &mut denoised, &mut changes).unwrap();
                let mut single = vec![0.0; values];
                score.clone().evaluator(1).unwrap().denoise(&[noise], &field, &mut single).unwrap();
                assert!(denoised.iter().zip(&single).all(|(a, b)| (a - b).abs() < 1e-5), "{case}");
                let mut at = |step: f64, direction: &[f64]| {
                    let moved: Vec<f64> = field.iter().zip(direction).map(|(x, d)| x + step * d).collect();
                    let mut out = vec![0.0; values];
                    differential.tangents(noise, &moved, &[], &mut out, &mut []).unwrap();
                    out
                };
                let mut largest: f64 = 0.0;
                for (direction, change) in directions.chunks(values).zip(changes.chunks(values)) {
                    let (ahead, behind) = (at(3e-6, direction), at(-3e-6, direction));
                    for (value, (a, b)) in change.iter().zip(ahead.iter().zip(&behind)) {
                        assert!(
                            (value - (a - b) / 6e-6).abs() < 1e-7 * (1.0 + value.abs()),
                            "{case}: {value} {}",
                            (a - b) / 6e-6
                        );
                        largest = largest.max(value.abs());
                    }
                }
                assert!(largest > 0.1, "{case}: a degenerate case");
            }
        }
    }

    #[test]
    fn buffers_of_the_wrong_length_are_refused() {
        let mut differential = score(&[2], 2, &[3], 0).differential().unwrap();
        let (mut out, mut changes) = ([0.0; 4], [0.0; 4]);
        assert!(differential.tangents(1.0, &[0.0; 4], &[0.0; 4], &mut out, &mut changes).is_ok());
        assert!(differential.tangents(1.0, &[0.0; 3], &[0.0; 4], &mut out, &mut changes).is_err());
        assert!(differential.tangents(1.0, &[0.0; 4], &[0.0; 4], &mut out[..3], &mut changes).is_err());
        assert!(differential.tangents(1.0, &[0.0; 4], &[0.0; 3], &mut out, &mut changes[..3]).is_err());
    }
}
