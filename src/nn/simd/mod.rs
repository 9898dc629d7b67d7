//! Vector types and run-time dispatch for the hot loops.
//!
//! Every kernel defines its result as a fixed sequence of fused multiply-adds per output value, and
//! lanes never mix. The result therefore has the same bits with AVX-512, AVX2 and the portable
//! path; only the speed differs. (Without hardware FMA the portable path is correct but slow.)

mod kernels;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use kernels::{ConvolutionCall, Shifted, WeightGradientCall};

use std::sync::OnceLock;

/// A register of [`Vector::LANES`] values.
///
/// # Safety
/// Implementations may need CPU features: construct and use them only in code that is reached
/// after the features were detected. `load` and `store` need `LANES` readable or writable values.
pub(crate) trait Vector<T>: Copy {
    /// Values in a register.
    const LANES: usize;
    /// A register of half the lanes where that is cheaper for few values, else the same one.
    type Half: Vector<T>;
    /// The lower lanes.
    unsafe fn lower(self) -> Self::Half;
    unsafe fn splat(value: T) -> Self;
    unsafe fn load(from: *const T) -> Self;
    unsafe fn store(self, to: *mut T);
    unsafe fn add(self, other: Self) -> Self;
    /// `self + a * b`, rounded once.
    unsafe fn mul_add(self, a: Self, b: Self) -> Self;
}

/// Code paths, in the order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstructionSet {
    /// Plain Rust.
    Portable,
    /// AVX2 with FMA.
    Avx2,
    /// AVX-512F.
    Avx512,
}

impl InstructionSet {
    /// The best path of this machine, detected once.
    pub fn best() -> Self {
        static BEST: OnceLock<InstructionSet> = OnceLock::new();
        *BEST.get_or_init(|| Self::available().pop().unwrap_or(InstructionSet::Portable))
    }

    /// All paths that this machine can run.
    pub fn available() -> Vec<Self> {
        let mut sets = vec![InstructionSet::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                sets.push(InstructionSet::Avx2);
                if is_x86_feature_detected!("avx512f") {
                    sets.push(InstructionSet::Avx512);
                }
            }
        }
        sets
    }
}

/// Work that is compiled for every kind of register. Unlike a closure in [`Real::vectorised`], which the compiler need not inline
/// when it is long, it cannot end up without them.
pub(crate) trait Vectorised {
    /// Does it; to be inlined always.
    ///
    /// # Safety
    /// The CPU has the features of `Single` and `Double`.
    unsafe fn run<Single: Vector<f32>, Double: Vector<f64>>(self);

    /// Does it with the registers of `set`.
    fn run_on(self, set: InstructionSet)
    where
        Self: Sized,
    {
        match set {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the set was detected.
            InstructionSet::Avx512 => unsafe { x86::work_avx512(self) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the set was detected.
            InstructionSet::Avx2 => unsafe { x86::work_avx2(self) },
            // SAFETY: needs no feature.
            _ => unsafe { self.run::<Portable<f32>, Portable<f64>>() },
        }
    }
}

/// Eight values in an array: the portable register.
#[derive(Clone, Copy)]
pub(crate) struct Portable<T>([T; 8]);

impl<T: Real> Vector<T> for Portable<T> {
    const LANES: usize = 8;
    type Half = Self;
    #[inline(always)]
    unsafe fn lower(self) -> Self {
        self
    }
    #[inline(always)]
    unsafe fn splat(value: T) -> Self {
        Portable([value; 8])
    }
    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: the caller provides LANES readable values; the read is unaligned.
        Portable(unsafe { from.cast::<[T; 8]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: the caller provides LANES writable values; the write is unaligned.
        unsafe { to.cast::<[T; 8]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Portable(std::array::from_fn(|lane| self.0[lane] + other.0[lane]))
    }
    #[inline(always)]
    unsafe fn mul_add(self, a: Self, b: Self) -> Self {
        Portable(std::array::from_fn(|lane| a.0[lane].mul_add(b.0[lane], self.0[lane])))
    }
}

/// The scalar type of a network: `f32` for production, `f64` for derivative checks.
pub trait Real:
    Copy
    + Default
    + PartialOrd
    + Send
    + Sync
    + std::fmt::Debug
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Neg<Output = Self>
    + std::ops::AddAssign
    + std::ops::MulAssign
    + 'static
{
    /// Rounds from double precision.
    fn from_f64(value: f64) -> Self;
    /// Widens to double precision.
    fn to_f64(self) -> f64;
    /// `self * a + b`, rounded once.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// exp(self) for |self| < 80, accurate to about one unit in the last place.
    fn exp(self) -> Self;
    /// Periodic convolution of one configuration.
    fn convolve(set: InstructionSet, call: &ConvolutionCall<'_, Self>, out: &mut [Self]);
    /// Weight gradient of a periodic convolution of one configuration.
    fn convolve_weights(set: InstructionSet, call: &WeightGradientCall<'_, Self>, gradient: &mut [Self]);
    /// Runs `body` compiled for the instruction set, so that its loops use it.
    fn vectorised(set: InstructionSet, body: impl FnOnce());
}

macro_rules! real {
    ($scalar:ident, $exp:path, $conv512:ident, $grad512:ident, $conv2:ident, $grad2:ident) => {
        impl Real for $scalar {
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $scalar
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                $scalar::mul_add(self, a, b)
            }
            #[inline(always)]
            fn exp(self) -> Self {
                $exp(self)
            }
            fn convolve(set: InstructionSet, call: &ConvolutionCall<'_, Self>, out: &mut [Self]) {
                call.check(out);
                match set {
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: the set was detected, and `check` proved the bounds.
                    InstructionSet::Avx512 => unsafe { x86::$conv512(call, out) },
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: as above.
                    InstructionSet::Avx2 => unsafe { x86::$conv2(call, out) },
                    // SAFETY: as above; the portable path needs no CPU feature.
                    _ => unsafe { kernels::convolve::<$scalar, Portable<$scalar>, 4, 1>(call, out) },
                }
            }
            fn convolve_weights(set: InstructionSet, call: &WeightGradientCall<'_, Self>, gradient: &mut [Self]) {
                call.check(gradient);
                match set {
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: the set was detected, and `check` proved the bounds.
                    InstructionSet::Avx512 => unsafe { x86::$grad512(call, gradient) },
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: as above.
                    InstructionSet::Avx2 => unsafe { x86::$grad2(call, gradient) },
                    // SAFETY: as above; the portable path needs no CPU feature.
                    _ => unsafe { kernels::weight_gradient::<$scalar, Portable<$scalar>, 4>(call, gradient) },
                }
            }
            #[inline(always)]
            fn vectorised(set: InstructionSet, body: impl FnOnce()) {
                match set {
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: the set was detected.
                    InstructionSet::Avx512 => unsafe { x86::run_avx512(body) },
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: the set was detected.
                    InstructionSet::Avx2 => unsafe { x86::run_avx2(body) },
                    _ => body(),
                }
            }
        }
    };
}
real!(f32, exp_f32, convolve_avx512_f32, weight_gradient_avx512_f32, convolve_avx2_f32, weight_gradient_avx2_f32);
real!(f64, libm::exp, convolve_avx512_f64, weight_gradient_avx512_f64, convolve_avx2_f64, weight_gradient_avx2_f64);

/// exp(x) by range reduction to |r| <= ln(2)/2 and a polynomial of degree 6 (Cephes coefficients).
/// Only IEEE operations and fused multiply-adds: same bits everywhere, and loops over it vectorise.
#[inline(always)]
fn exp_f32(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low mantissa bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 87.0);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-0.693_359_4, x);
    let r = n.mul_add(2.121_944_4e-4, r);
    let mut p = 1.987_569_1e-4_f32;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
        p = p.mul_add(r, coefficient);
    }
    let value = (p * r).mul_add(r, r) + 1.0;
    let exponent = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    value * f32::from_bits(((exponent + 127) << 23) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_precision_exponential_is_accurate() {
        for i in -16_000..=16_000 {
            let x = i as f32 * 0.005;
            let exact = (x as f64).exp();
            assert!(((exp_f32(x) as f64 - exact) / exact).abs() < 1.5e-7, "x = {x}");
        }
    }
}
