local groups = { type = "array", elements = { type = "string" } }
return {
  name = "acl",
  fields = {
    { config = {
        type = "record",
        required = true,
        fields = { { allow = groups }, { deny = groups }, { hide_groups_header = { type = "boolean", default = false } } },
      } },
  },
}
