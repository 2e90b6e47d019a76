//! Options, exit codes, and what goes to which output.

use serde_json::Value;
use stromatekt_tests::{Context, Lab};
use tempfile::TempDir;

fn context(name: &str) -> Context {
    Context::dockerfile(&format!(
        "FROM busybox\nENV CASE={name}\nRUN echo spoken by a step\n"
    ))
}

#[test]
fn quiet_prints_the_image_id_alone() {
    let lab = Lab::shared();
    let context = context("quiet");
    let path = context.path().to_string_lossy().into_owned();
    let image = lab.build(&context).image();
    for quiet in [&["-q"][..], &["--quiet"], &["--progress", "quiet"]] {
        let outcome = lab.stromatekt(["build"]).args(quiet).arg(&path).run().ok();
        assert_eq!(
            outcome.stdout,
            format!("{}\n", image.id).into_bytes(),
            "{quiet:?}"
        );
        assert_eq!(outcome.stderr, "", "{quiet:?}");
    }
}

#[test]
fn quiet_still_tells_what_failed() {
    let context = Context::dockerfile("FROM busybox\nRUN echo last words; exit 3\n");
    let path = context.path().to_string_lossy().into_owned();
    let outcome = Lab::shared()
        .stromatekt(["build", "-q"])
        .arg(&path)
        .run()
        .failed();
    assert_eq!(outcome.stdout, b"");
    outcome.says(&["exit code: 3", "last words"]);
}

#[test]
fn progress_goes_to_standard_error() {
    let outcome = Lab::shared()
        .build(&context("stderr"))
        .args(["--no-cache"])
        .ok();
    assert_eq!(outcome.text(), "");
    let step = outcome.step("RUN echo spoken by a step");
    assert_eq!(step.log, "spoken by a step\n");
    assert!(step.name.starts_with("[2/2] "), "{}", step.name);
}

#[test]
fn progress_without_a_terminal_is_plain() {
    let context = context("auto");
    let path = context.path().to_string_lossy().into_owned();
    let outcome = Lab::shared().stromatekt(["build", &path]).run().ok();
    assert!(!outcome.stderr.contains('\x1b'), "{outcome}");
    outcome.step("RUN echo spoken by a step");
}

#[test]
fn rawjson_is_one_object_a_line() {
    let context = context("rawjson");
    let path = context.path().to_string_lossy().into_owned();
    let outcome = Lab::shared()
        .stromatekt(["build", "--no-cache", "--progress", "rawjson", &path])
        .run()
        .ok();
    let lines: Vec<Value> = outcome
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect();
    let vertexes: Vec<_> = lines
        .iter()
        .flat_map(|line| line["vertexes"].as_array().cloned().unwrap_or_default())
        .collect();
    let done = vertexes
        .iter()
        .find(|vertex| {
            vertex["name"]
                .as_str()
                .is_some_and(|name| name.contains("RUN echo"))
                && !vertex["completed"].is_null()
        })
        .unwrap_or_else(|| panic!("the step is there:\n{outcome}"));
    assert!(
        done["digest"].is_string() && done["started"].is_string(),
        "{done}"
    );
    assert!(
        lines.iter().any(|line| line["logs"].is_array()),
        "{outcome}"
    );
}

#[test]
fn the_id_and_the_metadata_go_to_files() {
    let (lab, out) = (
        Lab::shared(),
        TempDir::new().expect("there is room for a temporary directory"),
    );
    let (iid, metadata) = (out.path().join("iid"), out.path().join("metadata.json"));
    let context = context("files");
    let image = lab.build(&context).image();
    lab.build(&context)
        .args(["-t", "with-metadata:1"])
        .args([
            "--iidfile".as_ref(),
            iid.as_os_str(),
            "--metadata-file".as_ref(),
            metadata.as_os_str(),
        ])
        .output(format!(
            "type=oci,dest={}",
            out.path().join("image.tar").display()
        ))
        .ok();
    assert_eq!(std::fs::read_to_string(&iid).expect("an iidfile"), image.id);
    let metadata: Value =
        serde_json::from_slice(&std::fs::read(&metadata).expect("a metadata file")).expect("JSON");
    assert_eq!(metadata["containerimage.config.digest"], image.id);
    assert_eq!(metadata["containerimage.digest"], image.digest);
    assert_eq!(metadata["image.name"], "docker.io/library/with-metadata:1");
}

#[test]
fn a_failed_build_writes_no_id() {
    let out = TempDir::new().expect("there is room for a temporary directory");
    let iid = out.path().join("iid");
    Lab::shared()
        .build(&Context::dockerfile("FROM busybox\nRUN exit 1\n"))
        .args(["--iidfile".as_ref(), iid.as_os_str()])
        .fails();
    assert!(!iid.exists());
}

#[test]
fn tags_are_names_in_the_store() {
    let lab = Lab::shared();
    lab.build(&context("tags"))
        .args([
            "-t",
            "tagged",
            "--tag",
            "tagged:two",
            "-t",
            "example.org/team/tagged:3",
        ])
        .ok();
    let images = lab.images();
    for (repository, tag) in [
        ("tagged", "latest"),
        ("tagged", "two"),
        ("example.org/team/tagged", "3"),
    ] {
        assert!(
            images
                .lines()
                .any(|line| line.split_whitespace().take(2).eq([repository, tag])),
            "{repository}:{tag} is missing:\n{images}"
        );
    }
}

#[test]
fn a_name_that_is_none_is_an_error() {
    Lab::shared()
        .build(&context("bad-tag"))
        .args(["-t", "UPPER:1"])
        .fails()
        .says(&["UPPER"]);
}

#[test]
fn a_platform_that_is_not_this_machines_needs_a_base_of_it() {
    let lab = Lab::shared();
    let other = if cfg!(target_arch = "aarch64") {
        "amd64"
    } else {
        "arm64"
    };
    lab.build(&context("platform"))
        .args(["--platform", &format!("linux/{other}")])
        .fails()
        .says(&[other, "busybox"]);
    lab.build(&context("platform"))
        .args(["--platform", "no/such/platform/at/all"])
        .fails()
        .says(&["no/such"]);
    // Without a base and without a step, any platform will do.
    let image = lab
        .build(&Context::new(&[
            (
                "Dockerfile",
                "FROM scratch\nARG TARGETARCH\nCOPY f /$TARGETARCH\n",
            ),
            ("f", "f"),
        ]))
        .args(["--platform", &format!("linux/{other}")])
        .image();
    assert_eq!(image.config["architecture"], other);
    assert!(image.rootfs().has(other));
}

#[test]
fn options_that_are_wrong_are_told_before_anything_runs() {
    let lab = Lab::shared();
    for (args, said) in [
        (&["--no-such-option"][..], "--no-such-option"),
        (&["--build-arg"], "--build-arg"),
        (&["--secret", "id=x,src=/no/such/file"], "/no/such/file"),
        (&["--secret", "src=x"], "id"),
        (&["--build-context", "nameless"], "nameless"),
        (&["--add-host", "nocolon"], "nocolon"),
        (&["--progress", "interpretive-dance"], "interpretive-dance"),
        (&["--network", "carrier-pigeon"], "carrier-pigeon"),
        (&["--push"], "without a name cannot be pushed"),
        (&["--no-cache", "--no-cache-filter", "a"], "given together"),
        (&["--quiet", "--progress", "plain"], "given together"),
    ] {
        let outcome = lab
            .build(&context("wrong-options"))
            .args(args)
            .fails()
            .says(&[said]);
        assert!(!outcome.stderr.contains("RUN"), "{outcome}");
    }
}

#[test]
fn help_and_version_are_not_errors() {
    let lab = Lab::empty();
    let help = lab.stromatekt(["build", "--help"]).run().ok();
    for option in [
        "--file",
        "--tag",
        "--target",
        "--build-arg",
        "--output",
        "--no-cache-filter",
        "--iidfile",
    ] {
        assert!(help.text().contains(option), "{option} is missing:\n{help}");
    }
    assert!(
        lab.stromatekt(["--version"])
            .run()
            .ok()
            .text()
            .starts_with("stromatekt ")
    );
    assert!(lab.mounts().is_empty(), "help needs no store");
}

#[test]
fn the_state_directory_may_come_from_the_environment() {
    let lab = Lab::with_busybox();
    let outcome = stromatekt_tests::command::run(
        std::process::Command::new(stromatekt_tests::binary::stromatekt())
            .args(["image", "ls"])
            .env("STROMATEKT_ROOT", lab.root()),
        None,
    )
    .ok();
    assert!(outcome.text().contains("busybox"), "{outcome}");
}
