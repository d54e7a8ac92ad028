"""The `Host` and `Origin` headers by which a caller means this server, as MLflow compares them."""

TUNNEL = 8443  # the local port for a browser behind a tunnel: MLflow takes POSTs from named origins only


def allowed_hosts(domain: str) -> list[str]:
    """Return the `Host` headers of this domain, as MLflow matches them: whole, or `*` for the port."""
    return [domain, f"{domain}:*"]


def allowed_origins(domain: str) -> list[str]:
    """Return the `Origin` headers of this domain, each in full.

    Never with `*`: MLflow hands the list to Flask-CORS too, which reads it as a pattern without an end, so
    that `https://domain:*` would also name `https://domain.somewhere.else`. MLflow adds localhost by itself.
    """
    return [f"https://{domain}", f"https://{domain}:{TUNNEL}"]
