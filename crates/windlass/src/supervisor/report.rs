//! What `windlass up` prints.

use serde_json::json;

use crate::output::{self, Output};
use crate::public_address;
use crate::settings::Settings;

/// Progress of the supervisor for people, or one JSON object a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report {
    output: Output,
}

impl Report {
    pub(super) fn new(output: Output) -> Self {
        Self { output }
    }

    pub(super) fn step(self, text: &str) {
        self.say("step", text);
    }

    pub(super) fn trouble(self, text: &str) {
        self.say("trouble", text);
    }

    pub(super) fn stopping(self, left: u64) {
        self.say("stopping", &format!("{left} still running"));
    }

    pub(super) fn listening(self, settings: &Settings) {
        self.step(&format!(
            "listening: Cloud Foundry API {}, DigitalOcean API {}, Vercel API {}, router {} and {} \
             (TLS), metrics {}",
            settings.listen.cf,
            settings.listen.digitalocean,
            settings.listen.vercel,
            settings.listen.router_http,
            settings.listen.router_https,
            settings.listen.metrics
        ));
        for text in settings.exposures() {
            self.say("exposed", &text);
        }
    }

    pub(super) fn isolation(self, used: &str, means: &[String]) {
        self.step(&format!("isolation of apps: {used}"));
        for text in means {
            self.say("isolation", text);
        }
    }

    /// Everything answers: what to do next.
    pub(super) fn ready(self, settings: &Settings) {
        let api = public_address::cf_api(settings);
        let data_dir = settings.data_dir.display().to_string();
        if self.output == Output::Json {
            let value = json!({
                "event": "ready",
                "data_dir": data_dir,
                "pid": std::process::id(),
                "cf_api": api,
                "digitalocean_api": public_address::digitalocean_api(settings),
                "vercel_api": public_address::vercel_api(settings),
            });
            return output::line(&value.to_string());
        }
        let eval = format!(
            "eval \"$(windlass env --data-dir {})\"",
            output::shell_quote(&data_dir)
        );
        let domain = &settings.domain;
        let port = settings.listen.router_http.port();
        output::line(&format!(
            "\nWindlass is ready. Next, in another terminal:\n\n  {eval}\n\n\
             then with the cf client:\n\n  \
             cf api \"$WINDLASS_CF_API\"\n  \
             cf auth \"$WINDLASS_USER\" \"$WINDLASS_PASSWORD\"\n  \
             cf target -o \"$WINDLASS_ORGANIZATION\" -s \"$WINDLASS_SPACE\"\n  \
             cf push hello -b binary_buildpack\n\n\
             or with curl:\n\n  \
             curl -H \"Authorization: Bearer $WINDLASS_TOKEN\" \"$WINDLASS_CF_API/v3/apps\"\n  \
             curl http://hello.{domain}:{port}/\n\n\
             Control-C stops Windlass and all apps; SIGTERM ends Windlass and keeps apps running.\n"
        ));
    }

    fn say(self, kind: &str, text: &str) {
        match self.output {
            Output::Text => output::line(&format!("windlass: {text}")),
            Output::Json => output::line(&json!({ "event": kind, "text": text }).to_string()),
        }
    }
}
