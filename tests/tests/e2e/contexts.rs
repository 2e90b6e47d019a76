//! What CONTEXT may be, and what of it is seen.

use stromatekt_tests::layout::gzip;
use stromatekt_tests::{Context, Lab};

use crate::fetch::{GitDaemon, repository};

#[test]
fn a_dockerfile_on_standard_input_has_no_context() {
    let lab = Lab::shared();
    let image = |text: &str| lab.build_of("-").stdin(text);
    assert!(image("FROM busybox\nRUN touch /x\n").rootfs().has("x"));
    image("FROM busybox\nCOPY missing /\n")
        .fails()
        .says(&["missing"]);
}

#[test]
fn a_tar_on_standard_input_is_the_context() {
    let context = Context::new(&[
        ("Dockerfile", "FROM scratch\nCOPY sub /sub\n"),
        ("sub/x", "x"),
        (
            "other.Dockerfile",
            "FROM scratch\nCOPY other.Dockerfile /o\n",
        ),
    ]);
    context.chmod("sub/x", 0o755);
    let lab = Lab::shared();
    let rootfs = lab.build_of("-").stdin(context.tar()).rootfs();
    assert_eq!(
        (rootfs.text("sub/x"), rootfs.entry("sub/x").mode),
        ("x", 0o755)
    );
    assert!(
        lab.build_of("-")
            .stdin(gzip(&context.tar()))
            .rootfs()
            .has("sub/x")
    );
    assert!(
        lab.build_of("-")
            .args(["-f", "other.Dockerfile"])
            .stdin(context.tar())
            .rootfs()
            .has("o")
    );
}

#[test]
fn files_of_a_directory_are_roots_and_those_of_a_tar_whom_it_says() {
    let context = Context::new(&[("Dockerfile", "FROM scratch\nCOPY x /\n"), ("x", "x")]);
    std::os::unix::fs::chown(context.path().join("x"), Some(5), Some(6)).expect("own directory");
    let lab = Lab::shared();
    let directory = lab.build(&context).rootfs();
    let tar = lab.build_of("-").stdin(context.tar()).rootfs();
    assert_eq!(directory.entry("x").owner, (0, 0));
    assert_eq!(tar.entry("x").owner, (5, 6));
}

#[test]
fn a_dockerfile_on_standard_input_may_have_a_directory_as_its_context() {
    let context = Context::new(&[("x", "x")]);
    let rootfs = Lab::shared()
        .build(&context)
        .args(["-f", "-"])
        .stdin("FROM scratch\nCOPY x /\n")
        .rootfs();
    assert_eq!(rootfs.text("x"), "x");
}

#[test]
fn a_git_url_is_a_context_at_a_ref_and_a_subdirectory() {
    let repository = repository();
    let daemon = GitDaemon::start(repository.path());
    let lab = Lab::shared();
    assert_eq!(lab.build_of(daemon.url()).rootfs().text("version"), "two");
    assert_eq!(
        lab.build_of(format!("{}#v1", daemon.url()))
            .rootfs()
            .text("version"),
        "one"
    );
    assert_eq!(
        lab.build_of(format!("{}#:sub", daemon.url()))
            .rootfs()
            .text("inner"),
        "inner"
    );
}

#[test]
fn the_dockerfile_may_have_another_name_and_be_elsewhere() {
    let lab = Lab::shared();
    let context = Context::new(&[("docker/Special", "FROM scratch\nCOPY x /\n"), ("x", "x")]);
    let path = context.path().join("docker/Special").display().to_string();
    assert!(lab.build(&context).args(["-f", &path]).rootfs().has("x"));
    let elsewhere = Context::new(&[("D", "FROM scratch\nCOPY x /\n")]);
    let path = elsewhere.path().join("D").display().to_string();
    assert!(
        lab.build(&context)
            .args(["--file", &path])
            .rootfs()
            .has("x")
    );
}

#[test]
fn a_dockerfile_that_is_not_there_is_named() {
    let context = Context::new(&[("x", "x")]);
    Lab::shared().build(&context).fails().says(&["Dockerfile"]);
    Lab::shared()
        .build(&context)
        .args(["-f", "Nope"])
        .fails()
        .says(&["Nope"]);
}

#[test]
fn a_context_that_is_not_there_is_named() {
    Lab::shared()
        .build_of("/no/such/context")
        .fails()
        .says(&["/no/such/context"]);
}

#[test]
fn ignored_files_are_not_seen() {
    let files = [
        ("Dockerfile", "FROM scratch\nCOPY . /\n"),
        ("keep", ""),
        ("skip.log", ""),
        ("keep.log", ""),
        ("deep/skip.log", ""),
        ("deep/er/skip.tmp", ""),
        ("node/x", ""),
        ("node/keep", ""),
        ("#comment", ""),
    ];
    for (ignore, expected) in [
        (
            "Dockerfile\n.dockerignore\n",
            &[
                "#comment",
                "deep",
                "deep/er",
                "deep/er/skip.tmp",
                "deep/skip.log",
                "keep",
                "keep.log",
                "node",
                "node/keep",
                "node/x",
                "skip.log",
            ][..],
        ),
        ("*\n!keep*\n", &["keep", "keep.log"]),
        ("# a comment\n*\n!node\nnode/x\n", &["node", "node/keep"]),
        ("*\n!node/keep\n", &["node", "node/keep"]),
        ("*\n!**/*.tmp\n", &["deep", "deep/er", "deep/er/skip.tmp"]),
        (
            "Dockerfile\n.dockerignore\n**/*.log\n!keep.log\nnode\n",
            &[
                "#comment",
                "deep",
                "deep/er",
                "deep/er/skip.tmp",
                "keep",
                "keep.log",
            ],
        ),
        (
            "/*ockerfile\n.docker*\n/deep/\n*.log\n",
            &["#comment", "keep", "node", "node/keep", "node/x"],
        ),
        ("**\n", &[]),
    ] {
        let context = Context::new(&files);
        context.write(".dockerignore", ignore);
        let rootfs = Lab::shared().build(&context).rootfs();
        assert_eq!(rootfs.beneath(""), expected, "{ignore:?}");
    }
}

#[test]
fn the_dockerfiles_own_ignore_file_comes_first() {
    let context = Context::new(&[
        ("Other", "FROM scratch\nCOPY . /\n"),
        ("a", ""),
        ("b", ""),
        (".dockerignore", "a\n"),
        ("Other.dockerignore", "b\nOther*\n.dockerignore\n"),
    ]);
    let path = context.path().join("Other").display().to_string();
    let rootfs = Lab::shared().build(&context).args(["-f", &path]).rootfs();
    assert_eq!(rootfs.beneath(""), ["a"]);
}

#[test]
fn what_is_ignored_may_be_unreadable_and_is_no_reason_to_run_again() {
    let lab = Lab::shared();
    let context = Context::new(&[
        (
            "Dockerfile",
            "FROM busybox\nENV CASE=ignored\nCOPY . /src\nRUN cat /proc/sys/kernel/random/uuid > /id\n",
        ),
        (".dockerignore", "noise\n"),
        ("noise/x", "1"),
    ]);
    let first = lab.build(&context).rootfs();
    context.write("noise/x", "2").write("noise/y", "3");
    assert_eq!(lab.build(&context).rootfs().text("id"), first.text("id"));
}
