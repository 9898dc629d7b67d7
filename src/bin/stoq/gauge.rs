//! Observables of two-dimensional U(1) gauge theory beside their exact values.

use super::observables::Row;
use std::collections::BTreeMap;
use stoq::Result;
use stoq::analysis::gauge_observables::SECTORS;
use stoq::analysis::{Estimate, GaugeSeries, GaugeSummary, U1Exact};
use stoq::lattice::Lattice;

/// Changes of the charge below which a run says nothing about the errors of what depends on it.
const FEWEST_CHANGES: f64 = 10.0;
/// Independent configurations inside and outside a sector below which the error of its probability is known too
/// badly for a verdict.
const FEWEST_IN_SECTOR: f64 = 50.0;

/// Measures link angles.
pub struct GaugeMeter(GaugeSeries);

impl GaugeMeter {
    /// For fields on `lattice`.
    pub fn new(lattice: &Lattice) -> Result<Self> {
        Ok(GaugeMeter(GaugeSeries::new(lattice)?))
    }

    /// Takes in a field; its angles need not be reduced.
    pub fn measure(&mut self, field: &[f64]) -> Result<()> {
        self.0.measure(field)
    }

    /// Plaquette and charge of every configuration.
    pub fn means(&self) -> Vec<&[f64]> {
        vec![self.0.plaquette(), self.0.charge()]
    }

    /// What the charge did.
    pub fn tunnelling(&self) -> Tunnelling {
        Tunnelling { fraction: self.0.tunnelling(), updates: self.0.len() }
    }

    /// Square loops, charge and Polyakov loops with errors and the `exact` values by name.
    ///
    /// What depends on the charge has neither error nor autocorrelation time in a run in which it hardly changed, and
    /// the probability of a sector no error where the run never came there.
    pub fn rows(&self, exact: &BTreeMap<String, f64>) -> Result<Vec<Row>> {
        let summary = GaugeSummary::new(&[&self.0])?;
        let frozen = self.tunnelling().is_frozen();
        let rows = summary.rows().into_iter().filter(|(name, _)| exact.contains_key(name));
        Ok(rows
            .map(|(name, found)| {
                let of_charge = matches!(name.as_str(), "Q" | "Q2" | "chi_Q");
                let sector = name.strip_prefix("P_Q").and_then(|charge| charge.parse::<usize>().ok());
                let resolved = match (of_charge, sector) {
                    (true, _) => self.independent(0, summary.sectors[0]) >= FEWEST_IN_SECTOR,
                    (_, Some(charge)) => self.independent(charge, found) >= FEWEST_IN_SECTOR,
                    _ => true,
                };
                let unknown = (of_charge || sector.is_some()) && (frozen || found.error == 0.0);
                Row {
                    value: found.value,
                    error: if unknown { f64::NAN } else { found.error },
                    tau_int: (!unknown).then_some((found.tau_int, found.tau_int_error)),
                    exact: exact.get(&name).copied(),
                    order: if resolved { 2 } else { 8 },
                    name,
                }
            })
            .collect())
    }

    /// Independent configurations in the sectors +-`charge`, or outside if those are fewer.
    fn independent(&self, charge: usize, probability: Estimate) -> f64 {
        let share = probability.value * if charge == 0 { 1.0 } else { 2.0 };
        share.min(1.0 - share) * self.0.len() as f64 / (2.0 * probability.tau_int)
    }

    /// The series that can be reweighted, by name.
    pub fn series(&self) -> Vec<(String, Vec<f64>)> {
        let loops = self.0.sides().iter().filter(|(r, t)| r == t);
        let loops = loops.filter_map(|&(r, t)| Some((loop_name(r), self.0.wilson_loop(r, t)?.to_vec())));
        let sectors = (0..SECTORS).map(|charge| {
            let share = if charge == 0 { 1.0 } else { 0.5 };
            let inside = |q: &f64| if q.abs() == charge as f64 { share } else { 0.0 };
            (format!("P_Q{charge}"), self.0.charge().iter().map(inside).collect())
        });
        let charges = [("Q".into(), self.0.charge().to_vec()), ("Q2".into(), self.0.charge_squared())];
        loops.chain(charges).chain(sectors).collect()
    }
}

fn loop_name(side: usize) -> String {
    if side == 1 { "plaquette".into() } else { format!("W{side}x{side}") }
}

/// How often the charge changed.
pub struct Tunnelling {
    /// The fraction of consecutive configurations between which it did.
    pub fraction: f64,
    /// Configurations.
    updates: usize,
}

impl Tunnelling {
    fn changes(&self) -> f64 {
        (self.fraction * self.updates.saturating_sub(1) as f64).round()
    }

    /// Whether the run says nothing about the errors of what depends on the charge.
    pub fn is_frozen(&self) -> bool {
        self.changes() < FEWEST_CHANGES
    }
}

impl std::fmt::Display for Tunnelling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let doubt = if self.is_frozen() { ": too rarely for errors of what depends on it" } else { "" };
        write!(f, "Q changed in {} of {} updates{doubt}", self.changes(), self.updates)
    }
}

/// By the character expansion, under the names of the rows.
pub fn exact_values(beta: f64, lattice: &Lattice) -> Result<BTreeMap<String, f64>> {
    let exact = U1Exact::new(lattice, beta)?;
    let loops = (2..=4).map(|side| (loop_name(side), exact.wilson_loop(side, side)));
    let sectors = (0..SECTORS).map(|charge| (format!("P_Q{charge}"), exact.charge_probability(charge as i64)));
    let polyakov = (0..2).flat_map(|axis| {
        let zero = ["real", "imaginary"].map(|part| (format!("polyakov_{axis}_{part}"), 0.0));
        zero.into_iter().chain([(format!("polyakov_{axis}_square"), exact.polyakov_square(axis))])
    });
    let charge = [("Q", 0.0), ("Q2", exact.charge_squared()), ("chi_Q", exact.susceptibility())];
    let charge = charge.map(|(name, value)| (name.to_string(), value));
    let plaquette = [(loop_name(1), exact.plaquette())];
    Ok(plaquette.into_iter().chain(loops).chain(charge).chain(sectors).chain(polyakov).collect())
}
