//! Evaluation of the U-Net, which keeps what its derivatives need.

use super::super::convolution::{ConvolutionScratch, Stencil, forward};
use super::super::embedding::EmbeddingTape;
use super::super::pointwise::film;
use super::super::simd::Real;
use super::{Convolution, Tape, UNet};

impl UNet {
    fn apply<T: Real>(
        c: &Convolution,
        stencil: &Stencil,
        p: &[T],
        input: &[T],
        add: bool,
        out: &mut [T],
        s: &mut ConvolutionScratch<T>,
    ) {
        let bias = (!c.bias.is_empty()).then(|| &p[c.bias.clone()]);
        forward(stencil, input, (&p[c.weights.clone()], bias), add, out, s);
    }

    /// Evaluates the network: `input` holds `[input field][site]`, `out` becomes `[output field][site]`.
    /// `embedding` is that of the noise level, which also says which resolutions work ([`UNetShape::bands`]).
    pub fn forward<T: Real>(
        &self,
        p: &[T],
        embedding: &EmbeddingTape<T>,
        input: &[T],
        out: &mut [T],
        tape: &mut Tape<T>,
    ) {
        let (count, active) = (self.levels.len(), self.shape.activity(embedding.log_sigma()));
        let visited = active.visited();
        tape.input.copy_from_slice(input);
        Self::apply(&self.input, &self.levels[0].cube, p, input, false, &mut tape.stream[0], &mut tape.scratch);
        for index in 0..visited {
            if active.at(index) {
                self.block_forward(index, p, embedding, tape);
            }
            if index + 1 < visited
                && let Some((map, down, _)) = &self.levels[index].coarser
            {
                map.to_depth(&tape.stream[index], &mut tape.down[index]);
                Self::apply(
                    down,
                    &self.levels[index + 1].point,
                    p,
                    &tape.down[index],
                    false,
                    &mut tape.stream[index + 1],
                    &mut tape.scratch,
                );
            }
        }
        for index in (0..visited).rev() {
            if active.at(index) {
                self.block_forward(2 * count - 1 - index, p, embedding, tape);
            }
            if index > 0
                && let Some((map, _, up)) = &self.levels[index - 1].coarser
            {
                tape.up[index].copy_from_slice(&tape.stream[index]);
                let [deep, fine] = &mut tape.temporary;
                let length = tape.stream[index - 1].len();
                Self::apply(
                    up,
                    &self.levels[index].point,
                    p,
                    &tape.up[index],
                    false,
                    &mut deep[..length],
                    &mut tape.scratch,
                );
                map.to_space(&deep[..length], &mut fine[..length]);
                tape.stream[index - 1].iter_mut().zip(fine.iter()).for_each(|(a, &b)| *a += b);
            }
        }
        tape.last.copy_from_slice(&tape.stream[0]);
        let last = &mut tape.temporary[0][..tape.last.len()];
        self.activation.apply(&tape.last, last);
        Self::apply(&self.output, &self.levels[0].cube, p, last, false, out, &mut tape.scratch);
    }

    fn block_forward<T: Real>(&self, index: usize, p: &[T], embedding: &EmbeddingTape<T>, tape: &mut Tape<T>) {
        let block = &self.blocks[index];
        let level = &self.levels[block.level];
        let kept = &mut tape.blocks[index];
        let stream = &mut tape.stream[block.level];
        let active = &mut tape.temporary[0][..stream.len()];
        kept.x.copy_from_slice(stream);
        self.activation.apply(&kept.x, active);
        Self::apply(&block.first, &level.cube, p, active, false, &mut kept.h, &mut tape.scratch);
        film(
            &kept.h,
            &embedding.modulations[self.embedding.modulation(index)],
            level.cube.sites(),
            &mut kept.modulated,
        );
        self.activation.apply(&kept.modulated, active);
        Self::apply(&block.second, &level.cube, p, active, true, stream, &mut tape.scratch);
    }
}
