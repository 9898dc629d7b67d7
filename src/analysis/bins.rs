//! Bins of consecutive data that grow with the data.

/// What a bin holds.
pub(super) trait Bin: Default {
    /// Number of values.
    fn count(&self) -> u64;
    /// Adds all values of another bin.
    fn merge(&mut self, other: &Self);
}

/// Between `fewest` and 2 `fewest` bins (fewer at the beginning) of `width` units each, the last one
/// perhaps not full. A unit is what one push adds. When all 2 `fewest` bins are full, neighbours are joined and the
/// width doubles: the length of the data need not be known.
#[derive(Clone, Debug)]
pub(super) struct Bins<B> {
    fewest: usize,
    width: u64,
    filled: u64,
    bins: Vec<B>,
}

impl<B: Bin> Bins<B> {
    pub fn new(fewest: usize) -> Self {
        Bins { fewest, width: 1, filled: 1, bins: vec![] }
    }

    /// The bin that takes the next units, and how many fit.
    pub fn current(&mut self) -> (&mut B, u64) {
        if self.filled == self.width || self.bins.is_empty() {
            if self.bins.len() >= 2 * self.fewest {
                self.join_neighbours();
            }
            self.bins.push(B::default());
            self.filled = 0;
        }
        let last = self.bins.len() - 1;
        (&mut self.bins[last], self.width - self.filled)
    }

    /// Tells that `units` went into the current bin.
    pub fn advance(&mut self, units: u64) {
        self.filled += units;
    }

    /// Appends the bins of other data, which are taken to be independent of these.
    pub fn append(&mut self, other: &Self)
    where
        B: Clone,
    {
        self.bins.extend(other.bins.iter().cloned());
        self.width = self.width.max(other.width);
        while self.bins.len() > 2 * self.fewest {
            self.join_neighbours();
        }
        // The next unit opens a bin of its own: the last one belongs to the other data.
        self.filled = self.width;
    }

    /// The same data in at most `most` longer bins (at least 1), for errors.
    pub fn joined(&self, most: usize) -> Self
    where
        B: Clone,
    {
        let mut longer = self.clone();
        while longer.bins.len() > most.max(1) {
            longer.join_neighbours();
        }
        longer
    }

    /// Bins with data.
    pub fn used(&self) -> impl Iterator<Item = &B> {
        self.bins.iter().filter(|bin| bin.count() > 0)
    }

    fn join_neighbours(&mut self) {
        for (index, bin) in std::mem::take(&mut self.bins).into_iter().enumerate() {
            match self.bins.last_mut() {
                Some(last) if index % 2 == 1 => last.merge(&bin),
                _ => self.bins.push(bin),
            }
        }
        self.width *= 2;
        self.filled = self.width;
    }
}
