//! The `stoq.*` entries in the metadata of an exported network: one key a fact, so that any program can write them.
//!
//! | key | value |
//! |---|---|
//! | `stoq.schema` | 1 |
//! | `stoq.scheme`, `stoq.sigma`, `stoq.contraction` | as in `Schedule`; T is 1 |
//! | `stoq.output` | `score`, `sigma*score`, `noise` or `denoiser` |
//! | `stoq.time` | `t`, `sigma` or `log sigma` |
//! | `stoq.scale`, `stoq.shift` | numbers; absent: 1 and 0 |
//! | `stoq.channels` | `none`, `first` or `last` |
//! | `stoq.extents` | such as `[32,32]`, or `any` |
//! | `stoq.components` | a number |
//! | `stoq.covariance` | a list of numbers, see `Declaration::covariance` |
//! | `stoq.action` | such as `phi4 kappa=0.27 lambda=0.022` |
//! | `stoq.test` | a test vector, see [`TestVector`] |

use super::options::{Channels, Declaration, NetworkOutput, Normalisation, TimeInput};
use crate::action::ActionRecord;
use crate::diffusion::Schedule;
use crate::error::Result;
use crate::model::SCHEMA;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::str::FromStr;

const SCHEMA_KEY: &str = "stoq.schema";
const TEST_KEY: &str = "stoq.test";
/// What only files of stoq's own networks have.
pub(super) const NATIVE_KEY: &str = "stoq.metadata";

type Entries = BTreeMap<String, String>;

/// Inputs that the exporting program gave the network and what came out, in the order and element type of the graph's own
/// tensors. Loading replays it: the largest difference must stay below `tolerance` times the largest output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TestVector {
    /// The tensor of fields.
    pub field: Vec<f64>,
    /// The tensor of times.
    pub time: Vec<f64>,
    /// The tensor of outputs.
    pub output: Vec<f64>,
    /// Relative to the largest output.
    pub tolerance: f64,
}

fn number<T: FromStr>(entries: &Entries, key: &str) -> Result<Option<T>, String> {
    let parse = |text: &String| text.trim().parse().map_err(|_| format!("{key} is {text:?}, expected a number"));
    entries.get(key).map(parse).transpose()
}

fn finite(entries: &Entries, key: &str) -> Result<Option<f64>, String> {
    match number::<f64>(entries, key)? {
        Some(value) if !value.is_finite() => Err(format!("{key} is {value}, expected a finite number")),
        value => Ok(value),
    }
}

fn named<T>(entries: &Entries, key: &str, names: &[&str], from: fn(&str) -> Option<T>) -> Result<Option<T>, String> {
    let parse =
        |text: &String| from(text).ok_or_else(|| format!("{key} is {text:?}, expected one of: {}", names.join(", ")));
    entries.get(key).map(parse).transpose()
}

fn list<T: for<'a> Deserialize<'a>>(entries: &Entries, key: &str) -> Result<Option<T>, String> {
    let parse =
        |text: &String| serde_json::from_str(text).map_err(|error| format!("{key} is no list of numbers ({error})"));
    entries.get(key).filter(|text| *text != "any").map(parse).transpose()
}

impl Declaration {
    /// What a file says; nothing if it has no such keys.
    pub(super) fn from_entries(entries: &Entries) -> Result<Self, String> {
        if let Some(schema) = entries.get(SCHEMA_KEY).filter(|schema| **schema != SCHEMA.to_string()) {
            return Err(format!("{SCHEMA_KEY} is {schema}, this version of stoq reads {SCHEMA}"));
        }
        let (scale, shift) = (finite(entries, "stoq.scale")?, finite(entries, "stoq.shift")?);
        let normalisation = (scale.is_some() || shift.is_some())
            .then(|| Normalisation { scale: scale.unwrap_or(1.0), shift: shift.unwrap_or(0.0) });
        Ok(Declaration {
            schedule: schedule(entries)?,
            output: named(entries, "stoq.output", NetworkOutput::NAMES, NetworkOutput::from_name)?,
            time: named(entries, "stoq.time", TimeInput::NAMES, TimeInput::from_name)?,
            normalisation,
            channels: named(entries, "stoq.channels", Channels::NAMES, Channels::from_name)?,
            extents: list(entries, "stoq.extents")?,
            components: number(entries, "stoq.components")?,
            covariance: list(entries, "stoq.covariance")?,
            action: entries
                .get("stoq.action")
                .filter(|text| *text != "not recorded")
                .map(|text| action(text))
                .transpose()?,
        })
    }

    /// The entries that say it.
    pub(super) fn to_entries(&self) -> Vec<(String, String)> {
        let mut entries: Vec<(String, String)> = vec![(SCHEMA_KEY.into(), SCHEMA.to_string())];
        let mut add =
            |key: &str, value: Option<String>| entries.extend(value.map(|value| (format!("stoq.{key}"), value)));
        if let Some(schedule) = &self.schedule {
            let name = match schedule {
                Schedule::VarianceExpanding { .. } => "variance-expanding",
                Schedule::VariancePreserving { .. } => "variance-preserving",
                Schedule::Interpolating { .. } => "interpolating",
            };
            add("scheme", Some(name.into()));
            add("sigma", Some(schedule.sigma().to_string()));
            let interpolating = matches!(schedule, Schedule::Interpolating { .. });
            add("contraction", interpolating.then(|| schedule.contraction().to_string()));
            add("T", Some(crate::diffusion::T_END.to_string()));
        }
        add("output", self.output.map(|output| output.name().into()));
        add("time", self.time.map(|time| time.name().into()));
        add("scale", self.normalisation.map(|n| n.scale.to_string()));
        add("shift", self.normalisation.map(|n| n.shift.to_string()));
        add("channels", self.channels.map(|channels| channels.name().into()));
        add("extents", self.extents.as_ref().map(|extents| format!("{extents:?}").replace(' ', "")));
        add("components", self.components.map(|components| components.to_string()));
        let numbers = |values: &Vec<f64>| values.iter().map(f64::to_string).collect::<Vec<_>>().join(",");
        add("covariance", self.covariance.as_ref().map(|values| format!("[{}]", numbers(values))));
        let couplings = |action: &ActionRecord| -> String {
            action.couplings.iter().map(|(name, value)| format!(" {name}={value}")).collect()
        };
        add("action", self.action.as_ref().map(|action| action.name.clone() + &couplings(action)));
        entries
    }
}

/// The test vector of a file, if it has one.
pub(super) fn test_vector(entries: &Entries) -> Result<Option<TestVector>, String> {
    let parse =
        |text: &String| serde_json::from_str(text).map_err(|error| format!("{TEST_KEY} cannot be read ({error})"));
    entries.get(TEST_KEY).map(parse).transpose()
}

/// The entry of a file's test vector, to be carried over.
pub(super) fn test_entry(entries: &Entries) -> Option<(String, String)> {
    entries.get(TEST_KEY).map(|text| (TEST_KEY.to_string(), text.clone()))
}

fn action(text: &str) -> Result<ActionRecord, String> {
    ActionRecord::from_text(text).map_err(|error| format!("stoq.action: {error}"))
}

fn schedule(entries: &Entries) -> Result<Option<Schedule>, String> {
    let Some(scheme) = entries.get("stoq.scheme") else { return Ok(None) };
    let sigma =
        finite(entries, "stoq.sigma")?.ok_or("stoq.scheme is there and stoq.sigma, the base of g = sigma^t, is not")?;
    if finite(entries, "stoq.T")?.is_some_and(|end| end != crate::diffusion::T_END) {
        return Err("stoq.T is not 1: rescale the time of the network to end at 1".into());
    }
    let made = match scheme.as_str() {
        "variance-expanding" => Schedule::variance_expanding(sigma),
        "variance-preserving" => Schedule::variance_preserving(sigma),
        "interpolating" => {
            let contraction = finite(entries, "stoq.contraction")?
                .ok_or("stoq.contraction of the interpolating scheme is missing")?;
            Schedule::interpolating(sigma, contraction)
        }
        other => {
            let expected = "variance-expanding, variance-preserving or interpolating";
            return Err(format!("stoq.scheme is {other:?}, expected {expected}"));
        }
    };
    made.map(Some).map_err(|error| format!("stoq.scheme: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(pairs: &[(&str, &str)]) -> Entries {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    #[test]
    fn a_declaration_survives_its_file() {
        let whole = Declaration {
            schedule: Some(Schedule::interpolating(10.0 / 3.0, 0.1).unwrap()),
            output: Some(NetworkOutput::SigmaScore),
            time: Some(TimeInput::LogSigma),
            normalisation: Some(Normalisation { scale: 0.1 + 0.2, shift: -1e-300 }),
            channels: Some(Channels::Last),
            extents: Some(vec![4, 6]),
            components: Some(2),
            covariance: Some(vec![1.0 / 3.0, 2.0]),
            action: Some(ActionRecord::phi4(0.27, 0.022)),
        };
        let found = Declaration::from_entries(&whole.to_entries().into_iter().collect()).unwrap();
        assert_eq!(found, whole);
        assert_eq!(Declaration::from_entries(&Entries::new()).unwrap(), Declaration::default());
    }

    #[test]
    fn nonsense_is_named() {
        for (pairs, word) in [
            (&[("stoq.schema", "7")][..], "stoq.schema is 7"),
            (&[("stoq.output", "velocity")], "velocity"),
            (&[("stoq.time", "n")], "log sigma"),
            (&[("stoq.scheme", "vp"), ("stoq.sigma", "25")], "variance-preserving"),
            (&[("stoq.scheme", "variance-expanding")], "stoq.sigma"),
            (&[("stoq.scheme", "variance-expanding"), ("stoq.sigma", "0.5")], "sigma = 0.5"),
            (&[("stoq.scheme", "interpolating"), ("stoq.sigma", "5")], "stoq.contraction"),
            (&[("stoq.scheme", "variance-expanding"), ("stoq.sigma", "5"), ("stoq.T", "2")], "end at 1"),
            (&[("stoq.scale", "wide")], "stoq.scale"),
            (&[("stoq.shift", "NaN")], "finite"),
            (&[("stoq.extents", "16x16")], "stoq.extents"),
            (&[("stoq.covariance", "[1,")], "stoq.covariance"),
            (&[("stoq.action", "phi4 kappa")], "kappa=0.27"),
        ] {
            let refusal = Declaration::from_entries(&entries(pairs)).unwrap_err();
            assert!(refusal.contains(word), "{refusal}");
        }
        assert!(test_vector(&entries(&[("stoq.test", "{}")])).unwrap_err().contains("stoq.test"));
        assert_eq!(Declaration::from_entries(&entries(&[("stoq.extents", "any")])).unwrap().extents, None);
    }
}
