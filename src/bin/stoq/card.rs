//! The report card on the command line: computed, printed, stored in the model file.

use super::common::{Failure, Global, say};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stoq::Result;
use stoq::action::ActionRecord;
use stoq::lattice::Lattice;
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
    compute_for(global, &score, model.metadata().action.as_ref(), held_out, (levels, proposals), stop)
}

/// Computes the card of any score model.
pub fn compute_for(
    global: &Global,
    score: &Arc<dyn Score>,
    action: Option<&ActionRecord>,
    held_out: &[f64],
    (levels, proposals): (&[usize], usize),
    stop: &AtomicBool,
) -> Result<ReportCard, Failure> {
    let options = CardOptions { levels: levels.to_vec(), proposals, seed: global.seed, threads: global.threads };
    let go_on = || !stop.load(Ordering::SeqCst);
    let card = ReportCard::compute(score, action, held_out, &options, &go_on)?;
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
    let data = on_lattice(&model.lattice()?, path)?;
    if model.metadata().training.configurations == data.training() {
        say(global, "as many configurations as the training data: the part that was held out is used");
        return held_out_fields(&data);
    }
    fields_of(&data)
}

/// All configurations of `path`, which must be on `lattice`.
pub fn all(lattice: &Lattice, path: &Path) -> Result<Vec<f64>> {
    fields_of(&on_lattice(lattice, path)?)
}

fn on_lattice(lattice: &Lattice, path: &Path) -> Result<Dataset> {
    let data = Dataset::load_with_components(path, lattice.components())?;
    if data.lattice() != lattice {
        return Err(stoq::Error::shape("lattice of the data", data.lattice().extents(), lattice.extents()));
    }
    Ok(data)
}

fn fields_of(data: &Dataset) -> Result<Vec<f64>> {
    let values = data.lattice().values();
    let mut fields = vec![0.0; data.len() * values];
    for (index, field) in fields.chunks_exact_mut(values).enumerate() {
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
