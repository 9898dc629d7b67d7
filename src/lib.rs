//! placeholder
pub mod action;
pub mod error;
pub mod fourier;
pub mod lattice;
pub mod nn;
pub mod rng;
