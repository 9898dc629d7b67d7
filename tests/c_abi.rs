//! The C ABI as C sees it: `tests/c/*.c`, compiled against `include/stoq.h` and the shared library, with the
//! address and undefined-behaviour sanitizers where they are. And, from Rust, that a move allocates nothing.

mod common;

use common::{library_folder, root, skipped, valgrind};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ffi::CString;
use std::path::Path;
use std::process::Command;
use std::ptr::{null, null_mut};
use stoq::capi::*;
use stoq::diffusion::Schedule;
use stoq::fourier::momentum_classes;
use stoq::lattice::Lattice;
use stoq::model::{ActionRecord, Metadata, Model};
use stoq::nn::{UNet, UNetShape};
use stoq::rng::{Purpose, Stream};

const KAPPA: f64 = 0.21;

/// An untrained network around the free field's covariance: far from phi^4 enough that moves are rejected,
/// close enough that some are accepted.
fn write_model(path: &Path) {
    let lattice = Lattice::new(&[4, 4]).unwrap();
    let network = UNetShape { channels: vec![4, 6], embedding: 8, ..UNetShape::default() };
    let (class, classes) = momentum_classes(&lattice);
    let mut covariance = vec![0.0; classes];
    for (momentum, &class) in class.iter().enumerate() {
        let cosines: f64 =
            lattice.coordinates(momentum).iter().map(|&k| (std::f64::consts::TAU * k as f64 / 4.0).cos()).sum();
        covariance[class as usize] = 1.0 / (2.0 - 4.0 * KAPPA * cosines);
    }
    let stream = Stream::new(11, 0, 0).unwrap();
    let mut parameters: Vec<f32> = UNet::new(&network, &lattice).unwrap().layout().initial(&stream);
    let mut noise = vec![0.0; parameters.len()];
    stream.normals(Purpose::Start, 0, &mut noise);
    parameters.iter_mut().zip(noise).for_each(|(parameter, noise)| *parameter += 0.03 * noise as f32);
    let metadata = Metadata {
        action: Some(ActionRecord::phi4(KAPPA, 0.022)),
        ..Metadata::untrained(&lattice, Schedule::variance_expanding(10.0).unwrap(), network, covariance)
    };
    Model::new(metadata, parameters).unwrap().save(path).unwrap();
}

const SANITIZERS: &str = "-fsanitize=address,undefined";

fn sanitizers_link(folder: &Path) -> bool {
    let source = folder.join("probe.c");
    std::fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    let built = Command::new("cc").arg(SANITIZERS).arg(&source).arg("-o").arg(folder.join("probe")).output();
    let runs = Command::new(folder.join("probe")).output();
    matches!((built, runs), (Ok(built), Ok(runs)) if built.status.success() && runs.status.success())
}

/// What watches a C program: the sanitizers of the compiler (or valgrind, see `make valgrind`), or nobody, where memory
/// is measured.
#[derive(Clone, Copy, PartialEq)]
enum Watch {
    Sanitizers,
    Nobody,
}

fn compile_and_run(name: &str) {
    compile_and_run_watched(name, Watch::Sanitizers);
}

fn compile_and_run_watched(name: &str, watch: Watch) {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    if Command::new("cc").arg("--version").output().is_err() {
        return skipped("there is no C compiler `cc`", "STOQ_REQUIRE_COMPILERS");
    }
    let (library, program, model) = (library_folder(folder), folder.join(name), folder.join("model.onnx"));
    write_model(&model);
    let mut compiler = Command::new("cc");
    compiler.args(["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-gdwarf-4", "-O1", "-ffp-contract=off"]);
    let valgrind = if watch == Watch::Sanitizers { valgrind(&program) } else { None };
    compiler.arg("-pthread");
    if watch == Watch::Nobody || valgrind.is_some() {
        // Alone.
    } else if sanitizers_link(folder) {
        compiler.args([SANITIZERS, "-fno-sanitize-recover=all"]);
    } else {
        eprintln!("without sanitizers: they do not link here");
    }
    compiler
        .arg("-I")
        .arg(root().join("include"))
        .arg(root().join(format!("tests/c/{name}.c")))
        .arg("-o")
        .arg(&program);
    compiler.arg("-L").arg(&library).args(["-lstoq", "-lm"]);
    let built = compiler.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let paths = ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];
    let mut run = valgrind.unwrap_or_else(|| Command::new(&program));
    run.arg(&model).envs(paths.map(|name| (name, &library)));
    // One test asks for more memory than there is; the sanitizer would end the program there.
    let run = run.env("ASAN_OPTIONS", "allocator_may_return_null=1").output().unwrap();
    let (out, errors) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{out}{errors}");
    // The library prints nothing, and the programs one line each.
    assert_eq!(out.lines().count(), 1, "{out}");
    let foreign = |line: &&str| !line.starts_with("==") || !line.contains("AddressSanitizer");
    assert_eq!(errors.lines().filter(foreign).collect::<Vec<_>>(), [""; 0]);
    eprint!("{out}");
}

#[test]
fn handles_fail_politely() {
    compile_and_run("handles");
}

#[test]
fn options_and_layouts_fail_politely() {
    compile_and_run("options");
}

#[test]
fn reports_and_statistics() {
    compile_and_run("statistics");
}

#[test]
fn named_layouts_there_and_back() {
    compile_and_run("layouts");
}

#[test]
fn chains_agree_bit_for_bit() {
    compile_and_run("chain");
}

#[test]
fn every_kernel_follows_the_host() {
    compile_and_run("kernels");
}

#[test]
fn moments_are_exact() {
    compile_and_run("moments");
}

#[test]
fn link_angles_in_any_layout_give_the_exact_values() {
    compile_and_run("u1");
}

#[test]
fn a_host_trains_while_its_chain_runs() {
    compile_and_run("trainer");
}

#[test]
fn approximate_tools_agree_with_closed_forms() {
    compile_and_run("approximate");
}

#[test]
fn chains_run_on_many_threads_over_one_model() {
    compile_and_run("threads");
}

#[test]
fn memory_stays_what_it_was() {
    compile_and_run_watched("cycles", Watch::Nobody);
}

/// The same threads under ThreadSanitizer, when `make tsan` has built the library with it.
#[test]
fn threads_have_no_races() {
    let Some(library) = std::env::var_os("STOQ_TSAN_LIBRARY").map(std::path::PathBuf::from) else {
        return skipped("no library with ThreadSanitizer: make tsan", "STOQ_REQUIRE_TSAN");
    };
    // Rust's own runtime: the library was instrumented for it, and those of older C compilers lack some of its functions.
    let folder = Command::new("rustc").args(["--print", "target-libdir"]).output().unwrap();
    let folder = std::path::PathBuf::from(String::from_utf8(folder.stdout).unwrap().trim());
    let named = |name: &str| name.starts_with("librustc") && name.ends_with("rt.tsan.a");
    let mut names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let runtime = folder.join(names.find(|name| named(name)).expect("a runtime of ThreadSanitizer"));
    let temporary = tempfile::tempdir().unwrap();
    let model = temporary.path().join("model.onnx");
    write_model(&model);
    for planted in [false, true] {
        let (object, program) = (temporary.path().join("threads.o"), temporary.path().join("threads"));
        let mut compiler = Command::new("cc");
        compiler
            .args(["-std=c99", "-g", "-O1", "-fsanitize=thread", "-pthread", "-c", "-I"])
            .arg(root().join("include"));
        compiler.args(planted.then_some("-DPLANTED_RACE")).arg(root().join("tests/c/threads.c")).arg("-o").arg(&object);
        let mut linker = Command::new("cc");
        linker.arg(&object).arg("-o").arg(&program).arg("-Wl,--whole-archive").arg(&runtime);
        linker.args(["-Wl,--no-whole-archive", "-rdynamic", "-L"]).arg(&library);
        for command in [&mut compiler, linker.args(["-lstoq", "-lm", "-lpthread", "-ldl", "-lrt"])] {
            let built = command.output().unwrap();
            assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        }
        let run = Command::new(&program).arg(&model).env("LD_LIBRARY_PATH", &library).output().unwrap();
        let (out, errors) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        if planted {
            assert!(!run.status.success() && errors.contains("data race"), "{out}{errors}");
        } else {
            assert!(run.status.success() && errors.is_empty(), "{out}{errors}");
        }
    }
}

thread_local!(static ALLOCATIONS: Cell<u64> = const { Cell::new(0) });

struct Counting;

// SAFETY: the system allocator, and a counter without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// S = 0.6 sum phi^2 in a strided layout: every second double.
unsafe extern "C" fn gaussian(_: *mut std::ffi::c_void, field: *const f64, sites: usize, action: *mut f64) -> i32 {
    // SAFETY: the layout of the test has its sites at every second double.
    unsafe { *action = (0..sites).map(|site| 0.6 * field.add(2 * site).read().powi(2)).sum() };
    0
}

/// Its force.
unsafe extern "C" fn gaussian_force(_: *mut std::ffi::c_void, field: *const f64, sites: usize, force: *mut f64) -> i32 {
    // SAFETY: as above.
    (0..sites).for_each(|site| unsafe { force.add(2 * site).write(-1.2 * field.add(2 * site).read()) });
    0
}

#[test]
fn a_move_allocates_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("model.onnx");
    write_model(&path);
    let path = CString::new(path.to_str().unwrap()).unwrap();
    // All but STOQ_KERNEL_LIKELIHOOD, whose derivatives of a network have work space of their own.
    for kernel in (STOQ_KERNEL_PATH..=STOQ_KERNEL_LANGEVIN).filter(|&kernel| kernel != STOQ_KERNEL_LIKELIHOOD) {
        let in_halves = kernel <= STOQ_KERNEL_RENOISE;
        let (mut model, mut action, mut chain) = (null_mut(), null_mut(), null_mut());
        let mut layout = std::mem::MaybeUninit::<stoq_layout_t>::uninit();
        let mut options = std::mem::MaybeUninit::<stoq_chain_options_t>::uninit();
        let (mut field, mut proposal) = ([0.0f64; 32], [0.0f64; 32]);
        // SAFETY: a contract for each call, kept: live handles, buffers of 16 sites with stride 2.
        unsafe {
            assert_eq!(stoq_layout_init(layout.as_mut_ptr(), 2, [4usize, 4].as_ptr()), STOQ_OK);
            assert_eq!(stoq_chain_options_init(options.as_mut_ptr()), STOQ_OK);
            let (mut layout, mut options) = (layout.assume_init(), options.assume_init());
            (layout.strides, options.kernel, options.levels) = ([8, 2, 0, 0], kernel, 6);
            options.drift = STOQ_DRIFT_BLEND;
            assert_eq!(stoq_model_load(path.as_ptr(), &mut model), STOQ_OK);
            assert_eq!(stoq_action_callback(&layout, Some(gaussian), null_mut(), None, &mut action), STOQ_OK);
            assert_eq!(stoq_action_set_force(action, Some(gaussian_force)), STOQ_OK);
            assert_eq!(stoq_chain_new(model, action, &layout, &options, &mut chain), STOQ_OK);
            let mut update = |_| {
                let (mut outcome, mut log_hastings) = (0, 0.0);
                assert_eq!(stoq_chain_step(chain, field.as_mut_ptr(), &mut outcome), STOQ_OK);
                if !in_halves {
                    return;
                }
                assert_eq!(
                    stoq_chain_propose(chain, field.as_ptr(), proposal.as_mut_ptr(), &mut log_hastings),
                    STOQ_OK
                );
                assert_eq!(stoq_chain_resolve(chain, 0.1, field.as_mut_ptr(), &mut outcome), STOQ_OK);
            };
            (0..20).for_each(&mut update);
            let before = ALLOCATIONS.get();
            (0..50).for_each(&mut update);
            assert_eq!(ALLOCATIONS.get() - before, 0, "kernel {kernel}");
            assert!(before > 0);
            stoq_chain_free(chain);
            stoq_action_free(action);
            stoq_model_free(model);
            assert_ne!(stoq_model_rank(null(), null_mut()), STOQ_OK);
        }
    }
}
