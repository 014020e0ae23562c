//! Whether a port is free, before Envoy finds out.

use std::io;
use std::net::{SocketAddr, TcpListener};

use crate::run::Failure;

/// The address itself, or where its port is 0 the same with a port that is free.
///
/// # Errors
/// Says which option chooses another port, where this one is taken.
pub fn free(address: SocketAddr, option: &str) -> Result<SocketAddr, Failure> {
    let bound = TcpListener::bind(address).and_then(|listener| listener.local_addr());
    bound.map_err(|error| {
        let port = address.port();
        Failure::because(match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("port {port} is taken by another program: end it, or choose another port with {option}")
            }
            io::ErrorKind::PermissionDenied => {
                format!("port {port} may not be used by this user: choose another port with {option}")
            }
            _ => format!("{address} cannot be used: {error}; {option} chooses another port"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_the_option_that_changes_it() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let said = free(address, "--port").unwrap_err().to_string();
        assert_eq!(
            said,
            format!("port {} is taken by another program: end it, or choose another port with --port", address.port())
        );
        drop(taken);
        assert_eq!(free(address, "--port").unwrap(), address);
        assert_ne!(free("127.0.0.1:0".parse().unwrap(), "--port").unwrap().port(), 0);
    }
}
