//! The demo, whose admin filter finds the Envoy that runs it.

// Each test has use for some of this.
#![allow(dead_code)]

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread;

use proxy::{Answer, Envoy, Request, client};
use sandbox::Sandbox;
use suite::module;
use weir::document::{self, Reading};
use weir::envoy::{Plan, bootstrap};

/// The gateway and what is behind it.
pub(crate) struct Gateway {
    pub(crate) envoy: Envoy,
    _sandbox: Sandbox,
}

impl Gateway {
    pub(crate) fn start() -> Self {
        let sandbox = Sandbox::start();
        let url = format!("http://{}", sandbox.address());
        let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../envoy/policies/demo.yaml");
        let bytes = std::fs::read(policy).expect("the policy is in the repository");
        let reading = Reading { sandbox: Some(&url), ..Reading::default() };
        let mut document = document::read(Path::new("demo.yaml"), &bytes, &reading)
            .unwrap_or_else(|refused| panic!("{}", refused.render(false)));
        let way = Way::open();
        document.policy.listen.value.set_port(0);
        document.policy.admin.value = way.address;
        let module = module::path("auth");
        let wasm = module.parent().expect("a folder");
        let plan = Plan { policy: &document.policy, filters: &document.filters, wasm };
        let envoy =
            Envoy::start(&bootstrap::standalone(&plan).to_string()).unwrap_or_else(|failure| panic!("{failure}"));
        way.leads_to.set(envoy.admin_address()).expect("it leads nowhere yet");
        Self { envoy, _sandbox: sandbox }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.envoy.address())
    }

    pub(crate) fn send(&self, request: &Request) -> Answer {
        client::call(self.envoy.address(), request).expect("an answer")
    }

    pub(crate) fn ask(&self, path: &str) -> Answer {
        self.send(&Request::get(path).header("host", self.envoy.address().to_string()))
    }
}

/// A way to Envoy's administration, which says only once it runs where that is: its configuration names this.
pub(crate) struct Way {
    pub(crate) address: SocketAddr,
    pub(crate) leads_to: Arc<OnceLock<SocketAddr>>,
}

impl Way {
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let (address, leads_to) = (listener.local_addr().expect("an address"), Arc::new(OnceLock::new()));
        let known = Arc::clone(&leads_to);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(there) = known.get().and_then(|address| TcpStream::connect(address).ok()) else { continue };
                let again = |stream: &TcpStream| stream.try_clone().expect("a stream can be shared");
                let ways = [(again(&stream), again(&there)), (there, stream)];
                for (mut from, mut to) in ways {
                    thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(std::net::Shutdown::Write);
                    });
                }
            }
        });
        Self { address, leads_to }
    }
}
