//! What children are given, by real ones.
#![expect(clippy::print_stdout, reason = "a test that cannot run says why")]

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use stromatekt_kernel::entry;
use stromatekt_kernel::process::{DetachedMount, Surroundings};

fn is_root() -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        println!("skipped: mounts are for root alone");
    }
    is_root
}

#[test]
fn a_child_alone_sees_its_mounts() {
    if !is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mount = DetachedMount::tmpfs().unwrap();
    let mut file = entry::create_file_at(&mount, OsStr::new("file"), 0o600).unwrap();
    file.write_all(b"content").unwrap();
    let path = directory.path().join("file");
    let mut surroundings = Surroundings::default();
    surroundings.mount(&mount, directory.path()).unwrap();
    surroundings.own_proc();
    let mut command = Command::new("cat");
    command.arg(&path);
    surroundings.give_to(&mut command);
    let output = command.output().unwrap();
    assert_eq!(output.stdout, b"content", "{output:?}");
    assert!(!path.exists());
    let left = entry::lstatat(&mount, OsStr::new("file")).unwrap();
    assert_eq!(left.size, 7, "the parent still has it");
}

#[test]
fn a_child_dies_with_the_thread_that_started_it() {
    if !is_root() {
        return;
    }
    let started = std::thread::spawn(|| {
        let mut command = Command::new("sleep");
        command.arg("83001");
        Surroundings::default().give_to(&mut command);
        command.spawn().unwrap()
    });
    let status = started.join().unwrap().wait().unwrap();
    assert_eq!(status.signal(), Some(nix::libc::SIGKILL));
}
