//! The modes in which a covariance is diagonal: momenta, or the sites themselves if they are independent.

use crate::fourier::{LatticeFourier, momentum_classes};
use crate::lattice::Lattice;
use crate::score::LinkScratch;

/// Groups the modes of a field that share a covariance: `class[mode]`, and the number of classes. With
/// reach the modes are momenta, in the classes of [`momentum_classes`]; without (`reach` 0) a
/// covariance is the same for all modes of a component, which is a class.
pub(crate) fn covariance_classes(lattice: &Lattice, reach: usize) -> (Vec<u32>, usize) {
    match reach {
        0 => ((0..lattice.values()).map(|mode| (mode / lattice.sites()) as u32).collect(), lattice.components()),
        _ => momentum_classes(lattice),
    }
}

/// Filters and powers in the modes of a network's Gaussian part. A flat spectrum filters site by site as
/// well as momentum by momentum, and has the same mean power: independent sites need no transform.
pub(crate) struct Modes {
    fourier: Option<LatticeFourier>,
    /// Of links: memory of the linear part.
    links: Option<LinkScratch>,
}

impl Modes {
    /// For fields on `lattice` and a network of reach `reach`.
    pub fn new(lattice: &Lattice, reach: usize) -> Self {
        Modes { fourier: (reach > 0).then(|| LatticeFourier::new(lattice)), links: None }
    }

    /// For the link angles of a gauge field: transverse and longitudinal modes.
    fn of_links(lattice: &Lattice) -> Self {
        Modes { fourier: Some(LatticeFourier::of_links(lattice)), links: Some(LinkScratch::new(lattice)) }
    }

    /// For link angles, or for a network of reach `reach`.
    pub fn of_kind(lattice: &Lattice, reach: usize, links: bool) -> Self {
        if links { Modes::of_links(lattice) } else { Modes::new(lattice, reach) }
    }

    /// Memory of the linear part, of modes for links.
    pub fn links(&mut self) -> Option<&mut LinkScratch> {
        self.links.as_mut()
    }

    /// `out` = the field with each mode multiplied, one factor a mode.
    pub fn filter(&mut self, field: &[f64], multiplier: &[f64], out: &mut [f64]) {
        match &mut self.fourier {
            Some(fourier) => fourier.filter(field, multiplier, out),
            None => out.iter_mut().zip(field.iter().zip(multiplier)).for_each(|(out, (x, m))| *out = m * x),
        }
    }

    /// Adds the square of every mode to `power`.
    pub fn accumulate_power(&mut self, field: &[f64], power: &mut [f64]) {
        match &mut self.fourier {
            Some(fourier) => fourier.accumulate_power(field, power),
            None => power.iter_mut().zip(field).for_each(|(sum, x)| *sum += x * x),
        }
    }

    /// Adds the squares and the product of the modes of two fields to the three sums.
    pub fn accumulate_cross_power(&mut self, a: &[f64], b: &[f64], sums: [&mut [f64]; 3]) {
        let Some(fourier) = &mut self.fourier else {
            let [aa, bb, ab] = sums;
            for (mode, (a, b)) in a.iter().zip(b).enumerate() {
                aa[mode] += a * a;
                bb[mode] += b * b;
                ab[mode] += a * b;
            }
            return;
        };
        fourier.accumulate_cross_power(a, b, sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    #[test]
    fn independent_sites_agree_with_momenta_on_flat_spectra() {
        let lattice = Lattice::new(&[6, 4]).unwrap().with_components(2).unwrap();
        let mut fields = vec![0.0; 96];
        Stream::new(4, 0, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut fields);
        let (a, b) = fields.split_at(48);
        let (class, classes) = covariance_classes(&lattice, 0);
        assert_eq!((classes, class[23], class[24]), (2, 0, 1));
        let multiplier: Vec<f64> = class.iter().map(|&c| [0.3, 1.7][c as usize]).collect();
        let results = [0, 1].map(|reach| {
            let mut modes = Modes::new(&lattice, reach);
            let mut filtered = vec![0.0; 48];
            modes.filter(a, &multiplier, &mut filtered);
            let mut sums = vec![vec![0.0; 48]; 4];
            let [power, cross @ ..] = &mut sums[..] else { unreachable!() };
            modes.accumulate_power(a, power);
            let [aa, bb, ab] = cross else { unreachable!() };
            modes.accumulate_cross_power(a, b, [aa, bb, ab]);
            // Sums over the modes of a component agree; single modes need not.
            let totals = sums.iter().flat_map(|sum| sum.chunks(24).map(|part| part.iter().sum::<f64>()));
            [filtered, totals.collect()].concat()
        });
        assert!(results[0].iter().zip(&results[1]).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}
