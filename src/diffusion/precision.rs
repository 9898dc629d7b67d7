//! Nearest-neighbour operators on a periodic lattice, diag(d) - coupling * (sum over neighbours), and their exact
//! factors (`factor.rs`): the precision of the clean field given a noisy one, whose diagonal follows the curvature of the action.

use super::dissection::Dissection;
use super::factor::Factor;
use crate::lattice::Lattice;
use std::sync::Arc;

/// The lattice as the operators see it.
#[derive(Clone, Debug)]
pub struct Neighbours {
    dissection: Arc<Dissection>,
    /// Where the diagonal stands in a factor, by place.
    own: Vec<usize>,
    bonds: Vec<Bond>,
    axes: usize,
    /// p^2-hat of every momentum.
    momenta: Vec<f64>,
}

/// Two neighbours, by place (row >= column), and where a factor has their number.
#[derive(Clone, Debug)]
struct Bond {
    row: u32,
    column: u32,
    index: usize,
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

impl Neighbours {
    /// The sites of `lattice`, or none where a factorisation would take longer than the networks that it serves.
    pub fn new(lattice: &Lattice) -> Option<Self> {
        let dissection = Dissection::new(lattice)?;
        let own = (0..lattice.sites()).map(|place| dissection.index(place, place)).collect();
        let around = lattice.neighbours();
        // Of the two directions of an axis the one ahead.
        let ahead = around.chunks_exact(2 * lattice.rank()).map(|around| around.iter().step_by(2));
        let pairs = dissection.place.iter().zip(ahead).flat_map(|(&a, ahead)| ahead.map(move |&site| (a, site)));
        let bonds = pairs.map(|(a, site)| {
            let b = dissection.place[site as usize];
            let (row, column) = (a.max(b), a.min(b));
            Bond { row, column, index: dissection.index(row as usize, column as usize) }
        });
        let bonds = bonds.collect();
        let momenta = crate::fourier::lattice_momenta(lattice);
        let axes = lattice.rank();
        Some(Neighbours { dissection: Arc::new(dissection), own, bonds, axes, momenta })
    }

    /// Sites.
    pub fn sites(&self) -> usize {
        self.own.len()
    }

    /// p^2-hat of every momentum.
    pub fn momenta(&self) -> &[f64] {
        &self.momenta
    }

    /// Brings a field into the ordering of the factors.
    pub fn order(&self, field: &[f64], ordered: &mut [f64]) {
        self.dissection.place.iter().zip(field).for_each(|(&place, &value)| ordered[place as usize] = value);
    }

    /// Brings it back.
    pub fn restore(&self, ordered: &[f64], field: &mut [f64]) {
        self.dissection.place.iter().zip(field).for_each(|(&place, value)| *value = ordered[place as usize]);
    }

    /// out = A field for A = diag(`diagonal`) + coupling * (2 axes - sum over neighbours), all ordered.
    pub fn multiply(&self, diagonal: &[f64], coupling: f64, field: &[f64], out: &mut [f64]) {
        let own = 2.0 * self.axes as f64 * coupling;
        out.iter_mut().zip(diagonal.iter().zip(field)).for_each(|(out, (d, x))| *out = (d + own) * x);
        for &Bond { row, column, .. } in &self.bonds {
            out[row as usize] -= coupling * field[column as usize];
            out[column as usize] -= coupling * field[row as usize];
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
        self.set_operator((diagonal, coupling), (scale, shift), factor);
        factor.eliminate()
    }

    /// Puts the operator itself where its factor will be.
    pub(super) fn set_operator(
        &self,
        (diagonal, coupling): (&[f64], f64),
        (scale, shift): (f64, f64),
        factor: &mut Factor,
    ) {
        let numbers = factor.cleared(&self.dissection);
        let own = 2.0 * self.axes as f64 * coupling;
        for (&index, &d) in self.own.iter().zip(diagonal) {
            numbers[index] = scale * (d + own) + shift;
        }
        for &Bond { row, column, index } in &self.bonds {
            // On an axis of one site the neighbour is the site itself, twice.
            numbers[index] -= if row == column { 2.0 * scale * coupling } else { scale * coupling };
        }
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
}
