//! `stoq data --append`: a data file that grows, with a description that says by which runs.

use crate::common::read_fields;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use stoq::action::ActionRecord;
use stoq::files_description;
use stoq::files_growing::GrowingArray;
use stoq::lattice::Lattice;
use stoq::{Error, Result};

/// Configurations between two writes: what an interruption can cost.
const BLOCK: usize = 64;

/// The file, the runs that wrote it, and configurations that are not yet in it.
pub struct GrowingData {
    path: PathBuf,
    array: GrowingArray,
    /// What is there already, one configuration after the other.
    pub before: Vec<f64>,
    /// `{"chain", "seed", "configurations"}` of every run, this one last.
    runs: Vec<Value>,
    waiting: Vec<f32>,
    values: usize,
    /// Configurations that the file is to hold.
    room: u64,
}

impl GrowingData {
    /// Opens the file, whose description must tell of the same action and lattice, or makes it; it is to hold `room`
    /// configurations.
    pub fn open(path: &Path, record: &ActionRecord, lattice: &Lattice, (seed, room): (u64, usize)) -> Result<Self> {
        let mut runs = vec![];
        if path.exists() {
            let known = files_description::read(path)?.ok_or_else(|| {
                unusable(path, &format!("there is no {}", files_description::sidecar_path(path).display()))
            })?;
            let (extent, components) = (json!(lattice.extents()), json!(lattice.components()));
            if known["action"] != json!(record) || known["extent"] != extent || known["components"] != components {
                return Err(unusable(path, "its action, couplings or lattice are others"));
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
        let (path, values, room) = (path.into(), lattice.values(), room as u64);
        Ok(GrowingData { path, array, before, runs, waiting: vec![], values, room })
    }

    /// Number of the chain that this run follows: its random numbers are no other run's.
    pub fn chain(&self) -> u32 {
        self.runs.len() as u32 - 1
    }

    /// Configurations that are there.
    pub fn configurations(&self) -> usize {
        self.array.rows() as usize + self.waiting.len() / self.values
    }

    /// The description with the runs, and with the configurations that there are.
    pub fn described(&self, description: &Value) -> Value {
        let mut description = description.clone();
        description["runs"] = json!(self.runs);
        description["configurations"] = json!(self.configurations());
        description
    }

    /// Takes a configuration; says whether it is time for [`GrowingData::write`].
    pub fn push(&mut self, field: &[f64]) -> bool {
        self.waiting.extend(field.iter().map(|&x| x as f32));
        self.waiting.len() >= BLOCK * self.values
    }

    /// Writes what waits, the description first: it names this run before its first configuration is in the file.
    pub fn write(&mut self, description: &Value) -> Result<()> {
        let added = (self.waiting.len() / self.values) as u64;
        if let Some(run) = self.runs.last_mut() {
            run["configurations"] = json!(run["configurations"].as_u64().unwrap_or(0) + added);
        }
        let description = self.described(description);
        self.array.describe(self.room, &description)?;
        self.array.append(&self.waiting)?;
        self.waiting.clear();
        Ok(())
    }

    /// The same at the end of a run that is over before its time.
    pub fn close(&mut self, description: &Value) -> Result<()> {
        self.write(description)?;
        files_description::write(&self.path, &self.described(description))
    }
}

fn unusable(path: &Path, why: &str) -> Error {
    let expected = "data of the same action, couplings and lattice, with their description; or another --output";
    Error::invalid("--append", format!("{} ({why})", path.display()), expected)
}
