return {
  {
    name = "keyauth_credentials",
    cache_key = { "key" },
    fields = { { id = {} }, { key = { required = true } }, { consumer = { reference = "consumers", required = true } } },
  },
}
