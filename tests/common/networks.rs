//! Networks that other programs exported, made by tests/python/make_networks.py; without its Python tests are skipped.

#![allow(dead_code)] // Every test file uses its own part.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use stoq::score::onnx_runtime::{Declaration, OnnxScore, OpenOptions, Opened, open};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The networks, what is known of them, and the library that Python's onnxruntime brings.
pub struct Networks {
    pub folder: tempfile::TempDir,
    pub cases: Value,
    pub library: PathBuf,
}

impl Networks {
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.onnx"))
    }

    pub fn options(&self) -> OpenOptions {
        OpenOptions { runtime: Some(self.library.clone()), ..OpenOptions::default() }
    }

    pub fn open_with(&self, name: &str, declaration: Declaration) -> stoq::Result<Arc<OnnxScore>> {
        match open(self.path(name), &OpenOptions { declaration, ..self.options() })? {
            Opened::Exported(score) => Ok(score),
            Opened::Native(_) => panic!("{name} was exported"),
        }
    }

    pub fn open(&self, name: &str) -> Arc<OnnxScore> {
        self.open_with(name, Declaration::default()).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

fn python() -> Option<PathBuf> {
    let built = root().join("build/python/bin/python");
    let found = std::env::var_os("STOQ_PYTHON").map(PathBuf::from).or_else(|| built.exists().then_some(built));
    if found.is_none() {
        let message = "no Python with onnx and onnxruntime: set STOQ_PYTHON, or build build/python";
        crate::common::skipped(message, "STOQ_REQUIRE_PYTHON");
    }
    found
}

pub fn networks() -> Option<&'static Networks> {
    static NETWORKS: OnceLock<Option<Networks>> = OnceLock::new();
    let made = NETWORKS.get_or_init(|| {
        let (python, folder) = (python()?, tempfile::tempdir().unwrap());
        let output =
            Command::new(&python).arg(root().join("tests/python/make_networks.py")).arg(folder.path()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}: {}", python.display(), String::from_utf8_lossy(&output.stderr));
        let cases: Value = serde_json::from_slice(&std::fs::read(folder.path().join("cases.json")).unwrap()).unwrap();
        // STOQ_ONNXRUNTIME tries another version than Python's.
        let given = std::env::var_os(stoq::runtime::VARIABLE).map(PathBuf::from);
        let library = given.unwrap_or_else(|| PathBuf::from(cases["library"].as_str().unwrap()));
        Some(Networks { folder, cases, library })
    });
    made.as_ref()
}
