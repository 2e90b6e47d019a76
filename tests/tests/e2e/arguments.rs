//! ARG, --build-arg, and the expansion of words.

use stromatekt_tests::{Context, Image, Lab};

fn build(dockerfile: &str, args: &[&str]) -> Image {
    let context = Context::dockerfile(dockerfile);
    let lab = Lab::shared();
    args.iter()
        .fold(lab.build(&context), |build, arg| build.build_arg(arg))
        .image()
}

#[test]
fn an_arg_has_its_default_or_what_is_given() {
    let dockerfile = "FROM busybox\nARG A=default\nARG B\nRUN echo \"$A/${B-unset}\" > /x\n";
    assert_eq!(build(dockerfile, &[]).rootfs().text("x"), "default/unset");
    assert_eq!(build(dockerfile, &["A=1", "B=2"]).rootfs().text("x"), "1/2");
    assert_eq!(build(dockerfile, &["A="]).rootfs().text("x"), "/unset");
}

#[test]
fn a_build_arg_without_a_value_comes_from_the_environment() {
    let context = Context::dockerfile("FROM busybox\nARG A=default\nRUN echo $A > /x\n");
    let rootfs = Lab::shared()
        .build(&context)
        .build_arg("A")
        .env("A", "of the environment")
        .rootfs();
    assert_eq!(rootfs.text("x"), "of the environment");
}

#[test]
fn args_before_the_first_from_are_for_from_and_for_those_who_ask() {
    let dockerfile = "ARG BASE=busybox\nARG TOP=top\nFROM $BASE AS a\nRUN echo \"${TOP-unset}\" > /without\nARG TOP\nRUN echo $TOP > /with\n";
    let rootfs = build(dockerfile, &[]).rootfs();
    assert_eq!(rootfs.text("without"), "unset");
    assert_eq!(rootfs.text("with"), "top");
    assert_eq!(
        build(dockerfile, &["TOP=given"]).rootfs().text("with"),
        "given"
    );
}

#[test]
fn an_arg_is_of_its_stage_and_of_those_that_begin_from_it() {
    let rootfs = build(
        "FROM busybox AS a\nARG A=1\nFROM busybox AS b\nRUN echo \"${A-unset}\" > /other\nFROM a\nRUN echo \"${A-unset}\" > /below\n\
         COPY --from=b /other /other\n",
        &[],
    )
    .rootfs();
    assert_eq!(rootfs.text("other"), "unset");
    assert_eq!(rootfs.text("below"), "1");
}

#[test]
fn of_env_and_arg_the_later_one_counts() {
    let image = build(
        "FROM busybox\nARG A=arg\nENV A=env-${A}\nARG A=again\nRUN echo $A > /x\n",
        &["A=given"],
    );
    // As BuildKit has it, although the reference says that ENV always overrides.
    assert_eq!(image.rootfs().text("x"), "given");
    assert_eq!(image.env("A").as_deref(), Some("env-given"));
    let image = build(
        "FROM busybox\nARG A=arg\nENV A=env\nRUN echo $A > /x\n",
        &["A=given"],
    );
    assert_eq!(image.rootfs().text("x"), "env");
}

#[test]
fn args_are_not_in_the_config() {
    let image = build("FROM busybox\nARG SECRETIVE=1\nRUN true $SECRETIVE\n", &[]);
    assert_eq!(image.env("SECRETIVE"), None);
}

#[test]
fn platform_args_are_there_for_those_who_ask() {
    let rootfs = build(
        "FROM --platform=$BUILDPLATFORM busybox\nARG TARGETPLATFORM\nARG TARGETOS\nARG TARGETARCH\nARG BUILDPLATFORM\nARG TARGETSTAGE\nRUN echo $TARGETPLATFORM $TARGETOS $TARGETARCH $BUILDPLATFORM > /x\n",
        &[],
    )
    .rootfs();
    let (os, arch) = (
        "linux",
        if cfg!(target_arch = "aarch64") {
            "arm64"
        } else {
            "amd64"
        },
    );
    assert_eq!(
        rootfs.text("x"),
        format!("{os}/{arch} {os} {arch} {os}/{arch}")
    );
}

#[test]
fn proxy_args_need_no_declaration_and_no_new_run() {
    // One store for both builds, whatever other tests run.
    let _kept = Lab::shared();
    let dockerfile = "FROM busybox\nRUN echo \"${HTTP_PROXY-unset}\" > /proxy && cat /proc/sys/kernel/random/uuid > /id\n";
    let first = build(dockerfile, &["HTTP_PROXY=http://one.example"]);
    assert_eq!(first.rootfs().text("proxy"), "http://one.example");
    let second = build(dockerfile, &["HTTP_PROXY=http://two.example"]);
    assert_eq!(first.rootfs().text("id"), second.rootfs().text("id"));
    assert_eq!(first.env("HTTP_PROXY"), None);
}

#[test]
fn words_expand_as_the_reference_says() {
    let cases = [
        ("$v", "value"),
        ("${v}", "value"),
        ("${v}able", "valueable"),
        ("$unset", ""),
        ("${unset:-word}", "word"),
        ("${unset-word}", "word"),
        ("${empty:-word}", "word"),
        ("${empty-word}", ""),
        ("${v:+word}", "word"),
        ("${v+word}", "word"),
        ("${empty:+word}", ""),
        ("${empty+word}", "word"),
        ("${unset:+word}", ""),
        ("${unset:-${v}}", "value"),
        ("${unset:-a${v}b}", "avalueb"),
        ("${p#*/}", "b/c.tar.gz"),
        ("${p##*/}", "c.tar.gz"),
        ("${p%.*}", "a/b/c.tar"),
        ("${p%%.*}", "a/b/c"),
        ("${p/b/X}", "a/X/c.tar.gz"),
        ("\\$v", "$v"),
        ("'$v'", "$v"),
        ("\"$v\"", "value"),
        ("\"'$v'\"", "'value'"),
        ("${v:?unset}", "value"),
        ("a\\ b", "a b"),
    ];
    let mut dockerfile = "FROM scratch\nENV v=value empty= p=a/b/c.tar.gz\n".to_owned();
    for (number, (text, _)) in cases.iter().enumerate() {
        dockerfile += &format!("ENV case{number}={text}\n");
    }
    let image = build(&dockerfile, &[]);
    for (number, (text, expected)) in cases.iter().enumerate() {
        assert_eq!(
            image.env(&format!("case{number}")).as_deref(),
            Some(*expected),
            "{text}"
        );
    }
}

#[test]
fn a_variable_that_must_be_set_is_an_error_with_its_words() {
    Lab::shared()
        .build(&Context::dockerfile(
            "FROM busybox\nENV A=${NEEDED:?tell me what}\n",
        ))
        .fails()
        .says(&["NEEDED", "tell me what"])
        .points_at("Dockerfile:2", "ENV A=${NEEDED:?tell me what}");
}

#[test]
fn what_is_run_or_started_does_not_expand_here() {
    let image = build(
        "FROM busybox\nENV A=build\nRUN A=shell; echo $A > /x\nCMD [\"$A\"]\n",
        &[],
    );
    assert_eq!(image.rootfs().text("x"), "shell");
    assert_eq!(image.runtime()["Cmd"], serde_json::json!(["$A"]));
}

#[test]
fn a_build_arg_that_nothing_declares_is_warned_of() {
    let context = Context::dockerfile("FROM busybox\nARG USED\nRUN true\n");
    let outcome = Lab::shared().build(&context).build_arg("MISSPELT=1").ok();
    outcome.says(&["MISSPELT"]);
}
