//! The router with real sockets, real instances and control's link.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail like the tests themselves"
)]

mod balance;
mod child;
mod client;
mod drain;
mod files;
mod flow;
mod hold;
mod ingress;
mod instance;
mod manners;
mod refuse;
mod restart;
mod site;
mod sticky;
mod switch;
mod tls;
mod upgrade;
mod visitors;
mod world;
