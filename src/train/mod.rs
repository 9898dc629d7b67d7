//! Training of the native network by score matching, deterministic by seed for any thread count.

mod dataset;
mod measure;
mod optimizer;
mod sample;
mod target;
mod trainer;

#[cfg(test)]
mod tests;

pub use dataset::Dataset;
pub use measure::measure_posterior;
pub use optimizer::{Adam, AdamOptions};
pub use trainer::{Progress, TrainOptions, Trainer};
