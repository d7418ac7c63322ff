-- Manual mappings of names in certificates to consumers: the entity of Kong Enterprise's
-- plugin (/mtls-auths and /consumers/{consumer}/mtls-auth), as decK and Kong's clients
-- know it.
return { require((...):gsub("daos$", "credentials"))("mtls_auth_credentials", "mtls-auth") }
