//! Configurations to learn from.

use crate::error::{Error, Result, require_finite};
use crate::fourier::{LatticeFourier, momentum_classes};
use crate::lattice::Lattice;
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
    /// From fields that lie one after the other.
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

    /// Reads an `.npy` array of `f32` or `f64` with shape (configurations, extents...).
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::InvalidArgument`] for another type or rank, and those of [`Dataset::new`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
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
        let lattice = Lattice::new(shape.get(1..).unwrap_or(&[]))?;
        let fields = if array.is_standard_layout() {
            array.into_raw_vec_and_offset().0
        } else {
            array.iter().copied().collect()
        };
        Self::new(lattice, fields)
    }

    /// Writes the configurations as an `.npy` array of `f32`, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let shape: Vec<usize> = std::iter::once(self.len()).chain(self.lattice.extents().iter().copied()).collect();
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

    /// Covariance <|phi_p|^2> by momentum class over the training part.
    pub fn covariance(&self) -> Vec<f64> {
        let mut fourier = LatticeFourier::new(&self.lattice);
        let mut power = vec![0.0; self.lattice.values()];
        let mut wide = vec![0.0; self.lattice.values()];
        for index in 0..self.training() {
            wide.iter_mut().zip(self.field(index)).for_each(|(to, &from)| *to = f64::from(from));
            fourier.accumulate_power(&wide, &mut power);
        }
        let (class, classes) = momentum_classes(&self.lattice);
        class_means(&power, &class, classes, self.training() as f64)
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
    fn white_noise_has_unit_covariance() {
        let lattice = Lattice::new(&[8, 8]).unwrap();
        let mut noise = vec![0.0; 64 * 2000];
        Stream::new(1, 0, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut noise);
        let data = Dataset::new(lattice, noise.into_iter().map(|x| x as f32).collect()).unwrap();
        // Standard error of the rarest class (one real mode, 1800 samples): 0.033; bound at 5 sigma.
        assert!(data.covariance().iter().all(|c| (c - 1.0).abs() < 0.17));
    }
}
