-- Manual mappings of names in certificates to consumers: the entity of Kong Enterprise's
-- plugin (/header-cert-auths and /consumers/{consumer}/header-cert-auth).
local base = (...):gsub("header%-cert%-auth", "mtls-auth")

return { require(base:gsub("daos$", "credentials"))("header_cert_auth_credentials", "header-cert-auth") }
