//! Pipelines that several tests read, and lowering them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use stromatekt_graph::op::ImageLocation;
use stromatekt_json::lower;
use stromatekt_oci::Digest;
use stromatekt_oci::config::{History, ImageConfig};
use stromatekt_pipeline::{Document, ImageConfigs, Lowered, Lowering, Options, Problem};

/// A pipeline with every field that there is.
pub const EVERY_FIELD: &str = include_str!("every-field.json");

/// The examples with [`EVERY_FIELD`], each with its name.
pub fn all() -> Vec<(String, Value)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut all = vec![("every-field.json".to_owned(), EVERY_FIELD.to_owned())];
    for entry in std::fs::read_dir(directory).expect("examples") {
        let path = entry.expect("an entry").path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let name = path.file_name().expect("a name").to_string_lossy();
            all.push((
                name.into_owned(),
                std::fs::read_to_string(&path).expect("a text"),
            ));
        }
    }
    assert!(all.len() >= 4, "the examples were found");
    all.sort();
    all.into_iter()
        .map(|(name, text)| (name, serde_json::from_str(&text).expect("JSON")))
        .collect()
}

/// What a user would say who allows everything, and nothing else.
pub fn options() -> Options {
    Options {
        host: "linux/amd64".parse().expect("a platform"),
        allows_host_network: true,
        allows_insecure: true,
        ..Options::default()
    }
}

/// Lowers a text; all images have the same two layers, and a history that names the image twice.
pub fn lowered(text: &str) -> Result<Lowered, Problem> {
    lowered_with(text, &options(), &BTreeMap::new())
}

/// Lowers a text, with what a user says besides.
pub fn lowered_with(
    text: &str,
    options: &Options,
    overrides: &BTreeMap<String, PathBuf>,
) -> Result<Lowered, Problem> {
    let document = Document::parse_json("p.json", text)?;
    let mut configs = ImageConfigs::new();
    for _ in 0..3 {
        match lower(&document, options, &configs, overrides)? {
            Lowering::Done(lowered) => return Ok(*lowered),
            Lowering::NeedsImages(requests) => {
                for request in requests {
                    let key: (ImageLocation, _) = (request.location, request.platform);
                    let mut config = ImageConfig::for_platform(&key.1);
                    config.rootfs.diff_ids = vec![Digest::of("0"), Digest::of("1")];
                    let entry = History {
                        created_by: key.0.to_string(),
                        ..History::default()
                    };
                    config.history = vec![entry.clone(), entry];
                    configs.insert(key, config);
                }
            }
        }
    }
    panic!("it needs ever more images: {text}");
}
