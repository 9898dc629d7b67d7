//! Training as a user meets it: killed and resumed, stopped early, several lattices, a model that is not ready.
#![cfg(feature = "cli")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use stoq::action::ActionRecord;
use stoq::kernel::{Chain, ChainOptions, Kernel};
use stoq::lattice::Lattice;
use stoq::sampler::EquilibriumSampler;
use stoq::score::NativeScore;
use stoq::train::{AdamOptions, Dataset, TrainOptions, Trainer, TrainingSet};

fn command(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stoq"));
    command.current_dir(folder).args(arguments.split_whitespace()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn data(extents: &[usize], kappa: f64, configurations: usize) -> Dataset {
    let lattice = Lattice::new(extents).unwrap();
    let mut sampler = EquilibriumSampler::new(&lattice, kappa, 0.022, 3, 0).unwrap();
    sampler.thermalise(100).unwrap();
    let mut fields = vec![];
    for _ in 0..configurations {
        fields.extend(sampler.next_configuration().unwrap().iter().map(|&x| x as f32));
    }
    Dataset::new(lattice, fields).unwrap()
}

fn set(extents: &[usize], kappa: f64, configurations: usize) -> TrainingSet {
    TrainingSet { data: data(extents, kappa, configurations), action: Some(ActionRecord::phi4(kappa, 0.022)) }
}

fn small(steps: u64) -> TrainOptions {
    TrainOptions { channels: vec![4, 4], embedding: 8, batch: 8, steps, validate_every: 5, ..TrainOptions::default() }
}

/// The training is killed (SIGKILL) at moments that nobody chose, and goes on from its last checkpoint each time.
#[test]
fn a_killed_training_resumes_to_the_same_file() {
    const TRAIN: &str = "train d.npy -o m.onnx --steps 600 --channels 8,8 --batch 16 --proposals 0 --validate-every 70 \
        --checkpoint-minutes 0.0005 --threads 1";
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for folder in &folders {
        data(&[8, 8], 0.25, 200).save(folder.path().join("d.npy")).unwrap();
        let sidecar = r#"{"action": {"name": "phi4", "couplings": {"kappa": 0.25, "lambda": 0.022}}}"#;
        std::fs::write(folder.path().join("d.json"), sidecar).unwrap();
    }
    assert!(command(folders[0].path(), TRAIN).status().unwrap().success());
    let (model, checkpoint) = (folders[1].path().join("m.onnx"), folders[1].path().join("m.onnx.checkpoint"));
    let mut kills = 0;
    for attempt in 0..40 {
        let mut running = command(folders[1].path(), &format!("{TRAIN} --resume")).spawn().unwrap();
        // Long enough for a checkpoint or two; the clock of a busy machine makes the moment random.
        std::thread::sleep(Duration::from_millis(150 + 37 * attempt));
        if running.try_wait().unwrap().is_some() {
            break;
        }
        running.kill().unwrap();
        running.wait().unwrap();
        kills += u32::from(checkpoint.exists());
        assert!(!model.exists() || !checkpoint.exists(), "a finished training leaves no checkpoint");
    }
    if !model.exists() {
        assert!(command(folders[1].path(), &format!("{TRAIN} --resume")).status().unwrap().success());
    }
    eprintln!("killed {kills} times with a checkpoint");
    assert!(kills > 0, "the training was never killed after a checkpoint");
    let files = folders.each_ref().map(|folder| std::fs::read(folder.path().join("m.onnx")).unwrap());
    assert!(files[0] == files[1], "the resumed training wrote another file");
    assert!(!checkpoint.exists());
}

#[test]
fn checkpoints_of_another_training_and_damaged_ones_are_refused() {
    let trainer = |seed: u64| Trainer::with_sets(vec![set(&[4, 4], 0.2, 80)], TrainOptions { seed, ..small(20) });
    let mut first = trainer(1).unwrap();
    first.fit(10, |_| true).unwrap();
    let saved = first.checkpoint();
    let mut second = trainer(2).unwrap();
    assert!(second.restore(&saved).unwrap_err().to_string().contains("checkpoint"));
    for damage in [&saved[..saved.len() - 1], &saved[..3], &[&saved[..60], &[1], &saved[61..]].concat()] {
        assert!(second.restore(damage).is_err());
    }
    let mut same = trainer(1).unwrap();
    same.restore(&saved).unwrap();
    for trainer in [&mut first, &mut same] {
        trainer.fit(10, |_| true).unwrap();
    }
    assert_eq!(first.curve(), same.curve());
    assert!(first.finish().unwrap() == same.finish().unwrap());
}

#[test]
fn validation_stops_a_training_that_learns_nothing() {
    let adam = AdamOptions { rate: 0.0, ..AdamOptions::default() };
    let options = TrainOptions { patience: Some(2), adam, follow_variance: false, ..small(1000) };
    let mut trainer = Trainer::with_sets(vec![set(&[4, 4], 0.2, 80)], options).unwrap();
    assert!(!trainer.fit(1000, |_| true).unwrap());
    assert_eq!((trainer.taken(), trainer.stopped_early(), trainer.curve().len()), (15, true, 3));
    assert!(trainer.finish().is_ok());
}

#[test]
fn a_callback_cancels_and_an_unfinished_model_is_refused_by_chains() {
    let mut trainer = Trainer::with_sets(vec![set(&[4, 4], 0.2, 80)], small(20)).unwrap();
    assert!(trainer.fit(20, |progress| progress.step < 3).unwrap());
    assert_eq!(trainer.taken(), 3);
    let options = ChainOptions { kernel: Kernel::Path, levels: 3, ..ChainOptions::default() };
    let chain = |model| Chain::new(std::sync::Arc::new(NativeScore::new(model).unwrap()), options);
    let refused = chain(trainer.snapshot().unwrap()).err().unwrap().to_string();
    assert!(refused.contains("still being trained"), "{refused}");
    assert!(chain(trainer.finish().unwrap()).is_ok());
}

/// One network for two lattices and two couplings: its tables at a trained point are those measured there, and it can
/// be taken between and beyond.
#[test]
fn one_network_serves_several_lattices_and_couplings() {
    let sets = vec![set(&[8, 8], 0.2, 200), set(&[4, 8], 0.2, 200), set(&[8, 8], 0.24, 200)];
    let options = TrainOptions { conditions: vec!["kappa".into()], ..small(6) };
    let mut trainer = Trainer::with_sets(sets, options).unwrap();
    trainer.fit(6, |_| true).unwrap();
    let model = trainer.finish().unwrap();
    let folder = tempfile::tempdir().unwrap();
    model.save(folder.path().join("m.onnx")).unwrap();
    assert!(stoq::model::Model::load(folder.path().join("m.onnx")).unwrap() == model);
    let points = &model.metadata().points;
    assert_eq!(points.len(), 3);
    let small = model.at(&[4, 8], None).unwrap();
    assert_eq!(small.metadata().covariance, points[1].covariance);
    let (low, high) = (points[0].covariance[3], points[2].covariance[3]);
    let between = model.at(&[8, 8], Some(&ActionRecord::phi4(0.22, 0.022))).unwrap();
    let found = between.metadata().covariance[3];
    assert!((found - (low * high).sqrt()).abs() < 1e-12 * found, "{low} {found} {high}");
    let large = model.at(&[16, 16], None).unwrap();
    assert!(NativeScore::new(large).is_ok());
    assert!(model.at(&[8, 8], Some(&ActionRecord::phi4(0.4, 0.022))).is_err());
    // The same coupling everywhere is no condition.
    let options = TrainOptions { conditions: vec!["lambda".into()], ..self::small(6) };
    let sets = vec![set(&[4, 4], 0.2, 80), set(&[4, 4], 0.24, 80)];
    assert!(Trainer::with_sets(sets, options).err().unwrap().to_string().contains("differ in lambda"));
}
