//! Kills at random moments of a random script, and again as soon as who was killed is back.

use std::thread;
use std::time::Duration;

use windlass::demo::census::{self, Seen};
use windlass::demo::server::Role as Process;
use windlass::demo::{Failure, WAIT_POLL};

use super::act::{self, Act};
use super::cell;
use super::dice::Dice;
use super::kill;
use super::phase::{self, Phase};
use super::scene::{Scene, Stage};

/// Latest moment of a kill after the phase was reached, milliseconds.
const LATEST_MS: u64 = 600;
/// Most kills of one of them in a row.
const MOST_KILLS: u64 = 5;
/// Looks for who is back before a row of kills ends.
const LOOKS: u32 = 500;
/// Rounds that share a Windlass.
const ROUNDS_OF_ONE: u64 = 40;

/// Who is killed: everybody that stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Supervisor,
    Control,
    Router,
    Shim,
}

impl Victim {
    const ALL: [Self; 4] = [Self::Supervisor, Self::Control, Self::Router, Self::Shim];

    fn word(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisor",
            Self::Control => "control",
            Self::Router => "router",
            Self::Shim => "shim",
        }
    }
}

/// What came of all rounds.
#[derive(Debug, Default)]
pub(super) struct Counts {
    rounds: u64,
    kills: [u64; 4],
    wrong: Vec<String>,
}

/// A kill that is on its way.
#[derive(Debug, Clone, Copy)]
struct Plan {
    victim: Victim,
    pid: i32,
    supervisor: i32,
    after: Duration,
    times: u64,
}

/// Plays so many rounds.
pub(super) fn run(stage: &Stage, rounds: u64, dice: &mut Dice) -> Result<Counts, Failure> {
    let mut scene = stage.scene()?;
    let mut counts = Counts::default();
    for round in 1..=rounds {
        let played = play(&mut scene, dice);
        counts.rounds += 1;
        let (words, wrong) = match played {
            Ok((words, victim, kills, wrong)) => {
                counts.kills[victim as usize] += kills;
                (words, wrong)
            }
            Err(failure) => ("a round".to_owned(), vec![failure.to_string()]),
        };
        let said = if wrong.is_empty() {
            "ok".to_owned()
        } else {
            wrong.join("; ")
        };
        super::say(&format!("[{round}/{rounds}] {words}: {said}"));
        if !wrong.is_empty() {
            super::say(&scene.trouble());
            counts.wrong.extend(wrong);
            scene = stage.scene()?;
        } else if round % ROUNDS_OF_ONE == 0 && round < rounds {
            let next = stage.scene()?;
            counts
                .wrong
                .extend(std::mem::replace(&mut scene, next).end()?);
        }
    }
    counts.wrong.extend(scene.end()?);
    Ok(counts)
}

fn play(scene: &mut Scene, dice: &mut Dice) -> Result<(String, Victim, u64, Vec<String>), Failure> {
    let phase = dice.pick(&Phase::ALL).unwrap_or(Phase::Paused);
    let act = dice.pick(&[Act::Next, Act::Cancel]).unwrap_or(Act::Next);
    let victim = dice.pick(&Victim::ALL).unwrap_or(Victim::Control);
    let after = Duration::from_millis(dice.below(LATEST_MS));
    // Who starts the supervisor waits until it is ready.
    let times = match victim {
        Victim::Control | Victim::Router => 1 + dice.below(MOST_KILLS),
        Victim::Supervisor | Victim::Shim => 1,
    };
    let words = format!(
        "{act:?} while {}, {} killed {times} times from {} ms on",
        phase.word(),
        victim.word(),
        after.as_millis()
    );
    if victim != Victim::Supervisor && !phase.moves_clock() {
        scene.let_in()?;
    }
    let entered = phase::enter(scene, phase, &words)?;
    let supervisor = pid_of(scene, Process::Supervisor)?;
    let pid = match victim {
        Victim::Supervisor => supervisor,
        Victim::Control => pid_of(scene, Process::Control)?,
        Victim::Router => pid_of(scene, Process::Router)?,
        Victim::Shim => scene.shim_since(&entered.before).unwrap_or(0),
    };
    if let Some(load) = scene.load.as_ref().filter(|_| victim == Victim::Router) {
        load.router_dies();
    }
    let plan = Plan {
        victim,
        pid,
        supervisor,
        after,
        times,
    };
    let killer = thread::spawn(move || carry_out(plan));
    let wanted = act::perform(scene, &entered, act, &words, victim == Victim::Shim)?;
    let (_, mut wrong) = cell::settle(scene, &wanted, &words)?;
    let kills = killer
        .join()
        .unwrap_or_else(|_| Err(Failure::Unexpected("the killer broke".to_owned())))?;
    // The last kill may have come after everything had ended.
    scene.revive()?;
    cell::tidy(scene)?;
    if let Some(load) = scene.load.as_ref().filter(|_| victim == Victim::Router) {
        load.router_is_dead();
    }
    let cuts = match victim {
        Victim::Shim => 1,
        // Who was cut asks once more, and may be cut by the next kill.
        Victim::Router => kills - 1,
        Victim::Supervisor | Victim::Control => 0,
    };
    wrong.extend(cell::visited(scene, cell::CUT_AT_ONCE * cuts)?);
    scene.rest()?;
    Ok((words, victim, kills, wrong))
}

fn pid_of(scene: &Scene, process: Process) -> Result<i32, Failure> {
    let pid = scene.rig.server.pid(process);
    pid.ok_or_else(|| Failure::Unexpected(format!("{process:?} does not run")))
}

/// Kills at the moment, and again whoever follows, as soon as he is there; how often.
fn carry_out(plan: Plan) -> Result<u64, Failure> {
    thread::sleep(plan.after);
    if plan.pid > 0 {
        kill::now(plan.pid)?;
    }
    let (mut kills, mut last) = (1, plan.pid);
    for _ in 0..LOOKS {
        if kills >= plan.times {
            break;
        }
        match follower(plan, last) {
            Some(next) => {
                kill::now(next)?;
                kills += 1;
                last = next;
            }
            None => thread::sleep(WAIT_POLL),
        }
    }
    Ok(kills)
}

fn follower(plan: Plan, last: i32) -> Option<i32> {
    let is_victim = |seen: &Seen| {
        let word = seen.arguments.get(1);
        !seen.is_zombie && seen.pid != last && word.is_some_and(|word| word == plan.victim.word())
    };
    let children = census::children(plan.supervisor);
    children.into_iter().find(is_victim).map(|seen| seen.pid)
}

impl Counts {
    /// Whether everything held.
    pub(super) fn held(&self) -> bool {
        self.wrong.is_empty()
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let kills: Vec<String> = Victim::ALL
            .iter()
            .zip(self.kills)
            .map(|(victim, kills)| format!("{} {kills}", victim.word()))
            .collect();
        format!(
            "{} rounds, kills: {}; wrong: {}\n",
            self.rounds,
            kills.join(", "),
            self.wrong.len()
        )
    }

    /// For programs.
    pub(super) fn json(&self) -> serde_json::Value {
        let kills: serde_json::Map<String, serde_json::Value> = Victim::ALL
            .iter()
            .zip(self.kills)
            .map(|(victim, kills)| (victim.word().to_owned(), kills.into()))
            .collect();
        serde_json::json!({ "rounds": self.rounds, "kills": kills, "wrong": self.wrong })
    }
}
