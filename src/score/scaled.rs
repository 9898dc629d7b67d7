//! A score multiplied by a number.
//!
//! For an action that is proportional to its coupling, S = beta s, the score of the clean field at beta is beta / beta_0
//! times that at beta_0. Zhu, Aarts, Wang, Zhou, Wang (arXiv:2502.05504) take it so at all times: one network trained at
//! beta_0 then stands for every beta. At t > 0 it is an approximation, p_t of beta_0 to the power beta / beta_0, which at
//! t = 0 is the law at beta: annealed Langevin steps and a Metropolis tail with the true action at beta make use of it.

use super::{Differential, Evaluator, Score};
use crate::diffusion::{Posterior, Schedule, ZeroMode};
use crate::error::{Error, Result};
use crate::lattice::Lattice;
use std::sync::Arc;

/// factor times the score of another model: D' = x + factor (D - x). Lattice, process and what shapes the proposals of
/// exact kernels are those of the other model.
pub struct ScaledScore {
    score: Arc<dyn Score>,
    factor: f64,
}

impl ScaledScore {
    /// `score` times `factor`, for example beta / beta_0; the model is shared.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a factor that is not finite and positive.
    pub fn new(score: Arc<dyn Score>, factor: f64) -> Result<Self> {
        if !(factor.is_finite() && factor > 0.0) {
            return Err(Error::invalid("factor of a score", factor, "a finite number above 0, such as beta / beta_0"));
        }
        Ok(ScaledScore { score, factor })
    }

    /// The factor.
    pub fn factor(&self) -> f64 {
        self.factor
    }
}

impl Score for ScaledScore {
    fn lattice(&self) -> &Lattice {
        self.score.lattice()
    }

    fn schedule(&self) -> &Schedule {
        self.score.schedule()
    }

    fn covariance(&self) -> &[f64] {
        self.score.covariance()
    }

    fn posterior(&self, noise: f64) -> Posterior {
        self.score.posterior(noise)
    }

    fn zero_mode(&self) -> Option<ZeroMode> {
        self.score.zero_mode()
    }

    fn of_links(&self) -> bool {
        self.score.of_links()
    }

    fn adapting(&self) -> bool {
        self.score.adapting()
    }

    fn smallest_noise(&self) -> f64 {
        self.score.smallest_noise()
    }

    fn fingerprint(&self) -> u64 {
        let mut hash = crc32fast::Hasher::new();
        hash.update(&self.score.fingerprint().to_le_bytes());
        hash.update(&self.factor.to_bits().to_le_bytes());
        self.score.fingerprint() ^ (u64::from(hash.finalize()) << 16)
    }

    fn evaluator(self: Arc<Self>, threads: usize) -> Result<Box<dyn Evaluator>> {
        Ok(Box::new(Scaled { inner: self.score.clone().evaluator(threads)?, factor: self.factor }))
    }

    fn differential(self: Arc<Self>) -> Result<Box<dyn Differential>> {
        Ok(Box::new(Scaled { inner: self.score.clone().differential()?, factor: self.factor }))
    }

    fn has_exact_derivatives(&self) -> bool {
        self.score.has_exact_derivatives()
    }
}

struct Scaled<T> {
    inner: T,
    factor: f64,
}

/// `to` = `from` + factor (`to` - `from`).
fn scale(factor: f64, from: &[f64], to: &mut [f64]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = from + factor * (*to - from));
}

impl Evaluator for Scaled<Box<dyn Evaluator>> {
    fn denoise(&mut self, noise: &[f64], fields: &[f64], denoised: &mut [f64]) -> Result<()> {
        self.inner.denoise(noise, fields, denoised)?;
        scale(self.factor, fields, denoised);
        Ok(())
    }
}

impl Differential for Scaled<Box<dyn Differential>> {
    fn tangents(
        &mut self,
        noise: f64,
        field: &[f64],
        directions: &[f64],
        denoised: &mut [f64],
        changes: &mut [f64],
    ) -> Result<()> {
        self.inner.tangents(noise, field, directions, denoised, changes)?;
        scale(self.factor, field, denoised);
        scale(self.factor, directions, changes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::{GaussianScore, score};

    #[test]
    fn score_and_derivatives_are_multiplied() {
        let schedule = Schedule::variance_preserving(5.0).unwrap();
        let plain: Arc<dyn Score> =
            Arc::new(GaussianScore::free_field(Lattice::new(&[4]).unwrap(), schedule, 0.2).unwrap());
        let scaled: Arc<dyn Score> = Arc::new(ScaledScore::new(plain.clone(), 7.0).unwrap());
        let (times, fields) = ([0.2, 0.7], [0.3, -1.0, 2.0, 0.1, 0.5, 0.4, -0.2, 1.1]);
        let of = |model: &Arc<dyn Score>| {
            let mut scores = [0.0; 8];
            let mut evaluator = model.clone().evaluator(1).unwrap();
            score(&mut *evaluator, &schedule, &times, &fields, &mut scores).unwrap();
            let (mut denoised, mut changes) = ([0.0; 4], [0.0; 4]);
            let mut differential = model.clone().differential().unwrap();
            differential.tangents(0.6, &fields[..4], &fields[4..], &mut denoised, &mut changes).unwrap();
            // The score at this noise is (D - x) / noise^2, and its change along the direction.
            let parts = denoised.iter().zip(&fields[..4]).chain(changes.iter().zip(&fields[4..]));
            scores.iter().copied().chain(parts.map(|(d, x)| d - x)).collect::<Vec<f64>>()
        };
        let (one, seven) = (of(&plain), of(&scaled));
        assert!(one.iter().all(|s| s.abs() > 1e-3));
        assert!(one.iter().zip(&seven).all(|(a, b)| (7.0 * a - b).abs() < 1e-12), "{one:?} {seven:?}");
        assert_ne!(plain.fingerprint(), scaled.fingerprint());
        assert!(ScaledScore::new(plain.clone(), 0.0).is_err() && ScaledScore::new(plain, f64::NAN).is_err());
    }
}
