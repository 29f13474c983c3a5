//! The router with real sockets, real instances and control's link.

mod balance;
mod child;
mod client;
mod drain;
mod flow;
mod hold;
mod instance;
mod refuse;
mod restart;
mod sticky;
mod switch;
mod tls;
mod upgrade;
mod world;
