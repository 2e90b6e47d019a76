//! JSON pipelines: what their steps do that no Dockerfile can say, what they may not do, and what they are converted to.

use std::path::Path;

use serde_json::{Value, json};
use stromatekt_tests::build::Build;
use stromatekt_tests::{Context, Lab};

/// A directory with a pipeline on the base busybox, and some files.
fn context(rest: Value) -> Context {
    let context = Context::new(&[
        ("src/one", "one\n"),
        ("private/secret", "secret\n"),
        ("more/deep/file", "deep\n"),
    ]);
    context.symlink("src/link", "../private");
    context.write("pipeline.json", pipeline(rest).to_string());
    context
}

fn pipeline(rest: Value) -> Value {
    let mut value = json!({"images": [
        {"importType": "layer", "image": {"imageType": "docker", "name": "busybox"}, "resultVar": "busybox"}]});
    if let (Some(value), Value::Object(rest)) = (value.as_object_mut(), rest) {
        value.extend(rest);
    }
    value
}

fn build<'lab>(lab: &'lab Lab, context: &Context) -> Build<'lab> {
    let file = context.path().join("pipeline.json");
    lab.build(context).args([Path::new("-f"), file.as_path()])
}

fn shell(command: &str) -> Value {
    json!({"stepType": "run", "spec": {"process": {"args": ["/bin/sh", "-c", command]}}})
}

fn apply(stack: &str) -> Value {
    json!({"stepType": "apply", "layerStack": stack})
}

fn snapshot(var: &str) -> Value {
    json!({"stepType": "snapshot-changeset", "var": var})
}

fn copy(source: &str) -> Value {
    json!({"stepType": "files", "files": [{"fileType": "copy-file", "source": source, "target": "/copied/"}]})
}

#[test]
fn changesets_may_be_empty_also_on_the_empty_tree() {
    let context = context(json!({"timelines": [{"resultVar": "app", "steps": [
        snapshot("zero"),
        {"stepType": "expect", "changeset": "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"},
        apply("busybox"),
        snapshot("none"),
        shell("echo made > /made"),
        snapshot("made"),
        {"stepType": "export-image", "layers": ["busybox", "zero", "none", "made", "zero"]},
    ]}]}));
    let image = build(Lab::shared().as_ref(), &context).image();
    assert_eq!(image.layers.len(), 5);
    assert_eq!(image.rootfs().text("made"), "made");
    let history = image.config["history"].as_array().expect("a history");
    let told: Vec<&str> = history
        .iter()
        .rev()
        .filter_map(|entry| entry["created_by"].as_str())
        .take(4)
        .collect();
    assert_eq!(told, ["zero", "made", "none", "zero"]);
}

#[test]
fn what_files_do_not_allow_is_not_there_whatever_leads_to_it() {
    let lab = Lab::shared();
    for (files, source, is_copied) in [
        (json!({"src": "directory"}), "src/one", true),
        (json!({"src": "directory"}), "src/link/secret", false),
        (json!({"src": "directory"}), "src/link", false),
        (json!({"src": "file"}), "src", false),
        (
            json!({"src": "directory", "private": "directory"}),
            "src/link/secret",
            true,
        ),
    ] {
        let context = context(json!({"files": files, "timelines": [
            {"resultVar": "app", "steps": [copy(source), {"stepType": "export-image"}]}]}));
        match is_copied {
            true => assert!(build(&lab, &context).rootfs().has("copied"), "{source}"),
            false => {
                build(&lab, &context)
                    .fails()
                    .says(&[&format!("\"/{source}\": not found")]);
            }
        }
    }
}

#[test]
fn processes_have_the_groups_and_the_limits_that_are_said() {
    let context = context(json!({"timelines": [{"resultVar": "app", "steps": [
        apply("busybox"),
        {"stepType": "files", "files": [{"fileType": "make-directory", "path": "/out", "owner": "12"}]},
        {"stepType": "run", "spec": {"process": {
            "args": ["/bin/sh", "-c", "id -u > /out/id; id -G >> /out/id; ulimit -n >> /out/id; ulimit -c >> /out/id"],
            "user": {"uid": 12, "gid": 34, "additionalGids": [56, 78]},
            "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 99}]}}},
        {"stepType": "export-image"},
    ]}]}));
    let lab = Lab::shared();
    let build = build(&lab, &context).args(["--ulimit", "core=0", "--ulimit", "nofile=55"]);
    assert_eq!(
        build.rootfs().lines("out/id"),
        ["12", "34 56 78", "77", "0"]
    );
}

#[test]
fn permissions_are_asked_for_and_variables_that_nobody_reads_are_told() {
    let mut step = shell("true");
    step["network"] = "host".into();
    let context = context(json!({"timelines": [
        {"resultVar": "app", "steps": [apply("busybox"), step, {"stepType": "export-image"}]}]}));
    let lab = Lab::shared();
    build(&lab, &context)
        .fails()
        .says(&["timelines[0].steps[1].network", "pass --allow network.host"]);
    for option in ["--check", "--call=targets"] {
        build(&lab, &context)
            .args([option])
            .fails()
            .says(&["are about Dockerfiles", "stromatekt plan"]);
    }
    build(&lab, &context)
        .args(["--shm-size", "1g"])
        .fails()
        .says(&["mount a tmpfs of that size at /dev/shm"]);
    build(&lab, &context)
        .args(["--allow", "network.host"])
        .build_arg("VERSION=1")
        .output("type=cacheonly")
        .ok()
        .says(&["[VERSION] were not consumed"]);
}

#[test]
fn an_image_is_as_old_as_is_said() {
    let context = context(json!({"timelines": [{"resultVar": "app", "steps": [
        apply("busybox"),
        shell("echo made > /made"),
        {"stepType": "export-image", "configFrom": "busybox", "config": {"created": "2001-02-03T04:05:06Z"}},
    ]}]}));
    let image = build(Lab::shared().as_ref(), &context).image();
    assert_eq!(image.config["created"], "2001-02-03T04:05:06Z");
}

#[test]
fn directories_are_found_from_where_the_pipeline_is_also_once_it_is_converted() {
    let lab = Lab::shared();
    let context = context(json!({}));
    let layout = context.path().join("layout");
    let rest = json!({
        "sources": [{"sourceType": "directory", "resultVar": "more", "path": "../more"}],
        "timelines": [{"resultVar": "app", "steps": [
            {"stepType": "files", "files": [{"fileType": "copy-file", "from": "more", "source": "deep", "target": "/"}]},
            {"stepType": "export-image", "path": layout}]}],
    });
    context.write("src/pipeline.json", pipeline(rest).to_string());
    let text = |file: &Path| {
        let build = lab.build(&context).args([Path::new("-f"), file]);
        build.rootfs().text("file").to_owned()
    };
    let written = context.path().join("src/pipeline.json");
    assert_eq!(text(&written), "deep");
    let convert = |format: &str| {
        let output = context.path().join(format!("private/converted.{format}"));
        let convert = lab.stromatekt(["convert", "src/pipeline.json", "--to", format, "-o"]);
        let outcome = convert.arg(&output).current_dir(context.path()).run();
        (output, outcome)
    };
    let (output, outcome) = convert("json");
    outcome.ok();
    assert_eq!(text(&output), "deep");
    let json: Value =
        serde_json::from_slice(&std::fs::read(output).expect("a file")).expect("JSON");
    let timelines = json["timelines"].as_array().expect("a list");
    let step = &timelines.last().expect("a timeline")["steps"][1];
    assert_eq!(step["path"].as_str(), layout.to_str(), "{json}");
    convert("yaml")
        .1
        .failed()
        .says(&["YAML has no place for where an image is written"]);
}

#[test]
fn a_pipeline_that_was_fetched_reaches_nothing_of_this_machine() {
    let lab = Lab::shared();
    let fetched = |rest: Value| {
        let context = context(rest);
        context.symlink("out", "/etc");
        let build = lab.build_of("-").args(["-f", "pipeline.json"]);
        build.stdin(context.tar()).fails()
    };
    let read = |path: &str| {
        json!({
            "sources": [{"sourceType": "directory", "resultVar": "d", "path": path}],
            "timelines": [{"resultVar": "app", "steps": [apply("d"), {"stepType": "export-image"}]}],
        })
    };
    fetched(read("/etc")).says(&["leads out of what the pipeline came with"]);
    fetched(read("src/../../etc")).says(&["leads out of what the pipeline came with"]);
    fetched(read("out/ssl")).says(&["No such file or directory"]);
    let image = |config_from: Value| {
        json!({
            "images": [{"importType": "layer", "image": {"imageType": "oci", "path": "layout"}, "resultVar": "base"}],
            "timelines": [{"resultVar": "app", "steps": [
                apply("base"), {"stepType": "export-image", "config": config_from}]}],
        })
    };
    for config in [json!({}), json!({"history": []})] {
        fetched(image(config)).says(&["may not read the image layout of this machine"]);
    }
    let target = tempfile::tempdir().expect("there is room for a directory");
    let path = target.path().join("layout");
    fetched(json!({"timelines": [
        {"resultVar": "app", "steps": [copy("src"), {"stepType": "export-image", "path": path}]}],
        "files": {"/": "directory"}}))
    .says(&["may not choose where the image app is written", "--output"]);
    assert!(!path.exists());
}

#[test]
fn a_text_that_is_no_utf8_is_told_with_its_line() {
    let context = context(json!({}));
    context.write("pipeline.json", b"{\n  \"timelines\": \"\xff\"\n}");
    build(Lab::shared().as_ref(), &context)
        .fails()
        .says(&["this is no UTF-8", "pipeline.json:2"]);
}
