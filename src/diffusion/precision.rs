//! Nearest-neighbour operators on a periodic lattice, diag(d) - coupling * (sum over neighbours), and their exact
//! factors: the precision of the clean field given a noisy one, whose diagonal follows the curvature of the action.
//!
//! The factor is a Cholesky factor within a band. Ordering the longest axis 0, n-1, 1, n-2, .. brings its periodic
//! neighbours within two layers, so the band is two layers wide. The arithmetic is written out in a fixed order and
//! not left to a library, for a chain must have the same bits on all machines.

use crate::lattice::Lattice;

/// Most multiplications of one factorisation: beyond (64 x 64 is within) the precision is not followed site by site.
const MOST_WORK: usize = 1 << 27;

/// The lattice as the operators see it.
#[derive(Clone, Debug)]
pub struct Neighbours {
    /// Place in the ordering of every site.
    place: Vec<u32>,
    /// Pairs of places (row > column) that are neighbours, once for each bond.
    bonds: Vec<(u32, u32)>,
    /// Rows below the diagonal.
    band: usize,
    axes: usize,
    /// p^2-hat of every momentum.
    momenta: Vec<f64>,
}

/// The operator mass + coupling p^2-hat: the precision of the clean field where the curvature of the action is its mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stiffness {
    /// Of the zero mode.
    pub mass: f64,
    /// Of the bonds.
    pub coupling: f64,
}

impl Stiffness {
    /// The one that comes nearest to 1 / R_p for the variances R_p by momentum; the wide modes count most, and the zero
    /// mode, which has a law of its own, not at all (unless it is alone).
    pub fn of_spectrum(variance: &[f64], momenta: &[f64]) -> Self {
        let mut sums = [0.0; 5];
        for (&r, &p2) in variance.iter().zip(momenta).skip(usize::from(variance.len() > 1)) {
            // Minimises (r (r (mass + coupling p2) - 1))^2.
            let (a, b) = (r * r, r * r * p2);
            let terms = [a * a, a * b, b * b, a * r, b * r];
            sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
        }
        let [aa, ab, bb, ay, by] = sums;
        let determinant = aa * bb - ab * ab;
        let coupling = if determinant > 1e-9 * aa * bb { ((aa * by - ab * ay) / determinant).max(0.0) } else { 0.0 };
        let widest = variance.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        Stiffness { mass: ((ay - ab * coupling) / aa).max(0.1 / widest), coupling }
    }

    /// Its inverse at a momentum.
    pub fn variance(&self, p2: f64) -> f64 {
        1.0 / (self.mass + self.coupling * p2)
    }
}

/// Lower Cholesky factor L of an operator, and room for one.
#[derive(Clone, Debug, Default)]
pub struct Factor {
    /// Column by column, from the diagonal down.
    columns: Vec<f64>,
    sites: usize,
    band: usize,
}

impl Neighbours {
    /// The sites of `lattice`, or none where a factorisation would take longer than the networks that it serves.
    pub fn new(lattice: &Lattice) -> Option<Self> {
        let (extents, sites) = (lattice.extents(), lattice.sites());
        let longest = (0..extents.len()).max_by_key(|&axis| (extents[axis], extents.len() - axis))?;
        let layer = sites / extents[longest];
        let band = (2 * layer).min(sites.saturating_sub(1));
        if sites.checked_mul(band * band)? > MOST_WORK {
            return None;
        }
        let place = |site: usize| {
            let x = lattice.coordinates(site);
            let (along, n) = (x[longest], extents[longest]);
            let folded = if 2 * along < n { 2 * along } else { 2 * (n - 1 - along) + 1 };
            let others = (0..extents.len()).filter(|&axis| axis != longest);
            (folded * layer + others.fold(0, |index, axis| index * extents[axis] + x[axis])) as u32
        };
        let place: Vec<u32> = (0..sites).map(place).collect();
        let mut bonds = vec![];
        for site in 0..sites {
            let x = lattice.coordinates(site);
            for axis in 0..extents.len() {
                let mut next = x.clone();
                next[axis] = (x[axis] + 1) % extents[axis];
                let (a, b) = (place[site], place[lattice.index(&next)]);
                bonds.push((a.max(b), a.min(b)));
            }
        }
        let momenta = crate::fourier::lattice_momenta(lattice);
        Some(Neighbours { place, bonds, band, axes: extents.len(), momenta })
    }

    /// Sites.
    pub fn sites(&self) -> usize {
        self.place.len()
    }

    /// p^2-hat of every momentum.
    pub fn momenta(&self) -> &[f64] {
        &self.momenta
    }

    /// Brings a field into the ordering of the factors.
    pub fn order(&self, field: &[f64], ordered: &mut [f64]) {
        self.place.iter().zip(field).for_each(|(&place, &value)| ordered[place as usize] = value);
    }

    /// Brings it back.
    pub fn restore(&self, ordered: &[f64], field: &mut [f64]) {
        self.place.iter().zip(field).for_each(|(&place, value)| *value = ordered[place as usize]);
    }

    /// out = A field for A = diag(`diagonal`) + coupling * (2 axes - sum over neighbours), all ordered.
    pub fn multiply(&self, diagonal: &[f64], coupling: f64, field: &[f64], out: &mut [f64]) {
        let own = 2.0 * self.axes as f64 * coupling;
        out.iter_mut().zip(diagonal.iter().zip(field)).for_each(|(out, (d, x))| *out = (d + own) * x);
        for &(a, b) in &self.bonds {
            out[a as usize] -= coupling * field[b as usize];
            out[b as usize] -= coupling * field[a as usize];
        }
    }

    /// Factorises scale * (that operator) + shift into `factor`, and returns half the logarithm of its determinant. The
    /// operator must be positive: a positive diagonal and a coupling that is not negative make it so.
    pub fn factorise(
        &self,
        (diagonal, coupling): (&[f64], f64),
        (scale, shift): (f64, f64),
        factor: &mut Factor,
    ) -> f64 {
        let (sites, width) = (self.sites(), self.band + 1);
        factor.sites = sites;
        factor.band = self.band;
        factor.columns.clear();
        factor.columns.resize(sites * width, 0.0);
        let own = 2.0 * self.axes as f64 * coupling;
        for (column, &d) in factor.columns.chunks_exact_mut(width).zip(diagonal) {
            column[0] = scale * (d + own) + shift;
        }
        for &(row, column) in &self.bonds {
            // On an axis of one site the neighbour is the site itself, twice.
            let change = if row == column { 2.0 * scale * coupling } else { scale * coupling };
            factor.columns[column as usize * width + (row - column) as usize] -= change;
        }
        factor.eliminate()
    }
}

impl Factor {
    fn eliminate(&mut self) -> f64 {
        let width = self.band + 1;
        let mut product = crate::diffusion::LogProduct::default();
        for j in 0..self.sites {
            let (done, rest) = self.columns.split_at_mut((j + 1) * width);
            let column = &mut done[j * width..];
            let reach = self.band.min(self.sites - 1 - j);
            let root = column[0].max(f64::MIN_POSITIVE).sqrt();
            product.multiply(root);
            column[0] = root;
            let inverse = 1.0 / root;
            column[1..=reach].iter_mut().for_each(|value| *value *= inverse);
            for k in 1..=reach {
                let share = column[k];
                if share != 0.0 {
                    let target = &mut rest[(k - 1) * width..][..=reach - k];
                    target.iter_mut().zip(&column[k..=reach]).for_each(|(a, &b)| *a -= share * b);
                }
            }
        }
        product.log()
    }

    /// x -> L^-T x.
    pub fn solve_transposed(&self, x: &mut [f64]) {
        let width = self.band + 1;
        for j in (0..self.sites).rev() {
            let reach = self.band.min(self.sites - 1 - j);
            let column = &self.columns[j * width..=j * width + reach];
            let sum: f64 = column[1..].iter().zip(&x[j + 1..]).map(|(l, x)| l * x).sum();
            x[j] = (x[j] - sum) / column[0];
        }
    }

    /// x -> (L L^T)^-1 x.
    pub fn solve(&self, x: &mut [f64]) {
        let width = self.band + 1;
        for j in 0..self.sites {
            let reach = self.band.min(self.sites - 1 - j);
            let column = &self.columns[j * width..=j * width + reach];
            let value = x[j] / column[0];
            x[j] = value;
            x[j + 1..=j + reach].iter_mut().zip(&column[1..]).for_each(|(x, l)| *x -= l * value);
        }
        self.solve_transposed(x);
    }

    /// The diagonal of (L L^T)^-1 (Takahashi, Fagan and Chin 1973: the inverse within the band needs no more of it).
    pub fn inverse_diagonal(&self) -> Vec<f64> {
        let width = self.band + 1;
        let mut inverse = vec![0.0; self.columns.len()];
        for j in (0..self.sites).rev() {
            let reach = self.band.min(self.sites - 1 - j);
            let column = &self.columns[j * width..=j * width + reach];
            let at = |inverse: &[f64], a: usize, b: usize| inverse[a.min(b) * width + a.abs_diff(b)];
            for i in (0..=reach).rev() {
                let others = 1..=reach;
                let sum: f64 = others.map(|k| column[k] * at(&inverse, j + k, j + i)).sum();
                let own = if i == 0 { 1.0 / column[0] } else { 0.0 };
                inverse[j * width + i] = (own - sum) / column[0];
            }
        }
        inverse.iter().step_by(width).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear;
    use crate::rng::{Purpose, Stream};

    fn example(extents: &[usize]) -> (Neighbours, Vec<f64>, Vec<Vec<f64>>) {
        let lattice = Lattice::new(extents).unwrap();
        let neighbours = Neighbours::new(&lattice).unwrap();
        let n = lattice.sites();
        let mut diagonal = vec![0.0; n];
        Stream::new(1, 0, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut diagonal);
        diagonal.iter_mut().for_each(|d| *d = 0.1 + d.abs());
        // Dense, by its definition over the sites.
        let mut dense = vec![vec![0.0; n]; n];
        for site in 0..n {
            dense[site][site] += diagonal[site];
            for axis in 0..extents.len() {
                for step in [1, extents[axis] - 1] {
                    let mut next = lattice.coordinates(site);
                    next[axis] = (next[axis] + step) % extents[axis];
                    dense[site][site] += 0.5;
                    dense[site][lattice.index(&next)] -= 0.5;
                }
            }
        }
        let mut ordered = vec![0.0; n];
        neighbours.order(&diagonal, &mut ordered);
        (neighbours, ordered, dense)
    }

    /// Product, solution, determinant and diagonal of the inverse against the dense matrix, on axes of length 1, 2, odd and even.
    #[test]
    fn factors_are_those_of_the_dense_matrix() {
        for extents in [vec![4, 6], vec![5, 3], vec![7], vec![2, 4], vec![1, 5], vec![3, 2, 4]] {
            let (neighbours, diagonal, dense) = example(&extents);
            let n = neighbours.sites();
            let (scale, shift) = (0.7, 0.2);
            let matrix: Vec<Vec<f64>> = (0..n)
                .map(|i| (0..n).map(|j| scale * dense[i][j] + if i == j { shift } else { 0.0 }).collect())
                .collect();
            let mut factor = Factor::default();
            let half = neighbours.factorise((&diagonal, 0.5), (scale, shift), &mut factor);
            let mut x = vec![0.0; n];
            Stream::new(2, 0, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut x);
            let (mut ordered, mut product, mut back) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
            neighbours.order(&x, &mut ordered);
            neighbours.multiply(&diagonal, 0.5, &ordered, &mut product);
            neighbours.restore(&product, &mut back);
            for i in 0..n {
                let expected: f64 = dense[i].iter().zip(&x).map(|(a, x)| a * x).sum();
                assert!((back[i] - expected).abs() < 1e-12, "{extents:?}");
            }
            factor.solve(&mut ordered);
            neighbours.restore(&ordered, &mut back);
            for i in 0..n {
                let expected: f64 = matrix[i].iter().zip(&back).map(|(a, x)| a * x).sum();
                assert!((x[i] - expected).abs() < 1e-11, "{extents:?}");
            }
            let log = linear::log_determinant(&mut matrix.concat(), n).0;
            assert!((half - 0.5 * log).abs() < 1e-11, "{extents:?} {half} {log}");
            let found = factor.inverse_diagonal();
            neighbours.restore(&found, &mut back);
            for (i, &found) in back.iter().enumerate() {
                let mut column: Vec<f64> = (0..n).map(|j| f64::from(u8::from(i == j))).collect();
                linear::solve(&mut matrix.concat(), &mut column);
                assert!((found - column[i]).abs() < 1e-11, "{extents:?}");
            }
        }
    }

    /// L^-T z has the covariance (L L^T)^-1: checked as L^-T L^-1 = the solution.
    #[test]
    fn noise_has_the_covariance() {
        let (neighbours, diagonal, _) = example(&[4, 4]);
        let mut factor = Factor::default();
        neighbours.factorise((&diagonal, 0.5), (1.0, 0.0), &mut factor);
        let columns: Vec<Vec<f64>> = (0..16)
            .map(|i| {
                let mut unit = vec![0.0; 16];
                unit[i] = 1.0;
                factor.solve_transposed(&mut unit);
                unit
            })
            .collect();
        for i in 0..16 {
            let mut unit = vec![0.0; 16];
            unit[i] = 1.0;
            factor.solve(&mut unit);
            for j in 0..16 {
                let product: f64 = columns.iter().map(|column| column[i] * column[j]).sum();
                assert!((product - unit[j]).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn large_lattices_are_left_out() {
        assert!(Neighbours::new(&Lattice::new(&[64, 64]).unwrap()).is_some());
        assert!(Neighbours::new(&Lattice::new(&[128, 128]).unwrap()).is_none());
    }
}
