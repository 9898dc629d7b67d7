//! Ensembles of configurations of phi^4, and the same quantities of each with errors.

use crate::action::finite_action;
use crate::analysis::{JackknifeEstimate, Measurements, cumulants_of_moments, gamma_method};
use crate::error::{Error, Result, require_finite, require_length};
use crate::lattice::Lattice;
use crate::sampler::EquilibriumSampler;
use rayon::prelude::*;
use std::time::Instant;

/// Quantities of [`Ensemble::quantities`], in their order. `positive` is the share of configurations with M > 0;
/// `kappa2` to `kappa8` are the cumulants of the field at a site, and the last three are kappa_4 / kappa_2^2,
/// kappa_6 / kappa_2^3 and kappa_8 / kappa_2^4, which do not know the scale of the field. The law is even: odd moments are
/// zero and left out.
pub const QUANTITIES: [&str; 14] = [
    "abs_mag",
    "mean_abs_phi",
    "chi2",
    "chi_connected",
    "binder",
    "action_density",
    "positive",
    "kappa2",
    "kappa4",
    "kappa6",
    "kappa8",
    "kappa4_ratio",
    "kappa6_ratio",
    "kappa8_ratio",
];
/// Where the cumulants begin.
const KAPPA: usize = 7;
/// Jackknife bins, and the fewest configurations of a bin.
const BINS: (usize, usize) = (104, 20);
/// Fields that are kept for pictures.
const PICTURES: usize = 4;
/// Independent chains of the reference: their number does not depend on the threads.
const CHAINS: usize = 8;
/// Number of the first of them, which is none of the chains' that data come from.
const FIRST_CHAIN: u32 = 100;
/// Sweeps that bring each to equilibrium.
const THERMALISATION: usize = 500;

/// Columns of the table: M, |M|, M^2, M^4, mean |phi|, S/V, M > 0, and the mean of phi^2, phi^4, phi^6, phi^8.
const WIDTH: usize = 11;

/// Configurations with their measurements, one row each.
#[derive(Clone, Debug)]
pub struct Ensemble {
    /// Its name in tables.
    pub name: &'static str,
    /// The first fields.
    pub pictures: Vec<Vec<f64>>,
    /// Wall time in seconds.
    pub seconds: f64,
    volume: f64,
    rows: Vec<[f64; WIDTH]>,
    log_weights: Option<Vec<f64>>,
}

impl Ensemble {
    /// Without configurations, on `sites` sites.
    pub fn new(name: &'static str, sites: usize) -> Self {
        Ensemble { name, pictures: vec![], seconds: 0.0, volume: sites as f64, rows: vec![], log_weights: None }
    }

    /// Adds a configuration with its action.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`]; [`Error::NotFinite`].
    pub fn push(&mut self, field: &[f64], action: f64) -> Result<()> {
        require_length("field", field.len(), self.volume as usize)?;
        let (mut sum, mut absolute, mut powers) = (0.0, 0.0, [0.0; 4]);
        for x in field {
            let square = x * x;
            sum += x;
            absolute += x.abs();
            powers[0] += square;
            powers[1] += square * square;
            powers[2] += square * square * square;
            powers[3] += square * square * square * square;
        }
        let m = sum / self.volume;
        let positive = if m > 0.0 { 1.0 } else { 0.0 };
        let [m2, m4, m6, m8] = powers.map(|power| power / self.volume);
        let (absolute, action) = (absolute / self.volume, action / self.volume);
        let row = [m, m.abs(), m * m, m * m * m * m, absolute, action, positive, m2, m4, m6, m8];
        require_finite("measurements of a configuration", &row)?;
        self.rows.push(row);
        if self.pictures.len() < PICTURES {
            self.pictures.push(field.to_vec());
        }
        Ok(())
    }

    /// Number of configurations.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The magnetisation of every configuration.
    pub fn magnetisation(&self) -> Vec<f64> {
        self.rows.iter().map(|row| row[0]).collect()
    }

    /// |M| of every configuration.
    pub fn abs_mag(&self) -> Vec<f64> {
        self.rows.iter().map(|row| row[1]).collect()
    }

    /// tau_int of |M| in configurations, with its error.
    ///
    /// # Errors
    /// As [`gamma_method`].
    pub fn tau_int(&self) -> Result<(f64, f64)> {
        let estimate = gamma_method(&[&self.abs_mag()])?;
        Ok((estimate.tau_int, estimate.tau_int_error))
    }

    /// The log weights, if the ensemble is reweighted.
    pub fn log_weights(&self) -> Option<&[f64]> {
        self.log_weights.as_deref()
    }

    /// The same configurations, each with a weight.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for another number of weights.
    pub fn reweighted(&self, name: &'static str, log_weights: Vec<f64>) -> Result<Self> {
        require_length("log weights", log_weights.len(), self.len())?;
        Ok(Ensemble { name, log_weights: Some(log_weights), ..self.clone() })
    }

    /// The configurations of these indices, in this order.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an index that is not there.
    pub fn chosen(&self, name: &'static str, indices: &[usize]) -> Result<Self> {
        let row = |&index: &usize| match self.rows.get(index) {
            Some(row) => Ok(*row),
            None => Err(Error::invalid("configuration", index, &format!("below {}", self.len()))),
        };
        let rows = indices.iter().map(row).collect::<Result<_>>()?;
        let (pictures, seconds) = (self.pictures.clone(), self.seconds);
        Ok(Ensemble { name, pictures, seconds, volume: self.volume, rows, log_weights: None })
    }

    /// Estimates of the cumulants, each with its order: 2, 4, 6 and 8.
    ///
    /// # Errors
    /// As [`Ensemble::quantities`].
    pub fn cumulants(&self) -> Result<[(usize, JackknifeEstimate); 4]> {
        let quantities = self.quantities()?;
        Ok([2, 4, 6, 8].map(|order| (order, quantities[KAPPA + order / 2 - 1])))
    }

    /// Estimates of [`QUANTITIES`] by the jackknife over 104 bins of consecutive configurations (fewer for less than
    /// 2080): free of bias of order 1/N, errors right when a bin is long against the autocorrelation.
    ///
    /// # Errors
    /// As [`Measurements::estimate`].
    pub fn quantities(&self) -> Result<Vec<JackknifeEstimate>> {
        let bins = BINS.0.min(self.len() / BINS.1).max(2);
        let mut table = Measurements::new(WIDTH);
        self.rows.iter().try_for_each(|row| table.push(row))?;
        table.estimate(self.log_weights.as_deref(), bins, &|means| derive(means, self.volume))
    }
}

/// The quantities from the means of the columns.
fn derive(means: &[f64], volume: f64) -> Vec<f64> {
    let [_, abs_mag, mag2, mag4, mean_abs_phi, action, positive, m2, m4, m6, m8] = std::array::from_fn(|i| means[i]);
    let kappa = cumulants_of_moments(&[0.0, m2, 0.0, m4, 0.0, m6, 0.0, m8]);
    let [k2, k4, k6, k8] = [2, 4, 6, 8].map(|order| kappa[order - 1]);
    let chi = [volume * mag2, volume * (mag2 - abs_mag * abs_mag), 1.0 - mag4 / (3.0 * mag2 * mag2)];
    let ratios = [k4 / k2.powi(2), k6 / k2.powi(3), k8 / k2.powi(4)];
    let first = [abs_mag, mean_abs_phi].into_iter().chain(chi);
    first.chain([action, positive, k2, k4, k6, k8]).chain(ratios).collect()
}

/// `configurations` (rounded up to a multiple of eight) of equilibrium, by HMC and Wolff clusters in eight independent chains.
///
/// # Errors
/// As [`EquilibriumSampler::new`]; [`Error::Internal`] when threads cannot be started.
pub fn reference(
    lattice: &Lattice,
    (kappa, lambda): (f64, f64),
    configurations: usize,
    (seed, threads): (u64, usize),
) -> Result<Ensemble> {
    let clock = Instant::now();
    let chain = |chain: usize| -> Result<Ensemble> {
        let mut sampler = EquilibriumSampler::new(lattice, kappa, lambda, seed, FIRST_CHAIN + chain as u32)?;
        sampler.thermalise(THERMALISATION)?;
        let mut ensemble = Ensemble::new("reference", lattice.values());
        for _ in 0..configurations.div_ceil(CHAINS) {
            let field = sampler.next_configuration()?.to_vec();
            let action = finite_action(sampler.action(), &field)?.unwrap_or(f64::NAN);
            ensemble.push(&field, action)?;
        }
        Ok(ensemble)
    };
    let chains: Vec<Ensemble> =
        pool(threads)?.install(|| (0..CHAINS).into_par_iter().map(chain).collect::<Result<_>>())?;
    let mut all = Ensemble::new("reference", lattice.values());
    for chain in chains {
        all.rows.extend(chain.rows);
        all.pictures.extend(chain.pictures.into_iter().take(1));
    }
    all.pictures.truncate(PICTURES);
    all.seconds = clock.elapsed().as_secs_f64();
    Ok(all)
}

fn pool(threads: usize) -> Result<rayon::ThreadPool> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|error| Error::Internal(format!("threads of an ensemble: {error}")))
}

/// (a - b) / error for two independent estimates, 0 where both agree exactly.
pub fn z_value(a: (f64, f64), b: (f64, f64)) -> f64 {
    match a.0 - b.0 {
        0.0 => 0.0,
        difference => difference / a.1.hypot(b.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXACT: &str = include_str!("../../../tests/data/phi4_2d.json");

    /// 4 x 4 at kappa = 0.27 by spectral quadrature: <|M|>, chi2, U_L, kappa_2 .. kappa_8, at 4 sigma (7 comparisons, false
    /// alarm 5e-4, seed fixed); M > 0 half of the time.
    #[test]
    fn the_reference_is_exact() {
        let lattice = Lattice::new(&[4, 4]).unwrap();
        let found = reference(&lattice, (0.27, 0.022), 40_000, (3, 2)).unwrap();
        assert_eq!((found.len(), found.pictures.len()), (40_000, 4));
        let file: serde_json::Value = serde_json::from_str(EXACT).unwrap();
        let rows = file["exact"]["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["L"] == 4 && row["kappa"] == 0.27).unwrap();
        let number = |name: &str| row[name].as_f64().unwrap();
        let moments = ["phi2", "phi4", "phi6", "phi8"].map(number);
        let kappa = cumulants_of_moments(&[0.0, moments[0], 0.0, moments[1], 0.0, moments[2], 0.0, moments[3]]);
        let quantities = found.quantities().unwrap();
        let of = |name: &str| quantities[QUANTITIES.iter().position(|q| *q == name).unwrap()];
        let exact = [
            ("abs_mag", number("abs_mag")),
            ("chi2", number("chi2")),
            ("binder", number("binder")),
            ("positive", 0.5),
            ("kappa2", kappa[1]),
            ("kappa4", kappa[3]),
            ("kappa6", kappa[5]),
            ("kappa8", kappa[7]),
            ("kappa4_ratio", kappa[3] / kappa[1].powi(2)),
            ("kappa8_ratio", kappa[7] / kappa[1].powi(4)),
        ];
        for (name, exact) in exact {
            let estimate = of(name);
            assert!(estimate.z_value(exact).abs() < 4.0, "{name}: {estimate:?}, exact {exact}");
            assert!(estimate.error < 0.05 * exact.abs(), "{name}: {estimate:?}");
        }
        // Virial: 2 <S>/V + 2 lambda <phi^4> = 1.
        let action = of("action_density");
        assert!(((1.0 - 0.044 * moments[1]) / 2.0 - action.value).abs() < 4.0 * action.error, "{action:?}");
        // The same bits by any number of threads.
        let few = |threads| reference(&lattice, (0.27, 0.022), 64, (3, threads)).unwrap().magnetisation();
        assert_eq!(few(1), few(2));
    }

    #[test]
    fn weights_and_choices_move_the_means() {
        let mut ensemble = Ensemble::new("two", 2);
        for index in 0..200 {
            let x = if index % 4 == 0 { 2.0 } else { 1.0 };
            ensemble.push(&[x, x], 0.5).unwrap();
        }
        let value = |ensemble: &Ensemble| ensemble.quantities().unwrap()[0].value;
        assert!((value(&ensemble) - 1.25).abs() < 1e-12);
        let weights = (0..200).map(|index| if index % 4 == 0 { 3f64.ln() } else { 0.0 }).collect();
        assert!((value(&ensemble.reweighted("reweighted", weights).unwrap()) - 1.5).abs() < 1e-12);
        let chosen = ensemble.chosen("chosen", &[0; 50]).unwrap();
        assert!((value(&chosen) - 2.0).abs() < 1e-12 && chosen.len() == 50);
        assert!(ensemble.chosen("chosen", &[200]).is_err() && ensemble.reweighted("short", vec![0.0]).is_err());
        assert!(ensemble.push(&[1.0], 0.0).is_err() && ensemble.push(&[1.0, f64::NAN], 0.0).is_err());
        assert_eq!(ensemble.len(), 200);
    }
}
