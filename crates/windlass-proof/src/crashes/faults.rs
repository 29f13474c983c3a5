//! Faults of the machine in every phase: what was accepted stays, whoever asks is told, and when
//! the fault is over all goes on by itself.

use http::Method;
use serde_json::{Value, json};
use windlass::demo::api::Answer;
use windlass::demo::{Failure, wait_for};

use super::act::{self, Act};
use super::cell;
use super::fault::{Fault, Struck};
use super::outcome::{Thing, Wanted};
use super::phase::{self, Phase};
use super::scene::{Scene, Stage};
use crate::small_disk;

/// Most changes that are asked for until one is refused: a database has some room of its own.
const MOST_CHANGES: u32 = 2_000;
/// Annotations of one change, each as long as the API takes them.
const ANNOTATIONS: u32 = 8;
/// Longest annotation.
const ANNOTATION_CHARS: usize = 5_000;

/// What came of all faults.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    rows: Vec<(Fault, Phase, Vec<String>)>,
    /// What was wrong when a Windlass was stopped.
    ends: Vec<String>,
    accepted: u64,
    refused: u64,
}

/// Lets each of the faults strike in each of the phases.
pub(super) fn run(stage: &Stage, faults: &[Fault], phases: &[Phase]) -> Result<Outcomes, Failure> {
    if faults.contains(&Fault::FullDisk) {
        small_disk::alone()?;
    }
    let mut outcomes = Outcomes::default();
    for fault in faults {
        let mut scene = stage.scene_for(*fault)?;
        for phase in phases {
            let wrong = match strike(&mut scene, *fault, *phase, &mut outcomes) {
                Ok(wrong) => wrong,
                Err(failure) => vec![failure.to_string()],
            };
            let said = match wrong.as_slice() {
                [] => "ok".to_owned(),
                lines => format!("FAILED: {}", lines.join("; ")),
            };
            super::say(&format!("{} while {}: {said}", fault.word(), phase.word()));
            if !wrong.is_empty() {
                super::say(&scene.trouble());
                drop(scene);
                scene = stage.scene_for(*fault)?;
            }
            outcomes.rows.push((*fault, *phase, wrong));
        }
        let ended = scene
            .end()
            .unwrap_or_else(|failure| vec![failure.to_string()]);
        outcomes.ends.extend(ended);
    }
    Ok(outcomes)
}

fn strike(
    scene: &mut Scene,
    fault: Fault,
    phase: Phase,
    outcomes: &mut Outcomes,
) -> Result<Vec<String>, Failure> {
    let reason = format!("{} while {}", fault.word(), phase.word());
    let act = cell::likeliest(phase);
    if !phase.moves_clock() {
        scene.let_in()?;
    }
    let entered = phase::enter(scene, phase, &reason)?;
    let mut struck = fault.strike(scene)?;
    let (mut wrong, mut sites) = (Vec::new(), Vec::new());
    let mut asked = None;
    if fault.hinders_writes() {
        let told = refusals(scene, &mut struck, outcomes)?;
        asked = Some(told.asked);
        wrong.extend(told.wrong);
        sites.extend(told.site);
        let is_deployment = matches!(phase, Phase::HealthWait | Phase::Paused | Phase::Canceling);
        if act == Act::Cancel && is_deployment {
            // Refused or accepted; when it is accepted it must be in force afterwards.
            if let Ok(answer) = scene.rig.platform.cancel(&entered.id, &reason) {
                wrong.extend(misformed(&answer, &[200]));
            }
        }
        struck.lift(scene)?;
        let app = format!("/v3/apps/{}", scene.app.guid);
        let now = scene.ask("the app", |scene| scene.rig.platform.api.get(&app))?;
        wrong.extend(asked.and_then(|asked| asked.lost(&now)));
        struck = Struck::Jumped;
    }
    let mut wanted = act::perform(scene, &entered, act, &reason, fault.hinders_writes())?;
    wanted.extend(sites);
    let (_, more) = cell::settle(scene, &wanted, &reason)?;
    wrong.extend(more);
    if asked.is_none() {
        struck.lift(scene)?;
        cell::tidy(scene)?;
    }
    wrong.extend(cell::visited(scene, 0)?);
    scene.rest()?;
    Ok(wrong)
}

/// Changes that were asked for.
#[derive(Debug, Clone, Copy, Default)]
struct Asked {
    /// Number of the last that was accepted.
    accepted: u32,
    /// Number of the last that was asked for.
    last: u32,
}

impl Asked {
    /// Whether an app of now has lost one that was accepted.
    fn lost(self, app: &Value) -> Option<String> {
        if self.accepted == 0 {
            return None;
        }
        let now = &app["metadata"]["annotations"]["n0"];
        let number = now
            .as_str()
            .and_then(|text| text.split(' ').next()?.parse().ok());
        let fits = number.is_some_and(|number| (self.accepted..=self.last).contains(&number));
        (!fits).then(|| format!("change {} was accepted and is lost", self.accepted))
    }
}

struct Told {
    asked: Asked,
    wrong: Vec<String>,
    /// A site that was accepted all the same.
    site: Option<Wanted>,
}

/// Asks for changes until one is refused.
fn refusals(
    scene: &mut Scene,
    struck: &mut Struck,
    outcomes: &mut Outcomes,
) -> Result<Told, Failure> {
    let path = format!("/v3/apps/{}", scene.app.guid);
    let mut asked = Asked::default();
    let refusal = wait_for("a change to be refused", || {
        while asked.last < MOST_CHANGES {
            asked.last += 1;
            struck.hold()?;
            let text = "x".repeat(ANNOTATION_CHARS - 10);
            let value = format!("{} {text}", asked.last);
            let annotations: serde_json::Map<String, Value> = (0..ANNOTATIONS)
                .map(|number| (format!("n{number}"), value.clone().into()))
                .collect();
            let body = json!({ "metadata": { "annotations": annotations } });
            match scene
                .rig
                .platform
                .api
                .call(Method::PATCH, &path, Some(&body), &[])
            {
                Ok(answer) if answer.status == 200 => {
                    asked.accepted = asked.last;
                    outcomes.accepted += 1;
                }
                Ok(answer) => return Ok(Ok(answer)),
                // Control ends when it can't know what the disk holds.
                Err(error @ (Failure::NoAnswer { .. } | Failure::Late { .. })) => {
                    return Ok(Err(error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        Err(Failure::Unexpected(format!(
            "{MOST_CHANGES} changes were accepted"
        )))
    })?;
    outcomes.refused += 1;
    let mut wrong: Vec<String> = misformed(&refusal, &[]).into_iter().collect();
    let mut site = None;
    if let Ok(answer) = scene.site.try_deploy("refused") {
        wrong.extend(misformed(&answer, &[200]));
        if answer.status == 200 {
            outcomes.accepted += 1;
            let id = windlass::demo::platform::text(&answer.body, "id")?;
            site = Some(Wanted {
                thing: Thing::Site(id),
                outcomes: vec!["READY", "ERROR"],
                reason: None,
            });
        } else {
            outcomes.refused += 1;
        }
    }
    Ok(Told { asked, wrong, site })
}

/// What is wrong with an answer that is to be one of these or an error of the server in the form
/// of its dialect.
fn misformed(answer: &Answer, good: &[u16]) -> Option<String> {
    if good.contains(&answer.status) {
        return None;
    }
    let body = &answer.body;
    let cf = &body["errors"][0];
    let is_cf = cf["code"].is_u64() && cf["title"].is_string() && cf["detail"].is_string();
    let is_vercel = body["error"]["code"].is_string() && body["error"]["message"].is_string();
    let is_error = [500, 503, 507].contains(&answer.status);
    (!(is_error && (is_cf || is_vercel))).then(|| {
        format!(
            "{} was answered {}: {}",
            answer.request, answer.status, answer.text
        )
    })
}

impl Outcomes {
    /// Whether everything held.
    pub(super) fn held(&self) -> bool {
        self.ends.is_empty() && self.rows.iter().all(|(.., wrong)| wrong.is_empty())
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let failed = self.rows.iter().filter(|(.., wrong)| !wrong.is_empty());
        let mut lines = vec![format!(
            "{} faults, {} went wrong; changes meanwhile: {} accepted, {} refused",
            self.rows.len(),
            failed.count(),
            self.accepted,
            self.refused
        )];
        lines.extend(
            self.ends
                .iter()
                .map(|line| format!("WRONG at the end: {line}")),
        );
        lines.join("\n") + "\n"
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let row = |(fault, phase, wrong): &(Fault, Phase, Vec<String>)| json!({ "fault": fault.word(), "phase": phase.word(), "wrong": wrong });
        json!({
            "faults": self.rows.iter().map(row).collect::<Vec<_>>(),
            "accepted": self.accepted,
            "refused": self.refused,
            "at_the_end": self.ends,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_was_accepted_and_is_older_now_is_lost() {
        let asked = Asked {
            accepted: 7,
            last: 8,
        };
        let app = |text: &str| json!({ "metadata": { "annotations": { "n0": text } } });
        assert_eq!(asked.lost(&app("7 x")), None);
        assert_eq!(asked.lost(&app("8 x")), None);
        assert!(asked.lost(&app("6 x")).is_some());
        assert!(asked.lost(&json!({})).is_some());
        assert_eq!(Asked::default().lost(&json!({})), None);
    }
}
