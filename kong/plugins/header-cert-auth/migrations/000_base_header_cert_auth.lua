-- The table of mtls-auth's first migration, which stays as it is, under another name.
local mtls_auth = require "kong.plugins.mtls-auth.migrations.000_base_mtls_auth"

return { postgres = { up = (mtls_auth.postgres.up:gsub("mtls_auth", "header_cert_auth")) } }
