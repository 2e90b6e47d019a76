//! Which stages and images a target needs, and how steps are labelled.

mod support;

use std::collections::BTreeSet;

use stromatekt_dockerfile::{NamedContext, NoCache, Options, bases};
use stromatekt_graph::Op;
use support::{build, config, error, export, labels, lowered, options, try_lower};

fn needed(text: &str, options: &Options) -> Vec<String> {
    let dockerfile = stromatekt_dockerfile_parser::parse(text).unwrap();
    let requests = bases(&dockerfile, options).unwrap();
    requests
        .iter()
        .map(|request| format!("{} {}", request.location, request.platform))
        .collect()
}

#[test]
fn only_what_the_target_needs_is_asked_for() {
    let text = "FROM a AS one\nFROM b AS two\nCOPY --from=c /x /x\nFROM one AS three\nRUN --mount=from=d true\nFROM e\n";
    for (target, images) in [
        ("one", &["a"][..]),
        ("two", &["b", "c"]),
        ("three", &["a", "d"]),
        ("", &["e"]),
        ("TWO", &["b", "c"]),
    ] {
        let wished = Options {
            target: Some(target.to_owned()),
            ..options()
        };
        let images: Vec<String> = images
            .iter()
            .map(|image| format!("docker.io/library/{image}:latest linux/amd64"))
            .collect();
        assert_eq!(needed(text, &wished), images, "{target}");
    }
}

#[test]
fn each_stage_has_its_platform() {
    let text = "FROM --platform=$BUILDPLATFORM a AS tools\nFROM --platform=linux/arm64 a AS other\nFROM tools AS more\n\
                FROM a\nCOPY --from=more / /\nCOPY --from=other / /\nCOPY --from=b / /\n";
    let wished = Options {
        platforms: vec!["linux/arm/v7".parse().unwrap()],
        ..options()
    };
    assert_eq!(
        needed(text, &wished),
        [
            "docker.io/library/a:latest linux/amd64",
            "docker.io/library/a:latest linux/arm64",
            "docker.io/library/a:latest linux/arm/v7",
            "docker.io/library/b:latest linux/arm/v7",
        ]
    );
}

#[test]
fn steps_are_numbered_for_each_stage() {
    let build = build(
        "FROM base AS build\nENV A=x\nRUN make $A \"$B\"\nWORKDIR /w\nWORKDIR /\nFROM scratch\nCOPY --from=build /a \"/b\"\n",
    );
    assert_eq!(
        labels(&build),
        [
            "[build 1/4] FROM docker.io/library/base:latest",
            "[build 2/4] RUN make x \"$B\"",
            "[build 3/4] WORKDIR /w",
            "[internal] empty tree",
            "[stage-1 1/1] COPY --from=build /a /b",
        ]
    );
}

#[test]
fn a_sole_stage_has_no_name_in_labels_unless_it_takes_from_images() {
    assert_eq!(
        labels(&build("FROM base AS x\nRUN <<E\na\nb\nE\n")),
        [
            "[1/2] FROM docker.io/library/base:latest",
            "[2/2] RUN <<E (a...)"
        ]
    );
    assert_eq!(
        labels(&build("FROM base\nRUN --mount=type=cache,target=/c x\n")),
        [
            "[stage-0 1/2] FROM docker.io/library/base:latest",
            "[stage-0 2/2] RUN --mount=type=cache,target=/c x"
        ]
    );
}

#[test]
fn layers_are_those_of_the_whole_chain_of_stages() {
    let build = build(
        "FROM base AS a\nRUN one\nFROM base AS side\nRUN aside\nFROM a AS b\nCOPY --from=side /x /x\nFROM b\nRUN two\n",
    );
    let export = export(&build);
    assert_eq!(export.layers.len(), 3);
    let numbers: Vec<usize> = export
        .layers
        .iter()
        .filter_map(|layer| layer.history)
        .collect();
    assert_eq!(numbers, [2, 3, 4]);
    for number in numbers {
        assert!(!config(&build).history[number].empty_layer);
    }
}

#[test]
fn the_first_layer_on_nothing_is_a_difference_to_nothing() {
    let build = build("FROM scratch\nCOPY a b\nCOPY c d\n");
    let lowers: Vec<bool> = export(&build)
        .layers
        .iter()
        .map(|layer| match &build.graph.node(layer.changeset).op {
            Op::Diff(diff) => diff.lower.is_none(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(lowers, [true, false]);
    assert_eq!(build.contexts, BTreeSet::from(["context".to_owned()]));
}

#[test]
fn named_contexts_stand_in_for_images_and_stages() {
    let text = "FROM base AS build\nRUN never\nFROM base\nCOPY --from=build /a /a\nCOPY --from=files /b /b\n";
    let wished = Options {
        named_contexts: [
            (
                "build".to_owned(),
                NamedContext::Image("other".parse().unwrap()),
            ),
            (
                "base".to_owned(),
                NamedContext::Layout {
                    path: "/l".into(),
                    selector: Some("v1".into()),
                },
            ),
            ("files".to_owned(), NamedContext::Local("files".into())),
        ]
        .into(),
        ..options()
    };
    assert_eq!(
        needed(text, &wished),
        [
            "docker.io/library/other:latest linux/amd64",
            "oci-layout:///l:v1 linux/amd64"
        ]
    );
    let build = lowered(text, &wished);
    assert_eq!(
        labels(&build),
        [
            "[context build] docker.io/library/other:latest",
            "[context base] oci-layout:///l:v1",
            "[stage-1 1/3] COPY --from=build /a /a",
            "[context files] load from client",
            "[stage-1 2/3] COPY --from=files /b /b",
        ]
    );
    assert_eq!(build.contexts, BTreeSet::from(["files".to_owned()]));
}

#[test]
fn a_stage_can_start_from_files_or_another_target() {
    let wished = Options {
        named_contexts: [
            ("files".to_owned(), NamedContext::Local("dir".into())),
            ("alias".to_owned(), NamedContext::Target("first".into())),
            (
                "web".to_owned(),
                NamedContext::Http {
                    url: "http://x/y".into(),
                    checksum: None,
                },
            ),
        ]
        .into(),
        ..options()
    };
    let build = lowered("FROM files\n", &wished);
    assert_eq!(export(&build).layers.len(), 1);
    assert!(export(&build).base.is_none());
    let build = lowered("FROM base AS first\nRUN x\nFROM alias\n", &wished);
    assert_eq!(export(&build).layers.len(), 1);
    let build = lowered("FROM web\n", &wished);
    assert_eq!(
        labels(&build),
        [
            "[context web] http://x/y",
            "[internal] empty tree",
            "[context web] http://x/y"
        ]
    );
}

#[test]
fn the_cache_can_be_off_for_some_stages() {
    let text = "FROM base AS a\nRUN one\nFROM base AS b\nRUN two\nCOPY --from=a / /\n";
    for (no_cache, expected) in [
        (NoCache::Off, [false, false, false]),
        (NoCache::All, [true, true, true]),
        (
            NoCache::Stages(["A".to_owned()].into()),
            [true, false, false],
        ),
    ] {
        let build = lowered(
            text,
            &Options {
                no_cache: no_cache.clone(),
                ..options()
            },
        );
        let found: Vec<bool> = build
            .graph
            .nodes()
            .filter(|(_, node)| matches!(node.op, Op::Run(_) | Op::File(_)))
            .map(|(_, node)| node.no_cache)
            .collect();
        assert_eq!(found, expected, "{no_cache:?}");
    }
}

#[test]
fn nodes_know_the_lines_they_come_from() {
    let build = build("FROM base\n\nRUN a \\\n  b\n");
    let origins: Vec<(u32, u32)> = build
        .graph
        .nodes()
        .filter(|(_, node)| matches!(node.op, Op::Image(_) | Op::Run(_)))
        .map(|(_, node)| {
            let origin = node.origin.as_ref().unwrap();
            assert_eq!(&*origin.file, "Dockerfile");
            (origin.first_line, origin.last_line)
        })
        .collect();
    assert_eq!(origins, [(1, 1), (3, 4)]);
}

#[test]
fn references_that_lead_nowhere_are_refused() {
    for (text, message, help) in [
        (
            "FROM base AS a\nCOPY --from=a x y\n",
            "circular dependency detected on stage `a`",
            "a stage can only",
        ),
        (
            "FROM base AS a\nCOPY --from=b x y\nFROM base AS b\nCOPY --from=a x y\n",
            "circular dependency",
            "a stage can only",
        ),
        (
            "FROM base AS a\nCOPY --from=b x y\nFROM base AS b\nFROM a\n",
            "stage `a` cannot take files from stage `b`",
            "move stage `b`",
        ),
        (
            "FROM base\nCOPY --from=3 x y\n",
            "there is no stage number 3",
            "",
        ),
        (
            "FROM base\nRUN --mount=from=0 x\n",
            "by name, not by number",
            "give the stage a name",
        ),
        (
            "FROM base\nCOPY --from=$X x y\n",
            "variables are not expanded",
            "ARG",
        ),
        (
            "FROM base AS builder\nFROM base\nCOPY --from=Bulder! x y\n",
            "neither a stage nor the name",
            "did you mean `builder`?",
        ),
        (
            "FROM --platform=what/is/this/now base\n",
            "is no platform",
            "linux/amd64",
        ),
        (
            "FROM --platform=windows/amd64 base\n",
            "windows/amd64 cannot be built",
            "",
        ),
        ("FROM --platform=$NOTHING base\n", "expands to nothing", ""),
    ] {
        let error = error(text);
        assert!(error.to_string().contains(message), "{text}{error}");
        assert!(
            error.help().unwrap_or_default().contains(help),
            "{text}{:?}",
            error.help()
        );
        assert!(error.span.is_some(), "{text}");
    }
}

#[test]
fn a_target_that_is_none_is_refused_with_the_nearest() {
    let wished = Options {
        target: Some("biuld".into()),
        ..options()
    };
    let error = try_lower("FROM base AS build\n", &wished).unwrap_err();
    assert_eq!(error.to_string(), "target stage `biuld` could not be found");
    assert_eq!(error.help().as_deref(), Some("did you mean `build`?"));
}
