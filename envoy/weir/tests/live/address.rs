//! What a folder's bootstrap says of Envoy's administration, as if Envoy kept to it: a test's Envoys are where the kernel says.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value as Json, json};

/// Has the bootstrap of a folder say this.
pub(crate) fn name_address(folder: &Path, address: SocketAddr) {
    let file = folder.join("bootstrap.json");
    let mut bootstrap: Json = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    bootstrap["admin"]["address"]["socket_address"] =
        json!({"address": address.ip().to_string(), "port_value": address.port()});
    fs::write(file, bootstrap.to_string()).unwrap();
}
