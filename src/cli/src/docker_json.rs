//! An image as docker's `inspect` shows it, for scripts that read that.

use serde_json::{Map, Value, json};
use stromatekt_engine::catalog::ImageDetails;

use crate::error::{Error, Result};

/// What docker shows of every config, with what it shows where there is nothing.
fn absent() -> [(&'static str, Value); 8] {
    [
        ("Cmd", Value::Null),
        ("Entrypoint", Value::Null),
        ("Env", Value::Null),
        ("Labels", Value::Null),
        ("OnBuild", Value::Null),
        ("User", json!("")),
        ("Volumes", Value::Null),
        ("WorkingDir", json!("")),
    ]
}

/// The object.
///
/// # Errors
/// When it is no JSON.
pub fn image(details: &ImageDetails) -> Result<Value> {
    let value = serde_json::to_value(details)
        .map_err(|error| Error::file("write to", "standard output")(error.into()))?;
    let Value::Object(mut image) = value else {
        return Ok(value);
    };
    let comment = details
        .history
        .last()
        .map_or("", |last| last.comment.as_str());
    let mut all = Map::new();
    for name in ["Id", "RepoTags", "RepoDigests"] {
        all.extend(
            image
                .shift_remove(name)
                .map(|value| (name.to_owned(), value)),
        );
    }
    all.insert("Parent".to_owned(), json!(""));
    all.insert("Comment".to_owned(), json!(comment));
    let config = image.shift_remove("Config");
    // `docker history` shows it.
    image.shift_remove("History");
    image.shift_remove("RootFS");
    // What docker's struct has: a template finds it where there is none.
    for name in ["Created", "Variant"] {
        let value = image.shift_remove(name).unwrap_or_else(|| json!(""));
        if name == "Created" || value != "" {
            all.insert(name.to_owned(), value);
        }
    }
    all.append(&mut image);
    all.insert(
        "GraphDriver".to_owned(),
        json!({ "Data": null, "Name": "btrfs" }),
    );
    all.insert(
        "RootFS".to_owned(),
        json!({ "Type": "layers", "Layers": details.root_fs.diff_ids }),
    );
    all.insert("Config".to_owned(), whole_config(config));
    Ok(Value::Object(all))
}

/// The config with docker's keys: sorted, since that is how it writes them.
fn whole_config(config: Option<Value>) -> Value {
    let mut all: Map<String, Value> = match config {
        Some(Value::Object(config)) => config,
        _ => Map::new(),
    };
    for (name, value) in absent() {
        all.entry(name).or_insert(value);
    }
    all.sort_keys();
    Value::Object(all)
}
