//! What is made of kept inputs: bytes change, words come in, parts go, come twice or come from
//! another input.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Changes of one input.
const CHANGES: usize = 6;
/// Bytes of a part.
const PART_BYTES: usize = 64;
/// Largest input that is made, bytes.
const INPUT_BYTES: usize = 64 * 1024;

/// A change of an input.
#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Replace(Index, usize, Vec<u8>),
    Cut(Index),
    Remove(Index, usize),
    Repeat(Index, usize, usize),
    Splice(Index, Index, Index, usize),
}

/// Inputs made of kept ones, and a few of any bytes.
pub fn inputs(kept: Vec<Vec<u8>>, words: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        4 => proptest::sample::select(words),
        1 => vec(any::<u8>(), 1..4),
    ];
    let change = prop_oneof![
        3 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        4 => (any::<Index>(), word.clone()).prop_map(|(at, word)| Change::Insert(at, word)),
        3 => (any::<Index>(), 1..PART_BYTES, word)
            .prop_map(|(at, length, word)| Change::Replace(at, length, word)),
        1 => any::<Index>().prop_map(Change::Cut),
        2 => (any::<Index>(), 1..PART_BYTES).prop_map(|(at, length)| Change::Remove(at, length)),
        2 => (any::<Index>(), 1..PART_BYTES, 2..40_usize)
            .prop_map(|(at, length, times)| Change::Repeat(at, length, times)),
        2 => (any::<Index>(), any::<Index>(), any::<Index>(), 1..PART_BYTES)
            .prop_map(|(at, other, from, length)| Change::Splice(at, other, from, length)),
    ];
    let changed = (any::<Index>(), vec(change, 1..=CHANGES)).prop_map(move |(first, changes)| {
        let mut bytes = kept[first.index(kept.len())].clone();
        for change in &changes {
            apply(&mut bytes, change, &kept);
            bytes.truncate(INPUT_BYTES);
        }
        bytes
    });
    prop_oneof![30 => changed, 1 => vec(any::<u8>(), 0..200)]
}

fn apply(bytes: &mut Vec<u8>, change: &Change, kept: &[Vec<u8>]) {
    let place = |at: &Index| at.index(bytes.len() + 1);
    let part = |at: &Index, length: usize| {
        let start = place(at);
        start..(start + length).min(bytes.len())
    };
    match change {
        Change::Set(at, byte) => {
            let at = place(at);
            if let Some(place) = bytes.get_mut(at) {
                *place = *byte;
            }
        }
        Change::Insert(at, word) => {
            let at = place(at);
            bytes.splice(at..at, word.iter().copied());
        }
        Change::Replace(at, length, word) => {
            let part = part(at, *length);
            bytes.splice(part, word.iter().copied());
        }
        Change::Cut(at) => bytes.truncate(place(at)),
        Change::Remove(at, length) => {
            bytes.drain(part(at, *length));
        }
        Change::Repeat(at, length, times) => {
            let part = part(at, *length);
            let repeated = bytes[part.clone()].repeat(*times);
            bytes.splice(part, repeated);
        }
        Change::Splice(at, other, from, length) => {
            let other = &kept[other.index(kept.len())];
            let start = from.index(other.len() + 1);
            let end = (start + length).min(other.len());
            let at = place(at);
            bytes.splice(at..at, other[start..end].iter().copied());
        }
    }
}
