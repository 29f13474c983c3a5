//! Retention: what is over and old is removed, in small commits, so that nobody waits behind it.
//!
//! Nothing that runs, that a release in flight may restore, or that a row still refers to is ever
//! touched.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::time::{Duration, SystemTime};

use windlass_engine::app::AppState;
use windlass_engine::id::{AppId, ArtifactId, BuildId, ReleaseId, SecretRef};
use windlass_engine::records::{
    AppRecord, Artifact, ArtifactState, AuditEvent, BuildRecord, BuildRecordState,
    NumberedRevision, Operation, Package, SecretValue, ServiceInstance,
};
use windlass_engine::release::Outcome;
use windlass_engine::time::Timestamp;
use windlass_store::{
    Column, Filter, ListQuery, Order, Page, Reader, ReleaseRow, Row, StoreError, TaskRow,
};

use crate::blobs::Digest;
use crate::builds::{CACHES, cache_key};
use crate::clock;
use crate::commit::write;
use crate::control::Control;
use crate::error::Error;
use crate::history::ReleaseRecord;
use crate::run_name::RunName;

/// Pause between two sweeps, seconds.
const SWEEP_SECS: u64 = 3_600;
/// Pause before the first one, seconds: the start has better things to do.
const FIRST_SWEEP_SECS: u64 = 60;
/// Finished deployments kept per app.
const RELEASES_PER_APP: u32 = 100;
/// Staged artifacts kept per app beside those in use.
const ARTIFACTS_PER_APP: usize = 5;
/// Rows removed in one commit.
const BATCH: u32 = 200;
/// Age of an unreferenced blob before it is removed, seconds: its row may be on its way.
const BLOB_AGE_SECS: u64 = 3_600;
/// Age of an unreferenced secret value before it is removed, milliseconds.
const SECRET_AGE_MS: i64 = 3_600_000;
/// Log bytes kept per app.
const LOG_BYTES_PER_APP: u64 = 64 * 1024 * 1024;
/// Days that logs are kept.
const LOG_DAYS: u64 = 7;
const DAY_SECS: u64 = 86_400;

impl Control {
    /// Sweeps now and then, until the program ends.
    pub(crate) async fn retain(self) {
        tokio::time::sleep(Duration::from_secs(FIRST_SWEEP_SECS)).await;
        loop {
            if let Err(error) = self.sweep().await {
                tracing::warn!("old things were not removed: {error}");
            }
            tokio::time::sleep(Duration::from_secs(SWEEP_SECS)).await;
        }
    }

    /// Removes what is over and old.
    ///
    /// # Errors
    /// [`Error::Internal`]; what was removed before stays removed.
    pub async fn sweep(&self) -> Result<(), Error> {
        let end = self.retention_end();
        self.sweep_events(end).await?;
        let states = self.all_states()?;
        for state in &states {
            // One app that can't be tidied must not keep all others from it.
            if let Err(error) = self.sweep_app(state, end).await {
                tracing::warn!(app.id = %state.app, "old things were not removed: {error}");
            }
        }
        self.sweep_secrets(&states).await?;
        self.sweep_blobs().await?;
        let (logs, now) = (self.settings().logs_dir(), windlass_clock::wall());
        let live = self.live_runs().await;
        let kept = self.deployments_kept().await?;
        tokio::task::spawn_blocking(move || sweep_logs(&logs, &live, &kept, now))
            .await
            .map_err(Error::internal)
    }

    fn retention_end(&self) -> Timestamp {
        let days = i64::from(self.settings().retention_days);
        Timestamp(clock::wall().0.saturating_sub(days * 86_400_000))
    }

    async fn sweep_events(&self, end: Timestamp) -> Result<(), Error> {
        loop {
            let removed = write(self.store(), move |tx| {
                Ok(tx.delete_events_before(end, BATCH)?)
            })
            .await?;
            if removed < u64::from(BATCH) {
                break;
            }
        }
        loop {
            let removed = write(self.store(), move |tx| {
                let audit = vec![Filter::before(Column::CreatedAt, end)];
                let operations = vec![
                    Filter::before(Column::UpdatedAt, end),
                    Filter::one_of(Column::State, ["complete", "failed"]),
                ];
                Ok(tx.delete_where::<AuditEvent>(audit, BATCH)?
                    + tx.delete_where::<Operation>(operations, BATCH)?)
            })
            .await?;
            if removed == 0 {
                return Ok(());
            }
        }
    }

    /// Removes secret values that nothing refers to any more. Young ones stay: what refers to them
    /// may be on its way.
    async fn sweep_secrets(&self, states: &[AppState]) -> Result<(), Error> {
        let end = Timestamp(clock::wall().0.saturating_sub(SECRET_AGE_MS));
        let mut used: HashSet<SecretRef> = states.iter().flat_map(secrets_in_use).collect();
        let old = self
            .store()
            .read_list(move |reader| {
                each::<NumberedRevision>(reader, |it| used.extend(it.env.into_values()))?;
                each::<ServiceInstance>(reader, |it| used.extend([it.credentials]))?;
                each::<BuildRecord>(reader, |it| {
                    if it.state == BuildRecordState::Staging {
                        used.extend(it.settings.env.into_values());
                    }
                })?;
                let mut old = Vec::new();
                each::<SecretValue>(reader, |it| {
                    if it.created_at < end && !used.contains(&it.reference) {
                        old.push(it.reference);
                    }
                })?;
                Ok::<_, StoreError>(old)
            })
            .await?;
        for batch in old.chunks(BATCH as usize) {
            let batch = batch.to_vec();
            write(self.store(), move |tx| {
                for reference in &batch {
                    // The same value may have been set again meanwhile: then it is young.
                    let value: Option<SecretValue> = tx.get(reference)?;
                    if value.is_some_and(|value| value.created_at < end) {
                        tx.delete::<SecretValue>(reference)?;
                    }
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    async fn sweep_app(&self, state: &AppState, end: Timestamp) -> Result<(), Error> {
        let app = state.app.clone();
        let record = self.app_record(&app)?;
        self.sweep_releases(&app).await?;
        self.sweep_tasks(&app, end).await?;
        self.expire_artifacts(state).await?;
        self.sweep_bindings(&app).await?;
        let is_gone = record.deleted
            && record.stamps.updated_at < end
            && state.instances.is_empty()
            && state.tasks.is_empty()
            && state.builds.is_empty();
        if is_gone {
            self.forget_app(&app).await?;
        }
        Ok(())
    }

    /// Keeps the newest finished releases of an app.
    async fn sweep_releases(&self, app: &AppId) -> Result<(), Error> {
        let query = ListQuery::filtered(vec![
            Filter::is(Column::App, app.as_str()),
            Filter::is(Column::Finished, true),
        ])
        .ordered(Order::descending(Column::CreatedAt))
        .page(Page {
            offset: u64::from(RELEASES_PER_APP),
            limit: BATCH,
        });
        let old: Vec<String> = self
            .store()
            .read(|reader| Ok::<_, Error>(reader.keys::<ReleaseRow>(&query)?))?;
        if old.is_empty() {
            return Ok(());
        }
        write(self.store(), move |tx| {
            for id in old {
                tx.delete::<ReleaseRow>(&id.into())?;
            }
            Ok(())
        })
        .await
    }

    async fn sweep_tasks(&self, app: &AppId, end: Timestamp) -> Result<(), Error> {
        let query = ListQuery::filtered(vec![
            Filter::is(Column::App, app.as_str()),
            Filter::one_of(Column::State, ["SUCCEEDED", "FAILED"]),
            Filter::before(Column::UpdatedAt, end),
        ])
        .page(Page::first(BATCH));
        let old: Vec<String> = self
            .store()
            .read(|reader| Ok::<_, Error>(reader.keys::<TaskRow>(&query)?))?;
        if old.is_empty() {
            return Ok(());
        }
        write(self.store(), move |tx| {
            for id in old {
                tx.delete::<TaskRow>(&id.into())?;
            }
            Ok(())
        })
        .await
    }

    /// Artifacts beyond the newest ones lose their blob, unless something may still run them.
    async fn expire_artifacts(&self, state: &AppState) -> Result<(), Error> {
        let mut used = artifacts_in_use(state);
        used.extend(self.artifacts_to_return_to(state)?);
        let query = ListQuery::filtered(vec![
            Filter::is(Column::App, state.app.as_str()),
            Filter::is(Column::State, "staged"),
        ])
        .ordered(Order::descending(Column::CreatedAt))
        .page(Page::first(Page::MAX_LIMIT));
        let staged = self
            .store()
            .read(|reader| Ok::<_, Error>(reader.list::<Artifact>(&query)?.rows))?;
        let old: Vec<ArtifactId> = staged
            .into_iter()
            .filter(|artifact| !used.contains(&artifact.id))
            .skip(ARTIFACTS_PER_APP)
            .map(|artifact| artifact.id)
            .collect();
        if old.is_empty() {
            return Ok(());
        }
        let app = state.app.clone();
        write(self.store(), move |tx| {
            // Judged again inside the writer: a deployment may have begun meanwhile.
            let Some(row) = tx.app_state(&app)? else {
                return Ok(());
            };
            let used = artifacts_in_use(&crate::commit::read_state(&row)?);
            for id in old.into_iter().filter(|id| !used.contains(id)) {
                if let Some(mut artifact) = tx.get::<Artifact>(&id)? {
                    artifact.state = ArtifactState::Expired;
                    artifact.blob = None;
                    artifact.stamps.updated_at = clock::wall();
                    tx.put(&artifact)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Artifacts of the newest deployed releases, as many as the app wants to return to.
    fn artifacts_to_return_to(&self, state: &AppState) -> Result<BTreeSet<ArtifactId>, Error> {
        let wanted = state.settings.releases_to_return_to as usize;
        if wanted == 0 {
            return Ok(BTreeSet::new());
        }
        let query = ListQuery::filtered(vec![
            Filter::is(Column::App, state.app.as_str()),
            Filter::is(Column::Finished, true),
        ])
        .ordered(Order::descending(Column::CreatedAt))
        .page(Page::first(RELEASES_PER_APP));
        let rows = self
            .store()
            .read(|reader| Ok::<_, Error>(reader.list::<ReleaseRow>(&query)?.rows))?;
        let mut kept = BTreeSet::new();
        let mut deployed = 0;
        for row in &rows {
            let record = ReleaseRecord::from_row(row)?;
            if record.release.outcome() != Some(&Outcome::Deployed) {
                continue;
            }
            kept.extend(record.target_artifacts.into_values());
            kept.extend(record.target_artifact);
            deployed += 1;
            if deployed == wanted {
                break;
            }
        }
        Ok(kept)
    }

    /// Removes the rows of an app that was deleted long ago.
    async fn forget_app(&self, app: &AppId) -> Result<(), Error> {
        let owner = app.clone();
        loop {
            let app = owner.clone();
            let removed = write(self.store(), move |tx| {
                let its = || vec![Filter::is(Column::App, app.as_str())];
                Ok(tx.delete_where::<NumberedRevision>(its(), BATCH)?
                    + tx.delete_where::<BuildRecord>(its(), BATCH)?
                    + tx.delete_where::<Artifact>(its(), BATCH)?
                    + tx.delete_where::<Package>(its(), BATCH)?
                    + tx.delete_where::<ReleaseRow>(its(), BATCH)?
                    + tx.delete_where::<TaskRow>(its(), BATCH)?)
            })
            .await?;
            if removed == 0 {
                break;
            }
        }
        let app = app.clone();
        write(self.store(), move |tx| {
            let cache = cache_key(&app, None);
            tx.delete_meta(&cache)?;
            tx.delete_meta_below(&format!("{cache}/"))?;
            tx.delete_app_state(&app)?;
            tx.release_uid(&app)?;
            tx.delete::<AppRecord>(&app)?;
            Ok(())
        })
        .await
    }

    async fn sweep_blobs(&self) -> Result<(), Error> {
        const PAGE: u32 = 1_000;
        let mut referenced: HashSet<Digest> = HashSet::new();
        let mut after: Option<String> = None;
        loop {
            let page: Vec<String> = self
                .store()
                .read(|reader| Ok::<_, Error>(reader.blobs(after.as_deref(), PAGE)?))?;
            let Some(last) = page.last().cloned() else {
                break;
            };
            referenced.extend(page.iter().filter_map(|text| text.parse::<Digest>().ok()));
            after = Some(last);
        }
        let droplets = referenced.clone();
        let mut after = String::new();
        loop {
            let page: Vec<String> = self
                .store()
                .read(|reader| Ok::<_, Error>(reader.meta_keys(CACHES, &after, PAGE)?))?;
            let Some(last) = page.last() else {
                break;
            };
            after.clone_from(last);
            for key in &page {
                referenced.extend(self.build_cache(key)?);
            }
        }
        let min_age = Duration::from_secs(BLOB_AGE_SECS);
        self.blobs()
            .collect_async(referenced, min_age, windlass_clock::wall())
            .await
            .map_err(Error::internal)?;
        let unpacked = self.droplets().clone();
        tokio::task::spawn_blocking(move || unpacked.keep_only(&droplets))
            .await
            .map_err(Error::internal)?
            .map_err(Error::internal)
    }

    /// Deployments that are still told of, with the builds that they run.
    async fn deployments_kept(&self) -> Result<Kept, Error> {
        self.store()
            .read_list(|reader| {
                let mut kept = Kept::default();
                let mut artifacts = BTreeSet::new();
                each::<ReleaseRow>(reader, |row| {
                    let Ok(record) = ReleaseRecord::from_row(&row) else {
                        return;
                    };
                    kept.builds.extend(record.release.awaited_builds);
                    kept.releases.insert(row.id);
                    artifacts.extend(record.target_artifacts.into_values());
                    artifacts.extend(record.target_artifact);
                })?;
                for id in &artifacts {
                    let artifact: Option<Artifact> = reader.get(id)?;
                    kept.builds.extend(artifact.and_then(|it| it.build));
                }
                Ok::<_, StoreError>(kept)
            })
            .await
            .map_err(Error::from)
    }

    async fn live_runs(&self) -> BTreeSet<String> {
        self.driver()
            .observe()
            .await
            .into_iter()
            .map(|status| status.run)
            .collect()
    }
}

/// Secret values that an app may still need: in its configuration, in revisions in use, in tasks.
fn secrets_in_use(state: &AppState) -> Vec<SecretRef> {
    let revisions = state.revisions.values().map(|it| &it.configuration);
    let before = state.releases.iter();
    let before = before.filter_map(|release| release.configuration_before.as_ref());
    let configurations = std::iter::once(&state.configuration)
        .chain(revisions)
        .chain(before);
    let mut used = Vec::new();
    for configuration in configurations {
        used.extend(configuration.env.values().cloned());
        let components = configuration.components.values();
        used.extend(components.flat_map(|config| config.env.values().cloned()));
        used.extend(configuration.bindings.values().cloned());
    }
    for task in &state.tasks {
        used.extend(task.env.values().cloned());
        used.extend(task.bindings.values().cloned());
    }
    used
}

/// Visits every row of a table within one snapshot.
fn each<T: Row>(reader: &Reader<'_>, mut visit: impl FnMut(T)) -> Result<(), StoreError> {
    let mut offset = 0;
    loop {
        let query = ListQuery::filtered(Vec::new()).page(Page {
            offset,
            limit: Page::MAX_LIMIT,
        });
        let rows = reader.list::<T>(&query)?.rows;
        offset += rows.len() as u64;
        let is_last = rows.len() < Page::MAX_LIMIT as usize;
        rows.into_iter().for_each(&mut visit);
        if is_last {
            return Ok(());
        }
    }
}

/// Artifacts that an app may still run: its current one, those of revisions in use, of tasks.
fn artifacts_in_use(state: &AppState) -> BTreeSet<ArtifactId> {
    let mut used = BTreeSet::new();
    let revisions = state.revisions.values().map(|it| &it.configuration);
    // Without a base a cancel puts this back.
    let before = state.releases.iter();
    let before = before.filter_map(|release| release.configuration_before.as_ref());
    for configuration in revisions.chain(before).chain([&state.configuration]) {
        used.extend(configuration.artifact.iter().cloned());
        let own = configuration.components.values();
        used.extend(own.filter_map(|config| config.artifact.clone()));
    }
    used.extend(state.tasks.iter().map(|task| task.artifact.clone()));
    used.extend(state.builds.iter().map(|build| build.artifact.clone()));
    used
}

/// What logs are kept for, however old they are.
#[derive(Debug, Default)]
struct Kept {
    builds: BTreeSet<BuildId>,
    releases: BTreeSet<ReleaseId>,
}

impl Kept {
    /// Logs of builds and jobs live as long as their deployment.
    fn has(&self, run: &RunName) -> bool {
        match run {
            RunName::Build { build, .. } => self.builds.contains(build),
            RunName::Job { release, .. } => self.releases.contains(release),
            RunName::Instance { .. } | RunName::Task(_) => false,
        }
    }
}

/// Removes log directories of runs that are over: too old ones, then the oldest beyond the size.
/// Each is bounded by its writer, and there are so many deployments of an app at most.
fn sweep_logs(logs: &Path, live: &BTreeSet<String>, kept: &Kept, now: SystemTime) {
    let Ok(apps) = std::fs::read_dir(logs) else {
        return;
    };
    for app in apps.flatten() {
        let mut runs: Vec<(SystemTime, u64, std::path::PathBuf)> = Vec::new();
        let Ok(entries) = std::fs::read_dir(app.path()) else {
            continue;
        };
        for run in entries.flatten() {
            let name = run.file_name().to_string_lossy().into_owned();
            // Directories of the platform's own lines are bounded by their writer.
            let Ok(run_name) = name.parse::<RunName>() else {
                continue;
            };
            if live.contains(&name) || kept.has(&run_name) {
                continue;
            }
            let (bytes, changed) = size_and_change(&run.path());
            runs.push((changed, bytes, run.path()));
        }
        runs.sort_by_key(|(changed, _, _)| std::cmp::Reverse(*changed));
        let mut kept_bytes = 0u64;
        for (changed, bytes, path) in runs {
            let age = now.duration_since(changed).unwrap_or_default();
            kept_bytes = kept_bytes.saturating_add(bytes);
            let too_old = age > Duration::from_secs(LOG_DAYS * DAY_SECS);
            if (too_old || kept_bytes > LOG_BYTES_PER_APP)
                && let Err(error) = std::fs::remove_dir_all(&path)
            {
                tracing::warn!(path = %path.display(), "an old log was not removed: {error}");
            }
        }
    }
}

fn size_and_change(dir: &Path) -> (u64, SystemTime) {
    let mut bytes = 0;
    let mut changed = SystemTime::UNIX_EPOCH;
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if let Ok(meta) = entry.metadata() {
            bytes += meta.len();
            changed = changed.max(meta.modified().unwrap_or(SystemTime::UNIX_EPOCH));
        }
    }
    (bytes, changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_of_ended_runs_go_when_they_are_old_and_live_ones_never() {
        let logs = tempfile::tempdir().unwrap();
        let app = logs.path().join("app");
        for run in ["t.live", "t.ended", "platform"] {
            std::fs::create_dir_all(app.join(run)).unwrap();
            std::fs::write(app.join(run).join("0.log"), "1 o STG/0 x\n").unwrap();
        }
        let live = BTreeSet::from(["t.live".to_owned()]);
        let kept = Kept::default();
        sweep_logs(logs.path(), &live, &kept, SystemTime::now());
        assert!(app.join("t.ended").exists(), "young logs stay");
        sweep_logs(logs.path(), &live, &kept, later());
        assert!(!app.join("t.ended").exists());
        assert!(app.join("t.live").exists() && app.join("platform").exists());
    }

    #[test]
    fn logs_of_builds_and_jobs_live_as_long_as_their_deployment() {
        let logs = tempfile::tempdir().unwrap();
        let app = logs.path().join("app");
        let kept_runs = ["b.b1.1", "b.b1.2", "j.r1.migrate"];
        let gone_runs = ["b.b2.1", "j.r2.migrate", "i.app.7.1"];
        for run in kept_runs.iter().chain(&gone_runs) {
            std::fs::create_dir_all(app.join(run)).unwrap();
            std::fs::write(app.join(run).join("0.log"), "1 o STG/0 x\n").unwrap();
        }
        let kept = Kept {
            builds: [BuildId::from("b1")].into(),
            releases: [ReleaseId::from("r1")].into(),
        };
        sweep_logs(logs.path(), &BTreeSet::new(), &kept, later());
        assert!(kept_runs.iter().all(|run| app.join(run).exists()));
        assert!(!gone_runs.iter().any(|run| app.join(run).exists()));
    }

    /// Logs of now are too old then.
    fn later() -> SystemTime {
        SystemTime::now() + Duration::from_secs((LOG_DAYS + 1) * DAY_SECS)
    }
}
