//! Debian's docker-registry on a free port of loopback.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::requirement;

/// A registry; it stops when it is dropped.
pub struct Registry {
    address: String,
    process: Child,
    directory: TempDir,
}

/// What opens a registry [with a password](Registry::with_password): the `auth` of docker's config.
pub const AUTH: &str = "YWxpOm9wZW4gc2VzYW1l";

/// The same as `crypt(3)` keeps it.
const HTPASSWD: &str = "ali:$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n";

impl Registry {
    /// Starts one; nothing, and the test is skipped, where docker-registry is not installed.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::configured("")
    }

    /// Starts one that answers those alone who say [`AUTH`].
    #[must_use]
    pub fn with_password() -> Option<Self> {
        Self::configured("auth: {htpasswd: {realm: cave, path: PASSWORDS}}\n")
    }

    fn configured(more: &str) -> Option<Self> {
        if !requirement::program("docker-registry") {
            return None;
        }
        let directory = TempDir::new().expect("there is room for a temporary directory");
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("loopback has a free port")
            .port();
        let address = format!("127.0.0.1:{port}");
        let passwords = directory.path().join("htpasswd");
        std::fs::write(&passwords, HTPASSWD).expect("own directory");
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: {address}}}\n{}",
            directory.path().join("data").display(),
            more.replace("PASSWORDS", &passwords.display().to_string()),
        );
        let file = directory.path().join("config.yml");
        std::fs::write(&file, config).expect("own directory");
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry starts");
        let registry = Self {
            address,
            process,
            directory,
        };
        for _ in 0..200 {
            if TcpStream::connect(&registry.address).is_ok() {
                return Some(registry);
            }
            thread::sleep(Duration::from_millis(25));
        }
        panic!("docker-registry does not listen on {}", registry.address);
    }

    /// The name of a repository in it.
    pub fn name(&self, repository: &str) -> String {
        format!("{}/{repository}", self.address)
    }

    /// Its host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where it keeps its files.
    pub fn data(&self) -> std::path::PathBuf {
        self.directory.path().join("data")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
