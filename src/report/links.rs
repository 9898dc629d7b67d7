//! What a card says of a model of link angles beyond that of a scalar field.

use super::parts::Value;
use crate::action::{ActionRecord, GaugeLinks, finite_action};
use crate::analysis::{GaugeSeries, U1Exact};
use crate::error::{Error, Result};
use crate::kernel::{Chain, ChainOptions, Kernel};
use crate::lattice::Lattice;
use crate::score::Score;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Noises of t* in radians, levels and proposals of each of a card.
const NOISES: [f64; 6] = [0.3, 0.4, 0.5, 0.6, 0.7, 0.9];
const LEVELS: usize = 8;
const PROPOSALS: usize = 128;

/// `renoise` with t* at one noise, from held-out configurations.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RenoiseQuality {
    /// Noise of t*.
    pub noise: f64,
    /// Score evaluations up, and as many down.
    pub levels: usize,
    /// Mean acceptance.
    pub acceptance: Value,
    /// Accepted mean of (dQ)^2.
    pub charge_steps: Value,
    /// Variance of the logarithm of the acceptance ratio.
    pub var_log_ratio: f64,
}

/// Measures `proposals` moves of renoise (noise of t*, levels) with a model of U(1), proposal i from the configuration that `field`
/// gives for i; nothing is accepted.
///
/// # Errors
/// What chain, action and `field` raise.
pub fn renoise_quality(
    score: &Arc<dyn Score>,
    action: &ActionRecord,
    (noise, levels): (f64, usize),
    (proposals, seed): (usize, u64),
    field: &mut dyn FnMut(usize) -> Result<Vec<f64>>,
) -> Result<RenoiseQuality> {
    let links = GaugeLinks::new(score.lattice())?;
    let mut action = action.build(score.lattice())?;
    let kernel = Kernel::Renoise { time: score.schedule().time_of_noise(noise) };
    let options = ChainOptions { kernel, levels, seed, chain: 99, ..ChainOptions::default() };
    let mut chain = Chain::new(score.clone(), options)?;
    // Acceptance, accepted (dQ)^2, log ratio: sums and sums of squares.
    let mut sums = [[0.0; 2]; 3];
    for proposal in 0..proposals {
        let field = field(proposal)?;
        let before = finite_action(&mut *action, &field)?.unwrap_or(f64::NAN);
        let (proposed, log_hastings) = chain.propose(&field)?;
        let proposed = proposed.to_vec();
        let after = finite_action(&mut *action, &proposed)?.unwrap_or(f64::NAN);
        let log_ratio = log_hastings - after + before;
        let weight = libm::exp(log_ratio.min(0.0));
        let change = links.topological_charge(&proposed)? - links.topological_charge(&field)?;
        for (sum, value) in sums.iter_mut().zip([weight, weight * (change * change) as f64, log_ratio]) {
            *sum = [sum[0] + value, sum[1] + value * value];
        }
        chain.resolve(f64::NAN)?;
    }
    let count = proposals as f64;
    let moments = sums.map(|[sum, square]| (sum / count, (square / count - (sum / count).powi(2)).max(0.0)));
    let value = |(mean, variance): (f64, f64)| Value { value: mean, error: (variance / count).sqrt() };
    let [acceptance, charge_steps] = [value(moments[0]), value(moments[1])];
    Ok(RenoiseQuality { noise, levels, acceptance, charge_steps, var_log_ratio: moments[2].1 })
}

/// Renoise by noise of t*, as far as the model goes.
pub(super) fn renoise_by_noise(
    score: &Arc<dyn Score>,
    action: &ActionRecord,
    held_out: &[f64],
    seed: u64,
) -> Result<Vec<RenoiseQuality>> {
    let (values, largest) = (score.lattice().values(), score.schedule().noise(1.0));
    let count = held_out.len() / values;
    let noises = NOISES.into_iter().filter(|&noise| noise <= largest);
    let mut field = |index: usize| Ok(held_out[index % count * values..][..values].to_vec());
    noises.map(|noise| renoise_quality(score, action, (noise, LEVELS), (PROPOSALS, seed), &mut field)).collect()
}

/// Updates of renoise for an independent charge at the best t*, 2 <Q^2> / <(dQ)^2>; infinite when the charge never moves.
pub(super) fn charge_updates(renoise: &[RenoiseQuality], charge_squared: f64) -> f64 {
    let fastest = renoise.iter().map(|quality| quality.charge_steps.value).fold(0.0, f64::max);
    2.0 * charge_squared / fastest
}

/// Measures loops and charge of one configuration at a time.
pub(super) struct LinkObservables {
    lattice: Lattice,
    names: Vec<String>,
    exact: Option<U1Exact>,
}

impl LinkObservables {
    /// With exact values where `action` is that of U(1).
    pub fn new(lattice: &Lattice, action: Option<&ActionRecord>) -> Result<Self> {
        let sides = GaugeSeries::new(lattice)?.sides().to_vec();
        let squares = sides.iter().filter(|(r, t)| r == t);
        let mut names: Vec<String> =
            squares.map(|(r, _)| if *r == 1 { "plaquette".to_string() } else { format!("W{r}x{r}") }).collect();
        names.extend(["Q2", "P_Q0", "P_Q1", "P_Q2", "P_Q3", "Q"].map(String::from));
        let beta = action.filter(|action| action.name == "u1").map(|action| action.coupling("beta")).transpose()?;
        let exact = beta.map(|beta| U1Exact::new(lattice, beta)).transpose()?;
        Ok(LinkObservables { lattice: lattice.clone(), names, exact })
    }

    /// Columns of a row; the last is the charge.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The exact value of a column.
    pub fn exact(&self, name: &str) -> Option<f64> {
        let exact = self.exact.as_ref()?;
        Some(match name {
            "plaquette" => exact.plaquette(),
            "Q2" => exact.charge_squared(),
            "Q" => 0.0,
            _ => match (name.strip_prefix("P_Q"), name.strip_prefix('W').and_then(|side| side.split('x').next())) {
                (Some(charge), _) => exact.charge_probability(charge.parse().ok()?),
                (_, Some(side)) => {
                    let side = side.parse().ok()?;
                    exact.wilson_loop(side, side)
                }
                _ => return None,
            },
        })
    }

    /// Whether the error of a column is worth a verdict: of a sector, if a hundred visits are expected to be rare in none.
    pub fn counts(&self, name: &str) -> bool {
        !name.starts_with("P_Q") || self.exact(name).is_some_and(|probability| probability > 0.05)
    }

    /// Fills the row of a configuration.
    pub fn measure(&mut self, field: &[f64], row: &mut [f64]) -> Result<()> {
        let mut series = GaugeSeries::new(&self.lattice)?;
        series.measure(field)?;
        let charge = series.charge()[0];
        for (name, value) in self.names.iter().zip(row) {
            *value = match name.as_str() {
                "plaquette" => series.plaquette()[0],
                "Q2" => charge * charge,
                "Q" => charge,
                _ => match name.strip_prefix("P_Q") {
                    Some(sector) if sector.parse() == Ok(charge.abs() as i64) => {
                        if charge == 0.0 {
                            1.0
                        } else {
                            0.5
                        }
                    }
                    Some(_) => 0.0,
                    None => {
                        let side = name[1..].split('x').next().and_then(|side| side.parse().ok());
                        let found = side.and_then(|side| series.wilson_loop(side, side)).map(|found| found[0]);
                        found.ok_or_else(|| Error::Internal(format!("no loop {name}")))?
                    }
                },
            };
        }
        Ok(())
    }
}
