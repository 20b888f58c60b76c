# Build: docker build -t alcaide .    Run: docker run -v alcaide:/data -p 127.0.0.1:7100:7100 … (see docs/operations.md)
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p alcaide

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin alcaide \
    && install -d -o alcaide -g alcaide -m 0700 /data
COPY --from=build /src/target/release/alcaide /usr/local/bin/alcaide
USER alcaide
ENV ALCAIDE_DATA_DIR=/data
VOLUME /data
# Plain HTTP is served on loopback only: share the network namespace with the agents (`--network container:…`), or put a TLS proxy beside it.
ENTRYPOINT ["alcaide"]
CMD ["up"]
