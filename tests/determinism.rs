//! The same seed gives the same bits, whatever the threads, the pool, or an interruption; and nothing
//! that goes wrong around a chain changes it.

mod common;

use common::{LAMBDA, bits};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use stoq::action::{Action, HostAction, Interrupt, Phi4};
use stoq::error::Error;
use stoq::kernel::{Chain, ChainOptions, Kernel, Outcome};
use stoq::lattice::Lattice;
use stoq::rng::{Purpose, Stream};
use stoq::score::NativeScore;
use stoq::train::Dataset;

const SITES: usize = 16;
const KAPPA: f64 = 0.27;
const KERNELS: [Kernel; 2] = [Kernel::Path, Kernel::Renoise { time: 0.4 }];

fn data() -> &'static Dataset {
    static DATA: OnceLock<Dataset> = OnceLock::new();
    DATA.get_or_init(|| common::configurations(&[4, 4], KAPPA, 256))
}

/// Random weights everywhere, so that every layer matters.
fn score(seed: u64) -> Arc<NativeScore> {
    common::score(common::ruined(&common::untrained(data(), KAPPA, &[4, 4]), 0.15, 1.0, seed))
}

fn phi4() -> Phi4 {
    Phi4::new(&Lattice::new(&[4, 4]).unwrap(), KAPPA, LAMBDA).unwrap()
}

fn options(kernel: Kernel) -> ChainOptions {
    ChainOptions { kernel, levels: 4, seed: 99, chain: 3, threads: 1, ..Default::default() }
}

fn chain(score: &Arc<NativeScore>, options: ChainOptions) -> Chain {
    Chain::new(score.clone(), options).unwrap()
}

/// The host moves the field before every third update, so that the kernels see both cases.
fn host_move(field: &mut [f64], update: usize) {
    if update % 3 == 2 {
        let stream = Stream::new(5, 0, update as u64).unwrap();
        let mut noise = vec![0.0; field.len()];
        stream.normals(Purpose::Diagnostic, 0, &mut noise);
        field.iter_mut().zip(noise).for_each(|(x, z)| *x += 0.05 * z);
    }
}

/// Runs the updates `range` and returns the bits of all fields.
fn run(chain: &mut Chain, field: &mut [f64], range: std::ops::Range<usize>) -> Vec<Vec<u64>> {
    let mut action = phi4();
    range
        .map(|update| {
            host_move(field, update);
            chain.step(field, &mut action).unwrap();
            bits(field)
        })
        .collect()
}

const UPDATES: usize = 150;

#[test]
fn threads_and_pool_change_no_bit() {
    let score = score(1);
    for kernel in KERNELS {
        let mut field = common::hot_start(SITES, 1, 0);
        let mut reference = chain(&score, options(kernel));
        let expected = run(&mut reference, &mut field, 0..UPDATES);
        let accepted = reference.statistics().accepted;
        assert!(accepted > 10 && accepted < UPDATES as u64 - 10, "{kernel:?}: {accepted} accepted decide nothing");
        for (threads, pool) in [(1, 1), (1, 64), (2, 1), (2, 8), (2, 64), (3, 8), (3, 64)] {
            let mut field = common::hot_start(SITES, 1, 0);
            let mut other = chain(&score, ChainOptions { threads, pool, ..options(kernel) });
            let found = run(&mut other, &mut field, 0..UPDATES);
            assert!(found == expected, "{kernel:?}, {threads} threads, pool {pool}");
            assert_eq!(other.statistics(), reference.statistics(), "{kernel:?}, {threads} threads, pool {pool}");
            assert_eq!(other.save().unwrap(), reference.save().unwrap());
        }
        // Another seed or chain number gives other bits: the comparison can fail.
        for other in [ChainOptions { seed: 98, ..options(kernel) }, ChainOptions { chain: 4, ..options(kernel) }] {
            let mut field = common::hot_start(SITES, 1, 0);
            assert!(run(&mut chain(&score, other), &mut field, 0..UPDATES) != expected);
        }
    }
}

#[test]
fn a_saved_chain_continues_to_the_same_bits() {
    let score = score(1);
    for kernel in KERNELS {
        let mut field = common::hot_start(SITES, 1, 0);
        let mut whole = chain(&score, options(kernel));
        let expected = run(&mut whole, &mut field, 0..60);
        for (stop, threads, pool) in [(0, 1, 8), (1, 2, 64), (17, 1, 1), (18, 3, 8), (20, 2, 8), (59, 1, 64)] {
            let mut field = common::hot_start(SITES, 1, 0);
            let mut first = chain(&score, options(kernel));
            assert!(run(&mut first, &mut field, 0..stop) == expected[..stop]);
            let bytes = first.save().unwrap();
            let mut second = chain(&score, ChainOptions { threads, pool, ..options(kernel) });
            let mut at_stop = field.clone();
            // A chain that is already somewhere else is replaced as a whole.
            run(&mut second, &mut common::hot_start(SITES, 1, 9), 0..stop % 5);
            second.load(&bytes).unwrap();
            assert_eq!(second.save().unwrap(), bytes);
            assert!(run(&mut second, &mut at_stop, stop..60) == expected[stop..], "{kernel:?} stopped at {stop}");
            assert_eq!(second.statistics(), whole.statistics());
            // And the first chain can go back in time.
            let mut ahead = field.clone();
            run(&mut first, &mut ahead, stop..60);
            first.load(&bytes).unwrap();
            assert!(run(&mut first, &mut field, stop..60) == expected[stop..], "{kernel:?} rewound to {stop}");
        }
    }
}

#[test]
fn training_gives_the_same_bits_for_any_number_of_threads() {
    let train = |threads: usize, steps: u64| {
        let mut trainer = common::trainer(data(), KAPPA, &[4, 6], steps, threads);
        while !trainer.is_finished() {
            trainer.step().unwrap();
        }
        trainer.finish().unwrap()
    };
    let parameter_bits =
        |threads| -> Vec<u32> { train(threads, 30).parameters().iter().map(|p| p.to_bits()).collect() };
    let expected = train(1, 30);
    for threads in [2, 3] {
        assert_eq!(parameter_bits(threads), parameter_bits(1), "{threads} threads");
        // The measured posterior table and the whole record, too.
        assert_eq!(train(threads, 30), expected, "{threads} threads");
    }
    assert_ne!(train(1, 29).parameters(), expected.parameters());
    assert_ne!(train(1, 0).parameters(), expected.parameters());
}

#[test]
fn foreign_and_damaged_states_are_refused_and_do_no_harm() {
    let models = [score(1), score(2)];
    for kernel in KERNELS {
        let mut field = common::hot_start(SITES, 1, 0);
        let mut victim = chain(&models[0], options(kernel));
        run(&mut victim, &mut field, 0..20);
        let bytes = victim.save().unwrap();
        let start = field.clone();
        let expected = run(&mut victim, &mut field, 20..40);
        victim.load(&bytes).unwrap();
        let refuse = |victim: &mut Chain, bytes: &[u8], what: &str| match victim.load(bytes) {
            Err(Error::ChainState { reason }) => assert!(!reason.is_empty()),
            other => panic!("{kernel:?}, {what}: {other:?}"),
        };
        let base = options(kernel);
        let other_kernel = if kernel == Kernel::Path { Kernel::Renoise { time: 0.4 } } else { Kernel::Path };
        let others = [
            ("seed", 0, ChainOptions { seed: 100, ..base }),
            ("model", 1, base),
            ("levels", 0, ChainOptions { levels: 5, ..base }),
            ("chain number", 0, ChainOptions { chain: 2, ..base }),
            ("kernel", 0, ChainOptions { kernel: other_kernel, ..base }),
            ("renoise time", 0, ChainOptions { kernel: Kernel::Renoise { time: 0.3 }, ..base }),
        ];
        for (what, model, other) in others {
            let mut foreign = chain(&models[model], other);
            run(&mut foreign, &mut common::hot_start(SITES, 1, 0), 0..5);
            refuse(&mut victim, &foreign.save().unwrap(), what);
            refuse(&mut foreign, &bytes, what);
        }
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1 << (position % 8);
            refuse(&mut victim, &damaged, &format!("byte {position}"));
            refuse(&mut victim, &bytes[..position], &format!("cut to {position} bytes"));
        }
        refuse(&mut victim, &[&bytes[..], &[0]].concat(), "one byte more");
        assert_eq!(victim.save().unwrap(), bytes);
        assert!(run(&mut victim, &mut start.clone(), 20..40) == expected, "{kernel:?}: refused states did harm");
    }
}

#[test]
fn abandoned_proposals_have_no_effect() {
    let score = score(1);
    for kernel in KERNELS {
        let mut field = common::hot_start(SITES, 1, 0);
        let mut undisturbed = chain(&score, options(kernel));
        let expected = run(&mut undisturbed, &mut field, 0..60);
        let mut field = common::hot_start(SITES, 1, 0);
        let mut disturbed = chain(&score, options(kernel));
        let other = common::hot_start(SITES, 2, 0);
        for update in 0..60 {
            // What the host asks for and drops, in turn, before the update that counts.
            match update % 5 {
                0 => drop(disturbed.propose(&field).unwrap()),
                1 => drop(disturbed.propose(&other).unwrap()),
                2 => {
                    let first = disturbed.propose(&field).map(|(proposal, ratio)| (bits(proposal), ratio.to_bits()));
                    let again = disturbed.propose(&field).map(|(proposal, ratio)| (bits(proposal), ratio.to_bits()));
                    assert_eq!(first.unwrap(), again.unwrap(), "the same proposal for the same field");
                    assert!(matches!(disturbed.save(), Err(Error::WrongOrder { .. })));
                }
                3 => {
                    disturbed.propose(&field).unwrap();
                    disturbed.abandon();
                    assert!(!disturbed.is_pending() && disturbed.resolve(0.0).is_err());
                }
                _ => {
                    assert!(disturbed.propose(&[0.0; 3]).is_err() && disturbed.propose(&[f64::NAN; SITES]).is_err());
                }
            }
            let found = run(&mut disturbed, &mut field, update..update + 1);
            assert!(found[0] == expected[update], "{kernel:?}, update {update}");
        }
        assert_eq!(disturbed.statistics(), undisturbed.statistics());
        assert_eq!(disturbed.save().unwrap(), undisturbed.save().unwrap());
    }
}

/// What a host's action may do on the proposal.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Trouble {
    None,
    Reject,
    Value(f64),
    Stop,
}

/// phi^4 whose `at`-th call since the counter was reset (1: the current field, 2: the proposal) is in trouble.
fn troubled(calls: &Arc<AtomicUsize>, at: usize, trouble: Trouble) -> HostAction {
    let (calls, mut inner) = (calls.clone(), phi4());
    let action = move |field: &[f64]| match (calls.fetch_add(1, Ordering::SeqCst) + 1 == at, trouble) {
        (false, _) | (_, Trouble::None) => inner.action(field),
        (_, Trouble::Reject) => Err(Interrupt::Reject),
        (_, Trouble::Value(value)) => Ok(value),
        (_, Trouble::Stop) => Err(Interrupt::Stop(Error::CallbackStopped { callback: "action", code: -7 })),
    };
    HostAction::new(Box::new(action), None)
}

/// The same random troubles for every run; half of the updates have none.
fn trouble(update: usize) -> Trouble {
    let stream = Stream::new(6, 0, update as u64).unwrap();
    let values = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    match stream.below(Purpose::Diagnostic, 0, 0, 12) {
        0..=5 => Trouble::None,
        6 => Trouble::Reject,
        index @ 7..=9 => Trouble::Value(values[index - 7]),
        _ => Trouble::Stop,
    }
}

#[test]
fn an_action_in_trouble_rejects_or_stops_and_the_chain_stays_intact() {
    let score = score(1);
    for kernel in KERNELS {
        let calls = Arc::new(AtomicUsize::new(0));
        // The second chain never meets a stop.
        let (mut stopped, mut other) = (chain(&score, options(kernel)), chain(&score, options(kernel)));
        let (mut field, mut other_field) = (common::hot_start(SITES, 1, 0), common::hot_start(SITES, 1, 0));
        let (mut rejected, mut stops) = (0, 0);
        for update in 0..200 {
            host_move(&mut field, update);
            host_move(&mut other_field, update);
            let step = |chain: &mut Chain, field: &mut [f64], trouble| {
                calls.store(0, Ordering::SeqCst);
                chain.step(field, &mut troubled(&calls, 2, trouble))
            };
            let (before, statistics) = (bits(&field), stopped.statistics());
            let outcome = match trouble(update) {
                Trouble::Stop => {
                    let error = step(&mut stopped, &mut field, Trouble::Stop).unwrap_err();
                    assert!(matches!(error, Error::CallbackStopped { code: -7, .. }), "{error}");
                    assert!(!stopped.is_pending() && stopped.statistics() == statistics && bits(&field) == before);
                    stops += 1;
                    let outcome = step(&mut stopped, &mut field, Trouble::None).unwrap();
                    assert_eq!(step(&mut other, &mut other_field, Trouble::None).unwrap(), outcome);
                    outcome
                }
                trouble => {
                    let outcome = step(&mut stopped, &mut field, trouble).unwrap();
                    assert_eq!(step(&mut other, &mut other_field, trouble).unwrap(), outcome);
                    if trouble != Trouble::None {
                        rejected += 1;
                        assert!(outcome == Outcome::Rejected && bits(&field) == before, "{trouble:?}");
                    }
                    outcome
                }
            };
            assert_eq!(stopped.statistics().steps, statistics.steps + 1);
            let accepted = u64::from(outcome == Outcome::Accepted);
            assert_eq!(stopped.statistics().accepted, statistics.accepted + accepted);
            assert_eq!(stopped.statistics().not_finite, rejected);
            assert!(bits(&field) == bits(&other_field), "{kernel:?}, update {update}");
        }
        assert!(rejected > 30 && stops > 10 && stopped.statistics().accepted > 10);
        assert_eq!(stopped.save().unwrap(), other.save().unwrap());
    }
}

#[test]
fn a_current_field_without_action_is_an_error_that_changes_nothing() {
    let score = score(1);
    for kernel in KERNELS {
        let calls = Arc::new(AtomicUsize::new(0));
        let mut chain = chain(&score, options(kernel));
        let mut field = common::hot_start(SITES, 1, 0);
        run(&mut chain, &mut field, 0..10);
        let (bytes, before) = (chain.save().unwrap(), bits(&field));
        for trouble in [Trouble::Reject, Trouble::Value(f64::NAN), Trouble::Value(f64::INFINITY), Trouble::Stop] {
            calls.store(0, Ordering::SeqCst);
            assert!(chain.step(&mut field, &mut troubled(&calls, 1, trouble)).is_err(), "{trouble:?}");
            assert!(chain.save().unwrap() == bytes && bits(&field) == before);
        }
    }
}

#[test]
fn differences_of_the_action_that_are_not_finite_never_accept() {
    let score = score(1);
    for kernel in KERNELS {
        let mut chain = chain(&score, options(kernel));
        let field = common::hot_start(SITES, 1, 0);
        for (count, delta) in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -f64::NAN].into_iter().enumerate() {
            chain.propose(&field).unwrap();
            assert_eq!(chain.resolve(delta).unwrap(), Outcome::Rejected);
            assert_eq!((chain.statistics().not_finite, chain.statistics().accepted), (count as u64 + 1, 0));
        }
        assert!(matches!(chain.resolve(0.0), Err(Error::WrongOrder { .. })));
    }
}

/// Weights so large that the network overflows: nothing is accepted, nothing panics.
#[test]
fn a_network_that_overflows_is_never_accepted() {
    let broken = common::score(common::ruined(&common::untrained(data(), KAPPA, &[4, 4]), 1e12, 1.0, 1));
    for kernel in KERNELS {
        let mut chain = chain(&broken, options(kernel));
        let mut field = common::hot_start(SITES, 1, 0);
        let before = bits(&field);
        for _ in 0..20 {
            assert_eq!(chain.step(&mut field, &mut phi4()).unwrap(), Outcome::Rejected);
        }
        assert_eq!(bits(&field), before);
        assert_eq!((chain.statistics().steps, chain.statistics().accepted), (20, 0));
    }
}
