#!/usr/bin/env bash
# Pongo runs this on the host before each test run. Its image has no Go, so the
# plugin is built here, for the image's processor: with Go where it is installed,
# else in Docker as for the release. The container sees it at /kong-plugin/.pongo.
set -euo pipefail
cd "$(dirname "$0")/.."

if command -v go >/dev/null; then
  processor=$(docker version --format '{{.Server.Arch}}')
  CGO_ENABLED=0 GOOS=linux GOARCH=$processor go build -trimpath -o .pongo/mtls-auth .
else
  docker build --quiet --target binary --output .pongo .
fi
