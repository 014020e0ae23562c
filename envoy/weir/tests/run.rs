//! `weir run` from end to end: a real Envoy, a policy that changes, and nothing left behind.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use proxy::deadline::Deadline;
use proxy::{Client, Origin, Reply, Request, client};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use sandbox::{Claims, Sandbox};
use tempfile::TempDir;

/// Envoy compiles five modules, on a machine that runs other tests, too.
const PATIENCE: Duration = Duration::from_secs(90);

/// A `weir run` and what it has said.
struct Run {
    process: Child,
    folder: TempDir,
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    command.env("WEIR_ENVOY", proxy::envoy::program()).stdin(Stdio::null());
    command
}

fn policy(origin: &Origin, path: &str) -> String {
    policy_of("up", origin, path)
}

fn policy_of(upstream: &str, origin: &Origin, path: &str) -> String {
    let address = origin.address();
    format!(
        "version: 1\n\
         upstreams: {{{upstream}: {{url: 'http://{address}', internal: true}}}}\n\
         routes: [{{match: {path}, upstream: {upstream}}}]\n"
    )
}

impl Run {
    /// Starts on a policy, with ports of the kernel's choice.
    fn start(policy: &str, arguments: &[&str]) -> Self {
        Self::start_among(&[("policy.yaml", policy)], arguments)
    }

    /// Starts on `policy.yaml`, among other files.
    fn start_among(files: &[(&str, &str)], arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let output = |name: &str| File::create(folder.path().join(name)).unwrap();
        let mut command = program();
        command.arg("run").arg(folder.path().join("policy.yaml"));
        if !arguments.contains(&"--port") {
            command.args(["--port", "0"]);
        }
        command.args(["--admin-port", "0", "--concurrency", "1"]).args(arguments);
        let process = command.stdout(output("log")).stderr(output("said")).spawn().unwrap();
        Self { process, folder }
    }

    /// The address at which it serves, once it says so.
    fn ready(&mut self) -> SocketAddr {
        self.wait_for("weir: ready at http://");
        let said = self.said();
        let rest = said.split_once("weir: ready at http://").unwrap().1;
        rest.split_whitespace().next().unwrap().parse().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn said(&self) -> String {
        fs::read_to_string(self.path("said")).unwrap()
    }

    #[track_caller]
    fn wait_for(&mut self, words: &str) {
        let deadline = Deadline::after(PATIENCE);
        let came = deadline.wait_until(|| self.said().contains(words) || self.process.try_wait().unwrap().is_some());
        assert!(came && self.said().contains(words), "{words:?} was not said:\n{}", self.said());
    }

    fn change(&self, policy: &str) {
        self.replace("policy.yaml", policy);
    }

    fn replace(&self, name: &str, content: &str) {
        let new = self.path("new");
        fs::write(&new, content).unwrap();
        fs::rename(new, self.path(name)).unwrap();
    }

    fn children(&self) -> Vec<Pid> {
        let id = self.process.id();
        let listed = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        listed.split_whitespace().map(|id| Pid::from_raw(id.parse().unwrap()).unwrap()).collect()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// The exit code, once it has ended by itself.
    fn ended(&mut self) -> Option<i32> {
        Deadline::after(PATIENCE).wait_for(|| self.process.try_wait().unwrap()).and_then(|status| status.code())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether a process is there and is more than a name that its parent has not asked about yet.
fn is_alive(process: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).unwrap_or_default();
    let dead = stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']));
    test_kill_process(process).is_ok() && !dead
}

#[track_caller]
fn check_gone(processes: &[Pid]) {
    let gone = Deadline::after(Duration::from_secs(20)).wait_until(|| !processes.iter().any(|one| is_alive(*one)));
    assert!(gone, "{processes:?} are left");
}

fn status(address: SocketAddr, path: &str) -> u16 {
    client::call(address, &Request::get(path)).map_or(0, |answer| answer.status)
}

#[test]
fn a_good_change_is_taken_over_and_a_bad_one_is_not() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200).body("here"));
    let mut run = Run::start(&policy(&origin, "/one"), &[]);
    let address = run.ready();
    assert_eq!((status(address, "/one"), status(address, "/two")), (200, 404));

    run.change(&format!("{}bad: key\n", policy(&origin, "/two")));
    run.wait_for("has changed and has mistakes; the policy before the change keeps serving");
    assert!(run.said().contains("unknown key `bad`") && run.said().contains("policy.yaml:4:1"), "{}", run.said());
    assert_eq!((status(address, "/one"), status(address, "/two")), (200, 404));

    run.change(&policy(&origin, "/two"));
    run.wait_for("the new policy serves after");
    assert_eq!((status(address, "/one"), status(address, "/two")), (404, 200));

    let log = fs::read_to_string(run.path("log")).unwrap();
    assert!(log.lines().all(|line| line.starts_with('{') && line.contains("\"request_id\"")), "{log}");
    run.signal(Signal::TERM);
    assert_eq!(run.ended(), Some(0), "{}", run.said());
}

#[test]
fn a_key_set_in_a_file_is_followed_like_the_policy_that_names_it() {
    let (origin, sandbox) = (Origin::start(), Sandbox::start());
    let policy = policy(&origin, "/*").replace("}]", ", auth: required}]")
        + "identity: {jwt: [{issuer: 'https://id.weir.example/', audiences: [gateway], jwks: {file: keys.json}}]}\n";
    let other = r#"{"keys": [{"kty": "oct", "kid": "k", "alg": "HS256", "k": "dGhlIHNlY3JldCBvZiB0aGUgdGVzdHMsIGluIGJhc2U2NHVybA"}]}"#;
    let mut run = Run::start_among(&[("policy.yaml", &policy), ("keys.json", other)], &[]);
    let address = run.ready();
    let token = format!("Bearer {}", sandbox.token(&Claims::default()));
    let ask = || {
        let request = Request::get("/x").header("authorization", token.as_str());
        client::call(address, &request).map_or(0, |answer| answer.status)
    };
    assert_eq!(ask(), 401);

    run.replace("keys.json", &sandbox::jwks());
    run.wait_for("has changed; the new policy serves after");
    assert_eq!(ask(), 200);
    fs::remove_file(run.path("keys.json")).unwrap();
    run.wait_for("has changed and has mistakes; the policy before the change keeps serving");
    assert!(run.said().contains("`keys.json` cannot be read"), "{}", run.said());
    assert_eq!(ask(), 200);
    run.replace("keys.json", other);
    let serves = || run.said().matches("the new policy serves").count() == 2;
    assert!(Deadline::after(PATIENCE).wait_until(serves), "{}", run.said());
    assert_eq!(ask(), 401);
}

#[test]
fn nothing_is_left_after_ctrl_c() {
    let origin = Origin::start();
    let beside = ["--beside", "sh -c 'echo beside is ready; sleep 1000'"];
    let mut run = Run::start(&policy(&origin, "/"), &beside);
    run.ready();
    assert!(run.said().starts_with("beside is ready\n"), "{}", run.said());
    let children = run.children();
    assert_eq!(children.len(), 2);
    run.signal(Signal::INT);
    assert_eq!(run.ended(), Some(0), "{}", run.said());
    check_gone(&children);
}

#[test]
fn nothing_is_left_where_it_is_killed() {
    let origin = Origin::start();
    let mut run = Run::start(&policy(&origin, "/"), &["--beside", "sh -c 'echo ready; exec sleep 1000'"]);
    run.ready();
    let children = run.children();
    assert!(children.len() == 2 && children.iter().all(|child| is_alive(*child)));
    run.signal(Signal::KILL);
    run.process.wait().unwrap();
    check_gone(&children);
}

#[test]
fn it_ends_with_envoy_and_takes_the_others_along() {
    let origin = Origin::start();
    let mut run = Run::start(&policy(&origin, "/"), &["--beside", "sh -c 'echo ready; exec sleep 1000'"]);
    run.ready();
    let children = run.children();
    kill_process(children[1], Signal::KILL).unwrap();
    assert_eq!(run.ended(), Some(1));
    assert!(run.said().contains("weir: Envoy has ended (signal: 9"), "{}", run.said());
    check_gone(&children);
}

#[test]
fn what_is_missing_taken_or_wrong_is_said_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    fs::write(&file, policy(&Origin::start(), "/")).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let choose = format!("port {port} is taken by another program: end it, or choose another port with");
    let rows = [
        (["--port", &port, "--admin-port", "0"], format!("{choose} --port")),
        (["--port", "0", "--admin-port", &port], format!("{choose} --admin-port")),
        (["--port", "0", "--envoy", "/nowhere/envoy"], "there is no Envoy at /nowhere/envoy".to_owned()),
        (
            ["--port", "0", "--filters", "/nowhere"],
            "there is no /nowhere/correlation.wasm: `make wasm` builds it, or name the folder with --filters"
                .to_owned(),
        ),
    ];
    for (options, expected) in rows {
        let output = program().arg("run").arg(&file).args(options).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), format!("weir: {expected}\n"));
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn a_command_beside_that_ends_and_a_policy_that_is_wrong_end_the_run() {
    let good = policy(&Origin::start(), "/");
    for (policy, beside, expected) in [
        (good.as_str(), "false", "weir: false has ended (exit status: 1)\n"),
        ("version: 3\n", "echo never", "policy.yaml: 3 mistakes\n"),
    ] {
        let mut run = Run::start(policy, &["--beside", beside]);
        assert_eq!(run.ended(), Some(1));
        assert!(run.said().ends_with(expected) && !run.said().contains("never"), "{}", run.said());
    }
}

#[test]
fn the_commands_speak_as_programs_expect() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("good.yaml"), folder.path().join("bad.yaml"));
    fs::write(&good, policy(&Origin::start(), "/")).unwrap();
    fs::write(&bad, "version: 1\n").unwrap();
    let run = |arguments: &[&str], files: &[&Path]| {
        let output = program().args(arguments).args(files).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, said, complained) = run(&["check"], &[&good]);
    assert_eq!((code, complained.as_str()), (Some(0), ""));
    assert!(said.ends_with("good.yaml: good (1 upstreams, 1 routes)\n"), "{said}");
    let (code, said, complained) = run(&["check"], &[&bad, &good]);
    assert!(code == Some(1) && said.contains("good.yaml: good") && complained.ends_with("bad.yaml: 2 mistakes\n"));
    let (code, said, _) = run(&["render", "envoy"], &[&good]);
    assert!(code == Some(0) && said.starts_with("{\n  \"admin\""), "{said}");
    let (code, said, complained) = run(&["render", "envoy"], &[&bad]);
    assert!(code == Some(1) && said.is_empty() && complained.contains("`routes` is missing"));
    let (code, _, complained) = run(&["check"], &[Path::new("/nowhere.yaml")]);
    assert!(code == Some(2) && complained.starts_with("weir: /nowhere.yaml cannot be read"), "{complained}");
    assert_eq!(run(&["chek"], &[]).0, Some(2));
}

/// Asks on one connection until it is told to stop; counts what came, or says what did not.
fn ask_again_and_again(address: SocketAddr, stop: &AtomicBool) -> Result<usize, String> {
    let mut client = Client::connect(address).map_err(|lost| lost.to_string())?;
    let mut answers = 0;
    while !stop.load(Relaxed) {
        match client.call(&Request::get("/x")) {
            Ok(answer) if answer.status == 200 && answer.text("connection").is_none() => answers += 1,
            other => return Err(format!("{other:?}")),
        }
    }
    Ok(answers)
}

/// Has clients stop when a test does, however it does.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn a_change_under_load_loses_no_request() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200).body("here"));
    let mut run = Run::start(&policy(&origin, "/*"), &[]);
    let address = run.ready();
    let stop = AtomicBool::new(false);
    let results: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| ask_again_and_again(address, &stop))).collect();
        let end = Stop(&stop);
        for change in 1..=4 {
            // Another name each time: the cluster of the old policy goes, and another comes.
            run.change(&policy_of(&format!("up{change}"), &origin, "/*"));
            let taken = || run.said().matches("the new policy serves").count() == change || run.children().is_empty();
            assert!(Deadline::after(PATIENCE).wait_until(taken) && !run.children().is_empty(), "{}", run.said());
        }
        drop(end);
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    for result in results {
        assert!(result.as_ref().is_ok_and(|answers| *answers > 25), "{result:?}\n{}", run.said());
    }
}

#[test]
fn nobody_gets_the_port_while_envoy_starts() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200));
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name).display().to_string();
    let lines = format!(
        "#!/bin/sh\n: > {}\nwhile [ ! -e {} ]; do sleep 0.05; done\nexec {} \"$@\"\n",
        path("begun"),
        path("go"),
        proxy::envoy::program().display()
    );
    fs::write(path("envoy"), lines).unwrap();
    fs::set_permissions(path("envoy"), Permissions::from_mode(0o700)).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut run = Run::start(&policy(&origin, "/*"), &["--port", &free.port().to_string(), "--envoy", &path("envoy")]);
    let begun = Deadline::after(PATIENCE).wait_until(|| Path::new(&path("begun")).exists());
    let taken = TcpListener::bind(free).map(|_| ()).map_err(|error| error.kind());
    fs::write(path("go"), "").unwrap();
    assert!(begun && taken == Err(ErrorKind::AddrInUse), "{taken:?} {}", run.said());
    assert_eq!((run.ready(), status(free, "/x")), (free, 200));
}

#[test]
fn a_filter_that_envoy_refuses_ends_the_run_before_anybody_is_served() {
    let filters = tempfile::tempdir().unwrap();
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/wasm");
    for name in weir::translate::MODULES {
        let file = format!("{name}.wasm");
        symlink(built.join(&file), filters.path().join(&file)).unwrap();
    }
    let damaged = filters.path().join("correlation.wasm");
    fs::remove_file(&damaged).unwrap();
    fs::write(damaged, "no module").unwrap();
    let mut run = Run::start(&policy(&Origin::start(), "/"), &["--filters", filters.path().to_str().unwrap()]);
    assert_eq!(run.ended(), Some(1));
    let why = "Envoy did not accept the configuration; its log says why";
    assert!(run.said().contains(why) && !run.said().contains("ready at"), "{}", run.said());
}

#[test]
fn the_access_log_is_on_standard_output_as_it_is_written() {
    let origin = Origin::start();
    let mut run = Run::start(&policy(&origin, "/"), &[]);
    let address = run.ready();
    assert_eq!(status(address, "/"), 200);
    let mut log = File::open(run.path("log")).unwrap();
    let mut text = String::new();
    let came = Deadline::after(Duration::from_secs(5)).wait_until(|| {
        log.read_to_string(&mut text).unwrap();
        text.contains("\"path\":\"/\"")
    });
    assert!(came, "{text}");
}
