//! The internal services: stock that is really counted, prices that are exact, and lists that belong to someone.

use sandbox::{Sandbox, Upstream};
use serde_json::{Value, json};

use crate::client::{get, post, send};

const RESERVE: &str = "/inventory/api/v1/stock/reserve";
const RELEASE: &str = "/inventory/api/v1/stock/release";
const ADA: (&str, &str) = ("x-weir-user", "user123");
const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn stock_that_is_reserved_is_gone_until_released() {
    let sandbox = Sandbox::start();
    let level = || get(&sandbox, "/inventory/api/v1/products/TEST-001", &[]).json()["stockLevel"].clone();
    assert_eq!(level(), 100);
    let answer = post(&sandbox, RESERVE, &[], r#"{"productId": "TEST-001", "quantity": 60, "orderId": "ORDER-1"}"#);
    let reservation = answer.json();
    assert_eq!((answer.status, &reservation["status"]), (201, &json!("RESERVED")));
    assert_eq!((level(), sandbox.reserved()), (json!(40), 60));
    let short = post(&sandbox, RESERVE, &[], r#"{"productId": "TEST-001", "quantity": 41, "orderId": "ORDER-2"}"#);
    assert_eq!((short.status, &short.json()["stockLevel"]), (409, &json!(40)));
    let release = json!({"reservationId": reservation["reservationId"]}).to_string();
    for _ in 0..2 {
        let answer = post(&sandbox, RELEASE, &[], &release);
        assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("RELEASED")));
        assert_eq!((level(), sandbox.reserved()), (json!(100), 0));
    }
    assert_eq!(get(&sandbox, "/inventory/api/v1/stock", &[]).json(), json!({"reserved": 0, "reservations": 0}));
}

#[test]
fn a_reservation_that_makes_no_sense_is_refused() {
    let sandbox = Sandbox::start();
    for (path, body, status) in [
        (RESERVE, r#"{"productId": "TEST-999", "quantity": 1, "orderId": "A"}"#, 404),
        (RESERVE, r#"{"productId": "TEST-001", "quantity": 0, "orderId": "A"}"#, 400),
        (RESERVE, r#"{"productId": "TEST-001", "quantity": -1, "orderId": "A"}"#, 400),
        (RESERVE, r#"{"productId": "TEST-001"}"#, 400),
        (RESERVE, "{", 400),
        (RELEASE, r#"{"reservationId": "RES-00000099"}"#, 404),
        (RELEASE, r#"{"reservationId": "what"}"#, 404),
    ] {
        assert_eq!(post(&sandbox, path, &[], body).status, status, "{body}");
    }
    assert_eq!(send(&sandbox, "POST", RESERVE, &[("content-type", "text/plain")], "{}").status, 415);
    assert_eq!(sandbox.reserved(), 0);
}

#[test]
fn products_come_in_pages() {
    let sandbox = Sandbox::start();
    let ask = |query: &str| get(&sandbox, &format!("/inventory/api/v1/products?{query}"), &[]);
    let first = ask("page=1&size=2").json();
    assert_eq!((&first["items"][0]["id"], &first["items"][1]["id"]), (&json!("TEST-001"), &json!("TEST-002")));
    assert_eq!(first["pages"].as_u64().unwrap(), first["total"].as_u64().unwrap().div_ceil(2));
    assert_ne!(ask("page=2&size=2").json()["items"], first["items"]);
    assert_eq!(ask("page=9999&size=2").json()["items"], json!([]));
    assert_eq!((ask("page=0").status, ask("size=1000").status), (400, 400));
    assert_eq!(get(&sandbox, "/inventory/api/v1/products/NONE", &[]).status, 404);
}

#[test]
fn prices_are_exact() {
    let sandbox = Sandbox::start();
    let price = get(&sandbox, "/pricing/api/v1/prices/TEST-001", &[]).json();
    assert_eq!(price, json!({"productId": "TEST-001", "basePrice": "19.99", "currency": "USD"}));
    let calculate = |body: Value| post(&sandbox, "/pricing/api/v1/prices/calculate", &[], &body.to_string());
    let total = |codes: Value| {
        let answer = calculate(json!({"productId": "TEST-001", "quantity": 2, "discountCodes": codes})).json();
        (answer["finalPrice"].clone(), answer["discount"].clone())
    };
    assert_eq!(total(json!([])), (json!("39.98"), json!("0.00")));
    assert_eq!(total(json!(["SUMMER20"])), (json!("31.98"), json!("8.00")));
    assert_eq!(calculate(json!({"productId": "TEST-001", "quantity": 1})).json()["finalPrice"], "19.99");
    for (body, status) in [
        (json!({"productId": "TEST-001", "quantity": 1, "discountCodes": ["WINTER99"]}), 400),
        (json!({"productId": "NONE", "quantity": 1}), 404),
        (json!({"productId": "TEST-001", "quantity": 0}), 400),
    ] {
        assert_eq!(calculate(body.clone()).status, status, "{body}");
    }
}

#[test]
fn titles_are_found_in_every_way() {
    let sandbox = Sandbox::start();
    let ask = |path: &str| get(&sandbox, &format!("/discovery/api/v1/{path}"), &[]).json();
    assert_eq!(ask("content/movie-101")["title"], "The Quiet Orbit");
    assert_eq!(ask("content/movie-101/availability?region=DE")["region"], "DE");
    let popular = ask("movies/popular?limit=3");
    assert!(popular["results"].as_array().unwrap().iter().all(|title| title["type"] == "movie"));
    assert!(popular["results"][0]["popularity"].as_f64() >= popular["results"][1]["popularity"].as_f64());
    assert_ne!(ask("movies/popular?limit=3&page=2")["results"], popular["results"]);
    assert_eq!(ask("tv/popular")["results"][0]["type"], "tv");
    assert_eq!(ask("content/trending")["page"], 1);
    assert!(ask("genres")["genres"].as_array().unwrap().len() > 8);
    let comedies = ask("discover/movies?genre=comedy&sort=rating");
    assert!(comedies["results"].as_array().unwrap().iter().all(|title| title["genres"].to_string().contains("comedy")));
    assert_eq!(ask("discover/tv?year=2023&min_rating=8")["results"][0]["title"], "The Orchard War");
    assert_eq!(ask("search/autocomplete?q=sig")["suggestions"][0]["title"], "Signal and Noise");
    assert_eq!(get(&sandbox, "/discovery/api/v1/content/none", &[]).status, 404);
    assert_eq!(get(&sandbox, "/discovery/api/v1/discover/tv?sort=colour", &[]).status, 400);
}

#[test]
fn searches_rank_what_they_find() {
    let sandbox = Sandbox::start();
    let search = |path: &str, body: &str| post(&sandbox, &format!("/discovery/api/v1/{path}"), &[], body);
    let found = search("search", r#"{"query": "signal"}"#).json();
    assert_eq!((&found["total"], &found["results"][0]["score"]), (&json!(1), &json!(1.0)));
    let found = search("search", r#"{"query": "storm", "filters": {"type": "movie"}, "limit": 1}"#).json();
    assert_eq!((&found["total"], found["results"].as_array().unwrap().len()), (&json!(2), 1));
    let found = search("search/semantic", r#"{"query": "an engineer repairs a radio on a space station"}"#).json();
    assert_eq!(found["results"][0]["id"], "movie-101");
    assert_eq!(search("search", r#"{"query": " "}"#).status, 400);
    assert_eq!(search("search", r#"{"text": "a"}"#).status, 400);
}

#[test]
fn a_title_that_did_not_change_is_not_sent_again() {
    let sandbox = Sandbox::start();
    let path = "/discovery/api/v1/content/tv-203";
    let first = get(&sandbox, path, &[]);
    assert_eq!(first.header("cache-control"), Some("public, max-age=60"));
    let tag = first.header("etag").unwrap();
    for sent in [tag.to_owned(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let again = get(&sandbox, path, &[("if-none-match", &sent)]);
        assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, Some(tag)), "{sent}");
    }
    assert_eq!(get(&sandbox, path, &[("if-none-match", "\"other\"")]).status, 200);
}

#[test]
fn a_watchlist_remembers() {
    let sandbox = Sandbox::start();
    let path = "/sync/api/v1/user/watchlist";
    let ids = |user: (&str, &str)| {
        let list = get(&sandbox, path, &[user]).json();
        list["items"].as_array().unwrap().iter().map(|item| item["content_id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(ADA), ["movie-101", "tv-203"]);
    let add = |body: &str| post(&sandbox, path, &[ADA], body).status;
    assert_eq!(add(r#"{"content_id": "tv-214"}"#), 201);
    assert_eq!(add(r#"{"content_id": "tv-214"}"#), 200);
    assert_eq!(add(r#"{"content_id": "none"}"#), 404);
    assert_eq!(add("[]"), 400);
    let remove = |id: &str| send(&sandbox, "DELETE", &format!("{path}/{id}"), &[ADA], "").status;
    assert_eq!((remove("movie-101"), remove("movie-101")), (204, 404));
    assert_eq!(ids(ADA), ["tv-203", "tv-214"]);
    assert_eq!(ids(("x-weir-user", "alice")), ["movie-110"]);
    sandbox.reset();
    assert_eq!(ids(ADA), ["movie-101", "tv-203"]);
}

#[test]
fn what_belongs_to_a_user_needs_one() {
    let sandbox = Sandbox::start();
    for (method, path) in [
        ("GET", "/sync/api/v1/user/watchlist"),
        ("POST", "/sync/api/v1/user/watchlist"),
        ("DELETE", "/sync/api/v1/user/watchlist/movie-101"),
        ("GET", "/sync/api/v1/user/history"),
        ("GET", "/auth/api/v1/user/profile"),
        ("PUT", "/auth/api/v1/user/preferences"),
    ] {
        let body = if method == "GET" { "" } else { "{}" };
        assert_eq!(send(&sandbox, method, path, &[JSON], body).status, 401, "{method} {path}");
        let two = [JSON, ADA, ("x-weir-user", "bob")];
        assert_eq!(send(&sandbox, method, path, &two, body).status, 401, "{method} {path} by two users");
    }
}

#[test]
fn history_and_profile_are_the_users_own() {
    let sandbox = Sandbox::start();
    let history = get(&sandbox, "/sync/api/v1/user/history?limit=2", &[ADA]);
    assert_eq!((&history.json()["total"], &history.json()["items"][0]["content_id"]), (&json!(3), &json!("movie-109")));
    assert_eq!(history.header("cache-control"), Some("private, no-store"));
    let profile = |user: &str| get(&sandbox, "/auth/api/v1/user/profile", &[("x-weir-user", user)]).json();
    assert_eq!((&profile("user123")["tier"], &profile("user123")["email"]), (&json!("pro"), &json!("ada@example.com")));
    assert_eq!((&profile("stranger")["tier"], &profile("stranger")["email"]), (&json!("free"), &Value::Null));
    let set = send(&sandbox, "PUT", "/auth/api/v1/user/preferences", &[JSON, ADA], r#"{"language": "de"}"#);
    assert_eq!((set.status, &profile("user123")["preferences"]["language"]), (200, &json!("de")));
    assert_eq!(profile("alice")["preferences"]["language"], "en");
}

#[test]
fn recommendations_follow_the_watchlist() {
    let sandbox = Sandbox::start();
    let ask = |headers: &[(&str, &str)]| get(&sandbox, "/sona/api/v1/recommendations?limit=5", headers);
    let (anyone, ada) = (ask(&[]), ask(&[ADA]));
    assert_eq!(anyone.json()["recommendations"][0]["reason"], "popular now");
    assert_eq!(ada.json()["recommendations"][0]["reason"], "because of your watchlist");
    assert_eq!(
        (anyone.header("cache-control"), ada.header("cache-control")),
        (Some("public, max-age=30"), Some("private, max-age=30"))
    );
    assert_eq!(get(&sandbox, "/sona/api/v1/recommendations?limit=0", &[]).status, 400);
}

#[test]
fn every_service_says_that_it_is_up() {
    let sandbox = Sandbox::start();
    for service in ["inventory", "pricing", "discovery", "sona", "sync", "auth"] {
        assert_eq!(get(&sandbox, &format!("/{service}/health"), &[]).json(), json!({"status": "UP"}));
        assert_eq!(get(&sandbox, &format!("/{service}/nothing"), &[]).status, 404);
    }
    assert_eq!(sandbox.count(Upstream::Pricing), 2);
}
