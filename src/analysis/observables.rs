//! Observables of a real scalar field on a chain.
//!
//! M is the mean of the field over the lattice. abs_mag = <|M|> and mean_abs_phi = <mean_x |phi(x)|>
//! are two observables; the names here are those of the tables of reference values.

use super::autocorrelation::{Estimate, gamma_method, gamma_method_derived};
use crate::error::{Error, Result, require_finite, require_length};
use serde::Serialize;

/// Measurements along one chain, one value of each observable a configuration.
#[derive(Clone, Debug)]
pub struct FieldSeries {
    sites: usize,
    magnetisation: Vec<f64>,
    mean_abs_phi: Vec<f64>,
    phi2: Vec<f64>,
    action_density: Vec<f64>,
}

impl FieldSeries {
    /// An empty series for fields of `sites` values.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when `sites` is 0.
    pub fn new(sites: usize) -> Result<Self> {
        if sites == 0 {
            return Err(Error::invalid("sites", sites, "at least one site"));
        }
        Ok(FieldSeries { sites, magnetisation: vec![], mean_abs_phi: vec![], phi2: vec![], action_density: vec![] })
    }

    /// Measures `field`, whose action S(phi) is `action`; neither is kept.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] or [`Error::NotFinite`]; the series is then as before.
    pub fn measure(&mut self, field: &[f64], action: f64) -> Result<()> {
        require_length("field", field.len(), self.sites)?;
        require_finite("field", field)?;
        require_finite("action", &[action])?;
        let volume = self.sites as f64;
        let (mut sum, mut absolute, mut square) = (0.0, 0.0, 0.0);
        for phi in field {
            sum += phi;
            absolute += phi.abs();
            square += phi * phi;
        }
        self.magnetisation.push(sum / volume);
        self.mean_abs_phi.push(absolute / volume);
        self.phi2.push(square / volume);
        self.action_density.push(action / volume);
        Ok(())
    }

    /// Number of configurations measured.
    pub fn len(&self) -> usize {
        self.magnetisation.len()
    }

    /// Whether nothing has been measured.
    pub fn is_empty(&self) -> bool {
        self.magnetisation.is_empty()
    }

    /// Number of sites V of a field.
    pub fn sites(&self) -> usize {
        self.sites
    }

    /// M = mean_x phi(x).
    pub fn magnetisation(&self) -> &[f64] {
        &self.magnetisation
    }

    /// mean_x |phi(x)|.
    pub fn mean_abs_phi(&self) -> &[f64] {
        &self.mean_abs_phi
    }

    /// mean_x phi(x)^2.
    pub fn phi2(&self) -> &[f64] {
        &self.phi2
    }

    /// S(phi) / V.
    pub fn action_density(&self) -> &[f64] {
        &self.action_density
    }

    /// |M|.
    pub fn abs_mag(&self) -> Vec<f64> {
        self.magnetisation.iter().map(|m| m.abs()).collect()
    }

    /// M^2.
    pub fn mag2(&self) -> Vec<f64> {
        self.magnetisation.iter().map(|m| m * m).collect()
    }

    /// M^4.
    pub fn mag4(&self) -> Vec<f64> {
        self.magnetisation.iter().map(|m| m.powi(4)).collect()
    }
}

/// Estimates of all observables with errors by the Gamma method, ratios included.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MagnetisationSummary {
    /// Configurations over all chains.
    pub configurations: usize,
    /// <|M|>.
    pub abs_mag: Estimate,
    /// <M^2>.
    pub mag2: Estimate,
    /// <M^4>.
    pub mag4: Estimate,
    /// V <M^2>.
    pub chi2: Estimate,
    /// V (<M^2> - <|M|>^2).
    pub chi_connected: Estimate,
    /// Binder cumulant U_L = 1 - <M^4> / (3 <M^2>^2).
    pub binder: Estimate,
    /// <phi(x)^2>.
    pub phi2: Estimate,
    /// <mean_x |phi(x)|>.
    pub mean_abs_phi: Estimate,
    /// Mean of S(phi) / V.
    pub action_density: Estimate,
}

impl MagnetisationSummary {
    /// Pools `chains` of the same lattice, of any lengths.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when the lattices differ, [`Error::InvalidArgument`] for fewer than
    /// two configurations in all, or when the magnetisation vanishes identically (the Binder cumulant is then 0/0).
    pub fn new(chains: &[&FieldSeries]) -> Result<Self> {
        let sites = chains.first().map_or(0, |chain| chain.sites);
        for chain in chains {
            require_length("sites of a chain", chain.sites, sites)?;
        }
        let volume = sites as f64;
        let pooled = |series: fn(&FieldSeries) -> &[f64]| {
            gamma_method(&chains.iter().map(|chain| series(chain)).collect::<Vec<_>>())
        };
        let powers: Vec<[Vec<f64>; 3]> =
            chains.iter().map(|chain| [chain.abs_mag(), chain.mag2(), chain.mag4()]).collect();
        let powers: Vec<[&[f64]; 3]> =
            powers.iter().map(|chain| [&chain[0][..], &chain[1][..], &chain[2][..]]).collect();
        let power = |which: usize| gamma_method(&powers.iter().map(|chain| chain[which]).collect::<Vec<_>>());
        let mag2 = power(1)?;
        if mag2.value == 0.0 {
            return Err(Error::invalid("magnetisation", "0 in every configuration", "fields with a magnetisation"));
        }
        Ok(MagnetisationSummary {
            configurations: chains.iter().map(|chain| chain.len()).sum(),
            abs_mag: power(0)?,
            mag2,
            mag4: power(2)?,
            chi2: mag2.scaled(volume),
            chi_connected: gamma_method_derived(&powers, &|m| volume * (m[1] - m[0] * m[0]))?,
            binder: gamma_method_derived(&powers, &|m| 1.0 - m[2] / (3.0 * m[1] * m[1]))?,
            phi2: pooled(FieldSeries::phi2)?,
            mean_abs_phi: pooled(FieldSeries::mean_abs_phi)?,
            action_density: pooled(FieldSeries::action_density)?,
        })
    }

    /// All estimates with the names of the tables of reference values.
    pub fn rows(&self) -> [(&'static str, Estimate); 9] {
        [
            ("abs_mag", self.abs_mag),
            ("mag2", self.mag2),
            ("mag4", self.mag4),
            ("chi2", self.chi2),
            ("chi_connected", self.chi_connected),
            ("binder", self.binder),
            ("phi2", self.phi2),
            ("mean_abs_phi", self.mean_abs_phi),
            ("action_density", self.action_density),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{Action, Phi4};
    use crate::lattice::Lattice;
    use crate::rng::{Purpose, Stream};

    #[test]
    fn white_noise_has_the_closed_forms() {
        // phi(x) independent standard normals on V = 16 sites, kappa = 0, lambda = 0 (S = sum phi^2),
        // two chains of different lengths; nine z-values against 3.5 (false alarm below 0.5 per cent, seed fixed).
        let lattice = Lattice::new(&[4, 4]).unwrap();
        let mut action = Phi4::new(&lattice, 0.0, 0.0).unwrap();
        let mut chains = [FieldSeries::new(16).unwrap(), FieldSeries::new(16).unwrap()];
        let mut field = [0.0; 16];
        for (chain, (series, length)) in chains.iter_mut().zip([30_000, 10_000]).enumerate() {
            for step in 0..length {
                Stream::new(5, chain as u32, step).unwrap().normals(Purpose::Diagnostic, 0, &mut field);
                series.measure(&field, action.action(&field).unwrap()).unwrap();
            }
        }
        let summary = MagnetisationSummary::new(&[&chains[0], &chains[1]]).unwrap();
        let (v, mean_abs) = (16.0, (2.0 / std::f64::consts::PI).sqrt());
        let expected =
            [mean_abs / 4.0, 1.0 / v, 3.0 / (v * v), 1.0, 1.0 - mean_abs * mean_abs, 0.0, 1.0, mean_abs, 1.0];
        assert_eq!(summary.configurations, 40_000);
        for ((name, estimate), expected) in summary.rows().iter().zip(expected) {
            assert!(estimate.z_value(expected).abs() < 3.5, "{name}: {estimate:?}, expected {expected}");
            assert!((estimate.tau_int - 0.5).abs() < 0.05, "{name}: {estimate:?}");
        }
    }

    #[test]
    fn errors_leave_the_series_as_it_was() {
        let mut series = FieldSeries::new(2).unwrap();
        assert!(series.measure(&[1.0], 0.0).is_err());
        assert!(series.measure(&[1.0, f64::NAN], 0.0).is_err());
        assert!(series.measure(&[1.0, 2.0], f64::INFINITY).is_err());
        assert!(series.is_empty() && MagnetisationSummary::new(&[&series]).is_err());
        series.measure(&[1.0, -1.0], 0.5).unwrap();
        series.measure(&[2.0, -2.0], 0.5).unwrap();
        assert!(MagnetisationSummary::new(&[&series]).is_err(), "the Binder cumulant is 0/0");
        assert!(MagnetisationSummary::new(&[&series, &FieldSeries::new(3).unwrap()]).is_err());
    }
}
