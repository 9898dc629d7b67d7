//! Configurations in HDF5 files: what `.npy` files do, with all in one file. Without the feature `hdf5` the name of such a file is
//! refused at once, with the way out, and nothing else is tested.

mod common;

use std::path::Path;
use std::process::{Command, Output};

fn stoq(folder: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stoq"));
    command.current_dir(folder).args(arguments.split_whitespace()).output().unwrap()
}

#[test]
#[cfg(not(feature = "hdf5"))]
fn the_error_names_the_feature() {
    common::skipped(
        "all others of this file, built without the feature hdf5: cargo test --release --features hdf5 --test hdf5",
        "STOQ_REQUIRE_HDF5",
    );
    let folder = tempfile::tempdir().unwrap();
    for command in [
        "data toy --configs 40 -o x.h5",
        "data toy --configs 40 -o x.hdf5 --append",
        "sample toy --configs 40 -o x.h5",
        "train x.h5 -o m.onnx",
        "likelihood toy x.h5",
    ] {
        let output = stoq(folder.path(), command);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && message.contains("--features hdf5"), "{command}: {message}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[cfg(feature = "hdf5")]
mod with_hdf5 {
    use super::stoq;
    use hdf5::File;
    use serde_json::{Value, json};
    use std::path::Path;
    use stoq::files_description;
    use stoq::files_growing::GrowingArray;
    use stoq::files_hdf5::{self, Values};
    use stoq::train::Dataset;

    fn succeeds(folder: &Path, arguments: &str) {
        let output = stoq(folder, &format!("{arguments} --quiet"));
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn fields(path: &Path) -> Vec<f64> {
        let data = Dataset::load(path).unwrap();
        (0..data.len()).flat_map(|index| data.field(index).unwrap()).collect()
    }

    fn described(path: &Path) -> Value {
        files_description::read(path).unwrap().unwrap()
    }

    #[test]
    fn every_number_of_a_description_keeps_its_bits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.h5");
        let about = json!({
            "seed": u64::MAX, "negative": -3, "kappa": 0.1 + 0.2, "tiny": 5e-324, "whole": 2.0, "minus": -0.0,
            "action": {"name": "phi4", "couplings": {"kappa": 0.27, "λ.x%2E": 0.022}},
            "runs": [{"chain": 0, "seed": 1}, {"chain": 1, "seed": 2}],
            "extent": [16, 8], "series": [0.5, -1.0, 1e300], "mixed": ["a", 1], "flag": true, "text": "⟨φ²⟩",
        });
        files_hdf5::write(&path, &[2, 3], Values::Double(&[1.0, 2.0, 3.0, 4.0, 5.0, 0.1]), None, &about).unwrap();
        let found = files_hdf5::metadata(&path).unwrap();
        assert_eq!(found, about);
        assert_eq!(found["minus"].as_f64().unwrap().to_bits(), (-0.0f64).to_bits());
        assert_eq!(files_hdf5::values(&path).unwrap(), (vec![2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 0.1]));
        // Other words, the same values.
        files_hdf5::set_metadata(&path, &json!({"seed": 1})).unwrap();
        assert_eq!(files_hdf5::metadata(&path).unwrap(), json!({"seed": 1}));
        assert_eq!(files_hdf5::values(&path).unwrap().1[5], 0.1);
        // As any program sees it.
        let file = File::open(&path).unwrap();
        assert_eq!(file.attr("seed").unwrap().read_scalar::<u64>().unwrap(), 1);
        assert_eq!(file.dataset("configurations").unwrap().shape(), [2, 3]);
    }

    /// The same commands with both kinds of file.
    #[test]
    fn data_and_training_are_those_of_npy_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let law = "data phi4 --kappa 0.25 --lambda 0.022 --extent 4,4 --configs 160 --thermalise 20 --seed 3";
        for name in ["d.npy", "d.h5"] {
            succeeds(folder.path(), &format!("{law} -o {name}"));
        }
        assert_eq!(fields(&path("d.npy")), fields(&path("d.h5")));
        assert_eq!(described(&path("d.npy")), described(&path("d.h5")));
        assert!(!path("d.h5").with_extension("json").exists() || path("d.json").exists());
        // The force of the action of the attributes teaches: the same weights, bit for bit.
        for (name, model) in [("d.npy", "n.onnx"), ("d.h5", "h.onnx")] {
            let options = "--steps 3 --channels 4,4 --batch 8 --proposals 128";
            succeeds(folder.path(), &format!("train {name} -o {model} {options}"));
            succeeds(folder.path(), &format!("check {model} --data {name} --levels 4 --proposals 128"));
        }
        let weights = |name: &str| stoq::model::Model::load(path(name)).unwrap().parameters().to_vec();
        assert_eq!(weights("n.onnx"), weights("h.onnx"));
        // Samples, their weights and the model that made them.
        for name in ["g.npy", "g.h5"] {
            succeeds(folder.path(), &format!("sample n.onnx --configs 40 --steps 4 -o {name}"));
        }
        let (_, samples) = files_hdf5::values(&path("g.h5")).unwrap();
        assert_eq!(samples, fields(&path("g.npy")));
        assert_eq!(described(&path("g.npy")), described(&path("g.h5")));
        let hash = described(&path("g.h5"))["model_sha256"].as_str().unwrap().to_string();
        let sum = std::process::Command::new("sha256sum").arg(path("n.onnx")).output().unwrap();
        assert!(String::from_utf8(sum.stdout).unwrap().starts_with(&hash) && hash.len() == 64);
        let log_weights = File::open(path("g.h5")).unwrap().dataset("log_weights").unwrap().read_raw::<f64>().unwrap();
        let npy = std::fs::read(path("g.log_weights.npy")).unwrap();
        let last = f64::from_le_bytes(npy[npy.len() - 8..].try_into().unwrap());
        assert_eq!((log_weights.len(), log_weights[39]), (40, last));
    }

    /// Values without their count, cut anywhere, are no configurations; the next run writes over them.
    #[test]
    fn what_was_appended_is_there_after_an_interruption_at_any_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.h5");
        let values: Vec<f32> = (0..48).map(|i| i as f32 + 0.5).collect();
        let about = json!({"seed": 1, "configurations": 0});
        let mut array = GrowingArray::open(&path, &[2, 3]).unwrap();
        assert!(array.append(&values[..12]).is_err(), "no room yet");
        array.describe(6, &about).unwrap();
        array.append(&values[..12]).unwrap();
        drop(array);
        let whole = std::fs::read(&path).unwrap();
        let wide: Vec<f64> = values.iter().copied().map(f64::from).collect();
        let bytes = values[..12].iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>();
        let start = whole.windows(bytes.len()).position(|window| window == bytes).unwrap();
        for cut in [0, 1, 23, 24, 25, 95, 96] {
            let mut torn = whole.clone();
            torn[start + 48..start + 48 + cut].fill(7);
            std::fs::write(&path, &torn).unwrap();
            assert_eq!(files_hdf5::values(&path).unwrap(), (vec![2, 2, 3], wide[..12].to_vec()), "{cut}");
            assert_eq!(files_hdf5::metadata(&path).unwrap()["configurations"], 2);
            let mut array = GrowingArray::open(&path, &[2, 3]).unwrap();
            assert_eq!(array.rows(), 2);
            array.describe(8, &about).unwrap();
            array.append(&values[12..18]).unwrap();
            array.append(&values[18..36]).unwrap();
            assert!(array.append(&values[..18]).is_err(), "room for two more");
            assert_eq!(files_hdf5::values(&path).unwrap(), (vec![6, 2, 3], wide[..36].to_vec()), "{cut}");
            // What nobody wrote is not a number to programs that do not look at the count, and goes in the end.
            let all = File::open(&path).unwrap().dataset("configurations").unwrap().read_raw::<f32>().unwrap();
            assert!(all.len() == 48 && all[36..].iter().all(|value| value.is_nan()));
            files_description::write(&path, &about).unwrap();
            assert_eq!(File::open(&path).unwrap().dataset("configurations").unwrap().shape(), [6, 2, 3]);
        }
        let refused = |result: stoq::Result<GrowingArray>, words: &str| {
            let message = result.unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        };
        refused(GrowingArray::open(&path, &[3, 2]), "x.h5");
        for length in [0, 40, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..length]).unwrap();
            refused(GrowingArray::open(&path, &[2, 3]), "an HDF5 file, whole");
        }
    }

    /// Killed at any time, a run leaves whole configurations, and the next one goes on.
    #[test]
    fn a_killed_run_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.h5");
        let law = "data phi4 --kappa 0.2 --lambda 0.022 --extent 4,4 --thermalise 20 --sweeps 1 --append -o c.h5";
        succeeds(folder.path(), &format!("{law} --configs 64"));
        let before = fields(&path);
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_stoq"));
        program.current_dir(folder.path()).args(law.split(' ')).args(["--configs", "1000000", "--quiet"]);
        let mut run = program.spawn().unwrap();
        let count = || files_hdf5::values(&path).map_or(0, |(shape, _)| shape[0]);
        let patience = std::time::Instant::now();
        while count() < 300 {
            assert!(patience.elapsed().as_secs() < 120 && run.try_wait().unwrap().is_none(), "the run does not write");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        run.kill().unwrap();
        run.wait().unwrap();
        let killed = fields(&path);
        assert!(killed.len() >= 300 * 16 && killed.len().is_multiple_of(64 * 16) && killed[..64 * 16] == before);
        let there = killed.len() / 16;
        assert_eq!(described(&path)["configurations"], there);
        succeeds(folder.path(), &format!("{law} --configs {}", there + 10));
        let after = fields(&path);
        assert_eq!((after.len(), &after[..killed.len()]), (killed.len() + 160, &killed[..]));
        let lengths: Vec<u64> = described(&path)["runs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["configurations"].as_u64().unwrap())
            .collect();
        assert_eq!(lengths, [64, there as u64 - 64, 10]);
        // Other couplings are refused.
        let other = stoq(folder.path(), &format!("{} --configs 2000000", law.replace("0.2 ", "0.21 ")));
        assert!(other.status.code() == Some(2) && String::from_utf8_lossy(&other.stderr).contains("--append"));
        assert_eq!(fields(&path), after);
    }

    /// Files of other programs: other names, precisions, byte orders, chunks.
    #[test]
    fn files_of_other_programs_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.hdf5");
        let values: Vec<f64> = (0..40 * 6).map(|i| (i as f64).sin()).collect();
        let array = ndarray::ArrayD::from_shape_vec(vec![40, 2, 3], values.clone()).unwrap();
        let refused = |words: &[&str]| {
            let message = Dataset::load(&path).unwrap_err().to_string();
            assert!(words.iter().all(|word| message.contains(word)), "{message}");
        };
        let file = File::create(&path).unwrap();
        file.new_dataset_builder().with_data(&array).chunk((7, 2, 3)).deflate(4).create("phi").unwrap();
        drop(file);
        assert_eq!(fields(&path), values);
        let file = File::append(&path).unwrap();
        file.new_dataset_builder().with_data(&array).create("other").unwrap();
        drop(file);
        refused(&["phi", "other", "configurations"]);
        let file = File::append(&path).unwrap();
        file.new_dataset_builder().with_data(&array.mapv(|x| x as f32)).create("configurations").unwrap();
        drop(file);
        assert_eq!(fields(&path), values.iter().map(|&x| f64::from(x as f32)).collect::<Vec<_>>());
        let file = File::create(&path).unwrap();
        file.new_dataset_builder().with_data(&ndarray::Array2::<i32>::ones((40, 4))).create("configurations").unwrap();
        drop(file);
        refused(&["x.hdf5", "float32 or float64"]);
        std::fs::write(&path, b"\x93NUMPY").unwrap();
        refused(&["an HDF5 file"]);
        std::fs::remove_file(&path).unwrap();
        refused(&["x.hdf5", "No such file"]);
    }
}
