//! Derivatives of the published network: by the weights, and along directions of the field.

use super::matrix::MatrixReal;
use super::pass::{PublishedTape, resize};
use super::{PublishedUNet, STAGES, skip};
use crate::nn::pointwise::silu_slope_times;

impl PublishedUNet {
    /// Adds to `gradient` that of sum(`out_gradient` out) by the weights, after [`PublishedUNet::forward`] with the same
    /// weights and tape.
    pub fn backward<T: MatrixReal>(
        &self,
        parameters: &[T],
        out_gradient: &[T],
        gradient: &mut [T],
        tape: &mut PublishedTape<T>,
    ) {
        let batch = tape.batch;
        for (g, bias) in out_gradient.chunks_exact(batch * self.sites).zip(self.bias.clone()) {
            g.iter().for_each(|&g| gradient[bias] += g);
        }
        let mut embedding = vec![T::from_f64(0.0); tape.embedding.len()];
        let mut stages: Vec<Vec<T>> = tape.stages.iter().map(|s| vec![T::from_f64(0.0); s.output.len()]).collect();
        let mut input = vec![];
        self.backward_layer(STAGES, parameters, out_gradient, gradient, (&mut stages, &mut input), tape);
        for index in (0..STAGES).rev() {
            let mut g = std::mem::take(&mut stages[index]);
            let (finish, sites) = (&self.finishes[index], self.layers[index].output_sites());
            let stage = &tape.stages[index];
            silu_slope_times(&stage.affine, &mut g);
            let row = batch * sites;
            for (channel, (g, y)) in g.chunks_exact_mut(row).zip(stage.normalised.chunks_exact(row)).enumerate() {
                let gain = T::from_f64(1.0) + parameters[finish.gain.start + channel];
                let (mut product, mut sum) = (T::from_f64(0.0), T::from_f64(0.0));
                for (g, &y) in g.iter_mut().zip(y) {
                    product += *g * y;
                    sum += *g;
                    *g *= gain;
                }
                gradient[finish.gain.start + channel] += product;
                gradient[finish.shift.start + channel] += sum;
            }
            finish.norm.derivative(&stage.normalised, &stage.inverse, batch, &mut g);
            let sums = g.chunks_exact(sites).map(|field| field.iter().fold(T::from_f64(0.0), |sum, &g| sum + g));
            tape.time.clear();
            tape.time.extend(sums);
            let passed = (&tape.embedding[..], &tape.time[..]);
            finish.dense.backward(parameters, passed, batch, gradient, Some(&mut embedding));
            self.backward_layer(index, parameters, &g, gradient, (&mut stages, &mut input), tape);
        }
        silu_slope_times(&tape.hidden, &mut embedding);
        self.embedding.backward(parameters, (&tape.features, &embedding), batch, gradient, None);
    }

    /// Gradients of the weights of layer `index`, and of the stages that it read, given that of its output.
    fn backward_layer<T: MatrixReal>(
        &self,
        index: usize,
        parameters: &[T],
        out_gradient: &[T],
        gradient: &mut [T],
        (stages, input_gradient): (&mut [Vec<T>], &mut Vec<T>),
        tape: &mut PublishedTape<T>,
    ) {
        let PublishedTape { inputs, scratch, .. } = tape;
        let (layer, input) = (&self.layers[index], &inputs[index]);
        let (weights, to) = (&parameters[layer.weights.clone()], &mut gradient[layer.weights.clone()]);
        let (fine, coarse) = if layer.transposed { (out_gradient, &input[..]) } else { (&input[..], out_gradient) };
        layer.convolution.add_weight_gradient(fine, coarse, to, scratch);
        if index == 0 {
            return;
        }
        resize(input_gradient, input.len());
        match layer.transposed {
            true => layer.convolution.apply(weights, out_gradient, input_gradient, scratch),
            false => layer.convolution.adjoint(weights, out_gradient, input_gradient, scratch),
        }
        let (before, earlier) = input_gradient.split_at(stages[index - 1].len());
        stages[index - 1].iter_mut().zip(before).for_each(|(sum, &g)| *sum += g);
        if let Some(skip) = skip(index) {
            stages[skip].iter_mut().zip(earlier).for_each(|(sum, &g)| *sum += g);
        }
    }

    /// Changes of the output along `directions` of the field, `[direction][site]` both, after
    /// [`PublishedUNet::forward`] of a single scalar field with the same weights and tape.
    pub fn tangent<T: MatrixReal>(
        &self,
        parameters: &[T],
        directions: &[T],
        changes: &mut [T],
        tape: &mut PublishedTape<T>,
    ) {
        let count = directions.len() / self.sites;
        let mut outputs: Vec<Vec<T>> = Vec::with_capacity(STAGES);
        let mut scratch = std::mem::take(&mut tape.scratch);
        let gather = |index: usize, outputs: &[Vec<T>]| -> Vec<T> {
            let mut input = if index == 0 { directions.to_vec() } else { outputs[index - 1].clone() };
            input.extend_from_slice(skip(index).map_or(&[], |earlier| &outputs[earlier]));
            input
        };
        for index in 0..STAGES {
            let (layer, finish, stage) = (&self.layers[index], &self.finishes[index], &tape.stages[index]);
            let sites = layer.output_sites();
            let mut v = vec![T::from_f64(0.0); layer.outputs() * count * sites];
            self.convolve(index, parameters, &gather(index, &outputs), &mut v, &mut scratch);
            finish.norm.derivative(&stage.normalised, &stage.inverse, 1, &mut v);
            // Gain and slope of swish, at every site of the one field.
            let gains = &parameters[finish.gain.clone()];
            let mut slopes: Vec<T> =
                gains.iter().flat_map(|&g| std::iter::repeat_n(T::from_f64(1.0) + g, sites)).collect();
            silu_slope_times(&stage.affine, &mut slopes);
            for (v, slopes) in v.chunks_exact_mut(count * sites).zip(slopes.chunks_exact(sites)) {
                for v in v.chunks_exact_mut(sites) {
                    v.iter_mut().zip(slopes).for_each(|(v, &slope)| *v *= slope);
                }
            }
            outputs.push(v);
        }
        self.convolve(STAGES, parameters, &gather(STAGES, &outputs), changes, &mut scratch);
        tape.scratch = scratch;
    }
}
