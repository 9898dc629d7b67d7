//! Files, splits and covariances of data sets.

use super::*;
use crate::rng::{Purpose, Stream};

fn all(data: &Dataset) -> Vec<f64> {
    (0..data.len()).flat_map(|index| data.field(index).unwrap()).collect()
}

fn wide(fields: &[f32]) -> Vec<f64> {
    fields.iter().map(|&x| f64::from(x)).collect()
}

fn numbered(extents: &[usize], count: usize) -> Dataset {
    let lattice = Lattice::new(extents).unwrap();
    let values = count * lattice.values();
    Dataset::new(lattice, (0..values).map(|i| i as f32).collect()).unwrap()
}

#[test]
fn npy_files_come_back_and_bad_ones_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let lattice = Lattice::new(&[2, 4]).unwrap();
    let fields: Vec<f32> = (0..40 * 8).map(|i| i as f32).collect();
    let data = Dataset::new(lattice.clone(), fields.clone()).unwrap();
    let path = folder.path().join("data.npy");
    data.save(&path).unwrap();
    let back = Dataset::load(&path).unwrap();
    assert_eq!((all(&back), back.lattice.extents()), (wide(&fields), &[2usize, 4][..]));
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
    assert_eq!((all(&back), back.lattice), (wide(&fields), lattice));
    // Without its components the array is a lattice of rank 2; with three it is refused.
    assert_eq!(Dataset::load(&path).unwrap().lattice.extents(), [2, 3]);
    assert!(Dataset::load_with_components(&path, 3).unwrap_err().to_string().contains("3 components"));
    // The covariance of independent sites is the mean of that over momenta, component by component.
    let (class, _) = covariance_classes(data.lattice(), 1);
    let by_momentum = data.covariance().unwrap();
    for (component, flat) in data.covariance_with_reach(0).unwrap().into_iter().enumerate() {
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
    assert_eq!(joined.field(1).unwrap(), [12., 13., 16., 17., 20., 21., 14., 15., 18., 19., 22., 23.]);
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
    // Standard error of the rarest class (one real mode, 1600 samples): 0.035; bound at 5 sigma.
    assert!(data.covariance().unwrap().iter().all(|c| (c - 1.0).abs() < 0.18));
}

#[test]
fn the_parts_are_consecutive_and_share_nothing() {
    for (count, training, validation) in [(32, 26, 3), (40, 32, 4), (109, 89, 10), (1000, 800, 100)] {
        let data = numbered(&[1], count);
        assert_eq!((data.training(), data.validation()), (training, training..training + validation));
        assert_eq!(data.held_out(), training + validation..count);
        for copies in [1, 2, 3, 7] {
            let Ok(joined) = data.side_by_side(copies) else {
                assert!(count < 32 * copies);
                continue;
            };
            assert!(!joined.validation().is_empty() && !joined.held_out().is_empty());
            // Whatever is together stays within its part of the whole.
            let within = |group: usize, part: Range<usize>| {
                let members = joined.field(group).unwrap();
                members
                    .iter()
                    .enumerate()
                    .all(|(copy, &value)| value == (group * copies + copy) as f64 && part.contains(&(value as usize)))
            };
            assert!((0..joined.training()).all(|group| within(group, 0..data.training())));
            assert!(joined.validation().all(|group| within(group, data.validation())));
            assert!(joined.held_out().all(|group| within(group, data.held_out())));
        }
    }
}

#[test]
fn arrays_of_another_shape_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.npy");
    let refused = |shape: &[usize], components: usize| {
        let array = ndarray::ArrayD::<f32>::zeros(IxDyn(shape));
        crate::files::write_npy(&path, &array).unwrap();
        Dataset::load_with_components(&path, components).unwrap_err().to_string()
    };
    for (shape, components, word) in [
        (&[64][..], 1, "1 to 4 extents"),
        (&[], 1, "1 to 4 extents"),
        (&[40, 2], 2, "2 components"),
        (&[40, 1, 1, 1, 1, 1], 1, "1 to 4 extents"),
        (&[40, 3, 4], 2, "[40, 3, 4]"),
        (&[31, 3, 4], 1, "at least 32"),
        (&[40, 0], 1, "at least one site"),
    ] {
        let found = refused(shape, components);
        assert!(found.contains(word), "{found}");
    }
}

#[test]
fn a_value_that_is_not_finite_is_named() {
    let lattice = || Lattice::new(&[2]).unwrap().with_components(2).unwrap();
    let mut values = vec![1.0f32; 40 * 4];
    values[37 * 4 + 2] = f32::INFINITY;
    let found = Dataset::new(lattice(), values.clone()).unwrap_err().to_string();
    assert!(found.contains("configuration 37 of the data") && found.contains("index 2"), "{found}");
    // As a large file: found when it is read, side by side or not, and by whatever sums over all.
    let data = Dataset::of(lattice(), Stored::Values(values), 40).unwrap();
    assert!(data.read(36, &mut [0.0; 4]).is_ok() && data.save("/nonexistent/data.npy").is_err());
    assert!(data.read(40, &mut [0.0; 4]).is_err() && data.read(0, &mut [0.0; 3]).is_err());
    let mut early = vec![1.0f32; 80 * 4];
    early[7 * 4 + 2] = f32::NAN;
    let early = Dataset::of(lattice(), Stored::Values(early), 80).unwrap();
    let joined = early.side_by_side(2).unwrap();
    for error in [early.covariance().unwrap_err(), joined.covariance().unwrap_err()] {
        let found = error.to_string();
        assert!(found.contains("configuration 7 of the data") && found.contains("index 2"), "{found}");
    }
}

/// What is read from a file has the bits of what was written, at any precision, in any order of the axes.
#[test]
fn a_file_gives_the_same_configurations_as_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.npy");
    let values: Vec<f64> = (0..40 * 12).map(|i| (i as f64).sin()).collect();
    let array = ndarray::ArrayD::from_shape_vec(IxDyn(&[40, 2, 3, 2]), values.clone()).unwrap();
    crate::files::write_npy(&path, &array).unwrap();
    assert_eq!(all(&Dataset::load_with_components(&path, 2).unwrap()), values);
    // The same numbers with the last axis slowest in the file.
    let turned = array.reversed_axes().as_standard_layout().into_owned().reversed_axes();
    crate::files::write_npy(&path, &turned).unwrap();
    assert!(std::fs::read(&path).unwrap().windows(4).any(|word| word == b"True"));
    let data = Dataset::load_with_components(&path, 2).unwrap();
    assert_eq!((all(&data), data.clone().lattice()), (values, data.lattice()));
}
