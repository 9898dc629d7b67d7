//! One step of a generator with a scalar variance, B(x_b | x_a) = N(a x_a + b D, variance), and its part of the
//! log weight. Kernels of a better shape are those of [`crate::kernel::PathProcess`].

use super::langevin::Denoiser;
use crate::diffusion::{Schedule, Transition};
use crate::error::Result;
use crate::rng::{Purpose, Stream};
use crate::score::ReverseStep;

pub(super) struct GaussianStep {
    schedule: Schedule,
    upper: f64,
    state_weight: f64,
    data_weight: f64,
    variance: f64,
    forward: Transition,
}

impl GaussianStep {
    /// x_b = x_a + \[1/2 k x_a + g^2 s\] dtau + g sqrt(dtau) z, with s = (f D - x_a)/Xi, all at the upper time.
    pub fn euler_maruyama(schedule: &Schedule, lower: f64, upper: f64) -> Self {
        let (duration, g) = (upper - lower, schedule.diffusion(upper));
        let pull = g * g * duration / schedule.variance(upper);
        GaussianStep {
            schedule: *schedule,
            upper,
            state_weight: 1.0 + 0.5 * schedule.decay(upper) * duration - pull,
            data_weight: pull * schedule.signal(upper),
            variance: g * g * duration,
            forward: Transition::new(schedule, lower, upper),
        }
    }

    /// The bridge with the denoised field in place of the clean one; to t = 0 with variance Xi / f^2.
    pub fn ancestral(schedule: &Schedule, lower: f64, upper: f64) -> Self {
        let forward = Transition::new(schedule, lower, upper);
        GaussianStep {
            schedule: *schedule,
            upper,
            state_weight: forward.state_weight,
            data_weight: forward.data_weight,
            variance: if lower > 0.0 { forward.bridge_variance } else { forward.noise * forward.noise },
            forward,
        }
    }

    /// The step as numbers, for fields of `values` values.
    pub fn numbers(&self, values: usize) -> ReverseStep {
        ReverseStep {
            noise: self.schedule.noise(self.upper),
            signal: self.schedule.signal(self.upper),
            state_weight: self.state_weight,
            data_weight: self.data_weight,
            deviation: vec![self.variance.sqrt()],
            forward_factor: self.forward.forward_factor,
            forward_variance: self.forward.forward_variance,
            log_normalisation: self.log_normalisation(values),
        }
    }

    fn log_normalisation(&self, values: usize) -> f64 {
        0.5 * values as f64 * libm::log(self.variance / self.forward.forward_variance)
    }

    /// Moves every field down and adds log F - log B to its log weight.
    pub fn walk(
        &self,
        denoiser: &mut Denoiser,
        random_level: u32,
        streams: &[Stream],
        fields: &mut [f64],
        log_weights: &mut [f64],
    ) -> Result<()> {
        let values = fields.len() / streams.len();
        let denoised = denoiser.denoise(&self.schedule, self.upper, fields)?;
        let normalisation = self.log_normalisation(values);
        let deviation = self.variance.sqrt();
        let mut noise = vec![0.0; values];
        let samples = fields.chunks_exact_mut(values).zip(denoised.chunks_exact(values));
        for ((stream, (field, denoised)), log_weight) in streams.iter().zip(samples).zip(log_weights) {
            stream.normals(Purpose::Reverse, random_level, &mut noise);
            let (mut forward, mut reverse) = (0.0, 0.0);
            for ((x, &d), &z) in field.iter_mut().zip(denoised).zip(&noise) {
                let lower = self.state_weight * *x + self.data_weight * d + deviation * z;
                forward += (*x - self.forward.forward_factor * lower).powi(2);
                reverse += z * z;
                *x = lower;
            }
            *log_weight += normalisation + 0.5 * (reverse - forward / self.forward.forward_variance);
        }
        Ok(())
    }
}
