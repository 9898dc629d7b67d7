//! After a few steps of warm-up the hot loops of one thread allocate nothing.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use stoq::action::Phi4;
use stoq::kernel::hmc::{Hmc, HmcOptions, Integrator};
use stoq::kernel::{Chain, ChainOptions, Kernel};
use stoq::lattice::Lattice;
use stoq::rng::Stream;
use stoq::score::NativeScore;

/// The system's allocator with a counter for each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    /// Whether to print where the next allocation comes from: set STOQ_TRACE_ALLOCATION=1.
    static TRAP: Cell<bool> = const { Cell::new(false) };
}

fn count() {
    // A thread that is ending has no counter any more.
    let _ = ALLOCATIONS.try_with(|counter| counter.set(counter.get() + 1));
    if TRAP.try_with(|trap| trap.replace(false)).unwrap_or(false) {
        // An allocator must not panic; what the trace itself allocates is no longer traced.
        eprintln!("an allocation in a loop that must not allocate:\n{}", std::backtrace::Backtrace::force_capture());
    }
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of this thread during `work`.
fn allocations(work: impl FnOnce()) -> u64 {
    let trap = std::env::var_os("STOQ_TRACE_ALLOCATION").is_some();
    let before = ALLOCATIONS.get();
    TRAP.set(trap);
    work();
    TRAP.set(false);
    ALLOCATIONS.get() - before
}

/// In the symmetric phase in two and in three dimensions.
const KAPPA: f64 = 0.15;

/// A model with random weights, and a field in equilibrium.
fn score_and_field(extents: &[usize], channels: &[usize]) -> (Arc<NativeScore>, Vec<f64>) {
    let data = common::configurations(extents, KAPPA, 512);
    let score = common::score(common::ruined(&common::untrained(&data, KAPPA, channels), 0.03, 1.0, 1));
    (score, data.field(0).unwrap())
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Vec::<u8>::with_capacity(10)))), 1);
    assert_eq!(allocations(|| ()), 0);
}

#[test]
fn learned_updates_allocate_nothing() {
    // Rank 2 with two resolutions, and rank 3: extents that are no power of two take other transforms.
    for (extents, channels) in [(&[4, 8][..], &[4, 6][..]), (&[4, 6, 3], &[4])] {
        let (score, start) = score_and_field(extents, channels);
        let lattice = Lattice::new(extents).unwrap();
        let mut action = Phi4::new(&lattice, KAPPA, common::LAMBDA).unwrap();
        for kernel in [Kernel::Path, Kernel::Renoise { time: 0.4 }] {
            for host_moves in [false, true] {
                let mut chain =
                    Chain::new(score.clone(), ChainOptions { kernel, levels: 5, ..Default::default() }).unwrap();
                let mut field = start.clone();
                let mut update = |chain: &mut Chain, index: usize| {
                    if host_moves {
                        field[index % lattice.sites()] += 1e-3;
                    }
                    chain.step(&mut field, &mut action).unwrap();
                };
                (0..10).for_each(|index| update(&mut chain, index));
                let found = allocations(|| (0..50).for_each(|index| update(&mut chain, index)));
                assert_eq!(found, 0, "{extents:?} {kernel:?}, host moves the field: {host_moves}");
                // Both ways through the loop were taken, and the path kernel refilled its pool.
                let statistics = chain.statistics();
                assert!(
                    statistics.steps == 60 && (1..60).contains(&statistics.accepted),
                    "{extents:?} {kernel:?}: {statistics:?}"
                );
            }
        }
    }
}

#[test]
fn hmc_allocates_nothing() {
    let lattice = Lattice::new(&[4, 8]).unwrap();
    let mut action = Phi4::new(&lattice, KAPPA, common::LAMBDA).unwrap();
    let stream = Stream::new(1, 0, 0).unwrap();
    for integrator in [Integrator::Leapfrog, Integrator::Omelyan] {
        let mut hmc = Hmc::new(lattice.sites(), HmcOptions { integrator, ..HmcOptions::default() }).unwrap();
        let mut field = common::hot_start(lattice.sites(), 1, 0);
        let mut update = |step| _ = hmc.update(&mut action, &mut field, &stream.at_step(step)).unwrap();
        (0..3).for_each(&mut update);
        assert_eq!(allocations(|| (3..53).for_each(&mut update)), 0, "{integrator:?}");
    }
}
