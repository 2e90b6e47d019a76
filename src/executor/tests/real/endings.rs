//! Steps that are cancelled, dropped, or die with their builder: nothing is left of them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use stromatekt_executor::Error;
use stromatekt_graph::run::Network;
use tokio_util::sync::CancellationToken;

use crate::lab::{Lab, executor, lab, processes, run, shell};

async fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "not after 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The control groups of a process's containers.
fn groups(pid: u32) -> Vec<String> {
    let prefix = format!("stromatekt-{pid}-");
    let mut found = Vec::new();
    let mut rest = vec![Path::new("/sys/fs/cgroup").to_owned()];
    while let Some(directory) = rest.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name().to_string_lossy().starts_with(&prefix) {
                    found.push(entry.path().display().to_string());
                }
                rest.push(entry.path());
            }
        }
    }
    found
}

fn nothing_is_left(lab: &Lab, sleep: &str) {
    assert!(processes(sleep).is_empty());
    let root = lab.directory.path().display().to_string();
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("procfs");
    assert!(!mounts.contains(&root), "{mounts}");
    let scratch = lab.directory.path().join("scratch/bundle");
    assert_eq!(fs::read_dir(scratch).expect("a directory").count(), 0);
}

/// Groups of other tests come and go.
async fn wait_for_no_groups() {
    wait_until("no groups", || groups(std::process::id()).is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_step_is_gone_with_all_its_children() {
    let Some(lab) = lab() else { return };
    let before = lab.listing();
    let cancel = CancellationToken::new();
    let script = "trap '' TERM INT; sleep 81001 & (sleep 81001 &) ; sleep 81001";
    let tree = lab.tree();
    let (ended, cancelled) = tokio::join!(
        run(&lab.executor, &tree, shell(script), cancel.clone()),
        async {
            wait_until("three sleep", || processes("sleep 81001").len() >= 3).await;
            cancel.cancel();
            Instant::now()
        }
    );
    assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
    assert!(cancelled.elapsed() < Duration::from_secs(5));
    nothing_is_left(&lab, "sleep 81001");
    assert_eq!(lab.listing(), before);
    wait_for_no_groups().await;
    let ended = run(&lab.executor, &lab.tree(), shell("true"), cancel).await;
    assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_at_any_moment_leaves_nothing() {
    let Some(lab) = lab() else { return };
    for step in 0..16_u64 {
        let cancel = CancellationToken::new();
        let network = if step % 2 == 0 {
            Network::None
        } else {
            Network::Default
        };
        let running = shell("sleep 81002").network(network);
        let tree = lab.tree();
        let (ended, ()) = tokio::join!(run(&lab.executor, &tree, running, cancel.clone()), async {
            tokio::time::sleep(Duration::from_millis(4 * step)).await;
            cancel.cancel();
        });
        assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
        nothing_is_left(&lab, "sleep 81002");
    }
    wait_for_no_groups().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_step_is_gone() {
    let Some(lab) = lab() else { return };
    for network in [Network::None, Network::Default] {
        let (executor, tree) = (lab.executor.clone(), lab.tree());
        let task = tokio::spawn(async move {
            let step = shell("sleep 81003").network(network);
            run(&executor, &tree, step, CancellationToken::new()).await
        });
        wait_until("it sleeps", || !processes("sleep 81003").is_empty()).await;
        task.abort();
        assert!(task.await.expect_err("aborted").is_cancelled());
        nothing_is_left(&lab, "sleep 81003");
    }
    wait_for_no_groups().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_network_survives_its_executor() {
    let Some(lab) = lab() else { return };
    let root = lab.directory.path().display().to_string();
    let of_pasta = format!("--netns {root}");
    lab.run(shell("true").network(Network::Default)).await;
    lab.executor.prepare_network();
    drop(lab.executor);
    wait_until("pasta has ended", || processes(&of_pasta).is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn background_processes_do_not_hold_a_step() {
    let Some(lab) = lab() else { return };
    let started = Instant::now();
    let ended = lab.run(shell("sleep 81004 & echo started")).await;
    assert_eq!(ended.stdout, "started");
    assert!(started.elapsed() < Duration::from_secs(20));
    nothing_is_left(&lab, "sleep 81004");
}

/// Runs in a process of its own, which is killed.
#[tokio::test(flavor = "multi_thread")]
async fn in_a_process_that_is_killed() {
    let Some(directory) = std::env::var_os("EXECUTOR_TEST_DIRECTORY") else {
        return;
    };
    let directory = Path::new(&directory);
    let executor = executor(&directory.join("killed"));
    let step = shell("sleep 81005").network(Network::Default);
    let ended = run(
        &executor,
        &directory.join("tree"),
        step,
        CancellationToken::new(),
    )
    .await;
    println!("{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_builder_takes_its_steps_with_it() {
    let Some(lab) = lab() else { return };
    let mut builder = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "endings::in_a_process_that_is_killed",
            "--nocapture",
        ])
        .env("EXECUTOR_TEST_DIRECTORY", lab.directory.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a process");
    wait_until("it sleeps", || !processes("sleep 81005").is_empty()).await;
    let of_pasta = format!("--netns {}", lab.directory.path().display());
    let pid = builder.id();
    builder.kill().expect("a signal");
    builder.wait().expect("an end");
    wait_until("it sleeps no more", || processes("sleep 81005").is_empty()).await;
    wait_until("pasta has ended", || processes(&of_pasta).is_empty()).await;
    // Its control groups may be left; the next executor, maybe that of another test, removes them.
    let _next = executor(lab.directory.path());
    assert_eq!(groups(pid), Vec::<String>::new());
}
