//! Observables of two-dimensional U(1) gauge theory on a chain.

use super::autocorrelation::{Estimate, gamma_method};
use crate::action::{GaugeLinks, reduce};
use crate::error::{Error, Result, require_finite, require_length};
use crate::lattice::Lattice;
use serde::Serialize;

/// Largest side of the Wilson loops that are measured.
const LONGEST_SIDE: usize = 4;
/// Sectors of which [`GaugeSummary`] gives the probability: |Q| below this.
pub const SECTORS: usize = 4;

/// Measurements along one chain, one value of each observable a configuration.
#[derive(Clone, Debug)]
pub struct GaugeSeries {
    links: GaugeLinks,
    /// Sides R <= T of the loops.
    sides: Vec<(usize, usize)>,
    /// One series a loop.
    loops: Vec<Vec<f64>>,
    charge: Vec<f64>,
    /// Real and imaginary part along axis 0, then along axis 1.
    polyakov: [Vec<f64>; 4],
    plaquettes: Vec<f64>,
    strips: Vec<f64>,
    rectangles: Vec<f64>,
}

impl GaugeSeries {
    /// An empty series for link angles on `lattice`. Wilson loops are measured up to 4x4 as far as they do
    /// not go around the lattice.
    ///
    /// # Errors
    /// As [`GaugeLinks::new`].
    pub fn new(lattice: &Lattice) -> Result<Self> {
        let links = GaugeLinks::new(lattice)?;
        let [height, width] = [lattice.extents()[0], lattice.extents()[1]];
        let fits = |r: usize, t: usize| (r < height && t < width) || (t < height && r < width);
        let pairs = (1..=LONGEST_SIDE).flat_map(|r| (r..=LONGEST_SIDE).map(move |t| (r, t)));
        let sides: Vec<_> = pairs.filter(|&(r, t)| fits(r, t)).collect();
        let buffer = || vec![0.0; lattice.sites()];
        Ok(GaugeSeries {
            loops: vec![vec![]; sides.len()],
            sides,
            charge: vec![],
            polyakov: Default::default(),
            plaquettes: buffer(),
            strips: buffer(),
            rectangles: buffer(),
            links,
        })
    }

    /// Measures `field`, which is not kept.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] or [`Error::NotFinite`]; the series is then as before.
    pub fn measure(&mut self, field: &[f64]) -> Result<()> {
        require_length("field", field.len(), 2 * self.links.sites())?;
        require_finite("field", field)?;
        self.links.plaquettes(field, &mut self.plaquettes)?;
        let flux: f64 = self.plaquettes.iter().map(|&angle| reduce(angle)).sum();
        self.charge.push((flux / std::f64::consts::TAU).round());
        self.measure_loops();
        for axis in 0..2 {
            let (real, imaginary) = self.links.polyakov_loop(field, axis)?;
            self.polyakov[2 * axis].push(real);
            self.polyakov[2 * axis + 1].push(imaginary);
        }
        Ok(())
    }

    /// The angle of a loop is the sum of the plaquette angles inside (Stokes), which the rectangles of the
    /// next size reuse.
    fn measure_loops(&mut self) {
        let [height, width] = [self.links.lattice().extents()[0], self.links.lattice().extents()[1]];
        let longest = |extent: usize| LONGEST_SIDE.min(extent - 1);
        let mut sums = [[None; LONGEST_SIDE]; LONGEST_SIDE];
        self.strips.fill(0.0);
        for t in 0..longest(width) {
            for (site, strip) in self.strips.iter_mut().enumerate() {
                let (row, column) = (site / width, site % width);
                *strip += self.plaquettes[row * width + (column + t) % width];
            }
            self.rectangles.fill(0.0);
            for (r, sum) in sums.iter_mut().enumerate().take(longest(height)) {
                let mut cosines = 0.0;
                for (site, rectangle) in self.rectangles.iter_mut().enumerate() {
                    *rectangle += self.strips[(site + r * width) % (height * width)];
                    cosines += libm::cos(*rectangle);
                }
                sum[t] = Some(cosines / (height * width) as f64);
            }
        }
        for (&(r, t), series) in self.sides.iter().zip(&mut self.loops) {
            let orientations = [sums[r - 1][t - 1], sums[t - 1][r - 1]];
            let found = orientations.iter().flatten();
            series.push(found.clone().sum::<f64>() / found.count() as f64);
        }
    }

    /// Forgets all measurements.
    pub(super) fn clear(&mut self) {
        self.loops.iter_mut().chain(&mut self.polyakov).for_each(Vec::clear);
        self.charge.clear();
    }

    /// Number of configurations measured.
    pub fn len(&self) -> usize {
        self.charge.len()
    }

    /// Whether nothing has been measured.
    pub fn is_empty(&self) -> bool {
        self.charge.is_empty()
    }

    /// The lattice of the fields.
    pub fn lattice(&self) -> &Lattice {
        self.links.lattice()
    }

    /// Sides R <= T of the Wilson loops that fit, (1, 1) first.
    pub fn sides(&self) -> &[(usize, usize)] {
        &self.sides
    }

    /// cos of the loop of `r` x `t` links, averaged over the lattice and both orientations (as far as they
    /// fit); None if the loop is not measured.
    pub fn wilson_loop(&self, r: usize, t: usize) -> Option<&[f64]> {
        let position = self.sides.iter().position(|&sides| sides == (r.min(t), r.max(t)))?;
        Some(&self.loops[position])
    }

    /// mean_P cos theta_P.
    pub fn plaquette(&self) -> &[f64] {
        &self.loops[0]
    }

    /// Topological charge Q, an integer.
    pub fn charge(&self) -> &[f64] {
        &self.charge
    }

    /// Q^2.
    pub fn charge_squared(&self) -> Vec<f64> {
        self.charge.iter().map(|q| q * q).collect()
    }

    /// Real and imaginary part of P_axis, the mean over the lattice of the Polyakov loop along `axis`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an axis other than 0 and 1.
    pub fn polyakov(&self, axis: usize) -> Result<(&[f64], &[f64])> {
        match axis {
            0 => Ok((&self.polyakov[0], &self.polyakov[1])),
            1 => Ok((&self.polyakov[2], &self.polyakov[3])),
            other => Err(Error::invalid("axis", other, "0 or 1")),
        }
    }

    fn polyakov_square(&self, axis: usize) -> Vec<f64> {
        let parts = self.polyakov[2 * axis].iter().zip(&self.polyakov[2 * axis + 1]);
        parts.map(|(real, imaginary)| real * real + imaginary * imaginary).collect()
    }

    /// 1 for configurations with Q = `charge`, 1/2 for each sign of a charge other than 0, else 0.
    pub(super) fn in_sector(&self, charge: usize) -> Vec<f64> {
        let share = if charge == 0 { 1.0 } else { 0.5 };
        self.charge.iter().map(|q| if q.abs() == charge as f64 { share } else { 0.0 }).collect()
    }

    /// The fraction of consecutive configurations between which Q changed; 0 before the second.
    pub fn tunnelling(&self) -> f64 {
        let changes = self.charge.windows(2).filter(|pair| pair[0] != pair[1]).count();
        changes as f64 / self.len().saturating_sub(1).max(1) as f64
    }
}

/// Estimates of all observables with errors by the Gamma method.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GaugeSummary {
    /// Configurations over all chains.
    pub configurations: usize,
    /// Wilson loops with their sides R <= T; the first is the plaquette.
    pub wilson_loops: Vec<((usize, usize), Estimate)>,
    /// <Q>. If no chain ever changed its charge, the error and tau_int say nothing: see `tunnelling`.
    pub charge: Estimate,
    /// <Q^2>.
    pub charge_squared: Estimate,
    /// chi_Q = <Q^2> / V.
    pub susceptibility: Estimate,
    /// P(Q) for Q = 0 to 3, both signs averaged.
    pub sectors: [Estimate; SECTORS],
    /// Real and imaginary part of the Polyakov loop along axis 0, then along axis 1: 0 by symmetry.
    pub polyakov: [Estimate; 4],
    /// <|P_axis|^2> along either axis.
    pub polyakov_square: [Estimate; 2],
    /// The fraction of consecutive configurations between which Q changed, averaged over chains.
    pub tunnelling: f64,
}

impl GaugeSummary {
    /// Pools `chains` of the same lattice, of any lengths.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when the lattices differ, [`Error::InvalidArgument`] for fewer than two
    /// configurations in all.
    pub fn new(chains: &[&GaugeSeries]) -> Result<Self> {
        let Some(first) = chains.first() else {
            return Err(Error::invalid("chains", "none", "at least one"));
        };
        for chain in chains {
            if chain.lattice() != first.lattice() {
                return Err(Error::shape("lattice", chain.lattice().extents(), first.lattice().extents()));
            }
        }
        let borrowed = |series: &dyn Fn(&GaugeSeries) -> &[f64]| {
            // A closure that returns a part of its argument; `pooled` makes its series.
            gamma_method(&chains.iter().map(|chain| series(chain)).collect::<Vec<_>>())
        };
        let pooled = |series: &dyn Fn(&GaugeSeries) -> Vec<f64>| {
            let series: Vec<_> = chains.iter().map(|chain| series(chain)).collect();
            gamma_method(&series.iter().map(Vec::as_slice).collect::<Vec<_>>())
        };
        let loops = first.sides.iter().enumerate();
        let wilson_loops = loops.map(|(which, &sides)| Ok((sides, borrowed(&|chain| &chain.loops[which])?)));
        let charge_squared = pooled(&GaugeSeries::charge_squared)?;
        let configurations: usize = chains.iter().map(|chain| chain.len()).sum();
        let tunnelling = chains.iter().map(|chain| chain.tunnelling() * chain.len() as f64).sum::<f64>();
        let sector = |charge: usize| pooled(&|chain| chain.in_sector(charge));
        let polyakov = |which: usize| borrowed(&|chain| &chain.polyakov[which]);
        Ok(GaugeSummary {
            configurations,
            wilson_loops: wilson_loops.collect::<Result<_>>()?,
            charge: borrowed(&|chain| chain.charge())?,
            charge_squared,
            susceptibility: charge_squared.scaled(1.0 / first.links.sites() as f64),
            sectors: [sector(0)?, sector(1)?, sector(2)?, sector(3)?],
            polyakov: [polyakov(0)?, polyakov(1)?, polyakov(2)?, polyakov(3)?],
            polyakov_square: [pooled(&|chain| chain.polyakov_square(0))?, pooled(&|chain| chain.polyakov_square(1))?],
            tunnelling: tunnelling / configurations as f64,
        })
    }

    /// <cos theta_P>.
    pub fn plaquette(&self) -> Estimate {
        self.wilson_loops[0].1
    }

    /// The Wilson loop with sides `r` and `t`; None if it is not measured.
    pub fn wilson_loop(&self, r: usize, t: usize) -> Option<Estimate> {
        let found = self.wilson_loops.iter().find(|(sides, _)| *sides == (r.min(t), r.max(t)));
        found.map(|&(_, estimate)| estimate)
    }

    /// All estimates with the names of the tables of reference values.
    pub fn rows(&self) -> Vec<(String, Estimate)> {
        let loops = self.wilson_loops.iter().map(|&((r, t), estimate)| match (r, t) {
            (1, 1) => ("plaquette".to_string(), estimate),
            _ => (format!("W{r}x{t}"), estimate),
        });
        let charges = [("Q", self.charge), ("Q2", self.charge_squared), ("chi_Q", self.susceptibility)];
        let charges = charges.map(|(name, estimate)| (name.to_string(), estimate));
        let sectors = self.sectors.iter().enumerate().map(|(charge, &estimate)| (format!("P_Q{charge}"), estimate));
        let names = ["polyakov_0_real", "polyakov_0_imaginary", "polyakov_1_real", "polyakov_1_imaginary"];
        let polyakov = names.into_iter().zip(self.polyakov).map(|(name, estimate)| (name.to_string(), estimate));
        let squares = self.polyakov_square.iter().enumerate();
        let squares = squares.map(|(axis, &estimate)| (format!("polyakov_{axis}_square"), estimate));
        loops.chain(charges).chain(sectors).chain(polyakov).chain(squares).collect()
    }
}

#[cfg(test)]
#[path = "gauge_observables_tests.rs"]
mod tests;
