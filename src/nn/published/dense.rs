//! Dense layers on a batch, `[feature][sample]`.

use super::matrix::{MatrixReal, matrix, multiply};
use crate::nn::parameters::{Initial, ParameterLayout};
use std::ops::Range;

/// out = w x + b, with w as `[output, input]`.
pub(super) struct Dense {
    weights: Range<usize>,
    bias: Range<usize>,
}

impl Dense {
    pub fn new(layout: &mut ParameterLayout, name: &str, inputs: usize, outputs: usize) -> Self {
        let initial = Initial::Uniform { fan_in: inputs };
        Dense {
            weights: layout.push(format!("{name}.weight"), &[outputs, inputs], initial),
            bias: layout.push(format!("{name}.bias"), &[outputs], initial),
        }
    }

    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    pub fn multiply_adds(&self) -> usize {
        self.weights.len()
    }

    pub fn forward<T: MatrixReal>(&self, parameters: &[T], x: &[T], batch: usize, out: &mut [T]) {
        out.chunks_exact_mut(batch).zip(&parameters[self.bias.clone()]).for_each(|(row, &b)| row.fill(b));
        let inputs = x.len() / batch;
        multiply(matrix(&parameters[self.weights.clone()], self.outputs()), matrix(x, inputs), true, out);
    }

    /// Adds to the gradients of weights, bias and, if wanted, `x`.
    pub fn backward<T: MatrixReal>(
        &self,
        parameters: &[T],
        (x, out_gradient): (&[T], &[T]),
        batch: usize,
        gradient: &mut [T],
        x_gradient: Option<&mut [T]>,
    ) {
        let (inputs, outputs) = (x.len() / batch, self.outputs());
        let g = matrix(out_gradient, outputs);
        multiply(g, matrix(x, inputs).reversed_axes(), true, &mut gradient[self.weights.clone()]);
        for (sum, row) in gradient[self.bias.clone()].iter_mut().zip(out_gradient.chunks_exact(batch)) {
            row.iter().for_each(|&g| *sum += g);
        }
        if let Some(x_gradient) = x_gradient {
            multiply(matrix(&parameters[self.weights.clone()], outputs).reversed_axes(), g, true, x_gradient);
        }
    }
}
