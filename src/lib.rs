//! placeholder
pub mod action;
pub mod analysis;
pub mod diffusion;
pub mod error;
pub mod files;
pub mod fourier;
pub mod kernel;
pub mod lattice;
pub mod model;
pub mod nn;
pub mod rng;
pub mod sampler;
pub mod score;
pub mod train;

pub use error::{Error, Result};
