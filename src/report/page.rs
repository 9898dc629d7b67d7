//! A self-contained HTML page of a report card.

use super::card::ReportCard;
use super::parts::{Check, Value};
use super::plot::{Curve, Plot, colour_map};
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

/// Text as HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn cell(value: &Value) -> String {
    format!("<td>{:.6} ± {:.6}</td>", value.value, value.error)
}

impl Page<'_> {
    /// The page.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] when a plot cannot be drawn, never in practice.
    pub fn html(&self) -> Result<String> {
        let mut page = String::from("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>");
        let title = escape(self.title);
        let card = self.card;
        let _ = write!(
            page,
            "<title>{title}</title><style>body{{font-family:sans-serif;max-width:1300px;margin:auto;padding:1em}}\
             table{{border-collapse:collapse}}td,th{{border:1px solid #bbb;padding:2px 8px;text-align:right}}\
             figure{{display:inline-block;margin:6px}}code{{overflow-wrap:anywhere}}</style></head><body>\n\
             <h1>{title}</h1>\n<p><strong>{}</strong></p>\n<p>{EXACTNESS}</p>\n<p><code>{}</code></p>\n",
            escape(&card.verdict.text),
            escape(self.command),
        );
        for plot in self.plots() {
            if let Some(svg) = plot.svg()? {
                let _ = writeln!(page, "<figure>{svg}</figure>");
            }
        }
        self.write_snapshots(&mut page)?;
        self.write_tables(&mut page);
        let _ = writeln!(
            page,
            "<p>stoq {}, model {}, lattice {:?}, {} held-out configurations in {} bins, {} proposals, seed {}</p>\n</body></html>",
            escape(&card.version),
            escape(&card.model),
            card.extents,
            card.held_out.0,
            card.held_out.1,
            card.proposals.0,
            card.proposals.1,
        );
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
        let curve = |label, points, joined| Curve { label, points, joined };
        let loss =
            |which: fn(&(u64, f64, f64)) -> f64| self.curve.iter().map(|p| (p.0 as f64, which(p), 0.0)).collect();
        let by_level = card.variance_by_level.iter();
        let by_level = by_level.map(|level| (level.log_noise / std::f64::consts::LN_10, level.value, level.error));
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
            heights.iter().enumerate().map(|(index, &height)| (place(index), height, 0.0)).collect::<Vec<_>>()
        };
        let pulls = |z: &dyn Fn(&Check) -> Option<f64>| {
            let pulls = card.checks.iter().enumerate();
            let pulls = pulls.filter_map(|(index, check)| Some((index as f64 + 1.0, z(check)?)));
            pulls.map(|(x, z)| (x, z.clamp(-LARGEST_PULL, LARGEST_PULL), 1.0)).collect::<Vec<_>>()
        };
        vec![
            Plot {
                title: "Training",
                x: "step",
                y: "loss",
                curves: match self.curve.is_empty() {
                    true => vec![],
                    false => {
                        vec![curve("training", loss(|p| p.1), true), curve("validation", loss(|p| p.2), true)]
                    }
                },
                guides: vec![],
            },
            Plot {
                title: "Where Var(log w) is made",
                x: "log10 of the noise",
                y: "share of Var(log w)",
                curves: vec![curve("v_n", by_level.collect(), false)],
                guides: vec![0.0],
            },
            Plot {
                title: "Two-point function over that of the data",
                x: "p^2",
                y: "ratio",
                curves: vec![
                    curve("data", of(&|check| Some(check.data)), false),
                    curve("generated", of(&|check| Some(check.generated)), false),
                    curve("reweighted", of(&|check| check.reweighted), false),
                ],
                guides: vec![1.0],
            },
            Plot {
                title: "Mean of the field",
                x: "M",
                y: "fraction",
                curves: vec![
                    curve("data", bars(&card.histogram.data), true),
                    curve("generated", bars(&card.histogram.generated), true),
                    curve("reweighted", bars(&card.histogram.reweighted), true),
                ],
                guides: vec![],
            },
            Plot {
                title: "Pulls: cumulants and observables in the order of the table",
                x: "row",
                y: "z (up to 12)",
                curves: vec![
                    curve("generated", pulls(&|check| Some(check.z_generated)), false),
                    curve("reweighted", pulls(&|check| check.z_reweighted), false),
                ],
                guides: vec![-4.0, 0.0, 4.0],
            },
        ]
    }

    fn write_snapshots(&self, page: &mut String) -> Result<()> {
        let Some(first) = self.snapshots.first() else { return Ok(()) };
        let extents = &self.card.extents;
        // The last two axes of the first component.
        let width = extents[extents.len() - 1];
        let shown = if extents.len() > 1 { width * extents[extents.len() - 2] } else { width };
        let square = first.denoised[..shown].iter().map(|x| x * x).sum::<f64>() / shown as f64;
        let scale = (2.0 * square.sqrt()).max(f64::MIN_POSITIVE);
        page.push_str("<h2>Denoising</h2>\n<p>Above: a held-out configuration with noise; below: what the network makes of it.</p>\n<table>\n");
        let row = |page: &mut String, name: &str, field: &dyn Fn(&Snapshot) -> &[f64]| -> Result<()> {
            let _ = write!(page, "<tr><th>{name}</th>");
            for snapshot in self.snapshots {
                let _ = write!(page, "<td>{}</td>", colour_map(&field(snapshot)[..shown], width, scale)?);
            }
            page.push_str("</tr>\n");
            Ok(())
        };
        page.push_str("<tr><th>noise</th>");
        self.snapshots.iter().for_each(|snapshot| {
            let _ = write!(page, "<td>{:.4}</td>", snapshot.noise);
        });
        page.push_str("</tr>\n");
        row(page, "noisy", &|snapshot| &snapshot.noisy)?;
        row(page, "denoised", &|snapshot| &snapshot.denoised)?;
        page.push_str("</table>\n");
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Every tag closed in order, nothing fetched from elsewhere.
    pub fn require_well_formed(page: &str) {
        let mut open: Vec<String> = vec![];
        let body = page.strip_prefix("<!DOCTYPE html>").unwrap();
        for piece in body.split('<').skip(1) {
            let (tag, rest) = piece.split_once('>').expect("an open bracket without its partner");
            assert!(!rest.contains('>'), "a stray bracket: {piece}");
            if tag.starts_with("!--") {
                continue;
            }
            let name = tag.trim_start_matches('/').split(|c: char| c.is_whitespace() || c == '/').next().unwrap();
            if tag.starts_with('/') {
                assert_eq!(open.pop().as_deref(), Some(name), "closed out of order");
            } else if !tag.ends_with('/') {
                open.push(name.to_string());
            }
        }
        assert!(open.is_empty(), "never closed: {open:?}");
        for reference in ["http:", "https:", "src=", "href=", "url(", "@import", "<script"] {
            assert!(!page.contains(reference), "{reference}");
        }
    }

    #[test]
    fn text_is_escaped_and_broken_pages_are_noticed() {
        assert_eq!(escape("a<b> & \"c'"), "a&lt;b&gt; &amp; &quot;c&#39;");
        for broken in ["<!DOCTYPE html><p><b></p></b>", "<!DOCTYPE html><p>", "<!DOCTYPE html><img src=\"x\"/>"] {
            assert!(std::panic::catch_unwind(|| require_well_formed(broken)).is_err(), "{broken}");
        }
    }
}
