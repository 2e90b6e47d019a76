//! A headless Chromium, driven from outside by the DevTools protocol over pipes: no port, no script in the page.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Debian's names for it, the smallest first.
const PROGRAMS: [&str; 2] = ["chromium-headless-shell", "chromium"];
/// Continuous integration sets this: there the tests must run.
pub const REQUIRED: &str = "STROMATEKT_REQUIRE_BROWSER";

/// A browser with one page.
pub struct Browser {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    session: Option<String>,
    last: u64,
    /// What the browser told by itself.
    events: Vec<Value>,
    _profile: TempDir,
}

impl Browser {
    /// Starts one; nothing where none is installed, which it says.
    pub fn start() -> Option<Self> {
        let found = PROGRAMS.iter().find(|name| {
            env::var_os("PATH").is_some_and(|path| {
                env::split_paths(&path).any(|directory| directory.join(name).is_file())
            })
        });
        let Some(program) = found else {
            assert!(
                env::var_os(REQUIRED).is_none_or(|value| value.is_empty()),
                "{REQUIRED} is set, and none of {PROGRAMS:?} is installed (make setup installs it)"
            );
            let thread = std::thread::current();
            // Written past the capture of the test runner.
            let _ = writeln!(
                std::io::stderr(),
                "{} skipped: no Chromium is installed (make setup installs it)",
                thread.name().unwrap_or("a test")
            );
            return None;
        };
        let profile = tempfile::tempdir().expect("there is room for a temporary directory");
        let mut process = Command::new("sh")
            // The protocol's pipes are descriptors 3 and 4.
            .args([
                "-c",
                "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>/dev/null",
                "sh",
            ])
            .arg(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh can be started");
        let mut browser = Self {
            requests: process.stdin.take().expect("it is piped"),
            answers: BufReader::new(process.stdout.take().expect("it is piped")),
            process,
            session: None,
            last: 0,
            events: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = browser.call(
            "Target.attachToTarget",
            json!({ "targetId": target["targetId"], "flatten": true }),
        );
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Calls a method, and waits for its result.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut request = json!({ "id": self.last, "method": method, "params": params });
        if let Some(session) = &self.session {
            request["sessionId"] = json!(session);
        }
        let mut text = request.to_string().into_bytes();
        text.push(0);
        self.requests.write_all(&text).expect("the browser runs");
        loop {
            let message = self.read();
            if message["id"] == json!(self.last) {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    fn read(&mut self) -> Value {
        let mut text = Vec::new();
        self.answers
            .read_until(0, &mut text)
            .expect("the browser runs");
        assert_eq!(text.pop(), Some(0), "the browser ended");
        serde_json::from_slice(&text).expect("the protocol is JSON")
    }

    /// Opens a file, and waits until it is loaded.
    pub fn open(&mut self, file: &Path) {
        self.events.clear();
        let url = format!("file://{}", file.display());
        self.call("Page.navigate", json!({ "url": url }));
        while !self
            .events
            .iter()
            .any(|event| event["method"] == "Page.loadEventFired")
        {
            let event = self.read();
            self.events.push(event);
        }
    }

    /// The value of an expression in the page.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let result = self.call(
            "Runtime.evaluate",
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true }),
        );
        assert!(
            result["exceptionDetails"].is_null(),
            "{expression}: {result}"
        );
        result["result"]["value"].clone()
    }

    /// Moves the mouse to the middle of the element that a selector finds.
    pub fn point_at(&mut self, selector: &str) {
        let place = self.evaluate(&format!(
            "(() => {{ const box = document.querySelector({selector:?}); box.scrollIntoView({{ block: 'center' }}); \
             const r = box.getBoundingClientRect(); return [r.left + Math.min(r.width / 2, 60), r.top + r.height / 2]; }})()"
        ));
        self.call(
            "Input.dispatchMouseEvent",
            json!({ "type": "mouseMoved", "x": place[0], "y": place[1], "button": "none" }),
        );
    }

    /// Types a text into what has the focus.
    pub fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// Presses a key.
    pub fn press(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            self.call(
                "Input.dispatchKeyEvent",
                json!({ "type": kind, "key": key }),
            );
        }
    }

    /// The size of the window, and whether the person likes it dark.
    pub fn appearance(&mut self, width: u32, height: u32, scheme: &str) {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false }),
        );
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }),
        );
    }

    /// The addresses that were asked for since the page was opened, its own left out.
    pub fn requests(&mut self, own: &Path) -> Vec<String> {
        // Whatever was on its way was told before this is answered.
        self.evaluate("new Promise((done) => setTimeout(done, 50))");
        let own = format!("file://{}", own.display());
        let sent = self
            .events
            .iter()
            .filter(|event| event["method"] == "Network.requestWillBeSent");
        sent.filter_map(|event| event["params"]["request"]["url"].as_str())
            .filter(|url| *url != own)
            .map(str::to_owned)
            .collect()
    }

    /// What the page complained about: exceptions, and what its policy forbids.
    pub fn complaints(&self) -> Vec<String> {
        let told = self.events.iter().filter(|event| {
            event["method"] == "Runtime.exceptionThrown" || event["method"] == "Log.entryAdded"
        });
        told.map(Value::to_string).collect()
    }

    /// A picture of the window, as base64 of a PNG.
    pub fn screenshot(&mut self) -> String {
        let shot = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        shot["data"].as_str().expect("a picture").to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Debian's program is a script around the browser: the browser itself has to end, and the script ends with it.
        let _ = self
            .requests
            .write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let _ = self.process.wait();
    }
}
