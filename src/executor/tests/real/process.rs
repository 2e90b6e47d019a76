//! The process: its arguments, environment, user, rights, and what it leaves in its tree.

use std::path::Path;

use crate::lab::{exec, lab, shell};

#[tokio::test(flavor = "multi_thread")]
async fn output_and_exit_status_come_back() {
    let Some(lab) = lab() else { return };
    let ended = lab.run(shell("echo out; echo err >&2; exit 42")).await;
    assert_eq!(
        (ended.exit, ended.stdout.as_str(), ended.stderr.as_str()),
        (42, "out", "err")
    );
    assert_eq!(lab.run(exec(&["true"])).await.exit, 0);
    let killed = lab.run(shell("kill -9 $$; sleep 9")).await;
    // The first process of a namespace ignores its own signals.
    assert_eq!(killed.exit, 0);
    let child = lab.run(shell("sh -c 'kill -15 $$'; exit $?")).await;
    assert_eq!(child.exit, 143);
}

#[tokio::test(flavor = "multi_thread")]
async fn much_output_is_complete() {
    let Some(lab) = lab() else { return };
    let ended = lab.run(shell("seq 200000; seq 100000 >&2")).await;
    assert_eq!(ended.stdout.lines().count(), 200_000);
    assert_eq!(ended.stderr.lines().last(), Some("100000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_dockers() {
    let Some(lab) = lab() else { return };
    let step = exec(&["env"]).env("GIVEN", "1").env("GIVEN", "2");
    let ended = lab.run(step).await;
    let mut lines: Vec<&str> = ended.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "GIVEN=2",
            "HOME=/root",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        ]
    );
    let step = shell("echo $HOME $PATH; umask; hostname; wc -c; ls /proc/self/fd")
        .user("worker")
        .env("PATH", "/bin");
    let ended = lab.run(step).await;
    assert_eq!(
        ended.stdout,
        "/home/worker /bin\n0022\nbuildkitsandbox\n0\n0\n1\n2\n3"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn users_have_their_groups() {
    let Some(lab) = lab() else { return };
    for (user, expected) in [
        ("", "uid=0(root) gid=0(root) groups=0(root)"),
        (
            "worker",
            "uid=1000(worker) gid=1000(worker) groups=44(video),1000(worker)",
        ),
        (
            "worker:video",
            "uid=1000(worker) gid=44(video) groups=44(video)",
        ),
        ("7:8", "uid=7 gid=8 groups=8"),
    ] {
        let ended = lab.run(exec(&["id"]).user(user)).await;
        assert_eq!(ended.stdout, expected, "{user}");
    }
    let mut step = exec(&["id", "-G"]).user("worker");
    step.run.groups = vec![56, 44];
    let ended = lab.run(step).await;
    assert_eq!(ended.stdout, "1000 44 56", "those of the step besides");
    let error = lab.try_run(exec(&["id"]).user("nobody")).await;
    assert_eq!(
        error.expect_err("nobody is there").to_string(),
        "unable to find user nobody: no matching entries in passwd file"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_may_do_what_docker_lets_it() {
    let Some(lab) = lab() else { return };
    let script = "grep -E '^(CapEff|CapBnd|CapInh|Seccomp|NoNewPrivs):' /proc/self/status; \
                  (echo 1 > /proc/sys/vm/drop_caches) 2>&1; head -c 1 /proc/kcore | wc -c; ls /proc/acpi /sys/firmware | wc -l; \
                  unshare -m true 2>&1; mkdir /x; mount -t tmpfs none /x 2>&1; mknod /x/d b 8 0 && head -c 1 /x/d 2>&1; \
                  touch /sys/x 2>&1; cat /proc/self/mountinfo | grep -c cgroup";
    let ended = lab.run(shell(script)).await;
    let text = ended.stdout;
    for expected in [
        "CapInh:\t0000000000000000",
        "CapEff:\t00000000a80425fb",
        "CapBnd:\t00000000a80425fb",
        "NoNewPrivs:\t0",
        "Seccomp:\t2",
        "Read-only file system",
        "unshare: unshare(0x20000): Operation not permitted",
        "head: /x/d: Operation not permitted",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let ended = lab
        .run(shell("grep Seccomp: /proc/self/status; unshare -m true && echo may; ls /dev/loop0 /dev/fuse; mount -t tmpfs none /x && echo mounted; test -w /proc/sys/vm/drop_caches && echo writable").insecure())
        .await;
    assert_eq!(
        ended.stdout,
        "Seccomp:\t0\nmay\n/dev/fuse\n/dev/loop0\nmounted\nwritable"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_the_process_changes_the_tree() {
    let Some(lab) = lab() else { return };
    let before = lab.listing();
    let step = shell(
        "cat /etc/hosts /etc/resolv.conf > /dev/null; ls /proc/1 /sys/kernel > /dev/null; test -c /dev/null && test -d /dev/shm && echo x > /dev/shm/x",
    );
    let ended = lab.run(step).await;
    assert_eq!(ended.exit, 0, "{ended:?}");
    assert_eq!(lab.listing(), before);
    lab.run(shell("touch /etc/made")).await;
    let mut after = lab.listing();
    let time = |listing: &crate::lab::Listing, path: &str| listing[Path::new(path)].4;
    assert_eq!(time(&after, ""), time(&before, ""));
    // Made a tick of the clock apart at most.
    let apart = time(&after, "etc").abs_diff(time(&after, "etc/made"));
    assert!(
        apart < 50_000_000 && time(&after, "etc") != time(&before, "etc"),
        "the time of the process's own change stays"
    );
    after.remove(Path::new("etc/made"));
    assert!(after.keys().eq(before.keys()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_directories_of_what_every_container_has_mounted_stay() {
    let Some(lab) = lab() else { return };
    let expected = lab.listing();
    for directory in ["dev", "proc", "sys"] {
        std::fs::remove_dir(lab.tree().join(directory)).expect("an empty directory");
    }
    lab.run(shell("true")).await;
    // As docker has it, whose runtime makes them.
    let found = lab.listing();
    assert!(found.keys().eq(expected.keys()));
    assert_eq!(found[Path::new("proc")].0 & 0o7777, 0o755);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_working_directory_is_made_for_the_user() {
    let Some(lab) = lab() else { return };
    let step = shell("pwd; stat -c '%u %g %a' . .. /")
        .cwd("/new/deep")
        .user("worker");
    let ended = lab.run(step).await;
    assert_eq!(
        ended.stdout,
        "/new/deep\n1000 1000 755\n1000 1000 755\n0 0 755"
    );
    assert!(lab.tree().join("new/deep").is_dir());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_there_is_told_as_docker_tells_it() {
    let Some(lab) = lab() else { return };
    std::fs::write(lab.tree().join("plain"), "x").expect("a file");
    for (program, expected) in [
        (
            "/nope",
            "exec: \"/nope\": stat /nope: no such file or directory",
        ),
        ("nope", "exec: \"nope\": executable file not found in $PATH"),
        ("/plain", "exec: \"/plain\": permission denied"),
    ] {
        let ended = lab.run(exec(&[program])).await;
        assert_eq!(ended.exit, 1, "{ended:?}");
        assert!(ended.stderr.contains(expected), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_that_fails_says_why() {
    let Some(lab) = lab() else { return };
    let error = lab.try_run(exec(&["true"]).env("", "empty name")).await;
    let error = error.expect_err("no such variable").to_string();
    assert!(error.contains("the OCI runtime"), "{error}");
}
