//! What an app can reach, by means of isolation.

use windlass_runtime::IsolationSet;

use crate::bench::{Bench, machine, owner, sets};

fn only(word: &str) -> Option<IsolationSet> {
    let set = IsolationSet::parse(word).unwrap();
    let is_available = set.intersect(machine().best()) == set;
    if !is_available {
        println!("{word} is not available here: {}", machine());
    }
    is_available.then_some(set)
}

#[tokio::test(flavor = "multi_thread")]
async fn app_sees_its_own_files_and_nothing_of_the_server() {
    let sets = [only("landlock"), only("pidns"), Some(machine().best())];
    for set in sets
        .into_iter()
        .flatten()
        .filter(|set| *set != IsolationSet::BARE)
    {
        let mut bench = Bench::new().await;
        let data = bench.data_dir();
        std::fs::write(data.join("secret"), "s").unwrap();
        let mut neighbour = bench.spec("neighbour", set, "echo mine > file; echo up; sleep 300");
        neighbour.processes[0]
            .env
            .insert("PASSWORD".into(), "hunter2".into());
        bench.start(neighbour).await;
        bench.printed("neighbour", "up").await;
        let script = format!(
            "d={}; for f in $d/secret $d/runs/neighbour/work/file $d/runs/own/state.json \
             $d/runs/own/lock; do cat $f > /dev/null 2>&1 && echo leak $f; done; \
             ls $d/runs/neighbour/work 2> /dev/null; \
             touch /usr/x 2> /dev/null && rm /usr/x && echo leak /usr; \
             echo own > file && cat file; echo t > $TMPDIR/t && cat $TMPDIR/t; ls / > /dev/null 2>&1; \
             grep -c . /etc/passwd > /dev/null && echo system; exit 0",
            data.display()
        );
        let mut own = bench.spec("own", set, &script);
        // Another user alone would make this test pass.
        own.isolation.uid = false;
        own.uid = None;
        bench.start(own).await;
        bench.exit("own").await;
        let mut output = bench.output("own");
        if !set.landlock {
            // Without Landlock the system's directories have their ordinary permissions.
            output.retain(|line| line != "leak /usr");
        }
        assert_eq!(
            output,
            ["own", "t", "system"],
            "{set}: {:?}",
            bench.log("own")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn landlock_hides_control_groups_and_granted_paths_are_granted() {
    let Some(set) = only("landlock") else { return };
    let mut bench = Bench::new().await;
    let shared = tempfile::tempdir().unwrap();
    std::fs::write(shared.path().join("file"), "granted\n").unwrap();
    let script = format!(
        "ls /sys/fs/cgroup > /dev/null 2>&1 && echo leak; cat {0}/file; \
         touch {0}/new 2> /dev/null && echo leak; exit 0",
        shared.path().display()
    );
    let mut spec = bench.spec("a", set, &script);
    spec.readable = vec![shared.path().to_path_buf()];
    bench.start(spec).await;
    bench.exit("a").await;
    assert_eq!(bench.output("a"), ["granted"]);

    let mut spec = bench.spec(
        "b",
        machine().best(),
        &format!(
            "cat {0}/file; touch {0}/new && echo made",
            shared.path().display()
        ),
    );
    spec.writable = vec![shared.path().to_path_buf()];
    if let Some(uid) = spec.uid {
        nix::unistd::chown(shared.path(), Some(uid.into()), Some(uid.into())).unwrap();
    }
    bench.start(spec).await;
    bench.exit("b").await;
    assert_eq!(
        bench.output("b"),
        ["granted", "made"],
        "{:?}",
        bench.log("b")
    );
}

/// Where the system's own directories lie, as after an installation below `/opt`.
#[tokio::test(flavor = "multi_thread")]
async fn data_directory_below_one_of_the_system_is_hidden_too() {
    let Some(set) = only("landlock") else { return };
    let Ok(dir) = tempfile::tempdir_in("/opt") else {
        println!("/opt is not writable here");
        return;
    };
    let mut bench = Bench::in_dir(dir).await;
    let data = bench.data_dir();
    std::fs::write(data.join("secret"), "s").unwrap();
    let script = format!(
        "cat {0}/secret > /dev/null 2>&1 && echo leak; ls {0} > /dev/null 2>&1 && echo leak; \
         echo own > file && cat file; grep -q . /etc/passwd && echo system; exit 0",
        data.display()
    );
    bench.start(bench.spec("a", set, &script)).await;
    bench.exit("a").await;
    assert_eq!(bench.output("a"), ["own", "system"], "{:?}", bench.log("a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tmp_is_private() {
    let Some(set) = only("pidns") else { return };
    let mut bench = Bench::new().await;
    let name = format!("windlass-it-{}", std::process::id());
    let script =
        format!("echo x > /tmp/{name} && cat /tmp/{name}; ls /tmp | grep -c windlass-it; exit 0");
    bench.start(bench.spec("a", set, &script)).await;
    bench.exit("a").await;
    assert_eq!(bench.output("a"), ["x", "1"]);
    assert!(!std::env::temp_dir().join(&name).exists());
    assert!(bench.driver.run_dir("a").join("tmp").join(&name).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn pid_namespace_shows_the_run_alone() {
    let Some(set) = only("pidns") else { return };
    let mut bench = Bench::new().await;
    let script = "ls /proc | grep -c '^[0-9]'; kill -9 1 2> /dev/null; echo $$; exit 0";
    bench.start(bench.spec("a", set, script)).await;
    assert_eq!(bench.exit("a").await.code, Some(0));
    let output = bench.output("a");
    assert!(output[0].parse::<u32>().unwrap() <= 5, "{output:?}");
    assert_eq!(
        output[1], "2",
        "the main process is the first after init: {output:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn app_runs_under_its_own_user_without_privileges() {
    let Some(set) = only("uid") else { return };
    for set in [set, machine().best()] {
        let mut bench = Bench::new().await;
        let script = "id -u; id -G; grep CapEff /proc/self/status | tr -dc 0-9a-f | tail -c 16; echo; \
             grep NoNewPrivs /proc/self/status | tr -dc 0-9; echo";
        let mut spec = bench.spec("a", set, script);
        let uid = spec.uid.unwrap();
        std::fs::write(spec.run_dir.join("work/file"), "").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", spec.run_dir.join("work/link")).unwrap();
        let work = spec.run_dir.join("work");
        spec.processes[0]
            .env
            .insert("HOME".into(), work.display().to_string());
        bench.start(spec).await;
        assert_eq!(bench.exit("a").await.code, Some(0), "{:?}", bench.log("a"));
        let number = uid.to_string();
        assert_eq!(
            bench.output("a"),
            [&number, &number, "0000000000000000", "1"],
            "{set}"
        );
        assert_eq!(
            (owner(&work.join("file")), owner("/etc/passwd".as_ref())),
            (uid, 0)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shim_and_init_cannot_be_looked_into_or_hurt() {
    for set in [only("landlock"), Some(machine().best())]
        .into_iter()
        .flatten()
    {
        let mut bench = Bench::new().await;
        let script = "up=$(grep PPid /proc/$$/status | tr -dc 0-9); \
             cat /proc/$up/environ /proc/$up/mem /proc/$up/maps > /dev/null 2>&1 && echo leak; \
             kill -9 $up 2> /dev/null; echo end; exit 6";
        bench.start(bench.spec("a", set, script)).await;
        let exit = bench.exit("a").await;
        assert_eq!(
            (bench.output("a"), exit.code),
            (vec!["end".to_owned()], Some(6)),
            "{set}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn state_and_lock_are_private_and_hold_no_secret() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut bench = Bench::new().await;
    let mut spec = bench.spec("a", sets()[1], "sleep 300");
    spec.processes[0]
        .env
        .insert("PASSWORD".into(), "hunter2".into());
    bench.start(spec).await;
    bench.routable("a").await;
    for name in ["state.json", "lock", "sock", "shim.err"] {
        let path = bench.driver.run_dir("a").join(name);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o077;
        assert_eq!(mode, 0, "{name} is private");
        if name != "sock" {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(!text.contains("hunter2"), "{name} holds a secret");
        }
    }
}
