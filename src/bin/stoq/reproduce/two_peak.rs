//! `stoq reproduce two-peak`: cumulants at the end of the backward process, ours beside the exact and the
//! published ones.

use super::training;
use crate::common::{Failure, Global, Record, say};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;
use stoq::action::{ActionRecord, MixtureLaw};
use stoq::analysis::CumulantEstimates;
use stoq::diffusion::Schedule;
use stoq::reproduce::sites::{self, draws};
use stoq::reproduce::two_peak::{COPIES, ORDERS, PEAKS, PUBLISHED, cumulants, exact, exact_score};
use stoq::sampler::{IndependentSampler, Method};
use stoq::score::Score;

/// Largest |z| of the eight comparisons that the verdict is about.
const LARGEST_Z: f64 = 3.0;

/// Runs the campaign.
pub fn run(global: &Global, quick: bool) -> Result<(), Failure> {
    let start = Instant::now();
    let samples = if quick { 100_000 } else { 1_000_000 };
    let steps: &[usize] = if quick { &[10, 100] } else { &[10, 20, 50, 100, 200, 400, 800] };
    let exact = exact()?;
    let mut table = Table { global, exact, rows: vec![] };
    say(global, &format!("two peaks, {samples} samples; exact {exact:?}; value(error) [z]"));
    let schedules = [("VE", Schedule::variance_expanding(25.0)?), ("VP", Schedule::variance_preserving(25.0)?)];
    let mut worst: f64 = 0.0;
    for (index, (name, schedule)) in schedules.into_iter().enumerate() {
        table.published(name, PUBLISHED[index]);
        let score: Arc<dyn Score> = exact_score(schedule)?;
        for (method_name, method) in [
            ("Euler-Maruyama", Method::EulerMaruyama),
            ("ancestral", Method::Ancestral),
            ("posterior", Method::Posterior),
            ("flow", Method::ProbabilityFlow { tolerance: 1e-6 }),
        ] {
            // The flow chooses its own steps; the posterior form is the one to be taken to many.
            let most = match method_name {
                "posterior" => usize::MAX,
                "flow" => steps[0],
                _ => 100,
            };
            for &count in steps.iter().filter(|&&count| count <= most) {
                let found = cumulants(&score, method, count, samples, (global.seed, global.threads))?;
                let z = table.add(name, method_name, count, &found);
                if method_name == "flow" || method == Method::Posterior && Some(&count) == steps.last() {
                    worst = worst.max(z);
                }
            }
        }
    }
    table.write("two-peak", quick, samples, worst, start)
}

/// The same with a trained network: one for both schemes.
pub fn run_network(global: &Global, quick: bool) -> Result<(), Failure> {
    let start = Instant::now();
    let samples = if quick { 100_000 } else { 1_000_000 };
    let steps: &[usize] = if quick { &[100] } else { &[20, 100, 800] };
    let (configurations, training_steps) = if quick { (16_384, 3000) } else { (262_144, 30_000) };
    let law = MixtureLaw::two_peak(PEAKS.0, PEAKS.1)?;
    let data = draws(&IndependentSampler::mixture(sites::lattice(1)?, law)?, configurations, global.seed)?;
    let action = ActionRecord::two_peak(PEAKS.0, PEAKS.1);
    let effort = (training_steps, global.seed, global.threads);
    let model = sites::train(data, Some(action), effort, training(global, training_steps))?;
    let mut table = Table { global, exact: exact()?, rows: vec![] };
    let mut worst: f64 = 0.0;
    for (name, preserving) in [("VE", false), ("VP", true)] {
        let score = sites::score(&model, COPIES, preserving)?;
        for &count in steps {
            let found = cumulants(&score, Method::Posterior, count, samples, (global.seed, global.threads))?;
            let z = table.add(name, "network", count, &found);
            if Some(&count) == steps.last() {
                worst = worst.max(z);
            }
        }
        let flow = Method::ProbabilityFlow { tolerance: 1e-5 };
        let found = cumulants(&score, flow, 2, samples, (global.seed + 1, global.threads))?;
        worst = worst.max(table.add(name, "network, flow", 0, &found));
    }
    table.write("two-peak-network", quick, samples, worst, start)
}

struct Table<'a> {
    global: &'a Global,
    exact: [f64; 4],
    rows: Vec<Value>,
}

impl Table<'_> {
    /// Writes the result; `worst` is the largest |z| of what the verdict is about.
    fn write(self, experiment: &str, quick: bool, samples: usize, worst: f64, start: Instant) -> Result<(), Failure> {
        let seed = self.global.seed;
        let parameters = json!({"experiment": experiment, "quick": quick, "samples": samples, "seed": seed});
        let mut record = Record::new("reproduce", parameters);
        record.set("rows", self.rows.into());
        record.set("seconds", json!({"total": start.elapsed().as_secs_f64()}));
        record.set("verdict", json!(if worst < LARGEST_Z { "passed" } else { "failed" }));
        record.write(self.global)?;
        say(self.global, &format!("most steps, and the flow: largest |z| {worst:.2}"));
        match worst < LARGEST_Z {
            true => Ok(()),
            false => Err(Failure::Check(format!("a cumulant is {worst:.2} standard errors off"))),
        }
    }

    fn published(&self, scheme: &str, published: [(f64, f64); 4]) {
        let columns: Vec<String> = published
            .iter()
            .zip(self.exact)
            .map(|(&(value, error), exact)| format!("{value:>10.4}({error:.4}) [{:+6.2}]", (value - exact) / error))
            .collect();
        say(self.global, &format!("{scheme} {:<16} {:>4} {}", "published", "", columns.join(" ")));
    }

    /// Adds a row; returns its largest |z|.
    fn add(&mut self, scheme: &str, method: &str, steps: usize, found: &CumulantEstimates) -> f64 {
        let estimates = ORDERS.map(|order| found.cumulants[order - 1]);
        let z: Vec<f64> = estimates.iter().zip(self.exact).map(|(estimate, exact)| estimate.z_value(exact)).collect();
        let columns: Vec<String> = estimates
            .iter()
            .zip(&z)
            .map(|(estimate, z)| format!("{:>10.4}({:.4}) [{z:+6.2}]", estimate.value, estimate.error))
            .collect();
        say(self.global, &format!("{scheme} {method:<16} {steps:>4} {}", columns.join(" ")));
        let observables: serde_json::Map<String, Value> = (0..4)
            .map(|index| {
                let (value, error) = (estimates[index].value, estimates[index].error);
                let row = json!({"value": value, "error": error, "exact": self.exact[index], "z": z[index]});
                (format!("kappa{}", ORDERS[index]), row)
            })
            .collect();
        self.rows.push(json!({"scheme": scheme, "method": method, "steps": steps, "observables": observables}));
        z.iter().fold(0.0, |largest: f64, z| largest.max(z.abs()))
    }
}
