//! Fourier transform on a periodic lattice, for filters that are diagonal in momentum space.
//!
//! Orthonormal convention: phi_p = V^(-1/2) sum_x exp(-i p x) phi_x, so that <|phi_p|^2> of white
//! noise is 1 and Parseval holds without factors. Every multiplier used here is real and even in p
//! (a covariance of a translation-invariant, real field), hence a filtered real field is real. A field with
//! several components a site has one spectrum a component; a multiplier has as many values as a field. Two
//! fields could share one complex transform; they do not, because the rounding of a field would then
//! depend on its partner in the batch.
//!
//! Links of a two-dimensional gauge field have a second pair of modes at every momentum, the transverse one, which
//! makes plaquettes, and the longitudinal one, which is gauge: [`LatticeFourier::of_links`] transforms to these, with
//! the transverse spectrum in the place of the first component.

use crate::lattice::Lattice;
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlannerScalar};
use std::sync::Arc;

/// Transforms with their work space; one per thread, allocates only in [`LatticeFourier::new`].
pub struct LatticeFourier {
    extents: Vec<usize>,
    sites: usize,
    components: usize,
    forward: Vec<Arc<dyn Fft<f64>>>,
    inverse: Vec<Arc<dyn Fft<f64>>>,
    spectrum: Vec<Complex<f64>>,
    line: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
    mirror: Vec<u32>,
    /// For links: the transverse unit vector of every momentum.
    transverse: Vec<[Complex<f64>; 2]>,
}

impl LatticeFourier {
    /// Plans for fields on the sites of `lattice` with another number of components.
    pub(crate) fn with_components(lattice: &Lattice, components: usize) -> Self {
        let spectrum = vec![Complex::default(); components * lattice.sites()];
        LatticeFourier { components, spectrum, ..Self::new(lattice) }
    }

    /// Plans for `lattice`. The scalar planner is used on purpose: the vector ones round
    /// differently from machine to machine, and a proposal must have the same bits everywhere.
    pub fn new(lattice: &Lattice) -> Self {
        let mut planner = FftPlannerScalar::new();
        let forward: Vec<_> = lattice.extents().iter().map(|&n| planner.plan_fft_forward(n)).collect();
        let inverse: Vec<_> = lattice.extents().iter().map(|&n| planner.plan_fft_inverse(n)).collect();
        let scratch = forward.iter().chain(&inverse).map(|plan| plan.get_inplace_scratch_len()).max().unwrap_or(0);
        let longest = lattice.extents().iter().copied().max().unwrap_or(0);
        let sites = lattice.sites();
        LatticeFourier {
            extents: lattice.extents().to_vec(),
            sites,
            components: lattice.components(),
            forward,
            inverse,
            spectrum: vec![Complex::default(); lattice.values()],
            line: vec![Complex::default(); longest],
            scratch: vec![Complex::default(); scratch],
            mirror: mirrored_momenta(lattice),
            transverse: vec![],
        }
    }

    /// Plans for the link angles of a gauge field on `lattice`, which has two axes and two components, in the order
    /// of [`crate::action::GaugeLinks`].
    pub fn of_links(lattice: &Lattice) -> Self {
        let transverse = (0..lattice.sites()).map(|p| transverse(&lattice.coordinates(p), lattice.extents()));
        LatticeFourier { transverse: transverse.collect(), ..Self::new(lattice) }
    }

    fn transform(&mut self, inverse: bool) {
        if inverse {
            self.polarise(true);
        }
        self.transform_components(inverse);
        if !inverse {
            self.polarise(false);
        }
    }

    /// Between (A_0, A_1) and (transverse, longitudinal): a unitary matrix at every momentum, conjugate at -p.
    fn polarise(&mut self, inverse: bool) {
        if self.transverse.is_empty() {
            return;
        }
        let (first, second) = self.spectrum.split_at_mut(self.sites);
        for ((a, b), t) in first.iter_mut().zip(second).zip(&self.transverse) {
            (*a, *b) = match inverse {
                false => (t[0].conj() * *a + t[1].conj() * *b, t[0] * *b - t[1] * *a),
                true => (t[0] * *a - t[1].conj() * *b, t[1] * *a + t[0].conj() * *b),
            };
        }
    }

    fn transform_components(&mut self, inverse: bool) {
        let plans = if inverse { &self.inverse } else { &self.forward };
        let mut stride = 1;
        for axis in (0..self.extents.len()).rev() {
            let n = self.extents[axis];
            if stride == 1 {
                plans[axis].process_with_scratch(&mut self.spectrum, &mut self.scratch);
            } else {
                for block in (0..self.spectrum.len()).step_by(n * stride) {
                    for start in block..block + stride {
                        let line = &mut self.line[..n];
                        line.iter_mut().enumerate().for_each(|(i, z)| *z = self.spectrum[start + i * stride]);
                        plans[axis].process_with_scratch(line, &mut self.scratch);
                        line.iter().enumerate().for_each(|(i, &z)| self.spectrum[start + i * stride] = z);
                    }
                }
            }
            stride *= n;
        }
    }

    fn load(&mut self, real: &[f64], imaginary: Option<&[f64]>) {
        match imaginary {
            Some(imaginary) => {
                for (z, (&re, &im)) in self.spectrum.iter_mut().zip(real.iter().zip(imaginary)) {
                    *z = Complex::new(re, im);
                }
            }
            None => self.spectrum.iter_mut().zip(real).for_each(|(z, &re)| *z = Complex::new(re, 0.0)),
        }
    }

    /// `out_x = sum_p exp(ipx) multiplier_p field_p / sqrt(V)`; `multiplier` is real and even in p.
    pub fn filter(&mut self, field: &[f64], multiplier: &[f64], out: &mut [f64]) {
        self.load(field, None);
        self.filter_loaded(multiplier);
        out.iter_mut().zip(&self.spectrum).for_each(|(value, z)| *value = z.re);
    }

    fn filter_loaded(&mut self, multiplier: &[f64]) {
        self.transform(false);
        let scale = 1.0 / self.sites as f64;
        self.spectrum.iter_mut().zip(multiplier).for_each(|(z, &m)| *z *= m * scale);
        self.transform(true);
    }

    /// Adds |field_p|^2 to `power[p]` (orthonormal convention).
    pub fn accumulate_power(&mut self, field: &[f64], power: &mut [f64]) {
        self.load(field, None);
        self.transform(false);
        let scale = 1.0 / self.sites as f64;
        self.spectrum.iter().zip(power).for_each(|(z, sum)| *sum += z.norm_sqr() * scale);
    }

    /// Adds |a_p|^2, |b_p|^2 and Re(a_p^* b_p) of two real fields to the three sums, by one transform.
    pub fn accumulate_cross_power(&mut self, a: &[f64], b: &[f64], sums: [&mut [f64]; 3]) {
        self.load(a, Some(b));
        self.transform(false);
        let scale = 1.0 / self.sites as f64;
        let [aa, bb, ab] = sums;
        for p in 0..self.spectrum.len() {
            // z = a + ib: a_p = (z_p + conj z_-p)/2, b_p = (z_p - conj z_-p)/2i.
            let (z, w) = (self.spectrum[p], self.spectrum[self.mirror[p] as usize].conj());
            let a_p = (z + w) * 0.5;
            let b_p = (z - w) * Complex::new(0.0, -0.5);
            aa[p] += a_p.norm_sqr() * scale;
            bb[p] += b_p.norm_sqr() * scale;
            ab[p] += (a_p * b_p.conj()).re * scale;
        }
    }

    /// The multiplier whose filter is the convolution with `kernel` (real and even in x):
    /// sum_x cos(px) kernel_x.
    pub fn multiplier(&mut self, kernel: &[f64], out: &mut [f64]) {
        self.load(kernel, None);
        self.transform(false);
        out.iter_mut().zip(&self.spectrum).for_each(|(value, z)| *value = z.re);
    }

    /// The multiplier of the square, point by point, of the kernel that belongs to `multiplier`.
    pub fn squared_kernel(&mut self, multiplier: &[f64], out: &mut [f64]) {
        let mut origin = vec![0.0; self.spectrum.len()];
        (0..self.components).for_each(|component| origin[component * self.sites] = 1.0);
        let mut kernel = vec![0.0; origin.len()];
        self.filter(&origin, multiplier, &mut kernel);
        kernel.iter_mut().for_each(|value| *value *= *value);
        self.multiplier(&kernel, out);
    }

    /// sum_p weight_p |field_p|^2: minus twice the exponent of a Gaussian with precision `weight`.
    pub fn quadratic_form(&mut self, field: &[f64], weight: &[f64]) -> f64 {
        self.load(field, None);
        self.transform(false);
        let sum: f64 = self.spectrum.iter().zip(weight).map(|(z, &w)| w * z.norm_sqr()).sum();
        sum / self.sites as f64
    }
}

/// The unit vector T of the mode that makes plaquettes: theta_P(p) = |d| (T^* . A)(p), d_mu = exp(i p_mu) - 1. At p = 0
/// no mode does; there the first axis serves.
fn transverse(momentum: &[usize], extents: &[usize]) -> [Complex<f64>; 2] {
    let difference = |axis: usize| {
        let (k, n) = (momentum[axis], extents[axis]);
        let angle = std::f64::consts::TAU * k as f64 / n as f64;
        // Exact where p = -p, so that T(-p) is the conjugate of T(p).
        let sine = if 2 * k % n == 0 { 0.0 } else { libm::sin(angle) };
        Complex::new(libm::cos(angle) - 1.0, sine)
    };
    let (d_0, d_1) = (difference(0), difference(1));
    let length = (d_0.norm_sqr() + d_1.norm_sqr()).sqrt();
    match length > 0.0 {
        true => [-d_1.conj() / length, d_0.conj() / length],
        false => [Complex::new(1.0, 0.0), Complex::new(0.0, 0.0)],
    }
}

/// The transform along one axis by real numbers, an orthonormal matrix of rows k: the cosine of momentum k up to n/2, the
/// sine of n - k beyond. A multiplier that has one value at a momentum and at all its reflections acts on the products of
/// these rows as [`LatticeFourier::filter`] does.
pub fn real_basis(extent: usize) -> Vec<f64> {
    let entry = |(k, x): (usize, usize)| {
        let turn = |k: usize| std::f64::consts::TAU * (k * x % extent) as f64 / extent as f64;
        let wave = if 2 * k <= extent { libm::cos(turn(k)) } else { libm::sin(turn(extent - k)) };
        let norm = if 2 * k % extent == 0 { 1.0 } else { 2.0 };
        wave * (norm / extent as f64).sqrt()
    };
    (0..extent).flat_map(|k| (0..extent).map(move |x| (k, x))).map(entry).collect()
}

/// Whether a multiplier has one value at a momentum and at all its reflections, axis by axis.
pub fn is_reflection_symmetric(lattice: &Lattice, multiplier: &[f64]) -> bool {
    let (extents, sites) = (lattice.extents(), lattice.sites());
    (0..lattice.values()).all(|p| {
        let momentum = lattice.coordinates(p % sites);
        let folded: Vec<usize> = momentum.iter().zip(extents).map(|(&k, &n)| k.min(n - k)).collect();
        let (here, there) = (multiplier[p], multiplier[p / sites * sites + lattice.index(&folded)]);
        (here - there).abs() <= 1e-12 * here.abs().max(there.abs())
    })
}

/// 4 sin^2(p_mu / 2) summed over the axes, for every momentum.
pub fn lattice_momenta(lattice: &Lattice) -> Vec<f64> {
    let square = |(k, &n): (usize, &usize)| 4.0 * libm::sin(std::f64::consts::PI * k as f64 / n as f64).powi(2);
    (0..lattice.sites()).map(|p| lattice.coordinates(p).into_iter().zip(lattice.extents()).map(square).sum()).collect()
}

/// Index of -p for every momentum p of every component.
pub fn mirrored_momenta(lattice: &Lattice) -> Vec<u32> {
    let sites = lattice.sites();
    (0..lattice.values())
        .map(|p| {
            let mirrored: Vec<usize> =
                lattice.coordinates(p % sites).iter().zip(lattice.extents()).map(|(&k, &n)| (n - k) % n).collect();
            (p / sites * sites + lattice.index(&mirrored)) as u32
        })
        .collect()
}

/// Groups momenta that are equivalent under reflections of each axis and exchanges of axes of equal
/// extent: `class[p]` numbers the class of p. Class 0 is the zero mode. Of a field with several
/// components each has classes of its own, in order.
pub fn momentum_classes(lattice: &Lattice) -> (Vec<u32>, usize) {
    let extents = lattice.extents();
    let isotropic = extents.iter().all(|&extent| extent == extents[0]);
    let mut known = std::collections::BTreeMap::new();
    let sites = lattice.sites();
    let class = (0..lattice.values())
        .map(|p| {
            let mut folded: Vec<usize> =
                lattice.coordinates(p % sites).iter().zip(extents).map(|(&k, &n)| k.min(n - k)).collect();
            if isotropic {
                folded.sort_unstable();
            }
            let next = known.len() as u32;
            *known.entry((p / sites, folded)).or_insert(next)
        })
        .collect();
    (class, known.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    fn fields(lattice: &Lattice) -> Vec<f64> {
        let mut fields = vec![0.0; 2 * lattice.sites()];
        Stream::new(3, 0, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut fields);
        fields
    }

    /// The naive sum over momenta, with the multiplier 1 / (1 + 2 sum_mu (1 - cos p_mu)).
    fn reference(lattice: &Lattice, field: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let v = lattice.sites();
        let phase = |p: usize, x: usize| -> f64 {
            let (p, x) = (lattice.coordinates(p), lattice.coordinates(x));
            let turns = p.iter().zip(&x).zip(lattice.extents()).map(|((&p, &x), &n)| (p * x) as f64 / n as f64);
            std::f64::consts::TAU * turns.sum::<f64>()
        };
        let multiplier: Vec<f64> = (0..v)
            .map(|p| {
                let k = lattice.coordinates(p);
                let hat = k
                    .iter()
                    .zip(lattice.extents())
                    .map(|(&k, &n)| 1.0 - (std::f64::consts::TAU * k as f64 / n as f64).cos());
                1.0 / (1.0 + 2.0 * hat.sum::<f64>())
            })
            .collect();
        let out = (0..v)
            .map(|x| {
                let terms = (0..v).flat_map(|p| (0..v).map(move |y| (p, y)));
                terms.map(|(p, y)| multiplier[p] * (phase(p, x) - phase(p, y)).cos() * field[y]).sum::<f64>() / v as f64
            })
            .collect();
        (multiplier, out)
    }

    #[test]
    fn filters_match_the_naive_sum_in_every_rank() {
        for extents in [&[6][..], &[4, 6], &[2, 3, 4], &[2, 3, 2, 4]] {
            let lattice = Lattice::new(extents).unwrap();
            let v = lattice.sites();
            let fields = fields(&lattice);
            let mut fourier = LatticeFourier::new(&lattice);
            let (multiplier, expected) = reference(&lattice, &fields[..v]);
            let mut out = vec![0.0; 2 * v];
            fourier.filter(&fields[..v], &multiplier, &mut out[..v]);
            assert!(out.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12));
            let direct: f64 = fields[..v].iter().zip(&expected).map(|(a, b)| a * b).sum();
            assert!((fourier.quadratic_form(&fields[..v], &multiplier) - direct).abs() < 1e-11);
        }
    }

    #[test]
    fn cross_power_separates_the_two_fields() {
        let lattice = Lattice::new(&[4, 6]).unwrap();
        let v = lattice.sites();
        let fields = fields(&lattice);
        let mut fourier = LatticeFourier::new(&lattice);
        let (mut aa, mut bb, mut ab, mut power) = (vec![0.0; v], vec![0.0; v], vec![0.0; v], vec![0.0; v]);
        fourier.accumulate_cross_power(&fields[..v], &fields[v..], [&mut aa, &mut bb, &mut ab]);
        fourier.accumulate_power(&fields[v..], &mut power);
        assert!(bb.iter().zip(&power).all(|(a, b)| (a - b).abs() < 1e-12));
        let direct: f64 = fields[..v].iter().zip(&fields[v..]).map(|(a, b)| a * b).sum();
        assert!((ab.iter().sum::<f64>() - direct).abs() < 1e-11);
    }

    /// The first spectrum of links is that of plaquettes over |p-hat|, gauge transformations are in the second alone, the
    /// transform is orthogonal, and filters of real fields are real.
    #[test]
    fn links_have_a_transverse_and_a_longitudinal_mode() {
        use crate::action::GaugeLinks;
        for extents in [[4, 6], [3, 5], [2, 2]] {
            let lattice = Lattice::new(&extents).unwrap().with_components(2).unwrap();
            let v = lattice.sites();
            let (links, mut fourier) = (GaugeLinks::new(&lattice).unwrap(), LatticeFourier::of_links(&lattice));
            let field = fields(&lattice);
            let (mut plaquettes, mut power, mut by_plaquette) = (vec![0.0; v], vec![0.0; 2 * v], vec![0.0; v]);
            links.plaquettes(&field, &mut plaquettes).unwrap();
            fourier.accumulate_power(&field, &mut power);
            let scalar = Lattice::new(&extents).unwrap();
            LatticeFourier::new(&scalar).accumulate_power(&plaquettes, &mut by_plaquette);
            for (p, p2) in lattice_momenta(&scalar).into_iter().enumerate() {
                assert!((by_plaquette[p] - p2 * power[p]).abs() < 1e-12, "{extents:?} {p}");
            }
            assert!((power.iter().sum::<f64>() - field.iter().map(|x| x * x).sum::<f64>()).abs() < 1e-11);

            let mut gauge = vec![0.0; 2 * v];
            links.gauge_transform(&mut gauge, &field[..v]).unwrap();
            power.fill(0.0);
            fourier.accumulate_power(&gauge, &mut power);
            assert!(power[..v].iter().all(|&value| value < 1e-24), "{extents:?}");

            let mut same = vec![0.0; 2 * v];
            fourier.filter(&field, &vec![1.0; 2 * v], &mut same);
            assert!(same.iter().zip(&field).all(|(a, b)| (a - b).abs() < 1e-13));
            // Twice the transverse projection is once: with an imaginary part lost it would not be.
            let project = [vec![1.0; v], vec![0.0; v]].concat();
            let (mut once, mut twice) = (vec![0.0; 2 * v], vec![0.0; 2 * v]);
            fourier.filter(&field, &project, &mut once);
            fourier.filter(&once, &project, &mut twice);
            assert!(once.iter().zip(&twice).all(|(a, b)| (a - b).abs() < 1e-13));
            let norm = fourier.quadratic_form(&field, &project);
            assert!((norm - once.iter().map(|x| x * x).sum::<f64>()).abs() < 1e-11);
        }
    }

    #[test]
    fn momentum_classes_of_the_square_lattice() {
        let lattice = Lattice::new(&[16, 16]).unwrap();
        let (class, classes) = momentum_classes(&lattice);
        assert_eq!((classes, class[0], class[1], class[16], class[15]), (45, 0, 1, 1, 1));
    }
}
