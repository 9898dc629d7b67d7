//! Markov kernels. All but Langevin are exact: exp(-S)/Z is stationary for any network, good or bad
//! (physics first: the network only sets the acceptance). Compositions stay exact; keep one
//! irreducible kernel (HMC, Metropolis) in a chain.

mod chain;
mod charge_shift;
mod composition;
mod drift;
mod flux;
pub mod hmc;
mod independence;
mod level_variance;
mod levels;
mod local;
mod mala;
mod metropolis;
mod options;
mod outcome;
mod prior;
mod process;
mod proposals;
mod proposer;
mod renoise;
mod reverse;
mod state;
mod two_peaks;
mod warm_up;

pub use chain::Chain;
pub use charge_shift::ChargeShift;
pub use composition::Composition;
pub use level_variance::{LevelVariance, variance_by_level};
pub use levels::Grid;
pub use options::{ChainOptions, Drift, Kernel, Statistics};
pub use outcome::{Outcome, metropolis};
pub(crate) use prior::{Prior, uniform_angles};
pub use process::{Increments, PathProcess};
pub use proposals::{Proposal, WeightedProposals, draw_proposals, log_weight, weighted_proposals};
pub(crate) use reverse::{KernelGradient, ReverseKernel, Shape};
