//! The paths that the server answers itself, whatever the wires offer.

/// A path of the server's own. It is asked by `GET` or `HEAD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnPath {
    /// Whether the process lives.
    Health,
    /// Whether it can answer requests now.
    Readiness,
    /// The metrics.
    Metrics,
}

impl OwnPath {
    /// All of them. [`OwnPath::find`] finds no other, so none is answered that does not stand here.
    pub(crate) const ALL: [Self; 3] = [Self::Health, Self::Readiness, Self::Metrics];

    /// The path as it is asked for.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Health => "/healthz",
            Self::Readiness => "/readyz",
            Self::Metrics => "/metrics",
        }
    }

    /// The one that this path means.
    pub(crate) fn find(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.text() == path)
    }
}
