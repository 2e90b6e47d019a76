//! Arguments, environment, working directory, and mounts.

use std::fs;

use stromatekt_executor::{ResolvedMount, Secret, SecretSource};
use stromatekt_graph::run::{MountSource, Sharing};

use crate::lab::{Lab, exec, lab, module};

/// A module that tells its arguments or its variables, as they lie in memory.
fn telling(lab: &Lab, kind: &str) {
    let imports = format!(
        r#"(import "wasi_snapshot_preview1" "{kind}_get" (func $get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "{kind}_sizes_get" (func $sizes (param i32 i32) (result i32)))"#
    );
    lab.with(
        &imports,
        r#"
        (call $check (call $sizes (i32.const 8) (i32.const 12)))
        (call $check (call $get (i32.const 1024) (i32.const 32768)))
        (drop (call $write (i32.const 1) (i32.const 32768) (i32.load (i32.const 12))))"#,
    );
}

#[tokio::test]
async fn arguments_come_as_they_are() {
    let Some(lab) = lab() else { return };
    telling(&lab, "args");
    let step = exec(&["/module.wasm", "--flag", "", "zwei Wörter"]);
    let told = lab.run(step).await.stdout;
    assert_eq!(told, "/module.wasm\0--flag\0\0zwei Wörter\0");
}

#[tokio::test]
async fn the_environment_is_that_of_a_container_and_names_the_working_directory() {
    let Some(lab) = lab() else { return };
    telling(&lab, "environ");
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let told = lab.run(module()).await.stdout;
    assert_eq!(told, format!("{path}\0HOME=/\0PWD=/\0"));
    fs::create_dir(lab.path("etc")).expect("a directory");
    fs::write(
        lab.path("etc/passwd"),
        "worker:x:1000:1000::/home/worker:\n",
    )
    .expect("a file");
    let step = module().but(|run| {
        "worker".clone_into(&mut run.user);
        "/work".clone_into(&mut run.cwd);
        for (name, value) in [("PATH", "/bin"), ("A", "1"), ("A", "2")] {
            run.env.push((name.to_owned(), value.to_owned()));
        }
        run.args[0] = "/module.wasm".to_owned();
    });
    let told = lab.run(step).await.stdout;
    assert_eq!(told, "PATH=/bin\0HOME=/home/worker\0A=2\0PWD=/work\0");
    let made = fs::metadata(lab.path("work")).expect("it was made");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&made), 1000);
}

#[tokio::test]
async fn the_working_directory_comes_first_and_the_root_last() {
    let Some(lab) = lab() else { return };
    let imports = r#"
        (import "wasi_snapshot_preview1" "fd_prestat_dir_name" (func $name (param i32 i32 i32) (result i32)))"#;
    lab.with(
        imports,
        r#"
        (call $check (call $name (i32.const 3) (i32.const 2048) (i32.const 1)))
        (drop (call $name (i32.const 4) (i32.const 2049) (i32.const 1)))
        (drop (call $write (i32.const 1) (i32.const 2048) (i32.const 2)))
        (call $cat (i32.const 1024) (i32.const 4))
        --- (data (i32.const 1024) "file")"#,
    );
    fs::create_dir(lab.path("work")).expect("a directory");
    fs::write(lab.path("work/file"), "in work").expect("a file");
    fs::write(lab.path("file"), "in root").expect("a file");
    assert_eq!(lab.run(module()).await.stdout, "/\0in root");
    let step = exec(&["../module.wasm"]).but(|run| "/work".clone_into(&mut run.cwd));
    assert_eq!(lab.run(step).await.stdout, "./in work");
}

#[tokio::test]
async fn mounts_are_seen_and_leave_nothing() {
    let Some(lab) = lab() else { return };
    let lent = tempfile::tempdir().expect("a directory");
    fs::create_dir(lent.path().join("sub")).expect("a directory");
    fs::write(lent.path().join("sub/file"), "lent").expect("a file");
    let cache = tempfile::tempdir().expect("a directory");
    fs::write(cache.path().join("file"), "cached").expect("a file");
    let open = |path: &str| {
        let length = path.len();
        format!(
            r#"(call $cat (i32.const 1024) (i32.const 9)) (call $cat (i32.const 1040) (i32.const 10))
            (drop (call $write (call $open (i32.const 9) (i32.const 1056) (i32.const {length})) (i32.const 1024) (i32.const 4)))
            --- (data (i32.const 1024) "lent/file") (data (i32.const 1040) "cache/file") (data (i32.const 1056) "{path}")"#
        )
    };
    let from = module().run.root;
    let step = || {
        let bind = MountSource::Bind {
            from,
            path: "/sub".to_owned(),
        };
        let kept = MountSource::Cache {
            id: "cache".to_owned(),
            sharing: Sharing::Shared,
            from: None,
            mode: 0o755,
            uid: 0,
            gid: 0,
        };
        let memory = MountSource::Tmpfs {
            size: Some(1 << 20),
        };
        module()
            .mount("/lent", bind, ResolvedMount::Tree(lent.path().to_owned()))
            .mount(
                "/cache",
                kept,
                ResolvedMount::Directory(cache.path().to_owned()),
            )
            .writable()
            .mount("/memory", memory, ResolvedMount::Made)
            .writable()
    };
    for (path, exit) in [("lent/new", 69), ("cache/new", 0), ("memory/new", 0)] {
        lab.start(&open(path));
        let ended = lab.run(step()).await;
        assert_eq!(
            (ended.exit, ended.stdout.as_str()),
            (exit, "lentcached"),
            "{path}"
        );
    }
    assert!(!lent.path().join("sub/new").exists());
    assert_eq!(
        fs::read(cache.path().join("new")).expect("it is kept"),
        b"lent"
    );
    let left: Vec<_> = fs::read_dir(lab.path("")).expect("a directory").collect();
    assert_eq!(left.len(), 1, "only the module: {left:?}");
}

#[tokio::test]
async fn a_secret_comes_as_a_variable() {
    let Some(lab) = lab() else { return };
    telling(&lab, "environ");
    let secret = |required| MountSource::Secret {
        id: "token".to_owned(),
        env: Some("TOKEN".to_owned()),
        file: false,
        required,
        mode: 0o400,
        uid: 0,
        gid: 0,
    };
    let step =
        |required| module().mount("/run/secrets/token", secret(required), ResolvedMount::Made);
    let error = lab
        .try_run(step(true))
        .await
        .expect_err("it is not given")
        .to_string();
    assert!(error.contains("--secret id=token"), "{error}");
    assert!(lab.run(step(false)).await.stdout.contains("\0TOKEN=\0"));
    let mut given = step(true);
    let file = lab.outside();
    fs::write(&file, "s3cret").expect("a file");
    given.secrets.insert(Secret {
        id: "token".to_owned(),
        source: SecretSource::File(file),
    });
    assert!(lab.run(given).await.stdout.contains("\0TOKEN=s3cret\0"));
}
