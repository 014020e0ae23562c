//! The inventory: products and their stock. What is reserved is gone for the next customer until it is released.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    response::Response,
    routing::{get, post},
};
use hyper::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    library::{self, Product},
    params::Params,
    reply,
    world::Shared,
};

/// How many reservations are remembered, released ones included.
const RESERVATIONS_MAX: usize = 10_000;

/// One reservation.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Reservation {
    product: String,
    quantity: u64,
    order: String,
    released: bool,
    /// The `Idempotency-Key` that it was made with.
    key: Option<String>,
}

/// What is left of a product, and what is reserved of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Shelf {
    left: u64,
    reserved: u64,
}

#[derive(Default)]
struct Books {
    shelves: HashMap<&'static str, Shelf>,
    /// By number, so that the first is the oldest.
    reservations: BTreeMap<u64, Reservation>,
    /// Which reservation was made with which key.
    keys: HashMap<String, u64>,
    next: u64,
}

/// Why nothing was reserved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Refused {
    UnknownProduct,
    Short { left: u64 },
    TooMany,
}

/// The stock of every product, in one piece: a reservation and its shelf change together.
pub(crate) struct Stock(Mutex<Books>);

impl Stock {
    /// Full shelves and no reservations.
    pub(crate) fn full() -> Self {
        let stock = Self(Mutex::default());
        stock.reset();
        stock
    }

    /// Fills the shelves and forgets every reservation, but repeats no number of one.
    pub(crate) fn reset(&self) {
        let mut books = self.0.lock().expect("no holder of this lock panics");
        books.reservations.clear();
        books.keys.clear();
        books.shelves =
            library::products().map(|product| (product.id, Shelf { left: product.stock, reserved: 0 })).collect();
    }

    /// How many pieces are reserved and not released.
    pub(crate) fn reserved(&self) -> u64 {
        self.0.lock().expect("no holder of this lock panics").shelves.values().map(|shelf| shelf.reserved).sum()
    }

    /// The pieces of each open reservation, by order and product.
    pub(crate) fn reservations(&self) -> BTreeMap<(String, String), Vec<u64>> {
        let books = self.0.lock().expect("no holder of this lock panics");
        let mut open: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for reservation in books.reservations.values().filter(|reservation| !reservation.released) {
            let of = (reservation.order.clone(), reservation.product.clone());
            open.entry(of).or_default().push(reservation.quantity);
        }
        open
    }

    fn shelf(&self, product: &str) -> Shelf {
        self.0.lock().expect("no holder of this lock panics").shelves.get(product).copied().unwrap_or_default()
    }

    fn open_reservations(&self) -> usize {
        let books = self.0.lock().expect("no holder of this lock panics");
        books.reservations.values().filter(|reservation| !reservation.released).count()
    }

    /// Reserves so many pieces. With the key of an earlier reservation, that one is meant, and nothing more is reserved.
    fn reserve(&self, product: &str, quantity: u64, order: &str, key: Option<&str>) -> Result<u64, Refused> {
        let mut books = self.0.lock().expect("no holder of this lock panics");
        if let Some(number) = key.and_then(|key| books.keys.get(key)) {
            return Ok(*number);
        }
        let left = books.shelves.get(product).ok_or(Refused::UnknownProduct)?.left;
        if left < quantity {
            return Err(Refused::Short { left });
        }
        if books.reservations.len() >= RESERVATIONS_MAX {
            let oldest = books.reservations.iter().find(|(_, one)| one.released).map(|(number, _)| *number);
            let oldest = books.reservations.remove(&oldest.ok_or(Refused::TooMany)?);
            if let Some(key) = oldest.and_then(|oldest| oldest.key) {
                books.keys.remove(&key);
            }
        }
        books.next += 1;
        let number = books.next;
        if let Some(shelf) = books.shelves.get_mut(product) {
            shelf.left -= quantity;
            shelf.reserved += quantity;
        }
        books.keys.extend(key.map(|key| (key.to_owned(), number)));
        let key = key.map(ToOwned::to_owned);
        let reservation =
            Reservation { product: product.to_owned(), quantity, order: order.to_owned(), released: false, key };
        books.reservations.insert(number, reservation);
        Ok(number)
    }

    /// Puts back what was reserved. Doing it again changes nothing, so that a release may be tried until it is answered.
    fn release(&self, number: u64) -> Option<Reservation> {
        let mut books = self.0.lock().expect("no holder of this lock panics");
        let books = &mut *books;
        let reservation = books.reservations.get_mut(&number)?;
        if !reservation.released {
            reservation.released = true;
            if let Some(shelf) = books.shelves.get_mut(reservation.product.as_str()) {
                shelf.left += reservation.quantity;
                shelf.reserved -= reservation.quantity;
            }
        }
        Some(reservation.clone())
    }
}

/// The routes below `/inventory`.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/api/v1/products", get(list))
        .route("/api/v1/products/{id}", get(product))
        .route("/api/v1/stock", get(summary))
        .route("/api/v1/stock/reserve", post(reserve))
        .route("/api/v1/stock/release", post(release))
}

fn product_object(product: &Product, shelf: Shelf) -> Value {
    json!({"id": product.id, "name": product.name, "category": product.category, "sku": format!("SKU-{}", product.id),
           "stockLevel": shelf.left, "reserved": shelf.reserved, "available": shelf.left > 0})
}

async fn product(State(world): State<Shared>, Path(id): Path<String>) -> Response {
    match world.library.product(&id) {
        Some(product) => reply::ok(&product_object(product, world.stock.shelf(product.id))),
        None => reply::error(StatusCode::NOT_FOUND, &format!("there is no product {id}")),
    }
}

async fn list(State(world): State<Shared>, params: Params) -> Response {
    let (Some(page), Some(size)) = (params.number("page", 1, 1, 1_000_000), params.number("size", 10, 1, 100)) else {
        return reply::error(StatusCode::BAD_REQUEST, "page is at least 1, size is 1 to 100");
    };
    let products = &world.library.products;
    let items: Vec<_> = products
        .iter()
        .skip((page - 1) * size)
        .take(size)
        .map(|product| product_object(product, world.stock.shelf(product.id)))
        .collect();
    reply::ok(&json!({"items": items, "page": page, "size": size, "total": products.len(),
                      "pages": products.len().div_ceil(size)}))
}

async fn summary(State(world): State<Shared>) -> Response {
    let (pieces, open) = (world.stock.reserved(), world.stock.open_reservations());
    reply::ok(&json!({"reserved": pieces, "reservations": open}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reserve {
    product_id: String,
    quantity: u32,
    order_id: String,
}

async fn reserve(State(world): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let wanted: Reserve = match reply::payload(&headers, &body) {
        Ok(wanted) => wanted,
        Err(refusal) => return refusal,
    };
    if wanted.quantity == 0 || wanted.order_id.is_empty() {
        return reply::error(StatusCode::BAD_REQUEST, "quantity is at least 1, and orderId is not empty");
    }
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    match world.stock.reserve(&wanted.product_id, u64::from(wanted.quantity), &wanted.order_id, key) {
        Ok(number) => reply::json(
            StatusCode::CREATED,
            &json!({"reservationId": reservation_id(number), "productId": wanted.product_id,
                    "quantity": wanted.quantity, "orderId": wanted.order_id, "status": "RESERVED"}),
        ),
        Err(Refused::UnknownProduct) => {
            reply::error(StatusCode::NOT_FOUND, &format!("there is no product {}", wanted.product_id))
        }
        Err(Refused::Short { left }) => reply::json(
            StatusCode::CONFLICT,
            &json!({"status": 409, "error": "Conflict", "message": "insufficient stock",
                    "productId": wanted.product_id, "requested": wanted.quantity, "stockLevel": left}),
        ),
        Err(Refused::TooMany) => reply::error(StatusCode::SERVICE_UNAVAILABLE, "too many open reservations"),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Release {
    reservation_id: String,
}

async fn release(State(world): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let Release { reservation_id: id } = match reply::payload(&headers, &body) {
        Ok(release) => release,
        Err(refusal) => return refusal,
    };
    let number = id.strip_prefix("RES-").and_then(|digits| digits.parse().ok());
    match number.and_then(|number| world.stock.release(number)) {
        Some(reservation) => reply::ok(&json!({
            "reservationId": id, "productId": reservation.product, "quantity": reservation.quantity,
            "orderId": reservation.order, "status": "RELEASED",
        })),
        None => reply::error(StatusCode::NOT_FOUND, &format!("there is no reservation {id}")),
    }
}

fn reservation_id(number: u64) -> String {
    format!("RES-{number:08}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_is_gone_until_it_is_released() {
        let stock = Stock::full();
        let full = stock.shelf("TEST-001");
        let number = stock.reserve("TEST-001", 30, "ORDER-1", None).unwrap();
        assert_eq!(stock.shelf("TEST-001"), Shelf { left: full.left - 30, reserved: 30 });
        assert_eq!(stock.reserve("TEST-001", full.left, "ORDER-2", None), Err(Refused::Short { left: full.left - 30 }));
        assert_eq!(stock.reserved(), 30);
        stock.release(number).unwrap();
        assert_eq!((stock.shelf("TEST-001"), stock.reserved()), (full, 0));
    }

    #[test]
    fn a_reservation_that_is_repeated_with_its_key_is_the_first_one() {
        let stock = Stock::full();
        let first = stock.reserve("TEST-001", 3, "A", Some("k")).unwrap();
        stock.release(first).unwrap();
        assert_eq!(stock.reserve("TEST-001", 3, "A", Some("k")), Ok(first));
        assert_ne!(stock.reserve("TEST-001", 2, "A", Some("l")), Ok(first));
        assert_eq!(stock.reserved(), 2);
    }

    #[test]
    fn a_release_may_be_repeated() {
        let stock = Stock::full();
        let (one, two) =
            (stock.reserve("TEST-002", 1, "A", None).unwrap(), stock.reserve("TEST-002", 2, "A", None).unwrap());
        for _ in 0..3 {
            assert!(stock.release(one).unwrap().released);
        }
        assert_eq!((stock.reserved(), stock.open_reservations()), (2, 1));
        assert_eq!(stock.reservations(), BTreeMap::from([(("A".to_owned(), "TEST-002".to_owned()), vec![2])]));
        assert!(stock.release(two).is_some() && stock.release(99).is_none());
        assert_eq!(stock.reserved(), 0);
    }

    #[test]
    fn the_oldest_released_reservation_makes_room() {
        let stock = Stock::full();
        let first = stock.reserve("MER-502", 1, "A", None).unwrap();
        stock.release(first).unwrap();
        for _ in 0..RESERVATIONS_MAX {
            let number = stock.reserve("TEST-003", 1, "A", None).unwrap();
            stock.release(number).unwrap();
        }
        assert_eq!(stock.release(first), None);
        assert_eq!(stock.reserve("TEST-009", 1, "A", None), Err(Refused::UnknownProduct));
    }

    #[test]
    fn two_who_want_the_last_piece_do_not_both_get_it() {
        let stock = std::sync::Arc::new(Stock::full());
        let won: usize = (0..8)
            .map(|_| {
                let stock = std::sync::Arc::clone(&stock);
                std::thread::spawn(move || usize::from(stock.reserve("TEST-003", 1, "A", None).is_ok()))
            })
            .collect::<Vec<_>>()
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum();
        assert_eq!((won, stock.shelf("TEST-003")), (1, Shelf { left: 0, reserved: 1 }));
    }
}
