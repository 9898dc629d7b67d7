//! Observables of many configurations, kept one row a configuration, and any functions of their means.

use super::jackknife::{JackknifeEstimate, jackknife};
use crate::error::{Error, Result, require_finite, require_length};

/// A table: one row of observables a configuration. It holds 8 bytes a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurements {
    width: usize,
    values: Vec<f64>,
}

impl Measurements {
    /// An empty table of `width` observables.
    pub fn new(width: usize) -> Self {
        Measurements { width, values: vec![] }
    }

    /// Number of configurations.
    pub fn len(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// Whether it has no row yet.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Adds a configuration.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] or [`Error::NotFinite`]; the table is then as before.
    pub fn push(&mut self, row: &[f64]) -> Result<()> {
        require_length("observables of a configuration", row.len(), self.width)?;
        require_finite("observables of a configuration", row)?;
        self.values.extend_from_slice(row);
        Ok(())
    }

    /// One observable along the configurations.
    pub fn series(&self, observable: usize) -> Vec<f64> {
        self.values.iter().skip(observable).step_by(self.width.max(1)).copied().collect()
    }

    /// Functions of the means of all observables, by a jackknife over `bins` bins of consecutive configurations.
    /// With `log_weights`, one a configuration, the means are sum w O / sum w.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for fewer than two bins or more than configurations, weights that vanish without one
    /// bin, or a function that is not finite; [`Error::NotFinite`] for a weight of NaN or infinity;
    /// [`Error::ShapeMismatch`] for another number of weights.
    pub fn estimate(
        &self,
        log_weights: Option<&[f64]>,
        bins: usize,
        functions: &dyn Fn(&[f64]) -> Vec<f64>,
    ) -> Result<Vec<JackknifeEstimate>> {
        let count = self.len();
        if !(2..=count).contains(&bins) {
            return Err(Error::invalid("bins", bins, &format!("2 to {count} bins, the number of configurations")));
        }
        let weights = match log_weights {
            None => vec![1.0; count],
            Some(logs) => relative_weights(logs, count)?,
        };
        let mut whole = (0.0, vec![0.0; self.width]);
        let mut parts = Vec::with_capacity(bins);
        for bin in 0..bins {
            let mut part = (0.0, vec![0.0; self.width]);
            for index in bin * count / bins..(bin + 1) * count / bins {
                let (weight, row) = (weights[index], &self.values[index * self.width..(index + 1) * self.width]);
                part.0 += weight;
                part.1.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
            }
            whole.0 += part.0;
            whole.1.iter_mut().zip(&part.1).for_each(|(sum, value)| *sum += value);
            parts.push(part);
        }
        let of =
            |weight: f64, sums: &mut dyn Iterator<Item = f64>| functions(&sums.map(|s| s / weight).collect::<Vec<_>>());
        let value = of(whole.0, &mut whole.1.iter().copied());
        let without: Vec<Vec<f64>> = parts
            .iter()
            .map(|part| of(whole.0 - part.0, &mut whole.1.iter().zip(&part.1).map(|(all, part)| all - part)))
            .collect();
        let shares: Vec<f64> =
            (0..bins).map(|bin| ((bin + 1) * count / bins - bin * count / bins) as f64 / count as f64).collect();
        Ok(jackknife(&shares, &value, &without)?.estimates)
    }
}

fn relative_weights(log_weights: &[f64], count: usize) -> Result<Vec<f64>> {
    require_length("log weights", log_weights.len(), count)?;
    if let Some(index) = log_weights.iter().position(|&x| x.is_nan() || x == f64::INFINITY) {
        return Err(Error::NotFinite { what: "log weights".into(), index, value: log_weights[index] });
    }
    let largest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return Err(Error::invalid("log weights", "all -inf", "at least one proposal of nonzero weight"));
    }
    Ok(log_weights.iter().map(|x| (x - largest).exp()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::reweighted_mean;
    use crate::rng::{Purpose, Stream};

    #[test]
    fn means_ratios_and_weights_have_the_closed_forms() {
        let mut normals = vec![0.0; 20_000];
        Stream::new(3, 0, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut normals);
        let mut table = Measurements::new(2);
        normals.iter().for_each(|z| table.push(&[0.5 + z, (0.5 + z) * (0.5 + z)]).unwrap());
        let variance = |m: &[f64]| vec![m[0], m[1] - m[0] * m[0]];
        let plain = table.estimate(None, 50, &variance).unwrap();
        // Weights exp(-x/2) move N(1/2, 1) to N(0, 1). Four comparisons at 4 sigma (false alarm 3e-4), seed fixed.
        let logs: Vec<f64> = table.series(0).iter().map(|x| 1e3 - 0.5 * x).collect();
        let moved = table.estimate(Some(&logs), 50, &variance).unwrap();
        for (found, expected) in [(plain[0], 0.5), (plain[1], 1.0), (moved[0], 0.0), (moved[1], 1.0)] {
            assert!(found.z_value(expected).abs() < 4.0 && found.error < 0.03, "{found:?} {expected}");
        }
        assert!((plain[0].error / (1.0 / 20_000f64).sqrt() - 1.0).abs() < 0.4);
        let other = reweighted_mean(&logs, &table.series(0)).unwrap();
        assert!((other.error / moved[0].error - 1.0).abs() < 0.5 && (other.value - moved[0].value).abs() < other.error);
        assert!(table.push(&[f64::NAN, 0.0]).is_err() && table.push(&[1.0]).is_err() && table.len() == 20_000);
        assert!(table.estimate(Some(&logs[1..]), 50, &variance).is_err());
        assert!(table.estimate(None, 1, &variance).is_err());
    }
}
