//! Observables of two-dimensional U(1) gauge theory on a field of the host, and their exact values.

use super::guard::guard;
use super::lattice::{gather, read_layout, require_lattice_memory, stoq_layout_t, within};
use super::pointer::{Output, from_handle, into_handle, release, require, require_memory, zeros};
use super::status::stoq_status_t;
use crate::action::GaugeLinks;
use crate::analysis::U1Exact;
use crate::error::{Error, Result, require_finite};
use crate::lattice::Lattice;

/// Exact values of two-dimensional U(1) gauge theory on one lattice at one coupling, from characters. It never
/// changes.
pub struct stoq_u1_exact_t(U1Exact);

fn checked_links(lattice: &Lattice) -> Result<GaugeLinks> {
    require_lattice_memory(lattice)?;
    GaugeLinks::new(lattice).map_err(|error| within("layout->", error))
}

/// The host's link angles in the library's order, with their geometry.
///
/// # Safety
/// As the functions below.
unsafe fn links_and_field(layout: *const stoq_layout_t, field: *const f64) -> Result<(GaugeLinks, Vec<f64>)> {
    // SAFETY: promised by the caller.
    let layout = unsafe { read_layout(layout)? };
    require("field", field)?;
    let links = checked_links(layout.lattice())?;
    let mut copy = zeros("a copy of the field", layout.lattice().values())?;
    // SAFETY: promised by the caller.
    unsafe { gather(&layout, field, &mut copy) };
    require_finite("field", &copy)?;
    Ok((links, copy))
}

/// The cosine of a Wilson loop of link angles, averaged over the lattice; 1 x 1 is the plaquette.
///
/// @param[in]  layout  borrowed; two axes, two components, as for stoq_action_u1().
/// @param[in]  field   borrowed; first link angle in that layout. Angles need not be reduced.
/// @param[in]  height  links along axis 0, 1 to the extent; as long as the lattice: two Polyakov loops.
/// @param[in]  width   links along axis 1, likewise.
/// @param[out] value   the mean cosine. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_u1_wilson_loop(
    layout: *const stoq_layout_t,
    field: *const f64,
    height: usize,
    width: usize,
    value: *mut f64,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller; so in all functions below.
        let (value, (links, field)) = unsafe { (Output::new("value", value)?, links_and_field(layout, field)?) };
        value.set(links.wilson_loop(&field, height, width)?);
        Ok(())
    })
}

/// The topological charge of link angles: the sum of the plaquette angles, each reduced to (-pi, pi], over 2 pi.
///
/// @param[in]  layout  borrowed; two axes, two components, as for stoq_action_u1().
/// @param[in]  field   borrowed; first link angle in that layout. Angles need not be reduced.
/// @param[out] charge  an integer on a periodic lattice. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_u1_charge(
    layout: *const stoq_layout_t,
    field: *const f64,
    charge: *mut i32,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_u1_wilson_loop.
        let (charge, (links, field)) = unsafe { (Output::new("charge", charge)?, links_and_field(layout, field)?) };
        // |Q| is at most half the number of plaquettes, and those are at most 2^30.
        charge.set(links.topological_charge(&field)? as i32);
        Ok(())
    })
}

/// The Polyakov loop exp(i sum of the link angles around the lattice), averaged over the lattice.
///
/// @param[in]  layout     borrowed; two axes, two components, as for stoq_action_u1().
/// @param[in]  field      borrowed; first link angle in that layout. Angles need not be reduced.
/// @param[in]  axis       0 or 1: along which it runs.
/// @param[out] real       mean of its real part. Unchanged on failure.
/// @param[out] imaginary  mean of its imaginary part. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_u1_polyakov_loop(
    layout: *const stoq_layout_t,
    field: *const f64,
    axis: u32,
    real: *mut f64,
    imaginary: *mut f64,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_u1_wilson_loop.
        let (real, imaginary, (links, field)) = unsafe {
            (Output::new("real", real)?, Output::new("imaginary", imaginary)?, links_and_field(layout, field)?)
        };
        let found = links.polyakov_loop(&field, axis as usize)?;
        real.set(found.0);
        imaginary.set(found.1);
        Ok(())
    })
}

/// Computes what the functions below read, by the character expansion: some milliseconds on 64 x 64.
///
/// @param[in]  layout  borrowed; the lattice with two axes and two components. Strides do not matter.
/// @param[in]  beta    inverse coupling, 0 to 10^4.
/// @param[out] exact   transferred to the caller, who frees it with stoq_u1_exact_free(). Unchanged on
///                     failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT also for more than 2^24 sites, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_u1_exact_new(
    layout: *const stoq_layout_t,
    beta: f64,
    exact: *mut *mut stoq_u1_exact_t,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_u1_wilson_loop.
        let (layout, exact) = unsafe { (read_layout(layout)?, Output::new("exact", exact)?) };
        checked_links(layout.lattice())?;
        require_memory("the exact values", layout.lattice().sites().checked_mul(4))?;
        let values = U1Exact::new(layout.lattice(), beta).map_err(|error| match error {
            Error::InvalidArgument { ref parameter, .. } if parameter == "extents" => within("layout->", error),
            other => other,
        })?;
        exact.set(into_handle(stoq_u1_exact_t(values)));
        Ok(())
    })
}

/// Frees exact values.
///
/// @param[in] exact  transferred back; NULL is allowed and does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_u1_exact_free(exact: *mut stoq_u1_exact_t) {
    // SAFETY: see stoq_u1_wilson_loop.
    unsafe { release(exact) }
}

/// Writes one of the exact values.
///
/// # Safety
/// As the functions below.
unsafe fn read(
    exact: *const stoq_u1_exact_t,
    value: *mut f64,
    choose: impl FnOnce(&U1Exact) -> Result<f64>,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: promised by the caller.
        let (exact, value) = unsafe { (from_handle("exact", exact)?, Output::new("value", value)?) };
        value.set(choose(&exact.0)?);
        Ok(())
    })
}

/// The exact mean of stoq_u1_wilson_loop(); 1 x 1 is the plaquette.
///
/// @param[in]  exact   borrowed.
/// @param[in]  height  links along axis 0, 1 to the extent.
/// @param[in]  width   links along axis 1, likewise.
/// @param[out] value   the mean. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_u1_exact_wilson_loop(
    exact: *const stoq_u1_exact_t,
    height: usize,
    width: usize,
    value: *mut f64,
) -> stoq_status_t {
    // SAFETY: see stoq_u1_wilson_loop.
    unsafe {
        read(exact, value, |exact| {
            for (name, side, most) in [("height", height, exact.extents()[0]), ("width", width, exact.extents()[1])] {
                if !(1..=most).contains(&side) {
                    return Err(Error::invalid(name, side, &format!("between 1 link and the {most} of the lattice")));
                }
            }
            Ok(exact.wilson_loop(height, width))
        })
    }
}

/// The exact mean of Q^2, Q as stoq_u1_charge() gives it. The topological susceptibility is that over the number
/// of sites.
///
/// @param[in]  exact  borrowed.
/// @param[out] value  the mean. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_u1_exact_charge_squared(exact: *const stoq_u1_exact_t, value: *mut f64) -> stoq_status_t {
    // SAFETY: see stoq_u1_wilson_loop.
    unsafe { read(exact, value, |exact| Ok(exact.charge_squared())) }
}

/// The exact probability of a topological charge.
///
/// @param[in]  exact   borrowed.
/// @param[in]  charge  any; P(-Q) = P(Q).
/// @param[out] value   the probability, with rounding of about 10^-16 times the number of sites. Unchanged on
///                     failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_u1_exact_charge_probability(
    exact: *const stoq_u1_exact_t,
    charge: i32,
    value: *mut f64,
) -> stoq_status_t {
    // SAFETY: see stoq_u1_wilson_loop.
    unsafe { read(exact, value, |exact| Ok(exact.charge_probability(i64::from(charge)))) }
}

/// The exact mean of the squared modulus of stoq_u1_polyakov_loop(); the mean of the loop itself is 0.
///
/// @param[in]  exact  borrowed.
/// @param[in]  axis   0 or 1: along which it runs.
/// @param[out] value  the mean. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_u1_exact_polyakov_square(
    exact: *const stoq_u1_exact_t,
    axis: u32,
    value: *mut f64,
) -> stoq_status_t {
    // SAFETY: see stoq_u1_wilson_loop.
    unsafe {
        read(exact, value, |exact| match axis {
            0 | 1 => Ok(exact.polyakov_square(axis as usize)),
            other => Err(Error::invalid("axis", other, "0 or 1")),
        })
    }
}
