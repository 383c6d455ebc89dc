# An image with `pglock` and what it needs at run time. Build it in the repository's folder:
#
#     docker build -f Docs/Examples/pglock.Dockerfile -t pglock .
#
# Docs/Installing-pglock.md says how to use it, and how to copy the program into an image of your own.

# Both stages are Debian 12: the program needs a C library, a libpq and an OpenSSL that are not older than those of its build.
FROM swift:6.3-bookworm AS build
# hadolint ignore=DL3008
RUN apt-get update -q \
    && apt-get install -q -y --no-install-recommends libpq-dev libssl-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
# With Swift's runtime inside, so that the second stage needs none.
RUN swift build -c release --product pglock --static-swift-stdlib \
    && install -D "$(swift build -c release --product pglock --static-swift-stdlib --show-bin-path)/pglock" /usr/local/bin/pglock

FROM debian:bookworm-slim
# libpq5 brings OpenSSL's libraries. The certificates are for sslmode=verify-full.
# hadolint ignore=DL3008
RUN apt-get update -q \
    && apt-get install -q -y --no-install-recommends ca-certificates libpq5 libstdc++6 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home pglock
COPY --from=build /usr/local/bin/pglock /usr/local/bin/pglock
# As a number, so that Kubernetes's runAsNonRoot can see that it is not root.
USER 10001
ENTRYPOINT ["pglock"]
CMD ["--help"]
