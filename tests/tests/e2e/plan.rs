//! `stromatekt plan`: what would run, why, and that nothing does.

use serde_json::Value;
use stromatekt_tests::{Context, Lab, Outcome};

const DOCKERFILE: &str = "FROM busybox AS made\nCOPY src /src\nRUN cat /src/a >/made\nFROM busybox AS apart\nRUN touch /apart\nFROM busybox\nCOPY --from=apart /apart /\nCOPY --from=made /made /\n";

fn plan(lab: &Lab, context: &Context, options: &[&str]) -> Outcome {
    let command = lab.stromatekt(["plan"]).args(options);
    command.arg(context.path()).run()
}

/// The step with these words in its label.
#[track_caller]
fn step(lab: &Lab, context: &Context, words: &str) -> Value {
    let outcome = plan(lab, context, &["--format", "json"]).ok();
    let plan: Value = serde_json::from_slice(&outcome.stdout).expect("it is JSON");
    let steps = plan["steps"].as_array().expect("a list");
    let found = steps.iter().find(|step| {
        step["label"]
            .as_str()
            .is_some_and(|label| label.contains(words))
    });
    found
        .unwrap_or_else(|| panic!("{words:?} is not in {plan:#}"))
        .clone()
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
