//! Small dense matrices, row by row: LU with row pivoting, sums in a fixed order.

/// Factors the `n` x `n` matrix (row by row) in place, carrying `right` along. Returns log|det| and whether the
/// determinant is positive; log|det| is -infinity or NaN when there is no inverse.
fn eliminate(matrix: &mut [f64], n: usize, right: &mut [f64]) -> (f64, bool) {
    let (mut log, mut positive) = (0.0, true);
    for column in 0..n {
        let size = |row: &usize| matrix[row * n + column].abs();
        let pivot = (column..n).max_by(|a, b| size(a).total_cmp(&size(b))).unwrap_or(column);
        if pivot != column {
            (0..n).for_each(|j| matrix.swap(pivot * n + j, column * n + j));
            if !right.is_empty() {
                right.swap(pivot, column);
            }
            positive = !positive;
        }
        let diagonal = matrix[column * n + column];
        positive ^= diagonal < 0.0;
        log += libm::log(diagonal.abs());
        let (above, below) = matrix.split_at_mut((column + 1) * n);
        let row = &above[column * n + column + 1..];
        for (index, target) in below.chunks_exact_mut(n).enumerate() {
            let factor = target[column] / diagonal;
            target[column + 1..].iter_mut().zip(row).for_each(|(t, r)| *t -= factor * r);
            if let Some(&value) = right.get(column) {
                right[column + 1 + index] -= factor * value;
            }
        }
    }
    (log, positive)
}

/// log|det| of an `n` x `n` matrix, which is overwritten, and whether the determinant is positive.
pub(crate) fn log_determinant(matrix: &mut [f64], n: usize) -> (f64, bool) {
    eliminate(matrix, n, &mut [])
}

/// Solves matrix x = right in place; the result is not finite when there is no solution.
pub(crate) fn solve(matrix: &mut [f64], right: &mut [f64]) {
    let n = right.len();
    eliminate(matrix, n, right);
    for row in (0..n).rev() {
        let sum: f64 = (row + 1..n).map(|j| matrix[row * n + j] * right[j]).sum();
        right[row] = (right[row] - sum) / matrix[row * n + row];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn determinants_and_solutions_of_a_matrix_that_needs_pivots() {
        let matrix = [0.0, 2.0, 1.0, 1.0, 1.0, 0.0, 4.0, -1.0, 3.0];
        // 0 - 2 (3 - 0) + 1 (-1 - 4) = -11.
        let (log, positive) = log_determinant(&mut matrix.clone(), 3);
        assert!((log - 11f64.ln()).abs() < 1e-14 && !positive);
        let mut right = [7.0, 3.0, 11.0];
        solve(&mut matrix.clone(), &mut right);
        for (row, expected) in matrix.chunks(3).zip([7.0, 3.0, 11.0]) {
            let found: f64 = row.iter().zip(&right).map(|(a, b)| a * b).sum();
            assert!((found - expected).abs() < 1e-13);
        }
        assert!(!log_determinant(&mut [1.0, 2.0, 2.0, 4.0], 2).0.is_finite());
    }
}
