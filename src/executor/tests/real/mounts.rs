//! The mounts of a step, of each kind.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};

use stromatekt_executor::{ResolvedMount, Secret, SecretSource, Secrets, SshAgents};
use stromatekt_graph::run::{MountSource, Sharing};
use tokio_util::sync::CancellationToken;

use crate::lab::{lab, node, process_with, run, shell};

fn bind(path: &str) -> MountSource {
    MountSource::Bind {
        from: node(),
        path: path.to_owned(),
    }
}

fn secret(id: &str, required: bool) -> MountSource {
    MountSource::Secret {
        id: id.to_owned(),
        env: None,
        file: true,
        required,
        mode: 0o400,
        uid: 5,
        gid: 6,
    }
}

fn ssh(required: bool) -> MountSource {
    MountSource::Ssh {
        id: "default".to_owned(),
        required,
        mode: 0o660,
        uid: 1000,
        gid: 44,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trees_are_shown_and_leave_nothing() {
    let Some(lab) = lab() else { return };
    let other = lab.directory.path().join("other");
    fs::create_dir_all(other.join("sub")).expect("a directory");
    fs::write(other.join("sub/file"), "content").expect("a file");
    symlink("/sub/file", other.join("link")).expect("a link");
    symlink("/tmp", lab.tree().join("short")).expect("a link");
    let before = lab.listing();
    let tree = || ResolvedMount::Tree(other.clone());
    let step = shell(
        "cat /mnt/deep/sub/file /one /tmp/inside; touch /mnt/deep/x 2>&1; echo more >> /tmp/inside",
    )
    .mount("/mnt/deep", bind("/"), tree())
    .read_only()
    .mount("/one", bind("link"), tree())
    .read_only()
    .mount("/short/inside", bind("sub/file"), tree());
    let ended = lab.run(step).await;
    assert_eq!(
        ended.stdout,
        "contentcontentcontenttouch: /mnt/deep/x: Read-only file system"
    );
    assert_eq!(lab.listing(), before);
    assert_eq!(
        fs::read_to_string(other.join("sub/file")).expect("a file"),
        "contentmore\n"
    );
    let step = shell("true").mount("/mnt", bind("/missing"), tree());
    let error = lab.try_run(step).await.expect_err("it is missing");
    assert_eq!(
        error.to_string(),
        "mount at `/mnt`: \"/missing\": not found"
    );
    assert_eq!(lab.listing(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn caches_and_tmpfs_keep_out_of_the_tree() {
    let Some(lab) = lab() else { return };
    let cache = lab.directory.path().join("cache");
    fs::create_dir(&cache).expect("a directory");
    let before = lab.listing();
    let source = || MountSource::Cache {
        id: "x".to_owned(),
        sharing: Sharing::Shared,
        from: None,
        mode: 0o755,
        uid: 0,
        gid: 0,
    };
    let step = shell(
        "echo a > /root/.cache/kept && stat -f -c %T /t && stat -c %a /t && head -c 2000000 /dev/zero 2>&1 > /t/big; \
         stat -f -c %T /root/.cache/t; echo b > /root/.cache/t/lost",
    )
    .mount("/root/.cache", source(), ResolvedMount::Directory(cache.clone()))
    .mount("/t", MountSource::Tmpfs { size: Some(1 << 20) }, ResolvedMount::Made)
    .mount("/root/.cache/t", MountSource::Tmpfs { size: None }, ResolvedMount::Made);
    let ended = lab.run(step).await;
    assert_eq!(
        ended.stdout,
        "tmpfs\n1777\nhead: standard output: I/O error\ntmpfs"
    );
    assert_eq!(lab.listing(), before);
    assert_eq!(
        fs::read_to_string(cache.join("kept")).expect("a file"),
        "a\n"
    );
    assert!(!cache.join("t/lost").exists());
    let step = shell("touch /c/x 2>&1")
        .mount("/c", source(), ResolvedMount::Directory(cache))
        .read_only();
    assert!(lab.run(step).await.stdout.contains("Read-only"));
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_files_and_variables() {
    let Some(lab) = lab() else { return };
    let file = lab.directory.path().join("secret");
    fs::write(&file, "s3cret").expect("a file");
    let mut secrets = Secrets::default();
    secrets.insert(Secret {
        id: "token".into(),
        source: SecretSource::File(file),
    });
    let before = lab.listing();
    let variable = MountSource::Secret {
        id: "token".to_owned(),
        env: Some("TOKEN".to_owned()),
        file: false,
        required: true,
        mode: 0o400,
        uid: 0,
        gid: 0,
    };
    let mut step = shell(
        "cat /run/secrets/token; echo; stat -c '%u %g %a' /run/secrets/token; echo $TOKEN; ls /run/secrets; ls /unused 2>/dev/null; \
         (echo x > /run/secrets/token) 2>&1",
    )
    .mount("/run/secrets/token", secret("token", true), ResolvedMount::Made)
    .mount("/unused", variable, ResolvedMount::Made)
    .mount("/run/secrets/absent", secret("absent", false), ResolvedMount::Made);
    step.secrets = secrets;
    let ended = lab.run(step).await;
    assert_eq!(
        ended.stdout,
        "s3cret\n5 6 400\ns3cret\ntoken\n/bin/sh: can't create /run/secrets/token: Read-only file system"
    );
    assert_eq!(lab.listing(), before);
    let step = shell("true").mount("/s", secret("absent", true), ResolvedMount::Made);
    let error = lab.try_run(step).await.expect_err("it is required");
    assert!(error.to_string().contains("--secret id=absent"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ssh_agent_answers() {
    let Some(lab) = lab() else { return };
    let socket = lab.directory.path().join("agent");
    let agent = UnixListener::bind(&socket).expect("a socket");
    // Which keys there are, and that there are none.
    let (which, none) = ([0, 0, 0, 1, 11], [0, 0, 0, 5, 12, 0, 0, 0, 0]);
    let answers = std::thread::spawn(move || {
        let (mut client, _) = agent.accept().expect("a client");
        let mut asked = [0; 5];
        client.read_exact(&mut asked).expect("a question");
        client.write_all(&none).expect("an answer");
        asked
    });
    let before = lab.listing();
    let target = "/run/buildkit/ssh_agent.0";
    let mut step = shell("exec sleep 82001").mount(target, ssh(true), ResolvedMount::Made);
    step.ssh = SshAgents::parse([format!("default={}", socket.display())]).expect("an agent");
    let (cancel, tree) = (CancellationToken::new(), lab.tree());
    let (ended, answer) = tokio::join!(run(&lab.executor, &tree, step, cancel.clone()), async {
        let client = process_with("sleep 82001").await;
        let answer = tokio::task::spawn_blocking(move || {
            let mut agent = UnixStream::connect(client.join("root").join(&target[1..]))?;
            agent.write_all(&which)?;
            let mut answer = [0; 9];
            agent.read_exact(&mut answer)?;
            Ok::<_, std::io::Error>(answer)
        });
        let answer = answer.await.expect("no panic");
        cancel.cancel();
        answer
    });
    assert_eq!(answer.expect("an answer"), none);
    assert!(ended.is_err(), "it was cancelled");
    assert_eq!(answers.join().expect("an answer"), which);
    assert_eq!(lab.listing(), before);
    let mut step = shell("stat -c '%u %g %a' /run/buildkit/ssh_agent.0").mount(
        target,
        ssh(true),
        ResolvedMount::Made,
    );
    step.ssh = SshAgents::parse([format!("default={}", socket.display())]).expect("an agent");
    assert_eq!(lab.run(step).await.stdout, "1000 44 660");
    assert_eq!(lab.listing(), before);
    let step = shell(&format!("test ! -e {target}")).mount(target, ssh(false), ResolvedMount::Made);
    assert_eq!(lab.run(step).await.exit, 0);
    let step = shell("true").mount(target, ssh(true), ResolvedMount::Made);
    let error = lab.try_run(step).await.expect_err("it is required");
    assert!(error.to_string().contains("--ssh default"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_here_document_can_be_run() {
    let Some(lab) = lab() else { return };
    let before = lab.listing();
    let source = MountSource::Inline {
        content: b"#!/bin/sh\necho ran $0\n".to_vec(),
        mode: 0o755,
    };
    let step = shell("/dev/pipes/EOF; (echo x > /dev/pipes/EOF) 2>&1")
        .mount("/dev/pipes/EOF", source, ResolvedMount::Made)
        .read_only();
    let ended = lab.run(step).await;
    assert_eq!(
        ended.stdout,
        "ran /dev/pipes/EOF\n/bin/sh: can't create /dev/pipes/EOF: Read-only file system"
    );
    assert_eq!(lab.listing(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_that_does_not_fit_is_named() {
    let Some(lab) = lab() else { return };
    let tree = ResolvedMount::Tree(lab.tree());
    let step = shell("true").mount("/etc", bind("/etc/passwd"), tree.clone());
    let error = lab.try_run(step).await.expect_err("a directory");
    assert!(error.to_string().contains("/etc"), "{error}");
    let step = shell("true").mount("/x", MountSource::Tmpfs { size: None }, tree);
    let error = lab.try_run(step).await.expect_err("no such source");
    assert!(error.to_string().contains("/x"), "{error}");
}
