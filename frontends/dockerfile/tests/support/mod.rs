//! Dockerfiles lowered against images made up on the spot.
#![allow(dead_code)]

use std::collections::BTreeMap;

use stromatekt_dockerfile::{Error, ImageConfigs, Lowered, Lowering, Options, lower};
use stromatekt_graph::op::{Export, File, Run};
use stromatekt_graph::{NodeId, Op};
use stromatekt_oci::config::ImageConfig;

/// The config of `base:latest` and every other image, unless a test says otherwise.
pub const BASE: &str = r#"{"architecture":"amd64","os":"linux","author":"someone","created":"2020-01-01T00:00:00Z",
    "docker_version":"20","config":{"Env":["PATH=/bin","BASE=1"],"Cmd":["sh"],"WorkingDir":"/base"},
    "history":[{"created_by":"base layer"},{"created_by":"CMD","empty_layer":true}],
    "rootfs":{"type":"layers","diff_ids":["sha256:4f4fb700ef54461cfa02571ae0db9a0dc1e0cdb5577484a6d75e68dc38e8acc1"]}}"#;

pub fn options() -> Options {
    Options {
        build_platform: "linux/amd64".parse().unwrap(),
        ..Options::default()
    }
}

pub fn with_args(args: &[(&str, &str)]) -> Options {
    Options {
        build_args: args
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..options()
    }
}

/// Lowers with the config `BASE` for every image, or the one whose name is in `configs`.
pub fn try_lower_with(
    text: &str,
    options: &Options,
    configs: &BTreeMap<&str, &str>,
) -> Result<Lowered, Error> {
    let dockerfile =
        stromatekt_dockerfile_parser::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut known = ImageConfigs::new();
    for _ in 0..10 {
        match lower(&dockerfile, "Dockerfile", options, &known)? {
            Lowering::Done(lowered) => return Ok(*lowered),
            Lowering::NeedsImages(requests) => {
                assert!(
                    !requests.is_empty(),
                    "images are missing, but none is named"
                );
                for request in requests {
                    let json = configs.get(request.name.as_str()).copied().unwrap_or(BASE);
                    let config = ImageConfig::parse(json.as_bytes(), &request.name).unwrap();
                    let old = known.insert((request.location, request.platform), config);
                    assert!(old.is_none(), "{} was asked for twice", request.name);
                }
            }
        }
    }
    panic!("lowering asks for images without end");
}

pub fn try_lower(text: &str, options: &Options) -> Result<Lowered, Error> {
    try_lower_with(text, options, &BTreeMap::new())
}

pub fn lowered(text: &str, options: &Options) -> Lowered {
    try_lower(text, options).unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub fn build(text: &str) -> Lowered {
    lowered(text, &options())
}

pub fn error(text: &str) -> Error {
    match try_lower(text, &options()) {
        Ok(_) => panic!("this was taken:\n{text}"),
        Err(error) => error,
    }
}

pub fn export(lowered: &Lowered) -> &Export {
    match &lowered.graph.node(lowered.images[0].export).op {
        Op::Export(export) => export,
        other => panic!("the export is {other:?}"),
    }
}

pub fn config(lowered: &Lowered) -> &ImageConfig {
    &export(lowered).config
}

/// `created_by` of what the Dockerfile added to the history of `BASE` (or of nothing).
pub fn history(lowered: &Lowered) -> Vec<&str> {
    config(lowered)
        .history
        .iter()
        .filter(|entry| entry.comment == "buildkit.dockerfile.v0")
        .map(|entry| entry.created_by.as_str())
        .collect()
}

/// The labels of what the target needs, layers and export aside.
pub fn labels(lowered: &Lowered) -> Vec<&str> {
    lowered
        .graph
        .needed(&[lowered.images[0].export])
        .into_iter()
        .map(|id| lowered.graph.node(id))
        .filter(|node| !matches!(node.op, Op::Diff(_) | Op::Export(_)))
        .map(|node| node.label.as_str())
        .collect()
}

pub fn runs(lowered: &Lowered) -> Vec<&Run> {
    lowered
        .graph
        .nodes()
        .filter_map(|(_, node)| match &node.op {
            Op::Run(run) => Some(run.as_ref()),
            _ => None,
        })
        .collect()
}

pub fn files(lowered: &Lowered) -> Vec<(NodeId, &File)> {
    lowered
        .graph
        .nodes()
        .filter_map(|(id, node)| match &node.op {
            Op::File(file) => Some((id, file)),
            _ => None,
        })
        .collect()
}

pub fn env(run: &Run) -> Vec<String> {
    run.env
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}
