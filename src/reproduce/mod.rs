//! Campaigns: results that are recorded in `docs/results/`, each one function that starts from nothing.
//! The command `stoq reproduce` runs them; tests run the same code for a shorter time.

pub mod acceptance;
pub mod autocorrelation;
pub mod complex;
pub mod kernels;
pub mod one_variable;
pub mod phi4;
pub mod published;
pub mod sites;
pub mod statistics;
pub mod systems;
pub mod three_peak;
pub mod toy;
pub mod two_peak;
pub mod u1_chains;
pub mod u1_networks;
pub mod u1_tables;
pub mod weights;
