//! What would be accepted and mean nothing is refused, each at the place of the value that is at fault.

use serde_json::{Value, json};
use stromatekt_pipeline::Problem;

use crate::problems::{copy, export, pipeline, problem, snapshot, write};

const ZERO: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// A pipeline whose one timeline has this step, with the problem that it is.
fn problem_of_step(step: Value) -> Problem {
    problem(&pipeline(json!({"a": [step, export()]})))
}

#[test]
fn what_would_mean_nothing_is_refused_at_its_place() {
    let run = |spec: Value| json!({"stepType": "run", "spec": spec});
    let process = json!({"args": ["x"]});
    let mount = |fields: Value| {
        let mut mount = json!({"destination": "/x"});
        let fields = fields.as_object().expect("a map").clone();
        mount.as_object_mut().expect("a map").extend(fields);
        run(json!({"process": process, "mounts": [mount]}))
    };
    let hosts = |hosts: Value| json!({"stepType": "run", "spec": {"process": process}, "extraHosts": hosts});
    let file = |file: Value| json!({"stepType": "files", "files": [file]});
    for (step, path, message) in [
        (
            mount(json!({"type": "secret", "id": "s", "file": false})),
            "spec.mounts[0].file",
            "the secret is neither a file nor a variable",
        ),
        (
            mount(json!({"type": "secret", "id": "s", "env": "A=B"})),
            "spec.mounts[0].env",
            "the name of a variable has no `=` and no character 0",
        ),
        (
            mount(json!({"type": "tmpfs", "size": 0})),
            "spec.mounts[0].size",
            "a file system of no bytes has room for nothing",
        ),
        (
            mount(json!({"type": "bind", "source": "a\0b"})),
            "spec.mounts[0].source",
            "this has no character 0",
        ),
        (
            copy(json!({"source": ["src/a", "src/\0"]})),
            "files[0].source[1]",
            "this has no character 0",
        ),
        (
            hosts(json!({"a": ["10.0.0.1", "10.0.0"]})),
            "extraHosts.a[1]",
            "`10.0.0` is no IP address",
        ),
        (
            hosts(json!({"a\n10.0.0.1 b": "10.0.0.1"})),
            "extraHosts.a\n10.0.0.1 b",
            "`a\\n10.0.0.1 b` is no name of a host",
        ),
        (
            run(json!({"process": process, "hostname": "a b"})),
            "spec.hostname",
            "`a b` is no name of a host",
        ),
        (
            run(json!({"process": process, "hostname": "a".repeat(65)})),
            "spec.hostname",
            "a host name has at most 64 bytes",
        ),
        (
            run(json!({"process": {"args": ["x"], "user": {"username": "a:b"}}})),
            "spec.process.user.username",
            "a name of a user has no `:`",
        ),
        (
            run(
                json!({"process": {"args": ["x"], "user": {"uid": 1, "additionalGids": [1, 4294967295_u64]}}}),
            ),
            "spec.process.user.additionalGids[1]",
            "`4294967295` is too big for an id",
        ),
        (
            file(
                json!({"fileType": "inline-file", "content": "x", "target": "/x", "unpack": "always"}),
            ),
            "files[0].unpack",
            "a file of type `inline-file` has no field `unpack`",
        ),
        (
            file(
                json!({"fileType": "fetched-file", "from": "page", "name": "x", "target": "/x", "exclude": ["x"]}),
            ),
            "files[0].exclude",
            "a file of type `fetched-file` has no field `exclude`",
        ),
        (
            json!({"stepType": "expect", "tree": ZERO, "digest": ZERO}),
            "",
            "a step of type `expect` expects one thing",
        ),
    ] {
        let problem = problem_of_step(step);
        assert_eq!(problem.message, message);
        let path = format!("timelines[0].steps[0].{path}");
        assert_eq!(problem.place.path, path.trim_end_matches('.'), "{message}");
    }
}

#[test]
fn images_that_cannot_be_as_they_are_described_are_refused() {
    let layers = |history: Value, layers: Value| json!([write("/a"), snapshot("made"), {"stepType": "export-image", "layers": layers, "config": {"history": history}}]);
    let entry = json!({"created_by": "x"});
    let empty = json!({"created_by": "x", "empty_layer": true});
    for (steps, path, message) in [
        (
            layers(json!([entry]), json!([{"layer": "made", "history": 1}])),
            "layers[0].history",
            "there is no entry 1 in the history, which has 1",
        ),
        (
            layers(json!([empty]), json!([{"layer": "made", "history": 0}])),
            "layers[0].history",
            "entry 0 of the history says that it made no layer",
        ),
        (
            layers(
                json!([entry, entry]),
                json!([{"layer": "made", "history": 0}, {"layer": "made", "history": 0}]),
            ),
            "layers[1].history",
            "entry 0 of the history is about two layers",
        ),
        (
            json!([write("/a"), snapshot("made"), {"stepType": "export-image", "layers": [{"layer": "made", "history": 0}]}]),
            "layers[0].history",
            "there is no history that entry 0 could be in",
        ),
        (
            json!([write("/a"), snapshot("made"), {"stepType": "export-image", "config": {"created": "yesterday"}}]),
            "config.created",
            "`yesterday` is no time",
        ),
        (
            json!([write("/a"), snapshot("made"), {"stepType": "export-image", "tags": [format!("a@{ZERO}")]}]),
            "tags[0]",
            "the digest of an image is known when it is built",
        ),
    ] {
        let problem = problem(&pipeline(json!({"a": steps})));
        assert_eq!(problem.message, message);
        let path = format!("timelines[0].steps[2].{path}");
        assert_eq!(problem.place.path, path, "{message}");
    }
}

#[test]
fn two_of_a_kind_are_told_with_both_places() {
    let image = |name: &str| json!({"stepType": "export-image", "name": name, "tags": []});
    let of_images = pipeline(json!({"a": [image("app"), image("app:latest")]}));
    let mut of_directories = pipeline(json!({"a": [export()]}));
    of_directories["sources"] = json!([
        {"sourceType": "directory", "resultVar": "one", "path": "1"},
        {"sourceType": "directory", "resultVar": "two", "path": "2", "contextName": "one"},
    ]);
    let mut of_layout = pipeline(json!({"a": [export()]}));
    of_layout["images"][0]["image"] =
        json!({"imageType": "oci", "path": "x", "tag": "t", "digest": ZERO});
    for (value, message, path, also) in [
        (
            of_images,
            "two images get the name app:latest",
            "timelines[0].steps[1].name",
            "timelines[0].steps[0].name",
        ),
        (
            of_directories,
            "two directories are called `one` in plans and caches",
            "sources[1].resultVar",
            "sources[0].resultVar",
        ),
        (
            of_layout,
            "an image in a layout is chosen by its `tag` or by its `digest`, not both",
            "images[0].image.digest",
            "images[0].image.tag",
        ),
    ] {
        let problem = problem(&value);
        assert_eq!(problem.message, message);
        assert_eq!(problem.place.path, path);
        assert_eq!(problem.also[0].1.path, also);
    }
}
