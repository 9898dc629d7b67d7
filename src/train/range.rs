//! What follows from all training sets together: the range of noise, the couplings that vary, the batches.

use super::options::TrainOptions;
use super::point::{Point, TrainingSet};
use super::target::Mixture;
use crate::action::ActionRecord;
use crate::diffusion::Schedule;
use crate::error::{Error, Result};
use crate::lattice::Lattice;
use crate::model::{Condition, Model, mean_by_component};
use crate::nn::UNetShape;
use crate::score::{INPUTS, INPUTS_WITH_MAGNETISATION, LINK_INPUTS, smallest_noise_of_kind};

/// Largest noise of the forward process, in standard deviations of the widest mode of the data: a
/// Gaussian prior of the right covariance is then indistinguishable from the data with noise.
const LARGEST_NOISE: f64 = 2.0;

/// The same for independent sites. A mode is a sum over sites and nearly Gaussian by itself; a single
/// variable is not, and a Gaussian prior forgets the n-th cumulant as noise^-n: at 8 standard deviations the
/// divergence of the prior from the noisy data, kappa_4^2 / (48 kappa_2^4), is below 1e-8.
const LARGEST_NOISE_OF_A_SITE: f64 = 8.0;

/// Largest noise of a link angle, in radians: a plaquette then remembers exp(-2 sigma^2) = 0.0015 of its cosine, and
/// the links are uniform.
const LARGEST_NOISE_OF_AN_ANGLE: f64 = 1.8;

/// A network for several lattices may be taken to larger ones, whose widest mode is wider.
const ROOM_FOR_LARGER_LATTICES: f64 = 2.0;

/// Largest batch of a small lattice beside a large one.
const LARGEST_BATCH: usize = 4096;

/// Checks what needs no lattice.
pub(super) fn check_options(options: &TrainOptions) -> Result<()> {
    if !(1..=1 << 16).contains(&options.batch) {
        return Err(Error::invalid("batch", options.batch, "between 1 and 65536 samples a step"));
    }
    if let Some(factor) = options.largest_noise.filter(|factor| !(1.0..=100.0).contains(factor)) {
        return Err(Error::invalid("largest noise", factor, "1 to 100 standard deviations of the widest mode"));
    }
    Ok(())
}

/// Checks what does not need the data.
pub(super) fn check(sets: &[TrainingSet], options: &TrainOptions) -> Result<()> {
    check_options(options)?;
    let Some(first) = sets.first() else {
        return Err(Error::invalid("training sets", 0, "at least one set of configurations"));
    };
    let lattice = first.data.lattice();
    if options.reach == 0 && of_links(first.action.as_ref()) {
        return Err(Error::invalid("network reach", 0, "1: the plaquettes of a gauge field interact"));
    }
    for set in sets {
        let other = set.data.lattice();
        if (other.rank(), other.components()) != (lattice.rank(), lattice.components()) {
            let found = format!("rank {} with {} components", other.rank(), other.components());
            let expected = format!("rank {} with {} components", lattice.rank(), lattice.components());
            return Err(Error::invalid("training sets", found, &format!("{expected}, as in the first set")));
        }
        if of_links(set.action.as_ref()) != of_links(first.action.as_ref()) {
            return Err(Error::invalid("training sets", "scalar fields and links", "fields of one kind"));
        }
    }
    Ok(())
}

/// Whether the network is told the magnetisation apart: for one component with interactions and an even law.
pub(super) fn told_magnetisation(sets: &[TrainingSet], options: &TrainOptions) -> Result<bool> {
    let mut told = true;
    for set in sets {
        told &= told_at(set.data.lattice(), set.action.as_ref(), options)?;
    }
    Ok(told)
}

/// The same for one set.
pub(super) fn told_at(lattice: &Lattice, action: Option<&ActionRecord>, options: &TrainOptions) -> Result<bool> {
    Ok(is_even(options.even, action)? && options.reach > 0 && lattice.components() == 1)
}

/// Whether an action is one of the link angles of a gauge field.
pub(super) fn of_links(action: Option<&ActionRecord>) -> bool {
    action.is_some_and(|action| action.name == "u1")
}

/// The network for fields of `components`, which is `told` the magnetisation apart or not.
pub(super) fn shape(components: usize, told: bool, options: &TrainOptions) -> UNetShape {
    UNetShape {
        inputs: if told { INPUTS_WITH_MAGNETISATION } else { INPUTS * components },
        odd: options.odd && told,
        conditions: options.conditions.len(),
        channels: options.channels.clone(),
        embedding: options.embedding,
        outputs: components,
        reach: options.reach,
        ..UNetShape::default()
    }
}

/// The network of link angles: on plaquettes, and odd under charge conjugation.
pub(super) fn shape_of_links(options: &TrainOptions) -> UNetShape {
    let scalar = shape(1, true, options);
    UNetShape { inputs: LINK_INPUTS, outputs: 1, odd: options.odd && options.even != Some(false), ..scalar }
}

/// Whether phi and -phi are equally probable: as the options say, or the action; without one, yes.
pub(super) fn is_even(option: Option<bool>, action: Option<&ActionRecord>) -> Result<bool> {
    match (option, action) {
        (Some(even), _) => Ok(even),
        (None, Some(action)) => action.is_even(),
        (None, None) => Ok(true),
    }
}

/// Noise, in units of the deviation of the shortest wavelength, above which the finest resolution rests: a fluctuation
/// that the Wiener filter keeps by less than 6 % is noise.
const FINE_BELOW: f64 = 4.0;

/// Noise in the same units below which the coarser resolutions rest: a site is then known to 1 / sqrt(1 + 4^2), and
/// what is left of its law is a matter of its neighbourhood.
const COARSE_ABOVE: f64 = 0.25;

/// The range of ln sigma of each resolution (`UNetShape::bands`).
pub(super) fn bands(sets: &[TrainingSet], options: &TrainOptions) -> Result<Vec<[f64; 2]>> {
    let count = options.channels.len();
    if !options.multi_resolution || count < 2 {
        return Ok(vec![]);
    }
    let mut shortest = f64::INFINITY;
    for set in sets {
        shortest = set.data.covariance()?.into_iter().fold(shortest, f64::min);
    }
    let deviation = shortest.sqrt();
    let (fine, coarse) = (libm::log(FINE_BELOW * deviation), libm::log(COARSE_ABOVE * deviation));
    // Far beyond any noise of a schedule.
    const FAR: f64 = 1e3;
    Ok((0..count).map(|level| if level == 0 { [-FAR, fine] } else { [coarse, FAR] }).collect())
}

/// Scale of the data by component, common to all points, and of the magnetisation if the network is told it: the data
/// are then the fluctuations around it.
pub(super) fn scales(points: &[Point], told: bool) -> (Vec<f64>, Option<f64>) {
    let components = points[0].data.lattice().components();
    let mean = |spectrum: &dyn Fn(&Point) -> Vec<f64>| -> Vec<f64> {
        let variances: Vec<Vec<f64>> =
            points.iter().map(|point| mean_by_component(&spectrum(point), components)).collect();
        let one = |component: usize| variances.iter().map(|v| v[component]).sum::<f64>() / variances.len() as f64;
        (0..components).map(one).collect()
    };
    let total = mean(&|point| point.expanded.clone());
    if !told {
        return (total, None);
    }
    let fluctuations = mean(&|point| {
        let mut spectrum = point.expanded.clone();
        spectrum[0] = spectrum[0].min(point.zero_mode.map_or(f64::INFINITY, |law| law.variance));
        spectrum
    });
    (fluctuations, Some(total[0].sqrt()))
}

/// The couplings that the network sees, with the range in which the sets have them.
pub(super) fn conditions(points: &[Point], names: &[String]) -> Result<Vec<Condition>> {
    let one = |name: &String| {
        let values = points.iter().map(|point| {
            let coupling = point.action.as_ref().and_then(|action| action.couplings.get(name)).copied();
            coupling.ok_or_else(|| {
                let expected = format!("training sets whose actions have the coupling {name}");
                Error::invalid("condition", name, &expected)
            })
        });
        let values = values.collect::<Result<Vec<f64>>>()?;
        let (low, high) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)));
        if !(high > low) {
            let expected = format!("training sets that differ in {name}; otherwise leave the condition out");
            return Err(Error::invalid("condition", format!("{name} = {low} everywhere"), &expected));
        }
        Ok(Condition { coupling: name.clone(), centre: 0.5 * (low + high), scale: 0.5 * (high - low) })
    };
    names.iter().map(one).collect()
}

/// The forward process, and the range of ln sigma that it trains.
pub(super) fn noise(points: &[Point], options: &TrainOptions) -> Result<(Schedule, (f64, f64))> {
    let smallest =
        points.iter().map(|point| smallest_noise_of_kind(&point.expanded, options.reach, point.links.is_some()));
    let smallest = smallest.fold(f64::INFINITY, f64::min);
    let range = |schedule: Schedule| (schedule, (libm::log(smallest), libm::log(schedule.noise(1.0))));
    if points.iter().any(|point| point.links.is_some()) {
        let largest = options.largest_noise.unwrap_or(LARGEST_NOISE_OF_AN_ANGLE);
        return Ok(range(Schedule::variance_expanding_to(largest)?));
    }
    let widest = points.iter().flat_map(|point| &point.expanded).copied().fold(0.0, f64::max);
    let lattices = points.iter().any(|point| point.data.lattice() != points[0].data.lattice());
    let default = match (options.reach, lattices) {
        (0, _) => LARGEST_NOISE_OF_A_SITE,
        (_, true) => LARGEST_NOISE * ROOM_FOR_LARGER_LATTICES,
        (_, false) => LARGEST_NOISE,
    };
    let largest = options.largest_noise.unwrap_or(default);
    Ok(range(Schedule::variance_expanding_to((largest * widest.sqrt()).max(2.0))?))
}

/// Gives every point its batch, its weights of the target and its conditions.
pub(super) fn complete(
    points: &mut [Point],
    conditions: &[Condition],
    log_noise: (f64, f64),
    batch: usize,
) -> Result<()> {
    let largest = points.iter().map(|point| point.data.lattice().sites()).max().unwrap_or(1);
    for point in points {
        let sites = point.data.lattice().sites();
        point.batch = if sites == largest { batch } else { (batch * largest / sites).clamp(1, LARGEST_BATCH) };
        // The curvature of the action is that within a peak.
        let mut covariance = point.covariance.clone();
        if let Some(law) = point.zero_mode {
            covariance[0] = law.variance;
        }
        point.mixture = Mixture::new(&covariance, log_noise, point.action.is_some());
        point.reference = point.mixture.clone();
        point.conditions = Model::conditions(conditions, point.action.as_ref())?;
    }
    Ok(())
}
