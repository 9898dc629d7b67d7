//! Kernels on the command line.

use super::scores::GridName;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use stoq::kernel::hmc::{HmcOptions, Integrator};
use stoq::kernel::{Drift, Kernel};
use stoq::{Error, Result};

/// Which kernels, and their parameters.
#[derive(Args, Debug)]
pub struct KernelOptions {
    /// Kernels joined by +, applied in turn: hmc, metropolis, mala, path, renoise, likelihood;
    /// of u1 also charge-shift, which needs hmc or metropolis beside it; langevin is not exact
    #[arg(long)]
    pub kernel: String,
    /// Score evaluations of a path
    #[arg(long, default_value_t = 40)]
    pub levels: usize,
    /// How the noise levels of a path are chosen
    #[arg(long, value_enum, default_value_t = GridName::Optimal)]
    pub grid: GridName,
    /// t* of renoise, in (0, 1]; where warm-up starts
    #[arg(long, default_value_t = 0.5)]
    renoise_time: f64,
    /// h of mala and langevin, phi + h b + sqrt(2h) z; where warm-up starts
    #[arg(long, default_value_t = 0.05)]
    step_size: f64,
    /// Drift b of mala and langevin
    #[arg(long, value_enum, default_value_t = DriftName::Force)]
    drift: DriftName,
    /// t of the score in that drift; 0 for the least noise of the model [default: 0]
    #[arg(long)]
    drift_time: Option<f64>,
    /// Share of the score in a drift that blends it with the force [default: 0.5]
    #[arg(long)]
    score_weight: Option<f64>,
    /// Width of the moves of metropolis; where warm-up starts
    #[arg(long, default_value_t = 1.0)]
    width: f64,
    /// Length of an HMC trajectory
    #[arg(long, default_value_t = 1.0)]
    trajectory_length: f64,
    /// Integrator steps of an HMC trajectory; where warm-up starts
    #[arg(long, default_value_t = 10)]
    integrator_steps: usize,
    /// Integrator of HMC
    #[arg(long, value_enum, default_value_t = IntegratorName::Omelyan)]
    integrator: IntegratorName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DriftName {
    /// -dS/dphi
    Force,
    /// The score of the model
    Score,
    /// A share of each
    Blend,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum IntegratorName {
    /// One force a step
    Leapfrog,
    /// Two forces a step, error ten times smaller
    Omelyan,
}

impl KernelOptions {
    /// The kernels with the names of their results; a kernel that comes twice is numbered.
    pub fn kernels(&self) -> Result<Vec<(String, Kernel)>> {
        let mut kernels: Vec<(String, Kernel)> = vec![];
        for name in self.kernel.split('+').map(str::trim) {
            let kernel = match name {
                "hmc" => Kernel::Hmc(self.hmc()),
                "metropolis" => Kernel::Metropolis { width: self.width },
                "mala" => Kernel::Mala { step: self.step_size, drift: self.drift()? },
                "langevin" => Kernel::Langevin { step: self.step_size, drift: self.drift()? },
                "path" => Kernel::Path,
                "renoise" => Kernel::Renoise { time: self.renoise_time },
                "likelihood" => Kernel::Likelihood,
                "charge-shift" => Kernel::ChargeShift,
                other => {
                    let expected =
                        "hmc, metropolis, mala, path, renoise, likelihood, charge-shift or langevin, joined by +";
                    return Err(Error::invalid("--kernel", other, expected));
                }
            };
            kernel.validate()?;
            let before = kernels.iter().filter(|(_, other)| other.name() == name).count();
            kernels.push((if before == 0 { name.into() } else { format!("{name}_{}", before + 1) }, kernel));
        }
        if kernels.iter().all(|(_, kernel)| *kernel == Kernel::ChargeShift) {
            let expected = "hmc or metropolis beside it: charge shifts alone move nothing but the charge";
            return Err(Error::invalid("--kernel", &self.kernel, expected));
        }
        Ok(kernels)
    }

    fn hmc(&self) -> HmcOptions {
        let integrator = match self.integrator {
            IntegratorName::Leapfrog => Integrator::Leapfrog,
            IntegratorName::Omelyan => Integrator::Omelyan,
        };
        let (trajectory_length, steps) = (self.trajectory_length, self.integrator_steps);
        HmcOptions { trajectory_length, steps, integrator, ..HmcOptions::default() }
    }

    fn drift(&self) -> Result<Drift> {
        let time = self.drift_time.unwrap_or(0.0);
        match (self.drift, self.drift_time, self.score_weight) {
            (DriftName::Force, Some(time), _) => {
                Err(Error::invalid("--drift-time", time, "--drift score or blend beside it"))
            }
            (DriftName::Force | DriftName::Score, _, Some(weight)) => {
                Err(Error::invalid("--score-weight", weight, "--drift blend beside it"))
            }
            (DriftName::Force, ..) => Ok(Drift::Force),
            (DriftName::Score, ..) => Ok(Drift::Score { time }),
            (DriftName::Blend, _, weight) => Ok(Drift::Blend { time, weight: weight.unwrap_or(0.5) }),
        }
    }

    /// The parameters of the kernels that are there, for the result file.
    pub fn describe(&self, kernels: &[(String, Kernel)], parameters: &mut Value) {
        parameters["kernel"] = json!(self.kernel);
        for (_, kernel) in kernels {
            match *kernel {
                Kernel::Path | Kernel::Likelihood | Kernel::Renoise { .. } => {
                    parameters["levels"] = json!(self.levels);
                    parameters["grid"] = json!(format!("{:?}", self.grid).to_lowercase());
                    if let Kernel::Renoise { time } = *kernel {
                        parameters["renoise_time"] = json!(time);
                    }
                }
                Kernel::Mala { step, drift } | Kernel::Langevin { step, drift } => {
                    parameters["step_size"] = json!(step);
                    parameters["drift"] = json!(format!("{:?}", self.drift).to_lowercase());
                    if let Drift::Score { time } | Drift::Blend { time, .. } = drift {
                        parameters["drift_time"] = json!(time);
                    }
                    if let Drift::Blend { weight, .. } = drift {
                        parameters["score_weight"] = json!(weight);
                    }
                }
                Kernel::Hmc(options) => {
                    parameters["trajectory_length"] = json!(options.trajectory_length);
                    parameters["integrator_steps"] = json!(options.steps);
                    parameters["integrator"] = json!(format!("{:?}", options.integrator).to_lowercase());
                }
                Kernel::Metropolis { width } => parameters["width"] = json!(width),
                Kernel::ChargeShift => {}
            }
        }
    }
}

/// Whether warm-up has anything to tune.
pub fn tunable(kernel: Kernel) -> bool {
    !matches!(kernel, Kernel::Path | Kernel::Likelihood | Kernel::Langevin { .. } | Kernel::ChargeShift)
}
