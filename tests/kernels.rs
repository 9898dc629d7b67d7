//! What all kernels promise, whoever proposes: troubles of the host are counted and change nothing,
//! saved chains go on to the same bits, warm-up ends for good.

mod common;

use common::bits;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use stoq::action::{Action, HostAction, Interrupt, Phi4};
use stoq::diffusion::Schedule;
use stoq::error::Error;
use stoq::kernel::hmc::HmcOptions;
use stoq::kernel::{Chain, ChainOptions, Composition, Drift, Grid, Kernel, Outcome};
use stoq::lattice::Lattice;
use stoq::rng::{Purpose, Stream};
use stoq::score::GaussianScore;

const SITES: usize = 16;
const DRIFT: Drift = Drift::Blend { time: 0.2, weight: 0.5 };
const KERNELS: [Kernel; 9] = [
    Kernel::Path,
    Kernel::Renoise { time: 0.3 },
    Kernel::Likelihood,
    Kernel::Mala { step: 0.05, drift: Drift::Force },
    Kernel::Mala { step: 0.05, drift: Drift::Score { time: 0.0 } },
    Kernel::Mala { step: 0.05, drift: DRIFT },
    Kernel::Hmc(HmcOptions {
        trajectory_length: 1.0,
        steps: 5,
        integrator: stoq::kernel::hmc::Integrator::Omelyan,
        jitter: 0.2,
    }),
    Kernel::Metropolis { width: 0.8 },
    Kernel::Langevin { step: 0.02, drift: Drift::Force },
];

fn lattice() -> Lattice {
    Lattice::new(&[4, 4]).unwrap()
}

fn phi4() -> Phi4 {
    Phi4::new(&lattice(), 0.21, common::LAMBDA).unwrap()
}

/// A score that is not that of the action: a free field at another hopping parameter.
fn score() -> Arc<GaussianScore> {
    Arc::new(GaussianScore::free_field(lattice(), Schedule::variance_expanding(25.0).unwrap(), 0.15).unwrap())
}

fn chain(kernel: Kernel, warm_up: bool) -> Chain {
    let options = ChainOptions { kernel, levels: 4, seed: 7, chain: 2, warm_up, ..Default::default() };
    if kernel.needs_score() {
        Chain::new(score(), options).unwrap()
    } else {
        Chain::without_score(&lattice(), options).unwrap()
    }
}

/// phi^4 whose callbacks, forces too, are in trouble one time in eight: NaN, infinity, "reject" or
/// "stop", decided by a counter that goes on. Never at the first call of an update, which may be the
/// current field.
fn troubled(calls: &Arc<AtomicU64>) -> HostAction {
    fn trouble(calls: &AtomicU64) -> Result<f64, Interrupt> {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        match Stream::new(4, 0, call).unwrap().below(Purpose::Diagnostic, 0, 0, 40) {
            0 => Ok(f64::NAN),
            1 => Ok(f64::INFINITY),
            2 => Ok(f64::NEG_INFINITY),
            3 => Err(Interrupt::Reject),
            4 => Err(Interrupt::Stop(Error::CallbackStopped { callback: "action", code: -7 })),
            _ => Ok(0.0),
        }
    }
    let (for_action, for_force) = (calls.clone(), calls.clone());
    let (mut action, mut force) = (phi4(), phi4());
    HostAction::new(
        Box::new(move |field| Ok(action.action(field)? + trouble(&for_action)?)),
        Some(Box::new(move |field, out| {
            force.force(field, out)?;
            out[3] += trouble(&for_force)?;
            Ok(())
        })),
    )
}

#[test]
fn troubles_of_the_host_are_counted_never_accepted_and_change_nothing() {
    for kernel in KERNELS {
        let calls = Arc::new(AtomicU64::new(0));
        let mut chain = chain(kernel, false);
        let (mut action, mut clean) = (troubled(&calls), phi4());
        let mut field = common::hot_start(SITES, 1, 0);
        let (mut errors, mut updates) = (0, 0);
        for _ in 0..600 {
            let (before, state) = (bits(&field), chain.save().unwrap());
            let counted = chain.statistics();
            match chain.step(&mut field, &mut action) {
                // A stop, or a current field without a finite action.
                Err(error) => {
                    let expected = matches!(error, Error::CallbackStopped { code: -7, .. })
                        || error.to_string().contains("action of the current field");
                    assert!(expected, "{kernel:?}: {error}");
                    assert!(bits(&field) == before && chain.save().unwrap() == state, "{kernel:?}: {error}");
                    errors += 1;
                }
                Ok(outcome) => {
                    updates += 1;
                    assert_eq!(chain.statistics().steps, counted.steps + 1);
                    assert!(outcome == Outcome::Accepted || bits(&field) == before, "{kernel:?}");
                    // What was accepted is a field of positive probability.
                    assert!(clean.action(&field).unwrap().is_finite(), "{kernel:?}");
                }
            }
        }
        let statistics = chain.statistics();
        assert!(errors > 10 && updates > 40 && statistics.accepted > 5, "{kernel:?}: {errors} {statistics:?}");
        assert!(statistics.not_finite > 5 && statistics.accepted + statistics.not_finite <= statistics.proposals);
    }
}

#[test]
fn a_saved_chain_goes_on_to_the_same_bits_also_in_the_middle_of_warm_up() {
    for kernel in KERNELS {
        for warm_up in [false, true] {
            let (mut whole, mut action) = (chain(kernel, warm_up), phi4());
            let mut field = common::hot_start(SITES, 1, 0);
            let run = |chain: &mut Chain, field: &mut Vec<f64>, updates: usize, action: &mut Phi4| {
                for _ in 0..updates {
                    chain.step(field, action).unwrap();
                }
            };
            run(&mut whole, &mut field, 37, &mut action);
            let (state, mut copy) = (whole.save().unwrap(), field.clone());
            let mut second = chain(kernel, false);
            second.load(&state).unwrap();
            assert_eq!(second.save().unwrap(), state);
            assert_eq!(second.is_frozen(), !warm_up);
            for chain_field in [(&mut whole, &mut field), (&mut second, &mut copy)] {
                let (chain, field) = chain_field;
                run(chain, field, 40, &mut action);
                chain.freeze().unwrap();
                run(chain, field, 40, &mut action);
            }
            assert!(bits(&field) == bits(&copy) && whole.save().unwrap() == second.save().unwrap(), "{kernel:?}");
        }
    }
}

/// Another kernel's state is refused, and a damaged one; the chain goes on as it was.
#[test]
fn states_of_other_kernels_are_refused() {
    let mut action = phi4();
    for (index, &kernel) in KERNELS.iter().enumerate() {
        let mut chain_here = chain(kernel, false);
        let mut field = common::hot_start(SITES, 1, 0);
        chain_here.step(&mut field, &mut action).unwrap();
        let state = chain_here.save().unwrap();
        for (other, &other_kernel) in KERNELS.iter().enumerate() {
            assert_eq!(chain(other_kernel, false).load(&state).is_ok(), index == other, "{kernel:?} {other_kernel:?}");
        }
        for length in [0, 11, 40, state.len() - 1] {
            assert!(chain_here.load(&state[..length]).is_err());
        }
        for position in (0..state.len()).step_by(7) {
            let mut damaged = state.clone();
            damaged[position] ^= 4;
            assert!(chain_here.load(&damaged).is_err() && chain_here.save().unwrap() == state);
        }
    }
}

#[test]
fn warm_up_reaches_the_target_and_a_frozen_chain_refuses_to_adapt() {
    // (kernel, far too small and far too large, target): the measured acceptance of 1500 frozen updates is
    // within 0.1 of the target, some seven standard deviations.
    let mala = |step| Kernel::Mala { step, drift: Drift::Force };
    let hmc = |steps| Kernel::Hmc(HmcOptions { steps, trajectory_length: 2.0, ..HmcOptions::default() });
    let cases = [
        (mala(1e-3), 0.574),
        (mala(3.0), 0.574),
        (Kernel::Metropolis { width: 0.01 }, 0.45),
        (Kernel::Metropolis { width: 50.0 }, 0.45),
        (hmc(1), 0.85),
        (hmc(300), 0.85),
        (Kernel::Renoise { time: 0.01 }, 0.5),
        (Kernel::Renoise { time: 1.0 }, 0.5),
    ];
    for (kernel, target) in cases {
        let (mut chain, mut action) = (chain(kernel, true), phi4());
        let mut field = common::hot_start(SITES, 1, 0);
        chain.warm_up(&mut field, &mut action, 1000).unwrap();
        assert!(chain.is_frozen() && chain.statistics() == Default::default());
        let size = chain.move_size();
        for _ in 0..1500 {
            chain.step(&mut field, &mut action).unwrap();
        }
        let acceptance = chain.statistics().acceptance();
        let tolerance = match kernel {
            // A whole number of steps: what is possible lies far apart.
            Kernel::Hmc(_) => 0.12,
            // On this lattice the least acceptance, of t* = 1, may be above the target.
            Kernel::Renoise { .. } => 0.4,
            _ => 0.1,
        };
        assert!((acceptance - target).abs() < tolerance, "{kernel:?}: {acceptance}, size {size:?}");
        assert_eq!(chain.move_size(), size, "a frozen chain must not adapt");
        assert!(matches!(chain.warm_up(&mut field, &mut action, 10), Err(Error::WrongOrder { .. })));
    }
}

#[test]
fn kernels_that_follow_the_force_need_the_action_to_propose() {
    let field = common::hot_start(SITES, 1, 0);
    for kernel in KERNELS {
        let needs_action = match kernel {
            Kernel::Mala { drift, .. } | Kernel::Langevin { drift, .. } => drift.needs_force(),
            Kernel::Hmc(_) | Kernel::Metropolis { .. } => true,
            _ => false,
        };
        let mut chain = chain(kernel, false);
        match chain.propose(&field) {
            Ok(_) => assert!(!needs_action, "{kernel:?}"),
            Err(error) => assert!(needs_action && matches!(error, Error::WrongOrder { .. }), "{kernel:?}: {error}"),
        }
    }
    let model = ChainOptions { kernel: Kernel::Path, ..Default::default() };
    assert!(Chain::without_score(&lattice(), model).is_err());
    let no_force = &mut HostAction::new(Box::new(|_| Ok(0.0)), None);
    assert!(chain(KERNELS[6], false).step(&mut field.clone(), no_force).is_err());
}

#[test]
fn parameters_out_of_range_are_refused_by_name() {
    let cases = [
        (Kernel::Renoise { time: 0.0 }, "renoise_time"),
        (Kernel::Mala { step: f64::NAN, drift: Drift::Force }, "step_size"),
        (Kernel::Langevin { step: -1.0, drift: Drift::Force }, "step_size"),
        (Kernel::Mala { step: 0.1, drift: Drift::Score { time: 1.5 } }, "drift_time"),
        (Kernel::Mala { step: 0.1, drift: Drift::Blend { time: 0.1, weight: 2.0 } }, "score_weight"),
        (Kernel::Metropolis { width: 0.0 }, "width"),
        (Kernel::Hmc(HmcOptions { steps: 0, ..HmcOptions::default() }), "steps"),
    ];
    for (kernel, name) in cases {
        let error = Chain::new(score(), ChainOptions { kernel, ..Default::default() }).map(|_| ()).unwrap_err();
        assert!(error.to_string().starts_with(name), "{error}");
    }
}

#[test]
fn a_composition_applies_its_kernels_in_turn_and_goes_on_from_its_state() {
    let parts = || {
        let of = |kernel: Kernel, number: u32| {
            let options = ChainOptions { kernel, levels: 4, chain: number, warm_up: true, ..Default::default() };
            Chain::new(score(), options).unwrap()
        };
        vec![of(Kernel::Path, 1), of(Kernel::Metropolis { width: 0.3 }, 2), of(KERNELS[3], 3)]
    };
    let (mut whole, mut action) = (Composition::new(parts()).unwrap(), phi4());
    let mut field = common::hot_start(SITES, 1, 0);
    whole.warm_up(&mut field, &mut action, 50).unwrap();
    assert!(whole.is_exact() && whole.parts().iter().all(Chain::is_frozen));
    let (state, mut copy) = (whole.save().unwrap(), field.clone());
    let mut second = Composition::new(parts()).unwrap();
    let untouched = second.save().unwrap();
    assert!(second.load(&state[..state.len() - 3]).is_err() && second.save().unwrap() == untouched);
    second.load(&state).unwrap();
    for _ in 0..30 {
        let outcomes = whole.step(&mut field, &mut action).unwrap().to_vec();
        assert_eq!(second.step(&mut copy, &mut action).unwrap(), outcomes);
    }
    assert!(bits(&field) == bits(&copy) && whole.save().unwrap() == second.save().unwrap());
    let same = vec![chain(KERNELS[0], false), chain(KERNELS[7], false)];
    assert!(Composition::new(same).is_err() && Composition::new(vec![]).is_err());
}

/// Every way to choose the levels gives ascending times that end where they should; a chain's results depend
/// on the choice, so its saved state names it. A pilot run depends on the seed alone, not on threads.
#[test]
fn levels_may_be_chosen_in_every_way() {
    let score: Arc<dyn stoq::score::Score> = score();
    let mut action = phi4();
    let grids = [Grid::Optimal, Grid::Geometric, Grid::Linear, Grid::Pilot];
    let times: Vec<Vec<f64>> = grids.iter().map(|grid| grid.times(&score, 12, 0.8, 5, 1).unwrap()).collect();
    for (index, times) in times.iter().enumerate() {
        assert!(times.len() == 12 && times[11] == 0.8 && times[0] > 0.0, "{times:?}");
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
        assert_eq!(&grids[index].times(&score, 12, 0.8, 5, 2).unwrap(), times);
    }
    let chain = |grid| Chain::new(score.clone(), ChainOptions { levels: 6, grid, ..Default::default() }).unwrap();
    let mut states = vec![];
    for grid in grids {
        let (mut chain, mut field) = (chain(grid), common::hot_start(SITES, 1, 0));
        for _ in 0..300 {
            chain.step(&mut field, &mut action).unwrap();
        }
        assert!(chain.statistics().acceptance() > 0.3, "{grid:?}: {}", chain.statistics().acceptance());
        states.push(chain.save().unwrap());
    }
    for (index, state) in states.iter().enumerate() {
        for (other, grid) in grids.into_iter().enumerate() {
            assert_eq!(chain(grid).load(state).is_ok(), index == other);
        }
    }
}
