//! How the releases of a project go to production: the template of its rolling releases.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use windlass_engine::strategy::{Stage, StageGate, Strategy};

use crate::body;
use crate::error::{ApiError, ApiResult};

/// Fewest and most stages.
const STAGES: std::ops::RangeInclusive<usize> = 2..=10;
/// Shortest and longest stage, minutes.
const DURATION_MINUTES: std::ops::RangeInclusive<u32> = 1..=10_000;
const MINUTE_MS: u64 = 60_000;

/// Of a project. Changes have no effect on what is being rolled out already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Config {
    /// What ends a stage.
    pub(super) advancement: Advancement,
    /// The stages; the last one is everything.
    pub(super) stages: Vec<ConfigStage>,
    /// Whether answers say which deployment gave them.
    #[serde(default)]
    pub(crate) response_header: bool,
}

/// What ends a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Advancement {
    /// Its time.
    Automatic,
    /// Somebody who approves.
    ManualApproval,
}

/// A stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ConfigStage {
    /// Share of the visitors, percent.
    percent: u8,
    /// How long it takes, minutes.
    #[serde(default)]
    minutes: Option<u32>,
    /// Whether its share is reached by and by in that time.
    #[serde(default)]
    shifts: bool,
}

impl Advancement {
    /// The word on the wire.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::ManualApproval => "manual-approval",
        }
    }
}

impl Config {
    /// What a change of the configuration leaves; `None` = rolling releases are off.
    ///
    /// # Errors
    /// 400.
    pub(super) fn changed(
        before: Option<&Self>,
        object: &Map<String, Value>,
    ) -> ApiResult<Option<Self>> {
        if object.is_empty() {
            return Ok(before.cloned());
        }
        if body::truth(object, "enabled")? == Some(false) {
            return Ok(None);
        }
        if let Some(target) = body::text(object, "target")?
            && target != "production"
        {
            return Err(ApiError::bad_request(
                "Invalid request: `target` should be production",
            ));
        }
        refuse_gate(object)?;
        let advancement = match body::text(object, "advancementType")?.as_deref() {
            Some("automatic") => Some(Advancement::Automatic),
            Some("manual-approval") => Some(Advancement::ManualApproval),
            Some(_) => {
                return Err(ApiError::bad_request(
                    "Invalid request: `advancementType` should be automatic or manual-approval",
                ));
            }
            None => before.map(|before| before.advancement),
        };
        let advancement = advancement.ok_or_else(|| body::kind("advancementType", "a string"))?;
        let stages = match object.get("stages") {
            Some(Value::Array(stages)) => read_stages(stages, advancement)?,
            None | Some(Value::Null) => match before {
                Some(before) if before.advancement == advancement => before.stages.clone(),
                Some(_) | None => return Err(body::kind("stages", "a list")),
            },
            Some(_) => return Err(body::kind("stages", "a list")),
        };
        let response_header = body::truth(object, "canaryResponseHeader")?
            .unwrap_or_else(|| before.is_some_and(|before| before.response_header));
        Ok(Some(Self {
            advancement,
            stages,
            response_header,
        }))
    }

    /// How a release proceeds.
    pub(crate) fn strategy(&self) -> Strategy {
        let last = self.stages.len().saturating_sub(1);
        let stage = |(index, stage): (usize, &ConfigStage)| Stage {
            percent: stage.percent,
            gate: match stage.minutes {
                _ if index == last => StageGate::Automatic,
                None => StageGate::Manual,
                Some(minutes) if stage.shifts => StageGate::Shift(u64::from(minutes) * MINUTE_MS),
                Some(minutes) => StageGate::Timer(u64::from(minutes) * MINUTE_MS),
            },
        };
        Strategy::Stages(self.stages.iter().enumerate().map(stage).collect())
    }

    /// On the wire.
    pub(crate) fn to_wire(&self) -> Value {
        let last = self.stages.len().saturating_sub(1);
        let stage = |(index, stage): (usize, &ConfigStage)| {
            let is_manual = index != last && self.advancement == Advancement::ManualApproval;
            let mut wire = json!({
                "targetPercentage": stage.percent,
                "requireApproval": is_manual,
            });
            if let Some(minutes) = stage.minutes {
                wire["duration"] = minutes.into();
            }
            if stage.shifts {
                wire["linearShift"] = true.into();
            }
            wire
        };
        json!({
            "enabled": true,
            "target": "production",
            "advancementType": self.advancement.as_str(),
            "stages": self.stages.iter().enumerate().map(stage).collect::<Vec<_>>(),
            "canaryResponseHeader": self.response_header,
        })
    }
}

/// Nobody watches error rates here: a gate that never trips is worse than none.
fn refuse_gate(object: &Map<String, Value>) -> ApiResult<()> {
    match object.get("gate") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Object(gate)) if body::truth(gate, "enabled")? != Some(true) => Ok(()),
        Some(Value::Object(_)) => Err(ApiError::bad_request(
            "`gate` is not offered by this Windlass: watch the error rate and abort",
        )),
        Some(_) => Err(body::kind("gate", "an object")),
    }
}

fn read_stages(stages: &[Value], advancement: Advancement) -> ApiResult<Vec<ConfigStage>> {
    if !STAGES.contains(&stages.len()) {
        return Err(ApiError::bad_request(format!(
            "Invalid request: `stages` should have {} to {} items",
            STAGES.start(),
            STAGES.end()
        )));
    }
    let last = stages.len() - 1;
    let mut read: Vec<ConfigStage> = Vec::with_capacity(stages.len());
    for (index, stage) in stages.iter().enumerate() {
        let stage = read_stage(stage, index == last, advancement)
            .map_err(|error| in_stage(index, &error.message))?;
        if read.last().is_some_and(|it| it.percent >= stage.percent) {
            return Err(in_stage(
                index,
                "`targetPercentage` should be above that of the stage before",
            ));
        }
        read.push(stage);
    }
    Ok(read)
}

fn in_stage(index: usize, text: &str) -> ApiError {
    let text = text.trim_start_matches("Invalid request: ");
    ApiError::bad_request(format!("Invalid request: `stages[{index}]`: {text}"))
}

fn read_stage(stage: &Value, is_last: bool, advancement: Advancement) -> ApiResult<ConfigStage> {
    let bad = |text: &str| Err(ApiError::bad_request(text));
    let Some(object) = stage.as_object() else {
        return bad("should be an object");
    };
    let percent = whole(object, "targetPercentage")?
        .and_then(|percent| u8::try_from(percent).ok())
        .filter(|percent| *percent <= 100);
    let Some(percent) = percent else {
        return bad("`targetPercentage` should be 0 to 100");
    };
    let minutes = whole(object, "duration")?;
    let approval = body::truth(object, "requireApproval")?;
    let shifts = body::truth(object, "linearShift")?.unwrap_or(false);
    if is_last {
        return match (percent, minutes, approval, shifts) {
            (100, None, None | Some(false), false) => Ok(ConfigStage {
                percent,
                minutes: None,
                shifts,
            }),
            (100, ..) => bad(
                "the last stage has no `duration`, `requireApproval` or `linearShift`: with it \
                 the release is over",
            ),
            _ => bad("`targetPercentage` of the last stage should be 100"),
        };
    }
    match (advancement, minutes, approval) {
        (Advancement::Automatic, Some(minutes), None | Some(false)) => {
            let minutes = u32::try_from(minutes)
                .ok()
                .filter(|minutes| DURATION_MINUTES.contains(minutes));
            let Some(minutes) = minutes else {
                return bad("`duration` should be 1 to 10000 minutes");
            };
            Ok(ConfigStage {
                percent,
                minutes: Some(minutes),
                shifts,
            })
        }
        (Advancement::Automatic, None, _) => {
            bad("`duration` should be given: stages advance by themselves")
        }
        (Advancement::Automatic, Some(_), Some(true)) => {
            bad("`requireApproval` does not go with `advancementType` automatic")
        }
        (Advancement::ManualApproval, Some(_), _) => {
            bad("`duration` does not go with `advancementType` manual-approval")
        }
        (Advancement::ManualApproval, None, Some(false)) => {
            bad("`requireApproval` should be true: stages wait for an approval")
        }
        (Advancement::ManualApproval, None, _) if shifts => {
            bad("`linearShift` needs a `duration` to shift in")
        }
        (Advancement::ManualApproval, None, None | Some(true)) => Ok(ConfigStage {
            percent,
            minutes: None,
            shifts: false,
        }),
    }
}

/// A whole number of a body; absent and null are none.
pub(super) fn whole(object: &Map<String, Value>, name: &str) -> ApiResult<Option<u64>> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) => Ok(Some(number)),
            None => Err(body::kind(name, "a whole number")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &Value) -> ApiResult<Option<Config>> {
        Config::changed(None, body.as_object().unwrap())
    }

    fn automatic(stages: &Value) -> Value {
        json!({"enabled": true, "advancementType": "automatic", "stages": stages})
    }

    fn manual(stages: &Value) -> Value {
        json!({"enabled": true, "advancementType": "manual-approval", "stages": stages})
    }

    #[test]
    fn minutes_become_milliseconds_and_the_last_stage_ends_it() {
        let body = automatic(&json!([
            {"targetPercentage": 10, "duration": 5},
            {"targetPercentage": 50, "duration": 10_000, "linearShift": true},
            {"targetPercentage": 100},
        ]));
        let config = read(&body).unwrap().unwrap();
        let stage = |percent, gate| Stage { percent, gate };
        assert_eq!(
            config.strategy(),
            Strategy::Stages(vec![
                stage(10, StageGate::Timer(300_000)),
                stage(50, StageGate::Shift(600_000_000)),
                stage(100, StageGate::Automatic),
            ])
        );
        let wire = config.to_wire();
        assert_eq!(wire["stages"][1]["duration"], 10_000);
        assert_eq!(
            Config::changed(None, wire.as_object().unwrap()),
            Ok(Some(config))
        );
        let body = manual(&json!([{"targetPercentage": 1}, {"targetPercentage": 100}]));
        let config = read(&body).unwrap().unwrap();
        let wire = config.to_wire();
        assert_eq!(wire["stages"][0]["requireApproval"], true);
        assert_eq!(
            Config::changed(None, wire.as_object().unwrap()),
            Ok(Some(config))
        );
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let body = manual(&json!([{"targetPercentage": 1}, {"targetPercentage": 100}]));
        let before = read(&body).unwrap().unwrap();
        let change = |body: Value| Config::changed(Some(&before), body.as_object().unwrap());
        assert_eq!(change(json!({})), Ok(Some(before.clone())));
        assert_eq!(change(json!({"enabled": false})), Ok(None));
        let marked = change(json!({"canaryResponseHeader": true}))
            .unwrap()
            .unwrap();
        assert!(marked.response_header);
        assert_eq!(marked.stages, before.stages);
        // Other stages are needed for another kind of advancement.
        assert!(change(json!({"advancementType": "automatic"})).is_err());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let end = json!({"targetPercentage": 100});
        let timed = |percent: u64| json!({"targetPercentage": percent, "duration": 5});
        for bad in [
            json!({"enabled": true}),
            json!({"enabled": true, "advancementType": "sometimes", "stages": [timed(1), end]}),
            automatic(&json!([end])),
            automatic(&json!([timed(10), timed(10), end])),
            automatic(&json!([timed(20), timed(10), end])),
            automatic(&json!([timed(10), timed(99)])),
            automatic(&json!([{"targetPercentage": 10}, end])),
            automatic(&json!([{"targetPercentage": 10, "duration": 0}, end])),
            automatic(&json!([{"targetPercentage": 10, "duration": 10_001}, end])),
            automatic(&json!([{"targetPercentage": 10.5, "duration": 5}, end])),
            automatic(&json!([{"targetPercentage": 101, "duration": 5}, end])),
            automatic(&json!([timed(10), {"targetPercentage": 100, "duration": 5}])),
            automatic(&json!(
                (1..12).map(timed).chain([end.clone()]).collect::<Vec<_>>()
            )),
            manual(&json!([timed(10), end])),
            manual(&json!([{"targetPercentage": 10, "linearShift": true}, end])),
            manual(&json!([{"targetPercentage": 10, "requireApproval": false}, end])),
            manual(&json!([1, end])),
            manual(&json!({})),
            json!({"enabled": true, "target": "staging", "advancementType": "automatic",
                "stages": [timed(10), end]}),
            json!({"enabled": true, "advancementType": "automatic", "stages": [timed(10), end],
                "gate": {"enabled": true, "checks": []}}),
        ] {
            assert_eq!(read(&bad).unwrap_err().status.as_u16(), 400, "{bad}");
        }
    }
}
