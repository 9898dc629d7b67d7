//! Statistics of a stream of configurations in memory that does not grow with their number.

mod binned_means;
mod correlator;
mod level;
mod meter;
mod report;
mod rows;

pub use binned_means::BinnedMeans;
pub use correlator::{Correlator, LAGS};
pub use report::{ReportOptions, ReportStream};
pub use rows::ReportRow;

#[cfg(test)]
mod tests;
