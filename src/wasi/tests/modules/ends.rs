//! How modules end, and what is said of those that cannot begin.

use std::fs;
use std::time::{Duration, Instant};

use stromatekt_wasi::Error;
use tokio_util::sync::CancellationToken;

use crate::lab::{Ended, exec, lab, module};

#[tokio::test]
async fn a_module_writes_to_both_streams_and_ends_with_a_code() {
    let Some(lab) = lab() else { return };
    lab.start(
        r#"
        (drop (call $write (i32.const 1) (i32.const 1024) (i32.const 4)))
        (drop (call $write (i32.const 2) (i32.const 1028) (i32.const 4)))
        (call $proc_exit (i32.const 7))
        --- (data (i32.const 1024) "out\nerr\n")"#,
    );
    let ended = Ended {
        exit: 7,
        stdout: "out\n".to_owned(),
        stderr: "err\n".to_owned(),
    };
    assert_eq!(lab.run(module()).await, ended);
}

#[tokio::test]
async fn a_module_that_returns_has_succeeded() {
    let Some(lab) = lab() else { return };
    lab.start("");
    assert_eq!(lab.run(module()).await.exit, 0);
}

#[tokio::test]
async fn all_of_much_output_is_told_in_order() {
    let Some(lab) = lab() else { return };
    // A thousand times 64 KiB, less than half of which can wait.
    lab.start(
        r#"(local $left i32)
        (local.set $left (i32.const 1000))
        (loop $more
          (drop (call $write (i32.const 1) (i32.const 1024) (i32.const 65536)))
          (if (i32.ne (i32.load (i32.const 0)) (i32.const 65536)) (then unreachable))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br_if $more (local.get $left)))
        (drop (call $write (i32.const 1) (i32.const 1024) (i32.const 3)))
        --- (data (i32.const 1024) "end")"#,
    );
    let stdout = lab.run(module()).await.stdout;
    assert_eq!(stdout.len(), 65_536_003);
    assert!(stdout.ends_with("end"));
}

#[tokio::test]
async fn an_endless_loop_is_cancelled() {
    let Some(lab) = lab() else { return };
    let busy = "(loop $forever (br $forever))";
    let writing = "(loop $forever (drop (call $write (i32.const 1) (i32.const 1024) (i32.const 9))) (br $forever))";
    // A clock that is waited for until an hour has passed.
    let asleep = r#"
        (i64.store (i32.const 1048) (i64.const 3600000000000))
        (i32.store (i32.const 1040) (i32.const 1))
        (drop (call $poll (i32.const 1024) (i32.const 2048) (i32.const 1) (i32.const 0)))"#;
    let poll = r#"(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))"#;
    for body in [busy, writing, asleep] {
        lab.with(poll, body);
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let ended = lab.run_until(module(), cancel);
        let (ended, cancelled) = tokio::join!(ended, async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            stop.cancel();
            Instant::now()
        });
        assert!(matches!(ended, Err(Error::Cancelled)), "{body}: {ended:?}");
        let took = cancelled.elapsed();
        assert!(took < Duration::from_secs(5), "{body} went on for {took:?}");
    }
}

#[tokio::test]
async fn a_module_that_nobody_waits_for_is_stopped() {
    let Some(lab) = lab() else { return };
    lab.start("(loop $forever (br $forever))");
    let run = lab.run(module());
    let waited = tokio::time::timeout(Duration::from_millis(200), run).await;
    assert!(waited.is_err(), "it has no end");
    let tasks = fs::read_dir("/proc/self/task").expect("procfs");
    let running = tasks.filter(|task| {
        let status = task
            .as_ref()
            .map(|task| fs::read_to_string(task.path().join("root/module.wasm")));
        status.is_ok_and(|found| found.is_ok())
    });
    assert_eq!(running.count(), 0, "its thread is gone");
}

/// The interpreter stops now and then to look whether the build was cancelled: wherever that is, the module goes on.
#[tokio::test]
async fn a_module_may_be_looked_at_anywhere() {
    let Some(lab) = lab() else { return };
    // Many functions, each called for the first time, with work between.
    let mut body = String::new();
    let mut beside = String::new();
    for number in 0..1500 {
        body.push_str(&format!("(call $f{number}) (call $work)"));
        let drops = "(drop (i32.const 1))".repeat(50 + number % 50);
        beside.push_str(&format!("(func $f{number} {drops})"));
    }
    beside.push_str(
        "(func $work (local $left i32) (local.set $left (i32.const 1000))
          (loop $more (local.set $left (i32.sub (local.get $left) (i32.const 1))) (br_if $more (local.get $left))))",
    );
    lab.start(&format!("{body} --- {beside}"));
    assert_eq!(lab.run(module()).await.exit, 0, "many functions");
    // A large one.
    let drops = "(drop (i32.const 1))".repeat(40_000);
    lab.start(&format!("(call $f) --- (func $f {drops})"));
    assert_eq!(lab.run(module()).await.exit, 0, "a large function");
    lab.start(&drops);
    assert_eq!(lab.run(module()).await.exit, 0, "a large beginning");
    // Single instructions that take long.
    for (what, imports, body) in [
        ("grow", "", "(drop (memory.grow (i32.const 1000)))"),
        (
            "fill",
            "",
            "(drop (memory.grow (i32.const 1000))) (memory.fill (i32.const 0) (i32.const 1) (i32.const 60000000))",
        ),
        (
            "copy",
            "",
            "(drop (memory.grow (i32.const 1000))) (memory.copy (i32.const 1) (i32.const 0) (i32.const 60000000))",
        ),
        (
            "table.grow",
            "",
            "(drop (table.grow $t (ref.null func) (i32.const 5000000))) --- (table $t 1 funcref)",
        ),
        (
            "table.fill",
            "",
            "(table.fill $t (i32.const 0) (ref.null func) (i32.const 5000000)) --- (table $t 5000000 funcref)",
        ),
        (
            "table.copy",
            "",
            "(table.copy $t $t (i32.const 1) (i32.const 0) (i32.const 4900000)) --- (table $t 5000000 funcref)",
        ),
    ] {
        lab.with(imports, body);
        let ended = lab.try_run(module()).await;
        assert!(
            ended.as_ref().is_ok_and(|ended| ended.exit == 0),
            "{what}: {ended:?}"
        );
    }
}

#[tokio::test]
async fn a_trap_is_told() {
    let Some(lab) = lab() else { return };
    for (body, told) in [
        ("unreachable", "unreachable"),
        (
            "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
            "divide by zero",
        ),
        ("(drop (i32.load (i32.const -4)))", "out of bounds"),
        ("(call $deep) --- (func $deep (call $deep))", "stack"),
    ] {
        lab.start(body);
        let error = lab.try_run(module()).await.expect_err(body);
        assert!(matches!(error, Error::Trap { .. }), "{error:?}");
        let error = error.to_string();
        assert!(
            error.contains("`/module.wasm`") && error.contains(told),
            "{error}"
        );
    }
}

#[tokio::test]
async fn what_is_no_module_is_told_from_one() {
    let Some(lab) = lab() else { return };
    fs::create_dir(lab.path("directory")).expect("a directory");
    fs::write(lab.path("script"), "#!/bin/sh\n").expect("a file");
    fs::write(lab.path("short"), b"\0asm\x01\0\0\0\x01").expect("a file");
    fs::write(lab.path("component"), b"\0asm\x0d\0\x01\0").expect("a file");
    nix::unistd::mkfifo(&lab.path("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    for (name, text) in [
        ("library", r#"(module (func (export "f")))"#),
        (
            "stranger",
            r#"(module (import "env" "f" (func)) (func (export "_start")))"#,
        ),
        ("endless", "(module (start $f) (func $f (loop $l (br $l))))"),
    ] {
        fs::write(lab.path(name), wat::parse_str(text).expect(name)).expect("a file");
    }
    for (path, told) in [
        (
            "/missing.wasm",
            "there is no WASI module `/missing.wasm` in the tree",
        ),
        (
            "/script/below",
            "there is no WASI module `/script/below` in the tree",
        ),
        ("/directory", "it is no file"),
        ("/pipe", "it is no file"),
        ("/script", "it does not begin as WebAssembly does"),
        ("/short", "unexpected end"),
        ("/component", "wasm32-wasip1"),
        ("/library", "no function `_start`"),
        ("/stranger", "env"),
        ("/endless", "takes too long"),
    ] {
        let error = lab
            .try_run(exec(&[path]))
            .await
            .expect_err(path)
            .to_string();
        assert!(
            error.contains(path) && error.contains(told),
            "{path}: {error}"
        );
    }
}
