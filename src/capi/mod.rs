//! The C ABI: every `extern "C"` function of the library, and its only `unsafe` code.
//!
//! `include/stoq.h` is generated from this folder by cbindgen (`cbindgen.toml`); its opening prose, the
//! comments of the functions and this page say the same, for readers of C and of Rust.
//!
//! Ownership, in the words of the header:
//! - *borrowed*: read or written during the call only. Fields, options, layouts, strings, saved states.
//! - *copied*: the library keeps a copy, the caller's original may go. Models, layouts, options.
//! - *transferred*: the caller owns what it received and gives it back to the function named. Handles.
//! - *shared*: a chain keeps its model and action alive by a reference count, so the caller may free
//!   its own handles in any order. The `user` pointer of a callback belongs to its action, whose last
//!   owner calls the destructor, once.
//!
//! What every function does, in this order: catch panics (`guard.rs`), check pointers (`pointer.rs`),
//! check values, work on memory of its own, and only then, when nothing can fail any more, write to
//! the caller's. So a call that fails has changed nothing.
//!
//! Handles are `Arc`s. A call holds a reference of its own while it runs: a callback that frees the
//! handle in whose call it runs does no harm. A callback that calls into that handle gets
//! `STOQ_WRONG_ORDER`.
//!
//! Structs with a `struct_size` may grow at their end in later versions; a struct that is larger than
//! this version knows is accepted and the rest ignored, a smaller one is refused. An initialiser writes
//! the fields of its own version only, for ever: fields added later come with a new initialiser.

// The contract of every function stands in its comment, in the form that C readers expect: names as
// in C, `[in]` and `[out]` for parameters. What `unsafe` asks of the caller is that contract.
#![allow(non_camel_case_types, clippy::missing_safety_doc, rustdoc::broken_intra_doc_links)]

mod action;
mod analytic;
mod built_in;
mod chain;
mod chain_state;
mod complex_langevin;
mod cumulants;
mod estimate;
mod fokker_planck;
mod generator;
mod guard;
mod guarded;
mod host;
mod lattice;
mod likelihood;
mod model;
mod model_at;
mod model_open;
mod options;
mod pointer;
mod report;
mod schedule;
mod statistics;
mod status;
mod train_options;
mod trainer;
mod trainer_model;
mod u1;

pub use action::*;
pub use analytic::*;
pub use built_in::*;
pub use chain::*;
pub use chain_state::*;
pub use complex_langevin::*;
pub use cumulants::*;
pub use estimate::{stoq_estimate_init, stoq_estimate_t};
pub use fokker_planck::*;
pub use generator::*;
pub use host::{stoq_action_callback_t, stoq_destructor_t, stoq_force_callback_t, stoq_local_change_callback_t};
pub use lattice::*;
pub use likelihood::*;
pub use model::*;
pub use model_at::*;
pub use model_open::*;
pub use options::*;
pub use report::*;
pub use schedule::*;
pub use statistics::*;
pub use status::*;
pub use train_options::*;
pub use trainer::*;
pub use trainer_model::*;
pub use u1::*;

/// Version of the C ABI, [`STOQ_ABI_VERSION`] for users of Rust.
pub const ABI_VERSION: u32 = STOQ_ABI_VERSION;
