//! `--timeline` and `--trace`: what they tell of builds that ended well, failed, or were stopped.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use serde_json::Value;
use stromatekt_tests::{Context, Lab, Outcome};
use tempfile::TempDir;

/// Where a build of a test writes its pictures.
struct Pictures {
    directory: TempDir,
}

impl Pictures {
    fn new() -> Self {
        let directory = TempDir::new().expect("there is room for a temporary directory");
        Self { directory }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn options(&self) -> [String; 2] {
        let option = |name: &str, file| format!("--{name}={}", self.file(file).display());
        [
            option("timeline", "page.html"),
            option("trace", "trace.json"),
        ]
    }

    /// What the page tells of the step with these words in its name: its details, and the names of what it waited for.
    #[track_caller]
    fn step(&self, words: &str) -> (Value, Vec<String>) {
        let page = fs::read_to_string(self.file("page.html")).expect("the page was written");
        let data = page
            .split_once("id=\"steps\">")
            .and_then(|(_, rest)| rest.split_once("</script>"))
            .map(|(data, _)| data)
            .expect("the page has the steps");
        let steps: Vec<Value> = serde_json::from_str(data).expect("they are JSON");
        let title = |step: &Value| step["title"].as_str().unwrap_or_default().to_owned();
        let found = steps.iter().find(|step| title(step).contains(words));
        let step = found.unwrap_or_else(|| panic!("{words:?} is not in {steps:#?}"));
        let needs = step["needs"].as_array().expect("a list");
        let names = needs
            .iter()
            .filter_map(|id| steps.iter().find(|step| step["id"] == *id))
            .map(title);
        (step.clone(), names.collect())
    }

    /// Start and end of the step with these words in its name, in microseconds, and the step's arguments, as the trace has them.
    #[track_caller]
    fn slice(&self, words: &str) -> (f64, f64, Value) {
        let trace = fs::read(self.file("trace.json")).expect("the trace was written");
        let trace: Value = serde_json::from_slice(&trace).expect("it is JSON");
        let events = trace["traceEvents"].as_array().expect("a list");
        let found = events.iter().find(|event| {
            event["ph"] == "X"
                && event["name"]
                    .as_str()
                    .is_some_and(|name| name.contains(words))
        });
        let event = found.unwrap_or_else(|| panic!("{words:?} is not in {trace:#}"));
        let number = |name: &str| event[name].as_f64().expect("a number");
        (
            number("ts"),
            number("ts") + number("dur"),
            event["args"].clone(),
        )
    }
}

fn row<'a>(step: &'a Value, name: &str) -> &'a str {
    let rows = step["rows"].as_array().map_or(&[][..], Vec::as_slice);
    let found = rows.iter().find(|row| row[0] == name);
    found.and_then(|row| row[1].as_str()).unwrap_or_default()
}

#[test]
fn they_tell_what_ran_when_and_what_waited_for_what() {
    let lab = Lab::with_busybox();
    let pictures = Pictures::new();
    let context = Context::dockerfile(
        "FROM busybox AS slow\nRUN sleep 1 && touch /slow\nFROM busybox AS quick\nRUN touch /quick\nFROM busybox\nCOPY --from=quick /quick /\nCOPY --from=slow /slow /\n",
    );
    lab.build(&context).args(pictures.options()).ok();
    let (slow, needs) = pictures.step("RUN sleep 1");
    assert_eq!(row(&slow, "outcome"), "done");
    assert_eq!(row(&slow, "path"), "on the critical path");
    assert_eq!(row(&slow, "written in"), "Dockerfile:2");
    assert_eq!(needs.len(), 1, "{needs:?}");
    assert!(needs[0].contains("FROM"), "{needs:?}");
    let (quick, _) = pictures.step("RUN touch /quick");
    assert_eq!(row(&quick, "path"), "");
    let (_, needs) = pictures.step("COPY --from=slow");
    for words in ["RUN sleep 1", "COPY --from=quick"] {
        assert!(needs.iter().any(|name| name.contains(words)), "{needs:?}");
    }
    let (_, needs) = pictures.step("exporting to image");
    assert!(
        needs.iter().any(|name| name.contains("COPY --from=slow")),
        "the step behind the last layer: {needs:?}"
    );
    let (started, ended, arguments) = pictures.slice("RUN sleep 1");
    assert!(ended - started > 900_000.0, "{started} to {ended}");
    assert_eq!(arguments["critical"], true);
    let (copied, _, _) = pictures.slice("COPY --from=slow");
    assert!(copied >= ended, "{copied} is before {ended}");

    lab.build(&context)
        .args(pictures.options())
        .ok()
        .all_cached();
    let (slow, needs) = pictures.step("RUN sleep 1");
    assert_eq!(row(&slow, "outcome"), "cached");
    assert!(
        needs.iter().any(|name| name.contains("FROM")),
        "also of a base that nobody unpacked: {needs:?}"
    );
}

#[test]
fn a_build_that_failed_is_shown_with_what_failed() {
    let lab = Lab::with_busybox();
    let pictures = Pictures::new();
    let context = Context::dockerfile("FROM busybox\nRUN touch /a\nRUN exit 9\nRUN true\n");
    lab.build(&context)
        .args(pictures.options())
        .fails()
        .says(&["exit code: 9"]);
    let (failed, needs) = pictures.step("RUN exit 9");
    assert_eq!(row(&failed, "outcome"), "failed");
    assert!(row(&failed, "error").contains("exit code: 9"), "{failed}");
    assert!(
        needs.iter().any(|name| name.contains("RUN touch /a")),
        "{needs:?}"
    );
    let (_, _, arguments) = pictures.slice("RUN exit 9");
    assert_eq!(arguments["outcome"], "failed");
}

#[test]
fn a_build_that_was_stopped_is_shown_up_to_then() {
    let lab = Lab::with_busybox();
    let pictures = Pictures::new();
    let context = Context::dockerfile("FROM busybox\nRUN exec sleep 76801\n");
    let running = lab.build(&context).args(pictures.options()).start();
    crate::interruptions::wait_for("sleep 76801");
    running.signal(Signal::SIGINT);
    let outcome = running.wait();
    assert_ne!(outcome.code, Some(0), "{outcome}");
    let (stopped, _) = pictures.step("RUN exec sleep 76801");
    assert_eq!(row(&stopped, "outcome"), "canceled");
}

#[test]
fn a_file_that_cannot_be_written_stops_the_build_before_it_begins() {
    let lab = Lab::with_busybox();
    let context = Context::dockerfile("FROM busybox\nRUN true\n");
    let refused = |options: &[&str]| -> Outcome {
        let outcome = lab.build(&context).args(options).fails();
        assert!(
            !outcome.stderr.contains("load build definition"),
            "{outcome}"
        );
        outcome
    };
    refused(&["--timeline", "/nowhere/page.html"]).says(&["cannot write /nowhere/page.html"]);
    refused(&["--trace", "/"]).says(&["cannot write /"]);
    let pictures = Pictures::new();
    let file = pictures.file("both");
    let both = file.to_str().expect("a path of the test's own");
    refused(&["--trace", both, "--timeline", both]).says(&["name the same file"]);
    refused(&["--trace", both, "--check"]).says(&["nothing is built"]);
    refused(&["--timeline", both, "--trace", "/"]).says(&["cannot write /"]);
    assert!(!Path::new(both).exists());
    // What is refused for another reason leaves none behind either.
    lab.build_of("/nowhere")
        .args(["--trace", both])
        .fails()
        .says(&["/nowhere"]);
    assert!(!Path::new(both).exists());
    let roundabout = pictures.file("../").join(
        pictures
            .directory
            .path()
            .file_name()
            .expect("a directory with a name"),
    );
    let roundabout = roundabout.join("both");
    let roundabout = roundabout.to_str().expect("a path of the test's own");
    refused(&["--trace", both, "--timeline", roundabout]).says(&["name the same file"]);
}

#[test]
fn a_picture_in_the_build_context_is_not_in_the_image() {
    let lab = Lab::with_busybox();
    let context = Context::dockerfile("FROM busybox\nCOPY . /context\n");
    let page = context.path().join("page.html");
    let option = format!("--timeline={}", page.display());
    let rootfs = lab.build(&context).args([option]).rootfs();
    assert_eq!(rootfs.beneath("context"), ["Dockerfile"]);
    let written = fs::read_to_string(page).expect("it was written");
    assert!(written.ends_with("</html>\n"), "{written}");
}
