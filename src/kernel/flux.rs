//! The covariance of a reverse step of link angles where plaquettes are in doubt (`diffusion::FluxResponse`).
//!
//! To S^2 of `reverse.rs`, diagonal in the transverse and longitudinal modes, a few plaquettes P add
//! w^2 q_P (R u_P)(R u_P)^T, w being the weight of the clean links in the step. In whitened noise that is
//! 1 + U U^T with columns w sqrt(q_P) S^-1 R u_P, which are one field moved to P: its density needs the Gram matrix of the
//! columns, their products with the noise, and the determinant, all known exactly.

use crate::action::GaugeLinks;
use crate::diffusion::{FluxResponse, Transition};
use crate::error::Result;
use crate::fourier::LatticeFourier;
use crate::lattice::Lattice;
use crate::rng::{Purpose, Stream};

/// Plaquettes at most: those of the largest excess.
const MOST: usize = 24;
/// Relative excess of the variance below which a plaquette is not in doubt.
const LEAST: f64 = 0.05;

/// What a step knows ahead.
pub(super) struct FluxKernel {
    response: FluxResponse,
    /// w / v_0.
    weight: f64,
    /// R / S by momentum of plaquettes.
    write: Vec<f64>,
    /// R / S^2.
    read: Vec<f64>,
    /// (S^-1 R u_0)^T (S^-1 R u_x), by distance x.
    gram: Vec<f64>,
}

/// The plaquettes in doubt at one x_a, and scratch.
pub(crate) struct FluxState {
    links: GaugeLinks,
    plane: LatticeFourier,
    /// Plaquette, and sqrt of its w^2 q_P.
    doubtful: Vec<(usize, f64)>,
    /// Lower triangle of the Cholesky factor of 1 + U^T U, row by row.
    factor: Vec<f64>,
    plaquettes: Vec<f64>,
    filtered: Vec<f64>,
    curl: Vec<f64>,
    small: [f64; MOST],
    coordinates: Vec<[usize; 2]>,
}

impl FluxKernel {
    /// For a step with transverse variances `variance` (R) and deviations `deviation` (S).
    pub fn new(response: FluxResponse, transition: &Transition, (variance, deviation): (&[f64], &[f64])) -> Self {
        let modes = || response.momenta.iter().zip(variance).zip(deviation).map(|((&p2, &r), &s)| (p2, r, s));
        let squares: Vec<f64> = modes().map(|(p2, r, s)| p2 * (r / s) * (r / s)).collect();
        let mut origin = vec![0.0; squares.len()];
        origin[0] = 1.0;
        let mut gram = vec![0.0; squares.len()];
        LatticeFourier::with_components(&response.lattice, 1).filter(&origin, &squares, &mut gram);
        FluxKernel {
            weight: transition.data_weight / response.base,
            write: modes().map(|(_, r, s)| r / s).collect(),
            read: modes().map(|(_, r, s)| r / (s * s)).collect(),
            gram,
            response,
        }
    }
}

impl FluxState {
    /// For links on `lattice`.
    ///
    /// # Errors
    /// Those of [`GaugeLinks::new`].
    pub fn new(lattice: &Lattice) -> Result<Self> {
        let sites = lattice.sites();
        let coordinates = (0..sites).map(|site| {
            let x = lattice.coordinates(site);
            [x[0], x[1]]
        });
        Ok(FluxState {
            links: GaugeLinks::new(lattice)?,
            plane: LatticeFourier::with_components(lattice, 1),
            doubtful: Vec::with_capacity(sites),
            factor: vec![0.0; MOST * MOST],
            plaquettes: vec![0.0; sites],
            filtered: vec![0.0; sites],
            curl: vec![0.0; 2 * sites],
            small: [0.0; MOST],
            coordinates: coordinates.collect(),
        })
    }

    /// Finds the plaquettes in doubt, and returns 1/2 log det(1 + U U^T).
    pub fn set(&mut self, kernel: &FluxKernel, denoised: &[f64]) -> f64 {
        self.doubtful.clear();
        for site in 0..self.links.sites() {
            let excess = kernel.response.excess(self.links.plaquette(denoised, site));
            let strength = kernel.weight * excess.sqrt();
            if strength * strength * kernel.gram[0] > LEAST {
                self.doubtful.push((site, strength));
            }
        }
        if self.doubtful.len() > MOST {
            self.doubtful.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            self.doubtful.truncate(MOST);
        }
        self.factorise(kernel)
    }

    fn factorise(&mut self, kernel: &FluxKernel) -> f64 {
        let extents = self.links.lattice().extents();
        let mut log_determinant = 0.0;
        for row in 0..self.doubtful.len() {
            for column in 0..=row {
                let ((a, strength_a), (b, strength_b)) = (self.doubtful[row], self.doubtful[column]);
                let (x, y) = (self.coordinates[a], self.coordinates[b]);
                let along = |axis: usize| (x[axis] + extents[axis] - y[axis]) % extents[axis];
                let mut sum = strength_a * strength_b * kernel.gram[along(0) * extents[1] + along(1)];
                sum += f64::from(u8::from(row == column));
                for k in 0..column {
                    sum -= self.factor[row * MOST + k] * self.factor[column * MOST + k];
                }
                self.factor[row * MOST + column] = match row == column {
                    true => sum.max(1e-12).sqrt(),
                    false => sum / self.factor[column * MOST + column],
                };
            }
            log_determinant += libm::log(self.factor[row * MOST + row]);
        }
        log_determinant
    }

    /// Adds U eta to white noise, eta normal, and returns what -log of its density has beyond |z|^2 / 2.
    pub fn spread(&mut self, kernel: &FluxKernel, stream: &Stream, level: u32, noise: &mut [f64]) -> f64 {
        if self.doubtful.is_empty() {
            return 0.0;
        }
        let mut normals = [0.0; MOST];
        stream.normals(Purpose::ReverseFlux, level, &mut normals);
        self.plaquettes.fill(0.0);
        for (&(site, strength), normal) in self.doubtful.iter().zip(normals) {
            self.plaquettes[site] = strength * normal;
        }
        self.plane.filter(&self.plaquettes, &kernel.write, &mut self.filtered);
        // The lengths agree by construction.
        if self.links.curl(&self.filtered, &mut self.curl).is_ok() {
            noise.iter_mut().zip(&self.curl).for_each(|(z, change)| *z += change);
        }
        self.excess(&kernel.write, noise)
    }

    /// What -log of the density of `coloured` = S z has beyond |z|^2 / 2.
    pub fn coloured_excess(&mut self, kernel: &FluxKernel, coloured: &[f64]) -> f64 {
        if self.doubtful.is_empty() { 0.0 } else { self.excess(&kernel.read, coloured) }
    }

    /// -1/2 |L^-1 U^T z|^2; `multiplier` turns the plaquettes of `field` into the products with the columns.
    fn excess(&mut self, multiplier: &[f64], field: &[f64]) -> f64 {
        self.plaquettes.iter_mut().enumerate().for_each(|(site, angle)| *angle = self.links.plaquette(field, site));
        self.plane.filter(&self.plaquettes, multiplier, &mut self.filtered);
        let mut sum = 0.0;
        for (row, &(site, strength)) in self.doubtful.iter().enumerate() {
            let mut value = strength * self.filtered[site];
            for k in 0..row {
                value -= self.factor[row * MOST + k] * self.small[k];
            }
            self.small[row] = value / self.factor[row * MOST + row];
            sum += self.small[row] * self.small[row];
        }
        -0.5 * sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::{FLUX_BINS, Schedule};
    use crate::linear;

    /// The density that the state gives is that of the noise it makes: the matrix of white noise and eta, built column by
    /// column, has the determinant and the quadratic form.
    #[test]
    fn density_belongs_to_the_noise() {
        let lattice = Lattice::new(&[4, 4]).unwrap().with_components(2).unwrap();
        let mut state = FluxState::new(&lattice).unwrap();
        let schedule = Schedule::variance_expanding(4.0).unwrap();
        let transition = Transition::new(&schedule, 0.2, 0.3);
        let momenta = crate::fourier::lattice_momenta(&lattice);
        let variance: Vec<f64> = momenta.iter().map(|p2| 0.2 / (1.0 + p2)).collect();
        let deviation: Vec<f64> = variance.iter().map(|&r| transition.reverse_variance(r).sqrt()).collect();
        let bins: Vec<[f64; 2]> =
            (0..FLUX_BINS).map(|bin| [if bin < 3 { 0.3 } else { 0.005 }, 0.1 + 0.05 * bin as f64]).collect();
        let kernel = FluxKernel::new(
            FluxResponse::new(&lattice, momenta.clone().into(), &bins),
            &transition,
            (&variance, &deviation),
        );
        let (mut denoised, mut noise) = (vec![0.0; 32], vec![0.0; 32]);
        let stream = Stream::new(4, 0, 0).unwrap();
        stream.normals(Purpose::Diagnostic, 0, &mut denoised);
        let half_log_det = state.set(&kernel, &denoised);
        let count = state.doubtful.len();
        assert!((3..16).contains(&count) && half_log_det > 0.1, "{count} {half_log_det}");

        // Columns w sqrt(q) S^-1 R u_P through the code that adds them.
        let mut columns = vec![];
        for index in 0..count {
            let (site, strength) = state.doubtful[index];
            state.plaquettes.fill(0.0);
            state.plaquettes[site] = strength;
            state.plane.filter(&state.plaquettes, &kernel.write, &mut state.filtered);
            state.links.curl(&state.filtered, &mut state.curl).unwrap();
            columns.push(state.curl.clone());
        }
        // And by their definition, dense: u_P through the transverse filter R / S.
        let mut fourier = LatticeFourier::of_links(&lattice);
        let filter: Vec<f64> = kernel.write.iter().copied().chain(vec![1.0; 16]).collect();
        for (column, &(site, strength)) in columns.iter().zip(&state.doubtful) {
            let (mut unit, mut gradient, mut expected) = (vec![0.0; 16], vec![0.0; 32], vec![0.0; 32]);
            unit[site] = strength;
            state.links.curl(&unit, &mut gradient).unwrap();
            fourier.filter(&gradient, &filter, &mut expected);
            assert!(column.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12));
        }
        let mut matrix = vec![vec![0.0; 32]; 32];
        for (i, row) in matrix.iter_mut().enumerate() {
            for (j, value) in row.iter_mut().enumerate() {
                *value = f64::from(u8::from(i == j)) + columns.iter().map(|u| u[i] * u[j]).sum::<f64>();
            }
        }
        stream.normals(Purpose::Diagnostic, 1, &mut noise);
        let before = noise.clone();
        let excess = state.spread(&kernel, &stream, 0, &mut noise);
        assert!(noise.iter().zip(&before).any(|(a, b)| (a - b).abs() > 1e-2));
        let mut solution = noise.clone();
        let log_determinant = linear::log_determinant(&mut matrix.concat(), 32).0;
        linear::solve(&mut matrix.concat(), &mut solution);
        assert!((0.5 * log_determinant - half_log_det).abs() < 1e-10, "{log_determinant} {half_log_det}");
        let quadratic: f64 = solution.iter().zip(&noise).map(|(a, b)| a * b).sum();
        let square: f64 = noise.iter().map(|z| z * z).sum();
        assert!((0.5 * square + excess - 0.5 * quadratic).abs() < 1e-10);
        let colour: Vec<f64> = deviation.iter().copied().chain(vec![0.7; 16]).collect();
        let mut coloured = vec![0.0; 32];
        fourier.filter(&noise, &colour, &mut coloured);
        assert!((state.coloured_excess(&kernel, &coloured) - excess).abs() < 1e-10);
    }
}
