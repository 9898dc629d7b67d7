//! Generators of configurations. Those that are not exact are named so.

mod clusters;
mod complex_langevin;
mod equilibrium;
mod flow;
mod flow_map;
mod gauge;
mod gaussian_step;
mod generator;
mod independent;
mod langevin;
mod likelihood;
mod ode;
mod quench;
#[cfg(test)]
mod test_scores;

pub use clusters::ClusterFlips;
pub use complex_langevin::{ComplexLangevin, ComplexLangevinOptions, ComplexLangevinReport};
pub use equilibrium::{EquilibriumOptions, EquilibriumReport, EquilibriumSampler};
pub use flow_map::FlowMap;
pub use gauge::{GaugeOptions, GaugeReport, GaugeSampler};
pub use generator::{Ending, Generator, GeneratorOptions, LangevinStep, Method};
pub use independent::IndependentSampler;
pub use langevin::MetropolisTail;
pub use likelihood::{Coordinates, Divergence, Likelihood, LikelihoodOptions, LogDensity};
pub use quench::{QuenchOptions, quench};
