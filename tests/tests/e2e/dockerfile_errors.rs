//! What a wrong Dockerfile is answered with: the place, the line, a caret, and what would be right.

use stromatekt_tests::{Context, Lab, Outcome};

/// Builds a Dockerfile that is wrong, and expects the answer to point at a line of it.
#[track_caller]
fn wrong(dockerfile: &str, line: usize, says: &[&str]) -> Outcome {
    let source = dockerfile.lines().nth(line - 1).expect("the line is there");
    Lab::shared()
        .build(&Context::dockerfile(dockerfile))
        .fails()
        .points_at(&format!("Dockerfile:{line}"), source)
        .says(says)
}

#[test]
fn an_unknown_instruction_has_a_nearest_one() {
    wrong("FROM busybox\nRUM echo hi\n", 2, &["RUM", "RUN"]);
    wrong(
        "FROM busybox\n\n# comment\nENTRYPONT [\"x\"]\n",
        4,
        &["ENTRYPONT", "ENTRYPOINT"],
    );
    wrong("FORM busybox\n", 1, &["FORM", "FROM"]);
}

#[test]
fn an_unknown_flag_has_a_nearest_one() {
    wrong(
        "FROM busybox\nCOPY --chwon=1:1 Dockerfile /\n",
        2,
        &["--chwon", "--chown"],
    );
    wrong(
        "FROM busybox\nRUN --mont=type=cache,target=/x true\n",
        2,
        &["--mont", "--mount"],
    );
    wrong(
        "FROM --platfrom=linux/amd64 busybox\n",
        1,
        &["--platfrom", "--platform"],
    );
    wrong(
        "FROM busybox\nHEALTHCHECK --intervall=5s CMD true\n",
        2,
        &["--intervall", "--interval"],
    );
}

#[test]
fn flags_with_wrong_values_are_told_what_would_be_right() {
    wrong(
        "FROM busybox\nRUN --mount=type=cash,target=/x true\n",
        2,
        &["cash", "cache"],
    );
    wrong(
        "FROM busybox\nRUN --mount=type=cache true\n",
        2,
        &["target"],
    );
    wrong(
        "FROM busybox\nRUN --mount=type=cache,target=/x,sharing=mine true\n",
        2,
        &["mine", "shared"],
    );
    wrong(
        "FROM busybox\nRUN --mount=type=bind,target=/x,colour=red true\n",
        2,
        &["colour"],
    );
    wrong(
        "FROM busybox\nRUN --network=pigeon true\n",
        2,
        &["pigeon", "none"],
    );
    wrong("FROM busybox\nCOPY --chmod=rwx Dockerfile /\n", 2, &["rwx"]);
    wrong(
        "FROM busybox\nADD --checksum=md5:1 http://127.0.0.1:1/x /\n",
        2,
        &["md5:1"],
    );
    wrong(
        "FROM busybox\nHEALTHCHECK --interval=soon CMD true\n",
        2,
        &["soon"],
    );
    wrong(
        "FROM busybox\nCOPY --link=maybe Dockerfile /\n",
        2,
        &["maybe"],
    );
}

#[test]
fn instructions_without_what_they_need_are_errors() {
    wrong("FROM\n", 1, &["FROM"]);
    wrong("FROM busybox\nCOPY only-one\n", 2, &["COPY"]);
    wrong("FROM busybox\nADD\n", 2, &["ADD"]);
    wrong("FROM busybox\nENV\n", 2, &["ENV"]);
    wrong("FROM busybox\nENV NAME\n", 2, &["NAME"]);
    wrong("FROM busybox\nENV a=1 b\n", 2, &["b"]);
    wrong("FROM busybox\nLABEL\n", 2, &["LABEL"]);
    wrong("FROM busybox\nWORKDIR\n", 2, &["WORKDIR"]);
    wrong("FROM busybox\nUSER\n", 2, &["USER"]);
    wrong("FROM busybox\nEXPOSE\n", 2, &["EXPOSE"]);
    wrong("FROM busybox\nVOLUME\n", 2, &["VOLUME"]);
    wrong("FROM busybox\nSHELL echo\n", 2, &["SHELL", "[\""]);
    wrong("FROM busybox\nHEALTHCHECK\n", 2, &["HEALTHCHECK"]);
    wrong("FROM busybox\nSTOPSIGNAL\n", 2, &["STOPSIGNAL"]);
    wrong("FROM busybox\nONBUILD\n", 2, &["ONBUILD"]);
}

#[test]
fn values_that_cannot_be_are_errors() {
    wrong("FROM busybox\nEXPOSE 99999\n", 2, &["99999"]);
    wrong("FROM busybox\nEXPOSE http\n", 2, &["http"]);
    wrong(
        "FROM busybox\nSTOPSIGNAL SIGNONSENSE\n",
        2,
        &["SIGNONSENSE"],
    );
    wrong("FROM BusyBox\n", 1, &["BusyBox", "lower"]);
    wrong("FROM busybox:ta:g\n", 1, &["busybox:ta:g"]);
    wrong("FROM busybox AS 1st\n", 1, &["1st"]);
    wrong("FROM busybox AZ build\n", 1, &["AZ"]);
    wrong("FROM busybox\nONBUILD FROM scratch\n", 2, &["FROM"]);
    wrong("FROM busybox\nONBUILD ONBUILD RUN true\n", 2, &["ONBUILD"]);
}

#[test]
fn what_must_come_first_does() {
    wrong("RUN true\nFROM busybox\n", 1, &["FROM"]);
    let empty = Lab::shared()
        .build(&Context::dockerfile("# nothing\n"))
        .fails();
    assert!(empty.stderr.contains("Dockerfile"), "{empty}");
}

#[test]
fn expansions_that_are_broken_are_errors() {
    wrong("FROM busybox\nENV A=${B\n", 2, &["${B"]);
    wrong("FROM busybox\nENV A=\"open\n", 2, &[]);
    wrong("ARG EMPTY=\nFROM $EMPTY\n", 2, &["EMPTY"]);
}

#[test]
fn a_missing_stage_has_a_nearest_one() {
    wrong(
        "FROM busybox AS build\nFROM scratch\nCOPY --from=7 /x /\n",
        3,
        &["7"],
    );
    wrong(
        "FROM busybox AS builder\nFROM scratch\nRUN --mount=type=bind,from=bulider,target=/x true\n",
        3,
        &["bulider", "builder"],
    );
}

#[test]
fn exec_of_a_step_in_scratch_tells_that_there_is_no_shell() {
    wrong("FROM scratch\nRUN echo hi\n", 2, &["/bin/sh"]);
}

#[test]
fn errors_look_like_this() {
    // One snapshot of each kind: what people see is a promise too.
    let show = |dockerfile: &str| {
        let context = Context::dockerfile(dockerfile);
        let outcome = Lab::shared().build(&context).fails();
        // Steps come before the report.
        let lines = outcome.stderr.lines().filter(|line| !line.starts_with('#'));
        let report: Vec<String> = lines
            .map(|line| match line.split_once(' ') {
                Some((time, text)) if time.parse::<f64>().is_ok() => format!("TIME {text}"),
                _ => line.to_owned(),
            })
            .collect();
        let directory = context.path().display().to_string();
        report.join("\n").trim().replace(&directory, "CONTEXT")
    };
    insta::assert_snapshot!("unknown_instruction", show("FROM busybox\nRUM echo hi\n"));
    insta::assert_snapshot!("unknown_flag", show("FROM busybox\nCOPY --chwon=1:1 a /\n"));
    insta::assert_snapshot!(
        "failing_run",
        show("FROM busybox\nRUN echo one && \\\n    exit 7\n")
    );
    insta::assert_snapshot!(
        "missing_source",
        show("FROM busybox\nCOPY no/such/file /\n")
    );
}
