//! The exact score of a Gaussian mixture at every site.
//!
//! Given the peak, x_0 | x is Gaussian; the probabilities r_k(x) of the peaks do the rest. With
//! v = sigma0^2 + noise^2 and M = sum_k r_k m_k,
//!
//!   D = M + sigma0^2/v (x - M),   Cov(x_0 | x) = sigma0^2 noise^2/v + (noise^2/v)^2 Cov_r(m).
//!
//! For two peaks at f = 1 this is s = -x/v + (m/v) tanh(m x/v) (Aarts, Habibi, Wang, Zhou, MLST 6
//! (2025) 025004).

use super::pointwise::{PointwiseEvaluator, SiteLaw, white_covariance};
use super::{Differential, Evaluator, Score, smallest_noise};
use crate::action::{MixtureLaw, same_components};
use crate::diffusion::{Posterior, Schedule};
use crate::error::Result;
use crate::lattice::{Lattice, MAX_COMPONENTS};
use crate::rng::{Purpose, Stream};
use std::sync::Arc;

/// Gaussian-mixture data, independent from site to site.
pub struct MixtureScore {
    lattice: Lattice,
    schedule: Schedule,
    law: MixtureLaw,
    covariance: Vec<f64>,
}

impl MixtureScore {
    /// The score of `law` at every site of `lattice`, under `schedule`.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] if the lattice has another number of components than the law.
    pub fn new(lattice: Lattice, schedule: Schedule, law: MixtureLaw) -> Result<Self> {
        same_components(&lattice, &law)?;
        let components = 0..law.components();
        let variances: Vec<f64> = components.clone().map(|i| law.variance(i)).collect();
        let means: Vec<f64> = components.map(|i| law.mean(i)).collect();
        let covariance = white_covariance(lattice.sites(), &variances, &means);
        Ok(MixtureScore { lattice, schedule, law, covariance })
    }

    /// [`MixtureLaw::two_peak`] on a lattice of one component.
    ///
    /// # Errors
    /// As [`MixtureLaw::new`] and [`MixtureScore::new`].
    pub fn two_peak(lattice: Lattice, schedule: Schedule, mu0: f64, sigma0: f64) -> Result<Self> {
        Self::new(lattice, schedule, MixtureLaw::two_peak(mu0, sigma0)?)
    }

    /// [`MixtureLaw::three_peak`] on a lattice of two components.
    ///
    /// # Errors
    /// As [`MixtureLaw::new`] and [`MixtureScore::new`].
    pub fn three_peak(lattice: Lattice, schedule: Schedule, radius: f64, sigma0: f64) -> Result<Self> {
        Self::new(lattice, schedule, MixtureLaw::three_peak(radius, sigma0)?)
    }

    /// The law at one site.
    pub fn law(&self) -> &MixtureLaw {
        &self.law
    }

    /// sigma0^2/v and noise^2/v.
    fn shares(&self, noise: f64) -> (f64, f64) {
        let (data, xi) = (self.law.width() * self.law.width(), noise * noise);
        (data / (data + xi), xi / (data + xi))
    }

    /// Calls `visit(weight, x)` for nodes of the average over noisy vectors x, peak by peak: the trapezoidal
    /// rule with one or two components, a fixed sample with more.
    fn for_each_noisy(&self, noise: f64, mut visit: impl FnMut(f64, &[f64])) {
        let n = self.law.components();
        let deviation = self.law.width().hypot(noise);
        let mut x = [0.0; MAX_COMPONENTS];
        let units = unit_normals(n);
        let total: f64 = units.iter().map(|(weight, _)| weight).sum();
        for k in 0..self.law.peaks() {
            for (weight, z) in &units {
                let shifted = self.law.centre(k).iter().zip(z);
                x.iter_mut().zip(shifted).for_each(|(x, (m, z))| *x = m + deviation * z);
                visit(self.law.weight(k) * weight / total, &x[..n]);
            }
        }
    }
}

/// Nodes and unnormalised weights for the average over n standard normals.
fn unit_normals(n: usize) -> Vec<(f64, Vec<f64>)> {
    let line = |step: f64| {
        let count = (7.5 / step) as i32;
        (-count..=count).map(move |i| (step * f64::from(i), libm::exp(-0.5 * (step * f64::from(i)).powi(2))))
    };
    match n {
        1 => line(1.0 / 16.0).map(|(z, weight)| (weight, vec![z])).collect(),
        2 => line(0.35).flat_map(|(y, a)| line(0.35).map(move |(z, b)| (a * b, vec![y, z]))).collect(),
        _ => {
            let sample = (0..2048u64).filter_map(|step| Stream::new(0, 0, step).ok());
            let draws = sample.flat_map(|stream| {
                let mut z = vec![0.0; n];
                stream.normals(Purpose::Diagnostic, 0, &mut z);
                let mirrored = z.iter().map(|z| -z).collect();
                [(1.0, z), (1.0, mirrored)]
            });
            draws.collect()
        }
    }
}

impl SiteLaw for MixtureScore {
    fn denoise_site(&self, noise: f64, x: &[f64], denoised: &mut [f64]) {
        let (data, _) = self.shares(noise);
        denoised.fill(0.0);
        self.law.for_each_peak(x, noise, |centre, r| {
            denoised.iter_mut().zip(centre).for_each(|(mean, m)| *mean += r * m);
        });
        denoised.iter_mut().zip(x).for_each(|(mean, x)| *mean += data * (x - *mean));
    }

    fn tangent_site(&self, noise: f64, x: &[f64], direction: &[f64], change: &mut [f64]) {
        let (data, share) = self.shares(noise);
        let precision = 1.0 / (self.law.width().powi(2) + noise * noise);
        let mut mean = [0.0; MAX_COMPONENTS];
        let along = |centre: &[f64]| centre.iter().zip(direction).map(|(m, d)| m * d).sum::<f64>();
        change.fill(0.0);
        self.law.for_each_peak(x, noise, |centre, r| {
            mean.iter_mut().zip(centre).for_each(|(mean, m)| *mean += r * m);
            let projection = along(centre);
            change.iter_mut().zip(centre).for_each(|(change, m)| *change += r * m * projection);
        });
        let projection = along(&mean[..x.len()]);
        for ((change, mean), d) in change.iter_mut().zip(&mean).zip(direction) {
            *change = data * d + share * precision * (*change - mean * projection);
        }
    }
}

impl Score for MixtureScore {
    fn lattice(&self) -> &Lattice {
        &self.lattice
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn covariance(&self) -> &[f64] {
        &self.covariance
    }

    /// E Var(x_0 | x), by quadrature for one and two components (relative error below 1e-4, far smaller for
    /// one) and from a fixed sample beyond.
    fn posterior(&self, noise: f64) -> Posterior {
        let n = self.law.components();
        let (data, share) = self.shares(noise);
        let mut variances = vec![data * noise * noise; n];
        self.for_each_noisy(noise, |weight, x| {
            let (mut mean, mut square) = ([0.0; MAX_COMPONENTS], [0.0; MAX_COMPONENTS]);
            self.law.for_each_peak(x, noise, |centre, r| {
                for (i, m) in centre.iter().enumerate() {
                    mean[i] += r * m;
                    square[i] += r * m * m;
                }
            });
            for (i, variance) in variances.iter_mut().enumerate() {
                *variance += weight * share * share * (square[i] - mean[i] * mean[i]).max(0.0);
            }
        });
        Posterior {
            variance: white_covariance(self.lattice.sites(), &variances, &vec![0.0; n]),
            response: None,
            zero_mode: None,
            flux: None,
        }
    }

    /// Also well below the width of a peak.
    fn smallest_noise(&self) -> f64 {
        smallest_noise(&self.covariance).min(0.3 * self.law.width())
    }

    fn fingerprint(&self) -> u64 {
        let mut hash = crc32fast::Hasher::new();
        hash.update(format!("{:?} {:?} {:?}", self.lattice, self.schedule, self.law).as_bytes());
        u64::from(hash.finalize()) | 2 << 32
    }

    fn evaluator(self: Arc<Self>, _threads: usize) -> Result<Box<dyn Evaluator>> {
        Ok(Box::new(PointwiseEvaluator { law: self }))
    }

    fn differential(self: Arc<Self>) -> Result<Box<dyn Differential>> {
        Ok(Box::new(PointwiseEvaluator { law: self }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::score;

    pub(super) fn schedules() -> [Schedule; 3] {
        [
            Schedule::variance_expanding(25.0).unwrap(),
            Schedule::variance_preserving(25.0).unwrap(),
            Schedule::interpolating(25.0, 0.3).unwrap(),
        ]
    }

    #[test]
    fn two_peaks_have_the_published_score() {
        let (mu0, s0) = (1.0, 0.25);
        for schedule in schedules() {
            let model = Arc::new(MixtureScore::two_peak(Lattice::new(&[2]).unwrap(), schedule, mu0, s0).unwrap());
            let mut evaluator = model.clone().evaluator(1).unwrap();
            for t in [1e-3, 0.05, 0.3, 0.6, 1.0] {
                let (f, xi) = (schedule.signal(t), schedule.variance(t));
                let (m, v) = (mu0 * f, s0 * s0 * f * f + xi);
                for x in [-2.0, -0.1, 0.0, 0.4, 1.3] {
                    let x = x * v.sqrt().max(m);
                    let mut scores = [0.0; 2];
                    score(&mut *evaluator, &schedule, &[t], &[x, -x], &mut scores).unwrap();
                    let expected = -x / v + m / v * (m * x / v).tanh();
                    // (f D - x)/Xi loses digits of x/Xi, which is how every model hands out its score.
                    assert!(
                        (scores[0] - expected).abs() < 1e-13 * (1.0 + x.abs() / xi),
                        "{t} {x}: {scores:?} {expected}"
                    );
                    assert_eq!(scores[0], -scores[1]);
                }
            }
            assert!(model.covariance().iter().all(|c| (c - 1.0625).abs() < 1e-15));
        }
    }

    #[test]
    fn derivatives_are_those_of_the_denoiser() {
        let schedule = schedules()[0];
        let law = MixtureLaw::new(&[vec![0.1, -0.5, 2.0], vec![-1.0, 0.3, 0.2]], &[1.0, 3.0], 0.7).unwrap();
        let shape = |n| Lattice::new(&[2, 2]).unwrap().with_components(n).unwrap();
        let models = [
            MixtureScore::two_peak(shape(1), schedule, 1.0, 0.25).unwrap(),
            MixtureScore::three_peak(shape(2), schedule, 1.5, 0.4).unwrap(),
            MixtureScore::new(shape(3), schedule, law).unwrap(),
        ];
        for model in models.map(Arc::new) {
            let values = model.lattice().values();
            let (mut x, mut d) = (vec![0.0; values], vec![0.0; values]);
            Stream::new(3, 0, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut x);
            Stream::new(3, 0, 0).unwrap().normals(Purpose::Diagnostic, 1, &mut d);
            let mut differential = model.clone().differential().unwrap();
            let mut evaluator = model.clone().evaluator(1).unwrap();
            for noise in [0.1, 0.6, 4.0] {
                let (mut denoised, mut change) = (vec![0.0; values], vec![0.0; values]);
                differential.tangents(noise, &x, &d, &mut denoised, &mut change).unwrap();
                let mut at = |step: f64| {
                    let moved: Vec<f64> = x.iter().zip(&d).map(|(x, d)| x + step * d).collect();
                    let mut out = vec![0.0; values];
                    evaluator.denoise(&[noise], &moved, &mut out).unwrap();
                    out
                };
                assert_eq!(at(0.0), denoised);
                let (up, down) = (at(1e-5), at(-1e-5));
                for i in 0..values {
                    assert!((change[i] - (up[i] - down[i]) / 2e-5).abs() < 1e-7, "noise {noise} index {i}");
                }
                assert!(differential.tangents(noise, &x, &d[1..], &mut denoised, &mut change[1..]).is_err());
                differential.tangents(noise, &x, &[], &mut denoised, &mut []).unwrap();
            }
        }
    }

    #[test]
    fn the_conditional_variance_completes_the_variance() {
        // Var(x_0) = E Var(x_0|x) + Var E(x_0|x): the second term from independent draws would be noisy; both
        // ends are closed, and in between the sum over the same nodes must give the law's variance.
        let schedule = schedules()[0];
        let plane = Lattice::new(&[1]).unwrap().with_components(2).unwrap();
        let models = [
            MixtureScore::two_peak(Lattice::new(&[1]).unwrap(), schedule, 1.0, 0.25).unwrap(),
            MixtureScore::three_peak(plane, schedule, 1.5, 0.4).unwrap(),
        ];
        for model in models {
            for noise in [1e-3, 0.1, 0.4, 1.0, 7.0, 1e6] {
                let found = model.posterior(noise).variance;
                for (i, found) in found.iter().enumerate() {
                    let mut explained = 0.0;
                    model.for_each_noisy(noise, |weight, x| {
                        let mut d = vec![0.0; x.len()];
                        model.denoise_site(noise, x, &mut d);
                        explained += weight * d[i] * d[i];
                    });
                    let total = found + explained;
                    assert!((total / model.law.variance(i) - 1.0).abs() < 1e-5, "noise {noise}: {total}");
                }
            }
            let small = model.posterior(1e-3).variance[0];
            assert!((small / 1e-6 - 1.0).abs() < 1e-4);
        }
        assert!(MixtureScore::three_peak(Lattice::new(&[4]).unwrap(), schedule, 1.0, 0.1).is_err());
    }
}
