//! `windlass demo`: the whole promise on a throw-away Windlass, under load.
//!
//! Everything here looks at Windlass from outside: it starts the program, talks to its API as
//! anybody does, visits the app through the router and counts processes in `/proc`.

use std::path::{Path, PathBuf};

use crate::output::Output;

pub mod api;
pub mod bits;
pub mod census;
mod digitalocean;
mod failure;
mod interrupt;
pub mod line;
pub mod load;
pub mod platform;
mod pydo;
mod report;
pub mod repository;
pub mod server;
mod shares;
mod story;
mod tally;
mod vercel;
mod vercel_cli;

pub use failure::{Failure, WAIT_LIMIT, WAIT_POLL, wait_for};

use report::Report;
use server::Server;
use story::Story;

/// What the demo is asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// Directory with the files of the example application: its program and its Procfile.
    pub app: PathBuf,
    /// Whether Windlass stays running at the end.
    pub stay: bool,
    /// Form of the output.
    pub output: Output,
}

/// Plays the whole story. True if every statement of it held.
///
/// # Errors
/// When it could not be played to its end. What was found until then has been printed.
pub fn run(options: &Options) -> Result<bool, Failure> {
    let home = Home::new()?;
    let program =
        std::env::current_exe().map_err(Failure::system("find the path of this program"))?;
    let mut report = Report::new(options.output);
    // The chapter of the DigitalOcean API fetches from a repository on this machine.
    let flags = ["--set", "allow_loopback_sources=true"];
    let mut server = Server::new(&program, &home.path, &flags)?;
    let played = play(&mut server, &options.app, &mut report);
    interrupt::stop_here_if_interrupted();
    if let Err(failure) = &played {
        report.check("the demo comes to its end", false, &failure.to_string());
    }
    if options.stay && server.pid(server::Role::Supervisor).is_some() {
        report.orphans(&census::without_shim(&server.census()));
        server.leave_running();
        home.keep();
        report.next_steps(&server);
    } else {
        let orphans = match server.down() {
            Ok(()) => server.census(),
            Err(failure) => {
                report.check("windlass down", false, &failure.to_string());
                server.census()
            }
        };
        report.orphans(&orphans);
        report.by_hand();
    }
    let log = server.log();
    drop(server);
    let all_held = report.summary();
    if !all_held {
        report.trouble(&format!("output of windlass up:\n{log}"));
    }
    played.map(|()| all_held)
}

fn play(server: &mut Server, app: &Path, report: &mut Report) -> Result<(), Failure> {
    report.title("Windlass starts on a throw-away data directory");
    interrupt::end_with_us(server)?;
    server.up()?;
    let mut story = Story::begin(server, app, report)?;
    story.canary_is_continued_and_canceled()?;
    story.a_deaf_version_is_canceled()?;
    story.a_task_that_hides_is_canceled()?;
    story.version_three_rolls_out()?;
    story.control_is_killed()?;
    story.router_is_killed()?;
    story.end()?;
    digitalocean::play(server, app, report)?;
    vercel::play(server, report)
}

/// The directory of everything, removed at the end.
#[derive(Debug)]
struct Home {
    path: PathBuf,
    keeps: std::cell::Cell<bool>,
}

impl Home {
    fn new() -> Result<Self, Failure> {
        let mut name = [0_u8; 6];
        getrandom::fill(&mut name)
            .map_err(|error| Failure::Unexpected(format!("failed to get random bytes: {error}")))?;
        let path = std::env::temp_dir().join(format!("windlass-demo-{}", hex::encode(name)));
        Ok(Self {
            path,
            keeps: std::cell::Cell::new(false),
        })
    }

    fn keep(&self) {
        self.keeps.set(true);
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if !self.keeps.get() {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
