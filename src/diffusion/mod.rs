//! The diffusion process: noise schedule, transition densities, grids of noise levels.

mod ddpm;
mod dissection;
mod equalised;
mod factor;
mod flux;
mod grid;
mod log_product;
mod posterior;
mod precision;
mod schedule;
mod transition;
mod zero_mode;

pub use ddpm::{ddpm_times, linear_betas};
pub use equalised::{equalised_levels, linear_levels};
pub use factor::Factor;
pub use flux::{FLUX_BINS, FluxResponse};
pub use grid::{PosteriorAt, geometric_levels, optimal_levels, path_divergence};
pub(crate) use log_product::LogProduct;
pub use posterior::{FACTOR, Posterior, Response};
pub use precision::{Neighbours, Stiffness};
pub use schedule::{Schedule, T_END};
pub use transition::Transition;
pub use zero_mode::{TwoPeaks, ZeroMode};
