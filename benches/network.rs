//! The native engine by itself: convolution, forward, tangent, backward, one denoised batch, one path.

#[path = "compare/random_model.rs"]
mod random_model;

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use random_model::{default_shape, random_model, random_weights};
use std::hint::black_box;
use std::sync::Arc;
use stoq::diffusion::geometric_levels;
use stoq::kernel::PathProcess;
use stoq::lattice::Lattice;
use stoq::nn::UNet;
use stoq::nn::convolution::{ConvolutionScratch, Stencil, backward_weights, forward};
use stoq::rng::{Purpose, Stream};
use stoq::score::{NativeScore, Score, smallest_noise};

fn normals(level: u32, length: usize) -> Vec<f64> {
    let mut values = vec![0.0; length];
    Stream::new(3, 0, 0).unwrap().normals(Purpose::Diagnostic, level, &mut values);
    values
}

fn normals32(level: u32, length: usize) -> Vec<f32> {
    normals(level, length).into_iter().map(|x| x as f32).collect()
}

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(20).warm_up_time(std::time::Duration::from_millis(300));
    group.measurement_time(std::time::Duration::from_millis(1200));
    group
}

/// One convolution and its weight gradient at the three resolutions of the default network on 16x16;
/// elements are multiply-adds.
fn convolution(criterion: &mut Criterion) {
    let mut group = group(criterion, "convolution");
    for (extent, channels) in [(16, 24), (8, 32), (4, 48)] {
        let lattice = Lattice::new(&[extent, extent]).unwrap();
        let stencil = Stencil::cube(&lattice);
        let size = channels * lattice.sites();
        let (input, gradient) = (normals32(0, size), normals32(1, size));
        let weights = normals32(2, channels * stencil.taps() * channels);
        let bias = normals32(3, channels);
        let (mut out, mut sum, mut bias_sum) = (vec![0.0; size], vec![0.0; weights.len()], vec![0.0; channels]);
        let mut scratch = ConvolutionScratch::default();
        group.throughput(Throughput::Elements((weights.len() * lattice.sites()) as u64));
        group.bench_function(format!("forward {extent}x{extent}x{channels}"), |bencher| {
            bencher.iter(|| {
                forward(&stencil, black_box(&input), (&weights, Some(&bias)), false, &mut out, &mut scratch);
            });
        });
        group.bench_function(format!("weight gradient {extent}x{extent}x{channels}"), |bencher| {
            bencher.iter(|| {
                let bias = Some(&mut bias_sum[..]);
                backward_weights(&stencil, black_box(&input), &gradient, &mut sum, bias, &mut scratch);
            });
        });
    }
    group.finish();
}

/// The network on 16x16 and 32x32; elements are multiply-adds (twice those of forward for backward).
fn network(criterion: &mut Criterion) {
    for extent in [16, 32] {
        let mut group = group(criterion, &format!("network {extent}x{extent}"));
        let lattice = Lattice::new(&[extent, extent]).unwrap();
        let net = UNet::new(&default_shape(), &lattice).unwrap();
        let p = random_weights(&net).unwrap();
        let mut embedding = net.embedding().tape();
        net.embedding().forward(&p, 0.5, &[], &mut embedding);
        let mut adjoint = net.adjoint();
        net.refresh_adjoint(&p, &mut adjoint);
        let input = normals32(0, net.shape().inputs * lattice.sites());
        let (mut out, cotangent) = (vec![0.0; lattice.sites()], normals32(1, lattice.sites()));
        let mut gradient = vec![0.0; p.len()];
        let mut tape = net.tape();
        let work = net.multiply_adds() as u64;
        group.throughput(Throughput::Elements(work));
        group.bench_function("forward", |bencher| {
            bencher.iter(|| net.forward(&p, &embedding, black_box(&input), &mut out, &mut tape));
        });
        group.bench_function("tangent", |bencher| {
            bencher.iter(|| net.tangent(&p, &embedding, black_box(&input), &mut out, &mut tape));
        });
        group.throughput(Throughput::Elements(2 * work));
        group.bench_function("backward", |bencher| {
            net.forward(&p, &embedding, &input, &mut out, &mut tape);
            bencher.iter(|| {
                net.backward(&p, &adjoint, &embedding, black_box(&cotangent), &mut gradient, None, &mut tape);
            });
        });
        group.finish();
    }
}

/// What a chain asks for; elements are score evaluations.
fn sampling(criterion: &mut Criterion) {
    let mut group = group(criterion, "sampling 16x16");
    let score = Arc::new(NativeScore::new(random_model(&[16, 16]).unwrap()).unwrap());
    let mut evaluator = score.clone().evaluator(1).unwrap();
    let (field, mut denoised) = (normals(0, 256), vec![0.0; 256]);
    group.throughput(Throughput::Elements(1));
    group.bench_function("denoise one field", |bencher| {
        bencher.iter(|| evaluator.denoise(&[0.7], black_box(&field), &mut denoised).unwrap());
    });
    let smallest = smallest_noise(score.covariance());
    let times = geometric_levels(score.schedule(), smallest, 1.0, 40).unwrap();
    let mut process = PathProcess::new(score, &times, true, 1, 1).unwrap();
    let (mut proposal, mut log_ratio) = (vec![0.0; 256], [0.0]);
    let stream = Stream::new(1, 0, 0).unwrap();
    let mut step = 0;
    group.throughput(Throughput::Elements(40));
    group.bench_function("path of 40 levels", |bencher| {
        bencher.iter(|| {
            step += 1;
            process.generate(&[stream.at_step(step)], &mut proposal, &mut log_ratio).unwrap();
        });
    });
    group.finish();
}

criterion_group!(benches, convolution, network, sampling);
criterion_main!(benches);
