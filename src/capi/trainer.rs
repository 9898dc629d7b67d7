//! Training by a host while its chain runs.

use super::action::stoq_action_t;
use super::guard::guard;
use super::guarded::Guarded;
use super::lattice::{gather, read_layout, require_lattice, require_lattice_memory, stoq_layout_t, within};
use super::pointer::{Output, from_handle, into_handle, release, require, require_size, versioned, zeros};
use super::status::stoq_status_t;
use super::train_options::{
    checked_train_options, default_train_options, report_of, stoq_train_options_t, stoq_train_report_t,
};
use crate::error::{Error, Result};
use crate::lattice::Layout;
use crate::train::{InSitu, Trainer};
use std::ffi::c_void;

/// A training whose configurations come from the host's chain while that runs. The law that it learns is taken to have
/// the symmetries of the periodic lattice: translations, reflections, and exchange of axes of equal extent.
pub struct stoq_trainer_t(Guarded<State>);

pub(super) struct State {
    pub(super) training: InSitu,
    layout: Layout,
    /// A configuration in the library's order.
    field: Vec<f64>,
}

impl stoq_trainer_t {
    /// For functions that change the training.
    pub(super) fn exclusive<T>(&self, call: &'static str, work: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        self.0.exclusive(call, work)
    }

    /// For functions that read.
    pub(super) fn shared<T>(&self, call: &'static str, work: impl FnOnce(&InSitu) -> Result<T>) -> Result<T> {
        self.0.shared(call, |state| work(&state.training))
    }
}

/// Called after every step of stoq_trainer_fit(), on the thread that called it. It must neither throw nor
/// longjmp out, and must not call into the trainer at work, which answers STOQ_WRONG_ORDER.
///
/// @param[in] user    the pointer that was given to stoq_trainer_fit().
/// @param[in] report  borrowed, for the time of the call: how far the training is.
/// @return 0: go on. > 0: end the fit here; stoq_trainer_fit() returns STOQ_OK. < 0: the same, but it
///         returns STOQ_CALLBACK_STOPPED, and stoq_last_callback_code() has the code.
pub type stoq_progress_callback_t =
    Option<unsafe extern "C" fn(user: *mut c_void, report: *const stoq_train_report_t) -> i32>;

/// Makes a training without configurations.
///
/// @param[in]  layout   copied; the fields that stoq_trainer_push() will get.
/// @param[in]  action   borrowed; a built-in action of the host's theory, on the lattice of `layout`: its force makes
///                      the training several times more accurate. NULL trains by denoising alone, for any
///                      theory. An action made by stoq_action_callback() is refused: training evaluates forces on
///                      threads of its own and on transformed fields, where callbacks do not run.
/// @param[in]  options  copied; NULL for the defaults.
/// @param[out] trainer  transferred to the caller, who frees it with stoq_trainer_free(). Unchanged on
///                      failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_SHAPE_MISMATCH, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_trainer_new(
    layout: *const stoq_layout_t,
    action: *const stoq_action_t,
    options: *const stoq_train_options_t,
    trainer: *mut *mut stoq_trainer_t,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller; so in all functions below.
        let (layout, action, options, trainer) = unsafe {
            let layout = read_layout(layout)?;
            let action = if action.is_null() { None } else { Some(from_handle("action", action)?) };
            let options = if options.is_null() { default_train_options() } else { versioned("options", options)? };
            (layout, action, options, Output::new("trainer", trainer)?)
        };
        trainer.set(into_handle(create(layout, action.as_deref(), &options)?));
        Ok(())
    })
}

fn create(layout: Layout, action: Option<&stoq_action_t>, options: &stoq_train_options_t) -> Result<stoq_trainer_t> {
    let lattice = layout.lattice().clone();
    let options = checked_train_options(options, lattice.components()).map_err(|error| within("options->", error))?;
    let record = match action {
        None => None,
        Some(action) => {
            require_lattice("action: ", action.layout.lattice(), &lattice)?;
            let expected = "a built-in action, or NULL to train by denoising alone: callbacks do not run on the \
                            threads of a training";
            let refused = || Error::invalid("action", "one of the host's callbacks", expected);
            Some(action.record().ok_or_else(refused)?.clone())
        }
    };
    require_lattice_memory(&lattice)?;
    let field = zeros("the field of a trainer", lattice.values())?;
    let training = InSitu::new(lattice, record, options)?;
    Ok(stoq_trainer_t(Guarded::new("trainer", State { training, layout, field })))
}

/// Adds a configuration of the host's chain. Begin when the chain has thermalised, and push in its order: the
/// latest tenth measures the finished model and never trains. A configuration an autocorrelation time or so is
/// enough; closer ones cost memory (4 bytes a value, twice while training) and teach little.
///
/// @param[in] trainer  borrowed; one caller at a time.
/// @param[in] field    copied, in single precision; first value of a field in the layout of the trainer.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, which names the site, STOQ_WRONG_ORDER while the
///         trainer is at work, STOQ_OUT_OF_MEMORY. The trainer is then unchanged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_trainer_push(trainer: *mut stoq_trainer_t, field: *const f64) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_trainer_new.
        let trainer = unsafe { from_handle("trainer", trainer)? };
        require("field", field)?;
        trainer.exclusive("stoq_trainer_push", |state| {
            // SAFETY: see stoq_trainer_new.
            unsafe { gather(&state.layout, field, &mut state.field) };
            state.training.push(&state.field)
        })
    })
}

/// The number of configurations pushed so far.
///
/// @param[in]  trainer         borrowed.
/// @param[out] configurations  the number. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER while the trainer is at work.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_trainer_configurations(
    trainer: *const stoq_trainer_t,
    configurations: *mut usize,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_trainer_new.
        let (trainer, result) =
            unsafe { (from_handle("trainer", trainer)?, Output::new("configurations", configurations)?) };
        result.set(trainer.shared("stoq_trainer_configurations", |training| Ok(training.configurations()))?);
        Ok(())
    })
}

/// Trains on all configurations so far. The training takes options.steps steps in all calls together; behind them
/// a call does nothing.
///
/// The first call needs 32 configurations, and some hundreds to learn more than their spectrum. When others have
/// joined since the last call, weights and optimiser go on and the spectrum is measured anew on all: take
/// tens of steps a call or more. The same calls in the same order give the same bits.
///
/// @param[in]     trainer   borrowed; one caller at a time.
/// @param[in]     steps     steps of this call at most. 0: only lets the configurations join.
/// @param[in]     progress  called after every step, see stoq_progress_callback_t; NULL for none.
/// @param[in]     user      anything that `progress` needs, or NULL; used during the call only.
/// @param[in,out] report    borrowed; its struct_size is read, all other fields are written. NULL if not
///                          wanted. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT (also for too few configurations, or such that do not fluctuate),
///         STOQ_NOT_FINITE when the loss is (lower options.rate), STOQ_CALLBACK_STOPPED, STOQ_WRONG_ORDER,
///         STOQ_OUT_OF_MEMORY, STOQ_INTERNAL when the system refuses to start threads. Steps that were
///         taken before a failure or a stop stay taken; the next call goes on behind them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_trainer_fit(
    trainer: *mut stoq_trainer_t,
    steps: u64,
    progress: stoq_progress_callback_t,
    user: *mut c_void,
    report: *mut stoq_train_report_t,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_trainer_new.
        let trainer = unsafe {
            if !report.is_null() {
                require_size("report", report)?;
            }
            from_handle("trainer", trainer)?
        };
        let found = trainer.exclusive("stoq_trainer_fit", |state| {
            let mut code = 0;
            state.training.fit(steps, |trainer| {
                code = shown(progress, user, trainer);
                code == 0
            })?;
            if code < 0 {
                return Err(Error::CallbackStopped { callback: "progress", code });
            }
            Ok(state.training.trainer().map(report_of))
        })?;
        if let (Some(found), false) = (found, report.is_null()) {
            // SAFETY: see stoq_trainer_new. Field by field: the caller's struct may be larger, and keeps its own size.
            unsafe {
                (*report).step = found.step;
                (*report).steps = found.steps;
                (*report).loss = found.loss;
                (*report).validation = found.validation;
                (*report).rate = found.rate;
                (*report).finished = found.finished;
                (*report).reserved = 0;
            }
        }
        Ok(())
    })
}

/// What the callback says of the step that was taken; 0 without one.
fn shown(progress: stoq_progress_callback_t, user: *mut c_void, trainer: &Trainer) -> i32 {
    // SAFETY: the header tells the host what its callback gets.
    progress.map_or(0, |progress| unsafe { progress(user, &report_of(trainer)) })
}

/// Frees a trainer. Models made by it stay.
///
/// @param[in] trainer  transferred back; NULL is allowed and does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_trainer_free(trainer: *mut stoq_trainer_t) {
    // SAFETY: see stoq_trainer_new.
    unsafe { release(trainer) }
}
