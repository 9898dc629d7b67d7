//! Axes for `plotters`: linear or logarithmic, with round ticks; and lines cut off at their ends.

use super::numbers::{round_step, tick_label, ticks};
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use std::ops::Range;

/// Ticks of an axis, at most, when its labels are chosen.
const TICKS: usize = 8;

/// Values between two ends, drawn at equal distances or by their logarithm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coordinate {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Coordinate {
    /// Between the ends of `range`, which are positive for a logarithmic axis.
    pub fn new((low, high): (f64, f64), logarithmic: bool) -> Self {
        let high = if high > low { high } else { low + low.abs().max(1.0) * 1e-9 };
        Coordinate { low, high, logarithmic }
    }

    /// Position of a value: 0 at the low end, 1 at the high one.
    fn place(&self, value: f64) -> f64 {
        match self.logarithmic {
            true => libm::log(value / self.low) / libm::log(self.high / self.low),
            false => (value - self.low) / (self.high - self.low),
        }
    }

    fn value(&self, place: f64) -> f64 {
        match self.logarithmic {
            true => self.low * libm::pow(self.high / self.low, place),
            false => self.low + (self.high - self.low) * place,
        }
    }

    /// Whether a value lies between the ends.
    pub fn holds(&self, value: f64) -> bool {
        let room = 1e-9 * (self.high - self.low);
        value >= self.low - room && value <= self.high + room
    }

    /// The value itself or the nearer end.
    pub fn nearest(&self, value: f64) -> f64 {
        value.max(self.low).min(self.high)
    }

    /// The part of an interval between the ends.
    pub fn overlap(&self, from: f64, to: f64) -> Option<(f64, f64)> {
        (from <= self.high && to >= self.low).then(|| (self.nearest(from), self.nearest(to)))
    }
}

impl Ranged for Coordinate {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        limit.0 + (self.place(*value) * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Asked again for lines between the labels, of which there are none.
        ticks((self.low, self.high), self.logarithmic, hint.bold_points().min(TICKS))
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Coordinate {
    fn format_ext(&self, value: &f64) -> String {
        // Within a decade the ticks are those of a linear axis.
        let decades = self.logarithmic && self.high / self.low > 10.0;
        let step = if decades { value.abs() } else { round_step(self.high - self.low, TICKS) };
        tick_label(*value, step)
    }
}

/// The pieces of a line through `points` that lie within the axes (Y.-D. Liang, B. A. Barsky, ACM Trans. Graphics 3 (1984) 1);
/// a point that is not finite, or not positive on a logarithmic axis, breaks it.
pub(super) fn clip(points: impl Iterator<Item = (f64, f64)>, x: Coordinate, y: Coordinate) -> Vec<Vec<(f64, f64)>> {
    let mut pieces: Vec<Vec<(f64, f64)>> = vec![];
    let mut before: Option<(f64, f64)> = None;
    let mut open = false;
    for (px, py) in points {
        let place = (x.place(px), y.place(py));
        if !(place.0.is_finite() && place.1.is_finite()) {
            (before, open) = (None, false);
            continue;
        }
        let Some(from) = before.replace(place) else { continue };
        let Some((enter, leave)) = within(from, place) else {
            open = false;
            continue;
        };
        let at = |s: f64| (x.value(from.0 + s * (place.0 - from.0)), y.value(from.1 + s * (place.1 - from.1)));
        match pieces.last_mut() {
            Some(piece) if open => piece.push(at(leave)),
            _ => pieces.push(vec![at(enter), at(leave)]),
        }
        open = leave == 1.0;
    }
    pieces
}

/// The part of a segment within the unit square, by its parameter from 0 to 1.
fn within(from: (f64, f64), to: (f64, f64)) -> Option<(f64, f64)> {
    let (mut enter, mut leave) = (0.0f64, 1.0f64);
    for (start, change) in [(from.0, to.0 - from.0), (from.1, to.1 - from.1)] {
        for (direction, distance) in [(-change, start), (change, 1.0 - start)] {
            if direction == 0.0 {
                if distance < 0.0 {
                    return None;
                }
            } else if direction < 0.0 {
                enter = enter.max(distance / direction);
            } else {
                leave = leave.min(distance / direction);
            }
        }
    }
    (enter <= leave).then_some((enter, leave))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_the_axes_do() {
        let (x, y) = (Coordinate::new((0.0, 10.0), false), Coordinate::new((0.0, 1.0), false));
        let points = [(-5.0, 0.5), (5.0, 0.5), (7.0, 2.5), (9.0, 0.5), (f64::NAN, 0.0), (1.0, 0.1), (2.0, 0.2)];
        let pieces = clip(points.into_iter(), x, y);
        assert_eq!(pieces.len(), 3, "{pieces:?}");
        assert_eq!(pieces[0], [(0.0, 0.5), (5.0, 0.5), (5.5, 1.0)]);
        assert_eq!(pieces[1], [(8.5, 1.0), (9.0, 0.5)]);
        assert_eq!(pieces[2].len(), 2);
        assert!(clip([(1.0, -1.0), (2.0, -0.5)].into_iter(), x, y).is_empty());
    }

    #[test]
    fn logarithmic_axes_place_decades_evenly() {
        let axis = Coordinate::new((0.01, 100.0), true);
        assert_eq!([0.01, 1.0, 100.0].map(|value| axis.map(&value, (0, 400))), [0, 200, 400]);
        assert!((axis.value(axis.place(3.0)) - 3.0).abs() < 1e-12);
        assert_eq!(axis.key_points(6), [0.01, 0.1, 1.0, 10.0, 100.0]);
        assert_eq!(axis.format_ext(&0.1), "0.1");
        assert_eq!(axis.overlap(1e-5, 1.0), Some((0.01, 1.0)));
        assert_eq!(axis.overlap(200.0, 300.0), None);
        assert_eq!(Coordinate::new((0.85, 1.2), true).format_ext(&0.95), "0.95");
    }
}
