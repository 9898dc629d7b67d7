//! `stoq reproduce phi4-*` of generation: what they share.

mod cumulants;
mod generation;
mod likelihood;

pub use cumulants::run as cumulants;
pub use generation::{pages as generation, statistics};
pub use likelihood::run as likelihood;

use super::frame::Context;
use crate::common::Failure;
use serde_json::{Value, json};
use stoq::Error;
use stoq::analysis::{JackknifeEstimate, WeightEstimate};
use stoq::report::{Figure, Findings, Images, Observable, Plot, Row, Table};
use stoq::reproduce::phi4::{
    Ensemble, Generated, Plan, QUANTITIES, Subject, equilibrium, generate, published, reference,
};

/// The table of the literature.
const OBSERVABLES: [&str; 7] =
    ["abs_mag", "mean_abs_phi", "chi2", "chi_connected", "binder", "action_density", "positive"];
/// Effective proposals below which exact ensembles have no error worth counting, and the largest relative error of their number: a few
/// proposals carry most of the weight beyond, and others of still larger weight are yet to come.
const FEWEST_EFFECTIVE: f64 = 200.0;
const LARGEST_ERROR: f64 = 0.2;
/// Bins of a histogram.
const BINS: usize = 48;

/// A model with what it generated, and the reference.
struct Study {
    subject: Subject,
    plan: Plan,
    generated: Generated,
    reference: Ensemble,
}

impl Study {
    /// At `kappa` unless `--model` has another, with `proposals` generated configurations unless --quick.
    fn new(context: &Context, kappa: f64, proposals: usize) -> Result<Self, Failure> {
        let (subject, plan) = subject(context, kappa, context.options.configs.unwrap_or(proposals))?;
        let mut reporter = context.reporter(plan.effort.proposals as u64);
        let (proposals, levels) = (plan.effort.proposals, plan.effort.levels[0]);
        let generated = generate(&subject, (levels, proposals), context.effort(), &mut |done| {
            reporter.update(done as u64, "configurations");
            true
        })?;
        reporter.finish();
        let Some(generated) = generated else { return Err(Failure::Interrupted) };
        context.say(&format!(
            "{proposals} proposals of {levels} score evaluations, {:.2} ms each; acceptance {:.4}",
            1e3 * generated.seconds,
            generated.acceptance.value
        ));
        let lattice = subject.score.lattice();
        let reference = reference(lattice, subject.couplings, plan.references, context.effort())?;
        context.say(&format!("{} configurations of equilibrium in {:.0} s", reference.len(), reference.seconds));
        Ok(Study { subject, plan, generated, reference })
    }

    fn parameters(&self) -> Value {
        let Study { subject, plan, .. } = self;
        json!({"extent": [subject.extent, subject.extent], "kappa": subject.couplings.0, "lambda": subject.couplings.1,
               "model": subject.origin, "score_evaluations": plan.effort.levels[0], "configurations": plan.effort.proposals,
               "reference": "HMC and Wolff clusters", "reference_configurations": self.reference.len()})
    }

    /// Quantities of `names`, a row an ensemble: the reference against that of other programs, then all against it.
    fn table(&self, title: &str, names: &[&'static str], others: &[&Ensemble]) -> Result<Table, Error> {
        let found = self.reference.quantities()?;
        let known = names.iter().filter_map(|name| {
            let (value, error) = equilibrium(self.subject.extent, self.subject.couplings, name)?;
            Some(observable(name, &found).reference(value, error))
        });
        let known: Vec<Observable> = known.collect();
        let mut table = Table::new(title);
        if !known.is_empty() {
            let row = Row::new().label("ensemble", "reference, against another program");
            table = table.row(known.into_iter().fold(row, Row::with));
        }
        let Generated { plain, chain, reweighted, .. } = &self.generated;
        let weighed = self.weights_are_known();
        for (ensemble, counted) in [(plain, false), (chain, weighed), (reweighted, weighed)] {
            table = table.row(self.row(names, ensemble, &found, counted)?);
        }
        for ensemble in others {
            table = table.row(self.row(names, ensemble, &found, false)?);
        }
        Ok(published_rows(self, names, &found).into_iter().fold(table, Table::row))
    }

    /// Whether the proposals are enough for the errors of the exact ensembles.
    fn weights_are_known(&self) -> bool {
        let WeightEstimate { value, error } = self.generated.effective_sample_size;
        value * self.generated.plain.len() as f64 >= FEWEST_EFFECTIVE && error < LARGEST_ERROR * value
    }

    /// What the proposals are worth, and whether that is enough.
    fn judge(&self, findings: &mut Findings) -> Result<(), Error> {
        findings.table(quality(&self.generated)?);
        if !self.weights_are_known() {
            findings.text(
                "Few of the proposals carry most of the weight: their number is too small for the errors of the exact ensembles, \
                 which the verdict does not count. Train longer, or generate more.",
            );
        }
        Ok(())
    }

    fn row(
        &self,
        names: &[&'static str],
        ensemble: &Ensemble,
        reference: &[JackknifeEstimate],
        counted: bool,
    ) -> Result<Row, Error> {
        let found = ensemble.quantities()?;
        let row = Row::new().label("ensemble", ensemble.name);
        let cell = |name: &&'static str| {
            let expected = reference[place(name)];
            let cell = observable(name, &found);
            // Both signs are equally probable whatever the reference has seen.
            let cell = match *name {
                "positive" => cell.exact(0.5),
                _ => cell.reference(expected.value, expected.error),
            };
            if counted { cell } else { cell.uncounted() }
        };
        Ok(names.iter().map(cell).fold(row, Row::with))
    }
}

/// Published values as rows of their own, against our reference.
fn published_rows(study: &Study, names: &[&'static str], reference: &[JackknifeEstimate]) -> Vec<Row> {
    let mut rows: Vec<Row> = vec![];
    for name in names {
        for found in published(study.subject.extent, study.subject.couplings, name) {
            let label = format!("published, {}", found.of);
            let expected = reference[place(name)];
            let cell = match found.error {
                Some(error) => Observable::new(*name, found.value, error).reference(expected.value, expected.error),
                None => Observable::plain(*name, found.value).reference(expected.value, expected.error),
            };
            let cell = cell.uncounted();
            match rows.iter_mut().find(|row| row.place() == label) {
                Some(row) => row.observables.push(cell),
                None => rows.push(Row::new().label("ensemble", label).with(cell)),
            }
        }
    }
    rows
}

/// The model of `--model`, or one that is trained now.
fn subject(context: &Context, kappa: f64, proposals: usize) -> Result<(Subject, Plan), Failure> {
    let plan = Plan::new(kappa, proposals, context.quick(), context.effort())?;
    let steps = plan.point.steps.last().copied().unwrap_or(0);
    let subject = Subject::new(context.model(), &plan, context.training(steps))?;
    let (kappa, lambda) = subject.couplings;
    context
        .say(&format!("phi^4 on {0} x {0}, kappa = {kappa}, lambda = {lambda}; {1}", subject.extent, subject.origin));
    Ok((subject, plan))
}

fn place(name: &str) -> usize {
    QUANTITIES.iter().position(|quantity| *quantity == name).unwrap_or(0)
}

fn observable(name: &str, found: &[JackknifeEstimate]) -> Observable {
    let estimate = found[place(name)];
    Observable::new(name, estimate.value, estimate.error)
}

/// What the proposals are worth.
fn quality(generated: &Generated) -> Result<Table, Error> {
    let of = |name: &str, e: &WeightEstimate| Observable::new(name, e.value, e.error).uncounted();
    let (tau, error) = generated.chain.tau_int()?;
    let row = Row::new()
        .label("score evaluations", generated.levels)
        .with(of("acceptance", &generated.acceptance))
        .with(of("ess", &generated.effective_sample_size))
        .with(of("var_log_w", &generated.variance))
        .with(Observable::new("tau_int_abs_mag", tau, error).uncounted())
        .with(Observable::plain("seconds_per_configuration", generated.seconds));
    Ok(Table::wide("Proposals").row(row))
}

/// Share of the values in equal bins, as a density, with errors of independent values times `inflation`.
fn histogram(values: &[f64], (low, high): (f64, f64), inflation: f64) -> Vec<(f64, f64, f64)> {
    let width = (high - low) / BINS as f64;
    let mut counts = [0.0; BINS];
    for value in values {
        let bin = (value - low) / width;
        if bin >= 0.0 && bin < BINS as f64 {
            counts[bin as usize] += 1.0;
        }
    }
    let total = values.len().max(1) as f64;
    let bar = |(bin, &count): (usize, &f64)| {
        let share = count / total;
        let error = (share * (1.0 - share) / total).sqrt() * inflation;
        (low + (bin as f64 + 0.5) * width, share / width, error / width)
    };
    counts.iter().enumerate().map(bar).collect()
}

/// Histograms of M over everything, and of |M| where most of it is.
fn magnetisation(study: &Study) -> Result<Figure, Error> {
    let Generated { plain, chain, .. } = &study.generated;
    let reference = study.reference.abs_mag();
    let mean = reference.iter().sum::<f64>() / reference.len() as f64;
    let spread = (reference.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / reference.len() as f64).sqrt();
    let most = reference.iter().chain(&plain.abs_mag()).fold(0.0, |most: f64, m| most.max(*m));
    let inflation = (2.0 * chain.tau_int()?.0).max(1.0).sqrt();
    let plot = |label: &str, range: (f64, f64), of: &dyn Fn(&Ensemble) -> Vec<f64>| {
        Plot::new("", label, "density")
            .bars("reference", histogram(&of(&study.reference), range, 1.0))
            .points("generator only", histogram(&of(plain), range, 1.0))
            .points("path, exact", histogram(&of(chain), range, inflation))
    };
    let close = ((mean - 5.0 * spread).max(0.0), mean + 5.0 * spread);
    let caption = "Histograms of the magnetisation M, and of its modulus about the mean: equilibrium reference, the model's \
                   proposals as they are, and the exact chain of them.";
    Ok(Figure::new("magnetisation", caption)
        .panel(plot("M", (-1.05 * most, 1.05 * most), &Ensemble::magnetisation))
        .panel(plot("|M|", close, &Ensemble::abs_mag)))
}

/// One configuration on its way from noise, and some of both ensembles.
fn pictures(study: &Study) -> Figure {
    let extent = study.subject.extent;
    let mut path = Images::new("Denoising", "\u{3c6}(x, t)", extent);
    for state in &study.generated.path {
        path = path.frame(format!("t = {:.3}, noise {:.2}", state.time, state.noise), &state.field);
    }
    let all: Vec<&Vec<f64>> = study.generated.plain.pictures.iter().chain(&study.reference.pictures).collect();
    let square = all.iter().flat_map(|field| field.iter()).map(|x| x * x).sum::<f64>();
    let scale = 2.0 * (square / (all.len() * extent * extent).max(1) as f64).sqrt();
    let mut fields = Images::new("Configurations", "\u{3c6}(x)", extent).scaled(scale);
    for (name, ensemble) in [("generated", &study.generated.plain), ("equilibrium", &study.reference)] {
        for field in ensemble.pictures.iter().take(3) {
            fields = fields.frame(name, field);
        }
    }
    let caption = "Above, one configuration along the backward process, each image in units of its own root mean square; below, \
                   generated configurations beside those of the reference.";
    Figure::new("configurations", caption).panel(path).panel(fields)
}
