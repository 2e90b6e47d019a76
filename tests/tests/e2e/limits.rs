//! What bounds steps: `--ulimit`, `--shm-size`, `--cgroup-parent`, `--memory` and their kin.

use std::path::Path;

use stromatekt_tests::{Context, Lab, Outcome};

/// Builds a step with these options, and tells what it wrote.
#[track_caller]
fn logged(script: &str, options: &[&str]) -> String {
    let context = Context::dockerfile(&format!("FROM busybox\nRUN {script}\n"));
    let outcome = Lab::shared()
        .build(&context)
        .args(["--no-cache"])
        .args(options)
        .ok();
    outcome.step("2/2] RUN").log
}

fn refused(options: &[&str]) -> Outcome {
    let context = Context::dockerfile("FROM busybox\nRUN true\n");
    Lab::shared().build(&context).args(options).fails()
}

#[test]
fn ulimits_are_those_of_the_process() {
    let log = logged(
        "grep -E 'open files|core file|processes' /proc/self/limits",
        &[
            "--ulimit",
            "nofile=1:2",
            "--ulimit=nofile=100:200",
            "--ulimit",
            "core=0",
            "--ulimit=nproc=5000",
        ],
    );
    let limits: Vec<Vec<&str>> = log
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(limits[0][4..6], ["0", "0"], "{log}");
    assert_eq!(limits[1][2..4], ["5000", "5000"], "{log}");
    assert_eq!(limits[2][3..5], ["100", "200"], "{log}");
}

#[test]
fn shared_memory_has_its_size() {
    let script = "df -k /dev/shm | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2";
    assert_eq!(logged(script, &[]), "65536\n");
    assert_eq!(logged(script, &["--shm-size", "10m"]), "10240\n");
    assert_eq!(logged(script, &["--shm-size=0"]), "65536\n");
    let own = "--mount=type=tmpfs,target=/dev/shm,size=1m df -k /dev/shm | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2";
    assert_eq!(logged(own, &["--shm-size", "10m"]), "1024\n");
}

#[test]
fn control_groups_are_made_in_the_parent() {
    let name = format!("stromatekt-test-{}", std::process::id());
    let log = logged(
        "cat /proc/1/cgroup",
        &["--cgroup-parent", &format!("/{name}/sub")],
    );
    // With namespaces of control groups, a process sees its own as the top.
    assert!(
        log.contains(&format!("/{name}/sub/")) || log == "0::/\n",
        "{log}"
    );
    let mut found = false;
    for hierarchy in hierarchies() {
        let parent = hierarchy.join(&name);
        if parent.exists() {
            found = true;
            // Removable: what was made for the container is gone.
            std::fs::remove_dir(parent.join("sub")).expect("no group is left in it");
            std::fs::remove_dir(parent).expect("no group is left in it");
        }
    }
    assert!(found, "the group is there");
}

fn hierarchies() -> Vec<std::path::PathBuf> {
    let top = Path::new("/sys/fs/cgroup");
    let entries = std::fs::read_dir(top).expect("control groups are mounted");
    let inside = entries.flatten().map(|entry| entry.path());
    inside.chain([top.to_owned()]).collect()
}

#[test]
fn memory_and_processors_are_limited() {
    let log = logged(
        "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory.max 2>/dev/null; \
         cat cpu/cpu.shares cpu.weight 2>/dev/null; cat cpuset/cpuset.cpus cpuset.cpus 2>/dev/null; \
         cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us 2>/dev/null || tr ' ' '\\n' < cpu.max",
        &[
            "-m",
            "32m",
            "-c",
            "512",
            "--cpuset-cpus",
            "0",
            "--cpu-quota=50000",
            "--cpu-period=200000",
        ],
    );
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines[0], "33554432", "{log}");
    assert!(["512", "20"].contains(&lines[1]), "{log}");
    assert_eq!(lines[2..], ["0", "50000", "200000"], "{log}");
}

#[test]
fn swap_is_limited_where_the_kernel_counts_it() {
    let context = Context::dockerfile(
        "FROM busybox\nRUN cd /sys/fs/cgroup; cat memory/memory.memsw.limit_in_bytes memory.swap.max 2>/dev/null || true\n",
    );
    let outcome = Lab::shared()
        .build(&context)
        .args(["--no-cache", "--memory=32m", "--memory-swap=48m"])
        .run();
    if outcome.code != Some(0) {
        outcome.failed().says(&["does not limit swap"]);
        return;
    }
    let log = outcome.step("2/2] RUN").log;
    // Both together, or swap alone with version 2 of control groups.
    assert!(
        ["50331648\n", "16777216\n"].contains(&log.as_str()),
        "{log}"
    );
}

#[test]
fn a_step_that_needs_more_memory_than_it_has_is_killed() {
    let context =
        Context::dockerfile("FROM busybox\nRUN dd if=/dev/zero of=/dev/null bs=64M count=1\n");
    Lab::shared()
        .build(&context)
        .args(["--no-cache", "--memory=16m"])
        .fails()
        .says(&["exit code: 137"]);
}

#[test]
fn limits_of_the_process_are_part_of_the_cache_key_and_shares_of_the_machine_are_not() {
    let lab = Lab::with_busybox();
    let context =
        Context::dockerfile("FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /run-id\n");
    let built = |options: &[&str]| {
        let (image, _) = lab.build(&context).args(options).image_and_outcome();
        image.rootfs().text("run-id").to_owned()
    };
    let plain = built(&[]);
    assert_eq!(built(&["--memory", "64m", "--cpu-shares", "100"]), plain);
    assert_eq!(built(&["--shm-size=0", "--cgroup-parent="]), plain);
    let limited = built(&["--ulimit", "nofile=100"]);
    assert_ne!(limited, plain);
    assert_eq!(built(&["--ulimit", "nofile=100:100"]), limited);
    assert_ne!(built(&["--shm-size", "1m"]), plain);
}

#[test]
fn limits_that_mean_nothing_are_refused() {
    for (options, said) in [
        (&["--ulimit", "nofiles=1"][..], "nofiles"),
        (&["--ulimit", "nofile=2:1"], "soft"),
        (&["--shm-size", "much"], "much"),
        (&["--shm-size=-1"], "-1"),
        (&["--cgroup-parent", "a.slice:b:"], "systemd"),
        (&["--cgroup-parent", "../x"], ".."),
        (&["--memory", "1m"], "6m"),
        (&["--memory-swap", "10m"], "--memory"),
        (&["--memory", "10m", "--memory-swap", "9m"], "--memory-swap"),
        (&["--cpuset-cpus", "x"], "0-2,7"),
        (&["--cpuset-cpus", "700"], "700"),
        (&["--cpuset-mems", "700"], "700"),
    ] {
        let outcome = refused(options);
        assert!(outcome.stderr.contains(said), "{options:?}: {outcome}");
    }
}
