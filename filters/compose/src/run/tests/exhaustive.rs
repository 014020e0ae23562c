//! Every way in which an order of three items can go: each call in turn is answered well, refused, never done, done without a
//! word, or late; the client may leave and the worker may die at each. Whatever comes, what is reserved in the end is what
//! was confirmed, or nothing.

use std::collections::BTreeMap;

use super::*;
use crate::journal::Entry;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const ITEMS: &str =
    r#"{"items":[{"productId":"a","quantity":1},{"productId":"b","quantity":1},{"productId":"c","quantity":1}]}"#;

/// Faults meet these calls: those of the order, and as many of what takes it back.
const LONGEST: usize = 9;
/// What becomes of one call.
const FATES: usize = 7;
const WELL: usize = 0;
const REFUSED: usize = 1;
const NEVER_DONE: usize = 2;
const DONE_UNHEARD: usize = 3;
const LATE: usize = 4;
const CLIENT_LEAVES: usize = 5;
const WORKER_DIES: usize = 6;

/// An inventory that knows repeated requests by their keys.
#[derive(Default)]
struct Inventory {
    by_key: BTreeMap<String, usize>,
    open: Vec<usize>,
    made: usize,
}

impl Inventory {
    fn knows(&self, request: &Request) -> bool {
        request.key.as_ref().is_some_and(|key| self.by_key.contains_key(key))
    }

    /// Does what is asked for.
    fn serve(&mut self, request: &Request) -> Outcome {
        if request.path == "/pricing/calculate" {
            return good(r#"{"finalPrice":"1.10"}"#);
        }
        let body = Value::parse(request.body.as_bytes()).unwrap();
        if request.path == "/inventory/release" {
            let id = body.member("reservationId").unwrap().as_text().unwrap().parse::<usize>().unwrap();
            self.open.retain(|open| *open != id);
            return good("{}");
        }
        let key = request.key.clone().unwrap();
        let id = *self.by_key.entry(key).or_insert_with(|| {
            self.made += 1;
            self.open.push(self.made);
            self.made
        });
        good(&format!(r#"{{"reservationId":"{id}"}}"#))
    }
}

/// What a fate makes of one call; `None` where the worker dies of it.
fn meet(
    fate: usize,
    request: &Request,
    run: &mut Run,
    inventory: &mut Inventory,
    now: Instant,
    late: &mut Vec<(Instant, u32, Outcome)>,
) -> Option<Vec<Action>> {
    let mut actions = Vec::new();
    // What was done once under a key is answered as it was then.
    let outcome = match fate {
        REFUSED if !inventory.knows(request) => bad(409),
        NEVER_DONE => bad(503),
        _ => inventory.serve(request),
    };
    match fate {
        DONE_UNHEARD => run.hear(request.token, &Outcome::Lost, now, &mut actions),
        // It is heard of after the deadline of the call, and of what follows.
        LATE => late.push((now + Duration::from_secs(7), request.token, outcome)),
        WORKER_DIES => return None,
        fate => {
            if fate == CLIENT_LEAVES {
                run.abandon();
            }
            run.hear(request.token, &outcome, now, &mut actions);
        }
    }
    Some(actions)
}

/// One story: `fates` are those of the first calls, all later ones go well. Gives how many calls there were.
fn play(fates: &[usize]) -> usize {
    let mut run = begin("order", "{}", ITEMS);
    let mut inventory = Inventory::default();
    let (mut now, mut actions) = (Instant::from_unix_seconds(100), Vec::new());
    let (mut calls, mut confirmed, mut kept, mut answers) = (0, false, None, 0);
    let mut late: Vec<(Instant, u32, Outcome)> = Vec::new();
    run.go_on(now, &mut actions);
    for _ in 0..500 {
        let mut died = false;
        for action in std::mem::take(&mut actions) {
            match action {
                Action::Keep => kept = Some(written(&run)),
                Action::Forget => kept = None,
                Action::Alarm(text) => panic!("{fates:?}: {text}"),
                Action::Answer(answer) => {
                    answers += 1;
                    confirmed |= matches!(answer, Answer::Made(..));
                    if confirmed {
                        assert!(kept.is_none(), "{fates:?}: confirmed while written down as open");
                    }
                }
                Action::Send(request) => {
                    calls += 1;
                    let fate = fates.get(calls - 1).copied().unwrap_or(WELL);
                    let Some(more) = meet(fate, &request, &mut run, &mut inventory, now, &mut late) else {
                        died = true;
                        break;
                    };
                    actions.extend(more);
                }
            }
        }
        if died {
            run = reborn(kept.as_deref().expect("what is sent is written down before"), now);
            late.clear();
            run.go_on(now, &mut actions);
            continue;
        }
        if run.has_ended() && actions.is_empty() {
            break;
        }
        if actions.is_empty() {
            late.sort_by_key(|(at, ..)| *at);
            let due = run.due();
            match late.first() {
                Some((at, ..)) if due.is_none_or(|due| *at <= due) => {
                    let (at, token, outcome) = late.remove(0);
                    now = now.max(at);
                    run.hear(token, &outcome, now, &mut actions);
                }
                _ => {
                    now = now.max(due.expect("something is due or comes"));
                    run.go_on(now, &mut actions);
                }
            }
        }
    }
    assert!(run.has_ended(), "{fates:?}: has no end");
    assert!(kept.is_none(), "{fates:?}: is still written down");
    let expected = if confirmed { 3 } else { 0 };
    assert_eq!(inventory.open.len(), expected, "{fates:?}");
    assert!(answers <= 1, "{fates:?}: {answers} answers");
    calls
}

fn written(run: &Run) -> Vec<u8> {
    let entry = Entry {
        plan: run.plan().name.clone(),
        id: run.id.clone(),
        inputs: run.inputs.clone(),
        given: run.kept(),
        headers: Vec::new(),
    };
    entry.to_bytes()
}

fn reborn(kept: &[u8], now: Instant) -> Run {
    let config = Config::from_json(PRODUCTS.as_bytes()).unwrap();
    let Entry { plan, id, inputs, given, .. } = Entry::parse(kept).unwrap();
    Run::resume(config.named(&plan).unwrap(), inputs, id, given, now, UNDO_FOR)
}

/// Plays every story that goes on from `fates` with up to `faults` further faults, whichever calls they meet.
fn explore(fates: &mut Vec<usize>, faults: usize, count: &mut usize) {
    let calls = play(fates);
    *count += 1;
    if faults == 0 {
        return;
    }
    let told = fates.len();
    for place in told..calls.min(LONGEST) {
        for fate in 1..FATES {
            fates.resize(place, WELL);
            fates.push(fate);
            explore(fates, faults - 1, count);
            fates.truncate(told);
        }
    }
}

#[test]
fn whatever_becomes_of_its_calls_an_order_is_confirmed_or_released() {
    let mut count = 0;
    explore(&mut Vec::new(), 3, &mut count);
    assert!(count > 3_000, "{count} stories");
}
