//! Headers that routes collect for the answer.

use crate::pattern::TooMuchWork;
use crate::route::{Phase, Route};
use crate::template::{Matched, Place};

/// Headers of one answer, and their bytes.
const HEADER_LIMIT: usize = 128;
const HEADER_BYTES: usize = 32 * 1024;

/// Headers by name, in the order in which they were first set.
#[derive(Debug, Default)]
pub(super) struct HeaderSet {
    set: Vec<Header>,
    bytes: usize,
}

#[derive(Debug)]
struct Header {
    name: String,
    value: String,
    is_important: bool,
}

impl HeaderSet {
    /// Takes in the headers of a route that has matched. A later one replaces an
    /// earlier one, except where a file was found or missed; what is important
    /// is replaced only by what is important too.
    pub(super) fn set(
        &mut self,
        route: &Route,
        matched: &Matched,
        phase: Phase,
    ) -> Result<(), TooMuchWork> {
        let keeps = matches!(phase, Phase::Hit | Phase::Miss);
        for (name, value) in &route.headers {
            let place = if name == "location" {
                Place::Address
            } else {
                Place::Header
            };
            let value = value.expand(matched, place).ok_or(TooMuchWork)?;
            // A value that could end the line says nothing.
            if value.chars().any(|char| char.is_control() && char != '\t') {
                continue;
            }
            let known = self.set.iter().position(|header| header.name == *name);
            if let Some(known) = known {
                let before = &self.set[known];
                let gives_way = route.is_important || (!before.is_important && !keeps);
                if gives_way {
                    self.remove(known);
                } else {
                    continue;
                }
            }
            self.add(name, value, route.is_important)?;
        }
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.set.iter().find(|header| header.name == name);
        found.map(|header| header.value.as_str())
    }

    pub(super) fn replace(&mut self, name: &str, value: &str) -> Result<(), TooMuchWork> {
        if let Some(known) = self.set.iter().position(|header| header.name == name) {
            self.remove(known);
        }
        self.add(name, value.to_owned(), false)
    }

    pub(super) fn take(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.set)
            .into_iter()
            .map(|header| (header.name, header.value))
            .collect()
    }

    fn add(&mut self, name: &str, value: String, is_important: bool) -> Result<(), TooMuchWork> {
        self.bytes += name.len() + value.len();
        if self.set.len() >= HEADER_LIMIT || self.bytes > HEADER_BYTES {
            return Err(TooMuchWork);
        }
        self.set.push(Header {
            name: name.to_owned(),
            value,
            is_important,
        });
        Ok(())
    }

    fn remove(&mut self, place: usize) {
        let header = self.set.remove(place);
        self.bytes -= header.name.len() + header.value.len();
    }
}
