//! What the internal services know: titles and users of the media gateway, products of the product gateway.

use crate::{money::Money, table};

/// A film or a series.
#[derive(Clone, Debug)]
pub(crate) struct Title {
    pub(crate) id: &'static str,
    /// `movie` or `tv`.
    pub(crate) kind: &'static str,
    pub(crate) name: &'static str,
    pub(crate) year: u64,
    pub(crate) genres: Vec<&'static str>,
    pub(crate) rating: f64,
    pub(crate) popularity: f64,
    pub(crate) platforms: Vec<&'static str>,
    pub(crate) overview: &'static str,
}

impl Title {
    fn of_row(row: [&'static str; 9]) -> Self {
        let [id, kind, name, year, genres, rating, popularity, platforms, overview] = row;
        Self {
            id,
            kind,
            name,
            year: year.parse().expect("a year is a number"),
            genres: table::parts(genres),
            rating: rating.parse().expect("a rating is a number"),
            popularity: popularity.parse().expect("a popularity is a number"),
            platforms: table::parts(platforms),
            overview,
        }
    }
}

/// A user that the profile service knows from the start.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) email: &'static str,
    pub(crate) tier: &'static str,
    pub(crate) roles: Vec<&'static str>,
    pub(crate) watchlist: Vec<&'static str>,
    pub(crate) history: Vec<&'static str>,
}

/// Something that is sold.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) category: &'static str,
    /// How many there are before anyone reserves one.
    pub(crate) stock: u64,
    pub(crate) price: Money,
}

/// Everything the internal services know from the start.
pub(crate) struct Library {
    pub(crate) titles: Vec<Title>,
    pub(crate) users: Vec<User>,
    pub(crate) products: Vec<Product>,
}

impl Library {
    /// The tables under `data/`.
    pub(crate) fn published() -> Self {
        Self {
            titles: table::rows(include_str!("../data/titles.txt")).map(Title::of_row).collect(),
            users: users().collect(),
            products: products().collect(),
        }
    }

    /// The title of this id.
    pub(crate) fn title(&self, id: &str) -> Option<&Title> {
        self.titles.iter().find(|title| title.id == id)
    }

    /// The user of this id.
    pub(crate) fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    /// The product of this id.
    pub(crate) fn product(&self, id: &str) -> Option<&Product> {
        self.products.iter().find(|product| product.id == id)
    }
}

/// The rows of `data/users.txt`.
pub(crate) fn users() -> impl Iterator<Item = User> {
    table::rows(include_str!("../data/users.txt")).map(|[id, name, email, tier, roles, watchlist, history]| User {
        id,
        name,
        email,
        tier,
        roles: table::parts(roles),
        watchlist: table::parts(watchlist),
        history: table::parts(history),
    })
}

/// The rows of `data/products.txt`.
pub(crate) fn products() -> impl Iterator<Item = Product> {
    table::rows(include_str!("../data/products.txt")).map(|[id, name, category, stock, price]| Product {
        id,
        name,
        category,
        stock: stock.parse().expect("a stock is a number"),
        price: Money::parse(price).expect("a price has two decimals"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_have_seen_and_want_to_see_exists() {
        let library = Library::published();
        for user in &library.users {
            for id in user.watchlist.iter().chain(&user.history) {
                assert!(library.title(id).is_some(), "{id} of {}", user.id);
            }
        }
    }

    #[test]
    fn the_products_of_the_documents_are_in_stock() {
        let library = Library::published();
        for id in ["TEST-001", "TEST-002"] {
            assert!(library.product(id).unwrap().stock > 2, "{id}");
        }
        assert_eq!(library.product("TEST-001").unwrap().price.to_string(), "19.99");
    }
}
