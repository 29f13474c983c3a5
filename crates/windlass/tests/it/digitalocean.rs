//! DigitalOcean's API over real processes: sources from git, builds, jobs, blue-green.

mod across;
mod cancel;
mod fetch;
mod hidden;
mod hostile;
mod https;
mod kills;
mod overlap;
mod ssh;
mod three;
mod world;
