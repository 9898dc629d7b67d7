//! Systems and their couplings on the command line.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use stoq::action::ActionRecord;
use stoq::lattice::Lattice;
use stoq::{Error, Result};

/// Systems that the command line knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum System {
    /// One variable, S = mu2/2 x^2 + g/24 x^4: --mu2, --g
    Toy,
    /// One variable, two Gaussian peaks at +-mu0: --mu0, --sigma0
    TwoPeak,
    /// Two variables, three Gaussian peaks on a circle: --radius, --sigma0
    ThreePeak,
    /// Lattice phi^4: --kappa, --lambda, --extent
    Phi4,
    /// S = (a + ib)/2 z^2, by complex Langevin: --a, --b
    ComplexGaussian,
    /// S = (a + ib)/2 z^2 + lambda/4 z^4, by complex Langevin: --a, --b, --lambda
    ComplexQuartic,
    /// Two-dimensional U(1) gauge theory, S = -beta sum cos(plaquette angle): --beta, --extent
    U1,
}

impl System {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            System::Toy => "toy",
            System::TwoPeak => "two-peak",
            System::ThreePeak => "three-peak",
            System::Phi4 => "phi4",
            System::ComplexGaussian => "complex-gaussian",
            System::ComplexQuartic => "complex-quartic",
            System::U1 => "u1",
        }
    }

    /// Its couplings, with the values that they have when not given.
    fn couplings(self) -> &'static [(&'static str, Option<f64>)] {
        match self {
            System::Toy => &[("mu2", Some(1.0)), ("g", Some(0.4))],
            System::TwoPeak => &[("mu0", Some(1.0)), ("sigma0", Some(0.25))],
            System::ThreePeak => &[("radius", Some(1.0)), ("sigma0", Some(0.25))],
            System::Phi4 => &[("kappa", None), ("lambda", Some(0.022))],
            System::ComplexGaussian => &[("a", Some(1.0)), ("b", Some(1.0))],
            System::ComplexQuartic => &[("a", Some(1.0)), ("b", Some(1.0)), ("lambda", Some(1.0))],
            System::U1 => &[("beta", None)],
        }
    }

    /// Whether complex Langevin samples it: no action that is real, no accept step.
    pub fn is_complex(self) -> bool {
        matches!(self, System::ComplexGaussian | System::ComplexQuartic)
    }
}

/// Couplings; each belongs to some of the systems.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Couplings {
    /// Mass squared of toy [default: 1]
    #[arg(long, allow_negative_numbers = true)]
    pub mu2: Option<f64>,
    /// Quartic coupling of toy [default: 0.4]
    #[arg(long, allow_negative_numbers = true)]
    pub g: Option<f64>,
    /// Place of the two peaks [default: 1]
    #[arg(long, allow_negative_numbers = true)]
    pub mu0: Option<f64>,
    /// Width of the two or three peaks [default: 0.25]
    #[arg(long, allow_negative_numbers = true)]
    pub sigma0: Option<f64>,
    /// Distance of the three peaks from the origin [default: 1]
    #[arg(long, allow_negative_numbers = true)]
    pub radius: Option<f64>,
    /// Hopping parameter of phi4
    #[arg(long, allow_negative_numbers = true)]
    pub kappa: Option<f64>,
    /// Quartic coupling of phi4 [default: 0.022] or complex-quartic [default: 1]
    #[arg(long, allow_negative_numbers = true)]
    pub lambda: Option<f64>,
    /// Real part of the complex mass squared [default: 1]
    #[arg(long, allow_negative_numbers = true)]
    pub a: Option<f64>,
    /// Imaginary part of the complex mass squared [default: 1]
    #[arg(long, allow_negative_numbers = true)]
    pub b: Option<f64>,
    /// Inverse coupling of u1
    #[arg(long, allow_negative_numbers = true)]
    pub beta: Option<f64>,
}

impl Couplings {
    fn given(&self) -> impl Iterator<Item = (&'static str, f64)> + use<> {
        let all = [
            ("mu2", self.mu2),
            ("g", self.g),
            ("mu0", self.mu0),
            ("sigma0", self.sigma0),
            ("radius", self.radius),
            ("kappa", self.kappa),
            ("lambda", self.lambda),
            ("a", self.a),
            ("b", self.b),
            ("beta", self.beta),
        ];
        all.into_iter().filter_map(|(name, value)| value.map(|value| (name, value)))
    }

    /// The action's name and couplings.
    pub fn record(&self, system: System) -> Result<ActionRecord> {
        let allowed = system.couplings();
        if let Some((name, value)) = self.given().find(|(name, _)| !allowed.iter().any(|(other, _)| other == name)) {
            let flags: Vec<String> = allowed.iter().map(|(name, _)| format!("--{name}")).collect();
            let expected = format!("no such coupling: those of {} are {}", system.name(), flags.join(" and "));
            return Err(Error::invalid(&format!("--{name}"), value, &expected));
        }
        let mut couplings = BTreeMap::new();
        for &(name, default) in allowed {
            let found = self.given().find(|(other, _)| *other == name).map(|(_, value)| value);
            let Some(value) = found.or(default) else {
                let expected = format!("a number: {} has no usual value of it", system.name());
                return Err(Error::invalid(&format!("--{name}"), "not given", &expected));
            };
            couplings.insert(name.to_string(), value);
        }
        Ok(ActionRecord { name: system.name().into(), couplings })
    }

    /// Refuses couplings where a model decides.
    pub fn refuse(&self) -> Result<()> {
        match self.given().next() {
            Some((name, value)) => {
                let expected = "no coupling beside a model file, which names its own action";
                Err(Error::invalid(&format!("--{name}"), value, expected))
            }
            None => Ok(()),
        }
    }
}

/// A system with couplings on a lattice.
#[derive(Args, Debug)]
pub struct SystemOptions {
    /// The system
    pub system: System,
    #[command(flatten)]
    pub couplings: Couplings,
    /// Extents, slowest axis first, for example 16,16; of one-site systems the number of independent copies [default: 1]
    #[arg(long, value_delimiter = ',')]
    pub extent: Vec<usize>,
}

impl SystemOptions {
    /// The action's name and couplings.
    pub fn record(&self) -> Result<ActionRecord> {
        self.couplings.record(self.system)
    }

    /// The lattice, with the components of the system.
    pub fn lattice(&self) -> Result<Lattice> {
        lattice(&self.record()?, &self.extent)
    }

    /// For the result file.
    pub fn parameters(&self) -> Result<Value> {
        let record = self.record()?;
        let mut parameters = json!({"system": record.name, "extent": self.lattice()?.extents()});
        for (name, value) in record.couplings {
            parameters[name] = json!(value);
        }
        Ok(parameters)
    }
}

/// The lattice of a system; no extents stand for one site.
pub fn lattice(record: &ActionRecord, extents: &[usize]) -> Result<Lattice> {
    let extents = match (extents, record.name.as_str()) {
        ([], "phi4" | "u1") => {
            return Err(Error::invalid("--extent", "not given", "the extents of the lattice, for example 16,16"));
        }
        ([], _) => &[1],
        (given, _) => given,
    };
    Lattice::new(extents)?.with_components(record.components()?)
}
