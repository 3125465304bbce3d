# A static binary and the trusted authorities, nothing else: no shell, no package manager. Runs as
# an ordinary user on a read-only root; standard input and pipes are spooled to /tmp.
FROM rust:1.95.0-alpine AS build
RUN apk add --no-cache build-base cmake perl ca-certificates
WORKDIR /build
# the image has this very toolchain; `rust-toolchain.toml` would ask for components it lacks
ENV RUSTUP_TOOLCHAIN=1.95.0
COPY . .
RUN cargo build --locked --release -p stagecopy \
    && cp target/release/stagecopy /stagecopy \
    && mkdir /empty-tmp && chmod 1777 /empty-tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /empty-tmp /tmp
COPY --from=build /stagecopy /stagecopy
USER 65532:65532
ENTRYPOINT ["/stagecopy"]
