# Kong Gateway with mtls-auth.

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /mtls-auth .

FROM kong:3.9
COPY --from=build --chmod=0755 /mtls-auth /usr/local/bin/mtls-auth

# In KONG_PLUGINSERVER_<name>_… the dash of the plugin's name is an underscore.
# Kong starts the server with an empty environment, so the start command says
# where Kong's prefix is; the query command answers with the socket's path.
ENV KONG_PLUGINS=bundled,mtls-auth \
    KONG_PLUGINSERVER_NAMES=mtls-auth \
    KONG_PLUGINSERVER_MTLS_AUTH_SOCKET=/usr/local/kong/mtls-auth.socket \
    KONG_PLUGINSERVER_MTLS_AUTH_QUERY_CMD='/usr/local/bin/mtls-auth -dump -kong-prefix /usr/local/kong' \
    KONG_PLUGINSERVER_MTLS_AUTH_START_CMD='/usr/local/bin/mtls-auth -kong-prefix /usr/local/kong'
