//! The Fokker-Planck equation in one variable: densities in, densities out.

use super::guard::guard;
use super::lattice::within;
use super::model::stoq_model_t;
use super::options::check_ranges;
use super::pointer::{Output, Versioned, from_handle, require, require_memory, slice, versioned};
use super::schedule::{read_schedule, stoq_schedule_t};
use super::status::stoq_status_t;
use crate::analysis::{Density, FokkerPlanck, FokkerPlanckOptions, score_along};
use crate::diffusion::Schedule;
use crate::error::{Error, Result, require_finite};

/// The grid of the Fokker-Planck equation. Fill it with stoq_fokker_planck_options_init() and change what
/// should differ. Cells have equal widths and follow the process: at time t they cover |phi| <= reach w(t) with
/// w(t)^2 = f(t)^2 variance + Xi(t), the width of data of that variance.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stoq_fokker_planck_options_t {
    /// sizeof(stoq_fokker_planck_options_t), set by stoq_fokker_planck_options_init().
    pub struct_size: usize,
    /// Cells in space, 3 to 10000000; default 1000. All densities have this many values.
    pub cells: u32,
    /// Time steps from t = 0 to 1, 1 to 100000000; default 500. An interval gets its share, rounded up.
    pub steps: u32,
    /// Default 8.
    pub reach: f64,
    /// Default 1.
    pub variance: f64,
}

impl Versioned for stoq_fokker_planck_options_t {
    const INITIALISER: &'static str = "stoq_fokker_planck_options_init";
}

fn default_options() -> stoq_fokker_planck_options_t {
    let FokkerPlanckOptions { cells, steps, reach } = FokkerPlanckOptions::default();
    let struct_size = size_of::<stoq_fokker_planck_options_t>();
    stoq_fokker_planck_options_t { struct_size, cells: cells as u32, steps: steps as u32, reach, variance: 1.0 }
}

/// Fills options with the defaults.
///
/// @param[out] options  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_fokker_planck_options_init(options: *mut stoq_fokker_planck_options_t) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller; so in all functions below.
        unsafe { Output::new("options", options)? }.set(default_options());
        Ok(())
    })
}

/// The solver, and its number of cells.
///
/// # Safety
/// As [`versioned`].
unsafe fn solver(schedule: Schedule, options: *const stoq_fokker_planck_options_t) -> Result<(FokkerPlanck, usize)> {
    // SAFETY: promised by the caller.
    let options = if options.is_null() { default_options() } else { unsafe { versioned("options", options)? } };
    let make = || {
        let stoq_fokker_planck_options_t { cells, steps, reach, variance, .. } = options;
        check_ranges(&[("cells", cells, 10_000_000), ("steps", steps, 100_000_000)])?;
        require_memory("the Fokker-Planck equation", (cells as usize).checked_mul(24))?;
        let resolution = FokkerPlanckOptions { cells: cells as usize, steps: steps as usize, reach };
        Ok((FokkerPlanck::new(schedule, variance, resolution)?, cells as usize))
    };
    make().map_err(|error| within("options->", error))
}

/// The centres phi of the cells at one time: where densities have their values.
///
/// @param[in]  schedule  borrowed; NULL for the default one.
/// @param[in]  options   borrowed; NULL for the defaults.
/// @param[in]  time      in [0, 1].
/// @param[out] points    room for options.cells numbers, ascending. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_fokker_planck_points(
    schedule: *const stoq_schedule_t,
    options: *const stoq_fokker_planck_options_t,
    time: f64,
    points: *mut f64,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_fokker_planck_options_init.
        let (solver, _) = unsafe { solver(read_schedule(schedule)?, options)? };
        require("points", points)?;
        let found = solver.density(time, |_| 1.0)?.points();
        // SAFETY: see stoq_fokker_planck_options_init; `found` is memory of the library.
        unsafe { points.copy_from_nonoverlapping(found.as_ptr(), found.len()) };
        Ok(())
    })
}

/// The density with the caller's values at the points of `time`.
fn density_of(solver: &FokkerPlanck, time: f64, values: &[f64]) -> Result<Density> {
    require_finite("density", values)?;
    let points = solver.density(time, |_| 1.0)?.points();
    // The solver asks at these very points.
    solver.density(time, |phi| match points.binary_search_by(|point| point.total_cmp(&phi)) {
        Ok(cell) => values[cell],
        Err(_) => f64::NAN,
    })
}

/// Where the density goes in and comes out, and when.
#[derive(Clone, Copy)]
struct Evolution {
    from: f64,
    to: f64,
    density: *const f64,
    result: *mut f64,
}

impl Evolution {
    /// Evolves by `solve`.
    ///
    /// # Safety
    /// `density` and `result` must be valid for reading and writing `cells` values.
    unsafe fn run(
        self,
        (solver, cells): (FokkerPlanck, usize),
        solve: impl FnOnce(&FokkerPlanck, &Density, f64) -> Result<Vec<Density>>,
    ) -> Result<()> {
        require("result", self.result)?;
        // SAFETY: promised by the caller; not used any more when the result is written.
        let start = unsafe { density_of(&solver, self.from, slice("density", self.density, cells)?)? };
        let found = solve(&solver, &start, self.to)?;
        let Some(end) = found.first().map(Density::values) else {
            return Err(Error::Internal("a density got lost".into()));
        };
        // SAFETY: promised by the caller; `end` is memory of the library.
        unsafe { self.result.copy_from_nonoverlapping(end.as_ptr(), end.len()) };
        Ok(())
    }
}

/// The density that the forward process dphi = -1/2 k phi dt + g dW carries from one time to a later one,
/// without noise.
///
/// @param[in]  schedule  borrowed; NULL for the default one.
/// @param[in]  options   borrowed; NULL for the defaults.
/// @param[in]  from      time of `density`, in [0, 1].
/// @param[in]  to        time of `result`, from `from` to 1.
/// @param[in]  density   borrowed; options.cells values at the points of time `from`, see
///                       stoq_fokker_planck_points(). Need not be normalised.
/// @param[out] result    room for options.cells values at the points of time `to`, of mass 1; may be `density`
///                       itself. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_fokker_planck_forward(
    schedule: *const stoq_schedule_t,
    options: *const stoq_fokker_planck_options_t,
    from: f64,
    to: f64,
    density: *const f64,
    result: *mut f64,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_fokker_planck_options_init.
        unsafe {
            let solver = solver(read_schedule(schedule)?, options)?;
            if to < from {
                return Err(Error::invalid("to", to, &format!("a time from {from} to 1: this process goes forward")));
            }
            Evolution { from, to, density, result }.run(solver, |solver, start, to| solver.forward(start, &[to]))
        }
    })
}

/// The density that the backward process dphi = (1/2 k phi + g^2 s) dtau + g dW of a model carries from one
/// time to an earlier one: the law of a generator with infinitely many steps.
///
/// @param[in]  model    borrowed; of a single variable, with its schedule.
/// @param[in]  options  borrowed; NULL for the defaults.
/// @param[in]  from     time of `density`, in [0, 1].
/// @param[in]  to       time of `result`, from 0 to `from`.
/// @param[in]  density  borrowed; options.cells values at the points of time `from`. Need not be normalised.
/// @param[out] result   room for options.cells values at the points of time `to`, of mass 1; may be `density`
///                      itself. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_fokker_planck_backward(
    model: *const stoq_model_t,
    options: *const stoq_fokker_planck_options_t,
    from: f64,
    to: f64,
    density: *const f64,
    result: *mut f64,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_fokker_planck_options_init.
        unsafe {
            let model = from_handle("model", model)?;
            let solver = solver(*model.score.schedule(), options)?;
            if to > from {
                return Err(Error::invalid("to", to, &format!("a time from 0 to {from}: this process goes backward")));
            }
            let mut score = score_along(model.score.clone())?;
            Evolution { from, to, density, result }
                .run(solver, |solver, start, to| solver.backward(start, &[to], &mut *score))
        }
    })
}
