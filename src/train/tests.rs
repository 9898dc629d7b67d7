//! Training of fields with components and of independent sites, against closed forms.

use super::*;
use crate::error::Result;
use crate::lattice::Lattice;
use crate::model::Model;
use crate::rng::{Purpose, Stream};
use crate::score::{NativeScore, Score, score};
use std::sync::Arc;

fn normals(level: u32, length: usize) -> Vec<f64> {
    let mut values = vec![0.0; length];
    Stream::new(8, 0, 0).unwrap().normals(Purpose::Diagnostic, level, &mut values);
    values
}

fn dataset(extents: &[usize], components: usize, values: &[f64]) -> Dataset {
    let lattice = Lattice::new(extents).unwrap().with_components(components).unwrap();
    Dataset::new(lattice, values.iter().map(|&x| x as f32).collect()).unwrap()
}

fn options(steps: u64) -> TrainOptions {
    let adam = AdamOptions { warm_up: 50, average: 0.99, ..AdamOptions::default() };
    TrainOptions { channels: vec![16], embedding: 8, reach: 0, batch: 16, steps, adam, ..TrainOptions::default() }
}

fn trained(data: Dataset, options: TrainOptions) -> Result<Model> {
    let mut trainer = Trainer::new(data, None, options)?;
    while !trainer.is_finished() {
        trainer.step()?;
    }
    trainer.finish()
}

fn denoise(model: &Model, extents: &[usize], noise: f64, field: &[f64]) -> Vec<f64> {
    let score = Arc::new(NativeScore::new(model.on_extents(extents).unwrap()).unwrap());
    let mut out = vec![0.0; field.len()];
    let fields = field.len() / score.lattice().values();
    score.evaluator(1).unwrap().denoise(&vec![noise; fields], field, &mut out).unwrap();
    out
}

/// Two components that are correlated, (a + b, a - b)/2 with a = +-1 and b normal of deviation 1/2: the
/// Gaussian part knows neither the peaks nor that the components belong together. The exact denoiser is that of a
/// and of b. Trained on single points and evaluated on a lattice.
#[test]
fn a_law_of_two_components_is_learned_from_single_points() {
    let count = 40_000;
    let (sign, width) = (normals(0, count), normals(1, count));
    let pairs = sign.iter().zip(&width).flat_map(|(s, z)| {
        let (a, b) = (f64::signum(*s), 0.5 * z);
        [0.5 * (a + b), 0.5 * (a - b)]
    });
    let model = trained(dataset(&[1], 2, &pairs.collect::<Vec<_>>()), options(1500)).unwrap();
    assert_eq!((model.metadata().extents.as_slice(), model.metadata().components), (&[1usize][..], 2));
    assert_eq!(model.metadata().training.configurations, 32_000);
    // a and b have noise of deviation sqrt(2) sigma.
    let (noise, sites) = (0.5_f64, 300);
    let xi = 2.0 * noise * noise;
    let noisy = |level: u32, clean: &dyn Fn(f64) -> f64| -> Vec<f64> {
        normals(level, sites).iter().zip(normals(level + 1, sites)).map(|(x, z)| clean(*x) + xi.sqrt() * z).collect()
    };
    let (a, b) = (noisy(2, &f64::signum), noisy(4, &|z| 0.5 * z));
    let field = |sign: f64| a.iter().zip(&b).map(move |(a, b)| 0.5 * (a + sign * b));
    let field: Vec<f64> = field(1.0).chain(field(-1.0)).collect();
    let exact = |sign: f64| a.iter().zip(&b).map(move |(a, b)| 0.5 * ((a / xi).tanh() + sign * b * 0.25 / (0.25 + xi)));
    let found = denoise(&model, &[sites], noise, &field);
    let error: f64 = found.iter().zip(exact(1.0).chain(exact(-1.0))).map(|(x, y)| (x - y).powi(2)).sum();
    let error = (error / (2 * sites) as f64).sqrt();
    // The Wiener filter alone is wrong by 0.17.
    assert!(error < 0.04, "{error}");
    // Single points in a batch are the sites of the lattice, to the last bit.
    let points: Vec<f64> = (0..sites).flat_map(|site| [field[site], field[sites + site]]).collect();
    let alone = denoise(&model, &[1], noise, &points);
    assert!((0..sites).all(|site| alone[2 * site] == found[site] && alone[2 * site + 1] == found[sites + site]));
}

/// Of a law that is not even, flipping the sign would forget the mean.
#[test]
fn the_sign_is_flipped_only_where_the_law_is_even() {
    let values: Vec<f64> = normals(6, 6400).iter().map(|z| 1.0 + 0.5 * z).collect();
    let response = |even: Option<bool>| {
        let model = trained(dataset(&[8], 1, &values), TrainOptions { even, ..options(300) }).unwrap();
        // Noise so large that the field says nothing: D is the mean.
        denoise(&model, &[64], 6.0, &normals(7, 64)).iter().sum::<f64>() / 64.0
    };
    let (flipped, kept) = (response(None), response(Some(false)));
    assert!(flipped.abs() < 0.2 && (kept - 1.0).abs() < 0.2, "{flipped} {kept}");
}

/// Without any training, components with spectra of their own are denoised by their own Wiener filters.
#[test]
fn an_untrained_network_is_the_wiener_filter_of_every_component() {
    let (count, sites) = (4000, 4);
    let values: Vec<f64> = normals(8, 2 * count * sites)
        .chunks(2 * sites)
        .flat_map(|z| {
            // Second component: three times as wide, and smooth.
            let smooth = (0..sites).map(|x| 3.0 * (z[sites + x] + 0.5 * z[sites + (x + 1) % sites]));
            z[..sites].iter().copied().chain(smooth).collect::<Vec<_>>()
        })
        .collect();
    let data = dataset(&[sites], 2, &values);
    let untrained = TrainOptions { steps: 0, channels: vec![4], embedding: 4, ..TrainOptions::default() };
    let model = trained(data.clone(), untrained.clone()).unwrap();
    let score_model = Arc::new(NativeScore::new(model).unwrap());
    let spectrum = score_model.covariance().to_vec();
    for (mode, c) in spectrum.iter().enumerate() {
        let p = std::f64::consts::FRAC_PI_2 * (mode % sites) as f64;
        let exact = if mode < sites { 1.0 } else { 9.0 * (1.25 + p.cos()) };
        // Relative standard error sqrt(2 / 3200) = 0.025 for a real mode; bound at 5.
        assert!((c / exact - 1.0).abs() < 0.12, "{mode}: {c} {exact}");
    }
    // A constant field in both components is a zero mode of each; the posterior is that of the filter.
    let field: Vec<f64> = (0..2 * sites).map(|index| if index < sites { 1.0 } else { -2.0 }).collect();
    let mut scores = vec![0.0; 2 * sites];
    let schedule = *score_model.schedule();
    let time = schedule.time_of_noise(1.5);
    let mut evaluator = score_model.clone().evaluator(1).unwrap();
    score(&mut *evaluator, &schedule, &[time], &field, &mut scores).unwrap();
    for (index, s) in scores.iter().enumerate() {
        let exact = -field[index] / (spectrum[index / sites * sites] + 2.25);
        assert!((s - exact).abs() < 1e-6, "{index}: {s} {exact}");
    }
    let posterior = score_model.posterior(1.5);
    assert!(posterior.response.is_none());
    for (r, c) in posterior.variance.iter().zip(&spectrum) {
        // The table is measured on 400 held-out configurations, 1600 draws: 0.05 a real mode; bound at 5.
        assert!((r * (c + 2.25) / (2.25 * c) - 1.0).abs() < 0.25, "{r} {c}");
    }
    // Its second component is smooth: no model of independent sites.
    assert!(Trainer::new(data, None, TrainOptions { reach: 0, ..untrained }).is_err());
}
