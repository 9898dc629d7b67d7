//! `stoq reproduce u1-conditioned` and `u1-unet`: other networks for the exact chains of U(1) gauge theory.

use super::frame::Context;
use crate::common::Failure;
use serde_json::json;
use std::path::Path;
use stoq::Result;
use stoq::model::Model;
use stoq::report::{Figure, Findings, Observable, Plot, Row, Table};
use stoq::reproduce::u1_networks::{Comparison, Effort, conditioned, published_form};

/// One network for all couplings; networks of `u1-chains` in the folder of --models are what it is compared with.
pub fn run_conditioned(context: &Context) -> std::result::Result<Findings, Failure> {
    let (seed, threads) = context.effort();
    let mut effort = Effort::new(context.quick(), seed, threads);
    if let Some(folder) = &context.options.models {
        effort.ladder.known = known(&effort, folder)?;
    }
    let (model, compared) = conditioned(&effort, &mut |text| context.say(text))?;
    if let Some(folder) = &context.options.models {
        model.save(folder.join(format!("u1_{0}x{0}_all.onnx", effort.ladder.extent)))?;
    }
    let parameters = json!({"extent": effort.ladder.extent, "betas": effort.ladder.betas, "training_steps": effort.ladder.train.steps,
        "last_training_steps": effort.last, "proposals": effort.proposals});
    let mut findings = Findings::new("U(1): one network for all couplings beside one for each", parameters);
    findings.text(
        "The network sees beta. At every rung of the ladder the exact chain with the network of the rungs below makes the configurations, and it is \
         trained again on all couplings so far. Compared is renoise on held-out configurations, with the t* and the levels to which the network of \
         that coupling alone is tuned: acceptance, and the accepted mean squared change of Q of a proposal.",
    );
    findings.table(table("Renoise", &compared)).figure(figure("u1-conditioned", &compared));
    Ok(findings)
}

/// The published form of the network.
pub fn run_unet(context: &Context) -> std::result::Result<Findings, Failure> {
    let (seed, threads) = context.effort();
    let effort = Effort::new(context.quick(), seed, threads);
    let compared = published_form(&effort, &mut |text| context.say(text))?;
    let parameters = json!({"extent": effort.ladder.extent, "seconds": effort.seconds, "configurations": effort.ladder.configurations});
    let mut findings = Findings::new("U(1): a plain U-Net on angles beside the network on plaquettes", parameters);
    findings.text(format!(
        "Both are trained for {:.0} s on one thread and the same configurations. The U-Net is the published score network with periodic padding, which \
         reads cosines and sines of the links and returns a field of links; it has to learn what a gauge transformation is. Compared is renoise on \
         held-out configurations, 8 levels, each network with its own best t*.",
        effort.seconds
    ));
    findings.table(table("Renoise", &compared));
    Ok(findings)
}

fn known(effort: &Effort, folder: &Path) -> Result<Vec<(f64, Model)>> {
    super::u1_tables::known(&effort.ladder, folder)
}

fn table(title: &str, compared: &[Comparison]) -> Table {
    compared.iter().fold(Table::wide(title), |table, found| {
        let row = Row::new().label("beta", found.beta).label("network", found.network).label("weights", found.weights);
        let row =
            row.label("steps", found.steps).label("noise", found.renoise.noise).label("levels", found.renoise.levels);
        let row = row.with(Observable::plain("training_seconds", found.seconds));
        let row = row.with(Observable::new("acceptance", found.renoise.acceptance, found.renoise.errors[0]));
        table.row(row.with(Observable::new("charge_steps", found.renoise.charge_steps, found.renoise.errors[1])))
    })
}

fn figure(name: &str, compared: &[Comparison]) -> Figure {
    let plot = |label: &str, value: &dyn Fn(&Comparison) -> (f64, f64)| {
        ["one coupling", "all couplings"].into_iter().fold(Plot::new("", "beta", label), |plot, network| {
            let rows = compared.iter().filter(|found| found.network == network);
            plot.points(network, rows.map(|found| (found.beta, value(found).0, value(found).1)).collect())
        })
    };
    Figure::new(name, "Renoise with one network a coupling, and with one for all.")
        .panel(plot("acceptance", &|found| (found.renoise.acceptance, found.renoise.errors[0])))
        .panel(plot("accepted <(dQ)^2>", &|found| (found.renoise.charge_steps, found.renoise.errors[1])))
}
