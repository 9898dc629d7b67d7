//! From a field and its noise to what the network takes, and from what it returns to the denoised field.
//!
//! The library asks for D(x) of a field x = phi_0 + nu eps, noise nu relative to the signal. The network knows y = (phi -
//! shift)/scale, hence u = (x - shift)/scale and nu_y = nu/scale, and
//!
//! | output | with the time t | with sigma or ln sigma |
//! |---|---|---|
//! | score s | D_y = u + f nu_y^2 s(f u, t) | D_y = u + nu_y^2 s(u) |
//! | sigma*score r | D_y = u + nu_y r | D_y = u + nu_y r |
//! | noise e | D_y = u - nu_y e | D_y = u - nu_y e |
//! | denoiser | D_y | D_y |
//!
//! by Tweedie's formula D_y = (y_t + Xi s)/f with y_t = f u and Xi = f^2 nu_y^2; then D = scale D_y + shift.

use super::options::{NetworkOutput, Normalisation, TimeInput};
use crate::diffusion::Schedule;

/// How one network is to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Convention {
    pub schedule: Schedule,
    pub output: NetworkOutput,
    pub time: TimeInput,
    pub normalisation: Normalisation,
}

/// One noise level: input = `input` (x - shift) / scale, D = `kept` (x - shift) + `gain` output + shift.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Level {
    pub time: f64,
    pub input: f64,
    pub kept: f64,
    pub gain: f64,
}

impl Convention {
    /// The level of a noise > 0.
    pub fn level(&self, noise: f64) -> Level {
        let scale = self.normalisation.scale;
        let noise = noise / scale;
        let (time, signal) = match self.time {
            TimeInput::Time => {
                let time = self.schedule.time_of_noise(noise);
                (time, self.schedule.signal(time))
            }
            TimeInput::Sigma => (noise, 1.0),
            TimeInput::LogSigma => (libm::log(noise), 1.0),
        };
        let (kept, gain) = match self.output {
            NetworkOutput::Score => (1.0, signal * noise * noise),
            NetworkOutput::SigmaScore => (1.0, noise),
            NetworkOutput::Noise => (1.0, -noise),
            NetworkOutput::Denoiser => (0.0, 1.0),
        };
        Level { time, input: signal / scale, kept, gain: scale * gain }
    }

    /// Whether the field is part of the denoised field beside the output (`kept` is 1, else 0).
    pub fn keeps_field(&self) -> bool {
        self.output != NetworkOutput::Denoiser
    }

    /// The largest noise that the network was made for.
    fn end(&self) -> f64 {
        self.normalisation.scale * self.schedule.noise(crate::diffusion::T_END)
    }

    /// The same with room for rounding.
    pub fn largest_noise(&self) -> f64 {
        self.end() * (1.0 + 1e-9)
    }

    /// The process of the field itself. Without a scale it is that of the network. With one, noise is added to the field
    /// as it is, up to the largest that the network knows, or that is of use: a scheme of the variance-expanding kind.
    pub fn schedule_of_field(&self, covariance: &[f64]) -> crate::error::Result<Schedule> {
        if self.normalisation.scale == 1.0 {
            return Ok(self.schedule);
        }
        let useful = crate::score::largest_noise(covariance).max(SMALLEST_END);
        Schedule::variance_expanding_to(self.end().clamp(SMALLEST_END, useful))
    }
}

/// Smallest final noise that a scheme can have.
const SMALLEST_END: f64 = 1.01;

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise at the end of the field's process is noise that the network knows, whatever the rounding.
    #[test]
    fn the_process_of_a_scaled_field_ends_inside() {
        for scale in [0.3, 1.7, 40.0] {
            let convention = Convention {
                schedule: Schedule::variance_preserving(4.0).unwrap(),
                output: NetworkOutput::Noise,
                time: TimeInput::Time,
                normalisation: Normalisation { scale, shift: 0.0 },
            };
            let schedule = convention.schedule_of_field(&[1e6]).unwrap();
            assert!(schedule.noise(crate::diffusion::T_END) <= convention.largest_noise(), "{scale}");
        }
    }

    /// All twelve ways to write one Gaussian denoiser down give it back: data of variance c scale^2 around the shift.
    #[test]
    fn every_convention_gives_the_same_denoiser() {
        let (c, x, noise) = (0.7, 1.9, 0.8);
        for schedule in
            [Schedule::variance_expanding(25.0), Schedule::interpolating(5.0, 0.5), Schedule::variance_preserving(5.0)]
        {
            let schedule = schedule.unwrap();
            for normalisation in [Normalisation::NONE, Normalisation { scale: 2.5, shift: -0.3 }] {
                let Normalisation { scale, shift } = normalisation;
                let expected = shift + c * scale * scale / (c * scale * scale + noise * noise) * (x - shift);
                for time in [TimeInput::Time, TimeInput::Sigma, TimeInput::LogSigma] {
                    for output in NetworkOutput::NAMES.iter().filter_map(|name| NetworkOutput::from_name(name)) {
                        let level = Convention { schedule, output, time, normalisation }.level(noise);
                        // What an exact network returns, in its own words.
                        let (signal, variance) = match time {
                            TimeInput::Time => (schedule.signal(level.time), schedule.variance(level.time)),
                            TimeInput::Sigma => (1.0, level.time * level.time),
                            TimeInput::LogSigma => (1.0, libm::exp(2.0 * level.time)),
                        };
                        let y = level.input * (x - shift);
                        let score = -y / (signal * signal * c + variance);
                        let network = match output {
                            NetworkOutput::Score => score,
                            NetworkOutput::SigmaScore => variance.sqrt() * score,
                            NetworkOutput::Noise => -variance.sqrt() * score,
                            NetworkOutput::Denoiser => signal * c / (signal * signal * c + variance) * y,
                        };
                        let found = level.kept * (x - shift) + level.gain * network + shift;
                        assert!(
                            (found - expected).abs() < 1e-12,
                            "{schedule:?} {time:?} {output:?}: {found} {expected}"
                        );
                    }
                }
            }
        }
    }
}
