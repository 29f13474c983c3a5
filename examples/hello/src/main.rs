//! An application to deploy: says which version and which instance it is, and misbehaves on
//! request. Standard library only. See README.md.

mod body;
mod request;
mod routes;
mod server;
mod settings;
mod sha1;
mod stop;
mod task;
mod websocket;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mode = arguments.first().map_or("web", String::as_str);
    match mode {
        "web" => server::run(),
        "worker" => task::work(),
        "task" => task::succeed(&arguments[1..]),
        "fail" => task::fail(),
        "task-ignore-term" => task::ignore_term(),
        "orphan" => task::hang("orphan"),
        other => {
            eprintln!("unknown mode {other:?}; one of: web worker task fail task-ignore-term");
            ExitCode::from(2)
        }
    }
}
