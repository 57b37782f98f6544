//! Who is let in: requests for this server, from its own page, with the token where there is one.
//!
//! A page of somewhere else can make a browser send requests here, under a name of its own that leads here (DNS rebinding) or
//! as forms and pictures (CSRF). The first has the wrong `Host`, the second the wrong `Origin` or `Sec-Fetch-Site`.

pub(super) mod body;
pub(super) mod connections;

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use uncsm_index::{Error, ErrorCode};

/// The name of the cookie that stands for the token.
const COOKIE_NAME: &str = "uncsm_index";

/// What is checked of every request.
pub struct Door {
    addr: SocketAddr,
    /// Names that the server may be called by, in lower case.
    hosts: Vec<String>,
    token: Option<Token>,
}

struct Token {
    text: String,
    /// What the cookie holds: not the token, since another port of the same host is sent cookies too.
    session: String,
}

/// Why a request is not let in.
pub type Refused = (StatusCode, Error);

impl Door {
    /// Of a server at `addr`; `hosts` are names that it may be called by beside `localhost` and addresses.
    pub fn new(addr: SocketAddr, hosts: &[String], token: Option<String>) -> Self {
        let hosts = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        let token = token.map(|text| Token { text, session: unguessable() });
        Self { addr, hosts, token }
    }

    /// The address to open in a browser on this machine.
    pub fn url(&self) -> String {
        let ip = match self.addr.ip() {
            ip if !ip.is_unspecified() => ip,
            IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        let token = self.token.as_ref().map(|token| format!("?token={}", encoded(&token.text)));
        format!("http://{}/{}", SocketAddr::new(ip, self.addr.port()), token.unwrap_or_default())
    }

    /// Checks all but what a page is.
    ///
    /// # Errors
    /// The status, and why.
    pub fn check(&self, request: &Parts) -> Result<(), Refused> {
        let host = self.host(request)?;
        let secure = split(host).is_some_and(|(name, _)| self.is_named(name));
        check_origin(request, host, if secure { &["http", "https"] } else { &["http"] })?;
        if request.method == Method::POST
            && single(&request.headers, CONTENT_TYPE).is_none_or(|kind| !is_json(kind))
        {
            let error = refused("the body of a request is JSON").expected("Content-Type: application/json");
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
        }
        match &self.token {
            Some(token) if !token.is_shown(&request.headers) => {
                let error = refused("the server asks for its token")
                    .expected("Authorization: Bearer TOKEN, or a visit of /?token=TOKEN");
                Err((StatusCode::UNAUTHORIZED, error))
            }
            _ => Ok(()),
        }
    }

    /// The cookie for who comes with the token in the address, which must be checked by [`Door::visit`] before.
    pub fn cookie(&self) -> Option<String> {
        let session = &self.token.as_ref()?.session;
        Some(format!("{COOKIE_NAME}={session}; Path=/; HttpOnly; SameSite=Strict"))
    }

    /// Whether a request is a visit with the right token in its address.
    pub fn visit(&self, request: &Parts) -> bool {
        let given = request.uri.query().and_then(|query| query.strip_prefix("token="));
        let Some((token, given)) = self.token.as_ref().zip(given) else { return false };
        let is_own = || self.host(request).is_ok();
        request.method == Method::GET
            && request.uri.path() == "/"
            && is_own()
            && equal(&encoded(&token.text), given)
    }

    /// The host of a request, where it is this server.
    fn host<'r>(&self, request: &'r Parts) -> Result<&'r str, Refused> {
        let wrong = |got: &str| {
            let error = refused("the request is for another server").expected(format!("Host: {}", self.addr));
            (
                StatusCode::MISDIRECTED_REQUEST,
                error.got(format!("{got:?}")).hint("give the name with --host NAME"),
            )
        };
        let host = single(&request.headers, HOST).ok_or_else(|| wrong("none, or several"))?;
        if request.uri.authority().is_some() {
            return Err(wrong("a request for a proxy"));
        }
        let (name, port) = split(host).ok_or_else(|| wrong(host))?;
        let is_port = port == self.addr.port();
        // A page can give its own name any address, and an address no other name.
        let is_own = match name.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(ip) => is_port && (!self.addr.ip().is_loopback() || ip.is_loopback()),
            // A server in front has a port of its own.
            Err(_) => is_port && name.eq_ignore_ascii_case("localhost") || self.is_named(name),
        };
        if is_own { Ok(host) } else { Err(wrong(host)) }
    }
}

impl Door {
    fn is_named(&self, name: &str) -> bool {
        self.hosts.contains(&name.to_ascii_lowercase())
    }
}

impl Token {
    fn is_shown(&self, headers: &HeaderMap) -> bool {
        let bearer = single(headers, AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut cookies =
            cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        bearer.is_some_and(|given| equal(&self.text, given))
            || cookies.any(|(name, value)| name == COOKIE_NAME && equal(&self.session, value))
    }
}

/// Whatever says that it comes from elsewhere is refused; what changes or costs something must say that it does not.
fn check_origin(request: &Parts, host: &str, schemes: &[&str]) -> Result<(), Refused> {
    let elsewhere = |what: &str, got: &str| {
        let error = refused("the request comes from another page");
        Err((StatusCode::FORBIDDEN, error.expected(what).got(format!("{got:?}"))))
    };
    let own = format!("http://{host}");
    let is_own = |origin: &str| {
        schemes.iter().any(|scheme| origin.eq_ignore_ascii_case(&format!("{scheme}://{host}")))
    };
    let has_origin = request.headers.contains_key(ORIGIN);
    let origin = single(&request.headers, ORIGIN);
    if (has_origin || request.method == Method::POST) && !origin.is_some_and(is_own) {
        return elsewhere(&format!("Origin: {own}"), origin.unwrap_or("none"));
    }
    let fetch = |name: &'static str| {
        let name = HeaderName::from_static(name);
        request.headers.get(name).map(|value| value.to_str().unwrap_or("?"))
    };
    match fetch("sec-fetch-site") {
        None | Some("same-origin" | "none") => Ok(()),
        // A link that leads to the page.
        Some(_) if request.uri.path() == "/" && fetch("sec-fetch-dest") == Some("document") => Ok(()),
        Some(site) => elsewhere("Sec-Fetch-Site: same-origin", site),
    }
}

fn refused(what: &str) -> Error {
    Error::new(ErrorCode::BadArgument, what)
}

/// The value of a header that stands there once, in ASCII.
fn single(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.to_str().ok()).flatten()
}

fn is_json(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}

/// Name and port of a host; 80 where none is named.
fn split(host: &str) -> Option<(&str, u16)> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !b"/\\@?#".contains(&b))
    };
    let (name, port) = match host.rsplit_once(':') {
        // The colons of an address in brackets are its own.
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()?),
        _ => (host, 80),
    };
    let is_bare = name.contains(':') && !(name.starts_with('[') && name.ends_with(']'));
    (is_name(name) && !is_bare).then_some((name, port))
}

/// Whether two texts are equal, in a time that tells their lengths alone.
fn equal(one: &str, other: &str) -> bool {
    let differ = |differ, (a, b): (u8, u8)| differ | (a ^ b);
    one.len() == other.len() && one.bytes().zip(other.bytes()).fold(0, differ) == 0
}

/// A text of 32 digits that nobody can foresee: keys of the standard library's hashes come from the system.
fn unguessable() -> String {
    let half = |word: u8| format!("{:016x}", RandomState::new().hash_one(word));
    half(0) + &half(1)
}

/// A text as a part of an address has it.
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let letter = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn parts(method: &str, path: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn status(door: &Door, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
        door.check(&parts(method, path, headers)).err().map_or(200, |(status, _)| status.as_u16())
    }

    #[test]
    fn other_hosts_and_other_pages_are_refused() {
        let door = Door::new("127.0.0.1:7878".parse().unwrap(), &["Box.lan".into()], None);
        let get = |headers: &[(&str, &str)]| status(&door, "GET", "/api/status", headers);
        for host in [
            "127.0.0.1:7878",
            "localhost:7878",
            "LOCALHOST:7878",
            "[::1]:7878",
            "box.lan:7878",
            "127.9.9.9:7878",
        ] {
            assert_eq!(get(&[("host", host)]), 200, "{host}");
        }
        for host in [
            "evil.example:7878",
            "127.0.0.1:80",
            "127.0.0.1",
            "localhost",
            "",
            "127.0.0.1:7878@evil",
            "10.0.0.1:7878",
            "[::1",
            "::1:7878",
            "127.0.0.1:99999",
            "localhost.evil.example:7878",
            "127.0.0.1.evil.example:7878",
        ] {
            assert_eq!(get(&[("host", host)]), 421, "{host}");
        }
        assert_eq!(get(&[]), 421);
        assert_eq!(get(&[("host", "localhost:7878"), ("host", "evil.example")]), 421);
        assert_eq!(status(&door, "GET", "http://127.0.0.1:7878/", &[("host", "127.0.0.1:7878")]), 421);
        // Behind a server that has a certificate.
        assert_eq!(get(&[("host", "box.lan"), ("origin", "https://box.lan")]), 200);
        let own = ("host", "localhost:7878");
        assert_eq!(get(&[own, ("origin", "http://localhost:7878")]), 200);
        for origin in [
            "http://evil.example",
            "null",
            "http://localhost",
            "https://localhost:7878",
            "http://127.0.0.1:7878",
        ] {
            assert_eq!(get(&[own, ("origin", origin)]), 403, "{origin}");
        }
        assert_eq!(get(&[own, ("sec-fetch-site", "cross-site")]), 403);
        assert_eq!(get(&[own, ("sec-fetch-site", "same-site")]), 403);
        assert_eq!(get(&[own, ("sec-fetch-site", "none")]), 200);
        let link = [own, ("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "document")];
        assert_eq!(status(&door, "GET", "/", &link), 200);
        assert_eq!(get(&link), 403);
        let post = |headers: &[(&str, &str)]| status(&door, "POST", "/api/query", headers);
        let (origin, json) = (("origin", "http://localhost:7878"), ("content-type", "application/json"));
        assert_eq!(post(&[own, origin, json]), 200);
        assert_eq!(post(&[own, json]), 403);
        assert_eq!(post(&[own, origin, ("content-type", "text/plain")]), 415);
        assert_eq!(post(&[own, origin]), 415);
        assert_eq!(post(&[own, origin, origin, json]), 403);
    }

    #[test]
    fn a_token_is_asked_for_and_a_visit_becomes_a_cookie() {
        let token = "0123456789 abcdef".to_owned();
        let door = Door::new("0.0.0.0:7878".parse().unwrap(), &[], Some(token.clone()));
        let host = ("host", "192.0.2.7:7878");
        let get = |headers: &[(&str, &str)]| status(&door, "GET", "/", headers);
        assert_eq!(get(&[host]), 401);
        assert_eq!(get(&[host, ("authorization", &format!("Bearer {token}"))]), 200);
        assert_eq!(get(&[host, ("authorization", "Bearer 0123456789 abcdeg")]), 401);
        assert_eq!(get(&[("host", "evil.example:7878"), ("authorization", &format!("Bearer {token}"))]), 421);
        let cookie = door.cookie().unwrap();
        assert!(!cookie.contains(&token) && cookie.ends_with("HttpOnly; SameSite=Strict"));
        let pair = cookie.split(';').next().unwrap();
        assert_eq!(get(&[host, ("cookie", &format!("a=b; {pair}; c"))]), 200);
        assert_eq!(get(&[host, ("cookie", &format!("uncsm_index={token}"))]), 401);
        assert!(door.visit(&parts("GET", "/?token=0123456789%20abcdef", &[host])));
        assert!(!door.visit(&parts("GET", "/?token=0123456789%20abcde", &[host])));
        assert!(!door.visit(&parts("GET", "/api/status?token=0123456789%20abcdef", &[host])));
        assert!(!door.visit(&parts("GET", "/?token=0123456789%20abcdef", &[("host", "evil.example:7878")])));
        assert_eq!(door.url(), "http://127.0.0.1:7878/?token=0123456789%20abcdef");
        let other = Door::new("[::1]:7878".parse().unwrap(), &[], Some(token));
        assert_ne!(other.cookie(), door.cookie());
        assert!(other.url().starts_with("http://[::1]:7878/?"));
    }
}
