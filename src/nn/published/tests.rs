use super::convolution::{PaddedConvolution, TAPS};
use super::normalisation::GroupNorm;
use super::*;

fn random(level: u32, length: usize) -> Vec<f64> {
    let mut values = vec![0.0; length];
    Stream::new(9, 0, 0).unwrap().normals(Purpose::Diagnostic, level, &mut values);
    values
}

fn network(extent: usize) -> PublishedUNet {
    PublishedUNet::new(&Lattice::new(&[extent, extent]).unwrap(), 3).unwrap()
}

/// Starting values, and gains and shifts away from their start.
fn weights(network: &PublishedUNet) -> Vec<f64> {
    let mut weights: Vec<f64> = network.layout().initial(&Stream::new(4, 0, 0).unwrap());
    weights.iter_mut().zip(random(7, network.layout().total())).for_each(|(w, z)| *w += 0.02 * z);
    weights
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn moved(x: &[f64], direction: &[f64], step: f64) -> Vec<f64> {
    x.iter().zip(direction).map(|(x, d)| x + step * d).collect()
}

fn evaluate(network: &PublishedUNet, weights: &[f64], times: &[f64], fields: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; fields.len()];
    network.forward(weights, times, fields, &mut out, &mut PublishedTape::default());
    out
}

#[test]
fn the_number_of_weights_is_that_of_the_original_and_fields_come_back_to_their_size() {
    // Convolutions 867 168 with one bias, embedding 65 792, its layers 257 x 704, gains and shifts 2 x 704.
    assert_eq!(network(16).layout().total(), 867_168 + 1 + 65_792 + 257 * 704 + 2 * 704);
    for extent in [8, 16, 32] {
        let network = network(extent);
        let mut shape = vec![extent * extent; 2];
        shape.extend(network.layers.iter().map(Layer::output_sites));
        let quarter = |power: u32| extent * extent / 4usize.pow(power);
        assert_eq!(shape[2..], [0, 1, 2, 3, 2, 1, 0, 0].map(quarter));
        let out = evaluate(&network, &weights(&network), &[0.2], &random(0, extent * extent));
        assert!(out.iter().all(|value| value.is_finite()) && out.iter().any(|value| value.abs() > 1e-3));
    }
    for extents in [&[12, 16][..], &[16], &[8, 8, 8]] {
        assert!(PublishedUNet::new(&Lattice::new(extents).unwrap(), 1).is_err(), "{extents:?}");
    }
    assert!(PublishedUNet::new(&Lattice::new(&[8, 8]).unwrap().with_components(2).unwrap(), 1).is_err());
}

/// The definition by coordinates, with zeros outside.
#[test]
fn convolutions_match_their_definition_and_transposed_ones_are_adjoint() {
    for (fine, stride) in [([4, 6], 1), ([4, 6], 2), ([2, 2], 2), ([8, 4], 2)] {
        let (channels, outputs, batch) = (2, 3, 2);
        let convolution = PaddedConvolution::new(fine, stride, channels, outputs);
        let (v, coarse) = (convolution.fine_sites(), convolution.coarse_extents());
        let w = convolution.coarse_sites();
        assert_eq!(coarse, fine.map(|n| n / stride));
        let (x, y) = (random(0, channels * batch * v), random(1, outputs * batch * w));
        let weights = random(2, outputs * channels * TAPS);
        let mut expected = vec![0.0; y.len()];
        for (index, sum) in expected.iter_mut().enumerate() {
            let (o, b, at) = (index / (batch * w), index / w % batch, index % w);
            for c in 0..channels {
                for tap in 0..TAPS {
                    let i = (stride * (at / coarse[1]) + tap / 3).wrapping_sub(1);
                    let j = (stride * (at % coarse[1]) + tap % 3).wrapping_sub(1);
                    if i < fine[0] && j < fine[1] {
                        *sum += weights[(o * channels + c) * TAPS + tap] * x[(c * batch + b) * v + i * fine[1] + j];
                    }
                }
            }
        }
        let (mut out, mut back, mut scratch) = (vec![0.0; y.len()], vec![0.0; x.len()], vec![]);
        convolution.apply(&weights, &x, &mut out, &mut scratch);
        assert!(out.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12), "{fine:?} stride {stride}");
        convolution.adjoint(&weights, &y, &mut back, &mut scratch);
        assert!((dot(&out, &y) - dot(&back, &x)).abs() < 1e-11, "{fine:?} stride {stride}");
        let mut gradient = vec![0.0; weights.len()];
        convolution.add_weight_gradient(&x, &y, &mut gradient, &mut scratch);
        for single in [0, 13, weights.len() - 1] {
            let mut unit = vec![0.0; weights.len()];
            unit[single] = 1.0;
            convolution.apply(&unit, &x, &mut out, &mut scratch);
            assert!((gradient[single] - dot(&out, &y)).abs() < 1e-11, "{fine:?} stride {stride} weight {single}");
        }
    }
}

#[test]
fn every_group_has_mean_zero_and_variance_one() {
    let (norm, batch, sites) = (GroupNorm { channels: 6, groups: 3 }, 2, 5);
    let h: Vec<f64> = random(0, 6 * batch * sites).iter().enumerate().map(|(i, z)| i as f64 * 0.1 + 2.0 * z).collect();
    let (mut y, mut inverse) = (h.clone(), vec![0.0; 3 * batch]);
    norm.normalise(&mut y, batch, &mut inverse);
    for group in 0..3 {
        for sample in 0..batch {
            let of = |values: &[f64]| -> Vec<f64> {
                let channel = |c: usize| values[(c * batch + sample) * sites..][..sites].to_vec();
                [channel(2 * group), channel(2 * group + 1)].concat()
            };
            let (before, after) = (of(&h), of(&y));
            let mean = before.iter().sum::<f64>() / 10.0;
            let variance = before.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 10.0;
            for (x, y) in before.iter().zip(&after) {
                assert!((y - (x - mean) / (variance + 1e-5).sqrt()).abs() < 1e-13);
            }
        }
    }
}

/// Along a random direction in every array of weights, one by one, and along random directions of the field.
/// The error of central differences with steps of 1e-5 is of order 1e-10 relative; the bound leaves a factor of 100.
#[test]
fn derivatives_match_central_differences() {
    let network = network(8);
    let (weights, times) = (weights(&network), [0.03, 0.6]);
    let (fields, coefficients) = (random(0, 128), random(1, 128));
    let mut tape = PublishedTape::default();
    let mut out = vec![0.0; 128];
    network.forward(&weights, &times, &fields, &mut out, &mut tape);
    let mut gradient = vec![0.0; weights.len()];
    network.backward(&weights, &coefficients, &mut gradient, &mut tape);
    for (index, entry) in network.layout().entries().iter().enumerate() {
        let mut direction = vec![0.0; weights.len()];
        direction[entry.range()].copy_from_slice(&random(20 + index as u32, entry.len()));
        let length = dot(&direction, &direction).sqrt();
        direction.iter_mut().for_each(|d| *d /= length);
        let at = |step| dot(&evaluate(&network, &moved(&weights, &direction, step), &times, &fields), &coefficients);
        let (found, expected) = (dot(&gradient, &direction), (at(1e-5) - at(-1e-5)) / 2e-5);
        assert!((found - expected).abs() < 1e-8 * (1.0 + expected.abs()), "{}: {found} {expected}", entry.name);
        assert!(expected.abs() > 1e-6, "{}: a degenerate case", entry.name);
    }
    network.forward(&weights, &times[..1], &fields[..64], &mut out[..64], &mut tape);
    let directions = random(2, 3 * 64);
    let mut changes = vec![0.0; 3 * 64];
    network.tangent(&weights, &directions, &mut changes, &mut tape);
    for (direction, change) in directions.chunks(64).zip(changes.chunks(64)) {
        let at = |step| evaluate(&network, &weights, &times[..1], &moved(&fields[..64], direction, step));
        for (value, (a, b)) in change.iter().zip(at(1e-5).iter().zip(&at(-1e-5))) {
            assert!((value - (a - b) / 2e-5).abs() < 1e-8, "{value} {}", (a - b) / 2e-5);
        }
        assert!(change.iter().any(|value| value.abs() > 0.01));
    }
}

/// The network of link angles, by every tenth of its arrays; and with periodic padding translations by the coarsest cell
/// commute with it.
#[test]
fn the_network_of_links_differentiates_and_is_periodic() {
    let lattice = Lattice::new(&[16, 8]).unwrap().with_components(2).unwrap();
    let network = PublishedUNet::of_links(&lattice, 3).unwrap();
    let (weights, times) = (weights(&network), [0.03, 0.6]);
    assert_eq!((network.inputs(), network.outputs()), (4 * 128, 2 * 128));
    let (fields, coefficients) = (random(0, 2 * 512), random(1, 2 * 256));
    let evaluate = |weights: &[f64], fields: &[f64], tape: &mut PublishedTape<f64>| {
        let mut out = vec![0.0; 2 * 256];
        network.forward(weights, &times, fields, &mut out, tape);
        out
    };
    let mut tape = PublishedTape::default();
    let first = evaluate(&weights, &fields, &mut tape);
    let mut gradient = vec![0.0; weights.len()];
    network.backward(&weights, &coefficients, &mut gradient, &mut tape);
    let entries = network.layout().entries().iter().enumerate();
    for (index, entry) in entries.filter(|(index, entry)| index % 10 == 0 || entry.name.starts_with("output")) {
        let mut direction = vec![0.0; weights.len()];
        direction[entry.range()].copy_from_slice(&random(20 + index as u32, entry.len()));
        let at = |step| {
            dot(&evaluate(&moved(&weights, &direction, step), &fields, &mut PublishedTape::default()), &coefficients)
        };
        let (found, expected) = (dot(&gradient, &direction), (at(1e-6) - at(-1e-6)) / 2e-6);
        assert!((found - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{}: {found} {expected}", entry.name);
        assert!(expected.abs() > 1e-6, "{}: a degenerate case", entry.name);
    }
    let translate = |fields: &[f64]| -> Vec<f64> {
        let moved = |x: usize| (x / 8 + 8) % 16 * 8 + x % 8;
        fields.chunks(128).flat_map(|field| (0..128).map(move |x| field[moved(x)])).collect()
    };
    let second = evaluate(&weights, &translate(&fields), &mut tape);
    assert!(translate(&first).iter().zip(&second).all(|(a, b)| (a - b).abs() < 1e-12));
    assert!(first.iter().zip(&second).any(|(a, b)| (a - b).abs() > 1e-2));
    assert!(PublishedUNet::of_links(&Lattice::new(&[16, 8]).unwrap(), 3).is_err());
}

/// The lattice is periodic and the network is not: a translation by the coarsest cell, which commutes with
/// [`crate::nn::UNet`], changes this one's answer by as much as the answer varies.
#[test]
fn padding_with_zeros_breaks_translations() {
    let (network, shift) = (network(16), 8);
    let weights = weights(&network);
    let field = random(0, 256);
    let translate = |field: &[f64]| -> Vec<f64> {
        (0..256).map(|x| field[(x / 16 + shift) % 16 * 16 + (x % 16 + shift) % 16]).collect()
    };
    let first = evaluate(&network, &weights, &[0.1], &translate(&field));
    let second = translate(&evaluate(&network, &weights, &[0.1], &field));
    let mean = second.iter().sum::<f64>() / 256.0;
    let spread = second.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
    let difference = first.iter().zip(&second).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    assert!(difference > 0.01 * spread, "{difference} {spread}");
}

#[test]
fn results_of_a_field_do_not_depend_on_its_batch_to_the_bit() {
    let network = network(16);
    let weights: Vec<f32> = weights(&network).iter().map(|&w| w as f32).collect();
    let fields: Vec<f32> = random(0, 5 * 256).iter().map(|&x| x as f32).collect();
    let times = [0.01, 0.9, 0.3, 0.3, 0.05];
    let mut tape = PublishedTape::default();
    let mut together = vec![0.0; fields.len()];
    network.forward(&weights, &times, &fields, &mut together, &mut tape);
    for (index, (field, expected)) in fields.chunks(256).zip(together.chunks(256)).enumerate() {
        let mut alone = vec![0.0; 256];
        network.forward(&weights, &times[index..=index], field, &mut alone, &mut tape);
        assert_eq!(alone, expected, "sample {index}");
    }
}
