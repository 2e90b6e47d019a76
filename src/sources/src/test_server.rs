//! A server of a few lines for tests: what it answers is up to each of them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Answers each connection, which it counts, with what `answer` makes of its request. Returns the URL of a file, and the requests.
pub(crate) fn serve(
    answer: impl Fn(usize, &str) -> Vec<u8> + Send + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/file", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    std::thread::spawn(move || {
        for (count, mut stream) in listener.incoming().flatten().enumerate() {
            let request = read_request(&stream);
            seen.lock().unwrap().push(request.clone());
            let _ = stream.write_all(&answer(count, &request));
        }
    });
    (url, requests)
}

/// Reads a request with its body.
pub(crate) fn read_request(stream: &TcpStream) -> String {
    let mut request = String::new();
    let mut reader = BufReader::new(stream);
    while reader.read_line(&mut request).is_ok_and(|n| n > 2) {}
    let length = request
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.trim().parse().unwrap());
    let _ = reader.take(length).read_to_string(&mut request);
    request
}

/// An answer to a request, after which the connection is closed.
pub(crate) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}
