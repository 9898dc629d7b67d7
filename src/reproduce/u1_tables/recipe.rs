//! The published generator: annealed Langevin steps at the scaled score of one level after another from uniform links, then
//! Metropolis-adjusted ones at the smallest time with the true action.

use crate::action::ActionRecord;
use crate::analysis::{Estimate, GaugeSeries, GaugeSummary, U1Exact};
use crate::diffusion::geometric_levels;
use crate::error::Result;
use crate::reproduce::u1_chains::compare;
use crate::rng::Stream;
use crate::sampler::{Ending, Generator, GeneratorOptions, LangevinStep, Method, MetropolisTail};
use crate::score::{ScaledScore, Score};
use std::sync::Arc;
use std::time::Instant;

/// How the recipe is followed. Steps are given for beta = 1 on 256 sites: those of Langevin dynamics shrink with beta, as the
/// scaled score grows, and those of the tail also with the cube root of the number of sites, at constant acceptance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// Levels, geometric in the noise from the smallest of the network to the largest.
    pub levels: usize,
    /// Langevin steps at each.
    pub corrections: usize,
    /// Their size in units of the variance of the noise.
    pub fraction: f64,
    /// Metropolis-adjusted steps at the end.
    pub tail: usize,
    /// Their size.
    pub step: f64,
}

impl Default for Recipe {
    fn default() -> Self {
        Recipe { levels: 40, corrections: 25, fraction: 0.3, tail: 400, step: 0.045 }
    }
}

impl Recipe {
    /// Network evaluations a configuration.
    pub fn evaluations(&self) -> usize {
        self.levels * self.corrections + self.tail + 2
    }
}

/// What the recipe gave. Configurations are independent.
#[derive(Clone, Debug)]
pub struct Generated {
    /// Their number.
    pub configurations: usize,
    /// Accepted share of the Metropolis-adjusted steps.
    pub acceptance: f64,
    /// Network evaluations and seconds a configuration.
    pub evaluations: usize,
    /// See `evaluations`.
    pub seconds: f64,
    /// All observables.
    pub summary: GaugeSummary,
    /// Plaquette and charge of every configuration.
    pub plaquettes: Vec<f64>,
    /// See `plaquettes`.
    pub charges: Vec<f64>,
}

impl Generated {
    /// As `u1_chains::Run::comparisons`.
    pub fn comparisons(&self, exact: &U1Exact) -> Vec<(&'static str, Estimate, f64, f64)> {
        // Independent configurations: ten visits of a sector have an error.
        compare(&self.summary, exact, 10.0 / self.configurations as f64)
    }
}

/// `samples` configurations at `beta` by `recipe` with `score`, a model of beta = 1.
///
/// # Errors
/// What the generator raises.
pub fn generate(score: &Arc<dyn Score>, beta: f64, recipe: &Recipe, samples: usize, seed: u64) -> Result<Generated> {
    const BATCH: usize = 16;
    let (lattice, factor) = (score.lattice().clone(), beta / super::TRAINED_AT);
    let scaled: Arc<dyn Score> = Arc::new(ScaledScore::new(score.clone(), factor)?);
    let times = geometric_levels(scaled.schedule(), scaled.smallest_noise(), 1.0, recipe.levels)?;
    let size = recipe.step / factor * libm::cbrt(256.0 / lattice.sites() as f64);
    let options = GeneratorOptions {
        method: Method::Annealed {
            corrections: recipe.corrections,
            step: LangevinStep::Fraction(recipe.fraction / factor),
        },
        metropolis_tail: Some(MetropolisTail { time: times[0], step: size, moves: recipe.tail }),
        ending: Ending::Stop,
        times,
    };
    let mut generator = Generator::new(scaled, options, BATCH, 1)?;
    let mut action = ActionRecord::u1(beta).build(&lattice)?;
    let (mut series, mut fields) = (GaugeSeries::new(&lattice)?, vec![0.0; BATCH * lattice.values()]);
    let clock = Instant::now();
    for first in (0..samples).step_by(BATCH) {
        let count = BATCH.min(samples - first);
        let streams = (first..first + count).map(|sample| Stream::new(seed, 40, sample as u64));
        let streams = streams.collect::<Result<Vec<_>>>()?;
        let fields = &mut fields[..count * lattice.values()];
        generator.generate(&streams, fields, None, Some(&mut *action))?;
        fields.chunks_exact(lattice.values()).try_for_each(|field| series.measure(field))?;
    }
    Ok(Generated {
        configurations: samples,
        acceptance: generator.tail_acceptance().unwrap_or(f64::NAN),
        evaluations: recipe.evaluations(),
        seconds: clock.elapsed().as_secs_f64() / samples as f64,
        summary: GaugeSummary::new(&[&series])?,
        plaquettes: series.plaquette().to_vec(),
        charges: series.charge().to_vec(),
    })
}
