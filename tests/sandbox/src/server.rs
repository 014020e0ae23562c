//! The sandbox as a running server: it accepts, writes down, misbehaves when told to, and else asks the routes.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use axum::{Router, body::Body};
use hyper::{
    Request, Response, StatusCode, body::Incoming, header::CONTENT_LENGTH, server::conn::http1, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tower_service::Service;

use crate::{
    control,
    fault::{Action, Fault},
    identity::{Claims, Identity},
    journal::Seen,
    plain, provider, reply, service,
    settings::{Limit, Settings},
    upstream::Upstream,
    wire::{Cut, Doom, Ended, Wire},
    world::{Shared, World},
};

/// How many bytes of an answer are held to be cut.
const CUT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How many bytes of request headers a connection may send: more than Envoy forwards by default.
const REQUEST_BUFFER_BYTES: usize = 256 * 1024;

/// How many of them: more than the hundred that Envoy lets through, because it adds its own.
const HEADERS_MAX: usize = 256;

/// The address that a request came from: who a caller is, where the provider knows no better.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// A running sandbox on a port of its own; dropping it ends it.
///
/// ```
/// use sandbox::{Fault, Sandbox, Upstream};
/// let sandbox = Sandbox::start();
/// sandbox.fault(Upstream::Spotify, Fault::status(503).times(5));
/// assert_eq!(sandbox.count(Upstream::Spotify), 0);
/// ```
pub struct Sandbox {
    address: SocketAddr,
    world: Shared,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sandbox {
    /// Starts a sandbox with the default settings on a port that the kernel chooses.
    ///
    /// # Panics
    ///
    /// When the machine has no port or no thread left.
    pub fn start() -> Self {
        Self::start_with(Settings::default(), SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port and a thread")
    }

    /// Starts a sandbox with these settings on this address.
    pub fn start_with(settings: Settings, listen: SocketAddr) -> io::Result<Self> {
        // Not bound by the runtime: blocking on one inside another, as a test under tokio would, is a panic.
        let listener = std::net::TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        drop(entered);
        let world = Arc::new(World::new(settings));
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&world);
        let thread = thread::Builder::new().name("sandbox".to_owned()).spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    () = accept(listener, served) => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { address, world, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base address of one upstream, as a gateway would be given it: `http://127.0.0.1:9400/spotify/v1`.
    pub fn url(&self, upstream: Upstream) -> String {
        format!("http://{}{}", self.address, upstream.base())
    }

    /// Adds a fault behind those that wait already.
    ///
    /// # Panics
    ///
    /// When the fault contradicts itself, or too many are waiting.
    pub fn fault(&self, upstream: Upstream, fault: Fault) {
        if let Err(refused) = self.world.faults.add(upstream, fault) {
            panic!("this fault cannot be had: {}", refused.0);
        }
    }

    /// Takes back every fault of an upstream.
    pub fn clear_faults(&self, upstream: Upstream) {
        self.world.faults.clear(upstream);
    }

    /// How many requests an upstream received, those included that met a fault or a limit.
    pub fn count(&self, upstream: Upstream) -> u64 {
        self.world.journal.count(upstream)
    }

    /// How many requests were being answered at a time, at most, by all upstreams together.
    pub fn most_at_once(&self) -> u64 {
        self.world.journal.most_at_once()
    }

    /// The last requests that an upstream received (at most 64), oldest first.
    pub fn requests(&self, upstream: Upstream) -> Vec<Seen> {
        self.world.journal.last(upstream, usize::MAX)
    }

    /// Replaces an upstream's own limit; `None` lifts it.
    pub fn limit(&self, upstream: Upstream, limit: Option<Limit>) {
        let mut settings = self.world.settings();
        match limit {
            Some(limit) => settings.limits.insert(upstream, limit),
            None => settings.limits.remove(&upstream),
        };
    }

    /// How long the tokens live that Spotify and Beatport issue from now on.
    pub fn token_lifetime(&self, lifetime: Duration) {
        self.world.settings().token_seconds = lifetime.as_secs();
    }

    /// Makes every token invalid that Spotify and Beatport have issued.
    pub fn revoke_tokens(&self) {
        self.world.tokens.revoke_all();
    }

    /// A token of the identity provider.
    pub fn token(&self, claims: &Claims) -> String {
        self.world.identity.token(claims)
    }

    /// The ids at `MusicBrainz` of all recordings that the providers know.
    pub fn recordings(&self) -> Vec<String> {
        self.world.catalog.tracks.iter().map(|track| track.mbid.clone()).collect()
    }

    /// How many pieces of stock are reserved and not released, over all products.
    pub fn reserved(&self) -> u64 {
        self.world.stock.reserved()
    }

    /// How many pieces each open reservation is about, by order and product; in the order in which they were made.
    pub fn reservations(&self) -> BTreeMap<(String, String), Vec<u64>> {
        self.world.stock.reservations()
    }

    /// Forgets faults, counts, requests, spent budgets, reservations, watchlists and changed settings.
    pub fn reset(&self) {
        self.world.reset();
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The thread may have ended by itself; then it needs no telling.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The key set of the identity provider: what a policy carries inline.
pub fn jwks() -> String {
    Identity::published().jwks().to_string()
}

async fn accept(listener: TcpListener, world: Shared) {
    let router = routes(&world);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tokio::spawn(converse(stream, peer.ip(), Arc::clone(&world), router.clone()));
            }
            // Out of descriptors, most likely: some come back when connections close.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

fn routes(world: &Shared) -> Router {
    Router::new()
        .merge(provider::routes(world))
        .merge(service::routes())
        .nest("/id", crate::identity::routes())
        .nest("/control", control::routes())
        .fallback(async || reply::error(StatusCode::NOT_FOUND, "no upstream has this path"))
        .with_state(Arc::clone(world))
}

async fn converse(stream: TcpStream, peer: IpAddr, world: Shared, router: Router) {
    // A stand-in that waits for more bytes would be slower than the real thing.
    let _ = stream.set_nodelay(true);
    let doom = Doom::default();
    let wire = Wire::new(stream, doom.clone());
    let answering = service_fn(|request| answer(&world, &router, &doom, peer, request));
    // A client that goes away in mid-sentence is an everyday event under test, not an error of the sandbox.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .max_buf_size(REQUEST_BUFFER_BYTES)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(wire), answering)
        .await;
}

async fn answer(
    world: &Shared,
    router: &Router,
    doom: &Doom,
    peer: IpAddr,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Ended> {
    let Some(upstream) = Upstream::of_path(request.uri().path()) else {
        return Ok(ask(router, request).await);
    };
    world.journal.record(upstream, request.method(), request.uri(), request.headers());
    let _under_way = world.journal.begin();
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    let fault = world.faults.take(upstream, request.method().as_str(), target);
    if let Some((latency, _)) = &fault
        && !latency.is_zero()
    {
        tokio::time::sleep(*latency).await;
    }
    match fault.map(|(_, action)| action) {
        Some(Action::Reset) => {
            doom.seal();
            return Err(Ended("the connection was reset on demand"));
        }
        Some(Action::Status { status, headers, body }) => return Ok(reply::replaced(status, &headers, body)),
        Some(Action::Cut { sent_bytes }) => {
            request.extensions_mut().insert(Peer(peer));
            return cut(route(upstream, router, request).await, sent_bytes).await;
        }
        Some(Action::Answer) | None => {}
    }
    request.extensions_mut().insert(Peer(peer));
    Ok(route(upstream, router, request).await)
}

async fn route(upstream: Upstream, router: &Router, request: Request<Incoming>) -> Response<Body> {
    // The benchmark's origin takes the short way: what is measured above it is Envoy, not a router.
    if upstream == Upstream::Plain { plain::answer(request.uri()) } else { ask(router, request).await }
}

async fn ask(router: &Router, request: Request<Incoming>) -> Response<Body> {
    match router.clone().call(request).await {
        Ok(response) => response,
        Err(never) => {
            let _: Infallible = never;
            match never {}
        }
    }
}

/// Promises the whole body and sends its beginning.
async fn cut(response: Response<Body>, sent_bytes: u64) -> Result<Response<Body>, Ended> {
    let (mut head, body) = response.into_parts();
    let whole = axum::body::to_bytes(body, CUT_BYTES_MAX).await.map_err(|_| Ended("the body is too long to be cut"))?;
    let sent = usize::try_from(sent_bytes).unwrap_or(usize::MAX).min(whole.len());
    // A body that would be sent whole is promised to be longer, so that it is cut short in any case.
    let promised = if sent == whole.len() { sent + 1 } else { whole.len() };
    head.headers.insert(CONTENT_LENGTH, promised.into());
    Ok(Response::from_parts(head, Body::new(Cut::new(whole.slice(..sent)))))
}
