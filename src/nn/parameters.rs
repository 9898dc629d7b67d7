//! The weights of a network: one flat vector, and the names and shapes of its parts.

use super::simd::Real;
use crate::rng::{Purpose, Stream};

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// Zero: residual branches and the output start switched off, so that an untrained network is
    /// the Gaussian denoiser.
    Zero,
    /// Uniform on (-a, a) with a = 1/sqrt(fan_in).
    Uniform {
        /// Number of values that each output sums.
        fan_in: usize,
    },
}

/// One named array in the flat vector.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Unique name, for example `level0.down.first.weight`.
    pub name: String,
    /// Native shape: `[input channel, tap, output channel]`, `[input, output]`, or `[output]`.
    pub shape: Vec<usize>,
    /// First index in the flat vector.
    pub offset: usize,
    /// How it starts.
    pub initial: Initial,
}

impl Entry {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Indices in the flat vector.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len()
    }
}

/// The list of entries of a network.
#[derive(Clone, Debug, Default)]
pub struct ParameterLayout {
    entries: Vec<Entry>,
    total: usize,
}

impl ParameterLayout {
    /// Appends an entry and returns its range.
    pub(super) fn push(&mut self, name: String, shape: &[usize], initial: Initial) -> std::ops::Range<usize> {
        let entry = Entry { name, shape: shape.to_vec(), offset: self.total, initial };
        let range = entry.range();
        self.total = range.end;
        self.entries.push(entry);
        range
    }

    /// All entries, in the order of the flat vector.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Length of the flat vector.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Starting values, a function of the seed alone.
    pub fn initial<T: Real>(&self, stream: &Stream) -> Vec<T> {
        let mut values = vec![T::default(); self.total];
        for (level, entry) in self.entries.iter().enumerate() {
            if let Initial::Uniform { fan_in } = entry.initial {
                let bound = 1.0 / (fan_in as f64).sqrt();
                for (index, value) in values[entry.range()].iter_mut().enumerate() {
                    let u = stream.uniform(Purpose::Weights, level as u32, index as u32);
                    *value = T::from_f64(bound * (2.0 * u - 1.0));
                }
            }
        }
        values
    }
}
