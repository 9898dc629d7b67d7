//! A self-contained HTML page of a report card.

use super::card::ReportCard;
use super::html::{TAIL, escape, head, inline};
use super::links::RenoiseQuality;
use super::numbers::with_error;
use super::parts::{Check, Value};
use super::plane::Images;
use super::plot::Plot;
use super::snapshots::Snapshot;
use super::verdict::EXACTNESS;
use crate::error::Result;
use std::fmt::Write;
use std::path::Path;

/// Largest pull that is drawn at its place.
const LARGEST_PULL: f64 = 12.0;

/// What a page shows. Everything is optional but the card.
pub struct Page<'a> {
    /// Heading, for example the name of the model file.
    pub title: &'a str,
    /// The exact command line.
    pub command: &'a str,
    /// The card.
    pub card: &'a ReportCard,
    /// Step, training loss, validation loss.
    pub curve: &'a [(u64, f64, f64)],
    /// Denoising of one configuration.
    pub snapshots: &'a [Snapshot],
}

fn cell(value: &Value) -> String {
    format!("<td>{}</td>", with_error(value.value, value.error))
}

impl Page<'_> {
    /// The page.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] when a plot cannot be drawn, never in practice.
    pub fn html(&self) -> Result<String> {
        let card = self.card;
        let mut page = head(self.title);
        let _ = write!(
            page,
            "<p><strong>{}</strong></p>\n<p>{EXACTNESS}</p>\n<p><code>{}</code></p>\n",
            escape(&card.verdict.text),
            escape(self.command),
        );
        for plot in self.plots() {
            if let Some(svg) = plot.svg()? {
                let _ = writeln!(page, "<figure>{}</figure>", inline(&svg));
            }
        }
        self.write_snapshots(&mut page)?;
        self.write_tables(&mut page);
        let _ = writeln!(
            page,
            "<p>stoq {}, model {}, lattice {:?}, {} held-out configurations in {} bins, {} proposals, seed {}</p>",
            escape(&card.version),
            escape(&card.model),
            card.extents,
            card.held_out.0,
            card.held_out.1,
            card.proposals.0,
            card.proposals.1,
        );
        page.push_str(TAIL);
        Ok(page)
    }

    /// Writes the page, whole or not at all.
    ///
    /// # Errors
    /// [`crate::Error::Io`], and as [`Page::html`].
    pub fn save(&self, path: &Path) -> Result<()> {
        crate::files::write_atomically(path, self.html()?.as_bytes())
    }

    fn plots(&self) -> Vec<Plot> {
        let card = self.card;
        let loss =
            |which: fn(&(u64, f64, f64)) -> f64| self.curve.iter().map(|p| (p.0 as f64, which(p))).collect::<Vec<_>>();
        let by_level = card.variance_by_level.iter();
        let by_level = by_level.map(|level| (level.log_noise.exp(), level.value, level.error));
        let of = |value: &dyn Fn(&Check) -> Option<Value>| {
            let momenta = card.two_point.momenta.iter().filter_map(|m| {
                // In units of the data: the propagator itself spans decades.
                let (value, data) = (value(&m.check)?, m.check.data.value);
                Some((m.momentum_squared, value.value / data, value.error / data))
            });
            momenta.collect::<Vec<_>>()
        };
        let bars = |heights: &[f64]| {
            let width = (card.histogram.range.1 - card.histogram.range.0) / heights.len().max(1) as f64;
            let place = |index: usize| card.histogram.range.0 + (index as f64 + 0.5) * width;
            heights.iter().enumerate().map(|(index, &height)| (place(index), height)).collect::<Vec<_>>()
        };
        // Beside each other, not on top.
        let pulls = |shift: f64, z: &dyn Fn(&Check) -> Option<f64>| {
            let pulls = card.checks.iter().enumerate();
            let pulls = pulls.filter_map(|(index, check)| Some((index as f64 + 1.0 + shift, z(check)?)));
            pulls.map(|(x, z)| (x, z.clamp(-LARGEST_PULL, LARGEST_PULL), 1.0)).collect::<Vec<_>>()
        };
        let mut plots = vec![];
        if !self.curve.is_empty() {
            let training = Plot::new("Training", "step", "loss");
            plots.push(training.line("training", loss(|p| p.1)).line("validation", loss(|p| p.2)));
        }
        let variance =
            Plot::new("Where Var(log w) is made", "noise \u{3c3} relative to the signal", "share of Var(log w)");
        plots.push(variance.log_x().points("", by_level.collect()).guide(0.0));
        let two_point =
            Plot::new("Two-point function over that of the data", "p\u{302}\u{b2}", "G(p) / G(p) of the data");
        let two_point = two_point.points("data", of(&|check| Some(check.data)));
        let two_point = two_point.points("generated", of(&|check| Some(check.generated)));
        plots.push(two_point.points("reweighted", of(&|check| check.reweighted)).guide(1.0));
        let (title, axis) = match card.renoise.is_empty() {
            true => ("Mean of the field", "M"),
            false => ("Topological charge", "Q"),
        };
        let mean = Plot::new(title, axis, "fraction of the configurations");
        let mean = mean.line("data", bars(&card.histogram.data)).line("generated", bars(&card.histogram.generated));
        plots.push(mean.line("reweighted", bars(&card.histogram.reweighted)));
        if !card.renoise.is_empty() {
            let renoise = |value: &dyn Fn(&RenoiseQuality) -> Value| {
                card.renoise.iter().map(|q| (q.noise, value(q).value, value(q).error)).collect::<Vec<_>>()
            };
            let plot = Plot::new("Renoise", "noise \u{3c3} of t*", "acceptance, accepted (dQ)\u{b2}");
            let plot = plot.points("acceptance", renoise(&|q| q.acceptance));
            plots.push(plot.points("accepted (dQ)\u{b2}", renoise(&|q| q.charge_steps)));
            let plot = Plot::new("Var(log w) of renoise", "noise \u{3c3} of t*", "Var(log ratio)").log_y();
            plots.push(plot.points("", renoise(&|q| Value { value: q.var_log_ratio, error: 0.0 })));
        }
        let title = "Pulls: cumulants and observables in the order of the table";
        let all = Plot::new(title, "row of the table of checks", "z (up to 12)");
        let all = all.points("generated", pulls(-0.1, &|check| Some(check.z_generated)));
        let all = all.points("reweighted", pulls(0.1, &|check| check.z_reweighted));
        plots.push(all.guide(-4.0).guide(0.0).guide(4.0));
        plots
    }

    fn write_snapshots(&self, page: &mut String) -> Result<()> {
        let Some(first) = self.snapshots.first() else { return Ok(()) };
        let extents = &self.card.extents;
        // The last two axes of the first component.
        let width = extents[extents.len() - 1];
        let shown = if extents.len() > 1 { width * extents[extents.len() - 2] } else { width };
        let square = first.denoised[..shown].iter().map(|x| x * x).sum::<f64>() / shown as f64;
        let scale = (2.0 * square.sqrt()).max(f64::MIN_POSITIVE);
        page.push_str(
            "<h2>Denoising</h2>\n<p>Above: a held-out configuration with noise of the given \u{3c3}; below: what the \
                       network makes of it.</p>\n",
        );
        for (name, clean) in [("with noise", false), ("denoised", true)] {
            let mut images = Images::new(name, "\u{3c6}(x)", width).scaled(scale);
            for snapshot in self.snapshots {
                images = images.frame(
                    format!("\u{3c3} = {:.4}", snapshot.noise),
                    &(if clean { &snapshot.denoised } else { &snapshot.noisy })[..shown],
                );
            }
            if let Some(svg) = images.svg()? {
                let _ = writeln!(page, "<figure>{}</figure><br/>", inline(&svg));
            }
        }
        Ok(())
    }

    fn write_tables(&self, page: &mut String) {
        if !self.card.paths.is_empty() {
            page.push_str("<h2>Weights</h2>\n<table>\n<tr><th>evaluations</th><th>acceptance</th><th>ESS</th><th>Var(log w)</th><th>log Z</th></tr>\n");
        }
        for path in &self.card.paths {
            let variance = path.var_log_w.as_ref().map_or("<td>infinite</td>".to_string(), cell);
            let (acceptance, ess, log_z) = (cell(&path.acceptance), cell(&path.ess), cell(&path.log_z));
            let _ = writeln!(page, "<tr><td>{}</td>{acceptance}{ess}{variance}{log_z}</tr>", path.evaluations);
        }
        if !self.card.paths.is_empty() {
            page.push_str("</table>\n");
        }
        page.push_str(
            "<h2>Checks</h2>\n<table>\n<tr><th>row</th><th>quantity</th><th>data</th><th>generated</th><th>z</th>\
             <th>reweighted</th><th>z</th></tr>\n",
        );
        let momenta = self.card.two_point.momenta.iter().map(|momentum| &momentum.check);
        for (row, check) in self.card.checks.iter().chain(momenta).enumerate() {
            let (name, data, generated) = (escape(&check.name), cell(&check.data), cell(&check.generated));
            let reweighted = check.reweighted.as_ref().map_or("<td></td>".to_string(), cell);
            let z = check.z_reweighted.map_or(String::new(), |z| format!("{z:+.2}"));
            let _ = writeln!(
                page,
                "<tr><td>{}</td><td>{name}</td>{data}{generated}<td>{:+.2}</td>{reweighted}<td>{z}</td></tr>",
                row + 1,
                check.z_generated
            );
        }
        page.push_str("</table>\n");
    }
}
