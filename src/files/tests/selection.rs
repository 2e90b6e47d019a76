//! What a copy takes from its source.

mod common;

use common::{copy, copy_as, lines, to, tree};
use stromatekt_files::{Error, IgnoreRules, Owners};
use stromatekt_graph::file::Copy;

fn copied(source: &[&str], pattern: &str, flags: &Copy) -> Result<Vec<String>, Error> {
    let (from, into) = (tree(source), tree(&[]));
    let _ = copy(from.path(), pattern, flags, into.path())?;
    Ok(lines(into.path()))
}

#[test]
fn paths_are_found_as_docker_finds_them() {
    let source = &[
        "a/b/f=1",
        "a/c/f=2",
        "a/g.txt=3",
        "l->a/b",
        "k->/a/g.txt",
        "up->../../a/b",
        "n->nowhere",
        "[x]=4",
    ];
    for (pattern, expected) in [
        ("a/b", &["f=1"][..]),
        ("l", &["f=1"]),
        ("l/f", &["f=1"]),
        ("k", &["k=3"]),
        ("up/f", &["f=1"]),
        ("a/../a/b/../../k", &["k=3"]),
        ("../../a/b/f", &["f=1"]),
        ("a/*/f", &["f=2"]),
        ("l/*", &["f=1"]),
        ("a/*.txt", &["g.txt=3"]),
        ("*/*.txt", &["g.txt=3"]),
        ("a/g.txt/*", &[]),
        ("[[]x]", &["[x]=4"]),
        ("q*", &[]),
    ] {
        assert_eq!(
            copied(source, pattern, &to("/")).unwrap(),
            expected,
            "{pattern}"
        );
    }
    for (pattern, name) in [
        ("n", "\"/n\": not found"),
        ("a/x", "\"/a/x\": not found"),
        ("a/g.txt/x", "\"/a/g.txt/x\": not found"),
        ("x/*", "\"/x\": not found"),
        ("n*", "\"/n\": not found"),
    ] {
        let error = copied(source, pattern, &to("/")).unwrap_err();
        assert!(
            matches!(error, Error::NotFound { .. }),
            "{pattern}: {error:?}"
        );
        assert_eq!(error.to_string(), name, "{pattern}");
    }
    let error = copied(source, "a/[", &to("/")).unwrap_err();
    assert!(matches!(error, Error::Pattern { .. }), "{error:?}");
}

#[test]
fn a_name_that_was_meant_is_told() {
    let error = copied(&["src/main.rs=", "src/lib.rs="], "src/mian.rs", &to("/")).unwrap_err();
    assert_eq!(error.hint().as_deref(), Some("did you mean `src/main.rs`?"));
}

#[test]
fn excluded_entries_are_left_out() {
    let source = &[
        "d/a.md=1",
        "d/b.txt=2",
        "d/s/a.md=3",
        "d/s/k.txt=4",
        "d/e/ @700",
    ];
    for (pattern, exclude, expected) in [
        (
            "d",
            &["*.md"][..],
            &["b.txt=2", "e/ @700", "s/", "s/a.md=3", "s/k.txt=4"][..],
        ),
        (
            "d",
            &["**/*.md"],
            &["b.txt=2", "e/ @700", "s/", "s/k.txt=4"],
        ),
        ("d", &["s", "e"], &["a.md=1", "b.txt=2"]),
        ("d", &["*", "!s/k.txt"], &["s/", "s/k.txt=4"]),
        ("d", &["*"], &[]),
        // What is named itself is not.
        ("d/a.md", &["*.md"], &["a.md=1"]),
        ("*", &["s", "e"], &["a.md=1", "b.txt=2"]),
    ] {
        let flags = Copy {
            exclude: exclude.iter().map(ToString::to_string).collect(),
            ..to("/")
        };
        assert_eq!(
            copied(source, pattern, &flags).unwrap(),
            expected,
            "{pattern} without {exclude:?}"
        );
    }
}

#[test]
fn patterns_that_choose_from_the_whole_source_follow_the_links_at_its_top() {
    let source = &["d/f=1", "d/l->nowhere", "l->d/none"];
    let flags = |exclude: &[&str], parents| Copy {
        exclude: exclude.iter().map(ToString::to_string).collect(),
        parents,
        ..to("/")
    };
    for (pattern, exclude, parents, is_found) in [
        (".", &[][..], false, true),
        (".", &["x"], false, false),
        (".", &["l"], false, true),
        ("d", &["x"], false, true),
        ("l", &[], true, false),
        ("d", &[], true, true),
    ] {
        let found = copied(source, pattern, &flags(exclude, parents));
        assert_eq!(found.is_ok(), is_found, "{pattern} {exclude:?} {found:?}");
    }
}

#[test]
fn parents_are_kept_from_the_pivot_on() {
    let source = &[
        "a/ @711",
        "a/b/ @700:5:5",
        "a/b/f=1",
        "a/b/g=2",
        "a/c/f=3",
        "x/a/b/f=4",
        "l->a",
    ];
    for (pattern, expected) in [
        ("a/b/f", &["a/ @711", "a/b/ @700:5:5", "a/b/f=1"][..]),
        ("a/./b/f", &["b/ @700:5:5", "b/f=1"]),
        ("a/b/./f", &["f=1"]),
        (
            "a/*/f",
            &["a/ @711", "a/b/ @700:5:5", "a/b/f=1", "a/c/", "a/c/f=3"],
        ),
        ("a/b", &["a/ @711", "a/b/ @700:5:5", "a/b/f=1", "a/b/g=2"]),
        ("x/./**/f", &["a/", "a/b/", "a/b/f=4"]),
        ("l/./c", &["c/", "c/f=3"]),
        ("a/q*", &[]),
    ] {
        let flags = Copy {
            parents: true,
            ..to("/")
        };
        assert_eq!(
            copied(source, pattern, &flags).unwrap(),
            expected,
            "{pattern}"
        );
    }
    for (pattern, name) in [
        ("a/x", "\"/a/x\": not found"),
        ("a/./x", "\"/a/x\": not found"),
        (".", "\"/\": not found"),
    ] {
        let flags = Copy {
            parents: true,
            ..to("/")
        };
        assert_eq!(
            copied(source, pattern, &flags).unwrap_err().to_string(),
            name,
            "{pattern}"
        );
    }
}

#[test]
fn what_is_ignored_is_not_there() {
    let source = &[
        "a/f=1",
        "a/g=2",
        "b/f=3",
        "b/keep/f=4",
        "l->a/f",
        "m->a/g",
        "a/e/",
    ];
    let rules = IgnoreRules::parse("a/f\nb\n!b/keep\nm\na/e\n").unwrap();
    let copied = |pattern: &str| {
        let (from, into) = (tree(source), tree(&[]));
        let _ = copy_as(
            from.path(),
            Owners::Root,
            Some(&rules),
            pattern,
            &to("/"),
            into.path(),
        )?;
        Ok::<_, Error>(lines(into.path()))
    };
    for (pattern, expected) in [
        (
            ".",
            &["a/", "a/g=2", "b/", "b/keep/", "b/keep/f=4", "l->a/f"][..],
        ),
        ("b", &["keep/", "keep/f=4"]),
        ("b/keep/f", &["f=4"]),
        ("*/f", &[]),
    ] {
        assert_eq!(copied(pattern).unwrap(), expected, "{pattern}");
    }
    for (pattern, rule) in [
        ("a/f", Some("a/f")),
        ("b/f", Some("b")),
        ("m", Some("m")),
        ("a/e", Some("a/e")),
        ("l", None),
        ("b/x", None),
    ] {
        match copied(pattern) {
            Err(Error::NotFound { ignored, .. }) => {
                assert_eq!(ignored.as_deref(), rule, "{pattern}")
            }
            other => panic!("{pattern}: {other:?}"),
        }
    }
}

#[test]
fn files_of_a_context_belong_to_root() {
    let from = tree(&["d/ @700:5:6", "d/f=1 @640:7:8", "d/l->f @777:5:5"]);
    let into = tree(&[]);
    let _ = copy_as(from.path(), Owners::Root, None, ".", &to("/x"), into.path()).unwrap();
    assert_eq!(
        lines(into.path()),
        ["x/", "x/d/ @700", "x/d/f=1 @640", "x/d/l->f"]
    );
}

#[test]
fn links_of_the_source_do_not_lead_out_of_it() {
    let outside = tree(&["secret=1"]);
    let secret = outside.path().join("secret");
    let from = tree(&[
        &format!("l->{}", secret.display()),
        &format!("d->{}", outside.path().display()),
    ]);
    for pattern in ["l", "d", "d/secret", "d/*"] {
        let into = tree(&[]);
        let error = copy(from.path(), pattern, &to("/x"), into.path()).unwrap_err();
        assert!(
            matches!(error, Error::NotFound { .. }),
            "{pattern}: {error:?}"
        );
        assert!(lines(into.path()).is_empty(), "{pattern}");
    }
}

#[test]
fn a_selection_tells_its_size() {
    let from = tree(&["a=123", "d/b=4567", "d/l->b"]);
    let root = stromatekt_kernel::Root::open(from.path()).unwrap();
    let source = stromatekt_files::Source {
        root: &root,
        owners: Owners::Kept,
        ignore: None,
    };
    let selection = stromatekt_files::select(&source, &["*".to_owned()], &to("/")).unwrap();
    assert_eq!(selection.size(), (2, 7));
}
