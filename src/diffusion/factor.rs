//! Cholesky factors of nearest-neighbour operators, front by front (Duff and Reid 1983): the own sites of a front are eliminated
//! in a dense matrix, and what that does to its rows is handed on to the next.
//!
//! The arithmetic is written out in a fixed order and not left to a library, for a chain must have the same bits on all machines:
//! every number is a fixed sequence of operations, whatever the width of the registers.

use super::LogProduct;
use super::dissection::{Dissection, Front, LANES};
use crate::nn::simd::{InstructionSet, Vector, Vectorised};
use std::sync::Arc;

/// Columns that are taken off the others together.
const TOGETHER: usize = 4;

/// Lower Cholesky factor L of an operator, and room for one.
#[derive(Clone, Debug, Default)]
pub struct Factor {
    dissection: Arc<Dissection>,
    /// Of every front one column after the other, with its own sites and its rows.
    numbers: Vec<f64>,
    /// Changes of rows that wait to be handed on, and scratch of the solutions.
    waiting: Vec<f64>,
    scratch: Vec<f64>,
}

impl Factor {
    /// The lower triangle of an operator on the lattice of `dissection`, all zero: to be set by the indices of
    /// [`Dissection::index`].
    pub(super) fn cleared(&mut self, dissection: &Arc<Dissection>) -> &mut [f64] {
        if !Arc::ptr_eq(&self.dissection, dissection) {
            let largest = dissection.fronts.iter().map(Front::size).max().unwrap_or(0);
            self.dissection = dissection.clone();
            self.numbers.resize(dissection.numbers, 0.0);
            self.waiting.resize(dissection.waiting, 0.0);
            self.scratch.resize(largest, 0.0);
        }
        self.numbers.fill(0.0);
        &mut self.numbers
    }

    /// Replaces the operator that was set by its factor; returns half the logarithm of its determinant.
    pub(super) fn eliminate(&mut self) -> f64 {
        let mut product = LogProduct::default();
        Elimination { factor: self, product: &mut product }.run_on(InstructionSet::best());
        product.log()
    }

    /// x -> L^-T x, both in the order of the places.
    pub fn solve_transposed(&mut self, x: &mut [f64]) {
        Solution { factor: self, forward: false, x }.run_on(InstructionSet::best());
    }

    /// x -> (L L^T)^-1 x.
    pub fn solve(&mut self, x: &mut [f64]) {
        Solution { factor: self, forward: true, x }.run_on(InstructionSet::best());
    }

    #[inline(always)]
    fn forward(&mut self, x: &mut [f64]) {
        for front in &self.dissection.fronts {
            let (size, own) = (front.size(), front.own);
            let local = &mut self.scratch[..size];
            local[..own].copy_from_slice(&x[front.first..front.first + own]);
            local[own..].fill(0.0);
            let columns = self.numbers[front.columns..].chunks_exact(front.stride).take(own);
            for (j, column) in columns.enumerate() {
                let value = local[j] / column[j];
                local[j] = value;
                local[j + 1..].iter_mut().zip(&column[j + 1..size]).for_each(|(x, l)| *x -= l * value);
            }
            x[front.first..front.first + own].copy_from_slice(&local[..own]);
            front.rows.iter().zip(&local[own..]).for_each(|(&row, change)| x[row as usize] += change);
        }
    }

    #[inline(always)]
    fn backward(&mut self, x: &mut [f64]) {
        for front in self.dissection.fronts.iter().rev() {
            let (size, own) = (front.size(), front.own);
            let local = &mut self.scratch[..size];
            local[..own].copy_from_slice(&x[front.first..front.first + own]);
            local[own..].iter_mut().zip(&front.rows).for_each(|(local, &row)| *local = x[row as usize]);
            let columns = self.numbers[front.columns..].chunks_exact(front.stride).take(own);
            for (j, column) in columns.enumerate().rev() {
                let sum = dot(&column[j + 1..size], &local[j + 1..]);
                local[j] = (local[j] - sum) / column[j];
            }
            x[front.first..front.first + own].copy_from_slice(&local[..own]);
        }
    }

    /// The diagonal of (L L^T)^-1 (Takahashi, Fagan and Chin 1973: the inverse at the places of the factor needs no more of it).
    pub fn inverse_diagonal(&self) -> Vec<f64> {
        let fronts = &self.dissection.fronts;
        let mut diagonal = vec![0.0; self.dissection.place.len()];
        // The inverse on a front, and how many fronts below still need it.
        let mut above: Vec<(&Front, Vec<f64>, usize)> = vec![];
        for front in fronts.iter().rev() {
            let (size, own) = (front.size(), front.own);
            let mut inverse = vec![0.0; size * size];
            if let Some((parent, of_parent, left)) = above.last_mut() {
                for (i, &row) in front.in_parent.iter().enumerate() {
                    for (j, &column) in front.in_parent.iter().enumerate() {
                        inverse[(own + i) * size + own + j] = of_parent[row as usize * parent.size() + column as usize];
                    }
                }
                *left -= 1;
            }
            let columns = &self.numbers[front.columns..front.columns + front.stride * own];
            invert(columns, (front.stride, size), &mut inverse);
            (0..own).for_each(|j| diagonal[front.first + j] = inverse[j * size + j]);
            above.push((front, inverse, front.children.len()));
            while above.last().is_some_and(|&(_, _, left)| left == 0) {
                above.pop();
            }
        }
        diagonal
    }
}

/// An operator on its way to be a factor, and the determinant of the latter.
struct Elimination<'a> {
    factor: &'a mut Factor,
    product: &'a mut LogProduct,
}

impl Vectorised for Elimination<'_> {
    #[inline(always)]
    unsafe fn run<Single: Vector<f32>, V: Vector<f64>>(self) {
        let Factor { dissection, numbers, waiting, .. } = self.factor;
        let fronts = &dissection.fronts;
        for front in fronts {
            let columns = &mut numbers[front.columns..front.columns + front.stride * front.own];
            let (before, changes) = waiting.split_at_mut(front.made);
            let changes = &mut changes[..front.handed()];
            changes.fill(0.0);
            for child in front.children.iter().map(|&child| &fronts[child]) {
                take_over(front, child, &before[child.waits..], columns, changes);
            }
            // SAFETY: forwarded from the caller.
            unsafe {
                eliminate_own::<V>(columns, front.stride, self.product);
                eliminate_rows::<V>(columns, front, changes);
            }
            waiting.copy_within(front.made..front.made + front.handed(), front.waits);
        }
    }
}

/// A solution on its way backward, or forward and backward.
struct Solution<'a> {
    factor: &'a mut Factor,
    forward: bool,
    x: &'a mut [f64],
}

impl Vectorised for Solution<'_> {
    #[inline(always)]
    unsafe fn run<Single: Vector<f32>, Double: Vector<f64>>(self) {
        if self.forward {
            self.factor.forward(self.x);
        }
        self.factor.backward(self.x);
    }
}

/// Adds to the operator on `front` what the elimination of `child` changed.
fn take_over(front: &Front, child: &Front, given: &[f64], columns: &mut [f64], changes: &mut [f64]) {
    let (own, stride) = (front.own, front.row_stride());
    let places = &child.in_parent;
    let given = given.chunks_exact(child.row_stride().max(1));
    for (j, (&column, given)) in places.iter().zip(given).enumerate() {
        let column = column as usize;
        let (target, offset) = match column < own {
            true => (&mut columns[column * front.stride..(column + 1) * front.stride], 0),
            false => (&mut changes[(column - own) * stride..(column - own + 1) * stride], own),
        };
        places[j..].iter().zip(&given[j..]).for_each(|(&row, change)| target[row as usize - offset] += change);
    }
}

/// The factor of the own sites and what it is on the rows. Columns are treated from the register on that their diagonal is in: what
/// stands above the diagonal means nothing.
///
/// # Safety
/// The CPU has the features of `V`.
#[inline(always)]
unsafe fn eliminate_own<V: Vector<f64>>(columns: &mut [f64], stride: usize, product: &mut LogProduct) {
    let own = columns.len() / stride;
    for start in (0..own).step_by(TOGETHER) {
        let end = (start + TOGETHER).min(own);
        for j in start..end {
            let (done, rest) = columns.split_at_mut((j + 1) * stride);
            let column = &mut done[j * stride..];
            let root = column[j].max(f64::MIN_POSITIVE).sqrt();
            product.multiply(root);
            let inverse = 1.0 / root;
            column[j / LANES * LANES..].iter_mut().for_each(|value| *value *= inverse);
            column[j] = root;
            for (k, target) in (j + 1..end).zip(rest.chunks_exact_mut(stride)) {
                let from = k / LANES * LANES;
                // SAFETY: forwarded from the caller.
                unsafe { take_off::<V, 1>(column, (stride, k), from, &mut target[from..]) };
            }
        }
        let (done, rest) = columns.split_at_mut(end * stride);
        for (k, target) in (end..own).zip(rest.chunks_exact_mut(stride)) {
            let from = k / LANES * LANES;
            // SAFETY: forwarded from the caller; no column is left when fewer than TOGETHER are done.
            unsafe { take_off::<V, TOGETHER>(&done[start * stride..], (stride, k), from, &mut target[from..]) };
        }
    }
}

/// What that leaves of the operator on the rows.
///
/// # Safety
/// The CPU has the features of `V`.
#[inline(always)]
unsafe fn eliminate_rows<V: Vector<f64>>(columns: &[f64], front: &Front, changes: &mut [f64]) {
    for done in columns.chunks(TOGETHER * front.stride) {
        for (k, target) in changes.chunks_exact_mut(front.row_stride().max(1)).enumerate() {
            let (place, from) = ((front.stride, front.own + k), k / LANES * LANES);
            let (target, from) = (&mut target[from..], front.own + from);
            // SAFETY: forwarded from the caller.
            unsafe {
                match done.len() / front.stride {
                    TOGETHER => take_off::<V, TOGETHER>(done, place, from, target),
                    3 => take_off::<V, 3>(done, place, from, target),
                    2 => take_off::<V, 2>(done, place, from, target),
                    _ => take_off::<V, 1>(done, place, from, target),
                }
            }
        }
    }
}

/// target -= sum over the `N` columns of `done` of their number at `row` times themselves from `from` on; whole registers.
///
/// # Safety
/// The CPU has the features of `V`.
#[inline(always)]
unsafe fn take_off<V: Vector<f64>, const N: usize>(
    done: &[f64],
    (stride, row): (usize, usize),
    from: usize,
    target: &mut [f64],
) {
    let count = target.len() / LANES * LANES;
    let columns: [&[f64]; N] = std::array::from_fn(|j| &done[j * stride + from..][..count]);
    // SAFETY: `columns` and `target` have `count` numbers, a multiple of every register's; the rest is forwarded.
    unsafe {
        let shares: [V; N] = std::array::from_fn(|j| V::splat(-done[j * stride + row]));
        for at in (0..count).step_by(V::LANES) {
            let mut sum = V::load(target.as_ptr().add(at));
            for (share, column) in shares.iter().zip(&columns) {
                sum = sum.mul_add(*share, V::load(column.as_ptr().add(at)));
            }
            sum.store(target.as_mut_ptr().add(at));
        }
    }
}

/// The inverse on own sites from the one on the rows: its columns from the last own one to the first.
fn invert(columns: &[f64], (stride, size): (usize, usize), inverse: &mut [f64]) {
    for (j, column) in columns.chunks_exact(stride).enumerate().rev() {
        let (root, below) = (column[j], &column[j + 1..size]);
        for i in j + 1..size {
            let value = -dot(below, &inverse[i * size + j + 1..(i + 1) * size]) / root;
            inverse[i * size + j] = value;
            inverse[j * size + i] = value;
        }
        let sum = dot(below, &inverse[j * size + j + 1..(j + 1) * size]);
        inverse[j * size + j] = (1.0 / root - sum) / root;
    }
}

/// Scalar product by a fixed number of partial sums.
#[inline(always)]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::Neighbours;
    use crate::lattice::Lattice;

    #[test]
    fn factors_have_the_same_bits_with_every_register() {
        let lattice = Lattice::new(&[14, 9]).unwrap();
        let neighbours = Neighbours::new(&lattice).unwrap();
        let diagonal: Vec<f64> = (0..lattice.sites()).map(|site| 0.1 + (site % 5) as f64 / 3.0).collect();
        let factors = InstructionSet::available().into_iter().map(|set| {
            let (mut factor, mut product) = (Factor::default(), LogProduct::default());
            neighbours.set_operator((&diagonal, 0.7), (1.0, 0.3), &mut factor);
            Elimination { factor: &mut factor, product: &mut product }.run_on(set);
            (product.log(), factor.numbers)
        });
        let factors: Vec<_> = factors.collect();
        assert!(factors.iter().all(|factor| *factor == factors[0]));
        // And they differ from the operator's.
        let mut plain = Factor::default();
        neighbours.set_operator((&diagonal, 0.7), (1.0, 0.3), &mut plain);
        assert_ne!(plain.numbers, factors[0].1);
    }
}
