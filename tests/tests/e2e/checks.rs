//! Build checks, and what `--call` tells of a Dockerfile without building it.

use std::fs;

use serde_json::{Value, json};
use stromatekt_tests::{Context, Lab, Outcome};

const WITH_WARNINGS: &str = "FROM busybox AS Named\nWORKDIR rel\nCMD echo $HOME\n";

/// Calls a method on a context, with a state directory that is empty and stays so.
#[track_caller]
fn call(context: &Context, args: &[&str]) -> Outcome {
    let lab = Lab::empty();
    let outcome = lab.build(context).args(args).run();
    let made = fs::read_dir(lab.root()).expect("own directory").count();
    assert_eq!(made, 0, "a store was made:\n{outcome}");
    outcome
}

fn rules(outcome: &Outcome) -> Vec<(String, u64)> {
    let json = outcome.json();
    let warnings = json["warnings"].as_array().cloned().unwrap_or_default();
    warnings
        .iter()
        .map(|warning| {
            let rule = warning["ruleName"].as_str().unwrap_or_default();
            let line = &warning["location"]["ranges"][0]["start"]["line"];
            (rule.to_owned(), line.as_u64().unwrap_or_default())
        })
        .collect()
}

#[test]
fn a_check_shows_violations_with_their_lines_and_fails() {
    let text = WITH_WARNINGS.replace("busybox", "scratch");
    let outcome = call(&Context::dockerfile(&text), &["--check"]);
    assert_eq!(outcome.code, Some(1), "{outcome}");
    let shown = outcome.text();
    assert!(
        shown.starts_with("Check complete, 3 warnings have been found!\n\nWARNING: StageNameCasing - https://docs.docker.com/go/dockerfile/rule/stage-name-casing/\n"),
        "{outcome}"
    );
    for part in [
        "Dockerfile:1\n--------------------\n   1 | >>> FROM scratch AS Named\n",
        "WARNING: WorkdirRelativePath - ",
        "   2 | >>> WORKDIR rel\n",
        "WARNING: JSONArgsRecommended - ",
    ] {
        assert!(shown.contains(part), "{part:?}: {outcome}");
    }
    assert!(!outcome.stderr.contains("ERROR"), "{outcome}");
    // The method by its other name, and a success whatever is found.
    let same = call(
        &Context::dockerfile(&text),
        &["--call=lint,ignorestatus=true"],
    )
    .ok();
    assert!(
        same.text().starts_with("Check complete, 3 warnings"),
        "{same}"
    );
}

#[test]
fn a_dockerfile_without_violations_passes_its_check() {
    let outcome = call(&Context::dockerfile("FROM scratch\n"), &["--call=check"]).ok();
    assert_eq!(outcome.text(), "Check complete, no warnings found.");
    let json = call(
        &Context::dockerfile("FROM scratch\n"),
        &["--call=check,format=json"],
    );
    let json = json.ok().json();
    assert_eq!(json["warnings"], Value::Null);
    assert_eq!(json["sources"][0]["data"], "RlJPTSBzY3JhdGNoCg==");
}

#[test]
fn a_check_looks_at_all_stages_unless_one_is_asked_for() {
    let context = Context::dockerfile(
        "FROM scratch AS a\nMAINTAINER x\nWORKDIR y\nFROM scratch AS b\nCMD x\n",
    );
    let all = call(&context, &["--call=check,format=json"]);
    assert_eq!(
        rules(&all),
        [
            ("MaintainerDeprecated".to_owned(), 2),
            ("WorkdirRelativePath".to_owned(), 3),
            ("JSONArgsRecommended".to_owned(), 5),
        ]
    );
    let one = call(&context, &["--call=check,format=json", "--target=b"]);
    assert_eq!(rules(&one).len(), 2, "{one}");
}

#[test]
fn a_check_knows_the_ignore_file() {
    let context = Context::new(&[
        ("Dockerfile", "FROM scratch\nCOPY a b /\nADD a/c /\n"),
        (".dockerignore", "a\n"),
    ]);
    let outcome = call(&context, &["--call=check,format=json"]);
    let expected = [2, 3].map(|line| ("CopyIgnoredFile".to_owned(), line));
    assert_eq!(rules(&outcome), expected, "{outcome}");
    context.write(".dockerignore", "a\n!a/c\n");
    call(&context, &["--check"]).ok();
}

#[test]
fn a_check_knows_the_images_of_the_store() {
    let lab = Lab::with_busybox();
    let context = Context::dockerfile("FROM busybox\nENV A=$PATH:$NOPE\n");
    let outcome = lab
        .build(&context)
        .args(["--call=check,format=json"])
        .fails();
    assert_eq!(rules(&outcome), [("UndefinedVar".to_owned(), 2)]);
    outcome.says(&["[internal] load metadata for docker.io/library/busybox:latest"]);
}

#[test]
fn a_check_tells_of_errors_after_violations() {
    let context = Context::dockerfile("FROM scratch AS Foo\nSTOPSIGNAL nope\nCMD x\n");
    let outcome = call(&context, &["--check"]).failed();
    assert!(outcome.text().contains("StageNameCasing"), "{outcome}");
    assert!(!outcome.text().contains("JSONArgs"), "{outcome}");
    outcome.says(&["nope"]);
    let outcome = call(&context, &["--call=check,format=json"]).failed();
    let error = &outcome.json()["buildError"];
    assert_eq!(
        error["location"]["ranges"][0]["start"]["line"], 2,
        "{outcome}"
    );
    let broken = Context::dockerfile("FROM scratch\nNOPE\n");
    let outcome = call(&broken, &["--call=check,format=json"]).failed();
    let error = &outcome.json()["buildError"];
    assert_eq!(
        error["location"]["ranges"][0]["start"]["line"], 2,
        "{outcome}"
    );
}

#[test]
fn an_outline_tells_args_secrets_and_agents() {
    let context = Context::dockerfile(
        "# TAG of the base\nARG TAG=1\n# all that there is\nFROM scratch AS all\nARG TAG\n\
         RUN --mount=type=secret,id=key,required=true --mount=type=ssh x\n",
    );
    let outcome = call(&context, &["--call=outline"]).ok();
    assert_eq!(
        outcome.text().trim_end(),
        "TARGET:      all\nDESCRIPTION: that there is\n\n\
         BUILD ARG   VALUE   DESCRIPTION\nTAG         1       of the base\n\n\
         SECRET   REQUIRED\nkey      true\n\nSSH       REQUIRED\ndefault",
    );
    let outcome = call(
        &context,
        &["--call=outline,format=json", "--build-arg=TAG=2"],
    );
    let json = outcome.ok().json();
    let line =
        |line: u64| json!({ "ranges": [{ "start": { "line": line }, "end": { "line": line } }] });
    assert_eq!(
        json["args"],
        json!([{ "name": "TAG", "value": "2", "location": line(5) }])
    );
    assert_eq!(
        json["secrets"],
        json!([{ "name": "key", "required": true, "location": line(6) }])
    );
}

#[test]
fn targets_are_listed() {
    let context = Context::dockerfile(
        "# base of all\nFROM no.such.registry.invalid/x AS base\nFROM scratch\nFROM base AS Last\n",
    );
    // Nothing is looked up for it.
    let outcome = call(&context, &["--call=targets"]).ok();
    assert_eq!(
        outcome.text(),
        "TARGET         DESCRIPTION\nbase           of all\n               \nlast (default) "
    );
    let metadata = Context::new(&[]);
    let file = metadata.path().join("metadata.json");
    let option = format!("--metadata-file={}", file.display());
    let outcome = call(&context, &["--call=targets,format=json", &option]).ok();
    assert_eq!(outcome.json()["targets"][2]["default"], true);
    let written: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(written["result.json"], outcome.json());
}

#[test]
fn a_build_warns_in_every_display() {
    let lab = Lab::shared();
    let context = Context::dockerfile(WITH_WARNINGS);
    let build = |progress: &str| {
        lab.build(&context)
            .args(["-o", "type=cacheonly", "--progress", progress])
            .ok()
    };
    build("plain").says(&[
        "#1 WARN: StageNameCasing: ",
        " 3 warnings found (use --check to expand):\n - StageNameCasing: ",
        "'Named'",
        " (line 1)\n - WorkdirRelativePath: ",
    ]);
    let raw = build("rawjson");
    let warnings: Vec<Value> = raw
        .stderr
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|status| Some(status["warnings"].as_array()?[0].clone()))
        .collect();
    assert_eq!(warnings.len(), 3, "{raw}");
    assert_eq!(
        warnings[0]["url"],
        "https://docs.docker.com/go/dockerfile/rule/stage-name-casing/"
    );
    assert_eq!(warnings[2]["range"][0]["start"]["line"], 3);
    assert!(!build("quiet").stderr.contains("StageNameCasing"));
}

#[test]
fn violations_fail_a_build_where_that_is_asked_for() {
    let context = Context::dockerfile(WITH_WARNINGS);
    let build = |settings: &str| {
        let arg = format!("BUILDKIT_DOCKERFILE_CHECK={settings}");
        let lab = Lab::shared();
        lab.build(&context)
            .args(["-o", "type=cacheonly"])
            .build_arg(&arg)
            .run()
    };
    build("error=true").failed().says(&[
        "WARN: StageNameCasing",
        "StageNameCasing, WorkdirRelativePath, JSONArgsRecommended",
    ]);
    build("error=true;skip=all").ok();
    build("oops")
        .failed()
        .says(&["BUILDKIT_DOCKERFILE_CHECK", "oops"]);
}
