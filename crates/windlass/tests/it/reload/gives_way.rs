//! A program that can't take over leaves everything as it was, and says why.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use windlass::demo::census;
use windlass::demo::server::Role;

use super::{
    all_last, another, asking_the_api, begin, lasting, runs, script, text_of, with_next, words,
};
use crate::world::{World, none_failed, program, until};

#[test]
fn a_bad_program_leaves_everything_as_it_was() {
    let world = World::new();
    let app = world.push("hello", 1);
    let load = world.visitors(&app);
    let before = lasting(&world);
    let roles = [Role::Control, Role::Router].map(|role| world.server.pid(role));
    let home = world.server.home();
    let text = home.join("text");
    std::fs::write(&text, "no program").expect("file");
    let garbage = home.join("garbage");
    std::fs::write(&garbage, "no program").expect("file");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&garbage, mode).expect("mode");
    let passes = r#"echo '{"verdict":"passed","version":"9","schema_before":1,"schema_after":1}'"#;
    let only_check = r#"[ "$1" = reload-check ] && exec "$real" "$@""#;
    let bad: &[(PathBuf, &str)] = &[
        (home.join("absent"), "No such file"),
        (home.to_path_buf(), "Permission denied"),
        (text, "Permission denied"),
        (garbage, "Exec format error"),
        ("/bin/false".into(), "no Windlass that can take over"),
        (
            script(&world, "silent", "exit 0"),
            "no Windlass that can take over",
        ),
        (
            script(
                &world,
                "older",
                "echo 'unrecognized subcommand' >&2; exit 2",
            ),
            "and said: unrecognized subcommand",
        ),
        (
            script(&world, "boastful", &format!("{passes}; exit 3")),
            "its check ended with status 3",
        ),
        (
            script(&world, "endless", "sleep 600 & sleep 600"),
            "did not check itself within 2 s",
        ),
        (
            // It passes, but its settings are such that its control refuses to start.
            script(
                &world,
                "keyless",
                &format!("{only_check}\nexec \"$real\" \"$@\" --set key_file=/nonexistent/key"),
            ),
            "key file /nonexistent/key",
        ),
        (
            script(
                &world,
                "wrong",
                &format!("{only_check}\nexec \"$real\" \"$@\" --set log='['"),
            ),
            "setting `log`",
        ),
    ];
    for (program, reason) in bad {
        let output = world
            .server
            .run(&words(program, &["--limit", "2"]))
            .expect("run");
        let text = text_of(&output);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{}: {text}",
            program.display()
        );
        assert!(text.contains(reason), "{}: {text}", program.display());
        let now = [Role::Control, Role::Router].map(|role| world.server.pid(role));
        assert_eq!(now, roles, "{}", program.display());
    }
    all_last(&before);
    assert_eq!(census::with_words(&["sleep", "600"]), []);
    runs(&world, &program());
    none_failed(load);
    // And a good one is still taken.
    world
        .server
        .json(&words(&another(&world), &[]))
        .expect("reload");
    world.end();
}

#[test]
fn a_control_that_hangs_gives_way() {
    let world = World::new();
    let app = world.push("hello", 2);
    let load = world.visitors(&app);
    let before = lasting(&world);
    let old = world.server.pid(Role::Control).expect("control");
    // The one before can't end until the next one hangs.
    kill(Pid::from_raw(old), Signal::SIGSTOP).expect("stop");
    let child = begin(&world, &another(&world), &["--limit", "10"]);
    with_next(&world, "control", old, |pid| {
        kill(pid, Signal::SIGSTOP).expect("stop");
    });
    kill(Pid::from_raw(old), Signal::SIGCONT).expect("go on");
    let output = child.wait_with_output().expect("ended");
    let text = text_of(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("the new control was not ready within 10 s"),
        "{text}"
    );
    assert!(text.contains("the program before goes on"), "{text}");
    runs(&world, &program());
    world.platform.wait_running(&app).expect("running");
    all_last(&before);
    none_failed(load);
    world.end();
}

#[test]
fn a_control_that_does_not_end_keeps_its_place() {
    let world = World::new();
    let app = world.push("hello", 1);
    let before = lasting(&world);
    let old = world.server.pid(Role::Control).expect("control");
    kill(Pid::from_raw(old), Signal::SIGSTOP).expect("stop");
    let output = world
        .server
        .run(&words(&another(&world), &["--limit", "3"]))
        .expect("run");
    assert_eq!(output.status.code(), Some(1), "{}", text_of(&output));
    kill(Pid::from_raw(old), Signal::SIGCONT).expect("go on");
    until("control", || world.platform.api.get("/v3/apps").is_ok());
    runs(&world, &program());
    world.platform.wait_running(&app).expect("running");
    all_last(&before);
    world.end();
}

#[test]
fn a_router_that_does_not_come_up_gives_way_and_control_with_it() {
    let world = World::new();
    let app = world.push("hello", 2);
    let load = world.visitors(&app);
    let api = asking_the_api(&world);
    let before = lasting(&world);
    let old = world.server.pid(Role::Router).expect("router");
    let next = another(&world);
    let log = world.server.data_dir().join("router/access.log");
    let aside = log.with_extension("aside");
    std::fs::rename(&log, &aside).expect("moved");
    std::fs::create_dir(&log).expect("directory");
    let output = world
        .server
        .run(&words(&next, &["--limit", "5"]))
        .expect("run");
    let text = text_of(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let reason = "the new router was not ready within 5 s (router ended with status 1";
    assert!(text.contains(reason), "{text}");
    runs(&world, &program());
    assert_eq!(world.server.pid(Role::Router), Some(old));
    api.until_more(5);
    api.none_failed();
    all_last(&before);
    none_failed(load);
    // A reload is possible again.
    std::fs::remove_dir(&log).expect("removed");
    world.server.json(&words(&next, &[])).expect("reload");
    runs(&world, &next);
    world.end();
}

#[test]
fn a_migrated_database_keeps_the_program_before_from_coming_back() {
    let world = World::new();
    let next = another(&world);
    // As an older release has left it.
    let path = world.server.data_dir().join("state/windlass.db");
    let newest: u32 = rusqlite::Connection::open(&path)
        .expect("database")
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .expect("version");
    windlass_store::testing::put_back(&path).expect("undone");
    // The next control migrates and then comes no further.
    let table = world.server.data_dir().join("router/table");
    let aside = table.with_extension("aside");
    std::fs::rename(&table, &aside).expect("moved");
    std::fs::create_dir(&table).expect("directory");
    let output = world
        .server
        .run(&words(&next, &["--limit", "5"]))
        .expect("run");
    let text = text_of(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let versions = format!("migrated from version {} to {newest}", newest - 1);
    assert!(text.contains(&versions), "{text}");
    assert!(!text.contains("goes on"), "{text}");
    std::fs::remove_dir(&table).expect("removed");
    std::fs::rename(&aside, &table).expect("moved back");
    until("control", || world.platform.api.get("/v3/apps").is_ok());
    let supervisor = world.server.pid(Role::Supervisor).expect("runs");
    let exe = std::fs::read_link(format!("/proc/{supervisor}/exe")).expect("link");
    assert_eq!(exe, next);
    world.end();
}
