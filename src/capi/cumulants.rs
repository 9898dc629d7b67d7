//! Cumulants with errors.

use super::guard::guard;
use super::guarded::Guarded;
use super::pointer::{Output, from_handle, into_handle, release, slice};
use super::status::stoq_status_t;
use crate::analysis::cumulants::{BinnedCumulants, MAX_ORDER, Symmetry};
use crate::error::{Error, Result};

/// Cumulants kappa_1 to kappa_8 of a real variable, streaming: power sums in bins, whose size does not grow
/// with the data.
pub struct stoq_cumulants_t(Guarded<BinnedCumulants>);

/// What is known about the law whose cumulants are estimated.
pub type stoq_symmetry_t = i32;
/// Nothing.
pub const STOQ_SYMMETRY_NONE: stoq_symmetry_t = 0;
/// It is invariant under x -> -x: odd cumulants are 0, and the even ones have smaller errors.
pub const STOQ_SYMMETRY_EVEN: stoq_symmetry_t = 1;

/// Makes an accumulator without values.
///
/// @param[in]  bins       the number of bins stays between this and its double, 2 to 65536; 64 is a good one.
/// @param[out] cumulants  transferred to the caller, who frees it with stoq_cumulants_free(). Unchanged on
///                        failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_cumulants_new(bins: usize, cumulants: *mut *mut stoq_cumulants_t) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller; so in all functions below.
        let cumulants = unsafe { Output::new("cumulants", cumulants)? };
        let made = BinnedCumulants::new(bins)?;
        cumulants.set(into_handle(stoq_cumulants_t(Guarded::new("accumulator", made))));
        Ok(())
    })
}

/// Adds the values of one configuration, such as the field at all sites or one observable. They stay
/// together, so that errors take care of their correlations; those from one configuration to the next
/// too, as long as a bin is long against them.
///
/// @param[in] cumulants  borrowed; one caller at a time. Unchanged on failure.
/// @param[in] count      number of values; 0 changes nothing.
/// @param[in] values     borrowed; `count` values.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT also for values beyond 10^38, STOQ_NOT_FINITE, STOQ_WRONG_ORDER.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_cumulants_push(
    cumulants: *mut stoq_cumulants_t,
    count: usize,
    values: *const f64,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_cumulants_new.
        let (cumulants, values) = unsafe { (from_handle("cumulants", cumulants)?, slice("values", values, count)?) };
        cumulants.0.exclusive("stoq_cumulants_push", |binned| binned.push_configuration(values))
    })
}

/// Adds all that another accumulator holds, taken to be independent: of another chain, thread or rank.
///
/// @param[in] cumulants  borrowed; one caller at a time. Unchanged on failure.
/// @param[in] other      borrowed; another one than `cumulants`.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_cumulants_merge(
    cumulants: *mut stoq_cumulants_t,
    other: *const stoq_cumulants_t,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_cumulants_new.
        let (cumulants, other) = unsafe { (from_handle("cumulants", cumulants)?, from_handle("other", other)?) };
        if std::ptr::eq(&*cumulants, &*other) {
            return Err(Error::invalid("other", "cumulants itself", "an independent accumulator"));
        }
        other.0.shared("stoq_cumulants_merge", |from| {
            cumulants.0.exclusive("stoq_cumulants_merge", |binned| {
                binned.merge(from);
                Ok(())
            })
        })
    })
}

/// kappa_1 to kappa_8 of all values so far, with jackknife errors.
///
/// @param[in]  cumulants        borrowed.
/// @param[in]  symmetry         STOQ_SYMMETRY_NONE or STOQ_SYMMETRY_EVEN.
/// @param[out] values           room for 8 numbers, kappa_r at index r - 1. Unchanged on failure.
/// @param[out] errors           room for their 8 standard errors. Unchanged on failure.
/// @param[out] bin_correlation  room for 8 correlations of neighbouring bins: a value clearly above 0 says that
///                              bins are too short against the autocorrelation, and the error too small,
///                              by about sqrt(1 + 2 bin_correlation). NULL if not wanted. Unchanged on
///                              failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT also for fewer than two bins or some ten values, STOQ_WRONG_ORDER.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_cumulants_estimate(
    cumulants: *const stoq_cumulants_t,
    symmetry: stoq_symmetry_t,
    values: *mut f64,
    errors: *mut f64,
    bin_correlation: *mut f64,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_cumulants_new; an array of eight has the address and alignment of its first.
        let (cumulants, values, errors, correlation) = unsafe {
            let cumulants = from_handle("cumulants", cumulants)?;
            let values = Output::new("values", values.cast::<[f64; MAX_ORDER]>())?;
            let errors = Output::new("errors", errors.cast::<[f64; MAX_ORDER]>())?;
            let correlation = bin_correlation.cast::<[f64; MAX_ORDER]>();
            (cumulants, values, errors, Output::optional("bin_correlation", correlation)?)
        };
        let symmetry = checked_symmetry(symmetry)?;
        let found = cumulants.0.shared("stoq_cumulants_estimate", |binned| binned.estimate(symmetry))?;
        values.set(found.cumulants.map(|estimate| estimate.value));
        errors.set(found.cumulants.map(|estimate| estimate.error));
        correlation.set(found.cumulants.map(|estimate| estimate.bin_correlation));
        Ok(())
    })
}

pub(super) fn checked_symmetry(symmetry: stoq_symmetry_t) -> Result<Symmetry> {
    match symmetry {
        STOQ_SYMMETRY_NONE => Ok(Symmetry::None),
        STOQ_SYMMETRY_EVEN => Ok(Symmetry::Even),
        other => Err(Error::invalid("symmetry", other, "STOQ_SYMMETRY_NONE (0) or STOQ_SYMMETRY_EVEN (1)")),
    }
}

/// Frees an accumulator.
///
/// @param[in] cumulants  transferred back; NULL is allowed and does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_cumulants_free(cumulants: *mut stoq_cumulants_t) {
    // SAFETY: see stoq_cumulants_new.
    unsafe { release(cumulants) }
}
