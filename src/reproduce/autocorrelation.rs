//! Autocorrelation of |M| near the transition, and what an independent configuration costs: HMC of unit length, HMC
//! with its length tuned, and exact updates by a network alone and beside HMC. phi^4 at kappa = 0.27, lambda = 0.022.

use crate::action::{ActionRecord, finite_action};
use crate::analysis::{Estimate, FieldSeries, MagnetisationSummary, autocorrelation_function, gamma_method};
use crate::error::Result;
use crate::kernel::hmc::{HmcOptions, Integrator};
use crate::kernel::{Chain, ChainOptions, Composition, Kernel, Outcome};
use crate::lattice::Lattice;
use crate::model::Model;
use crate::sampler::EquilibriumSampler;
use crate::score::{NativeScore, Score};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Hopping parameter and coupling.
pub const SYSTEM: (f64, f64) = (0.27, 0.022);
/// Last lag of the sums of Wang, Aarts, Zhou, JHEP 05 (2024) 060, fig. 8.
pub const CUT: usize = 100;
/// tau_int of that figure, at L = 32.
pub const PUBLISHED: [(&str, f64); 3] = [("Monte Carlo", 79.98), ("HMC", 41.35), ("diffusion model", 2.36)];
/// Chain number of the configurations that chains start from, which is none of the chains'.
const STARTS: u32 = 1000;

/// Values by Metropolis and Wolff cluster updates, and tau_int(|M|) of HMC of unit length, with errors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reference {
    /// <|M|>, V <M^2>, U_L.
    pub observables: [(f64, f64); 3],
    /// tau_int(|M|) in trajectories.
    pub tau_int: (f64, f64),
}

/// Those of an extent, if there are any.
pub fn reference(extent: usize) -> Option<Reference> {
    match extent {
        16 => Some(Reference {
            observables: [(0.7632986, 0.0022), (173.2691, 0.81), (0.5325165, 0.0012)],
            tau_int: (64.9, 4.7),
        }),
        32 => Some(Reference {
            observables: [(0.6285855, 0.0026), (474.6562, 3.2), (0.5272259, 0.0016)],
            tau_int: (247.6, 34.9),
        }),
        _ => None,
    }
}

/// How much of everything.
#[derive(Clone, Debug, PartialEq)]
pub struct Effort {
    /// Extent along both axes.
    pub extent: usize,
    /// Lengths that the tuned length is chosen from, and trajectories of each.
    pub lengths: Vec<f64>,
    /// See `lengths`.
    pub scan: usize,
    /// Measured trajectories of unit and of tuned length.
    pub trajectories: [usize; 2],
    /// Measured updates of `path` alone, and of HMC with `renoise` or `path`.
    pub learned: [usize; 2],
    /// Updates of warm-up of HMC alone, and with a network.
    pub warm_up: [u64; 2],
    /// Score evaluations of a path.
    pub levels: usize,
    /// Seed of everything.
    pub seed: u64,
}

impl Effort {
    /// What is recorded, or with `quick` a run of under two minutes on 16 x 16.
    pub fn new(quick: bool, seed: u64) -> Self {
        let effort = Effort {
            extent: 32,
            lengths: vec![4.0, 6.0, 8.0, 10.0, 12.0, 16.0, 20.0, 24.0],
            scan: 20_000,
            trajectories: [1_000_000, 200_000],
            learned: [8192, 5000],
            warm_up: [500, 320],
            levels: 20,
            seed,
        };
        match quick {
            false => effort,
            true => Effort {
                extent: 16,
                lengths: vec![4.0, 6.0, 8.0, 10.0, 12.0, 16.0],
                scan: 4000,
                trajectories: [200_000, 20_000],
                learned: [1500, 1000],
                warm_up: [500, 96],
                ..effort
            },
        }
    }
}

/// The score of `model` for the system on `extent` x `extent`.
///
/// # Errors
/// As [`Model::at`] and [`NativeScore::new`].
pub fn score(model: Model, extent: usize) -> Result<Arc<dyn Score>> {
    let record = ActionRecord::phi4(SYSTEM.0, SYSTEM.1);
    let here = model.metadata().extents == [extent, extent] && model.metadata().action.as_ref() == Some(&record);
    let model = if here { model } else { model.at(&[extent, extent], Some(&record))? };
    Ok(Arc::new(NativeScore::new(model)?))
}

/// HMC of a length; the number of steps is tuned in warm-up. The leapfrog of the literature.
fn hmc(length: f64) -> Kernel {
    let steps = (5.0 * length).ceil() as usize;
    Kernel::Hmc(HmcOptions {
        trajectory_length: length,
        steps,
        integrator: Integrator::Leapfrog,
        ..HmcOptions::default()
    })
}

/// A kernel in a chain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// The kernel as it was asked for.
    pub kernel: Kernel,
    /// Accepted share of its proposals.
    pub acceptance: Estimate,
    /// What warm-up found: integrator steps of HMC, t* of renoise.
    pub tuned: Option<f64>,
}

/// One chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its name in tables.
    pub name: &'static str,
    /// Kernels in order.
    pub parts: Vec<Part>,
    /// Measured updates; each applies every kernel once.
    pub updates: usize,
    /// Score evaluations an update.
    pub evaluations: f64,
    /// Wall time of an update on one thread, without measurements and warm-up.
    pub seconds: f64,
    /// All observables.
    pub summary: MagnetisationSummary,
    /// 1/2 + the sum of the autocorrelations of |M| up to lag [`CUT`], for comparison with the literature.
    pub tau_int_cut: f64,
    /// rho(t) of |M| for t = 0 to [`CUT`].
    pub rho: Vec<f64>,
}

impl Run {
    /// Wall time of an independent configuration, 2 tau_int(|M|) times that of an update, and its error from tau_int.
    pub fn seconds_per_independent(&self) -> (f64, f64) {
        let tau = self.summary.abs_mag;
        (2.0 * tau.tau_int * self.seconds, 2.0 * tau.tau_int_error * self.seconds)
    }

    /// <|M|>, chi2 = V <M^2> and U_L with their names.
    pub fn observables(&self) -> [(&'static str, Estimate); 3] {
        [("abs_mag", self.summary.abs_mag), ("chi2", self.summary.chi2), ("binder", self.summary.binder)]
    }

    /// (this - other) / error of the difference, for each of [`Run::observables`] with a value and an error to compare
    /// with: independent chains, and references.
    pub fn z_values(&self, other: [(f64, f64); 3]) -> [f64; 3] {
        let own = self.observables().map(|(_, estimate)| estimate);
        std::array::from_fn(|i| (own[i].value - other[i].0) / own[i].error.hypot(other[i].1))
    }
}

/// A chain to be run.
struct Plan<'a> {
    name: &'static str,
    kernels: &'a [Kernel],
    updates: usize,
    warm_up: u64,
    /// No other chain has it: fixes start and random numbers.
    number: u32,
}

/// Runs a chain from a configuration in equilibrium; kernels are tuned on another one before.
fn run(
    score: Option<&Arc<dyn Score>>,
    plan: &Plan<'_>,
    effort: &Effort,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Run> {
    let lattice = Lattice::new(&[effort.extent, effort.extent])?;
    let mut action = ActionRecord::phi4(SYSTEM.0, SYSTEM.1).build(&lattice)?;
    let mut starts = EquilibriumSampler::new(&lattice, SYSTEM.0, SYSTEM.1, effort.seed, STARTS + plan.number)?;
    starts.thermalise(500)?;
    let mut chain = composition(score, plan, effort, &lattice)?;
    let mut field = starts.next_configuration()?.to_vec();
    chain.warm_up(&mut field, &mut *action, plan.warm_up)?;
    // Not where warm-up ended: a chain that adapts has no stationary law.
    (0..100).try_for_each(|_| starts.next_configuration().map(|_| ()))?;
    field.copy_from_slice(starts.next_configuration()?);
    let mut series = FieldSeries::new(lattice.values())?;
    let mut accepted = vec![vec![]; plan.kernels.len()];
    let mut spent = Duration::ZERO;
    for update in 0..plan.updates {
        let clock = Instant::now();
        let outcomes = chain.step(&mut field, &mut *action)?;
        spent += clock.elapsed();
        for (accepted, outcome) in accepted.iter_mut().zip(outcomes) {
            accepted.push(f64::from(u8::from(*outcome == Outcome::Accepted)));
        }
        series.measure(&field, finite_action(&mut *action, &field)?.unwrap_or(f64::NAN))?;
        if (update + 1) % (plan.updates / 20).max(1) == 0 {
            progress(update as u64 + 1, plan.updates as u64);
        }
    }
    let evaluations: u64 = chain.parts().iter().map(|part| part.statistics().score_evaluations).sum();
    let parts = chain.parts().iter().zip(&accepted).map(|(part, accepted)| {
        let kernel = part.options().kernel;
        let tuned = part.move_size().map(|size| setting(kernel, size, score));
        Ok(Part { kernel, acceptance: gamma_method(&[accepted])?, tuned })
    });
    let rho = autocorrelation_function(&[&series.abs_mag()], CUT)?;
    Ok(Run {
        name: plan.name,
        parts: parts.collect::<Result<_>>()?,
        updates: plan.updates,
        evaluations: evaluations as f64 / plan.updates as f64,
        seconds: spent.as_secs_f64() / plan.updates as f64,
        summary: MagnetisationSummary::new(&[&series])?,
        tau_int_cut: rho.iter().sum::<f64>() - 0.5,
        rho,
    })
}

fn composition(
    score: Option<&Arc<dyn Score>>,
    plan: &Plan<'_>,
    effort: &Effort,
    lattice: &Lattice,
) -> Result<Composition> {
    let part = |(index, &kernel): (usize, &Kernel)| {
        let chain = 10 * plan.number + index as u32;
        let ChainOptions { pool, .. } = ChainOptions::default();
        // One thread, whatever the command has: times are compared.
        let (levels, seed, threads, warm_up) = (effort.levels, effort.seed, 1, true);
        let options = ChainOptions { kernel, levels, seed, chain, threads, pool, warm_up, ..Default::default() };
        match score.filter(|_| kernel.needs_score()) {
            Some(score) => Chain::new(score.clone(), options),
            None => Chain::without_score(lattice, options),
        }
    };
    Composition::new(plan.kernels.iter().enumerate().map(part).collect::<Result<_>>()?)
}

/// The size of moves in the units of [`Part::tuned`].
fn setting(kernel: Kernel, size: f64, score: Option<&Arc<dyn Score>>) -> f64 {
    match (kernel, score) {
        (Kernel::Hmc(options), _) => (options.trajectory_length / size * (1.0 - 1e-9)).ceil().max(1.0),
        (Kernel::Renoise { .. }, Some(score)) => score.schedule().time_of_noise(size),
        _ => size,
    }
}

/// HMC of one length.
#[derive(Clone, Debug, PartialEq)]
pub struct Length {
    /// In units of molecular-dynamics time.
    pub length: f64,
    /// The chain.
    pub run: Run,
    /// Evaluations of force and action for an independent configuration: 2 tau_int(|M|) (steps + 3). Unlike a time, the
    /// same on every machine, and with it the choice of the length.
    pub cost: f64,
}

/// HMC of all lengths.
///
/// # Errors
/// None that a caller can cause but impossible lengths.
pub fn lengths(effort: &Effort) -> Result<Vec<Length>> {
    let one = |(index, &length): (usize, &f64)| {
        let number = 20 + index as u32;
        let kernels = [hmc(length)];
        let plan = Plan { name: "HMC", kernels: &kernels, updates: effort.scan, warm_up: effort.warm_up[0], number };
        let run = run(None, &plan, effort, &mut |_, _| ())?;
        let steps = run.parts[0].tuned.unwrap_or(0.0);
        Ok(Length { length, cost: 2.0 * run.summary.abs_mag.tau_int * (steps + 3.0), run })
    };
    effort.lengths.iter().enumerate().map(one).collect()
}

/// The length of least cost.
pub fn cheapest(lengths: &[Length]) -> f64 {
    lengths.iter().min_by(|a, b| a.cost.total_cmp(&b.cost)).map_or(1.0, |best| best.length)
}

/// All chains, one after the other on one thread; `length` is the tuned one. `progress` is told the name, the updates
/// done, and their number; `done` gets every chain when it is.
///
/// # Errors
/// What the kernels raise.
pub fn runs(
    score: &Arc<dyn Score>,
    length: f64,
    effort: &Effort,
    mut progress: impl FnMut(&str, u64, u64),
    mut done: impl FnMut(&Run),
) -> Result<Vec<Run>> {
    let (unit, tuned, renoise) = (hmc(1.0), hmc(length), Kernel::Renoise { time: 0.5 });
    let ([short, long], [alone, both]) = (effort.trajectories, effort.learned);
    let plans: [(&'static str, &[Kernel], usize, u64); 5] = [
        ("HMC, unit length", &[unit], short, effort.warm_up[0]),
        ("HMC, tuned length", &[tuned], long, effort.warm_up[0]),
        ("path", &[Kernel::Path], alone, 0),
        ("HMC + renoise", &[unit, renoise], both, effort.warm_up[1]),
        ("HMC + path", &[unit, Kernel::Path], both, effort.warm_up[1]),
    ];
    let mut all = vec![];
    for (number, (name, kernels, updates, warm_up)) in plans.into_iter().enumerate() {
        let plan = Plan { name, kernels, updates, warm_up, number: number as u32 };
        let run = run(Some(score), &plan, effort, &mut |at, total| progress(name, at, total))?;
        done(&run);
        all.push(run);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::Schedule;
    use crate::score::GaussianScore;

    #[test]
    fn all_chains_have_the_same_law() {
        // <|M|>, chi2 and U_L on 4 x 4 by spectral quadrature. 15 z-values against 3.5: false alarm 0.7 per cent, seed fixed.
        const EXACT: [f64; 3] = [1.025368052035426, 21.045614568251708, 0.44908120382494576];
        let effort = Effort {
            extent: 4,
            lengths: vec![1.0, 3.0],
            scan: 2000,
            trajectories: [20_000, 10_000],
            learned: [6000, 4000],
            warm_up: [300, 200],
            levels: 5,
            seed: 3,
        };
        let lattice = Lattice::new(&[4, 4]).unwrap();
        let schedule = Schedule::variance_expanding(25.0).unwrap();
        let score: Arc<dyn Score> = Arc::new(GaussianScore::free_field(lattice, schedule, 0.245).unwrap());
        let lengths = lengths(&effort).unwrap();
        let length = cheapest(&lengths);
        assert_eq!(length, 3.0, "{lengths:?}");
        let (mut told, mut names) = (0, vec![]);
        let runs = runs(&score, length, &effort, |_, _, _| told += 1, |run| names.push(run.name)).unwrap();
        assert!(told >= 100 && names.len() == 5);
        for run in &runs {
            let z = run.z_values(EXACT.map(|exact| (exact, 0.0)));
            assert!(z.iter().all(|z| z.abs() < 3.5), "{}: {z:?}", run.name);
            let (seconds, error) = run.seconds_per_independent();
            assert!(seconds > 0.0 && error > 0.0 && error < seconds, "{}", run.name);
            assert!(run.summary.abs_mag.error < 0.04, "{}: {:?}", run.name, run.summary.abs_mag);
            for part in &run.parts {
                assert!((0.1..0.99).contains(&part.acceptance.value), "{}: {part:?}", run.name);
            }
        }
        // Unit length is the slowest; of a whole sum, a cut one differs little when the lags are short.
        let tau = |index: usize| runs[index].summary.abs_mag.tau_int;
        assert!(tau(0) > 2.0 * tau(1) && tau(0) > tau(3) && tau(0) > tau(4));
        assert!((runs[1].tau_int_cut - tau(1)).abs() < 0.5 * tau(1).max(1.0));
        assert_eq!(runs.iter().map(|run| run.evaluations > 0.0).collect::<Vec<_>>(), [false, false, true, true, true]);
        // Path evaluates its levels once, and once more for a field that HMC has moved.
        let moved = runs[4].parts[0].acceptance.value;
        assert!((runs[2].evaluations - 5.0).abs() < 0.01, "{}", runs[2].evaluations);
        assert!((runs[4].evaluations - 5.0 * (1.0 + moved)).abs() < 0.01, "{} {moved}", runs[4].evaluations);
    }
}
