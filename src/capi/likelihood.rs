//! Densities of configurations under a model: approximate.

use super::generator::streams;
use super::guard::guard;
use super::lattice::within;
use super::model::stoq_model_t;
use super::options::check_ranges;
use super::pointer::{Output, Versioned, from_handle, require, require_memory, slice, versioned};
use super::status::stoq_status_t;
use crate::error::{Error, Result, require_finite};
use crate::sampler::{Coordinates, Divergence, Likelihood, LikelihoodOptions};

/// How the divergence of the probability flow is found.
pub type stoq_trace_t = i32;
/// The exact trace: a derivative for each value of the field at every step.
pub const STOQ_TRACE_EXACT: stoq_trace_t = 1;
/// The estimate of Skilling and Hutchinson with `probes` vectors of random signs: unbiased for log q.
pub const STOQ_TRACE_HUTCHINSON: stoq_trace_t = 2;

/// The variables in which the flow is integrated; its law does not depend on them.
pub type stoq_coordinates_t = i32;
/// Those in which nothing moves for a free field of the model's covariance: far fewer evaluations.
pub const STOQ_COORDINATES_WHITENED: stoq_coordinates_t = 1;
/// The field itself, as published.
pub const STOQ_COORDINATES_PLAIN: stoq_coordinates_t = 2;

/// Options of stoq_likelihood(). Fill it with stoq_likelihood_options_init() and change what should differ.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stoq_likelihood_options_t {
    /// sizeof(stoq_likelihood_options_t), set by stoq_likelihood_options_init().
    pub struct_size: usize,
    /// Default STOQ_TRACE_EXACT.
    pub trace: stoq_trace_t,
    /// Random vectors of STOQ_TRACE_HUTCHINSON, 1 to 65536; default 10.
    pub probes: u32,
    /// Default STOQ_COORDINATES_WHITENED.
    pub coordinates: stoq_coordinates_t,
    /// Threads, 1 to 1024; default 1. Does not change results.
    pub threads: u32,
    /// Bound on the local error of the integration, in (0, 1); default 1e-8.
    pub tolerance: f64,
    /// Noise relative to the signal at which the flow starts; default 0: at t = 0 itself.
    pub smallest_noise: f64,
    /// Seed of the random vectors; default 1.
    pub seed: u64,
    /// Number of the first field, which with the seed determines its random vectors; default 0.
    pub first_sample: u64,
}

impl Versioned for stoq_likelihood_options_t {
    const INITIALISER: &'static str = "stoq_likelihood_options_init";
}

fn default_options() -> stoq_likelihood_options_t {
    let LikelihoodOptions { tolerance, smallest_noise, .. } = LikelihoodOptions::default();
    stoq_likelihood_options_t {
        struct_size: size_of::<stoq_likelihood_options_t>(),
        trace: STOQ_TRACE_EXACT,
        probes: 10,
        coordinates: STOQ_COORDINATES_WHITENED,
        threads: 1,
        tolerance,
        smallest_noise,
        seed: 1,
        first_sample: 0,
    }
}

/// Fills options with the defaults.
///
/// @param[out] options  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_likelihood_options_init(options: *mut stoq_likelihood_options_t) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller; so in all functions below.
        unsafe { Output::new("options", options)? }.set(default_options());
        Ok(())
    })
}

fn checked_options(options: &stoq_likelihood_options_t) -> Result<LikelihoodOptions> {
    let stoq_likelihood_options_t { threads, probes, tolerance, smallest_noise, .. } = *options;
    check_ranges(&[("threads", threads, 1024)])?;
    let divergence = match options.trace {
        STOQ_TRACE_EXACT => Divergence::Exact,
        STOQ_TRACE_HUTCHINSON => {
            check_ranges(&[("probes", probes, 65_536)])?;
            Divergence::Hutchinson { probes: probes as usize }
        }
        other => return Err(Error::invalid("trace", other, "one of the STOQ_TRACE_ constants, 1 or 2")),
    };
    let coordinates = match options.coordinates {
        STOQ_COORDINATES_WHITENED => Coordinates::Whitened,
        STOQ_COORDINATES_PLAIN => Coordinates::Plain,
        other => return Err(Error::invalid("coordinates", other, "one of the STOQ_COORDINATES_ constants, 1 or 2")),
    };
    Ok(LikelihoodOptions { coordinates, divergence, tolerance, smallest_noise })
}

/// The log density log q of fields under a model, normalised, by its probability flow. *Approximate*: the
/// flow is integrated in steps, and no chain draws from it (STOQ_KERNEL_LIKELIHOOD has a discrete map with
/// an exact density). A diagnostic: log q + S is a constant for a perfect model.
///
/// @param[in]  model        borrowed; one that knows its derivatives: analytic, or trained by stoq.
/// @param[in]  options      borrowed; NULL for the defaults.
/// @param[in]  count        number of fields, at least 1.
/// @param[in]  fields       borrowed; `count` fields one after the other, each in C order without gaps, its
///                          components one after the other.
/// @param[out] log_density  room for `count` numbers log q. Unchanged on failure.
/// @param[out] error        room for `count` standard errors from the random vectors, 0 for the exact trace,
///                          NaN for a single vector; NULL if not wanted. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_OUT_OF_MEMORY, STOQ_INTERNAL when the
///         system refuses to start threads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_likelihood(
    model: *const stoq_model_t,
    options: *const stoq_likelihood_options_t,
    count: usize,
    fields: *const f64,
    log_density: *mut f64,
    error: *mut f64,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_likelihood_options_init.
        let (model, options) = unsafe {
            let options = if options.is_null() { default_options() } else { versioned("options", options)? };
            (from_handle("model", model)?, options)
        };
        require("fields", fields)?;
        require("log_density", log_density)?;
        if !error.is_null() {
            require("error", error)?;
        }
        let streams = streams(options.seed, 0, options.first_sample, count)?;
        let values = model.score.lattice().values();
        let checked = checked_options(&options).map_err(|error| within("options->", error))?;
        let directions = match checked.divergence {
            Divergence::Exact => 2 * values.min(64),
            Divergence::Hutchinson { probes } => 3 * probes,
        };
        let room = (directions + 16).checked_mul(values).and_then(|room| room.checked_mul(options.threads as usize));
        require_memory("the work space of a likelihood", room)?;
        // SAFETY: see stoq_likelihood_options_init; not used any more when the results are written.
        let found = unsafe {
            let fields = slice("fields", fields, values.saturating_mul(count))?;
            require_finite("fields", fields)?;
            let made = Likelihood::new(model.score.clone(), checked, options.threads as usize);
            made.map_err(|error| within("options->", error))?.log_densities(&streams, fields)?
        };
        for (index, density) in found.iter().enumerate() {
            // SAFETY: see stoq_likelihood_options_init.
            unsafe {
                log_density.add(index).write(density.value);
                if !error.is_null() {
                    error.add(index).write(density.error);
                }
            }
        }
        Ok(())
    })
}
