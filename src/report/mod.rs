//! Reports: the card of a model, what experiments found, and pages with plots.

mod card;
mod colours;
#[cfg(feature = "report")]
mod coordinate;
mod document;
#[cfg_attr(not(feature = "report"), path = "undrawn.rs")]
mod draw;
mod figure;
mod findings;
mod findings_text;
mod force;
mod html;
mod images;
mod links;
mod numbers;
mod observables;
mod page;
mod parts;
mod plane;
mod plot;
mod snapshots;
mod text;
mod verdict;

#[cfg(test)]
mod findings_tests;
#[cfg(test)]
mod tests;

pub use card::{CardOptions, FEWEST_HELD_OUT, FEWEST_PROPOSALS, ReportCard, held_out_fields};
pub use document::Document;
pub use figure::{Figure, Panel};
pub use findings::{Findings, Layout, Observable, Part, Published, Row, Table};
pub use force::ForceResidual;
pub use links::{RenoiseQuality, renoise_quality};
pub use numbers::{significant, with_error};
pub use page::Page;
pub use parts::{Check, Histogram, Momentum, PathQuality, TwoPointCheck, Value};
pub use plane::{Arrows, Cells, Images, Plane};
pub use plot::{Axis, Plot, Series, Style};
pub use snapshots::{Snapshot, snapshots};
pub use verdict::{Grade, Verdict};
