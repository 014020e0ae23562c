//! The prices: what a product costs, and what is left of it after discounts. Amounts are strings, so that nobody has to
//! read them as binary floats.

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    response::Response,
    routing::{get, post},
};
use hyper::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::json;

use crate::{reply, world::Shared};

const CURRENCY: &str = "USD";
/// The codes, and how many per cent each takes off.
const DISCOUNTS: [(&str, u8); 3] = [("SUMMER20", 20), ("WELCOME10", 10), ("STAFF50", 50)];
const CODES_MAX: usize = 10;

/// The routes below `/pricing`.
pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/api/v1/prices/{id}", get(price)).route("/api/v1/prices/calculate", post(calculate))
}

async fn price(State(world): State<Shared>, Path(id): Path<String>) -> Response {
    match world.library.product(&id) {
        Some(product) => reply::ok(&json!({
            "productId": product.id, "basePrice": product.price.to_string(), "currency": CURRENCY,
        })),
        None => reply::error(StatusCode::NOT_FOUND, &format!("there is no price of {id}")),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Calculate {
    product_id: String,
    quantity: u32,
    #[serde(default)]
    discount_codes: Vec<String>,
}

/// The percentages of these codes, each counted once, or the first code that there is not.
fn percents(codes: &[String]) -> Result<Vec<u8>, &str> {
    if let Some(unknown) = codes.iter().find(|code| !DISCOUNTS.iter().any(|(known, _)| known == *code)) {
        return Err(unknown);
    }
    Ok(DISCOUNTS.iter().filter(|(known, _)| codes.iter().any(|code| code == known)).map(|(_, off)| *off).collect())
}

async fn calculate(State(world): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let wanted: Calculate = match reply::payload(&headers, &body) {
        Ok(wanted) => wanted,
        Err(refusal) => return refusal,
    };
    if wanted.quantity == 0 || wanted.discount_codes.len() > CODES_MAX {
        return reply::error(StatusCode::BAD_REQUEST, "quantity is at least 1, and there are at most 10 codes");
    }
    let Some(product) = world.library.product(&wanted.product_id) else {
        return reply::error(StatusCode::NOT_FOUND, &format!("there is no price of {}", wanted.product_id));
    };
    let percents = match percents(&wanted.discount_codes) {
        Ok(percents) => percents,
        Err(unknown) => {
            return reply::error(StatusCode::BAD_REQUEST, &format!("there is no discount code {unknown}"));
        }
    };
    let subtotal = product.price.times(wanted.quantity);
    let total = subtotal.less(&percents);
    reply::ok(&json!({
        "productId": product.id, "quantity": wanted.quantity, "basePrice": product.price.to_string(),
        "subtotal": subtotal.to_string(), "discount": subtotal.minus(total).to_string(),
        "discountCodes": wanted.discount_codes, "finalPrice": total.to_string(), "currency": CURRENCY,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_counts_once_and_must_exist() {
        let codes = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(percents(&codes(&["SUMMER20", "SUMMER20"])), Ok(vec![20]));
        assert_eq!(percents(&codes(&["WELCOME10", "SUMMER20"])), Ok(vec![20, 10]));
        assert_eq!(percents(&codes(&[])), Ok(vec![]));
        assert_eq!(percents(&codes(&["SUMMER20", "WINTER99"])), Err("WINTER99"));
    }
}
