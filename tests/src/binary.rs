//! The `stromatekt` binary that the tests run: built once, with the profile that the tests themselves were built with.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The path of the binary.
///
/// Cargo builds the binaries of a package for the tests of that package alone, so the first caller has cargo build this
/// one. `STROMATEKT_BIN` names another binary to test.
pub fn stromatekt() -> &'static PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(named) = env::var_os("STROMATEKT_BIN") {
            return PathBuf::from(named);
        }
        // TARGET/PROFILE/deps/e2e-HASH
        let test = env::current_exe().expect("the test binary has a path");
        let output = test
            .ancestors()
            .nth(2)
            .expect("cargo runs test binaries in TARGET/PROFILE/deps");
        let profile = match output.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(named) => named,
        };
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args([
                "build",
                "--quiet",
                "--package",
                "stromatekt",
                "--profile",
                profile,
            ])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .status()
            .expect("cargo starts");
        assert!(built.success(), "cargo build --package stromatekt failed");
        output.join("stromatekt")
    })
}
