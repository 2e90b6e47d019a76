//! The examples are graphs, and those that they should be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use stromatekt_graph::export::Written;
use stromatekt_graph::op::ImageLocation;
use stromatekt_graph::{NodeId, Op};
use stromatekt_json::lower;
use stromatekt_pipeline::{Document, ImageConfigs, Lowered, Lowering, Options};

fn document(name: &str) -> Document {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name);
    let text = std::fs::read_to_string(&path).expect(name);
    Document::parse_json(name, &text).expect(name)
}

fn options() -> Options {
    Options {
        host: "linux/amd64".parse().expect("a platform"),
        ..Options::default()
    }
}

fn lowered(name: &str, overrides: &BTreeMap<String, PathBuf>) -> Lowered {
    let configs = ImageConfigs::new();
    match lower(&document(name), &options(), &configs, overrides) {
        Ok(Lowering::Done(lowered)) => *lowered,
        Ok(other) => panic!("{name}: {other:?}"),
        Err(problem) => panic!("{name}: {problem}"),
    }
}

/// All nodes that a node needs.
fn needs(lowered: &Lowered, node: NodeId) -> Vec<NodeId> {
    lowered.graph.needed(&[node])
}

#[test]
fn the_second_timeline_waits_for_the_first_changeset_alone() {
    let lowered = lowered("parallel-dependency.json", &BTreeMap::new());
    let find = |text: &str| {
        let mut nodes = lowered.graph.nodes();
        let found = nodes.find(|(_, node)| node.label.contains(text));
        found.unwrap_or_else(|| panic!("no node {text}")).0
    };
    let (first, more, twins) = (find("up-to 100000 "), find("up-to 1000000 "), find("twins"));
    assert!(needs(&lowered, twins).contains(&first));
    assert!(!needs(&lowered, twins).contains(&more));
    assert!(!needs(&lowered, more).contains(&twins));
    assert!(lowered.uses_context);
    let [image] = lowered.images.as_slice() else {
        panic!("there is one image");
    };
    assert_eq!(image.name, "primes");
    assert_eq!(image.tags[0].familiar(), "primes:latest");
    let Op::Export(export) = &lowered.graph.node(image.exports[0].node).op else {
        panic!("it has layers");
    };
    assert_eq!(export.layers.len(), 4);
    assert!(export.base.is_none());
    assert_eq!(export.config.history.len(), 4);
    assert_eq!(export.config.config.working_dir, "/data");
    assert_eq!(export.config.architecture, "amd64");
}

#[test]
fn a_written_manifest_may_name_what_was_imported() {
    let overrides: BTreeMap<String, PathBuf> =
        [("python:3-slim".to_owned(), PathBuf::from("python.tar"))].into();
    for overrides in [BTreeMap::new(), overrides] {
        let lowered = lowered("written-manifest.json", &overrides);
        let Op::Written(written) = &lowered.graph.node(lowered.images[0].exports[0].node).op else {
            panic!("a step writes it");
        };
        let Written {
            objects,
            blobs,
            is_index,
            ..
        } = written.as_ref();
        assert!(*is_index && lowered.images[0].is_index);
        assert_eq!(objects.len(), 2);
        let base = objects[0].base.expect("the image");
        let Op::Image(image) = &lowered.graph.node(base).op else {
            panic!("the base is an image");
        };
        assert_eq!(
            overrides.is_empty(),
            matches!(image.source, ImageLocation::Named(_)),
            "the override says where it is"
        );
        assert_eq!(
            (objects[1].name.as_str(), objects[1].layers.len()),
            ("primes", 1)
        );
        assert_eq!(blobs[0].path, "/work/config.json");
    }
}

#[test]
fn the_minimal_image_has_two_layers() {
    let lowered = lowered("minimal.json", &BTreeMap::new());
    let Op::Export(export) = &lowered.graph.node(lowered.images[0].exports[0].node).op else {
        panic!("it has layers");
    };
    assert_eq!(export.layers.len(), 2);
    assert_eq!(export.config.config.user, "worker");
}

#[test]
fn several_platforms_are_images_of_one_index() {
    let options = Options {
        platforms: ["linux/amd64", "linux/arm64"]
            .map(|platform| platform.parse().expect("a platform"))
            .to_vec(),
        labels: [("a".to_owned(), "b".to_owned())].into(),
        ..options()
    };
    let lower = |name| {
        let lowering = lower(
            &document(name),
            &options,
            &ImageConfigs::new(),
            &BTreeMap::new(),
        );
        match lowering {
            Ok(Lowering::Done(lowered)) => lowered,
            other => panic!("{name}: {other:?}"),
        }
    };
    let lowered = lower("minimal.json");
    let [image] = lowered.images.as_slice() else {
        panic!("there is one image");
    };
    assert!(image.is_index && lowered.warnings.is_empty());
    let architectures: Vec<&str> = image
        .exports
        .iter()
        .map(|export| match &lowered.graph.node(export.node).op {
            Op::Export(export) => {
                assert_eq!(export.config.config.labels["a"], "b");
                export.config.architecture.as_str()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(architectures, ["amd64", "arm64"]);
    let warnings = lower("written-manifest.json").warnings;
    assert_eq!(
        warnings,
        ["the image written-manifest gets no labels: a step of the pipeline writes its config"]
    );
}

#[test]
fn targets_are_images_or_timelines() {
    let lower = |target: &str| {
        let options = Options {
            targets: vec![target.to_owned()],
            ..options()
        };
        let document = document("parallel-dependency.json");
        lower(&document, &options, &ImageConfigs::new(), &BTreeMap::new())
    };
    let Ok(Lowering::Done(lowered)) = lower("secondary") else {
        panic!("a timeline is an image of its layers");
    };
    assert_eq!(lowered.images[0].name, "secondary");
    let more = |node: &stromatekt_graph::Node| node.label.contains("up-to 1000000 ");
    let needed = lowered.graph.needed(&[lowered.images[0].exports[0].node]);
    assert!(!needed.iter().any(|id| more(lowered.graph.node(*id))));
    let problem = lower("secundary").expect_err("there is none");
    assert_eq!(
        problem.message,
        "no image and no timeline is called `secundary`"
    );
    assert_eq!(problem.help.as_deref(), Some("did you mean `secondary`?"));
}
