//! Score models: trained ones, and the handle that all share.

use super::guard::guard;
use super::pointer::{Output, from_handle, into_handle, release, require, require_memory, slice, string};
use super::status::stoq_status_t;
use crate::error::{Error, Result, require_finite};
use crate::lattice::MAX_RANK;
use crate::model::Model;
use crate::score::onnx_runtime::{OpenOptions, Opened, open, open_memory};
use crate::score::{NativeScore, Score, score};
use std::ffi::{CStr, c_char, c_void};
use std::path::PathBuf;
use std::sync::Arc;

/// A score model: a trained one, which is a network, a Gaussian part and what the file says about itself;
/// a network exported by another program, see stoq_model_open_with(); or an analytic one such as
/// stoq_model_free_field(). It never changes, so all functions that read it may
/// be called from several threads at once.
pub struct stoq_model_t {
    pub(super) score: Arc<dyn Score>,
    /// The same, if it is a trained one.
    pub(super) trained: Option<Arc<NativeScore>>,
    /// The same, if ONNX Runtime evaluates it.
    pub(super) exported: Option<Opened>,
}

impl stoq_model_t {
    pub(super) fn trained(score: NativeScore) -> Self {
        let score = Arc::new(score);
        stoq_model_t { score: score.clone(), trained: Some(score), exported: None }
    }

    pub(super) fn analytic(score: Arc<dyn Score>) -> Self {
        stoq_model_t { score, trained: None, exported: None }
    }

    pub(super) fn opened(opened: &Opened) -> Self {
        let exported = opened.facts().map(|_| opened.clone());
        stoq_model_t { score: opened.score(), trained: opened.native().cloned(), exported }
    }

    pub(super) fn create(model: Model) -> Result<*mut Self> {
        Ok(into_handle(stoq_model_t::trained(NativeScore::new(model)?)))
    }
}

/// Reads a model file: of a network that stoq trained, or of one exported by another program that says all about
/// itself. stoq_model_open_with() is for those that do not, for devices, and for other choices.
///
/// @param[in]  path   borrowed; name of the file, ends with NUL. UTF-8 on Windows, any bytes elsewhere.
/// @param[out] model  transferred to the caller, who frees it with stoq_model_free(). Unchanged on
///                    failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_IO when the file cannot be read, STOQ_MODEL_FILE when it
///         is no model that this library can use, STOQ_RUNTIME_MISSING when another program exported it and ONNX
///         Runtime is not there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_model_load(path: *const c_char, model: *mut *mut stoq_model_t) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller; so in all functions below.
        let (path, model) = unsafe { (string("path", path)?, Output::new("model", model)?) };
        model.set(into_handle(stoq_model_t::opened(&open(to_path(path)?, &OpenOptions::default())?)));
        Ok(())
    })
}

#[cfg(unix)]
pub(super) fn to_path(path: &CStr) -> Result<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Ok(std::ffi::OsStr::from_bytes(path.to_bytes()).into())
}

#[cfg(not(unix))]
pub(super) fn to_path(path: &CStr) -> Result<PathBuf> {
    let text = path.to_str().map_err(|_| Error::invalid("path", format!("{path:?}"), "a name in UTF-8"))?;
    Ok(text.into())
}

/// Reads a model from memory that holds what a model file holds, for example after one rank of many
/// read the file and sent it to the others.
///
/// @param[in]  bytes   borrowed; contents of a model file.
/// @param[in]  length  number of bytes.
/// @param[out] model   transferred to the caller, who frees it with stoq_model_free(). Unchanged on
///                     failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_MODEL_FILE, STOQ_RUNTIME_MISSING.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_model_from_memory(
    bytes: *const c_void,
    length: usize,
    model: *mut *mut stoq_model_t,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_model_load.
        let (bytes, model) = unsafe { (slice("bytes", bytes.cast::<u8>(), length)?, Output::new("model", model)?) };
        model.set(into_handle(stoq_model_t::opened(&open_memory(bytes, "in memory", None, &OpenOptions::default())?)));
        Ok(())
    })
}

/// Frees a model. Chains made from it go on: they share what they need.
///
/// @param[in] model  transferred back; NULL is allowed and does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_model_free(model: *mut stoq_model_t) {
    // SAFETY: see stoq_model_load.
    unsafe { release(model) }
}

/// The rank of the lattice that a model belongs to.
///
/// @param[in]  model  borrowed.
/// @param[out] rank   number of axes, 1 to 4. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_model_rank(model: *const stoq_model_t, rank: *mut u32) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_model_load.
        let (model, rank) = unsafe { (from_handle("model", model)?, Output::new("rank", rank)?) };
        rank.set(model.score.lattice().rank() as u32);
        Ok(())
    })
}

/// The extents of the lattice that a model belongs to.
///
/// @param[in]  model    borrowed.
/// @param[out] extents  room for four numbers: the extents, slowest axis first, then 0 for the axes that
///                      the lattice does not have. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_model_extents(model: *const stoq_model_t, extents: *mut usize) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_model_load; an array of four has the address and alignment of its first.
        let (model, extents) =
            unsafe { (from_handle("model", model)?, Output::new("extents", extents.cast::<[usize; MAX_RANK]>())?) };
        let mut four = [0; MAX_RANK];
        let found = model.score.lattice().extents();
        four[..found.len()].copy_from_slice(found);
        extents.set(four);
        Ok(())
    })
}

/// How many real numbers the fields of a model have at each site.
///
/// @param[in]  model       borrowed.
/// @param[out] components  1 to 64. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_model_components(model: *const stoq_model_t, components: *mut u32) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_model_load.
        let (model, components) = unsafe { (from_handle("model", model)?, Output::new("components", components)?) };
        components.set(model.score.lattice().components() as u32);
        Ok(())
    })
}

/// One entry of what a trained model says about itself.
///
/// The metadata are a tree; a key is a path in it with dots, such as "extents", "schedule.scheme",
/// "action.name", "action.couplings.kappa", "training.steps" or "training.version". The key "metadata"
/// is the whole tree. A text is returned as it is, anything else as JSON. Of an exported network the keys are
/// those of its file ("scheme", "output", "time", "extents" ..), and "engine", "device" and "batches".
///
/// @param[in]  model     borrowed.
/// @param[in]  key       borrowed; ends with NUL.
/// @param[out] buffer    receives the text with a closing NUL. NULL: only `needed` is wanted. Unchanged on
///                       failure.
/// @param[in]  capacity  room in `buffer`, in bytes.
/// @param[out] needed    room that the text takes, in bytes with NUL; set also when `capacity` is too
///                       small. May be NULL if `buffer` is not.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT for an unknown key, a `capacity` that is too small, or an
///         analytic model, which has no metadata.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_model_metadata(
    model: *const stoq_model_t,
    key: *const c_char,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_model_load.
        let (model, key) = unsafe { (from_handle("model", model)?, string("key", key)?) };
        let tree = match (&model.trained, model.exported.as_ref().and_then(Opened::facts)) {
            (Some(trained), _) => serde_json::to_value(trained.model().metadata())
                .map_err(|error| Error::Internal(format!("metadata to JSON: {error}")))?,
            (None, Some(facts)) => serde_json::json!(facts),
            (None, None) => {
                return Err(Error::invalid("model", "an analytic one", "a trained model: only those have metadata"));
            }
        };
        let mut text = entry(&tree, &key.to_string_lossy())?.into_bytes();
        text.retain(|&byte| byte != 0);
        text.push(0);
        // SAFETY: see stoq_model_load.
        unsafe { copy_out(&text, buffer.cast(), capacity, needed) }
    })
}

fn entry(tree: &serde_json::Value, key: &str) -> Result<String> {
    let found = if key == "metadata" { Some(tree) } else { tree.pointer(&format!("/{}", key.replace('.', "/"))) };
    match found {
        Some(serde_json::Value::String(text)) => Ok(text.clone()),
        Some(value) => Ok(value.to_string()),
        None => {
            let names: Vec<&str> = tree.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
            let expected = format!("metadata, or a path with dots that starts with one of: {}", names.join(", "));
            Err(Error::invalid("key", key, &expected))
        }
    }
}

/// Copies `bytes` to a buffer of the caller, whose protocol is that of `stoq_model_metadata`.
///
/// # Safety
/// A `buffer` that is not NULL must be valid for writing `capacity` bytes, `needed` for one number.
pub(super) unsafe fn copy_out(bytes: &[u8], buffer: *mut u8, capacity: usize, needed: *mut usize) -> Result<()> {
    if buffer.is_null() {
        // SAFETY: promised by the caller.
        unsafe { Output::new("needed", needed)? }.set(bytes.len());
        return Ok(());
    }
    // SAFETY: promised by the caller.
    unsafe { Output::optional("needed", needed)? }.set(bytes.len());
    if capacity < bytes.len() {
        return Err(Error::invalid("capacity", capacity, &format!("at least {} bytes", bytes.len())));
    }
    // SAFETY: promised by the caller; `bytes` is memory of the library.
    unsafe { buffer.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    Ok(())
}

/// The score s(x, t) = grad_x log p_t(x) of the model, in the normalisation of its forward process
/// dx = -1/2 k(t) x dt + g(t) dW: what to put into one's own Langevin or reverse-time equation.
///
/// A convenience: each call allocates its workspace. The result of a field does not depend on the rest
/// of the batch.
///
/// @param[in]  model   borrowed.
/// @param[in]  batch   number of fields, at least 1.
/// @param[in]  times   borrowed; `batch` times in (0, 1].
/// @param[in]  fields  borrowed; `batch` fields one after the other, each in C order without gaps,
///                     its components one after the other.
/// @param[out] scores  room for `batch` fields; may be `fields` itself. Unchanged on failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_NOT_FINITE, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_model_score(
    model: *const stoq_model_t,
    batch: usize,
    times: *const f64,
    fields: *const f64,
    scores: *mut f64,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_model_load.
        let model = unsafe { from_handle("model", model)? };
        require("times", times)?;
        require("fields", fields)?;
        require("scores", scores)?;
        let values = model.score.lattice().values().saturating_mul(batch);
        if batch == 0 {
            return Err(Error::invalid("batch", batch, "at least one field"));
        }
        // SAFETY: see stoq_model_load. Three buffers of this size are allocated here and in `score`;
        // the slices are not used any more when the caller's `scores` is written.
        let result = unsafe {
            let (fields, times) = (slice("fields", fields, values)?, slice("times", times, batch)?);
            require_memory("a batch of scores", values.checked_mul(3))?;
            scores_of(&model.score, times, fields)?
        };
        // SAFETY: see stoq_model_load; `result` is memory of the library.
        unsafe { scores.copy_from_nonoverlapping(result.as_ptr(), result.len()) };
        Ok(())
    })
}

fn scores_of(model: &Arc<dyn Score>, times: &[f64], fields: &[f64]) -> Result<Vec<f64>> {
    if let Some((index, time)) = times.iter().enumerate().find(|(_, time)| !(**time > 0.0 && **time <= 1.0)) {
        return Err(Error::invalid(&format!("times[{index}]"), time, "a time in (0, 1]"));
    }
    require_finite("fields", fields)?;
    let mut scores = vec![0.0; fields.len()];
    let mut evaluator = model.clone().evaluator(1)?;
    score(&mut *evaluator, model.schedule(), times, fields, &mut scores)?;
    Ok(scores)
}
