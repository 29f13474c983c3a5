//! The endpoints: the API of the platform itself, tenants, users.

use super::line::{Form, Line, Needs};

const fn line(needs: Needs, call: &'static str, at: &'static str) -> Line {
    Line::of(needs, call, at)
}

use Needs::{
    Admin, Events, Manage, ManageOrgOfSpace, Nothing, Org, OrgAdmin, OrgManage, See, Token,
};

/// Documents, logins, users.
#[rustfmt::skip]
pub(crate) const PLATFORM: &[Line] = &[
    line(Nothing, "GET /", "/"),
    line(Nothing, "GET /v3", "/v3"),
    line(Nothing, "GET /v3/info", "/v3/info"),
    line(Nothing, "GET /v2/info", "/v2/info"),
    line(Nothing, "GET /healthz", "/healthz"),
    line(Nothing, "GET /login", "/login"),
    line(Nothing, "GET /info", "/info"),
    line(Nothing, "GET /token_key", "/token_key"),
    line(Nothing, "GET /token_keys", "/token_keys"),
    line(Nothing, "GET /api/v1/info", "/api/v1/info"),
    line(Nothing, "GET /v1/info", "/v1/info"),
    // A client has to prove itself by its own secret.
    line(Nothing, "POST /oauth/token", "/oauth/token").good(401).form(Form::Pairs)
        .body("grant_type=password&username=nobody&password=wrong"),
    line(Nothing, "POST /check_token", "/check_token").good(401).form(Form::Pairs).body("token=x"),
    line(Token, "GET /userinfo", "/userinfo"),
    line(Token, "DELETE /oauth/token/revoke/{jti}", "/oauth/token/revoke/x"),
    line(Admin, "GET /oauth/clients/{id}", "/oauth/clients/nothing").good(404),
    line(Admin, "GET /Users", "/Users?filter=id+eq+%22<user>%22").missing("user", 200),
    line(Admin, "POST /Users", "/Users").good(201).body(r#"{"userName": "u<n>", "password": "password"}"#),
    line(Admin, "GET /Users/{id}", "/Users/<user>"),
    line(Admin, "PUT /Users/{id}/password", "/Users/<user>/password").body(r#"{"password": "password"}"#),
    // One that is gone is gone: `cf delete-user` deletes at the API first.
    line(Admin, "DELETE /Users/{id}", "/Users/<user>").missing("user", 200).spends(),

    line(Token, "GET /v3/users", "/v3/users"),
    line(Admin, "POST /v3/users", "/v3/users").good(201).body(r#"{"username": "v<n>", "origin": "uaa"}"#),
    line(Org, "GET /v3/users/{guid}", "/v3/users/<user>"),
    line(OrgAdmin, "PATCH /v3/users/{guid}", "/v3/users/<user>").body(METADATA),
    line(OrgAdmin, "DELETE /v3/users/{guid}", "/v3/users/<user>").good(202).spends(),

    line(Token, "GET /v3/jobs/{guid}", "/v3/jobs/nothing").good(404),
    line(Token, "GET /v3/stacks", "/v3/stacks"),
    line(Admin, "POST /v3/stacks", "/v3/stacks").good(422),
    line(Admin, "PATCH /v3/stacks/{guid}", "/v3/stacks/nothing").good(422),
    line(Admin, "DELETE /v3/stacks/{guid}", "/v3/stacks/nothing").good(422),
    line(Token, "GET /v3/stacks/{guid}", "/v3/stacks/nothing").good(404),
    line(Token, "GET /v3/stacks/{guid}/apps", "/v3/stacks/nothing/apps").good(422),
    line(Token, "GET /v3/buildpacks", "/v3/buildpacks"),
    line(Admin, "POST /v3/buildpacks", "/v3/buildpacks").good(422),
    line(Token, "GET /v3/buildpacks/{guid}", "/v3/buildpacks/nothing").good(404),
    line(Admin, "PATCH /v3/buildpacks/{guid}", "/v3/buildpacks/nothing").good(422),
    line(Admin, "DELETE /v3/buildpacks/{guid}", "/v3/buildpacks/nothing").good(422),
    line(Admin, "POST /v3/buildpacks/{guid}/upload", "/v3/buildpacks/nothing/upload").good(422),
    line(Token, "GET /v3/feature_flags", "/v3/feature_flags"),
    line(Token, "GET /v3/feature_flags/{name}", "/v3/feature_flags/task_creation"),
    line(Admin, "PATCH /v3/feature_flags/{name}", "/v3/feature_flags/task_creation").body(r#"{"enabled": true}"#),
    line(Token, "GET /v3/environment_variable_groups/{name}", "/v3/environment_variable_groups/running"),
    line(Admin, "PATCH /v3/environment_variable_groups/{name}", "/v3/environment_variable_groups/running").good(422),
    line(Token, "GET /v3/isolation_segments", "/v3/isolation_segments"),
    line(Admin, "POST /v3/isolation_segments", "/v3/isolation_segments").good(403),
    line(Token, "GET /v3/isolation_segments/{guid}", "/v3/isolation_segments/nothing").good(404),
    line(Token, "GET /v3/security_groups", "/v3/security_groups"),
    line(Admin, "POST /v3/security_groups", "/v3/security_groups").good(422),
    line(Admin, "POST /v3/service_brokers", "/v3/service_brokers").good(422),
    line(Admin, "POST /v3/service_route_bindings", "/v3/service_route_bindings").good(422),
    line(Token, "GET /v3/security_groups/{guid}", "/v3/security_groups/nothing").good(404),
    line(Token, "GET /v3/organization_quotas", "/v3/organization_quotas"),
    line(Admin, "POST /v3/organization_quotas", "/v3/organization_quotas").good(422),
    line(Org, "GET /v3/organization_quotas/{guid}", "/v3/organization_quotas/<quota>"),
    line(Admin, "PATCH /v3/organization_quotas/{guid}", "/v3/organization_quotas/nothing").good(422),
    line(Admin, "DELETE /v3/organization_quotas/{guid}", "/v3/organization_quotas/nothing").good(422),
    line(Admin, "POST /v3/organization_quotas/{guid}/relationships/organizations",
        "/v3/organization_quotas/nothing/relationships/organizations").good(422),
    line(Token, "GET /v3/space_quotas", "/v3/space_quotas"),
    line(Token, "POST /v3/space_quotas", "/v3/space_quotas").good(422),
    line(Token, "GET /v3/space_quotas/{guid}", "/v3/space_quotas/nothing").good(404),
    line(Token, "GET /v3/audit_events", "/v3/audit_events"),
    line(Token, "GET /v3/audit_events", "/v3/audit_events?space_guids=<space>").missing("space", 200),
    line(Events, "GET /v3/audit_events/{guid}", "/v3/audit_events/<event>"),
];

const METADATA: &str = r#"{"metadata": {"labels": {"a": "b<n>"}}}"#;

/// Organizations, spaces, roles, domains.
#[rustfmt::skip]
pub(crate) const TENANTS: &[Line] = &[
    line(Token, "GET /v3/organizations", "/v3/organizations"),
    line(Token, "GET /v3/organizations", "/v3/organizations?guids=<org>").missing("org", 200),
    line(Admin, "POST /v3/organizations", "/v3/organizations").good(201).body(r#"{"name": "o<n>"}"#),
    line(Org, "GET /v3/organizations/{guid}", "/v3/organizations/<org>"),
    line(OrgManage, "PATCH /v3/organizations/{guid}", "/v3/organizations/<org>").body(METADATA),
    line(OrgAdmin, "DELETE /v3/organizations/{guid}", "/v3/organizations/<org>").good(202).spends(),
    line(Org, "GET /v3/organizations/{guid}/domains", "/v3/organizations/<org>/domains"),
    line(Org, "GET /v3/organizations/{guid}/domains/default", "/v3/organizations/<org>/domains/default"),
    line(Org, "GET /v3/organizations/{guid}/usage_summary", "/v3/organizations/<org>/usage_summary"),
    line(Org, "GET /v3/organizations/{guid}/users", "/v3/organizations/<org>/users"),
    line(Org, "GET /v3/organizations/{guid}/relationships/default_isolation_segment",
        "/v3/organizations/<org>/relationships/default_isolation_segment"),
    line(OrgManage, "PATCH /v3/organizations/{guid}/relationships/default_isolation_segment",
        "/v3/organizations/<org>/relationships/default_isolation_segment").body(r#"{"data": null}"#),

    line(Token, "GET /v3/spaces", "/v3/spaces"),
    line(Token, "GET /v3/spaces", "/v3/spaces?organization_guids=<org>").missing("org", 200),
    line(OrgManage, "POST /v3/spaces", "/v3/spaces").good(201).unseen(422)
        .body(r#"{"name": "s<n>", "relationships": {"organization": {"data": {"guid": "<org>"}}}}"#),
    line(See, "GET /v3/spaces/{guid}", "/v3/spaces/<space>?include=organization"),
    line(Manage, "PATCH /v3/spaces/{guid}", "/v3/spaces/<space>").body(METADATA),
    line(ManageOrgOfSpace, "DELETE /v3/spaces/{guid}", "/v3/spaces/<space>").good(202).spends(),
    line(See, "GET /v3/spaces/{guid}/features", "/v3/spaces/<space>/features"),
    line(See, "GET /v3/spaces/{guid}/features/{name}", "/v3/spaces/<space>/features/ssh"),
    line(Manage, "PATCH /v3/spaces/{guid}/features/{name}", "/v3/spaces/<space>/features/ssh")
        .body(r#"{"enabled": false}"#),
    line(See, "GET /v3/spaces/{guid}/users", "/v3/spaces/<space>/users"),
    line(See, "GET /v3/spaces/{guid}/running_security_groups", "/v3/spaces/<space>/running_security_groups"),
    line(See, "GET /v3/spaces/{guid}/staging_security_groups", "/v3/spaces/<space>/staging_security_groups"),
    line(See, "GET /v3/spaces/{guid}/relationships/isolation_segment",
        "/v3/spaces/<space>/relationships/isolation_segment"),
    line(Manage, "PATCH /v3/spaces/{guid}/relationships/isolation_segment",
        "/v3/spaces/<space>/relationships/isolation_segment").body(r#"{"data": null}"#),

    line(Token, "GET /v3/roles", "/v3/roles?include=user,space,organization"),
    line(Token, "GET /v3/roles", "/v3/roles?space_guids=<space>").missing("space", 200),
    line(See, "GET /v3/roles/{guid}", "/v3/roles/<role>?include=user,space,organization"),
    // Whom to invite is named by those who know the guid; what is looked at is the place.
    line(OrgManage, "POST /v3/roles", "/v3/roles").good(201).unseen(422).spends()
        .body(r#"{"type": "organization_auditor", "relationships": {
            "user": {"data": {"username": "none", "origin": "uaa"}}, "organization": {"data": {"guid": "<org>"}}}}"#),
    line(Manage, "POST /v3/roles", "/v3/roles").good(201).unseen(422).spends()
        .body(r#"{"type": "space_auditor", "relationships": {
            "user": {"data": {"guid": "<user>"}}, "space": {"data": {"guid": "<space>"}}}}"#),
    line(Manage, "DELETE /v3/roles/{guid}", "/v3/roles/<role>").good(202).spends(),

    line(Token, "GET /v3/domains", "/v3/domains"),
    line(Admin, "POST /v3/domains", "/v3/domains").good(201).body(r#"{"name": "d<n>.windlass.test"}"#),
    line(OrgManage, "POST /v3/domains", "/v3/domains").good(201).unseen(422)
        .body(r#"{"name": "e<n>.windlass.test", "relationships": {"organization": {"data": {"guid": "<org>"}}}}"#),
    line(Org, "GET /v3/domains/{guid}", "/v3/domains/<domain>"),
    line(OrgManage, "PATCH /v3/domains/{guid}", "/v3/domains/<domain>").body(METADATA),
    line(OrgManage, "DELETE /v3/domains/{guid}", "/v3/domains/<domain>").good(202).spends(),
    line(Org, "GET /v3/domains/{guid}/relationships/shared_organizations",
        "/v3/domains/<domain>/relationships/shared_organizations"),
    line(Org, "GET /v3/domains/{guid}/route_reservations", "/v3/domains/<domain>/route_reservations?host=x"),
];

/// Domains that an organization shares with another.
#[rustfmt::skip]
pub(crate) const SHARES: &[Line] = &[
    line(OrgManage, "POST /v3/domains/{guid}/relationships/shared_organizations",
        "/v3/domains/<domain>/relationships/shared_organizations")
        .body(r#"{"data": [{"guid": "<org>"}]}"#).missing("org", 422),
    line(OrgManage, "DELETE /v3/domains/{guid}/relationships/shared_organizations/{organization}",
        "/v3/domains/<domain>/relationships/shared_organizations/<org>").good(422).denied(422).missing("org", 422),
];
