//! A line of the table: one endpoint, what it needs of a caller, what it answers.
//!
//! `<name>` in a path, a query or a body is what the request names: a resource of [`Subjects`], or
//! `<n>`, a number that no request had before. From the lines and the roles alone follows what
//! everybody is told.
//!
//! [`Subjects`]: super::subjects::Subjects

/// What a caller needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing.
    Nothing,
    /// A good token.
    Token,
    /// Every right.
    Admin,
    /// A role in the organization.
    Org,
    /// To manage the organization, seen by its members.
    OrgManage,
    /// Every right, seen by the members of the organization.
    OrgAdmin,
    /// To see the space.
    See,
    /// To see its events.
    Events,
    /// To see secrets.
    Secrets,
    /// To see the variables of apps: secrets, or what operating takes.
    Variables,
    /// To operate apps.
    Operate,
    /// To change apps.
    Write,
    /// To manage the space.
    Manage,
    /// To manage the organization of the space.
    ManageOrgOfSpace,
}

/// The form of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// JSON.
    Json,
    /// A manifest.
    Yaml,
    /// A file in a form.
    Upload,
    /// Pairs.
    Pairs,
}

/// One endpoint; one that can name different things has a line for each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    /// Method and path as the router has them.
    pub(crate) call: &'static str,
    /// Path and query of the request.
    pub(crate) at: &'static str,
    /// Its body.
    pub(crate) body: &'static str,
    /// The form of the body.
    pub(crate) form: Form,
    /// What the caller needs.
    pub(crate) needs: Needs,
    /// What they are answered then.
    pub(crate) good: u16,
    /// What those are answered who do not see what it names, and all for what is not there.
    pub(crate) unseen: u16,
    /// What those are answered who see it without the right.
    pub(crate) denied: u16,
    /// What is answered where it names something that is not there, if that is not `unseen`.
    pub(crate) missing: Option<(&'static str, u16)>,
    /// Whether something of the subjects is gone or another afterwards.
    pub(crate) spends: bool,
}

impl Line {
    pub(crate) const fn of(needs: Needs, call: &'static str, at: &'static str) -> Self {
        Self {
            call,
            at,
            body: "{}",
            form: Form::Json,
            needs,
            good: 200,
            unseen: 404,
            denied: 403,
            missing: None,
            spends: false,
        }
    }

    pub(crate) const fn body(self, body: &'static str) -> Self {
        Self { body, ..self }
    }

    pub(crate) const fn form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    pub(crate) const fn good(self, good: u16) -> Self {
        Self { good, ..self }
    }

    pub(crate) const fn unseen(self, unseen: u16) -> Self {
        Self { unseen, ..self }
    }

    pub(crate) const fn denied(self, denied: u16) -> Self {
        Self { denied, ..self }
    }

    pub(crate) const fn missing(self, name: &'static str, status: u16) -> Self {
        Self {
            missing: Some((name, status)),
            ..self
        }
    }

    pub(crate) const fn spends(self) -> Self {
        Self {
            spends: true,
            ..self
        }
    }

    /// What the answer is when `name` is not there.
    pub(crate) fn status_without(&self, name: &str) -> u16 {
        match self.missing {
            Some((known, status)) if known == name => status,
            _ => self.unseen,
        }
    }

    /// The resources that it names, in their order.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for text in [self.at, self.body] {
            for part in text.split('<').skip(1) {
                let name = part.split('>').next().unwrap_or_default();
                if name != "n" && !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// The method.
    pub(crate) fn method(&self) -> &'static str {
        self.call.split(' ').next().unwrap_or_default()
    }
}
