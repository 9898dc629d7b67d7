//! A small U-Net on a periodic lattice (after Ronneberger et al., arXiv:1505.04597, without padding
//! effects, normalisation or attention): residual blocks modulated by the noise level, at resolutions
//! that halve by space-to-depth. Translation-equivariant up to the coarsest cell.

use super::convolution::{ConvolutionScratch, Stencil, forward};
use super::embedding::{Embedding, EmbeddingTape};
use super::parameters::{Initial, ParameterLayout};
use super::pointwise::{film, silu};
use super::rearrange::SpaceToDepth;
use super::simd::Real;
use crate::error::{Error, Result};
use crate::lattice::Lattice;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The sizes that determine a network, whatever the lattice.
///
/// `outputs` and `reach` came later: absent from a description they are 1, and with that value they are
/// not written, so that older model files keep their bytes and their fingerprints.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UNetShape {
    /// Input fields.
    pub inputs: usize,
    /// Channels at each resolution, finest first.
    pub channels: Vec<usize>,
    /// Width of the time embedding.
    pub embedding: usize,
    /// Output fields: the components of the field.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub outputs: usize,
    /// Sites that a stencil reaches along each axis. 1: stencils of 3^rank sites. 0: none but its own,
    /// which with one resolution is the same perceptron at every site, for independent sites.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub reach: usize,
}

/// What a key means that an older description lacks.
pub(crate) fn one() -> usize {
    1
}

/// Whether a key need not be written.
pub(crate) fn is_one(value: &usize) -> bool {
    *value == 1
}

impl Default for UNetShape {
    /// For a field of one component and interactions between sites.
    fn default() -> Self {
        UNetShape { inputs: 2, channels: vec![24, 32, 48], embedding: 64, outputs: 1, reach: 1 }
    }
}

impl std::fmt::Debug for UNetShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = f.debug_struct("UNetShape");
        text.field("inputs", &self.inputs).field("channels", &self.channels).field("embedding", &self.embedding);
        let later = [("outputs", self.outputs), ("reach", self.reach)];
        later.iter().filter(|(_, value)| !is_one(value)).for_each(|(name, value)| {
            text.field(name, value);
        });
        text.finish()
    }
}

/// A convolution's place in the flat parameter vector.
#[derive(Clone, Debug)]
pub(super) struct Convolution {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) taps: usize,
    pub(super) weights: Range<usize>,
    pub(super) bias: Range<usize>,
    /// Where its adjoint weights lie in `Adjoint`.
    pub(super) adjoint: Range<usize>,
}

/// Residual block: `x + second(silu(film(first(silu(x)))))`.
pub(super) struct Block {
    pub(super) first: Convolution,
    pub(super) second: Convolution,
    pub(super) level: usize,
}

pub(super) struct Level {
    /// The stencil of the blocks: 3^rank sites, or one without reach.
    pub(super) cube: Stencil,
    pub(super) point: Stencil,
    pub(super) channels: usize,
    /// To the next coarser level, with its two channel-mixing matrices.
    pub(super) coarser: Option<(SpaceToDepth, Convolution, Convolution)>,
}

/// The network on one lattice. Parameters are kept outside, so that one network serves training
/// (many parameter versions) and sampling.
pub struct UNet {
    shape: UNetShape,
    layout: ParameterLayout,
    pub(super) levels: Vec<Level>,
    pub(super) input: Convolution,
    pub(super) output: Convolution,
    /// Blocks in the order of evaluation: down the levels, then up.
    pub(super) blocks: Vec<Block>,
    pub(super) embedding: Embedding,
    pub(super) adjoint_total: usize,
}

/// Activations of one configuration, kept for tangent and backward, with all scratch of a thread.
pub struct Tape<T> {
    pub(super) blocks: Vec<BlockTape<T>>,
    /// Input of the output layer, before its SiLU.
    pub(super) last: Vec<T>,
    /// Input of the network, needed for the weight gradient of the first layer.
    pub(super) input: Vec<T>,
    /// `[level]`: what the mixing to the next coarser level read, on the way down.
    pub(super) down: Vec<Vec<T>>,
    /// `[level]`: what the mixing to the next finer level read, on the way up.
    pub(super) up: Vec<Vec<T>>,
    /// `[level]`: the running sum of the residual blocks, and its tangent or gradient.
    pub(super) stream: Vec<Vec<T>>,
    pub(super) temporary: [Vec<T>; 2],
    pub(super) modulation_gradient: Vec<T>,
    pub(super) scratch: ConvolutionScratch<T>,
}

pub(super) struct BlockTape<T> {
    pub(super) x: Vec<T>,
    /// Output of the first convolution, before and after modulation.
    pub(super) h: Vec<T>,
    pub(super) modulated: Vec<T>,
}

struct Builder {
    layout: ParameterLayout,
    adjoint: usize,
}

impl Builder {
    fn convolution(&mut self, name: &str, taps: usize, inputs: usize, outputs: usize, zero: bool) -> Convolution {
        let initial = if zero { Initial::Zero } else { Initial::Uniform { fan_in: inputs * taps } };
        let weights = self.layout.push(format!("{name}.weight"), &[inputs, taps, outputs], initial);
        let bias = self.layout.push(format!("{name}.bias"), &[outputs], initial);
        let adjoint = self.adjoint..self.adjoint + weights.len();
        self.adjoint = adjoint.end;
        Convolution { inputs, outputs, taps, weights, bias, adjoint }
    }

    fn block(&mut self, name: &str, level: usize, channels: usize, taps: usize) -> Block {
        let first = self.convolution(&format!("{name}.first"), taps, channels, channels, false);
        let second = self.convolution(&format!("{name}.second"), taps, channels, channels, true);
        Block { first, second, level }
    }
}

impl UNet {
    /// The network on `lattice`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for empty sizes, a reach above 1, several resolutions without reach, or
    /// when the lattice cannot be halved often enough.
    pub fn new(shape: &UNetShape, lattice: &Lattice) -> Result<Self> {
        let sizes = shape.channels.iter().chain([&shape.inputs, &shape.embedding, &shape.outputs]);
        if shape.channels.is_empty() || sizes.clone().any(|&n| n == 0 || n > 4096) {
            return Err(Error::invalid("network shape", format!("{shape:?}"), "sizes between 1 and 4096"));
        }
        if shape.reach > 1 || (shape.reach == 0 && shape.channels.len() > 1) {
            let found = format!("{} with {} resolutions", shape.reach, shape.channels.len());
            return Err(Error::invalid("network reach", found, "1, or 0 with one resolution (independent sites)"));
        }
        let mut builder = Builder { layout: ParameterLayout::default(), adjoint: 0 };
        let taps = (2 * shape.reach + 1).pow(lattice.rank() as u32);
        let stencil = |at: &Lattice| if shape.reach == 0 { Stencil::point(at) } else { Stencil::cube(at) };
        let count = shape.channels.len();
        let input = builder.convolution("input", taps, shape.inputs, shape.channels[0], false);
        let mut levels = Vec::with_capacity(count);
        let mut at = lattice.clone();
        for (index, &channels) in shape.channels.iter().enumerate() {
            let mut level = Level { cube: stencil(&at), point: Stencil::point(&at), channels, coarser: None };
            if let Some(&next) = shape.channels.get(index + 1) {
                let (map, coarse) = SpaceToDepth::new(&at).ok_or_else(|| {
                    let depth = format!("{} resolutions on extents {:?}", count, lattice.extents());
                    Error::invalid(
                        "network channels",
                        depth,
                        "extents divisible by 2^(resolutions - 1), and at least twice that",
                    )
                })?;
                let wide = map.corners() * channels;
                let down = builder.convolution(&format!("level{index}.coarsen"), 1, wide, next, false);
                let up = builder.convolution(&format!("level{index}.refine"), 1, next, wide, false);
                level.coarser = Some((map, down, up));
                at = coarse;
            }
            levels.push(level);
        }
        let order = (0..count).map(|level| (level, "down")).chain((0..count).rev().map(|level| (level, "up")));
        let names: Vec<(String, usize)> = order.map(|(level, way)| (format!("level{level}.{way}"), level)).collect();
        let blocks =
            names.iter().map(|(name, level)| builder.block(name, *level, shape.channels[*level], taps)).collect();
        let modulated: Vec<_> = names.into_iter().map(|(name, level)| (name, shape.channels[level])).collect();
        let output = builder.convolution("output", taps, shape.channels[0], shape.outputs, true);
        let Builder { mut layout, adjoint } = builder;
        let embedding = Embedding::new(&mut layout, shape.embedding, &modulated);
        Ok(UNet { shape: shape.clone(), layout, levels, input, output, blocks, embedding, adjoint_total: adjoint })
    }

    /// Sizes.
    pub fn shape(&self) -> &UNetShape {
        &self.shape
    }

    /// Names and places of the parameters.
    pub fn layout(&self) -> &ParameterLayout {
        &self.layout
    }

    /// The time embedding.
    pub fn embedding(&self) -> &Embedding {
        &self.embedding
    }

    /// Multiply-adds of one forward evaluation.
    pub fn multiply_adds(&self) -> usize {
        let cost = |level: usize, c: &Convolution| c.weights.len() * self.levels[level].cube.sites();
        let blocks: usize = self.blocks.iter().map(|b| cost(b.level, &b.first) + cost(b.level, &b.second)).sum();
        let mixing: usize = self
            .levels
            .iter()
            .enumerate()
            .filter_map(|(index, level)| {
                level.coarser.as_ref().map(|(_, down, up)| cost(index + 1, down) + cost(index + 1, up))
            })
            .sum();
        blocks + mixing + cost(0, &self.input) + cost(0, &self.output)
    }

    /// A tape with all its memory: evaluation allocates nothing afterwards.
    pub fn tape<T: Real>(&self) -> Tape<T> {
        let buffer = |length: usize| vec![T::default(); length];
        let size = |level: &Level| level.channels * level.cube.sites();
        let widest = self.levels.iter().map(size).max().unwrap_or(0);
        let mut scratch = ConvolutionScratch::default();
        for block in &self.blocks {
            let level = &self.levels[block.level];
            scratch.reserve(&level.cube, level.channels, level.channels);
        }
        let widest_end = self.shape.inputs.max(self.levels[0].channels).max(self.shape.outputs);
        scratch.reserve(&self.levels[0].cube, self.shape.inputs, widest_end);
        for (level, next) in self.levels.iter().zip(self.levels.iter().skip(1)) {
            if let Some((_, down, _)) = &level.coarser {
                scratch.reserve(&next.point, down.inputs, down.inputs);
            }
        }
        Tape {
            blocks: self
                .blocks
                .iter()
                .map(|block| {
                    let n = size(&self.levels[block.level]);
                    BlockTape { x: buffer(n), h: buffer(n), modulated: buffer(n) }
                })
                .collect(),
            last: buffer(size(&self.levels[0])),
            input: buffer(self.shape.inputs * self.levels[0].cube.sites()),
            down: self.levels.iter().map(|level| buffer(size(level))).collect(),
            up: self.levels.iter().map(|level| buffer(size(level))).collect(),
            stream: self.levels.iter().map(|level| buffer(size(level))).collect(),
            temporary: [buffer(widest), buffer(widest)],
            modulation_gradient: buffer(self.embedding.modulation(self.blocks.len() - 1).end),
            scratch,
        }
    }

    fn apply<T: Real>(
        c: &Convolution,
        stencil: &Stencil,
        p: &[T],
        input: &[T],
        add: bool,
        out: &mut [T],
        s: &mut ConvolutionScratch<T>,
    ) {
        forward(stencil, input, (&p[c.weights.clone()], Some(&p[c.bias.clone()])), add, out, s);
    }

    /// Evaluates the network: `input` holds `[input field][site]`, `out` becomes `[output field][site]`.
    pub fn forward<T: Real>(
        &self,
        p: &[T],
        embedding: &EmbeddingTape<T>,
        input: &[T],
        out: &mut [T],
        tape: &mut Tape<T>,
    ) {
        let count = self.levels.len();
        tape.input.copy_from_slice(input);
        Self::apply(&self.input, &self.levels[0].cube, p, input, false, &mut tape.stream[0], &mut tape.scratch);
        for index in 0..count {
            self.block_forward(index, p, embedding, tape);
            if let Some((map, down, _)) = &self.levels[index].coarser {
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
        for index in (0..count).rev() {
            self.block_forward(2 * count - 1 - index, p, embedding, tape);
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
        let active = &mut tape.temporary[0][..tape.last.len()];
        silu(&tape.last, active);
        Self::apply(&self.output, &self.levels[0].cube, p, active, false, out, &mut tape.scratch);
    }

    fn block_forward<T: Real>(&self, index: usize, p: &[T], embedding: &EmbeddingTape<T>, tape: &mut Tape<T>) {
        let block = &self.blocks[index];
        let level = &self.levels[block.level];
        let kept = &mut tape.blocks[index];
        let stream = &mut tape.stream[block.level];
        let active = &mut tape.temporary[0][..stream.len()];
        kept.x.copy_from_slice(stream);
        silu(&kept.x, active);
        Self::apply(&block.first, &level.cube, p, active, false, &mut kept.h, &mut tape.scratch);
        film(
            &kept.h,
            &embedding.modulations[self.embedding.modulation(index)],
            level.cube.sites(),
            &mut kept.modulated,
        );
        silu(&kept.modulated, active);
        Self::apply(&block.second, &level.cube, p, active, true, stream, &mut tape.scratch);
    }
}
