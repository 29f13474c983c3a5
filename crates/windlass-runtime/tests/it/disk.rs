//! How far an app can fill the disk, by every set of means.

use windlass_runtime::{Command, ExitReason, IsolationSet};

use crate::bench::{Bench, every_set, machine, tell};

/// MiB.
const LIMIT: u64 = 20;

fn limits_memory(set: IsolationSet) -> bool {
    set.cgroup && !machine().cgroup.note.contains("memory: sampled")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_ends_at_the_limit() {
    for set in every_set() {
        let mut bench = Bench::new().await;
        let mut spec = bench.spec("a", set, "head -c 60000000 /dev/zero > big; sleep 300");
        spec.limits.disk_mb = Some(LIMIT);
        bench.start(spec).await;
        assert_eq!(bench.exit("a").await.reason, ExitReason::OutOfDisk, "{set}");
        let big = std::fs::metadata(bench.driver.run_dir("a").join("work/big")).unwrap();
        assert!(
            big.len() <= (LIMIT + 1) * 1024 * 1024,
            "{set}: {}",
            big.len()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_files_and_those_without_a_name_count_together() {
    for set in every_set() {
        for part in ["in work", "in tmp", "without a name"] {
            let mut bench = Bench::new().await;
            let files = |dir: &str| {
                format!(
                    "for i in 1 2 3 4 5 6; do head -c 5000000 /dev/zero > {dir}/f$i; done; sleep 300"
                )
            };
            let mut spec = bench.spec("a", set, &files("."));
            match part {
                "in work" => {}
                "in tmp" => spec.processes[0].command = Command::Shell(files("$TMPDIR")),
                _ => {
                    bench.add_app("a");
                    spec.processes[0].command = Command::Shell("./app unlinked 30".into());
                }
            }
            // The program that writes the last of these is larger than the rest of the limit.
            let program =
                std::fs::metadata(spec.run_dir.join("work/app")).map_or(0, |app| app.len());
            spec.limits.disk_mb = Some(LIMIT + program / (1024 * 1024));
            bench.start(spec).await;
            assert_eq!(
                bench.exit("a").await.reason,
                ExitReason::OutOfDisk,
                "{set}: {part}"
            );
        }
    }
}

/// What is written to the places that everybody on the machine shares.
#[tokio::test(flavor = "multi_thread")]
async fn shared_places_are_refused_counted_or_beyond_the_limit() {
    for set in every_set() {
        let mut bench = Bench::new().await;
        // Outside of what is removed with the bench, where the means do not hide it.
        let name = format!("windlass-it-{}-{set}", std::process::id());
        let script = format!(
            "(for i in 1 2 3; do head -c 10000000 /dev/zero > /tmp/{name}.$i || exit 1; done) \
             2> /dev/null && echo written || echo refused; sleep 300"
        );
        let mut spec = bench.spec("a", set, &script);
        spec.limits.disk_mb = Some(LIMIT);
        bench.start(spec).await;
        if set.pidns {
            let reason = bench.exit("a").await.reason;
            assert_eq!(reason, ExitReason::OutOfDisk, "{set}: its own /tmp counts");
        } else if set.landlock {
            bench.printed("a", "refused").await;
        } else {
            bench.printed("a", "written").await;
        }
        for number in 1..=3 {
            let _ = std::fs::remove_file(format!("/tmp/{name}.{number}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shared_memory_is_refused_bounded_or_counted_as_memory() {
    let shared = nix::sys::statvfs::statvfs("/dev/shm").unwrap();
    if shared.blocks_available() * shared.fragment_size() < 200_000_000 {
        tell("/dev/shm is too small here to see what is not limited: not run");
        return;
    }
    for set in every_set() {
        let mut bench = Bench::new().await;
        let name = format!("windlass-it-{}-{set}", std::process::id());
        let script = format!(
            "head -c 40000000 /dev/zero > /dev/shm/{name} 2> /dev/null && echo first || echo refused; \
             head -c 40000000 /dev/zero >> /dev/shm/{name} 2> /dev/null && echo second || echo full; \
             rm -f /dev/shm/{name}; sleep 300"
        );
        let mut spec = bench.spec("a", set, &script);
        spec.limits.memory_mb = Some(32);
        bench.start(spec).await;
        if set.landlock && !set.pidns {
            bench.printed("a", "refused").await;
        } else if limits_memory(set) {
            let reason = bench.exit("a").await.reason;
            assert_eq!(reason, ExitReason::OutOfMemory, "{set}");
        } else {
            bench.printed("a", "first").await;
            bench
                .printed("a", if set.pidns { "full" } else { "second" })
                .await;
        }
        let _ = std::fs::remove_file(format!("/dev/shm/{name}"));
    }
}
