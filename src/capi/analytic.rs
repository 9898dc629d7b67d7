//! Models whose score is known exactly: no file, no training.

use super::guard::guard;
use super::lattice::{read_layout, stoq_layout_t, within};
use super::model::stoq_model_t;
use super::pointer::{Output, into_handle, require_memory, slice};
use super::schedule::{read_schedule, stoq_schedule_t};
use super::status::stoq_status_t;
use crate::diffusion::Schedule;
use crate::error::{Error, Result};
use crate::fourier::mirrored_momenta;
use crate::lattice::Lattice;
use crate::score::{GaussianScore, MixtureScore, Score, ToyScore};
use std::sync::Arc;

/// How far C(p) and C(-p) may differ, relative to their sum.
const EVEN: f64 = 1e-9;

/// A model made by `build` for the lattice of `layout`.
///
/// # Safety
/// As the functions below.
unsafe fn create<S: Score + 'static>(
    layout: *const stoq_layout_t,
    schedule: *const stoq_schedule_t,
    model: *mut *mut stoq_model_t,
    build: impl FnOnce(Lattice, Schedule) -> Result<S>,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: promised by the caller.
        let (layout, schedule, model) =
            unsafe { (read_layout(layout)?, read_schedule(schedule)?, Output::new("model", model)?) };
        // The covariance, and its copies on the way.
        require_memory("the covariance of a model", layout.lattice().values().checked_mul(4))?;
        let score = build(layout.lattice().clone(), schedule).map_err(|error| match error {
            Error::InvalidArgument { ref parameter, .. } if parameter == "components" => within("layout->", error),
            other => other,
        })?;
        model.set(into_handle(stoq_model_t::analytic(Arc::new(score))));
        Ok(())
    })
}

/// The model of Gaussian data with a given covariance: its score is exact, its proposals right for a
/// Gaussian action. A start where nothing has been trained yet, for example from a measured propagator.
///
/// @param[in]  layout      borrowed; the lattice with its components. Strides do not matter.
/// @param[in]  schedule    borrowed; NULL for the default one.
/// @param[in]  covariance  copied; <|phi_p|^2> of each component, one value a site: entry
///                         (k_0, ..., k_{rank-1}) in C order without gaps belongs to the momentum
///                         p_mu = 2 pi k_mu / extent_mu, with phi_p = V^(-1/2) sum_x exp(-i p x) phi(x).
///                         Positive, and equal for p and -p to 9 digits.
/// @param[out] model       transferred to the caller, who frees it with stoq_model_free(). Unchanged on
///                         failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_model_gaussian(
    layout: *const stoq_layout_t,
    schedule: *const stoq_schedule_t,
    covariance: *const f64,
    model: *mut *mut stoq_model_t,
) -> stoq_status_t {
    // SAFETY: what the comment of the function asks of its caller; so in all functions below.
    unsafe {
        create(layout, schedule, model, |lattice, schedule| {
            let given = slice("covariance", covariance, lattice.values())?;
            let even = even_covariance(&lattice, given)?;
            GaussianScore::new(lattice, schedule, even)
        })
    }
}

/// (C(p) + C(-p)) / 2. The densities of exact kernels rest on a covariance that is even to the last bit.
fn even_covariance(lattice: &Lattice, covariance: &[f64]) -> Result<Vec<f64>> {
    let mut even = covariance.to_vec();
    for (index, (value, &mirrored)) in even.iter_mut().zip(&mirrored_momenta(lattice)).enumerate() {
        let (here, there) = (covariance[index], covariance[mirrored as usize]);
        if !(here.is_finite() && here > 0.0) {
            return Err(Error::invalid(&format!("covariance[{index}]"), here, "a finite variance above 0"));
        }
        if (here - there).abs() > EVEN * (here + there) {
            let expected = format!("{there}, the value of the opposite momentum: C(p) = C(-p) for a real field");
            return Err(Error::invalid(&format!("covariance[{index}]"), here, &expected));
        }
        *value = 0.5 * (here + there);
    }
    Ok(even)
}

/// The model of the free field, phi^4 at lambda = 0: C(p) = 1 / (2 - 4 kappa sum_mu cos p_mu).
///
/// @param[in]  layout    borrowed; a lattice with one component. Strides do not matter.
/// @param[in]  schedule  borrowed; NULL for the default one.
/// @param[in]  kappa     hopping parameter, |kappa| < 1 / (2 rank).
/// @param[out] model     transferred to the caller, who frees it with stoq_model_free(). Unchanged on
///                       failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_model_free_field(
    layout: *const stoq_layout_t,
    schedule: *const stoq_schedule_t,
    kappa: f64,
    model: *mut *mut stoq_model_t,
) -> stoq_status_t {
    // SAFETY: see stoq_model_gaussian.
    unsafe {
        create(layout, schedule, model, |lattice, schedule| match lattice.components() {
            1 => GaussianScore::free_field(lattice, schedule, kappa),
            other => Err(Error::invalid("components", other, "1 real component a site for the free field")),
        })
    }
}

/// The exact model of stoq_action_toy(): the score of the smoothed law by quadrature.
///
/// @param[in]  layout    borrowed; a lattice with one component. Strides do not matter.
/// @param[in]  schedule  borrowed; NULL for the default one.
/// @param[in]  mu2       mass squared.
/// @param[in]  g         quartic coupling, > 0, or 0 if mu2 > 0.
/// @param[out] model     transferred to the caller, who frees it with stoq_model_free(). Unchanged on
///                       failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_model_toy(
    layout: *const stoq_layout_t,
    schedule: *const stoq_schedule_t,
    mu2: f64,
    g: f64,
    model: *mut *mut stoq_model_t,
) -> stoq_status_t {
    // SAFETY: see stoq_model_gaussian.
    unsafe { create(layout, schedule, model, |lattice, schedule| ToyScore::new(lattice, schedule, mu2, g)) }
}

/// The exact model of stoq_action_two_peak().
///
/// @param[in]  layout    borrowed; a lattice with one component. Strides do not matter.
/// @param[in]  schedule  borrowed; NULL for the default one.
/// @param[in]  mu0       the peaks are at mu0 and -mu0.
/// @param[in]  sigma0    their standard deviation, > 0.
/// @param[out] model     transferred to the caller, who frees it with stoq_model_free(). Unchanged on
///                       failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_model_two_peak(
    layout: *const stoq_layout_t,
    schedule: *const stoq_schedule_t,
    mu0: f64,
    sigma0: f64,
    model: *mut *mut stoq_model_t,
) -> stoq_status_t {
    // SAFETY: see stoq_model_gaussian.
    unsafe {
        create(layout, schedule, model, |lattice, schedule| MixtureScore::two_peak(lattice, schedule, mu0, sigma0))
    }
}

/// The exact model of stoq_action_three_peak().
///
/// @param[in]  layout    borrowed; a lattice with two components. Strides do not matter.
/// @param[in]  schedule  borrowed; NULL for the default one.
/// @param[in]  radius    of the circle on which the three peaks lie.
/// @param[in]  sigma0    their standard deviation in each direction, > 0.
/// @param[out] model     transferred to the caller, who frees it with stoq_model_free(). Unchanged on
///                       failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_model_three_peak(
    layout: *const stoq_layout_t,
    schedule: *const stoq_schedule_t,
    radius: f64,
    sigma0: f64,
    model: *mut *mut stoq_model_t,
) -> stoq_status_t {
    // SAFETY: see stoq_model_gaussian.
    unsafe {
        create(layout, schedule, model, |lattice, schedule| MixtureScore::three_peak(lattice, schedule, radius, sigma0))
    }
}
