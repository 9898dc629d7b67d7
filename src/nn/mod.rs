//! The native engine: small networks on periodic lattices of rank 1 to 4, in `f32` for production
//! and `f64` for derivative checks. Configurations are evaluated one at a time, so results do not
//! depend on batch or threads, and activations stay in the cache of their core.

pub mod convolution;
pub mod embedding;
pub mod parameters;
pub mod pointwise;
pub mod published;
pub mod rearrange;
pub mod simd;
pub mod unet;

pub use simd::{InstructionSet, Real};
pub use unet::{Adjoint, Tape, UNet, UNetShape};
