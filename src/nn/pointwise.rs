//! Layers without neighbours: SiLU, feature-wise modulation (FiLM), and the dense layers of the
//! time embedding. Each has a forward, a backward and, where not linear, a tangent.

use super::simd::{InstructionSet, Real};

#[inline(always)]
fn sigmoid<T: Real>(x: T) -> T {
    let one = T::from_f64(1.0);
    one / (one + (-x).exp())
}

/// d/dx x sigmoid(x).
#[inline(always)]
fn silu_slope<T: Real>(x: T) -> T {
    let one = T::from_f64(1.0);
    let s = sigmoid(x);
    s * (one + x * (one - s))
}

/// `out = x sigmoid(x)`.
pub fn silu<T: Real>(x: &[T], out: &mut [T]) {
    T::vectorised(
        InstructionSet::best(),
        #[inline(always)]
        || {
            for (out, &x) in out.iter_mut().zip(x) {
                *out = x * sigmoid(x);
            }
        },
    );
}

/// `gradient *= silu'(x)`: the backward pass, and equally the tangent, in place.
pub fn silu_slope_times<T: Real>(x: &[T], gradient: &mut [T]) {
    T::vectorised(
        InstructionSet::best(),
        #[inline(always)]
        || {
            for (g, &x) in gradient.iter_mut().zip(x) {
                *g *= silu_slope(x);
            }
        },
    );
}

/// FiLM (Perez et al., arXiv:1709.07871): `out_c(x) = (1 + scale_c) h_c(x) + shift_c`, with
/// `modulation` = scales, then shifts.
pub fn film<T: Real>(h: &[T], modulation: &[T], sites: usize, out: &mut [T]) {
    let (scale, shift) = modulation.split_at(modulation.len() / 2);
    let one = T::from_f64(1.0);
    T::vectorised(
        InstructionSet::best(),
        #[inline(always)]
        || {
            let channels = h.chunks_exact(sites).zip(out.chunks_exact_mut(sites));
            for ((h, out), (&scale, &shift)) in channels.zip(scale.iter().zip(shift)) {
                for (out, &h) in out.iter_mut().zip(h) {
                    *out = (one + scale).mul_add(h, shift);
                }
            }
        },
    );
}

/// Tangent of [`film`] in `h`, in place: `tangent_c *= 1 + scale_c`.
pub fn film_tangent<T: Real>(modulation: &[T], sites: usize, tangent: &mut [T]) {
    let one = T::from_f64(1.0);
    for (channel, &scale) in tangent.chunks_exact_mut(sites).zip(modulation) {
        channel.iter_mut().for_each(|value| *value *= one + scale);
    }
}

/// Backward of [`film`]: `gradient` becomes that of `h`; adds to the gradient of the modulation.
pub fn film_backward<T: Real>(
    h: &[T],
    modulation: &[T],
    sites: usize,
    gradient: &mut [T],
    modulation_gradient: &mut [T],
) {
    let channels = modulation.len() / 2;
    let one = T::from_f64(1.0);
    T::vectorised(
        InstructionSet::best(),
        #[inline(always)]
        || {
            for c in 0..channels {
                let range = c * sites..(c + 1) * sites;
                let (mut scale_sums, mut shift_sums) = ([T::default(); LANES], [T::default(); LANES]);
                let gain = one + modulation[c];
                let (g, g_rest) = gradient[range.clone()].as_chunks_mut::<LANES>();
                let (h, h_rest) = h[range].as_chunks::<LANES>();
                for (g, h) in g.iter_mut().zip(h) {
                    for lane in 0..LANES {
                        scale_sums[lane] = g[lane].mul_add(h[lane], scale_sums[lane]);
                        shift_sums[lane] += g[lane];
                        g[lane] *= gain;
                    }
                }
                for (lane, (g, &h)) in g_rest.iter_mut().zip(h_rest).enumerate() {
                    scale_sums[lane] = g.mul_add(h, scale_sums[lane]);
                    shift_sums[lane] += *g;
                    *g *= gain;
                }
                modulation_gradient[c] += total(scale_sums);
                modulation_gradient[channels + c] += total(shift_sums);
            }
        },
    );
}

/// Partial sums of a reduction. The number is the same for every instruction set, and so is the result.
const LANES: usize = 16;

/// Sum of the partial sums, by halving.
#[inline(always)]
fn total<T: Real>(mut sums: [T; LANES]) -> T {
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            let other = sums[lane + width];
            sums[lane] += other;
        }
    }
    sums[0]
}

#[inline(always)]
fn product<T: Real>(a: &[T], b: &[T]) -> T {
    let mut sums = [T::default(); LANES];
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] = a[lane].mul_add(b[lane], sums[lane]);
        }
    }
    for ((&a, &b), sum) in a_rest.iter().zip(b_rest).zip(&mut sums) {
        *sum = a.mul_add(b, *sum);
    }
    total(sums)
}

/// Dense layer, `out_o = b_o + sum_i x_i w[i][o]`, summed in the order of i. The layers of the time
/// embedding are vectors times small matrices, once a noise level: no matrix product is worth its call.
pub fn dense<T: Real>(x: &[T], weights: &[T], bias: &[T], out: &mut [T]) {
    out.copy_from_slice(bias);
    T::vectorised(
        InstructionSet::best(),
        #[inline(always)]
        || {
            for (&x, row) in x.iter().zip(weights.chunks_exact(out.len())) {
                for (out, &w) in out.iter_mut().zip(row) {
                    *out = x.mul_add(w, *out);
                }
            }
        },
    );
}

/// Backward of [`dense`]: adds to the gradients of weights, bias and `x`.
pub fn dense_backward<T: Real>(
    x: &[T],
    weights: &[T],
    gradient: &[T],
    (weight_gradient, bias_gradient): (&mut [T], &mut [T]),
    input_gradient: Option<&mut [T]>,
) {
    T::vectorised(
        InstructionSet::best(),
        #[inline(always)]
        || {
            for (sum, &g) in bias_gradient.iter_mut().zip(gradient) {
                *sum += g;
            }
            for (&x, row) in x.iter().zip(weight_gradient.chunks_exact_mut(gradient.len())) {
                for (sum, &g) in row.iter_mut().zip(gradient) {
                    *sum = x.mul_add(g, *sum);
                }
            }
            if let Some(input_gradient) = input_gradient {
                for (sum, row) in input_gradient.iter_mut().zip(weights.chunks_exact(gradient.len())) {
                    *sum += product(row, gradient);
                }
            }
        },
    );
}
