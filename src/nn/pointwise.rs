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
    for c in 0..channels {
        let range = c * sites..(c + 1) * sites;
        let (mut scale_sum, mut shift_sum) = (T::default(), T::default());
        for (g, &h) in gradient[range.clone()].iter_mut().zip(&h[range]) {
            scale_sum = g.mul_add(h, scale_sum);
            shift_sum += *g;
            *g *= one + modulation[c];
        }
        modulation_gradient[c] += scale_sum;
        modulation_gradient[channels + c] += shift_sum;
    }
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
        },
    );
    if let Some(input_gradient) = input_gradient {
        for (sum, row) in input_gradient.iter_mut().zip(weights.chunks_exact(gradient.len())) {
            for (&w, &g) in row.iter().zip(gradient) {
                *sum = w.mul_add(g, *sum);
            }
        }
    }
}
