//! Steps of the backward process by a graph that stoq writes around a network: fields stay where the network is.

mod graph;
mod session;
mod supply;
mod surround;
mod walker;

pub(super) use session::StepSession;
pub(super) use supply::StepSupply;
pub(super) use walker::StepWalker;
