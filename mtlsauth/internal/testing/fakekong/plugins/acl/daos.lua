return {
  {
    name = "acls",
    cache_key = { "consumer", "group" },
    fields = { { id = {} }, { group = { required = true } }, { consumer = { reference = "consumers", required = true } } },
  },
}
