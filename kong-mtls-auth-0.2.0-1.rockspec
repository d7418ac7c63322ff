-- The Lua plugin. It starts the program mtls-auth, which must have the same version, from
-- /usr/local/bin or MTLS_AUTH_BIN; mtls-auth lua -out DIR writes the same files without
-- LuaRocks. On luarocks.org the name kong-plugin-mtls-auth is another project's.

package = "kong-mtls-auth"
version = "0.2.0-1"
rockspec_format = "3.0"
supported_platforms = { "linux" }

-- The release has its own repository's URL here; luarocks make takes the checkout.
source = {
  url = "git+file://.",
  tag = "v0.2.0",
}

description = {
  summary = "Client-certificate authentication for open-source Kong Gateway",
  license = "Apache-2.0",
}

dependencies = {
  "lua >= 5.1, < 5.2", -- Kong's LuaJIT; Kong has all else
}

build = {
  type = "builtin",
  modules = {
    ["kong.plugins.header-cert-auth.daos"] = "kong/plugins/header-cert-auth/daos.lua",
    ["kong.plugins.header-cert-auth.handler"] = "kong/plugins/header-cert-auth/handler.lua",
    ["kong.plugins.header-cert-auth.migrations"] = "kong/plugins/header-cert-auth/migrations/init.lua",
    ["kong.plugins.header-cert-auth.migrations.000_base_header_cert_auth"] = "kong/plugins/header-cert-auth/migrations/000_base_header_cert_auth.lua",
    ["kong.plugins.header-cert-auth.presented"] = "kong/plugins/header-cert-auth/presented.lua",
    ["kong.plugins.header-cert-auth.schema"] = "kong/plugins/header-cert-auth/schema.lua",
    ["kong.plugins.mtls-auth.binary"] = "kong/plugins/mtls-auth/binary.lua",
    ["kong.plugins.mtls-auth.credentials"] = "kong/plugins/mtls-auth/credentials.lua",
    ["kong.plugins.mtls-auth.daos"] = "kong/plugins/mtls-auth/daos.lua",
    ["kong.plugins.mtls-auth.decisions"] = "kong/plugins/mtls-auth/decisions.lua",
    ["kong.plugins.mtls-auth.digest"] = "kong/plugins/mtls-auth/digest.lua",
    ["kong.plugins.mtls-auth.handler"] = "kong/plugins/mtls-auth/handler.lua",
    ["kong.plugins.mtls-auth.handshake"] = "kong/plugins/mtls-auth/handshake.lua",
    ["kong.plugins.mtls-auth.headers"] = "kong/plugins/mtls-auth/headers.lua",
    ["kong.plugins.mtls-auth.log"] = "kong/plugins/mtls-auth/log.lua",
    ["kong.plugins.mtls-auth.lookups"] = "kong/plugins/mtls-auth/lookups.lua",
    ["kong.plugins.mtls-auth.metrics"] = "kong/plugins/mtls-auth/metrics.lua",
    ["kong.plugins.mtls-auth.migrations"] = "kong/plugins/mtls-auth/migrations/init.lua",
    ["kong.plugins.mtls-auth.migrations.000_base_mtls_auth"] = "kong/plugins/mtls-auth/migrations/000_base_mtls_auth.lua",
    ["kong.plugins.mtls-auth.migrations.001_consumer_foreign_key"] = "kong/plugins/mtls-auth/migrations/001_consumer_foreign_key.lua",
    ["kong.plugins.mtls-auth.presented"] = "kong/plugins/mtls-auth/presented.lua",
    ["kong.plugins.mtls-auth.process"] = "kong/plugins/mtls-auth/process.lua",
    ["kong.plugins.mtls-auth.request"] = "kong/plugins/mtls-auth/request.lua",
    ["kong.plugins.mtls-auth.resume"] = "kong/plugins/mtls-auth/resume.lua",
    ["kong.plugins.mtls-auth.schema"] = "kong/plugins/mtls-auth/schema.lua",
    ["kong.plugins.mtls-auth.server"] = "kong/plugins/mtls-auth/server.lua",
    ["kong.plugins.mtls-auth.verdict"] = "kong/plugins/mtls-auth/verdict.lua",
    ["kong.plugins.mtls-auth.worker"] = "kong/plugins/mtls-auth/worker.lua",
  },
}
