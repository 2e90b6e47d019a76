//! What is refused, where, and with which help.

mod support;

use stromatekt_dockerfile::{Error, Options, lower, parse};
use support::{build, lowered, options, try_lower, with_args};

fn refused(text: &str) -> Error {
    match parse(text) {
        Err(error) => error,
        Ok(_) => support::error(text),
    }
}

#[test]
fn errors_stand_where_the_mistake_is() {
    for (text, shown, message) in [
        ("FROM base\nENV A=1 B=${C\n", "${C", "`${` is not closed"),
        (
            "FROM base\nENV A=\"${C:?set it}\"\n",
            "\"${C:?set it}\"",
            "C: set it",
        ),
        (
            "FROM base\nCOPY a \\\n  ${C!} d\n",
            "${C!}",
            "unsupported modifier",
        ),
        (
            "FROM base\nCOPY --from=$X a b\n",
            "--from=$X",
            "variables are not expanded",
        ),
        (
            "FROM base\nRUN --mount=type=nope x\n",
            "--mount=type=nope",
            "unknown type",
        ),
        (
            "FROM base\nRUN --mount=type=tmpfs,target=${X x\n",
            "--mount=type=tmpfs,target=${X",
            "not closed",
        ),
        (
            "FROM base AS Build\nFROM Build\n",
            "Build",
            "neither a stage nor the name",
        ),
        ("FROM ${X\n", "${X", "not closed"),
        (
            "FROM --platform=x/y/z/a/b base\n",
            "--platform=x/y/z/a/b",
            "is no platform",
        ),
        (
            "FROM base\nCOPY <<E /d\n${\nE\n",
            "<<E",
            "`<<E` cannot be expanded",
        ),
        ("FROM base\nRUN []\n", "RUN []", "nothing to run"),
        ("FROM base\nEXPOSE x\n", "EXPOSE x", "invalid port `x`"),
        ("FROM base\nRAN x\n", "RAN", "unknown instruction"),
        (
            "# syntax=example.com/other:1 x\nFROM base\n",
            "example.com/other:1 x",
            "`example.com/other:1` cannot be loaded",
        ),
    ] {
        let error = refused(text);
        let span = error.span.unwrap();
        assert_eq!(&text[span.start..span.end], shown, "{text}");
        assert!(error.to_string().contains(message), "{text}{error}");
        assert!(error.help().is_some(), "{text}");
    }
}

#[test]
fn only_what_the_target_needs_is_expanded() {
    let text = "FROM base AS broken\nENV A=${\nFROM base AS fine\nENV A=1\n";
    assert!(try_lower(text, &options()).is_ok());
    let wished = Options {
        target: Some("broken".into()),
        ..options()
    };
    assert!(try_lower(text, &wished).is_err());
}

#[test]
fn docker_frontends_are_this_one_and_a_build_arg_stands_above_the_line() {
    for syntax in [
        "docker/dockerfile:1",
        "docker/dockerfile-upstream:master-labs",
        "docker.io/docker/dockerfile:1.4 x",
    ] {
        build(&format!("# syntax={syntax}\nFROM base\n"));
    }
    lowered(
        "# syntax=example.com/other\nFROM base\n",
        &with_args(&[("BUILDKIT_SYNTAX", "docker/dockerfile:1")]),
    );
    build("# check=skip=all;error=true\nFROM base\n");
}

#[test]
fn mistakes_in_triggers_stand_at_the_from_that_brought_them() {
    for trigger in [
        "ENV A=${",
        "WHAT x",
        "FROM x",
        "RUN --mount=type=nope x",
        "COPY --from=$X a b",
    ] {
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","config":{{"OnBuild":["{trigger}"]}},"rootfs":{{"type":"layers","diff_ids":[]}}}}"#
        );
        let text = "FROM scratch AS one\nFROM parent\n";
        let configs = [("parent", config.as_str())].into();
        let error = support::try_lower_with(text, &options(), &configs).unwrap_err();
        let span = error.span.unwrap();
        assert_eq!(&text[span.start..span.end], "FROM parent", "{trigger}");
        assert!(error.to_string().contains(trigger), "{trigger}: {error}");
    }
}

#[test]
fn requests_for_images_know_what_needs_them() {
    let text = "FROM base\nCOPY --from=other a b\n";
    let dockerfile = parse(text).unwrap();
    let lowering = lower(&dockerfile, "Dockerfile", &options(), &Default::default()).unwrap();
    let stromatekt_dockerfile::Lowering::NeedsImages(requests) = lowering else {
        panic!("it needs images");
    };
    let places: Vec<&str> = requests
        .iter()
        .map(|request| &text[request.span.start..request.span.end])
        .collect();
    assert_eq!(places, ["FROM base", "COPY --from=other a b"]);
}
