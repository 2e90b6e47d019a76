//! Which args and variables are seen where, and what steps get as environment.

mod support;

use std::collections::BTreeMap;

use support::{
    build, config, env, error, history, labels, lowered, options, runs, try_lower_with, with_args,
};

/// The value of `X` in the RUN that ends the Dockerfile.
fn x(text: &str, args: &[(&str, &str)]) -> Option<String> {
    let build = lowered(&format!("{text}\nRUN end\n"), &with_args(args));
    let run = *runs(&build).last().unwrap();
    run.env
        .iter()
        .find(|(name, _)| name == "X")
        .map(|(_, value)| value.clone())
}

#[test]
fn args_are_seen_where_they_are_declared() {
    let given: &[(&str, &str)] = &[("X", "given")];
    for (text, args, value) in [
        ("ARG X=global\nFROM base", &[][..], None),
        ("ARG X=global\nFROM base\nARG X", &[], Some("global")),
        ("ARG X=global\nFROM base\nARG X=stage", &[], Some("stage")),
        ("ARG X=global\nFROM base\nARG X", given, Some("given")),
        ("FROM base\nARG X=stage", given, Some("given")),
        ("FROM base\nARG X", &[], None),
        ("FROM base", given, None),
        ("FROM base\nARG X=$BASE", &[], Some("1")),
        ("ARG Y=y\nARG X=$Y\nFROM base\nARG X", &[], Some("y")),
        ("FROM base\nARG X=a\nENV X=b", &[], Some("b")),
        ("FROM base\nARG X=a\nENV X=b", given, Some("b")),
        ("FROM base\nENV X=b\nARG X=a", &[], Some("a")),
        ("FROM base\nARG Y=1 X=${Y}2", &[], Some("12")),
        ("FROM base AS a\nARG X=1\nFROM a", &[], Some("1")),
        ("FROM base AS a\nARG X=1\nFROM base", &[], None),
        (
            "FROM base AS a\nARG X=1\nENV X=2\nARG X=3\nFROM a",
            &[],
            Some("2"),
        ),
        ("FROM base\nARG X=${nothing:-d}", &[], Some("d")),
        (
            "FROM base\nARG TARGETARCH\nENV X=$TARGETARCH",
            &[],
            Some("amd64"),
        ),
        ("FROM base\nENV X=$TARGETARCH", &[], Some("")),
        (
            "ARG X=${TARGETOS}-x\nFROM base\nARG X",
            &[],
            Some("linux-x"),
        ),
        (
            "FROM base\nARG TARGETSTAGE\nENV X=$TARGETSTAGE",
            &[],
            Some("default"),
        ),
        (
            "FROM base AS last\nARG TARGETSTAGE\nENV X=$TARGETSTAGE",
            &[],
            Some("last"),
        ),
        (
            "FROM base\nARG BUILDKIT_SBOM_SCAN_STAGE=1\nENV X=$BUILDKIT_SBOM_SCAN_STAGE",
            &[],
            Some(""),
        ),
        ("FROM base\nARG X='a b'", &[], Some("a b")),
    ] {
        assert_eq!(x(text, args).as_deref(), value, "{text} {args:?}");
    }
}

#[test]
fn the_history_counts_the_args_that_a_step_could_see() {
    for (text, args, expected) in [
        (
            "ARG A=1\nRUN x",
            &[][..],
            "RUN |1 A=1 /bin/sh -c x # buildkit",
        ),
        ("ARG A\nRUN x", &[], "RUN |1 A= /bin/sh -c x # buildkit"),
        (
            "ARG A=1\nARG B=2\nARG A=3\nRUN x",
            &[],
            "RUN |2 A=3 B=2 /bin/sh -c x # buildkit",
        ),
        (
            "ARG A=1\nENV A=2\nRUN x",
            &[],
            "RUN |1 A=2 /bin/sh -c x # buildkit",
        ),
        ("ENV A=2\nRUN x", &[], "RUN /bin/sh -c x # buildkit"),
        (
            "ARG A=1\nFROM first\nARG B=2\nRUN [\"x\"]",
            &[],
            "RUN |2 A=1 B=2 x # buildkit",
        ),
        (
            "ARG A\nRUN x",
            &[("A", "g")],
            "RUN |1 A=g /bin/sh -c x # buildkit",
        ),
        (
            "RUN x",
            &[("http_proxy", "p")],
            "RUN /bin/sh -c x # buildkit",
        ),
        (
            "ARG http_proxy\nRUN x",
            &[("http_proxy", "p")],
            "RUN |1 http_proxy=p /bin/sh -c x # buildkit",
        ),
    ] {
        let build = lowered(&format!("FROM base AS first\n{text}\n"), &with_args(args));
        assert_eq!(history(&build).last(), Some(&expected), "{text}");
    }
}

#[test]
fn proxies_reach_steps_but_not_the_definition() {
    let text = "FROM base\nRUN x\n";
    let with = lowered(text, &with_args(&[("HTTP_PROXY", "p")]));
    let without = build(text);
    assert_eq!(runs(&with)[0].proxy_env.len(), 2);
    assert_eq!(env(runs(&with)[0]), env(runs(&without)[0]));
    assert_eq!(
        with.graph.digest(with.images[0].export),
        without.graph.digest(without.images[0].export)
    );
    assert!(with.warnings.is_empty());
}

#[test]
fn an_unused_build_arg_changes_nothing_and_is_told() {
    let with = lowered("FROM base\nRUN x\n", &with_args(&[("B", "1"), ("A", "2")]));
    let without = build("FROM base\nRUN x\n");
    assert_eq!(
        with.graph.digest(with.images[0].export),
        without.graph.digest(without.images[0].export)
    );
    assert_eq!(
        with.warnings,
        ["[Warning] One or more build-args [A B] were not consumed"]
    );
    let global = lowered(
        "ARG A\nFROM base\nARG B\n",
        &with_args(&[("B", "1"), ("A", "2")]),
    );
    assert!(global.warnings.is_empty());
}

#[test]
fn the_environment_of_a_step_is_the_images_and_the_args() {
    let build = build("FROM base\nARG A=1\nENV E=2\nRUN x\n");
    assert_eq!(env(runs(&build)[0]), ["PATH=/bin", "BASE=1", "A=1", "E=2"]);
    assert_eq!(config(&build).config.env, ["PATH=/bin", "BASE=1", "E=2"]);
}

#[test]
fn from_sees_global_args_only() {
    for (text, label) in [
        (
            "ARG V=12\nFROM debian:$V\n",
            "[1/1] FROM docker.io/library/debian:12",
        ),
        (
            "ARG V\nFROM debian:${V:-11}\n",
            "[1/1] FROM docker.io/library/debian:11",
        ),
        (
            "FROM x AS a\nARG V=1\nFROM debian:${V:-none}\n",
            "[stage-1 1/1] FROM docker.io/library/debian:none",
        ),
    ] {
        assert_eq!(labels(&build(text)), [label], "{text}");
    }
    let text = "ARG V=12\nFROM debian:$V\n";
    let given = lowered(text, &with_args(&[("V", "9")]));
    assert_eq!(labels(&given), ["[1/1] FROM docker.io/library/debian:9"]);
    assert!(
        error("FROM $nothing\n")
            .to_string()
            .contains("expands to nothing")
    );
}

#[test]
fn triggers_run_before_the_stage_with_its_args() {
    let config_of = r#"{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin"],
        "OnBuild":["ARG A=1","RUN first $A","COPY --from=other /x /y"]},"rootfs":{"type":"layers","diff_ids":[]}}"#;
    let build = try_lower_with(
        "FROM parent\nRUN second\n",
        &options(),
        &BTreeMap::from([("parent", config_of)]),
    )
    .unwrap();
    assert_eq!(
        history(&build),
        [
            "ARG A=1",
            "RUN |1 A=1 /bin/sh -c first $A # buildkit",
            "COPY /x /y # buildkit",
            "RUN |1 A=1 /bin/sh -c second # buildkit"
        ]
    );
    assert!(config(&build).config.on_build.is_empty());
    assert_eq!(
        labels(&build),
        [
            "[1/5] FROM docker.io/library/parent:latest",
            "[2/5] ONBUILD RUN first 1",
            "FROM docker.io/library/other:latest",
            "[3/5] ONBUILD COPY --from=other /x /y",
            "[4/5] RUN second"
        ]
    );
}

#[test]
fn triggers_of_a_stage_run_in_the_next_one_only() {
    let build = build("FROM base AS a\nONBUILD RUN t\nFROM a AS b\nRUN own\nFROM b\nRUN last\n");
    assert_eq!(
        history(&build),
        [
            "RUN /bin/sh -c t # buildkit",
            "RUN /bin/sh -c own # buildkit",
            "RUN /bin/sh -c last # buildkit"
        ]
    );
}
