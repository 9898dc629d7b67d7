//! # stoq: exactly corrected diffusion-model updates for lattice field theory
//!
//! A Markov chain of a lattice field theory gains one more update: a learned, global proposal from a
//! diffusion model, accepted or rejected so that exp(-S)/Z stays the exact stationary law *whatever
//! the network*. The network only sets the acceptance.
//!
//! The same objects serve Rust and, through [`capi`] and `include/stoq.h`, C and every other language.
//!
//! | room | what is there |
//! |---|---|
//! | [`action`] | Euclidean actions: phi^4, one-site laws, or the host's own; complex actions |
//! | [`diffusion`] | noise schedules (VE, VP, in between, DDPM), transition densities, noise levels |
//! | [`nn`], [`model`], [`score`] | the native network, the model file (ONNX), learned and exact scores |
//! | [`train`] | score matching |
//! | [`kernel`] | the exact kernels: `path`, `renoise`, `likelihood`, MALA, HMC, Metropolis; compositions |
//! | [`sampler`] | data: equilibrium, independent draws, complex Langevin; approximate generators; likelihoods |
//! | [`analysis`] | autocorrelations, cumulants, weights, exact values, Fokker-Planck |
//! | [`report`] | the report card of a model, and its page with plots |
//! | [`reproduce`] | campaigns whose results are recorded in `docs/results/` |
//!
//! ## One exact update
//!
//! With the exact score of a free field the weight is a constant and every proposal is accepted:
//!
//! ```
//! use std::sync::Arc;
//! use stoq::{action::Phi4, diffusion::Schedule, kernel::{Chain, ChainOptions, Outcome}, lattice::Lattice, score::GaussianScore};
//!
//! let lattice = Lattice::new(&[8, 8])?;
//! let mut action = Phi4::new(&lattice, 0.2, 0.0)?;
//! let score = GaussianScore::free_field(lattice, Schedule::variance_expanding(25.0)?, 0.2)?;
//! let mut chain = Chain::new(Arc::new(score), ChainOptions { levels: 5, ..Default::default() })?;
//! let mut field = vec![0.0; 64];
//! for _ in 0..10 {
//!     assert_eq!(chain.step(&mut field, &mut action)?, Outcome::Accepted);
//! }
//! # Ok::<(), stoq::Error>(())
//! ```

pub mod action;
pub mod analysis;
pub mod capi;
pub mod diffusion;
pub mod error;
pub mod files;
pub mod files_description;
pub mod files_growing;
pub mod files_hdf5;
mod files_mapped;
pub mod fourier;
pub mod kernel;
pub mod lattice;
mod linear;
pub mod model;
pub mod nn;
pub mod report;
pub mod reproduce;
pub mod rng;
pub mod runtime;
pub mod sampler;
pub mod score;
pub mod train;

pub use error::{Error, Result};
