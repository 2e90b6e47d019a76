//! ADD: archives, URLs, git repositories, and what it has in common with COPY.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use stromatekt_tests::http::Server;
use stromatekt_tests::image::sha256;
use stromatekt_tests::layout::{Tar, gzip};
use stromatekt_tests::{Context, Lab, command};

fn archive() -> Vec<u8> {
    Tar::new()
        .directory("top/", 0o750)
        .entry(
            tar::EntryType::Regular,
            "top/file",
            "",
            0o600,
            (5, 6),
            b"unpacked",
        )
        .symlink("top/link", "file")
        .finish()
}

#[test]
fn local_archives_are_unpacked_whatever_packed_them() {
    let context = Context::dockerfile(
        "FROM busybox\nADD a.tar /plain/\nADD a.tar.gz /gzip\nADD a.zst /zstd/\nADD a.bz2 /bzip2/\nADD a.xz /xz/\n",
    );
    context
        .write("a.tar", archive())
        .write("a.tar.gz", gzip(&archive()))
        .write(
            "a.zst",
            zstd::encode_all(archive().as_slice(), 1).expect("memory does not fail"),
        );
    for (program, name) in [("bzip2", "a.bz2"), ("xz", "a.xz")] {
        let packed = command::run(
            Command::new(program)
                .args(["-zc"])
                .arg(context.path().join("a.tar")),
            None,
        );
        context.write(name, packed.ok().stdout);
    }
    let rootfs = Lab::shared().build(&context).rootfs();
    for directory in ["plain", "gzip", "zstd", "bzip2", "xz"] {
        assert_eq!(
            rootfs.beneath(directory),
            ["top", "top/file", "top/link"],
            "{directory}"
        );
        assert_eq!(rootfs.text(&format!("{directory}/top/file")), "unpacked");
        let file = rootfs.entry(&format!("{directory}/top/file"));
        assert_eq!((file.mode, file.owner), (0o600, (5, 6)), "{directory}");
    }
}

#[test]
fn copy_and_unpack_false_leave_archives_whole() {
    let context = Context::dockerfile(
        "FROM scratch\nCOPY a.tar /copied.tar\nADD --unpack=false a.tar /added.tar\n",
    );
    context.write("a.tar", archive());
    let rootfs = Lab::shared().build(&context).rootfs();
    assert_eq!(rootfs.beneath(""), ["added.tar", "copied.tar"]);
    assert_eq!(rootfs.data("copied.tar"), archive());
}

#[test]
fn what_only_looks_like_an_archive_is_copied() {
    let context = Context::new(&[
        (
            "Dockerfile",
            "FROM scratch\nADD not.tar.gz /\nADD dir /dir\n",
        ),
        ("not.tar.gz", "text"),
        ("dir/x", "x"),
    ]);
    let rootfs = Lab::shared().build(&context).rootfs();
    assert_eq!(rootfs.beneath(""), ["dir", "dir/x", "not.tar.gz"]);
    assert_eq!(rootfs.text("not.tar.gz"), "text");
}

#[test]
fn an_archive_whose_paths_leave_the_root_is_not_unpacked_outside() {
    let target = tempfile::TempDir::new().expect("there is room for a temporary directory");
    let name = format!(
        "../../../../../../../../../..{}/evil",
        target.path().display()
    );
    let context = Context::dockerfile("FROM scratch\nADD evil.tar /d/\n");
    context.write("evil.tar", Tar::new().file(&name, "evil").finish());
    let outcome = Lab::shared().build(&context).run();
    assert!(!target.path().join("evil").exists(), "{outcome}");
    outcome.failed().says(&["evil"]);
}

#[test]
fn urls_are_fetched_once_and_verified() {
    let body = b"fetched";
    let server = Server::start(&[("/path/file.txt", body), ("/a.tar", &archive())]);
    let url = server.url("/path/file.txt");
    let checksum = sha256(body);
    let context = Context::dockerfile(&format!(
        "FROM scratch\nADD {url} /into/\nADD --checksum={checksum} --chmod=0755 --chown=3:4 {url} /renamed\nADD {} /a.tar\nADD --unpack=true {} /unpacked/\n",
        server.url("/a.tar"),
        server.url("/a.tar"),
    ));
    let rootfs = Lab::shared().build(&context).rootfs();
    let file = rootfs.entry("into/file.txt");
    assert_eq!(
        (rootfs.text("into/file.txt"), file.mode, file.mtime),
        ("fetched", 0o600, 1_700_000_000)
    );
    let file = rootfs.entry("renamed");
    assert_eq!((file.mode, file.owner), (0o755, (3, 4)));
    assert_eq!(
        rootfs.data("a.tar"),
        archive(),
        "what was fetched is not unpacked"
    );
    assert_eq!(rootfs.text("unpacked/top/file"), "unpacked");
}

#[test]
fn what_a_server_tells_no_time_of_is_of_1970() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx";
            // A client that goes away is no concern of the server's.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let context = Context::dockerfile(&format!("FROM scratch\nADD http://{address}/f /f\n"));
    assert_eq!(Lab::shared().build(&context).rootfs().entry("f").mtime, 0);
}

#[test]
fn what_is_fetched_without_a_name_has_buildkits() {
    let server = Server::start(&[("/", b"the root"), ("/a/", b"a directory")]);
    let context = Context::dockerfile(&format!(
        "FROM scratch\nADD {} /root/\nADD {} /directory/\n",
        server.url("/"),
        server.url("/a/")
    ));
    let rootfs = Lab::shared().build(&context).rootfs();
    assert_eq!(rootfs.text("root/__unnamed__"), "the root");
    assert_eq!(rootfs.text("directory/a"), "a directory");
}

#[test]
fn a_wrong_checksum_is_an_error_that_shows_both() {
    let server = Server::start(&[("/f", b"the real content")]);
    let wrong = sha256(b"something else");
    let context = Context::dockerfile(&format!(
        "FROM scratch\nADD --checksum={wrong} {} /f\n",
        server.url("/f")
    ));
    Lab::shared()
        .build(&context)
        .fails()
        .says(&[&wrong, &sha256(b"the real content")])
        .points_at("Dockerfile:2", "ADD --checksum=");
}

#[test]
fn a_url_that_is_not_there_is_an_error_with_its_status() {
    let server = Server::start(&[]);
    let url = server.url("/absent");
    Lab::shared()
        .build(&Context::dockerfile(&format!(
            "FROM scratch\nADD {url} /f\n"
        )))
        .fails()
        .says(&[&url, "404"])
        .points_at("Dockerfile:2", &format!("ADD {url} /f"));
}

/// A repository with two commits, a tag on the first, and a branch.
pub fn repository() -> tempfile::TempDir {
    let directory = tempfile::TempDir::new().expect("there is room for a temporary directory");
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        command
            .args([
                "-c",
                "user.name=t",
                "-c",
                "user.email=t@example.org",
                "-c",
                "init.defaultBranch=main",
                "-c",
                "commit.gpgsign=false",
            ])
            .args(args)
            .current_dir(directory.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
        command::run(&mut command, None).ok()
    };
    let write = |path: &str, text: &str| {
        let path = directory.path().join(path);
        std::fs::create_dir_all(path.parent().expect("in the repository")).expect("own directory");
        std::fs::write(path, text).expect("own directory");
    };
    git(&["init", "--quiet"]);
    write("Dockerfile", "FROM busybox\nCOPY version /\n");
    write("version", "one");
    write("sub/Dockerfile", "FROM busybox\nCOPY inner /\n");
    write("sub/inner", "inner");
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "one"]);
    git(&["tag", "v1"]);
    write("version", "two");
    git(&["commit", "--quiet", "-a", "-m", "two"]);
    git(&["checkout", "--quiet", "-b", "side"]);
    write("version", "side");
    git(&["commit", "--quiet", "-a", "-m", "side"]);
    git(&["checkout", "--quiet", "main"]);
    directory
}

/// A `git daemon` that serves the repositories beneath a directory.
pub struct GitDaemon {
    process: std::process::Child,
    port: u16,
}

impl GitDaemon {
    pub fn start(base: &Path) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("loopback has a free port")
            .port();
        // `git daemon` would start the real server as a child, which would outlive it.
        let exec_path = command::program("git", ["--exec-path"]).ok();
        let process = Command::new(Path::new(exec_path.text()).join("git-daemon"))
            .args([
                "--export-all",
                "--listen=127.0.0.1",
                &format!("--port={port}"),
                "--reuseaddr",
            ])
            .arg(format!("--base-path={}", base.display()))
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "safe.directory")
            .env("GIT_CONFIG_VALUE_0", "*")
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("git daemon starts");
        let daemon = Self { process, port };
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return daemon;
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        panic!("git daemon does not listen on port {port}");
    }

    /// The URL of the repository at the base path.
    pub fn url(&self) -> String {
        format!("git://127.0.0.1:{}/.git", self.port)
    }
}

impl Drop for GitDaemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn git_repositories_are_added_at_a_ref_and_a_subdirectory() {
    let repository = repository();
    let daemon = GitDaemon::start(repository.path());
    let url = daemon.url();
    let context = Context::dockerfile(&format!(
        "FROM scratch\nADD {url} /head\nADD {url}#v1 /tag\nADD {url}#side /branch\nADD {url}#main:sub /sub\nADD --keep-git-dir=true {url} /kept\n"
    ));
    let rootfs = Lab::shared().build(&context).rootfs();
    assert_eq!(rootfs.text("head/version"), "two");
    assert_eq!(rootfs.text("tag/version"), "one");
    assert_eq!(rootfs.text("branch/version"), "side");
    assert_eq!(rootfs.beneath("sub"), ["Dockerfile", "inner"]);
    assert!(!rootfs.has("head/.git"));
    assert!(rootfs.has("kept/.git/HEAD"));
}

#[test]
fn the_last_commit_of_a_branch_is_found_by_the_first_digits_of_its_id() {
    let repository = repository();
    let daemon = GitDaemon::start(repository.path());
    let mut git = Command::new("git");
    git.args(["-c", "safe.directory=*", "rev-parse", "--short", "side"])
        .current_dir(repository.path());
    let id = command::run(&mut git, None).ok().text().to_owned();
    let context = Context::dockerfile(&format!("FROM scratch\nADD {}#{id} /\n", daemon.url()));
    assert_eq!(
        Lab::shared().build(&context).rootfs().text("version"),
        "side"
    );
}

#[test]
fn a_ref_that_is_not_there_is_named() {
    let repository = repository();
    let daemon = GitDaemon::start(repository.path());
    Lab::shared()
        .build(&Context::dockerfile(&format!(
            "FROM scratch\nADD {}#no-such-branch /x\n",
            daemon.url()
        )))
        .fails()
        .says(&["no-such-branch"]);
}
