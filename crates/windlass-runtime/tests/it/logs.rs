//! Logs on real files: order, limits, hints.

use windlass_runtime::{LogAppender, LogLimits, LogPosition, LogReader, LogStream};

use crate::bench::{Bench, LIMIT, sets};

#[tokio::test(flavor = "multi_thread")]
async fn lines_keep_their_order_and_stamps_rise() {
    for (number, set) in sets().into_iter().enumerate() {
        let mut bench = Bench::new().await;
        let run = format!("r{number}");
        bench.start(bench.spec(&run, set, "seq 20000")).await;
        bench.exit(&run).await;
        let wanted: Vec<String> = (1..=20_000).map(|number| number.to_string()).collect();
        assert!(
            bench.output(&run) == wanted,
            "{set}: no line is lost or doubled"
        );
        let reader = LogReader::new(bench.log_dir(&run));
        let page = reader.read_from(LogPosition::default(), 100_000).unwrap();
        let records = page.records;
        assert!(
            records
                .windows(2)
                .all(|pair| pair[0].stamp_ns < pair[1].stamp_ns)
        );
        assert!(
            records
                .iter()
                .all(|record| record.stamp_ns % 1000 == 12 && record.index == 3)
        );
        assert!(page.is_end && page.next == reader.end().unwrap());
    }
}

/// A reader that goes on where the one before it was, over the loss of control and the rotation of
/// files: each line is there once, and its place names it for ever.
#[tokio::test(flavor = "multi_thread")]
async fn loss_of_control_neither_loses_nor_doubles_a_line() {
    for (number, set) in sets().into_iter().enumerate() {
        let mut bench = Bench::new().await;
        let run = format!("r{number}");
        let script = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo $i; \
                      [ $((i % 500)) = 0 ] && sleep 0.05; done; exit 0";
        let mut spec = bench.spec(&run, set, script);
        spec.log = LogLimits {
            bytes_per_file: 20_000,
            files: 100,
        };
        bench.start(spec).await;
        bench.printed(&run, "500").await;
        let reader = LogReader::new(bench.log_dir(&run));
        let mut page = reader.read_from(LogPosition::default(), 300).unwrap();
        let mut records = std::mem::take(&mut page.records);
        let mut bench = bench.reopen().await;
        bench.exit(&run).await;
        let reader = LogReader::new(bench.log_dir(&run));
        while !page.is_end {
            page = reader.read_from(page.next, 300).unwrap();
            records.append(&mut page.records);
        }
        let of_app = records
            .iter()
            .filter(|record| record.source_type.starts_with("APP"));
        let texts: Vec<String> = of_app
            .map(|record| record.text_lossy().into_owned())
            .collect();
        let wanted: Vec<String> = (1..=3_000).map(|line| line.to_string()).collect();
        assert!(
            texts == wanted,
            "{set}: {} of {} lines",
            texts.len(),
            wanted.len()
        );
        let places: std::collections::BTreeSet<_> =
            records.iter().map(|record| record.position).collect();
        assert_eq!(places.len(), records.len(), "{set}");
        assert!(places.last().unwrap().file > 0, "{set}: several files");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rate_limit_drops_counts_and_announces() {
    let mut bench = Bench::new().await;
    let mut spec = bench.spec("a", sets()[1], "seq 100000; echo last >&2");
    spec.limits.log_bytes_per_second = Some(2_000);
    bench.start(spec).await;
    bench.exit("a").await;
    let log = bench.log("a");
    let written = log
        .iter()
        .filter(|(source, _)| source.starts_with("APP"))
        .count() as u64;
    let announced = log.iter().filter_map(|(_, text)| {
        text.split_once("exceeded: ")?
            .1
            .split(' ')
            .next()?
            .parse::<u64>()
            .ok()
    });
    assert!(written < 50_000, "{written} lines passed");
    assert_eq!(
        written + announced.sum::<u64>(),
        100_001,
        "each line is written or counted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_bounded() {
    let mut bench = Bench::new().await;
    let mut spec = bench.spec("a", sets()[1], "seq 50000");
    spec.log = LogLimits {
        bytes_per_file: 20_000,
        files: 3,
    };
    bench.start(spec).await;
    bench.exit("a").await;
    let files: Vec<u64> = std::fs::read_dir(bench.log_dir("a"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .collect();
    // A file may exceed its size by what was read in one go.
    assert!(
        files.len() <= 3 && files.iter().sum::<u64>() < 3 * 20_000 + 300_000,
        "{files:?}"
    );
    let log = bench.log("a");
    assert!(log[0].1.starts_with("older output removed"), "{:?}", log[0]);
    assert!(log.iter().any(|(_, text)| text == "50000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn growing_log_is_hinted() {
    let mut bench = Bench::new().await;
    let mut hints = bench.driver.log_hints();
    bench
        .start(bench.spec("a", sets()[1], "echo one; sleep 300"))
        .await;
    let hint = tokio::time::timeout(LIMIT, hints.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(hint.run, "a");
    assert!(hint.end > LogPosition::default());
}

#[test]
fn platform_lines_are_read_like_others() {
    let dir = tempfile::tempdir().unwrap();
    let limits = LogLimits {
        bytes_per_file: 10_000,
        files: 2,
    };
    let appender = LogAppender::open(dir.path().join("platform"), limits, 0).unwrap();
    let end = appender
        .line(LogStream::Out, "API", 0, "Updated app\nwith 2 lines")
        .unwrap();
    let reader = LogReader::new(dir.path().join("platform"));
    let page = reader.read_back(None, 10).unwrap();
    let texts: Vec<_> = page
        .records
        .iter()
        .map(|record| record.text_lossy().into_owned())
        .collect();
    assert_eq!(texts, ["with 2 lines", "Updated app"]);
    assert_eq!(
        reader.read_from(LogPosition::default(), 10).unwrap().next,
        end
    );
}
