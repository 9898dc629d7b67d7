//! What must be known of a network that another program exported.

use crate::action::ActionRecord;
use crate::diffusion::Schedule;
use crate::error::{Error, Result};
use std::path::PathBuf;

/// What a network returns, of the field y and the noise level that it is given. nu = sqrt(Xi)/f is the noise relative to
/// the signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkOutput {
    /// The score grad log p_t(y).
    Score,
    /// The score times the standard deviation of the noise.
    SigmaScore,
    /// The expected standard normal noise: minus sigma times the score ("epsilon prediction").
    Noise,
    /// The expected field without noise, E\[y_0 | y_t\].
    Denoiser,
}

/// How the noise level enters a network; it decides, too, how the field enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeInput {
    /// The time t of the scheme, in \[0, 1\]; the field is that of the scheme, y_t = f(t) y_0 + sqrt(Xi(t)) eps.
    Time,
    /// nu; the field is divided by the signal, y_t / f = y_0 + nu eps (as in Karras et al., arXiv:2206.00364). In
    /// the variance-expanding scheme f = 1 and nu = sqrt(Xi).
    Sigma,
    /// ln nu; the field as for `Sigma`.
    LogSigma,
}

/// Where the components of a field stand among the axes of the network's tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    /// (batch, extents..), one component.
    Absent,
    /// (batch, components, extents..), as in PyTorch.
    First,
    /// (batch, extents.., components), as in TensorFlow and JAX.
    Last,
}

/// The network saw y = (phi - shift) / scale. A min-max normalisation to \[-1, 1\] has scale (max - min)/2 and shift (max +
/// min)/2; an angle over pi has scale pi.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalisation {
    /// Above 0.
    pub scale: f64,
    /// The field that the network sees as 0.
    pub shift: f64,
}

impl Normalisation {
    /// The field as it is.
    pub const NONE: Normalisation = Normalisation { scale: 1.0, shift: 0.0 };

    /// Angles in (-pi, pi\], which the network sees as numbers in (-1, 1\].
    pub const ANGLES_OVER_PI: Normalisation = Normalisation { scale: std::f64::consts::PI, shift: 0.0 };
}

macro_rules! names {
    ($type:ty, $($variant:path => $name:literal),+) => {
        impl $type {
            /// The names in files and on the command line.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// The name.
            pub fn name(self) -> &'static str {
                match self { $($variant => $name),+ }
            }

            /// The one of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some($variant),)+ _ => None }
            }
        }
    };
}

names!(NetworkOutput, NetworkOutput::Score => "score", NetworkOutput::SigmaScore => "sigma*score",
    NetworkOutput::Noise => "noise", NetworkOutput::Denoiser => "denoiser");
names!(TimeInput, TimeInput::Time => "t", TimeInput::Sigma => "sigma", TimeInput::LogSigma => "log sigma");
names!(Channels, Channels::Absent => "none", Channels::First => "first", Channels::Last => "last");

/// Who evaluates a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// stoq itself on the CPU if it wrote the file, else ONNX Runtime.
    #[default]
    Automatic,
    /// stoq itself.
    Native,
    /// ONNX Runtime, for files of stoq too.
    OnnxRuntime,
}

/// Where a network is evaluated. What is asked for and not there is an error: there is no silent fallback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// An NVIDIA device by number.
    Cuda(u32),
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl std::str::FromStr for Steps {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Steps::from_name(text).ok_or_else(|| Error::invalid("steps", text, &Steps::NAMES.join(", ")))
    }
}

impl std::str::FromStr for Device {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            None if text == "cpu" => Some(Device::Cpu),
            None if text == "cuda" => Some(Device::Cuda(0)),
            Some(("cuda", number)) => number.parse().ok().filter(|&n| n < 1024).map(Device::Cuda),
            _ => None,
        }
        .ok_or_else(|| Error::invalid("device", text, "cpu, or cuda:0 and so on"))
    }
}

/// Who takes the Gaussian steps of the backward process ([`crate::score::ReverseStep`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Steps {
    /// `Device` on a device, if the network can be wrapped, else `Host`.
    #[default]
    Automatic,
    /// stoq between two evaluations of the network.
    Host,
    /// ONNX Runtime, by a graph that stoq writes around the network: the state stays where the network is. Steps that depend on
    /// the state in other ways than by the denoised field are taken by the host all the same.
    Device,
}

names!(Steps, Steps::Automatic => "automatic", Steps::Host => "host", Steps::Device => "device");

/// How to open a model file. What the file says itself need not be said again; where both speak they must agree.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Who evaluates the network.
    pub engine: Engine,
    /// Where.
    pub device: Device,
    /// The library of ONNX Runtime, or the folder that holds it (`crate::runtime`).
    pub runtime: Option<PathBuf>,
    /// Allow TF32 on a CUDA device: products rounded to 10 bits. Off by default. A kernel stays exact with it, for both
    /// directions evaluate the same function; its acceptance may fall by what the rounding adds to Var(log w).
    pub tf32: bool,
    /// Most fields that ONNX Runtime evaluates together; 0: 16 on the CPU, and on a device what is found by trying, 64 to
    /// 1024 as long as a field gets cheaper by it and the device holds it. Chains that are saved should say a size there: what is
    /// found may differ the next time, and a chain goes on only with the size that it had. A file whose batch is fixed has
    /// its own.
    pub batch: usize,
    /// Who takes the steps of the backward process. Samples of either agree up to the rounding of the network's arithmetic.
    pub steps: Steps,
    /// What the file does not say.
    pub declaration: Declaration,
}

/// Everything about a network that its graph does not show; in a file, the `stoq.*` metadata.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Declaration {
    /// The scheme, of the normalised field.
    pub schedule: Option<Schedule>,
    /// What the network returns.
    pub output: Option<NetworkOutput>,
    /// How the noise level enters.
    pub time: Option<TimeInput>,
    /// How the field is normalised; default: not.
    pub normalisation: Option<Normalisation>,
    /// Where the components stand; default: by the rank of the input.
    pub channels: Option<Channels>,
    /// Extents of the lattice, slowest axis first; default: those of the input, if it has fixed ones.
    pub extents: Option<Vec<usize>>,
    /// Components of the field; default: as the input has them.
    pub components: Option<usize>,
    /// Covariance C_p of the data, in units of the field: one number for white noise, one value a momentum class
    /// (`fourier::momentum_classes`), or one a momentum. It shapes prior and reverse kernels, on which exactness does not
    /// depend but acceptance does. Default: white, with the square of the scale.
    pub covariance: Option<Vec<f64>>,
    /// The action that the network was trained for.
    pub action: Option<ActionRecord>,
}

impl Declaration {
    /// What both know, if they agree; `file` names the file.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming what differs.
    pub fn merged(&self, file: &Declaration) -> Result<Declaration> {
        fn one<T: Clone + PartialEq + std::fmt::Debug>(
            name: &str,
            given: &Option<T>,
            file: &Option<T>,
        ) -> Result<Option<T>> {
            match (given, file) {
                (Some(given), Some(file)) if given != file => {
                    let expected = format!("{file:?}, which the model file says, or nothing");
                    Err(Error::invalid(name, format!("{given:?}"), &expected))
                }
                (Some(value), _) | (None, Some(value)) => Ok(Some(value.clone())),
                (None, None) => Ok(None),
            }
        }
        Ok(Declaration {
            schedule: one("schedule", &self.schedule, &file.schedule)?,
            output: one("output of the network", &self.output, &file.output)?,
            time: one("time input of the network", &self.time, &file.time)?,
            normalisation: one("normalisation", &self.normalisation, &file.normalisation)?,
            channels: one("channels", &self.channels, &file.channels)?,
            extents: one("extents", &self.extents, &file.extents)?,
            components: one("components", &self.components, &file.components)?,
            covariance: one("covariance", &self.covariance, &file.covariance)?,
            action: one("action", &self.action, &file.action)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_names_are_read() {
        assert_eq!("cpu".parse::<Device>().unwrap(), Device::Cpu);
        assert_eq!("cuda:3".parse::<Device>().unwrap(), Device::Cuda(3));
        for text in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "cpu:0", "cuda:5000"] {
            assert!(text.parse::<Device>().is_err(), "{text}");
        }
        for name in NetworkOutput::NAMES {
            assert_eq!(NetworkOutput::from_name(name).map(NetworkOutput::name), Some(*name));
        }
        assert_eq!(TimeInput::from_name("log sigma"), Some(TimeInput::LogSigma));
        assert_eq!(Channels::from_name("middle"), None);
    }

    #[test]
    fn what_file_and_caller_say_must_agree() {
        let file = Declaration { time: Some(TimeInput::Time), ..Declaration::default() };
        let given = Declaration { output: Some(NetworkOutput::Noise), ..Declaration::default() };
        let both = given.merged(&file).unwrap();
        assert_eq!((both.time, both.output), (Some(TimeInput::Time), Some(NetworkOutput::Noise)));
        let other = Declaration { time: Some(TimeInput::Sigma), ..Declaration::default() };
        let refusal = other.merged(&file).unwrap_err().to_string();
        assert!(refusal.contains("time input") && refusal.contains("Sigma") && refusal.contains("Time,"), "{refusal}");
    }
}
