//! Configurations to learn from.

use crate::error::{Error, Result, require_finite};
use crate::lattice::Lattice;
use crate::model::{Modes, covariance_classes};
use ndarray::{ArrayD, IxDyn};
use ndarray_npy::ReadNpyExt;
use std::path::Path;

/// Configurations of one lattice. The last tenth is held out: it measures, it never trains.
#[derive(Clone, Debug)]
pub struct Dataset {
    lattice: Lattice,
    fields: Vec<f32>,
}

impl Dataset {
    /// From fields that lie one after the other, components slowest within each.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] unless they fill whole configurations; [`Error::InvalidArgument`] for
    /// fewer than 32; [`Error::NotFinite`].
    pub fn new(lattice: Lattice, fields: Vec<f32>) -> Result<Self> {
        let sites = lattice.values();
        if !fields.len().is_multiple_of(sites) {
            return Err(Error::shape("fields", fields.len(), format!("a multiple of {sites} sites")));
        }
        let count = fields.len() / sites;
        if count < 32 {
            return Err(Error::invalid("configurations", count, "at least 32 to train and to hold out"));
        }
        for (index, field) in fields.chunks_exact(sites).enumerate() {
            let wide: Vec<f64> = field.iter().map(|&x| f64::from(x)).collect();
            require_finite(&format!("configuration {index}"), &wide)?;
        }
        Ok(Dataset { lattice, fields })
    }

    /// Reads an `.npy` array of `f32` or `f64` with shape (configurations, extents...): fields of one
    /// component.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::InvalidArgument`] for another type or rank, and those of [`Dataset::new`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::load_with_components(path, 1)
    }

    /// Reads an `.npy` array of `f32` or `f64` with shape (configurations, components, extents...), or
    /// (configurations, extents...) for one component.
    ///
    /// # Errors
    /// As [`Dataset::load`]; [`Error::ShapeMismatch`] when the second axis has another length.
    pub fn load_with_components(path: impl AsRef<Path>, components: usize) -> Result<Self> {
        let path = path.as_ref();
        let open = || std::fs::File::open(path).map(std::io::BufReader::new).map_err(|source| Error::io(path, source));
        let array: ArrayD<f32> = match ArrayD::<f32>::read_npy(open()?) {
            Ok(array) => array,
            Err(_) => {
                let wide = ArrayD::<f64>::read_npy(open()?).map_err(|error| {
                    let value = format!("{} ({error})", path.display());
                    Error::invalid("data file", value, "a .npy array of float32 or float64 in C order")
                })?;
                wide.mapv(|x| x as f32)
            }
        };
        let shape = array.shape().to_vec();
        let sites = if components == 1 { 1 } else { 2 };
        if components != 1 && shape.get(1) != Some(&components) {
            let expected = format!("(configurations, {components} components, extents...)");
            return Err(Error::shape(&format!("{}", path.display()), shape, expected));
        }
        let lattice = Lattice::new(shape.get(sites..).unwrap_or(&[]))?.with_components(components)?;
        let fields = if array.is_standard_layout() {
            array.into_raw_vec_and_offset().0
        } else {
            array.iter().copied().collect()
        };
        Self::new(lattice, fields)
    }

    /// The same data of independent sites with `copies` consecutive configurations side by side in each:
    /// many variables at a time fill the registers of the machine. Up to `copies` - 1 are left over.
    ///
    /// # Errors
    /// Those of [`Dataset::new`].
    pub(super) fn side_by_side(&self, copies: usize) -> Result<Self> {
        let (sites, components) = (self.lattice.sites(), self.lattice.components());
        let mut fields = Vec::with_capacity(self.fields.len());
        for group in self.fields.chunks_exact(copies * self.lattice.values()) {
            for component in 0..components {
                let parts = group.chunks_exact(sites).skip(component).step_by(components);
                parts.for_each(|part| fields.extend_from_slice(part));
            }
        }
        Self::new(Lattice::new(&[copies * sites])?.with_components(components)?, fields)
    }

    /// Writes the configurations as an `.npy` array of `f32`, in the shape that
    /// [`Dataset::load_with_components`] reads, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let components = Some(self.lattice.components()).filter(|&components| components > 1);
        let leading = std::iter::once(self.len()).chain(components);
        let shape: Vec<usize> = leading.chain(self.lattice.extents().iter().copied()).collect();
        let array = ndarray::ArrayViewD::from_shape(IxDyn(&shape), &self.fields)
            .map_err(|error| Error::Internal(format!("npy shape: {error}")))?;
        crate::files::write_npy(path.as_ref(), &array)
    }

    /// The lattice.
    pub fn lattice(&self) -> &Lattice {
        &self.lattice
    }

    /// Number of configurations.
    pub fn len(&self) -> usize {
        self.fields.len() / self.lattice.values()
    }

    /// Never: a data set holds at least 32 configurations.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Configurations that train.
    pub fn training(&self) -> usize {
        self.len() - self.len() / 10
    }

    /// Configuration `index`; those from [`Dataset::training`] on are held out.
    pub fn field(&self, index: usize) -> &[f32] {
        let sites = self.lattice.values();
        &self.fields[index * sites..(index + 1) * sites]
    }

    /// Covariance <|phi_p|^2> by momentum class over the training part, components slowest.
    pub fn covariance(&self) -> Vec<f64> {
        self.covariance_with_reach(1)
    }

    /// Covariance by class of modes (`model::covariance_classes`).
    pub(super) fn covariance_with_reach(&self, reach: usize) -> Vec<f64> {
        let mut modes = Modes::new(&self.lattice, reach);
        let mut power = vec![0.0; self.lattice.values()];
        let mut wide = vec![0.0; self.lattice.values()];
        for index in 0..self.training() {
            wide.iter_mut().zip(self.field(index)).for_each(|(to, &from)| *to = f64::from(from));
            modes.accumulate_power(&wide, &mut power);
        }
        let (class, classes) = covariance_classes(&self.lattice, reach);
        class_means(&power, &class, classes, self.training() as f64)
    }

    /// Refuses data whose sites are visibly correlated.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the covariance of a momentum is far from the mean over all but zero:
    /// by a quarter, and by eight times what chance makes of as many configurations (more where the
    /// class is a single real mode).
    pub(super) fn require_independent_sites(&self) -> Result<()> {
        let (class, _) = covariance_classes(&self.lattice, 1);
        let covariance = self.covariance();
        let sites = self.lattice.sites();
        let tolerance = 0.25 + 8.0 * (2.0 / self.training() as f64).sqrt();
        for (component, class) in class.chunks_exact(sites).enumerate() {
            // All modes but the zero mode, which holds the square of the mean.
            let covariance: Vec<f64> = class[1..].iter().map(|&class| covariance[class as usize]).collect();
            let mean = covariance.iter().sum::<f64>() / covariance.len() as f64;
            if let Some(value) = covariance.iter().find(|&&c| !((c / mean - 1.0).abs() < tolerance)) {
                let found = format!("{value:.4e} at one momentum, {mean:.4e} on average (component {component})");
                let expected = "a flat covariance for a network of reach 0; take reach 1 where sites interact";
                return Err(Error::invalid("data covariance", found, expected));
            }
        }
        Ok(())
    }
}

/// Means over momentum classes of sums over `count` samples.
pub(super) fn class_means(sums: &[f64], class: &[u32], classes: usize, count: f64) -> Vec<f64> {
    let mut means = vec![(0.0, 0.0); classes];
    for (&sum, &class) in sums.iter().zip(class) {
        let entry = &mut means[class as usize];
        entry.0 += sum;
        entry.1 += count;
    }
    means.into_iter().map(|(sum, count)| sum / count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    #[test]
    fn npy_files_come_back_and_bad_ones_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let lattice = Lattice::new(&[2, 4]).unwrap();
        let fields: Vec<f32> = (0..40 * 8).map(|i| i as f32).collect();
        let data = Dataset::new(lattice.clone(), fields.clone()).unwrap();
        let path = folder.path().join("data.npy");
        data.save(&path).unwrap();
        let back = Dataset::load(&path).unwrap();
        assert_eq!((back.fields, back.lattice.extents()), (fields, &[2usize, 4][..]));
        std::fs::write(&path, b"\x93NUMPY nonsense").unwrap();
        assert!(Dataset::load(&path).is_err() && Dataset::load(folder.path().join("absent.npy")).is_err());
        assert!(Dataset::new(lattice.clone(), vec![0.0; 17]).is_err());
        assert!(Dataset::new(lattice.clone(), vec![0.0; 8]).is_err());
        assert!(Dataset::new(lattice, vec![f32::NAN; 8 * 40]).is_err());
    }

    #[test]
    fn components_are_an_axis_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.npy");
        let lattice = Lattice::new(&[3]).unwrap().with_components(2).unwrap();
        let fields: Vec<f32> = (0..40 * 6).map(|i| (i % 7) as f32 * if i % 6 < 3 { 1.0 } else { 2.0 }).collect();
        let data = Dataset::new(lattice.clone(), fields.clone()).unwrap();
        data.save(&path).unwrap();
        let back = Dataset::load_with_components(&path, 2).unwrap();
        assert_eq!((back.lattice, back.fields), (lattice, fields));
        // Without its components the array is a lattice of rank 2; with three it is refused.
        assert_eq!(Dataset::load(&path).unwrap().lattice.extents(), [2, 3]);
        assert!(Dataset::load_with_components(&path, 3).unwrap_err().to_string().contains("3 components"));
        // The covariance of independent sites is the mean of that over momenta, component by component.
        let (class, _) = covariance_classes(data.lattice(), 1);
        let by_momentum = data.covariance();
        for (component, flat) in data.covariance_with_reach(0).into_iter().enumerate() {
            let modes = class[3 * component..3 * component + 3].iter().map(|&class| by_momentum[class as usize]);
            assert!((modes.sum::<f64>() / 3.0 - flat).abs() < 1e-9);
        }
    }

    #[test]
    fn configurations_side_by_side_keep_their_components_apart() {
        let lattice = Lattice::new(&[2]).unwrap().with_components(2).unwrap();
        let fields: Vec<f32> = (0..4 * 101).map(|i| i as f32).collect();
        let joined = Dataset::new(lattice, fields).unwrap().side_by_side(3).unwrap();
        assert_eq!((joined.len(), joined.lattice().extents(), joined.lattice().components()), (33, &[6usize][..], 2));
        assert_eq!(joined.field(1), [12., 13., 16., 17., 20., 21., 14., 15., 18., 19., 22., 23.]);
    }

    #[test]
    fn sites_that_interact_are_told_from_independent_ones() {
        let lattice = Lattice::new(&[8]).unwrap();
        let mut noise = vec![0.0; 8 * 400];
        Stream::new(1, 0, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut noise);
        let dataset = |smooth: f64| {
            let field = |z: &[f64]| (0..8).map(|x| (z[x] + smooth * z[(x + 1) % 8]) as f32).collect::<Vec<_>>();
            Dataset::new(lattice.clone(), noise.chunks(8).flat_map(field).collect()).unwrap()
        };
        // False alarm: 11 standard deviations.
        assert!(dataset(0.0).require_independent_sites().is_ok());
        assert!(dataset(0.7).require_independent_sites().unwrap_err().to_string().contains("reach 1"));
    }

    #[test]
    fn white_noise_has_unit_covariance() {
        let lattice = Lattice::new(&[8, 8]).unwrap();
        let mut noise = vec![0.0; 64 * 2000];
        Stream::new(1, 0, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut noise);
        let data = Dataset::new(lattice, noise.into_iter().map(|x| x as f32).collect()).unwrap();
        // Standard error of the rarest class (one real mode, 1800 samples): 0.033; bound at 5 sigma.
        assert!(data.covariance().iter().all(|c| (c - 1.0).abs() < 0.17));
    }
}
