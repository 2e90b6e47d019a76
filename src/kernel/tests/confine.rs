//! Confined threads, by real ones.
#![expect(clippy::print_stdout, reason = "a test that cannot run says why")]

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use stromatekt_kernel::confine::Confinement;
use stromatekt_kernel::process::DetachedMount;

fn is_root() -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        println!("skipped: another root directory is for root alone");
    }
    is_root
}

#[test]
fn no_path_leads_a_confined_thread_out() {
    if !is_root() {
        return;
    }
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    let tree = outside.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("inside"), "inside").unwrap();
    symlink(outside.path().join("secret"), tree.join("absolute")).unwrap();
    symlink("../secret", tree.join("relative")).unwrap();
    symlink("/inside", tree.join("link")).unwrap();
    let host = outside.path().join("secret");
    let thread = Confinement::to(&tree).unwrap().spawn("confined", move || {
        let read = |path: &Path| fs::read_to_string(path).ok();
        (
            read(Path::new("/link")),
            ["/absolute", "/relative", "../secret", "/../../secret"]
                .map(|path| read(Path::new(path))),
            read(&host),
        )
    });
    let (link, others, host) = thread.unwrap().join().unwrap().unwrap();
    assert_eq!(link.as_deref(), Some("inside"));
    assert_eq!((others, host), ([None, None, None, None], None));
    assert!(
        Path::new("/proc/self/root/usr").exists(),
        "other threads keep their root"
    );
}

#[test]
fn a_confined_thread_makes_files_as_its_user_and_opens_no_device() {
    if !is_root() {
        return;
    }
    let tree = tempfile::tempdir().unwrap();
    fs::create_dir(tree.path().join("mine")).unwrap();
    std::os::unix::fs::chown(tree.path().join("mine"), Some(1234), Some(1235)).unwrap();
    fs::write(tree.path().join("roots"), "").unwrap();
    let root = stromatekt_kernel::Root::open(tree.path()).unwrap();
    let null = stromatekt_kernel::entry::Node::CharDevice { major: 1, minor: 3 };
    stromatekt_kernel::entry::mknodat(&root, "null".as_ref(), null, 0o666).unwrap();
    let mut confinement = Confinement::to(tree.path()).unwrap();
    confinement.user(1234, 1235, &[1235]);
    let thread = confinement.spawn("confined", || {
        fs::write("/mine/file", "")
            .map_err(|error| error.kind())
            .unwrap();
        let refused = |path: &str| fs::File::options().write(true).open(path).is_err();
        (refused("/roots"), refused("/null"))
    });
    assert_eq!(thread.unwrap().join().unwrap().unwrap(), (true, true));
    let made = fs::metadata(tree.path().join("mine/file")).unwrap();
    assert_eq!(
        (made.uid(), made.gid(), made.mode() & 0o777),
        (1234, 1235, 0o644)
    );
}

#[test]
fn a_confined_thread_alone_sees_its_mounts() {
    if !is_root() {
        return;
    }
    let tree = tempfile::tempdir().unwrap();
    fs::create_dir(tree.path().join("tmp")).unwrap();
    fs::create_dir(tree.path().join("lent")).unwrap();
    let lent = tempfile::tempdir().unwrap();
    fs::write(lent.path().join("file"), "lent").unwrap();
    let mut confinement = Confinement::to(tree.path()).unwrap();
    let read_only = DetachedMount::clone_of(lent.path()).unwrap();
    read_only.restrict(true).unwrap();
    confinement.mount(read_only, Path::new("/lent"));
    let memory = DetachedMount::tmpfs_with(0o1777, Some(1 << 20)).unwrap();
    confinement.mount(memory, Path::new("/tmp"));
    let within = DetachedMount::clone_of(lent.path()).unwrap();
    confinement.mount(within, Path::new("/tmp/deep/within"));
    let thread = confinement.spawn("confined", || {
        let mode = fs::metadata("/tmp").unwrap().mode() & 0o7777;
        let full = fs::write("/tmp/big", vec![0; 2 << 20]).is_err();
        let lent = fs::read_to_string("/lent/file").unwrap();
        let refused = fs::write("/lent/new", "").is_err();
        fs::write("/tmp/deep/within/new", "").unwrap();
        (mode, full, lent, refused)
    });
    let seen = thread.unwrap().join().unwrap().unwrap();
    assert_eq!(seen, (0o1777, true, "lent".to_owned(), true));
    assert!(lent.path().join("new").exists());
    assert!(!tree.path().join("tmp/deep").exists() && !tree.path().join("lent/file").exists());
}

#[test]
fn a_mount_that_has_no_place_is_named() {
    if !is_root() {
        return;
    }
    let tree = tempfile::tempdir().unwrap();
    fs::write(tree.path().join("file"), "").unwrap();
    let mut confinement = Confinement::to(tree.path()).unwrap();
    let memory = DetachedMount::tmpfs().unwrap();
    confinement.mount(memory, Path::new("/file/below"));
    let error = confinement
        .spawn("confined", || ())
        .unwrap()
        .join()
        .unwrap();
    let error = error.expect_err("a file has nothing below it").to_string();
    assert_eq!(error, "cannot mount at `/file/below`");
}
