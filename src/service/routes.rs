use std::fmt;
use std::sync::Arc;

use crate::boundary::document::PublicDocument;
use crate::conductor::purpose::Purpose;
use crate::protocol::wire::methods::Methods;

/// What stands for an id at the end of a path.
const ID: &str = "{id}";

/// What is served at a path.
pub(crate) enum Target {
    Document(Arc<dyn PublicDocument>),
    Endpoint(Purpose),
}

impl Target {
    /// What its path takes.
    pub(super) fn methods(&self) -> Methods {
        match self {
            Self::Document(_) => Methods::READ,
            Self::Endpoint(purpose) => purpose.methods(),
        }
    }

    fn has_id(&self) -> bool {
        matches!(self, Self::Endpoint(purpose) if purpose.has_id())
    }
}

/// A path of the layer and what is served there.
pub(crate) struct Route {
    /// All of the path, or what stands before the id.
    fixed: String,
    ends_in_id: bool,
    served: Target,
}

impl Route {
    /// What has an id is served below the path, at each segment.
    pub(super) fn new(path: &str, served: Target) -> Self {
        let ends_in_id = served.has_id();
        let slash = if ends_in_id { "/" } else { "" };
        Self { fixed: format!("{path}{slash}"), ends_in_id, served }
    }

    /// The path, with something that stands for the id if it ends in one.
    pub(super) fn pattern(&self) -> String {
        let id = if self.ends_in_id { ID } else { "" };
        format!("{}{id}", self.fixed)
    }

    fn is_at(&self, path: &str) -> bool {
        if !self.ends_in_id {
            return path == self.fixed;
        }
        path.strip_prefix(self.fixed.as_str()).is_some_and(|id| !id.is_empty() && !id.contains('/'))
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.pattern(), self.served.methods())
    }
}

/// The paths of a layer. They are compared byte by byte: no decoding, no case folding, no trailing slash. An id is any segment.
pub(crate) struct Routes {
    table: Vec<Route>,
    /// The path of a lone route, as most layers have it: every passing request pays for what is looked at.
    lone: Option<String>,
}

impl Routes {
    /// Of several routes that fit a path the first one counts.
    pub(super) fn new(table: Vec<Route>) -> Self {
        let lone = match &table[..] {
            [Route { fixed, ends_in_id: false, .. }] => Some(fixed.clone()),
            _ => None,
        };
        Self { table, lone }
    }

    /// What is served at a path. Nothing if requests for it go to the inner service.
    #[inline]
    pub(super) fn find(&self, path: &str) -> Option<&Target> {
        match &self.lone {
            Some(lone) if lone != path => None,
            Some(_) => self.table.first().map(|route| &route.served),
            None => self.look_up(path),
        }
    }

    #[inline(never)]
    fn look_up(&self, path: &str) -> Option<&Target> {
        self.table.iter().find(|route| route.is_at(path)).map(|route| &route.served)
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(paths: &[(&str, Purpose)]) -> Routes {
        Routes::new(paths.iter().map(|(path, purpose)| Route::new(path, Target::Endpoint(*purpose))).collect())
    }

    fn found(routes: &Routes, path: &str) -> Option<Purpose> {
        match routes.find(path)? {
            Target::Endpoint(purpose) => Some(*purpose),
            Target::Document(_) => None,
        }
    }

    #[test]
    fn a_path_is_compared_byte_by_byte() {
        let routes = routes(&[("/oauth/token", Purpose::Token), ("/oauth/revoke", Purpose::Revocation)]);
        assert_eq!(found(&routes, "/oauth/revoke"), Some(Purpose::Revocation));
        let lone = self::routes(&[("/oauth/token", Purpose::Token)]);
        for routes in [routes, lone] {
            assert_eq!(found(&routes, "/oauth/token"), Some(Purpose::Token));
            for other in ["/", "", "/oauth/toke", "/oauth/tokens", "/oauth/token/", "/OAuth/token", "/oauth/%74oken"] {
                assert_eq!(found(&routes, other), None, "{other}");
            }
        }
    }

    #[test]
    fn an_id_is_one_segment_below_its_path() {
        let routes = routes(&[
            ("/mfa/authenticators/all", Purpose::Introspection),
            ("/mfa/authenticators", Purpose::Authenticators),
            ("/mfa/authenticators", Purpose::Authenticator),
        ]);
        for id in ["1", "push%7Cdev_1", "sms|dev_2", "{id}", "..", "all%20"] {
            let path = format!("/mfa/authenticators/{id}");
            assert_eq!(found(&routes, &path), Some(Purpose::Authenticator), "{path}");
        }
        for other in
            ["/mfa/authenticators/", "/mfa/authenticators/1/", "/mfa/authenticators/1/2", "/mfa/authenticators1"]
        {
            assert_eq!(found(&routes, other), None, "{other}");
        }
        assert_eq!(found(&routes, "/mfa/authenticators"), Some(Purpose::Authenticators));
        assert_eq!(found(&routes, "/mfa/authenticators/all"), Some(Purpose::Introspection));
    }

    #[test]
    fn each_route_says_which_methods_it_takes() {
        struct Keys;
        impl PublicDocument for Keys {
            fn content_type(&self) -> http::HeaderValue {
                http::HeaderValue::from_static("application/json")
            }

            fn body(&self) -> bytes::Bytes {
                bytes::Bytes::new()
            }

            fn max_age(&self) -> std::time::Duration {
                std::time::Duration::ZERO
            }
        }
        let allow = |served: Target| served.methods().allow();
        assert_eq!(allow(Target::Document(Arc::new(Keys))), "GET, HEAD");
        for purpose in [Purpose::Token, Purpose::Revocation, Purpose::FactorChallenge, Purpose::Associate] {
            assert_eq!(allow(Target::Endpoint(purpose)), "POST, OPTIONS");
        }
        assert_eq!(allow(Target::Endpoint(Purpose::Authenticators)), "GET, HEAD, OPTIONS");
        assert_eq!(allow(Target::Endpoint(Purpose::Authenticator)), "DELETE, OPTIONS");
    }
}
