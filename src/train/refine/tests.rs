//! The refinement against the kernels of the chains, against difference quotients, and at work.

use super::*;
use crate::diffusion::{Schedule, ZeroMode};
use crate::kernel::PathProcess;
use crate::lattice::Lattice;
use crate::model::{PosteriorRow, PosteriorTable};
use crate::nn::{UNet, UNetShape};
use std::sync::Arc;

const SITES: usize = 16;
const LEVELS: usize = 5;

fn action() -> ActionRecord {
    ActionRecord::phi4(0.2, 0.05)
}

/// A network on 4x4 for a Gaussian of flat covariance 1.5, which is wrong, and a table of posterior moments.
fn model(curvature: [f64; 2], weights: f64) -> Model {
    let lattice = Lattice::new(&[4, 4]).unwrap();
    let network = UNetShape { channels: vec![4, 6], embedding: 8, ..UNetShape::default() };
    let (_, classes) = crate::model::covariance_classes(&lattice, 1);
    let row = |log_noise: f64| {
        let xi = libm::exp(2.0 * log_noise);
        PosteriorRow {
            log_noise,
            variance: vec![1.5 * xi / (1.5 + xi); classes],
            mean_square: [0.8, 0.4],
            linear: vec![0.1; classes],
            quadratic: vec![0.02; classes],
            curvature,
            local_variance: 0.1,
            renormalisation: vec![],
            plaquettes: vec![],
        }
    };
    let (layout, stream) = (UNet::new(&network, &lattice).unwrap().layout().clone(), Stream::new(3, 0, 0).unwrap());
    let mut random = vec![0.0; layout.total()];
    stream.normals(Purpose::Diagnostic, 0, &mut random);
    let parameters = layout.initial(&stream).into_iter().zip(random);
    let metadata = Metadata {
        posterior: PosteriorTable { rows: (0..6).map(|row_| row(-3.0 + 0.85 * row_ as f64)).collect() },
        action: Some(action()),
        zero_mode: Some(ZeroMode { peak: 1.0, variance: 0.5 }).filter(|_| weights > 0.0),
        ..Metadata::untrained(&lattice, Schedule::variance_expanding_to(3.0).unwrap(), network, vec![1.5; classes])
    };
    // Random everywhere, or as a training starts.
    let one = |(start, x): (f32, f64)| if weights > 0.0 { (weights * x) as f32 } else { start };
    Model::new(metadata, parameters.map(one).collect()).unwrap()
}

fn options() -> RefineOptions {
    RefineOptions { levels: LEVELS, paths: 16, stride: 1, clip: 1e9, jitter: false, ..RefineOptions::default() }
}

fn refiner(model: Model, options: RefineOptions) -> Refiner {
    Refiner::new(model, &action(), None, options).unwrap()
}

/// Generated and forward paths have the fields and the weights that `PathProcess` gives them.
#[test]
fn paths_are_those_of_the_chains() {
    let mut refiner = refiner(model([-0.3, 0.02], 0.1), options());
    let score = Arc::new(NativeScore::new(model([-0.3, 0.02], 0.1)).unwrap());
    let levels = levels(&score, &refiner.times).unwrap();
    let prior = Prior::new(&*score, T_END);
    let shared = Shared { score: &score, adjoint: &refiner.adjoint, levels: &levels, prior: &prior };
    let mut process = PathProcess::new(score.clone(), &refiner.times, true, 1, 1).unwrap();
    let mut built = action().build(score.lattice()).unwrap();
    let stream = refiner.stream(7);
    let path = &mut refiner.paths[0];
    refiner.walkers[0].generate(&shared, &stream, path).map_err(|_| "stopped").unwrap();
    let (mut field, mut log_ratio) = (vec![0.0; SITES], [0.0]);
    process.generate(&[stream], &mut field, &mut log_ratio).unwrap();
    let action = built.action(&field).map_err(|_| "rejected").unwrap();
    assert_eq!(field, path.fields[..SITES]);
    assert!((log_ratio[0] - action - path.log_weight).abs() < 1e-9);
    // The same path again, its weight from its fields.
    let generated = path.log_weight;
    refiner.walkers[0].evaluate(&shared, path).map_err(|_| "stopped").unwrap();
    assert!((path.log_weight - generated).abs() < 1e-9);
    refiner.walkers[0].renoise(&shared, &stream, path).map_err(|_| "stopped").unwrap();
    let mut last = vec![0.0; SITES];
    let log_ratio = process.renoise(&stream, &field, &mut last).unwrap();
    assert_eq!(last, path.fields[LEVELS * SITES..]);
    assert!((log_ratio - action - path.log_weight).abs() < 1e-9);
}

/// Var(log w) of the paths that `refiner` holds, under other weights or another table.
fn variance(refiner: &mut Refiner, model: Model) -> f64 {
    let score = NativeScore::new(model).unwrap();
    let levels = levels(&score, &refiner.times).unwrap();
    let prior = Prior::new(&score, T_END);
    let shared = Shared { score: &score, adjoint: &refiner.adjoint, levels: &levels, prior: &prior };
    let logs = refiner.paths.iter_mut().map(|path| {
        refiner.walkers[0].evaluate(&shared, path).map_err(|_| "stopped").unwrap();
        path.log_weight
    });
    let logs: Vec<f64> = logs.collect();
    let mean = logs.iter().sum::<f64>() / logs.len() as f64;
    logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (logs.len() - 1) as f64
}

/// The gradient on fixed paths, layer by layer, is the difference quotient of Var(log w).
#[test]
fn gradient_is_the_difference_quotient() {
    for curvature in [[0.0; 2], [-0.3, 0.02]] {
        let mut refiner = refiner(model(curvature, 0.1), options());
        let score = NativeScore::new(model(curvature, 0.1)).unwrap();
        score.network().refresh_adjoint(score.model().parameters(), &mut refiner.adjoint);
        let levels = levels(&score, &refiner.times.clone()).unwrap();
        let prior = Prior::new(&score, T_END);
        refiner.walk(&score, &levels, &prior).unwrap();
        let factors = refiner.factors().unwrap();
        refiner.differentiate(&score, &levels, &prior, &factors);
        let gradient = refiner.gradient();
        let weights = score.model().parameters().to_vec();
        for entry in score.network().layout().entries() {
            // Along the gradient of the layer, of unit length: the evaluation is in single precision.
            let length = gradient[entry.range()].iter().map(|g| f64::from(g * g)).sum::<f64>().sqrt();
            let mut at = |step: f64| {
                let mut moved = weights.clone();
                entry.range().for_each(|index| moved[index] += (step / length) as f32 * gradient[index]);
                let model = refiner.model(&moved).unwrap();
                variance(&mut refiner, model)
            };
            let numeric = (at(8e-3) - at(-8e-3)) / 1.6e-2;
            assert!((numeric / length - 1.0).abs() < 2e-3, "{}: {numeric} {length}", entry.name);
        }
    }
}

fn run(mut refiner: Refiner) -> (Vec<RefineProgress>, Model) {
    let mut progress = vec![];
    while !refiner.is_finished() {
        progress.push(refiner.step().unwrap());
    }
    (progress, refiner.finish().unwrap())
}

#[test]
fn threads_change_no_bit() {
    let of = |threads: usize| {
        let options = RefineOptions { steps: 3, jitter: true, stride: 2, threads, ..options() };
        run(refiner(model([-0.1, 0.0], 0.1), options))
    };
    assert_eq!(of(1), of(3));
}

/// From an untrained network with a covariance that is wrong in every mode, without data.
#[test]
fn variance_of_the_weights_falls() {
    let adam = AdamOptions { rate: 5e-3, ..RefineOptions::default().adam };
    let defaults = RefineOptions::default();
    let options = RefineOptions { steps: 200, levels: 8, paths: 32, stride: 2, adam, ..defaults };
    let (progress, model) = run(refiner(model([0.0; 2], 0.0), options));
    let (first, last) = (progress[0].var_log_w, progress[progress.len() - 1].var_log_w);
    assert!(last < 0.2 * first, "{first} {last}");
    assert_eq!(model.metadata().training.steps, 200);
}

/// A step that cannot be taken leaves the model as it was.
#[test]
fn weights_survive_a_gradient_that_is_not_finite() {
    let mut refiner = refiner(model([0.0; 2], 0.1), options());
    refiner.step().unwrap();
    let before = refiner.network.weights().to_vec();
    refiner.paths.iter_mut().for_each(|path| path.log_weight = f64::NAN);
    assert!(refiner.factors().is_err());
    refiner.chunks[0][0] = f32::NAN;
    assert!(refiner.apply().is_err());
    assert_eq!(refiner.network.weights(), before);
    let options = |options: RefineOptions| Refiner::new(model([0.0; 2], 0.1), &action(), None, options).is_err();
    assert!(options(RefineOptions { paths: 2, ..Default::default() }));
    assert!(options(RefineOptions { stride: 0, ..Default::default() }));
    assert!(options(RefineOptions { clip: f64::NAN, ..Default::default() }));
}
