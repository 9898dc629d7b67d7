//! Statistics of series that the host has measured.

use super::estimate::{EstimateOutput, stoq_estimate_t};
use super::guard::guard;
use super::lattice::within;
use super::pointer::{Output, Versioned, require, slice, versioned};
use super::status::stoq_status_t;
use crate::analysis::{
    BootstrapOptions, SeriesHistogram, bootstrap, chi_squared_test, gamma_method, gamma_method_derived,
    jackknife_of_chains, kolmogorov_smirnov,
};
use crate::error::{Error, Result};
use std::cell::RefCell;
use std::ffi::c_void;

/// How an error is found.
pub type stoq_statistics_method_t = i32;
/// The Gamma method (U. Wolff, hep-lat/0306017) with its automatic window: also tau_int. For functions by their gradient.
pub const STOQ_STATISTICS_GAMMA: stoq_statistics_method_t = 1;
/// Delete one bin of consecutive values after the other: also takes away the bias of order 1/N.
pub const STOQ_STATISTICS_JACKKNIFE: stoq_statistics_method_t = 2;
/// Resampling of blocks of consecutive values: also an interval.
pub const STOQ_STATISTICS_BOOTSTRAP: stoq_statistics_method_t = 3;

/// A test whether two samples have the same law.
pub type stoq_two_sample_t = i32;
/// Kolmogorov and Smirnov: the largest distance of the two distribution functions.
pub const STOQ_TWO_SAMPLE_KOLMOGOROV: stoq_two_sample_t = 1;
/// chi^2 of two histograms.
pub const STOQ_TWO_SAMPLE_CHI_SQUARED: stoq_two_sample_t = 2;

/// Options of stoq_statistics_estimate(). Fill it with stoq_statistics_options_init() and change what should differ.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stoq_statistics_options_t {
    /// sizeof(stoq_statistics_options_t), set by stoq_statistics_options_init().
    pub struct_size: usize,
    /// Default STOQ_STATISTICS_GAMMA.
    pub method: stoq_statistics_method_t,
    /// Resamplings of the bootstrap, 2 to 1000000; default 1000.
    pub resamplings: u32,
    /// Consecutive values in a bin of the jackknife or a block of the bootstrap. Default 0: chosen by tau_int.
    pub block: u64,
    /// Seed of the bootstrap; default 1.
    pub seed: u64,
}

impl Versioned for stoq_statistics_options_t {
    const INITIALISER: &'static str = "stoq_statistics_options_init";
}

/// A function of means, such as the Binder cumulant 1 - m[1] / (3 m[0] m[0]). Called on the calling thread.
///
/// @param[in]  user   what was given to stoq_statistics_estimate().
/// @param[in]  means  borrowed; of every observable.
/// @param[in]  count  number of observables.
/// @param[out] value  the function.
/// @return 0: done. Other than 0: stop; stoq_statistics_estimate() returns STOQ_CALLBACK_STOPPED and
///         stoq_last_callback_code() the code.
pub type stoq_function_callback_t =
    Option<unsafe extern "C" fn(user: *mut c_void, means: *const f64, count: usize, value: *mut f64) -> i32>;

fn default_options() -> stoq_statistics_options_t {
    let BootstrapOptions { resamplings, seed, .. } = BootstrapOptions::default();
    stoq_statistics_options_t {
        struct_size: size_of::<stoq_statistics_options_t>(),
        method: STOQ_STATISTICS_GAMMA,
        resamplings: resamplings as u32,
        block: 0,
        seed,
    }
}

/// Fills options with the defaults.
///
/// @param[out] options  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_statistics_options_init(options: *mut stoq_statistics_options_t) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller; so in all functions below.
        unsafe { Output::new("options", options)? }.set(default_options());
        Ok(())
    })
}

/// Series of the caller, `[chain][observable]`.
///
/// # Safety
/// `lengths` must lead to `chains` numbers, `series` to `observables` times their sum.
unsafe fn chains<'a>(
    (chains, lengths): (usize, *const usize),
    (observables, series): (usize, *const f64),
) -> Result<Vec<Vec<&'a [f64]>>> {
    // SAFETY: promised by the caller.
    let lengths = unsafe { slice("lengths", lengths, chains)? };
    let total = lengths.iter().try_fold(0usize, |sum, &length| sum.checked_add(length));
    let Some(all) = total.and_then(|total| total.checked_mul(observables)) else {
        return Err(Error::invalid("lengths", format!("{lengths:?}"), "numbers of values that fit into memory"));
    };
    // SAFETY: promised by the caller.
    let values = unsafe { slice("series", series, all)? };
    let total = total.unwrap_or(0);
    let mut start = 0;
    let of_chain = |&length: &usize| {
        let range = start..start + length;
        start += length;
        (0..observables)
            .map(|observable| &values[observable * total..(observable + 1) * total][range.clone()])
            .collect()
    };
    Ok(lengths.iter().map(of_chain).collect())
}

/// The mean of an observable, or a function of the means of several, over one chain or several, with its error.
///
/// @param[in]     options      borrowed; NULL for the defaults.
/// @param[in]     chains       number of chains, at least 1.
/// @param[in]     lengths      borrowed; number of values of each chain.
/// @param[in]     observables  number of observables, at least 1.
/// @param[in]     series       borrowed; of the first observable the values of the first chain, then those of the second,
///                             and so on; then the same of the second observable.
/// @param[in]     of_means     function of the means; NULL for the mean of the only observable.
/// @param[in]     user         given to `of_means`.
/// @param[in,out] estimate     borrowed; its struct_size is read, all other fields are written. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_CALLBACK_STOPPED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_statistics_estimate(
    options: *const stoq_statistics_options_t,
    chains: usize,
    lengths: *const usize,
    observables: usize,
    series: *const f64,
    of_means: stoq_function_callback_t,
    user: *mut c_void,
    estimate: *mut stoq_estimate_t,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_statistics_options_init.
        let (options, series, estimate) = unsafe {
            let options = if options.is_null() { default_options() } else { versioned("options", options)? };
            let series = self::chains((chains, lengths), (observables, series))?;
            (options, series, EstimateOutput::new(estimate)?)
        };
        if of_means.is_none() && observables != 1 {
            let expected = "1 without a function: its mean is estimated";
            return Err(Error::invalid("observables", observables, expected));
        }
        let mut evaluate = |means: &[f64]| {
            let Some(function) = of_means else { return Ok(means[0]) };
            let mut value = f64::NAN;
            // SAFETY: the caller promised a callback of this type.
            match unsafe { function(user, means.as_ptr(), means.len(), &mut value) } {
                0 => Ok(value),
                code => Err(Error::CallbackStopped { callback: "function", code }),
            }
        };
        let block = (options.block > 0).then_some(usize::try_from(options.block).unwrap_or(usize::MAX));
        let found = match options.method {
            STOQ_STATISTICS_GAMMA if of_means.is_none() => {
                let only: Vec<&[f64]> = series.iter().map(|chain| chain[0]).collect();
                gamma_method(&only)?.into()
            }
            STOQ_STATISTICS_GAMMA => gamma_of(&series, &mut evaluate)?.into(),
            STOQ_STATISTICS_JACKKNIFE => jackknife_of_chains(&series, block, &mut evaluate)?.into(),
            STOQ_STATISTICS_BOOTSTRAP => {
                let resamplings = options.resamplings as usize;
                if !(2..=1_000_000).contains(&resamplings) {
                    let error = Error::invalid("resamplings", resamplings, "between 2 and 1000000");
                    return Err(within("options->", error));
                }
                let resampling = BootstrapOptions { resamplings, block, seed: options.seed };
                bootstrap(&series, resampling, &mut evaluate)?.into()
            }
            other => {
                let error = Error::invalid("method", other, "one of the STOQ_STATISTICS_ constants, 1 to 3");
                return Err(within("options->", error));
            }
        };
        estimate.set(found);
        Ok(())
    })
}

/// The Gamma method of a function that can fail.
fn gamma_of(series: &[Vec<&[f64]>], f: &mut dyn FnMut(&[f64]) -> Result<f64>) -> Result<crate::analysis::Estimate> {
    let state = RefCell::new((f, None));
    let value = |means: &[f64]| {
        let (f, failure) = &mut *state.borrow_mut();
        if failure.is_some() {
            return f64::NAN;
        }
        f(means).unwrap_or_else(|error| {
            *failure = Some(error);
            f64::NAN
        })
    };
    let found = gamma_method_derived(series, &value);
    match state.into_inner().1 {
        Some(error) => Err(error),
        None => found,
    }
}

/// The histogram of an observable over one chain or several, with errors that know the autocorrelation.
///
/// @param[in]  chains            number of chains, at least 1.
/// @param[in]  lengths           borrowed; number of values of each chain.
/// @param[in]  series            borrowed; the values of the first chain, then those of the second, and so on.
/// @param[in]  cells             number of cells, 1 to 100000.
/// @param[in]  edges             borrowed; cells + 1 ascending numbers. A cell holds its lower edge, not its upper one.
/// @param[out] probabilities     room for `cells` numbers: the share of values in each cell. Unchanged on failure.
/// @param[out] errors            room for `cells` standard errors. Unchanged on failure.
/// @param[out] effective_values  number of independent values that would know the cells as well. NULL if not wanted.
///                               Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_statistics_histogram(
    chains: usize,
    lengths: *const usize,
    series: *const f64,
    cells: usize,
    edges: *const f64,
    probabilities: *mut f64,
    errors: *mut f64,
    effective_values: *mut f64,
) -> stoq_status_t {
    guard(|| {
        require("probabilities", probabilities)?;
        require("errors", errors)?;
        // SAFETY: see stoq_statistics_options_init.
        let (series, edges, effective) = unsafe {
            let series = self::chains((chains, lengths), (1, series))?;
            let edges = slice("edges", edges, cells.saturating_add(1))?;
            (series, edges, Output::optional("effective_values", effective_values)?)
        };
        let series: Vec<&[f64]> = series.iter().map(|chain| chain[0]).collect();
        let histogram = SeriesHistogram::new(&series, edges)?;
        for (index, cell) in histogram.cells.iter().enumerate() {
            // SAFETY: see stoq_statistics_options_init.
            unsafe {
                probabilities.add(index).write(cell.value);
                errors.add(index).write(cell.error);
            }
        }
        effective.set(histogram.effective_values);
        Ok(())
    })
}

/// Tests whether two samples, each of one chain or several, have the same law, with as many independent values as
/// autocorrelation leaves of each.
///
/// @param[in]  test            STOQ_TWO_SAMPLE_KOLMOGOROV or STOQ_TWO_SAMPLE_CHI_SQUARED.
/// @param[in]  first_chains    number of chains of the first sample, at least 1.
/// @param[in]  first_lengths   borrowed; number of values of each.
/// @param[in]  first_series    borrowed; the values of the first chain, then those of the second, and so on.
/// @param[in]  second_chains   number of chains of the second sample, at least 1.
/// @param[in]  second_lengths  borrowed; number of values of each.
/// @param[in]  second_series   borrowed; as `first_series`.
/// @param[in]  cells           number of cells of the histograms; not read by the other test.
/// @param[in]  edges           borrowed; cells + 1 ascending numbers; not read by the other test.
/// @param[out] statistic       the largest distance of the distribution functions, or chi^2. NULL if not wanted. Unchanged
///                             on failure.
/// @param[out] p_value         probability of a statistic as large or larger if the laws are the same. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_statistics_two_sample(
    test: stoq_two_sample_t,
    first_chains: usize,
    first_lengths: *const usize,
    first_series: *const f64,
    second_chains: usize,
    second_lengths: *const usize,
    second_series: *const f64,
    cells: usize,
    edges: *const f64,
    statistic: *mut f64,
    p_value: *mut f64,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_statistics_options_init.
        let (first, second, statistic, p_value) = unsafe {
            let first = chains((first_chains, first_lengths), (1, first_series))?;
            let second = chains((second_chains, second_lengths), (1, second_series))?;
            (first, second, Output::optional("statistic", statistic)?, Output::new("p_value", p_value)?)
        };
        let [first, second] =
            [first, second].map(|sample| sample.iter().map(|chain| chain[0]).collect::<Vec<&[f64]>>());
        let found = match test {
            STOQ_TWO_SAMPLE_KOLMOGOROV => kolmogorov_smirnov(&first, &second)?,
            STOQ_TWO_SAMPLE_CHI_SQUARED => {
                // SAFETY: see stoq_statistics_options_init.
                let edges = unsafe { slice("edges", edges, cells.saturating_add(1))? };
                chi_squared_test(&SeriesHistogram::new(&first, edges)?, &SeriesHistogram::new(&second, edges)?)?
            }
            other => {
                let expected = "STOQ_TWO_SAMPLE_KOLMOGOROV (1) or STOQ_TWO_SAMPLE_CHI_SQUARED (2)";
                return Err(Error::invalid("test", other, expected));
            }
        };
        statistic.set(found.statistic);
        p_value.set(found.p_value);
        Ok(())
    })
}
