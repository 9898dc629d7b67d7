//! Opening a model file with options: exported networks, devices.

use super::guard::guard;
use super::lattice::{checked_rank, within};
use super::model::{stoq_model_t, to_path};
use super::options::check_ranges;
use super::pointer::{Output, Versioned, into_handle, slice, string, versioned};
use super::schedule::{
    STOQ_SCHEME_INTERPOLATING, STOQ_SCHEME_VARIANCE_EXPANDING, STOQ_SCHEME_VARIANCE_PRESERVING, stoq_scheme_t,
};
use super::status::stoq_status_t;
use crate::diffusion::Schedule;
use crate::error::{Error, Result};
use crate::score::onnx_runtime::{
    Channels, Declaration, Device, Engine, NetworkOutput, Normalisation, OpenOptions, Steps, TimeInput, open,
};
use std::ffi::{CStr, c_char};

/// In an option about a network: as the model file says.
pub const STOQ_AS_IN_FILE: i32 = 0;

/// Who evaluates a network: one of the STOQ_ENGINE_ constants.
pub type stoq_engine_t = i32;
/// stoq itself on the CPU if it wrote the file, else ONNX Runtime.
pub const STOQ_ENGINE_AUTOMATIC: stoq_engine_t = 1;
/// stoq itself.
pub const STOQ_ENGINE_NATIVE: stoq_engine_t = 2;
/// ONNX Runtime, for files of stoq too.
pub const STOQ_ENGINE_ONNX_RUNTIME: stoq_engine_t = 3;

/// What a network returns: STOQ_AS_IN_FILE, or one of the STOQ_OUTPUT_ constants.
pub type stoq_network_output_t = i32;
/// The score, grad log p_t.
pub const STOQ_OUTPUT_SCORE: stoq_network_output_t = 1;
/// The score times the standard deviation of the noise.
pub const STOQ_OUTPUT_SIGMA_SCORE: stoq_network_output_t = 2;
/// The expected standard normal noise, minus the former.
pub const STOQ_OUTPUT_NOISE: stoq_network_output_t = 3;
/// The expected field without noise.
pub const STOQ_OUTPUT_DENOISER: stoq_network_output_t = 4;

/// How the noise level enters a network: STOQ_AS_IN_FILE, or one of the STOQ_TIME_ constants.
pub type stoq_network_time_t = i32;
/// The time t of the scheme; the field enters as it is at that time.
pub const STOQ_TIME_T: stoq_network_time_t = 1;
/// The standard deviation of the noise relative to the signal; the field enters divided by the signal.
pub const STOQ_TIME_SIGMA: stoq_network_time_t = 2;
/// Its natural logarithm; the field as for STOQ_TIME_SIGMA.
pub const STOQ_TIME_LOG_SIGMA: stoq_network_time_t = 3;

/// Where the components of a field stand in the network's tensors: STOQ_AS_IN_FILE, or one of the STOQ_CHANNELS_
/// constants.
pub type stoq_channels_t = i32;
/// (batch, extents..): one component.
pub const STOQ_CHANNELS_NONE: stoq_channels_t = 1;
/// (batch, components, extents..), as in PyTorch.
pub const STOQ_CHANNELS_FIRST: stoq_channels_t = 2;
/// (batch, extents.., components), as in TensorFlow and JAX.
pub const STOQ_CHANNELS_LAST: stoq_channels_t = 3;

/// Who takes the Gaussian steps of the backward process, between two evaluations of a network: one of the STOQ_STEPS_
/// constants.
pub type stoq_steps_t = i32;
/// STOQ_STEPS_DEVICE on a device if the network can be wrapped, else STOQ_STEPS_HOST.
pub const STOQ_STEPS_AUTOMATIC: stoq_steps_t = 0;
/// stoq itself.
pub const STOQ_STEPS_HOST: stoq_steps_t = 1;
/// ONNX Runtime, by a graph that stoq writes around the network: fields stay where the network is.
pub const STOQ_STEPS_DEVICE: stoq_steps_t = 2;

/// Options of stoq_model_open_with(). Fill it with stoq_model_open_options_init() and change what should differ. What
/// the file says itself need not be said; where both speak they must agree.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stoq_model_open_options_t {
    /// sizeof(stoq_model_open_options_t), set by stoq_model_open_options_init().
    pub struct_size: usize,
    /// Borrowed; "cpu", "cuda:0" and so on. Default NULL: the CPU. A device that is not there is an error.
    pub device: *const c_char,
    /// Borrowed; the library of ONNX Runtime, or the folder that holds it. Default NULL: the environment variable
    /// STOQ_ONNXRUNTIME, then what `stoq runtime install` placed, then the system's. A process loads one.
    pub runtime: *const c_char,
    /// Default STOQ_ENGINE_AUTOMATIC.
    pub engine: stoq_engine_t,
    /// What the network returns; default STOQ_AS_IN_FILE.
    pub output: stoq_network_output_t,
    /// How the noise level enters; default STOQ_AS_IN_FILE.
    pub time: stoq_network_time_t,
    /// Where the components stand; default STOQ_AS_IN_FILE, or else by the shape of the input.
    pub channels: stoq_channels_t,
    /// The scheme of the network, with `sigma` and `contraction`; default STOQ_AS_IN_FILE.
    pub scheme: stoq_scheme_t,
    /// Real numbers at a site; default 0: as the network has them.
    pub components: u32,
    /// Number of `extents`; default 0: as the network has them.
    pub rank: u32,
    /// 1: products on a CUDA device may be rounded to 10 bits (TF32). Faster; a chain stays exact and may accept
    /// less. Default 0.
    pub allow_tf32: u32,
    /// Most fields that ONNX Runtime evaluates together, to 65536; default 0: 16 on the CPU, and on a device what is found
    /// by trying, 64 to 1024. Chains that are saved should say a size on a device: what is found may differ the next time.
    pub batch: u32,
    /// Default STOQ_STEPS_AUTOMATIC.
    pub steps: stoq_steps_t,
    /// Sites along each axis, slowest axis first.
    pub extents: [usize; 4],
    /// Base of g(t) = sigma^t, above 1; default 25. Read with a `scheme`.
    pub sigma: f64,
    /// k / g^2, 0 to 1; default 0. Read with STOQ_SCHEME_INTERPOLATING.
    pub contraction: f64,
    /// The network saw (phi - shift) / scale; default 0: as in the file, or else not scaled. Pi for angles over pi.
    pub scale: f64,
    /// See `scale`; default 0. Read with a `scale` above 0.
    pub shift: f64,
    /// Borrowed; `covariance_count` variances of the data: 1 of white noise, one a momentum class, or one a momentum. They
    /// shape proposals. Default NULL: as in the file, or else white, scale^2.
    pub covariance: *const f64,
    /// Number of them; default 0.
    pub covariance_count: usize,
}

impl Versioned for stoq_model_open_options_t {
    const INITIALISER: &'static str = "stoq_model_open_options_init";
}

fn default_options() -> stoq_model_open_options_t {
    stoq_model_open_options_t {
        struct_size: size_of::<stoq_model_open_options_t>(),
        device: std::ptr::null(),
        runtime: std::ptr::null(),
        engine: STOQ_ENGINE_AUTOMATIC,
        output: STOQ_AS_IN_FILE,
        time: STOQ_AS_IN_FILE,
        channels: STOQ_AS_IN_FILE,
        scheme: STOQ_AS_IN_FILE,
        components: 0,
        rank: 0,
        allow_tf32: 0,
        batch: 0,
        steps: STOQ_STEPS_AUTOMATIC,
        extents: [0; 4],
        sigma: 25.0,
        contraction: 0.0,
        scale: 0.0,
        shift: 0.0,
        covariance: std::ptr::null(),
        covariance_count: 0,
    }
}

/// Fills options with the defaults.
///
/// @param[out] options  borrowed; every field is written. Unchanged on failure.
/// @return STOQ_OK, or STOQ_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_model_open_options_init(options: *mut stoq_model_open_options_t) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller; so in all functions below.
        unsafe { Output::new("options", options)? }.set(default_options());
        Ok(())
    })
}

/// One of the values of a constant, numbered from 1; 0 is none.
fn chosen<T: Copy>(name: &str, value: i32, values: &[T]) -> Result<Option<T>> {
    if value == STOQ_AS_IN_FILE {
        return Ok(None);
    }
    let found = usize::try_from(value - 1).ok().and_then(|index| values.get(index));
    let expected = format!("one of its constants, 1 to {}, or 0 for the default", values.len());
    found.copied().map(Some).ok_or_else(|| Error::invalid(name, value, &expected))
}

fn checked_schedule(options: &stoq_model_open_options_t) -> Result<Option<Schedule>> {
    let stoq_model_open_options_t { scheme, sigma, contraction, .. } = *options;
    match scheme {
        STOQ_AS_IN_FILE => Ok(None),
        STOQ_SCHEME_VARIANCE_EXPANDING => Schedule::variance_expanding(sigma).map(Some),
        STOQ_SCHEME_VARIANCE_PRESERVING => Schedule::variance_preserving(sigma).map(Some),
        STOQ_SCHEME_INTERPOLATING => Schedule::interpolating(sigma, contraction).map(Some),
        other => Err(Error::invalid("scheme", other, "one of the STOQ_SCHEME_ constants, 1 to 3, or STOQ_AS_IN_FILE")),
    }
}

/// # Safety
/// Pointers in `options` that are not NULL must be valid as its comments say.
unsafe fn checked_options(options: &stoq_model_open_options_t) -> Result<OpenOptions> {
    if options.allow_tf32 > 1 {
        return Err(Error::invalid("allow_tf32", options.allow_tf32, "0 or 1"));
    }
    if options.batch > 0 {
        check_ranges(&[("batch", options.batch, 65_536)])?;
    }
    let engines = [Engine::Automatic, Engine::Native, Engine::OnnxRuntime];
    let outputs = [NetworkOutput::Score, NetworkOutput::SigmaScore, NetworkOutput::Noise, NetworkOutput::Denoiser];
    // SAFETY: promised by the caller.
    let text = |name: &str, pointer: *const c_char| -> Result<Option<&CStr>> {
        if pointer.is_null() { Ok(None) } else { unsafe { string(name, pointer).map(Some) } }
    };
    let device = match text("device", options.device)? {
        Some(name) => name.to_string_lossy().parse()?,
        None => Device::default(),
    };
    let extents = match options.rank {
        0 => None,
        rank => Some(options.extents[..checked_rank("rank", rank)?].to_vec()),
    };
    let covariance = match options.covariance_count {
        0 => None,
        // SAFETY: promised by the caller.
        count => Some(unsafe { slice("covariance", options.covariance, count)? }.to_vec()),
    };
    let normalisation = Normalisation { scale: options.scale, shift: options.shift };
    Ok(OpenOptions {
        engine: chosen("engine", options.engine, &engines)?.unwrap_or_default(),
        device,
        runtime: text("runtime", options.runtime)?.map(to_path).transpose()?,
        tf32: options.allow_tf32 == 1,
        batch: options.batch as usize,
        steps: chosen("steps", options.steps, &[Steps::Host, Steps::Device])?.unwrap_or_default(),
        declaration: Declaration {
            schedule: checked_schedule(options)?,
            output: chosen("output", options.output, &outputs)?,
            time: chosen("time", options.time, &[TimeInput::Time, TimeInput::Sigma, TimeInput::LogSigma])?,
            normalisation: Some(normalisation).filter(|n| n.scale != 0.0),
            channels: chosen("channels", options.channels, &[Channels::Absent, Channels::First, Channels::Last])?,
            extents,
            components: Some(options.components as usize).filter(|&components| components > 0),
            covariance,
            action: None,
        },
    })
}

/// Reads a model file with options: a network exported to ONNX by another program, such as PyTorch or JAX, or a
/// network of stoq on another engine or device.
///
/// The graph takes two inputs, the field of shape (batch, extents..), (batch, components, extents..) or (batch, extents..,
/// components) and the noise level, one number a field or one for all; its first output has the shape of the field. All are
/// float32, float64 or float16. What scheme it belongs to, what it returns and how the noise level enters is said by the
/// file (metadata under "stoq.", which the Python function stoq.export() and `stoq adopt` write) or by the options.
/// Checked here: the graph, the shapes, a test vector in the file, NaN; and that a field's result does not depend on its
/// batch to the last bit, by evaluating only batches for which that was found to be so.
///
/// @param[in]  path     borrowed; name of the file, ends with NUL.
/// @param[in]  options  borrowed; NULL for the defaults, which is stoq_model_load().
/// @param[out] model    transferred to the caller, who frees it with stoq_model_free(). Unchanged on failure.
/// @return STOQ_OK; STOQ_INVALID_ARGUMENT, also for an option that the file contradicts or that is missing; STOQ_IO;
///         STOQ_MODEL_FILE; STOQ_SHAPE_MISMATCH; STOQ_RUNTIME_MISSING; STOQ_DEVICE_UNAVAILABLE; STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_model_open_with(
    path: *const c_char,
    options: *const stoq_model_open_options_t,
    model: *mut *mut stoq_model_t,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_model_open_options_init.
        let (path, options, model) = unsafe {
            let given = if options.is_null() { default_options() } else { versioned("options", options)? };
            let checked = checked_options(&given).map_err(|error| within("options->", error))?;
            (string("path", path)?, checked, Output::new("model", model)?)
        };
        model.set(into_handle(stoq_model_t::opened(&open(to_path(path)?, &options)?)));
        Ok(())
    })
}
