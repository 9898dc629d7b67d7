//! A law whose exact score is known, and errors planted at a known noise.

use super::super::weighted_proposals;
use super::*;
use crate::action::{ActionRecord, Phi4};
use crate::analysis::var_log_weight;
use crate::diffusion::{Posterior, Schedule};
use crate::lattice::Lattice;
use crate::score::{Evaluator, GaussianScore, MixtureScore, geometric_times};

/// The exact score but for noise within `band`, where D is multiplied by `factor`.
struct Flawed {
    exact: Arc<dyn Score>,
    band: (f64, f64),
    factor: f64,
}

struct FlawedEvaluator {
    exact: Box<dyn Evaluator>,
    band: (f64, f64),
    factor: f64,
}

impl Evaluator for FlawedEvaluator {
    fn denoise(&mut self, noise: &[f64], fields: &[f64], denoised: &mut [f64]) -> Result<()> {
        self.exact.denoise(noise, fields, denoised)?;
        let values = fields.len() / noise.len();
        for (noise, denoised) in noise.iter().zip(denoised.chunks_exact_mut(values)) {
            if (self.band.0..self.band.1).contains(noise) {
                denoised.iter_mut().for_each(|d| *d *= self.factor);
            }
        }
        Ok(())
    }
}

impl Score for Flawed {
    fn lattice(&self) -> &Lattice {
        self.exact.lattice()
    }
    fn schedule(&self) -> &Schedule {
        self.exact.schedule()
    }
    fn covariance(&self) -> &[f64] {
        self.exact.covariance()
    }
    fn posterior(&self, noise: f64) -> Posterior {
        self.exact.posterior(noise)
    }
    fn fingerprint(&self) -> u64 {
        0
    }
    fn evaluator(self: Arc<Self>, threads: usize) -> Result<Box<dyn Evaluator>> {
        let exact = self.exact.clone().evaluator(threads)?;
        Ok(Box::new(FlawedEvaluator { exact, band: self.band, factor: self.factor }))
    }
}

fn two_peaks() -> (Arc<dyn Score>, Box<dyn Action>) {
    let lattice = Lattice::new(&[4]).unwrap();
    let schedule = Schedule::variance_expanding(25.0).unwrap();
    let action = ActionRecord::two_peak(1.0, 0.4).build(&lattice).unwrap();
    (Arc::new(MixtureScore::two_peak(lattice, schedule, 1.0, 0.4).unwrap()), action)
}

#[test]
fn shares_add_up_to_the_variance_of_the_log_weights() {
    let (score, mut action) = two_peaks();
    let flawed: Arc<dyn Score> = Arc::new(Flawed { exact: score, band: (0.3, 0.6), factor: 0.9 });
    for (levels, paths) in [(1, 200), (7, 300)] {
        let times = geometric_times(&*flawed, levels, 1.0).unwrap();
        let shares = variance_by_level(&flawed, &mut *action, &times, paths, (4, 1)).unwrap();
        let weights = weighted_proposals(&flawed, &mut *action, &times, paths, (4, 1), &|| true).unwrap().unwrap();
        let variance = var_log_weight(&weights.log_weights).unwrap().value;
        let sum: f64 = shares.iter().map(|share| share.value).sum();
        assert!(variance > 0.1 && (sum - variance).abs() < 1e-10 * variance.max(1.0), "{sum} {variance}");
        assert!(shares.len() == levels && shares.windows(2).all(|pair| pair[0].log_noise < pair[1].log_noise));
    }
    let mut bad = Phi4::new(score_lattice(&flawed), 0.1, 0.0).unwrap();
    assert!(variance_by_level(&flawed, &mut bad, &[0.5, 1.0], 100, (4, 1)).is_err());
}

fn score_lattice(score: &Arc<dyn Score>) -> &Lattice {
    score.lattice()
}

/// Errors planted in a band of noise show there and not below it, although every later step sees the spoiled field. The
/// errors of the shares are about 5 per cent of the sum: the bound is at 5 of them.
#[test]
fn a_planted_error_is_found_at_its_noise() {
    for (band, factor) in [((0.15, 0.3), 0.92), ((0.8, 1.6), 0.6)] {
        let (exact, mut action) = two_peaks();
        let flawed: Arc<dyn Score> = Arc::new(Flawed { exact: exact.clone(), band, factor });
        let times = geometric_times(&*flawed, 40, 1.0).unwrap();
        let [clean, found] =
            [&exact, &flawed].map(|score| variance_by_level(score, &mut *action, &times, 4000, (2, 1)).unwrap());
        let inside = |log_noise: f64| (libm::log(band.0)..libm::log(band.1)).contains(&log_noise);
        let added = |here: &dyn Fn(f64) -> bool| -> f64 {
            found.iter().zip(&clean).filter(|(f, _)| here(f.log_noise)).map(|(f, c)| f.value - c.value).sum()
        };
        let (within, all) = (added(&inside), added(&|_| true));
        println!("{band:?}: {within:.4} of {all:.4}");
        assert!(all > 0.2 && (within / all - 1.0).abs() < 0.25, "{within} of {all}");
    }
}

#[test]
fn an_exact_gaussian_theory_makes_no_variance_anywhere() {
    let lattice = Lattice::new(&[4, 4]).unwrap();
    let mut action = Phi4::new(&lattice, 0.2, 0.0).unwrap();
    let schedule = Schedule::variance_expanding(25.0).unwrap();
    let score: Arc<dyn Score> = Arc::new(GaussianScore::free_field(lattice, schedule, 0.2).unwrap());
    let shares = variance_by_level(&score, &mut action, &[0.1, 0.4, 1.0], 128, (4, 1)).unwrap();
    assert!(shares.iter().all(|share| share.value.abs() < 1e-18), "{shares:?}");
}
