//! Options of a training, and what it reports.

use super::optimizer::AdamOptions;
use serde::{Deserialize, Serialize};

/// Options of a training.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainOptions {
    /// Channels at each resolution, finest first.
    pub channels: Vec<usize>,
    /// Width of the time embedding.
    pub embedding: usize,
    /// Reach of the stencils in sites along each axis: 1, or 0 for independent sites (one resolution).
    pub reach: usize,
    /// Whether phi and -phi are equally probable, which then doubles the data. `None`: by the action;
    /// without one, yes.
    pub even: Option<bool>,
    /// Whether the network is odd in the field by construction, where the law is even (one component, with
    /// interactions). On phi^4 in the broken phase it made Var(log w) sixteen times smaller at equal steps.
    pub odd: bool,
    /// Whether each resolution is evaluated only at the noise where it is needed: the finest at small noise, where
    /// the score is local, the coarse ones at large noise, where only long wavelengths are left.
    pub multi_resolution: bool,
    /// Samples a step, of the largest lattice; of smaller ones as many more as have the same number of sites.
    pub batch: usize,
    /// Optimiser steps.
    pub steps: u64,
    /// Seed of weights, batches, symmetries and noise.
    pub seed: u64,
    /// Threads; changes no bit of the result.
    pub threads: usize,
    /// Optimiser.
    pub adam: AdamOptions,
    /// Couplings that the network is to see, by their names in the action; the data must differ in them.
    pub conditions: Vec<String>,
    /// Largest noise of the forward process, in standard deviations of the widest mode of the data. `None`: 2 for
    /// one lattice; 4 for several, which leaves room for larger ones; 8 for independent sites. Of link angles, in radians.
    pub largest_noise: Option<f64>,
    /// Steps between two looks at the validation loss.
    pub validate_every: u64,
    /// Looks without an improvement after which the training stops early. `None`: never.
    pub patience: Option<u64>,
    /// Whether noise levels are drawn by where Var(log w) is made, which [`super::Trainer::fit`] measures on the way;
    /// otherwise uniformly in ln sigma. Off: at equal steps it made Var(log w) of phi^4 on 16x16 larger, 0.41 against 0.26.
    pub follow_variance: bool,
    /// The command line, for the record.
    pub command: String,
}

impl Default for TrainOptions {
    fn default() -> Self {
        TrainOptions {
            channels: vec![24, 32, 48],
            embedding: 64,
            reach: 1,
            even: None,
            odd: true,
            multi_resolution: false,
            batch: 64,
            steps: 20_000,
            seed: 1,
            threads: 1,
            adam: AdamOptions::default(),
            conditions: vec![],
            largest_noise: None,
            validate_every: 500,
            patience: None,
            follow_variance: false,
            command: String::new(),
        }
    }
}

impl TrainOptions {
    /// For independent sites. With 2^18 x 64 draws of the two-peak law (mu0 = 1, sigma0 = 1/4) and its force,
    /// 20 000 steps give the denoiser to 0.5 % of the deviation of x_0 given x where the peaks merge (noise
    /// 0.1 to 5), and to 0.1 % below; the error is that of the draws, and falls as their number^(-1/2).
    pub fn independent_sites() -> Self {
        TrainOptions { channels: vec![32], embedding: 32, reach: 0, ..TrainOptions::default() }
    }

    /// For the link angles of a gauge field: plaquettes are nearly independent, and a small network of one resolution does. With
    /// the largest noise of 1.05 radians, beyond which `renoise` is hardly ever accepted; the uniform start of `path` takes the 1.8
    /// that [`TrainOptions::largest_noise`] has for angles when it is not set.
    pub fn link_angles() -> Self {
        let steps = 4000;
        TrainOptions { channels: vec![8], embedding: 32, steps, largest_noise: Some(1.05), ..TrainOptions::default() }
    }
}

/// How far a training is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Steps taken.
    pub step: u64,
    /// Smoothed loss.
    pub loss: f64,
    /// Norm of the last gradient.
    pub gradient_norm: f64,
    /// Learning rate.
    pub rate: f64,
}

/// A point of the training curve, taken at every look at the validation loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Steps taken.
    pub step: u64,
    /// Smoothed training loss.
    pub loss: f64,
    /// Loss of the averaged weights on the validation part, always with the same noise.
    pub validation: f64,
}
