//! The start of control: take in what happened meanwhile, adopt what runs, go on.

use std::collections::BTreeSet;

use tokio::sync::mpsc::Receiver;
use windlass_engine::app::AppState;
use windlass_engine::id::AppId;
use windlass_engine::input::Observation;
use windlass_router::RouterEvent;
use windlass_runtime as runtime;
use windlass_runtime::{RunKind, RunPhase, RunStatus};

use crate::clock;
use crate::commit::write;
use crate::control::Control;
use crate::crash_point::crash_point;
use crate::error::Error;
use crate::observe::{is_known, to_exit};
use crate::run_name::RunName;

/// Boot in which control last ran; another one means that nothing of before runs.
const BOOT_KEY: &str = "boot_id";
/// Set while everything is stopped on purpose; then nothing of before runs either.
pub(crate) const DOWN_KEY: &str = "stopped_all";
/// How often everything is looked at anew without a hint, seconds: the net below lost hints.
const RESYNC_SECS: u64 = 30;

/// Apps that are woken before others have their turn.
const WAKE_TURN: usize = 32;

impl Control {
    /// Adopts what runs and begins to observe.
    pub(crate) async fn begin(
        &self,
        boot_id: &str,
        observations: Receiver<runtime::Observation>,
        router_events: Receiver<RouterEvent>,
    ) -> Result<(), Error> {
        let runs = self.driver().observe().await;
        let fresh = self.is_fresh_boot(boot_id)?;
        let known = self.all_states()?;
        let news: Vec<&RunStatus> = runs.iter().filter(|run| is_news(&known, run)).collect();
        let apps: Vec<AppId> = known.iter().map(|state| state.app.clone()).collect();
        let is_as_known = news.is_empty() && !fresh;
        for status in news {
            self.take_in_status(status, fresh).await;
        }
        if fresh {
            for app in &apps {
                self.observe(app, Observation::Rebooted).await;
            }
        }
        crash_point!("control-adopted");
        self.note_boot(boot_id).await?;
        self.release_stray_ports().await?;
        self.stop_strangers(&runs, &apps).await;
        self.pending().is_returning = fresh;
        // Nobody else writes yet: what no news has changed need not be read again.
        let states = if is_as_known {
            known
        } else {
            self.all_states()?
        };
        for state in &states {
            // One app whose files are damaged must not keep all others from serving.
            if let Err(error) = self.unpack_files_of(state).await {
                tracing::error!(app.id = %state.app, "files are not served: {error}");
            }
        }
        let position = self.publish_everything(&states)?;
        // Not earlier: a run that was started before the reboot is noted would count as one from
        // before it if control died in between, and an older table would follow a newer one.
        crash_point!("control-begun");
        self.open_workers();
        tokio::spawn(self.clone().observe_driver(observations));
        tokio::spawn(self.clone().observe_router(router_events));
        tokio::spawn(self.clone().resync());
        tokio::spawn(self.clone().retain());
        for state in &states {
            self.ask_about_drains(state);
        }
        // Who waited for the router when control died goes on waiting.
        for state in &states {
            let (control, app, generation) =
                (self.clone(), state.app.clone(), state.plan_generation);
            let waits = state.releases.iter().any(|release| {
                release
                    .restore
                    .as_ref()
                    .is_some_and(|restore| !restore.safe)
            });
            if waits {
                tokio::spawn(async move {
                    if control.await_acknowledged(position).await {
                        control.acknowledged(&app, generation).await;
                    }
                });
            }
        }
        // Thousands of looks take their time; the API need not wait for them.
        let control = self.clone();
        tokio::spawn(async move { control.wake_all(&apps).await });
        // A slot may have become free in the last moment of the last control.
        self.wake_waiting_builds().await;
        Ok(())
    }

    /// Ends runs of apps that nobody knows: no worker would.
    async fn stop_strangers(&self, runs: &[RunStatus], apps: &[AppId]) {
        let known: BTreeSet<&str> = apps.iter().map(AppId::as_str).collect();
        let strangers: BTreeSet<&str> = runs
            .iter()
            .map(|status| status.app.as_str())
            .filter(|app| !known.contains(app))
            .collect();
        for app in strangers {
            tracing::warn!(app.id = app, "runs of an unknown app are ended");
            let nothing = runtime::EnsureRuns {
                app: app.to_owned(),
                generation: u64::MAX,
                ..Default::default()
            };
            if let Err(error) = self.driver().ensure(nothing).await {
                tracing::warn!(app.id = app, "not ended: {error}");
            }
        }
    }

    /// Ports of runs that no plan names any more and that no driver knows: what was absent after
    /// a reboot never reports its end.
    async fn release_stray_ports(&self) -> Result<(), Error> {
        let known: BTreeSet<String> = self
            .driver()
            .observe()
            .await
            .into_iter()
            .map(|status| status.run)
            .collect();
        let leased = self
            .store()
            .read(|reader| Ok::<_, Error>(reader.ports(None)?))?;
        let mut stray = Vec::new();
        for port in leased.into_iter().filter(|port| !known.contains(&port.run)) {
            let wanted = match (port.run.parse(), self.state(&port.app)?) {
                (Ok(RunName::Instance { instance, run, .. }), Some(state)) => state
                    .instances
                    .get(&instance)
                    .is_some_and(|found| found.run == run && !found.is_crashed()),
                _ => false,
            };
            if !wanted {
                stray.push(port.run);
            }
        }
        if stray.is_empty() {
            return Ok(());
        }
        write(self.store(), move |tx| {
            for run in stray {
                tx.release_ports(&run, clock::uptime())?;
            }
            Ok(())
        })
        .await
    }

    fn is_fresh_boot(&self, boot_id: &str) -> Result<bool, Error> {
        let (known, down) = self
            .store()
            .read(|reader| Ok::<_, Error>((reader.meta(BOOT_KEY)?, reader.meta(DOWN_KEY)?)))?;
        Ok(down.is_some() || known.is_some_and(|known| known != boot_id))
    }

    async fn note_boot(&self, boot_id: &str) -> Result<(), Error> {
        let boot_id = boot_id.to_owned();
        write(self.store(), move |tx| {
            tx.put_meta(BOOT_KEY, &boot_id)?;
            tx.delete_meta(DOWN_KEY)?;
            Ok(())
        })
        .await
    }

    /// What a run's own files say. After a reboot a run without a record of its end is left to
    /// the one input that says that nothing runs.
    async fn take_in_status(&self, status: &RunStatus, fresh: bool) {
        let run = status.run.clone();
        let seen = match (&status.phase, &status.exit) {
            // Ended by `down`: as absent as after a reboot. But a task that did run must not run
            // once more, even if nobody has taken in its start.
            (RunPhase::Ended, Some(exit))
                if fresh && exit.reason == runtime::ExitReason::Stopped =>
            {
                if status.kind != RunKind::Task {
                    self.forget(&run).await;
                    return;
                }
                runtime::Observation::Lost { run }
            }
            (RunPhase::Ended, Some(exit)) => {
                let Ok(name) = run.parse::<RunName>() else {
                    return;
                };
                // Storing a droplet takes seconds; after a reboot the build must be over before
                // everything that is not counts as lost.
                if !fresh && matches!(name, RunName::Build { .. }) {
                    self.collect_aside(name, to_exit(exit));
                    return;
                }
                if let Err(error) = self.run_ended(&name, to_exit(exit)).await {
                    tracing::warn!(%run, "its end was not taken in: {error}");
                }
                return;
            }
            (RunPhase::Lost | RunPhase::Ended, _) => {
                if fresh && run.starts_with("i.") {
                    self.forget(&run).await;
                    return;
                }
                runtime::Observation::Lost { run }
            }
            (RunPhase::Running, _) => runtime::Observation::Routable {
                run,
                routable: status.routable,
            },
            (RunPhase::Launching | RunPhase::Starting | RunPhase::Stopping, _) => {
                let (pid, Some(at_ms)) = (status.pid, status.started_at_ms) else {
                    return;
                };
                runtime::Observation::Started { run, pid, at_ms }
            }
        };
        self.take_in(seen).await;
    }

    async fn forget(&self, run: &str) {
        if let Err(error) = self.driver().forget(run).await {
            tracing::debug!(%run, "its directory stays for now: {error}");
        }
    }

    /// The safety net below lost hints: every half minute the driver tells everything again and
    /// every app with work is looked at.
    async fn resync(self) {
        loop {
            tokio::time::sleep(std::time::Duration::from_secs(RESYNC_SECS)).await;
            self.driver().resync().await;
            self.publish_missed_hosts();
            self.wake_active().await;
            self.wake_waiting_builds().await;
            self.end_return();
            // A disk that has failed under somebody else's commit is noticed here.
            let _ = self.write(|_| Ok(())).await;
        }
    }

    /// Once nothing that came back is still starting, starts need not keep their places any more.
    fn end_return(&self) {
        let mut pending = self.pending();
        pending.is_returning = pending.is_returning && !pending.starting.is_empty();
    }

    /// Wakes many apps in turns, so that who asks meanwhile is not behind all of them.
    async fn wake_all(&self, apps: &[AppId]) {
        for some in apps.chunks(WAKE_TURN) {
            for app in some {
                self.wake(app);
            }
            tokio::task::yield_now().await;
        }
    }

    async fn wake_active(&self) {
        const PAGE: u32 = 500;
        let mut after: Option<AppId> = None;
        loop {
            let rows = self
                .store()
                .read(|reader| Ok::<_, Error>(reader.active_app_states(after.as_ref(), PAGE)?));
            let Ok(rows) = rows else { return };
            let Some(last) = rows.last() else { return };
            after = Some(last.app.clone());
            let apps: Vec<AppId> = rows.into_iter().map(|row| row.app).collect();
            self.wake_all(&apps).await;
        }
    }

    /// Ends everything that runs, without changing what should run: the next start brings it
    /// back. Control must end afterwards.
    ///
    /// # Errors
    /// [`Error::Internal`] when the decision could not be made durable.
    pub async fn stop_everything(&self) -> Result<(), Error> {
        write(self.store(), |tx| Ok(tx.put_meta(DOWN_KEY, "1")?)).await?;
        self.close_workers();
        for state in self.all_states()? {
            let generation = u64::MAX;
            let app = state.app.to_string();
            let runs: Vec<_> = self
                .driver()
                .observe_app(&app)
                .await
                .into_iter()
                .map(|status| runtime::StopRun {
                    run: status.run,
                    grace_ms: state.settings.grace_ms,
                })
                .collect();
            let desired = runtime::EnsureRuns {
                app,
                generation,
                stop: runs,
                ..Default::default()
            };
            if let Err(error) = self.driver().ensure(desired).await {
                tracing::warn!(app.id = %state.app, "not stopped: {error}");
            }
        }
        Ok(())
    }

    /// Runs that have not ended yet.
    pub async fn running(&self) -> usize {
        let runs = self.driver().observe().await;
        runs.iter()
            .filter(|status| !matches!(status.phase, RunPhase::Ended | RunPhase::Lost))
            .count()
    }
}

/// Whether what a run's own files say is more than that it runs as the state of its app has it. Of
/// thousands of runs nearly all have just gone on. The states are in the order of their ids.
fn is_news(known: &[AppState], status: &RunStatus) -> bool {
    if status.phase != RunPhase::Running {
        return true;
    }
    let Ok(RunName::Instance { app, instance, run }) = status.run.parse() else {
        return true;
    };
    let state = known.binary_search_by(|state| state.app.cmp(&app));
    let seen = Observation::InstanceRunning {
        instance,
        run,
        routable: status.routable,
    };
    state.map_or(true, |place| !is_known(&known[place], &seen))
}
