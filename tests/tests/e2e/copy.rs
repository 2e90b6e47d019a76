//! COPY: where files land, and as what.

use std::os::unix::fs::{MetadataExt, chown};

use stromatekt_tests::rootfs::Kind;
use stromatekt_tests::{Context, Lab, Rootfs};

/// The tree that most cases copy from.
fn context(dockerfile: &str) -> Context {
    Context::new(&[
        ("Dockerfile", dockerfile),
        ("a.txt", "a"),
        ("b.txt", "b"),
        ("c.md", "c"),
        ("dir/one", "1"),
        ("dir/two", "2"),
        ("dir/sub/three", "3"),
        ("dir/sub/four.md", "4"),
        ("dir/empty/", ""),
        ("other/sub/five", "5"),
        ("with space/x y", "spaced"),
        ("bracket[1]", "bracketed"),
    ])
}

fn rootfs(dockerfile: &str) -> Rootfs {
    Lab::shared().build(&context(dockerfile)).rootfs()
}

/// Copies onto nothing, and lists what there is.
fn copied(instructions: &str) -> Vec<String> {
    rootfs(&format!("FROM scratch\n{instructions}\n"))
        .beneath("")
        .into_iter()
        .map(str::to_owned)
        .collect()
}

#[test]
fn where_files_land() {
    for (instructions, expected) in [
        ("COPY a.txt /", &["a.txt"][..]),
        ("COPY a.txt /renamed", &["renamed"]),
        ("COPY a.txt /new/", &["new", "new/a.txt"]),
        (
            "COPY a.txt b.txt /into/",
            &["into", "into/a.txt", "into/b.txt"],
        ),
        ("COPY *.txt /", &["a.txt", "b.txt"]),
        ("COPY ?.txt /", &["a.txt", "b.txt"]),
        ("COPY [ab].txt /", &["a.txt", "b.txt"]),
        ("COPY [^a].txt /", &["b.txt"]),
        ("COPY *.md /only", &["only"]),
        ("COPY dir/sub /", &["four.md", "three"]),
        ("COPY dir/sub /sub", &["sub", "sub/four.md", "sub/three"]),
        ("COPY dir/sub/ /sub/", &["sub", "sub/four.md", "sub/three"]),
        ("COPY dir/s* /", &["four.md", "three"]),
        ("COPY */sub /", &["five", "four.md", "three"]),
        (
            "COPY dir/sub a.txt /x/",
            &["x", "x/a.txt", "x/four.md", "x/three"],
        ),
        ("COPY dir/empty /", &[]),
        ("COPY dir/empty /e/", &["e"]),
        ("COPY /a.txt /", &["a.txt"]),
        ("COPY ./dir/../a.txt /", &["a.txt"]),
        ("COPY ../../a.txt /", &["a.txt"]),
        ("COPY [\"with space/x y\", \"/x y\"]", &["x y"]),
        ("COPY bracket[[]1] /", &["bracket[1]"]),
        ("WORKDIR /w\nCOPY a.txt .", &["w", "w/a.txt"]),
        (
            "WORKDIR /w\nCOPY a.txt rel/",
            &["w", "w/rel", "w/rel/a.txt"],
        ),
        ("WORKDIR /w\nCOPY a.txt ../up", &["up", "w"]),
        ("ARG F=a.txt\nENV D=/d\nCOPY $F ${D}/", &["d", "d/a.txt"]),
        (
            "COPY dir/sub /s\nCOPY other/sub /s",
            &["s", "s/five", "s/four.md", "s/three"],
        ),
    ] {
        assert_eq!(copied(instructions), expected, "{instructions}");
    }
}

#[test]
fn excluded_files_stay_out() {
    for (instructions, expected) in [
        ("COPY --exclude=*.md dir/sub /", &["three"][..]),
        ("COPY --exclude=sub --exclude=empty dir /", &["one", "two"]),
        (
            "COPY --exclude=**/*.md --exclude=empty dir /",
            &["one", "sub", "sub/three", "two"],
        ),
        // What a source names itself stays, by pattern too.
        ("COPY --exclude=b.txt *.txt /", &["a.txt", "b.txt"]),
    ] {
        assert_eq!(copied(instructions), expected, "{instructions}");
    }
}

#[test]
fn parents_are_kept_when_asked_for() {
    for (instructions, expected) in [
        (
            "COPY --parents dir/sub/three /",
            &["dir", "dir/sub", "dir/sub/three"][..],
        ),
        (
            "COPY --parents dir/sub/three a.txt /x/",
            &["x", "x/a.txt", "x/dir", "x/dir/sub", "x/dir/sub/three"],
        ),
        (
            "COPY --parents dir/./sub/three /x/",
            &["x", "x/sub", "x/sub/three"],
        ),
        (
            "COPY --parents **/three /",
            &["dir", "dir/sub", "dir/sub/three"],
        ),
        (
            "COPY --parents */sub /",
            &[
                "dir",
                "dir/sub",
                "dir/sub/four.md",
                "dir/sub/three",
                "other",
                "other/sub",
                "other/sub/five",
            ],
        ),
    ] {
        assert_eq!(copied(instructions), expected, "{instructions}");
    }
}

#[test]
fn the_history_tells_that_parents_were_kept() {
    let image = Lab::shared()
        .build(&context(
            "FROM scratch\nCOPY --parents --chown=1:2 dir/one /x/\n",
        ))
        .image();
    assert_eq!(
        image.config["history"][0]["created_by"],
        "COPY --parents --chown=1:2 dir/one /x/ # buildkit"
    );
}

#[test]
fn files_of_the_context_are_roots_with_their_modes_and_times() {
    let context = context("FROM scratch\nCOPY a.txt dir /d/\n");
    // In this order: a change of owner clears the bit.
    chown(context.path().join("a.txt"), Some(1234), Some(1234)).expect("root may");
    context.chmod("a.txt", 0o4751).touch("a.txt", 1_000_000_000);
    context.chmod("dir/sub", 0o700);
    let rootfs = Lab::shared().build(&context).rootfs();
    let file = rootfs.entry("d/a.txt");
    assert_eq!(
        (file.mode, file.owner, file.mtime),
        (0o4751, (0, 0), 1_000_000_000)
    );
    assert_eq!(rootfs.entry("d/sub").mode, 0o700);
    let own = std::fs::metadata(context.path().join("a.txt")).expect("still there");
    assert_eq!(
        (own.uid(), own.mode() & 0o7777),
        (1234, 0o4751),
        "the context stays as it is"
    );
}

#[test]
fn chown_takes_names_and_numbers() {
    let rootfs = rootfs(
        "FROM busybox\nCOPY --chown=worker a.txt /named\nCOPY --chown=worker:video a.txt /group\nCOPY --chown=7:8 a.txt /numbers\n\
         COPY --chown=9 a.txt /uid\nARG WHO=12:13\nCOPY --chown=$WHO dir /new/dir\n",
    );
    assert_eq!(rootfs.entry("named").owner, (1000, 1000));
    assert_eq!(rootfs.entry("group").owner, (1000, 44));
    assert_eq!(rootfs.entry("numbers").owner, (7, 8));
    assert_eq!(rootfs.entry("uid").owner, (9, 9));
    assert_eq!(rootfs.entry("new/dir/sub/three").owner, (12, 13));
    assert_eq!(rootfs.entry("new/dir").owner, (12, 13));
}

#[test]
fn chown_to_an_unknown_name_is_root() {
    // As BuildKit has it; docker's classic builder refuses it.
    let rootfs = rootfs("FROM busybox\nCOPY --chown=nosuchuser:nosuchgroup a.txt /\n");
    assert_eq!(rootfs.entry("a.txt").owner, (0, 0));
}

#[test]
fn chmod_takes_octal_and_symbolic_modes() {
    let rootfs = rootfs(
        "FROM scratch\nCOPY --chmod=0751 a.txt /octal\nCOPY --chmod=u+x,go-r a.txt /symbolic\nCOPY --chmod=755 dir /dir\nCOPY --chmod=go-w,a+X dir /x\n",
    );
    assert_eq!(rootfs.entry("octal").mode, 0o751);
    assert_eq!(rootfs.entry("symbolic").mode, 0o700);
    assert_eq!(rootfs.entry("dir/sub/three").mode, 0o755);
    assert_eq!(rootfs.entry("dir/sub").mode, 0o755);
    assert_eq!(rootfs.entry("x/one").mode, 0o644);
    assert_eq!(rootfs.entry("x/sub").mode, 0o755);
}

#[test]
fn user_does_not_own_what_copy_brings() {
    let rootfs = rootfs("FROM busybox\nUSER worker\nCOPY a.txt /\n");
    assert_eq!(rootfs.entry("a.txt").owner, (0, 0));
}

#[test]
fn a_file_replaces_a_file_and_keeps_what_is_beside() {
    let rootfs = rootfs(
        "FROM busybox\nRUN mkdir /d && echo old > /d/a.txt && echo stays > /d/z && chmod 600 /d/a.txt\nCOPY a.txt /d\n",
    );
    assert_eq!(rootfs.text("d/a.txt"), "a");
    assert_eq!(rootfs.text("d/z"), "stays");
    assert_eq!(rootfs.entry("d/a.txt").mode, 0o644);
}

#[test]
fn a_directory_that_is_there_is_merged_into() {
    let rootfs = rootfs(
        "FROM busybox\nRUN mkdir -p /d/sub && echo mine > /d/sub/mine && echo old > /d/one\nCOPY dir /d\n",
    );
    assert_eq!(rootfs.text("d/sub/mine"), "mine");
    assert_eq!(rootfs.text("d/one"), "1");
    assert_eq!(rootfs.text("d/sub/three"), "3");
}

#[test]
fn links_in_the_destination_are_followed_inside_the_image() {
    let rootfs = rootfs(
        "FROM busybox\nRUN mkdir -p /real && ln -s /real /link && ln -s ../../../../real /up\nCOPY a.txt /link/\nCOPY b.txt /up/b\n",
    );
    assert_eq!(rootfs.text("real/a.txt"), "a");
    assert_eq!(rootfs.text("real/b"), "b");
    assert_eq!(rootfs.entry("link").kind, Kind::Symlink);
}

#[test]
fn links_in_the_source_are_copied_as_links_unless_they_are_named() {
    let context =
        context("FROM scratch\nCOPY links /links\nCOPY to-file /file\nCOPY to-dir /dir\n");
    context.write("links/file", "x");
    context
        .symlink("links/relative", "file")
        .symlink("links/dangling", "nowhere")
        .symlink("links/absolute", "/etc/passwd");
    context
        .symlink("to-file", "a.txt")
        .symlink("to-dir", "dir/sub");
    let rootfs = Lab::shared().build(&context).rootfs();
    assert_eq!(rootfs.entry("links/relative").link, "file");
    assert_eq!(rootfs.entry("links/dangling").link, "nowhere");
    assert_eq!(rootfs.entry("links/absolute").link, "/etc/passwd");
    assert_eq!(rootfs.text("file"), "a");
    assert_eq!(rootfs.text("dir/three"), "3");
}

#[test]
fn a_link_in_the_context_never_leads_out_of_it() {
    let context = context("FROM scratch\nCOPY escape /got\n");
    context.symlink("escape", "/etc/hostname");
    let outcome = Lab::shared().build(&context).fails();
    assert!(
        outcome.stderr.contains("escape") || outcome.stderr.contains("etc/hostname"),
        "{outcome}"
    );
}

#[test]
fn link_makes_a_layer_that_knows_nothing_of_the_base() {
    let image = Lab::shared()
        .build(&context("FROM busybox\nRUN mkdir /real && ln -s real /l\nCOPY --link a.txt /l/a.txt\nCOPY --link --chown=7:8 dir/sub /s/\n"))
        .image();
    let rootfs = image.rootfs();
    assert_eq!(
        rootfs.entry("l").kind,
        Kind::Directory,
        "a linked copy replaces a symlink on its way"
    );
    assert_eq!(rootfs.text("l/a.txt"), "a");
    assert!(!rootfs.has("real/a.txt"));
    assert_eq!(image.top().paths(), ["s", "s/four.md", "s/three"]);
    assert_eq!(rootfs.entry("s/three").owner, (7, 8));
}

#[test]
fn a_stages_files_keep_their_owners_and_more() {
    let rootfs = rootfs(
        "FROM busybox AS from\nRUN mkdir /d && echo x > /d/x && chown 5:6 /d/x && chmod 4711 /d/x && touch -d @86400 /d/x && ln /d/x /d/hard && ln -s x /d/soft && mkfifo /d/fifo\n\
         FROM scratch\nCOPY --from=from /d /d\nCOPY --from=from --chown=0:0 /d/x /reowned\n",
    );
    let file = rootfs.entry("d/x");
    assert_eq!((file.owner, file.mode, file.mtime), ((5, 6), 0o4711, 86400));
    assert_eq!(rootfs.text("d/hard"), "x");
    assert_eq!(rootfs.entry("d/soft").link, "x");
    assert_eq!(rootfs.entry("d/fifo").kind, Kind::Fifo);
    assert_eq!(rootfs.entry("reowned").owner, (0, 0));
}

#[test]
fn the_layer_of_a_copy_has_what_was_copied_and_its_new_parents() {
    let image = Lab::shared()
        .build(&context("FROM busybox\nCOPY a.txt /new/deep/\n"))
        .image();
    assert_eq!(image.top().paths(), ["new", "new/deep", "new/deep/a.txt"]);
    assert_eq!(image.rootfs().entry("new/deep").mode, 0o755);
}

#[test]
fn names_that_are_not_utf8_are_copied() {
    use std::os::unix::ffi::OsStrExt;
    let context = context(
        "FROM busybox\nCOPY odd /odd\nRUN (cd /odd && for f in *; do echo \"$f\"; done) | od -An -tx1 | tr -d ' \\n' > /hex\n",
    );
    std::fs::create_dir(context.path().join("odd")).expect("own directory");
    std::fs::write(
        context
            .path()
            .join("odd")
            .join(std::ffi::OsStr::from_bytes(b"\xff\xfe")),
        "x",
    )
    .expect("own directory");
    assert_eq!(Lab::shared().build(&context).rootfs().text("hex"), "fffe0a");
}

#[test]
fn a_source_that_is_not_there_is_searched_and_named() {
    Lab::shared()
        .build(&context(
            "FROM scratch\nCOPY a.txt /\nCOPY missing/file /\n",
        ))
        .fails()
        .says(&["missing/file"])
        .points_at("Dockerfile:3", "COPY missing/file /");
}

#[test]
fn a_source_that_dockerignore_excludes_is_told_so() {
    let context = context("FROM scratch\nCOPY b.txt /\n");
    context.write(".dockerignore", "b.*\n");
    Lab::shared()
        .build(&context)
        .fails()
        .says(&["b.txt", ".dockerignore"])
        .points_at("Dockerfile:2", "COPY b.txt /");
}

#[test]
fn a_pattern_that_matches_nothing_copies_nothing() {
    assert_eq!(copied("COPY *.nothing a.txt /"), ["a.txt"]);
}

#[test]
fn of_several_sources_for_one_file_the_last_stays() {
    let rootfs = rootfs("FROM scratch\nCOPY a.txt b.txt /file\n");
    assert_eq!(rootfs.beneath(""), ["file"]);
    assert_eq!(rootfs.text("file"), "b");
}
