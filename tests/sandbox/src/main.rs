//! `sandbox`: the stand-ins as a program, until Ctrl-C.

use std::{io, net::SocketAddr, process::ExitCode};

use sandbox::{Sandbox, Settings};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "\
usage: sandbox [--listen ADDRESS:PORT] [--strict | --relaxed]
       sandbox jwks

  --listen   where to listen (127.0.0.1:9400); port 0 lets the kernel choose
  --strict   the providers keep their own rate limits (the default)
  --relaxed  they do not: for load tests
  jwks       print the identity provider's key set
";

/// What the command line asks for.
enum Command {
    Serve { listen: SocketAddr, settings: Settings },
    PrintKeys,
    Help,
}

fn command(mut words: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 9400));
    let mut settings = Settings::default();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--listen" => {
                let address = words.next().ok_or("--listen needs ADDRESS:PORT")?;
                listen = address.parse().map_err(|_| format!("--listen {address}: not ADDRESS:PORT"))?;
            }
            "--strict" => settings.strict = true,
            "--relaxed" => settings.strict = false,
            "jwks" => return Ok(Command::PrintKeys),
            "-h" | "--help" => return Ok(Command::Help),
            unknown => return Err(format!("{unknown}: not understood")),
        }
    }
    Ok(Command::Serve { listen, settings })
}

fn serve(listen: SocketAddr, settings: Settings) -> io::Result<()> {
    // The handlers are there before the line that says so: who reads it may send a signal at once.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let strictness = if settings.strict { "strict" } else { "relaxed" };
        let sandbox = Sandbox::start_with(settings, listen)?;
        println!("sandbox: ready at http://{} ({strictness})", sandbox.address());
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}

fn main() -> ExitCode {
    match command(std::env::args().skip(1)) {
        Ok(Command::Serve { listen, settings }) => match serve(listen, settings) {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) if reason.kind() == io::ErrorKind::AddrInUse => {
                eprintln!("sandbox: {listen} is taken by another program; choose a port with --listen 127.0.0.1:PORT");
                ExitCode::FAILURE
            }
            Err(reason) => {
                eprintln!("sandbox: cannot serve at {listen}: {reason}");
                ExitCode::FAILURE
            }
        },
        Ok(Command::PrintKeys) => {
            println!("{}", sandbox::jwks());
            ExitCode::SUCCESS
        }
        Ok(Command::Help) => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprint!("sandbox: {reason}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}
