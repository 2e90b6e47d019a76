//! The JSON Schema of the format, for editors: kept as a file, so that it reads as one.

use serde_json::Value;

const TEXT: &str = include_str!("schema.json");

/// The schema (JSON Schema 2020-12): every field with what it does.
#[must_use]
pub fn schema() -> Value {
    // The file is part of the program, and the tests read it.
    serde_json::from_str(TEXT).unwrap_or_default()
}
