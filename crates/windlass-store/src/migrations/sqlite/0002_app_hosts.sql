-- Host names that apps have of their own, besides routes.

CREATE TABLE app_hosts (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL,
    domain TEXT,
    full_host TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_commit BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE UNIQUE INDEX app_hosts_host_unique ON app_hosts (full_host);
CREATE INDEX app_hosts_app ON app_hosts (app, created_at, created_commit, id);
CREATE INDEX app_hosts_domain ON app_hosts (domain, created_at, created_commit, id);
CREATE INDEX app_hosts_created ON app_hosts (created_at, created_commit, id);
