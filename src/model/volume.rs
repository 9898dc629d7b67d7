//! The Gaussian part of a model on a lattice of another size.
//!
//! In infinite volume C is a function of momentum, and near the continuum of p^2-hat = sum_mu 4 sin^2(p_mu / 2)
//! alone; at finite volume all but the zero mode are close to it. Only the zero mode, V <M^2>, follows the volume
//! in a way of its own: constant in the symmetric phase, like V in the broken one. Of link angles C follows from
//! moments of the plaquette, which do not feel the volume.

use super::modes::covariance_classes;
use super::points::Tables;
use super::{Metadata, PosteriorRow, PosteriorTable, TrainingPoint};
use crate::diffusion::ZeroMode;
use crate::error::Result;
use crate::fourier::lattice_momenta;
use crate::lattice::Lattice;

/// Covariance and posterior table on `lattice`, from those of the same couplings that were measured: of the
/// lattice itself, or of the one whose volume is nearest.
pub(super) fn on_volume(metadata: &Metadata, points: &[&TrainingPoint], lattice: &Lattice) -> Result<Tables> {
    if let Some(point) = points.iter().find(|point| point.extents == lattice.extents()) {
        let (covariance, posterior) = (point.covariance.clone(), point.posterior.clone());
        return Ok(Tables { covariance, posterior, zero_mode: point.zero_mode, plaquettes: point.plaquettes });
    }
    let mut sources = vec![];
    for point in points {
        sources.push((point.lattice(metadata)?, *point));
    }
    sources.sort_by_key(|(source, _)| source.sites());
    let distance = |source: &Lattice| (source.sites() as f64 / lattice.sites() as f64).ln().abs();
    let nearest = sources.iter().enumerate().min_by(|(_, a), (_, b)| distance(&a.0).total_cmp(&distance(&b.0)));
    let Some((index, (source, point))) = nearest else {
        let posterior = PosteriorTable::default();
        return Ok(Tables { covariance: vec![], posterior, zero_mode: None, plaquettes: None });
    };
    let map = MomentumMap::new(source, lattice);
    let covariance = match point.plaquettes {
        // Plaquettes are independent but for one constraint: their moments do not feel the volume.
        Some(moments) => {
            let (class, classes) = covariance_classes(lattice, metadata.network.reach);
            moments.covariance(lattice, &class, classes)
        }
        None => carried_covariance(&sources, index, &map, lattice.sites()),
    };
    let ratio = (source.sites() as f64 / lattice.sites() as f64).sqrt();
    let zero_mode = point.zero_mode.and_then(|law| {
        // Within a peak the variance is that of the symmetric phase: it does not grow with the volume.
        let scatter = law.variance / law.square() * point.covariance[0] / covariance[0];
        ZeroMode::with_share(covariance[0], 1.0 - scatter.min(1.0))
    });
    let rows = point.posterior.rows.iter().map(|row| {
        let laws = [point.zero_mode, zero_mode];
        carry_row(row, [&point.covariance, &covariance], laws, &map, ratio)
    });
    let posterior = PosteriorTable { rows: rows.collect() };
    Ok(Tables { covariance, posterior, zero_mode, plaquettes: point.plaquettes })
}

/// C as a function of momentum, the zero modes apart.
fn carried_covariance(
    sources: &[(Lattice, &TrainingPoint)],
    nearest: usize,
    map: &MomentumMap,
    sites: usize,
) -> Vec<f64> {
    let inverse: Vec<f64> = sources[nearest].1.covariance.iter().map(|c| 1.0 / c).collect();
    let least = inverse.iter().copied().fold(f64::INFINITY, f64::min);
    let mut covariance: Vec<f64> = map.carry(&inverse).into_iter().map(|value| 1.0 / value.max(0.25 * least)).collect();
    for &zero in &map.zero_modes {
        covariance[zero.1] = zero_mode(sources, nearest, zero.0, sites);
    }
    covariance
}

/// C_0 at `sites`, along the power of the volume that the two nearest volumes show, which lies between 0 and 1; a single
/// volume shows none, and C_0 is kept.
fn zero_mode(sources: &[(Lattice, &TrainingPoint)], nearest: usize, class: usize, sites: usize) -> f64 {
    let at = |index: usize| (sources[index].0.sites() as f64, sources[index].1.covariance[class]);
    let (volume, value) = at(nearest);
    let beyond = sites as f64 > volume;
    // Between two volumes the other neighbour; beyond the last, the one before.
    let other = match (beyond, nearest + 1 < sources.len(), nearest > 0) {
        (true, true, _) => nearest + 1,
        (false, _, true) | (true, false, true) => nearest - 1,
        (false, true, false) => nearest + 1,
        (_, false, false) => return value,
    };
    let (other_volume, other_value) = at(other);
    let mut power = (value / other_value).ln() / (volume / other_volume).ln();
    // The power falls with the volume where the correlation length is within reach: so it did before.
    if beyond && other < nearest && other > 0 {
        let (before_volume, before_value) = at(other - 1);
        let before = (other_value / before_value).ln() / (other_volume / before_volume).ln();
        let per_log = (power - before) / (0.5 * (volume / before_volume).ln());
        power += per_log * 0.5 * (sites as f64 / other_volume).ln();
    }
    value * (sites as f64 / volume).powf(power.clamp(0.0, 1.0))
}

fn carry_row(
    row: &PosteriorRow,
    [old, new]: [&[f64]; 2],
    [old_law, new_law]: [Option<ZeroMode>; 2],
    map: &MomentumMap,
    ratio: f64,
) -> PosteriorRow {
    let xi = libm::exp(2.0 * row.log_noise);
    let wiener = |c: f64| c * xi / (c + xi);
    // As a fraction of the error of the Wiener filter R is smooth in momentum and tends to 1 at both ends of noise.
    let errors = old.iter().enumerate().map(|(class, &c)| wiener(ZeroMode::within(old_law, class, c)));
    let fraction: Vec<f64> = row.variance.iter().zip(errors).map(|(r, error)| r / error).collect();
    let fraction = map.carry(&fraction);
    PosteriorRow {
        log_noise: row.log_noise,
        variance: fraction
            .iter()
            .zip(new)
            .enumerate()
            .map(|(class, (f, &c))| f.max(1e-3) * wiener(ZeroMode::within(new_law, class, c)))
            .collect(),
        // The mean over a larger lattice fluctuates less, and a given fluctuation means the same.
        mean_square: [row.mean_square[0], row.mean_square[1] * ratio],
        linear: map.carry(&row.linear).into_iter().map(|value| value * ratio).collect(),
        quadratic: map.carry(&row.quadratic).into_iter().map(|value| value * ratio * ratio).collect(),
        curvature: row.curvature,
        local_variance: row.local_variance,
        renormalisation: if row.renormalisation.is_empty() { vec![] } else { map.carry(&row.renormalisation) },
        plaquettes: row.plaquettes.clone(),
    }
}

/// Carries a function of the momentum class from one lattice to another.
struct MomentumMap {
    /// `[target class]`: two source knots and the weight of the second; the zero mode's is its own.
    pieces: Vec<(usize, usize, f64)>,
    /// Source and target class of the zero mode of each component.
    zero_modes: Vec<(usize, usize)>,
    /// `[knot]`: the source classes that share a p^2-hat.
    knots: Vec<Vec<usize>>,
}

impl MomentumMap {
    fn new(source: &Lattice, target: &Lattice) -> Self {
        let (from, to) = (class_momenta(source), class_momenta(target));
        let mut map = MomentumMap { pieces: vec![(0, 0, 0.0); to.len()], zero_modes: vec![], knots: vec![] };
        for component in 0..source.components() {
            let mut order: Vec<usize> = (0..from.len()).filter(|&class| from[class].0 == component).collect();
            order.sort_by(|&a, &b| from[a].1.total_cmp(&from[b].1));
            let first = map.knots.len();
            let mut momenta: Vec<f64> = vec![];
            for class in order {
                match momenta.last() {
                    Some(&last) if from[class].1 - last < 1e-9 => {
                        if let Some(knot) = map.knots.last_mut() {
                            knot.push(class);
                        }
                    }
                    _ => {
                        momenta.push(from[class].1);
                        map.knots.push(vec![class]);
                    }
                }
            }
            for (class, &(own, momentum)) in to.iter().enumerate().filter(|(_, at)| at.0 == component) {
                debug_assert_eq!(own, component);
                if momentum < 1e-9 {
                    map.pieces[class] = (first, first, 0.0);
                    map.zero_modes.push((map.knots[first][0], class));
                } else {
                    map.pieces[class] = piece(&momenta, momentum, first);
                }
            }
        }
        map
    }

    fn carry(&self, values: &[f64]) -> Vec<f64> {
        let mean = |knot: &Vec<usize>| knot.iter().map(|&class| values[class]).sum::<f64>() / knot.len() as f64;
        let knots: Vec<f64> = self.knots.iter().map(mean).collect();
        self.pieces.iter().map(|&(a, b, weight)| (1.0 - weight) * knots[a] + weight * knots[b]).collect()
    }
}

/// The knots around a momentum, never the zero mode; a straight line beyond the ends.
fn piece(momenta: &[f64], momentum: f64, first: usize) -> (usize, usize, f64) {
    match momenta.len() {
        1 => (first, first, 0.0),
        2 => (first + 1, first + 1, 0.0),
        count => {
            let above = momenta.partition_point(|&knot| knot < momentum).clamp(2, count - 1);
            let weight = (momentum - momenta[above - 1]) / (momenta[above] - momenta[above - 1]);
            (first + above - 1, first + above, weight)
        }
    }
}

/// Component and p^2-hat of every momentum class.
fn class_momenta(lattice: &Lattice) -> Vec<(usize, f64)> {
    let (class, classes) = covariance_classes(lattice, 1);
    let mut momenta = vec![(0, 0.0); classes];
    let by_mode = lattice_momenta(lattice);
    for (mode, &class) in class.iter().enumerate() {
        momenta[class as usize] = (mode / lattice.sites(), by_mode[mode % lattice.sites()]);
    }
    momenta
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::Schedule;
    use crate::model::{ActionRecord, Condition, Model};
    use crate::nn::{UNet, UNetShape};

    /// The free field: C_p is a function of p^2-hat exactly, zero mode and all, so that it carries over.
    fn free(extents: &[usize], kappa: f64) -> TrainingPoint {
        let momenta = class_momenta(&Lattice::new(extents).unwrap());
        let covariance: Vec<f64> = momenta.iter().map(|(_, p2)| 1.0 / (2.0 - 8.0 * kappa + 2.0 * kappa * p2)).collect();
        let row = |log_noise: f64| PosteriorRow {
            log_noise,
            variance: covariance.iter().map(|c| 0.9 * c / (1.0 + c * libm::exp(-2.0 * log_noise))).collect(),
            mean_square: [1.0, 0.4],
            linear: vec![0.2; covariance.len()],
            quadratic: vec![0.1; covariance.len()],
            ..PosteriorRow::default()
        };
        let posterior = PosteriorTable { rows: vec![row(-1.0), row(1.0)] };
        let action = Some(ActionRecord::phi4(kappa, 0.0));
        TrainingPoint { extents: extents.to_vec(), action, covariance, posterior, zero_mode: None, plaquettes: None }
    }

    fn model(points: Vec<TrainingPoint>, conditions: Vec<Condition>) -> Model {
        let conditions_seen = conditions.len();
        let network =
            UNetShape { channels: vec![4, 4], embedding: 4, conditions: conditions_seen, ..UNetShape::default() };
        let first = points[0].clone();
        let lattice = Lattice::new(&first.extents).unwrap();
        let metadata = Metadata {
            posterior: first.posterior,
            action: first.action,
            points,
            normalisation: vec![0.7],
            conditions,
            ..Metadata::untrained(
                &lattice,
                Schedule::variance_expanding(25.0).unwrap(),
                network.clone(),
                first.covariance,
            )
        };
        let parameters = vec![0.0; UNet::new(&network, &lattice).unwrap().layout().total()];
        Model::new(metadata, parameters).unwrap()
    }

    #[test]
    fn a_free_field_carries_over_to_every_volume() {
        let points = vec![free(&[8, 8], 0.2), free(&[16, 16], 0.2)];
        let model = model(points, vec![]);
        for extents in [[4, 4], [8, 8], [12, 12], [24, 16], [32, 32]] {
            let exact = free(&extents, 0.2);
            let found = model.at(&extents, None).unwrap();
            let metadata = found.metadata();
            for (c, e) in metadata.covariance.iter().zip(&exact.covariance) {
                assert!((c / e - 1.0).abs() < 1e-9, "{extents:?}: {c} {e}");
            }
            let (row, exact) = (&metadata.posterior.rows[1], &exact.posterior.rows[1]);
            assert!(row.variance.iter().zip(&exact.variance).all(|(a, b)| (a / b - 1.0).abs() < 1e-9));
        }
        let large = model.at(&[32, 32], None).unwrap();
        let row = &large.metadata().posterior.rows[0];
        assert!((row.mean_square[1] - 0.2).abs() < 1e-12 && (row.linear[3] - 0.1).abs() < 1e-12);
        assert!((row.quadratic[3] - 0.025).abs() < 1e-12);
        assert!(model.at(&[8], None).is_err() && model.at(&[9, 9], None).is_err());
    }

    #[test]
    fn the_zero_mode_follows_the_power_of_the_volume() {
        let point = |extent: usize, power: f64| {
            let mut point = free(&[extent, extent], 0.2);
            point.covariance[0] = 3.0 * ((extent * extent) as f64).powf(power);
            point
        };
        // Broken phase: proportional to the volume.
        let broken = model(vec![point(8, 1.0), point(16, 1.0)], vec![]).at(&[32, 32], None).unwrap();
        assert!((broken.metadata().covariance[0] / (3.0 * 1024.0) - 1.0).abs() < 1e-9);
        // Between two volumes, along the power between them.
        let between = model(vec![point(8, 0.5), point(16, 0.5)], vec![]).at(&[12, 12], None).unwrap();
        assert!((between.metadata().covariance[0] / 36.0 - 1.0).abs() < 1e-9);
    }

    #[test]
    fn couplings_are_interpolated_and_kept_within_the_trained_range() {
        let condition = Condition { coupling: "kappa".into(), centre: 0.15, scale: 0.05 };
        let model = model(vec![free(&[8, 8], 0.1), free(&[8, 8], 0.2)], vec![condition.clone()]);
        let at = |kappa: f64| model.at(&[8, 8], Some(&ActionRecord::phi4(kappa, 0.0)));
        assert_eq!(at(0.2).unwrap().metadata().covariance, free(&[8, 8], 0.2).covariance);
        let middle = at(0.15).unwrap();
        let (low, high) = (free(&[8, 8], 0.1).covariance, free(&[8, 8], 0.2).covariance);
        for (c, (a, b)) in middle.metadata().covariance.iter().zip(low.iter().zip(&high)) {
            assert!((c * c / (a * b) - 1.0).abs() < 1e-9, "{c} between {a} and {b}");
        }
        assert!(middle.metadata().condition_values().unwrap()[0].abs() < 1e-12);
        assert!(at(0.21).is_ok());
        assert!(at(0.3).unwrap_err().to_string().contains("train it there"));
    }
}
