//! A real Chromium without a window, driven by its `DevTools` protocol over two pipes: each message is JSON and ends with a zero byte.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::child::{Child, Failure};
use crate::deadline::{Deadline, PATIENCE};
use crate::folder::Folder;

/// How long one command may take: a browser starts slowly on a machine that is busy.
const START: Duration = Duration::from_mins(1);

/// Gives Chromium its pipes as the descriptors 3 and 4. Nothing of it is worth a sandbox: what it shows is our own.
const SCRIPT: &str = "exec chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
    --disable-background-networking --disable-component-update --disable-sync --hide-scrollbars --force-color-profile=srgb \
    --user-data-dir=\"$0/profile\" --remote-debugging-pipe about:blank 3<\"$0/to\" 4>\"$0/from\"";

/// A running browser with one page.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    to: File,
    from: Receiver<Value>,
    next: u64,
    session: Option<String>,
    events: Vec<Value>,
}

impl Browser {
    /// Starts one, with an empty page.
    ///
    /// # Panics
    /// When its pipes cannot be made.
    pub fn start() -> Result<Self, Failure> {
        let folder = Folder::new("browser");
        let pipes = ["to", "from"].map(|name| folder.file(name));
        let made = Command::new("mkfifo").args(&pipes).status();
        assert!(made.is_ok_and(|status| status.success()), "cannot make pipes in {}", folder.file("").display());
        // Opened for both, a pipe waits for nobody.
        let open = |path| OpenOptions::new().read(true).write(true).open(path).expect("a pipe can be opened");
        let [to, from] = pipes.each_ref().map(open);
        let arguments: Vec<OsString> = vec!["-c".into(), SCRIPT.into(), folder.file("").into()];
        let child = Child::start("Chromium", Path::new("/bin/sh"), &arguments, &[], folder)?;
        let mut browser = Self { child, to, from: listen(from), next: 0, session: None, events: Vec::new() };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", &json!({"targetId": target, "flatten": true}));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        Ok(browser)
    }

    /// Has it do something, as in `Page.reload`; what comes of it.
    ///
    /// # Panics
    /// When it says that it cannot, or nothing in time.
    pub fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        let bytes = [message.to_string().as_bytes(), b"\0"].concat();
        self.to.write_all(&bytes).expect("the pipe is open");
        let deadline = Deadline::after(START);
        while let Some(left) = deadline.left() {
            match self.from.recv_timeout(left) {
                Ok(answer) if answer["id"] == id => {
                    assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                    return answer["result"].clone();
                }
                Ok(event) => self.events.push(event),
                Err(_) => break,
            }
        }
        panic!("{method}: no answer\n{}", self.child.log());
    }

    /// Opens a page.
    pub fn open(&mut self, url: &str) {
        self.call("Page.navigate", &json!({"url": url}));
    }

    /// How large its window is, and whether it is dark.
    pub fn resize(&mut self, width: u32, height: u32, is_dark: bool) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let scheme = if is_dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", &features);
    }

    /// What an expression comes to in the page.
    ///
    /// # Panics
    /// When it throws.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", &asked);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true in the page.
    ///
    /// # Panics
    /// When it is not in time; with what the page shows.
    pub fn wait_for(&mut self, expression: &str) {
        let deadline = Deadline::after(PATIENCE);
        let is_so = deadline.wait_until(|| self.evaluate(expression) == true);
        assert!(is_so, "{expression}: never so\n{}", self.evaluate("document.body.innerText"));
    }

    /// Presses a key, as in `Tab`, with the text that it types.
    pub fn press(&mut self, key: &str, code: u32, text: &str) {
        for kind in ["keyDown", "keyUp"] {
            let typed = if kind == "keyDown" { text } else { "" };
            let event = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": typed});
            self.call("Input.dispatchKeyEvent", &event);
        }
    }

    /// The whole page as a PNG, in base64.
    pub fn screenshot(&mut self) -> String {
        let answer = self.call("Page.captureScreenshot", &json!({"format": "png", "captureBeyondViewport": true}));
        answer["data"].as_str().unwrap_or_default().to_owned()
    }

    /// What it has complained of so far: exceptions, and what a page's policy has kept from it, each as the browser tells it.
    pub fn complaints(&mut self) -> Vec<String> {
        // Whatever has happened before this answer is told before it.
        self.evaluate("0");
        let of = |event: &Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => Some(event["params"]["exceptionDetails"].to_string()),
            Some("Log.entryAdded") => Some(event["params"]["entry"].to_string()),
            _ => None,
        };
        self.events.iter().filter_map(of).collect()
    }

    /// The URLs that it has asked for so far.
    pub fn requests(&self) -> Vec<String> {
        let sent = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        sent.filter_map(|event| event["params"]["request"]["url"].as_str().map(str::to_owned)).collect()
    }
}

/// The messages that come out of a pipe.
fn listen(pipe: File) -> Receiver<Value> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut bytes = Vec::new();
        // The thread ends with the test's process: a pipe that is open for both never ends.
        while pipe.read_until(0, &mut bytes).is_ok_and(|length| length > 0) {
            let message = serde_json::from_slice(bytes.strip_suffix(b"\0").unwrap_or(&bytes));
            if message.is_ok_and(|message| sender.send(message).is_err()) {
                return;
            }
            bytes.clear();
        }
    });
    receiver
}
