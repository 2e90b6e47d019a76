//! What the tests share: files in memory, and bases with made-up configs.

#![allow(dead_code, missing_docs)]

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde_json::{Map, Value};
use stromatekt_graph::op::{Export, Op};
use stromatekt_graph::{Graph, NodeId};
use stromatekt_oci::Digest;
use stromatekt_oci::config::{History, ImageConfig};
use stromatekt_oci::platform::Platform;
use stromatekt_pipeline::{ImageConfigs, ImageRequest, Kind, Lowered, Lowering, Options, Problem};
use stromatekt_yaml::{Pipeline, load, lower};

/// A document as JSON, as editors see it.
pub fn json(value: &stromatekt_pipeline::Value) -> Value {
    match &value.kind {
        Kind::Null => Value::Null,
        Kind::Bool(value) => Value::Bool(*value),
        Kind::Number(text) => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(number), _) => number.into(),
            (_, Ok(number)) => number.into(),
            _ => text.as_str().into(),
        },
        Kind::String(text) => text.as_str().into(),
        Kind::List(values) => values.iter().map(json).collect(),
        Kind::Map(entries) => {
            let members = entries
                .iter()
                .map(|entry| (entry.key.clone(), json(&entry.value)));
            Value::Object(members.collect::<Map<_, _>>())
        }
    }
}

pub fn options() -> Options {
    Options {
        host: "linux/amd64".parse().expect("a platform"),
        ..Options::default()
    }
}

/// A base with two layers, an entry of the history for each, one for none, and a bit of everything in its config.
pub fn base_config(request: &ImageRequest) -> ImageConfig {
    base_config_for(&request.platform)
}

pub fn base_config_for(platform: &Platform) -> ImageConfig {
    let mut config = ImageConfig::for_platform(platform);
    config.config.env = vec!["PATH=/bin".to_owned(), "LANG=C".to_owned()];
    config.config.cmd = vec!["sh".to_owned()];
    config
        .config
        .labels
        .insert("of".to_owned(), "base".to_owned());
    let entry = |by: &str, empty_layer| History {
        created_by: by.to_owned(),
        empty_layer,
        ..History::default()
    };
    config.history = vec![
        entry("ADD a", false),
        entry("CMD", true),
        entry("RUN b", false),
    ];
    config.rootfs.diff_ids = vec![Digest::of("a"), Digest::of("b")];
    config
}

pub struct Files(pub BTreeMap<String, String>);

impl Files {
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self(
            files
                .iter()
                .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
                .collect(),
        )
    }

    pub fn load(&self, path: &str) -> Result<Pipeline, Problem> {
        load(Path::new(path), &|path| {
            let path = stromatekt_graph::path::clean(&path.to_string_lossy());
            let found = self.0.get(&path).cloned();
            found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such file"))
        })
    }

    pub fn lower(&self, path: &str, options: &Options) -> Result<(Lowered, ImageConfigs), Problem> {
        let pipeline = self.load(path)?;
        let mut configs = ImageConfigs::new();
        loop {
            match lower(&pipeline, options, &configs)? {
                Lowering::Done(lowered) => return Ok((*lowered, configs)),
                Lowering::NeedsImages(requests) => {
                    assert!(!requests.is_empty(), "nothing is missing");
                    for request in requests {
                        let config = base_config(&request);
                        configs.insert((request.location, request.platform), config);
                    }
                }
            }
        }
    }
}

pub fn one(text: &str) -> Result<Lowered, Problem> {
    Ok(Files::of(&[("p.yaml", text)])
        .lower("p.yaml", &options())?
        .0)
}

pub fn done(text: &str) -> Lowered {
    one(text).unwrap_or_else(|problem| panic!("{problem} {:?}\n{text}", problem.help))
}

pub fn problem(text: &str) -> Problem {
    match one(text) {
        Ok(_) => panic!("this is no error:\n{text}"),
        Err(problem) => problem,
    }
}

pub fn export(lowered: &Lowered) -> &Export {
    export_of(&lowered.graph, lowered.images[0].exports[0].node)
}

pub fn export_of(graph: &Graph, node: NodeId) -> &Export {
    match &graph.node(node).op {
        Op::Export(export) => export,
        other => panic!("{other:?} is no export"),
    }
}

pub const EXAMPLES: [&str; 6] = [
    "twin",
    "matrix",
    "library",
    "recombination",
    "tools",
    "wasi",
];

/// The files of an example, by their paths in it.
pub fn example(name: &str) -> Files {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/pipelines")
        .join(name);
    let mut files = BTreeMap::new();
    let mut open = vec![top.clone()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).expect("the example is there") {
            let path = entry.expect("a directory entry").path();
            if path.is_dir() {
                open.push(path);
            } else if let (Ok(text), Ok(inner)) =
                (std::fs::read_to_string(&path), path.strip_prefix(&top))
            {
                files.insert(inner.display().to_string(), text);
            }
        }
    }
    Files(files)
}

/// A pipeline with every field.
pub fn everything() -> Files {
    Files::of(&[
        ("pipeline.yaml", include_str!("../everything.yaml")),
        (
            "tools.yaml",
            "variables: {version: 1}\ntasks: {gcc: {on: scratch, files: {/gcc: 'gcc ${version}'}}}\n",
        ),
        (
            "Dockerfile",
            "FROM debian AS build\nARG VERSION\nRUN make $VERSION\nCOPY . /src\n",
        ),
    ])
}

/// Options that give what that one needs.
pub fn with_given() -> Options {
    let mut options = options();
    options
        .variables
        .insert("given".to_owned(), Some("x".to_owned()));
    options
}
