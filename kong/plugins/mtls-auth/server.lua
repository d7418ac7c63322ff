-- Asks the server, the program mtls-auth as it runs beside Kong, over its Unix socket.
-- A frame is a 32-bit little-endian length and one JSON object. Whatever does not follow
-- the protocol is an error and ends the connection: never a pass.
local base, plugin = (...):match("^(.-([^.]+)%.)server$")
local log, verdict = require(base .. "log"), require(base .. "verdict")
local lfs = require "lfs"
local cjson = require("cjson.safe").new()
cjson.decode_array_with_array_mt(true) -- tells [] from {}

-- epoch: decisions may be cached in this one only; nil until the server was heard of.
-- lost: since when the server has not been heard of; nil while it answers.
-- sessions: the server knows the chains of TLS sessions made under this id.
local _M = { VERSION = "0.2.0", epoch = nil, lost = nil, sessions = nil }

local PROTOCOL = 3
local MAX_FRAME = 1048576 -- bytes
local MAX_FRAMES, MAX_WAIT = 40, 60 -- for a verdict; every 2 s the server says that it is still deciding
local SILENCE = 4 -- s after which a watch is broken: it is answered within 2

local function path()
  for _, entry in ipairs(kong.configuration.pluginservers or {}) do
    if entry.name == plugin then return entry.socket end
  end
  return kong.configuration["pluginserver_" .. plugin:gsub("%-", "_") .. "_socket"] -- before Kong 3.9
    or kong.configuration.prefix .. "/" .. plugin .. ".socket"
end

local user -- this process's effective user id, as text; "" where /proc does not say

-- Any user who can create files in the socket's folder could answer in the server's
-- place. So the socket must belong to this user, to root or to the folder's owner.
-- Returns its owner, nil where there is no socket.
local function check_owner(file)
  local owner, folder = lfs.attributes(file, "uid"), lfs.attributes(file:match("^.*/"), "uid")
  if not user then
    local status = io.open("/proc/self/status")
    user = status and status:read("*a"):match("Uid:%s+%d+%s+(%d+)") or ""
    if status then status:close() end
  end
  if owner and owner ~= 0 and owner ~= folder and user ~= "" and tostring(owner) ~= user then
    error(("%s belongs to user %d: must be user %s (Kong's worker), root or the owner of its folder")
      :format(file, owner, user), 0)
  end
  return owner
end

-- Addresses at which Kong listens: the server fetches nothing from there.
local function listens()
  local all = {}
  for _, of in ipairs({ "proxy", "admin", "admin_gui", "status", "cluster", "cluster_telemetry", "stream", "debug" }) do
    local values = kong.configuration[of .. "_listen"]
    for _, value in ipairs(type(values) == "table" and values or {}) do all[#all + 1] = value:match("^%S+") end
  end
  return all[1] and all
end

local pool = 1 -- number of the connection pool: one with dead connections is abandoned

local function send_bytes(sock, text)
  local n = #text
  return sock:send({ string.char(n % 256, math.floor(n / 256) % 256, math.floor(n / 65536), 0), text })
end

local function send(sock, object)
  local text = assert(cjson.encode(object))
  if #text > MAX_FRAME then error("a frame of " .. #text .. " bytes for the server: must be at most 1 MiB", 0) end
  return send_bytes(sock, text)
end

-- A definition may be longer than a frame: its length, and then its bytes as they are.
local function send_definition(sock, text)
  assert(send(sock, { op = "definition", bytes = #text }))
  for from = 1, #text, MAX_FRAME do assert(send_bytes(sock, text:sub(from, from + MAX_FRAME - 1))) end
end

-- Returns an object; or nil, the error, and whether not a byte was received.
local function receive(sock)
  local head, err, partial = sock:receive(4)
  if not head then return nil, err, partial == "" end
  local a, b, c, d = head:byte(1, 4)
  local n = a + b * 256 + c * 65536 + d * 16777216
  if n == 0 or n > MAX_FRAME then return nil, "a frame of " .. n .. " bytes" end
  local text, failed = sock:receive(n)
  if not text then return nil, "half a frame: " .. failed end
  local object, wrong = cjson.decode(text)
  if type(object) == "table" and getmetatable(object) ~= cjson.array_mt then return object end
  return nil, "not a JSON object: " .. (wrong or type(object))
end

-- Sends a question on a connection and returns the first answer to it.
local function ask(sock, question, read_timeout)
  local file = path()
  -- At Kong's start the server may be slower than the workers; nginx would log a [crit].
  -- Later there may be a connection to a server whose socket was removed.
  if not check_owner(file) and not _M.epoch then return nil, "connecting: there is no socket at " .. file end
  question.protocol, question.version = PROTOCOL, _M.VERSION
  sock:settimeouts(200, 5000, read_timeout)
  local ok, err = sock:connect("unix:" .. file, { pool = plugin .. "#" .. pool })
  if not ok then return nil, "connecting: " .. err end
  ok, err = send(sock, question)
  if not ok then return nil, err, true end
  return receive(sock)
end

-- Goes on from the first answer until there is a verdict about the question of this id.
local function converse(sock, answer, definition, find, flight, id)
  local deadline, sent, consumers = ngx.now() + MAX_WAIT, false, nil
  for _ = 1, MAX_FRAMES do
    flight.alive = ngx.now()
    local err
    if answer.verdict ~= nil then
      if answer.id ~= nil and answer.id ~= id then error("the server's verdict is about another question", 0) end
      return verdict.decision(answer, consumers or {})
    elseif answer.need == "definition" and not sent then
      send_definition(sock, definition)
      sent = true
    elseif answer.lookup ~= nil and not consumers then
      local found
      found, consumers = find(answer.lookup)
      assert(send(sock, found))
    elseif answer.wait ~= true then
      error("unexpected answer of the server: " .. tostring(cjson.encode(answer)), 0)
    end
    answer, err = receive(sock)
    if not answer then error("the server's answer: " .. err, 0) end
    if ngx.now() > deadline then break end
  end
  error("the server gave no verdict", 0)
end

local asked = 0 -- questions for a decision

-- Asks for a decision; raises an error if there is none. find looks up consumers,
-- flight.alive is set to the time of the last answer. A connection that ends before any
-- answer is replaced once: pooled connections end with the server at their other end.
function _M.decide(question, definition, find, flight)
  asked = asked + 1
  question.op, question.sessions, question.id = "decide", _M.sessions, asked
  local before = pool
  local sock = ngx.socket.tcp()
  local answer, err, nothing = ask(sock, question, 5000)
  if not answer and nothing and err ~= "timeout" then
    sock:close()
    if pool == before then pool = pool + 1 end
    sock = ngx.socket.tcp()
    answer, err = ask(sock, question, 5000)
  end
  local ok, result = false, "the server: " .. tostring(err)
  if answer then ok, result = pcall(converse, sock, answer, definition, find, flight, question.id) end
  if not ok then
    sock:close()
    error(result, 0)
  end
  sock:setkeepalive(30000, 64)
  return result
end

-- Returns the process id of the server at the socket, nil where none listens, 0 where it
-- cannot be told; whether a Lua plugin has started it; and what is wrong with it, where it
-- is not of this protocol.
function _M.ping()
  if not lfs.attributes(path()) then return nil end -- nginx would log that connecting failed
  local sock = ngx.socket.tcp()
  local ok, pong, err = pcall(ask, sock, { op = "ping" }, 1000)
  sock:close()
  if not ok then return nil end
  if not pong then
    local busy = err == "timeout" or err:find("temporarily unavailable", 1, true) -- its queue is full
    return busy and 0 or nil
  end
  local wrong = ("the server is of version %s, protocol %s; the Lua files are of version %s, protocol %d")
    :format(tostring(pong.version), tostring(pong.protocol), _M.VERSION, PROTOCOL)
  return pong.pid or 0, pong.lua_mode, pong.error or pong.protocol ~= PROTOCOL and wrong or nil
end

-- Calls drop at every change of the epoch, until the connection breaks. The first
-- question names no epoch, so that it is answered at once. Reads for a second at a time,
-- so that a worker that is to end does not wait.
local function follow(sock, drop, metrics)
  local told
  while true do
    local question = {
      op = "watch", epoch = told, listen = not told and listens() or nil,
      counts = metrics.counts(), figures = metrics.has_registry(),
    }
    local answer, err, nothing = ask(sock, question, 1000)
    for _ = 2, SILENCE do
      if answer or not nothing or err ~= "timeout" or ngx.worker.exiting() then break end
      answer, err, nothing = receive(sock)
    end
    if not answer or type(answer.epoch) ~= "string" then return err or answer.error end
    if _M.lost then log.write("notice", log.line("server", "found")) end
    told, _M.lost, _M.sessions = answer.epoch, nil, answer.sessions
    if told ~= _M.epoch then
      _M.epoch = told
      drop()
    end
    if answer.figures then
      local ok, wrong = pcall(metrics.add, answer.figures)
      if not ok then log.write("err", log.line("metrics", "not told", "error", wrong)) end
    end
    if ngx.worker.exiting() then return end
    sock:setkeepalive(30000, 64)
  end
end

-- Watches as long as the worker lives. The server may start with the worker, so the
-- first attempt is a second late.
function _M.watch(drop, metrics)
  assert(ngx.timer.at(0, function(premature)
    local pause = 1
    while not premature and not ngx.worker.exiting() do
      ngx.sleep(pause)
      local sock = ngx.socket.tcp()
      local _, err = pcall(follow, sock, drop, metrics)
      sock:close()
      if not _M.lost and not ngx.worker.exiting() then
        ngx.update_time()
        _M.lost, pause = ngx.now(), 0.05
        log.write("warn", log.line("server", "lost", "error", err))
      end
      pause = math.min(pause * 2, 1)
    end
  end))
end

return _M
