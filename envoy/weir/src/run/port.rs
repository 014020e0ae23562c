//! Whether a port is free, before Envoy finds out; and that it stays so until Envoy has it.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketType, bind, socket, sockopt};

use crate::run::Failure;

/// A port that nobody gets but who shares it as Envoy's listeners do (`SO_REUSEPORT`). The kernel gives a port that is merely free
/// to whatever connects anywhere in the seconds until Envoy asks for it.
#[derive(Debug)]
pub struct Held(#[allow(dead_code, reason = "held for what its end does")] OwnedFd);

/// Holds a port: of the address itself, or one that is free where its port is 0.
///
/// # Errors
/// Says which option chooses another port, where this one is taken.
pub fn hold(address: SocketAddr, option: &str) -> Result<(SocketAddr, Held), Failure> {
    // Another program may share its ports, too: this one must have it alone.
    let address = free(address, option)?;
    // Beside connections of a run before, which the kernel remembers for a minute, only a weaker hold is to be had: a program that
    // asks for this very port could get it.
    let held = shared(address, false).or_else(|_| shared(address, true));
    let held = held.map_err(|error| refused(address, option, &error))?;
    Ok((address, Held(held)))
}

fn shared(address: SocketAddr, again: bool) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let held = socket(family, SocketType::STREAM, None)?;
    sockopt::set_socket_reuseaddr(&held, again)?;
    sockopt::set_socket_reuseport(&held, true)?;
    bind(&held, &address)?;
    Ok(held)
}

/// The address itself, or where its port is 0 the same with a port that is free.
///
/// # Errors
/// Says which option chooses another port, where this one is taken.
pub fn free(address: SocketAddr, option: &str) -> Result<SocketAddr, Failure> {
    let bound = TcpListener::bind(address).and_then(|listener| listener.local_addr());
    bound.map_err(|error| refused(address, option, &error))
}

fn refused(address: SocketAddr, option: &str, error: &io::Error) -> Failure {
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

    #[test]
    fn a_held_port_is_nobody_s_but_envoy_s() {
        let (address, held) = hold("127.0.0.1:0".parse().unwrap(), "--port").unwrap();
        assert_ne!(address.port(), 0);
        assert!(TcpListener::bind(address).is_err(), "nobody gets it alone");
        assert!(std::net::TcpStream::connect(address).is_err(), "nobody is answered before Envoy is there");
        assert!(hold(address, "--port").is_err());
        drop(held);
        assert!(hold(address, "--port").is_ok());
    }
}
