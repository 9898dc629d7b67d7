//! The two hot loops of the network, generic in the scalar and in the register.
//!
//! A periodic convolution needs neighbours across the boundary. `convolution.rs` lays one
//! configuration out as `[channel][shift along the last axis][padded row][x]`, so that every tap of
//! the stencil is a constant offset and consecutive sites are contiguous: no lane is wasted on
//! padding and no boundary case remains here.

use super::{Real, Vector};

/// The shifted copy of one configuration, and where the values of a stencil lie in it.
#[derive(Clone, Copy)]
pub struct Shifted<'a, T> {
    /// `[channel][shifted copy]`, with [`Shifted::SLACK`] more values at the end.
    pub values: &'a [T],
    /// Values of one channel.
    pub channel_stride: usize,
    /// Offset of each tap of the stencil.
    pub taps: &'a [usize],
    /// Offset of each contiguous block of sites.
    pub blocks: &'a [usize],
    /// Sites in a block.
    pub block_sites: usize,
}

impl<T> Shifted<'_, T> {
    /// Readable values that must follow the copy: the last register of a block overruns.
    pub const SLACK: usize = 64;

    fn sites(&self) -> usize {
        self.blocks.len() * self.block_sites
    }

    /// Proves every access to `inputs` channels in bounds.
    fn check(&self, inputs: usize) {
        let reach = self.taps.iter().max().copied().unwrap_or(0) + self.blocks.iter().max().copied().unwrap_or(0);
        assert!(inputs >= 1 && self.block_sites >= 1);
        assert!(self.values.len() >= (inputs - 1) * self.channel_stride + reach + self.block_sites + Self::SLACK);
    }
}

/// Input of a convolution.
pub struct ConvolutionCall<'a, T> {
    /// The configuration.
    pub input: Shifted<'a, T>,
    /// `[input channel][tap][output channel]`.
    pub weights: &'a [T],
    /// One value an output channel, or none.
    pub bias: Option<&'a [T]>,
    /// Number of output channels.
    pub outputs: usize,
    /// Add to `out` instead of overwriting it.
    pub accumulate: bool,
}

impl<T> ConvolutionCall<'_, T> {
    fn inputs(&self) -> usize {
        self.weights.len() / (self.input.taps.len() * self.outputs).max(1)
    }

    /// Proves every access of the kernel in bounds.
    pub(super) fn check(&self, out: &[T]) {
        self.input.check(self.inputs());
        assert_eq!(self.weights.len(), self.inputs() * self.input.taps.len() * self.outputs);
        assert_eq!(out.len(), self.outputs * self.input.sites());
        assert!(self.bias.is_none_or(|bias| bias.len() == self.outputs));
    }
}

/// `out[o][x] (+)= bias[o] + sum_(c, tap) weights[c][tap][o] shifted[c][x + tap]`, summed in the
/// order (c, tap) by fused multiply-adds. `O` output channels times `S` registers of sites a tile.
#[inline(always)]
pub(super) unsafe fn convolve<T: Real, V: Vector<T>, const O: usize, const S: usize>(
    call: &ConvolutionCall<'_, T>,
    out: &mut [T],
) {
    let mut first = 0;
    while first < call.outputs {
        let left = call.outputs - first;
        // SAFETY: bounds were proved by `check`; tiles stay within `outputs`.
        unsafe {
            if left >= O {
                sites::<T, V, O, S>(call, first, out);
                first += O;
            } else if left >= 4 && O > 4 {
                sites::<T, V, 4, S>(call, first, out);
                first += 4;
            } else {
                sites::<T, V, 1, S>(call, first, out);
                first += 1;
            }
        }
    }
}

#[inline(always)]
unsafe fn sites<T: Real, V: Vector<T>, const O: usize, const S: usize>(
    call: &ConvolutionCall<'_, T>,
    first: usize,
    out: &mut [T],
) {
    let n = call.input.block_sites;
    for (block, &origin) in call.input.blocks.iter().enumerate() {
        let mut site = 0;
        while site < n {
            // SAFETY: bounds were proved by `check`; loads overrun a block by less than SLACK.
            unsafe {
                if site + S * V::LANES <= n {
                    tile::<T, V, O, S>(call, first, origin + site, block * n + site, S * V::LANES, out);
                    site += S * V::LANES;
                } else {
                    let lanes = V::LANES.min(n - site);
                    tile::<T, V, O, 1>(call, first, origin + site, block * n + site, lanes, out);
                    site += lanes;
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn tile<T: Real, V: Vector<T>, const O: usize, const S: usize>(
    call: &ConvolutionCall<'_, T>,
    first: usize,
    source: usize,
    target: usize,
    lanes: usize,
    out: &mut [T],
) {
    let sites = call.input.sites();
    // SAFETY: see `convolve`; a partial register goes through a temporary of a whole one.
    unsafe {
        let mut sum = [[V::splat(T::default()); S]; O];
        if let Some(bias) = call.bias {
            for o in 0..O {
                sum[o] = [V::splat(*bias.get_unchecked(first + o)); S];
            }
        }
        let mut weights = call.weights.as_ptr().add(first);
        for channel in 0..call.inputs() {
            let base = call.input.values.as_ptr().add(channel * call.input.channel_stride + source);
            for &tap in call.input.taps {
                let mut x = [V::splat(T::default()); S];
                for s in 0..S {
                    x[s] = V::load(base.add(tap + s * V::LANES));
                }
                for o in 0..O {
                    let w = V::splat(*weights.add(o));
                    for s in 0..S {
                        sum[o][s] = sum[o][s].mul_add(w, x[s]);
                    }
                }
                weights = weights.add(call.outputs);
            }
        }
        for o in 0..O {
            let row = out.as_mut_ptr().add((first + o) * sites + target);
            if lanes == S * V::LANES {
                for s in 0..S {
                    let to = row.add(s * V::LANES);
                    let value = if call.accumulate { V::load(to).add(sum[o][s]) } else { sum[o][s] };
                    value.store(to);
                }
            } else {
                let mut values = [T::default(); 16];
                sum[o][0].store(values.as_mut_ptr());
                for (lane, &value) in values[..lanes].iter().enumerate() {
                    let to = row.add(lane);
                    *to = if call.accumulate { *to + value } else { value };
                }
            }
        }
    }
}

/// Input of a weight gradient.
pub struct WeightGradientCall<'a, T> {
    /// The configuration.
    pub input: Shifted<'a, T>,
    /// Number of input channels.
    pub inputs: usize,
    /// Number of output channels.
    pub outputs: usize,
    /// Gradient with respect to the output, transposed to `[site][output channel]`, each row padded
    /// with zeros to `row` values.
    pub transposed: &'a [T],
    /// A multiple of 16, at least `outputs`.
    pub row: usize,
}

impl<T> WeightGradientCall<'_, T> {
    /// Length of a row of `transposed` for a number of output channels.
    pub fn row(outputs: usize) -> usize {
        outputs.next_multiple_of(16)
    }

    pub(super) fn check(&self, gradient: &[T]) {
        self.input.check(self.inputs);
        assert_eq!(self.row, Self::row(self.outputs));
        assert_eq!(self.transposed.len(), self.input.sites() * self.row);
        assert_eq!(gradient.len(), self.inputs * self.input.taps.len() * self.outputs);
    }
}

/// `gradient[c][tap][o] += sum_x shifted[c][x + tap] transposed[x][o]`, the sum over sites in order.
/// `R` rows (c, tap) share one pass over the sites, so that each loaded gradient serves as often.
#[inline(always)]
pub(super) unsafe fn weight_gradient<T: Real, V: Vector<T>, const R: usize>(
    call: &WeightGradientCall<'_, T>,
    gradient: &mut [T],
) {
    let half = <V::Half as Vector<T>>::LANES;
    let mut first = 0;
    while first < call.outputs {
        let left = call.outputs - first;
        // SAFETY: bounds were proved by `check`; `row` pads the transposed gradient to whole registers.
        unsafe {
            if left > V::LANES + half {
                rows::<T, V, R, 2, false>(call, first, gradient);
                first += 2 * V::LANES;
            } else if left > V::LANES {
                rows::<T, V, R, 1, true>(call, first, gradient);
                first += V::LANES + half;
            } else if left > half || half == V::LANES {
                rows::<T, V, R, 1, false>(call, first, gradient);
                first += V::LANES;
            } else {
                rows::<T, V, R, 0, true>(call, first, gradient);
                first += half;
            }
        }
    }
}

#[inline(always)]
unsafe fn rows<T: Real, V: Vector<T>, const R: usize, const N: usize, const H: bool>(
    call: &WeightGradientCall<'_, T>,
    first: usize,
    gradient: &mut [T],
) {
    let rows = call.inputs * call.input.taps.len();
    let mut at = Row { channel: 0, tap: 0, index: 0 };
    while at.index < rows {
        // SAFETY: see `weight_gradient`.
        unsafe {
            if rows - at.index >= R {
                weight_tile::<T, V, R, N, H>(call, &mut at, first, gradient);
            } else if rows - at.index >= 4 {
                weight_tile::<T, V, 4, N, H>(call, &mut at, first, gradient);
            } else {
                weight_tile::<T, V, 1, N, H>(call, &mut at, first, gradient);
            }
        }
    }
}

/// A row (c, tap) of the gradient, counted without divisions.
struct Row {
    channel: usize,
    tap: usize,
    index: usize,
}

/// `R` rows times `N` registers of output channels, and half a one if `H`, from `first` on.
#[inline(always)]
unsafe fn weight_tile<T: Real, V: Vector<T>, const R: usize, const N: usize, const H: bool>(
    call: &WeightGradientCall<'_, T>,
    at: &mut Row,
    first: usize,
    gradient: &mut [T],
) {
    // SAFETY: see `weight_gradient`.
    unsafe {
        let to = gradient.as_mut_ptr().add(at.index * call.outputs + first);
        let mut source = [call.input.values.as_ptr(); R];
        for r in 0..R {
            source[r] = source[r].add(at.channel * call.input.channel_stride + *call.input.taps.get_unchecked(at.tap));
            at.tap += 1;
            if at.tap == call.input.taps.len() {
                (at.channel, at.tap) = (at.channel + 1, 0);
            }
        }
        at.index += R;
        let mut sum = [[V::splat(T::default()); N]; R];
        let mut half_sum = [V::Half::splat(T::default()); R];
        let mut site = call.transposed.as_ptr().add(first);
        for &origin in call.input.blocks {
            for x in origin..origin + call.input.block_sites {
                let mut g = [V::splat(T::default()); N];
                for n in 0..N {
                    g[n] = V::load(site.add(n * V::LANES));
                }
                let half = if H { V::Half::load(site.add(N * V::LANES)) } else { V::Half::splat(T::default()) };
                for r in 0..R {
                    let value = V::splat(*source[r].add(x));
                    for n in 0..N {
                        sum[r][n] = sum[r][n].mul_add(value, g[n]);
                    }
                    if H {
                        half_sum[r] = half_sum[r].mul_add(value.lower(), half);
                    }
                }
                site = site.add(call.row);
            }
        }
        let left = call.outputs - first;
        for r in 0..R {
            let row = to.add(r * call.outputs);
            for n in 0..N {
                add_to(sum[r][n], row.add(n * V::LANES), left.saturating_sub(n * V::LANES));
            }
            if H {
                add_to(half_sum[r], row.add(N * V::LANES), left.saturating_sub(N * V::LANES));
            }
        }
    }
}

/// Adds the first `count` lanes of `sum`, or all if there are more.
#[inline(always)]
unsafe fn add_to<T: Real, V: Vector<T>>(sum: V, to: *mut T, count: usize) {
    // SAFETY: the caller provides min(`count`, LANES) values.
    unsafe {
        if count >= V::LANES {
            V::load(to).add(sum).store(to);
        } else {
            let mut values = [T::default(); 16];
            sum.store(values.as_mut_ptr());
            for (lane, &value) in values[..count].iter().enumerate() {
                *to.add(lane) += value;
            }
        }
    }
}
