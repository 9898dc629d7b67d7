//! Generators of configurations: approximate.

use super::action::{Shared, stoq_action_t};
use super::guard::guard;
use super::guarded::Guarded;
use super::lattice::{require_lattice, within};
use super::model::stoq_model_t;
use super::options::{STOQ_GRID_OPTIMAL, check_ranges, checked_grid, stoq_grid_t};
use super::pointer::{
    Output, Versioned, from_handle, into_handle, release, require, require_memory, slice, versioned, zeros,
};
use super::status::stoq_status_t;
use crate::action::Action;
use crate::diffusion::T_END;
use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::sampler::{Ending, Generator, GeneratorOptions, LangevinStep, Method, MetropolisTail};
use crate::score::Score;
use std::sync::Arc;

/// How a generator follows the backward process: one of the STOQ_METHOD_ constants.
pub type stoq_method_t = i32;
/// Euler and Maruyama's steps of the reverse equation. Has a log weight.
pub const STOQ_METHOD_EULER_MARUYAMA: stoq_method_t = 1;
/// Gaussian steps with the covariance of the posterior, right for a free field at any number of levels. Has
/// a log weight.
pub const STOQ_METHOD_POSTERIOR: stoq_method_t = 2;
/// Ancestral sampling (DDPM). Has a log weight.
pub const STOQ_METHOD_ANCESTRAL: stoq_method_t = 3;
/// An ancestral step, then `corrections` Langevin steps at the new level.
pub const STOQ_METHOD_PREDICTOR_CORRECTOR: stoq_method_t = 4;
/// The probability flow, deterministic from the prior's noise on; its density is stoq_likelihood().
pub const STOQ_METHOD_PROBABILITY_FLOW: stoq_method_t = 5;
/// `corrections` Langevin steps at the fixed score of one level after another, nothing in between.
pub const STOQ_METHOD_ANNEALED: stoq_method_t = 6;

/// How a sample comes from the lowest level to t = 0.
pub type stoq_ending_t = i32;
/// By one more step of the method.
pub const STOQ_ENDING_ZERO: stoq_ending_t = 1;
/// By the denoised field: the mean of the clean field, which is too smooth. No log weight.
pub const STOQ_ENDING_DENOISE: stoq_ending_t = 2;
/// Not at all: a sample of the process at the lowest time. No log weight.
pub const STOQ_ENDING_STOP: stoq_ending_t = 3;

/// The size h of a Langevin step phi + h s + sqrt(2h) z of a generator.
pub type stoq_correction_t = i32;
/// h = correction_size Xi(t); correction_size below 2.
pub const STOQ_CORRECTION_FRACTION: stoq_correction_t = 1;
/// h = 2 (correction_size |z| / |s|)^2, correction_size being a signal-to-noise ratio.
pub const STOQ_CORRECTION_SIGNAL_TO_NOISE: stoq_correction_t = 2;

/// Draws independent samples of the law of a model and of its steps. *Approximate*: that law is not
/// exp(-S)/Z. A log weight, where there is one, corrects averages; a chain corrects the samples.
pub struct stoq_generator_t(Guarded<State>);

struct State {
    generator: Generator,
    action: Option<Arc<stoq_action_t>>,
    seed: u64,
    chain: u32,
    values: usize,
}

/// Options of a generator. Fill it with stoq_generator_options_init() and change what should differ. An
/// option that belongs to other methods than the one chosen has no effect.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stoq_generator_options_t {
    /// sizeof(stoq_generator_options_t), set by stoq_generator_options_init().
    pub struct_size: usize,
    /// Default STOQ_METHOD_POSTERIOR.
    pub method: stoq_method_t,
    /// Number of levels, 1 to 100000; default 40.
    pub levels: u32,
    /// How the levels are chosen; default STOQ_GRID_OPTIMAL. No effect with `times`.
    pub grid: stoq_grid_t,
    /// Default STOQ_ENDING_ZERO, the only one that STOQ_METHOD_POSTERIOR knows.
    pub ending: stoq_ending_t,
    /// Copied by stoq_generator_new(); `levels` times ascending in (0, 1], or NULL (default) for `grid`.
    pub times: *const f64,
    /// Langevin steps a level; default 1.
    pub corrections: u32,
    /// What correction_size means; default STOQ_CORRECTION_SIGNAL_TO_NOISE.
    pub correction: stoq_correction_t,
    /// Size of the Langevin steps; default 0.16.
    pub correction_size: f64,
    /// Bound on the local error of STOQ_METHOD_PROBABILITY_FLOW, in (0, 1); default 1e-6.
    pub tolerance: f64,
    /// Metropolis-adjusted Langevin moves of each sample with the true action, at the end; default 0. Samples
    /// tend to exp(-S)/Z as these grow in number. No log weight then.
    pub tail_moves: u32,
    /// Threads for the network, 1 to 1024; default 1. Does not change results.
    pub threads: u32,
    /// Time in (0, 1] of the score in these moves; default 0.01.
    pub tail_time: f64,
    /// Their step size > 0; default 0.01.
    pub tail_step: f64,
    /// Seed of all random numbers; default 1.
    pub seed: u64,
    /// Chain number of the random numbers, below 2^24 - 1; default 0. Not that of a stoq_chain_t of the same
    /// seed, with whose moves the samples would share their noise.
    pub chain: u32,
    /// Samples that are evaluated together, 1 to 65536; default 8. Does not change results.
    pub batch: u32,
}

impl Versioned for stoq_generator_options_t {
    const INITIALISER: &'static str = "stoq_generator_options_init";
}

fn default_options() -> stoq_generator_options_t {
    stoq_generator_options_t {
        struct_size: size_of::<stoq_generator_options_t>(),
        method: STOQ_METHOD_POSTERIOR,
        levels: 40,
        grid: STOQ_GRID_OPTIMAL,
        ending: STOQ_ENDING_ZERO,
        times: std::ptr::null(),
        corrections: 1,
        correction: STOQ_CORRECTION_SIGNAL_TO_NOISE,
        correction_size: 0.16,
        tolerance: 1e-6,
        tail_moves: 0,
        threads: 1,
        tail_time: 0.01,
        tail_step: 0.01,
        seed: 1,
        chain: 0,
        batch: 8,
    }
}

/// Fills options with the defaults.
///
/// @param[out] options  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_generator_options_init(options: *mut stoq_generator_options_t) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller; so in all functions below.
        unsafe { Output::new("options", options)? }.set(default_options());
        Ok(())
    })
}

/// The options without the times.
fn checked_options(options: &stoq_generator_options_t) -> Result<(Method, Ending, Option<MetropolisTail>)> {
    let stoq_generator_options_t { levels, threads, batch, .. } = *options;
    check_ranges(&[("levels", levels, 100_000), ("threads", threads, 1024), ("batch", batch, 65_536)])?;
    let corrections = options.corrections as usize;
    let step = || match options.correction {
        STOQ_CORRECTION_FRACTION => Ok(LangevinStep::Fraction(options.correction_size)),
        STOQ_CORRECTION_SIGNAL_TO_NOISE => Ok(LangevinStep::SignalToNoise(options.correction_size)),
        other => Err(Error::invalid("correction", other, "one of the STOQ_CORRECTION_ constants, 1 or 2")),
    };
    let method = match options.method {
        STOQ_METHOD_EULER_MARUYAMA => Method::EulerMaruyama,
        STOQ_METHOD_POSTERIOR => Method::Posterior,
        STOQ_METHOD_ANCESTRAL => Method::Ancestral,
        STOQ_METHOD_PREDICTOR_CORRECTOR => Method::PredictorCorrector { corrections, step: step()? },
        STOQ_METHOD_PROBABILITY_FLOW => Method::ProbabilityFlow { tolerance: options.tolerance },
        STOQ_METHOD_ANNEALED => Method::Annealed { corrections, step: step()? },
        other => return Err(Error::invalid("method", other, "one of the STOQ_METHOD_ constants, 1 to 6")),
    };
    let ending = match options.ending {
        STOQ_ENDING_ZERO => Ending::Zero,
        STOQ_ENDING_DENOISE => Ending::Denoise,
        STOQ_ENDING_STOP => Ending::Stop,
        other => return Err(Error::invalid("ending", other, "one of the STOQ_ENDING_ constants, 1 to 3")),
    };
    let tail = MetropolisTail { time: options.tail_time, step: options.tail_step, moves: options.tail_moves as usize };
    Ok((method, ending, (tail.moves > 0).then_some(tail)))
}

/// Makes a generator.
///
/// @param[in]  model      shared: the caller may free its own handle at any time.
/// @param[in]  action     shared likewise; for options.tail_moves. NULL without these.
/// @param[in]  options    copied; NULL for the defaults.
/// @param[out] generator  transferred to the caller, who frees it with stoq_generator_free(). Unchanged on
///                        failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_SHAPE_MISMATCH for an action on another lattice,
///         STOQ_OUT_OF_MEMORY, STOQ_INTERNAL when the system refuses to start threads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_generator_new(
    model: *const stoq_model_t,
    action: *mut stoq_action_t,
    options: *const stoq_generator_options_t,
    generator: *mut *mut stoq_generator_t,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_generator_options_init.
        let (model, action, options, times, generator) = unsafe {
            let model = from_handle("model", model)?;
            let action = if action.is_null() { None } else { Some(from_handle("action", action)?) };
            let options = if options.is_null() { default_options() } else { versioned("options", options)? };
            let times = match options.times.is_null() {
                true => None,
                false => Some(slice("options->times", options.times, options.levels as usize)?),
            };
            (model, action, options, times, Output::new("generator", generator)?)
        };
        let made = create(&model.score, action, &options, times).map_err(|error| within("options->", error))?;
        generator.set(into_handle(stoq_generator_t(Guarded::new("generator", made))));
        Ok(())
    })
}

fn create(
    score: &Arc<dyn Score>,
    action: Option<Arc<stoq_action_t>>,
    options: &stoq_generator_options_t,
    times: Option<&[f64]>,
) -> Result<State> {
    let (method, ending, metropolis_tail) = checked_options(options)?;
    if let Some(action) = &action {
        require_lattice("action: ", action.layout.lattice(), score.lattice())?;
    } else if metropolis_tail.is_some() {
        return Err(Error::invalid("tail_moves", options.tail_moves, "0 without an action: the moves decide by it"));
    }
    let stoq_generator_options_t { levels, threads, batch, seed, chain, .. } = *options;
    Stream::new(seed, chain, 0)?;
    let (levels, threads, batch) = (levels as usize, threads as usize, batch as usize);
    let values = score.lattice().values();
    require_memory("the work space of a generator", (8 * batch + 4 * levels + 16).checked_mul(values))?;
    let times = match times {
        Some(times) => times.to_vec(),
        None => checked_grid(options.grid)?.times(score, levels, T_END, seed, threads)?,
    };
    let made = GeneratorOptions { method, times, ending, metropolis_tail };
    let generator = Generator::new(score.clone(), made, batch, threads)?;
    Ok(State { generator, action, seed, chain, values })
}

/// Draws samples. Each depends on its number, the seed and the chain number alone, so that they may be drawn
/// in any portions, in any order, and on several machines.
///
/// @param[in]  generator     borrowed; one caller at a time.
/// @param[in]  first_sample  number of the first sample, from 0.
/// @param[in]  count         how many, at least 1; all numbers below 2^40.
/// @param[out] fields        room for `count` fields one after the other, each in C order without gaps, its
///                           components one after the other. Unchanged on failure.
/// @param[out] log_weights   room for `count` numbers log w + S, from which the caller subtracts the action
///                           of the sample: then the mean of w is Z, and w reweights averages to exp(-S)/Z.
///                           NULL if not wanted, or if the method has none. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_CALLBACK_STOPPED, STOQ_WRONG_ORDER from a
///         callback of its own action, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_generator_generate(
    generator: *mut stoq_generator_t,
    first_sample: u64,
    count: usize,
    fields: *mut f64,
    log_weights: *mut f64,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_generator_options_init.
        let generator = unsafe { from_handle("generator", generator)? };
        require("fields", fields)?;
        if !log_weights.is_null() {
            require("log_weights", log_weights)?;
        }
        generator.0.exclusive("stoq_generator_generate", |state| {
            let streams = streams(state.seed, state.chain, first_sample, count)?;
            let mut samples = zeros("samples", count.saturating_mul(state.values))?;
            let mut weights = zeros("log weights", if log_weights.is_null() { 0 } else { count })?;
            let wanted = if log_weights.is_null() { None } else { Some(&mut weights[..]) };
            let mut shared = state.action.as_deref().map(|action| Shared(action, "stoq_generator_generate"));
            let action = shared.as_mut().map(|shared| shared as &mut dyn Action);
            state.generator.generate(&streams, &mut samples, wanted, action)?;
            // SAFETY: see stoq_generator_options_init; what is copied is memory of the library.
            unsafe {
                fields.copy_from_nonoverlapping(samples.as_ptr(), samples.len());
                if !log_weights.is_null() {
                    log_weights.copy_from_nonoverlapping(weights.as_ptr(), weights.len());
                }
            }
            Ok(())
        })
    })
}

/// The random numbers of samples `first`, `first` + 1, ...
pub(super) fn streams(seed: u64, chain: u32, first: u64, count: usize) -> Result<Vec<Stream>> {
    if count == 0 {
        return Err(Error::invalid("count", count, "at least one field"));
    }
    require_memory("the numbers of samples", count.checked_mul(3))?;
    let last = first.checked_add(count as u64 - 1).filter(|&last| last <= crate::rng::MAX_STEP);
    let Some(last) = last else {
        return Err(Error::invalid("first_sample", first, &format!("{count} numbers below 2^40 from it on")));
    };
    (first..=last).map(|sample| Stream::new(seed, chain, sample)).collect()
}

/// Frees a generator, and its holds on model and action.
///
/// @param[in] generator  transferred back; NULL is allowed and does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_generator_free(generator: *mut stoq_generator_t) {
    // SAFETY: see stoq_generator_options_init.
    unsafe { release(generator) }
}
