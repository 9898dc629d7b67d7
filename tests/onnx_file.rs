//! The model file: it gives back the same bits, survives no damage unnoticed, and computes in ONNX
//! Runtime what the library computes.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use stoq::diffusion::Schedule;
use stoq::error::Error;
use stoq::fourier::{LatticeFourier, momentum_classes};
use stoq::lattice::Lattice;
use stoq::model::{ActionRecord, Condition, Metadata, Model, PosteriorRow, PosteriorTable, TrainingRecord, onnx};
use stoq::nn::{UNet, UNetShape};
use stoq::rng::{Purpose, Stream};
use stoq::score::{LINK_INPUTS, NativeScore, PlaquetteMoments, Score};

fn normals(level: u32, length: usize) -> Vec<f64> {
    let mut values = vec![0.0; length];
    Stream::new(2024, 0, 0).unwrap().normals(Purpose::Diagnostic, level, &mut values);
    values
}

/// A model with random weights everywhere: the layers that start at zero would hide errors.
fn model(extents: &[usize], channels: &[usize]) -> Model {
    model_with(extents, channels, 1, 1)
}

/// The same with several components a site, or without reach.
fn model_with(extents: &[usize], channels: &[usize], components: usize, reach: usize) -> Model {
    model_of(extents, components, UNetShape { channels: channels.to_vec(), reach, ..UNetShape::default() })
}

/// The same for a network with the later keys of `shape`.
fn model_of(extents: &[usize], components: usize, shape: UNetShape) -> Model {
    let lattice = Lattice::new(extents).unwrap().with_components(components).unwrap();
    let reach = shape.reach;
    let network = UNetShape { inputs: 2 * components, embedding: 6, outputs: components, ..shape };
    let layout = UNet::new(&network, &lattice).unwrap().layout().clone();
    let classes = if reach == 0 { components } else { momentum_classes(&lattice).1 };
    let spread = normals(1, classes);
    let covariance: Vec<f64> =
        spread.iter().enumerate().map(|(c, z)| (0.3 * z).exp() * 9.0 / (1.0 + c as f64)).collect();
    let row = |log_noise: f64| PosteriorRow {
        log_noise,
        variance: covariance.iter().map(|c| c / std::f64::consts::PI).collect(),
        mean_square: [1.0 / 3.0, 0.1],
        linear: vec![-0.1; classes],
        quadratic: vec![0.01; classes],
        curvature: [-0.264, 0.02],
        local_variance: 1e-3,
        renormalisation: vec![1.0 + 1.0 / 3.0; classes],
        plaquettes: vec![],
    };
    let rows = [-3.0, 0.1, 2.0 / 3.0].map(row).to_vec();
    let couplings = [("kappa".to_string(), 0.27), ("lambda".to_string(), 0.1 + 0.2)].into();
    let conditions = [("kappa", 0.25, 0.05), ("lambda", 0.2, 0.25)].into_iter().take(network.conditions);
    let conditions: Vec<Condition> =
        conditions.map(|(name, centre, scale)| Condition { coupling: name.into(), centre, scale }).collect();
    let metadata = Metadata {
        posterior: PosteriorTable { rows },
        action: Some(ActionRecord { name: "phi4".into(), couplings }),
        training: TrainingRecord {
            steps: 30_000,
            batch: 256,
            configurations: 8192,
            seed: u64::MAX,
            version: "0.1.0".into(),
            command: "stoq train --out \"a \\ \u{3c6}.onnx\"".into(),
            loss: Some(f64::MIN_POSITIVE / 3.0),
        },
        conditions,
        ..Metadata::untrained(&lattice, Schedule::variance_expanding(25.0 + 1e-13).unwrap(), network, covariance)
    };
    // Sums of many inputs: weights of the size that keeps them near one.
    let values = normals(0, layout.total());
    let mut weights = vec![0.0; layout.total()];
    for entry in layout.entries() {
        let inputs: usize = entry.shape[..entry.shape.len() - 1].iter().product();
        for index in entry.range() {
            weights[index] = (values[index] / (inputs as f64).sqrt()) as f32;
        }
    }
    Model::new(metadata, weights).unwrap()
}

const RANKS: [(&[usize], &[usize]); 4] =
    [(&[12], &[3, 5]), (&[8, 16], &[2, 3, 4]), (&[4, 4, 8], &[2, 3]), (&[4, 2, 4, 4], &[3])];

#[test]
fn fields_with_components_and_independent_sites_come_back() {
    for (extents, components, reach) in [(&[4, 6][..], 2, 1), (&[1], 1, 0), (&[4096], 2, 0)] {
        let model = model_with(extents, &[5], components, reach);
        let back = onnx::from_bytes(&onnx::to_bytes(&model).unwrap(), "").unwrap();
        assert_eq!(back, model);
        assert_eq!(back.lattice().unwrap().values(), extents.iter().product::<usize>() * components);
    }
}

/// A model from before fields had components: read and written again it has the same bytes, and prints the same
/// text, of which the fingerprint is made that saved chains ask for.
#[test]
fn an_older_model_is_written_as_it_was_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/models/phi4_16x16_kappa0.27.onnx");
    let model = Model::load(&path).unwrap();
    assert!(onnx::to_bytes(&model).unwrap() == std::fs::read(path).unwrap());
    let text = format!("{:?}", model.metadata());
    assert!(text.starts_with("Metadata { schema: 1, schedule: VarianceExpanding { sigma: "));
    assert!(
        text.contains("extents: [16, 16], network: UNetShape { inputs: 2, channels: [24, 32, 48], embedding: 64 }")
    );
}

#[test]
fn models_of_independent_sites_go_on_any_extents_and_others_do_not() {
    let row = model_with(&[64], &[5], 2, 0);
    let field: Vec<f32> = normals(3, 2 * 12).into_iter().map(|x| x as f32).collect();
    let sheet = row.on_extents(&[3, 4]).unwrap();
    let denoised = reference(&sheet, &field, 0.7);
    let point = onnx::from_bytes(&onnx::to_bytes(&sheet.on_extents(&[1]).unwrap()).unwrap(), "").unwrap();
    for site in 0..12 {
        assert_eq!(reference(&point, &[field[site], field[12 + site]], 0.7), [denoised[site], denoised[12 + site]]);
    }
    assert_eq!(point.on_extents(&[64]).unwrap(), row);
    let refusal = model(&[4, 4], &[3]).on_extents(&[8, 8]).unwrap_err().to_string();
    assert!(refusal.contains("reach 0"), "{refusal}");
    assert!(row.on_extents(&[0]).is_err());
}

#[test]
fn a_file_gives_back_the_same_model_to_the_bit_in_every_rank() {
    let folder = tempfile::tempdir().unwrap();
    for (extents, channels) in RANKS {
        let mut model = model(extents, channels);
        // Values that comparison by == would not tell apart, or that conversions lose.
        let mut parameters = model.parameters().to_vec();
        parameters[0] = -0.0;
        parameters[1] = f32::from_bits(1);
        parameters[2] = f32::MAX;
        model = Model::new(model.metadata().clone(), parameters).unwrap();
        let path = folder.path().join("model.onnx");
        model.save(&path).unwrap();
        let back = Model::load(&path).unwrap();
        assert_eq!(back.metadata(), model.metadata());
        let bits = |model: &Model| model.parameters().iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back), bits(&model), "{extents:?}");
        assert_eq!(onnx::to_bytes(&back).unwrap(), std::fs::read(&path).unwrap());
    }
    let missing = Model::load(folder.path().join("nothing.onnx")).unwrap_err();
    assert!(matches!(missing, Error::Io { .. }) && missing.to_string().contains("nothing.onnx"));
}

/// A file that says what it holds to `grep`, and to programs that read ONNX metadata.
#[test]
fn metadata_are_readable_in_the_file() {
    let bytes = onnx::to_bytes(&model(&[8, 16], &[2, 3, 4])).unwrap();
    let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    for text in
        ["stoq.scheme", "variance-expanding", "stoq.extents", "[8,16]", "phi4 kappa=0.27 lambda=0.30000000000000004"]
    {
        assert!(has(text), "{text}");
    }
    for text in
        ["stoq.output", "denoiser", "stoq.time", "stoq.T", "stoq.symmetries", "translations by multiples of 4 sites"]
    {
        assert!(has(text), "{text}");
    }
}

#[test]
fn a_file_cut_short_at_any_length_is_refused() {
    let bytes = onnx::to_bytes(&model(&[4], &[2, 2])).unwrap();
    for length in 0..bytes.len() {
        match onnx::from_bytes(&bytes[..length], "cut.onnx") {
            Err(Error::ModelFile { file, reason }) => assert!(file == "cut.onnx" && !reason.is_empty()),
            other => panic!("{length} of {} bytes: {other:?}", bytes.len()),
        }
    }
}

/// Damage is refused, or it hit what the library does not read (the graph, names of nodes).
#[test]
fn damaged_bytes_never_change_a_model_or_panic() {
    let original = model(&[4, 4], &[2, 3]);
    let bytes = onnx::to_bytes(&original).unwrap();
    let stream = Stream::new(99, 0, 0).unwrap();
    let (mut refused, trials) = (0, 6000);
    for trial in 0..trials {
        let mut damaged = bytes.clone();
        // One byte, or a run of up to 16.
        let length = if trial % 4 == 0 { 1 + stream.below(Purpose::Diagnostic, 0, trial, 16) } else { 1 };
        let start = stream.below(Purpose::Diagnostic, 1, trial, bytes.len() - length);
        for (index, byte) in damaged[start..start + length].iter_mut().enumerate() {
            *byte ^= 1 + stream.below(Purpose::Diagnostic, 2 + index as u32, trial, 255) as u8;
        }
        match onnx::from_bytes(&damaged, "damaged.onnx") {
            Err(Error::ModelFile { .. }) => refused += 1,
            Ok(model) => assert_eq!(model, original, "trial {trial}: bytes {start}..{}", start + length),
            Err(other) => panic!("trial {trial}: {other:?}"),
        }
    }
    assert!(refused > trials / 4, "only {refused} of {trials} refused");
}

/// D(x, sigma) by the definition, with the network in single precision as in production.
fn reference(model: &Model, field: &[f32], noise: f64) -> Vec<f32> {
    let lattice = model.lattice().unwrap();
    let field: Vec<f64> = field.iter().map(|&x| f64::from(x)).collect();
    let xi = noise * noise;
    let multiplier: Vec<f64> = model.covariance().unwrap().iter().map(|c| c / (c + xi)).collect();
    let mut filtered = vec![0.0; field.len()];
    LatticeFourier::new(&lattice).filter(&field, &multiplier, &mut filtered);
    // Of the component of each value.
    let s2: Vec<f64> = model.metadata().data_variance().unwrap();
    let s2: Vec<f64> = (0..field.len()).map(|index| s2[index / lattice.sites()]).collect();
    let scaled = field.iter().zip(&s2).map(|(x, s2)| (x / (xi + s2).sqrt()) as f32);
    let inputs: Vec<f32> = scaled.chain(filtered.iter().zip(&s2).map(|(w, s2)| (w / s2.sqrt()) as f32)).collect();
    let network = UNet::new(&model.metadata().network, &lattice).unwrap();
    let mut embedding = network.embedding().tape();
    network.embedding().forward(
        model.parameters(),
        noise.ln(),
        &model.metadata().condition_values().unwrap(),
        &mut embedding,
    );
    let mut out = vec![0.0f32; field.len()];
    network.forward(model.parameters(), &embedding, &inputs, &mut out, &mut network.tape());
    let factor = |s2: f64| s2.sqrt() * xi / (xi + s2);
    filtered.iter().zip(&out).zip(&s2).map(|((w, &net), &s2)| (w + factor(s2) * f64::from(net)) as f32).collect()
}

fn write_floats(path: PathBuf, values: &[f32]) {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(path, bytes).unwrap();
}

/// A model of link angles with random weights everywhere.
fn model_of_links(extents: &[usize], channels: &[usize]) -> Model {
    let mut metadata =
        model_of(extents, 2, UNetShape { channels: channels.to_vec(), ..UNetShape::default() }).metadata().clone();
    metadata.action = Some(ActionRecord::u1(3.0));
    metadata.plaquettes = Some(PlaquetteMoments { cosine: 0.8, sine_square: 0.27 });
    metadata.network = UNetShape { inputs: LINK_INPUTS, outputs: 1, odd: true, ..metadata.network };
    let layout = UNet::new(&metadata.network, &metadata.lattice().unwrap()).unwrap().layout().clone();
    Model::new(metadata, normals(0, layout.total()).into_iter().map(|w| 0.3 * w as f32).collect()).unwrap()
}

/// Writes a case of link angles; the reference is the library's own evaluator, whose parts are tested by themselves.
fn write_links(folder: &Path, name: &str, model: &Model) {
    let noises = [0.02f64, 0.3, 0.5, 1.0, 1.7].map(|noise| f64::from(noise as f32));
    let values = model.lattice().unwrap().values();
    let fields: Vec<f64> = normals(7, noises.len() * values).into_iter().map(|x| f64::from((1.5 * x) as f32)).collect();
    let mut denoised = vec![0.0; fields.len()];
    let score: Arc<dyn Score> = Arc::new(NativeScore::new(model.clone()).unwrap());
    score.evaluator(1).unwrap().denoise(&noises, &fields, &mut denoised).unwrap();
    let narrow = |values: &[f64]| values.iter().map(|&x| x as f32).collect::<Vec<_>>();
    write_floats(folder.join(format!("{name}.expected")), &narrow(&denoised));
    write_floats(folder.join(format!("{name}.field")), &narrow(&fields));
    write_floats(folder.join(format!("{name}.sigma")), &narrow(&noises));
    model.save(folder.join(format!("{name}.onnx"))).unwrap();
}

/// Writes `name`.onnx, and inputs and expected outputs for noise from far below to far above the data.
fn write_case(folder: &Path, name: &str, model: &Model) {
    let sites = model.lattice().unwrap().values();
    let noises = [0.02f32, 0.3, 1.0, 2.5, 40.0];
    let white = normals(7, noises.len() * sites);
    let fields = white
        .chunks(sites)
        .zip(noises)
        .flat_map(|(z, noise)| z.iter().map(move |z| (z * f64::from(noise + 1.0)) as f32));
    let fields: Vec<f32> = fields.collect();
    let expected =
        fields.chunks(sites).zip(noises).flat_map(|(field, noise)| reference(model, field, f64::from(noise)));
    write_floats(folder.join(format!("{name}.expected")), &expected.collect::<Vec<_>>());
    write_floats(folder.join(format!("{name}.field")), &fields);
    write_floats(folder.join(format!("{name}.sigma")), &noises);
    model.save(folder.join(format!("{name}.onnx"))).unwrap();
}

/// The interpreter with numpy, onnx and onnxruntime, if there is one.
fn python() -> Option<PathBuf> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/python/bin/python");
    std::env::var_os("STOQ_PYTHON").map(PathBuf::from).or_else(|| built.exists().then_some(built))
}

/// `onnx.checker` finds no fault, and ONNX Runtime computes the same denoiser to 1e-5 of its largest value.
#[test]
fn onnx_runtime_computes_what_the_library_computes() {
    let Some(python) = python() else {
        let message = "no Python with onnx and onnxruntime: set STOQ_PYTHON, or build build/python";
        return common::skipped(message, "STOQ_REQUIRE_PYTHON");
    };
    let folder = tempfile::tempdir().unwrap();
    for (extents, channels) in RANKS {
        write_case(folder.path(), &format!("rank{}", extents.len()), &model(extents, channels));
    }
    // Odd extents, and more than one halving in three dimensions.
    write_case(folder.path(), "rank2_odd", &model(&[7, 5], &[4]));
    write_case(folder.path(), "rank3_deep", &model(&[8, 8, 16], &[3, 2, 4]));
    write_case(folder.path(), "rank4_deep", &model(&[4, 4, 4, 4], &[2, 3]));
    write_case(folder.path(), "two_components", &model_with(&[8, 4], &[3, 4], 2, 1));
    write_case(folder.path(), "three_components", &model_with(&[4, 4, 2], &[3], 3, 1));
    write_case(folder.path(), "point", &model_with(&[1], &[5], 1, 0));
    write_case(folder.path(), "points", &model_with(&[3, 7], &[5], 2, 0));
    write_case(folder.path(), "one_row", &model_with(&[1, 6], &[3], 1, 1));
    let odd =
        |channels: &[usize], reach| UNetShape { channels: channels.to_vec(), reach, odd: true, ..UNetShape::default() };
    write_case(folder.path(), "odd", &model_of(&[8, 4], 2, odd(&[3, 5], 1)));
    write_case(folder.path(), "odd_rank3", &model_of(&[4, 8, 4], 1, odd(&[2, 4], 1)));
    // ln sigma of the cases: -3.9, -1.2, 0, 0.9, 3.7.
    let bands = vec![[-9.0, 0.5], [-2.0, 1.0], [0.5, 9.0]];
    let banded = |odd| UNetShape { channels: vec![3, 2, 4], bands: bands.clone(), odd, ..UNetShape::default() };
    write_case(folder.path(), "bands", &model_of(&[8, 8], 1, banded(false)));
    write_case(folder.path(), "bands_odd", &model_of(&[16], 2, banded(true)));
    let coupled = |conditions| UNetShape { channels: vec![3, 2], conditions, ..UNetShape::default() };
    write_case(folder.path(), "one_coupling", &model_of(&[4, 4], 1, coupled(1)));
    write_case(folder.path(), "two_couplings", &model_of(&[8], 1, coupled(2)));
    write_case(folder.path(), "odd_points", &model_of(&[5], 1, odd(&[6], 0)));
    write_links(folder.path(), "links", &model_of_links(&[4, 8], &[3, 2]));
    write_links(folder.path(), "links_odd_extents", &model_of_links(&[3, 5], &[4]));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/check_onnx.py");
    let output = Command::new(&python).arg(script).arg(folder.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    println!("{text}");
    assert!(output.status.success(), "{}: {text}", python.display());
    let components =
        ["two_components", "three_components", "point", "points", "one_row", "odd", "odd_rank3", "odd_points"];
    let components = components.into_iter().chain(["bands", "bands_odd", "one_coupling", "two_couplings"]);
    let components = components.chain(["links", "links_odd_extents"]);
    for name in ["rank1", "rank2", "rank2_odd", "rank3", "rank3_deep"].into_iter().chain(components) {
        assert!(text.contains(&format!("{name}: agrees")), "{name} was not compared: {text}");
    }
}
