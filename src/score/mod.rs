//! Score models: s(x, t) = grad log p_t(x), handed out as the denoised field D = E\[x_0 | x_t\], to which
//! it is equivalent by Tweedie's formula, s = (f D - x) / Xi (Efron, JASA 106 (2011) 1602).

mod euler_maruyama;
mod gaussian;
mod independent;
mod links;
mod mixture;
mod native;
mod native_derivatives;
pub mod onnx_runtime;
mod pointwise;
mod preconditioning;
mod published;
mod scaled;
mod team;
mod toy;
mod walker;

pub use euler_maruyama::EulerMaruyamaNoise;
pub use gaussian::GaussianScore;
pub(crate) use gaussian::{GaussianPart, wiener_filter, zero_mode};
pub use links::{LINK_INPUTS, PlaquetteMoments};
pub(crate) use links::{LinkPart, LinkScratch};
pub use mixture::MixtureScore;
pub use native::NativeScore;
pub(crate) use native::smallest_noise_of_kind;
pub use preconditioning::{INPUTS, INPUTS_WITH_MAGNETISATION, Preconditioning};
pub use published::PublishedScore;
pub(crate) use published::network_inputs;
pub use scaled::ScaledScore;
pub use team::Team;
pub use toy::ToyScore;
pub use walker::{ReverseStep, Walker};

use crate::diffusion::{Posterior, Schedule, ZeroMode, geometric_levels, optimal_levels};
use crate::error::{Error, Result, require_length};
use crate::fourier::LatticeFourier;
use crate::lattice::Lattice;
use std::sync::Arc;

/// A score model on one lattice. Immutable and shared between threads.
pub trait Score: Send + Sync {
    /// The lattice.
    fn lattice(&self) -> &Lattice;

    /// The diffusion process that it belongs to.
    fn schedule(&self) -> &Schedule;

    /// Covariance C_p of the data, one value a momentum: the Gaussian prior is N(0, f(T)^2 C + Xi(T)).
    fn covariance(&self) -> &[f64];

    /// Moments of the clean field given a noisy one, for a noise (standard deviation relative to the
    /// signal). They shape the proposal; exactness does not depend on them.
    fn posterior(&self, noise: f64) -> Posterior;

    /// The law of the zero mode, if it is not Gaussian.
    fn zero_mode(&self) -> Option<ZeroMode> {
        None
    }

    /// Whether the field holds the link angles of a gauge field: its modes are then transverse and longitudinal
    /// (`fourier::LatticeFourier::of_links`), and paths start from uniform angles.
    fn of_links(&self) -> bool {
        false
    }

    /// The transform to the modes in which the covariance is diagonal.
    fn fourier(&self) -> LatticeFourier {
        match self.of_links() {
            true => LatticeFourier::of_links(self.lattice()),
            false => LatticeFourier::new(self.lattice()),
        }
    }

    /// Whether the model is still being trained: production kernels refuse it.
    fn adapting(&self) -> bool {
        false
    }

    /// Smallest noise relative to the signal at which the model is meant to be evaluated.
    fn smallest_noise(&self) -> f64 {
        smallest_noise(self.covariance())
    }

    /// Identifies the function that is evaluated: saved chains refuse another one.
    fn fingerprint(&self) -> u64;

    /// A worker with its own memory, on up to `threads` threads.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`] or [`crate::Error::Internal`] when threads cannot be started.
    fn evaluator(self: Arc<Self>, threads: usize) -> Result<Box<dyn Evaluator>>;

    /// A worker that takes `steps` itself, up to `batch` fields at once with their noise from `threads` threads; `None` where
    /// evaluating the denoiser and stepping elsewhere is as good, or where the steps are not of that kind.
    ///
    /// # Errors
    /// As [`Score::evaluator`], and what running on a device raises.
    fn walker(
        self: Arc<Self>,
        _steps: &[ReverseStep],
        _batch: usize,
        _threads: usize,
    ) -> Result<Option<Box<dyn Walker>>> {
        Ok(None)
    }

    /// A worker for derivatives, in double precision throughout.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the model has no derivatives.
    fn differential(self: Arc<Self>) -> Result<Box<dyn Differential>> {
        Err(Error::invalid("score model", "one without derivatives", "a native or analytic model"))
    }

    /// Whether the derivatives are those of the evaluated function up to rounding, which an exact density needs, and
    /// no estimates.
    fn has_exact_derivatives(&self) -> bool {
        true
    }
}

/// Checks the buffers of [`Differential::tangents`] for a model of `values` numbers a field.
fn require_tangents(values: usize, field: &[f64], directions: &[f64], denoised: &[f64], changes: &[f64]) -> Result<()> {
    require_length("field", field.len(), values)?;
    require_length("denoised field", denoised.len(), values)?;
    if !directions.len().is_multiple_of(values) {
        return Err(Error::shape("directions", directions.len(), format!("a multiple of {values} values")));
    }
    require_length("changes", changes.len(), directions.len())
}

/// How fine the grid is among which the best times are searched.
const OPTIMAL_CANDIDATES: usize = 256;

/// Evaluates a score model on batches.
pub trait Evaluator: Send {
    /// `denoised[i] = D(fields[i])` for fields whose noise relative to the signal is `noise[i]`,
    /// already divided by the signal factor f. Fields lie one after the other. The result of a field
    /// does not depend on the rest of the batch, nor on the number of threads, to the last bit.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`] when the buffers do not hold `noise.len()` fields.
    fn denoise(&mut self, noise: &[f64], fields: &[f64], denoised: &mut [f64]) -> Result<()>;
}

/// Evaluates a score model and its derivatives, for likelihoods.
pub trait Differential: Send {
    /// `denoised = D(field)` and `changes[i] = (dD/dfield) directions[i]`, for a field whose noise
    /// relative to the signal is `noise`, already divided by the signal factor f. Directions, and
    /// changes, lie one after the other; none are allowed.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`] for buffers of the wrong length.
    fn tangents(
        &mut self,
        noise: f64,
        field: &[f64],
        directions: &[f64],
        denoised: &mut [f64],
        changes: &mut [f64],
    ) -> Result<()>;
}

/// Noise beyond which nothing is to be learned: 30 standard deviations of the widest mode of the data. The
/// variance-preserving scheme goes on to 10^10; there one step is as good as many.
pub fn largest_noise(covariance: &[f64]) -> f64 {
    30.0 * covariance.iter().copied().fold(0.0, f64::max).sqrt()
}

/// `count` times up to `last`, geometric in the noise from the least that the model is meant for to
/// [`largest_noise`]; if `last` lies beyond, it is one more step.
///
/// # Errors
/// As [`geometric_levels`].
pub fn geometric_times(score: &dyn Score, count: usize, last: f64) -> Result<Vec<f64>> {
    let schedule = score.schedule();
    let smallest = score.smallest_noise().min(0.5 * schedule.noise(last));
    let beyond = schedule.time_of_noise(largest_noise(score.covariance()));
    if beyond >= last || count < 2 {
        return geometric_levels(schedule, smallest, last, count);
    }
    let mut times = geometric_levels(schedule, smallest, beyond, count - 1)?;
    times.push(last);
    Ok(times)
}

/// The best times for a path of `levels` score evaluations from 0 to `last`, ascending.
///
/// # Errors
/// As [`optimal_levels`].
pub fn optimal_times(score: &dyn Score, levels: usize, last: f64) -> Result<Vec<f64>> {
    let candidates = geometric_times(score, OPTIMAL_CANDIDATES, last)?;
    if levels >= OPTIMAL_CANDIDATES / 2 {
        return geometric_times(score, levels, last);
    }
    optimal_levels(score.schedule(), &candidates, levels, &|noise| score.posterior(noise))
}

/// Noise far below the narrowest mode of the data: 8 % of its standard deviation. There a single
/// Gaussian step to zero noise is as good as exact, and the range of training ends.
pub fn smallest_noise(covariance: &[f64]) -> f64 {
    0.08 * covariance.iter().copied().fold(f64::INFINITY, f64::min).sqrt()
}

/// Scores of a batch at times `times`, in the normalisation of the process: s = (f D - x) / Xi.
///
/// # Errors
/// As [`Evaluator::denoise`].
pub fn score(
    evaluator: &mut dyn Evaluator,
    schedule: &Schedule,
    times: &[f64],
    fields: &[f64],
    scores: &mut [f64],
) -> Result<()> {
    let sites = fields.len() / times.len().max(1);
    let noise: Vec<f64> = times.iter().map(|&t| schedule.noise(t)).collect();
    let mut scaled = fields.to_vec();
    for (field, &t) in scaled.chunks_exact_mut(sites.max(1)).zip(times) {
        let signal = schedule.signal(t);
        field.iter_mut().for_each(|x| *x /= signal);
    }
    evaluator.denoise(&noise, &scaled, scores)?;
    for ((scores, fields), &t) in scores.chunks_exact_mut(sites).zip(fields.chunks_exact(sites)).zip(times) {
        let (signal, variance) = (schedule.signal(t), schedule.variance(t));
        scores.iter_mut().zip(fields).for_each(|(s, x)| *s = (signal * *s - x) / variance);
    }
    Ok(())
}
