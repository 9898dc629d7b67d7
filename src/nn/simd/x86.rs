//! AVX2 and AVX-512 registers. The wrappers with `#[target_feature]` are the only entry points:
//! the generic kernels are inlined into them, and compiled for the feature there.

use super::kernels::{ConvolutionCall, WeightGradientCall, convolve, weight_gradient};
use super::{Vector, Vectorised};
use std::arch::x86_64::*;

macro_rules! register {
    ($register:ty, $scalar:ty, $lanes:literal, $half:ty, $lower:expr, $splat:ident, $load:ident, $store:ident, $add:ident, $fma:ident) => {
        impl Vector<$scalar> for $register {
            const LANES: usize = $lanes;
            type Half = $half;
            #[inline(always)]
            unsafe fn lower(self) -> $half {
                // SAFETY: reached only from functions with the feature enabled.
                #[allow(unused_unsafe)]
                unsafe {
                    $lower(self)
                }
            }
            #[inline(always)]
            unsafe fn splat(value: $scalar) -> Self {
                // SAFETY: reached only from functions with the feature enabled.
                unsafe { $splat(value) }
            }
            #[inline(always)]
            unsafe fn load(from: *const $scalar) -> Self {
                // SAFETY: as above; the caller provides LANES readable values.
                unsafe { $load(from) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $scalar) {
                // SAFETY: as above; the caller provides LANES writable values.
                unsafe { $store(to, self) }
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: as above.
                unsafe { $add(self, other) }
            }
            #[inline(always)]
            unsafe fn mul_add(self, a: Self, b: Self) -> Self {
                // SAFETY: as above.
                unsafe { $fma(a, b, self) }
            }
        }
    };
}
register!(
    __m512,
    f32,
    16,
    __m256,
    _mm512_castps512_ps256,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_add_ps,
    _mm512_fmadd_ps
);
register!(
    __m512d,
    f64,
    8,
    __m256d,
    _mm512_castpd512_pd256,
    _mm512_set1_pd,
    _mm512_loadu_pd,
    _mm512_storeu_pd,
    _mm512_add_pd,
    _mm512_fmadd_pd
);
register!(
    __m256,
    f32,
    8,
    Self,
    std::convert::identity,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_add_ps,
    _mm256_fmadd_ps
);
register!(
    __m256d,
    f64,
    4,
    Self,
    std::convert::identity,
    _mm256_set1_pd,
    _mm256_loadu_pd,
    _mm256_storeu_pd,
    _mm256_add_pd,
    _mm256_fmadd_pd
);

macro_rules! entry {
    ($convolve:ident, $gradient:ident, $features:literal, $scalar:ty, $register:ty, $o:literal, $s:literal, $r:literal) => {
        #[target_feature(enable = $features)]
        pub(super) unsafe fn $convolve(call: &ConvolutionCall<'_, $scalar>, out: &mut [$scalar]) {
            // SAFETY: forwarded from the caller.
            unsafe { convolve::<$scalar, $register, $o, $s>(call, out) }
        }
        #[target_feature(enable = $features)]
        pub(super) unsafe fn $gradient(call: &WeightGradientCall<'_, $scalar>, gradient: &mut [$scalar]) {
            // SAFETY: forwarded from the caller.
            unsafe { weight_gradient::<$scalar, $register, $r>(call, gradient) }
        }
    };
}
// Tile sizes fill the 32 (AVX-512) or 16 (AVX2) registers with accumulators.
entry!(convolve_avx512_f32, weight_gradient_avx512_f32, "avx512f", f32, __m512, 8, 2, 9);
entry!(convolve_avx512_f64, weight_gradient_avx512_f64, "avx512f", f64, __m512d, 8, 2, 9);
entry!(convolve_avx2_f32, weight_gradient_avx2_f32, "avx2,fma", f32, __m256, 4, 2, 6);
entry!(convolve_avx2_f64, weight_gradient_avx2_f64, "avx2,fma", f64, __m256d, 4, 2, 6);

#[target_feature(enable = "avx512f")]
pub(super) unsafe fn run_avx512(body: impl FnOnce()) {
    body();
}

#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn run_avx2(body: impl FnOnce()) {
    body();
}

#[target_feature(enable = "avx512f")]
pub(super) unsafe fn work_avx512(work: impl Vectorised) {
    // SAFETY: the caller detected the feature.
    unsafe { work.run::<__m512, __m512d>() }
}

#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn work_avx2(work: impl Vectorised) {
    // SAFETY: the caller detected the features.
    unsafe { work.run::<__m256, __m256d>() }
}
