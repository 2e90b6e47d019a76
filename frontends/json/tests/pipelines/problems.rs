//! What is wrong with a pipeline as a whole is told with all places, and with what would be right.

use serde_json::{Value, json};
use stromatekt_pipeline::Problem;

use crate::given;

/// A pipeline of these timelines, each with its steps; of all of the context, an image and a file of a web server.
pub fn pipeline(timelines: Value) -> Value {
    let timelines: Vec<Value> = timelines
        .as_object()
        .expect("a map")
        .iter()
        .map(|(name, steps)| json!({"resultVar": name, "steps": steps}))
        .collect();
    json!({
        "files": {"src": {"/": "directory"}},
        "images": [{"importType": "layer", "image": {"imageType": "docker", "name": "debian"}, "resultVar": "debian"}],
        "sources": [{"sourceType": "http", "resultVar": "page", "url": "https://example.com/"}],
        "timelines": timelines,
    })
}

pub fn problem(value: &Value) -> Problem {
    let text = serde_json::to_string_pretty(value).expect("JSON");
    match given::lowered(&text) {
        Ok(_) => panic!("nothing is wrong with {text}"),
        Err(problem) => problem,
    }
}

pub fn write(path: &str) -> Value {
    json!({"stepType": "files", "files": [{"fileType": "inline-file", "content": "x", "target": path}]})
}

pub fn snapshot(var: &str) -> Value {
    json!({"stepType": "snapshot-changeset", "var": var})
}

pub fn apply(layers: &str) -> Value {
    json!({"stepType": "apply", "layerStack": layers})
}

fn put(changeset: &str) -> Value {
    json!({"stepType": "apply-changesets", "changesets": [changeset]})
}

pub fn export() -> Value {
    json!({"stepType": "export-image"})
}

pub fn copy(fields: Value) -> Value {
    let mut file = json!({"fileType": "copy-file", "target": "/x"});
    file.as_object_mut()
        .expect("a map")
        .extend(fields.as_object().expect("a map").clone());
    json!({"stepType": "files", "files": [file]})
}

#[test]
fn names_that_are_wrong_are_told_with_the_nearest() {
    for (step, message, help) in [
        (
            apply("debain"),
            "nothing is called `debain`",
            "did you mean `debian`?",
        ),
        (
            apply("imports.debain"),
            "there is no import `debain`",
            "did you mean `debian`?",
        ),
        (
            apply("imports.page"),
            "there is no import `page`",
            "there is only `debian`",
        ),
        (
            put("frist.result.made"),
            "there is no timeline `frist`",
            "did you mean `first`?",
        ),
        (
            put("first.result.mad"),
            "the timeline `first` has nothing called `mad`",
            "did you mean `made`?",
        ),
        (
            put("imports.debian.layers.2"),
            "the image `debian` has no layer 2: it has 2",
            "the lowest is 0",
        ),
        (
            put("imports.debian.layers.x"),
            "`x` is no number of a layer",
            "the lowest is 0",
        ),
        (
            put("imports.debian.layers.+0"),
            "`+0` is no number of a layer",
            "the lowest is 0",
        ),
        (
            apply("first.result.made"),
            "`first.result.made` is a changeset, but an image or the result of a timeline is needed here",
            "a step of type `apply-changesets` puts it on top of what is there",
        ),
        (
            json!({"stepType": "copy-changeset", "changeset": "debian"}),
            "`debian` is an image, but a changeset is needed here",
            "name a changeset of it: `TIMELINE.result.VAR`, or `imports.NAME.layers.0`",
        ),
        (
            copy(json!({"from": "page", "source": "x"})),
            "`page` is a file of a web server, but something with files is needed here",
            "a file of type `fetched-file` copies it",
        ),
        (
            apply("a.b.c.d.e"),
            "`a.b.c.d.e` is no name",
            "qualified names are `imports.NAME`, `imports.NAME.layers.NUMBER`, `sources.NAME`, `TIMELINE.result` and `TIMELINE.result.VAR`",
        ),
        (
            copy(json!({"source": "doc/*"})),
            "`doc/*` of the build context may not be used: `files` does not allow it",
            "allow it at the top of the file: \"files\": {\"doc\": {\"/\": \"directory\"}}",
        ),
        (
            apply("context"),
            "all of the build context may not be used: `files` does not allow it",
            "allow it at the top of the file: \"files\": {\"/\": \"directory\"}",
        ),
    ] {
        let value =
            pipeline(json!({"first": [write("/a"), snapshot("made")], "second": [step, export()]}));
        let problem = problem(&value);
        assert_eq!(problem.message, message);
        assert_eq!(problem.help.as_deref(), Some(help), "{message}");
        assert!(
            problem.place.path.starts_with("timelines[1].steps[0]"),
            "{problem:?}"
        );
    }
}

#[test]
fn timelines_that_need_each_other_are_told_with_all_places() {
    let value = pipeline(json!({
        "zero": [apply("one")],
        "one": [put("two.result.b"), write("/a"), snapshot("a")],
        "two": [apply("three"), write("/b"), snapshot("b")],
        "three": [put("a"), export()],
    }));
    let problem = problem(&value);
    assert_eq!(
        problem.message,
        "timelines need each other: `one` needs `two`"
    );
    let also: Vec<&str> = problem.also.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(also, ["`two` needs `three`", "`three` needs `one`"]);
    assert_eq!(problem.place.path, "timelines[1].steps[0].changesets[0]");
    assert_eq!(
        problem.also[1].1.path,
        "timelines[3].steps[0].changesets[0]"
    );
}

#[test]
fn timelines_may_stand_in_any_order() {
    let value = pipeline(json!({
        "second": [put("made"), export()],
        "first": [write("/a"), snapshot("made")],
    }));
    let lowered = given::lowered(&value.to_string()).expect("it is sound");
    assert_eq!(lowered.images[0].name, "second");
}

#[test]
fn names_before_they_are_there_and_names_of_two_things_are_told_with_both_places() {
    for (timelines, message, also) in [
        (
            json!({"a": [put("made"), write("/a"), snapshot("made"), export()]}),
            "`made` is used before it is there",
            "timelines[0].steps[2].var",
        ),
        (
            json!({"a": [write("/a"), snapshot("made"), write("/b"), snapshot("made"), export()]}),
            "two things are called `made`",
            "timelines[0].steps[1].var",
        ),
        (
            json!({"a": [write("/a"), snapshot("debian"), export()]}),
            "two things are called `debian`",
            "images[0].resultVar",
        ),
        (
            json!({"debian": [export()]}),
            "two things are called `debian`",
            "images[0].resultVar",
        ),
        (
            json!({"a": [apply("a.result"), export()]}),
            "the timeline `a` needs its own result",
            "timelines[0].resultVar",
        ),
        (
            json!({"a": [write("/a"), snapshot("x")], "b": [write("/b"), snapshot("x")], "c": [put("x"), export()]}),
            "`x` is something in several timelines",
            "timelines[0].steps[1].var",
        ),
        (
            json!({"a": [export()], "b": [{"stepType": "export-image", "name": "a"}]}),
            "two images are called `a`",
            "timelines[0].steps[0]",
        ),
    ] {
        let problem = problem(&pipeline(timelines));
        assert_eq!(problem.message, message);
        assert!(
            problem.also.iter().any(|(_, place)| place.path == also),
            "{message}: {:?}",
            problem.also
        );
    }
}

#[test]
fn steps_in_an_order_that_means_nothing_are_told() {
    for (timelines, message) in [
        (
            json!({"a": [write("/a"), snapshot("made")], "b": [write("/b"), put("made"), export()]}),
            "what this timeline changed before this step is in no changeset yet",
        ),
        (
            json!({"a": [apply("debian"), {"stepType": "copy-layer-stack", "layerStack": "debian"}, export()]}),
            "a timeline can only begin as a copy of another one, and this one has layers already",
        ),
        (
            json!({"a": [{"stepType": "dump-objects", "path": "/x"}, export()]}),
            "there is nothing to describe: nothing was imported on this timeline",
        ),
        (
            json!({"a": [{"stepType": "import-objects", "objects": [{"layer": "debian"}, {"layer": "scratch", "name": "debian"}]}, export()]}),
            "`debian` is something else on this timeline already",
        ),
        (
            json!({"a": [write("/a")]}),
            "no image comes of this pipeline",
        ),
    ] {
        assert_eq!(problem(&pipeline(timelines)).message, message);
    }
}

#[test]
fn fields_of_the_runtime_spec_that_are_not_supported_say_so() {
    for (spec, message) in [
        (
            json!({"process": {"args": ["x"], "terminal": true}}),
            "`terminal` of the runtime-spec is not supported here",
        ),
        (
            json!({"process": {"args": ["x"]}, "root": {"path": "/"}}),
            "`root` of the runtime-spec is not supported here",
        ),
        (
            json!({"process": {"args": ["x"]}, "linux": {"seccomp": {}}}),
            "`seccomp` of the runtime-spec is not supported here",
        ),
        (
            json!({"process": {"args": ["x"], "user": {"uid": 1, "umask": 2}}}),
            "`umask` of the runtime-spec is not supported here",
        ),
        (
            json!({"process": {"args": ["x"], "arg": []}}),
            "a process has no field `arg`",
        ),
    ] {
        let value = pipeline(json!({"a": [{"stepType": "run", "spec": spec}, export()]}));
        assert_eq!(problem(&value).message, message);
    }
}
