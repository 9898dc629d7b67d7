//! Time conditioning: Fourier features of ln sigma and of the couplings, two dense layers, and one modulation a
//! block.

use super::parameters::{Initial, ParameterLayout};
use super::pointwise::{dense, dense_backward, silu, silu_slope_times};
use super::simd::Real;
use std::ops::Range;

/// Number of frequencies; sines and cosines give twice as many features.
const FREQUENCIES: usize = 8;

/// The angular frequencies in ln sigma: 0.1 to 1.5, linearly spaced. The slowest turns once over
/// far more than the range of noise levels (6 to 8 in ln sigma), the fastest resolves a factor of two.
pub fn frequencies() -> [f64; FREQUENCIES] {
    std::array::from_fn(|j| 0.1 + 1.4 * j as f64 / (FREQUENCIES - 1) as f64)
}

/// Features of each coupling.
const CONDITION_FEATURES: usize = 3;

/// What the first layer sees of a coupling c of order 1: c for the trend, and sin 2c and cos 2c, which bend once
/// over (-1, 1) and stay bounded beyond. (The steep dependence near a critical point is in the covariance, which
/// the network gets by its inputs.)
pub fn condition_features(condition: f64) -> [f64; CONDITION_FEATURES] {
    let (sine, cosine) = libm::sincos(2.0 * condition);
    [condition, sine, cosine]
}

struct Dense {
    weights: Range<usize>,
    bias: Range<usize>,
}

impl Dense {
    fn new(layout: &mut ParameterLayout, name: &str, inputs: usize, outputs: usize) -> Self {
        let initial = Initial::Uniform { fan_in: inputs };
        Dense {
            weights: layout.push(format!("{name}.weight"), &[inputs, outputs], initial),
            bias: layout.push(format!("{name}.bias"), &[outputs], initial),
        }
    }
}

/// The layers of the embedding.
pub struct Embedding {
    first: Dense,
    second: Dense,
    blocks: Vec<Dense>,
    width: usize,
    conditions: usize,
    modulations: Vec<Range<usize>>,
}

/// What the backward pass needs, and the result: the modulations of all blocks.
#[derive(Clone, Debug, Default)]
pub struct EmbeddingTape<T> {
    log_sigma: f64,
    features: Vec<T>,
    first: Vec<T>,
    first_active: Vec<T>,
    second: Vec<T>,
    second_active: Vec<T>,
    /// Scales and, unless the network is odd, shifts of every block, see [`Embedding::modulation`].
    pub modulations: Vec<T>,
}

impl<T> EmbeddingTape<T> {
    /// The noise level that was embedded last.
    pub fn log_sigma(&self) -> f64 {
        self.log_sigma
    }
}

impl Embedding {
    /// Adds the layers to `layout`; `blocks` are the names of the modulated blocks in order, and how many
    /// values modulate each.
    pub(super) fn new(
        layout: &mut ParameterLayout,
        (width, conditions): (usize, usize),
        blocks: &[(String, usize)],
    ) -> Self {
        let features = 2 * FREQUENCIES + CONDITION_FEATURES * conditions;
        let first = Dense::new(layout, "embedding.first", features, width);
        let second = Dense::new(layout, "embedding.second", width, width);
        let mut start = 0;
        let modulations = blocks.iter().map(|(_, values)| {
            start += values;
            start - values..start
        });
        Embedding {
            modulations: modulations.collect(),
            blocks: blocks
                .iter()
                .map(|(name, values)| Dense::new(layout, &format!("{name}.modulation"), width, *values))
                .collect(),
            first,
            second,
            width,
            conditions,
        }
    }

    /// Where the modulation of a block lies in [`EmbeddingTape::modulations`].
    pub fn modulation(&self, block: usize) -> Range<usize> {
        self.modulations[block].clone()
    }

    /// A tape with all its memory.
    pub fn tape<T: Real>(&self) -> EmbeddingTape<T> {
        let wide = vec![T::default(); self.width];
        EmbeddingTape {
            log_sigma: f64::NAN,
            features: vec![T::default(); 2 * FREQUENCIES + CONDITION_FEATURES * self.conditions],
            first: wide.clone(),
            first_active: wide.clone(),
            second: wide.clone(),
            second_active: wide,
            modulations: vec![T::default(); self.modulations.last().map_or(0, |range| range.end)],
        }
    }

    /// Modulations for noise of standard deviation sigma relative to the signal, and for couplings that the caller
    /// normalised to order 1.
    ///
    /// # Panics
    /// For another number of couplings than the network has; models check theirs when they are put together.
    pub fn forward<T: Real>(&self, parameters: &[T], log_sigma: f64, conditions: &[f64], tape: &mut EmbeddingTape<T>) {
        assert_eq!(conditions.len(), self.conditions, "couplings that the network sees");
        tape.log_sigma = log_sigma;
        for (j, frequency) in frequencies().into_iter().enumerate() {
            let (sine, cosine) = libm::sincos(frequency * log_sigma);
            tape.features[j] = T::from_f64(sine);
            tape.features[FREQUENCIES + j] = T::from_f64(cosine);
        }
        let features = tape.features[2 * FREQUENCIES..].chunks_exact_mut(CONDITION_FEATURES);
        for (features, &condition) in features.zip(conditions) {
            features.iter_mut().zip(condition_features(condition)).for_each(|(to, value)| *to = T::from_f64(value));
        }
        let layer = |layer: &Dense, x: &[T], out: &mut [T]| {
            dense(x, &parameters[layer.weights.clone()], &parameters[layer.bias.clone()], out);
        };
        layer(&self.first, &tape.features, &mut tape.first);
        silu(&tape.first, &mut tape.first_active);
        layer(&self.second, &tape.first_active, &mut tape.second);
        silu(&tape.second, &mut tape.second_active);
        for (block, range) in self.blocks.iter().zip(&self.modulations) {
            layer(block, &tape.second_active, &mut tape.modulations[range.clone()]);
        }
    }

    /// Adds to the gradient of the parameters, given that of the modulations.
    pub fn backward<T: Real>(&self, parameters: &[T], tape: &EmbeddingTape<T>, modulations: &[T], gradient: &mut [T]) {
        let mut layer = |layer: &Dense, x: &[T], g: &[T], input: Option<&mut [T]>| {
            // Weights come right before the bias in the flat vector.
            let (weights, bias) = gradient[layer.weights.start..layer.bias.end].split_at_mut(layer.weights.len());
            dense_backward(x, &parameters[layer.weights.clone()], g, (weights, bias), input);
        };
        let mut second = vec![T::default(); self.width];
        for (block, range) in self.blocks.iter().zip(&self.modulations) {
            layer(block, &tape.second_active, &modulations[range.clone()], Some(&mut second));
        }
        silu_slope_times(&tape.second, &mut second);
        let mut first = vec![T::default(); self.width];
        layer(&self.second, &tape.first_active, &second, Some(&mut first));
        silu_slope_times(&tape.first, &mut first);
        layer(&self.first, &tape.features, &first, None);
    }
}
