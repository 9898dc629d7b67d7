//! Steps of the backward process by a graph around the network, against those that stoq takes itself: the same noise, the
//! same fields and log ratios, and the exact kernels with them. On ONNX Runtime's CPU provider; the graph is that of a device.

#![cfg(feature = "onnxruntime")]

mod common;
#[path = "common/networks.rs"]
mod networks;

use common::{bits, configurations, estimates, exact, hot_start};
use networks::{Networks, networks};
use std::sync::Arc;
use stoq::action::Phi4;
use stoq::diffusion::{Schedule, Transition};
use stoq::fourier::{LatticeFourier, lattice_momenta};
use stoq::kernel::{Chain, ChainOptions, Kernel, PathProcess};
use stoq::lattice::Lattice;
use stoq::rng::{Purpose, Stream};
use stoq::sampler::{Ending, Generator, GeneratorOptions, Method};
use stoq::score::onnx_runtime::{
    Declaration, NetworkOutput, Normalisation, OnnxScore, OpenOptions, Opened, Steps, TimeInput, open,
};
use stoq::score::{ReverseStep, Score, geometric_times};

fn open_as(networks: &Networks, name: &str, declaration: &Declaration, steps: Steps) -> Arc<OnnxScore> {
    let options = OpenOptions { declaration: declaration.clone(), steps, ..networks.options() };
    match open(networks.path(name), &options) {
        Ok(Opened::Exported(score)) => score,
        Ok(Opened::Native(_)) => panic!("{name} was exported"),
        Err(error) => panic!("{name}: {error}"),
    }
}

fn streams(count: usize) -> Vec<Stream> {
    (0..count).map(|step| Stream::new(11, 3, step as u64).unwrap()).collect()
}

/// Largest difference relative to the largest value.
fn off(found: &[f64], expected: &[f64]) -> f64 {
    let largest = expected.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
    assert!(largest > 0.0 && largest.is_finite(), "nothing to compare");
    found.iter().zip(expected).map(|(a, b)| (a - b).abs() / largest).fold(0.0, f64::max)
}

/// A covariance with a value for every momentum, alike under reflections.
fn covariance(lattice: &Lattice) -> Vec<f64> {
    let one = lattice_momenta(lattice).into_iter().map(|p2| 1.0 / (0.5 + p2));
    (0..lattice.components()).flat_map(|component| one.clone().map(move |c| c / (1.0 + component as f64))).collect()
}

/// Fields and log ratios of posterior steps and of the steps of the literature, by the host and by the graph: what differs.
fn compare(networks: &Networks, name: &str, declaration: &Declaration) -> [f64; 4] {
    let [host, device] = [Steps::Host, Steps::Device].map(|steps| open_as(networks, name, declaration, steps));
    let (count, values) = (21, host.lattice().values());
    let times = geometric_times(&*host, 6, 1.0).unwrap();
    let path = |score: &Arc<OnnxScore>, threads: usize| {
        let (mut fields, mut ratios) = (vec![0.0; count * values], vec![0.0; count]);
        let mut process = PathProcess::new(score.clone(), &times, true, count, threads).unwrap();
        process.generate(&streams(count), &mut fields, &mut ratios).unwrap();
        (fields, ratios)
    };
    let generated = |score: &Arc<OnnxScore>, method: Method| {
        let (mut fields, mut ratios) = (vec![0.0; count * values], vec![0.0; count]);
        let options = GeneratorOptions { method, times: times.clone(), ending: Ending::Zero, metropolis_tail: None };
        let mut generator = Generator::new(score.clone(), options, 13, 1).unwrap();
        generator.generate(&streams(count), &mut fields, Some(&mut ratios), None).unwrap();
        (fields, ratios)
    };
    let (ours, theirs) = (path(&host, 1), path(&device, 1));
    assert_eq!(device.facts()["steps"], "device", "{name}");
    assert_eq!(host.facts()["steps"], "host");
    let threads = path(&device, 3);
    assert_eq!((bits(&theirs.0), bits(&theirs.1)), (bits(&threads.0), bits(&threads.1)), "{name}: threads");
    let (ours_too, theirs_too) = (generated(&host, Method::Ancestral), generated(&device, Method::Ancestral));
    assert!(ours.0 != ours_too.0, "two methods");
    [off(&theirs.0, &ours.0), off(&theirs.1, &ours.1), off(&theirs_too.0, &ours_too.0), off(&theirs_too.1, &ours_too.1)]
}

fn bound(dtype: &str) -> f64 {
    match dtype {
        "float64" => 1e-12,
        "float32" => 1e-6,
        // Rounding to 10 bits: an input that falls to the other side is off by that much.
        _ => 2e-3,
    }
}

/// All shapes, element types and forms of the noise level, with a covariance by momentum and a white one.
#[test]
fn a_graph_takes_the_steps_of_the_host() {
    let Some(networks) = networks() else { return };
    for (name, case) in networks.cases["good"].as_object().unwrap() {
        if name == "taken" {
            continue;
        }
        let lattice = open_as(networks, name, &Declaration::default(), Steps::Host).lattice().clone();
        let by_momentum = Declaration { covariance: Some(covariance(&lattice)), ..Declaration::default() };
        let found = [by_momentum, Declaration::default()].map(|declaration| compare(networks, name, &declaration));
        println!("{name}: {found:?}");
        let bound = bound(case["dtype"].as_str().unwrap());
        assert!(found.iter().flatten().all(|&off| off <= bound), "{name}: {found:?}, expected below {bound:e}");
    }
}

/// All that a network may return, and all forms of its noise level, in three schemes, with and without normalisation.
#[test]
fn every_convention_is_part_of_the_graph() {
    let Some(networks) = networks() else { return };
    let schedules =
        [Schedule::variance_expanding(25.0), Schedule::variance_preserving(4.0), Schedule::interpolating(5.0, 0.5)];
    let mut compared = 0;
    for (name, bound) in [("silent_double", 1e-12), ("silent", 1e-6)] {
        for schedule in schedules.each_ref().map(|schedule| *schedule.as_ref().unwrap()) {
            for (number, output) in NetworkOutput::NAMES.iter().enumerate() {
                let times = [TimeInput::Time, TimeInput::Sigma, TimeInput::LogSigma];
                let normalisation = [Normalisation::NONE, Normalisation { scale: 1.7, shift: -0.4 }][compared % 2];
                let declaration = Declaration {
                    schedule: Some(schedule),
                    output: NetworkOutput::from_name(output),
                    time: Some(times[(number + compared) % 3]),
                    normalisation: Some(normalisation),
                    extents: Some(vec![4, 4]),
                    covariance: Some(covariance(&Lattice::new(&[4, 4]).unwrap())),
                    ..Declaration::default()
                };
                let found = compare(networks, name, &declaration);
                assert!(found.iter().all(|&off| off <= bound), "{declaration:?}: {found:?}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 24);
}

/// Steps of any kind, with their noise given by `deviation`.
fn steps(score: &dyn Score, deviation: &[f64]) -> Vec<ReverseStep> {
    let (schedule, values) = (score.schedule(), score.lattice().values() as f64);
    let times = geometric_times(score, 5, 0.8).unwrap();
    let lower = std::iter::once(0.0).chain(times.iter().copied());
    let step = |(lower, &upper): (f64, &f64)| {
        let forward = Transition::new(schedule, lower, upper);
        ReverseStep {
            noise: forward.noise,
            signal: schedule.signal(upper),
            state_weight: forward.state_weight,
            data_weight: forward.data_weight,
            deviation: deviation.to_vec(),
            forward_factor: forward.forward_factor,
            forward_variance: forward.forward_variance,
            log_normalisation: deviation.iter().map(|s| s.ln()).sum::<f64>()
                - 0.5 * values * forward.forward_variance.ln(),
        }
    };
    lower.zip(&times).map(step).collect()
}

/// What exactness rests on: the denoised field that a weight is found from, on the way up, is that of the way down. To the last
/// bit alone and in company, at any place and of any level; and a step is made of it and nothing else.
#[test]
fn both_directions_evaluate_one_function() {
    let Some(networks) = networks() else { return };
    for name in ["rank2", "last", "half", "double", "scalar_time", "fixed", "rank3"] {
        let score = open_as(networks, name, &Declaration::default(), Steps::Device);
        let (lattice, count) = (score.lattice().clone(), 37);
        let values = lattice.values();
        let deviation: Vec<f64> = covariance(&lattice).iter().map(|c| c.sqrt()).collect();
        let steps = steps(&*score, &deviation);
        let mut walker = score.clone().walker(&steps, count, 1).unwrap().unwrap_or_else(|| panic!("{name}"));
        let mut fields = vec![0.0; count * values];
        Stream::new(3, 0, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut fields);
        let levels: Vec<usize> = (0..count).map(|index| index * index % 5).collect();
        let mut together = vec![0.0; fields.len()];
        walker.denoise(&levels, &fields, &mut together).unwrap();
        let mut alone = vec![0.0; fields.len()];
        let single = levels.chunks(1).zip(fields.chunks(values)).zip(alone.chunks_mut(values));
        for ((level, field), out) in single {
            walker.denoise(level, field, out).unwrap();
        }
        assert_eq!(bits(&together), bits(&alone), "{name}");
        // One step down from the same fields, all at once and one by one.
        for (index, field) in fields.chunks(values).enumerate().take(10) {
            let (number, stream) = (levels[index], streams(count)[index]);
            let step = &steps[number];
            let (mut next, mut ratio) = (field.to_vec(), [0.0]);
            walker.walk(number..number + 1, &[stream], &mut next, &mut ratio).unwrap();
            let mut white = vec![0.0; values];
            stream.normals(Purpose::Reverse, number as u32, &mut white);
            let (mut noise, denoised) = (vec![0.0; values], &together[index * values..(index + 1) * values]);
            LatticeFourier::new(&lattice).filter(&white, &deviation, &mut noise);
            let mean = |i: usize| step.state_weight * field[i] + step.data_weight * denoised[i];
            let expected: Vec<f64> = (0..values).map(|i| mean(i) + noise[i]).collect();
            assert!(off(&next, &expected) < 1e-13, "{name}: {:e}", off(&next, &expected));
            // The way up finds the noise from both ends.
            let residual: Vec<f64> = (0..values).map(|i| next[i] - mean(i)).collect();
            let precision: Vec<f64> = deviation.iter().map(|s| 1.0 / (s * s)).collect();
            let reverse = LatticeFourier::new(&lattice).quadratic_form(&residual, &precision);
            let forward: f64 = (0..values).map(|i| (field[i] - step.forward_factor * next[i]).powi(2)).sum();
            let up = step.log_normalisation + 0.5 * (reverse - forward / step.forward_variance);
            assert!(
                (ratio[0] - up).abs() < 1e-10 * (1.0 + up.abs() + forward / step.forward_variance),
                "{name}: {ratio:?} {up}"
            );
        }
    }
}

fn chain_of(score: &Arc<OnnxScore>, kernel: Kernel, seed: u64) -> Chain {
    let options = ChainOptions { kernel, levels: 6, seed, pool: 64, ..ChainOptions::default() };
    Chain::new(score.clone(), options).unwrap()
}

/// |z| < 3.8 in 2 x 4 comparisons: a correct program fails for at most 0.12 % of all seeds; the seeds are fixed.
#[test]
fn exact_kernels_with_steps_by_a_graph_agree_with_closed_forms() {
    let Some(networks) = networks() else { return };
    let kappa = 0.21;
    let given = configurations(&[4, 4], kappa, 1024).covariance().unwrap();
    let given = Declaration { covariance: Some(given), ..Declaration::default() };
    let score = open_as(networks, "phi4", &given, Steps::Device);
    for (kernel, updates, seed) in [(Kernel::Path, 120_000, 21), (Kernel::Renoise { time: 0.5 }, 60_000, 22)] {
        let lattice = Lattice::new(&[4, 4]).unwrap();
        let mut action = Phi4::new(&lattice, kappa, common::LAMBDA).unwrap();
        let mut chain = chain_of(&score, kernel, seed);
        let (mut field, mut series) = (hot_start(16, seed, 0), common::Series::default());
        for update in 0..updates + 500 {
            chain.step(&mut field, &mut action).unwrap();
            if update % 1000 == 999 {
                // A host that moves the field now and then: its path is drawn anew, on the way up.
                field.iter_mut().for_each(|x| *x = -*x);
            }
            if update >= 500 {
                series.measure(&field);
            }
        }
        assert_eq!(score.facts()["steps"], "device");
        let found = estimates(&[series]);
        let z: Vec<f64> = found.iter().zip(exact(4, kappa)).map(|(e, exact)| e.z_value(exact)).collect();
        let acceptance = chain.statistics().accepted as f64 / chain.statistics().steps as f64;
        let errors = found.each_ref().map(|e| e.error / e.value);
        println!("{kernel:?}: acceptance {acceptance:.3}, z {z:.2?}, errors {errors:.4?}");
        assert!((0.02..0.98).contains(&acceptance), "{acceptance}");
        assert!(z.iter().all(|z| z.abs() < 3.8), "{kernel:?}: {z:?}");
        assert!(found.iter().all(|e| e.error < 0.05 * e.value));
    }
}

/// The same noise and the same decisions: a chain of either goes the same way.
#[test]
fn chains_decide_alike() {
    let Some(networks) = networks() else { return };
    let lattice = Lattice::new(&[4, 4]).unwrap();
    for kernel in [Kernel::Path, Kernel::Renoise { time: 0.5 }] {
        let run = |steps: Steps| {
            let score = open_as(networks, "phi4", &Declaration::default(), steps);
            let mut action = Phi4::new(&lattice, 0.21, common::LAMBDA).unwrap();
            let (mut chain, mut field) = (chain_of(&score, kernel, 5), hot_start(16, 5, 0));
            for _ in 0..500 {
                chain.step(&mut field, &mut action).unwrap();
            }
            (field, chain.statistics().accepted)
        };
        let ((host, ours), (device, theirs)) = (run(Steps::Host), run(Steps::Device));
        assert!(off(&device, &host) < 1e-6 && ours == theirs, "{kernel:?}: {ours} {theirs}");
    }
}

/// What the graph cannot take the host takes, bit by bit as ever, and says why; what cannot be wrapped is an error if it was asked
/// for.
#[test]
fn what_is_not_for_the_graph_goes_to_the_host() {
    let Some(networks) = networks() else { return };
    let lattice = Lattice::new(&[4, 6]).unwrap();
    // Even in p, but not in each of its components.
    let lopsided: Vec<f64> = (0..24)
        .map(|p| {
            let momentum = lattice.coordinates(p);
            let angle = |axis: usize| std::f64::consts::TAU * momentum[axis] as f64 / lattice.extents()[axis] as f64;
            1.0 + 0.4 * (angle(0) + angle(1)).cos()
        })
        .collect();
    let declaration = Declaration { covariance: Some(lopsided), ..Declaration::default() };
    let walk = |score: &Arc<OnnxScore>| {
        let times = geometric_times(&**score, 4, 1.0).unwrap();
        let (mut fields, mut ratios) = (vec![0.0; 3 * 24], vec![0.0; 3]);
        let mut process = PathProcess::new(score.clone(), &times, true, 3, 1).unwrap();
        process.generate(&streams(3), &mut fields, &mut ratios).unwrap();
        bits(&[fields, ratios].concat())
    };
    let [host, device, automatic] =
        [Steps::Host, Steps::Device, Steps::Automatic].map(|steps| open_as(networks, "rank2", &declaration, steps));
    assert_eq!(walk(&host), walk(&device));
    assert!(device.facts()["steps"].starts_with("host: the covariance differs"), "{:?}", device.facts()["steps"]);
    // On the CPU nothing is gained.
    assert_eq!(automatic.facts()["steps"], "host");
    assert_eq!(automatic.fingerprint(), host.fingerprint());
    assert_ne!(device.fingerprint(), host.fingerprint());

    // A network with a value of stoq's name.
    let asked = OpenOptions { steps: Steps::Device, ..networks.options() };
    let refusal = open(networks.path("taken"), &asked).err().expect("a name that stoq uses").to_string();
    assert!(refusal.contains("stoq.step.state"), "{refusal}");
}
