# syntax=docker/dockerfile:1

FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=dev
ARG TARGETOS
ARG TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$VERSION" -o /out/orgbridge ./cmd/orgbridge \
    && mkdir /out/data

# Brings CA certificates and the unprivileged user 65532; no shell, no package manager.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/orgbridge /orgbridge
# An empty directory with the right owner, because the final image has no shell to make one. A new named or anonymous
# volume on /data takes over this owner; a directory of the host must be given to it: chown 65532:65532 DIR.
COPY --from=build --chown=65532:65532 /out/data /data
ENV ORGBRIDGE_ADDR=0.0.0.0:8080 \
    ORGBRIDGE_DATABASE_URL=sqlite:///data/orgbridge.db
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["/orgbridge", "healthcheck"]
ENTRYPOINT ["/orgbridge"]
CMD ["serve"]
