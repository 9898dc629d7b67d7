//! Reports: the card of a model, and pages with plots.

mod card;
mod force;
mod observables;
#[cfg(feature = "report")]
mod page;
mod parts;
#[cfg(feature = "report")]
mod plot;
mod snapshots;
mod text;
mod verdict;

#[cfg(test)]
mod tests;

pub use card::{CardOptions, FEWEST_HELD_OUT, FEWEST_PROPOSALS, ReportCard, held_out_fields};
pub use force::ForceResidual;
#[cfg(feature = "report")]
pub use page::Page;
pub use parts::{Check, Histogram, Momentum, PathQuality, TwoPointCheck, Value};
#[cfg(feature = "report")]
pub use plot::{Curve, Plot};
pub use snapshots::{Snapshot, snapshots};
pub use verdict::{Grade, Verdict};
