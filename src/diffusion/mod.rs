//! The diffusion process: noise schedule, transition densities, grids of noise levels.

mod grid;
mod posterior;
mod schedule;
mod transition;

pub use grid::{PosteriorAt, geometric_levels, optimal_levels, path_divergence};
pub use posterior::{FACTOR, Posterior, Response};
pub use schedule::{Schedule, T_END};
pub use transition::Transition;
