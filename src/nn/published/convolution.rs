//! Convolutions of 3x3 with a ring of zeros or periodic, and their adjoints: the transposed convolutions.
//!
//! From the fine lattice to the coarse one, stride s,
//!
//!   y_o(i, j) = sum_(c, k, l) w\[o\]\[c\]\[k\]\[l\] x_c(s i + k - 1, s j + l - 1),   x = 0 outside, or periodic,
//!
//! as a matrix product with the unfolded input. Its adjoint from coarse to fine is what is called a transposed
//! convolution (padding 1, and `output_padding` 1 for s = 2). Fields are `[channel][sample][site]`.

use super::matrix::{MatrixReal, matrix, multiply};

/// Taps of the stencil.
pub(super) const TAPS: usize = 9;

pub(super) struct PaddedConvolution {
    fine: [usize; 2],
    stride: usize,
    pub fine_channels: usize,
    pub coarse_channels: usize,
    periodic: bool,
}

/// One tap: offsets less one, and the coarse rows and columns whose neighbour there lies on the lattice.
struct Tap {
    offset: [usize; 2],
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
}

impl PaddedConvolution {
    /// Extents must be divisible by the stride.
    pub fn new(fine: [usize; 2], stride: usize, fine_channels: usize, coarse_channels: usize) -> Self {
        PaddedConvolution { fine, stride, fine_channels, coarse_channels, periodic: false }
    }

    /// Periodic in place of zeros outside.
    pub fn periodic(self, periodic: bool) -> Self {
        PaddedConvolution { periodic, ..self }
    }

    pub fn coarse_extents(&self) -> [usize; 2] {
        self.fine.map(|n| n / self.stride)
    }

    pub fn fine_sites(&self) -> usize {
        self.fine[0] * self.fine[1]
    }

    pub fn coarse_sites(&self) -> usize {
        self.fine_sites() / (self.stride * self.stride)
    }

    fn tap(&self, tap: usize) -> Tap {
        let offset = [tap / 3, tap % 3];
        let inside = |axis: usize| {
            let first = usize::from(offset[axis] == 0);
            // The largest i with s i + k - 1 < extent.
            let end = (self.fine[axis] - offset[axis]) / self.stride + 1;
            first..end.min(self.coarse_extents()[axis])
        };
        Tap { rows: inside(0), columns: inside(1), offset }
    }

    /// Calls `visit(first coarse site, first fine site, sites)` for every row of a tap.
    fn rows(&self, tap: &Tap, mut visit: impl FnMut(usize, usize, usize)) {
        let [height, width] = self.coarse_extents();
        let rows = if self.periodic { 0..height } else { tap.rows.clone() };
        for row in rows {
            let fine_row = (self.stride * row + tap.offset[0] + self.fine[0] - 1) % self.fine[0];
            let (to, from) = (row * width, fine_row * self.fine[1]);
            let columns = &tap.columns;
            visit(to + columns.start, from + self.stride * columns.start + tap.offset[1] - 1, columns.len());
            // The one column whose neighbour lies around the lattice.
            if self.periodic && columns.start > 0 {
                visit(to, from + self.fine[1] - 1, 1);
            }
            if self.periodic && columns.end < width {
                visit(to + width - 1, from, 1);
            }
        }
    }

    /// `columns[(c, tap)][sample][coarse site]` from a fine field.
    fn unfold<T: MatrixReal>(&self, fine: &[T], columns: &mut [T]) {
        let (v, coarse) = (self.fine_sites(), self.coarse_sites());
        let row = fine.len() / (self.fine_channels * v) * coarse;
        columns.fill(T::from_f64(0.0));
        for (index, columns) in columns.chunks_exact_mut(row).enumerate() {
            let (channel, tap) = (index / TAPS, self.tap(index % TAPS));
            let samples = fine[channel * (row / coarse) * v..].chunks_exact(v);
            for (columns, fine) in columns.chunks_exact_mut(coarse).zip(samples) {
                self.rows(&tap, |to, from, count| {
                    let to = &mut columns[to..to + count];
                    if self.stride == 1 {
                        to.copy_from_slice(&fine[from..from + to.len()]);
                    } else {
                        to.iter_mut().zip(fine[from..].iter().step_by(self.stride)).for_each(|(to, &x)| *to = x);
                    }
                });
            }
        }
    }

    /// The adjoint of [`Self::unfold`]; overwrites `fine`.
    fn fold<T: MatrixReal>(&self, columns: &[T], fine: &mut [T]) {
        let (v, coarse) = (self.fine_sites(), self.coarse_sites());
        let row = fine.len() / (self.fine_channels * v) * coarse;
        fine.fill(T::from_f64(0.0));
        for (index, columns) in columns.chunks_exact(row).enumerate() {
            let (channel, tap) = (index / TAPS, self.tap(index % TAPS));
            let samples = fine[channel * (row / coarse) * v..].chunks_exact_mut(v);
            for (columns, fine) in columns.chunks_exact(coarse).zip(samples) {
                self.rows(&tap, |from, to, count| {
                    let from = &columns[from..from + count];
                    fine[to..].iter_mut().step_by(self.stride).zip(from).for_each(|(to, &x)| *to += x);
                });
            }
        }
    }

    fn columns<'a, T: MatrixReal>(&self, batch: usize, scratch: &'a mut Vec<T>) -> &'a mut [T] {
        let length = self.fine_channels * TAPS * batch * self.coarse_sites();
        if scratch.len() < length {
            scratch.resize(length, T::from_f64(0.0));
        }
        &mut scratch[..length]
    }

    /// Fine to coarse; overwrites `coarse`.
    pub fn apply<T: MatrixReal>(&self, weights: &[T], fine: &[T], coarse: &mut [T], scratch: &mut Vec<T>) {
        let batch = coarse.len() / (self.coarse_channels * self.coarse_sites());
        let columns = self.columns(batch, scratch);
        self.unfold(fine, columns);
        let rows = self.fine_channels * TAPS;
        multiply(matrix(weights, self.coarse_channels), matrix(columns, rows), false, coarse);
    }

    /// Coarse to fine, the adjoint; overwrites `fine`.
    pub fn adjoint<T: MatrixReal>(&self, weights: &[T], coarse: &[T], fine: &mut [T], scratch: &mut Vec<T>) {
        let batch = fine.len() / (self.fine_channels * self.fine_sites());
        let columns = self.columns(batch, scratch);
        let weights = matrix(weights, self.coarse_channels).reversed_axes();
        multiply(weights, matrix(coarse, self.coarse_channels), false, columns);
        self.fold(columns, fine);
    }

    /// Adds d <coarse, w fine> / dw to `gradient`: with the gradient of the output on its side, that of the weights in
    /// either direction.
    pub fn add_weight_gradient<T: MatrixReal>(
        &self,
        fine: &[T],
        coarse: &[T],
        gradient: &mut [T],
        scratch: &mut Vec<T>,
    ) {
        let batch = fine.len() / (self.fine_channels * self.fine_sites());
        let columns = self.columns(batch, scratch);
        self.unfold(fine, columns);
        let unfolded = matrix(columns, self.fine_channels * TAPS).reversed_axes();
        multiply(matrix(coarse, self.coarse_channels), unfolded, true, gradient);
    }
}
