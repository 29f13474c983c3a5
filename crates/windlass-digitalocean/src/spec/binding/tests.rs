//! What references become.

use super::*;

fn facts() -> Facts {
    let known = |text: &str| Fact::Known(text.to_owned());
    let web = ComponentFacts {
        facts: BTreeMap::from([
            ("PUBLIC_URL", known("https://shop.test")),
            ("COMMIT_HASH", Fact::NeedsCommit),
            ("PRIVATE_URL", Fact::Unavailable("use PUBLIC_URL")),
        ]),
        variables: [
            ("HOST", "h"),
            ("BASE", "${_self.HOST}:1"),
            ("LOOP", "<${web.LOOP}>"),
            ("BOMB0", "xxxxxxxxxx"),
            (
                "BOMB1",
                "${web.BOMB0}${web.BOMB0}${web.BOMB0}${web.BOMB0}${web.BOMB0}",
            ),
            (
                "BOMB2",
                "${web.BOMB1}${web.BOMB1}${web.BOMB1}${web.BOMB1}${web.BOMB1}",
            ),
            (
                "BOMB3",
                "${web.BOMB2}${web.BOMB2}${web.BOMB2}${web.BOMB2}${web.BOMB2}",
            ),
            (
                "BOMB4",
                "${web.BOMB3}${web.BOMB3}${web.BOMB3}${web.BOMB3}${web.BOMB3}",
            ),
            (
                "BOMB5",
                "${web.BOMB4}${web.BOMB4}${web.BOMB4}${web.BOMB4}${web.BOMB4}",
            ),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into(),
    };
    Facts {
        of_app: BTreeMap::from([("APP_ID", "id-1".to_owned())]),
        of_components: BTreeMap::from([
            ("web".to_owned(), web),
            (
                "a-job".to_owned(),
                ComponentFacts {
                    facts: BTreeMap::new(),
                    variables: BTreeMap::from([("HOST".to_owned(), "job".to_owned())]),
                },
            ),
        ]),
    }
}

#[test]
fn what_is_known_is_filled_in_and_the_rest_stays() {
    let facts = facts();
    let rows = [
        ("", ""),
        ("plain", "plain"),
        ("${APP_ID}", "id-1"),
        ("a${APP_ID}b${APP_ID}c", "aid-1bid-1c"),
        ("${web.PUBLIC_URL}/x", "https://shop.test/x"),
        ("${_self.HOST}", "job"),
        ("${web.HOST}", "h"),
        ("${web.BASE}", "h:1"),
        ("${db.DATABASE_URL}", "${db.DATABASE_URL}"),
        ("${UNKNOWN}", "${UNKNOWN}"),
        ("${web.UNKNOWN}", "${web.UNKNOWN}"),
        ("${}", "${}"),
        ("${.}", "${.}"),
        ("${web.}", "${web.}"),
        ("${a.b.c}", "${a.b.c}"),
        ("${APP_ID", "${APP_ID"),
        ("$APP_ID", "$APP_ID"),
        ("$${APP_ID}", "$id-1"),
        ("${x ${APP_ID}}", "${x id-1}"),
        ("${${APP_ID}}", "${id-1}"),
        ("é${APP_ID}é", "éid-1é"),
        ("}${", "}${"),
    ];
    for (value, expected) in rows {
        let filled = Filler::new(&facts).fill("a-job", value);
        assert_eq!(filled.as_deref(), Ok(expected), "{value}");
    }
}

#[test]
fn a_circle_ends() {
    let facts = facts();
    let filled = Filler::new(&facts).fill("web", "${web.LOOP}").unwrap();
    assert_eq!(
        filled,
        format!("{}${{web.LOOP}}{}", "<".repeat(8), ">".repeat(8))
    );
}

#[test]
fn values_that_grow_without_end_are_refused() {
    let facts = facts();
    let mut filler = Filler::new(&facts);
    assert_eq!(filler.fill("web", "${web.BOMB2}").unwrap().len(), 250);
    let why = filler.fill("web", "${web.BOMB5}").unwrap_err();
    assert!(
        why.starts_with("follows more than 1000 references"),
        "{why}"
    );
    let long = "${web.PUBLIC_URL}".repeat(4_000);
    let why = filler.fill("web", &long).unwrap_err();
    assert!(why.starts_with("is longer than 65536 bytes"), "{why}");
}

#[test]
fn what_has_to_be_known_first_is_noted() {
    let facts = facts();
    let mut filler = Filler::new(&facts);
    let filled = filler.fill("a-job", "v-${web.COMMIT_HASH}").unwrap();
    assert_eq!(filled, "v-${web.COMMIT_HASH}");
    assert_eq!(filler.missing_commits, BTreeSet::from(["web".to_owned()]));
}

#[test]
fn what_there_is_not_here_is_refused() {
    let facts = facts();
    let why = Filler::new(&facts)
        .fill("web", "${_self.PRIVATE_URL}")
        .unwrap_err();
    assert_eq!(why, "${web.PRIVATE_URL} is not known here: use PUBLIC_URL");
}
