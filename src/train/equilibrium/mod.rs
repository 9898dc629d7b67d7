//! Whether the configurations of a data set are those of equilibrium: drawn from exp(-S)/Z, in a chain that has
//! forgotten its start.
//!
//! # Schwinger-Dyson
//! The integral of a derivative vanishes, if exp(-S) does at large fields. For every site x and component,
//!
//! ```text
//! 0 = int dphi d/dphi_x [ phi_x exp(-S) ]  =>  <phi_x dS/dphi_x> = 1,
//! ```
//!
//! at any coupling, on any volume, with or without symmetries, without knowing Z: a wrong coupling, a wrong
//! scale of the field, or a chain that has not arrived shows. Angles have an end at +-pi, where exp(-S) does not
//! vanish; of a periodic action instead, with F = -dS/dtheta,
//!
//! ```text
//! 0 = int dtheta d/dtheta_x [ F_x exp(-S) ]  =>  <F_x^2 + dF_x/dtheta_x> = 0,
//! ```
//!
//! where the derivative is v_x times that along a random direction v of +-1, which has the same mean
//! (M. F. Hutchinson, Commun. Stat. Simul. Comput. 19 (1990) 433). Whether an action is periodic, or even, is
//! tried out on the first configuration.
//!
//! The published cumulants of phi^4 at kappa = 0.4, L = 32 (G. Aarts et al., MLST 6 (2025) 025004) are the example of
//! what happens without: configurations after a quench from a hot start have kappa_4 / kappa_2^2 = -1.879, those of
//! equilibrium -1.946, and a perfect model of the former is wrong about the theory.
//!
//! That alone does not tell a quench: where domains are left whose walls live long, each part of the field is in equilibrium with
//! its surroundings and the identity holds nearly. What tells it is an update that is exact and crosses the barrier.
//!
//! # Stationarity
//! An exact update U leaves exp(-S)/Z as it is, so that <O(U phi)> = <O(phi)> in equilibrium, for any observable, and one
//! update of every configuration shows whether it does:
//!
//! ```text
//! <|M|(U phi) - |M|(phi)> = 0,   <S(U phi)/V - S(phi)/V> = 0.
//! ```
//!
//! For phi^4 of one component [`Equilibrium::check_theory`] flips one Wolff cluster ([`ClusterFlips`]), which turns a domain at once.
//!
//! # False alarms
//! Every z-value is brought to a normal distribution (the error is itself an estimate) and compared with 4: a rate of
//! 6e-5 each for sets of equilibrium, at most eleven of them a set, together less than one set in a thousand.
//! Means of few strongly skewed values (fewer than about 100 single variables) exceed it somewhat.

mod series;
mod stationarity;
#[cfg(test)]
mod tests;

use super::Dataset;
use crate::action::{Action, ActionRecord};
use crate::analysis::{Estimate, gamma_method};
use crate::error::Result;
use crate::rng::Stream;
use crate::sampler::ClusterFlips;
use serde::{Deserialize, Serialize};
use series::Series;

/// Largest |z| that is no fault.
const LIMIT: f64 = 4.0;
/// Independent configurations that a mean must have for its z-value to say something.
const FEWEST_INDEPENDENT: f64 = 10.0;
/// Independent configurations, and changes of sign of M, below which a set is called small.
const SMALL_SET: f64 = 100.0;
const FEW_CHANGES: usize = 10;
/// z-values of quantities that do not fluctuate at all end here: infinities have no place in a report.
const LARGEST_Z: f64 = 1e6;

/// The check.
pub struct Equilibrium;

/// What was measured, and what is wrong with it. Means and errors are over all configurations, in all three
/// parts of the split; autocorrelation times are in units of configurations, if the stored order is that of the chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EquilibriumReport {
    /// Configurations.
    pub configurations: usize,
    /// Schwinger-Dyson identities, one a component, per site; none without an action.
    pub identities: Vec<Comparison>,
    /// Differences between the beginning of the chain and its second half.
    pub drifts: Vec<Comparison>,
    /// Mean changes of |M| and S/V by one exact update of every configuration; none without an update.
    #[serde(default)]
    pub changes: Vec<Comparison>,
    /// |M|, phi^2 and S/V (of a periodic action S/V alone, of an unknown one the others).
    pub observables: Vec<Correlation>,
    /// Effective number of independent configurations, that of the slowest observable.
    pub independent: f64,
    /// Signs of M, for fields of one component that are not angles.
    pub signs: Option<Signs>,
    /// Sentences about what equilibrium would not show.
    pub faults: Vec<String>,
    /// Sentences about what could not be told, or deserves a thought.
    pub cautions: Vec<String>,
}

/// A number that has an expected value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What it is.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Its standard error, with autocorrelation.
    pub error: f64,
    /// What equilibrium gives.
    pub expected: f64,
    /// (value - expected) / error as a standard normal variable has it; none where the chain is too short to tell.
    pub z: Option<f64>,
}

/// How fast an observable is forgotten.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Correlation {
    /// The observable.
    pub name: String,
    /// Its mean.
    pub value: f64,
    /// The error of the mean.
    pub error: f64,
    /// Integrated autocorrelation time, 1/2 for independent configurations.
    pub tau_int: f64,
    /// Its error.
    pub tau_int_error: f64,
    /// N / (2 tau_int), at most N.
    pub independent: f64,
    /// Whether the chain is long enough for all this; else `tau_int` is a lower bound.
    pub reliable: bool,
}

/// Signs of the magnetisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signs {
    /// Whether S(-phi) = S(phi); none without an action.
    pub even: Option<bool>,
    /// Fraction of configurations with M > 0.
    pub positive: f64,
    /// Neighbours in the chain with different signs.
    pub changes: usize,
    /// Of the mean sign against 0; none where the chain is too short to tell.
    pub z: Option<f64>,
}

impl Equilibrium {
    /// Checks `data` against `action`, or, without one, what data alone can tell. Reads every configuration once.
    ///
    /// # Errors
    /// Those of [`Dataset::read`], and what the action stops with. Data that are not in equilibrium are a
    /// report, no error.
    pub fn check(data: &Dataset, action: Option<&mut dyn Action>) -> Result<EquilibriumReport> {
        let series = Series::measure(data, action)?;
        let mut report = EquilibriumReport {
            configurations: data.len(),
            identities: series.identities()?,
            drifts: vec![],
            changes: vec![],
            observables: vec![],
            independent: data.len() as f64,
            signs: None,
            faults: vec![],
            cautions: vec![],
        };
        for (name, values) in &series.observables {
            let correlation = Correlation::of(name, values)?;
            report.independent = report.independent.min(correlation.independent);
            report.observables.push(correlation);
            report.drifts.extend(drifts(name, values)?);
        }
        report.signs = Signs::of(&series)?;
        report.conclude(series.impossible);
        Ok(report)
    }

    /// As [`Equilibrium::check`] for a built-in action; for phi^4 of one component also one cluster flip of every
    /// configuration, which finds domains that local updates would not have left within the length of the chain.
    ///
    /// # Errors
    /// As [`Equilibrium::check`] and [`ActionRecord::build`].
    pub fn check_theory(data: &Dataset, record: &ActionRecord) -> Result<EquilibriumReport> {
        let mut action = record.build(data.lattice())?;
        let mut report = Self::check(data, Some(&mut *action))?;
        if record.name == "phi4" && data.lattice().components() == 1 {
            let mut flips = ClusterFlips::new(data.lattice(), record.coupling("kappa")?);
            report.require_stationary(data, &mut *action, "one cluster flip", &mut |stream: &Stream, field| {
                flips.flip(stream, field);
                Ok(())
            })?;
        }
        Ok(report)
    }
}

impl EquilibriumReport {
    /// Whether nothing speaks against equilibrium.
    pub fn is_in_equilibrium(&self) -> bool {
        self.faults.is_empty()
    }

    /// One line: the faults, or that there are none.
    pub fn verdict(&self) -> String {
        match self.is_in_equilibrium() {
            false => format!("configurations are not in equilibrium: {}", self.faults.join("; ")),
            true => format!(
                "nothing speaks against equilibrium: {} configurations, about {:.0} independent",
                self.configurations, self.independent
            ),
        }
    }

    fn conclude(&mut self, impossible: usize) {
        if impossible > 0 {
            self.faults.push(format!(
                "{impossible} configurations have probability zero, or no finite action: they are of another action"
            ));
        }
        let far = |z: Option<f64>| z.filter(|z| z.abs() > LIMIT);
        for identity in &self.identities {
            if let Some(z) = far(identity.z) {
                self.faults.push(format!(
                    "{} is {}, expected {} (z = {z:.1}): the couplings, or the scale of the field, are not those of \
                     the data, or the chain had not arrived",
                    identity.name,
                    with_error(identity.value, identity.error),
                    identity.expected
                ));
            }
        }
        for drift in &self.drifts {
            if let Some(z) = far(drift.z) {
                self.faults.push(format!(
                    "{} differs by {} (z = {z:.1}): the chain had not forgotten its start; thermalise longer, or leave \
                     the beginning out",
                    drift.name,
                    with_error(drift.value, drift.error)
                ));
            }
        }
        if let Some(sentence) = self.signs.as_ref().and_then(|signs| signs.fault(self.configurations)) {
            match self.signs.as_ref().is_some_and(|signs| signs.even == Some(true)) {
                true => self.faults.push(sentence),
                false => self.cautions.push(sentence),
            }
        }
        if let Some(signs) = &self.signs
            && signs.even == Some(true)
            && (1..FEW_CHANGES).contains(&signs.changes)
        {
            self.cautions.push(format!(
                "M changes its sign only {} times: how much weight each sign has is hardly known from these data",
                signs.changes
            ));
        }
        self.conclude_length();
    }

    fn conclude_length(&mut self) {
        let slowest = self.observables.iter().min_by(|a, b| a.independent.total_cmp(&b.independent));
        let Some(slowest) = slowest.filter(|slowest| !slowest.reliable || slowest.independent < SMALL_SET) else {
            return;
        };
        let most = if slowest.reliable { "about" } else { "at most" };
        self.cautions.push(format!(
            "{most} {:.0} of {} configurations are independent (tau_int of {} is {} configurations): what is measured \
             on the held-out tenth has large errors",
            slowest.independent,
            self.configurations,
            slowest.name,
            with_error(slowest.tau_int, slowest.tau_int_error)
        ));
    }
}

impl Comparison {
    fn of(name: String, estimate: &Estimate, expected: f64, length: usize) -> Self {
        let z = is_reliable(estimate, length)
            .then(|| normal_value(difference(estimate.value, expected), estimate.error, estimate.error_of_error));
        Comparison { name, value: estimate.value, error: estimate.error, expected, z }
    }
}

impl Correlation {
    fn of(name: &str, values: &[f64]) -> Result<Self> {
        let estimate = gamma_method(&[values])?;
        let Estimate { value, error, tau_int, tau_int_error, .. } = estimate;
        let independent = values.len() as f64 / (2.0 * tau_int).max(1.0);
        let reliable = is_reliable(&estimate, values.len());
        Ok(Correlation { name: name.into(), value, error, tau_int, tau_int_error, independent, reliable })
    }
}

impl Signs {
    fn of(series: &Series) -> Result<Option<Self>> {
        let Some(magnetisation) = &series.magnetisation else { return Ok(None) };
        let signs: Vec<f64> = magnetisation.iter().map(|&m| if m > 0.0 { 1.0 } else { -1.0 }).collect();
        let positive = signs.iter().filter(|&&sign| sign > 0.0).count() as f64 / signs.len() as f64;
        let changes = signs.windows(2).filter(|pair| pair[0] != pair[1]).count();
        // The time that a few changes leave to be measured is no better known than their number.
        let z = match changes {
            0..FEW_CHANGES => None,
            _ => Comparison::of(String::new(), &gamma_method(&[&signs])?, 0.0, signs.len()).z,
        };
        Ok(Some(Signs { even: series.even, positive, changes, z }))
    }

    fn fault(&self, configurations: usize) -> Option<String> {
        let which = if self.positive > 0.5 { "positive" } else { "negative" };
        let found = match (self.changes, self.z) {
            (0, _) => format!("M is {which} in all {configurations} configurations"),
            (_, Some(z)) if z.abs() > LIMIT => {
                format!("M > 0 in {:.2} of the configurations (z = {z:.1})", self.positive)
            }
            _ => return None,
        };
        match self.even {
            Some(true) => Some(format!(
                "{found}, but S(-phi) = S(phi): the set is one-sided, as a chain is that stays in one of two phases; \
                 mix both signs (cluster flips, or each configuration with a random sign)"
            )),
            Some(false) => None,
            None => Some(format!(
                "{found}: one-sided, if the law is even, which a training without an action takes it to be"
            )),
        }
    }
}

/// The first tenth, and the first half, of a chain against its second half. The second half gives the fluctuations for
/// the tenth, which by itself is too short to know them.
fn drifts(name: &str, values: &[f64]) -> Result<[Comparison; 2]> {
    let (early, late) = values.split_at(values.len() / 2);
    let first = &values[..values.len() / 10];
    let (early, reference) = (gamma_method(&[early])?, (gamma_method(&[late])?, late.len() as f64));
    let (late, length) = reference;
    let mean = first.iter().sum::<f64>() / first.len() as f64;
    let share = length / first.len() as f64;
    let of_first = Estimate { value: mean, error: late.error * share.sqrt(), ..late };
    let compare = |part: &str, other: &Estimate, other_length: f64, relative: f64| {
        let error = late.error.hypot(other.error);
        let usable = is_reliable(&late, length as usize) && independent(other, other_length) >= FEWEST_INDEPENDENT;
        let difference = difference(other.value, late.value);
        Comparison {
            name: format!("{name} of the {part} against the second half"),
            value: difference,
            error,
            expected: 0.0,
            z: usable.then(|| normal_value(difference, error, relative * error)),
        }
    };
    let relative =
        |estimate: &Estimate| if estimate.error > 0.0 { estimate.error_of_error / estimate.error } else { 0.0 };
    Ok([
        compare("first tenth", &of_first, first.len() as f64, relative(&late)),
        compare("first half", &early, values.len() as f64 - length, relative(&late).max(relative(&early))),
    ])
}

/// a - b, 0 where only rounding tells them apart.
fn difference(a: f64, b: f64) -> f64 {
    if (a - b).abs() > 1e-12 * (a.abs() + b.abs()) { a - b } else { 0.0 }
}

fn independent(estimate: &Estimate, length: f64) -> f64 {
    length / (2.0 * estimate.tau_int).max(1.0)
}

fn is_reliable(estimate: &Estimate, length: usize) -> bool {
    estimate.window_closed && independent(estimate, length as f64) >= FEWEST_INDEPENDENT
}

/// `difference` / `error` as a standard normal variable of the same probability: with an error of relative error r, the
/// ratio has Student's distribution with about 1/(2 r^2) degrees of freedom (D. L. Wallace, Ann. Math. Stat. 30 (1959)
/// 1124, for the conversion).
fn normal_value(difference: f64, error: f64, error_of_error: f64) -> f64 {
    if difference == 0.0 {
        return 0.0;
    }
    let t = (difference / error).clamp(-LARGEST_Z, LARGEST_Z);
    let degrees = 0.5 * (error / error_of_error).powi(2);
    if !degrees.is_finite() {
        return t;
    }
    let shrink = (8.0 * degrees + 1.0) / (8.0 * degrees + 3.0);
    t.signum() * shrink * (degrees * (t * t / degrees).ln_1p()).sqrt()
}

/// `0.931(12)`: the error in units of the last digits.
fn with_error(value: f64, error: f64) -> String {
    if !(error > 0.0 && error.is_finite()) {
        return format!("{value}");
    }
    let digits = (1.0 - error.log10().floor()).clamp(0.0, 12.0) as usize;
    let units = (error * 10f64.powi(digits as i32)).round();
    format!("{value:.digits$}({units:.0})")
}
