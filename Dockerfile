# heimdall in containers: a place to test it, one to make releases in, and the image of the one program.
# make docker-test, docker-release and docker-image use the stages of these names. An engine without BuildKit also builds those
# before the one it is to build, so the dearest is the last.

ARG RUST=rust:1-bookworm

FROM $RUST AS build
WORKDIR /heimdall
# First what changes seldom.
COPY Cargo.toml ./
COPY scripts scripts
RUN scripts/deps tests
COPY . .

FROM build AS test
CMD ["make", "test"]

FROM build AS program
# When the commit was made, since .git stays outside.
ARG SOURCE_DATE_EPOCH=0
RUN make release TARGETS="$(uname -m)-unknown-linux-musl" && mv pkg/heimdall-*/ /program

FROM scratch AS image
COPY --from=program /program/heimdall /program/LICENSE /program/NOTICES /
LABEL org.opencontainers.image.title="heimdall" \
    org.opencontainers.image.description="flock(1) for a fleet, on the PostgreSQL you already run" \
    org.opencontainers.image.licenses="Apache-2.0"
USER 65532:65532
ENTRYPOINT ["/heimdall"]

FROM build AS release
# Empty: those of the Makefile.
ARG TARGETS=
ARG SOURCE_DATE_EPOCH=0
RUN make release ${TARGETS:+TARGETS="$TARGETS"}
