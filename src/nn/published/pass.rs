//! Evaluation of the published network on a batch. All fields are `[channel][sample][site]`.

use super::matrix::MatrixReal;
use super::{EMBEDDING, PublishedUNet, STAGES, skip};
use crate::nn::pointwise::silu;

/// What evaluation leaves for derivatives, and the scratch of a thread. It serves batches of any size.
pub struct PublishedTape<T> {
    pub(super) batch: usize,
    pub(super) features: Vec<T>,
    /// The embedding before and after swish.
    pub(super) hidden: Vec<T>,
    pub(super) embedding: Vec<T>,
    pub(super) stages: Vec<StageTape<T>>,
    /// Inputs of the layers: the concatenated stages.
    pub(super) inputs: Vec<Vec<T>>,
    pub(super) time: Vec<T>,
    pub(super) scratch: Vec<T>,
}

pub(super) struct StageTape<T> {
    /// After normalisation.
    pub normalised: Vec<T>,
    pub inverse: Vec<T>,
    /// With gain and shift: the argument of swish.
    pub affine: Vec<T>,
    pub output: Vec<T>,
}

/// Gives `buffer` the length; its content is no longer defined.
pub(super) fn resize<T: MatrixReal>(buffer: &mut Vec<T>, length: usize) {
    buffer.resize(length, T::from_f64(0.0));
}

impl<T: MatrixReal> Default for PublishedTape<T> {
    fn default() -> Self {
        let stage = || StageTape { normalised: vec![], inverse: vec![], affine: vec![], output: vec![] };
        PublishedTape {
            batch: 0,
            features: vec![],
            hidden: vec![],
            embedding: vec![],
            stages: (0..STAGES).map(|_| stage()).collect(),
            inputs: vec![vec![]; STAGES + 1],
            time: vec![],
            scratch: vec![],
        }
    }
}

impl PublishedUNet {
    /// sqrt(Xi(t)) times the score of each field at its time: `[sample][site]` for `fields` and `out`, of link angles
    /// `[cosines, then sines of both axes][sample][site]` and `[axis][sample][site]`.
    pub fn forward<T: MatrixReal>(
        &self,
        parameters: &[T],
        times: &[f64],
        fields: &[T],
        out: &mut [T],
        tape: &mut PublishedTape<T>,
    ) {
        let batch = times.len();
        tape.batch = batch;
        self.embed(parameters, times, tape);
        for index in 0..STAGES {
            self.gather(index, fields, tape);
            let PublishedTape { stages, inputs, time, embedding, scratch, .. } = tape;
            let (layer, finish, stage) = (&self.layers[index], &self.finishes[index], &mut stages[index]);
            let (channels, sites) = (layer.outputs(), layer.output_sites());
            for buffer in [&mut stage.normalised, &mut stage.affine, &mut stage.output] {
                resize(buffer, channels * batch * sites);
            }
            self.convolve(index, parameters, &inputs[index], &mut stage.normalised, scratch);
            resize(time, channels * batch);
            finish.dense.forward(parameters, embedding, batch, time);
            for (field, &shift) in stage.normalised.chunks_exact_mut(sites).zip(&*time) {
                field.iter_mut().for_each(|h| *h += shift);
            }
            resize(&mut stage.inverse, finish.norm.groups * batch);
            finish.norm.normalise(&mut stage.normalised, batch, &mut stage.inverse);
            let (gain, shift) = (&parameters[finish.gain.clone()], &parameters[finish.shift.clone()]);
            let rows = stage.affine.chunks_exact_mut(batch * sites).zip(stage.normalised.chunks_exact(batch * sites));
            for ((affine, normalised), (&gain, &shift)) in rows.zip(gain.iter().zip(shift)) {
                let gain = T::from_f64(1.0) + gain;
                affine.iter_mut().zip(normalised).for_each(|(z, &y)| *z = gain * y + shift);
            }
            silu(&stage.affine, &mut stage.output);
        }
        self.gather(STAGES, fields, tape);
        self.convolve(STAGES, parameters, &tape.inputs[STAGES], out, &mut tape.scratch);
        for (out, &bias) in out.chunks_exact_mut(batch * self.sites).zip(&parameters[self.bias.clone()]) {
            out.iter_mut().for_each(|value| *value += bias);
        }
    }

    /// swish(dense(sines and cosines of the times)).
    fn embed<T: MatrixReal>(&self, parameters: &[T], times: &[f64], tape: &mut PublishedTape<T>) {
        let batch = times.len();
        for buffer in [&mut tape.features, &mut tape.hidden, &mut tape.embedding] {
            resize(buffer, EMBEDDING * batch);
        }
        let (sines, cosines) = tape.features.split_at_mut(EMBEDDING / 2 * batch);
        let rows = sines.chunks_exact_mut(batch).zip(cosines.chunks_exact_mut(batch));
        for ((sines, cosines), frequency) in rows.zip(&self.frequencies) {
            for ((sine, cosine), t) in sines.iter_mut().zip(cosines).zip(times) {
                let (s, c) = libm::sincos(frequency * t);
                (*sine, *cosine) = (T::from_f64(s), T::from_f64(c));
            }
        }
        self.embedding.forward(parameters, &tape.features, batch, &mut tape.hidden);
        silu(&tape.hidden, &mut tape.embedding);
    }

    /// The input of layer `index`: the field, or the stage before it and the one it is concatenated with.
    fn gather<T: MatrixReal>(&self, index: usize, fields: &[T], tape: &mut PublishedTape<T>) {
        let input = &mut tape.inputs[index];
        input.clear();
        match index {
            0 => input.extend_from_slice(fields),
            _ => input.extend_from_slice(&tape.stages[index - 1].output),
        }
        if let Some(earlier) = skip(index) {
            input.extend_from_slice(&tape.stages[earlier].output);
        }
    }

    /// The linear map of layer `index`.
    pub(super) fn convolve<T: MatrixReal>(
        &self,
        index: usize,
        parameters: &[T],
        input: &[T],
        out: &mut [T],
        scratch: &mut Vec<T>,
    ) {
        let layer = &self.layers[index];
        let weights = &parameters[layer.weights.clone()];
        match layer.transposed {
            true => layer.convolution.adjoint(weights, input, out, scratch),
            false => layer.convolution.apply(weights, input, out, scratch),
        }
    }
}
