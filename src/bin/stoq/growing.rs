//! `stoq data --append`: a data file that grows, with a sidecar that says by which runs.

use crate::common::read_fields;
use crate::data::sidecar_path;
use serde_json::{Value, json};
use std::path::Path;
use stoq::action::ActionRecord;
use stoq::files_growing::GrowingArray;
use stoq::lattice::Lattice;
use stoq::{Error, Result};

/// Configurations between two writes: what an interruption can cost.
const BLOCK: usize = 64;

/// The file, the runs that wrote it, and configurations that are not yet in it.
pub struct GrowingData {
    array: GrowingArray,
    /// What is there already, one configuration after the other.
    pub before: Vec<f64>,
    /// `{"chain", "seed", "configurations"}` of every run, this one last.
    runs: Vec<Value>,
    waiting: Vec<f32>,
    values: usize,
}

impl GrowingData {
    /// Opens the file, whose sidecar must tell of the same action and lattice, or makes it.
    pub fn open(path: &Path, record: &ActionRecord, lattice: &Lattice, seed: u64) -> Result<Self> {
        let sidecar = sidecar_path(path);
        let mut runs = vec![];
        if path.exists() {
            let known: Value =
                std::fs::read(&sidecar).map_err(|source| Error::io(&sidecar, source)).and_then(|bytes| {
                    serde_json::from_slice(&bytes).map_err(|error| unusable(&sidecar, &error.to_string()))
                })?;
            let (extent, components) = (json!(lattice.extents()), json!(lattice.components()));
            if known["action"] != json!(record) || known["extent"] != extent || known["components"] != components {
                return Err(unusable(&sidecar, "its action, couplings or lattice are others"));
            }
            runs = match known["runs"].as_array() {
                Some(runs) => runs.clone(),
                // A file that was written whole, by one run.
                None => vec![json!({"chain": 0, "seed": known["seed"], "configurations": known["configurations"]})],
            };
        }
        let components = Some(lattice.components()).filter(|&components| components > 1);
        let rest: Vec<usize> = components.into_iter().chain(lattice.extents().iter().copied()).collect();
        let array = GrowingArray::open(path, &rest)?;
        let before = if array.rows() > 0 { read_fields(path, lattice.components())?.1 } else { vec![] };
        // An interrupted run wrote its last sidecar before its last configurations.
        let counted = |run: &Value| run["configurations"].as_u64().unwrap_or(0);
        let others: u64 = runs.iter().rev().skip(1).map(counted).sum();
        if let Some(last) = runs.last_mut() {
            last["configurations"] = json!(array.rows().saturating_sub(others));
        }
        runs.push(json!({"chain": runs.len(), "seed": seed, "configurations": 0}));
        Ok(GrowingData { array, before, runs, waiting: vec![], values: lattice.values() })
    }

    /// Number of the chain that this run follows: its random numbers are no other run's.
    pub fn chain(&self) -> u32 {
        self.runs.len() as u32 - 1
    }

    /// Configurations that are there.
    pub fn configurations(&self) -> usize {
        self.array.rows() as usize + self.waiting.len() / self.values
    }

    /// The runs, for the sidecar.
    pub fn runs(&self) -> Value {
        json!(self.runs)
    }

    /// Takes a configuration; says whether it is time for [`GrowingData::write`].
    pub fn push(&mut self, field: &[f64]) -> bool {
        self.waiting.extend(field.iter().map(|&x| x as f32));
        self.waiting.len() >= BLOCK * self.values
    }

    /// Writes what waits, the sidecar first: it names this run before its first configuration is in the file.
    pub fn write(&mut self, path: &Path, sidecar: &Value) -> Result<()> {
        let added = (self.waiting.len() / self.values) as u64;
        if let Some(run) = self.runs.last_mut() {
            run["configurations"] = json!(run["configurations"].as_u64().unwrap_or(0) + added);
        }
        let mut sidecar = sidecar.clone();
        sidecar["runs"] = self.runs();
        sidecar["configurations"] = json!(self.array.rows() + added);
        write_sidecar(path, &sidecar)?;
        self.array.append(&self.waiting)?;
        self.waiting.clear();
        Ok(())
    }
}

/// Writes the file beside the data, whole or not at all.
pub fn write_sidecar(path: &Path, sidecar: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(sidecar).map_err(|error| Error::Internal(error.to_string()))?;
    stoq::files::write_atomically(&sidecar_path(path), format!("{text}\n").as_bytes())
}

fn unusable(sidecar: &Path, why: &str) -> Error {
    let expected = "the sidecar of data of the same action, couplings and lattice; or another --output";
    Error::invalid("--append", format!("{} ({why})", sidecar.display()), expected)
}
