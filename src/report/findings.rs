//! What an experiment found, beside what is exact and what was published: tables and figures, from which the printed text
//! (`findings_text.rs`), the JSON and the page (`document.rs`) are made.

use super::figure::Figure;
use super::parts::Value;
use serde_json::{Map, Value as Json, json};

/// A published value.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// The value.
    pub value: f64,
    /// Its standard error, if one was given.
    pub error: Option<f64>,
    /// Why it is not the same quantity, if it is not: it is shown, and not compared.
    pub differs: Option<String>,
}

/// A quantity that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Observable {
    /// Its name, as in the JSON: `abs_mag`, `kappa4`, ...
    pub name: String,
    /// The value.
    pub value: f64,
    /// Its standard error; `None` for what has none, such as a time.
    pub error: Option<f64>,
    /// Integrated autocorrelation time, for a mean along a chain.
    pub tau_int: Option<f64>,
    /// What it should be: exact (error 0), or from an independent exact method with its error.
    pub exact: Option<Value>,
    /// What was published.
    pub published: Option<Published>,
    /// (value - exact) / error, where it was not computed in the usual way.
    pub z: Option<f64>,
    /// Whether the verdict counts it.
    pub counted: bool,
}

impl Observable {
    /// A value with its standard error.
    pub fn new(name: impl Into<String>, value: f64, error: f64) -> Self {
        Observable { error: Some(error), ..Self::plain(name, value) }
    }

    /// A value without an error.
    pub fn plain(name: impl Into<String>, value: f64) -> Self {
        let name = name.into();
        Observable { name, value, error: None, tau_int: None, exact: None, published: None, z: None, counted: true }
    }

    /// Compares with an exact value.
    pub fn exact(self, value: f64) -> Self {
        self.reference(value, 0.0)
    }

    /// Compares with a value that has an error of its own.
    pub fn reference(mut self, value: f64, error: f64) -> Self {
        self.exact = Some(Value { value, error });
        self
    }

    /// Shows a published value with its standard error (0: none given).
    pub fn published(mut self, value: f64, error: f64) -> Self {
        let error = (error > 0.0).then_some(error);
        self.published = Some(Published { value, error, differs: None });
        self
    }

    /// Shows a published value that is another quantity, and says why.
    pub fn published_elsewhere(self, value: f64, error: f64, differs: impl Into<String>) -> Self {
        let mut shown = self.published(value, error);
        if let Some(published) = &mut shown.published {
            published.differs = Some(differs.into());
        }
        shown
    }

    /// With its integrated autocorrelation time.
    pub fn with_tau_int(mut self, tau_int: f64) -> Self {
        self.tau_int = Some(tau_int);
        self
    }

    /// With a z-value that knows more than the two errors.
    pub fn with_z(mut self, z: f64) -> Self {
        self.z = Some(z);
        self
    }

    /// Leaves it out of the verdict.
    pub fn uncounted(mut self) -> Self {
        self.counted = false;
        self
    }

    /// (value - exact) / error, if there is an exact value and an error.
    pub fn z(&self) -> Option<f64> {
        self.z.or_else(|| deviation((self.value, self.error?), self.exact?))
    }

    /// The same of the published value, if it is the same quantity.
    pub fn published_z(&self) -> Option<f64> {
        let published = self.published.as_ref().filter(|published| published.differs.is_none())?;
        deviation((published.value, published.error?), self.exact?)
    }

    fn json(&self) -> Json {
        let mut map = Map::new();
        let mut set = |key: &str, value: Option<f64>| {
            if let Some(value) = value {
                map.insert(key.into(), json!(value));
            }
        };
        set("value", Some(self.value));
        set("error", self.error);
        set("tau_int", self.tau_int);
        set("exact", self.exact.map(|exact| exact.value));
        set("exact_error", self.exact.map(|exact| exact.error).filter(|error| *error > 0.0));
        set("z", self.z());
        if let Some(published) = &self.published {
            let mut shown = json!({"value": published.value});
            let members =
                [("error", published.error.map(|error| json!(error))), ("z", self.published_z().map(|z| json!(z)))];
            let differs = ("differs", published.differs.as_ref().map(|why| json!(why)));
            for (key, value) in members.into_iter().chain([differs]) {
                if let Some(value) = value {
                    shown[key] = value;
                }
            }
            map.insert("published".into(), shown);
        }
        Json::Object(map)
    }
}

/// z of two values; rounding is no deviation.
fn deviation((value, error): (f64, f64), exact: Value) -> Option<f64> {
    let difference = value - exact.value;
    if difference.abs() <= 1e-12 * exact.value.abs() {
        return Some(0.0);
    }
    let error = error.hypot(exact.error);
    (error > 0.0 || error.is_nan()).then_some(difference / error)
}

/// One measurement: what tells it from the others of its table, and its observables.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Name and value: the scheme, the number of steps, the coupling, ...
    pub labels: Vec<(String, Json)>,
    /// What was found.
    pub observables: Vec<Observable>,
}

impl Row {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a label.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<Json>) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }

    /// Adds an observable.
    pub fn with(mut self, observable: Observable) -> Self {
        self.observables.push(observable);
        self
    }

    /// The labels as text: "VE, posterior, 100".
    pub fn place(&self) -> String {
        self.labels.iter().map(|(_, value)| label_text(value)).collect::<Vec<_>>().join(", ")
    }
}

/// A label without quotation marks.
pub(super) fn label_text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}

/// How a table is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// A line an observable: found, exact, z, published.
    #[default]
    Long,
    /// A line a row, a column an observable, z in brackets.
    Wide,
}

/// Rows of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Above the table.
    pub title: String,
    /// Its layout.
    pub layout: Layout,
    /// Its rows.
    pub rows: Vec<Row>,
}

impl Table {
    /// An empty table with a line an observable.
    pub fn new(title: impl Into<String>) -> Self {
        Table { title: title.into(), ..Self::default() }
    }

    /// An empty table with a line a row.
    pub fn wide(title: impl Into<String>) -> Self {
        Table { layout: Layout::Wide, ..Self::new(title) }
    }

    /// Adds a row.
    pub fn row(mut self, row: Row) -> Self {
        self.rows.push(row);
        self
    }
}

/// A piece of a report, in the order in which it is read.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// A heading.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// A table.
    Table(Table),
    /// A figure.
    Figure(Figure),
}

/// Everything that an experiment found.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// Heading of the page.
    pub title: String,
    /// What was set: couplings, extents, steps, samples, ... (an object).
    pub parameters: Json,
    /// The report.
    pub parts: Vec<Part>,
    /// Further members of the JSON, for what is no observable.
    pub members: Map<String, Json>,
    /// |z| that no counted observable may reach, if there is a verdict.
    pub limit: Option<f64>,
    /// What else went wrong, a sentence each.
    pub failures: Vec<String>,
}

impl Findings {
    /// Nothing found yet; `parameters` is an object.
    pub fn new(title: impl Into<String>, parameters: Json) -> Self {
        let title = title.into();
        Findings { title, parameters, parts: vec![], members: Map::new(), limit: None, failures: vec![] }
    }

    /// The experiment passes if every counted |z| is below `limit`.
    pub fn limit(mut self, limit: f64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Adds a heading.
    pub fn heading(&mut self, text: impl Into<String>) -> &mut Self {
        self.parts.push(Part::Heading(text.into()));
        self
    }

    /// Adds a paragraph.
    pub fn text(&mut self, text: impl Into<String>) -> &mut Self {
        self.parts.push(Part::Text(text.into()));
        self
    }

    /// Adds a table.
    pub fn table(&mut self, table: Table) -> &mut Self {
        self.parts.push(Part::Table(table));
        self
    }

    /// Adds a figure.
    pub fn figure(&mut self, figure: Figure) -> &mut Self {
        self.parts.push(Part::Figure(figure));
        self
    }

    /// Says that something other than a z-value is wrong.
    pub fn fail(&mut self, why: impl Into<String>) -> &mut Self {
        self.failures.push(why.into());
        self
    }

    /// All tables.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.parts.iter().filter_map(|part| if let Part::Table(table) = part { Some(table) } else { None })
    }

    /// All figures.
    pub fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.parts.iter().filter_map(|part| if let Part::Figure(figure) = part { Some(figure) } else { None })
    }

    /// Every comparison that the verdict counts: where it stands, the observable, z.
    fn counted(&self) -> impl Iterator<Item = (&Row, &Observable, f64)> {
        let rows = self.tables().flat_map(|table| &table.rows);
        let all = rows.flat_map(|row| row.observables.iter().map(move |observable| (row, observable)));
        all.filter(|(_, observable)| observable.counted).filter_map(|(row, o)| Some((row, o, o.z()?)))
    }

    /// Largest |z| of what the verdict counts, and the number of comparisons; NaN is larger than everything.
    pub fn largest_z(&self) -> (f64, usize) {
        let larger = |most: f64, z: f64| if z.abs() <= most { most } else { z.abs() };
        self.counted().fold((0.0, 0), |(most, count), (.., z)| (larger(most, z), count + 1))
    }

    /// Why the experiment failed, if it did.
    pub fn failure(&self) -> Option<String> {
        let mut reasons = self.failures.clone();
        if let Some(limit) = self.limit {
            let beyond: Vec<_> = self.counted().filter(|(.., z)| !(z.abs() < limit)).collect();
            let named = beyond.iter().take(3).map(|(row, observable, z)| match row.labels.is_empty() {
                true => format!("{} is {z:+.2} standard errors off", observable.name),
                false => format!("{} ({}) is {z:+.2} standard errors off", observable.name, row.place()),
            });
            reasons.extend(named);
            if beyond.len() > 3 {
                reasons.push(format!("and {} more", beyond.len() - 3));
            }
        }
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    /// One line on the outcome; `None` without anything to judge.
    pub fn verdict(&self) -> Option<String> {
        let (largest, count) = self.largest_z();
        let limit = self.limit.map(|limit| format!("largest |z| {largest:.2} of {count} comparisons, limit {limit}"));
        match (self.failure(), limit) {
            (None, None) => None,
            (None, Some(limit)) => Some(format!("passed: {limit}")),
            (Some(why), None) => Some(format!("failed: {why}")),
            (Some(why), Some(limit)) => Some(format!("failed: {why} ({limit})")),
        }
    }

    /// The members of the JSON: rows with labels and observables, verdict, and what was added.
    pub fn json(&self) -> Map<String, Json> {
        let several = self.tables().count() > 1;
        let rows = self.tables().flat_map(|table| table.rows.iter().map(move |row| (table, row)));
        let rows = rows.map(|(table, row)| {
            let mut map = Map::new();
            if several {
                map.insert("table".into(), json!(table.title));
            }
            map.extend(row.labels.iter().map(|(name, value)| (name.clone(), value.clone())));
            let observables = row.observables.iter().map(|found| (found.name.clone(), found.json()));
            map.insert("observables".into(), Json::Object(observables.collect()));
            Json::Object(map)
        });
        let mut members = Map::new();
        members.insert("rows".into(), rows.collect());
        let (largest, count) = self.largest_z();
        if count > 0 {
            members.insert("largest_z".into(), json!(largest));
        }
        if self.limit.is_some() || !self.failures.is_empty() {
            members.insert("verdict".into(), json!(if self.failure().is_none() { "passed" } else { "failed" }));
        }
        members.extend(self.members.clone());
        members
    }
}
