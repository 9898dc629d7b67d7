//! What all experiments share: how they are run, printed and written.
//!
//! A new experiment is a file beside this one with a function from [`Context`] to what was found,
//!
//! ```text
//! pub fn run(context: &Context) -> Result<Findings, Failure> {
//!     let samples = context.either(100_000, 1_000_000);                     // --quick or not
//!     let found = stoq::reproduce::my_campaign(samples, context.effort())?; // (seed, threads)
//!     let parameters = json!({"samples": samples, "kappa": 0.27});
//!     let mut findings = Findings::new("What is compared, and where it was published", parameters).limit(3.5);
//!     let row = Row::new().label("kernel", "path").with(
//!         Observable::new("abs_mag", found.value, found.error).exact(0.7633).published(0.76, 0.02));
//!     findings.table(Table::new("Magnetisation").row(row));
//!     findings.figure(Figure::new("my-plot", "What is seen.").panel(Plot::new("", "t", "M(t)").band("ours", curve)));
//!     Ok(findings)
//! }
//! ```
//!
//! a variant of `Experiment`, a line of `name`, and one of `dispatch` in `mod.rs`. The frame prints tables and verdict, writes JSON (`--json`), page
//! (`--report`) and figures (`--plots`), and fails the command if a counted |z| reaches the limit. What takes long should
//! `say` what is done meanwhile. Published values of other quantities: `published_elsewhere`, with the reason.

use super::Options;
use crate::common::{Failure, Global, Record, Reporter, say};
use serde_json::json;
use std::path::Path;
use std::time::Instant;
use stoq::Error;
use stoq::report::{Document, Findings};
use stoq::train::Progress;

/// What an experiment is given.
pub struct Context<'a> {
    /// Flags of every command.
    pub global: &'a Global,
    /// Flags of this one.
    pub options: &'a Options,
}

impl Context<'_> {
    /// Less of everything: under two minutes.
    pub fn quick(&self) -> bool {
        self.options.quick
    }

    /// The first with `--quick`, else the second.
    pub fn either<T>(&self, quick: T, full: T) -> T {
        if self.options.quick { quick } else { full }
    }

    /// Seed and threads.
    pub fn effort(&self) -> (u64, usize) {
        (self.global.seed, self.global.threads)
    }

    /// The model of `--model`.
    pub fn model(&self) -> Option<&Path> {
        self.options.model.as_deref()
    }

    /// Prints a line while the experiment runs.
    pub fn say(&self, text: &str) {
        say(self.global, text);
    }

    /// A bar for `total` pieces of work.
    pub fn reporter(&self, total: u64) -> Reporter {
        Reporter::new(self.global, total)
    }

    /// Shows how far a training of `steps` steps is.
    pub fn training(&self, steps: u64) -> impl FnMut(Progress) + '_ {
        super::training(self.global, steps)
    }
}

/// Refuses flags whose work would be lost at the end.
pub fn check(options: &Options) -> Result<(), Error> {
    for (flag, path) in [("--report", &options.report), ("--plots", &options.plots)] {
        if let (Some(path), false) = (path, cfg!(feature = "report")) {
            let expected = "a program built with the feature `report`, which draws";
            return Err(Error::invalid(flag, path.display(), expected));
        }
    }
    if let Some(folder) = &options.plots {
        std::fs::create_dir_all(folder).map_err(|source| Error::io(folder, source))?;
    }
    let folder = options.report.as_deref().and_then(Path::parent).filter(|path| !path.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        let expected = "a file in a folder that exists: the page is written at the end";
        return Err(Error::invalid("--report", folder.display(), expected));
    }
    Ok(())
}

/// Runs an experiment, prints and writes what it found.
pub fn run(
    global: &Global,
    options: &Options,
    name: &str,
    experiment: impl FnOnce(&Context) -> Result<Findings, Failure>,
) -> Result<(), Failure> {
    let start = Instant::now();
    check(options)?;
    let mut findings = experiment(&Context { global, options })?;
    let seconds = start.elapsed().as_secs_f64();
    let mut parameters =
        json!({"experiment": name, "quick": options.quick, "seed": global.seed, "threads": global.threads});
    if let (Some(all), Some(own)) = (parameters.as_object_mut(), findings.parameters.as_object()) {
        all.extend(own.clone());
    }
    findings.parameters = parameters;
    findings.lines().iter().for_each(|line| say(global, line));
    let mut record = Record::new("reproduce", findings.parameters.clone());
    findings.json().into_iter().for_each(|(key, value)| record.set(&key, value));
    let mut times = json!({"total": seconds});
    if let (Some(times), Some(own)) =
        (times.as_object_mut(), findings.members.get("seconds").and_then(|own| own.as_object()))
    {
        times.extend(own.clone());
    }
    record.set("seconds", times);
    record.write(global)?;
    if let Some(folder) = &options.plots {
        findings.figures().try_for_each(|figure| figure.save(folder))?;
    }
    if let Some(path) = &options.report {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let command = format!("stoq {}", words.join(" "));
        let seed = (global.seed, global.threads);
        Document { findings: &findings, command: &command, seed, seconds }.save(path)?;
    }
    match findings.failure() {
        None => Ok(()),
        Some(why) => Err(Failure::Check(why)),
    }
}
