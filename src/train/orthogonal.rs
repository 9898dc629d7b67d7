//! The orthogonal matrix next to a matrix, nearly: U V^T for U S V^T, by Newton-Schulz iterations (Bjorck and Bowie 1971) with the
//! coefficients of Jordan (Muon, 2024), which bring every singular value into 0.65 to 1.25 in five products.

use crate::nn::simd::{InstructionSet, Real};

/// X (a + b X^T X + c (X^T X)^2).
const COEFFICIENTS: [f32; 3] = [3.4445, -4.775, 2.0315];
const ITERATIONS: usize = 5;

/// Room for the iterations.
#[derive(Clone, Debug, Default)]
pub(super) struct Orthogonaliser {
    /// The matrix with not more columns than rows, row by row, and its successor.
    matrix: Vec<f32>,
    next: Vec<f32>,
    /// X^T X and the polynomial of it.
    gram: Vec<f32>,
    polynomial: Vec<f32>,
}

impl Orthogonaliser {
    /// Replaces `matrix`, row by row, by what stands beside it; a matrix of zeros stays one.
    pub fn apply(&mut self, matrix: &mut [f32], columns: usize) {
        let rows = matrix.len() / columns.max(1);
        let square: f64 = matrix.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        let scale = (1.0 / square.sqrt().max(1e-30)) as f32;
        let (wide, narrow) = (columns > rows, rows.min(columns));
        self.matrix.clear();
        match wide {
            true => self.matrix.extend(transposed(matrix, columns).map(|x| scale * x)),
            false => self.matrix.extend(matrix.iter().map(|x| scale * x)),
        }
        self.next.resize(matrix.len(), 0.0);
        self.gram.resize(narrow * narrow, 0.0);
        self.polynomial.resize(narrow * narrow, 0.0);
        f32::vectorised(InstructionSet::best(), || (0..ITERATIONS).for_each(|_| self.iterate(narrow)));
        match wide {
            true => matrix.iter_mut().zip(transposed(&self.matrix, rows)).for_each(|(out, x)| *out = x),
            false => matrix.copy_from_slice(&self.matrix),
        }
    }

    #[inline(always)]
    fn iterate(&mut self, columns: usize) {
        let [a, b, c] = COEFFICIENTS;
        self.gram.fill(0.0);
        for row in self.matrix.chunks_exact(columns) {
            for (&factor, out) in row.iter().zip(self.gram.chunks_exact_mut(columns)) {
                add_multiple(factor, row, out);
            }
        }
        for (out, row) in self.polynomial.chunks_exact_mut(columns).zip(self.gram.chunks_exact(columns)) {
            out.iter_mut().zip(row).for_each(|(out, x)| *out = b * x);
            for (&factor, row) in row.iter().zip(self.gram.chunks_exact(columns)) {
                add_multiple(c * factor, row, out);
            }
        }
        for (out, row) in self.next.chunks_exact_mut(columns).zip(self.matrix.chunks_exact(columns)) {
            out.iter_mut().zip(row).for_each(|(out, x)| *out = a * x);
            for (&factor, row) in row.iter().zip(self.polynomial.chunks_exact(columns)) {
                add_multiple(factor, row, out);
            }
        }
        std::mem::swap(&mut self.matrix, &mut self.next);
    }
}

#[inline(always)]
fn add_multiple(factor: f32, row: &[f32], out: &mut [f32]) {
    out.iter_mut().zip(row).for_each(|(out, &x)| *out = Real::mul_add(factor, x, *out));
}

fn transposed(matrix: &[f32], columns: usize) -> impl Iterator<Item = f32> + '_ {
    (0..columns).flat_map(move |column| matrix.iter().skip(column).step_by(columns).copied())
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
        let (mut tall, mut wide): (Vec<f32>, Vec<f32>) = (given.clone(), transposed(&given, columns).collect());
        let mut room = Orthogonaliser::default();
        room.apply(&mut tall, columns);
        room.apply(&mut wide, rows);
        let back: Vec<f32> = transposed(&wide, rows).collect();
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
