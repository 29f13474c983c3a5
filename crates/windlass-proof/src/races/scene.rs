//! An app of the Cloud Foundry API on which deployments race, round after round.

use std::io::{Read, Write};
use std::net::TcpStream;

use http::Method;
use serde_json::{Value, json};
use windlass::demo::api::Api;
use windlass::demo::census::{self, Seen};
use windlass::demo::line::Line;
use windlass::demo::platform::{App, Platform, text};
use windlass::demo::{Failure, WAIT_LIMIT, wait_for};

use super::history::History;
use super::model::deployment::{Deployments, Reply, Request, State, Which, Word};
use super::start::Watcher;
use super::trail;
use super::verdict::judge;
use super::wire::{ask, reply};
use crate::rig::Rig;

/// Every so many rounds the processes are counted.
const CENSUS_EVERY: u64 = 8;
/// Events that are looked at: more than a round makes.
const EVENTS: u32 = 200;

/// What a deployment asks and answers.
pub(super) type Story = History<Request, Reply>;

/// The app, the versions, the clients.
pub(super) struct Scene<'a> {
    /// The Windlass.
    pub(super) rig: &'a Rig,
    /// The app.
    pub(super) app: App,
    /// Two clients of the same user.
    pub(super) first: Line,
    /// The other.
    pub(super) second: Line,
    watcher: Line,
    droplets: [String; 2],
    base: usize,
    instances: u32,
    processes: Vec<Seen>,
    rounds: u64,
}

/// A deployment of a round.
pub(super) struct Round {
    /// Its guid.
    pub(super) guid: String,
    /// Its base and its target, as versions.
    base: usize,
    target: usize,
    /// Instances before it.
    instances: u32,
    /// What was asked and answered so far.
    pub(super) story: Story,
}

impl<'a> Scene<'a> {
    /// Pushes an app with one instance and stages its other version.
    ///
    /// # Errors
    /// What the API or the build says.
    pub(super) fn new(rig: &'a Rig, name: &str) -> Result<Self, Failure> {
        let app = rig.push(name, "0", 1)?;
        let current = rig.platform.api.get(&current_droplet(&app))?;
        let droplets = [text(&current, "guid")?, rig.stage(&app, "1")?];
        let line = || Ok::<_, Failure>(Line::new(client(&rig.platform)?));
        let mut scene = Self {
            rig,
            app,
            first: line()?,
            second: line()?,
            watcher: line()?,
            droplets,
            base: 0,
            instances: 1,
            processes: Vec::new(),
            rounds: 0,
        };
        scene.take_stock()?;
        Ok(scene)
    }

    /// Creates a deployment of the version that does not run now: rolling, or a canary with this
    /// many pauses.
    ///
    /// # Errors
    /// When it is refused.
    pub(super) fn deploy(&mut self, pauses: u8) -> Result<Round, Failure> {
        let (base, target) = (self.base, 1 - self.base);
        self.rounds += 1;
        let path = format!("/v3/apps/{}", self.app.guid);
        for line in [&mut self.first, &mut self.second, &mut self.watcher] {
            line.warm(&path)?;
        }
        let body = creation(&self.app, &self.droplets[target], pauses);
        let mut story = Story::begin();
        let mut created = None;
        story.note("creator", Request::Create(Which::First), || {
            let answer = self
                .first
                .call(Method::POST, "/v3/deployments", Some(&body), &[]);
            let reply = answer.as_ref().ok().map(reply);
            created = Some(answer);
            reply
        });
        let answer = created.unwrap_or_else(|| Err(Failure::Unexpected("not asked".to_owned())))?;
        Ok(Round {
            guid: text(&answer.ok()?, "guid")?,
            base,
            target,
            instances: self.instances,
            story,
        })
    }

    /// What creates a rolling deployment of this app back to the version that runs.
    pub(super) fn superseding(&self) -> Value {
        creation(&self.app, &self.droplets[self.base], 0)
    }

    /// The two clients, and one who watches the deployment.
    pub(super) fn sides<'b>(
        &'b mut self,
        round: &Round,
    ) -> (&'b mut Line, &'b mut Line, Watcher<'b, Request, Reply>) {
        let path = format!("/v3/deployments/{}", round.guid);
        let line = &mut self.watcher;
        let watcher = Watcher {
            request: Request::Read(Which::First),
            ask: Box::new(move || ask(line, Method::GET, &path, None, &[])),
        };
        (&mut self.first, &mut self.second, watcher)
    }

    /// Waits for the pause of a canary.
    ///
    /// # Errors
    /// When it does not come.
    pub(super) fn until_paused(&mut self, round: &mut Round) -> Result<(), Failure> {
        let guid = round.guid.clone();
        self.follow(&mut round.story, Which::First, &guid, |word| {
            word == Word::Paused
        })?;
        Ok(())
    }

    /// Waits until a deployment is over, and reads the outcome.
    ///
    /// # Errors
    /// When that does not come.
    pub(super) fn until_over(
        &mut self,
        story: &mut Story,
        which: Which,
        guid: &str,
    ) -> Result<Word, Failure> {
        self.follow(story, which, guid, Word::is_over)
    }

    /// Looks until it stands as wanted or is over. Of equal looks one after the other the last is
    /// kept.
    fn follow(
        &mut self,
        story: &mut Story,
        which: Which,
        guid: &str,
        wanted: impl Fn(Word) -> bool,
    ) -> Result<Word, Failure> {
        let path = format!("/v3/deployments/{guid}");
        let mut last = None;
        wait_for("a deployment", || {
            let begin = std::time::Instant::now();
            let seen = reply(&self.watcher.call(Method::GET, &path, None, &[])?);
            let span = (begin, std::time::Instant::now());
            let Reply::Is(word) = seen else {
                return Err(Failure::Unexpected(format!("{path}: {seen:?}")));
            };
            let arrived = wanted(word) || word.is_over();
            if arrived || last != Some(word) {
                story.add("watcher", Request::Read(which), Some(seen), span);
                last = Some(word);
            }
            Ok(if arrived {
                Ok(word)
            } else {
                Err(word.as_str().to_owned())
            })
        })
    }

    /// What is wrong at the end of a round whose deployment has this outcome.
    ///
    /// # Errors
    /// When something can't be read.
    pub(super) fn judge(
        &mut self,
        round: &mut Round,
        pauses: u8,
        outcome: Word,
    ) -> Result<Vec<String>, Failure> {
        let current = self.first.get(&current_droplet(&self.app))?;
        let count = self.read_instances(&mut round.story)?;
        let mut wrong = Vec::new();
        let start = State::new(round.instances);
        wrong.extend(judge(&Deployments { pauses }, &start, &round.story));
        let record = self.rig.server.json(&["deployment", "show", &round.guid])?;
        wrong.extend(trail::problems(&record, outcome.as_str()));
        let stays = if outcome == Word::Deployed {
            round.target
        } else {
            round.base
        };
        if current["guid"] != self.droplets[stays] {
            wrong.push(format!(
                "{outcome:?}, but the droplet is {}",
                current["guid"]
            ));
        }
        self.instances = count;
        if outcome == Word::Deployed {
            self.base = round.target;
        }
        Ok(wrong)
    }

    fn read_instances(&mut self, story: &mut Story) -> Result<u32, Failure> {
        let path = format!("/v3/apps/{}/processes/web", self.app.guid);
        let begin = std::time::Instant::now();
        let web = self.first.get(&path)?;
        let count = web["instances"]
            .as_u64()
            .and_then(|count| u32::try_from(count).ok());
        let count = count.ok_or_else(|| Failure::Unexpected(format!("{path}: {web}")))?;
        let span = (begin, std::time::Instant::now());
        let read = Some(Reply::Instances(count));
        story.add("watcher", Request::ReadInstances, read, span);
        Ok(count)
    }

    /// What is wrong with what runs now that a cancel is over: with the outcome nothing of the
    /// target is left, and nobody touched the base.
    ///
    /// # Errors
    /// When the router does not answer.
    pub(super) fn judge_canceled(&self) -> Result<Vec<String>, Failure> {
        let mut wrong = Vec::new();
        let version = self.visit()?;
        if version != self.base.to_string() {
            wrong.push(format!("canceled, but version {version} answers"));
        }
        if self.rounds.is_multiple_of(CENSUS_EVERY) {
            let now = self.app_processes();
            if now != self.processes {
                wrong.push(format!(
                    "canceled, but {now:?} runs, before {:?}",
                    self.processes
                ));
            }
        }
        Ok(wrong)
    }

    /// Waits until only what is wanted runs, and remembers it.
    ///
    /// # Errors
    /// When that does not come.
    pub(super) fn take_stock(&mut self) -> Result<(), Failure> {
        self.rig.platform.wait_running(&self.app)?;
        let (version, old) = (self.base.to_string(), self.processes.clone());
        let wanted = self.instances as usize;
        self.processes = wait_for("only the base", || {
            let now = self.app_processes();
            let answers = self.visit()?;
            let gone = census::survivors(&old).len() <= wanted;
            Ok(if now.len() == wanted && gone && answers == version {
                Ok(now)
            } else {
                Err(format!("version {answers}, {now:?}"))
            })
        })?;
        Ok(())
    }

    /// Waits until nothing runs: the app is stopped.
    ///
    /// # Errors
    /// When that does not come.
    pub(super) fn until_nothing_runs(&self) -> Result<(), Failure> {
        wait_for("the end of all instances", || {
            let now = self.app_processes();
            Ok(if now.is_empty() {
                Ok(())
            } else {
                Err(format!("{now:?}"))
            })
        })
    }

    /// The last things that happened on this Windlass, oldest first.
    ///
    /// # Errors
    /// When it does not say.
    pub(super) fn events(&self) -> Result<Vec<Value>, Failure> {
        let count = EVENTS.to_string();
        let words = ["events", "--limit", &count, "--output", "json"];
        let printed = self.rig.server.run(&words)?;
        let lines = String::from_utf8_lossy(&printed.stdout).into_owned();
        let parsed = lines
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let mut events: Vec<Value> = parsed.collect();
        events.sort_by_key(|event| event["commit"].as_u64());
        Ok(events)
    }

    /// Deletes the app and waits until nothing of it is left.
    ///
    /// # Errors
    /// When that does not come.
    pub(super) fn end(self) -> Result<(), Failure> {
        let path = format!("/v3/apps/{}", self.app.guid);
        let deleted = self
            .rig
            .platform
            .api
            .call(Method::DELETE, &path, None, &[])?;
        deleted.ok()?;
        self.until_nothing_runs()
    }

    /// Processes of instances: what the shims started, without what only carries it.
    fn app_processes(&self) -> Vec<Seen> {
        let mut found = self.rig.server.census();
        found.retain(|seen| {
            let program = seen.arguments.first();
            program.is_some_and(|program| program.ends_with("hello"))
        });
        found
    }

    /// Which version the router picks for a new connection.
    fn visit(&self) -> Result<String, Failure> {
        let router = self.rig.router()?;
        let host = &self.app.host;
        let failed = |error: std::io::Error| Failure::Unexpected(format!("visit {host}: {error}"));
        let mut socket = TcpStream::connect(router).map_err(failed)?;
        socket.set_read_timeout(Some(WAIT_LIMIT)).map_err(failed)?;
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).map_err(failed)?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).map_err(failed)?;
        let header = answer.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("x-hello-version")
                .then(|| value.trim().to_owned())
        });
        header.ok_or_else(|| Failure::Unexpected(format!("visit {host}: {answer}")))
    }
}

/// A client of its own for the same caller.
///
/// # Errors
/// When it can't be made.
pub(super) fn client(platform: &Platform) -> Result<Api, Failure> {
    let token = platform.env.get("WINDLASS_TOKEN").map(String::as_str);
    platform.api.with_token(token)
}

fn current_droplet(app: &App) -> String {
    format!("/v3/apps/{}/droplets/current", app.guid)
}

fn creation(app: &App, droplet: &str, pauses: u8) -> Value {
    let mut body = json!({
        "droplet": { "guid": droplet },
        "strategy": "rolling",
        "relationships": { "app": { "data": { "guid": app.guid } } },
    });
    if pauses > 0 {
        let weights = (1..=u32::from(pauses)).map(|step| 100 * step / (u32::from(pauses) + 1));
        let steps: Vec<Value> = weights
            .map(|weight| json!({ "instance_weight": weight }))
            .collect();
        body["strategy"] = json!("canary");
        body["options"] = json!({ "canary": { "steps": steps } });
    }
    body
}
