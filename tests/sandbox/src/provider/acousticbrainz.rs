//! `AcousticBrainz`: the features of a recording, below `/acousticbrainz/api/v1`.

use std::time::Duration;

use axum::{
    Router,
    extract::{Path, Request, State},
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use hyper::{StatusCode, header::RETRY_AFTER};
use serde_json::{Value, json};

use super::address_of;
use crate::{catalog::Track, meter::Verdict, params::Params, reply, stamp, upstream::Upstream, world::Shared};

/// The window that the headers speak of.
const WINDOW: Duration = Duration::from_secs(10);

/// The routes below `/acousticbrainz/api/v1`.
pub(crate) fn routes(world: &Shared) -> Router<Shared> {
    Router::new()
        .route("/{mbid}/low-level", get(low_level))
        .route("/{mbid}/high-level", get(high_level))
        .route("/{mbid}/count", get(count))
        .fallback(async || error(StatusCode::NOT_FOUND, "Not found"))
        .layer(middleware::from_fn_with_state(Shared::clone(world), admit))
}

fn error(status: StatusCode, message: &str) -> Response {
    reply::json(status, &json!({ "message": message }))
}

async fn admit(State(world): State<Shared>, request: Request, next: Next) -> Response {
    let charge = world.charge(Upstream::Acousticbrainz, &address_of(&request), WINDOW);
    let response = match charge.verdict {
        Verdict::Pass => next.run(request).await,
        Verdict::Over { .. } => {
            let response = error(StatusCode::TOO_MANY_REQUESTS, "You have exceeded your rate limit.");
            reply::with(response, RETRY_AFTER.as_str(), &charge.reset_seconds())
        }
    };
    let response = reply::with(response, "x-ratelimit-limit", &charge.limit);
    let response = reply::with(response, "x-ratelimit-remaining", &charge.remaining);
    let response = reply::with(response, "x-ratelimit-reset-in", &charge.reset_seconds());
    reply::with(response, "x-ratelimit-reset", &(stamp::now() + charge.reset_seconds()))
}

/// Answers about one recording; `n` chooses among its submissions, of which there is one.
fn one(world: &Shared, mbid: &str, params: &Params, object: fn(&Track) -> Value) -> Response {
    let mbid = mbid.to_ascii_lowercase();
    let Some(number) = params.number("n", 0, 0, usize::MAX) else {
        return error(StatusCode::BAD_REQUEST, "n must be a number");
    };
    match world.catalog.find(|track| track.mbid == mbid) {
        Some(track) if number == 0 => reply::ok(&object(track)),
        _ => error(StatusCode::NOT_FOUND, "Not found"),
    }
}

async fn low_level(State(world): State<Shared>, Path(mbid): Path<String>, params: Params) -> Response {
    one(&world, &mbid, &params, low_level_object)
}

async fn high_level(State(world): State<Shared>, Path(mbid): Path<String>, params: Params) -> Response {
    one(&world, &mbid, &params, high_level_object)
}

async fn count(State(world): State<Shared>, Path(mbid): Path<String>, params: Params) -> Response {
    one(&world, &mbid, &params, |track| json!({"count": 1, "mbid": track.mbid}))
}

fn metadata(track: &Track) -> Value {
    json!({
        "audio_properties": {"length": seconds(track), "sample_rate": 44100, "bit_rate": 320_000, "codec": "mp3",
                             "replay_gain": -9.5 - track.trait_of("gain")},
        "tags": {"artist": [track.credit()], "title": [track.name], "album": [track.album], "isrc": [track.isrc],
                 "date": [track.released], "musicbrainz_recordingid": [track.mbid],
                 "musicbrainz_albumid": [track.release_mbid]},
        "version": {"essentia": "2.1-beta2", "essentia_build_sha": track.mbid.replace('-', ""),
                    "extractor": "music 1.0"},
    })
}

fn seconds(track: &Track) -> f64 {
    Duration::from_millis(track.duration_ms).as_secs_f64()
}

fn low_level_object(track: &Track) -> Value {
    let spread = |property: &str| {
        let mean = track.trait_of(property);
        json!({"mean": mean, "median": mean, "min": mean / 2.0, "max": f64::midpoint(mean, 1.0), "var": mean / 10.0})
    };
    let scale = if track.minor { "minor" } else { "major" };
    // How many beats a track has follows from its tempo.
    let beats = (track.bpm * seconds(track) / 60.0).floor();
    json!({
        "lowlevel": {
            "average_loudness": track.trait_of("average_loudness"),
            "dynamic_complexity": 2.0 + 4.0 * track.trait_of("complexity"),
            "dissonance": spread("dissonance"), "spectral_centroid": spread("spectral_centroid"),
            "spectral_energy": spread("spectral_energy"), "zerocrossingrate": spread("zerocrossingrate"),
        },
        "rhythm": {
            "bpm": track.bpm, "beats_count": beats, "danceability": 1.0 + track.trait_of("danceability"),
            "onset_rate": 2.0 + 3.0 * track.trait_of("onsets"), "beats_loudness": spread("beats_loudness"),
            "bpm_histogram_first_peak_bpm": {"mean": track.bpm, "median": track.bpm, "min": track.bpm, "max": track.bpm, "var": 0},
        },
        "tonal": {
            "key_key": track.pitch_name(), "key_scale": scale, "key_strength": 0.5 + track.trait_of("key") / 2.0,
            "chords_key": track.pitch_name(), "chords_scale": scale,
            "chords_changes_rate": track.trait_of("chord changes") / 5.0, "tuning_frequency": 440.0,
        },
        "metadata": metadata(track),
    })
}

fn high_level_object(track: &Track) -> Value {
    let share = |property: &str, yes: &str, no: &str| {
        let probability = track.trait_of(property);
        let value = if probability < 0.5 { no } else { yes };
        json!({"all": {yes: probability, no: 1.0 - probability}, "probability": probability.max(1.0 - probability),
               "value": value, "version": {"models_essentia_git_sha": "v2.1_beta1"}})
    };
    json!({
        "highlevel": {
            "danceability": share("danceability", "danceable", "not_danceable"),
            "mood_happy": share("valence", "happy", "not_happy"),
            "mood_acoustic": share("acousticness", "acoustic", "not_acoustic"),
            "voice_instrumental": share("instrumentalness", "instrumental", "voice"),
        },
        "metadata": metadata(track),
    })
}
