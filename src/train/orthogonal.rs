//! The orthogonal matrix next to a matrix, nearly: U V^T for U S V^T, by Newton-Schulz iterations (Bjorck and Bowie 1971)
//!
//!   X -> X P,   P = a + b G + c G^2,   G = X^T X,
//!
//! with the coefficients of Jordan (Muon, 2024), which bring every singular value into 0.65 to 1.25 in five steps. All P are
//! polynomials of the first G, so the product of them is found in the smaller dimension alone: G -> G P^2.

use crate::nn::simd::{InstructionSet, Vector, Vectorised};

/// a, b and c.
const COEFFICIENTS: [f32; 3] = [3.4445, -4.775, 2.0315];
const ITERATIONS: usize = 5;
/// Rows of a product that are summed together.
const TILE: usize = 4;
/// Numbers of the widest register: rows are as long as some of them.
const LANES: usize = 16;

/// Room for the iterations: matrices row by row, rows filled up with zeros to whole registers.
#[derive(Clone, Debug, Default)]
pub(super) struct Orthogonaliser {
    /// The matrix, with not more columns than rows.
    matrix: Vec<f32>,
    /// G, P, the product of all P, and two more of their size.
    gram: Vec<f32>,
    factor: Vec<f32>,
    product: Vec<f32>,
    square: Vec<f32>,
    next: Vec<f32>,
    result: Vec<f32>,
}

impl Orthogonaliser {
    /// Replaces `matrix`, row by row, by what stands beside it; a matrix of zeros stays one.
    pub fn apply(&mut self, matrix: &mut [f32], columns: usize) {
        let rows = matrix.len() / columns.max(1);
        let square: f64 = matrix.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        let scale = (1.0 / square.sqrt().max(1e-30)) as f32;
        let (long, narrow) = (rows.max(columns), rows.min(columns));
        // Where the number of a row and column of the longer form stands in `matrix`.
        let place =
            |row: usize, column: usize| if columns > rows { column * columns + row } else { row * columns + column };
        let stride = narrow.next_multiple_of(LANES);
        self.matrix.clear();
        self.matrix.resize(long * stride, 0.0);
        for (row, out) in self.matrix.chunks_exact_mut(stride).enumerate() {
            (0..narrow).for_each(|column| out[column] = scale * matrix[place(row, column)]);
        }
        for small in [&mut self.gram, &mut self.factor, &mut self.product, &mut self.square, &mut self.next] {
            small.clear();
            small.resize(narrow * stride, 0.0);
        }
        self.result.resize(long * stride, 0.0);
        Iterations { room: self, narrow, stride }.run_on(InstructionSet::best());
        for (row, found) in self.result.chunks_exact(stride).enumerate() {
            (0..narrow).for_each(|column| matrix[place(row, column)] = found[column]);
        }
    }
}

struct Iterations<'a> {
    room: &'a mut Orthogonaliser,
    narrow: usize,
    stride: usize,
}

impl Vectorised for Iterations<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector<f32>, Double: Vector<f64>>(self) {
        let Iterations { room, narrow, stride } = self;
        let Orthogonaliser { matrix, gram, factor, product, square, next, result } = room;
        let [a, b, c] = COEFFICIENTS;
        // SAFETY: the caller has the features of `V`.
        unsafe {
            multiply::<V>(matrix, (1, stride), matrix, stride, gram);
            for iteration in 0..ITERATIONS {
                multiply::<V>(gram, (stride, 1), gram, stride, square);
                factor.iter_mut().zip(gram.iter().zip(square.iter())).for_each(|(p, (g, g2))| *p = b * g + c * g2);
                (0..narrow).for_each(|i| factor[i * stride + i] += a);
                match iteration {
                    0 => product.copy_from_slice(factor),
                    _ => {
                        multiply::<V>(product, (stride, 1), factor, stride, next);
                        std::mem::swap(product, next);
                    }
                }
                if iteration + 1 < ITERATIONS {
                    multiply::<V>(gram, (stride, 1), factor, stride, next);
                    multiply::<V>(next, (stride, 1), factor, stride, gram);
                }
            }
            multiply::<V>(matrix, (stride, 1), product, stride, result);
        }
    }
}

/// out_ij = sum_k left_ik right_kj, the numbers of `left` at i and k times the two steps.
///
/// # Safety
/// The CPU has the features of `V`.
#[inline(always)]
unsafe fn multiply<V: Vector<f32>>(
    left: &[f32],
    (of_row, of_sum): (usize, usize),
    right: &[f32],
    stride: usize,
    out: &mut [f32],
) {
    let (rows, terms) = (out.len() / stride, right.len() / stride);
    let mut row = 0;
    while row < rows {
        let tile = TILE.min(rows - row);
        let numbers =
            |k: usize| -> [f32; TILE] { std::array::from_fn(|i| left[(row + i.min(tile - 1)) * of_row + k * of_sum]) };
        for column in (0..stride).step_by(V::LANES) {
            // SAFETY: `right` and `out` have whole registers from every column of `step_by` on, within their rows.
            unsafe {
                let mut sums = [V::splat(0.0); TILE];
                for k in 0..terms {
                    let from = V::load(right[k * stride + column..][..V::LANES].as_ptr());
                    for (sum, number) in sums.iter_mut().zip(numbers(k)) {
                        *sum = sum.mul_add(V::splat(number), from);
                    }
                }
                for (i, sum) in sums.into_iter().enumerate().take(tile) {
                    sum.store(out[(row + i) * stride + column..][..V::LANES].as_mut_ptr());
                }
            }
        }
        row += tile;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    fn random(count: usize) -> Vec<f32> {
        let mut values = vec![0.0; count];
        Stream::new(3, 0, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut values);
        values.into_iter().map(|x| x as f32).collect()
    }

    fn transposed(matrix: &[f32], columns: usize) -> Vec<f32> {
        (0..columns).flat_map(|column| matrix.iter().skip(column).step_by(columns).copied()).collect()
    }

    /// Diagonal matrices keep their axes, and singular values over two decades become nearly 1.
    #[test]
    fn singular_values_become_nearly_one() {
        let values = [5.0, -2.0, 1.0, 0.3, 0.05];
        let mut matrix = vec![0.0; 7 * 5];
        values.iter().enumerate().for_each(|(i, &value)| matrix[i * 5 + i] = value);
        Orthogonaliser::default().apply(&mut matrix, 5);
        for (index, &found) in matrix.iter().enumerate() {
            match (index / 5, index % 5) {
                (i, j) if i == j => assert!((0.6..1.3).contains(&(found * values[i].signum())), "{found}"),
                _ => assert_eq!(found, 0.0),
            }
        }
    }

    /// The columns of the result are nearly orthonormal: the norm of X^T X - 1 per column; and a wide matrix gives the transpose of
    /// what its transpose gives.
    #[test]
    fn columns_become_nearly_orthonormal_and_transposes_agree() {
        let (rows, columns) = (40, 6);
        let given = random(rows * columns);
        let (mut tall, mut wide): (Vec<f32>, Vec<f32>) = (given.clone(), transposed(&given, columns));
        let mut room = Orthogonaliser::default();
        room.apply(&mut tall, columns);
        room.apply(&mut wide, rows);
        let back = transposed(&wide, rows);
        assert_eq!(tall, back);
        for i in 0..columns {
            for j in 0..columns {
                let product: f32 = tall.chunks_exact(columns).map(|row| row[i] * row[j]).sum();
                let expected = if i == j { 1.0 } else { 0.0 };
                assert!((product - expected).abs() < 0.55, "{i} {j} {product}");
            }
        }
        let mut nothing = vec![0.0; 12];
        room.apply(&mut nothing, 3);
        assert_eq!(nothing, [0.0; 12]);
    }
}
