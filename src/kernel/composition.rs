//! Several kernels, one after the other. A composition of exact kernels is exact, and irreducible if
//! one of them is.

use super::chain::Chain;
use super::outcome::Outcome;
use crate::action::Action;
use crate::error::{Error, Result};

/// Kernels applied in order; one update applies each once. Every chain keeps its own random numbers:
/// give them different chain numbers.
pub struct Composition {
    parts: Vec<Chain>,
    outcomes: Vec<Outcome>,
}

impl Composition {
    /// From chains on the same lattice.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for no parts, or two that share seed and chain number: they would
    /// draw the same random numbers. [`Error::ShapeMismatch`] for different lattices.
    pub fn new(parts: Vec<Chain>) -> Result<Self> {
        let Some(first) = parts.first() else {
            return Err(Error::invalid("kernels", "none", "at least one"));
        };
        for (index, part) in parts.iter().enumerate() {
            if part.values != first.values {
                return Err(Error::shape("field of a kernel", part.values, first.values));
            }
            let key = |chain: &Chain| (chain.options().seed, chain.options().chain);
            if parts[..index].iter().any(|other| key(other) == key(part)) {
                let value = part.options().chain;
                return Err(Error::invalid("chain", value, "a chain number of its own for every kernel"));
            }
        }
        Ok(Composition { outcomes: vec![Outcome::Rejected; parts.len()], parts })
    }

    /// The kernels.
    pub fn parts(&self) -> &[Chain] {
        &self.parts
    }

    /// Whether exp(-S)/Z is stationary.
    pub fn is_exact(&self) -> bool {
        self.parts.iter().all(|part| part.options().kernel.is_exact())
    }

    /// Applies every kernel once; the outcomes are in the order of the kernels.
    ///
    /// # Errors
    /// As [`Chain::step`]. The kernels before the one that failed have made their moves, so the field may
    /// have changed; the chain of kernels and field stay consistent.
    pub fn step(&mut self, field: &mut [f64], action: &mut dyn Action) -> Result<&[Outcome]> {
        for (part, outcome) in self.parts.iter_mut().zip(&mut self.outcomes) {
            *outcome = part.step(field, action)?;
        }
        Ok(&self.outcomes)
    }

    /// `updates` updates in which the kernels that are not frozen adapt; then all are frozen.
    ///
    /// # Errors
    /// As [`Chain::step`] and [`Chain::freeze`].
    pub fn warm_up(&mut self, field: &mut [f64], action: &mut dyn Action, updates: u64) -> Result<()> {
        for _ in 0..updates {
            self.step(field, action)?;
        }
        self.freeze()
    }

    /// Freezes all kernels.
    ///
    /// # Errors
    /// As [`Chain::freeze`].
    pub fn freeze(&mut self) -> Result<()> {
        self.parts.iter_mut().try_for_each(Chain::freeze)
    }

    /// The states of all kernels in one blob: for each, its length and its bytes.
    ///
    /// # Errors
    /// As [`Chain::save`].
    pub fn save(&self) -> Result<Vec<u8>> {
        let mut bytes = vec![];
        for part in &self.parts {
            let state = part.save()?;
            bytes.extend_from_slice(&(state.len() as u64).to_le_bytes());
            bytes.extend_from_slice(&state);
        }
        Ok(bytes)
    }

    /// Continues from a saved state; see [`Chain::load`].
    ///
    /// # Errors
    /// [`Error::ChainState`]; all kernels are then as before.
    pub fn load(&mut self, bytes: &[u8]) -> Result<()> {
        let before = self.parts.iter().map(Chain::save).collect::<Result<Vec<_>>>()?;
        let result = self.load_parts(bytes);
        if result.is_err() {
            for (part, state) in self.parts.iter_mut().zip(&before) {
                part.load(state)?;
            }
        }
        result
    }

    fn load_parts(&mut self, bytes: &[u8]) -> Result<()> {
        let fail = || Error::ChainState { reason: "not the state of a composition of as many kernels".into() };
        let mut rest = bytes;
        for part in &mut self.parts {
            let (length, tail) = rest.split_first_chunk::<8>().ok_or_else(fail)?;
            let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| fail())?;
            let (state, tail) = tail.split_at_checked(length).ok_or_else(fail)?;
            part.load(state)?;
            rest = tail;
        }
        if rest.is_empty() { Ok(()) } else { Err(fail()) }
    }
}
