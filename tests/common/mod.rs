//! What the tests of the kernels share: small models, exact numbers, z values.

#![allow(dead_code)] // Every test file uses its own part.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use stoq::action::ActionRecord;
use stoq::analysis::{Estimate, gamma_method};
use stoq::lattice::Lattice;
use stoq::model::Model;
use stoq::nn::UNet;
use stoq::rng::{Purpose, Stream};
use stoq::sampler::EquilibriumSampler;
use stoq::score::NativeScore;
use stoq::train::{Dataset, TrainOptions, Trainer};

/// Quartic coupling of all reference values.
pub const LAMBDA: f64 = 0.022;

/// Equilibrium configurations of phi^4, for training.
pub fn configurations(extents: &[usize], kappa: f64, count: usize) -> Dataset {
    let lattice = Lattice::new(extents).unwrap();
    let mut sampler = EquilibriumSampler::new(&lattice, kappa, LAMBDA, 77, 0).unwrap();
    sampler.thermalise(100).unwrap();
    let mut fields = vec![];
    for _ in 0..count {
        fields.extend(sampler.next_configuration().unwrap().iter().map(|&x| x as f32));
    }
    Dataset::new(lattice, fields).unwrap()
}

/// A trainer of a small network.
pub fn trainer(data: &Dataset, kappa: f64, channels: &[usize], steps: u64, threads: usize) -> Trainer {
    let options =
        TrainOptions { channels: channels.to_vec(), embedding: 8, batch: 24, steps, threads, ..Default::default() };
    Trainer::new(data.clone(), Some(ActionRecord::phi4(kappa, LAMBDA)), options).unwrap()
}

/// The network before the first step of training: the Gaussian denoiser of the data.
pub fn untrained(data: &Dataset, kappa: f64, channels: &[usize]) -> Model {
    trainer(data, kappa, channels, 0, 1).finish().unwrap()
}

/// `model` with random weights of relative size `scale` in every layer, also where training starts at
/// zero, and with the covariance of its Gaussian part multiplied by `widening`. The measured errors in
/// the metadata are those of `model`, which no longer fit either, and its steps follow the curvature of the action far more than
/// they should.
pub fn ruined(model: &Model, scale: f64, widening: f64, seed: u64) -> Model {
    let network = UNet::new(&model.metadata().network, &model.lattice().unwrap()).unwrap();
    let layout = network.layout();
    let mut values = vec![0.0; layout.total()];
    Stream::new(seed, 0, 0).unwrap().normals(Purpose::Weights, 0, &mut values);
    for entry in layout.entries() {
        let inputs: usize = entry.shape[..entry.shape.len() - 1].iter().product();
        values[entry.range()].iter_mut().for_each(|value| *value *= scale / (inputs as f64).sqrt());
    }
    let mut metadata = model.metadata().clone();
    metadata.covariance.iter_mut().for_each(|c| *c *= widening);
    for row in &mut metadata.posterior.rows {
        row.curvature = [-0.5, 0.05];
        row.local_variance = row.local_variance.max(0.05);
    }
    Model::new(metadata, values.into_iter().map(|value| value as f32).collect()).unwrap()
}

/// What an example is known to write: the text of the file at `path`; `STOQ_UPDATE_GOLDEN=1` puts `found` there first.
pub fn kept(path: &Path, found: &str) -> String {
    if std::env::var_os("STOQ_UPDATE_GOLDEN").is_some() {
        std::fs::write(path, found).unwrap();
    }
    std::fs::read_to_string(path).unwrap()
}

/// Ready for a chain.
pub fn score(model: Model) -> Arc<NativeScore> {
    Arc::new(NativeScore::new(model).unwrap())
}

/// A starting field of white noise.
pub fn hot_start(sites: usize, seed: u64, chain: u32) -> Vec<f64> {
    let mut field = vec![0.0; sites];
    Stream::new(seed, chain, 0).unwrap().normals(Purpose::Start, 0, &mut field);
    field
}

/// A field's bits: -0 and 0 differ, a NaN equals itself.
pub fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Names of the observables of [`Series`], as in the reference file.
pub const OBSERVABLES: [&str; 4] = ["abs_mag", "mag2", "mag4", "phi2"];

/// |M|, M^2, M^4 and phi^2 along one chain.
#[derive(Default)]
pub struct Series([Vec<f64>; 4]);

impl Series {
    pub fn measure(&mut self, field: &[f64]) {
        let volume = field.len() as f64;
        let m = field.iter().sum::<f64>() / volume;
        let phi2 = field.iter().map(|x| x * x).sum::<f64>() / volume;
        for (series, value) in self.0.iter_mut().zip([m.abs(), m * m, m.powi(4), phi2]) {
            series.push(value);
        }
    }
}

/// Estimates over chains, in the order of [`OBSERVABLES`].
pub fn estimates(chains: &[Series]) -> [Estimate; 4] {
    std::array::from_fn(|index| {
        let replicas: Vec<&[f64]> = chains.iter().map(|series| series.0[index].as_slice()).collect();
        gamma_method(&replicas).unwrap()
    })
}

/// Exact values on the lattice L x L (spectral quadrature), in the order of [`OBSERVABLES`].
pub fn exact(length: usize, kappa: f64) -> [f64; 4] {
    let file: serde_json::Value = serde_json::from_str(include_str!("../data/phi4_2d.json")).unwrap();
    let rows = file["exact"]["rows"].as_array().unwrap();
    let found = rows.iter().find(|row| row["L"] == length && row["kappa"] == kappa && row["lambda"] == LAMBDA);
    OBSERVABLES.map(|name| found.unwrap()[name].as_f64().unwrap())
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder with the shared library that cargo built together with this test, under all its names.
pub fn library_folder(temporary: &Path) -> PathBuf {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_path_buf();
    let folder = temporary.join("lib");
    std::fs::create_dir(&folder).unwrap();
    let suffix = if cfg!(target_os = "macos") { "dylib" } else { "so" };
    for name in [format!("libstoq.{suffix}"), format!("libstoq.{suffix}.{}", stoq::capi::ABI_VERSION)] {
        let built = deps.join(format!("libstoq.{suffix}"));
        std::fs::copy(&built, folder.join(name)).unwrap_or_else(|error| panic!("{}: {error}", built.display()));
    }
    folder
}

/// The Python interpreter with numpy, if there is one.
pub fn python() -> Option<PathBuf> {
    let built = root().join("build/python/bin/python");
    let found = std::env::var_os("STOQ_PYTHON").map(PathBuf::from).or_else(|| built.exists().then_some(built));
    if found.is_none() {
        skipped("no Python with numpy: set STOQ_PYTHON, or build build/python", "STOQ_REQUIRE_PYTHON");
    }
    found
}

/// The Fortran compiler, if there is one.
pub fn gfortran() -> Option<&'static str> {
    let works = std::process::Command::new("gfortran").arg("--version").output().is_ok_and(|run| run.status.success());
    if !works {
        skipped("there is no Fortran compiler `gfortran`", "STOQ_REQUIRE_FORTRAN");
    }
    works.then_some("gfortran")
}

/// Builds the Fortran module by its own makefile; returns the folder with its module files and libstoq_fortran.a.
pub fn fortran_module(temporary: &Path, flags: &str) -> PathBuf {
    let folder = temporary.join("fortran");
    let mut make = std::process::Command::new("make");
    make.arg("-C").arg(root().join("bindings/fortran")).arg(format!("BUILD={}", folder.display()));
    let built = make.arg(format!("FFLAGS=-O2 {flags}")).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    folder
}

/// Says that a test does not run for want of a tool, which is a failure if the environment has `required` = 1. The
/// harness calls it passed and hides what it prints: so this goes past the harness, and into the file `STOQ_SKIPPED`, from
/// which `make test` lists what did not run.
pub fn skipped(message: &str, required: &str) {
    assert!(std::env::var_os(required).is_none_or(|value| value != "1"), "{message}, and {required} = 1");
    let program = std::env::current_exe().ok().and_then(|path| Some(path.file_stem()?.to_str()?.to_string()));
    let file = program.as_deref().and_then(|name| name.rsplit_once('-')).map_or("", |(name, _)| name);
    let test = std::thread::current().name().unwrap_or("main").to_string();
    let line = format!("skipped: {file} {test}: {message}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    let Some(list) = std::env::var_os("STOQ_SKIPPED") else { return };
    let mut list = std::fs::OpenOptions::new().create(true).append(true).open(list).unwrap();
    list.write_all(line.as_bytes()).unwrap();
}

/// `program` under valgrind's memcheck with every error fatal, leaks included, if `STOQ_VALGRIND` is 1 (`make valgrind`).
pub fn valgrind(program: &Path) -> Option<Command> {
    std::env::var_os("STOQ_VALGRIND").filter(|value| value == "1")?;
    let mut command = Command::new("valgrind");
    command.arg(format!("--suppressions={}", root().join("tests/valgrind.supp").display()));
    // Rust's handle of the main thread is kept by an address inside its block, which memcheck calls possibly lost.
    command.args(["--show-leak-kinds=definite,indirect", "--errors-for-leak-kinds=definite,indirect"]);
    command.args(["--quiet", "--error-exitcode=99", "--leak-check=full"]);
    command.arg(program);
    Some(command)
}
