//! Gives the shared library the name by which programs ask for it at run time, with the number of its C ABI:
//! `libstoq.so.2`. A program that was linked against another number then does not start with this library,
//! instead of calling it wrongly.

use std::path::Path;

fn main() {
    let source = "src/capi/status.rs";
    println!("cargo:rerun-if-changed={source}");
    println!("cargo:rerun-if-changed=build.rs");
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let text = std::fs::read_to_string(Path::new(&folder).join(source)).expect("the source has src/capi/status.rs");
    let (_, rest) = text.split_once("STOQ_ABI_VERSION: u32 = ").expect("src/capi/status.rs defines STOQ_ABI_VERSION");
    let number: u32 =
        rest.split(';').next().and_then(|number| number.parse().ok()).expect("STOQ_ABI_VERSION is a number");
    match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("macos") => println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libstoq.{number}.dylib"),
        Ok("linux" | "freebsd" | "netbsd" | "openbsd" | "dragonfly") => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libstoq.so.{number}");
        }
        _ => {}
    }
}
