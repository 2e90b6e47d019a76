//! A text many times over as a Dockerfile: parsing takes time by its length, not by the square of it. The fuzzer's time limit tells.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stromatekt_dockerfile_parser::parse;

/// Where the square of it would take minutes.
const LENGTH: usize = 256 << 10;

fuzz_target!(|text: &str| {
    // A line that all is in, or a start that is not repeated.
    let (start, unit) = text.split_once('\0').unwrap_or(("FROM a\n", text));
    if unit.is_empty() {
        return;
    }
    let long = format!("{start}{}", unit.repeat(LENGTH / unit.len()));
    let _ = parse(&long);
});
