//! A law whose zero mode has two peaks and whose other modes are Gaussian: the model with an untrained network has
//! its exact score, and log w is the constant log Z at any number of levels, deep in the broken phase and out of it.

use std::f64::consts::TAU;
use std::sync::Arc;
use stoq::action::{Action, Interrupt};
use stoq::diffusion::{Schedule, ZeroMode, geometric_levels};
use stoq::fourier::{LatticeFourier, momentum_classes};
use stoq::kernel::PathProcess;
use stoq::lattice::Lattice;
use stoq::model::{Metadata, Model};
use stoq::nn::{UNet, UNetShape};
use stoq::rng::Stream;
use stoq::score::{NativeScore, Score};

const EXTENTS: [usize; 2] = [8, 8];
const KAPPA: f64 = 0.2;
const LEVELS: [usize; 4] = [1, 2, 5, 30];
const PROPOSALS: usize = 64;

/// S = 1/2 sum_(p != 0) |phi_p|^2 / C_p - log [exp(-(a - m)^2 / 2 s^2) + exp(-(a + m)^2 / 2 s^2)].
struct TwoPeaks {
    law: ZeroMode,
    precision: Vec<f64>,
    fourier: LatticeFourier,
}

impl Action for TwoPeaks {
    fn action(&mut self, field: &[f64]) -> Result<f64, Interrupt> {
        let a = field.iter().sum::<f64>() / (field.len() as f64).sqrt();
        let peak = |m: f64| -0.5 * (a - m).powi(2) / self.law.variance;
        let (up, down) = (peak(self.law.peak), peak(-self.law.peak));
        let most = up.max(down);
        let zero = most + ((up - most).exp() + (down - most).exp()).ln();
        Ok(0.5 * self.fourier.quadratic_form(field, &self.precision) - zero)
    }

    fn force(&mut self, _field: &[f64], _force: &mut [f64]) -> Result<(), Interrupt> {
        unreachable!("no force is asked for")
    }
}

/// The action, the exact model, and log Z.
fn system(law: ZeroMode) -> (TwoPeaks, Arc<NativeScore>, f64) {
    let lattice = Lattice::new(&EXTENTS).unwrap();
    let (class, classes) = momentum_classes(&lattice);
    let mut covariance = vec![0.0; classes];
    for (p, &class) in class.iter().enumerate() {
        let cosines = lattice.coordinates(p).iter().map(|&k| (TAU * k as f64 / 8.0).cos()).sum::<f64>();
        covariance[class as usize] = 1.0 / (2.0 - 4.0 * KAPPA * cosines);
    }
    covariance[0] = law.square();
    let mut precision: Vec<f64> = class.iter().map(|&c| 1.0 / covariance[c as usize]).collect();
    let modes = precision[1..].iter().map(|p| 0.5 * (TAU / p).ln()).sum::<f64>();
    precision[0] = 0.0;
    let log_z = modes + (2.0 * (TAU * law.variance).sqrt()).ln();
    let network = UNetShape { inputs: 3, channels: vec![4, 4], embedding: 4, odd: true, ..UNetShape::default() };
    let parameters = UNet::new(&network, &lattice).unwrap().layout().initial(&Stream::new(1, 0, 0).unwrap());
    let metadata = Metadata {
        normalisation: vec![0.6],
        magnetisation_scale: Some(1.0),
        zero_mode: Some(law),
        ..Metadata::untrained(
            &lattice,
            Schedule::variance_expanding_to(2.0 * law.square().sqrt()).unwrap(),
            network,
            covariance,
        )
    };
    let score = Arc::new(NativeScore::new(Model::new(metadata, parameters).unwrap()).unwrap());
    let fourier = LatticeFourier::new(&lattice);
    (TwoPeaks { law, precision, fourier }, score, log_z)
}

/// m / s = 47, deep in the broken phase; near the critical point; and almost merged.
const LAWS: [ZeroMode; 3] = [
    ZeroMode { peak: 30.0, variance: 0.41 },
    ZeroMode { peak: 6.0, variance: 2.0 },
    ZeroMode { peak: 1.5, variance: 2.0 },
];

#[test]
fn log_w_is_log_z_for_generated_and_for_noised_fields() {
    for law in LAWS {
        let (mut action, score, log_z) = system(law);
        for levels in LEVELS {
            let times = geometric_levels(score.schedule(), 0.05, 1.0, levels).unwrap();
            let mut process = PathProcess::new(score.clone(), &times, true, PROPOSALS, 1).unwrap();
            let streams: Vec<Stream> = (0..PROPOSALS as u64).map(|step| Stream::new(3, 0, step).unwrap()).collect();
            let (mut fields, mut ratios) = (vec![0.0; PROPOSALS * 64], vec![0.0; PROPOSALS]);
            process.generate(&streams, &mut fields, &mut ratios).unwrap();
            let mut positive = 0;
            let mut last = vec![0.0; 64];
            for (field, ratio) in fields.chunks_exact(64).zip(&ratios) {
                let s = action.action(field).unwrap();
                assert!((ratio - s - log_z).abs() < 1e-8, "{law:?}, {levels} levels: {} {log_z}", ratio - s);
                // The same number for a forward path from that field, with noise of its own.
                let back = process.renoise(&Stream::new(4, 0, positive as u64).unwrap(), field, &mut last).unwrap();
                assert!((back - s - log_z).abs() < 1e-8, "{law:?}, {levels} levels: {} {log_z}", back - s);
                positive += usize::from(field.iter().sum::<f64>() > 0.0);
            }
            // Fair coins: outside of 10 to 54 of 64 with probability 5e-8.
            assert!((10..=54).contains(&positive), "{positive} of {PROPOSALS} positive");
        }
    }
}
