//! What comes out of a training: models, files, and its saved state.

use super::guard::guard;
use super::model::{copy_out, stoq_model_t, to_path};
use super::pointer::{Output, from_handle, slice, string};
use super::status::stoq_status_t;
use super::trainer::stoq_trainer_t;
use std::ffi::{c_char, c_void};

/// The model as it is now, to look on while the training goes on. It is marked as one that still adapts:
/// stoq_chain_new() refuses it, for a chain whose kernel changes has no stationary law; stoq_model_score(),
/// stoq_likelihood() and the generators take it. It does not follow the training any further.
///
/// @param[in]  trainer  borrowed.
/// @param[out] model    transferred to the caller, who frees it with stoq_model_free(). Unchanged on
///                      failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER before the first stoq_trainer_fit() or while the
///         trainer is at work.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_trainer_model(
    trainer: *const stoq_trainer_t,
    model: *mut *mut stoq_model_t,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller; so in all functions below.
        let (trainer, model) = unsafe { (from_handle("trainer", trainer)?, Output::new("model", model)?) };
        model.set(stoq_model_t::create(trainer.shared("stoq_trainer_model", |training| training.snapshot())?)?);
        Ok(())
    })
}

/// The finished model, for chains: averaged weights, and its errors as measured on the latest tenth of the
/// configurations, which never trained. That takes some thousand evaluations of the network for each of 28
/// noise levels. It may be called before all steps are taken, and the training may go on afterwards; the
/// model does not follow it.
///
/// @param[in]  trainer  borrowed.
/// @param[out] model    transferred to the caller, who frees it with stoq_model_free(). Unchanged on
///                      failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER before the first stoq_trainer_fit() or while the
///         trainer is at work.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_trainer_finish(
    trainer: *const stoq_trainer_t,
    model: *mut *mut stoq_model_t,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_trainer_model.
        let (trainer, model) = unsafe { (from_handle("trainer", trainer)?, Output::new("model", model)?) };
        model.set(stoq_model_t::create(trainer.shared("stoq_trainer_finish", |training| training.finish())?)?);
        Ok(())
    })
}

/// Writes the finished model to a file, whole or not at all: stoq_trainer_finish() and stoq_model_save() in one,
/// for a job that ends here.
///
/// @param[in] trainer  borrowed.
/// @param[in] path     borrowed; name of the file, ends with NUL. An existing one is replaced.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_IO, STOQ_WRONG_ORDER before the first stoq_trainer_fit() or
///         while the trainer is at work.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_trainer_save(trainer: *const stoq_trainer_t, path: *const c_char) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_trainer_model.
        let (trainer, path) = unsafe { (from_handle("trainer", trainer)?, string("path", path)?) };
        let path = to_path(path)?;
        trainer.shared("stoq_trainer_save", |training| training.finish())?.save(path)
    })
}

/// Saves the whole state of a training, its configurations included: some bytes with version and checksum, the
/// same on every platform. Each call collects them anew; ask for `needed` only when nothing is pushed or
/// fitted before the second call.
///
/// @param[in]  trainer   borrowed.
/// @param[out] buffer    receives the bytes. NULL: only `needed` is wanted. Unchanged on failure.
/// @param[in]  capacity  room in `buffer`, in bytes.
/// @param[out] needed    number of bytes; set also when `capacity` is too small. May be NULL if `buffer`
///                       is not.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_WRONG_ORDER while the trainer is at work.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_trainer_checkpoint(
    trainer: *const stoq_trainer_t,
    buffer: *mut c_void,
    capacity: usize,
    needed: *mut usize,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_trainer_model.
        let trainer = unsafe { from_handle("trainer", trainer)? };
        let bytes = trainer.shared("stoq_trainer_checkpoint", |training| Ok(training.checkpoint()))?;
        // SAFETY: see stoq_trainer_model.
        unsafe { copy_out(&bytes, buffer.cast(), capacity, needed) }
    })
}

/// Goes on from a saved state, to the same bits as if the training had never stopped. What the trainer held is
/// forgotten.
///
/// @param[in] trainer  borrowed; one caller at a time. Made for the same lattice, action and options as the
///                     saved one; threads and strides may differ. Unchanged on failure.
/// @param[in] bytes    borrowed; what stoq_trainer_checkpoint() wrote.
/// @param[in] length   number of bytes.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT (also for damaged bytes or those of another training),
///         STOQ_WRONG_ORDER while the trainer is at work.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_trainer_restore(
    trainer: *mut stoq_trainer_t,
    bytes: *const c_void,
    length: usize,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_trainer_model.
        let (trainer, bytes) =
            unsafe { (from_handle("trainer", trainer)?, slice("bytes", bytes.cast::<u8>(), length)?) };
        trainer.exclusive("stoq_trainer_restore", |state| state.training.restore(bytes))
    })
}
