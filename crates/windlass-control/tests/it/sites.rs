//! Deployments with hosts of their own: what their builds publish, hosts that move, instances on
//! demand.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use windlass_control::Extra;
use windlass_control::commands::Caller;
use windlass_control::commands::apps::NewApp;
use windlass_control::commands::builds::Repeat;
use windlass_control::commands::cancel_deployment::Cancel;
use windlass_control::commands::site::{NewSiteDeployment, SiteRelease};
use windlass_control::history::ReleaseDetail;
use windlass_control::routes::{RouteError, RouteRefusal};
use windlass_control::testing::end_build;
use windlass_engine::app::{AppSettings, ConcurrencyPolicy};
use windlass_engine::build::{AwaitedChecks, BuildSource, OnBuilt, OnBuiltRelease};
use windlass_engine::configuration::{ComponentConfig, ComponentRole, Configuration};
use windlass_engine::id::{AppId, BuildId, PackageId, ReleaseId};
use windlass_engine::input::CreateBuildCommand;
use windlass_engine::instance::Instance;
use windlass_engine::records::{
    Actor, BuildRecord, BuildRecordState, BuildSettings, Dialect, Domain, Metadata, Package,
    PackageState, Stamps, WantedHost,
};
use windlass_engine::rejection::Rejection;
use windlass_engine::strategy::{Stage, StageGate, Strategy};
use windlass_router::{Split, TargetKind, Version};

use crate::world::{World, caller};

const SITE: &str = "22222222-2222-4222-8222-222222222222";

fn actor() -> Actor {
    Actor {
        id: "u".to_owned(),
        kind: "user".to_owned(),
        name: "anna".to_owned(),
    }
}

/// The world of others, in which an app publishes what it builds.
async fn publishing(slots: u32) -> World {
    let mut world = World::start(1).await;
    let (record, _) = world.control.app(&world.app).expect("there");
    world.app = AppId::from(SITE);
    let new = NewApp {
        id: world.app.clone(),
        space: record.space,
        name: "pages".to_owned(),
        dialect: Dialect::Vercel,
        policy: ConcurrencyPolicy::ParallelBuilds { slots },
        metadata: Metadata::default(),
        document: serde_json::Value::Null,
        components: BTreeMap::new(),
        env: BTreeMap::new(),
        settings: Some(AppSettings {
            idle_limit_ms: 0,
            ..AppSettings::default()
        }),
    };
    let created = world.control.create_app(new, Extra::default()).await;
    created.expect("an app");
    let domain = Domain {
        id: "d".into(),
        name: "example.test".to_owned(),
        internal: false,
        organization: None,
        shared_with: Vec::new(),
        metadata: Metadata::default(),
        stamps: Stamps::default(),
    };
    let put = world.control.store().write(move |tx| tx.put(&domain));
    put.await.expect("a domain");
    // The smallest zip file.
    let mut zip = b"PK\x05\x06".to_vec();
    zip.resize(22, 0);
    let blob = world.control.blobs().put(&zip).expect("a blob");
    let package = Package {
        id: PackageId::from("p"),
        app: world.app.clone(),
        state: PackageState::Ready,
        blob: Some(blob.digest.to_string()),
        size_bytes: blob.size_bytes,
        metadata: Metadata::default(),
        stamps: Stamps::default(),
    };
    let put = world.control.store().write(move |tx| tx.put(&package));
    put.await.expect("a package");
    world
}

fn host(label: &str) -> WantedHost {
    WantedHost {
        domain: "d".into(),
        label: label.to_owned(),
        component: "site".into(),
        metadata: Metadata::default(),
    }
}

/// Version `number` with the host `vN`, the alias `branch`, and a release `rN` if asked for.
fn deployment(number: u32, strategy: Option<Strategy>) -> NewSiteDeployment {
    let mut configuration = Configuration::default();
    let mut config = ComponentConfig::new(ComponentRole::OnDemand);
    config.command = Some("./serve".to_owned());
    configuration.components.insert("site".into(), config);
    let build = BuildId::new(format!("b{number}"));
    NewSiteDeployment {
        build: CreateBuildCommand {
            build: build.clone(),
            source: BuildSource::Package(PackageId::from("p")),
            artifact: format!("a{number}").into(),
            memory_mb: 64,
            disk_mb: 64,
            for_releases: false,
            gives_way: false,
            on_built: Some(OnBuilt {
                revision: format!("v{number}").into(),
                configuration: Box::new(configuration),
                release: strategy.map(|strategy| OnBuiltRelease {
                    release: format!("r{number}").into(),
                    strategy,
                    checks: AwaitedChecks::None,
                }),
            }),
        },
        record: BuildRecord {
            id: build,
            app: AppId::from(SITE),
            package: Some(PackageId::from("p")),
            git: None,
            component: None,
            settings: BuildSettings::default(),
            state: BuildRecordState::Staging,
            memory_mb: 64,
            disk_mb: 64,
            buildpacks: Vec::new(),
            created_by: None,
            detail: None,
            hosts: vec![host("branch")],
            canceled: None,
            began_at: None,
            withdrawn: false,
            metadata: Metadata::default(),
            stamps: Stamps::default(),
        },
        own_hosts: vec![host(&format!("v{number}"))],
        secrets: Vec::new(),
    }
}

/// Creates a version; its build runs until it is ended.
async fn begin(world: &World, number: u32, strategy: Option<Strategy>) {
    let new = deployment(number, strategy);
    let created = world.control.create_site_deployment(new, Extra::default());
    created.await.expect("a deployment");
}

async fn finish(world: &World, number: u32) {
    let id = BuildId::new(format!("b{number}"));
    let ended = end_build(&world.control, &id, true);
    ended.await.expect("the build ends");
}

async fn make(world: &World, number: u32, strategy: Option<Strategy>) {
    begin(world, number, strategy).await;
    finish(world, number).await;
}

fn build(world: &World, number: u32) -> BuildRecord {
    let id = BuildId::new(format!("b{number}"));
    let found = world.control.find_build(&id).expect("readable");
    found.expect("recorded")
}

/// Groups that a host leads to.
fn leads_to(world: &World, label: &str) -> Vec<String> {
    let table = world.control.routes().table();
    let host = table.hosts.get(&format!("{label}.example.test"));
    let rules = host.into_iter().flat_map(|host| &host.rules);
    rules
        .flat_map(|rule| &rule.destinations)
        .map(|to| to.group.clone())
        .collect()
}

fn version(number: u32) -> String {
    format!("{SITE}/site@v{number}")
}

/// Shares of a group, by version.
fn shares(world: &World, group: &str) -> Vec<(String, u16)> {
    let table = world.control.routes().table();
    let group = table.groups.get(group);
    let versions = group.into_iter().flat_map(|group| &group.versions);
    versions.map(|it| (it.id.clone(), it.share)).collect()
}

fn all(version: &str) -> Vec<(String, u16)> {
    vec![(version.to_owned(), 10_000)]
}

fn app_group() -> String {
    format!("{SITE}/site")
}

fn move_to(release: &str, number: u32, strategy: Strategy) -> SiteRelease {
    SiteRelease {
        app: AppId::from(SITE),
        release: ReleaseId::from(release),
        revision: format!("v{number}").into(),
        strategy,
        releases_built: None,
        may_wait: true,
        detail: ReleaseDetail::default(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_gives_its_version_its_hosts_and_the_app() {
    let world = publishing(2).await;
    begin(&world, 1, Some(Strategy::Instant)).await;
    assert_eq!(
        leads_to(&world, "v1"),
        [version(1)],
        "its own from the first"
    );
    assert!(leads_to(&world, "branch").is_empty());
    assert!(
        shares(&world, &version(1)).is_empty(),
        "nothing answers yet"
    );
    finish(&world, 1).await;
    assert_eq!(leads_to(&world, "branch"), [version(1)]);
    assert_eq!(shares(&world, &version(1)), all("v1"));
    assert_eq!(shares(&world, &app_group()), all("v1"));
    for group in [version(1), app_group()] {
        let table = world.control.routes().table();
        let target = &table.groups[&group].versions[0].target;
        assert!(matches!(target, TargetKind::Site { .. }), "{target:?}");
    }
    assert!(matches!(
        build(&world, 1).state,
        BuildRecordState::Staged { .. }
    ));
    assert_eq!(world.release("r1").release.state_word(), "finalized");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_build_that_ends_late_takes_no_host() {
    let world = publishing(2).await;
    begin(&world, 1, Some(Strategy::Instant)).await;
    begin(&world, 2, Some(Strategy::Instant)).await;
    finish(&world, 2).await;
    finish(&world, 1).await;
    assert_eq!(leads_to(&world, "branch"), [version(2)]);
    assert_eq!(shares(&world, &app_group()), all("v2"));
    assert_eq!(
        shares(&world, &version(1)),
        all("v1"),
        "its own host answers"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_host_refuses_the_whole_deployment() {
    let world = publishing(2).await;
    begin(&world, 1, None).await;
    let mut new = deployment(2, None);
    new.own_hosts = vec![host("v1")];
    let refused = world
        .control
        .create_site_deployment(new, Extra::default())
        .await;
    assert!(matches!(
        refused,
        Err(RouteError::Refused(RouteRefusal::Taken))
    ));
    let state = world.state();
    assert!(state.builds.iter().all(|it| it.id.as_str() != "b2"));
}

fn is_not_cancelable<T>(done: &Result<T, windlass_control::Error>) -> bool {
    matches!(
        done,
        Err(windlass_control::Error::Rejected(
            Rejection::BuildNotCancelable { .. }
        ))
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canceled_build_says_who_and_why_and_publishes_nothing() {
    let world = publishing(1).await;
    make(&world, 1, Some(Strategy::Instant)).await;
    begin(&world, 2, Some(Strategy::Instant)).await;
    begin(&world, 3, None).await;
    let id = BuildId::from("b2");
    let reason = Some("wrong branch".to_owned());
    let cancel = world
        .control
        .cancel_build(&id, reason, &caller(), Repeat::Refused, Extra::default())
        .await;
    let canceled = cancel.expect("canceled").canceled.expect("noted");
    assert_eq!(canceled.by, "anna");
    assert_eq!(canceled.reason.as_deref(), Some("wrong branch"));
    // Judged in the commit, whatever a client has read before.
    for repeat in [Repeat::Refused, Repeat::Accepted] {
        let second = Caller {
            name: "berta".to_owned(),
            client: None,
        };
        let again = world
            .control
            .cancel_build(&id, None, &second, repeat, Extra::default())
            .await;
        match repeat {
            Repeat::Refused => assert!(is_not_cancelable(&again), "{again:?}"),
            // It may be over by now.
            Repeat::Accepted => assert!(
                is_not_cancelable(&again)
                    || again.is_ok_and(|it| it.canceled.is_some_and(|it| it.by == "anna"))
            ),
        }
    }
    world
        .until("the slot goes to the next", |state| {
            let mut builds = state.builds.iter();
            builds.any(|it| it.id.as_str() == "b3" && it.run == 1)
        })
        .await;
    world
        .until("nothing of it runs", |state| {
            let mut builds = state.builds.iter();
            builds.all(|it| it.id.as_str() != "b2" || it.is_finished())
        })
        .await;
    assert_eq!(build(&world, 2).state, BuildRecordState::Canceled);
    assert_eq!(leads_to(&world, "branch"), [version(1)]);
    assert_eq!(shares(&world, &app_group()), all("v1"));
    let again = world
        .control
        .cancel_build(
            &"b1".into(),
            None,
            &caller(),
            Repeat::Accepted,
            Extra::default(),
        )
        .await;
    assert!(is_not_cancelable(&again), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_build_of_a_branch_gives_way_and_names_the_newer_one() {
    let world = publishing(1).await;
    for number in [1, 2, 3] {
        let mut new = deployment(number, None);
        new.build.source = BuildSource::Git {
            url: "https://git.example.test/a/b.git".to_owned(),
            branch: "main".to_owned(),
            commit: None,
        };
        new.build.gives_way = true;
        let created = world.control.create_site_deployment(new, Extra::default());
        created.await.expect("a deployment");
    }
    assert_eq!(build(&world, 1).state, BuildRecordState::Staging);
    let left_out = build(&world, 2);
    assert_eq!(left_out.state, BuildRecordState::Canceled);
    let cancel = left_out.canceled.expect("how it was canceled");
    assert_eq!(cancel.by, "windlass");
    assert!(cancel.reason.is_some_and(|reason| reason.ends_with("b3")));
    assert_eq!(build(&world, 3).state, BuildRecordState::Staging);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_moves_between_versions_by_stages_and_back_at_once() {
    let world = publishing(2).await;
    make(&world, 1, Some(Strategy::Instant)).await;
    make(&world, 2, None).await;
    let manual = StageGate::Manual;
    let stages = [(10, manual), (50, manual), (100, StageGate::Automatic)];
    let stages = stages.map(|(percent, gate)| Stage { percent, gate });
    let new = move_to("r2", 2, Strategy::Stages(stages.to_vec()));
    let released = world.control.release_site(new, Extra::default()).await;
    assert_eq!(released.expect("a release").release.state_word(), "paused");
    let some = |new| vec![("v1".to_owned(), 10_000 - new), ("v2".to_owned(), new)];
    assert_eq!(shares(&world, &app_group()), some(1_000));
    let split = || {
        world.control.routes().table().groups[&app_group()]
            .split
            .clone()
    };
    let by_visitor = Split::Visitors {
        rollout: "r2".to_owned(),
        header: None,
    };
    assert_eq!(split(), by_visitor);
    let id = ReleaseId::from("r2");
    let continued = world
        .control
        .continue_deployment(&id, None, &caller(), Extra::default())
        .await;
    continued.expect("goes on");
    assert_eq!(shares(&world, &app_group()), some(5_000));
    let canceled = world
        .control
        .cancel_deployment(&id, Cancel::default(), &caller(), Extra::default())
        .await
        .expect("canceled");
    assert!(canceled.time_to_safe_us.is_some(), "no router is missing");
    assert_eq!(shares(&world, &app_group()), all("v1"));
    assert_eq!(split(), Split::Requests);
    let mut new = move_to("r3", 2, Strategy::Instant);
    new.releases_built = Some(false);
    let released = world.control.release_site(new, Extra::default()).await;
    released.expect("a release");
    assert_eq!(shares(&world, &app_group()), all("v2"));
    make(&world, 4, Some(Strategy::Instant)).await;
    assert_eq!(shares(&world, &app_group()), all("v2"), "it stays");
    let unknown = world
        .control
        .release_site(move_to("r5", 9, Strategy::Instant), Extra::default())
        .await;
    assert!(matches!(
        unknown,
        Err(windlass_control::Error::Rejected(
            Rejection::UnknownRevision(_)
        ))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_moves_a_host_wherever_it_leads() {
    let world = publishing(2).await;
    make(&world, 1, Some(Strategy::Instant)).await;
    make(&world, 2, None).await;
    assert_eq!(leads_to(&world, "branch"), [version(2)]);
    for (revision, group) in [(Some("v1"), version(1)), (None, app_group())] {
        let moved = world
            .control
            .put_host(
                &actor(),
                &world.app,
                host("branch"),
                revision.map(Into::into),
                Extra::default(),
            )
            .await
            .expect("moved");
        assert!(moved.before.is_some());
        assert_eq!(leads_to(&world, "branch"), [group]);
    }
    make(&world, 3, None).await;
    assert_eq!(leads_to(&world, "branch"), [app_group()], "it is the app's");
    let nowhere = world
        .control
        .put_host(
            &actor(),
            &world.app,
            host("new"),
            Some("v9".into()),
            Extra::default(),
        )
        .await;
    assert!(matches!(nowhere, Err(RouteError::Other(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_goes_with_its_hosts_and_its_build() {
    let world = publishing(2).await;
    make(&world, 1, Some(Strategy::Instant)).await;
    make(&world, 2, None).await;
    begin(&world, 3, None).await;
    for number in [2, 3] {
        let id = BuildId::new(format!("b{number}"));
        let gone = world
            .control
            .withdraw(&id, &caller(), Extra::default())
            .await
            .expect("withdrawn");
        assert!(gone.withdrawn);
        assert_eq!(gone.canceled.is_some(), number == 3);
        assert!(leads_to(&world, &format!("v{number}")).is_empty());
        let again = world
            .control
            .withdraw(&id, &caller(), Extra::default())
            .await;
        assert!(matches!(
            again,
            Err(windlass_control::Error::NotFound { .. })
        ));
    }
    assert!(leads_to(&world, "branch").is_empty());
    assert!(shares(&world, &version(2)).is_empty());
    assert_eq!(shares(&world, &app_group()), all("v1"));
    let world = world.reopen(|_| {}).await;
    assert!(shares(&world, &version(2)).is_empty());
    assert_eq!(shares(&world, &version(1)), all("v1"), "after a start too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_waits_starts_the_instance_of_its_version() {
    let world = publishing(2).await;
    make(&world, 1, Some(Strategy::Instant)).await;
    make(&world, 2, None).await;
    let mut router = UnixStream::connect(world.dir.path().join("router.sock")).expect("connects");
    let position = world.control.routes().position();
    let hello = serde_json::json!({
        "type": "hello", "oldest_version": 1, "version": 1, "name": "test", "pid": 1,
        "position": position,
    });
    let wanted = serde_json::json!({"type": "wanted", "version": "v2", "group": version(2)});
    for line in [&hello, &wanted, &wanted] {
        writeln!(router, "{line}").expect("told");
    }
    let state = world
        .until("it runs", |state| {
            state.instances.values().any(Instance::is_routable)
        })
        .await;
    assert_eq!(state.instances.len(), 1);
    let upstreams = |group: &str| {
        let table = world.control.routes().table();
        let versions = &table.groups[group].versions;
        let all = versions.iter().flat_map(Version::upstreams);
        all.map(|it| it.id.clone()).collect::<Vec<_>>()
    };
    in_force("its version has it", || upstreams(&version(2)).len() == 1).await;
    assert!(upstreams(&version(1)).is_empty());
    assert!(
        upstreams(&app_group()).is_empty(),
        "the app runs the other one"
    );
    let run = upstreams(&version(2)).remove(0);
    let idle = serde_json::json!({"type": "idle", "upstream": run, "idle_ms": 5});
    writeln!(router, "{idle}").expect("told");
    world
        .until("it is gone", |state| state.instances.is_empty())
        .await;
    assert!(upstreams(&version(2)).is_empty());
}

/// Waits until a table is published that follows a commit.
async fn in_force(what: &str, is: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    while !is() {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_version_that_nobody_chose_gives_way() {
    let world = publishing(2).await;
    // 1 runs the app, 2 has an alias, 3 and 4 have only their own hosts.
    make(&world, 1, Some(Strategy::Instant)).await;
    for number in 2..=4 {
        let mut new = deployment(number, None);
        new.record.hosts = match number {
            2 => vec![host("kept")],
            _ => Vec::new(),
        };
        let created = world.control.create_site_deployment(new, Extra::default());
        created.await.expect("a deployment");
        finish(&world, number).await;
    }
    // As if there were many more, which something else has chosen.
    let app = world.app.clone();
    let fill = world.control.store().write(move |tx| {
        let mut row = tx.app_state(&app)?.expect("the app");
        let mut state: serde_json::Value = serde_json::from_str(&row.document).expect("state");
        let one = state["published"]["v1"].clone();
        let published = state["published"].as_object_mut().expect("versions");
        for number in published.len()..windlass_engine::limits::PUBLISHED_MAX {
            let mut other = one.clone();
            other["build"] = serde_json::Value::Null;
            published.insert(format!("other{number}"), other);
        }
        row.document = state.to_string();
        tx.put_app_state(Some(row.row_revision), &row)
    });
    fill.await.expect("many versions");
    for (number, gone) in [(5, 3), (6, 4)] {
        let mut new = deployment(number, None);
        new.record.hosts = vec![host(&format!("chosen{number}"))];
        let created = world.control.create_site_deployment(new, Extra::default());
        created.await.expect("a deployment");
        finish(&world, number).await;
        assert!(build(&world, gone).withdrawn, "{gone}");
        assert!(leads_to(&world, &format!("v{gone}")).is_empty(), "{gone}");
    }
    for kept in [1, 2, 5, 6] {
        assert!(!build(&world, kept).withdrawn, "{kept}");
    }
    // Every other is chosen for something: a new one is refused.
    let refused = world
        .control
        .create_site_deployment(deployment(7, None), Extra::default());
    let refused = refused.await.expect_err("no room");
    let RouteError::Other(windlass_control::Error::Rejected(refused)) = refused else {
        panic!("{refused:?}");
    };
    assert!(
        matches!(refused, Rejection::LimitExceeded { .. }),
        "{refused}"
    );
}
