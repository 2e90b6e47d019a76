//! What runs again, and what does not.

use stromatekt_tests::{Context, Lab, Rootfs};

/// A command whose result tells one run from another.
const STAMP: &str = "cat /proc/sys/kernel/random/uuid >";

fn context(name: &str) -> Context {
    Context::new(&[
        (
            "Dockerfile",
            &format!(
                "FROM busybox\nENV CASE={name}\nRUN {STAMP} /before\nCOPY src /src\nRUN {STAMP} /after\nCOPY doc /doc\nRUN {STAMP} /last\n"
            ),
        ),
        ("src/main", "source"),
        ("doc", "text"),
    ])
}

fn stamps(rootfs: &Rootfs) -> [String; 3] {
    ["before", "after", "last"].map(|path| rootfs.text(path).to_owned())
}

#[test]
fn an_unchanged_build_runs_nothing() {
    let lab = Lab::shared();
    let context = context("unchanged");
    let (first, ran) = lab.build(&context).image_and_outcome();
    ran.ran(&[
        &format!("RUN {STAMP} /before"),
        "COPY src",
        &format!("RUN {STAMP} /last"),
    ]);
    let (second, cached) = lab.build(&context).image_and_outcome();
    cached.all_cached();
    assert_eq!(first.id, second.id);
    assert_eq!(first.digest, second.digest);
}

#[test]
fn a_changed_file_runs_what_stands_below_its_copy_alone() {
    let lab = Lab::shared();
    let context = context("changed-file");
    let first = stamps(&lab.build(&context).rootfs());
    context.write("src/main", "changed");
    let second = stamps(&lab.build(&context).rootfs());
    assert_eq!(first[0], second[0]);
    assert_ne!(first[1], second[1]);
    assert_ne!(first[2], second[2]);
    context.write("doc", "changed");
    let third = stamps(&lab.build(&context).rootfs());
    assert_eq!(second[..2], third[..2]);
    assert_ne!(second[2], third[2]);
}

#[test]
fn going_back_to_what_was_finds_what_was() {
    let lab = Lab::shared();
    let context = context("back");
    let first = stamps(&lab.build(&context).rootfs());
    context.write("src/main", "changed");
    lab.build(&context).ok();
    context.write("src/main", "source");
    assert_eq!(stamps(&lab.build(&context).rootfs()), first);
}

#[test]
fn times_are_no_change() {
    let lab = Lab::shared();
    let context = context("times");
    let first = lab.build(&context).image();
    context
        .touch("src/main", 1_111_111_111)
        .touch("doc", 1_222_222_222);
    let (second, outcome) = lab.build(&context).image_and_outcome();
    outcome.all_cached();
    assert_eq!(first.id, second.id);
}

#[test]
fn another_directory_with_the_same_files_is_no_change() {
    let lab = Lab::shared();
    let first = lab.build(&context("moved")).image();
    let second = lab.build(&context("moved")).image();
    assert_eq!(first.id, second.id);
}

#[test]
fn modes_and_names_are_a_change() {
    let lab = Lab::shared();
    let context = context("modes");
    let first = stamps(&lab.build(&context).rootfs());
    context.chmod("src/main", 0o755);
    let second = stamps(&lab.build(&context).rootfs());
    assert_eq!(first[0], second[0]);
    assert_ne!(first[1], second[1]);
    std::fs::rename(
        context.path().join("src/main"),
        context.path().join("src/renamed"),
    )
    .expect("own file");
    assert_ne!(stamps(&lab.build(&context).rootfs())[1], second[1]);
}

#[test]
fn a_file_of_the_same_size_and_time_but_other_content_is_a_change() {
    let lab = Lab::shared();
    let context = context("same-size");
    context.touch("src/main", 1_000_000_000);
    let first = stamps(&lab.build(&context).rootfs());
    context
        .write("src/main", "ecruos")
        .touch("src/main", 1_000_000_000);
    assert_ne!(stamps(&lab.build(&context).rootfs())[1], first[1]);
}

#[test]
fn files_that_nothing_copies_are_no_change() {
    let lab = Lab::shared();
    let context = context("unused");
    let first = lab.build(&context).image();
    context.write("unused", "anything");
    assert_eq!(lab.build(&context).image().id, first.id);
}

#[test]
fn a_build_arg_changes_what_stands_below_its_declaration_alone() {
    let lab = Lab::shared();
    let context = Context::dockerfile(&format!(
        "FROM busybox\nENV CASE=args\nRUN {STAMP} /before\nARG A=1\nRUN {STAMP} /after && echo $A > /last\n"
    ));
    let build = |arg: &str| lab.build(&context).build_arg(arg).rootfs();
    let (one, two) = (build("A=1"), build("A=2"));
    assert_eq!(one.text("before"), two.text("before"));
    assert_ne!(one.text("after"), two.text("after"));
    assert_eq!(two.text("last"), "2");
    assert_eq!(build("A=1").text("after"), one.text("after"));
}

#[test]
fn a_changed_command_runs() {
    let lab = Lab::shared();
    let build = |text: &str| {
        let context = Context::dockerfile(&format!(
            "FROM busybox\nENV CASE=command\nRUN {STAMP} /a\nRUN echo {text} > /b\n"
        ));
        lab.build(&context).rootfs()
    };
    let (one, two) = (build("one"), build("two"));
    assert_eq!(one.text("a"), two.text("a"));
    assert_eq!(two.text("b"), "two");
}

#[test]
fn a_failed_step_keeps_what_came_before_it() {
    let lab = Lab::shared();
    let context = Context::dockerfile(&format!(
        "FROM busybox\nENV CASE=failed\nRUN {STAMP} /a\nRUN exit 1\n"
    ));
    lab.build(&context).fails();
    let fixed = Context::dockerfile(&format!(
        "FROM busybox\nENV CASE=failed\nRUN {STAMP} /a\nRUN true\n"
    ));
    let outcome = lab.build(&fixed).ok();
    outcome
        .cached(&[&format!("RUN {STAMP} /a")])
        .ran(&["RUN true"]);
    lab.build(&context).fails();
}

#[test]
fn no_cache_runs_everything() {
    let lab = Lab::shared();
    let context = context("no-cache");
    let first = stamps(&lab.build(&context).rootfs());
    let (image, outcome) = lab.build(&context).args(["--no-cache"]).image_and_outcome();
    outcome.ran(&["/before", "COPY src", "/after", "COPY doc", "/last"]);
    let second = stamps(&image.rootfs());
    assert!(
        first
            .iter()
            .zip(&second)
            .all(|(first, second)| first != second)
    );
    assert_eq!(
        stamps(&lab.build(&context).rootfs()),
        second,
        "what ran last is what is cached"
    );
}

#[test]
fn no_cache_filter_runs_the_stages_that_it_names() {
    let lab = Lab::shared();
    let context = Context::dockerfile(&format!(
        "FROM busybox AS a\nENV CASE=filter\nRUN {STAMP} /a\nFROM busybox AS b\nENV CASE=filter\nRUN {STAMP} /b\nFROM scratch\nCOPY --from=a /a /\nCOPY --from=b /b /\n"
    ));
    let first = lab.build(&context).rootfs();
    let second = lab
        .build(&context)
        .args(["--no-cache-filter", "b"])
        .rootfs();
    assert_eq!(first.text("a"), second.text("a"));
    assert_ne!(first.text("b"), second.text("b"));
}

#[test]
fn a_copied_stage_counts_by_what_is_copied() {
    let lab = Lab::shared();
    let build = |text: &str| {
        let context = Context::dockerfile(&format!(
            "FROM busybox AS made\nRUN echo {text} > /other; echo same > /same; touch -d @1000 /same\nFROM busybox\nENV CASE=stage\nCOPY --from=made /same /\nRUN {STAMP} /stamp\n"
        ));
        lab.build(&context).rootfs()
    };
    assert_eq!(build("one").text("stamp"), build("two").text("stamp"));
}

#[test]
fn the_same_step_in_two_dockerfiles_runs_once() {
    let lab = Lab::shared();
    let build = |tail: &str| {
        lab.build(&Context::dockerfile(&format!(
            "FROM busybox\nENV CASE=shared\nRUN {STAMP} /x\n{tail}\n"
        )))
        .rootfs()
    };
    assert_eq!(build("LABEL a=1").text("x"), build("RUN true").text("x"));
}

#[test]
fn two_equal_steps_of_one_build_run_once() {
    let rootfs = Lab::shared()
        .build(&Context::dockerfile(&format!(
            "FROM busybox AS a\nRUN {STAMP} /twin\nFROM busybox AS b\nRUN {STAMP} /twin\nFROM scratch\nCOPY --from=a /twin /a\nCOPY --from=b /twin /b\n"
        )))
        .rootfs();
    assert_eq!(rootfs.text("a"), rootfs.text("b"));
}

#[test]
fn a_base_that_was_loaded_anew_under_its_name_is_a_change() {
    let lab = Lab::with_busybox();
    let base = |text: &str| {
        lab.build(&Context::dockerfile(&format!(
            "FROM busybox\nRUN echo {text} > /base\n"
        )))
        .args(["-t", "moving"])
        .ok()
    };
    let context = Context::dockerfile("FROM moving\nRUN cat /base > /seen\n");
    base("one");
    assert_eq!(lab.build(&context).rootfs().text("seen"), "one");
    base("two");
    assert_eq!(lab.build(&context).rootfs().text("seen"), "two");
}
