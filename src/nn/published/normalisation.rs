//! Group normalisation (Wu, He, arXiv:1803.08494): y = (h - mean) / sqrt(variance + 1e-5), mean and variance over the
//! channels of a group and all sites of the lattice, for each sample.

use super::matrix::MatrixReal;
use crate::nn::simd::InstructionSet;

/// Beside the variance of a group.
const SMALL: f64 = 1e-5;
/// Partial sums; their number is the same for every instruction set.
const LANES: usize = 8;

/// `channels` in `groups` equal groups.
pub(super) struct GroupNorm {
    pub channels: usize,
    pub groups: usize,
}

impl GroupNorm {
    /// Ranges of the channels of sample `sample` that group `group` holds.
    fn slices(
        &self,
        group: usize,
        (sample, batch): (usize, usize),
        sites: usize,
    ) -> impl Iterator<Item = Slice> + Clone {
        let size = self.channels / self.groups;
        (group * size..(group + 1) * size).map(move |channel| {
            let start = (channel * batch + sample) * sites;
            start..start + sites
        })
    }

    /// Turns h into y in place; `inverse[group][sample]` receives 1/sqrt(variance + 1e-5).
    pub fn normalise<T: MatrixReal>(&self, h: &mut [T], batch: usize, inverse: &mut [T]) {
        let sites = h.len() / (self.channels * batch);
        let count = T::from_f64((self.channels / self.groups * sites) as f64);
        T::vectorised(
            InstructionSet::best(),
            #[inline(always)]
            || {
                for (index, inverse) in inverse.iter_mut().enumerate() {
                    let (group, sample) = (index / batch, index % batch);
                    let slices = self.slices(group, (sample, batch), sites);
                    let mut sums = [T::from_f64(0.0); LANES];
                    slices.clone().for_each(|slice| add(&h[slice], &mut sums));
                    let mean = total(sums) / count;
                    let mut sums = [T::from_f64(0.0); LANES];
                    for slice in slices.clone() {
                        h[slice.clone()].iter_mut().for_each(|h| *h = *h - mean);
                        add_products(&h[slice.clone()], &h[slice], &mut sums);
                    }
                    let variance = (total(sums) / count).to_f64();
                    *inverse = T::from_f64(1.0 / (variance + SMALL).sqrt());
                    slices.for_each(|slice| h[slice].iter_mut().for_each(|h| *h *= *inverse));
                }
            },
        );
    }

    /// v := J v with the derivative J = (1 - mean - y mean(y .)) / sqrt(variance + 1e-5) of y in h, which is
    /// symmetric: the tangent and the backward pass are one. `v` may hold several directions for each of the `batch`
    /// samples of y: number i belongs to sample i modulo `batch`.
    pub fn derivative<T: MatrixReal>(&self, y: &[T], inverse: &[T], batch: usize, v: &mut [T]) {
        let sites = y.len() / (self.channels * batch);
        let directions = v.len() / (self.channels * sites);
        let count = T::from_f64((self.channels / self.groups * sites) as f64);
        T::vectorised(
            InstructionSet::best(),
            #[inline(always)]
            || {
                for index in 0..self.groups * directions {
                    let (group, direction) = (index / directions, index % directions);
                    let sample = direction % batch;
                    let of_y = self.slices(group, (sample, batch), sites);
                    let of_v = self.slices(group, (direction, directions), sites);
                    let (mut sums, mut products) = ([T::from_f64(0.0); LANES], [T::from_f64(0.0); LANES]);
                    for (y_slice, v_slice) in of_y.clone().zip(of_v.clone()) {
                        add(&v[v_slice.clone()], &mut sums);
                        add_products(&y[y_slice], &v[v_slice], &mut products);
                    }
                    let (mean, slope) = (total(sums) / count, total(products) / count);
                    let inverse = inverse[group * batch + sample];
                    for (y_slice, v_slice) in of_y.zip(of_v) {
                        for (v, &y) in v[v_slice].iter_mut().zip(&y[y_slice]) {
                            *v = (*v - mean - y * slope) * inverse;
                        }
                    }
                }
            },
        );
    }
}

type Slice = std::ops::Range<usize>;

#[inline(always)]
fn add<T: MatrixReal>(values: &[T], sums: &mut [T; LANES]) {
    for values in values.chunks(LANES) {
        sums.iter_mut().zip(values).for_each(|(sum, &x)| *sum += x);
    }
}

#[inline(always)]
fn add_products<T: MatrixReal>(a: &[T], b: &[T], sums: &mut [T; LANES]) {
    for (a, b) in a.chunks(LANES).zip(b.chunks(LANES)) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (&a, &b))| *sum += a * b);
    }
}

#[inline(always)]
fn total<T: MatrixReal>(sums: [T; LANES]) -> T {
    sums.into_iter().fold(T::from_f64(0.0), |total, sum| total + sum)
}
