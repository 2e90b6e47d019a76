//! Against repositories in temporary directories, and git's own server.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::*;

struct Remote(TempDir);

impl Remote {
    fn new() -> Self {
        let remote = Self(tempfile::tempdir().unwrap());
        remote.git(&["init", "--quiet"]);
        remote
    }

    fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    fn git(&self, arguments: &[&str]) -> String {
        let settings = [
            "user.name=t",
            "user.email=t@example.org",
            "init.defaultBranch=main",
        ];
        let output = Command::new("git")
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .args([
                "-c",
                "commit.gpgsign=false",
                "-c",
                "protocol.file.allow=always",
            ])
            .args(arguments)
            .current_dir(self.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Commits everything, and returns the id.
    fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn at(&self, reference: Option<&str>) -> op::Git {
        op::Git {
            remote: self.path().display().to_string(),
            reference: reference.map(str::to_owned),
            ..op::Git::default()
        }
    }
}

/// Where checkouts and the cache are.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn cache(&self) -> PathBuf {
        self.0.path().join("cache")
    }

    async fn checkout(&self, git: &op::Git) -> Result<(String, PathBuf)> {
        let dest = tempfile::tempdir_in(self.0.path()).unwrap().keep();
        let cache = self.cache();
        let auth = Auth::none();
        let future: Box<dyn Future<Output = Result<Checkout>> + Send> =
            Box::new(checkout(git, &cache, &dest, &auth));
        let checkout = Box::into_pin(future).await;
        Ok((checkout?.commit, dest))
    }
}

fn text(path: PathBuf) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn every_kind_of_reference_is_found() {
    let (remote, place) = (Remote::new(), Place::new());
    remote.write("file", "one");
    let one = remote.commit("one");
    remote.git(&["tag", "light"]);
    remote.write("file", "two");
    let two = remote.commit("two");
    remote.git(&["tag", "-a", "-m", "x", "annotated"]);
    let tag = remote.git(&["rev-parse", "annotated"]);
    remote.write("file", "three");
    let three = remote.commit("three");
    remote.git(&["checkout", "--quiet", "-b", "side/branch"]);
    remote.write("file", "four");
    let four = remote.commit("four");
    remote.git(&["checkout", "--quiet", "main"]);
    for (reference, commit, content) in [
        (None, &three, "three"),
        (Some("HEAD"), &three, "three"),
        (Some("main"), &three, "three"),
        (Some("refs/heads/main"), &three, "three"),
        (Some("light"), &one, "one"),
        (Some("annotated"), &two, "two"),
        (Some("refs/tags/annotated"), &two, "two"),
        (Some("side/branch"), &four, "four"),
        (Some(&four[..8]), &four, "four"),
        (Some(&*four), &four, "four"),
        // In the history only.
        (Some(&*two), &two, "two"),
        (Some(&*tag), &two, "two"),
    ] {
        let git = remote.at(reference);
        let (found, dest) = place.checkout(&git).await.unwrap();
        assert_eq!(
            (&found, &*text(dest.join("file"))),
            (commit, content),
            "{reference:?}"
        );
        assert_eq!(names(&dest), ["file"], "{reference:?}");
        // And without what is cached.
        let (found, _) = Place::new().checkout(&git).await.unwrap();
        assert_eq!(found, *commit, "{reference:?}");
        if reference != Some(&*tag) {
            assert_eq!(
                resolve(&git, &Auth::none()).await.unwrap(),
                *commit,
                "{reference:?}"
            );
        }
    }
    let url = format!("file://{}", remote.path().display());
    let git = op::Git {
        remote: url,
        ..remote.at(None)
    };
    assert_eq!(place.checkout(&git).await.unwrap().0, three);
}

#[tokio::test]
async fn files_have_the_modes_of_git() {
    let (remote, place) = (Remote::new(), Place::new());
    remote.write("d/plain", "");
    remote.write("d/program", "");
    Command::new("chmod")
        .arg("755")
        .arg(remote.path().join("d/program"))
        .status()
        .unwrap();
    symlink("/etc/passwd", remote.path().join("link")).unwrap();
    remote.commit("x");
    let (_, dest) = place.checkout(&remote.at(None)).await.unwrap();
    let mode = |path: &str| std::fs::symlink_metadata(dest.join(path)).unwrap().mode() & 0o7777;
    assert_eq!(
        (mode("d"), mode("d/plain"), mode("d/program")),
        (0o755, 0o644, 0o755)
    );
    assert_eq!(
        std::fs::read_link(dest.join("link")).unwrap(),
        Path::new("/etc/passwd")
    );
}

#[tokio::test]
async fn what_moves_is_found_where_it_went() {
    let (remote, place) = (Remote::new(), Place::new());
    remote.write("old", "");
    remote.commit("x");
    place.checkout(&remote.at(Some("main"))).await.unwrap();
    std::fs::remove_file(remote.path().join("old")).unwrap();
    remote.write("new", "");
    remote.git(&["add", "--all"]);
    remote.git(&["commit", "--quiet", "--amend", "-m", "y"]);
    let (_, dest) = place.checkout(&remote.at(Some("main"))).await.unwrap();
    assert_eq!(names(&dest), ["new"]);
    // A branch whose name is the directory of a new one.
    remote.git(&["branch", "-m", "main", "main/sub"]);
    let (_, dest) = place.checkout(&remote.at(Some("main/sub"))).await.unwrap();
    assert_eq!(names(&dest), ["new"]);
}

#[tokio::test]
async fn a_subdirectory_is_taken_alone() {
    let (remote, place) = (Remote::new(), Place::new());
    remote.write("a/b/inner", "inner");
    remote.write("outer", "");
    symlink("a", remote.path().join("link")).unwrap();
    remote.commit("x");
    let git = |path: &str| op::Git {
        subdirectory: Some(path.into()),
        keep_git_dir: true,
        ..remote.at(None)
    };
    let (_, dest) = place.checkout(&git("/a/b/")).await.unwrap();
    assert_eq!(names(&dest), ["inner"]);
    for (path, reason) in [
        ("a/c", "does not exist"),
        ("outer", "is no directory"),
        ("link/b", "is no directory"),
    ] {
        let error = place.checkout(&git(path)).await.unwrap_err();
        assert!(matches!(error, Error::GitSubdirectory { .. }), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[tokio::test]
async fn the_git_directory_is_kept_on_demand() {
    let (remote, place) = (Remote::new(), Place::new());
    remote.write("file", "one");
    let one = remote.commit("one");
    remote.git(&["tag", "-a", "-m", "x", "v1"]);
    remote.write("file", "two");
    let two = remote.commit("two");
    for (reference, commit, kept) in [
        (None, &two, "refs/heads/main"),
        (Some("main"), &two, "refs/heads/main"),
        (Some("v1"), &one, "refs/tags/v1"),
        (Some(&*one), &one, ""),
    ] {
        let git = op::Git {
            keep_git_dir: true,
            ..remote.at(reference)
        };
        let (found, dest) = place.checkout(&git).await.unwrap();
        assert_eq!(found, *commit, "{reference:?}");
        let ask = |arguments: &[&str]| {
            let output = Command::new("git")
                .args(arguments)
                .current_dir(&dest)
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        assert_eq!(ask(&["rev-parse", "HEAD"]), *commit);
        assert_eq!(ask(&["status", "--porcelain"]), "");
        assert_eq!(ask(&["remote", "get-url", "origin"]), git.remote);
        assert_eq!(ask(&["rev-list", "--count", "HEAD"]), "1");
        let names = ask(&["for-each-ref", "--format=%(refname)"]);
        assert_eq!(names, kept, "{reference:?}");
        assert!(!dest.join(".git/FETCH_HEAD").exists());
    }
}

#[tokio::test]
async fn a_checksum_is_the_start_of_the_commit() {
    let (remote, place) = (Remote::new(), Place::new());
    remote.write("file", "one");
    let one = remote.commit("one");
    remote.git(&["tag", "-a", "-m", "x", "v1"]);
    for reference in [None, Some("main"), Some("v1"), Some(&*one)] {
        let git = |checksum: &str| op::Git {
            checksum: Some(checksum.into()),
            ..remote.at(reference)
        };
        for checksum in [&*one, &one[..7]] {
            assert_eq!(place.checkout(&git(checksum)).await.unwrap().0, one);
        }
        let wrong = "0".repeat(40);
        let error = place.checkout(&git(&wrong)).await.unwrap_err().to_string();
        assert!(error.contains(&wrong) && error.contains(&one), "{error}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let (remote, place) = (Remote::new(), Place::new());
    let error = resolve(&remote.at(None), &Auth::none()).await.unwrap_err();
    assert!(matches!(error, Error::GitReference { .. }), "{error}");
    remote.write("file", "one");
    remote.commit("one");
    let absent = "1".repeat(40);
    for reference in ["no-such-branch", "beef", &absent] {
        let error = place
            .checkout(&remote.at(Some(reference)))
            .await
            .unwrap_err();
        assert!(error.to_string().contains(reference), "{error}");
    }
    let git = op::Git {
        remote: "/does/not/exist".into(),
        ..remote.at(None)
    };
    let error = resolve(&git, &Auth::none()).await.unwrap_err();
    assert!(
        matches!(&error, Error::Git { remote, .. } if remote == "/does/not/exist"),
        "{error}"
    );
    // None of these failures makes the next one start anew.
    assert_eq!(
        names(&place.cache())
            .iter()
            .filter(|name| name.ends_with("busy"))
            .count(),
        0
    );
}

#[tokio::test]
async fn a_repository_that_was_left_in_use_is_made_anew() {
    let (remote, place) = (Remote::new(), Place::new());
    remote.write("file", "one");
    let one = remote.commit("one");
    place.checkout(&remote.at(None)).await.unwrap();
    let repository = names(&place.cache())
        .into_iter()
        .find(|name| name.ends_with(".git"))
        .unwrap();
    let head = place.cache().join(&repository).join("HEAD");
    std::fs::write(&head, "damaged").unwrap();
    let busy = place.cache().join(repository.replace(".git", ".busy"));
    std::fs::write(&busy, "").unwrap();
    assert_eq!(place.checkout(&remote.at(None)).await.unwrap().0, one);
    assert!(!busy.exists());
    // One that is damaged without a sign of it, too.
    std::fs::write(&head, "damaged").unwrap();
    assert_eq!(place.checkout(&remote.at(None)).await.unwrap().0, one);
}

#[tokio::test]
async fn several_use_one_cache_at_once() {
    let (remote, place) = (Remote::new(), Place::new());
    remote.write("file", "one");
    let one = remote.commit("one");
    let git = remote.at(None);
    let (a, b, c) = tokio::join!(
        place.checkout(&git),
        place.checkout(&git),
        place.checkout(&git)
    );
    for checkout in [a, b, c] {
        let (commit, dest) = checkout.unwrap();
        assert_eq!((&commit, names(&dest)), (&one, vec!["file".to_owned()]));
    }
}

struct Daemon {
    process: Child,
    url: String,
}

impl Daemon {
    fn start(base: &Path) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let output = Command::new("git").arg("--exec-path").output().unwrap();
        let programs = String::from_utf8(output.stdout).unwrap();
        let process = Command::new(Path::new(programs.trim()).join("git-daemon"))
            .args(["--export-all", "--listen=127.0.0.1", "--reuseaddr"])
            .arg(format!("--port={port}"))
            .arg(format!("--base-path={}", base.display()))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..400 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        Self {
            process,
            url: format!("git://127.0.0.1:{port}"),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn submodules_are_checked_out_but_never_from_this_machine() {
    let base = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(base.path());
    let remote = |name: &str| {
        let remote = Remote(TempDir::with_prefix_in(name, base.path()).unwrap());
        remote.git(&["init", "--quiet"]);
        remote
    };
    let url = |remote: &Remote| {
        format!(
            "{}/{}/.git",
            daemon.url,
            remote.path().file_name().unwrap().to_str().unwrap()
        )
    };
    let (inner, middle, outer) = (remote("inner"), remote("middle"), remote("outer"));
    inner.write("deep", "deep");
    inner.commit("x");
    middle.write("file", "");
    middle.git(&["submodule", "--quiet", "add", &url(&inner), "in"]);
    middle.commit("x");
    outer.write("file", "");
    outer.git(&["submodule", "--quiet", "add", &url(&middle), "mid"]);
    outer.commit("x");
    let place = Place::new();
    let git = |keep_git_dir| op::Git {
        remote: url(&outer),
        keep_git_dir,
        ..outer.at(None)
    };
    for _ in 0..2 {
        let (_, dest) = place.checkout(&git(false)).await.unwrap();
        assert_eq!(names(&dest), [".gitmodules", "file", "mid"]);
        assert_eq!(names(&dest.join("mid")), [".gitmodules", "file", "in"]);
        assert_eq!(names(&dest.join("mid/in")), ["deep"]);
    }
    let (_, dest) = place.checkout(&git(true)).await.unwrap();
    assert_eq!(text(dest.join("mid/in/deep")), "deep");
    assert!(dest.join(".git/modules/mid").exists());

    let path = inner.path().display().to_string();
    outer.git(&["submodule", "--quiet", "add", &path, "stolen"]);
    outer.commit("y");
    let error = place.checkout(&git(false)).await.unwrap_err().to_string();
    assert!(
        error.contains("submodules") && error.contains("file"),
        "{error}"
    );
}

#[tokio::test]
async fn a_dropped_checkout_kills_git_and_its_helpers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x.git", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        // Ends when the client does.
        let _ = stream.read_to_end(&mut request);
        request
    });
    let git = op::Git {
        remote: url,
        ..Remote::new().at(None)
    };
    let auth = Auth::none();
    let waiting = tokio::time::timeout(Duration::from_millis(700), resolve(&git, &auth));
    assert!(waiting.await.is_err());
    let request = tokio::task::spawn_blocking(|| server.join().unwrap())
        .await
        .unwrap();
    assert!(request.starts_with(b"GET /x.git/info/refs"));
}

#[tokio::test]
async fn a_commit_is_fetched_without_asking_for_its_branch_and_times_are_its_own() {
    let remote = Remote::new();
    remote.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    remote.write("a/file", "old");
    let old = remote.commit("old");
    remote.write("a/file", "new");
    remote.commit("new");
    let git = op::Git {
        checksum: Some(old.clone()),
        fetch_by_commit: true,
        commit_time: true,
        keep_git_dir: true,
        ..remote.at(Some("renamed"))
    };
    let place = Place::new();
    let (commit, dest) = place.checkout(&git).await.unwrap();
    assert_eq!(
        (commit, text(dest.join("a/file"))),
        (old.clone(), "old".into())
    );
    let time: i64 = remote
        .git(&["log", "-1", "--format=%ct", &old])
        .parse()
        .unwrap();
    for path in ["a/file", "a", ".git/HEAD", ""] {
        let found = std::fs::metadata(dest.join(path)).unwrap();
        assert_eq!((found.mtime(), found.mtime_nsec()), (time, 0), "{path}");
    }
    assert!(dest.join(".git/refs/heads/renamed").is_file());
    let unknown = op::Git {
        checksum: Some(old[..8].to_owned()),
        ..git
    };
    let error = resolve(&unknown, &Auth::none()).await.unwrap_err();
    assert!(error.to_string().contains("fetch-by-commit"), "{error}");
}
