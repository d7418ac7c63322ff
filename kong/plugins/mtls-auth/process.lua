-- Starts the server and restarts it when it ends, in one worker, where nothing else does.
local base, plugin = (...):match("^(.-([^.]+)%.)process$")
local log, server = require(base .. "log"), require(base .. "server")

local _M = {}

local RAN, MAX_PAUSE = 10, 30 -- s: one that ran so long is restarted at once; the longest pause
local SUCCESSOR = 3 -- s for which a worker that is to end waits for the next one's server

-- nginx gives its workers no environment, but this file is read before there are any.
local binary = os.getenv("MTLS_AUTH_BIN") or require(base .. "binary") or "/usr/local/bin/" .. plugin
local environment = {}
for name in ([[MTLS_AUTH_CRL_DIR MTLS_AUTH_STATE_DIR MTLS_AUTH_MAX_CRL_SIZE MTLS_AUTH_DENY_PRIVATE
  MTLS_AUTH_MIN_RSA_BITS MTLS_AUTH_SOCKET_MODE MTLS_AUTH_LOG_LEVEL MTLS_AUTH_LOG_FORMAT MTLS_AUTH_METRICS_LISTEN
  SSL_CERT_FILE SSL_CERT_DIR]]):gmatch("%S+") do
  local value = os.getenv(name)
  environment[#environment + 1] = value and name .. "=" .. value
end

local LEVELS = { DEBUG = "debug", INFO = "info", WARN = "warn" }

-- Writes what the server prints, at its level; a stack trace, say, has none.
local function forward(line)
  local level = (' ' .. line):match('%slevel=(%u+)') or line:match('"level":"(%u+)"')
  ngx.log(log.levels[LEVELS[level] or "err"], "[", plugin, "] ", line)
end

-- Kong's master reads this file at its start and at each reload, and its workers share
-- this dictionary: another value than this one means that there are newer workers.
local shared, GENERATION, generation = ngx.shared.kong, plugin .. ":generation", tostring(ngx.now())
if shared then shared:set(GENERATION, generation) end

-- The server ends when its stdin does, or else with this worker's memory. So that a
-- reload leaves no moment without a server, the next one has to be there before.
local function hand_over(proc)
  for _ = 1, SUCCESSOR * 10 do
    local pid = server.ping()
    if shared:get(GENERATION) == generation or pid ~= proc:pid() and pid ~= 0 then break end
    ngx.sleep(0.1)
  end
  proc:shutdown("stdin")
end

-- Runs a server to its end; returns how that was.
local function run()
  local proc, err = require("ngx.pipe").spawn({ binary, "-kong-prefix", kong.configuration.prefix, "-lua-mode" },
    { merge_stderr = true, environ = environment, stdout_read_timeout = 1000, wait_timeout = 1000 })
  if not proc then return err end
  local ending = false
  repeat
    local line, failed, partial = proc:stdout_read_line()
    line = line or failed ~= "timeout" and partial
    if line and line ~= "" then forward(line) end
    if ngx.worker.exiting() and not ending then
      ending = true
      hand_over(proc)
    end
  until failed and failed ~= "timeout"
  local _, reason, status = proc:wait()
  local file, missing = io.open(binary)
  if file then file:close() end
  return ("%s %s%s"):format(reason, status, missing and "; " .. missing or "")
end

local function loop()
  local pause, external, told = 0.1, false, nil
  while not ngx.worker.exiting() do
    local pid, ours, wrong = server.ping()
    if pid and not ours then -- not by an earlier worker
      if wrong and wrong ~= told then
        log.write("err", log.line("server", "not of this version", "pid", pid, "error", wrong))
      end
      external, told = true, wrong
      ngx.sleep(1)
    elseif external then -- whatever started that one may restart it
      external = false
      ngx.sleep(3)
    else
      local started = ngx.now()
      local ended = run()
      if ngx.worker.exiting() then return end
      ngx.update_time()
      pause = ngx.now() - started > RAN and 0.1 or math.min(pause * 2, MAX_PAUSE)
      log.write("err", log.line("server", "ended", "path", binary, "how", ended, "restarted_in", pause .. "s"))
      ngx.sleep(pause)
    end
  end
end

local function is_kongs()
  for _, name in ipairs(kong.configuration.pluginserver_names or {}) do
    if name == plugin then return true end
  end
end

-- Keeps a server running as long as Kong does. Where kong.conf names a plugin server of
-- this name, that is left to Kong.
function _M.keep()
  if ngx.worker.id() ~= 0 or is_kongs() then return end
  assert(ngx.timer.at(0, function(premature)
    while not premature and not ngx.worker.exiting() do
      local ok, err = pcall(loop)
      if not ok then
        log.write("err", log.line("server", "not started", "error", err))
        ngx.sleep(MAX_PAUSE)
      end
    end
  end))
end

return _M
