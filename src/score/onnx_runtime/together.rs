//! How many fields ONNX Runtime may evaluate at once.
//!
//! An exact kernel evaluates the denoiser of one field in batches of different sizes, and its two directions must be the same
//! function to the last bit. ONNX Runtime does not promise that: a matrix product of one row may go another way than one of many,
//! a vector loop may end in scalar code. So the sizes in use are found by trying: on random fields of several
//! noise levels, every size must give the bits that each field has in every other one, at any place in the batch. Sizes that do
//! not are not used; in the worst case every field is evaluated alone, which is one function by construction.

use crate::error::Result;

/// The batches that give the same bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Together {
    /// Sizes of batches, ascending; a smaller rest is padded to the first.
    sizes: Vec<usize>,
    /// Fields that count in a batch of the first size: all, or only the first where places differ.
    used: usize,
}

/// Largest smallest size: beyond, padding costs more than batches bring.
const LARGEST_PADDING: usize = 4;

impl Together {
    /// Tries powers of two up to `most` fields. `run` evaluates the fields of the given numbers (0 to `most` - 1) as one
    /// batch and returns their outputs one after the other.
    ///
    /// # Errors
    /// What `run` returns.
    pub fn find(most: usize, mut run: impl FnMut(&[usize]) -> Result<Vec<f64>>) -> Result<Self> {
        let most = if most.is_power_of_two() { most } else { most.next_power_of_two() / 2 }.max(1);
        if most == 1 {
            return Ok(Together { sizes: vec![1], used: 1 });
        }
        let all: Vec<usize> = (0..most).collect();
        let expected = run(&all)?;
        let values = expected.len() / most;
        let mut same = |numbers: &[usize]| -> Result<bool> {
            let found = run(numbers)?;
            Ok(found
                .chunks_exact(values)
                .zip(numbers)
                .all(|(found, &number)| equal(found, &expected[number * values..][..values])))
        };
        let rotated: Vec<usize> = (0..most).map(|index| (index + 1) % most).collect();
        let mut sizes = vec![];
        // Other places, and other company.
        if same(&rotated)? && same(&vec![0; most])? {
            let mut size = 1;
            while size < most {
                if same(&all[..size])? && same(&all[most - size..])? {
                    sizes.push(size);
                }
                size *= 2;
            }
            sizes.push(most);
        }
        match sizes.first() {
            Some(&first) if first <= LARGEST_PADDING => Ok(Together { used: first, sizes }),
            _ => Ok(Together { sizes: vec![1], used: 1 }),
        }
    }

    /// For graphs whose batch is fixed: places in it may count or not. Where they do, a field is alone in it, at the
    /// first place, among copies of itself.
    ///
    /// # Errors
    /// What `run` returns.
    pub fn fixed(size: usize, mut run: impl FnMut(&[usize]) -> Result<Vec<f64>>) -> Result<Self> {
        let all: Vec<usize> = (0..size).collect();
        let expected = run(&all)?;
        let values = expected.len() / size;
        let mut used = size;
        let rotated = |shift: usize| all.iter().map(|index| (index + shift) % size).collect::<Vec<_>>();
        for numbers in [rotated(1), rotated(size / 2), vec![0; size]] {
            let found = run(&numbers)?;
            let mut pairs = found.chunks_exact(values).zip(&numbers);
            if !pairs.all(|(found, &number)| equal(found, &expected[number * values..][..values])) {
                used = 1;
            }
        }
        Ok(Together { sizes: vec![size], used })
    }

    /// The size of the batch that is run next for `left` fields, and how many of them it serves.
    pub fn next(&self, left: usize) -> (usize, usize) {
        let first = self.sizes[0];
        match self.sizes.iter().rev().find(|&&size| size <= left) {
            Some(&size) if size > first => (size, size),
            _ => (first, self.used.min(left)),
        }
    }

    /// A batch in which all fields count: the least that holds `count`, else the largest; none where places differ.
    pub fn common_size(&self, count: usize) -> Option<usize> {
        let least = self.sizes.iter().copied().find(|&size| size >= count);
        least.or(self.sizes.last().copied()).filter(|&size| size > self.sizes[0] || self.used == size)
    }

    /// The largest batch.
    pub fn largest(&self) -> usize {
        self.sizes.last().copied().unwrap_or(1)
    }

    /// The sizes, for those who want to know.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }
}

fn equal(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A network of one value whose rounding depends on size and place by `error`.
    fn found(most: usize, error: impl Fn(usize, usize) -> f64) -> Together {
        Together::find(most, |numbers| {
            let values = numbers.iter().enumerate();
            Ok(values.map(|(place, &number)| 1.0 + number as f64 + error(numbers.len(), place)).collect())
        })
        .unwrap()
    }

    #[test]
    fn only_sizes_that_agree_are_used() {
        assert_eq!(found(16, |_, _| 0.0).sizes, [1, 2, 4, 8, 16]);
        // A product with one row goes another way: pairs are padded, never single.
        let without_one = found(16, |size, _| if size == 1 { 1e-15 } else { 0.0 });
        assert_eq!(
            (without_one.sizes.as_slice(), without_one.next(1), without_one.next(3)),
            (&[2, 4, 8, 16][..], (2, 1), (2, 2))
        );
        assert_eq!(found(16, |size, _| if size == 4 { 1e-15 } else { 0.0 }).sizes, [1, 2, 8, 16]);
        // The last place is rounded differently, or sizes differ throughout: one by one.
        assert_eq!(found(16, |size, place| if place + 1 == size { 1e-15 } else { 0.0 }).sizes, [1]);
        assert_eq!(found(16, |size, _| size as f64 * 1e-15).sizes, [1]);
        assert_eq!(found(1, |_, _| 0.0).sizes, [1]);
        assert_eq!(found(12, |_, _| 0.0).largest(), 8);
    }

    #[test]
    fn batches_serve_every_field_once() {
        let together = found(16, |_, _| 0.0);
        for count in 0..70 {
            let (mut left, mut runs) = (count, 0);
            while left > 0 {
                let (size, served) = together.next(left);
                assert!(size == served && served <= left);
                left -= served;
                runs += 1;
            }
            assert!(runs <= count / 16 + 4);
        }
    }

    #[test]
    fn fixed_batches_are_padded() {
        let fixed = |error: fn(usize) -> f64| {
            let run =
                |numbers: &[usize]| Ok(numbers.iter().enumerate().map(|(place, &n)| n as f64 + error(place)).collect());
            Together::fixed(8, run).unwrap()
        };
        assert_eq!((fixed(|_| 0.0).next(3), fixed(|_| 0.0).next(20)), ((8, 3), (8, 8)));
        // A network that looks at the whole batch: a field is alone in it, and in batches of two not at all.
        let coupled = |numbers: &[usize]| -> Result<Vec<f64>> {
            let mean = numbers.iter().sum::<usize>() as f64 / numbers.len() as f64;
            Ok(numbers.iter().map(|&n| n as f64 + mean).collect())
        };
        assert_eq!(Together::fixed(8, coupled).unwrap().next(20), (8, 1));
        for most in [2, 4, 16] {
            assert_eq!(Together::find(most, coupled).unwrap().sizes, [1]);
        }
        let uneven = fixed(|place| if place == 7 { 1e-9 } else { 0.0 });
        assert_eq!((uneven.next(3), uneven.next(20)), ((8, 1), (8, 1)));
    }
}
