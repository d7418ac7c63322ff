return {
  name = "key-auth",
  fields = { { config = { type = "record", required = true, fields = { { anonymous = { type = "string" } } } } } },
}
