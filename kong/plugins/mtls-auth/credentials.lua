-- The entity of both plugins: manual mappings of names in certificates to consumers.
local typedefs = require "kong.db.schema.typedefs"

-- Returns the entity of this name; the plugin's name is in its paths.
return function(name, plugin)
  return {
    name = name,
    primary_key = { "id" },
    endpoint_key = "id",
    -- Unique: a name under a CA certificate, or under any, is one consumer's.
    cache_key = { "subject_name", "ca_certificate" },
    workspaceable = true,
    admin_api_name = plugin .. "s",
    admin_api_nested_name = plugin,
    fields = {
      { id = typedefs.uuid },
      { created_at = typedefs.auto_timestamp_s },
      { consumer = { type = "foreign", reference = "consumers", required = true, on_delete = "cascade" } },
      { subject_name = { type = "string", required = true } },
      { ca_certificate = { type = "foreign", reference = "ca_certificates", on_delete = "cascade" } },
      { tags = typedefs.tags },
    },
  }
end
