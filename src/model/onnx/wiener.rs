//! The Wiener filter as matrix products: w_k = C_k/(C_k + sigma^2) x_k in the real Fourier basis of
//! every axis. C is even in each component of the momentum, so products of cosines and sines are
//! eigenvectors of the covariance as much as plane waves are.

use super::builder::GraphBuilder;
use crate::diffusion::ZeroMode;
use crate::lattice::Lattice;
use std::f64::consts::TAU;

/// Adds the filter of one covariance a mode, or one a component without reach, with a zero mode of two peaks where
/// the model has one; `noise_variance` is the name of sigma^2 with one value a configuration.
pub fn filter(
    builder: &mut GraphBuilder,
    lattice: &Lattice,
    (covariance, reach): (&[f64], usize),
    zero_mode: Option<ZeroMode>,
    [field, noise_variance]: [&str; 2],
) -> String {
    let components = lattice.components();
    if reach == 0 {
        let dims = [vec![1, components], vec![1; lattice.rank()]].concat();
        let multiplier = multiplier(builder, &dims, covariance.iter().copied(), noise_variance);
        return builder.node("Mul", &[field, &multiplier], "filtered", vec![]);
    }
    let modes = transform(builder, lattice, field, false);
    let sites = lattice.sites();
    let by_mode = (0..lattice.values()).map(|mode| {
        let k: Vec<usize> = lattice.coordinates(mode % sites).iter().map(|row| row.div_ceil(2)).collect();
        ZeroMode::within(zero_mode, mode, covariance[mode / sites * sites + lattice.index(&k)])
    });
    let dims = [&[1, components], lattice.extents()].concat();
    let multiplier = multiplier(builder, &dims, by_mode, noise_variance);
    let mut kept = builder.node("Mul", &[&modes, &multiplier], "wiener.modes", vec![]);
    if let Some(law) = zero_mode {
        let peaks = peaks(builder, &dims, law, [&modes, noise_variance]);
        kept = builder.node("Add", &[&kept, &peaks], "wiener.modes.peaks", vec![]);
    }
    transform(builder, lattice, &kept, true)
}

/// m sigma^2/v tanh(m x/v) of the zero mode with v = s^2 + sigma^2, and zero of every other mode.
fn peaks(builder: &mut GraphBuilder, dims: &[usize], law: ZeroMode, [modes, noise_variance]: [&str; 2]) -> String {
    let modes_of_all: usize = dims.iter().product();
    let only_zero = (0..modes_of_all).map(|mode| if mode == 0 { law.peak } else { 0.0 });
    let peak = builder.floats("zero_mode.peak", dims, only_zero);
    let within = builder.floats("zero_mode.variance", &[], [law.variance]);
    let total = builder.node("Add", &[noise_variance, &within], "zero_mode.total", vec![]);
    let signal = builder.node("Mul", &[modes, &peak], "zero_mode.signal", vec![]);
    let argument = builder.node("Div", &[&signal, &total], "zero_mode.argument", vec![]);
    let sign = builder.node("Tanh", &[&argument], "zero_mode.sign", vec![]);
    let share = builder.node("Div", &[noise_variance, &total], "zero_mode.share", vec![]);
    let height = builder.node("Mul", &[&share, &peak], "zero_mode.height", vec![]);
    builder.node("Mul", &[&height, &sign], "zero_mode.peaks", vec![])
}

/// C/(C + sigma^2), by mode and configuration.
fn multiplier(
    builder: &mut GraphBuilder,
    dims: &[usize],
    covariance: impl IntoIterator<Item = f64>,
    noise_variance: &str,
) -> String {
    let covariance = builder.floats("covariance", dims, covariance);
    let total = builder.node("Add", &[&covariance, noise_variance], "wiener.total", vec![]);
    builder.node("Div", &[&covariance, &total], "wiener.multiplier", vec![])
}

/// The orthonormal basis of functions on `extent` sites, one a row: constant, then cosine and sine of
/// k = 1, 2, ..., then the alternating one if `extent` is even. Row r has |k| = ceil(r / 2).
fn basis(extent: usize) -> Vec<f64> {
    let n = extent as f64;
    let value = |row: usize, x: usize| {
        let k = row.div_ceil(2);
        // Reduced modulo the extent first: exact angles for any site.
        let angle = TAU * ((k * x) % extent) as f64 / n;
        match row {
            0 => (1.0 / n).sqrt(),
            _ if 2 * k == extent => (1.0 / n).sqrt() * if x.is_multiple_of(2) { 1.0 } else { -1.0 },
            _ if row % 2 == 1 => (2.0 / n).sqrt() * libm::cos(angle),
            _ => (2.0 / n).sqrt() * libm::sin(angle),
        }
    };
    (0..extent * extent).map(|index| value(index / extent, index % extent)).collect()
}

/// From sites to modes along every axis, or back, without a transposition of the field: a product from
/// the right along the last axis, products from the left along the others.
pub(super) fn transform(builder: &mut GraphBuilder, lattice: &Lattice, field: &str, inverse: bool) -> String {
    let (extents, rank) = (lattice.extents(), lattice.rank());
    let (source, result) = if inverse { ("filtered", "filtered") } else { ("modes", "modes") };
    let mut x = field.to_string();
    for axis in (0..rank).rev() {
        let n = extents[axis];
        let (rows, columns) = (format!("fourier{n}"), format!("fourier{n}.transposed"));
        let output = if axis == 0 && rank < 3 { result.to_string() } else { format!("{source}.axis{axis}") };
        if axis + 1 == rank {
            let matrix = matrix(builder, n, if inverse { &rows } else { &columns });
            x = builder.node("MatMul", &[&x, &matrix], &output, vec![]);
            continue;
        }
        if axis + 2 < rank {
            let faster: usize = extents[axis + 1..].iter().product();
            x = builder.reshape(&x, &[-1, n as i64, faster as i64], &format!("{output}.rows"));
        }
        let matrix = matrix(builder, n, if inverse { &columns } else { &rows });
        x = builder.node("MatMul", &[&matrix, &x], &output, vec![]);
    }
    if rank < 3 {
        return x;
    }
    let sites = extents.iter().map(|&extent| extent as i64);
    builder.reshape(&x, &[-1, lattice.components() as i64].into_iter().chain(sites).collect::<Vec<_>>(), result)
}

fn matrix(builder: &mut GraphBuilder, extent: usize, name: &str) -> String {
    let values = basis(extent);
    let transposed = name.ends_with("transposed");
    let order = (0..extent * extent).map(|index| match transposed {
        true => values[index % extent * extent + index / extent],
        false => values[index],
    });
    builder.floats(name, &[extent, extent], order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_basis_is_orthonormal_and_ordered_by_momentum() {
        for extent in [2, 3, 6, 7, 16] {
            let basis = basis(extent);
            let row = |r: usize| &basis[r * extent..(r + 1) * extent];
            for a in 0..extent {
                for b in 0..extent {
                    let product: f64 = row(a).iter().zip(row(b)).map(|(a, b)| a * b).sum();
                    assert!((product - f64::from(a == b)).abs() < 1e-14, "{extent} {a} {b}");
                }
                // Eigenvector of the second difference with eigenvalue 2 - 2 cos(2 pi k / n).
                let k = a.div_ceil(2) as f64;
                let eigenvalue = 2.0 - 2.0 * (TAU * k / extent as f64).cos();
                for x in 0..extent {
                    let second = 2.0 * row(a)[x] - row(a)[(x + 1) % extent] - row(a)[(x + extent - 1) % extent];
                    assert!((second - eigenvalue * row(a)[x]).abs() < 1e-13);
                }
            }
        }
    }
}
