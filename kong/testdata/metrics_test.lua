-- What is counted, and where it is told.
local world = require "world"
local servers, fixtures = require "servers", require "fixtures"
local test, equal, request, frame = world.test, world.equal, world.request, world.frame

-- Kong's registry, as far as the plugin uses it. It notes what is done, in order.
local function registry()
  local prometheus = { registry = {}, made = {}, samples = {} }
  local function label(values) return values and table.concat(values, " ") or "" end
  for _, kind in ipairs({ "counter", "gauge", "histogram" }) do
    prometheus[kind] = function(self, name, help, labels, buckets)
      assert(self == prometheus and not prometheus.registry[name], "registered twice: " .. name)
      assert(#help > 0 and (labels == nil or #labels > 0) and (kind == "histogram") == (buckets ~= nil), name)
      local samples = {}
      local metric = {
        inc = kind ~= "histogram" and function(_, value, values)
          assert(value >= 0)
          samples[label(values)] = (samples[label(values)] or 0) + value
        end,
        set = kind == "gauge" and function(_, value, values) samples[label(values)] = value end,
        reset = kind == "gauge" and function() for key in pairs(samples) do samples[key] = nil end end,
        observe = kind == "histogram" and function(_, value, values)
          samples[label(values)] = (samples[label(values)] or "") .. value .. " "
        end,
      }
      prometheus.registry[name], prometheus.samples[name:gsub("^mtls_auth_", "")] = metric, samples
      return metric
    end
  end
  return prometheus
end

local function start(verdict, options)
  world.start(fixtures.options(options))
  local server, prometheus = servers.verdict(frame(verdict), verdict ~= "verdict_certificate" and frame("lookup").lookup), registry()
  if not (options and options.no_prometheus) then
    package.loaded["kong.plugins.prometheus.exporter"] = { get_prometheus = function() return prometheus end }
  end
  world.run(2.5)
  return server, prometheus.samples
end

test("requests by what came of them, and by where the decision came from", function()
  local server, samples = start("verdict_certificate")
  equal(samples.server_up, { [""] = 1 })
  local conf = fixtures.conf()
  request(conf, fixtures.request({ var = { connection = "1" } }))
  request(conf, fixtures.request({ var = { connection = "1" } }))
  request(conf, fixtures.request({ var = { connection = "1" } }))
  request(conf, fixtures.request({ var = { connection = "2" } }))
  equal(samples.requests_total, nil) -- told once a second
  world.run(1)
  equal(samples.requests_total, { ["mtls-auth pass passed"] = 4 })
  equal(samples.decisions_total, { ["mtls-auth connection"] = 2, ["mtls-auth worker"] = 1, ["mtls-auth server"] = 1 })
  world.run(3) -- the watch is asked again
  local told = {}
  for _, question in ipairs(server.of("watch")) do
    for _, count in ipairs(question.counts or {}) do
      local key = table.concat({ count.plugin, count.result, count.reason, count.from }, " ")
      told[key] = (told[key] or 0) + count.n
    end
  end
  equal(told, {
    ["mtls-auth pass passed connection"] = 2, ["mtls-auth pass passed worker"] = 1, ["mtls-auth pass passed server"] = 1,
  })
  world.run(5)
  equal(samples.requests_total, { ["mtls-auth pass passed"] = 4 })
end)

for _, case in ipairs({
  { "verdict_refuse", "mtls-auth refuse expired", "mtls-auth server" },
  { "verdict_fault", "mtls-auth fault lookup_failed", "mtls-auth server" },
  { "verdict_anonymous", "mtls-auth anonymous expired", "mtls-auth server" },
}) do
  test(case[1], function()
    local _, samples = start(case[1])
    request(fixtures.conf({ anonymous = "anonymous" }), fixtures.request())
    world.run(1)
    equal(samples.requests_total, { [case[2]] = 1 })
    equal(samples.decisions_total, { [case[3]] = 1 })
  end)
end

test("requests without a decision", function()
  local server, samples = start("verdict_pass")
  local r = fixtures.request()
  r.ctx = { authenticated_credential = { id = "earlier" } }
  request(fixtures.conf({ anonymous = "anonymous" }), r)
  server.stop()
  world.run(3)
  request(fixtures.conf(), fixtures.request())
  world.run(1)
  equal(samples.requests_total, { ["mtls-auth pass passed"] = 1, ["mtls-auth fault internal"] = 1 })
  equal(samples.decisions_total, nil)
  equal(samples.server_up, { [""] = 0 })
end)

test("what the server counts", function()
  local server, samples = start("verdict_pass")
  server.figures = frame("epoch_figures").figures
  world.run(2)
  server.figures = nil
  world.run(5)
  equal(samples.cache_entries, { ocsp = 3 })
  equal(samples.ca_certificates_missing, { [""] = 1 })
  equal(samples.limits_reached_total, { memory = 2 })
  equal(samples.revocation_exchange_duration_seconds, { ocsp = "0.25 0.25 3.5 " })
  -- Counters grow; gauges are replaced, and those of another generation go.
  server.figures = frame("epoch_figures").figures
  server.figures.metrics[1].series = { { labels = { "crls" }, value = 5 } }
  world.run(2)
  server.figures = nil
  world.run(3)
  equal(samples.limits_reached_total, { memory = 4 })
  equal(samples.cache_entries, { ocsp = 3, crls = 5 })
  server.figures = frame("epoch_figures").figures
  server.figures.generation = "another"
  world.run(2)
  equal(samples.cache_entries, { ocsp = 3 })
end)

test("a registry that fails ends neither requests nor the watch", function()
  local server, samples = start("verdict_pass")
  server.figures = frame("epoch_figures").figures
  server.figures.metrics[1].type = "summary"
  request(fixtures.conf(), fixtures.request())
  world.run(3)
  assert(#world.logged('err [mtls-auth] metrics="not told"') > 0)
  equal(#world.logged('server="lost"'), 0)
  equal(samples.requests_total, { ["mtls-auth pass passed"] = 1 })
end)

test("without Kong's prometheus plugin", function()
  local server, samples = start("verdict_pass", { no_prometheus = true })
  request(fixtures.conf(), fixtures.request())
  world.run(5)
  equal(samples, {})
  local counts
  for _, question in ipairs(server.of("watch")) do
    equal(question.figures, nil)
    counts = counts or question.counts
  end
  equal(counts, { { plugin = "mtls-auth", result = "pass", reason = "passed", from = "server", n = 1 } })
end)

world.finish()
