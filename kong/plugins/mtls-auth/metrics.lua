-- Counts requests, in plain tables that are told once a second: to the registry of Kong's
-- prometheus plugin, where that is enabled, and to the server. What the server counts goes
-- from here to the registry as well.
local base = (...):match("^(.+%.)metrics$")
local log, server = require(base .. "log"), require(base .. "server")

local _M = {}

local EVERY, AFTER_ERROR = 1, 60 -- s
local FROM = { "connection", "worker", "server", "none" }

-- Those that are counted here, as the server describes the others.
local REQUESTS = {
  name = "mtls_auth_requests_total", type = "counter",
  help = "Requests, by what came of them and why.", labels = { "plugin", "result", "reason" },
}
local DECISIONS = {
  name = "mtls_auth_decisions_total", type = "counter",
  help = "Requests, by where their decision came from: the connection's or the worker's cache in Kong, or the server.",
  labels = { "plugin", "from" },
}
local UP = { name = "mtls_auth_server_up", type = "gauge", help = "Whether the server responds: 1 or 0.", labels = {} }

local all, by_key = {}, {} -- what is counted: a few dozen, since no client has a say in it

-- Returns the counts of requests with this result and reason, by where their decision came
-- from. The caller adds to them.
function _M.of(plugin, result, reason)
  local key = table.concat({ plugin, result, reason }, " ")
  local counts = by_key[key]
  if not counts then
    counts = {
      connection = 0, worker = 0, server = 0, none = 0,
      plugin = plugin, result = result, reason = reason, untold = {},
    }
    all[#all + 1], by_key[key] = counts, counts
  end
  return counts
end

local prometheus -- Kong's registry; false for none, nil while that is not known
local made, generation = {}, nil -- its metrics by name; of the server's gauges

-- Returns a metric of the registry, which another worker's code may have made.
local function metric(of)
  if not made[of.name] then
    made[of.name] = prometheus.registry[of.name]
      or prometheus[of.type](prometheus, of.name, of.help, of.labels[1] and of.labels, of.buckets)
  end
  return made[of.name]
end

-- Kong has loaded the plugin where it is enabled; to load it here would not enable it.
local function find_registry()
  local exporter = package.loaded["kong.plugins.prometheus.exporter"]
  prometheus = exporter and exporter.get_prometheus() or false
end

local function flush()
  if prometheus == nil then find_registry() end
  for _, counts in ipairs(all) do
    local requests, plugin = 0, counts.plugin == "header-cert-auth" and counts.plugin or "mtls-auth"
    for _, from in ipairs(FROM) do
      local n = counts[from]
      if n > 0 then
        counts[from], requests = 0, requests + n
        counts.untold[from] = (counts.untold[from] or 0) + n
        if prometheus and from ~= "none" then metric(DECISIONS):inc(n, { plugin, from }) end
      end
    end
    if prometheus and requests > 0 then metric(REQUESTS):inc(requests, { plugin, counts.result, counts.reason }) end
  end
  if prometheus then metric(UP):set(server.epoch and not server.lost and 1 or 0) end
end

-- Returns what the server has not been told yet, nil for nothing.
function _M.counts()
  local list = {}
  for _, counts in ipairs(all) do
    for from, n in pairs(counts.untold) do
      list[#list + 1] = {
        plugin = counts.plugin, result = counts.result, reason = counts.reason,
        from = from ~= "none" and from or "", n = n,
      }
    end
    counts.untold = {}
  end
  return list[1] and list
end

-- Whether there is a registry for the server's figures.
function _M.has_registry()
  if prometheus == nil then find_registry() end
  return prometheus and true or nil
end

-- Adds a report of the server to the registry. The first one may only describe metrics,
-- whose figures another worker was told.
function _M.add(report)
  local gone = report.generation and report.generation ~= generation
  generation = report.generation
  for _, of in ipairs(report.metrics) do
    local it = metric(of)
    if of.type == "gauge" and gone then it:reset() end
    for _, series in ipairs(of.series) do
      local labels = series.labels[1] and series.labels
      if of.type == "gauge" then
        it:set(series.value, labels)
      elseif of.type == "counter" then
        it:inc(series.value, labels)
      end
      for _, observed in ipairs(series.observed or {}) do
        for _ = 1, observed[2] do it:observe(observed[1], labels) end
        ngx.sleep(0) -- requests come first
      end
    end
  end
end

-- Tells as long as the worker lives.
function _M.keep()
  assert(ngx.timer.at(0, function(premature)
    while not premature and not ngx.worker.exiting() do
      ngx.sleep(EVERY)
      local ok, err = pcall(flush)
      if not ok then
        log.write("err", log.line("metrics", "not told", "error", err))
        ngx.sleep(AFTER_ERROR)
      end
    end
  end))
end

return _M
