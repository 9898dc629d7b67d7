//! Generators of configurations. Those that are not exact are named so.

mod equilibrium;

pub use equilibrium::{EquilibriumOptions, EquilibriumReport, EquilibriumSampler};
