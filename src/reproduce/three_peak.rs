//! Three peaks in the plane: a vector field that a diffusion model has to learn, beside the exact one.

use super::one_variable::score_field;
use super::sites;
use crate::action::{ActionRecord, MixtureLaw};
use crate::analysis::{BinnedCumulants, CumulantEstimates, Symmetry, cumulants_of_moments, mixture_moments};
use crate::diffusion::Schedule;
use crate::error::Result;
use crate::lattice::Lattice;
use crate::model::Model;
use crate::sampler::IndependentSampler;
use crate::score::{MixtureScore, Score};
use crate::train::Progress;
use std::sync::Arc;

/// Radius of the circle that the peaks lie on, and their width.
pub const PEAKS: (f64, f64) = (2.0, 0.4);

/// The law.
///
/// # Errors
/// None that a caller can cause.
pub fn law() -> Result<MixtureLaw> {
    MixtureLaw::three_peak(PEAKS.0, PEAKS.1)
}

/// Trains a network on `configurations` times [`sites::SITES`] draws.
///
/// # Errors
/// As [`sites::train`].
pub fn train(
    configurations: usize,
    (steps, seed, threads): (u64, u64, usize),
    progress: impl FnMut(Progress),
) -> Result<Model> {
    let sampler = IndependentSampler::mixture(sites::lattice(2)?, law()?)?;
    let data = sites::draws(&sampler, configurations, seed)?;
    sites::train(data, Some(ActionRecord::three_peak(PEAKS.0, PEAKS.1)), (steps, seed, threads), progress)
}

/// The exact score on `copies` independent copies.
///
/// # Errors
/// None that a caller can cause.
pub fn exact_score(schedule: Schedule, copies: usize) -> Result<Arc<dyn Score>> {
    let lattice = Lattice::new(&[copies])?.with_components(2)?;
    Ok(Arc::new(MixtureScore::three_peak(lattice, schedule, PEAKS.0, PEAKS.1)?))
}

/// Exact cumulants kappa_1 to kappa_8 of a component.
///
/// # Errors
/// As [`mixture_moments`].
pub fn exact_cumulants(component: usize) -> Result<Vec<f64>> {
    Ok(cumulants_of_moments(&mixture_moments(&law()?, component, 8)?))
}

/// Cumulants of a component of sampled fields.
///
/// # Errors
/// As [`BinnedCumulants::estimate`].
pub fn cumulants(fields: &[Vec<f64>], component: usize) -> Result<CumulantEstimates> {
    let mut sums = BinnedCumulants::default();
    for field in fields {
        let part = field.len() / 2;
        let of_component = &field[component * part..(component + 1) * part];
        of_component.chunks(part.div_ceil(4)).try_for_each(|piece| sums.push_configuration(piece))?;
    }
    sums.estimate(Symmetry::None)
}

/// Root mean square of |s - exact| over |exact|, both averaged over the smoothed law at `time`, on `places` that fill the plane
/// evenly.
///
/// # Errors
/// As [`score_field`].
pub fn score_error(model: &Arc<dyn Score>, time: f64, places: &[(f64, f64)]) -> Result<f64> {
    let schedule = *model.schedule();
    let found = score_field(model, time, places)?;
    let exact = score_field(&exact_score(schedule, places.len())?, time, places)?;
    let (signal, noise, law) = (schedule.signal(time), schedule.noise(time), law()?);
    let (mut difference, mut size) = (0.0, 0.0);
    for ((place, found), exact) in places.iter().zip(&found).zip(&exact) {
        let weight = libm::exp(law.log_smoothed(&[place.0 / signal, place.1 / signal], noise));
        difference += weight * ((found.0 - exact.0).powi(2) + (found.1 - exact.1).powi(2));
        size += weight * (exact.0.powi(2) + exact.1.powi(2));
    }
    Ok((difference / size).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    /// 16 comparisons at 4 sigma: false alarm 0.1 per cent, seed fixed.
    #[test]
    fn exact_draws_have_the_exact_cumulants_of_both_components() {
        let lattice = Lattice::new(&[2048]).unwrap().with_components(2).unwrap();
        let sampler = IndependentSampler::mixture(lattice, law().unwrap()).unwrap();
        let draw = |step: u64| {
            let mut field = vec![0.0; 4096];
            sampler.draw(&Stream::new(3, 0, step).unwrap(), &mut field).unwrap();
            field
        };
        let fields: Vec<Vec<f64>> = (0..16).map(draw).collect();
        for component in 0..2 {
            let (found, exact) = (cumulants(&fields, component).unwrap(), exact_cumulants(component).unwrap());
            for (estimate, exact) in found.cumulants.iter().zip(&exact) {
                assert!(estimate.z_value(*exact).abs() < 4.0, "component {component}: {estimate:?} {exact}");
            }
            // The components are not the same: only y has a third cumulant, r^3/4.
            let third = &found.cumulants[2];
            assert!((third.value - 2.0 * component as f64).abs() < 0.2, "{third:?}");
        }
    }

    #[test]
    fn the_error_of_a_score_is_that_of_its_law() {
        let reach = 5.0;
        let places: Vec<(f64, f64)> = (0..900)
            .map(|i| (reach * ((i % 30) as f64 / 14.5 - 1.0), reach * ((i / 30) as f64 / 14.5 - 1.0)))
            .collect();
        let schedule = Schedule::variance_expanding(25.0).unwrap();
        let time = schedule.time_of_noise(0.7);
        assert!(score_error(&exact_score(schedule, 900).unwrap(), time, &places).unwrap() < 1e-12);
        let lattice = Lattice::new(&[900]).unwrap().with_components(2).unwrap();
        let wider = MixtureScore::three_peak(lattice, schedule, PEAKS.0, 1.1 * PEAKS.1).unwrap();
        let error = score_error(&(Arc::new(wider) as Arc<dyn Score>), time, &places).unwrap();
        assert!(error > 0.02 && error < 0.2, "{error}");
    }
}
