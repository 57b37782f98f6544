# The command line alone, for an unprivileged user. Stage one compiles, stage two has the binary and the libraries of a small Debian.
FROM rust:1-slim-bookworm AS build
WORKDIR /source
COPY . .
# No C code is compiled and nothing but crates is fetched.
RUN cargo build --release --locked -p uncsm-index-cli

FROM debian:bookworm-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin uncsm
COPY --from=build /source/target/release/uncsm-index /usr/local/bin/uncsm-index
COPY --from=build /source/LICENSE-APACHE /source/LICENSE-MIT /usr/share/doc/uncsm-index/
# Encoders with weights, where there are some, and the cache.
ENV UNCSM_ENCODERS=/encoders UNCSM_CACHE=/tmp/uncsm-index
USER uncsm
WORKDIR /data
ENTRYPOINT ["uncsm-index"]
CMD ["--help"]
