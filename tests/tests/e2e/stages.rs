//! Stages: what runs, at the same time as what, and from where they take.

use stromatekt_tests::{Context, Lab};

/// A step that ends when the other one has begun, and fails when that takes long.
fn meets(own: &str, other: &str) -> String {
    format!(
        "RUN --mount=type=cache,target=/meet,id=meet-{} touch /meet/{own}; for i in $(seq 300); do [ -e /meet/{other} ] && exec touch /{own}; sleep 0.1; done; exit 1",
        if own < other {
            format!("{own}-{other}")
        } else {
            format!("{other}-{own}")
        }
    )
}

#[test]
fn stages_that_do_not_depend_on_each_other_run_at_the_same_time() {
    let context = Context::dockerfile(&format!(
        "FROM busybox AS a\n{}\nFROM busybox AS b\n{}\nFROM scratch\nCOPY --from=a /one /\nCOPY --from=b /two /\n",
        meets("one", "two"),
        meets("two", "one"),
    ));
    assert_eq!(
        Lab::shared().build(&context).rootfs().beneath(""),
        ["one", "two"]
    );
}

#[test]
fn more_stages_than_cores_run_at_the_same_time_when_they_wait() {
    let lab = Lab::shared();
    let mut dockerfile = String::new();
    for stage in 0..6 {
        dockerfile += &format!(
            "FROM busybox AS s{stage}\nRUN --mount=type=cache,target=/meet,id=meet-six touch /meet/{stage}; for i in $(seq 300); do [ $(ls /meet | wc -l) = 6 ] && exec touch /s{stage}; sleep 0.1; done; exit 1\n"
        );
    }
    dockerfile += "FROM scratch\n";
    for stage in 0..6 {
        dockerfile += &format!("COPY --from=s{stage} /s{stage} /\n");
    }
    assert_eq!(
        lab.build(&Context::dockerfile(&dockerfile))
            .rootfs()
            .beneath("")
            .len(),
        6
    );
}

#[test]
fn a_stage_that_the_target_does_not_need_does_not_run() {
    let context = Context::dockerfile(
        "FROM busybox AS unused\nRUN exit 1\nFROM busybox AS used\nRUN touch /used\nFROM busybox AS last\nCOPY --from=used /used /\n",
    );
    let (image, outcome) = Lab::shared().build(&context).image_and_outcome();
    assert!(image.rootfs().has("used"));
    assert!(!outcome.stderr.contains("RUN exit 1"), "{outcome}");
}

#[test]
fn the_target_is_the_last_stage_or_the_one_that_is_named() {
    let context = Context::dockerfile(
        "FROM busybox AS first\nRUN touch /first\nFROM first AS second\nRUN touch /second\nFROM busybox\nRUN touch /third\n",
    );
    let lab = Lab::shared();
    assert!(lab.build(&context).rootfs().has("third"));
    let rootfs = lab.build(&context).args(["--target", "first"]).rootfs();
    assert!(rootfs.has("first") && !rootfs.has("second"));
    let rootfs = lab.build(&context).args(["--target", "SECOND"]).rootfs();
    assert!(rootfs.has("first") && rootfs.has("second") && !rootfs.has("third"));
    // BuildKit knows targets by their names alone.
    lab.build(&context)
        .args(["--target", "0"])
        .fails()
        .says(&["first", "second"]);
}

#[test]
fn an_unknown_target_is_an_error_that_lists_what_there_is() {
    Lab::shared()
        .build(&Context::dockerfile(
            "FROM busybox AS build\nFROM busybox AS test\n",
        ))
        .args(["--target", "tset"])
        .fails()
        .says(&["tset", "test"]);
}

#[test]
fn copy_takes_from_stages_by_name_and_number_from_images_and_from_named_contexts() {
    let lab = Lab::shared();
    let named = Context::new(&[("given", "named context")]);
    let context = Context::dockerfile(
        "FROM scratch AS zero\nCOPY <<EOF /file\nzero\nEOF\nFROM scratch\nCOPY --from=zero /file /by-name\nCOPY --from=0 /file /by-number\n\
         COPY --from=busybox /etc/passwd /of-image\nCOPY --from=named /given /of-context\n",
    );
    let rootfs = lab
        .build(&context)
        .args([
            "--build-context",
            &format!("named={}", named.path().display()),
        ])
        .rootfs();
    assert_eq!(rootfs.text("by-name"), "zero");
    assert_eq!(rootfs.text("by-number"), "zero");
    assert!(rootfs.text("of-image").starts_with("root:"));
    assert_eq!(rootfs.text("of-context"), "named context");
}

#[test]
fn a_named_context_replaces_a_stage_an_image_and_a_base() {
    let lab = Lab::shared();
    let replacement = Context::new(&[("file", "replaced")]);
    let context = Context::dockerfile(
        "FROM busybox AS made\nRUN exit 1\nFROM no.such.registry.example/image AS base\nFROM base\nCOPY --from=made /file /file\n",
    );
    let rootfs = lab
        .build(&context)
        .args([
            "--build-context",
            &format!("made={}", replacement.path().display()),
        ])
        .args([
            "--build-context",
            "no.such.registry.example/image=docker-image://busybox",
        ])
        .rootfs();
    assert_eq!(rootfs.text("file"), "replaced");
    assert!(rootfs.has("bin/busybox"));
}

#[test]
fn a_named_context_may_be_an_oci_layout() {
    let layout = stromatekt_tests::layout::Layout::new(
        &[stromatekt_tests::layout::Tar::new()
            .file("of-layout", "yes")
            .finish()],
        serde_json::json!({"Env": ["L=1"]}),
    );
    let context = Context::dockerfile("FROM laid\nLABEL x=y\n");
    let image = Lab::shared()
        .build(&context)
        .args([
            "--build-context",
            &format!("laid=oci-layout://{}", layout.path().display()),
        ])
        .image();
    assert_eq!(image.rootfs().text("of-layout"), "yes");
    assert_eq!(image.env("L").as_deref(), Some("1"));
    assert_eq!(
        image.layers[0].digest, layout.layers[0],
        "the base's blob is kept as it is"
    );
}

#[test]
fn a_named_context_may_be_a_file_of_a_url_which_is_called_context() {
    let server = stromatekt_tests::http::Server::start(&[("/f.txt", b"fetched")]);
    let context = Context::dockerfile("FROM scratch\nCOPY --from=named context /f\n");
    let named = format!("named={}", server.url("/f.txt"));
    let lab = Lab::shared();
    let build = lab.build(&context).args(["--build-context", &named]);
    assert_eq!(build.rootfs().text("f"), "fetched");
}

#[test]
fn a_named_context_of_a_platform_comes_before_one_of_all() {
    let lab = Lab::shared();
    let all = Context::new(&[("file", "all")]);
    let arm = Context::new(&[("file", "arm")]);
    let context = Context::dockerfile("FROM scratch\nCOPY --from=named file /\n");
    for (platform, found) in [("linux/amd64", "all"), ("linux/arm64", "arm")] {
        let build = lab.build(&context).args(["--platform", platform]);
        let build = build.args([
            "--build-context",
            &format!("named={}", all.path().display()),
            "--build-context",
            &format!("named::linux/arm64={}", arm.path().display()),
        ]);
        assert_eq!(build.rootfs().text("file"), found);
    }
}

#[test]
fn a_stage_begins_from_another_with_its_config() {
    let context = Context::dockerfile(
        "FROM busybox AS base\nENV A=1\nWORKDIR /w\nUSER worker\nLABEL l=1\nFROM base\nRUN echo $A $(pwd) $(id -un) > /tmp/x\n",
    );
    let image = Lab::shared().build(&context).image();
    assert_eq!(image.rootfs().text("tmp/x"), "1 /w worker");
    assert_eq!(image.runtime()["Labels"]["l"], "1");
}

#[test]
fn stage_names_are_found_whatever_their_case() {
    let context = Context::dockerfile(
        "FROM busybox AS Build\nRUN touch /x\nFROM scratch\nCOPY --from=build /x /\n",
    );
    assert!(Lab::shared().build(&context).rootfs().has("x"));
}

#[test]
fn stages_that_depend_on_each_other_in_a_circle_are_an_error() {
    let lab = Lab::shared();
    lab.build(&Context::dockerfile(
        "FROM busybox AS a\nCOPY --from=a /x /\n",
    ))
    .fails()
    .points_at("Dockerfile:2", "COPY --from=a /x /");
    let outcome = lab
        .build(&Context::dockerfile(
            "FROM busybox AS a\nCOPY --from=b /x /\nFROM busybox AS b\nCOPY --from=a /x /\n",
        ))
        .fails();
    assert!(outcome.stderr.contains("Dockerfile:"), "{outcome}");
}

#[test]
fn layers_of_the_base_are_kept_byte_for_byte() {
    let lab = Lab::shared();
    let base = lab.build(&Context::dockerfile("FROM busybox\n")).image();
    let derived = lab
        .build(&Context::dockerfile("FROM busybox\nRUN touch /derived\n"))
        .image();
    assert_eq!(derived.layers[0].digest, base.layers[0].digest);
    assert_eq!(derived.layers.len(), base.layers.len() + 1);
}
