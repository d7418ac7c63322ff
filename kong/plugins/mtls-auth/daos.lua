--- Manual mappings of names in certificates to consumers: the entity of Kong
-- Enterprise's plugin, with its fields and paths (/mtls-auths and
-- /consumers/{consumer}/mtls-auth), as decK and Kong's clients know it.

local typedefs = require "kong.db.schema.typedefs"


return {
  {
    name = "mtls_auth_credentials",
    primary_key = { "id" },
    endpoint_key = "id",
    -- Unique: a name under a CA certificate, or under any, is one consumer's.
    cache_key = { "subject_name", "ca_certificate" },
    workspaceable = true,
    admin_api_name = "mtls-auths",
    admin_api_nested_name = "mtls-auth",
    fields = {
      { id = typedefs.uuid },
      { created_at = typedefs.auto_timestamp_s },
      { consumer = { type = "foreign", reference = "consumers", required = true, on_delete = "cascade" } },
      { subject_name = { type = "string", required = true } },
      { ca_certificate = { type = "foreign", reference = "ca_certificates", on_delete = "cascade" } },
      { tags = typedefs.tags },
    },
  },
}
