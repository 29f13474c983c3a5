//! Ledgers: ports, usage, build slots, user ids.

use windlass_engine::id::AppId;
use windlass_engine::time::Uptime;
use windlass_store::{PORT_REST_MS, Usage};

use crate::backend::{Backend, Fixture, for_each_backend};

for_each_backend! {
    ports_are_leased_lowest_first, ports_rest_after_use, a_reboot_ends_the_rest,
    another_range_has_ports_of_its_own,
    usage_is_summed_per_organization, build_slots_are_limited, uids_are_unique,
}

fn lease(fixture: &Fixture, run: &str, now: u64) -> Option<u16> {
    let run = run.to_owned();
    fixture.write(move |tx| tx.lease_port(&"a1".into(), &run, 7000..=7002, Uptime(now)))
}

fn release(fixture: &Fixture, run: &str, now: u64) {
    let run = run.to_owned();
    fixture.write(move |tx| tx.release_ports(&run, Uptime(now)));
}

fn ports_are_leased_lowest_first(backend: Backend) {
    let fixture = Fixture::new(backend);
    assert_eq!(lease(&fixture, "i1", 0), Some(7000));
    assert_eq!(lease(&fixture, "i2", 0), Some(7001));
    assert_eq!(
        lease(&fixture, "i1", 0),
        Some(7000),
        "a repeat gets what it has"
    );
    assert_eq!(lease(&fixture, "i3", 0), Some(7002));
    assert_eq!(lease(&fixture, "i4", 0), None);
    let fixture = fixture.reopen();
    assert_eq!(lease(&fixture, "i4", 0), None);
    assert_eq!(fixture.store.read(|r| r.port_of("i2")).unwrap(), Some(7001));
    let of_app = |app: &str| {
        let ports = fixture.store.read(|r| r.ports(Some(&app.into()))).unwrap();
        ports
            .into_iter()
            .map(|port| (port.port, port.run))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of_app("a1"),
        [
            (7000, "i1".into()),
            (7001, "i2".into()),
            (7002, "i3".into())
        ]
    );
    assert!(of_app("a2").is_empty());
    assert_eq!(fixture.store.read(|r| r.ports(None)).unwrap().len(), 3);
}

fn ports_rest_after_use(backend: Backend) {
    let fixture = Fixture::new(backend);
    let boot = 1_000_000;
    for run in ["i1", "i2", "i3"] {
        lease(&fixture, run, boot).unwrap();
    }
    release(&fixture, "i1", boot);
    release(&fixture, "i2", boot + 1);
    assert_eq!(fixture.store.read(|r| r.port_of("i1")).unwrap(), None);
    assert_eq!(lease(&fixture, "i4", boot + PORT_REST_MS - 1), None);
    assert_eq!(lease(&fixture, "i4", boot + PORT_REST_MS), Some(7000));
    assert_eq!(lease(&fixture, "i5", boot + PORT_REST_MS), None);
    // A repeated release does not begin the rest anew.
    release(&fixture, "i2", boot + PORT_REST_MS);
    assert_eq!(lease(&fixture, "i5", boot + PORT_REST_MS + 1), Some(7001));
}

fn a_reboot_ends_the_rest(backend: Backend) {
    let fixture = Fixture::new(backend);
    lease(&fixture, "i1", 9_000_000).unwrap();
    release(&fixture, "i1", 9_000_000);
    assert_eq!(
        lease(&fixture, "i2", 5_000),
        Some(7000),
        "uptime begins at 0 with each boot"
    );
}

fn another_range_has_ports_of_its_own(backend: Backend) {
    let fixture = Fixture::new(backend);
    let lease = |run: &str, range: std::ops::RangeInclusive<u16>| {
        let run = run.to_owned();
        fixture.write(move |tx| tx.lease_port(&"a1".into(), &run, range, Uptime(0)))
    };
    assert_eq!(lease("i1", 7002..=7003), Some(7002));
    assert_eq!(lease("i2", 7000..=7003), Some(7003));
    // What lies below was never given out, although the highest was.
    assert_eq!(lease("i3", 7000..=7003), Some(7000));
    assert_eq!(lease("i4", 7000..=7003), Some(7001));
    assert_eq!(lease("i5", 7000..=7003), None);
    assert_eq!(lease("i5", 8000..=8000), Some(8000));
    // Ports that have rested outside of the range are nobody's here.
    fixture.write(|tx| tx.release_ports("i5", Uptime(0)));
    let now = Uptime(PORT_REST_MS + 1);
    let again = fixture.write(move |tx| tx.lease_port(&"a1".into(), "i6", 7000..=7003, now));
    assert_eq!(again, None);
}

fn usage_is_summed_per_organization(backend: Backend) {
    let fixture = Fixture::new(backend);
    let put = |app: &str, organization: &str, memory_mb, instances, tasks| {
        let (app, organization) = (AppId::from(app), organization.into());
        let usage = Usage {
            memory_mb,
            instances,
            tasks,
        };
        fixture.write(move |tx| tx.put_usage(&app, &organization, usage));
    };
    let sum = |organization: &str| {
        let usage = fixture
            .store
            .read(|r| r.organization_usage(&organization.into()))
            .unwrap();
        (usage.memory_mb, usage.instances, usage.tasks)
    };
    assert_eq!(sum("o1"), (0, 0, 0));
    put("a1", "o1", 512, 2, 0);
    put("a2", "o1", 128, 1, 3);
    put("a3", "o2", 64, 1, 0);
    assert_eq!(sum("o1"), (640, 3, 3));
    put("a2", "o1", 128, 1, 0);
    assert_eq!(sum("o1"), (640, 3, 0));
    put("a1", "o1", 0, 0, 0);
    assert_eq!((sum("o1"), sum("o2")), ((128, 1, 0), (64, 1, 0)));
    let own = fixture.store.read(|r| r.usage(&"a2".into())).unwrap();
    assert_eq!(
        own,
        Usage {
            memory_mb: 128,
            instances: 1,
            tasks: 0
        }
    );
}

fn build_slots_are_limited(backend: Backend) {
    let fixture = Fixture::new(backend);
    let take = |scope: &'static str, holder: &'static str, limit| {
        fixture.write(move |tx| tx.take_build_slot(scope, holder, limit))
    };
    assert!(!take("o1", "b1", 0));
    assert!(take("o1", "b1", 2));
    assert!(take("o1", "b2", 2));
    assert!(take("o1", "b1", 2), "a repeat keeps what it has");
    assert!(!take("o1", "b3", 2));
    assert!(take("o2", "b4", 1));
    assert!(!take("o2", "b1", 9), "a holder has one slot");
    fixture.write(|tx| tx.free_build_slot("b1"));
    assert!(take("o1", "b3", 2));
    assert_eq!(
        fixture.store.read(|r| r.build_slots("o1")).unwrap(),
        ["b2", "b3"]
    );
}

fn uids_are_unique(backend: Backend) {
    let fixture = Fixture::new(backend);
    let lease = |app: &str, range: std::ops::RangeInclusive<u32>| {
        let app = AppId::from(app);
        fixture.write(move |tx| tx.lease_uid(&app, range))
    };
    assert_eq!(lease("a1", 100..=101), Some(100));
    assert_eq!(lease("a2", 100..=101), Some(101));
    assert_eq!(lease("a1", 100..=101), Some(100));
    assert_eq!(lease("a3", 100..=101), None);
    fixture.write(|tx| tx.release_uid(&"a1".into()));
    assert_eq!(fixture.store.read(|r| r.uid(&"a1".into())).unwrap(), None);
    assert_eq!(lease("a3", 100..=101), Some(100));
    // Another range was configured: the app moves.
    assert_eq!(lease("a3", 200..=201), Some(200));
    assert_eq!(lease("a1", 100..=101), Some(100));
}
