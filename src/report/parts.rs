//! What a card consists of.

use crate::analysis::{
    JackknifeEstimate, Measurements, WeightEstimate, effective_sample_size, independence_acceptance, log_mean_weight,
    var_log_weight,
};
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// Bars of the histogram.
const BARS: usize = 40;

/// A value with its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Value {
    /// The value.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
}

/// What the proposals of the `path` kernel are worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathQuality {
    /// Score evaluations of a path.
    pub evaluations: usize,
    /// Acceptance of independence Metropolis, exact in the limit of many proposals.
    pub acceptance: Value,
    /// Effective sample size as a fraction.
    pub ess: Value,
    /// Var(log w).
    pub var_log_w: Option<Value>,
    /// log Z.
    pub log_z: Value,
    /// Seconds a proposal; not stored, so that the same model is the same file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// One quantity: held-out data, proposals as generated, and proposals reweighted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// Held-out data, or the exact value with error 0.
    pub data: Value,
    /// As generated: the bias of the model.
    pub generated: Value,
    /// (generated - data) / error, as the deviation of a normal law of the same probability.
    pub z_generated: f64,
    /// With the weights: exact up to statistics. Absent where too few proposals carry the weight.
    pub reweighted: Option<Value>,
    /// The same for it.
    pub z_reweighted: Option<f64>,
    /// Whether the verdict counts it; the errors of the highest cumulants are themselves known badly.
    pub counted: bool,
}

/// The propagator of one group of momenta.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Momentum {
    /// Component of the field.
    pub component: usize,
    /// p hat^2.
    pub momentum_squared: f64,
    /// Momenta in the group.
    pub modes: usize,
    /// <|phi_p|^2>.
    pub check: Check,
}

/// The two-point function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TwoPointCheck {
    /// By momentum.
    pub momenta: Vec<Momentum>,
    /// Largest |z|, as generated and reweighted.
    pub largest_z: (f64, Option<f64>),
    /// Sum of z^2 over the momenta, as generated and reweighted; momenta are nearly independent.
    pub chi_squared: (f64, Option<f64>),
}

/// Histogram of M; fractions, bars of equal width.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// Left edge of the first bar, and right edge of the last.
    pub range: (f64, f64),
    /// Held-out data.
    pub data: Vec<f64>,
    /// As generated.
    pub generated: Vec<f64>,
    /// Reweighted; empty where there are no weights.
    pub reweighted: Vec<f64>,
}

impl Value {
    pub(super) fn of(estimate: &JackknifeEstimate) -> Self {
        Value { value: estimate.value, error: estimate.error }
    }

    fn of_weights(estimate: &WeightEstimate) -> Self {
        Value { value: estimate.value, error: estimate.error }
    }
}

impl PathQuality {
    pub(super) fn new(evaluations: usize, log_weights: &[f64], seconds: f64) -> Result<Self> {
        Ok(PathQuality {
            evaluations,
            acceptance: Value::of_weights(&independence_acceptance(log_weights)?),
            ess: Value::of_weights(&effective_sample_size(log_weights)?),
            // Infinite where a proposal has no action.
            var_log_w: var_log_weight(log_weights).ok().map(|found| Value::of_weights(&found)),
            log_z: Value::of_weights(&log_mean_weight(log_weights)?),
            seconds: Some(seconds),
        })
    }
}

impl Histogram {
    pub(super) fn new(column: usize, data: &Measurements, generated: &Measurements, weights: Option<&[f64]>) -> Self {
        let (data, generated) = (data.series(column), generated.series(column));
        let all = || data.iter().chain(&generated).copied();
        let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
        let width = ((high - low) / BARS as f64).max(f64::MIN_POSITIVE);
        let bars = |values: &[f64], weight: &dyn Fn(usize) -> f64| {
            let mut bars = vec![0.0; BARS];
            for (index, x) in values.iter().enumerate() {
                bars[(((x - low) / width) as usize).min(BARS - 1)] += weight(index);
            }
            let total: f64 = bars.iter().sum();
            bars.iter().map(|bar| bar / total).collect::<Vec<f64>>()
        };
        let reweighted = weights.map(|weights| {
            let largest = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            bars(&generated, &|index| (weights[index] - largest).exp())
        });
        Histogram {
            range: (low, high),
            data: bars(&data, &|_| 1.0),
            generated: bars(&generated, &|_| 1.0),
            reweighted: reweighted.unwrap_or_default(),
        }
    }
}
