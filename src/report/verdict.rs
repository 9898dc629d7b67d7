//! One line on a model, by stated rules.

use super::card::ReportCard;
use super::links::charge_updates;
use super::parts::{Check, Value};
use serde::{Deserialize, Serialize};

/// |z| that a comparison of a perfect model exceeds once in 16000 times.
pub const LARGEST_Z: f64 = 4.0;
/// Acceptance of a good and of a usable model.
const GOOD: f64 = 0.5;
const USABLE: f64 = 0.1;
/// Updates of renoise for an independent charge of a good and of a usable model of link angles.
const GOOD_UPDATES: f64 = 100.0;
const USABLE_UPDATES: f64 = 2000.0;
/// Share of the comparisons that may lie beyond by chance or for want of data, in a model without weights.
const FEW: f64 = 0.1;

/// In a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// Acceptance at least 0.5 at the last number of levels, and no reweighted quantity beyond 4 sigma of the data. Without
    /// weights: no quantity as generated beyond 4 sigma. Of link angles: an independent charge in at most 100 updates of renoise.
    Good,
    /// Acceptance at least 0.1. Without weights: at most a tenth of the quantities beyond 4 sigma. Of link angles: at most 2000.
    Usable,
    /// Less.
    #[default]
    Poor,
}

/// Grade and reasons.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// In a word.
    pub grade: Grade,
    /// In a line.
    pub text: String,
}

/// What every card says: the grade is about cost.
pub const EXACTNESS: &str = "Exactness is not at stake: the accept step of an exact kernel corrects whatever the \
                             network does; the grade says how much that costs.";

impl Verdict {
    /// By the rules of [`Grade`].
    pub(super) fn of(card: &ReportCard) -> Self {
        if !card.renoise.is_empty() {
            return Verdict::of_links(card);
        }
        let beyond = |z: &dyn Fn(&Check) -> Option<f64>| {
            // NaN is beyond.
            card.counted().filter_map(z).filter(|z| !(z.abs() <= LARGEST_Z)).count()
        };
        let total = card.counted().count();
        let plain = beyond(&|check| Some(check.z_generated));
        let generated = format!("{plain} of {total} before");
        let (grade, reason) = match card.paths.last() {
            None => {
                let grade = match plain {
                    0 => Grade::Good,
                    few if few as f64 <= FEW * total as f64 => Grade::Usable,
                    _ => Grade::Poor,
                };
                (grade, format!("no weights without a real action; {plain} of {total} checks beyond 4 sigma"))
            }
            Some(path) => {
                let acceptance = path.acceptance.value;
                let weighed = card.counted().any(|check| check.z_reweighted.is_some());
                let after = beyond(&|check| check.z_reweighted);
                let grade = match acceptance {
                    a if a >= GOOD && weighed && after == 0 => Grade::Good,
                    a if a >= USABLE => Grade::Usable,
                    _ => Grade::Poor,
                };
                let mut text = format!("acceptance {acceptance:.2} at {} evaluations; ", path.evaluations);
                text += &match weighed {
                    true => format!("{after} of {total} checks beyond 4 sigma after reweighting, {generated}"),
                    false => {
                        format!("too few proposals carry the weight to reweight; checks beyond 4 sigma: {generated}")
                    }
                };
                if after > 0 {
                    text +=
                        "; reweighting is exact, so the data are not of this action, not in equilibrium, or too few";
                }
                (grade, text)
            }
        };
        Verdict::new(grade, &reason)
    }

    fn new(grade: Grade, reason: &str) -> Self {
        let word = match grade {
            Grade::Good => "good",
            Grade::Usable => "usable",
            Grade::Poor => "poor",
        };
        Verdict { grade, text: format!("{word}: {reason}") }
    }

    /// Of link angles: what the charge costs with renoise.
    fn of_links(card: &ReportCard) -> Self {
        let square = card.checks.iter().find(|check| check.name == "Q2").map_or(f64::NAN, |check| check.data.value);
        let updates = charge_updates(&card.renoise, square);
        let best = card.renoise.iter().max_by(|a, b| a.charge_steps.value.total_cmp(&b.charge_steps.value));
        let grade = match updates {
            few if few <= GOOD_UPDATES => Grade::Good,
            some if some <= USABLE_UPDATES => Grade::Usable,
            _ => Grade::Poor,
        };
        let counted = card.counted().count();
        let beyond = card.counted().filter(|check| !(check.z_generated.abs() <= LARGEST_Z)).count();
        let reason = match best.filter(|best| best.charge_steps.value > 0.0) {
            Some(best) => format!(
                "renoise with t* at noise {} is accepted by {:.2}, an independent charge in about {updates:.0} updates",
                best.noise, best.acceptance.value
            ),
            None => "renoise did not move the charge".into(),
        };
        let generated = format!("; paths from uniform links as generated: {beyond} of {counted} checks beyond 4 sigma");
        Verdict::new(grade, &(reason + &generated))
    }
}

/// (a - b) / error for two independent estimates with errors from so many bins each, as the deviation of a normal law of the
/// same probability: Student's t with the degrees of freedom of B. L. Welch (Biometrika 34 (1947) 28), turned
/// to a normal deviate by the approximation of D. L. Wallace (Ann. Math. Stat. 30 (1959) 1124).
pub fn equivalent_z((a, a_bins): (Value, usize), (b, b_bins): (Value, usize)) -> f64 {
    let difference = a.value - b.value;
    let (a_square, b_square) = (a.error * a.error, b.error * b.error);
    let square = a_square + b_square;
    // Rounding of constants is no deviation.
    if difference.abs() <= 1e-12 * a.value.abs().max(b.value.abs()) {
        return 0.0;
    }
    if square == 0.0 {
        return f64::MAX.copysign(difference);
    }
    let freedom = |square: f64, bins: usize| square * square / (bins.max(2) - 1) as f64;
    let nu = square * square / (freedom(a_square, a_bins) + freedom(b_square, b_bins));
    let t = difference / square.sqrt();
    let normal = (8.0 * nu + 1.0) / (8.0 * nu + 3.0) * (nu * libm::log1p(t * t / nu)).sqrt();
    normal.copysign(t)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Student's t with 3 degrees of freedom exceeds 5.841 with probability 0.01, as a normal law 2.576.
    #[test]
    fn few_bins_make_a_deviation_less_striking() {
        let exact = Value { value: 0.0, error: 0.0 };
        let z = |bins| equivalent_z((Value { value: 5.841, error: 1.0 }, bins), (exact, 64));
        assert!((z(4) - 2.576).abs() < 0.05, "{}", z(4));
        assert!(z(1_000_000) > 5.83);
        assert_eq!(equivalent_z((exact, 2), (exact, 2)), 0.0);
    }
}
