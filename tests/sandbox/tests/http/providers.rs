//! Each provider's good answers, its refusals, and its own way to say "slow down".

use sandbox::{API_KEY, CLIENT_ID, CLIENT_SECRET, Limit, Sandbox, Upstream};
use serde_json::{Value, json};

use crate::client::{Answer, bearer, get};

const STROBE: &str = "41Xji81wFy3cM7ggbGczQW";
const AGENT: (&str, &str) = ("user-agent", "weir/0.1 (ops@example.com)");

/// A sandbox whose provider allows `burst` requests and then none for an hour.
fn limited(upstream: Upstream, burst: u32) -> Sandbox {
    let sandbox = Sandbox::start();
    sandbox.limit(upstream, Some(Limit::hourly(burst)));
    sandbox
}

fn discogs() -> (&'static str, String) {
    ("authorization", format!("Discogs key={CLIENT_ID}, secret={CLIENT_SECRET}"))
}

/// The `MusicBrainz` id of the sample, as its ISRC finds it.
fn mbid(sandbox: &Sandbox) -> String {
    let found = get(sandbox, "/musicbrainz/ws/2/isrc/GBTDG0900141?fmt=json", &[AGENT]).json();
    found["recordings"][0]["id"].as_str().expect("a recording").to_owned()
}

#[test]
fn spotify_finds_the_sample() {
    let sandbox = Sandbox::start();
    let token = bearer(&sandbox, Upstream::Spotify);
    let ask = |target: &str| get(&sandbox, target, &[("authorization", &token)]);
    let found = ask("/spotify/v1/search?q=artist%3ADeadmau5%20track%3AStrobe&type=track&limit=3").json();
    let tracks = &found["tracks"];
    assert_eq!((&tracks["total"], &tracks["limit"], &tracks["next"]), (&json!(1), &json!(3), &Value::Null));
    let track = &tracks["items"][0];
    assert_eq!((&track["id"], &track["name"]), (&json!(STROBE), &json!("Strobe")));
    assert_eq!((&track["duration_ms"], &track["popularity"]), (&json!(635_320), &json!(35)));
    assert_eq!(track["external_ids"]["isrc"], "GBTDG0900141");
    assert_eq!(track["artists"][0]["id"], "2CIMQHirSU0MQqyYHq0eOx");
    assert_eq!(*track, ask(&format!("/spotify/v1/tracks/{STROBE}")).json());
    let features = ask(&format!("/spotify/v1/audio-features/{STROBE}")).json();
    assert_eq!((&features["tempo"], &features["type"]), (&json!(128.0), &json!("audio_features")));
    let several = ask(&format!("/spotify/v1/tracks?ids={STROBE},0000000000000000000000")).json();
    assert_eq!((&several["tracks"][0]["id"], &several["tracks"][1]), (&json!(STROBE), &Value::Null));
    assert_eq!(ask("/spotify/v1/artists/2CIMQHirSU0MQqyYHq0eOx").json()["name"], "deadmau5");
}

#[test]
fn spotify_pages_through_a_search() {
    let sandbox = Sandbox::start();
    let token = bearer(&sandbox, Upstream::Spotify);
    let ask = |query: &str| {
        get(&sandbox, &format!("/spotify/v1/search?{query}"), &[("authorization", &token)]).json()["tracks"].clone()
    };
    let (first, second) = (ask("q=deadmau5&type=track&limit=2"), ask("q=deadmau5&type=track&limit=2&offset=2"));
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    assert_ne!(first["items"], second["items"]);
    assert!(first["next"].as_str().unwrap().contains("offset=2") && first["previous"].is_null());
    assert!(second["previous"].as_str().unwrap().contains("offset=0"));
    assert_eq!(ask("q=isrc:GBTDG0900141&type=track")["items"][0]["id"], STROBE);
    assert_eq!(ask("q=nobody+at+all&type=track")["total"], 0);
}

#[test]
fn spotify_says_what_is_wrong_with_a_request() {
    let sandbox = Sandbox::start();
    let token = bearer(&sandbox, Upstream::Spotify);
    for (path, status, message) in [
        ("search?type=track", 400, "No search query"),
        ("search?q=a", 400, "Missing parameter type"),
        ("search?q=a&type=track&limit=51", 400, "Invalid limit"),
        ("search?q=a&type=song", 400, "Bad search type field song"),
        ("tracks/short", 400, "Invalid base62 id"),
        ("tracks/0000000000000000000000", 404, "Resource not found"),
        ("nothing/here", 404, "Service not found"),
    ] {
        let answer = get(&sandbox, &format!("/spotify/v1/{path}"), &[("authorization", &token)]);
        let expected = json!({"error": {"status": status, "message": message}});
        assert_eq!((answer.status, answer.json()), (status, expected), "{path}");
    }
}

#[test]
fn spotify_limits_with_429_and_retry_after() {
    let sandbox = limited(Upstream::Spotify, 2);
    let token = bearer(&sandbox, Upstream::Spotify);
    let ask = || get(&sandbox, &format!("/spotify/v1/tracks/{STROBE}"), &[("authorization", &token)]);
    assert_eq!((ask().status, ask().status), (200, 200));
    let answer = ask();
    assert_eq!(answer.json(), json!({"error": {"status": 429, "message": "API rate limit exceeded"}}));
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1800")));
    assert_eq!(get(&sandbox, "/spotify/v1/tracks/x", &[]).status, 401, "no credential comes before no budget");
    assert_eq!(sandbox.count(Upstream::Spotify), 4);
}

#[test]
fn the_default_limit_is_the_contracts() {
    let sandbox = Sandbox::start();
    let (key, value) = discogs();
    let ask = || get(&sandbox, "/discogs/database/search?q=strobe", &[(key, &value), AGENT]);
    let statuses = [ask().status, ask().status];
    assert_eq!(statuses, [200, 429]);
    assert_eq!(ask().header("x-discogs-ratelimit"), Some("60"));
}

#[test]
fn musicbrainz_finds_the_sample() {
    let sandbox = Sandbox::start();
    sandbox.limit(Upstream::Musicbrainz, None);
    let ask = |target: &str| get(&sandbox, &format!("/musicbrainz/ws/2/{target}"), &[AGENT]).json();
    let found = ask("recording?query=artist:%22deadmau5%22%20AND%20recording:%22Strobe%22&fmt=json&limit=5");
    assert_eq!((&found["count"], &found["offset"]), (&json!(1), &json!(0)));
    let recording = &found["recordings"][0];
    assert_eq!((&recording["title"], &recording["score"]), (&json!("Strobe"), &json!(100)));
    assert_eq!(recording["artist-credit"][0]["artist"]["name"], "deadmau5");
    assert_eq!((&recording["isrcs"], &recording["length"]), (&json!(["GBTDG0900141"]), &json!(635_320)));
    let mbid = recording["id"].as_str().unwrap();
    let bare = ask(&format!("recording/{mbid}?fmt=json"));
    assert!(bare.get("isrcs").is_none() && bare.get("artist-credit").is_none());
    let whole = ask(&format!("recording/{mbid}?inc=artists+isrcs&fmt=json"));
    assert_eq!((&whole["isrcs"], &whole["artist-credit"]), (&recording["isrcs"], &recording["artist-credit"]));
    let by_isrc = ask("isrc/GBTDG0900141?inc=artists&fmt=json");
    assert_eq!((&by_isrc["isrc"], &by_isrc["recordings"][0]["id"]), (&json!("GBTDG0900141"), &json!(mbid)));
}

#[test]
fn musicbrainz_says_what_is_wrong_with_a_request() {
    let sandbox = Sandbox::start();
    sandbox.limit(Upstream::Musicbrainz, None);
    for (path, status) in [
        ("recording?fmt=json", 400),
        ("recording?query=recording:%22open&fmt=json", 400),
        ("recording/not-a-uuid?fmt=json", 400),
        ("recording/00000000-0000-4000-a000-000000000000?fmt=json", 404),
        ("isrc/short?fmt=json", 400),
        ("isrc/QZXXX9900001?fmt=json", 404),
        ("isrc/GBTDG0900141", 406),
    ] {
        let answer = get(&sandbox, &format!("/musicbrainz/ws/2/{path}"), &[AGENT]);
        assert_eq!((answer.status, answer.json()["help"].is_string()), (status, true), "{path}");
    }
}

#[test]
fn musicbrainz_wants_to_know_who_calls() {
    let sandbox = Sandbox::start();
    let path = "/musicbrainz/ws/2/isrc/GBTDG0900141?fmt=json";
    for headers in [&[][..], &[("user-agent", "curl/8.5.0")], &[("user-agent", "")]] {
        assert_eq!(get(&sandbox, path, headers).status, 403, "{headers:?}");
    }
    assert_eq!(get(&sandbox, path, &[AGENT]).status, 200);
}

#[test]
fn musicbrainz_limits_with_503() {
    let sandbox = limited(Upstream::Musicbrainz, 1);
    mbid(&sandbox);
    let answer = get(&sandbox, "/musicbrainz/ws/2/isrc/GBTDG0900141?fmt=json", &[AGENT]);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("3600")));
    assert!(answer.json()["error"].as_str().unwrap().contains("exceeding the allowable rate limit"));
    assert_eq!(answer.header("x-ratelimit-remaining"), Some("0"));
}

fn lastfm(sandbox: &Sandbox, query: &str) -> Answer {
    get(sandbox, &format!("/lastfm/2.0/?{query}&format=json&api_key={API_KEY}"), &[])
}

#[test]
fn lastfm_finds_the_sample() {
    let sandbox = Sandbox::start();
    let found = lastfm(&sandbox, "method=track.search&artist=Deadmau5&track=Strobe&limit=5").json();
    assert_eq!(found["results"]["opensearch:totalResults"], "1");
    let matched = &found["results"]["trackmatches"]["track"][0];
    assert_eq!((&matched["name"], &matched["artist"]), (&json!("Strobe"), &json!("deadmau5")));
    let mbid = matched["mbid"].as_str().unwrap();
    let track = &lastfm(&sandbox, &format!("method=track.getInfo&mbid={mbid}")).json()["track"];
    assert_eq!((&track["duration"], &track["artist"]["name"]), (&json!("635320"), &json!("deadmau5")));
    assert_eq!(track["toptags"]["tag"][0]["name"], "progressive house");
    let named = lastfm(&sandbox, "method=track.getinfo&artist=deadmau5&track=strobe").json();
    assert_eq!(named["track"], *track);
}

#[test]
fn lastfm_refuses_by_number() {
    let sandbox = Sandbox::start();
    for (query, status, code) in [
        ("method=track.search", 400, 6),
        ("method=track.getInfo&mbid=nothing", 404, 6),
        ("method=track.invent", 400, 3),
    ] {
        let answer = lastfm(&sandbox, query);
        assert_eq!((answer.status, &answer.json()["error"]), (status, &json!(code)), "{query}");
    }
    let answer = get(&sandbox, "/lastfm/2.0/?method=track.search&track=a&format=json&api_key=wrong", &[]);
    assert_eq!((answer.status, &answer.json()["error"]), (403, &json!(10)));
    let answer = get(&sandbox, &format!("/lastfm/2.0/?method=track.search&track=a&api_key={API_KEY}"), &[]);
    assert_eq!((answer.status, answer.header("content-type")), (400, Some("text/xml; charset=utf-8")));
}

#[test]
fn lastfm_limits_with_200_and_error_29() {
    let sandbox = limited(Upstream::Lastfm, 1);
    assert!(lastfm(&sandbox, "method=track.search&track=Strobe").json().get("error").is_none());
    let answer = lastfm(&sandbox, "method=track.search&track=Strobe");
    assert_eq!((answer.status, &answer.json()["error"]), (200, &json!(29)));
}

#[test]
fn beatport_knows_tempo_and_key() {
    let sandbox = Sandbox::start();
    sandbox.limit(Upstream::Beatport, None);
    let token = bearer(&sandbox, Upstream::Beatport);
    let ask = |target: &str| get(&sandbox, &format!("/beatport/v4/catalog/{target}"), &[("authorization", &token)]);
    let found = ask("tracks/?artist_name=deadmau5&name=Strobe").json();
    let track = &found["results"][0];
    assert_eq!((&found["count"], &track["bpm"]), (&json!(1), &json!(128.0)));
    assert_eq!((&track["key"]["name"], &track["key"]["camelot_number"]), (&json!("B Minor"), &json!(10)));
    assert_eq!((&track["genre"]["slug"], &track["length"]), (&json!("progressive-house"), &json!("10:35")));
    let path = format!("tracks/{}/", track["id"]);
    assert_eq!(ask(&path).json(), *track);
    let moved = ask(path.trim_end_matches('/'));
    let location = format!("/beatport/v4/catalog/{path}");
    assert_eq!((moved.status, moved.header("location")), (301, Some(location.as_str())));
    assert_eq!((ask("tracks/1/").status, ask("tracks/x/").status), (404, 404));
    assert_eq!(ask("search/?q=strobe").json()["tracks"][0], *track);
}

#[test]
fn beatport_limits_with_429() {
    let sandbox = limited(Upstream::Beatport, 1);
    let token = bearer(&sandbox, Upstream::Beatport);
    let ask = || get(&sandbox, "/beatport/v4/catalog/tracks/", &[("authorization", &token)]);
    assert_eq!(ask().status, 200);
    let answer = ask();
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("3600")));
    assert_eq!(answer.json()["detail"], "Request was throttled. Expected available in 3600 seconds.");
}

#[test]
fn discogs_knows_releases() {
    let sandbox = Sandbox::start();
    sandbox.limit(Upstream::Discogs, None);
    let (key, value) = discogs();
    let ask = |target: &str| get(&sandbox, &format!("/discogs/{target}"), &[(key, &value), AGENT]);
    let found = ask("database/search?type=release&artist=deadmau5&track=Strobe").json();
    let result = &found["results"][0];
    assert_eq!((&found["pagination"]["items"], &result["type"]), (&json!(1), &json!("release")));
    let release = ask(&format!("releases/{}", result["id"])).json();
    assert_eq!((&release["title"], &release["year"]), (&json!("For Lack of a Better Name"), &json!(2009)));
    let titles: Vec<_> = release["tracklist"].as_array().unwrap().iter().map(|track| &track["title"]).collect();
    assert!(titles.contains(&&json!("Strobe")));
    assert_eq!(ask("releases/1").json(), json!({"message": "Release not found."}));
}

#[test]
fn discogs_wants_credentials_and_a_user_agent() {
    let sandbox = Sandbox::start();
    let (key, good) = discogs();
    for (headers, status) in [
        (&[AGENT][..], 401),
        (&[AGENT, (key, "Discogs key=weir-sandbox, secret=wrong")], 401),
        (&[(key, &good)], 403),
        (&[AGENT, (key, &good)], 404),
    ] {
        let answer = get(&sandbox, "/discogs/releases/1", headers);
        assert_eq!((answer.status, answer.json()["message"].is_string()), (status, true), "{headers:?}");
    }
    let query = format!("/discogs/database/search?q=a&key={CLIENT_ID}&secret={CLIENT_SECRET}");
    assert_eq!(get(&sandbox, &query, &[AGENT]).status, 429, "the same client in the query has the same budget");
}

#[test]
fn discogs_counts_down_in_its_headers() {
    let sandbox = limited(Upstream::Discogs, 2);
    let (key, value) = discogs();
    let ask = || {
        let answer = get(&sandbox, "/discogs/database/search?q=strobe", &[(key, &value), AGENT]);
        let header = |name: &str| answer.header(name).unwrap().parse::<u64>().unwrap();
        let counts = ["x-discogs-ratelimit", "x-discogs-ratelimit-used", "x-discogs-ratelimit-remaining"].map(header);
        (answer.status, counts)
    };
    assert_eq!(ask(), (200, [2, 1, 1]));
    assert_eq!(ask(), (200, [2, 2, 0]));
    assert_eq!(ask(), (429, [2, 2, 0]));
}

#[test]
fn acousticbrainz_knows_rhythm_and_key() {
    let sandbox = Sandbox::start();
    let mbid = mbid(&sandbox);
    let ask = |target: &str| get(&sandbox, &format!("/acousticbrainz/api/v1/{target}"), &[]);
    let features = ask(&format!("{mbid}/low-level")).json();
    assert_eq!((&features["rhythm"]["bpm"], &features["tonal"]["key_key"]), (&json!(128.0), &json!("B")));
    assert_eq!(features["metadata"]["tags"]["title"], json!(["Strobe"]));
    assert!(ask(&format!("{mbid}/high-level")).json()["highlevel"]["danceability"]["value"].is_string());
    let missing = ask("00000000-0000-4000-a000-000000000000/low-level");
    assert_eq!((missing.status, missing.json()), (404, json!({"message": "Not found"})));
}

#[test]
fn acousticbrainz_limits_with_429_and_its_headers() {
    let sandbox = limited(Upstream::Acousticbrainz, 1);
    let ask = || get(&sandbox, "/acousticbrainz/api/v1/x/low-level", &[]);
    let (first, second) = (ask(), ask());
    assert_eq!((first.status, first.header("x-ratelimit-remaining")), (404, Some("0")));
    assert_eq!((second.status, second.header("x-ratelimit-remaining")), (429, Some("0")));
    assert_eq!((second.header("x-ratelimit-limit"), second.header("x-ratelimit-reset-in")), (Some("1"), Some("3600")));
}

#[test]
fn a_relaxed_sandbox_limits_nobody() {
    let sandbox = Sandbox::start_with(sandbox::Settings::relaxed(), "127.0.0.1:0".parse().unwrap()).unwrap();
    for _ in 0..20 {
        assert_eq!(get(&sandbox, "/musicbrainz/ws/2/isrc/GBTDG0900141?fmt=json", &[AGENT]).status, 200);
    }
}
