//! Adam (Kingma, Ba, arXiv:1412.6980, algorithm 1), for the matrices of hidden layers orthogonalised steps (Jordan et al., Muon,
//! 2024), a cosine rate with warm-up, gradient clipping and the exponential moving average of the weights.

use super::orthogonal::Orthogonaliser;
use std::ops::Range;

/// Root mean square of the entries of an orthogonalised step, in units of the rate (Liu et al., arXiv:2502.16982, eq. 4): that of
/// a usual step of Adam, so that one rate serves both.
const ORTHOGONAL_STEP: f64 = 0.2;

/// Options of the optimiser.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamOptions {
    /// Largest learning rate.
    pub rate: f64,
    /// Steps over which the rate rises from zero.
    pub warm_up: u64,
    /// Decay of the mean of the gradient.
    pub beta1: f64,
    /// Decay of the mean of its square. A long memory does not follow a gradient that grows: with 0.999 four of five trainings of
    /// phi^4 on 16x16 at the largest rate had gradients of 10^5 times their usual norm, with 0.99 none.
    pub beta2: f64,
    /// Largest norm of the gradient, in units of its running mean: a rare long gradient would otherwise
    /// throw the weights out of a narrow valley, from which a small rate does not bring them back.
    pub clip: f64,
    /// Longest memory of the average of the weights.
    pub average: f64,
}

impl Default for AdamOptions {
    fn default() -> Self {
        AdamOptions { rate: 2.5e-3, warm_up: 500, beta1: 0.9, beta2: 0.99, clip: 2.0, average: 0.9995 }
    }
}

/// State of the optimiser, and the two sets of weights.
#[derive(Clone, Debug)]
pub struct Adam {
    options: AdamOptions,
    total: u64,
    step: u64,
    /// Running mean of the norm of the gradient.
    usual: f64,
    weights: Vec<f32>,
    average: Vec<f32>,
    first: Vec<f32>,
    /// Of no use in a matrix.
    second: Vec<f32>,
    parts: Vec<Part>,
    room: Orthogonaliser,
    direction: Vec<f32>,
}

/// Weights that are moved together.
#[derive(Clone, Debug)]
struct Part {
    range: Range<usize>,
    /// Of a matrix, whose steps are orthogonalised, row by row.
    columns: Option<usize>,
}

/// What an optimiser carries from step to step.
pub(super) struct AdamState {
    /// Steps taken.
    pub step: u64,
    /// Running mean of the norm of the gradient.
    pub usual: f64,
    /// Weights, their average, and the two moments of the gradient.
    pub parts: [Vec<f32>; 4],
}

impl Adam {
    /// For a checkpoint.
    pub(super) fn state(&self) -> AdamState {
        let parts = [&self.weights, &self.average, &self.first, &self.second].map(Vec::clone);
        AdamState { step: self.step, usual: self.usual, parts }
    }

    /// Goes on from a checkpoint of as many weights.
    pub(super) fn set_state(&mut self, state: AdamState) {
        (self.step, self.usual) = (state.step, state.usual);
        [self.weights, self.average, self.first, self.second] = state.parts;
    }

    /// Starts from `weights`, for `total` steps.
    pub fn new(weights: Vec<f32>, total: u64, options: AdamOptions) -> Self {
        let zero = vec![0.0; weights.len()];
        let parts = vec![Part { range: 0..weights.len(), columns: None }];
        Adam {
            parts,
            room: Orthogonaliser::default(),
            direction: vec![],
            options,
            total,
            step: 0,
            usual: 0.0,
            average: weights.clone(),
            weights,
            first: zero.clone(),
            second: zero,
        }
    }

    /// Orthogonalises the steps of `matrices`: ranges of the weights in ascending order, with the number of columns.
    pub fn with_matrices(mut self, matrices: impl IntoIterator<Item = (Range<usize>, usize)>) -> Self {
        self.parts.clear();
        let mut end = 0;
        for (range, columns) in matrices {
            self.parts.push(Part { range: end..range.start, columns: None });
            end = range.end;
            self.parts.push(Part { range, columns: Some(columns) });
        }
        self.parts.push(Part { range: end..self.weights.len(), columns: None });
        self
    }

    /// Weights at which to take the gradient.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Averaged weights: those to keep.
    pub fn average(&self) -> &[f32] {
        &self.average
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Changes the length of the schedule, before or while training.
    pub fn set_total(&mut self, total: u64) {
        self.total = total;
    }

    /// Learning rate of the next step: linear warm-up, then half a cosine to zero.
    pub fn rate(&self) -> f64 {
        let warm_up = ((self.step + 1) as f64 / self.options.warm_up.max(1) as f64).min(1.0);
        let progress = (self.step as f64 / self.total.max(1) as f64).min(1.0);
        self.options.rate * warm_up * 0.5 * (1.0 + libm::cos(std::f64::consts::PI * progress))
    }

    /// One step along `gradient`; returns its norm before clipping.
    pub fn update(&mut self, gradient: &[f32]) -> f64 {
        let norm = gradient.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt();
        let options = self.options;
        let longest = if self.step == 0 { norm } else { options.clip * self.usual };
        let clip = (longest / norm.max(1e-300)).min(1.0) as f32;
        self.usual = if self.step == 0 { norm } else { 0.98 * self.usual + 0.02 * norm.min(longest) };
        let rate = self.rate();
        self.step += 1;
        let n = self.step.min(1 << 30) as i32;
        let unbias1 = 1.0 - options.beta1.powi(n);
        let unbias2 = (1.0 - options.beta2.powi(n)).sqrt();
        let scale = (rate * unbias2 / unbias1) as f32;
        let (b1, b2, epsilon) = (options.beta1 as f32, options.beta2 as f32, (1e-8 * unbias2) as f32);
        // A short memory at first, so that the random start is forgotten.
        let memory = options.average.min(self.step as f64 / (self.step as f64 + 9.0)) as f32;
        for (m, &g) in self.first.iter_mut().zip(gradient) {
            *m = b1 * *m + (1.0 - b1) * (g * clip);
        }
        for Part { range, columns } in &self.parts {
            let (weights, gradient) = (&mut self.weights[range.clone()], &gradient[range.clone()]);
            let first = &self.first[range.clone()];
            let Some(columns) = *columns else {
                let state = first.iter().zip(&mut self.second[range.clone()]);
                for ((weight, &g), (m, v)) in weights.iter_mut().zip(gradient).zip(state) {
                    let g = g * clip;
                    *v = b2 * *v + (1.0 - b2) * g * g;
                    *weight -= scale * m / (v.sqrt() + epsilon);
                }
                continue;
            };
            // As Nesterov, looking ahead.
            self.direction.clear();
            self.direction.extend(first.iter().zip(gradient).map(|(m, g)| b1 * m + (1.0 - b1) * (g * clip)));
            self.room.apply(&mut self.direction, columns);
            let longer = columns.max(weights.len() / columns) as f64;
            let length = (rate * ORTHOGONAL_STEP * longer.sqrt()) as f32;
            weights.iter_mut().zip(&self.direction).for_each(|(weight, step)| *weight -= length * step);
        }
        for (average, weight) in self.average.iter_mut().zip(&self.weights) {
            *average = memory * *average + (1.0 - memory) * *weight;
        }
        norm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_step_has_the_length_of_the_rate_and_a_parabola_is_minimised() {
        let options = AdamOptions { warm_up: 1, clip: f64::INFINITY, ..AdamOptions::default() };
        let mut adam = Adam::new(vec![1.0, -2.0], 4000, options);
        adam.update(&[30.0, -0.01]);
        assert!((adam.weights()[0] - (1.0 - 2.5e-3)).abs() < 1e-6 && (adam.weights()[1] + 2.0 - 2.5e-3).abs() < 1e-6);
        for _ in 1..4000 {
            let gradient: Vec<f32> = adam.weights().iter().zip([0.5, -0.25]).map(|(w, at)| 2.0 * (w - at)).collect();
            adam.update(&gradient);
        }
        assert!((adam.average()[0] - 0.5).abs() < 1e-3 && (adam.average()[1] + 0.25).abs() < 1e-3);
        assert!(adam.rate() < 1e-9, "the cosine ends at zero");
    }

    /// A matrix takes steps of one root mean square whatever its gradient, the weights around it those of Adam.
    #[test]
    fn matrices_take_orthogonalised_steps() {
        let options = AdamOptions { warm_up: 1, clip: f64::INFINITY, ..AdamOptions::default() };
        let gradient = [1e-3, 2.0, 0.0, 0.0, 0.5, 0.0, 0.0, 7.0, -1.0];
        let mut with = Adam::new(vec![0.0; 9], 100, options).with_matrices([(1..7, 2)]);
        let mut without = Adam::new(vec![0.0; 9], 100, options);
        with.update(&gradient);
        without.update(&gradient);
        for index in [0, 7, 8] {
            assert_eq!(with.weights()[index], without.weights()[index]);
        }
        // Three rows of two with the singular values 2 and 0.5 along the axes.
        for (index, &step) in with.weights().iter().enumerate().take(7).skip(1) {
            let relative = -step / (2.5e-3 * 0.2 * 3f32.sqrt());
            match index {
                1 | 4 => assert!((0.6..1.3).contains(&relative), "{relative}"),
                _ => assert_eq!(step, 0.0),
            }
        }
    }

    #[test]
    fn long_gradients_are_clipped() {
        let mut adam = Adam::new(vec![0.0; 2], 10, AdamOptions { clip: 2.0, ..AdamOptions::default() });
        assert_eq!(adam.update(&[3.0, 4.0]), 5.0);
        assert!((adam.first[0] - 0.3).abs() < 1e-6);
        // Ten times the usual length: twice it is let through, and the usual length hardly grows.
        assert_eq!(adam.update(&[30.0, 40.0]), 50.0);
        assert!((adam.first[0] - (0.9 * 0.3 + 0.1 * 6.0)).abs() < 1e-5 && (adam.usual - 5.1).abs() < 1e-9);
    }
}
