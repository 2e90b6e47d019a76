//! In what root filesystems differ.

mod support;

use std::time::{Duration, SystemTime};

use serde_json::json;
use stromatekt_compare::{Builder, Kind, Rules, compare};
use support::{
    Entry, TIME, device, differ, directory, file, hard_link, image, places, read, symlink, whiteout,
};

#[test]
fn an_image_is_the_same_as_itself() {
    let entries = [
        directory("d"),
        file("d/f", "text").xattr("security.capability", "x"),
        hard_link("d/h", "d/f"),
        symlink("d/s", "f"),
        device("null", 1, 3),
    ];
    let found = compare(
        &image(&entries),
        &image(&entries),
        &Rules::default().strict(),
    );
    assert!(found.is_same() && found.noise.is_empty(), "{found:?}");
}

#[test]
fn every_attribute_of_a_file_makes_a_difference() {
    type Case = (
        &'static str,
        Vec<Entry>,
        Vec<Entry>,
        &'static [&'static str],
    );
    let cases: Vec<Case> = vec![
        ("only right", vec![], vec![file("f", "")], &["/f"]),
        ("only left", vec![file("f", "")], vec![], &["/f"]),
        (
            "type",
            vec![file("f", "")],
            vec![directory("f")],
            &["/f type"],
        ),
        (
            "mode",
            vec![file("f", "")],
            vec![file("f", "").mode(0o4755)],
            &["/f mode"],
        ),
        (
            "owner",
            vec![file("f", "")],
            vec![file("f", "").owner(1, 70_000)],
            &["/f owner"],
        ),
        (
            "content",
            vec![file("f", "a")],
            vec![file("f", "b")],
            &["/f content"],
        ),
        (
            "link",
            vec![symlink("s", "a")],
            vec![symlink("s", "b")],
            &["/s link"],
        ),
        (
            "mode of a link is no matter",
            vec![symlink("s", "a")],
            vec![symlink("s", "a").mode(0o755)],
            &[],
        ),
        (
            "device",
            vec![device("c", 1, 3)],
            vec![device("c", 1, 5)],
            &["/c device"],
        ),
        (
            "xattr",
            vec![file("f", "").xattr("user.a", "1")],
            vec![file("f", "").xattr("user.a", "2").xattr("user.b", "")],
            &["/f xattr user.a", "/f xattr user.b"],
        ),
        (
            "hard links",
            vec![file("a", "x"), hard_link("b", "a")],
            vec![file("a", "x"), file("b", "x")],
            &["/a hard links"],
        ),
        (
            "more hard links",
            vec![file("a", "x"), hard_link("b", "a"), file("c", "x")],
            vec![file("a", "x"), hard_link("b", "a"), hard_link("c", "a")],
            &["/a hard links"],
        ),
        (
            "a missing name is told once",
            vec![file("a", "x"), hard_link("b", "a")],
            vec![file("a", "x")],
            &["/b"],
        ),
    ];
    for (what, left, right, expected) in cases {
        assert_eq!(differ(&left, &right).0, expected, "{what}");
    }
}

#[test]
fn short_texts_are_shown_as_lines() {
    let (left, right) = (image(&[file("f", "a\nb\n")]), image(&[file("f", "a\nc\n")]));
    let found = compare(&left, &right, &Rules::default());
    assert_eq!(found.differences[0].kind, Kind::Content);
    assert_eq!(
        found.differences[0].text.as_deref(),
        Some("@@ -1,2 +1,2 @@\n a\n-b\n+c\n")
    );
    let binary = image(&[file("f", &b"a\0"[..])]);
    let found = compare(&left, &binary, &Rules::default());
    assert_eq!(found.differences[0].text, None);
}

#[test]
fn times_are_expected_to_differ_as_far_as_the_builds_made_them() {
    let (old, older) = (TIME - 100, TIME - 200);
    let (new, newer) = (TIME + 100, TIME + 200);
    let started = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(TIME));
    for (left, right, is_directory, started, expected) in [
        (older, newer, false, None, Some("times: /f time")),
        (new, newer, false, started, Some("times: /f time")),
        (old, new, false, started, None),
        (old, older, false, started, None),
        (old, new, true, started, Some("directory-times: /f time")),
        (old, older, true, started, None),
    ] {
        let side = |time| match is_directory {
            true => image(&[directory("f").time(time)]),
            false => image(&[file("f", "").time(time)]),
        };
        let rules = Rules {
            started,
            layers: false,
            ..Rules::default()
        };
        let found = places(&compare(&side(left), &side(right), &rules));
        let wanted = match expected {
            Some(noise) => (vec![], vec![noise.to_owned()]),
            None => (vec!["/f time".to_owned()], vec![]),
        };
        assert_eq!(found, wanted, "{left} {right}");
        let strict = compare(&side(left), &side(right), &rules.strict());
        assert_eq!(places(&strict).0, ["/f time"]);
    }
}

#[test]
fn noise_is_classed_by_its_path() {
    let left = [
        file("etc/ld.so.cache", "1"),
        file("etc/passwd", "1"),
        file("m.pyc", "1"),
        file("var/log/dpkg.log", "1"),
        file("var/log/dpkg.log.1", "1").mode(0o600),
    ];
    let right = [
        file("etc/ld.so.cache", "2"),
        file("etc/passwd", "2"),
        file("__pycache__/m.pyc", "1"),
        file("var/log/dpkg.log", "2"),
        file("var/log/dpkg.log.1", "2"),
    ];
    let (differences, noise) = differ(&left, &right);
    assert_eq!(
        differences,
        ["/etc/passwd content", "/var/log/dpkg.log.1 mode"]
    );
    assert_eq!(
        noise,
        [
            "linker-cache: /etc/ld.so.cache content",
            "bytecode: /__pycache__",
            "bytecode: /__pycache__/m.pyc",
            "bytecode: /m.pyc",
            "package-logs: /var/log/dpkg.log content",
            "logs: /var/log/dpkg.log.1 content",
        ]
    );
}

#[test]
fn stubs_are_expected_of_builders_that_leave_them_alone() {
    let with = [
        directory("etc"),
        directory("proc"),
        directory("v"),
        file("etc/hosts", ""),
        file("etc/resolv.conf", "nameserver 1"),
    ];
    let volumes = json!({"config": {"Volumes": {"/v": {}}}});
    let (left, right) = (
        read(volumes.clone(), &[with.to_vec()]).unwrap(),
        read(volumes, &[vec![directory("etc")]]).unwrap(),
    );
    let of = |builder| {
        let rules = Rules {
            layers: false,
            ..Rules::against(builder)
        };
        places(&compare(&left, &right, &rules)).0
    };
    assert_eq!(of(Builder::Classic), ["/etc/resolv.conf"]);
    assert_eq!(of(Builder::Buildah), ["/etc/resolv.conf", "/v"]);
    assert_eq!(of(Builder::BuildKit).len(), 4);
}

#[test]
fn layers_add_up_as_they_are_unpacked() {
    let layers = |upper: &[Entry]| {
        let lower = vec![
            directory("d"),
            file("d/a", "a"),
            file("d/b", "b"),
            file("f", "f"),
            hard_link("g", "f"),
            symlink("l", "d"),
            directory("x"),
            file("x/y", ""),
        ];
        read(json!({}), &[lower, upper.to_vec()]).unwrap()
    };
    let flat = |entries: &[Entry]| image(entries);
    let rest = [
        file("f", "f"),
        hard_link("g", "f"),
        symlink("l", "d"),
        directory("x"),
        file("x/y", ""),
    ];
    let with = |own: &[Entry]| flat(&[own, &rest].concat());
    for (what, upper, expected) in [
        (
            "a whiteout removes",
            vec![whiteout("d/.wh.a")],
            with(&[directory("d"), file("d/b", "b")]),
        ),
        (
            "a whiteout removes a tree",
            vec![whiteout(".wh.d")],
            with(&[]),
        ),
        (
            "an opaque directory keeps its own, whichever comes first",
            vec![
                file("d/c", "c"),
                whiteout("d/.wh..wh..opq"),
                file("d/b", "B"),
            ],
            with(&[directory("d"), file("d/b", "B"), file("d/c", "c")]),
        ),
        (
            "a link leads to a directory",
            vec![file("l/c", "c")],
            with(&[
                directory("d"),
                file("d/a", "a"),
                file("d/b", "b"),
                file("d/c", "c"),
            ]),
        ),
        (
            "a whiteout hides nothing of its own layer",
            vec![file("d/a", "new"), whiteout("d/.wh.a")],
            with(&[directory("d"), file("d/a", "new"), file("d/b", "b")]),
        ),
        (
            "a file replaces a tree",
            vec![file("d", "file")],
            with(&[file("d", "file")]),
        ),
        (
            "a directory is made for what is in it",
            vec![whiteout(".wh.d"), file("n/m/o", "")],
            with(&[directory("n"), directory("n/m"), file("n/m/o", "")]),
        ),
    ] {
        let rules = Rules {
            layers: false,
            ..Rules::default()
        };
        let found = compare(&layers(&upper), &expected, &rules);
        assert!(found.is_same(), "{what}: {:?}", found.differences);
    }
    // One of two names that is written anew is a file of its own.
    let upper = layers(&[file("f", "f")]);
    let found = compare(
        &layers(&[]),
        &upper,
        &Rules {
            layers: false,
            ..Rules::default()
        },
    );
    assert_eq!(places(&found).0, ["/f hard links"]);
}
