//! Findings as plain text, and the columns that text and page share.

use super::findings::{Findings, Layout, Observable, Part, Row, Table, label_text};
use super::numbers::{significant, with_error};
use super::parts::Value;

/// Width of a line of running text.
const WIDTH: usize = 120;

/// Columns of a table, the same for text and page; labels are aligned to the left.
pub(super) struct Grid {
    /// Headings; the first `labels` of them are labels.
    pub headings: Vec<String>,
    /// How many columns are labels.
    pub labels: usize,
    /// Cells, line by line.
    pub lines: Vec<Vec<String>>,
    /// Remarks on published values of other quantities, each once.
    pub remarks: Vec<String>,
}

fn number(value: f64, error: Option<f64>) -> String {
    with_error(value, error.unwrap_or(0.0))
}

fn z_text(z: Option<f64>) -> String {
    z.map_or(String::new(), |z| format!("{z:+.2}"))
}

/// The same exact value, up to the rounding of closed forms.
fn same(a: Value, b: Value) -> bool {
    (a.value - b.value).abs() <= 1e-9 * a.value.abs().max(b.value.abs()) && a.error == b.error
}

impl Grid {
    pub fn new(table: &Table) -> Self {
        let mut names: Vec<&str> = vec![];
        for (name, _) in table.rows.iter().flat_map(|row| &row.labels) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        let mut grid = Grid {
            headings: names.iter().map(|name| name.to_string()).collect(),
            labels: names.len(),
            lines: vec![],
            remarks: vec![],
        };
        let labels = |row: &Row| -> Vec<String> {
            let of =
                |name: &&str| row.labels.iter().find(|(label, _)| label == name).map(|(_, value)| label_text(value));
            names.iter().map(|name| of(name).unwrap_or_default()).collect()
        };
        match table.layout {
            Layout::Long => grid.long(table, labels),
            Layout::Wide => grid.wide(table, labels),
        }
        grid
    }

    fn long(&mut self, table: &Table, labels: impl Fn(&Row) -> Vec<String>) {
        let all = || table.rows.iter().flat_map(|row| &row.observables);
        let any = |has: &dyn Fn(&Observable) -> bool| all().any(has);
        let tau = any(&|o| o.tau_int.is_some());
        let exact = any(&|o| o.exact.is_some());
        let published = any(&|o| o.published.is_some());
        let compared = any(&|o| o.published_z().is_some());
        self.labels += 1;
        self.headings.extend(["quantity".to_string(), "ours".into()]);
        let mut heading = |shown: bool, text: &str| {
            if shown {
                self.headings.push(text.into());
            }
        };
        heading(tau, "tau_int");
        heading(exact, "exact");
        heading(exact, "z");
        heading(published, "published");
        heading(compared, "z of published");
        for row in &table.rows {
            for observable in &row.observables {
                let mut line = labels(row);
                let name = if observable.counted { observable.name.clone() } else { format!("({})", observable.name) };
                line.extend([name, number(observable.value, observable.error)]);
                if tau {
                    line.push(observable.tau_int.map_or(String::new(), |tau| significant(tau, 3)));
                }
                if exact {
                    line.push(observable.exact.map_or(String::new(), |e| with_error(e.value, e.error)));
                    line.push(z_text(observable.z()));
                }
                if published {
                    line.push(self.published(observable));
                }
                if compared {
                    line.push(z_text(observable.published_z()));
                }
                self.lines.push(line);
            }
        }
    }

    fn wide(&mut self, table: &Table, labels: impl Fn(&Row) -> Vec<String>) {
        let mut names: Vec<&str> = vec![];
        for observable in table.rows.iter().flat_map(|row| &row.observables) {
            if !names.contains(&observable.name.as_str()) {
                names.push(&observable.name);
            }
        }
        self.headings.extend(names.iter().map(|name| name.to_string()));
        // Columns whose exact value is the same everywhere have it once, on top.
        let exact = |name: &str| {
            let mut values =
                table.rows.iter().flat_map(|row| &row.observables).filter(|o| o.name == name).map(|o| o.exact);
            let first = values.next().flatten()?;
            values.all(|value| value.is_none_or(|value| same(value, first))).then_some(first)
        };
        let exacts: Vec<_> = names.iter().map(|name| exact(name)).collect();
        if exacts.iter().any(Option::is_some) {
            let mut line = vec![String::new(); self.labels];
            match line.first_mut() {
                Some(first) => *first = "exact".into(),
                None => return self.lines_of(table, &names, labels),
            }
            line.extend(exacts.iter().map(|exact| exact.map_or(String::new(), |e| with_error(e.value, e.error))));
            self.lines.push(line);
        }
        self.lines_of(table, &names, labels);
    }

    fn lines_of(&mut self, table: &Table, names: &[&str], labels: impl Fn(&Row) -> Vec<String>) {
        for row in &table.rows {
            let mut line = labels(row);
            for name in names {
                let Some(found) = row.observables.iter().find(|observable| observable.name == *name) else {
                    line.push(String::new());
                    continue;
                };
                let mut cell = number(found.value, found.error);
                if let Some(z) = found.z() {
                    cell += &format!(" [{z:+.1}]");
                }
                if found.published.is_some() {
                    cell += &format!(" {{{}}}", self.published(found));
                }
                line.push(cell);
            }
            self.lines.push(line);
        }
    }

    /// The published value, with the number of its remark.
    fn published(&mut self, observable: &Observable) -> String {
        let Some(published) = &observable.published else { return String::new() };
        let shown = number(published.value, published.error);
        let Some(why) = &published.differs else { return shown };
        let place = self.remarks.iter().position(|remark| remark == why).unwrap_or_else(|| {
            self.remarks.push(why.clone());
            self.remarks.len() - 1
        });
        format!("{shown} *{}", place + 1)
    }
}

impl Table {
    /// The lines of the table.
    pub fn lines(&self) -> Vec<String> {
        let grid = Grid::new(self);
        let width = |column: usize| {
            let cells = grid.lines.iter().map(|line| line[column].chars().count());
            cells.chain([grid.headings[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..grid.headings.len()).map(width).collect();
        let aligned = |line: &[String]| {
            let cells =
                line.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column < grid.labels {
                    true => format!("{cell:<width$}"),
                    false => format!("{cell:>width$}"),
                });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_string()
        };
        let mut lines = wrapped(&self.title);
        lines.push(aligned(&grid.headings));
        lines.extend(grid.lines.iter().map(|line| aligned(line)));
        let remarks = grid.remarks.iter().enumerate().map(|(n, why)| format!("*{} another quantity: {why}", n + 1));
        lines.extend(remarks.flat_map(|remark| wrapped(&remark)));
        lines
    }
}

impl Findings {
    /// All of it but the figures, and the verdict.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = wrapped(&self.title);
        for part in &self.parts {
            if !matches!(part, Part::Figure(_)) {
                lines.push(String::new());
            }
            match part {
                Part::Heading(text) => lines.extend([text.clone(), "-".repeat(text.chars().count())]),
                Part::Text(text) => lines.extend(wrapped(text)),
                Part::Table(table) => lines.extend(table.lines()),
                Part::Figure(_) => {}
            }
        }
        if let Some(verdict) = self.verdict() {
            lines.extend([String::new(), verdict]);
        }
        lines
    }
}

/// Running text in lines.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}
