//! What the compiler tells newcomers about a handler of the wrong shape, and about a server that is dropped at once.
//!
//! The attributes that produce these texts are only hints, and the compiler does not report one that has lost its
//! effect. So these tests compile packages with typical mistakes, and look for the texts.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Checks a package with one program that depends on this crate, and returns the compiler's output.
fn compiler_on(name: &str, program: &str) -> String {
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiler_messages").join(name);
    let crate_root = env!("CARGO_MANIFEST_DIR");
    let manifest = format!(
        "[package]\nname = {name:?}\nedition = \"2024\"\n\n[dependencies]\nwaterwheel = {{ path = {crate_root:?} }}\n\n[workspace]\n",
    );
    fs::create_dir_all(package.join("src")).expect("the target directory can be written");
    fs::write(package.join("Cargo.toml"), manifest).expect("the target directory can be written");
    fs::write(package.join("src/main.rs"), program).expect("the target directory can be written");
    // The versions that this test was built with are already on the machine, so nothing is downloaded.
    fs::copy(Path::new(crate_root).join("Cargo.lock"), package.join("Cargo.lock")).expect("the versions are locked");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut check = Command::new(cargo);
    check
        .args(["check", "--offline", "--quiet", "--color", "never", "--target-dir"])
        .arg(package.with_file_name("target"));
    let checked = check.current_dir(&package).output().expect("cargo can be run");
    String::from_utf8_lossy(&checked.stderr).into_owned()
}

/// The diagnostics in the compiler's output, each with its headline first.
fn diagnostics(said: &str) -> Vec<&str> {
    let one = |text: &&str| text.starts_with("error[") || text.starts_with("warning: ");
    said.split("\n\n").filter(one).collect()
}

#[test]
fn a_handler_of_the_wrong_shape_is_told_the_right_one() {
    let said = compiler_on(
        "wrong_handlers",
        "use waterwheel::{StreamReader, StreamWriter, start_server};\n\
         async fn one_argument(_: StreamReader) {}\n\
         async fn swapped(_: StreamWriter, _: StreamReader) {}\n\
         async fn number(_: StreamReader, _: StreamWriter) -> u32 { 1 }\n\
         struct Mute;\n\
         async fn mute_error(_: StreamReader, _: StreamWriter) -> Result<(), Mute> { Ok(()) }\n\
         fn main() {\n\
             let _ = start_server(one_argument, 80);\n\
             let _ = start_server(swapped, 80);\n\
             let _ = start_server(number, 80);\n\
             let _ = start_server(mute_error, 80);\n\
             let _ = start_server(|_, _| async { 1 }, 80);\n\
         }\n"
        .replace("80", "\"localhost:80\"")
        .as_str(),
    );
    let wrong: Vec<_> = diagnostics(&said).into_iter().filter(|text| text.starts_with("error[E0277]")).collect();
    assert_eq!(wrong.len(), 5, "{said}");
    for diagnostic in wrong {
        for text in [
            "cannot be called for each connection of a server",
            "not a handler of connections",
            "takes `(StreamReader, StreamWriter)`, in this order",
            "it returns `()`, or is async and returns `()` or `Result<(), E>`, where `E` implements `Display`",
        ] {
            assert!(diagnostic.contains(text), "{text:?} is missing:\n{diagnostic}");
        }
    }
}

#[test]
fn a_server_that_is_dropped_at_once_is_told_what_that_does() {
    let said = compiler_on(
        "dropped_server",
        "fn main() -> std::io::Result<()> {\n\
             waterwheel::run(async {\n\
                 waterwheel::start_server(async |_, _| (), \"localhost:0\").await?;\n\
                 Ok(())\n\
             })\n\
         }\n",
    );
    let told = diagnostics(&said).into_iter().find(|text| text.contains("unused `Server` that must be used"));
    let told = told.unwrap_or_else(|| panic!("nothing is told:\n{said}"));
    assert!(told.contains("dropping a server closes its listeners"), "{told}");
}
