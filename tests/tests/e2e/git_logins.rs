//! Repositories that want a login: a secret of the build is it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use stromatekt_tests::{Context, Lab, command};
use tempfile::TempDir;

use crate::fetch::repository;

/// `x-access-token:open sesame`, as a browser would say it.
const LOGIN: &str = "basic eC1hY2Nlc3MtdG9rZW46b3BlbiBzZXNhbWU=";

/// A web server of a bare repository, `/repo.git`, that answers those alone who say the login.
struct Server {
    url: String,
    _directory: TempDir,
}

impl Server {
    fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let source = repository();
        let bare = directory.path().join("repo.git");
        let git = |args: &[&str]| command::program("git", args).ok();
        let (from, to) = (
            source.path().display().to_string(),
            bare.display().to_string(),
        );
        git(&["clone", "--quiet", "--bare", &from, &to]);
        // What git's simplest protocol over HTTP reads.
        git(&["--git-dir", &to, "update-server-info"]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let root = directory.path().to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let root = root.clone();
                std::thread::spawn(move || drop(answer(stream, &root)));
            }
        });
        Self {
            url: format!("http://{address}/repo.git"),
            _directory: directory,
        }
    }
}

fn answer(mut stream: TcpStream, root: &Path) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    while reader.read_line(&mut request)? > 0 {
        let mut is_allowed = false;
        let mut header = String::new();
        while reader.read_line(&mut header)? > 0 && !header.trim().is_empty() {
            let value = header
                .split_once(": ")
                .map(|(name, value)| (name.to_lowercase(), value));
            if let Some((name, value)) = value {
                is_allowed |= name == "authorization" && value.trim() == LOGIN;
            }
            header.clear();
        }
        let path = request.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let file: PathBuf = root.join(path.trim_start_matches('/'));
        let (status, body) = match fs::read(file) {
            _ if !is_allowed => ("401 Unauthorized", Vec::new()),
            Ok(body) => ("200 OK", body),
            Err(_) => ("404 Not Found", Vec::new()),
        };
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nWWW-Authenticate: Basic realm=cave\r\n\r\n",
            body.len()
        )?;
        stream.write_all(&body)?;
        request.clear();
    }
    Ok(())
}

#[test]
fn a_token_opens_a_repository_for_add_and_as_a_context() {
    let server = Server::start();
    let host = server.url.split('/').nth(2).unwrap();
    let lab = Lab::shared();
    let context = Context::dockerfile(&format!("FROM scratch\nADD {} /repo/\n", server.url));
    let of_host = format!("id=GIT_AUTH_TOKEN.{host},env=TOKEN");
    for secret in ["id=GIT_AUTH_TOKEN,env=TOKEN", &of_host] {
        let rootfs = lab
            .build(&context)
            .env("TOKEN", "open sesame")
            .args(["--secret", secret, "--no-cache"])
            .rootfs();
        assert_eq!(rootfs.text("repo/version"), "two");
    }
    let header = ["--secret", "id=GIT_AUTH_HEADER,env=HEADER"];
    let rootfs = lab
        .build_of(format!("{}#v1", server.url))
        .env("HEADER", LOGIN)
        .args(header)
        .rootfs();
    assert_eq!(rootfs.text("version"), "one");
    lab.build_of(&server.url).fails().says(&[host]);
    lab.build(&context)
        .env("HEADER", "wrong")
        .args(header)
        .fails()
        .says(&[host]);
}
