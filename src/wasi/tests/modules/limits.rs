//! How much modules may take, and what they may not ask for.

use std::path::PathBuf;

use nix::sys::resource::{Resource, getrlimit};
use stromatekt_executor::ResolvedMount;
use stromatekt_graph::limits::Ulimit;
use stromatekt_graph::run::{MountSource, Network, Run, Security};
use stromatekt_wasi::Error;

use crate::lab::{Step, lab, module};

/// What a step asks for, and how that is called.
type Asking = (fn(&mut Run), &'static str);

#[tokio::test]
async fn a_module_that_runs_out_of_memory_is_told_so() {
    let Some(lab) = lab() else { return };
    // As malloc and abort do.
    let grow = r#"(loop $more
        (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))"#;
    let limited = || module().but(|run| run.limits.resources.memory = Some(16 << 20));
    for (end, told) in [
        ("unreachable", "and it was stopped by a trap"),
        (
            "(call $proc_exit (i32.const 3))",
            "and it ended with exit code 3",
        ),
    ] {
        lab.start(&format!("{grow} {end}"));
        let error = lab.try_run(limited()).await.expect_err(end);
        assert!(
            matches!(
                error,
                Error::Memory {
                    limit: 16_777_216,
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(error.to_string().contains(told), "{error}");
    }
    lab.start(grow);
    assert_eq!(
        lab.run(limited()).await.exit,
        0,
        "one that copes has succeeded"
    );
    lab.module(r#"(module (memory (export "memory") 1000) (func (export "_start")))"#);
    let error = lab
        .try_run(limited())
        .await
        .expect_err("it begins with more");
    assert!(matches!(error, Error::Memory { .. }), "{error:?}");
    assert_eq!(lab.run(module()).await.exit, 0, "it has a gibibyte else");
    let several =
        r#"(module (memory (export "memory") 200) (memory 200) (func (export "_start")))"#;
    lab.module(several);
    let error = lab
        .try_run(limited())
        .await
        .expect_err("they count together");
    assert!(matches!(error, Error::Memory { .. }), "{error:?}");
}

#[tokio::test]
async fn a_module_that_grows_to_its_own_maximum_has_not_run_out_of_memory() {
    let Some(lab) = lab() else { return };
    lab.module(
        r#"(module (memory (export "memory") 1 2)
          (func (export "_start")
            (if (i32.ne (memory.grow (i32.const 9)) (i32.const -1)) (then (return)))
            unreachable))"#,
    );
    let error = lab.try_run(module()).await.expect_err("it traps");
    assert!(matches!(error, Error::Trap { .. }), "{error:?}");
}

#[tokio::test]
async fn open_files_are_bounded() {
    let Some(lab) = lab() else { return };
    let limited = |soft: Option<u64>| {
        let limit = Ulimit {
            name: "nofile".to_owned(),
            soft,
            hard: soft,
        };
        module().but(|run| run.limits.ulimits = vec![limit])
    };
    lab.start(
        r#"(loop $more (drop (call $open (i32.const 0) (i32.const 1024) (i32.const 12))) (br $more))
        --- (data (i32.const 1024) "/module.wasm")"#,
    );
    const TOO_MANY: i32 = 33;
    assert_eq!(lab.run(limited(Some(64))).await.exit, TOO_MANY);
    // What all modules together may have open is half of what this process may.
    let (most, _) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    if most / 2 < 4096 {
        return;
    }
    assert_eq!(lab.run(module()).await.exit, TOO_MANY);
    lab.start(
        r#"(local $left i32) (local.set $left (i32.const 1500))
        (loop $more
          (drop (call $open (i32.const 0) (i32.const 1024) (i32.const 12)))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br_if $more (local.get $left)))
        --- (data (i32.const 1024) "/module.wasm")"#,
    );
    assert_eq!(lab.run(limited(None)).await.exit, 0, "there is no limit");
}

#[tokio::test]
async fn listings_of_directories_are_memory_of_the_module() {
    let Some(lab) = lab() else { return };
    std::fs::create_dir(lab.path("directory")).expect("a directory");
    for number in 0..2000 {
        let name = format!("directory/{number:0200}");
        std::fs::write(lab.path(&name), "").expect("a file");
    }
    let imports = r#"
        (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_renumber" (func $renumber (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_readdir" (func $readdir (param i32 i32 i32 i64 i32) (result i32)))"#;
    let list = |end: &str| {
        format!(
            r#"(local $left i32) (local $fd i32)
            (drop (call $open (i32.const 0) (i32.const 1024) (i32.const 9)))
            (local.set $left (i32.const 100))
            (loop $more
              (local.set $fd (call $open (i32.const 0) (i32.const 1024) (i32.const 9)))
              (call $check (call $readdir (local.get $fd) (i32.const 32768) (i32.const 64) (i64.const 0) (i32.const 8)))
              {end}
              (local.set $left (i32.sub (local.get $left) (i32.const 1)))
              (br_if $more (local.get $left)))
            --- (data (i32.const 1024) "directory")"#
        )
    };
    let limited = || module().but(|run| run.limits.resources.memory = Some(16 << 20));
    lab.with(imports, &list(""));
    let error = lab.try_run(limited()).await.expect_err("a hundred of them");
    assert!(matches!(error, Error::Memory { .. }), "{error:?}");
    assert!(error.to_string().contains("exit code 48"), "{error}");
    for end in [
        "(call $check (call $close (local.get $fd)))",
        "(call $check (call $renumber (local.get $fd) (i32.const 4)))",
    ] {
        lab.with(imports, &list(end));
        assert_eq!(lab.run(limited()).await.exit, 0, "one at a time: {end}");
    }
}

#[tokio::test]
async fn what_a_module_cannot_have_is_refused_by_name() {
    let Some(lab) = lab() else { return };
    lab.start("");
    let limit = |name: &str| Ulimit {
        name: name.to_owned(),
        soft: Some(64),
        hard: Some(64),
    };
    assert_eq!(
        lab.run(module().but(|run| run.limits.ulimits = vec![limit("nofile")]))
            .await
            .exit,
        0
    );
    let cases: Vec<Asking> = vec![
        (|run| run.network = Network::Host, "the host's network"),
        (|run| run.security = Security::Insecure, "privileges"),
        (|run| run.hostname = Some("h".to_owned()), "a host name"),
        (
            |run| run.extra_hosts = vec![("h".to_owned(), [127, 0, 0, 1].into())],
            "additional hosts",
        ),
        (
            |run| run.limits.cgroup_parent = Some("/g".to_owned()),
            "a control group",
        ),
        (|run| run.limits.resources.memory_swap = Some(1), "swap"),
        (
            |run| run.limits.resources.cpu_shares = Some(1),
            "a share of the processors",
        ),
        (
            |run| run.limits.resources.cpu_quota = Some(1),
            "processor time",
        ),
        (
            |run| run.limits.resources.cpus = Some("0".to_owned()),
            "processors of its own",
        ),
        (
            |run| run.limits.resources.mems = Some("0".to_owned()),
            "memory nodes",
        ),
    ];
    let mut steps: Vec<(Step, &str)> = cases
        .into_iter()
        .map(|(change, told)| (module().but(change), told))
        .collect();
    steps.push((
        module().but(|run| run.limits.ulimits = vec![limit("nproc")]),
        "`nproc`",
    ));
    let inline = MountSource::Inline {
        content: Vec::new(),
        mode: 0o644,
    };
    steps.push((
        module().mount("/inline", inline, ResolvedMount::Made),
        "`/inline`",
    ));
    let ssh = MountSource::Ssh {
        id: "default".to_owned(),
        required: false,
        mode: 0o600,
        uid: 0,
        gid: 0,
    };
    steps.push((module().mount("/ssh", ssh, ResolvedMount::Made), "`/ssh`"));
    let secret = MountSource::Secret {
        id: "token".to_owned(),
        env: None,
        file: true,
        required: true,
        mode: 0o400,
        uid: 0,
        gid: 0,
    };
    steps.push((
        module().mount("/secret", secret, ResolvedMount::Made),
        "`/secret`",
    ));
    for (step, told) in steps {
        let error = lab.try_run(step).await.expect_err(told);
        assert!(matches!(error, Error::Refused { .. }), "{told}: {error:?}");
        let error = error.to_string();
        assert!(
            error.contains(told) && error.contains("executor `runc`"),
            "{error}"
        );
    }
    let tmpfs = || MountSource::Tmpfs { size: None };
    let wrong = ResolvedMount::Directory(PathBuf::from("/nowhere"));
    let error = lab.try_run(module().mount("/tmp", tmpfs(), wrong)).await;
    assert!(error.is_err(), "{error:?}");
}
