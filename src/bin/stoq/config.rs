//! Flags from a TOML file: `--config run.toml` stands for every `key = value` in it as `--key value`, unless the
//! command line gives that flag itself.

use clap::Command;
use std::ffi::OsString;
use std::path::Path;
use stoq::{Error, Result};

/// The words of the command line, with those of the file after the name of the command.
pub fn expand(command: &Command, words: Vec<OsString>) -> Result<Vec<OsString>> {
    let Some(path) = config_file(&words) else { return Ok(words) };
    let named = words.iter().enumerate().skip(1).find_map(|(index, word)| {
        let found = command.get_subcommands().find(|sub| Some(sub.get_name()) == word.to_str())?;
        Some((index, found))
    });
    let Some((index, subcommand)) = named else { return Ok(words) };
    let text = std::fs::read_to_string(&path).map_err(|source| Error::io(&path, source))?;
    let shown = Path::new(&path).display().to_string();
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        Error::invalid("--config", format!("{shown} ({})", error.message()), "a TOML file of flags, such as seed = 1")
    })?;
    let mut expanded = words[..=index].to_vec();
    for (key, value) in table {
        let name = key.replace('_', "-");
        let known = subcommand.get_arguments().chain(command.get_arguments());
        let Some(flag) = known.into_iter().find(|flag| flag.get_long() == Some(&name)) else {
            let expected = format!("a flag of stoq {} without its --; see --help", subcommand.get_name());
            return Err(Error::invalid(&format!("{shown}: {key}"), value.type_str(), &expected));
        };
        if !given(&words, &name, flag.get_short()) {
            expanded.extend(flag_words(&name, &value, &shown)?);
        }
    }
    expanded.extend_from_slice(&words[index + 1..]);
    Ok(expanded)
}

fn config_file(words: &[OsString]) -> Option<OsString> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--config" {
            return words.next().cloned();
        }
        if let Some(path) = word.to_str().and_then(|word| word.strip_prefix("--config=")) {
            return Some(path.into());
        }
    }
    None
}

/// Whether the command line has the flag.
fn given(words: &[OsString], name: &str, short: Option<char>) -> bool {
    words.iter().filter_map(|word| word.to_str()).any(|word| {
        let long = word.strip_prefix("--").is_some_and(|rest| rest == name || rest.starts_with(&format!("{name}=")));
        long || short.is_some_and(|short| !word.starts_with("--") && word.starts_with(&format!("-{short}")))
    })
}

/// `--name=value`; lists are joined by commas, `true` is the bare flag, `false` nothing.
fn flag_words(name: &str, value: &toml::Value, file: &str) -> Result<Vec<OsString>> {
    let scalar = |value: &toml::Value| match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        _ => None,
    };
    let text = match value {
        toml::Value::Boolean(true) => return Ok(vec![format!("--{name}").into()]),
        toml::Value::Boolean(false) => return Ok(vec![]),
        toml::Value::Array(values) => {
            values.iter().map(scalar).collect::<Option<Vec<_>>>().map(|values| values.join(","))
        }
        other => scalar(other),
    };
    let expected = "a number, a text, true, false, or a list of numbers";
    let text = text.ok_or_else(|| Error::invalid(&format!("{file}: {name}"), value.type_str(), expected))?;
    Ok(vec![format!("--{name}={text}").into()])
}
