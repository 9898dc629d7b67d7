//! Reports on streams of configurations.

use super::cumulants::{STOQ_SYMMETRY_NONE, checked_symmetry, stoq_symmetry_t};
use super::estimate::{EstimateOutput, stoq_estimate_t};
use super::guard::guard;
use super::guarded::Guarded;
use super::lattice::{gather, read_layout, require_lattice_memory, stoq_layout_t, within};
use super::model::copy_out;
use super::options::check_ranges;
use super::pointer::{
    Output, Versioned, from_handle, into_handle, release, require, require_memory, slice, string, versioned, zeros,
};
use super::status::stoq_status_t;
use crate::analysis::{ReportOptions, ReportStream};
use crate::error::{Error, Result};
use crate::lattice::Layout;
use std::ffi::c_char;

/// A report on a stream of configurations, of one chain or several: every observable with error, tau_int and window,
/// without keeping configurations. Its memory does not grow with their number, but for a few numbers an observable each
/// time the longest chain doubles.
pub struct stoq_report_t {
    layout: Layout,
    /// Names of the caller's observables.
    names: usize,
    stream: Guarded<ReportStream>,
}

/// What a report measures.
pub type stoq_field_kind_t = i32;
/// Real scalar fields, each component by itself: mag (the mean M of the field), abs_mag = |M|, mag2, mag4, mean_abs_phi, phi2,
/// chi2 = V <M^2>, chi_connected, binder; phi and kappa2 to kappa8, cumulants of the sites; G_n, the power at the n-th
/// class of momenta; C_t, the correlator of time slices; m_eff_t, its effective mass; xi, the second-moment correlation
/// length (of the first component, as mag in the histogram). With two or more components names end in _x, _y, _2, ...
pub const STOQ_FIELD_SCALAR: stoq_field_kind_t = 0;
/// Link angles of a two-dimensional U(1) gauge theory, two components a site: plaquette, W1x2 to W4x4, Q, Q2, chi_Q,
/// P_Q0 to P_Q3, and Polyakov loops.
pub const STOQ_FIELD_LINKS: stoq_field_kind_t = 1;

/// Options of stoq_report_new(). Fill it with stoq_report_options_init() and change what should differ.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stoq_report_options_t {
    /// sizeof(stoq_report_options_t), set by stoq_report_options_init().
    pub struct_size: usize,
    /// Default STOQ_FIELD_SCALAR.
    pub kind: stoq_field_kind_t,
    /// Of the law of a field at a site, for its cumulants; default STOQ_SYMMETRY_NONE.
    pub symmetry: stoq_symmetry_t,
    /// Jackknife bins kept, up to its double; 2 to 65536, default 64.
    pub bins: u32,
    /// Threads of stoq_report_push_many(), 1 to 1024; default 1. Does not change results.
    pub threads: u32,
    /// Cells of a histogram of mag or Q: its rows are histogram_1 to histogram_n, histogram_0 is below and
    /// histogram_(n+1) above. At most 100000; default 0: none.
    pub histogram_cells: u32,
    /// 0.
    pub reserved: u32,
    /// Its lower and upper end; default -1 and 1.
    pub histogram_low: f64,
    /// See `histogram_low`.
    pub histogram_high: f64,
}

impl Versioned for stoq_report_options_t {
    const INITIALISER: &'static str = "stoq_report_options_init";
}

fn default_options() -> stoq_report_options_t {
    stoq_report_options_t {
        struct_size: size_of::<stoq_report_options_t>(),
        kind: STOQ_FIELD_SCALAR,
        symmetry: STOQ_SYMMETRY_NONE,
        bins: 64,
        threads: 1,
        histogram_cells: 0,
        reserved: 0,
        histogram_low: -1.0,
        histogram_high: 1.0,
    }
}

fn checked_options(options: &stoq_report_options_t, names: Vec<String>) -> Result<ReportOptions> {
    let stoq_report_options_t { bins, threads, histogram_cells, histogram_low, histogram_high, .. } = *options;
    check_ranges(&[("threads", threads, 1024), ("bins", bins, 65_536)])?;
    let links = match options.kind {
        STOQ_FIELD_SCALAR => false,
        STOQ_FIELD_LINKS => true,
        other => return Err(Error::invalid("kind", other, "STOQ_FIELD_SCALAR (0) or STOQ_FIELD_LINKS (1)")),
    };
    let cells = histogram_cells as usize;
    Ok(ReportOptions {
        links,
        symmetry: checked_symmetry(options.symmetry)?,
        bins: bins as usize,
        histogram: (cells > 0).then_some((histogram_low, histogram_high, cells)),
        names,
        threads: threads as usize,
    })
}

/// Fills options with the defaults.
///
/// @param[out] options  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_report_options_init(options: *mut stoq_report_options_t) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller; so in all functions below.
        unsafe { Output::new("options", options)? }.set(default_options());
        Ok(())
    })
}

/// Makes a report without configurations.
///
/// @param[in]  layout   copied; of the fields that stoq_report_push() will get.
/// @param[in]  options  borrowed; NULL for the defaults.
/// @param[in]  names    borrowed; names of observables that the caller measures, such as the action or a fermion
///                      condensate, with commas between them: as many numbers come with every configuration. NULL or "" for
///                      none.
/// @param[out] report   transferred to the caller, who frees it with stoq_report_free(). Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_report_new(
    layout: *const stoq_layout_t,
    options: *const stoq_report_options_t,
    names: *const c_char,
    report: *mut *mut stoq_report_t,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_report_options_init.
        let (layout, options, names, report) = unsafe {
            let report = Output::new("report", report)?;
            let options = if options.is_null() { default_options() } else { versioned("options", options)? };
            let names = if names.is_null() { String::new() } else { string("names", names)?.to_string_lossy().into() };
            (read_layout(layout)?, options, names, report)
        };
        let names: Vec<String> = match names.trim() {
            "" => vec![],
            names => names.split(',').map(|name| name.trim().to_string()).collect(),
        };
        let count = names.len();
        let checked = checked_options(&options, names).map_err(|error| within("options->", error))?;
        require_lattice_memory(layout.lattice())?;
        let numbers = layout.lattice().values().checked_mul(8 * checked.threads + 4 * checked.bins);
        require_memory(
            "a report",
            numbers.and_then(|numbers| numbers.checked_add(8 * options.histogram_cells as usize)),
        )?;
        let stream = ReportStream::new(layout.lattice(), &checked).map_err(|error| match error {
            Error::InvalidArgument { ref parameter, .. } if parameter == "components" => within("layout->", error),
            other => within("options->", other),
        })?;
        report.set(into_handle(stoq_report_t { layout, names: count, stream: Guarded::new("report", stream) }));
        Ok(())
    })
}

/// The caller's observables of `count` configurations.
///
/// # Safety
/// A pointer that is not NULL must be valid for reading as many numbers.
unsafe fn own_values<'a>(report: &stoq_report_t, count: usize, own: *const f64) -> Result<&'a [f64]> {
    match report.names {
        0 => Ok(&[]),
        // SAFETY: promised by the caller.
        names => unsafe { slice("own", own, names.saturating_mul(count)) },
    }
}

/// Adds the next configuration of the chain.
///
/// @param[in] report  borrowed; one caller at a time. Unchanged on failure.
/// @param[in] field   borrowed; in the layout of the report.
/// @param[in] own     borrowed; the caller's observables of this configuration, in the order of their names. Not read if
///                    there are none: NULL.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT also for values beyond 10^37, STOQ_NOT_FINITE, STOQ_WRONG_ORDER,
///         STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_report_push(
    report: *mut stoq_report_t,
    field: *const f64,
    own: *const f64,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_report_options_init.
        let (report, own, values) = unsafe {
            let report = from_handle("report", report)?;
            require("field", field)?;
            let own = own_values(&report, 1, own)?;
            let mut values = zeros("a configuration", report.layout.lattice().values())?;
            gather(&report.layout, field, &mut values);
            (report, own, values)
        };
        report.stream.exclusive("stoq_report_push", |stream| stream.push(&values, own))
    })
}

/// Adds consecutive configurations of the chain, by as many threads as the options say.
///
/// @param[in] report  borrowed; one caller at a time. On failure the configurations before the one refused may have been
///                    added.
/// @param[in] count   number of configurations; 0 changes nothing.
/// @param[in] fields  borrowed; `count` fields one after the other, each in C order without gaps, its components one after
///                    the other, whatever the layout of the report.
/// @param[in] own     borrowed; the caller's observables, those of the first configuration first. Not read if there are
///                    none: NULL.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT also for values beyond 10^37, STOQ_NOT_FINITE, STOQ_WRONG_ORDER.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_report_push_many(
    report: *mut stoq_report_t,
    count: usize,
    fields: *const f64,
    own: *const f64,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_report_options_init.
        let (report, fields, own) = unsafe {
            let report = from_handle("report", report)?;
            let fields = slice("fields", fields, report.layout.lattice().values().saturating_mul(count))?;
            let own = own_values(&report, count, own)?;
            (report, fields, own)
        };
        report.stream.exclusive("stoq_report_push_many", |stream| stream.push_many(fields, own))
    })
}

/// Ends the chain: the next configuration belongs to another one, independent of those before.
///
/// @param[in] report  borrowed; one caller at a time.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_report_end_chain(report: *mut stoq_report_t) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_report_options_init.
        let report = unsafe { from_handle("report", report)? };
        report.stream.exclusive("stoq_report_end_chain", |stream| {
            stream.end_chain();
            Ok(())
        })
    })
}

/// Adds all that another report holds, of other chains: of another thread or rank. The chain that is open in `report` goes
/// on.
///
/// @param[in] report  borrowed; one caller at a time. Unchanged on failure.
/// @param[in] other   borrowed; another one than `report`, of the same lattice, options and names.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_SHAPE_MISMATCH, STOQ_WRONG_ORDER.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_report_merge(report: *mut stoq_report_t, other: *const stoq_report_t) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_report_options_init.
        let (report, other) = unsafe { (from_handle("report", report)?, from_handle("other", other)?) };
        if std::ptr::eq(&*report, &*other) {
            return Err(Error::invalid("other", "report itself", "a report on other chains"));
        }
        other.stream.shared("stoq_report_merge", |from| {
            report.stream.exclusive("stoq_report_merge", |stream| stream.merge(from))
        })
    })
}

/// Says what an observable should be; the report then gives z = (value - exact) / error.
///
/// @param[in] report  borrowed; one caller at a time. Unchanged on failure.
/// @param[in] name    borrowed; name of the observable, see stoq_field_kind_t, or one of the caller's.
/// @param[in] exact   its value.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_report_set_exact(
    report: *mut stoq_report_t,
    name: *const c_char,
    exact: f64,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_report_options_init.
        let (report, name) = unsafe { (from_handle("report", report)?, string("name", name)?.to_string_lossy()) };
        report.stream.exclusive("stoq_report_set_exact", |stream| stream.set_exact(&name, exact))
    })
}

/// One observable over all configurations so far: by the Gamma method where a mean, or a function of few means, allows
/// it, else by the jackknife over bins of at least 10 tau_int of the slowest observable (as far as 8 bins allow).
///
/// @param[in]     report    borrowed.
/// @param[in]     name      borrowed; name of the observable, see stoq_field_kind_t, or one of the caller's.
/// @param[in,out] estimate  borrowed; its struct_size is read, all other fields are written. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT also for fewer than two configurations or data that leave no estimate,
///         STOQ_WRONG_ORDER.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_report_observable(
    report: *const stoq_report_t,
    name: *const c_char,
    estimate: *mut stoq_estimate_t,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_report_options_init.
        let (report, name, estimate) = unsafe {
            let estimate = EstimateOutput::new(estimate)?;
            (from_handle("report", report)?, string("name", name)?.to_string_lossy(), estimate)
        };
        estimate.set(report.stream.shared("stoq_report_observable", |stream| stream.observable(&name))?.into());
        Ok(())
    })
}

/// The whole report as JSON: {"configurations", "chains", "extent", "components", "observables": {name: {"value",
/// "error", "tau_int", "window", "exact", "z", ...}}}; what does not apply is absent.
///
/// @param[in]  report    borrowed.
/// @param[out] buffer    receives the text with a NUL at its end. NULL: only `needed` is wanted. Unchanged on failure.
/// @param[in]  capacity  room in `buffer`, in bytes.
/// @param[out] needed    number of bytes with the NUL; set also when `capacity` is too small. May be NULL if `buffer` is
///                       not.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT also for fewer than two configurations, STOQ_WRONG_ORDER.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_report_json(
    report: *const stoq_report_t,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_report_options_init.
        let report = unsafe { from_handle("report", report)? };
        let text = report.stream.shared("stoq_report_json", |stream| Ok(stream.to_json()?.to_string()))?;
        // SAFETY: see stoq_report_options_init.
        unsafe { copy_text(text, buffer, capacity, needed) }
    })
}

/// The report as a table to read; powers, time slices, masses and the histogram are in the JSON only.
///
/// @param[in]  report    borrowed.
/// @param[out] buffer    receives the text with a NUL at its end. NULL: only `needed` is wanted. Unchanged on failure.
/// @param[in]  capacity  room in `buffer`, in bytes.
/// @param[out] needed    number of bytes with the NUL; set also when `capacity` is too small. May be NULL if `buffer` is
///                       not.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT also for fewer than two configurations, STOQ_WRONG_ORDER.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_report_text(
    report: *const stoq_report_t,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_report_options_init.
        let report = unsafe { from_handle("report", report)? };
        let text = report.stream.shared("stoq_report_text", |stream| stream.to_text())?;
        // SAFETY: see stoq_report_options_init.
        unsafe { copy_text(text, buffer, capacity, needed) }
    })
}

/// # Safety
/// As [`copy_out`].
unsafe fn copy_text(text: String, buffer: *mut c_char, capacity: usize, needed: *mut usize) -> Result<()> {
    let mut bytes = text.into_bytes();
    bytes.retain(|&byte| byte != 0);
    bytes.push(0);
    // SAFETY: promised by the caller.
    unsafe { copy_out(&bytes, buffer.cast(), capacity, needed) }
}

/// Frees a report.
///
/// @param[in] report  transferred back; NULL is allowed and does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_report_free(report: *mut stoq_report_t) {
    // SAFETY: see stoq_report_options_init.
    unsafe { release(report) }
}
