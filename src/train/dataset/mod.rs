//! Configurations to learn from.

mod npy;

use crate::action::GaugeLinks;
use crate::diffusion::ZeroMode;
use crate::error::{Error, Result, require_length};
use crate::files_hdf5::{self, Values};
use crate::lattice::{Lattice, MAX_RANK};
use crate::model::{Modes, covariance_classes};
use crate::score::PlaquetteMoments;
use ndarray::IxDyn;
use npy::NpyArray;
use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Fewest configurations of a data set.
const FEWEST: usize = 32;

/// Configurations of one lattice, in memory or in a file that is read as it is needed. Cheap to clone.
///
/// # Split
/// Three parts, in the order of storage:
///
/// | part | share | for |
/// |---|---|---|
/// | [`Dataset::training`] | the first 80 % | what the network learns from |
/// | [`Dataset::validation`] | the next 10 % | what steers: when to stop, which weights to keep |
/// | [`Dataset::held_out`] | the last 10 % | what measures: it neither trains nor steers |
///
/// They are consecutive blocks, because configurations of one chain are correlated: drawn at random, a
/// held-out configuration would have neighbours that trained, and would measure what the network
/// remembers. Blocks share only the few configurations within an autocorrelation time of the seams.
#[derive(Clone, Debug)]
pub struct Dataset {
    lattice: Lattice,
    stored: Arc<Stored>,
    /// Stored configurations side by side in one of these.
    copies: usize,
    training: usize,
    validation: Range<usize>,
    held_out: Range<usize>,
}

/// Values of one configuration after the other, components slowest within each.
#[derive(Debug)]
enum Stored {
    Values(Vec<f32>),
    Array(NpyArray),
}

impl Stored {
    fn read(&self, first: usize, to: &mut [f64]) {
        match self {
            Stored::Values(values) => to.iter_mut().zip(&values[first..]).for_each(|(to, &x)| *to = f64::from(x)),
            Stored::Array(array) => array.read(first, to),
        }
    }

    fn name(&self) -> String {
        match self {
            Stored::Values(_) => "the data".into(),
            Stored::Array(array) => array.path().display().to_string(),
        }
    }
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
        let data = Self::of(lattice, Stored::Values(fields), count)?;
        data.require_finite()?;
        Ok(data)
    }

    fn of(lattice: Lattice, stored: Stored, count: usize) -> Result<Self> {
        if count < FEWEST {
            let expected = format!("at least {FEWEST} to train, to validate and to hold out");
            return Err(Error::invalid("configurations", count, &expected));
        }
        let part = count / 10;
        let (training, validated) = (count - 2 * part, count - part);
        let (validation, held_out) = (training..validated, validated..count);
        Ok(Dataset { lattice, stored: Arc::new(stored), copies: 1, training, validation, held_out })
    }

    /// Opens an `.npy` array of shape (configurations, extents...): fields of one component. See
    /// [`Dataset::load_with_components`].
    ///
    /// # Errors
    /// Those of [`Dataset::load_with_components`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::load_with_components(path, 1)
    }

    /// Opens an `.npy` array of `float16`, `float32` or `float64`, of either byte order, with shape (configurations,
    /// components, extents...), or (configurations, extents...) for one component. With the feature `hdf5`, and a name that ends in
    /// `.h5` or `.hdf5`, such an array of `float32` or `float64` in an HDF5 file ([`files_hdf5`]).
    ///
    /// The file is mapped into memory, not read: it may be larger than the memory of the machine, and
    /// must not be changed while the data set is in use. Values are converted to `f64` as they are read, exactly.
    /// Below 1 GiB all are checked to be finite here, and an array in Fortran order is copied into C
    /// order; above, each configuration is checked when it is read, and Fortran order is refused.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::InvalidArgument`] for what is no such array or is cut short;
    /// [`Error::ShapeMismatch`] for another rank, or a second axis of another length than `components`;
    /// and those of [`Dataset::new`].
    pub fn load_with_components(path: impl AsRef<Path>, components: usize) -> Result<Self> {
        let path = path.as_ref();
        let array = if files_hdf5::is_hdf5(path) { NpyArray::open_hdf5(path)? } else { NpyArray::open(path)? };
        let shape = array.shape();
        let leading = if components == 1 { 1 } else { 2 };
        let fits = (leading + 1..=leading + MAX_RANK).contains(&shape.len());
        if !fits || (components != 1 && shape[1] != components) {
            let expected = match components {
                1 => format!("(configurations, extents...) with 1 to {MAX_RANK} extents"),
                _ => format!("(configurations, {components} components, extents...) with 1 to {MAX_RANK} extents"),
            };
            return Err(Error::shape(&array.path().display().to_string(), shape, expected));
        }
        let lattice = Lattice::new(&shape[leading..])?.with_components(components)?;
        let (count, small) = (shape[0], array.size() < npy::SMALL);
        let data = Self::of(lattice, Stored::Array(array), count)?;
        if small {
            data.require_finite()?;
        }
        Ok(data)
    }

    /// The same data of independent sites with `copies` consecutive configurations side by side in each:
    /// many variables at a time fill the registers of the machine. A view: nothing is copied. Groups with
    /// configurations of two parts of the split belong to none; up to `copies` - 1 configurations at the end are left over.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for fewer than 32 groups.
    pub(super) fn side_by_side(&self, copies: usize) -> Result<Self> {
        let sites = copies * self.lattice.sites();
        let lattice = Lattice::new(&[sites])?.with_components(self.lattice.components())?;
        let count = self.len() / copies;
        if count < FEWEST {
            return Err(Error::invalid("configurations side by side", count, "at least 32"));
        }
        let validation = self.training.div_ceil(copies)..self.validation.end / copies;
        let held_out = self.held_out.start.div_ceil(copies)..count;
        let (stored, copies_in_all) = (self.stored.clone(), self.copies * copies);
        Ok(Dataset { lattice, stored, copies: copies_in_all, training: self.training / copies, validation, held_out })
    }

    /// Writes the configurations as an `.npy` array of `f32`, or by its name as an HDF5 file, in the shape that
    /// [`Dataset::load_with_components`] reads, whole or not at all. Takes the memory of that array twice.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::NotFinite`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let components = Some(self.lattice.components()).filter(|&components| components > 1);
        let leading = std::iter::once(self.len()).chain(components);
        let shape: Vec<usize> = leading.chain(self.lattice.extents().iter().copied()).collect();
        let values = match &*self.stored {
            Stored::Values(values) if self.copies == 1 => Cow::Borrowed(&values[..]),
            _ => Cow::Owned(self.narrowed()?),
        };
        let path = path.as_ref();
        if files_hdf5::is_hdf5(path) {
            return files_hdf5::write(path, &shape, Values::Single(&values), None, &serde_json::json!({}));
        }
        let array = ndarray::ArrayViewD::from_shape(IxDyn(&shape), &values)
            .map_err(|error| Error::Internal(format!("npy shape: {error}")))?;
        crate::files::write_npy(path, &array)
    }

    fn narrowed(&self) -> Result<Vec<f32>> {
        let mut narrow = Vec::with_capacity(self.len() * self.lattice.values());
        self.for_each(0..self.len(), |field| narrow.extend(field.iter().map(|&x| x as f32)))?;
        Ok(narrow)
    }

    /// The lattice.
    pub fn lattice(&self) -> &Lattice {
        &self.lattice
    }

    /// Number of configurations.
    pub fn len(&self) -> usize {
        self.held_out.end
    }

    /// Never: a data set holds at least 32 configurations.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Configurations that train: those below this number, 80 %.
    pub fn training(&self) -> usize {
        self.training
    }

    /// Configurations that steer the training and do not train, 10 %.
    pub fn validation(&self) -> Range<usize> {
        self.validation.clone()
    }

    /// Configurations that measure the finished model and neither train nor steer, 10 %.
    pub fn held_out(&self) -> Range<usize> {
        self.held_out.clone()
    }

    /// Reads configuration `index` into `field`, without allocation. Any number of threads may read at a time.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for a wrong length, [`Error::InvalidArgument`] for an index beyond the last;
    /// [`Error::NotFinite`], naming the configuration, where large files were not checked before.
    pub fn read(&self, index: usize, field: &mut [f64]) -> Result<()> {
        require_length("field", field.len(), self.lattice.values())?;
        if index >= self.len() {
            return Err(Error::invalid("configuration", index, &format!("a number below {}", self.len())));
        }
        let (components, sites) = (self.lattice.components(), self.lattice.sites());
        let part = sites / self.copies;
        for (component, values) in field.chunks_exact_mut(sites).enumerate() {
            for (copy, values) in values.chunks_exact_mut(part).enumerate() {
                self.stored.read(((index * self.copies + copy) * components + component) * part, values);
            }
        }
        match field.iter().position(|value| !value.is_finite()) {
            None => Ok(()),
            Some(at) => {
                let (component, site) = (at / sites, at % sites);
                let what = format!("configuration {} of {}", index * self.copies + site / part, self.stored.name());
                Err(Error::NotFinite { what, index: component * part + site % part, value: field[at] })
            }
        }
    }

    /// Configuration `index` in a buffer of its own; [`Dataset::read`] fills one that is there.
    ///
    /// # Errors
    /// Those of [`Dataset::read`].
    pub fn field(&self, index: usize) -> Result<Vec<f64>> {
        let mut field = vec![0.0; self.lattice.values()];
        self.read(index, &mut field)?;
        Ok(field)
    }

    /// Calls `visit` with every configuration of `range`, in order.
    ///
    /// # Errors
    /// Those of [`Dataset::read`].
    pub(super) fn for_each(&self, range: Range<usize>, mut visit: impl FnMut(&[f64])) -> Result<()> {
        let mut field = vec![0.0; self.lattice.values()];
        for index in range {
            self.read(index, &mut field)?;
            visit(&field);
        }
        Ok(())
    }

    /// Bytes that the configurations keep in memory: none of a file that is mapped.
    pub(super) fn memory(&self) -> usize {
        match &*self.stored {
            Stored::Values(values) => size_of_val(&values[..]),
            Stored::Array(array) => array.memory(),
        }
    }

    fn require_finite(&self) -> Result<()> {
        self.for_each(0..self.len(), |_| {})
    }

    /// The law of two peaks with the `<a^2>` and `<|a|>` of the zero mode, if it has two peaks.
    ///
    /// # Errors
    /// Those of [`Dataset::read`].
    pub(super) fn zero_mode(&self) -> Result<Option<ZeroMode>> {
        let (mut square, mut modulus) = (0.0, 0.0);
        self.for_each(0..self.training, |field| {
            let a = crate::score::zero_mode(field);
            square += a * a;
            modulus += a.abs();
        })?;
        let count = self.training as f64;
        Ok(ZeroMode::from_moments(square / count, modulus / count))
    }

    /// Moments of the plaquettes of link angles over the training part.
    ///
    /// # Errors
    /// Those of [`Dataset::read`]; [`Error::InvalidArgument`] for a lattice without links.
    pub(super) fn plaquettes(&self) -> Result<PlaquetteMoments> {
        let links = GaugeLinks::new(&self.lattice)?;
        let (mut cosine, mut square) = (0.0, 0.0);
        self.for_each(0..self.training, |field| {
            for site in 0..links.sites() {
                let (s, c) = libm::sincos(links.plaquette(field, site));
                cosine += c;
                square += s * s;
            }
        })?;
        let count = (self.training * links.sites()) as f64;
        Ok(PlaquetteMoments { cosine: cosine / count, sine_square: square / count })
    }

    /// Covariance <|phi_p|^2> by momentum class over the training part, components slowest.
    ///
    /// # Errors
    /// Those of [`Dataset::read`].
    pub fn covariance(&self) -> Result<Vec<f64>> {
        self.covariance_with_reach(1)
    }

    /// Covariance by class of modes (`model::covariance_classes`).
    pub(super) fn covariance_with_reach(&self, reach: usize) -> Result<Vec<f64>> {
        let mut modes = Modes::new(&self.lattice, reach);
        let mut power = vec![0.0; self.lattice.values()];
        self.for_each(0..self.training, |field| modes.accumulate_power(field, &mut power))?;
        let (class, classes) = covariance_classes(&self.lattice, reach);
        Ok(class_means(&power, &class, classes, self.training as f64))
    }

    /// Refuses data whose sites are visibly correlated.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the covariance of a momentum is far from the mean over all but zero:
    /// by a quarter, and by eight times what chance makes of as many configurations (more where the
    /// class is a single real mode). Those of [`Dataset::read`].
    pub(super) fn require_independent_sites(&self) -> Result<()> {
        let (class, _) = covariance_classes(&self.lattice, 1);
        let covariance = self.covariance()?;
        let sites = self.lattice.sites();
        let tolerance = 0.25 + 8.0 * (2.0 / self.training as f64).sqrt();
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
mod tests;
