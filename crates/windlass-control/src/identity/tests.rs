//! Identity over a real database, with a clock that the tests move.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tempfile::TempDir;
use windlass_engine::records::{AdminScope, Token};
use windlass_engine::time::Timestamp;
use windlass_store::{OpenOptions, Store};

use super::*;
use crate::secrets::KEY_BYTES;

struct World {
    identity: Identity,
    clock: Arc<AtomicI64>,
    dir: TempDir,
}

const START_MS: i64 = 1_700_000_000_000;

fn identity(store: Store, clock: &Arc<AtomicI64>, keys: &[(&str, u8)]) -> Identity {
    let secrets = Secrets::new(
        keys.iter()
            .map(|(id, byte)| ((*id).to_owned(), [*byte; KEY_BYTES])),
    )
    .unwrap();
    let clock = Arc::clone(clock);
    let wall: WallClock = Arc::new(move || Timestamp(clock.load(Ordering::SeqCst)));
    Identity::new(store, secrets, wall, "https://api/oauth/token")
}

impl World {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("db"), OpenOptions::default()).unwrap();
        let clock = Arc::new(AtomicI64::new(START_MS));
        Self {
            identity: identity(store, &clock, &[("k1", 1)]),
            clock,
            dir,
        }
    }

    fn pass_seconds(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    async fn anna(&self) -> User {
        self.identity
            .create_user(NewUser::person("anna", "p"))
            .await
            .unwrap()
    }

    async fn login(&self) -> IssuedTokens {
        self.identity.login("anna", "p", None, "cf").await.unwrap()
    }

    fn knows(&self, token: &str) -> bool {
        self.identity.authenticate(token, "test").is_ok()
    }
}

#[tokio::test]
async fn access_tokens_end_at_their_time() {
    let world = World::start();
    world.anna().await;
    let token = world.login().await.access_token;
    assert!(world.knows(&token));
    world.pass_seconds(ACCESS_TOKEN_SECONDS - 1);
    assert!(world.knows(&token));
    world.pass_seconds(1);
    assert!(!world.knows(&token));
}

#[tokio::test]
async fn a_rotated_key_is_honoured_until_its_last_token_has_ended() {
    let world = World::start();
    world.anna().await;
    world.pass_seconds(10);
    let last = world.login().await.access_token;
    world.identity.rotate_signing_key().await.unwrap();
    assert!(world.knows(&last), "cf never recovers from a 401");
    let next = world.login().await.access_token;
    assert_ne!(jwt::key_id(&last), jwt::key_id(&next));
    world.pass_seconds(ACCESS_TOKEN_SECONDS - 1);
    assert!(world.knows(&last));
    assert_eq!(world.identity.public_keys().unwrap().len(), 2);
    world.pass_seconds(1);
    assert_eq!(world.identity.public_keys().unwrap().len(), 1);
    world.identity.rotate_signing_key().await.unwrap();
    assert_eq!(
        world.identity.stored_keys().unwrap().len(),
        2,
        "the first one is gone"
    );
}

#[tokio::test]
async fn signing_keys_survive_a_restart_and_a_new_key_file() {
    let world = World::start();
    world.anna().await;
    let token = world.login().await.access_token;
    let again = identity(
        world.identity.store.clone(),
        &world.clock,
        &[("k2", 2), ("k1", 1)],
    );
    assert!(again.authenticate(&token, "test").is_ok());
    let next = again
        .login("anna", "p", None, "cf")
        .await
        .unwrap()
        .access_token;
    assert_eq!(
        jwt::key_id(&token),
        jwt::key_id(&next),
        "no restart makes a new key"
    );
    let lost = identity(world.identity.store.clone(), &world.clock, &[("k3", 3)]);
    let refused = lost.login("anna", "p", None, "cf").await;
    assert!(
        matches!(refused, Err(Error::Internal { .. })),
        "it can't sign without the key file"
    );
    let bytes = std::fs::read(world.dir.path().join("db")).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(
        !text.contains("BEGIN PRIVATE KEY"),
        "the private key is stored encrypted"
    );
}

#[tokio::test]
async fn refresh_tokens_live_on_while_they_are_used() {
    let world = World::start();
    world.anna().await;
    let refresh = world.login().await.refresh_token.unwrap();
    for _ in 0..4 {
        world.pass_seconds(REFRESH_TOKEN_SECONDS - 10);
        assert!(world.identity.refresh(&refresh, "cf").await.is_ok());
    }
    world.pass_seconds(REFRESH_TOKEN_SECONDS);
    assert!(world.identity.refresh(&refresh, "cf").await.is_err());
    assert!(
        !world.knows(&refresh),
        "a refresh token opens nothing by itself"
    );
}

#[tokio::test]
async fn logins_of_a_script_do_not_fill_the_store() {
    let world = World::start();
    let anna = world.anna().await;
    let first = world.identity.new_refresh_token(&anna, "cf").await.unwrap();
    let mut last = first.clone();
    for _ in 0..MAX_REFRESH_TOKENS {
        world.pass_seconds(1);
        last = world.identity.new_refresh_token(&anna, "cf").await.unwrap();
    }
    let stored = world
        .identity
        .store
        .read(|reader| reader.count::<Token>(&[]))
        .unwrap();
    assert_eq!(stored, u64::from(MAX_REFRESH_TOKENS));
    assert!(
        world.identity.refresh(&first, "cf").await.is_err(),
        "the oldest went"
    );
    assert!(world.identity.refresh(&last, "cf").await.is_ok());
}

#[tokio::test]
async fn api_tokens_end_and_are_counted() {
    let world = World::start();
    let anna = world.anna().await;
    let made = world
        .identity
        .create_token(&anna.id, "ci", Some(60))
        .await
        .unwrap();
    assert!(world.knows(&made.text));
    assert!(!made.token.sha256.contains(&made.text));
    // What some clients take for a token at all.
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    assert!(made.text.bytes().all(is_word));
    world.pass_seconds(60);
    assert!(!world.knows(&made.text));
    for bad in ["", "a\nb", &"x".repeat(256)] {
        let refused = world.identity.create_token(&anna.id, bad, None).await;
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{bad}");
    }
    for _ in 1..MAX_API_TOKENS {
        world
            .identity
            .create_token(&anna.id, "t", None)
            .await
            .unwrap();
    }
    let refused = world.identity.create_token(&anna.id, "t", None).await;
    assert!(matches!(refused, Err(Error::Conflict(_))));
    let nobody = world.identity.create_token(&"none".into(), "t", None).await;
    assert!(matches!(nobody, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn an_admin_right_taken_away_is_gone_at_once() {
    let world = World::start();
    let anna = world.anna().await;
    let admin = |admin| UserPatch {
        admin: Some(admin),
        ..UserPatch::default()
    };
    world
        .identity
        .update_user(&anna.id, admin(AdminScope::Admin))
        .await
        .unwrap();
    let token = world.login().await.access_token;
    let rights = || {
        world
            .identity
            .authenticate(&token, "test")
            .unwrap()
            .global()
    };
    assert_eq!(rights(), AdminScope::Admin);
    world
        .identity
        .update_user(&anna.id, admin(AdminScope::None))
        .await
        .unwrap();
    assert_eq!(
        rights(),
        AdminScope::None,
        "also for tokens that were made before"
    );
    world
        .identity
        .update_user(&anna.id, admin(AdminScope::AdminReadOnly))
        .await
        .unwrap();
    assert_eq!(rights(), AdminScope::None, "a token never gains rights");
}

#[tokio::test]
async fn names_are_unique_without_case_and_per_origin() {
    let world = World::start();
    world.anna().await;
    let again = world
        .identity
        .create_user(NewUser::person("Anna", "p"))
        .await;
    assert!(matches!(again, Err(Error::Taken { .. })));
    let other = NewUser {
        origin: "ldap".to_owned(),
        ..NewUser::person("anna", "p")
    };
    world.identity.create_user(other).await.unwrap();
    assert_eq!(world.identity.users_named("anna").unwrap().len(), 2);
    let empty = world.identity.create_user(NewUser::person("ben", "")).await;
    assert!(matches!(empty, Err(Error::Invalid { .. })));
}
