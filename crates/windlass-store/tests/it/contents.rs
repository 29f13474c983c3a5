//! A digest of everything, to tell whether anything has changed.

use crate::backend::{Backend, Fixture, for_each_backend};
use crate::fixtures;

for_each_backend! { contents_differ_where_something_changed }

fn contents_differ_where_something_changed(backend: Backend) {
    let fixture = Fixture::new(backend);
    let contents = || fixture.store.read(|reader| reader.contents()).unwrap();
    let empty = contents();
    fixture.put(fixtures::organization("o1", "one"));
    let one = contents();
    let changed: Vec<&String> = one
        .iter()
        .filter(|(table, digest)| empty.get(*table) != Some(digest))
        .map(|(table, _)| table)
        .collect();
    assert_eq!(changed, ["labels", "organizations"]);
    // A commit that changes nothing.
    fixture.write(|_| Ok(()));
    assert_eq!(contents(), one);
    fixture.put(fixtures::organization("o1", "other"));
    assert_ne!(contents(), one);
}
