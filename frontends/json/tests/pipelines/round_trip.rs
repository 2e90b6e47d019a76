//! What is written of a graph makes the same images: their definitions have equal digests.

use std::collections::BTreeMap;

use stromatekt_dockerfile as dockerfile;
use stromatekt_graph::{Graph, NodeId};
use stromatekt_json::{ImageToWrite, write};
use stromatekt_oci::config::{ContainerConfig, History, ImageConfig};
use stromatekt_oci::platform::Platform;
use stromatekt_pipeline::ImageConfigs;

use crate::given;

fn platform() -> Platform {
    "linux/amd64".parse().expect("a platform")
}

/// The config that all bases have.
fn base() -> ImageConfig {
    ImageConfig {
        config: ContainerConfig {
            env: vec!["PATH=/bin".into(), "BASE=1".into()],
            cmd: vec!["sh".into()],
            ..ContainerConfig::default()
        },
        history: vec![History {
            created_by: "base".into(),
            ..History::default()
        }],
        ..ImageConfig::for_platform(&platform())
    }
}

fn lowered(text: &str) -> (Graph, NodeId) {
    let parsed = dockerfile::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let options = dockerfile::Options {
        build_platform: platform(),
        allow: [
            dockerfile::Entitlement::NetworkHost,
            dockerfile::Entitlement::SecurityInsecure,
        ]
        .into(),
        ..dockerfile::Options::default()
    };
    let mut configs = dockerfile::ImageConfigs::new();
    loop {
        match dockerfile::lower(&parsed, "Dockerfile", &options, &configs) {
            Ok(dockerfile::Lowering::Done(lowered)) => {
                return (lowered.graph, lowered.images[0].export);
            }
            Ok(dockerfile::Lowering::NeedsImages(requests)) => {
                for request in requests {
                    configs.insert((request.location, request.platform), base());
                }
            }
            Err(error) => panic!("{text}: {error:?}"),
        }
    }
}

/// Writes an image, lowers what is written, and compares.
fn round_trip(graph: &Graph, node: NodeId, what: &str) -> String {
    let image = ImageToWrite {
        name: "app".to_owned(),
        node,
        tags: Vec::new(),
        output: None,
    };
    let contexts = BTreeMap::new();
    let configs = ImageConfigs::new();
    let text = write(graph, &[image], &platform(), &contexts, &configs)
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let again = given::lowered(&text)
        .unwrap_or_else(|problem| panic!("{what}: {problem}: {:?}\n{text}", problem.help));
    let same = again.images[0].exports[0].node;
    assert_eq!(
        again.graph.digest(same),
        graph.digest(node),
        "{what}\n{text}\n{:#?}\n{:#?}",
        graph.node(node).op,
        again.graph.node(same).op
    );
    let validator = jsonschema::draft202012::new(&stromatekt_json::schema()).expect("a schema");
    let value = serde_json::from_str(&text).expect("JSON");
    assert!(validator.is_valid(&value), "{what}\n{text}");
    text
}

#[test]
fn dockerfiles_come_back() {
    for text in [
        "FROM scratch\nCOPY a /\n",
        "FROM debian\n",
        "FROM debian\nRUN make\n",
        "FROM debian:12 AS build\nWORKDIR /src\nCOPY . .\nRUN make && make install\nFROM busybox@sha256:0000000000000000000000000000000000000000000000000000000000000001\nCOPY --from=build /usr/local /usr/local\nENV A=b\nLABEL x=y\nEXPOSE 80\nVOLUME /data\nUSER 1:2\nENTRYPOINT [\"/a\"]\nCMD b\nHEALTHCHECK --interval=3s CMD true\nSTOPSIGNAL 9\nSHELL [\"/bin/bash\", \"-c\"]\nONBUILD RUN x\nARG z=1\nMAINTAINER me\n",
        "FROM debian\nCOPY --chown=a:b --chmod=u+x --exclude=*.o --exclude=x --link a b* /c/\nCOPY --parents x/./y/*.c /z/\nADD --chown=1 archive.tar /\n",
        "FROM debian\nADD --checksum=sha256:0000000000000000000000000000000000000000000000000000000000000002 https://example.com/a%20b.tar?x /x\nADD --unpack=true https://example.com/c.tar /y/\nADD --keep-git-dir=true https://github.com/a/b.git#v1:sub /b\n",
        "FROM debian\nCOPY <<A <<\"B\" /etc/\na\nA\n$b\nB\nRUN <<E\n#!/bin/sh\necho x\nE\nRUN <<E\nE\n",
        "FROM debian AS base\nFROM base AS one\nRUN 1\nFROM base AS two\nRUN 2\nFROM base\nRUN --mount=from=one,target=/one --mount=type=bind,source=src,target=/src,rw --mount=type=cache,target=/cache,from=two,source=/x,sharing=locked --mount=type=cache,target=/c2,id=c,mode=0700,uid=1,gid=2 --mount=type=tmpfs,target=/tmp,size=1m --mount=type=secret,id=s,env=S,required --mount=type=secret,id=t,target=/t,mode=0440 --mount=type=ssh --network=none --security=insecure make\nRUN --network=host curl\nUSER worker\nWORKDIR /home/worker\nRUN x\n",
        "FROM debian AS a\nRUN 1\nRUN 2\nFROM a AS b\nRUN 3\nFROM a\nCOPY --from=b /x /x\nRUN 4\n",
        "FROM debian AS a\nRUN 1\nFROM scratch\nCOPY --from=a / /\nCOPY --from=alpine /etc /etc\n",
    ] {
        let (graph, node) = lowered(text);
        round_trip(&graph, node, text);
    }
}

#[test]
fn pipelines_come_back() {
    for (name, value) in given::all() {
        let lowered = given::lowered(&value.to_string()).expect(&name);
        for image in &lowered.images {
            let what = format!("{name}: {}", image.name);
            round_trip(&lowered.graph, image.exports[0].node, &what);
        }
    }
}

#[test]
fn what_cannot_be_written_is_told_and_nothing_is_left_out() {
    let text = r#"{"timelines": [{"resultVar": "a", "steps": [
        {"stepType": "snapshot-changeset", "var": "zero"},
        {"stepType": "files", "files": [{"fileType": "inline-file", "content": "x", "target": "/x"}]},
        {"stepType": "snapshot-changeset", "var": "one"},
        {"stepType": "export-image", "layers": ["zero", "one"]}]}]}"#;
    let lowered = given::lowered(text).expect("it is sound");
    let image = ImageToWrite {
        name: "a".to_owned(),
        node: lowered.images[0].exports[0].node,
        tags: Vec::new(),
        output: None,
    };
    let (contexts, configs) = (BTreeMap::new(), ImageConfigs::new());
    let error = write(&lowered.graph, &[image], &platform(), &contexts, &configs);
    let error = error.expect_err("the empty tree has no changesets with a name");
    assert!(
        error.to_string().starts_with("cannot write the "),
        "{error}"
    );
}

#[test]
fn meaningless_parts_of_copies_are_left_out() {
    let text = "FROM scratch\nCOPY --exclude=*.o a <<E /b/\nE\n";
    let (graph, node) = lowered(text);
    let image = ImageToWrite {
        name: "a".to_owned(),
        node,
        tags: Vec::new(),
        output: None,
    };
    let (contexts, configs) = (BTreeMap::new(), ImageConfigs::new());
    let text = write(&graph, &[image], &platform(), &contexts, &configs).expect("it is written");
    given::lowered(&text).expect("it is read");
    assert_eq!(text.matches("exclude").count(), 1, "{text}");
}

#[test]
fn stages_become_timelines_with_their_names() {
    let text = "FROM debian AS build\nRUN make\nFROM debian\nCOPY --from=build /a /a\n";
    let (graph, node) = lowered(text);
    let text = round_trip(&graph, node, text);
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let names: Vec<&str> = value["timelines"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|timeline| timeline["resultVar"].as_str())
        .collect();
    assert_eq!(names, ["build", "stage-1", "app"]);
    let copied = &value["timelines"][1]["steps"][1]["files"][0];
    assert_eq!(copied["from"], "build.result", "{text}");
}
