//! An estimate with its error, as all statistics give it.

use super::guard::guard;
use super::pointer::{Output, Versioned, require_size};
use super::status::stoq_status_t;
use crate::analysis::{BootstrapEstimate, Estimate, JackknifeEstimate, ReportRow};
use crate::error::Result;

/// An estimate with its error. Fill it with stoq_estimate_init() once. What does not apply is NaN: test it with isnan().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stoq_estimate_t {
    /// sizeof(stoq_estimate_t), set by stoq_estimate_init().
    pub struct_size: usize,
    /// The estimate.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
    /// Standard error of `error`.
    pub error_of_error: f64,
    /// Integrated autocorrelation time, 1/2 for independent data, in units of their spacing: Gamma method.
    pub tau_int: f64,
    /// Its standard error.
    pub tau_int_error: f64,
    /// Last lag that was summed.
    pub window: f64,
    /// 1 if the window closed. 0: chains are too short, `error` and `tau_int` are lower bounds.
    pub window_closed: f64,
    /// Jackknife: correlation of neighbouring bins. Clearly above 0: `error` is too small, by about
    /// sqrt(1 + 2 bin_correlation).
    pub bin_correlation: f64,
    /// Bootstrap: 15.87 per cent of the resamplings are below `low`, 84.13 below `high`.
    pub low: f64,
    /// See `low`.
    pub high: f64,
    /// Report: what the observable is a function of, such as p hat^2 or a time.
    pub argument: f64,
    /// Report: what stoq_report_set_exact() said.
    pub exact: f64,
    /// Report: (value - exact) / error.
    pub z: f64,
}

impl Versioned for stoq_estimate_t {
    const INITIALISER: &'static str = "stoq_estimate_init";
}

/// An estimate of nothing.
pub(super) fn unknown() -> stoq_estimate_t {
    let nan = f64::NAN;
    stoq_estimate_t {
        struct_size: size_of::<stoq_estimate_t>(),
        value: nan,
        error: nan,
        error_of_error: nan,
        tau_int: nan,
        tau_int_error: nan,
        window: nan,
        window_closed: nan,
        bin_correlation: nan,
        low: nan,
        high: nan,
        argument: nan,
        exact: nan,
        z: nan,
    }
}

impl From<Estimate> for stoq_estimate_t {
    fn from(found: Estimate) -> Self {
        let Estimate { value, error, error_of_error, tau_int, tau_int_error, window, window_closed } = found;
        let (window, window_closed) = (window as f64, f64::from(u8::from(window_closed)));
        stoq_estimate_t { value, error, error_of_error, tau_int, tau_int_error, window, window_closed, ..unknown() }
    }
}

impl From<JackknifeEstimate> for stoq_estimate_t {
    fn from(found: JackknifeEstimate) -> Self {
        let JackknifeEstimate { value, error, error_of_error, bin_correlation } = found;
        stoq_estimate_t { value, error, error_of_error, bin_correlation, ..unknown() }
    }
}

impl From<BootstrapEstimate> for stoq_estimate_t {
    fn from(found: BootstrapEstimate) -> Self {
        let BootstrapEstimate { value, error, interval: (low, high), .. } = found;
        stoq_estimate_t { value, error, low, high, ..unknown() }
    }
}

impl From<ReportRow> for stoq_estimate_t {
    fn from(row: ReportRow) -> Self {
        let nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
        stoq_estimate_t {
            value: row.value,
            error: row.error,
            error_of_error: row.error_of_error,
            tau_int: nan(row.tau_int),
            tau_int_error: nan(row.tau_int_error),
            window: nan(row.window.map(|window| window as f64)),
            window_closed: nan(row.window_closed.map(|closed| f64::from(u8::from(closed)))),
            bin_correlation: nan(row.bin_correlation),
            argument: nan(row.argument),
            exact: nan(row.exact),
            z: nan(row.z),
            ..unknown()
        }
    }
}

/// Where an estimate goes; the caller's struct may be larger, and keeps its own size.
pub(super) struct EstimateOutput(*mut stoq_estimate_t);

impl EstimateOutput {
    /// # Safety
    /// As [`require_size`], and valid for writing.
    pub unsafe fn new(pointer: *mut stoq_estimate_t) -> Result<Self> {
        // SAFETY: promised by the caller.
        unsafe { require_size("estimate", pointer)? };
        Ok(EstimateOutput(pointer))
    }

    pub fn set(&self, found: stoq_estimate_t) {
        // SAFETY: promised to the constructor; the members of this version are there.
        unsafe {
            let struct_size = (*self.0).struct_size;
            self.0.write(stoq_estimate_t { struct_size, ..found });
        }
    }
}

/// Fills an estimate with NaN.
///
/// @param[out] estimate  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_estimate_init(estimate: *mut stoq_estimate_t) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller.
        unsafe { Output::new("estimate", estimate)? }.set(unknown());
        Ok(())
    })
}
