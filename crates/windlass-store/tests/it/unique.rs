//! What must be unique, and what becomes free again.

use std::fmt::Debug;

use windlass_engine::records::*;
use windlass_store::{Column, Filter, Row, StoreError, Unique};

use crate::backend::{Backend, Fixture, for_each_backend};
use crate::fixtures;

for_each_backend! {
    organization_names, space_names, app_names, user_names, roles, token_digests, domain_names,
    route_addresses, app_hosts, service_instances, service_bindings, task_numbers, destination_ids,
    a_row_does_not_collide_with_itself,
}

fn taken<T: Row + Sync + Debug>(fixture: &Fixture, row: T, expected: Unique) {
    match fixture.try_put(row) {
        Err(StoreError::Duplicate { what }) => assert_eq!(what, expected),
        other => panic!("not refused as a duplicate: {other:?}"),
    }
}

fn organization_names(backend: Backend) {
    let fixture = Fixture::new(backend);
    let first = fixtures::organization("o1", "Größe");
    fixture.put(first.clone());
    taken(
        &fixture,
        fixtures::organization("o2", "GRÖSSE".replace("SS", "ß").as_str()),
        Unique::OrganizationName,
    );
    fixture.put(Organization {
        deleting: true,
        ..first
    });
    fixture.put(fixtures::organization("o2", "größe"));
    fixture.put(Organization {
        deleting: true,
        ..fixtures::organization("o3", "größe")
    });
}

fn space_names(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::organization("o1", "one"));
    fixture.put(fixtures::organization("o2", "two"));
    fixture.put(fixtures::space("s1", "o1", "dev"));
    fixture.put(fixtures::space("s2", "o2", "dev"));
    taken(
        &fixture,
        fixtures::space("s3", "o1", "DEV"),
        Unique::SpaceName,
    );
    fixture.put(Space {
        deleting: true,
        ..fixtures::space("s1", "o1", "dev")
    });
    fixture.put(fixtures::space("s3", "o1", "DEV"));
}

fn app_names(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::app("a1", "o1", "s1", "shop"));
    fixture.put(fixtures::app("a2", "o1", "s2", "shop"));
    taken(
        &fixture,
        fixtures::app("a3", "o1", "s1", "Shop"),
        Unique::AppName,
    );
    let deleted = AppRecord {
        deleted: true,
        ..fixtures::app("a1", "o1", "s1", "shop")
    };
    fixture.put(deleted.clone());
    fixture.put(fixtures::app("a3", "o1", "s1", "Shop"));
    // A deleted app can't come back under a name that is taken meanwhile.
    taken(
        &fixture,
        AppRecord {
            deleted: false,
            ..deleted
        },
        Unique::AppName,
    );
}

fn user_names(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::user("u1", "ann"));
    taken(&fixture, fixtures::user("u2", "Ann"), Unique::UserName);
    fixture.put(User {
        origin: "ldap".into(),
        ..fixtures::user("u2", "Ann")
    });
}

fn roles(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::user("u1", "ann"));
    fixture.put(fixtures::role("r1", RoleKind::OrganizationUser, "u1", None));
    taken(
        &fixture,
        fixtures::role("r2", RoleKind::OrganizationUser, "u1", None),
        Unique::Role,
    );
    fixture.put(fixtures::role(
        "r2",
        RoleKind::SpaceDeveloper,
        "u1",
        Some("s1"),
    ));
    fixture.put(fixtures::role(
        "r3",
        RoleKind::SpaceDeveloper,
        "u1",
        Some("s2"),
    ));
    let again = fixtures::role("r4", RoleKind::SpaceDeveloper, "u1", Some("s2"));
    taken(&fixture, again, Unique::Role);
}

fn token_digests(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::user("u1", "ann"));
    fixture.put(fixtures::token("t1", "u1", "ff"));
    taken(
        &fixture,
        fixtures::token("t2", "u1", "ff"),
        Unique::TokenDigest,
    );
}

fn domain_names(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::domain("d1", "apps.localhost", None));
    taken(
        &fixture,
        fixtures::domain("d2", "Apps.localhost", Some("o1")),
        Unique::DomainName,
    );
}

fn route_addresses(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::domain("d1", "apps.localhost", None));
    fixture.put(fixtures::route("r1", "d1", "www", &[]));
    taken(
        &fixture,
        fixtures::route("r2", "d1", "www", &[]),
        Unique::RouteAddress,
    );
    fixture.put(Route {
        path: String::new(),
        ..fixtures::route("r2", "d1", "www", &[])
    });
}

fn app_hosts(backend: Backend) {
    let fixture = Fixture::new(backend);
    let host = |id: &str, app: &str, full_host: &str| AppHost {
        id: id.into(),
        app: app.into(),
        full_host: full_host.to_owned(),
        domain: Some("d1".into()),
        is_lasting: false,
        stamps: Stamps::default(),
    };
    let first = host("h1", "a1", "shop.example.com");
    fixture.put(first.clone());
    taken(
        &fixture,
        host("h2", "a2", "shop.example.com"),
        Unique::AppHost,
    );
    fixture.put(host("h2", "a2", "*.shop.example.com"));
    let below = vec![Filter::is(Column::Domain, "d1")];
    let found = fixture.store.read(|reader| reader.all::<AppHost>(below));
    assert_eq!(found.unwrap().len(), 2);
    let of_app = vec![Filter::is(Column::App, "a1")];
    let found = fixture.store.read(|reader| reader.all::<AppHost>(of_app));
    assert_eq!(found.unwrap(), [first]);
}

fn service_instances(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::service_instance("i1", "db"));
    taken(
        &fixture,
        fixtures::service_instance("i2", "db"),
        Unique::ServiceInstanceName,
    );
    fixture.put(ServiceInstance {
        space: "s2".into(),
        ..fixtures::service_instance("i2", "db")
    });
}

fn service_bindings(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::service_instance("i1", "db"));
    fixture.put(fixtures::service_instance("i2", "queue"));
    let named = |id, instance, name: &str| ServiceBinding {
        name: Some(name.into()),
        ..fixtures::service_binding(id, "a1", instance)
    };
    fixture.put(named("b1", "i1", "main"));
    taken(
        &fixture,
        fixtures::service_binding("b2", "a1", "i1"),
        Unique::ServiceBinding,
    );
    taken(
        &fixture,
        named("b2", "i2", "main"),
        Unique::ServiceBindingName,
    );
    fixture.put(fixtures::service_binding("b2", "a1", "i2"));
    fixture.put(fixtures::service_binding("b3", "a2", "i1"));
    fixture.put(fixtures::service_binding("b4", "a2", "i2"));
}

fn task_numbers(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::task("t1", "a1", 1, "x"));
    fixture.put(fixtures::task("t2", "a2", 1, "x"));
    taken(
        &fixture,
        fixtures::task("t3", "a1", 1, "y"),
        Unique::TaskSequence,
    );
}

fn destination_ids(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::domain("d1", "apps.localhost", None));
    let first = fixtures::route("r1", "d1", "www", &["a1"]);
    let stolen = first.destinations.clone();
    fixture.put(first);
    let second = Route {
        destinations: stolen,
        ..fixtures::route("r2", "d1", "api", &[])
    };
    taken(&fixture, second, Unique::DestinationId);
    assert_eq!(
        fixture.get::<Route>("r2"),
        None,
        "the refused change left half of itself"
    );
}

fn a_row_does_not_collide_with_itself(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::organization("o1", "acme"));
    fixture.put(fixtures::organization("o1", "ACME"));
    assert_eq!(fixture.get::<Organization>("o1").unwrap().name, "ACME");
}
