//! `stromatekt plan`: what would run, why, and that nothing does.

use serde_json::Value;
use stromatekt_tests::progress::steps;
use stromatekt_tests::{Context, Lab, Outcome};

const DOCKERFILE: &str = "FROM busybox AS made\nCOPY src /src\nRUN cat /src/a >/made\nFROM busybox AS apart\nRUN touch /apart\nFROM busybox\nCOPY --from=apart /apart /\nCOPY --from=made /made /\n";

fn plan(lab: &Lab, context: &Context, options: &[&str]) -> Outcome {
    let command = lab.stromatekt(["plan"]).args(options);
    command.arg(context.path()).run()
}

/// All steps of the plan.
#[track_caller]
fn planned(lab: &Lab, context: &Context, options: &[&str]) -> Vec<Value> {
    let options: Vec<&str> = [options, &["--format", "json"]].concat();
    let outcome = plan(lab, context, &options).ok();
    let plan: Value = serde_json::from_slice(&outcome.stdout).expect("it is JSON");
    plan["steps"].as_array().expect("a list").clone()
}

fn label(step: &Value) -> &str {
    step["label"].as_str().unwrap_or_default()
}

/// The step with these words in its label.
#[track_caller]
fn find(steps: &[Value], words: &str) -> Value {
    let found = steps.iter().find(|step| label(step).contains(words));
    found
        .unwrap_or_else(|| panic!("{words:?} is not in {steps:#?}"))
        .clone()
}

#[track_caller]
fn step(lab: &Lab, context: &Context, words: &str) -> Value {
    find(&planned(lab, context, &[]), words)
}

/// Plans, builds, and expects the one to tell what the other does. Returns the plan.
#[track_caller]
fn agree(lab: &Lab, context: &Context, options: &[&str]) -> Vec<Value> {
    let plan = planned(lab, context, options);
    let built = lab.build(context).args(options).ok();
    let ran = steps(&built.stderr);
    for step in &plan {
        let is_cached = match (step["kind"].as_str(), step["state"].as_str()) {
            (Some("run" | "file" | "stack"), Some("cached")) => true,
            (Some("run" | "file" | "stack"), Some("runs")) => false,
            _ => continue,
        };
        let found = ran.iter().find(|ran| ran.name == label(step));
        let found = found.unwrap_or_else(|| panic!("{step} is not told of:\n{built}"));
        assert_eq!(found.cached, is_cached, "{step} is otherwise in\n{built}");
    }
    plan
}

#[test]
fn it_tells_what_would_run_and_why() {
    let lab = Lab::with_busybox();
    let context = Context::new(&[("Dockerfile", DOCKERFILE), ("src/a", "one")]);
    let before = lab.contents();
    let new = step(&lab, &context, "RUN touch /apart");
    assert_eq!(
        (&new["state"], &new["why"]),
        (&"runs".into(), &"no earlier result".into())
    );
    assert_eq!(lab.contents(), before, "nothing ran");

    lab.build(&context).ok();
    for words in [
        "COPY src",
        "RUN cat",
        "COPY --from=made",
        "RUN touch /apart",
        "FROM",
    ] {
        assert_eq!(step(&lab, &context, words)["state"], "cached", "{words}");
    }

    context.write("src/a", "two");
    let before = lab.contents();
    let copied = step(&lab, &context, "COPY src");
    assert_eq!(copied["why"], "the files it copies changed");
    assert!(copied["seconds"].as_f64() > Some(0.0), "{copied}");
    let made = step(&lab, &context, "RUN cat");
    assert_eq!(made["state"], "runs");
    assert!(
        made["why"]
            .as_str()
            .is_some_and(|why| why.contains("COPY src /src runs")),
        "{made}"
    );
    let taken = step(&lab, &context, "COPY --from=made");
    assert_eq!(
        taken["state"], "unknown",
        "the files may be the same: {taken}"
    );
    assert_eq!(step(&lab, &context, "RUN touch /apart")["state"], "cached");
    assert_eq!(lab.contents(), before, "nothing ran");

    context.write(
        "Dockerfile",
        DOCKERFILE.replace("touch /apart", "echo >/apart"),
    );
    let changed = step(&lab, &context, "RUN echo >/apart");
    assert!(
        changed["why"]
            .as_str()
            .is_some_and(|why| why.contains("RUN touch /apart")),
        "{changed}"
    );
}

#[test]
fn it_is_shown_in_all_formats() {
    let lab = Lab::with_busybox();
    let context = Context::new(&[("Dockerfile", DOCKERFILE), ("src/a", "one")]);
    for (format, words) in [
        ("text", "wave 2\n"),
        ("dot", "digraph plan {"),
        ("json", "\"version\": 1"),
        ("svg", "<svg "),
        ("html", "<!DOCTYPE html>"),
    ] {
        let outcome = plan(&lab, &context, &["--format", format]).ok();
        let shown = String::from_utf8_lossy(&outcome.stdout).into_owned();
        assert!(
            shown.contains(words) && shown.contains("touch /apart"),
            "{format}: {shown}"
        );
    }
    let refused = plan(&lab, &context, &["--timeline", "page.html"]).failed();
    let _ = refused.says(&["no use for --timeline"]);
}

#[test]
fn what_would_fail_is_told() {
    let lab = Lab::with_busybox();
    let context = Context::dockerfile("FROM busybox\nCOPY missing /\n");
    let copied = step(&lab, &context, "COPY missing");
    assert!(
        copied["why"]
            .as_str()
            .is_some_and(|why| why.starts_with("it would fail")),
        "{copied}"
    );
}

const PIPELINE: &str = "bases: {busybox: busybox}
tasks:
  one: {on: busybox, run: 'echo one >/one'}
  two: {on: busybox, run: 'echo two >/two'}
  joined: {on: [busybox, one, two], run: 'cat /one /two >/joined'}
  copied: {on: busybox, copy: {files: src, to: /src}, run: 'cat /src/a >/copied'}
  taken: {on: busybox, copy: {from: copied, files: /copied, to: /taken}}
images:
  joined: {layers: joined}
  taken: {layers: taken}
  both: {layers: [busybox, one, two]}
";

#[test]
fn of_a_pipeline_it_tells_what_would_run_and_why() {
    let lab = Lab::with_busybox();
    let context = Context::new(&[("pipeline.yaml", PIPELINE), ("src/a", "one")]);
    let file = context.path().join("pipeline.yaml");
    let options = ["-f", file.to_str().expect("a path of the test's own")];
    let states = |plan: &[Value]| {
        let shown = [
            "[one",
            "[two",
            "stack of",
            "[joined",
            "COPY src",
            "[copied 2/2]",
            "[taken",
        ];
        shown.map(|words| {
            let step = find(plan, words);
            let told = |name: &str| step[name].as_str().unwrap_or_default().to_owned();
            (told("state"), told("why"))
        })
    };
    let is = |state: &str, why: &str| (state.to_owned(), why.to_owned());
    let new = || is("runs", "no earlier result");
    let cached = || is("cached", "");

    let before = lab.contents();
    let first = states(&planned(&lab, &context, &options));
    assert_eq!(lab.contents(), before, "nothing ran");
    let [one, two, stack, joined, copy, copied, taken] = &first;
    assert_eq!([one, two, copy], [&new(), &new(), &new()]);
    for (state, words) in [
        (stack, "[one 1/1]"),
        (joined, "stack of"),
        (copied, "COPY src"),
    ] {
        let expected = (state.0.as_str(), state.1.contains(words));
        assert_eq!(expected, ("runs", true), "{first:?}");
    }
    assert_eq!(taken.0, "unknown", "{taken:?}");

    agree(&lab, &context, &options);
    let again = agree(&lab, &context, &options);
    assert_eq!(states(&again), [(); 7].map(|()| cached()), "all is there");
    let image = again.iter().find(|step| step["kind"] == "export");
    let image = image.expect("an image");
    assert_eq!(image["why"], "an image is written each time");

    // What one task does, and what another copies.
    context.write("pipeline.yaml", PIPELINE.replace("echo two", "echo 2"));
    context.write("src/a", "two");
    let changed = states(&agree(&lab, &context, &options));
    let [one, two, stack, joined, copy, copied, taken] = &changed;
    assert_eq!(one, &cached());
    assert_eq!(
        two,
        &is(
            "runs",
            "it was `[two 1/1] RUN echo two >/two` the last time"
        )
    );
    assert_eq!(copy, &is("runs", "the files it copies changed"));
    for (state, words) in [
        (stack, "[two 1/1]"),
        (joined, "stack of"),
        (copied, "COPY src"),
    ] {
        let expected = (state.0.as_str(), state.1.contains(words));
        assert_eq!(expected, ("runs", true), "{changed:?}");
    }
    assert_eq!(taken.0, "unknown", "{taken:?}");

    // The same files, by another way.
    context.write(
        "pipeline.yaml",
        PIPELINE.replace("cat /src/a >", "cp /src/a "),
    );
    let taken = find(&agree(&lab, &context, &options), "[taken");
    assert_eq!(taken["state"], "unknown", "the files may be the same");
    let same = states(&agree(&lab, &context, &options));
    assert_eq!(same, [(); 7].map(|()| cached()));
}

#[test]
fn it_and_a_build_agree_on_options() {
    let lab = Lab::with_busybox();
    let context = Context::new(&[("Dockerfile", DOCKERFILE), ("src/a", "one")]);
    for options in [
        &[][..],
        &[],
        &["--no-cache"],
        &["--target", "apart"],
        &["--no-cache-filter", "made"],
        &["--optimize", "none"],
        &["--build-arg", "NAME=value"],
        &["--build-arg", "HTTP_PROXY=http://proxy.example"],
        &["--network", "none"],
        &["--add-host", "other:10.0.0.1"],
    ] {
        agree(&lab, &context, options);
    }
}

#[test]
fn a_repository_as_context_is_what_it_is_for_a_build() {
    let repository = crate::fetch::repository();
    let daemon = crate::fetch::GitDaemon::start(repository.path());
    let lab = Lab::with_busybox();
    let dockerfile = "FROM busybox\nCOPY . /all\n";
    let build = lab.build_of(daemon.url()).args(["-f", "-"]);
    build.stdin(dockerfile).ok();
    let state = |options: &[&str]| {
        let command = lab.stromatekt(["plan", "--format", "json", "-f", "-"]);
        let command = command.args(options).arg(daemon.url()).stdin(dockerfile);
        let plan = command.run().ok().json();
        let steps = plan["steps"].as_array().expect("a list");
        find(steps, "COPY . /all")["state"].clone()
    };
    assert_eq!(state(&[]), "cached");
    // The directory `.git` is copied, too.
    let keep = ["--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1"];
    assert_eq!(state(&keep), "runs");
}
