//! Tangent (JVP) and backward (VJP) of the U-Net, from the activations that its forward kept.

use super::super::convolution::{ConvolutionScratch, Stencil, adjoint_weights, backward_weights, forward};
use super::super::embedding::EmbeddingTape;
use super::super::pointwise::{film_backward, film_tangent};
use super::super::simd::Real;
use super::{Convolution, Tape, UNet};

/// Mirrored and transposed weights, made once for each parameter version by [`UNet::refresh_adjoint`].
pub struct Adjoint<T>(Vec<T>);

impl UNet {
    /// Directional derivative of the last [`UNet::forward`] on `tape` along `direction`
    /// (`[input field][site]`); `direction` and the parameters may differ from call to call, the tape not.
    pub fn tangent<T: Real>(
        &self,
        p: &[T],
        embedding: &EmbeddingTape<T>,
        direction: &[T],
        out: &mut [T],
        tape: &mut Tape<T>,
    ) {
        let (count, active) = (self.levels.len(), self.shape.activity(embedding.log_sigma()));
        let visited = active.visited();
        let linear =
            |c: &Convolution, stencil: &Stencil, x: &[T], add: bool, out: &mut [T], s: &mut ConvolutionScratch<T>| {
                forward(stencil, x, (&p[c.weights.clone()], None), add, out, s);
            };
        linear(&self.input, &self.levels[0].cube, direction, false, &mut tape.stream[0], &mut tape.scratch);
        let block_tangent = |index: usize, tape: &mut Tape<T>| {
            let block = &self.blocks[index];
            let level = &self.levels[block.level];
            let stream = &mut tape.stream[block.level];
            let [active, h] = &mut tape.temporary;
            let (active, h) = (&mut active[..stream.len()], &mut h[..stream.len()]);
            active.copy_from_slice(stream);
            self.activation.slope_times(&tape.blocks[index].x, active);
            linear(&block.first, &level.cube, active, false, h, &mut tape.scratch);
            film_tangent(&embedding.modulations[self.embedding.modulation(index)], level.cube.sites(), h);
            self.activation.slope_times(&tape.blocks[index].modulated, h);
            linear(&block.second, &level.cube, h, true, stream, &mut tape.scratch);
        };
        for index in 0..visited {
            if active.at(index) {
                block_tangent(index, tape);
            }
            if index + 1 < visited
                && let Some((map, down, _)) = &self.levels[index].coarser
            {
                let deep = &mut tape.temporary[0][..tape.stream[index].len()];
                map.to_depth(&tape.stream[index], deep);
                linear(
                    down,
                    &self.levels[index + 1].point,
                    deep,
                    false,
                    &mut tape.stream[index + 1],
                    &mut tape.scratch,
                );
            }
        }
        for index in (0..visited).rev() {
            if active.at(index) {
                block_tangent(2 * count - 1 - index, tape);
            }
            if index > 0
                && let Some((map, _, up)) = &self.levels[index - 1].coarser
            {
                let [deep, fine] = &mut tape.temporary;
                let length = tape.stream[index - 1].len();
                linear(
                    up,
                    &self.levels[index].point,
                    &tape.stream[index],
                    false,
                    &mut deep[..length],
                    &mut tape.scratch,
                );
                map.to_space(&deep[..length], &mut fine[..length]);
                tape.stream[index - 1].iter_mut().zip(fine.iter()).for_each(|(a, &b)| *a += b);
            }
        }
        let last = &mut tape.temporary[0][..tape.last.len()];
        last.copy_from_slice(&tape.stream[0]);
        self.activation.slope_times(&tape.last, last);
        linear(&self.output, &self.levels[0].cube, last, false, out, &mut tape.scratch);
    }

    /// Mirrored and transposed weights for [`UNet::backward`].
    pub fn adjoint<T: Real>(&self) -> Adjoint<T> {
        Adjoint(vec![T::default(); self.adjoint_total])
    }

    /// Renews `adjoint` after the parameters changed.
    pub fn refresh_adjoint<T: Real>(&self, p: &[T], adjoint: &mut Adjoint<T>) {
        let mixing = self.levels.iter().filter_map(|level| level.coarser.as_ref()).flat_map(|(_, down, up)| [down, up]);
        let blocks = self.blocks.iter().flat_map(|block| [&block.first, &block.second]);
        for c in mixing.chain(blocks).chain([&self.input, &self.output]) {
            adjoint_weights(&p[c.weights.clone()], c.inputs, c.taps, c.outputs, &mut adjoint.0[c.adjoint.clone()]);
        }
    }

    /// Adds the gradient of `sum output_gradient out` (over output fields and sites) with respect to the parameters to
    /// `gradient`; if wanted, overwrites `input_gradient` with that with respect to the input.
    /// Uses the activations of the last [`UNet::forward`] on `tape`.
    #[allow(clippy::too_many_arguments)]
    pub fn backward<T: Real>(
        &self,
        p: &[T],
        adjoint: &Adjoint<T>,
        embedding: &EmbeddingTape<T>,
        output_gradient: &[T],
        gradient: &mut [T],
        input_gradient: Option<&mut [T]>,
        tape: &mut Tape<T>,
    ) {
        let (count, active) = (self.levels.len(), self.shape.activity(embedding.log_sigma()));
        let visited = active.visited();
        tape.modulation_gradient.fill(T::default());
        let last = &mut tape.temporary[0][..tape.last.len()];
        self.activation.apply(&tape.last, last);
        let fine = &self.levels[0].cube;
        Self::weight_gradient(&self.output, fine, last, output_gradient, gradient, &mut tape.scratch);
        forward(
            fine,
            output_gradient,
            (&adjoint.0[self.output.adjoint.clone()], None),
            false,
            &mut tape.stream[0],
            &mut tape.scratch,
        );
        self.activation.slope_times(&tape.last, &mut tape.stream[0]);
        for index in 0..visited {
            if index > 0
                && let Some((map, _, up)) = &self.levels[index - 1].coarser
            {
                let length = tape.stream[index - 1].len();
                let deep = &mut tape.temporary[0][..length];
                map.to_depth(&tape.stream[index - 1], deep);
                let point = &self.levels[index].point;
                Self::weight_gradient(up, point, &tape.up[index], deep, gradient, &mut tape.scratch);
                forward(
                    point,
                    deep,
                    (&adjoint.0[up.adjoint.clone()], None),
                    false,
                    &mut tape.stream[index],
                    &mut tape.scratch,
                );
            }
            if active.at(index) {
                self.block_backward(2 * count - 1 - index, adjoint, embedding, gradient, tape);
            }
        }
        for index in (0..visited).rev() {
            if index + 1 < visited
                && let Some((map, down, _)) = &self.levels[index].coarser
            {
                let point = &self.levels[index + 1].point;
                let coarse = &tape.stream[index + 1];
                Self::weight_gradient(down, point, &tape.down[index], coarse, gradient, &mut tape.scratch);
                let [deep, fine] = &mut tape.temporary;
                let length = tape.stream[index].len();
                forward(
                    point,
                    coarse,
                    (&adjoint.0[down.adjoint.clone()], None),
                    false,
                    &mut deep[..length],
                    &mut tape.scratch,
                );
                map.to_space(&deep[..length], &mut fine[..length]);
                tape.stream[index].iter_mut().zip(fine.iter()).for_each(|(a, &b)| *a += b);
            }
            if active.at(index) {
                self.block_backward(index, adjoint, embedding, gradient, tape);
            }
        }
        Self::weight_gradient(&self.input, fine, &tape.input, &tape.stream[0], gradient, &mut tape.scratch);
        if let Some(input_gradient) = input_gradient {
            forward(
                fine,
                &tape.stream[0],
                (&adjoint.0[self.input.adjoint.clone()], None),
                false,
                input_gradient,
                &mut tape.scratch,
            );
        }
        self.embedding.backward(p, embedding, &tape.modulation_gradient, gradient);
    }

    fn weight_gradient<T: Real>(
        c: &Convolution,
        stencil: &Stencil,
        input: &[T],
        g: &[T],
        gradient: &mut [T],
        s: &mut ConvolutionScratch<T>,
    ) {
        // The bias follows its weights in the flat vector; an odd network has none.
        let (weights, bias) = gradient[c.weights.start..c.bias.end].split_at_mut(c.weights.len());
        backward_weights(stencil, input, g, weights, (!bias.is_empty()).then_some(bias), s);
    }

    fn block_backward<T: Real>(
        &self,
        index: usize,
        adjoint: &Adjoint<T>,
        embedding: &EmbeddingTape<T>,
        gradient: &mut [T],
        tape: &mut Tape<T>,
    ) {
        let block = &self.blocks[index];
        let cube = &self.levels[block.level].cube;
        let kept = &tape.blocks[index];
        let stream = &mut tape.stream[block.level];
        let [active, h] = &mut tape.temporary;
        let (active, h) = (&mut active[..stream.len()], &mut h[..stream.len()]);
        self.activation.apply(&kept.modulated, active);
        Self::weight_gradient(&block.second, cube, active, stream, gradient, &mut tape.scratch);
        forward(cube, stream, (&adjoint.0[block.second.adjoint.clone()], None), false, h, &mut tape.scratch);
        self.activation.slope_times(&kept.modulated, h);
        let range = self.embedding.modulation(index);
        film_backward(
            &kept.h,
            &embedding.modulations[range.clone()],
            cube.sites(),
            h,
            &mut tape.modulation_gradient[range],
        );
        self.activation.apply(&kept.x, active);
        Self::weight_gradient(&block.first, cube, active, h, gradient, &mut tape.scratch);
        forward(cube, h, (&adjoint.0[block.first.adjoint.clone()], None), false, active, &mut tape.scratch);
        self.activation.slope_times(&kept.x, active);
        stream.iter_mut().zip(active.iter()).for_each(|(a, &b)| *a += b);
    }
}
