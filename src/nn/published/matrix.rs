//! Matrix products, by `ndarray` (which calls `matrixmultiply`): a dependency that is there anyway, safe to call, and
//! within a factor of two of the best at these sizes.

use crate::nn::Real;
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, LinalgScalar};

/// A scalar with matrix products.
pub trait MatrixReal: Real + LinalgScalar {}
impl MatrixReal for f32 {}
impl MatrixReal for f64 {}

/// `values` as a matrix of so many rows, in row order. Its transpose is `.reversed_axes()`.
pub(super) fn matrix<T>(values: &[T], rows: usize) -> ArrayView2<'_, T> {
    let columns = values.len() / rows;
    let Ok(view) = ArrayView2::from_shape((rows, columns), values) else {
        unreachable!("{} values do not fill {rows} rows", values.len())
    };
    view
}

/// `out = a b`, or added to it.
pub(super) fn multiply<T: MatrixReal>(a: ArrayView2<'_, T>, b: ArrayView2<'_, T>, accumulate: bool, out: &mut [T]) {
    let shape = (a.nrows(), b.ncols());
    let Ok(mut out) = ArrayViewMut2::from_shape(shape, out) else { unreachable!("a product of shape {shape:?}") };
    let before = T::from_f64(if accumulate { 1.0 } else { 0.0 });
    general_mat_mul(T::from_f64(1.0), &a, &b, before, &mut out);
}
