//! Layers without neighbours: activations, feature-wise modulation (FiLM), and the dense layers of the
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

/// The activation of odd networks, x + (a - 1) x/(1 + k x^2), has slope a = [`ODD_SLOPE`] at zero and 1 far away,
/// and turns at |x| = k^(-1/2) with k = [`ODD_BEND`]. The slope must fall: after 2000 steps on the two-peak law the
/// correction is off by 0.013 (r.m.s.) with this one, by 0.006 with SiLU, and by 0.11 to 0.19 with slopes of 0 or 1/4
/// at zero; slopes of 4 or 7 and bends of 1 to 16 differ little.
pub const ODD_SLOPE: f64 = 4.0;
/// See [`ODD_SLOPE`].
pub const ODD_BEND: f64 = 4.0;

/// r = 1/(1 + k x^2). Large arguments overflow to 0, which is the limit.
#[inline(always)]
fn odd_part<T: Real>(x: T) -> T {
    let one = T::from_f64(1.0);
    one / (T::from_f64(ODD_BEND) * x).mul_add(x, one)
}

/// d/dx = 1 + (a - 1) r (2 r - 1).
#[inline(always)]
fn odd_slope<T: Real>(x: T) -> T {
    let one = T::from_f64(1.0);
    let r = odd_part(x);
    (r * (r + r - one)).mul_add(T::from_f64(ODD_SLOPE - 1.0), one)
}

/// `out = x (1 + (a - 1)/(1 + k x^2))`, see [`ODD_SLOPE`]: odd to the bit, smooth, monotonic, and without an
/// exponential.
pub fn odd<T: Real>(x: &[T], out: &mut [T]) {
    odd_with(InstructionSet::best(), x, out);
}

fn odd_with<T: Real>(set: InstructionSet, x: &[T], out: &mut [T]) {
    T::vectorised(
        set,
        #[inline(always)]
        || {
            for (out, &x) in out.iter_mut().zip(x) {
                *out = x * odd_part(x).mul_add(T::from_f64(ODD_SLOPE - 1.0), T::from_f64(1.0));
            }
        },
    );
}

/// `gradient *= odd'(x)`: the backward pass, and equally the tangent, in place.
pub fn odd_slope_times<T: Real>(x: &[T], gradient: &mut [T]) {
    odd_slope_times_with(InstructionSet::best(), x, gradient);
}

fn odd_slope_times_with<T: Real>(set: InstructionSet, x: &[T], gradient: &mut [T]) {
    T::vectorised(
        set,
        #[inline(always)]
        || {
            for (g, &x) in gradient.iter_mut().zip(x) {
                *g *= odd_slope(x);
            }
        },
    );
}

/// What stands between the convolutions of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// [`silu`].
    Silu,
    /// [`odd`].
    Odd,
}

impl Activation {
    /// `out = f(x)`.
    pub fn apply<T: Real>(self, x: &[T], out: &mut [T]) {
        match self {
            Activation::Silu => silu(x, out),
            Activation::Odd => odd(x, out),
        }
    }

    /// `gradient *= f'(x)`.
    pub fn slope_times<T: Real>(self, x: &[T], gradient: &mut [T]) {
        match self {
            Activation::Silu => silu_slope_times(x, gradient),
            Activation::Odd => odd_slope_times(x, gradient),
        }
    }
}

/// FiLM (Perez et al., arXiv:1709.07871): `out_c(x) = (1 + scale_c) h_c(x) + shift_c`, with
/// `modulation` = scales, then shifts; without shifts if there are none.
pub fn film<T: Real>(h: &[T], modulation: &[T], sites: usize, out: &mut [T]) {
    let (scale, shift) = modulation.split_at(h.len() / sites);
    let one = T::from_f64(1.0);
    T::vectorised(
        InstructionSet::best(),
        #[inline(always)]
        || {
            if shift.is_empty() {
                let channels = h.chunks_exact(sites).zip(out.chunks_exact_mut(sites));
                for ((h, out), &scale) in channels.zip(scale) {
                    out.iter_mut().zip(h).for_each(|(out, &h)| *out = (one + scale) * h);
                }
                return;
            }
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
    let channels = h.len() / sites;
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
                if let Some(shift) = modulation_gradient.get_mut(channels + c) {
                    *shift += total(shift_sums);
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    fn normals(length: usize, scale: f64) -> Vec<f64> {
        let mut values = vec![0.0; length];
        Stream::new(3, 0, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut values);
        values.into_iter().map(|z| scale * z).collect()
    }

    #[test]
    fn the_odd_activation_has_its_formula_and_its_slope() {
        let x = normals(200, 3.0);
        let mut out = x.clone();
        let at = |x: f64| {
            let mut out = [0.0];
            odd(&[x], &mut out);
            out[0]
        };
        odd(&x, &mut out);
        let mut slopes = vec![1.0; x.len()];
        odd_slope_times(&x, &mut slopes);
        for ((&x, &y), &slope) in x.iter().zip(&out).zip(&slopes) {
            let formula = x + (ODD_SLOPE - 1.0) * x / (1.0 + ODD_BEND * x * x);
            assert!((y - formula).abs() < 1e-14 * (1.0 + x.abs()));
            assert!(slope > 0.6, "monotonic");
            assert!((slope - (at(x + 1e-5) - at(x - 1e-5)) / 2e-5).abs() < 5e-9, "x = {x}");
        }
        let (mut far, mut slopes) = ([0.0f32; 3], [1.0f32; 3]);
        odd(&[1e30, -1e30, 0.0], &mut far);
        odd_slope_times(&[1e30, -1e30, 0.0], &mut slopes);
        assert_eq!((far, slopes), ([1e30, -1e30, 0.0], [1.0, 1.0, ODD_SLOPE as f32]));
    }

    #[test]
    fn the_odd_activation_is_odd_and_the_same_in_every_instruction_set() {
        // Registers, and what is left of one.
        let x: Vec<f32> = normals(77, 2.0).into_iter().map(|x| x as f32).collect();
        let results: Vec<_> = InstructionSet::available()
            .into_iter()
            .map(|set| {
                let (mut out, mut slopes) = (vec![0.0; x.len()], x.clone());
                odd_with(set, &x, &mut out);
                odd_slope_times_with(set, &x, &mut slopes);
                (out, slopes)
            })
            .collect();
        assert!(results.iter().all(|result| *result == results[0]));
        let negated: Vec<f32> = x.iter().map(|x| -x).collect();
        let mut out = vec![0.0; x.len()];
        odd(&negated, &mut out);
        assert!(out.iter().zip(&results[0].0).all(|(a, b)| a.to_bits() == (-b).to_bits()));
    }

    /// What an odd network leaves out of the modulation changes nothing else.
    #[test]
    fn modulation_without_shifts_is_that_with_shifts_of_zero() {
        let (sites, channels) = (21, 3);
        let h = normals(sites * channels, 1.0);
        let modulation = [0.3, -0.2, 0.7, 0.0, 0.0, 0.0];
        let (mut with, mut without) = (vec![0.0; h.len()], vec![0.0; h.len()]);
        film(&h, &modulation, sites, &mut with);
        film(&h, &modulation[..channels], sites, &mut without);
        assert_eq!(with, without);
        let (mut gradients, mut sums) = ([with.clone(), with], ([0.0; 6], [0.0; 3]));
        film_backward(&h, &modulation, sites, &mut gradients[0], &mut sums.0);
        film_backward(&h, &modulation[..channels], sites, &mut gradients[1], &mut sums.1);
        assert_eq!(gradients[0], gradients[1]);
        assert_eq!(sums.0[..channels], sums.1);
    }
}
