//! What cannot be had from C: a panic within a call, and threads that share an action.

use super::*;
use crate::action::{Action, Interrupt};
use crate::capi::status::{STOQ_INTERNAL, STOQ_OK, last_error};
use crate::capi::{
    stoq_action_callback, stoq_action_free, stoq_action_phi4, stoq_chain_save, stoq_layout_init, stoq_model_free,
};
use crate::diffusion::Schedule;
use crate::fourier::momentum_classes;
use crate::lattice::Lattice;
use crate::model::{Metadata, Model};
use crate::nn::{UNet, UNetShape};
use crate::rng::Stream;
use crate::score::NativeScore;
use std::ffi::c_void;
use std::sync::atomic::{AtomicI32, Ordering};

const SITES: usize = 16;

fn model() -> *mut stoq_model_t {
    let lattice = Lattice::new(&[4, 4]).unwrap();
    let network = UNetShape { channels: vec![2], embedding: 8, ..UNetShape::default() };
    let total = UNet::new(&network, &lattice).unwrap();
    let metadata = Metadata::untrained(
        &lattice,
        Schedule::variance_expanding(10.0).unwrap(),
        network,
        vec![0.8; momentum_classes(&lattice).1],
    );
    let parameters = total.layout().initial(&Stream::new(1, 0, 0).unwrap());
    let score = NativeScore::new(Model::new(metadata, parameters).unwrap()).unwrap();
    into_handle(stoq_model_t::trained(score))
}

fn layout() -> stoq_layout_t {
    let mut layout = std::mem::MaybeUninit::uninit();
    // SAFETY: room for one layout, two extents.
    unsafe {
        assert_eq!(stoq_layout_init(layout.as_mut_ptr(), 2, [4usize, 4].as_ptr()), STOQ_OK);
        layout.assume_init()
    }
}

/// A chain that owns all that it needs. Takes the action.
fn chain_with(action: *mut stoq_action_t, number: u32) -> *mut stoq_chain_t {
    let options = stoq_chain_options_t { levels: 5, chain: number, ..default_options() };
    let mut chain = std::ptr::null_mut();
    // SAFETY: live handles, each freed once.
    unsafe {
        let model = model();
        assert_eq!(stoq_chain_new(model, action, &layout(), &options, &mut chain), STOQ_OK, "{}", last_error());
        stoq_model_free(model);
        stoq_action_free(action);
    }
    chain
}

fn phi4() -> *mut stoq_action_t {
    let mut action = std::ptr::null_mut();
    // SAFETY: a valid layout and room for a handle.
    assert_eq!(unsafe { stoq_action_phi4(&layout(), 0.21, 0.022, &mut action) }, STOQ_OK);
    action
}

/// phi^4 that panics when a count of evaluations reaches 0.
struct Panicking(crate::action::Phi4, Arc<AtomicI32>);

impl Action for Panicking {
    fn action(&mut self, field: &[f64]) -> Result<f64, Interrupt> {
        assert_ne!(self.1.fetch_sub(1, Ordering::Relaxed), 1, "planted");
        self.0.action(field)
    }

    fn force(&mut self, field: &[f64], force: &mut [f64]) -> Result<(), Interrupt> {
        self.0.force(field, force)
    }
}

#[test]
fn after_a_panic_the_chain_goes_on_as_if_the_call_had_not_been() {
    let countdown = Arc::new(AtomicI32::new(0));
    let inner = crate::action::Phi4::new(&Lattice::new(&[4, 4]).unwrap(), 0.21, 0.022).unwrap();
    let layout = Layout::contiguous(Lattice::new(&[4, 4]).unwrap());
    let action = into_handle(stoq_action_t::built_in(layout, Box::new(Panicking(inner, countdown.clone()))));
    let (chain, reference) = (chain_with(action, 3), chain_with(phi4(), 3));
    let start: [f64; SITES] = std::array::from_fn(|site| 0.3 * ((site * 7) % 5) as f64 - 0.6);
    let (mut field, mut expected) = (start, start);
    for round in 0..100 {
        // In turn: at the action of the current field, at that of the proposal.
        countdown.store(1 + round % 2, Ordering::Relaxed);
        let (before, mut outcome) = (field, 77);
        // SAFETY: live handles, buffers of 16 sites; so below.
        unsafe {
            assert_eq!(stoq_chain_step(chain, field.as_mut_ptr(), &mut outcome), STOQ_INTERNAL);
            assert!(last_error().contains("planted") && last_error().contains("report"), "{}", last_error());
            assert_eq!((field, outcome), (before, 77));
            let mut needed = 0;
            assert_eq!(stoq_chain_save(chain, std::ptr::null_mut(), 0, &mut needed), STOQ_OK, "{}", last_error());
            assert_eq!(stoq_chain_step(chain, field.as_mut_ptr(), &mut outcome), STOQ_OK, "{}", last_error());
            assert_eq!(stoq_chain_step(reference, expected.as_mut_ptr(), std::ptr::null_mut()), STOQ_OK);
        }
        assert_eq!(field, expected, "round {round}");
    }
    assert_ne!(field, start, "nothing was ever accepted");
    // SAFETY: freed once.
    unsafe {
        stoq_chain_free(chain);
        stoq_chain_free(reference);
    }
}

/// Not atomic on purpose: lost updates show that two evaluations ran at once.
struct Calls {
    inside: bool,
    count: u64,
}

unsafe extern "C" fn counting(user: *mut c_void, field: *const f64, sites: usize, action: *mut f64) -> i32 {
    // SAFETY: `user` is a `Calls`, which nobody else touches meanwhile if stoq keeps its word.
    let (calls, field) = unsafe { (&mut *user.cast::<Calls>(), std::slice::from_raw_parts(field, sites)) };
    if std::mem::replace(&mut calls.inside, true) {
        return -1;
    }
    calls.count += 1;
    std::thread::yield_now();
    // SAFETY: room for one value.
    unsafe { *action = field.iter().map(|x| 0.6 * x * x).sum() };
    calls.inside = false;
    0
}

#[test]
fn chains_on_two_threads_share_one_callback_in_turn() {
    const STEPS: u64 = 200;
    let mut calls = Calls { inside: false, count: 0 };
    let user = std::ptr::from_mut(&mut calls).cast::<c_void>();
    let mut action = std::ptr::null_mut();
    // SAFETY: `calls` outlives the chains.
    assert_eq!(unsafe { stoq_action_callback(&layout(), Some(counting), user, None, &mut action) }, STOQ_OK);
    // SAFETY: a live handle.
    let second = Arc::into_raw(unsafe { from_handle("action", action) }.unwrap()).cast_mut();
    let chains = [chain_with(action, 0), chain_with(second, 1)].map(|chain| chain.expose_provenance());
    std::thread::scope(|scope| {
        for chain in chains {
            scope.spawn(move || {
                let (chain, mut field) = (std::ptr::with_exposed_provenance_mut(chain), [0.0; SITES]);
                for _ in 0..STEPS {
                    // SAFETY: a live handle that only this thread uses.
                    let status = unsafe { stoq_chain_step(chain, field.as_mut_ptr(), std::ptr::null_mut()) };
                    assert_eq!(status, STOQ_OK, "{}", last_error());
                }
                // SAFETY: freed once.
                unsafe { stoq_chain_free(chain) };
            });
        }
    });
    assert_eq!(calls.count, 2 * 2 * STEPS);
}
