//! Derivatives against differences, symmetries, and what is refused.

use super::*;
use crate::rng::{Purpose, Stream};

fn random(level: u32, length: usize) -> Vec<f64> {
    let mut values = vec![0.0; length];
    Stream::new(9, 0, 0).unwrap().normals(Purpose::Diagnostic, level, &mut values);
    values
}

struct Case {
    net: UNet,
    parameters: Vec<f64>,
    input: Vec<f64>,
    outputs: usize,
    log_sigma: f64,
    conditions: Vec<f64>,
}

fn case(extents: &[usize], channels: &[usize], outputs: usize, reach: usize) -> Case {
    case_of(extents, UNetShape { channels: channels.to_vec(), outputs, reach, ..UNetShape::default() })
}

fn case_of(extents: &[usize], shape: UNetShape) -> Case {
    let lattice = Lattice::new(extents).unwrap();
    let outputs = shape.outputs;
    let shape = UNetShape { embedding: 6, ..shape };
    let net = UNet::new(&shape, &lattice).unwrap();
    // Random everywhere: the zero-initialised layers would hide errors. The odd activation amplifies by up to 4.
    let scale = if shape.odd { 0.05 } else { 0.15 };
    let parameters = random(1, net.layout().total()).iter().map(|x| scale * x).collect();
    Case {
        input: random(2, 2 * lattice.sites()),
        outputs: outputs * lattice.sites(),
        log_sigma: -0.7,
        conditions: vec![0.4, -0.9, 1.1][..shape.conditions].to_vec(),
        parameters,
        net,
    }
}

fn evaluate(case: &Case, parameters: &[f64], input: &[f64]) -> Vec<f64> {
    let mut embedding = case.net.embedding().tape();
    case.net.embedding().forward(parameters, case.log_sigma, &case.conditions, &mut embedding);
    let mut out = vec![0.0; case.outputs];
    case.net.forward(parameters, &embedding, input, &mut out, &mut case.net.tape());
    out
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn moved(x: &[f64], direction: &[f64], step: f64) -> Vec<f64> {
    x.iter().zip(direction).map(|(x, d)| x + step * d).collect()
}

/// Extents, channels, output fields, reach.
const CASES: [(&[usize], &[usize], usize, usize); 10] = [
    (&[8], &[3, 5, 2], 1, 1),
    (&[4, 8], &[3, 4], 1, 1),
    (&[8, 8], &[2, 9, 5], 1, 1),
    (&[4, 4, 4], &[2, 3], 1, 1),
    (&[4, 4, 4, 4], &[2, 2], 1, 1),
    (&[4, 8], &[3, 4], 2, 1),
    (&[3, 1], &[2], 3, 1),
    (&[1], &[5], 1, 0),
    (&[70], &[5], 2, 0),
    (&[3, 5], &[4], 9, 0),
];

#[test]
fn tangent_and_backward_match_finite_differences_in_every_rank() {
    for (extents, channels, outputs, reach) in CASES {
        for odd in [false, true] {
            let shape = UNetShape { channels: channels.to_vec(), outputs, reach, odd, ..UNetShape::default() };
            check_derivatives(&format!("{extents:?} {shape:?}"), &case_of(extents, shape));
        }
    }
}

/// Tangent and backward against differences of the output, and against each other.
fn check_derivatives(name: &str, case: &Case) {
    let (net, p) = (&case.net, &case.parameters);
    let mut embedding = net.embedding().tape();
    net.embedding().forward(p, case.log_sigma, &case.conditions, &mut embedding);
    let mut tape = net.tape();
    let mut out = vec![0.0; case.outputs];
    net.forward(p, &embedding, &case.input, &mut out, &mut tape);

    let direction = random(3, case.input.len());
    let mut tangent = vec![0.0; case.outputs];
    net.tangent(p, &embedding, &direction, &mut tangent, &mut tape);
    let step = 1e-6;
    let central =
        |a: Vec<f64>, b: Vec<f64>| -> Vec<f64> { a.iter().zip(&b).map(|(a, b)| (a - b) / (2.0 * step)).collect() };
    let ahead = evaluate(case, p, &moved(&case.input, &direction, step));
    let behind = evaluate(case, p, &moved(&case.input, &direction, -step));
    let numeric = central(ahead, behind);
    let size = dot(&numeric, &numeric).sqrt();
    assert!(size > 1e-3, "the case is degenerate");
    assert!(numeric.iter().zip(&tangent).all(|(a, b)| (a - b).abs() < 1e-7 * size), "{name} tangent");

    let cotangent = random(4, case.outputs);
    let mut adjoint = net.adjoint();
    net.refresh_adjoint(p, &mut adjoint);
    let mut gradient = vec![0.0; p.len()];
    let mut input_gradient = vec![0.0; case.input.len()];
    // The tangent overwrote the streams; backward only needs the kept activations.
    net.backward(p, &adjoint, &embedding, &cotangent, &mut gradient, Some(&mut input_gradient), &mut tape);
    let vjp = dot(&input_gradient, &direction);
    assert!((vjp - dot(&cotangent, &tangent)).abs() < 1e-9 * (1.0 + vjp.abs()), "{name} <g, J d> = <J^T g, d>");
    for entry in net.layout().entries() {
        let mut along = vec![0.0; p.len()];
        along[entry.range()].copy_from_slice(&random(5, entry.len()));
        let ahead = dot(&evaluate(case, &moved(p, &along, step), &case.input), &cotangent);
        let behind = dot(&evaluate(case, &moved(p, &along, -step), &case.input), &cotangent);
        let numeric = (ahead - behind) / (2.0 * step);
        let exact = dot(&gradient, &along);
        assert!((numeric - exact).abs() < 1e-6 * (1.0 + numeric.abs()), "{name} {}: {numeric} {exact}", entry.name);
    }
}

/// Negating the input negates the output, in single precision and to the bit.
#[test]
fn an_odd_network_is_odd_to_the_bit() {
    for (extents, channels, outputs, reach) in CASES {
        let shape = UNetShape { channels: channels.to_vec(), outputs, reach, odd: true, ..UNetShape::default() };
        let case = case_of(extents, shape);
        let single = |values: &[f64]| values.iter().map(|&x| x as f32).collect::<Vec<_>>();
        let (p, input) = (single(&case.parameters), single(&case.input));
        let negated: Vec<f32> = input.iter().map(|x| -x).collect();
        let (mut embedding, mut tape) = (case.net.embedding().tape(), case.net.tape());
        case.net.embedding().forward(&p, case.log_sigma, &case.conditions, &mut embedding);
        let (mut out, mut other) = (vec![0.0; case.outputs], vec![0.0; case.outputs]);
        case.net.forward(&p, &embedding, &input, &mut out, &mut tape);
        case.net.forward(&p, &embedding, &negated, &mut other, &mut tape);
        assert!(out.iter().any(|x| x.abs() > 1e-3), "the case is degenerate");
        assert!(out.iter().zip(&other).all(|(a, b)| a.to_bits() == (-b).to_bits()), "{extents:?}");
        case.net.forward(&p, &embedding, &vec![0.0; input.len()], &mut out, &mut tape);
        assert!(out.iter().all(|&x| x == 0.0));
        // No parameter is there that could not act on the field.
        let biases = case.net.layout().entries().iter().filter(|entry| entry.name.ends_with(".bias"));
        assert!(biases.map(|entry| &entry.name).all(|name| name.contains("embedding") || name.contains("modulation")));
    }
}

/// Resolutions that work: none, the finest, the coarsest alone, all but one; and with couplings.
#[test]
fn derivatives_match_differences_whatever_resolutions_work_and_with_couplings() {
    let (on, off) = ([-1.0, 0.0], [0.0, 1.0]);
    let patterns = [[off, off, off], [on, off, off], [off, off, on], [off, on, off], [on, off, on], [on, on, on]];
    for (index, bands) in patterns.into_iter().enumerate() {
        let (bands, odd) = (bands.to_vec(), index % 2 == 1);
        let shape = UNetShape { channels: vec![3, 4, 2], bands, odd, conditions: index % 3, ..UNetShape::default() };
        check_derivatives(&format!("{shape:?}"), &case_of(&[8, 8], shape.clone()));
    }
    let shape = UNetShape { channels: vec![4], bands: vec![on], reach: 0, conditions: 3, ..UNetShape::default() };
    check_derivatives("independent sites", &case_of(&[5], shape));
}

/// Skipping a block is what its second convolution being zero is, and skipping a resolution what its way back
/// being zero is.
#[test]
fn what_is_skipped_adds_nothing() {
    let (on, off) = ([-1.0, 0.0], [0.0, 1.0]);
    for (bands, silent) in [
        (vec![on, on, off], vec!["level2.down.second", "level2.up.second", "level1.refine"]),
        (vec![off, on, on], vec!["level0.down.second", "level0.up.second"]),
        (vec![on, off, off], vec!["level0.refine"]),
        (vec![off, off, on], vec!["level0.down.second", "level0.up.second", "level1.down.second", "level1.up.second"]),
    ] {
        let shape = UNetShape { channels: vec![3, 4, 2], ..UNetShape::default() };
        let (full, banded) = (case_of(&[8, 8], shape.clone()), case_of(&[8, 8], UNetShape { bands, ..shape }));
        let mut parameters = full.parameters.clone();
        for entry in full.net.layout().entries().iter().filter(|e| silent.iter().any(|s| e.name.starts_with(s))) {
            parameters[entry.range()].fill(0.0);
        }
        let expected = evaluate(&full, &parameters, &full.input);
        assert_eq!(evaluate(&banded, &full.parameters, &full.input), expected, "{silent:?}");
        assert_ne!(evaluate(&full, &full.parameters, &full.input), expected, "{silent:?}");
    }
}

/// One tape serves noise levels at which other resolutions work: nothing of the last one remains.
#[test]
fn a_tape_forgets_which_resolutions_worked() {
    let bands = vec![[-9.0, 0.0], [-1.0, 1.0], [0.5, 9.0]];
    let mut case = case_of(&[8, 8], UNetShape { channels: vec![3, 4, 2], bands, ..UNetShape::default() });
    let (mut tape, mut embedding) = (case.net.tape(), case.net.embedding().tape());
    let mut adjoint = case.net.adjoint();
    case.net.refresh_adjoint(&case.parameters, &mut adjoint);
    for log_sigma in [-2.0, 0.7, -0.5, 3.0, -2.0, 0.2] {
        case.log_sigma = log_sigma;
        case.net.embedding().forward(&case.parameters, log_sigma, &[], &mut embedding);
        let run = |tape: &mut Tape<f64>| {
            let (mut out, mut tangent) = (vec![0.0; 64], vec![0.0; 64]);
            let (mut gradient, mut back) = (vec![0.0; case.parameters.len()], vec![0.0; 128]);
            let p = &case.parameters;
            case.net.forward(p, &embedding, &case.input, &mut out, tape);
            case.net.tangent(p, &embedding, &case.input, &mut tangent, tape);
            case.net.backward(p, &adjoint, &embedding, &tangent, &mut gradient, Some(&mut back), tape);
            (out, tangent, gradient, back)
        };
        assert!(run(&mut tape) == run(&mut case.net.tape()), "ln sigma = {log_sigma}");
    }
}

#[test]
fn couplings_are_seen() {
    let mut case = case_of(&[4, 4], UNetShape { channels: vec![3], conditions: 2, ..UNetShape::default() });
    let first = evaluate(&case, &case.parameters, &case.input);
    for index in 0..2 {
        let mut other = case.conditions.clone();
        other[index] += 0.1;
        std::mem::swap(&mut other, &mut case.conditions);
        assert_ne!(evaluate(&case, &case.parameters, &case.input), first);
        case.conditions = other;
    }
    assert_eq!(evaluate(&case, &case.parameters, &case.input), first);
}

/// Translating the input by whole coarsest cells translates the output: no boundary is special.
#[test]
fn translations_by_a_coarsest_cell_commute_with_the_network() {
    let case = case(&[8, 8], &[2, 9], 1, 1);
    let lattice = Lattice::new(&[8, 8]).unwrap();
    let translate = |field: &[f64]| -> Vec<f64> {
        (0..64)
            .map(|x| {
                let at = lattice.coordinates(x);
                field[lattice.index(&[at[0] + 2, at[1] + 4])]
            })
            .collect()
    };
    let moved: Vec<f64> = case.input.chunks(64).flat_map(translate).collect();
    let a = evaluate(&case, &case.parameters, &moved);
    let b = translate(&evaluate(&case, &case.parameters, &case.input));
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-12));
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let lattice = Lattice::new(&[6, 6]).unwrap();
    for channels in [&[][..], &[0], &[4, 4, 4]] {
        let shape = UNetShape { channels: channels.to_vec(), embedding: 4, ..UNetShape::default() };
        assert!(UNet::new(&shape, &lattice).is_err(), "{channels:?}");
    }
    for (outputs, reach, channels) in [(0, 1, vec![4]), (1, 2, vec![4]), (1, 0, vec![4, 4])] {
        let shape = UNetShape { channels, embedding: 4, outputs, reach, ..UNetShape::default() };
        assert!(UNet::new(&shape, &lattice).is_err(), "{shape:?}");
    }
}

/// Without reach every site is a network of its own: the same bits alone, in a row, or on any lattice.
#[test]
fn without_reach_sites_are_independent_to_the_bit() {
    let row = case(&[41], &[7], 2, 0);
    let together = evaluate(&row, &row.parameters, &row.input);
    let point = case(&[1], &[7], 2, 0);
    for site in 0..41 {
        let alone = evaluate(&point, &row.parameters, &[row.input[site], row.input[41 + site]]);
        assert_eq!(alone, [together[site], together[41 + site]]);
    }
    let sheet = Case { input: row.input.clone(), ..case(&[1, 41], &[7], 2, 0) };
    assert_eq!(evaluate(&sheet, &row.parameters, &row.input), together);
}
