//! Findings as a self-contained page.

use super::findings::{Findings, Part, Table};
use super::findings_text::Grid;
use super::html::{TAIL, escape, head, inline};
use crate::error::Result;
use std::fmt::Write;
use std::path::Path;

/// Findings with what made them.
pub struct Document<'a> {
    /// What was found.
    pub findings: &'a Findings,
    /// The exact command line.
    pub command: &'a str,
    /// Seed and threads.
    pub seed: (u64, usize),
    /// Wall time.
    pub seconds: f64,
}

impl Document<'_> {
    /// The page.
    ///
    /// # Errors
    /// As [`super::Panel::svg`].
    pub fn html(&self) -> Result<String> {
        let findings = self.findings;
        let mut page = head(&findings.title);
        if let Some(verdict) = findings.verdict() {
            let class = if findings.failure().is_some() { " class=\"failed\"" } else { "" };
            let _ = writeln!(page, "<p{class}><strong>{}</strong></p>", escape(&verdict));
        }
        let _ = writeln!(page, "<p><code>{}</code></p>", escape(self.command));
        for part in &findings.parts {
            match part {
                Part::Heading(text) => {
                    let _ = writeln!(page, "<h2>{}</h2>", escape(text));
                }
                Part::Text(text) => {
                    let _ = writeln!(page, "<p>{}</p>", escape(text));
                }
                Part::Table(table) => write_table(&mut page, table),
                Part::Figure(figure) => {
                    let mut any = false;
                    for panel in &figure.panels {
                        if let Some(svg) = panel.svg()? {
                            any = true;
                            let _ = writeln!(page, "<figure>{}</figure>", inline(&svg));
                        }
                    }
                    if any {
                        let _ = writeln!(page, "<p class=\"caption\">{}</p>", escape(&figure.caption));
                    }
                }
            }
        }
        self.write_circumstances(&mut page);
        page.push_str(TAIL);
        Ok(page)
    }

    /// Writes the page, whole or not at all.
    ///
    /// # Errors
    /// [`crate::Error::Io`], and as [`Document::html`].
    pub fn save(&self, path: &Path) -> Result<()> {
        crate::files::write_atomically(path, self.html()?.as_bytes())
    }

    fn write_circumstances(&self, page: &mut String) {
        let mut rows = vec![
            ("version".to_string(), format!("stoq {}", env!("CARGO_PKG_VERSION"))),
            ("seed".into(), self.seed.0.to_string()),
            ("threads".into(), self.seed.1.to_string()),
            ("seconds".into(), format!("{:.1}", self.seconds)),
        ];
        if let Some(parameters) = self.findings.parameters.as_object() {
            let others = parameters.iter().filter(|(name, _)| *name != "seed" && *name != "threads");
            rows.extend(others.map(|(name, value)| (name.clone(), super::findings::label_text(value))));
        }
        page.push_str("<h2>How this was made</h2>\n<table>\n");
        for (name, value) in rows {
            let (name, value) = (escape(&name), escape(&value));
            let _ = writeln!(page, "<tr><th class=\"text\">{name}</th><td class=\"text\">{value}</td></tr>");
        }
        page.push_str("</table>\n");
    }
}

fn write_table(page: &mut String, table: &Table) {
    let grid = Grid::new(table);
    if !table.title.is_empty() {
        let _ = writeln!(page, "<h3>{}</h3>", escape(&table.title));
    }
    page.push_str("<div class=\"wide\"><table>\n");
    let mut line = |tag: &str, cells: &[String]| {
        page.push_str("<tr>");
        for (column, cell) in cells.iter().enumerate() {
            let (class, cell) = match column < grid.labels {
                true => (" class=\"text\"", escape(cell)),
                false => ("", escape(cell).replace('-', "\u{2212}")),
            };
            // Names are those of the JSON; long ones may be broken at their underscores.
            let cell = if tag == "th" { cell.replace('_', "_<wbr/>") } else { cell };
            let _ = write!(page, "<{tag}{class}>{cell}</{tag}>");
        }
        page.push_str("</tr>\n");
    };
    line("th", &grid.headings);
    grid.lines.iter().for_each(|cells| line("td", cells));
    page.push_str("</table></div>\n");
    for (number, why) in grid.remarks.iter().enumerate() {
        let _ = writeln!(page, "<p>*{} another quantity: {}</p>", number + 1, escape(why));
    }
}
