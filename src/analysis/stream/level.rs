//! One level of a [`Correlator`](super::Correlator): a series of block means with its autocovariance at a few lags.

use super::correlator::LAGS;

/// All sums are over finished and open chains, about the centre of the correlator, which is moved to 0.
#[derive(Clone, Debug)]
pub(super) struct Level {
    width: usize,
    /// For every lag: x_a(i) x_a(i + lag) of all observables, then x_a(i) x_b(i + lag) + x_b(i) x_a(i + lag) of all pairs.
    products: Vec<f64>,
    totals: Vec<f64>,
    blocks: u64,
    longest: u64,
    /// For every lag: sums over the first and last `lag` blocks of each chain, which have no partner before or behind.
    /// Of an open chain those at the beginning only.
    edges: Vec<f64>,
    /// For every lag: blocks of finished chains without a partner behind.
    unpaired: [u64; LAGS + 1],
    /// Blocks of the open chain, of which the last are kept, number i at i modulo LAGS + 1.
    open: u64,
    recent: Vec<f64>,
    /// The block that waits for the other half of one of the next level.
    half: Option<Vec<f64>>,
}

impl Level {
    pub fn new(width: usize, pairs: usize) -> Self {
        Level {
            width,
            products: vec![0.0; (LAGS + 1) * (width + pairs)],
            totals: vec![0.0; width],
            blocks: 0,
            longest: 0,
            edges: vec![0.0; (LAGS + 1) * width],
            unpaired: [0; LAGS + 1],
            open: 0,
            recent: vec![0.0; (LAGS + 1) * width],
            half: None,
        }
    }

    /// Blocks over all chains.
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Blocks of the longest chain.
    pub fn longest(&self) -> u64 {
        self.longest.max(self.open)
    }

    pub fn mean(&self, observable: usize) -> f64 {
        if self.blocks == 0 { 0.0 } else { self.totals[observable] / self.blocks as f64 }
    }

    /// Takes a block in; says whether `block` now is one of the next level.
    pub fn push(&mut self, block: &mut [f64], pairs: &[(usize, usize)]) -> bool {
        let (width, stride) = (self.width, self.width + pairs.len());
        let slot = |index: u64| (index % (LAGS + 1) as u64) as usize * width;
        let position = slot(self.open);
        self.recent[position..position + width].copy_from_slice(block);
        let reach = (self.open as usize).min(LAGS);
        for lag in 0..=reach {
            let position = slot(self.open - lag as u64);
            let before = &self.recent[position..position + width];
            let (own, cross) = self.products[lag * stride..(lag + 1) * stride].split_at_mut(width);
            for ((sum, x), y) in own.iter_mut().zip(&*block).zip(before) {
                *sum += x * y;
            }
            for (sum, &(a, b)) in cross.iter_mut().zip(pairs) {
                *sum += block[a] * before[b] + block[b] * before[a];
            }
        }
        for lag in reach + 1..=LAGS {
            add(&mut self.edges[lag * width..(lag + 1) * width], block);
        }
        add(&mut self.totals, block);
        self.open += 1;
        self.blocks += 1;
        match self.half.take() {
            None => {
                self.half = Some(block.to_vec());
                false
            }
            Some(first) => {
                block.iter_mut().zip(first).for_each(|(second, first)| *second = 0.5 * (first + *second));
                true
            }
        }
    }

    /// Closes the open chain; half a block of the next level is dropped.
    pub fn end_chain(&mut self) {
        let width = self.width;
        for lag in 1..=LAGS {
            let members = self.open.min(lag as u64);
            for index in self.open - members..self.open {
                let position = (index % (LAGS + 1) as u64) as usize * width;
                add(&mut self.edges[lag * width..(lag + 1) * width], &self.recent[position..position + width]);
            }
            self.unpaired[lag] += members;
        }
        self.longest = self.longest.max(self.open);
        self.open = 0;
        self.half = None;
    }

    /// Sums about another centre: all values grow by `shift`. Without an open chain.
    pub fn move_centre(&mut self, shift: &[f64], pairs: &[(usize, usize)]) {
        let (width, stride) = (self.width, self.width + pairs.len());
        for lag in 0..=LAGS {
            let count = self.count(lag);
            let both: Vec<f64> = (0..width).map(|a| self.both_sides(lag, a)).collect();
            let products = &mut self.products[lag * stride..(lag + 1) * stride];
            for a in 0..width {
                products[a] += shift[a] * (both[a] + count * shift[a]);
            }
            for (sum, &(a, b)) in products[width..].iter_mut().zip(pairs) {
                *sum += shift[b] * both[a] + shift[a] * both[b] + 2.0 * count * shift[a] * shift[b];
            }
        }
        for lag in 0..=LAGS {
            let unpaired = 2.0 * self.unpaired[lag] as f64;
            for a in 0..width {
                self.edges[lag * width + a] += unpaired * shift[a];
            }
        }
        for (total, shift) in self.totals.iter_mut().zip(shift) {
            *total += self.blocks as f64 * shift;
        }
    }

    /// Adds finished chains about the same centre.
    pub fn add(&mut self, other: &Self) {
        add(&mut self.products, &other.products);
        add(&mut self.totals, &other.totals);
        add(&mut self.edges, &other.edges);
        self.unpaired.iter_mut().zip(other.unpaired).for_each(|(sum, count)| *sum += count);
        self.blocks += other.blocks;
        self.longest = self.longest.max(other.longest);
    }

    /// Pairs of blocks at a distance. Without an open chain, as all below.
    fn count(&self, lag: usize) -> f64 {
        (self.blocks - self.unpaired[lag]) as f64
    }

    /// Sum of x(i) + x(i + lag) over all pairs.
    fn both_sides(&self, lag: usize, observable: usize) -> f64 {
        2.0 * self.totals[observable] - self.edges[lag * self.width + observable]
    }

    /// Gamma(lag) of the sum of the observables with these slopes.
    pub fn covariance(&self, lag: usize, slopes: &[(usize, f64)], pairs: &[(usize, usize)]) -> f64 {
        let (width, count) = (self.width, self.count(lag));
        let products = &self.products[lag * (width + pairs.len())..(lag + 1) * (width + pairs.len())];
        let mut sum = 0.0;
        for (index, &(a, slope)) in slopes.iter().enumerate() {
            let mean = self.mean(a);
            let own = products[a] - mean * self.both_sides(lag, a) + count * mean * mean;
            sum += slope * slope * own;
            for &(b, other) in &slopes[..index] {
                let position = pairs.iter().position(|&pair| pair == (a.min(b), a.max(b)));
                let product = position.map_or(0.0, |position| products[width + position]);
                let (m, n) = (mean, self.mean(b));
                let centred = product - n * self.both_sides(lag, a) - m * self.both_sides(lag, b);
                sum += slope * other * (centred + 2.0 * count * m * n);
            }
        }
        sum / count
    }
}

fn add(sums: &mut [f64], values: &[f64]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}
