# The program in an image of its own: `docker build -t patron .`
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p patron-server

FROM debian:bookworm-slim
# The machine's own certificate authorities, for `sslrootcert=system`.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --home-dir /var/lib/patron --create-home patron
COPY --from=build /src/target/release/patron /usr/local/bin/patron
USER patron
WORKDIR /var/lib/patron
# Over SQLite everything is kept here; over PostgreSQL, in production mode, the ledger of erasures only.
VOLUME /var/lib/patron
ENV PATRON_DATA=/var/lib/patron/data PATRON_LISTEN=0.0.0.0:8080
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["patron"]
CMD ["serve"]
