//! The Rust side of the comparisons: times itself, prints one line of JSON.
//!
//!     cargo bench --bench compare_speed -- train --data D.npy --batch 64 --steps 20 --threads 1
//!     cargo bench --bench compare_speed -- denoise --model M.onnx --batch 64 --repeats 50 --threads 1
//!     cargo bench --bench compare_speed -- write-model --output M.onnx --extent 16

mod random_model;

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;
use stoq::action::ActionRecord;
use stoq::model::Model;
use stoq::rng::{Purpose, Stream};
use stoq::score::{NativeScore, Score};
use stoq::train::{Dataset, TrainOptions, Trainer};

const USAGE: &str = "usage:
  compare_speed train --data D.npy [--batch 64] [--steps 20] [--threads 1] [--kappa K --lambda L]
  compare_speed denoise --model M.onnx [--batch 64] [--repeats 50] [--threads 1]
  compare_speed write-model --output M.onnx [--extent 16]";

type Outcome<T> = Result<T, Box<dyn Error>>;

/// `--name value` pairs.
struct Arguments(Vec<String>);

impl Arguments {
    fn text(&self, name: &str) -> Option<&str> {
        let at = self.0.iter().position(|word| word.strip_prefix("--") == Some(name))?;
        self.0.get(at + 1).map(String::as_str)
    }

    fn required(&self, name: &str) -> Outcome<&str> {
        self.text(name).ok_or_else(|| format!("--{name} is missing\n{USAGE}").into())
    }

    fn number<T: std::str::FromStr>(&self, name: &str, default: T) -> Outcome<T> {
        match self.text(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| format!("--{name} {text}: not a number").into()),
        }
    }
}

fn main() -> Outcome<()> {
    // `cargo bench` adds --bench; alone it means "all benches", and there is nothing to do here.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let Some(command) = words.first().cloned() else {
        println!("{USAGE}");
        return Ok(());
    };
    let arguments = Arguments(words);
    match command.as_str() {
        "train" => train(&arguments),
        "denoise" => denoise(&arguments),
        "write-model" => {
            let extent = arguments.number("extent", 16)?;
            Ok(random_model::random_model(&[extent, extent])?.save(arguments.required("output")?)?)
        }
        _ => Err(format!("unknown command {command}\n{USAGE}").into()),
    }
}

/// Minimum and median, with all values, so that a caller can pool several runs.
fn print_times(what: &str, batch: usize, threads: usize, mut seconds: Vec<f64>) {
    let all: Vec<String> = seconds.iter().map(|value| format!("{value:.7}")).collect();
    seconds.sort_by(f64::total_cmp);
    let (minimum, median) = (seconds[0], seconds[seconds.len() / 2]);
    println!(
        "{{\"what\": \"{what}\", \"batch\": {batch}, \"threads\": {threads}, \"minimum_seconds\": {minimum:.7}, \
         \"median_seconds\": {median:.7}, \"samples_per_second\": {:.1}, \"seconds\": [{}]}}",
        batch as f64 / median,
        all.join(", ")
    );
}

/// Seconds per optimiser step; the first step, which touches all memory for the first time, is left out.
fn train(arguments: &Arguments) -> Outcome<()> {
    let data = Dataset::load(arguments.required("data")?)?;
    let action = match (arguments.text("kappa"), arguments.text("lambda")) {
        (None, None) => None,
        _ => Some(ActionRecord::phi4(arguments.number("kappa", 0.0)?, arguments.number("lambda", 0.0)?)),
    };
    let steps: u64 = arguments.number("steps", 20)?;
    let options = TrainOptions {
        batch: arguments.number("batch", 64)?,
        threads: arguments.number("threads", 1)?,
        ..TrainOptions::default()
    };
    let (batch, threads) = (options.batch, options.threads);
    let mut trainer = Trainer::new(data, action, options)?;
    trainer.step()?;
    let mut seconds = Vec::new();
    for _ in 0..steps.max(1) {
        let clock = Instant::now();
        trainer.step()?;
        seconds.push(clock.elapsed().as_secs_f64());
    }
    print_times("optimiser step", batch, threads, seconds);
    Ok(())
}

/// Seconds per batch of evaluations, each field at its own noise level.
fn denoise(arguments: &Arguments) -> Outcome<()> {
    let model = Model::load(arguments.required("model")?)?;
    let sites = model.lattice()?.sites();
    let batch: usize = arguments.number("batch", 64)?;
    let threads = arguments.number("threads", 1)?;
    let repeats: usize = arguments.number("repeats", 50)?;
    let noise: Vec<f64> = (0..batch).map(|i| 0.1 * 100f64.powf(i as f64 / batch as f64)).collect();
    let mut fields = vec![0.0; batch * sites];
    Stream::new(7, 0, 0)?.normals(Purpose::Diagnostic, 0, &mut fields);
    for (field, noise) in fields.chunks_exact_mut(sites).zip(&noise) {
        field.iter_mut().for_each(|x| *x *= 1.0 + noise);
    }
    let mut denoised = vec![0.0; batch * sites];
    let mut evaluator = Arc::new(NativeScore::new(model)?).evaluator(threads)?;
    evaluator.denoise(&noise, &fields, &mut denoised)?;
    let mut seconds = Vec::new();
    for _ in 0..repeats.max(1) {
        let clock = Instant::now();
        evaluator.denoise(&noise, &fields, &mut denoised)?;
        seconds.push(clock.elapsed().as_secs_f64());
    }
    print_times("batch of evaluations", batch, threads, seconds);
    Ok(())
}
