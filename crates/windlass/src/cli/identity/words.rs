//! The words of `windlass user|org|space|token`.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand, ValueEnum};

/// `windlass user …`.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make a user; the password is read from standard input, or made and printed once
    #[command(after_help = "Examples:
  windlass user create alice
  printf %s \"$PASSWORD\" | windlass user create alice --password-stdin
  windlass user create root2 --admin
  windlass user create ci --client
  windlass user create bob --org acme --space dev    with all rights there")]
    Create {
        /// Login name.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// Member and manager of this organization.
        #[arg(long, value_name = "ORG")]
        org: Option<String>,
        /// Manager and developer of this space of --org.
        #[arg(long, value_name = "SPACE", requires = "org")]
        space: Option<String>,
        /// Read the password from standard input.
        #[arg(long)]
        password_stdin: bool,
        /// May do everything.
        #[arg(long)]
        admin: bool,
        /// A program: it logs in with its own credentials, not as a person.
        #[arg(long)]
        client: bool,
    },
    /// List users
    List,
    /// Delete a user with roles and tokens
    Delete {
        /// Login name.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
    },
    /// Give a user a role
    #[command(after_help = "Examples:
  windlass user set-role alice organization-manager --org acme
  windlass user set-role alice space-developer --org acme --space dev")]
    SetRole(RoleFlags),
    /// Take a role from a user
    UnsetRole(RoleFlags),
}

/// A role of a user somewhere.
#[derive(Debug, Args)]
pub struct RoleFlags {
    /// Login name.
    pub name: String,
    /// Which role.
    #[arg(value_enum)]
    pub role: RoleWord,
    /// In this organization.
    #[arg(long, value_name = "ORG")]
    pub org: String,
    /// In this space (for space roles).
    #[arg(long, value_name = "SPACE")]
    pub space: Option<String>,
}

/// Roles by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleWord {
    /// Member of an organization.
    OrganizationUser,
    /// Reads an organization.
    OrganizationAuditor,
    /// Manages an organization.
    OrganizationManager,
    /// Manages its billing.
    OrganizationBillingManager,
    /// Reads a space.
    SpaceAuditor,
    /// Develops in a space.
    SpaceDeveloper,
    /// Manages a space.
    SpaceManager,
    /// Operates apps without changing them.
    SpaceSupporter,
}

/// `windlass org …`.
#[derive(Debug, Subcommand)]
pub enum OrgCommand {
    /// Make an organization
    #[command(after_help = "A second tenant is two commands:
  windlass org create acme --space dev
  windlass user create alice --org acme --space dev

Then, in a shell of theirs: eval \"$(windlass env --user alice)\"")]
    Create {
        /// Its name.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// Make a first space in it.
        #[arg(long, value_name = "SPACE")]
        space: Option<String>,
    },
    /// List organizations with their quota
    List,
    /// Delete an organization with everything in it
    Delete {
        /// Its name.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
    },
    /// Set upper limits; those that are not named stay
    #[command(after_help = "Examples:
  windlass org set-quota acme --memory 4096 --instances 20 --tasks 10
  windlass org set-quota acme --memory unlimited")]
    SetQuota {
        /// Its name.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// Memory of all instances and tasks, MiB, or `unlimited`.
        #[arg(long, value_name = "MIB")]
        memory: Option<String>,
        /// Instances of all apps, or `unlimited`.
        #[arg(long, value_name = "N")]
        instances: Option<String>,
        /// Tasks that wait or run, or `unlimited`.
        #[arg(long, value_name = "N")]
        tasks: Option<String>,
    },
}

/// `windlass space …`.
#[derive(Debug, Subcommand)]
pub enum SpaceCommand {
    /// Make a space
    Create {
        /// Its name.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// Its organization.
        #[arg(long, value_name = "ORG")]
        org: String,
    },
    /// List spaces
    List {
        /// Only those of this organization.
        #[arg(long, value_name = "ORG")]
        org: Option<String>,
    },
    /// Delete a space with everything in it
    Delete {
        /// Its name.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// Its organization.
        #[arg(long, value_name = "ORG")]
        org: String,
    },
}

/// `windlass token …`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a bearer token; it is printed once
    #[command(after_help = "Example:\n  windlass token create ci --user alice --days 90")]
    Create {
        /// Name of the token.
        name: String,
        /// Whose it is.
        #[arg(long, value_name = "NAME")]
        user: String,
        /// Days until it ends; without it never.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: Option<u32>,
    },
    /// List tokens (never their values)
    List {
        /// Only those of this user.
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// Delete a token
    Delete {
        /// Its id, as `token list` shows it.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
    /// Sign access tokens with a new key; those of the old one stay good until they end
    RotateKey,
}
