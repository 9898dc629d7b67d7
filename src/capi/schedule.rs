//! The noise schedule of an analytic model.

use super::guard::guard;
use super::lattice::within;
use super::pointer::{Output, Versioned, versioned};
use super::status::stoq_status_t;
use crate::diffusion::Schedule;
use crate::error::{Error, Result};

/// A family of forward processes dx = -1/2 k(t) x dt + g(t) dW with g = sigma^t and t in [0, 1]: one of
/// the STOQ_SCHEME_ constants.
pub type stoq_scheme_t = i32;
/// k = 0: the signal stays, the noise grows.
pub const STOQ_SCHEME_VARIANCE_EXPANDING: stoq_scheme_t = 1;
/// k = g^2: signal and noise of variance 1 keep variance 1.
pub const STOQ_SCHEME_VARIANCE_PRESERVING: stoq_scheme_t = 2;
/// k = contraction g^2: anything in between.
pub const STOQ_SCHEME_INTERPOLATING: stoq_scheme_t = 3;

/// The noise schedule of a diffusion process. Fill it with stoq_schedule_init() and change what should
/// differ. A trained model brings its own.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stoq_schedule_t {
    /// sizeof(stoq_schedule_t), set by stoq_schedule_init().
    pub struct_size: usize,
    /// Default STOQ_SCHEME_VARIANCE_EXPANDING.
    pub scheme: stoq_scheme_t,
    /// 0. Keeps the struct free of padding.
    pub reserved: u32,
    /// Base of g(t) = sigma^t, above 1; default 25, as in the literature.
    pub sigma: f64,
    /// k / g^2, 0 to 1; default 0. Read by STOQ_SCHEME_INTERPOLATING only.
    pub contraction: f64,
}

impl Versioned for stoq_schedule_t {
    const INITIALISER: &'static str = "stoq_schedule_init";
}

fn default_schedule() -> stoq_schedule_t {
    let struct_size = size_of::<stoq_schedule_t>();
    let scheme = STOQ_SCHEME_VARIANCE_EXPANDING;
    stoq_schedule_t { struct_size, scheme, reserved: 0, sigma: 25.0, contraction: 0.0 }
}

/// Fills a schedule with the defaults: variance expanding, sigma = 25.
///
/// @param[out] schedule  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_schedule_init(schedule: *mut stoq_schedule_t) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller.
        unsafe { Output::new("schedule", schedule)? }.set(default_schedule());
        Ok(())
    })
}

/// Reads and checks a schedule of the caller; NULL is the default one.
///
/// # Safety
/// As [`versioned`].
pub(super) unsafe fn read_schedule(pointer: *const stoq_schedule_t) -> Result<Schedule> {
    // SAFETY: promised by the caller.
    let schedule = if pointer.is_null() { default_schedule() } else { unsafe { versioned("schedule", pointer)? } };
    let stoq_schedule_t { scheme, reserved, sigma, contraction, .. } = schedule;
    if reserved != 0 {
        return Err(Error::invalid("schedule->reserved", reserved, "0, as stoq_schedule_init sets it"));
    }
    let made = match scheme {
        STOQ_SCHEME_VARIANCE_EXPANDING => Schedule::variance_expanding(sigma),
        STOQ_SCHEME_VARIANCE_PRESERVING => Schedule::variance_preserving(sigma),
        STOQ_SCHEME_INTERPOLATING => Schedule::interpolating(sigma, contraction),
        other => Err(Error::invalid("scheme", other, "one of the STOQ_SCHEME_ constants, 1 to 3")),
    };
    made.map_err(|error| within("schedule->", error))
}
