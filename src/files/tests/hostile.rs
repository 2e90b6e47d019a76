//! Trees made to lead a copy out of them.

mod common;

use std::fs;
use std::path::Path;

use common::{copy, lines, to, tree};
use proptest::prelude::*;
use stromatekt_files::{FileHashes, FileKey, Owners, Source, make_directory, tree_digest};
use stromatekt_graph::file::Copy;
use stromatekt_kernel::Root;
use stromatekt_oci::Digest;

struct Forgotten;

impl FileHashes for Forgotten {
    fn get_many(
        &self,
        keys: &[FileKey],
    ) -> Result<Vec<Option<Digest>>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(vec![None; keys.len()])
    }

    fn put_many(
        &self,
        _: &[(FileKey, Digest)],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(())
    }
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["a", "b", "a/b", "b/a", "a/a"][..])
}

/// The first lines of a tree whose links lead everywhere; `OUT` stands for a directory outside.
fn entries() -> impl Strategy<Value = Vec<String>> {
    let target = prop::sample::select(
        &[
            "a", "/b", "..", "../..", "/", "OUT", "../OUT", "/a/b", "gone", "b",
        ][..],
    );
    let entry = (name(), 0..4, target).prop_map(|(name, kind, target)| match kind {
        0 => format!("{name}/"),
        1 => format!("{name}={target}"),
        _ => format!("{name}->{target}"),
    });
    prop::collection::vec(entry, 0..5)
}

/// Makes as many of the entries as do not contradict each other, without following links.
fn fill(root: &Path, outside: &Path, entries: &[String]) {
    for entry in entries {
        let end = entry.find(['/', '=', '-']).unwrap_or(entry.len());
        let name = entry.trim_end_matches('/');
        let name = name.split("->").next().unwrap().split('=').next().unwrap();
        let above_is_real = Path::new(name).ancestors().skip(1).all(|above| {
            fs::symlink_metadata(root.join(above)).map_or(true, |found| found.is_dir())
        });
        if end == 0 || !above_is_real || fs::symlink_metadata(root.join(name)).is_ok() {
            continue;
        }
        let entry = entry.replace("OUT", outside.to_str().unwrap());
        common::fill(root, &[&entry]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_copy_leads_out_of_its_tree(
        source in entries(),
        before in entries(),
        pattern in prop::sample::select(&[".", "a", "b", "a/b", "*", "a/*", "*/*"][..]),
        destination in prop::sample::select(&["/", "/a", "/a/", "/b/a", "/a/b/c/", "/../a", "/c"][..]),
        link in any::<bool>(),
    ) {
        let outside = tree(&["x=1", "d/", "a=2", "b/"]);
        let (from, into) = (tree(&[]), tree(&[]));
        fill(from.path(), outside.path(), &source);
        fill(into.path(), outside.path(), &before);
        let untouched = (lines(outside.path()), lines(from.path()));
        let flags = Copy {
            link,
            ..to(destination)
        };
        // Whether it can be done or not.
        let _ = copy(from.path(), pattern, &flags, into.path());
        let root = Root::open(into.path()).unwrap();
        let _ = make_directory(&root, destination, "5", None);
        prop_assert_eq!((lines(outside.path()), lines(from.path())), untouched);
        let secret = lines(into.path()).into_iter().find(|line| line.ends_with("x=1"));
        prop_assert_eq!(secret, None);
    }

    #[test]
    fn what_is_copied_has_the_digest_of_its_source(source in entries()) {
        let (from, into) = (tree(&["d/"]), tree(&[]));
        fill(&from.path().join("d"), Path::new("/nowhere"), &source);
        let _ = copy(from.path(), "d", &to("/e/d"), into.path()).unwrap();
        let digest = |at: &Path, path: &str| {
            let root = Root::open(at).unwrap();
            let source = Source {
                root: &root,
                owners: Owners::Kept,
                ignore: None,
            };
            tree_digest(&source, path, &Forgotten).unwrap()
        };
        prop_assert_eq!(digest(from.path(), "d"), digest(into.path(), "e/d"));
        prop_assert_eq!(lines(&from.path().join("d")), lines(&into.path().join("e/d")));
    }
}
