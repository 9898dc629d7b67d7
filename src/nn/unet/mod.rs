//! A small U-Net on a periodic lattice (after Ronneberger et al., arXiv:1505.04597, without padding
//! effects, normalisation or attention): residual blocks modulated by the noise level, at resolutions
//! that halve by space-to-depth. Translation-equivariant up to the coarsest cell.

use super::convolution::{ConvolutionScratch, Stencil};
use super::embedding::Embedding;
use super::parameters::{Initial, ParameterLayout};
use super::pointwise::Activation;
use super::rearrange::SpaceToDepth;
use super::simd::Real;
use crate::error::{Error, Result};
use crate::lattice::Lattice;
use bands::Activity;
use std::ops::Range;

mod bands;
mod derivatives;
mod forward;
mod presets;
mod shape;
#[cfg(test)]
mod tests;

pub use derivatives::Adjoint;
pub use shape::UNetShape;
pub(crate) use shape::{is_one, one};

/// A convolution's place in the flat parameter vector.
#[derive(Clone, Debug)]
struct Convolution {
    inputs: usize,
    outputs: usize,
    taps: usize,
    weights: Range<usize>,
    /// Right after the weights; empty in an odd network.
    bias: Range<usize>,
    /// Where its adjoint weights lie in `Adjoint`.
    adjoint: Range<usize>,
}

/// Residual block: `x + second(active(film(first(active(x)))))`.
struct Block {
    first: Convolution,
    second: Convolution,
    level: usize,
}

struct Level {
    /// The stencil of the blocks: 3^rank sites, or one without reach.
    cube: Stencil,
    point: Stencil,
    channels: usize,
    /// To the next coarser level, with its two channel-mixing matrices.
    coarser: Option<(SpaceToDepth, Convolution, Convolution)>,
}

/// The network on one lattice. Parameters are kept outside, so that one network serves training
/// (many parameter versions) and sampling.
pub struct UNet {
    shape: UNetShape,
    layout: ParameterLayout,
    levels: Vec<Level>,
    input: Convolution,
    output: Convolution,
    /// Blocks in the order of evaluation: down the levels, then up.
    blocks: Vec<Block>,
    activation: Activation,
    embedding: Embedding,
    adjoint_total: usize,
}

/// Activations of one configuration, kept for tangent and backward, with all scratch of a thread.
pub struct Tape<T> {
    blocks: Vec<BlockTape<T>>,
    /// Input of the output layer, before its activation.
    last: Vec<T>,
    /// Input of the network, needed for the weight gradient of the first layer.
    input: Vec<T>,
    /// `[level]`: what the mixing to the next coarser level read, on the way down.
    down: Vec<Vec<T>>,
    /// `[level]`: what the mixing to the next finer level read, on the way up.
    up: Vec<Vec<T>>,
    /// `[level]`: the running sum of the residual blocks, and its tangent or gradient.
    stream: Vec<Vec<T>>,
    temporary: [Vec<T>; 2],
    modulation_gradient: Vec<T>,
    scratch: ConvolutionScratch<T>,
}

struct BlockTape<T> {
    x: Vec<T>,
    /// Output of the first convolution, before and after modulation.
    h: Vec<T>,
    modulated: Vec<T>,
}

struct Builder {
    layout: ParameterLayout,
    biased: bool,
    adjoint: usize,
}

impl Builder {
    fn convolution(&mut self, name: &str, taps: usize, inputs: usize, outputs: usize, zero: bool) -> Convolution {
        let initial = if zero { Initial::Zero } else { Initial::Uniform { fan_in: inputs * taps } };
        let weights = self.layout.push(format!("{name}.weight"), &[inputs, taps, outputs], initial);
        let bias = match self.biased {
            true => self.layout.push(format!("{name}.bias"), &[outputs], initial),
            false => weights.end..weights.end,
        };
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
    /// [`Error::InvalidArgument`] for empty sizes, a reach above 1, several resolutions without reach, bands that are
    /// not one a resolution, or when the lattice cannot be halved often enough.
    pub fn new(shape: &UNetShape, lattice: &Lattice) -> Result<Self> {
        let sizes = shape.channels.iter().chain([&shape.inputs, &shape.embedding, &shape.outputs]);
        if shape.channels.is_empty() || sizes.clone().any(|&n| n == 0 || n > 4096) {
            return Err(Error::invalid("network shape", format!("{shape:?}"), "sizes between 1 and 4096"));
        }
        if shape.reach > 1 || (shape.reach == 0 && shape.channels.len() > 1) {
            let found = format!("{} with {} resolutions", shape.reach, shape.channels.len());
            return Err(Error::invalid("network reach", found, "1, or 0 with one resolution (independent sites)"));
        }
        shape.check_bands()?;
        if shape.conditions > 64 {
            return Err(Error::invalid("network conditions", shape.conditions, "at most 64 couplings"));
        }
        let mut builder = Builder { layout: ParameterLayout::default(), biased: !shape.odd, adjoint: 0 };
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
        // A scale for every channel, and a shift, which would not be odd.
        let each = if shape.odd { 1 } else { 2 };
        let modulated: Vec<_> = names.into_iter().map(|(name, level)| (name, each * shape.channels[level])).collect();
        let output = builder.convolution("output", taps, shape.channels[0], shape.outputs, true);
        let Builder { mut layout, adjoint, .. } = builder;
        let embedding = Embedding::new(&mut layout, (shape.embedding, shape.conditions), &modulated);
        let activation = if shape.odd { Activation::Odd } else { Activation::Silu };
        Ok(UNet {
            shape: shape.clone(),
            layout,
            levels,
            input,
            output,
            blocks,
            activation,
            embedding,
            adjoint_total: adjoint,
        })
    }

    /// Sizes.
    pub fn shape(&self) -> &UNetShape {
        &self.shape
    }

    /// Names and places of the parameters.
    pub fn layout(&self) -> &ParameterLayout {
        &self.layout
    }

    /// The convolutions between the first and the last, as matrices from all that an output sums to the outputs: places in the
    /// flat vector, ascending, and columns.
    pub fn hidden_matrices(&self) -> Vec<(Range<usize>, usize)> {
        let outer = [self.input.weights.start, self.output.weights.start];
        let entries = self.layout.entries().iter().filter(|entry| entry.shape.len() == 3);
        entries
            .map(|entry| (entry.range(), entry.shape[2]))
            .filter(|(range, _)| !outer.contains(&range.start))
            .collect()
    }

    /// The time embedding.
    pub fn embedding(&self) -> &Embedding {
        &self.embedding
    }

    /// Multiply-adds of one forward evaluation with every resolution at work.
    pub fn multiply_adds(&self) -> usize {
        self.cost(&Activity::all(self.levels.len()))
    }

    /// Multiply-adds of one forward evaluation at this noise level.
    pub fn multiply_adds_at(&self, log_sigma: f64) -> usize {
        self.cost(&self.shape.activity(log_sigma))
    }

    fn cost(&self, active: &Activity) -> usize {
        let cost = |level: usize, c: &Convolution| c.weights.len() * self.levels[level].cube.sites();
        let blocks = self.blocks.iter().filter(|block| active.at(block.level));
        let blocks: usize = blocks.map(|b| cost(b.level, &b.first) + cost(b.level, &b.second)).sum();
        let visited = self.levels[..active.visited() - 1].iter().enumerate();
        let mixing = visited.filter_map(|(index, level)| {
            level.coarser.as_ref().map(|(_, down, up)| cost(index + 1, down) + cost(index + 1, up))
        });
        blocks + mixing.sum::<usize>() + cost(0, &self.input) + cost(0, &self.output)
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
}
