//! Random symmetries of the law, applied to a configuration before it trains.

use super::point::Point;
use crate::lattice::Lattice;
use crate::rng::{Purpose, Stream};

/// How one axis of the transformed lattice lies on the original one.
#[derive(Clone, Copy, Default)]
struct Axis {
    /// Axis of the original.
    source: usize,
    shift: usize,
    mirrored: bool,
}

/// Writes `field` after a random symmetry into `out`: translation, exchange and reflection of axes where the
/// extents allow, all components together, and the sign if the law is even. Links go with the axes: a reflected link
/// runs the other way, and has the other sign.
pub(super) fn transform(stream: &Stream, point: &Point, index: u32, field: &[f64], out: &mut [f64]) {
    let lattice = point.data.lattice();
    let draw = |what: u32, bound: usize| stream.below(Purpose::Augmentation, what, index, bound);
    let axes = draw_axes(lattice, &draw);
    let sign = if point.even && draw(4, 2) == 1 { -1.0 } else { 1.0 };
    apply(lattice, &axes, (sign, point.links.is_some()), field, out);
}

fn draw_axes(lattice: &Lattice, draw: &dyn Fn(u32, usize) -> usize) -> [Axis; 4] {
    let (rank, extents) = (lattice.rank(), lattice.extents());
    let mut order: [usize; 4] = [0, 1, 2, 3];
    for axis in (1..rank).rev() {
        let other = draw(axis as u32, axis + 1);
        if extents[order[axis]] == extents[order[other]] {
            order.swap(axis, other);
        }
    }
    let mut axes = [Axis::default(); 4];
    for (axis, to) in axes.iter_mut().enumerate().take(rank) {
        let (shift, mirrored) = (draw(5 + axis as u32, extents[axis]), draw(9 + axis as u32, 2) == 1);
        *to = Axis { source: order[axis], shift, mirrored };
    }
    axes
}

fn apply(lattice: &Lattice, axes: &[Axis; 4], (sign, links): (f64, bool), field: &[f64], out: &mut [f64]) {
    let (rank, extents, strides, sites) = (lattice.rank(), lattice.extents(), lattice.strides(), lattice.sites());
    let mut at = [0usize; 4];
    for target in 0..sites {
        // Coordinates on the original, and its site.
        let mut coordinate = [0usize; 4];
        let mut site = 0;
        for (axis, &Axis { source, shift, mirrored }) in axes.iter().enumerate().take(rank) {
            let extent = extents[axis];
            let x = if mirrored { extent - 1 - at[axis] } else { at[axis] };
            coordinate[source] = (x + shift) % extent;
            site += coordinate[source] * strides[source];
        }
        for (component, out) in out.chunks_exact_mut(sites).enumerate() {
            out[target] = match links {
                false => sign * field[component * sites + site],
                true => {
                    let Axis { source, mirrored, .. } = axes[component];
                    let (x, extent, stride) = (coordinate[source], extents[source], strides[source]);
                    let behind = if x == 0 { site + (extent - 1) * stride } else { site - stride };
                    match mirrored {
                        false => sign * field[source * sites + site],
                        true => -sign * field[source * sites + behind],
                    }
                }
            };
        }
        for axis in (0..rank).rev() {
            at[axis] += 1;
            if at[axis] < extents[axis] {
                break;
            }
            at[axis] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{Action, GaugeLinks, U1};

    fn field(length: usize) -> Vec<f64> {
        let mut values = vec![0.0; length];
        Stream::new(2, 0, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut values);
        values
    }

    /// Action, the squares of the plaquettes of neighbours and |Q| stay; a link that did not turn round would change them.
    #[test]
    fn transformed_links_have_the_same_action() {
        for extents in [[4, 4], [4, 6]] {
            let lattice = Lattice::new(&extents).unwrap().with_components(2).unwrap();
            let (links, mut action) = (GaugeLinks::new(&lattice).unwrap(), U1::new(&lattice, 1.3).unwrap());
            let values = lattice.values();
            let (start, mut out) = (field(values), vec![0.0; values]);
            let mut measure = |field: &[f64]| {
                let loops: f64 = (0..links.sites())
                    .map(|x| (links.plaquette(field, x) + links.plaquette(field, links.ahead(x, 0))).cos())
                    .chain(
                        (0..links.sites())
                            .map(|x| (links.plaquette(field, x) + links.plaquette(field, links.ahead(x, 1))).cos()),
                    )
                    .sum();
                (action.action(field).unwrap(), loops, links.topological_charge(field).unwrap())
            };
            let (energy, loops, charge) = measure(&start);
            let (mut reversed, mut exchanged) = (0, 0);
            for seed in 0..40 {
                let stream = Stream::new(seed, 0, 0).unwrap();
                let axes = draw_axes(&lattice, &|what, bound| stream.below(Purpose::Augmentation, what, 0, bound));
                apply(&lattice, &axes, (1.0, true), &start, &mut out);
                let found = measure(&out);
                assert!((found.0 - energy).abs() < 1e-11 && (found.1 - loops).abs() < 1e-11, "{extents:?} {seed}");
                assert_eq!(found.2.abs(), charge.abs());
                exchanged += usize::from(axes[0].source == 1);
                reversed += usize::from(axes[0].mirrored);
            }
            assert!(reversed > 5 && (exchanged > 5) == (extents[0] == extents[1]));
        }
    }

    #[test]
    fn scalar_fields_are_permuted() {
        let lattice = Lattice::new(&[3, 3]).unwrap();
        let (start, mut out) = (field(9), vec![0.0; 9]);
        let axes = [
            Axis { source: 1, shift: 1, mirrored: true },
            Axis { source: 0, shift: 0, mirrored: false },
            Axis::default(),
            Axis::default(),
        ];
        apply(&lattice, &axes, (-1.0, false), &start, &mut out);
        // Target (0, 1): axis 0 lies on source axis 1 at 2 - 0 + 1 = 0, axis 1 on source axis 0 at 1.
        assert_eq!(out[1], -start[3]);
        let mut sorted = [out.iter().map(|x| -x).collect::<Vec<_>>(), start.clone()];
        sorted.iter_mut().for_each(|values| values.sort_by(f64::total_cmp));
        assert_eq!(sorted[0], sorted[1]);
    }
}
