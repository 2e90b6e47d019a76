//! Where a copy goes, and what it replaces there.

mod common;

use std::path::PathBuf;

use common::{copy, lines, to, tree};
use stromatekt_graph::file::Copy;

/// What is copied, the pattern, the destination, what the tree has, and what it has then: lines, or the error.
type Case<'a> = (
    &'a [&'a str],
    &'a str,
    &'a str,
    &'a [&'a str],
    Result<&'a [&'a str], &'a str>,
);

fn check(cases: &[Case<'_>], flags: impl Fn(&str) -> Copy) {
    for (source, pattern, destination, before, after) in cases {
        let (from, into) = (tree(source), tree(before));
        let case = format!("{pattern} of {source:?} to {destination} in {before:?}");
        match (
            copy(from.path(), pattern, &flags(destination), into.path()),
            after,
        ) {
            (Ok(copied), Ok(after)) => {
                assert!(copied.unstable.is_empty(), "{case}");
                // As entries of a layer are named: nothing behind the last name.
                let ends = |path: &PathBuf| path.to_string_lossy().ends_with('/');
                assert!(!copied.touched.iter().any(ends), "{case}: {copied:?}");
                let mut after: Vec<_> = after.iter().map(ToString::to_string).collect();
                after.sort();
                assert_eq!(lines(into.path()), after, "{case}");
            }
            (Err(error), Err(expected)) => assert_eq!(error.to_string(), *expected, "{case}"),
            (result, _) => panic!("{case}: {result:?}"),
        }
    }
}

#[test]
fn a_copy_finds_its_destination_as_docker_does() {
    check(
        &[
            (&["f=1"], "f", "/x", &[], Ok(&["x=1"])),
            (&["f=1"], "f", "/x/", &[], Ok(&["x/", "x/f=1"])),
            (&["f=1"], "f", "/x", &["x/"], Ok(&["x/", "x/f=1"])),
            (&["f=1"], "f", "/a/b/x", &[], Ok(&["a/", "a/b/", "a/b/x=1"])),
            (&["f=1"], "f", "/", &["f=old @600"], Ok(&["f=1"])),
            (&["f=1"], "f", "/x", &["x=old @600:5:5"], Ok(&["x=1"])),
            (&["d/f=1"], "d", "/x", &[], Ok(&["x/", "x/f=1"])),
            (
                &["d/f=1"],
                "d",
                "/x/",
                &["x/f/"],
                Err("cannot replace to directory /x/f with file"),
            ),
            (
                &["d/f=1"],
                "d",
                "/x",
                &["x=file"],
                Err("cannot copy to non-directory: /x"),
            ),
            (
                &["d/e/f=1"],
                "d",
                "/",
                &["e->elsewhere"],
                Err("cannot copy to non-directory: /e"),
            ),
            (
                &["f=1"],
                "f",
                "/x/",
                &["x=file"],
                Err("cannot make the directory /x in the tree"),
            ),
            (
                &["f=1"],
                "f",
                "/x",
                &["x->d", "d/"],
                Ok(&["x->d", "d/", "d/f=1"]),
            ),
            (
                &["f=1"],
                "f",
                "/x/y/",
                &["x->/d", "d/"],
                Ok(&["x->/d", "d/", "d/y/", "d/y/f=1"]),
            ),
            (
                &["f=1"],
                "f",
                "/x",
                &["x->a/b"],
                Ok(&["x->a/b", "a/", "a/b=1"]),
            ),
            (
                &["f=1"],
                "f",
                "/x",
                &["x->y", "y=old"],
                Ok(&["x->y", "y=1"]),
            ),
            (
                &["f=1"],
                "f",
                "/x",
                &["x->../../../y"],
                Ok(&["x->../../../y", "y=1"]),
            ),
            (
                &["f=1"],
                "f",
                "/d/",
                &["d/f->/y", "y=old"],
                Ok(&["d/", "d/f=1", "y=old"]),
            ),
            (
                &["d/f=1"],
                "d",
                "/x",
                &["x->/y"],
                Ok(&["x->/y", "y/", "y/f=1"]),
            ),
            (&["d/f=1"], "d", "/", &["g=2"], Ok(&["f=1", "g=2"])),
            (&["d/", "f=1"], ".", "/x", &[], Ok(&["x/", "x/d/", "x/f=1"])),
            (&["f=1"], "f", "/../x", &[], Ok(&["x=1"])),
        ],
        to,
    );
}

#[test]
fn directories_that_are_there_get_attributes_but_for_the_destination_itself() {
    check(
        &[
            (
                &["d/ @700:5:6", "d/e/ @711:7:8"],
                "d",
                "/x",
                &[],
                Ok(&["x/", "x/e/ @711:7:8"]),
            ),
            (
                &["d/ @700", "d/e/ @711:7:8"],
                "d",
                "/x",
                &["x/ @1777:1:2", "x/e/ @700"],
                Ok(&["x/ @1777:1:2", "x/e/ @711:7:8"]),
            ),
            (
                &["f=1 @4755:5:6"],
                "f",
                "/x/",
                &[],
                Ok(&["x/", "x/f=1 @4755:5:6"]),
            ),
            (&["l->t @777:5:6"], ".", "/", &[], Ok(&["l->t @777:5:6"])),
        ],
        to,
    );
}

#[test]
fn owner_and_mode_go_to_all_that_is_made() {
    let flags = |mode: &'static str| {
        move |destination: &str| Copy {
            owner: Some("7:8".to_owned()),
            mode: Some(mode.to_owned()),
            ..to(destination)
        }
    };
    let source: &[&str] = &["d/f=1 @600", "d/e/ @700", "d/l->f"];
    check(
        &[(
            source,
            "d",
            "/x/y",
            &[],
            Ok(&[
                "x/ @711:7:8",
                "x/y/ @711:7:8",
                "x/y/f=1 @4711:7:8",
                "x/y/e/ @4711:7:8",
                "x/y/l->f @777:7:8",
            ]),
        )],
        flags("4711"),
    );
    check(
        &[(
            source,
            "d",
            "/x/y",
            &["x/"],
            Ok(&[
                "x/",
                "x/y/ @755:7:8",
                "x/y/f=1 @644:7:8",
                "x/y/e/ @755:7:8",
                "x/y/l->f @777:7:8",
            ]),
        )],
        flags("u=rwX,go=rX"),
    );
}

#[test]
fn a_link_copy_comes_over_the_tree_without_a_look_at_it() {
    check(
        &[
            (&["f=1"], "f", "/x", &["x/y=2"], Ok(&["x=1"])),
            (
                &["f=1"],
                "f",
                "/x/",
                &["x->d", "d/"],
                Ok(&["x/", "x/f=1", "d/"]),
            ),
            (&["f=1"], "f", "/x/", &["x=file"], Ok(&["x/", "x/f=1"])),
            (
                &["f=1"],
                "f",
                "/tmp/f",
                &["tmp/ @1777:3:3", "tmp/g=2"],
                Ok(&["tmp/", "tmp/f=1", "tmp/g=2"]),
            ),
            (
                &["d/e/f=1"],
                "d",
                "/x/y/",
                &["x->z", "z/y/"],
                Ok(&["x/", "x/y/", "x/y/e/", "x/y/e/f=1", "z/", "z/y/"]),
            ),
            (
                &["d/e/f=1"],
                "d",
                "/",
                &["e->z", "z/"],
                Ok(&["e/", "e/f=1", "z/"]),
            ),
            (&["d/e=1"], "d", "/", &["e/f/g=1"], Ok(&["e=1"])),
            (
                &["d/e/ @700:5:5"],
                "d",
                "/",
                &["e/ @711", "e/f=1"],
                Ok(&["e/ @700:5:5", "e/f=1"]),
            ),
            (&["a=1", "b=2"], "*", "/x", &["x/"], Ok(&["x=2"])),
            // What it made itself it does not replace by something of another kind.
            (
                &["a=1", "d/a/f=2"],
                "*",
                "/x/",
                &[],
                Err("cannot copy to non-directory: /x/a"),
            ),
            (
                &["d/z/f=2", "z=1"],
                "*",
                "/x/",
                &[],
                Err("cannot replace to directory /x/z with file"),
            ),
            (
                &["a=1", "d/b=2"],
                "*",
                "/x/",
                &["x/b/"],
                Ok(&["x/", "x/a=1", "x/b=2"]),
            ),
        ],
        |destination| Copy {
            link: true,
            ..to(destination)
        },
    );
}

#[test]
fn an_owner_by_name_is_of_the_tree_and_not_known_to_a_link_copy() {
    let from = tree(&["f=1", "etc/passwd=bin:x:1:1::/:"]);
    let into = tree(&["etc/passwd=bin:x:11:12::/:"]);
    let mut flags = Copy {
        owner: Some("bin".to_owned()),
        ..to("/x/")
    };
    let _ = copy(from.path(), "f", &flags, into.path()).unwrap();
    assert!(lines(into.path()).contains(&"x/f=1 @644:11:12".to_owned()));
    flags.link = true;
    let error = copy(from.path(), "f", &flags, into.path()).unwrap_err();
    assert!(
        matches!(error, stromatekt_files::Error::OwnerNeedsTree { .. }),
        "{error:?}"
    );
}

#[test]
fn a_link_of_a_wildcard_copy_keeps_its_name() {
    check(
        &[
            (
                &["a=1", "b->a"],
                "*",
                "/x/",
                &[],
                Ok(&["x/", "x/a=1", "x/b=1"]),
            ),
            (&["a/f=1", "b->a"], "b*", "/x/", &[], Ok(&["x/", "x/f=1"])),
            (&["a=1", "b=2"], "?", "/x", &[], Ok(&["x=2"])),
            (&["a=1"], "n*", "/x/", &[], Ok(&[])),
        ],
        to,
    );
}
