//! The command line: its words and where each leads.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand};

use crate::output::Output;

pub mod client;
mod deployment;
mod env;
mod error;
mod files;
mod follow;
mod identity;
mod process;
mod reload;
mod run;

pub use error::CliError;
pub use identity::{OrgCommand, RoleFlags, RoleWord, SpaceCommand, TokenCommand, UserCommand};
pub use process::settings;
pub use run::run;

/// Deploys apps on your own machine; cancel always brings back what ran before.
#[derive(Debug, Parser)]
#[command(name = "windlass", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    /// Directory of all data [env: WINDLASS_DATA_DIR] [default: ~/.local/share/windlass].
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Form of the output.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub output: Output,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "Examples:
  windlass up                              start in the foreground
  eval \"$(windlass env)\"                   addresses, user and token for this shell
  windlass deployments                     what is going on
  windlass deployment cancel ID --wait     bring back what ran before
  windlass down                            stop Windlass and every app

Exit status: 0 done, 1 refused or failed, 2 wrong usage, 78 settings can't be used.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start Windlass in the foreground
    #[command(after_help = "Examples:
  windlass up
  windlass up --data-dir /tmp/try --key-file /tmp/try.key --ports auto
  windlass up --listen-router-http 0.0.0.0:80 --domain apps.example.com

Control-C stops Windlass and all apps. SIGTERM ends Windlass and keeps the apps running; the next \
`up` adopts them.")]
    Up {
        /// Settings.
        #[command(flatten)]
        settings: SettingFlags,
        /// Take over from the supervisor that has become this program.
        #[arg(long, hide = true)]
        take_over: bool,
    },
    /// Stop Windlass and every app; the next `up` starts the apps again
    #[command(after_help = "Example:\n  windlass down --data-dir /tmp/try")]
    Down,
    /// Go on as another release: nothing is refused, no instance is touched
    #[command(after_help = "Examples:
  windlass reload                                     the file of the program was replaced
  windlass reload --program /opt/windlass-1.1/windlass
  windlass reload --output json

The new program first checks itself: settings, key, the migration of the database on a copy, \
whether it understands what runs. Then it takes the place of supervisor, control and router. If it \
does not come up in time, the program before goes on, unless the database was migrated. Changed \
settings come into force too, addresses excepted.")]
    Reload {
        /// The new program; by default the file that the running one was started from.
        #[arg(long, value_name = "FILE")]
        program: Option<PathBuf>,
        /// Longest time for the check, for control to be ready and for the router, each.
        #[arg(long = "limit", value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
        limit_s: u64,
    },
    /// Show processes, addresses and means of isolation
    #[command(after_help = "Examples:\n  windlass status\n  windlass status --output json")]
    Status,
    /// Print variables for this shell: addresses, user, password, token, roots
    #[command(after_help = "Examples:
  eval \"$(windlass env)\"
  windlass env --user alice --output json")]
    Env {
        /// For this user instead of the first administrator.
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// Users and their roles
    #[command(subcommand)]
    User(UserCommand),
    /// Organizations: the tenants
    #[command(subcommand)]
    Org(OrgCommand),
    /// Spaces of an organization
    #[command(subcommand)]
    Space(SpaceCommand),
    /// Bearer tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// List deployments, newest first
    #[command(after_help = "Examples:
  windlass deployments
  windlass deployments --app hello --active --output json")]
    Deployments {
        /// Only those of this app (name or id).
        #[arg(long, value_name = "APP")]
        app: Option<String>,
        /// Only those that have no outcome yet.
        #[arg(long)]
        active: bool,
        /// At most so many.
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=5000))]
        limit: u32,
    },
    /// Show, cancel or continue a deployment
    #[command(subcommand)]
    Deployment(DeploymentCommand),
    /// List tasks, newest first
    #[command(after_help = "Examples:\n  windlass tasks --app hello\n  windlass tasks --active")]
    Tasks {
        /// Only those of this app (name or id).
        #[arg(long, value_name = "APP")]
        app: Option<String>,
        /// Only those that have not ended.
        #[arg(long)]
        active: bool,
        /// At most so many.
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=5000))]
        limit: u32,
    },
    /// Cancel a task
    #[command(subcommand)]
    Task(TaskCommand),
    /// Print the log of an app
    #[command(after_help = "Examples:\n  windlass logs hello\n  windlass logs hello --follow")]
    Logs {
        /// Name or id of the app.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        app: String,
        /// Go on as lines come.
        #[arg(long)]
        follow: bool,
        /// Start with so many of the last lines.
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
        lines: u32,
    },
    /// Print what happened: who did what, when, why
    #[command(
        after_help = "Examples:\n  windlass events\n  windlass events --follow --output json"
    )]
    Events {
        /// Go on as events come.
        #[arg(long)]
        follow: bool,
        /// Start with so many of the last events.
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Write a consistent copy of database and blobs while Windlass runs
    #[command(after_help = "Example:\n  windlass backup /backups/windlass.tar

The key file is not part of it: keep a copy of that elsewhere.")]
    Backup {
        /// File to write; must not exist.
        file: PathBuf,
    },
    /// Fill an empty data directory from a backup
    #[command(after_help = "Examples:
  windlass restore /backups/windlass.tar --data-dir /srv/windlass --key-file /etc/windlass/key
  windlass restore /backups/windlass.tar --replace

Windlass must not run there. The key file is that of the backed-up Windlass.")]
    Restore {
        /// File that `windlass backup` wrote.
        file: PathBuf,
        /// Discard the state that is there, and end every app that still runs of it.
        #[arg(long)]
        replace: bool,
        /// Settings (the key file of the backed-up Windlass).
        #[command(flatten)]
        settings: SettingFlags,
    },
    /// Check the settings and print what they come to
    #[command(after_help = "Examples:
  windlass check-config
  windlass check-config --domain apps.example.com --output json")]
    CheckConfig(SettingFlags),
    /// Whether this program can take over from the running one; started by `reload`
    #[command(hide = true, disable_help_flag = true)]
    ReloadCheck {
        /// Command line of the running `up`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// The role with APIs, engine and state; started by `up`
    #[command(hide = true)]
    Control,
    /// The role that proxies; started by `up`
    #[command(hide = true)]
    Router,
    /// The process beside each instance, task and build; started by control
    #[command(hide = true)]
    Shim {
        /// Directory of the run, or `--probe`.
        #[arg(allow_hyphen_values = true)]
        run_dir: PathBuf,
    },
    /// The program of a staging run, inside its sandbox; started by a shim
    #[command(hide = true, disable_help_flag = true)]
    Stage {
        /// What staging itself understands.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// What git takes for ssh, inside a sandbox; started by git
    #[command(hide = true, disable_help_flag = true)]
    GitSsh {
        /// Directory of the run.
        #[arg(long, value_name = "DIR")]
        directory: PathBuf,
        /// What ssh would be told; this server knows it.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Serves the files of an application on PORT, inside its sandbox; started by a shim
    #[command(hide = true)]
    StaticServer {
        /// Directory of the application.
        #[arg(long, value_name = "DIR")]
        app: PathBuf,
        /// Only check the Staticfile.
        #[arg(long)]
        check: bool,
    },
    /// The whole promise on a throw-away Windlass, under load
    #[command(hide = true)]
    Demo {
        /// Directory with the files of the example application: its program and its Procfile.
        #[arg(long, value_name = "DIR")]
        app: PathBuf,
        /// Leave it running at the end.
        #[arg(long)]
        stay: bool,
    },
}

/// Flags that overlay settings.
#[derive(Debug, Clone, Default, Args)]
pub struct SettingFlags {
    /// Key that encrypts secrets, outside of the data directory.
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<String>,
    /// Take free ports: `auto`, or those of the settings: `fixed`.
    #[arg(long, value_name = "auto|fixed")]
    pub ports: Option<String>,
    /// Address of the Cloud Foundry API, or NAME:PORT; with NAME:443 its URL needs no port.
    #[arg(long, value_name = "ADDR")]
    pub listen_cf: Option<String>,
    /// Address of the DigitalOcean API, or NAME:PORT; with NAME:443 its URL needs no port.
    #[arg(long, value_name = "ADDR")]
    pub listen_digitalocean: Option<String>,
    /// Address of the Vercel API, or NAME:PORT; with NAME:443 its URL needs no port.
    #[arg(long, value_name = "ADDR")]
    pub listen_vercel: Option<String>,
    /// Address of the router without TLS.
    #[arg(long, value_name = "ADDR")]
    pub listen_router_http: Option<String>,
    /// Address of the router with TLS.
    #[arg(long, value_name = "ADDR")]
    pub listen_router_https: Option<String>,
    /// Address of the counters.
    #[arg(long, value_name = "ADDR")]
    pub listen_metrics: Option<String>,
    /// Domain below which apps get their hosts.
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Option<String>,
    /// Means that keep apps apart: best, bare, or landlock,pidns,cgroup,uid.
    #[arg(long, value_name = "SET")]
    pub isolation: Option<String>,
    /// Base address of GitHub's repositories.
    #[arg(long, value_name = "URL")]
    pub github_url: Option<String>,
    /// Base address of GitLab's repositories.
    #[arg(long, value_name = "URL")]
    pub gitlab_url: Option<String>,
    /// Base address of Bitbucket's repositories.
    #[arg(long, value_name = "URL")]
    pub bitbucket_url: Option<String>,
    /// Git repositories may be on this machine: true or false.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub allow_loopback_sources: Option<String>,
    /// Seconds between looks at a branch that is deployed on push; 0 = never.
    #[arg(long, value_name = "SECONDS")]
    pub git_poll_interval_s: Option<String>,
    /// Secret that signs reports of pushes; others on this machine can read flags, so better set
    /// WINDLASS_WEBHOOK_SECRET or windlass.toml.
    #[arg(long, value_name = "SECRET")]
    pub webhook_secret: Option<String>,
    /// Private key for repositories that are reached by ssh.
    #[arg(long, value_name = "FILE")]
    pub git_ssh_key_file: Option<String>,
    /// Any other setting, as `windlass check-config` names them.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub set: Vec<String>,
}

/// `windlass deployment …`.
#[derive(Debug, Subcommand)]
pub enum DeploymentCommand {
    /// Print the record of a deployment
    #[command(after_help = "Example:\n  windlass deployment show ID --output json")]
    Show {
        /// Id, or enough of its beginning to be the only one.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
    /// Cancel: traffic, instances and configuration go back to what ran before
    #[command(after_help = "Examples:
  windlass deployment cancel ID --reason \"errors on /checkout\" --wait
  windlass deployment cancel ID --now                    traffic leaves as soon as anything else serves
  windlass deployment cancel ID --now --accept-outage    traffic leaves even when nothing else serves")]
    Cancel {
        /// Id, or enough of its beginning to be the only one.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        /// Why, for the record (at most 256 bytes).
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Take all traffic off it as soon as anything else is routable.
        #[arg(long)]
        now: bool,
        /// With --now: at once, even when nothing else is routable.
        #[arg(long, requires = "now")]
        accept_outage: bool,
        /// Wait for the outcome.
        #[arg(long)]
        wait: bool,
    },
    /// Continue a deployment that is paused at a step
    Continue {
        /// Id, or enough of its beginning to be the only one.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        /// Why, for the record (at most 256 bytes).
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Wait for the next pause or the outcome.
        #[arg(long)]
        wait: bool,
    },
}

/// `windlass task …`.
#[derive(Debug, Subcommand)]
pub enum TaskCommand {
    /// Cancel a task: every process of it ends
    Cancel {
        /// Id of the task.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        /// Why, for the record (at most 256 bytes).
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Wait until nothing of it runs.
        #[arg(long)]
        wait: bool,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn accept_outage_needs_now() {
        let parse = |extra: &[&str]| {
            let words = ["windlass", "deployment", "cancel", "x"]
                .iter()
                .chain(extra);
            Cli::try_parse_from(words)
        };
        assert!(parse(&["--accept-outage"]).is_err());
        assert!(parse(&["--now", "--accept-outage"]).is_ok());
    }
}
