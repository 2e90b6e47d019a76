//! What modules do to the tree, and that they do nothing beyond it.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use crate::lab::{exec, lab, module};

/// Error numbers of WASI.
const IS_DIRECTORY: i32 = 31;
const NAME_TOO_LONG: i32 = 37;
const NO_ENTRY: i32 = 44;
const NOT_SUPPORTED: i32 = 58;

/// A module that tells what is in a file.
fn cat(path: &str) -> String {
    let length = path.len();
    format!(
        r#"(call $cat (i32.const 1024) (i32.const {length})) --- (data (i32.const 1024) "{path}")"#
    )
}

#[tokio::test]
async fn links_lead_where_they_lead_in_a_container() {
    let Some(lab) = lab() else { return };
    fs::create_dir_all(lab.path("usr/lib")).expect("directories");
    fs::write(lab.path("usr/lib/file"), "inside").expect("a file");
    symlink("/usr/lib", lab.path("lib")).expect("a link");
    symlink("../../../usr/lib/file", lab.path("usr/up")).expect("a link");
    for path in [
        "lib/file",
        "/lib/file",
        "usr/up",
        "usr/../lib/../lib/file",
        "../../usr/lib/file",
    ] {
        lab.start(&cat(path));
        assert_eq!(lab.run(module()).await.stdout, "inside", "{path}");
    }
}

#[tokio::test]
async fn nothing_leads_out_of_the_tree() {
    let Some(lab) = lab() else { return };
    let outside = lab.outside();
    let outside = outside.to_str().expect("a name in ASCII");
    symlink(outside, lab.path("absolute")).expect("a link");
    symlink("../outside", lab.path("relative")).expect("a link");
    symlink("/proc/self/root", lab.path("magic")).expect("a link");
    fs::create_dir(lab.path("directory")).expect("a directory");
    for path in [
        "absolute",
        "relative",
        "../outside",
        "directory/../../outside",
        outside,
        "magic/etc/passwd",
        "/proc/self/root/etc/passwd",
    ] {
        lab.start(&cat(path));
        let ended = lab.run(module()).await;
        assert_eq!(
            (ended.exit, ended.stdout.as_str()),
            (NO_ENTRY, ""),
            "{path}"
        );
    }
    // Nor do those that write.
    let body = r#"(drop (call $open (i32.const 9) (i32.const 1024) (i32.const 8)))
        --- (data (i32.const 1024) "relative")"#;
    lab.start(body);
    assert_eq!(lab.run(module()).await.exit, 0);
    assert_eq!(
        fs::read(lab.outside()).expect("it is still there"),
        b"outside"
    );
    assert!(
        lab.path("outside").is_file(),
        "the link leads to the tree's own root"
    );
}

#[tokio::test]
async fn nothing_is_made_moved_or_removed_beyond_the_tree() {
    let Some(lab) = lab() else { return };
    let imports = r#"
        (import "wasi_snapshot_preview1" "path_create_directory" (func $mkdir (param i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_link" (func $link (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_rename" (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))"#;
    // In the working directory, which is open as 3; the root is 4.
    let body = r#"
        (call $check (call $mkdir (i32.const 3) (i32.const 1024) (i32.const 10)))
        (call $check (call $link (i32.const 3) (i32.const 0) (i32.const 1040) (i32.const 4)
          (i32.const 3) (i32.const 1056) (i32.const 12)))
        (call $check (call $rename (i32.const 3) (i32.const 1040) (i32.const 4)
          (i32.const 4) (i32.const 1072) (i32.const 8)))
        (call $proc_exit (call $unlink (i32.const 3) (i32.const 1088) (i32.const 13)))
        --- (data (i32.const 1024) "../../made") (data (i32.const 1040) "file") (data (i32.const 1056) "../../linked")
        (data (i32.const 1072) "../moved") (data (i32.const 1088) "../../outside")"#;
    lab.with(imports, body);
    fs::create_dir(lab.path("work")).expect("a directory");
    fs::write(lab.path("work/file"), "inside").expect("a file");
    let step = module().but(|run| "/work".clone_into(&mut run.cwd));
    assert_eq!(
        lab.run(step).await.exit,
        NO_ENTRY,
        "what is outside is not there"
    );
    assert!(lab.path("made").is_dir() && lab.path("linked").is_file());
    assert_eq!(fs::read(lab.path("moved")).expect("a file"), b"inside");
    let outside = lab.outside();
    assert_eq!(fs::read(&outside).expect("it is still there"), b"outside");
    let beside = fs::read_dir(outside.parent().expect("a directory"));
    assert_eq!(
        beside.expect("a directory").count(),
        2,
        "the tree and a file"
    );
}

#[tokio::test]
async fn a_path_that_is_longer_than_any_is_refused() {
    let Some(lab) = lab() else { return };
    for (length, errno) in [
        (255, NO_ENTRY),
        (256, NAME_TOO_LONG),
        (60_000, NAME_TOO_LONG),
    ] {
        lab.start(&format!(
            r#"(memory.fill (i32.const 1024) (i32.const 97) (i32.const 65536))
            (call $cat (i32.const 1024) (i32.const {length}))"#
        ));
        assert_eq!(lab.run(module()).await.exit, errno, "{length}");
    }
}

#[tokio::test]
async fn devices_and_pipes_are_not_opened() {
    let Some(lab) = lab() else { return };
    let mode = nix::sys::stat::Mode::from_bits_truncate(0o666);
    nix::unistd::mkfifo(&lab.path("pipe"), mode).expect("a pipe");
    let null = nix::sys::stat::makedev(1, 3);
    nix::sys::stat::mknod(
        &lab.path("null"),
        nix::sys::stat::SFlag::S_IFCHR,
        mode,
        null,
    )
    .expect("a device");
    for (path, errno) in [("pipe", NOT_SUPPORTED), ("null", 2)] {
        lab.start(&cat(path));
        assert_eq!(lab.run(module()).await.exit, errno, "{path}");
    }
}

#[tokio::test]
async fn what_a_module_makes_is_the_users() {
    let Some(lab) = lab() else { return };
    let imports = r#"
        (import "wasi_snapshot_preview1" "path_create_directory" (func $mkdir (param i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_symlink" (func $symlink (param i32 i32 i32 i32 i32) (result i32)))"#;
    let body = r#"
        (call $check (call $mkdir (i32.const 3) (i32.const 1024) (i32.const 3)))
        (drop (call $write (call $open (i32.const 9) (i32.const 1032) (i32.const 8)) (i32.const 1048) (i32.const 5)))
        (call $check (call $symlink (i32.const 1056) (i32.const 4) (i32.const 3) (i32.const 1064) (i32.const 8)))
        --- (data (i32.const 1024) "new") (data (i32.const 1032) "new/file") (data (i32.const 1048) "hello")
        (data (i32.const 1056) "/new") (data (i32.const 1064) "new/link")"#;
    lab.with(imports, body);
    fs::create_dir(lab.path("etc")).expect("a directory");
    fs::write(
        lab.path("etc/passwd"),
        "root:x:0:0::/root:\nworker:x:1000:1001::/home/worker:\n",
    )
    .expect("a file");
    fs::write(lab.path("etc/group"), "worker:x:1001:\n").expect("a file");
    for (user, uid, gid) in [("", 0, 0), ("77:78", 77, 78), ("worker", 1000, 1001)] {
        std::os::unix::fs::chown(lab.path(""), Some(uid), Some(gid)).expect("a change of owner");
        let ended = lab
            .run(module().but(|run| user.clone_into(&mut run.user)))
            .await;
        assert_eq!(ended.exit, 0, "{user}");
        let owner = |path: &str| {
            let found = fs::symlink_metadata(lab.path(path)).expect(path);
            (found.uid(), found.gid(), found.mode() & 0o7777)
        };
        assert_eq!(owner("new"), (uid, gid, 0o755), "{user}");
        assert_eq!(owner("new/file"), (uid, gid, 0o644), "{user}");
        assert_eq!(
            (owner("new/link").0, owner("new/link").1),
            (uid, gid),
            "{user}"
        );
        assert_eq!(fs::read(lab.path("new/file")).expect("a file"), b"hello");
        assert_eq!(
            fs::read_link(lab.path("new/link"))
                .expect("a link")
                .to_str(),
            Some("/new")
        );
        fs::remove_dir_all(lab.path("new")).expect("removal");
    }
}

#[tokio::test]
async fn another_user_is_refused_what_is_roots() {
    let Some(lab) = lab() else { return };
    fs::write(lab.path("secret"), "secret").expect("a file");
    let permissions: fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(lab.path("secret"), permissions).expect("a change of mode");
    lab.start(&cat("secret"));
    assert_eq!(lab.run(module()).await.stdout, "secret");
    let ended = lab
        .run(module().but(|run| "77".clone_into(&mut run.user)))
        .await;
    assert_eq!((ended.exit, ended.stdout.as_str()), (2, ""), "EACCES");
}

#[tokio::test]
async fn entries_are_listed_in_order_however_small_the_buffer_is() {
    let Some(lab) = lab() else { return };
    // 60 bytes at a time: an entry, and a part of the next one.
    let body = r#"(local $fd i32) (local $cookie i64) (local $length i32)
        (local.set $fd (call $open_directory (i32.const 1024) (i32.const 9)))
        (loop $more
          (call $check (call $readdir (local.get $fd) (i32.const 32768) (i32.const 60) (local.get $cookie) (i32.const 8)))
          (if (i32.ge_u (i32.load (i32.const 8)) (i32.const 24)) (then
            (local.set $length (i32.load (i32.const 32784)))
            (local.set $cookie (i64.load (i32.const 32768)))
            (i32.store8 (i32.add (i32.const 32792) (local.get $length)) (i32.const 32))
            (drop (call $write (i32.const 1) (i32.const 32792) (i32.add (local.get $length) (i32.const 1))))
            (br $more))))
        ---
        (func $open_directory (param i32 i32) (result i32)
          (call $check (call $path_open (i32.const 3) (i32.const 1) (local.get 0) (local.get 1) (i32.const 2)
            (i64.const 0x4000) (i64.const 0) (i32.const 0) (i32.const 0)))
          (i32.load (i32.const 0)))
        (data (i32.const 1024) "directory")"#;
    let imports = r#"(import "wasi_snapshot_preview1" "fd_readdir" (func $readdir (param i32 i32 i32 i64 i32) (result i32)))"#;
    lab.with(imports, body);
    fs::create_dir(lab.path("directory")).expect("a directory");
    for name in ["three", "one", "two", "a-name-that-is-rather-long"] {
        fs::write(lab.path("directory").join(name), "").expect("a file");
    }
    let ended = lab.run(module()).await;
    assert_eq!(
        ended.stdout,
        ". .. a-name-that-is-rather-long one three two "
    );
}

#[tokio::test]
async fn a_directory_has_the_rights_that_it_can_be_opened_with() {
    let Some(lab) = lab() else { return };
    let imports = r#"(import "wasi_snapshot_preview1" "fd_fdstat_get" (func $stat (param i32 i32) (result i32)))"#;
    let open = |rights: &str, how: u32| {
        format!(
            r#"(call $check (call $stat (i32.const 3) (i32.const 2048)))
            (call $check (call $path_open (i32.const 3) (i32.const 0) (i32.const 1024) (i32.const 1) (i32.const {how})
              {rights} (i64.load (i32.const 2064)) (i32.const 0) (i32.const 0)))
            --- (data (i32.const 1024) ".")"#
        )
    };
    const DIRECTORY: u32 = 2;
    for (rights, how, errno) in [
        ("(i64.load (i32.const 2056))", 0, 0),
        ("(i64.load (i32.const 2056))", DIRECTORY, 0),
        ("(i64.const 0)", DIRECTORY, 0),
        // Reading, and writing.
        ("(i64.const 0x2)", DIRECTORY, 0),
        ("(i64.const 0x42)", DIRECTORY, IS_DIRECTORY),
        ("(i64.const 0x42)", 0, IS_DIRECTORY),
    ] {
        lab.with(imports, &open(rights, how));
        assert_eq!(lab.run(module()).await.exit, errno, "{rights}, {how}");
    }
}

#[tokio::test]
async fn the_module_of_the_example_is_its_text_and_makes_its_file() {
    let Some(lab) = lab() else { return };
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/pipelines/wasi");
    let text = fs::read_to_string(example.join("stamp.wat")).expect("a text");
    lab.module(&text);
    let made = fs::read(lab.path("module.wasm")).expect("a module");
    let kept = fs::read(example.join("stamp.wasm")).expect("a module");
    assert!(made == kept, "stamp.wasm is not what stamp.wat gives");
    let ended = lab.run(exec(&["/module.wasm", "/made"])).await;
    assert_eq!(ended.stdout, "made by a WebAssembly module\n");
    assert_eq!(
        fs::read_to_string(lab.path("made")).expect("a file"),
        ended.stdout
    );
    assert_eq!(
        lab.run(exec(&["/module.wasm", "/no/directory"])).await.exit,
        NO_ENTRY
    );
    assert_eq!(lab.run(module()).await.exit, 64, "it wants an argument");
}
