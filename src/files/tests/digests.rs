//! What changes the digest of a copy, and what does not.

mod common;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use common::{fill, to, tree};
use stromatekt_files::{
    FileHashes, FileKey, IgnoreFilter, IgnoreRules, Owners, Source, tree_digest,
};
use stromatekt_graph::file::Copy;
use stromatekt_kernel::Root;
use stromatekt_oci::Digest;

/// What was asked for and remembered.
#[derive(Default)]
struct Memory {
    known: Mutex<HashMap<FileKey, Digest>>,
    asked: Mutex<usize>,
}

type HashError = Box<dyn std::error::Error + Send + Sync>;

impl FileHashes for Memory {
    fn get_many(&self, keys: &[FileKey]) -> Result<Vec<Option<Digest>>, HashError> {
        *self.asked.lock().unwrap() += 1;
        let known = self.known.lock().unwrap();
        Ok(keys.iter().map(|key| known.get(key).copied()).collect())
    }

    fn put_many(&self, files: &[(FileKey, Digest)]) -> Result<(), HashError> {
        self.known.lock().unwrap().extend(files.iter().copied());
        Ok(())
    }
}

fn digest_with(
    from: &Path,
    owners: Owners,
    ignore: Option<&dyn IgnoreFilter>,
    flags: &Copy,
    memory: &Memory,
) -> Digest {
    let root = Root::open(from).unwrap();
    let source = Source {
        root: &root,
        owners,
        ignore,
    };
    let selection = stromatekt_files::select(&source, &["d".to_owned()], flags).unwrap();
    stromatekt_files::digest(&source, &selection, memory).unwrap()
}

fn digest(lines: &[&str], owners: Owners, flags: &Copy) -> Digest {
    let from = tree(lines);
    digest_with(from.path(), owners, None, flags, &Memory::default())
}

#[test]
fn everything_that_comes_out_of_a_copy_changes_its_digest() {
    let flags = to("/x/");
    let base = digest(&["d/f=1", "d/e/"], Owners::Kept, &flags);
    assert_eq!(
        digest(&["d/f=1", "d/e/", "other=1"], Owners::Kept, &flags),
        base
    );
    for lines in [
        &["d/f=2", "d/e/"][..],
        &["d/g=1", "d/e/"],
        &["d/f=1 @600", "d/e/"],
        &["d/f=1 @644:5:0", "d/e/"],
        &["d/f=1 @644:0:5", "d/e/"],
        &["d/f=1", "d/e/ @700"],
        &["d/f=1"],
        &["d/e/f=1"],
        &["d/f=1", "d/e/", "d/l->f"],
        &["d/f=1", "d/e=1"],
        &["d/f=1", "d/f=>d/e/g"],
        &["d=1"],
    ] {
        assert_ne!(digest(lines, Owners::Kept, &flags), base, "{lines:?}");
    }
    let two = |lines| digest(lines, Owners::Kept, &flags);
    assert_ne!(
        two(&["d/a=1", "d/a=>d/b"]),
        two(&["d/a=1", "d/b=1"]),
        "names of one file"
    );
    assert_eq!(
        two(&["d/a=1", "d/a=>outside"]),
        two(&["d/a=1"]),
        "names that are not copied"
    );
    assert_ne!(two(&["d/l->a"]), two(&["d/l->b"]));
}

#[test]
fn what_does_not_come_out_does_not_count() {
    let owned = Copy {
        owner: Some("7".to_owned()),
        ..to("/")
    };
    let lines: &[&str] = &["d/f=1", "d/e/"];
    let foreign: &[&str] = &["d/f=1 @644:5:6", "d/e/ @755:7:8"];
    assert_eq!(
        digest(lines, Owners::Root, &to("/")),
        digest(foreign, Owners::Root, &to("/"))
    );
    assert_eq!(
        digest(lines, Owners::Kept, &owned),
        digest(foreign, Owners::Kept, &owned)
    );
    // The contents of a directory are merged into another.
    assert_eq!(
        digest(lines, Owners::Kept, &to("/")),
        digest(&["d/ @700:5:5", "d/f=1", "d/e/"], Owners::Kept, &to("/"))
    );

    let rules = IgnoreRules::parse("**/*.log\n").unwrap();
    let (from, logged) = (tree(lines), tree(&["d/f=1", "d/e/", "d/e/x.log=2"]));
    let digest = |from: &Path| {
        digest_with(
            from,
            Owners::Root,
            Some(&rules),
            &to("/"),
            &Memory::default(),
        )
    };
    assert_eq!(digest(from.path()), digest(logged.path()));
}

#[test]
fn a_tree_counts_with_its_own_attributes() {
    let digest = |lines: &[&str], path: &str| {
        let from = tree(lines);
        let root = Root::open(from.path()).unwrap();
        let source = Source {
            root: &root,
            owners: Owners::Kept,
            ignore: None,
        };
        tree_digest(&source, path, &Memory::default())
    };
    let base = digest(&["d/f=1"], "d").unwrap();
    assert_eq!(digest(&["e/d/f=1", "x=2"], "/e/d").unwrap(), base);
    assert_eq!(digest(&["d/f=1", "l->d"], "l").unwrap(), base);
    assert_ne!(digest(&["d/ @700", "d/f=1"], "d").unwrap(), base);
    assert_ne!(
        digest(&["d/f=1"], "d/f").unwrap(),
        digest(&["d/f=2"], "d/f").unwrap()
    );
    assert!(digest(&["d/f=1"], "x").is_err());
}

#[test]
fn files_that_were_remembered_are_not_read() {
    let from = tree(&["d/old=1", "d/new=2", "d/empty="]);
    let memory = Memory::default();
    let long_ago = SystemTime::now() - Duration::from_secs(100);
    // The inode is new all the same, so that nothing of it may be remembered.
    let file = fs::File::options()
        .write(true)
        .open(from.path().join("d/old"))
        .unwrap();
    file.set_modified(long_ago).unwrap();
    let first = digest_with(from.path(), Owners::Root, None, &to("/"), &memory);
    assert!(memory.known.lock().unwrap().is_empty(), "changed just now");
    std::thread::sleep(Duration::from_millis(2100));
    fill(from.path(), &["d/new=2"]);
    assert_eq!(
        digest_with(from.path(), Owners::Root, None, &to("/"), &memory),
        first
    );
    let keys: Vec<FileKey> = memory.known.lock().unwrap().keys().copied().collect();
    assert_eq!(keys.len(), 1, "{keys:?}");
    // What is remembered is believed.
    memory
        .known
        .lock()
        .unwrap()
        .insert(keys[0], Digest::of("other"));
    assert_ne!(
        digest_with(from.path(), Owners::Root, None, &to("/"), &memory),
        first
    );
    assert_eq!(
        *memory.asked.lock().unwrap(),
        3,
        "one question for all files"
    );
}
