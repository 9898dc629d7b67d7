//! Numbers of others: equilibrium values by Metropolis and clusters, and published ones.

use super::{PUBLISHED_LAMBDA, near};
use serde::Deserialize;
use serde_json::Value;

/// Equilibrium values by Metropolis and Wolff clusters, or by quadrature; `make` of the file: see `tests/data`.
const FILE: &str = include_str!("../../../tests/data/phi4_2d.json");

#[derive(Deserialize)]
struct Known {
    monte_carlo: Rows,
}

#[derive(Deserialize)]
struct Rows {
    rows: Vec<serde_json::Map<String, Value>>,
}

/// A published value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// Name of the quantity, as in [`super::QUANTITIES`].
    pub quantity: &'static str,
    /// What it was measured on.
    pub of: &'static str,
    /// The value.
    pub value: f64,
    /// The error, where one was given.
    pub error: Option<f64>,
}

/// What is known of a quantity in equilibrium at L = `extent` by other programs: value and error.
pub fn equilibrium(extent: usize, (kappa, lambda): (f64, f64), quantity: &str) -> Option<(f64, f64)> {
    let known: Known = serde_json::from_str(FILE).ok()?;
    let number = |row: &serde_json::Map<String, Value>, name: &str| row.get(name).and_then(Value::as_f64);
    let here = |row: &&serde_json::Map<String, Value>| {
        let at = |name: &str, value: f64| number(row, name).is_some_and(|found| near(found, value));
        at("L", extent as f64) && at("kappa", kappa) && at("lambda", lambda)
    };
    let row = known.monte_carlo.rows.iter().find(here)?;
    let of = |name: &str| {
        let pair = row.get(name)?.as_array()?;
        Some((pair.first()?.as_f64()?, pair.get(1)?.as_f64()?))
    };
    match quantity {
        // Symmetric about zero: the second cumulant is the second moment.
        "kappa2" => of("phi2"),
        _ => of(quantity),
    }
}

/// Published values of a quantity. At kappa = 0.21: Wang, Aarts, Zhou, JHEP 05 (2024) 060, table 1, of training and test
/// data and of the diffusion model. At kappa = 0.4: ratios of the cumulants of MLST 6 (2025) 025004, whose normalisation
/// drops out of them; they are those of a quench, not of equilibrium.
pub fn published(extent: usize, (kappa, lambda): (f64, f64), quantity: &str) -> Vec<Published> {
    if extent != 32 || !near(lambda, PUBLISHED_LAMBDA) {
        return vec![];
    }
    let table = |quantity, rows: [(f64, f64); 3]| {
        let of = ["training data", "test data", "diffusion model"].into_iter().zip(rows);
        of.map(|(of, (value, error))| Published { quantity, of, value, error: Some(error) }).collect()
    };
    let ratio = |quantity, value| vec![Published { quantity, of: "quench", value, error: None }];
    match quantity {
        "chi2" if near(kappa, 0.21) => table("chi2", [(2.516, 0.046), (2.446, 0.110), (2.423, 0.104)]),
        "binder" if near(kappa, 0.21) => table("binder", [(0.104, 0.037), (-0.020, 0.104), (0.048, 0.096)]),
        "kappa4_ratio" if near(kappa, 0.4) => ratio("kappa4_ratio", -1.8785),
        "kappa6_ratio" if near(kappa, 0.4) => ratio("kappa6_ratio", 14.514),
        "kappa8_ratio" if near(kappa, 0.4) => ratio("kappa8_ratio", -238.73),
        _ => vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_where_they_belong() {
        assert_eq!(equilibrium(32, (0.4, 0.022), "kappa2"), Some((14.24738, 0.0005)));
        assert_eq!(equilibrium(32, (0.21, 0.022), "chi2"), Some((2.576174, 0.012)));
        assert_eq!(equilibrium(32, (0.41, 0.022), "chi2"), None);
        assert_eq!(equilibrium(32, (0.4, 0.022), "positive"), None);
        assert_eq!(published(32, (0.21, 0.022), "chi2").len(), 3);
        assert!(published(8, (0.21, 0.022), "chi2").is_empty() && published(32, (0.4, 0.022), "chi2").is_empty());
        // The ratio is that of the published normalised cumulants.
        let [k2, k4]: [f64; 2] = [0.39597, -0.29453];
        assert!((published(32, (0.4, 0.022), "kappa4_ratio")[0].value - k4 / (k2 * k2)).abs() < 1e-3);
    }
}
