//! Complex Langevin: not exact, and with no accept step that could make it so.

use super::guard::guard;
use super::guarded::Guarded;
use super::lattice::within;
use super::pointer::{Output, Versioned, from_handle, into_handle, release, require, require_memory, versioned};
use super::status::stoq_status_t;
use crate::action::ComplexQuartic;
use crate::error::{Error, Result};
use crate::lattice::Lattice;
use crate::rng::MAX_LEVEL;
use crate::sampler::{ComplexLangevin, ComplexLangevinOptions};

/// The complex Langevin process of S(z) = sigma0/2 z^2 + lambda/4 z^4 with sigma0 = a + i b, at many
/// independent sites. *Not exact*, and no kernel can be: exp(-S) is complex, and the law P(x, y) of the process is
/// not known, so that no accept step is possible. Averages of z^n over the process are those of
/// exp(-S)/Z up to the bias of the integrator, where the process is localised well enough.
pub struct stoq_complex_langevin_t(Guarded<ComplexLangevin>);

/// Options of complex Langevin. Fill it with stoq_complex_langevin_options_init() and change what should
/// differ.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stoq_complex_langevin_options_t {
    /// sizeof(stoq_complex_langevin_options_t), set by stoq_complex_langevin_options_init().
    pub struct_size: usize,
    /// Seed of all random numbers; default 1.
    pub seed: u64,
    /// Chain number, below 2^24; default 0. Chains of one seed with different numbers are independent.
    pub chain: u32,
    /// 0. Keeps the struct free of padding.
    pub reserved: u32,
    /// Langevin time between configurations; default 0: 1 / |<S''>|, which is known exactly.
    pub interval: f64,
    /// Largest step; default 0: 0.01 / |<S''>|. The bias goes with its square.
    pub step: f64,
    /// Drift |S'| beyond which steps become shorter; default 0: 2 sqrt(|<S''>|).
    pub drift: f64,
}

impl Versioned for stoq_complex_langevin_options_t {
    const INITIALISER: &'static str = "stoq_complex_langevin_options_init";
}

fn default_options() -> stoq_complex_langevin_options_t {
    let struct_size = size_of::<stoq_complex_langevin_options_t>();
    stoq_complex_langevin_options_t {
        struct_size,
        seed: 1,
        chain: 0,
        reserved: 0,
        interval: 0.0,
        step: 0.0,
        drift: 0.0,
    }
}

/// Fills options with the defaults.
///
/// @param[out] options  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_complex_langevin_options_init(
    options: *mut stoq_complex_langevin_options_t,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller; so in all functions below.
        unsafe { Output::new("options", options)? }.set(default_options());
        Ok(())
    })
}

/// Makes a process. It starts near the real axis: forget some configurations first.
///
/// @param[in]  a        real part of sigma0; above 0 if lambda = 0.
/// @param[in]  b        imaginary part of sigma0.
/// @param[in]  lambda   quartic coupling, >= 0.
/// @param[in]  sites    number of independent copies of z, 1 to 2^20 - 1.
/// @param[in]  options  copied; NULL for the defaults.
/// @param[out] process  transferred to the caller, who frees it with stoq_complex_langevin_free(). Unchanged
///                      on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_complex_langevin_new(
    a: f64,
    b: f64,
    lambda: f64,
    sites: usize,
    options: *const stoq_complex_langevin_options_t,
    process: *mut *mut stoq_complex_langevin_t,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_complex_langevin_options_init.
        let (options, process) = unsafe {
            let options = if options.is_null() { default_options() } else { versioned("options", options)? };
            (options, Output::new("process", process)?)
        };
        let action = ComplexQuartic::new(a, b, lambda)?;
        let made = create(action, sites, &options).map_err(|error| match error {
            Error::InvalidArgument { ref parameter, .. } if parameter == "sites" => error,
            other => within("options->", other),
        })?;
        process.set(into_handle(stoq_complex_langevin_t(Guarded::new("process", made))));
        Ok(())
    })
}

fn create(action: ComplexQuartic, sites: usize, options: &stoq_complex_langevin_options_t) -> Result<ComplexLangevin> {
    let stoq_complex_langevin_options_t { seed, chain, reserved, interval, step, drift, .. } = *options;
    if !(1..=MAX_LEVEL as usize).contains(&sites) {
        return Err(Error::invalid("sites", sites, "between 1 and 2^20 - 1; use several chain numbers"));
    }
    if reserved != 0 {
        return Err(Error::invalid("reserved", reserved, "0, as stoq_complex_langevin_options_init sets it"));
    }
    require_memory("complex Langevin", sites.checked_mul(8))?;
    let lattice = Lattice::new(&[sites])?.with_components(2)?;
    let given = |number: f64| (number != 0.0).then_some(number);
    let options = ComplexLangevinOptions { interval: given(interval), step: given(step), drift: given(drift) };
    ComplexLangevin::with_options(action, &lattice, seed, chain, options)
}

/// Follows the process for one interval.
///
/// @param[in]  process  borrowed; one caller at a time. Unchanged on failure.
/// @param[out] z        room for 2 `sites` numbers: x of all sites, then y of all sites, z = x + i y.
///                      Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT also for a runaway trajectory, which the process can have,
///         STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_complex_langevin_next(
    process: *mut stoq_complex_langevin_t,
    z: *mut f64,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_complex_langevin_options_init.
        let process = unsafe { from_handle("process", process)? };
        require("z", z)?;
        process.0.exclusive("stoq_complex_langevin_next", |process| {
            // A trajectory that runs away leaves sites before it moved: work on a copy, small against the steps.
            require_memory("a copy of the process", process.field().len().checked_mul(2))?;
            let mut next = process.clone();
            let field = next.next_configuration()?;
            // SAFETY: see stoq_complex_langevin_options_init; `field` is memory of the library.
            unsafe { z.copy_from_nonoverlapping(field.as_ptr(), field.len()) };
            *process = next;
            Ok(())
        })
    })
}

/// Frees a process.
///
/// @param[in] process  transferred back; NULL is allowed and does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_complex_langevin_free(process: *mut stoq_complex_langevin_t) {
    // SAFETY: see stoq_complex_langevin_options_init.
    unsafe { release(process) }
}
