use super::*;
use crate::diffusion::{T_END, geometric_levels};
use crate::fourier::LatticeFourier;
use crate::kernel::PathProcess;
use crate::rng::{Purpose, Stream};
use crate::sampler::{Coordinates, Divergence, Likelihood, LikelihoodOptions};
use crate::score::EulerMaruyamaNoise;

const VALUES: usize = 64;

fn normals(level: u32, length: usize) -> Vec<f64> {
    let mut values = vec![0.0; length];
    Stream::new(6, 0, 0).unwrap().normals(Purpose::Diagnostic, level, &mut values);
    values
}

/// A network on 8x8 whose last layer is multiplied by `output`.
fn score(output: f32) -> PublishedScore {
    let lattice = Lattice::new(&[8, 8]).unwrap();
    let network = PublishedUNet::new(&lattice, 1).unwrap();
    let mut weights: Vec<f32> = network.layout().initial(&Stream::new(2, 0, 0).unwrap());
    let last = network.layout().entries().iter().filter(|entry| entry.name.starts_with("output"));
    last.for_each(|entry| weights[entry.range()].iter_mut().for_each(|w| *w *= output));
    let classes = momentum_classes(&lattice).1;
    let covariance: Vec<f64> = (0..classes).map(|class| 3.0 / (1.0 + class as f64)).collect();
    PublishedScore::new(lattice, Schedule::variance_expanding(25.0).unwrap(), network, weights, &covariance).unwrap()
}

#[test]
fn derivatives_match_central_differences_and_values_the_evaluator() {
    let score = Arc::new(score(1.0));
    let (field, directions) = (normals(0, VALUES), normals(1, 2 * VALUES));
    let (mut denoised, mut changes) = (vec![0.0; VALUES], vec![0.0; 2 * VALUES]);
    let mut differential = score.clone().differential().unwrap();
    differential.tangents(0.8, &field, &directions, &mut denoised, &mut changes).unwrap();
    let mut single = vec![0.0; VALUES];
    score.clone().evaluator(1).unwrap().denoise(&[0.8], &field, &mut single).unwrap();
    assert!(denoised.iter().zip(&single).all(|(a, b)| (a - b).abs() < 1e-5));
    let mut at = |step: f64, direction: &[f64]| {
        let moved: Vec<f64> = field.iter().zip(direction).map(|(x, d)| x + step * d).collect();
        let mut out = vec![0.0; VALUES];
        differential.tangents(0.8, &moved, &[], &mut out, &mut []).unwrap();
        out
    };
    for (direction, change) in directions.chunks(VALUES).zip(changes.chunks(VALUES)) {
        for (value, (a, b)) in change.iter().zip(at(1e-5, direction).iter().zip(&at(-1e-5, direction))) {
            assert!((value - (a - b) / 2e-5).abs() < 1e-8, "{value} {}", (a - b) / 2e-5);
        }
    }
}

/// A network of link angles on 8x8.
fn score_of_links() -> PublishedScore {
    let lattice = Lattice::new(&[8, 8]).unwrap().with_components(2).unwrap();
    let network = PublishedUNet::of_links(&lattice, 1).unwrap();
    let weights: Vec<f32> = network.layout().initial(&Stream::new(2, 0, 0).unwrap());
    let covariance = vec![0.5; momentum_classes(&lattice).1];
    PublishedScore::new(lattice, Schedule::variance_expanding(2.0).unwrap(), network, weights, &covariance).unwrap()
}

/// D - x is periodic in every angle and commutes with translations by the coarsest cell; a batch changes no bit of it.
#[test]
fn of_links_the_score_is_periodic_in_angles_and_lattice() {
    let score = Arc::new(score_of_links());
    assert!(score.of_links() && score.clone().differential().is_err());
    let change = |fields: &[f64], noise: &[f64]| {
        let mut denoised = vec![0.0; fields.len()];
        score.clone().evaluator(1).unwrap().denoise(noise, fields, &mut denoised).unwrap();
        denoised.iter().zip(fields).map(|(d, x)| d - x).collect::<Vec<f64>>()
    };
    let fields = normals(0, 3 * 128);
    let (noise, together) = ([0.3, 0.7, 0.5], change(&fields, &[0.3, 0.7, 0.5]));
    for (index, (field, expected)) in fields.chunks(128).zip(together.chunks(128)).enumerate() {
        assert!(change(field, &noise[index..=index]) == expected);
    }
    let field = &fields[..128];
    let turned: Vec<f64> = field.iter().map(|angle| angle - std::f64::consts::TAU).collect();
    let moved = change(&turned, &noise[..1]);
    assert!(moved.iter().zip(&together).all(|(a, b)| (a - b).abs() < 1e-5));
    assert!(together.iter().any(|change| change.abs() > 1e-2));
    let same = change(field, &noise[..1]);
    let of_axis = |axis: usize| same[axis * 64..(axis + 1) * 64].iter().map(|x| x * x).sum::<f64>();
    assert!((of_axis(0) - of_axis(1)).abs() > 1e-6, "two fields, not one twice");
}

#[test]
fn threads_and_batch_change_no_bit() {
    let score = Arc::new(score(1.0));
    let (fields, noise) = (normals(0, 21 * VALUES), vec![0.4; 21]);
    let mut results = [vec![0.0; 21 * VALUES], vec![0.0; 21 * VALUES], vec![0.0; 21 * VALUES]];
    for (threads, result) in [1, 3].iter().zip(&mut results) {
        score.clone().evaluator(*threads).unwrap().denoise(&noise, &fields, result).unwrap();
    }
    let mut evaluator = score.evaluator(1).unwrap();
    for (field, result) in fields.chunks(VALUES).zip(results[2].chunks_mut(VALUES)) {
        evaluator.denoise(&noise[..1], field, result).unwrap();
    }
    assert!(results[0] == results[1] && results[0] == results[2]);
}

/// A network that answers 0 has score 0: nothing flows, and the density is that of the prior N(0, C + Xi(T)).
#[test]
fn without_a_score_the_density_is_that_of_the_prior() {
    let score = Arc::new(score(0.0));
    let field = normals(3, VALUES);
    let variance: Vec<f64> = score.covariance().iter().map(|c| c + score.schedule().variance(T_END)).collect();
    let precision: Vec<f64> = variance.iter().map(|v| 1.0 / v).collect();
    let logs: f64 = variance.iter().map(|v| (std::f64::consts::TAU * v).ln()).sum();
    let exact = -0.5 * (logs + LatticeFourier::new(score.lattice()).quadratic_form(&field, &precision));
    // In plain coordinates the divergence is zero, which one random probe finds exactly.
    let probe = Divergence::Hutchinson { probes: 1 };
    for (coordinates, divergence) in [(Coordinates::Plain, probe), (Coordinates::Whitened, Divergence::Exact)] {
        let options = LikelihoodOptions { coordinates, divergence, tolerance: 1e-6, smallest_noise: 0.0 };
        let mut likelihood = Likelihood::new(score.clone(), options, 1).unwrap();
        let found = likelihood.log_densities(&[Stream::new(1, 0, 0).unwrap()], &field).unwrap()[0];
        assert!((found.value / exact - 1.0).abs() < 1e-6, "{coordinates:?}: {} {exact}", found.value);
    }
}

/// With a score, one flow in two coordinates by very different functions. The network is made independent of t (its
/// fast features of t would cost a thousand evaluations) and its answer small.
#[test]
fn both_coordinates_give_one_density() {
    let mut score = score(0.05);
    let layout = score.network.layout().entries().iter();
    layout.filter(|e| e.name == "embedding.weight").for_each(|e| score.weights[e.range()].fill(0.0));
    let score = Arc::new(score);
    let field = normals(3, VALUES);
    let found = [Coordinates::Plain, Coordinates::Whitened].map(|coordinates| {
        let options = LikelihoodOptions { coordinates, tolerance: 1e-4, ..LikelihoodOptions::default() };
        let mut likelihood = Likelihood::new(score.clone(), options, 1).unwrap();
        likelihood.log_densities(&[Stream::new(1, 0, 0).unwrap()], &field).unwrap()[0]
    });
    println!("{found:?}");
    assert!((found[0].value - found[1].value).abs() < 0.01, "{found:?}");
}

/// Of a path with Euler-Maruyama noise and without a score log F = log B step by step: what is left is the prior.
#[test]
fn paths_have_the_density_of_their_kernels() {
    let score = EulerMaruyamaNoise::new(Arc::new(score(0.0)));
    let times = geometric_levels(score.schedule(), 0.1, T_END, 7).unwrap();
    let score: Arc<dyn Score> = Arc::new(score);
    let mut process = PathProcess::new(score.clone(), &times, true, 4, 1).unwrap();
    let streams: Vec<Stream> = (0..4).map(|i| Stream::new(5, 0, i).unwrap()).collect();
    let (mut fields, mut ratios) = (vec![0.0; 4 * VALUES], vec![0.0; 4]);
    process.generate(&streams, &mut fields, &mut ratios).unwrap();
    for (stream, ratio) in streams.iter().zip(ratios) {
        let mut white = vec![0.0; VALUES];
        stream.normals(Purpose::Prior, 0, &mut white);
        let xi = score.schedule().variance(T_END);
        let logs: f64 = score.covariance().iter().map(|c| (std::f64::consts::TAU * (c + xi)).ln()).sum();
        let expected = 0.5 * (logs + white.iter().map(|z| z * z).sum::<f64>());
        assert!((ratio - expected).abs() < 1e-8, "{ratio} {expected}");
    }
}

#[test]
fn measured_errors_are_interpolated_and_bad_tables_refused() {
    let classes = momentum_classes(score(1.0).lattice()).1;
    let row = |log_noise: f64, factor: f64| {
        let variance = (0..classes).map(|class| {
            let (c, xi) = (3.0 / (1.0 + class as f64), (2.0 * log_noise).exp());
            factor * c * xi / (c + xi)
        });
        PosteriorRow { log_noise, variance: variance.collect(), ..PosteriorRow::default() }
    };
    let table = PosteriorTable { rows: vec![row(-1.0, 1.0), row(1.0, 2.0)] };
    let wiener = score(1.0).posterior(1.0).variance;
    let measured = score(1.0).with_posterior(table).unwrap().posterior(1.0).variance;
    assert!(measured.iter().zip(&wiener).all(|(m, w)| (m / w - 1.5).abs() < 1e-12));
    let short = PosteriorRow { variance: vec![1.0], ..PosteriorRow::default() };
    let table = PosteriorTable { rows: vec![short] };
    assert!(score(1.0).with_posterior(table).is_err());
}
