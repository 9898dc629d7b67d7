//! The exact score of a Gaussian (free) theory, D_p = C_p x_p / (C_p + noise^2): the Wiener filter.

use super::links::LinkPart;
use super::{Differential, Evaluator, Score, require_tangents};
use crate::diffusion::{Posterior, Schedule, ZeroMode};
use crate::error::{Error, Result, require_length};
use crate::fourier::{LatticeFourier, mirrored_momenta};
use crate::lattice::Lattice;
use crate::model::Modes;
use std::sync::Arc;

/// Gaussian data with covariance C_p.
pub struct GaussianScore {
    lattice: Lattice,
    schedule: Schedule,
    covariance: Vec<f64>,
}

impl GaussianScore {
    /// `covariance[p]` = <|phi_p|^2> for every momentum, real, positive and even in p.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] or [`Error::InvalidArgument`].
    pub fn new(lattice: Lattice, schedule: Schedule, covariance: Vec<f64>) -> Result<Self> {
        require_length("covariance", covariance.len(), lattice.values())?;
        if let Some(value) = covariance.iter().find(|value| !(value.is_finite() && **value > 0.0)) {
            return Err(Error::invalid("covariance", value, "finite positive variances"));
        }
        // The density of a path rests on it: a real field has C_p = C_-p.
        for (p, &minus) in mirrored_momenta(&lattice).iter().enumerate() {
            let (here, there) = (covariance[p], covariance[minus as usize]);
            if (here - there).abs() > 1e-12 * here.max(there) {
                let expected = format!("{there}, its value at -p: a covariance of real fields is even");
                return Err(Error::invalid(&format!("covariance at momentum {p}"), here, &expected));
            }
        }
        Ok(GaussianScore { lattice, schedule, covariance })
    }

    /// The free field: phi^4 at lambda = 0, C_p = 1 / (2 - 4 kappa sum_mu cos p_mu).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless |kappa| < 1 / (2 rank).
    pub fn free_field(lattice: Lattice, schedule: Schedule, kappa: f64) -> Result<Self> {
        let covariance: Vec<f64> = (0..lattice.sites())
            .map(|p| {
                let momenta = lattice.coordinates(p).into_iter().zip(lattice.extents());
                let cosines = momenta.map(|(k, &n)| (std::f64::consts::TAU * k as f64 / n as f64).cos());
                1.0 / (2.0 - 4.0 * kappa * cosines.sum::<f64>())
            })
            .collect();
        if !(kappa.abs() * 2.0 * (lattice.rank() as f64) < 1.0) {
            return Err(Error::invalid("kappa", kappa, "|kappa| < 1/(2 rank): the free field is unstable"));
        }
        Self::new(lattice, schedule, covariance)
    }
}

impl Score for GaussianScore {
    fn lattice(&self) -> &Lattice {
        &self.lattice
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn covariance(&self) -> &[f64] {
        &self.covariance
    }

    fn posterior(&self, noise: f64) -> Posterior {
        Posterior { variance: wiener_error(&self.covariance, noise), response: None, zero_mode: None, flux: None }
    }

    fn fingerprint(&self) -> u64 {
        let mut hash = crc32fast::Hasher::new();
        hash.update(format!("{:?} {:?}", self.schedule, self.lattice).as_bytes());
        self.covariance.iter().for_each(|value| hash.update(&value.to_le_bytes()));
        u64::from(hash.finalize()) | 1 << 32
    }

    fn evaluator(self: Arc<Self>, _threads: usize) -> Result<Box<dyn Evaluator>> {
        let fourier = LatticeFourier::new(&self.lattice);
        let multiplier = vec![0.0; self.covariance.len()];
        Ok(Box::new(GaussianEvaluator { score: self, fourier, multiplier }))
    }

    fn differential(self: Arc<Self>) -> Result<Box<dyn Differential>> {
        let fourier = LatticeFourier::new(&self.lattice);
        let multiplier = vec![0.0; self.covariance.len()];
        Ok(Box::new(GaussianEvaluator { score: self, fourier, multiplier }))
    }
}

/// Mean squared error of the Wiener filter, C noise^2 / (C + noise^2).
pub(super) fn wiener_error(covariance: &[f64], noise: f64) -> Vec<f64> {
    let xi = noise * noise;
    covariance.iter().map(|&c| c * xi / (c + xi)).collect()
}

/// The Wiener filter C / (C + noise^2).
pub(crate) fn wiener_filter(covariance: &[f64], noise: f64, out: &mut [f64]) {
    let xi = noise * noise;
    out.iter_mut().zip(covariance).for_each(|(gain, &c)| *gain = c / (c + xi));
}

/// What a denoiser does before its network: the Wiener filter, with a zero mode of two peaks where the data
/// have one.
pub(crate) struct GaussianPart {
    /// C_p; of a zero mode with two peaks, the variance within one.
    covariance: Vec<f64>,
    zero_mode: Option<ZeroMode>,
    /// Of a gauge field: what takes the place of the filter.
    links: Option<LinkPart>,
}

impl GaussianPart {
    /// `covariance` for every mode.
    pub fn new(covariance: &[f64], zero_mode: Option<ZeroMode>) -> Self {
        let mut covariance = covariance.to_vec();
        if let Some(law) = &zero_mode {
            covariance[0] = law.variance;
        }
        GaussianPart { covariance, zero_mode, links: None }
    }

    /// For the link angles of a gauge field.
    pub fn of_links(covariance: &[f64], links: LinkPart) -> Self {
        GaussianPart { covariance: covariance.to_vec(), zero_mode: None, links: Some(links) }
    }

    /// The linear filter at a noise.
    pub fn multiplier(&self, noise: f64, out: &mut [f64]) {
        match &self.links {
            Some(links) => links.multiplier(noise, out),
            None => wiener_filter(&self.covariance, noise, out),
        }
    }

    /// Mean squared error by mode, of the zero mode within a peak.
    pub fn error(&self, noise: f64) -> Vec<f64> {
        wiener_error(&self.covariance, noise)
    }

    /// Denoises `field` with the multiplier of `noise`.
    pub fn denoise(&self, modes: &mut Modes, multiplier: &[f64], noise: f64, field: &[f64], out: &mut [f64]) {
        if let (Some(links), Some(scratch)) = (&self.links, modes.links()) {
            return links.denoise(scratch, multiplier, noise, field, out);
        }
        modes.filter(field, multiplier, out);
        if let Some(law) = &self.zero_mode {
            let x = zero_mode(field);
            let shift = (law.denoise(x, noise).0 - multiplier[0] * x) / (field.len() as f64).sqrt();
            out.iter_mut().for_each(|value| *value += shift);
        }
    }

    /// The change of [`GaussianPart::denoise`] at `field` along `direction`.
    pub fn tangent(
        &self,
        modes: &mut Modes,
        multiplier: &[f64],
        noise: f64,
        (field, direction): (&[f64], &[f64]),
        out: &mut [f64],
    ) {
        modes.filter(direction, multiplier, out);
        if let Some(law) = &self.zero_mode {
            let slope = law.denoise(zero_mode(field), noise).1 - multiplier[0];
            let shift = slope * zero_mode(direction) / (field.len() as f64).sqrt();
            out.iter_mut().for_each(|value| *value += shift);
        }
    }
}

/// V^(-1/2) sum_x phi(x).
pub(crate) fn zero_mode(field: &[f64]) -> f64 {
    field.iter().sum::<f64>() / (field.len() as f64).sqrt()
}

struct GaussianEvaluator {
    score: Arc<GaussianScore>,
    fourier: LatticeFourier,
    multiplier: Vec<f64>,
}

impl Evaluator for GaussianEvaluator {
    fn denoise(&mut self, noise: &[f64], fields: &[f64], denoised: &mut [f64]) -> Result<()> {
        let sites = self.multiplier.len();
        require_length("fields", fields.len(), noise.len() * sites)?;
        require_length("denoised fields", denoised.len(), fields.len())?;
        let batch = noise.iter().zip(fields.chunks_exact(sites)).zip(denoised.chunks_exact_mut(sites));
        for ((&noise, field), denoised) in batch {
            wiener_filter(&self.score.covariance, noise, &mut self.multiplier);
            self.fourier.filter(field, &self.multiplier, denoised);
        }
        Ok(())
    }
}

/// The denoiser is linear: its derivative is the filter itself.
impl Differential for GaussianEvaluator {
    fn tangents(
        &mut self,
        noise: f64,
        field: &[f64],
        directions: &[f64],
        denoised: &mut [f64],
        changes: &mut [f64],
    ) -> Result<()> {
        let values = self.multiplier.len();
        require_tangents(values, field, directions, denoised, changes)?;
        wiener_filter(&self.score.covariance, noise, &mut self.multiplier);
        self.fourier.filter(field, &self.multiplier, denoised);
        for (direction, change) in directions.chunks_exact(values).zip(changes.chunks_exact_mut(values)) {
            self.fourier.filter(direction, &self.multiplier, change);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    #[test]
    fn tangents_are_differences_of_the_denoiser() {
        let lattice = Lattice::new(&[4, 6]).unwrap();
        let schedule = Schedule::variance_expanding(25.0).unwrap();
        let score = Arc::new(GaussianScore::free_field(lattice, schedule, 0.2).unwrap());
        let mut values = vec![0.0; 3 * 24];
        Stream::new(1, 0, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut values);
        let (field, directions) = values.split_at(24);
        let (mut denoised, mut changes) = (vec![0.0; 24], vec![0.0; 48]);
        score.clone().differential().unwrap().tangents(0.7, field, directions, &mut denoised, &mut changes).unwrap();
        let mut evaluator = score.evaluator(1).unwrap();
        let mut moved = vec![0.0; 24];
        for (direction, change) in directions.chunks(24).zip(changes.chunks(24)) {
            let shifted: Vec<f64> = field.iter().zip(direction).map(|(x, v)| x + v).collect();
            evaluator.denoise(&[0.7], &shifted, &mut moved).unwrap();
            for ((moved, base), change) in moved.iter().zip(&denoised).zip(change) {
                assert!((moved - base - change).abs() < 1e-14);
            }
        }
    }
}
