//! What a proxy has answered, as its statistics count it: how many requests, how many of them errors (5xx, or given up by whoever
//! asked) or refusals (4xx), and how long they took.

use std::net::SocketAddr;

use serde_json::{Value as Json, json};

use crate::run::admin::Admin;

/// The statistics that are asked for: of the clients' side, of each listener, and for how long Envoy has run.
const FILTER: &str = "^(http%5C.weir%5C.downstream_rq_(xx|time|completed|rx_reset|[1-5]xx)\
    |listener%5C..*%5C.http%5C.weir%5C.downstream_rq_completed|server%5C.uptime)$";

/// Counts since some moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Requests that ended: answered, or given up by whoever asked. One that is given up in the midst of its answer is both.
    pub answers: u64,
    /// Those that came by the listener of the policy that is on its way. One that has gone still serves the connections that it had.
    pub arrived: u64,
    /// Answers with 5xx, and requests that were given up.
    pub errors: u64,
    /// Answers with 4xx.
    pub refusals: u64,
    /// How many took no longer than each bound, in milliseconds, which rise; the last is without bound. Envoy brings these up to
    /// date every five seconds, or as its `stats_flush_interval` says.
    pub times: Vec<(f64, u64)>,
    /// In how many seconds, of all proxies together; Envoy brings this up to date with the times.
    pub seconds: u64,
}

impl Sample {
    /// What a proxy has counted since it started, of which `listen` is where the policy listens; `None` where it does not answer.
    pub fn of(admin: &Admin, listen: SocketAddr) -> Option<Self> {
        admin.prometheus(FILTER).map(|text| Self::parse(&text, listen))
    }

    fn parse(text: &str, listen: SocketAddr) -> Self {
        let listener = listen.to_string().replace(':', "_");
        let mut sample = Self::default();
        let is_ours = |line: &&str| line.contains("_prefix=\"weir\"") || line.starts_with("envoy_server_uptime");
        for line in text.lines().filter(is_ours) {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let Ok(count) = value.parse::<u64>() else { continue };
            let label = |label: &str| name.split_once(&format!("{label}=\""))?.1.split('"').next();
            match name.split('{').next().unwrap_or_default() {
                "envoy_http_downstream_rq_completed" => sample.answers += count,
                "envoy_http_downstream_rq_rx_reset" => {
                    sample.answers += count;
                    sample.arrived += count;
                    sample.errors += count;
                }
                "envoy_listener_http_downstream_rq_completed" if label("envoy_listener_address") == Some(&listener) => {
                    sample.arrived += count;
                }
                "envoy_server_uptime" => sample.seconds = count,
                "envoy_http_downstream_rq_xx" => match label("envoy_response_code_class") {
                    Some("5") => sample.errors += count,
                    Some("4") => sample.refusals = count,
                    _ => {}
                },
                "envoy_http_downstream_rq_time_bucket" => {
                    let bound = label("le").map(|bound| bound.parse().unwrap_or(f64::INFINITY));
                    sample.times.extend(bound.map(|bound| (bound, count)));
                }
                _ => {}
            }
        }
        sample
    }

    /// What came after `earlier`; everything, where the proxy has been started anew since.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        if self.answers < earlier.answers {
            return self.clone();
        }
        let then = |bound: f64| earlier.times.iter().find(|(other, _)| *other >= bound).map_or(0, |(_, count)| *count);
        Self {
            answers: self.answers - earlier.answers,
            arrived: self.arrived.saturating_sub(earlier.arrived),
            errors: self.errors.saturating_sub(earlier.errors),
            refusals: self.refusals.saturating_sub(earlier.refusals),
            times: self.times.iter().map(|(bound, count)| (*bound, count.saturating_sub(then(*bound)))).collect(),
            seconds: self.seconds.saturating_sub(earlier.seconds),
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.answers += other.answers;
        self.arrived += other.arrived;
        self.errors += other.errors;
        self.refusals += other.refusals;
        self.seconds += other.seconds;
        if self.times.is_empty() {
            self.times.clone_from(&other.times);
        } else {
            for ((_, count), (_, more)) in self.times.iter_mut().zip(&other.times) {
                *count += more;
            }
        }
        self
    }

    /// How many answers' times are known.
    pub fn timed(&self) -> u64 {
        self.times.last().map_or(0, |(_, count)| *count)
    }

    /// How many of how many took longer than a bound.
    pub fn slower(&self, bound: f64) -> (u64, u64) {
        let all = self.timed();
        let within = self.times.iter().find(|(other, _)| *other >= bound).map_or(all, |(_, count)| *count);
        (all.saturating_sub(within), all)
    }

    /// As it is kept.
    pub fn to_json(&self) -> Json {
        // JSON has no infinity: the last bound is none.
        let times: Vec<_> = self.times.iter().map(|(bound, count)| json!([bound, count])).collect();
        let Self { answers, arrived, errors, refusals, seconds, .. } = self;
        json!({"answers": answers, "arrived": arrived, "errors": errors, "refusals": refusals, "times": times, "seconds": seconds})
    }

    /// What was kept.
    pub fn from_json(kept: &Json) -> Option<Self> {
        let count = |name: &str| kept.get(name)?.as_u64();
        let times = kept.get("times")?.as_array()?.iter();
        let times = times.map(|time| Some((time.get(0)?.as_f64().unwrap_or(f64::INFINITY), time.get(1)?.as_u64()?)));
        Some(Self {
            answers: count("answers")?,
            arrived: count("arrived")?,
            errors: count("errors")?,
            refusals: count("refusals")?,
            times: times.collect::<Option<_>>()?,
            seconds: count("seconds")?,
        })
    }
}

/// How often Envoy has brought the latencies of a proxy up to date since a step began.
#[derive(Clone, Copy, Debug)]
pub struct Updates {
    timed: u64,
    count: u32,
}

impl Updates {
    /// What was known when the step began.
    pub fn since(sample: Option<&Sample>) -> Self {
        Self { timed: sample.map_or(0, Sample::timed), count: 0 }
    }

    /// What is known now.
    pub fn look(&mut self, sample: &Sample) {
        let timed = sample.timed();
        if timed != self.timed {
            *self = Self { timed, count: self.count + 1 };
        }
    }

    /// Most of what has been added was answered since the step began.
    pub fn are_enough(&self) -> bool {
        self.count >= 2
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const TEXT: &str = r#"# TYPE envoy_http_downstream_rq_completed counter
envoy_http_downstream_rq_completed{envoy_http_conn_manager_prefix="weir"} 100
envoy_http_downstream_rq_completed{envoy_http_conn_manager_prefix="weir_internal"} 7
envoy_http_downstream_rq_rx_reset{envoy_http_conn_manager_prefix="weir"} 9
envoy_http_downstream_rq_rx_reset{envoy_http_conn_manager_prefix="weir_internal"} 70
envoy_http_downstream_rq_xx{envoy_response_code_class="4",envoy_http_conn_manager_prefix="weir"} 20
envoy_http_downstream_rq_xx{envoy_response_code_class="5",envoy_http_conn_manager_prefix="weir"} 3
envoy_http_downstream_rq_time_bucket{envoy_http_conn_manager_prefix="weir",le="2.5"} 60
envoy_http_downstream_rq_time_bucket{envoy_http_conn_manager_prefix="weir",le="5"} 90
envoy_http_downstream_rq_time_bucket{envoy_http_conn_manager_prefix="weir",le="+Inf"} 95
envoy_http_downstream_rq_time_sum{envoy_http_conn_manager_prefix="weir"} 72890.6
envoy_server_uptime{} 12
envoy_listener_http_downstream_rq_completed{envoy_listener_address="127.0.0.1_8080",envoy_http_conn_manager_prefix="weir"} 60
envoy_listener_http_downstream_rq_completed{envoy_listener_address="127.0.0.1_8081",envoy_http_conn_manager_prefix="weir"} 40
"#;

    fn parse(text: &str) -> Sample {
        Sample::parse(text, SocketAddr::from(([127, 0, 0, 1], 8081)))
    }

    #[test]
    fn the_clients_side_is_counted_and_not_the_filters_own_requests() {
        let sample = parse(TEXT);
        assert_eq!((sample.answers, sample.errors, sample.refusals, sample.seconds), (109, 12, 20, 12));
        assert_eq!(sample.arrived, 49, "what came by the listener before is not the policy's");
        assert_eq!((sample.slower(2.5), sample.slower(5.0), sample.slower(9.0)), ((35, 95), (5, 95), (0, 95)));
        assert_eq!(Sample::from_json(&sample.to_json()).unwrap(), sample);
    }

    #[test]
    fn latencies_are_known_when_they_were_brought_up_to_date_twice() {
        let sample = |timed: u64| Sample { answers: 99, times: vec![(f64::INFINITY, timed)], ..Sample::default() };
        let mut updates = Updates::since(Some(&sample(5)));
        let looks = [(5, false), (9, false), (9, false), (12, true), (12, true)];
        for (timed, are_enough) in looks {
            updates.look(&sample(timed));
            assert_eq!(updates.are_enough(), are_enough, "{updates:?}");
        }
    }

    #[test]
    fn what_came_since_is_all_where_the_proxy_started_anew() {
        let (then, now) = (parse(TEXT), parse(&TEXT.replace(" 100", " 150").replace(" 95", " 145")));
        let since = now.since(&then);
        assert_eq!((since.answers, since.errors, since.slower(5.0)), (50, 0, (50, 50)));
        assert_eq!(then.since(&now), then);
        assert_eq!(then.since(&Sample::default()), then);
        assert_eq!(since.clone().and(&since).answers, 100);
        assert_eq!((then.since(&Sample::default()).and(&now).seconds, since.seconds), (24, 0));
    }
}
