//! A changed policy, brought to a running Envoy as `weir apply` does it ([`crate::apply::change`]): no request is lost, and no
//! connection is closed.
//!
//! A policy with a mistake stops at the check, and whatever Envoy itself refuses leaves the old configuration serving.

use std::time::{Duration, Instant};

use crate::apply::{Failure, Outcome};
use crate::run::folder::Folder;
use crate::run::plan::Launch;
use crate::say;

/// How long the filters of the policy before are kept for what their requests still ask for.
const LINGER: Duration = Duration::from_secs(10);

/// Brings changes to one Envoy.
pub struct Reloader<'a> {
    folder: &'a Folder,
    /// When the filters of the policy before may go.
    due: Option<Instant>,
}

impl<'a> Reloader<'a> {
    /// For an Envoy that was started on the files of this folder.
    pub const fn new(folder: &'a Folder) -> Self {
        Self { folder, due: None }
    }

    /// Reads the policy again and brings it to Envoy; says what became of it.
    pub fn reload(&mut self, launch: &mut Launch<'_>) {
        let file = launch.options.file.display();
        let old = "the policy before the change keeps serving";
        let Ok(document) = launch.document_of() else {
            say::complain(format_args!("weir: what {file} says has changed and has mistakes; {old}"));
            return;
        };
        let document = launch.placed(document);
        match self.folder.bring(launch, &document) {
            Ok(Outcome::Serves(_, after)) => {
                say::complain(format_args!(
                    "weir: what {file} says has changed; the new policy serves after {} ms",
                    after.as_millis()
                ));
                self.due = Some(Instant::now() + LINGER);
                launch.document = document;
            }
            Ok(Outcome::Unchanged(_) | Outcome::Begun(_)) => {
                say::complain(format_args!("weir: what {file} says has changed, and means what it did"));
            }
            Err(Failure::Mistakes) => say::complain(format_args!("weir: what {file} says has mistakes; {old}")),
            Err(Failure::Unable(reason) | Failure::Refused(reason)) => {
                say::complain(format_args!("weir: what {file} says has changed, but {reason}; {old}"));
            }
        }
    }

    /// When [`Reloader::settle`] has something to do next.
    pub const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Lets the filters of the policy before go.
    pub fn settle(&mut self) {
        self.due = None;
        self.folder.settle();
    }
}
