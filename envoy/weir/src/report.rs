//! What was found, for programs: as JSON, as SARIF 2.1.0 (OASIS), and as commands of GitHub's workflows.

use serde_json::{Value as Json, json};

use crate::code::{Code, Severity, TABLE};
use crate::diagnostic::{Mistake, Report};

/// Who reads what was found.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// People.
    #[default]
    Text,
    /// Programs.
    Json,
    /// Code scanning: SARIF 2.1.0.
    Sarif,
    /// A workflow on GitHub, which shows each beside its line.
    Github,
}

/// One object with everything.
pub fn json(reports: &[Report]) -> Json {
    let findings = |report: &Report| {
        let found: Vec<_> = report.mistakes.iter().map(|mistake| finding(report, mistake)).collect();
        json!({"file": report.name, "findings": found})
    };
    json!({"files": reports.iter().map(findings).collect::<Vec<_>>()})
}

fn finding(report: &Report, mistake: &Mistake) -> Json {
    let (line, column) = report.position(&mistake.span);
    let code = mistake.code;
    json!({
        "code": code.number(),
        "name": code.name(),
        "severity": code.severity().word(),
        "line": line,
        "column": column,
        "message": mistake.wrong,
        "why": code.why(),
        "fix": mistake.fix(),
    })
}

/// A log of one run, which ends with this code. Columns are characters, as everywhere here.
pub fn sarif(reports: &[Report], exit_code: u8) -> Json {
    let rule = |(code, number, name, why): &(Code, &str, &str, &str)| {
        json!({
            "id": number,
            "name": name,
            "shortDescription": {"text": why},
            "defaultConfiguration": {"level": code.severity().word()},
        })
    };
    let mut found = reports.iter().flat_map(|report| &report.mistakes);
    // What was found is a success of the tool; what it could not look at is none.
    let is_unread = found.any(|mistake| mistake.code == Code::UnreadableFile);
    let results = reports.iter().flat_map(|report| report.mistakes.iter().map(|mistake| result(report, mistake)));
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "weir",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": TABLE.iter().map(rule).collect::<Vec<_>>(),
            }},
            "invocations": [{"executionSuccessful": !is_unread, "exitCode": exit_code}],
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
        }],
    })
}

fn result(report: &Report, mistake: &Mistake) -> Json {
    let (line, column) = report.position(&mistake.span);
    let code = mistake.code;
    json!({
        "ruleId": code.number(),
        "ruleIndex": code as usize,
        "level": code.severity().word(),
        "message": {"text": sentence(mistake)},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": uri(&report.name)},
            "region": {"startLine": line, "startColumn": column},
        }}],
    })
}

/// What is wrong and what to do about it.
fn sentence(mistake: &Mistake) -> String {
    let Mistake { wrong, expected, .. } = mistake;
    if expected.is_empty() { wrong.clone() } else { format!("{wrong}: {expected}") }
}

/// A file's name as a relative reference (RFC 3986 §4.2).
fn uri(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/');
    let mut uri = String::with_capacity(name.len());
    for byte in name.trim_start_matches("./").bytes() {
        if plain(byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

/// A command for each finding, a line each.
pub fn github(reports: &[Report]) -> String {
    let mut lines = String::new();
    for report in reports {
        for mistake in &report.mistakes {
            let (line, column) = report.position(&mistake.span);
            let code = mistake.code;
            let word = match code.severity() {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            let text = data(&format!("{}\n{}", sentence(mistake), code.why()));
            let file = property(&report.name);
            let title = property(&format!("{} {}", code.number(), code.name()));
            lines.push_str(&format!("::{word} file={file},line={line},col={column},title={title}::{text}\n"));
        }
    }
    lines
}

/// Text as a command's message has it.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Text as a command's property has it.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mistake = |code, span, wrong: &str| Mistake { code, span, wrong: wrong.into(), expected: "do this".into() };
        Report {
            name: "./a b.yaml".into(),
            text: "version: 1\nlisten: é, x\n".into(),
            mistakes: vec![
                mistake(Code::InvalidValue, 19..21, "100% wrong\nhere"),
                mistake(Code::OpenLimit, 23..24, "a trap"),
            ],
        }
    }

    #[test]
    fn programs_are_told_the_same_as_people() {
        let found = json(&[report()]);
        let findings = found.pointer("/files/0/findings").unwrap();
        assert_eq!(
            findings[1],
            json!({"code": "W202", "name": "open-limit", "severity": "warning", "line": 2, "column": 12,
                "message": "a trap", "why": Code::OpenLimit.why(), "fix": "do this"})
        );
        assert_eq!(findings[0]["line"], 2);
    }

    #[test]
    fn a_workflow_reads_each_in_one_line() {
        assert_eq!(
            github(&[report()]),
            format!(
                "::error file=./a b.yaml,line=2,col=9,title=E004 invalid-value::100%25 wrong%0Ahere: do this%0A{}\n\
             ::warning file=./a b.yaml,line=2,col=12,title=W202 open-limit::a trap: do this%0A{}\n",
                Code::InvalidValue.why(),
                Code::OpenLimit.why()
            )
        );
        assert_eq!(property("a:b,c"), "a%3Ab%2Cc");
    }

    /// What SARIF 2.1.0 requires of each object that is written here (§3.13, §3.14, §3.18, §3.19, §3.27, §3.49).
    #[test]
    fn a_log_has_what_sarif_requires() {
        let log = sarif(&[report()], 1);
        assert_eq!((&log["version"], log["runs"].as_array().map(Vec::len)), (&json!("2.1.0"), Some(1)));
        let run = &log["runs"][0];
        assert_eq!(run["invocations"], json!([{"executionSuccessful": true, "exitCode": 1}]));
        assert_eq!(run["tool"]["driver"]["name"], "weir");
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        for rule in rules {
            assert!(rule["id"].is_string() && rule["shortDescription"]["text"].is_string(), "{rule}");
            assert!(["error", "warning"].contains(&rule["defaultConfiguration"]["level"].as_str().unwrap()));
        }
        let results = run["results"].as_array().unwrap();
        assert_eq!(results.len(), 2);
        for result in results {
            assert!(result["message"]["text"].is_string(), "{result}");
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], result["ruleId"]);
            let place = &result["locations"][0]["physicalLocation"];
            assert_eq!(place["artifactLocation"]["uri"], "a%20b.yaml");
            assert!(
                place["region"]["startLine"].as_u64() >= Some(1) && place["region"]["startColumn"].as_u64() >= Some(1)
            );
        }
    }
}
