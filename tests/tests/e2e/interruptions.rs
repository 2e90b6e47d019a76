//! Builds that are stopped, killed, or run beside each other.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use stromatekt_tests::command::Running;
use stromatekt_tests::lab::processes_with;
use stromatekt_tests::{Context, Lab};

/// Waits for a process with these words in its command line.
#[track_caller]
pub fn wait_for(words: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while processes_with(words).is_empty() {
        assert!(
            Instant::now() < deadline,
            "{words:?} has not started after 30 seconds"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits for such processes to be gone: one that was killed needs a moment to be reaped.
#[track_caller]
fn wait_for_the_end_of(words: &str) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !processes_with(words).is_empty() {
        assert!(
            Instant::now() < deadline,
            "still there: {:?}",
            processes_with(words)
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A build of two stages that both sleep; each sleep is told by its own time from those of other tests.
fn sleeping(lab: &Lab, seconds: [&str; 2]) -> (Context, Running) {
    let context = Context::dockerfile(&format!(
        "FROM busybox AS a\nRUN touch /a && exec sleep {}\nFROM busybox AS b\nRUN --network=none touch /b && exec sleep {}\nFROM scratch\nCOPY --from=a /a /\nCOPY --from=b /b /\n",
        seconds[0], seconds[1]
    ));
    let running = lab.build(&context).start();
    for seconds in seconds {
        wait_for(&format!("sleep {seconds}"));
    }
    (context, running)
}

#[test]
fn a_stopped_build_leaves_no_processes_no_mounts_and_no_snapshots() {
    let lab = Lab::with_busybox();
    // What a store makes of itself when it is first used is not what a build leaves.
    lab.build(&Context::dockerfile("FROM busybox\nRUN true\n"))
        .ok();
    for (signal, seconds) in [
        (Signal::SIGINT, ["76101", "76102"]),
        (Signal::SIGTERM, ["76103", "76104"]),
    ] {
        let (contents, mounts) = (lab.contents(), lab.mounts());
        let (_context, running) = sleeping(&lab, seconds);
        running.signal(signal);
        let outcome = running.wait();
        assert!(
            outcome.code.is_some_and(|code| code != 0),
            "{signal}: {outcome}"
        );
        assert!(
            outcome.elapsed < Duration::from_secs(40),
            "{signal}: {outcome}"
        );
        for seconds in seconds {
            wait_for_the_end_of(&format!("sleep {seconds}"));
        }
        assert_eq!(lab.processes(), Vec::<String>::new(), "{signal}");
        assert_eq!(lab.mounts(), mounts, "{signal}: {outcome}");
        assert_eq!(lab.contents(), contents, "{signal}: {outcome}");
    }
}

#[test]
fn a_failing_step_stops_the_others() {
    let lab = Lab::with_busybox();
    lab.build(&Context::dockerfile("FROM busybox\nRUN true\n"))
        .ok();
    let (contents, mounts) = (lab.contents(), lab.mounts());
    let context = Context::dockerfile(
        "FROM busybox AS a\nRUN sleep 76201\nFROM busybox AS b\nRUN sleep 1; exit 9\nFROM scratch\nCOPY --from=a /x /\nCOPY --from=b /y /\n",
    );
    let outcome = lab.build(&context).fails().says(&["exit code: 9"]);
    assert!(outcome.elapsed < Duration::from_secs(30), "{outcome}");
    wait_for_the_end_of("sleep 76201");
    assert_eq!(lab.mounts(), mounts);
    assert_eq!(lab.contents(), contents);
}

#[test]
fn a_killed_build_leaves_a_store_that_the_next_one_uses() {
    let lab = Lab::with_busybox();
    lab.build(&Context::dockerfile("FROM busybox\nRUN true\n"))
        .ok();
    let contents = lab.contents();
    let (context, running) = sleeping(&lab, ["76301", "76302"]);
    running.signal(Signal::SIGKILL);
    running.wait();
    let quick = std::fs::read_to_string(context.path().join("Dockerfile"))
        .expect("own file")
        .replace("sleep 7630", "echo ");
    context.write("Dockerfile", quick);
    assert_eq!(lab.build(&context).rootfs().beneath(""), ["a", "b"]);
    for seconds in ["76301", "76302"] {
        wait_for_the_end_of(&format!("sleep {seconds}"));
    }
    // What the killed build left is gone; the next build added its own.
    lab.build(&Context::dockerfile("FROM busybox\nRUN true\n"))
        .ok()
        .all_cached();
    assert!(lab.subvolumes().len() >= contents.subvolumes().len());
}

#[test]
fn builds_killed_at_any_moment_leave_a_store_that_works() {
    let lab = Lab::with_busybox();
    for round in 0..12_u64 {
        let context = Context::new(&[
            (
                "Dockerfile",
                &format!(
                    "FROM busybox AS a\nRUN echo {round} > /a\nFROM busybox\nCOPY f /f\nCOPY --from=a /a /a\nRUN cat /a /f > /both\n"
                ),
            ),
            ("f", &format!("f{round}")),
        ]);
        let running = lab.build(&context).args(["-t", "killed"]).start();
        std::thread::sleep(Duration::from_millis(8 + 23 * round));
        running.signal(Signal::SIGKILL);
        running.wait();
        if round % 4 == 3 {
            let rootfs = lab.build(&context).rootfs();
            assert_eq!(rootfs.text("both"), format!("{round}\nf{round}"));
        }
    }
    // A shell that was started at the wrong moment must not be there for ever.
    let deadline = Instant::now() + Duration::from_secs(10);
    while !lab.processes().is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(lab.processes(), Vec::<String>::new());
}

#[test]
fn builds_run_beside_each_other_on_one_store() {
    let lab = Lab::with_busybox();
    let contexts: Vec<_> = (0..4)
        .map(|number| {
            Context::new(&[
                ("Dockerfile", &format!("FROM busybox\nRUN echo shared > /shared && sleep 0.2\nCOPY own /own\nRUN cat /own > /seen-{number}\n")),
                ("own", &format!("own {number}")),
            ])
        })
        .collect();
    std::thread::scope(|scope| {
        for (number, context) in contexts.iter().enumerate() {
            let lab = &lab;
            scope.spawn(move || {
                let rootfs = lab
                    .build(context)
                    .args(["-t", &format!("beside-{number}")])
                    .rootfs();
                assert_eq!(
                    rootfs.text(&format!("seen-{number}")),
                    format!("own {number}")
                );
            });
        }
    });
    for context in &contexts {
        lab.build(context).ok().all_cached();
    }
}

#[test]
fn the_first_two_builds_of_an_empty_store_may_be_at_once() {
    let lab = Lab::empty();
    let context = Context::new(&[("Dockerfile", "FROM scratch\nCOPY x /x\n"), ("x", "x")]);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert!(lab.build(&context).rootfs().has("x")));
        }
    });
}

#[test]
fn an_unmounted_store_is_mounted_again_with_all_that_was_in_it() {
    let lab = Lab::with_busybox();
    let context = Context::dockerfile("FROM busybox\nRUN echo x > /x\n");
    let first = lab.build(&context).image();
    lab.stromatekt(["store", "unmount"]).run().ok();
    assert!(lab.mounts().is_empty(), "{:?}", lab.mounts());
    lab.stromatekt(["store", "unmount"]).run().ok();
    let (second, outcome) = lab.build(&context).image_and_outcome();
    outcome.all_cached();
    assert_eq!(first.digest, second.digest);
}
