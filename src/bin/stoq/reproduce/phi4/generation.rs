//! `stoq reproduce phi4-broken`, `phi4-symmetric` and `phi4-statistics`.

use super::{OBSERVABLES, Study, magnetisation, pictures};
use crate::common::Failure;
use crate::reproduce::frame::Context;
use stoq::report::Findings;

/// |z| of about 20 correlated comparisons: a false alarm in less than 0.2 per cent.
const LARGEST_Z: f64 = 4.0;
const WHAT: &str = "Generator only: the proposals of the model as they are, which is the published use of diffusion models; their law \
                    is that of the network and the steps. Path, exact: independence Metropolis of the same proposals with their path \
                    weights. Reweighted, exact: the same weights in the means. The last two have the law exp(-S)/Z for any network; the \
                    verdict counts them and not the first. All z-values are against the equilibrium reference; errors are those of \
                    the mean.";

/// Generation in one of the phases: images, histograms, observables. Published pictures have no numbers to compare with.
pub fn pages(context: &Context, kappa: f64) -> Result<Findings, Failure> {
    let study = Study::new(context, kappa, 16_384)?;
    let (kappa, extent) = (study.subject.couplings.0, study.subject.extent);
    let title = format!("phi^4 at kappa = {kappa} on {extent} x {extent}: generation by a diffusion model");
    let mut findings = Findings::new(title, study.parameters()).limit(LARGEST_Z);
    findings.text("After figures 4 to 7 and table 1 of Wang, Aarts, Zhou, JHEP 05 (2024) 060.").text(WHAT);
    findings.figure(pictures(&study)).figure(magnetisation(&study)?);
    study.judge(&mut findings)?;
    findings.table(study.table("Observables", &OBSERVABLES, &[])?);
    Ok(findings)
}

/// The table of observables, with ten times the published statistics or more.
pub fn statistics(context: &Context, kappa: f64) -> Result<Findings, Failure> {
    let study = Study::new(context, kappa, 100_000)?;
    let (kappa, extent) = (study.subject.couplings.0, study.subject.extent);
    let title = format!("phi^4 at kappa = {kappa} on {extent} x {extent}: statistics of generated configurations");
    let mut findings = Findings::new(title, study.parameters()).limit(LARGEST_Z);
    findings.text("After table 1 of Wang, Aarts, Zhou, JHEP 05 (2024) 060.").text(WHAT);
    let names: Vec<&'static str> = OBSERVABLES.iter().chain(&["kappa2", "kappa4"]).copied().collect();
    findings.table(study.table("Observables", &names, &[])?);
    study.judge(&mut findings)?;
    findings.figure(magnetisation(&study)?);
    Ok(findings)
}
