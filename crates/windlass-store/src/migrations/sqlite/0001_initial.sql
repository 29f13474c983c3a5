-- Times are milliseconds; `*_at` columns of rows are wall time, those of ledgers say what they are.
-- `document` is the JSON of the whole row; the other columns exist to look up, filter and order.
-- Columns named `name` hold the folded (lower case) name where names ignore case.

CREATE TABLE meta (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- Last commit number that was given out. One row.
CREATE TABLE commits (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    last_commit BIGINT NOT NULL
);
INSERT INTO commits (id, last_commit) VALUES (1, 0);

-- Labels of every labeled table, `kind` being the table's name.
CREATE TABLE labels (
    kind TEXT NOT NULL,
    row_id TEXT NOT NULL,
    label_key TEXT NOT NULL,
    label_value TEXT NOT NULL,
    PRIMARY KEY (kind, row_id, label_key)
);
CREATE INDEX labels_value ON labels (kind, label_key, label_value, row_id);

-- ---------------------------------------------------------------- tenancy

CREATE TABLE organizations (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    suspended BOOLEAN NOT NULL,
    deleting BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_commit BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE UNIQUE INDEX organizations_name_unique ON organizations (name) WHERE deleting = FALSE;
CREATE INDEX organizations_name ON organizations (name, created_commit, id);
CREATE INDEX organizations_created ON organizations (created_at, created_commit, id);

CREATE TABLE spaces (
    id TEXT NOT NULL PRIMARY KEY,
    organization TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    deleting BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_commit BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE UNIQUE INDEX spaces_name_unique ON spaces (organization, name) WHERE deleting = FALSE;
CREATE INDEX spaces_organization ON spaces (organization, created_at, created_commit, id);
CREATE INDEX spaces_name ON spaces (name, created_commit, id);
CREATE INDEX spaces_created ON spaces (created_at, created_commit, id);

-- Rows of apps outlive their space, for the records that name them: no foreign key.
CREATE TABLE apps (
    id TEXT NOT NULL PRIMARY KEY,
    organization TEXT NOT NULL,
    space TEXT NOT NULL,
    name TEXT NOT NULL,
    dialect TEXT NOT NULL,
    deleted BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_commit BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE UNIQUE INDEX apps_name_unique ON apps (space, name) WHERE deleted = FALSE;
CREATE INDEX apps_space ON apps (space, created_at, created_commit, id);
CREATE INDEX apps_organization ON apps (organization, created_at, created_commit, id);
CREATE INDEX apps_name ON apps (name, created_commit, id);
CREATE INDEX apps_created ON apps (created_at, created_commit, id);

-- ---------------------------------------------------------------- identity

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    origin TEXT NOT NULL,
    is_client BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_commit BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE UNIQUE INDEX users_name_unique ON users (name, origin);
CREATE INDEX users_created ON users (created_at, created_commit, id);

CREATE TABLE roles (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id),
    organization TEXT NOT NULL,
    space TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_commit BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE UNIQUE INDEX roles_unique ON roles (user_id, kind, organization, COALESCE(space, ''));
CREATE INDEX roles_user ON roles (user_id, created_at, created_commit, id);
CREATE INDEX roles_organization ON roles (organization, created_at, created_commit, id);
CREATE INDEX roles_space ON roles (space, created_at, created_commit, id);
CREATE INDEX roles_created ON roles (created_at, created_commit, id);

CREATE TABLE tokens (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    expires_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_commit BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE UNIQUE INDEX tokens_sha256_unique ON tokens (sha256);
CREATE INDEX tokens_user ON tokens (user_id, created_at, created_commit, id);
CREATE INDEX tokens_expires ON tokens (expires_at);

CREATE TABLE signing_keys (
    id TEXT NOT NULL PRIMARY KEY,
    retired_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_commit BIGINT NOT NULL,
    document TEXT NOT NULL
);

-- ---------------------------------------------------------------- routing

CREATE TABLE domains (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    internal BOOLEAN NOT NULL,
    organization TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_commit BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE UNIQUE INDEX domains_name_unique ON domains (name);
CREATE INDEX domains_organization ON domains (organization, created_at, created_commit, id);
CREATE INDEX domains_created ON domains (created_at, created_commit, id);

CREATE TABLE domain_shares (
    domain TEXT NOT NULL REFERENCES domains (id) ON DELETE CASCADE,
    organization TEXT NOT NULL,
    PRIMARY KEY (domain, organization)
);
CREATE INDEX domain_shares_organization ON domain_shares (organization, domain);

CREATE TABLE routes (
    id TEXT NOT NULL PRIMARY KEY,
    space TEXT NOT NULL,
    domain TEXT NOT NULL REFERENCES domains (id),
    host TEXT NOT NULL,
    path TEXT NOT NULL,
    full_host TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_commit BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE UNIQUE INDEX routes_address_unique ON routes (full_host, path);
CREATE INDEX routes_space ON routes (space, created_at, created_commit, id);
CREATE INDEX routes_domain ON routes (domain, created_at, created_commit, id);
CREATE INDEX routes_created ON routes (created_at, created_commit, id);

CREATE TABLE route_destinations (
    id TEXT NOT NULL PRIMARY KEY,
    route TEXT NOT NULL REFERENCES routes (id) ON DELETE CASCADE,
    app TEXT NOT NULL
);
CREATE INDEX route_destinations_route ON route_destinations (route);
CREATE INDEX route_destinations_app ON route_destinations (app, route);

-- ---------------------------------------------------------------- source

CREATE TABLE packages (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL,
    state TEXT NOT NULL,
    blob TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_commit BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX packages_app ON packages (app, created_at, created_commit, id);
CREATE INDEX packages_created ON packages (created_at, created_commit, id);
CREATE INDEX packages_blob ON packages (blob);

CREATE TABLE artifacts (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL,
    package TEXT,
    build TEXT,
    state TEXT NOT NULL,
    blob TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_commit BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX artifacts_app ON artifacts (app, created_at, created_commit, id);
CREATE INDEX artifacts_package ON artifacts (package, created_at, created_commit, id);
CREATE INDEX artifacts_created ON artifacts (created_at, created_commit, id);
CREATE INDEX artifacts_blob ON artifacts (blob);

CREATE TABLE builds (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL,
    package TEXT,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_commit BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX builds_app ON builds (app, created_at, created_commit, id);
CREATE INDEX builds_package ON builds (package, created_at, created_commit, id);
CREATE INDEX builds_created ON builds (created_at, created_commit, id);

CREATE TABLE numbered_revisions (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL,
    number BIGINT NOT NULL,
    artifact TEXT,
    release_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_commit BIGINT NOT NULL,
    document TEXT NOT NULL
);
-- Not unique: numbers begin again after 9999, beside rows that are still kept.
CREATE INDEX numbered_revisions_number ON numbered_revisions (app, number);
CREATE INDEX numbered_revisions_app ON numbered_revisions (app, created_at, created_commit, id);
CREATE INDEX numbered_revisions_created ON numbered_revisions (created_at, created_commit, id);
CREATE INDEX numbered_revisions_artifact ON numbered_revisions (artifact);

CREATE TABLE service_instances (
    id TEXT NOT NULL PRIMARY KEY,
    space TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_commit BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE UNIQUE INDEX service_instances_name_unique ON service_instances (space, name);
CREATE INDEX service_instances_name ON service_instances (name, created_commit, id);
CREATE INDEX service_instances_created ON service_instances (created_at, created_commit, id);

CREATE TABLE service_bindings (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL,
    service_instance TEXT NOT NULL REFERENCES service_instances (id),
    name TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_commit BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE UNIQUE INDEX service_bindings_pair_unique ON service_bindings (app, service_instance);
CREATE UNIQUE INDEX service_bindings_name_unique ON service_bindings (app, name);
CREATE INDEX service_bindings_instance
    ON service_bindings (service_instance, created_at, created_commit, id);
CREATE INDEX service_bindings_created ON service_bindings (created_at, created_commit, id);

-- ---------------------------------------------------------------- audit and operations

CREATE TABLE audit_events (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    target TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    space TEXT,
    organization TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_commit BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX audit_events_target ON audit_events (target, created_at, created_commit, id);
CREATE INDEX audit_events_kind ON audit_events (kind, created_at, created_commit, id);
CREATE INDEX audit_events_space ON audit_events (space, created_at, created_commit, id);
CREATE INDEX audit_events_organization
    ON audit_events (organization, created_at, created_commit, id);
CREATE INDEX audit_events_created ON audit_events (created_at, created_commit, id);

CREATE TABLE operations (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_commit BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX operations_subject ON operations (subject, created_at, created_commit, id);
CREATE INDEX operations_state ON operations (state, created_at, created_commit, id);

-- ---------------------------------------------------------------- settings

CREATE TABLE feature_flags (
    id TEXT NOT NULL PRIMARY KEY,
    document TEXT NOT NULL
);

CREATE TABLE idempotency (
    id TEXT NOT NULL PRIMARY KEY,
    status BIGINT NOT NULL,
    body BLOB NOT NULL,
    delivered BOOLEAN NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX idempotency_expires ON idempotency (expires_at, id);

CREATE TABLE secrets (
    id TEXT NOT NULL PRIMARY KEY,
    ciphertext TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- ---------------------------------------------------------------- engine

CREATE TABLE app_states (
    app TEXT NOT NULL PRIMARY KEY,
    row_revision BIGINT NOT NULL,
    wake_at BIGINT,
    active BOOLEAN NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX app_states_active ON app_states (active, app);
CREATE INDEX app_states_wake ON app_states (wake_at, app);

CREATE TABLE releases (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL,
    state TEXT NOT NULL,
    status_value TEXT NOT NULL,
    status_reason TEXT,
    finished BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_commit BIGINT NOT NULL,
    labels TEXT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX releases_app_status
    ON releases (app, status_value, created_at, created_commit, id);
CREATE INDEX releases_app ON releases (app, created_at, created_commit, id);
CREATE INDEX releases_status ON releases (status_value, created_at, created_commit, id);
CREATE INDEX releases_state ON releases (state, created_at, created_commit, id);
CREATE INDEX releases_created ON releases (created_at, created_commit, id);
CREATE INDEX releases_updated ON releases (updated_at, created_commit, id);

CREATE TABLE tasks (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL,
    sequence_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    display_name TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_commit BIGINT NOT NULL,
    labels TEXT NOT NULL,
    document TEXT NOT NULL
);
CREATE UNIQUE INDEX tasks_sequence_unique ON tasks (app, sequence_id);
CREATE INDEX tasks_app ON tasks (app, created_at, created_commit, id);
CREATE INDEX tasks_state ON tasks (state, created_at, created_commit, id);
CREATE INDEX tasks_created ON tasks (created_at, created_commit, id);
CREATE INDEX tasks_updated ON tasks (updated_at, created_commit, id);

CREATE TABLE engine_revisions (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_commit BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX engine_revisions_app ON engine_revisions (app, created_at, created_commit, id);

CREATE TABLE events (
    commit_no BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    app TEXT,
    organization TEXT,
    subject_kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (commit_no, seq)
);
CREATE INDEX events_app ON events (app, commit_no, seq);
CREATE INDEX events_organization ON events (organization, commit_no, seq);
CREATE INDEX events_subject ON events (subject_id, commit_no, seq);
CREATE INDEX events_at ON events (at);

-- ---------------------------------------------------------------- ledgers

-- `released_at` is uptime in milliseconds; NULL = in use.
CREATE TABLE ports (
    port BIGINT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL,
    run TEXT NOT NULL,
    released_at BIGINT
);
CREATE INDEX ports_run ON ports (run);
CREATE INDEX ports_app ON ports (app);

CREATE TABLE usages (
    app TEXT NOT NULL PRIMARY KEY,
    organization TEXT NOT NULL,
    memory_mb BIGINT NOT NULL,
    instances BIGINT NOT NULL,
    tasks BIGINT NOT NULL
);
CREATE INDEX usages_organization ON usages (organization, memory_mb, instances, tasks);

CREATE TABLE build_slots (
    holder TEXT NOT NULL PRIMARY KEY,
    scope TEXT NOT NULL
);
CREATE INDEX build_slots_scope ON build_slots (scope, holder);

CREATE TABLE uids (
    app TEXT NOT NULL PRIMARY KEY,
    uid BIGINT NOT NULL
);
CREATE UNIQUE INDEX uids_uid_unique ON uids (uid);
