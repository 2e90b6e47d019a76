//! A web server on loopback for `ADD` of URLs and for git repositories: each case's `www` folder beneath a path of its own.
//!
//! Files come with `Last-Modified`, a path that ends with a slash means `index.html` in it; `NAME.git` is answered by git's own `http-backend`, so with the smart protocol.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::UNIX_EPOCH;

use crate::command;
use crate::error::{Error, Result};

type Folders = Arc<Mutex<BTreeMap<String, PathBuf>>>;

/// The server; it stops when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    folders: Folders,
    stop: Arc<AtomicBool>,
}

impl Server {
    /// Starts it on a free port.
    ///
    /// # Errors
    ///
    /// There is no port to be had.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(Error::Server)?;
        let address = listener.local_addr().map_err(Error::Server)?;
        let folders = Folders::default();
        let stop = Arc::new(AtomicBool::new(false));
        let (served, stopped) = (Arc::clone(&folders), Arc::clone(&stop));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let served = Arc::clone(&served);
                // A client that goes away is no concern of the server's.
                thread::spawn(move || drop(answer(&stream, &served)));
            }
        });
        Ok(Self {
            address,
            folders,
            stop,
        })
    }

    /// Serves a folder; gives its URL, without a slash at the end. The name is one component.
    #[must_use]
    pub fn serve(&self, name: &str, folder: &Path) -> String {
        self.folders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), folder.to_owned());
        format!("http://{}/{name}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.address);
    }
}

struct Request {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct Response {
    status: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Response {
    fn status(status: &str) -> Self {
        Self {
            status: status.to_owned(),
            headers: Vec::new(),
            body: format!("{status}\n").into_bytes(),
        }
    }
}

fn answer(stream: &TcpStream, folders: &Folders) -> std::io::Result<()> {
    let request = read(&mut BufReader::new(stream))?;
    let response = respond(&request, folders);
    let mut out = stream;
    let mut head = format!(
        "HTTP/1.1 {}\r\nConnection: close\r\nContent-Length: {}\r\n",
        response.status,
        response.body.len()
    );
    for (name, value) in &response.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    out.write_all(format!("{head}\r\n").as_bytes())?;
    if request.method != "HEAD" {
        out.write_all(&response.body)?;
    }
    Ok(())
}

fn read(from: &mut impl BufRead) -> std::io::Result<Request> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let mut words = line.split_ascii_whitespace();
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (method, path, query) = (method.to_owned(), decode(path), query.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        if from.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let length = headers
        .get("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    let mut body = Vec::new();
    from.take(length).read_to_end(&mut body)?;
    Ok(Request {
        method,
        path,
        query,
        headers,
        body,
    })
}

fn respond(request: &Request, folders: &Folders) -> Response {
    let not_found = || Response::status("404 Not Found");
    let Some((name, path)) = request.path.trim_start_matches('/').split_once('/') else {
        return not_found();
    };
    let folder = folders
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(name)
        .cloned();
    let Some(folder) = folder else {
        return not_found();
    };
    if !Path::new(path)
        .components()
        .all(|part| matches!(part, Component::Normal(_)))
    {
        return not_found();
    }
    if path.contains(".git/") {
        return git(request, &folder, path)
            .unwrap_or_else(|error| Response::status(&format!("500 {error}")));
    }
    let mut file = folder.join(path);
    if path.ends_with('/') {
        file.push("index.html");
    }
    match (fs::metadata(&file), fs::read(&file)) {
        (Ok(found), Ok(body)) => Response {
            status: "200 OK".to_owned(),
            headers: vec![(
                "Last-Modified".to_owned(),
                httpdate::fmt_http_date(found.modified().unwrap_or(UNIX_EPOCH)),
            )],
            body,
        },
        _ => not_found(),
    }
}

/// Has `git http-backend` answer (RFC 3875, the common gateway interface).
fn git(request: &Request, folder: &Path, path: &str) -> std::io::Result<Response> {
    let header = |name: &str| request.headers.get(name).map_or("", String::as_str);
    let mut backend = Command::new("git");
    command::clean_environment(&mut backend);
    let mut backend = backend
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", folder)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", format!("/{path}"))
        .env("QUERY_STRING", &request.query)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut stdin) = backend.stdin.take() {
        stdin.write_all(&request.body)?;
    }
    let output = backend.wait_with_output()?.stdout;
    let end = output
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or(output.len());
    let mut response = Response {
        status: "200 OK".to_owned(),
        headers: Vec::new(),
        body: output.get(end + 4..).unwrap_or_default().to_vec(),
    };
    for line in String::from_utf8_lossy(&output[..end]).lines() {
        match line.split_once(':') {
            Some(("Status", status)) => status.trim().clone_into(&mut response.status),
            Some((name, value)) => response
                .headers
                .push((name.to_owned(), value.trim().to_owned())),
            None => {}
        }
    }
    Ok(response)
}

/// Percent-encoding (RFC 3986, section 2.1) undone.
fn decode(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(value) if byte == b'%' => {
                bytes.push(value);
                rest = &after[2..];
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(server: &Server, target: &str) -> String {
        let mut stream = TcpStream::connect(server.address).expect("it listens");
        write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }

    #[test]
    fn files_are_served_with_their_time() {
        let folder = tempfile::tempdir().expect("there is room");
        let file = fs::File::create(folder.path().join("a b")).expect("it is writable");
        (&file).write_all(b"content").expect("it is writable");
        file.set_modified(UNIX_EPOCH + std::time::Duration::from_secs(1_580_601_600))
            .expect("it is ours");
        let server = Server::start().expect("loopback has a free port");
        let url = server.serve("case", folder.path());
        assert!(url.ends_with("/case"), "{url}");
        let answer = get(&server, "/case/a%20b");
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\ncontent"),
            "{answer}"
        );
        assert!(
            answer.contains("Last-Modified: Sun, 02 Feb 2020 00:00:00 GMT"),
            "{answer}"
        );
        for missing in ["/case/c", "/other/a%20b", "/case/../x", "/"] {
            assert!(
                get(&server, missing).starts_with("HTTP/1.1 404 "),
                "{missing}"
            );
        }
    }

    #[test]
    fn git_repositories_are_served_by_the_smart_protocol() {
        let folder = tempfile::tempdir().expect("there is room");
        let made = command::require(
            Command::new("git")
                .args(["init", "--quiet", "--bare"])
                .arg(folder.path().join("app.git")),
            "makes a repository",
        );
        if made.is_err() {
            // No git, no test of it.
            return;
        }
        let server = Server::start().expect("loopback has a free port");
        let _ = server.serve("case", folder.path());
        let answer = get(&server, "/case/app.git/info/refs?service=git-upload-pack");
        assert!(
            answer.contains("application/x-git-upload-pack-advertisement"),
            "{answer}"
        );
    }
}
