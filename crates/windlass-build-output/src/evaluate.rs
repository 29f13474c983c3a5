//! What a request to a site leads to.
//!
//! The order: routes before any handle; then the files; `miss`; the routes after
//! `filesystem`; those after `rewrite` (dynamic paths); those after `resource`
//! (last resort); and then the routes after `error`. Wherever a file or a
//! function is found, the routes after `hit` add headers.

use crate::config::Site;
use crate::pattern::TooMuchWork;
use crate::query::Query;
use crate::request::SiteRequest;
use crate::route::{Phase, Route};
use crate::template::{Matched, Place, Template};

mod address;
mod headers;
mod lookup;

use headers::HeaderSet;
use lookup::Found;

/// Routes that are tried for one request.
const ROUTE_STEPS: u32 = 10_000;
/// Looks for a file or function for one request.
const LOOKUPS: u32 = 256;

/// What a site consists of.
pub trait Files {
    /// Whether there is this regular file below `static/`.
    fn has_file(&self, path: &str) -> bool;
    /// Whether there is `functions/NAME.func/`.
    fn has_function(&self, name: &str) -> bool;
}

/// What answers a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// A static file.
    File {
        /// Path below `static/`.
        file: String,
        /// Media type, where the site says one.
        content_type: Option<String>,
        /// Status of the answer.
        status: u16,
        /// Headers of the answer, names in lower case.
        headers: Vec<(String, String)>,
    },
    /// A function.
    Function {
        /// Path below `functions/` without `.func`.
        name: String,
        /// Path and query that it sees: those of the client, with the query of
        /// the rewrites added.
        target: String,
        /// Status of the answer in place of the function's own.
        status: Option<u16>,
        /// Headers of the answer, where the function sets none of that name.
        headers: Vec<(String, String)>,
    },
    /// No content of the site: a redirect or a bare status.
    Answer {
        /// Status of the answer.
        status: u16,
        /// Headers of the answer, names in lower case.
        headers: Vec<(String, String)>,
    },
    /// The routes took more work than one request may.
    TooMuchWork,
}

/// What became of one phase.
enum End {
    /// The request is answered.
    Decided(Decision),
    /// A route has matched that ends the phase.
    Matched,
    /// No route has ended it.
    Through,
}

struct Walk<'a, F> {
    site: &'a Site,
    request: SiteRequest<'a>,
    files: &'a F,
    /// As the rewrites have made it; still encoded.
    path: String,
    query: Query,
    headers: HeaderSet,
    /// Status that an earlier route asked for.
    status: Option<u16>,
    route_steps: u32,
    lookups: u32,
}

impl Site {
    /// What a request leads to.
    pub fn evaluate(&self, request: SiteRequest<'_>, files: &impl Files) -> Decision {
        let mut walk = Walk::new(self, request, files);
        walk.decide().unwrap_or(Decision::TooMuchWork)
    }

    /// What answers when something else has failed with this status, for
    /// example a function.
    pub fn evaluate_error(
        &self,
        status: u16,
        request: SiteRequest<'_>,
        files: &impl Files,
    ) -> Decision {
        let mut walk = Walk::new(self, request, files);
        walk.fail(status).unwrap_or(Decision::TooMuchWork)
    }
}

impl<'a, F: Files> Walk<'a, F> {
    fn new(site: &'a Site, request: SiteRequest<'a>, files: &'a F) -> Self {
        Self {
            site,
            request,
            files,
            path: request.path.to_owned(),
            query: Query::parse(request.query),
            headers: HeaderSet::default(),
            status: None,
            route_steps: 0,
            lookups: 0,
        }
    }

    fn decide(&mut self) -> Result<Decision, TooMuchWork> {
        if let End::Decided(decision) = self.phase(Phase::Start)? {
            return Ok(decision);
        }
        if let Some(found) = self.lookup()? {
            return self.serve(found);
        }
        if let Some(decision) = self.aside(&[Phase::Miss])? {
            return Ok(decision);
        }
        for phase in [Phase::Filesystem, Phase::Rewrite, Phase::Resource] {
            match self.phase(phase)? {
                End::Decided(decision) => return Ok(decision),
                End::Matched => {
                    if let Some(found) = self.lookup()? {
                        return self.serve(found);
                    }
                }
                End::Through => {}
            }
        }
        self.fail(404)
    }

    /// Runs phases that leave the path as it is when they find nothing.
    fn aside(&mut self, phases: &[Phase]) -> Result<Option<Decision>, TooMuchWork> {
        let (path, query) = (self.path.clone(), self.query.clone());
        for phase in phases {
            match self.phase(*phase)? {
                End::Decided(decision) => return Ok(Some(decision)),
                End::Matched => {
                    if let Some(found) = self.lookup()? {
                        return self.serve(found).map(Some);
                    }
                }
                End::Through => {}
            }
        }
        (self.path, self.query) = (path, query);
        Ok(None)
    }

    fn phase(&mut self, phase: Phase) -> Result<End, TooMuchWork> {
        let site = self.site;
        for route in site.routes.of(phase) {
            let Some(matched) = self.matched(route)? else {
                continue;
            };
            self.headers.set(route, &matched, phase)?;
            if route.redirects() {
                return self.redirect(route).map(End::Decided);
            }
            if let Some(dest) = &route.dest {
                self.rewrite(dest, &matched)?;
            } else if let Some(status) = route.status.filter(|_| !route.goes_on) {
                return self.answer(status).map(End::Decided);
            }
            let before = self.status;
            self.status = route.status.or(self.status);
            if route.goes_on {
                continue;
            }
            if !route.check {
                return Ok(End::Matched);
            }
            if let Some(found) = self.lookup()? {
                if phase == Phase::Miss {
                    // Its status is for what is not there.
                    self.status = before;
                }
                return self.serve(found).map(End::Decided);
            }
            if let Some(status) = route.status.filter(|status| *status >= 400) {
                // Nothing later shall answer for it.
                return self.answer(status).map(End::Decided);
            }
            // In the phases after a miss another one would never end.
            let is_first = matches!(phase, Phase::Start | Phase::Filesystem | Phase::Resource);
            if is_first && let Some(decision) = self.aside(&[Phase::Miss, Phase::Rewrite])? {
                return Ok(End::Decided(decision));
            }
        }
        Ok(End::Through)
    }

    /// What a route matches in the request as it is now.
    fn matched(&mut self, route: &Route) -> Result<Option<Matched>, TooMuchWork> {
        self.route_steps += 1;
        if self.route_steps > ROUTE_STEPS {
            return Err(TooMuchWork);
        }
        let method = self.request.method;
        if !route.methods.is_empty() && !route.methods.iter().any(|known| known == method) {
            return Ok(None);
        }
        let pattern = route.pattern();
        let mut groups = pattern.groups(&self.path)?;
        if groups.is_none() && route.is_relative {
            groups = pattern.groups(self.path.trim_start_matches('/'))?;
        }
        let Some(groups) = groups else {
            return Ok(None);
        };
        let mut matched = Matched::default();
        for (number, name) in pattern.names() {
            if let Some(Some(group)) = groups.by_number.get(number) {
                matched
                    .path_names
                    .insert(name.to_owned(), (*group).to_owned());
            }
        }
        matched.groups = groups
            .by_number
            .iter()
            .map(|group| group.unwrap_or_default().to_owned())
            .collect();
        for condition in &route.has {
            if !condition.holds(&self.request, &self.query, &mut matched.values)? {
                return Ok(None);
            }
        }
        for condition in &route.missing {
            let mut ignored = std::collections::BTreeMap::new();
            if condition.holds(&self.request, &self.query, &mut ignored)? {
                return Ok(None);
            }
        }
        if let Some(value) = self.site.wildcard.get(self.request.host) {
            matched.values.insert("wildcard".to_owned(), value.clone());
        }
        Ok(Some(matched))
    }

    fn rewrite(&mut self, dest: &Template, matched: &Matched) -> Result<(), TooMuchWork> {
        let text = dest.expand(matched, Place::Address).ok_or(TooMuchWork)?;
        let (path, query) = text.split_once('?').unwrap_or((&text, ""));
        let path = path.split('#').next().unwrap_or_default();
        self.path = address::rooted(path);
        self.query.add_missing(&Query::parse(query));
        Ok(())
    }

    fn redirect(&mut self, route: &Route) -> Result<Decision, TooMuchWork> {
        let status = route.status.unwrap_or(308);
        if let Some(location) = self.headers.get("location") {
            let is_own = route
                .headers
                .iter()
                .any(|(name, value)| name == "location" && value.beginning().starts_with('/'));
            let location = address::location(location, is_own, &self.query);
            self.headers.replace("location", &location)?;
        }
        Ok(Decision::Answer {
            status,
            headers: self.headers.take(),
        })
    }

    fn answer(&mut self, status: u16) -> Result<Decision, TooMuchWork> {
        if status >= 400 {
            return self.fail(status);
        }
        Ok(Decision::Answer {
            status,
            headers: self.headers.take(),
        })
    }

    fn serve(&mut self, found: Found) -> Result<Decision, TooMuchWork> {
        let name = found.name().to_owned();
        let path = std::mem::replace(&mut self.path, format!("/{name}"));
        // Such routes only add headers.
        self.phase(Phase::Hit)?;
        self.path = path;
        let headers = self.headers.take();
        Ok(match found {
            Found::File { file, .. } => Decision::File {
                content_type: self.site.content_type(&file).map(str::to_owned),
                status: self.status.unwrap_or(200),
                headers,
                file,
            },
            Found::Function { name } => Decision::Function {
                name,
                target: self.target(),
                status: self.status,
                headers,
            },
        })
    }

    fn target(&self) -> String {
        let mut target = self.request.path.to_owned();
        if !self.query.is_empty() {
            target.push('?');
            target.push_str(&self.query.text());
        }
        target
    }

    /// The site's own document for an error, or the bare status.
    fn fail(&mut self, status: u16) -> Result<Decision, TooMuchWork> {
        let site = self.site;
        self.status = Some(status);
        for route in site.routes.of(Phase::Error) {
            if route.status.is_some_and(|wanted| wanted != status) {
                continue;
            }
            let Some(matched) = self.matched(route)? else {
                continue;
            };
            self.headers.set(route, &matched, Phase::Error)?;
            if let Some(dest) = &route.dest {
                self.rewrite(dest, &matched)?;
                if let Some(found) = self.lookup()? {
                    return self.serve(found);
                }
            }
            if !route.goes_on {
                break;
            }
        }
        Ok(Decision::Answer {
            status,
            headers: self.headers.take(),
        })
    }
}
