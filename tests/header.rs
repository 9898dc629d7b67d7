//! `include/stoq.h` is what cbindgen makes of `src/capi`, compiles alone, documents every parameter, and
//! declares exactly what the shared library exports.

mod common;

use common::{root, skipped};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const RENEW: &str = "STOQ_UPDATE_HEADER=1 cargo test --release --test header";

/// The committed header, renewed before any test reads it if that was asked for.
fn committed() -> &'static str {
    static HEADER: OnceLock<String> = OnceLock::new();
    HEADER.get_or_init(|| {
        let path = root().join("include/stoq.h");
        if std::env::var_os("STOQ_UPDATE_HEADER").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, generated()).unwrap();
        }
        std::fs::read_to_string(path).unwrap_or_default()
    })
}

fn generated() -> String {
    let config = cbindgen::Config::from_file(root().join("cbindgen.toml")).unwrap();
    // In the order in which a reader meets them.
    let sources = [
        "status",
        "lattice",
        "schedule",
        "model",
        "model_open",
        "model_at",
        "analytic",
        "built_in",
        "host",
        "action",
        "options",
        "chain",
        "chain_state",
        "train_options",
        "trainer",
        "trainer_model",
        "generator",
        "likelihood",
        "complex_langevin",
        "cumulants",
        "u1",
        "fokker_planck",
        "estimate",
        "report",
        "statistics",
    ];
    let builder = cbindgen::Builder::new().with_config(config);
    let builder = sources.iter().fold(builder, |b, name| b.with_src(root().join(format!("src/capi/{name}.rs"))));
    let mut text = Vec::new();
    builder.generate().unwrap().write(&mut text);
    String::from_utf8(text).unwrap()
}

#[test]
fn header_is_current() {
    let (new, old) = (generated(), committed());
    let line = new.lines().zip(old.lines()).position(|(new, old)| new != old);
    assert!(
        new == old,
        "include/stoq.h differs from src/capi (first in line {:?}); renew it:\n    {RENEW}",
        line.map(|l| l + 1)
    );
}

/// A declared function.
struct Declaration {
    name: String,
    comment: Vec<String>,
    parameters: String,
}

fn declarations(header: &str) -> Vec<Declaration> {
    let (_, code) = header.split_once("#endif // __cplusplus").expect("the opening of extern \"C\"");
    let (code, _) = code.split_once("#ifdef __cplusplus").expect("the end of extern \"C\"");
    let (mut found, mut comment, mut statement) = (Vec::new(), Vec::new(), String::new());
    for line in code.lines() {
        match line.strip_prefix("///") {
            Some(text) => comment.push(text.trim().to_string()),
            None => statement += line,
        }
        if let Some((head, parameters)) = statement.strip_suffix(");").and_then(|text| text.split_once('(')) {
            let name = head.rsplit([' ', '*']).next().unwrap().to_string();
            found.push(Declaration { name, comment: std::mem::take(&mut comment), parameters: parameters.into() });
            statement.clear();
        }
    }
    assert_eq!(statement, "", "not a declaration of a function");
    found
}

#[test]
fn every_parameter_is_documented_with_its_direction() {
    let declarations = declarations(committed());
    assert!(declarations.len() > 20);
    for Declaration { name, comment, parameters } in declarations {
        for parameter in parameters.split(',').map(str::trim).filter(|parameter| *parameter != "void") {
            let parameter = parameter.rsplit([' ', '*']).next().unwrap();
            let documented = comment.iter().any(|line| {
                let mut words = line.split_whitespace();
                let direction = words.next().and_then(|word| word.strip_prefix("@param"));
                matches!(direction, Some("[in]" | "[out]" | "[in,out]")) && words.next() == Some(parameter)
            });
            assert!(documented, "{name}: parameter `{parameter}` lacks its @param[in], [out] or [in,out]");
        }
        let returns = comment.iter().any(|line| line.starts_with("@return"));
        assert!(returns || name.ends_with("_free"), "{name}: no @return");
    }
}

#[test]
fn header_compiles_alone_in_c_and_cpp() {
    let header = root().join("include/stoq.h");
    committed();
    let run = |compiler: &str, options: &[&str]| {
        let strict = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only"];
        match Command::new(compiler).args(options).args(strict).arg(&header).output() {
            Err(error) => skipped(&format!("{compiler}: {error}"), "STOQ_REQUIRE_COMPILERS"),
            Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        }
    };
    run("cc", &["-std=c99", "-x", "c"]);
    run("c++", &["-std=c++11", "-x", "c++"]);
}

/// By every compiler that is here, also where it comes twice, after the other header, or with another standard.
#[test]
fn headers_compile_twice_without_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let mut found = 0;
    let names = std::fs::read_dir(root().join("include")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut headers: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    headers.sort();
    assert!(headers.len() > 2 && headers[0] == "stoq.h", "{headers:?}");
    for (compiler, standards, headers) in [
        ("gcc", ["-std=c99", "-std=c17"], &headers[..1]),
        ("clang", ["-std=c99", "-std=c17"], &headers[..1]),
        ("g++", ["-std=c++17", "-std=c++20"], &headers[..]),
        ("clang++", ["-std=c++17", "-std=c++20"], &headers[..]),
    ] {
        for header in headers {
            let source = folder.path().join(if compiler.ends_with("++") { "twice.cpp" } else { "twice.c" });
            let text = format!(
                "#include <{header}>\n#include <{header}>\n#include <stoq.h>\nint main(void) {{ return 0; }}\n"
            );
            std::fs::write(&source, text).unwrap();
            for standard in standards {
                let mut command = Command::new(compiler);
                command.args([standard, "-Wall", "-Wextra", "-pedantic", "-Wshadow", "-Wconversion", "-Werror"]);
                command.arg("-fsyntax-only").arg("-I").arg(root().join("include")).arg(&source);
                match command.output() {
                    Err(error) => skipped(&format!("{compiler}: {error}"), "STOQ_REQUIRE_COMPILERS"),
                    Ok(output) => {
                        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
                        found += 1;
                    }
                }
            }
        }
    }
    eprintln!("{found} combinations of compiler, standard and header");
}

/// `make docs`: every declaration is in the reference, every name and link of the guide leads somewhere; and the script
/// sees a name that the header does not have.
#[test]
fn documentation_follows_the_header() {
    let folder = tempfile::tempdir().unwrap();
    let run = |script: &Path| Command::new("python3").arg(script).arg(folder.path().join("docs")).output();
    let output = match run(&root().join("docs/build.py")) {
        Ok(output) => output,
        Err(error) => return skipped(&format!("python3: {error}"), "STOQ_REQUIRE_PYTHON"),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let reference = std::fs::read_to_string(folder.path().join("docs/reference.html")).unwrap();
    for declaration in declarations(committed()) {
        let section = format!("<section id=\"{}\">", declaration.name);
        assert_eq!(reference.matches(&section).count(), 1, "{}", declaration.name);
    }
    // A copy of the guide with a function that is none.
    for part in ["docs/guide", "include"] {
        std::fs::create_dir_all(folder.path().join(part)).unwrap();
        for file in std::fs::read_dir(root().join(part)).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), folder.path().join(part).join(file.file_name())).unwrap();
        }
    }
    let script = folder.path().join("docs/build.py");
    std::fs::copy(root().join("docs/build.py"), &script).unwrap();
    let page = folder.path().join("docs/guide/concepts.md");
    let text = std::fs::read_to_string(&page).unwrap();
    std::fs::write(&page, text + "\nCall `stoq_chain_stepp()`.\n").unwrap();
    let output = run(&script).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains("concepts.md: stoq.h has no stoq_chain_stepp"), "{errors}");
}

/// The shared library that cargo built together with this test.
fn library() -> PathBuf {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_path_buf();
    deps.join("libstoq.so")
}

#[test]
#[cfg(target_os = "linux")]
fn library_exports_what_the_header_declares() {
    let output = match Command::new("nm").args(["-D", "--defined-only"]).arg(library()).output() {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout).unwrap(),
        other => return skipped(&format!("nm does not run ({other:?})"), "STOQ_REQUIRE_COMPILERS"),
    };
    let exported: BTreeSet<String> =
        output.lines().filter_map(|line| line.split_whitespace().last()).map(String::from).collect();
    let declared: BTreeSet<String> = declarations(committed()).into_iter().map(|d| d.name).collect();
    assert_eq!(exported, declared);
    assert!(exported.iter().all(|name| name.starts_with("stoq_")));
}
