//! Networks of several sizes.

use super::UNetShape;
use crate::error::{Error, Result};

/// Name, channels at each resolution, width of the embedding.
const PRESETS: [(&str, [usize; 3], usize); 4] =
    [("tiny", [8, 16, 32], 32), ("small", [24, 32, 48], 64), ("base", [40, 56, 96], 96), ("large", [64, 96, 128], 128)];

impl UNetShape {
    /// Names of the sizes of [`UNetShape::preset`], ascending.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        PRESETS.into_iter().map(|(name, ..)| name)
    }

    /// A size by its name, for a field with that many components a site and extents that are multiples of 4,
    /// at least 8. For a field of one component, multiply-adds a site and weights:
    ///
    /// | name | channels | 2 axes | weights | 3 axes | weights | 4 axes | weights |
    /// |---|---|---|---|---|---|---|---|
    /// | tiny | 8, 16, 32 | 7 640 | 63 089 | 13 128 | 165 505 | 29 480 | 467 537 |
    /// | small | 24, 32, 48 | 38 088 | 192 657 | 83 784 | 493 697 | 217 836 | 1 378 161 |
    /// | base | 40, 56, 96 | 114 808 | 651 065 | 239 752 | 1 719 081 | 608 440 | 4 861 817 |
    /// | large | 64, 96, 128 | 287 424 | 1 387 617 | 614 976 | 3 677 281 | 1 563 840 | 10 398 177 |
    ///
    /// Set [`UNetShape::odd`] beside it for a law that is even, [`UNetShape::bands`] to leave resolutions out.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown name, or no components.
    pub fn preset(name: &str, components: usize) -> Result<Self> {
        let Some((_, channels, embedding)) = PRESETS.into_iter().find(|preset| preset.0 == name) else {
            let expected = Self::presets().collect::<Vec<_>>().join(", ");
            return Err(Error::invalid("network size", name, &format!("one of {expected}")));
        };
        if !(1..=2048).contains(&components) {
            return Err(Error::invalid("components", components, "between 1 and 2048"));
        }
        let (channels, inputs, outputs) = (channels.to_vec(), 2 * components, components);
        Ok(UNetShape { inputs, channels, embedding, outputs, ..UNetShape::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lattice::Lattice;
    use crate::nn::UNet;

    /// The table of `UNetShape::preset`.
    const COSTS: [(&str, [(usize, usize); 3]); 4] = [
        ("tiny", [(7_640, 63_089), (13_128, 165_505), (29_480, 467_537)]),
        ("small", [(38_088, 192_657), (83_784, 493_697), (217_836, 1_378_161)]),
        ("base", [(114_808, 651_065), (239_752, 1_719_081), (608_440, 4_861_817)]),
        ("large", [(287_424, 1_387_617), (614_976, 3_677_281), (1_563_840, 10_398_177)]),
    ];

    #[test]
    fn sizes_cost_what_the_table_says() {
        for (name, costs) in COSTS {
            let shape = UNetShape::preset(name, 1).unwrap();
            let found = [2, 3, 4].map(|rank| {
                let lattice = Lattice::new(&vec![8; rank]).unwrap();
                let net = UNet::new(&shape, &lattice).unwrap();
                assert_eq!(net.multiply_adds() % lattice.sites(), 0);
                (net.multiply_adds() / lattice.sites(), net.layout().total())
            });
            assert_eq!(found, costs, "{name}");
        }
        assert!(UNetShape::presets().eq(COSTS.map(|(name, _)| name)));
    }

    #[test]
    fn presets_fit_their_fields() {
        assert_eq!(UNetShape::preset("small", 1).unwrap(), UNetShape::default());
        let shape = UNetShape::preset("base", 3).unwrap();
        assert_eq!((shape.inputs, shape.outputs), (6, 3));
        assert!(UNetShape::preset("huge", 1).unwrap_err().to_string().contains("tiny, small, base, large"));
        assert!(UNetShape::preset("tiny", 0).is_err());
    }
}
