//! Here-documents in RUN, COPY and ADD.

use stromatekt_tests::{Context, Lab, Rootfs};

fn rootfs(dockerfile: &str) -> Rootfs {
    Lab::shared()
        .build(&Context::dockerfile(dockerfile))
        .rootfs()
}

#[test]
fn run_takes_a_script() {
    assert_eq!(
        rootfs(
            "FROM busybox\nRUN <<EOF\necho one > /x\nfor i in 2 3; do\n  echo $i >> /x\ndone\nEOF\n"
        )
        .lines("x"),
        ["one", "2", "3"]
    );
}

#[test]
fn run_takes_a_script_with_an_interpreter_of_its_own() {
    let rootfs = rootfs(
        "FROM busybox\nRUN <<EOF\n#!/bin/awk -f\nBEGIN { print 6 * 7 > \"/x\" }\nEOF\nRUN <<EOF\n#!/bin/sh -e\necho $0 > /name\nEOF\n",
    );
    assert_eq!(rootfs.text("x"), "42");
    assert!(
        rootfs.text("name").contains("EOF"),
        "{}",
        rootfs.text("name")
    );
}

#[test]
fn run_feeds_a_command() {
    assert_eq!(
        rootfs("FROM busybox\nRUN cat <<EOF > /x\nfed\nEOF\n").text("x"),
        "fed"
    );
    assert_eq!(
        rootfs("FROM busybox\nRUN <<ONE cat > /a; <<TWO cat > /b\nfirst\nONE\nsecond\nTWO\n")
            .text("b"),
        "second"
    );
}

#[test]
fn the_shell_expands_in_run_unless_the_word_is_quoted() {
    let rootfs = rootfs(
        "FROM busybox\nENV V=value\nRUN cat <<EOF > /a\n$V\nEOF\nRUN cat <<'EOF' > /b\n$V\nEOF\n",
    );
    assert_eq!(rootfs.text("a"), "value");
    assert_eq!(rootfs.text("b"), "$V");
}

#[test]
fn tabs_are_stripped_when_asked_for() {
    let rootfs = rootfs(
        "FROM busybox\nRUN <<-EOF\n\techo tabbed > /x\n\tEOF\nCOPY <<-EOF /y\n\t\tone\n\ttwo\n\tEOF\n",
    );
    assert_eq!(rootfs.text("x"), "tabbed");
    assert_eq!(rootfs.lines("y"), ["one", "two"]);
}

#[test]
fn copy_makes_files_of_its_own() {
    let rootfs = rootfs(
        "FROM busybox\nENV V=value\nCOPY <<EOF /expanded\nit is $V and ${V:-x}\nEOF\nCOPY <<\"EOF\" /literal\nit is $V\nEOF\n\
         COPY --chmod=0700 --chown=3:4 <<a <<b /two/\nfirst\na\nsecond\nb\nADD <<EOF /added\nby ADD\nEOF\n",
    );
    assert_eq!(rootfs.text("expanded"), "it is value and value");
    assert_eq!(rootfs.text("literal"), "it is $V");
    assert_eq!(rootfs.text("two/a"), "first");
    assert_eq!(rootfs.text("two/b"), "second");
    assert_eq!(
        (rootfs.entry("two/a").mode, rootfs.entry("two/a").owner),
        (0o700, (3, 4))
    );
    assert_eq!(rootfs.text("added"), "by ADD");
    assert_eq!(rootfs.entry("added").mode, 0o644);
    assert_eq!(rootfs.data("added"), b"by ADD\n");
}

#[test]
fn copy_mixes_files_and_here_documents() {
    let context = Context::new(&[
        ("Dockerfile", "FROM scratch\nCOPY f <<g /d/\ninline\ng\n"),
        ("f", "file"),
    ]);
    let rootfs = Lab::shared().build(&context).rootfs();
    assert_eq!(rootfs.beneath("d"), ["f", "g"]);
}

#[test]
fn a_here_document_that_does_not_end_is_an_error() {
    Lab::shared()
        .build(&Context::dockerfile("FROM busybox\nRUN <<EOF\necho 1\n"))
        .fails()
        .says(&["EOF"])
        .points_at("Dockerfile:2", "RUN <<EOF");
}
