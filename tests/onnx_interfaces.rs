//! Exported networks through the C ABI and the command line.

#![cfg(feature = "onnxruntime")]

mod common;
#[path = "common/networks.rs"]
mod networks;

use networks::networks;
use std::ffi::CString;
use std::path::Path;
use std::process::Command;
use std::ptr::{null, null_mut};
use stoq::capi::*;
use stoq::rng::{Purpose, Stream};

fn random(length: usize, seed: u64) -> Vec<f64> {
    let mut values = vec![0.0; length];
    Stream::new(seed, 0, 0).unwrap().normals(Purpose::Diagnostic, 0, &mut values);
    values
}

#[test]
fn the_c_abi_opens_exported_networks() {
    let Some(networks) = networks() else { return };
    let text = |path: &Path| CString::new(path.to_str().unwrap()).unwrap();
    let (library, silent, rank2) =
        (text(&networks.library), text(&networks.path("silent")), text(&networks.path("rank2")));
    let (device, covariance) = (CString::new("cpu").unwrap(), [0.5]);
    let mut options = std::mem::MaybeUninit::<stoq_model_open_options_t>::uninit();
    // SAFETY: a contract for each call, kept: live handles, strings that end with NUL, buffers of their lengths.
    unsafe {
        assert_eq!(stoq_model_open_options_init(options.as_mut_ptr()), STOQ_OK);
        let mut options = options.assume_init();
        options.runtime = library.as_ptr();
        let mut model = null_mut();
        assert_eq!(stoq_model_open_with(silent.as_ptr(), &options, &mut model), STOQ_INVALID_ARGUMENT);
        assert!(model.is_null());
        (options.scheme, options.sigma) = (STOQ_SCHEME_VARIANCE_EXPANDING, 25.0);
        (options.output, options.time) = (STOQ_OUTPUT_SIGMA_SCORE, STOQ_TIME_LOG_SIGMA);
        (options.device, options.covariance, options.covariance_count) = (device.as_ptr(), covariance.as_ptr(), 1);
        assert_eq!(stoq_model_open_with(silent.as_ptr(), &options, &mut model), STOQ_OK);
        let (times, field, mut scores) = ([0.3, 0.6], random(32, 1), [0.0; 32]);
        assert_eq!(stoq_model_score(model, 2, times.as_ptr(), field.as_ptr(), scores.as_mut_ptr()), STOQ_OK);
        assert!(scores.iter().all(|x| x.is_finite()) && scores[0] != 0.0);
        let (mut buffer, key) = ([0u8; 64], CString::new("output").unwrap());
        let length = buffer.len();
        let status = stoq_model_metadata(model, key.as_ptr(), buffer.as_mut_ptr().cast(), length, null_mut());
        assert_eq!((status, &buffer[..12]), (STOQ_OK, &b"sigma*score\0"[..]));
        stoq_model_free(model);
        // What cannot be: each leaves the handle alone.
        let refused = |change: &dyn Fn(&mut stoq_model_open_options_t), path: &CString| {
            let (mut model, mut options) = (null_mut(), options);
            change(&mut options);
            let status = stoq_model_open_with(path.as_ptr(), &options, &mut model);
            assert!(model.is_null() || status == STOQ_OK);
            stoq_model_free(model);
            status
        };
        let bad = CString::new("tpu").unwrap();
        let cuda = CString::new("cuda:900").unwrap();
        let nowhere = CString::new("/nowhere").unwrap();
        assert_eq!(refused(&|_| (), &silent), STOQ_OK);
        assert_eq!(refused(&|o| o.device = bad.as_ptr(), &silent), STOQ_INVALID_ARGUMENT);
        assert_eq!(refused(&|o| o.device = cuda.as_ptr(), &silent), STOQ_DEVICE_UNAVAILABLE);
        assert_eq!(refused(&|o| o.runtime = nowhere.as_ptr(), &silent), STOQ_RUNTIME_MISSING);
        assert_eq!(refused(&|o| o.engine = 9, &silent), STOQ_INVALID_ARGUMENT);
        assert_eq!(refused(&|o| o.engine = STOQ_ENGINE_NATIVE, &silent), STOQ_INVALID_ARGUMENT);
        assert_eq!(refused(&|o| o.time = STOQ_TIME_T, &rank2), STOQ_INVALID_ARGUMENT);
        assert_eq!(refused(&|o| o.steps = 3, &silent), STOQ_INVALID_ARGUMENT);
        assert_eq!(refused(&|o| o.struct_size = 8, &silent), STOQ_INVALID_ARGUMENT);
        assert_eq!(refused(&|o| o.rank = 7, &silent), STOQ_INVALID_ARGUMENT);
        assert_eq!(refused(&|o| (o.rank, o.extents) = (2, [8, 8, 0, 0]), &silent), STOQ_MODEL_FILE);
        assert_eq!(refused(&|_| (), &text(&networks.path("text"))), STOQ_MODEL_FILE);
        let mut model = null_mut();
        assert_eq!(stoq_model_load(rank2.as_ptr(), &mut model), STOQ_OK);
        stoq_model_free(model);
        assert_eq!(stoq_model_open_with(null(), null(), &mut model), STOQ_INVALID_ARGUMENT);
    }
}

#[test]
fn the_command_line_takes_exported_networks() {
    let Some(networks) = networks() else { return };
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stoq"));
        command.args(arguments).env(stoq::runtime::VARIABLE, &networks.library).current_dir(folder.path());
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text.into_owned())
    };
    let done = |arguments: &[&str], word: &str| {
        let (status, text) = run(arguments);
        assert!(status == Some(0) && text.contains(word), "{arguments:?}: {text}");
    };
    let (phi4, silent) = (networks.path("phi4"), networks.path("silent"));
    let (phi4, silent) = (phi4.to_str().unwrap(), silent.to_str().unwrap());
    done(&["runtime", "info"], "ONNX Runtime 1.");
    done(&["info", phi4], "denoiser");
    done(
        &["data", "phi4", "--kappa", "0.21", "--lambda", "0.022", "--extent", "4,4", "--configs", "512", "-o", "d.npy"],
        "",
    );
    done(&["check", phi4, "--levels", "6", "--proposals", "256"], "acceptance");
    done(&["check", phi4, "--levels", "6", "--proposals", "256", "--data", "d.npy"], "");
    let chain = ["chain", "phi4", "--kappa", "0.21", "--lambda", "0.022", "--extent", "4,4"];
    done(&[&chain[..], &["--kernel", "hmc+path", "--model", phi4, "--updates", "200", "--device", "cpu"]].concat(), "");
    done(&["sample", phi4, "--configs", "32", "--steps", "8", "-o", "s.npy"], "");
    let flags =
        ["adopt", silent, "-o", "a.onnx", "--schedule", "ve", "--returns", "sigma*score", "--time", "log sigma"];
    done(&[&flags[..], &["--data", "d.npy", "--action", "phi4 kappa=0.21 lambda=0.022"]].concat(), "wrote a.onnx");
    done(&["info", "a.onnx"], "kappa=0.21");
    done(&["check", "a.onnx", "--levels", "4", "--proposals", "64"], "acceptance");
    for (arguments, word) in [
        (&["info", silent][..], "stoq adopt"),
        (&["adopt", silent, "-o", "b.onnx"], "schedule"),
        (&["adopt", phi4, "-o", "b.onnx", "--time", "t"], "time input"),
        (&["check", phi4, "--device", "cuda:900"], "cuda:900"),
        (&["check", phi4, "--device", "gpu"], "cuda:0"),
    ] {
        let (status, text) = run(arguments);
        assert!(status == Some(2) && text.contains(word), "{arguments:?}: {text}");
    }
    assert!(!folder.path().join("b.onnx").exists());
    // A runtime that is not there is said so, and a model of stoq goes on.
    let without = |model: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stoq"));
        command.env(stoq::runtime::VARIABLE, "/nowhere").arg("info").arg(model).output().unwrap()
    };
    let refused = without(Path::new(phi4));
    assert!(refused.status.code() == Some(2) && String::from_utf8_lossy(&refused.stderr).contains("/nowhere"));
    assert!(
        without(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/models/phi4_16x16_kappa0.27.onnx"))
            .status
            .success()
    );
}
