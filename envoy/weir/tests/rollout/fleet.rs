//! Envoys, each with a folder of its own, and clients that ask all of them all the time.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use proxy::deadline::Deadline;
use proxy::{Client, Envoy, Options, Request};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::address::name_address;
use crate::modules::only;

/// How many clients each proxy has.
const CLIENTS: usize = 4;
/// How long each thinks before it asks again.
const PAUSE: Duration = Duration::from_millis(100);

/// What only the environments of the command and of the first proxy have.
pub(crate) const PEPPER: (&str, &str) = ("WEIR_TEST_PEPPER", "dGhlIHBlcHBlciBvZiB0aGUgdGVzdHMsIGxvbmcgZW5vdWdo");

/// What a proxy has answered.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    /// In their order; 0 where there was no answer.
    pub(crate) statuses: Vec<u16>,
    /// How long it was between the first answer that was not 200 and the last.
    pub(crate) harmed: Duration,
    first: Option<Instant>,
}

/// One fleet at a time: each Envoy follows files, and a user may follow but so many (`fs.inotify.max_user_instances`).
static ALONE: Mutex<()> = Mutex::new(());

/// The fleet.
pub(crate) struct Fleet {
    place: TempDir,
    filters: TempDir,
    envoys: Vec<Option<Envoy>>,
    /// Each one's line of the fleet's file.
    proxies: Vec<String>,
    addresses: Arc<Vec<Mutex<SocketAddr>>>,
    seen: Arc<Vec<Mutex<Seen>>>,
    resting: Arc<AtomicBool>,
    /// Given up last, when no Envoy is left.
    _alone: MutexGuard<'static, ()>,
}

impl Fleet {
    /// Starts so many Envoys on a policy, the first with [`PEPPER`], and waits until there is a past to compare with.
    pub(crate) fn start(size: usize, policy: &str) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (place, filters) = (tempfile::tempdir().unwrap(), only(&["auth"]));
        fs::write(place.path().join("first.yaml"), policy).unwrap();
        let start = |index: usize| {
            let mut begin = Command::new(env!("CARGO_BIN_EXE_weir"));
            begin.current_dir(place.path()).args(["apply", "first.yaml", "--xds-dir", &format!("edge-{index}")]);
            assert!(begin.arg("--filters").arg(filters.path()).status().unwrap().success());
            let bootstrap = fs::read_to_string(place.path().join(format!("edge-{index}/bootstrap.json"))).unwrap();
            let variable = (index == 0).then(|| (PEPPER.0.to_owned(), PEPPER.1.to_owned()));
            let environment = variable.into_iter().collect();
            let options = Options { concurrency: 1, environment, ..Options::default() };
            Envoy::start_with(&bootstrap, &options).unwrap_or_else(|failure| panic!("{failure}"))
        };
        let envoys: Vec<_> = thread::scope(|scope| {
            let starting: Vec<_> = (0..size).map(|index| scope.spawn(move || start(index))).collect();
            starting.into_iter().map(|envoy| envoy.join().unwrap()).collect()
        });
        let of = |(index, envoy): (usize, &Envoy)| {
            format!("- {{name: edge-{index}, xds_dir: edge-{index}, admin: '{}'}}\n", envoy.admin_address())
        };
        let proxies: Vec<String> = envoys.iter().enumerate().map(of).collect();
        let seen: Arc<Vec<_>> = Arc::new((0..size).map(|_| Mutex::new(Seen::default())).collect());
        let resting = Arc::new(AtomicBool::new(false));
        let addresses: Arc<Vec<_>> =
            Arc::new(envoys.iter().map(|envoy| Mutex::new(envoy.listener("weir").unwrap())).collect());
        for index in 0..size {
            for _ in 0..CLIENTS {
                let (addresses, seen, resting) = (Arc::clone(&addresses), Arc::clone(&seen), Arc::clone(&resting));
                thread::spawn(move || ask(&addresses[index], &seen[index], &resting));
            }
        }
        let envoys = envoys.into_iter().map(Some).collect();
        let fleet = Self { place, filters, envoys, proxies, addresses, seen, resting, _alone: alone };
        fleet.only(size);
        let enough = || fleet.seen().iter().all(|seen| seen.statuses.len() > 60);
        assert!(Deadline::after(Duration::from_secs(30)).wait_until(enough));
        assert!(fleet.seen().iter().flat_map(|seen| &seen.statuses).all(|status| *status == 200));
        fleet.forget();
        fleet
    }

    /// Has a proxy's clients know where it listens now: no port is sure to be the kernel's choice twice.
    pub(crate) fn find(&self, proxy: usize) {
        let listeners: Json = serde_json::from_str(&self.admin(proxy, "/listeners?format=json")).unwrap();
        let named = |status: &&Json| status["name"] == "weir";
        let status = listeners["listener_statuses"].as_array().unwrap().iter().find(named).unwrap();
        let port = status["local_address"]["socket_address"]["port_value"].as_u64().unwrap();
        self.addresses[proxy].lock().unwrap().set_port(port.try_into().unwrap());
    }

    /// Ends an Envoy.
    pub(crate) fn kill(&mut self, proxy: usize) {
        self.envoys[proxy] = None;
    }

    fn admin(&self, proxy: usize, path: &str) -> String {
        self.envoys[proxy].as_ref().unwrap().admin(path)
    }

    /// What has been answered since [`Fleet::forget`].
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.iter().map(|seen| seen.lock().unwrap().clone()).collect()
    }

    /// Counts anew.
    pub(crate) fn forget(&self) {
        self.seen.iter().for_each(|seen| *seen.lock().unwrap() = Seen::default());
    }

    /// Asks nothing any more.
    pub(crate) fn rest(&self) {
        self.resting.store(true, Relaxed);
    }

    /// Has the fleet's file name only the first so many.
    pub(crate) fn only(&self, size: usize) {
        let proxies: String = self.proxies.iter().take(size).map(String::as_str).collect();
        fs::write(self.place.path().join("fleet.yaml"), format!("proxies:\n{proxies}")).unwrap();
    }

    /// Has the fleet's file leave out where the Envoys are, and their bootstraps say it.
    pub(crate) fn leave_out_addresses(&self) {
        let name = |(index, envoy): (usize, &Option<Envoy>)| {
            name_address(&self.folder(index), envoy.as_ref().unwrap().admin_address());
            format!("- {{name: edge-{index}, xds_dir: edge-{index}}}\n")
        };
        let proxies: String = self.envoys.iter().enumerate().map(name).collect();
        fs::write(self.place.path().join("fleet.yaml"), format!("proxies:\n{proxies}")).unwrap();
    }

    /// Has the filters be other code from now on: a custom section (WebAssembly core specification, 2.5.2) says nothing.
    pub(crate) fn change_code(&self) {
        for entry in fs::read_dir(self.filters.path()).unwrap() {
            let path = entry.unwrap().path();
            let mut bytes = fs::read(&path).unwrap();
            bytes.extend(b"\x00\x06\x05other");
            fs::write(path, bytes).unwrap();
        }
    }

    /// The code that a proxy's policy has.
    pub(crate) fn code(&self, proxy: usize) -> Vec<String> {
        let folder = weir::xds::folder::Folder::open(&self.folder(proxy)).unwrap();
        let kept = folder.kept(folder.current().unwrap().number).unwrap();
        kept.rendering.code().map(str::to_owned).collect()
    }

    /// What a proxy follows.
    pub(crate) fn folder(&self, proxy: usize) -> PathBuf {
        self.place.path().join(format!("edge-{proxy}"))
    }

    /// Where it is remembered how far a rollout has come.
    pub(crate) fn state(&self) -> PathBuf {
        self.place.path().join("fleet.rollout.json")
    }

    /// Where the policy of a rollout is.
    pub(crate) fn policy(&self) -> PathBuf {
        self.place.path().join("policy.yaml")
    }

    /// What Envoy says of the routes of a proxy, and what its folder says of the policy that they are of.
    pub(crate) fn runs(&self, proxy: usize) -> String {
        let routes = self.admin(proxy, "/config_dump?resource=dynamic_route_configs");
        let folder = weir::xds::folder::Folder::open(&self.folder(proxy)).unwrap();
        let kept = folder.current().and_then(|version| folder.kept(version.number));
        routes + &kept.unwrap().name
    }

    /// Somebody changes one proxy by hand.
    pub(crate) fn apply(&self, proxy: usize, policy: &str) {
        fs::write(self.place.path().join("theirs.yaml"), policy).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.current_dir(self.place.path()).args(["apply", "theirs.yaml", "--xds-dir", &format!("edge-{proxy}")]);
        let admin = self.envoys[proxy].as_ref().unwrap().admin_address().to_string();
        command.args(["--admin", &admin, "--linger", "0s", "--filters"]).arg(self.filters.path());
        assert!(command.status().unwrap().success());
    }

    /// A rollout.
    pub(crate) fn command(&self, policy: &str, more: &[&str]) -> Command {
        fs::write(self.policy(), policy).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.current_dir(self.place.path()).args(["rollout", "policy.yaml", "--fleet", "fleet.yaml"]);
        if !more.contains(&"--watch") {
            command.args(["--watch", "2s"]);
        }
        if !more.contains(&"--least") {
            command.args(["--least", "30"]);
        }
        command.args(["--linger", "300ms", "--filters"]).arg(self.filters.path()).args(more);
        command.env(PEPPER.0, PEPPER.1).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// How a rollout ended, and what it said: first what went wrong.
    pub(crate) fn roll(&self, policy: &str, more: &[&str]) -> (Option<i32>, String) {
        let output = self.command(policy, more).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        (output.status.code(), said.into_owned())
    }
}

/// Asks until nobody wants to know, on one connection as long as that stays open.
fn ask(address: &Mutex<SocketAddr>, seen: &Mutex<Seen>, resting: &AtomicBool) {
    let mut client: Option<Client> = None;
    while !resting.load(Relaxed) {
        let answer =
            client.take().map_or_else(|| Client::connect(*address.lock().unwrap()), Ok).and_then(|mut open| {
                let answer = open.call(&Request::get("/x").header("x-key", "sandbox-key-of-the-scraper"));
                client = Some(open);
                answer
            });
        let status = answer.as_ref().map_or(0, |answer| answer.status);
        if answer.is_ok_and(|answer| answer.text("connection").as_deref() == Some("close")) || status == 0 {
            client = None;
        }
        let mut seen = seen.lock().unwrap();
        seen.statuses.push(status);
        if status != 200 {
            let first = *seen.first.get_or_insert_with(Instant::now);
            seen.harmed = first.elapsed();
        }
        drop(seen);
        thread::sleep(PAUSE);
    }
}
