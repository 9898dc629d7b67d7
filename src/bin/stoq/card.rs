//! The report card on the command line: computed, printed, stored in the model file.

use super::common::{Failure, Global, say};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stoq::Result;
use stoq::model::Model;
use stoq::report::{CardOptions, ReportCard, held_out_fields};
use stoq::score::{NativeScore, Score};
use stoq::train::Dataset;

/// Computes the card of `model` on held-out configurations, one after the other.
pub fn compute(
    global: &Global,
    model: &Model,
    held_out: &[f64],
    (levels, proposals): (&[usize], usize),
    stop: &AtomicBool,
) -> Result<ReportCard, Failure> {
    let score: Arc<dyn Score> = Arc::new(NativeScore::new(model.clone())?);
    let options = CardOptions { levels: levels.to_vec(), proposals, seed: global.seed, threads: global.threads };
    let go_on = || !stop.load(Ordering::SeqCst);
    let card = ReportCard::compute(&score, model.metadata().action.as_ref(), held_out, &options, &go_on)?;
    card.ok_or(Failure::Interrupted)
}

/// The card that the file carries.
pub fn stored(global: &Global, model: &Model) -> Result<Option<ReportCard>> {
    let Some(text) = model.report() else { return Ok(None) };
    let card = ReportCard::from_json(text)?;
    let fingerprint = NativeScore::new(model.clone())?.fingerprint();
    if card.model != format!("{fingerprint:016x}") {
        say(global, "the stored report card belongs to another model: check again with --data and --write");
        return Ok(None);
    }
    Ok(Some(card))
}

/// Prints all of it.
pub fn print(global: &Global, card: &ReportCard) {
    card.lines().iter().for_each(|line| say(global, line));
}

/// Writes the card into the model file.
pub fn write(path: &Path, model: Model, card: &ReportCard) -> Result<()> {
    model.with_report(Some(card.to_json()?)).save(path)
}

/// The configurations of `path` that did not train `model`: of as many as it was trained with, the part held out; else all.
pub fn held_out(global: &Global, model: &Model, path: &Path) -> Result<Vec<f64>> {
    let lattice = model.lattice()?;
    let data = Dataset::load_with_components(path, lattice.components())?;
    if *data.lattice() != lattice {
        return Err(stoq::Error::shape("lattice of the data", data.lattice().extents(), lattice.extents()));
    }
    if model.metadata().training.configurations == data.training() {
        say(global, "as many configurations as the training data: the part that was held out is used");
        return held_out_fields(&data);
    }
    let mut fields = vec![0.0; data.len() * lattice.values()];
    for (index, field) in fields.chunks_exact_mut(lattice.values()).enumerate() {
        data.read(index, field)?;
    }
    Ok(fields)
}

/// Writes a page with plots; `curve` holds step, training loss and validation loss.
#[cfg(feature = "report")]
pub fn write_page(
    path: &Path,
    model: &Path,
    score: &Arc<dyn Score>,
    card: &ReportCard,
    (field, seed): (&[f64], u64),
    curve: &[(u64, f64, f64)],
) -> Result<()> {
    let snapshots = stoq::report::snapshots(score, field, seed)?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (title, command) = (model.display().to_string(), format!("stoq {}", words.join(" ")));
    stoq::report::Page { title: &title, command: &command, card, curve, snapshots: &snapshots }.save(path)
}

/// Without the feature there is no page.
#[cfg(not(feature = "report"))]
pub fn write_page(
    path: &Path,
    _: &Path,
    _: &Arc<dyn Score>,
    _: &ReportCard,
    _: (&[f64], u64),
    _: &[(u64, f64, f64)],
) -> Result<()> {
    let expected = "a program built with the feature `report`, which draws the plots";
    Err(stoq::Error::invalid("--report", path.display(), expected))
}
