//! How well the density of a generator agrees with the action: S_eff = -log q against S over configurations.

use super::weights::{WeightEstimate, jackknife};
use crate::error::{Error, Result, require_finite, require_length};
use serde::Serialize;

/// Agreement of S_eff = -log q with S. Only the last of the three says how far q is from exp(-S)/Z.
///
/// R^2 and r compare with the spread of S, which is of order V: both tend to 1 on a large lattice for a model that is
/// wrong in every region of it. R^2 = 0.960 at Var S = 467 (Wang, Aarts, Zhou, JHEP 05 (2024) 060) leaves
/// Var(S + log q) = 19, an acceptance of 0.002. R^2 is not a measure of exactness; Var(S + log q) is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ActionAgreement {
    /// R^2 = 1 - Var(S - S_eff)/Var(S): the fit S = S_eff + constant, slope 1.
    pub r_squared: WeightEstimate,
    /// Pearson's correlation of S and S_eff.
    pub pearson: WeightEstimate,
    /// Var(S + log q), unbiased: the variance of the log weight when the configurations are drawn from q. For Gaussian
    /// log w, acceptance erfc(s/2) and effective sample size exp(-s^2) with s^2 this variance.
    pub variance: WeightEstimate,
}

/// The agreement over configurations with `actions` S and `log_densities` log q, errors by jackknife over
/// contiguous bins. Random errors of log q (Hutchinson's estimate) add their variance to Var(S + log q).
///
/// # Errors
/// [`Error::ShapeMismatch`]; [`Error::NotFinite`]; [`Error::InvalidArgument`] for fewer than four configurations or
/// when one of the two does not vary.
pub fn action_agreement(actions: &[f64], log_densities: &[f64]) -> Result<ActionAgreement> {
    let n = actions.len();
    require_length("log densities", log_densities.len(), n)?;
    require_finite("actions", actions)?;
    require_finite("log densities", log_densities)?;
    if n < 4 {
        return Err(Error::invalid("number of configurations", n, "at least 4"));
    }
    // Relative to the first: common constants must not cost digits.
    let pairs: Vec<(f64, f64)> =
        actions.iter().zip(log_densities).map(|(s, q)| (s - actions[0], log_densities[0] - q)).collect();
    let whole = Moments::of(pairs.iter());
    if !(whole.action > 0.0 && whole.effective > 0.0) {
        return Err(Error::invalid("configurations", "all of one action or density", "configurations that differ"));
    }
    let estimate = |statistic: fn(&Moments) -> f64| {
        jackknife(n, &|left_out| statistic(&Moments::of(pairs[..left_out.start].iter().chain(&pairs[left_out.end..]))))
    };
    Ok(ActionAgreement {
        r_squared: estimate(|m| if m.action > 0.0 { 1.0 - m.difference / m.action } else { 0.0 }),
        pearson: estimate(|m| {
            let spread = (m.action * m.effective).sqrt();
            if spread > 0.0 { 0.5 * (m.action + m.effective - m.difference) / spread } else { 0.0 }
        }),
        variance: estimate(|m| m.difference),
    })
}

/// Unbiased variances of S, S_eff and S - S_eff.
struct Moments {
    action: f64,
    effective: f64,
    difference: f64,
}

impl Moments {
    fn of<'a>(pairs: impl Iterator<Item = &'a (f64, f64)> + Clone) -> Self {
        let n = pairs.clone().count() as f64;
        let variance = |value: fn(&(f64, f64)) -> f64| {
            let mean = pairs.clone().map(value).sum::<f64>() / n;
            pairs.clone().map(|pair| (value(pair) - mean).powi(2)).sum::<f64>() / (n - 1.0)
        };
        Moments { action: variance(|p| p.0), effective: variance(|p| p.1), difference: variance(|p| p.0 - p.1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    /// S = 21.6 z, S_eff = S + noise: all three have closed forms.
    #[test]
    fn gaussian_differences_have_the_closed_forms() {
        let n = 20_000;
        let (mut z, mut noise) = (vec![0.0; n], vec![0.0; n]);
        let stream = Stream::new(4, 0, 0).unwrap();
        stream.normals(Purpose::Diagnostic, 0, &mut z);
        stream.normals(Purpose::Diagnostic, 1, &mut noise);
        for (spread, deviation) in [(21.6, 4.3), (2.0, 1.0), (1.0, 3.0)] {
            let actions: Vec<f64> = z.iter().map(|z| 1e6 + spread * z).collect();
            let log_densities: Vec<f64> =
                z.iter().zip(&noise).map(|(z, e)| -350.0 - spread * z + deviation * e).collect();
            let found = action_agreement(&actions, &log_densities).unwrap();
            let (v, d) = (spread * spread, deviation * deviation);
            for (name, estimate, expected) in [
                ("R^2", found.r_squared, 1.0 - d / v),
                ("r", found.pearson, (v / (v + d)).sqrt()),
                ("Var", found.variance, d),
            ] {
                // Nine comparisons at 4 sigma (false alarm 6e-4 in all); seed fixed. Errors: of Var 0.01 relative.
                let z = (estimate.value - expected) / estimate.error;
                assert!(z.abs() < 4.0, "{name}: {estimate:?}, expected {expected}");
                assert!(estimate.error < 0.03 * (1.0 + d / v) * expected.abs().max(1.0), "{name}: {estimate:?}");
            }
            assert!((found.variance.error / (d * (2.0 / n as f64).sqrt()) - 1.0).abs() < 0.5);
        }
    }

    #[test]
    fn equal_actions_agree_and_bad_input_is_refused() {
        let actions = [1.0, 2.0, 4.0, 3.0, 7.0];
        let log_densities = actions.map(|s| 9.0 - s);
        let found = action_agreement(&actions, &log_densities).unwrap();
        assert_eq!(found.r_squared, WeightEstimate { value: 1.0, error: 0.0 });
        assert!((found.pearson.value - 1.0).abs() < 1e-15 && found.variance.value == 0.0);
        assert!(action_agreement(&actions[..3], &log_densities[..3]).is_err());
        assert!(action_agreement(&actions, &log_densities[..4]).is_err());
        assert!(action_agreement(&[1.0; 5], &log_densities).is_err());
        assert!(action_agreement(&actions, &[f64::NAN; 5]).is_err());
    }
}
