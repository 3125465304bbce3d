# A static binary and the trusted authorities, nothing else: no shell, no package manager. Runs as
# an ordinary user on a read-only root; standard input and pipes are spooled to /tmp.
# `tests/image` runs what this builds under the same constraints, without a container engine.
FROM rust:1.95.0-bookworm AS build
RUN apt-get update && apt-get install --no-install-recommends --yes ca-certificates cmake
WORKDIR /build
# the image has this very toolchain; `rust-toolchain.toml` would ask for components it lacks
ENV RUSTUP_TOOLCHAIN=1.95.0
COPY . .
RUN .ci/static release /stagecopy && mkdir /empty-tmp && chmod 1777 /empty-tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /empty-tmp /tmp
COPY --from=build /stagecopy /stagecopy
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
ENTRYPOINT ["/stagecopy"]
