# Build:  docker build -t alcaide .
#         Without a network: `cargo vendor --locked .cargo/vendor >> .cargo/config.toml` beforehand, then add
#         `--network=none`; both base images must be there.
# Begin:  docker run --rm -it --network=host -v alcaide:/data alcaide up --init      (stop it with Ctrl-C once it is up)
# Run:    docker run -d --name alcaide --network=host --read-only --cap-drop=ALL --security-opt=no-new-privileges \
#                -v alcaide:/data alcaide
# Tools:  docker exec alcaide alcaide agent list
#
# Plain HTTP is served on loopback only, so a published port reaches nothing: callers share the network namespace, the
# host's as above or the container's (`--network=container:alcaide`).

FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /src
# Named one by one: nothing else of the folder matters to the build. The image's own toolchain is the pinned one, so that
# nothing is fetched for it.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY xtask xtask
COPY crates crates
RUN cargo build --release --locked -p alcaide

FROM debian:bookworm-slim
# Certificate roots are in the program; no package is installed.
RUN useradd --system --uid 10001 --user-group --home-dir /data --shell /usr/sbin/nologin alcaide \
    && install -d -o alcaide -g alcaide -m 0700 /data
COPY --from=build /src/target/release/alcaide /usr/local/bin/alcaide
USER 10001:10001
ENV ALCAIDE_DATA_DIR=/data
VOLUME /data
# 10 s for calls in flight, then the ledger is closed.
STOPSIGNAL SIGTERM
ENTRYPOINT ["alcaide"]
CMD ["up", "--log-format", "json"]
