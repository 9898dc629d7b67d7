//! The native engine against the same network written in PyTorch (tests/python/reference_unet.py):
//! output, tangent, and gradients with respect to every parameter array and to the input.

use serde_json::Value;
use stoq::lattice::Lattice;
use stoq::nn::{Real, UNet, UNetShape};

/// The formula that both sides use instead of stored weights and inputs.
fn formula<T: Real>(count: usize, slope: f64, phase: f64, amplitude: f64) -> Vec<T> {
    (0..count).map(|index| T::from_f64(amplitude * libm::sin(slope * index as f64 + phase))).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// Largest difference relative to the largest expected value.
fn deviation<T: Real>(found: &[T], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
    assert!(scale > 1e-3, "the case is degenerate");
    found.iter().zip(expected).map(|(a, b)| (a.to_f64() - b).abs() / scale).fold(0.0, f64::max)
}

/// `fields` bounds output, tangent and input gradient, relative to their largest value; `entries` every
/// array of the parameter gradient, relative to its norm.
fn compare<T: Real>(fields: f64, entries: f64) {
    let reference: Value = serde_json::from_str(include_str!("data/unet_reference.json")).unwrap();
    let sizes = |key: &str| numbers(&reference[key]).into_iter().map(|n| n as usize).collect::<Vec<_>>();
    let size = |key: &str| reference[key].as_u64().unwrap() as usize;
    let lattice = Lattice::new(&sizes("extents")).unwrap();
    let shape = UNetShape {
        inputs: size("inputs"),
        channels: sizes("channels"),
        embedding: size("embedding"),
        ..Default::default()
    };
    let net = UNet::new(&shape, &lattice).unwrap();
    let p: Vec<T> = formula(net.layout().total(), 0.7, 0.3, 0.4);
    let mut embedding = net.embedding().tape();
    net.embedding().forward(&p, reference["log_noise"].as_f64().unwrap(), &[], &mut embedding);

    let sites = lattice.sites();
    let input: Vec<T> = formula(shape.inputs * sites, 1.3, 0.1, 1.5);
    let (mut out, mut tape) = (vec![T::default(); sites], net.tape());
    net.forward(&p, &embedding, &input, &mut out, &mut tape);
    assert!(deviation(&out, &numbers(&reference["output"])) <= fields, "output");

    let direction: Vec<T> = formula(shape.inputs * sites, 0.9, 0.2, 1.0);
    net.tangent(&p, &embedding, &direction, &mut out, &mut tape);
    assert!(deviation(&out, &numbers(&reference["tangent"])) <= fields, "tangent");

    let mut adjoint = net.adjoint();
    net.refresh_adjoint(&p, &mut adjoint);
    let cotangent: Vec<T> = formula(sites, 1.1, 0.4, 1.0);
    let (mut gradient, mut input_gradient) = (vec![T::default(); p.len()], vec![T::default(); input.len()]);
    net.backward(&p, &adjoint, &embedding, &cotangent, &mut gradient, Some(&mut input_gradient), &mut tape);
    assert!(deviation(&input_gradient, &numbers(&reference["input_gradient"])) <= fields, "input gradient");

    let expected = reference["gradient"].as_array().unwrap();
    assert_eq!(expected.len(), net.layout().entries().len());
    for (entry, expected) in net.layout().entries().iter().zip(expected) {
        assert_eq!(Some(entry.name.as_str()), expected["name"].as_str());
        assert_eq!(Some(entry.len() as u64), expected["length"].as_u64());
        let found = &gradient[entry.range()];
        let norm = expected["norm"].as_f64().unwrap();
        let mut off = (found.iter().map(|g| g.to_f64().powi(2)).sum::<f64>().sqrt() - norm).abs();
        for chosen in expected["values"].as_array().unwrap() {
            let [index, value] = numbers(chosen)[..] else { panic!("pairs of index and value") };
            off = off.max((found[index as usize].to_f64() - value).abs());
        }
        assert!(norm > 1e-3 && off <= entries * norm, "{}: off by {:e} of its norm", entry.name, off / norm);
    }
}

#[test]
fn double_precision_agrees_with_pytorch() {
    compare::<f64>(1e-10, 1e-10);
}

/// The bias gradients of this case are sums over sites whose terms cancel to as little as 1/350 of
/// their size, which costs single precision two to three digits: PyTorch's own single precision is
/// 3.6e-5 off on the worst of them (level0.up.second.bias).
#[test]
fn single_precision_agrees_with_pytorch() {
    compare::<f32>(1e-5, 1e-4);
}
