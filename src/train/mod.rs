//! Training of the native network by score matching, deterministic by seed for any thread count.

mod checkpoint;
mod curvature;
mod data_free;
mod dataset;
mod density;
mod equilibrium;
mod fit;
mod generated;
mod in_situ;
mod measure;
mod optimizer;
mod options;
mod orthogonal;
mod point;
mod published;
mod range;
mod refine;
mod sample;
mod symmetry;
mod target;
mod trained;
mod trainer;

#[cfg(test)]
mod tests;

pub use data_free::{DataFreeOptions, Stage, self_consistent_covariance, train_without_data};
pub use dataset::Dataset;
pub use density::PIECES;
pub use equilibrium::{Comparison, Correlation, Equilibrium, EquilibriumReport, Signs};
pub use in_situ::InSitu;
pub use measure::{measure_gaussian_part, measure_posterior};
pub use optimizer::{Adam, AdamOptions};
pub use options::{CurvePoint, Progress, TrainOptions};
pub use point::TrainingSet;
pub use published::{PublishedOptions, PublishedTrainer};
pub use refine::{RefineOptions, RefineProgress, Refiner};
pub use trainer::Trainer;
