//! A real browser, driven over the DevTools protocol: JSON messages ended by a zero byte, on the browser's file descriptors 3 and 4,
//! which a shell ties to its standard input and output.
//!
//! `HORNPIPE_CHROMIUM` names the program; unset, such tests are skipped with a message.
#![allow(dead_code)] // Each test file uses its own part.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tempfile::TempDir;

/// The longest that the browser may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A tab of a headless browser, with all that it complained about or asked the network for.
pub struct Browser {
    child: Child,
    messages: Receiver<Value>,
    session: Option<String>,
    number: u64,
    events: Vec<Value>,
    _profile: TempDir,
}

/// The browser to test with, if there is one.
pub fn program() -> Option<String> {
    let program = std::env::var("HORNPIPE_CHROMIUM").ok().filter(|program| !program.is_empty());
    if program.is_none() {
        eprintln!("skipped: HORNPIPE_CHROMIUM does not name a Chromium to open pages with");
    }
    program
}

impl Browser {
    /// A window of this size, in CSS pixels; a touch screen or one with a mouse.
    pub fn start(program: &str, (width, height): (u32, u32), touch: bool) -> Self {
        let profile = TempDir::new().unwrap();
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(r#"exec "$0" "$@" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null"#)
            .arg(program)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut pipe = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while pipe.read_until(0, &mut message).is_ok_and(|n| n > 0) {
                message.pop();
                let parsed = serde_json::from_slice(&message).expect("the browser speaks JSON");
                if sender.send(parsed).is_err() {
                    return;
                }
                message.clear();
            }
        });
        let mut browser =
            Browser { child, messages, session: None, number: 0, events: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attached =
            browser.call("Target.attachToTarget", json!({"targetId": target["targetId"], "flatten": true}));
        browser.session = Some(attached["sessionId"].as_str().expect("a session").to_string());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 2, "mobile": touch});
        browser.call("Emulation.setDeviceMetricsOverride", metrics);
        if touch {
            browser.call("Emulation.setTouchEmulationEnabled", json!({"enabled": true}));
        }
        browser
    }

    fn receive(&mut self) -> Value {
        let message = self.messages.recv_timeout(PATIENCE);
        let message = message.unwrap_or_else(|e| panic!("the browser that HORNPIPE_CHROMIUM names: {e}"));
        if message.get("method").is_some() {
            self.events.push(message.clone());
        }
        message
    }

    /// Calls a method of the protocol.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.number += 1;
        let mut message = json!({"id": self.number, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let input = self.child.stdin.as_mut().expect("a pipe");
        let sent = input.write_all(format!("{message}\0").as_bytes()).and_then(|()| input.flush());
        sent.unwrap_or_else(|e| panic!("the browser that HORNPIPE_CHROMIUM names: {e}"));
        loop {
            let answer = self.receive();
            if answer["id"] == json!(self.number) {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// Opens a file; `hash` goes on after its name.
    pub fn open(&mut self, path: &Path, hash: &str) {
        self.events.clear();
        let url = format!("file://{}{hash}", path.canonicalize().unwrap().display());
        self.call("Page.navigate", json!({"url": url}));
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            self.receive();
        }
    }

    /// What an expression comes to, promises awaited.
    pub fn value(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", params);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until everything asked for is drawn.
    pub fn drawn(&mut self) {
        self.value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))");
    }

    /// The middle of an element.
    pub fn middle(&mut self, selector: &str) -> (f64, f64) {
        let quoted = json!(selector);
        let at = self.value(&format!(
            "(() => {{ const e = document.querySelector({quoted}); e.scrollIntoView({{block: 'center'}}); \
             const b = e.getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height / 2]; }})()"
        ));
        (at[0].as_f64().expect("a place"), at[1].as_f64().expect("a place"))
    }

    /// A mouse event.
    pub fn mouse(&mut self, kind: &str, (x, y): (f64, f64), more: Value) {
        let mut params = json!({"type": kind, "x": x, "y": y});
        for (key, value) in more.as_object().expect("an object") {
            params[key] = value.clone();
        }
        self.call("Input.dispatchMouseEvent", params);
    }

    /// Clicks with the mouse; `clicks` 2 is a double click.
    pub fn click(&mut self, at: (f64, f64), clicks: u32) {
        self.mouse("mouseMoved", at, json!({}));
        for count in 1..=clicks {
            for kind in ["mousePressed", "mouseReleased"] {
                self.mouse(kind, at, json!({"button": "left", "clickCount": count}));
            }
        }
    }

    /// Clicks on an element.
    pub fn click_on(&mut self, selector: &str) {
        let at = self.middle(selector);
        self.click(at, 1);
    }

    /// Touches once. The browser waits a little before it calls that a click: see [`Browser::until`].
    pub fn tap(&mut self, (x, y): (f64, f64)) {
        let touch = |kind: &str, points: Value| json!({"type": kind, "touchPoints": points});
        self.call("Input.dispatchTouchEvent", touch("touchStart", json!([{"x": x, "y": y}])));
        self.call("Input.dispatchTouchEvent", touch("touchEnd", json!([])));
    }

    /// Waits until an expression is true.
    pub fn until(&mut self, expression: &str) {
        for _ in 0..500 {
            if self.value(expression) == true {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{expression} stays false");
    }

    /// Presses a key; a single character is also typed.
    pub fn key(&mut self, key: &str) {
        let mut down = json!({"type": "keyDown", "key": key});
        if key.chars().count() == 1 {
            down["text"] = json!(key);
        }
        self.call("Input.dispatchKeyEvent", down);
        self.call("Input.dispatchKeyEvent", json!({"type": "keyUp", "key": key}));
    }

    /// Chooses of a list, as a person would.
    pub fn select(&mut self, id: &str, option: &str) {
        let (id, option) = (json!(id), json!(option));
        self.value(&format!(
            "(() => {{ const e = document.getElementById({id}); e.value = {option}; \
             e.dispatchEvent(new Event('change', {{bubbles: true}})); }})()"
        ));
    }

    /// The text of an element as it is shown.
    pub fn text(&mut self, selector: &str) -> String {
        let value = self.value(&format!("document.querySelector({}).innerText", json!(selector)));
        value.as_str().expect("an element with text").to_string()
    }

    /// Panics if since [`Browser::open`] there was an error, a word on the console, or a request but for the page itself.
    pub fn is_quiet(&mut self) {
        self.drawn();
        let mut requests = 0;
        for event in &self.events {
            match event["method"].as_str().expect("a name") {
                "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded" => {
                    panic!("{event}")
                }
                "Network.requestWillBeSent" => requests += 1,
                _ => {}
            }
        }
        assert_eq!(requests, 1, "the page alone is fetched");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
