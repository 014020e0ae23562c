//! OAuth 2.0 as Spotify and Beatport speak it, and what their APIs say to tokens that are no good.

use std::time::Duration;

use sandbox::{CLIENT_ID, CLIENT_SECRET, Sandbox, Upstream};

use crate::client::{Answer, basic, bearer, get, send};

const SPOTIFY: &str = "/spotify-accounts/api/token";
const BEATPORT: &str = "/beatport/v4/auth/o/token/";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const STROBE: &str = "/spotify/v1/tracks/41Xji81wFy3cM7ggbGczQW";

fn ask(sandbox: &Sandbox, path: &str, authorization: Option<&str>, form: &str) -> Answer {
    let headers: Vec<_> = authorization.map(|value| ("authorization", value)).into_iter().chain([FORM]).collect();
    send(sandbox, "POST", path, &headers, form)
}

#[test]
fn a_client_that_proves_itself_gets_a_token() {
    let sandbox = Sandbox::start();
    let header = basic(CLIENT_ID, CLIENT_SECRET);
    let form = format!("grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}");
    for path in [SPOTIFY, BEATPORT] {
        for answer in
            [ask(&sandbox, path, Some(&header), "grant_type=client_credentials"), ask(&sandbox, path, None, &form)]
        {
            let token = answer.json();
            assert_eq!((answer.status, &token["token_type"]), (200, &"Bearer".into()), "{path}");
            assert_eq!(token["expires_in"], 3600);
            assert!(token["access_token"].as_str().unwrap().len() > 20);
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    }
    assert_eq!(sandbox.count(Upstream::SpotifyAccounts), 2);
    assert_eq!((sandbox.count(Upstream::BeatportAccounts), sandbox.count(Upstream::Beatport)), (2, 0));
}

#[test]
fn a_client_that_does_not_is_told_why() {
    let sandbox = Sandbox::start();
    let (good, bad) = (basic(CLIENT_ID, CLIENT_SECRET), basic(CLIENT_ID, "wrong"));
    let rows = [
        (SPOTIFY, Some(&bad), "grant_type=client_credentials", 400, "invalid_client"),
        (BEATPORT, Some(&bad), "grant_type=client_credentials", 401, "invalid_client"),
        (BEATPORT, None, "grant_type=client_credentials", 400, "invalid_client"),
        (SPOTIFY, Some(&good), "grant_type=password", 400, "unsupported_grant_type"),
        (SPOTIFY, Some(&good), "scope=a", 400, "unsupported_grant_type"),
        (SPOTIFY, Some(&good), "grant_type=client_credentials&grant_type=password", 400, "invalid_request"),
        (SPOTIFY, Some(&good), "grant_type=client_credentials&client_secret=x", 400, "invalid_request"),
    ];
    for (path, authorization, form, status, error) in rows {
        let answer = ask(&sandbox, path, authorization.map(String::as_str), form);
        assert_eq!((answer.status, &answer.json()["error"]), (status, &error.into()), "{form}");
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401);
    }
    let json = send(&sandbox, "POST", SPOTIFY, &[("authorization", &good), ("content-type", "application/json")], "{}");
    assert_eq!((json.status, &json.json()["error"]), (400, &"invalid_request".into()));
    assert_eq!(get(&sandbox, SPOTIFY, &[]).status, 405);
}

#[test]
fn spotify_tells_bad_tokens_apart() {
    let sandbox = Sandbox::start();
    let refused = |authorization: Option<&str>, status: u16, message: &str| {
        let headers: Vec<_> = authorization.map(|value| ("authorization", value)).into_iter().collect();
        let answer = get(&sandbox, STROBE, &headers);
        let error = &answer.json()["error"];
        assert_eq!((answer.status, &error["status"], &error["message"]), (status, &status.into(), &message.into()));
        assert!(answer.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer realm=\"spotify\"")));
    };
    refused(None, 401, "No token provided");
    refused(Some("Basic abc"), 400, "Only valid bearer authentication supported");
    refused(Some("Bearer nonsense"), 401, "Invalid access token");
    let of_beatport = bearer(&sandbox, Upstream::Beatport);
    refused(Some(&of_beatport), 401, "Invalid access token");
    sandbox.token_lifetime(Duration::ZERO);
    let expired = bearer(&sandbox, Upstream::Spotify);
    refused(Some(&expired), 401, "The access token expired");
}

#[test]
fn a_revoked_token_is_good_no_longer() {
    let sandbox = Sandbox::start();
    for (upstream, path) in [(Upstream::Spotify, STROBE), (Upstream::Beatport, "/beatport/v4/catalog/tracks/")] {
        let token = bearer(&sandbox, upstream);
        assert_eq!(get(&sandbox, path, &[("authorization", &token)]).status, 200);
        sandbox.reset();
        assert_eq!(get(&sandbox, path, &[("authorization", &token)]).status, 200, "a reset leaves tokens alone");
        assert_eq!(send(&sandbox, "POST", "/control/tokens/revoke", &[], "").status, 204);
        assert_eq!(get(&sandbox, path, &[("authorization", &token)]).status, 401);
    }
}

#[test]
fn beatport_refuses_in_its_own_words() {
    let sandbox = Sandbox::start();
    let path = "/beatport/v4/catalog/tracks/";
    let answer = get(&sandbox, path, &[]);
    assert_eq!(answer.json()["detail"], "Authentication credentials were not provided.");
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")));
    let answer = get(&sandbox, path, &[("authorization", "Bearer nonsense")]);
    assert_eq!((answer.status, &answer.json()["detail"]), (401, &"Token is invalid or expired".into()));
}
