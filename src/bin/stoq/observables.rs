//! Observables of every system along a chain or over samples, beside their exact values where those are known.

use super::common::{Global, say};
use super::gauge::{GaugeMeter, Tunnelling};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use stoq::action::{ActionRecord, Complex64, MixtureLaw, ToyLaw};
use stoq::analysis::{
    BinnedComplexMoments, BinnedCumulants, FieldSeries, MagnetisationSummary, Symmetry, WeightEstimate,
    cumulants_of_moments, exact_complex_moments, gamma_method, mixture_moments, reweighted_mean, toy_moments,
};
use stoq::diffusion::Schedule;
use stoq::lattice::Lattice;
use stoq::score::{GaussianScore, Score};
use stoq::{Error, Result};

/// Configurations below which cumulants have no error worth giving.
const FEWEST_FOR_CUMULANTS: usize = 32;
const HIGHEST: usize = 8;

/// One observable.
pub struct Row {
    /// Its name.
    pub name: String,
    /// Mean.
    pub value: f64,
    /// Its standard error, autocorrelation included; NaN where the run does not tell.
    pub error: f64,
    /// Integrated autocorrelation time with its error; not for jackknife estimates.
    pub tau_int: Option<(f64, f64)>,
    /// The exact value.
    pub exact: Option<f64>,
    /// Powers of the field in it. Above 4 it has no part in the verdict.
    pub order: usize,
}

impl Row {
    /// Deviation from the exact value in standard errors.
    pub fn z(&self) -> Option<f64> {
        let deviation = self.value - self.exact.filter(|_| !self.error.is_nan())?;
        Some(if deviation == 0.0 { 0.0 } else { deviation / self.error })
    }

    fn json(&self) -> Value {
        let mut value = json!({"value": self.value});
        if !self.error.is_nan() {
            value["error"] = json!(self.error);
        }
        if let Some((tau, error)) = self.tau_int {
            value["tau_int"] = json!(tau);
            value["tau_int_error"] = json!(error);
        }
        for (key, number) in [("exact", self.exact), ("z", self.z())] {
            if let Some(number) = number {
                value[key] = json!(number);
            }
        }
        value
    }
}

/// Prints the rows.
pub fn print(global: &Global, rows: &[Row]) {
    for row in rows {
        let tau = row.tau_int.map_or(String::new(), |(tau, error)| format!("tau_int {tau:.2}({error:.2})"));
        let exact = row.exact.map_or(String::new(), |exact| format!("exact {exact:<12.6}"));
        let z = row.z().map_or(String::new(), |z| format!(" z {z:+.2}"));
        let error = if row.error.is_nan() { "unknown".into() } else { format!("{:.6}", row.error) };
        let line = format!("{:<20} {:>14.6} +- {error:<12} {tau:<22} {exact}{z}", row.name, row.value);
        say(global, line.trim_end());
    }
}

/// For the result file.
pub fn json(rows: &[Row]) -> Map<String, Value> {
    rows.iter().map(|row| (row.name.clone(), row.json())).collect()
}

enum Kind {
    /// Lattice fields.
    Magnetisation(FieldSeries),
    /// Independent sites: moments and cumulants of each component.
    Moments { cumulants: Vec<BinnedCumulants>, symmetry: Symmetry, orders: Vec<usize> },
    /// z = x + iy.
    Complex(BinnedComplexMoments),
    /// Link angles.
    Gauge(Box<GaugeMeter>),
}

/// Measures.
pub struct Meter {
    sites: usize,
    components: usize,
    kind: Kind,
    /// Series with their names: means over the sites of one configuration.
    series: Vec<(String, Vec<f64>)>,
    exact: BTreeMap<String, f64>,
    configurations: usize,
}

impl Meter {
    /// For fields of the law of `record` on `lattice`.
    pub fn new(record: Option<&ActionRecord>, lattice: &Lattice) -> Result<Self> {
        let (sites, components) = (lattice.sites(), lattice.components());
        let name = record.map_or("", |record| record.name.as_str());
        let even = record.map_or(Ok(false), ActionRecord::is_even)?;
        let orders: Vec<usize> = (1..=HIGHEST).filter(|n| *n == 1 || !even || n % 2 == 0).collect();
        let mut series = vec![];
        let kind = match name {
            "phi4" => Kind::Magnetisation(FieldSeries::new(sites)?),
            "complex-gaussian" | "complex-quartic" => Kind::Complex(BinnedComplexMoments::default()),
            "u1" => Kind::Gauge(Box::new(GaugeMeter::new(lattice)?)),
            _ => {
                for component in 0..components {
                    series.extend(orders.iter().map(|&n| (power_name("phi", n, component, components), vec![])));
                }
                let symmetry = if even { Symmetry::Even } else { Symmetry::None };
                Kind::Moments { cumulants: vec![BinnedCumulants::default(); components], symmetry, orders }
            }
        };
        let exact = record.map_or(Ok(BTreeMap::new()), |record| exact_values(record, lattice))?;
        Ok(Meter { sites, components, kind, series, exact, configurations: 0 })
    }

    /// Takes in a field of action `action`, which only lattice fields need.
    pub fn measure(&mut self, field: &[f64], action: Option<f64>) -> Result<()> {
        match &mut self.kind {
            Kind::Magnetisation(series) => series.measure(field, action.unwrap_or(f64::NAN))?,
            Kind::Complex(moments) => moments.push_configuration(&field[..self.sites], &field[self.sites..])?,
            Kind::Gauge(gauge) => gauge.measure(field)?,
            Kind::Moments { cumulants, orders, .. } => {
                let values = field.chunks_exact(self.sites).zip(cumulants);
                for (component, (values, cumulants)) in values.enumerate() {
                    cumulants.push_configuration(values)?;
                    for (index, &n) in orders.iter().enumerate() {
                        let mean = values.iter().map(|x| x.powi(n as i32)).sum::<f64>() / self.sites as f64;
                        self.series[component * orders.len() + index].1.push(mean);
                    }
                }
            }
        }
        self.configurations += 1;
        Ok(())
    }

    /// Configurations measured.
    pub fn len(&self) -> usize {
        self.configurations
    }

    /// The mean of the field over the lattice, one value a configuration and component; of link angles plaquette and
    /// charge.
    pub fn means(&self) -> Vec<&[f64]> {
        match &self.kind {
            Kind::Magnetisation(series) => vec![series.magnetisation()],
            Kind::Moments { orders, .. } => {
                (0..self.components).map(|component| &self.series[component * orders.len()].1[..]).collect()
            }
            Kind::Complex(_) => vec![],
            Kind::Gauge(gauge) => gauge.means(),
        }
    }

    /// What the topological charge did, of link angles.
    pub fn charge(&self) -> Option<Tunnelling> {
        match &self.kind {
            Kind::Gauge(gauge) => Some(gauge.tunnelling()),
            _ => None,
        }
    }

    /// All observables with errors.
    pub fn rows(&self) -> Result<Vec<Row>> {
        let row = |name: &str, order: usize, (value, error): (f64, f64), tau_int| Row {
            name: name.into(),
            value,
            error,
            tau_int,
            exact: self.exact.get(name).copied(),
            order,
        };
        let mut rows = vec![];
        match &self.kind {
            Kind::Magnetisation(series) => {
                let summary = MagnetisationSummary::new(&[series])?;
                rows.extend(summary.rows().iter().map(|(name, e)| {
                    row(
                        name,
                        if matches!(*name, "mag4" | "binder") { 4 } else { 2 },
                        (e.value, e.error),
                        Some((e.tau_int, e.tau_int_error)),
                    )
                }));
            }
            Kind::Moments { cumulants, symmetry, orders } => {
                for (index, (name, values)) in self.series.iter().enumerate() {
                    let order = orders[index % orders.len()];
                    let e = gamma_method(&[values])?;
                    rows.push(row(name, order, (e.value, e.error), Some((e.tau_int, e.tau_int_error))));
                }
                for (component, cumulants) in cumulants.iter().enumerate() {
                    if self.configurations < FEWEST_FOR_CUMULANTS {
                        continue;
                    }
                    let found = cumulants.estimate(*symmetry)?.cumulants;
                    for &n in orders.iter().filter(|&&n| n > 1) {
                        let name = power_name("kappa", n, component, self.components);
                        rows.push(row(&name, n, (found[n - 1].value, found[n - 1].error), None));
                    }
                }
            }
            Kind::Gauge(gauge) => rows.extend(gauge.rows(&self.exact)?),
            Kind::Complex(moments) => {
                for (letter, found) in [("z", moments.moments()?), ("kappa", moments.cumulants()?)] {
                    for (index, e) in found.orders.iter().enumerate() {
                        let n = 2 * index + 2;
                        rows.push(row(&format!("{letter}{n}_re"), n, (e.re.value, e.re.error), None));
                        rows.push(row(&format!("{letter}{n}_im"), n, (e.im.value, e.im.error), None));
                    }
                }
            }
        }
        Ok(rows)
    }

    /// The means reweighted with exp(`log_weights`), by name; exact where it is known goes with them.
    pub fn reweighted(&self, log_weights: &[f64]) -> Result<BTreeMap<String, (WeightEstimate, Option<f64>)>> {
        let mut series: Vec<(String, Vec<f64>)> = vec![];
        if let Kind::Magnetisation(fields) = &self.kind {
            let chi2: Vec<f64> = fields.mag2().iter().map(|m| self.sites as f64 * m).collect();
            series.extend([
                ("abs_mag".into(), fields.abs_mag()),
                ("mag2".into(), fields.mag2()),
                ("mag4".into(), fields.mag4()),
                ("chi2".into(), chi2),
                ("phi2".into(), fields.phi2().to_vec()),
                ("mean_abs_phi".into(), fields.mean_abs_phi().to_vec()),
                ("action_density".into(), fields.action_density().to_vec()),
            ]);
        }
        if let Kind::Gauge(gauge) = &self.kind {
            series.extend(gauge.series());
        }
        let all = self.series.iter().chain(&series);
        all.map(|(name, values)| {
            let estimate = reweighted_mean(log_weights, values)?;
            Ok((name.clone(), (estimate, self.exact.get(name).copied())))
        })
        .collect()
    }
}

/// phi2; phi2_x and phi2_y of two components; the first power has no number.
fn power_name(letter: &str, n: usize, component: usize, components: usize) -> String {
    let number = if n == 1 { String::new() } else { n.to_string() };
    let suffix = match (components, component) {
        (1, _) => String::new(),
        (_, 0) => "_x".into(),
        (_, 1) => "_y".into(),
        (_, other) => format!("_{other}"),
    };
    format!("{letter}{number}{suffix}")
}

/// What is known exactly, under the names of the rows.
fn exact_values(record: &ActionRecord, lattice: &Lattice) -> Result<BTreeMap<String, f64>> {
    let of = |name: &str| record.coupling(name);
    let components = match record.name.as_str() {
        "toy" => vec![toy_moments(&ToyLaw::new(of("mu2")?, of("g")?)?, HIGHEST)],
        "two-peak" => vec![mixture_moments(&MixtureLaw::two_peak(of("mu0")?, of("sigma0")?)?, 0, HIGHEST)?],
        "three-peak" => {
            let law = MixtureLaw::three_peak(of("radius")?, of("sigma0")?)?;
            vec![mixture_moments(&law, 0, HIGHEST)?, mixture_moments(&law, 1, HIGHEST)?]
        }
        "phi4" if of("lambda")? == 0.0 => return free_field(of("kappa")?, lattice),
        "complex-gaussian" | "complex-quartic" => return complex_values(record),
        "u1" => return super::gauge::exact_values(of("beta")?, lattice),
        _ => vec![],
    };
    let mut exact = BTreeMap::new();
    for (component, moments) in components.iter().enumerate() {
        let cumulants = cumulants_of_moments(moments);
        for n in 1..=HIGHEST {
            exact.insert(power_name("phi", n, component, components.len()), moments[n - 1]);
            exact.insert(power_name("kappa", n, component, components.len()), cumulants[n - 1]);
        }
    }
    Ok(exact)
}

/// The free field: Gaussian with <|phi_p|^2> = C_p, and <S> = V/2.
fn free_field(kappa: f64, lattice: &Lattice) -> Result<BTreeMap<String, f64>> {
    let score = GaussianScore::free_field(lattice.clone(), Schedule::variance_expanding(25.0)?, kappa)?;
    let volume = lattice.sites() as f64;
    let phi2 = score.covariance().iter().sum::<f64>() / volume;
    let chi2 = score.covariance()[0];
    let (mag2, mean) = (chi2 / volume, 2.0 / std::f64::consts::PI);
    let values = [
        ("abs_mag", (mean * mag2).sqrt()),
        ("mag2", mag2),
        ("mag4", 3.0 * mag2 * mag2),
        ("chi2", chi2),
        ("chi_connected", chi2 * (1.0 - mean)),
        ("binder", 0.0),
        ("phi2", phi2),
        ("mean_abs_phi", (mean * phi2).sqrt()),
        ("action_density", 0.5),
    ];
    Ok(values.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
}

/// <z^n> and its cumulants, n = 2, 4, 6, 8.
fn complex_values(record: &ActionRecord) -> Result<BTreeMap<String, f64>> {
    let moments = exact_complex_moments(&record.complex()?, HIGHEST)?;
    let [m2, m4, m6, m8]: [Complex64; 4] = std::array::from_fn(|i| moments[2 * i + 2]);
    let cumulants = [
        m2,
        m4 - m2 * m2 * 3.0,
        m6 - m4 * m2 * 15.0 + m2 * m2 * m2 * 30.0,
        m8 - m6 * m2 * 28.0 - m4 * m4 * 35.0 + m4 * m2 * m2 * 420.0 - m2 * m2 * m2 * m2 * 630.0,
    ];
    let mut exact = BTreeMap::new();
    for (letter, values) in [("z", [m2, m4, m6, m8]), ("kappa", cumulants)] {
        for (index, value) in values.into_iter().enumerate() {
            let n = 2 * index + 2;
            exact.insert(format!("{letter}{n}_re"), value.re);
            exact.insert(format!("{letter}{n}_im"), value.im);
        }
    }
    Ok(exact)
}

/// Largest |z| that chance makes of the comparisons of one run less than once in 10^4 times.
const LARGEST_Z: f64 = 5.0;

/// One word on the rows up to the fourth order: "fail" when one disagrees with its exact value, "pass" when all agree;
/// none without any. The error of a higher moment is itself known too badly in a short run.
pub fn verdict(rows: &[Row]) -> Option<&'static str> {
    let largest = rows
        .iter()
        .filter(|row| row.order <= 4)
        .filter_map(Row::z)
        .map(f64::abs)
        .reduce(|a, b| if b <= a { a } else { b })?;
    Some(if largest <= LARGEST_Z { "pass" } else { "fail" })
}

/// Fields to measure must exist.
pub fn require_some(meter: &Meter) -> Result<()> {
    match meter.len() {
        0 | 1 => Err(Error::invalid("configurations", meter.len(), "at least two to measure")),
        _ => Ok(()),
    }
}
