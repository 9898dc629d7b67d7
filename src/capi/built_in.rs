//! The built-in actions.

use super::action::stoq_action_t;
use super::guard::guard;
use super::lattice::{read_layout, require_lattice_memory, stoq_layout_t, within};
use super::pointer::{Output, into_handle};
use super::status::stoq_status_t;
use crate::action::{Action, ActionRecord, GaugeLinks, Mixture, Phi4, Toy, U1};
use crate::error::{Error, Result};
use crate::lattice::Lattice;

/// A built-in action on the lattice of `layout`.
///
/// # Safety
/// As the functions below.
unsafe fn create<A: Action + 'static>(
    layout: *const stoq_layout_t,
    action: *mut *mut stoq_action_t,
    record: ActionRecord,
    build: impl FnOnce(&Lattice) -> Result<A>,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: promised by the caller.
        let (layout, action) = unsafe { (read_layout(layout)?, Output::new("action", action)?) };
        require_lattice_memory(layout.lattice())?;
        let built = build(layout.lattice()).map_err(|error| match error {
            Error::InvalidArgument { ref parameter, .. } if parameter == "components" => within("layout->", error),
            other => other,
        })?;
        action.set(into_handle(stoq_action_t::built_in(layout, Box::new(built)).recorded(record)));
        Ok(())
    })
}

/// The built-in action of lattice phi^4 theory, on a periodic lattice of any rank:
/// S = sum_x [ -2 kappa sum_mu phi(x) phi(x+mu) + (1 - 2 lambda) phi(x)^2 + lambda phi(x)^4 ].
///
/// @param[in]  layout  copied; the field that stoq_action_evaluate() will get. A chain that uses the
///                     action may have another layout of the same lattice.
/// @param[in]  kappa   hopping parameter; with lambda = 0 only |kappa| < 1 / (2 rank) is stable.
/// @param[in]  lambda  quartic coupling, >= 0.
/// @param[out] action  transferred to the caller, who frees it with stoq_action_free(). Unchanged on
///                     failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_action_phi4(
    layout: *const stoq_layout_t,
    kappa: f64,
    lambda: f64,
    action: *mut *mut stoq_action_t,
) -> stoq_status_t {
    // SAFETY: what the comment of the function asks of its caller; so in all functions below.
    unsafe { create(layout, action, ActionRecord::phi4(kappa, lambda), |lattice| Phi4::new(lattice, kappa, lambda)) }
}

/// The quartic toy model at every site, sites independent: S = sum_x [ mu2/2 phi(x)^2 + g/24 phi(x)^4 ].
///
/// @param[in]  layout  copied; a layout with one component. See stoq_action_phi4().
/// @param[in]  mu2     mass squared; below 0 there are two wells.
/// @param[in]  g       quartic coupling, > 0, or 0 if mu2 > 0.
/// @param[out] action  transferred to the caller, who frees it with stoq_action_free(). Unchanged on
///                     failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_action_toy(
    layout: *const stoq_layout_t,
    mu2: f64,
    g: f64,
    action: *mut *mut stoq_action_t,
) -> stoq_status_t {
    // SAFETY: see stoq_action_phi4.
    unsafe { create(layout, action, ActionRecord::toy(mu2, g), |lattice| Toy::new(lattice, mu2, g)) }
}

/// Two Gaussian peaks at every site, sites independent and Z = 1: exp(-S) is the product over x of
/// [ N(phi(x); mu0, sigma0^2) + N(phi(x); -mu0, sigma0^2) ] / 2.
///
/// @param[in]  layout  copied; a layout with one component. See stoq_action_phi4().
/// @param[in]  mu0     the peaks are at mu0 and -mu0.
/// @param[in]  sigma0  their standard deviation, > 0.
/// @param[out] action  transferred to the caller, who frees it with stoq_action_free(). Unchanged on
///                     failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_action_two_peak(
    layout: *const stoq_layout_t,
    mu0: f64,
    sigma0: f64,
    action: *mut *mut stoq_action_t,
) -> stoq_status_t {
    // SAFETY: see stoq_action_phi4.
    unsafe {
        create(layout, action, ActionRecord::two_peak(mu0, sigma0), |lattice| Mixture::two_peak(lattice, mu0, sigma0))
    }
}

/// Three equal Gaussian peaks in the plane at every site, sites independent and Z = 1. They lie on a
/// circle around 0, at 90, 210 and 330 degrees.
///
/// @param[in]  layout  copied; a layout with two components. See stoq_action_phi4().
/// @param[in]  radius  of the circle.
/// @param[in]  sigma0  their standard deviation in each direction, > 0.
/// @param[out] action  transferred to the caller, who frees it with stoq_action_free(). Unchanged on
///                     failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_action_three_peak(
    layout: *const stoq_layout_t,
    radius: f64,
    sigma0: f64,
    action: *mut *mut stoq_action_t,
) -> stoq_status_t {
    // SAFETY: see stoq_action_phi4.
    unsafe {
        create(layout, action, ActionRecord::three_peak(radius, sigma0), |lattice| {
            Mixture::three_peak(lattice, radius, sigma0)
        })
    }
}

/// Two-dimensional U(1) gauge theory with the Wilson action: S = -beta sum_P cos theta_P, with the plaquette angle
/// theta_P(x) = theta_0(x) + theta_1(x+0) - theta_0(x+1) - theta_1(x), periodic.
///
/// Component mu of a site is the angle of the link from there to its neighbour ahead along axis mu. Angles mean
/// the same modulo 2 pi, and stoq never reduces them. An array [mu][site] is a layout with two components
/// without strides; [site][mu] on sites in C order is strides {2 extents[1], 2} and component_stride 1.
///
/// @param[in]  layout  copied; two axes of at least 2 sites, two components. See stoq_action_phi4().
/// @param[in]  beta    inverse coupling, >= 0.
/// @param[out] action  transferred to the caller, who frees it with stoq_action_free(). Unchanged on
///                     failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_action_u1(
    layout: *const stoq_layout_t,
    beta: f64,
    action: *mut *mut stoq_action_t,
) -> stoq_status_t {
    // SAFETY: see stoq_action_phi4.
    unsafe {
        create(layout, action, ActionRecord::u1(beta), |lattice| {
            GaugeLinks::new(lattice).map_err(|error| within("layout->", error))?;
            U1::new(lattice, beta)
        })
    }
}
