//! The score network of the literature, as a reference to compare with; not a product.
//!
//! Wang, Aarts, Zhou, JHEP 05 (2024) 060, appendix A, which is the time-dependent score network of Y. Song's tutorial
//! "score_sde" (arXiv:2011.13456): random Fourier features of t (Tancik et al., arXiv:2006.10739; frequencies fixed,
//! of standard deviation 30), a dense layer and swish; its result is added, through one dense layer a stage, to four
//! 3x3 convolutions of 32, 64, 128, 256 channels and strides 1, 2, 2, 2, and to three transposed convolutions back,
//! each followed by group normalisation (Wu, He, arXiv:1803.08494) and swish; encoder stages are concatenated to the
//! inputs of the decoder's, and a last transposed convolution returns one channel, which the score divides by
//! the standard deviation of the noise. 1.1 million weights.
//!
//! Three properties set it apart from [`super::UNet`]. Padding with zeros breaks the translation symmetry of the
//! periodic lattice. Group normalisation takes mean and variance over the whole lattice: it couples all
//! sites, and ties the network to the volume that trained it. And nothing makes it odd in the field.
//!
//! The paper fixes neither the padding nor a few smaller matters. Ours are: one ring of zeros around every convolution;
//! `output_padding` 1 in the transposed ones of stride 2, so that stride 2 halves the extents and every transposed
//! convolution returns exactly to those of its partner (it is the adjoint of a convolution of the same geometry);
//! hence extents divisible by 8. 4 groups wherever there are 32 channels, 32 elsewhere ([`CHANNELS`]); 1e-5 beside the
//! variance of a group; a bias in the last layer only; starting values uniform within fan_in^(-1/2), as is the
//! default of the software of the original. The field enters as it is, without scaling.
//!
//! Sums of the matrix products come from `ndarray`: their order depends on the instruction set, so bits may differ
//! between machines. On one machine they depend neither on the batch nor on threads.

mod convolution;
mod dense;
mod derivatives;
mod matrix;
mod normalisation;
mod pass;

#[cfg(test)]
mod tests;

pub use matrix::MatrixReal;
pub use pass::PublishedTape;

use super::parameters::{Initial, ParameterLayout};
use crate::error::{Error, Result};
use crate::lattice::Lattice;
use crate::rng::{Purpose, Stream};
use convolution::{PaddedConvolution, TAPS};
use dense::Dense;
use normalisation::GroupNorm;
use std::ops::Range;

/// Channels of the stages of the encoder, and the groups in which each number of channels is normalised.
pub const CHANNELS: [(usize, usize); 4] = [(32, 4), (64, 32), (128, 32), (256, 32)];
/// Width of the time embedding: half as many random frequencies, each with a sine and a cosine.
pub const EMBEDDING: usize = 256;
/// Standard deviation of the random frequencies, in turns per unit of time.
pub const FREQUENCY_SCALE: f64 = 30.0;
/// What the strides divide the extents by.
const COARSEST: usize = 8;
/// Stages with normalisation: four down, three up.
const STAGES: usize = 7;

/// A convolution of the network, in the direction in which it is used.
struct Layer {
    convolution: PaddedConvolution,
    /// Used as its adjoint, from the coarse side to the fine one.
    transposed: bool,
    weights: Range<usize>,
}

impl Layer {
    fn outputs(&self) -> usize {
        if self.transposed { self.convolution.fine_channels } else { self.convolution.coarse_channels }
    }

    fn output_sites(&self) -> usize {
        if self.transposed { self.convolution.fine_sites() } else { self.convolution.coarse_sites() }
    }
}

/// What follows a convolution: the time embedding added, normalisation, gain and shift, swish.
struct Finish {
    dense: Dense,
    norm: GroupNorm,
    /// The gain less one, so that zero is its start.
    gain: Range<usize>,
    shift: Range<usize>,
}

/// The network on one lattice. Weights are kept outside.
pub struct PublishedUNet {
    layout: ParameterLayout,
    /// Angular frequencies of the Fourier features, 2 pi times the random ones.
    frequencies: Vec<f64>,
    embedding: Dense,
    /// The stages, then the last layer.
    layers: Vec<Layer>,
    finishes: Vec<Finish>,
    bias: Range<usize>,
    sites: usize,
    /// Fields that go in and come out.
    fields: [usize; 2],
}

/// Fields that the network of link angles reads, the cosines and sines of both links of a site, and those that it returns.
const LINK_FIELDS: [usize; 2] = [4, 2];

/// Which earlier stage is concatenated to the input of layer `index`.
fn skip(index: usize) -> Option<usize> {
    (index > CHANNELS.len()).then(|| STAGES - index)
}

impl PublishedUNet {
    /// The network on `lattice`; the fixed random frequencies are a function of `seed`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless the lattice has rank 2, one component and extents divisible by 8.
    pub fn new(lattice: &Lattice, seed: u64) -> Result<Self> {
        let extents = lattice.extents();
        let fits = extents.len() == 2 && lattice.components() == 1 && extents.iter().all(|n| n % COARSEST == 0);
        if !fits {
            let found = format!("{extents:?} with {} components", lattice.components());
            return Err(Error::invalid("lattice of the published network", found, "two extents divisible by 8"));
        }
        Self::with_fields([extents[0], extents[1]], [1, 1], false, seed)
    }

    /// The same network for link angles, on which Zhu, Aarts, Wang, Zhou, Wang (arXiv:2502.05504) use one of its kind: it reads
    /// the cosines and sines of the angles and returns two fields, with periodic padding. It knows nothing of gauge
    /// transformations.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless the lattice has rank 2, two components and extents divisible by 8.
    pub fn of_links(lattice: &Lattice, seed: u64) -> Result<Self> {
        let extents = lattice.extents();
        let fits = extents.len() == 2 && lattice.components() == 2 && extents.iter().all(|n| n % COARSEST == 0);
        if !fits {
            let found = format!("{extents:?} with {} components", lattice.components());
            let expected = "two extents divisible by 8 and two components";
            return Err(Error::invalid("lattice of the network on link angles", found, expected));
        }
        Self::with_fields([extents[0], extents[1]], LINK_FIELDS, true, seed)
    }

    fn with_fields(extents: [usize; 2], fields: [usize; 2], periodic: bool, seed: u64) -> Result<Self> {
        let mut layout = ParameterLayout::default();
        let embedding = Dense::new(&mut layout, "embedding", EMBEDDING, EMBEDDING);
        let (mut layers, mut finishes) = (vec![], vec![]);
        let mut fine = extents;
        let mut inputs = fields[0];
        for (index, &(channels, groups)) in CHANNELS.iter().enumerate() {
            let convolution = PaddedConvolution::new(fine, if index == 0 { 1 } else { 2 }, inputs, channels);
            let convolution = convolution.periodic(periodic);
            fine = convolution.coarse_extents();
            layers.push(Layer::new(&mut layout, &format!("down{index}"), convolution, false));
            finishes.push(Finish::new(&mut layout, &format!("down{index}"), channels, groups));
            inputs = channels;
        }
        for index in (0..CHANNELS.len() - 1).rev() {
            let (channels, groups) = CHANNELS[index];
            // All but the first stage of the decoder read two stages.
            let read = if index + 2 == CHANNELS.len() { inputs } else { 2 * inputs };
            fine = fine.map(|n| 2 * n);
            let convolution = PaddedConvolution::new(fine, 2, channels, read).periodic(periodic);
            layers.push(Layer::new(&mut layout, &format!("up{index}"), convolution, true));
            finishes.push(Finish::new(&mut layout, &format!("up{index}"), channels, groups));
            inputs = channels;
        }
        let convolution = PaddedConvolution::new(fine, 1, fields[1], 2 * inputs).periodic(periodic);
        layers.push(Layer::new(&mut layout, "output", convolution, true));
        let bias = layout.push("output.bias".into(), &[fields[1]], Initial::Uniform { fan_in: TAPS * fields[1] });
        let mut frequencies = vec![0.0; EMBEDDING / 2];
        // A level that no entry of the layout uses.
        let level = layout.entries().len() as u32;
        Stream::new(seed, 0, 0)?.normals(Purpose::Weights, level, &mut frequencies);
        frequencies.iter_mut().for_each(|w| *w *= std::f64::consts::TAU * FREQUENCY_SCALE);
        let sites = extents[0] * extents[1];
        Ok(PublishedUNet { layout, frequencies, embedding, layers, finishes, bias, sites, fields })
    }

    /// Names, shapes and starts of the weights.
    pub fn layout(&self) -> &ParameterLayout {
        &self.layout
    }

    /// The fixed angular frequencies of the Fourier features.
    pub fn frequencies(&self) -> &[f64] {
        &self.frequencies
    }

    /// Sites of the lattice.
    pub fn sites(&self) -> usize {
        self.sites
    }

    /// Whether it is a network of link angles.
    pub fn is_of_links(&self) -> bool {
        self.fields == LINK_FIELDS
    }

    /// Values that it returns for one field: one a site, or one a link.
    pub fn outputs(&self) -> usize {
        self.fields[1] * self.sites
    }

    /// Values that it reads for one field.
    pub fn inputs(&self) -> usize {
        self.fields[0] * self.sites
    }

    /// Multiplications with addition for one field, of convolutions and dense layers.
    pub fn multiply_adds(&self) -> usize {
        let layers = self.layers.iter().map(|layer| layer.weights.len() * layer.convolution.coarse_sites());
        let dense = self.finishes.iter().map(|finish| &finish.dense).chain([&self.embedding]);
        layers.sum::<usize>() + dense.map(Dense::multiply_adds).sum::<usize>()
    }
}

impl Layer {
    fn new(layout: &mut ParameterLayout, name: &str, convolution: PaddedConvolution, transposed: bool) -> Self {
        let (coarse, fine) = (convolution.coarse_channels, convolution.fine_channels);
        // The original's default counts the fine channels in both directions.
        let initial = Initial::Uniform { fan_in: fine * TAPS };
        let weights = layout.push(format!("{name}.weight"), &[coarse, fine, TAPS], initial);
        Layer { convolution, transposed, weights }
    }
}

impl Finish {
    fn new(layout: &mut ParameterLayout, name: &str, channels: usize, groups: usize) -> Self {
        Finish {
            dense: Dense::new(layout, &format!("{name}.time"), EMBEDDING, channels),
            norm: GroupNorm { channels, groups },
            gain: layout.push(format!("{name}.gain_less_one"), &[channels], Initial::Zero),
            shift: layout.push(format!("{name}.shift"), &[channels], Initial::Zero),
        }
    }
}
