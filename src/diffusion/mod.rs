//! The diffusion process: noise schedule, transition densities, grids of noise levels.

mod grid;
mod schedule;
mod transition;

pub use grid::{geometric_levels, optimal_levels, path_divergence};
pub use schedule::{Schedule, T_END};
pub use transition::Transition;
