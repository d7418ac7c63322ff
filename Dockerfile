# Kong Gateway with mtls-auth: the Lua plugin, and the program, which it starts. With
# --target binary the program alone, which has the Lua files in it.

ARG KONG_VERSION=3.9.3
# A release names both by digest.
ARG KONG_IMAGE=kong:${KONG_VERSION}
ARG GO_IMAGE=golang:1.26.8-bookworm

# The build runs on the builder's own platform and compiles for the image's:
# without cgo Go needs no emulation for that.
FROM --platform=$BUILDPLATFORM ${GO_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# The Lua files as the program writes them, on the builder's platform, with its path.
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -o /usr/local/bin/mtls-auth . && \
    /usr/local/bin/mtls-auth lua -out /opt/mtls-auth
ARG TARGETOS
ARG TARGETARCH
# No paths, no build id and no version control go into the binary, so that one
# source gives the same bytes anywhere.
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -tags release -trimpath -buildvcs=false -ldflags='-s -w -buildid=' -o /mtls-auth .

# For images of one's own: COPY --from=IMAGE /mtls-auth /usr/local/bin/mtls-auth
FROM scratch AS binary
COPY --from=build --chmod=0755 /mtls-auth /mtls-auth
ENTRYPOINT ["/mtls-auth"]

FROM ${KONG_IMAGE}
ARG KONG_VERSION
LABEL org.opencontainers.image.title="Kong Gateway with mtls-auth" \
      org.opencontainers.image.description="Client-certificate authentication for open-source Kong Gateway" \
      org.opencontainers.image.version="0.2.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/kong:${KONG_VERSION}"

COPY --from=build --chmod=0755 /mtls-auth /usr/local/bin/mtls-auth
COPY --from=build /opt/mtls-auth /opt/mtls-auth

# All that Kong has to be told. Flags of the program are environment variables:
# MTLS_AUTH_CRL_DIR for -crl-dir.
ENV KONG_LUA_PACKAGE_PATH=/opt/mtls-auth/?.lua;; \
    KONG_PLUGINS=bundled,mtls-auth

# As in Kong's own image, whose entrypoint, health check and stop signal stay.
USER kong
