//! A header map as Envoy keeps it: lower-case names, values of any bytes, pseudo-headers first.

/// Headers or trailers in their order. Names are lower-case; values are bytes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Headers {
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Headers {
    /// An empty map.
    pub const fn new() -> Self {
        Self { pairs: Vec::new() }
    }

    /// Adds one header. A name of which Envoy keeps one value only is joined to the value that is there already.
    pub fn add(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let name = canonical(name.as_ref());
        if JOINED.iter().any(|joined| joined.as_bytes() == name)
            && let Some((_, present)) = self.pairs.iter_mut().find(|(other, _)| *other == name)
        {
            if !present.is_empty() && !value.as_ref().is_empty() {
                present.push(b',');
            }
            present.extend_from_slice(value.as_ref());
            return;
        }
        let place = if name.starts_with(b":") {
            self.pairs.iter().take_while(|(other, _)| other.starts_with(b":")).count()
        } else {
            self.pairs.len()
        };
        self.pairs.insert(place, (name, value.as_ref().to_vec()));
    }

    /// Replaces every value of `name` by one.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let name = canonical(name.as_ref());
        let mut first = true;
        self.pairs.retain_mut(|(other, present)| {
            if *other != name {
                return true;
            }
            if first {
                value.as_ref().clone_into(present);
            }
            std::mem::take(&mut first)
        });
        if first {
            self.add(name, value);
        }
    }

    /// Removes every value of `name`.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) {
        let name = canonical(name.as_ref());
        self.pairs.retain(|(other, _)| *other != name);
    }

    /// The first value of `name`.
    pub fn first(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// The first value of `name` as text, or nothing where it is not UTF-8.
    pub fn text(&self, name: impl AsRef<[u8]>) -> Option<&str> {
        self.first(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Every value of `name`, in order.
    pub fn all(&self, name: impl AsRef<[u8]>) -> impl Iterator<Item = &[u8]> {
        let name = canonical(name.as_ref());
        self.pairs.iter().filter(move |(other, _)| *other == name).map(|(_, value)| value.as_slice())
    }

    /// Every pair of name and value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.pairs.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// How many pairs there are.
    pub const fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is no pair.
    pub const fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The bytes of all names and values.
    pub fn bytes(&self) -> usize {
        self.pairs.iter().map(|(name, value)| name.len() + value.len()).sum()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut headers = Self::new();
        for (name, value) in pairs {
            headers.add(name, value);
        }
        headers
    }
}

/// A name as Envoy keeps it: `host` is another word for `:authority`.
fn canonical(name: &[u8]) -> Vec<u8> {
    let name = name.to_ascii_lowercase();
    if name == b"host" { b":authority".to_vec() } else { name }
}

/// The headers of which Envoy 1.40 keeps one entry, so that values which are sent apart reach filters as one, joined by
/// commas; measured by sending each twice. `cookie`, `set-cookie`, `traceparent`, `tracestate`, `forwarded`, `link`,
/// `www-authenticate` and every name that Envoy does not know stay apart.
const JOINED: [&str; 44] = [
    ":authority",
    ":method",
    ":path",
    ":scheme",
    ":status",
    "accept",
    "accept-encoding",
    "access-control-allow-origin",
    "access-control-request-headers",
    "access-control-request-method",
    "age",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "etag",
    "expect",
    "expires",
    "grpc-timeout",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "keep-alive",
    "last-modified",
    "location",
    "origin",
    "pragma",
    "referer",
    "server",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "x-envoy-original-path",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-request-id",
];
