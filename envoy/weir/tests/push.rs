//! What is pushed is in a real registry as it was in the layout, whoever it asks to be shown who pushes.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pack::image;
use pack::workspace::Module;
use proxy::deadline::PATIENCE;
use proxy::registry::{Access, Registry};
use proxy::{Origin, Reply, Request, client};
use serde_json::Value as Json;
use tempfile::TempDir;
use weir::push::layout::{Layout, digest};

/// A package of two modules, as `make package` would make it.
fn package() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, length) in [("auth", 300_000), ("cache", 7)] {
        let module = Module {
            name: name.to_owned(),
            package: name.to_owned(),
            version: "0.1.0".to_owned(),
            licence: "Apache-2.0".to_owned(),
            roots: vec![name.to_owned()],
        };
        let bytes: Vec<u8> = (0..length).map(|index: u32| u8::try_from(index % 251).unwrap()).collect();
        image::write(&folder.path().join("oci").join(name), &module, &bytes).unwrap();
    }
    folder
}

/// Runs the command; the environment has nothing but this, and a home without anything in it.
fn push(source: &Path, destination: &str, environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["push", &source.to_string_lossy(), destination]).env_clear().env("HOME", "/nowhere");
    command.envs(environment.iter().copied()).output().unwrap()
}

fn lines(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap().lines().map(str::to_owned).collect()
}

fn said(output: &Output) -> String {
    assert!(!output.status.success() && output.stdout.is_empty());
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn pull(registry: SocketAddr, target: &str, authorization: &str) -> (u16, Vec<u8>) {
    let request = Request::get(target).header("accept", image::MANIFEST).header("authorization", authorization);
    let answer = client::call(registry, &request).unwrap();
    (answer.status, answer.body)
}

/// Everything that a layout has is in the repository under these tags, byte by byte.
fn is_there(layout: &Path, registry: SocketAddr, repository: &str, tags: [&str; 2], authorization: &str) {
    let layout = Layout::read(layout).unwrap();
    assert_eq!(layout.images.len(), tags.len());
    for (image, tag) in layout.images.iter().zip(tags) {
        let (status, manifest) = pull(registry, &format!("/v2/{repository}/manifests/{tag}"), authorization);
        assert_eq!((status, digest(&manifest)), (200, image.manifest.digest.clone()), "{repository}:{tag}");
        let manifest: Json = serde_json::from_slice(&manifest).unwrap();
        for descriptor in manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]) {
            let named = descriptor["digest"].as_str().unwrap();
            let (status, bytes) = pull(registry, &format!("/v2/{repository}/blobs/{named}"), authorization);
            assert_eq!((status, digest(&bytes).as_str()), (200, named));
        }
    }
}

fn layout(package: &TempDir, module: &str) -> PathBuf {
    package.path().join("oci").join(module)
}

#[test]
fn a_package_is_in_the_registry_as_it_was_in_its_layouts() {
    let (registry, package) = (Registry::start(&Access::Anyone).unwrap(), package());
    let at = registry.address();
    let places = lines(&push(package.path(), &format!("{at}/weir"), &[]));
    assert_eq!(places.len(), 4);
    let auth = Layout::read(&layout(&package, "auth")).unwrap();
    assert_eq!(places[0], format!("{at}/weir/auth:0.1.0@{}", auth.images[0].manifest.digest));
    for module in ["auth", "cache"] {
        let repository = format!("weir/{module}");
        is_there(&layout(&package, module), at, &repository, ["0.1.0", "0.1.0-artifact"], "");
    }
    assert_eq!(lines(&push(package.path(), &format!("{at}/weir"), &[])), places, "pushed again, it is the same");
    lines(&push(&layout(&package, "cache"), &format!("{at}/else/where:v2"), &[]));
    is_there(&layout(&package, "cache"), at, "else/where", ["v2", "v2-artifact"], "");
}

/// `alice` and `open sesame`, as bcrypt and as HTTP have them.
const KNOWN: &str = "alice:$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW";
const ALICE: &str = "Basic YWxpY2U6b3BlbiBzZXNhbWU=";

#[test]
fn a_registry_that_wants_a_password_is_told_the_one_of_the_environment() {
    let (registry, package) = (Registry::start(&Access::Known(KNOWN.to_owned())).unwrap(), package());
    let (at, source) = (registry.address(), layout(&package, "cache"));
    let destination = format!("{at}/weir/cache:v1");
    let refused = said(&push(&source, &destination, &[]));
    assert!(refused.starts_with(&format!("weir: http://{at}/v2/weir/cache/blobs/sha256:")), "{refused}");
    assert!(refused.trim_end().ends_with("the registry answers 401"), "{refused}");
    let wrong = [("WEIR_REGISTRY_USER", "alice"), ("WEIR_REGISTRY_PASSWORD", "sesame")];
    let refused = said(&push(&source, &destination, &wrong));
    assert!(refused.contains("the registry answers 401") && !refused.contains("sesame"), "{refused}");
    let right = [("WEIR_REGISTRY_USER", "alice"), ("WEIR_REGISTRY_PASSWORD", "open sesame")];
    lines(&push(&source, &destination, &right));
    is_there(&source, at, "weir/cache", ["v1", "v1-artifact"], ALICE);
}

#[test]
fn a_registry_that_wants_a_token_is_shown_one_from_where_it_says() {
    let issuer = Origin::start();
    issuer.answer(Some("/token"), Reply::status(200).body(r#"{"token": "t0ken"}"#));
    let realm = format!("http://{}/token", issuer.address());
    let (registry, package) = (Registry::start(&Access::Token(realm)).unwrap(), package());
    let (at, source) = (registry.address(), layout(&package, "cache"));
    let config = tempfile::tempdir().unwrap();
    let stored = format!(r#"{{"auths": {{"{at}": {{"auth": "YWxpY2U6b3BlbiBzZXNhbWU="}}}}}}"#);
    std::fs::write(config.path().join("config.json"), stored).unwrap();
    let environment = [("DOCKER_CONFIG", config.path().to_str().unwrap())];
    lines(&push(&source, &format!("{at}/weir/cache:v1"), &environment));
    is_there(&source, at, "weir/cache", ["v1", "v1-artifact"], "Bearer t0ken");
    let asked = issuer.received();
    assert_eq!(asked.len(), 1, "one token is for all of it");
    let target = "/token?service=registry-of-tests&scope=repository%3Aweir%2Fcache%3Apull%2Cpush";
    assert_eq!(
        (asked[0].target.as_slice(), asked[0].first("authorization")),
        (target.as_bytes(), Some(ALICE.as_bytes()))
    );
}

#[test]
fn whoever_is_too_busy_is_asked_again_when_it_says() {
    let (registry, issuer, package) = (Origin::start(), Origin::start(), package());
    let source = layout(&package, "cache");
    issuer.answer(Some("/token"), Reply::status(503).header("retry-after", "1"));
    let realm = format!("http://{}/token", issuer.address());
    let (real, busy) = (Registry::start(&Access::Token(realm)).unwrap(), registry.address());
    let destination = format!("{}/weir/cache:v1", real.address());
    std::thread::scope(|scope| {
        let pushing = scope.spawn(|| lines(&push(&source, &destination, &[])));
        assert_eq!(issuer.wait_for(1, PATIENCE), 1);
        issuer.answer(Some("/token"), Reply::status(200).body(r#"{"token": "t0ken"}"#));
        pushing.join().unwrap();
    });
    is_there(&source, real.address(), "weir/cache", ["v1", "v1-artifact"], "Bearer t0ken");
    let [first, second] = issuer.arrivals().try_into().unwrap();
    assert!(second.duration_since(first).as_millis() >= 900);
    // Not for ever.
    registry.answer(None, Reply::status(429).header("retry-after", "0"));
    let refused = said(&push(&source, &format!("{busy}/weir/cache:v1"), &[]));
    assert!(refused.trim_end().ends_with("the registry answers 429"), "{refused}");
    assert_eq!(registry.received().len(), 4);
}

#[test]
fn a_credential_is_shown_once_and_to_the_registry_alone() {
    let (registry, elsewhere, package) = (Origin::start(), Origin::start(), package());
    let (source, destination) = (layout(&package, "cache"), format!("{}/weir/cache:v1", registry.address()));
    let known = [("WEIR_REGISTRY_USER", "alice"), ("WEIR_REGISTRY_PASSWORD", "open sesame")];
    let challenge = || Reply::status(401).header("www-authenticate", "Basic realm=\"tests\"");
    registry.answer(None, challenge());
    let refused = said(&push(&source, &destination, &known));
    assert!(refused.contains("the registry answers 401"), "{refused}");
    let shown = |request: &Request| request.first("authorization").map(<[u8]>::to_vec);
    let seen: Vec<_> = registry.received().iter().map(shown).collect();
    assert_eq!(seen, [None, Some(ALICE.as_bytes().to_vec())], "where it does not help, it is not shown again");

    let place = format!("http://{}/put?signed=1", elsewhere.address());
    registry.answer(None, Reply::status(404));
    registry.answer(Some("/v2/weir/cache/blobs/uploads/"), Reply::status(202).header("location", place));
    elsewhere.answer(None, challenge().body(r#"{"errors": [{"message": "who?"}]}"#));
    let refused = said(&push(&source, &destination, &known));
    assert_eq!(refused, format!("weir: http://{}/put: the registry answers 401: who?\n", elsewhere.address()));
    let sent = elsewhere.received();
    assert_eq!((sent.len(), sent[0].method.as_slice(), shown(&sent[0])), (1, &b"PUT"[..], None));
    let first = Layout::read(&source).unwrap().images[0].blobs[0].digest.replace(':', "%3A");
    assert_eq!(sent[0].target, format!("/put?signed=1&digest={first}").into_bytes());
}

#[test]
fn bytes_that_are_not_what_their_name_says_are_not_pushed() {
    let package = package();
    let blobs = layout(&package, "cache").join("blobs/sha256");
    let layer = Layout::read(&layout(&package, "cache")).unwrap().images[1].blobs[1].digest.replace("sha256:", "");
    std::fs::write(blobs.join(&layer), b"forged!").unwrap();
    let registry = Registry::start(&Access::Anyone).unwrap();
    let output = push(&layout(&package, "cache"), &format!("{}/weir/cache:v1", registry.address()), &[]);
    let refused = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && refused.ends_with("its bytes are not those that it is named after\n"),
        "{refused}"
    );
    let (status, _) = pull(registry.address(), "/v2/weir/cache/manifests/v1-artifact", "");
    assert_eq!(status, 404);
}

#[test]
fn what_is_rendered_names_what_was_packaged_by_its_digest() {
    let package = package();
    let policy = package.path().join("p.yaml");
    std::fs::write(
        &policy,
        "version: 1\nupstreams: {a: {url: http://a.example, internal: true}}\nroutes: [{match: GET /a, upstream: a}]\n",
    )
    .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["render", "istio", policy.to_str().unwrap(), "--images", "registry.example/w"])
        .args(["--package", package.path().to_str().unwrap()])
        .output()
        .unwrap();
    let list: Json = serde_json::from_slice(&output.stdout).unwrap();
    let urls: Vec<_> =
        list["items"].as_array().unwrap().iter().filter_map(|item| item["spec"]["url"].as_str()).collect();
    let digest = |module: &str| Layout::read(&layout(&package, module)).unwrap().images[0].manifest.digest.clone();
    for module in ["auth", "cache"] {
        assert!(urls.contains(&format!("oci://registry.example/w/{module}@{}", digest(module)).as_str()), "{urls:?}");
    }
    let by_version = concat!("oci://registry.example/w/breaker:", env!("CARGO_PKG_VERSION"));
    assert!(urls.contains(&by_version), "what is not in the package has its version: {urls:?}");
}

#[test]
fn a_registry_elsewhere_is_spoken_to_over_tls_alone() {
    let package = package();
    // Nothing listens there; that the address is asked for over TLS is in what is said.
    let refused = said(&push(&layout(&package, "cache"), "registry.invalid/weir/cache:v1", &[]));
    assert!(refused.starts_with("weir: https://registry.invalid/v2/weir/cache/blobs/sha256:"), "{refused}");
    let refused = said(&push(&layout(&package, "cache"), "weir/cache", &[]));
    assert_eq!(refused, "weir: `weir/cache`: expected a registry's host before the first `/`\n");
}
