# Kong Gateway with mtls-auth: the program, and its Lua files, by which Kong takes the
# native door. With --target binary the program alone, which has the files in it.

ARG KONG_VERSION=3.9.1
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
# The Lua files as the program writes them, on the builder's platform.
RUN CGO_ENABLED=0 go run -trimpath -buildvcs=false . lua -out /opt/mtls-auth
ARG TARGETOS
ARG TARGETARCH
# No paths, no build id and no version control go into the binary, so that one
# source gives the same bytes anywhere.
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false -ldflags='-s -w -buildid=' -o /mtls-auth .

# For images of one's own: COPY --from=IMAGE /mtls-auth /usr/local/bin/mtls-auth
FROM scratch AS binary
COPY --from=build --chmod=0755 /mtls-auth /mtls-auth
ENTRYPOINT ["/mtls-auth"]

FROM ${KONG_IMAGE}
ARG KONG_VERSION
LABEL org.opencontainers.image.title="Kong Gateway with mtls-auth" \
      org.opencontainers.image.description="Client-certificate authentication for open-source Kong Gateway" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/kong:${KONG_VERSION}"

COPY --from=build --chmod=0755 /mtls-auth /usr/local/bin/mtls-auth
COPY --from=build /opt/mtls-auth /opt/mtls-auth

# To go without Lua: KONG_LUA_PACKAGE_PATH=";;", and a way to ask for certificates
# (docs/plugin-server.md).
ENV KONG_LUA_PACKAGE_PATH=/opt/mtls-auth/?.lua;;

# In KONG_PLUGINSERVER_<name>_… the dash of the plugin's name is an underscore.
# Kong starts the server with an empty environment, so the start command says
# where Kong's prefix is; the query command answers with the socket's path.
ENV KONG_PLUGINS=bundled,mtls-auth \
    KONG_PLUGINSERVER_NAMES=mtls-auth \
    KONG_PLUGINSERVER_MTLS_AUTH_SOCKET=/usr/local/kong/mtls-auth.socket \
    KONG_PLUGINSERVER_MTLS_AUTH_QUERY_CMD='/usr/local/bin/mtls-auth -dump -kong-prefix /usr/local/kong' \
    KONG_PLUGINSERVER_MTLS_AUTH_START_CMD='/usr/local/bin/mtls-auth -kong-prefix /usr/local/kong'

# As in Kong's own image, whose entrypoint, health check and stop signal stay.
USER kong
