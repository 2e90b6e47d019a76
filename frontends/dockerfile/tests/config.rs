//! What instructions do to the image's config and history, in BuildKit's words.

mod support;

use std::collections::BTreeMap;

use stromatekt_dockerfile::Options;
use stromatekt_graph::Op;
use support::{build, config, error, export, history, lowered, options, try_lower_with, with_args};

#[test]
fn an_image_from_nothing_has_a_path_and_the_root_as_working_directory() {
    let build = build("FROM scratch\n");
    let config = config(&build);
    assert_eq!(
        config.config.env,
        ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    );
    assert_eq!(config.config.working_dir, "/");
    assert_eq!(
        (config.os.as_str(), config.architecture.as_str()),
        ("linux", "amd64")
    );
    assert!(export(&build).layers.is_empty() && export(&build).base.is_none());
}

#[test]
fn a_base_hands_on_its_config_and_history_but_not_what_is_unknown() {
    let build = build("FROM base\nENV A=1\n");
    let config = config(&build);
    assert_eq!(config.config.env, ["PATH=/bin", "BASE=1", "A=1"]);
    assert_eq!(config.config.working_dir, "/base");
    assert_eq!(config.config.cmd, ["sh"]);
    assert_eq!(config.author, "someone");
    assert_eq!(config.created, None);
    assert!(config.extra.is_empty() && config.rootfs.diff_ids.is_empty());
    assert_eq!(config.history.len(), 3);
    assert_eq!(config.history[0].created_by, "base layer");
    assert!(matches!(
        build.graph.node(export(&build).base.unwrap()).op,
        Op::Image(_)
    ));
}

#[test]
fn instructions_are_written_into_the_history_as_buildkit_does() {
    for (instruction, text, is_empty) in [
        ("ENV A=b C=\"d e\"", "ENV A=b C=d e", true),
        ("ENV A b c", "ENV A=b c", true),
        ("LABEL a=b \"c d\"='e f'", "LABEL a=b c d=e f", true),
        ("CMD echo hi", r#"CMD ["/bin/sh" "-c" "echo hi"]"#, true),
        (r#"CMD ["a", "b\"c"]"#, r#"CMD ["a" "b\"c"]"#, true),
        ("ENTRYPOINT [\"x\"]", r#"ENTRYPOINT ["x"]"#, true),
        ("EXPOSE 81 80/udp", "EXPOSE [80/udp 81/tcp]", true),
        ("EXPOSE 1-3", "EXPOSE [1/tcp 2/tcp 3/tcp]", true),
        ("VOLUME /a /b", "VOLUME [/a /b]", true),
        (r#"VOLUME ["/a b"]"#, "VOLUME [/a b]", true),
        ("USER me:us", "USER me:us", true),
        ("STOPSIGNAL SIGTERM", "STOPSIGNAL SIGTERM", true),
        (r#"SHELL ["/bin/bash", "-c"]"#, "SHELL [/bin/bash -c]", true),
        (
            "MAINTAINER me <me@example.com>",
            "MAINTAINER me <me@example.com>",
            true,
        ),
        (
            "HEALTHCHECK NONE",
            "HEALTHCHECK {Test:[NONE] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}",
            true,
        ),
        (
            "HEALTHCHECK --interval=90s --retries=3 CMD curl x",
            "HEALTHCHECK {Test:[CMD-SHELL curl x] Interval:1m30s Timeout:0s StartPeriod:0s StartInterval:0s Retries:3}",
            true,
        ),
        ("ARG A", "ARG A", true),
        ("ARG A=b C", "ARG A=b C", true),
        ("WORKDIR x", "WORKDIR /base/x", false),
        ("WORKDIR /x/", "WORKDIR /x/", false),
        ("WORKDIR /", "WORKDIR /", true),
        ("RUN echo hi", "RUN /bin/sh -c echo hi # buildkit", false),
        (r#"RUN ["a", "b"]"#, "RUN a b # buildkit", false),
        ("RUN --network=none x", "RUN /bin/sh -c x # buildkit", false),
        ("COPY a b c/", "COPY a b c/ # buildkit", false),
        (
            "COPY --from=other --chown=1:2 --chmod=755 --link a b",
            "COPY --chown=1:2 --chmod=755 a b # buildkit",
            false,
        ),
        ("ADD a b", "ADD a b # buildkit", false),
        ("COPY --parents a b", "COPY --parents a b # buildkit", false),
        (
            "COPY <<x <<y /d/\n1\nx\n2\ny",
            "COPY <<x <<y /d/ # buildkit",
            false,
        ),
        (
            "RUN <<E\nset -e\nmake\nE",
            "RUN /bin/sh -c set -e\nmake\n # buildkit",
            false,
        ),
        (
            "RUN <<E\n#!/bin/x\nE",
            "RUN /bin/sh -c /dev/pipes/E # buildkit",
            false,
        ),
    ] {
        let build = build(&format!("FROM base\n{instruction}\n"));
        assert_eq!(history(&build), [text], "{instruction}");
        let entry = config(&build).history.last().unwrap();
        assert_eq!(entry.empty_layer, is_empty, "{instruction}");
        let layers = export(&build).layers.len();
        assert_eq!(layers, usize::from(!is_empty), "{instruction}");
    }
}

#[test]
fn triggers_are_kept_for_others_and_leave_no_history() {
    let build = build("FROM base\nONBUILD RUN make\nONBUILD COPY . .\n");
    assert_eq!(config(&build).config.on_build, ["RUN make", "COPY . ."]);
    assert!(history(&build).is_empty());
}

#[test]
fn an_entrypoint_drops_the_command_that_the_base_brought() {
    for (text, cmd) in [
        ("ENTRYPOINT [\"e\"]", &[][..]),
        ("CMD [\"c\"]\nENTRYPOINT [\"e\"]", &["c"]),
        ("ENTRYPOINT [\"e\"]\nCMD [\"c\"]", &["c"]),
        ("CMD [\"c\"]\nFROM first\nENTRYPOINT [\"e\"]", &[]),
    ] {
        let build = build(&format!("FROM base AS first\n{text}\n"));
        assert_eq!(config(&build).config.cmd, cmd, "{text}");
        assert_eq!(config(&build).config.entrypoint, ["e"], "{text}");
    }
    let build = build("FROM base\nCMD x\n");
    assert!(config(&build).config.args_escaped);
}

#[test]
fn config_values_are_set() {
    let build = build(
        "FROM base\nENV BASE=2 A=$BASE\nLABEL l=$BASE\nEXPOSE $BASE/udp\nVOLUME $BASE\nUSER u$BASE\nSTOPSIGNAL $BASE\n\
         SHELL [\"/sh\", \"-x\"]\nCMD run $BASE\nHEALTHCHECK --timeout=1s CMD [\"t\", \"$BASE\"]\nMAINTAINER $BASE\nWORKDIR $BASE\n",
    );
    let image = config(&build);
    let run = &image.config;
    assert_eq!(
        run.env,
        ["PATH=/bin", "BASE=2", "A=1"],
        "one ENV sees what was before it"
    );
    assert_eq!(run.labels["l"], "2");
    assert!(run.exposed_ports.contains("2/udp") && run.volumes.contains("2"));
    assert_eq!((run.user.as_str(), run.stop_signal.as_str()), ("u2", "2"));
    assert_eq!(
        run.cmd,
        ["/sh", "-x", "run $BASE"],
        "commands are not expanded"
    );
    let health = run.healthcheck.as_ref().unwrap();
    assert_eq!(health.test, ["CMD", "t", "$BASE"]);
    assert_eq!(health.timeout, 1_000_000_000);
    assert_eq!(image.author, "$BASE");
    assert_eq!(run.working_dir, "/base/2");
}

#[test]
fn labels_of_the_user_and_the_platform_come_last() {
    let wished = Options {
        labels: [("a".to_owned(), "user".to_owned())].into(),
        platforms: vec!["linux/arm64".parse().unwrap()],
        ..options()
    };
    let build = lowered("FROM base\nLABEL a=file b=file\n", &wished);
    assert_eq!(config(&build).config.labels["a"], "user");
    assert_eq!(config(&build).config.labels["b"], "file");
    assert_eq!(config(&build).architecture, "arm64");
    assert_eq!(history(&build), ["LABEL a=file b=file"]);
}

#[test]
fn the_epoch_is_the_time_of_everything_that_is_added() {
    let build = lowered(
        "FROM base\nENV A=1\nRUN x\n",
        &with_args(&[("SOURCE_DATE_EPOCH", "1")]),
    );
    assert_eq!(build.images[0].source_date_epoch, Some(1));
    assert_eq!(
        config(&build).created.as_deref(),
        Some("1970-01-01T00:00:01Z")
    );
    let times: Vec<_> = config(&build)
        .history
        .iter()
        .map(|entry| entry.created.as_deref())
        .collect();
    let one = Some("1970-01-01T00:00:01Z");
    assert_eq!(times, [None, None, one, one]);
}

#[test]
fn a_base_without_a_path_gets_dockers() {
    let config_of = r#"{"architecture":"amd64","os":"linux","config":{"Env":["A=1"]},"rootfs":{"type":"layers","diff_ids":[]}}"#;
    let build = try_lower_with(
        "FROM bare\nRUN x\n",
        &options(),
        &BTreeMap::from([("bare", config_of)]),
    )
    .unwrap();
    assert_eq!(
        config(&build).config.env,
        [
            "A=1",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        ]
    );
    assert_eq!(config(&build).config.working_dir, "");
    assert_eq!(support::runs(&build)[0].cwd, "/");
}

#[test]
fn values_that_cannot_be_are_refused() {
    for (instruction, part) in [
        ("EXPOSE many", "many"),
        ("EXPOSE 70000", "70000"),
        ("STOPSIGNAL SIGNOPE", "SIGNOPE"),
        ("VOLUME $nothing", "empty"),
    ] {
        let error = error(&format!("FROM base\n{instruction}\n"));
        assert!(error.to_string().contains(part), "{instruction}: {error}");
        assert!(error.span.is_some(), "{instruction}");
    }
}
