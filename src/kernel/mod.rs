//! Exact Markov kernels: exp(-S)/Z is stationary for any network, good or bad (physics first: the
//! network only sets the acceptance).

mod chain;
pub mod hmc;
mod outcome;
mod process;
mod reverse;
mod state;

pub use chain::{Chain, ChainOptions, Kernel, Statistics};
pub use outcome::{Outcome, metropolis};
pub use process::PathProcess;
