//! Cumulants of the field along both processes.

use super::Subject;
use super::ensemble::Ensemble;
use crate::analysis::{FlowPoint, FlowSample, Symmetry, backward_flow, forward_flow};
use crate::diffusion::T_END;
use crate::error::Result;
use crate::reproduce::sites::variance_preserving_to;
use crate::sampler::EquilibriumSampler;
use crate::score::{NativeScore, Score};
use std::sync::Arc;

/// Sweeps that bring the chain of the forward process to equilibrium, and its number.
const CHAIN: (usize, u32) = (500, 200);
/// Times of the forward process that are looked at beside 0, evenly spread; the backward process visits them too.
const TIMES: usize = 12;
/// Levels that are nearer than this are one.
const NEAREST: f64 = 1e-4;

/// Both processes in one scheme.
pub struct Flow {
    /// Variance-expanding or variance-preserving.
    pub scheme: &'static str,
    /// From configurations of equilibrium, at t = 0 and twelve more times.
    pub forward: Vec<FlowPoint>,
    /// Along the paths of the model, at t = 0 and all levels.
    pub backward: Vec<FlowPoint>,
}

/// The cumulants of `configurations` equilibrium configurations that noise is added to, and of `paths` backward paths over
/// `levels` levels and the times of the former, beside kappa_n(0) f^n (+ Xi for n = 2), where kappa_n(0) is that of `reference`.
///
/// # Errors
/// What sampler, paths and estimates raise.
pub fn flow(
    subject: &Subject,
    reference: &Ensemble,
    (configurations, paths): (usize, usize),
    levels: usize,
    (seed, threads): (u64, usize),
) -> Result<Vec<Flow>> {
    let lattice = subject.score.lattice().clone();
    let (kappa, lambda) = subject.couplings;
    let mut sampler = EquilibriumSampler::new(&lattice, kappa, lambda, seed, CHAIN.1)?;
    sampler.thermalise(CHAIN.0)?;
    let mut fields = Vec::with_capacity(configurations * lattice.values());
    for _ in 0..configurations {
        fields.extend_from_slice(sampler.next_configuration()?);
    }
    let mut initial = vec![(0.0, 0.0); 8];
    for (order, estimate) in reference.cumulants()? {
        initial[order - 1] = (estimate.value, estimate.error);
    }
    let sample = FlowSample { initial: &initial, symmetry: Symmetry::Even, pieces: 1 };
    let scheme = |preserving: bool| -> Result<Flow> {
        let score = in_scheme(subject, preserving)?;
        let some: Vec<f64> = (0..=TIMES).map(|index| T_END * index as f64 / TIMES as f64).collect();
        let mut times = crate::score::optimal_times(&*score, levels, T_END)?;
        let lowest = times[0];
        times.retain(|time| some.iter().all(|other| (time - other).abs() > NEAREST));
        times.extend(some.iter().filter(|time| **time > lowest));
        times.sort_by(f64::total_cmp);
        Ok(Flow {
            scheme: if preserving { "variance-preserving" } else { "variance-expanding" },
            forward: forward_flow(score.schedule(), (&fields, lattice.values()), &some, &sample, seed)?,
            backward: backward_flow(&score, &times, paths, &sample, (seed, threads))?,
        })
    };
    Ok(vec![scheme(false)?, scheme(true)?])
}

/// The score of the model as it is, or in the variance-preserving scheme that ends at the same noise relative to the signal,
/// which is all that the network sees.
fn in_scheme(subject: &Subject, preserving: bool) -> Result<Arc<dyn Score>> {
    if !preserving {
        return Ok(subject.score.clone());
    }
    let mut model = subject.model.clone();
    let largest = model.metadata().schedule.noise(T_END);
    model.metadata_mut().schedule = variance_preserving_to(largest)?;
    Ok(Arc::new(NativeScore::new(model)?))
}
