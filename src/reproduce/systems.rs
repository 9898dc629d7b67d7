//! Small systems whose averages are known exactly, each with a score model that is deliberately not
//! that of the action: an exact kernel must not care, and a wrong one must show.

use crate::action::{Action, ActionRecord, MixtureLaw, ToyLaw};
use crate::analysis::mixture_moments;
use crate::diffusion::Schedule;
use crate::error::{Error, Result};
use crate::lattice::Lattice;
use crate::rng::{Purpose, Stream};
use crate::sampler::EquilibriumSampler;
use crate::score::{GaussianScore, MixtureScore, NativeScore, Score, ToyScore};
use crate::train::{Dataset, TrainOptions, Trainer};
use std::sync::Arc;

/// Exact averages of phi^4 on 4x4; `tests/python/exact_phi4.py` and spectral quadrature made them.
const PHI4: [&str; 2] = [include_str!("../../tests/data/phi4_2d.json"), include_str!("../../tests/data/phi4_4x4.json")];
/// Quartic coupling of all exact values.
const LAMBDA: f64 = 0.022;
/// Hopping parameters of the 4x4 systems.
pub const KAPPAS: [f64; 4] = [0.1, 0.21, 0.27, 0.4];

/// A system with exact averages.
pub struct System {
    /// Its name in tables.
    pub name: String,
    /// The action by name.
    pub record: ActionRecord,
    /// The lattice.
    pub lattice: Lattice,
    /// A score model that is near the law of the action but not it.
    pub score: Arc<dyn Score>,
    /// A field of positive probability to start from.
    pub start: Vec<f64>,
    /// Exact averages by name.
    pub exact: Vec<(&'static str, f64)>,
}

impl System {
    /// A new action.
    ///
    /// # Errors
    /// As [`ActionRecord::build`].
    pub fn action(&self) -> Result<Box<dyn Action>> {
        self.record.build(&self.lattice)
    }
}

/// Measures the observables of a system along a chain.
pub struct Meter {
    names: Vec<&'static str>,
    neighbours: Vec<u32>,
    rank: usize,
    /// One series a name.
    pub series: Vec<Vec<f64>>,
}

impl Meter {
    /// For the exact averages of `system`.
    pub fn new(system: &System) -> Self {
        let names: Vec<_> = system.exact.iter().map(|(name, _)| *name).collect();
        let neighbours = system.lattice.neighbours();
        Meter { series: vec![vec![]; names.len()], names, neighbours, rank: system.lattice.rank() }
    }

    /// Takes in a field.
    pub fn measure(&mut self, field: &[f64]) {
        let volume = field.len() as f64;
        let power = |n: i32| field.iter().map(|x| x.powi(n)).sum::<f64>() / volume;
        let mean = power(1);
        for (name, series) in self.names.iter().zip(&mut self.series) {
            series.push(match *name {
                "phi2" => power(2),
                "phi4" => power(4),
                "phi6" => power(6),
                "phi8" => power(8),
                "abs_mag" => mean.abs(),
                "mag2" => mean * mean,
                "mag4" => mean.powi(4),
                _ => {
                    let ahead =
                        |site: usize, axis: usize| field[self.neighbours[2 * (site * self.rank + axis)] as usize];
                    let sum: f64 =
                        (0..field.len()).map(|x| field[x] * (0..self.rank).map(|mu| ahead(x, mu)).sum::<f64>()).sum();
                    sum / (volume * self.rank as f64)
                }
            });
        }
    }
}

/// All systems of the table of kernels. Networks for phi^4 are trained here for `steps` steps.
///
/// # Errors
/// What building them raises.
pub fn systems(steps: u64, threads: usize) -> Result<Vec<System>> {
    let mut all = vec![free_field()?, toy(1.0)?, toy(-1.0)?, two_peak()?];
    for kappa in KAPPAS {
        all.push(phi4(kappa, steps, threads)?);
    }
    Ok(all)
}

fn schedule() -> Result<Schedule> {
    Schedule::variance_expanding(25.0)
}

/// The free field on 4x4 at kappa = 0.2; the model is that of kappa = 0.17.
///
/// # Errors
/// None that a caller can cause.
pub fn free_field() -> Result<System> {
    let (lattice, kappa) = (Lattice::new(&[4, 4])?, 0.2);
    let score = GaussianScore::free_field(lattice.clone(), schedule()?, 0.17)?;
    let target = GaussianScore::free_field(lattice.clone(), schedule()?, kappa)?;
    let sites = lattice.sites() as f64;
    let covariance = target.covariance();
    let phi2 = covariance.iter().sum::<f64>() / sites;
    // <phi(x) phi(x+mu)> = V^-1 sum_p C_p cos p_mu, the same for both axes.
    let cosines = covariance.iter().enumerate().map(|(p, c)| {
        c * (std::f64::consts::TAU * lattice.coordinates(p)[0] as f64 / lattice.extents()[0] as f64).cos()
    });
    let neighbours = cosines.sum::<f64>() / sites;
    let mag2 = covariance[0] / sites;
    Ok(System {
        name: "free field".into(),
        record: ActionRecord::phi4(kappa, 0.0),
        score: Arc::new(score),
        start: vec![0.1; lattice.values()],
        exact: vec![
            ("phi2", phi2),
            ("phi4", 3.0 * phi2.powi(2)),
            ("phi6", 15.0 * phi2.powi(3)),
            ("phi8", 105.0 * phi2.powi(4)),
            ("phi_phi_nn", neighbours),
            ("abs_mag", (2.0 * mag2 / std::f64::consts::PI).sqrt()),
            ("mag2", mag2),
            ("mag4", 3.0 * mag2 * mag2),
        ],
        lattice,
    })
}

/// The 0+0-dimensional toy at g = 0.4; the model's couplings are off by a few tens of per cent.
///
/// # Errors
/// As [`ToyLaw::new`].
pub fn toy(mu2: f64) -> Result<System> {
    let lattice = Lattice::new(&[1])?;
    let moments = ToyLaw::new(mu2, 0.4)?.moments(8);
    Ok(System {
        name: format!("toy mu2 = {mu2:+}"),
        record: ActionRecord::toy(mu2, 0.4),
        score: Arc::new(ToyScore::new(lattice.clone(), schedule()?, 0.85 * mu2, 0.3)?),
        start: vec![1.0],
        exact: even_moments(&moments),
        lattice,
    })
}

/// Two peaks at +-1 of width 1/4; the model's are at +-0.9 with width 0.3.
///
/// # Errors
/// As [`MixtureLaw::two_peak`].
pub fn two_peak() -> Result<System> {
    let lattice = Lattice::new(&[1])?;
    let moments = mixture_moments(&MixtureLaw::two_peak(1.0, 0.25)?, 0, 8)?;
    Ok(System {
        name: "two-peak".into(),
        record: ActionRecord::two_peak(1.0, 0.25),
        score: Arc::new(MixtureScore::two_peak(lattice.clone(), schedule()?, 0.9, 0.3)?),
        start: vec![1.0],
        exact: even_moments(&moments),
        lattice,
    })
}

/// phi2 .. phi8 from the moments of order 1, 2, ...
fn even_moments(moments: &[f64]) -> Vec<(&'static str, f64)> {
    [("phi2", 2), ("phi4", 4), ("phi6", 6), ("phi8", 8)].map(|(name, n)| (name, moments[n - 1])).to_vec()
}

/// phi^4 on 4x4 with a small network that was trained for `steps` steps only.
///
/// # Errors
/// What data and training raise.
pub fn phi4(kappa: f64, steps: u64, threads: usize) -> Result<System> {
    let lattice = Lattice::new(&[4, 4])?;
    let model = network(&lattice, kappa, steps, threads)?;
    let mut start = vec![0.0; lattice.values()];
    Stream::new(1, 0, 0)?.normals(Purpose::Start, 0, &mut start);
    Ok(System {
        name: format!("phi^4 kappa = {kappa}"),
        record: ActionRecord::phi4(kappa, LAMBDA),
        score: Arc::new(model),
        start,
        exact: exact_phi4(kappa)?,
        lattice,
    })
}

fn network(lattice: &Lattice, kappa: f64, steps: u64, threads: usize) -> Result<NativeScore> {
    let mut sampler = EquilibriumSampler::new(lattice, kappa, LAMBDA, 77, 0)?;
    sampler.thermalise(200)?;
    let mut fields = vec![];
    for _ in 0..2048 {
        fields.extend(sampler.next_configuration()?.iter().map(|&x| x as f32));
    }
    let options =
        TrainOptions { channels: vec![16], embedding: 16, batch: 32, steps, threads, ..TrainOptions::default() };
    let data = Dataset::new(lattice.clone(), fields)?;
    let mut trainer = Trainer::new(data, Some(ActionRecord::phi4(kappa, LAMBDA)), options)?;
    while !trainer.is_finished() {
        trainer.step()?;
    }
    NativeScore::new(trainer.finish()?)
}

/// The exact averages at `kappa` that the reference files hold.
fn exact_phi4(kappa: f64) -> Result<Vec<(&'static str, f64)>> {
    const NAMES: [&str; 8] = ["phi2", "phi4", "phi6", "phi8", "phi_phi_nn", "abs_mag", "mag2", "mag4"];
    let broken = |what: &str| Error::Internal(format!("exact values of phi^4: {what}"));
    for text in PHI4 {
        let file: serde_json::Value = serde_json::from_str(text).map_err(|error| broken(&error.to_string()))?;
        let rows = file["exact"]["rows"].as_array().or(file["rows"].as_array()).ok_or_else(|| broken("no rows"))?;
        let here = |row: &&serde_json::Value| row["L"] == 4 && row["kappa"] == kappa && row["lambda"] == LAMBDA;
        let Some(row) = rows.iter().find(here) else { continue };
        let found: Option<Vec<_>> = NAMES.iter().map(|&name| Some((name, row[name].as_f64()?))).collect();
        if let Some(found) = found {
            return Ok(found);
        }
    }
    Err(broken(&format!("none at kappa = {kappa}")))
}

/// ln Z of phi^4 on 4x4, with the same normalisation as the action.
///
/// # Errors
/// [`Error::Internal`] for another hopping parameter than [`KAPPAS`].
pub fn log_partition_phi4(kappa: f64) -> Result<f64> {
    let file: serde_json::Value =
        serde_json::from_str(PHI4[1]).map_err(|error| Error::Internal(format!("exact values: {error}")))?;
    let rows = file["rows"].as_array();
    let row = rows.and_then(|rows| rows.iter().find(|row| row["kappa"] == kappa));
    row.and_then(|row| row["log_Z"].as_f64()).ok_or_else(|| Error::Internal(format!("no log Z at kappa = {kappa}")))
}
