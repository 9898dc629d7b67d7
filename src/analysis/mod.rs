//! Statistics of Markov chains and of weighted proposals.

pub mod autocorrelation;
mod autocovariance;
pub mod observables;
pub mod weights;

pub use autocorrelation::{Estimate, autocorrelation_function, gamma_method, gamma_method_derived};
pub use observables::{FieldSeries, MagnetisationSummary};
pub use weights::{WeightEstimate, effective_sample_size, independence_acceptance, log_mean_weight, var_log_weight};
